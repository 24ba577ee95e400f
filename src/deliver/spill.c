#include "deliver/spill.h"

#include "base/checked.h"
#include "base/error.h"
#include "memory/heap.h"
#include "store/disk.h"
#include "store/extents.h"
#include "store/scratch_dir.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILES = 4 };

typedef struct spill_file {
    ladle_disk disk;
    pthread_mutex_t lock; /* guards the extents */
    ladle_extents extents;
} spill_file;

struct ladle_spill {
    ladle_context *context;
    atomic_int n_steps; /* that were given a file: they take turns */
    int32_t n_files;
    spill_file files[MAX_FILES];
};

/* One buffer in the file. */
typedef struct spilled_buffer {
    int64_t offset, count;
    ladle_dtype dtype;
    int32_t same_as; /* the buffer whose bytes it shares, or -1 */
} spilled_buffer;

struct ladle_spilled {
    ladle_spill *spill;
    spill_file *file;
    ladle_extent *extents; /* its places there: a list */
    int32_t n_buffers, n_written;
    int32_t *order;          /* the buffers with bytes of their own, as they were written */
    spilled_buffer *buffers; /* n_buffers */
};

/* --- the file --------------------------------------------------------------------------------- */

static bool open_file(ladle_spill *spill, spill_file *file, ladle_error *error)
{
    ladle_scratch_dir dir = ladle_scratch_dir_choose(NULL);
    int fd = ladle_scratch_open(dir, error);
    if (fd < 0)
        return false;
    file->disk.context = spill->context;
    file->disk.fd = fd;
    file->disk.where = "the scratch file of a scan";
    (void)pthread_mutex_init(&file->lock, NULL);
    ladle_extents_init(&file->extents, spill->context, 0);
    spill->n_files++;
    if (!ladle_is_on_network(fd))
        return true;
    ladle_fail(error, LADLE_UNSUPPORTED, LADLE_NO_OFFSET, "%s lies on a network",
               dir.path); /* costs more than it saves */
    return false;
}

ladle_spill *ladle_spill_create(ladle_context *context, int32_t n_threads, ladle_error *error)
{
    ladle_spill *spill = ladle_alloc(context, sizeof *spill, LADLE_MEMORY_METADATA, error);
    if (spill == NULL)
        return NULL;
    spill->context = context;
    ladle_context_retain(context);
    int32_t n_files = n_threads < 1 ? 1 : n_threads > MAX_FILES ? MAX_FILES : n_threads;
    for (int32_t i = 0; i < n_files; i++)
        if (!open_file(spill, &spill->files[i], error)) {
            ladle_spill_release(spill);
            return NULL;
        }
    return spill;
}

void ladle_spill_release(ladle_spill *spill)
{
    if (spill == NULL)
        return;
    ladle_context *context = spill->context;
    for (int32_t i = 0; i < spill->n_files; i++) {
        ladle_extents_clear(&spill->files[i].extents);
        (void)pthread_mutex_destroy(&spill->files[i].lock);
        (void)close(spill->files[i].disk.fd);
    }
    ladle_free(context, spill, sizeof *spill, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

/* --- writing ---------------------------------------------------------------------------------- */

static size_t spilled_size(int32_t n_buffers)
{
    return sizeof(struct ladle_spilled) + (size_t)n_buffers * (sizeof(spilled_buffer) + sizeof(int32_t));
}

static struct ladle_spilled *spilled_create(ladle_spill *spill, int32_t n_buffers, ladle_error *error)
{
    struct ladle_spilled *spilled = ladle_alloc(spill->context, spilled_size(n_buffers), LADLE_MEMORY_METADATA, error);
    if (spilled == NULL)
        return NULL;
    spilled->buffers = (spilled_buffer *)(void *)(spilled + 1);
    spilled->order = (int32_t *)(void *)(spilled->buffers + n_buffers);
    spilled->n_buffers = n_buffers;
    spilled->spill = spill;
    spilled->file = &spill->files[(uint32_t)atomic_fetch_add(&spill->n_steps, 1) % (uint32_t)spill->n_files];
    return spilled;
}

/* Where in the step's file `nbytes` bytes go. */
static ladle_status take_place(struct ladle_spilled *spilled, int64_t nbytes, int64_t *offset, ladle_error *error)
{
    ladle_context *context = spilled->spill->context;
    spill_file *file = spilled->file;
    ladle_extent *fresh = ladle_extent_create(context, error);
    ladle_extent *spare = fresh == NULL ? NULL : ladle_extent_create(context, error);
    if (spare == NULL) {
        if (fresh != NULL)
            ladle_extent_free(context, fresh);
        return (ladle_status)error->status;
    }
    pthread_mutex_lock(&file->lock);
    ladle_extent *extent = ladle_extents_take(&file->extents, nbytes, fresh, spare);
    pthread_mutex_unlock(&file->lock);
    if (extent == NULL)
        return ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET, "a scratch file has no room for %" PRId64 " bytes",
                          nbytes);
    extent->next = spilled->extents;
    spilled->extents = extent;
    *offset = extent->offset;
    return LADLE_OK;
}

void ladle_spill_forget(ladle_context *context, ladle_scan_step *step)
{
    struct ladle_spilled *spilled = step->spilled;
    if (spilled == NULL)
        return;
    step->spilled = NULL;
    pthread_mutex_lock(&spilled->file->lock);
    for (ladle_extent *extent = spilled->extents, *next; extent != NULL; extent = next) {
        next = extent->next;
        ladle_extents_give(&spilled->file->extents, extent);
    }
    pthread_mutex_unlock(&spilled->file->lock);
    ladle_free(context, spilled, spilled_size(spilled->n_buffers), LADLE_MEMORY_METADATA);
}

/* Bytes that follow each other in memory and, with the same gaps, in the file. */
typedef struct run {
    const uint8_t *data;
    int64_t offset, nbytes;
} run;

static int64_t grains(int64_t nbytes)
{
    return (nbytes + LADLE_REGION_GRAIN - 1) / LADLE_REGION_GRAIN * LADLE_REGION_GRAIN;
}

/* Does a block begin where another one of `nbytes` bytes ends, so that what is between them belongs to that one? */
static bool follows(const uint8_t *block, const uint8_t *other, int64_t nbytes)
{
    return !ladle_heap_is_malloc() && block == other + grains(nbytes);
}

static ladle_status write_run(spill_file *file, run *r, ladle_error *error)
{
    ladle_status status =
        r->nbytes == 0 ? LADLE_OK : ladle_disk_write(&file->disk, r->offset, r->data, r->nbytes, NULL, error);
    r->nbytes = 0;
    return status;
}

/* Gives the buffer its place in the file from `*end` on, behind those that it follows in memory. */
static ladle_status put_buffer(struct ladle_spilled *spilled, int32_t slot, const ladle_lease *lease, run *r,
                               int64_t *end, ladle_error *error)
{
    const uint8_t *data = ladle_lease_data(lease);
    int64_t nbytes = ladle_lease_nbytes(lease);
    spilled->order[spilled->n_written++] = slot;
    spilled->buffers[slot] = (spilled_buffer){0, ladle_lease_count(lease), ladle_lease_dtype(lease), -1};
    if (nbytes == 0)
        return LADLE_OK;
    if (r->nbytes > 0 && !follows(data, r->data, r->nbytes)) {
        ladle_status status = write_run(spilled->file, r, error);
        if (status != LADLE_OK)
            return status;
    }
    if (r->nbytes == 0)
        *r = (run){data, *end, 0};
    spilled->buffers[slot].offset = r->offset + grains(r->nbytes);
    r->nbytes = grains(r->nbytes) + nbytes;
    *end = r->offset + grains(r->nbytes);
    return LADLE_OK;
}

/* The buffer among those of earlier columns that is the same, or -1. Only lists have buffers in common, mostly with the
 * column before. */
static int32_t find_same(const ladle_scan_part *part, const ladle_scan_step *step, int64_t column, int32_t slot)
{
    const ladle_scan_column *columns = part->columns.items;
    for (int64_t k = column - 1; k >= 0; k--)
        for (int32_t b = columns[k].first_buffer; b < columns[k].first_buffer + columns[k].n_buffers - 1; b++)
            if (step->step.buffers[b] == step->step.buffers[slot])
                return b;
    return -1;
}

/* Writes what columns [first, end) have. */
static ladle_status put_columns(const ladle_scan_part *part, ladle_scan_step *step, int64_t first, int64_t end,
                                int64_t place, ladle_error *error)
{
    const ladle_scan_column *columns = part->columns.items;
    ladle_status status = LADLE_OK;
    run r = {NULL, 0, 0};
    for (int64_t k = first; k < end && status == LADLE_OK; k++)
        for (int32_t b = 0; b < columns[k].n_buffers && status == LADLE_OK; b++) {
            int32_t slot = columns[k].first_buffer + b;
            const ladle_lease *lease = step->step.buffers[slot];
            if (lease == NULL)
                continue;
            int32_t same = b + 1 < columns[k].n_buffers ? find_same(part, step, k, slot) : -1;
            if (same >= 0) {
                step->spilled->buffers[slot].same_as = same;
                continue;
            }
            step->spilled_nbytes += ladle_lease_nbytes(lease);
            status = put_buffer(step->spilled, slot, lease, &r, &place, error);
        }
    return status == LADLE_OK ? write_run(step->spilled->file, &r, error) : status;
}

ladle_status ladle_spill_put(ladle_spill *spill, const ladle_scan_part *part, ladle_scan_step *step, int64_t first,
                             int64_t end, ladle_error *error)
{
    if (step->spilled == NULL)
        step->spilled = spilled_create(spill, step->step.n_buffers, error);
    if (step->spilled == NULL)
        return (ladle_status)error->status;
    const ladle_scan_column *columns = part->columns.items;
    int64_t room = 0, place = 0;
    for (int64_t k = first; k < end; k++)
        for (int32_t b = columns[k].first_buffer; b < columns[k].first_buffer + columns[k].n_buffers; b++)
            room += step->step.buffers[b] == NULL ? 0 : grains(ladle_lease_nbytes(step->step.buffers[b]));
    if (room > 0 && take_place(step->spilled, room, &place, error) != LADLE_OK)
        return (ladle_status)error->status;
    return put_columns(part, step, first, end, place, error);
}

/* --- reading ---------------------------------------------------------------------------------- */

static ladle_status make_leases(ladle_scan_step *step, const struct ladle_spilled *spilled, ladle_error *error)
{
    ladle_context *context = spilled->spill->context;
    int64_t size = 0;
    for (int32_t i = 0; i < spilled->n_written; i++) {
        const spilled_buffer *buffer = &spilled->buffers[spilled->order[i]];
        size += grains(ladle_max(buffer->count * (int64_t)ladle_dtype_size(buffer->dtype), 1));
    }
    ladle_region **place = ladle_scan_step_region(step), *region = NULL;
    if (size > 0 && place != NULL)
        region = *place = ladle_region_create(context, (size_t)size, NULL);
    for (int32_t i = 0; i < spilled->n_written; i++) {
        int32_t slot = spilled->order[i];
        const spilled_buffer *buffer = &spilled->buffers[slot];
        ladle_lease *lease = ladle_lease_create_maybe_in(context, region, buffer->dtype, buffer->count, error);
        if (lease == NULL)
            return (ladle_status)error->status;
        step->step.buffers[slot] = lease;
    }
    ladle_region_seal(region);
    return LADLE_OK;
}

static ladle_status read_leases(ladle_scan_step *step, const struct ladle_spilled *spilled, ladle_error *error)
{
    for (int32_t i = 0; i < spilled->n_written;) {
        int32_t slot = spilled->order[i];
        uint8_t *to = ladle_lease_writable(step->step.buffers[slot]);
        int64_t offset = spilled->buffers[slot].offset, nbytes = ladle_lease_nbytes(step->step.buffers[slot]);
        if (nbytes == 0) {
            i++;
            continue;
        }
        for (i++; i < spilled->n_written; i++) {
            int32_t next = spilled->order[i];
            const uint8_t *data = ladle_lease_data(step->step.buffers[next]);
            int64_t gap = spilled->buffers[next].offset - offset;
            int64_t more = ladle_lease_nbytes(step->step.buffers[next]);
            if (more == 0 || gap != grains(nbytes) || !follows(data, to, nbytes))
                break;
            nbytes = gap + more;
        }
        ladle_status status = ladle_disk_read(&spilled->file->disk, offset, to, nbytes, NULL, error);
        if (status != LADLE_OK)
            return status;
    }
    return LADLE_OK;
}

ladle_status ladle_spill_get(ladle_scan_step *step, ladle_error *error)
{
    const struct ladle_spilled *spilled = step->spilled;
    ladle_context *context = spilled->spill->context;
    ladle_status status = make_leases(step, spilled, error);
    if (status == LADLE_OK)
        status = read_leases(step, spilled, error);
    for (int32_t i = 0; i < spilled->n_buffers && status == LADLE_OK; i++)
        if (step->step.buffers[i] == NULL) {
            step->step.buffers[i] = step->step.buffers[spilled->buffers[i].same_as];
            ladle_lease_retain(step->step.buffers[i]);
        }
    ladle_spill_forget(context, step);
    return status;
}
