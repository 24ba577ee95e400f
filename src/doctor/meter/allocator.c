/* Which allocator is beneath, and its own figures. */
#include "doctor/meter/allocator.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

void meter_find_symbol(void *to, const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(to, &symbol, sizeof symbol);
}

/* --- jemalloc ------------------------------------------------------------------------------------ */

static int (*je_control)(const char *name, void *old, size_t *old_nbytes, void *new, size_t new_nbytes);

static bool find_jemalloc(void)
{
    meter_find_symbol(&je_control, "mallctl");
    return je_control != NULL;
}

static int64_t je_figure(const char *name)
{
    size_t value = 0, size = sizeof value;
    return je_control(name, &value, &size, NULL, 0) == 0 ? (int64_t)value : -1;
}

static void jemalloc_figures(meter_figures *figures)
{
    uint64_t epoch = 1;
    if (je_control("epoch", NULL, NULL, &epoch, sizeof epoch) != 0)
        return;
    int64_t allocated = je_figure("stats.allocated"), active = je_figure("stats.active");
    int64_t metadata = je_figure("stats.metadata"), resident = je_figure("stats.resident");
    if (allocated < 0 || active < 0 || metadata < 0 || resident < 0) /* built without statistics */
        return;
    /* `resident` takes all active pages for touched. What is retained is address space without memory. */
    figures->heap = resident;
    figures->heap_free = resident > allocated + metadata ? resident - allocated - metadata : 0;
    figures->heap_returnable = resident > active + metadata ? resident - active - metadata : 0;
    unsigned arenas = 0;
    size_t size = sizeof arenas;
    if (je_control("arenas.narenas", &arenas, &size, NULL, 0) == 0)
        figures->heap_arenas = arenas;
}

static void jemalloc_trim(void)
{
    (void)je_control("thread.tcache.flush", NULL, NULL, NULL, 0);
    (void)je_control("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096: all of them */
}

/* --- tcmalloc ------------------------------------------------------------------------------------ */

static int (*tc_property)(const char *name, size_t *value);
static void (*tc_release)(void);

static bool find_tcmalloc(void)
{
    meter_find_symbol(&tc_property, "MallocExtension_GetNumericProperty");
    meter_find_symbol(&tc_release, "MallocExtension_ReleaseFreeMemory");
    return tc_property != NULL && tc_release != NULL;
}

static int64_t tc_figure(const char *name)
{
    size_t value = 0;
    return tc_property(name, &value) != 0 ? (int64_t)value : -1;
}

static void tcmalloc_figures(meter_figures *figures)
{
    int64_t heap = tc_figure("generic.heap_size"), used = tc_figure("generic.current_allocated_bytes");
    int64_t pages = tc_figure("tcmalloc.pageheap_free_bytes"), unmapped = tc_figure("tcmalloc.pageheap_unmapped_bytes");
    if (heap < 0 || used < 0 || pages < 0 || unmapped < 0)
        return;
    figures->heap = heap - unmapped;
    figures->heap_free = heap - unmapped > used ? heap - unmapped - used : 0;
    figures->heap_returnable = pages;
    figures->heap_arenas = 1;
}

static void tcmalloc_trim(void)
{
    tc_release();
}

/* --- mimalloc ------------------------------------------------------------------------------------ */

static void (*mi_info)(size_t *elapsed_ms, size_t *user_ms, size_t *system_ms, size_t *rss, size_t *peak_rss,
                       size_t *commit, size_t *peak_commit, size_t *faults);
static void (*mi_give_back)(bool force);

static bool find_mimalloc(void)
{
    meter_find_symbol(&mi_info, "mi_process_info");
    meter_find_symbol(&mi_give_back, "mi_collect");
    return mi_info != NULL && mi_give_back != NULL;
}

/* It tells what it has committed, and nothing of what is free in it. */
static void mimalloc_figures(meter_figures *figures)
{
    size_t elapsed_ms, user_ms, system_ms, rss, peak_rss, commit = 0, peak_commit, faults;
    mi_info(&elapsed_ms, &user_ms, &system_ms, &rss, &peak_rss, &commit, &peak_commit, &faults);
    if (commit > 0)
        figures->heap = (int64_t)commit;
}

static void mimalloc_trim(void)
{
    mi_give_back(true);
}

/* --- which it is --------------------------------------------------------------------------------- */

static const meter_allocator jemalloc = {"jemalloc", "mallctl", find_jemalloc, jemalloc_figures, jemalloc_trim};
static const meter_allocator tcmalloc = {"tcmalloc", "MallocExtension_GetNumericProperty", find_tcmalloc,
                                         tcmalloc_figures, tcmalloc_trim};
static const meter_allocator mimalloc = {"mimalloc", "mi_version", find_mimalloc, mimalloc_figures, mimalloc_trim};
static const meter_allocator *const known[] = {&jemalloc, &tcmalloc, &mimalloc, &meter_glibc};

static const meter_allocator *allocator; /* NULL: not known */
static char name[sizeof((ladle_meter_header *)0)->allocator] = "unknown";

static void *object_of(void *address, const char **path)
{
    Dl_info info;
    if (address == NULL || dladdr(address, &info) == 0)
        return NULL;
    *path = info.dli_fname;
    return info.dli_fbase;
}

/* Libraries carry copies of jemalloc and mimalloc for their own use, so the symbol must be where malloc is. */
void meter_allocator_find(void)
{
    void *function, *first;
    const char *path = NULL, *other;
    memcpy(&function, &meter_beneath.malloc, sizeof function);
    void *object = object_of(function, &path);
    meter_find_symbol(&first, "malloc");
    const char *self_path = NULL, *first_path = NULL;
    if (object_of(first, &first_path) != object_of(&meter_here, &self_path)) {
        /* The program brings a malloc of its own, and its symbols come first: the meter is not called. */
        (void)snprintf(name, sizeof name, "built into the program");
    } else if (object != NULL) {
        const char *slash = strrchr(path, '/');
        (void)snprintf(name, sizeof name, "%s", slash == NULL ? path : slash + 1);
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (object_of(dlsym(RTLD_DEFAULT, known[i]->symbol), &other) != object)
                continue;
            (void)snprintf(name, sizeof name, "%s", known[i]->name);
            if (known[i]->find())
                allocator = known[i];
            break;
        }
    }
    (void)snprintf(meter_here.header->allocator, sizeof meter_here.header->allocator, "%s", name);
}

const char *meter_allocator_name(void)
{
    return name;
}

void meter_allocator_figures(meter_figures *figures)
{
    *figures = (meter_figures){-1, -1, -1, -1, -1};
    if (allocator != NULL)
        allocator->figures(figures);
}

void meter_allocator_trim(void)
{
    if (allocator != NULL)
        allocator->trim();
}
