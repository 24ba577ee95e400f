/* The HDF5 store's named file, damaged: every prefix and every changed byte of a small one is an error or changes
 * nothing that is read; what is made by hand, with right checksums, is held to what it can be. */
#include "base/little.h"
#include "store/hdf5_index.h"
#include "support/shelf.h"

#include <unistd.h>

/* In place of libc's: what these tests write need not survive the machine, and waiting for it takes most of the time.
 */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static const char *const keys[] = {"a", "b/c", "b/d", "empty", "e"};

/* A small file with a few buffers and a history. */
static shelf_bytes make_image(void)
{
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    shelf s;
    shelf_open(&s, context, shelf_path);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N_OF(keys); i++)
            assert_ok(shelf_try_put(&s, keys[i], strlen(keys[i]), LADLE_DTYPE_I32, i == 3 ? 0 : 20 * (int64_t)(i + 1),
                                    i == 1 ? "<i4|8,5" : NULL, round, &error),
                      error);
        assert_ok(shelf_commit(&s, &error), error);
    }
    shelf_close(&s);
    end_context(context);
    return shelf_image();
}

typedef struct outcome {
    int opened, refused, right, wrong_noticed;
} outcome;

/* Opens what is there, reads everything, changes and commits it. Asserts that all is right or an error. */
static void use_image(outcome *all)
{
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    shelf s;
    if (shelf_try_open(&s, context, shelf_path, &error) != LADLE_OK) {
        bool fits = error.status == LADLE_CORRUPT || error.status == LADLE_TRUNCATED ||
                    error.status == LADLE_CHECKSUM || error.status == LADLE_UNSUPPORTED;
        assert_true(fits && strlen(error.message) >= 10);
        assert_string_equal(error.where, shelf_path);
        all->refused++;
    } else {
        all->opened++;
        for (int i = 0; i < s.n; i++) {
            ladle_status status = shelf_try_check(&s, i, &error); /* asserts that they are right */
            assert_true(status == LADLE_OK || status == LADLE_CHECKSUM);
            all->right += status == LADLE_OK;
            all->wrong_noticed += status == LADLE_CHECKSUM;
        }
        shelf_put(&s, "new", LADLE_DTYPE_U8, 100, 9);
        assert_ok(shelf_commit(&s, &error), error);
    }
    shelf_close(&s);
    end_context(context);
}

static void every_prefix(void **state)
{
    (void)state;
    shelf_bytes made = make_image();
    outcome all = {0};
    for (size_t n = 1; n < made.nbytes; n++) {
        shelf_write(made.data, n);
        use_image(&all);
    }
    print_message("%zu prefixes: %d opened, %d refused\n", made.nbytes, all.opened, all.refused);
    assert_int_equal(all.wrong_noticed, 0);
    assert_true(all.refused > 500);
    free(made.data);
}

static void every_byte(void **state)
{
    (void)state;
    shelf_bytes made = make_image();
    outcome all = {0};
    static const uint8_t flips[] = {0x01, 0x80, 0xFF};
    for (size_t at = 0; at < made.nbytes; at++)
        for (size_t i = 0; i < N_OF(flips); i++) {
            made.data[at] ^= flips[i];
            shelf_write(made.data, made.nbytes);
            use_image(&all);
            made.data[at] ^= flips[i];
        }
    print_message("%zu bytes: %d opened, %d refused, %d buffers right, %d found out\n", made.nbytes, all.opened,
                  all.refused, all.right, all.wrong_noticed);
    /* Header and superblock, and the index, are refused whole; each byte of a value is found out. */
    assert_true(all.refused >= 3 * (LADLE_HDF5_HEAD + 5 * LADLE_HDF5_RECORD));
    assert_int_equal(all.wrong_noticed, 3 * 4 * 20 * (1 + 2 + 3 + 5));
    free(made.data);
}

/* --- made by hand ---------------------------------------------------------------------------- */

static void sign(shelf_bytes *made)
{
    ladle_store_le64(made->data + 504, ladle_xxh3_64(made->data, 504));
}

static uint64_t header_field(const shelf_bytes *made, int at)
{
    return ladle_load_le64(made->data + at);
}

static void sign_index(shelf_bytes *made)
{
    uint64_t offset = header_field(made, 32), nbytes = header_field(made, 40);
    if (offset <= made->nbytes && nbytes <= made->nbytes - offset)
        ladle_store_le64(made->data + 48, ladle_xxh3_64(made->data + offset, nbytes));
    sign(made);
}

/* Whatever numbers a header or an index has, with right checksums: no crash, no lie, no hang. */
static void numbers_are_not_believed(void **state)
{
    (void)state;
    shelf_bytes made = make_image(), changed = {malloc(made.nbytes), made.nbytes};
    assert_non_null(changed.data);
    int64_t index = (int64_t)header_field(&made, 32), index_nbytes = (int64_t)header_field(&made, 40);
    const uint64_t values[] = {0,
                               1,
                               7,
                               64,
                               576,
                               (uint64_t)made.nbytes,
                               UINT32_MAX,
                               INT32_MAX,
                               INT64_MAX,
                               UINT64_MAX,
                               (uint64_t)made.nbytes + 1,
                               INT64_MAX - 63,
                               (uint64_t)1 << 62,
                               (uint64_t)index,
                               (uint64_t)index_nbytes};
    outcome all = {0};
    for (size_t i = 0; i < N_OF(values); i++) {
        for (int at = 8; at < 400; at += 4)
            for (int size = 4; size <= 8; size += 4) {
                memcpy(changed.data, made.data, made.nbytes);
                ladle_store_le(changed.data + at, values[i], size);
                sign_index(&changed);
                shelf_write(changed.data, changed.nbytes);
                use_image(&all);
            }
        for (int64_t at = index; at < index + index_nbytes; at += 2)
            for (int size = 2; size <= 8; size *= 2) {
                if (at + size > index + index_nbytes)
                    continue;
                memcpy(changed.data, made.data, made.nbytes);
                ladle_store_le(changed.data + at, values[i], size);
                sign_index(&changed);
                shelf_write(changed.data, changed.nbytes);
                ladle_context *context = begin_context();
                ladle_error error = blank_error();
                shelf s;
                if (shelf_try_open(&s, context, shelf_path, &error) != LADLE_OK) {
                    all.refused++;
                } else {
                    all.opened++;
                    for (int j = 0; j < s.n; j++) { /* key, count and place may be others': the checksum tells */
                        const ladle_store_item *item = &s.items[j];
                        ladle_lease *lease;
                        ladle_status status =
                            s.store->ops->wake(s.store, item->form, item->dtype, item->count, &lease, &error);
                        assert_true(status == LADLE_OK || status == LADLE_CHECKSUM || status == LADLE_TRUNCATED);
                        ladle_lease_release(lease);
                    }
                }
                shelf_close(&s);
                end_context(context);
            }
    }
    print_message("%d opened, %d refused\n", all.opened, all.refused);
    assert_true(all.opened > 0 && all.refused > 0);
    free(made.data);
    free(changed.data);
}

/* A header that was never committed is an empty cache, whatever lies behind it. */
static void never_committed_is_empty(void **state)
{
    (void)state;
    static uint8_t data[8192];
    memset(data, 0x5A, sizeof data);
    ladle_hdf5_header_encode(&(ladle_hdf5_header){0}, data);
    static const size_t sizes[] = {512, 513, 559, 560, 8192};
    for (size_t i = 0; i < N_OF(sizes); i++) {
        shelf_write(data, sizes[i]);
        ladle_context *context = begin_context();
        shelf s;
        shelf_open(&s, context, shelf_path);
        assert_int_equal(s.n, 0);
        shelf_close(&s);
        end_context(context);
    }
}

/* Versions and byte orders to come are told apart from damage. */
static void other_versions_are_unsupported(void **state)
{
    (void)state;
    shelf_bytes made = make_image();
    for (int at = 8; at <= 12; at += 4) {
        made.data[at] ^= 3;
        sign(&made);
        shelf_write(made.data, made.nbytes);
        ladle_context *context = begin_context();
        ladle_error error = blank_error();
        shelf s;
        assert_status(shelf_try_open(&s, context, shelf_path, &error), LADLE_UNSUPPORTED, error);
        end_context(context);
        made.data[at] ^= 3;
    }
    free(made.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_prefix, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(every_byte, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(numbers_are_not_believed, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(never_committed_is_empty, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(other_versions_are_unsupported, shelf_set_up, shelf_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
