/* A watch and a tamer in C: samples that agree with what this program allocates, from any number of threads, and what
 * is returned. Where the allocator tells nothing (musl, sanitizers) its figures are -1, and the rest holds. */
#include <ladle/ladle.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MS ((int64_t)1000000)

static ladle_context *context_new(void)
{
    ladle_context *context = ladle_context_create(NULL, NULL);
    assert_non_null(context);
    return context;
}

static void sleep_ms(long ms)
{
    struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&span, NULL);
}

static int64_t arenas_of_seven(void)
{
    return 7;
}

static ladle_sample samples[LADLE_WATCH_SAMPLES];
static int64_t ledger[LADLE_WATCH_SAMPLES];

static void test_samples_come_by_themselves_and_by_hand(void **state)
{
    (void)state;
    ladle_context *context = context_new();
    ladle_watch *watch = ladle_watch_create(context, MS, arenas_of_seven, NULL);
    assert_non_null(watch);
    int64_t count = 0;
    for (int i = 0; i < 10000 && count < 5; i++) {
        sleep_ms(1);
        count = ladle_watch_read(watch, samples, ledger);
    }
    assert_true(count >= 5);
    ladle_watch_stop(watch);
    ladle_watch_stop(watch);
    count = ladle_watch_read(watch, samples, NULL);
    ladle_watch_sample(watch, LADLE_SAMPLE_END);
    assert_int_equal(ladle_watch_read(watch, samples, ledger), count + 1);
    assert_int_equal(samples[0].kind, LADLE_SAMPLE_START);
    assert_int_equal(samples[1].kind, LADLE_SAMPLE_INSIDE);
    assert_int_equal(samples[count].kind, LADLE_SAMPLE_END);
    for (int64_t i = 0; i <= count; i++) {
        ladle_split split;
        int64_t sum = 0;
        ladle_doctor_split(&samples[i], 0, &split);
        for (int share = 0; share < LADLE_SHARE_COUNT; share++)
            sum += split.nbytes[share];
        assert_int_equal(sum, samples[i].rss);
        assert_true(samples[i].rss > 0);
        assert_int_equal(samples[i].python_arenas, 7);
        assert_true(ledger[i] > 0); /* the watch itself */
        assert_true(i == 0 || samples[i].time_ns > samples[i - 1].time_ns);
    }
    ladle_watch_release(watch);
    ladle_context_release(context);
}

static bool allocator_tells(void)
{
    return strcmp(ladle_allocator_name(), "unknown") != 0 && strcmp(ladle_allocator_name(), "mimalloc") != 0;
}

enum { N_BLOCKS = 2000, BLOCK_NBYTES = 20000 };

static char *blocks[N_BLOCKS];

static void fill(void)
{
    for (int i = 0; i < N_BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_NBYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, BLOCK_NBYTES);
    }
}

/* Frees all but each 50th block, or the rest. */
static void empty(bool all)
{
    for (int i = 0; i < N_BLOCKS; i++) {
        if (all || i % 50 != 0) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
    }
}

static void test_live_is_what_is_live_and_a_trim_returns_the_rest(void **state)
{
    (void)state;
    if (!allocator_tells())
        skip();
    ladle_context *context = context_new();
    ladle_watch *watch = ladle_watch_create(context, 1000 * MS, NULL, NULL);
    fill();
    ladle_watch_sample(watch, LADLE_SAMPLE_INSIDE);
    empty(false);
    ladle_watch_sample(watch, LADLE_SAMPLE_INSIDE);
    assert_true(ladle_allocator_trim());
    ladle_watch_sample(watch, LADLE_SAMPLE_AFTER_TRIM);
    ladle_watch_stop(watch);
    assert_int_equal(ladle_watch_read(watch, samples, NULL), 4);
    const int64_t asked = (int64_t)N_BLOCKS * BLOCK_NBYTES;
    int64_t grown = samples[1].live_usable - samples[0].live_usable;
    assert_true(grown > asked - asked / 100 && grown < asked + asked / 10);
    assert_true(samples[2].heap_returnable > asked / 10 * 8);
    assert_true(samples[2].rss - samples[3].rss > asked / 10 * 8);
    assert_true(samples[3].heap_returnable < asked / 20);
    empty(true);
    ladle_watch_release(watch);
    ladle_context_release(context);
}

static void test_a_tamer_returns_what_is_free(void **state)
{
    (void)state;
    if (!allocator_tells())
        skip();
    ladle_context *context = context_new();
    ladle_tame_options options = {.interval_ns = MS, .least_nbytes = 1 << 20, .share = 0.1};
    ladle_tamer *tamer = ladle_tamer_create(context, &options, NULL);
    assert_non_null(tamer);
    fill();
    empty(false);
    ladle_tame_figures figures = {0};
    for (int i = 0; i < 20000 && figures.returned < N_BLOCKS * BLOCK_NBYTES / 2; i++) {
        sleep_ms(1);
        ladle_tamer_read(tamer, &figures);
    }
    assert_true(figures.returned >= N_BLOCKS * BLOCK_NBYTES / 2);
    assert_true(figures.trims > 0);
    assert_true(figures.cpu_ns > 0);
    ladle_tamer_stop(tamer);
    ladle_tamer_stop(tamer);
    empty(true);
    ladle_tamer_release(tamer);
    ladle_tamer_release(NULL);
    ladle_context_release(context);
}

/* --- threads --------------------------------------------------------------------------------- */

static void *use(void *user)
{
    ladle_watch *watch = user;
    ladle_sample *own = calloc(LADLE_WATCH_SAMPLES, sizeof *own);
    assert_non_null(own);
    for (int i = 0; i < 50; i++) {
        ladle_watch_sample(watch, LADLE_SAMPLE_INSIDE);
        assert_true(ladle_watch_read(watch, own, NULL) <= LADLE_WATCH_SAMPLES);
    }
    ladle_watch_stop(watch);
    free(own);
    return NULL;
}

static void test_all_of_it_from_many_threads(void **state)
{
    (void)state;
    ladle_context *context = context_new();
    ladle_watch *watch = ladle_watch_create(context, MS, NULL, NULL);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, watch), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    ladle_watch_release(watch);
    ladle_context_release(context);
}

/* --- what is refused ------------------------------------------------------------------------- */

static void test_bad_calls(void **state)
{
    (void)state;
    ladle_context *context = context_new();
    ladle_error error = {0};
    assert_null(ladle_watch_create(context, MS - 1, NULL, &error));
    assert_int_equal(error.status, LADLE_INVALID);
    assert_non_null(strstr(error.message, "1 ms"));
    ladle_context_set_budget(context, 1);
    assert_null(ladle_watch_create(context, MS, NULL, &error));
    assert_int_equal(error.status, LADLE_BUDGET);
    ladle_tame_options options = {.interval_ns = MS};
    assert_null(ladle_tamer_create(context, &options, &error));
    assert_int_equal(error.status, LADLE_BUDGET);
    ladle_watch_release(NULL);
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    assert_int_equal(info.total, info.held[LADLE_MEMORY_POOL]);
    ladle_context_release(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_come_by_themselves_and_by_hand),
        cmocka_unit_test(test_live_is_what_is_live_and_a_trim_returns_the_rest),
        cmocka_unit_test(test_a_tamer_returns_what_is_free),
        cmocka_unit_test(test_all_of_it_from_many_threads),
        cmocka_unit_test(test_bad_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
