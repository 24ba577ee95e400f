/* A cache in levels: nothing lost while there is room, one block for all who ask, faults that cost one entry. */
#include "memory/context.h"
#include "memory/lease.h"
#include "support/box_store.h"
#include "support/check.h"
#include "support/store_conformance.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { N = 10000, NBYTES = 4 * N, THREADS = 6 }; /* the buffers of most tests: N int32 */

typedef struct fixture {
    ladle_context *context;
    ladle_cache *cache;
    box_store boxes[2];
} fixture;

static fixture f;

/* Levels: raw with a budget (-1: no such level), one box, and with `second` another below. */
static void make_cache(int64_t raw_budget, int64_t box_budget, bool second, int32_t home)
{
    ladle_error error = blank_error();
    ladle_cache_level levels[3];
    int32_t n = 0;
    if (raw_budget >= 0)
        levels[n++] = (ladle_cache_level){ladle_store_raw(), raw_budget};
    levels[n++] = (ladle_cache_level){box_store_init(&f.boxes[0], f.context, false), box_budget};
    if (second)
        levels[n++] = (ladle_cache_level){box_store_init(&f.boxes[1], f.context, true), 0};
    f.cache = ladle_cache_create_levels(f.context, levels, n, home, &error);
    assert_some(f.cache, error);
    if (second)
        assert_int_equal(ladle_cache_delete(f.cache, "loaded", 6), LADLE_OK);
}

static int begin(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.context = begin_context();
    return 0;
}

static int end(void **state)
{
    (void)state;
    ladle_cache_release(f.cache);
    for (int i = 0; i < 2; i++)
        assert_int_equal(atomic_load(&f.boxes[i].forms), 0);
    end_context(f.context);
    return 0;
}

static ladle_lease *block(int64_t n, int32_t tag)
{
    ladle_error error = blank_error();
    ladle_lease *lease = ladle_lease_create(f.context, LADLE_DTYPE_I32, n, &error);
    assert_some(lease, error);
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)ladle_lease_writable(lease))[i] = tag;
    return lease;
}

static ladle_status put_status(int k, int32_t tag, ladle_error *error)
{
    char key[16];
    int n = snprintf(key, sizeof key, "%d", k);
    int32_t *values = malloc(NBYTES);
    for (int i = 0; i < N; i++)
        values[i] = tag;
    ladle_values v = {.dtype = LADLE_DTYPE_I32, .count = N, .data = values};
    ladle_status status = ladle_cache_put_values(f.cache, key, (size_t)n, &v, 1000, error);
    free(values);
    return status;
}

static void put(int k, int32_t tag)
{
    ladle_error error = blank_error();
    assert_ok(put_status(k, tag, &error), error);
}

static ladle_status get_status(int k, ladle_lease **lease, ladle_error *error)
{
    char key[16];
    int n = snprintf(key, sizeof key, "%d", k);
    return ladle_cache_get(f.cache, key, (size_t)n, lease, error);
}

static bool is_block(const ladle_lease *lease, int32_t tag)
{
    const int32_t *values = ladle_lease_data(lease);
    return ladle_lease_count(lease) == N && ladle_lease_dtype(lease) == LADLE_DTYPE_I32 && values[0] == tag &&
           values[N / 2] == tag && values[N - 1] == tag;
}

static ladle_lease *get(int k, int32_t tag)
{
    ladle_error error = blank_error();
    ladle_lease *lease;
    assert_ok(get_status(k, &lease, &error), error);
    assert_true(is_block(lease, tag));
    return lease;
}

static ladle_cache_stats stats(void)
{
    ladle_cache_stats s = {.struct_size = sizeof s};
    ladle_cache_stats_get(f.cache, &s);
    return s;
}

static ladle_cache_level_stats level_stats(int32_t at)
{
    ladle_error error = blank_error();
    ladle_cache_level_stats s = {.struct_size = sizeof s};
    assert_ok(ladle_cache_level_stats_get(f.cache, at, &s, NULL, &error), error);
    return s;
}

/* --- levels ---------------------------------------------------------------------------------- */

static ladle_store *make_box(ladle_context *context)
{
    static box_store box;
    return box_store_init(&box, context, false);
}

/* A store of one's own keeps the same promises; but its forms are leases, so it is LEASED that they count under. */
static void wrong_levels_are_refused(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_cache_level levels[5];
    for (int i = 0; i < 5; i++)
        levels[i] = (ladle_cache_level){ladle_store_raw(), 0};
    assert_null(ladle_cache_create_levels(f.context, levels, 0, 0, &error));
    assert_error(error, LADLE_INVALID, "1 to 4 levels");
    assert_null(ladle_cache_create_levels(f.context, levels, 5, 0, &error));
    assert_error(error, LADLE_INVALID, "1 to 4 levels");
    assert_null(ladle_cache_create_levels(f.context, levels, 2, 2, &error));
    assert_error(error, LADLE_INVALID, "home");
    levels[0].store = make_box(f.context);
    assert_null(ladle_cache_create_levels(f.context, levels, 2, 1, &error));
    assert_error(error, LADLE_INVALID, "copies");
    assert_true(((box_store *)levels[0].store)->released);
    levels[0].store = box_store_init(&f.boxes[0], f.context, true);
    levels[1].store = box_store_init(&f.boxes[1], f.context, true);
    assert_null(ladle_cache_create_levels(f.context, levels, 2, 0, &error));
    assert_error(error, LADLE_INVALID, "persistent");
}

/* Whatever does not fit moves down; every value is still there. */
static void nothing_is_lost_while_a_level_has_room(void **state)
{
    (void)state;
    make_cache(3 * 45056, 3 * NBYTES, true, 0);
    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < 30; k++)
            put(k, 100 * round + k);
        for (int k = 29; k >= 0; k--)
            ladle_lease_release(get(k, 100 * round + k));
    }
    assert_int_equal(stats().entries, 30);
    assert_int_equal(stats().evictions, 0);
    assert_true(level_stats(0).nbytes <= 3 * 45056);
    assert_true(level_stats(0).moves > 0);
    assert_true(level_stats(0).drops > 0); /* copies of what lies below */
    assert_true(level_stats(1).nbytes <= 3 * NBYTES);
    assert_true(level_stats(1).moves > 0);
    assert_true(level_stats(2).entries >= 24);
}

static void the_last_level_evicts(void **state)
{
    (void)state;
    make_cache(2 * 45056, 4 * NBYTES, false, 1);
    for (int k = 0; k < 20; k++)
        put(k, k);
    ladle_cache_stats s = stats();
    assert_true(s.entries >= 4 && s.entries <= 6);
    assert_int_equal(s.evictions + s.entries, 20);
    assert_int_equal(level_stats(0).nbytes, 0); /* a put goes home, and home is below */
    assert_int_equal(level_stats(1).peak_nbytes, 4 * NBYTES);
    put(19, 7);
    ladle_lease_release(get(19, 7));
    assert_int_equal(level_stats(0).entries, 1);
}

static void too_large_for_one_level_goes_to_the_next(void **state)
{
    (void)state;
    make_cache(NBYTES / 2, NBYTES / 2, true, 0);
    put(1, 1);
    assert_int_equal(level_stats(0).entries, 0);
    assert_int_equal(level_stats(1).entries, 0);
    assert_int_equal(level_stats(2).entries, 1);
    ladle_lease_release(get(1, 1));
}

static void a_key_that_is_put_again_keeps_its_place_in_every_level(void **state)
{
    (void)state;
    make_cache(0, 0, false, 1);
    for (int k = 0; k < 3; k++)
        put(k, k);
    ladle_lease *kept = get(1, 1); /* a copy is above now */
    put(1, 50);
    assert_true(is_block(kept, 1));
    ladle_lease_release(kept);
    ladle_lease_release(get(1, 50));
    assert_int_equal(stats().entries, 3);
    assert_int_equal(level_stats(1).entries, 3);
    assert_int_equal(stats().evictions, 0);
}

static bool note_key(void *user, const ladle_cache_entry *e)
{
    char *order = user;
    (void)strncat(order, e->key, e->key_nbytes);
    return true;
}

/* Also where what was there has to leave first, to make room for the new value. */
static void a_key_that_is_put_again_keeps_its_place_in_the_order(void **state)
{
    (void)state;
    make_cache(2 * 45056, 3 * NBYTES, false, 0);
    for (int k = 0; k < 5; k++)
        put(k, k);
    assert_int_equal(stats().entries, 5); /* both levels are full */
    for (int k = 0; k < 5; k++) {
        put(k, 10 + k);
        char order[16] = "";
        ladle_cache_visit(f.cache, note_key, order);
        assert_string_equal(order, "01234");
    }
    assert_int_equal(stats().evictions, 0);
    for (int k = 0; k < 5; k++)
        ladle_lease_release(get(k, 10 + k));
}

/* --- one block for all ------------------------------------------------------------------------- */

static void a_block_in_use_is_lent_on(void **state)
{
    (void)state;
    make_cache(-1, 0, false, 0); /* no raw level: nothing is kept but the form */
    put(1, 5);
    ladle_lease *first = get(1, 5), *second = get(1, 5);
    assert_ptr_equal(first, second);
    assert_int_equal(atomic_load(&f.boxes[0].wakes), 1);
    ladle_lease_release(first);
    ladle_lease_release(get(1, 5));
    assert_int_equal(atomic_load(&f.boxes[0].wakes), 1);
    ladle_lease_release(second);
    ladle_lease_release(get(1, 5));
    assert_int_equal(atomic_load(&f.boxes[0].wakes), 2);
    assert_int_equal(held_of(f.context, LADLE_MEMORY_RESTING), 0);
}

typedef struct asker {
    ladle_lease *lease;
    ladle_status status;
} asker;

static void *ask(void *argument)
{
    asker *a = argument;
    ladle_error error = blank_error();
    a->status = get_status(1, &a->lease, &error);
    return NULL;
}

/* Starts threads that get key 1, of which one is held in the store; calls `meanwhile`, and lets them go on. */
static void ask_together(void (*meanwhile)(void), asker askers[THREADS])
{
    pthread_t threads[THREADS];
    atomic_store(&f.boxes[0].hold, 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    while (stats().waits < THREADS - 1)
        (void)sched_yield();
    if (meanwhile != NULL)
        meanwhile();
    atomic_store(&f.boxes[0].hold, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void it_is_brought_back_once_for_all(void **state)
{
    (void)state;
    make_cache(0, 0, false, 1);
    put(1, 5);
    asker askers[THREADS];
    ask_together(NULL, askers);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(askers[i].status, LADLE_OK);
        assert_ptr_equal(askers[i].lease, askers[0].lease);
        ladle_lease_release(askers[i].lease);
    }
    assert_int_equal(atomic_load(&f.boxes[0].wakes), 1);
    assert_int_equal(stats().hits, THREADS);
}

static void put_meanwhile(void)
{
    put(1, 9);
}

static void delete_meanwhile(void)
{
    assert_int_equal(ladle_cache_delete(f.cache, "1", 1), LADLE_OK);
}

static void clear_meanwhile(void)
{
    ladle_cache_clear(f.cache);
}

static void close_meanwhile(void)
{
    ladle_error error = blank_error();
    assert_ok(ladle_cache_close(f.cache, &error), error);
}

static void budget_meanwhile(void)
{
    ladle_cache_set_budget(f.cache, 1, 1);
    ladle_cache_set_budget(f.cache, 1, 0);
}

static void changes_while_it_is_brought_back_are_safe(void **state)
{
    (void)state;
    void (*const actions[])(void) = {put_meanwhile, delete_meanwhile, clear_meanwhile, budget_meanwhile,
                                     close_meanwhile};
    make_cache(0, 0, false, 1);
    for (size_t i = 0; i < N_OF(actions); i++) {
        ladle_cache_stats before = stats();
        put(1, 5);
        asker askers[THREADS];
        f.boxes[0].hold = 0;
        pthread_t threads[THREADS];
        atomic_store(&f.boxes[0].hold, 1);
        for (int k = 0; k < THREADS; k++)
            assert_int_equal(pthread_create(&threads[k], NULL, ask, &askers[k]), 0);
        while (stats().waits < before.waits + THREADS - 1)
            (void)sched_yield();
        actions[i]();
        atomic_store(&f.boxes[0].hold, 0);
        int got = 0;
        for (int k = 0; k < THREADS; k++) {
            assert_int_equal(pthread_join(threads[k], NULL), 0);
            ladle_status status = askers[k].status;
            assert_true(status == LADLE_OK || status == LADLE_NOT_FOUND || status == LADLE_INVALID);
            if (status == LADLE_OK)
                assert_true(is_block(askers[k].lease, 5) || is_block(askers[k].lease, 9));
            got += status == LADLE_OK;
            ladle_lease_release(askers[k].lease);
        }
        assert_true(got >= 1); /* who was bringing it back has it */
    }
}

static void *pop_it(void *argument)
{
    asker *a = argument;
    ladle_error error = blank_error();
    a->status = ladle_cache_pop(f.cache, "1", 1, &a->lease, &error);
    return NULL;
}

static void one_of_many_pops_it(void **state)
{
    (void)state;
    make_cache(0, 0, false, 1);
    for (int round = 0; round < 50; round++) {
        put(1, round);
        asker askers[THREADS];
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, pop_it, &askers[i]), 0);
        int got = 0;
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            got += askers[i].status == LADLE_OK;
            if (askers[i].status == LADLE_OK)
                assert_true(is_block(askers[i].lease, round));
            else
                assert_int_equal(askers[i].status, LADLE_NOT_FOUND);
            ladle_lease_release(askers[i].lease);
        }
        assert_int_equal(got, 1);
        assert_int_equal(stats().entries, 0);
    }
}

/* --- faults ---------------------------------------------------------------------------------- */

static void what_cannot_be_brought_back_is_gone(void **state)
{
    (void)state;
    make_cache(0, 0, false, 1);
    put(1, 5);
    put(2, 6);
    f.boxes[0].fail_wakes = 1;
    ladle_error error = blank_error();
    ladle_lease *lease;
    assert_int_equal(get_status(1, &lease, &error), LADLE_CHECKSUM);
    assert_null(lease);
    assert_error(error, LADLE_CHECKSUM, "on purpose");
    assert_int_equal(get_status(1, &lease, &error), LADLE_NOT_FOUND);
    assert_int_equal(stats().damaged, 1);
    ladle_lease_release(get(2, 6));
}

static ladle_status make_five(void *user, ladle_lease **lease, ladle_error *error)
{
    (void)error;
    ++*(int *)user;
    *lease = block(N, 5);
    return LADLE_OK;
}

static void fetch_makes_anew_what_is_lost(void **state)
{
    (void)state;
    make_cache(-1, 0, false, 0);
    int made = 0;
    for (int i = 0; i < 3; i++) {
        ladle_error error = blank_error();
        ladle_lease *lease;
        f.boxes[0].fail_wakes = i == 1;
        assert_ok(ladle_cache_fetch(f.cache, "k", 1, make_five, &made, &lease, &error), error);
        assert_true(is_block(lease, 5));
        ladle_lease_release(lease);
        assert_int_equal(made, i == 0 ? 1 : 2);
    }
    assert_int_equal(stats().damaged, 1);
    /* What cannot be kept is lent all the same. */
    ladle_error error = blank_error();
    ladle_lease *lease;
    f.boxes[0].fail_rests = 1;
    assert_ok(ladle_cache_fetch(f.cache, "other", 5, make_five, &made, &lease, &error), error);
    ladle_lease_release(lease);
    assert_false(ladle_cache_contains(f.cache, "other", 5));
}

static void a_put_that_fails_changes_nothing(void **state)
{
    (void)state;
    make_cache(0, 0, false, 1);
    put(1, 5);
    f.boxes[0].fail_rests = 1;
    ladle_error error = blank_error();
    assert_int_equal(put_status(1, 6, &error), LADLE_IO);
    assert_error(error, LADLE_IO, "on purpose");
    ladle_lease_release(get(1, 5));
    put(1, 7);
    ladle_lease_release(get(1, 7));
}

static void a_level_that_fails_is_passed_over(void **state)
{
    (void)state;
    make_cache(45056, 0, true, 0);
    f.boxes[0].fail_rests = 1000;
    for (int k = 0; k < 6; k++)
        put(k, k);
    for (int k = 0; k < 6; k++)
        ladle_lease_release(get(k, k));
    assert_int_equal(level_stats(1).entries, 0);
    assert_int_equal(stats().evictions, 0);
}

static void allocation_faults_lose_nothing_else(void **state)
{
    (void)state;
    make_cache(2 * 45056, 2 * NBYTES, true, 0);
    for (int k = 0; k < 10; k++)
        put(k, k);
    for (int64_t n = 1; n < 60; n++) {
        ladle_error error = blank_error();
        ladle_lease *lease = NULL;
        int k = (int)(n % 10);
        ladle_fault_arm(f.context, LADLE_FAULT_ALLOC, n % 12 + 1, false);
        ladle_status status = n % 2 == 0 ? put_status(k, k, &error) : get_status(k, &lease, &error);
        (void)ladle_fault_disarm(f.context, LADLE_FAULT_ALLOC);
        assert_true(status == LADLE_OK || status == LADLE_NOMEM || status == LADLE_NOT_FOUND);
        if (lease != NULL)
            assert_true(is_block(lease, k));
        ladle_lease_release(lease);
        put(k, k);
    }
    for (int k = 0; k < 10; k++) {
        ladle_error error = blank_error();
        ladle_lease *lease;
        if (get_status(k, &lease, &error) == LADLE_OK)
            assert_true(is_block(lease, k));
        ladle_lease_release(lease);
    }
}

/* --- persistence ------------------------------------------------------------------------------- */

static void a_persistent_store_is_loaded_and_committed(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_cache_level levels[] = {{ladle_store_raw(), 0}, {box_store_init(&f.boxes[1], f.context, true), 0}};
    f.cache = ladle_cache_create_levels(f.context, levels, 2, 0, &error); /* puts rest above it */
    assert_some(f.cache, error);
    assert_true(ladle_cache_contains(f.cache, "loaded", 6));
    put(1, 5);
    put(2, 6);
    assert_int_equal(level_stats(1).entries, 1);
    assert_ok(ladle_cache_flush(f.cache, &error), error);
    assert_int_equal(f.boxes[1].committed, 3);
    assert_int_equal(level_stats(1).entries, 3);
    put(3, 7);
    f.boxes[1].fail_rests = 1; /* of moving 3 down */
    assert_ok(ladle_cache_flush(f.cache, &error), error);
    assert_int_equal(f.boxes[1].committed, 3);
    ladle_lease_release(get(3, 7));
    put(4, 8);
    ladle_lease *kept = get(4, 8);
    assert_ok(ladle_cache_close(f.cache, &error), error);
    assert_int_equal(f.boxes[1].committed, 5);
    assert_true(is_block(kept, 8));
    ladle_lease_release(kept);
    assert_int_equal(put_status(1, 1, &error), LADLE_INVALID);
    assert_error(error, LADLE_INVALID, "closed");
}

static void a_commit_that_fails_is_told_once(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_cache_level levels[] = {{box_store_init(&f.boxes[1], f.context, true), 0}};
    f.cache = ladle_cache_create_levels(f.context, levels, 1, 0, &error);
    assert_some(f.cache, error);
    f.boxes[1].fail_rests = 1;
    assert_int_equal(ladle_cache_close(f.cache, &error), LADLE_IO);
    assert_error(error, LADLE_IO, "on purpose");
    assert_int_equal(f.boxes[1].committed, -1);
    assert_ok(ladle_cache_close(f.cache, &error), error);
}

/* --- pressure and threads ------------------------------------------------------------------------ */

/* The context's budget moves what rests in RAM down to the disk: the box on disk is exempt by its own account only, so
 * here it has room of its own. */
static void pressure_moves_things_down(void **state)
{
    (void)state;
    make_cache(0, 0, true, 0);
    for (int k = 0; k < 8; k++)
        put(k, k);
    int64_t held = held_total(f.context);
    assert_int_equal(level_stats(0).entries, 8);
    /* Room for three more blocks; six are asked for. The forms of a box are blocks as well, so every move frees none:
     * what is asked for beyond the budget is refused, and nothing is lost. */
    ladle_context_set_budget(f.context, held + 3 * 45056);
    ladle_lease *more[6] = {0};
    ladle_error error = blank_error();
    for (int i = 0; i < 6; i++)
        more[i] = ladle_lease_create(f.context, LADLE_DTYPE_I32, N, &error);
    for (int i = 0; i < 6; i++)
        ladle_lease_release(more[i]);
    ladle_context_set_budget(f.context, 0);
    assert_int_equal(stats().entries + stats().evictions, 8);
    for (int k = 0; k < 8; k++) {
        ladle_lease *lease;
        if (get_status(k, &lease, &error) == LADLE_OK)
            assert_true(is_block(lease, k));
        ladle_lease_release(lease);
    }
}

typedef struct racer {
    uint64_t seed;
    int failed;
} racer;

static ladle_status make_tagged(void *user, ladle_lease **lease, ladle_error *error)
{
    (void)error;
    *lease = block(N, *(int *)user);
    return LADLE_OK;
}

/* Few keys, all operations, tight budgets, faults: whatever comes back is what belongs to the key. */
static void *race(void *argument)
{
    racer *r = argument;
    for (int i = 0; i < 1500; i++) {
        int k = (int)random_below(&r->seed, 8);
        char key[16];
        size_t n = (size_t)snprintf(key, sizeof key, "%d", k);
        ladle_error error = blank_error();
        ladle_lease *lease = NULL;
        ladle_status status = LADLE_OK;
        switch (random_below(&r->seed, 14)) {
        case 0: (void)ladle_cache_delete(f.cache, key, n); break;
        case 1: status = ladle_cache_pop(f.cache, key, n, &lease, &error); break;
        case 2:
        case 3:
        case 4: status = get_status(k, &lease, &error); break;
        case 5:
        case 6: status = put_status(k, k, &error); break;
        case 7: ladle_cache_set_budget(f.cache, 0, random_below(&r->seed, 4) * 45056); break;
        case 8: ladle_cache_set_budget(f.cache, 1, random_below(&r->seed, 4) * NBYTES); break;
        case 9: status = ladle_cache_flush(f.cache, &error); break;
        case 10:
            if (random_below(&r->seed, 4) == 0)
                atomic_fetch_add(&f.boxes[1].fail_wakes, 1);
            else if (random_below(&r->seed, 4) == 0)
                atomic_fetch_add(&f.boxes[0].fail_rests, 1);
            break;
        case 11:
            if (random_below(&r->seed, 20) == 0)
                ladle_cache_clear(f.cache);
            (void)stats();
            break;
        default: status = ladle_cache_fetch(f.cache, key, n, make_tagged, &k, &lease, &error); break;
        }
        r->failed += status != LADLE_OK && status != LADLE_NOT_FOUND && status != LADLE_CHECKSUM && status != LADLE_IO;
        if (lease != NULL)
            r->failed += !is_block(lease, k);
        ladle_lease_release(lease);
    }
    return NULL;
}

static void any_mixture_of_threads_is_safe(void **state)
{
    (void)state;
    for (int32_t home = 0; home < 2; home++) {
        make_cache(2 * 45056, 2 * NBYTES, true, home);
        racer racers[THREADS];
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) {
            racers[i] = (racer){(uint64_t)i + 1, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(racers[i].failed, 0);
        }
        if (home == 0) {
            ladle_cache_release(f.cache);
            assert_int_equal(atomic_load(&f.boxes[0].forms) + atomic_load(&f.boxes[1].forms), 0);
        }
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(wrong_levels_are_refused),
        WITH(nothing_is_lost_while_a_level_has_room),
        WITH(the_last_level_evicts),
        WITH(too_large_for_one_level_goes_to_the_next),
        WITH(a_key_that_is_put_again_keeps_its_place_in_every_level),
        WITH(a_key_that_is_put_again_keeps_its_place_in_the_order),
        WITH(a_block_in_use_is_lent_on),
        WITH(it_is_brought_back_once_for_all),
        WITH(changes_while_it_is_brought_back_are_safe),
        WITH(one_of_many_pops_it),
        WITH(what_cannot_be_brought_back_is_gone),
        WITH(fetch_makes_anew_what_is_lost),
        WITH(a_put_that_fails_changes_nothing),
        WITH(a_level_that_fails_is_passed_over),
        WITH(allocation_faults_lose_nothing_else),
        WITH(a_persistent_store_is_loaded_and_committed),
        WITH(a_commit_that_fails_is_told_once),
        WITH(pressure_moves_things_down),
        WITH(any_mixture_of_threads_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
