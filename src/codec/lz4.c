/* LZ4 blocks by liblz4, checked against the XXH64 that ROOT puts in front. */
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/codecs.h"

#include <inttypes.h>
#include <lz4.h>

enum { CHECKSUM_NBYTES = 8 };

ladle_status ladle_lz4_decode(ladle_context *context, void **state, const uint8_t *in, size_t in_nbytes, uint8_t *out,
                              size_t out_nbytes, ladle_error *error)
{
    (void)context;
    (void)state;
    if (in_nbytes < CHECKSUM_NBYTES)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "lz4 block of %zu bytes has no room for its checksum",
                          in_nbytes);
    uint64_t stored = ladle_load_be64(in);
    uint64_t found = ladle_xxh64(in + CHECKSUM_NBYTES, in_nbytes - CHECKSUM_NBYTES);
    if (stored != found)
        return ladle_fail(error, LADLE_CHECKSUM, LADLE_NO_OFFSET,
                          "lz4 block has XXH64 %016" PRIx64 ", expected %016" PRIx64, found, stored);
    /* Both sizes come from 3-byte fields, so they fit an int. */
    int n = LZ4_decompress_safe((const char *)in + CHECKSUM_NBYTES, (char *)out, (int)(in_nbytes - CHECKSUM_NBYTES),
                                (int)out_nbytes);
    if (n < 0 || (size_t)n != out_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "lz4 block does not hold the %zu bytes it declares",
                          out_nbytes);
    return LADLE_OK;
}
