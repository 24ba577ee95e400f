/* A watch: samples of this process by a thread of the library, with the allocator's own word for what is live. */
#include "base/checked.h"
#include "base/error.h"
#include "base/proc.h"
#include "doctor/allocator.h"
#include "doctor/ticker.h"
#include "memory/context.h"

#include <ladle/doctor.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Samples at the ends always have room. */
#define KEPT_FREE 8

/* Samples take 2 % of a core at most. */
#define COST_FACTOR 50

/* One sample without its size classes, which only a meter knows. */
#define HEAD_NBYTES (offsetof(ladle_sample, class_nbytes))

typedef struct entry {
    int64_t ledger;
    unsigned char head[HEAD_NBYTES];
} entry;

struct ladle_watch {
    ladle_context *context;
    ladle_ticker ticker;
    ladle_allocator_reader reader;
    int64_t (*python_arenas)(void);
    int64_t start_ns;
    int64_t peak_live;
    int64_t count;
    entry entries[LADLE_WATCH_SAMPLES];
};

/* --- one sample ------------------------------------------------------------------------------ */

static void read_kernel(ladle_sample *sample)
{
    char text[8192] = "";
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t nbytes = read(fd, text, sizeof text - 1);
        text[nbytes > 0 ? nbytes : 0] = '\0';
        (void)close(fd);
    }
    sample->threads = (int32_t)ladle_proc_field(text, "\nThreads:");
    sample->rss = ladle_proc_nbytes(text, "\nVmRSS:");
    sample->anonymous = ladle_proc_nbytes(text, "\nRssAnon:");
    sample->file = ladle_proc_nbytes(text, "\nRssFile:");
    sample->shared = ladle_proc_nbytes(text, "\nRssShmem:");
    struct rusage usage;
    bool known = getrusage(RUSAGE_SELF, &usage) == 0;
    sample->minor_faults = known ? (int64_t)usage.ru_minflt : -1;
    sample->major_faults = known ? (int64_t)usage.ru_majflt : -1;
}

/* Keeps every second sample, and doubles the interval: a watch of any length keeps its whole history. */
static void thin_out(ladle_watch *watch)
{
    int64_t spacing = (ladle_ticker_now() - watch->start_ns) / watch->count, kept = 1;
    for (int64_t i = 2; i < watch->count; i += 2)
        watch->entries[kept++] = watch->entries[i];
    watch->count = kept;
    /* Samples that cost much come at longer intervals than asked. */
    watch->ticker.interval_ns = 2 * ladle_max(watch->ticker.interval_ns, spacing);
}

/* With the ticker's lock. */
static void take(ladle_watch *watch, ladle_sample_kind kind)
{
    if (kind == LADLE_SAMPLE_INSIDE && watch->count >= LADLE_WATCH_SAMPLES - KEPT_FREE)
        thin_out(watch);
    if (watch->count >= LADLE_WATCH_SAMPLES)
        return;
    ladle_sample sample = {.kind = (int32_t)kind, .live_blocks = -1, .allocations = -1, .frees = -1, .allocated = -1};
    sample.time_ns = ladle_ticker_now() - watch->start_ns;
    read_kernel(&sample);
    ladle_allocator_figures figures;
    ladle_allocator_read(&watch->reader, &figures);
    watch->peak_live = ladle_max(watch->peak_live, figures.in_use);
    sample.live_requested = sample.live_usable = figures.in_use;
    sample.peak_live = watch->peak_live;
    sample.heap = figures.heap;
    sample.heap_free = figures.free;
    sample.heap_returnable = figures.returnable;
    sample.heap_arenas = figures.arenas;
    sample.heap_largest_holes = figures.stretches;
    sample.python_arenas = watch->python_arenas == NULL ? -1 : watch->python_arenas();
    ladle_memory_info ledger = {.struct_size = sizeof ledger};
    ladle_context_memory(watch->context, &ledger);
    entry *last = &watch->entries[watch->count++];
    last->ledger = ledger.total;
    memcpy(last->head, &sample, HEAD_NBYTES);
}

static void tick(void *user)
{
    take(user, LADLE_SAMPLE_INSIDE);
}

/* --- the watch ------------------------------------------------------------------------------- */

ladle_watch *ladle_watch_create(ladle_context *context, int64_t interval_ns, int64_t (*python_arenas)(void),
                                ladle_error *error)
{
    if (interval_ns < LADLE_WATCH_INTERVAL_LEAST_NS) {
        (void)ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "an interval of %lld ns is below 1 ms",
                         (long long)interval_ns);
        return NULL;
    }
    ladle_watch *watch = ladle_alloc(context, sizeof *watch, LADLE_MEMORY_METADATA, error);
    if (watch == NULL)
        return NULL;
    ladle_context_retain(context);
    watch->context = context;
    watch->python_arenas = python_arenas;
    watch->start_ns = ladle_ticker_now();
    watch->peak_live = -1;
    ladle_ticker_init(&watch->ticker);
    ladle_allocator_open(&watch->reader);
    take(watch, LADLE_SAMPLE_START);
    if (ladle_ticker_start(&watch->ticker, "ladle-watch", interval_ns, COST_FACTOR, tick, watch, error) != LADLE_OK) {
        ladle_watch_release(watch);
        return NULL;
    }
    return watch;
}

void ladle_watch_sample(ladle_watch *watch, ladle_sample_kind kind)
{
    (void)pthread_mutex_lock(&watch->ticker.lock);
    take(watch, kind);
    (void)pthread_mutex_unlock(&watch->ticker.lock);
}

void ladle_watch_stop(ladle_watch *watch)
{
    ladle_ticker_stop(&watch->ticker);
}

int64_t ladle_watch_read(ladle_watch *watch, ladle_sample *samples, int64_t *ledger)
{
    (void)pthread_mutex_lock(&watch->ticker.lock);
    int64_t count = watch->count;
    for (int64_t i = 0; i < count; i++) {
        memset(&samples[i], 0, sizeof samples[i]);
        memcpy(&samples[i], watch->entries[i].head, HEAD_NBYTES);
        if (ledger != NULL)
            ledger[i] = watch->entries[i].ledger;
    }
    (void)pthread_mutex_unlock(&watch->ticker.lock);
    return count;
}

void ladle_watch_release(ladle_watch *watch)
{
    if (watch == NULL)
        return;
    ladle_watch_stop(watch);
    ladle_ticker_close(&watch->ticker);
    ladle_allocator_close(&watch->reader);
    ladle_context *context = watch->context;
    ladle_free(context, watch, sizeof *watch, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}
