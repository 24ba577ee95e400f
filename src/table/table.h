/* table/table.h: the abstract table that a format implements and deliver/ reads.
 *
 * A format (root/basket.c, later RNTuple) fills a ladle_table: columns, clusters, and two functions that know
 * its pages: `plan` says which pages hold the values of a buffer and where each goes, `decode` turns one
 * page's bytes into values. Neither reads the file: deliver/ does, coalesced, through table->source.
 *
 * An item of a buffer is what its dimension counts: an offset, or the values below the innermost
 * LADLE_VAR of one position (`inner` primitives where there are fixed dimensions).
 */
#ifndef LADLE_TABLE_TABLE_H
#define LADLE_TABLE_TABLE_H

#include <ladle/table.h>

#include "memory/arena.h"

struct ladle_scratch; /* codec/scratch.h */
struct ladle_source;  /* ladle/io.h */

typedef struct ladle_column {
    const char *name, *title, *type_name;
    const char *reason;  /* why it cannot be read, or NULL */
    const int64_t *dims; /* n_dims sizes or LADLE_VAR, outermost first */
    int64_t n_entries, n_pages, disk_nbytes;
    int64_t inner;   /* primitives in an item of data: the product of the fixed dimensions */
    int32_t counter; /* column with the lengths of the outermost LADLE_VAR, or -1 */
    uint8_t dtype, n_dims, n_buffers;
    uint8_t reason_status; /* LADLE_UNSUPPORTED, or LADLE_CORRUPT where its metadata is damaged */
    bool is_string;
} ladle_column;

/* One page's share of one buffer, in items. */
typedef struct ladle_slice {
    int64_t page;
    int64_t offset; /* of the record in the file, or -1: kept in memory by the table */
    int64_t nbytes; /* of the record; checked to lie in the file */
    int64_t total;  /* items in the page, or -1: known only after decoding */
    int64_t skip;   /* of these, before the range */
    int64_t take;   /* of these, in the range */
    int64_t dest;   /* place of the first in the buffer */
} ladle_slice;

/* Where ops.split puts what a page without known lengths turns out to hold. */
typedef struct ladle_split {
    int64_t *lengths; /* room for slice->take lengths, in items */
    /* Called once: room for that many bytes of values behind the earlier ones, or NULL with `error` filled. */
    uint8_t *(*reserve)(void *user, int64_t nbytes, ladle_error *error);
    void *user;
} ladle_split;

typedef struct ladle_table_ops {
    void (*release)(ladle_table *table); /* what the format added; not the base */

    /* Entries [*first, *last) of the pages that cover [start, stop) of a column. */
    void (*page_bounds)(const ladle_table *table, int32_t column, int64_t start, int64_t stop, int64_t *first,
                        int64_t *last);

    /* Appends the slices of `buffer` over [start, stop) to `slices` (of ladle_slice). For data below a counter,
     * `offsets` are those of the page_bounds range, from 0; NULL otherwise. */
    ladle_status (*plan)(const ladle_table *table, int32_t column, int32_t buffer, int64_t start, int64_t stop,
                         const int64_t *offsets, ladle_vector *slices, ladle_error *error);

    /* Decodes one slice into `buffer_data`, at its place. `record`: slice->nbytes bytes, NULL if offset is -1. */
    ladle_status (*decode)(const ladle_table *table, int32_t column, int32_t buffer, const ladle_slice *slice,
                           const uint8_t *record, struct ladle_scratch *scratch, uint8_t *buffer_data,
                           ladle_error *error);

    /* For a column with LADLE_VAR and no counter: lengths and values of a slice's entries. */
    ladle_status (*split)(const ladle_table *table, int32_t column, const ladle_slice *slice, const uint8_t *record,
                          struct ladle_scratch *scratch, const ladle_split *out, ladle_error *error);

    void (*page)(const ladle_table *table, int32_t column, int64_t page, ladle_page_info *info);
    ladle_status (*page_detail)(const ladle_table *table, int32_t column, int64_t page, ladle_page_detail *detail,
                                ladle_error *error);
} ladle_table_ops;

struct ladle_table {
    const ladle_table_ops *ops;
    ladle_context *context;
    atomic_int references;
    ladle_arena arena; /* holds everything below, and what the format adds */
    struct ladle_source *source;
    const char *file_path;
    const char *file_uuid;
    const char *name, *title, *format;
    int64_t n_entries;
    ladle_column *columns;
    int32_t n_columns;
    int32_t *index; /* hash table of columns by name: index + 1, 0 is free */
    int32_t index_size;
    int64_t *clusters; /* borders */
    int64_t n_clusters;
};

/* Prepares the base of a table that the caller allocated zeroed. */
void ladle_table_init(ladle_table *table, ladle_context *context, const ladle_table_ops *ops);

/* Frees what ladle_table_init and the arena hold; the struct is the caller's. */
void ladle_table_destroy_base(ladle_table *table);

/* Builds the name index. The first of several equal names wins. */
ladle_status ladle_table_build_index(ladle_table *table, ladle_error *error);

/* Adds "file: table/column" to an error. */
void ladle_table_blame(const ladle_table *table, int32_t column, ladle_error *error);

#endif
