/* root/tree.h: TTree: what the parser takes from its object, and what the table keeps of it.
 *
 * Object framing (TBufferFile): u32 byte count | 0x40000000, i16 version. Behind a pointer (ReadObjectAny):
 *   u32 byte count | 0x40000000, then a class tag:
 *     0xFFFFFFFF and a terminated class name: a new class; or a class reference | 0x80000000
 *   or u32 object reference, 0 for NULL
 * References are positions counted from the start of the key, plus 2; so position in the object + fKeylen + 2.
 *
 * Versions read: TTree 16-20, TBranch 10-13, TBranchElement 8-10 (as unsupported columns), TLeaf 2.
 *
 * Basket (TBasket::Streamer), at the end of the key of a record, fKeylen includes it:
 *   i16 version  i32 fBufferSize  i32 fNevBufSize (negative: -n, and u8 fIOBits follows)  i32 fNevBuf  i32 fLast  u8
 * flag Payload, decompressed: [0, fLast - fKeylen) data; behind it, unless flag is 80 or more or the leaf has no
 * offsets, i32 count, then i32 offsets from the start of the key (with fIOBits bit 0: sizes), the last one unused.
 */
#ifndef LADLE_ROOT_TREE_H
#define LADLE_ROOT_TREE_H

#include "root/file.h"
#include "table/table.h"

enum { LADLE_IO_GENERATE_OFFSETS = 1, LADLE_FLAG_GENERATE_OFFSETS = 80 };

typedef enum ladle_leaf_class {
    LADLE_LEAF_OTHER = 0,
    LADLE_LEAF_O,
    LADLE_LEAF_B,
    LADLE_LEAF_S,
    LADLE_LEAF_I,
    LADLE_LEAF_L,
    LADLE_LEAF_G,
    LADLE_LEAF_F,
    LADLE_LEAF_D,
    LADLE_LEAF_C,
    LADLE_LEAF_D32,
    LADLE_LEAF_F16
} ladle_leaf_class;

/* --- what the parser finds; texts borrow from the object ---------------------------------------- */

typedef struct ladle_leaf {
    int64_t reference; /* how the object is referred to; first, since it is searched for */
    ladle_leaf_class class_id;
    ladle_text class_name, name, title;
    int32_t len; /* fLen: primitives per entry, or per count */
    bool is_unsigned;
    int64_t counter; /* reference of fLeafCount, or 0 */
    int32_t branch;  /* that owns it, or -1 */
    int32_t column;  /* that shows it, or -1 */
} ladle_leaf;

typedef struct ladle_embedded {
    int32_t branch;
    int64_t slot; /* in fBaskets */
    int64_t n_entries;
    int64_t key_nbytes;
    const uint8_t *data; /* values */
    int64_t data_nbytes;
    const uint8_t *offsets; /* big-endian i32, or NULL */
    int64_t n_offsets;
    int32_t io_bits;
    bool generate;
} ladle_embedded;

typedef struct ladle_branch {
    ladle_text class_name, name, title;
    ladle_text element_class; /* fClassName of a TBranchElement */
    int32_t parent;           /* index, or -1 */
    int32_t n_children;
    int64_t n_entries;                                        /* fEntryNumber */
    int64_t first_entry;                                      /* fFirstEntry */
    int64_t write_basket;                                     /* fWriteBasket */
    int64_t max_baskets;                                      /* fMaxBaskets: length of the three arrays */
    const uint8_t *basket_bytes, *basket_entry, *basket_seek; /* big-endian, max_baskets each */
    bool wide_seek;
    int64_t first_leaf, n_leaves; /* in ladle_tree.leaf_list */
    int64_t first_embedded, n_embedded;
} ladle_branch;

typedef struct ladle_tree {
    ladle_context *context;
    ladle_text name, title;
    int64_t n_entries;
    int64_t n_cluster_ranges;
    const uint8_t *cluster_range_end, *cluster_size; /* big-endian i64 */
    int64_t auto_flush;
    ladle_vector branches;  /* of ladle_branch, parents first */
    ladle_vector leaves;    /* of ladle_leaf, by rising reference */
    ladle_vector leaf_list; /* of int64_t: for each branch its leaves, as references */
    ladle_vector embedded;  /* of ladle_embedded, by branch and slot */
} ladle_tree;

/* Parses the object of a TTree, TNtuple or TNtupleD. ladle_tree_destroy in every case. */
ladle_status ladle_tree_parse(ladle_tree *tree, ladle_context *context, const ladle_object *object,
                              const char *class_name, ladle_error *error);
void ladle_tree_destroy(ladle_tree *tree);

/* The leaf with that reference, or NULL. */
ladle_leaf *ladle_tree_leaf(const ladle_tree *tree, int64_t reference);

/* --- what the table keeps ------------------------------------------------------------------------ */

typedef enum ladle_decoding {
    LADLE_DECODE_COPY = 0, /* bytes as they are */
    LADLE_DECODE_SWAP,     /* big-endian values */
    LADLE_DECODE_SCALED,   /* u32 / factor + minimum */
    LADLE_DECODE_SHORT,    /* u8 exponent, u16 mantissa and sign */
    LADLE_DECODE_WIDEN     /* f32 on disk, f64 in memory */
} ladle_decoding;

typedef struct ladle_tree_pages {
    int64_t *first_entry; /* n + 1 */
    int64_t *seek;        /* n; -1 where the page is embedded */
    int32_t *nbytes;      /* n */
    int64_t n;
    const ladle_embedded *embedded; /* those of this branch, by page number in slot */
    int64_t n_embedded;
} ladle_tree_pages;

/* How one column lies in its branch's pages; beside ladle_column, same index. */
typedef struct ladle_tree_column {
    const ladle_tree_pages *pages;
    ladle_decoding decoding;
    int32_t disk_size;      /* bytes of one primitive on disk */
    int32_t stride;         /* bytes of one entry on disk, where several leaves share it; else 0 */
    int32_t position;       /* of this leaf in the entry */
    int32_t bits;           /* LADLE_DECODE_SHORT: of the mantissa */
    double factor, minimum; /* LADLE_DECODE_SCALED */
} ladle_tree_column;

typedef struct ladle_tree_table {
    ladle_table base;
    ladle_file *file;
    ladle_tree_column *columns;
    ladle_object payload; /* the tree's object, kept only for embedded pages; data NULL otherwise */
} ladle_tree_table;

extern const ladle_table_ops ladle_tree_table_ops;

/* Turns the parsed tree into columns, pages and clusters. */
ladle_status ladle_tree_build(ladle_tree_table *table, const ladle_tree *tree, ladle_error *error);

/* Reads dtype, dims and decoding off a leaf into column and layout; column->reason says why it cannot be read.
 * LADLE_OK also then; fails only for want of memory. */
ladle_status ladle_leaf_describe(ladle_arena *arena, const ladle_leaf *leaf, ladle_column *column,
                                 ladle_tree_column *layout, ladle_error *error);

#endif
