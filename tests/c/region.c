/* Regions: leases cut from one piece of memory, which goes with the last of them, in whatever order the region is
 * sealed, swept and released and its leases are dropped, kept by caches and brought back. */
#include "memory/region.h"
#include "memory/heap.h"
#include "memory/lease.h"
#include "support/check.h"

#include <pthread.h>

enum { PAGE = 4096 };

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

static ladle_region *create_region(size_t nbytes)
{
    ladle_error error = blank_error();
    ladle_region *region = ladle_region_create(context, nbytes, &error);
    assert_some(region, error);
    assert_ptr_equal(ladle_region_context(region), context);
    return region;
}

/* A lease of `nbytes` bytes, all of them `fill`. */
static ladle_lease *cut(ladle_region *region, int64_t nbytes, int fill)
{
    ladle_error error = blank_error();
    ladle_lease *lease = ladle_lease_create_in(region, LADLE_DTYPE_U8, nbytes, &error);
    assert_some(lease, error);
    assert_int_equal(ladle_lease_nbytes(lease), nbytes);
    assert_int_equal((uintptr_t)ladle_lease_data(lease) % 64, 0);
    memset(ladle_lease_writable(lease), fill, (size_t)nbytes);
    return lease;
}

static void assert_filled(const ladle_lease *lease, int fill)
{
    const uint8_t *data = ladle_lease_data(lease);
    for (int64_t i = 0; i < ladle_lease_nbytes(lease); i++)
        if (data[i] != fill)
            fail_msg("byte %lld is %d, not %d", (long long)i, data[i], fill);
}

static void assert_ledger(int64_t leased, int64_t resting)
{
    assert_int_equal(held_of(context, LADLE_MEMORY_LEASED), leased);
    assert_int_equal(held_of(context, LADLE_MEMORY_RESTING), resting);
}

/* --- cutting -------------------------------------------------------------------------------------- */

static void leases_lie_in_one_piece_and_beside_it_when_it_is_full(void **state)
{
    (void)state;
    enum { EACH = 10000, N = 4 };
    ladle_region *region = create_region(N * (EACH + LADLE_REGION_GRAIN));
    int64_t whole = held_of(context, LADLE_MEMORY_LEASED);
    assert_true(ladle_heap_is_malloc() ? whole == 0 : whole >= N * EACH);
    ladle_lease *leases[N], *more;
    for (int i = 0; i < N; i++)
        leases[i] = cut(region, EACH, i + 1);
    if (!ladle_heap_is_malloc())
        assert_ledger(whole, 0); /* of it, nothing is counted twice */
    for (int i = 1; i < N && !ladle_heap_is_malloc(); i++)
        assert_true((const uint8_t *)ladle_lease_data(leases[i]) - (const uint8_t *)ladle_lease_data(leases[i - 1]) <
                    EACH + 2 * LADLE_REGION_GRAIN);
    int64_t before = held_of(context, LADLE_MEMORY_LEASED);
    more = cut(region, 30000, 77); /* there is no room for it */
    assert_true(held_of(context, LADLE_MEMORY_LEASED) >= before + 30000);
    for (int i = 0; i < N; i++)
        assert_filled(leases[i], i + 1);
    ladle_region_seal(region);
    ladle_region_release(region);
    for (int i = 0; i < N; i++) {
        if (!ladle_heap_is_malloc())
            assert_true(held_of(context, LADLE_MEMORY_LEASED) >= whole);
        ladle_lease_release(leases[i]);
    }
    assert_filled(more, 77);
    assert_ledger(ladle_lease_held_nbytes(more), 0);
    ladle_lease_release(more);
    assert_ledger(0, 0);
}

static void sizes_are_what_was_asked_or_refused(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_region *region = create_region(0); /* without memory: each has its own */
    ladle_lease *lease = cut(region, 100, 1);
    assert_ledger(ladle_lease_held_nbytes(lease), 0);
    ladle_lease_release(lease);
    ladle_region_release(region);
    region = create_region(1);
    static const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX, INT64_C(1) << 60};
    for (size_t i = 0; i < N_OF(wrong); i++) {
        assert_null(ladle_lease_create_in(region, LADLE_DTYPE_F64, wrong[i], &error));
        assert_error(error, LADLE_LIMIT, NULL);
    }
    for (int64_t n = 0; n < 200; n += 63) {
        lease = cut(region, n, 3);
        assert_filled(lease, 3);
        ladle_lease_release(lease);
    }
    ladle_region_release(region);
    ladle_region_release(NULL);
    size_t capacity = 1;
    region = create_region(1000);
    assert_null(ladle_region_cut(region, SIZE_MAX, &capacity));
    assert_null(ladle_region_cut(region, SIZE_MAX - LADLE_REGION_GRAIN, &capacity));
    ladle_region_release(region);
    assert_ledger(0, 0);
    /* The budget holds for regions as for blocks. */
    ladle_context_set_budget(context, held_total(context) + 100000);
    if (!ladle_heap_is_malloc()) {
        assert_null(ladle_region_create(context, 200000, &error));
        assert_error(error, LADLE_BUDGET, NULL);
    }
    ladle_context_set_budget(context, 0);
}

/* --- ends ----------------------------------------------------------------------------------------- */

/* What happens to a region and its three leases. */
typedef enum event { DROP_A, DROP_B, DROP_C, SEAL, SWEEP, RELEASE, EVENTS } event;

static void play(const int *order)
{
    enum { EACH = 3 * PAGE };
    ladle_region *region = create_region(3 * (EACH + LADLE_REGION_GRAIN));
    ladle_lease *leases[3];
    bool is_released = false;
    for (int i = 0; i < 3; i++)
        leases[i] = cut(region, EACH, 10 + i);
    for (int i = 0; i < EVENTS; i++) {
        switch (order[i]) {
        case SEAL:
            if (!is_released)
                ladle_region_seal(region);
            break;
        case SWEEP:
            if (!is_released)
                ladle_region_sweep(region);
            break;
        case RELEASE:
            ladle_region_release(region);
            is_released = true;
            break;
        default: ladle_lease_release(leases[order[i]]); leases[order[i]] = NULL;
        }
        int64_t in_use = 0;
        for (int k = 0; k < 3; k++)
            if (leases[k] != NULL) {
                assert_filled(leases[k], 10 + k);
                in_use += ladle_lease_held_nbytes(leases[k]);
            }
        assert_true(held_of(context, LADLE_MEMORY_LEASED) >= in_use);
        assert_int_equal(held_of(context, LADLE_MEMORY_RESTING), 0);
    }
    assert_ledger(0, 0);
}

static void any_order_of_ends_frees_it_once(void **state)
{
    (void)state;
    int order[EVENTS], counters[EVENTS] = {0};
    for (int i = 0; i < EVENTS; i++)
        order[i] = i;
    play(order);
    for (int i = 1; i < EVENTS;) { /* every permutation, by Heap's way */
        if (counters[i] < i) {
            int other = i % 2 == 0 ? 0 : counters[i], kept = order[other];
            order[other] = order[i];
            order[i] = kept;
            play(order);
            counters[i]++;
            i = 1;
        } else {
            counters[i++] = 0;
        }
    }
}

/* Who keeps one of many keeps only that, once the region is swept. */
static void a_sweep_gives_back_what_was_dropped(void **state)
{
    (void)state;
    enum { EACH = 64 * PAGE, N = 16 };
    if (ladle_heap_is_malloc())
        skip();
    for (int before = 0; before < 2; before++) { /* what is dropped before the sweep, and behind it */
        ladle_region *region = create_region(N * (EACH + LADLE_REGION_GRAIN));
        int64_t whole = held_of(context, LADLE_MEMORY_LEASED);
        ladle_lease *leases[N];
        for (int i = 0; i < N; i++)
            leases[i] = cut(region, EACH, i);
        int64_t total = held_total(context);
        ladle_region_seal(region);
        if (before == 0)
            ladle_region_sweep(region);
        for (int i = 0; i < N; i++)
            if (i != 5)
                ladle_lease_release(leases[i]);
        if (before == 1) {
            assert_ledger(whole, 0);
            ladle_region_sweep(region);
        }
        int64_t left = held_of(context, LADLE_MEMORY_LEASED);
        assert_true(left >= EACH && left <= EACH + (N + 1) * PAGE);
        assert_true(held_total(context) <= total - whole + left);
        ladle_region_sweep(region); /* again changes nothing */
        assert_int_equal(held_of(context, LADLE_MEMORY_LEASED), left);
        assert_filled(leases[5], 5);
        ladle_region_release(region);
        assert_filled(leases[5], 5);
        ladle_lease_release(leases[5]);
        assert_ledger(0, 0);
    }
}

/* --- caches --------------------------------------------------------------------------------------- */

static void kept_pieces_rest_and_come_back(void **state)
{
    (void)state;
    enum { EACH = 5 * PAGE };
    ladle_region *region = create_region(2 * (EACH + LADLE_REGION_GRAIN));
    ladle_lease *a = cut(region, EACH, 1), *b = cut(region, EACH, 2);
    int64_t all = held_of(context, LADLE_MEMORY_LEASED), n = ladle_lease_held_nbytes(a);
    ladle_region_seal(region);
    ladle_lease_keep(a);
    ladle_lease_watch(a);
    ladle_lease_release(a);
    assert_ledger(all - n, n);
    ladle_region_sweep(region); /* takes nothing from what rests */
    assert_ledger(all - n, n);
    assert_true(ladle_lease_try_retain(a));
    assert_ledger(all, 0);
    assert_filled(a, 1);
    ladle_lease_release(a);
    ladle_lease_release(b);
    assert_int_equal(held_of(context, LADLE_MEMORY_RESTING), n);
    assert_true(held_of(context, LADLE_MEMORY_LEASED) <= all - n);
    assert_filled(a, 1);
    ladle_region_release(region);
    ladle_lease_drop(a); /* the last piece, from its rest */
    assert_ledger(0, 0);
    assert_false(ladle_lease_try_retain(a));
    ladle_lease_unwatch(a);
}

static void a_cache_keeps_pieces_of_regions(void **state)
{
    (void)state;
    enum { EACH = 2 * PAGE, N = 8, ROUNDS = 20 };
    ladle_error error = blank_error();
    ladle_cache *cache = ladle_cache_create(context, 5 * EACH, &error);
    assert_some(cache, error);
    for (int round = 0; round < ROUNDS; round++) {
        ladle_region *region = create_region(N * (EACH + LADLE_REGION_GRAIN));
        for (int i = 0; i < N; i++) {
            ladle_lease *lease = cut(region, EACH, round + i);
            if (i % 3 != 2) {
                int key[2] = {round, i};
                assert_ok(ladle_cache_put(cache, key, sizeof key, lease, 0, &error), error);
            }
            ladle_lease_release(lease);
        }
        ladle_region_seal(region);
        ladle_region_sweep(region);
        ladle_region_release(region);
        for (int i = 0; i < N; i++) {
            int key[2] = {round, i};
            ladle_lease *lease;
            if (ladle_cache_get(cache, key, sizeof key, &lease, &error) == LADLE_OK)
                assert_filled(lease, round + i);
            ladle_lease_release(lease);
        }
        ladle_cache_stats stats = {.struct_size = sizeof stats};
        ladle_cache_stats_get(cache, &stats);
        assert_true(stats.nbytes > 0 && stats.nbytes <= 5 * EACH);
        assert_int_equal(held_of(context, LADLE_MEMORY_RESTING), stats.nbytes);
    }
    ladle_cache_release(cache);
    assert_ledger(0, 0);
}

/* --- threads -------------------------------------------------------------------------------------- */

typedef struct dropper {
    ladle_lease **leases;
    int n, first;
    bool keeps;
    int wrong;
} dropper;

/* Drops its share, some through a keeper's hands, while others do the same. */
static void *drop_share(void *argument)
{
    dropper *d = argument;
    for (int i = d->first; i < d->n; i += 4) {
        ladle_lease *lease = d->leases[i];
        const uint8_t *data = ladle_lease_data(lease);
        d->wrong += data[0] != i || data[ladle_lease_nbytes(lease) - 1] != i;
        if (d->keeps)
            ladle_lease_keep(lease);
        ladle_lease_release(lease);
        if (d->keeps)
            ladle_lease_drop(lease);
    }
    return NULL;
}

static void threads_drop_while_it_is_swept(void **state)
{
    (void)state;
    enum { EACH = 2 * PAGE, N = 64, ROUNDS = 100 };
    for (int round = 0; round < ROUNDS; round++) {
        ladle_region *region = create_region(N * (EACH + LADLE_REGION_GRAIN));
        ladle_lease *leases[N];
        for (int i = 0; i < N; i++)
            leases[i] = cut(region, EACH + i, i);
        dropper droppers[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            droppers[i] = (dropper){leases, N, i, round % 2 == 1, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, drop_share, &droppers[i]), 0);
        }
        if (round % 3 != 0)
            ladle_region_seal(region);
        if (round % 3 != 1)
            ladle_region_sweep(region);
        ladle_region_release(region);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(droppers[i].wrong, 0);
        }
        assert_ledger(0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leases_lie_in_one_piece_and_beside_it_when_it_is_full, begin, end),
        cmocka_unit_test_setup_teardown(sizes_are_what_was_asked_or_refused, begin, end),
        cmocka_unit_test_setup_teardown(any_order_of_ends_frees_it_once, begin, end),
        cmocka_unit_test_setup_teardown(a_sweep_gives_back_what_was_dropped, begin, end),
        cmocka_unit_test_setup_teardown(kept_pieces_rest_and_come_back, begin, end),
        cmocka_unit_test_setup_teardown(a_cache_keeps_pieces_of_regions, begin, end),
        cmocka_unit_test_setup_teardown(threads_drop_while_it_is_swept, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
