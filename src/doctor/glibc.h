/* What glibc tells of its heap, and what must be found out beside it. The meter has a copy of its own of glibc.c, so
 * nothing here allocates, locks, or calls more than libc's text functions and mincore.
 *
 * glibc's figures come from malloc_info: it walks all free chunks once, as mallinfo2 does, and tells their sizes as
 * well. What a trim would give back is estimated from these sizes: a free chunk of n bytes, anywhere, has n - 4096
 * bytes of whole pages in it on average. Pages that were given back before, or never touched, are still in it: glibc
 * does not know, mincore does.
 */
#ifndef LADLE_DOCTOR_GLIBC_H
#define LADLE_DOCTOR_GLIBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What malloc_info says, as its text goes by. Zero it first. Bytes, over all arenas where nothing else is said. */
typedef struct ladle_heap_text {
    int64_t arenas;        /* how many */
    int64_t heap;          /* address space of the arenas */
    int64_t free;          /* of it: free chunks */
    int64_t mapped;        /* in blocks that have mappings of their own */
    int64_t whole_pages;   /* in free chunks, resident or not */
    int64_t largest_holes; /* the largest free chunk of each arena */
    int64_t listed;        /* of this arena's free bytes: in its list of sizes, without the fast ones */
    int64_t largest;       /* free chunk of this arena */
    bool in_heap;
    size_t length; /* of the line that goes on in the next piece */
    char line[256];
} ladle_heap_text;

void ladle_heap_text_add(ladle_heap_text *heap, const char *text, size_t nbytes);

/* Each line of /proc/PID/maps, open as `fd`, to a function; `text` is room for some of it. Lines that are longer than
 * that are left out: they are those of files. */
void ladle_each_mapping(int fd, ssize_t (*get)(int fd, void *to, size_t nbytes), char *text, size_t size,
                        void (*visit)(const char *line, void *user), void *user);

/* Of such a line: false where it is not writable memory of this process alone, without a file. `*kind`: a
 * ladle_region_kind; arenas but the main one are parts of mappings that are aligned to their largest size. */
bool ladle_mapping_is_anonymous(const char *line, uintptr_t *start, uintptr_t *end, int32_t *kind);

/* Bytes of [start, end) that are not resident; `pages` is room for some of the answers. */
int64_t ladle_not_resident(uintptr_t start, uintptr_t end, unsigned char *pages, size_t size);

#endif
