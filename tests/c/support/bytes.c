#include "support/bytes.h"

#include "support/check.h"

void bytes_free(bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

static uint8_t *room(bytes *b, size_t nbytes)
{
    if (b->n + nbytes > b->capacity) {
        b->capacity = (b->n + nbytes) * 2 + 64;
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    b->n += nbytes;
    return b->data + b->n - nbytes;
}

void put(bytes *b, const void *data, size_t nbytes)
{
    uint8_t *to = room(b, nbytes);
    if (nbytes > 0)
        memcpy(to, data, nbytes);
}

void put_fill(bytes *b, uint8_t value, size_t nbytes)
{
    memset(room(b, nbytes), value, nbytes);
}

void put_big(bytes *b, uint64_t value, size_t nbytes)
{
    uint8_t *to = room(b, nbytes);
    for (size_t i = 0; i < nbytes; i++)
        to[i] = (uint8_t)(value >> 8 * (nbytes - 1 - i));
}

static void store_little(uint8_t *to, uint64_t value, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

void put_little(bytes *b, uint64_t value, size_t nbytes)
{
    store_little(room(b, nbytes), value, nbytes);
}

void set_little(bytes *b, size_t at, uint64_t value, size_t nbytes)
{
    store_little(b->data + at, value, nbytes);
}

void put_u8(bytes *b, uint64_t value)
{
    put_big(b, value, 1);
}

void put_u16(bytes *b, uint64_t value)
{
    put_big(b, value, 2);
}

void put_u32(bytes *b, uint64_t value)
{
    put_big(b, value, 4);
}

void put_u64(bytes *b, uint64_t value)
{
    put_big(b, value, 8);
}

void put_string(bytes *b, const char *text)
{
    size_t n = strlen(text);
    if (n < 255) {
        put_u8(b, n);
    } else {
        put_u8(b, 255);
        put_u32(b, n);
    }
    put(b, text, n);
}

void set_u32(bytes *b, size_t at, uint64_t value)
{
    for (size_t i = 0; i < 4; i++)
        b->data[at + i] = (uint8_t)(value >> 8 * (3 - i));
}

void set_u64(bytes *b, size_t at, uint64_t value)
{
    set_u32(b, at, value >> 32);
    set_u32(b, at + 4, value);
}

size_t open_frame(bytes *b, int version)
{
    size_t at = b->n;
    put_u32(b, 0);
    put_u16(b, (uint64_t)version);
    return at;
}

void close_frame(bytes *b, size_t at)
{
    set_u32(b, at, (b->n - at - 4) | 0x40000000u);
}
