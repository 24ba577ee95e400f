/* Commits of the HDF5 store: one step from what the file held before to exactly the given buffers.
 *
 *   1  HDF5 describes the buffers where they lie; its metadata goes to free room (hdf5_file.c)
 *   2  the index goes to free room
 *   3  all that was written reaches the disk
 *   4  header and superblock, 560 bytes, are written at once: this is the commit
 *   5  what was dropped before, and the metadata of the commit before, is free now
 *
 * A failure before 4 gives the new room back; after a failure in 4 or later nobody knows which of both commits the
 * file holds, so the room of both is kept until the next one. A scratch file skips 3. On a full disk free room within
 * the file is given to the disk, and all is tried once more.
 */
#include "store/hdf5.h"

#include "base/checked.h"
#include "base/error.h"
#include "store/hdf5_file.h"
#include "store/hdf5_path.h"
#include "store/sort.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct region {
    ladle_extent *extent;
    int64_t used;
} region;

typedef struct committing {
    hdf5_store *store;
    const ladle_store_item *items;
    int64_t count;
    const ladle_store_item **order; /* by key */
    int64_t at;                     /* in `order`; count: the index is next */
    char path[LADLE_HDF5_PATH_SIZE];
    region regions[LADLE_HDF5_REGIONS]; /* HDF5's metadata; the last one is being filled */
    int n_regions;
    ladle_extent *index;
    int64_t data_end; /* behind all values and the index */
    ladle_hdf5_header header;
    uint8_t head[LADLE_HDF5_HEAD];
    ladle_error *error;
    ladle_status status; /* of the first failure */
} committing;

/* --- room ------------------------------------------------------------------------------------ */

static ladle_extent *take(committing *c, int64_t nbytes)
{
    hdf5_store *store = c->store;
    ladle_error error;
    ladle_extent *extent = ladle_extent_create(store->context, &error);
    if (extent != NULL) {
        pthread_mutex_lock(&store->lock);
        extent = ladle_extents_take(&store->extents, nbytes, extent, NULL);
        pthread_mutex_unlock(&store->lock);
        if (extent == NULL)
            (void)ladle_fail(&error, LADLE_LIMIT, LADLE_NO_OFFSET, "no file is long enough");
    }
    if (extent == NULL && c->status == LADLE_OK) {
        ladle_error_copy(c->error, &error);
        c->status = (ladle_status)error.status;
    }
    return extent;
}

/* Gives what is left of the last region back, if there is memory to say so. */
static void trim_region(committing *c)
{
    hdf5_store *store = c->store;
    if (c->n_regions == 0)
        return;
    region *last = &c->regions[c->n_regions - 1];
    ladle_extent *rest = ladle_extent_create(store->context, NULL);
    if (rest == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    ladle_extents_shrink(&store->extents, last->extent, last->used, rest);
    pthread_mutex_unlock(&store->lock);
}

/* How much metadata HDF5 will ask for, first. Too much does no harm: the rest is given back. */
static int64_t first_region_nbytes(const committing *c)
{
    int64_t guess = 4096;
    if (c->store->metadata_nbytes > 0)
        guess = c->store->metadata_nbytes;
    else
        for (int64_t i = 0; i < c->count; i++)
            guess += 160 + (int64_t)(c->items[i].key_nbytes < 512 ? c->items[i].key_nbytes : 512);
    return guess;
}

static int64_t allocate_metadata(void *user, int64_t nbytes)
{
    enum { LEAST = 16 << 10 };
    committing *c = user;
    region *last = c->n_regions == 0 ? NULL : &c->regions[c->n_regions - 1];
    if (c->status != LADLE_OK)
        return -1;
    if (last == NULL || nbytes > last->extent->nbytes - last->used) {
        if (c->n_regions == LADLE_HDF5_REGIONS) {
            c->status = ladle_fail(c->error, LADLE_LIMIT, LADLE_NO_OFFSET,
                                   "HDF5's metadata would lie in more than %d regions", LADLE_HDF5_REGIONS);
            return -1;
        }
        int64_t all = 0;
        for (int i = 0; i < c->n_regions; i++)
            all += c->regions[i].used;
        int64_t wanted = last == NULL ? first_region_nbytes(c) : ladle_max(LEAST, all / 2);
        trim_region(c);
        ladle_extent *extent = take(c, ladle_max(wanted, nbytes));
        if (extent == NULL)
            return -1;
        last = &c->regions[c->n_regions++];
        *last = (region){extent, 0};
    }
    int64_t offset = last->extent->offset + last->used;
    last->used += nbytes;
    return offset;
}

/* HDF5 keeps to the room that it was given; values lie beside it, so that is not left to trust. */
static bool is_ours(const committing *c, int64_t offset, int64_t nbytes)
{
    for (int i = 0; i < c->n_regions; i++) {
        int64_t begin = c->regions[i].extent->offset;
        if (offset >= begin && nbytes <= c->regions[i].used && offset - begin <= c->regions[i].used - nbytes)
            return true;
    }
    return false;
}

static void write_metadata(void *user, int64_t offset, const void *data, int64_t nbytes)
{
    committing *c = user;
    if (c->status == LADLE_OK && !is_ours(c, offset, nbytes)) {
        c->status = ladle_fail(c->error, LADLE_CORRUPT, offset,
                               "the HDF5 library wants to write %" PRId64 " bytes where it was given no room", nbytes);
        ladle_error_where(c->error, "", "%s", c->store->where);
    }
    if (c->status == LADLE_OK)
        c->status = ladle_disk_write(&c->store->disk, offset, data, nbytes, NULL, c->error);
}

static bool read_metadata(void *user, int64_t offset, void *out, int64_t nbytes)
{
    committing *c = user;
    if (c->status == LADLE_OK)
        c->status = ladle_disk_read(&c->store->disk, offset, out, nbytes, NULL, c->error);
    return c->status == LADLE_OK;
}

/* --- HDF5's view ----------------------------------------------------------------------------- */

static ladle_key key_of(const ladle_store_item *item)
{
    return (ladle_key){item->key, item->key_nbytes};
}

static int by_key(const void *a, const void *b)
{
    return ladle_key_compare(key_of(a), key_of(b));
}

static bool next_dataset(void *user, ladle_hdf5_dataset *dataset)
{
    committing *c = user;
    if (c->status != LADLE_OK || c->at > c->count)
        return false;
    if (c->at == c->count) {
        dataset->path = LADLE_HDF5_INDEX_PATH;
        dataset->type = ladle_hdf5_type_of(LADLE_DTYPE_U8, c->header.index_nbytes, NULL, 0);
        dataset->offset = c->index->offset;
    } else {
        const ladle_store_item *item = c->order[c->at];
        bool is_prefix = c->at + 1 < c->count && ladle_key_is_below(key_of(item), key_of(c->order[c->at + 1]));
        ladle_hdf5_path_of(key_of(item), is_prefix, c->path);
        dataset->path = c->path;
        dataset->type = ladle_hdf5_type_of(item->dtype, item->count, item->layout, item->layout_nbytes);
        dataset->offset = ((const ladle_extent *)item->form)->offset;
    }
    c->at++;
    return true;
}

static ladle_status describe(committing *c)
{
    ladle_hdf5_plan plan = {
        .user = c,
        .next = next_dataset,
        .allocate = allocate_metadata,
        .write = write_metadata,
        .read = read_metadata,
        .data_end = c->data_end,
    };
    ladle_error error;
    ladle_status status =
        ladle_hdf5_describe(c->store->context, &plan, c->head + LADLE_HDF5_HEADER, &c->header.file_nbytes, &error);
    /* What we know of a failure says more than what HDF5 makes of it. */
    if (status != LADLE_OK && c->status == LADLE_OK) {
        ladle_error_where(&error, "", "%s", c->store->where);
        ladle_error_copy(c->error, &error);
        c->status = status;
    }
    trim_region(c);
    c->header.n_regions = c->n_regions;
    for (int i = 0; i < c->n_regions; i++) {
        c->header.regions[i].offset = c->regions[i].extent->offset;
        c->header.regions[i].nbytes = c->regions[i].used;
    }
    return c->status;
}

/* --- the index ------------------------------------------------------------------------------- */

/* Is the file long enough for what is to be committed? Then it was not cut. */
static ladle_status survey(committing *c)
{
    hdf5_store *store = c->store;
    int64_t size = ladle_disk_size(&store->disk, c->error);
    if (size < 0)
        return LADLE_IO;
    for (int64_t i = 0; i < c->count; i++) {
        const ladle_store_item *item = &c->items[i];
        const ladle_extent *extent = item->form;
        int64_t end = extent->offset + item->count * (int64_t)ladle_dtype_size(item->dtype);
        if (end > size) {
            (void)ladle_fail(c->error, LADLE_TRUNCATED, size,
                             "the file has %" PRId64 " bytes, a buffer ends at %" PRId64
                             ": it was cut while it was in use, and is not committed",
                             size, end);
            ladle_error_where(c->error, "", "%s", store->where);
            return LADLE_TRUNCATED;
        }
        c->data_end = ladle_max(c->data_end, extent->offset + extent->nbytes);
        c->header.index_nbytes += ladle_hdf5_record_nbytes(item->key_nbytes, item->layout_nbytes);
    }
    return LADLE_OK;
}

/* Writes the index in pieces, as they are summed. */
static ladle_status write_index(committing *c)
{
    enum { LONGEST = (LADLE_HDF5_RECORD + LADLE_MAX_KEY_NBYTES + LADLE_MAX_LAYOUT_NBYTES + 7) & ~7 };
    hdf5_store *store = c->store;
    size_t capacity;
    uint8_t *buffer =
        ladle_pages_alloc(store->context, LADLE_SUM_PIECE + LONGEST, LADLE_MEMORY_SCRATCH, &capacity, c->error);
    if (buffer == NULL)
        return (ladle_status)c->error->status;
    ladle_sum sum = {0};
    int64_t used = 0, written = 0;
    ladle_status status = LADLE_OK;
    for (int64_t i = 0; i <= c->count && status == LADLE_OK; i++) {
        bool is_end = i == c->count;
        if (!is_end) {
            const ladle_store_item *item = &c->items[i];
            ladle_hdf5_record_encode(item, buffer + used);
            used += ladle_hdf5_record_nbytes(item->key_nbytes, item->layout_nbytes);
        }
        while (status == LADLE_OK && (used >= LADLE_SUM_PIECE || (is_end && used > 0))) {
            int64_t piece = ladle_min(used, LADLE_SUM_PIECE);
            ladle_sum_add(&sum, buffer, (size_t)piece);
            status = ladle_disk_write(&store->disk, c->index->offset + written, buffer, piece, NULL, c->error);
            written += piece;
            used -= piece;
            memmove(buffer, buffer + piece, (size_t)used);
        }
    }
    ladle_pages_free(store->context, buffer, capacity, LADLE_MEMORY_SCRATCH);
    c->header.index_offset = c->header.index_nbytes == 0 ? 0 : c->index->offset;
    c->header.index_sum = sum.value;
    return status;
}

/* --- publishing ------------------------------------------------------------------------------ */

/* A file that was deleted, moved or replaced cannot be opened later. */
static ladle_status check_path(const hdf5_store *store, ladle_error *error)
{
    struct stat ours, theirs;
    if (!store->named)
        return LADLE_OK;
    if (fstat(store->disk.fd, &ours) != 0)
        return ladle_disk_fail(error, errno, store->where, LADLE_NO_OFFSET, "cannot ask for the file");
    if (stat(store->real, &theirs) != 0)
        return ladle_disk_fail(error, errno, store->where, LADLE_NO_OFFSET,
                               "the file was deleted or moved while it was in use: what it holds can be used here, but "
                               "not be kept");
    if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
        return LADLE_OK;
    (void)ladle_fail(error, LADLE_IO, LADLE_NO_OFFSET,
                     "the file was replaced by another while it was in use: what it held can be used here, but not be "
                     "kept");
    ladle_error_where(error, "", "%s", store->where);
    return LADLE_IO;
}

/* HDF5 refuses a file that is shorter than it says: the last extent may end in a part of a grain. */
static ladle_status lengthen(committing *c)
{
    hdf5_store *store = c->store;
    pthread_mutex_lock(&store->lock); /* others write behind our end, and must not be cut */
    int64_t size = ladle_disk_size(&store->disk, c->error);
    ladle_status status = size < 0 ? LADLE_IO : LADLE_OK;
    if (status == LADLE_OK && size < c->header.file_nbytes)
        status = ladle_disk_resize(&store->disk, c->header.file_nbytes, c->error);
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* *published: the file may hold the new commit from now on, whatever the result. */
static ladle_status publish(committing *c, bool *published)
{
    hdf5_store *store = c->store;
    c->header.generation = store->generation + 1;
    c->header.count = c->count;
    ladle_hdf5_header_encode(&c->header, c->head);
    ladle_status status = lengthen(c);
    if (status == LADLE_OK && store->named)
        status = ladle_disk_sync(&store->disk, c->error);
    if (status != LADLE_OK)
        return status;
    *published = true;
    status = ladle_disk_write(&store->disk, 0, c->head, LADLE_HDF5_HEAD, NULL, c->error);
    if (status == LADLE_OK && store->named)
        status = ladle_disk_sync(&store->disk, c->error);
    return status;
}

/* --- what is free afterwards ----------------------------------------------------------------- */

/* Moves a list onto `pending`. */
static void make_pending(hdf5_store *store, ladle_extent *list)
{
    while (list != NULL) {
        ladle_extent *next = list->next;
        list->next = store->pending;
        store->pending = list;
        store->pending_nbytes += list->nbytes;
        list = next;
    }
}

/* Frees what waits, except what the file refers to. */
static void free_pending(hdf5_store *store)
{
    ladle_extent *list = store->pending;
    store->pending = NULL;
    store->pending_nbytes = 0;
    while (list != NULL) {
        ladle_extent *next = list->next;
        if (store->named && list->committed && list->nbytes > 0) {
            list->next = NULL;
            make_pending(store, list);
        } else {
            ladle_extents_give(&store->extents, list);
        }
        list = next;
    }
}

/* The extents that hold the commit's metadata. */
static ladle_extent *new_metadata(const committing *c)
{
    ladle_extent *list = NULL;
    for (int i = 0; i < c->n_regions; i++) {
        c->regions[i].extent->next = list;
        list = c->regions[i].extent;
    }
    if (c->index != NULL && c->index->nbytes == 0) {
        ladle_extent_free(c->store->context, c->index);
    } else if (c->index != NULL) {
        c->index->next = list;
        list = c->index;
    }
    return list;
}

static void settle(committing *c, ladle_status status, bool published)
{
    hdf5_store *store = c->store;
    ladle_extent *fresh = new_metadata(c);
    bool known = status == LADLE_OK;
    pthread_mutex_lock(&store->lock);
    store->committing = false;
    if (known) {
        /* Nothing of the commit before is referred to any more, unless it is part of this one. */
        make_pending(store, store->metadata);
        for (ladle_extent *extent = store->pending; extent != NULL; extent = extent->next)
            extent->committed = false;
        store->metadata = fresh;
    }
    if (published)
        for (int64_t i = 0; i < c->count; i++)
            ((ladle_extent *)c->items[i].form)->committed = true;
    for (ladle_extent *extent = fresh; extent != NULL; extent = extent->next)
        extent->committed = published;
    if (!known)
        make_pending(store, fresh);
    free_pending(store);
    if (published) {
        store->generation = c->header.generation;
        store->committed_nbytes =
            known ? c->header.file_nbytes : ladle_max(c->header.file_nbytes, store->committed_nbytes);
        store->metadata_nbytes = 0;
        for (int i = 0; i < c->n_regions; i++)
            store->metadata_nbytes += c->regions[i].used;
    }
    if (known) {
        /* The end may be free now; if it stays, the room is reused. */
        int64_t size = ladle_disk_size(&store->disk, NULL);
        if (size > store->extents.end)
            (void)ladle_disk_resize(&store->disk, ladle_max(store->extents.end, store->committed_nbytes), NULL);
    }
    pthread_mutex_unlock(&store->lock);
}

/* --- the commit ------------------------------------------------------------------------------ */

static ladle_status make_commit(committing *c, bool *published)
{
    hdf5_store *store = c->store;
    ladle_status status = check_path(store, c->error);
    if (status == LADLE_OK)
        status = survey(c);
    if (status != LADLE_OK)
        return status;
    c->index = take(c, c->header.index_nbytes);
    if (c->index == NULL)
        return c->status;
    c->data_end = ladle_max(c->data_end, c->index->offset + c->index->nbytes);
    status = describe(c);
    if (status == LADLE_OK)
        status = write_index(c);
    return status == LADLE_OK ? publish(c, published) : status;
}

/* One attempt, with commit_lock held. */
static ladle_status attempt(committing *c)
{
    hdf5_store *store = c->store;
    for (int64_t i = 0; i < c->count; i++)
        c->order[i] = &c->items[i];
    ladle_sort((const void **)c->order, c->count, by_key);
    pthread_mutex_lock(&store->lock);
    store->committing = true;
    pthread_mutex_unlock(&store->lock);
    bool published = false;
    ladle_status status = make_commit(c, &published);
    settle(c, status, published);
    return status;
}

ladle_status ladle_hdf5_commit(ladle_store *head, const ladle_store_item *items, int64_t count, ladle_error *error)
{
    hdf5_store *store = (hdf5_store *)head;
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_status status = ladle_hdf5_check_owner(store, error);
    if (status != LADLE_OK)
        return status;
    size_t order_nbytes = (size_t)(count + 1) * sizeof(ladle_store_item *);
    committing *c = ladle_alloc(store->context, sizeof *c, LADLE_MEMORY_SCRATCH, error);
    const ladle_store_item **order =
        c == NULL ? NULL : ladle_alloc(store->context, order_nbytes, LADLE_MEMORY_SCRATCH, error);
    if (order != NULL) {
        pthread_mutex_lock(&store->commit_lock);
        *c = (committing){.store = store, .items = items, .count = count, .order = order, .error = error};
        status = attempt(c);
        if (status != LADLE_OK && ladle_hdf5_relieve(store, error)) {
            *c = (committing){.store = store, .items = items, .count = count, .order = order, .error = error};
            status = attempt(c);
        }
        pthread_mutex_unlock(&store->commit_lock);
        ladle_free(store->context, order, order_nbytes, LADLE_MEMORY_SCRATCH);
    } else {
        status = (ladle_status)error->status;
    }
    if (c != NULL)
        ladle_free(store->context, c, sizeof *c, LADLE_MEMORY_SCRATCH);
    return status;
}
