/* Scans of damaged files: exactly the steps that lie in what is damaged fail, each says where, and the scan goes on. */
#include "support/check.h"
#include "support/scan_files.h"
#include "support/scanned.h"

#include <unistd.h>

enum { BAD = 5 }; /* the page that is damaged: entries [BAD * PAGE, (BAD + 1) * PAGE) */

/* --- what is said --------------------------------------------------------------------------------- */

/* The error of a failed step says of which file and column it is, and of which entries. */
static void assert_told(const scan_said *said, const char *where, const char *page)
{
    char range[64];
    (void)snprintf(range, sizeof range, "(in entries %lld to %lld)", (long long)said->start, (long long)said->stop);
    if (strstr(said->error.message, range) == NULL || strstr(said->error.where, where) == NULL ||
        strstr(said->error.where, page) == NULL)
        fail_msg("entries %lld to %lld: %s: %s", (long long)said->start, (long long)said->stop, said->error.where,
                 said->error.message);
}

/* Scans all of a part, of which some steps may fail. */
static scan_log scan_damaged(ladle_reader *reader, const ladle_scan_options *options, const scan_goal *goal)
{
    scan_log log = {0};
    ladle_scan *scan = begin_scan(reader, options);
    (void)add_part(scan, goal, 0, ladle_table_n_entries(goal->table));
    take_all(scan, goal, &log);
    ladle_scan_release(scan);
    assert_covers(&log, 0, 0, ladle_table_n_entries(goal->table));
    return log;
}

/* The steps that reach into entries [start, stop) have failed, all others have not. */
static void assert_failed(const scan_log *log, int64_t start, int64_t stop, const char *where, const char *page)
{
    for (int64_t i = 0; i < log->n; i++) {
        const scan_said *said = &log->steps[i];
        bool lies_in_it = said->start < stop && said->stop > start;
        if ((said->error.status != LADLE_OK) != lies_in_it)
            fail_msg("entries %lld to %lld: %s: %s", (long long)said->start, (long long)said->stop,
                     ladle_status_name(said->error.status), said->error.message);
        if (lies_in_it)
            assert_told(said, where, page);
    }
}

static const ladle_scan_options ways[] = {
    {.struct_size = sizeof ways[0], .step_entries = 50},
    {.struct_size = sizeof ways[0], .step_entries = 70, .budget_nbytes = 1},
    {.struct_size = sizeof ways[0], .step_entries = 1000, .in_background = true},
    {.struct_size = sizeof ways[0], .step_entries = INT64_MAX},
    {.struct_size = sizeof ways[0], .step_nbytes = 3000},
    {.struct_size = sizeof ways[0], .step_nbytes = 3000, .budget_nbytes = 20000, .in_background = true},
    {.struct_size = sizeof ways[0], .step_nbytes = 30000},
};

/* --- pages ---------------------------------------------------------------------------------------- */

static void form_name(int form, char *name, size_t size)
{
    (void)snprintf(name, size, all_forms[form].form == MADE_RECORD ? "%s.d" : "%s", all_forms[form].name);
}

/* A page of each kind of column, beside a column that is whole: "x", or "flag" beside "x". */
static void a_bad_page_fails_the_steps_that_lie_in_it(void **state)
{
    (void)state;
    static const char *const codecs[] = {"ZL", "L4"};
    for (size_t c = 0; c < N_OF(codecs); c++) {
        opened o;
        begin_tree(&o, codecs[c], false, false, ENTRIES);
        ladle_table *table = begin_table(&o, "t");
        for (int form = 0; form < ALL_FORMS; form++) {
            char name[16];
            form_name(form, name, sizeof name);
            const char *names[] = {name, form == 0 ? "flag" : "x"};
            scan_goal goal = begin_goal(o.reader, table, names, 2);
            ladle_page_info page = {.struct_size = sizeof page};
            assert_int_equal(ladle_table_page(table, goal.columns[0], BAD, &page, NULL), LADLE_OK);
            assert_int_equal(page.first_entry, BAD * PAGE);
            uint8_t *middle = o.made.bytes.data + page.offset + page.nbytes - 12;
            *middle ^= 0x10;
            for (size_t way = 0; way < N_OF(ways); way++) {
                scan_log log = scan_damaged(o.reader, &ways[way], &goal);
                char where[64];
                (void)snprintf(where, sizeof where, "made.root: t/%s", name);
                assert_failed(&log, BAD * PAGE, (BAD + 1) * PAGE, where, "page 5");
                free_log(&log);
            }
            *middle ^= 0x10;
            end_goal(&goal);
        }
        ladle_table_release(table);
        close_it(&o);
    }
}

/* Counts that cannot be read: the steps of these entries fail, for each column that they count. Where bytes would say
 * how far a step reaches, nothing fails that lies in a cluster behind them. */
static void a_bad_counter_fails_the_steps_that_it_counts(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    static const char *const names[] = {"x", "v", "w"};
    scan_goal goal = begin_goal(o.reader, table, names, N_OF(names));
    ladle_page_info page = {.struct_size = sizeof page};
    assert_int_equal(ladle_table_page(table, ladle_table_find(table, "n"), BAD, &page, NULL), LADLE_OK);
    o.made.bytes.data[page.offset + page.nbytes - 12] ^= 0x10;
    for (size_t way = 0; way < N_OF(ways); way++) {
        scan_log log = scan_damaged(o.reader, &ways[way], &goal);
        assert_failed(&log, BAD * PAGE, (BAD + 1) * PAGE, "made.root: t/n", "page 5");
        for (int64_t i = 0; i < log.n; i++)
            if (log.steps[i].error.status != LADLE_OK && ways[way].step_nbytes > 0)
                assert_int_equal(log.steps[i].stop, (BAD + 1) * PAGE);
        free_log(&log);
    }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* One entry says that it has more values than any file. */
static void a_count_that_lies_fails_its_steps(void **state)
{
    (void)state;
    static const uint32_t lies[] = {0x7fffffff, 0x80000000, 0xffffffff, 1000000, 5};
    opened o;
    begin_tree(&o, NULL, false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    static const char *const names[] = {"x", "v", "w"};
    scan_goal goal = begin_goal(o.reader, table, names, N_OF(names));
    ladle_page_info page = {.struct_size = sizeof page};
    assert_int_equal(ladle_table_page(table, ladle_table_find(table, "n"), BAD, &page, NULL), LADLE_OK);
    size_t at = (size_t)(page.offset + page.nbytes - 4 * PAGE + 4 * 10);
    uint8_t before[4];
    memcpy(before, o.made.bytes.data + at, sizeof before);
    for (size_t i = 0; i < N_OF(lies); i++)
        for (size_t way = 0; way < N_OF(ways); way++) {
            set_u32(&o.made.bytes, at, lies[i]);
            (void)ladle_context_trim(o.context);
            int64_t held = held_total(o.context);
            scan_log log = scan_damaged(o.reader, &ways[way], &goal);
            assert_failed(&log, BAD * PAGE, (BAD + 1) * PAGE, "made.root: t/", "");
            free_log(&log);
            ladle_memory_info memory = {.struct_size = sizeof memory};
            ladle_context_memory(o.context, &memory);
            assert_true(memory.peak - held < 32 << 20); /* what is said is not allocated */
            memcpy(o.made.bytes.data + at, before, sizeof before);
        }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* Every page of an RNTuple in turn. A step that fails has a column that cannot be read over its entries, or one on
 * either side: lists begin where those before them end. */
static void a_bad_page_of_an_ntuple_fails_the_steps_that_lie_in_it(void **state)
{
    (void)state;
    opened o;
    begin_ntuples(&o, "ZL");
    ladle_table *table = begin_table(&o, "e");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    for (int32_t i = 0; i < goal.n_columns; i++) {
        ladle_storage_info storage = {.struct_size = sizeof storage};
        assert_int_equal(ladle_table_storage(table, goal.columns[i], &storage, NULL), LADLE_OK);
        for (int64_t k = i % 5; k < storage.n_pages; k += 5) {
            ladle_page_info page = {.struct_size = sizeof page};
            assert_int_equal(ladle_table_page(table, goal.columns[i], k, &page, NULL), LADLE_OK);
            uint8_t *middle = o.made.bytes.data + page.offset + page.nbytes / 2;
            *middle ^= 0x10;
            for (size_t way = 0; way < 3; way++) {
                scan_log log = scan_damaged(o.reader, &ways[way], &goal);
                int64_t failed = 0;
                for (int64_t s = 0; s < log.n; s++) {
                    const scan_said *said = &log.steps[s];
                    if (said->error.status == LADLE_OK)
                        continue;
                    failed++;
                    assert_told(said, "made.root: e/", "page");
                    bool fails = false;
                    for (int32_t j = 0; j < goal.n_columns && !fails; j++) {
                        ladle_array array;
                        int64_t start = said->start > 0 ? said->start - 1 : 0;
                        int64_t stop = said->stop < CLUSTERS * EVENTS ? said->stop + 1 : said->stop;
                        fails = ladle_read_column(o.reader, NULL, table, goal.columns[j], start, stop, &array, NULL) !=
                                LADLE_OK;
                        ladle_array_release(&array);
                    }
                    if (!fails)
                        fail_msg("page %lld of column %d: entries %lld to %lld can be read, but: %s: %s", (long long)k,
                                 goal.columns[i], (long long)said->start, (long long)said->stop, said->error.where,
                                 said->error.message);
                }
                assert_true(failed > 0);
                free_log(&log);
            }
            *middle ^= 0x10;
        }
    }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* --- the file ------------------------------------------------------------------------------------- */

/* What is behind the end of the file cannot be read; steps before it can. */
static void a_truncated_file_gives_the_steps_before_its_end(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    char path[] = "/tmp/ladle-scan-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, o.made.bytes.data, o.made.bytes.n), (ssize_t)o.made.bytes.n);
    ladle_error error = blank_error();
    ladle_file *file = ladle_file_open(o.context, path, &error);
    assert_some(file, error);
    ladle_table *table = ladle_file_table(file, "t", &error);
    assert_some(table, error);
    static const char *const names[] = {"three", "x", "s", "v"};
    scan_goal goal = begin_goal(o.reader, table, names, N_OF(names));
    /* The columns lie one after the other in the file: x, flag, three ... */
    ladle_page_info page = {.struct_size = sizeof page};
    assert_int_equal(ladle_table_page(table, goal.columns[0], BAD, &page, NULL), LADLE_OK);
    assert_int_equal(ftruncate(fd, page.offset + page.nbytes / 2), 0);
    goal.n_columns = 2;
    for (size_t way = 0; way < N_OF(ways); way++) {
        scan_log log = scan_damaged(o.reader, &ways[way], &goal);
        assert_failed(&log, BAD * PAGE, ENTRIES, "t/three", "page");
        for (int64_t i = 0; i < log.n; i++)
            assert_true(log.steps[i].error.status == LADLE_OK || log.steps[i].error.status == LADLE_TRUNCATED);
        free_log(&log);
    }
    goal.n_columns = 4; /* nothing of the last two is left */
    for (size_t way = 0; way < N_OF(ways); way++) {
        scan_log log = scan_damaged(o.reader, &ways[way], &goal);
        assert_failed(&log, 0, ENTRIES, "t/", "");
        free_log(&log);
    }
    end_goal(&goal);
    ladle_table_release(table);
    ladle_file_release(file);
    (void)close(fd);
    (void)unlink(path);
    close_it(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_page_fails_the_steps_that_lie_in_it),
        cmocka_unit_test(a_bad_counter_fails_the_steps_that_it_counts),
        cmocka_unit_test(a_count_that_lies_fails_its_steps),
        cmocka_unit_test(a_bad_page_of_an_ntuple_fails_the_steps_that_lie_in_it),
        cmocka_unit_test(a_truncated_file_gives_the_steps_before_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
