/* Delivery: any range of any column, by any number of threads, with or without a cache, is the
 * slice of the whole; and what is damaged costs only itself. */
#include "support/check.h"
#include "support/codecs.h"
#include "support/rootfile.h"

enum { PAGE = 300, ENTRIES = 2000 };

typedef struct opened {
    made_file made;
    ladle_context *context;
    ladle_file *file;
    ladle_table *table;
} opened;

static void begin_opened(opened *o, const char *codec, bool embedded, bool flag80)
{
    begin_all_forms(&o->made, codec, ENTRIES, PAGE, embedded, flag80);
    end_file(&o->made);
    o->context = begin_context();
    ladle_error error = blank_error();
    o->file = open_made(o->context, &o->made, &error);
    assert_some(o->file, error);
    o->table = ladle_file_table(o->file, "t", &error);
    assert_some(o->table, error);
}

static void end_opened(opened *o)
{
    ladle_table_release(o->table);
    ladle_file_release(o->file);
    end_context(o->context);
    free_file(&o->made);
}

static ladle_reader *begin_reader(ladle_context *context, int threads)
{
    ladle_error error = blank_error();
    ladle_reader *reader = ladle_reader_create(context, threads, &error);
    assert_some(reader, error);
    assert_int_equal(ladle_reader_threads(reader), threads);
    return reader;
}

static void ranges_are_slices_of_the_whole(void **state)
{
    (void)state;
    static const char *const codecs[] = {"ZL", "CS", "XZ", "L4", "ZS", NULL};
    uint64_t seed = 11;
    for (size_t c = 0; c < N_OF(codecs); c++)
        for (int variant = 0; variant < 4; variant++) {
            opened o;
            begin_opened(&o, codecs[c], variant % 2 == 1, variant / 2 == 1);
            for (int threads = 1; threads <= 4; threads++) {
                ladle_reader *reader = begin_reader(o.context, threads);
                for (int form = 0; form < ALL_FORMS; form++) {
                    assert_column(reader, NULL, o.table, &all_forms[form], 0, ENTRIES);
                    for (int i = 0; i < 4; i++) {
                        int64_t start = random_below(&seed, ENTRIES + 1);
                        int64_t stop = start + random_below(&seed, ENTRIES + 1 - start);
                        assert_column(reader, NULL, o.table, &all_forms[form], start, stop);
                    }
                    assert_column(reader, NULL, o.table, &all_forms[form], PAGE, 2 * PAGE);
                    assert_column(reader, NULL, o.table, &all_forms[form], PAGE - 1, PAGE + 1);
                    assert_column(reader, NULL, o.table, &all_forms[form], ENTRIES, ENTRIES);
                    assert_column(reader, NULL, o.table, &all_forms[form], 0, 0);
                }
                ladle_reader_release(reader);
            }
            end_opened(&o);
        }
}

static void a_cache_of_any_budget_changes_nothing(void **state)
{
    (void)state;
    static const int64_t budgets[] = {0, 1, 3000, 20000, 1 << 20};
    uint64_t seed = 5;
    opened o;
    begin_opened(&o, "ZL", true, false);
    ladle_reader *reader = begin_reader(o.context, 2);
    for (size_t b = 0; b < N_OF(budgets); b++) {
        ladle_error error = blank_error();
        ladle_cache *cache = ladle_cache_create(o.context, budgets[b], &error);
        assert_some(cache, error);
        for (int i = 0; i < 300; i++) {
            /* Few different ranges, so that some are there already. */
            int64_t start = random_below(&seed, 5) * PAGE, stop = start + random_below(&seed, 3) * 50;
            assert_column(reader, cache, o.table, &all_forms[random_below(&seed, ALL_FORMS)], start, stop);
            ladle_cache_stats stats = {.struct_size = sizeof stats};
            ladle_cache_stats_get(cache, &stats);
            assert_int_equal(stats.pinned_nbytes, 0);
            assert_true(budgets[b] == 0 || stats.nbytes <= budgets[b]);
        }
        ladle_cache_stats stats = {.struct_size = sizeof stats};
        ladle_cache_stats_get(cache, &stats);
        assert_true(stats.misses > 0);
        assert_true(budgets[b] == 1 || stats.hits > 0);
        ladle_cache_release(cache);
    }
    ladle_reader_release(reader);
    end_opened(&o);
}

/* The context's budget: what a cache keeps must leave for what is asked. */
static void resting_buffers_leave_for_the_budget(void **state)
{
    (void)state;
    opened o;
    begin_opened(&o, "ZL", false, false);
    ladle_reader *reader = begin_reader(o.context, 2);
    ladle_error error = blank_error();
    ladle_cache *cache = ladle_cache_create(o.context, 0, &error);
    assert_some(cache, error);
    assert_column(reader, cache, o.table, &all_forms[0], 0, ENTRIES);
    (void)ladle_context_trim(o.context);
    int64_t budget = held_total(o.context) + (512 << 10);
    ladle_context_set_budget(o.context, budget);
    uint64_t seed = 23;
    for (int i = 0; i < 5000; i++) {
        int64_t start = random_below(&seed, ENTRIES + 1);
        int64_t stop = start + random_below(&seed, ENTRIES + 1 - start);
        assert_column(reader, cache, o.table, &all_forms[random_below(&seed, ALL_FORMS)], start, stop);
        assert_true(held_total(o.context) <= budget);
    }
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_cache_stats_get(cache, &stats);
    assert_true(stats.evictions > 0);
    ladle_cache_release(cache);
    ladle_reader_release(reader);
    end_opened(&o);
}

enum { MOST_REQUESTS = 64 };

static void batches_equal_single_requests(void **state)
{
    (void)state;
    uint64_t seed = 77;
    for (int flag80 = 0; flag80 < 2; flag80++) {
        opened o;
        begin_opened(&o, "L4", true, flag80 == 1);
        for (int threads = 1; threads <= 4; threads += 3) {
            ladle_reader *reader = begin_reader(o.context, threads);
            for (int round = 0; round < 20; round++) {
                ladle_request requests[MOST_REQUESTS];
                ladle_lease *leases[MOST_REQUESTS];
                ladle_error errors[MOST_REQUESTS], error = blank_error();
                int64_t n = random_below(&seed, MOST_REQUESTS) + 1;
                for (int64_t i = 0; i < n; i++) {
                    ladle_column_info info = {.struct_size = sizeof info};
                    int32_t column = (int32_t)random_below(&seed, ladle_table_n_columns(o.table));
                    assert_int_equal(ladle_table_column(o.table, column, &info), LADLE_OK);
                    int64_t start = random_below(&seed, ENTRIES + 1);
                    requests[i] = (ladle_request){o.table, column, (int32_t)random_below(&seed, info.n_buffers), start,
                                                  start + random_below(&seed, ENTRIES + 1 - start)};
                }
                assert_ok(ladle_read_buffers(reader, requests, n, leases, errors), error);
                for (int64_t i = 0; i < n; i++) {
                    ladle_lease *single;
                    assert_ok(ladle_read_buffer(reader, NULL, &requests[i], &single, &error), error);
                    assert_int_equal(errors[i].status, LADLE_OK);
                    assert_int_equal(ladle_lease_count(single), ladle_lease_count(leases[i]));
                    assert_int_equal(ladle_lease_dtype(single), ladle_lease_dtype(leases[i]));
                    assert_memory_equal(ladle_lease_data(single), ladle_lease_data(leases[i]),
                                        (size_t)ladle_lease_nbytes(single));
                    ladle_lease_release(single);
                    ladle_lease_release(leases[i]);
                }
            }
            ladle_reader_release(reader);
        }
        end_opened(&o);
    }
}

static void wrong_requests_are_refused_one_by_one(void **state)
{
    (void)state;
    opened o;
    begin_opened(&o, "ZS", false, false);
    ladle_reader *reader = begin_reader(o.context, 1);
    ladle_request requests[] = {
        {o.table, 0, 0, 0, 10}, {o.table, -1, 0, 0, 10},         {o.table, 1000, 0, 0, 10},
        {o.table, 0, 1, 0, 10}, {o.table, 0, -1, 0, 10},         {o.table, 0, 0, -1, 10},
        {o.table, 0, 0, 10, 9}, {o.table, 0, 0, 0, ENTRIES + 1}, {o.table, 0, 0, INT64_MIN, INT64_MAX},
        {o.table, 4, 1, 5, 15},
    };
    ladle_lease *leases[N_OF(requests)];
    ladle_error errors[N_OF(requests)];
    assert_int_equal(ladle_read_buffers(reader, requests, N_OF(requests), leases, errors), LADLE_INVALID);
    for (size_t i = 0; i < N_OF(requests); i++) {
        bool fine = i == 0 || i == N_OF(requests) - 1;
        assert_int_equal(leases[i] != NULL, fine);
        assert_int_equal(errors[i].status, fine ? LADLE_OK : LADLE_INVALID);
        ladle_lease_release(leases[i]);
        ladle_lease *lease = leases[0]; /* anything but NULL */
        ladle_error error = blank_error();
        ladle_status status = ladle_read_buffer(reader, NULL, &requests[i], &lease, &error);
        assert_int_equal(status, fine ? LADLE_OK : LADLE_INVALID);
        assert_int_equal(lease != NULL, fine);
        if (!fine)
            assert_error(error, LADLE_INVALID, NULL);
        ladle_lease_release(lease);
    }
    assert_int_equal(ladle_read_buffers(reader, requests, 0, NULL, NULL), LADLE_OK);
    assert_int_equal(ladle_read_buffers(reader, requests, N_OF(requests), leases, NULL), LADLE_INVALID);
    for (size_t i = 0; i < N_OF(requests); i++)
        ladle_lease_release(leases[i]);
    ladle_reader_release(reader);
    end_opened(&o);
}

/* Every byte of the payload of one basket in turn: its column answers with an error that says which
 * page, the others with their values. */
static void a_bad_page_costs_only_its_column(void **state)
{
    (void)state;
    static const char *const codecs[] = {"ZL", "XZ", "L4"};
    for (size_t c = 0; c < N_OF(codecs); c++) {
        opened o;
        begin_opened(&o, codecs[c], false, false);
        ladle_reader *reader = begin_reader(o.context, 2);
        for (int form = 0; form < ALL_FORMS; form++) {
            char name[16];
            (void)snprintf(name, sizeof name, all_forms[form].form == MADE_RECORD ? "%s.d" : "%s",
                           all_forms[form].name);
            int32_t index = ladle_table_find(o.table, name);
            ladle_page_info page = {.struct_size = sizeof page};
            assert_int_equal(ladle_table_page(o.table, index, 3, &page, NULL), LADLE_OK);
            const uint8_t *record = o.made.bytes.data + page.offset;
            assert_memory_equal(record + (record[14] << 8 | record[15]), codecs[c], 2);
            uint8_t *middle = o.made.bytes.data + page.offset + page.nbytes - 12;
            *middle ^= 0x10;
            ladle_array array;
            ladle_error error = blank_error();
            ladle_status status = ladle_read_column(reader, NULL, o.table, index, 0, ENTRIES, &array, &error);
            assert_true(status == LADLE_CHECKSUM || status == LADLE_CORRUPT);
            assert_non_null(strstr(error.where, "made.root: t/"));
            assert_non_null(strstr(error.where, name));
            assert_non_null(strstr(error.where, "page 3"));
            assert_true(error.offset >= page.offset && error.offset < page.offset + page.nbytes);
            for (int i = 0; i <= LADLE_MAX_DIMS; i++)
                assert_null(array.buffers[i]);
            /* Other pages of it, and other columns, are as they were. */
            bool is_counter = all_forms[form].form == MADE_COUNTER;
            for (int other = 0; other < ALL_FORMS; other++) {
                if (other == form || (is_counter && all_forms[other].form == MADE_JAGGED))
                    assert_column(reader, NULL, o.table, &all_forms[other], 0, 3 * PAGE);
                else
                    assert_column(reader, NULL, o.table, &all_forms[other], 0, ENTRIES);
            }
            *middle ^= 0x10;
            assert_column(reader, NULL, o.table, &all_forms[form], 0, ENTRIES);
        }
        ladle_reader_release(reader);
        end_opened(&o);
    }
}

static void keys_of_requests_are_whole_and_shared(void **state)
{
    (void)state;
    opened o;
    begin_opened(&o, NULL, false, false);
    ladle_request v = {o.table, ladle_table_find(o.table, "v"), 0, 3, 30}, w = v, n = v;
    w.column = ladle_table_find(o.table, "w");
    n.column = ladle_table_find(o.table, "n");
    char a[200], b[200], cut[10];
    size_t needed = ladle_request_key(&v, a, sizeof a);
    assert_int_equal(needed, strlen(a));
    char expected[200];
    (void)snprintf(expected, sizeof expected, "%s/t/3-30/n/offsets", ladle_file_uuid(o.file));
    assert_string_equal(a, expected);
    (void)ladle_request_key(&w, b, sizeof b);
    assert_string_equal(a, b); /* one counter, one offsets buffer */
    (void)ladle_request_key(&n, b, sizeof b);
    assert_string_not_equal(a, b);
    v.buffer = 1;
    (void)ladle_request_key(&v, b, sizeof b);
    assert_string_not_equal(a, b);
    assert_int_equal(ladle_request_key(&w, cut, sizeof cut), needed);
    assert_int_equal(cut[sizeof cut - 1], '\0');
    assert_int_equal(ladle_request_key(&w, NULL, 0), needed);
    end_opened(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_slices_of_the_whole),
        cmocka_unit_test(a_cache_of_any_budget_changes_nothing),
        cmocka_unit_test(resting_buffers_leave_for_the_budget),
        cmocka_unit_test(batches_equal_single_requests),
        cmocka_unit_test(wrong_requests_are_refused_one_by_one),
        cmocka_unit_test(a_bad_page_costs_only_its_column),
        cmocka_unit_test(keys_of_requests_are_whole_and_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
