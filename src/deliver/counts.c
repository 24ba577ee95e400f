#include "deliver/counts.h"

#include "base/error.h"

#include <inttypes.h>

/* One loop without a branch for each entry; `bits` gathers what any count was. A count above INT64_MAX turns negative
 * in the cast, so one look at the sign refuses both. */
#define SUM_COUNTS(type)                              \
    do {                                              \
        const type *counts = ladle_lease_data(lease); \
        for (int64_t i = 0; i < n; i++) {             \
            int64_t count = (int64_t)counts[i];       \
            bits |= (uint64_t)count;                  \
            sum += (uint64_t)count;                   \
            offsets[i + 1] = (int64_t)sum;            \
        }                                             \
    } while (0)

/* Sums up the counts of `lease` into `offsets`, n + 1 values from 0. Returns the entry whose count cannot be, or -1. */
static int64_t sum_counts(const ladle_lease *lease, int64_t *offsets)
{
    int64_t n = ladle_lease_count(lease);
    uint64_t bits = 0, sum = 0;
    offsets[0] = 0;
    switch (ladle_lease_dtype(lease)) {
    case LADLE_DTYPE_I8: SUM_COUNTS(int8_t); break;
    case LADLE_DTYPE_U8: SUM_COUNTS(uint8_t); break;
    case LADLE_DTYPE_I16: SUM_COUNTS(int16_t); break;
    case LADLE_DTYPE_U16: SUM_COUNTS(uint16_t); break;
    case LADLE_DTYPE_I32: SUM_COUNTS(int32_t); break;
    case LADLE_DTYPE_U32: SUM_COUNTS(uint32_t); break;
    case LADLE_DTYPE_I64: SUM_COUNTS(int64_t); break;
    default: SUM_COUNTS(uint64_t); break;
    }
    /* Fewer than 2^31 counts below 2^32 cannot overflow: nothing else is seen in honest files. */
    if (bits < UINT64_C(1) << 32 && n < INT64_C(1) << 31)
        return -1;
    const int64_t most = INT64_C(1) << 48; /* far above any memory */
    for (int64_t i = 0; i < n; i++)
        if (offsets[i + 1] < offsets[i] || offsets[i + 1] > most)
            return i;
    return -1;
}

ladle_lease *ladle_sum_counts(ladle_context *context, const ladle_table *table, int32_t counter, int64_t start,
                              const ladle_lease *counts, ladle_error *error)
{
    ladle_lease *offsets = ladle_lease_create(context, LADLE_DTYPE_I64, ladle_lease_count(counts) + 1, error);
    if (offsets == NULL)
        return NULL;
    int64_t bad = sum_counts(counts, ladle_lease_writable(offsets));
    if (bad < 0)
        return offsets;
    ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "the count of entry %" PRId64 " is negative or too large",
               start + bad);
    ladle_table_blame(table, counter, error);
    ladle_lease_release(offsets);
    return NULL;
}
