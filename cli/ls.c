/* ladle ls: keys and tables of a file. */
#include "cli.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: ladle ls [OPTION...] FILE\n\n"
    "Lists the keys of a file, directories indented: name and cycle, class, bytes on disk, the\n"
    "entries and columns of tables, and the title. With --json: an array of objects {\"path\",\n"
    "\"cycle\", \"class\", \"title\", \"depth\", \"offset\", \"nbytes\", \"object_nbytes\"}, those of tables\n"
    "also with {\"format\", \"entries\", \"columns\"}, or with \"error\" where one cannot be opened.\n";

/* What ls says of a table. */
typedef struct table_figures {
    char format[16];
    int64_t n_entries;
    int32_t n_columns;
    bool is_open; /* else `error` says why not */
    ladle_error error;
} table_figures;

static table_figures open_table(const cli_session *session, const ladle_key_info *key)
{
    table_figures figures = {.is_open = false};
    /* By its full name with the cycle: each cycle is a table of its own. */
    size_t room = strlen(key->path) + 16;
    char *path = malloc(room);
    if (path == NULL) {
        figures.error = (ladle_error){.status = LADLE_NOMEM, .offset = -1};
        return figures;
    }
    snprintf(path, room, "%s;%" PRId32, key->path, key->cycle);
    ladle_table *table = ladle_file_table(session->file, path, &figures.error);
    free(path);
    if (table != NULL) {
        figures.is_open = true;
        snprintf(figures.format, sizeof figures.format, "%s", ladle_table_format(table));
        figures.n_entries = ladle_table_n_entries(table);
        figures.n_columns = ladle_table_n_columns(table);
        ladle_table_release(table);
    }
    return figures;
}

/* A table that this version does not read is listed with the reason; a damaged one is an error too.
 */
static int judge(const cli_options *options, const table_figures *figures)
{
    if (figures->is_open || figures->error.status == LADLE_UNSUPPORTED) {
        return CLI_OK;
    }
    return cli_data_error(options->file, &figures->error);
}

static void print_json(cli_json *json, const ladle_key_info *key, const table_figures *figures)
{
    cli_json_open(json, '{');
    cli_json_text(json, "path", key->path);
    cli_json_number(json, "cycle", key->cycle);
    cli_json_text(json, "class", key->class_name);
    cli_json_text(json, "title", key->title);
    cli_json_number(json, "depth", key->depth);
    cli_json_number(json, "offset", key->offset);
    cli_json_number(json, "nbytes", key->nbytes);
    cli_json_number(json, "object_nbytes", key->object_nbytes);
    if (key->is_table && figures->is_open) {
        cli_json_text(json, "format", figures->format);
        cli_json_number(json, "entries", figures->n_entries);
        cli_json_number(json, "columns", figures->n_columns);
    } else if (key->is_table) {
        cli_json_key(json, "error");
        char text[CLI_ERROR_NBYTES];
        cli_error_text(&figures->error, text);
        cli_json_string(json, text);
    }
    cli_json_close(json, '}');
}

/* Columns of the listing, in characters. */
typedef struct layout {
    size_t name, class_name, figures;
} layout;

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static size_t name_width(const ladle_key_info *key)
{
    char cycle[16];
    snprintf(cycle, sizeof cycle, ";%" PRId32, key->cycle);
    return 2 * (size_t)key->depth + cli_text_width(last_name(key->path)) + strlen(cycle);
}

static layout measure(const ladle_keys *keys)
{
    layout widths = {0, 0, 0};
    for (int64_t i = 0; i < ladle_keys_count(keys); ++i) {
        const ladle_key_info *key = ladle_keys_get(keys, i);
        size_t name = name_width(key), class_name = cli_text_width(key->class_name);
        widths.name = name > widths.name ? name : widths.name;
        widths.class_name = class_name > widths.class_name ? class_name : widths.class_name;
    }
    return widths;
}

static void print_text(cli_output *out, const layout *widths, const ladle_key_info *key, const table_figures *figures)
{
    for (int32_t i = 0; i < key->depth; ++i) {
        cli_puts(out, "  ");
    }
    cli_put_text(out, last_name(key->path), 0);
    cli_printf(out, ";%" PRId32, key->cycle);
    for (size_t width = name_width(key); width < widths->name + 2; ++width) {
        cli_putc(out, ' ');
    }
    cli_put_text(out, key->class_name, widths->class_name);
    cli_printf(out, "  %10" PRId64 " bytes", key->nbytes);
    if (key->is_table && figures->is_open) {
        cli_printf(out, "  %" PRId64 " entries x %" PRId32 " columns", figures->n_entries, figures->n_columns);
    } else if (key->is_table) {
        char text[CLI_ERROR_NBYTES];
        cli_error_text(&figures->error, text);
        cli_puts(out, "  cannot be read: ");
        cli_put_text(out, text, 0);
    }
    if (key->title[0] != '\0') {
        cli_puts(out, "  ");
        cli_put_text(out, key->title, 0);
    }
    cli_putc(out, '\n');
}

static int list(const cli_options *options, const cli_session *session, const ladle_keys *keys, cli_output *out)
{
    int status = CLI_OK;
    cli_json json = {.out = out};
    layout widths = measure(keys);
    if (options->json) {
        cli_json_open(&json, '[');
    }
    for (int64_t i = 0; i < ladle_keys_count(keys) && !cli_output_failed(out); ++i) {
        const ladle_key_info *key = ladle_keys_get(keys, i);
        table_figures figures = {.is_open = false};
        if (key->is_table) {
            figures = open_table(session, key);
            int judgement = judge(options, &figures);
            status = judgement != CLI_OK ? judgement : status;
        }
        if (options->json) {
            cli_json_line(&json);
            print_json(&json, key, &figures);
        } else {
            print_text(out, &widths, key, &figures);
        }
    }
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
    int status = cli_session_open(&session, options, 0);
    if (status == CLI_OK) {
        ladle_error error;
        ladle_keys *keys = ladle_file_keys(session.file, &error);
        status = keys == NULL ? cli_data_error(options->file, &error) : list(options, &session, keys, out);
        ladle_keys_release(keys);
    }
    cli_session_close(&session);
    return status;
}

const cli_verb cli_verb_ls = {
    .name = "ls",
    .summary = "keys and tables of a file",
    .help = help,
    .option_flags = CLI_TAKES_BUDGET,
    .run = run,
};
