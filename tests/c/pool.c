/* The decode pool: every job once, callers side by side, a stop that stops, a fork that works
 * alone. */
#include "deliver/pool.h"
#include "support/check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct jobs {
    atomic_int *done; /* how often each ran */
    int64_t stop_at;  /* the job that returns false; -1: none */
    atomic_int scratches_in_use;
    atomic_int worst;
} jobs;

static bool work(void *user, int64_t index, ladle_scratch *scratch)
{
    jobs *j = user;
    int now = atomic_fetch_add(&j->scratches_in_use, 1) + 1, worst = atomic_load(&j->worst);
    while (now > worst && !atomic_compare_exchange_weak(&j->worst, &worst, now))
        ;
    uint8_t *memory = ladle_scratch_output(scratch, 100 + index, NULL);
    if (memory != NULL) {
        memset(memory, (int)index, (size_t)(100 + index)); /* a race if two share it */
        if (memory[50] == (uint8_t)index)
            atomic_fetch_add(&j->done[index], 1);
    }
    atomic_fetch_sub(&j->scratches_in_use, 1);
    return index != j->stop_at;
}

static jobs begin_jobs(int64_t n, int64_t stop_at)
{
    jobs j = {.done = calloc((size_t)n + 1, sizeof(atomic_int)), .stop_at = stop_at};
    assert_non_null(j.done);
    return j;
}

static void every_job_runs_once(void **state)
{
    (void)state;
    static const int64_t counts[] = {0, 1, 2, 7, 100, 3000};
    for (int threads = 1; threads <= 8; threads++) {
        ladle_context *context = begin_context();
        ladle_error error = blank_error();
        ladle_pool *pool = ladle_pool_create(context, threads, &error);
        assert_some(pool, error);
        assert_int_equal(ladle_pool_threads(pool), threads);
        for (size_t i = 0; i < N_OF(counts); i++) {
            jobs j = begin_jobs(counts[i], -1);
            assert_ok(ladle_pool_run(pool, counts[i], work, &j, &error), error);
            for (int64_t k = 0; k < counts[i]; k++)
                assert_int_equal(atomic_load(&j.done[k]), 1);
            assert_true(atomic_load(&j.worst) <= threads);
            free(j.done);
        }
        ladle_pool_release(pool);
        end_context(context);
    }
}

static void a_stop_leaves_out_the_rest(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        ladle_context *context = begin_context();
        ladle_error error = blank_error();
        ladle_pool *pool = ladle_pool_create(context, threads, &error);
        assert_some(pool, error);
        for (int64_t stop_at = 0; stop_at < 2000; stop_at += 199) {
            jobs j = begin_jobs(2000, stop_at);
            assert_ok(ladle_pool_run(pool, 2000, work, &j, &error), error);
            int ran = 0;
            for (int64_t k = 0; k < 2000; k++) {
                assert_true(atomic_load(&j.done[k]) <= 1);
                if (k <= stop_at)
                    assert_int_equal(atomic_load(&j.done[k]), 1);
                ran += atomic_load(&j.done[k]);
            }
            if (threads == 1)
                assert_int_equal(ran, stop_at + 1);
            free(j.done);
        }
        ladle_pool_release(pool);
        end_context(context);
    }
}

typedef struct caller {
    ladle_pool *pool;
    int failed;
} caller;

static void *call(void *argument)
{
    caller *c = argument;
    for (int i = 1; i < 60; i++) {
        jobs j = begin_jobs(i, i % 5 == 0 ? i / 2 : -1);
        c->failed += ladle_pool_run(c->pool, i, work, &j, NULL) != LADLE_OK;
        for (int64_t k = 0; k < i && i % 5 != 0; k++)
            c->failed += atomic_load(&j.done[k]) != 1;
        free(j.done);
    }
    return NULL;
}

static void callers_share_the_workers(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 8; n_threads += 3) {
        ladle_context *context = begin_context();
        ladle_error error = blank_error();
        ladle_pool *pool = ladle_pool_create(context, n_threads, &error);
        assert_some(pool, error);
        caller callers[6];
        pthread_t threads[6];
        for (size_t i = 0; i < N_OF(callers); i++) {
            callers[i] = (caller){pool, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
        }
        for (size_t i = 0; i < N_OF(callers); i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(callers[i].failed, 0);
        }
        ladle_pool_release(pool);
        end_context(context);
    }
}

static void absurd_numbers_of_threads_are_bounded(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    static const int32_t asked[] = {INT32_MIN, -1, 0, 257, INT32_MAX};
    for (size_t i = 0; i < N_OF(asked); i++) {
        ladle_pool *pool = ladle_pool_create(context, asked[i], &error);
        assert_some(pool, error);
        assert_int_equal(ladle_pool_threads(pool), asked[i] < 1 ? 1 : 256);
        ladle_pool_release(pool);
    }
    end_context(context);
}

/* Without memory for a second scratch, the caller does it all; without any, it says so. */
static void want_of_memory_costs_only_speed(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_pool *pool = ladle_pool_create(context, 4, &error);
    assert_some(pool, error);
    ladle_fault_arm(context, LADLE_FAULT_ALLOC, 1, true);
    jobs j = begin_jobs(10, -1);
    assert_int_equal(ladle_pool_run(pool, 10, work, &j, &error), LADLE_NOMEM);
    assert_error(error, LADLE_NOMEM, NULL);
    (void)ladle_fault_disarm(context, LADLE_FAULT_ALLOC);
    for (int64_t k = 0; k < 10; k++)
        assert_int_equal(atomic_load(&j.done[k]), 0);
    assert_ok(ladle_pool_run(pool, 10, work, &j, &error), error);
    for (int64_t k = 0; k < 10; k++)
        assert_int_equal(atomic_load(&j.done[k]), 1);
    free(j.done);
    ladle_pool_release(pool);
    end_context(context);
}

static void a_forked_child_works_alone(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_pool *pool = ladle_pool_create(context, 4, &error);
    assert_some(pool, error);
    jobs j = begin_jobs(500, -1);
    assert_ok(ladle_pool_run(pool, 500, work, &j, &error), error); /* the workers are there */
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(20);
        jobs mine = begin_jobs(500, -1);
        bool fine = ladle_pool_run(pool, 500, work, &mine, NULL) == LADLE_OK;
        for (int64_t k = 0; k < 500; k++)
            fine = fine && atomic_load(&mine.done[k]) == 1;
        fine = fine && atomic_load(&mine.worst) == 1;
        ladle_pool_release(pool);
        _exit(fine ? 0 : 1);
    }
    assert_true(child > 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    free(j.done);
    ladle_pool_release(pool);
    end_context(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(a_stop_leaves_out_the_rest),
        cmocka_unit_test(callers_share_the_workers),
        cmocka_unit_test(absurd_numbers_of_threads_are_bounded),
        cmocka_unit_test(want_of_memory_costs_only_speed),
        cmocka_unit_test(a_forked_child_works_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
