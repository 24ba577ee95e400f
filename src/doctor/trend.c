/* How a row of numbers moves. Rank statistics only: one bin that is off by any amount, as the bin in which a collector
 * ran or a reader was slow, moves none of them.
 */
#include "doctor/evidence.h"

#include <stdlib.h>
#include <string.h>

/* Pairs of bins that rise, less those that fall, as a share of all. Noise of 12 bins or more is above 0.5 in one of a
 * hundred rows; a real rise is near 1. */
#define ORDER_THAT_RISES 0.6
/* The rise in the last third, against the mean rise: what slows down to less than this levels off. */
#define TAIL_THAT_RISES 0.3
/* Bins that are worth a trend. */
#define TREND_BINS 6

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ladle_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static double median_of(const int64_t *values, int count)
{
    double copy[LADLE_BINS];
    for (int i = 0; i < count; i++)
        copy[i] = (double)values[i];
    return ladle_median(copy, count);
}

/* Theil-Sen: the median of the slopes of all pairs, a bin; and Kendall's tau in *order. */
static double slope_of(const int64_t *values, int count, double *order)
{
    double slopes[LADLE_BINS * (LADLE_BINS - 1) / 2];
    int pairs = 0, rising = 0, falling = 0;
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++) {
            double step = (double)values[j] - (double)values[i];
            rising += step > 0;
            falling += step < 0;
            slopes[pairs++] = step / (j - i);
        }
    *order = pairs == 0 ? 0 : (double)(rising - falling) / pairs;
    return pairs == 0 ? 0 : ladle_median(slopes, pairs);
}

ladle_trend ladle_trend_of(const int64_t *values, int count)
{
    ladle_trend trend = {0};
    if (count < TREND_BINS)
        return trend;
    int third = count / 3 < 3 ? 3 : count / 3;
    const int64_t *end = values + count - third;
    double slope = slope_of(values, count, &trend.order), tail_order;
    trend.growth = slope * (count - 1);
    trend.tail = slope_of(end, third, &tail_order);
    /* Growth by few large steps has no step in most pairs of bins: then its ends tell. */
    double by_ends = (median_of(end + third - 2, 2) - median_of(end - 1, 2)) / (third - 1);
    if (by_ends > trend.tail)
        trend.tail = by_ends;
    trend.first = values[0];
    trend.last = values[count - 1];
    trend.early = (int64_t)median_of(values, count >= 12 ? 3 : 2);
    trend.late = (int64_t)median_of(end, third);
    /* What rose early and is flat since has a small median slope: then the mean rise is the measure. */
    double mean = (double)(trend.late - trend.early) / (count - 1);
    trend.rises =
        slope > 0 && trend.order >= ORDER_THAT_RISES && trend.tail >= TAIL_THAT_RISES * (mean > slope ? mean : slope);
    int64_t distances[LADLE_BINS];
    for (int i = 0; i < third; i++)
        distances[i] = end[i] > trend.late ? end[i] - trend.late : trend.late - end[i];
    trend.scatter = (int64_t)median_of(distances, third);
    return trend;
}
