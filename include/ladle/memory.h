/* ladle/memory.h: the context, its ledger and budget, leases on blocks, and the process's figures.
 *
 *     ladle_context *context = ladle_context_create(NULL, &error);
 *     ladle_context_set_budget(context, 512 << 20);
 *     ...
 *     ladle_memory_info info;
 *     ladle_context_memory(context, &info);      // who holds what, in bytes
 *     ladle_context_release(context);
 *
 * A block is memory that ladle owns for one buffer. Blocks never come from malloc: they are mapped
 * from the system, recycled within a bounded pool, and counted on the ledger under one kind.
 * A lease is a block lent out. While any lease on it lives, the block does not move or vanish.
 */
#ifndef LADLE_MEMORY_H
#define LADLE_MEMORY_H

#include <ladle/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- context --------------------------------------------------------------------------------- */

/* Holds the ledger, the budget, the limits and the pool of blocks. Internally locked: every
 * function here may be called from several threads. Counted: each file, table, reader, cache and
 * lease retains its context, so the release order does not matter. */
typedef struct ladle_context ladle_context;

/* Returns owned. `limits` NULL means ladle_limits_default(). */
LADLE_API ladle_context *ladle_context_create(const ladle_limits *limits, ladle_error *error);
LADLE_API void ladle_context_release(ladle_context *context);

/* Caps the bytes on the ledger; 0 (the default) means no cap. What is already held stays: the cap
 * governs the next allocation, which fails with LADLE_BUDGET if nothing can be evicted for it. */
LADLE_API void ladle_context_set_budget(ladle_context *context, int64_t budget_nbytes);

/* --- ledger ---------------------------------------------------------------------------------- */

typedef enum ladle_memory_kind {
    LADLE_MEMORY_RESTING = 0, /* raw blocks that a cache keeps and nobody uses */
    LADLE_MEMORY_LEASED,      /* raw blocks in use */
    LADLE_MEMORY_COMPRESSED,  /* at-rest forms other than raw */
    LADLE_MEMORY_PAGE_INPUT,  /* file bytes that wait to be decoded */
    LADLE_MEMORY_SCRATCH,     /* decoder state and temporaries */
    LADLE_MEMORY_METADATA,    /* schemas, page tables, keys, handles */
    LADLE_MEMORY_POOL,        /* free blocks kept for the next use, and free room in slabs */
    LADLE_MEMORY_KIND_COUNT
} ladle_memory_kind;

/* Name of a kind, such as "leased". Borrows: static. */
LADLE_API const char *ladle_memory_kind_name(ladle_memory_kind kind);

/* Set struct_size before the call. All figures in bytes. */
typedef struct ladle_memory_info {
    size_t struct_size;
    int64_t held[LADLE_MEMORY_KIND_COUNT]; /* by kind, now */
    int64_t total;                         /* sum over kinds, now */
    int64_t peak;                          /* highest total so far */
    int64_t budget;                        /* 0: none */
    int64_t overdraft;                     /* total above the budget, now; leases in use can cause it */
} ladle_memory_info;

LADLE_API void ladle_context_memory(ladle_context *context, ladle_memory_info *info);

/* Gives free blocks of the pool back to the system. Returns the bytes given back. */
LADLE_API int64_t ladle_context_trim(ladle_context *context);

/* Sets how many free bytes the pool may keep at most (default 128 MiB); the surplus goes back at once. While there are
 * caches and all of them have budgets, it keeps an eighth of what these allow in memory, at least 1 MiB. */
LADLE_API void ladle_context_set_pool(ladle_context *context, int64_t max_nbytes);

/* --- leases ---------------------------------------------------------------------------------- */

/* A pinned, read-only, contiguous, native-endian 1-D array. Counted; shareable between threads. */
typedef struct ladle_lease ladle_lease;

/* Borrows until the last release. Aligned to 64 bytes; never NULL, even with 0 values. */
LADLE_API const void *ladle_lease_data(const ladle_lease *lease);
LADLE_API ladle_dtype ladle_lease_dtype(const ladle_lease *lease);
LADLE_API int64_t ladle_lease_count(const ladle_lease *lease);  /* values */
LADLE_API int64_t ladle_lease_nbytes(const ladle_lease *lease); /* count times dtype size */
LADLE_API void ladle_lease_retain(ladle_lease *lease);
LADLE_API void ladle_lease_release(ladle_lease *lease);

/* What array the values are, where they are not just a row of that dtype: a text such as ">i2|3,4" (see
 * ladle_values in ladle/store.h). Borrows until the last release; NULL and 0 bytes where there is none. */
LADLE_API const void *ladle_lease_layout(const ladle_lease *lease, size_t *nbytes);

/* Copies `count` values of `dtype` from `data` (any alignment) into a new block.
 * Returns owned: one lease. Fails with NOMEM, BUDGET or LIMIT. */
LADLE_API ladle_lease *ladle_lease_copy(ladle_context *context, ladle_dtype dtype, int64_t count, const void *data,
                                        ladle_error *error);

/* A block for `count` values, content unspecified. Returns owned: one lease. Fails with NOMEM, BUDGET or LIMIT. */
LADLE_API ladle_lease *ladle_lease_create(ladle_context *context, ladle_dtype dtype, int64_t count, ladle_error *error);

/* For the one who fills a new block, before anyone else has it. Borrows. */
LADLE_API void *ladle_lease_writable(ladle_lease *lease);

/* Copies the layout of a new block, once, before anyone else has it. 0 bytes: none. */
LADLE_API ladle_status ladle_lease_set_layout(ladle_lease *lease, const void *layout, size_t nbytes,
                                              ladle_error *error);

/* --- process --------------------------------------------------------------------------------- */

/* What the kernel says of this process. Set struct_size before the call. Bytes; -1 where the
 * platform does not say. */
typedef struct ladle_process_info {
    size_t struct_size;
    int64_t rss;       /* resident now */
    int64_t peak_rss;  /* highest resident so far */
    int64_t anonymous; /* resident and backed by no file */
    int64_t file;      /* resident and backed by a file */
} ladle_process_info;

LADLE_API ladle_status ladle_process_memory(ladle_process_info *info, ladle_error *error);

#ifdef __cplusplus
}
#endif
#endif
