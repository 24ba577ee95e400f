/* ladle/deliver.h: from columns and entry ranges to leased buffers.
 *
 *     ladle_reader *reader = ladle_reader_create(context, 0, &error);
 *     ladle_array array;
 *     ladle_read_column(reader, NULL, table, index, 0, ladle_table_n_entries(table), &array, &error);
 *     const float *pt = ladle_lease_data(array.buffers[array.n_buffers - 1]);
 *     ladle_array_release(&array);
 *
 * A request is planned from page metadata, read in coalesced runs, and each page is decompressed once,
 * into its place in the final block.
 */
#ifndef LADLE_DELIVER_H
#define LADLE_DELIVER_H

#include <ladle/root.h>
#include <ladle/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A decode pool. Internally locked, counted: any number of threads may read through one. */
typedef struct ladle_reader ladle_reader;

/* `n_threads` 0: LADLE_THREADS from the environment, else the processors that this process may use,
 * at most 4. With 1, the calling thread does all the work. Returns owned. */
LADLE_API ladle_reader *ladle_reader_create(ladle_context *context, int32_t n_threads, ladle_error *error);
LADLE_API int32_t ladle_reader_threads(const ladle_reader *reader);
LADLE_API void ladle_reader_retain(ladle_reader *reader);
LADLE_API void ladle_reader_release(ladle_reader *reader);

/* One buffer: entries [start, stop) of one column. Offsets start at 0 and have stop - start + 1
 * values; data has all its values in order. */
typedef struct ladle_request {
    ladle_table *table;
    int32_t column;
    int32_t buffer; /* 0 <= buffer < n_buffers of the column */
    int64_t start, stop;
} ladle_request;

/* Reads one buffer. With a cache it is looked up there first, and kept there. *lease is owned. */
LADLE_API ladle_status ladle_read_buffer(ladle_reader *reader, ladle_cache *cache, const ladle_request *request,
                                         ladle_lease **lease, ladle_error *error);

/* Reads several buffers in one pass over the file: leases[i] and statuses[i] answer requests[i]. One that fails
 * costs the others nothing. Returns the first failure, or LADLE_OK. `errors` may be NULL, else has
 * one slot for each request. Not looked up in a cache. */
LADLE_API ladle_status ladle_read_buffers(ladle_reader *reader, const ladle_request *requests, int64_t n_requests,
                                          ladle_lease **leases, ladle_error *errors);

/* All buffers of one column over [start, stop). */
typedef struct ladle_array {
    int32_t n_buffers;
    int64_t n_entries;
    ladle_lease *buffers[LADLE_MAX_BUFFERS]; /* those of the dimensions outermost first, then data */
} ladle_array;

LADLE_API ladle_status ladle_read_column(ladle_reader *reader, ladle_cache *cache, ladle_table *table, int32_t column,
                                         int64_t start, int64_t stop, ladle_array *array, ladle_error *error);
LADLE_API void ladle_array_release(ladle_array *array); /* releases the leases; the struct is the caller's */

/* The key under which ladle_read_buffer keeps a request: "uuid/table/start-stop/column/data" or ".../owner/offsets"
 * (a buffer is kept once for all columns that have it; see ladle_buffer_info; roles are "data", "offsets", "index",
 * "tags" and "places"). A file whose UUID is 0 is known by its path.
 * Writes at most `size` bytes with the terminator; returns the length that it needs without it. */
LADLE_API size_t ladle_request_key(const ladle_request *request, char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
