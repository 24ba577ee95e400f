/* Small files that ask for much: refused soon, for little memory. */
#include "support/check.h"
#include "support/rootfile.h"

#include <time.h>
#include <unistd.h>

static const int64_t most_memory = 32 << 20;
/* A refusal takes microseconds; sanitizers and a busy machine slow it, a real bomb takes minutes.
 */
static const double most_seconds = 2;

static const made_column flat[] = {{"x", MADE_FLAT, 'I', NULL}};

typedef struct watch {
    ladle_context *context;
    struct timespec begin;
} watch;

static watch begin_watch(void)
{
    watch w = {.context = begin_context()};
    (void)clock_gettime(CLOCK_MONOTONIC, &w.begin);
    return w;
}

static void end_watch(watch *w)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - w->begin.tv_sec) + (double)(now.tv_nsec - w->begin.tv_nsec) * 1e-9;
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(w->context, &info);
    if (info.peak > most_memory)
        fail_msg("%lld bytes were held", (long long)info.peak);
    if (seconds > most_seconds)
        fail_msg("it took %.1f s", seconds);
    end_context(w->context);
}

/* Reads everything of a file. Returns the number of errors; each must be one of damage, and explain
 * itself. */
static int read_all(ladle_context *context, const made_file *made, ladle_error *last)
{
    ladle_error error = blank_error();
    int errors = 0;
    ladle_file *file = open_made(context, made, &error);
    if (file == NULL) {
        *last = error;
        return 1;
    }
    ladle_table *table = ladle_file_table(file, "t", &error);
    ladle_reader *reader = ladle_reader_create(context, 1, NULL);
    errors += table == NULL;
    for (int32_t i = 0; table != NULL && i < ladle_table_n_columns(table); i++) {
        ladle_column_info info = {.struct_size = sizeof info};
        (void)ladle_table_column(table, i, &info);
        ladle_array array;
        if (ladle_read_column(reader, NULL, table, i, 0, info.n_entries, &array, &error) != LADLE_OK)
            errors++;
        ladle_array_release(&array);
    }
    if (errors > 0) {
        *last = error;
        assert_true(error.status == LADLE_CORRUPT || error.status == LADLE_LIMIT || error.status == LADLE_TRUNCATED ||
                    error.status == LADLE_UNSUPPORTED);
        assert_true(error.where[0] != '\0' && strlen(error.message) > 10);
    }
    ladle_reader_release(reader);
    ladle_table_release(table);
    ladle_file_release(file);
    return errors;
}

static void check_tree(const made_tree *tree, bool refused)
{
    made_file made;
    begin_file(&made);
    made.codec = "ZS";
    add_tree(&made, tree);
    end_file(&made);
    watch w = begin_watch();
    ladle_error error = blank_error();
    int errors = read_all(w.context, &made, &error);
    assert_int_equal(errors > 0, refused);
    end_watch(&w);
    free_file(&made);
}

static void more_entries_than_the_file_can_hold(void **state)
{
    (void)state;
    static const int64_t lies[] = {1000000, 100000000, 10000000000, 1000000000000, INT64_MAX / 8, INT64_MAX};
    for (size_t i = 0; i < N_OF(lies); i++)
        for (int embedded = 0; embedded < 2; embedded++)
            for (int form = 0; form < ALL_FORMS; form++) {
                bool counted = all_forms[form].form == MADE_JAGGED;
                const made_column columns[] = {all_forms[3], all_forms[form]};
                made_tree tree = {.name = "t",
                                  .columns = counted ? columns : &columns[1],
                                  .n_columns = counted ? 2 : 1,
                                  .n_entries = 40,
                                  .page_entries = 25,
                                  .codec = "ZS",
                                  .embedded = embedded == 1,
                                  .lie_entries = lies[i]};
                check_tree(&tree, true);
            }
}

static void baskets_larger_than_the_file(void **state)
{
    (void)state;
    static const int64_t lies[] = {100000, INT32_MAX, -1, INT32_MIN};
    for (size_t i = 0; i < N_OF(lies); i++) {
        made_tree tree = {.name = "t",
                          .columns = flat,
                          .n_columns = 1,
                          .n_entries = 40,
                          .page_entries = 25,
                          .codec = "ZL",
                          .lie_basket_nbytes = lies[i]};
        check_tree(&tree, true);
    }
}

static void branches_within_branches(void **state)
{
    (void)state;
    made_tree tree = {.name = "t",
                      .columns = flat,
                      .n_columns = 1,
                      .n_entries = 40,
                      .page_entries = 25,
                      .codec = "ZL",
                      .lie_depth = 10};
    check_tree(&tree, true); /* the branches without leaves cannot be read */
    tree.lie_depth = 100000;
    check_tree(&tree, true);
    tree.lie_depth = 0;
    tree.lie_counts = 10;
    check_tree(&tree, true);
    tree.lie_counts = 100000;
    check_tree(&tree, true);
}

static void a_counter_that_counts_itself(void **state)
{
    (void)state;
    made_tree tree = {.name = "t",
                      .columns = all_forms,
                      .n_columns = ALL_FORMS,
                      .n_entries = 40,
                      .page_entries = 25,
                      .codec = "ZL",
                      .lie_self_counter = true};
    check_tree(&tree, true);
}

static void check_keys(made_file *made, int status, int64_t n_keys)
{
    watch w = begin_watch();
    ladle_error error = blank_error();
    ladle_file *file = open_made(w.context, made, &error);
    assert_some(file, error);
    ladle_keys *keys = ladle_file_keys(file, &error);
    if (status == LADLE_OK) {
        assert_some(keys, error);
        assert_int_equal(ladle_keys_count(keys), n_keys);
    } else {
        assert_null(keys);
        assert_error(error, status, NULL);
        assert_true(error.where[0] != '\0');
    }
    ladle_keys_release(keys);
    ladle_file_release(file);
    end_watch(&w);
}

static void key_lists_with_huge_counts(void **state)
{
    (void)state;
    static const int64_t lies[] = {INT32_MAX, 1000000, 3, -1, INT32_MIN};
    for (size_t i = 0; i < N_OF(lies); i++) {
        made_file made;
        begin_file(&made);
        (void)add_record(&made, "TH1F", "h", 1, "abc", 3, NULL);
        int64_t nbytes, seek = add_key_list(&made, made.keys, 1, lies[i], &nbytes);
        set_u32(&made.bytes, made.directory_at + 10, (uint64_t)nbytes);
        set_u32(&made.bytes, made.directory_at + 38, (uint64_t)seek);
        check_keys(&made, LADLE_CORRUPT, 0);
        free_file(&made);
    }
}

/* `a` holds `b` and `b` holds `a`; and one that holds itself. */
static void directories_in_a_circle(void **state)
{
    (void)state;
    made_file made;
    begin_file(&made);
    /* The key list of the directory comes behind it: its place is known once the size of the record
     * is. */
    made_key self = *add_directory(&made, "self", 1, 1);
    int64_t nbytes, seek = add_key_list(&made, &self, 1, 1, &nbytes);
    size_t body = (size_t)(self.seek + self.nbytes - self.object_nbytes);
    set_u32(&made.bytes, body + 10, (uint64_t)nbytes);
    set_u32(&made.bytes, body + 34, 0);
    set_u32(&made.bytes, body + 38, (uint64_t)seek);
    (void)add_record(&made, "TH1F", "h", 1, "abc", 3, NULL);
    end_file(&made);
    check_keys(&made, LADLE_OK, 3); /* self, self/self and h; the damage is told apart */
    watch w = begin_watch();
    ladle_file *file = open_made(w.context, &made, NULL);
    ladle_keys *keys = ladle_file_keys(file, NULL);
    assert_non_null(ladle_keys_damage(keys));
    assert_error(*ladle_keys_damage(keys), LADLE_CORRUPT, "share one key list");
    ladle_keys_release(keys);
    ladle_file_release(file);
    end_watch(&w);
    free_file(&made);
}

static void directories_nested_deeply(void **state)
{
    (void)state;
    for (int depth = 60; depth <= 600; depth += 540) {
        made_file made;
        begin_file(&made);
        made_key inner = *add_record(&made, "TH1F", "h", 1, "abc", 3, NULL);
        for (int i = 0; i < depth; i++) {
            int64_t nbytes, seek = add_key_list(&made, &inner, 1, 1, &nbytes);
            made.n_keys = 0;
            inner = *add_directory(&made, "d", seek, nbytes);
        }
        end_file(&made);
        check_keys(&made, depth == 60 ? LADLE_OK : LADLE_LIMIT, 61);
        free_file(&made);
    }
}

/* Many small objects that refer to a large one, or to one far back: no work or memory beyond what
 * the file's size explains. */
static void metadata_that_multiplies(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        made_tree tree = {.name = "t",
                          .columns = flat,
                          .n_columns = 1,
                          .n_entries = 40,
                          .page_entries = 25,
                          .codec = "ZL",
                          .lie_classes = kind == 0 ? 60000 : 0,
                          .lie_embedded = kind == 1 ? 40000 : 0,
                          .lie_names = kind == 2 ? 6000 : 0};
        made_file made;
        begin_file(&made);
        made.codec = "ZS";
        add_tree(&made, &tree);
        end_file(&made);
        watch w = begin_watch();
        ladle_error error = blank_error();
        (void)read_all(w.context, &made, &error);
        end_watch(&w);
        free_file(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_entries_than_the_file_can_hold),
        cmocka_unit_test(baskets_larger_than_the_file),
        cmocka_unit_test(branches_within_branches),
        cmocka_unit_test(a_counter_that_counts_itself),
        cmocka_unit_test(key_lists_with_huge_counts),
        cmocka_unit_test(directories_in_a_circle),
        cmocka_unit_test(directories_nested_deeply),
        cmocka_unit_test(metadata_that_multiplies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
