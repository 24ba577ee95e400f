/* ladle/io.h: sources: where the bytes of a file come from.
 *
 * A source answers one question: the `nbytes` bytes at `offset`. It has no position, so any number
 * of threads (and a forked child) can read at once. Files are read by pread, never mapped: a file
 * that shrinks is an error, not a SIGBUS.
 */
#ifndef LADLE_IO_H
#define LADLE_IO_H

#include <ladle/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LADLE_SOURCE_ABI_1 1u

/* A source of one's own: fill this table. Every function may be called from several threads. */
typedef struct ladle_source_ops {
    uint32_t abi; /* LADLE_SOURCE_ABI_1; later slots are appended */
    /* Reads exactly `nbytes` bytes at `offset` into `out`, or fails with IO or TRUNCATED. The range
     * has been checked against `size`: a short answer means that the source changed. */
    ladle_status (*read)(void *self, int64_t offset, int64_t nbytes, void *out, ladle_error *error);
    void (*release)(void *self);
} ladle_source_ops;

/* Immutable, shareable. */
typedef struct ladle_source ladle_source;

/* Opens a regular file for reading. Returns owned. Fails with NOT_FOUND, IO or INVALID (a directory).
 * The size is kept: reading a file that was cut since is TRUNCATED, and says so. */
LADLE_API ladle_source *ladle_source_open(ladle_context *context, const char *path, ladle_error *error);

/* Reads from memory. Borrows `data` until the source is released. Returns owned. */
LADLE_API ladle_source *ladle_source_from_memory(ladle_context *context, const char *name, const void *data,
                                                 int64_t nbytes, ladle_error *error);

/* A source of one's own over `size` bytes. Takes `self` (ops->release frees it, even on error).
 * `name` is what messages call it. Returns owned. */
LADLE_API ladle_source *ladle_source_from_ops(ladle_context *context, const char *name, int64_t size,
                                              const ladle_source_ops *ops, void *self, ladle_error *error);

LADLE_API int64_t ladle_source_size(const ladle_source *source);
LADLE_API const char *ladle_source_name(const ladle_source *source); /* Borrows until release. */

/* Reads exactly `nbytes` bytes at `offset`. Fails with TRUNCATED when the range is outside the
 * source, or with what the source says. */
LADLE_API ladle_status ladle_source_read(ladle_source *source, int64_t offset, int64_t nbytes, void *out,
                                         ladle_error *error);
LADLE_API void ladle_source_release(ladle_source *source);

#ifdef __cplusplus
}
#endif
#endif
