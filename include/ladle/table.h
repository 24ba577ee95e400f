/* ladle/table.h: the format-free view: a table has entries and columns, a column has buffers.
 *
 *     int32_t index = ladle_table_find(table, "Jet_pt");
 *     ladle_column_info column;
 *     ladle_table_column(table, index, &column);     // float32, dims {LADLE_VAR}
 *
 * A column is one primitive value and the path to it. Its type is a list of dimensions around a primitive dtype,
 * outermost first, the entry itself not counted: {} is flat, {3} is `3 * float32`, {LADLE_VAR} is `var * float32`,
 * {LADLE_OPTION} is `?float32`. A string is {LADLE_VAR} of uint8 with is_string set.
 * Its buffers are numbered, in the order of its dimensions and the data last (see ladle_role):
 *   LADLE_VAR      offsets      int64, one more than there are items, from 0
 *   LADLE_OPTION   index        int64, one for each item: the place of its value, or -1
 *   LADLE_VARIANT  tags         int8, one for each item: 0 for no value, k for alternative k (from 1)
 *                  places       int64, one for each item: where its value is among those of its alternative
 *                  Below a variant, buffers hold the items of all clusters that the range touches, whole.
 *   a size         nothing
 *
 * Records are what columns have in common: `members` are the names on the way, each with the number of dimensions
 * that lie outside of it. Columns of one record follow each other and share the dimensions outside of it, and their
 * buffers. A vector of records `jets` with `pt` and a vector `hits` is two columns:
 *   "jets.pt"    dims {LADLE_VAR}             field "jets", members {{1, "pt"}}
 *   "jets.hits"  dims {LADLE_VAR, LADLE_VAR}  field "jets", members {{1, "hits"}}
 * Members of pairs and tuples are "_0", "_1"; where all members of a record are such, it is a tuple. Right inside of a
 * LADLE_VARIANT, the member "_0" names the first alternative, and so on; all of them are there. The members of base
 * classes stand among those of the class that inherits them; where several have one name, that of a base class has the
 * class in front: "Base::pt".
 */
#ifndef LADLE_TABLE_H
#define LADLE_TABLE_H

#include <ladle/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable, shareable, counted. Opened by ladle_file_table(), which see; retains its file. */
typedef struct ladle_table ladle_table;

#define LADLE_VAR (-1)     /* a list */
#define LADLE_OPTION (-2)  /* a value or none */
#define LADLE_VARIANT (-3) /* a value of one of several types */
#define LADLE_MAX_DIMS 8
#define LADLE_MAX_BUFFERS (2 * LADLE_MAX_DIMS + 1)

typedef enum ladle_role {
    LADLE_ROLE_DATA = 0,
    LADLE_ROLE_OFFSETS,
    LADLE_ROLE_INDEX,
    LADLE_ROLE_TAGS,
    LADLE_ROLE_PLACES
} ladle_role;

typedef struct ladle_member {
    int32_t depth;    /* dimensions outside of it */
    const char *name; /* "pt" */
} ladle_member;

/* Set struct_size before the call. Pointers borrow until the table is released. */
typedef struct ladle_column_info {
    size_t struct_size;
    const char *name;            /* "Jet_pt"; "jets.pt" in a record; "branch.leaf" where a branch has several leaves */
    const char *title;           /* what the writer said of it; may be empty */
    const char *type_name;       /* the file's own word: "TLeafF", "std::vector<float>" */
    const char *reason;          /* why it cannot be read, or NULL where it can */
    const char *field;           /* where its name begins: "jets"; the whole name where there are no members */
    const ladle_member *members; /* n_members names behind it */
    int32_t n_members;
    ladle_dtype dtype; /* LADLE_DTYPE_NONE where it cannot be read */
    int32_t n_dims;
    int64_t dims[LADLE_MAX_DIMS]; /* a size, LADLE_VAR, LADLE_OPTION or LADLE_VARIANT */
    bool is_string;               /* the innermost dimension is a string's bytes */
    int32_t n_buffers;            /* of its dimensions, and the data; 0 where it cannot be read */
    int32_t counter;              /* column that holds the lengths of the outermost LADLE_VAR, or -1 */
    int64_t n_entries;
} ladle_column_info;

/* One buffer of a column. Set struct_size before the call. */
typedef struct ladle_buffer_info {
    size_t struct_size;
    ladle_role role;
    ladle_dtype dtype;
    int32_t dim;       /* the dimension that it is of; n_dims for the data */
    const char *owner; /* of the buffer: equal for all columns that have the same one, such as "nJet" or "jets" */
} ladle_buffer_info;

/* What a column takes in the file. Pages that several columns share count for one of them. Set struct_size before the
 * call. */
typedef struct ladle_storage_info {
    size_t struct_size;
    int64_t n_pages;
    int64_t disk_nbytes; /* of its pages, headers and checksums included */
} ladle_storage_info;

/* One page as stored. Set struct_size before the call. */
typedef struct ladle_page_info {
    size_t struct_size;
    int64_t first_entry; /* of the page; where only lists tell, of its cluster */
    int64_t n_entries;
    int64_t n_items; /* values, or ends of lists; -1 where only the page tells */
    int64_t offset;  /* of its record in the file, or -1: stored inside the table's metadata */
    int64_t nbytes;  /* of its record, header and checksum included */
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

/* Name of a role: "data", "offsets", "index", "tags" or "places". Borrows: static. */
LADLE_API const char *ladle_role_name(ladle_role role);

/* Describes buffer `buffer` of a column (0 <= buffer < n_buffers); INVALID outside. */
LADLE_API ladle_status ladle_table_buffer(const ladle_table *table, int32_t column, int32_t buffer,
                                          ladle_buffer_info *info);

/* Reads the page lists that it needs, once. Fails with INVALID outside, IO, TRUNCATED, CORRUPT ... */
LADLE_API ladle_status ladle_table_storage(const ladle_table *table, int32_t column, ladle_storage_info *info,
                                           ladle_error *error);

/* Index of the column of that exact name, or -1. Takes constant time. */
LADLE_API int32_t ladle_table_find(const ladle_table *table, const char *name);

/* As ladle_table_find, but a missing name is NOT_FOUND with the nearest names in the message. */
LADLE_API ladle_status ladle_table_require(const ladle_table *table, const char *name, int32_t *index,
                                           ladle_error *error);

/* Type as awkward writes it: "var * float32", "3 * int32", "?string"; "union * float32" for what is one of several
 * alternatives; "unknown" where it cannot be read. Cut to `size` bytes, always terminated. */
LADLE_API void ladle_column_type(const ladle_column_info *info, char *out, size_t size);

/* Describes page `page` of a column (0 <= page < n_pages of its storage). Fails as ladle_table_storage. */
LADLE_API ladle_status ladle_table_page(const ladle_table *table, int32_t column, int64_t page, ladle_page_info *info,
                                        ladle_error *error);

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
 * recorded clusters has the borders that all its columns' pages share. Borrows until release. NULL on failure: an
 * RNTuple's page lists are read for it. */
LADLE_API const int64_t *ladle_table_clusters(const ladle_table *table, int64_t *n_borders, ladle_error *error);

LADLE_API void ladle_table_retain(ladle_table *table);
LADLE_API void ladle_table_release(ladle_table *table);

#ifdef __cplusplus
}
#endif
#endif
