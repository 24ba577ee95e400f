/* table/table.h: the abstract table that a format implements and deliver/ reads.
 *
 * A format (root/basket.c, root/rntuple_read.c) fills a ladle_table: columns, clusters, and functions that know its
 * pages: `plan` says which pages hold a buffer and where each part goes, `decode` turns one page's bytes into values.
 * Pages are read by deliver/, coalesced, through table->source; a format itself reads metadata only.
 *
 * An item of a buffer is what its dimension counts: an offset, or the values below one position of the innermost
 * LADLE_VAR (`inner` primitives where there are fixed dimensions).
 *
 * Lists come in three kinds. COUNTED: another column holds their lengths; its counts are read first, and offsets are
 * their sum. GATHERED: only the pages know; they are decoded one after the other. STORED: each buffer has pages of its
 * own, and `plan` finds the items of any entry range.
 */
#ifndef LADLE_TABLE_TABLE_H
#define LADLE_TABLE_TABLE_H

#include <ladle/table.h>

#include "memory/arena.h"

struct ladle_scratch; /* codec/scratch.h */
struct ladle_source;  /* ladle/io.h */

typedef enum ladle_lists {
    LADLE_LISTS_NONE = 0,
    LADLE_LISTS_COUNTED,
    LADLE_LISTS_GATHERED,
    LADLE_LISTS_STORED
} ladle_lists;

typedef struct ladle_column {
    const char *name, *title, *type_name;
    const char *reason;          /* why it cannot be read, or NULL */
    const int64_t *dims;         /* n_dims sizes, LADLE_VAR ..., outermost first */
    const char *field;           /* NULL: the name */
    const ladle_member *members; /* n_members */
    const char *const *owners;   /* of each buffer (see ladle_buffer_info); NULL: by counter and name */
    int64_t n_entries;
    int64_t inner;   /* primitives in an item of data */
    int32_t counter; /* column with the lengths of the outermost LADLE_VAR, or -1 */
    uint8_t dtype, n_dims, n_buffers, n_members;
    uint8_t lists;         /* ladle_lists */
    uint8_t reason_status; /* LADLE_UNSUPPORTED, or LADLE_CORRUPT where its metadata is damaged */
    bool is_string;
} ladle_column;

/* One page's share of one buffer, in items. */
typedef struct ladle_slice {
    int64_t page;
    int64_t offset;  /* of the record in the file, or -1: kept in memory by the table */
    int64_t nbytes;  /* of the record; checked to lie in the file */
    int64_t total;   /* items in the page, or -1: known only after decoding */
    int64_t skip;    /* of these, before the range */
    int64_t take;    /* of these, in the range */
    int64_t dest;    /* place of the first in the buffer; that of offsets begins with a 0 before the first item */
    int64_t mark[5]; /* the format's own, from plan to decode to finish */
} ladle_slice;

/* Where ops.split puts what a page without known lengths turns out to hold. */
typedef struct ladle_page_split {
    int64_t *lengths; /* room for slice->take lengths, in items */
    /* Called once: room for that many bytes of values behind the earlier ones, or NULL with `error` filled. */
    uint8_t *(*reserve)(void *user, int64_t nbytes, ladle_error *error);
    void *user;
} ladle_page_split;

typedef struct ladle_table_ops {
    void (*release)(ladle_table *table); /* what the format added; not the base */

    /* COUNTED: entries [*first, *last) of the pages that cover [start, stop) of a column. */
    void (*page_bounds)(const ladle_table *table, int32_t column, int64_t start, int64_t stop, int64_t *first,
                        int64_t *last);

    /* Appends the slices of `buffer` over entries [start, stop) to `slices` (of ladle_slice), by rising `dest`;
     * *n_items: how many items the buffer has, which is what the slices take. For data of COUNTED lists, `offsets`
     * are those of the page_bounds range, from 0; NULL otherwise. */
    ladle_status (*plan)(const ladle_table *table, int32_t column, int32_t buffer, int64_t start, int64_t stop,
                         const int64_t *offsets, ladle_vector *slices, int64_t *n_items, ladle_error *error);

    /* NULL, or makes the rest of a planned slice, or a whole one, the first of a buffer; false where that needs a plan
     * of its own. */
    bool (*begin)(const ladle_table *table, int32_t column, int32_t buffer, ladle_slice *slice);

    /* Decodes one slice into `buffer_data`, at its place. `record`: slice->nbytes bytes, NULL if offset is -1. Slices
     * of one record follow each other in one thread: the scratch may hold it decompressed. */
    ladle_status (*decode)(const ladle_table *table, int32_t column, int32_t buffer, ladle_slice *slice,
                           const uint8_t *record, struct ladle_scratch *scratch, uint8_t *buffer_data,
                           ladle_error *error);

    /* NULL, or called once all slices of a buffer are decoded: what one page does not know of its neighbour. */
    ladle_status (*finish)(const ladle_table *table, int32_t column, int32_t buffer, const ladle_slice *slices,
                           int64_t n_slices, uint8_t *buffer_data, ladle_error *error);

    /* GATHERED: lengths and values of a slice's entries. */
    ladle_status (*split)(const ladle_table *table, int32_t column, const ladle_slice *slice, const uint8_t *record,
                          struct ladle_scratch *scratch, const ladle_page_split *out, ladle_error *error);

    ladle_status (*storage)(const ladle_table *table, int32_t column, ladle_storage_info *info, ladle_error *error);
    ladle_status (*page)(const ladle_table *table, int32_t column, int64_t page, ladle_page_info *info,
                         ladle_error *error); /* 0 <= page < n_pages of its storage */
    ladle_status (*page_detail)(const ladle_table *table, int32_t column, int64_t page, ladle_page_detail *detail,
                                ladle_error *error);

    /* NULL, or fills table->clusters and n_clusters. */
    ladle_status (*find_clusters)(const ladle_table *table, ladle_error *error);
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
    int64_t *clusters; /* borders; NULL until they are asked for, where ops->find_clusters is given */
    int64_t n_clusters;
};

/* Prepares the base of a table that the caller allocated zeroed. */
void ladle_table_init(ladle_table *table, ladle_context *context, const ladle_table_ops *ops);

/* Frees what ladle_table_init and the arena hold; the struct is the caller's. */
void ladle_table_destroy_base(ladle_table *table);

/* Builds the name index. The first of several equal names wins. */
ladle_status ladle_table_build_index(ladle_table *table, ladle_error *error);

/* Role and dimension of a buffer that the column has. */
ladle_role ladle_column_role(const ladle_column *column, int32_t buffer, int32_t *dim);

/* dtype of a buffer that the column has. */
ladle_dtype ladle_column_buffer_dtype(const ladle_column *column, int32_t buffer);

/* Adds "file: table/column" to an error. */
void ladle_table_blame(const ladle_table *table, int32_t column, ladle_error *error);

#endif
