/* store/extents.h: the space of a file, handed out in extents: in constant time, neighbours merged when they are given
 * back.
 *
 * Extents and the free ranges between them are nodes of one list in the order of the file; free ones are also in bins
 * by size, 8 bins per doubling. The first that fits of a few in its own bin is taken, else any of the next bin that has
 * one, else the file grows: a free range an eighth larger than asked is never passed over. A free range at the end of
 * the file is no node: the end moves back instead.
 *
 * Offsets and sizes are multiples of 64 bytes; those of extents of 64 KiB and more are multiples of a page, and
 * offsets of up to 64 KiB if the size is one, because the system caches files in aligned powers of 2 of pages. Giving
 * back needs no memory, because a free range is kept in the node of the extent that it was. Not locked: its owner does
 * that.
 */
#ifndef LADLE_STORE_EXTENTS_H
#define LADLE_STORE_EXTENTS_H

#include "memory/context.h"

enum { LADLE_EXTENT_GRAIN = 64, LADLE_EXTENT_PAGE = 4096, LADLE_EXTENT_PAGED = 64 << 10 };
enum { LADLE_EXTENT_BINS = 448, LADLE_EXTENT_WORDS = LADLE_EXTENT_BINS / 64 };

typedef struct ladle_extent {
    int64_t offset;
    int64_t nbytes;                       /* of the file; 0: an extent of no bytes, in no list */
    struct ladle_extent *before, *after;  /* neighbours in the file */
    struct ladle_extent *previous, *next; /* in its bin while free; else the owner's */
    uint64_t checksum;                    /* the owner's */
    bool free;
    bool sparse;             /* the owner's, while free: no blocks of the disk are below it */
    bool committed;          /* the owner's: the file as it would be opened now refers to it */
    _Atomic bool unverified; /* the owner's: not written by this process, nor verified yet */
} ladle_extent;

typedef struct ladle_extents {
    ladle_context *context;
    ladle_extent *first, *last;
    int64_t begin;                       /* of the first byte that may be handed out */
    int64_t end;                         /* behind the last extent */
    int64_t free_nbytes;                 /* below `end` */
    uint64_t filled[LADLE_EXTENT_WORDS]; /* bit per bin: has a free range */
    ladle_extent *bins[LADLE_EXTENT_BINS];
} ladle_extents;

static inline int64_t ladle_extent_round(int64_t nbytes)
{
    return (nbytes + LADLE_EXTENT_GRAIN - 1) & ~(int64_t)(LADLE_EXTENT_GRAIN - 1);
}

/* The space from `begin` on. Nothing is allocated. */
void ladle_extents_init(ladle_extents *extents, ladle_context *context, int64_t begin);

/* Memory for one extent. Not in the list before ladle_extents_take. NULL with NOMEM or BUDGET. */
ladle_extent *ladle_extent_create(ladle_context *context, ladle_error *error);
void ladle_extent_free(ladle_context *context, ladle_extent *extent);

/* An extent of at least `nbytes` >= 0. Consumes `fresh` and `spare`, from ladle_extent_create; without a spare (NULL)
 * it may lie across pages. NULL where the file would become too long for an offset. */
ladle_extent *ladle_extents_take(ladle_extents *extents, int64_t nbytes, ladle_extent *fresh, ladle_extent *spare);

/* Frees the extent and its place. */
void ladle_extents_give(ladle_extents *extents, ladle_extent *extent);

/* Gives back what lies beyond the first `nbytes`, 0 < nbytes. Consumes `fresh`. */
void ladle_extents_shrink(ladle_extents *extents, ladle_extent *extent, int64_t nbytes, ladle_extent *fresh);

/* Takes the place that `extent` (offset and nbytes set, beyond all others) already has. Consumes `hole`, for the room
 * before it. False, and both are the caller's still, where it lies before `end`. */
bool ladle_extents_place(ladle_extents *extents, ladle_extent *extent, ladle_extent *hole);

/* Frees all nodes of the list. */
void ladle_extents_clear(ladle_extents *extents);

#endif
