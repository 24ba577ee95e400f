/* glibc's figures, from malloc_info: it walks all free chunks once, as mallinfo2 does, and tells their sizes as well.
 *
 * What a trim would give back is estimated from these sizes: a free chunk of n bytes, anywhere, has n - 4096 bytes of
 * whole pages in it on average. Pages that were given back before, or never touched, are still in it: glibc does not
 * know. mincore tells how much of the arenas is not resident, and so much is taken off. Live blocks that were never
 * touched make this too small; in an arena there is little of that, since large blocks have mappings of their own.
 */
#include "doctor/meter/allocator.h"
#include "doctor/meter/beside.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_NBYTES ((int64_t)4096)

static int (*info)(int options, FILE *to);
static int (*trim)(size_t pad);

static FILE *stream; /* over the parser below; made once, with a buffer of its own */
static char stream_buffer[4096];

static struct {
    char line[256];
    size_t length;
    bool in_heap;
    int64_t heap, free, mapped, arenas;
    int64_t listed;      /* of the arena's free bytes, in its list of sizes */
    int64_t whole_pages; /* in free chunks, resident or not */
    int64_t largest;     /* free chunk of the arena */
    int64_t largest_holes;
} parsed;

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

static void is_hole(int64_t nbytes)
{
    if (nbytes > parsed.largest)
        parsed.largest = nbytes;
}

static void parse_line(const char *line)
{
    if (strstr(line, "<heap ") != NULL) {
        parsed.in_heap = true;
        parsed.arenas++;
        parsed.listed = 0;
        parsed.largest = 0;
    } else if (strstr(line, "</heap>") != NULL) {
        parsed.in_heap = false;
        parsed.largest_holes += parsed.largest;
    } else if (strstr(line, "<size ") != NULL || strstr(line, "<unsorted ") != NULL) {
        int64_t total = attribute(line, "total=\"");
        parsed.listed += total;
        parsed.whole_pages += whole_pages(total, attribute(line, "count=\""));
        is_hole(total > 0 ? attribute(line, "to=\"") : 0);
    } else if (strstr(line, "<total type=\"mmap\"") != NULL) {
        parsed.mapped = attribute(line, "size=\"");
    } else if (!parsed.in_heap) {
        return; /* sums over the arenas */
    } else if (strstr(line, "<total type=\"fast\"") != NULL) {
        parsed.free += attribute(line, "size=\"");
        parsed.listed -= attribute(line, "size=\""); /* small, and listed above */
    } else if (strstr(line, "<total type=\"rest\"") != NULL) {
        int64_t rest = attribute(line, "size=\"");
        parsed.free += rest;
        /* What is not listed is the top of the arena, one chunk. */
        parsed.whole_pages += whole_pages(rest - parsed.listed, 1);
        is_hole(rest - parsed.listed);
    } else if (strstr(line, "<system type=\"current\"") != NULL) {
        parsed.heap += attribute(line, "size=\"");
    }
}

static ssize_t parse(void *cookie, const char *text, size_t nbytes)
{
    (void)cookie;
    for (size_t i = 0; i < nbytes; i++) {
        if (text[i] == '\n') {
            parsed.line[parsed.length] = '\0';
            parse_line(parsed.line);
            parsed.length = 0;
        } else if (parsed.length < sizeof parsed.line - 1) {
            parsed.line[parsed.length++] = text[i];
        }
    }
    return (ssize_t)nbytes;
}

static bool find(void)
{
    meter_find_symbol(&info, "malloc_info");
    meter_find_symbol(&trim, "malloc_trim");
    if (info == NULL || trim == NULL)
        return false;
    cookie_io_functions_t functions = {.write = parse};
    stream = fopencookie(NULL, "w", functions);
    return stream != NULL && setvbuf(stream, stream_buffer, _IOFBF, sizeof stream_buffer) == 0;
}

/* Bytes of [start, end) that are not resident. */
static int64_t not_resident(uintptr_t start, uintptr_t end)
{
    static unsigned char pages[16384]; /* the sampler's alone */
    int64_t missing = 0;
    while (start < end) {
        uintptr_t most = sizeof pages * (uintptr_t)PAGE_NBYTES;
        uintptr_t n = end - start < most ? end - start : most;
        if (mincore((void *)start, n, pages) != 0)
            return missing;
        for (uintptr_t i = 0; i < n / (uintptr_t)PAGE_NBYTES; i++)
            missing += (pages[i] & 1) == 0 ? PAGE_NBYTES : 0;
        start += n;
    }
    return missing;
}

/* Adds what is not resident of an arena, from its line of /proc/self/maps. */
static void add_missing(const char *line, void *missing)
{
    uintptr_t start, end;
    int32_t kind;
    if (meter_is_anonymous(line, &start, &end, &kind) && kind != LADLE_REGION_MAPPED)
        *(int64_t *)missing += not_resident(start, end);
}

static int64_t arenas_not_resident(void)
{
    int64_t missing = 0;
    meter_each_mapping(add_missing, &missing);
    return missing;
}

static void figures_of_glibc(meter_figures *figures)
{
    memset(&parsed, 0, sizeof parsed);
    if (info(0, stream) != 0 || fflush(stream) != 0)
        return;
    figures->heap = parsed.heap + parsed.mapped;
    figures->heap_free = parsed.free;
    figures->heap_arenas = parsed.arenas;
    figures->heap_largest_holes = parsed.largest_holes;
    int64_t returnable = parsed.whole_pages - (parsed.whole_pages > 0 ? arenas_not_resident() : 0);
    figures->heap_returnable = returnable > 0 ? returnable : 0;
}

static void trim_glibc(void)
{
    (void)trim(0);
}

const meter_allocator meter_glibc = {"glibc", "gnu_get_libc_version", find, figures_of_glibc, trim_glibc};
