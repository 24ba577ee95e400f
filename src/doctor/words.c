/* A verdict in words: the cause, its evidence in figures, and the cure. */
#include "doctor/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes as a reader wants them: "812 kB", "3.1 MB", "1162 MB", "24.5 GB". */
typedef struct words {
    char text[24];
} words;

static words bytes(double nbytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    words out;
    int unit = 0;
    /* Thousands of MB are read at a glance; of others the next unit is. */
    while (unit < 5 && nbytes >= (unit == 2 ? 9999.5 : 999.5)) {
        nbytes /= 1000;
        unit++;
    }
    snprintf(out.text, sizeof out.text, unit > 0 && nbytes < 9.95 ? "%.1f %s" : "%.0f %s", nbytes, units[unit]);
    return out;
}

#define BYTES(nbytes) (bytes((double)(nbytes)).text)

/* Appends to a text of `size` bytes. */
static void add(char *text, size_t size, const char *format, ...) LADLE_PRINTF(3, 4);

static void add(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

#define SAY(...) add(verdict->sentence, sizeof verdict->sentence, __VA_ARGS__)
#define CURE(...) add(verdict->cure, sizeof verdict->cure, __VA_ARGS__)

/* Where it grew: the size class with most of it. */
static void tell_classes(const int64_t *growth, ladle_verdict *verdict)
{
    double total = 0;
    int most = -1;
    for (int c = 0; c < LADLE_SIZE_CLASSES; c++) {
        if (growth[c] <= 0)
            continue;
        total += (double)growth[c];
        if (most < 0 || growth[c] > growth[most])
            most = c;
    }
    if (most < 0)
        return;
    double share = 100 * (double)growth[most] / total;
    long long from = most == 0 ? 1 : (long long)ladle_size_class_limit(most - 1) + 1;
    if (most == LADLE_SIZE_CLASSES - 1)
        SAY("; %.0f %% of it in blocks of %lld bytes and more", share, from);
    else
        SAY("; %.0f %% of it in blocks of %lld to %lld bytes", share, from, (long long)ladle_size_class_limit(most));
}

static void tell_rise(const ladle_findings *found, int64_t to, ladle_verdict *verdict)
{
    if (found->need_begin > to / 100)
        SAY("live memory rose from %s to %s", BYTES(found->need_begin), BYTES(to));
    else
        SAY("live memory rose to %s", BYTES(to));
}

static void tell_leak(const ladle_findings *found, const ladle_evidence *evidence, ladle_verdict *verdict)
{
    if (found->reason == LADLE_REASON_SLOW) {
        SAY("beside what comes and goes, live memory grew steadily by %s in %.1f s (%s/s), to the end",
            BYTES(found->nbytes), evidence->settled.bin_s * (evidence->settled.count - 1), BYTES(found->rate));
    } else {
        tell_rise(found, found->need.last, verdict);
        SAY(" and was still rising at %s/s", BYTES(found->rate));
    }
    const ladle_bins *bins = &evidence->settled;
    int64_t python = bins->floor[LADLE_SERIES_PYTHON][bins->count - 1] - bins->floor[LADLE_SERIES_PYTHON][0];
    if (found->reason != LADLE_REASON_SLOW && python > found->nbytes / 2)
        SAY("; most of it in Python's small objects, of up to 512 bytes");
    else
        tell_classes(verdict->class_growth, verdict);
    if (evidence->last_need >= 0 && found->need.last - evidence->last_need >= found->matters)
        SAY("; the program freed %s itself when its work was over", BYTES(found->need.last - evidence->last_need));
    if (evidence->garbage >= 0)
        SAY("; Python's collector freed %s of it", BYTES(evidence->garbage));
    CURE("Find where these blocks are asked for: run it again with --stacks (in Python also tracemalloc), and look for "
         "lists, dicts and registries that only grow. What is meant to be kept until the end of the work is no leak.");
}

static void tell_heap(const ladle_findings *found, const ladle_evidence *evidence, ladle_verdict *verdict)
{
    if (found->reason == LADLE_REASON_SCATTERED) {
        SAY("of the %s that the allocator held, %s were free for most of the time and went unused for a quarter of a second "
            "and longer, scattered in holes between live blocks (the largest %s); the largest need was %s",
            BYTES(evidence->idle_held), BYTES(found->nbytes), BYTES(evidence->idle_largest),
            BYTES(evidence->need_most));
        CURE("Have whole pages of the holes returned between steps: malloc_trim(0), in Python ladle.memory.tame(). "
             "Compare allocators on it: ladle doctor --allocators glibc,glibc-tuned,mimalloc,jemalloc,tcmalloc -- "
             "COMMAND.");
    } else if (found->kind == LADLE_VERDICT_FRAGMENTATION) {
        SAY("the allocator held %s, although the program never had more than %s live at once: %s of holes that "
            "new blocks were not placed in",
            BYTES(evidence->held_most), BYTES(evidence->need_most), BYTES(found->nbytes));
        if (evidence->arenas_most >= 4)
            SAY(", spread over %lld arenas", (long long)evidence->arenas_most);
        if (evidence->arenas_most >= 4)
            CURE("Many threads, each with an arena: with glibc set MALLOC_ARENA_MAX=2. ");
        CURE("Compare allocators on it: ladle doctor --allocators glibc,glibc-tuned,mimalloc,jemalloc,tcmalloc -- "
             "COMMAND. In Python: ladle.memory.tame().");
    } else {
        SAY("the program once needed %s and at the end no more than %s, but the allocator kept %s of it",
            BYTES(evidence->need_most), BYTES(found->live_late), BYTES(found->nbytes));
        CURE("Have it returned after the large phase: malloc_trim(0), in Python ladle.memory.trim(); or set "
             "MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ (glibc), so that large blocks are given back by free.");
    }
    if (evidence->trimmed >= 0)
        SAY("; asked at the end, it returned %s", BYTES(evidence->trimmed));
}

static void tell_short(const ladle_evidence *evidence, ladle_verdict *verdict)
{
    SAY("%lld %s in %.2f s show no trend; RSS was %s at its peak, %s of it live at most", (long long)evidence->working,
        evidence->working == 1 ? "sample" : "samples", evidence->span_s > 0 ? evidence->span_s : 0.0,
        BYTES(evidence->peak_rss), BYTES(evidence->need_most));
    CURE("Give it more work: some seconds are enough.");
}

static void tell_growth(const ladle_findings *found, const ladle_evidence *evidence, ladle_verdict *verdict)
{
    const char *unsaid = evidence->heap_known ? "" : " (what this allocator holds free is part of it: it does not say)";
    if (found->kind == LADLE_VERDICT_LEVELS_OFF && found->reason == LADLE_REASON_NEED) {
        SAY("live memory rose by %s after start-up, to %s, and stopped there", BYTES(found->nbytes),
            BYTES(found->need.late));
        CURE("Nothing, if a cache or a warm-up of this size is meant; else bound the cache.");
    } else if (found->kind == LADLE_VERDICT_LEVELS_OFF) {
        SAY("memory outside of malloc rose by %s after start-up, to %s, and stopped there%s", BYTES(found->nbytes),
            BYTES(found->rest.late), unsaid);
        CURE("Nothing, if the program's own mappings and shared memory are meant to be as large.");
    } else if (found->reason == LADLE_REASON_REST) {
        SAY("RSS rose by %s after start-up and still does, in memory that is neither a file's nor, as far as is known, "
            "malloc's: the program's own mappings, shared memory, stacks%s",
            BYTES(found->nbytes), unsaid);
        CURE("Look at /proc/PID/smaps while it runs for the mapping that grows.");
    } else {
        SAY("RSS rose from %s after start-up to %s, without a trend that says why: what is live ended at %s",
            BYTES(found->rss_settled), BYTES(found->rss_most_after), BYTES(found->need.late));
        CURE("Let it run longer.");
    }
}

void ladle_findings_tell(const ladle_findings *found, const ladle_evidence *evidence, ladle_verdict *verdict)
{
    switch (found->kind) {
    case LADLE_VERDICT_LEAK: tell_leak(found, evidence, verdict); break;
    case LADLE_VERDICT_FRAGMENTATION:
    case LADLE_VERDICT_RETENTION: tell_heap(found, evidence, verdict); break;
    case LADLE_VERDICT_GARBAGE:
        tell_rise(found, found->need.last, verdict);
        SAY(", and Python's collector freed %s of it when asked at the end: objects that refer to each other, which it "
            "was not called often enough to find",
            BYTES(evidence->garbage));
        CURE(
            "Call gc.collect() after each step; better, break the cycle: weakref for the reference back, or del the large "
            "member when it is done with.");
        break;
    case LADLE_VERDICT_FILE_PAGES:
        SAY("resident pages of files rose by %s after start-up, to %s: the system takes them back when it needs memory",
            BYTES(found->nbytes), BYTES(found->file.rises ? found->file.last : found->file.late));
        CURE("Nothing, as a rule; where a limit counts them: read instead of mmap, or madvise(MADV_DONTNEED) what is "
             "done with.");
        break;
    case LADLE_VERDICT_NO_GROWTH:
        SAY("RSS was %s when start-up was over and no higher than %s after that", BYTES(found->rss_settled),
            BYTES(found->rss_most_after > found->rss_settled ? found->rss_most_after : found->rss_settled));
        if (evidence->garbage >= found->matters)
            SAY("; at the end Python's collector freed %s of garbage", BYTES(evidence->garbage));
        break;
    default:
        if (found->reason == LADLE_REASON_SHORT) {
            tell_short(evidence, verdict);
            break;
        }
        /* fall through */
    case LADLE_VERDICT_LEVELS_OFF: tell_growth(found, evidence, verdict); break;
    }
}
