/* deliver/batch.h: many buffers in one pass: plan, coalesced reads, each page decoded once into its place.
 *
 * A target is one buffer of values that pages hold: flat data, data below known offsets, the counts of a counter
 * column, or any buffer of STORED lists. Everything else is made from targets or by gather.h.
 */
#ifndef LADLE_DELIVER_BATCH_H
#define LADLE_DELIVER_BATCH_H

#include "deliver/pool.h"
#include "memory/lease.h"
#include "memory/region.h"
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
    const int64_t *offsets;        /* of the page_bounds range, where the lists are COUNTED; else NULL */
    bool is_planned;               /* first_slice, n_slices and n_items are given; else the batch plans it */
    int64_t first_slice, n_slices; /* in the vector of slices */
    int64_t n_items;
    bool is_part;                /* the items are those of a block from the first_item-th on, which has n_block */
    int64_t first_item, n_block; /* where is_part */
    ladle_region *region;        /* to cut the lease from, or NULL */
    int64_t tag;                 /* the caller's */
    ladle_lease **slot;          /* the caller's */
    ladle_lease *lease;          /* in: NULL, or of a part the block; out: owned by the caller; NULL on failure */
    ladle_error *error;          /* in: OK; out: what went wrong. Targets that share one fail together */
} ladle_target;

/* Reads all targets whose error->status is OK. Each succeeds or fails for itself, but for those that share an error.
 * `planned`: the slices of planned targets, to which those of the others are added, or NULL. `stop`: NULL, or becomes
 * true when nobody wants the result any more; the targets that were not read by then are CANCELLED. */
void ladle_batch_read(ladle_reader *reader, ladle_target *targets, int64_t n_targets, ladle_vector *planned,
                      const atomic_bool *stop);

#endif
