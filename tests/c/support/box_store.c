#include "support/box_store.h"

#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static box_store *of(ladle_store *store)
{
    return (box_store *)store;
}

static ladle_status fail(ladle_error *error, ladle_status status)
{
    if (error != NULL) {
        *error = (ladle_error){.status = (int32_t)status, .offset = -1};
        (void)snprintf(error->where, sizeof error->where, "box");
        (void)snprintf(error->message, sizeof error->message, "failed on purpose");
    }
    return status;
}

static bool strikes(atomic_int *count)
{
    int n = atomic_load(count);
    while (n > 0)
        if (atomic_compare_exchange_weak(count, &n, n - 1))
            return true;
    return false;
}

static ladle_lease *flip(ladle_context *context, ladle_dtype dtype, int64_t count, const void *data, ladle_error *error)
{
    ladle_lease *lease = ladle_lease_create(context, dtype, count, error);
    if (lease == NULL)
        return NULL;
    uint8_t *to = ladle_lease_writable(lease);
    const uint8_t *from = data;
    for (int64_t i = 0; i < ladle_lease_nbytes(lease); i++)
        to[i] = (uint8_t)~from[i];
    return lease;
}

static ladle_status box_rest(ladle_store *store, const ladle_values *values, void **form, int64_t *nbytes,
                             ladle_error *error)
{
    box_store *all = of(store);
    atomic_fetch_add(&all->rests, 1);
    if (strikes(&all->fail_rests))
        return fail(error, LADLE_IO);
    ladle_error local;
    error = error == NULL ? &local : error;
    *form = flip(all->context, values->dtype, values->count, values->data, error);
    if (*form == NULL)
        return (ladle_status)error->status;
    *nbytes = ladle_lease_nbytes(*form);
    atomic_fetch_add(&all->forms, 1);
    return LADLE_OK;
}

static ladle_status box_wake(ladle_store *store, void *form, ladle_dtype dtype, int64_t count, ladle_lease **lease,
                             ladle_error *error)
{
    box_store *all = of(store);
    atomic_fetch_add(&all->wakes, 1);
    atomic_fetch_add(&all->held, 1);
    while (atomic_load(&all->hold) != 0)
        (void)sched_yield();
    atomic_fetch_sub(&all->held, 1);
    if (strikes(&all->fail_wakes))
        return fail(error, LADLE_CHECKSUM);
    ladle_error local;
    error = error == NULL ? &local : error;
    *lease = flip(all->context, dtype, count, ladle_lease_data(form), error);
    return *lease == NULL ? (ladle_status)error->status : LADLE_OK;
}

static void box_drop(ladle_store *store, void *form)
{
    atomic_fetch_sub(&of(store)->forms, 1);
    ladle_lease_release(form);
}

static ladle_status box_load(ladle_store *store, bool (*found)(void *user, const ladle_store_item *item), void *user,
                             ladle_error *error)
{
    static const int32_t values[3] = {5, 5, 5};
    box_store *all = of(store);
    void *form = flip(all->context, LADLE_DTYPE_I32, 3, values, error);
    if (form == NULL)
        return LADLE_NOMEM;
    atomic_fetch_add(&all->forms, 1);
    ladle_store_item item = {
        .key = "loaded", .key_nbytes = 6, .dtype = LADLE_DTYPE_I32, .count = 3, .form = form, .nbytes = 12};
    (void)found(user, &item);
    return LADLE_OK;
}

static ladle_status box_commit(ladle_store *store, const ladle_store_item *items, int64_t count, ladle_error *error)
{
    (void)items;
    if (strikes(&of(store)->fail_rests))
        return fail(error, LADLE_IO);
    of(store)->committed = count;
    return LADLE_OK;
}

static void box_info(ladle_store *store, ladle_store_info *info)
{
    info->named = store->ops->commit != NULL;
}

static void box_release(ladle_store *store)
{
    of(store)->released = true;
}

ladle_store *box_store_init(box_store *box, ladle_context *context, bool persistent)
{
    static const ladle_store_ops plain = {
        .abi = LADLE_STORE_ABI,
        .name = "box",
        .rest = box_rest,
        .wake = box_wake,
        .drop = box_drop,
        .info = box_info,
        .release = box_release,
    };
    static const ladle_store_ops keeping = {
        .abi = LADLE_STORE_ABI,
        .capabilities = LADLE_STORE_ON_DISK,
        .name = "box",
        .rest = box_rest,
        .wake = box_wake,
        .drop = box_drop,
        .load = box_load,
        .commit = box_commit,
        .info = box_info,
        .release = box_release,
    };
    memset(box, 0, sizeof *box);
    box->head.ops = persistent ? &keeping : &plain;
    box->context = context;
    box->committed = -1;
    return &box->head;
}
