/* Consecutive differences: loops that a compiler makes vectors of, over memory of any alignment. */
#include "store/delta.h"

#include <string.h>

/* The differences depend on the input alone, so they vectorise. */
#define DIFFERENCES(type)                                             \
    for (size_t i = 1; i < n; i++) {                                  \
        type before, value;                                           \
        memcpy(&before, in + (i - 1) * sizeof before, sizeof before); \
        memcpy(&value, in + i * sizeof value, sizeof value);          \
        value -= before;                                              \
        memcpy(out + i * sizeof value, &value, sizeof value);         \
    }

void ladle_delta_differences(void *to, const void *from, size_t nbytes, size_t value_nbytes)
{
    uint8_t *restrict out = to;
    const uint8_t *restrict in = from;
    size_t n = nbytes / value_nbytes;
    if (n > 0)
        memcpy(out, in, value_nbytes);
    if (value_nbytes == 8) {
        DIFFERENCES(uint64_t)
    } else {
        DIFFERENCES(uint32_t)
    }
    memcpy(out + n * value_nbytes, in + n * value_nbytes, nbytes - n * value_nbytes);
}

/* Four at a time, so that each value waits for one addition in four only. */
#define SUMS(type)                                      \
    type sum = 0, v[4];                                 \
    size_t i = 0;                                       \
    for (; i + 4 <= n; i += 4) {                        \
        memcpy(v, in + i * sizeof sum, sizeof v);       \
        v[1] += v[0];                                   \
        v[3] += v[2];                                   \
        v[2] += v[1];                                   \
        v[3] += v[1];                                   \
        v[0] += sum;                                    \
        v[1] += sum;                                    \
        v[2] += sum;                                    \
        v[3] += sum;                                    \
        sum = v[3];                                     \
        memcpy(out + i * sizeof sum, v, sizeof v);      \
    }                                                   \
    for (; i < n; i++) {                                \
        memcpy(v, in + i * sizeof sum, sizeof sum);     \
        sum += v[0];                                    \
        memcpy(out + i * sizeof sum, &sum, sizeof sum); \
    }

void ladle_delta_sums(void *to, const void *from, size_t nbytes, size_t value_nbytes)
{
    uint8_t *restrict out = to;
    const uint8_t *restrict in = from;
    size_t n = nbytes / value_nbytes;
    if (value_nbytes == 8) {
        SUMS(uint64_t)
    } else {
        SUMS(uint32_t)
    }
    memcpy(out + n * value_nbytes, in + n * value_nbytes, nbytes - n * value_nbytes);
}

/* How a value orders among others of its dtype, as an unsigned integer of 8 bytes. */
static uint64_t rank_of(ladle_dtype dtype, const uint8_t *at)
{
    uint32_t half;
    uint64_t whole;
    switch (dtype) {
    case LADLE_DTYPE_I32: memcpy(&half, at, sizeof half); return half ^ UINT32_C(0x80000000);
    case LADLE_DTYPE_U32: memcpy(&half, at, sizeof half); return half;
    case LADLE_DTYPE_I64: memcpy(&whole, at, sizeof whole); return whole ^ UINT64_C(0x8000000000000000);
    default: memcpy(&whole, at, sizeof whole); return whole;
    }
}

bool ladle_delta_rises(ladle_dtype dtype, const void *data, int64_t count)
{
    enum { RUNS = 16, RUN = 64 };
    if (dtype != LADLE_DTYPE_I32 && dtype != LADLE_DTYPE_U32 && dtype != LADLE_DTYPE_I64 && dtype != LADLE_DTYPE_U64)
        return false;
    int64_t size = (int64_t)ladle_dtype_size(dtype);
    int64_t runs = count / RUN < RUNS ? count / RUN : RUNS;
    bool rises = false;
    for (int64_t r = 0; r < runs; r++) {
        /* The first run begins with the first value, the last one ends with the last. */
        int64_t first = runs == 1 ? 0 : (count - RUN) * r / (runs - 1);
        const uint8_t *at = (const uint8_t *)data + first * size;
        uint64_t before = rank_of(dtype, at);
        for (int64_t i = 1; i < RUN; i++) {
            uint64_t value = rank_of(dtype, at + i * size);
            if (value < before)
                return false;
            rises = rises || value > before;
            before = value;
        }
    }
    return rises;
}
