#include "table/table.h"

#include "base/error.h"
#include "base/near.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void ladle_table_init(ladle_table *table, ladle_context *context, const ladle_table_ops *ops)
{
    table->ops = ops;
    table->context = context;
    ladle_context_retain(context);
    atomic_init(&table->references, 1);
    ladle_arena_init(&table->arena, context);
}

void ladle_table_destroy_base(ladle_table *table)
{
    ladle_context *context = table->context;
    ladle_arena_destroy(&table->arena);
    ladle_context_release(context);
}

void ladle_table_retain(ladle_table *table)
{
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
}

void ladle_table_release(ladle_table *table)
{
    if (table != NULL && atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) == 1)
        table->ops->release(table);
}

const char *ladle_table_name(const ladle_table *table)
{
    return table->name;
}

const char *ladle_table_title(const ladle_table *table)
{
    return table->title;
}

const char *ladle_table_format(const ladle_table *table)
{
    return table->format;
}

int64_t ladle_table_n_entries(const ladle_table *table)
{
    return table->n_entries;
}

int32_t ladle_table_n_columns(const ladle_table *table)
{
    return table->n_columns;
}

const char *ladle_table_file_uuid(const ladle_table *table)
{
    return table->file_uuid;
}

ladle_status ladle_table_column(const ladle_table *table, int32_t index, ladle_column_info *info)
{
    if (index < 0 || index >= table->n_columns)
        return LADLE_INVALID;
    const ladle_column *column = &table->columns[index];
    ladle_column_info full = {
        .name = column->name,
        .title = column->title,
        .type_name = column->type_name,
        .reason = column->reason,
        .dtype = (ladle_dtype)column->dtype,
        .n_dims = column->n_dims,
        .is_string = column->is_string,
        .n_buffers = column->n_buffers,
        .counter = column->counter,
        .n_entries = column->n_entries,
        .n_pages = column->n_pages,
        .disk_nbytes = column->disk_nbytes,
    };
    for (int i = 0; i < column->n_dims; i++)
        full.dims[i] = column->dims[i];
    size_t size = info->struct_size < sizeof full ? info->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(info, &full, size);
    return LADLE_OK;
}

/* --- names ----------------------------------------------------------------------------------- */

static int32_t *index_slot(const ladle_table *table, const char *name)
{
    uint32_t mask = (uint32_t)table->index_size - 1;
    uint32_t at = (uint32_t)ladle_xxh3_64(name, strlen(name)) & mask;
    while (table->index[at] != 0 && strcmp(table->columns[table->index[at] - 1].name, name) != 0)
        at = (at + 1) & mask;
    return &table->index[at];
}

ladle_status ladle_table_build_index(ladle_table *table, ladle_error *error)
{
    table->index_size = 16;
    while (table->index_size < 2 * (int64_t)table->n_columns)
        table->index_size *= 2;
    table->index = ladle_arena_alloc(&table->arena, table->index_size, sizeof *table->index, error);
    if (table->index == NULL)
        return (ladle_status)error->status;
    for (int32_t i = 0; i < table->n_columns; i++) {
        int32_t *slot = index_slot(table, table->columns[i].name);
        if (*slot == 0)
            *slot = i + 1;
    }
    return LADLE_OK;
}

int32_t ladle_table_find(const ladle_table *table, const char *name)
{
    return *index_slot(table, name) - 1;
}

ladle_status ladle_table_require(const ladle_table *table, const char *name, int32_t *index, ladle_error *error)
{
    *index = ladle_table_find(table, name);
    if (*index >= 0)
        return LADLE_OK;
    ladle_near near;
    ladle_near_init(&near, name);
    for (int32_t i = 0; i < table->n_columns; i++)
        ladle_near_offer(&near, table->columns[i].name);
    char hint[224];
    ladle_near_write(&near, hint, sizeof hint);
    ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "no column \"%.100s\"%s", name, hint);
    ladle_error_where(error, "", "%s: %s", table->file_path, table->name);
    return LADLE_NOT_FOUND;
}

void ladle_column_type(const ladle_column_info *info, char *out, size_t size)
{
    if (size == 0)
        return;
    out[0] = '\0';
    size_t used = 0;
    int n_dims = info->is_string ? info->n_dims - 1 : info->n_dims;
    for (int i = 0; i < n_dims && used < size; i++) {
        int n = info->dims[i] == LADLE_VAR ? snprintf(out + used, size - used, "var * ")
                                           : snprintf(out + used, size - used, "%" PRId64 " * ", info->dims[i]);
        used += n < 0 ? 0 : (size_t)n;
    }
    if (used < size)
        (void)snprintf(out + used, size - used, "%s",
                       info->is_string                   ? "string"
                       : info->dtype == LADLE_DTYPE_NONE ? "unknown"
                                                         : ladle_dtype_name(info->dtype));
}

/* --- pages ----------------------------------------------------------------------------------- */

ladle_status ladle_table_page(const ladle_table *table, int32_t column, int64_t page, ladle_page_info *info)
{
    if (column < 0 || column >= table->n_columns || page < 0 || page >= table->columns[column].n_pages)
        return LADLE_INVALID;
    ladle_page_info full = {0};
    table->ops->page(table, column, page, &full);
    size_t size = info->struct_size < sizeof full ? info->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(info, &full, size);
    return LADLE_OK;
}

ladle_status ladle_table_page_detail(const ladle_table *table, int32_t column, int64_t page, ladle_page_detail *detail,
                                     ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    if (column < 0 || column >= table->n_columns || page < 0 || page >= table->columns[column].n_pages)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "page %" PRId64 " of column %d", page, column);
    ladle_page_detail full = {0};
    ladle_status status = table->ops->page_detail(table, column, page, &full, error);
    if (status != LADLE_OK) {
        ladle_error_where(error, " ", "page %" PRId64, page);
        ladle_table_blame(table, column, error);
        return status;
    }
    size_t size = detail->struct_size < sizeof full ? detail->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(detail, &full, size);
    return LADLE_OK;
}

const int64_t *ladle_table_clusters(const ladle_table *table, int64_t *n_borders)
{
    *n_borders = table->n_clusters + 1;
    return table->clusters;
}

void ladle_table_blame(const ladle_table *table, int32_t column, ladle_error *error)
{
    ladle_error_where(error, " ", "%s: %s/%s", table->file_path, table->name, table->columns[column].name);
}
