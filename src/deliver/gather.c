#include "deliver/gather.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

typedef struct gather {
    ladle_reader *reader;
    ladle_table *table;
    int32_t column;
    const ladle_vector *slices;
    ladle_lease *offsets;
    int64_t *lengths;       /* offsets[1 ...]: lengths until the last page is in, then summed up */
    ladle_lease *data;      /* grows */
    int64_t capacity, used; /* bytes of data */
    ladle_error *error;
    ladle_status status;
} gather;

/* Room for `nbytes` more bytes of values; doubles what there is, since the pages are the evidence. */
static uint8_t *reserve(void *user, int64_t nbytes, ladle_error *error)
{
    gather *g = user;
    int64_t needed;
    ladle_dtype dtype = (ladle_dtype)g->table->columns[g->column].dtype;
    if (!ladle_add(g->used, nbytes, &needed)) {
        ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET, "more than 2^63 bytes of values");
        return NULL;
    }
    if (g->data == NULL || needed > g->capacity) {
        int64_t size = (int64_t)ladle_dtype_size(dtype);
        int64_t capacity = g->data == NULL ? needed : ladle_max(needed, g->capacity * 2);
        ladle_lease *larger = ladle_lease_create(g->reader->context, dtype, capacity / size, error);
        if (larger == NULL)
            return NULL;
        if (g->data != NULL)
            memcpy(ladle_lease_writable(larger), ladle_lease_data(g->data), (size_t)g->used);
        ladle_lease_release(g->data);
        g->data = larger;
        g->capacity = capacity / size * size;
    }
    uint8_t *to = (uint8_t *)ladle_lease_writable(g->data) + g->used;
    g->used = needed;
    return to;
}

static bool do_gather(void *user, int64_t index, ladle_scratch *scratch)
{
    (void)index;
    gather *g = user;
    const ladle_slice *slices = g->slices->items;
    for (int64_t i = 0; i < g->slices->count && g->status == LADLE_OK; i++) {
        const ladle_slice *slice = &slices[i];
        const uint8_t *record = NULL;
        if (slice->offset >= 0) {
            uint8_t *input = ladle_scratch_input(scratch, slice->nbytes, g->error);
            g->status = input == NULL
                            ? (ladle_status)g->error->status
                            : ladle_source_read(g->table->source, slice->offset, slice->nbytes, input, g->error);
            record = input;
        }
        ladle_page_split out = {g->lengths + slice->dest, reserve, g};
        if (g->status == LADLE_OK)
            g->status = g->table->ops->split(g->table, g->column, slice, record, scratch, &out, g->error);
        if (g->status != LADLE_OK)
            ladle_error_where(g->error, " ", "page %" PRId64, slice->page);
    }
    return true;
}

/* Lengths -> offsets, and a data block of about the right size. */
static ladle_status complete(gather *g, int64_t n_entries)
{
    int64_t *offsets = ladle_lease_writable(g->offsets);
    offsets[0] = 0;
    for (int64_t i = 0; i < n_entries; i++)
        offsets[i + 1] += offsets[i];
    if (reserve(g, 0, g->error) == NULL) /* no page: an empty block */
        return (ladle_status)g->error->status;
    int64_t count = g->used / (int64_t)ladle_dtype_size(ladle_lease_dtype(g->data));
    if (g->capacity - g->used > g->used / 4 + 4096) {
        ladle_lease *tight = ladle_lease_copy(g->reader->context, ladle_lease_dtype(g->data), count,
                                              ladle_lease_data(g->data), g->error);
        if (tight == NULL)
            return (ladle_status)g->error->status;
        ladle_lease_release(g->data);
        g->data = tight;
    }
    ladle_lease_shorten(g->data, count);
    return LADLE_OK;
}

ladle_status ladle_gather(ladle_reader *reader, ladle_table *table, int32_t column, int64_t start, int64_t stop,
                          ladle_lease **offsets, ladle_lease **data, ladle_error *error)
{
    *offsets = NULL;
    *data = NULL;
    ladle_vector slices;
    int64_t n_items;
    ladle_vector_init(&slices, reader->context, sizeof(ladle_slice));
    gather g = {.reader = reader, .table = table, .column = column, .slices = &slices, .error = error};
    g.status = table->ops->plan(table, column, 1, start, stop, NULL, &slices, &n_items, error);
    if (g.status == LADLE_OK) {
        g.offsets = ladle_lease_create(reader->context, LADLE_DTYPE_I64, stop - start + 1, error);
        g.status = g.offsets == NULL ? (ladle_status)error->status : LADLE_OK;
    }
    if (g.status == LADLE_OK) {
        g.lengths = (int64_t *)ladle_lease_writable(g.offsets) + 1;
        ladle_status status = ladle_pool_run(reader->pool, 1, do_gather, &g, error);
        if (status != LADLE_OK)
            g.status = status;
    }
    if (g.status == LADLE_OK)
        g.status = complete(&g, stop - start);
    ladle_vector_destroy(&slices);
    if (g.status != LADLE_OK) {
        ladle_lease_release(g.offsets);
        ladle_lease_release(g.data);
        return g.status;
    }
    *offsets = g.offsets;
    *data = g.data;
    return LADLE_OK;
}
