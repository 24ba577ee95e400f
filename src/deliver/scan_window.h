/* deliver/scan_window.h: the window of a scan, and what the files share that decode it.
 *
 *     scan_window.c  its steps, their memory, the order in which all is read
 *     scan_plan.c    columns planned over the window, their slices cut where steps meet
 *     scan_rest.c    columns that cannot be planned so
 */
#ifndef LADLE_DELIVER_SCAN_WINDOW_H
#define LADLE_DELIVER_SCAN_WINDOW_H

#include "deliver/scan.h"
#include "deliver/spill.h"

#include <pthread.h>

/* A column whose pages are decoded when a step is going to need them. */
typedef struct ladle_late {
    const ladle_scan_column *column;
    int64_t done; /* of its items in the window: whole pages of them */
} ladle_late;

/* Steps that are decoded together. Whatever fails fails a step, and the first failure of a step is what it tells. */
typedef struct ladle_window {
    ladle_scan_part *part;
    ladle_table *table; /* the part's */
    ladle_reader *reader;
    ladle_scan_order order;
    const ladle_scan_reach *reaches; /* of the steps */
    int64_t n_steps, n_given;
    ladle_scan_step **steps;
    int64_t from, to;                 /* the entries: the first step may have more before them, the last one behind */
    int64_t *nbytes;                  /* for each step: of its planned buffers */
    int64_t *positions;               /* for each step, and the end: of each of part->lists, in items of the horizon */
    const int64_t *low, *high;        /* the same before `from` and `to` */
    ladle_vector whole;               /* of ladle_slice: of one column over the window */
    ladle_vector slices;              /* the same, cut at the steps' borders: of all columns */
    ladle_vector targets;             /* of ladle_target */
    ladle_vector late;                /* of ladle_late */
    bool *is_late;                    /* for each of part->columns */
    int64_t first_column, end_column; /* that are on their way into the file */
    pthread_mutex_t lock;             /* guards what follows */
    ladle_error failure;              /* of the spill */
    size_t size;                      /* of this, and what lies behind it */
} ladle_window;

/* Steps that an earlier window began: 1, the first one, or 0. */
static inline int64_t ladle_window_n_resumed(const ladle_window *w)
{
    return w->from > w->steps[0]->step.start;
}

/* All steps, or all but the last one. */
static inline int64_t ladle_window_n_complete(const ladle_window *w)
{
    return w->n_steps - (w->to < w->steps[w->n_steps - 1]->step.stop);
}

/* --- scan_plan.c ------------------------------------------------------------------------------ */

/* Can the column's data be planned over a window? */
bool ladle_window_can_plan(const ladle_scan_column *column);

/* What its items are in memory, by their number. */
int64_t ladle_window_column_nbytes(const ladle_window *w, const ladle_scan_column *column);

/* Which columns are late: those of `nbytes` bytes or more in the window that the order allows. */
ladle_status ladle_window_choose_late(ladle_window *w, int64_t nbytes, ladle_error *error);

/* Adds the targets of the data of one column, and to w->nbytes what they take. */
ladle_status ladle_window_plan(ladle_window *w, const ladle_scan_column *column, ladle_error *error);

/* The same of a late column: what steps [first, end) need, and the rest of these pages. */
ladle_status ladle_window_plan_late(ladle_window *w, ladle_late *late, int64_t first, int64_t end, ladle_error *error);

/* Adds to w->nbytes what `n` values of `size` bytes take in step `i`: their pages were seen to be able to hold them. */
void ladle_window_count(ladle_window *w, int64_t i, int64_t n, int64_t size);

/* --- scan_rest.c ------------------------------------------------------------------------------ */

/* Reads the columns that cannot be planned, into steps that are whole. */
ladle_status ladle_window_read_rest(ladle_window *w, ladle_error *error);

#endif
