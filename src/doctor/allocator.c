#include "doctor/allocator.h"

#include "base/checked.h"

#include <ladle/doctor.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* --- which one ------------------------------------------------------------------------------- */

/* How the functions of allocators that may not be here look. */
typedef int jemalloc_mallctl(const char *name, void *old, size_t *old_nbytes, void *new, size_t new_nbytes);
typedef void mimalloc_collect(bool force);
typedef void mimalloc_process_info(size_t *elapsed_ms, size_t *user_ms, size_t *system_ms, size_t *rss,
                                   size_t *peak_rss, size_t *commit, size_t *peak_commit, size_t *page_faults);
typedef int tcmalloc_property(const char *name, size_t *value);
typedef void tcmalloc_release(void);

static struct {
    ladle_allocator kind;
    jemalloc_mallctl *mallctl;
    mimalloc_collect *mi_collect;
    mimalloc_process_info *mi_process_info;
    tcmalloc_property *tc_property;
    tcmalloc_release *tc_release;
} found;

/* The library that defines a function, as its address in memory; NULL where there is none. */
static void *library_of(void *function)
{
    Dl_info info;
    return function != NULL && dladdr(function, &info) != 0 ? info.dli_fbase : NULL;
}

static bool is_of_meter(void *function)
{
    Dl_info info;
    return dladdr(function, &info) != 0 && info.dli_fname != NULL && strstr(info.dli_fname, "libladle_meter") != NULL;
}

/* The function of that name in the library that defines another one; NULL where it has none. */
static void *same_in_library_of(void *function, const char *name)
{
    Dl_info info;
    if (function == NULL || dladdr(function, &info) == 0)
        return NULL;
    void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL)
        return NULL;
    void *same = dlsym(library, name);
    (void)dlclose(library);
    return same;
}

/* ISO C has no cast from an object's address to a function's; POSIX promises that both look alike. */
#define LOOK_UP(function, name)                          \
    do {                                                 \
        void *address_ = dlsym(RTLD_DEFAULT, name);      \
        memcpy(&(function), &address_, sizeof address_); \
    } while (0)

static void find(void)
{
    LOOK_UP(found.mallctl, "mallctl");
    LOOK_UP(found.mi_collect, "mi_collect");
    LOOK_UP(found.mi_process_info, "mi_process_info");
    LOOK_UP(found.tc_property, "MallocExtension_GetNumericProperty");
    LOOK_UP(found.tc_release, "MallocExtension_ReleaseFreeMemory");
    static const struct {
        ladle_allocator kind;
        const char *name;
    } signs[] = {
        {LADLE_ALLOCATOR_MIMALLOC, "mi_collect"},
        {LADLE_ALLOCATOR_JEMALLOC, "mallctl"},
        {LADLE_ALLOCATOR_TCMALLOC, "MallocExtension_ReleaseFreeMemory"},
        {LADLE_ALLOCATOR_GLIBC, "mallinfo2"},
    };
    void *serves = dlsym(RTLD_DEFAULT, "malloc_usable_size");
    for (size_t i = 0; i < sizeof signs / sizeof signs[0] && serves != NULL; i++) {
        void *sign = dlsym(RTLD_DEFAULT, signs[i].name);
        void *library = library_of(sign);
        /* The meter counts, and calls the allocator behind it. */
        void *own = is_of_meter(serves) ? same_in_library_of(sign, "malloc_usable_size") : serves;
        if (library != NULL && library_of(own) == library) {
            found.kind = signs[i].kind;
            return;
        }
    }
}

ladle_allocator ladle_allocator_find(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, find);
    return found.kind;
}

const char *ladle_allocator_name(void)
{
    static const char *const names[LADLE_ALLOCATOR_COUNT] = {"unknown", "glibc", "mimalloc", "jemalloc", "tcmalloc"};
    return names[ladle_allocator_find()];
}

/* --- glibc ----------------------------------------------------------------------------------- */

#if defined(__GLIBC__)

static ssize_t read_text(void *cookie, const char *text, size_t nbytes)
{
    ladle_heap_text_add(cookie, text, nbytes);
    return (ssize_t)nbytes;
}

static bool read_heap_text(ladle_allocator_reader *reader)
{
    memset(&reader->text, 0, sizeof reader->text);
    return reader->stream != NULL && malloc_info(0, reader->stream) == 0 && fflush(reader->stream) == 0;
}

static void add_missing(const char *line, void *missing)
{
    unsigned char pages[8192];
    uintptr_t start, end;
    int32_t kind;
    if (ladle_mapping_is_anonymous(line, &start, &end, &kind) && kind != LADLE_REGION_MAPPED)
        *(int64_t *)missing += ladle_not_resident(start, end, pages, sizeof pages);
}

/* What the arenas hold as address space only: never touched, or given back. */
static int64_t arenas_not_resident(ladle_allocator_reader *reader)
{
    int64_t missing = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ladle_each_mapping(fd, read, reader->maps, sizeof reader->maps, add_missing, &missing);
        (void)close(fd);
    }
    return missing;
}

static void read_glibc(ladle_allocator_reader *reader, ladle_allocator_figures *out)
{
    if (!read_heap_text(reader))
        return;
    const ladle_heap_text *text = &reader->text;
    int64_t missing = arenas_not_resident(reader);
    out->in_use = text->heap - text->free + text->mapped;
    out->heap = ladle_max(text->heap - missing, 0) + text->mapped;
    out->free = ladle_max(out->heap - out->in_use, 0);
    out->arenas = text->arenas;
    out->stretches = ladle_min(text->largest_holes, out->free);
    /* What is missing lies in whole free pages, but for live blocks that were never touched. */
    out->returnable = ladle_min(ladle_max(text->whole_pages - missing, 0), out->free);
}

#endif

/* --- the others ------------------------------------------------------------------------------ */

static int64_t mallctl_size(const char *name)
{
    size_t value = 0, nbytes = sizeof value;
    return found.mallctl(name, &value, &nbytes, NULL, 0) == 0 ? (int64_t)value : -1;
}

static void read_jemalloc(ladle_allocator_figures *out)
{
    uint64_t epoch = 1; /* figures are of the last change of it */
    size_t nbytes = sizeof epoch;
    (void)found.mallctl("epoch", &epoch, &nbytes, &epoch, sizeof epoch);
    int64_t active = mallctl_size("stats.active"), metadata = mallctl_size("stats.metadata");
    out->in_use = mallctl_size("stats.allocated");
    out->heap = mallctl_size("stats.resident");
    if (out->in_use < 0 || out->heap < 0 || active < 0 || metadata < 0)
        return; /* built without statistics */
    out->free = out->heap > out->in_use ? out->heap - out->in_use : 0;
    out->returnable = out->heap > active + metadata ? out->heap - active - metadata : 0;
    unsigned arenas = 0;
    nbytes = sizeof arenas;
    if (found.mallctl("arenas.narenas", &arenas, &nbytes, NULL, 0) == 0)
        out->arenas = arenas;
}

static int64_t tcmalloc_size(const char *name)
{
    size_t value = 0;
    return found.tc_property(name, &value) != 0 ? (int64_t)value : -1;
}

static void read_tcmalloc(ladle_allocator_figures *out)
{
    if (found.tc_property == NULL)
        return;
    int64_t heap = tcmalloc_size("generic.heap_size"), unmapped = tcmalloc_size("tcmalloc.pageheap_unmapped_bytes");
    out->in_use = tcmalloc_size("generic.current_allocated_bytes");
    if (heap < 0 || out->in_use < 0)
        return;
    out->heap = heap - (unmapped > 0 ? unmapped : 0);
    out->free = out->heap > out->in_use ? out->heap - out->in_use : 0;
    out->returnable = tcmalloc_size("tcmalloc.pageheap_free_bytes");
}

/* --- all ------------------------------------------------------------------------------------- */

void ladle_allocator_open(ladle_allocator_reader *reader)
{
    memset(reader, 0, sizeof *reader);
#if defined(__GLIBC__)
    if (ladle_allocator_find() != LADLE_ALLOCATOR_GLIBC)
        return;
    reader->stream = fopencookie(&reader->text, "w", (cookie_io_functions_t){.write = read_text});
    if (reader->stream != NULL)
        (void)setvbuf(reader->stream, reader->buffer, _IOFBF, sizeof reader->buffer);
#endif
}

void ladle_allocator_close(ladle_allocator_reader *reader)
{
    if (reader->stream != NULL)
        (void)fclose(reader->stream);
    reader->stream = NULL;
}

void ladle_allocator_read(ladle_allocator_reader *reader, ladle_allocator_figures *out)
{
    *out = (ladle_allocator_figures){-1, -1, -1, -1, -1, -1};
    switch (ladle_allocator_find()) {
#if defined(__GLIBC__)
    case LADLE_ALLOCATOR_GLIBC: read_glibc(reader, out); break;
#endif
    case LADLE_ALLOCATOR_JEMALLOC: read_jemalloc(out); break;
    case LADLE_ALLOCATOR_TCMALLOC: read_tcmalloc(out); break;
    default: break; /* mimalloc tells what it committed, which is not what is in use */
    }
}

bool ladle_allocator_trim(void)
{
    switch (ladle_allocator_find()) {
#if defined(__GLIBC__)
    case LADLE_ALLOCATOR_GLIBC: (void)malloc_trim(0); return true;
#endif
    case LADLE_ALLOCATOR_MIMALLOC: found.mi_collect(true); return true;
    case LADLE_ALLOCATOR_JEMALLOC:
        /* 4096 stands for all arenas. */
        (void)found.mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
        return found.mallctl("arena.4096.purge", NULL, NULL, NULL, 0) == 0;
    case LADLE_ALLOCATOR_TCMALLOC: found.tc_release(); return true;
    default: return false;
    }
}
