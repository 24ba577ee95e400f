/* Columns of a scan that cannot be planned over a window: whose lengths only the pages know, and what is read step by
 * step. */
#include "base/error.h"
#include "deliver/gather.h"
#include "deliver/scan_window.h"

/* Copies the step's share of a gathered column. */
static ladle_status copy_gathered(ladle_window *w, const ladle_scan_column *column, int64_t i, ladle_lease **both)
{
    ladle_scan_step *step = w->steps[i];
    ladle_error *error = &step->error;
    ladle_context *context = w->part->context;
    int64_t from = step->step.start - w->steps[0]->step.start, n = step->step.stop - step->step.start;
    const int64_t *offsets = (const int64_t *)ladle_lease_data(both[0]) + from;
    ladle_dtype dtype = ladle_lease_dtype(both[1]);
    int64_t inner = w->table->columns[column->column].inner;
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

static void gather_column(ladle_window *w, const ladle_scan_column *column)
{
    int64_t start = w->steps[0]->step.start, stop = w->steps[w->n_steps - 1]->step.stop;
    ladle_lease *both[2];
    ladle_error failure;
    if (ladle_gather(w->reader, w->table, column->column, start, stop, &both[0], &both[1], &failure) == LADLE_OK) {
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
        if (error->status == LADLE_OK && ladle_gather(w->reader, w->table, column->column, step->start, step->stop,
                                                      &out[0], &out[1], error) != LADLE_OK)
            ladle_table_blame(w->table, column->column, error);
    }
}

static void count_gathered(ladle_window *w)
{
    const ladle_scan_column *columns = w->part->columns.items;
    for (int64_t i = 0; i < w->n_steps; i++)
        for (int64_t k = 0; k < w->part->columns.count; k++)
            for (int32_t b = 0; b < columns[k].n_buffers && columns[k].way == LADLE_SCAN_GATHERED; b++) {
                const ladle_lease *lease = w->steps[i]->step.buffers[columns[k].first_buffer + b];
                w->steps[i]->step.nbytes += lease == NULL ? 0 : ladle_lease_nbytes(lease);
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
static ladle_status read_others(ladle_window *w, int64_t n, ladle_error *error)
{
    const ladle_scan_column *columns = w->part->columns.items;
    size_t each = sizeof(ladle_request) + sizeof(ladle_lease *) + sizeof(ladle_error);
    uint8_t *room = ladle_alloc_array(w->part->context, n, each, LADLE_MEMORY_METADATA, error);
    if (room == NULL)
        return (ladle_status)error->status;
    ladle_request *requests = (ladle_request *)(void *)room;
    ladle_lease **leases = (ladle_lease **)(void *)(requests + n);
    ladle_error *errors = (ladle_error *)(void *)(leases + n);
    for (int64_t i = 0; i < w->n_steps && !atomic_load(w->order.stopped); i++) {
        ladle_scan_step *step = w->steps[i];
        if (step->error.status != LADLE_OK)
            continue;
        int64_t at = 0;
        for (int64_t k = 0; k < w->part->columns.count; k++)
            for (int32_t b = 0; columns[k].way == LADLE_SCAN_OTHER && b < columns[k].n_buffers; b++)
                requests[at++] = (ladle_request){w->table, columns[k].column, b, step->step.start, step->step.stop};
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

ladle_status ladle_window_read_rest(ladle_window *w, ladle_error *error)
{
    const ladle_scan_column *columns = w->part->columns.items;
    int64_t n_others = 0;
    if (w->n_steps == 0)
        return LADLE_OK;
    for (int64_t k = 0; k < w->part->columns.count; k++) {
        if (columns[k].way == LADLE_SCAN_GATHERED && !atomic_load(w->order.stopped))
            gather_column(w, &columns[k]);
        n_others += columns[k].way == LADLE_SCAN_OTHER ? columns[k].n_buffers : 0;
    }
    count_gathered(w);
    return n_others == 0 ? LADLE_OK : read_others(w, n_others, error);
}
