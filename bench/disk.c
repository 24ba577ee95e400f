/* The HDF5 store beside plain pwrite and pread of the same bytes, in one file each: put and get by size and threads.
 *
 *     build/bench/disk [--dir DIR] [--rounds N] [--json]
 *
 * The floor writes to places that were written before and reads into memory that was touched before, as the store does
 * after its first round. Each figure is the median over rounds, in which floor and store take turns; nothing waits for
 * the device. */
#include <ladle/ladle.h>

#include "median.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 31, MAX_THREADS = 2, ROUND_NBYTES = 128 << 20, MAX_BUFFERS = 4096 };

typedef struct figures {
    double put, get, floor_put, floor_get;
} figures;

typedef struct job {
    pthread_t thread;
    ladle_store *store;
    int fd;
    int64_t begin; /* of this thread's part of the floor's file */
    int64_t nbytes;
    int count;
    uint8_t *data, *out;
    void **forms;
    double seconds;
} job;

static void die(const char *what, const ladle_error *error)
{
    fprintf(stderr, "disk: %s%s%s\n", what, error == NULL ? "" : ": ", error == NULL ? "" : error->message);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *put(void *user)
{
    job *j = user;
    ladle_error error;
    ladle_values values = {.dtype = LADLE_DTYPE_U8, .count = j->nbytes, .data = j->data};
    double begin = seconds();
    for (int i = 0; i < j->count; i++) {
        int64_t nbytes;
        if (j->store->ops->rest(j->store, &values, &j->forms[i], &nbytes, &error) != LADLE_OK)
            die("put", &error);
    }
    j->seconds = seconds() - begin;
    return NULL;
}

static void *get(void *user)
{
    job *j = user;
    ladle_error error;
    double begin = seconds();
    for (int i = 0; i < j->count; i++) {
        ladle_lease *lease;
        if (j->store->ops->wake(j->store, j->forms[i], LADLE_DTYPE_U8, j->nbytes, &lease, &error) != LADLE_OK)
            die("get", &error);
        ladle_lease_release(lease);
    }
    j->seconds = seconds() - begin;
    return NULL;
}

static void *floor_put(void *user)
{
    job *j = user;
    double begin = seconds();
    for (int i = 0; i < j->count; i++)
        if (pwrite(j->fd, j->data, (size_t)j->nbytes, j->begin + i * j->nbytes) != j->nbytes)
            die("pwrite", NULL);
    j->seconds = seconds() - begin;
    return NULL;
}

static void *floor_get(void *user)
{
    job *j = user;
    double begin = seconds();
    for (int i = 0; i < j->count; i++)
        if (pread(j->fd, j->out, (size_t)j->nbytes, j->begin + i * j->nbytes) != j->nbytes)
            die("pread", NULL);
    j->seconds = seconds() - begin;
    return NULL;
}

/* The slowest thread counts. */
static double run(job *jobs, int threads, void *(*work)(void *))
{
    double worst = 0;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) != 0)
            die("no thread", NULL);
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(jobs[i].thread, NULL);
        worst = jobs[i].seconds > worst ? jobs[i].seconds : worst;
    }
    return worst;
}

static void drop_all(job *jobs, int threads)
{
    for (int i = 0; i < threads; i++)
        for (int k = 0; k < jobs[i].count; k++)
            jobs[i].store->ops->drop(jobs[i].store, jobs[i].forms[k]);
}

static double median(const figures *all, int n, size_t field)
{
    return median_of(all, n, sizeof *all, field);
}

static void measure(job *jobs, int threads, int64_t nbytes, int rounds, bool named, bool json, bool *first)
{
    static figures all[MAX_ROUNDS + 1];
    int count = (int)(ROUND_NBYTES / nbytes / threads);
    count = count > MAX_BUFFERS ? MAX_BUFFERS : count;
    for (int i = 0; i < threads; i++) {
        jobs[i].nbytes = nbytes;
        jobs[i].count = count;
        jobs[i].begin = i * (int64_t)ROUND_NBYTES;
    }
    for (int round = 0; round <= rounds; round++) { /* the first is not counted */
        all[round].floor_put = run(jobs, threads, floor_put);
        all[round].put = run(jobs, threads, put);
        all[round].floor_get = run(jobs, threads, floor_get);
        all[round].get = run(jobs, threads, get);
        drop_all(jobs, threads);
    }
    double total = (double)nbytes * count * threads;
    double put_s = median(all + 1, rounds, offsetof(figures, put));
    double get_s = median(all + 1, rounds, offsetof(figures, get));
    double floor_put_s = median(all + 1, rounds, offsetof(figures, floor_put));
    double floor_get_s = median(all + 1, rounds, offsetof(figures, floor_get));
    if (json)
        printf("%s{\"file\": \"%s\", \"nbytes\": %lld, \"threads\": %d, \"put_gb_s\": %.3f, \"pwrite_gb_s\": %.3f, "
               "\"put_ratio\": %.3f, \"get_gb_s\": %.3f, \"pread_gb_s\": %.3f, \"get_ratio\": %.3f}",
               *first ? "[" : ",\n ", named ? "named" : "scratch", (long long)nbytes, threads, total / put_s / 1e9,
               total / floor_put_s / 1e9, floor_put_s / put_s, total / get_s / 1e9, total / floor_get_s / 1e9,
               floor_get_s / get_s);
    else
        printf("%-8s %9lld  %d   %6.2f %6.2f  %4.0f %%   %6.2f %6.2f  %4.0f %%\n", named ? "named" : "scratch",
               (long long)nbytes, threads, total / put_s / 1e9, total / floor_put_s / 1e9, 100 * floor_put_s / put_s,
               total / get_s / 1e9, total / floor_get_s / 1e9, 100 * floor_get_s / get_s);
    *first = false;
}

static void measure_file(ladle_context *context, const char *dir, bool named, int rounds, bool json, bool *first)
{
    static const int64_t sizes[] = {4 << 10, 64 << 10, 1 << 20, 8 << 20, 64 << 20};
    char path[4096];
    snprintf(path, sizeof path, "%s/ladle-bench-%ld.h5", dir, (long)getpid());
    ladle_error error;
    ladle_hdf5_options options = {
        .struct_size = sizeof options, .path = named ? path : NULL, .dir = named ? NULL : dir};
    job jobs[MAX_THREADS] = {0};
    ladle_store *store = ladle_store_hdf5_create(context, &options, &error);
    if (store == NULL)
        die("cannot begin", &error);
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        die("cannot open a file", NULL);
    for (int i = 0; i < MAX_THREADS; i++) {
        jobs[i].store = store;
        jobs[i].fd = fd;
        jobs[i].data = malloc(64 << 20);
        jobs[i].out = malloc(64 << 20);
        jobs[i].forms = calloc(MAX_BUFFERS, sizeof(void *));
        if (jobs[i].data == NULL || jobs[i].out == NULL || jobs[i].forms == NULL)
            die("no memory", NULL);
        memset(jobs[i].data, 0x5A + i, 64 << 20);
        memset(jobs[i].out, 0, 64 << 20);
    }
    for (int threads = 1; threads <= MAX_THREADS; threads++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            measure(jobs, threads, sizes[i], rounds, named, json, first);
    for (int i = 0; i < MAX_THREADS; i++) {
        free(jobs[i].data);
        free(jobs[i].out);
        free(jobs[i].forms);
    }
    close(fd);
    ladle_store_release(store);
    if (named)
        unlink(path);
}

int main(int argc, char **argv)
{
    const char *dir = "/tmp";
    int rounds = 7;
    bool json = false, first = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
            dir = argv[++i];
        else
            rounds = 0;
    }
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: disk [--dir DIR] [--rounds 1...%d] [--json]\n", MAX_ROUNDS);
        return 2;
    }
    ladle_error error;
    ladle_context *context = ladle_context_create(NULL, &error);
    if (context == NULL)
        die("cannot begin", &error);
    ladle_context_set_pool(context, 256 << 20);
    if (!json)
        printf("GB/s, medians of %d rounds in %s\n"
               "file        bytes  threads  put pwrite          get  pread\n",
               rounds, dir);
    measure_file(context, dir, false, rounds, json, &first);
    measure_file(context, dir, true, rounds, json, &first);
    if (json)
        printf("]\n");
    ladle_context_release(context);
    return 0;
}
