#include "store/disk.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/little.h"
#include "io/pread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

ladle_status ladle_disk_fail(ladle_error *error, int os_errno, const char *where, int64_t offset, const char *format,
                             ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    bool full = os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EFBIG;
    (void)ladle_fail(error, LADLE_IO, offset, "%s: %s%s", what, strerror(os_errno),
                     full ? ": make room, choose another place, or give the level on disk a budget" : "");
    if (error != NULL)
        error->os_errno = os_errno;
    ladle_error_where(error, "", "%s", where);
    return LADLE_IO;
}

void ladle_sum_add(ladle_sum *sum, const void *piece, size_t nbytes)
{
    uint64_t hash = ladle_xxh3_64(piece, nbytes);
    if (sum->begun) {
        uint8_t both[16];
        ladle_store_le64(both, sum->value);
        ladle_store_le64(both + 8, hash);
        hash = ladle_xxh3_64(both, sizeof both);
    }
    sum->value = hash;
    sum->begun = true;
}

/* Writing beyond the limit would raise SIGXFSZ, which ends a process that does not expect it. A process may lower its
 * limit, so it is asked for each time, except where that would cost a small write a tenth of its time. */
static bool is_within_limit(ladle_disk *disk, int64_t end, int64_t nbytes)
{
    enum { SMALL = 64 << 10 };
    struct rlimit limit;
    int64_t known = atomic_load_explicit(&disk->within_limit, memory_order_relaxed);
    if (nbytes <= SMALL && end <= known)
        return true;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && (uint64_t)end > limit.rlim_cur)
        return false;
    while (end > known && !atomic_compare_exchange_weak(&disk->within_limit, &known, end))
        continue;
    return true;
}

/* pwrite with the fault points of memory/fault.h. */
static ssize_t write_some(ladle_disk *disk, const uint8_t *from, int64_t nbytes, int64_t offset)
{
    ladle_fault *fault = ladle_context_fault(disk->context);
    if (ladle_fault_strikes(fault, LADLE_FAULT_WRITE_ERROR)) {
        errno = EIO;
        return -1;
    }
    if (ladle_fault_strikes(fault, LADLE_FAULT_WRITE_FULL)) {
        errno = ENOSPC;
        return -1;
    }
    if (ladle_fault_strikes(fault, LADLE_FAULT_INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    if (ladle_fault_strikes(fault, LADLE_FAULT_WRITE_SHORT))
        nbytes = (nbytes + 1) / 2;
    return pwrite(disk->fd, from, (size_t)ladle_min(nbytes, INT64_C(1) << 30), (off_t)offset);
}

static ladle_status write_all(ladle_disk *disk, int64_t offset, const uint8_t *from, int64_t nbytes, ladle_error *error)
{
    while (nbytes > 0) {
        ssize_t put = write_some(disk, from, nbytes, offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) /* 0 is not an answer that pwrite gives for a file: the disk takes no more */
            return ladle_disk_fail(error, put < 0 ? errno : ENOSPC, disk->where, offset,
                                   "cannot write %" PRId64 " bytes", nbytes);
        from += put;
        offset += put;
        nbytes -= put;
    }
    return LADLE_OK;
}

ladle_status ladle_disk_write(ladle_disk *disk, int64_t offset, const void *data, int64_t nbytes, uint64_t *sum,
                              ladle_error *error)
{
    if (!is_within_limit(disk, offset + nbytes, nbytes))
        return ladle_disk_fail(error, EFBIG, disk->where, offset,
                               "cannot write %" PRId64 " bytes beyond the process's limit on file sizes (ulimit -f)",
                               nbytes);
    if (sum == NULL)
        return write_all(disk, offset, data, nbytes, error);
    const uint8_t *from = data;
    ladle_sum all = {0};
    ladle_status status = LADLE_OK;
    int64_t at = 0;
    do {
        int64_t piece = ladle_min(nbytes - at, LADLE_SUM_PIECE);
        status = write_all(disk, offset + at, from + at, piece, error);
        if (status == LADLE_OK)
            ladle_sum_add(&all, from + at, (size_t)piece);
        at += piece;
    } while (status == LADLE_OK && at < nbytes);
    *sum = all.value;
    return status;
}

static ladle_status read_all(ladle_disk *disk, int64_t offset, uint8_t *to, int64_t nbytes, ladle_error *error)
{
    int64_t got = ladle_pread(disk->context, disk->fd, offset, to, nbytes);
    if (got == nbytes)
        return LADLE_OK;
    if (errno != 0)
        return ladle_disk_fail(error, errno, disk->where, offset + got, "cannot read %" PRId64 " bytes", nbytes - got);
    (void)ladle_fail(error, LADLE_TRUNCATED, offset + got,
                     "%" PRId64 " bytes are missing: the file was cut after they were written", nbytes - got);
    ladle_error_where(error, "", "%s", disk->where);
    return LADLE_TRUNCATED;
}

ladle_status ladle_disk_read(ladle_disk *disk, int64_t offset, void *out, int64_t nbytes, uint64_t *sum,
                             ladle_error *error)
{
    if (sum == NULL)
        return read_all(disk, offset, out, nbytes, error);
    uint8_t *to = out;
    ladle_sum all = {0};
    ladle_status status = LADLE_OK;
    int64_t at = 0;
    do {
        int64_t piece = ladle_min(nbytes - at, LADLE_SUM_PIECE);
        status = read_all(disk, offset + at, to + at, piece, error);
        if (status == LADLE_OK)
            ladle_sum_add(&all, to + at, (size_t)piece);
        at += piece;
    } while (status == LADLE_OK && at < nbytes);
    *sum = all.value;
    return status;
}

int64_t ladle_disk_size(ladle_disk *disk, ladle_error *error)
{
    struct stat about;
    if (fstat(disk->fd, &about) == 0)
        return (int64_t)about.st_size;
    (void)ladle_disk_fail(error, errno, disk->where, LADLE_NO_OFFSET, "cannot ask for the size of the file");
    return -1;
}

ladle_status ladle_disk_resize(ladle_disk *disk, int64_t nbytes, ladle_error *error)
{
    int failed = 0;
    if (!is_within_limit(disk, nbytes, INT64_MAX))
        failed = EFBIG;
    else if (ladle_fault_strikes(ladle_context_fault(disk->context), LADLE_FAULT_WRITE_ERROR))
        failed = EIO;
    else
        while (ftruncate(disk->fd, (off_t)nbytes) != 0 && (failed = errno) == EINTR)
            failed = 0;
    if (failed == 0)
        return LADLE_OK;
    return ladle_disk_fail(error, failed, disk->where, nbytes, "cannot set the size of the file to %" PRId64 " bytes",
                           nbytes);
}

bool ladle_disk_punch(ladle_disk *disk, int64_t offset, int64_t nbytes)
{
    return fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)nbytes) == 0;
}

ladle_status ladle_disk_sync(ladle_disk *disk, ladle_error *error)
{
    int failed = 0;
    if (ladle_fault_strikes(ladle_context_fault(disk->context), LADLE_FAULT_WRITE_ERROR))
        failed = EIO;
    else
        while (fdatasync(disk->fd) != 0 && (failed = errno) == EINTR)
            failed = 0;
    if (failed == 0)
        return LADLE_OK;
    return ladle_disk_fail(error, failed, disk->where, LADLE_NO_OFFSET, "what was written may not be on the disk");
}
