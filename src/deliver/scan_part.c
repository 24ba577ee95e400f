/* A table and its columns in a scan, and the lists that these have in common. */
#include "deliver/scan.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

void ladle_scan_forget_horizon(ladle_scan_part *part)
{
    ladle_scan_lists *lists = part->lists.items;
    for (int64_t i = 0; i < part->lists.count; i++) {
        ladle_lease_release(lists[i].offsets);
        lists[i].offsets = NULL;
    }
}

void ladle_scan_part_release(ladle_scan_part *part)
{
    if (part == NULL)
        return;
    ladle_scan_forget_horizon(part);
    ladle_scan_close(part);
    ladle_scan_step_release(part->context, part->spare);
    ladle_vector_destroy(&part->columns);
    ladle_vector_destroy(&part->lists);
    ladle_vector_destroy(&part->reaches);
    ladle_table_release(part->table);
    ladle_free(part->context, part, sizeof *part, LADLE_MEMORY_METADATA);
}

/* How many dimensions of variable length, if these are all but for sizes behind them; else -1. */
static int32_t depth_of(const ladle_column *column)
{
    int32_t depth = 0;
    while (depth < column->n_dims && column->dims[depth] == LADLE_VAR)
        depth++;
    for (int32_t i = depth; i < column->n_dims; i++)
        if (column->dims[i] < 0)
            return -1;
    return depth;
}

/* Items of data in one position of the innermost list: where a format does not take a fixed size for one item. False
 * where they are too many. */
static bool count_each(const ladle_column *column, int64_t *n_each)
{
    int64_t values = 1;
    for (int32_t i = 0; i < column->n_dims; i++)
        if (column->dims[i] > 0 && !ladle_multiply(values, column->dims[i], &values))
            return false;
    *n_each = column->inner > 0 ? values / column->inner : 1;
    return true;
}

static int32_t way_of(const ladle_column *column, int64_t *n_each)
{
    int32_t depth = depth_of(column);
    if (column->lists == LADLE_LISTS_GATHERED)
        return LADLE_SCAN_GATHERED;
    if (depth < 0 || column->n_buffers != depth + 1 || !count_each(column, n_each))
        return LADLE_SCAN_OTHER;
    return depth == 0 ? LADLE_SCAN_FLAT : LADLE_SCAN_LISTS;
}

/* Decoded bytes of an entry of a column, by some of its pages: for those whose lengths only pages know. */
static double guess_entry(ladle_table *table, int32_t index)
{
    enum { SAMPLES = 8 };
    const ladle_column *column = &table->columns[index];
    ladle_storage_info storage = {.struct_size = sizeof storage};
    double nbytes = 0, entries = 0;
    if (ladle_table_storage(table, index, &storage, NULL) != LADLE_OK)
        return 0; /* reading it will tell */
    for (int64_t i = 0; i < SAMPLES && i < storage.n_pages; i++) {
        int64_t page = storage.n_pages <= SAMPLES ? i : i * (storage.n_pages / SAMPLES);
        ladle_page_info info = {.struct_size = sizeof info};
        ladle_page_detail detail = {.struct_size = sizeof detail};
        if (ladle_table_page(table, index, page, &info, NULL) == LADLE_OK &&
            ladle_table_page_detail(table, index, page, &detail, NULL) == LADLE_OK && info.n_entries > 0) {
            nbytes += (double)detail.decoded_nbytes;
            entries += (double)info.n_entries;
        }
    }
    return (entries > 0 ? nbytes / entries : 0) + 8.0 * column->n_buffers;
}

/* The index of the lists that are the `level`-th dimension of a column, found or added; -1 without memory. */
static int32_t find_lists(ladle_scan_part *part, int32_t index, int32_t level, int32_t parent, ladle_error *error)
{
    const ladle_column *column = &part->table->columns[index];
    ladle_buffer_info info = {.struct_size = sizeof info};
    (void)ladle_table_buffer(part->table, index, level, &info); /* it has one */
    int32_t counter = column->lists == LADLE_LISTS_COUNTED ? column->counter : -1;
    ladle_scan_lists *lists = part->lists.items;
    for (int32_t i = 0; i < part->lists.count; i++)
        if (lists[i].parent == parent && lists[i].counter == counter && (counter >= 0 || lists[i].owner == info.owner))
            return i;
    lists = ladle_vector_push(&part->lists, error);
    if (lists == NULL)
        return -1;
    lists->parent = parent;
    lists->column = index;
    lists->buffer = level;
    lists->counter = counter;
    lists->owner = info.owner;
    return (int32_t)part->lists.count - 1;
}

static ladle_status add_column(ladle_scan_part *part, int32_t index, ladle_error *error)
{
    if (index < 0 || index >= part->table->n_columns)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "column %d of %d", index, part->table->n_columns);
    const ladle_column *column = &part->table->columns[index];
    ladle_status status = LADLE_OK;
    if (column->reason != NULL)
        status = ladle_fail(error, (ladle_status)column->reason_status, LADLE_NO_OFFSET, "cannot be read: %s",
                            column->reason);
    else if (column->n_entries < part->stop)
        status = ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "it has %" PRId64 " entries, its table %" PRId64,
                            column->n_entries, part->table->n_entries);
    if (status != LADLE_OK) {
        ladle_table_blame(part->table, index, error);
        return status;
    }
    ladle_scan_column *c = ladle_vector_push(&part->columns, error);
    if (c == NULL)
        return (ladle_status)error->status;
    c->column = index;
    c->way = way_of(column, &c->n_each);
    c->lists = -1;
    c->first_buffer = part->n_buffers;
    c->n_buffers = column->n_buffers;
    part->n_buffers += column->n_buffers;
    double nbytes = (double)c->n_each * (double)column->inner * (double)ladle_dtype_size((ladle_dtype)column->dtype);
    if (c->way == LADLE_SCAN_FLAT) {
        part->entry_nbytes += nbytes;
    } else if (c->way == LADLE_SCAN_LISTS) {
        for (int32_t level = 0; level < column->n_buffers - 1; level++) {
            c->lists = find_lists(part, index, level, c->lists, error);
            if (c->lists < 0)
                return (ladle_status)error->status;
        }
        ((ladle_scan_lists *)part->lists.items)[c->lists].item_nbytes += nbytes;
    } else {
        part->entry_nbytes += guess_entry(part->table, index);
    }
    return LADLE_OK;
}

ladle_scan_part *ladle_scan_part_create(ladle_context *context, ladle_table *table, const int32_t *columns,
                                        int32_t n_columns, int64_t start, int64_t stop, ladle_error *error)
{
    if (start < 0 || stop < start || stop > table->n_entries || n_columns < 1) {
        ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                   "entries %" PRId64 " to %" PRId64 " of %d columns; the table has %" PRId64 " entries", start, stop,
                   n_columns, table->n_entries);
        return NULL;
    }
    ladle_scan_part *part = ladle_alloc(context, sizeof *part, LADLE_MEMORY_METADATA, error);
    if (part == NULL)
        return NULL;
    part->context = context;
    part->table = table;
    ladle_table_retain(table);
    ladle_vector_init(&part->columns, context, sizeof(ladle_scan_column));
    ladle_vector_init(&part->lists, context, sizeof(ladle_scan_lists));
    ladle_vector_init(&part->reaches, context, sizeof(ladle_scan_reach));
    part->at = start;
    part->stop = stop;
    ladle_status status = LADLE_OK;
    for (int32_t i = 0; i < n_columns && status == LADLE_OK; i++)
        status = add_column(part, columns[i], error);
    if (status == LADLE_OK) {
        part->borders = ladle_table_clusters(table, &part->n_borders, error);
        status = part->borders == NULL ? (ladle_status)error->status : LADLE_OK;
    }
    if (status == LADLE_OK) {
        part->spare = ladle_scan_step_create(part, 0, start, stop, error);
        status = part->spare == NULL ? (ladle_status)error->status : LADLE_OK;
    }
    if (status == LADLE_OK)
        return part;
    ladle_scan_part_release(part);
    return NULL;
}
