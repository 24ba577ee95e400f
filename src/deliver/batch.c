#include "deliver/batch.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/far.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    GAP_NBYTES = 16 << 10,  /* a hole that is cheaper to read than to skip */
    RUN_NBYTES = 256 << 10, /* a run stays in the cache of the core that decodes it */
    EMBEDDED_PER_RUN = 16,
    NEAR_NBYTES = 8 << 20 /* of more there is little left in the caches when somebody reads it */
};

/* A slice, where it lies and whose it is. */
typedef struct work {
    ladle_source *source;
    int64_t offset, nbytes; /* of the slice */
    int64_t slice;          /* index in the batch's slices: by target, then by place in the buffer */
    int64_t target;
} work;

/* Works that are read at once: `nbytes` bytes at `offset`, or nothing where they are embedded. */
typedef struct run {
    int64_t first, count;
    int64_t offset, nbytes;
} run;

typedef struct batch {
    ladle_reader *reader;
    ladle_target *targets;
    const atomic_bool *stop;
    ladle_vector *slices; /* of ladle_slice */
    int64_t nbytes;       /* of the targets' blocks */
    ladle_vector works;   /* of work, sorted by place */
    ladle_vector runs;    /* of run */
    pthread_mutex_t lock; /* guards the targets' errors while the loop runs */
} batch;

static work *works_of(const batch *b)
{
    return b->works.items;
}

static ladle_slice *slices_of(const batch *b, const ladle_target *target)
{
    return b->slices->items == NULL ? NULL : (ladle_slice *)b->slices->items + target->first_slice;
}

static void fail_target(batch *b, int64_t index, const ladle_error *error)
{
    const ladle_target *target = &b->targets[index];
    pthread_mutex_lock(&b->lock);
    if (target->error->status == LADLE_OK) {
        *target->error = *error;
        ladle_table_blame(target->table, target->column, target->error);
    }
    pthread_mutex_unlock(&b->lock);
}

static bool has_failed(batch *b, int64_t index)
{
    pthread_mutex_lock(&b->lock);
    bool failed = b->targets[index].error->status != LADLE_OK;
    pthread_mutex_unlock(&b->lock);
    return failed;
}

/* --- plan -------------------------------------------------------------------------------------- */

/* Allocates the target's block once its pages are known to be able to fill it. */
static ladle_status allocate(batch *b, ladle_target *target, const ladle_slice *slices)
{
    const ladle_column *column = &target->table->columns[target->column];
    int64_t found = 0, count, n_items = target->n_items;
    for (int64_t i = 0; i < target->n_slices; i++)
        found += slices[i].take;
    if (found != n_items)
        return ladle_fail(target->error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "its pages hold %" PRId64 " of the %" PRId64 " values of the range", found, n_items);
    if (target->is_part && n_items > target->n_block - target->first_item)
        return ladle_fail(target->error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "its pages hold %" PRId64 " values where %" PRId64 " are left", n_items,
                          target->n_block - target->first_item);
    if (target->lease != NULL)
        return LADLE_OK;
    n_items = target->is_part ? target->n_block : n_items;
    int32_t dim;
    ladle_role role = ladle_column_role(column, target->buffer, &dim);
    if (role == LADLE_ROLE_OFFSETS)
        count = n_items + 1;
    else if (role != LADLE_ROLE_DATA)
        count = n_items;
    else if (!ladle_multiply(n_items, column->inner, &count))
        return ladle_fail(target->error, LADLE_LIMIT, LADLE_NO_OFFSET, "%" PRId64 " times %" PRId64 " values", n_items,
                          column->inner);
    ladle_dtype dtype = ladle_column_buffer_dtype(column, target->buffer);
    target->lease = ladle_lease_create_maybe_in(b->reader->context, target->region, dtype, count, target->error);
    if (target->lease == NULL)
        return (ladle_status)target->error->status;
    b->nbytes += ladle_lease_nbytes(target->lease);
    if (role == LADLE_ROLE_OFFSETS)
        memset(ladle_lease_writable(target->lease), 0, sizeof(int64_t));
    return LADLE_OK;
}

static ladle_status plan_target(batch *b, int64_t index)
{
    ladle_target *target = &b->targets[index];
    const ladle_table *table = target->table;
    ladle_status status = LADLE_OK;
    if (!target->is_planned) {
        target->first_slice = b->slices->count;
        status = table->ops->plan(table, target->column, target->buffer, target->start, target->stop, target->offsets,
                                  b->slices, &target->n_items, target->error);
        target->n_slices = b->slices->count - target->first_slice;
    }
    if (status == LADLE_OK)
        status = allocate(b, target, slices_of(b, target));
    for (int64_t i = 0; i < target->n_slices && status == LADLE_OK; i++) {
        work *w = ladle_vector_push(&b->works, target->error);
        if (w == NULL)
            return (ladle_status)target->error->status;
        ladle_slice *slice = &slices_of(b, target)[i];
        slice->dest += target->is_part ? target->first_item : 0;
        *w = (work){table->source, slice->offset, slice->nbytes, target->first_slice + i, index};
    }
    return status;
}

/* What pages do not know of each other. */
static void finish_target(batch *b, ladle_target *target)
{
    const ladle_table *table = target->table;
    if (target->error->status == LADLE_OK && table->ops->finish != NULL &&
        table->ops->finish(table, target->column, target->buffer, slices_of(b, target), target->n_slices,
                           ladle_lease_writable(target->lease), target->error) != LADLE_OK)
        ladle_table_blame(table, target->column, target->error);
}

static int by_place(const void *a, const void *b)
{
    const work *x = a, *y = b;
    if (x->source != y->source)
        return (uintptr_t)x->source < (uintptr_t)y->source ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->slice < y->slice ? -1 : x->slice > y->slice;
}

/* Can `next` be read in one go with the run that ends at `end`? Slices of one page always are. */
static bool joins(const run *r, const work *previous, const work *next, int64_t end)
{
    if (previous->source != next->source)
        return false;
    if (next->offset >= 0 && next->offset == previous->offset && next->nbytes == previous->nbytes)
        return true;
    if (next->offset < 0)
        return previous->offset < 0 && r->count < EMBEDDED_PER_RUN;
    return previous->offset >= 0 && next->offset - end <= GAP_NBYTES &&
           next->offset + next->nbytes - r->offset <= RUN_NBYTES;
}

static ladle_status build_runs(batch *b, ladle_error *error)
{
    work *works = works_of(b);
    if (b->works.count > 1)
        qsort(works, (size_t)b->works.count, sizeof *works, by_place);
    run *current = NULL;
    int64_t end = 0;
    for (int64_t i = 0; i < b->works.count; i++) {
        const work *w = &works[i];
        if (current == NULL || !joins(current, w - 1, w, end)) {
            current = ladle_vector_push(&b->runs, error);
            if (current == NULL)
                return (ladle_status)error->status;
            current->first = i;
            current->offset = w->offset;
            end = current->offset;
        }
        current->count++;
        end = ladle_max(end, w->offset + w->nbytes);
        current->nbytes = w->offset < 0 ? 0 : end - current->offset;
    }
    return LADLE_OK;
}

/* --- read and decode --------------------------------------------------------------------------- */

static void decode(batch *b, const work *w, const uint8_t *record, ladle_scratch *scratch)
{
    const ladle_target *target = &b->targets[w->target];
    ladle_slice *slice = (ladle_slice *)b->slices->items + w->slice;
    ladle_error error;
    if (target->table->ops->decode(target->table, target->column, target->buffer, slice, record, scratch,
                                   ladle_lease_writable(target->lease), &error) == LADLE_OK)
        return;
    ladle_error_where(&error, " ", "page %" PRId64, slice->page);
    fail_target(b, w->target, &error);
}

/* Reads and decodes one work by itself. */
static void do_one(batch *b, const work *w, ladle_scratch *scratch)
{
    ladle_error error;
    uint8_t *input = ladle_scratch_input(scratch, w->nbytes, &error);
    if (input != NULL && ladle_source_read(w->source, w->offset, w->nbytes, input, &error) == LADLE_OK) {
        decode(b, w, input, scratch);
        return;
    }
    ladle_error_where(&error, " ", "page %" PRId64, ((const ladle_slice *)b->slices->items)[w->slice].page);
    fail_target(b, w->target, &error);
}

static void read_run(batch *b, const run *r, ladle_scratch *scratch)
{
    const work *works = works_of(b) + r->first;
    if (r->nbytes == 0) {
        for (int64_t i = 0; i < r->count; i++)
            if (!has_failed(b, works[i].target))
                decode(b, &works[i], NULL, scratch);
        return;
    }
    ladle_error error;
    uint8_t *input = r->count == 1 ? NULL : ladle_scratch_input(scratch, r->nbytes, &error);
    if (input == NULL || ladle_source_read(works->source, r->offset, r->nbytes, input, &error) != LADLE_OK) {
        /* A run of one; or it failed as a whole: then only those fail whose own bytes cannot be had. */
        for (int64_t i = 0; i < r->count; i++)
            if (!has_failed(b, works[i].target))
                do_one(b, &works[i], scratch);
        return;
    }
    for (int64_t i = 0; i < r->count; i++)
        if (!has_failed(b, works[i].target))
            decode(b, &works[i], input + (works[i].offset - r->offset), scratch);
}

static bool do_run(void *user, int64_t index, ladle_scratch *scratch)
{
    batch *b = user;
    if (b->stop != NULL && atomic_load_explicit(b->stop, memory_order_relaxed))
        return false;
    ladle_scratch_forget(scratch);
    scratch->stores_far = b->nbytes > NEAR_NBYTES;
    read_run(b, (const run *)b->runs.items + index, scratch);
    if (scratch->stores_far)
        ladle_far_settle();
    return true;
}

void ladle_batch_read(ladle_reader *reader, ladle_target *targets, int64_t n_targets, ladle_vector *planned,
                      const atomic_bool *stop)
{
    batch b = {.reader = reader, .targets = targets, .stop = stop, .slices = planned};
    ladle_vector own;
    ladle_vector_init(&own, reader->context, sizeof(ladle_slice));
    if (planned == NULL)
        b.slices = &own;
    ladle_vector_init(&b.works, reader->context, sizeof(work));
    ladle_vector_init(&b.runs, reader->context, sizeof(run));
    (void)pthread_mutex_init(&b.lock, NULL);
    for (int64_t i = 0; i < n_targets; i++)
        if (targets[i].error->status == LADLE_OK && plan_target(&b, i) != LADLE_OK)
            ladle_table_blame(targets[i].table, targets[i].column, targets[i].error);
    ladle_error error;
    ladle_status status = build_runs(&b, &error);
    if (status == LADLE_OK)
        status = ladle_pool_run(reader->pool, b.runs.count, do_run, &b, &error);
    if (status == LADLE_OK && stop != NULL && atomic_load_explicit(stop, memory_order_relaxed))
        status = ladle_fail(&error, LADLE_CANCELLED, LADLE_NO_OFFSET, "stopped by the caller");
    for (int64_t i = 0; i < n_targets; i++) {
        ladle_target *target = &targets[i];
        if (target->error->status == LADLE_OK && status != LADLE_OK)
            fail_target(&b, i, &error);
        finish_target(&b, target);
        if (target->error->status == LADLE_OK)
            continue;
        ladle_lease_release(target->lease);
        target->lease = NULL;
    }
    (void)pthread_mutex_destroy(&b.lock);
    ladle_vector_destroy(&b.runs);
    ladle_vector_destroy(&b.works);
    ladle_vector_destroy(&own);
}
