#include "codec/scratch.h"

#include <string.h>

enum { KEEP_NBYTES = 2 << 20 };

bool ladle_scratch_init(ladle_scratch *scratch, ladle_context *context, ladle_error *error)
{
    memset(scratch, 0, sizeof *scratch);
    scratch->context = context;
    scratch->decompressor = ladle_decompressor_create(context, error);
    return scratch->decompressor != NULL;
}

static void drop(ladle_scratch *scratch, ladle_scratch_buffer *buffer, ladle_memory_kind kind)
{
    ladle_pages_free(scratch->context, buffer->data, buffer->capacity, kind);
    buffer->data = NULL;
    buffer->capacity = 0;
}

void ladle_scratch_destroy(ladle_scratch *scratch)
{
    drop(scratch, &scratch->input, LADLE_MEMORY_PAGE_INPUT);
    drop(scratch, &scratch->output, LADLE_MEMORY_SCRATCH);
    drop(scratch, &scratch->values, LADLE_MEMORY_SCRATCH);
    ladle_decompressor_release(scratch->decompressor);
    scratch->decompressor = NULL;
}

static uint8_t *grow(ladle_scratch *scratch, ladle_scratch_buffer *buffer, int64_t nbytes, ladle_memory_kind kind,
                     ladle_error *error)
{
    if (buffer->data == NULL || nbytes > (int64_t)buffer->capacity) {
        drop(scratch, buffer, kind);
        /* A quarter more, so that pages of slowly rising size do not allocate one by one. */
        buffer->data =
            ladle_pages_alloc(scratch->context, (size_t)(nbytes + nbytes / 4 + 1), kind, &buffer->capacity, error);
    }
    return buffer->data;
}

uint8_t *ladle_scratch_input(ladle_scratch *scratch, int64_t nbytes, ladle_error *error)
{
    return grow(scratch, &scratch->input, nbytes, LADLE_MEMORY_PAGE_INPUT, error);
}

uint8_t *ladle_scratch_output(ladle_scratch *scratch, int64_t nbytes, ladle_error *error)
{
    scratch->page_data = NULL;
    return grow(scratch, &scratch->output, nbytes, LADLE_MEMORY_SCRATCH, error);
}

uint8_t *ladle_scratch_values(ladle_scratch *scratch, int64_t nbytes, ladle_error *error)
{
    return grow(scratch, &scratch->values, nbytes, LADLE_MEMORY_SCRATCH, error);
}

const uint8_t *ladle_scratch_find(const ladle_scratch *scratch, const ladle_scratch_page *page)
{
    const ladle_scratch_page *last = &scratch->page;
    bool same = last->offset == page->offset && last->stored == page->stored && last->nbytes == page->nbytes &&
                last->has_checksum == page->has_checksum;
    return same ? scratch->page_data : NULL;
}

void ladle_scratch_keep(ladle_scratch *scratch, const ladle_scratch_page *page, const uint8_t *data)
{
    scratch->page = *page;
    scratch->page_data = data;
}

void ladle_scratch_forget(ladle_scratch *scratch)
{
    scratch->page_data = NULL;
    scratch->ends.n = 0;
}

void ladle_scratch_relax(ladle_scratch *scratch)
{
    if (scratch->input.capacity > KEEP_NBYTES)
        drop(scratch, &scratch->input, LADLE_MEMORY_PAGE_INPUT);
    if (scratch->output.capacity > KEEP_NBYTES)
        drop(scratch, &scratch->output, LADLE_MEMORY_SCRATCH);
    if (scratch->values.capacity > KEEP_NBYTES)
        drop(scratch, &scratch->values, LADLE_MEMORY_SCRATCH);
    scratch->page_data = NULL;
    scratch->stores_far = false;
}
