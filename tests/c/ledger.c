/* The context: a ledger that is exact, a budget that holds, reclaimers that make room, arenas,
 * faults. */
#include "memory/arena.h"
#include "memory/context.h"
#include "memory/lease.h"
#include "support/check.h"

#include <pthread.h>

static void every_byte_is_counted_under_its_kind(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    assert_int_equal(held_total(context), 0);
    enum { N = 200 };
    static void *memory[N];
    static size_t capacity[N];
    int64_t expected[LADLE_MEMORY_KIND_COUNT] = {0};
    uint64_t seed = 5;
    for (int i = 0; i < N; i++) {
        ladle_memory_kind kind = (ladle_memory_kind)(i % LADLE_MEMORY_POOL);
        size_t size = (size_t)random_below(&seed, i % 10 == 0 ? 300000 : 5000) + 1;
        memory[i] = ladle_pages_alloc(context, size, kind, &capacity[i], &error);
        assert_some(memory[i], error);
        expected[kind] += (int64_t)capacity[i];
    }
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    int64_t sum = 0;
    for (int kind = 0; kind < LADLE_MEMORY_POOL; kind++) {
        assert_int_equal(info.held[kind], expected[kind]);
        sum += info.held[kind];
    }
    assert_int_equal(info.total, sum + info.held[LADLE_MEMORY_POOL]);
    assert_true(info.peak >= info.total);
    for (int i = 0; i < N; i++)
        ladle_pages_free(context, memory[i], capacity[i], (ladle_memory_kind)(i % LADLE_MEMORY_POOL));
    end_context(context);
}

static void small_allocations_are_zeroed_and_sized(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    for (size_t size = 1; size < 200000; size += size / 3 + 1)
        for (int round = 0; round < 2; round++) { /* the second one gets used memory */
            uint8_t *memory = ladle_alloc(context, size, LADLE_MEMORY_SCRATCH, &error);
            assert_some(memory, error);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(memory[i], 0);
            memset(memory, 0xff, size);
            ladle_free(context, memory, size, LADLE_MEMORY_SCRATCH);
            assert_int_equal(held_of(context, LADLE_MEMORY_SCRATCH), 0);
        }
    ladle_free(context, NULL, 10, LADLE_MEMORY_SCRATCH);
    end_context(context);
}

static void array_sizes_do_not_wrap(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    static const struct {
        int64_t count;
        size_t size;
        int status;
    } cases[] = {
        {-1, 8, LADLE_LIMIT},
        {INT64_MIN, 1, LADLE_LIMIT},
        {INT64_C(1) << 61, 8, LADLE_LIMIT},
        {INT64_C(1) << 60, 8, LADLE_LIMIT},
        {INT64_C(1) << 59, 8, LADLE_NOMEM},
        {INT64_MAX, 1, LADLE_NOMEM},
        {INT64_MAX / 4, 3, LADLE_NOMEM},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        ladle_error error = blank_error();
        assert_null(ladle_alloc_array(context, cases[i].count, cases[i].size, LADLE_MEMORY_METADATA, &error));
        assert_error(error, cases[i].status, NULL);
    }
    size_t capacity;
    ladle_error error = blank_error();
    assert_null(ladle_pages_alloc(context, SIZE_MAX, LADLE_MEMORY_LEASED, &capacity, &error));
    assert_error(error, LADLE_NOMEM, NULL);
    void *nothing = ladle_alloc_array(context, 0, 8, LADLE_MEMORY_METADATA, &error);
    assert_some(nothing, error);
    ladle_free(context, nothing, 0, LADLE_MEMORY_METADATA);
    end_context(context);
}

static void moves_change_the_kind_not_the_sum(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_ledger_charge(context, LADLE_MEMORY_LEASED, 1000);
    int64_t total = held_total(context);
    ladle_ledger_move(context, LADLE_MEMORY_LEASED, LADLE_MEMORY_RESTING, 400);
    assert_int_equal(held_total(context), total);
    assert_int_equal(held_of(context, LADLE_MEMORY_LEASED), 600);
    assert_int_equal(held_of(context, LADLE_MEMORY_RESTING), 400);
    ladle_ledger_charge(context, LADLE_MEMORY_LEASED, -600);
    ladle_ledger_charge(context, LADLE_MEMORY_RESTING, -400);
    end_context(context);
}

static void the_peak_never_falls(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    uint64_t seed = 9;
    int64_t last = 0;
    void *held[8] = {0};
    size_t capacity[8];
    for (int i = 0; i < 2000; i++) {
        int64_t k = random_below(&seed, 8);
        ladle_pages_free(context, held[k], capacity[k], LADLE_MEMORY_SCRATCH);
        held[k] = ladle_pages_alloc(context, (size_t)random_below(&seed, 400000) + 1, LADLE_MEMORY_SCRATCH,
                                    &capacity[k], &error);
        assert_some(held[k], error);
        if (i % 50 == 0)
            (void)ladle_context_trim(context);
        ladle_memory_info info = {.struct_size = sizeof info};
        ladle_context_memory(context, &info);
        assert_true(info.peak >= info.total);
        assert_true(info.peak >= last);
        last = info.peak;
    }
    for (int k = 0; k < 8; k++)
        ladle_pages_free(context, held[k], capacity[k], LADLE_MEMORY_SCRATCH);
    end_context(context);
}

static void the_budget_refuses_and_pooled_blocks_leave_for_it(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    const int64_t budget = 1 << 20;
    ladle_context_set_budget(context, budget);
    size_t first_capacity, second_capacity;
    void *first = ladle_pages_alloc(context, 600 << 10, LADLE_MEMORY_LEASED, &first_capacity, &error);
    assert_some(first, error);
    assert_null(ladle_pages_alloc(context, 600 << 10, LADLE_MEMORY_LEASED, &second_capacity, &error));
    assert_error(error, LADLE_BUDGET, "the budget of 1048576 bytes");
    assert_int_equal(held_of(context, LADLE_MEMORY_LEASED), (int64_t)first_capacity);
    ladle_pages_free(context, first, first_capacity, LADLE_MEMORY_LEASED);
    /* The free block is too small for this one, and must leave the pool to make room. */
    void *second = ladle_pages_alloc(context, 900 << 10, LADLE_MEMORY_LEASED, &second_capacity, &error);
    assert_some(second, error);
    assert_true(held_total(context) <= budget);
    /* Lowered below what is held: nothing is taken away, it is an overdraft. */
    ladle_context_set_budget(context, 100 << 10);
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    assert_int_equal(info.overdraft, info.total - (100 << 10));
    assert_int_equal(info.budget, 100 << 10);
    assert_null(ladle_alloc(context, 1, LADLE_MEMORY_METADATA, &error));
    assert_error(error, LADLE_BUDGET, NULL);
    ladle_context_set_budget(context, 0);
    void *third = ladle_alloc(context, 1, LADLE_MEMORY_METADATA, &error);
    assert_some(third, error);
    ladle_context_memory(context, &info);
    assert_int_equal(info.overdraft, 0);
    ladle_free(context, third, 1, LADLE_MEMORY_METADATA);
    ladle_pages_free(context, second, second_capacity, LADLE_MEMORY_LEASED);
    end_context(context);
}

/* A reclaimer that holds one block, and says how it was asked. */
typedef struct holder {
    ladle_context *context;
    ladle_reclaimer reclaimer;
    void *memory;
    size_t capacity;
    int calls;
    bool waited;
} holder;

static int64_t give_up(void *user, int64_t need, bool may_wait)
{
    holder *h = user;
    assert_true(need > 0);
    h->calls++;
    h->waited = may_wait;
    int64_t freed = h->memory == NULL ? 0 : (int64_t)h->capacity;
    ladle_pages_free(h->context, h->memory, h->capacity, LADLE_MEMORY_RESTING);
    h->memory = NULL;
    return freed;
}

static void a_reclaimer_makes_room(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_context_set_budget(context, 1 << 20);
    holder h[2] = {{.context = context}, {.context = context}};
    for (int i = 0; i < 2; i++) {
        h[i].memory = ladle_pages_alloc(context, 400 << 10, LADLE_MEMORY_RESTING, &h[i].capacity, &error);
        assert_some(h[i].memory, error);
        h[i].reclaimer.reclaim = give_up;
        h[i].reclaimer.user = &h[i];
        ladle_context_add_reclaimer(context, &h[i].reclaimer);
    }
    size_t capacity;
    size_t block_capacity;
    void *block = ladle_pages_alloc(context, 500 << 10, LADLE_MEMORY_LEASED, &block_capacity, &error);
    assert_some(block, error);
    /* One was enough; the other keeps its own. */
    assert_int_equal(h[0].calls + h[1].calls, 1);
    assert_true(h[0].calls == 1 ? h[0].waited : h[1].waited);
    ladle_context_remove_reclaimer(context, &h[0].reclaimer);
    ladle_context_remove_reclaimer(context, &h[1].reclaimer);
    ladle_context_remove_reclaimer(context, &h[1].reclaimer); /* twice is allowed */
    assert_null(ladle_pages_alloc(context, 500 << 10, LADLE_MEMORY_LEASED, &capacity, &error));
    assert_error(error, LADLE_BUDGET, NULL);
    assert_int_equal(h[0].calls + h[1].calls, 1);
    /* Metadata may be allocated with a cache locked: it must not wait for one. */
    for (int i = 0; i < 2; i++)
        if (h[i].memory != NULL) {
            ladle_context_add_reclaimer(context, &h[i].reclaimer);
            void *small = ladle_alloc(context, 400 << 10, LADLE_MEMORY_METADATA, &error);
            assert_some(small, error);
            assert_false(h[i].waited);
            ladle_free(context, small, 400 << 10, LADLE_MEMORY_METADATA);
            ladle_context_remove_reclaimer(context, &h[i].reclaimer);
        }
    ladle_pages_free(context, block, block_capacity, LADLE_MEMORY_LEASED);
    end_context(context);
}

typedef struct spender {
    ladle_context *context;
    int64_t budget;
    atomic_llong *worst;
    uint64_t seed;
} spender;

static void *spend(void *argument)
{
    spender *s = argument;
    for (int i = 0; i < 3000; i++) {
        size_t capacity;
        size_t size = (size_t)random_below(&s->seed, 200 << 10) + 1;
        void *memory = ladle_pages_alloc(s->context, size, LADLE_MEMORY_LEASED, &capacity, NULL);
        ladle_memory_info info = {.struct_size = sizeof info};
        ladle_context_memory(s->context, &info);
        long long held = info.held[LADLE_MEMORY_LEASED], worst = atomic_load(s->worst);
        while (held > worst && !atomic_compare_exchange_weak(s->worst, &worst, held))
            ;
        ladle_pages_free(s->context, memory, capacity, LADLE_MEMORY_LEASED);
    }
    return NULL;
}

static void threads_together_stay_within_the_budget(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    const int64_t budget = 300 << 10;
    ladle_context_set_budget(context, budget);
    atomic_llong worst = 0;
    spender spenders[8];
    pthread_t threads[8];
    for (size_t i = 0; i < N_OF(threads); i++) {
        spenders[i] = (spender){context, budget, &worst, i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, spend, &spenders[i]), 0);
    }
    for (size_t i = 0; i < N_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(atomic_load(&worst) > 0);
    assert_true(atomic_load(&worst) <= budget);
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    assert_true(info.peak <= budget);
    end_context(context);
}

static void arenas_and_vectors_are_metadata(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_arena arena;
    ladle_arena_init(&arena, context);
    char *texts[500];
    for (int i = 0; i < 500; i++) {
        int64_t *numbers = ladle_arena_alloc(&arena, i, sizeof *numbers, &error);
        assert_some(numbers, error);
        assert_int_equal((uintptr_t)numbers % 8, 0);
        for (int k = 0; k < i; k++) {
            assert_int_equal(numbers[k], 0);
            numbers[k] = -1;
        }
        texts[i] = ladle_arena_text(&arena, "a\0b", (size_t)(i % 4), &error);
        assert_some(texts[i], error);
    }
    for (int i = 0; i < 500; i++)
        assert_memory_equal(texts[i], "a?b", (size_t)(i % 4));
    assert_string_equal(texts[3], "a?b");
    assert_null(ladle_arena_alloc(&arena, -1, 1, &error));
    assert_error(error, LADLE_LIMIT, NULL);
    assert_null(ladle_arena_alloc(&arena, INT64_MAX / 2, 8, &error));
    assert_error(error, LADLE_LIMIT, NULL);
    assert_int_equal(held_total(context) - held_of(context, LADLE_MEMORY_POOL),
                     held_of(context, LADLE_MEMORY_METADATA));
    ladle_arena small;
    ladle_arena_init(&small, context);
    small.ceiling = 100;
    assert_some(ladle_arena_alloc(&small, 12, 8, &error), error);
    assert_null(ladle_arena_alloc(&small, 1, 8, &error));
    assert_error(error, LADLE_LIMIT, "more than 100 bytes");
    ladle_arena_destroy(&small);
    ladle_vector vector;
    ladle_vector_init(&vector, context, 24);
    for (int64_t i = 0; i < 1000; i++) {
        int64_t *item = ladle_vector_push(&vector, &error);
        assert_some(item, error);
        assert_true(item[0] == 0 && item[1] == 0 && item[2] == 0);
        item[0] = i;
    }
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(((int64_t *)vector.items)[3 * i], i);
    ladle_vector_destroy(&vector);
    ladle_vector_destroy(&vector);
    ladle_arena_destroy(&arena);
    ladle_arena_destroy(&arena);
    end_context(context);
}

static void faults_strike_when_told(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    for (int k = 1; k <= 5; k++)
        for (int forever = 0; forever < 2; forever++) {
            ladle_fault_arm(context, LADLE_FAULT_ALLOC, k, forever == 1);
            for (int i = 1; i <= 5; i++) {
                void *memory = ladle_alloc(context, 100, LADLE_MEMORY_SCRATCH, &error);
                bool fails = i == k || (forever == 1 && i > k);
                assert_int_equal(memory == NULL, fails);
                if (fails)
                    assert_error(error, LADLE_NOMEM, "no memory for 100 bytes of scratch");
                ladle_free(context, memory, 100, LADLE_MEMORY_SCRATCH);
            }
            assert_int_equal(ladle_fault_disarm(context, LADLE_FAULT_ALLOC), 5);
        }
    ladle_fault_arm(context, LADLE_FAULT_ALLOC, 0, false);
    void *memory = ladle_alloc(context, 100, LADLE_MEMORY_SCRATCH, &error);
    assert_some(memory, error);
    ladle_free(context, memory, 100, LADLE_MEMORY_SCRATCH);
    assert_int_equal(ladle_fault_disarm(context, LADLE_FAULT_ALLOC), 1);
    end_context(context);
}

static void old_callers_get_what_fits_their_struct(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    struct {
        ladle_memory_info info;
        char guard[8];
    } both;
    memset(&both, 0x77, sizeof both);
    both.info.struct_size = offsetof(ladle_memory_info, peak);
    ladle_context_memory(context, &both.info);
    assert_int_equal(both.info.struct_size, offsetof(ladle_memory_info, peak));
    assert_int_equal(both.info.total, 0);
    assert_int_equal(both.info.peak, INT64_C(0x7777777777777777));
    ladle_process_info process = {.struct_size = sizeof process};
    ladle_error error = blank_error();
    assert_ok(ladle_process_memory(&process, &error), error);
    assert_true(process.rss > 0 && process.peak_rss >= process.rss);
    end_context(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_counted_under_its_kind),
        cmocka_unit_test(small_allocations_are_zeroed_and_sized),
        cmocka_unit_test(array_sizes_do_not_wrap),
        cmocka_unit_test(moves_change_the_kind_not_the_sum),
        cmocka_unit_test(the_peak_never_falls),
        cmocka_unit_test(the_budget_refuses_and_pooled_blocks_leave_for_it),
        cmocka_unit_test(a_reclaimer_makes_room),
        cmocka_unit_test(threads_together_stay_within_the_budget),
        cmocka_unit_test(arenas_and_vectors_are_metadata),
        cmocka_unit_test(faults_strike_when_told),
        cmocka_unit_test(old_callers_get_what_fits_their_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
