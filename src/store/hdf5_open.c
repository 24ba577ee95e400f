/* Opens and closes the HDF5 store's file: a scratch file without a name, or a named one with what it holds. HDF5 never
 * reads what is there: header and index are ours, checked before they are believed. */
#include "store/hdf5.h"

#include "base/checked.h"
#include "base/error.h"
#include "store/forks.h"
#include "store/scratch_dir.h"
#include "store/sort.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- small things ---------------------------------------------------------------------------- */

static char *copy_text(hdf5_store *store, const char *text, ladle_error *error)
{
    size_t size = strlen(text) + 1;
    char *copy = ladle_alloc(store->context, size, LADLE_MEMORY_METADATA, error);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

static void free_text(hdf5_store *store, char *text)
{
    if (text != NULL)
        ladle_free(store->context, text, strlen(text) + 1, LADLE_MEMORY_METADATA);
}

static ladle_status fail_here(const hdf5_store *store, ladle_status status, ladle_error *error)
{
    ladle_error_where(error, "", "%s", store->where);
    return status;
}

/* --- the index ------------------------------------------------------------------------------- */

static ladle_status read_index(hdf5_store *store, ladle_error *error)
{
    const ladle_hdf5_header *header = &store->header;
    if (header->index_nbytes == 0)
        return header->count == 0
                   ? LADLE_OK
                   : fail_here(store, ladle_fail(error, LADLE_CORRUPT, 32, "buffers, but no index"), error);
    store->index = ladle_pages_alloc(store->context, (size_t)header->index_nbytes, LADLE_MEMORY_METADATA,
                                     &store->index_capacity, error);
    if (store->index == NULL)
        return (ladle_status)error->status;
    uint64_t sum;
    ladle_status status =
        ladle_disk_read(&store->disk, header->index_offset, store->index, header->index_nbytes, &sum, error);
    if (status == LADLE_OK && sum != header->index_sum)
        status = fail_here(store,
                           ladle_fail(error, LADLE_CHECKSUM, header->index_offset,
                                      "the index's checksum is %016" PRIx64 ", expected %016" PRIx64
                                      ": the file is damaged; delete it or restore it",
                                      sum, header->index_sum),
                           error);
    return status;
}

static ladle_extent *create_committed(hdf5_store *store, int64_t offset, int64_t nbytes, ladle_error *error)
{
    ladle_extent *extent = ladle_extent_create(store->context, error);
    if (extent != NULL) {
        extent->offset = nbytes == 0 ? 0 : offset;
        extent->nbytes = ladle_extent_round(nbytes);
        extent->committed = true;
    }
    return extent;
}

/* Makes an extent for each record. */
static ladle_status decode_index(hdf5_store *store, ladle_error *error)
{
    const ladle_hdf5_header *header = &store->header;
    const uint8_t *at = store->index, *end = at == NULL ? NULL : at + header->index_nbytes;
    for (int64_t i = 0; i < header->count; i++) {
        ladle_store_item item;
        int64_t offset;
        uint64_t sum;
        ladle_status status = ladle_hdf5_record_decode(&at, end, header, &item, &offset, &sum, error);
        if (status != LADLE_OK)
            return fail_here(store, status, error);
        ladle_extent *extent = create_committed(store, offset, item.nbytes, error);
        if (extent == NULL)
            return (ladle_status)error->status;
        extent->checksum = sum;
        atomic_store(&extent->unverified, item.nbytes > 0);
        store->loaded[i] = extent;
    }
    if (at != end)
        return fail_here(store,
                         ladle_fail(error, LADLE_CORRUPT, header->index_offset,
                                    "the index goes on behind %" PRId64 " records", header->count),
                         error);
    return LADLE_OK;
}

/* Makes the extents of the last commit's metadata. */
static ladle_status recall_metadata(hdf5_store *store, ladle_error *error)
{
    const ladle_hdf5_header *header = &store->header;
    for (int i = 0; i <= header->n_regions; i++) {
        bool is_index = i == header->n_regions;
        int64_t nbytes = is_index ? header->index_nbytes : header->regions[i].nbytes;
        ladle_extent *extent =
            nbytes == 0
                ? NULL
                : create_committed(store, is_index ? header->index_offset : header->regions[i].offset, nbytes, error);
        if (nbytes > 0 && extent == NULL)
            return (ladle_status)error->status;
        if (extent != NULL) {
            extent->next = store->metadata;
            store->metadata = extent;
            store->metadata_nbytes += is_index ? 0 : nbytes;
        }
    }
    return LADLE_OK;
}

static int by_offset(const void *a, const void *b)
{
    const ladle_extent *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Gives all extents their places. `all` has room for them. */
static ladle_status place_all(hdf5_store *store, const void **all, ladle_error *error)
{
    int64_t n = 0;
    for (int64_t i = 0; i < store->header.count; i++)
        if (store->loaded[i]->nbytes > 0)
            all[n++] = store->loaded[i];
    for (ladle_extent *extent = store->metadata; extent != NULL; extent = extent->next)
        all[n++] = extent;
    ladle_sort(all, n, by_offset);
    for (int64_t i = 0; i < n; i++) {
        ladle_extent *hole = ladle_extent_create(store->context, error);
        if (hole == NULL)
            return (ladle_status)error->status;
        union {
            const void *sorted;
            ladle_extent *extent;
        } next = {all[i]};
        if (!ladle_extents_place(&store->extents, next.extent, hole)) {
            ladle_extent_free(store->context, hole);
            return fail_here(
                store, ladle_fail(error, LADLE_CORRUPT, next.extent->offset, "two buffers lie over each other"), error);
        }
    }
    return LADLE_OK;
}

/* Frees the extents that nobody has yet. Those without a place are in no list. */
static void forget_loaded(hdf5_store *store, bool placed)
{
    for (int64_t i = 0; store->loaded != NULL && i < store->header.count; i++)
        if (store->loaded[i] != NULL && (!placed || store->loaded[i]->nbytes == 0))
            ladle_extent_free(store->context, store->loaded[i]);
    if (store->loaded != NULL)
        ladle_free(store->context, store->loaded, (size_t)store->header.count * sizeof(ladle_extent *),
                   LADLE_MEMORY_METADATA);
    store->loaded = NULL;
    ladle_pages_free(store->context, store->index, store->index_capacity, LADLE_MEMORY_METADATA);
    store->index = NULL;
}

static ladle_status recall(hdf5_store *store, ladle_error *error)
{
    int64_t count = store->header.count;
    store->generation = store->header.generation;
    store->committed_nbytes = store->header.file_nbytes;
    ladle_status status = read_index(store, error);
    if (status == LADLE_OK) {
        store->loaded = ladle_alloc_array(store->context, count, sizeof(ladle_extent *), LADLE_MEMORY_METADATA, error);
        status = store->loaded == NULL ? (ladle_status)error->status : decode_index(store, error);
    }
    if (status == LADLE_OK)
        status = recall_metadata(store, error);
    const void **all = NULL;
    size_t size = (size_t)(count + LADLE_HDF5_REGIONS + 1) * sizeof *all;
    if (status == LADLE_OK) {
        all = ladle_alloc(store->context, size, LADLE_MEMORY_SCRATCH, error);
        status = all == NULL ? (ladle_status)error->status : LADLE_OK;
    }
    bool placed = false;
    if (status == LADLE_OK) {
        status = place_all(store, all, error);
        placed = status == LADLE_OK;
    }
    if (all != NULL)
        ladle_free(store->context, all, size, LADLE_MEMORY_SCRATCH);
    if (placed)
        return LADLE_OK;
    /* Those that were placed already are freed like the others, the holes between them by themselves. */
    for (ladle_extent *next, *extent = store->extents.first; extent != NULL; extent = next) {
        next = extent->after;
        if (extent->free)
            ladle_extent_free(store->context, extent);
    }
    ladle_extents_init(&store->extents, store->context, LADLE_HDF5_HEAD);
    for (ladle_extent *next; store->metadata != NULL; store->metadata = next) {
        next = store->metadata->next;
        ladle_extent_free(store->context, store->metadata);
    }
    forget_loaded(store, false);
    return status;
}

ladle_status ladle_hdf5_load(ladle_store *head, bool (*found)(void *user, const ladle_store_item *item), void *user,
                             ladle_error *error)
{
    hdf5_store *store = (hdf5_store *)head;
    ladle_status status = ladle_hdf5_check_owner(store, error);
    if (status != LADLE_OK || store->loaded == NULL)
        return status;
    const uint8_t *at = store->index, *end = at == NULL ? NULL : at + store->header.index_nbytes;
    for (int64_t i = 0; i < store->header.count; i++) {
        ladle_store_item item;
        int64_t offset;
        uint64_t sum;
        status = ladle_hdf5_record_decode(&at, end, &store->header, &item, &offset, &sum, error);
        if (status != LADLE_OK)
            break; /* it was read before, so never */
        ladle_extent *extent = store->loaded[i];
        store->loaded[i] = NULL;
        item.form = extent;
        item.nbytes = extent->nbytes;
        if (!found(user, &item))
            break;
    }
    forget_loaded(store, true);
    return status;
}

/* --- opening --------------------------------------------------------------------------------- */

static ladle_status open_scratch(hdf5_store *store, const char *asked, ladle_error *error)
{
    ladle_scratch_dir dir = ladle_scratch_dir_choose(asked);
    char where[160];
    (void)snprintf(where, sizeof where, "scratch file in %s", dir.path);
    store->path = copy_text(store, dir.path, error);
    store->where = store->path == NULL ? NULL : copy_text(store, where, error);
    if (store->where == NULL)
        return (ladle_status)error->status;
    store->disk.where = store->where;
    store->disk.fd = ladle_scratch_open(dir, error);
    return store->disk.fd < 0 ? LADLE_IO : LADLE_OK;
}

static ladle_status fail_open(const hdf5_store *store, int os_errno, ladle_error *error)
{
    return ladle_disk_fail(error, os_errno, store->where, LADLE_NO_OFFSET, "cannot open the cache's file");
}

static ladle_status open_and_lock(hdf5_store *store, const char *path, ladle_error *error)
{
    store->path = copy_text(store, path, error);
    store->where = store->path == NULL ? NULL : copy_text(store, path, error);
    if (store->where == NULL)
        return (ladle_status)error->status;
    store->disk.where = store->where;
    /* NONBLOCK: a pipe is refused, not waited for. */
    store->disk.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    struct stat about;
    if (store->disk.fd < 0 || fstat(store->disk.fd, &about) != 0)
        return fail_open(store, errno, error);
    if (!S_ISREG(about.st_mode))
        return fail_here(store, ladle_fail(error, LADLE_IO, LADLE_NO_OFFSET, "not a regular file"), error);
    int locked;
    while ((locked = flock(store->disk.fd, LOCK_EX | LOCK_NB)) != 0 && errno == EINTR)
        continue;
    if (locked != 0 && errno == EWOULDBLOCK)
        return fail_here(store,
                         ladle_fail(error, LADLE_LOCKED, LADLE_NO_OFFSET,
                                    "in use by another process, or by another cache of this one: wait for it, or "
                                    "choose another path"),
                         error);
    if (locked != 0)
        return ladle_disk_fail(error, errno, store->where, LADLE_NO_OFFSET,
                               "this file system gives no lock on the file, so choose another");
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        return fail_open(store, errno, error);
    store->real = copy_text(store, real, error);
    return store->real == NULL ? (ladle_status)error->status : LADLE_OK;
}

static ladle_status open_named(hdf5_store *store, const char *path, ladle_error *error)
{
    ladle_status status = open_and_lock(store, path, error);
    if (status != LADLE_OK)
        return status;
    uint8_t head[LADLE_HDF5_HEAD] = {0};
    int64_t size = ladle_disk_size(&store->disk, error), got = ladle_min(size, LADLE_HDF5_HEAD);
    if (size < 0)
        return LADLE_IO;
    if (size == 0) {
        /* From here on it can be told from any other file. */
        ladle_hdf5_header_encode(&(ladle_hdf5_header){0}, head);
        status = ladle_disk_write(&store->disk, 0, head, LADLE_HDF5_HEADER, NULL, error);
    } else {
        status = ladle_disk_read(&store->disk, 0, head, got, NULL, error);
        if (status == LADLE_OK)
            status = ladle_hdf5_header_decode(head, got, size, &store->header, error);
        else
            return status;
        if (status != LADLE_OK)
            return fail_here(store, status, error);
    }
    if (status != LADLE_OK)
        return status;
    if (store->header.generation > 0)
        return recall(store, error);
    return ladle_hdf5_commit(&store->store, NULL, 0, error); /* HDF5 can open it from now on */
}

ladle_status ladle_hdf5_open(hdf5_store *store, const ladle_hdf5_options *options, ladle_error *error)
{
    ladle_hdf5_options all = {0};
    if (options != NULL)
        memcpy(&all, options, options->struct_size < sizeof all ? options->struct_size : sizeof all);
    store->owner = getpid();
    store->forks = ladle_forks();
    store->disk.context = store->context;
    store->disk.fd = -1;
    (void)pthread_mutex_init(&store->lock, NULL); /* cannot fail on the platforms served */
    (void)pthread_mutex_init(&store->commit_lock, NULL);
    ladle_extents_init(&store->extents, store->context, LADLE_HDF5_HEAD);
    if (all.path != NULL && all.dir != NULL)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                          "a path and a folder for a scratch file: a cache has one of them");
    store->named = store->summed = all.path != NULL;
    ladle_status status = store->named ? open_named(store, all.path, error) : open_scratch(store, all.dir, error);
    if (status == LADLE_OK) {
        store->network = ladle_is_on_network(store->disk.fd);
        store->summed = store->summed || store->network;
    }
    return status;
}

void ladle_hdf5_close(hdf5_store *store)
{
    bool is_owner = ladle_hdf5_is_owner(store);
    if (store->disk.fd >= 0) {
        if (is_owner && store->named) /* children may still have the file open, which would keep the lock */
            (void)flock(store->disk.fd, LOCK_UN);
        (void)close(store->disk.fd);
    }
    if (is_owner) { /* a child's lists may have been changed in the middle of a step */
        forget_loaded(store, true);
        ladle_extents_clear(&store->extents);
        (void)pthread_mutex_destroy(&store->commit_lock);
        (void)pthread_mutex_destroy(&store->lock);
    }
    free_text(store, store->path);
    free_text(store, store->where);
    free_text(store, store->real);
}
