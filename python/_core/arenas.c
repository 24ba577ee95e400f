/* arenas.c: how many bytes Python's object allocator holds in arenas, at any time, for threads without the GIL.
 *
 * What is there at first comes from the statistics that Python prints; what comes and goes then is counted by a pair of
 * functions around those that make and free arenas. Both are exported by Python, but not in its stable headers; where
 * one of them is missing, nothing is known. Calls are made with the GIL.
 */
#include "core.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct arena_allocator { /* PyObjectArenaAllocator */
    void *context;
    void *(*alloc)(void *context, size_t nbytes);
    void (*free)(void *context, void *arena, size_t nbytes);
} arena_allocator;

static arena_allocator beneath;
static bool is_wrapped; /* also while somebody has put functions of his own around ours */
static int users;
static _Atomic int64_t held;
static _Atomic bool is_known;

static void *arena_alloc(void *context, size_t nbytes)
{
    void *arena = beneath.alloc(context, nbytes);
    if (arena != NULL) {
        atomic_fetch_add(&held, (int64_t)nbytes);
    }
    return arena;
}

static void arena_free(void *context, void *arena, size_t nbytes)
{
    beneath.free(context, arena, nbytes);
    atomic_fetch_sub(&held, (int64_t)nbytes);
}

static void look_up(void *function, const char *name)
{
    void *address = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &address, sizeof address);
}

/* Bytes in arenas by Python's own statistics, whose line "3 arenas * 1048576 bytes/arena = 3,145,728" has not changed
 * since 3.3; 0 where it uses none; -1 if it does not say. */
static int64_t count_arenas(void)
{
    int (*print)(FILE * out);
    look_up(&print, "_PyObject_DebugMallocStats");
    char *text = NULL;
    size_t nbytes = 0;
    FILE *out = print == NULL ? NULL : open_memstream(&text, &nbytes);
    if (out == NULL) {
        return -1;
    }
    int printed = print(out);
    int64_t found = fclose(out) != 0 ? -1 : 0;
    if (found == 0 && printed != 0) {
        const char *line = strstr(text, " arenas * ");
        found = -1;
        if (line != NULL) {
            long long size = strtoll(line + strlen(" arenas * "), NULL, 10);
            while (line > text && line[-1] >= '0' && line[-1] <= '9') {
                line--;
            }
            found = strtoll(line, NULL, 10) * size;
        }
    }
    free(text);
    return found;
}

void core_arenas_retain(void)
{
    void (*get)(arena_allocator *);
    void (*set)(arena_allocator *);
    look_up(&get, "PyObject_GetArenaAllocator");
    look_up(&set, "PyObject_SetArenaAllocator");
    if (users++ > 0 || get == NULL || set == NULL) {
        return;
    }
    if (!is_wrapped) {
        get(&beneath);
        arena_allocator ours = {beneath.context, arena_alloc, arena_free};
        set(&ours);
        is_wrapped = true;
    }
    int64_t counted = count_arenas();
    atomic_store(&held, counted);
    atomic_store(&is_known, counted >= 0);
}

void core_arenas_release(void)
{
    void (*get)(arena_allocator *);
    void (*set)(arena_allocator *);
    look_up(&get, "PyObject_GetArenaAllocator");
    look_up(&set, "PyObject_SetArenaAllocator");
    if (--users > 0 || !is_wrapped) {
        return;
    }
    arena_allocator now;
    get(&now);
    if (now.alloc == arena_alloc) {
        set(&beneath);
        is_wrapped = false;
    }
}

int64_t core_arenas_held(void)
{
    return atomic_load(&is_known) ? atomic_load(&held) : -1;
}
