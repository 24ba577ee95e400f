/* deliver/batch.h: many buffers in one pass: plan, coalesced reads, each page decoded once into its place.
 *
 * A target is one buffer of values that pages hold: flat data, data below known offsets, the counts of a counter
 * column, or any buffer of STORED lists. Everything else is made from targets or by gather.h.
 */
#ifndef LADLE_DELIVER_BATCH_H
#define LADLE_DELIVER_BATCH_H

#include "deliver/pool.h"
#include "memory/lease.h"
#include "table/table.h"

#include <ladle/deliver.h>

struct ladle_reader {
    ladle_context *context;
    atomic_int references;
    ladle_pool *pool;
};

typedef struct ladle_target {
    ladle_table *table;
    int32_t column;
    int32_t buffer;
    int64_t start, stop;
    const int64_t *offsets;        /* of the pages' entries, where the column is jagged; else NULL */
    int64_t offsets_base;          /* the entry that offsets[0] belongs to */
    ladle_lease *lease;            /* out: owned by the caller; NULL on failure */
    ladle_error error;             /* out: status OK, or what went wrong */
    int64_t first_slice, n_slices; /* the batch's own */
} ladle_target;

/* Reads all targets whose error.status is OK. Each succeeds or fails for itself. */
void ladle_batch_read(ladle_reader *reader, ladle_target *targets, int64_t n_targets);

#endif
