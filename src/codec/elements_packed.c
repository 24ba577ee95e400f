/* Elements that begin within bytes: bits of a page -> bools, or integers of up to 32 bits. */
#include "codec/elements_kernels.h"

#include "base/checked.h"

#include <string.h>

void ladle_unpack_bits(uint32_t *to, const uint8_t *page, int64_t nbytes, int bits, int64_t first, int64_t n)
{
    /* An element and the bits before it in its first byte fit into 8 bytes. The elements below `safe` have them. */
    int64_t safe = nbytes < 8 ? 0 : (8 * (nbytes - 8) + 7) / bits + 1, i = 0;
    const int64_t many = ladle_min(n, safe - first);
    const uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (uint64_t at = (uint64_t)first * (uint64_t)bits; i < many; i++, at += (uint64_t)bits) {
        uint64_t word;
        memcpy(&word, page + at / 8, sizeof word);
        to[i] = (uint32_t)(word >> at % 8 & mask);
    }
    for (; i < n; i++)
        to[i] = (uint32_t)ladle_load_bits(page, bits, first + i);
}

/* Bit k of `byte` -> byte k, 0 or 1. */
static inline uint64_t spread(uint8_t byte)
{
    /* The byte eight times; of the k-th, bit k alone; which, where it is set, carries into the top bit. */
    uint64_t bits = byte * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (bits + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

void ladle_spread_bits(uint8_t *restrict to, const uint8_t *restrict page, int64_t first, int64_t n)
{
    int64_t i = 0;
    for (; i < n && (first + i) % 8 != 0; i++)
        to[i] = (uint8_t)ladle_load_bits(page, 1, first + i);
    for (const uint8_t *from = page + (first + i) / 8; i + 8 <= n; i += 8) {
        uint64_t eight = spread(*from++);
        memcpy(to + i, &eight, sizeof eight);
    }
    for (; i < n; i++)
        to[i] = (uint8_t)ladle_load_bits(page, 1, first + i);
}
