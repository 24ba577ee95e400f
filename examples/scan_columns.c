/* Goes through all columns of a table in steps of 20 MB, while a second thread decodes the next ones.
 *
 *     cc scan_columns.c $(pkg-config --cflags --libs ladle) && ./a.out nano.root
 */
#include <ladle/ladle.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const ladle_error *error)
{
    fprintf(stderr, "%s: %s\n", error->where, error->message);
    return 1;
}

/* The columns that can be read, as an array that the caller frees. */
static int32_t *readable(const ladle_table *table, int32_t *count)
{
    int32_t *columns = calloc((size_t)ladle_table_n_columns(table) + 1, sizeof *columns);
    *count = 0;
    for (int32_t i = 0; columns != NULL && i < ladle_table_n_columns(table); i++) {
        ladle_column_info info = {.struct_size = sizeof info};
        ladle_table_column(table, i, &info);
        if (info.reason == NULL)
            columns[(*count)++] = i;
    }
    return columns;
}

int main(int argc, char **argv)
{
    ladle_error error = {0};
    ladle_context *context = ladle_context_create(NULL, &error);
    ladle_file *file = context == NULL || argc < 2 ? NULL : ladle_file_open(context, argv[1], &error);
    ladle_table *table = file == NULL ? NULL : ladle_file_table(file, NULL, &error);
    ladle_reader *reader = table == NULL ? NULL : ladle_reader_create(context, 2, &error);
    ladle_scan_options options = {
        .struct_size = sizeof options, .step_nbytes = 20000000, .budget_nbytes = 64000000, .in_background = true};
    ladle_scan *scan = reader == NULL ? NULL : ladle_scan_create(reader, &options, &error);
    if (scan == NULL)
        return fail(&error);
    int32_t count;
    int32_t *columns = readable(table, &count);
    if (ladle_scan_add(scan, table, columns, count, 0, ladle_table_n_entries(table), NULL, &error) != LADLE_OK)
        return fail(&error);
    free(columns);
    ladle_step step;
    ladle_status status;
    while ((status = ladle_scan_next(scan, &step, &error)) == LADLE_OK && step.n_buffers > 0) {
        printf("entries %lld to %lld: %d buffers, %.1f MB\n", (long long)step.start, (long long)step.stop,
               step.n_buffers, (double)step.nbytes / 1e6);
        ladle_step_release(&step);
    }
    if (status != LADLE_OK)
        return fail(&error);
    ladle_scan_release(scan);
    ladle_reader_release(reader);
    ladle_table_release(table);
    ladle_file_release(file);
    ladle_context_release(context);
    return 0;
}
