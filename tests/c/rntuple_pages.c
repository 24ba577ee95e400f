/* Page lists of RNTuples, and the pages that they mean: what is wrong with those of one column costs no other. */
#include "support/check.h"
#include "support/lies.h"

/* --- lists of records ------------------------------------------------------------------------------- */

TELL(bad_a, page_of(t, 0, COLUMN_HIT_A)->lie_offset = -9)
TELL(bad_c, page_of(t, 1, COLUMN_HIT_C)->lie_offset = -9)
TELL(bad_c_item, page_of(t, 0, COLUMN_HIT_C_ITEM)->lie_offset = -9)
TELL(bad_d, page_of(t, 0, COLUMN_HIT_D)->lie_offset = -9)
TELL(bad_ends, page_of(t, 1, COLUMN_HITS)->lie_offset = -9)
TELL(all_bad, bad_a(t), bad_d(t), page_of(t, 0, COLUMN_HIT_B)->lie_offset = -9,
     page_of(t, 0, COLUMN_HIT_C)->lie_offset = -9)
TELL(more_a, page_of(t, 0, COLUMN_HIT_A)->lie_elements = 5)
TELL(fewer_b, page_of(t, 1, COLUMN_HIT_B)->lie_elements = 2)
TELL(more_c, page_of(t, 0, COLUMN_HIT_C)->lie_elements = 5)
TELL(fewer_c_item, page_of(t, 0, COLUMN_HIT_C_ITEM)->lie_elements = 3)
TELL(fewer_d, page_of(t, 0, COLUMN_HIT_D)->lie_elements = 6)
TELL(half_d, page_of(t, 0, COLUMN_HIT_D)->lie_elements = 7)
TELL(two_differ, page_of(t, 0, COLUMN_HIT_C)->lie_elements = 3, page_of(t, 0, COLUMN_HIT_D)->lie_elements = 4)
TELL(three_differ, two_differ(t), page_of(t, 0, COLUMN_HIT_B)->lie_elements = 1)
TELL(fewer_ends, page_of(t, 1, COLUMN_HITS)->lie_elements = 2)
TELL(last_end_too_far, fewer_d(t), set_element(t, 1, COLUMN_HITS, 2, INT64_MAX))
TELL(last_end_not_there, fewer_d(t), page_of(t, 0, COLUMN_HITS)[1].lie_offset = 4)

/* A member that is wrong costs no member beside it, and what is wrong with all of them not how many there are. */
static void test_a_bad_member_costs_no_other_member(void **state)
{
    (void)state;
    opened_ntuple o;
    make_ntuple(&o, make_records);
    open_ntuple(&o);
    ASSERT_BUFFER(&o, "n", 0, uint32_t, 2, 0, 1, 1, 0, 1, 0, 2);
    ASSERT_BUFFER(&o, "hits.a", 0, int64_t, 0, 2, 2, 3, 4, 4, 5, 5, 7);
    ASSERT_BUFFER(&o, "hits.a", 1, float, 0, 1, 2, 3, 4, 5, 6);
    ASSERT_BUFFER(&o, "hits.c", 1, int64_t, 0, 1, 1, 3, 4, 4, 6, 7);
    ASSERT_BUFFER(&o, "hits.c", 2, int32_t, 20, 21, 22, 23, 24, 25, 26);
    ASSERT_BUFFER(&o, "hits.d", 1, float, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43);
    close_ntuple(&o);
    static const lie members[] = {
        {"a's pages", bad_a, " hits.a ", LADLE_CORRUPT, "locator"},
        {"c's pages", bad_c, " hits.c ", LADLE_CORRUPT, "locator"},
        {"pages of c's items", bad_c_item, " hits.c ", LADLE_CORRUPT, "locator"},
        {"d's pages", bad_d, " hits.d ", LADLE_CORRUPT, "locator"},
        {"pages of ends", bad_ends, "*", LADLE_CORRUPT, "locator"},
        {"pages of all members", all_bad, " hits.a hits.b hits.c hits.d ", LADLE_CORRUPT, "locator"},
        {"an element more of a", more_a, " hits.a ", LADLE_CORRUPT, "have 5 elements"},
        {"an element less of b", fewer_b, " hits.b ", LADLE_CORRUPT, "have 2 elements"},
        {"a list more of c", more_c, " hits.c ", LADLE_CORRUPT, "have 5 elements"},
        {"an item less of c", fewer_c_item, " hits.c ", LADLE_CORRUPT, ""},
        {"an array less of d", fewer_d, " hits.d ", LADLE_CORRUPT, "have 6 elements"},
        {"half an array less of d", half_d, " hits.d ", LADLE_CORRUPT, "in arrays of 2"},
        {"two of wrong numbers", two_differ, " hits.c hits.d ", LADLE_CORRUPT, "elements"},
        {"three of wrong numbers", three_differ, " hits.b hits.c hits.d ", LADLE_CORRUPT, "elements"},
        {"an end less", fewer_ends, "*", LADLE_CORRUPT, "have 2 elements"},
        {"d, and a last end of 2^63 elsewhere", last_end_too_far, "*", LADLE_CORRUPT, ""},
        {"d, and a last end that cannot be read", last_end_not_there, "*", ANY, ""},
    };
    judge_lies(make_records, members, N_OF(members));
}

/* --- what is wrong in a page list ------------------------------------------------------------------ */

static int64_t n_pages_of(const ladle_table *table, const char *name, ladle_error *error)
{
    ladle_storage_info storage = {.struct_size = sizeof storage};
    ladle_status status = ladle_table_storage(table, ladle_table_find(table, name), &storage, error);
    return status == LADLE_OK ? storage.n_pages : -1;
}

TELL(many_pages, t->lie = (made_lie){"pages", 0, 0, UINT32_MAX})
TELL(suppressed_with_pages, t->clusters[0].suppressed[COLUMN_X] = true)
TELL(negative_page, page_of(t, 0, COLUMN_X)->lie_offset = -100)
TELL(negative_page_size, page_of(t, 0, COLUMN_X)->lie_locator = 1, page_of(t, 0, COLUMN_X)->lie_nbytes = -100)
TELL(daos_locator, page_of(t, 0, COLUMN_X)->lie_locator = 2)
TELL(lowest_elements, page_of(t, 0, COLUMN_X)->lie_elements = INT64_C(1) << 31)

/* Of x's pages in the first cluster. */
static const lie faults[] = {
    {"2^32 pages", many_pages, " x ", LADLE_TRUNCATED, "locator needs 8 bytes"},
    {"a suppressed column with pages", suppressed_with_pages, " x ", LADLE_CORRUPT, "a suppressed column has 2 pages"},
    {"a page at -100", negative_page, " x ", LADLE_CORRUPT, "bytes at -100"},
    {"a page of -100 bytes", negative_page_size, " x ", LADLE_CORRUPT, "locator of -100 bytes"},
    {"a locator of type 2", daos_locator, " x ", LADLE_UNSUPPORTED, "type 2"},
    {"-2^31 elements", lowest_elements, " x ", LADLE_UNSUPPORTED, "-2147483648 elements"},
};

/* It is told by all that asks for these pages, and by nothing else. */
static void test_a_bad_list_of_pages_costs_who_asks_for_it(void **state)
{
    (void)state;
    judge_lies(make_all_forms, faults, N_OF(faults));
    for (size_t i = 0; i < N_OF(faults); i++) {
        opened_ntuple o;
        make_ntuple(&o, make_all_forms);
        faults[i].tell(o.t);
        open_ntuple(&o);
        ladle_table *table = o.seen.tables[0].table;
        ladle_error error = blank_error();
        assert_int_equal(n_pages_of(table, "x", &error), -1);
        assert_error(error, faults[i].status, faults[i].words);
        assert_non_null(strstr(error.where, "t/x page list 0"));
        ladle_page_info page = {.struct_size = sizeof page};
        error = blank_error();
        assert_int_equal(ladle_table_page(table, ladle_table_find(table, "x"), 0, &page, &error), faults[i].status);
        assert_error(error, faults[i].status, faults[i].words);
        assert_int_equal(n_pages_of(table, "v", &error), 3);
        assert_int_equal(n_pages_of(table, "two", &error), 2);
        int64_t n_borders;
        assert_some(ladle_table_clusters(table, &n_borders, &error), error);
        assert_int_equal(n_borders, 3);
        /* The first cluster's pages are at fault, the second one's can be read. */
        ladle_reader *reader = ladle_reader_create(o.seen.context, 1, &error);
        ladle_array array;
        assert_ok(ladle_read_column(reader, NULL, table, ladle_table_find(table, "x"), 5, 8, &array, &error), error);
        assert_memory_equal(ladle_lease_data(array.buffers[0]), ((float[]){5, 6, 7}), 3 * sizeof(float));
        ladle_array_release(&array);
        ladle_reader_release(reader);
        close_ntuple(&o);
    }
}

/* A page list that cannot be read at all costs the clusters; the error says which one it is. */
static void test_clusters_of_a_bad_page_list(void **state)
{
    (void)state;
    opened_ntuple o;
    make_ntuple(&o, make_all_forms);
    o.t->lie_seal[LADLE_ENVELOPE_PAGE_LIST] = true;
    open_ntuple(&o);
    ladle_error error = blank_error();
    int64_t n_borders;
    assert_null(ladle_table_clusters(o.seen.tables[0].table, &n_borders, &error));
    assert_error(error, LADLE_CHECKSUM, "a page list has XXH3");
    assert_non_null(strstr(error.where, ": t page list 0"));
    close_ntuple(&o);
}

/* --- pages that are the same ------------------------------------------------------------------------ */

enum { N_SAME = 100 };

/* x: two pages of the same values, compressed. */
static void make_same(made_ntuple *t)
{
    static const float values[N_SAME] = {1, 2, 3};
    t->codec = "ZS";
    (void)add_column(t, add_field(t, MADE_TOP, "x", "float", LADLE_FIELD_LEAF), LADLE_ELEMENT_REAL32, 32);
    begin_cluster(t, 2 * N_SAME);
    (void)add_page(t, 0, values, N_SAME);
    (void)add_page(t, 0, values, N_SAME);
}

static void see_page(const opened_ntuple *o, int64_t number, ladle_page_info *page)
{
    ladle_error error = blank_error();
    *page = (ladle_page_info){.struct_size = sizeof *page};
    assert_ok(ladle_table_page(o->seen.tables[0].table, 0, number, page, &error), error);
}

/* The second page is said to be where the first one is, whose bytes are still at hand: it is the same only where all
 * that is said of it is. */
static void test_a_page_at_the_place_of_another_is_verified(void **state)
{
    (void)state;
    static const struct {
        int64_t more; /* bytes than the first one has */
        bool first_has_none, second_has_none;
        ladle_status status;
    } cases[] = {
        {0, false, false, LADLE_OK},       {0, true, true, LADLE_OK},         {0, false, true, LADLE_OK},
        {0, true, false, LADLE_CHECKSUM},  {1, false, false, LADLE_CHECKSUM}, {-1, false, false, LADLE_CHECKSUM},
        {8, false, false, LADLE_CHECKSUM}, {8, false, true, LADLE_CORRUPT},   {-1, true, true, LADLE_CORRUPT},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        opened_ntuple o;
        ladle_page_info first;
        make_ntuple(&o, make_same);
        open_ntuple(&o);
        see_page(&o, 0, &first);
        close_ntuple(&o);
        make_ntuple(&o, make_same);
        made_page *pages = page_of(o.t, 0, 0);
        pages[0].no_checksum = cases[i].first_has_none;
        pages[1].no_checksum = cases[i].second_has_none;
        pages[1].lie_offset = first.offset;
        pages[1].lie_nbytes = first.nbytes - 8 + cases[i].more;
        open_ntuple(&o);
        const seen_column *x = column_of(&o.seen.tables[0], "x");
        if (x->status != cases[i].status)
            fail_msg("case %d: %s", (int)i, x->status == LADLE_OK ? "is read" : x->why);
        close_ntuple(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bad_member_costs_no_other_member),
        cmocka_unit_test(test_a_bad_list_of_pages_costs_who_asks_for_it),
        cmocka_unit_test(test_clusters_of_a_bad_page_list),
        cmocka_unit_test(test_a_page_at_the_place_of_another_is_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
