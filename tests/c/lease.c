/* Leases: from use to rest and back, kept by none, one or several caches, released by any thread.
 */
#include "memory/lease.h"
#include "support/check.h"

#include <pthread.h>

static ladle_context *context;

static int begin(void **state)
{
    (void)state;
    context = begin_context();
    return 0;
}

static int end(void **state)
{
    (void)state;
    end_context(context);
    return 0;
}

static ladle_lease *create(int64_t count)
{
    ladle_error error = blank_error();
    ladle_lease *lease = ladle_lease_create(context, LADLE_DTYPE_F64, count, &error);
    assert_some(lease, error);
    return lease;
}

/* What the ledger says of blocks: in use, at rest. */
static void assert_ledger(int64_t leased, int64_t resting)
{
    assert_int_equal(held_of(context, LADLE_MEMORY_LEASED), leased);
    assert_int_equal(held_of(context, LADLE_MEMORY_RESTING), resting);
}

static void describes_its_block(void **state)
{
    (void)state;
    for (int dtype = LADLE_DTYPE_BOOL; dtype <= LADLE_DTYPE_F64; dtype++) {
        uint8_t bytes[] = {1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0};
        int64_t count = 24 / (int64_t)ladle_dtype_size((ladle_dtype)dtype);
        ladle_error error = blank_error();
        ladle_lease *lease = ladle_lease_copy(context, (ladle_dtype)dtype, count, bytes + 1, &error);
        assert_some(lease, error);
        assert_int_equal(ladle_lease_dtype(lease), dtype);
        assert_int_equal(ladle_lease_count(lease), count);
        assert_int_equal(ladle_lease_nbytes(lease), 24);
        assert_int_equal((uintptr_t)ladle_lease_data(lease) % 64, 0);
        assert_memory_equal(ladle_lease_data(lease), bytes + 1, 24);
        assert_true(ladle_lease_held_nbytes(lease) >= 24);
        ladle_lease_shorten(lease, 1);
        assert_int_equal(ladle_lease_nbytes(lease), ladle_dtype_size((ladle_dtype)dtype));
        ladle_lease_release(lease);
    }
    ladle_lease *empty = create(0);
    assert_non_null(ladle_lease_data(empty));
    assert_int_equal(ladle_lease_nbytes(empty), 0);
    ladle_lease_release(empty);
    ladle_lease_release(NULL);
}

static void absurd_counts_are_refused(void **state)
{
    (void)state;
    static const int64_t counts[] = {-1, INT64_MIN, INT64_MAX, INT64_C(1) << 61, INT64_C(9) << 30};
    for (size_t i = 0; i < N_OF(counts); i++) {
        ladle_error error = blank_error();
        assert_null(ladle_lease_create(context, LADLE_DTYPE_F64, counts[i], &error));
        assert_error(error, LADLE_LIMIT, "exceeds the limit");
    }
}

static void unkept_is_freed_by_its_last_user(void **state)
{
    (void)state;
    ladle_lease *lease = create(100);
    int64_t n = ladle_lease_held_nbytes(lease);
    assert_ledger(n, 0);
    ladle_lease_retain(lease);
    ladle_lease_release(lease);
    assert_ledger(n, 0);
    assert_true(ladle_lease_is_pinned(lease));
    ladle_lease_release(lease);
    assert_ledger(0, 0);
}

static void kept_goes_to_rest_and_comes_back(void **state)
{
    (void)state;
    ladle_lease *lease = create(100);
    int64_t n = ladle_lease_held_nbytes(lease);
    *(double *)ladle_lease_writable(lease) = 1.5;
    ladle_lease_keep(lease);
    assert_ledger(n, 0);
    ladle_lease_release(lease);
    assert_ledger(0, n);
    assert_false(ladle_lease_is_pinned(lease));
    ladle_lease_retain(lease);
    ladle_lease_retain(lease);
    assert_ledger(n, 0);
    assert_true(*(const double *)ladle_lease_data(lease) == 1.5);
    ladle_lease_release(lease);
    assert_ledger(n, 0);
    ladle_lease_release(lease);
    assert_ledger(0, n);
    ladle_lease_drop(lease);
    assert_ledger(0, 0);
}

static void dropped_in_use_is_freed_by_its_user(void **state)
{
    (void)state;
    ladle_lease *lease = create(100);
    int64_t n = ladle_lease_held_nbytes(lease);
    ladle_lease_keep(lease);
    ladle_lease_keep(lease); /* a second cache */
    ladle_lease_drop(lease);
    ladle_lease_release(lease);
    assert_ledger(0, n);
    ladle_lease_retain(lease);
    ladle_lease_drop(lease);
    assert_ledger(n, 0);
    assert_true(ladle_lease_is_pinned(lease));
    ladle_lease_release(lease);
    assert_ledger(0, 0);
}

static void a_lease_outlives_its_context_handle(void **state)
{
    (void)state;
    ladle_context *own = begin_context();
    ladle_error error = blank_error();
    int32_t value = 7;
    ladle_lease *lease = ladle_lease_copy(own, LADLE_DTYPE_I32, 1, &value, &error);
    assert_some(lease, error);
    ladle_context_release(own);
    assert_int_equal(*(const int32_t *)ladle_lease_data(lease), 7);
    ladle_lease_release(lease);
}

/* --- threads -------------------------------------------------------------------------------------
 */

static void *use(void *argument)
{
    ladle_lease *lease = argument;
    for (int i = 0; i < 5000; i++) {
        ladle_lease_retain(lease);
        if (ladle_lease_count(lease) != 100)
            return lease;
        ladle_lease_release(lease);
    }
    return NULL;
}

static void threads_take_turns_at_rest_and_in_use(void **state)
{
    (void)state;
    ladle_lease *lease = create(100);
    int64_t n = ladle_lease_held_nbytes(lease);
    ladle_lease_keep(lease);
    ladle_lease_release(lease);
    pthread_t threads[6];
    for (size_t i = 0; i < N_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, lease), 0);
    for (size_t i = 0; i < N_OF(threads); i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_ledger(0, n);
    ladle_lease_drop(lease);
}

static void *release_one(void *argument)
{
    ladle_lease_release(argument);
    return NULL;
}

/* Whoever is last frees it, be it a user or the keeper. */
static void the_last_of_any_frees(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        ladle_lease *lease = create(1);
        ladle_lease_keep(lease);
        ladle_lease_retain(lease);
        pthread_t a, b;
        assert_int_equal(pthread_create(&a, NULL, release_one, lease), 0);
        assert_int_equal(pthread_create(&b, NULL, release_one, lease), 0);
        ladle_lease_drop(lease);
        assert_int_equal(pthread_join(a, NULL), 0);
        assert_int_equal(pthread_join(b, NULL), 0);
        assert_ledger(0, 0);
    }
}

/* A watcher keeps no block, and can have it as long as somebody uses or keeps it. */
static void watched_goes_as_if_nobody_watched(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_lease *lease = create(100);
    int64_t n = ladle_lease_held_nbytes(lease);
    assert_ok(ladle_lease_set_layout(lease, "<f8|4,25", 8, &error), error);
    ladle_lease_watch(lease);
    assert_true(ladle_lease_try_retain(lease));
    ladle_lease_release(lease);
    ladle_lease_keep(lease);
    ladle_lease_release(lease);
    assert_ledger(0, n);
    assert_true(ladle_lease_try_retain(lease)); /* from rest */
    assert_ledger(n, 0);
    ladle_lease_drop(lease);
    assert_ledger(n, 0);
    ladle_lease_watch(lease);
    ladle_lease_release(lease);
    assert_ledger(0, 0);
    assert_false(ladle_lease_try_retain(lease));
    ladle_lease_unwatch(lease);
    assert_false(ladle_lease_try_retain(lease));
    ladle_lease_unwatch(lease); /* end() sees that nothing is left of it */
}

static void *retain_if_there(void *argument)
{
    ladle_lease *lease = argument;
    for (int i = 0; i < 100; i++)
        if (ladle_lease_try_retain(lease))
            ladle_lease_release(lease);
    ladle_lease_unwatch(lease);
    return NULL;
}

static void watchers_and_the_last_user_do_not_race(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        ladle_lease *lease = create(1);
        ladle_lease_watch(lease);
        ladle_lease_watch(lease);
        pthread_t a, b;
        assert_int_equal(pthread_create(&a, NULL, retain_if_there, lease), 0);
        assert_int_equal(pthread_create(&b, NULL, retain_if_there, lease), 0);
        ladle_lease_release(lease);
        assert_int_equal(pthread_join(a, NULL), 0);
        assert_int_equal(pthread_join(b, NULL), 0);
        assert_ledger(0, 0);
    }
}

#define WITH_CONTEXT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CONTEXT(describes_its_block),
        WITH_CONTEXT(absurd_counts_are_refused),
        WITH_CONTEXT(unkept_is_freed_by_its_last_user),
        WITH_CONTEXT(kept_goes_to_rest_and_comes_back),
        WITH_CONTEXT(dropped_in_use_is_freed_by_its_user),
        WITH_CONTEXT(a_lease_outlives_its_context_handle),
        WITH_CONTEXT(threads_take_turns_at_rest_and_in_use),
        WITH_CONTEXT(the_last_of_any_frees),
        WITH_CONTEXT(watched_goes_as_if_nobody_watched),
        WITH_CONTEXT(watchers_and_the_last_user_do_not_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
