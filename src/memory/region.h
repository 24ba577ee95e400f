/* memory/region.h: one piece of memory for many blocks that are filled, lent and let go together: those of a step.
 *
 *     ladle_region *region = ladle_region_create(context, nbytes, &error);
 *     lease = ladle_lease_create_in(region, dtype, count, &error);   ... many
 *     ladle_region_seal(region);
 *     ladle_region_release(region);
 *
 * The memory goes, as one, with the last of its leases. Who keeps few of them keeps all of it, until the region is
 * swept: then what was let go of is given back to the system, and what is let go of from then on at once.
 * Under a sanitizer each lease has a block of its own.
 */
#ifndef LADLE_MEMORY_REGION_H
#define LADLE_MEMORY_REGION_H

#include "memory/context.h"

typedef struct ladle_region ladle_region;

/* Returns owned. Memory for `nbytes` bytes of blocks, LADLE_REGION_GRAIN more for each. */
ladle_region *ladle_region_create(ladle_context *context, size_t nbytes, ladle_error *error);
enum { LADLE_REGION_GRAIN = 64 };

/* As ladle_lease_create, in the region where it has room. One thread at a time, before the region is sealed. */
ladle_lease *ladle_lease_create_in(ladle_region *region, ladle_dtype dtype, int64_t count, ladle_error *error);

/* The same where there may be no region (NULL): then with a block of its own. */
static inline ladle_lease *ladle_lease_create_maybe_in(ladle_context *context, ladle_region *region, ladle_dtype dtype,
                                                       int64_t count, ladle_error *error)
{
    return region == NULL ? ladle_lease_create(context, dtype, count, error)
                          : ladle_lease_create_in(region, dtype, count, error);
}

/* No more leases will be made. NULL is allowed. */
void ladle_region_seal(ladle_region *region);

void ladle_region_sweep(ladle_region *region);

/* NULL is allowed. Leases stay. */
void ladle_region_release(ladle_region *region);

ladle_context *ladle_region_context(const ladle_region *region);

/* For leases: a piece of the region, or NULL where it has none; *capacity is what it takes. And its end. */
void *ladle_region_cut(ladle_region *region, size_t nbytes, size_t *capacity);
void ladle_region_drop(ladle_region *region, void *memory, size_t capacity);

#endif
