/* codec/scratch.h: what one thread needs to decode pages: decompressors, a buffer for file bytes, one for
 * decompressed bytes. Grows to what the pages need and is cut back between requests. */
#ifndef LADLE_CODEC_SCRATCH_H
#define LADLE_CODEC_SCRATCH_H

#include "codec/blocks.h"

typedef struct ladle_scratch_buffer {
    uint8_t *data;
    size_t capacity;
} ladle_scratch_buffer;

/* What is said of a page that is decompressed. */
typedef struct ladle_scratch_page {
    int64_t offset, stored, nbytes; /* stored: bytes in the file */
    bool has_checksum;
} ladle_scratch_page;

typedef struct ladle_scratch {
    ladle_context *context;
    ladle_decompressor *decompressor;
    ladle_scratch_buffer input;  /* kind PAGE_INPUT */
    ladle_scratch_buffer output; /* kind SCRATCH */
    ladle_scratch_buffer values; /* kind SCRATCH */
    bool stores_far;             /* the values of pages are not read soon: see base/far.h */
    /* The page that was decompressed last; data NULL: none. It lies in `output`, or where its values were wanted. */
    const uint8_t *page_data;
    ladle_scratch_page page;
    /* Of a page of ends of lists, which slices were decoded from one after the other. */
    struct {
        const void *page; /* the table's: says which one it is */
        int64_t n;        /* of its elements that were decoded; 0: nothing is known */
        int64_t end;      /* the last one of these */
    } ends;
} ladle_scratch;

/* False with `error` filled on failure. */
bool ladle_scratch_init(ladle_scratch *scratch, ladle_context *context, ladle_error *error);
void ladle_scratch_destroy(ladle_scratch *scratch);

/* At least `nbytes` bytes, content unspecified, valid until the next call for the same buffer. NULL on failure. */
uint8_t *ladle_scratch_input(ladle_scratch *scratch, int64_t nbytes, ladle_error *error);
uint8_t *ladle_scratch_output(ladle_scratch *scratch, int64_t nbytes, ladle_error *error);
uint8_t *ladle_scratch_values(ladle_scratch *scratch, int64_t nbytes, ladle_error *error);

/* The last page's bytes, verified, where all that is said of it is the same; else NULL. */
const uint8_t *ladle_scratch_find(const ladle_scratch *scratch, const ladle_scratch_page *page);

/* Remembers it; `data` stay where they are until ladle_scratch_output or _forget. */
void ladle_scratch_keep(ladle_scratch *scratch, const ladle_scratch_page *page, const uint8_t *data);

/* Forgets what is known of the last page: call it before pages of another source, or once its values may be gone. */
void ladle_scratch_forget(ladle_scratch *scratch);

/* Gives back buffers beyond 2 MiB: one wide page must not stay in memory for ever. */
void ladle_scratch_relax(ladle_scratch *scratch);

#endif
