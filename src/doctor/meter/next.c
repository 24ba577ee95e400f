/* The allocator beneath: what a program would have called without the meter, found at the first call.
 *
 * The loader may allocate while it is asked. Such blocks come from a static buffer and stay there. */
#include "doctor/meter/meter.h"
#include "doctor/meter/operators.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

_Alignas(64) char meter_early[METER_EARLY_NBYTES];
static volatile size_t early_used;
uint8_t meter_table[METER_TABLE_NBYTES / 8];
/* The headers promise the compiler that dlsym does not come back here, but it does, through malloc. */
static volatile bool is_finding;

/* A block of the static buffer, zeroed since it is used once; its size is in the word before. */
static void *early_block(size_t nbytes)
{
    if (nbytes > METER_EARLY_NBYTES - 64)
        return NULL;
    size_t room = (nbytes + 31) & ~(size_t)15; /* 16 bytes before the block, a multiple of 16 in all */
    if (room > METER_EARLY_NBYTES - early_used)
        return NULL;
    char *block = meter_early + early_used + 16;
    early_used = early_used + room;
    memcpy(block - sizeof(size_t), &nbytes, sizeof nbytes);
    return block;
}

size_t meter_early_usable(const void *block)
{
    size_t nbytes;
    memcpy(&nbytes, (const char *)block - sizeof nbytes, sizeof nbytes);
    return nbytes;
}

/* --- until they are found ----------------------------------------------------------------------- */

static void *first_malloc(size_t nbytes)
{
    if (is_finding)
        return early_block(nbytes);
    meter_find();
    return meter_beneath.malloc(nbytes);
}

static void first_free(void *block)
{
    if (is_finding)
        return; /* nothing but early blocks exist */
    meter_find();
    meter_beneath.free(block);
}

static void *first_calloc(size_t count, size_t nbytes)
{
    if (is_finding)
        return nbytes != 0 && count > METER_EARLY_NBYTES / nbytes ? NULL : early_block(count * nbytes);
    meter_find();
    return meter_beneath.calloc(count, nbytes);
}

static void *first_realloc(void *block, size_t nbytes)
{
    if (is_finding)
        return block == NULL ? early_block(nbytes) : NULL;
    meter_find();
    return meter_beneath.realloc(block, nbytes);
}

static void *first_memalign(size_t alignment, size_t nbytes)
{
    if (is_finding)
        return alignment <= 16 ? early_block(nbytes) : NULL;
    meter_find();
    return meter_beneath.memalign(alignment, nbytes);
}

static void *first_aligned_alloc(size_t alignment, size_t nbytes)
{
    if (is_finding)
        return alignment <= 16 ? early_block(nbytes) : NULL;
    meter_find();
    return meter_beneath.aligned_alloc(alignment, nbytes);
}

static int first_posix_memalign(void **out, size_t alignment, size_t nbytes)
{
    if (is_finding)
        return ENOMEM;
    meter_find();
    return meter_beneath.posix_memalign(out, alignment, nbytes);
}

static size_t first_usable_size(void *block)
{
    if (is_finding)
        return 0;
    meter_find();
    return meter_beneath.usable_size(block);
}

meter_next meter_beneath = {
    .malloc = first_malloc,
    .free = first_free,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .memalign = first_memalign,
    .aligned_alloc = first_aligned_alloc,
    .posix_memalign = first_posix_memalign,
    .usable_size = first_usable_size,
};

/* --- finding ------------------------------------------------------------------------------------ */

/* For a library without aligned_alloc or memalign: the other, or posix_memalign. */
static void *aligned_by_posix(size_t alignment, size_t nbytes)
{
    void *block = NULL;
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    int failed = meter_beneath.posix_memalign(&block, alignment, nbytes);
    if (failed != 0)
        errno = failed;
    return failed != 0 ? NULL : block;
}

static size_t usable_unknown(void *block)
{
    (void)block;
    return 0;
}

/* Where the library begins that has `function`, for a function pointer at that place; NULL: nobody knows. */
static void *library_of(const void *function)
{
    void *address;
    Dl_info info;
    memcpy(&address, function, sizeof address);
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* Whether the word before a block is a chunk's header as glibc writes it: where malloc is libc's own, and what
 * malloc_usable_size says agrees. A debugging malloc, or one with tagged memory, does not pass. */
static bool find_glibc_headers(const meter_next *next)
{
    void *version = dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
    if (version == NULL || library_of(&version) != library_of(&next->malloc))
        return false;
    static const size_t sizes[] = {1, 24, 25, 1000, 5000, 60000};
    bool agrees = true;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = next->malloc(sizes[i]);
        if (block == NULL)
            return false;
        size_t header = ((const size_t *)block)[-1];
        agrees &= (header & 2) == 0 && (header & ~(size_t)7) - sizeof(size_t) == next->usable_size(block);
        next->free(block);
    }
    return agrees;
}

/* Whether nallocx says what malloc_usable_size would, which takes jemalloc and tcmalloc much longer: they have to find
 * out whose block it is. */
static bool agrees_on_sizes(const meter_next *next)
{
    static const size_t sizes[] = {1, 8, 24, 100, 1000, 5000, 60000, 300000};
    bool agrees = library_of(&next->size_for) == library_of(&next->malloc);
    for (size_t i = 0; agrees && i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = next->malloc(sizes[i]);
        agrees = block != NULL && next->size_for(sizes[i], 0) == next->usable_size(block);
        next->free(block);
    }
    return agrees;
}

/* ISO C has no cast from an object's pointer to a function's; POSIX promises that they look alike. */
static void find_one(void *to, const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    memcpy(to, &function, sizeof function);
}

void meter_find(void)
{
    if (meter_beneath.malloc != first_malloc)
        return;
    is_finding = true;
    for (size_t i = 0; i < sizeof meter_table; i++)
        meter_table[i] = (uint8_t)ladle_size_class(i * 8);
    meter_next next = {0};
    find_one(&next.malloc, "malloc");
    find_one(&next.free, "free");
    find_one(&next.calloc, "calloc");
    find_one(&next.realloc, "realloc");
    find_one(&next.memalign, "memalign");
    find_one(&next.aligned_alloc, "aligned_alloc");
    find_one(&next.posix_memalign, "posix_memalign");
    find_one(&next.usable_size, "malloc_usable_size");
    find_one(&next.size_for, "nallocx");
    find_one(&next.valloc, "valloc");
    find_one(&next.pvalloc, "pvalloc");
    find_one(&next.free_sized, "free_sized");
    find_one(&next.free_aligned_sized, "free_aligned_sized");
    /* Allocators that have no such function leave libc's in place, whose blocks they could not free. */
    void *library = library_of(&next.malloc);
    if (library_of(&next.valloc) != library)
        next.valloc = NULL;
    if (library_of(&next.pvalloc) != library)
        next.pvalloc = NULL;
    if (library_of(&next.free_sized) != library)
        next.free_sized = NULL;
    if (library_of(&next.free_aligned_sized) != library)
        next.free_aligned_sized = NULL;
    if (next.memalign == NULL)
        next.memalign = next.aligned_alloc != NULL ? next.aligned_alloc : aligned_by_posix;
    if (next.aligned_alloc == NULL)
        next.aligned_alloc = next.memalign;
    if (next.usable_size == NULL)
        next.usable_size = usable_unknown;
    meter_beneath = next;
    meter_beneath.size_for = NULL; /* until it is seen to tell the same */
    is_finding = false;
    meter_raise();
    /* tcmalloc allocates in its first malloc_usable_size. */
    void *block = next.malloc(1);
    if (block != NULL) {
        (void)next.usable_size(block);
        next.free(block);
    }
    meter_beneath.size_for = next.size_for != NULL && agrees_on_sizes(&next) ? next.size_for : NULL;
    meter_beneath.has_glibc_headers = find_glibc_headers(&next);
    meter_operators_find();
    meter_lower();
}
