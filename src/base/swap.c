#include "base/swap.h"

#include "base/bytes.h"

#include <string.h>

void ladle_swap_scalar(void *to, const void *from, int64_t count, int size)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    if (size == 1 || LADLE_BIG_ENDIAN_HOST) {
        memcpy(out, in, (size_t)(count * size));
    } else if (size == 2) {
        for (int64_t i = 0; i < count; i++) {
            uint16_t v = ladle_load_be16(in + 2 * i);
            memcpy(out + 2 * i, &v, sizeof v);
        }
    } else if (size == 4) {
        for (int64_t i = 0; i < count; i++) {
            uint32_t v = ladle_load_be32(in + 4 * i);
            memcpy(out + 4 * i, &v, sizeof v);
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            uint64_t v = ladle_load_be64(in + 8 * i);
            memcpy(out + 8 * i, &v, sizeof v);
        }
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* The output is fresh memory: fetched for writing a page ahead, it is there when its turn comes. */
enum { PREFETCH_NBYTES = 4096 };

/* The baseline has no byte shuffle; every x86 server of the last ten years has AVX2. */
__attribute__((target("avx2"))) static int64_t swap_avx2(uint8_t *out, const uint8_t *in, int64_t nbytes, int size)
{
    static const uint8_t orders[3][16] = {{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14},
                                          {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12},
                                          {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8}};
    const uint8_t *order = orders[size == 2 ? 0 : size == 4 ? 1 : 2];
    const __m256i shuffle = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)order));
    int64_t i = 0;
    for (; i + 64 <= nbytes; i += 64) {
        __builtin_prefetch(out + i + PREFETCH_NBYTES, 1); /* a hint: may lie beyond the end */
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(in + i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(in + i + 32));
        _mm256_storeu_si256((__m256i *)(void *)(out + i), _mm256_shuffle_epi8(a, shuffle));
        _mm256_storeu_si256((__m256i *)(void *)(out + i + 32), _mm256_shuffle_epi8(b, shuffle));
    }
    return i;
}

void ladle_swap(void *to, const void *from, int64_t count, int size)
{
    int64_t done = 0;
    if (size > 1 && __builtin_cpu_supports("avx2"))
        done = swap_avx2(to, from, count * size, size);
    ladle_swap_scalar((uint8_t *)to + done, (const uint8_t *)from + done, count - done / size, size);
}
#else
void ladle_swap(void *to, const void *from, int64_t count, int size)
{
    ladle_swap_scalar(to, from, count, size);
}
#endif
