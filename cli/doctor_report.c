/* The report as text, at most 100 columns wide: the verdict first, then what it rests on. */
#include "doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WIDTH = 100,
    BAR_WIDTH = 24,
    SPARK_WIDTH = 64,
    MAX_CLASSES = 8,
    MAX_PROCESSES = 16,
    MAX_STACKS = 5,
    MAX_FRAMES = 8,
    SENTENCE_NBYTES = 2048
};

/* What the screen can show. */
typedef struct screen {
    cli_output *out;
    bool blocks, colours;
} screen;

static screen look_at_screen(cli_output *out)
{
    const char *locale = getenv("LC_ALL");
    locale = locale != NULL && locale[0] != '\0' ? locale : getenv("LC_CTYPE");
    locale = locale != NULL && locale[0] != '\0' ? locale : getenv("LANG");
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool is_utf8 = locale != NULL && (strstr(locale, "UTF-8") != NULL || strstr(locale, "utf8") != NULL ||
                                      strstr(locale, "UTF8") != NULL || strstr(locale, "utf-8") != NULL);
    return (screen){.out = out,
                    .blocks = is_utf8,
                    .colours = isatty(out->descriptor) && (no_colour == NULL || no_colour[0] == '\0') &&
                               terminal != NULL && strcmp(terminal, "dumb") != 0};
}

static void style(const screen *on, const char *code)
{
    if (on->colours) {
        cli_printf(on->out, "\033[%sm", code);
    }
}

static void heading(const screen *on, const char *text)
{
    cli_putc(on->out, '\n');
    style(on, "1");
    cli_puts(on->out, text);
    style(on, "0");
}

/* Stands for a blank between a number and its unit, where no line ends. */
#define GLUE '\x01'

static void glue_units(char *text)
{
    static const char *const units[] = {" %", " MB", " kB", " GB", " bytes", " s;", " s ", " s."};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; ++i) {
        for (char *found = strstr(text, units[i]); found != NULL; found = strstr(found + 1, units[i])) {
            *found = GLUE;
        }
    }
}

/* Words of `text`, in lines that begin with `indent` spaces. */
static void put_wrapped(const screen *on, const char *text, size_t indent)
{
    char visible[SENTENCE_NBYTES];
    cli_visible(text, visible, sizeof visible);
    size_t column = 0;
    glue_units(visible);
    for (char *word = strtok(visible, " "); word != NULL; word = strtok(NULL, " ")) {
        for (char *glue = strchr(word, GLUE); glue != NULL; glue = strchr(glue, GLUE)) {
            *glue = ' ';
        }
        size_t width = cli_text_width(word);
        if (column > 0 && column + 1 + width > WIDTH) {
            cli_putc(on->out, '\n');
            column = 0;
        }
        if (column == 0) {
            cli_printf(on->out, "%*s", (int)indent, "");
            column = indent;
        } else {
            cli_putc(on->out, ' ');
            ++column;
        }
        cli_puts(on->out, word);
        column += width;
    }
    cli_putc(on->out, '\n');
}

/* A text of at most `width` columns, cut where it is longer, padded where it is shorter. */
static void put_cut(const screen *on, const char *text, size_t width)
{
    char cut[4 * 100 + 1];
    size_t used = 0, columns = 0;
    char visible[SENTENCE_NBYTES];
    cli_visible(text, visible, sizeof visible);
    size_t total = cli_text_width(visible), keep = total > width ? width - 2 : total;
    while (columns < keep && used + 4 < sizeof cut) {
        size_t skip, length = cli_utf8_length(visible + used, strlen(visible + used), &skip);
        length = length == 0 ? skip : length;
        memcpy(cut + used, visible + used, length);
        used += length;
        ++columns;
    }
    cut[used] = '\0';
    cli_puts(on->out, cut);
    if (total > width) {
        cli_puts(on->out, "..");
        columns += 2;
    }
    cli_printf(on->out, "%*s", (int)(width > columns ? width - columns : 0), "");
}

/* The same at the end of a line: not padded. */
static void put_last(const screen *on, const char *text, size_t width)
{
    char visible[SENTENCE_NBYTES];
    cli_visible(text, visible, sizeof visible);
    size_t own = cli_text_width(visible);
    put_cut(on, text, own < width ? own : width);
}

/* "416.0", "1162", right-aligned; "-" for what is not known. */
static void put_megabytes(const screen *on, double nbytes, int width)
{
    if (nbytes < 0) {
        cli_printf(on->out, "%*s", width, "-");
    } else {
        cli_printf(on->out, "%*.*f", width, nbytes < 999.95e6 ? 1 : 0, nbytes / 1e6);
    }
}

/* --- one process ----------------------------------------------------------------------------- */

/* A bar of whole and eighth blocks, and a blank before it. */
static void put_bar(const screen *on, int64_t nbytes, int64_t whole, bool is_last)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int64_t parts = whole > 0 ? (int64_t)((double)nbytes / (double)whole * BAR_WIDTH * 8 + 0.5) : 0;
    int columns = 0;
    if (parts > 0 || !is_last) {
        cli_putc(on->out, ' ');
    }
    for (; columns < parts / 8 && columns < BAR_WIDTH; ++columns) {
        cli_puts(on->out, on->blocks ? "█" : "#");
    }
    if (on->blocks && parts % 8 != 0 && columns < BAR_WIDTH) {
        cli_puts(on->out, eighths[parts % 8]);
        ++columns;
    }
    cli_printf(on->out, "%*s", is_last ? 0 : BAR_WIDTH - columns, "");
}

static int64_t find_highest(const doctor_process *process)
{
    int64_t highest = 0;
    for (int64_t i = 0; i <= process->final_index && i < process->point_count; ++i) {
        highest = process->points[i].rss > process->points[highest].rss ? i : highest;
    }
    return highest;
}

static double seconds_of(const doctor_point *point, int64_t begin_ns)
{
    return (double)(point->time_ns - begin_ns) * 1e-9;
}

static void put_split(const screen *on, const doctor_process *process, int64_t begin_ns)
{
    const doctor_point *peak = &process->points[find_highest(process)];
    const doctor_point *final = &process->points[process->final_index];
    char line[128];
    snprintf(line, sizeof line, "%-18s%8s at its peak, %.2f s%*s%8s at the end, %.2f s\n", "Where the memory is", "MB",
             seconds_of(peak, begin_ns), 4, "", "MB", seconds_of(final, begin_ns));
    heading(on, line);
    for (int share = 0; share < LADLE_SHARE_COUNT; ++share) {
        int64_t at_peak = peak->split.nbytes[share], at_end = final->split.nbytes[share];
        if (at_peak == 0 && at_end == 0) {
            continue;
        }
        cli_printf(on->out, "  %-17s", ladle_share_name((ladle_share)share));
        put_megabytes(on, (double)at_peak, 8);
        put_bar(on, at_peak, peak->rss, false);
        cli_putc(on->out, ' ');
        put_megabytes(on, (double)at_end, 8);
        put_bar(on, at_end, peak->rss, true);
        cli_putc(on->out, '\n');
    }
    cli_printf(on->out, "  %-17s", "together (RSS)");
    put_megabytes(on, (double)peak->rss, 8);
    cli_printf(on->out, "%*s", BAR_WIDTH + 2, "");
    put_megabytes(on, (double) final->rss, 8);
    cli_putc(on->out, '\n');
}

/* The course of RSS, or of what is live, in one line: the highest of each column's time. */
static void put_course(const screen *on, const char *name, const doctor_process *process, bool of_live, int64_t whole)
{
    static const char *const levels[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char plain[] = " _.:-=+*#";
    int64_t columns[SPARK_WIDTH];
    const doctor_point *points = process->points;
    int64_t begin = points[0].time_ns, span = points[process->final_index].time_ns - begin;
    memset(columns, 0xff, sizeof columns);
    for (int64_t i = 0; i <= process->final_index; ++i) {
        const int64_t *split = points[i].split.nbytes;
        int64_t value = of_live ? split[LADLE_SHARE_LIVE] + split[LADLE_SHARE_GARBAGE] : points[i].rss;
        int64_t column = span <= 0 ? 0 : (int64_t)((double)(points[i].time_ns - begin) / (double)span * SPARK_WIDTH);
        column = column >= SPARK_WIDTH ? SPARK_WIDTH - 1 : column;
        columns[column] = value > columns[column] ? value : columns[column];
    }
    cli_printf(on->out, "  %-5s", name);
    int64_t highest = 0, last = 0;
    for (int i = 0; i < SPARK_WIDTH; ++i) {
        last = columns[i] >= 0 ? columns[i] : last;
        highest = last > highest ? last : highest;
        int level = whole > 0 ? (int)((double)last / (double)whole * 8 + 0.5) : 0;
        if (on->blocks) {
            cli_puts(on->out, levels[level > 8 ? 8 : level]);
        } else {
            cli_putc(on->out, plain[level > 8 ? 8 : level]);
        }
    }
    cli_puts(on->out, "  up to ");
    put_megabytes(on, (double)highest, 0);
    cli_puts(on->out, " MB\n");
}

/* Size classes with the most growth or the most bytes. */
static void put_classes(const screen *on, const doctor_process *process)
{
    bool shown[LADLE_SIZE_CLASSES] = {false};
    heading(on, "Size classes, of what is live at the end\n");
    cli_printf(on->out, "  %12s%12s%12s%24s\n", "up to bytes", "MB", "blocks", "MB more than half-way");
    for (int line = 0; line < MAX_CLASSES; ++line) {
        int best = -1;
        int64_t most = 0;
        for (int i = 0; i < LADLE_SIZE_CLASSES; ++i) {
            int64_t growth = process->verdict.class_growth[i];
            int64_t weight = process->class_nbytes[i] + (growth > 0 ? growth : 0);
            if (!shown[i] && weight > most) {
                most = weight;
                best = i;
            }
        }
        if (best < 0) {
            break;
        }
        shown[best] = true;
        if (best == LADLE_SIZE_CLASSES - 1) {
            cli_printf(on->out, "  %12s", "more");
        } else {
            cli_printf(on->out, "  %12" PRId64, ladle_size_class_limit(best));
        }
        cli_printf(on->out, "%12.2f%12" PRId64 "%+24.2f\n", (double)process->class_nbytes[best] / 1e6,
                   process->class_blocks[best], (double)process->verdict.class_growth[best] / 1e6);
    }
}

/* The stacks with the most live bytes, innermost frame first. */
static void put_stacks(const screen *on, const ladle_stacks *stacks)
{
    heading(on, "Where live blocks were asked for: stacks of a sample of them, scaled up\n");
    for (int64_t i = 0; i < stacks->count && i < MAX_STACKS; ++i) {
        const ladle_stack *stack = &stacks->stacks[i];
        cli_printf(on->out, "  %.2f MB in %" PRId64 " blocks, %+.2f MB since half-way\n", (double)stack->nbytes / 1e6,
                   stack->blocks, (double)stack->growth / 1e6);
        for (int64_t j = 0; j < stack->frame_count && j < MAX_FRAMES; ++j) {
            cli_puts(on->out, "      ");
            put_last(on, stack->frames[j], WIDTH - 6);
            cli_putc(on->out, '\n');
        }
    }
    if (stacks->count == 0) {
        cli_puts(on->out, "  none was seen\n");
    }
}

/* How many of the heap's resident pages are used; the map itself is for the page. */
static void put_map(const screen *on, const ladle_heap_map *map)
{
    int64_t full = 0, partly = 0, empty = 0;
    char text[256];
    for (int64_t i = 0; i < map->region_count; ++i) {
        for (const char *page = map->regions[i].pages; *page != '\0'; ++page) {
            full += *page == 'X';
            empty += *page == '0';
            partly += *page >= '1' && *page <= '9';
        }
    }
    heading(on, "Pages of the heap near its peak\n");
    snprintf(text, sizeof text,
             "%" PRId64 " pages of %" PRId64 " bytes are resident: %" PRId64 " full, %" PRId64 " partly used, %" PRId64
             " without a live byte. The map is drawn on the page (--out) and part of --json.",
             full + partly + empty, map->page_nbytes, full, partly, empty);
    put_wrapped(on, text, 2);
}

static void put_probes(const screen *on, const doctor_process *process)
{
    char text[256] = "";
    size_t used = 0;
    if (process->verdict.garbage >= 0) {
        used = (size_t)snprintf(text, sizeof text, "At the end Python's collector freed %.1f MB of garbage cycles. ",
                                (double)process->verdict.garbage / 1e6);
    }
    if (process->verdict.trimmed >= 0) {
        snprintf(text + used, sizeof text - used, "When asked at the end, %s returned %.1f MB of RSS.",
                 process->allocator, (double)process->verdict.trimmed / 1e6);
    }
    if (text[0] != '\0') {
        put_wrapped(on, text, 2);
    }
}

static void put_deciding(const screen *on, const doctor_process *process, int64_t begin_ns)
{
    if (process->point_count == 0) {
        return;
    }
    put_split(on, process, begin_ns);
    put_probes(on, process);
    int64_t whole = process->points[find_highest(process)].rss;
    char line[64];
    if (process->final_index < 4) {
        return;
    }
    snprintf(line, sizeof line, "Over %.2f s\n",
             (double)(process->points[process->final_index].time_ns - process->points[0].time_ns) * 1e-9);
    heading(on, line);
    put_course(on, "RSS", process, false, whole);
    if (process->metered) {
        put_course(on, "live", process, true, whole);
        put_classes(on, process);
    }
    if (process->stacks != NULL) {
        put_stacks(on, process->stacks);
    }
    if (process->map != NULL) {
        put_map(on, process->map);
    }
}

/* --- all processes --------------------------------------------------------------------------- */

static void put_process(const screen *on, const doctor_process *process, bool decides)
{
    char end[DOCTOR_END_NBYTES];
    doctor_process_end_text(process, end);
    bool has_points = process->point_count > 0;
    cli_printf(on->out, "%s%8d  ", decides ? "* " : "  ", (int)process->pid);
    put_cut(on, process->metered ? ladle_verdict_name(process->verdict.kind) : "not metered", 20);
    put_megabytes(on, has_points ? (double)process->verdict.peak_rss : -1, 9);
    put_megabytes(on, has_points ? (double)process->verdict.final_rss : -1, 9);
    cli_puts(on->out, "  ");
    put_cut(on, end, 18);
    cli_puts(on->out, "  ");
    const char *command = process->command != NULL ? process->command : "?";
    size_t program = strcspn(command, " "); /* without its folder */
    while (program > 0 && command[program - 1] != '/') {
        --program;
    }
    put_last(on, command + program, 28);
    cli_putc(on->out, '\n');
    if (!process->metered) {
        put_wrapped(on, process->reason, 12);
    }
}

/* The one that decides, those without a meter, then those with the highest peaks; all if they are few. */
static void put_processes(const screen *on, const doctor_run *run)
{
    if (run->count == 0 || (run->count == 1 && run->processes[0].metered)) {
        return;
    }
    char line[96];
    snprintf(line, sizeof line, "%" PRId64 " processes, or images of them\n", run->count);
    heading(on, line);
    cli_printf(on->out, "  %8s  %-20s%9s%9s  %-18s  %s\n", "pid", "verdict", "peak MB", "end MB", "end", "command");
    int64_t limit = 0; /* peak of the last that is shown */
    if (run->count > MAX_PROCESSES) {
        int64_t above = run->count;
        for (limit = 4096; above > MAX_PROCESSES && limit < INT64_MAX / 2; limit += limit / 8) {
            above = 0;
            for (int64_t i = 0; i < run->count; ++i) {
                above += run->processes[i].verdict.peak_rss >= limit;
            }
        }
    }
    int64_t left_out = 0, without_meter = 0;
    for (int64_t i = 0; i < run->count; ++i) {
        const doctor_process *process = &run->processes[i];
        bool named = !process->metered && without_meter++ < MAX_PROCESSES;
        if (i == run->decides || named || process->verdict.peak_rss >= limit) {
            put_process(on, process, i == run->decides);
        } else {
            ++left_out;
        }
    }
    if (left_out > 0) {
        cli_printf(on->out, "  and %" PRId64 " more, with less memory (--json lists them)\n", left_out);
    }
    if (run->decides >= 0) {
        bool is_own = run->processes[run->decides].pid == run->pid;
        put_wrapped(on,
                    is_own ? "* the command itself: its verdict is the one above"
                           : "* the verdict above is of this process: the command itself holds less than half of its "
                             "memory, or has no meter",
                    2);
    }
}

/* --- the trial ------------------------------------------------------------------------------- */

static void put_range(const screen *on, const doctor_range *range, double scale, int decimals)
{
    char text[48];
    decimals = range->median / scale >= 999.95 ? 0 : decimals;
    if (range->low < 0) {
        cli_printf(on->out, "%8s %-12s", "-", "");
        return;
    }
    snprintf(text, sizeof text, "%.*f..%.*f", decimals, range->low / scale, decimals, range->high / scale);
    cli_printf(on->out, "%8.*f %-12s", decimals, range->median / scale, text);
}

static void put_row(const screen *on, const doctor_row *row, bool is_best)
{
    style(on, is_best ? "1" : "0");
    cli_puts(on->out, is_best ? "* " : "  ");
    put_cut(on, row->allocator->name, 12);
    if (row->count > 0) {
        bool same = true;
        for (int64_t i = 0; i < row->count; ++i) {
            same = same && row->runs[i].same_result;
        }
        put_range(on, &row->peak_rss, 1e6, 1);
        put_range(on, &row->final_rss, 1e6, 1);
        put_megabytes(on, row->live.median, 7);
        put_megabytes(on, row->dead.median, 8);
        put_range(on, &row->seconds, 1, 2);
        cli_printf(on->out, " %s\n", same ? "same" : "differs");
    } else {
        cli_puts(on->out, row->available ? "  was not run\n" : "  cannot be tried\n");
    }
    style(on, "0");
    if (row->note[0] != '\0') {
        put_wrapped(on, row->note, 16);
    }
}

static void put_environment(const screen *on, const doctor_row *row)
{
    cli_puts(on->out, "  To have it:");
    if (row->allocator->library != NULL) {
        cli_puts(on->out, " LD_PRELOAD=");
        cli_put_text(on->out, row->allocator->library, 0);
    }
    for (const char *const *item = row->environment; item != NULL && *item != NULL; ++item) {
        cli_printf(on->out, " %s", *item);
    }
    cli_putc(on->out, '\n');
}

static void put_trial(const screen *on, const doctor_trial *trial)
{
    heading(on, "Allocators: MB and seconds, median and range of the runs\n");
    cli_printf(on->out, "  %-12s%8s %-12s%8s %-12s%7s%8s%8s %-12s %s\n", "", "peak", "", "at end", "", "live", "dead",
               "time", "", "result");
    for (int64_t i = 0; i < trial->count; ++i) {
        put_row(on, &trial->rows[i], i == trial->best);
    }
    cli_putc(on->out, '\n');
    put_wrapped(on, trial->sentence, 2);
    if (trial->best >= 0) {
        put_environment(on, &trial->rows[trial->best]);
    }
    for (int64_t i = 0; i < trial->count; ++i) {
        if (trial->rows[i].environment != NULL && i != trial->best) {
            cli_puts(on->out, "  The best of glibc's settings that were tried:");
            for (const char *const *item = trial->rows[i].environment; *item != NULL; ++item) {
                cli_printf(on->out, "%s%s", item == trial->rows[i].environment ? "\n    " : " ", *item);
            }
            cli_putc(on->out, '\n');
        }
    }
    if (trial->cost[0] != '\0') {
        put_wrapped(on, trial->cost, 2);
    }
    if (trial->caution[0] != '\0') {
        put_wrapped(on, trial->caution, 2);
    }
}

void doctor_report_text(const doctor_diagnosis *diagnosis, cli_output *out)
{
    const doctor_run *run = diagnosis->run;
    screen on = look_at_screen(out);
    const doctor_process *deciding = run->decides >= 0 ? &run->processes[run->decides] : NULL;
    cli_putc(out, '\n');
    style(&on, "1");
    cli_printf(out, "ladle doctor: %s\n", doctor_verdict_name(run));
    style(&on, "0");
    put_wrapped(&on, doctor_verdict_sentence(run), 2);
    if (deciding != NULL && deciding->verdict.cure[0] != '\0') {
        put_wrapped(&on, deciding->verdict.cure, 2);
    }
    if (deciding != NULL && !deciding->metered) {
        char text[DOCTOR_REASON_NBYTES + 64];
        snprintf(text, sizeof text, "The process is not metered: %s.", deciding->reason);
        put_wrapped(&on, text, 2);
    }
    char ended[96];
    if (run->status > 128 && run->status < 128 + 65) {
        char name[24];
        doctor_signal_name(run->status - 128, name);
        snprintf(ended, sizeof ended, "ended with status %d (as by %s)", run->status, name);
    } else {
        snprintf(ended, sizeof ended, "ended with status %d", run->status);
    }
    cli_printf(out, "  The command %s after %.2f s; peak RSS %.1f MB%s.\n", ended, doctor_run_seconds(run),
               run->peak_rss < 0 ? 0.0 : (double)run->peak_rss / 1e6, run->count > 1 ? " over all its processes" : "");
    if (deciding != NULL) {
        put_deciding(&on, deciding, run->begin_ns);
    }
    put_processes(&on, run);
    if (diagnosis->trial != NULL) {
        put_trial(&on, diagnosis->trial);
    }
}
