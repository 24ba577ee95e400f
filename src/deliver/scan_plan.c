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

/* A column's items that lie before step `i`, counted from the window's first one: less than none where an earlier
 * window had some of the step. */
static int64_t items_before(const ladle_window *w, const ladle_scan_column *column, int64_t i)
{
    int64_t n, positions = position(w, column, i) - position_before(w, column, w->from, w->low);
    if (ladle_multiply(positions, column->n_each, &n))
        return n;
    return positions < 0 ? INT64_MIN / 2 : INT64_MAX / 2; /* more than pages can hold */
}

static ladle_lease **slot_of(const ladle_window *w, const ladle_scan_column *column, int64_t i)
{
    return &w->steps[i]->step.buffers[column->first_buffer + column->n_buffers - 1];
}

/* Adds the target of what step `i` has of the window's items [low, high). */
static ladle_target *add_target(ladle_window *w, const ladle_scan_column *column, int64_t i, int64_t low, int64_t high,
                                ladle_error *error)
{
    ladle_scan_step *step = w->steps[i];
    ladle_target *target = ladle_vector_push(&w->targets, error);
    if (target == NULL)
        return NULL;
    int64_t begin = items_before(w, column, i), end = items_before(w, column, i + 1);
    target->tag = i;
    target->slot = slot_of(w, column, i);
    target->table = w->table;
    target->column = column->column;
    target->buffer = column->n_buffers - 1;
    target->start = ladle_max(step->step.start, w->from);
    target->stop = ladle_min(step->step.stop, w->to);
    target->error = &step->error;
    target->n_items = high - low;
    if (low > begin || high < end) {
        target->is_part = true;
        target->first_item = low - begin;
        target->n_block = end - begin;
    }
    target->lease = *target->slot; /* of a step that has a part already; else NULL */
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

/* Bytes of one item in memory; INT64_MAX where that is refused when a block is made. */
static int64_t item_nbytes(const ladle_window *w, const ladle_scan_column *column)
{
    const ladle_column *c = &w->table->columns[column->column];
    int64_t nbytes;
    return ladle_multiply(c->inner, (int64_t)ladle_dtype_size((ladle_dtype)c->dtype), &nbytes) ? nbytes : INT64_MAX;
}

/* Plans a target from the column's slices, from the `*at`-th on: those of the window's items [low, high). Where they
 * cannot begin a buffer, it is planned by itself. */
static ladle_status take_slices(ladle_window *w, const ladle_scan_column *column, ladle_target *target, int64_t low,
                                int64_t high, int64_t *at, ladle_error *error)
{
    const ladle_table *table = w->table;
    target->first_slice = w->slices.count;
    ladle_status status = cut_slices(w, low, high, at, error);
    if (status != LADLE_OK)
        return status;
    target->n_slices = w->slices.count - target->first_slice;
    target->is_planned =
        low == 0 || target->n_slices == 0 || table->ops->begin == NULL ||
        table->ops->begin(table, target->column, target->buffer, (ladle_slice *)w->slices.items + target->first_slice);
    if (!target->is_planned) {
        target->offsets = offsets_for(w, column, target->start, target->stop);
        w->slices.count = target->first_slice;
    }
    return LADLE_OK;
}

/* Cuts the column's slices, which are known to hold all of its items, at the borders of the steps: the window's items
 * [from, to), of which steps [first, end) get something, perhaps nothing, and those behind them the rest. */
static ladle_status cut(ladle_window *w, const ladle_scan_column *column, int64_t from, int64_t to, int64_t first,
                        int64_t end, ladle_error *error)
{
    int64_t at = 0, item = item_nbytes(w, column), n_complete = ladle_window_n_complete(w);
    for (int64_t i = first; i < w->n_steps && (i < end || items_before(w, column, i) < to); i++) {
        int64_t low = ladle_max(items_before(w, column, i), from);
        int64_t high = ladle_max(low, ladle_min(items_before(w, column, i + 1), to));
        if (low == high && *slot_of(w, column, i) != NULL)
            continue; /* an earlier window or piece had all of it */
        ladle_target *target = add_target(w, column, i, low, high, error);
        if (target == NULL)
            return (ladle_status)error->status;
        if (take_slices(w, column, target, low, high, &at, error) != LADLE_OK)
            return (ladle_status)error->status;
        if (target->is_planned && target->lease == NULL &&
            (!target->is_part || i < n_complete || can_be_filled(w, column, target)))
            ladle_window_count(w, i, target->is_part ? target->n_block : target->n_items, item);
    }
    return LADLE_OK;
}

/* The slices of all of the column's items in the window, into w->whole. Fails where they are not as many. */
static ladle_status plan_whole(ladle_window *w, const ladle_scan_column *column, int64_t *n_items, ladle_error *error)
{
    int64_t wanted, found;
    int64_t n_positions = position_before(w, column, w->to, w->high) - position_before(w, column, w->from, w->low);
    *n_items = ladle_multiply(n_positions, column->n_each, &wanted) ? wanted : INT64_MAX / 2;
    w->whole.count = 0;
    ladle_status status = w->table->ops->plan(w->table, column->column, column->n_buffers - 1, w->from, w->to,
                                              offsets_for(w, column, w->from, w->to), &w->whole, &found, error);
    if (status == LADLE_OK && found != *n_items)
        status = ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                            "its pages hold %" PRId64 " of the %" PRId64 " values of the range", found, *n_items);
    return status;
}

/* Can each of the pages begin a buffer? */
static bool can_begin(const ladle_window *w, const ladle_scan_column *column)
{
    const ladle_slice *whole = w->whole.items;
    for (int64_t i = 0; i < w->whole.count && w->table->ops->begin != NULL; i++) {
        ladle_slice slice = whole[i];
        if (!w->table->ops->begin(w->table, column->column, column->n_buffers - 1, &slice))
            return false;
    }
    return true;
}

ladle_status ladle_window_choose_late(ladle_window *w, int64_t nbytes, ladle_error *error)
{
    const ladle_scan_column *columns = w->part->columns.items;
    int64_t room = w->order.page_nbytes, n_items;
    ladle_error failure;
    for (int64_t k = 0; k < w->part->columns.count; k++) {
        if (!ladle_window_can_plan(&columns[k]) || ladle_window_column_nbytes(w, &columns[k]) < nbytes ||
            plan_whole(w, &columns[k], &n_items, &failure) != LADLE_OK || w->whole.count < w->order.least_pages)
            continue;
        int64_t page = ladle_window_column_nbytes(w, &columns[k]) / w->whole.count;
        if (page > room || !can_begin(w, &columns[k]))
            continue;
        ladle_late *late = ladle_vector_push(&w->late, error);
        if (late == NULL)
            return (ladle_status)error->status;
        late->column = &columns[k];
        w->is_late[k] = true;
        room -= page;
    }
    return LADLE_OK;
}

/* The data of one column: planned over the window, or, where that fails, step by step, so that it fails where it must.
 */
ladle_status ladle_window_plan(ladle_window *w, const ladle_scan_column *column, ladle_error *error)
{
    int64_t n_items;
    ladle_error failure;
    if (plan_whole(w, column, &n_items, &failure) == LADLE_OK)
        return cut(w, column, 0, n_items, 0, w->n_steps, error);
    for (int64_t i = 0; i < w->n_steps; i++) {
        int64_t low = ladle_max(items_before(w, column, i), 0);
        int64_t high = ladle_max(low, ladle_min(items_before(w, column, i + 1), n_items));
        ladle_target *target = add_target(w, column, i, low, high, error);
        if (target == NULL)
            return (ladle_status)error->status;
        target->offsets = offsets_for(w, column, target->start, target->stop);
        if (target->is_part && target->lease == NULL)
            (void)can_be_filled(w, column, target);
    }
    return LADLE_OK;
}

ladle_status ladle_window_plan_late(ladle_window *w, ladle_late *late, int64_t first, int64_t end, ladle_error *error)
{
    int64_t n_items, stop = late->done;
    ladle_status status = plan_whole(w, late->column, &n_items, error);
    if (status != LADLE_OK)
        return status;
    int64_t needed = end < w->n_steps ? items_before(w, late->column, end) : n_items;
    const ladle_slice *whole = w->whole.items;
    for (int64_t i = 0; i < w->whole.count && whole[i].dest < needed; i++)
        stop = ladle_max(stop, whole[i].dest + whole[i].take);
    status = cut(w, late->column, late->done, stop, first, end, error);
    late->done = stop;
    return status;
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
