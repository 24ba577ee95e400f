/* System calls that are no cancellation points, and small files of /proc. */
#include "doctor/meter/meter.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int meter_open(const char *path, int flags, int mode)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

ssize_t meter_read(int fd, void *to, size_t nbytes)
{
    ssize_t got;
    do
        got = syscall(SYS_read, fd, to, nbytes);
    while (got < 0 && errno == EINTR);
    return got;
}

ssize_t meter_write(int fd, const void *from, size_t nbytes)
{
    ssize_t put;
    do
        put = syscall(SYS_write, fd, from, nbytes);
    while (put < 0 && errno == EINTR);
    return put;
}

void meter_close(int fd)
{
    (void)syscall(SYS_close, fd);
}

ssize_t meter_read_file(const char *path, char *text, size_t size)
{
    int fd = meter_open(path, O_RDONLY, 0);
    if (fd < 0)
        return -1;
    size_t n = 0;
    ssize_t got = 0;
    while (n < size - 1 && (got = meter_read(fd, text + n, size - 1 - n)) > 0)
        n += (size_t)got;
    meter_close(fd);
    text[n] = '\0';
    return got < 0 ? -1 : (ssize_t)n;
}
