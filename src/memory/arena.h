/* memory/arena.h: many small things that live and die together: a schema, a listing.
 *
 * Bump allocation in chunks from the heap, kind METADATA. One thread at a time.
 */
#ifndef LADLE_MEMORY_ARENA_H
#define LADLE_MEMORY_ARENA_H

#include "memory/context.h"

typedef struct ladle_arena_chunk ladle_arena_chunk;

typedef struct ladle_arena {
    ladle_context *context;
    ladle_arena_chunk *chunks; /* newest first */
    size_t chunk_size;         /* of the next one: grows up to 64 KiB */
    int64_t used;              /* bytes handed out */
    int64_t ceiling;           /* that `used` may reach; 0, as it begins: none */
} ladle_arena;

void ladle_arena_init(ladle_arena *arena, ladle_context *context);
void ladle_arena_destroy(ladle_arena *arena);

/* Zeroed, 8-byte aligned. NULL with NOMEM, BUDGET or LIMIT. */
void *ladle_arena_alloc(ladle_arena *arena, int64_t count, size_t size, ladle_error *error);

/* Terminated copy of `nbytes` bytes, zero bytes replaced by '?'. */
char *ladle_arena_text(ladle_arena *arena, const char *data, size_t nbytes, ladle_error *error);

/* A vector that grows in place of a temporary; its memory is counted as METADATA. */
typedef struct ladle_vector {
    ladle_context *context;
    void *items;
    size_t item_size;
    int64_t count;
    int64_t capacity;
} ladle_vector;

void ladle_vector_init(ladle_vector *vector, ladle_context *context, size_t item_size);
void ladle_vector_destroy(ladle_vector *vector);

/* Room for one more, zeroed; NULL on failure. Moves the earlier items. */
void *ladle_vector_push(ladle_vector *vector, ladle_error *error);

#endif
