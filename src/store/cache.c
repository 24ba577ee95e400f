/* The cache: what a caller sees of it. Keys to buffers, each made or brought back once for all who ask. */
#include "store/cache.h"

#include "base/error.h"

#include <string.h>

/* --- life ------------------------------------------------------------------------------------ */

void ladle_store_release(ladle_store *store)
{
    if (store != NULL)
        store->ops->release(store);
}

static ladle_status check_levels(const ladle_cache_level *levels, int32_t n_levels, int32_t home, ladle_error *error)
{
    if (n_levels < 1 || n_levels > LADLE_MAX_LEVELS || home < 0 || home >= n_levels)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                          "%d levels with home %d: a cache has 1 to %d levels, and one of them is its home",
                          (int)n_levels, (int)home, LADLE_MAX_LEVELS);
    int persistent = 0;
    for (int32_t i = 0; i < n_levels; i++) {
        const ladle_store *store = levels[i].store;
        if (store == NULL || store->ops->abi != LADLE_STORE_ABI)
            return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "level %d: no store of this version of ladle",
                              (int)i);
        if (i < home && !store_lends(store))
            return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                              "level %d: a %s store cannot hold copies of what is at home in level %d", (int)i,
                              store->ops->name, (int)home);
        persistent += store->ops->commit != NULL;
    }
    if (persistent > 1)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "%d persistent stores: a cache has at most one",
                          persistent);
    return LADLE_OK;
}

static void destroy(ladle_cache *cache)
{
    ladle_context *context = cache->context;
    entry_clear(cache);
    ladle_free(context, cache->index, (size_t)cache->index_size * sizeof *cache->index, LADLE_MEMORY_METADATA);
    for (int32_t i = 0; i < cache->n_levels; i++) {
        level *l = &cache->levels[i];
        ladle_free(context, l->heap, (size_t)l->heap_capacity * sizeof *l->heap, LADLE_MEMORY_METADATA);
        l->store->ops->release(l->store);
    }
    (void)pthread_mutex_destroy(&cache->committing);
    (void)pthread_cond_destroy(&cache->changed);
    (void)pthread_mutex_destroy(&cache->lock);
    ladle_free(context, cache, sizeof *cache, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

/* What may rest in memory, of all levels; 0 where one has no bound. */
static int64_t bound_of(const ladle_cache *cache)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < cache->n_levels; i++) {
        const level *l = &cache->levels[i];
        if ((l->store->ops->capabilities & LADLE_STORE_ON_DISK) != 0)
            continue;
        if (l->budget == 0)
            return 0;
        sum += l->budget;
    }
    return sum == 0 ? 1 : sum; /* nothing may */
}

static void release_stores(const ladle_cache_level *levels, int32_t n_levels)
{
    for (int32_t i = 0; i < n_levels && i < LADLE_MAX_LEVELS; i++)
        ladle_store_release(levels[i].store);
}

ladle_cache *ladle_cache_create_levels(ladle_context *context, const ladle_cache_level *levels, int32_t n_levels,
                                       int32_t home, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_cache *cache = NULL;
    if (check_levels(levels, n_levels, home, error) == LADLE_OK)
        cache = ladle_alloc(context, sizeof *cache, LADLE_MEMORY_METADATA, error);
    if (cache == NULL) {
        release_stores(levels, n_levels);
        return NULL;
    }
    cache->context = context;
    ladle_context_retain(context);
    cache->n_levels = n_levels;
    cache->home = home;
    for (int32_t i = 0; i < n_levels; i++) {
        cache->levels[i].store = levels[i].store;
        cache->levels[i].budget = levels[i].budget_nbytes < 0 ? 0 : levels[i].budget_nbytes;
    }
    atomic_init(&cache->references, 1);
    (void)pthread_mutex_init(&cache->lock, NULL); /* cannot fail on the platforms served */
    (void)pthread_cond_init(&cache->changed, NULL);
    (void)pthread_mutex_init(&cache->committing, NULL);
    if (keep_load(cache, error) != LADLE_OK) {
        destroy(cache);
        return NULL;
    }
    for (int32_t i = 0; i < n_levels; i++)
        ladle_cache_set_budget(cache, i, cache->levels[i].budget);
    cache->reclaimer.reclaim = level_reclaim;
    cache->reclaimer.user = cache;
    cache->reclaimer.bound = bound_of(cache);
    ladle_context_add_reclaimer(context, &cache->reclaimer);
    return cache;
}

ladle_cache *ladle_cache_create(ladle_context *context, int64_t budget_nbytes, ladle_error *error)
{
    ladle_cache_level raw = {.store = ladle_store_raw(), .budget_nbytes = budget_nbytes};
    return ladle_cache_create_levels(context, &raw, 1, 0, error);
}

void ladle_cache_retain(ladle_cache *cache)
{
    atomic_fetch_add_explicit(&cache->references, 1, memory_order_relaxed);
}

void ladle_cache_release(ladle_cache *cache)
{
    if (cache == NULL || atomic_fetch_sub_explicit(&cache->references, 1, memory_order_acq_rel) != 1)
        return;
    (void)ladle_cache_close(cache, NULL);
    destroy(cache);
}

void ladle_cache_clear(ladle_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    entry_clear(cache);
    pthread_mutex_unlock(&cache->lock);
}

ladle_status ladle_cache_flush(ladle_cache *cache, ladle_error *error)
{
    return cache_commit(cache, false, error);
}

ladle_status ladle_cache_close(ladle_cache *cache, ladle_error *error)
{
    ladle_context_remove_reclaimer(cache->context, &cache->reclaimer);
    pthread_mutex_lock(&cache->lock);
    bool was_closed = cache->closed;
    cache->closed = true;
    pthread_mutex_unlock(&cache->lock);
    ladle_status status = was_closed ? LADLE_OK : cache_commit(cache, true, error);
    ladle_cache_clear(cache);
    return status;
}

void ladle_cache_set_budget(ladle_cache *cache, int32_t at, int64_t budget_nbytes)
{
    if (at < 0 || at >= cache->n_levels)
        return;
    pthread_mutex_lock(&cache->lock);
    int64_t budget = cache->levels[at].budget = budget_nbytes < 0 ? 0 : budget_nbytes;
    if (budget > 0)
        (void)level_shrink(cache, at, budget - cache->levels[at].reserved, LEVEL_MOVE | LEVEL_EVICT);
    int64_t bound = bound_of(cache);
    pthread_mutex_unlock(&cache->lock);
    ladle_context_bound_reclaimer(cache->context, &cache->reclaimer, bound);
}

/* --- use ------------------------------------------------------------------------------------- */

static ladle_status check_key(size_t key_nbytes, size_t layout_nbytes, ladle_error *error)
{
    if (key_nbytes > LADLE_MAX_KEY_NBYTES)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "a key of %zu bytes, at most %d are allowed",
                          key_nbytes, LADLE_MAX_KEY_NBYTES);
    if (layout_nbytes > LADLE_MAX_LAYOUT_NBYTES)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "a layout of %zu bytes, at most %d are allowed",
                          layout_nbytes, LADLE_MAX_LAYOUT_NBYTES);
    return LADLE_OK;
}

static ladle_status check_open(const ladle_cache *cache, ladle_error *error)
{
    return cache->closed ? ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "the cache is closed") : LADLE_OK;
}

static entry *find_made(const ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes)
{
    entry *e = entry_find(cache, hash, key, key_nbytes);
    return e != NULL && e->state == MADE ? e : NULL;
}

static ladle_status get(ladle_cache *cache, const void *key, size_t key_nbytes, bool remove, ladle_lease **lease,
                        ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    *lease = NULL;
    ladle_lease *lost = NULL;
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    pthread_mutex_lock(&cache->lock);
    ladle_status status;
    do {
        status = check_open(cache, error);
        entry *e = status == LADLE_OK ? find_made(cache, hash, key, key_nbytes) : NULL;
        if (e == NULL)
            break;
        e->busy++;
        status = keep_lend(cache, e, lease, error);
        if (status == LADLE_OK && remove && e->indexed) {
            cache->deletes++;
            entry_remove(cache, e);
        } else if (status == LADLE_OK && remove) {
            lost = *lease; /* another thread removed it first */
            *lease = NULL;
            status = LADLE_CANCELLED;
        }
        entry_unbusy(cache, e);
    } while (status == LADLE_CANCELLED && lost == NULL);
    if ((status == LADLE_OK && *lease == NULL) || lost != NULL) {
        cache->misses++;
        status = LADLE_NOT_FOUND;
    }
    pthread_mutex_unlock(&cache->lock);
    ladle_lease_release(lost);
    return status;
}

ladle_status ladle_cache_get(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease **lease,
                             ladle_error *error)
{
    return get(cache, key, key_nbytes, false, lease, error);
}

ladle_status ladle_cache_pop(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease **lease,
                             ladle_error *error)
{
    return get(cache, key, key_nbytes, true, lease, error);
}

int64_t ladle_cache_count(ladle_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    int64_t count = cache->entries;
    pthread_mutex_unlock(&cache->lock);
    return count;
}

bool ladle_cache_contains(ladle_cache *cache, const void *key, size_t key_nbytes)
{
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    pthread_mutex_lock(&cache->lock);
    bool there = find_made(cache, hash, key, key_nbytes) != NULL;
    pthread_mutex_unlock(&cache->lock);
    return there;
}

ladle_status ladle_cache_delete(ladle_cache *cache, const void *key, size_t key_nbytes)
{
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    pthread_mutex_lock(&cache->lock);
    entry *e = find_made(cache, hash, key, key_nbytes);
    if (e != NULL) {
        entry_remove(cache, e);
        cache->deletes++;
    }
    pthread_mutex_unlock(&cache->lock);
    return e != NULL ? LADLE_OK : LADLE_NOT_FOUND;
}

/* --- put ------------------------------------------------------------------------------------- */

/* The entry in the index at a key that is about to be put, with one exception: what is being made there. Its maker
 * keeps it for those who wait; the value that is put is newer. */
static entry *find_old(ladle_cache *cache, const entry *fresh)
{
    entry *old = entry_find(cache, fresh->hash, entry_key(cache, fresh), fresh->key_nbytes);
    if (old != NULL && old->state == MAKING) {
        entry_unindex(cache, old);
        old = NULL;
    }
    return old;
}

/* Puts what has found its place in level `at` into the index, in place of what is there, and into the order, where
 * `replaced` was. at < 0: there was no room, so nothing is there any more. Consumes `fresh`. */
static void settle(ladle_cache *cache, entry *fresh, const entry *replaced, int32_t at, void *form, int64_t nbytes)
{
    entry *old = find_old(cache, fresh);
    entry *newer = old == NULL ? NULL : old->newer;
    if (old != NULL)
        entry_remove(cache, old);
    if (replaced != NULL && replaced->linked)
        newer = replaced->newer; /* a replaced key keeps its place, as in a dict */
    if (at < 0) {
        cache->evictions++;
        entry_free(cache, fresh);
        return;
    }
    entry_index(cache, fresh);
    entry_link(cache, fresh, newer);
    level_attach(cache, at, fresh, form, nbytes);
}

ladle_status ladle_cache_put_values(ladle_cache *cache, const void *key, size_t key_nbytes, const ladle_values *values,
                                    int64_t cost_ns, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_status status = check_key(key_nbytes, values->layout_nbytes, error);
    if (status != LADLE_OK)
        return status;
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    entry *fresh = entry_create(cache, hash, key, key_nbytes, values->layout, values->layout_nbytes, error);
    if (fresh == NULL)
        return (ladle_status)error->status;
    fresh->state = MADE;
    fresh->dtype = values->dtype;
    fresh->count = values->count;
    fresh->cost_ns = cost_ns;
    void *form = NULL;
    int64_t nbytes = 0;
    int32_t at = -1;
    pthread_mutex_lock(&cache->lock);
    status = check_open(cache, error);
    entry *old = NULL;
    if (status == LADLE_OK) {
        old = find_made(cache, hash, key, key_nbytes);
        if (old != NULL)
            entry_begin_replacing(cache, old);
        at = keep_place(cache, values, &form, &nbytes, error);
        status = at < 0 ? (ladle_status)error->status : check_open(cache, error);
    }
    if (status == LADLE_OK)
        status = entry_make_room(cache, error);
    if (status == LADLE_OK) {
        cache->puts++;
        settle(cache, fresh, old, at, form, nbytes);
    } else {
        if (at >= 0)
            cache->levels[at].store->ops->drop(cache->levels[at].store, form);
        entry_free(cache, fresh);
    }
    if (old != NULL)
        entry_end_replacing(cache, old);
    pthread_mutex_unlock(&cache->lock);
    return status;
}

ladle_status ladle_cache_put(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease *lease,
                             int64_t cost_ns, ladle_error *error)
{
    ladle_values values = values_of_lease(lease);
    return ladle_cache_put_values(cache, key, key_nbytes, &values, cost_ns, error);
}

/* --- fetch ----------------------------------------------------------------------------------- */

/* Waits until the block of `e` is there, at rest or not. LADLE_CANCELLED asks the caller to look again: it was made,
 * but is not there any more, or is to be brought back. */
static ladle_status wait_for(ladle_cache *cache, entry *e, ladle_lease **lease, ladle_error *error)
{
    bool lent = false;
    cache->waits++;
    e->waiters++;
    while (e->state == MAKING) {
        lent = e->seen != NULL && ladle_lease_try_retain(e->seen);
        if (lent)
            break;
        pthread_cond_wait(&cache->changed, &cache->lock);
    }
    e->waiters--;
    ladle_status status = LADLE_CANCELLED;
    if (lent) {
        *lease = e->seen;
        e->hits++;
        cache->hits++;
        status = LADLE_OK;
    } else if (e->state == FAILED && e->error != NULL) {
        ladle_error_copy(error, e->error);
        status = (ladle_status)e->error->status;
    } else if (e->state == FAILED) {
        status = ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory to tell why the buffer could not be made");
    }
    entry_free_if_idle(cache, e);
    return status;
}

/* The end of a making that left nothing in the cache. */
static void finish_without(ladle_cache *cache, entry *e, entry_state state)
{
    if (e->indexed)
        entry_unindex(cache, e);
    e->state = state;
    pthread_cond_broadcast(&cache->changed);
    entry_unbusy(cache, e);
}

static void finish_failed(ladle_cache *cache, entry *e, const ladle_error *error)
{
    e->error = ladle_alloc(cache->context, sizeof *e->error, LADLE_MEMORY_METADATA, NULL);
    if (e->error != NULL)
        *e->error = *error;
    pthread_mutex_lock(&cache->lock);
    finish_without(cache, e, FAILED);
    pthread_mutex_unlock(&cache->lock);
}

/* Keeps what was made; it is lent even if it cannot be kept. */
static void finish_made(ladle_cache *cache, entry *e, ladle_lease *lease, int64_t cost_ns)
{
    ladle_values values = values_of_lease(lease);
    ladle_error why;
    void *form = NULL;
    int64_t nbytes = 0;
    pthread_mutex_lock(&cache->lock);
    e->dtype = values.dtype;
    e->count = values.count;
    e->cost_ns = cost_ns;
    if (e->indexed) { /* who waits need not wait for it to be at rest, unless a newer value was put */
        keep_see(e, lease);
        pthread_cond_broadcast(&cache->changed);
    }
    int32_t at = cache->closed ? -1 : keep_place(cache, &values, &form, &nbytes, &why);
    if (at >= 0 && e->indexed && !cache->closed) {
        e->state = MADE;
        entry_link(cache, e, NULL);
        level_attach(cache, at, e, form, nbytes);
        pthread_cond_broadcast(&cache->changed);
        if (at > 0)
            keep_copy(cache, e, lease);
        entry_unbusy(cache, e);
    } else {
        cache->evictions++;
        if (at >= 0)
            cache->levels[at].store->ops->drop(cache->levels[at].store, form);
        finish_without(cache, e, GONE);
    }
    pthread_mutex_unlock(&cache->lock);
}

/* Makes the buffer of `e`, which is busy, without the lock. */
static ladle_status make_entry(ladle_cache *cache, entry *e, ladle_make_buffer make, void *user, ladle_lease **lease,
                               ladle_error *error)
{
    int64_t begin = ladle_now_ns();
    ladle_status status = make(user, lease, error);
    int64_t cost_ns = ladle_now_ns() - begin;
    size_t layout_nbytes = 0;
    pthread_mutex_lock(&cache->lock);
    cache->fetch_ns += cost_ns;
    pthread_mutex_unlock(&cache->lock);
    if (status != LADLE_OK) {
        finish_failed(cache, e, error);
    } else if (ladle_lease_layout(*lease, &layout_nbytes) == NULL) {
        finish_made(cache, e, *lease, cost_ns);
    } else {
        /* An entry is born with its layout, and this one was born without: it gives way to another. */
        (void)ladle_cache_put(cache, entry_key(cache, e), e->key_nbytes, *lease, cost_ns, NULL);
        pthread_mutex_lock(&cache->lock);
        finish_without(cache, e, GONE);
        pthread_mutex_unlock(&cache->lock);
    }
    return status;
}

ladle_status ladle_cache_fetch(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_make_buffer make,
                               void *user, ladle_lease **lease, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    *lease = NULL;
    ladle_status status = check_key(key_nbytes, 0, error);
    if (status != LADLE_OK)
        return status;
    uint64_t hash = ladle_xxh3_64(key, key_nbytes);
    entry *fresh = NULL;
    pthread_mutex_lock(&cache->lock);
    for (;;) {
        status = check_open(cache, error);
        if (status != LADLE_OK)
            break;
        entry *e = entry_find(cache, hash, key, key_nbytes);
        if (e != NULL) {
            bool made = e->state == MADE;
            status = made ? keep_lend(cache, e, lease, error) : wait_for(cache, e, lease, error);
            if (status == LADLE_CANCELLED || (made && keep_is_damage(status)))
                continue; /* what is lost is made anew */
            break;
        }
        if (fresh == NULL) {
            pthread_mutex_unlock(&cache->lock);
            fresh = entry_create(cache, hash, key, key_nbytes, NULL, 0, error);
            pthread_mutex_lock(&cache->lock);
            if (fresh != NULL)
                continue;
            status = (ladle_status)error->status;
            break;
        }
        cache->misses++;
        status = entry_make_room(cache, error);
        if (status != LADLE_OK)
            break;
        fresh->busy = 1;
        entry_index(cache, fresh);
        pthread_mutex_unlock(&cache->lock);
        return make_entry(cache, fresh, make, user, lease, error);
    }
    pthread_mutex_unlock(&cache->lock);
    if (fresh != NULL)
        entry_free(cache, fresh);
    return status;
}
