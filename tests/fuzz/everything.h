/* fuzz/everything.h: all that can be reached in a file, read from memory, and the promises that
 * hold for any bytes at all:
 *
 *   - each call succeeds, or fails with a status of damage, a place and a message, and sets its pointers to NULL;
 *   - the buffers of a column are what their roles promise (support/nested.h);
 *   - a range of a column that was read whole is the slice of it;
 *   - the steps of a scan follow each other, each the slice of the columns that were read whole, or an error;
 *   - at most `budget` bytes are held, and none when all is released.
 */
#ifndef LADLE_TESTS_EVERYTHING_H
#define LADLE_TESTS_EVERYTHING_H

#include <ladle/ladle.h>

enum { MOST_NAME = 96 };

typedef struct seen_column {
    char name[MOST_NAME], type[MOST_NAME];
    ladle_column_info info; /* borrows from the table */
    ladle_status status;
    ladle_array array; /* where status is LADLE_OK */
    int64_t first;     /* entry that it begins with: not 0 where the whole is more than the budget */
    char why[256];     /* where it is not */
} seen_column;

typedef struct seen_table {
    char path[MOST_NAME];
    int32_t cycle;
    int64_t offset, nbytes; /* of its record */
    ladle_status status;
    ladle_table *table;
    int32_t n_columns;
    seen_column *columns;
} seen_table;

typedef struct everything {
    ladle_context *context;
    ladle_file *file;
    ladle_status status; /* of opening the file and listing its keys */
    int64_t n_tables;
    seen_table *tables;
    char complaint[512]; /* the first promise that was broken, or empty */
    int64_t n_read;      /* columns that were read */
} everything;

/* Ends the world if a promise of the above is broken: `complaint` says which. */
void see_everything(everything *e, const void *data, size_t nbytes, int64_t budget);

/* Releases all; complains of what is still held. */
void forget_everything(everything *e);

#endif
