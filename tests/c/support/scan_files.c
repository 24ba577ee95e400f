#include "support/scan_files.h"

#include "support/check.h"
#include "support/rntuple_file.h"

ladle_reader *begin_reader(ladle_context *context, int32_t threads)
{
    ladle_error error = blank_error();
    ladle_reader *reader = ladle_reader_create(context, threads, &error);
    assert_some(reader, error);
    return reader;
}

static void open_it(opened *o)
{
    end_file(&o->made);
    o->context = begin_context();
    ladle_error error = blank_error();
    o->file = open_made(o->context, &o->made, &error);
    assert_some(o->file, error);
    o->reader = begin_reader(o->context, 1);
}

ladle_table *begin_table(opened *o, const char *name)
{
    ladle_error error = blank_error();
    ladle_table *table = ladle_file_table(o->file, name, &error);
    assert_some(table, error);
    return table;
}

void close_it(opened *o)
{
    ladle_reader_release(o->reader);
    ladle_file_release(o->file);
    end_context(o->context);
    free_file(&o->made);
}

void begin_tree(opened *o, const char *codec, bool embedded, bool flag80, int64_t n_entries)
{
    begin_all_forms(&o->made, codec, n_entries, PAGE, embedded, flag80);
    open_it(o);
}

/* The columns of the RNTuple below. */
enum {
    EVENT_X,
    EVENT_JETS,
    EVENT_PT,
    EVENT_HITS,
    EVENT_HIT,
    EVENT_O,
    EVENT_O_ITEM,
    EVENT_U,
    EVENT_U_0,
    EVENT_U_1,
    EVENT_S,
    EVENT_S_CHARS,
    EVENT_A,
    EVENT_LA,
    EVENT_LA_ITEM,
    EVENT_LO,
    EVENT_LO_OPTION,
    EVENT_LO_ITEM,
    EVENT_COLUMNS
};

/* Values of a column in a cluster, which become pages. */
typedef struct filled {
    uint8_t *data;
    int64_t n, item;
} filled;

static void fill(filled *f, const void *value)
{
    memcpy(f->data + f->n++ * f->item, value, (size_t)f->item);
}

static void fill_integer(filled *f, int64_t value)
{
    uint8_t little[8];
    for (int i = 0; i < 8; i++)
        little[i] = (uint8_t)((uint64_t)value >> (8 * i));
    fill(f, little);
}

/* One event: all that it adds to the columns. */
static void fill_event(filled *f, int64_t event, uint64_t *seed)
{
    float x = (float)event / 8;
    fill(&f[EVENT_X], &x);
    for (int64_t jets = event % 50 == 7 ? 30 : random_below(seed, 4); jets > 0; jets--) {
        float pt = (float)random_below(seed, 100000);
        fill(&f[EVENT_PT], &pt);
        for (int64_t hits = random_below(seed, 3); hits > 0; hits--)
            fill_integer(&f[EVENT_HIT], random_below(seed, 1000));
        fill_integer(&f[EVENT_HITS], f[EVENT_HIT].n);
    }
    fill_integer(&f[EVENT_JETS], f[EVENT_PT].n);
    if (random_below(seed, 3) > 0)
        fill_integer(&f[EVENT_O_ITEM], event);
    fill_integer(&f[EVENT_O], f[EVENT_O_ITEM].n);
    int64_t tag = random_below(seed, 3);
    uint32_t selected[3] = {tag == 0 ? 0 : (uint32_t)f[tag == 1 ? EVENT_U_0 : EVENT_U_1].n, 0, (uint32_t)tag};
    fill(&f[EVENT_U], selected);
    if (tag > 0)
        fill_integer(&f[tag == 1 ? EVENT_U_0 : EVENT_U_1], event);
    for (int64_t n = random_below(seed, 9); n > 0; n--)
        fill_integer(&f[EVENT_S_CHARS], 'a' + n);
    fill_integer(&f[EVENT_S], f[EVENT_S_CHARS].n);
    for (int64_t i = 0; i < 3; i++)
        fill_integer(&f[EVENT_A], event * 3 + i);
    for (int64_t n = 2 * random_below(seed, 3); n > 0; n--)
        fill_integer(&f[EVENT_LA_ITEM], event + n);
    fill_integer(&f[EVENT_LA], f[EVENT_LA_ITEM].n / 2);
    for (int64_t n = random_below(seed, 3); n > 0; n--) {
        if (random_below(seed, 2) > 0)
            fill_integer(&f[EVENT_LO_ITEM], event);
        fill_integer(&f[EVENT_LO_OPTION], f[EVENT_LO_ITEM].n);
    }
    fill_integer(&f[EVENT_LO], f[EVENT_LO_OPTION].n);
}

static void add_events(made_ntuple *t)
{
    int x = add_field(t, MADE_TOP, "x", "float", LADLE_FIELD_LEAF);
    int jets = add_field(t, MADE_TOP, "jets", "std::vector<Jet>", LADLE_FIELD_COLLECTION);
    int jet = add_field(t, jets, "_0", "Jet", LADLE_FIELD_RECORD);
    int pt = add_field(t, jet, "pt", "float", LADLE_FIELD_LEAF);
    int hits = add_field(t, jet, "hits", "std::vector<std::int16_t>", LADLE_FIELD_COLLECTION);
    int hit = add_field(t, hits, "_0", "std::int16_t", LADLE_FIELD_LEAF);
    int njets = add_projection(t, MADE_TOP, "njets", "ROOT::RNTupleCardinality<std::uint32_t>", LADLE_FIELD_LEAF, jets);
    int o = add_field(t, MADE_TOP, "o", "std::optional<std::int32_t>", LADLE_FIELD_COLLECTION);
    int o_item = add_field(t, o, "_0", "std::int32_t", LADLE_FIELD_LEAF);
    int u = add_field(t, MADE_TOP, "u", "std::variant<std::int32_t,std::int16_t>", LADLE_FIELD_VARIANT);
    int u_0 = add_field(t, u, "_0", "std::int32_t", LADLE_FIELD_LEAF);
    int u_1 = add_field(t, u, "_1", "std::int16_t", LADLE_FIELD_LEAF);
    int s = add_field(t, MADE_TOP, "s", "std::string", LADLE_FIELD_LEAF);
    int a = add_array(t, MADE_TOP, "a", "std::array<std::int16_t,3>", 3);
    int a_item = add_field(t, a, "_0", "std::int16_t", LADLE_FIELD_LEAF);
    int la = add_field(t, MADE_TOP, "la", "std::vector<std::array<std::int16_t,2>>", LADLE_FIELD_COLLECTION);
    int la_array = add_array(t, la, "_0", "std::array<std::int16_t,2>", 2);
    int la_item = add_field(t, la_array, "_0", "std::int16_t", LADLE_FIELD_LEAF);
    int lo = add_field(t, MADE_TOP, "lo", "std::vector<std::optional<std::int32_t>>", LADLE_FIELD_COLLECTION);
    int lo_option = add_field(t, lo, "_0", "std::optional<std::int32_t>", LADLE_FIELD_COLLECTION);
    int lo_item = add_field(t, lo_option, "_0", "std::int32_t", LADLE_FIELD_LEAF);
    const int fields[EVENT_COLUMNS][3] = {
        [EVENT_X] = {x, LADLE_ELEMENT_REAL32, 32},
        [EVENT_JETS] = {jets, LADLE_ELEMENT_INDEX64, 64},
        [EVENT_PT] = {pt, LADLE_ELEMENT_REAL32, 32},
        [EVENT_HITS] = {hits, LADLE_ELEMENT_INDEX32, 32},
        [EVENT_HIT] = {hit, LADLE_ELEMENT_INT16, 16},
        [EVENT_O] = {o, LADLE_ELEMENT_INDEX64, 64},
        [EVENT_O_ITEM] = {o_item, LADLE_ELEMENT_INT32, 32},
        [EVENT_U] = {u, LADLE_ELEMENT_SWITCH, 96},
        [EVENT_U_0] = {u_0, LADLE_ELEMENT_INT32, 32},
        [EVENT_U_1] = {u_1, LADLE_ELEMENT_INT16, 16},
        [EVENT_S] = {s, LADLE_ELEMENT_INDEX32, 32},
        [EVENT_S_CHARS] = {s, LADLE_ELEMENT_CHAR, 8},
        [EVENT_A] = {a_item, LADLE_ELEMENT_INT16, 16},
        [EVENT_LA] = {la, LADLE_ELEMENT_INDEX64, 64},
        [EVENT_LA_ITEM] = {la_item, LADLE_ELEMENT_INT16, 16},
        [EVENT_LO] = {lo, LADLE_ELEMENT_INDEX64, 64},
        [EVENT_LO_OPTION] = {lo_option, LADLE_ELEMENT_INDEX64, 64},
        [EVENT_LO_ITEM] = {lo_item, LADLE_ELEMENT_INT32, 32},
    };
    for (int i = 0; i < EVENT_COLUMNS; i++)
        (void)add_column(t, fields[i][0], fields[i][1], fields[i][2]);
    add_alias(t, EVENT_JETS, njets);
    uint64_t seed = 3;
    for (int64_t cluster = 0; cluster < CLUSTERS; cluster++) {
        filled f[EVENT_COLUMNS];
        for (int i = 0; i < EVENT_COLUMNS; i++) {
            f[i] = (filled){.item = fields[i][2] / 8};
            f[i].data = malloc((size_t)(EVENTS * 64 * f[i].item));
            assert_non_null(f[i].data);
        }
        begin_cluster(t, EVENTS);
        for (int64_t event = 0; event < EVENTS; event++)
            fill_event(f, cluster * EVENTS + event, &seed);
        for (int i = 0; i < EVENT_COLUMNS; i++) {
            /* Three pages, or twelve: of other borders in each column. */
            int64_t page = f[i].n / (i % 3 == 2 ? 12 : 3) + 1 + i;
            for (int64_t at = 0; at < f[i].n; at += page)
                (void)add_page(t, i, f[i].data + at * f[i].item, f[i].n - at < page ? f[i].n - at : page);
            free(f[i].data);
        }
    }
}

void begin_ntuples(opened *o, const char *codec)
{
    begin_file(&o->made);
    made_ntuple *t = malloc(sizeof *t);
    assert_non_null(t);
    for (int i = 0; i < 2; i++) {
        begin_ntuple(t, i == 0 ? "e" : "n");
        if (i == 0)
            add_events(t);
        else
            make_all_forms(t);
        t->codec = codec;
        add_ntuple(&o->made, t);
        free_ntuple(t);
    }
    free(t);
    open_it(o);
}

void begin_flat_ntuple(opened *o)
{
    static const char *const names[] = {"one", "many", "more", "most"};
    static int32_t values[FLAT];
    begin_file(&o->made);
    made_ntuple *t = malloc(sizeof *t);
    assert_non_null(t);
    begin_ntuple(t, "f");
    for (int i = 0; i < 4; i++)
        (void)add_column(t, add_field(t, MADE_TOP, names[i], "std::int32_t", 0), LADLE_ELEMENT_INT32, 32);
    static const uint64_t ends[FLAT];
    int none = add_field(t, MADE_TOP, "none", "std::vector<std::int32_t>", 1);
    int lists = add_column(t, none, LADLE_ELEMENT_INDEX64, 64);
    (void)add_column(t, add_field(t, none, "_0", "std::int32_t", 0), LADLE_ELEMENT_INT32, 32);
    for (int cluster = 0; cluster < 2; cluster++) {
        begin_cluster(t, FLAT);
        (void)add_page(t, lists, ends, FLAT);
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < FLAT; k++)
                values[k] = (cluster * 4 + i) * FLAT + k;
            int page = i == 0 ? FLAT : FLAT / 16;
            for (int at = 0; at < FLAT; at += page)
                (void)add_page(t, i, values + at, page);
        }
    }
    t->codec = "ZS";
    add_ntuple(&o->made, t);
    free_ntuple(t);
    free(t);
    open_it(o);
}
