/* store/store.h: what a store is to the cache above it: a way to keep one buffer at rest.
 *
 * A store turns a leased block into its at-rest form and back. The cache (store/cache.c) owns keys, pins, budget
 * and policy, and knows nothing else of the form. All stores pass the same conformance test.
 */
#ifndef LADLE_STORE_STORE_H
#define LADLE_STORE_STORE_H

#include <ladle/store.h>

#include "memory/lease.h"

typedef struct ladle_store ladle_store;

typedef struct ladle_store_ops {
    const char *name;
    /* Takes the buffer to rest. *form is owned by the caller until `drop`; *nbytes is what it holds on the ledger.
     * The lease stays the caller's. May allocate: called without the cache's lock. */
    ladle_status (*rest)(ladle_store *store, ladle_lease *lease, void **form, int64_t *nbytes, ladle_error *error);
    /* Lends the buffer: *lease is owned by the caller. The form stays. Called with the cache's lock
     * held, so that the form cannot be dropped meanwhile. */
    ladle_status (*wake)(ladle_store *store, void *form, ladle_lease **lease, ladle_error *error);
    /* Is it in use, so that dropping it would free nothing? */
    bool (*pinned)(ladle_store *store, void *form);
    void (*drop)(ladle_store *store, void *form);
    void (*release)(ladle_store *store);
} ladle_store_ops;

struct ladle_store {
    const ladle_store_ops *ops;
};

/* The raw store: at rest a buffer is its own block. Borrows: static, shared by all caches. */
ladle_store *ladle_store_raw(void);

#endif
