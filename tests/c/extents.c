/* The space of a file: nothing is handed out twice, neighbours merge, the file does not grow without need. */
#include "store/extents.h"
#include "store/sort.h"
#include "support/check.h"

enum { MOST = 300, BEGIN = 576 };

/* What the allocator says of itself is true of its lists. */
static void assert_sound(const ladle_extents *e)
{
    int64_t at = e->begin, free_nbytes = 0;
    const ladle_extent *before = NULL;
    for (const ladle_extent *extent = e->first; extent != NULL; before = extent, extent = extent->after) {
        assert_int_equal(extent->offset, at);
        assert_true(extent->nbytes > 0 && extent->nbytes % LADLE_EXTENT_GRAIN == 0);
        assert_ptr_equal(extent->before, before);
        assert_false(extent->free && before != NULL && before->free);
        free_nbytes += extent->free ? extent->nbytes : 0;
        at += extent->nbytes;
    }
    assert_ptr_equal(e->last, before);
    assert_true(before == NULL || !before->free);
    assert_int_equal(e->end, at);
    assert_int_equal(e->free_nbytes, free_nbytes);
    int64_t binned = 0;
    for (int bin = 0; bin < LADLE_EXTENT_BINS; bin++) {
        assert_int_equal(e->bins[bin] != NULL, (e->filled[bin / 64] >> (bin % 64)) & 1);
        for (const ladle_extent *extent = e->bins[bin]; extent != NULL; extent = extent->next) {
            assert_true(extent->free);
            binned += extent->nbytes;
        }
    }
    assert_int_equal(binned, free_nbytes);
}

static ladle_extent *take(ladle_extents *e, int64_t nbytes)
{
    ladle_error error = blank_error();
    ladle_extent *fresh = ladle_extent_create(e->context, &error);
    assert_some(fresh, error);
    ladle_extent *spare = nbytes % 3 == 0 ? NULL : ladle_extent_create(e->context, &error);
    ladle_extent *taken = ladle_extents_take(e, nbytes, fresh, spare);
    if (taken != NULL && nbytes >= LADLE_EXTENT_PAGED && nbytes % 3 != 0)
        assert_int_equal((taken->offset | taken->nbytes) % LADLE_EXTENT_PAGE, 0);
    return taken;
}

static int64_t some_size(uint64_t *seed)
{
    switch (random_below(seed, 4)) {
    case 0: return 1 + random_below(seed, 200);
    case 1: return 64 * (1 + random_below(seed, 40));
    case 2: return 1 + random_below(seed, 100000);
    default: return (int64_t)1 << random_below(seed, 40);
    }
}

static void random_life(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    for (uint64_t round = 1; round <= 20; round++) {
        ladle_extents e;
        ladle_extent *held[MOST];
        int n = 0;
        uint64_t seed = round;
        ladle_extents_init(&e, context, 560);
        assert_int_equal(e.begin, BEGIN);
        for (int step = 0; step < 3000; step++) {
            int64_t action = random_below(&seed, step % 1000 < 600 ? 10 : 25);
            if (action < 6 && n < MOST) {
                int64_t wanted = some_size(&seed), end = e.end, free_nbytes = e.free_nbytes;
                held[n] = take(&e, wanted);
                assert_non_null(held[n]);
                assert_true(held[n]->nbytes >= wanted && held[n]->nbytes < wanted + LADLE_EXTENT_PAGE);
                assert_int_equal(held[n]->checksum, 0);
                assert_false(held[n]->committed || held[n]->free);
                held[n]->checksum = (uint64_t)step + 1;
                held[n]->committed = true;
                assert_true(e.end == end ? e.free_nbytes == free_nbytes - held[n]->nbytes
                                         : e.free_nbytes == free_nbytes + held[n]->offset - end);
                n++;
            } else if (action == 6 && n > 0) {
                ladle_error error = blank_error();
                ladle_extent *extent = held[random_below(&seed, n)], *fresh = ladle_extent_create(context, &error);
                assert_some(fresh, error);
                int64_t kept = 1 + random_below(&seed, extent->nbytes);
                ladle_extents_shrink(&e, extent, kept, fresh);
                assert_int_equal(extent->nbytes, ladle_extent_round(kept));
            } else if (n > 0) {
                int64_t i = random_below(&seed, n);
                ladle_extents_give(&e, held[i]);
                held[i] = held[--n];
            }
            if (step % 16 == 0)
                assert_sound(&e);
        }
        while (n > 0)
            ladle_extents_give(&e, held[--n]);
        assert_sound(&e);
        assert_int_equal(e.end, BEGIN);
        assert_null(e.first);
    }
    end_context(context);
}

/* A steady load reuses what is free: the file stays near what is in it. */
static void steady_state_does_not_grow(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_extents e;
    ladle_extent *held[MOST];
    uint64_t seed = 7;
    int64_t live = 0, worst = 0;
    ladle_extents_init(&e, context, BEGIN);
    for (int i = 0; i < MOST; i++) {
        held[i] = take(&e, 1 + random_below(&seed, 200000));
        live += held[i]->nbytes;
    }
    for (int step = 0; step < 50000; step++) {
        int64_t i = random_below(&seed, MOST);
        live -= held[i]->nbytes;
        ladle_extents_give(&e, held[i]);
        held[i] = take(&e, 1 + random_below(&seed, 200000));
        live += held[i]->nbytes;
        worst = e.end * 100 / live > worst ? e.end * 100 / live : worst;
    }
    print_message("file at most %lld %% of what is in it\n", (long long)worst);
    assert_true(worst < 200);
    assert_sound(&e);
    ladle_extents_clear(&e);
    end_context(context);
}

static void too_long_is_refused(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_extents e;
    ladle_extents_init(&e, context, BEGIN);
    ladle_extent *most = take(&e, INT64_MAX - 200000);
    assert_non_null(most);
    assert_null(take(&e, 200000));
    assert_null(take(&e, INT64_MAX));
    assert_sound(&e);
    ladle_extents_give(&e, most);
    ladle_extent *none = take(&e, 0);
    assert_int_equal(none->nbytes, 0);
    ladle_extents_give(&e, none);
    assert_int_equal(e.end, BEGIN);
    end_context(context);
}

/* As when a file is opened: places in rising order, holes between them. */
static void places_are_taken_as_they_are(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_extents e;
    ladle_extents_init(&e, context, BEGIN);
    static const int64_t places[][2] = {{BEGIN, 64}, {BEGIN + 64, 128}, {8192, 4096}, {65536, 64}};
    for (size_t i = 0; i < N_OF(places); i++) {
        ladle_extent *extent = ladle_extent_create(context, &error), *hole = ladle_extent_create(context, &error);
        extent->offset = places[i][0];
        extent->nbytes = places[i][1];
        assert_true(ladle_extents_place(&e, extent, hole));
        assert_sound(&e);
    }
    assert_int_equal(e.end, 65600);
    assert_int_equal(e.free_nbytes, 65600 - BEGIN - 64 - 128 - 4096 - 64);
    ladle_extent *over = ladle_extent_create(context, &error), *hole = ladle_extent_create(context, &error);
    over->offset = 65536;
    over->nbytes = 64;
    assert_false(ladle_extents_place(&e, over, hole));
    ladle_extent_free(context, over);
    ladle_extent_free(context, hole);
    assert_int_equal(take(&e, 7000)->offset, BEGIN + 192);
    assert_sound(&e);
    ladle_extents_clear(&e);
    end_context(context);
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void sorts(void **state)
{
    (void)state;
    static int64_t values[1000];
    static const void *pointers[1000];
    uint64_t seed = 3;
    for (int64_t n = 0; n < 1000; n = n < 20 ? n + 1 : n * 2) {
        int64_t sum = 0;
        for (int64_t i = 0; i < n; i++) {
            values[i] = random_below(&seed, n % 2 == 0 ? n + 1 : 5);
            pointers[i] = &values[i];
            sum += values[i];
        }
        ladle_sort(pointers, n, by_value);
        for (int64_t i = 0; i < n; i++) {
            assert_true(i == 0 || by_value(pointers[i - 1], pointers[i]) <= 0);
            sum -= *(const int64_t *)pointers[i];
        }
        assert_int_equal(sum, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_life),
        cmocka_unit_test(steady_state_does_not_grow),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(places_are_taken_as_they_are),
        cmocka_unit_test(sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
