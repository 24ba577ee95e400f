/* The cache: an index over byte-string keys, pins, single flight, and eviction by cost per byte.
 *
 * Invariants, under cache->lock:
 *   1. An entry in the index is MADE (form set) or MAKING (one thread makes it, others may wait for it).
 *   2. Each MADE entry is in the heap and in the insertion list; cache->nbytes is the sum of their nbytes.
 *   3. An entry outside the index lives only while somebody waits for it (waiters > 0): the last one frees it.
 * Policy (GreedyDual-Size): an entry's priority is the clock plus its cost per byte; each hit renews it; the entry
 * of lowest priority leaves and sets the clock; of equals the one not used for longest. The heap is lazy: a hit
 * only raises entry->priority and entry->used, and the heap catches up when the entry comes to its top.
 */
#include <ladle/store.h>

#include "base/error.h"
#include "base/hash.h"
#include "memory/lease.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

/* Cost of an entry whose maker did not tell: about that of zstd, in ns per byte. */
static const double unknown_cost_per_byte = 1.0;

/* GONE: made, and no longer here; who waited for it looks again. */
typedef enum entry_state { MAKING, MADE, FAILED, GONE } entry_state;

typedef struct entry {
    struct entry *older, *newer; /* insertion order */
    struct entry *aside;         /* while evict_to passes it over */
    void *form;
    ladle_dtype dtype;
    int64_t count, nbytes, hits, cost_ns;
    double priority;
    double heap_priority; /* what the heap is ordered by: <= priority */
    int64_t used;         /* the cache's tick when it was last used */
    int64_t heap_used;    /* what the heap is ordered by where priorities are equal: <= used */
    int64_t heap_index;
    uint64_t hash;
    entry_state state;
    int waiters;
    bool indexed;
    ladle_error error; /* where FAILED */
    size_t key_nbytes;
    char key[];
} entry;

struct ladle_cache {
    ladle_context *context;
    ladle_store *store;
    atomic_int references;
    ladle_reclaimer reclaimer;
    pthread_mutex_t lock;
    pthread_cond_t made;
    entry **index; /* open addressing; NULL is free */
    int64_t index_size;
    int64_t index_used;
    entry **heap;
    int64_t heap_count, heap_capacity;
    entry *oldest, *newest;
    int64_t nbytes, peak_nbytes, budget;
    double clock;
    int64_t tick; /* counts uses */
    int64_t hits, misses, puts, evictions, deletes, fetch_ns;
    bool closed;
};

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- index ----------------------------------------------------------------------------------- */

static int64_t find_slot(const ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes)
{
    uint64_t mask = (uint64_t)cache->index_size - 1;
    uint64_t at = hash & mask;
    for (; cache->index[at] != NULL; at = (at + 1) & mask) {
        const entry *e = cache->index[at];
        if (e->hash == hash && e->key_nbytes == key_nbytes && memcmp(e->key, key, key_nbytes) == 0)
            break;
    }
    return (int64_t)at;
}

static entry *find(const ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes)
{
    return cache->index_size == 0 ? NULL : cache->index[find_slot(cache, hash, key, key_nbytes)];
}

static int64_t evict_to(ladle_cache *cache, int64_t target);

/* Metadata, with the lock held: the budget cannot ask this cache for room then, so it gives it by itself. */
static void *alloc_locked(ladle_cache *cache, size_t nbytes, ladle_error *error)
{
    void *memory = ladle_alloc(cache->context, nbytes, LADLE_MEMORY_METADATA, error);
    while (memory == NULL && error->status == LADLE_BUDGET) {
        int64_t spare = cache->nbytes > (int64_t)nbytes ? cache->nbytes - (int64_t)nbytes : 0;
        if (evict_to(cache, spare) == 0)
            break;
        memory = ladle_alloc(cache->context, nbytes, LADLE_MEMORY_METADATA, error);
    }
    return memory;
}

static ladle_status grow_index(ladle_cache *cache, ladle_error *error)
{
    if (cache->index_used * 2 < cache->index_size)
        return LADLE_OK;
    int64_t size = cache->index_size == 0 ? 64 : cache->index_size * 2;
    entry **index = alloc_locked(cache, (size_t)size * sizeof *index, error);
    if (index == NULL)
        return (ladle_status)error->status;
    for (int64_t i = 0; i < cache->index_size; i++) {
        entry *e = cache->index[i];
        if (e == NULL)
            continue;
        uint64_t at = e->hash & ((uint64_t)size - 1);
        while (index[at] != NULL)
            at = (at + 1) & ((uint64_t)size - 1);
        index[at] = e;
    }
    ladle_free(cache->context, cache->index, (size_t)cache->index_size * sizeof *index, LADLE_MEMORY_METADATA);
    cache->index = index;
    cache->index_size = size;
    return LADLE_OK;
}

/* Removes by shifting back what follows, so that no tombstones gather. */
static void unindex(ladle_cache *cache, entry *e)
{
    uint64_t mask = (uint64_t)cache->index_size - 1;
    uint64_t hole = (uint64_t)find_slot(cache, e->hash, e->key, e->key_nbytes);
    for (uint64_t at = (hole + 1) & mask; cache->index[at] != NULL; at = (at + 1) & mask) {
        uint64_t home = cache->index[at]->hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            cache->index[hole] = cache->index[at];
            hole = at;
        }
    }
    cache->index[hole] = NULL;
    cache->index_used--;
    e->indexed = false;
}

/* --- heap ------------------------------------------------------------------------------------ */

static void heap_set(ladle_cache *cache, int64_t i, entry *e)
{
    cache->heap[i] = e;
    e->heap_index = i;
}

/* Does `a` leave before `b`, as far as the heap knows? */
static bool leaves_before(const entry *a, const entry *b)
{
    return a->heap_priority < b->heap_priority || (a->heap_priority <= b->heap_priority && a->heap_used < b->heap_used);
}

static void sift_down(ladle_cache *cache, int64_t i, entry *e)
{
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= cache->heap_count)
            break;
        if (child + 1 < cache->heap_count && leaves_before(cache->heap[child + 1], cache->heap[child]))
            child++;
        if (!leaves_before(cache->heap[child], e))
            break;
        heap_set(cache, i, cache->heap[child]);
        i = child;
    }
    heap_set(cache, i, e);
}

static void sift_up(ladle_cache *cache, int64_t i, entry *e)
{
    while (i > 0 && leaves_before(e, cache->heap[(i - 1) / 2])) {
        heap_set(cache, i, cache->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(cache, i, e);
}

static ladle_status grow_heap(ladle_cache *cache, ladle_error *error)
{
    if (cache->heap_count < cache->heap_capacity)
        return LADLE_OK;
    int64_t capacity = cache->heap_capacity == 0 ? 64 : cache->heap_capacity * 2;
    entry **heap = alloc_locked(cache, (size_t)capacity * sizeof *heap, error);
    if (heap == NULL)
        return (ladle_status)error->status;
    if (cache->heap_count > 0)
        memcpy(heap, cache->heap, (size_t)cache->heap_count * sizeof *heap);
    ladle_free(cache->context, cache->heap, (size_t)cache->heap_capacity * sizeof *heap, LADLE_MEMORY_METADATA);
    cache->heap = heap;
    cache->heap_capacity = capacity;
    return LADLE_OK;
}

static void heap_insert(ladle_cache *cache, entry *e)
{
    e->heap_priority = e->priority;
    e->heap_used = e->used;
    cache->heap_count++;
    sift_up(cache, cache->heap_count - 1, e);
}

static void heap_remove(ladle_cache *cache, entry *e)
{
    int64_t i = e->heap_index;
    entry *last = cache->heap[--cache->heap_count];
    if (last == e)
        return;
    if (leaves_before(last, e))
        sift_up(cache, i, last);
    else
        sift_down(cache, i, last);
}

static void renew(ladle_cache *cache, entry *e)
{
    double per_byte = e->cost_ns == 0 ? unknown_cost_per_byte : (double)e->cost_ns / (double)(e->nbytes + 1);
    e->priority = cache->clock + per_byte;
    e->used = ++cache->tick;
}

/* --- entries --------------------------------------------------------------------------------- */

/* With the lock held or without. */
static entry *create_entry(ladle_cache *cache, bool locked, uint64_t hash, const void *key, size_t key_nbytes,
                           ladle_error *error)
{
    size_t nbytes = sizeof(entry) + key_nbytes;
    entry *e =
        locked ? alloc_locked(cache, nbytes, error) : ladle_alloc(cache->context, nbytes, LADLE_MEMORY_METADATA, error);
    if (e == NULL)
        return NULL;
    e->hash = hash;
    e->key_nbytes = key_nbytes;
    memcpy(e->key, key, key_nbytes);
    return e;
}

static void free_entry(ladle_cache *cache, entry *e)
{
    ladle_free(cache->context, e, sizeof *e + e->key_nbytes, LADLE_MEMORY_METADATA);
}

/* Some may wait for it and not have looked yet: then the last of them frees it. */
static void free_unless_awaited(ladle_cache *cache, entry *e)
{
    if (e->waiters == 0)
        free_entry(cache, e);
}

static void insert(ladle_cache *cache, entry *e)
{
    cache->index[find_slot(cache, e->hash, e->key, e->key_nbytes)] = e;
    cache->index_used++;
    e->indexed = true;
}

/* Gives an entry its form, and counts it. Room in the heap is there. */
static void set_form(ladle_cache *cache, entry *e, const ladle_lease *lease, void *form, int64_t nbytes,
                     int64_t cost_ns)
{
    e->state = MADE;
    e->form = form;
    e->dtype = ladle_lease_dtype(lease);
    e->count = ladle_lease_count(lease);
    e->nbytes = nbytes;
    e->cost_ns = cost_ns;
    renew(cache, e);
    heap_insert(cache, e);
    cache->nbytes += nbytes;
    if (cache->nbytes > cache->peak_nbytes)
        cache->peak_nbytes = cache->nbytes;
}

/* Takes the form of a MADE entry away. It must get another one, or go. */
static void drop_form(ladle_cache *cache, entry *e)
{
    heap_remove(cache, e);
    cache->nbytes -= e->nbytes;
    cache->store->ops->drop(cache->store, e->form);
    e->form = NULL;
}

/* MAKING -> MADE, last in the order of insertion. */
static void settle(ladle_cache *cache, entry *e, const ladle_lease *lease, void *form, int64_t nbytes, int64_t cost_ns)
{
    set_form(cache, e, lease, form, nbytes, cost_ns);
    e->older = cache->newest;
    e->newer = NULL;
    if (cache->newest != NULL)
        cache->newest->newer = e;
    else
        cache->oldest = e;
    cache->newest = e;
}

/* Frees an entry that has lost its form. */
static void discard(ladle_cache *cache, entry *e)
{
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        cache->oldest = e->newer;
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        cache->newest = e->older;
    unindex(cache, e);
    e->state = GONE;
    free_unless_awaited(cache, e);
}

/* Takes a MADE entry out and frees it. */
static void remove_entry(ladle_cache *cache, entry *e)
{
    drop_form(cache, e);
    discard(cache, e);
}

/* Evicts until at most `target` bytes are held, or all the rest is pinned. Returns the bytes evicted. */
static int64_t evict_to(ladle_cache *cache, int64_t target)
{
    int64_t freed = 0;
    entry *pinned = NULL; /* put aside, linked through `aside` */
    while (cache->nbytes > target && cache->heap_count > 0) {
        entry *e = cache->heap[0];
        if (e->heap_priority < e->priority || e->heap_used < e->used) {
            /* Used since the heap last looked. */
            e->heap_priority = e->priority;
            e->heap_used = e->used;
            sift_down(cache, 0, e);
        } else if (cache->store->ops->pinned(cache->store, e->form)) {
            heap_remove(cache, e);
            e->aside = pinned;
            pinned = e;
        } else {
            cache->clock = e->priority;
            freed += e->nbytes;
            cache->evictions++;
            remove_entry(cache, e);
        }
    }
    while (pinned != NULL) {
        entry *next = pinned->aside;
        heap_insert(cache, pinned);
        pinned = next;
    }
    return freed;
}

static int64_t reclaim(void *user, int64_t need, bool may_wait)
{
    ladle_cache *cache = user;
    if (may_wait)
        pthread_mutex_lock(&cache->lock);
    else if (pthread_mutex_trylock(&cache->lock) != 0)
        return 0;
    int64_t freed = evict_to(cache, cache->nbytes > need ? cache->nbytes - need : 0);
    pthread_mutex_unlock(&cache->lock);
    return freed;
}

/* --- life ------------------------------------------------------------------------------------ */

ladle_cache *ladle_cache_create(ladle_context *context, int64_t budget_nbytes, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_cache *cache = ladle_alloc(context, sizeof *cache, LADLE_MEMORY_METADATA, error);
    if (cache == NULL)
        return NULL;
    cache->context = context;
    cache->store = ladle_store_raw();
    cache->budget = budget_nbytes < 0 ? 0 : budget_nbytes;
    atomic_init(&cache->references, 1);
    (void)pthread_mutex_init(&cache->lock, NULL); /* cannot fail on the platforms served */
    (void)pthread_cond_init(&cache->made, NULL);
    cache->reclaimer.reclaim = reclaim;
    cache->reclaimer.user = cache;
    ladle_context_add_reclaimer(context, &cache->reclaimer);
    ladle_context_retain(context);
    return cache;
}

void ladle_cache_retain(ladle_cache *cache)
{
    atomic_fetch_add_explicit(&cache->references, 1, memory_order_relaxed);
}

static void clear(ladle_cache *cache)
{
    while (cache->oldest != NULL)
        remove_entry(cache, cache->oldest);
}

void ladle_cache_release(ladle_cache *cache)
{
    if (cache == NULL || atomic_fetch_sub_explicit(&cache->references, 1, memory_order_acq_rel) != 1)
        return;
    ladle_context *context = cache->context;
    ladle_context_remove_reclaimer(context, &cache->reclaimer);
    clear(cache);
    ladle_free(context, cache->index, (size_t)cache->index_size * sizeof *cache->index, LADLE_MEMORY_METADATA);
    ladle_free(context, cache->heap, (size_t)cache->heap_capacity * sizeof *cache->heap, LADLE_MEMORY_METADATA);
    cache->store->ops->release(cache->store);
    (void)pthread_cond_destroy(&cache->made);
    (void)pthread_mutex_destroy(&cache->lock);
    ladle_free(context, cache, sizeof *cache, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

void ladle_cache_clear(ladle_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    clear(cache);
    pthread_mutex_unlock(&cache->lock);
}

ladle_status ladle_cache_close(ladle_cache *cache, ladle_error *error)
{
    ladle_context_remove_reclaimer(cache->context, &cache->reclaimer);
    pthread_mutex_lock(&cache->lock);
    cache->closed = true;
    clear(cache);
    pthread_mutex_unlock(&cache->lock);
    (void)error;
    return LADLE_OK;
}

void ladle_cache_set_budget(ladle_cache *cache, int32_t level, int64_t budget_nbytes)
{
    (void)level;
    pthread_mutex_lock(&cache->lock);
    cache->budget = budget_nbytes < 0 ? 0 : budget_nbytes;
    if (cache->budget > 0)
        (void)evict_to(cache, cache->budget);
    pthread_mutex_unlock(&cache->lock);
}

/* --- use ------------------------------------------------------------------------------------- */

static ladle_status check_key(size_t key_nbytes, ladle_error *error)
{
    if (key_nbytes > LADLE_MAX_KEY_NBYTES)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "a key of %zu bytes, at most %d are allowed",
                          key_nbytes, LADLE_MAX_KEY_NBYTES);
    return LADLE_OK;
}

static ladle_status check_open(const ladle_cache *cache, ladle_error *error)
{
    return cache->closed ? ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "the cache is closed") : LADLE_OK;
}

static ladle_values values_of(ladle_lease *lease)
{
    return (ladle_values){
        .dtype = ladle_lease_dtype(lease),
        .count = ladle_lease_count(lease),
        .data = ladle_lease_data(lease),
        .lease = lease,
    };
}

/* Lends a MADE entry. */
static ladle_status lend(ladle_cache *cache, entry *e, ladle_lease **lease, ladle_error *error)
{
    ladle_status status = cache->store->ops->wake(cache->store, e->form, e->dtype, e->count, lease, error);
    if (status == LADLE_OK) {
        e->hits++;
        cache->hits++;
        renew(cache, e);
    }
    return status;
}

ladle_status ladle_cache_get(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease **lease,
                             ladle_error *error)
{
    *lease = NULL;
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    pthread_mutex_lock(&cache->lock);
    ladle_status status = check_open(cache, error);
    if (status == LADLE_OK) {
        entry *e = find(cache, hash, key, key_nbytes);
        if (e != NULL && e->state == MADE) {
            status = lend(cache, e, lease, error);
        } else {
            cache->misses++;
            status = LADLE_NOT_FOUND;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

bool ladle_cache_contains(ladle_cache *cache, const void *key, size_t key_nbytes)
{
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    pthread_mutex_lock(&cache->lock);
    const entry *e = find(cache, hash, key, key_nbytes);
    bool there = e != NULL && e->state == MADE;
    pthread_mutex_unlock(&cache->lock);
    return there;
}

ladle_status ladle_cache_delete(ladle_cache *cache, const void *key, size_t key_nbytes)
{
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    pthread_mutex_lock(&cache->lock);
    entry *e = find(cache, hash, key, key_nbytes);
    bool there = e != NULL && e->state == MADE;
    if (there) {
        remove_entry(cache, e);
        cache->deletes++;
    }
    pthread_mutex_unlock(&cache->lock);
    return there ? LADLE_OK : LADLE_NOT_FOUND;
}

/* Makes room for `nbytes` more. False if what is pinned leaves none. */
static bool make_room(ladle_cache *cache, int64_t nbytes)
{
    if (cache->budget == 0)
        return true;
    if (nbytes > cache->budget)
        return false;
    if (cache->nbytes + nbytes > cache->budget)
        (void)evict_to(cache, cache->budget - nbytes);
    return cache->nbytes + nbytes <= cache->budget;
}

ladle_status ladle_cache_put(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease *lease,
                             int64_t cost_ns, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_status status = check_key(key_nbytes, error);
    if (status != LADLE_OK)
        return status;
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    entry *fresh = create_entry(cache, false, hash, key, key_nbytes, error);
    if (fresh == NULL)
        return (ladle_status)error->status;
    void *form = NULL;
    int64_t nbytes = 0;
    ladle_values values = values_of(lease);
    status = cache->store->ops->rest(cache->store, &values, &form, &nbytes, error);
    if (status != LADLE_OK) {
        free_entry(cache, fresh);
        return status;
    }
    pthread_mutex_lock(&cache->lock);
    status = check_open(cache, error);
    if (status == LADLE_OK)
        status = grow_index(cache, error);
    if (status == LADLE_OK)
        status = grow_heap(cache, error);
    bool kept = false;
    if (status == LADLE_OK) {
        cache->puts++;
        entry *old = find(cache, hash, key, key_nbytes);
        if (old != NULL && old->state == MAKING) {
            unindex(cache, old); /* its maker keeps it for those who wait; this value is newer */
            old = NULL;
        }
        if (old != NULL)
            drop_form(cache, old);
        kept = make_room(cache, nbytes);
        if (kept && old != NULL) {
            set_form(cache, old, lease, form, nbytes, cost_ns); /* a replaced key keeps its place, as in a dict */
        } else if (kept) {
            insert(cache, fresh);
            settle(cache, fresh, lease, form, nbytes, cost_ns);
            fresh = NULL;
        } else {
            cache->evictions++;
            if (old != NULL)
                discard(cache, old);
        }
    }
    pthread_mutex_unlock(&cache->lock);
    if (!kept)
        cache->store->ops->drop(cache->store, form);
    if (fresh != NULL)
        free_entry(cache, fresh);
    return status;
}

/* Ends the making of `e`, which this thread began: keeps or discards what was made, wakes who waits. Consumes one
 * reference of the entry. Called with the lock held. */
static void finish(ladle_cache *cache, entry *e, const ladle_lease *lease, void *form, int64_t nbytes, int64_t cost_ns)
{
    ladle_error ignored; /* no room for bookkeeping means not kept, like no room for the buffer */
    bool keep = form != NULL && e->indexed && !cache->closed && make_room(cache, nbytes) &&
                grow_heap(cache, &ignored) == LADLE_OK;
    if (keep) {
        settle(cache, e, lease, form, nbytes, cost_ns);
        pthread_cond_broadcast(&cache->made);
        return;
    }
    if (form != NULL) {
        cache->store->ops->drop(cache->store, form);
        cache->evictions++;
    }
    if (e->indexed)
        unindex(cache, e);
    e->state = e->error.status == LADLE_OK ? GONE : FAILED;
    pthread_cond_broadcast(&cache->made);
    free_unless_awaited(cache, e);
}

/* Waits until `e` is no longer MAKING. LADLE_CANCELLED asks the caller to look again: it was made, but did not fit or
 * did not stay. */
static ladle_status wait_for(ladle_cache *cache, entry *e, ladle_lease **lease, ladle_error *error)
{
    e->waiters++;
    while (e->state == MAKING)
        pthread_cond_wait(&cache->made, &cache->lock);
    e->waiters--;
    if (e->state == MADE)
        return lend(cache, e, lease, error);
    bool failed = e->state == FAILED;
    ladle_status status = failed ? (ladle_status)e->error.status : LADLE_CANCELLED;
    if (failed)
        ladle_error_copy(error, &e->error);
    free_unless_awaited(cache, e);
    return status;
}

/* Makes the buffer of `e` without the lock, then ends the making. */
static ladle_status make_entry(ladle_cache *cache, entry *e, ladle_make_buffer make, void *user, ladle_lease **lease,
                               ladle_error *error)
{
    int64_t begin = now_ns();
    ladle_status status = make(user, lease, error);
    int64_t cost_ns = now_ns() - begin;
    void *form = NULL;
    int64_t nbytes = 0;
    /* What was made is lent even if it cannot be kept. */
    if (status == LADLE_OK) {
        ladle_values values = values_of(*lease);
        if (cache->store->ops->rest(cache->store, &values, &form, &nbytes, NULL) != LADLE_OK)
            form = NULL;
    }
    pthread_mutex_lock(&cache->lock);
    cache->fetch_ns += cost_ns;
    e->error.status = LADLE_OK;
    if (status != LADLE_OK)
        e->error = *error;
    finish(cache, e, *lease, form, nbytes, cost_ns);
    pthread_mutex_unlock(&cache->lock);
    return status;
}

ladle_status ladle_cache_fetch(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_make_buffer make,
                               void *user, ladle_lease **lease, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    *lease = NULL;
    ladle_status status = check_key(key_nbytes, error);
    if (status != LADLE_OK)
        return status;
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    pthread_mutex_lock(&cache->lock);
    for (;;) {
        status = check_open(cache, error);
        if (status != LADLE_OK)
            break;
        entry *e = find(cache, hash, key, key_nbytes);
        if (e != NULL && e->state == MADE) {
            status = lend(cache, e, lease, error);
            break;
        }
        if (e != NULL) {
            status = wait_for(cache, e, lease, error);
            if (status == LADLE_CANCELLED)
                continue;
            break;
        }
        cache->misses++;
        status = grow_index(cache, error);
        e = status == LADLE_OK ? create_entry(cache, true, hash, key, key_nbytes, error) : NULL;
        if (e == NULL) {
            status = (ladle_status)error->status;
            break;
        }
        insert(cache, e);
        pthread_mutex_unlock(&cache->lock);
        return make_entry(cache, e, make, user, lease, error);
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

/* --- figures --------------------------------------------------------------------------------- */

void ladle_cache_stats_get(ladle_cache *cache, ladle_cache_stats *stats)
{
    ladle_cache_stats full = {0};
    pthread_mutex_lock(&cache->lock);
    full.hits = cache->hits;
    full.misses = cache->misses;
    full.puts = cache->puts;
    full.evictions = cache->evictions;
    full.deletes = cache->deletes;
    full.entries = cache->heap_count;
    full.nbytes = cache->nbytes;
    full.peak_nbytes = cache->peak_nbytes;
    full.budget = cache->budget;
    full.fetch_ns = cache->fetch_ns;
    for (const entry *e = cache->oldest; e != NULL; e = e->newer)
        if (cache->store->ops->pinned(cache->store, e->form))
            full.pinned_nbytes += e->nbytes;
    pthread_mutex_unlock(&cache->lock);
    size_t size = stats->struct_size < sizeof full ? stats->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(stats, &full, size);
}

void ladle_cache_visit(ladle_cache *cache, bool (*visit)(void *user, const ladle_cache_entry *entry), void *user)
{
    pthread_mutex_lock(&cache->lock);
    for (const entry *e = cache->oldest; e != NULL; e = e->newer) {
        ladle_cache_entry seen = {
            .struct_size = sizeof seen,
            .key = e->key,
            .key_nbytes = e->key_nbytes,
            .dtype = e->dtype,
            .count = e->count,
            .nbytes = e->nbytes,
            .hits = e->hits,
            .cost_ns = e->cost_ns,
            .pinned = cache->store->ops->pinned(cache->store, e->form),
        };
        if (!visit(user, &seen))
            break;
    }
    pthread_mutex_unlock(&cache->lock);
}
