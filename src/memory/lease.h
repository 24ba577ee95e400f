/* memory/lease.h: the block behind a lease, for the rooms that fill, keep and drop it.
 *
 *                    create                   ladle_lease_keep
 *        (nothing) ---------> in use, unkept ------------------> in use, kept
 *                                  | last release                  | last release   ^ retain
 *                                  v                               v                |
 *                                freed <------------------------ at rest -----------+
 *                                           ladle_lease_drop
 * A cache that keeps a block owns its rest: the block is freed when it is dropped by its last keeper and nobody uses
 * it.
 */
#ifndef LADLE_MEMORY_LEASE_H
#define LADLE_MEMORY_LEASE_H

#include "memory/context.h"

/* A block for `count` values, content unspecified, in use once. Returns owned. */
ladle_lease *ladle_lease_create(ladle_context *context, ladle_dtype dtype, int64_t count, ladle_error *error);

/* For the one who fills it, before anyone else has it. */
void *ladle_lease_writable(ladle_lease *lease);

/* Cuts the values to `count` <= what it was created with. */
void ladle_lease_shorten(ladle_lease *lease, int64_t count);

/* Bytes on the ledger. */
int64_t ladle_lease_held_nbytes(const ladle_lease *lease);

/* A cache keeps the block; several may. */
void ladle_lease_keep(ladle_lease *lease);

/* One cache lets go. */
void ladle_lease_drop(ladle_lease *lease);

/* Does anybody but a cache use it? */
bool ladle_lease_is_pinned(const ladle_lease *lease);

#endif
