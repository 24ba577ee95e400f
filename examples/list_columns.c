/* Lists the columns of a file's table with their types.
 *
 *     cc list_columns.c $(pkg-config --cflags --libs ladle) -o list_columns
 *     ./list_columns nano.root [TABLE]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <ladle/ladle.h>

static void print_columns(const ladle_table *table)
{
    for (int32_t i = 0; i < ladle_table_n_columns(table); ++i) {
        ladle_column_info column = {.struct_size = sizeof column};
        char type[128];
        if (ladle_table_column(table, i, &column) != LADLE_OK) {
            continue; /* only for an index outside the table */
        }
        ladle_column_type(&column, type, sizeof type);
        ladle_storage_info storage = {.struct_size = sizeof storage};
        ladle_table_storage(table, i, &storage, NULL); /* zeros where a page list cannot be read */
        printf("%s: %s, %" PRId64 " pages, %" PRId64 " bytes on disk%s%s\n", column.name, type, storage.n_pages,
               storage.disk_nbytes, column.reason != NULL ? ": " : "", column.reason != NULL ? column.reason : "");
    }
}

int main(int count, char **words)
{
    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: list_columns FILE [TABLE]\n");
        return 2;
    }
    ladle_error error;
    ladle_context *context = ladle_context_create(NULL, &error);
    ladle_file *file = context != NULL ? ladle_file_open(context, words[1], &error) : NULL;
    ladle_table *table = file != NULL ? ladle_file_table(file, count == 3 ? words[2] : NULL, &error) : NULL;
    int status = EXIT_SUCCESS;
    if (table == NULL) {
        fprintf(stderr, "list_columns: %s: %s\n", error.where, error.message);
        status = EXIT_FAILURE;
    } else {
        printf("%s: %" PRId64 " entries, %" PRId32 " columns\n", ladle_table_name(table), ladle_table_n_entries(table),
               ladle_table_n_columns(table));
        print_columns(table);
    }
    ladle_table_release(table); /* NULL is fine, and so is any order */
    ladle_file_release(file);
    ladle_context_release(context);
    return status;
}
