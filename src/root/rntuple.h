/* root/rntuple.h: RNTuple, version 1 (epoch 1): what the envelopes say, and what the table keeps of it.
 *
 * Text: root-project/root tree/ntuple/doc/BinaryFormatSpecification.md. Apart from the anchor all is little-endian.
 *
 * Anchor, the object of a key (big-endian), 78 bytes:
 *   u32 byte count | 0x40000000  u16 class version  u16 epoch, major, minor, patch
 *   u64 seek, nbytes, length of the header; the same of the footer  u64 maxKeySize
 *   u64 XXH3 of the 64 bytes behind the class version; the byte count leaves it out
 * Envelope: u64 type | length << 16, payload, u64 XXH3 of all before it; the length counts everything. Stored in
 *   ROOT's compressed blocks, or as it is where nbytes == length.
 * Frame:
 *   i64 size of all of it; negative: a list, and u32 items follow. The next thing is at its end, whatever is in it
 * String:
 *   u32 length, characters
 * Feature flags:
 *   u64 words; bit 63 says that another follows
 * Locator:
 *   i32 nbytes, u64 offset; or nbytes negative: bits 0-15 its own size, 24-30 the type; type 1: u64 nbytes, u64 offset
 * Blob:
 *   where nbytes > maxKeySize > 0, the bytes at the offset are only the first of several chunks of at most maxKeySize,
 *   and end with the offsets of the others
 */
#ifndef LADLE_ROOT_RNTUPLE_H
#define LADLE_ROOT_RNTUPLE_H

#include "codec/elements.h"
#include "codec/scratch.h"
#include "root/file.h"
#include "table/table.h"

#include <pthread.h>

/* --- envelopes (envelope.c) ---------------------------------------------------------------------- */

typedef struct ladle_locator {
    int64_t offset, nbytes;
} ladle_locator;

typedef struct ladle_anchor {
    uint16_t version[4]; /* epoch, major, minor, patch */
    ladle_locator header, footer;
    int64_t header_length, footer_length;
    int64_t max_key_nbytes; /* 0: no blob is in chunks */
} ladle_anchor;

enum { LADLE_ENVELOPE_HEADER = 1, LADLE_ENVELOPE_FOOTER = 2, LADLE_ENVELOPE_PAGE_LIST = 3 };

/* Reads the anchor out of a key's object. */
ladle_status ladle_anchor_read(const ladle_object *object, ladle_anchor *anchor, ladle_error *error);

/* Do the bytes that a locator means lie in the file? TRUNCATED where they do not; `what` begins the message. */
ladle_status ladle_place_check(const ladle_source *source, int64_t offset, int64_t nbytes, const char *what,
                               ladle_error *error);

/* Is a blob of so many bytes in chunks? */
static inline bool ladle_is_in_chunks(int64_t max_key_nbytes, int64_t nbytes)
{
    return max_key_nbytes > 0 && nbytes > max_key_nbytes;
}

/* Reads `nbytes` bytes of a blob into `out`, gathering its chunks. */
ladle_status ladle_blob_read(ladle_source *source, int64_t max_key_nbytes, int64_t offset, int64_t nbytes, uint8_t *out,
                             ladle_error *error);

/* Reads an envelope of that type and (uncompressed) length, verified; free it with ladle_object_free. `cursor` is put
 * behind its preamble and ends before its checksum, which goes to *checksum. */
ladle_status ladle_envelope_read(ladle_file *file, int64_t max_key_nbytes, ladle_locator locator, int64_t length,
                                 int type, ladle_object *object, ladle_cursor *cursor, uint64_t *checksum,
                                 ladle_error *error);

typedef struct ladle_frame {
    int64_t end;     /* position in the object */
    int64_t n_items; /* of a list; -1: a record */
} ladle_frame;

/* Enters a frame of the kind that is wanted. */
ladle_frame ladle_frame_enter(ladle_cursor *c, bool list, const char *what);

/* Goes to the end of the frame. */
void ladle_frame_leave(ladle_cursor *c, const ladle_frame *frame, const char *what);

/* Refuses unknown flags with UNSUPPORTED, naming the bit. */
void ladle_feature_flags_read(ladle_cursor *c);

ladle_locator ladle_locator_read(ladle_cursor *c);

/* --- what header and footer say (rntuple_schema.c); texts borrow from the envelopes --------------- */

enum {
    LADLE_FIELD_LEAF = 0,
    LADLE_FIELD_COLLECTION = 1,
    LADLE_FIELD_RECORD = 2,
    LADLE_FIELD_VARIANT = 3,
    LADLE_FIELD_STREAMER = 4
};

typedef struct ladle_field {
    ladle_text name, type, description;
    int32_t parent;                    /* -1: at the top */
    int32_t first_child, next_sibling; /* -1: none */
    int32_t n_children, ordinal;       /* ordinal: among its siblings, from 0 */
    int32_t source;                    /* of a projected field; -1: it has columns of its own */
    uint16_t role;
    bool repetitive;
    int64_t repetition;              /* array size */
    int64_t first_column, n_columns; /* in ladle_schema.field_columns: physical columns, its own or those it shows */
} ladle_field;

/* A physical column. */
typedef struct ladle_physical {
    ladle_encoding encoding;
    int32_t field;
    uint16_t representation;
    bool is_known;    /* the encoding is */
    bool is_deferred; /* it begins with zeros that have no pages */
    bool is_aliased;  /* a projected field shows it */
    int32_t stream;   /* that it belongs to; -1 */
} ladle_physical;

typedef struct ladle_alias {
    int32_t physical, field;
} ladle_alias;

typedef struct ladle_cluster_group {
    int64_t first_entry, n_entries;
    int64_t n_clusters;
    int64_t first_cluster; /* of all */
    ladle_locator locator; /* of its page list */
    int64_t length;
    struct ladle_pages *pages; /* NULL until they are needed; guarded by the table's lock */
} ladle_cluster_group;

typedef struct ladle_schema {
    ladle_context *context;
    ladle_text description;
    ladle_vector fields;        /* of ladle_field */
    ladle_vector physicals;     /* of ladle_physical */
    ladle_vector aliases;       /* of ladle_alias */
    ladle_vector field_columns; /* of int32_t */
    ladle_vector groups;        /* of ladle_cluster_group */
} ladle_schema;

/* Parses header and footer. ladle_schema_destroy in every case. */
ladle_status ladle_schema_parse(ladle_schema *schema, ladle_context *context, ladle_cursor *header,
                                ladle_cursor *footer, uint64_t header_checksum, ladle_error *error);
void ladle_schema_destroy(ladle_schema *schema);

/* --- what the table keeps -------------------------------------------------------------------------- */

/* The values of one column of a field, whatever representation they have in each cluster. */
typedef struct ladle_stream {
    const int32_t *physicals; /* n_physicals, by representation */
    int32_t n_physicals;
    int32_t parent;         /* stream of lists or switches whose items these are; -1: entries */
    int32_t alternative;    /* below a switch: which, from 0 */
    int64_t repeat;         /* elements in an item of the parent; 0: damaged, more than 2^63 */
    int32_t *contents;      /* a stream with each alternative's items; -1: none */
    int32_t beside;         /* the next one with the same items; -1 */
    uint8_t n_alternatives; /* of a switch; 1 of lists; else 0 */
    bool is_lists, is_switch;
    int32_t owner;    /* column whose pages these are; -1 */
    const char *name; /* owner of its offsets, see ladle_buffer_info; NULL until it is needed */
} ladle_stream;

/* A page as the page list has it. */
typedef struct ladle_page {
    int64_t offset;
    int64_t first_element; /* in its cluster */
    uint32_t nbytes;       /* without its checksum */
    uint32_t n_elements : 31;
    uint32_t has_checksum : 1;
} ladle_page;

/* What is wrong with the pages of one column in one cluster. */
typedef struct ladle_damage {
    int64_t at; /* as in ladle_pages.first_page */
    int64_t offset;
    const char *message;
    ladle_status status;
} ladle_damage;

/* A page list, once read: of one cluster group. */
typedef struct ladle_pages {
    const int64_t *first_entry; /* of each cluster; n_clusters + 1 */
    const uint32_t *first_page; /* of each physical column in each cluster, [cluster * n_physicals + physical]; + 1 */
    const bool *is_suppressed;  /* by the same index */
    const ladle_page *pages;
    const ladle_damage *damages; /* n_damages, by their place: these columns have no pages */
    int64_t n_damages;
} ladle_pages;

/* How a column of the table lies in streams; beside ladle_column, same index. */
typedef struct ladle_layout {
    const int32_t *streams; /* of each buffer */
    bool is_cardinality;    /* the data are the lengths of a stream of lists */
} ladle_layout;

/* An end of a list that was read for the border of a range. */
typedef struct ladle_border {
    int64_t cluster, item, end; /* end: in the cluster, of the list `item` */
    int32_t stream;
    bool is_set;
} ladle_border;

enum { LADLE_BORDERS = 512, LADLE_MAX_ALTERNATIVES = 125 };

typedef struct ladle_rntuple {
    ladle_table base;
    ladle_file *file;
    int64_t max_key_nbytes;
    uint64_t header_checksum;
    ladle_layout *layouts;
    ladle_stream *streams;
    ladle_physical *physicals;
    ladle_cluster_group *groups;
    int32_t n_streams, n_physicals;
    int64_t n_groups, n_clusters;

    pthread_mutex_t lock; /* guards what follows, the arena, and the groups' pages */
    ladle_scratch scratch;
    bool has_scratch;
    ladle_border *borders; /* LADLE_BORDERS, by hash; NULL until needed */
    struct {
        int32_t column, buffer;
        int64_t cluster, page; /* the first page of that buffer in that cluster has that number */
    } last_page;               /* where ops->page was last; column -1: nowhere */
    struct {
        int32_t stream;
        int64_t origin, cluster;
        int64_t bases[LADLE_MAX_ALTERNATIVES]; /* items of each alternative in clusters [origin, cluster) */
    } last_bases;                              /* where places were decoded last; stream -1: nowhere */
} ladle_rntuple;

/* Turns the schema into streams and columns (rntuple_build.c). */
ladle_status ladle_rntuple_build(ladle_rntuple *table, const ladle_schema *schema, ladle_error *error);

/* Far above any number of items in a cluster: where nothing else bounds it. */
#define LADLE_MOST_ITEMS (INT64_C(1) << 48)

/* --- page lists (rntuple_pages.c) -------------------------------------------------------------------- */

/* A cluster: its group's pages, read if they were not, and its number in the group. */
typedef struct ladle_cluster {
    const ladle_pages *pages;
    int64_t number, group, index; /* index: in the group */
    int64_t first_entry, n_entries;
} ladle_cluster;

/* Finds a cluster, 0 <= cluster < n_clusters. Takes the lock; may read a page list. */
ladle_status ladle_rntuple_cluster(ladle_rntuple *table, int64_t cluster, ladle_cluster *found, ladle_error *error);

/* The cluster that holds `entry`, 0 <= entry < n_entries. */
ladle_status ladle_rntuple_find(ladle_rntuple *table, int64_t entry, int64_t *cluster, ladle_error *error);

/* What is const to whoever looks from outside changes inside: page lists are read on demand. Its lock guards that. */
static inline ladle_rntuple *ladle_rntuple_of(const ladle_table *table)
{
    return (ladle_rntuple *)(uintptr_t)table;
}

/* The pages of a physical column in a cluster, or what is wrong with them in the page list. */
ladle_status ladle_rntuple_pages(const ladle_rntuple *table, const ladle_cluster *cluster, int32_t physical,
                                 const ladle_page **pages, int64_t *n_pages, ladle_error *error);

/* One stream in one cluster. */
typedef struct ladle_extent {
    int32_t physical; /* whose pages hold it; -1: none, all is zero */
    const ladle_page *pages;
    int64_t n_pages;
    int64_t n_zeros;    /* elements before the first page: 0, and without a page */
    int64_t n_elements; /* zeros and all pages */
} ladle_extent;

/* CORRUPT if it does not have what its parent asks for. */
ladle_status ladle_rntuple_extent(ladle_rntuple *table, const ladle_cluster *cluster, int32_t stream,
                                  ladle_extent *extent, ladle_error *error);

/* Items of all lists of a stream of lists in a cluster (alternative 0), or of an alternative of a switch; -1 if only
 * the ends or places themselves say. The streams of the items tell; where they disagree, of lists the last end is read,
 * so that those which are right are not lost with the one that is not. */
ladle_status ladle_rntuple_content(ladle_rntuple *table, const ladle_cluster *cluster, int32_t stream,
                                   int32_t alternative, int64_t *n_items, ladle_error *error);

/* The same as a bound: LADLE_MOST_ITEMS where nothing else is known. */
ladle_status ladle_rntuple_most(ladle_rntuple *table, const ladle_cluster *cluster, int32_t stream, int32_t alternative,
                                int64_t *most, ladle_error *error);

/* --- pages (rntuple_read.c, rntuple_plan.c) --------------------------------------------------------- */

/* Bytes of a page's record: its checksum belongs to it. */
static inline int64_t ladle_page_record_nbytes(const ladle_page *page)
{
    return (int64_t)page->nbytes + (page->has_checksum ? 8 : 0);
}

/* Bytes of a page, decompressed. Fails with LIMIT, or CORRUPT where so few bytes cannot hold so many elements. */
ladle_status ladle_rntuple_check_page(const ladle_rntuple *table, int32_t physical, const ladle_page *page,
                                      int64_t *nbytes, ladle_error *error);

/* A page, verified and decompressed: *elements in the record, in the scratch, or in `direct` (room for its bytes; NULL:
 * none). `record`: what lies at its offset, or NULL: then it is read. */
ladle_status ladle_rntuple_open_page(const ladle_rntuple *table, int32_t physical, const ladle_page *page,
                                     const uint8_t *record, ladle_scratch *scratch, uint8_t *direct,
                                     const uint8_t **elements, ladle_error *error);

/* End of list `item` of a stream in a cluster, 0 <= item < its elements, at most `most`: read from its page, or
 * remembered. Takes the lock. */
ladle_status ladle_rntuple_end(ladle_rntuple *table, const ladle_cluster *cluster, int32_t stream,
                               const ladle_extent *extent, int64_t item, int64_t most, int64_t *end,
                               ladle_error *error);

/* ops->plan, with what it tells decode and finish in ladle_slice.mark. ladle_slice.page is the page's number in its
 * cluster; -1: zeros. */
ladle_status ladle_rntuple_plan(const ladle_table *table, int32_t column, int32_t buffer, int64_t start, int64_t stop,
                                const int64_t *offsets, ladle_vector *slices, int64_t *n_items, ladle_error *error);
enum {
    LADLE_MARK_CLUSTER,
    LADLE_MARK_BASE,   /* of lists: added to ends, the items of the range before this cluster; of switches: the first
                        * cluster of the range */
    LADLE_MARK_BEFORE, /* end of the list before the slice's first; -1: the one before it in the page,
                        * or the last one of the slice before */
    LADLE_MARK_FIRST,  /* out: the first end in the slice */
    LADLE_MARK_LAST    /* out: the last one */
};

#endif
