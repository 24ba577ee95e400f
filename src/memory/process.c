/* What the kernel says of this process's memory. */
#include "base/error.h"
#include "base/proc.h"

#include <ladle/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__linux__)
static ladle_status read_process(ladle_process_info *info, ladle_error *error)
{
    char text[8192];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "cannot open /proc/self/status");
    ssize_t nbytes = read(fd, text, sizeof text - 1);
    int read_errno = errno;
    (void)close(fd);
    if (nbytes < 0)
        return ladle_fail_errno(error, read_errno, LADLE_NO_OFFSET, "cannot read /proc/self/status");
    text[nbytes] = '\0';
    info->rss = ladle_proc_nbytes(text, "\nVmRSS:");
    info->peak_rss = ladle_proc_nbytes(text, "\nVmHWM:");
    info->anonymous = ladle_proc_nbytes(text, "\nRssAnon:");
    info->file = ladle_proc_nbytes(text, "\nRssFile:");
    return LADLE_OK;
}
#else
static ladle_status read_process(ladle_process_info *info, ladle_error *error)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "getrusage failed");
#if defined(__APPLE__)
    info->peak_rss = (int64_t)usage.ru_maxrss; /* bytes there, KiB elsewhere */
#else
    info->peak_rss = (int64_t)usage.ru_maxrss * 1024;
#endif
    return LADLE_OK;
}
#endif

ladle_status ladle_process_memory(ladle_process_info *info, ladle_error *error)
{
    ladle_process_info full = {.rss = -1, .peak_rss = -1, .anonymous = -1, .file = -1};
    ladle_status status = read_process(&full, error);
    size_t size = info->struct_size < sizeof full ? info->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(info, &full, size);
    return status;
}
