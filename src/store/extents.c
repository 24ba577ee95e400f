#include "store/extents.h"

_Static_assert(sizeof(ladle_extent) <= 64, "one for each buffer on disk: it fits the smallest piece of memory");

enum { EXACT = 16, PER_DOUBLING = 8, TRIED = 8 };

void ladle_extents_init(ladle_extents *extents, ladle_context *context, int64_t begin)
{
    *extents =
        (ladle_extents){.context = context, .begin = ladle_extent_round(begin), .end = ladle_extent_round(begin)};
}

ladle_extent *ladle_extent_create(ladle_context *context, ladle_error *error)
{
    return ladle_alloc(context, sizeof(ladle_extent), LADLE_MEMORY_METADATA, error);
}

void ladle_extent_free(ladle_context *context, ladle_extent *extent)
{
    ladle_free(context, extent, sizeof *extent, LADLE_MEMORY_METADATA);
}

/* --- bins ------------------------------------------------------------------------------------ */

/* The bin whose ranges have at least its lower bound: bins 1 to 15 hold one size, from 16 grains on there are 8 per
 * doubling. */
static int bin_of(int64_t nbytes)
{
    uint64_t grains = (uint64_t)nbytes / LADLE_EXTENT_GRAIN;
    if (grains < EXACT)
        return (int)grains;
    int doubling = 63 - __builtin_clzll(grains);
    return EXACT + (doubling - 4) * PER_DOUBLING + (int)((grains >> (doubling - 3)) & (PER_DOUBLING - 1));
}

/* The first bin above `bin` that has a range, or -1. */
static int next_filled(const ladle_extents *extents, int bin)
{
    bin++;
    for (int word = bin / 64; word < LADLE_EXTENT_WORDS; word++) {
        uint64_t bits = extents->filled[word];
        if (word == bin / 64)
            bits &= ~UINT64_C(0) << (bin % 64);
        if (bits != 0)
            return word * 64 + __builtin_ctzll(bits);
    }
    return -1;
}

static void put_in_bin(ladle_extents *extents, ladle_extent *range)
{
    int bin = bin_of(range->nbytes);
    range->free = true;
    range->committed = range->sparse = false;
    range->checksum = 0;
    atomic_store_explicit(&range->unverified, false, memory_order_relaxed);
    range->previous = NULL;
    range->next = extents->bins[bin];
    if (range->next != NULL)
        range->next->previous = range;
    extents->bins[bin] = range;
    extents->filled[bin / 64] |= UINT64_C(1) << (bin % 64);
    extents->free_nbytes += range->nbytes;
}

static void take_from_bin(ladle_extents *extents, ladle_extent *range)
{
    int bin = bin_of(range->nbytes);
    if (range->previous != NULL)
        range->previous->next = range->next;
    else
        extents->bins[bin] = range->next;
    if (range->next != NULL)
        range->next->previous = range->previous;
    if (extents->bins[bin] == NULL)
        extents->filled[bin / 64] &= ~(UINT64_C(1) << (bin % 64));
    range->free = false;
    range->previous = range->next = NULL;
    extents->free_nbytes -= range->nbytes;
}

static int64_t round_up(int64_t offset, int64_t unit)
{
    return (offset + unit - 1) & -unit;
}

/* A free range with room for `nbytes` at a multiple of `unit`. */
static ladle_extent *find_free(const ladle_extents *extents, int64_t nbytes, int64_t unit)
{
    int tried = 0;
    for (int bin = next_filled(extents, bin_of(nbytes) - 1); bin >= 0 && tried < TRIED; bin = next_filled(extents, bin))
        for (ladle_extent *range = extents->bins[bin]; range != NULL && tried < TRIED; range = range->next, tried++)
            if (round_up(range->offset, unit) + nbytes <= range->offset + range->nbytes)
                return range;
    int bin = next_filled(extents, bin_of(nbytes + unit - LADLE_EXTENT_GRAIN));
    return bin < 0 ? NULL : extents->bins[bin];
}

/* --- the list -------------------------------------------------------------------------------- */

static void link_after(ladle_extents *extents, ladle_extent *before, ladle_extent *extent)
{
    extent->before = before;
    extent->after = before == NULL ? extents->first : before->after;
    if (before != NULL)
        before->after = extent;
    else
        extents->first = extent;
    if (extent->after != NULL)
        extent->after->before = extent;
    else
        extents->last = extent;
}

static void unlink_extent(ladle_extents *extents, ladle_extent *extent)
{
    if (extent->before != NULL)
        extent->before->after = extent->after;
    else
        extents->first = extent->after;
    if (extent->after != NULL)
        extent->after->before = extent->before;
    else
        extents->last = extent->before;
}

static void put_between(ladle_extents *extents, ladle_extent *before, ladle_extent *extent, int64_t offset,
                        int64_t nbytes)
{
    extent->offset = offset;
    extent->nbytes = nbytes;
    link_after(extents, before, extent);
}

/* Cuts `nbytes` at `offset` out of a free range. Returns the node that has them; nodes that were used become NULL. */
static ladle_extent *cut(ladle_extents *extents, ladle_extent *range, int64_t offset, int64_t nbytes,
                         ladle_extent **fresh, ladle_extent **spare)
{
    int64_t lead = offset - range->offset, tail = range->nbytes - lead - nbytes;
    ladle_extent *taken = range;
    take_from_bin(extents, range);
    if (lead > 0) {
        taken = *fresh;
        *fresh = NULL;
        range->nbytes = lead;
        put_between(extents, range, taken, offset, nbytes);
        put_in_bin(extents, range);
    }
    if (tail > 0) {
        ladle_extent **node = *fresh != NULL ? fresh : spare, *rest = *node;
        *node = NULL;
        taken->nbytes = nbytes;
        put_between(extents, taken, rest, offset + nbytes, tail);
        put_in_bin(extents, rest);
    }
    return taken;
}

/* Makes the file longer. */
static ladle_extent *grow(ladle_extents *extents, int64_t offset, int64_t nbytes, ladle_extent **fresh,
                          ladle_extent **spare)
{
    ladle_extent *taken = *fresh;
    *fresh = NULL;
    if (offset > extents->end) {
        put_between(extents, extents->last, *spare, extents->end, offset - extents->end);
        put_in_bin(extents, *spare);
        *spare = NULL;
    }
    put_between(extents, extents->last, taken, offset, nbytes);
    extents->end = offset + nbytes;
    return taken;
}

ladle_extent *ladle_extents_take(ladle_extents *extents, int64_t nbytes, ladle_extent *fresh, ladle_extent *spare)
{
    ladle_extent *taken = NULL;
    int64_t room = INT64_MAX - 2 * LADLE_EXTENT_PAGED - extents->end;
    if (nbytes == 0) {
        taken = fresh;
        fresh = NULL;
    } else if (nbytes <= room) {
        int64_t unit = LADLE_EXTENT_GRAIN;
        if (nbytes >= LADLE_EXTENT_PAGED && spare != NULL) {
            nbytes = round_up(nbytes, LADLE_EXTENT_PAGE);
            unit = nbytes & -nbytes; /* the largest power of 2 in it: uniform sizes leave no gaps */
            unit = unit < LADLE_EXTENT_PAGED ? unit : LADLE_EXTENT_PAGED;
        }
        nbytes = round_up(nbytes, LADLE_EXTENT_GRAIN);
        ladle_extent *range = find_free(extents, nbytes, unit);
        taken = range != NULL ? cut(extents, range, round_up(range->offset, unit), nbytes, &fresh, &spare)
                              : grow(extents, round_up(extents->end, unit), nbytes, &fresh, &spare);
    }
    if (fresh != NULL)
        ladle_extent_free(extents->context, fresh);
    if (spare != NULL)
        ladle_extent_free(extents->context, spare);
    return taken;
}

/* Makes the place of a linked node free. */
static void release_place(ladle_extents *extents, ladle_extent *extent)
{
    ladle_extent *before = extent->before, *after = extent->after;
    if (before != NULL && before->free) {
        take_from_bin(extents, before);
        extent->offset = before->offset;
        extent->nbytes += before->nbytes;
        unlink_extent(extents, before);
        ladle_extent_free(extents->context, before);
    }
    if (after != NULL && after->free) {
        take_from_bin(extents, after);
        extent->nbytes += after->nbytes;
        unlink_extent(extents, after);
        ladle_extent_free(extents->context, after);
    }
    if (extent->after == NULL) {
        extents->end = extent->offset;
        unlink_extent(extents, extent);
        ladle_extent_free(extents->context, extent);
    } else {
        put_in_bin(extents, extent);
    }
}

void ladle_extents_give(ladle_extents *extents, ladle_extent *extent)
{
    if (extent->nbytes == 0)
        ladle_extent_free(extents->context, extent);
    else
        release_place(extents, extent);
}

void ladle_extents_shrink(ladle_extents *extents, ladle_extent *extent, int64_t nbytes, ladle_extent *fresh)
{
    nbytes = ladle_extent_round(nbytes);
    if (nbytes >= extent->nbytes) {
        ladle_extent_free(extents->context, fresh);
        return;
    }
    fresh->offset = extent->offset + nbytes;
    fresh->nbytes = extent->nbytes - nbytes;
    extent->nbytes = nbytes;
    link_after(extents, extent, fresh);
    release_place(extents, fresh);
}

bool ladle_extents_place(ladle_extents *extents, ladle_extent *extent, ladle_extent *hole)
{
    if (extent->offset < extents->end)
        return false;
    int64_t gap = extent->offset - extents->end;
    if (gap > 0) {
        hole->offset = extents->end;
        hole->nbytes = gap;
        link_after(extents, extents->last, hole);
        put_in_bin(extents, hole);
    } else {
        ladle_extent_free(extents->context, hole);
    }
    link_after(extents, extents->last, extent);
    extents->end = extent->offset + extent->nbytes;
    return true;
}

void ladle_extents_clear(ladle_extents *extents)
{
    ladle_extent *next;
    for (ladle_extent *extent = extents->first; extent != NULL; extent = next) {
        next = extent->after;
        ladle_extent_free(extents->context, extent);
    }
    ladle_extents_init(extents, extents->context, extents->begin);
}
