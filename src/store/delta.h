/* store/delta.h: consecutive differences of integers, and whether they are worth a try.
 *
 * Offsets of a jagged column rise by small steps: their differences compress several times better than they do.
 * Differences and sums wrap around as unsigned integers do, so every row of bits comes back. */
#ifndef LADLE_STORE_DELTA_H
#define LADLE_STORE_DELTA_H

#include <ladle/base.h>

/* The first value, then what each has over the one before it, of the `nbytes` at `from`. Whole values of 4 or 8 bytes;
 * what is left over at the end is copied. Any alignment; no overlap. */
void ladle_delta_differences(void *to, const void *from, size_t nbytes, size_t value_nbytes);

/* The values again. Any alignment; no overlap. */
void ladle_delta_sums(void *to, const void *from, size_t nbytes, size_t value_nbytes);

/* Does each of some short runs of consecutive values never fall, and one of them rise? False for dtypes other than
 * integers of 4 and 8 bytes. */
bool ladle_delta_rises(ladle_dtype dtype, const void *data, int64_t count);

#endif
