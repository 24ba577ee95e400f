/* zlib and raw deflate by libdeflate, about twice as fast as zlib itself. */
#include "base/error.h"
#include "codec/codecs.h"

#include <libdeflate.h>

/* libdeflate allocates its state by malloc and does not tell the size: about that much. */
static const int64_t decompressor_nbytes = 12 << 10;

static struct libdeflate_decompressor *state_of(ladle_context *context, void **state, ladle_error *error)
{
    if (*state == NULL) {
        if (!ladle_fault_strikes(ladle_context_fault(context), LADLE_FAULT_ALLOC))
            *state = libdeflate_alloc_decompressor();
        if (*state == NULL)
            ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for a deflate decompressor");
        else
            ladle_ledger_charge(context, LADLE_MEMORY_SCRATCH, decompressor_nbytes);
    }
    return *state;
}

void ladle_deflate_release(ladle_context *context, void *state)
{
    if (state == NULL)
        return;
    libdeflate_free_decompressor(state);
    ladle_ledger_charge(context, LADLE_MEMORY_SCRATCH, -decompressor_nbytes);
}

static ladle_status verdict(enum libdeflate_result result, size_t used, size_t in_nbytes, size_t out_nbytes,
                            const char *name, ladle_error *error)
{
    if (result == LIBDEFLATE_SHORT_OUTPUT)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "%s block holds fewer than the %zu bytes it declares",
                          name, out_nbytes);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "%s block holds more than the %zu bytes it declares",
                          name, out_nbytes);
    if (result != LIBDEFLATE_SUCCESS)
        return ladle_fail(error, LADLE_CHECKSUM, LADLE_NO_OFFSET, "%s block is damaged", name);
    if (used != in_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "%s stream ends after %zu of the block's %zu bytes",
                          name, used, in_nbytes);
    return LADLE_OK;
}

ladle_status ladle_zlib_decode(ladle_context *context, void **state, const uint8_t *in, size_t in_nbytes, uint8_t *out,
                               size_t out_nbytes, ladle_error *error)
{
    struct libdeflate_decompressor *decompressor = state_of(context, state, error);
    if (decompressor == NULL)
        return LADLE_NOMEM;
    size_t used = 0;
    enum libdeflate_result result =
        libdeflate_zlib_decompress_ex(decompressor, in, in_nbytes, out, out_nbytes, &used, NULL);
    return verdict(result, used, in_nbytes, out_nbytes, "zlib", error);
}

ladle_status ladle_deflate_decode(ladle_context *context, void **state, const uint8_t *in, size_t in_nbytes,
                                  uint8_t *out, size_t out_nbytes, ladle_error *error)
{
    struct libdeflate_decompressor *decompressor = state_of(context, state, error);
    if (decompressor == NULL)
        return LADLE_NOMEM;
    size_t used = 0;
    enum libdeflate_result result =
        libdeflate_deflate_decompress_ex(decompressor, in, in_nbytes, out, out_nbytes, &used, NULL);
    return verdict(result, used, in_nbytes, out_nbytes, "deflate", error);
}
