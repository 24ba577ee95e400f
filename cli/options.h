/* options.h: what a call says: options, FILE[:TABLE], names. */
#ifndef LADLE_CLI_OPTIONS_H
#define LADLE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What a verb takes besides --json and --help. */
#define CLI_TAKES_TABLE 1u   /* FILE[:TABLE] rather than FILE */
#define CLI_TAKES_NAMES 2u   /* names or patterns after the file */
#define CLI_TAKES_READING 4u /* --threads, --start, --stop */
#define CLI_TAKES_SCAN 8u    /* --step, --columns; further files after the first, in names */
/* A command in place of FILE: the words from the first plain one on, or from behind `--`, are its own, in names.
 * Options of the doctor. */
#define CLI_TAKES_COMMAND 16u
#define CLI_TAKES_BUDGET 32u /* --budget */

/* Owned by the caller: cli_options_release frees what it points to. */
typedef struct cli_options {
    char *file;         /* owned; NULL if the call only asks for help */
    char *table;        /* owned; NULL: the file's only table */
    const char **names; /* owned array of borrowed words */
    int names_count;
    const char **patterns; /* owned array of borrowed words: of --columns */
    int patterns_count;
    int32_t threads; /* 0: as the library decides */
    int64_t budget;  /* bytes; 0: none */
    int64_t step;    /* bytes; 0: by default */
    bool has_start, has_stop;
    int64_t start, stop;    /* as given: negative counts from the end */
    const char *allocators; /* as given; NULL: no trial */
    const char *report;     /* path of the page; NULL: none */
    int32_t repeat;         /* runs of each allocator; 0: by default */
    int32_t interval_ms;    /* 0: by default */
    bool map, stacks, no_probe;
    bool json;
    bool help;
} cli_options;

/* Parses the words after the verb. Options may stand anywhere; `--` ends them. Returns an exit
 * status; the error line is printed. Release in any case. */
int cli_options_parse(cli_options *options, const char *verb, unsigned flags, int count, char **words);
void cli_options_release(cli_options *options);

/* Splits FILE[:TABLE] at the colon that leaves the longest existing file; a name that exists as a
 * whole has no table. Where nothing exists, the last colon splits if ".root" stands before it.
 * *file and *table are owned by the caller; *table is NULL where there is none. False: no memory.
 */
bool cli_split_path(const char *text, char **file, char **table);

/* Reads "4096", "64 MB" (10^6 bytes each) or "64 MiB" (2^20): the units of uproot, which need no
 * capitals. False unless the whole text is a size of 0 to 2^63 - 1 bytes. */
bool cli_parse_size(const char *text, int64_t *nbytes);

/* Entries [*start, *stop) of `n_entries`, as Python slices: negative counts from the end, what is
 * outside is cut. False where stop comes before start. */
bool cli_entry_range(const cli_options *options, int64_t n_entries, int64_t *start, int64_t *stop);

#endif
