#include "codec/blocks.h"

#include "base/bytes.h"
#include "base/error.h"
#include "codec/codecs.h"

#include <inttypes.h>
#include <time.h>

enum { HEADER = 9, ZLIB, LZMA, LZ4, ZSTD, OLD, CODEC_COUNT };

static const struct codec {
    char magic[2];
    const char *name;
    int64_t max_ratio; /* that the format allows; 0: only the block's own cap */
    ladle_codec_decode *decode;
    int shares_state; /* index of the codec whose state it uses, or its own */
    ladle_codec_release *release;
} codecs[CODEC_COUNT] = {
    [ZLIB] = {{'Z', 'L'}, "zlib", 1032, ladle_zlib_decode, ZLIB, ladle_deflate_release},
    [LZMA] = {{'X', 'Z'}, "lzma", 0, ladle_lzma_decode, LZMA, ladle_lzma_release},
    [LZ4] = {{'L', '4'}, "lz4", 255, ladle_lz4_decode, LZ4, NULL},
    [ZSTD] = {{'Z', 'S'}, "zstd", 0, ladle_zstd_decode, ZSTD, ladle_zstd_release},
    [OLD] = {{'C', 'S'}, "old", 1032, ladle_deflate_decode, ZLIB, NULL},
};

struct ladle_decompressor {
    ladle_context *context;
    void *states[CODEC_COUNT];
    ladle_decompressed count;
};

ladle_decompressor *ladle_decompressor_create(ladle_context *context, ladle_error *error)
{
    ladle_decompressor *decompressor = ladle_alloc(context, sizeof *decompressor, LADLE_MEMORY_SCRATCH, error);
    if (decompressor == NULL)
        return NULL;
    decompressor->context = context;
    ladle_context_retain(context);
    return decompressor;
}

void ladle_decompressor_release(ladle_decompressor *decompressor)
{
    if (decompressor == NULL)
        return;
    ladle_context *context = decompressor->context;
    for (int i = ZLIB; i < CODEC_COUNT; i++)
        if (codecs[i].release != NULL)
            codecs[i].release(context, decompressor->states[i]);
    ladle_free(context, decompressor, sizeof *decompressor, LADLE_MEMORY_SCRATCH);
    ladle_context_release(context);
}

typedef struct block {
    int codec;
    int64_t in_nbytes; /* without the header */
    int64_t out_nbytes;
} block;

/* Index of the codec whose blocks begin so, or 0. */
static int find_codec(const uint8_t *magic)
{
    for (int i = ZLIB; i < CODEC_COUNT; i++)
        if (magic[0] == (uint8_t)codecs[i].magic[0] && magic[1] == (uint8_t)codecs[i].magic[1])
            return i;
    return 0;
}

const char *ladle_block_codec(const uint8_t *magic)
{
    return codecs[find_codec(magic)].name;
}

/* Reads the header of the block at in[at], and holds its two sizes against what is left of both sides. */
static ladle_status read_header(const uint8_t *in, int64_t in_left, int64_t out_left, int64_t offset, block *b,
                                ladle_error *error)
{
    if (in_left < HEADER)
        return ladle_fail(error, LADLE_TRUNCATED, offset,
                          "a compressed block needs a header of 9 bytes, %" PRId64 " are left; %" PRId64
                          " bytes of the object are missing",
                          in_left, out_left);
    b->codec = find_codec(in);
    if (b->codec == 0)
        return ladle_fail(error, LADLE_CORRUPT, offset,
                          "a compressed block begins with %02x %02x, expected ZL, XZ, L4, ZS or CS", in[0], in[1]);
    b->in_nbytes = ladle_load_le24(in + 3);
    b->out_nbytes = ladle_load_le24(in + 6);
    if (b->in_nbytes > in_left - HEADER)
        return ladle_fail(error, LADLE_CORRUPT, offset,
                          "a compressed block declares %" PRId64 " bytes, %" PRId64 " are left", b->in_nbytes,
                          in_left - HEADER);
    if (b->out_nbytes > out_left)
        return ladle_fail(error, LADLE_CORRUPT, offset,
                          "a block decompresses to %" PRId64 " bytes, the object has %" PRId64 " left", b->out_nbytes,
                          out_left);
    int64_t ratio = codecs[b->codec].max_ratio;
    if (b->out_nbytes == 0 || (ratio != 0 && b->out_nbytes > b->in_nbytes * ratio))
        return ladle_fail(error, LADLE_CORRUPT, offset,
                          "a %.2s block of %" PRId64 " bytes declares %" PRId64 " decompressed bytes, which cannot be",
                          codecs[b->codec].magic, b->in_nbytes, b->out_nbytes);
    return LADLE_OK;
}

static ladle_status walk(ladle_decompressor *decompressor, const uint8_t *in, int64_t in_nbytes, uint8_t *out,
                         int64_t out_nbytes, int64_t offset, ladle_error *error)
{
    int64_t in_at = 0, out_at = 0;
    while (out_at < out_nbytes) {
        block b = {0};
        ladle_status status =
            read_header(in + in_at, in_nbytes - in_at, out_nbytes - out_at, offset + in_at, &b, error);
        if (status != LADLE_OK)
            return status;
        const struct codec *codec = &codecs[b.codec];
        if (decompressor != NULL) {
            status = codec->decode(decompressor->context, &decompressor->states[codec->shares_state],
                                   in + in_at + HEADER, (size_t)b.in_nbytes, out + out_at, (size_t)b.out_nbytes, error);
            if (status != LADLE_OK) {
                if (error != NULL)
                    error->offset = offset + in_at;
                return status;
            }
        }
        in_at += HEADER + b.in_nbytes;
        out_at += b.out_nbytes;
    }
    if (in_at != in_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, offset + in_at,
                          "%" PRId64 " bytes follow the last block of a complete object", in_nbytes - in_at);
    return LADLE_OK;
}

ladle_status ladle_blocks_check(const uint8_t *in, int64_t in_nbytes, int64_t out_nbytes, int64_t offset,
                                ladle_error *error)
{
    return walk(NULL, in, in_nbytes, NULL, out_nbytes, offset, error);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

ladle_status ladle_blocks_decompress(ladle_decompressor *decompressor, const uint8_t *in, int64_t in_nbytes,
                                     uint8_t *out, int64_t out_nbytes, int64_t offset, ladle_error *error)
{
    int64_t begin = now_ns();
    ladle_status status = walk(decompressor, in, in_nbytes, out, out_nbytes, offset, error);
    decompressor->count.ns += now_ns() - begin;
    decompressor->count.nbytes += out_nbytes;
    return status;
}

ladle_decompressed ladle_decompressor_count(ladle_decompressor *decompressor)
{
    ladle_decompressed count = decompressor->count;
    decompressor->count = (ladle_decompressed){0};
    return count;
}
