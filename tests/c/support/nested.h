/* support/nested.h: what an array's buffers must be by their roles (ladle/table.h), and when the entries of two are
 * equal, however deep they are nested. */
#ifndef LADLE_TESTS_NESTED_H
#define LADLE_TESTS_NESTED_H

#include <ladle/deliver.h>

/* Do the buffers agree with each other: offsets rise from 0 and end at the number of items in the next buffer, the
 * index of an option counts the values that are there, tags name an alternative, places lie in theirs? NULL, or what is
 * wrong. */
const char *nested_fault(const ladle_column_info *info, const ladle_array *array);

/* Are entries [start, stop) of `a` equal to as many entries of `b` from `b_start` on? Both without a fault. */
bool nested_equal(const ladle_column_info *info, const ladle_array *a, int64_t start, int64_t stop,
                  const ladle_array *b, int64_t b_start);

#endif
