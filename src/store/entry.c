/* Entries of a cache: their index over byte-string keys, and the order in which they were put. */
#include "store/cache.h"

#include <string.h>

/* --- memory ---------------------------------------------------------------------------------- */

static size_t places_nbytes(const ladle_cache *cache)
{
    return (size_t)cache->n_levels * sizeof(place);
}

const char *entry_key(const ladle_cache *cache, const entry *e)
{
    return (const char *)e + sizeof *e + places_nbytes(cache);
}

const char *entry_layout(const ladle_cache *cache, const entry *e)
{
    return e->layout_nbytes == 0 ? NULL : entry_key(cache, e) + e->key_nbytes;
}

static size_t entry_nbytes(const ladle_cache *cache, const entry *e)
{
    return sizeof *e + places_nbytes(cache) + e->key_nbytes + e->layout_nbytes;
}

entry *entry_create(ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes, const void *layout,
                    size_t layout_nbytes, ladle_error *error)
{
    size_t nbytes = sizeof(entry) + places_nbytes(cache) + key_nbytes + layout_nbytes;
    entry *e = ladle_alloc(cache->context, nbytes, LADLE_MEMORY_METADATA, error);
    if (e == NULL && error->status == LADLE_BUDGET && level_reclaim(cache, (int64_t)nbytes, true) > 0)
        e = ladle_alloc(cache->context, nbytes, LADLE_MEMORY_METADATA, error);
    if (e == NULL)
        return NULL;
    e->hash = hash;
    e->key_nbytes = (uint32_t)key_nbytes;
    e->layout_nbytes = (uint32_t)layout_nbytes;
    char *at = (char *)e + sizeof *e + places_nbytes(cache);
    memcpy(at, key, key_nbytes);
    if (layout_nbytes > 0)
        memcpy(at + key_nbytes, layout, layout_nbytes);
    return e;
}

void entry_free(ladle_cache *cache, entry *e)
{
    for (int32_t i = 0; i < cache->n_levels; i++)
        if (e->places[i].form != NULL)
            cache->levels[i].store->ops->drop(cache->levels[i].store, e->places[i].form);
    if (e->seen != NULL)
        ladle_lease_unwatch(e->seen);
    if (e->error != NULL)
        ladle_free(cache->context, e->error, sizeof *e->error, LADLE_MEMORY_METADATA);
    ladle_free(cache->context, e, entry_nbytes(cache, e), LADLE_MEMORY_METADATA);
}

void entry_free_if_idle(ladle_cache *cache, entry *e)
{
    if (!e->indexed && e->busy == 0 && e->waiters == 0 && e->replacers == 0)
        entry_free(cache, e);
}

void entry_unbusy(ladle_cache *cache, entry *e)
{
    e->busy--;
    entry_free_if_idle(cache, e);
}

/* Metadata, with the lock held: the budget cannot ask this cache for room then, so it gives it by itself. */
static void *alloc_locked(ladle_cache *cache, size_t nbytes, ladle_error *error)
{
    void *memory = ladle_alloc(cache->context, nbytes, LADLE_MEMORY_METADATA, error);
    while (memory == NULL && error->status == LADLE_BUDGET) {
        int64_t freed = 0;
        for (int32_t i = 0; i < cache->n_levels && freed == 0; i++)
            if ((cache->levels[i].store->ops->capabilities & LADLE_STORE_ON_DISK) == 0)
                freed = level_shrink(cache, i, cache->levels[i].nbytes - (int64_t)nbytes, LEVEL_EVICT);
        if (freed == 0)
            break;
        memory = ladle_alloc(cache->context, nbytes, LADLE_MEMORY_METADATA, error);
    }
    return memory;
}

/* --- index ----------------------------------------------------------------------------------- */

static int64_t find_slot(const ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes)
{
    uint64_t mask = (uint64_t)cache->index_size - 1;
    uint64_t at = hash & mask;
    for (; cache->index[at] != NULL; at = (at + 1) & mask) {
        const entry *e = cache->index[at];
        if (e->hash == hash && e->key_nbytes == key_nbytes && memcmp(entry_key(cache, e), key, key_nbytes) == 0)
            break;
    }
    return (int64_t)at;
}

entry *entry_find(const ladle_cache *cache, uint64_t hash, const void *key, size_t key_nbytes)
{
    return cache->index_size == 0 ? NULL : cache->index[find_slot(cache, hash, key, key_nbytes)];
}

static ladle_status grow_index(ladle_cache *cache, ladle_error *error)
{
    if ((cache->index_used + 1) * 2 <= cache->index_size)
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

static ladle_status grow_heap(ladle_cache *cache, level *l, ladle_error *error)
{
    if (cache->index_used < l->heap_capacity)
        return LADLE_OK;
    int64_t capacity = l->heap_capacity == 0 ? 64 : l->heap_capacity * 2;
    entry **heap = alloc_locked(cache, (size_t)capacity * sizeof *heap, error);
    if (heap == NULL)
        return (ladle_status)error->status;
    if (l->heap_count > 0)
        memcpy(heap, l->heap, (size_t)l->heap_count * sizeof *heap);
    ladle_free(cache->context, l->heap, (size_t)l->heap_capacity * sizeof *heap, LADLE_MEMORY_METADATA);
    l->heap = heap;
    l->heap_capacity = capacity;
    return LADLE_OK;
}

ladle_status entry_make_room(ladle_cache *cache, ladle_error *error)
{
    ladle_status status = grow_index(cache, error);
    for (int32_t i = 0; i < cache->n_levels && status == LADLE_OK; i++)
        status = grow_heap(cache, &cache->levels[i], error);
    return status;
}

void entry_index(ladle_cache *cache, entry *e)
{
    cache->index[find_slot(cache, e->hash, entry_key(cache, e), e->key_nbytes)] = e;
    cache->index_used++;
    e->indexed = true;
}

/* Shifts back what follows, so that no tombstones gather. */
void entry_unindex(ladle_cache *cache, entry *e)
{
    uint64_t mask = (uint64_t)cache->index_size - 1;
    uint64_t hole = (uint64_t)find_slot(cache, e->hash, entry_key(cache, e), e->key_nbytes);
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

/* --- order ----------------------------------------------------------------------------------- */

void entry_link(ladle_cache *cache, entry *e, entry *newer)
{
    e->newer = newer;
    e->older = newer == NULL ? cache->newest : newer->older;
    *(e->older == NULL ? &cache->oldest : &e->older->newer) = e;
    *(newer == NULL ? &cache->newest : &newer->older) = e;
    e->linked = true;
    cache->entries++;
}

static void unlink_entry(ladle_cache *cache, entry *e)
{
    *(e->older == NULL ? &cache->oldest : &e->older->newer) = e->newer;
    *(e->newer == NULL ? &cache->newest : &e->newer->older) = e->older;
    e->linked = false;
}

void entry_remove(ladle_cache *cache, entry *e)
{
    for (int32_t i = 0; i < cache->n_levels; i++)
        if (e->places[i].form != NULL && e->busy > 0)
            level_uncount(cache, i, e); /* dropped by the last one who works with it */
        else if (e->places[i].form != NULL)
            level_drop(cache, i, e);
    if (e->replacers == 0)
        unlink_entry(cache, e);
    entry_unindex(cache, e);
    cache->entries--;
    e->state = GONE;
    entry_free_if_idle(cache, e);
}

void entry_clear(ladle_cache *cache)
{
    for (entry *e = cache->oldest, *newer; e != NULL; e = newer) {
        newer = e->newer;
        if (e->state == MADE)
            entry_remove(cache, e);
        else
            unlink_entry(cache, e); /* kept a place, and there is no order to keep any more */
    }
}

void entry_begin_replacing(ladle_cache *cache, entry *old)
{
    if (old->replacers++ == 0)
        level_hasten(cache, old);
}

void entry_end_replacing(ladle_cache *cache, entry *old)
{
    if (--old->replacers > 0)
        return;
    if (old->state == MADE)
        level_renew(cache, old);
    else if (old->linked)
        unlink_entry(cache, old);
    entry_free_if_idle(cache, old);
}
