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

/* Structs that callers know in an older, shorter form begin with their struct_size. */
static void copy_out(void *info, void *full, size_t size)
{
    size_t room;
    memcpy(&room, info, sizeof room);
    room = room < size ? room : size;
    memcpy(full, &room, sizeof room);
    memcpy(info, full, room);
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
        .field = column->field == NULL ? column->name : column->field,
        .members = column->members,
        .n_members = column->n_members,
        .dtype = (ladle_dtype)column->dtype,
        .n_dims = column->n_dims,
        .is_string = column->is_string,
        .n_buffers = column->n_buffers,
        .counter = column->counter,
        .n_entries = column->n_entries,
    };
    for (int i = 0; i < column->n_dims; i++)
        full.dims[i] = column->dims[i];
    copy_out(info, &full, sizeof full);
    return LADLE_OK;
}

/* --- buffers ---------------------------------------------------------------------------------- */

const char *ladle_role_name(ladle_role role)
{
    static const char *const names[] = {"data", "offsets", "index", "tags", "places"};
    return names[role];
}

ladle_role ladle_column_role(const ladle_column *column, int32_t buffer, int32_t *dim)
{
    int32_t at = 0;
    for (*dim = 0; *dim < column->n_dims; ++*dim) {
        int64_t size = column->dims[*dim];
        if (size == LADLE_VARIANT && (buffer == at || buffer == at + 1))
            return buffer == at ? LADLE_ROLE_TAGS : LADLE_ROLE_PLACES;
        if (size < 0 && buffer == at)
            return size == LADLE_OPTION ? LADLE_ROLE_INDEX : LADLE_ROLE_OFFSETS;
        at += size == LADLE_VARIANT ? 2 : size < 0 ? 1 : 0;
    }
    return LADLE_ROLE_DATA;
}

ladle_dtype ladle_column_buffer_dtype(const ladle_column *column, int32_t buffer)
{
    int32_t dim;
    switch (ladle_column_role(column, buffer, &dim)) {
    case LADLE_ROLE_DATA: return (ladle_dtype)column->dtype;
    case LADLE_ROLE_TAGS: return LADLE_DTYPE_I8;
    default: return LADLE_DTYPE_I64;
    }
}

/* Columns with one counter have one offsets buffer, which is known by the counter's name. */
static const char *owner_of(const ladle_table *table, const ladle_column *column, int32_t buffer)
{
    if (column->owners != NULL)
        return column->owners[buffer];
    bool counted = column->lists == LADLE_LISTS_COUNTED && buffer == 0 && column->n_buffers > 1;
    return counted ? table->columns[column->counter].name : column->name;
}

ladle_status ladle_table_buffer(const ladle_table *table, int32_t column, int32_t buffer, ladle_buffer_info *info)
{
    if (column < 0 || column >= table->n_columns || buffer < 0 || buffer >= table->columns[column].n_buffers)
        return LADLE_INVALID;
    const ladle_column *c = &table->columns[column];
    ladle_buffer_info full = {0};
    full.role = ladle_column_role(c, buffer, &full.dim);
    full.dtype = ladle_column_buffer_dtype(c, buffer);
    full.owner = owner_of(table, c, buffer);
    copy_out(info, &full, sizeof full);
    return LADLE_OK;
}

ladle_status ladle_table_storage(const ladle_table *table, int32_t column, ladle_storage_info *info, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    if (column < 0 || column >= table->n_columns)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "column %d of %d", column, table->n_columns);
    ladle_storage_info full = {0};
    ladle_status status = table->ops->storage(table, column, &full, error);
    if (status != LADLE_OK) {
        ladle_table_blame(table, column, error);
        return status;
    }
    copy_out(info, &full, sizeof full);
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
        int64_t dim = info->dims[i];
        int n = dim >= 0               ? snprintf(out + used, size - used, "%" PRId64 " * ", dim)
                : dim == LADLE_VAR     ? snprintf(out + used, size - used, "var * ")
                : dim == LADLE_VARIANT ? snprintf(out + used, size - used, "union * ")
                                       : snprintf(out + used, size - used, "?");
        used += n < 0 ? 0 : (size_t)n;
    }
    if (used < size)
        (void)snprintf(out + used, size - used, "%s",
                       info->is_string                   ? "string"
                       : info->dtype == LADLE_DTYPE_NONE ? "unknown"
                                                         : ladle_dtype_name(info->dtype));
}

/* --- pages ----------------------------------------------------------------------------------- */

static ladle_status check_page(const ladle_table *table, int32_t column, int64_t page, ladle_error *error)
{
    ladle_storage_info storage = {.struct_size = sizeof storage};
    ladle_status status = ladle_table_storage(table, column, &storage, error);
    if (status == LADLE_OK && (page < 0 || page >= storage.n_pages)) {
        status =
            ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "page %" PRId64 " of %" PRId64, page, storage.n_pages);
        ladle_table_blame(table, column, error);
    }
    return status;
}

ladle_status ladle_table_page(const ladle_table *table, int32_t column, int64_t page, ladle_page_info *info,
                              ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_page_info full = {0};
    ladle_status status = check_page(table, column, page, error);
    if (status != LADLE_OK)
        return status;
    status = table->ops->page(table, column, page, &full, error);
    if (status != LADLE_OK)
        ladle_table_blame(table, column, error);
    else
        copy_out(info, &full, sizeof full);
    return status;
}

ladle_status ladle_table_page_detail(const ladle_table *table, int32_t column, int64_t page, ladle_page_detail *detail,
                                     ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_page_detail full = {0};
    ladle_status status = check_page(table, column, page, error);
    if (status != LADLE_OK)
        return status;
    status = table->ops->page_detail(table, column, page, &full, error);
    if (status != LADLE_OK) {
        ladle_error_where(error, " ", "page %" PRId64, page);
        ladle_table_blame(table, column, error);
        return status;
    }
    copy_out(detail, &full, sizeof full);
    return LADLE_OK;
}

const int64_t *ladle_table_clusters(const ladle_table *table, int64_t *n_borders, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    *n_borders = 0;
    if (table->ops->find_clusters != NULL && table->ops->find_clusters(table, error) != LADLE_OK) {
        ladle_error_where(error, " ", "%s: %s", table->file_path, table->name);
        return NULL;
    }
    *n_borders = table->n_clusters + 1;
    return table->clusters;
}

void ladle_table_blame(const ladle_table *table, int32_t column, ladle_error *error)
{
    ladle_error_where(error, " ", "%s: %s/%s", table->file_path, table->name, table->columns[column].name);
}
