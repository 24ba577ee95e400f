/* store/blosc.h: bytes to compressed chunks and back by c-blosc2, with its contexts kept for the next use.
 *
 * A context of c-blosc2 holds buffers for one size of block and the state of its codec; to make one costs more than to
 * compress a small buffer. So they are kept, each for one kind of work (direction, size of values and of blocks, delta
 * or not, threads), a bounded number in all; who works takes one, or makes it where none is free. */
#ifndef LADLE_STORE_BLOSC_H
#define LADLE_STORE_BLOSC_H

#include <ladle/store.h>

#include "memory/context.h"

enum {
    LADLE_BLOSC_OVERHEAD = 32,        /* bytes that a chunk can be larger than what is in it */
    LADLE_BLOSC_CHUNK_MAX = 1 << 30,  /* bytes in one chunk at most; c-blosc2 counts them with 31 bits */
    LADLE_BLOSC_CHUNK_LEAST = 1 << 9, /* fewer are not worth the header of a chunk */
};

/* Internally locked. */
typedef struct ladle_blosc ladle_blosc;

/* NULL with INVALID for options that are not known. */
ladle_blosc *ladle_blosc_create(ladle_context *context, const ladle_compressed_options *options, ladle_error *error);

/* Nobody uses it any more. */
void ladle_blosc_release(ladle_blosc *blosc);

/* How chunks are made, as it must be known to read them. */
typedef struct ladle_blosc_form {
    int32_t block_nbytes;  /* of ladle_blosc_block */
    uint32_t value_nbytes; /* 1, 2, 4 or 8 */
    bool delta;            /* of 4 or 8 bytes: consecutive differences are stored, each block by itself */
} ladle_blosc_form;

/* The size of blocks for `nbytes` >= LADLE_BLOSC_CHUNK_LEAST at `data`: what c-blosc2 takes by itself, and for what is
 * smaller than that, a power of two, so that few contexts serve all sizes. `out` has room for a chunk. 0 with `error`
 * filled on failure. */
int32_t ladle_blosc_block(ladle_blosc *blosc, uint32_t value_nbytes, const void *data, int32_t nbytes, void *out,
                          ladle_error *error);

/* Compresses `nbytes` at `data` (any alignment) into a chunk at `out`, which has room for `nbytes` +
 * LADLE_BLOSC_OVERHEAD. *chunk_nbytes is its size. */
ladle_status ladle_blosc_compress(ladle_blosc *blosc, const ladle_blosc_form *form, const void *data, int32_t nbytes,
                                  void *out, int32_t *chunk_nbytes, ladle_error *error);

/* The `nbytes` again. CORRUPT where the chunk is not one of so many bytes. */
ladle_status ladle_blosc_decompress(ladle_blosc *blosc, const ladle_blosc_form *form, const void *chunk,
                                    int32_t chunk_nbytes, void *out, int32_t nbytes, ladle_error *error);

/* Codec, threads and bytes that the contexts hold, in use or kept. */
void ladle_blosc_info(ladle_blosc *blosc, ladle_store_info *info);

#endif
