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

/* What it decompressed so far, in reads that have ended. Set struct_size before the call. */
typedef struct ladle_reader_info {
    size_t struct_size;
    int64_t decompress_ns;     /* summed over its threads */
    int64_t decompress_nbytes; /* of decompressed pages */
} ladle_reader_info;

LADLE_API void ladle_reader_describe(ladle_reader *reader, ladle_reader_info *info);
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

/* --- scans ---------------------------------------------------------------------------------------
 *
 *     ladle_scan_options options = {.struct_size = sizeof options, .step_nbytes = 20 << 20, .budget_nbytes = 64 << 20};
 *     ladle_scan *scan = ladle_scan_create(reader, &options, &error);
 *     ladle_scan_add(scan, table, columns, n_columns, 0, ladle_table_n_entries(table), &error);
 *     while (ladle_scan_next(scan, &step, &error) == LADLE_OK && step.n_buffers > 0) {
 *         ...
 *         ladle_step_release(&step);
 *     }
 *     ladle_scan_release(scan);
 *
 * A pass over some columns of tables, step by step. Each step is a range of entries of one table with all buffers of
 * these columns. Steps that lie in the same pages are decoded together, each page once, straight into the blocks of the
 * steps; they wait in memory, within the budget, until they are asked for. One thread uses a scan, but for
 * ladle_scan_stop, which any thread may call. A scan does not survive a fork: in the child, it can only be released,
 * which frees nothing there; and where it decoded in the background, nothing else of its context can be used.
 */
typedef struct ladle_scan ladle_scan;

typedef struct ladle_scan_options {
    size_t struct_size;
    int64_t step_nbytes;   /* decoded bytes of a step at most, where one entry is not larger; 0: no such bound */
    int64_t step_entries;  /* entries of each step but the last of a table; 0: as step_nbytes says */
    int64_t budget_nbytes; /* of steps that wait; at least one step waits. 0: 1 GiB */
    bool in_background;    /* a thread of the scan's own decodes ahead while the caller works */
} ladle_scan_options;

/* One step. Where step_nbytes rules, a step that reaches a border of clusters ends at the last one that it reaches. */
typedef struct ladle_step {
    int64_t part;        /* number of its table, in the order of ladle_scan_add */
    int64_t start, stop; /* entries */
    int64_t nbytes;      /* of all buffers, each counted once */
    ladle_table *table;  /* retained */
    int32_t n_buffers;   /* 0: the scan is at its end */
    ladle_lease *
        *buffers; /* all buffers of the first column, then those of the second ...; columns of one list share */
    ladle_context *context;
} ladle_step;

/* Returns owned. */
LADLE_API ladle_scan *ladle_scan_create(ladle_reader *reader, const ladle_scan_options *options, ladle_error *error);

/* Adds entries [start, stop) of a table, at most all, to the end of the scan; steps are numbered on by *part (NULL
 * allowed). INVALID for a column that does not exist, else as for a column that cannot be read. */
LADLE_API ladle_status ladle_scan_add(ladle_scan *scan, ladle_table *table, const int32_t *columns, int32_t n_columns,
                                      int64_t start, int64_t stop, int64_t *part, ladle_error *error);

/* Waits until a step is ready, the scan is at its end or was stopped, or `timeout_ms` have passed: then false. Where
 * nothing decodes in the background it is ladle_scan_next that works: true. */
LADLE_API bool ladle_scan_wait(ladle_scan *scan, int64_t timeout_ms);

/* The next step; what it holds is the caller's until ladle_step_release. On failure part, start and stop say which step
 * it was that failed, and the next call goes on behind it. */
LADLE_API ladle_status ladle_scan_next(ladle_scan *scan, ladle_step *step, ladle_error *error);
LADLE_API void ladle_step_release(ladle_step *step); /* the struct is the caller's */

/* Leaves out what is left of a part. */
LADLE_API void ladle_scan_skip(ladle_scan *scan, int64_t part);

/* Ends the work at the next page, and lets go of the steps that wait; ladle_scan_next is CANCELLED from now on. */
LADLE_API void ladle_scan_stop(ladle_scan *scan);

/* Stops it, waits for its thread, and frees the steps that wait. NULL is allowed. */
LADLE_API void ladle_scan_release(ladle_scan *scan);

#ifdef __cplusplus
}
#endif
#endif
