/* Columns of a scan planned over a window, and their slices cut where its steps meet. */
#include "base/checked.h"
#include "base/error.h"
#include "deliver/scan_window.h"

#include <inttypes.h>

/* Positions of a column's innermost list, in the horizon, before step `i`. */
static int64_t position(const ladle_window *w, const ladle_scan_column *column, int64_t i)
{
    if (column->lists >= 0)
        return w->positions[i * w->part->lists.count + column->lists];
    const ladle_step *last = &w->steps[w->n_steps - 1]->step;
    return (i < w->n_steps ? w->steps[i]->step.start : last->stop) - w->part->horizon;
}

/* The same before an entry whose positions of lists are known. */
static int64_t position_before(const ladle_window *w, const ladle_scan_column *column, int64_t entry,
                               const int64_t *positions)
{
    return column->lists >= 0 ? positions[column->lists] : entry - w->part->horizon;
}

/* What the window has of step `i`, in positions. */
static void share_of_step(const ladle_window *w, const ladle_scan_column *column, int64_t i, int64_t *low,
                          int64_t *high)
{
    *low = ladle_max(position(w, column, i), position_before(w, column, w->from, w->low));
    *high = ladle_max(*low, ladle_min(position(w, column, i + 1), position_before(w, column, w->to, w->high)));
}

static ladle_target *add_target(ladle_window *w, const ladle_scan_column *column, int64_t i, ladle_error *error)
{
    ladle_scan_step *step = w->steps[i];
    ladle_target *target = ladle_vector_push(&w->targets, error);
    if (target == NULL)
        return NULL;
    target->tag = i;
    target->slot = &step->step.buffers[column->first_buffer + column->n_buffers - 1];
    target->table = w->table;
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
static const int64_t *offsets_for(const ladle_window *w, const ladle_scan_column *column, int64_t start, int64_t stop)
{
    if (column->lists < 0)
        return NULL;
    const ladle_scan_lists *lists = (const ladle_scan_lists *)w->part->lists.items + column->lists;
    if (lists->counter < 0)
        return NULL;
    int64_t first, last;
    w->table->ops->page_bounds(w->table, column->column, start, stop, &first, &last);
    return (const int64_t *)ladle_lease_data(lists->offsets) + (first - lists->base);
}

/* Appends what the column's slices, from the `*at`-th on, have of its items [low, high) in the window. */
static ladle_status cut_slices(ladle_window *w, int64_t low, int64_t high, int64_t *at, ladle_error *error)
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
void ladle_window_count(ladle_window *w, int64_t i, int64_t n, int64_t size)
{
    int64_t nbytes, sum;
    if (ladle_multiply(n, size, &nbytes) && nbytes <= ladle_context_limits(w->part->context)->max_buffer_nbytes &&
        ladle_add(w->nbytes[i], nbytes + LADLE_REGION_GRAIN, &sum))
        w->nbytes[i] = sum; /* what is larger is refused later */
}

/* Of a step that will stay open: can its pages fill the block that is made of it now, also those that come later? */
static bool can_be_filled(ladle_window *w, const ladle_scan_column *column, const ladle_target *target)
{
    ladle_table *table = w->table;
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
static ladle_status cut(ladle_window *w, const ladle_scan_column *column, ladle_error *error)
{
    ladle_table *table = w->table;
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
                ladle_window_count(w, i, target->is_part ? target->n_block : target->n_items, item);
        } else {
            target->offsets = offsets_for(w, column, target->start, target->stop);
            w->slices.count = target->first_slice;
        }
    }
    return LADLE_OK;
}

/* The data of one column: planned over the window, or, where that fails, step by step, so that it fails where it must.
 */
ladle_status ladle_window_plan(ladle_window *w, const ladle_scan_column *column, ladle_error *error)
{
    ladle_table *table = w->table;
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

bool ladle_window_can_plan(const ladle_scan_column *column)
{
    return column->way == LADLE_SCAN_FLAT || column->way == LADLE_SCAN_LISTS;
}

/* What the column's items are in memory, by their number. */
int64_t ladle_window_column_nbytes(const ladle_window *w, const ladle_scan_column *column)
{
    const ladle_column *c = &w->table->columns[column->column];
    int64_t n, nbytes;
    if (ladle_multiply(position(w, column, w->n_steps) - position(w, column, 0), column->n_each, &n) &&
        ladle_multiply(n, c->inner, &n) && ladle_multiply(n, (int64_t)ladle_dtype_size((ladle_dtype)c->dtype), &nbytes))
        return nbytes;
    return INT64_MAX; /* refused when it is planned */
}
