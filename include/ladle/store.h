/* ladle/store.h: caches: byte-string keys to buffers, with pins, a budget, eviction and statistics.
 *
 *     ladle_cache *cache = ladle_cache_create(context, 256 << 20, &error);
 *     ladle_lease *lease;
 *     if (ladle_cache_get(cache, key, key_nbytes, &lease, &error) == LADLE_NOT_FOUND) ...
 *
 * An entry whose buffer is leased is pinned: it is counted, and never evicted. Everything else may
 * leave when the budget asks for room: cheapest to bring back per byte first, then least recent.
 */
#ifndef LADLE_STORE_H
#define LADLE_STORE_H

#include <ladle/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LADLE_MAX_KEY_NBYTES 65535

/* Internally locked, counted. */
typedef struct ladle_cache ladle_cache;

/* Set struct_size before the call. */
typedef struct ladle_cache_stats {
    size_t struct_size;
    int64_t hits, misses; /* of get and fetch; what fetch makes counts as a miss, not as a put */
    int64_t puts, evictions, deletes;
    int64_t entries;
    int64_t nbytes;        /* held at rest or pinned, now */
    int64_t pinned_nbytes; /* of these, leased now */
    int64_t peak_nbytes;
    int64_t budget;   /* 0: none */
    int64_t fetch_ns; /* time spent to make what was missing */
} ladle_cache_stats;

/* Set struct_size before the call. `key` borrows until the entry changes: use it inside the visit only. */
typedef struct ladle_cache_entry {
    size_t struct_size;
    const void *key;
    size_t key_nbytes;
    ladle_dtype dtype;
    int64_t count;  /* values */
    int64_t nbytes; /* on the ledger */
    int64_t hits;
    int64_t cost_ns; /* measured time to make it again; 0 if not known */
    bool pinned;
} ladle_cache_entry;

/* A cache of raw blocks. `budget_nbytes` 0: keeps all. Returns owned. */
LADLE_API ladle_cache *ladle_cache_create(ladle_context *context, int64_t budget_nbytes, ladle_error *error);
LADLE_API void ladle_cache_retain(ladle_cache *cache);
LADLE_API void ladle_cache_release(ladle_cache *cache);

/* Drops all entries and refuses further use with INVALID. Leases stay valid. */
LADLE_API void ladle_cache_close(ladle_cache *cache);

/* Lends the buffer at `key`. NOT_FOUND (without text: a miss is no fault) leaves *lease NULL. On success
 * *lease is owned by the caller. */
LADLE_API ladle_status ladle_cache_get(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease **lease,
                                       ladle_error *error);

/* Keeps `lease`'s block at `key`, in place of what was there. Retains. Evicts what it takes; a buffer that
 * does not fit beside what is pinned is not kept, and counted as an eviction. `cost_ns`: what it takes to make
 * it again, 0 if that is not known. */
LADLE_API ladle_status ladle_cache_put(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease *lease,
                                       int64_t cost_ns, ladle_error *error);

/* Makes one buffer: on success sets *lease (owned by the caller of the function). */
typedef ladle_status (*ladle_make_buffer)(void *user, ladle_lease **lease, ladle_error *error);

/* Lends the buffer at `key`, made by `make(user)` if it is missing. Threads that want the same key
 * at once wait for the first one, which makes it once; its error is theirs. A buffer that does not
 * fit in the budget is lent all the same, and not kept. */
LADLE_API ladle_status ladle_cache_fetch(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_make_buffer make,
                                         void *user, ladle_lease **lease, ladle_error *error);

/* Is there an entry? Counts neither hit nor miss, decodes nothing. */
LADLE_API bool ladle_cache_contains(ladle_cache *cache, const void *key, size_t key_nbytes);

/* Removes one entry; NOT_FOUND if there is none. */
LADLE_API ladle_status ladle_cache_delete(ladle_cache *cache, const void *key, size_t key_nbytes);
LADLE_API void ladle_cache_clear(ladle_cache *cache);
LADLE_API void ladle_cache_stats_get(ladle_cache *cache, ladle_cache_stats *stats);
LADLE_API void ladle_cache_set_budget(ladle_cache *cache, int64_t budget_nbytes); /* evicts at once */

/* Calls `visit` on each entry in insertion order, with the cache locked: do not call the cache from it. Stops when it
 * returns false. */
LADLE_API void ladle_cache_visit(ladle_cache *cache, bool (*visit)(void *user, const ladle_cache_entry *entry),
                                 void *user);

#ifdef __cplusplus
}
#endif
#endif
