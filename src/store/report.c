/* Figures and listings of a cache, and its commit to a persistent store. */
#include "store/cache.h"

#include "base/error.h"

#include <string.h>

/* --- figures --------------------------------------------------------------------------------- */

static bool is_leased(const ladle_cache *cache, const entry *e)
{
    int32_t at = level_of(cache, e, 0);
    const ladle_store *store = cache->levels[at].store;
    if (store_lends(store))
        return store->ops->pinned(cache->levels[at].store, e->places[at].form);
    return e->seen != NULL && ladle_lease_is_pinned(e->seen);
}

/* Copies as much of a struct as its caller knows. */
static void give(void *to, size_t *struct_size, const void *full, size_t full_size)
{
    size_t size = *struct_size < full_size ? *struct_size : full_size;
    memcpy(to, full, size);
    *struct_size = size;
}

void ladle_cache_stats_get(ladle_cache *cache, ladle_cache_stats *stats)
{
    ladle_cache_stats full = {0};
    pthread_mutex_lock(&cache->lock);
    full.hits = cache->hits;
    full.misses = cache->misses;
    full.puts = cache->puts;
    full.evictions = cache->evictions;
    full.deletes = cache->deletes;
    full.entries = cache->entries;
    full.nbytes = cache->nbytes;
    full.peak_nbytes = cache->peak_nbytes;
    full.fetch_ns = cache->fetch_ns;
    full.damaged = cache->damaged;
    full.waits = cache->waits;
    full.levels = cache->n_levels;
    bool all_capped = true;
    for (int32_t i = 0; i < cache->n_levels; i++) {
        full.budget += cache->levels[i].budget;
        all_capped = all_capped && cache->levels[i].budget > 0;
    }
    if (!all_capped)
        full.budget = 0;
    for (const entry *e = cache->oldest; e != NULL; e = e->newer)
        if (e->state == MADE && store_lends(cache->levels[level_of(cache, e, 0)].store) && is_leased(cache, e))
            full.pinned_nbytes += e->places[level_of(cache, e, 0)].nbytes;
    pthread_mutex_unlock(&cache->lock);
    give(stats, &stats->struct_size, &full, sizeof full);
}

ladle_status ladle_cache_level_stats_get(ladle_cache *cache, int32_t at, ladle_cache_level_stats *stats,
                                         ladle_store_info *info, ladle_error *error)
{
    if (at < 0 || at >= cache->n_levels)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "level %d of a cache of %d", (int)at,
                          (int)cache->n_levels);
    level *l = &cache->levels[at];
    if (stats != NULL) {
        pthread_mutex_lock(&cache->lock);
        ladle_cache_level_stats full = l->stats;
        full.store = l->store->ops->name;
        full.nbytes = l->nbytes;
        full.peak_nbytes = l->peak_nbytes;
        full.budget = l->budget;
        pthread_mutex_unlock(&cache->lock);
        give(stats, &stats->struct_size, &full, sizeof full);
    }
    if (info != NULL) {
        ladle_store_info full = {.struct_size = sizeof full};
        l->store->ops->info(l->store, &full);
        give(info, &info->struct_size, &full, sizeof full);
    }
    return LADLE_OK;
}

void ladle_cache_visit(ladle_cache *cache, bool (*visit)(void *user, const ladle_cache_entry *entry), void *user)
{
    pthread_mutex_lock(&cache->lock);
    for (const entry *e = cache->oldest; e != NULL; e = e->newer) {
        if (e->state != MADE) /* it keeps a place */
            continue;
        ladle_cache_entry seen = {
            .struct_size = sizeof seen,
            .key = entry_key(cache, e),
            .key_nbytes = e->key_nbytes,
            .layout = entry_layout(cache, e),
            .layout_nbytes = e->layout_nbytes,
            .dtype = e->dtype,
            .count = e->count,
            .hits = e->hits,
            .cost_ns = e->cost_ns,
            .wake_ns = e->wake_ns,
            .pinned = is_leased(cache, e),
        };
        for (int32_t i = 0; i < LADLE_MAX_LEVELS; i++) {
            bool there = i < cache->n_levels && e->places[i].form != NULL;
            seen.level_nbytes[i] = there ? e->places[i].nbytes : -1;
            seen.nbytes += there ? e->places[i].nbytes : 0;
        }
        if (!visit(user, &seen))
            break;
    }
    pthread_mutex_unlock(&cache->lock);
}

/* --- commit ---------------------------------------------------------------------------------- */

/* Gives every entry a form in the level, as far as it has room. With the lock held, which it lets go of. */
static void bring_down(ladle_cache *cache, int32_t at)
{
    int64_t flush = ++cache->flushes;
    for (entry *e = cache->oldest; e != NULL;) {
        int32_t from = level_of(cache, e, 0);
        if (e->state != MADE || e->places[at].form != NULL || from >= at || e->flush == flush) {
            e = e->newer;
            continue;
        }
        e->flush = flush;
        e->busy++;
        (void)keep_move(cache, from, at, LEVEL_MOVE, e);
        entry *next = e->state == MADE ? e->newer : cache->oldest;
        entry_unbusy(cache, e);
        e = next;
    }
}

/* The entries of one level, each busy. With the lock held. Returns their number. */
static int64_t collect(ladle_cache *cache, int32_t at, ladle_store_item *items, entry **entries, int64_t most)
{
    int64_t n = 0;
    for (entry *e = cache->oldest; e != NULL && n < most; e = e->newer) {
        if (e->state != MADE || e->places[at].form == NULL)
            continue;
        e->busy++;
        entries[n] = e;
        items[n++] = (ladle_store_item){
            .key = entry_key(cache, e),
            .key_nbytes = e->key_nbytes,
            .dtype = e->dtype,
            .count = e->count,
            .layout = entry_layout(cache, e),
            .layout_nbytes = e->layout_nbytes,
            .cost_ns = e->cost_ns,
            .form = e->places[at].form,
            .nbytes = e->places[at].nbytes,
        };
    }
    return n;
}

static ladle_status commit_level(ladle_cache *cache, int32_t at, ladle_error *error)
{
    ladle_store *store = cache->levels[at].store;
    pthread_mutex_lock(&cache->lock);
    bring_down(cache, at);
    int64_t most = cache->levels[at].stats.entries;
    pthread_mutex_unlock(&cache->lock);
    /* What is put meanwhile is for the next commit. */
    size_t item_size = sizeof(ladle_store_item) + sizeof(entry *);
    ladle_store_item *items = ladle_alloc_array(cache->context, most + 1, item_size, LADLE_MEMORY_SCRATCH, error);
    if (items == NULL)
        return (ladle_status)error->status;
    entry **entries = (entry **)(void *)(items + most);
    pthread_mutex_lock(&cache->lock);
    int64_t n = collect(cache, at, items, entries, most);
    pthread_mutex_unlock(&cache->lock);
    ladle_status status = store->ops->commit(store, items, n, error);
    pthread_mutex_lock(&cache->lock);
    for (int64_t i = 0; i < n; i++)
        entry_unbusy(cache, entries[i]);
    pthread_mutex_unlock(&cache->lock);
    ladle_free(cache->context, items, (size_t)(most + 1) * item_size, LADLE_MEMORY_SCRATCH);
    return status;
}

ladle_status cache_commit(ladle_cache *cache, bool named_only, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_status status = LADLE_OK;
    pthread_mutex_lock(&cache->committing);
    for (int32_t i = 0; i < cache->n_levels && status == LADLE_OK; i++) {
        ladle_store *store = cache->levels[i].store;
        ladle_store_info info = {.struct_size = sizeof info};
        store->ops->info(store, &info);
        if (store->ops->commit != NULL && (info.named || !named_only))
            status = commit_level(cache, i, error);
    }
    pthread_mutex_unlock(&cache->committing);
    return status;
}
