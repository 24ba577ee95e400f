/* Levels of a cache: which forms leave when one is full, and whether they are dropped, moved down or evicted. */
#include "store/cache.h"

#include "base/checked.h"

/* Cost of what is not known: about that of zstd, in ns per byte. */
static const double unknown_cost_per_byte = 1.0;

/* Set while this thread moves a form: what it allocates for that must not make a reclaimer move more. */
static _Thread_local bool in_move;

/* --- heap ------------------------------------------------------------------------------------ */

static void heap_set(level *l, int32_t at, int64_t i, entry *e)
{
    l->heap[i] = e;
    e->places[at].heap_index = i;
}

/* Does `a` leave before `b`, as far as the heap knows? */
static bool leaves_before(int32_t at, const entry *a, const entry *b)
{
    const place *p = &a->places[at], *q = &b->places[at];
    return p->heap_priority < q->heap_priority || (p->heap_priority <= q->heap_priority && p->heap_used < q->heap_used);
}

static void sift_down(level *l, int32_t at, int64_t i, entry *e)
{
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= l->heap_count)
            break;
        if (child + 1 < l->heap_count && leaves_before(at, l->heap[child + 1], l->heap[child]))
            child++;
        if (!leaves_before(at, l->heap[child], e))
            break;
        heap_set(l, at, i, l->heap[child]);
        i = child;
    }
    heap_set(l, at, i, e);
}

static void sift_up(level *l, int32_t at, int64_t i, entry *e)
{
    while (i > 0 && leaves_before(at, e, l->heap[(i - 1) / 2])) {
        heap_set(l, at, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(l, at, i, e);
}

static void heap_insert(level *l, int32_t at, entry *e)
{
    e->places[at].heap_priority = e->places[at].priority;
    e->places[at].heap_used = e->used;
    l->heap_count++;
    sift_up(l, at, l->heap_count - 1, e);
}

static void heap_remove(level *l, int32_t at, entry *e)
{
    int64_t i = e->places[at].heap_index;
    entry *last = l->heap[--l->heap_count];
    if (last == e)
        return;
    if (leaves_before(at, last, e))
        sift_up(l, at, i, last);
    else
        sift_down(l, at, i, last);
}

/* --- forms ----------------------------------------------------------------------------------- */

int32_t level_of(const ladle_cache *cache, const entry *e, int32_t from)
{
    for (int32_t i = from; i < cache->n_levels; i++)
        if (e->places[i].form != NULL)
            return i;
    return -1;
}

/* What it costs to bring an entry back that has left this level, ns. */
static double cost_of_leaving(const ladle_cache *cache, int32_t at, const entry *e)
{
    double raw_nbytes = (double)e->count * (double)ladle_dtype_size(e->dtype);
    int32_t below = level_of(cache, e, at + 1);
    if (below < 0 && at + 1 < cache->n_levels)
        below = at + 1;
    if (below < 0)
        return e->cost_ns > 0 ? (double)e->cost_ns : raw_nbytes * unknown_cost_per_byte;
    const ladle_cache_level_stats *s = &cache->levels[below].stats;
    double per_byte = s->wake_raw_nbytes > 0 ? (double)s->wake_ns / (double)s->wake_raw_nbytes : unknown_cost_per_byte;
    return raw_nbytes * per_byte;
}

static void renew(const ladle_cache *cache, int32_t at, entry *e)
{
    place *p = &e->places[at];
    p->priority = cache->levels[at].clock + cost_of_leaving(cache, at, e) / (double)(p->nbytes + 1);
}

void level_hasten(ladle_cache *cache, entry *e)
{
    for (int32_t i = 0; i < cache->n_levels; i++)
        if (e->places[i].form != NULL) {
            level *l = &cache->levels[i];
            e->places[i].priority = e->places[i].heap_priority = 0;
            sift_up(l, i, e->places[i].heap_index, e);
        }
}

void level_renew(ladle_cache *cache, entry *e)
{
    e->used = ++cache->tick;
    for (int32_t i = 0; i < cache->n_levels; i++)
        if (e->places[i].form != NULL)
            renew(cache, i, e);
}

void level_attach(ladle_cache *cache, int32_t at, entry *e, void *form, int64_t nbytes)
{
    level *l = &cache->levels[at];
    e->places[at].form = form;
    e->places[at].nbytes = nbytes;
    level_renew(cache, e);
    heap_insert(l, at, e);
    l->stats.entries++;
    l->nbytes += nbytes;
    l->peak_nbytes = ladle_max(l->peak_nbytes, l->nbytes);
    cache->nbytes += nbytes;
    cache->peak_nbytes = ladle_max(cache->peak_nbytes, cache->nbytes);
}

void level_uncount(ladle_cache *cache, int32_t at, entry *e)
{
    level *l = &cache->levels[at];
    heap_remove(l, at, e);
    l->stats.entries--;
    l->nbytes -= e->places[at].nbytes;
    cache->nbytes -= e->places[at].nbytes;
}

void level_drop(ladle_cache *cache, int32_t at, entry *e)
{
    ladle_store *store = cache->levels[at].store;
    level_uncount(cache, at, e);
    store->ops->drop(store, e->places[at].form);
    e->places[at].form = NULL;
}

/* --- who leaves ------------------------------------------------------------------------------ */

/* A copy can always leave, in use or not, and so can what is about to be replaced; what has no other form can while
 * nobody uses it. */
static bool may_leave(const ladle_cache *cache, int32_t at, const entry *e, unsigned how)
{
    ladle_store *store = cache->levels[at].store;
    bool is_last = at + 1 == cache->n_levels;
    if (e->busy > 0 || e->moving)
        return false;
    if (level_of(cache, e, at + 1) >= 0 || level_of(cache, e, 0) < at)
        return true;
    if (e->replacers == 0 && (how & (is_last ? LEVEL_EVICT : LEVEL_MOVE)) == 0)
        return false;
    return store->ops->pinned == NULL || !store->ops->pinned(store, e->places[at].form);
}

/* The form that leaves next, or NULL. */
static entry *find_victim(ladle_cache *cache, int32_t at, unsigned how)
{
    level *l = &cache->levels[at];
    entry *aside = NULL, *victim = NULL; /* passed over, linked through `aside` */
    while (victim == NULL && l->heap_count > 0) {
        entry *e = l->heap[0];
        place *p = &e->places[at];
        if (p->heap_priority < p->priority || p->heap_used < e->used) {
            /* Used since the heap last looked. */
            p->heap_priority = p->priority;
            p->heap_used = e->used;
            sift_down(l, at, 0, e);
        } else if (may_leave(cache, at, e, how)) {
            victim = e;
        } else {
            heap_remove(l, at, e);
            e->aside = aside;
            aside = e;
        }
    }
    while (aside != NULL) {
        entry *next = aside->aside;
        heap_insert(l, at, aside);
        aside = next;
    }
    return victim;
}

static void evict(ladle_cache *cache, level *l, entry *e)
{
    if (e->replacers == 0) {
        l->stats.evictions++;
        cache->evictions++;
    }
    entry_remove(cache, e);
}

/* Lets the form go: a copy is dropped, else it is moved down, else the entry is evicted. False: it stays. */
static bool leave(ladle_cache *cache, int32_t at, entry *e, unsigned how)
{
    level *l = &cache->levels[at];
    l->clock = e->places[at].priority;
    if (level_of(cache, e, at + 1) >= 0 || level_of(cache, e, 0) < at) {
        l->stats.drops++;
        level_drop(cache, at, e);
        return true;
    }
    if (at + 1 < cache->n_levels && e->replacers == 0) {
        int64_t nbytes = e->places[at].nbytes;
        e->moving = true;
        e->busy++;
        l->leaving += nbytes;
        bool was_in_move = in_move;
        in_move = true;
        bool moved = keep_move(cache, at, at + 1, how, e);
        in_move = was_in_move;
        l->leaving -= nbytes;
        e->moving = false;
        if (moved && e->state == MADE) {
            l->stats.moves++;
            if (e->busy == 1) /* else it stays for now, as a copy: somebody has begun to work with it */
                level_drop(cache, at, e);
        } else if (!moved && e->state == MADE && (how & LEVEL_EVICT) != 0) {
            evict(cache, l, e);
            moved = true;
        }
        entry_unbusy(cache, e);
        pthread_cond_broadcast(&cache->changed);
        return moved;
    }
    evict(cache, l, e);
    return true;
}

int64_t level_shrink(ladle_cache *cache, int32_t at, int64_t target, unsigned how)
{
    level *l = &cache->levels[at];
    int64_t left = 0;
    target = ladle_max(target, 0);
    while (l->nbytes > target) {
        entry *victim = l->nbytes - l->leaving > target ? find_victim(cache, at, how) : NULL;
        if (victim != NULL) {
            int64_t nbytes = victim->places[at].nbytes;
            if (!leave(cache, at, victim, how))
                break;
            left += nbytes;
        } else if (l->leaving > 0 && (how & LEVEL_MOVE) != 0) {
            pthread_cond_wait(&cache->changed, &cache->lock); /* others move what has to leave */
        } else {
            break;
        }
    }
    return left;
}

bool level_make_room(ladle_cache *cache, int32_t at, int64_t need, unsigned how)
{
    level *l = &cache->levels[at];
    if (l->budget > 0 && need > l->budget)
        return false;
    while (l->budget > 0 && l->nbytes + l->reserved + need > l->budget) {
        int64_t before = l->nbytes + l->reserved;
        (void)level_shrink(cache, at, l->budget - l->reserved - need, how);
        if (l->nbytes + l->reserved >= before && l->nbytes + l->reserved + need > l->budget)
            return false;
    }
    return true;
}

int64_t level_estimate(const ladle_cache *cache, int32_t at, int64_t raw_nbytes)
{
    const level *l = &cache->levels[at];
    if (l->stats.rest_raw_nbytes == 0 || store_lends(l->store))
        return raw_nbytes;
    double ratio = (double)l->stats.rest_nbytes / (double)l->stats.rest_raw_nbytes;
    return (int64_t)(ratio * (double)raw_nbytes + 0.5);
}

int64_t level_reclaim(void *user, int64_t need, bool may_wait)
{
    ladle_cache *cache = user;
    if (may_wait)
        pthread_mutex_lock(&cache->lock);
    else if (pthread_mutex_trylock(&cache->lock) != 0)
        return 0;
    unsigned how = may_wait && !in_move ? LEVEL_MOVE | LEVEL_EVICT : LEVEL_EVICT;
    int64_t freed = 0;
    for (int32_t i = 0; i < cache->n_levels && freed < need; i++) {
        level *l = &cache->levels[i];
        if ((l->store->ops->capabilities & LADLE_STORE_ON_DISK) == 0)
            freed += level_shrink(cache, i, l->nbytes - (need - freed), how);
    }
    pthread_mutex_unlock(&cache->lock);
    return freed;
}
