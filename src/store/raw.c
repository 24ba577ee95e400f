/* The raw store: at rest a buffer is its own block. */
#include <ladle/store.h>

#include "memory/lease.h"

static ladle_status raw_rest(ladle_store *store, const ladle_values *values, void **form, int64_t *nbytes,
                             ladle_error *error)
{
    (void)store;
    (void)error;
    ladle_lease_keep(values->lease);
    *form = values->lease;
    *nbytes = ladle_lease_held_nbytes(values->lease);
    return LADLE_OK;
}

static ladle_status raw_wake(ladle_store *store, void *form, ladle_dtype dtype, int64_t count, ladle_lease **lease,
                             ladle_error *error)
{
    (void)store;
    (void)dtype;
    (void)count;
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

static void raw_info(ladle_store *store, ladle_store_info *info)
{
    (void)store;
    (void)info;
}

static void raw_release(ladle_store *store)
{
    (void)store;
}

ladle_store *ladle_store_raw(void)
{
    static const ladle_store_ops ops = {
        .abi = LADLE_STORE_ABI,
        .capabilities = LADLE_STORE_LENDS,
        .name = "raw",
        .rest = raw_rest,
        .wake = raw_wake,
        .pinned = raw_pinned,
        .drop = raw_drop,
        .info = raw_info,
        .release = raw_release,
    };
    static ladle_store store = {&ops};
    return &store;
}
