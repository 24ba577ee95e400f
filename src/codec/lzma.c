/* XZ streams by liblzma, its memory from our heap and its state kept between blocks. */
#include "base/error.h"
#include "codec/codecs.h"

#include <lzma.h>
#include <string.h>

/* xz -9 needs 65 MiB to decompress; a block can ask for no more than this. */
static const uint64_t memory_limit = UINT64_C(80) << 20;

typedef struct lzma_state {
    ladle_context *context;
    lzma_allocator allocator;
    lzma_stream stream;
} lzma_state;

/* liblzma frees without a size, so each allocation carries its own in front. */
enum { HEADER = 64 };

static void *lzma_hook_alloc(void *opaque, size_t count, size_t size)
{
    lzma_state *state = opaque;
    if (size != 0 && count > (SIZE_MAX - HEADER) / size)
        return NULL;
    size_t nbytes = count * size + HEADER;
    size_t capacity;
    uint8_t *memory = ladle_pages_alloc(state->context, nbytes, LADLE_MEMORY_SCRATCH, &capacity, NULL);
    if (memory == NULL)
        return NULL;
    memcpy(memory, &capacity, sizeof capacity);
    return memory + HEADER;
}

static void lzma_hook_free(void *opaque, void *memory)
{
    lzma_state *state = opaque;
    if (memory == NULL)
        return;
    uint8_t *start = (uint8_t *)memory - HEADER;
    size_t capacity;
    memcpy(&capacity, start, sizeof capacity);
    ladle_pages_free(state->context, start, capacity, LADLE_MEMORY_SCRATCH);
}

static lzma_state *state_of(ladle_context *context, void **state, ladle_error *error)
{
    lzma_state *lzma = *state;
    if (lzma == NULL) {
        lzma = ladle_alloc(context, sizeof *lzma, LADLE_MEMORY_SCRATCH, error);
        if (lzma == NULL)
            return NULL;
        lzma->context = context;
        lzma->allocator.alloc = lzma_hook_alloc;
        lzma->allocator.free = lzma_hook_free;
        lzma->allocator.opaque = lzma;
        lzma->stream = (lzma_stream)LZMA_STREAM_INIT;
        lzma->stream.allocator = &lzma->allocator;
        *state = lzma;
    }
    return lzma;
}

void ladle_lzma_release(ladle_context *context, void *state)
{
    lzma_state *lzma = state;
    if (lzma == NULL)
        return;
    lzma_end(&lzma->stream);
    ladle_free(context, lzma, sizeof *lzma, LADLE_MEMORY_SCRATCH);
}

ladle_status ladle_lzma_decode(ladle_context *context, void **state, const uint8_t *in, size_t in_nbytes, uint8_t *out,
                               size_t out_nbytes, ladle_error *error)
{
    lzma_state *lzma = state_of(context, state, error);
    if (lzma == NULL)
        return error == NULL ? LADLE_NOMEM : (ladle_status)error->status;
    lzma_stream *stream = &lzma->stream;
    lzma_ret result = lzma_stream_decoder(stream, memory_limit, 0);
    if (result == LZMA_OK) {
        stream->next_in = in;
        stream->avail_in = in_nbytes;
        stream->next_out = out;
        stream->avail_out = out_nbytes;
        result = lzma_code(stream, LZMA_FINISH);
    }
    switch (result) {
    case LZMA_STREAM_END:
        if (stream->avail_out != 0)
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "lzma block holds %zu bytes, it declares %zu",
                              out_nbytes - stream->avail_out, out_nbytes);
        if (stream->avail_in != 0)
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "lzma stream ends %zu bytes before its block",
                              stream->avail_in);
        return LADLE_OK;
    case LZMA_MEM_ERROR: return ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for an lzma decoder");
    case LZMA_MEMLIMIT_ERROR:
        return ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET, "lzma block needs more than %llu MiB to decompress",
                          (unsigned long long)(memory_limit >> 20));
    case LZMA_OK:
    case LZMA_BUF_ERROR:
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "lzma block does not hold the %zu bytes it declares",
                          out_nbytes);
    default:
        return ladle_fail(error, LADLE_CHECKSUM, LADLE_NO_OFFSET, "lzma block is damaged (liblzma status %d)",
                          (int)result);
    }
}
