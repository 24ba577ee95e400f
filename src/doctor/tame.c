/* Tames the allocator: a thread that lets it give back free pages when they come to much, and mappings of their own for
 * large blocks. Of wide uproot loops the first lowers what stays between the peaks, the second the peaks. Smaller
 * limits than these cost page faults and bring nothing; neither do fewer arenas, or trims at shorter intervals.
 */
#include "base/checked.h"
#include "base/error.h"
#include "doctor/allocator.h"
#include "doctor/ticker.h"
#include "memory/context.h"

#include <ladle/doctor.h>

#include <stdlib.h>
#include <string.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* It takes 5 % of a core at most: a trim of a large heap takes some 50 ms. */
#define COST_FACTOR 20

struct ladle_tamer {
    ladle_context *context;
    ladle_ticker ticker;
    ladle_allocator_reader reader;
    int64_t least;
    double share;
    int64_t floor; /* what the last trim left of what seemed returnable */
    bool sets_threshold;
    ladle_tame_figures figures;
};

static void tick(void *user)
{
    ladle_tamer *tamer = user;
    ladle_allocator_figures figures;
    ladle_allocator_read(&tamer->reader, &figures);
    tamer->floor = ladle_min(tamer->floor, figures.returnable);
    int64_t limit = ladle_max(tamer->least, (int64_t)(tamer->share * (double)figures.in_use));
    if (figures.returnable - tamer->floor > limit) {
        (void)ladle_allocator_trim();
        ladle_allocator_figures after;
        ladle_allocator_read(&tamer->reader, &after);
        tamer->floor = after.returnable;
        tamer->figures.trims++;
        tamer->figures.returned += ladle_max(figures.heap - after.heap, 0);
    }
    tamer->figures.cpu_ns = ladle_ticker_cpu();
}

/* --- glibc's limit for mappings -------------------------------------------------------------- */

#if defined(__GLIBC__)
#define THRESHOLD_FIRST (128 << 10)
#define THRESHOLD_LAST (32 << 20)

/* Whoever set it from outside knows better. */
static bool may_set_threshold(void)
{
    const char *tunables = getenv("GLIBC_TUNABLES");
    bool is_set = getenv("MALLOC_MMAP_THRESHOLD_") != NULL ||
                  (tunables != NULL && strstr(tunables, "glibc.malloc.mmap_threshold") != NULL);
    return ladle_allocator_find() == LADLE_ALLOCATOR_GLIBC && !is_set;
}

static bool set_threshold(int nbytes)
{
    return mallopt(M_MMAP_THRESHOLD, nbytes) == 1;
}
#else
#define THRESHOLD_FIRST 0
#define THRESHOLD_LAST 0

static bool may_set_threshold(void)
{
    return false;
}

static bool set_threshold(int nbytes)
{
    (void)nbytes;
    return false;
}
#endif

/* --- the tamer ------------------------------------------------------------------------------- */

ladle_tamer *ladle_tamer_create(ladle_context *context, const ladle_tame_options *options, ladle_error *error)
{
    ladle_tamer *tamer = ladle_alloc(context, sizeof *tamer, LADLE_MEMORY_METADATA, error);
    if (tamer == NULL)
        return NULL;
    ladle_context_retain(context);
    tamer->context = context;
    tamer->least = options->least_nbytes;
    tamer->share = options->share;
    tamer->sets_threshold = may_set_threshold() && set_threshold(THRESHOLD_FIRST);
    tamer->figures.sets_threshold = tamer->sets_threshold;
    ladle_ticker_init(&tamer->ticker);
    ladle_allocator_open(&tamer->reader);
    if (ladle_ticker_start(&tamer->ticker, "ladle-tame", options->interval_ns, COST_FACTOR, tick, tamer, error) !=
        LADLE_OK) {
        ladle_tamer_release(tamer);
        return NULL;
    }
    return tamer;
}

void ladle_tamer_read(ladle_tamer *tamer, ladle_tame_figures *figures)
{
    (void)pthread_mutex_lock(&tamer->ticker.lock);
    *figures = tamer->figures;
    (void)pthread_mutex_unlock(&tamer->ticker.lock);
}

void ladle_tamer_stop(ladle_tamer *tamer)
{
    ladle_ticker_stop(&tamer->ticker);
    (void)pthread_mutex_lock(&tamer->ticker.lock);
    if (tamer->sets_threshold)
        (void)set_threshold(THRESHOLD_LAST);
    tamer->sets_threshold = false;
    (void)pthread_mutex_unlock(&tamer->ticker.lock);
}

void ladle_tamer_release(ladle_tamer *tamer)
{
    if (tamer == NULL)
        return;
    ladle_tamer_stop(tamer);
    ladle_ticker_close(&tamer->ticker);
    ladle_allocator_close(&tamer->reader);
    ladle_context *context = tamer->context;
    ladle_free(context, tamer, sizeof *tamer, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}
