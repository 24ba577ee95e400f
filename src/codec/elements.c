/* RNTuple's column elements: what there is, and how a page of them becomes values: chunk by chunk, so that what one
 * step makes is in the first-level cache for the next. The steps are loops that compilers make vectors of. */
#include "codec/elements_kernels.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/little.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 512 }; /* elements */

/* --- what there is --------------------------------------------------------------------------------------------- */

/* SplitReal16 is in the specification only: no ROOT writes or reads it. It costs nothing here. */
const ladle_element_kind ladle_element_kinds[LADLE_ELEMENT_COUNT] = {
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
    return element < LADLE_ELEMENT_COUNT ? ladle_element_kinds[element].name : "unknown";
}

bool ladle_encoding_is_valid(const ladle_encoding *encoding)
{
    if (encoding->element >= LADLE_ELEMENT_COUNT)
        return false;
    const ladle_element_kind *kind = &ladle_element_kinds[encoding->element];
    if (encoding->bits < kind->least_bits || encoding->bits > kind->most_bits)
        return false;
    if (encoding->element != LADLE_ELEMENT_REAL32_QUANT)
        return true;
    return isfinite(encoding->minimum) && isfinite(encoding->maximum) && encoding->minimum <= encoding->maximum;
}

bool ladle_elements_nbytes(const ladle_encoding *encoding, int64_t count, int64_t *nbytes)
{
    /* Eight elements are as many bytes as one is bits. */
    int64_t eights, bits = encoding->bits;
    return count >= 0 && ladle_multiply(count / 8, bits, &eights) &&
           ladle_add(eights, (count % 8 * bits + 7) / 8, nbytes);
}

ladle_dtype ladle_element_dtype(uint16_t element)
{
    return element < LADLE_ELEMENT_COUNT ? (ladle_dtype)ladle_element_kinds[element].dtype : LADLE_DTYPE_NONE;
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
    /* A byte that is not 0 or 1 must not become a bool. */
    if (!ladle_element_converts(element, dtype) || dtype == LADLE_DTYPE_BOOL)
        return false;
    const ladle_element_kind *kind = &ladle_element_kinds[element];
    size_t size = ladle_dtype_size(dtype);
    bool is_bits_of_values = !kind->is_split && !ladle_element_is_packed(element) && kind->least_bits == 8 * size;
    return is_bits_of_values && (size == 1 || !LADLE_BIG_ENDIAN_HOST);
}

/* --- values ------------------------------------------------------------------------------------------------------ */

/* Of a binary16, as a binary32. The exponent's bias grows by 112; by 224 for infinity and NaN, whose exponents are all
 * ones. Subnormals, and zero, count units of 2^-24. Both ways are computed for each element, and a mask chooses. */
static inline float half_value(const uint8_t *from)
{
    uint16_t half;
    memcpy(&half, from, sizeof half);
    uint32_t size = half & 0x7fffu, sign = (half & 0x8000u) << 16;
    uint32_t normal = (size << 13) + ((112 + (size >= 0x7c00u) * UINT32_C(112)) << 23), small;
    float units = (float)(int32_t)size * 0x1p-24f;
    memcpy(&small, &units, sizeof small);
    uint32_t is_small = UINT32_C(0) - (size < 0x400u);
    return ladle_float_of(sign | (small & is_small) | (normal & ~is_small));
}

static inline float binary32_value(const uint8_t *from)
{
    float value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline double quant_value(const ladle_encoding *encoding, double step, uint32_t q)
{
    /* q as a double: the low bits of 2^52, without which SSE2 knows signed integers only. */
    uint64_t pattern = UINT64_C(0x4330000000000000) | q;
    double value;
    memcpy(&value, &pattern, sizeof value);
    return ladle_quant_value(value - 0x1p52, step, encoding->minimum, encoding->maximum);
}

/* `n` reals of 2 or 4 bytes at `from`, of any alignment -> floats or doubles. */
#define EACH(type, value)               \
    do {                                \
        type *values = to;              \
        for (int64_t i = 0; i < n; i++) \
            values[i] = (type)(value);  \
    } while (0)

static void convert_reals(const ladle_encoding *encoding, ladle_dtype dtype, void *restrict to,
                          const uint8_t *restrict from, int64_t n)
{
    bool wide = dtype == LADLE_DTYPE_F64;
    if (ladle_element_is_half(encoding->element) && wide)
        EACH(double, half_value(from + 2 * i));
    else if (ladle_element_is_half(encoding->element))
        EACH(float, half_value(from + 2 * i));
    else if (wide)
        EACH(double, binary32_value(from + 4 * i));
    else
        memcpy(to, from, (size_t)n * sizeof(float));
}

/* Packed elements, unpacked into `q`, which this may change, -> floats or doubles. */
static void convert_packed(const ladle_encoding *encoding, ladle_dtype dtype, void *restrict to, uint32_t *restrict q,
                           int64_t n)
{
    if (encoding->element == LADLE_ELEMENT_REAL32_TRUNC) {
        for (int64_t i = 0; i < n; i++)
            q[i] <<= 32 - encoding->bits;
        convert_reals(encoding, dtype, to, (const uint8_t *)q, n);
        return;
    }
    const ladle_encoding by = *encoding; /* in registers, whatever `to` is written to */
    double step = ladle_quant_step(&by);
    if (dtype == LADLE_DTYPE_F64)
        EACH(double, quant_value(&by, step, q[i]));
    else
        EACH(float, quant_value(&by, step, q[i]));
}

/* Elements [first, first + n), n <= CHUNK: un-split or unpacked, where they have to be, into their place or `stored`;
 * then what they mean. */
static void decode_chunk(const ladle_encoding *encoding, ladle_dtype dtype, uint8_t *to, const uint8_t *page,
                         int64_t count, int64_t first, int64_t n)
{
    uint32_t stored[CHUNK];
    const ladle_element_kind *kind = &ladle_element_kinds[encoding->element];
    int size = (int)ladle_dtype_size(dtype), disk_size = encoding->bits / 8;
    if (ladle_element_is_packed(encoding->element)) {
        int64_t nbytes = 0;
        (void)ladle_elements_nbytes(encoding, count, &nbytes); /* which the caller has checked */
        ladle_unpack_bits(stored, page, nbytes, encoding->bits, first, n);
        convert_packed(encoding, dtype, to, stored, n);
    } else if (kind->is_split && size == disk_size) {
        ladle_unsplit(to, page + first, count, n, size, kind->is_zigzag, false);
    } else if (kind->is_split) {
        ladle_unsplit(stored, page + first, count, n, disk_size, false, false);
        convert_reals(encoding, dtype, to, (const uint8_t *)stored, n);
    } else {
        convert_reals(encoding, dtype, to, page + first * disk_size, n);
    }
}

/* The output is fresh memory: fetched for writing, it is there when its turn comes. Half a page ahead: a whole one
 * looks to the processor like the line that is being stored. */
static void prefetch(const uint8_t *to, int64_t nbytes)
{
    enum { AHEAD = 2048, LINE = 64 };
    for (int64_t at = 0; at < nbytes; at += LINE)
        __builtin_prefetch((const void *)((uintptr_t)to + AHEAD + (uintptr_t)at), 1); /* may lie beyond the end */
}

void ladle_elements_decode(const ladle_encoding *encoding, ladle_dtype dtype, void *to, const uint8_t *page,
                           int64_t count, int64_t skip, int64_t take, bool far)
{
    const ladle_element_kind *kind = &ladle_element_kinds[encoding->element];
    int64_t size = (int64_t)ladle_dtype_size(dtype);
    if (ladle_element_is_plain(encoding->element, dtype)) {
        memcpy(to, page + skip * size, (size_t)(take * size));
    } else if (LADLE_BIG_ENDIAN_HOST) {
        ladle_elements_decode_scalar(encoding, dtype, to, page, count, skip, take);
    } else if (encoding->element == LADLE_ELEMENT_BIT) {
        ladle_spread_bits(to, page, skip, take);
    } else if (size == 1) { /* bool from bytes */
        uint8_t *values = to;
        for (int64_t i = 0; i < take; i++)
            values[i] = page[skip + i] != 0;
    } else if (far && kind->is_split && 8 * size == encoding->bits) {
        ladle_unsplit(to, page + skip, count, take, (int)size, kind->is_zigzag, true);
    } else {
        for (int64_t i = 0; i < take; i += CHUNK) {
            int64_t n = ladle_min(CHUNK, take - i);
            uint8_t *out = (uint8_t *)to + i * size;
            prefetch(out, n * size);
            decode_chunk(encoding, dtype, out, page, count, skip + i, n);
        }
    }
}

/* --- ends of lists ------------------------------------------------------------------------------------------------ */

/* Elements [first, first + n), n <= CHUNK, of 32 or 64 bits as they are stored. */
static void load_elements(const ladle_encoding *encoding, uint64_t *restrict to, const uint8_t *page, int64_t count,
                          int64_t first, int64_t n)
{
    uint32_t narrow[CHUNK];
    bool is_split = ladle_element_kinds[encoding->element].is_split;
    if (encoding->bits == 64) {
        if (is_split)
            ladle_unsplit(to, page + first, count, n, 8, false, false);
        else
            memcpy(to, page + first * 8, (size_t)n * 8);
        return;
    }
    if (is_split)
        ladle_unsplit(narrow, page + first, count, n, 4, false, false);
    else
        memcpy(narrow, page + first * 4, (size_t)n * 4);
    for (int64_t i = 0; i < n; i++)
        to[i] = narrow[i];
}

/* Element `at` of a delta column: the sum of all up to it. Wraps as the elements do. */
static uint64_t sum_to(const ladle_encoding *encoding, const uint8_t *page, int64_t count, int64_t at)
{
    uint64_t values[CHUNK], sum = 0;
    for (int64_t first = 0; first <= at; first += CHUNK) {
        int64_t n = ladle_min(CHUNK, at + 1 - first);
        load_elements(encoding, values, page, count, first, n);
        for (int64_t i = 0; i < n; i++)
            sum += values[i];
    }
    return encoding->bits == 32 ? sum & UINT32_MAX : sum;
}

/* From the first one on, which is `end`; take > 0. */
static bool ends_from(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count, int64_t skip,
                      int64_t take, int64_t base, int64_t before, int64_t most, uint64_t end, int64_t *last)
{
    uint64_t values[CHUNK], shift = (uint64_t)base;
    bool is_delta = ladle_element_kinds[encoding->element].is_delta;
    /* Gathers the signs of ends and of steps between them. Where none is negative, all ends are below 2^63, so that no
     * sum has wrapped and the last is the greatest. */
    uint64_t signs = end | (end - (uint64_t)before);
    to[0] = (int64_t)(end + shift);
    for (int64_t at = 1; at < take; at += CHUNK) {
        int64_t n = ladle_min(CHUNK, take - at), *out = to + at;
        load_elements(encoding, values, page, count, skip + at, n);
        if (is_delta)
            for (int64_t i = 0; i < n; i++) {
                end += values[i];
                signs |= end | values[i];
                out[i] = (int64_t)(end + shift);
            }
        else
            for (int64_t i = 0; i < n; i++) {
                signs |= values[i] | (values[i] - end);
                end = values[i];
                out[i] = (int64_t)(end + shift);
            }
    }
    *last = (int64_t)end;
    /* Sums of 32-bit elements that pass 32 bits would have wrapped, and so fallen. */
    return signs >> 63 == 0 && *last <= most && (encoding->bits == 64 || *last <= (int64_t)UINT32_MAX);
}

bool ladle_elements_ends(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count, int64_t skip,
                         int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last)
{
    uint64_t end;
    *last = before;
    if (take == 0)
        return true;
    if (LADLE_BIG_ENDIAN_HOST)
        return ladle_elements_ends_scalar(encoding, to, page, count, skip, take, base, before, most, last);
    if (ladle_element_kinds[encoding->element].is_delta)
        end = sum_to(encoding, page, count, skip);
    else
        load_elements(encoding, &end, page, count, skip, 1);
    return ends_from(encoding, to, page, count, skip, take, base, before, most, end, last);
}

bool ladle_elements_ends_after(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count,
                               int64_t skip, int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last)
{
    uint64_t end;
    if (take == 0 || LADLE_BIG_ENDIAN_HOST || !ladle_element_kinds[encoding->element].is_delta)
        return ladle_elements_ends(encoding, to, page, count, skip, take, base, before, most, last);
    load_elements(encoding, &end, page, count, skip, 1);
    end += (uint64_t)before;
    if (encoding->bits == 32)
        end &= UINT32_MAX;
    return ends_from(encoding, to, page, count, skip, take, base, before, most, end, last);
}

/* --- alternatives ------------------------------------------------------------------------------------------------ */

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
