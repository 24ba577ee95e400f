/* Processes below this one, as /proc tells of them. */
#include "doctor.h"

#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_NBYTES 96

/* Reads at most `size` - 1 bytes of /proc/PID/NAME, and terminates them. Returns how many; -1 with errno. */
static ssize_t read_proc(pid_t pid, const char *name, char *data, size_t size)
{
    char path[PATH_NBYTES];
    snprintf(path, sizeof path, "/proc/%d/%.64s", (int)pid, name);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return -1;
    }
    size_t used = 0;
    ssize_t got = 1;
    while (used < size - 1 && got > 0) {
        got = read(descriptor, data + used, size - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    int failure = errno;
    close(descriptor);
    data[used] = '\0';
    errno = failure;
    return got < 0 ? -1 : (ssize_t)used;
}

/* The number behind "\nNAME:"; -1 where there is none. */
static int64_t number_of(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found == NULL ? -1 : (int64_t)strtoll(found + strlen(name), NULL, 10);
}

static int64_t kilobytes_of(const char *text, const char *name)
{
    int64_t number = number_of(text, name);
    return number < 0 ? -1 : number * 1024;
}

bool doctor_tree_status(pid_t pid, doctor_status *status)
{
    char text[4096];
    if (read_proc(pid, "status", text, sizeof text) <= 0) {
        return false;
    }
    const char *state = strstr(text, "\nState:");
    if (state != NULL) {
        state += strlen("\nState:");
        state += strspn(state, " \t");
    }
    *status = (doctor_status){
        .pid = pid,
        .parent = (pid_t)number_of(text, "\nPPid:"),
        .is_zombie = state != NULL && (*state == 'Z' || *state == 'X'),
        .rss = kilobytes_of(text, "\nVmRSS:"),
        .anonymous = kilobytes_of(text, "\nRssAnon:"),
        .file = kilobytes_of(text, "\nRssFile:"),
        .shared = kilobytes_of(text, "\nRssShmem:"),
        .peak_rss = kilobytes_of(text, "\nVmHWM:"),
        .threads = number_of(text, "\nThreads:"),
    };
    return true;
}

static bool tree_add(doctor_tree *tree, pid_t pid)
{
    doctor_status *grown = cli_grown(tree->items, tree->count, &tree->capacity, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    tree->items = grown;
    if (doctor_tree_status(pid, &tree->items[tree->count])) {
        ++tree->count;
    }
    return true;
}

/* Adds the children of a process: each of its threads has its own. False: no memory. `*known` is whether the kernel
 * tells (CONFIG_PROC_CHILDREN). */
static bool add_children(doctor_tree *tree, pid_t pid, bool *known)
{
    char path[PATH_NBYTES];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    bool fits = true;
    if (tasks == NULL) {
        return true;
    }
    for (struct dirent *task = readdir(tasks); task != NULL && fits; task = readdir(tasks)) {
        char text[65536], name[PATH_NBYTES];
        if (!isdigit((unsigned char)task->d_name[0])) {
            continue;
        }
        snprintf(name, sizeof name, "task/%.20s/children", task->d_name);
        if (read_proc(pid, name, text, sizeof text) < 0) {
            *known = *known && pid != getpid();
            continue;
        }
        char *next = text;
        for (;;) {
            char *end;
            long child = strtol(next, &end, 10);
            if (end == next || !fits) {
                break;
            }
            fits = tree_add(tree, (pid_t)child);
            next = end;
        }
    }
    closedir(tasks);
    return fits;
}

/* Where the kernel does not list children: all processes, of which those stay that have one of ours above them. */
static bool list_by_parents(doctor_tree *tree)
{
    DIR *processes = opendir("/proc");
    bool fits = processes != NULL;
    tree->count = 0;
    for (struct dirent *entry = fits ? readdir(processes) : NULL; entry != NULL && fits; entry = readdir(processes)) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            fits = tree_add(tree, (pid_t)strtol(entry->d_name, NULL, 10));
        }
    }
    if (processes != NULL) {
        closedir(processes);
    }
    int64_t kept = 0;
    pid_t self = getpid();
    for (bool found = true; found;) { /* in each round, those whose parent was kept before */
        found = false;
        for (int64_t i = kept; i < tree->count; ++i) {
            bool below = tree->items[i].parent == self;
            for (int64_t j = 0; j < kept && !below; ++j) {
                below = tree->items[i].parent == tree->items[j].pid;
            }
            if (below) {
                doctor_status swapped = tree->items[kept];
                tree->items[kept++] = tree->items[i];
                tree->items[i] = swapped;
                found = true;
            }
        }
    }
    tree->count = kept;
    return fits;
}

bool doctor_tree_list(doctor_tree *tree)
{
    bool known = true;
    tree->count = 0;
    bool fits = add_children(tree, getpid(), &known);
    if (!known) {
        return list_by_parents(tree);
    }
    for (int64_t i = 0; i < tree->count && fits; ++i) {
        if (!tree->items[i].is_zombie) {
            fits = add_children(tree, tree->items[i].pid, &known);
        }
    }
    return fits;
}

void doctor_tree_release(doctor_tree *tree)
{
    free(tree->items);
    *tree = (doctor_tree){0};
}

char *doctor_tree_command(pid_t pid)
{
    char text[1024];
    ssize_t nbytes = read_proc(pid, "cmdline", text, sizeof text);
    if (nbytes <= 0) {
        return NULL;
    }
    for (ssize_t i = 0; i + 1 < nbytes; ++i) {
        if (text[i] == '\0') {
            text[i] = ' ';
        }
    }
    return strdup(text);
}

/* --- why a process is not metered ------------------------------------------------------------- */

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OWN_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define OWN_MACHINE EM_PPC64
#elif defined(__s390x__)
#define OWN_MACHINE EM_S390
#elif defined(__i386__)
#define OWN_MACHINE EM_386
#elif defined(__arm__)
#define OWN_MACHINE EM_ARM
#else
#define OWN_MACHINE EM_NONE
#endif

/* What ld.so needs of a program, from the first 4 KiB of its file: program headers follow the ELF header in all that a
 * linker makes. */
static const char *reason_of_file(const unsigned char *data, size_t nbytes, char loader[64])
{
    Elf64_Ehdr header;
    loader[0] = '\0';
    if (nbytes < sizeof header || memcmp(data, ELFMAG, SELFMAG) != 0) {
        return NULL;
    }
    memcpy(&header, data, sizeof header);
    unsigned char own_class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    bool other_machine = OWN_MACHINE != EM_NONE && header.e_machine != OWN_MACHINE;
    if (data[EI_CLASS] != own_class || other_machine) {
        return "it is a program of another architecture: the meter cannot be loaded into it";
    }
    if (own_class != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
        return NULL;
    }
    bool whole = true;
    for (uint16_t i = 0; i < header.e_phnum; ++i) {
        uint64_t offset = header.e_phoff + (uint64_t)i * sizeof(Elf64_Phdr);
        Elf64_Phdr part;
        if (offset > nbytes || nbytes - offset < sizeof part) {
            whole = false;
            break;
        }
        memcpy(&part, data + offset, sizeof part);
        if (part.p_type == PT_INTERP) {
            if (part.p_offset < nbytes) {
                size_t room = nbytes - part.p_offset < 63 ? nbytes - part.p_offset : 63;
                memcpy(loader, data + part.p_offset, room);
                loader[room] = '\0';
            }
            return NULL;
        }
    }
    return whole ? "it is a static binary: it brings its own malloc, and no library can be loaded into it" : NULL;
}

/* Whether the environment that the process was started with has "NAME=", and the value holds `part`. */
static bool environment_has(const char *data, size_t nbytes, const char *name, const char *part)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < nbytes; i += strlen(data + i) + 1) {
        if (strncmp(data + i, name, length) == 0 && data[i + length] == '=') {
            return part == NULL || strstr(data + i + length, part) != NULL;
        }
    }
    return false;
}

static void explain(char reason[DOCTOR_REASON_NBYTES], const char *text)
{
    snprintf(reason, DOCTOR_REASON_NBYTES, "%s", text);
}

void doctor_tree_reason(pid_t pid, const char *meter, char reason[DOCTOR_REASON_NBYTES])
{
    static char environment[1 << 18];
    char path[PATH_NBYTES], file[4096], loader[64] = "";
    struct stat status;
    reason[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    if (stat(path, &status) != 0) {
        if (errno == EACCES || errno == EPERM) {
            explain(reason, "it runs with other rights than ladle: set-uid programs ignore LD_PRELOAD");
        }
        return;
    }
    if ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid()) {
        explain(reason, "it is a set-uid program: these ignore LD_PRELOAD");
        return;
    }
    ssize_t nbytes = read_proc(pid, "exe", file, sizeof file);
    const char *found = nbytes > 0 ? reason_of_file((const unsigned char *)file, (size_t)nbytes, loader) : NULL;
    if (found != NULL) {
        explain(reason, found);
        return;
    }
    nbytes = read_proc(pid, "environ", environment, sizeof environment);
    if (nbytes < 0 || nbytes == (ssize_t)sizeof environment - 1) { /* cut: nothing can be told */
        return;
    }
    if (!environment_has(environment, (size_t)nbytes, "LADLE_METER", NULL)) {
        explain(reason, "its environment was cleared: LADLE_METER is not in it");
    } else if (!environment_has(environment, (size_t)nbytes, "LD_PRELOAD", meter)) {
        explain(reason, "its environment was changed: LD_PRELOAD does not name the meter");
    } else if (loader[0] != '\0' && strstr(loader, "musl") != NULL) {
        snprintf(reason, DOCTOR_REASON_NBYTES, "it is loaded by %s, the meter is made for glibc", loader);
    }
}
