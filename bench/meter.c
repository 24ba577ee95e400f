/* What the meter costs: processor nanoseconds of a malloc and its free, by size and pattern, without it and with it
 * preloaded.
 *
 *     build/bench/meter [--rounds N] [--behind LIBRARY] [--json]
 *
 * The program runs itself, plain and metered in turns; a figure is the median over rounds. --behind preloads an
 * allocator in both. `pair` frees each block at once; `batch` allocates 1000 of them and frees them in another order.
 */
#include "median.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATTERNS = 2, BATCH = 1000, MAX_ROUNDS = 99 };

static const size_t sizes[] = {16, 64, 256, 1000, 4096, 20000, 100000, 1000000};
enum { SIZES = sizeof sizes / sizeof sizes[0], FIGURES = SIZES * PATTERNS };
static const char *const patterns[PATTERNS] = {"pair", "batch"};

typedef struct round_figures {
    double plain[FIGURES], metered[FIGURES];
} round_figures;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The blocks escape, so that the compiler leaves the calls where they are. */
static void *volatile escaped;

static double time_pairs(size_t nbytes, int count)
{
    double begin = seconds();
    for (int i = 0; i < count; i++) {
        void *block = malloc(nbytes);
        escaped = block;
        free(block);
    }
    return (seconds() - begin) / count * 1e9;
}

static double time_batches(size_t nbytes, int count)
{
    static void *blocks[BATCH];
    double begin = seconds();
    for (int i = 0; i < count / BATCH; i++) {
        for (int k = 0; k < BATCH; k++)
            blocks[k] = malloc(nbytes);
        for (int k = 0; k < BATCH; k++)
            free(blocks[k * 7 % BATCH]); /* 7 and 1000 have no common factor */
    }
    return (seconds() - begin) / count * 1e9;
}

static int be_measured(void)
{
    double figures[FIGURES];
    for (int s = 0; s < SIZES; s++) {
        int count = sizes[s] > 10000 ? 50 * BATCH : 500 * BATCH;
        (void)time_pairs(sizes[s], count / 10);
        figures[s * PATTERNS] = time_pairs(sizes[s], count);
        (void)time_batches(sizes[s], BATCH);
        figures[s * PATTERNS + 1] = time_batches(sizes[s], count);
    }
    return fwrite(figures, sizeof figures, 1, stdout) == 1 ? 0 : 1;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void run(const char *self, const char *preload, const char *folder, double *figures)
{
    int ends[2];
    if (pipe(ends) != 0)
        die("pipe");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        if (*preload != '\0')
            setenv("LD_PRELOAD", preload, 1);
        setenv("LADLE_METER", folder, 1);
        dup2(ends[1], STDOUT_FILENO);
        execl(self, self, "--measured", (char *)NULL);
        die(self);
    }
    close(ends[1]);
    size_t got = 0;
    ssize_t n;
    while ((n = read(ends[0], (char *)figures + got, FIGURES * sizeof *figures - got)) > 0)
        got += (size_t)n;
    close(ends[0]);
    int status;
    if (waitpid(child, &status, 0) != child || status != 0 || got != FIGURES * sizeof *figures) {
        fprintf(stderr, "meter: the measured program failed\n");
        exit(1);
    }
}

static void report(const round_figures *all, int rounds, int json)
{
    printf(json ? "[" : "%-6s %8s %9s %9s %9s\n", "", "bytes", "plain ns", "meter ns", "cost ns");
    for (int i = 0; i < FIGURES; i++) {
        size_t at = (size_t)i * sizeof(double);
        double plain = median_of(all, rounds, sizeof *all, offsetof(round_figures, plain) + at);
        double metered = median_of(all, rounds, sizeof *all, offsetof(round_figures, metered) + at);
        if (json)
            printf("%s{\"pattern\": \"%s\", \"nbytes\": %zu, \"plain_ns\": %.2f, \"metered_ns\": %.2f}",
                   i == 0 ? "" : ", ", patterns[i % PATTERNS], sizes[i / PATTERNS], plain, metered);
        else
            printf("%-6s %8zu %9.1f %9.1f %9.1f\n", patterns[i % PATTERNS], sizes[i / PATTERNS], plain, metered,
                   metered - plain);
    }
    if (json)
        printf("]\n");
}

int main(int argc, char **argv)
{
    static round_figures all[MAX_ROUNDS];
    int rounds = 9, json = 0;
    const char *behind = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--measured") == 0)
            return be_measured();
        if (strcmp(argv[i], "--json") == 0) {
            json = 1;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--behind") == 0 && i + 1 < argc) {
            behind = argv[++i];
        } else {
            fprintf(stderr, "usage: meter [--rounds N] [--behind LIBRARY] [--json]\n");
            return 2;
        }
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    char self[PATH_MAX], preload[2 * PATH_MAX], folder[] = "/tmp/ladle-bench-meter-XXXXXX";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || mkdtemp(folder) == NULL)
        die("meter");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    (void)snprintf(preload, sizeof preload, "%.*s/../lib/ladle/libladle_meter.so%s%s", (int)(slash - self), self,
                   *behind == '\0' ? "" : ":", behind);
    for (int r = 0; r < rounds; r++) {
        run(self, behind, folder, all[r].plain);
        run(self, preload, folder, all[r].metered);
    }
    report(all, rounds, json);
    char command[sizeof folder + 16];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? 0 : 1;
}
