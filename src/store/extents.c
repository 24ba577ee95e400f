#include "store/extents.h"

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
    range->committed = false;
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

static ladle_extent *find_free(const ladle_extents *extents, int64_t nbytes)
{
    int bin = bin_of(nbytes), tried = 0;
    for (ladle_extent *range = extents->bins[bin]; range != NULL && tried < TRIED; range = range->next, tried++)
        if (range->nbytes >= nbytes)
            return range;
    bin = next_filled(extents, bin);
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

ladle_extent *ladle_extents_take(ladle_extents *extents, int64_t nbytes, ladle_extent *fresh)
{
    if (nbytes == 0)
        return fresh;
    int64_t room = INT64_MAX - LADLE_EXTENT_GRAIN - extents->end;
    if (nbytes > room) {
        ladle_extent_free(extents->context, fresh);
        return NULL;
    }
    nbytes = ladle_extent_round(nbytes);
    ladle_extent *range = find_free(extents, nbytes);
    if (range != NULL && range->nbytes == nbytes) {
        take_from_bin(extents, range);
        ladle_extent_free(extents->context, fresh);
        return range;
    }
    fresh->nbytes = nbytes;
    if (range != NULL) {
        take_from_bin(extents, range);
        fresh->offset = range->offset;
        link_after(extents, range->before, fresh);
        range->offset += nbytes;
        range->nbytes -= nbytes;
        put_in_bin(extents, range);
    } else {
        fresh->offset = extents->end;
        extents->end += nbytes;
        link_after(extents, extents->last, fresh);
    }
    return fresh;
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
