#include "support/store_conformance.h"

#include "support/check.h"

static ladle_lease *block(ladle_context *context, ladle_dtype dtype, int64_t count, uint64_t seed)
{
    ladle_error error = blank_error();
    ladle_lease *lease = ladle_lease_create(context, dtype, count, &error);
    assert_some(lease, error);
    random_fill(&seed, ladle_lease_writable(lease), (size_t)ladle_lease_nbytes(lease));
    return lease;
}

static ladle_status rest(ladle_store *store, ladle_lease *lease, void **form, int64_t *nbytes, ladle_error *error)
{
    ladle_values values = {
        .dtype = ladle_lease_dtype(lease),
        .count = ladle_lease_count(lease),
        .data = ladle_lease_data(lease),
        .lease = lease,
    };
    return store->ops->rest(store, &values, form, nbytes, error);
}

static bool is_pinned(ladle_store *store, void *form)
{
    return store->ops->pinned != NULL && store->ops->pinned(store, form);
}

static void assert_is(const ladle_lease *lease, ladle_dtype dtype, int64_t count, uint64_t seed)
{
    assert_int_equal(ladle_lease_dtype(lease), dtype);
    assert_int_equal(ladle_lease_count(lease), count);
    assert_int_equal((uintptr_t)ladle_lease_data(lease) % 64, 0);
    size_t nbytes = (size_t)ladle_lease_nbytes(lease);
    uint8_t *expected = malloc(nbytes + 1);
    assert_non_null(expected);
    random_fill(&seed, expected, nbytes);
    if (nbytes > 0)
        assert_memory_equal(ladle_lease_data(lease), expected, nbytes);
    free(expected);
}

/* What was put to rest comes back bit for bit, as often as asked, and each form is its own. */
static void comes_back(ladle_context *context, ladle_store *store)
{
    static const int64_t counts[] = {0, 1, 7, 1000, 100000};
    enum { N = 5 * (LADLE_DTYPE_F64 + 1) };
    void *forms[N] = {0};
    int n = 0;
    for (size_t i = 0; i < N_OF(counts); i++)
        for (int dtype = LADLE_DTYPE_BOOL; dtype <= LADLE_DTYPE_F64; dtype++, n++) {
            ladle_error error = blank_error();
            ladle_lease *lease = block(context, (ladle_dtype)dtype, counts[i], (uint64_t)n + 1);
            int64_t nbytes = -1;
            assert_ok(rest(store, lease, &forms[n], &nbytes, &error), error);
            assert_non_null(forms[n]);
            assert_true(nbytes >= 0);
            assert_is(lease, (ladle_dtype)dtype, counts[i], (uint64_t)n + 1); /* the caller's, still */
            ladle_lease_release(lease);
        }
    for (int round = 0; round < 2; round++) {
        n = 0;
        for (size_t i = 0; i < N_OF(counts); i++)
            for (int dtype = LADLE_DTYPE_BOOL; dtype <= LADLE_DTYPE_F64; dtype++, n++) {
                ladle_error error = blank_error();
                ladle_lease *first, *second;
                assert_false(is_pinned(store, forms[n]));
                assert_ok(store->ops->wake(store, forms[n], (ladle_dtype)dtype, counts[i], &first, &error), error);
                assert_ok(store->ops->wake(store, forms[n], (ladle_dtype)dtype, counts[i], &second, &error), error);
                assert_is(first, (ladle_dtype)dtype, counts[i], (uint64_t)n + 1);
                assert_is(second, (ladle_dtype)dtype, counts[i], (uint64_t)n + 1);
                ladle_lease_release(first);
                ladle_lease_release(second);
            }
    }
    while (n > 0)
        store->ops->drop(store, forms[--n]);
}

/* The ledger: what `rest` says is what is held at rest, unless it is on disk, and nothing is when it is dropped. */
static void is_counted(ladle_context *context, ladle_store *store)
{
    ladle_error error = blank_error();
    (void)ladle_context_trim(context);
    int64_t before = held_of(context, LADLE_MEMORY_RESTING) + held_of(context, LADLE_MEMORY_COMPRESSED);
    ladle_lease *lease = block(context, LADLE_DTYPE_I32, 50000, 3);
    void *form;
    int64_t nbytes;
    assert_ok(rest(store, lease, &form, &nbytes, &error), error);
    ladle_lease_release(lease);
    assert_int_equal(held_of(context, LADLE_MEMORY_LEASED), 0);
    bool on_disk = (store->ops->capabilities & LADLE_STORE_ON_DISK) != 0;
    assert_int_equal(held_of(context, LADLE_MEMORY_RESTING) + held_of(context, LADLE_MEMORY_COMPRESSED) - before,
                     on_disk ? 0 : nbytes);
    store->ops->drop(store, form);
    assert_int_equal(held_of(context, LADLE_MEMORY_RESTING) + held_of(context, LADLE_MEMORY_COMPRESSED), before);
}

/* Dropped while in use: the user's bytes stay until the user is done. */
static void users_are_safe(ladle_context *context, ladle_store *store)
{
    ladle_error error = blank_error();
    ladle_lease *lease = block(context, LADLE_DTYPE_F32, 1234, 8), *used;
    void *form;
    int64_t nbytes;
    assert_ok(rest(store, lease, &form, &nbytes, &error), error);
    ladle_lease_release(lease);
    assert_ok(store->ops->wake(store, form, LADLE_DTYPE_F32, 1234, &used, &error), error);
    store->ops->drop(store, form);
    assert_is(used, LADLE_DTYPE_F32, 1234, 8);
    ladle_lease_release(used);
}

/* Each allocation fails: an error, and nothing left; then it works. */
static void fails_cleanly(ladle_context *context, ladle_store *store)
{
    ladle_error error = blank_error();
    ladle_lease *lease = block(context, LADLE_DTYPE_I64, 3000, 5);
    for (int64_t k = 1;; k++) {
        void *form = NULL;
        int64_t nbytes;
        ladle_lease *woken = NULL;
        ladle_fault_arm(context, LADLE_FAULT_ALLOC, k, false);
        ladle_status status = rest(store, lease, &form, &nbytes, &error);
        if (status == LADLE_OK) {
            status = store->ops->wake(store, form, LADLE_DTYPE_I64, 3000, &woken, &error);
            assert_int_equal(woken != NULL, status == LADLE_OK);
        }
        int64_t n = ladle_fault_disarm(context, LADLE_FAULT_ALLOC);
        if (status != LADLE_OK)
            assert_error(error, LADLE_NOMEM, NULL);
        else
            assert_is(woken, LADLE_DTYPE_I64, 3000, 5);
        ladle_lease_release(woken);
        if (form != NULL)
            store->ops->drop(store, form);
        if (k > n)
            break;
    }
    ladle_lease_release(lease);
}

void assert_conforms(make_store make)
{
    void (*const promises[])(ladle_context *, ladle_store *) = {comes_back, is_counted, users_are_safe, fails_cleanly};
    for (size_t i = 0; i < N_OF(promises); i++) {
        ladle_context *context = begin_context();
        ladle_store *store = make(context);
        assert_non_null(store);
        assert_true(store->ops->name[0] != '\0');
        promises[i](context, store);
        store->ops->release(store);
        end_context(context);
    }
}
