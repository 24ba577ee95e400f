/* deliver/spill.h: steps of a window that does not fit into memory: in a scratch file, until they are asked for.
 *
 * Pages may hold more entries than the budget does. To decode them again for each window costs their decompression
 * each time; to keep what was decoded costs a write and a read of a file that the system caches. A window has a file
 * for itself, without a name (see store/scratch_dir.h). Once none of its steps is left in it the next window may write
 * over it, into memory that the system has for it already.
 */
#ifndef LADLE_DELIVER_SPILL_H
#define LADLE_DELIVER_SPILL_H

#include "deliver/scan.h"

typedef struct ladle_spill ladle_spill;

/* Returns owned. Lies where the environment says. */
ladle_spill *ladle_spill_create(ladle_context *context, ladle_error *error);
void ladle_spill_release(ladle_spill *spill);

/* Does nobody but its one owner use it? */
bool ladle_spill_is_idle(const ladle_spill *spill);

/* Empties an idle one, and makes room. Fails with IO where there is none for `nbytes`. */
ladle_status ladle_spill_begin(ladle_spill *spill, int64_t nbytes, ladle_error *error);

/* Writes the buffers that the step has by now; it keeps them. Columns are those of the step's part. Several
 * threads may write steps of one window at once. */
ladle_status ladle_spill_put(ladle_spill *spill, const ladle_scan_part *part, ladle_scan_step *step,
                             ladle_error *error);

/* Brings all buffers of the step back, into one region. */
ladle_status ladle_spill_get(ladle_scan_step *step, ladle_error *error);

/* Forgets what the step has in a file. */
void ladle_spill_forget(ladle_context *context, ladle_scan_step *step);

#endif
