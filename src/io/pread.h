/* io/pread.h: the one place where bytes come out of a file descriptor, with the fault points of memory/fault.h. */
#ifndef LADLE_IO_PREAD_H
#define LADLE_IO_PREAD_H

#include "memory/context.h"

/* Reads all of `nbytes`, or up to an error or the end of the file. Returns the bytes that were read; where these are
 * fewer, errno says why, and is 0 at the end of the file. */
int64_t ladle_pread(ladle_context *context, int fd, int64_t offset, void *out, int64_t nbytes);

#endif
