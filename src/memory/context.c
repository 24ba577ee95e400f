/* The context: ledger, budget, pressure and the fault points of allocation. */
#include "memory/context.h"

#include "base/checked.h"
#include "base/error.h"
#include "memory/heap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const int64_t default_pool_nbytes = INT64_C(64) << 20;

struct ladle_context {
    atomic_int references;
    ladle_limits limits;
    ladle_fault fault;
    ladle_heap heap;
    atomic_llong held[LADLE_MEMORY_KIND_COUNT]; /* POOL is asked of the heap instead */
    atomic_llong in_use;                        /* sum of held */
    atomic_llong peak;
    atomic_llong budget;
    pthread_mutex_t reclaim_lock;
    ladle_reclaimer *reclaimers;
};

ladle_context *ladle_context_create(const ladle_limits *limits, ladle_error *error)
{
    /* The context itself is what the ledger lives in, so it cannot come from it. */
    ladle_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for a context of %zu bytes", sizeof *context);
        return NULL;
    }
    context->limits = ladle_limits_default();
    if (limits != NULL) {
        size_t known = limits->struct_size < sizeof *limits ? limits->struct_size : sizeof *limits;
        memcpy(&context->limits, limits, known);
        context->limits.struct_size = sizeof *limits;
    }
    atomic_init(&context->references, 1);
    if (ladle_heap_init(&context->heap, default_pool_nbytes) != 0) {
        free(context);
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for the lock of a context");
        return NULL;
    }
    if (pthread_mutex_init(&context->reclaim_lock, NULL) != 0) {
        ladle_heap_destroy(&context->heap);
        free(context);
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for the lock of a context");
        return NULL;
    }
    return context;
}

void ladle_context_retain(ladle_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
}

void ladle_context_release(ladle_context *context)
{
    if (context == NULL || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1)
        return;
    (void)pthread_mutex_destroy(&context->reclaim_lock);
    ladle_heap_destroy(&context->heap);
    free(context);
}

const ladle_limits *ladle_context_limits(const ladle_context *context)
{
    return &context->limits;
}

ladle_fault *ladle_context_fault(ladle_context *context)
{
    return &context->fault;
}

void ladle_context_set_budget(ladle_context *context, int64_t budget_nbytes)
{
    atomic_store(&context->budget, budget_nbytes < 0 ? 0 : budget_nbytes);
}

int64_t ladle_context_trim(ladle_context *context)
{
    return ladle_heap_trim(&context->heap);
}

void ladle_context_set_pool(ladle_context *context, int64_t max_nbytes)
{
    ladle_heap_set_pool(&context->heap, max_nbytes);
}

const char *ladle_memory_kind_name(ladle_memory_kind kind)
{
    static const char *const names[LADLE_MEMORY_KIND_COUNT] = {"resting", "leased",   "compressed", "page_input",
                                                               "scratch", "metadata", "pool"};
    return (size_t)kind < LADLE_MEMORY_KIND_COUNT ? names[kind] : "unknown";
}

static void raise_peak(ladle_context *context, int64_t now)
{
    long long peak = atomic_load_explicit(&context->peak, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak(&context->peak, &peak, now))
        ;
}

void ladle_context_memory(ladle_context *context, ladle_memory_info *info)
{
    ladle_memory_info full = {.struct_size = sizeof full};
    for (int i = 0; i < LADLE_MEMORY_KIND_COUNT; i++)
        full.held[i] = atomic_load(&context->held[i]);
    full.held[LADLE_MEMORY_POOL] = ladle_heap_free_nbytes(&context->heap);
    for (int i = 0; i < LADLE_MEMORY_KIND_COUNT; i++)
        full.total += full.held[i];
    raise_peak(context, full.total);
    full.peak = atomic_load(&context->peak);
    full.budget = atomic_load(&context->budget);
    full.overdraft = full.budget > 0 ? ladle_max(0, full.total - full.budget) : 0;
    size_t size = info->struct_size < sizeof full ? info->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(info, &full, size);
}

/* --- ledger ---------------------------------------------------------------------------------- */

void ladle_ledger_charge(ladle_context *context, ladle_memory_kind kind, int64_t nbytes)
{
    atomic_fetch_add_explicit(&context->held[kind], nbytes, memory_order_relaxed);
    int64_t now = atomic_fetch_add_explicit(&context->in_use, nbytes, memory_order_relaxed) + nbytes;
    if (nbytes > 0)
        raise_peak(context, now);
}

void ladle_ledger_move(ladle_context *context, ladle_memory_kind from, ladle_memory_kind to, int64_t nbytes)
{
    atomic_fetch_sub_explicit(&context->held[from], nbytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&context->held[to], nbytes, memory_order_relaxed);
}

/* --- pressure -------------------------------------------------------------------------------- */

void ladle_context_add_reclaimer(ladle_context *context, ladle_reclaimer *reclaimer)
{
    pthread_mutex_lock(&context->reclaim_lock);
    reclaimer->previous = NULL;
    reclaimer->next = context->reclaimers;
    if (reclaimer->next != NULL)
        reclaimer->next->previous = reclaimer;
    context->reclaimers = reclaimer;
    reclaimer->registered = true;
    pthread_mutex_unlock(&context->reclaim_lock);
}

void ladle_context_remove_reclaimer(ladle_context *context, ladle_reclaimer *reclaimer)
{
    pthread_mutex_lock(&context->reclaim_lock);
    if (reclaimer->registered) {
        if (reclaimer->previous != NULL)
            reclaimer->previous->next = reclaimer->next;
        else
            context->reclaimers = reclaimer->next;
        if (reclaimer->next != NULL)
            reclaimer->next->previous = reclaimer->previous;
        reclaimer->registered = false;
    }
    pthread_mutex_unlock(&context->reclaim_lock);
}

/* Counts `nbytes` in advance if they fit under the budget; else *excess is what is missing. One step, so that
 * threads that ask at once cannot exceed it together. */
static bool reserve(ladle_context *context, int64_t nbytes, int64_t *excess)
{
    long long in_use = atomic_load(&context->in_use);
    do {
        int64_t budget = atomic_load_explicit(&context->budget, memory_order_relaxed);
        *excess = budget == 0 ? 0 : in_use + ladle_heap_free_nbytes(&context->heap) + nbytes - budget;
        if (*excess > 0)
            return false;
    } while (!atomic_compare_exchange_weak(&context->in_use, &in_use, in_use + nbytes));
    return true;
}

/* Makes room for `nbytes` more under the budget, and reserves them. */
static bool make_room(ladle_context *context, int64_t nbytes, ladle_memory_kind kind)
{
    int64_t excess = 0;
    if (reserve(context, nbytes, &excess))
        return true;
    (void)ladle_heap_trim(&context->heap);
    if (reserve(context, nbytes, &excess))
        return true;
    bool done = false;
    pthread_mutex_lock(&context->reclaim_lock);
    for (ladle_reclaimer *r = context->reclaimers; r != NULL && !done; r = r->next) {
        (void)r->reclaim(r->user, excess, kind != LADLE_MEMORY_METADATA);
        (void)ladle_heap_trim(&context->heap);
        done = reserve(context, nbytes, &excess);
    }
    pthread_mutex_unlock(&context->reclaim_lock);
    return done;
}

/* --- allocation ------------------------------------------------------------------------------ */

/* `exact`: the capacity is the one of the size class, so that a sized free can find it again. */
static void *get(ladle_context *context, size_t size, ladle_memory_kind kind, bool exact, size_t *capacity,
                 bool *zeroed, ladle_error *error)
{
    *capacity = ladle_heap_capacity(size);
    if (*capacity < size || *capacity > INT64_MAX / 2 || ladle_fault_strikes(&context->fault, LADLE_FAULT_ALLOC)) {
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for %zu bytes of %s", size,
                   ladle_memory_kind_name(kind));
        return NULL;
    }
    int64_t reserved = (int64_t)*capacity;
    if (!make_room(context, reserved, kind)) {
        ladle_fail(error, LADLE_BUDGET, LADLE_NO_OFFSET,
                   "%zu bytes of %s would exceed the budget of %lld bytes (%lld are held, and none of them can leave)",
                   size, ladle_memory_kind_name(kind), atomic_load(&context->budget), atomic_load(&context->in_use));
        return NULL;
    }
    void *memory = ladle_heap_get(&context->heap, size, exact, capacity, zeroed);
    if (memory == NULL) {
        atomic_fetch_sub(&context->in_use, reserved);
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "the system gave no memory for %zu bytes of %s", size,
                   ladle_memory_kind_name(kind));
        return NULL;
    }
    /* A block from the pool may be larger than what was reserved: the pool's share has shrunk by as much. */
    atomic_fetch_add_explicit(&context->held[kind], (int64_t)*capacity, memory_order_relaxed);
    raise_peak(context, atomic_fetch_add(&context->in_use, (int64_t)*capacity - reserved) + (int64_t)*capacity - reserved);
    return memory;
}

void *ladle_alloc(ladle_context *context, size_t size, ladle_memory_kind kind, ladle_error *error)
{
    size_t capacity;
    bool zeroed;
    void *memory = get(context, size, kind, true, &capacity, &zeroed, error);
    if (memory != NULL && !zeroed)
        memset(memory, 0, size);
    return memory;
}

void *ladle_alloc_array(ladle_context *context, int64_t count, size_t size, ladle_memory_kind kind,
                        ladle_error *error)
{
    int64_t nbytes;
    if (count < 0 || !ladle_multiply(count, (int64_t)size, &nbytes)) {
        ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET, "%" PRId64 " items of %zu bytes do not fit in memory", count,
                   size);
        return NULL;
    }
    return ladle_alloc(context, nbytes == 0 ? 1 : (size_t)nbytes, kind, error);
}

void ladle_free(ladle_context *context, void *memory, size_t size, ladle_memory_kind kind)
{
    ladle_pages_free(context, memory, ladle_heap_capacity(size == 0 ? 1 : size), kind);
}

void *ladle_pages_alloc(ladle_context *context, size_t nbytes, ladle_memory_kind kind, size_t *capacity,
                        ladle_error *error)
{
    bool zeroed;
    return get(context, nbytes, kind, false, capacity, &zeroed, error);
}

void ladle_pages_free(ladle_context *context, void *memory, size_t capacity, ladle_memory_kind kind)
{
    if (memory == NULL)
        return;
    ladle_heap_put(&context->heap, memory, capacity);
    ladle_ledger_charge(context, kind, -(int64_t)capacity);
}
