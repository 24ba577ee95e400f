/* Reads one column, flat or jagged, and prints how many values there are and, for 32-bit floats,
 * what they add up to.
 *
 *     cc read_column.c $(pkg-config --cflags --libs ladle) -o read_column
 *     ./read_column nano.root [Jet_pt]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <ladle/ladle.h>

/* The column of that name; without a name the first one that can be read. */
static ladle_status choose(const ladle_table *table, const char *name, int32_t *column, ladle_error *error)
{
    ladle_column_info info = {.struct_size = sizeof info};
    for (*column = 0; name == NULL && *column < ladle_table_n_columns(table); ++*column) {
        if (ladle_table_column(table, *column, &info) == LADLE_OK && info.reason == NULL) {
            return LADLE_OK;
        }
    }
    return ladle_table_require(table, name != NULL ? name : "", column, error);
}

/* Reads all entries of `column` and prints the figures. */
static ladle_status add_up(ladle_context *context, ladle_table *table, int32_t column, ladle_error *error)
{
    ladle_reader *reader = ladle_reader_create(context, 0, error);
    if (reader == NULL) {
        return (ladle_status)error->status;
    }
    ladle_array array;
    int64_t n_entries = ladle_table_n_entries(table);
    ladle_status status = ladle_read_column(reader, NULL, table, column, 0, n_entries, &array, error);
    if (status == LADLE_OK) {
        const ladle_lease *data = array.buffers[array.n_buffers - 1]; /* offsets come before it */
        if (ladle_lease_dtype(data) == LADLE_DTYPE_F32) {
            const float *values = ladle_lease_data(data);
            double sum = 0;
            for (int64_t i = 0; i < ladle_lease_count(data); ++i) {
                sum += (double)values[i];
            }
            printf("entries %" PRId64 " values %" PRId64 " sum %.9g\n", n_entries, ladle_lease_count(data), sum);
        } else {
            printf("entries %" PRId64 " values %" PRId64 " of %s\n", n_entries, ladle_lease_count(data),
                   ladle_dtype_name(ladle_lease_dtype(data)));
        }
        ladle_array_release(&array); /* `values` is gone with it */
    }
    ladle_reader_release(reader);
    return status;
}

int main(int count, char **words)
{
    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: read_column FILE [COLUMN]\n");
        return 2;
    }
    ladle_error error;
    int32_t column;
    ladle_context *context = ladle_context_create(NULL, &error);
    ladle_file *file = context != NULL ? ladle_file_open(context, words[1], &error) : NULL;
    ladle_table *table = file != NULL ? ladle_file_table(file, NULL, &error) : NULL;
    int status = EXIT_SUCCESS;
    if (table == NULL || choose(table, words[2], &column, &error) != LADLE_OK ||
        add_up(context, table, column, &error) != LADLE_OK) {
        fprintf(stderr, "read_column: %s: %s\n", error.where, error.message);
        status = EXIT_FAILURE;
    }
    ladle_table_release(table);
    ladle_file_release(file);
    ladle_context_release(context);
    return status;
}
