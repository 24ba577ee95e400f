/* support/scan_files.h: files for tests of scans, from memory: a tree with a column of each form, and RNTuples with
 * lists of lists, options and variants in several clusters, whose pages begin elsewhere in each column. */
#ifndef LADLE_TESTS_SCAN_FILES_H
#define LADLE_TESTS_SCAN_FILES_H

#include "support/rootfile.h"

enum { PAGE = 300, ENTRIES = 4000 }; /* of the tree: a cluster is one page of each column */
enum { CLUSTERS = 4, EVENTS = 700 }; /* of the RNTuple: events of a cluster */
enum { FLAT = 8192 };                /* entries in a cluster of the flat one */

typedef struct opened {
    made_file made;
    ladle_context *context;
    ladle_file *file;
    ladle_reader *reader; /* one thread */
} opened;

/* A tree "t" with a column of each form. */
void begin_tree(opened *o, const char *codec, bool embedded, bool flag80, int64_t n_entries);

/* RNTuples: "e", events of lists, lists of lists, options, variants; and "n", one of each kind. */
void begin_ntuples(opened *o, const char *codec);

/* An RNTuple "f" of numbers: "one" has a page in each of its two clusters, "many", "more" and "most" have 16; and of
 * lists, "none", that are empty. */
void begin_flat_ntuple(opened *o);

ladle_table *begin_table(opened *o, const char *name);
ladle_reader *begin_reader(ladle_context *context, int32_t threads);
void close_it(opened *o);

#endif
