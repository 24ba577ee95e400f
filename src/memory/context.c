/* The context: ledger, budget, pressure and the fault points of allocation. */
#include "memory/context.h"

#include "base/checked.h"
#include "base/error.h"
#include "memory/heap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const int64_t default_pool_nbytes = INT64_C(128) << 20, least_pool_nbytes = INT64_C(1) << 20;
enum { POOL_SHARE = 8 }; /* of what rests within bounds */

struct ladle_context {
    atomic_int references;
    ladle_limits limits;
    ladle_fault fault;
    ladle_heap heap;
    atomic_llong held[LADLE_MEMORY_KIND_COUNT]; /* POOL is asked of the heap instead */
    atomic_llong budget;
    pthread_mutex_t reclaim_lock;
    pthread_cond_t reclaim_ended;
    ladle_reclaimer *reclaimers;
    int64_t pool_max;      /* as set; under reclaim_lock */
    int64_t recycled_base; /* what was in use before anybody recycled; -1: nobody does. Under reclaim_lock */
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
    context->pool_max = default_pool_nbytes;
    context->recycled_base = -1;
    if (ladle_heap_init(&context->heap, default_pool_nbytes) != 0) {
        free(context);
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for the lock of a context");
        return NULL;
    }
    (void)pthread_cond_init(&context->reclaim_ended, NULL); /* cannot fail on the platforms served */
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
    (void)pthread_cond_destroy(&context->reclaim_ended);
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

/* Who bounds what rests does not want as much again lying free. With the lock of the list. */
static void bound_pool(ladle_context *context)
{
    int64_t sum = 0, recycled = 0;
    bool bounded = context->reclaimers != NULL;
    for (const ladle_reclaimer *r = context->reclaimers; r != NULL; r = r->next) {
        bounded = bounded && (r->bound > 0 || !r->registered);
        sum += r->registered ? r->bound : 0;
        recycled += r->registered ? r->recycled : 0;
    }
    int64_t most = bounded ? ladle_max(least_pool_nbytes, sum / POOL_SHARE) : context->pool_max;
    if (recycled > 0 && context->recycled_base < 0)
        context->recycled_base = ladle_heap_live_nbytes(&context->heap);
    else if (recycled == 0)
        context->recycled_base = -1;
    ladle_heap_set_pool(&context->heap, ladle_min(most, context->pool_max),
                        recycled > 0 ? context->recycled_base + recycled : 0);
}

void ladle_context_set_pool(ladle_context *context, int64_t max_nbytes)
{
    pthread_mutex_lock(&context->reclaim_lock);
    context->pool_max = max_nbytes < 0 ? 0 : max_nbytes;
    bound_pool(context);
    pthread_mutex_unlock(&context->reclaim_lock);
}

void ladle_context_bound_reclaimer(ladle_context *context, ladle_reclaimer *reclaimer, int64_t bound)
{
    pthread_mutex_lock(&context->reclaim_lock);
    reclaimer->bound = bound;
    bound_pool(context);
    pthread_mutex_unlock(&context->reclaim_lock);
}

const char *ladle_memory_kind_name(ladle_memory_kind kind)
{
    static const char *const names[LADLE_MEMORY_KIND_COUNT] = {"resting", "leased",   "compressed", "page_input",
                                                               "scratch", "metadata", "pool"};
    return (size_t)kind < LADLE_MEMORY_KIND_COUNT ? names[kind] : "unknown";
}

void ladle_context_memory(ladle_context *context, ladle_memory_info *info)
{
    ladle_memory_info full = {.struct_size = sizeof full};
    for (int i = 0; i < LADLE_MEMORY_KIND_COUNT; i++)
        full.held[i] = atomic_load(&context->held[i]);
    full.held[LADLE_MEMORY_POOL] = ladle_heap_free_nbytes(&context->heap);
    for (int i = 0; i < LADLE_MEMORY_KIND_COUNT; i++)
        full.total += full.held[i];
    full.peak = ladle_heap_peak_nbytes(&context->heap);
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
    ladle_heap_charge(&context->heap, nbytes);
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
    reclaimer->registered = reclaimer->linked = true;
    bound_pool(context);
    pthread_mutex_unlock(&context->reclaim_lock);
}

void ladle_context_remove_reclaimer(ladle_context *context, ladle_reclaimer *reclaimer)
{
    pthread_mutex_lock(&context->reclaim_lock);
    reclaimer->registered = false;
    while (reclaimer->calls > 0)
        pthread_cond_wait(&context->reclaim_ended, &context->reclaim_lock);
    if (reclaimer->linked) {
        if (reclaimer->previous != NULL)
            reclaimer->previous->next = reclaimer->next;
        else
            context->reclaimers = reclaimer->next;
        if (reclaimer->next != NULL)
            reclaimer->next->previous = reclaimer->previous;
        reclaimer->linked = false;
    }
    bound_pool(context);
    pthread_mutex_unlock(&context->reclaim_lock);
}

/* Asks the reclaimers until the request is served. The list's lock is not held while one works: it may wait for its
 * own lock, whose holder may be here as well. */
static void *get_by_reclaiming(ladle_context *context, ladle_heap_request *request, bool may_wait)
{
    void *memory = NULL;
    pthread_mutex_lock(&context->reclaim_lock);
    for (ladle_reclaimer *r = context->reclaimers; r != NULL && memory == NULL; r = r->next) {
        if (!r->registered)
            continue;
        r->calls++;
        pthread_mutex_unlock(&context->reclaim_lock);
        int64_t freed;
        do {
            /* What it frees may lie in slabs with other objects, and then makes no room yet: ask on. */
            freed = r->reclaim(r->user, request->excess, may_wait);
            (void)ladle_heap_trim(&context->heap);
            memory = ladle_heap_get(&context->heap, request);
        } while (memory == NULL && request->excess > 0 && freed > 0);
        pthread_mutex_lock(&context->reclaim_lock);
        if (--r->calls == 0)
            pthread_cond_broadcast(&context->reclaim_ended);
    }
    pthread_mutex_unlock(&context->reclaim_lock);
    return memory;
}

/* --- allocation ------------------------------------------------------------------------------ */

static void *get(ladle_context *context, size_t size, ladle_memory_kind kind, size_t *capacity, bool *zeroed,
                 ladle_error *error)
{
    ladle_heap_request request = {.size = size, .ceiling = atomic_load(&context->budget)};
    size_t least = ladle_heap_capacity(size);
    if (least < size || ladle_fault_strikes(&context->fault, LADLE_FAULT_ALLOC)) {
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for %zu bytes of %s", size,
                   ladle_memory_kind_name(kind));
        return NULL;
    }
    void *memory = ladle_heap_get(&context->heap, &request);
    if (memory == NULL && request.excess > 0) {
        (void)ladle_heap_trim(&context->heap);
        memory = ladle_heap_get(&context->heap, &request);
    }
    /* What exceeds the budget by itself needs nobody to leave. */
    if (memory == NULL && request.excess > 0 && (int64_t)least <= request.ceiling)
        memory = get_by_reclaiming(context, &request, kind != LADLE_MEMORY_METADATA);
    if (memory == NULL && request.excess > 0) {
        ladle_fail(error, LADLE_BUDGET, LADLE_NO_OFFSET,
                   "%zu bytes of %s would exceed the budget of %" PRId64 " bytes by %" PRId64
                   ", and nothing of what is held can leave",
                   size, ladle_memory_kind_name(kind), request.ceiling, request.excess);
        return NULL;
    }
    if (memory == NULL) {
        ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "the system gave no memory for %zu bytes of %s", size,
                   ladle_memory_kind_name(kind));
        return NULL;
    }
    atomic_fetch_add_explicit(&context->held[kind], (int64_t)request.capacity, memory_order_relaxed);
    *capacity = request.capacity;
    *zeroed = request.zeroed;
    return memory;
}

void *ladle_alloc(ladle_context *context, size_t size, ladle_memory_kind kind, ladle_error *error)
{
    size_t capacity;
    bool zeroed;
    void *memory = get(context, size, kind, &capacity, &zeroed, error);
    if (memory != NULL && !zeroed)
        memset(memory, 0, size);
    return memory;
}

void *ladle_alloc_array(ladle_context *context, int64_t count, size_t size, ladle_memory_kind kind, ladle_error *error)
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
    return get(context, nbytes, kind, capacity, &zeroed, error);
}

void ladle_pages_free(ladle_context *context, void *memory, size_t capacity, ladle_memory_kind kind)
{
    if (memory == NULL)
        return;
    /* In this order, so that no one sees more than there is. */
    atomic_fetch_sub_explicit(&context->held[kind], (int64_t)capacity, memory_order_relaxed);
    ladle_heap_put(&context->heap, memory, capacity);
}

void *ladle_pages_shrink(ladle_context *context, void *memory, size_t *capacity, size_t nbytes, ladle_memory_kind kind)
{
    size_t kept = ladle_heap_capacity(nbytes);
    if (kept >= *capacity)
        return memory;
    if (ladle_heap_cut(&context->heap, memory, *capacity, kept)) {
        atomic_fetch_sub_explicit(&context->held[kind], (int64_t)(*capacity - kept), memory_order_relaxed);
        *capacity = kept;
        return memory;
    }
    void *smaller = ladle_pages_alloc(context, nbytes, kind, &kept, NULL);
    if (smaller == NULL)
        return memory;
    memcpy(smaller, memory, nbytes);
    ladle_pages_free(context, memory, *capacity, kind);
    *capacity = kept;
    return smaller;
}
