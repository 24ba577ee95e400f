/* ladle cat: rows as JSON lines.
 *
 * Entries are read in chunks. How many fit in a chunk is learned from the chunks before it: buffers
 * of one chunk take about CHUNK_NBYTES, whatever the file. A chunk is read in full before its first
 * row is written, so that an error never leaves half a row.
 */
#include "cli.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: ladle cat [OPTION...] FILE[:TABLE] COLUMN...\n\n"
    "Prints rows as JSON lines: one object per entry, a key for each column. COLUMN is a name or a\n"
    "pattern such as 'Jet_*'; a pattern passes over columns that cannot be read. Floats have the\n"
    "fewest digits that read back to the same value; NaN, Infinity and -Infinity are written by\n"
    "name, as Python's json does. Bytes of strings that are not UTF-8 become U+FFFD. --json changes\n"
    "nothing.\n";

#define FIRST_CHUNK_ENTRIES 1000
#define CHUNK_NBYTES (32 << 20)

typedef struct column {
    ladle_column_info info;
    int32_t index;
    ladle_array array; /* of this chunk */
    const void *data;
    const int64_t *offsets[LADLE_MAX_DIMS];
} column;

static void put_value(cli_json *json, const column *source, int64_t i)
{
    switch (source->info.dtype) {
    case LADLE_DTYPE_BOOL: cli_json_bool(json, ((const uint8_t *)source->data)[i] != 0); break;
    case LADLE_DTYPE_I8: cli_json_int(json, ((const int8_t *)source->data)[i]); break;
    case LADLE_DTYPE_U8: cli_json_uint(json, ((const uint8_t *)source->data)[i]); break;
    case LADLE_DTYPE_I16: cli_json_int(json, ((const int16_t *)source->data)[i]); break;
    case LADLE_DTYPE_U16: cli_json_uint(json, ((const uint16_t *)source->data)[i]); break;
    case LADLE_DTYPE_I32: cli_json_int(json, ((const int32_t *)source->data)[i]); break;
    case LADLE_DTYPE_U32: cli_json_uint(json, ((const uint32_t *)source->data)[i]); break;
    case LADLE_DTYPE_I64: cli_json_int(json, ((const int64_t *)source->data)[i]); break;
    case LADLE_DTYPE_U64: cli_json_uint(json, ((const uint64_t *)source->data)[i]); break;
    case LADLE_DTYPE_F32: cli_json_float(json, ((const float *)source->data)[i]); break;
    case LADLE_DTYPE_F64: cli_json_double(json, ((const double *)source->data)[i]); break;
    case LADLE_DTYPE_NONE: cli_json_null(json); break;
    }
}

/* Item `i` of the level below `dim` dimensions, of which `var` are jagged. The depth is at most
 * LADLE_MAX_DIMS. */
static void put_item(cli_json *json, const column *source, int32_t dim, int32_t var, int64_t i)
{
    const ladle_column_info *info = &source->info;
    if (dim == info->n_dims) {
        put_value(json, source, i);
        return;
    }
    bool jagged = info->dims[dim] == LADLE_VAR;
    int64_t first = jagged ? source->offsets[var][i] : i * info->dims[dim];
    int64_t end = jagged ? source->offsets[var][i + 1] : first + info->dims[dim];
    if (info->is_string && dim == info->n_dims - 1) {
        cli_json_bytes(json, (const char *)source->data + first, (size_t)(end - first));
        return;
    }
    cli_json_open(json, '[');
    for (int64_t item = first; item < end; ++item) {
        put_item(json, source, dim + 1, var + (jagged ? 1 : 0), item);
    }
    cli_json_close(json, ']');
}

static void put_rows(const column *columns, int32_t n_columns, int64_t n_rows, cli_output *out)
{
    for (int64_t row = 0; row < n_rows && !cli_output_failed(out); ++row) {
        cli_json json = {.out = out};
        cli_json_open(&json, '{');
        for (int32_t i = 0; i < n_columns; ++i) {
            cli_json_key(&json, columns[i].info.name);
            put_item(&json, &columns[i], 0, 0, row);
        }
        cli_json_close(&json, '}');
        cli_putc(out, '\n');
    }
}

static void release_chunk(column *columns, int32_t n_columns)
{
    for (int32_t i = 0; i < n_columns; ++i) {
        ladle_array_release(&columns[i].array);
        memset(&columns[i].array, 0, sizeof columns[i].array);
    }
}

/* Reads [start, stop) of all columns. Returns an exit status; *nbytes is what the buffers take. */
static int read_chunk(const cli_options *options, const cli_session *session, column *columns, int32_t n_columns,
                      int64_t start, int64_t stop, int64_t *nbytes)
{
    *nbytes = 0;
    for (int32_t i = 0; i < n_columns; ++i) {
        column *target = &columns[i];
        ladle_error error;
        ladle_status status = ladle_read_column(session->reader, NULL, session->table, target->index, start, stop,
                                                &target->array, &error);
        if (status != LADLE_OK) {
            memset(&target->array, 0, sizeof target->array);
            return cli_data_error(options->file, &error);
        }
        int32_t n_offsets = target->array.n_buffers - 1;
        for (int32_t buffer = 0; buffer < n_offsets; ++buffer) {
            target->offsets[buffer] = ladle_lease_data(target->array.buffers[buffer]);
            *nbytes += ladle_lease_nbytes(target->array.buffers[buffer]);
        }
        target->data = ladle_lease_data(target->array.buffers[n_offsets]);
        *nbytes += ladle_lease_nbytes(target->array.buffers[n_offsets]);
    }
    return CLI_OK;
}

/* Where the chunk that begins at `start` stops: after `n_entries`, or at the last cluster border
 * before that, so that few pages are decoded for two chunks. */
static int64_t chunk_stop(const cli_session *session, int64_t start, int64_t n_entries)
{
    int64_t stop = session->stop - start > n_entries ? start + n_entries : session->stop;
    int64_t n_borders;
    const int64_t *borders = ladle_table_clusters(session->table, &n_borders, NULL);
    int64_t low = 0, high = n_borders; /* the borders before `high` are <= stop */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (borders[middle] <= stop) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && borders[low - 1] > start ? borders[low - 1] : stop;
}

/* Entries of the next chunk, from what the last one took. A quarter of the budget, where there is
 * one, leaves room for the pages that the buffers are decoded from. */
static int64_t next_entries(int64_t budget, int64_t entries, int64_t nbytes)
{
    int64_t target = budget > 0 && budget / 4 < CHUNK_NBYTES ? budget / 4 : CHUNK_NBYTES;
    int64_t fitting = target / (nbytes / entries + 1);
    int64_t most = entries < INT64_MAX / 8 ? entries * 8 : entries;
    fitting = fitting > most ? most : fitting;
    return fitting > 0 ? fitting : 1;
}

static int print_all(const cli_options *options, const cli_session *session, column *columns, int32_t n_columns,
                     cli_output *out)
{
    int status = CLI_OK;
    int64_t n_entries = FIRST_CHUNK_ENTRIES;
    int64_t start = session->start;
    while (start < session->stop && status == CLI_OK && !cli_output_failed(out)) {
        int64_t stop = chunk_stop(session, start, n_entries);
        int64_t nbytes;
        status = read_chunk(options, session, columns, n_columns, start, stop, &nbytes);
        if (status == CLI_OK) {
            put_rows(columns, n_columns, stop - start, out);
            n_entries = next_entries(options->budget, stop - start, nbytes);
        }
        release_chunk(columns, n_columns);
        start = stop;
    }
    return status;
}

static void complain_about(const cli_options *options, const cli_session *session, const char *column_name,
                           const char *reason)
{
    char where[512];
    snprintf(where, sizeof where, "%s: %s/%s", options->file, ladle_table_name(session->table), column_name);
    cli_complain(where, "cannot be read: %s", reason);
}

/* Fills `columns` with the selected ones that can be read. Returns an exit status: a column that
 * was named in full and cannot be read is an error. */
static int describe(const cli_options *options, const cli_session *session, const cli_selection *selection,
                    column *columns, int32_t *n_columns)
{
    *n_columns = 0;
    for (int32_t i = 0; i < selection->count; ++i) {
        column *target = &columns[*n_columns];
        target->index = selection->columns[i];
        target->info.struct_size = sizeof target->info;
        ladle_table_column(session->table, target->index, &target->info);
        if (target->info.reason == NULL) {
            ++*n_columns;
        } else if (selection->named[i]) {
            complain_about(options, session, target->info.name, target->info.reason);
            return CLI_DATA;
        }
    }
    if (*n_columns == 0) {
        complain_about(options, session, "*", "no column that matches is supported");
        return CLI_DATA;
    }
    return CLI_OK;
}

static int run(const cli_options *options, cli_output *out)
{
    cli_session session;
    cli_selection selection = {0};
    column *columns = NULL;
    int32_t n_columns = 0;
    int status = cli_session_open(&session, options, CLI_WITH_TABLE | CLI_WITH_READER);
    if (status == CLI_OK) {
        status = cli_selection_make(&selection, &session, options);
    }
    if (status == CLI_OK) {
        columns = calloc((size_t)selection.count + 1, sizeof *columns);
        if (columns == NULL) {
            cli_complain(options->file, "out of memory");
            status = CLI_DATA;
        }
    }
    if (status == CLI_OK) {
        status = describe(options, &session, &selection, columns, &n_columns);
    }
    if (status == CLI_OK) {
        status = print_all(options, &session, columns, n_columns, out);
    }
    free(columns);
    cli_selection_release(&selection);
    cli_session_close(&session);
    return status;
}

const cli_verb cli_verb_cat = {
    .name = "cat",
    .summary = "rows as JSON lines",
    .help = help,
    .option_flags = CLI_TAKES_TABLE | CLI_TAKES_NAMES | CLI_NEEDS_NAMES | CLI_TAKES_READING,
    .run = run,
};
