/* base/checked.h: arithmetic on numbers that came from a file. Each returns false on overflow. */
#ifndef LADLE_BASE_CHECKED_H
#define LADLE_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool ladle_add(int64_t a, int64_t b, int64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool ladle_multiply(int64_t a, int64_t b, int64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline int64_t ladle_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t ladle_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
