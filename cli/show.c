/* ladle show: the columns of a table. */
#include "cli.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: ladle show [OPTION...] FILE[:TABLE] [COLUMN...]\n\n"
    "Describes a table and its columns: name, type as awkward writes it, pages, bytes on disk, and of\n"
    "the first page the codec and the decompressed bytes per byte on disk (\"?\" where its header is\n"
    "damaged). A column that cannot be read is listed with the reason. Columns of a record have its\n"
    "name before their own. COLUMN is a name, a record or a pattern such as 'Jet_*'; without one:\n"
    "all. With --json: an object {\"file\", \"uuid\", \"table\", \"format\", \"title\", \"entries\",\n"
    "\"n_columns\", \"n_clusters\", \"disk_nbytes\", \"columns\": [{\"name\", \"type\", \"type_name\", \"title\",\n"
    "\"counter\", \"pages\", \"disk_nbytes\", \"decoded_nbytes\", \"codec\", \"error\"}]}.\n";

#define TYPE_NBYTES 256

/* Decoded bytes of a column without a jagged dimension; -1 where only reading tells. */
static int64_t decoded_nbytes(const ladle_column_info *info)
{
    int64_t nbytes = (int64_t)ladle_dtype_size(info->dtype);
    if (info->reason != NULL || __builtin_mul_overflow(nbytes, info->n_entries, &nbytes)) {
        return -1;
    }
    for (int32_t i = 0; i < info->n_dims; ++i) {
        if (info->dims[i] < 0 || __builtin_mul_overflow(nbytes, info->dims[i], &nbytes)) {
            return -1;
        }
    }
    return nbytes;
}

/* Codec and compression ratio of a column's first page, read from its header. False if there is no page. */
static bool first_page(const ladle_table *table, int32_t column, char codec[8], double *ratio)
{
    ladle_page_info page = {.struct_size = sizeof page};
    if (ladle_table_page(table, column, 0, &page, NULL) != LADLE_OK) {
        return false;
    }
    ladle_page_detail detail = {.struct_size = sizeof detail};
    if (ladle_table_page_detail(table, column, 0, &detail, NULL) != LADLE_OK) {
        strcpy(codec, "?");
        *ratio = 0;
        return true;
    }
    memcpy(codec, detail.codec, sizeof detail.codec);
    *ratio = page.nbytes > 0 ? (double)detail.decoded_nbytes / (double)page.nbytes : 0;
    return true;
}

static ladle_column_info describe(const ladle_table *table, int32_t column, char type[TYPE_NBYTES])
{
    ladle_column_info info = {.struct_size = sizeof info};
    ladle_table_column(table, column, &info);
    ladle_column_type(&info, type, TYPE_NBYTES);
    return info;
}

/* False where the page lists cannot be read, of which `run` complains. */
static bool storage_of(const ladle_table *table, int32_t column, ladle_storage_info *storage)
{
    *storage = (ladle_storage_info){.struct_size = sizeof *storage};
    return ladle_table_storage(table, column, storage, NULL) == LADLE_OK;
}

static int64_t n_clusters(const ladle_table *table)
{
    int64_t n_borders = 0;
    return ladle_table_clusters(table, &n_borders, NULL) != NULL && n_borders > 0 ? n_borders - 1 : 0;
}

/* Of the whole table, whatever columns the call names. */
static int64_t table_disk_nbytes(const ladle_table *table)
{
    int64_t total = 0;
    for (int32_t i = 0; i < ladle_table_n_columns(table); ++i) {
        ladle_storage_info storage;
        total += storage_of(table, i, &storage) ? storage.disk_nbytes : 0;
    }
    return total;
}

static void print_json_column(cli_json *json, const ladle_table *table, int32_t column)
{
    char type[TYPE_NBYTES];
    ladle_column_info info = describe(table, column, type);
    cli_json_open(json, '{');
    cli_json_text(json, "name", info.name);
    cli_json_text(json, "type", type);
    cli_json_text(json, "type_name", info.type_name);
    cli_json_text(json, "title", info.title);
    ladle_column_info counter = {.struct_size = sizeof counter};
    cli_json_key(json, "counter");
    if (info.counter >= 0 && ladle_table_column(table, info.counter, &counter) == LADLE_OK) {
        cli_json_string(json, counter.name);
    } else {
        cli_json_null(json);
    }
    ladle_storage_info storage;
    if (storage_of(table, column, &storage)) {
        cli_json_number(json, "pages", storage.n_pages);
        cli_json_number(json, "disk_nbytes", storage.disk_nbytes);
    }
    cli_json_key(json, "decoded_nbytes");
    if (decoded_nbytes(&info) >= 0) {
        cli_json_int(json, decoded_nbytes(&info));
    } else {
        cli_json_null(json);
    }
    char codec[8];
    double ratio;
    if (first_page(table, column, codec, &ratio)) {
        cli_json_text(json, "codec", codec);
    }
    if (info.reason != NULL) {
        cli_json_text(json, "error", info.reason);
    }
    cli_json_close(json, '}');
}

static void print_json(const cli_session *session, const cli_selection *selection, cli_output *out)
{
    const ladle_table *table = session->table;
    cli_json json = {.out = out};
    cli_json_open(&json, '{');
    cli_json_text(&json, "file", ladle_file_path(session->file));
    cli_json_text(&json, "uuid", ladle_file_uuid(session->file));
    cli_json_text(&json, "table", ladle_table_name(table));
    cli_json_text(&json, "format", ladle_table_format(table));
    cli_json_text(&json, "title", ladle_table_title(table));
    cli_json_number(&json, "entries", ladle_table_n_entries(table));
    cli_json_number(&json, "n_columns", ladle_table_n_columns(table));
    cli_json_number(&json, "n_clusters", n_clusters(table));
    cli_json_number(&json, "disk_nbytes", table_disk_nbytes(table));
    cli_json_key(&json, "columns");
    cli_json_open(&json, '[');
    for (int32_t i = 0; i < selection->count && !cli_output_failed(out); ++i) {
        cli_json_line(&json);
        print_json_column(&json, table, selection->items[i].column);
    }
    cli_puts(out, "\n");
    cli_json_close(&json, ']');
    cli_json_close(&json, '}');
    cli_putc(out, '\n');
}

static void print_text(const cli_session *session, const cli_selection *selection, cli_output *out)
{
    const ladle_table *table = session->table;
    char type[TYPE_NBYTES];
    size_t name_width = strlen("column"), type_width = strlen("type");
    for (int32_t i = 0; i < selection->count; ++i) {
        ladle_column_info info = describe(table, selection->items[i].column, type);
        size_t name = cli_text_width(info.name);
        name_width = name > name_width ? name : name_width;
        type_width = strlen(type) > type_width ? strlen(type) : type_width;
    }
    cli_put_text(out, ladle_file_path(session->file), 0);
    cli_puts(out, ": ");
    cli_put_text(out, ladle_table_name(table), 0);
    cli_printf(out,
               " (%s), %" PRId64 " entries, %" PRId32 " columns, %" PRId64 " clusters, %" PRId64 " bytes on disk\n",
               ladle_table_format(table), ladle_table_n_entries(table), ladle_table_n_columns(table), n_clusters(table),
               table_disk_nbytes(table));
    cli_put_text(out, "column", name_width + 2);
    cli_put_text(out, "type", type_width);
    cli_puts(out, "     pages    disk bytes  codec   ratio\n");
    for (int32_t i = 0; i < selection->count && !cli_output_failed(out); ++i) {
        ladle_column_info info = describe(table, selection->items[i].column, type);
        char codec[8];
        double ratio = 0;
        bool has_page = first_page(table, selection->items[i].column, codec, &ratio);
        cli_put_text(out, info.name, name_width + 2);
        cli_put_text(out, type, type_width);
        ladle_storage_info storage;
        if (storage_of(table, selection->items[i].column, &storage)) {
            cli_printf(out, "  %8" PRId64 "  %12" PRId64, storage.n_pages, storage.disk_nbytes);
        } else {
            cli_printf(out, "  %8s  %12s", "?", "?");
        }
        if (info.reason != NULL) {
            cli_puts(out, "  cannot be read: ");
            cli_put_text(out, info.reason, 0);
        } else if (has_page) {
            cli_printf(out, "  %-5s", codec);
            if (ratio > 0) {
                cli_printf(out, "  %6.2f", ratio);
            }
        }
        cli_putc(out, '\n');
    }
}

static int run(const cli_options *options, cli_output *out)
{
    cli_session session;
    cli_selection selection = {0};
    int status = cli_session_open(&session, options, CLI_WITH_TABLE);
    if (status == CLI_OK) {
        status = cli_selection_make(&selection, &session, options, false);
    }
    if (status == CLI_OK && options->json) {
        print_json(&session, &selection, out);
    } else if (status == CLI_OK) {
        print_text(&session, &selection, out);
    }
    ladle_error error;
    int64_t n_borders;
    if (status == CLI_OK && ladle_table_clusters(session.table, &n_borders, &error) == NULL) {
        status = cli_data_error(options->file, &error);
    }
    cli_selection_release(&selection);
    cli_session_close(&session);
    return status;
}

const cli_verb cli_verb_show = {
    .name = "show",
    .summary = "columns of a table: types, pages, bytes",
    .help = help,
    .option_flags = CLI_TAKES_TABLE | CLI_TAKES_NAMES | CLI_TAKES_BUDGET,
    .run = run,
};
