/* Steps of a cluster that is larger than the budget wait in a scratch file: they are the same, whatever happens to it.
 */
#include "memory/fault.h"
#include "support/check.h"
#include "support/scan_files.h"
#include "support/scanned.h"

#include <stdlib.h>

static const ladle_scan_options small[] = {
    {.struct_size = sizeof small[0], .step_nbytes = 4000, .budget_nbytes = 10000},
    {.struct_size = sizeof small[0], .step_nbytes = 4000, .budget_nbytes = 10000, .in_background = true},
};

/* A scan of everything, of which steps may fail. */
static scan_log scan_all(opened *o, const scan_goal *goal, const ladle_scan_options *options)
{
    scan_log log = {0};
    ladle_scan *scan = begin_scan(o->reader, options);
    (void)add_part(scan, goal, 0, ladle_table_n_entries(goal->table));
    take_all(scan, goal, &log);
    ladle_scan_release(scan);
    assert_covers(&log, 0, 0, ladle_table_n_entries(goal->table));
    return log;
}

static int64_t failed_steps(const scan_log *log)
{
    int64_t n = 0;
    for (int64_t i = 0; i < log->n; i++)
        n += log->steps[i].error.status != LADLE_OK;
    return n;
}

static void steps_wait_in_a_file(void **state)
{
    (void)state;
    opened o;
    begin_ntuples(&o, "ZS");
    ladle_table *table = begin_table(&o, "e");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    for (size_t i = 0; i < N_OF(small); i++) {
        ladle_scan_options large = small[i];
        large.budget_nbytes = 0;
        ladle_fault_arm(o.context, LADLE_FAULT_WRITE_ERROR, 0, false);
        scan_log in_memory = scan_range(o.reader, &large, &goal, 0, ladle_table_n_entries(table));
        assert_int_equal(ladle_fault_disarm(o.context, LADLE_FAULT_WRITE_ERROR), 0);
        ladle_fault_arm(o.context, LADLE_FAULT_WRITE_ERROR, 0, false);
        scan_log in_file = scan_range(o.reader, &small[i], &goal, 0, ladle_table_n_entries(table));
        /* More than a write for each cluster: it is decoded in several groups of columns. */
        assert_true(ladle_fault_disarm(o.context, LADLE_FAULT_WRITE_ERROR) > 2 * CLUSTERS);
        assert_same_steps(&in_memory, &in_file);
        free_log(&in_memory);
        free_log(&in_file);
    }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* A file that takes no more is done without. */
static void a_full_disk_costs_time_only(void **state)
{
    (void)state;
    static const ladle_fault_kind kinds[] = {LADLE_FAULT_WRITE_ERROR, LADLE_FAULT_WRITE_FULL, LADLE_FAULT_WRITE_SHORT,
                                             LADLE_FAULT_INTERRUPTED};
    opened o;
    begin_ntuples(&o, "ZS");
    ladle_table *table = begin_table(&o, "e");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    for (size_t k = 0; k < N_OF(kinds); k++)
        for (int64_t at = 1; at < 200; at += 1 + at / 2)
            for (size_t i = 0; i < N_OF(small); i++) {
                ladle_fault_arm(o.context, kinds[k], at, kinds[k] == LADLE_FAULT_WRITE_FULL);
                scan_log log = scan_range(o.reader, &small[i], &goal, 0, ladle_table_n_entries(table));
                (void)ladle_fault_disarm(o.context, kinds[k]);
                free_log(&log);
            }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* What cannot be read back fails the step that it is of, and no other. */
static void a_bad_read_fails_its_step(void **state)
{
    (void)state;
    opened o;
    begin_ntuples(&o, "ZS");
    ladle_table *table = begin_table(&o, "e");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    int64_t found = 0;
    for (int64_t at = 1; at < 400; at += 1 + at / 8) {
        ladle_fault_arm(o.context, LADLE_FAULT_READ_ERROR, at, false);
        scan_log log = scan_all(&o, &goal, &small[0]);
        (void)ladle_fault_disarm(o.context, LADLE_FAULT_READ_ERROR);
        assert_true(failed_steps(&log) <= 1);
        for (int64_t i = 0; i < log.n; i++)
            if (log.steps[i].error.status != LADLE_OK) {
                assert_error(log.steps[i].error, LADLE_IO, "(in entries");
                assert_non_null(strstr(log.steps[i].error.where, "the scratch file of a scan"));
                found++;
            }
        free_log(&log);
    }
    assert_true(found > 3);
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* Without a place for a file pages are decoded more than once. */
static void no_folder_is_needed(void **state)
{
    (void)state;
    opened o;
    begin_ntuples(&o, "ZS");
    ladle_table *table = begin_table(&o, "e");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    assert_int_equal(setenv("LADLE_SCRATCH", "/nowhere/at/all", 1), 0);
    ladle_fault_arm(o.context, LADLE_FAULT_WRITE_ERROR, 0, false);
    scan_log log = scan_range(o.reader, &small[0], &goal, 0, ladle_table_n_entries(table));
    assert_int_equal(ladle_fault_disarm(o.context, LADLE_FAULT_WRITE_ERROR), 0);
    assert_int_equal(unsetenv("LADLE_SCRATCH"), 0);
    free_log(&log);
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_wait_in_a_file),
        cmocka_unit_test(a_full_disk_costs_time_only),
        cmocka_unit_test(a_bad_read_fails_its_step),
        cmocka_unit_test(no_folder_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
