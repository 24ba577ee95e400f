/* bench/median.h: the median of one figure over rounds. */
#ifndef LADLE_BENCH_MEDIAN_H
#define LADLE_BENCH_MEDIAN_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MEDIAN_MOST = 200 };

static inline int median_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of the double at `field` in each of `n` <= MEDIAN_MOST structs of `size` bytes. */
static inline double median_of(const void *all, int n, size_t size, size_t field)
{
    double values[MEDIAN_MOST];
    for (int i = 0; i < n; i++)
        memcpy(&values[i], (const char *)all + (size_t)i * size + field, sizeof values[i]);
    qsort(values, (size_t)n, sizeof values[0], median_by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

#endif
