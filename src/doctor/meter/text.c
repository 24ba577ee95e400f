/* Text files beside the recording, and the mappings of this process. */
#include "doctor/glibc.h"
#include "doctor/meter/beside.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void flush(meter_text *text)
{
    if (text->fd >= 0 && meter_write(text->fd, text->buffer, text->used) != (ssize_t)text->used) {
        meter_close(text->fd);
        (void)unlink(text->draft);
        text->fd = -1;
    }
    text->used = 0;
}

bool meter_text_begin(meter_text *text, const char *suffix)
{
    struct rlimit limit;
    text->used = 0;
    text->fd = -1;
    /* Past such a limit a write would be SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        return false;
    (void)snprintf(text->path, sizeof text->path, "%s%s", meter_here.path, suffix);
    (void)snprintf(text->draft, sizeof text->draft, "%s%s.new", meter_here.path, suffix);
    text->fd = meter_open(text->draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    return text->fd >= 0;
}

void meter_text_put(meter_text *text, const char *from, size_t nbytes)
{
    while (nbytes > 0) {
        size_t n = sizeof text->buffer - text->used < nbytes ? sizeof text->buffer - text->used : nbytes;
        memcpy(text->buffer + text->used, from, n);
        text->used += n;
        from += n;
        nbytes -= n;
        if (text->used == sizeof text->buffer)
            flush(text);
    }
}

void meter_text_print(meter_text *text, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    meter_text_put(text, line, n < 0 ? 0 : n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

void meter_text_end(meter_text *text)
{
    flush(text);
    if (text->fd < 0)
        return;
    meter_close(text->fd);
    (void)rename(text->draft, text->path);
}

void meter_each_mapping(void (*visit)(const char *line, void *user), void *user)
{
    static char text[16384]; /* the sampler's alone */
    int fd = meter_open("/proc/self/maps", O_RDONLY, 0);
    if (fd < 0)
        return;
    ladle_each_mapping(fd, meter_read, text, sizeof text, visit, user);
    meter_close(fd);
}
