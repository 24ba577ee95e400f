/* The HDF5 store: at rest a buffer is a range of a file, moved by pread and pwrite at its own offset. The form is its
 * extent; HDF5 is not involved before a commit. */
#include "store/hdf5.h"

#include "base/checked.h"
#include "base/error.h"
#include "store/forks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool ladle_hdf5_is_owner(const hdf5_store *store)
{
    return ladle_forks() == store->forks;
}

ladle_status ladle_hdf5_check_owner(const hdf5_store *store, ladle_error *error)
{
    if (ladle_hdf5_is_owner(store))
        return LADLE_OK;
    pid_t self = getpid();
    (void)ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                     "the file belongs to process %ld, which opened it; process %ld came from a fork and needs a cache "
                     "of its own",
                     (long)store->owner, (long)self);
    ladle_error_where(error, "", "%s", store->where);
    return LADLE_INVALID;
}

void ladle_hdf5_give(hdf5_store *store, ladle_extent *extent)
{
    pthread_mutex_lock(&store->lock);
    if (store->committing || (extent->committed && store->named && extent->nbytes > 0)) {
        extent->next = store->pending;
        store->pending = extent;
        store->pending_nbytes += extent->nbytes;
    } else {
        ladle_extents_give(&store->extents, extent);
    }
    pthread_mutex_unlock(&store->lock);
}

bool ladle_hdf5_relieve(hdf5_store *store, const ladle_error *error)
{
    if (error->os_errno != ENOSPC && error->os_errno != EDQUOT)
        return false;
    bool relieved = false;
    pthread_mutex_lock(&store->lock); /* what is free stays so meanwhile */
    for (ladle_extent *range = store->extents.first; range != NULL; range = range->after)
        if (range->free && !range->sparse) {
            range->sparse = ladle_disk_punch(&store->disk, range->offset, range->nbytes);
            relieved = relieved || range->sparse;
        }
    int64_t end = ladle_max(store->extents.end, store->committed_nbytes);
    if (ladle_disk_size(&store->disk, NULL) > end)
        relieved = ladle_disk_resize(&store->disk, end, NULL) == LADLE_OK || relieved;
    pthread_mutex_unlock(&store->lock);
    return relieved;
}

static ladle_extent *take(hdf5_store *store, int64_t n, ladle_error *error)
{
    ladle_extent *extent = ladle_extent_create(store->context, error);
    if (extent == NULL)
        return NULL;
    ladle_extent *spare = n < LADLE_EXTENT_PAGED ? NULL : ladle_extent_create(store->context, NULL);
    pthread_mutex_lock(&store->lock);
    extent = ladle_extents_take(&store->extents, n, extent, spare);
    pthread_mutex_unlock(&store->lock);
    if (extent == NULL)
        (void)ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET, "no file is long enough for %" PRId64 " bytes more", n);
    return extent;
}

/* Writes the values to room in the file. NULL on failure. */
static ladle_extent *write_values(hdf5_store *store, const void *data, int64_t n, ladle_error *error)
{
    for (bool again = false;;) {
        ladle_extent *extent = take(store, n, error);
        if (extent == NULL)
            return NULL;
        uint64_t *sum = store->summed ? &extent->checksum : NULL;
        if (ladle_disk_write(&store->disk, extent->offset, data, n, sum, error) == LADLE_OK)
            return extent;
        ladle_hdf5_give(store, extent);
        if (again || !ladle_hdf5_relieve(store, error))
            return NULL;
        again = true;
    }
}

static ladle_status hdf5_rest(ladle_store *head, const ladle_values *values, void **form, int64_t *nbytes,
                              ladle_error *error)
{
    hdf5_store *store = (hdf5_store *)head;
    ladle_error local;
    error = error == NULL ? &local : error;
    *form = NULL;
    *nbytes = 0;
    ladle_status status = ladle_hdf5_check_owner(store, error);
    if (status != LADLE_OK)
        return status;
    int64_t n = values->count * (int64_t)ladle_dtype_size(values->dtype);
    ladle_extent *extent = write_values(store, values->data, n, error);
    if (extent == NULL)
        return (ladle_status)error->status;
    /* On a network what is read back need not be what was written. */
    atomic_store_explicit(&extent->unverified, store->network, memory_order_relaxed);
    *nbytes = extent->nbytes;
    *form = extent;
    return LADLE_OK;
}

static ladle_status verify(hdf5_store *store, ladle_extent *extent, uint64_t found, ladle_error *error)
{
    if (found != extent->checksum) {
        (void)ladle_fail(error, LADLE_CHECKSUM, extent->offset,
                         "the values' checksum is %016" PRIx64 ", expected %016" PRIx64
                         ": the file was damaged or changed",
                         found, extent->checksum);
        ladle_error_where(error, "", "%s", store->where);
        return LADLE_CHECKSUM;
    }
    if (!store->network)
        atomic_store_explicit(&extent->unverified, false, memory_order_relaxed);
    return LADLE_OK;
}

static ladle_status hdf5_wake(ladle_store *head, void *form, ladle_dtype dtype, int64_t count, ladle_lease **lease,
                              ladle_error *error)
{
    hdf5_store *store = (hdf5_store *)head;
    ladle_extent *extent = form;
    ladle_error local;
    error = error == NULL ? &local : error;
    *lease = NULL;
    /* The owner goes on to drop and overwrite, of which a child learns nothing. */
    ladle_status status = ladle_hdf5_check_owner(store, error);
    if (status != LADLE_OK)
        return status;
    ladle_lease *woken = ladle_lease_create(store->context, dtype, count, error);
    if (woken == NULL)
        return (ladle_status)error->status;
    bool unverified = atomic_load_explicit(&extent->unverified, memory_order_relaxed);
    uint64_t found;
    status = ladle_disk_read(&store->disk, extent->offset, ladle_lease_writable(woken), ladle_lease_nbytes(woken),
                             unverified ? &found : NULL, error);
    if (status == LADLE_OK && unverified)
        status = verify(store, extent, found, error);
    if (status != LADLE_OK) {
        ladle_lease_release(woken);
        return status;
    }
    *lease = woken;
    return LADLE_OK;
}

static void hdf5_drop(ladle_store *head, void *form)
{
    hdf5_store *store = (hdf5_store *)head;
    if (ladle_hdf5_is_owner(store))
        ladle_hdf5_give(store, form);
    else /* in a child the lock may be held for ever, and the file is not ours */
        ladle_extent_free(store->context, form);
}

static void hdf5_info(ladle_store *head, ladle_store_info *info)
{
    hdf5_store *store = (hdf5_store *)head;
    ladle_store_info full = {.named = store->named, .network = store->network};
    (void)snprintf(full.path, sizeof full.path, "%s", store->path);
    if (ladle_hdf5_is_owner(store)) {
        int64_t size = ladle_disk_size(&store->disk, NULL);
        pthread_mutex_lock(&store->lock);
        full.file_nbytes = size < 0 ? 0 : size;
        full.dead_nbytes = store->extents.free_nbytes + store->pending_nbytes;
        if (full.file_nbytes > store->extents.end)
            full.dead_nbytes += full.file_nbytes - store->extents.end;
        pthread_mutex_unlock(&store->lock);
    }
    size_t size = info->struct_size < sizeof full ? info->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(info, &full, size);
}

static void hdf5_release(ladle_store *head)
{
    hdf5_store *store = (hdf5_store *)head;
    ladle_context *context = store->context;
    ladle_hdf5_close(store);
    ladle_free(context, store, sizeof *store, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

ladle_store *ladle_store_hdf5_create(ladle_context *context, const ladle_hdf5_options *options, ladle_error *error)
{
    static const ladle_store_ops ops = {
        .abi = LADLE_STORE_ABI,
        .capabilities = LADLE_STORE_ON_DISK,
        .name = "hdf5",
        .rest = hdf5_rest,
        .wake = hdf5_wake,
        .drop = hdf5_drop,
        .load = ladle_hdf5_load,
        .commit = ladle_hdf5_commit,
        .info = hdf5_info,
        .release = hdf5_release,
    };
    ladle_error local;
    error = error == NULL ? &local : error;
    hdf5_store *store = ladle_alloc(context, sizeof *store, LADLE_MEMORY_METADATA, error);
    if (store == NULL)
        return NULL;
    store->store.ops = &ops;
    store->context = context;
    ladle_context_retain(context);
    if (ladle_hdf5_open(store, options, error) == LADLE_OK)
        return &store->store;
    hdf5_release(&store->store);
    return NULL;
}
