/* Inside samples: the kernel's figures, the counters, the allocator's figures, at one time. */
#include "base/proc.h"
#include "doctor/meter/beside.h"
#include "doctor/meter/meter.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    COST_FACTOR = 50, /* a sample is followed by so many times what it cost: 2 % of a thread's time at most */
    SOONEST_NS = 1000000,
    KEPT_FREE = 8 /* room for the samples at the end */
};

int64_t meter_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* What the thread has spent of its processor, ns: a sample costs that, and not the time that others had it for. */
static int64_t spent(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_kernel(ladle_sample *sample)
{
    static char text[4096]; /* the sampler's alone: a thread may have little stack */
    struct rusage usage;
    sample->rss = sample->anonymous = sample->file = sample->shared = sample->threads = -1;
    if (meter_read_file("/proc/self/status", text, sizeof text) > 0) {
        int64_t *const fields[] = {&sample->rss, &sample->anonymous, &sample->file, &sample->shared};
        static const char *const names[] = {"\nVmRSS:", "\nRssAnon:", "\nRssFile:", "\nRssShmem:"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            *fields[i] = ladle_proc_nbytes(text, names[i]);
        sample->threads = (int32_t)ladle_proc_field(text, "\nThreads:");
    }
    sample->minor_faults = sample->major_faults = -1;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        sample->minor_faults = usage.ru_minflt;
        sample->major_faults = usage.ru_majflt;
    }
}

/* Keeps every second inside sample, and doubles the interval: a run of any length keeps its whole history. */
static void thin_out(void)
{
    ladle_meter_header *header = meter_here.header;
    int64_t count = atomic_load(&header->sample_count), kept = 0;
    bool keep = false;
    atomic_fetch_add(&header->sample_epoch, 1);
    for (int64_t i = 0; i < count; i++) {
        keep = !keep || meter_here.samples[i].kind != LADLE_SAMPLE_INSIDE;
        if (keep && kept++ < i)
            meter_here.samples[kept - 1] = meter_here.samples[i];
    }
    atomic_store(&header->sample_count, kept);
    atomic_fetch_add(&header->sample_epoch, 1);
    meter_here.interval_ns *= 2;
}

static void take(ladle_sample_kind kind)
{
    ladle_meter_header *header = meter_here.header;
    int64_t start = meter_now(), spent_before = spent();
    int64_t wanted = atomic_load(&header->wanted);
    if (kind == LADLE_SAMPLE_INSIDE && atomic_load(&header->sample_count) >= LADLE_METER_SAMPLES - KEPT_FREE)
        thin_out();
    int64_t count = atomic_load(&header->sample_count);
    if (count >= LADLE_METER_SAMPLES)
        return;
    ladle_sample *sample = &meter_here.samples[count];
    sample->kind = (int32_t)kind;
    sample->time_ns = start - header->start_ns;
    read_kernel(sample);
    meter_figures figures;
    meter_allocator_figures(&figures);
    sample->heap = figures.heap;
    sample->heap_free = figures.heap_free;
    sample->heap_returnable = figures.heap_returnable;
    sample->heap_arenas = figures.heap_arenas;
    sample->heap_largest_holes = figures.heap_largest_holes;
    sample->python_arenas = atomic_load(&header->python_arenas);
    ladle_meter_total(meter_here.slots, atomic_load(&header->slots_used), sample);
    int64_t peak = atomic_load(&header->peak);
    while (sample->live_usable > peak && !atomic_compare_exchange_weak(&header->peak, &peak, sample->live_usable)) {
    }
    sample->peak_live = atomic_load(&header->peak);
    atomic_store(&header->sample_count, count + 1);
    int64_t end = meter_now(), rest = COST_FACTOR * (spent() - spent_before);
    atomic_store(&meter_here.soonest, end + (rest > SOONEST_NS ? rest : SOONEST_NS));
    atomic_store(&meter_here.due, end + (rest > meter_here.interval_ns ? rest : meter_here.interval_ns));
    atomic_store(&meter_here.served, wanted);
    if (meter_here.options.map)
        meter_map_tick(sample);
    if (meter_here.options.stacks)
        meter_stacks_tick(sample);
}

void meter_tick(void)
{
    ladle_meter_header *header = meter_here.header;
    if (METER_UNLIKELY(atomic_load_explicit(&meter_python_waits, memory_order_relaxed)) && meter_self.guard == 0)
        meter_python_tick();
    struct timespec coarse;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse); /* a few ms behind, at a fifth of the price */
    int64_t now = (int64_t)coarse.tv_sec * 1000000000 + coarse.tv_nsec;
    bool is_wanted = atomic_load_explicit(&header->wanted, memory_order_relaxed) !=
                     atomic_load_explicit(&meter_here.served, memory_order_relaxed);
    if (now < atomic_load_explicit(is_wanted ? &meter_here.soonest : &meter_here.due, memory_order_relaxed))
        return;
    if (meter_self.guard > 0 || atomic_exchange(&meter_here.sampler, 1) != 0)
        return;
    int saved = errno;
    meter_raise();
    if (getpid() == meter_here.pid) { /* else: a child that shares this memory until it execs */
        take(LADLE_SAMPLE_INSIDE);
    }
    meter_lower();
    errno = saved;
    atomic_store(&meter_here.sampler, 0);
}

void meter_sample(ladle_sample_kind kind)
{
    if (atomic_load(&meter_here.state) != METER_ON || getpid() != meter_here.pid)
        return;
    int saved = errno;
    meter_raise();
    /* A signal's handler that ends the program may have interrupted this thread's own sample. */
    int tries = 0;
    while (atomic_exchange(&meter_here.sampler, 1) != 0 && tries++ < 100000)
        (void)sched_yield();
    take(kind);
    atomic_store(&meter_here.sampler, 0);
    meter_lower();
    errno = saved;
}

void meter_finish(bool may_trim)
{
    static _Atomic int is_finished;
    if (atomic_load(&meter_here.state) == METER_FORKED)
        meter_begin();
    if (atomic_load(&meter_here.state) != METER_ON || getpid() != meter_here.pid ||
        atomic_exchange(&is_finished, (int)meter_here.pid) == (int)meter_here.pid)
        return;
    meter_sample(LADLE_SAMPLE_END);
    if (may_trim && meter_here.options.trim) {
        meter_raise();
        meter_allocator_trim();
        meter_lower();
        meter_sample(LADLE_SAMPLE_AFTER_TRIM);
    }
    atomic_store(&meter_here.header->end, LADLE_RECORDING_EXITED);
}
