/* The malloc family, as programs find it: the allocator beneath does the work, what it did is counted. */
#include "doctor/meter/meter.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

METER_EXPORT void *malloc(size_t nbytes)
{
    void *block = meter_beneath.malloc(nbytes);
    return METER_LIKELY(block != NULL) ? meter_count_block(block, nbytes, true) : NULL;
}

/* The rare ways out of free; the common one calls nothing but free. */
static __attribute__((noinline)) void free_slowly(void *block)
{
    if (meter_is_early(block))
        return;
    meter_count_free(block);
    meter_beneath.free(block);
}

static __attribute__((noinline)) void free_folding(void *block)
{
    meter_fold_free();
    meter_beneath.free(block);
}

METER_EXPORT void free(void *block)
{
    if (block == NULL)
        return;
    ladle_meter_slot *slot = meter_self.slot;
    if (METER_UNLIKELY(slot == NULL || meter_is_early(block))) {
        free_slowly(block);
        return;
    }
    size_t usable = meter_usable_at_once(block);
    if (METER_UNLIKELY(usable == 0)) {
        free_slowly(block);
        return;
    }
    if (METER_UNLIKELY(meter_store_free(&slot->classes[meter_class_at_once(usable)], (int64_t)usable))) {
        free_folding(block);
        return;
    }
    meter_beneath.free(block);
}

METER_EXPORT void *calloc(size_t count, size_t nbytes)
{
    void *block = meter_beneath.calloc(count, nbytes);
    return METER_LIKELY(block != NULL) ? meter_count_block(block, count * nbytes, true) : NULL;
}

/* An early block cannot grow where it is. */
static void *leave_early(void *block, size_t nbytes)
{
    void *moved = malloc(nbytes);
    size_t old = meter_early_usable(block);
    if (moved != NULL)
        memcpy(moved, block, old < nbytes ? old : nbytes);
    return moved;
}

METER_EXPORT void *realloc(void *block, size_t nbytes)
{
    if (block == NULL)
        return malloc(nbytes);
    if (METER_UNLIKELY(meter_is_early(block)))
        return leave_early(block, nbytes);
    size_t usable = meter_beneath.usable_size(block);
    meter_count_free(block);
    void *moved = meter_beneath.realloc(block, nbytes);
    if (METER_LIKELY(moved != NULL))
        return meter_count_allocation(moved, nbytes);
    if (nbytes != 0) /* failed, and the block is still there */
        (void)meter_count_allocation(block, usable);
    return NULL;
}

METER_EXPORT void *reallocarray(void *block, size_t count, size_t nbytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, nbytes, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, total);
}

METER_EXPORT void *memalign(size_t alignment, size_t nbytes)
{
    void *block = meter_beneath.memalign(alignment, nbytes);
    return METER_LIKELY(block != NULL) ? meter_count_allocation(block, nbytes) : NULL;
}

METER_EXPORT void *aligned_alloc(size_t alignment, size_t nbytes)
{
    void *block = meter_beneath.aligned_alloc(alignment, nbytes);
    return METER_LIKELY(block != NULL) ? meter_count_allocation(block, nbytes) : NULL;
}

METER_EXPORT int posix_memalign(void **out, size_t alignment, size_t nbytes)
{
    int failed = meter_beneath.posix_memalign(out, alignment, nbytes);
    if (METER_LIKELY(failed == 0 && *out != NULL))
        (void)meter_count_allocation(*out, nbytes);
    return failed;
}

/* Old, of whole pages; allocators that have none of their own get it from memalign, as glibc does it. */
METER_EXPORT void *valloc(size_t nbytes)
{
    if (meter_beneath.valloc == NULL)
        return memalign((size_t)sysconf(_SC_PAGESIZE), nbytes);
    void *block = meter_beneath.valloc(nbytes);
    return METER_LIKELY(block != NULL) ? meter_count_allocation(block, nbytes) : NULL;
}

METER_EXPORT void *pvalloc(size_t nbytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (meter_beneath.pvalloc == NULL) {
        if (nbytes > SIZE_MAX - page) {
            errno = ENOMEM;
            return NULL;
        }
        return memalign(page, (nbytes + page - 1) / page * page);
    }
    void *block = meter_beneath.pvalloc(nbytes);
    return METER_LIKELY(block != NULL) ? meter_count_allocation(block, nbytes) : NULL;
}

METER_EXPORT size_t malloc_usable_size(void *block)
{
    if (block == NULL)
        return 0;
    return meter_is_early(block) ? meter_early_usable(block) : meter_beneath.usable_size(block);
}

/* No header declares them: cfree is gone from glibc since 2.26, the others are of C23. */
METER_EXPORT void cfree(void *block);
METER_EXPORT void free_sized(void *block, size_t nbytes);
METER_EXPORT void free_aligned_sized(void *block, size_t alignment, size_t nbytes);

METER_EXPORT void cfree(void *block)
{
    free(block);
}

METER_EXPORT void free_sized(void *block, size_t nbytes)
{
    if (block == NULL || meter_is_early(block) || meter_beneath.free_sized == NULL) {
        free(block);
        return;
    }
    meter_count_free(block);
    meter_beneath.free_sized(block, nbytes);
}

METER_EXPORT void free_aligned_sized(void *block, size_t alignment, size_t nbytes)
{
    if (block == NULL || meter_is_early(block) || meter_beneath.free_aligned_sized == NULL) {
        free(block);
        return;
    }
    meter_count_free(block);
    meter_beneath.free_aligned_sized(block, alignment, nbytes);
}
