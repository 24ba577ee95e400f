#include "support/nested.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ALTERNATIVES = 125 };

/* The alternative, from 1, whose items lie inside of dimension `dim`: the first member there is "_0", "_1", ...
 * 0: it has no such name. */
static int alternative_of(const ladle_column_info *info, int dim)
{
    int number;
    for (int i = 0; i < info->n_members; i++)
        if (info->members[i].depth == dim + 1)
            return sscanf(info->members[i].name, "_%d", &number) == 1 ? number + 1 : 0;
    return 0;
}

/* --- one array ------------------------------------------------------------------------------------ */

static const char *offsets_fault(const int64_t *offsets, int64_t count)
{
    if (offsets[0] != 0)
        return "offsets do not begin with 0";
    for (int64_t i = 0; i < count; i++)
        if (offsets[i + 1] < offsets[i])
            return "offsets fall";
    return NULL;
}

/* *count: of the items, then of the values that are there. */
static const char *index_fault(const int64_t *index, int64_t *count)
{
    int64_t next = 0;
    for (int64_t i = 0; i < *count; i++)
        if (index[i] != -1 && index[i] != next++)
            return "the index of an option is neither -1 nor the next value";
    *count = next;
    return NULL;
}

/* *most: the highest place of that alternative, or -1. */
static const char *tags_fault(const int8_t *tags, const int64_t *places, int64_t count, int alternative, int64_t *most)
{
    *most = -1;
    for (int64_t i = 0; i < count; i++) {
        if (tags[i] < 0 || tags[i] > MOST_ALTERNATIVES)
            return "a tag is out of range";
        if (places[i] < 0)
            return "a place is negative";
        if (tags[i] == alternative && places[i] > *most)
            *most = places[i];
    }
    return NULL;
}

/* Items of dimension `dim` in a buffer that begins it: how many there are is told by the buffer alone. False if its
 * length does not divide. */
static bool count_items(const ladle_column_info *info, const ladle_array *array, int dim, int buffer, int64_t *count)
{
    int64_t size = 1, n = ladle_lease_count(array->buffers[buffer]);
    for (; dim < info->n_dims && info->dims[dim] > 0; dim++)
        size *= info->dims[dim];
    if (dim < info->n_dims && info->dims[dim] == LADLE_VAR)
        n--;
    *count = size == 0 ? 0 : n / size;
    return n >= 0 && size > 0 && n % size == 0;
}

const char *nested_fault(const ladle_column_info *info, const ladle_array *array)
{
    int64_t count = array->n_entries, most;
    int buffer = 0;
    const char *fault = NULL;
    if (array->n_buffers != info->n_buffers)
        return "buffers are missing";
    for (int dim = 0; dim < info->n_dims && fault == NULL; dim++) {
        ladle_lease *lease = array->buffers[buffer];
        const int64_t *numbers = ladle_lease_data(lease);
        switch (info->dims[dim]) {
        case LADLE_VAR:
            if (ladle_lease_count(lease) != count + 1)
                return "offsets are not one more than their lists";
            fault = offsets_fault(numbers, count);
            count = numbers[count];
            buffer++;
            break;
        case LADLE_OPTION:
            if (ladle_lease_count(lease) != count)
                return "an index is not as long as its options";
            fault = index_fault(numbers, &count);
            buffer++;
            break;
        case LADLE_VARIANT:
            if (ladle_lease_count(lease) != count || ladle_lease_count(array->buffers[buffer + 1]) != count)
                return "tags and places are not as many as their items";
            fault = tags_fault(ladle_lease_data(lease), ladle_lease_data(array->buffers[buffer + 1]), count,
                               alternative_of(info, dim), &most);
            buffer += 2;
            if (!count_items(info, array, dim + 1, buffer, &count))
                return "an alternative has no whole number of items";
            if (fault == NULL && most >= count)
                fault = "a place lies behind the items of its alternative";
            break;
        default: count *= info->dims[dim]; break;
        }
    }
    if (fault == NULL && ladle_lease_count(array->buffers[buffer]) != count)
        fault = "data are not as many as the dimensions say";
    return fault;
}

/* --- two arrays ----------------------------------------------------------------------------------- */

typedef struct pair {
    const ladle_column_info *info;
    const ladle_array *a, *b;
} pair;

static const void *data(const ladle_array *array, int buffer)
{
    return ladle_lease_data(array->buffers[buffer]);
}

/* Values in the index before `i`: where the next one will be. */
static int64_t values_before(const int64_t *index, int64_t i)
{
    while (i > 0)
        if (index[--i] != -1)
            return index[i] + 1;
    return 0;
}

/* Items [low, high) of dimension `dim` in `a`, which begins with `buffer`, against those from `other` on in `b`. */
static bool equal_items(const pair *p, int dim, int buffer, int64_t low, int64_t high, int64_t other)
{
    for (; dim < p->info->n_dims && low < high; dim++) {
        const int64_t *x = data(p->a, buffer), *y = data(p->b, buffer);
        int64_t begin = low, n = high - low, size = p->info->dims[dim];
        if (size == LADLE_VAR) {
            for (int64_t i = 1; i <= n; i++)
                if (x[begin + i] - x[begin] != y[other + i] - y[other])
                    return false;
            low = x[begin];
            high = x[begin + n];
            other = y[other];
            buffer++;
        } else if (size == LADLE_OPTION) {
            for (int64_t i = 0; i < n; i++)
                if ((x[begin + i] == -1) != (y[other + i] == -1))
                    return false;
            low = values_before(x, begin);
            high = values_before(x, begin + n);
            other = values_before(y, other);
            buffer++;
        } else if (size == LADLE_VARIANT) {
            const int8_t *tags = data(p->a, buffer), *others = data(p->b, buffer);
            const int64_t *places = data(p->a, buffer + 1), *other_places = data(p->b, buffer + 1);
            int alternative = alternative_of(p->info, dim);
            for (int64_t i = 0; i < n; i++) {
                if (tags[low + i] != others[other + i])
                    return false;
                int64_t place = places[low + i];
                if (tags[low + i] == alternative &&
                    !equal_items(p, dim + 1, buffer + 2, place, place + 1, other_places[other + i]))
                    return false;
            }
            return true;
        } else {
            low *= size;
            high *= size;
            other *= size;
        }
    }
    size_t item = ladle_dtype_size(p->info->dtype);
    return low >= high ||
           memcmp((const uint8_t *)data(p->a, buffer) + (size_t)low * item,
                  (const uint8_t *)data(p->b, buffer) + (size_t)other * item, (size_t)(high - low) * item) == 0;
}

bool nested_equal(const ladle_column_info *info, const ladle_array *a, int64_t start, int64_t stop,
                  const ladle_array *b, int64_t b_start)
{
    pair p = {info, a, b};
    return equal_items(&p, 0, 0, start, stop, b_start);
}
