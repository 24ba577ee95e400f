/* Scans: the steps are, one after the other, the columns as they are when read at once, whatever their sizes, the
 * budget and the threads; they are in order, leave nothing out and are as large as was asked. */
#include "memory/fault.h"
#include "memory/heap.h"
#include "support/check.h"
#include "support/scan_files.h"
#include "support/scanned.h"

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

/* Of a step that the scan has left behind, who keeps one column keeps little more than that column. */
static void who_keeps_a_column_does_not_keep_the_step(void **state)
{
    (void)state;
    if (ladle_heap_is_malloc())
        skip();
    opened o;
    begin_tree(&o, "L4", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    static const char *const names[] = {"x", "three", "rec.d"};
    scan_goal goal = begin_goal(o.reader, table, names, N_OF(names));
    ladle_scan_options options = {.struct_size = sizeof options, .step_entries = 1000, .budget_nbytes = 1};
    ladle_scan *scan = begin_scan(o.reader, &options);
    (void)add_part(scan, &goal, 0, ENTRIES);
    int64_t before = held_of(o.context, LADLE_MEMORY_LEASED);
    ladle_lease *kept = NULL;
    for (int i = 0; i < 3; i++) {
        ladle_step step;
        ladle_error error = blank_error();
        assert_ok(ladle_scan_next(scan, &step, &error), error);
        if (i == 0) {
            kept = step.buffers[0];
            ladle_lease_retain(kept);
        }
        int64_t nbytes = step.nbytes;
        ladle_step_release(&step);
        int64_t held = held_of(o.context, LADLE_MEMORY_LEASED) - before;
        assert_int_equal(nbytes, 1000 * (4 + 24 + 8));
        assert_true(i == 2 ? held < nbytes / 2 : held >= nbytes); /* in one piece, until then */
    }
    assert_memory_equal(ladle_lease_data(kept), ladle_lease_data(goal.wholes[0].buffers[0]), 4000);
    ladle_scan_release(scan);
    ladle_lease_release(kept);
    assert_int_equal(held_of(o.context, LADLE_MEMORY_LEASED), before);
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
    int n_read = 0;
    for (size_t i = 0; i < N_OF(files); i++) {
        opened o = {.context = begin_context()};
        o.file = open_test_data(o.context, files[i].file);
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
    if (n_read == 0)
        skip();
}

/* Columns of several pages are decoded when steps are going to need them: what a cluster holds is not there at once. */
static void columns_of_several_pages_wait(void **state)
{
    (void)state;
    opened o;
    begin_flat_ntuple(&o);
    ladle_table *table = begin_table(&o, "f");
    static const char *const names[] = {"one", "many", "more", "most"};
    scan_goal goal = begin_goal(o.reader, table, names, N_OF(names));
    enum { WHOLE = FLAT * 4 * 4, STEPS = 16 };
    /* A piece is half of the budget, or 64 MiB. */
    static const int64_t budgets[] = {WHOLE, INT64_C(1) << 30};
    for (size_t i = 0; i < N_OF(budgets); i++)
        for (int background = 0; background < 2; background++) {
            ladle_scan_options options = {.struct_size = sizeof options,
                                          .step_nbytes = WHOLE / STEPS,
                                          .budget_nbytes = budgets[i],
                                          .in_background = background == 1};
            int64_t before = held_of(o.context, LADLE_MEMORY_LEASED), first = 0;
            scan_log log = {0};
            ladle_scan *scan = begin_scan(o.reader, &options);
            (void)add_part(scan, &goal, 0, FLAT);
            while (take_step(scan, &goal, &log))
                first = log.n == 1 ? held_of(o.context, LADLE_MEMORY_LEASED) - before : first;
            assert_covers(&log, 0, 0, FLAT);
            assert_int_equal(log.n, STEPS);
            free_log(&log);
            ladle_scan_release(scan);
            /* The column of one page, a quarter, half of the others, and their next pages at most. */
            if (background == 0 && budgets[i] == WHOLE)
                assert_true(first < WHOLE * 3 / 4);
            else if (background == 0)
                assert_true(first > WHOLE * 3 / 4);
        }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* What there is no memory for is decoded again step by step, also of a window of which some steps were handed out, and
 * where a column has no page. */
static void want_of_memory_between_pieces(void **state)
{
    (void)state;
    opened o;
    begin_flat_ntuple(&o);
    ladle_table *table = begin_table(&o, "f");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    static const int64_t budgets[] = {FLAT * 4 * 6, FLAT * 4}; /* in memory, and in a scratch file */
    for (size_t b = 0; b < N_OF(budgets); b++) {
        ladle_scan_options options = {.struct_size = sizeof options, .step_nbytes = 900, .budget_nbytes = budgets[b]};
        int64_t n_asked = INT64_MAX, n_runs = 0;
        for (int64_t at = 1; at <= n_asked; at += 1 + at / 32, n_runs++) {
            scan_log log = {0};
            ladle_scan *scan = begin_scan(o.reader, &options);
            (void)add_part(scan, &goal, 0, 2 * FLAT);
            ladle_fault_arm(o.context, LADLE_FAULT_ALLOC, at, false);
            take_all(scan, &goal, &log);
            n_asked = ladle_fault_disarm(o.context, LADLE_FAULT_ALLOC);
            ladle_scan_release(scan);
            assert_covers(&log, 0, 0, 2 * FLAT);
            for (int64_t i = 0; i < log.n; i++)
                assert_true(log.steps[i].error.status == LADLE_OK || log.steps[i].error.status == LADLE_NOMEM);
            free_log(&log);
        }
        assert_true(n_runs > 50);
    }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* 1.8 kB that declare 10^8 values: 2 in the first half, 1 in the second. Neither they nor their steps are in memory at
 * once. */
static void a_small_file_of_many_values_takes_little_memory(void **state)
{
    (void)state;
    enum { BUDGET = 16 << 20 };
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_file *file = open_test_data(context, "test_int_multicluster_rntuple_v1-0-0-0.root");
    if (file == NULL) {
        end_context(context);
        skip();
    }
    ladle_context_set_budget(context, BUDGET);
    ladle_table *table = ladle_file_table(file, "ntuple", &error);
    assert_some(table, error);
    ladle_reader *reader = begin_reader(context, 1);
    int32_t column = 0;
    int64_t n_entries = ladle_table_n_entries(table);
    const ladle_scan_options ways[] = {
        {.struct_size = sizeof ways[0], .step_nbytes = 1 << 20, .budget_nbytes = 4 << 20},
        {.struct_size = sizeof ways[0], .step_nbytes = 1, .budget_nbytes = 4 << 20},
        {.struct_size = sizeof ways[0], .step_entries = 3},
        {.struct_size = sizeof ways[0], .step_entries = 3, .in_background = true},
    };
    for (size_t way = 0; way < N_OF(ways); way++) {
        ladle_scan *scan = begin_scan(reader, &ways[way]);
        assert_ok(ladle_scan_add(scan, table, &column, 1, 0, n_entries, NULL, &error), error);
        int64_t at = 0;
        for (int i = 0; i < 1000; i++) {
            ladle_step step;
            assert_ok(ladle_scan_next(scan, &step, &error), error);
            if (step.n_buffers == 0)
                break;
            assert_int_equal(step.start, at);
            at = step.stop;
            const int16_t *values = ladle_lease_data(step.buffers[0]);
            for (int64_t k = step.start; k < step.stop; k++)
                if (values[k - step.start] != (k < n_entries / 2 ? 2 : 1))
                    fail_msg("entry %lld is %d", (long long)k, values[k - step.start]);
            ladle_step_release(&step);
        }
        assert_int_equal(at, way == 0 ? n_entries : way == 1 ? 1000 : 3000);
        ladle_scan_release(scan);
    }
    ladle_reader_release(reader);
    ladle_table_release(table);
    ladle_file_release(file);
    end_context(context);
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
        cmocka_unit_test(who_keeps_a_column_does_not_keep_the_step),
        cmocka_unit_test(real_files),
        cmocka_unit_test(columns_of_several_pages_wait),
        cmocka_unit_test(want_of_memory_between_pieces),
        cmocka_unit_test(a_small_file_of_many_values_takes_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
