/* ladle digest: figures by which the columns of two readers, files or machines can be compared.
 *
 * One column at a time: its buffers are released before the next one is read, so that memory stays
 * at what the largest column takes.
 */
#include "cli.h"
#include "json.h"
#include "sum.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "Usage: ladle digest [OPTION...] FILE[:TABLE] [COLUMN...]\n\n"
    "Reads columns and prints, of each: type, entries, values (primitives; bytes of strings), their\n"
    "sum, and XXH3-64 hashes of the data buffer (native little-endian) and of the offsets buffers\n"
    "(int64 from 0, outermost first). Sums of integers and booleans are exact; a sum of floats is\n"
    "the exact sum rounded once to a double, as Python's math.fsum gives it. COLUMN is a name or a\n"
    "pattern such as 'Jet_*'; without one: all. With --json: an array of objects {\"column\",\n"
    "\"type\", \"entries\", \"values\", \"sum\", \"offsets_xxh3\": [...], \"data_xxh3\"}.\n\n"
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
    int32_t n_offsets;
    uint64_t offsets_xxh3[LADLE_MAX_DIMS];
    uint64_t data_xxh3;
    int32_t status; /* LADLE_OK, or `error` is in place of the figures */
    ladle_error error;
} digest;

static void compute(digest *figures, const ladle_array *array)
{
    static cli_float_sum scratch; /* 32 KiB, and one column at a time */
    figures->n_offsets = array->n_buffers - 1;
    for (int32_t i = 0; i < figures->n_offsets; ++i) {
        const ladle_lease *offsets = array->buffers[i];
        figures->offsets_xxh3[i] = ladle_xxh3_64(ladle_lease_data(offsets), (size_t)ladle_lease_nbytes(offsets));
    }
    const ladle_lease *data = array->buffers[figures->n_offsets];
    const void *values = ladle_lease_data(data);
    ladle_dtype dtype = ladle_lease_dtype(data);
    figures->n_values = ladle_lease_count(data);
    figures->data_xxh3 = ladle_xxh3_64(values, (size_t)ladle_lease_nbytes(data));
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
}

static void json_hash(cli_json *json, uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    cli_json_string(json, text);
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
    cli_json_key(json, "offsets_xxh3");
    cli_json_open(json, '[');
    for (int32_t i = 0; i < figures->n_offsets; ++i) {
        json_hash(json, figures->offsets_xxh3[i]);
    }
    cli_json_close(json, ']');
    cli_json_key(json, "data_xxh3");
    json_hash(json, figures->data_xxh3);
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
        ladle_table_column(session->table, selection->columns[i], &info);
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
    cli_printf(out, "%12" PRId64 "  %24s  %016" PRIx64, figures->n_values, sum, figures->data_xxh3);
    for (int32_t i = 0; i < figures->n_offsets; ++i) {
        cli_printf(out, "  %016" PRIx64, figures->offsets_xxh3[i]);
    }
    cli_putc(out, '\n');
}

/* One line on stderr that is overwritten ten times a second: only where a person watches it, and
 * where standard output does not share the screen with it. */
typedef struct progress {
    bool shown, wanted;
    struct timespec last;
} progress;

static void progress_step(progress *step, int32_t done, int32_t total)
{
    struct timespec now;
    if (!step->wanted || clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return;
    }
    double since = (double)(now.tv_sec - step->last.tv_sec) + (double)(now.tv_nsec - step->last.tv_nsec) * 1e-9;
    if (since < 0.1) {
        return;
    }
    fprintf(stderr, "\r%" PRId32 " of %" PRId32 " columns", done, total);
    fflush(stderr);
    step->shown = true;
    step->last = now;
}

static void progress_clear(progress *step)
{
    if (step->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        step->shown = false;
    }
}

static int digest_all(const cli_options *options, const cli_session *session, const cli_selection *selection,
                      cli_output *out)
{
    int status = CLI_OK;
    cli_json json = {.out = out};
    layout widths = measure(session, selection);
    progress step = {.wanted = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO)};
    clock_gettime(CLOCK_MONOTONIC, &step.last);
    if (options->json) {
        cli_json_open(&json, '[');
    } else {
        print_header(out, &widths);
    }
    for (int32_t i = 0; i < selection->count && !cli_output_failed(out); ++i) {
        digest figures;
        digest_column(session, selection->columns[i], &figures);
        if (figures.status != LADLE_OK && (figures.status != LADLE_UNSUPPORTED || selection->named[i])) {
            progress_clear(&step);
            status = cli_data_error(options->file, &figures.error);
        }
        if (options->json) {
            cli_json_line(&json);
            print_json(&json, &figures);
        } else {
            print_text(out, &widths, &figures);
        }
        progress_step(&step, i + 1, selection->count);
    }
    progress_clear(&step);
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
        status = cli_selection_make(&selection, &session, options);
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
    .option_flags = CLI_TAKES_TABLE | CLI_TAKES_NAMES | CLI_TAKES_READING,
    .run = run,
};
