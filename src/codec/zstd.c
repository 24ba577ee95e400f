/* Zstandard frames by libzstd, in one call, without a window of their own. */
#include "base/error.h"
#include "codec/codecs.h"

#include <zstd.h>

void ladle_zstd_release(ladle_context *context, void *state)
{
    if (state == NULL)
        return;
    ladle_ledger_charge(context, LADLE_MEMORY_SCRATCH, -(int64_t)ZSTD_sizeof_DCtx(state));
    (void)ZSTD_freeDCtx(state);
}

ladle_status ladle_zstd_decode(ladle_context *context, void **state, const uint8_t *in, size_t in_nbytes, uint8_t *out,
                               size_t out_nbytes, ladle_error *error)
{
    if (*state == NULL) {
        if (!ladle_fault_strikes(ladle_context_fault(context), LADLE_FAULT_ALLOC))
            *state = ZSTD_createDCtx();
        if (*state == NULL)
            return ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for a zstd decompressor");
        ladle_ledger_charge(context, LADLE_MEMORY_SCRATCH, (int64_t)ZSTD_sizeof_DCtx(*state));
    }
    size_t n = ZSTD_decompressDCtx(*state, out, out_nbytes, in, in_nbytes);
    if (ZSTD_isError(n))
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "zstd block is damaged: %s", ZSTD_getErrorName(n));
    if (n != out_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "zstd block holds %zu bytes, it declares %zu", n,
                          out_nbytes);
    return LADLE_OK;
}
