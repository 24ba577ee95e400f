#include "memory/region.h"

#include "base/error.h"
#include "memory/heap.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

/* A piece that was let go of, written into it. */
typedef struct dropped {
    struct dropped *next;
    size_t capacity;
} dropped;
_Static_assert(sizeof(dropped) <= LADLE_REGION_GRAIN, "it must fit into the smallest piece");

struct ladle_region {
    ladle_context *context;
    pthread_mutex_t lock;
    uint8_t *memory;
    size_t capacity, used;
    int64_t live;             /* pieces */
    int64_t given_back;       /* bytes of the memory */
    dropped *dropped;         /* that are not given back */
    bool sealed, swept, held; /* held: by its creator */
};

ladle_region *ladle_region_create(ladle_context *context, size_t nbytes, ladle_error *error)
{
    ladle_region *region = ladle_alloc(context, sizeof *region, LADLE_MEMORY_METADATA, error);
    if (region == NULL)
        return NULL;
    region->context = context;
    region->held = true;
    if (!ladle_heap_is_malloc() && nbytes > 0)
        region->memory = ladle_pages_alloc(context, nbytes, LADLE_MEMORY_LEASED, &region->capacity, error);
    if (!ladle_heap_is_malloc() && nbytes > 0 && region->memory == NULL) {
        ladle_free(context, region, sizeof *region, LADLE_MEMORY_METADATA);
        return NULL;
    }
    ladle_context_retain(context);
    (void)pthread_mutex_init(&region->lock, NULL);
    return region;
}

ladle_context *ladle_region_context(const ladle_region *region)
{
    return region->context;
}

void *ladle_region_cut(ladle_region *region, size_t nbytes, size_t *capacity)
{
    void *memory = NULL;
    pthread_mutex_lock(&region->lock);
    if (nbytes <= SIZE_MAX - LADLE_REGION_GRAIN) {
        *capacity = (nbytes + LADLE_REGION_GRAIN - 1) / LADLE_REGION_GRAIN * LADLE_REGION_GRAIN;
        if (*capacity <= region->capacity - region->used) {
            memory = region->memory + region->used;
            region->used += *capacity;
            region->live++;
        }
    }
    pthread_mutex_unlock(&region->lock);
    return memory;
}

/* Whole pages inside of a piece, which nobody uses any more. */
static void give_back(ladle_region *region, void *piece, size_t capacity)
{
    uintptr_t begin = ((uintptr_t)piece + PAGE - 1) / PAGE * PAGE, end = ((uintptr_t)piece + capacity) / PAGE * PAGE;
    if (end <= begin || madvise((uint8_t *)piece + (begin - (uintptr_t)piece), end - begin, MADV_DONTNEED) != 0)
        return;
    region->given_back += (int64_t)(end - begin);
    ladle_ledger_charge(region->context, LADLE_MEMORY_LEASED, -(int64_t)(end - begin));
}

/* Frees what is not needed any more; unlocks. */
static void settle(ladle_region *region)
{
    ladle_context *context = region->context;
    bool is_over = region->sealed && region->live == 0;
    if (is_over && region->memory != NULL) {
        if (region->given_back > 0)
            ladle_ledger_charge(context, LADLE_MEMORY_LEASED, region->given_back);
        ladle_pages_free(context, region->memory, region->capacity, LADLE_MEMORY_LEASED);
        region->memory = NULL;
    }
    bool is_last = is_over && !region->held;
    pthread_mutex_unlock(&region->lock);
    if (!is_last)
        return;
    (void)pthread_mutex_destroy(&region->lock);
    ladle_free(context, region, sizeof *region, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

void ladle_region_drop(ladle_region *region, void *memory, size_t capacity)
{
    pthread_mutex_lock(&region->lock);
    region->live--;
    if (region->live > 0 || !region->sealed) {
        if (region->swept) {
            give_back(region, memory, capacity);
        } else {
            dropped *node = memory;
            node->next = region->dropped;
            node->capacity = capacity;
            region->dropped = node;
        }
    }
    settle(region);
}

void ladle_region_seal(ladle_region *region)
{
    if (region == NULL)
        return;
    pthread_mutex_lock(&region->lock);
    region->sealed = true;
    settle(region);
}

void ladle_region_sweep(ladle_region *region)
{
    pthread_mutex_lock(&region->lock);
    region->swept = true;
    for (dropped *node = region->memory == NULL ? NULL : region->dropped, *next; node != NULL; node = next) {
        next = node->next;
        give_back(region, node, node->capacity);
    }
    region->dropped = NULL;
    pthread_mutex_unlock(&region->lock);
}

void ladle_region_release(ladle_region *region)
{
    if (region == NULL)
        return;
    pthread_mutex_lock(&region->lock);
    region->held = false;
    region->sealed = true;
    settle(region);
}
