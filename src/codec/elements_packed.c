/* Elements that begin within bytes: bits of a page -> bools, or integers of up to 32 bits. */
#include "codec/elements_kernels.h"

#include "base/checked.h"

#include <string.h>

void ladle_unpack_bits(uint32_t *to, const uint8_t *page, int64_t nbytes, int bits, int64_t first, int64_t n)
{
    /* An element and the bits before it in its first byte fit into 8 bytes. The elements below `safe` have them. */
    int64_t safe = nbytes < 8 ? 0 : (8 * (nbytes - 8) + 7) / bits + 1, i = 0;
    const int64_t many = ladle_min(n, safe - first);
    const uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (uint64_t at = (uint64_t)first * (uint64_t)bits; i < many; i++, at += (uint64_t)bits) {
        uint64_t word;
        memcpy(&word, page + at / 8, sizeof word);
        to[i] = (uint32_t)(word >> at % 8 & mask);
    }
    for (; i < n; i++)
        to[i] = (uint32_t)ladle_load_bits(page, bits, first + i);
}

/* Bit k of `byte` -> byte k, 0 or 1. */
static inline uint64_t spread(uint8_t byte)
{
    /* The byte eight times; of the k-th, bit k alone; which, where it is set, carries into the top bit. */
    uint64_t bits = byte * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (bits + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* 32 bits at once: each of 32 bytes gets the byte that its bit is in, and keeps that bit. Returns how many it made. */
__attribute__((target("avx2"))) static int64_t spread_avx2(uint8_t *to, const uint8_t *from, int64_t n)
{
    const __m256i which =
        _mm256_setr_epi64x(0, INT64_C(0x0101010101010101), INT64_C(0x0202020202020202), INT64_C(0x0303030303030303));
    const __m256i masks = _mm256_set1_epi64x((int64_t)UINT64_C(0x8040201008040201));
    const __m256i ones = _mm256_set1_epi8(1);
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        int32_t word;
        memcpy(&word, from + i / 8, sizeof word);
        __m256i bits = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(word), which), masks);
        _mm256_storeu_si256((__m256i *)(void *)(to + i), _mm256_and_si256(_mm256_cmpeq_epi8(bits, masks), ones));
    }
    return i;
}
#endif

void ladle_spread_bits(uint8_t *restrict to, const uint8_t *restrict page, int64_t first, int64_t n)
{
    int64_t i = 0;
    for (; i < n && (first + i) % 8 != 0; i++)
        to[i] = (uint8_t)ladle_load_bits(page, 1, first + i);
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx2"))
        i += spread_avx2(to + i, page + (first + i) / 8, n - i);
#endif
    for (const uint8_t *from = page + (first + i) / 8; i + 8 <= n; i += 8) {
        uint64_t eight = spread(*from++);
        memcpy(to + i, &eight, sizeof eight);
    }
    for (; i < n; i++)
        to[i] = (uint8_t)ladle_load_bits(page, 1, first + i);
}
