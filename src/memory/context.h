/* memory/context.h: what the other rooms see of the context: allocation, ledger, pressure.
 *
 * All memory comes from here, never from malloc, and every byte is on the ledger under one kind.
 *   ladle_alloc   small things with a known size: handles, tables, keys. Sized free.
 *   ladle_pages   buffers: whole pages beyond 32 KiB, recycled through the pool.
 * An allocation that exceeds the budget asks the reclaimers for room. Kind METADATA may be allocated with a cache
 * locked, so for it a reclaimer must not wait; every other kind must be allocated without such a lock.
 */
#ifndef LADLE_MEMORY_CONTEXT_H
#define LADLE_MEMORY_CONTEXT_H

#include <ladle/memory.h>

#include "memory/fault.h"

void ladle_context_retain(ladle_context *context);
const ladle_limits *ladle_context_limits(const ladle_context *context);
ladle_fault *ladle_context_fault(ladle_context *context);

/* Zeroed memory, 64-byte aligned. NULL with NOMEM or BUDGET. `size` > 0. */
void *ladle_alloc(ladle_context *context, size_t size, ladle_memory_kind kind, ladle_error *error);

/* `count` times `size` bytes; refuses an overflow with LIMIT. */
void *ladle_alloc_array(ladle_context *context, int64_t count, size_t size, ladle_memory_kind kind, ladle_error *error);

/* `size` as allocated. NULL is allowed. */
void ladle_free(ladle_context *context, void *memory, size_t size, ladle_memory_kind kind);

/* Memory with unspecified content, at least `nbytes`; *capacity is what there is, to be given to
 * ladle_pages_free. */
void *ladle_pages_alloc(ladle_context *context, size_t nbytes, ladle_memory_kind kind, size_t *capacity,
                        ladle_error *error);
void ladle_pages_free(ladle_context *context, void *memory, size_t capacity, ladle_memory_kind kind);

/* Gives back what lies beyond the first `nbytes` > 0 of memory from ladle_pages_alloc. The memory may move; *capacity
 * is what is left, more than asked for where it cannot be less. Cannot fail. */
void *ladle_pages_shrink(ladle_context *context, void *memory, size_t *capacity, size_t nbytes, ladle_memory_kind kind);

/* Changes the kind of bytes already counted. */
void ladle_ledger_move(ladle_context *context, ladle_memory_kind from, ladle_memory_kind to, int64_t nbytes);

/* Counts memory that another library allocated for us; negative to take back. */
void ladle_ledger_charge(ladle_context *context, ladle_memory_kind kind, int64_t nbytes);

/* Frees about `need` bytes if it can; returns what it freed. Without `may_wait` it gives up where a lock is taken.
 * It must not allocate. */
typedef int64_t (*ladle_reclaim)(void *user, int64_t need, bool may_wait);

/* Who is asked for room when the budget is full. Part of its owner: registering allocates nothing. */
typedef struct ladle_reclaimer {
    ladle_reclaim reclaim;
    void *user;
    int64_t bound;    /* bytes that its owner may hold at rest in memory; 0: no bound */
    int64_t recycled; /* bytes that its owner holds, lets go of, and asks for again: the pool may keep what is
                       * left of them */
    struct ladle_reclaimer *next, *previous; /* the context's list, under its lock, like what follows */
    int calls;                               /* under way: it stays in the list until there are none */
    bool registered;                         /* no new call where not */
    bool linked;
} ladle_reclaimer;

void ladle_context_add_reclaimer(ladle_context *context, ladle_reclaimer *reclaimer);

/* Changes `bound`. Where all who are registered have one, so has the pool: an eighth of their sum, at least 1 MiB,
 * and what they recycle. */
void ladle_context_bound_reclaimer(ladle_context *context, ladle_reclaimer *reclaimer, int64_t bound);

/* Returns when no call into the reclaimer is under way any more. Twice is allowed. */
void ladle_context_remove_reclaimer(ladle_context *context, ladle_reclaimer *reclaimer);

#endif
