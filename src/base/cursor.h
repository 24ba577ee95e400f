/* base/cursor.h: the one door to metadata bytes.
 *
 * A cursor reads values within bounds: big-endian ones of ROOT's objects, little-endian ones of RNTuple's. The first
 * read that does not fit fails it; a failed cursor stays failed and gives zeros, so that a parser checks once per
 * record. Nothing else in root/ does arithmetic on pointers into metadata.
 */
#ifndef LADLE_BASE_CURSOR_H
#define LADLE_BASE_CURSOR_H

#include <ladle/base.h>

typedef struct ladle_cursor {
    const uint8_t *begin; /* first byte of the object */
    const uint8_t *at;
    const uint8_t *end;
    int64_t file_offset; /* of `begin` in the file; of the record, where `inflated` */
    bool inflated;       /* the bytes were decompressed: positions are of the object, not the file */
    ladle_status status; /* LADLE_OK until the first failure */
    ladle_error *error;  /* NULL allowed */
} ladle_cursor;

void ladle_cursor_init(ladle_cursor *c, const void *data, size_t nbytes, int64_t file_offset, bool inflated,
                       ladle_error *error);

/* Fails the cursor, unless it has failed already. Returns its status. */
ladle_status ladle_cursor_fail(ladle_cursor *c, ladle_status status, const char *format, ...) LADLE_PRINTF(3, 4);

static inline bool ladle_cursor_ok(const ladle_cursor *c)
{
    return c->status == LADLE_OK;
}

static inline size_t ladle_cursor_left(const ladle_cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Position from the object's first byte. */
static inline int64_t ladle_cursor_position(const ladle_cursor *c)
{
    return (int64_t)(c->at - c->begin);
}

/* `what` names the field in messages. */
uint8_t ladle_cursor_u8(ladle_cursor *c, const char *what);
uint16_t ladle_cursor_u16(ladle_cursor *c, const char *what);
int16_t ladle_cursor_i16(ladle_cursor *c, const char *what);
uint32_t ladle_cursor_u32(ladle_cursor *c, const char *what);
int32_t ladle_cursor_i32(ladle_cursor *c, const char *what);
int64_t ladle_cursor_i64(ladle_cursor *c, const char *what);

/* Little-endian, as in RNTuple's envelopes. */
uint16_t ladle_cursor_le16(ladle_cursor *c, const char *what);
uint32_t ladle_cursor_le32(ladle_cursor *c, const char *what);
uint64_t ladle_cursor_le64(ladle_cursor *c, const char *what);

/* The next `nbytes` bytes, or NULL (failed). Borrows from the object. */
const uint8_t *ladle_cursor_take(ladle_cursor *c, int64_t nbytes, const char *what);
void ladle_cursor_skip(ladle_cursor *c, int64_t nbytes, const char *what);

/* Goes to `position` (from the object's first byte), forwards only. */
void ladle_cursor_seek(ladle_cursor *c, int64_t position, const char *what);

/* A string of the file: not terminated, may hold any byte. */
typedef struct ladle_text {
    const char *data;
    size_t nbytes;
} ladle_text;

/* ROOT's TString: length in one byte, or 255 and then in four. */
ladle_text ladle_cursor_string(ladle_cursor *c, const char *what);

/* RNTuple's string: length in four bytes, little-endian. */
ladle_text ladle_cursor_le_string(ladle_cursor *c, const char *what);

/* A zero-terminated string of at most `limit` bytes. */
ladle_text ladle_cursor_c_string(ladle_cursor *c, size_t limit, const char *what);

bool ladle_text_equals(ladle_text text, const char *literal);

#endif
