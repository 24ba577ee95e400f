/* store/cache.h: what the files of the cache share: entries, levels, and who may touch them when.
 *
 *   cache.c    get, put, fetch: what a caller sees
 *   entry.c    entries, their index and their order
 *   level.c    the forms of entries in levels: which leave, and where to
 *   keep.c     how a buffer gets into a level and back out of it, without the lock
 *   report.c   figures, listings, flush
 *
 * Invariants, under cache->lock:
 *   1. An entry in the index is MADE (it has a form in at least one level) or MAKING (one thread makes it).
 *   2. Each MADE entry in the index is in the list of insertion, and each of its forms in its level's heap;
 *      level->nbytes is the sum of their nbytes. An entry that is about to be replaced leaves first and is not moved
 *      down; what is left of it in the list keeps the place of the new one.
 *   3. A form is not dropped while its entry is busy (> 0): a thread works with it and does not hold the lock.
 *   4. An entry outside the index lives while it is busy, awaited or replaced: the last one frees it.
 *   5. level->nbytes + level->reserved <= level->budget, but for what set_budget and pinned blocks leave above it.
 * Policy (GreedyDual-Size), by level: a form's priority is the level's clock plus what it costs per byte to bring it
 * back: from the level below, or by making it again. Each hit renews it; the form of lowest priority leaves and sets
 * the clock; of equals the one not used for longest. The heap is lazy: a hit only raises priority and use, and the heap
 * catches up when the form comes to its top.
 */
#ifndef LADLE_STORE_CACHE_H
#define LADLE_STORE_CACHE_H

#include <ladle/store.h>

#include "memory/lease.h"

#include <pthread.h>

/* GONE: no longer in the index; who waited for it looks again. It may still hold a place in the order, for the entry
 * that is about to be put there. */
typedef enum entry_state { MAKING, MADE, FAILED, GONE } entry_state;

/* An entry's place in one level. */
typedef struct place {
    void *form; /* NULL: not there */
    int64_t nbytes;
    double priority, heap_priority; /* the heap is ordered by the latter, which lags: <= priority */
    int64_t heap_used;              /* and, where they are equal, by this: <= entry->used */
    int64_t heap_index;
} place;

typedef struct entry {
    struct entry *older, *newer; /* insertion order */
    struct entry *aside;         /* while a search for a victim passes it over */
    ladle_lease *seen;           /* watched: the block that was last made or brought back; NULL: none */
    ladle_error *error;          /* where FAILED; NULL: no memory for it */
    int64_t count, hits, cost_ns, wake_ns;
    int64_t used;  /* the cache's tick when it was last used */
    int64_t flush; /* the last flush that tried to bring it down */
    uint64_t hash;
    int32_t busy, waiters;
    int32_t replacers; /* puts under way that will take its place */
    uint32_t key_nbytes, layout_nbytes;
    ladle_dtype dtype;
    entry_state state;
    bool indexed;
    bool linked;    /* in the order */
    bool waking;    /* one thread brings it back */
    bool moving;    /* one thread moves it down */
    place places[]; /* by level; then the key, then the layout */
} entry;

typedef struct level {
    ladle_store *store;
    int64_t budget; /* 0: none */
    int64_t nbytes, peak_nbytes;
    int64_t reserved; /* for forms that are being made */
    int64_t leaving;  /* of nbytes: being moved down */
    entry **heap;
    int64_t heap_count, heap_capacity;
    double clock;
    ladle_cache_level_stats stats; /* the counters of it */
} level;

struct ladle_cache {
    ladle_context *context;
    atomic_int references;
    ladle_reclaimer reclaimer;
    pthread_mutex_t lock;
    pthread_cond_t changed;     /* an entry was made, brought back or moved */
    pthread_mutex_t committing; /* taken before `lock` */
    entry **index;              /* open addressing; NULL is free */
    int64_t index_size;
    int64_t index_used;
    entry *oldest, *newest;
    int64_t entries;
    int64_t nbytes, peak_nbytes;
    int64_t tick;    /* counts uses */
    int64_t flushes; /* counts those */
    int64_t hits, misses, puts, evictions, deletes, fetch_ns, damaged, waits;
    bool closed;
    int32_t n_levels, home;
    level levels[LADLE_MAX_LEVELS];
};

int64_t ladle_now_ns(void);

static inline bool store_lends(const ladle_store *store)
{
    return (store->ops->capabilities & LADLE_STORE_LENDS) != 0;
}

/* --- entry.c: all with the lock held, but for entry_create and entry_free ------------------------------------- */

const char *entry_key(const ladle_cache *cache, const entry *e);
const char *entry_layout(const ladle_cache *cache, const entry *e); /* NULL where it has none */

entry *entry_create(ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes, const void *layout,
                    size_t layout_nbytes, ladle_error *error);

/* Drops its forms, which count no longer, and frees it. */
void entry_free(ladle_cache *cache, entry *e);

/* What leaves the index and is neither busy nor awaited is freed at once, else by the last of those. */
void entry_free_if_idle(ladle_cache *cache, entry *e);

entry *entry_find(const ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes);

/* Room in the index and in all heaps for one more entry. May evict. */
ladle_status entry_make_room(ladle_cache *cache, ladle_error *error);
void entry_index(ladle_cache *cache, entry *e);
void entry_unindex(ladle_cache *cache, entry *e);

/* Puts it into the order of insertion, before `newer` or last, and counts it. */
void entry_link(ladle_cache *cache, entry *e, entry *newer);

/* A put begins that will take the place of `old`, and ends. */
void entry_begin_replacing(ladle_cache *cache, entry *old);
void entry_end_replacing(ladle_cache *cache, entry *old);

/* Takes a MADE entry out of the heaps, the index and, unless it is being replaced, the order; frees it when idle. */
void entry_remove(ladle_cache *cache, entry *e);

/* All of them. */
void entry_clear(ladle_cache *cache);

/* Ends a thread's work without the lock on `e`. */
void entry_unbusy(ladle_cache *cache, entry *e);

/* --- level.c: with the lock held; those that say so let go of it on the way ------------------------------------- */

/* The first level at or after `from` that has a form of `e`, or -1. */
int32_t level_of(const ladle_cache *cache, const entry *e, int32_t from);

/* Gives `e` a form in a level, and takes it away; or leaves it with a form that counts no longer. */
void level_attach(ladle_cache *cache, int32_t at, entry *e, void *form, int64_t nbytes);
void level_drop(ladle_cache *cache, int32_t at, entry *e);
void level_uncount(ladle_cache *cache, int32_t at, entry *e);

/* A use: renews the entry in all its levels. */
void level_renew(ladle_cache *cache, entry *e);

/* Makes it the first to leave. */
void level_hasten(ladle_cache *cache, entry *e);

/* What may be done with a form that is no copy, to make room. */
enum { LEVEL_MOVE = 1u, LEVEL_EVICT = 2u };

/* Makes room for `need` bytes, to be taken or reserved before the lock is let go of. False if what is in use leaves
 * none. May let go of the lock where it may move. */
bool level_make_room(ladle_cache *cache, int32_t at, int64_t need, unsigned how);

/* Shrinks a level to `target` bytes, as far as it goes. May let go of the lock where it may move. Returns the bytes
 * that left. */
int64_t level_shrink(ladle_cache *cache, int32_t at, int64_t target, unsigned how);

/* What a buffer of that size will probably take in a level. */
int64_t level_estimate(const ladle_cache *cache, int32_t at, int64_t raw_nbytes);

/* Frees about `need` bytes of memory: the reclaimer of the context. Without the lock. */
int64_t level_reclaim(void *user, int64_t need, bool may_wait);

/* --- keep.c --------------------------------------------------------------------------------------------------- */

ladle_values values_of_lease(ladle_lease *lease);

/* Finds a level at or below home for the values and takes them to rest there. With the lock held, which it lets go
 * of. Returns the level, with *form and *nbytes to be attached at once; -1 if there is no room (status OK) or none that
 * works (status says why). */
int32_t keep_place(ladle_cache *cache, const ladle_values *values, void **form, int64_t *nbytes, ladle_error *error);

/* Keeps a copy of a block that was brought back in the raw level above, which costs no entry its place. May let go of
 * the lock: e must be busy. */
void keep_copy(ladle_cache *cache, entry *e, ladle_lease *lease);

/* Gives a busy entry that has a form in the level `from` another in the first level from `to` on that takes it. Lets
 * go of the lock. False: none took it. */
bool keep_move(ladle_cache *cache, int32_t from, int32_t to, unsigned how, entry *e);

/* Lends the block of a MADE entry, bringing it back where needed, once for all who ask. Lets go of the lock then.
 * LADLE_CANCELLED: look again. A status for which keep_is_damage(): the entry is gone. */
ladle_status keep_lend(ladle_cache *cache, entry *e, ladle_lease **lease, ladle_error *error);
bool keep_is_damage(ladle_status status);

/* Remembers a block that is in use, so that it can be lent on. */
void keep_see(entry *e, ladle_lease *lease);

/* Takes the entries over that persistent stores hold. Before anyone else has the cache. */
ladle_status keep_load(ladle_cache *cache, ladle_error *error);

/* --- report.c ------------------------------------------------------------------------------------------------- */

/* Commits persistent stores: those that are named, or all. Without the lock. */
ladle_status cache_commit(ladle_cache *cache, bool named_only, ladle_error *error);

#endif
