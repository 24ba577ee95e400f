/* ladle scan: reads all columns of files step by step, as an analysis would, and tells what that took. */
#include "cli.h"
#include "json.h"
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
    "Usage: ladle scan [OPTION...] FILE[:TABLE]...\n\n"
    "Decodes the columns of tables step by step and lets go of each step at once. Prints what that\n"
    "took: throughput, the time in the decompressors, and the peak of resident memory against the\n"
    "bound that holds: what was resident before, the budget, two steps and 32 MiB. With --json: an\n"
    "object {\"files\", \"entries\", \"steps\", \"nbytes\", \"seconds\", \"threads\",\n"
    "\"decompress_seconds\", \"rss_before\", \"peak_rss\", \"bound\", \"failed_files\"}.\n\n"
    "A file whose data is damaged is left at that step; the next one follows.\n\n"
    "  --columns GLOB  columns, records or patterns such as 'Jet_*'; may be repeated (default: all)\n"
    "  --step SIZE     decoded bytes of a step at most (default: 100 MB)\n"
    "                  --budget here: of steps that wait, besides the one in use (default: 1 GiB)\n";

enum { DEFAULT_STEP_NBYTES = 100000000, DEFAULT_BUDGET_NBYTES = 1 << 30, SLACK_NBYTES = 32 << 20 };

typedef struct totals {
    int64_t files, failed_files, entries, steps, nbytes, largest_nbytes;
    int64_t rss_before, peak_rss;
    double seconds;
} totals;

/* Readable columns of the table that the call means, as an array; owned. NULL: `*status` tells. */
static int32_t *choose_columns(const cli_session *session, const cli_options *options, int32_t *count, int *status)
{
    cli_selection selection = {0};
    cli_options call = *options;
    call.names = options->patterns;
    call.names_count = options->patterns_count;
    *count = 0;
    *status = cli_selection_make(&selection, session, &call, false);
    int32_t *columns = NULL;
    if (*status == CLI_OK) {
        columns = malloc(((size_t)selection.count + 1) * sizeof *columns);
        if (columns == NULL) {
            cli_complain(options->file, "out of memory");
            *status = CLI_DATA;
        }
    }
    for (int32_t i = 0; columns != NULL && i < selection.count; ++i) {
        ladle_column_info info = {.struct_size = sizeof info};
        ladle_table_column(session->table, selection.items[i].column, &info);
        if (info.reason == NULL) {
            columns[(*count)++] = selection.items[i].column;
        }
    }
    cli_selection_release(&selection);
    if (columns != NULL && *count == 0) {
        cli_complain(options->file, "no column that can be read is selected");
        *status = CLI_CALL;
        free(columns);
        return NULL;
    }
    return columns;
}

/* Takes the steps of the part that was added last. Returns an exit status. */
static int take_steps(ladle_scan *scan, const cli_options *file, totals *sum, cli_progress *progress)
{
    struct timespec begin;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        ladle_step step;
        ladle_error error;
        if (ladle_scan_next(scan, &step, &error) != LADLE_OK) {
            cli_progress_clear(progress);
            ladle_scan_skip(scan, step.part);
            ++sum->failed_files;
            return cli_data_error(file->file, &error);
        }
        if (step.n_buffers == 0) {
            return CLI_OK;
        }
        sum->entries += step.stop - step.start;
        sum->steps += 1;
        sum->nbytes += step.nbytes;
        sum->largest_nbytes = step.nbytes > sum->largest_nbytes ? step.nbytes : sum->largest_nbytes;
        ladle_step_release(&step);
        double seconds = cli_seconds_since(&begin);
        cli_progress_show(progress, "file %" PRId64 ", %" PRId64 " entries, %.0f MB, %.0f MB/s in this file",
                          sum->files + 1, sum->entries, (double)sum->nbytes / 1e6,
                          seconds > 0 ? (double)sum->nbytes / 1e6 / seconds : 0.0);
    }
}

/* Adds one file to the scan and takes its steps. Returns an exit status. */
static int scan_file(ladle_scan *scan, cli_session *session, const cli_options *file, totals *sum,
                     cli_progress *progress)
{
    int status = CLI_OK;
    int32_t count = 0;
    int32_t *columns = choose_columns(session, file, &count, &status);
    if (columns == NULL) {
        return status;
    }
    ladle_error error;
    if (ladle_scan_add(scan, session->table, columns, count, session->start, session->stop, NULL, &error) != LADLE_OK) {
        status = cli_data_error(file->file, &error);
        ++sum->failed_files;
    } else {
        status = take_steps(scan, file, sum, progress);
    }
    free(columns);
    ++sum->files;
    return status;
}

static int64_t budget_of(const cli_options *options)
{
    return options->budget == 0 ? DEFAULT_BUDGET_NBYTES : options->budget;
}

static ladle_scan *make_scan(const cli_session *session, const cli_options *options)
{
    ladle_scan_options how = {.struct_size = sizeof how,
                              .step_nbytes = options->step == 0 ? DEFAULT_STEP_NBYTES : options->step,
                              .budget_nbytes = budget_of(options),
                              .in_background = ladle_reader_threads(session->reader) > 1};
    ladle_error error;
    ladle_scan *scan = ladle_scan_create(session->reader, &how, &error);
    if (scan == NULL) {
        (void)cli_data_error(options->file, &error);
    }
    return scan;
}

static void print_totals(const cli_options *options, const totals *sum, const ladle_reader_info *codec, int32_t threads,
                         cli_output *out)
{
    int64_t budget = budget_of(options);
    int64_t bound = sum->rss_before + budget + 2 * sum->largest_nbytes + SLACK_NBYTES;
    double codec_s = (double)codec->decompress_ns * 1e-9, seconds = sum->seconds;
    if (options->json) {
        cli_json json = {.out = out};
        cli_json_open(&json, '{');
        cli_json_number(&json, "files", sum->files);
        cli_json_number(&json, "entries", sum->entries);
        cli_json_number(&json, "steps", sum->steps);
        cli_json_number(&json, "nbytes", sum->nbytes);
        cli_json_key(&json, "seconds");
        cli_json_double(&json, seconds);
        cli_json_number(&json, "threads", threads);
        cli_json_key(&json, "decompress_seconds");
        cli_json_double(&json, codec_s);
        cli_json_number(&json, "rss_before", sum->rss_before);
        cli_json_number(&json, "peak_rss", sum->peak_rss);
        cli_json_number(&json, "bound", bound);
        cli_json_number(&json, "failed_files", sum->failed_files);
        cli_json_close(&json, '}');
        cli_putc(out, '\n');
        return;
    }
    cli_printf(out, "%" PRId64 " files, %" PRId64 " entries in %" PRId64 " steps, the largest of %.1f MB\n", sum->files,
               sum->entries, sum->steps, (double)sum->largest_nbytes / 1e6);
    cli_printf(out, "%.1f MB in %.3f s: %.0f MB/s, %.0f entries/s with %" PRId32 " threads\n",
               (double)sum->nbytes / 1e6, seconds, seconds > 0 ? (double)sum->nbytes / 1e6 / seconds : 0.0,
               seconds > 0 ? (double)sum->entries / seconds : 0.0, threads);
    cli_printf(out, "decompressors: %.3f s over all threads; the scan took %.2f x that\n", codec_s,
               codec_s > 0 ? seconds / codec_s : 0.0);
    cli_printf(out, "peak RSS %.1f MB of at most %.1f MB (%.1f before, %.1f budget, 2 steps, 33.6)\n",
               (double)sum->peak_rss / 1e6, (double)bound / 1e6, (double)sum->rss_before / 1e6, (double)budget / 1e6);
}

/* The files after the first one. Their own contexts and readers are not needed. */
static int scan_next_file(ladle_scan *scan, const cli_session *first, const cli_options *options, const char *word,
                          totals *sum, cli_progress *progress)
{
    cli_options file = *options;
    cli_session session = {.context = first->context};
    ladle_error error;
    if (!cli_split_path(word, &file.file, &file.table)) {
        cli_complain(word, "out of memory");
        return CLI_DATA;
    }
    int status = CLI_OK;
    session.file = ladle_file_open(session.context, file.file, &error);
    session.table = session.file == NULL ? NULL : ladle_file_table(session.file, file.table, &error);
    if (session.table == NULL) {
        status = cli_lookup_error(file.file, &error);
        ++sum->failed_files;
    } else {
        status = cli_session_range(&session, &file);
        status = status == CLI_OK ? scan_file(scan, &session, &file, sum, progress) : status;
    }
    ladle_table_release(session.table);
    ladle_file_release(session.file);
    free(file.file);
    free(file.table);
    return status;
}

static int run(const cli_options *options, cli_output *out)
{
    cli_session session;
    cli_progress progress;
    totals sum = {0};
    ladle_process_info process = {.struct_size = sizeof process};
    ladle_error error;
    cli_options unbounded = *options; /* the budget is the scan's: of what waits, not of all */
    unbounded.budget = 0;
    (void)ladle_process_memory(&process, &error);
    sum.rss_before = process.rss;
    cli_progress_begin(&progress);
    int status = cli_session_open(&session, &unbounded, CLI_WITH_TABLE | CLI_WITH_READER);
    ladle_scan *scan = status == CLI_OK ? make_scan(&session, options) : NULL;
    if (scan != NULL) {
        struct timespec begin;
        (void)clock_gettime(CLOCK_MONOTONIC, &begin);
        status = scan_file(scan, &session, options, &sum, &progress);
        for (int i = 0; i < options->names_count && status != CLI_CALL; ++i) {
            int next = scan_next_file(scan, &session, options, options->names[i], &sum, &progress);
            status = next > status ? next : status;
        }
        sum.seconds = cli_seconds_since(&begin);
        ladle_reader_info codec = {.struct_size = sizeof codec};
        ladle_reader_describe(session.reader, &codec);
        cli_progress_clear(&progress);
        (void)ladle_process_memory(&process, &error);
        sum.peak_rss = process.peak_rss;
        if (status != CLI_CALL) {
            print_totals(options, &sum, &codec, ladle_reader_threads(session.reader), out);
        }
    } else if (status == CLI_OK) {
        status = CLI_DATA;
    }
    ladle_scan_release(scan);
    cli_session_close(&session);
    return status;
}

const cli_verb cli_verb_scan = {
    .name = "scan",
    .summary = "reads all columns step by step: speed and memory",
    .help = help,
    .option_flags = CLI_TAKES_TABLE | CLI_TAKES_SCAN | CLI_TAKES_READING | CLI_TAKES_BUDGET,
    .run = run,
};
