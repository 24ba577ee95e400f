/* The life of a scan: it is skipped, stopped and released at any time, waits no longer than asked, keeps within the
 * budget of its context, and leaves no byte and no thread behind. */
#include "deliver/scan.h"
#include "support/check.h"
#include "support/rntuple_file.h"
#include "support/scan_files.h"
#include "support/scanned.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a source that can be held up ----------------------------------------------------------------- */

typedef struct gate {
    const made_file *made;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;
    int held_up; /* reads */
} gate;

static ladle_status read_through(void *self, int64_t offset, int64_t nbytes, void *out, ladle_error *error)
{
    (void)error;
    gate *g = self;
    pthread_mutex_lock(&g->lock);
    g->held_up++;
    pthread_cond_broadcast(&g->changed);
    while (g->closed)
        pthread_cond_wait(&g->changed, &g->lock);
    g->held_up--;
    pthread_mutex_unlock(&g->lock);
    memcpy(out, g->made->bytes.data + offset, (size_t)nbytes);
    return LADLE_OK;
}

static void leave_it(void *self)
{
    (void)self;
}

static void set_gate(gate *g, bool closed)
{
    pthread_mutex_lock(&g->lock);
    g->closed = closed;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void await_held_up(gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->held_up == 0)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

/* The tree "t" of `o` through a gate. */
static ladle_table *begin_gated(opened *o, gate *g)
{
    static const ladle_source_ops ops = {LADLE_SOURCE_ABI_1, read_through, leave_it};
    *g = (gate){.made = &o->made};
    assert_int_equal(pthread_mutex_init(&g->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&g->changed, NULL), 0);
    ladle_error error = blank_error();
    ladle_source *source = ladle_source_from_ops(o->context, "gated.root", (int64_t)o->made.bytes.n, &ops, g, &error);
    assert_some(source, error);
    ladle_file *file = ladle_file_open_source(o->context, source, &error);
    assert_some(file, error);
    ladle_table *table = ladle_file_table(file, "t", &error);
    assert_some(table, error);
    ladle_file_release(file); /* the table retains it */
    return table;
}

/* None of which a page is looked at when the part is added, as a string's would be. */
static const char *const gated_columns[] = {"x", "v"};

static void end_gated(gate *g, ladle_table *table)
{
    ladle_table_release(table);
    (void)pthread_cond_destroy(&g->changed);
    (void)pthread_mutex_destroy(&g->lock);
}

static const ladle_scan_options small_steps = {.struct_size = sizeof small_steps, .step_entries = 100};
static const ladle_scan_options small_steps_ahead = {
    .struct_size = sizeof small_steps_ahead, .step_entries = 100, .budget_nbytes = 40000, .in_background = true};

/* --- skip ----------------------------------------------------------------------------------------- */

static void what_is_skipped_is_left_out(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", true, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0), goals[4] = {goal, goal, goal, goal};
    for (int background = 0; background < 2; background++)
        for (int before = 0; before < 9; before += 2) {
            scan_log log = {0};
            ladle_scan *scan = begin_scan(o.reader, background == 1 ? &small_steps_ahead : &small_steps);
            for (int i = 0; i < 4; i++)
                (void)add_part(scan, &goal, 0, 1000);
            for (int i = 0; i < before; i++)
                assert_true(take_step(scan, goals, &log));
            ladle_scan_skip(scan, 0); /* of which some were taken */
            ladle_scan_skip(scan, 2); /* which has not begun */
            ladle_scan_skip(scan, 2);
            ladle_scan_skip(scan, 4); /* which is not there */
            ladle_scan_skip(scan, -1);
            take_all(scan, goals, &log);
            ladle_scan_skip(scan, 3); /* which is over */
            assert_covers(&log, 0, 0, before * 100);
            assert_covers(&log, 1, 0, 1000);
            assert_covers(&log, 2, 0, 0);
            assert_covers(&log, 3, 0, 1000);
            assert_int_equal(add_part(scan, &goal, 0, 1000), 4);
            ladle_scan_skip(scan, 4);
            assert_false(take_step(scan, goals, &log));
            ladle_scan_release(scan);
            free_log(&log);
        }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* --- stop and wait -------------------------------------------------------------------------------- */

typedef struct stopper {
    ladle_scan *scan;
    gate *gate;
    bool opens;
} stopper;

/* Stops the scan once a read is held up. */
static void *stop(void *argument)
{
    stopper *s = argument;
    await_held_up(s->gate);
    ladle_scan_stop(s->scan);
    if (s->opens)
        set_gate(s->gate, false);
    return NULL;
}

static void a_stop_wakes_who_waits(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    gate g;
    ladle_table *table = begin_gated(&o, &g);
    scan_goal goal = begin_goal(o.reader, table, gated_columns, N_OF(gated_columns));
    for (int background = 0; background < 2; background++)
        for (int by_wait = 0; by_wait <= background; by_wait++) {
            ladle_scan *scan = begin_scan(o.reader, background == 1 ? &small_steps_ahead : &small_steps);
            set_gate(&g, true);
            (void)add_part(scan, &goal, 0, ENTRIES);
            /* What decodes in the background may be held up still when the caller is told. */
            stopper s = {scan, &g, background == 0};
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, stop, &s), 0);
            if (by_wait == 1)
                assert_true(ladle_scan_wait(scan, 600000));
            ladle_step step;
            for (int i = 0; i < 3; i++) {
                ladle_error error = blank_error();
                assert_status(ladle_scan_next(scan, &step, &error), LADLE_CANCELLED, error);
                assert_error(error, LADLE_CANCELLED, "stopped");
                assert_int_equal(step.n_buffers, 0);
                ladle_step_release(&step);
            }
            assert_int_equal(pthread_join(thread, NULL), 0);
            set_gate(&g, false);
            ladle_scan_release(scan);
        }
    end_goal(&goal);
    end_gated(&g, table);
    close_it(&o);
}

static void waiting_ends_when_it_was_asked_to(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    gate g;
    ladle_table *table = begin_gated(&o, &g);
    scan_goal goal = begin_goal(o.reader, table, gated_columns, N_OF(gated_columns));
    ladle_scan *scan = begin_scan(o.reader, &small_steps);
    (void)add_part(scan, &goal, 0, ENTRIES);
    assert_true(ladle_scan_wait(scan, 0)); /* nothing decodes unless the caller does */
    ladle_scan_release(scan);
    set_gate(&g, true);
    scan = begin_scan(o.reader, &small_steps_ahead);
    (void)add_part(scan, &goal, 0, ENTRIES);
    static const int64_t timeouts[] = {0, 1, 1001, -1, -999, INT64_MIN};
    for (size_t i = 0; i < N_OF(timeouts); i++)
        assert_false(ladle_scan_wait(scan, timeouts[i]));
    set_gate(&g, false);
    assert_true(ladle_scan_wait(scan, INT64_MAX));
    scan_log log = {0};
    take_all(scan, &goal, &log);
    assert_covers(&log, 0, 0, ENTRIES);
    assert_true(ladle_scan_wait(scan, 0)); /* it is at its end */
    ladle_scan_release(scan);
    free_log(&log);
    end_goal(&goal);
    end_gated(&g, table);
    close_it(&o);
}

/* --- release -------------------------------------------------------------------------------------- */

static void it_is_released_at_any_time(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "L4", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0), goals[2] = {goal, goal};
    int threads = count_threads();
    uint64_t seed = 9;
    for (int round = 0; round < 60; round++) {
        ladle_reader *reader = begin_reader(o.context, 1 + round % 3);
        ladle_scan *scan = begin_scan(reader, round % 4 == 0 ? &small_steps : &small_steps_ahead);
        ladle_reader_release(reader); /* the scan has its own */
        scan_log log = {0};
        for (int i = 0; i < 2; i++)
            (void)add_part(scan, &goal, 0, ENTRIES);
        for (int64_t i = random_below(&seed, 50); i > 0; i--)
            assert_true(take_step(scan, goals, &log));
        if (round % 5 == 0)
            ladle_scan_stop(scan);
        ladle_scan_release(scan);
        assert_true(log.n == 0 || log.steps[0].start == 0);
        free_log(&log);
    }
    ladle_scan_release(NULL);
    assert_int_equal(count_threads(), threads);
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* What the child of a fork does with a scan: nothing waits for a lock that a thread of the parent held. */
static bool use_in_child(ladle_scan *scan, const scan_goal *goal)
{
    ladle_step step;
    ladle_error error = blank_error();
    bool fine = ladle_scan_wait(scan, 600000);
    fine = fine && ladle_scan_next(scan, &step, &error) == LADLE_INVALID && error.status == LADLE_INVALID;
    fine = fine && ladle_scan_add(scan, goal->table, goal->columns, 1, 0, 1, NULL, &error) == LADLE_INVALID;
    ladle_step_release(&step);
    ladle_scan_skip(scan, 0);
    ladle_scan_stop(scan);
    ladle_scan_release(scan);
    return fine;
}

/* The process forks at any time: the thread of the scan may be anywhere. */
static void in_a_forked_child_it_can_be_released(void **state)
{
    (void)state;
    static ladle_scan *scan; /* seen by who looks for what is lost, in the child that leaves it all */
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    for (int round = 0; round < 60; round++) {
        scan_log log = {0};
        ladle_reader *reader = begin_reader(o.context, 1 + round % 2);
        scan = begin_scan(reader, round % 10 > 0 ? &small_steps_ahead : &small_steps);
        (void)add_part(scan, &goal, 0, ENTRIES);
        for (int i = 0; i < round % 7; i++)
            assert_true(take_step(scan, &goal, &log));
        pid_t child = fork();
        if (child == 0) {
            (void)alarm(60);
            _exit(use_in_child(scan, &goal) ? 0 : 1);
        }
        assert_true(child > 0);
        take_all(scan, &goal, &log);
        assert_covers(&log, 0, 0, ENTRIES);
        free_log(&log);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        ladle_scan_release(scan);
        ladle_reader_release(reader);
    }
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* Who stops a scan needs not wait for its end to have the memory of the steps that waited. */
static void a_stopped_scan_holds_no_steps(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    scan_goal goal = begin_goal(o.reader, table, NULL, 0);
    ladle_memory_info memory = {.struct_size = sizeof memory};
    ladle_context_memory(o.context, &memory);
    int64_t before = memory.held[LADLE_MEMORY_LEASED];
    ladle_scan *scan = begin_scan(o.reader, &small_steps); /* decodes in the call: a window of steps waits */
    scan_log log = {0};
    (void)add_part(scan, &goal, 0, ENTRIES);
    assert_true(take_step(scan, &goal, &log));
    ladle_context_memory(o.context, &memory);
    assert_true(memory.held[LADLE_MEMORY_LEASED] > before + log.steps[0].nbytes);
    int64_t waiting = memory.held[LADLE_MEMORY_LEASED];
    ladle_scan_stop(scan);
    ladle_context_memory(o.context, &memory);
    assert_true(memory.held[LADLE_MEMORY_LEASED] - before < (waiting - before) / 2); /* offsets ahead may be left */
    ladle_scan_release(scan);
    free_log(&log);
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* --- the budget of the context -------------------------------------------------------------------- */

/* The more there is, the more steps are right; what is not right says BUDGET, and none is left out. To decode in the
 * background takes no more: steps that wait are not in the way of others, only later. */
static void a_small_budget_of_the_context_costs_steps_and_no_more(void **state)
{
    (void)state;
    opened o, p;
    begin_tree(&p, "ZL", false, false, ENTRIES);
    begin_tree(&o, "ZL", false, false, ENTRIES);
    ladle_table *other = begin_table(&p, "t"), *table = begin_table(&o, "t");
    scan_goal goal = begin_goal(p.reader, other, NULL, 0); /* in the other context */
    goal.table = table;
    int64_t enough[2] = {0};
    for (int background = 0; background < 2; background++) {
        bool is_all_right = false, was_short = false;
        for (int64_t room = 2000; room < 4 << 20 && !is_all_right; room += room / 3) {
            ladle_scan_options options = {.struct_size = sizeof options,
                                          .step_entries = 250,
                                          .budget_nbytes = 1 << 30, /* it would decode all at once */
                                          .in_background = background == 1};
            ladle_reader *reader = begin_reader(o.context, 1);
            scan_log log = {0};
            ladle_scan *scan = begin_scan(reader, &options);
            /* What the library of a codec takes is not asked for: let it be there already. */
            assert_column(reader, NULL, table, &all_forms[0], 0, 10);
            (void)ladle_context_trim(o.context);
            int64_t budget = held_total(o.context) + room;
            ladle_memory_info memory = {.struct_size = sizeof memory}, before = memory;
            ladle_context_memory(o.context, &before);
            ladle_context_set_budget(o.context, budget);
            ladle_error error = blank_error();
            if (ladle_scan_add(scan, table, goal.columns, goal.n_columns, 0, ENTRIES, NULL, &error) == LADLE_OK) {
                take_all(scan, &goal, &log);
                assert_covers(&log, 0, 0, ENTRIES);
            } else {
                assert_error(error, LADLE_BUDGET, "budget");
            }
            int64_t sum = 0;
            is_all_right = log.n > 0;
            for (int64_t i = 0; i < log.n; i++) {
                is_all_right = is_all_right && log.steps[i].error.status == LADLE_OK;
                sum += log.steps[i].nbytes;
                if (log.steps[i].error.status != LADLE_OK)
                    assert_error(log.steps[i].error, LADLE_BUDGET, "(in entries");
                if (log.steps[i].error.status != LADLE_OK)
                    assert_non_null(strstr(log.steps[i].error.where, "made.root: t"));
            }
            was_short = was_short || !is_all_right;
            assert_true(!is_all_right || sum > room); /* less than what it would decode at once is enough */
            enough[background] = room;
            ladle_context_memory(o.context, &memory);
            assert_true(memory.peak <= budget || memory.peak == before.peak);
            ladle_context_set_budget(o.context, 0);
            ladle_scan_release(scan);
            ladle_reader_release(reader);
            free_log(&log);
        }
        assert_true(was_short && is_all_right);
    }
    assert_true(enough[1] <= enough[0] + enough[0] / 2);
    end_goal(&goal);
    ladle_table_release(table);
    ladle_table_release(other);
    close_it(&o);
    close_it(&p);
}

/* --- what cannot be ------------------------------------------------------------------------------- */

static void wrong_options_are_refused(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    static const ladle_scan_options wrong[] = {
        {.struct_size = sizeof wrong[0]},
        {.struct_size = sizeof wrong[0], .step_nbytes = 1, .step_entries = 1},
        {.struct_size = sizeof wrong[0], .step_nbytes = -1},
        {.struct_size = sizeof wrong[0], .step_nbytes = -1, .step_entries = 1},
        {.struct_size = sizeof wrong[0], .step_entries = INT64_MIN},
        {.struct_size = sizeof wrong[0], .step_entries = 1, .budget_nbytes = -1},
        {.struct_size = offsetof(ladle_scan_options, step_entries), .step_entries = 1}, /* which it does not have */
    };
    for (size_t i = 0; i < N_OF(wrong); i++) {
        ladle_error error = blank_error();
        assert_null(ladle_scan_create(o.reader, &wrong[i], &error));
        assert_error(error, LADLE_INVALID, "a step has either");
        assert_null(ladle_scan_create(o.reader, &wrong[i], NULL));
    }
    close_it(&o);
}

static void wrong_parts_are_refused_one_by_one(void **state)
{
    (void)state;
    opened o;
    begin_tree(&o, "ZL", false, false, ENTRIES);
    ladle_table *table = begin_table(&o, "t");
    int32_t n = ladle_table_n_columns(table);
    static const char *const names[] = {"x"};
    scan_goal goal = begin_goal(o.reader, table, names, 1);
    ladle_scan *scan = begin_scan(o.reader, &small_steps_ahead);
    const struct {
        int32_t columns[2], n_columns;
        int64_t start, stop;
    } wrong[] = {
        {{-1, 0}, 1, 0, 10},
        {{n, 0}, 1, 0, 10},
        {{0, n}, 2, 0, 10},
        {{0, INT32_MIN}, 2, 0, 10},
        {{0, 1}, 0, 0, 10},
        {{0, 1}, -1, 0, 10},
        {{0, 1}, 2, -1, 10},
        {{0, 1}, 2, 11, 10},
        {{0, 1}, 2, 0, ENTRIES + 1},
        {{0, 1}, 2, INT64_MIN, INT64_MAX},
        {{0, 1}, 2, INT64_MAX, INT64_MAX},
    };
    for (size_t i = 0; i < N_OF(wrong); i++) {
        ladle_error error = blank_error();
        int64_t part = 77;
        assert_status(ladle_scan_add(scan, table, wrong[i].columns, wrong[i].n_columns, wrong[i].start, wrong[i].stop,
                                     &part, &error),
                      LADLE_INVALID, error);
        assert_error(error, LADLE_INVALID, NULL);
        assert_int_equal(part, 77);
        assert_int_equal(ladle_scan_add(scan, table, wrong[i].columns, wrong[i].n_columns, wrong[i].start,
                                        wrong[i].stop, NULL, NULL),
                         LADLE_INVALID);
    }
    scan_log log = {0};
    assert_int_equal(add_part(scan, &goal, 0, ENTRIES), 0); /* the first one, still */
    take_all(scan, &goal, &log);
    assert_covers(&log, 0, 0, ENTRIES);
    ladle_scan_release(scan);
    free_log(&log);
    end_goal(&goal);
    ladle_table_release(table);
    close_it(&o);
}

/* A column that cannot be read at all is refused as a request for it is, with its name. */
static void a_column_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    made_ntuple *t = malloc(sizeof *t);
    assert_non_null(t);
    begin_ntuple(t, "n");
    make_all_forms(t);
    t->fields[FIELD_TWO].role = LADLE_FIELD_STREAMER;
    made_file made;
    begin_file(&made);
    add_ntuple(&made, t);
    end_file(&made);
    ladle_context *context = begin_context();
    ladle_error error = blank_error(), asked = blank_error();
    ladle_file *file = open_made(context, &made, &error);
    assert_some(file, error);
    ladle_table *table = ladle_file_table(file, "n", &error);
    assert_some(table, error);
    ladle_reader *reader = begin_reader(context, 1);
    ladle_scan *scan = begin_scan(reader, &small_steps);
    int32_t column = ladle_table_find(table, "two");
    ladle_array array;
    assert_status(ladle_read_column(reader, NULL, table, column, 0, 8, &array, &asked), LADLE_UNSUPPORTED, asked);
    assert_status(ladle_scan_add(scan, table, &column, 1, 0, 8, NULL, &error), LADLE_UNSUPPORTED, error);
    assert_error(error, LADLE_UNSUPPORTED, "cannot be read");
    assert_string_equal(error.where, asked.where);
    ladle_scan_release(scan);
    ladle_reader_release(reader);
    ladle_table_release(table);
    ladle_file_release(file);
    end_context(context);
    free_file(&made);
    free_ntuple(t);
    free(t);
}

/* --- how far ahead ---------------------------------------------------------------------------------- */

static void what_waits_ahead_follows_the_pace(void **state)
{
    (void)state;
    const double least = 64 << 20, window = 1e9;
    /* Nothing is known of the caller yet; he takes no time at all, or for ever. */
    assert_true(ladle_scan_ahead(&(ladle_scan_pace){0, 0}, window) == least);
    assert_true(ladle_scan_ahead(&(ladle_scan_pace){1, 0}, window) == least);
    assert_true(ladle_scan_ahead(&(ladle_scan_pace){1, 1e-9}, window) == least);
    assert_true(ladle_scan_ahead(&(ladle_scan_pace){1e-9, 1}, window) == least);
    /* Both take the same time: all of a window. Then less, to both sides; of small windows what is always there. */
    assert_true(ladle_scan_ahead(&(ladle_scan_pace){1, 1}, window) == window);
    assert_true(ladle_scan_ahead(&(ladle_scan_pace){1, 1}, 1000) == least);
    double before_slower = window, before_faster = window;
    for (double ratio = 1.125; ratio < 100; ratio *= 1.125) {
        double slower = ladle_scan_ahead(&(ladle_scan_pace){1, ratio}, window);
        double faster = ladle_scan_ahead(&(ladle_scan_pace){ratio, 1}, window);
        assert_true(least <= slower && slower <= before_slower);
        assert_true(least <= faster && faster <= before_faster);
        /* A slow caller finds work while the next window is made. */
        assert_true(slower == least || slower * ratio >= window);
        before_slower = slower;
        before_faster = faster;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_skipped_is_left_out),
        cmocka_unit_test(a_stopped_scan_holds_no_steps),
        cmocka_unit_test(a_stop_wakes_who_waits),
        cmocka_unit_test(waiting_ends_when_it_was_asked_to),
        cmocka_unit_test(it_is_released_at_any_time),
        cmocka_unit_test(in_a_forked_child_it_can_be_released),
        cmocka_unit_test(a_small_budget_of_the_context_costs_steps_and_no_more),
        cmocka_unit_test(what_waits_ahead_follows_the_pace),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(wrong_parts_are_refused_one_by_one),
        cmocka_unit_test(a_column_that_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
