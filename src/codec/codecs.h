/* codec/codecs.h: one function per compression library, each in its own file.
 *
 * Each fills `out` exactly and consumes `in` exactly, or fails with CORRUPT, CHECKSUM, NOMEM or LIMIT
 * (message set, offset not: the caller knows it). `*state` is the codec's own, NULL at first.
 */
#ifndef LADLE_CODEC_CODECS_H
#define LADLE_CODEC_CODECS_H

#include "memory/context.h"

typedef ladle_status ladle_codec_decode(ladle_context *context, void **state, const uint8_t *in, size_t in_nbytes,
                                        uint8_t *out, size_t out_nbytes, ladle_error *error);
typedef void ladle_codec_release(ladle_context *context, void *state);

ladle_codec_decode ladle_zlib_decode;    /* a zlib stream */
ladle_codec_decode ladle_deflate_decode; /* a raw deflate stream; shares state with zlib */
ladle_codec_release ladle_deflate_release;
ladle_codec_decode ladle_lzma_decode; /* an XZ stream */
ladle_codec_release ladle_lzma_release;
ladle_codec_decode ladle_lz4_decode;  /* an LZ4 block behind its XXH64 */
ladle_codec_decode ladle_zstd_decode; /* one zstd frame or several */
ladle_codec_release ladle_zstd_release;

#endif
