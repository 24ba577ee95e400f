/* glibc's figures, which doctor/glibc.h explains: the resident part of what a trim would give back is estimated as
 * what is in whole free pages, less what is not resident of the arenas. Live blocks that were never touched make this
 * too small; in an arena there is little of that, since large blocks have mappings of their own.
 */
#include "doctor/glibc.h"
#include "doctor/meter/allocator.h"
#include "doctor/meter/beside.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

static int (*info)(int options, FILE *to);
static int (*trim)(size_t pad);

static FILE *stream; /* over the parser below; made once, with a buffer of its own */
static char stream_buffer[4096];

static ladle_heap_text parsed;

static ssize_t parse(void *cookie, const char *text, size_t nbytes)
{
    (void)cookie;
    ladle_heap_text_add(&parsed, text, nbytes);
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

/* Adds what is not resident of an arena, from its line of /proc/self/maps. */
static void add_missing(const char *line, void *missing)
{
    static unsigned char pages[16384]; /* the sampler's alone */
    uintptr_t start, end;
    int32_t kind;
    if (ladle_mapping_is_anonymous(line, &start, &end, &kind) && kind != LADLE_REGION_MAPPED)
        *(int64_t *)missing += ladle_not_resident(start, end, pages, sizeof pages);
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
