/* Steps of a scan that are decoded together: planned over the window, cut at their borders, read in one pass. */
#include "base/checked.h"
#include "base/error.h"
#include "deliver/gather.h"
#include "deliver/scan.h"
#include "deliver/spill.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS_IN_PIECE = 4 }; /* of a column that is read in pieces */

/* --- steps ------------------------------------------------------------------------------------ */

ladle_scan_step *ladle_scan_step_create(ladle_scan_part *part, int32_t n_buffers, int64_t start, int64_t stop,
                                        ladle_error *error)
{
    ladle_scan_step *step = ladle_alloc(part->context, sizeof *step, LADLE_MEMORY_METADATA, error);
    if (step == NULL)
        return NULL;
    if (n_buffers > 0)
        step->step.buffers =
            ladle_alloc_array(part->context, n_buffers, sizeof *step->step.buffers, LADLE_MEMORY_METADATA, error);
    if (n_buffers > 0 && step->step.buffers == NULL) {
        ladle_free(part->context, step, sizeof *step, LADLE_MEMORY_METADATA);
        return NULL;
    }
    step->step.part = part->number;
    step->step.start = start;
    step->step.stop = stop;
    step->step.n_buffers = n_buffers;
    step->step.context = part->context;
    ladle_context_retain(part->context);
    step->step.table = part->table;
    ladle_table_retain(part->table);
    return step;
}

void ladle_step_release(ladle_step *step)
{
    if (step == NULL || step->context == NULL)
        return;
    for (int32_t i = 0; i < step->n_buffers; i++)
        ladle_lease_release(step->buffers[i]);
    ladle_context *context = step->context;
    ladle_table_release(step->table);
    ladle_free(context, step->buffers, (size_t)step->n_buffers * sizeof *step->buffers, LADLE_MEMORY_METADATA);
    memset(step, 0, sizeof *step);
    ladle_context_release(context);
}

void ladle_scan_step_release(ladle_context *context, ladle_scan_step *step)
{
    if (step == NULL)
        return;
    ladle_spill_forget(context, step);
    ladle_step_release(&step->step);
    ladle_region_release(step->region);
    ladle_free(context, step, sizeof *step, LADLE_MEMORY_METADATA);
}

/* --- the window ------------------------------------------------------------------------------- */

/* Steps that are decoded together. Whatever fails fails a step, and the first failure of a step is what it tells. */
typedef struct window {
    ladle_scan_part *part;
    ladle_reader *reader;
    const atomic_bool *stop;
    ladle_spill *spill;
    int64_t group_nbytes; /* of columns that are decoded at once */
    int64_t n_steps;
    ladle_scan_step **steps;
    int64_t from, to;          /* the entries: the first step may have more before them, the last one behind */
    int64_t *nbytes;           /* for each step: of its planned buffers */
    int64_t *positions;        /* for each step, and the end: of each of part->lists, in items of the horizon */
    const int64_t *low, *high; /* the same before `from` and `to` */
    ladle_vector whole;        /* of ladle_slice: of one column over the window */
    ladle_vector slices;       /* the same, cut at the steps' borders: of all columns */
    ladle_vector targets;      /* of ladle_target */
    pthread_mutex_t lock;      /* guards what follows */
    ladle_error failure;       /* of the spill */
} window;

static ladle_table *table_of(const window *w)
{
    return w->part->table;
}

/* Steps that an earlier window began: 1, the first one, or 0. */
static int64_t n_resumed(const window *w)
{
    return w->from > w->steps[0]->step.start;
}

/* All steps, or all but the last one. */
static int64_t n_complete(const window *w)
{
    return w->n_steps - (w->to < w->steps[w->n_steps - 1]->step.stop);
}

/* Positions of a column's innermost list, in the horizon, before step `i`. */
static int64_t position(const window *w, const ladle_scan_column *column, int64_t i)
{
    if (column->lists >= 0)
        return w->positions[i * w->part->lists.count + column->lists];
    const ladle_step *last = &w->steps[w->n_steps - 1]->step;
    return (i < w->n_steps ? w->steps[i]->step.start : last->stop) - w->part->horizon;
}

/* The same before an entry whose positions of lists are known. */
static int64_t position_before(const window *w, const ladle_scan_column *column, int64_t entry,
                               const int64_t *positions)
{
    return column->lists >= 0 ? positions[column->lists] : entry - w->part->horizon;
}

/* What the window has of step `i`, in positions. */
static void share_of_step(const window *w, const ladle_scan_column *column, int64_t i, int64_t *low, int64_t *high)
{
    *low = ladle_max(position(w, column, i), position_before(w, column, w->from, w->low));
    *high = ladle_max(*low, ladle_min(position(w, column, i + 1), position_before(w, column, w->to, w->high)));
}

static ladle_target *add_target(window *w, const ladle_scan_column *column, int64_t i, ladle_error *error)
{
    ladle_scan_step *step = w->steps[i];
    ladle_target *target = ladle_vector_push(&w->targets, error);
    if (target == NULL)
        return NULL;
    target->tag = i;
    target->slot = &step->step.buffers[column->first_buffer + column->n_buffers - 1];
    target->table = table_of(w);
    target->column = column->column;
    target->buffer = column->n_buffers - 1;
    target->start = ladle_max(step->step.start, w->from);
    target->stop = ladle_min(step->step.stop, w->to);
    target->error = &step->error;
    if (target->start > step->step.start || target->stop < step->step.stop) {
        int64_t low, high;
        share_of_step(w, column, i, &low, &high);
        target->is_part = true;
        target->first_item = (low - position(w, column, i)) * column->n_each;
        target->n_block = (position(w, column, i + 1) - position(w, column, i)) * column->n_each;
    }
    target->lease = *target->slot; /* of a step that is resumed; else NULL */
    return target;
}

/* The offsets that a plan of entries from `start` on wants, or NULL. */
static const int64_t *offsets_for(const window *w, const ladle_scan_column *column, int64_t start, int64_t stop)
{
    if (column->lists < 0)
        return NULL;
    const ladle_scan_lists *lists = (const ladle_scan_lists *)w->part->lists.items + column->lists;
    if (lists->counter < 0)
        return NULL;
    int64_t first, last;
    table_of(w)->ops->page_bounds(table_of(w), column->column, start, stop, &first, &last);
    return (const int64_t *)ladle_lease_data(lists->offsets) + (first - lists->base);
}

/* Appends what the column's slices, from the `*at`-th on, have of its items [low, high) in the window. */
static ladle_status cut_slices(window *w, int64_t low, int64_t high, int64_t *at, ladle_error *error)
{
    const ladle_slice *whole = w->whole.items;
    for (; *at < w->whole.count && whole[*at].dest < high; (*at)++) {
        const ladle_slice *from = &whole[*at];
        int64_t begin = ladle_max(low, from->dest), end = ladle_min(high, from->dest + from->take);
        if (begin < end) {
            ladle_slice *slice = ladle_vector_push(&w->slices, error);
            if (slice == NULL)
                return (ladle_status)error->status;
            *slice = *from;
            slice->skip += begin - from->dest;
            slice->take = end - begin;
            slice->dest = begin - low;
        }
        if (from->dest + from->take > high)
            break; /* the next step has more of it */
    }
    return LADLE_OK;
}

/* A planned buffer of the step will take `n` values of `size` bytes: their pages were seen to be able to hold them. */
static void count_planned(window *w, int64_t i, int64_t n, int64_t size)
{
    int64_t nbytes, sum;
    if (ladle_multiply(n, size, &nbytes) && nbytes <= ladle_context_limits(w->part->context)->max_buffer_nbytes &&
        ladle_add(w->nbytes[i], nbytes + LADLE_REGION_GRAIN, &sum))
        w->nbytes[i] = sum; /* what is larger is refused later */
}

/* Of a step that will stay open: can its pages fill the block that is made of it now, also those that come later? */
static bool can_be_filled(window *w, const ladle_scan_column *column, const ladle_target *target)
{
    ladle_table *table = table_of(w);
    const ladle_step *step = &w->steps[target->tag]->step;
    int64_t n_items, before = w->whole.count;
    if (target->error->status != LADLE_OK)
        return false;
    ladle_status status =
        table->ops->plan(table, target->column, target->buffer, step->start, step->stop,
                         offsets_for(w, column, step->start, step->stop), &w->whole, &n_items, target->error);
    w->whole.count = before;
    if (status == LADLE_OK && n_items != target->n_block)
        status =
            ladle_fail(target->error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                       "its pages hold %" PRId64 " of the %" PRId64 " values of the range", n_items, target->n_block);
    if (status != LADLE_OK)
        ladle_table_blame(table, target->column, target->error);
    return status == LADLE_OK;
}

/* Cuts the column's slices, which are known to hold all of its items, at the borders of the steps. */
static ladle_status cut(window *w, const ladle_scan_column *column, ladle_error *error)
{
    ladle_table *table = table_of(w);
    const ladle_column *c = &table->columns[column->column];
    int64_t item, at = 0, origin = position_before(w, column, w->from, w->low);
    if (!ladle_multiply(c->inner, (int64_t)ladle_dtype_size((ladle_dtype)c->dtype), &item))
        item = INT64_MAX;
    for (int64_t i = 0; i < w->n_steps; i++) {
        int64_t low, high;
        share_of_step(w, column, i, &low, &high);
        low = (low - origin) * column->n_each;
        high = (high - origin) * column->n_each;
        ladle_target *target = add_target(w, column, i, error);
        if (target == NULL)
            return (ladle_status)error->status;
        target->n_items = high - low;
        target->first_slice = w->slices.count;
        ladle_status status = cut_slices(w, low, high, &at, error);
        if (status != LADLE_OK)
            return status;
        target->n_slices = w->slices.count - target->first_slice;
        target->is_planned = i == 0 || target->n_slices == 0 || table->ops->begin == NULL ||
                             table->ops->begin(table, target->column, target->buffer,
                                               (ladle_slice *)w->slices.items + target->first_slice);
        if (target->is_planned) {
            if (target->lease == NULL && (!target->is_part || can_be_filled(w, column, target)))
                count_planned(w, i, target->is_part ? target->n_block : target->n_items, item);
        } else {
            target->offsets = offsets_for(w, column, target->start, target->stop);
            w->slices.count = target->first_slice;
        }
    }
    return LADLE_OK;
}

/* The data of one column: planned over the window, or, where that fails, step by step, so that it fails where it must.
 */
static ladle_status plan_column(window *w, const ladle_scan_column *column, ladle_error *error)
{
    ladle_table *table = table_of(w);
    int64_t start = w->from, stop = w->to, n_items, wanted;
    int64_t n_positions = position_before(w, column, stop, w->high) - position_before(w, column, start, w->low);
    ladle_error failure;
    w->whole.count = 0;
    ladle_status status = table->ops->plan(table, column->column, column->n_buffers - 1, start, stop,
                                           offsets_for(w, column, start, stop), &w->whole, &n_items, &failure);
    if (status == LADLE_OK && ladle_multiply(n_positions, column->n_each, &wanted) && n_items == wanted)
        return cut(w, column, error);
    for (int64_t i = 0; i < w->n_steps; i++) {
        ladle_target *target = add_target(w, column, i, error);
        if (target == NULL)
            return (ladle_status)error->status;
        target->offsets = offsets_for(w, column, target->start, target->stop);
        if (target->is_part && target->lease == NULL)
            (void)can_be_filled(w, column, target);
    }
    return LADLE_OK;
}

/* Which of the horizon's offsets of some lists are those of step `i`: [*from, *to], both. */
static void offsets_of_step(const window *w, int64_t i, const ladle_scan_lists *lists, int64_t *from, int64_t *to)
{
    const int64_t *low = &w->positions[i * w->part->lists.count], *high = low + w->part->lists.count;
    bool is_outermost = lists->parent < 0;
    *from = is_outermost ? w->steps[i]->step.start - lists->base : low[lists->parent];
    *to = is_outermost ? w->steps[i]->step.stop - lists->base : high[lists->parent];
}

/* The steps' offsets are planned buffers as well. */
static void count_offsets(window *w)
{
    const ladle_scan_lists *lists = w->part->lists.items;
    for (int64_t i = n_resumed(w); i < w->n_steps; i++)
        for (int64_t k = 0; k < w->part->lists.count; k++) {
            int64_t from, to;
            offsets_of_step(w, i, &lists[k], &from, &to);
            count_planned(w, i, to - from + 1, sizeof(int64_t));
        }
}

/* One piece of memory for all that is planned of each step. Where there is none, each buffer looks for its own. */
static void make_regions(window *w)
{
    for (int64_t i = 0; i < w->n_steps; i++) {
        if (w->nbytes[i] > 0 && w->steps[i]->region == NULL)
            w->steps[i]->region = ladle_region_create(w->part->context, (size_t)w->nbytes[i], NULL);
        w->nbytes[i] = 0;
    }
}

/* Puts what one step has by now into the file, and lets go of it. A step that failed has lost it. */
static bool spill_step(void *user, int64_t index, ladle_scratch *scratch)
{
    (void)scratch;
    window *w = user;
    ladle_scan_step *step = w->steps[index];
    ladle_error error;
    ladle_region_seal(step->region);
    if (step->error.status == LADLE_OK && ladle_spill_put(w->spill, w->part, step, &error) != LADLE_OK) {
        pthread_mutex_lock(&w->lock);
        w->failure = error;
        pthread_mutex_unlock(&w->lock);
    }
    for (int32_t k = 0; k < step->step.n_buffers; k++) {
        ladle_lease_release(step->step.buffers[k]);
        step->step.buffers[k] = NULL;
    }
    ladle_region_release(step->region);
    step->region = NULL;
    return true;
}

static ladle_status spill_steps(window *w, ladle_error *error)
{
    if (w->spill == NULL)
        return LADLE_OK;
    ladle_status status = ladle_pool_run(w->reader->pool, w->n_steps, spill_step, w, error);
    if (status == LADLE_OK && w->failure.status != LADLE_OK) {
        *error = w->failure;
        status = (ladle_status)error->status;
    }
    return status;
}

static int by_step(const void *a, const void *b)
{
    const ladle_target *x = a, *y = b;
    if (x->tag != y->tag)
        return x->tag < y->tag ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static bool is_planned(const ladle_scan_column *column)
{
    return column->way == LADLE_SCAN_FLAT || column->way == LADLE_SCAN_LISTS;
}

/* What the column's items are in memory, by their number. */
static int64_t column_nbytes(const window *w, const ladle_scan_column *column)
{
    const ladle_column *c = &table_of(w)->columns[column->column];
    int64_t n, nbytes;
    if (ladle_multiply(position(w, column, w->n_steps) - position(w, column, 0), column->n_each, &n) &&
        ladle_multiply(n, c->inner, &n) && ladle_multiply(n, (int64_t)ladle_dtype_size((ladle_dtype)c->dtype), &nbytes))
        return nbytes;
    return INT64_MAX; /* refused when it is planned */
}

/* Where the group of columns ends that begins with `at`: all, or for a file those of group_nbytes, or one. `*nbytes`:
 * what it takes. */
static int64_t group_end(const window *w, int64_t at, int64_t *nbytes)
{
    const ladle_scan_column *columns = w->part->columns.items;
    for (*nbytes = 0; at < w->part->columns.count; at++) {
        int64_t more = is_planned(&columns[at]) ? column_nbytes(w, &columns[at]) : 0;
        if (w->spill != NULL && *nbytes > 0 && more > w->group_nbytes - *nbytes)
            break;
        *nbytes = ladle_min(*nbytes, INT64_MAX - more) + more;
    }
    return at;
}

/* Reads columns [at, end) of all steps, and spills them. */
static ladle_status read_group(window *w, int64_t at, int64_t end, ladle_error *error)
{
    const ladle_scan_column *columns = w->part->columns.items;
    ladle_status status = LADLE_OK;
    w->slices.count = w->targets.count = 0;
    for (; at < end && status == LADLE_OK; at++)
        if (is_planned(&columns[at]))
            status = plan_column(w, &columns[at], error);
    if (status != LADLE_OK)
        return status;
    if (w->spill == NULL)
        count_offsets(w);
    make_regions(w);
    ladle_target *targets = w->targets.items;
    /* Step by step, so that what a step has in this group lies in one piece. */
    if (w->targets.count > 0)
        qsort(targets, (size_t)w->targets.count, sizeof *targets, by_step);
    for (int64_t i = 0; i < w->targets.count; i++)
        targets[i].region = w->steps[targets[i].tag]->region;
    ladle_batch_read(w->reader, targets, w->targets.count, &w->slices, w->stop);
    for (int64_t i = 0; i < w->targets.count; i++) {
        if (targets[i].lease != NULL && *targets[i].slot == NULL)
            w->steps[targets[i].tag]->step.nbytes += ladle_lease_nbytes(targets[i].lease);
        *targets[i].slot = targets[i].lease;
    }
    return spill_steps(w, error);
}

/* Makes of `w` the window of some of the steps of `all`, which has nothing but whole ones. */
static void choose_steps(window *w, const window *all, int64_t first, int64_t n_steps)
{
    int64_t n_lists = w->part->lists.count;
    w->steps = all->steps + first;
    w->n_steps = n_steps;
    w->nbytes = all->nbytes + first;
    w->positions = all->positions + first * n_lists;
    w->from = w->steps[0]->step.start;
    w->to = w->steps[n_steps - 1]->step.stop;
    w->low = w->positions;
    w->high = w->positions + n_steps * n_lists;
}

/* A column that takes much more than a group by itself is read for some of the steps after the others: pages at their
 * borders twice. */
static ladle_status read_in_pieces(window *w, int64_t at, int64_t end, int64_t nbytes, ladle_error *error)
{
    const window all = *w;
    int64_t each = ladle_max(all.n_steps / (nbytes / (GROUPS_IN_PIECE * w->group_nbytes) + 1), 1);
    ladle_status status = LADLE_OK;
    for (int64_t first = 0; first < all.n_steps && status == LADLE_OK && !atomic_load(w->stop); first += each) {
        choose_steps(w, &all, first, ladle_min(each, all.n_steps - first));
        status = read_group(w, at, end, error);
    }
    choose_steps(w, &all, 0, all.n_steps);
    return status;
}

static ladle_status read_planned(window *w, ladle_error *error)
{
    ladle_status status = LADLE_OK;
    for (int64_t at = 0; at < w->part->columns.count && status == LADLE_OK && !atomic_load(w->stop);) {
        int64_t nbytes, end = group_end(w, at, &nbytes);
        if (w->spill != NULL && nbytes / GROUPS_IN_PIECE > w->group_nbytes)
            status = read_in_pieces(w, at, end, nbytes, error);
        else
            status = read_group(w, at, end, error);
        at = end;
    }
    return status;
}

/* Offsets of all lists in one step: those of the horizon, from 0. */
static ladle_status cut_offsets(window *w, int64_t i, ladle_lease **out, ladle_error *error)
{
    const ladle_scan_lists *lists = w->part->lists.items;
    for (int64_t k = 0; k < w->part->lists.count; k++) {
        int64_t from, to;
        offsets_of_step(w, i, &lists[k], &from, &to);
        out[k] =
            ladle_lease_create_maybe_in(w->part->context, w->steps[i]->region, LADLE_DTYPE_I64, to - from + 1, error);
        if (out[k] == NULL)
            return (ladle_status)error->status;
        const int64_t *offsets = ladle_lease_data(lists[k].offsets);
        int64_t *values = ladle_lease_writable(out[k]), base = offsets[from];
        for (int64_t j = from; j <= to; j++)
            values[j - from] = offsets[j] - base;
    }
    return LADLE_OK;
}

/* Gives the columns of one step the offsets of their lists. */
static void share_offsets(window *w, int64_t i, ladle_lease **shared)
{
    const ladle_scan_column *columns = w->part->columns.items;
    const ladle_scan_lists *lists = w->part->lists.items;
    for (int64_t k = 0; k < w->part->columns.count; k++) {
        int32_t at = columns[k].first_buffer + columns[k].n_buffers - 2;
        for (int32_t l = columns[k].lists; l >= 0; l = lists[l].parent) {
            ladle_lease_retain(shared[l]);
            w->steps[i]->step.buffers[at--] = shared[l];
        }
    }
}

static ladle_status make_offsets(window *w, ladle_error *error)
{
    size_t size = sizeof(ladle_lease *) * (size_t)(w->part->lists.count + 1);
    ladle_lease **shared = ladle_alloc(w->part->context, size, LADLE_MEMORY_METADATA, error);
    if (shared == NULL)
        return (ladle_status)error->status;
    for (int64_t i = n_resumed(w); i < w->n_steps; i++) {
        memset(shared, 0, size);
        ladle_step *step = &w->steps[i]->step;
        if (w->steps[i]->error.status == LADLE_OK && cut_offsets(w, i, shared, &w->steps[i]->error) == LADLE_OK)
            share_offsets(w, i, shared);
        for (int64_t k = 0; k < w->part->lists.count; k++)
            if (shared[k] != NULL) {
                step->nbytes += ladle_lease_nbytes(shared[k]);
                ladle_lease_release(shared[k]);
            }
    }
    ladle_free(w->part->context, shared, size, LADLE_MEMORY_METADATA);
    return LADLE_OK;
}

/* --- what is not planned over the window ------------------------------------------------------ */

/* Copies the step's share of a gathered column. */
static ladle_status copy_gathered(window *w, const ladle_scan_column *column, int64_t i, ladle_lease **both)
{
    ladle_scan_step *step = w->steps[i];
    ladle_error *error = &step->error;
    ladle_context *context = w->part->context;
    int64_t from = step->step.start - w->steps[0]->step.start, n = step->step.stop - step->step.start;
    const int64_t *offsets = (const int64_t *)ladle_lease_data(both[0]) + from;
    ladle_dtype dtype = ladle_lease_dtype(both[1]);
    int64_t inner = table_of(w)->columns[column->column].inner;
    ladle_lease **out = &step->step.buffers[column->first_buffer];
    out[0] = ladle_lease_create(context, LADLE_DTYPE_I64, n + 1, error);
    if (out[0] == NULL)
        return (ladle_status)error->status;
    int64_t *values = ladle_lease_writable(out[0]);
    for (int64_t k = 0; k <= n; k++)
        values[k] = offsets[k] - offsets[0];
    const uint8_t *data = ladle_lease_data(both[1]);
    out[1] = ladle_lease_copy(context, dtype, values[n] * inner,
                              data + (size_t)(offsets[0] * inner) * ladle_dtype_size(dtype), error);
    return out[1] == NULL ? (ladle_status)error->status : LADLE_OK;
}

static void gather_column(window *w, const ladle_scan_column *column)
{
    int64_t start = w->steps[0]->step.start, stop = w->steps[w->n_steps - 1]->step.stop;
    ladle_lease *both[2];
    ladle_error failure;
    if (ladle_gather(w->reader, table_of(w), column->column, start, stop, &both[0], &both[1], &failure) == LADLE_OK) {
        for (int64_t i = 0; i < w->n_steps; i++)
            if (w->steps[i]->error.status == LADLE_OK)
                (void)copy_gathered(w, column, i, both);
        ladle_lease_release(both[0]);
        ladle_lease_release(both[1]);
        return;
    }
    for (int64_t i = 0; i < w->n_steps; i++) { /* which step does it concern? */
        ladle_step *step = &w->steps[i]->step;
        ladle_lease **out = &step->buffers[column->first_buffer];
        ladle_error *error = &w->steps[i]->error;
        if (error->status == LADLE_OK && ladle_gather(w->reader, table_of(w), column->column, step->start, step->stop,
                                                      &out[0], &out[1], error) != LADLE_OK)
            ladle_table_blame(table_of(w), column->column, error);
    }
}

static bool has(ladle_lease *const *leases, int64_t n, const ladle_lease *lease)
{
    for (int64_t i = 0; i < n; i++)
        if (leases[i] == lease)
            return true;
    return false;
}

/* The buffers of all columns that are read step by step; columns of one list, or variant, share. */
static ladle_status read_others(window *w, int64_t n, ladle_error *error)
{
    const ladle_scan_column *columns = w->part->columns.items;
    size_t each = sizeof(ladle_request) + sizeof(ladle_lease *) + sizeof(ladle_error);
    uint8_t *room = ladle_alloc_array(w->part->context, n, each, LADLE_MEMORY_METADATA, error);
    if (room == NULL)
        return (ladle_status)error->status;
    ladle_request *requests = (ladle_request *)(void *)room;
    ladle_lease **leases = (ladle_lease **)(void *)(requests + n);
    ladle_error *errors = (ladle_error *)(void *)(leases + n);
    for (int64_t i = 0; i < w->n_steps && !atomic_load(w->stop); i++) {
        ladle_scan_step *step = w->steps[i];
        if (step->error.status != LADLE_OK)
            continue;
        int64_t at = 0;
        for (int64_t k = 0; k < w->part->columns.count; k++)
            for (int32_t b = 0; columns[k].way == LADLE_SCAN_OTHER && b < columns[k].n_buffers; b++)
                requests[at++] = (ladle_request){table_of(w), columns[k].column, b, step->step.start, step->step.stop};
        (void)ladle_read_buffers(w->reader, requests, n, leases, errors);
        at = 0;
        for (int64_t k = 0; k < w->part->columns.count; k++)
            for (int32_t b = 0; columns[k].way == LADLE_SCAN_OTHER && b < columns[k].n_buffers; b++, at++) {
                step->step.buffers[columns[k].first_buffer + b] = leases[at];
                step->step.nbytes +=
                    leases[at] == NULL || has(leases, at, leases[at]) ? 0 : ladle_lease_nbytes(leases[at]);
                if (errors[at].status != LADLE_OK && step->error.status == LADLE_OK)
                    step->error = errors[at];
            }
    }
    ladle_free(w->part->context, room, (size_t)n * each, LADLE_MEMORY_METADATA);
    return LADLE_OK;
}

static ladle_status read_rest(window *w, ladle_error *error)
{
    const ladle_scan_column *columns = w->part->columns.items;
    int64_t n_others = 0;
    if (w->n_steps == 0)
        return LADLE_OK;
    for (int64_t k = 0; k < w->part->columns.count; k++) {
        if (columns[k].way == LADLE_SCAN_GATHERED && !atomic_load(w->stop))
            gather_column(w, &columns[k]);
        n_others += columns[k].way == LADLE_SCAN_OTHER ? columns[k].n_buffers : 0;
    }
    return n_others == 0 ? LADLE_OK : read_others(w, n_others, error);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void count_gathered(window *w)
{
    const ladle_scan_column *columns = w->part->columns.items;
    for (int64_t i = 0; i < w->n_steps; i++)
        for (int64_t k = 0; k < w->part->columns.count; k++)
            for (int32_t b = 0; b < columns[k].n_buffers && columns[k].way == LADLE_SCAN_GATHERED; b++) {
                const ladle_lease *lease = w->steps[i]->step.buffers[columns[k].first_buffer + b];
                w->steps[i]->step.nbytes += lease == NULL ? 0 : ladle_lease_nbytes(lease);
            }
}

static void fail_steps(window *w, const ladle_error *error)
{
    for (int64_t i = 0; i < w->n_steps; i++)
        if (w->steps[i]->error.status == LADLE_OK)
            w->steps[i]->error = *error;
}

static ladle_status create_steps(window *w, ladle_error *error)
{
    ladle_scan_part *part = w->part;
    const ladle_scan_reach *reaches = (const ladle_scan_reach *)part->reaches.items + part->n_used;
    int64_t start = part->at;
    w->from = part->open != NULL ? part->filled : start;
    for (int64_t i = 0; i < w->n_steps; i++) {
        w->steps[i] = part->open;
        part->open = NULL;
        if (w->steps[i] == NULL)
            w->steps[i] = ladle_scan_step_create(part, part->n_buffers, start, reaches[i].stop, error);
        if (w->steps[i] == NULL)
            return (ladle_status)error->status;
        ladle_scan_positions(part, start, &w->positions[i * part->lists.count]);
        start = reaches[i].stop;
    }
    ladle_scan_positions(part, start, &w->positions[w->n_steps * part->lists.count]);
    int64_t *low = w->positions + (w->n_steps + 1) * part->lists.count, *high = low + part->lists.count;
    ladle_scan_positions(part, w->from, low);
    ladle_scan_positions(part, w->to, high);
    w->low = low;
    w->high = high;
    return LADLE_OK;
}

/* All buffers of all steps. Fails with the spill only. */
static ladle_status read_all(window *w, ladle_error *error)
{
    ladle_error failure;
    ladle_status status = read_planned(w, &failure);
    if (status == LADLE_OK && w->spill != NULL) { /* what columns share comes last, in one piece as well */
        count_offsets(w);
        make_regions(w);
    }
    if (status == LADLE_OK)
        status = make_offsets(w, &failure);
    int64_t n_steps = w->n_steps;
    w->n_steps = n_complete(w);
    if (status == LADLE_OK)
        status = read_rest(w, &failure);
    count_gathered(w);
    w->n_steps = n_steps;
    if (status == LADLE_OK)
        status = spill_steps(w, &failure);
    if (status == LADLE_OK || w->spill == NULL) {
        if (status != LADLE_OK)
            fail_steps(w, &failure);
        return LADLE_OK;
    }
    ladle_error_copy(error, &failure);
    return status;
}

/* Hands out the steps that are complete, and keeps the last one if it is not. */
static ladle_scan_step *give_steps(window *w)
{
    int64_t n = n_complete(w);
    for (int64_t i = 0; i < n; i++) {
        ladle_region_seal(w->steps[i]->region);
        w->steps[i]->next = i + 1 < n ? w->steps[i + 1] : NULL;
    }
    if (n < w->n_steps) {
        w->part->open = w->steps[n];
        w->part->filled = w->to;
    }
    return n > 0 ? w->steps[0] : NULL;
}

void ladle_scan_close(ladle_scan_part *part)
{
    ladle_scan_step_release(part->context, part->open);
    part->open = NULL;
}

ladle_status ladle_scan_decode(ladle_scan_part *part, ladle_reader *reader, int64_t n_steps, int64_t stop,
                               ladle_spill *spill, int64_t group_nbytes, const atomic_bool *stopped,
                               ladle_scan_step **first, ladle_error *error)
{
    window w = {.part = part,
                .reader = reader,
                .stop = stopped,
                .spill = spill,
                .group_nbytes = spill == NULL ? INT64_MAX : group_nbytes,
                .n_steps = n_steps,
                .to = stop};
    *first = NULL;
    size_t size = (sizeof(ladle_scan_step *) + sizeof(int64_t)) * (size_t)n_steps +
                  sizeof(int64_t) * (size_t)(n_steps + 3) * (size_t)part->lists.count;
    uint8_t *room = ladle_alloc(part->context, size, LADLE_MEMORY_METADATA, error);
    if (room == NULL)
        return (ladle_status)error->status;
    w.steps = (ladle_scan_step **)(void *)room;
    w.nbytes = (int64_t *)(void *)(w.steps + n_steps);
    w.positions = w.nbytes + n_steps;
    ladle_vector_init(&w.whole, part->context, sizeof(ladle_slice));
    ladle_vector_init(&w.slices, part->context, sizeof(ladle_slice));
    ladle_vector_init(&w.targets, part->context, sizeof(ladle_target));
    (void)pthread_mutex_init(&w.lock, NULL);
    ladle_status status = create_steps(&w, error);
    if (status == LADLE_OK)
        status = read_all(&w, error);
    if (status == LADLE_OK)
        *first = give_steps(&w);
    for (int64_t i = 0; i < n_steps && status != LADLE_OK; i++)
        ladle_scan_step_release(part->context, w.steps[i]);
    (void)pthread_mutex_destroy(&w.lock);
    ladle_vector_destroy(&w.targets);
    ladle_vector_destroy(&w.slices);
    ladle_vector_destroy(&w.whole);
    ladle_free(part->context, room, size, LADLE_MEMORY_METADATA);
    return status;
}
