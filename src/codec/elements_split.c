/* Un-splitting: byte planes -> values, by interleaving the planes pair by pair; and what zigzag made of integers. */
#include "codec/elements_kernels.h"

#include "base/checked.h"
#include "base/far.h"

#include <string.h>

/* Values [i, n), by shifts: what is left over, and all of them on machines without the kernels below. */
#define UNSPLIT_REST(type, gather)                                        \
    for (; i < n; i++) {                                                  \
        type value = (type)(gather);                                      \
        if (zigzag)                                                       \
            value = (type)((value >> 1) ^ ((type)0 - (value & (type)1))); \
        memcpy(out + i * (int64_t)sizeof value, &value, sizeof value);    \
    }
#define PLANE(type, k) (type)((type)planes[(k)*stride + i] << (8 * (k)))

static void unsplit_rest(uint8_t *restrict out, const uint8_t *restrict planes, int64_t stride, int64_t i, int64_t n,
                         int size, bool zigzag)
{
    if (size == 2) {
        UNSPLIT_REST(uint16_t, PLANE(uint16_t, 0) | PLANE(uint16_t, 1))
    } else if (size == 4) {
        UNSPLIT_REST(uint32_t, PLANE(uint32_t, 0) | PLANE(uint32_t, 1) | PLANE(uint32_t, 2) | PLANE(uint32_t, 3))
    } else {
        UNSPLIT_REST(uint64_t, PLANE(uint64_t, 0) | PLANE(uint64_t, 1) | PLANE(uint64_t, 2) | PLANE(uint64_t, 3) |
                                   PLANE(uint64_t, 4) | PLANE(uint64_t, 5) | PLANE(uint64_t, 6) | PLANE(uint64_t, 7))
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* Two planes become one of pairs, two of pairs one of quadruples, and so on. Each kernel makes what one vector of each
 * plane holds, and returns how many values it made. */

static inline __m128i load16(const uint8_t *from)
{
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

static inline void store16(uint8_t *to, __m128i value)
{
    _mm_storeu_si128((__m128i *)(void *)to, value);
}

/* Half of each value, and all bits turned where it was odd. */
static inline __m128i unzigzag16(__m128i v, int size)
{
    __m128i zero = _mm_setzero_si128();
    if (size == 2)
        return _mm_xor_si128(_mm_srli_epi16(v, 1), _mm_sub_epi16(zero, _mm_and_si128(v, _mm_set1_epi16(1))));
    if (size == 4)
        return _mm_xor_si128(_mm_srli_epi32(v, 1), _mm_sub_epi32(zero, _mm_and_si128(v, _mm_set1_epi32(1))));
    return _mm_xor_si128(_mm_srli_epi64(v, 1), _mm_sub_epi64(zero, _mm_and_si128(v, _mm_set1_epi64x(1))));
}

static inline void put16(uint8_t *to, __m128i v, int size, bool zigzag)
{
    store16(to, zigzag ? unzigzag16(v, size) : v);
}

static int64_t unsplit2_sse2(uint8_t *out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i a = load16(p + i), b = load16(p + stride + i);
        put16(out + 2 * i, _mm_unpacklo_epi8(a, b), 2, zigzag);
        put16(out + 2 * i + 16, _mm_unpackhi_epi8(a, b), 2, zigzag);
    }
    return i;
}

/* v: values 0-3, 4-7, 8-11, 12-15 of four planes. */
static inline void quadruples16(__m128i v[4], const uint8_t *p, int64_t stride)
{
    __m128i a = load16(p), b = load16(p + stride), c = load16(p + 2 * stride), d = load16(p + 3 * stride);
    __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
    v[0] = _mm_unpacklo_epi16(ab, cd);
    v[1] = _mm_unpackhi_epi16(ab, cd);
    ab = _mm_unpackhi_epi8(a, b);
    cd = _mm_unpackhi_epi8(c, d);
    v[2] = _mm_unpacklo_epi16(ab, cd);
    v[3] = _mm_unpackhi_epi16(ab, cd);
}

static int64_t unsplit4_sse2(uint8_t *out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i v[4];
        quadruples16(v, p + i, stride);
        for (int k = 0; k < 4; k++)
            put16(out + 4 * i + 16 * k, v[k], 4, zigzag);
    }
    return i;
}

static int64_t unsplit8_sse2(uint8_t *out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i low[4], high[4];
        quadruples16(low, p + i, stride);
        quadruples16(high, p + 4 * stride + i, stride);
        for (int k = 0; k < 4; k++) {
            put16(out + 8 * i + 32 * k, _mm_unpacklo_epi32(low[k], high[k]), 8, zigzag);
            put16(out + 8 * i + 32 * k + 16, _mm_unpackhi_epi32(low[k], high[k]), 8, zigzag);
        }
    }
    return i;
}

/* AVX2 interleaves within the halves of its vectors: the lower halves of a pair of results are the first values, the
 * upper ones those 16 further on. */
#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load32(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

AVX2 static inline __m256i unzigzag32(__m256i v, int size)
{
    __m256i zero = _mm256_setzero_si256();
    if (size == 2)
        return _mm256_xor_si256(_mm256_srli_epi16(v, 1),
                                _mm256_sub_epi16(zero, _mm256_and_si256(v, _mm256_set1_epi16(1))));
    if (size == 4)
        return _mm256_xor_si256(_mm256_srli_epi32(v, 1),
                                _mm256_sub_epi32(zero, _mm256_and_si256(v, _mm256_set1_epi32(1))));
    return _mm256_xor_si256(_mm256_srli_epi64(v, 1),
                            _mm256_sub_epi64(zero, _mm256_and_si256(v, _mm256_set1_epi64x(1))));
}

AVX2 static inline void store32(uint8_t *to, __m256i value, bool far)
{
    if (far)
        _mm256_stream_si256((__m256i *)(void *)to, value);
    else
        _mm256_storeu_si256((__m256i *)(void *)to, value);
}

/* The halves of a and b that belong together, `apart` bytes from each other. */
AVX2 static inline void put_halves(uint8_t *to, int64_t apart, __m256i a, __m256i b, int size, bool zigzag, bool far)
{
    if (zigzag) {
        a = unzigzag32(a, size);
        b = unzigzag32(b, size);
    }
    store32(to, _mm256_permute2x128_si256(a, b, 0x20), far);
    store32(to + apart, _mm256_permute2x128_si256(a, b, 0x31), far);
}

AVX2 static int64_t unsplit2_avx2(uint8_t *out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag, bool far)
{
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i a = load32(p + i), b = load32(p + stride + i);
        put_halves(out + 2 * i, 32, _mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b), 2, zigzag, far);
    }
    return i;
}

/* v: values 0-3 and 16-19, 4-7 and 20-23, 8-11 and 24-27, 12-15 and 28-31 of four planes. */
AVX2 static inline void quadruples32(__m256i v[4], const uint8_t *p, int64_t stride)
{
    __m256i a = load32(p), b = load32(p + stride), c = load32(p + 2 * stride), d = load32(p + 3 * stride);
    __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d);
    v[0] = _mm256_unpacklo_epi16(ab, cd);
    v[1] = _mm256_unpackhi_epi16(ab, cd);
    ab = _mm256_unpackhi_epi8(a, b);
    cd = _mm256_unpackhi_epi8(c, d);
    v[2] = _mm256_unpacklo_epi16(ab, cd);
    v[3] = _mm256_unpackhi_epi16(ab, cd);
}

AVX2 static int64_t unsplit4_avx2(uint8_t *out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag, bool far)
{
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i v[4];
        quadruples32(v, p + i, stride);
        put_halves(out + 4 * i, 64, v[0], v[1], 4, zigzag, far);
        put_halves(out + 4 * i + 32, 64, v[2], v[3], 4, zigzag, far);
    }
    return i;
}

AVX2 static int64_t unsplit8_avx2(uint8_t *out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag, bool far)
{
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i low[4], high[4];
        quadruples32(low, p + i, stride);
        quadruples32(high, p + 4 * stride + i, stride);
        for (int k = 0; k < 4; k++)
            put_halves(out + 8 * i + 32 * k, 128, _mm256_unpacklo_epi32(low[k], high[k]),
                       _mm256_unpackhi_epi32(low[k], high[k]), 8, zigzag, far);
    }
    return i;
}

void ladle_unsplit(void *to, const uint8_t *planes, int64_t stride, int64_t n, int size, bool zigzag, bool far)
{
    typedef int64_t near_kernel(uint8_t * out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag);
    typedef int64_t kernel(uint8_t * out, const uint8_t *p, int64_t stride, int64_t n, bool zigzag, bool far);
    static near_kernel *const sse2[] = {unsplit2_sse2, unsplit4_sse2, unsplit8_sse2};
    static kernel *const avx2[] = {unsplit2_avx2, unsplit4_avx2, unsplit8_avx2};
    int which = size == 2 ? 0 : size == 4 ? 1 : 2;
    uint8_t *out = to;
    int64_t done = far ? ladle_min(n, ladle_far_head(to) / size) : 0;
    unsplit_rest(out, planes, stride, 0, done, size, zigzag);
    if (__builtin_cpu_supports("avx2"))
        done += avx2[which](out + done * size, planes + done, stride, n - done, zigzag, far);
    done += sse2[which](out + done * size, planes + done, stride, n - done, zigzag);
    unsplit_rest(out, planes, stride, done, n, size, zigzag);
}
#else
void ladle_unsplit(void *to, const uint8_t *planes, int64_t stride, int64_t n, int size, bool zigzag, bool far)
{
    (void)far;
    unsplit_rest(to, planes, stride, 0, n, size, zigzag);
}
#endif
