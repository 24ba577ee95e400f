/* The raw store: at rest a buffer is its own block. */
#include "store/store.h"

static ladle_status raw_rest(ladle_store *store, ladle_lease *lease, void **form, int64_t *nbytes, ladle_error *error)
{
    (void)store;
    (void)error;
    ladle_lease_keep(lease);
    *form = lease;
    *nbytes = ladle_lease_held_nbytes(lease);
    return LADLE_OK;
}

static ladle_status raw_wake(ladle_store *store, void *form, ladle_lease **lease, ladle_error *error)
{
    (void)store;
    (void)error;
    ladle_lease_retain(form);
    *lease = form;
    return LADLE_OK;
}

static bool raw_pinned(ladle_store *store, void *form)
{
    (void)store;
    return ladle_lease_is_pinned(form);
}

static void raw_drop(ladle_store *store, void *form)
{
    (void)store;
    ladle_lease_drop(form);
}

static void raw_release(ladle_store *store)
{
    (void)store;
}

ladle_store *ladle_store_raw(void)
{
    static const ladle_store_ops ops = {"raw", raw_rest, raw_wake, raw_pinned, raw_drop, raw_release};
    static ladle_store store = {&ops};
    return &store;
}
