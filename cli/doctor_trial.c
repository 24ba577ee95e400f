/* The runs under each allocator: one after the other in turn, so that what changes on the machine meanwhile meets all.
 */
#include "doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is tried of glibc's own settings. A fixed threshold also stops glibc from raising both thresholds to the largest
 * block that was ever freed, up to 32 MiB, which is what makes it keep so much. */
static const char *const setting_arenas[] = {"MALLOC_ARENA_MAX=2", NULL};
static const char *const setting_thresholds[] = {"MALLOC_MMAP_THRESHOLD_=131072", "MALLOC_TRIM_THRESHOLD_=131072",
                                                 NULL};
static const char *const setting_both[] = {"MALLOC_ARENA_MAX=2", "MALLOC_MMAP_THRESHOLD_=131072",
                                           "MALLOC_TRIM_THRESHOLD_=131072", NULL};
static const char *const setting_small[] = {"MALLOC_ARENA_MAX=2", "MALLOC_MMAP_THRESHOLD_=32768",
                                            "MALLOC_TRIM_THRESHOLD_=65536", NULL};
static const char *const *const settings[] = {setting_arenas, setting_thresholds, setting_both, setting_small};
#define N_SETTINGS (sizeof settings / sizeof settings[0])

/* --- one run --------------------------------------------------------------------------------- */

/* The last line that is not empty, without control characters. */
static void last_line(const doctor_stream *stream, char line[160])
{
    char text[DOCTOR_TAIL_NBYTES + 1];
    memcpy(text, stream->tail, stream->tail_used + 1);
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' ')) {
        text[--length] = '\0';
    }
    const char *newline = strrchr(text, '\n');
    cli_visible(newline != NULL ? newline + 1 : text, line, 160);
}

static doctor_measured measured_of(const doctor_run *run)
{
    return (doctor_measured){.status = run->status,
                             .output_nbytes = run->output.nbytes,
                             .output_hash = run->output.hash,
                             .seconds = doctor_run_seconds(run),
                             .peak_rss = (double)run->peak_rss,
                             .final_rss = (double)run->final_rss,
                             .live = (double)run->live,
                             .dead = (double)run->dead};
}

/* Whether the recording of the deciding process tells of the allocator that was asked for; else row->note says so. */
static void check_in_force(doctor_row *row, const doctor_run *run)
{
    const char *wanted = row->allocator->is_tuned ? "glibc" : row->allocator->name;
    const doctor_process *process = run->decides < 0 ? NULL : &run->processes[run->decides];
    if (process == NULL || !process->metered) {
        row->in_force = false;
        snprintf(row->note, sizeof row->note, "not metered, so it is not known whether it was in force%s%s",
                 process != NULL ? ": " : "", process != NULL ? process->reason : "");
    } else if (row->allocator->library != NULL && strcmp(process->allocator, "glibc") == 0) {
        row->in_force = false;
        snprintf(row->note, sizeof row->note, "it was loaded, but blocks came from glibc");
    } else if (row->allocator->is_known && strcmp(process->allocator, wanted) != 0) {
        row->in_force = false;
        snprintf(row->note, sizeof row->note,
                 "another allocator was in force, which the command or LD_PRELOAD brings: %s", process->allocator);
    }
}

/* Runs the command once with a folder of its own. */
static int run_once(const doctor_call *call, doctor_run *run)
{
    doctor_call own = *call;
    char *folder = doctor_folder_make();
    if (folder == NULL) {
        return CLI_DATA;
    }
    own.folder = folder;
    int status = doctor_run_command(&own, run);
    doctor_folder_remove(folder);
    return status;
}

static bool keep_run(doctor_row *row, doctor_measured measured)
{
    doctor_measured *grown = realloc(row->runs, (size_t)(row->count + 1) * sizeof *grown);
    if (grown == NULL) {
        cli_complain("doctor", "out of memory");
        return false;
    }
    row->runs = grown;
    row->runs[row->count++] = measured;
    return true;
}

static void note_difference(doctor_row *row, const doctor_trial *trial, const doctor_run *run)
{
    char line[160];
    if (row->note[0] == '\0' && run->status != trial->plain.status) {
        last_line(&run->errors, line);
        snprintf(row->note, sizeof row->note, "exit status %d instead of %d%s%s", run->status, trial->plain.status,
                 line[0] != '\0' ? "; its last words: " : "", line);
    }
}

/* One run of a row with one setting of the environment. */
static int try_row(doctor_trial *trial, doctor_row *row, const doctor_call *call, const char *const *environment)
{
    doctor_call own = *call;
    doctor_run run = {.decides = -1};
    own.allocator = row->allocator->library;
    own.environment = environment;
    own.label = row->allocator->name;
    int status = run_once(&own, &run);
    bool fits = true;
    if (status == CLI_OK && !call->signals->told_to_stop) {
        check_in_force(row, &run);
        note_difference(row, trial, &run);
        fits = keep_run(row, measured_of(&run));
    }
    doctor_run_release(&run);
    return fits ? status : CLI_DATA;
}

/* Each setting once; the one with the lowest peak goes on, and its run counts as the row's first. */
static int find_setting(doctor_trial *trial, doctor_row *row, const doctor_call *call)
{
    doctor_measured best = {0};
    for (size_t i = 0; i < N_SETTINGS && !call->signals->told_to_stop; ++i) {
        int status = try_row(trial, row, call, settings[i]);
        if (status != CLI_OK) {
            return status;
        }
        if (row->count == 0) { /* stopped */
            break;
        }
        const doctor_measured *run = &row->runs[--row->count];
        bool is_first = row->environment == NULL;
        bool is_lower = run->peak_rss < 0.98 * best.peak_rss;
        bool is_equal = run->peak_rss < 1.02 * best.peak_rss;
        if (is_first || is_lower || (is_equal && run->final_rss < 0.95 * best.final_rss)) {
            best = *run;
            row->environment = settings[i];
        }
    }
    if (row->environment != NULL) {
        row->runs[row->count++] = best; /* room is there: it was this row's */
    }
    return CLI_OK;
}

/* --- all runs -------------------------------------------------------------------------------- */

static int run_plain(const doctor_call *call, doctor_measured *plain)
{
    doctor_call own = *call;
    doctor_run run = {.decides = -1};
    own.meter = NULL;
    own.label = "without the meter";
    int status = run_once(&own, &run);
    *plain = measured_of(&run);
    plain->same_result = true;
    doctor_run_release(&run);
    return status;
}

static bool is_same(const doctor_trial *trial, const doctor_measured *run)
{
    const doctor_measured *plain = &trial->plain;
    return run->status == plain->status && (trial->differs_by_itself || (run->output_nbytes == plain->output_nbytes &&
                                                                         run->output_hash == plain->output_hash));
}

/* Compares all results with that of the plain run. Where output differs, the plain run is made once more: it may differ
 * from itself. */
static int compare_results(doctor_trial *trial, const doctor_call *call)
{
    bool differs = false;
    for (int64_t i = 0; i < trial->count; ++i) {
        for (int64_t j = 0; j < trial->rows[i].count; ++j) {
            const doctor_measured *run = &trial->rows[i].runs[j];
            differs = differs || (run->status == trial->plain.status && !is_same(trial, run));
        }
    }
    if (differs && !call->signals->told_to_stop) {
        doctor_measured again;
        int status = run_plain(call, &again);
        if (status != CLI_OK) {
            return status;
        }
        trial->differs_by_itself = !call->signals->told_to_stop && !is_same(trial, &again);
    }
    for (int64_t i = 0; i < trial->count; ++i) {
        doctor_row *row = &trial->rows[i];
        for (int64_t j = 0; j < row->count; ++j) {
            doctor_measured *run = &row->runs[j];
            run->same_result = is_same(trial, run);
            if (!run->same_result && row->note[0] == '\0') {
                snprintf(row->note, sizeof row->note,
                         "what it prints is not the same: %" PRId64 " bytes, and %" PRId64 " without it",
                         run->output_nbytes, trial->plain.output_nbytes);
            }
        }
    }
    return CLI_OK;
}

static bool make_rows(doctor_trial *trial, const doctor_allocators *allocators)
{
    *trial = (doctor_trial){.rows = calloc((size_t)allocators->count + 1, sizeof *trial->rows), .best = -1};
    if (trial->rows == NULL) {
        cli_complain("doctor", "out of memory");
        return false;
    }
    trial->count = allocators->count;
    for (int64_t i = 0; i < trial->count; ++i) {
        doctor_row *row = &trial->rows[i];
        row->allocator = &allocators->items[i];
        row->in_force = true;
        row->available = row->allocator->why_not[0] == '\0';
        snprintf(row->note, sizeof row->note, "%s", row->allocator->why_not);
    }
    return true;
}

int doctor_trial_make(doctor_trial *trial, const doctor_allocators *allocators, const doctor_call *call, int32_t repeat)
{
    doctor_call own = *call;
    if (!make_rows(trial, allocators)) {
        return CLI_DATA;
    }
    own.streams = DOCTOR_COMPARE;
    own.probe = own.map = own.stacks = false;
    int status = run_plain(&own, &trial->plain);
    trial->has_plain = status == CLI_OK && !call->signals->told_to_stop;
    for (int32_t round = 0; round < repeat && status == CLI_OK; ++round) {
        for (int64_t i = 0; i < trial->count && status == CLI_OK && !call->signals->told_to_stop; ++i) {
            doctor_row *row = &trial->rows[i];
            if (row->available && row->allocator->is_tuned && round == 0) {
                status = find_setting(trial, row, &own);
            } else if (row->available) {
                status = try_row(trial, row, &own, row->environment);
            }
        }
    }
    if (status == CLI_OK && trial->has_plain) {
        status = compare_results(trial, &own);
    }
    trial->stopped = call->signals->told_to_stop;
    doctor_trial_advise(trial);
    return status;
}

void doctor_trial_release(doctor_trial *trial)
{
    for (int64_t i = 0; i < trial->count; ++i) {
        free(trial->rows[i].runs);
    }
    free(trial->rows);
    *trial = (doctor_trial){.best = -1};
}
