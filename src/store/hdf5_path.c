#include "store/hdf5_path.h"

#include <ladle/base.h>

#include <stdio.h>
#include <string.h>

enum { MAX_PATH_NBYTES = 1000 };

int ladle_key_compare(ladle_key a, ladle_key b)
{
    size_t least = a.nbytes < b.nbytes ? a.nbytes : b.nbytes;
    for (size_t i = 0; i < least; i++)
        if (a.data[i] != b.data[i]) {
            int x = a.data[i] == '/' ? -1 : a.data[i], y = b.data[i] == '/' ? -1 : b.data[i];
            return x < y ? -1 : 1;
        }
    return (a.nbytes > b.nbytes) - (a.nbytes < b.nbytes);
}

bool ladle_key_is_below(ladle_key a, ladle_key b)
{
    return b.nbytes > a.nbytes && b.data[a.nbytes] == '/' && (a.nbytes == 0 || memcmp(a.data, b.data, a.nbytes) == 0);
}

/* Bytes of the UTF-8 character at `at`, 0 where there is none: no overlong form, no surrogate, no NUL. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80)
        return lead != 0;
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    if ((lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F) || (lead == 0xF0 && at[1] < 0x90) ||
        (lead == 0xF4 && at[1] > 0x8F))
        return 0;
    return length;
}

typedef struct writer {
    char *path;
    size_t used;
    bool overflown;
} writer;

static void put(writer *w, const void *data, size_t nbytes)
{
    w->overflown = w->overflown || nbytes > MAX_PATH_NBYTES - w->used;
    if (w->overflown)
        return;
    memcpy(w->path + w->used, data, nbytes);
    w->used += nbytes;
}

static void put_quoted(writer *w, uint8_t byte)
{
    char text[4];
    (void)snprintf(text, sizeof text, "%%%02X", byte);
    put(w, text, 3);
}

static void put_component(writer *w, const uint8_t *at, size_t nbytes)
{
    if (nbytes == 0)
        put(w, "%_", 2);
    else if (nbytes == 1 && at[0] == '.')
        put_quoted(w, '.');
    else
        for (size_t i = 0, length; i < nbytes && !w->overflown; i += length) {
            length = utf8_length(at + i, nbytes - i);
            if (length == 0 || at[i] == '%') {
                length = 1;
                put_quoted(w, at[i]);
            } else {
                put(w, at + i, length);
            }
        }
}

void ladle_hdf5_path_of(ladle_key key, bool is_prefix, char path[LADLE_HDF5_PATH_SIZE])
{
    writer w = {.path = path};
    int depth = 0;
    size_t begin = 0;
    for (size_t end = 0; end <= key.nbytes && !w.overflown; end++) {
        if (end < key.nbytes && key.data[end] != '/')
            continue;
        if (begin > 0)
            put(&w, "/", 1);
        put_component(&w, key.data + begin, end - begin);
        begin = end + 1;
        w.overflown = w.overflown || ++depth > LADLE_HDF5_MAX_DEPTH;
    }
    if (is_prefix)
        put(&w, "%", 1);
    if (w.overflown)
        (void)snprintf(path, LADLE_HDF5_PATH_SIZE, "%%~%016llX",
                       (unsigned long long)ladle_xxh3_64(key.data, key.nbytes));
    else
        path[w.used] = '\0';
}
