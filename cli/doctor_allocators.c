/* Where an allocator's library is, and whether ld.so takes it. ld.so itself is asked: LD_TRACE_LOADED_OBJECTS makes it
 * print what it would load into this program, and run nothing. */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define ANSWER_NBYTES 16384

static const struct known {
    const char *name;
    const char *libraries[4]; /* the newest first */
    const char *package;      /* Debian's */
    const char *in_bookworm;  /* the same in Debian 12 */
} known_allocators[] = {
    {"glibc", {NULL}, NULL, NULL},
    {"glibc-tuned", {NULL}, NULL, NULL},
    {"mimalloc", {"libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so", NULL}, "libmimalloc3", "libmimalloc2.0"},
    {"jemalloc", {"libjemalloc.so.2", "libjemalloc.so.1", "libjemalloc.so", NULL}, "libjemalloc2", "libjemalloc2"},
    {"tcmalloc",
     {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4", "libtcmalloc_minimal.so", NULL},
     "libtcmalloc-minimal4t64",
     "libtcmalloc-minimal4"},
};
#define N_KNOWN (sizeof known_allocators / sizeof known_allocators[0])

static const struct known *find_known(const char *name)
{
    for (size_t i = 0; i < N_KNOWN; ++i) {
        if (strcmp(known_allocators[i].name, name) == 0) {
            return &known_allocators[i];
        }
    }
    return NULL;
}

/* --- ld.so ----------------------------------------------------------------------------------- */

/* In the child. Does not return. A path is given as that of an open file, since LD_PRELOAD cannot hold every path. */
static void become_traced(const char *library, int answer)
{
    char opened[64];
    if (strchr(library, '/') != NULL) {
        snprintf(opened, sizeof opened, "/proc/self/fd/%d", open(library, O_RDONLY)); /* ld.so says why not */
        library = opened;
    }
    if (dup2(answer, STDOUT_FILENO) >= 0 && dup2(answer, STDERR_FILENO) >= 0 &&
        setenv("LD_TRACE_LOADED_OBJECTS", "1", 1) == 0 && setenv("LD_PRELOAD", library, 1) == 0) {
        char *const words[] = {(char[]){"ladle"}, NULL};
        execve("/proc/self/exe", words, environ);
    }
    _exit(127);
}

/* What ld.so says when it is to preload `library`. False: nothing. */
static bool ask_loader(const char *library, char answer[ANSWER_NBYTES])
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_traced(library, ends[1]);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t got = pid > 0 ? 1 : 0;
    while (got > 0 && used < ANSWER_NBYTES - 1) {
        got = read(ends[0], answer + used, ANSWER_NBYTES - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    answer[used] = '\0';
    close(ends[0]);
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Copies what stands between `before` and `after`. False where it is not there. */
static bool cut_out(const char *text, const char *before, char after, char *part, size_t size)
{
    const char *begin = strstr(text, before);
    const char *end = begin == NULL ? NULL : strchr(begin + strlen(before), after);
    if (end == NULL) {
        return false;
    }
    begin += strlen(before);
    size_t length = (size_t)(end - begin) < size - 1 ? (size_t)(end - begin) : size - 1;
    memcpy(part, begin, length);
    part[length] = '\0';
    return true;
}

/* The path that ld.so finds for a library. Returns owned; NULL: `why_not` tells. */
static char *resolve(const char *library, char why_not[256])
{
    char answer[ANSWER_NBYTES], path[4096], reason[160];
    snprintf(why_not, 256, "ld.so does not answer");
    if (!ask_loader(library, answer)) {
        return NULL;
    }
    if (cut_out(answer, "cannot be preloaded (", ')', reason, sizeof reason)) {
        snprintf(why_not, 256, "%.80s cannot be loaded: %.140s", library, reason);
        return NULL;
    }
    why_not[0] = '\0';
    if (strchr(library, '/') != NULL) {
        return realpath(library, NULL);
    }
    char before[160];
    snprintf(before, sizeof before, "%.120s => ", library);
    return strdup(cut_out(answer, before, ' ', path, sizeof path) ? path : library);
}

/* --- where to look --------------------------------------------------------------------------- */

/* In the active Python environment: libraries that wheels and conda bring. Returns owned; NULL: none. */
static char *find_in_environment(const char *name)
{
    static const char *const places[][2] = {
        {"CONDA_PREFIX", "lib"},
        {"VIRTUAL_ENV", "lib/python3*/site-packages/*.libs"},
        {"VIRTUAL_ENV", "lib/python3*/site-packages/cmeel.prefix/lib"},
        {"VIRTUAL_ENV", "lib/python3*/site-packages/*malloc*"},
    };
    char *found = NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && found == NULL; ++i) {
        const char *prefix = getenv(places[i][0]);
        char pattern[4096];
        glob_t matches;
        if (prefix == NULL || prefix[0] != '/') {
            continue;
        }
        snprintf(pattern, sizeof pattern, "%s/%s/lib%s*.so*", prefix, places[i][1], name);
        if (glob(pattern, 0, NULL, &matches) == 0) {
            char why_not[256];
            found = resolve(matches.gl_pathv[0], why_not);
            globfree(&matches);
        }
    }
    return found;
}

/* Debian renames packages with each major version. */
static const char *package_of(const struct known *known)
{
    FILE *release = fopen("/etc/os-release", "re");
    const char *package = known->package;
    char line[256];
    while (release != NULL && fgets(line, sizeof line, release) != NULL) {
        if (strncmp(line, "VERSION_CODENAME=bookworm", strlen("VERSION_CODENAME=bookworm")) == 0) {
            package = known->in_bookworm;
        }
    }
    if (release != NULL) {
        fclose(release);
    }
    return package;
}

static void find_library(doctor_allocator *allocator, const struct known *known)
{
    char why_not[256];
    for (size_t i = 0; known->libraries[i] != NULL && allocator->library == NULL; ++i) {
        allocator->library = resolve(known->libraries[i], why_not);
    }
    if (allocator->library == NULL) {
        allocator->library = find_in_environment(known->name);
    }
    if (allocator->library == NULL) {
        allocator->package = package_of(known);
        snprintf(allocator->why_not, sizeof allocator->why_not, "not installed: Debian's package %s has it",
                 allocator->package);
    }
}

/* One item of the list, NAME or NAME=PATH. False: no memory. */
static bool add_allocator(doctor_allocators *allocators, const char *item, size_t length)
{
    const char *equals = memchr(item, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - item) : length;
    doctor_allocator *allocator = &allocators->items[allocators->count];
    *allocator = (doctor_allocator){.name = strndup(item, name_length)};
    if (allocator->name == NULL) {
        return false;
    }
    ++allocators->count;
    allocator->is_known = find_known(allocator->name) != NULL;
    allocator->is_tuned = strcmp(allocator->name, "glibc-tuned") == 0;
    if (equals == NULL) {
        const struct known *known = find_known(allocator->name);
        if (known->libraries[0] != NULL) {
            find_library(allocator, known);
        }
        return true;
    }
    char *path = strndup(equals + 1, length - name_length - 1);
    if (path == NULL) {
        return false;
    }
    if (access(path, R_OK) != 0) {
        snprintf(allocator->why_not, sizeof allocator->why_not, "%.150s: %s", path, strerror(errno));
    } else {
        char *whole = realpath(path, NULL); /* the command may change its folder */
        allocator->library = whole == NULL ? NULL : resolve(whole, allocator->why_not);
        free(whole);
    }
    free(path);
    return true;
}

/* --- the list -------------------------------------------------------------------------------- */

static bool has(const doctor_allocators *allocators, const char *name, size_t length)
{
    for (int64_t i = 0; i < allocators->count; ++i) {
        const char *other = allocators->items[i].name;
        if (strlen(other) == length && strncmp(other, name, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether an item can be meant. The line is printed. */
static bool is_allowed(const char *item, size_t length)
{
    char name[64];
    const char *equals = memchr(item, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - item) : length;
    snprintf(name, sizeof name, "%.*s", (int)(name_length < 63 ? name_length : 63), item);
    if (name_length == 0 || name_length > 31) {
        cli_complain("doctor", "option --allocators: '%.*s' is no name of an allocator", (int)length, item);
    } else if (equals == NULL && find_known(name) == NULL) {
        cli_complain("doctor",
                     "option --allocators: unknown allocator '%s'; known are glibc, glibc-tuned, mimalloc, jemalloc, "
                     "tcmalloc; any other by its library: %s=/path/lib.so",
                     name, name);
    } else if (equals != NULL && strncmp(name, "glibc", 5) == 0) {
        cli_complain("doctor", "option --allocators: '%s' is what the system has: it takes no library", name);
    } else {
        return true;
    }
    return false;
}

int doctor_allocators_find(doctor_allocators *allocators, const char *list)
{
    static const char all[] = "glibc,glibc-tuned,mimalloc,jemalloc,tcmalloc";
    list = strcmp(list, "all") == 0 ? all : list;
    *allocators = (doctor_allocators){.items = calloc(strlen(list) + 2, sizeof *allocators->items)};
    /* What is there without further ado comes first: the others are compared with it. */
    bool fits = allocators->items != NULL && add_allocator(allocators, "glibc", strlen("glibc"));
    for (const char *item = list; fits; item += strcspn(item, ",") + 1) {
        size_t length = strcspn(item, ",");
        const char *equals = memchr(item, '=', length);
        if (!is_allowed(item, length)) {
            return CLI_CALL;
        }
        if (!has(allocators, item, equals != NULL ? (size_t)(equals - item) : length)) {
            fits = add_allocator(allocators, item, length);
        }
        if (item[length] == '\0') {
            break;
        }
    }
    if (!fits) {
        cli_complain("doctor", "out of memory");
        return CLI_DATA;
    }
    return CLI_OK;
}

void doctor_allocators_release(doctor_allocators *allocators)
{
    for (int64_t i = 0; i < allocators->count; ++i) {
        free(allocators->items[i].name);
        free(allocators->items[i].library);
    }
    free(allocators->items);
    *allocators = (doctor_allocators){0};
}
