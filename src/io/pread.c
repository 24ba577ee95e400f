#include "io/pread.h"

#include "base/checked.h"

#include <errno.h>
#include <unistd.h>

static ssize_t read_some(ladle_context *context, int fd, int64_t offset, uint8_t *out, int64_t nbytes)
{
    ladle_fault *fault = ladle_context_fault(context);
    if (ladle_fault_strikes(fault, LADLE_FAULT_READ_ERROR)) {
        errno = EIO;
        return -1;
    }
    if (ladle_fault_strikes(fault, LADLE_FAULT_INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    if (ladle_fault_strikes(fault, LADLE_FAULT_READ_EOF))
        return 0;
    if (ladle_fault_strikes(fault, LADLE_FAULT_READ_SHORT))
        nbytes = (nbytes + 1) / 2;
    /* Linux moves at most 0x7ffff000 bytes at once; smaller pieces are as fast. */
    return pread(fd, out, (size_t)ladle_min(nbytes, INT64_C(1) << 30), (off_t)offset);
}

int64_t ladle_pread(ladle_context *context, int fd, int64_t offset, void *out, int64_t nbytes)
{
    int64_t done = 0;
    while (done < nbytes) {
        ssize_t got = read_some(context, fd, offset + done, (uint8_t *)out + done, nbytes - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
        if (got <= 0)
            break;
        done += got;
    }
    return done;
}
