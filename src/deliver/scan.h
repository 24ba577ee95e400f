/* deliver/scan.h: a pass over tables, step by step; what its files share.
 *
 *     scan.c         the parts, the queue of steps that wait, the thread that decodes ahead, the public calls
 *     scan_part.c    a table and its columns in a scan; which columns have lists in common
 *     scan_steps.c   how far each step reaches: from the offsets of all lists over the entries ahead, the horizon
 *     scan_window.h  steps that are decoded together, the window: columns planned once, cut into steps
 *     spill.c        steps of a window that is larger than the budget wait in a file
 *
 * Columns are planned over the whole window and their slices cut where steps meet, so that the pages of a window are
 * decoded once. A window ends with a cluster; a step that does not stays open, and the next window fills it up. For
 * this, the items that lists hold must be known before: their offsets over the horizon are read first, tell how many
 * bytes each entry has, and are cut into the steps' offsets as well.
 */
#ifndef LADLE_DELIVER_SCAN_H
#define LADLE_DELIVER_SCAN_H

#include "deliver/batch.h"
#include "memory/arena.h"

struct ladle_spill;  /* deliver/spill.h */
struct ladle_window; /* deliver/scan_window.h */
struct ladle_spilled;

typedef enum ladle_scan_way {
    LADLE_SCAN_FLAT = 0, /* a fixed number of values for each entry */
    LADLE_SCAN_LISTS,    /* lists, perhaps of lists, of a fixed number of values */
    LADLE_SCAN_GATHERED, /* lists whose lengths only the pages know: read over the window, copied into the steps */
    LADLE_SCAN_OTHER     /* options, variants, and what lies below: read step by step */
} ladle_scan_way;

/* Lists that some columns of a part have in common. */
typedef struct ladle_scan_lists {
    int32_t parent;         /* the lists around, which come before in the part's vector; -1: the entries */
    int32_t column, buffer; /* whose offsets these are */
    int32_t counter;        /* the column that counts them, or -1: their offsets are stored */
    double item_nbytes;     /* of all data right below */
    const char *owner;
    /* Over the horizon: */
    ladle_lease *offsets;
    int64_t base; /* the entry that the first of them belongs to: pages of what is counted may begin early */
} ladle_scan_lists;

typedef struct ladle_scan_column {
    int32_t column;
    int32_t way;                     /* ladle_scan_way */
    int32_t lists;                   /* the innermost ones, or -1 */
    int64_t n_each;                  /* items of data in each position of these, or in each entry */
    int32_t first_buffer, n_buffers; /* in a step */
} ladle_scan_column;

/* A step that is not decoded yet. */
typedef struct ladle_scan_reach {
    int64_t stop;
    double nbytes;
    int64_t border; /* the last one of clusters in it, or its stop where that is the end; -1: none */
} ladle_scan_reach;

typedef struct ladle_scan_part {
    struct ladle_scan_part *next;
    ladle_context *context;
    int64_t number;
    ladle_table *table;
    ladle_vector columns; /* of ladle_scan_column */
    ladle_vector lists;   /* of ladle_scan_lists */
    int32_t n_buffers;
    double entry_nbytes;    /* of flat data, and a guess of what only pages know */
    const int64_t *borders; /* of clusters */
    int64_t n_borders;
    int64_t at, stop;              /* the first entry that no window has had; the end */
    ladle_vector reaches;          /* of ladle_scan_reach, for what is ahead of `at` */
    int64_t n_used;                /* of these, behind it */
    int64_t horizon, horizon_stop; /* entries whose offsets are here */
    double nbytes_per_entry;       /* seen so far; 0: nothing yet */
    struct ladle_scan_step *open;  /* a step from `at` on that has what lies before the entry `filled`; NULL: none */
    int64_t filled;
    struct ladle_window *window;   /* of which some steps wait for columns; NULL: none */
    struct ladle_scan_step *spare; /* to tell that there was no memory for a step */
    bool is_skipped;               /* guarded by the scan's lock */
} ladle_scan_part;

enum { LADLE_SCAN_REGIONS = 8 };

/* A step that waits. */
typedef struct ladle_scan_step {
    struct ladle_scan_step *next;
    ladle_region *regions[LADLE_SCAN_REGIONS]; /* of its planned buffers; what is in none has a block of its own */
    struct ladle_spilled *spilled;             /* where buffers are that are not in memory; see deliver/spill.h */
    int64_t spilled_nbytes;                    /* of the step's bytes */
    ladle_step step;
    ladle_error error;
} ladle_scan_step;

/* Seconds for a byte of steps; 0: not known. */
typedef struct ladle_scan_pace {
    double make, use; /* the decoder's, the caller's */
} ladle_scan_pace;

/* --- scan.c ----------------------------------------------------------------------------------- */

/* How many bytes may wait when a window of `nbytes` is begun: memory is worth it where it saves waiting. */
double ladle_scan_ahead(const ladle_scan_pace *pace, double nbytes);

/* --- scan_part.c ------------------------------------------------------------------------------ */

/* Returns owned. Checks the columns and the range. */
ladle_scan_part *ladle_scan_part_create(ladle_context *context, ladle_table *table, const int32_t *columns,
                                        int32_t n_columns, int64_t start, int64_t stop, ladle_error *error);
void ladle_scan_part_release(ladle_scan_part *part);

/* Lets go of the offsets of the horizon. */
void ladle_scan_forget_horizon(ladle_scan_part *part);

/* --- scan_steps.c ----------------------------------------------------------------------------- */

/* How far to look ahead. */
typedef struct ladle_scan_sight {
    double nbytes;         /* decoded data that it is worth to know of */
    double offsets_nbytes; /* that the offsets of the horizon may take */
    double enough_nbytes;  /* behind which the next border of clusters is far enough */
} ladle_scan_sight;

/* Sees to it that part->reaches has a step that is not used. On failure *failed_stop is where the entries end that it
 * concerns. */
ladle_status ladle_scan_look_ahead(ladle_scan_part *part, ladle_reader *reader, const ladle_scan_options *options,
                                   ladle_scan_sight sight, int64_t *failed_stop, ladle_error *error);

/* The next border of clusters, or the part's stop. */
int64_t ladle_scan_next_border(const ladle_scan_part *part);

/* Items that lists hold before entry `entry` of the horizon, counted from its beginning, for each of part->lists. */
void ladle_scan_positions(const ladle_scan_part *part, int64_t entry, int64_t *positions);

/* --- scan_window.c ---------------------------------------------------------------------------- */

/* What to decode: entries up to `stop`, which lie in the next `n_steps` steps of part->reaches. */
typedef struct ladle_scan_order {
    int64_t n_steps, stop;
    struct ladle_spill *spill; /* NULL, or where the steps are written */
    int64_t group_nbytes;      /* to there at once */
    int64_t piece_nbytes;      /* columns of several pages wait until steps of about so many bytes need them: */
    int64_t least_pages;       /* those that have so many, 1 or more, */
    int64_t page_nbytes;       /* and no more of them than take so much, with one page of each */
    const atomic_bool *stopped;
} ladle_scan_order;

/* Begins part->window: decodes into part->open, where there is one, and new steps what does not wait. Fails only where
 * there is no memory for the steps themselves, or a spill fails; close the part then. */
ladle_status ladle_scan_begin(ladle_scan_part *part, ladle_reader *reader, const ladle_scan_order *order,
                              ladle_error *error);

/* Decodes what the next steps of part->window wait for. Returns owned: those that are complete, in order, each with its
 * own result; *n: how many. With the last ones the window is over; a step that is not complete becomes part->open. */
ladle_scan_step *ladle_scan_continue(ladle_scan_part *part, int64_t *n);

/* Lets go of part->window and part->open: their entries are decoded from the beginning. */
void ladle_scan_close(ladle_scan_part *part);

/* A step without buffers; `n_buffers` is how many it has room for. Returns owned. */
ladle_scan_step *ladle_scan_step_create(ladle_scan_part *part, int32_t n_buffers, int64_t start, int64_t stop,
                                        ladle_error *error);
void ladle_scan_step_release(ladle_context *context, ladle_scan_step *step);

/* Where the step keeps its next region, or NULL: it has enough. */
ladle_region **ladle_scan_step_region(ladle_scan_step *step);

#endif
