/* support/bytes.h: a growing buffer to write files from: big-endian values, as ROOT's objects have them, and
 * little-endian ones. */
#ifndef LADLE_TESTS_BYTES_H
#define LADLE_TESTS_BYTES_H

#include <stddef.h>
#include <stdint.h>

typedef struct bytes {
    uint8_t *data;
    size_t n;
    size_t capacity;
} bytes;

void bytes_free(bytes *b);
void put(bytes *b, const void *data, size_t nbytes);
void put_fill(bytes *b, uint8_t value, size_t nbytes);
void put_u8(bytes *b, uint64_t value);
void put_u16(bytes *b, uint64_t value);
void put_u32(bytes *b, uint64_t value);
void put_u64(bytes *b, uint64_t value);
/* The low `nbytes` bytes of `value`, most significant first. */
void put_big(bytes *b, uint64_t value, size_t nbytes);
/* The same, least significant first. */
void put_little(bytes *b, uint64_t value, size_t nbytes);
void put_string(bytes *b, const char *text); /* ROOT's TString */

/* Overwrites at `at`. */
void set_u32(bytes *b, size_t at, uint64_t value);
void set_u64(bytes *b, size_t at, uint64_t value);
void set_little(bytes *b, size_t at, uint64_t value, size_t nbytes);

/* A byte count and a version; close_frame sets the count. */
size_t open_frame(bytes *b, int version);
void close_frame(bytes *b, size_t at);

#endif
