/* The split adds up whatever a sample says, and each cause gets its verdict from series that are made by hand. */
#include "support/check.h"

#include <ladle/doctor.h>

#include <math.h>

#define MB ((int64_t)1000000)

static ladle_sample unknown_sample(void)
{
    ladle_sample sample;
    memset(&sample, 0, sizeof sample);
    sample.rss = sample.anonymous = sample.file = sample.shared = -1;
    sample.minor_faults = sample.major_faults = -1;
    sample.live_requested = sample.live_usable = sample.live_blocks = sample.peak_live = -1;
    sample.allocations = sample.frees = sample.allocated = -1;
    sample.heap = sample.heap_free = sample.heap_returnable = sample.heap_arenas = -1;
    sample.heap_largest_holes = sample.python_arenas = -1;
    return sample;
}

/* --- the split ------------------------------------------------------------------------------- */

static void check_split(const ladle_sample *sample, int64_t garbage)
{
    ladle_split split;
    ladle_doctor_split(sample, garbage, &split);
    int64_t left = sample->rss < 0 ? 0 : sample->rss;
    for (int share = 0; share < LADLE_SHARE_COUNT; share++) {
        if (split.nbytes[share] < 0 || split.nbytes[share] > left)
            fail_msg("%s is %lld, with %lld left of rss %lld", ladle_share_name((ladle_share)share),
                     (long long)split.nbytes[share], (long long)left, (long long)sample->rss);
        left -= split.nbytes[share];
    }
    assert_int_equal(left, 0);
}

static int64_t hostile_number(uint64_t *state)
{
    static const int64_t edges[] = {
        -1,
        0,
        1,
        4096,
        INT64_MAX,
        INT64_MAX - 1,
        INT64_MAX / 2,
        INT64_MAX / 16,
        INT64_MIN,
        INT64_MIN + 1,
        -2,
        (int64_t)1 << 31,
        (int64_t)1 << 56,
    };
    switch (random_below(state, 3)) {
    case 0: return edges[random_below(state, (int64_t)N_OF(edges))];
    case 1: return random_below(state, (int64_t)1 << 30);
    default: return (int64_t)random_u64(state);
    }
}

static ladle_sample hostile_sample(uint64_t *state)
{
    ladle_sample sample;
    int64_t words[sizeof sample / sizeof(int64_t)];
    for (size_t i = 0; i < N_OF(words); i++)
        words[i] = hostile_number(state);
    memcpy(&sample, words, sizeof sample);
    return sample;
}

static void a_split_adds_up_whatever_the_sample(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int i = 0; i < 200000; i++) {
        ladle_sample sample = hostile_sample(&random);
        check_split(&sample, hostile_number(&random));
    }
}

static void assert_share(const ladle_split *split, ladle_share share, int64_t expected)
{
    if (split->nbytes[share] != expected)
        fail_msg("%s is %lld, expected %lld", ladle_share_name(share), (long long)split->nbytes[share],
                 (long long)expected);
}

static void a_split_says_where_the_bytes_are(void **state)
{
    (void)state;
    ladle_sample sample = unknown_sample();
    sample.rss = 1160 * MB, sample.anonymous = 1090 * MB, sample.file = 65 * MB, sample.shared = 5 * MB;
    sample.live_requested = 400 * MB, sample.live_usable = 410 * MB, sample.live_blocks = 100000;
    sample.heap = 1000 * MB, sample.heap_free = 589 * MB, sample.heap_returnable = 500 * MB;
    sample.python_arenas = 40 * MB;
    ladle_split split;
    ladle_doctor_split(&sample, 30 * MB, &split);
    assert_share(&split, LADLE_SHARE_FILE, 65 * MB);
    assert_share(&split, LADLE_SHARE_PYTHON, 40 * MB);
    assert_share(&split, LADLE_SHARE_LIVE, 370 * MB);
    assert_share(&split, LADLE_SHARE_GARBAGE, 30 * MB);
    assert_share(&split, LADLE_SHARE_ROUNDING, 11 * MB); /* 10 of rounding and a header of 10 bytes a block */
    assert_share(&split, LADLE_SHARE_RETURNABLE, 500 * MB);
    assert_share(&split, LADLE_SHARE_PINNED, 89 * MB);
    assert_share(&split, LADLE_SHARE_REST, 55 * MB); /* 5 shared, 50 of its own mappings */
    sample.heap = sample.heap_free = sample.heap_returnable = -1;
    ladle_doctor_split(&sample, 0, &split);
    assert_share(&split, LADLE_SHARE_PINNED, 0);
    assert_share(&split, LADLE_SHARE_REST, 1160 * MB - 65 * MB - 40 * MB - 410 * MB);
}

/* 1 GB asked for and never touched, beside 500 MB that were used and freed. */
static void live_pages_that_were_never_touched(void **state)
{
    (void)state;
    ladle_sample sample = unknown_sample();
    sample.rss = 520 * MB, sample.anonymous = 520 * MB, sample.file = 0, sample.shared = 0;
    sample.live_requested = sample.live_usable = 1000 * MB, sample.live_blocks = 1;
    sample.heap = 1500 * MB, sample.heap_free = 500 * MB, sample.heap_returnable = 490 * MB;
    ladle_split split;
    ladle_doctor_split(&sample, 0, &split);
    assert_share(&split, LADLE_SHARE_RETURNABLE, 490 * MB);
    assert_share(&split, LADLE_SHARE_LIVE, 30 * MB);
}

/* Without a meter: what the allocator calls in use is live. */
static void a_split_without_a_meter(void **state)
{
    (void)state;
    ladle_sample sample = unknown_sample();
    sample.rss = 100 * MB, sample.anonymous = 90 * MB, sample.file = 10 * MB;
    sample.heap = 80 * MB, sample.heap_free = 30 * MB;
    ladle_split split;
    ladle_doctor_split(&sample, 0, &split);
    assert_share(&split, LADLE_SHARE_LIVE, 50 * MB);
    assert_share(&split, LADLE_SHARE_PINNED, 30 * MB);
    assert_share(&split, LADLE_SHARE_REST, 10 * MB);
}

/* Garbage that is larger than what malloc has lies in Python's arenas. */
static void garbage_may_lie_in_arenas(void **state)
{
    (void)state;
    ladle_sample sample = unknown_sample();
    sample.rss = sample.anonymous = 100 * MB;
    sample.live_requested = sample.live_usable = 20 * MB, sample.python_arenas = 50 * MB;
    ladle_split split;
    ladle_doctor_split(&sample, 60 * MB, &split);
    assert_share(&split, LADLE_SHARE_GARBAGE, 60 * MB);
    assert_share(&split, LADLE_SHARE_LIVE, 0);
    assert_share(&split, LADLE_SHARE_PYTHON, 10 * MB);
}

/* --- series ---------------------------------------------------------------------------------- */

#define SERIES_MOST 600

/* A run by hand. Figures follow `shape`, which is told the time from 0 to 1. */
typedef struct run {
    ladle_sample samples[SERIES_MOST];
    int64_t count;
    double seconds;
    uint64_t random;
} run;

/* What a program does at a time: MB. */
typedef struct moment {
    double live, heap, python, file, rest;
    double slow; /* of live, in blocks of 1 kB */
} moment;

typedef moment (*shape)(double t, uint64_t *random);

static ladle_sample sample_of(moment now, double seconds, ladle_sample_kind kind)
{
    ladle_sample sample = unknown_sample();
    sample.kind = (int32_t)kind;
    sample.threads = 1;
    sample.time_ns = (int64_t)(seconds * 1e9);
    if (now.heap < now.live)
        now.heap = now.live;
    double mb = (double)MB;
    sample.file = (int64_t)(now.file * mb);
    sample.shared = 0;
    sample.anonymous = (int64_t)((now.heap + now.python + now.rest) * mb);
    sample.rss = sample.anonymous + sample.file;
    sample.live_usable = sample.live_requested = (int64_t)(now.live * mb);
    sample.live_blocks = sample.live_usable / 1000;
    sample.heap = (int64_t)(now.heap * mb);
    sample.heap_free = sample.heap - sample.live_usable;
    sample.heap_returnable = sample.heap_free / 2;
    sample.heap_arenas = 1;
    sample.python_arenas = now.python > 0 ? (int64_t)(now.python * mb) : -1;
    sample.class_nbytes[24] = (int64_t)(now.slow * mb);
    sample.class_nbytes[60] = sample.live_usable - sample.class_nbytes[24];
    return sample;
}

static void begin_run(run *out, shape program, double seconds, int64_t count)
{
    out->count = 0;
    out->seconds = seconds;
    out->random = 99;
    int64_t peak = 0;
    for (int64_t i = 0; i < count; i++) {
        double t = (double)i / (double)(count - 1);
        /* samples do not come by the clock */
        double jitter = i == 0 || i == count - 1 ? 0 : ((double)random_below(&out->random, 100) / 100 - 0.5);
        t += jitter / (double)count;
        moment now = program(t, &out->random);
        ladle_sample sample = sample_of(now, t * seconds, i == 0 ? LADLE_SAMPLE_START : LADLE_SAMPLE_INSIDE);
        if (sample.live_usable > peak)
            peak = sample.live_usable;
        sample.peak_live = peak;
        out->samples[out->count++] = sample;
    }
}

static void end_run(run *out, moment now, ladle_sample_kind kind)
{
    ladle_sample sample = sample_of(now, out->seconds + 0.001 * (double)out->count, kind);
    sample.peak_live = out->samples[out->count - 1].peak_live;
    out->samples[out->count++] = sample;
}

static ladle_verdict judge(const run *in)
{
    ladle_verdict verdict;
    memset(&verdict, 0x5a, sizeof verdict);
    ladle_doctor_judge(in->samples, in->count, &verdict);
    assert_non_null(memchr(verdict.sentence, '\0', sizeof verdict.sentence));
    assert_non_null(memchr(verdict.cure, '\0', sizeof verdict.cure));
    assert_true(strlen(verdict.sentence) > 20);
    return verdict;
}

static double noise(uint64_t *random, double most)
{
    return most * (double)random_below(random, 1000) / 1000;
}

static double ramp(double t, double from, double to)
{
    return t <= from ? 0 : t >= to ? 1 : (t - from) / (to - from);
}

static moment leaks(double t, uint64_t *random)
{
    double live = 10 + 300 * t + noise(random, 5);
    return (moment){.live = live, .heap = 1.02 * live + 5, .file = 2, .rest = 1};
}

static moment leaks_slowly(double t, uint64_t *random)
{
    double slow = 0.3 * t;
    return (moment){.live = 10 + slow + noise(random, 100), .heap = 115, .file = 2, .rest = 1, .slow = slow};
}

static moment only_noise(double t, uint64_t *random)
{
    (void)t;
    return (moment){.live = 10 + noise(random, 100), .heap = 115, .file = 2, .rest = 1};
}

static moment fragments(double t, uint64_t *random)
{
    double live = 200 * ramp(t, 0, 0.1) + noise(random, 200);
    return (moment){.live = live, .heap = 420 + 600 * t, .file = 60 * ramp(t, 0, 0.2), .python = 30, .rest = 5};
}

/* Needs the whole heap for a tenth of each second, and half of it otherwise. */
static moment needs_all_at_times(double t, uint64_t *random)
{
    double seconds = 10 * t;
    bool all = seconds - floor(seconds) < 0.1;
    return (moment){.live = (all ? 360 : 180) + noise(random, 20), .heap = 400, .file = 2, .rest = 1};
}

static moment retains(double t, uint64_t *random)
{
    double live = t < 0.3 ? 400 * ramp(t, 0, 0.25) : 12 + noise(random, 2);
    return (moment){.live = live, .heap = t < 0.3 ? live + 4 : 405, .file = 2, .rest = 1};
}

static moment fills_a_cache(double t, uint64_t *random)
{
    double live = 5 + 200 * ramp(t, 0, 0.5) + noise(random, 10);
    return (moment){.live = live, .heap = 20 + 205 * ramp(t, 0, 0.52), .file = 2, .rest = 1};
}

static moment maps_a_file(double t, uint64_t *random)
{
    return (moment){.live = 5 + noise(random, 1), .heap = 8, .file = 2 + 300 * t, .rest = 1};
}

/* Python: imports in the first 40 %, then own mappings in the first steps, then steps. */
static moment imports_and_runs(double t, uint64_t *random)
{
    double import = ramp(t, 0, 0.4);
    return (moment){.live = 5 + 30 * import + noise(random, 3),
                    .heap = 42 * import,
                    .python = 25 * import,
                    .file = 5 + 60 * import,
                    .rest = 3 + 120 * ramp(t, 0.4, 0.5)};
}

static moment steady(double t, uint64_t *random)
{
    double start = ramp(t, 0, 0.08);
    return (moment){.live = 80 * start + noise(random, 10), .heap = 95 * start, .file = 2, .rest = 1};
}

static moment maps_without_end(double t, uint64_t *random)
{
    return (moment){.live = 5 + noise(random, 1), .heap = 8, .file = 2, .rest = 1 + 200 * t};
}

static void expect(const char *name, shape program, ladle_verdict_kind kind)
{
    static const int64_t counts[] = {12, 30, 60, 150, 500};
    static const double seconds[] = {1.2, 3, 600};
    for (size_t c = 0; c < N_OF(counts); c++)
        for (size_t s = 0; s < N_OF(seconds); s++) {
            run in;
            begin_run(&in, program, seconds[s], counts[c]);
            ladle_verdict verdict = judge(&in);
            if (verdict.kind != kind)
                fail_msg("%s, %lld samples in %.1f s: %s (%s)", name, (long long)counts[c], seconds[s],
                         ladle_verdict_name(verdict.kind), verdict.sentence);
        }
}

static void each_cause_gets_its_verdict(void **state)
{
    (void)state;
    expect("leak", leaks, LADLE_VERDICT_LEAK);
    expect("noise", only_noise, LADLE_VERDICT_NO_GROWTH);
    expect("fragmentation", fragments, LADLE_VERDICT_FRAGMENTATION);
    expect("retention", retains, LADLE_VERDICT_RETENTION);
    expect("cache", fills_a_cache, LADLE_VERDICT_LEVELS_OFF);
    expect("file", maps_a_file, LADLE_VERDICT_FILE_PAGES);
    expect("imports", imports_and_runs, LADLE_VERDICT_NO_GROWTH);
    expect("steady", steady, LADLE_VERDICT_NO_GROWTH);
    expect("mappings", maps_without_end, LADLE_VERDICT_NOT_ENOUGH);
}

/* 100 kB a second below 100 MB of noise: only its size class shows it. */
static void a_slow_leak_beside_noise(void **state)
{
    (void)state;
    for (int64_t count = 30; count <= 500; count += 47) {
        run in;
        begin_run(&in, leaks_slowly, 3, count);
        ladle_verdict verdict = judge(&in);
        if (verdict.kind != LADLE_VERDICT_LEAK)
            fail_msg("%lld samples: %s", (long long)count, verdict.sentence);
        assert_true(fabs(verdict.leak_rate - 1e5) < 1e4);
        assert_true(verdict.class_growth[24] > 100000);
    }
}

/* A heap that is needed at times, and free for long in between: in holes, or in one stretch at the end of it. */
static void what_is_free_for_long(void **state)
{
    (void)state;
    static const struct {
        double largest; /* MB */
        ladle_verdict_kind kind;
    } cases[] = {
        {50, LADLE_VERDICT_FRAGMENTATION},
        {190, LADLE_VERDICT_NO_GROWTH},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        run in;
        begin_run(&in, needs_all_at_times, 10, 400);
        for (int64_t j = 0; j < in.count; j++)
            in.samples[j].heap_largest_holes = (int64_t)(cases[i].largest * (double)MB);
        ladle_verdict verdict = judge(&in);
        if (verdict.kind != cases[i].kind)
            fail_msg("%.0f MB: %s (%s)", cases[i].largest, ladle_verdict_name(verdict.kind), verdict.sentence);
    }
    /* Noise that uses all of the heap many times a second leaves nothing free for long. */
    run in;
    begin_run(&in, only_noise, 10, 600);
    for (int64_t j = 0; j < in.count; j++)
        in.samples[j].heap_largest_holes = MB;
    assert_int_equal(judge(&in).kind, LADLE_VERDICT_NO_GROWTH);
}

/* The last word from inside is old: meanwhile the heap grew to the peak, and most of that was freed. */
static void an_observer_does_not_invent_mappings(void **state)
{
    (void)state;
    run in;
    begin_run(&in, only_noise, 3, 120);
    for (int64_t j = 60; j < in.count; j++) {
        ladle_sample *sample = &in.samples[j];
        sample->kind = LADLE_SAMPLE_OUTSIDE;
        sample->heap = 70 * MB;
        sample->heap_free = 10 * MB;
        sample->live_usable = sample->live_requested = 60 * MB + random_below(&in.random, 5 * MB);
        sample->peak_live = 114 * MB;
    }
    ladle_verdict verdict = judge(&in);
    if (verdict.kind != LADLE_VERDICT_NO_GROWTH)
        fail_msg("%s (%s)", ladle_verdict_name(verdict.kind), verdict.sentence);
}

static void growth_that_the_probe_frees_is_garbage(void **state)
{
    (void)state;
    run in;
    begin_run(&in, leaks, 2, 60);
    end_run(&in, (moment){.live = 312, .heap = 325, .file = 2, .rest = 1}, LADLE_SAMPLE_BEFORE_COLLECT);
    run same = in;
    end_run(&in, (moment){.live = 22, .heap = 325, .file = 2, .rest = 1}, LADLE_SAMPLE_AFTER_COLLECT);
    ladle_verdict verdict = judge(&in);
    assert_int_equal(verdict.kind, LADLE_VERDICT_GARBAGE);
    assert_int_equal(verdict.garbage, 290 * MB);
    assert_int_equal(verdict.final_rss, 328 * MB);
    assert_non_null(strstr(verdict.sentence, "290 MB"));
    end_run(&same, (moment){.live = 300, .heap = 325, .file = 2, .rest = 1}, LADLE_SAMPLE_AFTER_COLLECT);
    verdict = judge(&same);
    assert_int_equal(verdict.kind, LADLE_VERDICT_LEAK);
    assert_int_equal(verdict.garbage, 12 * MB);
}

static void what_the_program_frees_itself_is_told(void **state)
{
    (void)state;
    run in;
    begin_run(&in, leaks, 2, 60);
    run same = in;
    end_run(&in, (moment){.live = 110, .heap = 325, .file = 2, .rest = 1}, LADLE_SAMPLE_END);
    ladle_verdict verdict = judge(&in);
    assert_int_equal(verdict.kind, LADLE_VERDICT_LEAK);
    assert_non_null(strstr(verdict.sentence, "itself when its work was over"));
    end_run(&same, (moment){.live = 310, .heap = 325, .file = 2, .rest = 1}, LADLE_SAMPLE_END);
    assert_null(strstr(judge(&same).sentence, "itself"));
}

static void what_a_trim_returns_is_told(void **state)
{
    (void)state;
    run in;
    begin_run(&in, retains, 2, 60);
    end_run(&in, (moment){.live = 10, .heap = 405, .file = 2, .rest = 1}, LADLE_SAMPLE_END);
    end_run(&in, (moment){.live = 10, .heap = 15, .file = 2, .rest = 1}, LADLE_SAMPLE_AFTER_TRIM);
    ladle_verdict verdict = judge(&in);
    assert_int_equal(verdict.kind, LADLE_VERDICT_RETENTION);
    assert_int_equal(verdict.trimmed, 390 * MB);
    assert_int_equal(verdict.final_rss, 408 * MB);
    assert_true(verdict.peak_rss >= 408 * MB);
    assert_non_null(strstr(verdict.sentence, "390 MB"));
}

static void few_samples_are_not_enough(void **state)
{
    (void)state;
    run in;
    for (int64_t count = 2; count < 8; count++) {
        begin_run(&in, leaks, 0.1, count);
        assert_int_equal(judge(&in).kind, LADLE_VERDICT_NOT_ENOUGH);
    }
    begin_run(&in, leaks, 0.1, 100); /* enough samples, of too short a time */
    ladle_verdict verdict = judge(&in);
    assert_int_equal(verdict.kind, LADLE_VERDICT_NOT_ENOUGH);
    assert_non_null(strstr(verdict.sentence, "100 samples in 0.10 s"));
    in.count = 0;
    assert_int_equal(judge(&in).kind, LADLE_VERDICT_NOT_ENOUGH);
}

/* Samples only from outside, of an allocator that says nothing. */
static void an_allocator_that_says_nothing(void **state)
{
    (void)state;
    static const struct {
        shape program;
        ladle_verdict_kind kind;
    } cases[] = {
        {leaks, LADLE_VERDICT_LEAK},
        {fills_a_cache, LADLE_VERDICT_LEVELS_OFF},
        {maps_a_file, LADLE_VERDICT_FILE_PAGES},
        {steady, LADLE_VERDICT_NO_GROWTH},
        {fragments, LADLE_VERDICT_NOT_ENOUGH}, /* free, or of the program's own: who knows */
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        run in;
        begin_run(&in, cases[i].program, 2, 60);
        for (int64_t j = 0; j < in.count; j++) {
            ladle_sample *sample = &in.samples[j];
            sample->kind = LADLE_SAMPLE_OUTSIDE;
            sample->heap = sample->heap_free = sample->heap_returnable = sample->heap_arenas = -1;
        }
        ladle_verdict verdict = judge(&in);
        if (verdict.kind != cases[i].kind)
            fail_msg("case %zu: %s (%s)", i, ladle_verdict_name(verdict.kind), verdict.sentence);
    }
}

static void any_samples_get_a_verdict(void **state)
{
    (void)state;
    uint64_t random = 11;
    run in;
    in.seconds = 1;
    for (int i = 0; i < 2000; i++) {
        in.count = 1 + random_below(&random, 40);
        for (int64_t j = 0; j < in.count; j++) {
            in.samples[j] = hostile_sample(&random);
            if (i % 2 == 0) { /* believable times, so that the judge goes on */
                in.samples[j].time_ns = j * 100000000;
                in.samples[j].kind = LADLE_SAMPLE_INSIDE;
            }
        }
        ladle_verdict verdict = judge(&in);
        assert_in_range(verdict.kind, 0, LADLE_VERDICT_COUNT - 1);
    }
}

static void names_are_the_ones_of_the_header(void **state)
{
    (void)state;
    assert_string_equal(ladle_share_name(LADLE_SHARE_LIVE), "live");
    assert_string_equal(ladle_share_name(LADLE_SHARE_PINNED), "free, pinned");
    assert_string_equal(ladle_share_name(LADLE_SHARE_REST), "rest");
    assert_string_equal(ladle_verdict_name(LADLE_VERDICT_NOT_ENOUGH), "not enough evidence");
    assert_string_equal(ladle_verdict_name(LADLE_VERDICT_GARBAGE), "garbage cycles");
    assert_string_equal(ladle_verdict_name(LADLE_VERDICT_NO_GROWTH), "no growth");
    assert_string_equal(ladle_verdict_name((ladle_verdict_kind)99), "unknown");
    assert_string_equal(ladle_share_name((ladle_share)-1), "unknown");
}

static void size_classes_are_quarters_of_doublings(void **state)
{
    (void)state;
    static const int64_t limits[] = {16, 20, 24, 28, 32, 40, 48, 56, 64};
    for (size_t i = 0; i < N_OF(limits); i++)
        assert_int_equal(ladle_size_class_limit((int)i), limits[i]);
    for (int c = 1; c < LADLE_SIZE_CLASSES; c++)
        assert_true(ladle_size_class_limit(c) > ladle_size_class_limit(c - 1));
    assert_true(ladle_size_class_limit(LADLE_SIZE_CLASSES - 1) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_adds_up_whatever_the_sample),
        cmocka_unit_test(a_split_says_where_the_bytes_are),
        cmocka_unit_test(live_pages_that_were_never_touched),
        cmocka_unit_test(a_split_without_a_meter),
        cmocka_unit_test(garbage_may_lie_in_arenas),
        cmocka_unit_test(each_cause_gets_its_verdict),
        cmocka_unit_test(a_slow_leak_beside_noise),
        cmocka_unit_test(what_is_free_for_long),
        cmocka_unit_test(an_observer_does_not_invent_mappings),
        cmocka_unit_test(growth_that_the_probe_frees_is_garbage),
        cmocka_unit_test(what_the_program_frees_itself_is_told),
        cmocka_unit_test(what_a_trim_returns_is_told),
        cmocka_unit_test(few_samples_are_not_enough),
        cmocka_unit_test(an_allocator_that_says_nothing),
        cmocka_unit_test(any_samples_get_a_verdict),
        cmocka_unit_test(names_are_the_ones_of_the_header),
        cmocka_unit_test(size_classes_are_quarters_of_doublings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
