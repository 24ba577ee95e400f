/* Starts the command: environment, streams, and what is said when it cannot be started. */
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* A text of parts with nothing between them. Returns owned; NULL: no memory. */
static char *join(const char *const *parts, size_t count)
{
    size_t length = 1;
    for (size_t i = 0; i < count; ++i) {
        length += strlen(parts[i]);
    }
    char *text = malloc(length);
    char *end = text;
    for (size_t i = 0; i < count && text != NULL; ++i) {
        size_t part = strlen(parts[i]);
        memcpy(end, parts[i], part);
        end += part;
    }
    if (text != NULL) {
        *end = '\0';
    }
    return text;
}

/* --- the folder ------------------------------------------------------------------------------ */

/* LADLE_METER and LD_PRELOAD cannot hold every path. */
static bool is_plain(const char *path)
{
    return strpbrk(path, " \t\n:,;") == NULL;
}

char *doctor_folder_make(void)
{
    const char *base = getenv("TMPDIR");
    if (base == NULL || base[0] != '/' || !is_plain(base)) {
        base = "/tmp";
    }
    char *folder = join((const char *[]){base, "/ladle-doctor-XXXXXX"}, 2);
    if (folder == NULL) {
        cli_complain("doctor", "out of memory");
    } else if (mkdtemp(folder) == NULL) {
        cli_complain(base, "no folder for recordings can be made here (TMPDIR): %s", strerror(errno));
        free(folder);
        folder = NULL;
    }
    return folder;
}

static void empty_folder(const char *folder)
{
    DIR *entries = opendir(folder);
    for (struct dirent *entry = entries != NULL ? readdir(entries) : NULL; entry != NULL; entry = readdir(entries)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(dirfd(entries), entry->d_name, 0);
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
}

void doctor_folder_remove(char *folder)
{
    /* A process that the command left behind may begin a recording meanwhile. */
    for (int tries = 0; folder != NULL && tries < 20; ++tries) {
        empty_folder(folder);
        if (rmdir(folder) == 0 || errno != ENOTEMPTY) {
            break;
        }
    }
    free(folder);
}

char *doctor_preload_path(const char *path, const char *folder, const char *name)
{
    if (is_plain(path)) {
        return strdup(path);
    }
    char *plain = join((const char *[]){folder, "/", name, ".so"}, 4);
    char *whole = realpath(path, NULL);
    if (plain != NULL && (whole == NULL || (symlink(whole, plain) != 0 && errno != EEXIST))) {
        free(plain);
        plain = strdup(path); /* ld.so will complain, and that is noticed */
    }
    free(whole);
    return plain;
}

/* --- the environment ------------------------------------------------------------------------- */

typedef struct environment {
    char **items; /* owned array; the first `own` texts are owned too */
    size_t own, count;
} environment;

static void environment_release(environment *made)
{
    for (size_t i = 0; i < made->own; ++i) {
        free(made->items[i]);
    }
    free(made->items);
}

/* Takes `text`, "NAME=VALUE". */
static bool environment_add(environment *made, char *text)
{
    if (text != NULL) {
        made->items[made->count++] = text;
        made->own = made->count;
    }
    return text != NULL;
}

static bool is_set(const environment *made, const char *text)
{
    size_t length = strcspn(text, "=");
    for (size_t i = 0; i < made->own; ++i) {
        if (strncmp(made->items[i], text, length) == 0 && made->items[i][length] == '=') {
            return true;
        }
    }
    return false;
}

/* LD_PRELOAD: the meter, then the allocator that it forwards to, then what the user has there. */
static char *preload_text(const doctor_call *call)
{
    const char *own = getenv("LD_PRELOAD");
    const char *parts[8];
    size_t count = 0;
    char *meter = call->meter == NULL ? NULL : doctor_preload_path(call->meter, call->folder, "meter");
    char *allocator = call->allocator == NULL ? NULL : doctor_preload_path(call->allocator, call->folder, "allocator");
    parts[count++] = "LD_PRELOAD=";
    const char *libraries[] = {meter, allocator, own};
    for (size_t i = 0; i < 3; ++i) {
        if (libraries[i] != NULL && libraries[i][0] != '\0') {
            parts[count] = count == 1 ? "" : ":";
            parts[count + 1] = libraries[i];
            count += 2;
        }
    }
    char *text = join(parts, count);
    free(meter);
    free(allocator);
    return text;
}

static char *meter_text(const doctor_call *call)
{
    char numbers[96];
    snprintf(numbers, sizeof numbers, ",interval=%d,probe=%d,trim=%d%s%s", (int)call->interval_ms, call->probe,
             call->probe, call->map ? ",map" : "", call->stacks ? ",stacks" : "");
    return join((const char *[]){"LADLE_METER=", call->folder, numbers}, 3);
}

static bool environment_make(environment *made, const doctor_call *call)
{
    size_t size = 4;
    for (char **item = environ; *item != NULL; ++item) {
        ++size;
    }
    for (const char *const *item = call->environment; item != NULL && *item != NULL; ++item) {
        ++size;
    }
    *made = (environment){.items = malloc(size * sizeof *made->items)};
    bool fits = made->items != NULL;
    if (call->meter != NULL) {
        fits = fits && environment_add(made, meter_text(call));
    }
    if (call->meter != NULL || call->allocator != NULL) {
        fits = fits && environment_add(made, preload_text(call));
    }
    for (const char *const *item = call->environment; fits && item != NULL && *item != NULL; ++item) {
        fits = environment_add(made, strdup(*item));
    }
    for (char **item = environ; fits && *item != NULL; ++item) {
        if (!is_set(made, *item)) {
            made->items[made->count++] = *item;
        }
    }
    if (fits) {
        made->items[made->count] = NULL;
    }
    return fits;
}

/* --- the process ----------------------------------------------------------------------------- */

/* Ends of pipes; -1 where there is none. */
typedef struct pipes {
    int failure[2], output[2], errors[2];
    int input;
} pipes;

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; ++i) {
        if (pair[i] >= 0) {
            close(pair[i]);
            pair[i] = -1;
        }
    }
}

/* Standard input of a run that is compared: the file from where it began, or nothing. */
static int open_input(const doctor_call *call)
{
    if (call->input_offset < 0) {
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    int descriptor = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC); /* a place of its own in the file */
    if (descriptor >= 0 && lseek(descriptor, call->input_offset, SEEK_SET) < 0) {
        close(descriptor);
        descriptor = -1;
    }
    return descriptor >= 0 ? descriptor : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool pipes_open(pipes *made, const doctor_call *call)
{
    *made = (pipes){.failure = {-1, -1}, .output = {-1, -1}, .errors = {-1, -1}, .input = -1};
    bool fine = pipe2(made->failure, O_CLOEXEC) == 0;
    if (call->streams == DOCTOR_COMPARE) {
        fine = fine && pipe2(made->output, O_CLOEXEC) == 0 && pipe2(made->errors, O_CLOEXEC) == 0;
        made->input = open_input(call);
        fine = fine && made->input >= 0;
    }
    return fine;
}

static void pipes_close(pipes *made)
{
    close_pair(made->failure);
    close_pair(made->output);
    close_pair(made->errors);
    if (made->input >= 0) {
        close(made->input);
    }
}

/* In the child. Does not return. */
static void become(const doctor_call *call, const environment *made, const pipes *ends)
{
    bool fine = true;
    sigaction(SIGPIPE, &call->signals->pipe_before, NULL);
    sigprocmask(SIG_SETMASK, &call->signals->before, NULL);
    if (call->streams == DOCTOR_COMPARE) {
        fine = dup2(ends->input, STDIN_FILENO) >= 0 && dup2(ends->output[1], STDOUT_FILENO) >= 0 &&
               dup2(ends->errors[1], STDERR_FILENO) >= 0;
    } else if (call->streams == DOCTOR_PASS_TO_STDERR) {
        fine = dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
    }
    if (fine) {
        environ = made->items;
        execvp(call->command[0], call->command);
    }
    int failure = errno;
    ssize_t written = write(ends->failure[1], &failure, sizeof failure);
    _exit(written == (ssize_t)sizeof failure ? 127 : 126);
}

/* As shells tell it. */
static int cannot_start(const char *name, int failure)
{
    if (failure != ENOENT) {
        cli_complain(name, "cannot be run: %s", strerror(failure));
        return 126;
    }
    if (strchr(name, '/') == NULL) {
        cli_complain(name, "no such command: it is in no folder of PATH");
    } else if (access(name, F_OK) == 0) {
        cli_complain(name, "cannot be run: the interpreter or loader that it names does not exist");
    } else {
        cli_complain(name, "no such command");
    }
    return 127;
}

static void stream_begin(doctor_stream *stream, int *descriptor)
{
    stream->descriptor = *descriptor;
    *descriptor = -1;
    if (stream->descriptor >= 0) {
        (void)fcntl(stream->descriptor, F_SETFL, O_NONBLOCK);
    }
}

int doctor_spawn(const doctor_call *call, doctor_run *run)
{
    pipes ends;
    environment made;
    if (!environment_make(&made, call)) {
        environment_release(&made);
        cli_complain("doctor", "out of memory");
        return CLI_DATA;
    }
    pid_t pid = -1;
    run->begin_ns = doctor_now_ns();
    if (pipes_open(&ends, call)) {
        pid = fork();
        if (pid == 0) {
            become(call, &made, &ends);
        }
    }
    environment_release(&made);
    if (pid < 0) {
        cli_complain(call->command[0], "no process can be made for it: %s", strerror(errno));
        pipes_close(&ends);
        return CLI_DATA;
    }
    close(ends.failure[1]);
    ends.failure[1] = -1;
    int failure = 0;
    ssize_t got;
    do {
        got = read(ends.failure[0], &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    int status = CLI_OK;
    run->pid = pid;
    if (got == (ssize_t)sizeof failure) { /* else it was closed by exec */
        status = cannot_start(call->command[0], failure);
    } else {
        stream_begin(&run->output, &ends.output[0]);
        stream_begin(&run->errors, &ends.errors[0]);
    }
    pipes_close(&ends);
    return status;
}
