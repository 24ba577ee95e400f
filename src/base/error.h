/* base/error.h: how rooms report failure.
 *
 * The innermost function that knows what is wrong writes status, offset and message with ladle_fail.
 * Callers add where it happened, innermost first, with ladle_error_where: "page 17", then
 * "Events/Muon_pt", then "nano.root".
 */
#ifndef LADLE_BASE_ERROR_H
#define LADLE_BASE_ERROR_H

#include <ladle/base.h>

#define LADLE_NO_OFFSET ((int64_t)-1)

/* Fills `error` (NULL allowed), clears where, and returns `status`. */
ladle_status ladle_fail(ladle_error *error, ladle_status status, int64_t offset, const char *format, ...)
    LADLE_PRINTF(4, 5);

/* As ladle_fail with LADLE_IO, or NOT_FOUND where the errno says so; adds strerror. */
ladle_status ladle_fail_errno(ladle_error *error, int os_errno, int64_t offset, const char *format, ...)
    LADLE_PRINTF(4, 5);

/* Puts `format` before what where holds, with `separator` between. Cuts the end if it does not fit. */
void ladle_error_where(ladle_error *error, const char *separator, const char *format, ...) LADLE_PRINTF(3, 4);

/* Copies `from` to `to` (NULL allowed). */
void ladle_error_copy(ladle_error *to, const ladle_error *from);

#endif
