/* The report page of `ladle doctor`: whatever is in the JSON, it stays inside its script element. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "doctor_page.h"

/* The page with `json` in it, terminated. Returns owned. */
static char *page_of(const char *json, size_t nbytes, size_t *page_nbytes)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    cli_output *out = malloc(sizeof *out);
    assert_non_null(out);
    cli_output_init(out, fileno(file));
    cli_doctor_page(out, json, nbytes);
    cli_flush(out);
    assert_false(cli_output_failed(out));
    free(out);
    long length = lseek(fileno(file), 0, SEEK_END);
    assert_true(length > 0);
    char *page = malloc((size_t)length + 1);
    assert_non_null(page);
    assert_int_equal(pread(fileno(file), page, (size_t)length, 0), length);
    page[length] = '\0';
    fclose(file);
    *page_nbytes = (size_t)length;
    return page;
}

static void assert_embedded(const char *json, size_t nbytes, const char *expected)
{
    size_t page_nbytes;
    char *page = page_of(json, nbytes, &page_nbytes);
    assert_int_equal(strlen(page), page_nbytes);
    assert_int_equal(page_nbytes, cli_doctor_page_head_nbytes + strlen(expected) + cli_doctor_page_tail_nbytes);
    assert_memory_equal(page, cli_doctor_page_head, cli_doctor_page_head_nbytes);
    assert_memory_equal(page + cli_doctor_page_head_nbytes, expected, strlen(expected));
    assert_memory_equal(page + cli_doctor_page_head_nbytes + strlen(expected), cli_doctor_page_tail,
                        cli_doctor_page_tail_nbytes);
    free(page);
}

#define EMBEDS(json, expected) assert_embedded(json, sizeof(json) - 1, expected)

static void plain_json_is_kept(void **state)
{
    (void)state;
    EMBEDS("", "");
    EMBEDS("{\"verdict\":\"leak\",\n\"x\":[1,2.5e3,null]}", "{\"verdict\":\"leak\",\n\"x\":[1,2.5e3,null]}");
    EMBEDS("[\"\\\"\\\\ \xc3\xa9 \xf0\x9f\xa5\x84\"]", "[\"\\\"\\\\ \xc3\xa9 \xf0\x9f\xa5\x84\"]");
}

static void what_ends_a_script_is_escaped(void **state)
{
    (void)state;
    EMBEDS("[\"</script><!-- -->\"]", "[\"\\u003c/script\\u003e\\u003c!-- --\\u003e\"]");
    EMBEDS("[\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\"]", "[\"\\u2028\\u2029\xe2\x80\xaa\"]");
}

static void what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    EMBEDS("\"\xff\xc3(\xe2\x82\"", "\"\\ufffd\\ufffd(\\ufffd\"");
    EMBEDS("\"\xed\xa0\x80\"", "\"\\ufffd\\ufffd\\ufffd\"");
    EMBEDS("\"a\0b\"", "\"a\\ufffdb\"");
    /* Cut in the middle of a character. */
    EMBEDS("\xf0\x9f\xa5", "\\ufffd");
}

static void the_data_are_in_a_script_element(void **state)
{
    (void)state;
    static const char begin[] = "<script type=\"application/json\" id=\"data\">";
    static const char end[] = "</script>";
    assert_true(cli_doctor_page_head_nbytes > sizeof begin);
    assert_memory_equal(cli_doctor_page_head + cli_doctor_page_head_nbytes - (sizeof begin - 1), begin,
                        sizeof begin - 1);
    assert_memory_equal(cli_doctor_page_tail, end, sizeof end - 1);
}

static void a_full_disk_is_noticed(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    cli_output *out = malloc(sizeof *out);
    assert_non_null(out);
    cli_output_init(out, fileno(full));
    cli_doctor_page(out, "{}", 2);
    cli_flush(out);
    assert_true(cli_output_failed(out));
    free(out);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_json_is_kept),           cmocka_unit_test(what_ends_a_script_is_escaped),
        cmocka_unit_test(what_is_not_utf8_is_replaced), cmocka_unit_test(the_data_are_in_a_script_element),
        cmocka_unit_test(a_full_disk_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
