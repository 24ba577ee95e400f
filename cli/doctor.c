/* ladle doctor: is it a leak, or is it fragmentation? Runs a command under the meter, says where its memory is, and
 * tries allocators. */
#include "doctor.h"
#include "doctor_page.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_REPEAT = 3, DEFAULT_INTERVAL_MS = 50 };

static const char help[] =
    "Usage: ladle doctor [OPTION...] [--] COMMAND...\n\n"
    "Runs the command and tells why its memory grows: leak, fragmentation, retention, garbage cycles,\n"
    "levels off (warm-up or a cache), file pages, no growth, or not enough evidence; where the\n"
    "memory is, process by process; and with --allocators, which allocator serves it best here.\n"
    "The report goes to standard error. With --json: one object on standard output, the command's own\n"
    "standard output goes to standard error. Interrupt it to have the report of what was seen.\n\n"
    "  --allocators LIST  also run the command under each: of glibc, glibc-tuned, mimalloc, jemalloc,\n"
    "                  tcmalloc, NAME=/path/lib.so; 'all' for the first five. These runs get standard\n"
    "                  input only if it is a file, and show no output; what they print is compared\n"
    "  --repeat N      runs of each allocator (default: 3)\n"
    "  --out PATH      also write the report as an HTML page\n"
    "  --map           keep the live blocks, and draw the heap at its peak\n"
    "  --stacks        sample the call stacks of what stays allocated\n"
    "  --no-probe      no garbage collection and no trim at the end of the program\n"
    "  --interval MS   milliseconds between samples (default: 50)\n";

static const char status_help[] =
    "\nExit status: the command's own, 128 + N where signal N killed it; 127 there is no such command,\n"
    "126 it cannot be run; 2 the call is at fault; 1 the report could not be made or written.\n";

/* --- the meter ------------------------------------------------------------------------------- */

/* The path of the library that is preloaded: LADLE_METER_LIBRARY, else beside this program. Returns owned; NULL with
 * the line printed. */
static char *find_meter(void)
{
    static const char *const places[] = {"../lib/ladle", "../lib64/ladle", "../lib/*-linux-gnu/ladle"};
    const char *given = getenv("LADLE_METER_LIBRARY");
    char own[4096], pattern[4200];
    if (given != NULL && given[0] != '\0') {
        char *path = realpath(given, NULL);
        if (path == NULL) {
            cli_complain(given, "the meter (LADLE_METER_LIBRARY) cannot be found: %s", strerror(errno));
        }
        return path;
    }
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(own, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; ++i) {
        glob_t matches;
        snprintf(pattern, sizeof pattern, "%s/%s/libladle_meter.so", own, places[i]);
        if (glob(pattern, 0, NULL, &matches) == 0) {
            char *path = realpath(matches.gl_pathv[0], NULL);
            globfree(&matches);
            if (path != NULL) {
                return path;
            }
        }
    }
    cli_complain("doctor",
                 "the meter, libladle_meter.so, is not in %s/../lib/ladle: install it there, or name it by "
                 "LADLE_METER_LIBRARY",
                 own);
    return NULL;
}

/* --- what is changed in this process, and put back ------------------------------------------- */

/* From here on SIGINT and its like are waited for, and orphans of the command become our children, so that their ends
 * are seen. */
static bool signals_begin(doctor_signals *signals)
{
    sigset_t waited;
    *signals = (doctor_signals){.descriptor = -1};
    sigemptyset(&waited);
    const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
        sigaddset(&waited, numbers[i]);
    }
    sigaction(SIGPIPE, NULL, &signals->pipe_before);
    signals->pipe_before.sa_handler = SIG_DFL; /* main ignores it: the command shall not */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (sigprocmask(SIG_BLOCK, &waited, &signals->before) != 0) {
        return false;
    }
    signals->descriptor = signalfd(-1, &waited, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals->descriptor >= 0;
}

static void signals_end(doctor_signals *signals)
{
    if (signals->descriptor >= 0) {
        close(signals->descriptor);
    }
    sigprocmask(SIG_SETMASK, &signals->before, NULL);
}

/* Pipes must not take the numbers of streams that the caller closed. Writing to one that is closed stays an error. */
static bool open_missing_streams(void)
{
    for (int descriptor = 0; descriptor <= 2; ++descriptor) {
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) {
            return false;
        }
    }
    return true;
}

/* --- the page -------------------------------------------------------------------------------- */

typedef struct report_page {
    const char *path; /* NULL: none */
    int descriptor;
    bool is_new; /* and goes again when nothing was written */
} report_page;

/* Before anything runs: a path that cannot be written is told at once. An existing page stays until there is another.
 */
static bool page_begin(report_page *page, const char *path)
{
    *page = (report_page){.path = path, .descriptor = -1};
    if (path == NULL) {
        return true;
    }
    page->descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    page->is_new = page->descriptor >= 0;
    if (page->descriptor < 0 && errno == EEXIST) {
        page->descriptor = open(path, O_WRONLY | O_CLOEXEC);
    }
    if (page->descriptor < 0) {
        cli_complain(path, "the report cannot be written here: %s", strerror(errno));
    }
    return page->descriptor >= 0;
}

static int page_end(report_page *page, const cli_output *json)
{
    static cli_output out;
    int status = CLI_OK;
    if (page->descriptor < 0) {
        return status;
    }
    if (json != NULL) {
        struct stat kind;
        bool is_file = fstat(page->descriptor, &kind) == 0 && S_ISREG(kind.st_mode);
        cli_output_init(&out, page->descriptor);
        if (is_file && ftruncate(page->descriptor, 0) != 0) {
            out.os_errno = errno;
        }
        cli_doctor_page(&out, json->kept, json->kept_nbytes);
        cli_flush(&out);
        if (close(page->descriptor) != 0 && out.os_errno == 0) {
            out.os_errno = errno;
        }
        if (out.os_errno != 0) {
            cli_complain(page->path, "the report could not be written: %s", strerror(out.os_errno));
            status = CLI_DATA;
        }
    } else {
        close(page->descriptor);
        if (page->is_new) {
            unlink(page->path);
        }
    }
    page->descriptor = -1;
    return status;
}

/* --- the verb -------------------------------------------------------------------------------- */

/* Text to standard error, or JSON to `out`; and the page. */
static int report(const doctor_diagnosis *diagnosis, const cli_options *options, report_page *page, cli_output *out)
{
    static cli_output text, json;
    int status = CLI_OK;
    if (!options->json) {
        cli_output_init(&text, STDERR_FILENO);
        doctor_report_text(diagnosis, &text);
        cli_flush(&text);
        status = text.os_errno != 0 && text.os_errno != EPIPE ? CLI_DATA : status;
    }
    if (options->json || page->path != NULL) {
        cli_output_init_memory(&json);
        doctor_report_json(diagnosis, &json);
        cli_flush(&json);
        if (json.os_errno != 0) {
            cli_complain("doctor", "the report could not be made: %s", strerror(json.os_errno));
            status = CLI_DATA;
        } else {
            if (options->json) {
                cli_write(out, json.kept, json.kept_nbytes);
            }
            status = page_end(page, &json) == CLI_OK ? status : CLI_DATA;
        }
        cli_output_release(&json);
    }
    return status;
}

/* Where standard input is, if it is a file that each run can read from there. */
static off_t find_input(void)
{
    struct stat kind;
    if (fstat(STDIN_FILENO, &kind) != 0 || !S_ISREG(kind.st_mode)) {
        return -1;
    }
    return lseek(STDIN_FILENO, 0, SEEK_CUR);
}

static int diagnose(const doctor_call *call, const doctor_allocators *allocators, const cli_options *options,
                    report_page *page, cli_output *out)
{
    doctor_run run;
    doctor_trial trial = {.best = -1};
    int status = doctor_run_command(call, &run);
    if (status == CLI_OK) {
        int trial_status = CLI_OK;
        bool has_trial = options->allocators != NULL && !call->signals->told_to_stop;
        if (has_trial) {
            int32_t repeat = options->repeat > 0 ? options->repeat : DEFAULT_REPEAT;
            doctor_call quiet = *call;
            cli_progress progress;
            cli_progress_begin(&progress);
            progress.wanted = isatty(STDERR_FILENO); /* nothing else is written meanwhile */
            quiet.progress = &progress;
            trial_status = doctor_trial_make(&trial, allocators, &quiet, repeat);
        }
        doctor_diagnosis diagnosis = {.command = call->command, .run = &run, .trial = has_trial ? &trial : NULL};
        status = report(&diagnosis, options, page, out);
        status = status == CLI_OK ? trial_status : status;
        status = run.status != 0 ? run.status : status;
    }
    doctor_trial_release(&trial);
    doctor_run_release(&run);
    return status;
}

static int run_with_folder(const cli_options *options, const doctor_allocators *allocators, const char *meter,
                           report_page *page, cli_output *out)
{
    doctor_signals signals;
    char *folder = doctor_folder_make();
    int status = CLI_DATA;
    if (folder == NULL) {
        return status;
    }
    char **words = calloc((size_t)options->names_count + 1, sizeof *words);
    bool fits = words != NULL;
    for (int i = 0; i < options->names_count && fits; ++i) {
        words[i] = strdup(options->names[i]);
        fits = words[i] != NULL;
    }
    if (!fits) {
        cli_complain("doctor", "out of memory");
    } else if (!signals_begin(&signals)) {
        cli_complain("doctor", "signals cannot be waited for: %s", strerror(errno));
    } else {
        doctor_call call = {
            .command = words,
            .meter = meter,
            .folder = folder,
            .interval_ms = options->interval_ms > 0 ? options->interval_ms : DEFAULT_INTERVAL_MS,
            .probe = !options->no_probe,
            .map = options->map,
            .stacks = options->stacks,
            .streams = options->json ? DOCTOR_PASS_TO_STDERR : DOCTOR_PASS,
            .input_offset = find_input(),
            .signals = &signals,
            .label = "doctor",
        };
        status = diagnose(&call, allocators, options, page, out);
        signals_end(&signals);
    }
    for (int i = 0; i < options->names_count && words != NULL; ++i) {
        free(words[i]);
    }
    free(words);
    doctor_folder_remove(folder);
    return status;
}

static int run(const cli_options *options, cli_output *out)
{
    doctor_allocators allocators = {0};
    report_page page;
    signal(SIGCHLD, SIG_DFL); /* where it is ignored, nothing tells how a child ended */
    if (!open_missing_streams()) {
        cli_complain("doctor", "standard streams are closed, and cannot be opened: %s", strerror(errno));
        return CLI_DATA;
    }
    if (!page_begin(&page, options->report)) {
        return CLI_DATA;
    }
    char *meter = find_meter();
    int status = meter == NULL ? CLI_DATA : CLI_OK;
    if (status == CLI_OK && options->allocators != NULL) {
        status = doctor_allocators_find(&allocators, options->allocators);
    }
    if (status == CLI_OK) {
        status = run_with_folder(options, &allocators, meter, &page, out);
    }
    (void)page_end(&page, NULL);
    doctor_allocators_release(&allocators);
    free(meter);
    return status;
}

const cli_verb cli_verb_doctor = {
    .name = "doctor",
    .summary = "is it a leak, or is it fragmentation? of any command",
    .help = help,
    .status_help = status_help,
    .option_flags = CLI_TAKES_COMMAND,
    .run = run,
};
