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

/* A watcher holds on to the lease, not to its block, which is freed as if nobody watched. From then on the lease can
 * only be asked to be retained, which it refuses, and be unwatched. */
void ladle_lease_watch(ladle_lease *lease);
void ladle_lease_unwatch(ladle_lease *lease);

/* Retains it if its block is still there. For watchers. */
bool ladle_lease_try_retain(ladle_lease *lease);

#endif
