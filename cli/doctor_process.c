/* What is known of one process: samples from inside and outside while it lives; a verdict and a course over time once
 * it is gone, for which a hundredth of the memory will do. */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Samples from outside that are kept: when they are full, every second one goes. */
#define MAX_OUTSIDE 1024

void doctor_signal_name(int number, char text[24])
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
                 {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
                 {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
                 {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
                 {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"}};
    snprintf(text, 24, "signal %d", number);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
        if (names[i].number == number) {
            snprintf(text, 24, "%s", names[i].name);
        }
    }
}

void doctor_process_end_text(const doctor_process *process, char text[DOCTOR_END_NBYTES])
{
    char name[24];
    switch (process->end) {
    case DOCTOR_RUNS: snprintf(text, DOCTOR_END_NBYTES, "still running"); break;
    case DOCTOR_EXITED: snprintf(text, DOCTOR_END_NBYTES, "exited %d", process->end_detail); break;
    case DOCTOR_KILLED:
        doctor_signal_name(process->end_detail, name);
        snprintf(text, DOCTOR_END_NBYTES, "killed by %s", name);
        break;
    case DOCTOR_REPLACED: snprintf(text, DOCTOR_END_NBYTES, "replaced by exec"); break;
    case DOCTOR_ENDED: snprintf(text, DOCTOR_END_NBYTES, "ended"); break;
    }
}

/* --- while it lives -------------------------------------------------------------------------- */

/* Drops every second sample, but never the one with the highest rss. */
static void thin_out(doctor_process *process)
{
    int64_t highest = 0, kept = 0;
    for (int64_t i = 1; i < process->outside_count; ++i) {
        if (process->outside[i].rss > process->outside[highest].rss) {
            highest = i;
        }
    }
    for (int64_t i = 0; i < process->outside_count; ++i) {
        if (i % 2 == 0 || i == highest) {
            process->outside[kept++] = process->outside[i];
        }
    }
    int64_t span = process->outside[kept - 1].time_ns - process->outside[0].time_ns;
    process->outside_count = kept;
    process->outside_stride_ns = span / kept;
}

/* Room for one sample more; NULL where it is too early for the next, or where there is no memory. */
static ladle_sample *next_outside(doctor_process *process, int64_t time_ns)
{
    if (process->outside_count > 0 &&
        time_ns - process->outside[process->outside_count - 1].time_ns < process->outside_stride_ns) {
        return NULL;
    }
    if (process->outside_count == MAX_OUTSIDE) {
        thin_out(process);
    }
    ladle_sample *grown =
        cli_grown(process->outside, process->outside_count, &process->outside_capacity, sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    process->outside = grown;
    return &process->outside[process->outside_count];
}

/* Of a process without a meter: what the kernel says, and -1 for the rest. */
static void sample_of_status(ladle_sample *sample, const doctor_status *status, int64_t time_ns)
{
    *sample = (ladle_sample){
        .kind = LADLE_SAMPLE_OUTSIDE,
        .threads = (int32_t)status->threads,
        .time_ns = time_ns,
        .rss = status->rss,
        .anonymous = status->anonymous,
        .file = status->file,
        .shared = status->shared,
        .minor_faults = -1,
        .major_faults = -1,
        .live_requested = -1,
        .live_usable = -1,
        .live_blocks = -1,
        .peak_live = -1,
        .allocations = -1,
        .frees = -1,
        .allocated = -1,
        .heap = -1,
        .heap_free = -1,
        .heap_returnable = -1,
        .heap_arenas = -1,
        .heap_largest_holes = -1,
        .python_arenas = -1,
    };
}

bool doctor_process_look(doctor_process *process, const doctor_status *status)
{
    int64_t time_ns = doctor_now_ns() - process->start_ns;
    if (status->peak_rss > process->highest_rss) {
        process->highest_rss = status->peak_rss;
    }
    ladle_sample *sample = status->rss <= 0 ? NULL : next_outside(process, time_ns);
    if (sample == NULL) {
        return true;
    }
    if (process->recording == NULL) {
        sample_of_status(sample, status, time_ns);
        ++process->outside_count;
    } else if (ladle_recording_ended(process->recording) == LADLE_RECORDING_RUNS) {
        ladle_error error;
        doctor_status again;
        if (ladle_recording_observe(process->recording, sample, &error) == LADLE_OK) {
            ++process->outside_count;
        } else if (error.status == LADLE_NOT_FOUND) { /* gone, or replaced: then the pid is still there */
            return !doctor_tree_status(process->pid, &again) || again.is_zombie;
        }
    }
    return true;
}

/* --- once it is gone ------------------------------------------------------------------------- */

/* The program itself is done: what comes later shows what the probes did. */
static bool is_after_the_end(const ladle_sample *sample)
{
    return sample->kind == LADLE_SAMPLE_AFTER_COLLECT || sample->kind == LADLE_SAMPLE_AFTER_TRIM;
}

static bool ends_the_program(const ladle_sample *sample)
{
    return sample->kind == LADLE_SAMPLE_BEFORE_COLLECT || sample->kind == LADLE_SAMPLE_END;
}

/* All samples in order of time; those from outside only up to the program's end. Returns owned; NULL: no memory, or
 * none. */
static ladle_sample *merge(doctor_process *process, int64_t *count)
{
    int64_t n_inside = 0, used = 0;
    const ladle_sample *inside = NULL;
    if (process->recording != NULL) {
        inside = ladle_recording_samples(process->recording, &n_inside);
    }
    ladle_sample *all = malloc((size_t)(n_inside + process->outside_count + 1) * sizeof *all);
    int64_t taken = 0;
    bool ended = false;
    for (int64_t i = 0; i <= n_inside && all != NULL; ++i) {
        while (!ended && taken < process->outside_count &&
               (i == n_inside || process->outside[taken].time_ns < inside[i].time_ns)) {
            all[used++] = process->outside[taken++];
        }
        if (i < n_inside) {
            all[used++] = inside[i];
            ended = ended || ends_the_program(&inside[i]);
        }
    }
    *count = used;
    return all;
}

/* Index of the sample that tells how the program ended: before the first probe, else the last. */
static int64_t find_final(const ladle_sample *samples, int64_t count)
{
    for (int64_t i = 0; i < count; ++i) {
        if (samples[i].kind == LADLE_SAMPLE_BEFORE_COLLECT) {
            return i;
        }
    }
    int64_t final = count - 1;
    while (final > 0 && is_after_the_end(&samples[final])) {
        --final;
    }
    return final;
}

/* Garbage is known at the end only; before that, the part of what grew since the first sample that grew like it. */
static int64_t garbage_at(const ladle_sample *sample, const ladle_sample *first, const ladle_sample *final,
                          int64_t garbage)
{
    int64_t whole = final->live_requested - first->live_requested;
    int64_t part = sample->live_requested - first->live_requested;
    if (garbage <= 0 || whole <= 0 || part <= 0 || is_after_the_end(sample)) {
        return 0;
    }
    double share = part >= whole ? 1.0 : (double)part / (double)whole;
    return (int64_t)((double)garbage * share);
}

static void keep_points(doctor_process *process, const ladle_sample *samples, int64_t count)
{
    process->points = malloc((size_t)count * sizeof *process->points);
    if (process->points == NULL) {
        return;
    }
    process->point_count = count;
    const ladle_sample *final = &samples[process->final_index];
    for (int64_t i = 0; i < count; ++i) {
        doctor_point *point = &process->points[i];
        *point = (doctor_point){.time_ns = process->start_ns + samples[i].time_ns,
                                .kind = samples[i].kind,
                                .rss = samples[i].rss,
                                .file = samples[i].file > 0 ? samples[i].file : 0};
        ladle_doctor_split(&samples[i], garbage_at(&samples[i], &samples[0], final, process->verdict.garbage),
                           &point->split);
    }
}

/* A process that was killed had no chance to sample itself at its end, but its counters are there to the last block. */
static void take_last_counters(doctor_process *process)
{
    ladle_sample last;
    if (process->recording == NULL || process->end == DOCTOR_RUNS ||
        ladle_recording_ended(process->recording) != LADLE_RECORDING_RUNS) {
        return;
    }
    ladle_recording_counters(process->recording, &last);
    process->final_live = last.live_usable;
    process->peak_live = last.peak_live > process->peak_live ? last.peak_live : process->peak_live;
    memcpy(process->class_nbytes, last.class_nbytes, sizeof process->class_nbytes);
    memcpy(process->class_blocks, last.class_blocks, sizeof process->class_blocks);
}

/* What the recording has beside its samples; an image that ended early has neither. */
static void take_pictures(doctor_process *process, const doctor_call *call)
{
    ladle_error error;
    if (process->recording == NULL) {
        return;
    }
    if (call->map) {
        process->map = ladle_recording_map(process->recording, &error);
        if (process->map == NULL && error.status != LADLE_NOT_FOUND) {
            (void)cli_data_error(process->path, &error);
        }
    }
    if (call->stacks) {
        process->stacks = ladle_recording_stacks(process->recording, &error);
        if (process->stacks == NULL && error.status != LADLE_NOT_FOUND) {
            (void)cli_data_error(process->path, &error);
        }
    }
}

void doctor_process_finish(doctor_process *process, const doctor_call *call)
{
    int64_t count = 0;
    if (process->finished) {
        return;
    }
    process->finished = true;
    process->peak_live = process->final_live = -1;
    if (process->recording != NULL) {
        free(process->command);
        process->command = strdup(ladle_recording_command(process->recording));
        snprintf(process->allocator, sizeof process->allocator, "%s", ladle_recording_allocator(process->recording));
    }
    ladle_sample *samples = merge(process, &count);
    ladle_doctor_judge(samples, samples == NULL ? 0 : count, &process->verdict);
    if (samples != NULL && count > 0) {
        process->final_index = find_final(samples, count);
        const ladle_sample *final = &samples[process->final_index];
        keep_points(process, samples, count);
        process->final_live = final->live_usable;
        for (int64_t i = 0; i <= process->final_index; ++i) {
            process->peak_live = samples[i].peak_live > process->peak_live ? samples[i].peak_live : process->peak_live;
        }
        if (process->metered) {
            memcpy(process->class_nbytes, final->class_nbytes, sizeof process->class_nbytes);
            memcpy(process->class_blocks, final->class_blocks, sizeof process->class_blocks);
        }
        if (process->highest_rss > process->verdict.peak_rss) {
            process->verdict.peak_rss = process->highest_rss; /* between two samples */
        }
    }
    take_last_counters(process);
    take_pictures(process, call);
    free(samples);
    free(process->outside);
    process->outside = NULL;
    process->outside_count = process->outside_capacity = 0;
    ladle_recording_release(process->recording);
    process->recording = NULL;
    if (process->path != NULL) {
        unlink(process->path);
        free(process->path);
        process->path = NULL;
    }
}

void doctor_process_release(doctor_process *process)
{
    ladle_recording_release(process->recording);
    free(process->path);
    free(process->command);
    free(process->outside);
    free(process->points);
    ladle_heap_map_release(process->map);
    ladle_stacks_release(process->stacks);
    *process = (doctor_process){0};
}
