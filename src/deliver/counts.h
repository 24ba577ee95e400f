/* deliver/counts.h: from the counts of a counter column to offsets. */
#ifndef LADLE_DELIVER_COUNTS_H
#define LADLE_DELIVER_COUNTS_H

#include "memory/lease.h"
#include "table/table.h"

/* Sums up the counts of a counter column from entry `start` on. Returns owned: int64, one more than there are counts,
 * from 0; NULL with `error` filled: no memory, or CORRUPT with the entry whose count cannot be. */
ladle_lease *ladle_sum_counts(ladle_context *context, const ladle_table *table, int32_t counter, int64_t start,
                              const ladle_lease *counts, ladle_error *error);

#endif
