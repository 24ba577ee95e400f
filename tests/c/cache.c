/* The cache: a mapping with pins, a budget that holds, eviction by cost and age, and single flight.
 */
#include "memory/context.h"
#include "memory/lease.h"
#include "support/check.h"

#include <pthread.h>
#include <unistd.h>

typedef struct fixture {
    ladle_context *context;
    ladle_cache *cache;
} fixture;

static fixture f;

static int begin(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    f.context = begin_context();
    f.cache = ladle_cache_create(f.context, 0, &error);
    assert_some(f.cache, error);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ladle_cache_release(f.cache);
    end_context(f.context);
    return 0;
}

/* `n` int32 of value `tag`. */
static ladle_lease *block(int64_t n, int32_t tag)
{
    ladle_error error = blank_error();
    ladle_lease *lease = ladle_lease_create(f.context, LADLE_DTYPE_I32, n, &error);
    assert_some(lease, error);
    int32_t *values = ladle_lease_writable(lease);
    for (int64_t i = 0; i < n; i++)
        values[i] = tag;
    return lease;
}

static void put(const char *key, int64_t n, int32_t tag, int64_t cost_ns)
{
    ladle_error error = blank_error();
    ladle_lease *lease = block(n, tag);
    assert_ok(ladle_cache_put(f.cache, key, strlen(key), lease, cost_ns, &error), error);
    ladle_lease_release(lease);
}

static bool has(const char *key)
{
    return ladle_cache_contains(f.cache, key, strlen(key));
}

static void assert_holds(const char *key, int64_t n, int32_t tag)
{
    ladle_error error = blank_error();
    ladle_lease *lease;
    assert_ok(ladle_cache_get(f.cache, key, strlen(key), &lease, &error), error);
    assert_int_equal(ladle_lease_count(lease), n);
    assert_int_equal(ladle_lease_dtype(lease), LADLE_DTYPE_I32);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(((const int32_t *)ladle_lease_data(lease))[i], tag);
    ladle_lease_release(lease);
}

static ladle_cache_stats stats_of(void)
{
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_cache_stats_get(f.cache, &stats);
    return stats;
}

static void is_a_mapping(void **state)
{
    (void)state;
    ladle_lease *lease;
    ladle_error error = blank_error();
    assert_int_equal(ladle_cache_get(f.cache, "a", 1, &lease, &error), LADLE_NOT_FOUND);
    assert_null(lease);
    assert_false(has("a"));
    put("a", 10, 1, 0);
    put("b", 20, 2, 0);
    put("", 3, 3, 0); /* the empty key is a key */
    assert_true(has("a"));
    assert_holds("a", 10, 1);
    assert_holds("b", 20, 2);
    assert_holds("", 3, 3);
    put("a", 15, 4, 0);
    assert_holds("a", 15, 4);
    ladle_cache_stats stats = stats_of();
    assert_int_equal(stats.entries, 3);
    assert_int_equal(stats.hits, 4);
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.puts, 4);
    assert_int_equal(stats.pinned_nbytes, 0);
    assert_int_equal(stats.nbytes, held_of(f.context, LADLE_MEMORY_RESTING));
    assert_int_equal(ladle_cache_delete(f.cache, "a", 1), LADLE_OK);
    assert_int_equal(ladle_cache_delete(f.cache, "a", 1), LADLE_NOT_FOUND);
    assert_false(has("a"));
    assert_int_equal(stats_of().deletes, 1);
    /* Bytes, not text: zeros count. */
    lease = block(1, 9);
    assert_ok(ladle_cache_put(f.cache, "b\0b", 3, lease, 0, &error), error);
    ladle_lease_release(lease);
    assert_holds("b", 20, 2);
    assert_true(ladle_cache_contains(f.cache, "b\0b", 3));
    ladle_cache_clear(f.cache);
    assert_int_equal(stats_of().entries, 0);
    assert_int_equal(stats_of().nbytes, 0);
    assert_int_equal(held_of(f.context, LADLE_MEMORY_RESTING), 0);
}

static void keys_have_a_longest_length(void **state)
{
    (void)state;
    char *key = calloc(1, LADLE_MAX_KEY_NBYTES + 1);
    assert_non_null(key);
    ladle_error error = blank_error();
    ladle_lease *lease = block(1, 1), *out;
    assert_ok(ladle_cache_put(f.cache, key, LADLE_MAX_KEY_NBYTES, lease, 0, &error), error);
    assert_true(ladle_cache_contains(f.cache, key, LADLE_MAX_KEY_NBYTES));
    assert_int_equal(ladle_cache_put(f.cache, key, LADLE_MAX_KEY_NBYTES + 1, lease, 0, &error), LADLE_INVALID);
    assert_error(error, LADLE_INVALID, "65536 bytes");
    assert_int_equal(ladle_cache_fetch(f.cache, key, LADLE_MAX_KEY_NBYTES + 1, NULL, NULL, &out, &error),
                     LADLE_INVALID);
    assert_null(out);
    ladle_lease_release(lease);
    free(key);
}

/* Thousands of keys, deleted and put in random order: the index never loses one. */
static void many_keys_are_all_found(void **state)
{
    (void)state;
    enum { N = 3000 };
    static int32_t present[N];
    uint64_t seed = 99;
    for (int i = 0; i < 20000; i++) {
        int64_t k = random_below(&seed, N);
        char key[16];
        (void)snprintf(key, sizeof key, "%lld", (long long)k);
        if (random_below(&seed, 3) != 0) {
            present[k] = i + 1;
            put(key, 1, i + 1, 0);
        } else {
            assert_int_equal(ladle_cache_delete(f.cache, key, strlen(key)), present[k] ? LADLE_OK : LADLE_NOT_FOUND);
            present[k] = 0;
        }
    }
    int64_t count = 0;
    for (int k = 0; k < N; k++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", k);
        if (present[k] != 0)
            assert_holds(key, 1, present[k]);
        else
            assert_false(has(key));
        count += present[k] != 0;
    }
    assert_int_equal(stats_of().entries, count);
}

typedef struct seen {
    char order[64];
    int stop_after;
    int64_t nbytes, pinned;
} seen;

static bool note(void *user, const ladle_cache_entry *entry)
{
    seen *s = user;
    (void)strncat(s->order, entry->key, entry->key_nbytes);
    s->nbytes += entry->nbytes;
    s->pinned += entry->pinned;
    assert_int_equal(entry->dtype, LADLE_DTYPE_I32);
    return (int)strlen(s->order) != s->stop_after;
}

static void visits_in_the_order_of_insertion(void **state)
{
    (void)state;
    put("c", 5, 1, 100);
    put("a", 5, 1, 100);
    put("b", 5, 1, 100);
    put("c", 6, 2, 100); /* replaced: keeps its place */
    ladle_lease *lease;
    ladle_error error = blank_error();
    assert_ok(ladle_cache_get(f.cache, "a", 1, &lease, &error), error);
    seen s = {0};
    ladle_cache_visit(f.cache, note, &s);
    assert_string_equal(s.order, "cab");
    assert_int_equal(s.nbytes, stats_of().nbytes);
    assert_int_equal(s.pinned, 1);
    s = (seen){.stop_after = 2};
    ladle_cache_visit(f.cache, note, &s);
    assert_string_equal(s.order, "ca");
    ladle_lease_release(lease);
}

/* 1000 int32 take one size class each. */
static int64_t unit(void)
{
    ladle_lease *lease = block(1000, 0);
    int64_t nbytes = ladle_lease_held_nbytes(lease);
    ladle_lease_release(lease);
    return nbytes;
}

static void evicts_the_cheapest_then_the_oldest(void **state)
{
    (void)state;
    ladle_cache_set_budget(f.cache, 0, 3 * unit());
    put("dear", 1000, 1, 1000000000);
    put("cheap", 1000, 2, 1000);
    put("middle", 1000, 3, 1000000);
    assert_int_equal(stats_of().entries, 3);
    put("new", 1000, 4, 1000000000);
    assert_false(has("cheap"));
    assert_true(has("dear") && has("middle") && has("new"));
    put("newer", 1000, 5, 1000000000);
    assert_false(has("middle"));
    assert_int_equal(stats_of().evictions, 2);
    ladle_cache_clear(f.cache);
    put("one", 1000, 1, 5000);
    put("two", 1000, 1, 5000);
    put("three", 1000, 1, 5000);
    assert_holds("one", 1000, 1); /* used, so that "two" is the oldest */
    put("four", 1000, 1, 5000);
    /* At equal cost the clock has not moved yet: whoever leaves, it is one of the old ones. */
    assert_true(has("four"));
    put("five", 1000, 1, 5000);
    put("six", 1000, 1, 5000);
    put("seven", 1000, 1, 5000);
    assert_false(has("one") || has("two") || has("three"));
    assert_true(stats_of().nbytes <= 3 * unit());
}

static void a_used_entry_outlives_its_peers(void **state)
{
    (void)state;
    ladle_cache_set_budget(f.cache, 0, 10 * unit());
    put("hot", 1000, 7, 5000);
    for (int i = 0; i < 200; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "cold%d", i);
        put(key, 1000, i, 5000);
        assert_holds("hot", 1000, 7);
    }
    assert_true(stats_of().evictions >= 190);
}

static void pins_are_never_evicted(void **state)
{
    (void)state;
    const int64_t budget = 4 * unit();
    ladle_cache_set_budget(f.cache, 0, budget);
    ladle_lease *pins[3];
    ladle_error error = blank_error();
    for (int i = 0; i < 3; i++) {
        char key[2] = {(char)('a' + i), '\0'};
        put(key, 1000, i, 1);
        assert_ok(ladle_cache_get(f.cache, key, 1, &pins[i], &error), error);
    }
    assert_int_equal(stats_of().pinned_nbytes, 3 * unit());
    for (int i = 0; i < 50; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        put(key, 1000, i, 1000000);
        assert_true(stats_of().nbytes <= budget);
    }
    assert_true(has("a") && has("b") && has("c") && has("k49"));
    put("large", 2500, 1, 1000000000); /* does not fit beside the pins: not kept */
    assert_false(has("large"));
    /* Lowered below what is pinned: pins stay, the rest goes. */
    ladle_cache_set_budget(f.cache, 0, unit());
    assert_int_equal(stats_of().entries, 3);
    assert_int_equal(stats_of().nbytes, 3 * unit());
    for (int i = 0; i < 3; i++) {
        assert_int_equal(((const int32_t *)ladle_lease_data(pins[i]))[999], i);
        ladle_lease_release(pins[i]);
    }
    put("d", 1000, 9, 1000);
    assert_true(stats_of().nbytes <= unit());
}

static void closing_keeps_leases_and_refuses_use(void **state)
{
    (void)state;
    put("a", 100, 5, 0);
    ladle_lease *lease, *none;
    ladle_error error = blank_error();
    assert_ok(ladle_cache_get(f.cache, "a", 1, &lease, &error), error);
    (void)ladle_cache_close(f.cache, NULL);
    (void)ladle_cache_close(f.cache, NULL);
    assert_int_equal(((const int32_t *)ladle_lease_data(lease))[99], 5);
    assert_int_equal(stats_of().entries, 0);
    assert_int_equal(ladle_cache_get(f.cache, "a", 1, &none, &error), LADLE_INVALID);
    assert_error(error, LADLE_INVALID, "closed");
    assert_null(none);
    assert_int_equal(ladle_cache_put(f.cache, "a", 1, lease, 0, &error), LADLE_INVALID);
    assert_int_equal(ladle_cache_fetch(f.cache, "a", 1, NULL, NULL, &none, &error), LADLE_INVALID);
    assert_null(none);
    assert_false(has("a"));
    ladle_lease_release(lease);
}

/* --- single flight -------------------------------------------------------------------------------
 */

typedef struct maker {
    const char *key;
    atomic_int calls;
    atomic_int entered; /* threads that are about to fetch */
    int wait_for;       /* of them, before the maker answers */
    ladle_status fails;
    int64_t n;
    int32_t tag;
    void (*meanwhile)(void);
} maker;

static ladle_status make(void *user, ladle_lease **lease, ladle_error *error)
{
    maker *m = user;
    int call = atomic_fetch_add(&m->calls, 1);
    while (call == 0 && atomic_load(&m->entered) < m->wait_for)
        (void)usleep(100);
    if (call == 0 && m->wait_for > 0)
        (void)usleep(100000); /* so that they wait by now, also on a busy machine */
    if (m->meanwhile != NULL)
        m->meanwhile();
    if (m->fails != LADLE_OK) {
        *lease = NULL;
        error->status = (int32_t)m->fails;
        error->offset = 4711;
        (void)snprintf(error->where, sizeof error->where, "there");
        (void)snprintf(error->message, sizeof error->message, "cannot be made");
        return m->fails;
    }
    *lease = block(m->n, m->tag);
    return LADLE_OK;
}

typedef struct fetcher {
    maker *m;
    ladle_status status;
    ladle_error error;
    ladle_lease *lease;
} fetcher;

static void *fetch(void *argument)
{
    fetcher *t = argument;
    t->error = blank_error();
    atomic_fetch_add(&t->m->entered, 1);
    t->status = ladle_cache_fetch(f.cache, t->m->key, strlen(t->m->key), make, t->m, &t->lease, &t->error);
    return NULL;
}

enum { FETCHERS = 8 };

static void fetch_together(maker *m, fetcher *fetchers)
{
    pthread_t threads[FETCHERS];
    m->wait_for = FETCHERS;
    for (int i = 0; i < FETCHERS; i++) {
        fetchers[i] = (fetcher){.m = m};
        assert_int_equal(pthread_create(&threads[i], NULL, fetch, &fetchers[i]), 0);
    }
    for (int i = 0; i < FETCHERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void eight_threads_make_it_once(void **state)
{
    (void)state;
    maker m = {.key = "k", .n = 100, .tag = 3};
    fetcher fetchers[FETCHERS];
    fetch_together(&m, fetchers);
    assert_int_equal(atomic_load(&m.calls), 1);
    for (int i = 0; i < FETCHERS; i++) {
        assert_int_equal(fetchers[i].status, LADLE_OK);
        assert_ptr_equal(ladle_lease_data(fetchers[i].lease), ladle_lease_data(fetchers[0].lease));
        assert_int_equal(((const int32_t *)ladle_lease_data(fetchers[i].lease))[99], 3);
    }
    ladle_cache_stats stats = stats_of();
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.hits, FETCHERS - 1);
    assert_true(stats.fetch_ns > 0);
    assert_int_equal(stats.pinned_nbytes, stats.nbytes);
    for (int i = 0; i < FETCHERS; i++)
        ladle_lease_release(fetchers[i].lease);
    assert_int_equal(stats_of().pinned_nbytes, 0);
    assert_holds("k", 100, 3);
}

static void the_makers_error_is_everyones(void **state)
{
    (void)state;
    maker m = {.key = "k", .fails = LADLE_CHECKSUM};
    fetcher fetchers[FETCHERS];
    fetch_together(&m, fetchers);
    assert_int_equal(atomic_load(&m.calls), 1);
    for (int i = 0; i < FETCHERS; i++) {
        assert_int_equal(fetchers[i].status, LADLE_CHECKSUM);
        assert_null(fetchers[i].lease);
        assert_error(fetchers[i].error, LADLE_CHECKSUM, "cannot be made");
        assert_string_equal(fetchers[i].error.where, "there");
        assert_int_equal(fetchers[i].error.offset, 4711);
    }
    /* Failures are not kept: the next one tries again. */
    m.fails = LADLE_OK;
    m.n = 1;
    (void)fetch(&fetchers[0]);
    assert_int_equal(fetchers[0].status, LADLE_OK);
    ladle_lease_release(fetchers[0].lease);
    assert_int_equal(atomic_load(&m.calls), 2);
}

static void what_does_not_fit_is_lent_all_the_same(void **state)
{
    (void)state;
    ladle_cache_set_budget(f.cache, 0, 10);
    maker m = {.key = "k", .n = 5000, .tag = 8};
    fetcher fetchers[FETCHERS];
    fetch_together(&m, fetchers);
    for (int i = 0; i < FETCHERS; i++) {
        assert_int_equal(fetchers[i].status, LADLE_OK);
        assert_int_equal(((const int32_t *)ladle_lease_data(fetchers[i].lease))[4999], 8);
        ladle_lease_release(fetchers[i].lease);
    }
    assert_int_equal(stats_of().entries, 0);
    assert_int_equal(stats_of().nbytes, 0);
}

static void put_meanwhile(void)
{
    put("k", 7, 77, 0);
}

static void delete_meanwhile(void)
{
    assert_int_equal(ladle_cache_delete(f.cache, "k", 1), LADLE_NOT_FOUND);
}

static void close_meanwhile(void)
{
    (void)ladle_cache_close(f.cache, NULL);
}

static void clear_meanwhile(void)
{
    ladle_cache_clear(f.cache);
}

static void put_during_the_making_is_newer(void **state)
{
    (void)state;
    maker m = {.key = "k", .n = 100, .tag = 3, .meanwhile = put_meanwhile};
    fetcher fetchers[FETCHERS];
    fetch_together(&m, fetchers);
    int made = 0;
    for (int i = 0; i < FETCHERS; i++) {
        assert_int_equal(fetchers[i].status, LADLE_OK);
        int32_t tag = *(const int32_t *)ladle_lease_data(fetchers[i].lease);
        assert_true(tag == 3 || tag == 77);
        made += tag == 3;
        ladle_lease_release(fetchers[i].lease);
    }
    assert_int_equal(made, 1); /* the maker's own; those who waited got what is in the cache */
    assert_holds("k", 7, 77);
}

static void clear_and_delete_leave_a_making_alone(void **state)
{
    (void)state;
    void (*const actions[])(void) = {clear_meanwhile, delete_meanwhile};
    for (size_t i = 0; i < N_OF(actions); i++) {
        ladle_cache_clear(f.cache);
        maker m = {.key = "k", .n = 100, .tag = 3, .meanwhile = actions[i]};
        fetcher fetchers[FETCHERS];
        fetch_together(&m, fetchers);
        for (int k = 0; k < FETCHERS; k++) {
            assert_int_equal(fetchers[k].status, LADLE_OK);
            ladle_lease_release(fetchers[k].lease);
        }
        assert_int_equal(atomic_load(&m.calls), 1);
    }
}

static void close_during_the_making(void **state)
{
    (void)state;
    maker m = {.key = "k", .n = 100, .tag = 3, .meanwhile = close_meanwhile};
    fetcher fetchers[FETCHERS];
    fetch_together(&m, fetchers);
    int lent = 0;
    for (int i = 0; i < FETCHERS; i++) {
        assert_true(fetchers[i].status == LADLE_OK || fetchers[i].status == LADLE_INVALID);
        assert_int_equal(fetchers[i].lease != NULL, fetchers[i].status == LADLE_OK);
        lent += fetchers[i].lease != NULL;
        ladle_lease_release(fetchers[i].lease);
    }
    assert_int_equal(lent, 1); /* what was made is lent */
    assert_int_equal(stats_of().entries, 0);
}

/* --- races --------------------------------------------------------------------------------------
 */

typedef struct racer {
    uint64_t seed;
    int failed;
} racer;

static ladle_status make_tagged(void *user, ladle_lease **lease, ladle_error *error)
{
    (void)error;
    *lease = block(1 + *(int *)user * 50, *(int *)user);
    return LADLE_OK;
}

/* Few keys, all operations: whatever comes back is what belongs to the key. */
static void *race(void *argument)
{
    racer *r = argument;
    for (int i = 0; i < 3000; i++) {
        int k = (int)random_below(&r->seed, 4);
        char key[2] = {(char)('a' + k), '\0'};
        ladle_error error = blank_error();
        ladle_lease *lease = NULL;
        ladle_status status = LADLE_OK;
        switch (random_below(&r->seed, 8)) {
        case 0: (void)ladle_cache_delete(f.cache, key, 1); break;
        case 1: ladle_cache_clear(f.cache); break;
        case 2: status = ladle_cache_get(f.cache, key, 1, &lease, &error); break;
        case 3:
            lease = block(1 + k * 50, k);
            status = ladle_cache_put(f.cache, key, 1, lease, 100, &error);
            break;
        case 4: ladle_cache_set_budget(f.cache, 0, random_below(&r->seed, 2000)); break;
        default: status = ladle_cache_fetch(f.cache, key, 1, make_tagged, &k, &lease, &error); break;
        }
        r->failed += status != LADLE_OK && status != LADLE_NOT_FOUND;
        if (lease != NULL)
            r->failed += ladle_lease_count(lease) != 1 + k * 50 || *(const int32_t *)ladle_lease_data(lease) != k;
        ladle_lease_release(lease);
    }
    return NULL;
}

static void any_mixture_of_threads_is_safe(void **state)
{
    (void)state;
    racer racers[FETCHERS];
    pthread_t threads[FETCHERS];
    for (int i = 0; i < FETCHERS; i++) {
        racers[i] = (racer){(uint64_t)i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < FETCHERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(racers[i].failed, 0);
    }
}

static atomic_bool over;

static void *press(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    while (!atomic_load(&over)) {
        size_t capacity;
        size_t size = (size_t)random_below(&seed, 200 << 10) + 1;
        void *memory = ladle_pages_alloc(f.context, size, LADLE_MEMORY_SCRATCH, &capacity, NULL);
        ladle_pages_free(f.context, memory, capacity, LADLE_MEMORY_SCRATCH);
    }
    return NULL;
}

/* One thread waits for the cache to give room, one holds the cache and needs room: neither for
 * ever. */
static void pressure_does_not_deadlock(void **state)
{
    (void)state;
    ladle_context_set_budget(f.context, 512 << 10);
    atomic_store(&over, false);
    pthread_t pressing[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&pressing[i], NULL, press, (void *)(uintptr_t)(i + 1)), 0);
    (void)alarm(60);
    int refused = 0, served = 0;
    for (int i = 0; i < 20000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i % 5000);
        int k = i % 7;
        ladle_lease *lease;
        ladle_error error = blank_error();
        ladle_status status = ladle_cache_get(f.cache, key, strlen(key), &lease, &error);
        if (status == LADLE_NOT_FOUND) {
            lease = ladle_lease_copy(f.context, LADLE_DTYPE_I32, 1, &k, &error);
            if (lease != NULL)
                status = ladle_cache_put(f.cache, key, strlen(key), lease, 1000, &error);
        }
        served += lease != NULL && status == LADLE_OK;
        refused += status == LADLE_BUDGET;
        ladle_lease_release(lease);
    }
    (void)alarm(0);
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(pressing[i], NULL), 0);
    assert_true(served > 0);
    (void)refused; /* the others may have taken the room */
    ladle_context_set_budget(f.context, 0);
}

/* One thread alone, the cache full: every fetch finds room, for all of it can leave. */
static void a_full_budget_never_refuses_what_can_leave(void **state)
{
    (void)state;
    ladle_context_set_budget(f.context, 256 << 10);
    for (int i = 0; i < 20000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        int k = 0;
        ladle_lease *lease;
        ladle_error error = blank_error();
        assert_ok(ladle_cache_fetch(f.cache, key, strlen(key), make_tagged, &k, &lease, &error), error);
        ladle_lease_release(lease);
        assert_true(held_total(f.context) <= 256 << 10);
    }
    assert_true(stats_of().evictions > 1000);
}

#define WITH_CACHE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CACHE(is_a_mapping),
        WITH_CACHE(keys_have_a_longest_length),
        WITH_CACHE(many_keys_are_all_found),
        WITH_CACHE(visits_in_the_order_of_insertion),
        WITH_CACHE(evicts_the_cheapest_then_the_oldest),
        WITH_CACHE(a_used_entry_outlives_its_peers),
        WITH_CACHE(pins_are_never_evicted),
        WITH_CACHE(closing_keeps_leases_and_refuses_use),
        WITH_CACHE(eight_threads_make_it_once),
        WITH_CACHE(the_makers_error_is_everyones),
        WITH_CACHE(what_does_not_fit_is_lent_all_the_same),
        WITH_CACHE(put_during_the_making_is_newer),
        WITH_CACHE(clear_and_delete_leave_a_making_alone),
        WITH_CACHE(close_during_the_making),
        WITH_CACHE(any_mixture_of_threads_is_safe),
        WITH_CACHE(pressure_does_not_deadlock),
        WITH_CACHE(a_full_budget_never_refuses_what_can_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
