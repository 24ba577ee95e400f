#include "doctor/glibc.h"

#include <ladle/doctor.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__GLIBC__)

#define PAGE_NBYTES ((int64_t)4096) /* of the estimate of whole pages; the kernel's may be larger */
#define ARENA_NBYTES ((uintptr_t)64 << 20)

/* --- the text of malloc_info --------------------------------------------------------------------- */

static int64_t attribute(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    return at == NULL ? 0 : (int64_t)strtoll(at + strlen(name), NULL, 10);
}

static int64_t whole_pages(int64_t nbytes, int64_t count)
{
    int64_t whole = nbytes - count * PAGE_NBYTES;
    return whole > 0 ? whole : 0;
}

static void is_hole(ladle_heap_text *heap, int64_t nbytes)
{
    if (nbytes > heap->largest)
        heap->largest = nbytes;
}

static void add_line(ladle_heap_text *heap)
{
    const char *line = heap->line;
    if (strstr(line, "<heap ") != NULL) {
        heap->in_heap = true;
        heap->arenas++;
        heap->listed = heap->largest = 0;
    } else if (strstr(line, "</heap>") != NULL) {
        heap->in_heap = false;
        heap->largest_holes += heap->largest;
    } else if (strstr(line, "<size ") != NULL || strstr(line, "<unsorted ") != NULL) {
        int64_t total = attribute(line, "total=\"");
        heap->listed += total;
        heap->whole_pages += whole_pages(total, attribute(line, "count=\""));
        is_hole(heap, total > 0 ? attribute(line, "to=\"") : 0);
    } else if (strstr(line, "<total type=\"mmap\"") != NULL) {
        heap->mapped = attribute(line, "size=\"");
    } else if (!heap->in_heap) {
        return; /* sums over the arenas */
    } else if (strstr(line, "<total type=\"fast\"") != NULL) {
        heap->free += attribute(line, "size=\"");
        heap->listed -= attribute(line, "size=\""); /* small, and listed above */
    } else if (strstr(line, "<total type=\"rest\"") != NULL) {
        int64_t rest = attribute(line, "size=\"");
        heap->free += rest;
        /* What is not listed is the top of the arena, one chunk. */
        heap->whole_pages += whole_pages(rest - heap->listed, 1);
        is_hole(heap, rest - heap->listed);
    } else if (strstr(line, "<system type=\"current\"") != NULL) {
        heap->heap += attribute(line, "size=\"");
    }
}

void ladle_heap_text_add(ladle_heap_text *heap, const char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        if (text[i] == '\n') {
            heap->line[heap->length] = '\0';
            add_line(heap);
            heap->length = 0;
        } else if (heap->length < sizeof heap->line - 1) {
            heap->line[heap->length++] = text[i];
        }
    }
}

/* --- pages --------------------------------------------------------------------------------------- */

void ladle_each_mapping(int fd, ssize_t (*get)(int fd, void *to, size_t nbytes), char *text, size_t size,
                        void (*visit)(const char *line, void *user), void *user)
{
    size_t kept = 0;
    ssize_t got;
    while ((got = get(fd, text + kept, size - 1 - kept)) > 0) {
        char *line = text, *end;
        text[kept + (size_t)got] = '\0';
        while ((end = strchr(line, '\n')) != NULL) {
            *end = '\0';
            visit(line, user);
            line = end + 1;
        }
        kept = strlen(line);
        memmove(text, line, kept);
        if (kept == size - 1)
            kept = 0;
    }
}

bool ladle_mapping_is_anonymous(const char *line, uintptr_t *start, uintptr_t *end, int32_t *kind)
{
    char *at;
    *start = strtoull(line, &at, 16);
    if (*at != '-')
        return false;
    *end = strtoull(at + 1, &at, 16);
    if (strncmp(at, " rw-p ", 6) != 0)
        return false;
    const char *name = strchr(at, '[');
    bool is_named = name != NULL && strncmp(name, "[anon:", 6) == 0; /* by prctl */
    *kind = LADLE_REGION_MAPPED;
    if (name != NULL && !is_named) {
        *kind = LADLE_REGION_HEAP;
        return strcmp(name, "[heap]") == 0;
    }
    if ((strchr(at, '/') != NULL && !is_named) || strstr(at, " 00:00 0") == NULL)
        return false;
    if (*start % ARENA_NBYTES == 0 && *end - *start <= ARENA_NBYTES)
        *kind = LADLE_REGION_ARENA;
    return true;
}

int64_t ladle_not_resident(uintptr_t start, uintptr_t end, unsigned char *pages, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int64_t missing = 0;
    while (start < end) {
        uintptr_t most = size * page, nbytes = end - start < most ? end - start : most;
        if (mincore((void *)start, nbytes, pages) != 0)
            return missing; /* it went away meanwhile */
        for (uintptr_t i = 0; i < nbytes / page; i++)
            missing += (pages[i] & 1) == 0 ? (int64_t)page : 0;
        start += nbytes;
    }
    return missing;
}

#endif
