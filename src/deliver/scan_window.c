/* Steps of a scan that are decoded together: planned over the window, cut at their borders, read in one pass. */
#include "deliver/scan_window.h"
#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    GROUPS_IN_PIECE = 4, /* of a column that is read in pieces */
    LATE_SHARE = 1024    /* a column that is late has more than this part of a window */
};

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
    for (int i = 0; i < LADLE_SCAN_REGIONS; i++)
        ladle_region_release(step->regions[i]);
    ladle_free(context, step, sizeof *step, LADLE_MEMORY_METADATA);
}

/* --- the window ------------------------------------------------------------------------------- */

/* Which of the horizon's offsets of some lists are those of step `i`: [*from, *to], both. */
static void offsets_of_step(const ladle_window *w, int64_t i, const ladle_scan_lists *lists, int64_t *from, int64_t *to)
{
    const int64_t *low = &w->positions[i * w->part->lists.count], *high = low + w->part->lists.count;
    bool is_outermost = lists->parent < 0;
    *from = is_outermost ? w->steps[i]->step.start - lists->base : low[lists->parent];
    *to = is_outermost ? w->steps[i]->step.stop - lists->base : high[lists->parent];
}

/* The steps' offsets are planned buffers as well. */
static void count_offsets(ladle_window *w)
{
    const ladle_scan_lists *lists = w->part->lists.items;
    for (int64_t i = ladle_window_n_resumed(w); i < w->n_steps; i++)
        for (int64_t k = 0; k < w->part->lists.count; k++) {
            int64_t from, to;
            offsets_of_step(w, i, &lists[k], &from, &to);
            ladle_window_count(w, i, to - from + 1, sizeof(int64_t));
        }
}

ladle_region **ladle_scan_step_region(ladle_scan_step *step)
{
    for (int i = 0; i < LADLE_SCAN_REGIONS; i++)
        if (step->regions[i] == NULL)
            return &step->regions[i];
    return NULL;
}

/* The region that the step got last. */
static ladle_region *last_region(const ladle_scan_step *step)
{
    int i = LADLE_SCAN_REGIONS - 1;
    while (i > 0 && step->regions[i] == NULL)
        i--;
    return step->regions[i];
}

/* One piece of memory for all that is planned of each step. Where there is none, each buffer looks for its own. */
static void make_regions(ladle_window *w)
{
    for (int64_t i = w->n_given; i < w->n_steps; i++) {
        ladle_region **place = ladle_scan_step_region(w->steps[i]);
        if (w->nbytes[i] > 0 && place != NULL)
            *place = ladle_region_create(w->part->context, (size_t)w->nbytes[i], NULL);
        w->nbytes[i] = 0;
    }
}

/* Puts what columns of one step have by now into the file, and lets go of it. A step that failed has lost it. */
static bool spill_step(void *user, int64_t index, ladle_scratch *scratch)
{
    (void)scratch;
    ladle_window *w = user;
    ladle_scan_step *step = w->steps[index];
    ladle_error error;
    ladle_region_seal(step->regions[0]);
    if (step->error.status == LADLE_OK &&
        ladle_spill_put(w->order.spill, w->part, step, w->first_column, w->end_column, &error) != LADLE_OK) {
        pthread_mutex_lock(&w->lock);
        w->failure = error;
        pthread_mutex_unlock(&w->lock);
    }
    const ladle_scan_column *columns = w->part->columns.items;
    for (int64_t k = w->first_column; k < w->end_column; k++)
        for (int32_t b = columns[k].first_buffer; b < columns[k].first_buffer + columns[k].n_buffers; b++) {
            ladle_lease_release(step->step.buffers[b]);
            step->step.buffers[b] = NULL;
        }
    ladle_region_release(step->regions[0]);
    step->regions[0] = NULL;
    return true;
}

/* The same of all steps, for columns [first, end). */
static ladle_status spill_steps(ladle_window *w, int64_t first, int64_t end, ladle_error *error)
{
    if (w->order.spill == NULL)
        return LADLE_OK;
    w->first_column = first;
    w->end_column = end;
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

/* Where the group of columns ends that begins with `at`: all, or for a file those of group_nbytes, or one. `*nbytes`:
 * what it takes. */
static int64_t group_end(const ladle_window *w, int64_t at, int64_t *nbytes)
{
    const ladle_scan_column *columns = w->part->columns.items;
    for (*nbytes = 0; at < w->part->columns.count; at++) {
        bool is_read = ladle_window_can_plan(&columns[at]) && !w->is_late[at];
        int64_t more = is_read ? ladle_window_column_nbytes(w, &columns[at]) : 0;
        if (w->order.spill != NULL && *nbytes > 0 && more > w->order.group_nbytes - *nbytes)
            break;
        *nbytes = ladle_min(*nbytes, INT64_MAX - more) + more;
    }
    return at;
}

/* Reads what was planned. */
static void read_targets(ladle_window *w)
{
    make_regions(w);
    ladle_target *targets = w->targets.items;
    /* Step by step, so that what a step has in this group lies in one piece. */
    if (w->targets.count > 0)
        qsort(targets, (size_t)w->targets.count, sizeof *targets, by_step);
    for (int64_t i = 0; i < w->targets.count; i++)
        targets[i].region = last_region(w->steps[targets[i].tag]);
    ladle_batch_read(w->reader, targets, w->targets.count, &w->slices, w->order.stopped);
    for (int64_t i = 0; i < w->targets.count; i++) {
        if (targets[i].lease != NULL && *targets[i].slot == NULL)
            w->steps[targets[i].tag]->step.nbytes += ladle_lease_nbytes(targets[i].lease);
        *targets[i].slot = targets[i].lease;
    }
}

/* Reads columns [at, end) of all steps, but for late ones, and spills them. */
static ladle_status read_group(ladle_window *w, int64_t at, int64_t end, ladle_error *error)
{
    const ladle_scan_column *columns = w->part->columns.items;
    ladle_status status = LADLE_OK;
    w->slices.count = w->targets.count = 0;
    for (int64_t k = at; k < end && status == LADLE_OK; k++)
        if (ladle_window_can_plan(&columns[k]) && !w->is_late[k])
            status = ladle_window_plan(w, &columns[k], error);
    if (status != LADLE_OK)
        return status;
    if (w->order.spill == NULL)
        count_offsets(w);
    read_targets(w);
    return spill_steps(w, at, end, error);
}

/* Makes of `w` the window of some of the steps of `all`, which has nothing but whole ones. */
static void choose_steps(ladle_window *w, const ladle_window *all, int64_t first, int64_t n_steps)
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
static ladle_status read_in_pieces(ladle_window *w, int64_t at, int64_t end, int64_t nbytes, ladle_error *error)
{
    const ladle_window all = *w;
    int64_t each = ladle_max(all.n_steps / (nbytes / (GROUPS_IN_PIECE * w->order.group_nbytes) + 1), 1);
    ladle_status status = LADLE_OK;
    for (int64_t first = 0; first < all.n_steps && status == LADLE_OK && !atomic_load(w->order.stopped);
         first += each) {
        choose_steps(w, &all, first, ladle_min(each, all.n_steps - first));
        status = read_group(w, at, end, error);
    }
    choose_steps(w, &all, 0, all.n_steps);
    return status;
}

/* Where a window has several pieces, columns may be late that are worth a batch for each. */
static ladle_status choose_late(ladle_window *w, ladle_error *error)
{
    double nbytes = 0;
    for (int64_t i = 0; i < w->n_steps; i++)
        nbytes += w->reaches[i].nbytes;
    if (nbytes < 2 * (double)w->order.piece_nbytes)
        return LADLE_OK;
    return ladle_window_choose_late(w, (int64_t)(nbytes / LATE_SHARE), error);
}

static ladle_status read_planned(ladle_window *w, ladle_error *error)
{
    ladle_status status = choose_late(w, error);
    for (int64_t at = 0; at < w->part->columns.count && status == LADLE_OK && !atomic_load(w->order.stopped);) {
        int64_t nbytes, end = group_end(w, at, &nbytes);
        if (w->order.spill != NULL && nbytes / GROUPS_IN_PIECE > w->order.group_nbytes)
            status = read_in_pieces(w, at, end, nbytes, error);
        else
            status = read_group(w, at, end, error);
        at = end;
    }
    return status;
}

/* Offsets of all lists in one step: those of the horizon, from 0. */
static ladle_status cut_offsets(ladle_window *w, int64_t i, ladle_lease **out, ladle_error *error)
{
    const ladle_scan_lists *lists = w->part->lists.items;
    for (int64_t k = 0; k < w->part->lists.count; k++) {
        int64_t from, to;
        offsets_of_step(w, i, &lists[k], &from, &to);
        out[k] = ladle_lease_create_maybe_in(w->part->context, w->steps[i]->regions[0], LADLE_DTYPE_I64, to - from + 1,
                                             error);
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
static void share_offsets(ladle_window *w, int64_t i, ladle_lease **shared)
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

static ladle_status make_offsets(ladle_window *w, ladle_error *error)
{
    size_t size = sizeof(ladle_lease *) * (size_t)(w->part->lists.count + 1);
    ladle_lease **shared = ladle_alloc(w->part->context, size, LADLE_MEMORY_METADATA, error);
    if (shared == NULL)
        return (ladle_status)error->status;
    for (int64_t i = ladle_window_n_resumed(w); i < w->n_steps; i++) {
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

static void fail_steps(ladle_window *w, int64_t first, const ladle_error *error)
{
    for (int64_t i = first; i < w->n_steps; i++)
        if (w->steps[i]->error.status == LADLE_OK)
            w->steps[i]->error = *error;
}

static ladle_status create_steps(ladle_window *w, ladle_error *error)
{
    ladle_scan_part *part = w->part;
    int64_t start = part->at;
    w->from = part->open != NULL ? part->filled : start;
    for (int64_t i = 0; i < w->n_steps; i++) {
        w->steps[i] = part->open;
        part->open = NULL;
        if (w->steps[i] == NULL)
            w->steps[i] = ladle_scan_step_create(part, part->n_buffers, start, w->reaches[i].stop, error);
        if (w->steps[i] == NULL)
            return (ladle_status)error->status;
        ladle_scan_positions(part, start, &w->positions[i * part->lists.count]);
        start = w->reaches[i].stop;
    }
    ladle_scan_positions(part, start, &w->positions[w->n_steps * part->lists.count]);
    int64_t *low = w->positions + (w->n_steps + 1) * part->lists.count, *high = low + part->lists.count;
    ladle_scan_positions(part, w->from, low);
    ladle_scan_positions(part, w->to, high);
    w->low = low;
    w->high = high;
    return LADLE_OK;
}

/* All buffers of all steps but the late ones. Fails with the spill only. */
static ladle_status read_all(ladle_window *w, ladle_error *error)
{
    ladle_error failure;
    ladle_status status = read_planned(w, &failure);
    if (status == LADLE_OK && w->order.spill != NULL) { /* what columns share comes last, in one piece as well */
        count_offsets(w);
        make_regions(w);
    }
    if (status == LADLE_OK)
        status = make_offsets(w, &failure);
    int64_t n_steps = w->n_steps;
    w->n_steps = ladle_window_n_complete(w);
    if (status == LADLE_OK)
        status = ladle_window_read_rest(w, &failure);
    w->n_steps = n_steps;
    if (status == LADLE_OK)
        status = spill_steps(w, 0, w->part->columns.count, &failure);
    if (status == LADLE_OK || w->order.spill == NULL) {
        if (status != LADLE_OK)
            fail_steps(w, 0, &failure);
        return LADLE_OK;
    }
    ladle_error_copy(error, &failure);
    return status;
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* The end of the piece that begins with step `first`. */
static int64_t piece_end(const ladle_window *w, int64_t first)
{
    double nbytes = 0;
    if (w->late.count == 0)
        return w->n_steps;
    do
        nbytes += w->reaches[first++].nbytes;
    while (first < w->n_steps && nbytes < (double)w->order.piece_nbytes);
    return first;
}

/* Reads the late columns of steps [first, end), and of others what is in the same pages. */
static ladle_status read_late(ladle_window *w, int64_t first, int64_t end, ladle_error *error)
{
    ladle_late *late = w->late.items;
    w->slices.count = w->targets.count = 0;
    for (int64_t i = 0; i < w->late.count; i++) {
        ladle_status status = ladle_window_plan_late(w, &late[i], first, end, error);
        if (status != LADLE_OK)
            return status;
    }
    read_targets(w);
    return LADLE_OK;
}

/* Steps [first, end), which are complete: as a list. */
static ladle_scan_step *list_steps(ladle_window *w, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) {
        for (int k = 0; k < LADLE_SCAN_REGIONS; k++)
            ladle_region_seal(w->steps[i]->regions[k]);
        w->steps[i]->next = i + 1 < end ? w->steps[i + 1] : NULL;
    }
    return first < end ? w->steps[first] : NULL;
}

/* Is there a step for which there was no memory? */
static const ladle_error *memory_failure(const ladle_window *w, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) {
        const ladle_error *error = &w->steps[i]->error;
        if (error->status == LADLE_NOMEM || error->status == LADLE_BUDGET)
            return error;
    }
    return NULL;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Returns owned: without steps. */
static ladle_window *create_window(ladle_scan_part *part, ladle_reader *reader, const ladle_scan_order *order,
                                   ladle_error *error)
{
    int64_t n_steps = order->n_steps;
    size_t size = sizeof(ladle_window) + (sizeof(ladle_scan_step *) + sizeof(int64_t)) * (size_t)n_steps +
                  sizeof(int64_t) * (size_t)(n_steps + 3) * (size_t)part->lists.count +
                  (size_t)part->columns.count * sizeof(bool);
    ladle_window *w = ladle_alloc(part->context, size, LADLE_MEMORY_METADATA, error);
    if (w == NULL)
        return NULL;
    w->size = size;
    w->part = part;
    w->table = part->table;
    w->reader = reader;
    w->order = *order;
    w->reaches = (const ladle_scan_reach *)part->reaches.items + part->n_used;
    w->n_steps = n_steps;
    w->to = order->stop;
    w->steps = (ladle_scan_step **)(void *)(w + 1);
    w->nbytes = (int64_t *)(void *)(w->steps + n_steps);
    w->positions = w->nbytes + n_steps;
    w->is_late = (bool *)(w->positions + (n_steps + 3) * part->lists.count);
    ladle_vector_init(&w->whole, part->context, sizeof(ladle_slice));
    ladle_vector_init(&w->slices, part->context, sizeof(ladle_slice));
    ladle_vector_init(&w->targets, part->context, sizeof(ladle_target));
    ladle_vector_init(&w->late, part->context, sizeof(ladle_late));
    (void)pthread_mutex_init(&w->lock, NULL);
    return w;
}

/* With the steps that were not given. */
static void release_window(ladle_window *w)
{
    if (w == NULL)
        return;
    for (int64_t i = w->n_given; i < w->n_steps; i++)
        ladle_scan_step_release(w->part->context, w->steps[i]);
    (void)pthread_mutex_destroy(&w->lock);
    ladle_vector_destroy(&w->late);
    ladle_vector_destroy(&w->targets);
    ladle_vector_destroy(&w->slices);
    ladle_vector_destroy(&w->whole);
    ladle_free(w->part->context, w, w->size, LADLE_MEMORY_METADATA);
}

ladle_status ladle_scan_begin(ladle_scan_part *part, ladle_reader *reader, const ladle_scan_order *order,
                              ladle_error *error)
{
    ladle_window *w = create_window(part, reader, order, error);
    if (w == NULL)
        return (ladle_status)error->status;
    ladle_status status = create_steps(w, error);
    if (status == LADLE_OK)
        status = read_all(w, error);
    if (status == LADLE_OK)
        part->window = w;
    else
        release_window(w);
    return status;
}

ladle_scan_step *ladle_scan_continue(ladle_scan_part *part, int64_t *n)
{
    ladle_window *w = part->window;
    ladle_error failure;
    int64_t first = w->n_given, end = piece_end(w, first);
    if (w->late.count > 0 && read_late(w, first, end, &failure) != LADLE_OK)
        fail_steps(w, first, &failure);
    const ladle_error *shortage = memory_failure(w, first, end);
    if (shortage != NULL) { /* those behind it are not complete either, and all may be tried again */
        fail_steps(w, first, shortage);
        end = w->n_steps;
    }
    int64_t n_complete = end < w->n_steps ? end : ladle_window_n_complete(w);
    ladle_scan_step *steps = list_steps(w, first, n_complete);
    *n = n_complete - first;
    w->n_given = end;
    if (end == w->n_steps) {
        if (n_complete < w->n_steps) {
            part->open = w->steps[n_complete];
            part->filled = w->to;
        }
        part->window = NULL;
        release_window(w);
    }
    return steps;
}

void ladle_scan_close(ladle_scan_part *part)
{
    release_window(part->window);
    part->window = NULL;
    ladle_scan_step_release(part->context, part->open);
    part->open = NULL;
}
