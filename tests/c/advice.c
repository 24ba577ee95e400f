/* Which allocator `ladle doctor` advises: what it asks for beyond a lower figure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "doctor.h"

enum { MAX_ROWS = 4, MAX_RUNS = 5 };

/* A trial that is written down run by run. */
typedef struct made {
    doctor_trial trial;
    doctor_row rows[MAX_ROWS];
    doctor_allocator allocators[MAX_ROWS];
    doctor_measured runs[MAX_ROWS][MAX_RUNS];
} made;

static doctor_row *add_row(made *all, const char *name)
{
    static char names[MAX_ROWS][16];
    int64_t i = all->trial.count++;
    assert_true(i < MAX_ROWS);
    snprintf(names[i], sizeof names[i], "%s", name);
    all->allocators[i].name = names[i];
    all->rows[i] =
        (doctor_row){.allocator = &all->allocators[i], .available = true, .in_force = true, .runs = all->runs[i]};
    all->trial.rows = all->rows;
    return &all->rows[i];
}

static void add_run(doctor_row *row, double peak_mb, double final_mb, double seconds)
{
    assert_true(row->count < MAX_RUNS);
    row->runs[row->count++] = (doctor_measured){.same_result = true,
                                                .seconds = seconds,
                                                .peak_rss = peak_mb * 1e6,
                                                .final_rss = final_mb * 1e6,
                                                .live = 40e6,
                                                .dead = (peak_mb - 40) * 1e6};
}

static made *begin(void)
{
    made *all = calloc(1, sizeof *all);
    assert_non_null(all);
    all->trial.best = -1;
    doctor_row *glibc = add_row(all, "glibc");
    add_run(glibc, 100, 90, 1.0);
    add_run(glibc, 104, 92, 1.1);
    add_run(glibc, 102, 91, 1.2);
    return all;
}

static void assert_advised(made *all, int64_t row, const char *part)
{
    doctor_trial_advise(&all->trial);
    assert_int_equal(all->trial.best, row);
    if (strstr(all->trial.sentence, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, all->trial.sentence);
    }
    free(all);
}

static void test_lowest_peak_is_advised(void **state)
{
    (void)state;
    made *all = begin();
    for (int i = 0; i < 3; ++i) {
        add_run(add_row(all, i == 0 ? "mimalloc" : i == 1 ? "jemalloc" : "tcmalloc"), 80 - 10 * i, 70, 1.0);
    }
    for (int i = 1; i < 4; ++i) {
        add_run(&all->rows[i], 81 - 10 * i, 70, 1.0);
    }
    assert_advised(all, 3, "Use tcmalloc here: the peak is 55.5 MB instead of 102.0 MB (-46 %), in each of its 2 runs");
}

static void test_faster_of_two_that_are_alike(void **state)
{
    (void)state;
    made *all = begin();
    doctor_row *first = add_row(all, "mimalloc"), *second = add_row(all, "jemalloc");
    for (int i = 0; i < 3; ++i) {
        add_run(first, 60, 60, 1.4);
        add_run(second, 61, 60, 0.9);
    }
    assert_advised(all, 2, "Use jemalloc");
}

static void test_ranges_that_meet(void **state)
{
    (void)state;
    made *all = begin();
    doctor_row *row = add_row(all, "mimalloc");
    add_run(row, 90, 90, 1.0);
    add_run(row, 91, 90, 1.0);
    add_run(row, 100.5, 90, 1.0);
    assert_advised(all, -1,
                   "None: keep glibc. The best of the others, mimalloc, has a peak of 91.0 MB instead of 102.0 MB "
                   "(-11 %), which is within the range of the runs");
}

static void test_little(void **state)
{
    (void)state;
    made *all = begin();
    doctor_row *row = add_row(all, "mimalloc");
    for (int i = 0; i < 3; ++i) {
        add_run(row, 98, 90, 1.0);
    }
    assert_advised(all, -1, "which is too little");
    all = begin();
    add_run(add_row(all, "mimalloc"), 130, 90, 1.0);
    assert_advised(all, -1, "which is not lower");
}

static void test_one_run_must_gain_more(void **state)
{
    (void)state;
    made *all = begin();
    all->rows[0].count = 1;
    add_run(add_row(all, "mimalloc"), 92, 90, 1.0);
    assert_advised(all, -1, "which one run cannot tell from chance (--repeat 3)");
    all = begin();
    all->rows[0].count = 1;
    add_run(add_row(all, "mimalloc"), 85, 90, 1.0);
    assert_advised(all, 1, "in one run each");
}

static void test_slow(void **state)
{
    (void)state;
    made *all = begin();
    doctor_row *row = add_row(all, "mimalloc");
    for (int i = 0; i < 3; ++i) {
        add_run(row, 50, 50, 2.0);
    }
    assert_advised(all, -1, "but it takes too long");
}

static void test_what_stays_at_the_end(void **state)
{
    (void)state;
    made *all = begin();
    doctor_row *row = add_row(all, "mimalloc"), *other = add_row(all, "jemalloc");
    for (int i = 0; i < 3; ++i) {
        add_run(row, 105, 40, 1.0);
        add_run(other, 150, 20, 1.0); /* costs too much at the peak */
    }
    assert_advised(all, 1,
                   "what is resident at the end is 40.0 MB instead of 91.0 MB (-56 %), in each of its 3 runs "
                   "(40.0 to 40.0 MB against 90.0 to 92.0 MB), its peak is 105.0 MB instead of 102.0 MB");
}

static void test_another_result(void **state)
{
    (void)state;
    made *all = begin();
    doctor_row *row = add_row(all, "mimalloc"), *other = add_row(all, "jemalloc");
    add_run(row, 50, 50, 1.0);
    row->runs[0].same_result = false;
    add_run(other, 50, 50, 1.0);
    other->in_force = false;
    assert_advised(all, -1, "None: keep glibc. Under each of the others the command's result is not the same.");
}

static void test_nothing_to_compare_with(void **state)
{
    (void)state;
    made *all = begin();
    add_run(add_row(all, "mimalloc"), 50, 50, 1.0);
    all->rows[0].runs[1].same_result = false;
    assert_advised(all, -1, "No advice: ");
    all = begin();
    add_row(all, "mimalloc")->available = false;
    assert_advised(all, -1, "None: keep glibc. No other allocator could be tried.");
}

static void test_ranges(void **state)
{
    (void)state;
    made *all = begin();
    add_run(&all->rows[0], 200, 93, 9.0);
    doctor_trial_advise(&all->trial);
    const doctor_row *row = &all->rows[0];
    assert_true(row->peak_rss.low == 100e6 && row->peak_rss.median == 103e6 && row->peak_rss.high == 200e6);
    assert_true(row->seconds.low == 1.0 && row->seconds.high == 9.0);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lowest_peak_is_advised),  cmocka_unit_test(test_faster_of_two_that_are_alike),
        cmocka_unit_test(test_ranges_that_meet),        cmocka_unit_test(test_little),
        cmocka_unit_test(test_one_run_must_gain_more),  cmocka_unit_test(test_slow),
        cmocka_unit_test(test_what_stays_at_the_end),   cmocka_unit_test(test_another_result),
        cmocka_unit_test(test_nothing_to_compare_with), cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
