/* The verdict: what a run's growth is made of. Each cause that the evidence supports is a candidate with the bytes of
 * growth that it explains; the largest one decides. A cause is a candidate only when its bytes matter against the
 * process's peak.
 */
#include "doctor/judge.h"

#include <string.h>

const char *ladle_verdict_name(ladle_verdict_kind kind)
{
    static const char *const names[LADLE_VERDICT_COUNT] = {
        "not enough evidence", "leak",       "fragmentation", "retention",
        "garbage cycles",      "levels off", "file pages",    "no growth",
    };
    return (unsigned)kind < LADLE_VERDICT_COUNT ? names[kind] : "unknown";
}

/* Fewer samples show no trend. In less time a program has hardly started: whatever it builds up looks like a leak. */
#define SAMPLES_LEAST 8
#define SPAN_LEAST_S 1.0
/* A heap that is this much larger than the largest need has holes that could not be used. Allocators that pack well are
 * within a tenth, those that keep freed pages for a while within a third. Where the need is known from samples only,
 * peaks between them were missed. */
#define EXCESS_SHARE 0.4
#define EXCESS_SHARE_INEXACT 0.5
/* Retained: a quarter of the heap was not needed at any time of the last quarter of the run. */
#define RETAINED_SHARE 0.25
/* Scattered: for most of the time this share of the heap is free, and the largest free stretches are less than half
 * of it. glibc returns only what is free at the end of an arena; one stretch would be there, or one block away. */
#define IDLE_SHARE 0.3
#define STRETCH_SHARE 0.5
/* The probe must find this share of the growth to call it garbage. */
#define GARBAGE_SHARE 0.5
/* A slow leak, by the floor of a size class: so many bytes, in bins that nearly all rise, none of which has most of
 * it, at a rate that doubles the process within a day. */
#define SLOW_NBYTES ((int64_t)64 << 10)
#define SLOW_ORDER 0.8
#define SLOW_TAIL 0.5
#define SLOW_STEP_SHARE 0.4
#define DAY_S 86400.0
/* Where no part of RSS has grown by what matters, so many times that are needed to say that the whole has: 8 % of the
 * peak. Queues that fill up in the first steps were seen to take 7, an allocator that copes with holes 9. */
#define UNEXPLAINED_GROWTHS 1.6

static double per_second(const ladle_bins *bins, double growth)
{
    return bins->count < 2 ? 0 : growth / (bins->bin_s * (bins->count - 1));
}

static void offer(ladle_findings *found, ladle_verdict_kind kind, ladle_reason reason, int64_t nbytes)
{
    if (nbytes <= found->nbytes)
        return;
    found->kind = kind;
    found->reason = reason;
    found->nbytes = nbytes;
}

/* The least of the heap held, and the most that was live, in the last quarter of the working time. Where the allocator
 * was not asked in that time, its word at the end holds for it too, as long as RSS was no smaller. */
static void late_heap(const ladle_evidence *evidence, int64_t *held, int64_t *live)
{
    const ladle_bins *bins = &evidence->all;
    int64_t rss = INT64_MAX;
    *held = bins->count == 0 ? 0 : INT64_MAX;
    *live = 0;
    for (int bin = bins->count - bins->count / 4; bin < bins->count; bin++) {
        if (bins->floor[LADLE_SERIES_HELD][bin] < *held)
            *held = bins->floor[LADLE_SERIES_HELD][bin];
        if (bins->ceiling[LADLE_SERIES_LIVE][bin] > *live)
            *live = bins->ceiling[LADLE_SERIES_LIVE][bin];
        if (bins->floor[LADLE_SERIES_RSS][bin] < rss)
            rss = bins->floor[LADLE_SERIES_RSS][bin];
    }
    if (bins->count > 0 && evidence->last_held > *held && rss >= evidence->final_rss - evidence->final_rss / 16)
        *held = evidence->last_held;
}

static bool is_scattered(const ladle_evidence *evidence, int64_t matters)
{
    return evidence->idle >= matters && (double)evidence->idle >= IDLE_SHARE * (double)evidence->idle_held &&
           evidence->idle_largest > 0 && (double)evidence->idle_largest < STRETCH_SHARE * (double)evidence->idle;
}

static void judge_heap(const ladle_evidence *evidence, ladle_findings *found)
{
    int64_t matters = found->matters, excess = evidence->held_most - evidence->need_most;
    double share = evidence->need_is_exact ? EXCESS_SHARE : EXCESS_SHARE_INEXACT;
    int64_t held, live;
    late_heap(evidence, &held, &live);
    found->held_late = held;
    found->live_late = live;
    int64_t needed_once = held < evidence->need_most ? held : evidence->need_most;
    int64_t retained = needed_once - live;
    if (excess >= matters && (double)excess >= share * (double)evidence->need_most)
        offer(found, LADLE_VERDICT_FRAGMENTATION, LADLE_REASON_NONE, excess);
    else if (is_scattered(evidence, matters))
        offer(found, LADLE_VERDICT_FRAGMENTATION, LADLE_REASON_SCATTERED, evidence->idle);
    else if (retained >= matters && (double)retained >= RETAINED_SHARE * (double)held)
        offer(found, LADLE_VERDICT_RETENTION, LADLE_REASON_NONE, retained);
}

/* Growth of a series after start-up, beyond its own noise; 0 where it does not matter. */
static int64_t grown(const ladle_trend *trend, int64_t matters)
{
    int64_t growth = trend->late - trend->early;
    /* To the end, if it rises to the end. */
    if (trend->rises && trend->last - trend->first > growth)
        growth = trend->last - trend->first;
    return growth >= matters + 2 * trend->scatter ? growth : 0;
}

/* Growth of the need over its highest before start-up was over: what falls and rises to where it was has not grown.
 * A rise to the end is one of floors, as it may be below noise. What levels off must also reach higher: a quiet phase
 * after a restless one only has a higher floor. */
static int64_t need_growth(const ladle_evidence *evidence, const ladle_trend *need)
{
    const ladle_bins *bins = &evidence->all;
    const int64_t(*values)[LADLE_BINS] = need->rises ? bins->floor : bins->ceiling;
    double settled_s = (double)(evidence->settled_ns - evidence->begin_ns) * 1e-9;
    int64_t before = 0, late = need->last;
    if (!need->rises)
        late = ladle_trend_of(evidence->settled.ceiling[LADLE_SERIES_NEED], evidence->settled.count).late;
    for (int bin = 0; bin < bins->count && bins->bin_s * (bin + 1) <= settled_s; bin++)
        if (values[LADLE_SERIES_NEED][bin] > before)
            before = values[LADLE_SERIES_NEED][bin];
    return late - before;
}

static void judge_need(const ladle_evidence *evidence, ladle_findings *found)
{
    const ladle_bins *bins = &evidence->settled;
    ladle_trend need = ladle_trend_of(bins->floor[LADLE_SERIES_NEED], bins->count);
    found->need = need;
    found->need_begin = evidence->all.floor[LADLE_SERIES_NEED][0];
    int64_t growth = need_growth(evidence, &need);
    if (grown(&need, found->matters) == 0 || growth < found->matters)
        return;
    int64_t garbage = evidence->garbage > 0 ? evidence->garbage : 0;
    if (garbage >= found->matters && (double)garbage >= GARBAGE_SHARE * (double)growth)
        offer(found, LADLE_VERDICT_GARBAGE, LADLE_REASON_NONE, growth);
    else if (need.rises)
        offer(found, LADLE_VERDICT_LEAK, LADLE_REASON_NONE, growth);
    else
        offer(found, LADLE_VERDICT_LEVELS_OFF, LADLE_REASON_NEED, growth);
    found->rate = need.rises ? per_second(bins, need.growth) : 0;
}

/* Files, and what neither malloc nor a file explains. */
static void judge_mappings(const ladle_evidence *evidence, ladle_findings *found)
{
    const ladle_bins *bins = &evidence->settled;
    ladle_trend file = ladle_trend_of(bins->floor[LADLE_SERIES_FILE], bins->count);
    int64_t growth = grown(&file, found->matters);
    found->file = file;
    if (growth > 0)
        offer(found, LADLE_VERDICT_FILE_PAGES, LADLE_REASON_NONE, growth);
    ladle_trend rest = ladle_trend_of(bins->floor[LADLE_SERIES_REST], bins->count);
    growth = grown(&rest, found->matters);
    found->rest = rest;
    if (growth > 0 && rest.rises)
        offer(found, LADLE_VERDICT_NOT_ENOUGH, LADLE_REASON_REST, growth);
    else if (growth > 0)
        offer(found, LADLE_VERDICT_LEVELS_OFF, LADLE_REASON_REST, growth);
}

/* The growth of one size class, if it is steady. */
static double steady_growth(const int64_t *floor, int count)
{
    ladle_trend trend = ladle_trend_of(floor, count);
    double slope = count < 2 ? 0 : trend.growth / (count - 1);
    if (!trend.rises || trend.order < SLOW_ORDER || trend.tail < SLOW_TAIL * slope)
        return 0;
    double total = (double)floor[count - 1] - (double)floor[0];
    for (int bin = 1; bin < count; bin++)
        if ((double)floor[bin] - (double)floor[bin - 1] > SLOW_STEP_SHARE * total)
            return 0;
    return trend.growth;
}

static void judge_classes(const ladle_evidence *evidence, ladle_findings *found, int64_t *growths)
{
    const ladle_bins *bins = &evidence->settled;
    int64_t steady[LADLE_SIZE_CLASSES], total = 0;
    for (int c = 0; c < LADLE_SIZE_CLASSES; c++) {
        double growth = steady_growth(bins->class_floor[c], bins->count);
        steady[c] = growth >= (double)SLOW_NBYTES ? (int64_t)growth : 0;
        total += steady[c];
    }
    double rate = per_second(bins, (double)total);
    /* What waits for Python's collector is not lost. */
    if (total <= 0 || rate * DAY_S < (double)evidence->peak_rss || evidence->garbage >= total)
        return;
    offer(found, LADLE_VERDICT_LEAK, LADLE_REASON_SLOW, total);
    found->rate = rate;
    memcpy(growths, steady, sizeof steady); /* those of the noise would hide them */
}

/* Whether RSS stays after start-up. Noise of what is live makes new records of RSS all the time: small ones. */
static void judge_rss(const ladle_evidence *evidence, ladle_findings *found)
{
    const ladle_bins *bins = &evidence->settled;
    int64_t before = 0, after = 0;
    bool over = false; /* with the first sample after the end of start-up: time is as fine as samples are */
    for (int64_t i = 0; i <= evidence->last; i++) {
        const ladle_sample *sample = &evidence->samples[i];
        int64_t *most = over ? &after : &before;
        if (sample->rss > *most)
            *most = sample->rss;
        over |= sample->time_ns > evidence->settled_ns;
    }
    double noise[LADLE_BINS];
    for (int bin = 0; bin < bins->count; bin++)
        noise[bin] = (double)bins->ceiling[LADLE_SERIES_NEED][bin] - (double)bins->floor[LADLE_SERIES_NEED][bin];
    int64_t slack = bins->count == 0 ? 0 : (int64_t)(0.25 * ladle_median(noise, bins->count));
    found->rss_settled = before;
    found->rss_most_after = after;
    if (before > 0 && (double)(after - before) < UNEXPLAINED_GROWTHS * (double)found->matters + (double)slack)
        offer(found, LADLE_VERDICT_NO_GROWTH, LADLE_REASON_NONE, 1);
    else
        offer(found, LADLE_VERDICT_NOT_ENOUGH, LADLE_REASON_UNEXPLAINED, 1);
}

static void class_growth(const ladle_bins *bins, int64_t *growth)
{
    for (int c = 0; c < LADLE_SIZE_CLASSES && bins->count > 0; c++)
        growth[c] = bins->class_floor[c][bins->count - 1] - bins->class_floor[c][bins->count / 2];
}

void ladle_doctor_judge(const ladle_sample *samples, int64_t count, ladle_verdict *verdict)
{
    ladle_evidence evidence;
    ladle_evidence_gather(&evidence, samples, count);
    memset(verdict, 0, sizeof *verdict);
    verdict->peak_rss = evidence.peak_rss;
    verdict->peak_index = evidence.peak_index;
    verdict->final_rss = evidence.final_rss;
    verdict->garbage = evidence.garbage;
    verdict->trimmed = evidence.trimmed;
    class_growth(&evidence.all, verdict->class_growth);
    ladle_findings found = {.kind = LADLE_VERDICT_NOT_ENOUGH, .reason = LADLE_REASON_SHORT};
    found.matters = ladle_growth_that_matters(evidence.peak_rss);
    if (evidence.working >= SAMPLES_LEAST && evidence.span_s >= SPAN_LEAST_S && evidence.peak_rss > 0) {
        judge_heap(&evidence, &found);
        judge_need(&evidence, &found);
        judge_mappings(&evidence, &found);
        if (found.nbytes == 0)
            judge_classes(&evidence, &found, verdict->class_growth);
        if (found.nbytes == 0)
            judge_rss(&evidence, &found);
    }
    verdict->kind = found.kind;
    verdict->leak_rate = found.kind == LADLE_VERDICT_LEAK ? found.rate : 0;
    ladle_findings_tell(&found, &evidence, verdict);
}
