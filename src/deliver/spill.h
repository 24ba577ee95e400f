/* deliver/spill.h: steps of a window that does not fit into memory: in a scratch file, until they are asked for.
 *
 * Pages may hold more entries than the budget does. To decode them again for each window costs their decompression
 * each time; to keep what was decoded costs a write and a read of a file that the system caches. A scan has files
 * without names (see store/scratch_dir.h): several, since a system lets one thread at a time write to a file; each step
 * is in one of them. What was read back is written over by the next window, in memory that the system has for it
 * already.
 */
#ifndef LADLE_DELIVER_SPILL_H
#define LADLE_DELIVER_SPILL_H

#include "deliver/scan.h"

typedef struct ladle_spill ladle_spill;

/* Returns owned, with as many files as threads may write at once, at most 4. They lie where the environment says. */
ladle_spill *ladle_spill_create(ladle_context *context, int32_t n_threads, ladle_error *error);

/* No step has anything in it. NULL is allowed. */
void ladle_spill_release(ladle_spill *spill);

/* Writes the buffers that columns [first, end) of the step have by now; it keeps them. Columns are those of the step's
 * part. Several threads may write steps of one window at once. */
ladle_status ladle_spill_put(ladle_spill *spill, const ladle_scan_part *part, ladle_scan_step *step, int64_t first,
                             int64_t end, ladle_error *error);

/* Brings the buffers of the step back, into one region, beside those that it has. */
ladle_status ladle_spill_get(ladle_scan_step *step, ladle_error *error);

/* Forgets what the step has in a file. */
void ladle_spill_forget(ladle_context *context, ladle_scan_step *step);

#endif
