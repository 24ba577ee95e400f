/* Error lines and what a verb has open. */
#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One write, so that lines of several processes do not mix. */
void cli_complain(const char *where, const char *format, ...)
{
    char message[1024], visible_where[512], visible[2048], line[3072];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    cli_visible(where, visible_where, sizeof visible_where);
    cli_visible(message, visible, sizeof visible);
    snprintf(line, sizeof line, "ladle: %s: %s\n", visible_where, visible);
    fputs(line, stderr);
    fflush(stderr);
}

void cli_error_text(const ladle_error *error, char out[CLI_ERROR_NBYTES])
{
    const char *message = error->message[0] != '\0' ? error->message : ladle_status_name(error->status);
    if (error->offset >= 0) {
        snprintf(out, CLI_ERROR_NBYTES, "%s (at byte %" PRId64 ")", message, error->offset);
    } else {
        snprintf(out, CLI_ERROR_NBYTES, "%s", message);
    }
}

int cli_data_error(const char *fallback_where, const ladle_error *error)
{
    char text[CLI_ERROR_NBYTES];
    cli_error_text(error, text);
    cli_complain(error->where[0] != '\0' ? error->where : fallback_where, "%s", text);
    return CLI_DATA;
}

int cli_lookup_error(const char *fallback_where, const ladle_error *error)
{
    cli_data_error(fallback_where, error);
    bool is_call = error->status == LADLE_NOT_FOUND || error->status == LADLE_INVALID;
    return is_call ? CLI_CALL : CLI_DATA;
}

int cli_session_range(cli_session *session, const cli_options *options)
{
    int64_t n_entries = ladle_table_n_entries(session->table);
    if (cli_entry_range(options, n_entries, &session->start, &session->stop)) {
        return CLI_OK;
    }
    cli_complain(options->file, "--stop comes before --start: %" PRId64 " < %" PRId64 " of %" PRId64 " entries",
                 session->stop, session->start, n_entries);
    return CLI_CALL;
}

int cli_session_open(cli_session *session, const cli_options *options, unsigned parts)
{
    ladle_error error;
    memset(session, 0, sizeof *session);
    session->context = ladle_context_create(NULL, &error);
    if (session->context == NULL) {
        return cli_data_error(options->file, &error);
    }
    ladle_context_set_budget(session->context, options->budget);
    session->file = ladle_file_open(session->context, options->file, &error);
    if (session->file == NULL) {
        return cli_lookup_error(options->file, &error);
    }
    if ((parts & CLI_WITH_TABLE) == 0) {
        return CLI_OK;
    }
    session->table = ladle_file_table(session->file, options->table, &error);
    if (session->table == NULL) {
        return cli_lookup_error(options->file, &error);
    }
    int status = cli_session_range(session, options);
    if (status != CLI_OK) {
        return status;
    }
    if ((parts & CLI_WITH_READER) != 0) {
        session->reader = ladle_reader_create(session->context, options->threads, &error);
        if (session->reader == NULL) {
            return cli_data_error(options->file, &error);
        }
    }
    return CLI_OK;
}

void cli_session_close(cli_session *session)
{
    ladle_reader_release(session->reader);
    ladle_table_release(session->table);
    ladle_file_release(session->file);
    ladle_context_release(session->context);
    memset(session, 0, sizeof *session);
}

void *cli_grown(void *items, int64_t count, int64_t *capacity, size_t item_nbytes)
{
    if (count < *capacity) {
        return items;
    }
    int64_t more = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = realloc(items, (size_t)more * item_nbytes);
    if (grown != NULL) {
        *capacity = more;
    }
    return grown;
}
