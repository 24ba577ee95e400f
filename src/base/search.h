/* base/search.h: where a key stands, or would stand, among rising keys. */
#ifndef LADLE_BASE_SEARCH_H
#define LADLE_BASE_SEARCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Index of the first of `count` rising int64 keys that is not below `wanted`; `count` if all are. `keys`: the first
 * key; each next one lies `stride` bytes behind, so keys may be members of structs. NULL is allowed where `count` is 0.
 */
static inline int64_t ladle_lower_bound(const void *keys, int64_t count, size_t stride, int64_t wanted)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2, key;
        memcpy(&key, (const uint8_t *)keys + (size_t)middle * stride, sizeof key);
        if (key < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
