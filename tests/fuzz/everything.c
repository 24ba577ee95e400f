#include "fuzz/everything.h"

#include "support/nested.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(everything *e, const char *format, ...) LADLE_PRINTF(2, 3);

static void complain(everything *e, const char *format, ...)
{
    if (e->complaint[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(e->complaint, sizeof e->complaint, format, arguments);
    va_end(arguments);
}

static ladle_error blank(void)
{
    ladle_error error;
    memset(&error, 0x55, sizeof error);
    error.where[0] = error.message[0] = '\0';
    return error;
}

/* May damaged bytes lead to that answer? NOMEM may not: there is a budget, and memory enough for
 * it. */
static bool is_damage(int status)
{
    switch (status) {
    case LADLE_BUDGET:
    case LADLE_TRUNCATED:
    case LADLE_CORRUPT:
    case LADLE_CHECKSUM:
    case LADLE_UNSUPPORTED:
    case LADLE_LIMIT:
    case LADLE_NOT_FOUND:
    case LADLE_NOT_ROOT: return true;
    default: return false;
    }
}

static void check_error(everything *e, const char *what, const char *name, ladle_status status,
                        const ladle_error *error)
{
    if (!is_damage((int)status))
        complain(e, "%s %s: status %s: %s", what, name, ladle_status_name((int)status), error->message);
    else if (error->status != (int32_t)status)
        complain(e, "%s %s: returns %s, the error says %s", what, name, ladle_status_name((int)status),
                 ladle_status_name(error->status));
    else if (strlen(error->message) < 10 || strlen(error->message) >= sizeof error->message - 1)
        complain(e, "%s %s: message \"%s\"", what, name, error->message);
    else if (error->where[0] == '\0')
        complain(e, "%s %s: no place for \"%s\"", what, name, error->message);
    else if (error->offset < -1)
        complain(e, "%s %s: offset %lld for \"%s\"", what, name, (long long)error->offset, error->message);
}

/* Of what was read, a range in the middle, or one entry. */
static void see_range(everything *e, ladle_reader *reader, const seen_table *t, const seen_column *c, int which)
{
    int64_t n = c->array.n_entries, start = n / 3, stop = which == 0 ? n - n / 4 : start + 1;
    if (stop > n)
        return;
    ladle_array part;
    ladle_error error = blank();
    ladle_status status = ladle_read_column(reader, NULL, t->table, (int32_t)(c - t->columns), c->first + start,
                                            c->first + stop, &part, &error);
    const char *fault = NULL;
    if (status != LADLE_OK)
        complain(e, "column %s: whole, but not in a range: %s", c->name, error.message);
    else if (part.n_entries != stop - start || (fault = nested_fault(&c->info, &part)) != NULL)
        complain(e, "column %s: in a range, %s", c->name, fault != NULL ? fault : "entries are missing");
    else if (!nested_equal(&c->info, &c->array, start, stop, &part, 0))
        complain(e, "column %s: a range is not the slice of the whole", c->name);
    ladle_array_release(&part);
}

/* Reads all of a column; where that is more than the budget, its last entries. */
static ladle_status read_most(ladle_reader *reader, const seen_table *t, seen_column *c, ladle_error *error)
{
    enum { LAST = 1000 };
    int32_t index = (int32_t)(c - t->columns);
    int64_t n = c->info.n_entries;
    ladle_status status = ladle_read_column(reader, NULL, t->table, index, 0, n, &c->array, error);
    if (status != LADLE_BUDGET || n <= LAST)
        return status;
    c->first = n - LAST;
    return ladle_read_column(reader, NULL, t->table, index, c->first, n, &c->array, error);
}

static void see_column(everything *e, ladle_reader *reader, seen_table *t, int32_t index)
{
    seen_column *c = &t->columns[index];
    c->info.struct_size = sizeof c->info;
    if (ladle_table_column(t->table, index, &c->info) != LADLE_OK) {
        complain(e, "column %d cannot be described", index);
        return;
    }
    (void)snprintf(c->name, sizeof c->name, "%s", c->info.name);
    ladle_column_type(&c->info, c->type, sizeof c->type);
    ladle_error error = blank();
    c->status = read_most(reader, t, c, &error);
    if (c->status != LADLE_OK) {
        check_error(e, "column", c->name, c->status, &error);
        for (int i = 0; i < LADLE_MAX_BUFFERS; i++)
            if (c->array.buffers[i] != NULL)
                complain(e, "column %s: a buffer after an error", c->name);
        (void)snprintf(c->why, sizeof c->why, "%s: %.80s: %.150s", ladle_status_name((int)c->status), error.where,
                       error.message);
        return;
    }
    e->n_read++;
    bool all = c->array.n_entries == c->info.n_entries - c->first;
    const char *fault = all ? nested_fault(&c->info, &c->array) : "entries are missing";
    if (fault != NULL)
        complain(e, "column %s: %s", c->name, fault);
    for (int i = 0; i < 2 && fault == NULL; i++)
        see_range(e, reader, t, c, i);
}

static void see_pages(everything *e, const seen_table *t, int32_t index)
{
    ladle_column_info info = {.struct_size = sizeof info};
    (void)ladle_table_column(t->table, index, &info);
    ladle_storage_info storage = {.struct_size = sizeof storage};
    ladle_error error = blank();
    ladle_status status = ladle_table_storage(t->table, index, &storage, &error);
    if (status != LADLE_OK)
        check_error(e, "storage", info.name, status, &error);
    for (int64_t i = 0; i < storage.n_pages; i++) {
        ladle_page_info page = {.struct_size = sizeof page};
        status = ladle_table_page(t->table, index, i, &page, &error);
        if (status == LADLE_OK)
            continue;
        check_error(e, "page", info.name, status, &error);
        if (t->columns[index].status == LADLE_OK)
            complain(e, "column %s: read, but page %lld cannot be described: %s", info.name, (long long)i,
                     error.message);
    }
}

/* Where the buffers of one step do not hold what was read of these columns, a complaint. */
static void see_step(everything *e, const seen_table *t, const int32_t *columns, int32_t n, const ladle_step *step)
{
    int32_t at = 0;
    for (int32_t i = 0; i < n; i++) {
        const seen_column *c = &t->columns[columns[i]];
        ladle_array array = {.n_buffers = c->info.n_buffers, .n_entries = step->stop - step->start};
        for (int32_t k = 0; k < array.n_buffers; k++)
            array.buffers[k] = step->buffers[at++];
        const char *fault = nested_fault(&c->info, &array);
        if (fault != NULL)
            complain(e, "column %s: in a step, %s", c->name, fault);
        else if (c->status == LADLE_OK && c->first == 0 &&
                 !nested_equal(&c->info, &array, 0, array.n_entries, &c->array, step->start))
            complain(e, "column %s: a step is not the slice of the whole", c->name);
    }
}

/* A scan of the first entries. `is_good`: its columns were read, so each step can be. */
static void see_scan(everything *e, ladle_reader *reader, const seen_table *t, const ladle_scan_options *options,
                     const int32_t *columns, int32_t n, bool is_good)
{
    enum { MOST = 100000 };
    int64_t n_entries = ladle_table_n_entries(t->table), stop = n_entries < MOST ? n_entries : MOST, at = 0;
    ladle_error error = blank();
    ladle_scan *scan = ladle_scan_create(reader, options, &error);
    if (scan == NULL)
        return; /* the budget is full */
    ladle_status status = ladle_scan_add(scan, t->table, columns, n, 0, stop, NULL, &error);
    if (status != LADLE_OK) {
        if (is_good && status != LADLE_BUDGET)
            complain(e, "scan of %s: refused: %s", t->path, error.message);
        check_error(e, "scan of", t->path, status, &error);
        stop = 0;
    }
    for (;;) {
        ladle_step step;
        error = blank();
        status = ladle_scan_next(scan, &step, &error);
        if (status == LADLE_OK && step.n_buffers == 0)
            break;
        if (step.start != at || step.stop <= at || step.stop > stop)
            complain(e, "scan of %s: from %lld on, a step from %lld to %lld", t->path, (long long)at,
                     (long long)step.start, (long long)step.stop);
        at = step.stop;
        if (status == LADLE_OK)
            see_step(e, t, columns, n, &step);
        else
            check_error(e, "step of", t->path, status, &error);
        if (status != LADLE_OK && status != LADLE_BUDGET && is_good)
            complain(e, "scan of %s: whole, but not in steps: %s", t->path, error.message);
        ladle_step_release(&step);
    }
    if (at != stop)
        complain(e, "scan of %s: ends at %lld of %lld", t->path, (long long)at, (long long)stop);
    ladle_scan_release(scan);
}

/* Columns that were read whole, and, where these are not all, all that are not refused from the beginning. */
static void see_scans(everything *e, ladle_reader *reader, const seen_table *t)
{
    int32_t *columns = calloc((size_t)t->n_columns + 1, sizeof *columns);
    if (columns == NULL)
        abort();
    int32_t n_whole = 0;
    for (int good = 1; good >= 0; good--) {
        int32_t n = 0;
        for (int32_t i = 0; i < t->n_columns; i++) {
            const seen_column *c = &t->columns[i];
            bool whole = c->status == LADLE_OK && c->array.n_entries >= ladle_table_n_entries(t->table);
            if (good == 1 ? whole : c->info.reason == NULL && c->info.n_entries >= ladle_table_n_entries(t->table))
                columns[n++] = i;
        }
        if (good == 1)
            n_whole = n;
        else if (n == n_whole)
            break; /* they are the same */
        const ladle_scan_options ways[] = {
            {.struct_size = sizeof ways[0], .step_entries = 1 + ladle_table_n_entries(t->table) / 9},
            {.struct_size = sizeof ways[0], .step_nbytes = 300, .budget_nbytes = 1000},
        };
        for (size_t i = 0; i < sizeof ways / sizeof ways[0] && n > 0; i++)
            see_scan(e, reader, t, &ways[i], columns, n, good == 1);
    }
    free(columns);
}

static void see_table(everything *e, ladle_reader *reader, const ladle_key_info *key, seen_table *t)
{
    (void)snprintf(t->path, sizeof t->path, "%.80s;%d", key->path, key->cycle);
    t->cycle = key->cycle;
    t->offset = key->offset;
    t->nbytes = key->nbytes;
    size_t size = strlen(key->path) + 16;
    char *path = malloc(size);
    if (path == NULL)
        abort();
    (void)snprintf(path, size, "%s;%d", key->path, key->cycle);
    ladle_error error = blank();
    t->table = ladle_file_table(e->file, path, &error);
    free(path);
    t->status = t->table == NULL ? (ladle_status)error.status : LADLE_OK;
    if (t->table == NULL) {
        check_error(e, "table", t->path, t->status, &error);
        return;
    }
    t->n_columns = ladle_table_n_columns(t->table);
    t->columns = calloc((size_t)t->n_columns + 1, sizeof *t->columns);
    if (t->columns == NULL)
        abort();
    for (int32_t i = 0; i < t->n_columns; i++) {
        see_column(e, reader, t, i);
        see_pages(e, t, i);
    }
    int64_t n_borders;
    const int64_t *borders = ladle_table_clusters(t->table, &n_borders, NULL);
    for (int64_t i = 0; i + 1 < n_borders; i++)
        if (borders[i] >= borders[i + 1])
            complain(e, "table %s: clusters do not rise", t->path);
    see_scans(e, reader, t);
}

void see_everything(everything *e, const void *data, size_t nbytes, int64_t budget)
{
    memset(e, 0, sizeof *e);
    ladle_error error = blank();
    e->context = ladle_context_create(NULL, &error);
    if (e->context == NULL)
        abort();
    ladle_context_set_budget(e->context, budget);
    ladle_source *source = ladle_source_from_memory(e->context, "mutant", data, (int64_t)nbytes, &error);
    e->file = source == NULL ? NULL : ladle_file_open_source(e->context, source, &error);
    ladle_keys *keys = e->file == NULL ? NULL : ladle_file_keys(e->file, &error);
    ladle_reader *reader = ladle_reader_create(e->context, 1, NULL);
    if (keys == NULL) {
        e->status = (ladle_status)error.status;
        check_error(e, "file", "", e->status, &error);
    } else {
        e->tables = calloc((size_t)ladle_keys_count(keys) + 1, sizeof *e->tables);
        if (e->tables == NULL)
            abort();
        if (ladle_keys_damage(keys) != NULL)
            check_error(e, "directory", "", (ladle_status)ladle_keys_damage(keys)->status, ladle_keys_damage(keys));
        for (int64_t i = 0; i < ladle_keys_count(keys); i++)
            if (ladle_keys_get(keys, i)->is_table)
                see_table(e, reader, ladle_keys_get(keys, i), &e->tables[e->n_tables++]);
    }
    ladle_keys_release(keys);
    ladle_reader_release(reader);
    ladle_memory_info memory = {.struct_size = sizeof memory};
    ladle_context_memory(e->context, &memory);
    if (memory.peak > budget)
        complain(e, "%lld bytes were held, the budget is %lld", (long long)memory.peak, (long long)budget);
}

void forget_everything(everything *e)
{
    for (int64_t i = 0; i < e->n_tables; i++) {
        for (int32_t k = 0; k < e->tables[i].n_columns; k++)
            ladle_array_release(&e->tables[i].columns[k].array);
        free(e->tables[i].columns);
        ladle_table_release(e->tables[i].table);
    }
    free(e->tables);
    ladle_file_release(e->file);
    (void)ladle_context_trim(e->context);
    ladle_memory_info memory = {.struct_size = sizeof memory};
    ladle_context_memory(e->context, &memory);
    if (memory.total != 0)
        complain(e, "%lld bytes are held after everything was released", (long long)memory.total);
    ladle_context_release(e->context);
    e->context = NULL;
}
