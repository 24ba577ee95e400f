/* Every store passes the same test. */
#include "support/check.h"
#include "support/store_conformance.h"

#include <unistd.h>

static ladle_store *make_raw(ladle_context *context)
{
    (void)context;
    return ladle_store_raw();
}

static void raw_conforms(void **state)
{
    (void)state;
    assert_conforms(make_raw);
}

/* Each way to compress, by one thread and by two. */
static ladle_compressed_options compressed_options;

static ladle_store *make_compressed(ladle_context *context)
{
    ladle_error error = blank_error();
    ladle_store *store = ladle_store_compressed_create(context, &compressed_options, &error);
    assert_some(store, error);
    return store;
}

static void compressed_conforms(void **state)
{
    (void)state;
    static const ladle_compressed_options all[] = {
        {0},
        {.threads = 2},
        {.codec = "lz4", .level = 5, .shuffle = "byte"},
        {.codec = "lz4hc", .shuffle = "none", .threads = 2},
        {.codec = "zlib", .level = 9},
        {.codec = "blosclz", .level = 9, .shuffle = "byte", .threads = 2},
        {.codec = "zstd", .level = 4, .shuffle = "none"},
    };
    for (size_t i = 0; i < N_OF(all); i++) {
        compressed_options = all[i];
        compressed_options.struct_size = sizeof all[i];
        assert_conforms(make_compressed);
    }
}

static ladle_store *make_hdf5(ladle_context *context, const char *path)
{
    ladle_error error = blank_error();
    ladle_hdf5_options options = {.struct_size = sizeof options, .path = path};
    ladle_store *store = ladle_store_hdf5_create(context, &options, &error);
    assert_some(store, error);
    return store;
}

static ladle_store *make_scratch(ladle_context *context)
{
    return make_hdf5(context, NULL);
}

static void hdf5_scratch_conforms(void **state)
{
    (void)state;
    int before = count_fds();
    assert_conforms(make_scratch);
    assert_int_equal(count_fds(), before);
}

static char named_path[64];

static ladle_store *make_named(ladle_context *context)
{
    return make_hdf5(context, named_path);
}

static void hdf5_named_conforms(void **state)
{
    (void)state;
    (void)snprintf(named_path, sizeof named_path, "/tmp/ladle-store-%ld.h5", (long)getpid());
    assert_conforms(make_named);
    assert_int_equal(unlink(named_path), 0);
}

/* In the raw store a buffer at rest is its own block: pinned means that it is in use. */
static void raw_lends_its_own_block(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_store *store = ladle_store_raw();
    ladle_lease *lease = ladle_lease_create(context, LADLE_DTYPE_I32, 10, &error), *again;
    assert_some(lease, error);
    const void *data = ladle_lease_data(lease);
    void *form;
    int64_t nbytes;
    ladle_values values = {.dtype = LADLE_DTYPE_I32, .count = 10, .data = ladle_lease_data(lease), .lease = lease};
    assert_ok(store->ops->rest(store, &values, &form, &nbytes, &error), error);
    assert_int_equal(nbytes, ladle_lease_held_nbytes(lease));
    assert_true(store->ops->pinned(store, form));
    ladle_lease_release(lease);
    assert_false(store->ops->pinned(store, form));
    assert_ok(store->ops->wake(store, form, LADLE_DTYPE_I32, 10, &again, &error), error);
    assert_ptr_equal(ladle_lease_data(again), data);
    assert_true(store->ops->pinned(store, form));
    ladle_lease_release(again);
    store->ops->drop(store, form);
    end_context(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_conforms),        cmocka_unit_test(hdf5_scratch_conforms),
        cmocka_unit_test(hdf5_named_conforms), cmocka_unit_test(raw_lends_its_own_block),
        cmocka_unit_test(compressed_conforms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
