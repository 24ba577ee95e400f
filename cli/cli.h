/* cli.h: the verbs of `ladle`, and what all of them share: exit statuses, error lines, an open
 * table with its reader, the columns that a call names.
 *
 * Only public headers (<ladle/...>) are used: what the tool does, any C program can do.
 */
#ifndef LADLE_CLI_CLI_H
#define LADLE_CLI_CLI_H

#include <ladle/ladle.h>

#include "options.h"
#include "output.h"

/* Exit statuses. */
#define CLI_OK 0
#define CLI_DATA 1 /* the file, its data, or the place that output goes to is at fault */
#define CLI_CALL 2 /* the call is: unknown verb or option, no such file, table or column */

/* A verb, as `ladle --help` lists it. */
typedef struct cli_verb {
    const char *name;
    const char *summary;                                     /* half a line */
    const char *help;                                        /* what `ladle VERB --help` prints */
    const char *status_help;                                 /* its exit statuses; NULL: those of all verbs */
    unsigned option_flags;                                   /* CLI_TAKES_* of options.h */
    int (*run)(const cli_options *options, cli_output *out); /* returns an exit status */
} cli_verb;

extern const cli_verb cli_verb_ls;
extern const cli_verb cli_verb_show;
extern const cli_verb cli_verb_digest;
extern const cli_verb cli_verb_cat;
extern const cli_verb cli_verb_scan;
extern const cli_verb cli_verb_doctor;

/* Prints the one line `ladle: WHERE: MESSAGE` on stderr, control characters made visible. */
void cli_complain(const char *where, const char *format, ...) LADLE_PRINTF(2, 3);

/* The message of `error` and the byte that it is about, as error lines and JSON give them. */
#define CLI_ERROR_NBYTES 512
void cli_error_text(const ladle_error *error, char out[CLI_ERROR_NBYTES]);

/* Prints the one line of `error`. Returns CLI_DATA. */
int cli_data_error(const char *fallback_where, const ladle_error *error);

/* The same for an error met while looking up what the call names: NOT_FOUND and INVALID are the
 * call's fault. Returns CLI_CALL or CLI_DATA. */
int cli_lookup_error(const char *fallback_where, const ladle_error *error);

/* What a verb has open. */
typedef struct cli_session {
    ladle_context *context;
    ladle_file *file;
    ladle_table *table;   /* NULL without CLI_WITH_TABLE */
    ladle_reader *reader; /* NULL without CLI_WITH_READER */
    int64_t start, stop;  /* entries of the table that the call asks for */
} cli_session;

#define CLI_WITH_TABLE 1u
#define CLI_WITH_READER 2u

/* Opens what `parts` asks for. Returns an exit status; the error line is printed. Close in any
 * case. */
int cli_session_open(cli_session *session, const cli_options *options, unsigned parts);
void cli_session_close(cli_session *session);

/* The entries of its table that the options choose. Returns CLI_OK, or CLI_CALL once it complained. */
int cli_session_range(cli_session *session, const cli_options *options);

/* The same items, perhaps in another place, with room for one more behind `count`. NULL: no memory, they are as before.
 */
void *cli_grown(void *items, int64_t count, int64_t *capacity, size_t item_nbytes);

/* A column that the call names, and by what. */
typedef struct cli_selected {
    int32_t column;
    int32_t n_members; /* of its members, those that stand in the name: none in "jets", one in "jets.pt" */
    int32_t earlier;   /* 1 + the item before it that has the same column; 0: none */
    bool named;        /* in full or by its record, not by a pattern and not by default */
} cli_selected;

/* In the order of the call; those of a record or a pattern as the table has them. */
typedef struct cli_selection {
    cli_selected *items;
    int32_t count;
} cli_selection;

/* Resolves the call's names; without names: all columns. A name with `*`, `?` or `[` that no column has is a pattern.
 * A name or pattern means a column, or a record and all columns in it. Each column comes once, or with `by_path` once
 * for each n_members. Returns an exit status; the error line is printed. Release in any case. */
int cli_selection_make(cli_selection *selection, const cli_session *session, const cli_options *options, bool by_path);
void cli_selection_release(cli_selection *selection);

/* The name of a column with that many of its members: "jets", "jets.pt". Returns owned; NULL: no memory. */
char *cli_path(const ladle_column_info *info, int32_t n_members);

#endif
