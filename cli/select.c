/* The columns that a call names: in full, by a record that they lie in, or by a pattern. */
#include "cli.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is worked with while names are resolved. */
typedef struct selecting {
    cli_selection *selection;
    const ladle_table *table;
    const char *file;
    bool by_path;
    int32_t room;   /* of the selection's items */
    int32_t *lasts; /* for each column of the table 1 + its last item, or 0 */
} selecting;

static int out_of_memory(const char *file)
{
    cli_complain(file, "out of memory");
    return CLI_DATA;
}

static size_t path_length(const ladle_column_info *info, int32_t n_members)
{
    size_t length = strlen(info->field);
    for (int32_t i = 0; i < n_members; ++i) {
        length += 1 + strlen(info->members[i].name);
    }
    return length;
}

char *cli_path(const ladle_column_info *info, int32_t n_members)
{
    size_t size = path_length(info, n_members) + 1;
    char *path = malloc(size);
    if (path == NULL) {
        return NULL;
    }
    size_t used = (size_t)snprintf(path, size, "%s", info->field);
    for (int32_t i = 0; i < n_members; ++i) {
        used += (size_t)snprintf(path + used, size - used, ".%s", info->members[i].name);
    }
    return path;
}

/* Adds a column unless it is there. */
static int add(selecting *work, int32_t column, int32_t n_members, bool named)
{
    cli_selection *selection = work->selection;
    for (int32_t at = work->lasts[column]; at != 0; at = selection->items[at - 1].earlier) {
        cli_selected *item = &selection->items[at - 1];
        if (!work->by_path || item->n_members == n_members) {
            item->named = item->named || named;
            return CLI_OK;
        }
    }
    if (selection->count == work->room) {
        int32_t room = work->room == 0 ? ladle_table_n_columns(work->table) : 2 * work->room;
        cli_selected *items = realloc(selection->items, (size_t)room * sizeof *items);
        if (items == NULL) {
            return out_of_memory(work->file);
        }
        selection->items = items;
        work->room = room;
    }
    selection->items[selection->count] = (cli_selected){column, n_members, work->lasts[column], named};
    work->lasts[column] = ++selection->count;
    return CLI_OK;
}

/* The fewest members with which the path to a column is `name`, or matches it; -1 if none does, -2 without memory. */
static int32_t match(const ladle_column_info *info, const char *name, bool is_pattern)
{
    char *path = cli_path(info, info->n_members);
    if (path == NULL) {
        return -2;
    }
    int32_t found = -1;
    for (int32_t n = 0; n <= info->n_members && found < 0; ++n) {
        size_t length = path_length(info, n);
        char next = path[length];
        path[length] = '\0';
        bool matches = is_pattern ? fnmatch(name, path, 0) == 0 : strcmp(name, path) == 0;
        found = matches ? n : -1;
        path[length] = next;
    }
    free(path);
    return found;
}

/* Resolves a name that no column has: a record's, or a pattern. */
static int add_matching(selecting *work, const char *name)
{
    bool is_pattern = strpbrk(name, "*?[") != NULL, found = false;
    int status = CLI_OK;
    for (int32_t i = 0; i < ladle_table_n_columns(work->table) && status == CLI_OK; ++i) {
        ladle_column_info info = {.struct_size = sizeof info};
        ladle_table_column(work->table, i, &info);
        int32_t n_members = match(&info, name, is_pattern);
        if (n_members >= 0) {
            status = add(work, i, n_members, !is_pattern);
            found = true;
        } else if (n_members < -1) {
            status = out_of_memory(work->file);
        }
    }
    if (found || status != CLI_OK) {
        return status;
    }
    if (is_pattern) {
        char where[512];
        snprintf(where, sizeof where, "%s: %s", work->file, ladle_table_name(work->table));
        cli_complain(where, "no column matches '%s'", name);
        return CLI_CALL;
    }
    int32_t column;
    ladle_error error;
    ladle_table_require(work->table, name, &column, &error); /* knows the near names */
    return cli_lookup_error(work->file, &error);
}

static int add_name(selecting *work, const char *name)
{
    int32_t column = ladle_table_find(work->table, name);
    if (column < 0) {
        return add_matching(work, name);
    }
    ladle_column_info info = {.struct_size = sizeof info};
    ladle_table_column(work->table, column, &info);
    return add(work, column, info.n_members, true);
}

int cli_selection_make(cli_selection *selection, const cli_session *session, const cli_options *options, bool by_path)
{
    selecting work = {selection, session->table, options->file, by_path, 0, NULL};
    int32_t n_columns = ladle_table_n_columns(session->table);
    memset(selection, 0, sizeof *selection);
    work.lasts = calloc((size_t)n_columns + 1, sizeof *work.lasts);
    int status = work.lasts == NULL ? out_of_memory(options->file) : CLI_OK;
    for (int32_t i = 0; options->names_count == 0 && i < n_columns && status == CLI_OK; ++i) {
        status = add(&work, i, 0, false);
    }
    for (int i = 0; i < options->names_count && status == CLI_OK; ++i) {
        status = add_name(&work, options->names[i]);
    }
    free(work.lasts);
    return status;
}

void cli_selection_release(cli_selection *selection)
{
    free(selection->items);
    memset(selection, 0, sizeof *selection);
}
