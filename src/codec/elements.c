/* RNTuple's column elements -> native values: the plain way, and with vectors where pages are large. */
#include "codec/elements.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/little.h"

#include <string.h>

enum { CHUNK = 512 }; /* values that stay in the first-level cache between two steps */

/* --- what there is --------------------------------------------------------------------------------- */

typedef struct element_kind {
    const char *name;
    uint8_t min_bits, max_bits;
    uint8_t dtype;
    bool is_split, is_zigzag, is_delta;
} element_kind;

/* SplitReal16 is in the specification only: no ROOT writes or reads it. It costs nothing here. */
static const element_kind kinds[LADLE_ELEMENT_COUNT] = {
    [LADLE_ELEMENT_BIT] = {"Bit", 1, 1, LADLE_DTYPE_BOOL, false, false, false},
    [LADLE_ELEMENT_BYTE] = {"Byte", 8, 8, LADLE_DTYPE_U8, false, false, false},
    [LADLE_ELEMENT_CHAR] = {"Char", 8, 8, LADLE_DTYPE_U8, false, false, false},
    [LADLE_ELEMENT_INT8] = {"Int8", 8, 8, LADLE_DTYPE_I8, false, false, false},
    [LADLE_ELEMENT_UINT8] = {"UInt8", 8, 8, LADLE_DTYPE_U8, false, false, false},
    [LADLE_ELEMENT_INT16] = {"Int16", 16, 16, LADLE_DTYPE_I16, false, false, false},
    [LADLE_ELEMENT_UINT16] = {"UInt16", 16, 16, LADLE_DTYPE_U16, false, false, false},
    [LADLE_ELEMENT_INT32] = {"Int32", 32, 32, LADLE_DTYPE_I32, false, false, false},
    [LADLE_ELEMENT_UINT32] = {"UInt32", 32, 32, LADLE_DTYPE_U32, false, false, false},
    [LADLE_ELEMENT_INT64] = {"Int64", 64, 64, LADLE_DTYPE_I64, false, false, false},
    [LADLE_ELEMENT_UINT64] = {"UInt64", 64, 64, LADLE_DTYPE_U64, false, false, false},
    [LADLE_ELEMENT_REAL16] = {"Real16", 16, 16, LADLE_DTYPE_F32, false, false, false},
    [LADLE_ELEMENT_REAL32] = {"Real32", 32, 32, LADLE_DTYPE_F32, false, false, false},
    [LADLE_ELEMENT_REAL64] = {"Real64", 64, 64, LADLE_DTYPE_F64, false, false, false},
    [LADLE_ELEMENT_INDEX32] = {"Index32", 32, 32, LADLE_DTYPE_NONE, false, false, false},
    [LADLE_ELEMENT_INDEX64] = {"Index64", 64, 64, LADLE_DTYPE_NONE, false, false, false},
    [LADLE_ELEMENT_SWITCH] = {"Switch", 96, 96, LADLE_DTYPE_NONE, false, false, false},
    [LADLE_ELEMENT_SPLIT_INT16] = {"SplitInt16", 16, 16, LADLE_DTYPE_I16, true, true, false},
    [LADLE_ELEMENT_SPLIT_UINT16] = {"SplitUInt16", 16, 16, LADLE_DTYPE_U16, true, false, false},
    [LADLE_ELEMENT_SPLIT_INT32] = {"SplitInt32", 32, 32, LADLE_DTYPE_I32, true, true, false},
    [LADLE_ELEMENT_SPLIT_UINT32] = {"SplitUInt32", 32, 32, LADLE_DTYPE_U32, true, false, false},
    [LADLE_ELEMENT_SPLIT_INT64] = {"SplitInt64", 64, 64, LADLE_DTYPE_I64, true, true, false},
    [LADLE_ELEMENT_SPLIT_UINT64] = {"SplitUInt64", 64, 64, LADLE_DTYPE_U64, true, false, false},
    [LADLE_ELEMENT_SPLIT_REAL16] = {"SplitReal16", 16, 16, LADLE_DTYPE_F32, true, false, false},
    [LADLE_ELEMENT_SPLIT_REAL32] = {"SplitReal32", 32, 32, LADLE_DTYPE_F32, true, false, false},
    [LADLE_ELEMENT_SPLIT_REAL64] = {"SplitReal64", 64, 64, LADLE_DTYPE_F64, true, false, false},
    [LADLE_ELEMENT_SPLIT_INDEX32] = {"SplitIndex32", 32, 32, LADLE_DTYPE_NONE, true, false, true},
    [LADLE_ELEMENT_SPLIT_INDEX64] = {"SplitIndex64", 64, 64, LADLE_DTYPE_NONE, true, false, true},
    [LADLE_ELEMENT_REAL32_TRUNC] = {"Real32Trunc", 10, 31, LADLE_DTYPE_F32, false, false, false},
    [LADLE_ELEMENT_REAL32_QUANT] = {"Real32Quant", 1, 32, LADLE_DTYPE_F32, false, false, false},
};

const char *ladle_element_name(uint16_t element)
{
    return element < LADLE_ELEMENT_COUNT ? kinds[element].name : "unknown";
}

bool ladle_encoding_is_valid(const ladle_encoding *encoding)
{
    if (encoding->element >= LADLE_ELEMENT_COUNT)
        return false;
    const element_kind *kind = &kinds[encoding->element];
    bool in_range = encoding->bits >= kind->min_bits && encoding->bits <= kind->max_bits;
    /* Written so that a NaN fails. */
    return in_range && (encoding->element != LADLE_ELEMENT_REAL32_QUANT || encoding->minimum < encoding->maximum);
}

bool ladle_elements_nbytes(const ladle_encoding *encoding, int64_t count, int64_t *nbytes)
{
    int64_t bits;
    if (count < 0 || !ladle_multiply(count, encoding->bits, &bits))
        return false;
    *nbytes = bits / 8 + (bits % 8 != 0);
    return true;
}

ladle_dtype ladle_element_dtype(uint16_t element)
{
    return element < LADLE_ELEMENT_COUNT ? (ladle_dtype)kinds[element].dtype : LADLE_DTYPE_NONE;
}

static bool is_real(ladle_dtype dtype)
{
    return dtype == LADLE_DTYPE_F32 || dtype == LADLE_DTYPE_F64;
}

bool ladle_element_converts(uint16_t element, ladle_dtype dtype)
{
    ladle_dtype own = ladle_element_dtype(element);
    if (own == LADLE_DTYPE_NONE || dtype == LADLE_DTYPE_NONE)
        return false;
    if (is_real(own) || is_real(dtype))
        return is_real(own) && (dtype == own || dtype == LADLE_DTYPE_F64);
    return ladle_dtype_size(own) == ladle_dtype_size(dtype);
}

bool ladle_element_is_plain(uint16_t element, ladle_dtype dtype)
{
    if (element >= LADLE_ELEMENT_COUNT || !ladle_element_converts(element, dtype))
        return false;
    size_t size = ladle_dtype_size(dtype);
    bool same_order = size == 1 || !LADLE_BIG_ENDIAN_HOST;
    /* A byte that is not 0 or 1 must not become a bool. */
    return same_order && !kinds[element].is_split && kinds[element].min_bits == 8 * size &&
           kinds[element].max_bits == 8 * size && dtype != LADLE_DTYPE_BOOL;
}

/* --- one element, the plain way -------------------------------------------------------------------- */

/* Element `i` as stored: its bits, un-split. */
static uint64_t stored(const ladle_encoding *encoding, const uint8_t *page, int64_t count, int64_t i)
{
    int bits = encoding->bits;
    uint64_t value = 0;
    if (bits % 8 != 0 || encoding->element >= LADLE_ELEMENT_REAL32_TRUNC) {
        for (int64_t k = 0, at = i * bits; k < bits; k++, at++)
            value |= (uint64_t)(page[at / 8] >> (at % 8) & 1) << k;
        return value;
    }
    int size = bits / 8;
    if (!kinds[encoding->element].is_split)
        return ladle_load_le(page + i * size, size);
    for (int k = 0; k < size; k++)
        value |= (uint64_t)page[k * count + i] << (8 * k);
    return value;
}

static float float_of(uint32_t pattern)
{
    float value;
    memcpy(&value, &pattern, sizeof value);
    return value;
}

/* IEEE 754 binary16 -> binary32, which holds each of them. */
static uint32_t widen_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ffu;
    if (exponent == 31)
        return sign | 0x7f800000u | mantissa << 13;
    if (exponent != 0)
        return sign | (exponent + 112) << 23 | mantissa << 13;
    if (mantissa == 0)
        return sign;
    for (exponent = 113; (mantissa & 0x400u) == 0; exponent--)
        mantissa <<= 1;
    return sign | exponent << 23 | (mantissa & 0x3ffu) << 13;
}

/* The value of a stored real, as a double: what is narrower than that is exact in it. */
static double real_of(const ladle_encoding *encoding, uint64_t bits)
{
    double value;
    switch (encoding->element) {
    case LADLE_ELEMENT_REAL16:
    case LADLE_ELEMENT_SPLIT_REAL16: return (double)float_of(widen_half((uint32_t)bits));
    case LADLE_ELEMENT_REAL32_TRUNC: return (double)float_of((uint32_t)bits << (32 - encoding->bits));
    case LADLE_ELEMENT_REAL32_QUANT: {
        double step = (encoding->maximum - encoding->minimum) / (double)((UINT64_C(1) << encoding->bits) - 1);
        return (double)bits * step + encoding->minimum;
    }
    case LADLE_ELEMENT_REAL64:
    case LADLE_ELEMENT_SPLIT_REAL64: memcpy(&value, &bits, sizeof value); return value;
    default: return (double)float_of((uint32_t)bits);
    }
}

static bool is_binary32(uint16_t element)
{
    return element == LADLE_ELEMENT_REAL32 || element == LADLE_ELEMENT_SPLIT_REAL32;
}

void ladle_elements_decode_scalar(const ladle_encoding *encoding, ladle_dtype dtype, void *to, const uint8_t *page,
                                  int64_t count, int64_t skip, int64_t take)
{
    uint8_t *out = to;
    int size = (int)ladle_dtype_size(dtype);
    for (int64_t i = 0; i < take; i++, out += size) {
        uint64_t bits = stored(encoding, page, count, skip + i);
        uint8_t v8 = (uint8_t)bits;
        uint16_t v16 = (uint16_t)bits;
        uint32_t v32 = (uint32_t)bits;
        if (dtype == LADLE_DTYPE_F64) {
            double value = real_of(encoding, bits);
            memcpy(out, &value, sizeof value);
        } else if (dtype == LADLE_DTYPE_F32 && !is_binary32(encoding->element)) {
            float value = (float)real_of(encoding, bits);
            memcpy(out, &value, sizeof value);
        } else {
            if (kinds[encoding->element].is_zigzag)
                bits = bits >> 1 ^ (UINT64_C(0) - (bits & 1));
            v8 = dtype == LADLE_DTYPE_BOOL ? bits != 0 : v8;
            v16 = (uint16_t)bits;
            v32 = (uint32_t)bits;
            memcpy(out, size == 1 ? (void *)&v8 : size == 2 ? (void *)&v16 : size == 4 ? (void *)&v32 : (void *)&bits,
                   (size_t)size);
        }
    }
}

bool ladle_elements_ends_scalar(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count,
                                int64_t skip, int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last)
{
    bool rises = true, is_delta = kinds[encoding->element].is_delta;
    uint64_t end = 0, mask = encoding->bits == 32 ? UINT32_MAX : UINT64_MAX;
    *last = before;
    for (int64_t i = is_delta ? 0 : skip; i < skip + take; i++) {
        uint64_t bits = stored(encoding, page, count, i);
        end = (is_delta ? end + bits : bits) & mask;
        if (i < skip)
            continue;
        rises = rises && end <= (uint64_t)most && (int64_t)end >= *last;
        *last = (int64_t)end;
        to[i - skip] = (int64_t)(end + (uint64_t)base);
    }
    return rises;
}

int64_t ladle_elements_switch(int8_t *tags, int64_t *places, const uint8_t *page, int64_t skip, int64_t take,
                              int n_alternatives, const int64_t *bases, const int64_t *sizes)
{
    for (int64_t i = 0; i < take; i++) {
        const uint8_t *element = page + 12 * (skip + i);
        uint64_t index = ladle_load_le64(element), tag = ladle_load_le(element + 8, 4);
        if (tag > (uint64_t)n_alternatives || (tag > 0 && index >= (uint64_t)sizes[tag - 1]))
            return i;
        if (tags != NULL)
            tags[i] = (int8_t)tag;
        if (places != NULL)
            places[i] = tag == 0 ? 0 : (int64_t)index + bases[tag - 1];
    }
    return -1;
}

/* --- un-splitting: byte planes -> values of 2, 4 or 8 bytes ------------------------------------------- */

/* Elements from `from` to `take`, one by one. */
static void unsplit_rest(uint8_t *to, const uint8_t *planes, int64_t stride, int64_t from, int64_t take, int size)
{
    for (int64_t i = from; i < take; i++)
        for (int k = 0; k < size; k++)
            to[i * size + k] = planes[k * stride + i];
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* The output is fresh memory: fetched for writing a page ahead, it is there when its turn comes. */
enum { PREFETCH_NBYTES = 4096 };

static __m128i load(const uint8_t *from)
{
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

static void store(uint8_t *to, __m128i value)
{
    _mm_storeu_si128((__m128i *)(void *)to, value);
}

static int64_t unsplit2(uint8_t *to, const uint8_t *p, int64_t stride, int64_t take)
{
    int64_t i = 0;
    for (; i + 16 <= take; i += 16) {
        __m128i a = load(p + i), b = load(p + stride + i);
        __builtin_prefetch(to + 2 * i + PREFETCH_NBYTES, 1); /* a hint: may lie beyond the end */
        store(to + 2 * i, _mm_unpacklo_epi8(a, b));
        store(to + 2 * i + 16, _mm_unpackhi_epi8(a, b));
    }
    return i;
}

static int64_t unsplit4(uint8_t *to, const uint8_t *p, int64_t stride, int64_t take)
{
    int64_t i = 0;
    for (; i + 16 <= take; i += 16) {
        __m128i a = load(p + i), b = load(p + stride + i), c = load(p + 2 * stride + i), d = load(p + 3 * stride + i);
        __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
        __m128i high_ab = _mm_unpackhi_epi8(a, b), high_cd = _mm_unpackhi_epi8(c, d);
        uint8_t *out = to + 4 * i;
        __builtin_prefetch(out + PREFETCH_NBYTES, 1);
        store(out, _mm_unpacklo_epi16(ab, cd));
        store(out + 16, _mm_unpackhi_epi16(ab, cd));
        store(out + 32, _mm_unpacklo_epi16(high_ab, high_cd));
        store(out + 48, _mm_unpackhi_epi16(high_ab, high_cd));
    }
    return i;
}

static int64_t unsplit8(uint8_t *to, const uint8_t *p, int64_t stride, int64_t take)
{
    int64_t i = 0;
    for (; i + 16 <= take; i += 16) {
        __m128i v[8], w[8];
        for (int k = 0; k < 8; k++)
            v[k] = load(p + k * stride + i);
        for (int k = 0; k < 4; k++) { /* pairs of planes: elements 0-7, 8-15 */
            w[k] = _mm_unpacklo_epi8(v[2 * k], v[2 * k + 1]);
            w[k + 4] = _mm_unpackhi_epi8(v[2 * k], v[2 * k + 1]);
        }
        for (int half = 0; half < 2; half++) {
            const __m128i *pairs = w + 4 * half;
            __m128i low0 = _mm_unpacklo_epi16(pairs[0], pairs[1]), low1 = _mm_unpacklo_epi16(pairs[2], pairs[3]);
            __m128i high0 = _mm_unpackhi_epi16(pairs[0], pairs[1]), high1 = _mm_unpackhi_epi16(pairs[2], pairs[3]);
            uint8_t *out = to + 8 * i + 64 * half;
            __builtin_prefetch(out + PREFETCH_NBYTES, 1);
            store(out, _mm_unpacklo_epi32(low0, low1));
            store(out + 16, _mm_unpackhi_epi32(low0, low1));
            store(out + 32, _mm_unpacklo_epi32(high0, high1));
            store(out + 48, _mm_unpackhi_epi32(high0, high1));
        }
    }
    return i;
}

static void unsplit(uint8_t *to, const uint8_t *planes, int64_t stride, int64_t take, int size)
{
    int64_t done = size == 2 ? unsplit2(to, planes, stride, take)
                   : size == 4 ? unsplit4(to, planes, stride, take)
                               : unsplit8(to, planes, stride, take);
    unsplit_rest(to, planes, stride, done, take, size);
}

/* 16 bits -> 16 bytes of 0 or 1. */
static void spread_bits(uint8_t *to, const uint8_t *from, int64_t n_bytes)
{
    const __m128i masks = _mm_set1_epi64x((int64_t)UINT64_C(0x8040201008040201));
    const __m128i ones = _mm_set1_epi8(1);
    int64_t i = 0;
    for (; i + 2 <= n_bytes; i += 2) {
        __m128i v = _mm_cvtsi32_si128(from[i] | from[i + 1] << 8);
        v = _mm_unpacklo_epi8(v, v);
        v = _mm_unpacklo_epi16(v, v);
        v = _mm_unpacklo_epi32(v, v);
        store(to + 8 * i, _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(v, masks), masks), ones));
    }
    for (; i < n_bytes; i++)
        for (int k = 0; k < 8; k++)
            to[8 * i + k] = from[i] >> k & 1;
}
#else
static void unsplit(uint8_t *to, const uint8_t *planes, int64_t stride, int64_t take, int size)
{
    unsplit_rest(to, planes, stride, 0, take, size);
}

static void spread_bits(uint8_t *to, const uint8_t *from, int64_t n_bytes)
{
    for (int64_t i = 0; i < n_bytes; i++)
        for (int k = 0; k < 8; k++)
            to[8 * i + k] = from[i] >> k & 1;
}
#endif

/* --- whole pages ------------------------------------------------------------------------------------ */

static void decode_bits(uint8_t *to, const uint8_t *page, int64_t skip, int64_t take)
{
    while (take > 0 && skip % 8 != 0) {
        *to++ = page[skip / 8] >> (skip % 8) & 1;
        skip++;
        take--;
    }
    spread_bits(to, page + skip / 8, take / 8);
    for (int64_t i = take / 8 * 8; i < take; i++)
        to[i] = page[(skip + i) / 8] >> ((skip + i) % 8) & 1;
}

#define UNZIGZAG(type, one)                                                    \
    do {                                                                       \
        type *values = (type *)to;                                             \
        for (int64_t k = 0; k < n; k++)                                        \
            values[k] = (type)(values[k] >> 1 ^ ((one)0 - (values[k] & 1))); \
    } while (0)

static void unzigzag(void *to, int64_t n, int size)
{
    if (size == 2)
        UNZIGZAG(uint16_t, unsigned);
    else if (size == 4)
        UNZIGZAG(uint32_t, uint32_t);
    else
        UNZIGZAG(uint64_t, uint64_t);
}

/* Values of the size that they have on disk. */
static void decode_split(const element_kind *kind, uint8_t *to, const uint8_t *page, int64_t count, int64_t skip,
                         int64_t take, int size)
{
    if (!kind->is_zigzag) {
        unsplit(to, page + skip, count, take, size);
        return;
    }
    for (int64_t i = 0; i < take; i += CHUNK) {
        int64_t n = ladle_min(CHUNK, take - i);
        unsplit(to + i * size, page + skip + i, count, n, size);
        unzigzag(to + i * size, n, size);
    }
}

/* binary32 on disk, doubles in memory. */
static void decode_widened(const ladle_encoding *encoding, double *to, const uint8_t *page, int64_t count, int64_t skip,
                           int64_t take)
{
    float values[CHUNK];
    for (int64_t i = 0; i < take; i += CHUNK) {
        int64_t n = ladle_min(CHUNK, take - i);
        if (kinds[encoding->element].is_split)
            unsplit((uint8_t *)values, page + skip + i, count, n, 4);
        else
            memcpy(values, page + 4 * (skip + i), (size_t)n * 4);
        for (int64_t k = 0; k < n; k++)
            to[i + k] = (double)values[k];
    }
}

void ladle_elements_decode(const ladle_encoding *encoding, ladle_dtype dtype, void *to, const uint8_t *page,
                           int64_t count, int64_t skip, int64_t take)
{
    const element_kind *kind = &kinds[encoding->element];
    int size = (int)ladle_dtype_size(dtype);
    if (encoding->element == LADLE_ELEMENT_BIT)
        decode_bits(to, page, skip, take);
    else if (ladle_element_is_plain(encoding->element, dtype))
        memcpy(to, page + skip * size, (size_t)(take * size));
    else if (!LADLE_BIG_ENDIAN_HOST && kind->is_split && encoding->bits == 8 * size)
        decode_split(kind, to, page, count, skip, take, size);
    else if (!LADLE_BIG_ENDIAN_HOST && is_binary32(encoding->element))
        decode_widened(encoding, to, page, count, skip, take);
    else
        ladle_elements_decode_scalar(encoding, dtype, to, page, count, skip, take);
}

/* Differences -> ends, in chunks: `*end` goes from one to the next. `bits` gathers what any of them was. */
#define SUM_UP(type)                                                      \
    do {                                                                  \
        type values[CHUNK], sum = (type)*end;                             \
        unsplit((uint8_t *)values, planes, stride, n, (int)sizeof(type)); \
        for (int64_t i = 0; i < n; i++) {                                 \
            sum = (type)(sum + values[i]);                                \
            to[i] = (int64_t)sum;                                         \
        }                                                                 \
        *end = sum;                                                       \
    } while (0)

static void sum_up(int64_t *to, const uint8_t *planes, int64_t stride, int64_t n, int size, uint64_t *end)
{
    if (size == 4)
        SUM_UP(uint32_t);
    else
        SUM_UP(uint64_t);
}

static void load_ends(int64_t *to, const uint8_t *from, int64_t n, int size)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (int64_t)ladle_load_le(from + i * size, size);
}

bool ladle_elements_ends(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count, int64_t skip,
                         int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last)
{
    if (LADLE_BIG_ENDIAN_HOST)
        return ladle_elements_ends_scalar(encoding, to, page, count, skip, take, base, before, most, last);
    bool is_delta = kinds[encoding->element].is_delta;
    int size = encoding->bits / 8;
    int64_t skipped[CHUNK];
    uint64_t end = 0, wrong = 0, previous = (uint64_t)before;
    for (int64_t i = 0; i < skip && is_delta; i += CHUNK)
        sum_up(skipped, page + i, count, ladle_min(CHUNK, skip - i), size, &end);
    for (int64_t i = 0; i < take; i += CHUNK) {
        int64_t n = ladle_min(CHUNK, take - i), *out = to + i;
        if (is_delta)
            sum_up(out, page + skip + i, count, n, size, &end);
        else
            load_ends(out, page + (skip + i) * size, n, size);
        /* Signs of what must not be negative. All ends are below 2^63 where none of them is, so nothing wraps. */
        wrong |= ((uint64_t)out[0] - previous) | (uint64_t)out[0];
        for (int64_t k = 1; k < n; k++)
            wrong |= ((uint64_t)out[k] - (uint64_t)out[k - 1]) | (uint64_t)out[k];
        previous = (uint64_t)out[n - 1];
        if (base != 0)
            for (int64_t k = 0; k < n; k++)
                out[k] = (int64_t)((uint64_t)out[k] + (uint64_t)base);
    }
    *last = (int64_t)previous;
    /* Where they rise, none is above the last. */
    return wrong >> 63 == 0 && (take == 0 || *last <= most);
}
