/* support/codecs.h: ROOT's compressed blocks, written with the compression libraries themselves. */
#ifndef LADLE_TESTS_CODECS_H
#define LADLE_TESTS_CODECS_H

#include "support/bytes.h"

enum { BLOCK_HEADER = 9, BLOCK_MOST = (1 << 24) - 1 };

/* "ZL", "CS", "XZ", "L4", "ZS"; CODEC_ZSTD_SUM is ZS whose frames carry a checksum. */
extern const char *const all_codecs[];
enum { CODEC_COUNT = 5 };
#define CODEC_ZSTD_SUM "Zs"

/* Appends one block with its header. nbytes <= BLOCK_MOST. */
void put_block(bytes *b, const char *codec, const void *data, size_t nbytes);

/* Appends the chain of blocks of at most `most` bytes each. */
void put_chain(bytes *b, const char *codec, const void *data, size_t nbytes, size_t most);

/* Writes a header over the 9 bytes at `at`. */
void set_block_header(bytes *b, size_t at, const char *codec, size_t in_nbytes, size_t out_nbytes);

#endif
