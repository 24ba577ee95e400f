/* Slabs, pages and the pool. All state is under heap->lock; mmap and munmap are called with it held only
 * where the result must be published with it (a new slab), else outside. */
#include "memory/heap.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The build sets LADLE_HEAP_MALLOC for valgrind, which needs it as sanitizers do. */
#if !defined(LADLE_HEAP_MALLOC) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define LADLE_HEAP_MALLOC 1
#endif
#if !defined(LADLE_HEAP_MALLOC) && defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define LADLE_HEAP_MALLOC 1
#endif
#endif
#ifndef LADLE_HEAP_MALLOC
#define LADLE_HEAP_MALLOC 0
#endif

enum {
    ALIGNMENT = 64,
    SMALL_MAX = 32 << 10,
    SLAB_SIZE = 256 << 10,
    PAGE = 4096,
    HOLES_SHARE = 16, /* of what was in use */
    HOLES_NBYTES = 16 << 20,
    GROW_MAX = 4 /* a pooled block is grown to at most this many times its size */
};

struct ladle_slab {
    ladle_slab *next, *previous; /* in heap->roomy[class_index], while `listed` */
    void *free_list;             /* freed objects, linked through their first word */
    uint32_t class_index;
    uint32_t object_size;
    uint32_t capacity; /* objects in all */
    uint32_t fresh;    /* objects never handed out: index of the first */
    uint32_t live;
    bool listed;
};

enum { SLAB_HEADER = 128 };
_Static_assert(sizeof(ladle_slab) <= SLAB_HEADER, "the header must fit before the first object");

/* Rounds up to one of `steps` sizes per doubling, at least `grain` apart. */
static size_t round_to_class(size_t size, size_t steps, size_t grain)
{
    size_t step = grain;
    while (size > step * steps * 2)
        step *= 2;
    return (size + step - 1) / step * step;
}

bool ladle_heap_is_malloc(void)
{
    return LADLE_HEAP_MALLOC;
}

size_t ladle_heap_capacity(size_t size)
{
    if (size > SIZE_MAX / 4) /* the rounding below would wrap, and run for ever */
        return 0;
    if (LADLE_HEAP_MALLOC)
        return size == 0 ? 1 : size;
    if (size <= SMALL_MAX)
        return round_to_class(size == 0 ? 1 : size, 8, ALIGNMENT);
    return (size + PAGE - 1) / PAGE * PAGE;
}

/* Classes of sizes that round_to_class(size, 8, 64) gives: 64..1024 by 64, then 8 per doubling. */
static uint32_t small_class(size_t capacity)
{
    size_t step = ALIGNMENT;
    uint32_t base = 0;
    while (capacity > step * 16) {
        step *= 2;
        base += 8;
    }
    return base + (uint32_t)(capacity / step) - 1;
}

int ladle_heap_init(ladle_heap *heap, int64_t pool_max)
{
    memset(heap, 0, sizeof *heap);
    heap->pool_max = pool_max;
    return pthread_mutex_init(&heap->lock, NULL);
}

void ladle_heap_destroy(ladle_heap *heap)
{
    (void)ladle_heap_trim(heap);
    (void)pthread_mutex_destroy(&heap->lock);
}

static void *map_pages(size_t nbytes)
{
    void *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void *map_slab(void)
{
    uint8_t *raw = map_pages(2 * (size_t)SLAB_SIZE);
    if (raw == NULL)
        return NULL;
    size_t lead = (SLAB_SIZE - (uintptr_t)raw % SLAB_SIZE) % SLAB_SIZE;
    if (lead != 0)
        (void)munmap(raw, lead);
    (void)munmap(raw + lead + SLAB_SIZE, (size_t)SLAB_SIZE - lead);
    return raw + lead;
}

static void list_slab(ladle_heap *heap, ladle_slab *slab)
{
    slab->previous = NULL;
    slab->next = heap->roomy[slab->class_index];
    if (slab->next != NULL)
        slab->next->previous = slab;
    heap->roomy[slab->class_index] = slab;
    slab->listed = true;
}

static void unlist_slab(ladle_heap *heap, ladle_slab *slab)
{
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        heap->roomy[slab->class_index] = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
    slab->listed = false;
}

static int64_t slab_touched(const ladle_slab *slab)
{
    return SLAB_HEADER + (int64_t)slab->fresh * slab->object_size;
}

static void unmap_slab(ladle_heap *heap, ladle_slab *slab)
{
    unlist_slab(heap, slab);
    heap->slab_free_nbytes -= slab_touched(slab);
    heap->held_nbytes -= slab_touched(slab);
    (void)munmap(slab, SLAB_SIZE);
}

/* Is there room for `growth` more bytes under the ceiling? */
static bool fits(const ladle_heap *heap, int64_t growth, ladle_heap_request *request)
{
    int64_t excess = request->ceiling == 0 ? 0 : heap->held_nbytes + growth - request->ceiling;
    request->excess = excess > 0 ? excess : 0;
    return excess <= 0 || growth == 0;
}

static void hold(ladle_heap *heap, int64_t nbytes)
{
    heap->held_nbytes += nbytes;
    if (heap->held_nbytes > heap->peak_nbytes)
        heap->peak_nbytes = heap->held_nbytes;
}

static void *slab_get(ladle_heap *heap, size_t object_size, ladle_heap_request *request)
{
    uint32_t class_index = small_class(object_size);
    ladle_slab *slab = heap->roomy[class_index];
    int64_t growth = slab == NULL              ? SLAB_HEADER + (int64_t)object_size
                     : slab->free_list != NULL ? 0
                                               : (int64_t)object_size;
    if (!fits(heap, growth, request))
        return NULL;
    if (slab == NULL) {
        slab = map_slab();
        if (slab == NULL)
            return NULL;
        slab->class_index = class_index;
        slab->object_size = (uint32_t)object_size;
        slab->capacity = (uint32_t)((SLAB_SIZE - SLAB_HEADER) / object_size);
        heap->slab_free_nbytes += SLAB_HEADER;
        list_slab(heap, slab);
    }
    hold(heap, growth);
    void *object = slab->free_list;
    request->zeroed = object == NULL;
    if (object != NULL) {
        memcpy(&slab->free_list, object, sizeof slab->free_list);
        heap->slab_free_nbytes -= slab->object_size;
    } else {
        object = (uint8_t *)slab + SLAB_HEADER + (size_t)slab->fresh * slab->object_size;
        slab->fresh++;
    }
    slab->live++;
    if (slab->free_list == NULL && slab->fresh == slab->capacity)
        unlist_slab(heap, slab);
    return object;
}

static void slab_put(ladle_heap *heap, void *object)
{
    ladle_slab *slab = (ladle_slab *)((uintptr_t)object & ~((uintptr_t)SLAB_SIZE - 1));
    memcpy(object, &slab->free_list, sizeof slab->free_list);
    slab->free_list = object;
    slab->live--;
    heap->slab_free_nbytes += slab->object_size;
    if (!slab->listed)
        list_slab(heap, slab);
    /* One empty slab per class stays, so that a lone object that comes and goes does not map and unmap. */
    if (slab->live == 0 && (slab->next != NULL || slab->previous != NULL))
        unmap_slab(heap, slab);
}

/* Held, but for what is free. */
static int64_t live_nbytes(const ladle_heap *heap)
{
    return heap->held_nbytes - heap->pool_nbytes - heap->slab_free_nbytes;
}

/* What the pool may keep, while `freed` bytes are on their way into it. Towards a goal, what was in use at once, and
 * some room for holes that nothing fits: with no more than the goal they would become more and more. */
static int64_t pool_limit(ladle_heap *heap, int64_t freed)
{
    int64_t live = live_nbytes(heap) - freed, goal = heap->goal;
    if (goal > 0) {
        heap->live_high = ladle_max(heap->live_high, live);
        goal = ladle_min(goal, heap->live_high + heap->live_high / HOLES_SHARE + HOLES_NBYTES);
    }
    return ladle_max(goal - live, heap->pool_max);
}

/* Unmaps the oldest pooled blocks until at most `max` bytes are left. */
static int64_t pool_shrink(ladle_heap *heap, int64_t max)
{
    int n = 0;
    int64_t freed = 0;
    while (n < heap->pool_count && heap->pool_nbytes - freed > max) {
        freed += (int64_t)heap->pool[n].capacity;
        (void)munmap(heap->pool[n].memory, heap->pool[n].capacity);
        n++;
    }
    heap->pool_nbytes -= freed;
    heap->held_nbytes -= freed;
    heap->pool_count -= n;
    memmove(&heap->pool[0], &heap->pool[n], (size_t)heap->pool_count * sizeof heap->pool[0]);
    return freed;
}

static void give_back(ladle_heap *heap, void *memory, size_t nbytes)
{
    heap->held_nbytes -= (int64_t)nbytes;
    (void)munmap(memory, nbytes);
}

static void *pool_take(ladle_heap *heap, int i)
{
    void *memory = heap->pool[i].memory;
    heap->pool_nbytes -= (int64_t)heap->pool[i].capacity;
    heap->pool_count--;
    memmove(&heap->pool[i], &heap->pool[i + 1], (size_t)(heap->pool_count - i) * sizeof heap->pool[0]);
    return memory;
}

/* Takes pooled blocks that lie right before or behind these pages out of the pool, and makes one block of all: what was
 * cut off a block comes together with it again when that is free, too. */
static void pool_join(ladle_heap *heap, uint8_t **memory, size_t *nbytes)
{
    for (int i = heap->pool_count - 1; i >= 0; i--) {
        uint8_t *other = heap->pool[i].memory;
        if (other + heap->pool[i].capacity == *memory)
            *memory = other;
        else if (*memory + *nbytes != other)
            continue;
        *nbytes += heap->pool[i].capacity;
        (void)pool_take(heap, i);
    }
}

/* Puts free pages into the pool: of a block larger than the pool its head, of few pages nothing. With the lock. */
static void pool_add(ladle_heap *heap, void *pages, size_t nbytes)
{
    uint8_t *memory = pages;
    pool_join(heap, &memory, &nbytes);
    size_t most = (size_t)pool_limit(heap, (int64_t)nbytes) / PAGE * PAGE;
    if (nbytes > most && most > SMALL_MAX) {
        give_back(heap, memory + most, nbytes - most);
        nbytes = most;
    }
    if (nbytes <= SMALL_MAX || nbytes > most) {
        give_back(heap, memory, nbytes);
        return;
    }
    if (heap->pool_count == LADLE_POOL_SLOTS)
        (void)pool_shrink(heap, heap->pool_nbytes - 1);
    heap->pool[heap->pool_count].memory = memory;
    heap->pool[heap->pool_count].capacity = nbytes;
    heap->pool_count++;
    heap->pool_nbytes += (int64_t)nbytes;
    (void)pool_shrink(heap, pool_limit(heap, 0));
}

/* The pooled block to serve `need` from: the smallest that is large enough, else the largest one that is worth to be
 * grown. -1 if there is none. */
static int pool_choose(const ladle_heap *heap, size_t need)
{
    int best = -1;
    for (int i = 0; i < heap->pool_count; i++) {
        size_t have = heap->pool[i].capacity, chosen = best < 0 ? 0 : heap->pool[best].capacity;
        bool better = chosen >= need ? have >= need && have < chosen : have > chosen;
        if (better)
            best = i;
    }
    return best >= 0 && heap->pool[best].capacity >= need / GROW_MAX ? best : -1;
}

/* Moves or extends mapped pages; NULL if that cannot be had, and then they are as they were. */
static void *grow_pages(void *memory, size_t have, size_t need)
{
#if defined(__linux__)
    void *larger = mremap(memory, have, need, MREMAP_MAYMOVE);
    if (larger != MAP_FAILED)
        return larger;
    /* Joined blocks are mappings of their own to the kernel, which then does not extend them. */
    larger = map_pages(need);
    if (larger != NULL)
        (void)munmap(memory, have);
    return larger;
#else
    (void)memory;
    (void)have;
    (void)need;
    return NULL;
#endif
}

/* Free pages are reused whatever their size, since they are resident already and a page fault costs more than
 * anything else here: a larger block is split, a smaller one is grown; only then are fresh pages mapped. Under
 * LADLE_HEAP_MALLOC all is from malloc. */
static void *pages_get(ladle_heap *heap, ladle_heap_request *request)
{
    size_t need = request->capacity, have = 0;
    void *memory = NULL;
    pthread_mutex_lock(&heap->lock);
    int chosen = LADLE_HEAP_MALLOC ? -1 : pool_choose(heap, need);
    if (chosen >= 0)
        have = heap->pool[chosen].capacity;
    int64_t growth = have < need ? (int64_t)(need - have) : 0;
    if (!fits(heap, growth, request)) {
        pthread_mutex_unlock(&heap->lock);
        return NULL;
    }
    hold(heap, growth);
    if (chosen >= 0)
        memory = pool_take(heap, chosen);
    if (have > need)
        pool_add(heap, (uint8_t *)memory + need, have - need);
    else if (growth > 0 && heap->goal > 0) /* what is in the pool, and does not serve, makes room */
        (void)pool_shrink(heap, pool_limit(heap, 0));
    pthread_mutex_unlock(&heap->lock);
    if (have >= need)
        return memory;
    void *pooled = memory;
    if (LADLE_HEAP_MALLOC)
        memory = posix_memalign(&memory, ALIGNMENT, need) == 0 ? memory : NULL;
    else
        memory = pooled == NULL ? map_pages(need) : grow_pages(pooled, have, need);
    request->zeroed = !LADLE_HEAP_MALLOC && pooled == NULL;
    if (memory == NULL) {
        pthread_mutex_lock(&heap->lock);
        heap->held_nbytes -= growth;
        if (pooled != NULL)
            pool_add(heap, pooled, have);
        pthread_mutex_unlock(&heap->lock);
    }
    return memory;
}

void *ladle_heap_get(ladle_heap *heap, ladle_heap_request *request)
{
    request->capacity = ladle_heap_capacity(request->size);
    request->zeroed = false;
    request->excess = 0;
    if (request->capacity < request->size)
        return NULL;
    if (LADLE_HEAP_MALLOC || request->capacity > SMALL_MAX)
        return pages_get(heap, request);
    pthread_mutex_lock(&heap->lock);
    void *memory = slab_get(heap, request->capacity, request);
    pthread_mutex_unlock(&heap->lock);
    return memory;
}

void ladle_heap_put(ladle_heap *heap, void *memory, size_t capacity)
{
    pthread_mutex_lock(&heap->lock);
    if (LADLE_HEAP_MALLOC) {
        heap->held_nbytes -= (int64_t)capacity;
        free(memory);
    } else if (capacity <= SMALL_MAX) {
        slab_put(heap, memory);
    } else {
        pool_add(heap, memory, capacity);
    }
    pthread_mutex_unlock(&heap->lock);
}

bool ladle_heap_cut(ladle_heap *heap, void *memory, size_t capacity, size_t kept)
{
    if (LADLE_HEAP_MALLOC || kept <= SMALL_MAX)
        return false;
    pthread_mutex_lock(&heap->lock);
    pool_add(heap, (uint8_t *)memory + kept, capacity - kept);
    pthread_mutex_unlock(&heap->lock);
    return true;
}

int64_t ladle_heap_trim(ladle_heap *heap)
{
    pthread_mutex_lock(&heap->lock);
    int64_t before = heap->pool_nbytes + heap->slab_free_nbytes;
    (void)pool_shrink(heap, 0);
    for (int i = 0; i < LADLE_SMALL_CLASSES; i++)
        for (ladle_slab *slab = heap->roomy[i], *next; slab != NULL; slab = next) {
            next = slab->next;
            if (slab->live == 0)
                unmap_slab(heap, slab);
        }
    int64_t freed = before - heap->pool_nbytes - heap->slab_free_nbytes;
    pthread_mutex_unlock(&heap->lock);
    return freed;
}

void ladle_heap_set_pool(ladle_heap *heap, int64_t pool_max, int64_t goal)
{
    pthread_mutex_lock(&heap->lock);
    heap->pool_max = pool_max < 0 ? 0 : pool_max;
    heap->live_high = heap->goal > 0 && goal > 0 ? heap->live_high : 0;
    heap->goal = goal;
    (void)pool_shrink(heap, pool_limit(heap, 0));
    pthread_mutex_unlock(&heap->lock);
}

int64_t ladle_heap_live_nbytes(ladle_heap *heap)
{
    pthread_mutex_lock(&heap->lock);
    int64_t nbytes = live_nbytes(heap);
    pthread_mutex_unlock(&heap->lock);
    return nbytes;
}

int64_t ladle_heap_free_nbytes(ladle_heap *heap)
{
    pthread_mutex_lock(&heap->lock);
    int64_t nbytes = heap->pool_nbytes + heap->slab_free_nbytes;
    pthread_mutex_unlock(&heap->lock);
    return nbytes;
}

void ladle_heap_charge(ladle_heap *heap, int64_t nbytes)
{
    pthread_mutex_lock(&heap->lock);
    hold(heap, nbytes);
    pthread_mutex_unlock(&heap->lock);
}

int64_t ladle_heap_peak_nbytes(ladle_heap *heap)
{
    pthread_mutex_lock(&heap->lock);
    int64_t nbytes = heap->peak_nbytes;
    pthread_mutex_unlock(&heap->lock);
    return nbytes;
}
