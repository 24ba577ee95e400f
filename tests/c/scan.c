/* Scans: the steps are, one after the other, the columns as they are when read at once, whatever their sizes, the
 * budget and the threads; they are in order, leave nothing out and are as large as was asked. */
#include "support/check.h"
#include "support/codecs.h"
#include "support/nested.h"
#include "support/rntuple_file.h"
#include "support/scanned.h"

enum { PAGE = 300, ENTRIES = 4000, CLUSTERS = 4, EVENTS = 700 };

/* --- files ---------------------------------------------------------------------------------------- */

typedef struct opened {
    made_file made;
    ladle_context *context;
    ladle_file *file;
    ladle_reader *reader; /* one thread */
} opened;

static ladle_reader *begin_reader(ladle_context *context, int32_t threads)
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

static ladle_table *begin_table(opened *o, const char *name)
{
    ladle_error error = blank_error();
    ladle_table *table = ladle_file_table(o->file, name, &error);
    assert_some(table, error);
    return table;
}

static void close_it(opened *o)
{
    ladle_reader_release(o->reader);
    ladle_file_release(o->file);
    end_context(o->context);
    free_file(&o->made);
}

/* A tree "t" with a column of each form. */
static void begin_tree(opened *o, const char *codec, bool embedded, bool flag80, int64_t n_entries)
{
    made_tree tree = {.name = "t",
                      .columns = all_forms,
                      .n_columns = ALL_FORMS,
                      .n_entries = n_entries,
                      .page_entries = PAGE,
                      .codec = codec,
                      .embedded = embedded,
                      .flag80 = flag80};
    begin_file(&o->made);
    o->made.codec = codec;
    add_tree(&o->made, &tree);
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
            int64_t page = f[i].n / 3 + 1 + i; /* three pages, or four: of other borders in each column */
            for (int64_t at = 0; at < f[i].n; at += page)
                (void)add_page(t, i, f[i].data + at * f[i].item, f[i].n - at < page ? f[i].n - at : page);
            free(f[i].data);
        }
    }
}

/* RNTuples: "e", events of lists, lists of lists, options, variants; and "n", one of each kind. */
static void begin_ntuples(opened *o, const char *codec)
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

/* --- steps ---------------------------------------------------------------------------------------- */

/* Steps of any size, in any budget, by any threads: the same. `step`: bytes where > 0, else entries. */
static void assert_any_way(opened *o, const scan_goal *goal, int64_t step, int64_t start, int64_t stop)
{
    static const int64_t budgets[] = {1, 20000, 1 << 20, 0};
    scan_log first = {0};
    for (size_t b = 0; b < N_OF(budgets); b++)
        for (int way = 0; way < 4; way++) {
            ladle_scan_options options = {.struct_size = sizeof options,
                                          .step_nbytes = step > 0 ? step : 0,
                                          .step_entries = step < 0 ? -step : 0,
                                          .budget_nbytes = budgets[b],
                                          .in_background = way % 2 == 1};
            ladle_reader *reader = way < 2 ? o->reader : begin_reader(o->context, 3);
            scan_log log = scan_range(reader, &options, goal, start, stop);
            if (way >= 2)
                ladle_reader_release(reader);
            if (b == 0 && way == 0) {
                first = log;
                continue;
            }
            assert_same_steps(&first, &log);
            free_log(&log);
        }
    free_log(&first);
}

/* Entries of ranges that begin and end anywhere in pages and clusters. */
static void assert_any_range(opened *o, const scan_goal *goal, int64_t page, bool is_exact)
{
    static const int64_t steps[] = {1, 500, 4000, 30000, INT64_C(1) << 40, -1, -7, -1000, -INT64_MAX};
    int64_t n = ladle_table_n_entries(goal->table);
    uint64_t seed = 17;
    for (size_t s = 0; s < N_OF(steps); s++)
        for (int i = 0; i < 4; i++) {
            int64_t most = steps[s] == 1 || steps[s] == -1 ? 400 : n; /* steps of one entry are many */
            int64_t start = i == 0 ? 0 : i == 1 ? page - 1 : random_below(&seed, n);
            int64_t stop = i == 0 ? n : i == 1 ? page + 1 : start + random_below(&seed, n + 1 - start);
            stop = stop - start > most ? start + most : stop;
            ladle_scan_options options = {.struct_size = sizeof options,
                                          .step_nbytes = steps[s] > 0 ? steps[s] : 0,
                                          .step_entries = steps[s] < 0 ? -steps[s] : 0,
                                          .budget_nbytes = INT64_C(1) << (10 + 5 * i),
                                          .in_background = i % 2 == 1};
            scan_log log = scan_range(o->reader, &options, goal, start, stop);
            for (int64_t k = 0; k < log.n; k++) {
                int64_t entries = log.steps[k].stop - log.steps[k].start;
                if (steps[s] < 0)
                    assert_true(entries == -steps[s] || (k == log.n - 1 && entries < -steps[s]));
                else if (is_exact && entries > 1 && log.steps[k].nbytes > steps[s])
                    fail_msg("%lld bytes in %lld entries from %lld on, not %lld", (long long)log.steps[k].nbytes,
                             (long long)entries, (long long)log.steps[k].start, (long long)steps[s]);
            }
            free_log(&log);
        }
}

static const char *const tree_columns[] = {"x", "n", "v", "three", "w"};

static void steps_of_trees_are_the_columns(void **state)
{
    (void)state;
    static const char *const codecs[] = {"ZL", "L4", "ZS", NULL};
    for (size_t c = 0; c < N_OF(codecs); c++) {
        opened o;
        begin_tree(&o, codecs[c], c % 2 == 0, c == 3, ENTRIES);
        ladle_table *table = begin_table(&o, "t");
        scan_goal all = begin_goal(o.reader, table, NULL, 0);
        assert_any_range(&o, &all, PAGE, false);
        /* Without strings, whose lengths are guessed, each step is as large as it may be. */
        scan_goal some = begin_goal(o.reader, table, tree_columns, N_OF(tree_columns));
        assert_any_range(&o, &some, PAGE, true);
        end_goal(&some);
        end_goal(&all);
        ladle_table_release(table);
        close_it(&o);
    }
}

static const char *const event_columns[] = {"x", "jets.pt", "jets.hits", "njets", "s", "a", "la"};

static void steps_of_ntuples_are_the_columns(void **state)
{
    (void)state;
    static const char *const codecs[] = {"ZL", "ZS", NULL};
    for (size_t c = 0; c < N_OF(codecs); c++) {
        opened o;
        begin_ntuples(&o, codecs[c]);
        ladle_table *table = begin_table(&o, "e"), *small = begin_table(&o, "n");
        scan_goal all = begin_goal(o.reader, table, NULL, 0);
        assert_int_equal(all.n_columns, 11);
        assert_any_range(&o, &all, EVENTS / 3, false);
        scan_goal some = begin_goal(o.reader, table, event_columns, N_OF(event_columns));
        assert_any_range(&o, &some, EVENTS, true);
        scan_goal forms = begin_goal(o.reader, small, NULL, 0);
        assert_any_range(&o, &forms, 5, false);
        end_goal(&forms);
        end_goal(&some);
        end_goal(&all);
        ladle_table_release(small);
        ladle_table_release(table);
        close_it(&o);
    }
}

static void steps_are_the_same_in_any_budget_by_any_threads(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZS", true, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    scan_goal all = begin_goal(o.reader, table, NULL, 0);
    static const int64_t steps[] = {3000, 30000, 100000, INT64_C(1) << 40, -7, -1000};
    for (size_t s = 0; s < N_OF(steps); s++) {
        assert_any_way(&o, &all, steps[s], 0, ENTRIES);
        assert_any_way(&o, &all, steps[s], PAGE / 2, ENTRIES - 1);
    }
    end_goal(&all);
    ladle_table_release(table);
    close_it(&o);
    begin_ntuples(&o, "ZL");
    table = begin_table(&o, "e");
    all = begin_goal(o.reader, table, NULL, 0);
    for (size_t s = 0; s < N_OF(steps); s++)
        assert_any_way(&o, &all, steps[s], EVENTS / 2, CLUSTERS * EVENTS - 1);
    end_goal(&all);
    ladle_table_release(table);
    close_it(&o);
}

/* A step by bytes that reaches a border of clusters ends at the last one that it reaches. */
static void steps_end_at_borders_of_clusters(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    scan_goal goal = begin_goal(o.reader, table, tree_columns, N_OF(tree_columns));
    for (int64_t step = 2000; step < 64000; step *= 2) {
        ladle_scan_options options = {.struct_size = sizeof options, .step_nbytes = step};
        scan_log log = scan_range(o.reader, &options, &goal, 10, ENTRIES);
        for (int64_t k = 0; k < log.n; k++) /* it has no border inside, or ends at one */
            assert_true(log.steps[k].stop == ENTRIES || log.steps[k].stop % PAGE == 0 ||
                        log.steps[k].start / PAGE == log.steps[k].stop / PAGE);
        free_log(&log);
    }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

static void columns_of_one_list_share_its_offsets(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    static const char *const names[] = {"v", "w", "v"};
    scan_goal goal = begin_goal(o.reader, table, names, N_OF(names));
    ladle_scan_options options = {.struct_size = sizeof options, .step_entries = 450};
    ladle_scan *scan = begin_scan(o.reader, &options);
    (void)add_part(scan, &goal, 0, ENTRIES);
    ladle_step step;
    ladle_error error = blank_error();
    assert_ok(ladle_scan_next(scan, &step, &error), error);
    assert_int_equal(step.n_buffers, 6);
    assert_ptr_equal(step.buffers[0], step.buffers[2]);
    assert_ptr_equal(step.buffers[0], step.buffers[4]);
    assert_ptr_not_equal(step.buffers[1], step.buffers[5]);
    assert_step(&goal, &step);
    ladle_step_release(&step);
    ladle_step_release(&step); /* nothing is left of it */
    ladle_step_release(NULL);
    ladle_scan_release(scan);
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
    begin_ntuples(&o, NULL);
    table = begin_table(&o, "e");
    goal = begin_goal(o.reader, table, event_columns + 1, 2);
    scan = begin_scan(o.reader, &options);
    (void)add_part(scan, &goal, 0, ENTRIES / 2);
    assert_ok(ladle_scan_next(scan, &step, &error), error);
    assert_int_equal(step.n_buffers, 5);
    assert_ptr_equal(step.buffers[0], step.buffers[2]);
    assert_step(&goal, &step);
    ladle_step_release(&step);
    ladle_scan_release(scan);
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* --- parts ---------------------------------------------------------------------------------------- */

static void parts_follow_each_other(void **state)
{
    (void)state;
    opened o, p;
    begin_tree(&o, "ZL", true, false, ENTRIES);
    begin_ntuples(&p, "ZS");
    ladle_table *tree = begin_table(&o, "t"), *events = begin_table(&p, "e");
    ladle_reader *reader = begin_reader(o.context, 3);
    /* The tree twice, an empty range of it, then a table of another file, whose context is another one. */
    scan_goal goals[5];
    for (int i = 0; i < 5; i++)
        goals[i] = i == 3 ? begin_goal(p.reader, events, NULL, 0) : begin_goal(o.reader, tree, NULL, 0);
    const int64_t ranges[5][2] = {{0, ENTRIES}, {700, 700}, {1, 2000}, {5, 1500}, {ENTRIES - 1, ENTRIES}};
    for (int background = 0; background < 2; background++)
        for (int64_t budget = 1000; budget < 100000000; budget *= 30) {
            ladle_scan_options options = {.struct_size = sizeof options,
                                          .step_nbytes = 9000,
                                          .budget_nbytes = budget,
                                          .in_background = background == 1};
            scan_log log = {0};
            ladle_scan *scan = begin_scan(reader, &options);
            assert_false(take_step(scan, goals, &log)); /* there is nothing yet */
            assert_true(ladle_scan_wait(scan, 0));
            for (int64_t i = 0; i < 4; i++)
                assert_int_equal(add_part(scan, &goals[i], ranges[i][0], ranges[i][1]), i);
            take_all(scan, goals, &log);
            assert_false(take_step(scan, goals, &log)); /* it stays at its end, until more is added */
            assert_int_equal(add_part(scan, &goals[4], ranges[4][0], ranges[4][1]), 4);
            take_all(scan, goals, &log);
            assert_false(take_step(scan, goals, &log));
            ladle_scan_release(scan);
            for (int64_t i = 0; i < log.n; i++) {
                assert_ok(log.steps[i].error.status, log.steps[i].error);
                assert_true(i == 0 || log.steps[i].part >= log.steps[i - 1].part);
            }
            for (int64_t i = 0; i < 5; i++)
                assert_covers(&log, i, ranges[i][0], ranges[i][1]);
            free_log(&log);
        }
    for (int i = 0; i < 5; i++)
        end_goal(&goals[i]);
    ladle_reader_release(reader);
    ladle_table_release(events);
    ladle_table_release(tree);
    close_it(&p);
    close_it(&o);
}

static void a_table_without_entries_has_no_steps(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, 0);
    ladle_table *table = begin_table(&o, "t");
    assert_int_equal(ladle_table_n_entries(table), 0);
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    for (int background = 0; background < 2; background++)
        for (int by_entries = 0; by_entries < 2; by_entries++) {
            ladle_scan_options options = {.struct_size = sizeof options,
                                          .step_nbytes = by_entries ? 0 : 1,
                                          .step_entries = by_entries,
                                          .in_background = background == 1};
            scan_log log = scan_range(o.reader, &options, &goal, 0, 0);
            assert_int_equal(log.n, 0);
            free_log(&log);
        }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* Steps outlive their scan, and what the caller keeps of a step stays as it is while the scan goes on. */
static void what_is_kept_of_steps_stays(void **state)
{
    (void)state;
    enum { KEPT = 12 };
    opened o;
    begin_tree(&o, "L4", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    for (int background = 0; background < 2; background++) {
        ladle_scan_options options = {.struct_size = sizeof options,
                                      .step_entries = ENTRIES / KEPT + 1,
                                      .budget_nbytes = 50000,
                                      .in_background = background == 1};
        ladle_scan *scan = begin_scan(o.reader, &options);
        (void)add_part(scan, &goal, 0, ENTRIES);
        ladle_step steps[KEPT];
        ladle_lease *firsts[KEPT];
        ladle_error error = blank_error();
        for (int i = 0; i < KEPT; i++) {
            assert_ok(ladle_scan_next(scan, &steps[i], &error), error);
            firsts[i] = steps[i].buffers[0];
            ladle_lease_retain(firsts[i]);
            if (i % 2 == 1)
                ladle_step_release(&steps[i - 1]);
        }
        ladle_scan_release(scan);
        for (int i = 0; i < KEPT; i++) {
            if (i % 2 == 1)
                assert_step(&goal, &steps[i]);
            ladle_step_release(&steps[i]);
            int64_t start = i * (ENTRIES / KEPT + 1);
            const uint8_t *whole = ladle_lease_data(goal.wholes[0].buffers[0]);
            size_t item = ladle_dtype_size(ladle_lease_dtype(firsts[i]));
            assert_memory_equal(ladle_lease_data(firsts[i]), whole + (size_t)start * item,
                                (size_t)ladle_lease_nbytes(firsts[i]));
            ladle_lease_release(firsts[i]);
        }
    }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* --- real files ----------------------------------------------------------------------------------- */

static void real_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *table;
    } files[] = {
        {"uproot-HZZ-zlib.root", "events"},
        {"uproot-HZZ-lz4.root", "events"},
        {"uproot-sample-6.20.04-lzma.root", "sample"},
        {"nanoAOD_2015_CMS_Open_Data_ttbar.root", "Events"},
        {"Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root", "Events"},
        {"ntpl001_staff_rntuple_v1-0-0-0.root", "Staff"},
    };
    const char *folder = getenv("LADLE_TESTDATA");
    int n_read = 0;
    for (size_t i = 0; folder != NULL && i < N_OF(files); i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%.400s/%s", folder, files[i].file);
        opened o = {.context = begin_context()};
        ladle_error error = blank_error();
        o.file = ladle_file_open(o.context, path, &error);
        if (o.file == NULL) {
            end_context(o.context);
            continue;
        }
        o.reader = begin_reader(o.context, 2);
        ladle_table *table = begin_table(&o, files[i].table);
        scan_goal goal = begin_goal(o.reader, table, NULL, 0);
        int64_t n = ladle_table_n_entries(table);
        for (int64_t step = 20000; step < 20000000; step *= 15)
            for (int background = 0; background < 2; background++) {
                ladle_scan_options options = {.struct_size = sizeof options,
                                              .step_nbytes = step,
                                              .budget_nbytes = 1 << 20,
                                              .in_background = background == 1};
                scan_log log = scan_range(o.reader, &options, &goal, n / 7, n);
                assert_true(log.n > 0);
                free_log(&log);
            }
        n_read++;
        end_goal(&goal);
        ladle_table_release(table);
        ladle_reader_release(o.reader);
        ladle_file_release(o.file);
        end_context(o.context);
    }
    if (n_read == 0) {
        print_message("no files in %s\n", folder == NULL ? "LADLE_TESTDATA" : folder);
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_trees_are_the_columns),
        cmocka_unit_test(steps_of_ntuples_are_the_columns),
        cmocka_unit_test(steps_are_the_same_in_any_budget_by_any_threads),
        cmocka_unit_test(steps_end_at_borders_of_clusters),
        cmocka_unit_test(columns_of_one_list_share_its_offsets),
        cmocka_unit_test(parts_follow_each_other),
        cmocka_unit_test(a_table_without_entries_has_no_steps),
        cmocka_unit_test(what_is_kept_of_steps_stays),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
