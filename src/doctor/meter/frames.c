/* Python's frames, as text that is kept once: the same lines allocate again and again. */
#include "doctor/meter/beside.h"
#include "doctor/meter/blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 65536, POOL_NBYTES = 8 << 20, LINE_NBYTES = 256 };

static struct {
    meter_lock lock;
    char *pool; /* texts, each ended by 0; the first byte is not used */
    uint32_t used;
    uint32_t *places; /* offsets in the pool by hash; 0: free */
    uint32_t count;
} texts;

/* The offset of `text` in the pool; 0: it has no room. With the lock. */
static uint32_t intern(const char *text)
{
    if (texts.pool == NULL) {
        char *pool = meter_map_memory(POOL_NBYTES);
        uint32_t *places = meter_map_memory(PLACES * sizeof *places);
        if (pool == NULL || places == NULL) {
            meter_unmap_memory(pool, POOL_NBYTES);
            meter_unmap_memory(places, PLACES * sizeof *places);
            return 0;
        }
        texts.pool = pool;
        texts.places = places;
        texts.used = 1;
    }
    uint64_t hash = 14695981039346656037u;
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    uint32_t at = (uint32_t)(hash ^ hash >> 32) & (PLACES - 1);
    while (texts.places[at] != 0) {
        if (strcmp(texts.pool + texts.places[at], text) == 0)
            return texts.places[at];
        at = (at + 1) & (PLACES - 1);
    }
    if (texts.count >= PLACES / 2 || length + 1 > POOL_NBYTES - texts.used)
        return 0;
    texts.places[at] = texts.used;
    memcpy(texts.pool + texts.used, text, length + 1);
    texts.used += (uint32_t)length + 1;
    texts.count++;
    return texts.places[at];
}

/* The last two parts of a path: enough to tell one __init__.py from another. */
static const char *short_path(const char *path)
{
    const char *last = path, *before = path;
    for (const char *p = path; *p != '\0'; p++)
        if (*p == '/') {
            before = last;
            last = p + 1;
        }
    return before;
}

/* Of `  File "path", line 12 in function`. */
static bool read_frame(char *line, char *text, size_t size)
{
    static const char head[] = "  File \"", middle[] = "\", line ", tail[] = " in ";
    if (strncmp(line, head, sizeof head - 1) != 0)
        return false;
    char *path = line + sizeof head - 1, *number = strstr(path, middle);
    char *function = number == NULL ? NULL : strstr(number, tail);
    if (function == NULL)
        return false;
    *number = *function = '\0';
    (void)snprintf(text, size, "%s (%s:%s)", function + sizeof tail - 1, short_path(path), number + sizeof middle - 1);
    return true;
}

/* Apart from its caller, for its buffers: other threads than Python's may have little stack. */
static __attribute__((noinline)) int32_t read_frames(uintptr_t *frames, int32_t most)
{
    char text[8192], frame[LINE_NBYTES];
    if (meter_python_traceback(text, sizeof text) <= 0)
        return 0;
    int32_t count = 0;
    char *end;
    meter_lock_take(&texts.lock);
    for (char *line = text; count < most && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        uint32_t offset = read_frame(line, frame, sizeof frame) ? intern(frame) : 0;
        if (offset != 0)
            frames[count++] = METER_PYTHON_FRAME | offset;
    }
    meter_lock_leave(&texts.lock);
    return count;
}

int32_t meter_python_frames(uintptr_t *frames, int32_t most)
{
    return meter_python_is_here() ? read_frames(frames, most) : 0;
}

const char *meter_python_frame(uintptr_t frame)
{
    return texts.pool + (frame & ~METER_PYTHON_FRAME);
}
