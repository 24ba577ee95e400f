/* Samples into bins of time, and what is known of a run as a whole. */
#include "doctor/evidence.h"

#include "base/checked.h"

#include <string.h>

/* Start-up ends when most of the program's files are loaded, and a third of what is left of the run is over: of a short
 * run half a second, in which queues and pools fill up, but no more than a half. */
#define LOADED_SHARE 0.95
#define LOADED_NBYTES ((int64_t)2 << 20) /* less than this is no loading of libraries */
#define LOADED_LATEST 0.6                /* files that come later are not those of a start */
#define SETTLED_PART 3
#define SETTLED_PART_MOST 2
#define SETTLED_LEAST_NS ((int64_t)500000000)
/* What happens last is the program's own tidying up: not part of a trend. */
#define TIDYING_SHARE 0.05
/* Bins should hold several samples, so that a floor is one. */
#define SAMPLES_A_BIN 4
#define BINS_LEAST 8
/* What each thread may not have added to the peak yet (doctor.h). */
#define PEAK_SLACK ((int64_t)64 << 10)
#define THREADS_MOST 4096

/* What is free between two steps of a loop is used again by the next one. Memory that is free for this long does not
 * serve the next allocations. So many looks are enough, however long the run. */
#define IDLE_S 0.25
#define IDLE_LOOKS 256
#define IDLE_LOOKS_LEAST 2

#define UNSEEN INT64_MAX
/* More than any machine has: hostile samples cannot overflow what is computed from them. */
#define BYTES_MOST ((int64_t)1 << 56)

static int64_t tame(int64_t value)
{
    return value < 0 ? 0 : value > BYTES_MOST ? BYTES_MOST : value;
}

int64_t ladle_growth_that_matters(int64_t peak_rss)
{
    int64_t share = (int64_t)(LADLE_GROWTH_SHARE * (double)peak_rss);
    return share > LADLE_GROWTH_NBYTES ? share : LADLE_GROWTH_NBYTES;
}

static int64_t held_of(const ladle_sample *sample, const ladle_split *split)
{
    if (sample->heap < 0)
        return 0;
    return split->nbytes[LADLE_SHARE_LIVE] + split->nbytes[LADLE_SHARE_ROUNDING] +
           split->nbytes[LADLE_SHARE_RETURNABLE] + split->nbytes[LADLE_SHARE_PINNED];
}

static int64_t live_of(const ladle_sample *sample)
{
    ladle_heap_figures heap = ladle_heap_of(sample);
    return sample->live_usable >= 0 ? tame(sample->live_usable) : heap.used;
}

static void series_of(const ladle_sample *sample, int64_t *values)
{
    ladle_sample safe = *sample;
    safe.rss = tame(sample->rss);
    ladle_split split;
    ladle_doctor_split(&safe, 0, &split);
    values[LADLE_SERIES_RSS] = safe.rss;
    values[LADLE_SERIES_LIVE] = live_of(sample);
    values[LADLE_SERIES_PYTHON] = tame(sample->python_arenas);
    values[LADLE_SERIES_NEED] = values[LADLE_SERIES_LIVE] + values[LADLE_SERIES_PYTHON];
    values[LADLE_SERIES_HELD] = held_of(sample, &split);
    values[LADLE_SERIES_FILE] = split.nbytes[LADLE_SHARE_FILE];
    /* An observer's sample has the allocator's word from before. Since then the heap may have grown to the peak of what
     * was live; that is no growth of what malloc does not explain. */
    if (sample->kind == LADLE_SAMPLE_OUTSIDE && sample->heap >= 0 && sample->peak_live > sample->heap) {
        safe.heap = tame(sample->peak_live);
        ladle_doctor_split(&safe, 0, &split);
    }
    values[LADLE_SERIES_REST] = split.nbytes[LADLE_SHARE_REST];
}

static int bin_count(const ladle_sample *samples, int64_t count, int64_t from_ns, int64_t to_ns)
{
    int64_t inside = 0;
    for (int64_t i = 0; i < count; i++)
        inside += samples[i].time_ns >= from_ns && samples[i].time_ns <= to_ns;
    int64_t bins = inside / SAMPLES_A_BIN;
    return bins < BINS_LEAST ? BINS_LEAST : bins > LADLE_BINS ? LADLE_BINS : (int)bins;
}

static void add_sample(ladle_bins *bins, int bin, const ladle_sample *sample)
{
    int64_t values[LADLE_SERIES_COUNT];
    series_of(sample, values);
    for (int series = 0; series < LADLE_SERIES_COUNT; series++) {
        int64_t *floor = &bins->floor[series][bin], *ceiling = &bins->ceiling[series][bin];
        if (values[series] < *floor)
            *floor = values[series];
        if (values[series] > *ceiling)
            *ceiling = values[series];
    }
    for (int c = 0; c < LADLE_SIZE_CLASSES; c++)
        if (tame(sample->class_nbytes[c]) < bins->class_floor[c][bin])
            bins->class_floor[c][bin] = tame(sample->class_nbytes[c]);
}

/* Bins that saw nothing are as the one before; the first one as the last sample before it, if there is one. */
static void fill_gaps(ladle_bins *bins, int from, int to)
{
    for (int series = 0; series < LADLE_SERIES_COUNT; series++) {
        bins->floor[series][to] = bins->floor[series][from];
        bins->ceiling[series][to] = bins->ceiling[series][from];
    }
    for (int c = 0; c < LADLE_SIZE_CLASSES; c++)
        bins->class_floor[c][to] = bins->class_floor[c][from];
}

void ladle_bins_fill(ladle_bins *bins, const ladle_sample *samples, int64_t count, int64_t from_ns, int64_t to_ns)
{
    memset(bins, 0, sizeof *bins);
    int wanted = bin_count(samples, count, from_ns, to_ns), first = -1;
    double span = (double)(to_ns - from_ns);
    if (!(span > 0))
        return;
    bins->bin_s = span / wanted * 1e-9;
    for (int bin = 0; bin < wanted; bin++) {
        for (int series = 0; series < LADLE_SERIES_COUNT; series++) {
            bins->floor[series][bin] = UNSEEN;
            bins->ceiling[series][bin] = -1;
        }
        for (int c = 0; c < LADLE_SIZE_CLASSES; c++)
            bins->class_floor[c][bin] = UNSEEN;
    }
    int64_t before = -1;
    for (int64_t i = 0; i < count; i++) {
        if (samples[i].rss < 0)
            continue;
        if (samples[i].time_ns < from_ns)
            before = i;
        if (samples[i].time_ns < from_ns || samples[i].time_ns > to_ns)
            continue;
        int bin = (int)((double)(samples[i].time_ns - from_ns) / span * wanted);
        add_sample(bins, bin < wanted ? bin : wanted - 1, &samples[i]);
    }
    if (bins->floor[LADLE_SERIES_RSS][0] == UNSEEN && before >= 0)
        add_sample(bins, 0, &samples[before]);
    for (int bin = 0; bin < wanted; bin++) {
        if (bins->floor[LADLE_SERIES_RSS][bin] != UNSEEN) {
            for (int gap = first < 0 ? 0 : bin; gap < bin; gap++)
                fill_gaps(bins, bin, gap);
            first = first < 0 ? bin : first;
        } else if (first >= 0) {
            fill_gaps(bins, bin - 1, bin);
        }
    }
    bins->count = first < 0 ? 0 : wanted;
}

/* When the files that a program starts with are loaded. */
static int64_t loaded_at(const ladle_evidence *evidence)
{
    const ladle_sample *samples = evidence->samples;
    int64_t begin = tame(samples[0].file), most = begin;
    for (int64_t i = 0; i < evidence->working; i++)
        if (tame(samples[i].file) > most)
            most = tame(samples[i].file);
    if (most - begin < LOADED_NBYTES)
        return evidence->begin_ns;
    int64_t limit = begin + (int64_t)(LOADED_SHARE * (double)(most - begin));
    for (int64_t i = 0; i < evidence->working; i++)
        if (tame(samples[i].file) >= limit) {
            int64_t time_ns = tame(samples[i].time_ns);
            double share = (double)(time_ns - evidence->begin_ns) * 1e-9 / evidence->span_s;
            return share >= 0 && share <= LOADED_LATEST ? time_ns : evidence->begin_ns;
        }
    return evidence->begin_ns;
}

static void gather_most(ladle_evidence *evidence)
{
    int64_t metered_peak = -1, headers = 0, need = 0;
    for (int64_t i = 0; i <= evidence->last; i++) {
        const ladle_sample *sample = &evidence->samples[i];
        int64_t values[LADLE_SERIES_COUNT];
        series_of(sample, values);
        ladle_heap_figures heap = ladle_heap_of(sample);
        if (tame(sample->rss) > evidence->peak_rss) {
            evidence->peak_rss = tame(sample->rss);
            evidence->peak_index = i;
        }
        if (sample->peak_live > metered_peak)
            metered_peak = sample->peak_live;
        if (heap.used > need)
            need = heap.used;
        if (heap.used - values[LADLE_SERIES_LIVE] > headers)
            headers = heap.used - values[LADLE_SERIES_LIVE];
        if (values[LADLE_SERIES_HELD] > evidence->held_most)
            evidence->held_most = values[LADLE_SERIES_HELD];
        if (i == evidence->last && sample->kind != LADLE_SAMPLE_OUTSIDE)
            evidence->last_held = values[LADLE_SERIES_HELD];
        if (tame(sample->heap_arenas) > evidence->arenas_most)
            evidence->arenas_most = tame(sample->heap_arenas);
        if (sample->threads > evidence->threads_most)
            evidence->threads_most = sample->threads < THREADS_MOST ? sample->threads : THREADS_MOST;
        evidence->heap_known |= heap.known;
    }
    evidence->need_is_exact = metered_peak >= 0;
    int64_t exact =
        tame(metered_peak) + headers + PEAK_SLACK * (evidence->threads_most < 1 ? 1 : evidence->threads_most);
    evidence->need_most = metered_peak >= 0 && exact > need ? exact : need;
}

/* The sample of [from_ns, to_ns] with the least free memory, NULL if there is none; goes on from *next. */
static const ladle_sample *least_free(const ladle_evidence *evidence, int64_t *next, int64_t from_ns, int64_t to_ns)
{
    const ladle_sample *found = NULL;
    int64_t least = 0;
    while (*next < evidence->working && evidence->samples[*next].time_ns < from_ns)
        ++*next;
    for (int64_t i = *next; i < evidence->working && evidence->samples[i].time_ns <= to_ns; i++) {
        const ladle_sample *sample = &evidence->samples[i];
        if (sample->heap < 0 || sample->rss < 0)
            continue;
        int64_t dead = ladle_heap_of(sample).dead;
        if (found == NULL || dead < least) {
            found = sample;
            least = dead;
        }
    }
    return found;
}

static void gather_idle(ladle_evidence *evidence, int64_t cut_ns)
{
    double free[IDLE_LOOKS], held[IDLE_LOOKS], largest[IDLE_LOOKS];
    double span = (double)(cut_ns - evidence->settled_ns), wanted = span * 1e-9 / IDLE_S;
    int looks = wanted > IDLE_LOOKS ? IDLE_LOOKS : (int)wanted, count = 0;
    int64_t next = 0;
    evidence->idle_largest = -1;
    for (int look = 0; look < looks; look++) {
        int64_t from_ns = evidence->settled_ns + (int64_t)(span * look / looks);
        const ladle_sample *sample = least_free(evidence, &next, from_ns, from_ns + (int64_t)(IDLE_S * 1e9));
        if (sample == NULL)
            continue;
        ladle_split split;
        ladle_doctor_split(sample, 0, &split);
        free[count] = (double)(split.nbytes[LADLE_SHARE_RETURNABLE] + split.nbytes[LADLE_SHARE_PINNED]);
        held[count] = (double)held_of(sample, &split);
        /* An observer's sample has the allocator's word from before. If that knew of little of what is free, it knew
         * nothing of its holes. */
        largest[count] = sample->heap_largest_holes < 0 ? -1 : (double)tame(sample->heap_largest_holes);
        if (largest[count] > 0 && (double)sample->heap_free < 0.5 * free[count])
            largest[count] = free[count];
        count++;
    }
    if (count < IDLE_LOOKS_LEAST)
        return;
    evidence->idle = (int64_t)ladle_median(free, count);
    evidence->idle_held = (int64_t)ladle_median(held, count);
    evidence->idle_largest = (int64_t)ladle_median(largest, count);
}

static int64_t wanted_bytes(const ladle_sample *sample)
{
    return (sample->live_requested >= 0 ? tame(sample->live_requested) : live_of(sample)) + tame(sample->python_arenas);
}

static void gather_probes(ladle_evidence *evidence)
{
    evidence->garbage = evidence->trimmed = -1;
    const ladle_sample *before = NULL, *end = NULL;
    for (int64_t i = 0; i < evidence->count; i++) {
        const ladle_sample *sample = &evidence->samples[i];
        if (sample->kind == LADLE_SAMPLE_BEFORE_COLLECT) {
            before = sample;
        } else if (sample->kind == LADLE_SAMPLE_AFTER_COLLECT && before != NULL) {
            int64_t found = wanted_bytes(before) - wanted_bytes(sample);
            evidence->garbage = found > 0 ? found : 0;
        } else if (sample->kind == LADLE_SAMPLE_END) {
            end = sample;
        } else if (sample->kind == LADLE_SAMPLE_AFTER_TRIM && end != NULL) {
            int64_t returned = tame(end->rss) - tame(sample->rss);
            evidence->trimmed = returned > 0 ? returned : 0;
        }
    }
}

void ladle_evidence_gather(ladle_evidence *evidence, const ladle_sample *samples, int64_t count)
{
    memset(evidence, 0, sizeof *evidence);
    evidence->samples = samples;
    evidence->count = count;
    evidence->garbage = evidence->trimmed = -1;
    if (count <= 0)
        return;
    while (evidence->working < count && samples[evidence->working].kind < LADLE_SAMPLE_BEFORE_COLLECT)
        evidence->working++;
    bool probed = evidence->working < count && (samples[evidence->working].kind == LADLE_SAMPLE_BEFORE_COLLECT ||
                                                samples[evidence->working].kind == LADLE_SAMPLE_END);
    evidence->last = probed || evidence->working == 0 ? evidence->working : evidence->working - 1;
    evidence->begin_ns = tame(samples[0].time_ns);
    evidence->end_ns = tame(samples[evidence->last].time_ns);
    evidence->span_s = (double)(evidence->end_ns - evidence->begin_ns) * 1e-9;
    evidence->final_rss = tame(samples[evidence->last].rss);
    int64_t values[LADLE_SERIES_COUNT];
    series_of(&samples[evidence->last], values);
    evidence->last_need = probed ? values[LADLE_SERIES_NEED] : -1;
    gather_most(evidence);
    gather_probes(evidence);
    if (!(evidence->span_s > 0))
        return;
    int64_t loaded = loaded_at(evidence);
    int64_t left = evidence->end_ns - loaded, least = ladle_min(SETTLED_LEAST_NS, left / SETTLED_PART_MOST);
    evidence->settled_ns = loaded + ladle_max(left / SETTLED_PART, least);
    int64_t cut = evidence->end_ns - (int64_t)(TIDYING_SHARE * (double)(evidence->end_ns - evidence->begin_ns));
    ladle_bins_fill(&evidence->all, samples, evidence->working, evidence->begin_ns, cut);
    ladle_bins_fill(&evidence->settled, samples, evidence->working, evidence->settled_ns, cut);
    gather_idle(evidence, cut);
}
