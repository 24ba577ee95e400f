/* The map of the heap: which pages are full, partly used, empty or not resident, near the process's peak.
 *
 * Every live block is in a table. At a new peak of resident or live bytes, 5 % above the one before, the live bytes
 * are added up page by page, and written. That takes a while, so it is done for 5 % of the time at most. */
#include "doctor/glibc.h"
#include "doctor/meter/beside.h"
#include "doctor/meter/blocks.h"

#include <string.h>
#include <sys/mman.h>

enum { COST_FACTOR = 20, MOST_REGIONS = 65536 };
#define PAGE_NBYTES ((uintptr_t)4096)
#define MOST_PAGES ((uint64_t)1 << 26) /* 256 GiB of addresses */

typedef struct region {
    uintptr_t start, end;
    uint64_t first_page; /* in `fill` */
    int32_t kind;
    bool is_used; /* it has a live block */
} region;

typedef struct survey {
    region *regions; /* by address */
    uint64_t count, pages;
    uint16_t *fill; /* live bytes of each page of the regions */
    uintptr_t header_nbytes;
} survey;

static int64_t last_peak, soonest;

void meter_map_allocation(const void *block, int64_t usable)
{
    meter_blocks_put(METER_TABLE_MAP, block, (uint64_t)usable);
}

void meter_map_free(const void *block)
{
    uint64_t usable;
    (void)meter_blocks_take(METER_TABLE_MAP, block, &usable);
}

void meter_map_restart(void)
{
    last_peak = soonest = 0;
}

static void add_region(const char *line, void *user)
{
    survey *s = user;
    region r = {.first_page = s->pages};
    if (s->count == MOST_REGIONS || !ladle_mapping_is_anonymous(line, &r.start, &r.end, &r.kind) ||
        s->pages + (r.end - r.start) / PAGE_NBYTES > MOST_PAGES)
        return;
    s->pages += (r.end - r.start) / PAGE_NBYTES;
    s->regions[s->count++] = r;
}

static region *region_of(const survey *s, uintptr_t address)
{
    uint64_t low = 0, high = s->count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (s->regions[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->count && s->regions[low].start <= address ? &s->regions[low] : NULL;
}

/* With its header, so that a page without a hole is full. */
static void add_block(uintptr_t block, uint64_t usable, void *user)
{
    survey *s = user;
    uintptr_t start = block - s->header_nbytes, end = block + usable;
    region *in = region_of(s, start);
    if (in == NULL)
        return;
    in->is_used = true;
    if (end > in->end)
        end = in->end;
    while (start < end) {
        uintptr_t next = (start / PAGE_NBYTES + 1) * PAGE_NBYTES;
        uintptr_t n = (next < end ? next : end) - start;
        uint16_t *fill = &s->fill[in->first_page + (start - in->start) / PAGE_NBYTES];
        *fill = (uint16_t)(*fill + n < PAGE_NBYTES ? *fill + n : PAGE_NBYTES);
        start += n;
    }
}

static char mark(uint16_t fill, bool is_resident)
{
    if (!is_resident)
        return '.';
    if (fill >= PAGE_NBYTES - 16)
        return 'X';
    unsigned tenths = ((unsigned)fill * 10 + (unsigned)PAGE_NBYTES - 1) / (unsigned)PAGE_NBYTES;
    return (char)('0' + (tenths > 9 ? 9 : tenths));
}

static void write_region(meter_text *text, const survey *s, const region *r)
{
    static unsigned char resident[4096]; /* the sampler's alone */
    static char marks[sizeof resident];
    uint64_t pages = (r->end - r->start) / PAGE_NBYTES;
    meter_text_print(text, "region %llx %llu %d\n", (unsigned long long)r->start, (unsigned long long)pages,
                     (int)r->kind);
    for (uint64_t done = 0; done < pages;) {
        uint64_t n = pages - done < sizeof resident ? pages - done : sizeof resident;
        if (mincore((char *)r->start + done * PAGE_NBYTES, n * PAGE_NBYTES, resident) != 0)
            memset(resident, 0, n); /* it is gone meanwhile */
        for (uint64_t i = 0; i < n; i++)
            marks[i] = mark(s->fill[r->first_page + done + i], (resident[i] & 1) != 0);
        meter_text_put(text, marks, n);
        done += n;
    }
    meter_text_put(text, "\n", 1);
}

static void write_map(int64_t time_ns)
{
    static meter_text text; /* the sampler's alone */
    survey s = {.header_nbytes = meter_beneath.has_glibc_headers ? sizeof(size_t) : 0};
    s.regions = meter_map_memory(MOST_REGIONS * sizeof(region));
    if (s.regions == NULL)
        return;
    meter_each_mapping(add_region, &s);
    uint64_t fill_nbytes = (s.pages + 1) * sizeof *s.fill;
    s.fill = meter_map_memory(fill_nbytes);
    if (s.fill != NULL && meter_text_begin(&text, ".map")) {
        bool is_glibc = strcmp(meter_allocator_name(), "glibc") == 0;
        meter_blocks_each(METER_TABLE_MAP, add_block, &s);
        meter_text_print(&text, "ladle map 1 %lld %lld\n", (long long)time_ns, (long long)PAGE_NBYTES);
        for (uint64_t i = 0; i < s.count; i++) {
            region *r = &s.regions[i];
            if (!is_glibc && r->kind == LADLE_REGION_MAPPED)
                r->kind = LADLE_REGION_ARENA; /* others cut their blocks out of large mappings */
            else if (!is_glibc && r->kind == LADLE_REGION_ARENA && !r->is_used)
                continue;
            if (r->is_used || r->kind == LADLE_REGION_HEAP || (is_glibc && r->kind == LADLE_REGION_ARENA))
                write_region(&text, &s, r);
        }
        meter_text_print(&text, "end\n");
        meter_text_end(&text);
    }
    meter_unmap_memory(s.fill, fill_nbytes);
    meter_unmap_memory(s.regions, MOST_REGIONS * sizeof(region));
}

void meter_map_tick(const ladle_sample *sample)
{
    int64_t peak = sample->rss > sample->live_usable ? sample->rss : sample->live_usable;
    bool is_end = sample->kind != LADLE_SAMPLE_INSIDE && sample->kind != LADLE_SAMPLE_START;
    int64_t start = meter_now();
    if (is_end ? peak <= last_peak : peak < last_peak + last_peak / 20 || start < soonest)
        return;
    write_map(sample->time_ns);
    last_peak = peak;
    int64_t end = meter_now();
    soonest = end + COST_FACTOR * (end - start);
}
