#include "memory/lease.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

/* `state` counts the users in its low half, and the caches that keep the block in its high half. */
#define KEEPER (UINT64_C(1) << 32)
#define USERS (KEEPER - 1)

struct ladle_lease {
    ladle_context *context;
    uint8_t *data;
    size_t capacity; /* of the pages behind data */
    int64_t count;   /* values */
    ladle_dtype dtype;
    atomic_uint_fast64_t state;
};

ladle_lease *ladle_lease_create(ladle_context *context, ladle_dtype dtype, int64_t count, ladle_error *error)
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
    lease->data =
        ladle_pages_alloc(context, nbytes == 0 ? 1 : (size_t)nbytes, LADLE_MEMORY_LEASED, &lease->capacity, error);
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

static void destroy(ladle_lease *lease, ladle_memory_kind kind)
{
    ladle_context *context = lease->context;
    ladle_pages_free(context, lease->data, lease->capacity, kind);
    ladle_free(context, lease, sizeof *lease, LADLE_MEMORY_METADATA);
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
    if (lease == NULL)
        return;
    /* Read before the count falls: afterwards the cache may free the block at any time. */
    ladle_context *context = lease->context;
    int64_t nbytes = (int64_t)lease->capacity;
    ladle_context_retain(context);
    uint64_t before = atomic_fetch_sub(&lease->state, 1);
    if (before == 1)
        destroy(lease, LADLE_MEMORY_LEASED);
    else if ((before & USERS) == 1)
        ladle_ledger_move(context, LADLE_MEMORY_LEASED, LADLE_MEMORY_RESTING, nbytes);
    ladle_context_release(context);
}

void ladle_lease_keep(ladle_lease *lease)
{
    atomic_fetch_add(&lease->state, KEEPER);
}

void ladle_lease_drop(ladle_lease *lease)
{
    if (atomic_fetch_sub(&lease->state, KEEPER) == KEEPER)
        destroy(lease, LADLE_MEMORY_RESTING);
}

bool ladle_lease_is_pinned(const ladle_lease *lease)
{
    return (atomic_load(&lease->state) & USERS) != 0;
}
