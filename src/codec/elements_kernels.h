/* codec/elements_kernels.h: what the files behind elements.h share: the table of elements, and the two kernels that
 * put the bits of elements together again. */
#ifndef LADLE_CODEC_ELEMENTS_KERNELS_H
#define LADLE_CODEC_ELEMENTS_KERNELS_H

#include "codec/elements.h"

typedef struct ladle_element_kind {
    const char *name;
    uint8_t least_bits, most_bits;
    uint8_t dtype; /* ladle_dtype */
    bool is_split, is_zigzag, is_delta;
} ladle_element_kind;

extern const ladle_element_kind ladle_element_kinds[LADLE_ELEMENT_COUNT];

static inline bool ladle_element_is_half(uint16_t element)
{
    return element == LADLE_ELEMENT_REAL16 || element == LADLE_ELEMENT_SPLIT_REAL16;
}

/* Trunc, Quant: elements that begin within bytes, of up to 32 bits. */
static inline bool ladle_element_is_packed(uint16_t element)
{
    return element == LADLE_ELEMENT_REAL32_TRUNC || element == LADLE_ELEMENT_REAL32_QUANT;
}

/* What one step of a quantised real stands for: a double, as ROOT has it (UnquantizeReals in RColumnElement.hxx). */
static inline double ladle_quant_step(const ladle_encoding *encoding)
{
    return (encoding->maximum - encoding->minimum) / (double)((UINT64_C(1) << encoding->bits) - 1);
}

/* As ROOT rounds: the product, the sum, and none above the maximum. One statement each, so that no compiler makes a
 * fused multiply-add of them, which rounds once. The last line is a minimum that keeps NaN, and vectorises. */
static inline double ladle_quant_value(double q, double step, double minimum, double maximum)
{
    double product = q * step;
    double value = product + minimum;
    return maximum < value ? maximum : value;
}

static inline float ladle_float_of(uint32_t pattern)
{
    float value;
    __builtin_memcpy(&value, &pattern, sizeof value);
    return value;
}

/* Bits [i * bits, (i + 1) * bits) of the page, least significant first, byte by byte. bits: 1 to 32, or whole bytes. */
static inline uint64_t ladle_load_bits(const uint8_t *page, int bits, int64_t i)
{
    int64_t begin = i * bits, end = begin + bits;
    uint64_t value = 0;
    for (int64_t byte = begin / 8; 8 * byte < end; byte++) {
        int64_t shift = 8 * byte - begin;
        value |= shift >= 0 ? (uint64_t)page[byte] << shift : (uint64_t)page[byte] >> -shift;
    }
    return bits == 64 ? value : value & ((UINT64_C(1) << bits) - 1);
}

/* Byte planes -> `n` values of `size` bytes (2, 4 or 8). Byte k of value i, from the least significant one, is planes[k
 * * stride + i]. zigzag: x stands for x / 2 where it is even, else for -(x + 1) / 2. far: see base/far.h. */
void ladle_unsplit(void *to, const uint8_t *planes, int64_t stride, int64_t n, int size, bool zigzag, bool far);

/* ladle_load_bits of elements [first, first + n), of 1 to 32 bits each. No byte after the page's `nbytes` is read. */
void ladle_unpack_bits(uint32_t *to, const uint8_t *page, int64_t nbytes, int bits, int64_t first, int64_t n);

/* The same for elements of one bit -> bytes of 0 or 1. */
void ladle_spread_bits(uint8_t *to, const uint8_t *page, int64_t first, int64_t n);

#endif
