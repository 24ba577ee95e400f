/* The compressed store beside c-blosc2 called directly: the same values, in one run.
 *
 *     blosc [--rounds N] [--json]
 *
 * In each round, for each kind and size of values and for one and two threads, in turn: c-blosc2 compresses and
 * decompresses between memory that is already there, with one context each; the store takes the values to rest, wakes
 * them and drops them. Medians, the store's speed over the direct one, and how many times smaller each is, are
 * printed. `plain` is the store without the differences that it may take of offsets. */
#include <ladle/ladle.h>

#include "median.h"
#include "store/compressed.h"

#include <blosc2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 199, KINDS = 2, SIZES = 3, THREADS = 2, MAX_NBYTES = 16 << 20 };

typedef struct figures {
    double direct_set, direct_get, set, get; /* seconds */
} figures;

typedef struct setup {
    const char *name;
    ladle_dtype dtype;
    int64_t nbytes;
    const void *data;
    int threads;
    blosc2_context *compressor, *decompressor;
    ladle_store *store;
    int64_t direct_nbytes, store_nbytes;
    figures rounds[MAX_ROUNDS + 1];
} setup;

static uint8_t *packed, *back;

static void die(const char *what, const ladle_error *error)
{
    fprintf(stderr, "blosc: %s%s%s\n", what, error != NULL ? ": " : "", error != NULL ? error->message : "");
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Falls off as jets do above a threshold, with as many bits of mantissa as NanoAOD keeps. */
static float *make_pts(void)
{
    float *values = malloc(MAX_NBYTES);
    uint64_t state = 42;
    for (int i = 0; values != NULL && i < MAX_NBYTES / 4; i++) {
        double u = (double)(next_random(&state) >> 11) * 0x1p-53;
        float pt = (float)(15.0 / (1.0 - 0.98 * u));
        uint32_t bits;
        memcpy(&bits, &pt, 4);
        bits = (bits + (1u << 12)) & ~((1u << 13) - 1);
        memcpy(&values[i], &bits, 4);
    }
    return values;
}

/* Offsets of a jagged column of 0 to 15 values each. */
static int64_t *make_offsets(void)
{
    int64_t *values = malloc(MAX_NBYTES), sum = 0;
    uint64_t state = 43;
    for (int i = 0; values != NULL && i < MAX_NBYTES / 8; i++) {
        values[i] = sum;
        uint64_t r = next_random(&state);
        sum += (int64_t)((r & 7) + (r >> 8 & 7) + (r >> 16 & 1));
    }
    return values;
}

static void begin(setup *s, ladle_context *context, ladle_delta_choice delta)
{
    blosc2_cparams c = BLOSC2_CPARAMS_DEFAULTS;
    blosc2_dparams d = BLOSC2_DPARAMS_DEFAULTS;
    c.compcode = BLOSC_ZSTD;
    c.clevel = 1;
    c.typesize = (int32_t)ladle_dtype_size(s->dtype);
    c.filters[BLOSC2_MAX_FILTERS - 1] = BLOSC_BITSHUFFLE;
    c.nthreads = d.nthreads = (int16_t)s->threads;
    s->compressor = blosc2_create_cctx(c);
    s->decompressor = blosc2_create_dctx(d);
    ladle_error error;
    ladle_compressed_options options = {.struct_size = sizeof options, .threads = s->threads};
    s->store = ladle_store_compressed_create_tuned(context, &options, delta, 0, &error);
    if (s->store == NULL)
        die("cannot make a store", &error);
    if (s->compressor == NULL || s->decompressor == NULL)
        die("cannot make a context", NULL);
}

static void end(setup *s)
{
    blosc2_free_ctx(s->compressor);
    blosc2_free_ctx(s->decompressor);
    s->store->ops->release(s->store);
}

static void run_direct(setup *s, figures *f)
{
    double t = seconds();
    int n = blosc2_compress_ctx(s->compressor, s->data, (int32_t)s->nbytes, packed, MAX_NBYTES + BLOSC2_MAX_OVERHEAD);
    f->direct_set = seconds() - t;
    t = seconds();
    int m = blosc2_decompress_ctx(s->decompressor, packed, n, back, (int32_t)s->nbytes);
    f->direct_get = seconds() - t;
    if (n <= 0 || m != s->nbytes || memcmp(back, s->data, (size_t)s->nbytes) != 0)
        die("c-blosc2 does not give the values back", NULL);
    s->direct_nbytes = n;
}

static void run_store(setup *s, figures *f)
{
    ladle_error error;
    ladle_lease *lease;
    void *form;
    int64_t count = s->nbytes / (int64_t)ladle_dtype_size(s->dtype);
    ladle_values values = {.dtype = s->dtype, .count = count, .data = s->data};
    double t = seconds();
    if (s->store->ops->rest(s->store, &values, &form, &s->store_nbytes, &error) != LADLE_OK)
        die("cannot take values to rest", &error);
    f->set = seconds() - t;
    t = seconds();
    if (s->store->ops->wake(s->store, form, s->dtype, count, &lease, &error) != LADLE_OK)
        die("cannot wake values", &error);
    f->get = seconds() - t;
    if (memcmp(ladle_lease_data(lease), s->data, (size_t)s->nbytes) != 0)
        die("the store does not give the values back", NULL);
    ladle_lease_release(lease);
    s->store->ops->drop(s->store, form);
}

static double median(const setup *s, int n, size_t field)
{
    return median_of(&s->rounds[1], n, sizeof(figures), field);
}

static void print(const setup *s, int rounds, bool json, bool first)
{
    double gb = (double)s->nbytes / 1e9;
    double direct_set = gb / median(s, rounds, offsetof(figures, direct_set));
    double direct_get = gb / median(s, rounds, offsetof(figures, direct_get));
    double set = gb / median(s, rounds, offsetof(figures, set));
    double get = gb / median(s, rounds, offsetof(figures, get));
    double direct_times = (double)s->nbytes / (double)s->direct_nbytes;
    double times = (double)s->nbytes / (double)s->store_nbytes;
    if (json)
        printf(
            "%s{\"values\": \"%s\", \"nbytes\": %lld, \"threads\": %d, \"direct_set_gb_s\": %.3f, \"set_gb_s\": %.3f, "
            "\"set_ratio\": %.3f, \"direct_get_gb_s\": %.3f, \"get_gb_s\": %.3f, \"get_ratio\": %.3f, "
            "\"direct_times_smaller\": %.3f, \"times_smaller\": %.3f}",
            first ? "[" : ",\n ", s->name, (long long)s->nbytes, s->threads, direct_set, set, set / direct_set,
            direct_get, get, get / direct_get, direct_times, times);
    else
        printf("%-14s %3lld MB  %d thread%s   set %6.2f / %6.2f GB/s = %4.2f   get %6.2f / %6.2f GB/s = %4.2f   "
               "smaller %7.3f / %7.3f times\n",
               s->name, (long long)s->nbytes >> 20, s->threads, s->threads == 1 ? " " : "s", set, direct_set,
               set / direct_set, get, direct_get, get / direct_get, times, direct_times);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        ladle_dtype dtype;
        ladle_delta_choice delta;
    } kinds[] = {{"pt", LADLE_DTYPE_F32, LADLE_DELTA_BY_MEASURE},
                 {"offsets", LADLE_DTYPE_I64, LADLE_DELTA_BY_MEASURE},
                 {"offsets plain", LADLE_DTYPE_I64, LADLE_DELTA_NEVER}};
    enum { N_KINDS = sizeof kinds / sizeof kinds[0], N = N_KINDS * SIZES * THREADS };
    static setup setups[N];
    int rounds = 31;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else
            rounds = 0;
    }
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: blosc [--rounds 1...%d] [--json]\n", MAX_ROUNDS);
        return 2;
    }
    float *pts = make_pts();
    int64_t *offsets = make_offsets();
    packed = malloc(MAX_NBYTES + BLOSC2_MAX_OVERHEAD);
    back = malloc(MAX_NBYTES);
    ladle_error error;
    ladle_context *context = ladle_context_create(NULL, &error);
    if (context == NULL || pts == NULL || offsets == NULL || packed == NULL || back == NULL)
        die("no memory", NULL);
    for (int i = 0; i < N; i++) {
        setup *s = &setups[i];
        int kind = i / (SIZES * THREADS), size = i / THREADS % SIZES;
        s->name = kinds[kind].name;
        s->dtype = kinds[kind].dtype;
        s->data = s->dtype == LADLE_DTYPE_F32 ? (const void *)pts : offsets;
        s->nbytes = INT64_C(1) << (20 + 2 * size);
        s->threads = i % THREADS + 1;
        begin(s, context, kinds[kind].delta);
    }
    for (int round = 0; round <= rounds; round++) /* the first one warms up and does not count */
        for (int i = 0; i < N; i++) {
            run_direct(&setups[i], &setups[i].rounds[round]);
            run_store(&setups[i], &setups[i].rounds[round]);
        }
    if (!json)
        printf("store / c-blosc2 called directly, medians of %d rounds\n", rounds);
    for (int i = 0; i < N; i++) {
        print(&setups[i], rounds, json, i == 0);
        end(&setups[i]);
    }
    if (json)
        printf("]\n");
    ladle_context_release(context);
    free(pts);
    free(offsets);
    free(packed);
    free(back);
    return 0;
}
