/* The heap: size classes, recycling, the pool's bound, and giving back.
 *
 * Under a sanitizer the heap is malloc: what is about classes and recycling is then skipped. */
#include "memory/heap.h"
#include "support/check.h"

#include <pthread.h>
#include <sys/mman.h>

static bool is_malloc(void)
{
    return ladle_heap_capacity(65) == 65;
}

static int begin(void **state)
{
    ladle_heap *heap = calloc(1, sizeof *heap);
    *state = heap;
    return heap == NULL ? 1 : ladle_heap_init(heap, 1 << 20);
}

static int end(void **state)
{
    ladle_heap_destroy(*state);
    free(*state);
    return 0;
}

static void *get(ladle_heap *heap, size_t size, size_t *capacity)
{
    ladle_heap_request request = {.size = size};
    void *memory = ladle_heap_get(heap, &request);
    *capacity = request.capacity;
    assert_non_null(memory);
    assert_true(*capacity >= size);
    assert_int_equal((uintptr_t)memory % 64, 0);
    if (request.zeroed)
        for (size_t i = 0; i < *capacity; i += *capacity < 4096 ? 1 : 509)
            assert_int_equal(((uint8_t *)memory)[i], 0);
    return memory;
}

static void classes_waste_little(void **state)
{
    (void)state;
    if (is_malloc())
        skip();
    size_t last = 0;
    for (size_t size = 1; size < (1 << 20); size += size < 70000 ? 1 : 997) {
        size_t capacity = ladle_heap_capacity(size);
        assert_true(capacity >= size && capacity >= last);
        /* 8 classes per doubling when small, 16 when large, 64 bytes or a page at least. */
        size_t slack = size <= 32768 ? size / 8 + 64 : size / 16 + 4096;
        assert_true(capacity - size <= slack);
        assert_int_equal(ladle_heap_capacity(capacity), capacity);
        last = capacity;
    }
    assert_int_equal(ladle_heap_capacity(0), ladle_heap_capacity(1));
}

/* No size makes the rounding wrap or run for ever. */
static void absurd_sizes_are_refused(void **state)
{
    for (int bit = 45; bit < 64; bit++)
        for (int less = 0; less < 2; less++) {
            size_t size = (SIZE_MAX >> (63 - bit)) - (size_t)less * 4096;
            ladle_heap_request request = {.size = size};
            assert_true(ladle_heap_capacity(size) >= size || ladle_heap_capacity(size) == 0);
            /* A sanitizer's malloc ends the program where one would return NULL. */
            if (bit > 47 && (!is_malloc() || bit == 63))
                assert_null(ladle_heap_get(*state, &request));
        }
}

static void small_objects_are_apart_and_recycled(void **state)
{
    enum { N = 3000 };
    ladle_heap *heap = *state;
    uint64_t seed = 3;
    static uint8_t *objects[N];
    static size_t sizes[N], capacities[N];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            sizes[i] = (size_t)random_below(&seed, 2000) + 1;
            objects[i] = get(heap, sizes[i], &capacities[i]);
            memset(objects[i], i & 0xff, capacities[i]);
        }
        for (int i = 0; i < N; i++) {
            assert_int_equal(objects[i][0], i & 0xff);
            assert_int_equal(objects[i][capacities[i] - 1], i & 0xff);
        }
        for (int i = 0; i < N; i++)
            ladle_heap_put(heap, objects[(i * 7) % N], capacities[(i * 7) % N]);
    }
    /* One empty slab for each class may stay, and goes with a trim. */
    int64_t kept = ladle_heap_free_nbytes(heap);
    if (!is_malloc())
        assert_true(kept > 0 && kept <= LADLE_SMALL_CLASSES * 256 * 1024);
    assert_int_equal(ladle_heap_trim(heap), kept);
    assert_int_equal(ladle_heap_free_nbytes(heap), 0);
}

static void large_blocks_go_through_the_pool(void **state)
{
    if (is_malloc())
        skip();
    ladle_heap *heap = *state;
    size_t capacity, again;
    uint8_t *block = get(heap, 200000, &capacity);
    memset(block, 1, capacity);
    ladle_heap_put(heap, block, capacity);
    assert_int_equal(ladle_heap_free_nbytes(heap), capacity);
    /* A smaller request takes its head; the rest stays free, and is the next one's. */
    uint8_t *head = get(heap, capacity / 2, &again);
    assert_ptr_equal(head, block);
    assert_int_equal(again, ladle_heap_capacity(capacity / 2));
    assert_int_equal(ladle_heap_free_nbytes(heap), capacity - again);
    size_t rest;
    uint8_t *tail = get(heap, capacity - again, &rest);
    assert_ptr_equal(tail, block + again);
    assert_int_equal(ladle_heap_free_nbytes(heap), 0);
    ladle_heap_put(heap, head, again);
    /* A larger request grows it, with what was written still there: the pages are the same. */
    size_t grown;
    uint8_t *larger = get(heap, 2 * again, &grown);
    assert_int_equal(ladle_heap_free_nbytes(heap), 0);
    assert_int_equal(larger[again - 1], 1);
    memset(larger, 2, grown);
    ladle_heap_put(heap, larger, grown);
    ladle_heap_put(heap, tail, rest);
    assert_int_equal(ladle_heap_free_nbytes(heap), grown + rest);
    /* One that is far larger than anything free takes fresh pages. */
    size_t far;
    uint8_t *fresh = get(heap, 16 * grown, &far);
    assert_int_equal(ladle_heap_free_nbytes(heap), grown + rest);
    ladle_heap_put(heap, fresh, far);
}

static void the_pool_is_bounded(void **state)
{
    if (is_malloc())
        skip();
    ladle_heap *heap = *state; /* of 1 MiB */
    enum { N = 40 };
    void *blocks[N];
    size_t capacities[N], capacity;
    for (int i = 0; i < N; i++)
        blocks[i] = get(heap, (size_t)(50 + i) << 10, &capacities[i]);
    for (int i = 0; i < N; i++) {
        ladle_heap_put(heap, blocks[i], capacities[i]);
        assert_true(ladle_heap_free_nbytes(heap) <= 1 << 20);
    }
    assert_true(ladle_heap_free_nbytes(heap) > (1 << 20) - (100 << 10));
    /* The oldest left first: the newest is still there. */
    assert_ptr_equal(get(heap, capacities[N - 1], &capacity), blocks[N - 1]);
    ladle_heap_put(heap, blocks[N - 1], capacity);
    /* Of what is larger than the pool, as much stays as it may hold. */
    void *huge = get(heap, 2 << 20, &capacity);
    ladle_heap_put(heap, huge, capacity);
    assert_int_equal(ladle_heap_free_nbytes(heap), 1 << 20);
    assert_ptr_equal(get(heap, 1 << 20, &capacity), huge);
    ladle_heap_put(heap, huge, capacity);
    ladle_heap_set_pool(heap, 300 << 10, 0);
    assert_true(ladle_heap_free_nbytes(heap) <= 300 << 10);
    ladle_heap_set_pool(heap, 0, 0);
    assert_int_equal(ladle_heap_free_nbytes(heap), 0);
}

static void the_pool_has_few_slots(void **state)
{
    if (is_malloc())
        skip();
    ladle_heap *heap = *state;
    ladle_heap_set_pool(heap, INT64_C(1) << 40, 0);
    enum { N = LADLE_POOL_SLOTS + 50 };
    static void *blocks[2 * N];
    size_t capacity = 0;
    for (int i = 0; i < 2 * N; i++)
        blocks[i] = get(heap, 40000, &capacity);
    for (int i = 0; i < N; i++) /* neighbours stay, so that none is joined */
        ladle_heap_put(heap, blocks[2 * i], capacity);
    assert_int_equal(ladle_heap_free_nbytes(heap), (int64_t)capacity * LADLE_POOL_SLOTS);
    assert_int_equal(ladle_heap_trim(heap), (int64_t)capacity * LADLE_POOL_SLOTS);
    for (int i = 0; i < N; i++)
        ladle_heap_put(heap, blocks[2 * i + 1], capacity);
}

/* What was cut off a block is one with it again when both are free, in whatever order. */
static void neighbours_are_joined(void **state)
{
    if (is_malloc())
        skip();
    ladle_heap *heap = *state;
    for (int order = 0; order < 2; order++) {
        size_t whole, kept = ladle_heap_capacity(400 << 10);
        uint8_t *block = get(heap, 1 << 20, &whole);
        memset(block, 1, whole);
        assert_true(ladle_heap_cut(heap, block, whole, kept));
        size_t tail_capacity;
        uint8_t *tail = get(heap, whole - kept, &tail_capacity);
        assert_ptr_equal(tail, block + kept);
        ladle_heap_put(heap, order == 0 ? block : tail, order == 0 ? kept : whole - kept);
        ladle_heap_put(heap, order == 0 ? tail : block, order == 0 ? whole - kept : kept);
        assert_ptr_equal(get(heap, 1 << 20, &whole), block);
        ladle_heap_put(heap, block, whole);
        assert_int_equal(ladle_heap_trim(heap), whole);
    }
}

static void trim_gives_pages_back_to_the_system(void **state)
{
    if (is_malloc())
        skip();
    ladle_heap *heap = *state;
    size_t capacity;
    uint8_t *block = get(heap, 256 << 10, &capacity);
    memset(block, 1, capacity);
    unsigned char resident;
    ladle_heap_put(heap, block, capacity);
    assert_int_equal(mincore(block, 4096, &resident), 0); /* pooled: still mapped */
    assert_int_equal(ladle_heap_trim(heap), capacity);
    assert_int_not_equal(mincore(block, 4096, &resident), 0);
}

/* Nothing goes beyond the ceiling, the refusal says by how much, and what is free already needs
 * none. */
static void the_ceiling_holds(void **state)
{
    ladle_heap *heap = *state;
    const int64_t ceiling = 1 << 20;
    uint64_t seed = 8;
    enum { N = 200 };
    static void *held[N];
    static size_t capacities[N];
    int refused = 0;
    for (int i = 0; i < 20000; i++) {
        int64_t k = random_below(&seed, N);
        if (held[k] != NULL)
            ladle_heap_put(heap, held[k], capacities[k]);
        ladle_heap_request request = {.size = (size_t)random_below(&seed, i % 8 == 0 ? 100000 : 9000) + 1,
                                      .ceiling = ceiling};
        held[k] = ladle_heap_get(heap, &request);
        capacities[k] = request.capacity;
        refused += held[k] == NULL;
        assert_int_equal(held[k] == NULL, request.excess > 0);
        assert_true(heap->held_nbytes <= ceiling);
        assert_true(ladle_heap_peak_nbytes(heap) <= ceiling);
        if (held[k] == NULL)
            (void)ladle_heap_trim(heap);
    }
    assert_true(refused > 100);
    for (int k = 0; k < N; k++)
        if (held[k] != NULL)
            ladle_heap_put(heap, held[k], capacities[k]);
    (void)ladle_heap_trim(heap);
    assert_int_equal(heap->held_nbytes, 0);
    ladle_heap_charge(heap, 5);
    assert_int_equal(heap->held_nbytes, 5);
    ladle_heap_charge(heap, -5);
}

static void *churn(void *argument)
{
    ladle_heap *heap = argument;
    uint64_t seed = (uint64_t)(uintptr_t)&seed | 1;
    void *held[32] = {0};
    size_t capacities[32];
    for (int i = 0; i < 4000; i++) {
        int64_t k = random_below(&seed, 32);
        if (held[k] != NULL) {
            if (*(uint8_t *)held[k] != (uint8_t)k)
                return heap;
            ladle_heap_put(heap, held[k], capacities[k]);
        }
        held[k] = get(heap, (size_t)random_below(&seed, i % 16 == 0 ? 100000 : 900) + 1, &capacities[k]);
        *(uint8_t *)held[k] = (uint8_t)k;
        if (i % 500 == 0)
            (void)ladle_heap_trim(heap);
    }
    for (int k = 0; k < 32; k++)
        if (held[k] != NULL)
            ladle_heap_put(heap, held[k], capacities[k]);
    return NULL;
}

/* Towards a goal the pool keeps what was in use at once, and little more, however badly the sizes fit. */
static void a_goal_is_no_aim(void **state)
{
    ladle_heap *heap = *state;
    if (is_malloc())
        skip();
    enum { SLOTS = 24, ROUNDS = 20000 };
    ladle_heap_set_pool(heap, 1 << 20, INT64_C(1) << 40);
    void *blocks[SLOTS] = {NULL};
    size_t capacities[SLOTS];
    uint64_t seed = 7;
    int64_t live = 0, high = 0;
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t slot = (seed >> 33) % SLOTS, size = (size_t)1 << (16 + (seed >> 40) % 7);
        if (blocks[slot] != NULL) {
            ladle_heap_put(heap, blocks[slot], capacities[slot]);
            live -= (int64_t)capacities[slot];
        }
        blocks[slot] = get(heap, size + (seed >> 50) % size, &capacities[slot]);
        live += (int64_t)capacities[slot];
        high = live > high ? live : high;
        assert_true(heap->held_nbytes <= high + high / 16 + (16 << 20));
    }
    /* Without a goal it is the pool's own bound again. */
    ladle_heap_set_pool(heap, 1 << 20, 0);
    assert_true(ladle_heap_free_nbytes(heap) <= 1 << 20);
    for (int i = 0; i < SLOTS; i++)
        ladle_heap_put(heap, blocks[i], capacities[i]);
}

static void threads_share_it(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < N_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, *state), 0);
    for (size_t i = 0; i < N_OF(threads); i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    (void)ladle_heap_trim(*state);
    assert_int_equal(ladle_heap_free_nbytes(*state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_waste_little),
        cmocka_unit_test_setup_teardown(absurd_sizes_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(small_objects_are_apart_and_recycled, begin, end),
        cmocka_unit_test_setup_teardown(large_blocks_go_through_the_pool, begin, end),
        cmocka_unit_test_setup_teardown(the_pool_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(the_pool_has_few_slots, begin, end),
        cmocka_unit_test_setup_teardown(neighbours_are_joined, begin, end),
        cmocka_unit_test_setup_teardown(trim_gives_pages_back_to_the_system, begin, end),
        cmocka_unit_test_setup_teardown(the_ceiling_holds, begin, end),
        cmocka_unit_test_setup_teardown(a_goal_is_no_aim, begin, end),
        cmocka_unit_test_setup_teardown(threads_share_it, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
