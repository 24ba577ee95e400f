/* base/swap.h: big-endian values on disk -> native values, in bulk. `from` may have any alignment. */
#ifndef LADLE_BASE_SWAP_H
#define LADLE_BASE_SWAP_H

#include <stdbool.h>
#include <stdint.h>

/* `count` values of `size` bytes (1, 2, 4 or 8). `to` and `from` do not overlap. far: see base/far.h; then `to` is
 * aligned to `size`. */
void ladle_swap(void *to, const void *from, int64_t count, int size, bool far);

/* The same without vector instructions: what ladle_swap is tested against. */
void ladle_swap_scalar(void *to, const void *from, int64_t count, int size);

#endif
