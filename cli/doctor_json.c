/* The report as one JSON object: docs/cli.md has its keys. */
#include "doctor.h"
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

/* Points of a process's course that are written at most, besides its peak and its end. */
#define MAX_POINTS 1000
/* Stacks of a process that are written at most: those with the most live bytes. */
#define MAX_STACKS 200

static void key_null(cli_json *json, const char *key)
{
    cli_json_key(json, key);
    cli_json_null(json);
}

/* -1 is null. */
static void key_known(cli_json *json, const char *key, int64_t value)
{
    cli_json_key(json, key);
    if (value < 0) {
        cli_json_null(json);
    } else {
        cli_json_int(json, value);
    }
}

static void key_seconds(cli_json *json, const char *key, double seconds)
{
    cli_json_key(json, key);
    cli_json_double(json, round(seconds * 1e6) / 1e6);
}

static void key_texts(cli_json *json, const char *key, char *const *texts)
{
    cli_json_key(json, key);
    cli_json_open(json, '[');
    for (; *texts != NULL; ++texts) {
        cli_json_string(json, *texts);
    }
    cli_json_close(json, ']');
}

static void put_platform(cli_json *json)
{
    struct utsname system;
    char text[3 * sizeof system.sysname + 3];
    cpu_set_t processors;
    cli_json_key(json, "platform");
    cli_json_open(json, '{');
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%s %s %s", system.sysname, system.release, system.machine);
        cli_json_text(json, "system", text);
    }
#ifdef __GLIBC__
    snprintf(text, sizeof text, "glibc %s", gnu_get_libc_version());
    cli_json_text(json, "libc", text);
#else
    key_null(json, "libc");
#endif
    bool known = sched_getaffinity(0, sizeof processors, &processors) == 0;
    cli_json_number(json, "processors", known ? CPU_COUNT(&processors) : sysconf(_SC_NPROCESSORS_ONLN));
    cli_json_number(json, "page_nbytes", sysconf(_SC_PAGESIZE));
    cli_json_number(json, "memory_nbytes", (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
    cli_json_close(json, '}');
}

/* --- a process ------------------------------------------------------------------------------- */

/* Whether the point is one of those that are written: evenly some of them, the highest, the last. */
static bool is_written(const doctor_process *process, int64_t index, int64_t highest)
{
    int64_t stride = process->final_index / MAX_POINTS + 1;
    return index % stride == 0 || index == highest || index == process->final_index;
}

static void put_split(cli_json *json, const doctor_process *process, int64_t begin_ns)
{
    int64_t highest = 0;
    for (int64_t i = 0; i <= process->final_index && i < process->point_count; ++i) {
        highest = process->points[i].rss > process->points[highest].rss ? i : highest;
    }
    cli_json_key(json, "split");
    cli_json_open(json, '{');
    for (int series = -2; series < LADLE_SHARE_COUNT; ++series) {
        cli_json_line(json);
        cli_json_key(json, series == -2 ? "time_s" : series == -1 ? "rss" : ladle_share_name((ladle_share)series));
        cli_json_open(json, '[');
        for (int64_t i = 0; i <= process->final_index && i < process->point_count; ++i) {
            const doctor_point *point = &process->points[i];
            if (!is_written(process, i, highest)) {
                continue;
            }
            if (series == -2) {
                cli_json_double(json, round((double)(point->time_ns - begin_ns) / 1e3) / 1e6);
            } else {
                cli_json_int(json, series == -1 ? point->rss : point->split.nbytes[series]);
            }
        }
        cli_json_close(json, ']');
    }
    cli_json_close(json, '}');
}

static void put_classes(cli_json *json, const doctor_process *process)
{
    cli_json_key(json, "size_classes");
    cli_json_open(json, '[');
    for (int i = 0; i < LADLE_SIZE_CLASSES; ++i) {
        int64_t growth = process->verdict.class_growth[i];
        if (process->class_blocks[i] == 0 && process->class_nbytes[i] == 0 && growth == 0) {
            continue;
        }
        cli_json_open(json, '{');
        cli_json_number(json, "limit", ladle_size_class_limit(i));
        cli_json_number(json, "nbytes", process->class_nbytes[i]);
        cli_json_number(json, "blocks", process->class_blocks[i]);
        cli_json_number(json, "growth", growth);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

static void put_stacks(cli_json *json, const ladle_stacks *stacks)
{
    if (stacks == NULL) {
        key_null(json, "stacks");
        return;
    }
    cli_json_key(json, "stacks");
    cli_json_open(json, '[');
    for (int64_t i = 0; i < stacks->count && i < MAX_STACKS; ++i) {
        const ladle_stack *stack = &stacks->stacks[i];
        cli_json_line(json);
        cli_json_open(json, '{');
        cli_json_number(json, "nbytes", stack->nbytes);
        cli_json_number(json, "blocks", stack->blocks);
        cli_json_number(json, "growth", stack->growth);
        cli_json_key(json, "frames");
        cli_json_open(json, '[');
        for (int64_t j = 0; j < stack->frame_count; ++j) {
            cli_json_string(json, stack->frames[j]);
        }
        cli_json_close(json, ']');
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

static void put_map(cli_json *json, const doctor_process *process, int64_t begin_ns)
{
    const ladle_heap_map *map = process->map;
    char start[24];
    if (map == NULL) {
        key_null(json, "map");
        return;
    }
    cli_json_key(json, "map");
    cli_json_open(json, '{');
    key_seconds(json, "time_s", (double)(process->start_ns + map->time_ns - begin_ns) * 1e-9);
    cli_json_number(json, "page_nbytes", map->page_nbytes);
    cli_json_key(json, "regions");
    cli_json_open(json, '[');
    for (int64_t i = 0; i < map->region_count; ++i) {
        const ladle_heap_region *region = &map->regions[i];
        snprintf(start, sizeof start, "0x%" PRIx64, region->start);
        cli_json_line(json);
        cli_json_open(json, '{');
        cli_json_text(json, "start", start);
        cli_json_number(json, "nbytes", region->nbytes);
        cli_json_text(json, "kind", ladle_region_kind_name(region->kind));
        cli_json_text(json, "pages", region->pages);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
    cli_json_close(json, '}');
}

static void put_process(cli_json *json, const doctor_process *process, int64_t begin_ns)
{
    char end[DOCTOR_END_NBYTES];
    const ladle_verdict *verdict = &process->verdict;
    bool has_points = process->point_count > 0;
    doctor_process_end_text(process, end);
    cli_json_open(json, '{');
    cli_json_number(json, "pid", process->pid);
    cli_json_number(json, "parent", process->parent);
    cli_json_text(json, "command", process->command != NULL ? process->command : "");
    cli_json_key(json, "allocator");
    if (process->metered) {
        cli_json_string(json, process->allocator);
    } else {
        cli_json_null(json);
    }
    cli_json_key(json, "metered");
    cli_json_bool(json, process->metered);
    cli_json_key(json, "why_not");
    if (process->metered) {
        cli_json_null(json);
    } else {
        cli_json_string(json, process->reason);
    }
    cli_json_text(json, "verdict", ladle_verdict_name(verdict->kind));
    cli_json_text(json, "sentence", verdict->sentence);
    cli_json_text(json, "cure", verdict->cure);
    key_seconds(json, "start_s", (double)(process->start_ns - begin_ns) * 1e-9);
    cli_json_text(json, "end", end);
    key_known(json, "peak_rss", has_points ? verdict->peak_rss : -1);
    key_known(json, "final_rss", has_points ? verdict->final_rss : -1);
    key_known(json, "peak_live", process->peak_live);
    key_known(json, "final_live", process->final_live);
    key_known(json, "garbage", verdict->garbage);
    key_known(json, "trimmed", verdict->trimmed);
    cli_json_key(json, "leak_rate");
    cli_json_double(json, verdict->leak_rate);
    put_split(json, process, begin_ns);
    put_classes(json, process);
    put_stacks(json, process->stacks);
    put_map(json, process, begin_ns);
    cli_json_close(json, '}');
}

/* --- the trial ------------------------------------------------------------------------------- */

/* What to set to have the row's allocator. */
static void put_environment(cli_json *json, const doctor_row *row)
{
    cli_json_key(json, "environment");
    cli_json_open(json, '{');
    if (row != NULL && row->allocator->library != NULL) {
        cli_json_text(json, "LD_PRELOAD", row->allocator->library);
    }
    for (const char *const *item = row != NULL ? row->environment : NULL; item != NULL && *item != NULL; ++item) {
        char name[64];
        size_t length = strcspn(*item, "=");
        snprintf(name, sizeof name, "%.*s", (int)length, *item);
        cli_json_text(json, name, *item + length + 1);
    }
    cli_json_close(json, '}');
}

static void put_measured(cli_json *json, const doctor_measured *run)
{
    cli_json_open(json, '{');
    cli_json_number(json, "status", run->status);
    cli_json_key(json, "same_result");
    cli_json_bool(json, run->same_result);
    key_seconds(json, "seconds", run->seconds);
    key_known(json, "peak_rss", (int64_t)run->peak_rss);
    key_known(json, "final_rss", (int64_t)run->final_rss);
    key_known(json, "live", (int64_t)run->live);
    key_known(json, "dead", (int64_t)run->dead);
    cli_json_close(json, '}');
}

/* Lowest, median, highest; null where it is not known. */
static void put_range(cli_json *json, const char *key, const doctor_row *row, const doctor_range *range, bool is_bytes)
{
    const double values[] = {range->low, range->median, range->high};
    if (row->count == 0 || range->low < 0) {
        key_null(json, key);
        return;
    }
    cli_json_key(json, key);
    cli_json_open(json, '[');
    for (int i = 0; i < 3; ++i) {
        if (is_bytes) {
            cli_json_int(json, (int64_t)values[i]);
        } else {
            cli_json_double(json, round(values[i] * 1e6) / 1e6);
        }
    }
    cli_json_close(json, ']');
}

static void put_row(cli_json *json, const doctor_row *row)
{
    cli_json_open(json, '{');
    cli_json_text(json, "allocator", row->allocator->name);
    cli_json_key(json, "available");
    cli_json_bool(json, row->available);
    cli_json_key(json, "in_force");
    cli_json_bool(json, row->available && row->in_force && row->count > 0);
    if (row->allocator->package != NULL) {
        cli_json_text(json, "package", row->allocator->package);
    } else {
        key_null(json, "package");
    }
    if (row->note[0] != '\0') {
        cli_json_text(json, "why_not", row->note);
    } else {
        key_null(json, "why_not");
    }
    put_environment(json, row);
    cli_json_key(json, "runs");
    cli_json_open(json, '[');
    for (int64_t i = 0; i < row->count; ++i) {
        put_measured(json, &row->runs[i]);
    }
    cli_json_close(json, ']');
    put_range(json, "seconds", row, &row->seconds, false);
    put_range(json, "peak_rss", row, &row->peak_rss, true);
    put_range(json, "final_rss", row, &row->final_rss, true);
    put_range(json, "live", row, &row->live, true);
    put_range(json, "dead", row, &row->dead, true);
    cli_json_close(json, '}');
}

static void put_trial(cli_json *json, const doctor_trial *trial)
{
    cli_json_key(json, "trial");
    cli_json_open(json, '[');
    for (int64_t i = 0; trial != NULL && i < trial->count; ++i) {
        cli_json_line(json);
        put_row(json, &trial->rows[i]);
    }
    cli_json_close(json, ']');
    cli_json_line(json);
    cli_json_key(json, "plain");
    if (trial != NULL && trial->has_plain) {
        put_measured(json, &trial->plain);
    } else {
        cli_json_null(json);
    }
    cli_json_key(json, "advice");
    if (trial == NULL) {
        cli_json_null(json);
        return;
    }
    const doctor_row *best = trial->best >= 0 ? &trial->rows[trial->best] : NULL;
    cli_json_open(json, '{');
    if (best != NULL) {
        cli_json_text(json, "allocator", best->allocator->name);
    } else {
        key_null(json, "allocator");
    }
    cli_json_text(json, "sentence", trial->sentence);
    put_environment(json, best);
    cli_json_text(json, "cost", trial->cost);
    cli_json_text(json, "caution", trial->caution);
    cli_json_close(json, '}');
}

void doctor_report_json(const doctor_diagnosis *diagnosis, cli_output *out)
{
    const doctor_run *run = diagnosis->run;
    cli_json json = {.out = out};
    cli_json_open(&json, '{');
    cli_json_text(&json, "verdict", doctor_verdict_name(run));
    cli_json_text(&json, "sentence", doctor_verdict_sentence(run));
    cli_json_text(&json, "cure", run->decides >= 0 ? run->processes[run->decides].verdict.cure : "");
    cli_json_number(&json, "status", run->status);
    key_texts(&json, "command", diagnosis->command);
    key_seconds(&json, "seconds", doctor_run_seconds(run));
    key_known(&json, "peak_rss", run->peak_rss);
    key_known(&json, "final_rss", run->final_rss);
    put_platform(&json);
    key_known(&json, "decides", run->decides);
    cli_json_line(&json);
    cli_json_key(&json, "processes");
    cli_json_open(&json, '[');
    for (int64_t i = 0; i < run->count; ++i) {
        cli_json_line(&json);
        put_process(&json, &run->processes[i], run->begin_ns);
    }
    cli_json_close(&json, ']');
    cli_json_line(&json);
    put_trial(&json, diagnosis->trial);
    cli_json_close(&json, '}');
    cli_putc(out, '\n');
}
