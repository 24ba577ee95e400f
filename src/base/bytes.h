/* base/bytes.h: unaligned big-endian loads. The caller has checked that the bytes are there. */
#ifndef LADLE_BASE_BYTES_H
#define LADLE_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LADLE_BIG_ENDIAN_HOST 1
#define LADLE_FROM_BIG16(x) (x)
#define LADLE_FROM_BIG32(x) (x)
#define LADLE_FROM_BIG64(x) (x)
#else
#define LADLE_BIG_ENDIAN_HOST 0
#define LADLE_FROM_BIG16(x) __builtin_bswap16(x)
#define LADLE_FROM_BIG32(x) __builtin_bswap32(x)
#define LADLE_FROM_BIG64(x) __builtin_bswap64(x)
#endif

static inline uint16_t ladle_load_be16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return LADLE_FROM_BIG16(v);
}

static inline uint32_t ladle_load_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return LADLE_FROM_BIG32(v);
}

static inline uint64_t ladle_load_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return LADLE_FROM_BIG64(v);
}

static inline uint32_t ladle_load_le24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

#endif
