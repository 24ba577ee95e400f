#include "base/swap.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/far.h"

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

/* The output is fresh memory: fetched for writing, it is there when its turn comes. Half a page ahead: a whole one
 * looks to the processor like the line that is being stored. */
enum { PREFETCH_NBYTES = 2048 };

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline void swap_line(uint8_t *out, const uint8_t *in, __m256i shuffle, bool far)
{
    for (int k = 0; k < 64; k += 32) {
        __m256i *to = (__m256i *)(void *)(out + k);
        __m256i value = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(const void *)(in + k)), shuffle);
        if (far)
            _mm256_stream_si256(to, value);
        else
            _mm256_storeu_si256(to, value);
    }
}

/* The baseline has no byte shuffle; every x86 server of the last ten years has AVX2. */
AVX2 static int64_t swap_avx2(uint8_t *out, const uint8_t *in, int64_t nbytes, int size, bool far)
{
    static const uint8_t orders[3][16] = {{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14},
                                          {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12},
                                          {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8}};
    const uint8_t *order = orders[size == 2 ? 0 : size == 4 ? 1 : 2];
    const __m256i shuffle = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)order));
    int64_t i = 0;
    for (; far && i + 64 <= nbytes; i += 64)
        swap_line(out + i, in + i, shuffle, true);
    for (; i + 64 <= nbytes; i += 64) {
        __builtin_prefetch(out + i + PREFETCH_NBYTES, 1); /* a hint: may lie beyond the end */
        swap_line(out + i, in + i, shuffle, false);
    }
    return i;
}

void ladle_swap(void *to, const void *from, int64_t count, int size, bool far)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    int64_t done = far && size > 1 ? ladle_min(count, ladle_far_head(to) / size) : 0;
    ladle_swap_scalar(out, in, done, size);
    if (size > 1 && __builtin_cpu_supports("avx2"))
        done += swap_avx2(out + done * size, in + done * size, (count - done) * size, size, far) / size;
    ladle_swap_scalar(out + done * size, in + done * size, count - done, size);
}
#else
void ladle_swap(void *to, const void *from, int64_t count, int size, bool far)
{
    (void)far;
    ladle_swap_scalar(to, from, count, size);
}
#endif
