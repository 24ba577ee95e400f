/* support/rootfile.h: ROOT files written by hand, so that tests choose every byte.
 *
 *     made_tree tree = {.name = "t", .columns = columns, .n_columns = 2, .n_entries = 100,
 *                       .page_entries = 40, .codec = "ZL"};
 *     made_file file;
 *     begin_file(&file);
 *     add_tree(&file, &tree);
 *     end_file(&file);                 // file.bytes is a whole ROOT file
 *
 * What is in a column is a function of the entry: expected_offsets and expected_data say it again
 * in native form, for any range.
 */
#ifndef LADLE_TESTS_ROOTFILE_H
#define LADLE_TESTS_ROOTFILE_H

#include "support/bytes.h"

#include <ladle/ladle.h>

typedef enum made_form {
    MADE_FLAT,    /* one value */
    MADE_FIXED,   /* [3] */
    MADE_JAGGED,  /* [counter], 0 to 4 values */
    MADE_STRING,  /* 0 to 7 bytes; entry 9 has 300 */
    MADE_COUNTER, /* of the jagged columns behind it */
    MADE_RECORD   /* a leaflist: d/D, i/I, s/S, b/B */
} made_form;

typedef struct made_column {
    const char *name;
    made_form form;
    char leaf;           /* of TLeafX; ignored for strings, counters and records */
    const char *counter; /* name of the counter's column */
} made_column;

typedef struct made_tree {
    const char *name;
    const made_column *columns;
    int n_columns;
    int64_t n_entries;
    int64_t page_entries; /* of one basket */
    const char *codec;    /* of baskets; NULL stores them */
    bool embedded;        /* the last basket stays in the tree */
    bool flag80;          /* offsets of jagged columns are left out */
    bool no_clusters;     /* fAutoFlush counts bytes, as it mostly does */
    /* Lies, where not 0: what the tree says in place of the truth. */
    int64_t lie_entries;       /* fEntries, fEntryNumber and the end of the last basket */
    int64_t lie_basket_nbytes; /* fBasketBytes */
    int lie_depth;             /* so many branches, each within the last one */
    int lie_counts;            /* so many TBranchElements, each inline as the last one's fBranchCount */
    bool lie_self_counter;     /* counters count themselves */
    int lie_classes;           /* so many classes in the first fBaskets, and references to the last one */
    int lie_embedded;          /* so many baskets without bytes, each in a slot of its own */
    int lie_names;             /* so many branches below one with a name as long */
} made_tree;

typedef struct made_key {
    int64_t seek, nbytes, object_nbytes;
    char class_name[32], name[64];
    int cycle;
} made_key;

enum { MADE_MOST_KEYS = 64 };

typedef struct made_file {
    bytes bytes;
    const char *codec; /* of metadata; NULL stores it */
    made_key keys[MADE_MOST_KEYS];
    int n_keys;          /* of the directory that is open */
    size_t directory_at; /* where the root directory's key list is told */
} made_file;

void begin_file(made_file *file);
void end_file(made_file *file);
void free_file(made_file *file);

/* Appends a record and its key. `codec` NULL stores it. */
const made_key *add_record(made_file *file, const char *class_name, const char *name, int cycle, const void *object,
                           size_t nbytes, const char *codec);
const made_key *add_tree(made_file *file, const made_tree *tree);

/* Begins a file with a tree "t" that has a column of each form. */
void begin_all_forms(made_file *file, const char *codec, int64_t n_entries, int64_t page_entries, bool embedded,
                     bool flag80);

/* A key list record of `count` keys, or of as many as it says itself. Returns its place. */
int64_t add_key_list(made_file *file, const made_key *keys, int n_keys, int64_t says, int64_t *nbytes);

/* A directory whose key list is `seek`, `nbytes`. */
const made_key *add_directory(made_file *file, const char *name, int64_t seek, int64_t nbytes);

/* --- what the columns hold ------------------------------------------------------------------- */

/* Values of entry `i` in items (bytes for a string). */
int64_t made_count(const made_column *column, int64_t i);
/* Bytes of one primitive of leaf `leaf`. */
size_t made_size(char leaf);

/* Offsets of entries [start, stop), from 0. `out` has stop - start + 1 values. */
void expected_offsets(const made_column *column, int64_t start, int64_t stop, int64_t *out);
/* Native values of entries [start, stop). `member` is the leaf of a record, else 0. */
void expected_data(const made_column *column, int member, int64_t start, int64_t stop, bytes *out);

/* Opens the file from memory. `*source_bytes` must outlive it. */
ladle_file *open_made(ladle_context *context, const made_file *file, ladle_error *error);

/* One column of each form, in every test that wants "everything". */
extern const made_column all_forms[];
enum { ALL_FORMS = 8 };

/* Reads entries [start, stop). What is read is asserted to be as made, and an error to leave
 * nothing behind. */
ladle_status read_expected(ladle_reader *reader, ladle_cache *cache, ladle_table *table, const made_column *column,
                           int64_t start, int64_t stop, ladle_error *error);

/* The same, and no error. */
void assert_column(ladle_reader *reader, ladle_cache *cache, ladle_table *table, const made_column *column,
                   int64_t start, int64_t stop);

#endif
