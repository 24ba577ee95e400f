/* Column elements, one by one and byte by byte: right on any machine, and what the fast ways are tested against. */
#include "codec/elements_kernels.h"

#include <string.h>

/* Element `i` as it is stored, put together again. */
static uint64_t stored(const ladle_encoding *encoding, const uint8_t *page, int64_t count, int64_t i)
{
    if (!ladle_element_kinds[encoding->element].is_split)
        return ladle_load_bits(page, encoding->bits, i);
    uint64_t value = 0;
    for (int k = 0; 8 * k < encoding->bits; k++)
        value |= (uint64_t)page[k * count + i] << (8 * k);
    return value;
}

/* IEEE 754 binary16 -> the pattern of the same value as binary32, which holds each of them. A NaN keeps its bits. */
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

/* Reals of 32 bits or less, but the quantised: the pattern of the binary32. */
static uint32_t pattern_of(const ladle_encoding *encoding, uint32_t bits)
{
    if (ladle_element_is_half(encoding->element))
        return widen_half(bits);
    return encoding->element == LADLE_ELEMENT_REAL32_TRUNC ? bits << (32 - encoding->bits) : bits;
}

static void put_real(const ladle_encoding *encoding, ladle_dtype dtype, void *to, uint64_t bits)
{
    double wide;
    if (encoding->bits == 64) {
        memcpy(&wide, &bits, sizeof wide);
    } else if (encoding->element == LADLE_ELEMENT_REAL32_QUANT) {
        wide = ladle_quant_value((double)bits, ladle_quant_step(encoding), encoding->minimum, encoding->maximum);
    } else {
        uint32_t pattern = pattern_of(encoding, (uint32_t)bits);
        if (dtype == LADLE_DTYPE_F32) {
            memcpy(to, &pattern, sizeof pattern);
            return;
        }
        wide = (double)ladle_float_of(pattern);
    }
    float narrow = (float)wide;
    memcpy(to, dtype == LADLE_DTYPE_F64 ? (void *)&wide : (void *)&narrow, ladle_dtype_size(dtype));
}

static void put_integer(ladle_dtype dtype, void *to, uint64_t value)
{
    uint8_t of_8 = dtype == LADLE_DTYPE_BOOL ? value != 0 : (uint8_t)value;
    uint16_t of_16 = (uint16_t)value;
    uint32_t of_32 = (uint32_t)value;
    switch (ladle_dtype_size(dtype)) {
    case 1: memcpy(to, &of_8, sizeof of_8); break;
    case 2: memcpy(to, &of_16, sizeof of_16); break;
    case 4: memcpy(to, &of_32, sizeof of_32); break;
    default: memcpy(to, &value, sizeof value); break;
    }
}

void ladle_elements_decode_scalar(const ladle_encoding *encoding, ladle_dtype dtype, void *to, const uint8_t *page,
                                  int64_t count, int64_t skip, int64_t take)
{
    uint8_t *out = to;
    for (int64_t i = skip; i < skip + take; i++, out += ladle_dtype_size(dtype)) {
        uint64_t bits = stored(encoding, page, count, i);
        if (dtype == LADLE_DTYPE_F32 || dtype == LADLE_DTYPE_F64)
            put_real(encoding, dtype, out, bits);
        else if (ladle_element_kinds[encoding->element].is_zigzag)
            put_integer(dtype, out, bits >> 1 ^ (UINT64_C(0) - (bits & 1)));
        else
            put_integer(dtype, out, bits);
    }
}

bool ladle_elements_ends_scalar(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count,
                                int64_t skip, int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last)
{
    bool rises = true, is_delta = ladle_element_kinds[encoding->element].is_delta;
    uint64_t end = 0, mask = encoding->bits == 32 ? UINT32_MAX : UINT64_MAX;
    *last = before;
    for (int64_t i = is_delta ? 0 : skip; i < skip + take; i++) {
        uint64_t bits = stored(encoding, page, count, i);
        end = (is_delta ? end + bits : bits) & mask;
        if (i < skip)
            continue;
        rises = rises && end <= INT64_MAX && (int64_t)end <= most && (int64_t)end >= *last;
        *last = (int64_t)end;
        to[i - skip] = (int64_t)(end + (uint64_t)base);
    }
    return rises;
}
