/* Where the resident bytes of one sample are. Each share is cut from what is left of the resident bytes, so the
 * shares add up to them whatever a sample says: counters run ahead of the kernel's figures, pages that were asked for
 * may never have been touched, a recording may be damaged.
 */
#include "doctor/evidence.h"

#include <string.h>

const char *ladle_share_name(ladle_share share)
{
    static const char *const names[LADLE_SHARE_COUNT] = {
        "live", "garbage cycles", "rounding", "free, returnable", "free, pinned", "Python arenas", "file pages", "rest",
    };
    return (unsigned)share < LADLE_SHARE_COUNT ? names[share] : "unknown";
}

/* glibc puts 8 bytes before a block, and 16 before one that it mapped by itself. */
#define HEADER_NBYTES 8
#define HEADER_NBYTES_MOST 16

/* More than any machine has; sums and small multiples of such numbers stay within 64 bits. */
#define BYTES_MOST ((int64_t)1 << 56)
#define BLOCKS_MOST ((int64_t)1 << 48)

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t known(int64_t value, int64_t most)
{
    return value < 0 ? -1 : least(value, most);
}

ladle_heap_figures ladle_heap_of(const ladle_sample *sample)
{
    int64_t requested = known(sample->live_requested, BYTES_MOST), usable = known(sample->live_usable, BYTES_MOST);
    int64_t blocks = known(sample->live_blocks, BLOCKS_MOST);
    int64_t heap = known(sample->heap, BYTES_MOST), free = known(sample->heap_free, BYTES_MOST);
    if (usable < 0)
        usable = requested;
    /* Without a meter the allocator's word must do; it counts headers and rounding as in use. */
    if (usable < 0 && heap >= 0 && free >= 0)
        usable = heap > free ? heap - free : 0;
    if (usable < 0)
        usable = 0;
    if (requested < 0 || requested > usable)
        requested = usable;
    ladle_heap_figures out = {.known = heap >= 0, .requested = requested, .used = usable};
    if (heap < 0)
        return out;
    /* What the allocator calls in use and the program does not: headers, and blocks that a thread's cache keeps. */
    if (free >= 0 && blocks > 0 && heap - free > usable)
        out.used += least(heap - free - usable, HEADER_NBYTES_MOST * blocks);
    out.dead = heap > out.used ? heap - out.used : 0;
    out.returnable = least(known(sample->heap_returnable, BYTES_MOST), out.dead);
    if (out.returnable < 0)
        out.returnable = 0;
    return out;
}

/* Cuts up to `wanted` from what is left. */
static int64_t cut(int64_t *left, int64_t wanted)
{
    int64_t taken = wanted < 0 ? 0 : least(wanted, *left);
    *left -= taken;
    return taken;
}

void ladle_doctor_split(const ladle_sample *sample, int64_t garbage, ladle_split *split)
{
    memset(split, 0, sizeof *split);
    int64_t *shares = split->nbytes;
    int64_t left = sample->rss < 0 ? 0 : sample->rss;
    shares[LADLE_SHARE_FILE] = cut(&left, sample->file);
    /* Malloc's memory is anonymous. What is neither that nor a file is shared memory. */
    int64_t outside = sample->anonymous >= 0 ? left - least(sample->anonymous, left) : sample->shared;
    shares[LADLE_SHARE_REST] = cut(&left, outside);
    shares[LADLE_SHARE_PYTHON] = cut(&left, sample->python_arenas);
    /* What would be returned is resident by its definition; of live blocks some pages may never have been touched.
     * So it comes first, and what is pinned, that nobody measures, last. */
    ladle_heap_figures heap = ladle_heap_of(sample);
    shares[LADLE_SHARE_RETURNABLE] = cut(&left, heap.returnable);
    int64_t live = cut(&left, heap.requested);
    shares[LADLE_SHARE_ROUNDING] = cut(&left, heap.used - heap.requested);
    shares[LADLE_SHARE_PINNED] = cut(&left, heap.dead - heap.returnable);
    shares[LADLE_SHARE_REST] += left;
    int64_t rest_of_garbage = garbage;
    shares[LADLE_SHARE_LIVE] = live;
    shares[LADLE_SHARE_GARBAGE] = cut(&shares[LADLE_SHARE_LIVE], garbage);
    /* Small objects of the cycles lie in Python's arenas. */
    if (rest_of_garbage > 0)
        shares[LADLE_SHARE_GARBAGE] += cut(&shares[LADLE_SHARE_PYTHON], rest_of_garbage - shares[LADLE_SHARE_GARBAGE]);
}
