#include "store/sort.h"

/* Lets array[root] sink to its place in the heap of `count`, the largest on top. */
static void sink(const void **array, int64_t root, int64_t count, int (*compare)(const void *, const void *))
{
    const void *sinking = array[root];
    for (;;) {
        int64_t child = 2 * root + 1;
        if (child >= count)
            break;
        if (child + 1 < count && compare(array[child], array[child + 1]) < 0)
            child++;
        if (compare(sinking, array[child]) >= 0)
            break;
        array[root] = array[child];
        root = child;
    }
    array[root] = sinking;
}

void ladle_sort(const void **array, int64_t count, int (*compare)(const void *a, const void *b))
{
    for (int64_t root = count / 2 - 1; root >= 0; root--)
        sink(array, root, count, compare);
    for (int64_t last = count - 1; last > 0; last--) {
        const void *largest = array[0];
        array[0] = array[last];
        array[last] = largest;
        sink(array, 0, last, compare);
    }
}
