#include "memory/arena.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

enum { FIRST_CHUNK = 4 << 10, LAST_CHUNK = 64 << 10 };

struct ladle_arena_chunk {
    ladle_arena_chunk *next;
    size_t size; /* of the allocation */
    size_t used; /* of `data` */
    _Alignas(16) uint8_t data[];
};

void ladle_arena_init(ladle_arena *arena, ladle_context *context)
{
    arena->context = context;
    arena->chunks = NULL;
    arena->chunk_size = FIRST_CHUNK;
    arena->used = 0;
    arena->ceiling = 0;
}

void ladle_arena_destroy(ladle_arena *arena)
{
    ladle_arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        ladle_arena_chunk *next = chunk->next;
        ladle_free(arena->context, chunk, chunk->size, LADLE_MEMORY_METADATA);
        chunk = next;
    }
    arena->chunks = NULL;
}

void *ladle_arena_alloc(ladle_arena *arena, int64_t count, size_t size, ladle_error *error)
{
    int64_t wanted;
    if (count < 0 || !ladle_multiply(count, (int64_t)size, &wanted) || wanted > INT64_MAX / 2) {
        ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET, "%" PRId64 " items of %zu bytes do not fit in memory", count,
                   size);
        return NULL;
    }
    size_t nbytes = ((size_t)wanted + 7) & ~(size_t)7;
    if (arena->ceiling > 0 && (int64_t)nbytes > arena->ceiling - arena->used) {
        ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET,
                   "names and tables would take more than %" PRId64 " bytes, which the file's size does not explain",
                   arena->ceiling);
        return NULL;
    }
    ladle_arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - sizeof *chunk - chunk->used < nbytes) {
        size_t chunk_size = arena->chunk_size;
        if (chunk_size < nbytes + sizeof *chunk)
            chunk_size = nbytes + sizeof *chunk;
        chunk = ladle_alloc(arena->context, chunk_size, LADLE_MEMORY_METADATA, error);
        if (chunk == NULL)
            return NULL;
        chunk->size = chunk_size;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        if (arena->chunk_size < LAST_CHUNK)
            arena->chunk_size *= 2;
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += nbytes;
    arena->used += (int64_t)nbytes;
    return memory;
}

char *ladle_arena_text(ladle_arena *arena, const char *data, size_t nbytes, ladle_error *error)
{
    char *text = ladle_arena_alloc(arena, (int64_t)nbytes + 1, 1, error);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < nbytes; i++)
        text[i] = data[i] == '\0' ? '?' : data[i];
    text[nbytes] = '\0';
    return text;
}

void ladle_vector_init(ladle_vector *vector, ladle_context *context, size_t item_size)
{
    memset(vector, 0, sizeof *vector);
    vector->context = context;
    vector->item_size = item_size;
}

void ladle_vector_destroy(ladle_vector *vector)
{
    if (vector->items != NULL)
        ladle_free(vector->context, vector->items, (size_t)vector->capacity * vector->item_size, LADLE_MEMORY_METADATA);
    vector->items = NULL;
    vector->count = 0;
    vector->capacity = 0;
}

void *ladle_vector_push(ladle_vector *vector, ladle_error *error)
{
    if (vector->count == vector->capacity) {
        int64_t capacity = vector->capacity == 0 ? 16 : vector->capacity * 2;
        void *items = ladle_alloc_array(vector->context, capacity, vector->item_size, LADLE_MEMORY_METADATA, error);
        if (items == NULL)
            return NULL;
        int64_t count = vector->count;
        if (count > 0)
            memcpy(items, vector->items, (size_t)count * vector->item_size);
        ladle_vector_destroy(vector);
        vector->items = items;
        vector->count = count;
        vector->capacity = capacity;
    }
    /* Where `count` was set back, an earlier item lies there. */
    return memset((uint8_t *)vector->items + (size_t)vector->count++ * vector->item_size, 0, vector->item_size);
}
