/* memory/heap.h: where the bytes come from: slabs for small sizes, mapped pages and a pool for large.
 *
 *   size <= 32 KiB   a slab of 256 KiB holds objects of one size class (8 classes per doubling)
 *   larger           mapped pages, 4 KiB apart; freed pages go to the pool, from where the next requests take them,
 *                    still resident, split or grown to their size
 * Under a sanitizer everything comes from malloc instead, so that red zones stand around each object.
 * The heap counts what is free (the POOL kind), and all that it holds of the system, handed out or free; the caller
 * counts what it was handed out, by kind. The ceiling on all that is held is looked at and kept in one step, so that
 * threads that ask at once cannot exceed it together.
 */
#ifndef LADLE_MEMORY_HEAP_H
#define LADLE_MEMORY_HEAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LADLE_SMALL_CLASSES = 80, LADLE_POOL_SLOTS = 512 };

typedef struct ladle_slab ladle_slab;

typedef struct ladle_heap {
    pthread_mutex_t lock;
    ladle_slab *roomy[LADLE_SMALL_CLASSES]; /* slabs with a free object, by class */
    struct {
        void *memory;
        size_t capacity;
    } pool[LADLE_POOL_SLOTS]; /* oldest first */
    int pool_count;
    int64_t pool_nbytes;
    int64_t pool_max;
    int64_t goal;             /* the pool may keep more, as long as all that is held is within it; 0: none */
    int64_t live_high;        /* the most that was in use since there is a goal */
    int64_t slab_free_nbytes; /* touched by slabs and not handed out */
    int64_t held_nbytes;      /* touched by slabs, pooled, handed out as pages, and charged */
    int64_t peak_nbytes;      /* highest held_nbytes so far */
} ladle_heap;

/* 0, or an errno. */
int ladle_heap_init(ladle_heap *heap, int64_t pool_max);
void ladle_heap_destroy(ladle_heap *heap);

/* Is everything from malloc? */
bool ladle_heap_is_malloc(void);

/* Bytes that a request for `size` will occupy; 0 where no address space could hold it. */
size_t ladle_heap_capacity(size_t size);

typedef struct ladle_heap_request {
    size_t size;
    int64_t ceiling; /* that held_nbytes may reach; 0: none */
    size_t capacity; /* out: ladle_heap_capacity(size) */
    bool zeroed;     /* out: the bytes are known to be 0 */
    int64_t excess;  /* out: bytes that are missing under the ceiling, where that is the reason */
} ladle_heap_request;

/* NULL when the system has no more, or where it would exceed the ceiling. */
void *ladle_heap_get(ladle_heap *heap, ladle_heap_request *request);

/* `capacity` as ladle_heap_get gave it. */
void ladle_heap_put(ladle_heap *heap, void *memory, size_t capacity);

/* Gives back what lies beyond the first `kept` = ladle_heap_capacity(...) < capacity bytes. False where a block cannot
 * be cut there. */
bool ladle_heap_cut(ladle_heap *heap, void *memory, size_t capacity, size_t kept);

/* Gives free memory back to the system; returns the bytes. */
int64_t ladle_heap_trim(ladle_heap *heap);
void ladle_heap_set_pool(ladle_heap *heap, int64_t pool_max, int64_t goal);

/* Held, but for what is free. */
int64_t ladle_heap_live_nbytes(ladle_heap *heap);

/* Free bytes that are held: the POOL kind. */
int64_t ladle_heap_free_nbytes(ladle_heap *heap);

/* Counts memory that others got for us; negative to take back. */
void ladle_heap_charge(ladle_heap *heap, int64_t nbytes);
int64_t ladle_heap_peak_nbytes(ladle_heap *heap);

#endif
