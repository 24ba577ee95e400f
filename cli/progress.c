#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

double cli_seconds_since(const struct timespec *begin)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 0;
    }
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) * 1e-9;
}

void cli_progress_begin(cli_progress *progress)
{
    *progress = (cli_progress){.wanted = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO)};
    (void)clock_gettime(CLOCK_MONOTONIC, &progress->last);
}

void cli_progress_show(cli_progress *progress, const char *format, ...)
{
    if (!progress->wanted || cli_seconds_since(&progress->last) < 0.1) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
    progress->shown = true;
    (void)clock_gettime(CLOCK_MONOTONIC, &progress->last);
}

void cli_progress_clear(cli_progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->shown = false;
    }
}
