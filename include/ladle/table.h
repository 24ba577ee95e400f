/* ladle/table.h: the format-free view: a table has entries and columns, a column has buffers.
 *
 *     int32_t index = ladle_table_find(table, "Jet_pt");
 *     ladle_column_info column;
 *     ladle_table_column(table, index, &column);     // float32, dims {LADLE_VAR}
 *
 * A column's type is a list of dimensions around one primitive dtype, outermost first, the entry
 * itself not counted: {} is flat, {3} is `3 * float32`, {LADLE_VAR} is `var * float32`, {LADLE_VAR, 3}
 * is `var * 3 * float32`. A string is {LADLE_VAR} of uint8 with is_string set.
 * Its buffers are numbered: one int64 offsets buffer for each LADLE_VAR, outermost first, then the data.
 */
#ifndef LADLE_TABLE_H
#define LADLE_TABLE_H

#include <ladle/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable, shareable, counted. Opened by ladle_file_table(), which see; retains its file. */
typedef struct ladle_table ladle_table;

#define LADLE_VAR (-1)
#define LADLE_MAX_DIMS 8

/* Set struct_size before the call. Pointers borrow until the table is released. */
typedef struct ladle_column_info {
    size_t struct_size;
    const char *name;      /* "Jet_pt"; "branch.leaf" where a branch has several leaves */
    const char *title;     /* what the writer said of it; may be empty */
    const char *type_name; /* the file's own word: "TLeafF", "vector<float>" */
    const char *reason;    /* why it cannot be read, or NULL where it can */
    ladle_dtype dtype;     /* LADLE_DTYPE_NONE where it cannot be read */
    int32_t n_dims;
    int64_t dims[LADLE_MAX_DIMS]; /* a size, or LADLE_VAR */
    bool is_string;               /* the innermost dimension is a string's bytes */
    int32_t n_buffers;            /* offsets buffers and the data; 0 where it cannot be read */
    int32_t counter;              /* column that holds the lengths of the outermost LADLE_VAR, or -1 */
    int64_t n_entries;
    int64_t n_pages;
    int64_t disk_nbytes; /* of its pages, headers included */
} ladle_column_info;

/* One page as stored. Set struct_size before the call. */
typedef struct ladle_page_info {
    size_t struct_size;
    int64_t first_entry;
    int64_t n_entries;
    int64_t offset; /* of its record in the file, or -1: stored inside the table's metadata */
    int64_t nbytes; /* of its record, header included */
} ladle_page_info;

LADLE_API const char *ladle_table_name(const ladle_table *table); /* with directories: "dir/Events" */
LADLE_API const char *ladle_table_title(const ladle_table *table);
LADLE_API const char *ladle_table_format(const ladle_table *table); /* "TTree" or "RNTuple" */
LADLE_API int64_t ladle_table_n_entries(const ladle_table *table);
LADLE_API int32_t ladle_table_n_columns(const ladle_table *table);

/* UUID of the file that holds the table: 36 characters. Borrows until the table is released. */
LADLE_API const char *ladle_table_file_uuid(const ladle_table *table);

/* Describes column `index` (0 <= index < n_columns); INVALID outside. */
LADLE_API ladle_status ladle_table_column(const ladle_table *table, int32_t index, ladle_column_info *info);

/* Index of the column of that exact name, or -1. Takes constant time. */
LADLE_API int32_t ladle_table_find(const ladle_table *table, const char *name);

/* As ladle_table_find, but a missing name is NOT_FOUND with the nearest names in the message. */
LADLE_API ladle_status ladle_table_require(const ladle_table *table, const char *name, int32_t *index,
                                           ladle_error *error);

/* Type as awkward writes it: "var * float32", "3 * int32", "string"; "unknown" where it cannot be
 * read. Cut to `size` bytes, always terminated. */
LADLE_API void ladle_column_type(const ladle_column_info *info, char *out, size_t size);

/* Describes page `page` of a column; INVALID outside. */
LADLE_API ladle_status ladle_table_page(const ladle_table *table, int32_t column, int64_t page, ladle_page_info *info);

/* What only the page itself says. Set struct_size before the call. */
typedef struct ladle_page_detail {
    size_t struct_size;
    char codec[8];          /* of its first block: "zlib", "lzma", "lz4", "zstd", "old"; or "none" */
    int64_t decoded_nbytes; /* of its payload, decompressed */
} ladle_page_detail;

/* Reads the header of a page. Fails with INVALID outside, IO, TRUNCATED, CORRUPT. */
LADLE_API ladle_status ladle_table_page_detail(const ladle_table *table, int32_t column, int64_t page,
                                               ladle_page_detail *detail, ladle_error *error);

/* Borders of the clusters: borders[0] = 0 ... borders[n] = n_entries, where `*n_borders` = n + 1. A table without
 * recorded clusters has the borders that all its columns' pages share. Borrows until release. */
LADLE_API const int64_t *ladle_table_clusters(const ladle_table *table, int64_t *n_borders);

LADLE_API void ladle_table_retain(ladle_table *table);
LADLE_API void ladle_table_release(ladle_table *table);

#ifdef __cplusplus
}
#endif
#endif
