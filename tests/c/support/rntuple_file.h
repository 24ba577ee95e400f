/* support/rntuple_file.h: RNTuples written by hand, so that tests choose every byte, and may lie.
 *
 *     made_ntuple t;
 *     begin_ntuple(&t, "t");
 *     int v = add_field(&t, MADE_TOP, "v", "std::vector<float>", LADLE_FIELD_COLLECTION);
 *     int item = add_field(&t, v, "_0", "float", LADLE_FIELD_LEAF);
 *     int ends = add_column(&t, v, LADLE_ELEMENT_INDEX64, 64), values = add_column(&t, item, LADLE_ELEMENT_REAL32, 32);
 *     begin_cluster(&t, 3);                                // entries
 *     add_page(&t, ends, (int64_t[]){1, 1, 3}, 3);         // as they lie in the file
 *     add_page(&t, values, (float[]){1, 2, 3}, 3);
 *     add_ntuple(&file, &t);                               // between begin_file and end_file
 *     free_ntuple(&t);
 *
 * The struct holds what will be written, and the writer believes it: a test that lies changes a number before
 * add_ntuple. Envelopes are stored, so that each of their bytes can be found in the file.
 */
#ifndef LADLE_TESTS_RNTUPLE_FILE_H
#define LADLE_TESTS_RNTUPLE_FILE_H

#include "codec/elements.h"
#include "root/rntuple.h"
#include "support/rootfile.h"

enum { MADE_TOP = -1, MADE_MOST_FIELDS = 160, MADE_MOST_CLUSTERS = 8, MADE_MOST_PAGES = 512 };

typedef struct made_field {
    const char *name, *type;
    uint32_t parent; /* its own number: at the top */
    uint16_t role, flags;
    uint64_t repetition; /* flag 1 */
    uint32_t source;     /* flag 2 */
} made_field;

typedef struct made_physical {
    uint16_t element, bits;
    uint32_t field;
    uint16_t flags, representation;
    int64_t first_element;   /* flag 1 */
    double minimum, maximum; /* flag 2 */
} made_physical;

typedef struct made_page {
    int cluster, column;
    uint32_t n_elements;
    bool no_checksum;
    size_t at, nbytes; /* of its elements in the pool */
    /* Lies, where not 0: what the page list says. */
    int64_t lie_offset, lie_nbytes, lie_elements;
    int lie_locator; /* a type; 1 is the large one, and no lie */
} made_page;

typedef struct made_cluster {
    uint64_t first_entry, n_entries;
    uint8_t flags;
    bool suppressed[MADE_MOST_FIELDS]; /* columns */
} made_cluster;

typedef struct made_group {
    uint64_t first_entry, n_entries;
    uint32_t n_clusters;
} made_group;

/* What a frame says in place of the truth: the `skip`-th of those that are called `frame` in the writer. */
typedef struct made_lie {
    const char *frame; /* "fields", "field", "columns", "column", "aliases", "extra", "extension", "groups", "group",
                        * "summaries", "summary", "clusters", "cluster", "pages" */
    int skip;
    int64_t size;    /* of the frame, its sign included */
    int64_t n_items; /* -1: the truth */
} made_lie;

typedef struct made_ntuple {
    const char *name;
    const char *codec; /* of pages; NULL stores them */
    made_field fields[MADE_MOST_FIELDS];
    made_physical columns[MADE_MOST_FIELDS];
    ladle_alias aliases[MADE_MOST_FIELDS];
    made_cluster clusters[MADE_MOST_CLUSTERS];
    made_group groups[MADE_MOST_CLUSTERS]; /* none: one of all clusters */
    made_page pages[MADE_MOST_PAGES];
    int n_fields, n_columns, n_aliases, n_clusters, n_groups, n_pages;
    int late_fields, late_columns; /* so many of the last ones stand in the footer */
    bytes pool;
    uint16_t version[4];
    uint64_t flags[2]; /* words of feature flags in the header; the second where bit 63 of the first is set */
    uint64_t footer_flags;
    uint64_t max_key_nbytes;
    /* Lies, where not 0. */
    int lie_types[4];         /* of the envelopes, by their true type */
    int64_t lie_lengths[4];   /* in what refers to them */
    int64_t lie_columns;      /* so many more columns in each cluster of the page lists */
    int64_t lie_offset;       /* of the header */
    uint64_t lie_checksum[4]; /* xored to the header's in the footer and in page lists */
    bool lie_seal[4];         /* a wrong checksum of the envelope */
    made_lie lie;
} made_ntuple;

void begin_ntuple(made_ntuple *t, const char *name);
void free_ntuple(made_ntuple *t);

/* They return the number of what they added. */
int add_field(made_ntuple *t, int parent, const char *name, const char *type, int role);
int add_array(made_ntuple *t, int parent, const char *name, const char *type, int64_t size);
int add_projection(made_ntuple *t, int parent, const char *name, const char *type, int role, int source);
int add_column(made_ntuple *t, int field, int element, int bits);
void add_alias(made_ntuple *t, int column, int field);

void begin_cluster(made_ntuple *t, int64_t n_entries);
/* Elements as they lie in the file. */
made_page *add_page(made_ntuple *t, int column, const void *elements, int64_t n_elements);

/* Appends all of it, and the anchor as a key of the directory. */
void add_ntuple(made_file *file, const made_ntuple *t);

/* One field of each kind, eight entries in two clusters, several pages:
 *   x float  v std::vector<float>  nv its cardinality  s std::string  o std::optional<std::int32_t>
 *   u std::variant<std::int32_t,float>  r { x double, y std::vector<std::int16_t> }  a std::array<std::int16_t,3>
 *   vv std::vector<std::vector<double>>  w std::vector<v's float>, a projection of v  two: two representations
 *   late std::int32_t, added with the second cluster */
void make_all_forms(made_ntuple *t);
/* Their numbers in it. */
enum {
    FIELD_X,
    FIELD_V,
    FIELD_V_ITEM,
    FIELD_NV,
    FIELD_S,
    FIELD_O,
    FIELD_O_ITEM,
    FIELD_U,
    FIELD_U_0,
    FIELD_U_1,
    FIELD_R,
    FIELD_R_X,
    FIELD_R_Y,
    FIELD_R_Y_ITEM,
    FIELD_A,
    FIELD_A_ITEM,
    FIELD_VV,
    FIELD_VV_LIST,
    FIELD_VV_ITEM,
    FIELD_W,
    FIELD_W_ITEM,
    FIELD_TWO,
    FIELD_LATE,
    ALL_FIELDS
};
enum {
    COLUMN_X,
    COLUMN_V,
    COLUMN_V_ITEM,
    COLUMN_S,
    COLUMN_S_CHARS,
    COLUMN_O,
    COLUMN_O_ITEM,
    COLUMN_U,
    COLUMN_U_0,
    COLUMN_U_1,
    COLUMN_R_X,
    COLUMN_R_Y,
    COLUMN_R_Y_ITEM,
    COLUMN_A_ITEM,
    COLUMN_VV,
    COLUMN_VV_LIST,
    COLUMN_VV_ITEM,
    COLUMN_TWO,
    COLUMN_TWO_AGAIN,
    COLUMN_LATE,
    ALL_PHYSICALS
};
/* Lists of records, eight entries in two clusters:
 *   hits std::vector of { a float, b std::int16_t, c std::vector<std::int32_t>, d std::array<float,2> }
 *   n its cardinality */
void make_records(made_ntuple *t);
enum { FIELD_HITS, FIELD_HIT, FIELD_HIT_A, FIELD_HIT_B, FIELD_HIT_C, FIELD_HIT_C_ITEM, FIELD_HIT_D, FIELD_HIT_D_ITEM };
enum { COLUMN_HITS, COLUMN_HIT_A, COLUMN_HIT_B, COLUMN_HIT_C, COLUMN_HIT_C_ITEM, COLUMN_HIT_D };
/* The first page of a column in a cluster. */
made_page *page_of(made_ntuple *t, int cluster, int column);
/* Changes one element of that page: its low bytes, as many as an element has (8 of a switch's 12). */
void set_element(made_ntuple *t, int cluster, int column, int index, uint64_t value);

#endif
