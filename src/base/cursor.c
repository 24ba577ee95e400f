#include "base/cursor.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/little.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ladle_cursor_init(ladle_cursor *c, const void *data, size_t nbytes, int64_t file_offset, bool inflated,
                       ladle_error *error)
{
    c->begin = data;
    c->at = c->begin;
    c->end = c->begin + nbytes;
    c->file_offset = file_offset;
    c->inflated = inflated;
    c->status = LADLE_OK;
    c->error = error;
}

ladle_status ladle_cursor_fail(ladle_cursor *c, ladle_status status, const char *format, ...)
{
    if (c->status != LADLE_OK)
        return c->status;
    c->status = status;
    int64_t position = ladle_cursor_position(c);
    char text[320];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (c->inflated)
        (void)ladle_fail(c->error, status, c->file_offset, "%s (byte %" PRId64 " of the object)", text, position);
    else
        (void)ladle_fail(c->error, status, c->file_offset + position, "%s", text);
    return status;
}

const uint8_t *ladle_cursor_take(ladle_cursor *c, int64_t nbytes, const char *what)
{
    if (c->status != LADLE_OK)
        return NULL;
    if (nbytes < 0) {
        ladle_cursor_fail(c, LADLE_CORRUPT, "%s has a negative length %" PRId64, what, nbytes);
        return NULL;
    }
    if ((uint64_t)nbytes > ladle_cursor_left(c)) {
        ladle_cursor_fail(c, LADLE_TRUNCATED, "%s needs %" PRId64 " bytes, %zu are left", what, nbytes,
                          ladle_cursor_left(c));
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += nbytes;
    return p;
}

void ladle_cursor_skip(ladle_cursor *c, int64_t nbytes, const char *what)
{
    (void)ladle_cursor_take(c, nbytes, what);
}

void ladle_cursor_seek(ladle_cursor *c, int64_t position, const char *what)
{
    if (c->status != LADLE_OK)
        return;
    int64_t here = ladle_cursor_position(c);
    if (position < here) {
        ladle_cursor_fail(c, LADLE_CORRUPT, "%s ends at byte %" PRId64 ", but its fields reach byte %" PRId64, what,
                          position, here);
        return;
    }
    ladle_cursor_skip(c, position - here, what);
}

uint8_t ladle_cursor_u8(ladle_cursor *c, const char *what)
{
    const uint8_t *p = ladle_cursor_take(c, 1, what);
    return p == NULL ? 0 : *p;
}

uint16_t ladle_cursor_u16(ladle_cursor *c, const char *what)
{
    const uint8_t *p = ladle_cursor_take(c, 2, what);
    return p == NULL ? 0 : ladle_load_be16(p);
}

int16_t ladle_cursor_i16(ladle_cursor *c, const char *what)
{
    return (int16_t)ladle_cursor_u16(c, what);
}

uint32_t ladle_cursor_u32(ladle_cursor *c, const char *what)
{
    const uint8_t *p = ladle_cursor_take(c, 4, what);
    return p == NULL ? 0 : ladle_load_be32(p);
}

int32_t ladle_cursor_i32(ladle_cursor *c, const char *what)
{
    return (int32_t)ladle_cursor_u32(c, what);
}

int64_t ladle_cursor_i64(ladle_cursor *c, const char *what)
{
    const uint8_t *p = ladle_cursor_take(c, 8, what);
    return p == NULL ? 0 : (int64_t)ladle_load_be64(p);
}

static uint64_t little(ladle_cursor *c, int nbytes, const char *what)
{
    const uint8_t *p = ladle_cursor_take(c, nbytes, what);
    return p == NULL ? 0 : ladle_load_le(p, nbytes);
}

uint16_t ladle_cursor_le16(ladle_cursor *c, const char *what)
{
    return (uint16_t)little(c, 2, what);
}

uint32_t ladle_cursor_le32(ladle_cursor *c, const char *what)
{
    return (uint32_t)little(c, 4, what);
}

uint64_t ladle_cursor_le64(ladle_cursor *c, const char *what)
{
    return little(c, 8, what);
}

/* `nbytes` characters at the cursor. */
static ladle_text characters(ladle_cursor *c, int64_t nbytes, const char *what)
{
    ladle_text text = {"", 0};
    const uint8_t *p = ladle_cursor_take(c, nbytes, what);
    if (p != NULL) {
        text.data = (const char *)p;
        text.nbytes = (size_t)nbytes;
    }
    return text;
}

ladle_text ladle_cursor_le_string(ladle_cursor *c, const char *what)
{
    return characters(c, ladle_cursor_le32(c, what), what);
}

ladle_text ladle_cursor_string(ladle_cursor *c, const char *what)
{
    int64_t nbytes = ladle_cursor_u8(c, what);
    if (nbytes == 255)
        nbytes = ladle_cursor_i32(c, what);
    return characters(c, nbytes, what);
}

ladle_text ladle_cursor_c_string(ladle_cursor *c, size_t limit, const char *what)
{
    ladle_text text = {"", 0};
    if (c->status != LADLE_OK)
        return text;
    size_t room = ladle_cursor_left(c) < limit ? ladle_cursor_left(c) : limit;
    const uint8_t *stop = room == 0 ? NULL : memchr(c->at, 0, room);
    if (stop == NULL) {
        ladle_cursor_fail(c, LADLE_CORRUPT, "%s is not terminated within %zu bytes", what, room);
        return text;
    }
    text.data = (const char *)c->at;
    text.nbytes = (size_t)(stop - c->at);
    c->at = stop + 1;
    return text;
}

bool ladle_text_equals(ladle_text text, const char *literal)
{
    return strlen(literal) == text.nbytes && memcmp(text.data, literal, text.nbytes) == 0;
}
