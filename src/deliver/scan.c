/* A scan: its parts, the steps that wait, the thread that decodes ahead, and the public calls. */
#include "deliver/scan.h"
#include "deliver/spill.h"

#include "base/checked.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    DEFAULT_BUDGET_NBYTES = 1 << 30,
    WINDOW_NBYTES = 64 << 20,
    SPARE_NBYTES = 8 << 20,
    LEAST_GROUP_NBYTES = 64 << 10,
    GROUP_NBYTES = 16 << 20, /* at the end of each the threads wait for each other */
    /* Of a column that is decoded piece by piece: with each piece all of a page is decoded, which, where steps wait in
     * a file, takes room that others may need more. */
    LEAST_PAGES = 2,
    LEAST_PAGES_OF_SPILLED = 8,
    STACK_NBYTES = 256 << 10
};

struct ladle_scan {
    ladle_context *context;
    ladle_reader *reader;
    ladle_scan_options options;
    pid_t pid; /* that started the thread */
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    ladle_reclaimer bound;  /* of what waits: the pool of the context is kept in proportion */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t ready;   /* a step waits, or none will */
    pthread_cond_t room;    /* a step was taken, a part added, or the scan stopped */
    ladle_scan_part *parts; /* that are not decoded to their ends; the first one is the producer's */
    int64_t n_parts;        /* that were added */
    ladle_scan_step *steps; /* that wait, in order */
    int64_t waiting_nbytes; /* in memory */
    int64_t spilled_nbytes; /* in files */
    /* Of the last two steps that were handed out, the last one first: the caller's. */
    ladle_region *lent[2][LADLE_SCAN_REGIONS];
    bool is_busy;          /* a window is under way */
    bool cannot_spill;     /* the producer's: there is no place for a file */
    ladle_spill *spill;    /* the producer's, for windows that do not fit; NULL: none was needed yet */
    bool is_awaited;       /* the caller has come for a step since he got the last one */
    ladle_scan_pace pace;  /* how fast steps are made and used */
    double window_nbytes;  /* the producer's: of the window that is under way; 0: it waits in a file */
    double window_seconds; /* that it took so far */
    int64_t given_nbytes;  /* of the step that the caller works on; 0: none */
    double given_at;       /* and since when */
};

/* --- decoding ahead --------------------------------------------------------------------------- */

static const ladle_scan_reach *next_reach(const ladle_scan_part *part)
{
    return (const ladle_scan_reach *)part->reaches.items + part->n_used;
}

/* Of steps that are worth a window, or a piece of a larger one. */
static int64_t least_nbytes(const ladle_scan *scan)
{
    return ladle_min(WINDOW_NBYTES, scan->options.budget_nbytes / 2);
}

/* Of steps that wait in a file, what may be in memory: a page of late columns, and the same of those that are ready. */
static int64_t late_nbytes(const ladle_scan *scan)
{
    return scan->options.budget_nbytes / 8;
}

/* How many of the steps ahead to decode at once, and up to which entry: to the border of a cluster where the budget
 * allows, since the pages of a window that ends elsewhere are decoded again for the next one. The first step goes to
 * the caller at once, so that only the others wait. */
static int64_t choose_window(const ladle_scan *scan, const ladle_scan_part *part, int64_t *stop, double *nbytes)
{
    const ladle_scan_reach *reaches = next_reach(part);
    int64_t n = part->reaches.count - part->n_used, fitting = 0, bordered = 0;
    int64_t filled = part->open == NULL ? part->at : part->filled;
    double budget = (double)scan->options.budget_nbytes, waiting = 0;
    for (; fitting < n && (bordered == 0 || waiting < (double)least_nbytes(scan)); fitting++) {
        if (fitting > 0 && waiting + reaches[fitting].nbytes > budget)
            break;
        waiting += fitting > 0 ? reaches[fitting].nbytes : 0;
        if (reaches[fitting].border > filled)
            bordered = fitting + 1;
    }
    int64_t chosen = bordered > 0 ? bordered : fitting;
    *stop = bordered > 0 ? reaches[chosen - 1].border : reaches[chosen - 1].stop;
    for (int64_t i = 0; i < chosen; i++)
        *nbytes += reaches[i].nbytes;
    return chosen;
}

/* What may wait when a window of `nbytes` is begun. Where decoding takes as long as the caller does with what it makes,
 * a whole window must wait for neither to wait for the other. A slow caller needs less to have work meanwhile; a fast
 * one waits for the decoder whatever is ahead, and gets back the more of its time the more of it there is. */
double ladle_scan_ahead(const ladle_scan_pace *pace, double nbytes)
{
    double part = 0;
    if (pace->use > 0 && pace->use < pace->make)
        part = pace->use / pace->make;
    else if (pace->use > 0)
        part = 1.25 * pace->make / pace->use;
    double ahead = nbytes * (part < 1 ? part : 1);
    return ahead > WINDOW_NBYTES ? ahead : WINDOW_NBYTES;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Seconds that a byte took, into what is known of those before it. */
static void note(double *pace, double took, double nbytes)
{
    *pace = *pace > 0 ? 0.75 * *pace + 0.25 * took / nbytes : took / nbytes;
}

/* In a forked child the thread is gone, and what it held or worked with when the process forked is not: nothing of the
 * scan, nor of its context, can be touched there. */
static bool is_forked_off(const ladle_scan *scan)
{
    return scan->pid != getpid();
}

static ladle_status refuse_in_child(ladle_error *error)
{
    return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "a scan does not survive a fork: begin a new one");
}

/* Waits until what is going to be decoded fits and it is time for it, and, where it is going to be in a file, no more
 * than the window before is there; false: the scan was stopped. */
static bool wait_for_room(ladle_scan *scan, double nbytes, double spilled_nbytes)
{
    pthread_mutex_lock(&scan->lock);
    while (!atomic_load(&scan->stop) && scan->steps != NULL &&
           ((double)scan->waiting_nbytes + nbytes > (double)scan->options.budget_nbytes ||
            (nbytes > 0 && (double)scan->waiting_nbytes > ladle_scan_ahead(&scan->pace, nbytes)) ||
            (spilled_nbytes > 0 && (double)scan->spilled_nbytes > spilled_nbytes)))
        pthread_cond_wait(&scan->room, &scan->lock);
    pthread_mutex_unlock(&scan->lock);
    return !atomic_load(&scan->stop);
}

/* Is there as much memory as there will ever be: does no step wait, and has the caller, who let go of the last one,
 * come for another? `waits`: until it is so, or the scan was stopped. */
static bool is_alone(ladle_scan *scan, bool waits)
{
    if (!scan->has_thread)
        return true; /* the caller himself is here */
    pthread_mutex_lock(&scan->lock);
    bool alone = scan->steps == NULL && scan->is_awaited;
    while (waits && !alone && !atomic_load(&scan->stop)) {
        pthread_cond_wait(&scan->room, &scan->lock);
        alone = scan->steps == NULL && scan->is_awaited;
    }
    pthread_mutex_unlock(&scan->lock);
    return alone || waits;
}

/* With the lock held, by the caller: he is done with the step before. */
static void note_use(ladle_scan *scan)
{
    if (scan->given_nbytes > 0)
        note(&scan->pace.use, seconds() - scan->given_at, (double)scan->given_nbytes);
    scan->given_nbytes = 0;
}

/* With the lock held, by the caller, for whom there is no step: says that he waits. */
static void come_for_step(ladle_scan *scan)
{
    scan->is_awaited = true;
    pthread_cond_signal(&scan->room);
}

/* Says which entries an error concerns, and, where no column is at fault, of which table. */
static void tell_range(ladle_scan_step *step)
{
    if (step->error.status == LADLE_OK)
        return;
    if (step->error.where[0] == '\0')
        ladle_error_where(&step->error, "", "%s: %s", step->step.table->file_path, step->step.table->name);
    size_t n = strlen(step->error.message), room = sizeof step->error.message - n;
    char text[64];
    int length =
        snprintf(text, sizeof text, " (in entries %" PRId64 " to %" PRId64 ")", step->step.start, step->step.stop);
    if (length > 0 && (size_t)length < room)
        memcpy(step->error.message + n, text, (size_t)length + 1);
}

/* Counts the bytes of a step that waits: 1, or that waits no longer: -1. */
static void count_waiting(ladle_scan *scan, const ladle_scan_step *step, int64_t sign)
{
    scan->spilled_nbytes += sign * step->spilled_nbytes;
    scan->waiting_nbytes += sign * (step->step.nbytes - step->spilled_nbytes);
}

/* Adds steps to those that wait. */
static void push_steps(ladle_scan *scan, ladle_scan_part *part, ladle_scan_step *first)
{
    pthread_mutex_lock(&scan->lock);
    ladle_scan_step **last = &scan->steps;
    while (*last != NULL)
        last = &(*last)->next;
    while (first != NULL) {
        ladle_scan_step *next = first->next;
        first->next = NULL;
        if (part->is_skipped || atomic_load(&scan->stop)) {
            ladle_scan_step_release(scan->context, first);
        } else {
            tell_range(first);
            count_waiting(scan, first, 1);
            *last = first;
            last = &first->next;
        }
        first = next;
    }
    pthread_cond_signal(&scan->ready);
    pthread_mutex_unlock(&scan->lock);
}

static bool is_of_memory(int32_t status)
{
    return status == LADLE_BUDGET || status == LADLE_NOMEM;
}

static bool is_short_of_memory(const ladle_scan_step *steps)
{
    for (; steps != NULL; steps = steps->next)
        if (is_of_memory(steps->error.status))
            return true;
    return false;
}

static void release_steps(ladle_context *context, ladle_scan_step *steps)
{
    while (steps != NULL) {
        ladle_scan_step *next = steps->next;
        ladle_scan_step_release(context, steps);
        steps = next;
    }
}

/* A step of which nothing is known but that it fails. Where there is no memory even for that, it is all that is left of
 * the part: that much is always told. */
static ladle_scan_step *failed_step(ladle_scan_part *part, int64_t stop, const ladle_error *failure)
{
    ladle_scan_close(part);
    ladle_scan_step *step = ladle_scan_step_create(part, 0, part->at, stop, NULL);
    if (step == NULL) {
        step = part->spare;
        part->spare = NULL;
        step->step.part = part->number;
        step->step.start = part->at;
        step->step.stop = stop = part->stop;
    }
    step->error = *failure;
    part->at = stop;
    return step;
}

/* The part's next `n` reaches have become steps. The one that is open is looked at again, with those behind it. */
static void go_on(ladle_scan_part *part, int64_t n)
{
    const ladle_scan_reach *reaches = next_reach(part);
    part->n_used += n;
    if (n > 0) /* where there was no memory, it is at its end already */
        part->at = ladle_max(part->at, reaches[n - 1].stop);
    if (part->open != NULL)
        part->reaches.count = part->n_used = 0;
    if (part->n_used == part->reaches.count)
        ladle_scan_forget_horizon(part);
}

/* Does the rest of the cluster take so much more than the budget that its pages would be decoded again and again? Then
 * how far to look ahead for a window that waits in a file. */
static bool wants_spill(const ladle_scan *scan, const ladle_scan_part *part, ladle_scan_sight *sight)
{
    const ladle_scan_reach *next = next_reach(part);
    double budget = (double)scan->options.budget_nbytes, entries = (double)(ladle_scan_next_border(part) - part->at);
    double offsets = (double)sizeof(int64_t) * (double)part->lists.count;
    /* Nothing else waits in memory then. */
    sight->offsets_nbytes = budget * 0.625;
    if (offsets * entries > sight->offsets_nbytes)
        entries = sight->offsets_nbytes / offsets;
    sight->nbytes = part->nbytes_per_entry * entries * 1.0625;
    sight->enough_nbytes = 0;
    return !scan->cannot_spill && scan->options.step_entries == 0 &&
           part->nbytes_per_entry * entries > budget + next->nbytes;
}

/* Decodes a window into a file. NULL: the scan was stopped, or that cannot be, and part->at says which. */
static ladle_scan_step *spill_window(ladle_scan *scan, ladle_scan_part *part, ladle_scan_sight sight)
{
    ladle_error why_not; /* which nobody is told: it is done without a file then */
    int64_t failed_stop, n = 0;
    double nbytes = 0;
    part->reaches.count = part->n_used = 0;
    if (ladle_scan_look_ahead(part, scan->reader, &scan->options, sight, &failed_stop, &why_not) != LADLE_OK)
        return NULL;
    const ladle_scan_reach *reaches = part->reaches.items;
    for (bool ends = false; n < part->reaches.count && !ends; n++) {
        nbytes += reaches[n].nbytes + (double)part->n_buffers * LADLE_REGION_GRAIN;
        ends = reaches[n].border >= 0;
    }
    if (!wait_for_room(scan, 0, nbytes))
        return NULL;
    if (scan->spill == NULL)
        scan->spill = ladle_spill_create(scan->context, ladle_reader_threads(scan->reader), &why_not);
    ladle_scan_order order = {
        .n_steps = n,
        .stop = reaches[n - 1].stop,
        .spill = scan->spill,
        .group_nbytes = ladle_max(ladle_min(scan->options.budget_nbytes / 4, GROUP_NBYTES), LEAST_GROUP_NBYTES),
        .piece_nbytes = least_nbytes(scan) / 2,
        .least_pages = LEAST_PAGES_OF_SPILLED,
        .page_nbytes = late_nbytes(scan),
        .stopped = &scan->stop};
    if (scan->spill == NULL || ladle_scan_begin(part, scan->reader, &order, &why_not) != LADLE_OK)
        return NULL;
    ladle_scan_step *first = ladle_scan_continue(part, &n);
    if (is_short_of_memory(first)) {
        release_steps(scan->context, first);
        return NULL;
    }
    scan->window_nbytes = 0;
    go_on(part, n);
    return first;
}

/* Decodes the part's window further, or, where there is none, the one that is ordered. What fails for want of memory is
 * tried again step by step, and in the end when the scan is alone. */
static ladle_scan_step *next_steps(ladle_scan *scan, ladle_scan_part *part, ladle_scan_order *order)
{
    ladle_error error;
    ladle_scan_step *first = NULL;
    ladle_status status = LADLE_OK;
    int64_t n = 0;
    bool alone = is_alone(scan, false);
    double begin = seconds();
    for (;;) {
        if (part->window == NULL)
            status = ladle_scan_begin(part, scan->reader, order, &error);
        first = status == LADLE_OK ? ladle_scan_continue(part, &n) : NULL;
        bool is_short = status == LADLE_OK ? is_short_of_memory(first) || is_short_of_memory(part->open)
                                           : is_of_memory((int32_t)status);
        if (!is_short || (order->n_steps == 1 && alone))
            break;
        release_steps(scan->context, first);
        ladle_scan_close(part);
        alone = order->n_steps == 1 ? is_alone(scan, true) : alone;
        order->n_steps = 1;
        order->stop = next_reach(part)->stop;
    }
    scan->window_seconds += seconds() - begin;
    if (status != LADLE_OK)
        first = failed_step(part, next_reach(part)[order->n_steps - 1].stop, &error);
    go_on(part, status == LADLE_OK ? n : order->n_steps);
    if (part->window == NULL && scan->window_nbytes > 0) {
        pthread_mutex_lock(&scan->lock);
        note(&scan->pace.make, scan->window_seconds, scan->window_nbytes + 1);
        pthread_mutex_unlock(&scan->lock);
    }
    return first;
}

/* Waits until it is time for more of the window; false: the scan was stopped. */
static bool wait_for_time(ladle_scan *scan)
{
    pthread_mutex_lock(&scan->lock);
    double most =
        scan->window_nbytes > 0 ? ladle_scan_ahead(&scan->pace, scan->window_nbytes) : (double)late_nbytes(scan);
    while (!atomic_load(&scan->stop) && scan->steps != NULL && (double)scan->waiting_nbytes > most)
        pthread_cond_wait(&scan->room, &scan->lock);
    pthread_mutex_unlock(&scan->lock);
    return !atomic_load(&scan->stop);
}

/* Decodes the part's next window. NULL: no step is complete yet, or the scan was stopped. */
static ladle_scan_step *next_window(ladle_scan *scan, ladle_scan_part *part)
{
    ladle_error error;
    int64_t failed_stop;
    double budget = (double)scan->options.budget_nbytes, nbytes = 0;
    ladle_scan_order order = {.piece_nbytes = least_nbytes(scan),
                              .least_pages = LEAST_PAGES,
                              .page_nbytes = INT64_MAX,
                              .stopped = &scan->stop};
    if (part->window != NULL)
        return wait_for_time(scan) ? next_steps(scan, part, &order) : NULL;
    /* A step more than the budget is decoded at once: see choose_window. */
    double step = (double)scan->options.step_nbytes;
    ladle_scan_sight sight = {(budget + step) * 1.25, budget / 3, WINDOW_NBYTES + 2 * step}, far;
    /* What fails for want of memory is tried again when the scan is alone. */
    bool alone = is_alone(scan, false);
    while (ladle_scan_look_ahead(part, scan->reader, &scan->options, sight, &failed_stop, &error) != LADLE_OK) {
        if (!is_of_memory(error.status) || alone)
            return failed_step(part, failed_stop, &error);
        alone = is_alone(scan, true);
    }
    if (part->n_used == 0 && wants_spill(scan, part, &far)) {
        ladle_scan_step *spilled = spill_window(scan, part, far);
        if (spilled != NULL || atomic_load(&scan->stop))
            return spilled;
        part->reaches.count = part->n_used = 0;
        scan->cannot_spill = true;
        return next_window(scan, part);
    }
    order.n_steps = choose_window(scan, part, &order.stop, &nbytes);
    if (!wait_for_room(scan, nbytes, 0))
        return NULL;
    scan->window_nbytes = nbytes;
    scan->window_seconds = 0;
    return next_steps(scan, part, &order);
}

/* Takes the first part one window further. False: there is nothing to do. Called with the lock held. */
static bool produce(ladle_scan *scan)
{
    ladle_scan_part *part = scan->parts;
    if (part == NULL || atomic_load(&scan->stop))
        return false;
    scan->is_busy = true;
    bool skipped = part->is_skipped;
    pthread_mutex_unlock(&scan->lock);
    push_steps(scan, part, !skipped && part->at < part->stop ? next_window(scan, part) : NULL);
    pthread_mutex_lock(&scan->lock);
    scan->is_busy = false;
    if (atomic_load(&scan->stop))
        ladle_scan_close(part);
    if (part->is_skipped || part->at >= part->stop) {
        scan->parts = part->next;
        ladle_scan_part_release(part);
        pthread_cond_signal(&scan->ready);
    }
    return true;
}

static void *work(void *argument)
{
    ladle_scan *scan = argument;
    pthread_mutex_lock(&scan->lock);
    while (!atomic_load(&scan->stop))
        if (!produce(scan))
            pthread_cond_wait(&scan->room, &scan->lock);
    pthread_cond_signal(&scan->ready);
    pthread_mutex_unlock(&scan->lock);
    return NULL;
}

static int64_t reclaim_nothing(void *user, int64_t need, bool may_wait)
{
    (void)user;
    (void)need;
    (void)may_wait;
    return 0;
}

/* --- public ----------------------------------------------------------------------------------- */

static bool start_thread(ladle_scan *scan)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, STACK_NBYTES);
    bool started = pthread_create(&scan->thread, &attributes, work, scan) == 0;
    (void)pthread_attr_destroy(&attributes);
    return started;
}

ladle_scan *ladle_scan_create(ladle_reader *reader, const ladle_scan_options *options, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_scan_options own = {0};
    memcpy(&own, options, options->struct_size < sizeof own ? options->struct_size : sizeof own);
    if (own.step_nbytes < 0 || own.step_entries < 0 || own.budget_nbytes < 0 ||
        (own.step_nbytes == 0) == (own.step_entries == 0)) {
        ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                   "a step of %" PRId64 " bytes and %" PRId64 " entries, a budget of %" PRId64
                   " bytes: a step has either, and nothing is negative",
                   own.step_nbytes, own.step_entries, own.budget_nbytes);
        return NULL;
    }
    ladle_scan *scan = ladle_alloc(reader->context, sizeof *scan, LADLE_MEMORY_METADATA, error);
    if (scan == NULL)
        return NULL;
    scan->context = reader->context;
    ladle_context_retain(scan->context);
    scan->reader = reader;
    ladle_reader_retain(reader);
    scan->options = own;
    scan->options.budget_nbytes = own.budget_nbytes == 0 ? DEFAULT_BUDGET_NBYTES : own.budget_nbytes;
    scan->pid = getpid();
    atomic_init(&scan->stop, false);
    (void)pthread_mutex_init(&scan->lock, NULL);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&scan->ready, &monotonic);
    (void)pthread_cond_init(&scan->room, NULL);
    (void)pthread_condattr_destroy(&monotonic);
    /* Beyond what it recycles the pool has no more than it must. A little room more than what is bounded: or blocks
     * that do not fit into the holes of others come from the system each time. */
    int64_t spare = ladle_min(scan->options.budget_nbytes / 8, SPARE_NBYTES);
    scan->bound = (ladle_reclaimer){.reclaim = reclaim_nothing,
                                    .bound = 1,
                                    .recycled = scan->options.budget_nbytes + 2 * scan->options.step_nbytes + spare};
    ladle_context_add_reclaimer(scan->context, &scan->bound);
    /* Without a thread ladle_scan_next does the work. */
    scan->has_thread = own.in_background; /* the thread reads it */
    if (scan->has_thread && !start_thread(scan))
        scan->has_thread = false;
    return scan;
}

ladle_status ladle_scan_add(ladle_scan *scan, ladle_table *table, const int32_t *columns, int32_t n_columns,
                            int64_t start, int64_t stop, int64_t *part, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    if (is_forked_off(scan))
        return refuse_in_child(error);
    ladle_scan_part *added = ladle_scan_part_create(scan->context, table, columns, n_columns, start, stop, error);
    if (added == NULL)
        return (ladle_status)error->status;
    pthread_mutex_lock(&scan->lock);
    added->number = scan->n_parts++;
    if (part != NULL)
        *part = added->number;
    ladle_scan_part **last = &scan->parts;
    while (*last != NULL)
        last = &(*last)->next;
    *last = added;
    pthread_cond_signal(&scan->room);
    pthread_mutex_unlock(&scan->lock);
    return LADLE_OK;
}

/* With the lock held: has the caller something to come for? */
static bool is_ready(const ladle_scan *scan)
{
    return scan->steps != NULL || (scan->parts == NULL && !scan->is_busy) || atomic_load(&scan->stop);
}

bool ladle_scan_wait(ladle_scan *scan, int64_t timeout_ms)
{
    if (!scan->has_thread || is_forked_off(scan))
        return true;
    timeout_ms = timeout_ms < 0 ? 0 : timeout_ms;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&scan->lock);
    note_use(scan);
    int result = 0;
    if (!is_ready(scan))
        come_for_step(scan);
    while (!is_ready(scan) && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&scan->ready, &scan->lock, &until);
    bool ready = is_ready(scan);
    pthread_mutex_unlock(&scan->lock);
    return ready;
}

/* Keeps the step's regions in view. Of the last but one, whoever still has some keeps no more than that: while the
 * caller asks for a step, he may hold the one before. */
static void lend(ladle_scan *scan, ladle_scan_step *step)
{
    for (int i = 0; i < LADLE_SCAN_REGIONS; i++) {
        if (scan->lent[1][i] != NULL)
            ladle_region_sweep(scan->lent[1][i]);
        ladle_region_release(scan->lent[1][i]);
        scan->lent[1][i] = scan->lent[0][i];
        scan->lent[0][i] = step == NULL ? NULL : step->regions[i];
        if (step != NULL)
            step->regions[i] = NULL;
    }
}

ladle_status ladle_scan_next(ladle_scan *scan, ladle_step *step, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    memset(step, 0, sizeof *step);
    if (is_forked_off(scan))
        return refuse_in_child(error);
    pthread_mutex_lock(&scan->lock);
    note_use(scan);
    while (!is_ready(scan)) {
        if (scan->has_thread) {
            come_for_step(scan);
            pthread_cond_wait(&scan->ready, &scan->lock);
        } else {
            (void)produce(scan);
        }
    }
    ladle_scan_step *next = atomic_load(&scan->stop) ? NULL : scan->steps;
    if (next != NULL) {
        scan->steps = next->next;
        scan->is_awaited = false;
        count_waiting(scan, next, -1);
        scan->given_nbytes = next->step.nbytes;
        scan->given_at = seconds();
        pthread_cond_signal(&scan->room);
    }
    pthread_mutex_unlock(&scan->lock);
    if (next == NULL && atomic_load(&scan->stop))
        return ladle_fail(error, LADLE_CANCELLED, LADLE_NO_OFFSET, "the scan was stopped");
    if (next == NULL)
        return LADLE_OK;
    if (next->spilled != NULL && next->error.status == LADLE_OK && ladle_spill_get(next, &next->error) != LADLE_OK)
        tell_range(next);
    lend(scan, next);
    ladle_status status = (ladle_status)next->error.status;
    if (status == LADLE_OK) {
        *step = next->step;
        memset(&next->step, 0, sizeof next->step);
    } else {
        *error = next->error;
        step->part = next->step.part;
        step->start = next->step.start;
        step->stop = next->step.stop;
    }
    ladle_scan_step_release(scan->context, next);
    return status;
}

void ladle_scan_skip(ladle_scan *scan, int64_t part)
{
    if (is_forked_off(scan))
        return;
    pthread_mutex_lock(&scan->lock);
    for (ladle_scan_part *p = scan->parts; p != NULL; p = p->next)
        if (p->number == part)
            p->is_skipped = true;
    for (ladle_scan_step **at = &scan->steps; *at != NULL;) {
        ladle_scan_step *step = *at;
        if (step->step.part != part) {
            at = &step->next;
            continue;
        }
        *at = step->next;
        count_waiting(scan, step, -1);
        ladle_scan_step_release(scan->context, step);
    }
    pthread_cond_signal(&scan->room);
    pthread_mutex_unlock(&scan->lock);
}

void ladle_scan_stop(ladle_scan *scan)
{
    if (is_forked_off(scan))
        return;
    atomic_store(&scan->stop, true);
    pthread_mutex_lock(&scan->lock);
    ladle_scan_step *waiting = scan->steps; /* nobody will have them; the scan may live for long, in a traceback */
    scan->steps = NULL;
    scan->waiting_nbytes = scan->spilled_nbytes = 0;
    for (ladle_scan_part *part = scan->parts; part != NULL && !scan->is_busy; part = part->next)
        ladle_scan_close(part);
    pthread_cond_signal(&scan->room);
    pthread_cond_signal(&scan->ready);
    pthread_mutex_unlock(&scan->lock);
    release_steps(scan->context, waiting);
}

void ladle_scan_release(ladle_scan *scan)
{
    if (scan == NULL || is_forked_off(scan))
        return;
    ladle_scan_stop(scan);
    if (scan->has_thread)
        (void)pthread_join(scan->thread, NULL);
    (void)pthread_cond_destroy(&scan->ready);
    (void)pthread_cond_destroy(&scan->room);
    (void)pthread_mutex_destroy(&scan->lock);
    release_steps(scan->context, scan->steps);
    while (scan->parts != NULL) {
        ladle_scan_part *next = scan->parts->next;
        ladle_scan_part_release(scan->parts);
        scan->parts = next;
    }
    ladle_spill_release(scan->spill);
    lend(scan, NULL);
    lend(scan, NULL);
    ladle_context *context = scan->context;
    ladle_context_remove_reclaimer(context, &scan->bound);
    ladle_reader_release(scan->reader);
    ladle_free(context, scan, sizeof *scan, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}
