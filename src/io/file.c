/* Sources over a file descriptor and over memory. */
#include "base/error.h"
#include "io/pread.h"
#include "io/source.h"
#include "memory/context.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- file ------------------------------------------------------------------------------------ */

typedef struct file_source {
    ladle_context *context;
    int fd;
} file_source;

static ladle_status file_read(void *self, int64_t offset, int64_t nbytes, void *out, ladle_error *error)
{
    file_source *file = self;
    int64_t got = ladle_pread(file->context, file->fd, offset, out, nbytes);
    if (got == nbytes)
        return LADLE_OK;
    if (errno != 0)
        return ladle_fail_errno(error, errno, offset + got, "cannot read %" PRId64 " bytes", nbytes - got);
    return ladle_fail(error, LADLE_TRUNCATED, offset + got,
                      "%" PRId64 " bytes are missing: the file was cut after it was opened", nbytes - got);
}

static void file_release(void *self)
{
    file_source *file = self;
    ladle_context *context = file->context;
    (void)close(file->fd);
    ladle_free(context, file, sizeof *file, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

ladle_source *ladle_source_open(ladle_context *context, const char *path, ladle_error *error)
{
    static const ladle_source_ops ops = {LADLE_SOURCE_ABI_1, file_read, file_release};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "cannot open the file");
        ladle_error_where(error, "", "%s", path);
        return NULL;
    }
    struct stat about;
    if (fstat(fd, &about) != 0) {
        ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "cannot ask for the size of the file");
    } else if (!S_ISREG(about.st_mode)) {
        ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "%s, not a regular file",
                   S_ISDIR(about.st_mode) ? "a directory" : "a device, pipe or socket");
    } else {
        file_source *file = ladle_alloc(context, sizeof *file, LADLE_MEMORY_METADATA, error);
        if (file != NULL) {
            file->context = context;
            ladle_context_retain(context);
            file->fd = fd;
            return ladle_source_create(context, path, (int64_t)about.st_size, &ops, file, error);
        }
    }
    (void)close(fd);
    ladle_error_where(error, "", "%s", path);
    return NULL;
}

/* --- memory ---------------------------------------------------------------------------------- */

static ladle_status memory_read(void *self, int64_t offset, int64_t nbytes, void *out, ladle_error *error)
{
    (void)error;
    memcpy(out, (const uint8_t *)self + offset, (size_t)nbytes);
    return LADLE_OK;
}

static void memory_release(void *self)
{
    (void)self; /* borrowed from the caller */
}

ladle_source *ladle_source_from_memory(ladle_context *context, const char *name, const void *data, int64_t nbytes,
                                       ladle_error *error)
{
    static const ladle_source_ops ops = {LADLE_SOURCE_ABI_1, memory_read, memory_release};
    /* The table has one `self` for all sources; this one is only ever read through. */
    union {
        const void *borrowed;
        void *self;
    } bytes = {data};
    return ladle_source_create(context, name, nbytes, &ops, bytes.self, error);
}
