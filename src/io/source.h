/* io/source.h: what the other rooms add to ladle/io.h. */
#ifndef LADLE_IO_SOURCE_H
#define LADLE_IO_SOURCE_H

#include <ladle/io.h>

ladle_context *ladle_source_context(const ladle_source *source);

/* Do `nbytes` bytes at `offset` lie in it? Both may be any number. */
bool ladle_source_holds(const ladle_source *source, int64_t offset, int64_t nbytes);

/* A source over ops that knows its size only now; see source.c for the life of `self`. */
ladle_source *ladle_source_create(ladle_context *context, const char *name, int64_t size, const ladle_source_ops *ops,
                                  void *self, ladle_error *error);

#endif
