#include "support/codecs.h"

#include "support/check.h"

#include <libdeflate.h>
#include <lz4.h>
#include <lzma.h>
#include <xxhash.h>
#include <zstd.h>

const char *const all_codecs[] = {"ZL", "CS", "XZ", "L4", "ZS"};

void set_block_header(bytes *b, size_t at, const char *codec, size_t in_nbytes, size_t out_nbytes)
{
    uint8_t *h = b->data + at;
    h[0] = (uint8_t)codec[0];
    h[1] = (uint8_t)(codec[1] == 's' ? 'S' : codec[1]);
    h[2] = codec[0] == 'X' ? 0 : codec[0] == 'L' || codec[0] == 'Z' ? 1 : 8;
    if (strcmp(codec, "ZL") == 0)
        h[2] = 8;
    for (int i = 0; i < 3; i++) {
        h[3 + i] = (uint8_t)(in_nbytes >> 8 * i);
        h[6 + i] = (uint8_t)(out_nbytes >> 8 * i);
    }
}

static size_t deflate_into(uint8_t *to, size_t room, const void *data, size_t nbytes, bool zlib)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    assert_non_null(c);
    size_t n = zlib ? libdeflate_zlib_compress(c, data, nbytes, to, room)
                    : libdeflate_deflate_compress(c, data, nbytes, to, room);
    libdeflate_free_compressor(c);
    return n;
}

static size_t lz4_into(uint8_t *to, size_t room, const void *data, size_t nbytes)
{
    int n = LZ4_compress_default(data, (char *)to + 8, (int)nbytes, (int)room - 8);
    assert_true(n > 0);
    uint64_t sum = XXH64(to + 8, (size_t)n, 0);
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(sum >> 8 * (7 - i));
    return (size_t)n + 8;
}

static size_t zstd_into(uint8_t *to, size_t room, const void *data, size_t nbytes, bool sum)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    assert_non_null(c);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, sum);
    size_t n = ZSTD_compress2(c, to, room, data, nbytes);
    assert_false(ZSTD_isError(n));
    (void)ZSTD_freeCCtx(c);
    return n;
}

void put_block(bytes *b, const char *codec, const void *data, size_t nbytes)
{
    assert_true(nbytes <= BLOCK_MOST);
    size_t room = nbytes + nbytes / 64 + 4096, at = b->n, n = 0;
    put_fill(b, 0, BLOCK_HEADER + room);
    uint8_t *to = b->data + at + BLOCK_HEADER;
    if (strcmp(codec, "XZ") == 0)
        assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, data, nbytes, to, &n, room), LZMA_OK);
    else if (strcmp(codec, "L4") == 0)
        n = lz4_into(to, room, data, nbytes);
    else if (codec[0] == 'Z' && codec[1] != 'L')
        n = zstd_into(to, room, data, nbytes, codec[1] == 's');
    else
        n = deflate_into(to, room, data, nbytes, codec[0] == 'Z');
    assert_true(n > 0 && n <= BLOCK_MOST);
    set_block_header(b, at, codec, n, nbytes);
    b->n = at + BLOCK_HEADER + n;
}

void put_chain(bytes *b, const char *codec, const void *data, size_t nbytes, size_t most)
{
    for (size_t at = 0; at < nbytes; at += most)
        put_block(b, codec, (const uint8_t *)data + at, nbytes - at < most ? nbytes - at : most);
}
