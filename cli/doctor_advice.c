/* Which allocator serves this command best on this machine, if any: a function of the runs.
 *
 * An allocator is advised when it lowers the peak of resident memory, or else what is resident at the end, by a 20th at
 * least, and in each of its runs below each run of glibc; with one run of each, by a 10th. It may not take more than
 * one and a half times as long, its peak may not be higher than glibc's by more than a 10th, and the command's result
 * must be the same. Of several the one with the lowest figure is taken; of those within a 30th of it, the fastest. */
#include "doctor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

typedef enum figure { SECONDS, PEAK, FINAL, LIVE, DEAD } figure;

static double figure_of(const doctor_measured *run, figure which)
{
    switch (which) {
    case SECONDS: return run->seconds;
    case PEAK: return run->peak_rss;
    case FINAL: return run->final_rss;
    case LIVE: return run->live;
    case DEAD: return run->dead;
    }
    return -1;
}

/* Of a row with runs; all -1 without memory. */
static doctor_range range_of(const doctor_row *row, figure which)
{
    doctor_range range = {-1, -1, -1};
    double *values = malloc((size_t)row->count * sizeof *values);
    if (values != NULL) {
        for (int64_t i = 0; i < row->count; ++i) {
            values[i] = figure_of(&row->runs[i], which);
        }
        qsort(values, (size_t)row->count, sizeof *values, by_value);
        int64_t half = row->count / 2;
        range.low = values[0];
        range.high = values[row->count - 1];
        range.median = row->count % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
        free(values);
    }
    return range;
}

static const doctor_range *range_in(const doctor_row *row, figure which)
{
    return which == FINAL ? &row->final_rss : &row->peak_rss;
}

static bool is_sound(const doctor_row *row)
{
    bool sound = row->count > 0 && row->in_force;
    for (int64_t i = 0; i < row->count && sound; ++i) {
        sound = row->runs[i].same_result;
    }
    return sound;
}

/* How much lower the row is than glibc: 0.25 for three quarters of it. */
static double gain_of(const doctor_row *row, const doctor_row *base, figure which)
{
    double before = range_in(base, which)->median;
    return before > 0 ? 1 - range_in(row, which)->median / before : 0;
}

static bool is_gain(const doctor_row *row, const doctor_row *base, figure which)
{
    double least = row->count > 1 && base->count > 1 ? 0.05 : 0.1;
    return gain_of(row, base, PEAK) > -0.1 && gain_of(row, base, which) >= least &&
           range_in(row, which)->high < range_in(base, which)->low;
}

static bool is_slow(const doctor_row *row, const doctor_row *base)
{
    return row->seconds.median > 1.5 * base->seconds.median && row->seconds.median > base->seconds.median + 0.1;
}

/* The row with the lowest figure, among those that may be advised or, with `any`, among all sound ones; -1: none. */
static int64_t find_lowest(const doctor_trial *trial, figure which, bool any)
{
    int64_t best = -1;
    for (int round = 0; round < 2; ++round) { /* then the fastest of those that are about as low */
        double limit = best < 0 ? INFINITY : range_in(&trial->rows[best], which)->median * (1 + 1.0 / 30);
        for (int64_t i = 1; i < trial->count; ++i) {
            const doctor_row *row = &trial->rows[i];
            if (!is_sound(row) || (!any && (!is_gain(row, &trial->rows[0], which) || is_slow(row, &trial->rows[0])))) {
                continue;
            }
            double value = range_in(row, which)->median;
            if (best < 0 || (round == 0 && value < range_in(&trial->rows[best], which)->median) ||
                (round == 1 && value <= limit && row->seconds.median < trial->rows[best].seconds.median)) {
                best = i;
            }
        }
    }
    return best;
}

static void praise(doctor_trial *trial, figure which)
{
    const doctor_row *row = &trial->rows[trial->best], *base = &trial->rows[0];
    const doctor_range *after = range_in(row, which), *before = range_in(base, which);
    char evidence[160], peak[96] = "";
    if (which != PEAK) {
        snprintf(peak, sizeof peak, ", its peak is %.1f MB instead of %.1f MB", row->peak_rss.median / 1e6,
                 base->peak_rss.median / 1e6);
    }
    if (row->count > 1) {
        snprintf(evidence, sizeof evidence, "in each of its %d runs (%.1f to %.1f MB against %.1f to %.1f MB)",
                 (int)row->count, after->low / 1e6, after->high / 1e6, before->low / 1e6, before->high / 1e6);
    } else {
        snprintf(evidence, sizeof evidence, "in one run each (--repeat 3 would tell the range)");
    }
    snprintf(trial->sentence, sizeof trial->sentence,
             "Use %s here: %s is %.1f MB instead of %.1f MB (%+.0f %%), %s%s; it takes %.2f s instead of %.2f s.",
             row->allocator->name, which == PEAK ? "the peak" : "what is resident at the end", after->median / 1e6,
             before->median / 1e6, -100 * gain_of(row, base, which), evidence, peak, row->seconds.median,
             base->seconds.median);
}

static void keep_glibc(doctor_trial *trial)
{
    const doctor_row *base = &trial->rows[0];
    int64_t other = find_lowest(trial, PEAK, true);
    if (other < 0) {
        bool has_runs = false;
        for (int64_t i = 1; i < trial->count; ++i) {
            has_runs = has_runs || (trial->rows[i].count > 0 && trial->rows[i].in_force);
        }
        snprintf(trial->sentence, sizeof trial->sentence, "None: keep glibc. %s",
                 has_runs ? "Under each of the others the command's result is not the same."
                          : "No other allocator could be tried.");
        return;
    }
    const doctor_row *row = &trial->rows[other];
    double gain = gain_of(row, base, PEAK);
    const char *why = gain <= 0                                  ? "which is not lower"
                      : !is_gain(row, base, PEAK) && gain < 0.05 ? "which is too little"
                      : is_gain(row, base, PEAK)                 ? "but it takes too long"
                      : row->count > 1 && base->count > 1        ? "which is within the range of the runs"
                                                                 : "which one run cannot tell from chance (--repeat 3)";
    snprintf(trial->sentence, sizeof trial->sentence,
             "None: keep glibc. The best of the others, %s, has a peak of %.1f MB instead of %.1f MB (%+.0f %%), %s "
             "(%.2f s instead of %.2f s).",
             row->allocator->name, row->peak_rss.median / 1e6, base->peak_rss.median / 1e6, -100 * gain, why,
             row->seconds.median, base->seconds.median);
}

static void tell_costs(doctor_trial *trial)
{
    const doctor_row *base = &trial->rows[0];
    if (trial->has_plain && base->count > 0) {
        double plain = trial->plain.seconds, plain_rss = trial->plain.peak_rss;
        size_t used = (size_t)snprintf(trial->cost, sizeof trial->cost,
                                       "With the meter the command takes %.2f s, without it %.2f s in one run",
                                       base->seconds.median, plain);
        if (plain >= 0.2) { /* of less, the start alone is a large share */
            used += (size_t)snprintf(trial->cost + used, sizeof trial->cost - used, " (%+.0f %%)",
                                     100 * (base->seconds.median / plain - 1));
        }
        if (plain_rss > 0) {
            used += (size_t)snprintf(trial->cost + used, sizeof trial->cost - used, "; peak RSS is %.1f MB and %.1f MB",
                                     base->peak_rss.median / 1e6, plain_rss / 1e6);
        }
        snprintf(trial->cost + used, sizeof trial->cost - used, ".");
    }
    if (trial->stopped) {
        snprintf(trial->caution, sizeof trial->caution, "The trial was stopped: not all runs were made.");
    } else if (trial->differs_by_itself) {
        snprintf(trial->caution, sizeof trial->caution,
                 "What the command prints differs from run to run: only its exit status was compared.");
    }
}

void doctor_trial_advise(doctor_trial *trial)
{
    for (int64_t i = 0; i < trial->count; ++i) {
        doctor_row *row = &trial->rows[i];
        if (row->count > 0) {
            row->seconds = range_of(row, SECONDS);
            row->peak_rss = range_of(row, PEAK);
            row->final_rss = range_of(row, FINAL);
            row->live = range_of(row, LIVE);
            row->dead = range_of(row, DEAD);
        }
    }
    tell_costs(trial);
    trial->best = -1;
    if (trial->count == 0 || !is_sound(&trial->rows[0])) {
        snprintf(trial->sentence, sizeof trial->sentence,
                 "No advice: there is no run under glibc with the same result to compare with.");
        return;
    }
    figure which = PEAK;
    trial->best = find_lowest(trial, PEAK, false);
    if (trial->best < 0) {
        which = FINAL;
        trial->best = find_lowest(trial, FINAL, false);
    }
    if (trial->best >= 0) {
        praise(trial, which);
    } else {
        keep_glibc(trial);
    }
}
