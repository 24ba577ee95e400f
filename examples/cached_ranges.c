/* Reads a column twice, in ten ranges of entries, through a cache of 16 MB, and prints what the
 * cache saved and who holds which memory.
 *
 *     cc cached_ranges.c $(pkg-config --cflags --libs ladle) -o cached_ranges
 *     ./cached_ranges nano.root [Jet_pt]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <ladle/ladle.h>

static ladle_status read_ranges(ladle_reader *reader, ladle_cache *cache, ladle_table *table, int32_t column,
                                int64_t *n_values, ladle_error *error)
{
    int64_t n_entries = ladle_table_n_entries(table);
    for (int64_t i = 0; i < 10; ++i) {
        int64_t start = i * (n_entries / 10), stop = i == 9 ? n_entries : start + n_entries / 10;
        ladle_array array;
        ladle_status status = ladle_read_column(reader, cache, table, column, start, stop, &array, error);
        if (status != LADLE_OK) {
            return status;
        }
        *n_values += ladle_lease_count(array.buffers[array.n_buffers - 1]);
        ladle_array_release(&array); /* the cache keeps the buffers while they fit */
    }
    return LADLE_OK;
}

static void print_memory(ladle_context *context, ladle_cache *cache, int64_t n_values)
{
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_memory_info memory = {.struct_size = sizeof memory};
    ladle_cache_stats_get(cache, &stats);
    ladle_context_memory(context, &memory);
    printf("values %" PRId64 " hits %" PRId64 " misses %" PRId64 "\n", n_values, stats.hits, stats.misses);
    for (int kind = 0; kind < LADLE_MEMORY_KIND_COUNT; ++kind) {
        printf("%s %" PRId64 "\n", ladle_memory_kind_name((ladle_memory_kind)kind), memory.held[kind]);
    }
    printf("total %" PRId64 " peak %" PRId64 "\n", memory.total, memory.peak);
}

int main(int count, char **words)
{
    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: cached_ranges FILE [COLUMN]\n");
        return 2;
    }
    ladle_error error;
    int32_t column = 0; /* the first one, unless the call names another */
    int64_t n_values = 0;
    ladle_context *context = ladle_context_create(NULL, &error);
    ladle_file *file = context != NULL ? ladle_file_open(context, words[1], &error) : NULL;
    ladle_table *table = file != NULL ? ladle_file_table(file, NULL, &error) : NULL;
    ladle_reader *reader = table != NULL ? ladle_reader_create(context, 0, &error) : NULL;
    ladle_cache *cache = reader != NULL ? ladle_cache_create(context, 16000000, &error) : NULL;
    bool ok = cache != NULL;
    if (ok && count == 3) {
        ok = ladle_table_require(table, words[2], &column, &error) == LADLE_OK;
    }
    for (int pass = 0; pass < 2 && ok; ++pass) {
        ok = read_ranges(reader, cache, table, column, &n_values, &error) == LADLE_OK;
    }
    if (ok) {
        print_memory(context, cache, n_values);
    } else {
        fprintf(stderr, "cached_ranges: %s: %s\n", error.where, error.message);
    }
    ladle_cache_release(cache); /* in any order; NULL is fine */
    ladle_reader_release(reader);
    ladle_table_release(table);
    ladle_file_release(file);
    ladle_context_release(context);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
