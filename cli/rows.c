#include "rows.h"

#include <stdlib.h>
#include <string.h>

/* How far down the path of columns: these of its members, dimensions and buffers lie outside. */
typedef struct place {
    int32_t member, dim, buffer;
} place;

static void put_item(cli_json *json, const cli_column *columns, int32_t n_columns, place at, int64_t i);

static void put_value(cli_json *json, ladle_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case LADLE_DTYPE_BOOL: cli_json_bool(json, ((const uint8_t *)data)[i] != 0); break;
    case LADLE_DTYPE_I8: cli_json_int(json, ((const int8_t *)data)[i]); break;
    case LADLE_DTYPE_U8: cli_json_uint(json, ((const uint8_t *)data)[i]); break;
    case LADLE_DTYPE_I16: cli_json_int(json, ((const int16_t *)data)[i]); break;
    case LADLE_DTYPE_U16: cli_json_uint(json, ((const uint16_t *)data)[i]); break;
    case LADLE_DTYPE_I32: cli_json_int(json, ((const int32_t *)data)[i]); break;
    case LADLE_DTYPE_U32: cli_json_uint(json, ((const uint32_t *)data)[i]); break;
    case LADLE_DTYPE_I64: cli_json_int(json, ((const int64_t *)data)[i]); break;
    case LADLE_DTYPE_U64: cli_json_uint(json, ((const uint64_t *)data)[i]); break;
    case LADLE_DTYPE_F32: cli_json_float(json, ((const float *)data)[i]); break;
    case LADLE_DTYPE_F64: cli_json_double(json, ((const double *)data)[i]); break;
    case LADLE_DTYPE_NONE: cli_json_null(json); break;
    }
}

static const char *member_name(const cli_column *column, int32_t member)
{
    return column->info.members[member].name;
}

/* k of a name "_k"; -1 for any other. */
static long ordinal(const char *name)
{
    char *end;
    if (name[0] != '_' || name[1] < '0' || name[1] > '9') {
        return -1;
    }
    long k = strtol(name + 1, &end, 10);
    return *end == '\0' ? k : -1;
}

/* How many columns from the first on have the same member there. */
static int32_t run_length(const cli_column *columns, int32_t n_columns, int32_t member)
{
    int32_t n = 1;
    while (n < n_columns && strcmp(member_name(&columns[n], member), member_name(columns, member)) == 0) {
        ++n;
    }
    return n;
}

/* With one of its members left out a tuple is an object: places would be wrong. */
static bool is_tuple(const cli_column *columns, int32_t n_columns, int32_t member)
{
    long k = 0;
    for (int32_t i = 0; i < n_columns; i += run_length(columns + i, n_columns - i, member)) {
        if (ordinal(member_name(&columns[i], member)) != k++) {
            return false;
        }
    }
    return true;
}

static void put_record(cli_json *json, const cli_column *columns, int32_t n_columns, place at, int64_t i)
{
    place inner = {at.member + 1, at.dim, at.buffer};
    if (at.member < columns->n_named) {
        put_item(json, columns, n_columns, inner, i);
        return;
    }
    bool tuple = is_tuple(columns, n_columns, at.member);
    cli_json_open(json, tuple ? '[' : '{');
    for (int32_t k = 0, n; k < n_columns; k += n) {
        n = run_length(columns + k, n_columns - k, at.member);
        if (!tuple) {
            cli_json_key(json, member_name(&columns[k], at.member));
        }
        put_item(json, columns + k, n, inner, i);
    }
    cli_json_close(json, tuple ? ']' : '}');
}

/* Columns of one alternative alone are null where the value is another's. */
static void put_variant(cli_json *json, const cli_column *columns, int32_t n_columns, place at, int64_t i)
{
    int8_t tag = ((const int8_t *)columns->buffers[at.buffer])[i];
    int64_t value = ((const int64_t *)columns->buffers[at.buffer + 1])[i];
    place inner = {at.member + 1, at.dim + 1, at.buffer + 2};
    for (int32_t k = 0, n; k < n_columns; k += n) {
        n = run_length(columns + k, n_columns - k, at.member);
        if (ordinal(member_name(&columns[k], at.member)) + 1 == tag) {
            put_item(json, columns + k, n, inner, value);
            return;
        }
    }
    cli_json_null(json);
}

static void put_list(cli_json *json, const cli_column *columns, int32_t n_columns, place at, int64_t i)
{
    const cli_column *column = columns;
    const ladle_column_info *info = &column->info;
    int64_t size = info->dims[at.dim];
    place inner = {at.member, at.dim + 1, at.buffer};
    int64_t first = size * i, end = first + size;
    if (size == LADLE_VAR) {
        const int64_t *offsets = column->buffers[inner.buffer++];
        first = offsets[i];
        end = offsets[i + 1];
    }
    if (info->is_string && inner.dim == info->n_dims) {
        const char *bytes = column->buffers[inner.buffer];
        cli_json_bytes(json, bytes + first, (size_t)(end - first));
        return;
    }
    cli_json_open(json, '[');
    for (int64_t item = first; item < end; ++item) {
        put_item(json, columns, n_columns, inner, item);
    }
    cli_json_close(json, ']');
}

/* Item `i` of what lies below a place. The depth is at most LADLE_MAX_DIMS and the number of members. */
static void put_item(cli_json *json, const cli_column *columns, int32_t n_columns, place at, int64_t i)
{
    const cli_column *column = columns;
    const ladle_column_info *info = &column->info;
    if (at.member < info->n_members && info->members[at.member].depth == at.dim) {
        put_record(json, columns, n_columns, at, i);
    } else if (at.dim == info->n_dims) {
        put_value(json, info->dtype, column->buffers[at.buffer], i);
    } else if (info->dims[at.dim] == LADLE_VARIANT) {
        put_variant(json, columns, n_columns, at, i);
    } else if (info->dims[at.dim] == LADLE_OPTION) {
        int64_t value = ((const int64_t *)column->buffers[at.buffer])[i];
        if (value < 0) {
            cli_json_null(json);
        } else {
            put_item(json, columns, n_columns, (place){at.member, at.dim + 1, at.buffer + 1}, value);
        }
    } else {
        put_list(json, columns, n_columns, at, i);
    }
}

void cli_put_row(cli_json *json, const cli_column *columns, int32_t n_columns, int64_t row)
{
    put_item(json, columns, n_columns, (place){0, 0, 0}, row);
}

bool cli_columns_fit(const cli_column *one, const cli_column *other)
{
    const ladle_column_info *a = &one->info, *b = &other->info;
    int32_t n = a->n_members < b->n_members ? a->n_members : b->n_members, i = 0;
    while (i < n && a->members[i].depth == b->members[i].depth && strcmp(a->members[i].name, b->members[i].name) == 0) {
        ++i;
    }
    return i < n && i >= one->n_named && one->n_named == other->n_named && strcmp(a->field, b->field) == 0 &&
           a->members[i].depth == b->members[i].depth &&
           memcmp(a->dims, b->dims, (size_t)a->members[i].depth * sizeof a->dims[0]) == 0;
}
