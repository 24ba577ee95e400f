/* ladle cat: rows as JSON lines.
 *
 * Entries are read in chunks. How many fit in a chunk is learned from the chunks before it: buffers
 * of one chunk take about CHUNK_NBYTES, whatever the file. A chunk is read in full before its first
 * row is written, so that an error never leaves half a row.
 */
#include "cli.h"
#include "json.h"
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: ladle cat [OPTION...] FILE[:TABLE] [COLUMN...]\n\n"
    "Prints rows as JSON lines: one object per entry, a key for each COLUMN: a column, a record with\n"
    "all that is in it, or a pattern such as 'Jet_*' of these; without one: all. What cannot be read\n"
    "is passed over unless it was named. Records are objects, tuples arrays; an option without a\n"
    "value is null. Floats have the fewest digits that read back to the same value; NaN, Infinity and\n"
    "-Infinity are written by name, as Python's json does. Bytes of strings that are not UTF-8 become\n"
    "U+FFFD. --json changes nothing.\n";

#define FIRST_CHUNK_ENTRIES 1000
#define CHUNK_NBYTES (32 << 20)

/* A key of the rows: columns that make one value. */
typedef struct group {
    char *key; /* owned */
    int32_t first, n_columns;
} group;

/* What rows are made of. Columns share the buffers that are the same for them. */
typedef struct rows {
    cli_column *columns;
    int32_t n_columns;
    group *groups;
    int32_t n_groups;
    ladle_request *requests; /* one for each buffer; of this chunk */
    ladle_lease **leases;
    ladle_error *errors;
    int32_t n_requests;
    int32_t (*places)[LADLE_MAX_BUFFERS]; /* of each column's buffers in `requests` */
} rows;

static void put_rows(const rows *all, int64_t n_rows, cli_output *out)
{
    for (int64_t row = 0; row < n_rows && !cli_output_failed(out); ++row) {
        cli_json json = {.out = out};
        cli_json_open(&json, '{');
        for (int32_t i = 0; i < all->n_groups; ++i) {
            const group *each = &all->groups[i];
            cli_json_key(&json, each->key);
            cli_put_row(&json, all->columns + each->first, each->n_columns, row);
        }
        cli_json_close(&json, '}');
        cli_putc(out, '\n');
    }
}

static void release_chunk(rows *all)
{
    for (int32_t i = 0; i < all->n_requests; ++i) {
        ladle_lease_release(all->leases[i]);
        all->leases[i] = NULL;
    }
}

/* Reads [start, stop) of all columns. Returns an exit status; *nbytes is what the buffers take. */
static int read_chunk(const cli_options *options, const cli_session *session, rows *all, int64_t start, int64_t stop,
                      int64_t *nbytes)
{
    *nbytes = 0;
    for (int32_t i = 0; i < all->n_requests; ++i) {
        all->requests[i].start = start;
        all->requests[i].stop = stop;
    }
    if (ladle_read_buffers(session->reader, all->requests, all->n_requests, all->leases, all->errors) != LADLE_OK) {
        int32_t failed = 0;
        while (failed < all->n_requests - 1 && all->errors[failed].status == LADLE_OK) {
            ++failed;
        }
        return cli_data_error(options->file, &all->errors[failed]);
    }
    for (int32_t i = 0; i < all->n_requests; ++i) {
        *nbytes += ladle_lease_nbytes(all->leases[i]);
    }
    for (int32_t i = 0; i < all->n_columns; ++i) {
        for (int32_t k = 0; k < all->columns[i].info.n_buffers; ++k) {
            all->columns[i].buffers[k] = ladle_lease_data(all->leases[all->places[i][k]]);
        }
    }
    return CLI_OK;
}

/* Where the chunk that begins at `start` stops: after `n_entries`, or at the last cluster border
 * before that, so that few pages are decoded for two chunks. */
static int64_t chunk_stop(const cli_session *session, int64_t start, int64_t n_entries)
{
    int64_t stop = session->stop - start > n_entries ? start + n_entries : session->stop;
    int64_t n_borders = 0; /* where they cannot be known, reading says why */
    const int64_t *borders = ladle_table_clusters(session->table, &n_borders, NULL);
    int64_t low = 0, high = borders == NULL ? 0 : n_borders; /* the borders before `high` are <= stop */
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

static int print_all(const cli_options *options, const cli_session *session, rows *all, cli_output *out)
{
    int status = CLI_OK;
    int64_t n_entries = FIRST_CHUNK_ENTRIES;
    int64_t start = session->start;
    while (start < session->stop && status == CLI_OK && !cli_output_failed(out)) {
        int64_t stop = chunk_stop(session, start, n_entries);
        int64_t nbytes;
        status = read_chunk(options, session, all, start, stop, &nbytes);
        if (status == CLI_OK) {
            put_rows(all, stop - start, out);
            n_entries = next_entries(options->budget, stop - start, nbytes);
        }
        release_chunk(all);
        start = stop;
    }
    return status;
}

static int complain_about(const cli_options *options, const cli_session *session, const char *column_name,
                          const char *reason)
{
    char where[512];
    snprintf(where, sizeof where, "%s: %s/%s", options->file, ladle_table_name(session->table), column_name);
    cli_complain(where, "cannot be read: %s", reason);
    return CLI_DATA;
}

static int out_of_memory(const cli_options *options)
{
    cli_complain(options->file, "out of memory");
    return CLI_DATA;
}

/* Finds the request for a buffer, or adds it. Columns that share one are near each other. */
static int32_t request_for(rows *all, ladle_table *table, int32_t column, int32_t buffer)
{
    ladle_buffer_info info = {.struct_size = sizeof info};
    ladle_table_buffer(table, column, buffer, &info);
    for (int32_t i = all->n_requests - 1; i >= 0 && info.role != LADLE_ROLE_DATA; --i) {
        ladle_buffer_info other = {.struct_size = sizeof other};
        ladle_table_buffer(table, all->requests[i].column, all->requests[i].buffer, &other);
        if (other.role == info.role && strcmp(other.owner, info.owner) == 0) {
            return i;
        }
    }
    all->requests[all->n_requests] = (ladle_request){.table = table, .column = column, .buffer = buffer};
    return all->n_requests++;
}

/* Adds a column to the rows: to the value of the column before where it fits, else under a key of its own. */
static bool add_column(rows *all, ladle_table *table, int32_t index, const ladle_column_info *info, int32_t n_named)
{
    int32_t place = all->n_columns++;
    cli_column *column = &all->columns[place];
    column->info = *info;
    column->n_named = n_named;
    for (int32_t i = 0; i < info->n_buffers; ++i) {
        all->places[place][i] = request_for(all, table, index, i);
    }
    if (all->n_groups > 0 && cli_columns_fit(column - 1, column)) {
        ++all->groups[all->n_groups - 1].n_columns;
        return true;
    }
    group *added = &all->groups[all->n_groups++];
    *added = (group){.key = cli_path(info, n_named), .first = place, .n_columns = 1};
    return added->key != NULL;
}

/* Whether all of a record that the call names cannot be read: then that is an error as it is for a column. */
static bool is_wholly_unreadable(const cli_session *session, const cli_selection *selection, int32_t item)
{
    const cli_selected *one = &selection->items[item];
    ladle_column_info info = {.struct_size = sizeof info}, other = {.struct_size = sizeof other};
    ladle_table_column(session->table, one->column, &info);
    for (int32_t i = 0; i < selection->count; ++i) {
        ladle_table_column(session->table, selection->items[i].column, &other);
        bool same = selection->items[i].n_members == one->n_members && strcmp(info.field, other.field) == 0;
        for (int32_t k = 0; k < one->n_members && same; ++k) {
            same = strcmp(info.members[k].name, other.members[k].name) == 0;
        }
        if (same && other.reason == NULL) {
            return false;
        }
    }
    return true;
}

/* Fills `all` with the selected columns that can be read. Returns an exit status: what was named and cannot be read is
 * an error. */
static int describe(const cli_options *options, const cli_session *session, const cli_selection *selection, rows *all)
{
    for (int32_t i = 0; i < selection->count; ++i) {
        const cli_selected *item = &selection->items[i];
        ladle_column_info info = {.struct_size = sizeof info};
        ladle_table_column(session->table, item->column, &info);
        if (info.reason != NULL && item->named && is_wholly_unreadable(session, selection, i)) {
            return complain_about(options, session, info.name, info.reason);
        }
        if (info.reason == NULL && !add_column(all, session->table, item->column, &info, item->n_members)) {
            return out_of_memory(options);
        }
    }
    if (all->n_columns == 0) {
        return complain_about(options, session, "*", "no column that matches is supported");
    }
    all->leases = calloc((size_t)all->n_requests, sizeof(ladle_lease *));
    all->errors = calloc((size_t)all->n_requests, sizeof *all->errors);
    return all->leases == NULL || all->errors == NULL ? out_of_memory(options) : CLI_OK;
}

/* Makes room for the selected columns and their buffers. */
static bool rows_make(rows *all, const cli_session *session, const cli_selection *selection)
{
    size_t n_buffers = 0, n = (size_t)selection->count + 1;
    for (int32_t i = 0; i < selection->count; ++i) {
        ladle_column_info info = {.struct_size = sizeof info};
        ladle_table_column(session->table, selection->items[i].column, &info);
        n_buffers += (size_t)info.n_buffers;
    }
    all->columns = calloc(n, sizeof *all->columns);
    all->groups = calloc(n, sizeof *all->groups);
    all->places = calloc(n, sizeof *all->places);
    all->requests = calloc(n_buffers + 1, sizeof *all->requests);
    return all->columns != NULL && all->groups != NULL && all->places != NULL && all->requests != NULL;
}

static void rows_release(rows *all)
{
    for (int32_t i = 0; i < all->n_groups; ++i) {
        free(all->groups[i].key);
    }
    free(all->columns);
    free(all->groups);
    free(all->places);
    free(all->requests);
    free(all->leases);
    free(all->errors);
}

static int run(const cli_options *options, cli_output *out)
{
    cli_session session;
    cli_selection selection = {0};
    rows all = {0};
    int status = cli_session_open(&session, options, CLI_WITH_TABLE | CLI_WITH_READER);
    if (status == CLI_OK) {
        status = cli_selection_make(&selection, &session, options, true);
    }
    if (status == CLI_OK && !rows_make(&all, &session, &selection)) {
        status = out_of_memory(options);
    }
    if (status == CLI_OK) {
        status = describe(options, &session, &selection, &all);
    }
    if (status == CLI_OK) {
        status = print_all(options, &session, &all, out);
    }
    rows_release(&all);
    cli_selection_release(&selection);
    cli_session_close(&session);
    return status;
}

const cli_verb cli_verb_cat = {
    .name = "cat",
    .summary = "rows as JSON lines",
    .help = help,
    .option_flags = CLI_TAKES_TABLE | CLI_TAKES_NAMES | CLI_TAKES_READING | CLI_TAKES_BUDGET,
    .run = run,
};
