/* codec/blocks.h: ROOT's compressed blocks.
 *
 * A compressed payload is a chain of blocks (ROOT: core/zip/src/RZip.cxx):
 *   offset size
 *        0    2  magic: ZL zlib, XZ lzma, L4 lz4, ZS zstd, CS raw deflate ("old")
 *        2    1  method byte
 *        3    3  compressed size, little-endian, without these 9 bytes
 *        6    3  uncompressed size, little-endian, so at most 16 MiB - 1
 *        9       for L4 the XXH64 of the payload in 8 bytes, big-endian, counted in the size; the payload
 * The number of blocks is not stored: they follow each other until the object is complete.
 *
 * Checksums: zlib's Adler-32, LZ4's XXH64, the CRC of XZ and that of zstd frames that have one are
 * verified. ROOT writes zstd frames and CS blocks without a checksum.
 */
#ifndef LADLE_CODEC_BLOCKS_H
#define LADLE_CODEC_BLOCKS_H

#include "memory/context.h"

/* No codec turns a byte into more bytes than this: zstd comes closest, with 128 KiB from the 4 bytes of a run. */
enum { LADLE_MAX_RATIO = 32768 };

/* State of the decompressors: one thread at a time. Made on first use, then kept. */
typedef struct ladle_decompressor ladle_decompressor;

/* Returns owned. */
ladle_decompressor *ladle_decompressor_create(ladle_context *context, ladle_error *error);
void ladle_decompressor_release(ladle_decompressor *decompressor);

/* Time and bytes out since it was asked last. */
typedef struct ladle_decompressed {
    int64_t ns, nbytes;
} ladle_decompressed;
ladle_decompressed ladle_decompressor_count(ladle_decompressor *decompressor);

/* Do the headers of the chain in `in` add up to `in_nbytes` and `out_nbytes`, and can each codec have produced that
 * much? Cheap: call it before memory is allocated for the result. `offset`: of `in` in the file, for messages. */
ladle_status ladle_blocks_check(const uint8_t *in, int64_t in_nbytes, int64_t out_nbytes, int64_t offset,
                                ladle_error *error);

/* Name of the codec whose block begins with these 2 bytes, or NULL. Borrows: static. */
const char *ladle_block_codec(const uint8_t *magic);

/* Decompresses the chain into exactly `out_nbytes` bytes. Checks all that ladle_blocks_check does. */
ladle_status ladle_blocks_decompress(ladle_decompressor *decompressor, const uint8_t *in, int64_t in_nbytes,
                                     uint8_t *out, int64_t out_nbytes, int64_t offset, ladle_error *error);

#endif
