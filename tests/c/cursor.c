/* The cursor: what it reads, where it stops, and what it says then. */
#include "base/cursor.h"
#include "support/check.h"

static const uint8_t plain[] = {0x01, 0x82, 0x03, 0x04, 0xff, 0xfe, 0xfd, 0xfc,
                                0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};

static ladle_cursor cursor_over(const void *data, size_t nbytes, ladle_error *error)
{
    ladle_cursor c;
    ladle_cursor_init(&c, data, nbytes, 1000, false, error);
    return c;
}

static void reads_big_endian_values(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_cursor c = cursor_over(plain, sizeof plain, &error);
    assert_int_equal(ladle_cursor_u8(&c, "a"), 1);
    assert_int_equal(ladle_cursor_u16(&c, "b"), 0x8203);
    assert_int_equal(ladle_cursor_position(&c), 3);
    assert_int_equal(ladle_cursor_u8(&c, "c"), 4);
    assert_int_equal(ladle_cursor_i32(&c, "d"), -66052);
    assert_true(ladle_cursor_i64(&c, "e") == INT64_C(0x1112131415161718));
    assert_int_equal(ladle_cursor_left(&c), 0);
    assert_true(ladle_cursor_ok(&c));
    c = cursor_over(plain, sizeof plain, &error);
    assert_int_equal(ladle_cursor_i16(&c, "f"), 0x0182);
    assert_int_equal(ladle_cursor_u32(&c, "g"), 0x0304fffe);
    assert_int_equal(ladle_cursor_i16(&c, "h"), -516);
}

/* Each read of `size` bytes succeeds with that many left and fails with one less. */
static void each_read_needs_all_its_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 4, 8};
    for (size_t i = 0; i < N_OF(sizes); i++)
        for (size_t left = 0; left <= sizes[i]; left++) {
            ladle_error error = blank_error();
            ladle_cursor c = cursor_over(plain + 4, left, &error);
            uint64_t value = sizes[i] == 1   ? ladle_cursor_u8(&c, "field")
                             : sizes[i] == 2 ? ladle_cursor_u16(&c, "field")
                             : sizes[i] == 4 ? ladle_cursor_u32(&c, "field")
                                             : (uint64_t)ladle_cursor_i64(&c, "field");
            assert_int_equal(ladle_cursor_ok(&c), left == sizes[i]);
            if (left == sizes[i]) {
                assert_true(value != 0);
                continue;
            }
            assert_true(value == 0);
            assert_error(error, LADLE_TRUNCATED, "field needs");
            assert_int_equal(error.offset, 1000);
            assert_int_equal(ladle_cursor_left(&c), left);
        }
}

static void the_first_failure_sticks(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_cursor c = cursor_over(plain, 6, &error);
    (void)ladle_cursor_u32(&c, "first");
    (void)ladle_cursor_u32(&c, "second");
    assert_error(error, LADLE_TRUNCATED, "second needs 4 bytes, 2 are left");
    assert_int_equal(error.offset, 1004);
    ladle_error kept = error;
    assert_int_equal(ladle_cursor_u8(&c, "third"), 0);
    assert_int_equal(ladle_cursor_u16(&c, "third"), 0);
    assert_true(ladle_cursor_i64(&c, "third") == 0);
    assert_null(ladle_cursor_take(&c, 0, "third"));
    assert_int_equal(ladle_cursor_string(&c, "third").nbytes, 0);
    assert_int_equal(ladle_cursor_c_string(&c, 8, "third").nbytes, 0);
    ladle_cursor_seek(&c, 5, "third");
    assert_int_equal(ladle_cursor_fail(&c, LADLE_CORRUPT, "third"), LADLE_TRUNCATED);
    assert_int_equal(ladle_cursor_position(&c), 4);
    assert_memory_equal(&kept, &error, sizeof error);
}

static void negative_and_huge_lengths_are_refused(void **state)
{
    (void)state;
    static const int64_t lengths[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 40, 17};
    for (size_t i = 0; i < N_OF(lengths); i++) {
        ladle_error error = blank_error();
        ladle_cursor c = cursor_over(plain, sizeof plain, &error);
        assert_null(ladle_cursor_take(&c, lengths[i], "block"));
        assert_error(error, lengths[i] < 0 ? LADLE_CORRUPT : LADLE_TRUNCATED, "block");
        c = cursor_over(plain, sizeof plain, NULL);
        ladle_cursor_skip(&c, lengths[i], "block");
        assert_false(ladle_cursor_ok(&c));
    }
    ladle_cursor c = cursor_over(plain, sizeof plain, NULL);
    assert_ptr_equal(ladle_cursor_take(&c, 16, "all"), plain);
    assert_ptr_equal(ladle_cursor_take(&c, 0, "nothing"), plain + 16);
}

static void seeks_forwards_only(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_cursor c = cursor_over(plain, sizeof plain, &error);
    ladle_cursor_seek(&c, 8, "frame");
    assert_int_equal(ladle_cursor_u8(&c, "x"), 0x11);
    ladle_cursor_seek(&c, 9, "frame");
    assert_true(ladle_cursor_ok(&c));
    ladle_cursor_seek(&c, 8, "frame");
    assert_error(error, LADLE_CORRUPT, "frame ends at byte 8, but its fields reach byte 9");
    c = cursor_over(plain, sizeof plain, &error);
    ladle_cursor_seek(&c, INT64_MAX, "frame");
    assert_error(error, LADLE_TRUNCATED, "frame");
    c = cursor_over(plain, sizeof plain, &error);
    ladle_cursor_seek(&c, INT64_MIN, "frame");
    assert_error(error, LADLE_CORRUPT, "frame");
}

static void strings_have_two_lengths(void **state)
{
    (void)state;
    static const uint8_t shorts[] = {3, 'a', 'b', 'c', 0, 255, 0, 0, 0, 2, 'd', 'e'};
    ladle_error error = blank_error();
    ladle_cursor c = cursor_over(shorts, sizeof shorts, &error);
    assert_true(ladle_text_equals(ladle_cursor_string(&c, "s"), "abc"));
    assert_true(ladle_text_equals(ladle_cursor_string(&c, "s"), ""));
    ladle_text last = ladle_cursor_string(&c, "s");
    assert_true(ladle_text_equals(last, "de"));
    assert_false(ladle_text_equals(last, "d"));
    assert_false(ladle_text_equals(last, "dex"));
    assert_int_equal(ladle_cursor_left(&c), 0);

    static const uint8_t lies[][6] = {{4, 'a', 'b', 'c', 'd', 0},
                                      {255, 0x7f, 0xff, 0xff, 0xff, 'a'},
                                      {255, 0xff, 0xff, 0xff, 0xff, 'a'},
                                      {254, 0, 0, 0, 0, 0}};
    for (size_t i = 0; i < N_OF(lies); i++) {
        c = cursor_over(lies[i], i == 0 ? 4 : 6, &error);
        ladle_text text = ladle_cursor_string(&c, "title");
        assert_int_equal(text.nbytes, 0);
        assert_non_null(text.data);
        assert_error(error, i == 2 ? LADLE_CORRUPT : LADLE_TRUNCATED, "title");
    }
}

static void c_strings_end_in_time(void **state)
{
    (void)state;
    static const char text[] = "TBranch";
    ladle_error error = blank_error();
    for (size_t limit = 0; limit < 12; limit++)
        for (size_t nbytes = 0; nbytes <= sizeof text; nbytes++) {
            ladle_cursor c = cursor_over(text, nbytes, &error);
            ladle_text found = ladle_cursor_c_string(&c, limit, "class name");
            bool fits = nbytes >= sizeof text && limit >= sizeof text;
            assert_int_equal(ladle_cursor_ok(&c), fits);
            if (fits)
                assert_true(ladle_text_equals(found, text));
            else
                assert_error(error, LADLE_CORRUPT, "class name is not terminated");
        }
}

static void says_where_in_an_inflated_object(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_cursor c;
    ladle_cursor_init(&c, plain, sizeof plain, 4711, true, &error);
    ladle_cursor_skip(&c, 12, "x");
    (void)ladle_cursor_i64(&c, "fEntries");
    assert_error(error, LADLE_TRUNCATED, "fEntries needs 8 bytes, 4 are left (byte 12 of the object)");
    assert_int_equal(error.offset, 4711);
}

static void long_messages_are_cut_not_spilled(void **state)
{
    (void)state;
    char name[1000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct {
        ladle_error error;
        char guard[16];
    } both;
    memset(&both, 0x2a, sizeof both);
    ladle_cursor c = cursor_over(plain, 1, &both.error);
    (void)ladle_cursor_i64(&c, name);
    assert_int_equal(both.error.status, LADLE_TRUNCATED);
    assert_non_null(memchr(both.error.message, '\0', sizeof both.error.message));
    for (size_t i = 0; i < sizeof both.guard; i++)
        assert_int_equal(both.guard[i], 0x2a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_big_endian_values),
        cmocka_unit_test(each_read_needs_all_its_bytes),
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(negative_and_huge_lengths_are_refused),
        cmocka_unit_test(seeks_forwards_only),
        cmocka_unit_test(strings_have_two_lengths),
        cmocka_unit_test(c_strings_end_in_time),
        cmocka_unit_test(says_where_in_an_inflated_object),
        cmocka_unit_test(long_messages_are_cut_not_spilled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
