/* base/little.h: unaligned little-endian loads and stores. The caller has checked
 * that the bytes are there. */
#ifndef LADLE_BASE_LITTLE_H
#define LADLE_BASE_LITTLE_H

#include <stdint.h>

static inline void ladle_store_le(uint8_t *to, uint64_t value, int nbytes)
{
    for (int i = 0; i < nbytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t ladle_load_le(const uint8_t *from, int nbytes)
{
    uint64_t value = 0;
    for (int i = 0; i < nbytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static inline void ladle_store_le64(uint8_t *to, uint64_t value)
{
    ladle_store_le(to, value, 8);
}

static inline uint64_t ladle_load_le64(const uint8_t *from)
{
    return ladle_load_le(from, 8);
}

#endif
