#include "memory/lease.h"

#include "base/checked.h"
#include "base/error.h"
#include "memory/region.h"

#include <inttypes.h>
#include <string.h>

/* `state` counts the users in its low 24 bits, the caches that keep the block in the next 20, and those that watch the
 * lease in the rest. The block goes with the last user or keeper, the lease with the last of all three. */
#define USERS ((UINT64_C(1) << 24) - 1)
#define KEEPER (UINT64_C(1) << 24)
#define WATCHER (UINT64_C(1) << 44)
#define HOLDERS (WATCHER - 1) /* users and keepers */

struct ladle_lease {
    ladle_context *context;
    ladle_region *region; /* that data lies in, or NULL: it has pages of its own */
    uint8_t *data;
    size_t capacity; /* of what lies behind data */
    int64_t count;   /* values */
    ladle_dtype dtype;
    uint32_t layout_nbytes;
    char *layout;
    atomic_uint_fast64_t state;
};

static ladle_lease *create(ladle_context *context, ladle_region *region, ladle_dtype dtype, int64_t count,
                           ladle_error *error)
{
    int64_t nbytes;
    int64_t most = ladle_context_limits(context)->max_buffer_nbytes;
    if (count < 0 || !ladle_multiply(count, (int64_t)ladle_dtype_size(dtype), &nbytes) || nbytes > most) {
        ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET,
                   "a buffer of %" PRId64 " values of %s exceeds the limit of %" PRId64 " bytes", count,
                   ladle_dtype_name(dtype), most);
        return NULL;
    }
    ladle_lease *lease = ladle_alloc(context, sizeof *lease, LADLE_MEMORY_METADATA, error);
    if (lease == NULL)
        return NULL;
    size_t size = nbytes == 0 ? 1 : (size_t)nbytes;
    if (region != NULL)
        lease->data = ladle_region_cut(region, size, &lease->capacity);
    lease->region = lease->data == NULL ? NULL : region;
    if (lease->data == NULL)
        lease->data = ladle_pages_alloc(context, size, LADLE_MEMORY_LEASED, &lease->capacity, error);
    if (lease->data == NULL) {
        ladle_free(context, lease, sizeof *lease, LADLE_MEMORY_METADATA);
        return NULL;
    }
    lease->context = context;
    ladle_context_retain(context);
    lease->count = count;
    lease->dtype = dtype;
    atomic_init(&lease->state, 1);
    return lease;
}

ladle_lease *ladle_lease_create(ladle_context *context, ladle_dtype dtype, int64_t count, ladle_error *error)
{
    return create(context, NULL, dtype, count, error);
}

ladle_lease *ladle_lease_create_in(ladle_region *region, ladle_dtype dtype, int64_t count, ladle_error *error)
{
    return create(ladle_region_context(region), region, dtype, count, error);
}

/* Of a lease that nobody holds any more. */
static void free_lease(ladle_context *context, ladle_lease *lease)
{
    if (lease->layout != NULL)
        ladle_free(context, lease->layout, lease->layout_nbytes, LADLE_MEMORY_METADATA);
    ladle_free(context, lease, sizeof *lease, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

/* Takes one user or keeper away; what belonged to nobody else is freed as `kind`. */
static void let_go(ladle_lease *lease, uint64_t holder, ladle_memory_kind kind)
{
    /* Read before the count falls: afterwards others may free the lease at any time. */
    ladle_context *context = lease->context;
    ladle_region *region = lease->region;
    uint8_t *data = lease->data;
    size_t capacity = lease->capacity;
    ladle_context_retain(context);
    uint64_t before = atomic_fetch_sub(&lease->state, holder);
    if ((before & HOLDERS) == holder && region != NULL) {
        if (kind != LADLE_MEMORY_LEASED)
            ladle_ledger_move(context, kind, LADLE_MEMORY_LEASED, (int64_t)capacity);
        ladle_region_drop(region, data, capacity);
    } else if ((before & HOLDERS) == holder)
        ladle_pages_free(context, data, capacity, kind);
    else if (holder == 1 && (before & USERS) == 1)
        ladle_ledger_move(context, LADLE_MEMORY_LEASED, LADLE_MEMORY_RESTING, (int64_t)capacity);
    if (before == holder)
        free_lease(context, lease);
    ladle_context_release(context);
}

ladle_lease *ladle_lease_copy(ladle_context *context, ladle_dtype dtype, int64_t count, const void *data,
                              ladle_error *error)
{
    ladle_lease *lease = ladle_lease_create(context, dtype, count, error);
    if (lease != NULL && count > 0)
        memcpy(lease->data, data, (size_t)ladle_lease_nbytes(lease));
    return lease;
}

void *ladle_lease_writable(ladle_lease *lease)
{
    return lease->data;
}

void ladle_lease_shorten(ladle_lease *lease, int64_t count)
{
    lease->count = count;
}

const void *ladle_lease_data(const ladle_lease *lease)
{
    return lease->data;
}

ladle_dtype ladle_lease_dtype(const ladle_lease *lease)
{
    return lease->dtype;
}

int64_t ladle_lease_count(const ladle_lease *lease)
{
    return lease->count;
}

int64_t ladle_lease_nbytes(const ladle_lease *lease)
{
    return lease->count * (int64_t)ladle_dtype_size(lease->dtype);
}

int64_t ladle_lease_held_nbytes(const ladle_lease *lease)
{
    return (int64_t)lease->capacity;
}

void ladle_lease_retain(ladle_lease *lease)
{
    /* The first user of a block at rest pins it. The cache's lock keeps it from being dropped meanwhile. */
    if ((atomic_fetch_add(&lease->state, 1) & USERS) == 0)
        ladle_ledger_move(lease->context, LADLE_MEMORY_RESTING, LADLE_MEMORY_LEASED, (int64_t)lease->capacity);
}

void ladle_lease_release(ladle_lease *lease)
{
    if (lease != NULL)
        let_go(lease, 1, LADLE_MEMORY_LEASED);
}

void ladle_lease_keep(ladle_lease *lease)
{
    atomic_fetch_add(&lease->state, KEEPER);
}

void ladle_lease_drop(ladle_lease *lease)
{
    let_go(lease, KEEPER, LADLE_MEMORY_RESTING);
}

void ladle_lease_watch(ladle_lease *lease)
{
    atomic_fetch_add(&lease->state, WATCHER);
}

void ladle_lease_unwatch(ladle_lease *lease)
{
    ladle_context *context = lease->context;
    if (atomic_fetch_sub(&lease->state, WATCHER) == WATCHER)
        free_lease(context, lease);
}

bool ladle_lease_try_retain(ladle_lease *lease)
{
    uint64_t state = atomic_load(&lease->state);
    do {
        if ((state & HOLDERS) == 0)
            return false;
    } while (!atomic_compare_exchange_weak(&lease->state, &state, state + 1));
    if ((state & USERS) == 0)
        ladle_ledger_move(lease->context, LADLE_MEMORY_RESTING, LADLE_MEMORY_LEASED, (int64_t)lease->capacity);
    return true;
}

const void *ladle_lease_layout(const ladle_lease *lease, size_t *nbytes)
{
    *nbytes = lease->layout_nbytes;
    return lease->layout;
}

ladle_status ladle_lease_set_layout(ladle_lease *lease, const void *layout, size_t nbytes, ladle_error *error)
{
    if (nbytes == 0)
        return LADLE_OK;
    ladle_error local;
    error = error == NULL ? &local : error;
    if (nbytes > UINT32_MAX)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "a layout of %zu bytes", nbytes);
    lease->layout = ladle_alloc(lease->context, nbytes, LADLE_MEMORY_METADATA, error);
    if (lease->layout == NULL)
        return (ladle_status)error->status;
    memcpy(lease->layout, layout, nbytes);
    lease->layout_nbytes = (uint32_t)nbytes;
    return LADLE_OK;
}

bool ladle_lease_is_pinned(const ladle_lease *lease)
{
    return (atomic_load(&lease->state) & USERS) != 0;
}
