/* The processes of a run. Metered ones are found by their recordings, all others by the tree in /proc; both are looked
 * at in turn, so that a process which was forked in between is known without a meter for one look at most. */
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* --- the list -------------------------------------------------------------------------------- */

static doctor_process *add_process(doctor_run *run)
{
    doctor_process *grown = cli_grown(run->processes, run->count, &run->capacity, sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    run->processes = grown;
    doctor_process *process = &run->processes[run->count++];
    *process = (doctor_process){.start_ns = doctor_now_ns(), .final_index = -1, .peak_live = -1, .final_live = -1};
    return process;
}

static void remove_process(doctor_run *run, int64_t index)
{
    doctor_process_release(&run->processes[index]);
    memmove(&run->processes[index], &run->processes[index + 1],
            (size_t)(run->count - index - 1) * sizeof *run->processes);
    --run->count;
}

/* The image of that pid which lives; -1: none. */
static int64_t find_living(const doctor_run *run, pid_t pid, bool metered)
{
    for (int64_t i = run->count; i-- > 0;) {
        const doctor_process *process = &run->processes[i];
        if (process->pid == pid && process->metered == metered && !process->finished) {
            return i;
        }
    }
    return -1;
}

/* --- recordings ------------------------------------------------------------------------------ */

static bool is_known(const doctor_run *run, const char *path)
{
    for (int64_t i = 0; i < run->count; ++i) {
        if (run->processes[i].path != NULL && strcmp(run->processes[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* A process that was watched without a meter has one now: it had only just begun. */
static void forget_without_meter(doctor_run *run, pid_t pid)
{
    int64_t index = find_living(run, pid, false);
    if (index >= 0) {
        remove_process(run, index);
    }
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Takes up the recording. One that cannot be read yet is tried again at the next look; at the last one it is told. */
static bool add_recording(doctor_run *run, const char *path, bool is_last)
{
    ladle_error error;
    ladle_recording *recording = ladle_recording_open(path, &error);
    if (recording == NULL) {
        bool has_begun = error.status != LADLE_CORRUPT || kill((pid_t)strtol(name_of(path), NULL, 10), 0) != 0;
        if (is_last && has_begun && error.status != LADLE_NOT_FOUND) {
            (void)cli_data_error(path, &error);
        }
        return true;
    }
    pid_t pid = (pid_t)ladle_recording_pid(recording);
    forget_without_meter(run, pid);
    doctor_process *process = add_process(run);
    char *copy = strdup(path);
    if (process == NULL || copy == NULL) {
        free(copy);
        ladle_recording_release(recording);
        return false;
    }
    process->pid = pid;
    process->parent = (pid_t)ladle_recording_parent(recording);
    process->metered = true;
    process->recording = recording;
    process->path = copy;
    process->start_ns = ladle_recording_start_ns(recording); /* command and allocator may not be known yet */
    return true;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Paths of the recordings in the folder, in order of their names: as many as there is memory for, the others are seen
 * next time. Returns owned texts in an owned array. */
static char **list_recordings(const char *folder, int64_t *count)
{
    DIR *entries = opendir(folder);
    char **paths = NULL;
    int64_t capacity = 0;
    *count = 0;
    for (struct dirent *entry = entries != NULL ? readdir(entries) : NULL; entry != NULL; entry = readdir(entries)) {
        const char *suffix = strrchr(entry->d_name, '.');
        if (suffix == NULL || strcmp(suffix, ".meter") != 0) {
            continue;
        }
        char **grown = cli_grown(paths, *count, &capacity, sizeof *grown);
        if (grown == NULL) {
            break;
        }
        paths = grown;
        size_t length = strlen(folder) + strlen(entry->d_name) + 2;
        paths[*count] = malloc(length);
        if (paths[*count] == NULL) {
            break;
        }
        snprintf(paths[(*count)++], length, "%s/%s", folder, entry->d_name);
    }
    if (entries != NULL) {
        closedir(entries);
    }
    if (*count > 0) {
        qsort(paths, (size_t)*count, sizeof *paths, by_name);
    }
    return paths;
}

static bool look_at_folder(doctor_run *run, const char *folder, bool is_last)
{
    int64_t count;
    bool fits = true;
    char **paths = list_recordings(folder, &count);
    for (int64_t i = 0; i < count; ++i) {
        if (fits && !is_known(run, paths[i])) {
            fits = add_recording(run, paths[i], is_last);
        }
        free(paths[i]);
    }
    free(paths);
    return fits;
}

/* --- the tree -------------------------------------------------------------------------------- */

static void note_end(doctor_process *process)
{
    if (process->end == DOCTOR_RUNS) {
        process->end = DOCTOR_ENDED;
    }
}

/* Images that gave way to others, and processes that are gone. */
static void finish_those_gone(doctor_run *run, const doctor_call *call, const doctor_tree *tree)
{
    for (int64_t i = 0; i < run->count; ++i) {
        doctor_process *process = &run->processes[i];
        if (process->finished) {
            continue;
        }
        bool is_there = process->end == DOCTOR_RUNS;
        if (is_there) {
            is_there = false;
            for (int64_t j = 0; j < tree->count && !is_there; ++j) {
                is_there = tree->items[j].pid == process->pid && !tree->items[j].is_zombie;
            }
        }
        if (process->recording != NULL && ladle_recording_ended(process->recording) == LADLE_RECORDING_REPLACED) {
            process->end = DOCTOR_REPLACED;
            is_there = false;
        }
        /* The command itself is a child of ours: how it ends is told by wait. */
        if (!is_there && !(process->pid == run->pid && process->end == DOCTOR_RUNS)) {
            note_end(process);
            doctor_process_finish(process, call);
        }
    }
}

static bool look_at_process(doctor_run *run, const doctor_call *call, const doctor_status *status)
{
    int64_t index = find_living(run, status->pid, true);
    doctor_process *process;
    if (index < 0) {
        index = find_living(run, status->pid, false);
    }
    if (index >= 0) {
        process = &run->processes[index];
    } else {
        process = add_process(run);
        if (process == NULL) {
            return false;
        }
        process->pid = status->pid;
        process->parent = status->parent;
    }
    ++process->looks;
    if (!process->metered && process->looks <= 3) { /* what it is settles once it has called exec */
        free(process->command);
        process->command = doctor_tree_command(status->pid);
        if (call->meter != NULL) {
            doctor_tree_reason(status->pid, call->meter, process->reason);
        }
    }
    if (doctor_process_look(process, status)) {
        return true;
    }
    process->end = DOCTOR_REPLACED; /* by a program that has no meter, or has none yet */
    doctor_process_finish(process, call);
    return look_at_process(run, call, status);
}

bool doctor_watch_look(doctor_run *run, const doctor_call *call, doctor_tree *tree, int64_t *rss, int64_t *live)
{
    bool fits = call->meter == NULL || look_at_folder(run, call->folder, false);
    fits = fits && doctor_tree_list(tree);
    if (!fits) {
        return false;
    }
    finish_those_gone(run, call, tree);
    *rss = *live = 0;
    for (int64_t i = 0; i < tree->count && fits; ++i) {
        const doctor_status *status = &tree->items[i];
        if (!status->is_zombie) {
            fits = look_at_process(run, call, status);
            *rss += status->rss > 0 ? status->rss : 0;
        }
    }
    for (int64_t i = 0; i < run->count; ++i) {
        const doctor_process *process = &run->processes[i];
        if (process->outside_count > 0 && process->outside[process->outside_count - 1].live_requested > 0) {
            *live += process->outside[process->outside_count - 1].live_requested;
        }
    }
    return fits;
}

void doctor_watch_reaped(doctor_run *run, const doctor_call *call, pid_t pid, int wait_status)
{
    doctor_process *last = NULL;
    if (call->meter != NULL) {
        (void)look_at_folder(run, call->folder, false); /* it may have come and gone since the last look */
    }
    for (int64_t i = 0; i < run->count; ++i) {
        doctor_process *process = &run->processes[i];
        if (process->pid == pid && (last == NULL || process->start_ns > last->start_ns)) {
            last = process;
        }
    }
    if (last != NULL && (last->end == DOCTOR_RUNS || last->end == DOCTOR_ENDED)) {
        last->end = WIFSIGNALED(wait_status) ? DOCTOR_KILLED : DOCTOR_EXITED;
        last->end_detail = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    }
}

/* --- the end --------------------------------------------------------------------------------- */

static int by_start(const void *left, const void *right)
{
    const doctor_process *a = left, *b = right;
    return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

/* A pid that was seen and had no meter, for one look only, and of which nothing tells why: it was between fork and
 * exec, or so short that it could not be looked at. */
static void name_the_unknown(doctor_run *run)
{
    for (int64_t i = run->count; i-- > 0;) {
        doctor_process *process = &run->processes[i];
        if (process->metered || process->reason[0] != '\0') {
            continue;
        }
        bool has_other = false;
        for (int64_t j = 0; j < run->count && !has_other; ++j) {
            has_other = j != i && run->processes[j].pid == process->pid;
        }
        if (has_other && process->looks <= 1) {
            remove_process(run, i);
        } else {
            snprintf(process->reason, sizeof process->reason, "%s",
                     process->end == DOCTOR_RUNS && process->looks <= 2 ? "it had only begun when the command ended"
                     : process->looks <= 2                              ? "it ended before it could be looked at"
                                                                        : "the meter did not start in it");
        }
    }
}

/* The last image of the command itself, unless another process holds more than twice its peak: then the command is a
 * launcher or a coordinator, and the memory is there. A process without a meter decides only where none has one. */
static int64_t find_deciding(const doctor_run *run)
{
    int64_t own = -1, largest = -1;
    for (int64_t i = 0; i < run->count; ++i) {
        const doctor_process *process = &run->processes[i];
        if (process->point_count == 0) {
            continue;
        }
        if (process->pid == run->pid) {
            own = i;
        }
        if (largest < 0 || process->metered > run->processes[largest].metered ||
            (process->metered == run->processes[largest].metered &&
             process->verdict.peak_rss > run->processes[largest].verdict.peak_rss)) {
            largest = i;
        }
    }
    if (own < 0 || largest < 0) {
        return largest;
    }
    bool own_tells = run->processes[own].metered || !run->processes[largest].metered;
    bool is_launcher = run->processes[largest].verdict.peak_rss / 2 > run->processes[own].verdict.peak_rss;
    return own_tells && !is_launcher ? own : largest;
}

/* What the command left behind, which may have begun after the last look. */
static void look_at_those_left(doctor_run *run, const doctor_call *call)
{
    doctor_tree tree = {0};
    if (doctor_tree_list(&tree)) {
        for (int64_t i = 0; i < tree.count; ++i) {
            if (!tree.items[i].is_zombie) {
                (void)look_at_process(run, call, &tree.items[i]);
            }
        }
    }
    doctor_tree_release(&tree);
}

void doctor_watch_finish(doctor_run *run, const doctor_call *call)
{
    if (call->meter != NULL && !look_at_folder(run, call->folder, true)) {
        cli_complain("doctor", "out of memory: not all processes are reported");
    }
    look_at_those_left(run, call);
    for (int64_t i = 0; i < run->count; ++i) {
        doctor_process *process = &run->processes[i];
        doctor_status status;
        if (process->recording != NULL && ladle_recording_ended(process->recording) == LADLE_RECORDING_REPLACED) {
            process->end = DOCTOR_REPLACED;
        }
        if (process->end == DOCTOR_RUNS && (!doctor_tree_status(process->pid, &status) || status.is_zombie)) {
            process->end = DOCTOR_ENDED;
        }
        doctor_process_finish(process, call);
    }
    name_the_unknown(run);
    if (run->count > 0) {
        qsort(run->processes, (size_t)run->count, sizeof *run->processes, by_start);
    }
    doctor_sum_up(run);
    run->decides = find_deciding(run);
}

const char *doctor_verdict_name(const doctor_run *run)
{
    ladle_verdict_kind kind = LADLE_VERDICT_NOT_ENOUGH;
    if (run->decides >= 0) {
        kind = run->processes[run->decides].verdict.kind;
    }
    return ladle_verdict_name(kind);
}

const char *doctor_verdict_sentence(const doctor_run *run)
{
    if (run->decides >= 0) {
        return run->processes[run->decides].verdict.sentence;
    }
    return "The command ended before it could be looked at.";
}
