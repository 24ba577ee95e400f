#include "support/rntuple_file.h"

#include "base/hash.h"
#include "support/check.h"
#include "support/codecs.h"

void begin_ntuple(made_ntuple *t, const char *name)
{
    memset(t, 0, sizeof *t);
    t->name = name;
    t->version[0] = 1;
    t->max_key_nbytes = 1 << 30;
    t->lie.n_items = -1;
}

void free_ntuple(made_ntuple *t)
{
    bytes_free(&t->pool);
}

int add_field(made_ntuple *t, int parent, const char *name, const char *type, int role)
{
    assert_true(t->n_fields < MADE_MOST_FIELDS);
    t->fields[t->n_fields] = (made_field){.name = name,
                                          .type = type,
                                          .parent = (uint32_t)(parent == MADE_TOP ? t->n_fields : parent),
                                          .role = (uint16_t)role};
    return t->n_fields++;
}

int add_array(made_ntuple *t, int parent, const char *name, const char *type, int64_t size)
{
    int field = add_field(t, parent, name, type, LADLE_FIELD_LEAF);
    t->fields[field].flags = 1;
    t->fields[field].repetition = (uint64_t)size;
    return field;
}

int add_projection(made_ntuple *t, int parent, const char *name, const char *type, int role, int source)
{
    int field = add_field(t, parent, name, type, role);
    t->fields[field].flags = 2;
    t->fields[field].source = (uint32_t)source;
    return field;
}

int add_column(made_ntuple *t, int field, int element, int bits)
{
    assert_true(t->n_columns < MADE_MOST_FIELDS);
    t->columns[t->n_columns] =
        (made_physical){.element = (uint16_t)element, .bits = (uint16_t)bits, .field = (uint32_t)field};
    return t->n_columns++;
}

void add_alias(made_ntuple *t, int column, int field)
{
    assert_true(t->n_aliases < MADE_MOST_FIELDS);
    t->aliases[t->n_aliases++] = (ladle_alias){column, field};
}

void begin_cluster(made_ntuple *t, int64_t n_entries)
{
    assert_true(t->n_clusters < MADE_MOST_CLUSTERS);
    made_cluster *cluster = &t->clusters[t->n_clusters++];
    cluster->n_entries = (uint64_t)n_entries;
    if (t->n_clusters > 1)
        cluster->first_entry = cluster[-1].first_entry + cluster[-1].n_entries;
}

made_page *add_page(made_ntuple *t, int column, const void *elements, int64_t n_elements)
{
    assert_true(t->n_pages < MADE_MOST_PAGES);
    made_page *page = &t->pages[t->n_pages++];
    *page = (made_page){.cluster = t->n_clusters - 1, .column = column, .n_elements = (uint32_t)n_elements};
    page->at = t->pool.n;
    page->nbytes = ((size_t)n_elements * t->columns[column].bits + 7) / 8;
    put(&t->pool, elements, page->nbytes);
    return page;
}

/* --- envelopes ----------------------------------------------------------------------------------- */

typedef struct writer {
    const made_ntuple *t;
    bytes b; /* the envelope */
    int n_seen;
    int64_t offsets[MADE_MOST_PAGES], nbytes[MADE_MOST_PAGES]; /* of pages in the file */
} writer;

static void put_text(bytes *b, const char *text)
{
    put_little(b, strlen(text), 4);
    put(b, text, strlen(text));
}

/* Opens a frame: of a list of so many items, or, with -1, of a record. */
static size_t open_list(writer *w, int64_t n_items)
{
    size_t at = w->b.n;
    put_little(&w->b, 0, 8);
    if (n_items >= 0)
        put_little(&w->b, (uint64_t)n_items, 4);
    return at;
}

static void close_list(writer *w, size_t at, bool list, const char *name)
{
    const made_lie *lie = &w->t->lie;
    int64_t size = (int64_t)(w->b.n - at);
    if (list)
        size = -size;
    if (lie->frame != NULL && strcmp(lie->frame, name) == 0 && w->n_seen++ == lie->skip) {
        size = lie->size != 0 ? lie->size : size;
        if (list && lie->n_items >= 0)
            set_little(&w->b, at + 8, (uint64_t)lie->n_items, 4);
    }
    set_little(&w->b, at, (uint64_t)size, 8);
}

static void put_locator(bytes *b, int64_t nbytes, int64_t offset, int type)
{
    if (type == 0) {
        put_little(b, (uint64_t)nbytes, 4);
        put_little(b, (uint64_t)offset, 8);
        return;
    }
    put_little(b, UINT64_C(0x80000000) | (uint64_t)type << 24 | 20, 4);
    put_little(b, (uint64_t)nbytes, 8);
    put_little(b, (uint64_t)offset, 8);
}

static void put_field(writer *w, const made_field *field)
{
    size_t at = open_list(w, -1);
    put_little(&w->b, 0, 8);
    put_little(&w->b, field->parent, 4);
    put_little(&w->b, field->role, 2);
    put_little(&w->b, field->flags, 2);
    put_text(&w->b, field->name);
    put_text(&w->b, field->type);
    put_text(&w->b, "");
    put_text(&w->b, "");
    if ((field->flags & 1) != 0)
        put_little(&w->b, field->repetition, 8);
    if ((field->flags & 2) != 0)
        put_little(&w->b, field->source, 4);
    close_list(w, at, false, "field");
}

static void put_column(writer *w, const made_physical *column)
{
    size_t at = open_list(w, -1);
    put_little(&w->b, column->element, 2);
    put_little(&w->b, column->bits, 2);
    put_little(&w->b, column->field, 4);
    put_little(&w->b, column->flags, 2);
    put_little(&w->b, column->representation, 2);
    if ((column->flags & 1) != 0)
        put_little(&w->b, (uint64_t)column->first_element, 8);
    if ((column->flags & 2) != 0) {
        put(&w->b, &column->minimum, 8);
        put(&w->b, &column->maximum, 8);
    }
    close_list(w, at, false, "column");
}

static void put_schema(writer *w, int field, int end_field, int column, int end_column, bool aliases)
{
    const made_ntuple *t = w->t;
    size_t at = open_list(w, end_field - field);
    for (; field < end_field; field++)
        put_field(w, &t->fields[field]);
    close_list(w, at, true, "fields");
    at = open_list(w, end_column - column);
    for (; column < end_column; column++)
        put_column(w, &t->columns[column]);
    close_list(w, at, true, "columns");
    at = open_list(w, aliases ? t->n_aliases : 0);
    for (int i = 0; aliases && i < t->n_aliases; i++) {
        size_t record = open_list(w, -1);
        put_little(&w->b, (uint32_t)t->aliases[i].physical, 4);
        put_little(&w->b, (uint32_t)t->aliases[i].field, 4);
        close_list(w, record, false, "alias");
    }
    close_list(w, at, true, "aliases");
    at = open_list(w, 0);
    close_list(w, at, true, "extra");
}

static void begin_envelope(writer *w, int type)
{
    w->b.n = 0;
    put_little(&w->b, (uint64_t)(w->t->lie_types[type] != 0 ? w->t->lie_types[type] : type), 8);
}

/* Ends the envelope, puts it into the file and returns its place. Its checksum is in the last 8 bytes. */
static ladle_locator end_envelope(writer *w, made_file *file, int type)
{
    bytes *b = &w->b;
    uint64_t length = b->n + 8;
    set_little(b, 2, length, 6);
    put_little(b, ladle_xxh3_64(b->data, b->n) ^ w->t->lie_seal[type], 8);
    ladle_locator place = {(int64_t)file->bytes.n, (int64_t)b->n};
    put(&file->bytes, b->data, b->n);
    return place;
}

static int64_t length_of(const writer *w, ladle_locator place, int type)
{
    return w->t->lie_lengths[type] != 0 ? w->t->lie_lengths[type] : place.nbytes;
}

static void put_pages(writer *w, int cluster, int column, int64_t first_element)
{
    const made_ntuple *t = w->t;
    int n = 0;
    for (int i = 0; i < t->n_pages; i++)
        n += t->pages[i].cluster == cluster && t->pages[i].column == column;
    size_t at = open_list(w, n);
    for (int i = 0; i < t->n_pages; i++) {
        const made_page *page = &t->pages[i];
        if (page->cluster != cluster || page->column != column)
            continue;
        int64_t count = page->lie_elements != 0 ? page->lie_elements : page->n_elements;
        put_little(&w->b, (uint64_t)(page->no_checksum ? count : -count), 4);
        put_locator(&w->b, page->lie_nbytes != 0 ? page->lie_nbytes : w->nbytes[i],
                    page->lie_offset != 0 ? page->lie_offset : w->offsets[i], page->lie_locator);
    }
    bool suppressed = t->clusters[cluster].suppressed[column];
    put_little(&w->b, suppressed ? (uint64_t)INT64_MIN : (uint64_t)first_element, 8);
    if (!suppressed)
        put_little(&w->b, 505, 4);
    close_list(w, at, true, "pages");
}

static ladle_locator put_page_list(writer *w, made_file *file, uint64_t checksum, int first, int n_clusters)
{
    const made_ntuple *t = w->t;
    begin_envelope(w, LADLE_ENVELOPE_PAGE_LIST);
    put_little(&w->b, checksum ^ t->lie_checksum[LADLE_ENVELOPE_PAGE_LIST], 8);
    size_t at = open_list(w, n_clusters);
    for (int i = first; i < first + n_clusters; i++) {
        size_t record = open_list(w, -1);
        put_little(&w->b, t->clusters[i].first_entry, 8);
        put_little(&w->b, t->clusters[i].n_entries | (uint64_t)t->clusters[i].flags << 56, 8);
        close_list(w, record, false, "summary");
    }
    close_list(w, at, true, "summaries");
    at = open_list(w, n_clusters);
    for (int i = first; i < first + n_clusters; i++) {
        int n_columns = t->n_columns + (int)t->lie_columns;
        size_t columns = open_list(w, n_columns);
        for (int k = 0; k < n_columns; k++) {
            int64_t first_element = 0;
            for (int p = 0; p < t->n_pages; p++)
                if (t->pages[p].column == k && t->pages[p].cluster < i)
                    first_element += t->pages[p].n_elements;
            put_pages(w, i, k, first_element);
        }
        close_list(w, columns, true, "cluster");
    }
    close_list(w, at, true, "clusters");
    return end_envelope(w, file, LADLE_ENVELOPE_PAGE_LIST);
}

static void write_pages(writer *w, made_file *file)
{
    for (int i = 0; i < w->t->n_pages; i++) {
        const made_page *page = &w->t->pages[i];
        const uint8_t *elements = w->t->pool.data + page->at;
        bytes stored = {0};
        if (w->t->codec != NULL && page->nbytes > 0)
            put_chain(&stored, w->t->codec, elements, page->nbytes, BLOCK_MOST);
        if (stored.n == 0 || stored.n >= page->nbytes) {
            stored.n = 0;
            put(&stored, elements, page->nbytes);
        }
        w->offsets[i] = (int64_t)file->bytes.n;
        w->nbytes[i] = (int64_t)stored.n;
        put(&file->bytes, stored.data, stored.n);
        if (!page->no_checksum)
            put_little(&file->bytes, ladle_xxh3_64(stored.data, stored.n), 8);
        bytes_free(&stored);
    }
}

static ladle_locator put_footer(writer *w, made_file *file, uint64_t checksum)
{
    const made_ntuple *t = w->t;
    made_group whole = {t->clusters[0].first_entry, 0, (uint32_t)t->n_clusters};
    for (int i = 0; i < t->n_clusters; i++)
        whole.n_entries += t->clusters[i].n_entries;
    const made_group *groups = t->n_groups > 0 ? t->groups : &whole;
    int n_groups = t->n_groups > 0 ? t->n_groups : t->n_clusters > 0;
    ladle_locator lists[MADE_MOST_CLUSTERS];
    int cluster = 0;
    for (int i = 0; i < n_groups; i++) {
        int n =
            (int)groups[i].n_clusters < t->n_clusters - cluster ? (int)groups[i].n_clusters : t->n_clusters - cluster;
        lists[i] = put_page_list(w, file, checksum, cluster, n);
        cluster += n;
    }
    begin_envelope(w, LADLE_ENVELOPE_FOOTER);
    put_little(&w->b, t->footer_flags, 8);
    put_little(&w->b, checksum ^ t->lie_checksum[LADLE_ENVELOPE_FOOTER], 8);
    size_t at = open_list(w, -1);
    put_schema(w, t->n_fields - t->late_fields, t->n_fields, t->n_columns - t->late_columns, t->n_columns, false);
    close_list(w, at, false, "extension");
    at = open_list(w, n_groups);
    for (int i = 0; i < n_groups; i++) {
        size_t record = open_list(w, -1);
        put_little(&w->b, groups[i].first_entry, 8);
        put_little(&w->b, groups[i].n_entries, 8);
        put_little(&w->b, groups[i].n_clusters, 4);
        put_little(&w->b, (uint64_t)length_of(w, lists[i], LADLE_ENVELOPE_PAGE_LIST), 8);
        put_locator(&w->b, lists[i].nbytes, lists[i].offset, 0);
        close_list(w, record, false, "group");
    }
    close_list(w, at, true, "groups");
    return end_envelope(w, file, LADLE_ENVELOPE_FOOTER);
}

static ladle_locator put_header(writer *w, made_file *file)
{
    const made_ntuple *t = w->t;
    begin_envelope(w, LADLE_ENVELOPE_HEADER);
    put_little(&w->b, t->flags[0], 8);
    if (t->flags[0] >> 63 != 0)
        put_little(&w->b, t->flags[1], 8);
    put_text(&w->b, t->name);
    put_text(&w->b, "made by hand");
    put_text(&w->b, "rntuple_file.c");
    put_schema(w, 0, t->n_fields - t->late_fields, 0, t->n_columns - t->late_columns, true);
    return end_envelope(w, file, LADLE_ENVELOPE_HEADER);
}

void add_ntuple(made_file *file, const made_ntuple *t)
{
    writer w = {.t = t};
    write_pages(&w, file);
    ladle_locator header = put_header(&w, file);
    uint64_t checksum;
    memcpy(&checksum, w.b.data + w.b.n - 8, 8);
    ladle_locator footer = put_footer(&w, file, checksum);
    bytes anchor = {0};
    put_u32(&anchor, 0x40000000u | 66);
    put_u16(&anchor, 2);
    for (int i = 0; i < 4; i++)
        put_u16(&anchor, t->version[i]);
    put_u64(&anchor, (uint64_t)(t->lie_offset != 0 ? t->lie_offset : header.offset));
    put_u64(&anchor, (uint64_t)header.nbytes);
    put_u64(&anchor, (uint64_t)length_of(&w, header, LADLE_ENVELOPE_HEADER));
    put_u64(&anchor, (uint64_t)footer.offset);
    put_u64(&anchor, (uint64_t)footer.nbytes);
    put_u64(&anchor, (uint64_t)length_of(&w, footer, LADLE_ENVELOPE_FOOTER));
    put_u64(&anchor, t->max_key_nbytes);
    put_u64(&anchor, ladle_xxh3_64(anchor.data + 6, 64));
    (void)add_record(file, "ROOT::RNTuple", t->name, 1, anchor.data, anchor.n, NULL);
    bytes_free(&anchor);
    bytes_free(&w.b);
}

/* --- one of each kind ------------------------------------------------------------------------------ */

static void add_forms(made_ntuple *t)
{
    (void)add_field(t, MADE_TOP, "x", "float", LADLE_FIELD_LEAF);
    (void)add_field(t, MADE_TOP, "v", "std::vector<float>", LADLE_FIELD_COLLECTION);
    (void)add_field(t, FIELD_V, "_0", "float", LADLE_FIELD_LEAF);
    (void)add_projection(t, MADE_TOP, "nv", "ROOT::RNTupleCardinality<std::uint32_t>", LADLE_FIELD_LEAF, FIELD_V);
    (void)add_field(t, MADE_TOP, "s", "std::string", LADLE_FIELD_LEAF);
    (void)add_field(t, MADE_TOP, "o", "std::optional<std::int32_t>", LADLE_FIELD_COLLECTION);
    (void)add_field(t, FIELD_O, "_0", "std::int32_t", LADLE_FIELD_LEAF);
    (void)add_field(t, MADE_TOP, "u", "std::variant<std::int32_t,float>", LADLE_FIELD_VARIANT);
    (void)add_field(t, FIELD_U, "_0", "std::int32_t", LADLE_FIELD_LEAF);
    (void)add_field(t, FIELD_U, "_1", "float", LADLE_FIELD_LEAF);
    (void)add_field(t, MADE_TOP, "r", "Record", LADLE_FIELD_RECORD);
    (void)add_field(t, FIELD_R, "x", "double", LADLE_FIELD_LEAF);
    (void)add_field(t, FIELD_R, "y", "std::vector<std::int16_t>", LADLE_FIELD_COLLECTION);
    (void)add_field(t, FIELD_R_Y, "_0", "std::int16_t", LADLE_FIELD_LEAF);
    (void)add_array(t, MADE_TOP, "a", "std::array<std::int16_t,3>", 3);
    (void)add_field(t, FIELD_A, "_0", "std::int16_t", LADLE_FIELD_LEAF);
    (void)add_field(t, MADE_TOP, "vv", "std::vector<std::vector<double>>", LADLE_FIELD_COLLECTION);
    (void)add_field(t, FIELD_VV, "_0", "std::vector<double>", LADLE_FIELD_COLLECTION);
    (void)add_field(t, FIELD_VV_LIST, "_0", "double", LADLE_FIELD_LEAF);
    (void)add_projection(t, MADE_TOP, "w", "std::vector<float>", LADLE_FIELD_COLLECTION, FIELD_V);
    (void)add_projection(t, FIELD_W, "_0", "float", LADLE_FIELD_LEAF, FIELD_V_ITEM);
    (void)add_field(t, MADE_TOP, "two", "std::int32_t", LADLE_FIELD_LEAF);
    (void)add_field(t, MADE_TOP, "late", "std::int32_t", LADLE_FIELD_LEAF);
    static const struct {
        int field, element, bits;
    } columns[ALL_PHYSICALS] = {
        {FIELD_X, LADLE_ELEMENT_REAL32, 32},        {FIELD_V, LADLE_ELEMENT_INDEX64, 64},
        {FIELD_V_ITEM, LADLE_ELEMENT_REAL32, 32},   {FIELD_S, LADLE_ELEMENT_INDEX32, 32},
        {FIELD_S, LADLE_ELEMENT_CHAR, 8},           {FIELD_O, LADLE_ELEMENT_INDEX64, 64},
        {FIELD_O_ITEM, LADLE_ELEMENT_INT32, 32},    {FIELD_U, LADLE_ELEMENT_SWITCH, 96},
        {FIELD_U_0, LADLE_ELEMENT_INT32, 32},       {FIELD_U_1, LADLE_ELEMENT_REAL32, 32},
        {FIELD_R_X, LADLE_ELEMENT_REAL64, 64},      {FIELD_R_Y, LADLE_ELEMENT_INDEX64, 64},
        {FIELD_R_Y_ITEM, LADLE_ELEMENT_INT16, 16},  {FIELD_A_ITEM, LADLE_ELEMENT_INT16, 16},
        {FIELD_VV, LADLE_ELEMENT_INDEX64, 64},      {FIELD_VV_LIST, LADLE_ELEMENT_INDEX64, 64},
        {FIELD_VV_ITEM, LADLE_ELEMENT_REAL64, 64},  {FIELD_TWO, LADLE_ELEMENT_INT32, 32},
        {FIELD_TWO, LADLE_ELEMENT_SPLIT_INT32, 32}, {FIELD_LATE, LADLE_ELEMENT_INT32, 32},
    };
    for (int i = 0; i < ALL_PHYSICALS; i++)
        (void)add_column(t, columns[i].field, columns[i].element, columns[i].bits);
    t->columns[COLUMN_TWO_AGAIN].representation = 1;
    t->columns[COLUMN_LATE].flags = 1;
    t->columns[COLUMN_LATE].first_element = 5;
    t->late_fields = t->late_columns = 1;
    add_alias(t, COLUMN_V, FIELD_NV);
    add_alias(t, COLUMN_V, FIELD_W);
    add_alias(t, COLUMN_V_ITEM, FIELD_W_ITEM);
}

#define ELEMENTS(type, ...) (type[]){__VA_ARGS__}, (int64_t)(sizeof(type[]){__VA_ARGS__} / sizeof(type))
/* A switch: u64 place, u32 tag. */
#define SWITCH(place, tag) (place), 0, (tag)

void make_all_forms(made_ntuple *t)
{
    add_forms(t);
    begin_cluster(t, 5);
    (void)add_page(t, COLUMN_X, ELEMENTS(float, 0, 1, 2));
    (void)add_page(t, COLUMN_X, ELEMENTS(float, 3, 4));
    (void)add_page(t, COLUMN_V, ELEMENTS(int64_t, 2, 2, 3));
    (void)add_page(t, COLUMN_V, ELEMENTS(int64_t, 6, 6));
    (void)add_page(t, COLUMN_V_ITEM, ELEMENTS(float, 10, 11, 12, 13));
    (void)add_page(t, COLUMN_V_ITEM, ELEMENTS(float, 14, 15));
    (void)add_page(t, COLUMN_S, ELEMENTS(int32_t, 1, 3, 3, 6, 7));
    (void)add_page(t, COLUMN_S_CHARS, "abbdddd", 7);
    (void)add_page(t, COLUMN_O, ELEMENTS(int64_t, 1, 1, 2));
    (void)add_page(t, COLUMN_O, ELEMENTS(int64_t, 3, 3));
    (void)add_page(t, COLUMN_O_ITEM, ELEMENTS(int32_t, 100, 102, 103));
    (void)add_page(t, COLUMN_U, (uint32_t[]){SWITCH(0, 1), SWITCH(0, 2), SWITCH(1, 2), SWITCH(0, 0), SWITCH(1, 1)}, 5);
    (void)add_page(t, COLUMN_U_0, ELEMENTS(int32_t, 200, 204));
    (void)add_page(t, COLUMN_U_1, ELEMENTS(float, 201, 202));
    (void)add_page(t, COLUMN_R_X, ELEMENTS(double, 0, 0.5, 1, 1.5, 2));
    (void)add_page(t, COLUMN_R_Y, ELEMENTS(int64_t, 0, 1, 3, 3, 4));
    (void)add_page(t, COLUMN_R_Y_ITEM, ELEMENTS(int16_t, 1, 2, 2, 4));
    (void)add_page(t, COLUMN_A_ITEM, ELEMENTS(int16_t, 0, 1, 2, 10, 11, 12, 20));
    (void)add_page(t, COLUMN_A_ITEM, ELEMENTS(int16_t, 21, 22, 30, 31, 32, 40, 41, 42));
    (void)add_page(t, COLUMN_VV, ELEMENTS(int64_t, 2, 2, 3, 5, 5));
    (void)add_page(t, COLUMN_VV_LIST, ELEMENTS(int64_t, 1, 3));
    (void)add_page(t, COLUMN_VV_LIST, ELEMENTS(int64_t, 3, 6, 7));
    (void)add_page(t, COLUMN_VV_ITEM, ELEMENTS(double, 0, 1, 2, 3, 4, 5, 6));
    (void)add_page(t, COLUMN_TWO, ELEMENTS(int32_t, -1, -2, -3, -4, -5));
    t->clusters[0].suppressed[COLUMN_TWO_AGAIN] = true;
    begin_cluster(t, 3);
    (void)add_page(t, COLUMN_X, ELEMENTS(float, 5, 6, 7));
    (void)add_page(t, COLUMN_V, ELEMENTS(int64_t, 1, 1, 4));
    (void)add_page(t, COLUMN_V_ITEM, ELEMENTS(float, 16, 17, 18, 19));
    (void)add_page(t, COLUMN_S, ELEMENTS(int32_t, 0, 2, 2));
    (void)add_page(t, COLUMN_S_CHARS, "gg", 2);
    (void)add_page(t, COLUMN_O, ELEMENTS(int64_t, 0, 1, 2));
    (void)add_page(t, COLUMN_O_ITEM, ELEMENTS(int32_t, 106, 107));
    (void)add_page(t, COLUMN_U, (uint32_t[]){SWITCH(0, 2), SWITCH(1, 2), SWITCH(0, 1)}, 3);
    (void)add_page(t, COLUMN_U_0, ELEMENTS(int32_t, 207));
    (void)add_page(t, COLUMN_U_1, ELEMENTS(float, 205, 206));
    (void)add_page(t, COLUMN_R_X, ELEMENTS(double, 2.5, 3, 3.5));
    (void)add_page(t, COLUMN_R_Y, ELEMENTS(int64_t, 2, 2, 3));
    (void)add_page(t, COLUMN_R_Y_ITEM, ELEMENTS(int16_t, 5, 5, 7));
    (void)add_page(t, COLUMN_A_ITEM, ELEMENTS(int16_t, 50, 51, 52, 60, 61, 62, 70, 71, 72));
    (void)add_page(t, COLUMN_VV, ELEMENTS(int64_t, 1, 1, 2));
    (void)add_page(t, COLUMN_VV_LIST, ELEMENTS(int64_t, 2, 2));
    (void)add_page(t, COLUMN_VV_ITEM, ELEMENTS(double, 7, 8));
    /* Split: bytes of all elements; zigzag of -6, -7, -8 is 11, 13, 15. */
    (void)add_page(t, COLUMN_TWO_AGAIN, ELEMENTS(uint32_t, 0x000f0d0b, 0, 0));
    t->clusters[1].suppressed[COLUMN_TWO] = true;
    (void)add_page(t, COLUMN_LATE, ELEMENTS(int32_t, 305, 306, 307));
}

void make_records(made_ntuple *t)
{
    (void)add_field(t, MADE_TOP, "hits", "std::vector<Hit>", LADLE_FIELD_COLLECTION);
    (void)add_field(t, FIELD_HITS, "_0", "Hit", LADLE_FIELD_RECORD);
    (void)add_field(t, FIELD_HIT, "a", "float", LADLE_FIELD_LEAF);
    (void)add_field(t, FIELD_HIT, "b", "std::int16_t", LADLE_FIELD_LEAF);
    (void)add_field(t, FIELD_HIT, "c", "std::vector<std::int32_t>", LADLE_FIELD_COLLECTION);
    (void)add_field(t, FIELD_HIT_C, "_0", "std::int32_t", LADLE_FIELD_LEAF);
    (void)add_array(t, FIELD_HIT, "d", "std::array<float,2>", 2);
    (void)add_field(t, FIELD_HIT_D, "_0", "float", LADLE_FIELD_LEAF);
    int n = add_projection(t, MADE_TOP, "n", "ROOT::RNTupleCardinality<std::uint32_t>", LADLE_FIELD_LEAF, FIELD_HITS);
    (void)add_column(t, FIELD_HITS, LADLE_ELEMENT_INDEX64, 64);
    (void)add_column(t, FIELD_HIT_A, LADLE_ELEMENT_REAL32, 32);
    (void)add_column(t, FIELD_HIT_B, LADLE_ELEMENT_INT16, 16);
    (void)add_column(t, FIELD_HIT_C, LADLE_ELEMENT_INDEX64, 64);
    (void)add_column(t, FIELD_HIT_C_ITEM, LADLE_ELEMENT_INT32, 32);
    (void)add_column(t, FIELD_HIT_D_ITEM, LADLE_ELEMENT_REAL32, 32);
    add_alias(t, COLUMN_HITS, n);
    begin_cluster(t, 5);
    (void)add_page(t, COLUMN_HITS, (int64_t[]){2, 2, 3}, 3);
    (void)add_page(t, COLUMN_HITS, (int64_t[]){4, 4}, 2);
    (void)add_page(t, COLUMN_HIT_A, (float[]){0, 1, 2, 3}, 4);
    (void)add_page(t, COLUMN_HIT_B, (int16_t[]){10, 11, 12, 13}, 4);
    (void)add_page(t, COLUMN_HIT_C, (int64_t[]){1, 1, 3, 4}, 4);
    (void)add_page(t, COLUMN_HIT_C_ITEM, (int32_t[]){20, 21, 22, 23}, 4);
    (void)add_page(t, COLUMN_HIT_D, (float[]){30, 31, 32, 33, 34, 35, 36, 37}, 8);
    begin_cluster(t, 3);
    (void)add_page(t, COLUMN_HITS, (int64_t[]){1, 1, 3}, 3);
    (void)add_page(t, COLUMN_HIT_A, (float[]){4, 5, 6}, 3);
    (void)add_page(t, COLUMN_HIT_B, (int16_t[]){14, 15, 16}, 3);
    (void)add_page(t, COLUMN_HIT_C, (int64_t[]){0, 2, 3}, 3);
    (void)add_page(t, COLUMN_HIT_C_ITEM, (int32_t[]){24, 25, 26}, 3);
    (void)add_page(t, COLUMN_HIT_D, (float[]){38, 39, 40, 41, 42, 43}, 6);
}

made_page *page_of(made_ntuple *t, int cluster, int column)
{
    for (int i = 0; i < t->n_pages; i++)
        if (t->pages[i].cluster == cluster && t->pages[i].column == column)
            return &t->pages[i];
    fail_msg("column %d has no page in cluster %d", column, cluster);
    return NULL;
}

void set_element(made_ntuple *t, int cluster, int column, int index, uint64_t value)
{
    size_t nbytes = t->columns[column].bits / 8;
    set_little(&t->pool, page_of(t, cluster, column)->at + (size_t)index * nbytes, value, nbytes < 8 ? nbytes : 8);
}
