/* store/sort.h: sorts pointers in place, without memory (which qsort may take from malloc) and without bad cases. */
#ifndef LADLE_STORE_SORT_H
#define LADLE_STORE_SORT_H

#include <stdint.h>

/* `compare` as for qsort, but given what the pointers point to. Not stable. */
void ladle_sort(const void **array, int64_t count, int (*compare)(const void *a, const void *b));

#endif
