/* What all processes of a run hold together, over time: each counts with its last sample until the next one, or until
 * it is gone. Pages of files are shared by most processes of a tree: of them those of one process count, the one with
 * the most. What processes share otherwise (pages that a fork has not written to yet, shared memory) counts for each.
 */
#include "doctor.h"

#include <stdlib.h>

/* One point more of some process: what it held from then on. */
typedef struct event {
    int64_t time_ns;
    int64_t process;
    const doctor_point *point; /* NULL: it is gone */
} event;

static int by_time(const void *left, const void *right)
{
    const event *a = left, *b = right;
    if (a->time_ns != b->time_ns) {
        return a->time_ns < b->time_ns ? -1 : 1;
    }
    return a->process < b->process ? -1 : a->process > b->process;
}

/* Points up to each program's end, and where each process is gone. Returns owned; NULL: no memory. */
static event *list_events(const doctor_run *run, int64_t *count)
{
    int64_t size = 0;
    for (int64_t i = 0; i < run->count; ++i) {
        size += run->processes[i].point_count + 1;
    }
    event *events = malloc((size_t)(size + 1) * sizeof *events);
    *count = 0;
    for (int64_t i = 0; i < run->count && events != NULL; ++i) {
        const doctor_process *process = &run->processes[i];
        for (int64_t j = 0; j < process->point_count && j <= process->final_index; ++j) {
            events[(*count)++] = (event){process->points[j].time_ns, i, &process->points[j]};
        }
        /* One that ended while the command ran leaves the sum; its last look was about an interval ago. */
        bool is_last = process->pid == run->pid && process->end != DOCTOR_REPLACED;
        if (process->point_count > 0 && process->end != DOCTOR_RUNS && !is_last) {
            events[(*count)++] = (event){process->points[process->final_index].time_ns + 1, i, NULL};
        }
    }
    if (events != NULL && *count > 0) {
        qsort(events, (size_t)*count, sizeof *events, by_time);
    }
    return events;
}

/* The sum as the events go by. */
typedef struct total {
    const doctor_point **current; /* of each process; NULL: none */
    int64_t count;
    int64_t most_file, own, live, dead; /* own: all that is no page of a file */
} total;

static int64_t file_of(const doctor_point *point)
{
    return point->file < point->rss ? point->file : point->rss;
}

static void add(total *sum, const doctor_point *point, int sign)
{
    const int64_t *split = point->split.nbytes;
    sum->own += sign * (point->rss - file_of(point));
    sum->live += sign * (split[LADLE_SHARE_LIVE] + split[LADLE_SHARE_GARBAGE]);
    sum->dead += sign * (split[LADLE_SHARE_RETURNABLE] + split[LADLE_SHARE_PINNED]);
}

static void pass(total *sum, const event *next)
{
    const doctor_point *before = sum->current[next->process], *after = next->point;
    sum->current[next->process] = after;
    if (before != NULL) {
        add(sum, before, -1);
    }
    if (after != NULL) {
        add(sum, after, 1);
    }
    if (after != NULL && file_of(after) >= sum->most_file) {
        sum->most_file = file_of(after);
    } else if (before != NULL && file_of(before) == sum->most_file) {
        sum->most_file = 0;
        for (int64_t i = 0; i < sum->count; ++i) {
            int64_t file = sum->current[i] != NULL ? file_of(sum->current[i]) : 0;
            sum->most_file = file > sum->most_file ? file : sum->most_file;
        }
    }
}

/* Live and dead bytes while resident memory is within a 100th of its peak, on the mean: at one moment of a plateau what
 * is live is a matter of chance. */
typedef struct at_peak {
    double live, dead, weight;
} at_peak;

/* Goes through all events. Without `mean`: finds peak and end. With it: the means at the peak that was found. */
static void go_through(doctor_run *run, const event *events, int64_t count, total *sum, at_peak *mean)
{
    for (int64_t i = 0; i < count; ++i) {
        int64_t until_ns = i + 1 < count ? events[i + 1].time_ns : run->end_ns;
        pass(sum, &events[i]);
        if (i + 1 < count && until_ns == events[i].time_ns) {
            continue;
        }
        int64_t rss = sum->own + sum->most_file;
        if (mean == NULL) {
            run->final_rss = rss;
            run->peak_rss = rss > run->peak_rss ? rss : run->peak_rss;
        } else if (rss >= run->peak_rss - run->peak_rss / 100) {
            double weight = until_ns > events[i].time_ns ? (double)(until_ns - events[i].time_ns) : 1.0;
            mean->live += weight * (double)sum->live;
            mean->dead += weight * (double)sum->dead;
            mean->weight += weight;
        }
    }
}

void doctor_sum_up(doctor_run *run)
{
    int64_t count;
    bool has_meter = false;
    event *events = list_events(run, &count);
    const doctor_point **current = calloc((size_t)run->count + 1, sizeof *current);
    run->peak_rss = run->final_rss = run->live = run->dead = -1;
    for (int64_t i = 0; i < run->count; ++i) {
        int64_t peak = run->processes[i].verdict.peak_rss;
        has_meter = has_meter || run->processes[i].metered;
        run->kernel_peak_rss = peak > run->kernel_peak_rss ? peak : run->kernel_peak_rss;
    }
    if (events != NULL && current != NULL) {
        at_peak mean = {0};
        total sum = {.current = current, .count = run->count};
        go_through(run, events, count, &sum, NULL);
        sum = (total){.current = current, .count = run->count};
        for (int64_t i = 0; i < run->count; ++i) {
            current[i] = NULL;
        }
        go_through(run, events, count, &sum, &mean);
        if (has_meter && mean.weight > 0) {
            run->live = (int64_t)(mean.live / mean.weight);
            run->dead = (int64_t)(mean.dead / mean.weight);
        }
    }
    free(events);
    free(current);
    run->peak_rss = run->kernel_peak_rss > run->peak_rss ? run->kernel_peak_rss : run->peak_rss;
}
