/* How a buffer gets into a level of a cache and back out of it: the work that is done without the cache's lock. */
#include "store/cache.h"

#include "base/error.h"

#include <string.h>
#include <time.h>

int64_t ladle_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

ladle_values values_of_lease(ladle_lease *lease)
{
    ladle_values values = {
        .dtype = ladle_lease_dtype(lease),
        .count = ladle_lease_count(lease),
        .data = ladle_lease_data(lease),
        .lease = lease,
    };
    values.layout = ladle_lease_layout(lease, &values.layout_nbytes);
    return values;
}

static int64_t raw_nbytes_of(const ladle_values *values)
{
    return values->count * (int64_t)ladle_dtype_size(values->dtype);
}

/* --- to rest --------------------------------------------------------------------------------- */

/* A block of these values with their layout: the one they lie in, or a copy. Returns owned. */
static ladle_lease *block_of(ladle_context *context, const ladle_values *values, ladle_error *error)
{
    if (values->lease != NULL) {
        size_t nbytes;
        const void *layout = ladle_lease_layout(values->lease, &nbytes);
        if (nbytes == values->layout_nbytes && (nbytes == 0 || memcmp(layout, values->layout, nbytes) == 0)) {
            ladle_lease_retain(values->lease);
            return values->lease;
        }
    }
    ladle_lease *lease = ladle_lease_copy(context, values->dtype, values->count, values->data, error);
    if (lease != NULL && ladle_lease_set_layout(lease, values->layout, values->layout_nbytes, error) != LADLE_OK) {
        ladle_lease_release(lease);
        return NULL;
    }
    return lease;
}

static ladle_status rest(ladle_context *context, ladle_store *store, const ladle_values *values, void **form,
                         int64_t *nbytes, ladle_error *error)
{
    if (!store_lends(store))
        return store->ops->rest(store, values, form, nbytes, error);
    ladle_lease *lease = block_of(context, values, error);
    if (lease == NULL)
        return (ladle_status)error->status;
    ladle_values block = values_of_lease(lease);
    ladle_status status = store->ops->rest(store, &block, form, nbytes, error);
    ladle_lease_release(lease);
    return status;
}

typedef enum attempt { PLACED, NO_ROOM, NOT_TAKEN } attempt;

/* Takes the values to rest in one level, if there is room. With the lock held, which it lets go of; PLACED: *form is
 * to be attached before the lock is let go of again. */
static attempt try_level(ladle_cache *cache, int32_t at, unsigned how, const ladle_values *values, void **form,
                         int64_t *nbytes, ladle_error *error)
{
    level *l = &cache->levels[at];
    int64_t raw_nbytes = raw_nbytes_of(values);
    int64_t estimate = level_estimate(cache, at, raw_nbytes);
    if (!level_make_room(cache, at, estimate, how))
        return NO_ROOM;
    l->reserved += estimate;
    pthread_mutex_unlock(&cache->lock);
    int64_t begin = ladle_now_ns();
    ladle_status status = rest(cache->context, l->store, values, form, nbytes, error);
    int64_t ns = ladle_now_ns() - begin;
    pthread_mutex_lock(&cache->lock);
    l->reserved -= estimate;
    if (status != LADLE_OK)
        return NOT_TAKEN;
    l->stats.rests++;
    l->stats.rest_ns += ns;
    l->stats.rest_raw_nbytes += raw_nbytes;
    l->stats.rest_nbytes += *nbytes;
    if (level_make_room(cache, at, *nbytes, how))
        return PLACED;
    l->store->ops->drop(l->store, *form);
    *form = NULL;
    return NO_ROOM;
}

int32_t keep_place(ladle_cache *cache, const ladle_values *values, void **form, int64_t *nbytes, ladle_error *error)
{
    *form = NULL;
    error->status = LADLE_OK;
    ladle_error why;
    for (int32_t i = cache->home; i < cache->n_levels; i++)
        switch (try_level(cache, i, LEVEL_MOVE | LEVEL_EVICT, values, form, nbytes, &why)) {
        case PLACED: return i;
        case NO_ROOM: break;
        case NOT_TAKEN: *error = why; break;
        }
    return -1;
}

void keep_copy(ladle_cache *cache, entry *e, ladle_lease *lease)
{
    level *l = &cache->levels[0];
    int64_t nbytes = ladle_lease_held_nbytes(lease);
    if (cache->n_levels == 1 || !store_lends(l->store) || cache->closed ||
        !level_make_room(cache, 0, nbytes, LEVEL_MOVE))
        return;
    if (!e->indexed || e->state != MADE || e->places[0].form != NULL)
        return;
    ladle_values values = values_of_lease(lease);
    void *form;
    if (l->store->ops->rest(l->store, &values, &form, &nbytes, NULL) == LADLE_OK)
        level_attach(cache, 0, e, form, nbytes);
}

/* --- back ------------------------------------------------------------------------------------ */

/* Brings the form of a busy entry back into a block of its layout. Without the lock. */
static ladle_status wake(ladle_cache *cache, int32_t at, entry *e, ladle_lease **lease, ladle_error *error)
{
    ladle_store *store = cache->levels[at].store;
    ladle_status status = store->ops->wake(store, e->places[at].form, e->dtype, e->count, lease, error);
    if (status == LADLE_OK && !store_lends(store) && e->layout_nbytes > 0) {
        status = ladle_lease_set_layout(*lease, entry_layout(cache, e), e->layout_nbytes, error);
        if (status != LADLE_OK) {
            ladle_lease_release(*lease);
            *lease = NULL;
        }
    }
    return status;
}

static void count_wake(level *l, entry *e, int64_t ns)
{
    l->stats.wakes++;
    l->stats.wake_ns += ns;
    l->stats.wake_raw_nbytes += e->count * (int64_t)ladle_dtype_size(e->dtype);
    e->wake_ns += ns;
}

void keep_see(entry *e, ladle_lease *lease)
{
    if (e->seen == lease)
        return;
    ladle_lease_watch(lease);
    if (e->seen != NULL)
        ladle_lease_unwatch(e->seen);
    e->seen = lease;
}

bool keep_is_damage(ladle_status status)
{
    return status == LADLE_IO || status == LADLE_TRUNCATED || status == LADLE_CORRUPT || status == LADLE_CHECKSUM;
}

/* The thread that brings it back for all. */
static ladle_status bring_back(ladle_cache *cache, int32_t at, entry *e, ladle_lease **lease, ladle_error *error)
{
    e->waking = true;
    e->busy++;
    pthread_mutex_unlock(&cache->lock);
    int64_t begin = ladle_now_ns();
    ladle_status status = wake(cache, at, e, lease, error);
    int64_t ns = ladle_now_ns() - begin;
    pthread_mutex_lock(&cache->lock);
    e->waking = false;
    pthread_cond_broadcast(&cache->changed);
    if (status == LADLE_OK) {
        count_wake(&cache->levels[at], e, ns);
        keep_see(e, *lease);
        if (e->state == MADE) {
            level_renew(cache, e);
            keep_copy(cache, e, *lease);
        }
    } else if (keep_is_damage(status)) {
        cache->damaged++;
        if (e->state == MADE)
            entry_remove(cache, e);
    }
    entry_unbusy(cache, e);
    return status;
}

/* Lends what is a block already. */
static bool lend_block(ladle_cache *cache, entry *e, ladle_lease **lease)
{
    int32_t at = level_of(cache, e, 0);
    level *l = &cache->levels[at];
    if (store_lends(l->store)) {
        if (l->store->ops->wake(l->store, e->places[at].form, e->dtype, e->count, lease, NULL) != LADLE_OK)
            return false;
        count_wake(l, e, 0);
    } else if (e->seen == NULL) {
        return false;
    } else if (ladle_lease_try_retain(e->seen)) {
        *lease = e->seen;
    } else {
        ladle_lease_unwatch(e->seen);
        e->seen = NULL;
        return false;
    }
    level_renew(cache, e);
    return true;
}

ladle_status keep_lend(ladle_cache *cache, entry *e, ladle_lease **lease, ladle_error *error)
{
    bool lent = lend_block(cache, e, lease);
    if (!lent && e->waking) {
        cache->waits++;
        e->waiters++;
        while (e->waking)
            pthread_cond_wait(&cache->changed, &cache->lock);
        e->waiters--;
        entry_free_if_idle(cache, e);
        return LADLE_CANCELLED;
    }
    e->hits++; /* before it may go */
    ladle_status status = lent ? LADLE_OK : bring_back(cache, level_of(cache, e, 0), e, lease, error);
    if (status == LADLE_OK)
        cache->hits++;
    return status;
}

/* --- down ------------------------------------------------------------------------------------ */

bool keep_move(ladle_cache *cache, int32_t from, int32_t to, unsigned how, entry *e)
{
    ladle_error why;
    ladle_lease *lease = NULL;
    pthread_mutex_unlock(&cache->lock);
    int64_t begin = ladle_now_ns();
    ladle_status status = wake(cache, from, e, &lease, &why);
    int64_t ns = ladle_now_ns() - begin;
    ladle_values values = {.dtype = e->dtype, .count = e->count, .layout_nbytes = e->layout_nbytes, .lease = lease};
    values.layout = entry_layout(cache, e);
    pthread_mutex_lock(&cache->lock);
    if (status != LADLE_OK)
        return false;
    values.data = ladle_lease_data(lease);
    if (!store_lends(cache->levels[from].store))
        count_wake(&cache->levels[from], e, ns);
    bool moved = false;
    for (; to < cache->n_levels && !moved && e->state == MADE; to++) {
        void *form;
        int64_t nbytes;
        moved = try_level(cache, to, how, &values, &form, &nbytes, &why) == PLACED;
        if (moved && e->state == MADE && e->places[to].form == NULL)
            level_attach(cache, to, e, form, nbytes);
        else if (moved)
            cache->levels[to].store->ops->drop(cache->levels[to].store, form);
    }
    pthread_mutex_unlock(&cache->lock);
    ladle_lease_release(lease);
    pthread_mutex_lock(&cache->lock);
    return moved;
}

/* --- from an earlier life -------------------------------------------------------------------- */

typedef struct loading {
    ladle_cache *cache;
    int32_t at;
    ladle_error *error;
    ladle_status status;
} loading;

static bool load_item(void *user, const ladle_store_item *item)
{
    loading *all = user;
    ladle_cache *cache = all->cache;
    ladle_store *store = cache->levels[all->at].store;
    uint64_t hash = ladle_xxh3_64(item->key, item->key_nbytes);
    entry *e = NULL;
    if (entry_find(cache, hash, item->key, item->key_nbytes) != NULL)
        all->status = ladle_fail(all->error, LADLE_CORRUPT, LADLE_NO_OFFSET, "a key occurs twice");
    else
        e = entry_create(cache, hash, item->key, item->key_nbytes, item->layout, item->layout_nbytes, all->error);
    if (e != NULL)
        all->status = entry_make_room(cache, all->error);
    else if (all->status == LADLE_OK)
        all->status = (ladle_status)all->error->status;
    if (all->status != LADLE_OK) {
        store->ops->drop(store, item->form);
        if (e != NULL)
            entry_free(cache, e);
        return false;
    }
    e->state = MADE;
    e->dtype = item->dtype;
    e->count = item->count;
    e->cost_ns = item->cost_ns;
    entry_index(cache, e);
    entry_link(cache, e, NULL);
    level_attach(cache, all->at, e, item->form, item->nbytes);
    return true;
}

ladle_status keep_load(ladle_cache *cache, ladle_error *error)
{
    for (int32_t i = 0; i < cache->n_levels; i++) {
        ladle_store *store = cache->levels[i].store;
        loading all = {.cache = cache, .at = i, .error = error};
        if (store->ops->load == NULL)
            continue;
        ladle_status status = store->ops->load(store, load_item, &all, error);
        if (status == LADLE_OK)
            status = all.status;
        if (status != LADLE_OK)
            return status;
    }
    return LADLE_OK;
}
