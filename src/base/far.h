/* base/far.h: stores to memory that is not read soon: past the processor's caches.
 *
 * A plain store to memory that is in no cache fetches its line first and writes it back later. A line that is stored
 * past the caches, whole, is written only; and what is in the caches stays there. Who stores so settles before others
 * read. Where the processor has no such stores, plain ones are used.
 */
#ifndef LADLE_BASE_FAR_H
#define LADLE_BASE_FAR_H

#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <emmintrin.h>
#endif

/* Bytes from `to` to the beginning of a line. */
static inline int64_t ladle_far_head(const void *to)
{
    return (int64_t)((64 - (uintptr_t)to % 64) % 64);
}

/* From here on other threads, told by this one in whatever way, see what was stored. */
static inline void ladle_far_settle(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    _mm_sfence();
#endif
}

#endif
