#include "sum.h"

#include <math.h>
#include <string.h>

__extension__ typedef unsigned __int128 cli_uint128;

/* Values of up to 32 bits add up in a register for a while: 65,536 of them stay below 2^48. */
#define SUM_NARROW(type)                                                 \
    do {                                                                 \
        const type *values = data;                                       \
        for (int64_t first = 0; first < count;) {                        \
            int64_t end = count - first > 65536 ? first + 65536 : count; \
            int64_t part = 0;                                            \
            for (; first < end; ++first) {                               \
                part += values[first];                                   \
            }                                                            \
            total += part;                                               \
        }                                                                \
    } while (0)

#define SUM_WIDE(type)                        \
    do {                                      \
        const type *values = data;            \
        for (int64_t i = 0; i < count; ++i) { \
            total += values[i];               \
        }                                     \
    } while (0)

cli_int128 cli_sum_integers(ladle_dtype dtype, const void *data, int64_t count)
{
    cli_int128 total = 0;
    switch (dtype) {
    case LADLE_DTYPE_BOOL:
    case LADLE_DTYPE_U8: SUM_NARROW(uint8_t); break;
    case LADLE_DTYPE_I8: SUM_NARROW(int8_t); break;
    case LADLE_DTYPE_I16: SUM_NARROW(int16_t); break;
    case LADLE_DTYPE_U16: SUM_NARROW(uint16_t); break;
    case LADLE_DTYPE_I32: SUM_NARROW(int32_t); break;
    case LADLE_DTYPE_U32: SUM_NARROW(uint32_t); break;
    case LADLE_DTYPE_I64: SUM_WIDE(int64_t); break;
    case LADLE_DTYPE_U64: SUM_WIDE(uint64_t); break;
    case LADLE_DTYPE_NONE:
    case LADLE_DTYPE_F32:
    case LADLE_DTYPE_F64: break;
    }
    return total;
}

static void add(cli_float_sum *sum, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned exponent = (unsigned)(bits >> 52) & 0x7ffu;
    int64_t mantissa = (int64_t)(bits & ((UINT64_C(1) << 52) - 1));
    if (exponent == 0x7ffu) {
        sum->has_nan |= mantissa != 0;
        sum->has_infinity |= mantissa == 0 && (bits >> 63) == 0;
        sum->has_minus_infinity |= mantissa == 0 && (bits >> 63) != 0;
        return;
    }
    /* Subnormals have exponent 0, no hidden bit, and the unit of exponent 1. */
    mantissa |= (int64_t)(exponent != 0) << 52;
    sum->by_exponent[exponent] += (bits >> 63) != 0 ? -mantissa : mantissa;
}

/* 32-bit digits of the whole sum, in units of 2^-1074: the largest term starts at bit 2045 and is
 * below 2^117. */
#define N_DIGITS 70

/* Adds up the terms with `sign`. Returns true if the result is negative. */
static bool collect(const cli_float_sum *sum, int sign, uint32_t digits[N_DIGITS])
{
    int64_t limbs[N_DIGITS] = {0};
    for (unsigned exponent = 0; exponent < 2047; ++exponent) {
        cli_int128 term = sum->by_exponent[exponent] * sign;
        unsigned position = exponent == 0 ? 0 : exponent - 1;
        cli_uint128 size = term < 0 ? (cli_uint128)0 - (cli_uint128)term : (cli_uint128)term;
        for (unsigned limb = position / 32; size != 0; ++limb, size >>= 32) {
            /* 2047 terms of 4 pieces each below 2^32 stay far below 2^63. */
            uint64_t piece = (uint64_t)(uint32_t)size << (position % 32);
            int64_t low = (int64_t)(piece & UINT32_MAX), high = (int64_t)(piece >> 32);
            limbs[limb] += term < 0 ? -low : low;
            limbs[limb + 1] += term < 0 ? -high : high;
        }
    }
    int64_t carry = 0;
    for (unsigned i = 0; i < N_DIGITS; ++i) {
        int64_t limb = limbs[i] + carry;
        int64_t digit = limb & (int64_t)UINT32_MAX;
        digits[i] = (uint32_t)digit;
        carry = (limb - digit) / (INT64_C(1) << 32);
    }
    return carry < 0;
}

static unsigned bit(const uint32_t digits[N_DIGITS], int position)
{
    return digits[position / 32] >> (position % 32) & 1u;
}

/* Rounds the digits to the nearest double, ties to even. */
static double round_digits(const uint32_t digits[N_DIGITS])
{
    int top = N_DIGITS * 32 - 1;
    while (top >= 0 && bit(digits, top) == 0) {
        --top;
    }
    int last = top > 52 ? top - 52 : 0; /* the last bit that a double keeps */
    uint64_t mantissa = 0;
    for (int position = top; position >= last; --position) {
        mantissa = mantissa << 1 | bit(digits, position);
    }
    if (last > 0 && bit(digits, last - 1) == 1) {
        bool tie = true;
        for (int position = last - 2; position >= 0 && tie; --position) {
            tie = bit(digits, position) == 0;
        }
        mantissa += !tie || (mantissa & 1) == 1;
    }
    return ldexp((double)mantissa, last - 1074);
}

double cli_sum_floats(cli_float_sum *sum, ladle_dtype dtype, const void *data, int64_t count)
{
    memset(sum, 0, sizeof *sum);
    if (dtype == LADLE_DTYPE_F32) {
        const float *values = data;
        for (int64_t i = 0; i < count; ++i) {
            add(sum, (double)values[i]);
        }
    } else {
        const double *values = data;
        for (int64_t i = 0; i < count; ++i) {
            add(sum, values[i]);
        }
    }
    if (sum->has_nan || (sum->has_infinity && sum->has_minus_infinity)) {
        return (double)NAN;
    }
    if (sum->has_infinity || sum->has_minus_infinity) {
        return sum->has_infinity ? (double)INFINITY : -(double)INFINITY;
    }
    uint32_t digits[N_DIGITS];
    if (!collect(sum, 1, digits)) {
        return round_digits(digits);
    }
    collect(sum, -1, digits);
    return -round_digits(digits);
}
