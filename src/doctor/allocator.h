/* The allocator behind malloc in this process, asked from inside. It is found by name at run time, so that it may be
 * any, linked or preloaded; an allocator that a library keeps for itself is none of ours.
 *
 * What each of them tells: glibc and tcmalloc all, jemalloc all, mimalloc what it holds but not what of it is in use,
 * musl and others nothing.
 */
#ifndef LADLE_DOCTOR_ALLOCATOR_H
#define LADLE_DOCTOR_ALLOCATOR_H

#include "doctor/glibc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum ladle_allocator {
    LADLE_ALLOCATOR_UNKNOWN = 0,
    LADLE_ALLOCATOR_GLIBC,
    LADLE_ALLOCATOR_MIMALLOC,
    LADLE_ALLOCATOR_JEMALLOC,
    LADLE_ALLOCATOR_TCMALLOC,
    LADLE_ALLOCATOR_COUNT
} ladle_allocator;

/* The one that serves malloc. Looked up once. */
ladle_allocator ladle_allocator_find(void);

/* Bytes; -1 where it does not say. */
typedef struct ladle_allocator_figures {
    int64_t in_use;     /* in blocks that were asked for and not freed, as rounded up, with headers */
    int64_t heap;       /* held for blocks and resident, as far as it can be told */
    int64_t free;       /* of it: not in use */
    int64_t returnable; /* of that: in whole pages; an estimate */
    int64_t arenas;     /* how many */
    int64_t stretches;  /* of what is free: in the largest stretch of each arena */
} ladle_allocator_figures;

/* What is needed to ask without an allocation, which would be in the way of what is measured. It does not move while
 * it is open. One thread at a time. */
typedef struct ladle_allocator_reader {
    FILE *stream; /* NULL where it is not needed */
    ladle_heap_text text;
    char buffer[4096]; /* of the stream */
    char maps[8192];   /* of /proc/self/maps */
} ladle_allocator_reader;

void ladle_allocator_open(ladle_allocator_reader *reader);
void ladle_allocator_close(ladle_allocator_reader *reader);

/* Costs some 50 microseconds, and as much again for each thousand free blocks and for each 50 MB of heap. */
void ladle_allocator_read(ladle_allocator_reader *reader, ladle_allocator_figures *out);

#endif
