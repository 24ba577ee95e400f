/* ladle digest: figures by which the columns of two readers, files or machines can be compared.
 *
 * One column at a time: its buffers are released before the next one is read, so that memory stays
 * at what the largest column takes.
 */
#include "cli.h"
#include "json.h"
#include "progress.h"
#include "sum.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: ladle digest [OPTION...] FILE[:TABLE] [COLUMN...]\n\n"
    "Reads columns and prints, of each: type, entries, values (primitives; bytes of strings), their\n"
    "sum, and XXH3-64 hashes of the data buffer (native little-endian) and of the offsets buffers\n"
    "(int64 from 0, outermost first); those of options (index) and variants (tags, places) are named.\n"
    "Sums of integers and booleans are exact; a sum of floats is the exact sum rounded once to a\n"
    "double, as Python's math.fsum gives it. COLUMN is a name, a record or a pattern such as 'Jet_*';\n"
    "without one: all. With --json: an array of objects {\"column\", \"type\", \"entries\", \"values\",\n"
    "\"sum\", \"offsets_xxh3\": [...], \"index_xxh3\", \"tags_xxh3\", \"places_xxh3\" where there are such,\n"
    "\"data_xxh3\"}.\n\n"
    "A column that this version does not read has \"error\" in place of the figures; that is a\n"
    "failure only where it was named in full. Damaged data always is.\n";

#define TYPE_NBYTES 256

typedef struct digest {
    const char *column;
    char type[TYPE_NBYTES];
    int64_t n_entries, n_values;
    bool is_float;
    cli_int128 integer_sum;
    double float_sum;
    int32_t n_buffers; /* data last */
    ladle_role roles[LADLE_MAX_BUFFERS];
    uint64_t xxh3[LADLE_MAX_BUFFERS];
    int32_t status; /* LADLE_OK, or `error` is in place of the figures */
    ladle_error error;
} digest;

static void compute(digest *figures, const ladle_array *array)
{
    static cli_float_sum scratch; /* 32 KiB, and one column at a time */
    figures->n_buffers = array->n_buffers;
    for (int32_t i = 0; i < array->n_buffers; ++i) {
        const ladle_lease *buffer = array->buffers[i];
        figures->xxh3[i] = ladle_xxh3_64(ladle_lease_data(buffer), (size_t)ladle_lease_nbytes(buffer));
    }
    const ladle_lease *data = array->buffers[array->n_buffers - 1];
    const void *values = ladle_lease_data(data);
    ladle_dtype dtype = ladle_lease_dtype(data);
    figures->n_values = ladle_lease_count(data);
    figures->is_float = dtype == LADLE_DTYPE_F32 || dtype == LADLE_DTYPE_F64;
    if (figures->is_float) {
        figures->float_sum = cli_sum_floats(&scratch, dtype, values, figures->n_values);
    } else {
        figures->integer_sum = cli_sum_integers(dtype, values, figures->n_values);
    }
}

static void digest_column(const cli_session *session, int32_t column, digest *figures)
{
    ladle_column_info info = {.struct_size = sizeof info};
    memset(figures, 0, sizeof *figures);
    ladle_table_column(session->table, column, &info);
    ladle_column_type(&info, figures->type, sizeof figures->type);
    figures->column = info.name;
    figures->n_entries = session->stop - session->start;
    ladle_array array;
    figures->status = (int32_t)ladle_read_column(session->reader, NULL, session->table, column, session->start,
                                                 session->stop, &array, &figures->error);
    if (figures->status != LADLE_OK) {
        return;
    }
    compute(figures, &array);
    ladle_array_release(&array);
    for (int32_t i = 0; i < figures->n_buffers; ++i) {
        ladle_buffer_info buffer = {.struct_size = sizeof buffer};
        ladle_table_buffer(session->table, column, i, &buffer);
        figures->roles[i] = buffer.role;
    }
}

static void json_hash(cli_json *json, uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    cli_json_string(json, text);
}

/* The hashes of one role, outermost first; where there are none, of offsets only. */
static void json_hashes(cli_json *json, const char *key, const digest *figures, ladle_role role)
{
    bool shown = role == LADLE_ROLE_OFFSETS;
    for (int32_t i = 0; i < figures->n_buffers; ++i) {
        shown = shown || figures->roles[i] == role;
    }
    if (!shown) {
        return;
    }
    cli_json_key(json, key);
    cli_json_open(json, '[');
    for (int32_t i = 0; i < figures->n_buffers; ++i) {
        if (figures->roles[i] == role) {
            json_hash(json, figures->xxh3[i]);
        }
    }
    cli_json_close(json, ']');
}

static void print_json(cli_json *json, const digest *figures)
{
    cli_json_open(json, '{');
    cli_json_text(json, "column", figures->column);
    cli_json_text(json, "type", figures->type);
    cli_json_number(json, "entries", figures->n_entries);
    if (figures->status != LADLE_OK) {
        cli_json_key(json, "error");
        char text[CLI_ERROR_NBYTES];
        cli_error_text(&figures->error, text);
        cli_json_string(json, text);
        cli_json_close(json, '}');
        return;
    }
    cli_json_number(json, "values", figures->n_values);
    cli_json_key(json, "sum");
    if (figures->is_float) {
        cli_json_double(json, figures->float_sum);
    } else {
        cli_json_int128(json, figures->integer_sum);
    }
    json_hashes(json, "offsets_xxh3", figures, LADLE_ROLE_OFFSETS);
    json_hashes(json, "index_xxh3", figures, LADLE_ROLE_INDEX);
    json_hashes(json, "tags_xxh3", figures, LADLE_ROLE_TAGS);
    json_hashes(json, "places_xxh3", figures, LADLE_ROLE_PLACES);
    cli_json_key(json, "data_xxh3");
    json_hash(json, figures->xxh3[figures->n_buffers - 1]);
    cli_json_close(json, '}');
}

/* Widths of the table's first two columns: they are known before any data is read. */
typedef struct layout {
    size_t column, type;
} layout;

static layout measure(const cli_session *session, const cli_selection *selection)
{
    layout widths = {strlen("column"), strlen("type")};
    for (int32_t i = 0; i < selection->count; ++i) {
        char type[TYPE_NBYTES];
        ladle_column_info info = {.struct_size = sizeof info};
        ladle_table_column(session->table, selection->items[i].column, &info);
        ladle_column_type(&info, type, sizeof type);
        size_t name = cli_text_width(info.name);
        widths.column = name > widths.column ? name : widths.column;
        widths.type = strlen(type) > widths.type ? strlen(type) : widths.type;
    }
    return widths;
}

static void print_header(cli_output *out, const layout *widths)
{
    cli_put_text(out, "column", widths->column + 2);
    cli_put_text(out, "type", widths->type + 2);
    cli_printf(out, "%10s  %12s  %24s  %-16s  %s\n", "entries", "values", "sum", "data_xxh3", "offsets_xxh3");
}

static void print_text(cli_output *out, const layout *widths, const digest *figures)
{
    cli_put_text(out, figures->column, widths->column + 2);
    cli_put_text(out, figures->type, widths->type + 2);
    cli_printf(out, "%10" PRId64 "  ", figures->n_entries);
    if (figures->status != LADLE_OK) {
        char text[CLI_ERROR_NBYTES];
        cli_error_text(&figures->error, text);
        cli_puts(out, "cannot be read: ");
        cli_put_text(out, text, 0);
        cli_putc(out, '\n');
        return;
    }
    char sum[CLI_NUMBER_NBYTES];
    if (figures->is_float) {
        cli_format_double(figures->float_sum, sum);
    } else {
        cli_format_int128(figures->integer_sum, sum);
    }
    static const char *const names[] = {"", "", "index ", "tags ", "places "}; /* by ladle_role */
    int32_t n_inner = figures->n_buffers - 1;
    cli_printf(out, "%12" PRId64 "  %24s  %016" PRIx64, figures->n_values, sum, figures->xxh3[n_inner]);
    for (int32_t i = 0; i < n_inner; ++i) {
        cli_printf(out, "  %s%016" PRIx64, names[figures->roles[i]], figures->xxh3[i]);
    }
    cli_putc(out, '\n');
}

/* By its full name: a record that is named has what can be read. */
static bool is_named(const cli_session *session, const cli_selection *selection, int32_t item)
{
    ladle_column_info info = {.struct_size = sizeof info};
    ladle_table_column(session->table, selection->items[item].column, &info);
    return selection->items[item].named && selection->items[item].n_members == info.n_members;
}

static int digest_all(const cli_options *options, const cli_session *session, const cli_selection *selection,
                      cli_output *out)
{
    int status = CLI_OK;
    cli_json json = {.out = out};
    layout widths = measure(session, selection);
    cli_progress progress;
    cli_progress_begin(&progress);
    if (options->json) {
        cli_json_open(&json, '[');
    } else {
        print_header(out, &widths);
    }
    for (int32_t i = 0; i < selection->count && !cli_output_failed(out); ++i) {
        digest figures;
        digest_column(session, selection->items[i].column, &figures);
        if (figures.status != LADLE_OK && (figures.status != LADLE_UNSUPPORTED || is_named(session, selection, i))) {
            cli_progress_clear(&progress);
            status = cli_data_error(options->file, &figures.error);
        }
        if (options->json) {
            cli_json_line(&json);
            print_json(&json, &figures);
        } else {
            print_text(out, &widths, &figures);
        }
        cli_progress_show(&progress, "%" PRId32 " of %" PRId32 " columns", i + 1, selection->count);
    }
    cli_progress_clear(&progress);
    if (options->json) {
        cli_puts(out, "\n");
        cli_json_close(&json, ']');
        cli_putc(out, '\n');
    }
    return status;
}

static int run(const cli_options *options, cli_output *out)
{
    cli_session session;
    cli_selection selection = {0};
    int status = cli_session_open(&session, options, CLI_WITH_TABLE | CLI_WITH_READER);
    if (status == CLI_OK) {
        status = cli_selection_make(&selection, &session, options, false);
    }
    if (status == CLI_OK) {
        status = digest_all(options, &session, &selection, out);
    }
    cli_selection_release(&selection);
    cli_session_close(&session);
    return status;
}

const cli_verb cli_verb_digest = {
    .name = "digest",
    .summary = "entries, values, sums and hashes of columns",
    .help = help,
    .option_flags = CLI_TAKES_TABLE | CLI_TAKES_NAMES | CLI_TAKES_READING | CLI_TAKES_BUDGET,
    .run = run,
};
