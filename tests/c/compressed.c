/* The compressed store beyond what every store promises: all dtypes, patterns and sizes around the borders of blocks
 * and chunks, the choice of differences, its memory, damage, and several threads. */
#include "store/compressed.h"
#include "memory/fault.h"
#include "memory/heap.h"
#include "memory/lease.h"
#include "store/delta.h"
#include "support/check.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum pattern { ZEROS, CONSTANT, RANDOM, RISING, SAWTOOTH, FLOATS, STEPS_OF_ONE, N_PATTERNS } pattern;

/* Writes the integer as a value of `size` bytes, cut. */
static void set(uint8_t *data, size_t size, int64_t i, uint64_t value)
{
    memcpy(data + (size_t)i * size, &value, size);
}

static void fill(uint8_t *data, size_t size, int64_t count, pattern p)
{
    uint64_t seed = 7, sum = 1000;
    if (p == RANDOM)
        random_fill(&seed, data, size * (size_t)count);
    for (int64_t i = 0; i < count && p != RANDOM; i++) {
        float f = (float)(random_u64(&seed) >> 44) * 0.125F + 20.0F;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        sum += random_u64(&seed) % 9;
        uint64_t value = p == CONSTANT       ? UINT64_C(0x0102030405060708)
                         : p == RISING       ? sum
                         : p == SAWTOOTH     ? (uint64_t)(i % 1000)
                         : p == FLOATS       ? bits
                         : p == STEPS_OF_ONE ? (uint64_t)i
                                             : 0;
        set(data, size, i, value);
    }
}

static ladle_store *make(ladle_context *context, ladle_compressed_options options, ladle_delta_choice delta,
                         int32_t chunk_nbytes)
{
    ladle_error error = blank_error();
    options.struct_size = sizeof options;
    ladle_store *store = ladle_store_compressed_create_tuned(context, &options, delta, chunk_nbytes, &error);
    assert_some(store, error);
    return store;
}

static int64_t rest(ladle_store *store, ladle_dtype dtype, int64_t count, const void *data, void **form)
{
    ladle_error error = blank_error();
    ladle_values values = {.dtype = dtype, .count = count, .data = data};
    int64_t nbytes;
    assert_ok(store->ops->rest(store, &values, form, &nbytes, &error), error);
    return nbytes;
}

static void assert_wakes(ladle_store *store, void *form, ladle_dtype dtype, int64_t count, const void *data)
{
    ladle_error error = blank_error();
    ladle_lease *lease;
    assert_ok(store->ops->wake(store, form, dtype, count, &lease, &error), error);
    assert_int_equal(ladle_lease_dtype(lease), dtype);
    assert_int_equal(ladle_lease_count(lease), count);
    if (count > 0)
        assert_memory_equal(ladle_lease_data(lease), data, (size_t)ladle_lease_nbytes(lease));
    ladle_lease_release(lease);
}

/* Bytes at rest; the values come back. */
static int64_t round_trip(ladle_store *store, ladle_dtype dtype, int64_t count, const void *data)
{
    void *form;
    int64_t nbytes = rest(store, dtype, count, data, &form);
    assert_wakes(store, form, dtype, count, data);
    store->ops->drop(store, form);
    return nbytes;
}

/* --- round trips ----------------------------------------------------------------------------- */

enum { LARGEST = 9 * 32768 + 8 };

static void round_trips(ladle_context *context, ladle_compressed_options options, ladle_delta_choice delta,
                        int32_t chunk_nbytes)
{
    static const int64_t sizes[] = {0,     8,     504,       512,       520,   1016,  1024,  4096,   16384,
                                    32704, 32768, 32768 + 8, 65536 - 8, 65536, 65544, 98304, LARGEST};
    ladle_store *store = make(context, options, delta, chunk_nbytes);
    uint8_t *memory = malloc(LARGEST + 16);
    assert_non_null(memory);
    for (int dtype = LADLE_DTYPE_BOOL; dtype <= LADLE_DTYPE_F64; dtype++) {
        size_t size = ladle_dtype_size((ladle_dtype)dtype);
        for (int p = 0; p < N_PATTERNS; p++) {
            uint8_t *data = memory + p % 4; /* not aligned, mostly */
            fill(data, size, LARGEST / (int64_t)size, (pattern)p);
            for (size_t i = 0; i < N_OF(sizes); i++) {
                int64_t nbytes = round_trip(store, (ladle_dtype)dtype, sizes[i] / (int64_t)size, data);
                assert_true(nbytes <= (int64_t)ladle_heap_capacity((size_t)sizes[i] + 256 + (size_t)sizes[i] / 16));
                if (p == ZEROS && sizes[i] > 4096 && chunk_nbytes == 0)
                    assert_true(nbytes <= 128);
            }
        }
    }
    free(memory);
    store->ops->release(store);
}

static void everything_comes_back(void **state)
{
    (void)state;
    static const char *const codecs[] = {"zstd", "lz4", "lz4hc", "zlib", "blosclz"};
    static const char *const shuffles[] = {"bit", "byte", "none"};
    ladle_context *context = begin_context();
    for (size_t i = 0; i < N_OF(codecs); i++)
        for (size_t j = 0; j < N_OF(shuffles); j++) {
            ladle_compressed_options options = {.codec = codecs[i], .shuffle = shuffles[j], .threads = 1};
            round_trips(context, options, LADLE_DELTA_BY_MEASURE, 0);
            options.threads = 2;
            round_trips(context, options, LADLE_DELTA_ALWAYS, 0);
        }
    end_context(context);
}

/* Differences of what they are not meant for, in chunks that are stored as they are, all equal, or tiny. */
static void chunks_come_back(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    for (int delta = LADLE_DELTA_NEVER; delta <= LADLE_DELTA_ALWAYS; delta++)
        for (int32_t chunk_nbytes = 4096; chunk_nbytes <= 4096 * 16; chunk_nbytes *= 2)
            round_trips(context, (ladle_compressed_options){.threads = 2}, (ladle_delta_choice)delta, chunk_nbytes);
    end_context(context);
}

static void levels_come_back(void **state)
{
    (void)state;
    enum { COUNT = 70000 };
    ladle_context *context = begin_context();
    uint8_t *data = malloc(COUNT * 4);
    assert_non_null(data);
    fill(data, 4, COUNT, FLOATS);
    int64_t last = COUNT * 4;
    for (int level = 1; level <= 9; level++) {
        ladle_store *store = make(context, (ladle_compressed_options){.level = level}, LADLE_DELTA_BY_MEASURE, 0);
        int64_t nbytes = round_trip(store, LADLE_DTYPE_F32, COUNT, data);
        assert_true(nbytes <= last + last / 50); /* a level more is not worse, but for noise */
        last = nbytes;
        store->ops->release(store);
    }
    free(data);
    end_context(context);
}

/* Buffers of all sizes in turn, as a cache gets them: what one leaves in a context must not show in the next. A small
 * one must not make the blocks of the next large one small. */
static void sizes_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { COUNT = 1 << 18 };
    ladle_context *context = begin_context();
    ladle_store *store = make(context, (ladle_compressed_options){0}, LADLE_DELTA_BY_MEASURE, 0);
    uint8_t *data = malloc(COUNT * 8);
    assert_non_null(data);
    fill(data, 8, COUNT, FLOATS);
    int64_t alone = round_trip(store, LADLE_DTYPE_F64, COUNT, data);
    uint64_t seed = 11;
    for (int i = 0; i < 300; i++) {
        int64_t count = random_below(&seed, (int64_t)1 << (1 + random_below(&seed, 18)));
        int64_t first = random_below(&seed, COUNT - count + 1);
        ladle_dtype dtype = random_below(&seed, 2) ? LADLE_DTYPE_F64 : LADLE_DTYPE_F32;
        (void)round_trip(store, dtype, count, data + first * 4);
    }
    assert_int_equal(round_trip(store, LADLE_DTYPE_F64, COUNT, data), alone);
    free(data);
    store->ops->release(store);
    end_context(context);
}

/* --- differences ----------------------------------------------------------------------------- */

static void differences_and_sums_undo_each_other(void **state)
{
    (void)state;
    uint8_t from[1100], between[1100], to[1100];
    uint64_t seed = 3;
    for (size_t size = 4; size <= 8; size += 4)
        for (size_t nbytes = 0; nbytes < 200; nbytes++)
            for (size_t shift = 0; shift < 9; shift += 3) {
                random_fill(&seed, from, sizeof from);
                memset(between, 1, sizeof between);
                memset(to, 2, sizeof to);
                ladle_delta_differences(between + 1, from + shift, nbytes, size);
                ladle_delta_sums(to + shift, between + 1, nbytes, size);
                assert_memory_equal(to + shift, from + shift, nbytes);
                assert_int_equal(between[1 + nbytes], 1);
                assert_int_equal(to[shift + nbytes], 2);
            }
    static const uint32_t values[] = {5, 5, 7, 6, UINT32_MAX};
    uint32_t differences[5];
    ladle_delta_differences(differences, values, sizeof values, 4);
    static const uint32_t expected[] = {5, 0, 2, UINT32_MAX, UINT32_MAX - 6};
    assert_memory_equal(differences, expected, sizeof expected);
}

static void only_what_rises_is_tried(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static const ladle_dtype whole[] = {LADLE_DTYPE_I32, LADLE_DTYPE_U32, LADLE_DTYPE_I64, LADLE_DTYPE_U64};
    uint8_t data[COUNT * 8];
    for (size_t d = 0; d < N_OF(whole); d++) {
        size_t size = ladle_dtype_size(whole[d]);
        fill(data, size, COUNT, RISING);
        assert_true(ladle_delta_rises(whole[d], data, COUNT));
        assert_true(ladle_delta_rises(whole[d], data, 64));
        assert_false(ladle_delta_rises(whole[d], data, 63)); /* too few to tell */
        set(data, size, 0, 5000000);
        assert_false(ladle_delta_rises(whole[d], data, COUNT));
        fill(data, size, COUNT, RISING);
        set(data, size, COUNT - 1, 0);
        assert_false(ladle_delta_rises(whole[d], data, COUNT));
        /* From below 0 to above it rises as a signed number, and falls as one without sign. */
        for (int64_t i = 0; i < COUNT; i++)
            set(data, size, i, (uint64_t)(i - COUNT + 30));
        assert_int_equal(ladle_delta_rises(whole[d], data, COUNT),
                         whole[d] == LADLE_DTYPE_I32 || whole[d] == LADLE_DTYPE_I64);
        fill(data, size, COUNT, CONSTANT);
        assert_false(ladle_delta_rises(whole[d], data, COUNT));
        fill(data, size, COUNT, RANDOM);
        assert_false(ladle_delta_rises(whole[d], data, COUNT));
    }
    fill(data, 8, COUNT, RISING);
    assert_false(ladle_delta_rises(LADLE_DTYPE_F64, data, COUNT));
    assert_false(ladle_delta_rises(LADLE_DTYPE_F32, data, COUNT));
    assert_false(ladle_delta_rises(LADLE_DTYPE_I16, data, COUNT));
}

/* Offsets get at least 1.5 times smaller by it, and nothing ever gets more than a twentieth larger. */
static void differences_are_taken_where_they_pay(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    ladle_context *context = begin_context();
    ladle_store *chosen = make(context, (ladle_compressed_options){0}, LADLE_DELTA_BY_MEASURE, 0);
    ladle_store *plain = make(context, (ladle_compressed_options){0}, LADLE_DELTA_NEVER, 0);
    uint8_t *data = malloc(COUNT * 8);
    assert_non_null(data);
    for (int dtype = LADLE_DTYPE_I32; dtype <= LADLE_DTYPE_F64; dtype++)
        for (int p = 0; p < N_PATTERNS; p++)
            for (int64_t count = 1000; count <= COUNT; count *= 14) {
                fill(data, ladle_dtype_size((ladle_dtype)dtype), count, (pattern)p);
                int64_t with = round_trip(chosen, (ladle_dtype)dtype, count, data);
                int64_t without = round_trip(plain, (ladle_dtype)dtype, count, data);
                if (p == RISING && dtype <= LADLE_DTYPE_U64)
                    assert_true(with * 3 <= without * 2);
                if (with * 20 > without * 21)
                    fail_msg("pattern %d of %lld %s: %lld bytes, %lld without differences", p, (long long)count,
                             ladle_dtype_name((ladle_dtype)dtype), (long long)with, (long long)without);
                if (p != RISING && p != STEPS_OF_ONE && p != SAWTOOTH)
                    assert_int_equal(with, without);
            }
    free(data);
    chosen->ops->release(chosen);
    plain->ops->release(plain);
    end_context(context);
}

/* --- options and figures --------------------------------------------------------------------- */

static void unknown_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        ladle_compressed_options options;
        const char *text;
    } cases[] = {
        {{.codec = "snappy"}, "zstd, lz4, lz4hc, zlib, blosclz"},
        {{.codec = ""}, "zstd, lz4, lz4hc, zlib, blosclz"},
        {{.shuffle = "bitshuffle"}, "bit, byte, none"},
        {{.level = 10}, "1 (fast) to 9 (small)"},
        {{.level = -1}, "1 (fast) to 9 (small)"},
        {{.threads = -1}, "1 to 128"},
        {{.threads = 129}, "1 to 128"},
    };
    ladle_context *context = begin_context();
    for (size_t i = 0; i < N_OF(cases); i++) {
        ladle_error error = blank_error();
        ladle_compressed_options options = cases[i].options;
        options.struct_size = sizeof options;
        assert_null(ladle_store_compressed_create(context, &options, &error));
        assert_error(error, LADLE_INVALID, cases[i].text);
        assert_null(ladle_store_compressed_create(context, &options, NULL));
    }
    /* A caller of an older version knows fewer options. */
    ladle_error error = blank_error();
    ladle_compressed_options options = {.struct_size = offsetof(ladle_compressed_options, level), .level = 77};
    ladle_store *store = ladle_store_compressed_create(context, &options, &error);
    assert_some(store, error);
    store->ops->release(store);
    end_context(context);
}

static ladle_store_info info_of(ladle_store *store)
{
    ladle_store_info info = {.struct_size = sizeof info};
    store->ops->info(store, &info);
    return info;
}

static void info_says_what_it_is(void **state)
{
    (void)state;
    enum { NBYTES = 1 << 20 };
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_store *store = ladle_store_compressed_create(context, NULL, &error);
    assert_some(store, error);
    assert_string_equal(info_of(store).codec, "zstd-1 bitshuffle");
    assert_int_equal(info_of(store).threads, 1);
    assert_int_equal(info_of(store).state_nbytes, 0); /* nothing is made before it is needed */
    uint8_t *data = calloc(1, NBYTES);
    assert_non_null(data);
    (void)round_trip(store, LADLE_DTYPE_U8, NBYTES, data);
    (void)round_trip(store, LADLE_DTYPE_U8, 2000, data);
    int64_t nbytes = info_of(store).state_nbytes;
    assert_true(nbytes > 0);
    assert_int_equal(nbytes, held_of(context, LADLE_MEMORY_SCRATCH));
    store->ops->release(store);
    store = make(context, (ladle_compressed_options){.codec = "lz4", .level = 9, .shuffle = "none", .threads = 2},
                 LADLE_DELTA_BY_MEASURE, 0);
    assert_string_equal(info_of(store).codec, "lz4-9");
    assert_int_equal(info_of(store).threads, 2);
    store->ops->release(store);
    free(data);
    end_context(context);
}

/* What the ledger is told of c-blosc2's memory is what malloc says, within a third. */
static void state_is_about_what_malloc_says(void **state)
{
    (void)state;
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    if (ladle_heap_capacity(65) == 65)
        skip(); /* ladle's own memory is malloc's as well */
    enum { NBYTES = 3 << 20 };
    static const char *const codecs[] = {"zstd", "lz4", "zlib"};
    uint8_t *data = malloc(NBYTES);
    assert_non_null(data);
    fill(data, 4, NBYTES / 4, FLOATS);
    for (size_t c = 0; c < N_OF(codecs); c++)
        for (int level = 1; level <= 9; level++)
            for (int64_t nbytes = 10000; nbytes <= NBYTES; nbytes *= 17) {
                ladle_context *context = begin_context();
                ladle_store *store =
                    make(context, (ladle_compressed_options){.codec = codecs[c], .level = level}, LADLE_DELTA_NEVER, 0);
                struct mallinfo2 before = mallinfo2();
                (void)round_trip(store, LADLE_DTYPE_F32, nbytes / 4, data);
                struct mallinfo2 after = mallinfo2();
                int64_t is = (int64_t)(after.uordblks + after.hblkhd) - (int64_t)(before.uordblks + before.hblkhd);
                ladle_context_memory(context, &(ladle_memory_info){.struct_size = sizeof(ladle_memory_info)});
                int64_t scratch = nbytes + 256 <= 32 << 10 ? (int64_t)ladle_heap_capacity(33 << 10) : 0;
                int64_t said = info_of(store).state_nbytes - scratch;
                if (said * 3 < is * 2 || said * 3 > is * 4)
                    fail_msg("%s-%d of %lld bytes: the ledger says %lld, malloc %lld", codecs[c], level,
                             (long long)nbytes, (long long)said, (long long)is);
                store->ops->release(store);
                end_context(context);
            }
    free(data);
#else
    skip();
#endif
}

static void rounds_leave_nothing(void **state)
{
    (void)state;
    enum { COUNT = 30000, WARM = 12, ROUNDS = 1000 };
    static const int shifts[] = {0, 1, 2, 3, 12, 15}; /* of one, several and no blocks */
    ladle_context *context = begin_context();
    ladle_store *store = make(context, (ladle_compressed_options){.threads = 2}, LADLE_DELTA_BY_MEASURE, 0);
    int64_t *data = malloc(COUNT * sizeof *data);
    assert_non_null(data);
    fill((uint8_t *)data, 8, COUNT, RISING);
    ladle_memory_info before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    int64_t state_before = 0;
    uint64_t seed = 5;
    for (int i = 0; i < ROUNDS; i++) {
        if (i == WARM) {
            ladle_context_memory(context, &before);
            state_before = info_of(store).state_nbytes;
        }
        bool offsets = i < WARM ? i % 2 : random_below(&seed, 2);
        int64_t count = COUNT >> shifts[i < WARM ? i / 2 : random_below(&seed, N_OF(shifts))];
        (void)round_trip(store, offsets ? LADLE_DTYPE_I64 : LADLE_DTYPE_F32, count, data);
    }
    ladle_context_memory(context, &after);
    for (int kind = 0; kind < LADLE_MEMORY_POOL; kind++)
        assert_int_equal(after.held[kind], before.held[kind]);
    assert_int_equal(info_of(store).state_nbytes, state_before);
    free(data);
    store->ops->release(store);
    end_context(context);
}

/* --- faults and damage ----------------------------------------------------------------------- */

static void faults_leave_nothing(void **state)
{
    (void)state;
    enum { COUNT = 40000 };
    int64_t *data = malloc(COUNT * sizeof *data);
    assert_non_null(data);
    fill((uint8_t *)data, 8, COUNT, RISING);
    static const int64_t counts[] = {3, 1000, COUNT};
    for (size_t c = 0; c < N_OF(counts); c++)
        for (int64_t k = 1, n = 0; k <= n + 1; k++) {
            ladle_context *context = begin_context();
            ladle_store *store = make(context, (ladle_compressed_options){.threads = 2}, LADLE_DELTA_BY_MEASURE, 0);
            ladle_error error = blank_error();
            ladle_values values = {.dtype = LADLE_DTYPE_I64, .count = counts[c], .data = data};
            void *form = &error;
            int64_t nbytes;
            ladle_lease *lease = NULL;
            ladle_fault_arm(context, LADLE_FAULT_ALLOC, k, false);
            ladle_status status = store->ops->rest(store, &values, &form, &nbytes, &error);
            assert_int_equal(form != NULL, status == LADLE_OK);
            if (status == LADLE_OK)
                status = store->ops->wake(store, form, LADLE_DTYPE_I64, counts[c], &lease, &error);
            n = ladle_fault_disarm(context, LADLE_FAULT_ALLOC);
            /* All that is asked for is asked for by malloc's rules: only to cut a block may go without. */
            if (status != LADLE_OK)
                assert_error(error, LADLE_NOMEM, NULL);
            else
                assert_memory_equal(ladle_lease_data(lease), data, (size_t)counts[c] * sizeof *data);
            ladle_lease_release(lease);
            if (form != NULL)
                store->ops->drop(store, form);
            assert_int_equal(round_trip(store, LADLE_DTYPE_I64, counts[c], data) > 0, 1);
            store->ops->release(store);
            end_context(context);
        }
    free(data);
}

/* Where in a form its only chunk begins: the last place where, 4 bytes into it, `nbytes` is said. */
static uint8_t *chunk_of(void *form, int32_t nbytes)
{
    for (size_t i = 128; i >= 16; i -= 4)
        if (memcmp((uint8_t *)form + i, &nbytes, sizeof nbytes) == 0)
            return (uint8_t *)form + i - 4;
    fail_msg("the form has no chunk of %d bytes", nbytes);
    return NULL;
}

static void damage_is_never_believed(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    ladle_context *context = begin_context();
    ladle_store *store = make(context, (ladle_compressed_options){0}, LADLE_DELTA_BY_MEASURE, 0);
    int32_t *data = malloc(COUNT * sizeof *data);
    assert_non_null(data);
    fill((uint8_t *)data, 4, COUNT, RISING);
    void *form;
    (void)rest(store, LADLE_DTYPE_I32, COUNT, data, &form);
    ladle_error error = blank_error();
    ladle_lease *lease;
    assert_status(store->ops->wake(store, form, LADLE_DTYPE_I32, COUNT - 1, &lease, &error), LADLE_CORRUPT, error);
    assert_null(lease);
    assert_error(error, LADLE_CORRUPT, "19999 values of int32");
    assert_status(store->ops->wake(store, form, LADLE_DTYPE_I64, COUNT / 2, &lease, &error), LADLE_CORRUPT, error);
    uint8_t *chunk = chunk_of(form, COUNT * 4);
    static const struct {
        const char *text;
        int at, nbytes;
        uint8_t flip;
    } damages[] = {
        {"80000 bytes in blocks", 3, 1, 0x0c},  /* how many bytes one value takes */
        {"80000 bytes in blocks", 4, 1, 0x10},  /* how many bytes it holds */
        {"80000 bytes in blocks", 8, 1, 0xff},  /* how many a block holds */
        {"80000 bytes in blocks", 12, 1, 0x40}, /* its size */
        {"code -", 35, 1, 0x20},                /* where the first block begins */
        {"code -", 48, 4, 0xff},                /* how the first block begins */
    };
    for (size_t i = 0; i < N_OF(damages); i++) {
        for (int j = 0; j < damages[i].nbytes; j++)
            chunk[damages[i].at + j] ^= damages[i].flip;
        error = blank_error();
        lease = (ladle_lease *)&error;
        assert_status(store->ops->wake(store, form, LADLE_DTYPE_I32, COUNT, &lease, &error), LADLE_CORRUPT, error);
        assert_null(lease);
        assert_error(error, LADLE_CORRUPT, damages[i].text);
        for (int j = 0; j < damages[i].nbytes; j++)
            chunk[damages[i].at + j] ^= damages[i].flip;
        assert_wakes(store, form, LADLE_DTYPE_I32, COUNT, data);
    }
    store->ops->drop(store, form);
    (void)round_trip(store, LADLE_DTYPE_I32, COUNT, data);
    free(data);
    store->ops->release(store);
    end_context(context);
}

/* --- threads --------------------------------------------------------------------------------- */

enum { THREADS = 8, SHARED_COUNT = 50000 };

typedef struct user {
    ladle_store *store;
    const int64_t *data;
    int number, wrong;
} user;

/* Each puts slices of its own and wakes them; cmocka's assertions are for the main thread. */
static void *use(void *argument)
{
    user *u = argument;
    uint64_t seed = (uint64_t)u->number + 1;
    for (int i = 0; i < 60; i++) {
        int64_t count = random_below(&seed, SHARED_COUNT), first = random_below(&seed, SHARED_COUNT - count);
        ladle_values values = {.dtype = LADLE_DTYPE_I64, .count = count, .data = u->data + first};
        void *form;
        int64_t nbytes;
        ladle_lease *lease;
        if (u->store->ops->rest(u->store, &values, &form, &nbytes, NULL) != LADLE_OK) {
            u->wrong++;
            continue;
        }
        for (int j = 0; j < 2; j++)
            if (u->store->ops->wake(u->store, form, LADLE_DTYPE_I64, count, &lease, NULL) != LADLE_OK) {
                u->wrong++;
            } else {
                u->wrong += memcmp(ladle_lease_data(lease), u->data + first, (size_t)count * sizeof *u->data) != 0;
                ladle_lease_release(lease);
            }
        u->store->ops->drop(u->store, form);
    }
    return NULL;
}

static void threads_work_at_once(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    int64_t *data = malloc(SHARED_COUNT * sizeof *data);
    assert_non_null(data);
    fill((uint8_t *)data, 8, SHARED_COUNT, RISING);
    /* Two stores of two threads each: they share c-blosc2's workers, which are made by whoever is first. */
    ladle_store *stores[3];
    for (int i = 0; i < 3; i++)
        stores[i] = make(context, (ladle_compressed_options){.threads = i == 0 ? 1 : 2}, LADLE_DELTA_BY_MEASURE, 0);
    pthread_t threads[THREADS];
    user users[THREADS];
    for (int i = 0; i < THREADS; i++) {
        users[i] = (user){.store = stores[i % 3], .data = data, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(users[i].wrong, 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(held_of(context, LADLE_MEMORY_COMPRESSED), 0);
        stores[i]->ops->release(stores[i]);
    }
    free(data);
    end_context(context);
}

/* A child has none of c-blosc2's threads: to let go of the store there must not wait for them, and is nothing to the
 * parent. */
static void a_child_does_not_wait(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    int64_t *data = malloc(SHARED_COUNT * sizeof *data);
    assert_non_null(data);
    fill((uint8_t *)data, 8, SHARED_COUNT, RISING);
    ladle_store *store = make(context, (ladle_compressed_options){.threads = 2}, LADLE_DELTA_BY_MEASURE, 0);
    (void)round_trip(store, LADLE_DTYPE_I64, SHARED_COUNT, data);
    (void)usleep(20000); /* until the workers wait: only then would they be waited for */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(20);
        store->ops->release(store);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)round_trip(store, LADLE_DTYPE_I64, SHARED_COUNT, data);
    free(data);
    store->ops->release(store);
    end_context(context);
}

/* What one thread does by itself says nothing to the thread sanitizer, and takes it minutes. */
#if defined(__SANITIZE_THREAD__)
static const bool threads_only = true;
#else
static const bool threads_only = false;
#endif

int main(void)
{
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(differences_and_sums_undo_each_other),
        cmocka_unit_test(only_what_rises_is_tried),
        cmocka_unit_test(differences_are_taken_where_they_pay),
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(chunks_come_back),
        cmocka_unit_test(levels_come_back),
        cmocka_unit_test(sizes_do_not_disturb_each_other),
        cmocka_unit_test(unknown_options_are_refused),
        cmocka_unit_test(info_says_what_it_is),
        cmocka_unit_test(state_is_about_what_malloc_says),
        cmocka_unit_test(rounds_leave_nothing),
        cmocka_unit_test(faults_leave_nothing),
        cmocka_unit_test(damage_is_never_believed),
    };
    const struct CMUnitTest threaded[] = {
        cmocka_unit_test(threads_work_at_once),
        cmocka_unit_test(a_child_does_not_wait),
    };
    int n_failed = threads_only ? 0 : cmocka_run_group_tests(alone, NULL, NULL);
    return n_failed + cmocka_run_group_tests(threaded, NULL, NULL);
}
