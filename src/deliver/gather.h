/* deliver/gather.h: columns whose lengths only their pages know: strings, and lists without a counter. */
#ifndef LADLE_DELIVER_GATHER_H
#define LADLE_DELIVER_GATHER_H

#include "deliver/batch.h"

/* Decodes entries [start, stop) of a column once, into its two buffers. Both leases are owned by the caller. */
ladle_status ladle_gather(ladle_reader *reader, ladle_table *table, int32_t column, int64_t start, int64_t stop,
                          ladle_lease **offsets, ladle_lease **data, ladle_error *error);

#endif
