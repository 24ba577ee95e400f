/* What a verdict rests on: the samples of a process's working time, in bins of time with the floor and the ceiling of
 * each figure, and what they come to. Samples come in bursts and at random moments between an allocation and its
 * free; floors do not depend on that. Pure functions, no allocation.
 */
#ifndef LADLE_DOCTOR_EVIDENCE_H
#define LADLE_DOCTOR_EVIDENCE_H

#include <ladle/doctor.h>

/* The allocator's heap by one sample, as far as it is known. Bytes. */
typedef struct ladle_heap_figures {
    bool known;         /* the allocator said what it holds */
    int64_t requested;  /* by the program, live */
    int64_t used;       /* the same with rounding and headers */
    int64_t dead;       /* held and not used */
    int64_t returnable; /* of it */
} ladle_heap_figures;

ladle_heap_figures ladle_heap_of(const ladle_sample *sample);

/* Figures that are followed over time. */
enum {
    LADLE_SERIES_RSS,
    LADLE_SERIES_LIVE,   /* usable bytes of live blocks, touched or not */
    LADLE_SERIES_PYTHON, /* arenas */
    LADLE_SERIES_NEED,   /* the two together: what the program wants to keep */
    LADLE_SERIES_HELD,   /* resident and malloc's: live, rounding, free */
    LADLE_SERIES_FILE,
    LADLE_SERIES_REST,
    LADLE_SERIES_COUNT
};

#define LADLE_BINS 24

/* A stretch of time in bins of equal length. A bin without a sample is as the one before: the meter samples when
 * allocations move something. */
typedef struct ladle_bins {
    int count; /* 0 where there is nothing to see */
    double bin_s;
    int64_t floor[LADLE_SERIES_COUNT][LADLE_BINS];
    int64_t ceiling[LADLE_SERIES_COUNT][LADLE_BINS];
    int64_t class_floor[LADLE_SIZE_CLASSES][LADLE_BINS];
} ladle_bins;

/* `samples` in order of time, all with a time in [from_ns, to_ns] count. */
void ladle_bins_fill(ladle_bins *bins, const ladle_sample *samples, int64_t count, int64_t from_ns, int64_t to_ns);

/* How a row of numbers moves. */
typedef struct ladle_trend {
    double growth; /* from its first to its last bin, by the median of all slopes (Theil-Sen) */
    double order;  /* -1 to 1: how many pairs rise, less those that fall (Kendall's tau against time) */
    double tail;   /* growth a bin over the last third, by the median of its slopes or by its ends */
    bool rises;    /* all the way, and at the end too */
    int64_t first, last;
    int64_t early;   /* median of the first bins */
    int64_t late;    /* median of the last third */
    int64_t scatter; /* median distance from the late one, over the last third */
} ladle_trend;

ladle_trend ladle_trend_of(const int64_t *values, int count);

/* The median of `count` > 0 numbers; reorders them. */
double ladle_median(double *values, int count);

/* What is known of a process's whole run. */
typedef struct ladle_evidence {
    const ladle_sample *samples; /* all of them */
    int64_t count;
    int64_t working;                      /* samples of the working time: the first so many */
    int64_t last;                         /* index of the last sample before any probe */
    int64_t begin_ns, settled_ns, end_ns; /* of the working time; when start-up is over */
    double span_s;
    ladle_bins all, settled; /* bins over the whole working time, and after start-up, without the very end */
    int64_t peak_rss, peak_index, final_rss;
    int64_t need_most;  /* most bytes that were live at once, with headers */
    bool need_is_exact; /* by the meter's peak; else by samples, which may miss it */
    int64_t held_most;  /* most that the allocator held resident; 0: unknown */
    int64_t last_need;  /* live and arenas in the last sample, the work being over; -1: the end was not seen */
    int64_t last_held;  /* the same, in the last sample; 0: an observer's, or unknown */
    int64_t arenas_most;
    /* Free for a quarter of a second and longer, in half of the run after start-up; the heap then; of what is free
     * then, in the largest free stretch of each arena, -1: unknown. */
    int64_t idle, idle_held, idle_largest;
    int32_t threads_most;
    bool heap_known;
    int64_t garbage, trimmed; /* by the probes; -1: not asked */
} ladle_evidence;

void ladle_evidence_gather(ladle_evidence *evidence, const ladle_sample *samples, int64_t count);

/* Growth of RSS below this is none: an arena, a library or a lazily imported module comes to as much. */
#define LADLE_GROWTH_NBYTES ((int64_t)8 << 20)
#define LADLE_GROWTH_SHARE 0.05
int64_t ladle_growth_that_matters(int64_t peak_rss);

#endif
