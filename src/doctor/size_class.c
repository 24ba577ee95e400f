/* The size classes that live blocks are told apart by. */
#include <ladle/doctor.h>

/* Class 0 ends at 16 bytes; then each doubling has 4 classes of equal width. */
#define FIRST_LIMIT ((int64_t)16)

int64_t ladle_size_class_limit(int size_class)
{
    if (size_class <= 0)
        return FIRST_LIMIT;
    if (size_class >= LADLE_SIZE_CLASSES - 1)
        return INT64_MAX;
    int doubling = (size_class - 1) / 4, quarter = (size_class - 1) % 4 + 1;
    return (FIRST_LIMIT << doubling) + (FIRST_LIMIT << doubling) / 4 * quarter;
}
