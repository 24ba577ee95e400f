#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ladle_status ladle_fail(ladle_error *error, ladle_status status, int64_t offset, const char *format, ...)
{
    if (error == NULL)
        return status;
    error->status = (int32_t)status;
    error->os_errno = 0;
    error->offset = offset < 0 ? LADLE_NO_OFFSET : offset; /* a file can claim a place before its beginning */
    error->where[0] = '\0';
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

ladle_status ladle_fail_errno(ladle_error *error, int os_errno, int64_t offset, const char *format, ...)
{
    ladle_status status = os_errno == ENOENT || os_errno == ENOTDIR ? LADLE_NOT_FOUND : LADLE_IO;
    if (error == NULL)
        return status;
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    char reason[96];
    /* The XSI and the GNU strerror_r differ in type; the message table is short enough to copy. */
    (void)snprintf(reason, sizeof reason, "%s", strerror(os_errno));
    (void)ladle_fail(error, status, offset, "%s: %s", what, reason);
    error->os_errno = os_errno;
    return status;
}

void ladle_error_where(ladle_error *error, const char *separator, const char *format, ...)
{
    if (error == NULL)
        return;
    char inner[sizeof error->where];
    memcpy(inner, error->where, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->where, sizeof error->where, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof error->where - 1 || inner[0] == '\0')
        return;
    size_t used = (size_t)length;
    (void)snprintf(error->where + used, sizeof error->where - used, "%s%s", separator, inner);
}

void ladle_error_copy(ladle_error *to, const ladle_error *from)
{
    if (to != NULL && to != from)
        *to = *from;
}
