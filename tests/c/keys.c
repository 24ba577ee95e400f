/* Keys and tables: paths, cycles, the default table, near names, and directories that are damaged.
 */
#include "support/check.h"
#include "support/rootfile.h"

static const made_column flat[] = {{"x", MADE_FLAT, 'I', NULL}, {"Jet_pt", MADE_FLAT, 'F', NULL}};

/* `cycle`: the tree has 10 * cycle entries. */
static void add_cycle(made_file *made, const char *name, int cycle)
{
    made_tree tree = {.name = name, .columns = flat, .n_columns = 2, .n_entries = 10 * cycle, .page_entries = 100};
    add_tree(made, &tree);
    made->keys[made->n_keys - 1].cycle = cycle;
}

/* Closes the directory that is open: its keys go into `name`, which is the only key then, beside
 * `kept`. */
static const made_key *close_directory(made_file *made, const char *name)
{
    int64_t nbytes, seek = add_key_list(made, made->keys, made->n_keys, made->n_keys, &nbytes);
    made->n_keys = 0;
    return add_directory(made, name, seek, nbytes);
}

typedef struct fixture {
    made_file made;
    ladle_context *context;
    ladle_file *file;
} fixture;

static void open_fixture(fixture *f)
{
    ladle_error error = blank_error();
    f->context = begin_context();
    f->file = open_made(f->context, &f->made, &error);
    assert_some(f->file, error);
}

static void close_fixture(fixture *f)
{
    ladle_file_release(f->file);
    end_context(f->context);
    free_file(&f->made);
}

/* a/b/deep, a/tree;1, a/tree;2, top;3, top;1, h */
static void begin_fixture(fixture *f)
{
    begin_file(&f->made);
    add_cycle(&f->made, "deep", 4);
    made_key b = *close_directory(&f->made, "b");
    f->made.n_keys = 0;
    add_cycle(&f->made, "tree", 2);
    add_cycle(&f->made, "tree", 1);
    f->made.keys[f->made.n_keys++] = b;
    made_key a = *close_directory(&f->made, "a");
    f->made.n_keys = 0;
    add_cycle(&f->made, "top", 3);
    add_cycle(&f->made, "top", 1);
    (void)add_record(&f->made, "TH1F", "h", 1, "abc", 3, NULL);
    f->made.keys[f->made.n_keys++] = a;
    end_file(&f->made);
    open_fixture(f);
}

static void assert_table(ladle_file *file, const char *path, int64_t n_entries)
{
    ladle_error error = blank_error();
    ladle_table *table = ladle_file_table(file, path, &error);
    assert_some(table, error);
    assert_int_equal(ladle_table_n_entries(table), n_entries);
    ladle_table_release(table);
}

static void assert_no_table(ladle_file *file, const char *path, int status, const char *text)
{
    ladle_error error = blank_error();
    assert_null(ladle_file_table(file, path, &error));
    assert_error(error, status, text);
    assert_true(strncmp(error.where, "made.root", 9) == 0);
    assert_null(ladle_file_table(file, path, NULL));
}

static void lists_all_where_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *path, *class_name;
        int cycle, depth;
        bool is_table, is_directory;
    } expected[] = {
        {"top", "TTree", 3, 0, true, false},      {"top", "TTree", 1, 0, true, false},
        {"h", "TH1F", 1, 0, false, false},        {"a", "TDirectory", 1, 0, false, true},
        {"a/tree", "TTree", 2, 1, true, false},   {"a/tree", "TTree", 1, 1, true, false},
        {"a/b", "TDirectory", 1, 1, false, true}, {"a/b/deep", "TTree", 4, 2, true, false},
    };
    fixture f;
    begin_fixture(&f);
    ladle_error error = blank_error();
    ladle_keys *keys = ladle_file_keys(f.file, &error);
    assert_some(keys, error);
    assert_int_equal(ladle_keys_count(keys), N_OF(expected));
    for (int64_t i = 0; i < (int64_t)N_OF(expected); i++) {
        const ladle_key_info *key = ladle_keys_get(keys, i);
        assert_string_equal(key->path, expected[i].path);
        assert_string_equal(key->class_name, expected[i].class_name);
        assert_int_equal(key->cycle, expected[i].cycle);
        assert_int_equal(key->depth, expected[i].depth);
        assert_int_equal(key->is_table, expected[i].is_table);
        assert_int_equal(key->is_directory, expected[i].is_directory);
        assert_true(key->offset > 0 && key->offset + key->nbytes <= ladle_file_nbytes(f.file));
    }
    assert_null(ladle_keys_get(keys, -1));
    assert_null(ladle_keys_get(keys, (int64_t)N_OF(expected)));
    assert_null(ladle_keys_damage(keys));
    assert_int_equal(ladle_file_version(f.file), 63200);
    assert_string_equal(ladle_file_uuid(f.file), "00112233-4455-6677-8899-aabbccddeeff");
    assert_string_equal(ladle_file_path(f.file), "made.root");
    ladle_keys_release(keys);
    close_fixture(&f);
}

static void paths_and_cycles_lead_to_tables(void **state)
{
    (void)state;
    fixture f;
    begin_fixture(&f);
    assert_table(f.file, "top", 30); /* the newest cycle */
    assert_table(f.file, "top;3", 30);
    assert_table(f.file, "top;1", 10);
    assert_table(f.file, "a/tree", 20);
    assert_table(f.file, "/a/tree;1", 10);
    assert_table(f.file, "a/b/deep", 40);
    assert_no_table(f.file, "top;2", LADLE_NOT_FOUND, "top");
    assert_no_table(f.file, "tree", LADLE_NOT_FOUND, NULL);
    assert_no_table(f.file, "a", LADLE_INVALID, "not a table");
    assert_no_table(f.file, "h", LADLE_INVALID, "\"h\" is a TH1F, not a table");
    assert_no_table(f.file, "tpo", LADLE_NOT_FOUND, "did you mean top?");
    assert_no_table(f.file, "a/tre", LADLE_NOT_FOUND, "did you mean a/tree");
    assert_no_table(f.file, "Something_else", LADLE_NOT_FOUND, "the file has top, a/tree, a/b/deep");
    assert_no_table(f.file, NULL, LADLE_INVALID, "name one of: top, a/tree, a/b/deep");
    assert_no_table(f.file, "", LADLE_INVALID, "several tables");
    close_fixture(&f);
}

static void the_default_table(void **state)
{
    (void)state;
    fixture f;
    begin_file(&f.made);
    add_cycle(&f.made, "other", 1);
    add_cycle(&f.made, "Events", 2);
    add_cycle(&f.made, "Events", 3);
    end_file(&f.made);
    open_fixture(&f);
    assert_table(f.file, NULL, 30);
    close_fixture(&f);

    begin_file(&f.made);
    add_cycle(&f.made, "only", 2); /* two cycles of one table are one table */
    add_cycle(&f.made, "only", 1);
    end_file(&f.made);
    open_fixture(&f);
    assert_table(f.file, "", 20);
    close_fixture(&f);

    begin_file(&f.made);
    end_file(&f.made);
    open_fixture(&f);
    assert_no_table(f.file, NULL, LADLE_NOT_FOUND, "no table in this file");
    assert_no_table(f.file, "x", LADLE_NOT_FOUND, "the file has no table");
    close_fixture(&f);
}

static void columns_by_name(void **state)
{
    (void)state;
    fixture f;
    begin_fixture(&f);
    ladle_error error = blank_error();
    ladle_table *table = ladle_file_table(f.file, "a/b/deep", &error);
    assert_some(table, error);
    assert_string_equal(ladle_table_name(table), "a/b/deep");
    assert_string_equal(ladle_table_format(table), "TTree");
    assert_string_equal(ladle_table_title(table), "made by hand");
    assert_string_equal(ladle_table_file_uuid(table), ladle_file_uuid(f.file));
    assert_int_equal(ladle_table_find(table, "Jet_pt"), 1);
    assert_int_equal(ladle_table_find(table, "jet_pt"), -1);
    int32_t index = 5;
    assert_int_equal(ladle_table_require(table, "Jet_tp", &index, &error), LADLE_NOT_FOUND);
    assert_error(error, LADLE_NOT_FOUND, "no column \"Jet_tp\"; did you mean Jet_pt?");
    assert_string_equal(error.where, "made.root: a/b/deep");
    assert_true(index < 0);
    ladle_column_info info = {.struct_size = sizeof info};
    assert_int_equal(ladle_table_column(table, 2, &info), LADLE_INVALID);
    assert_int_equal(ladle_table_column(table, -1, &info), LADLE_INVALID);
    ladle_page_info page = {.struct_size = sizeof page};
    assert_int_equal(ladle_table_page(table, 0, 1, &page, NULL), LADLE_INVALID);
    assert_int_equal(ladle_table_page(table, 0, 0, &page, NULL), LADLE_OK);
    assert_int_equal(page.n_entries, 40);
    /* The table keeps what it needs of the file. */
    ladle_file_release(f.file);
    f.file = NULL;
    ladle_reader *reader = ladle_reader_create(f.context, 1, &error);
    assert_column(reader, NULL, table, &flat[1], 0, 40);
    ladle_reader_release(reader);
    ladle_table_release(table);
    close_fixture(&f);
}

static void types_are_written_as_awkward_does(void **state)
{
    (void)state;
    static const char *const expected[] = {"int32",  "bool",    "3 * float64", "int32", "var * float32", "var * int16",
                                           "string", "float64", "int32",       "int16", "int8"};
    fixture f;
    begin_file(&f.made);
    made_tree tree = {.name = "t", .columns = all_forms, .n_columns = ALL_FORMS, .n_entries = 30, .page_entries = 10};
    add_tree(&f.made, &tree);
    end_file(&f.made);
    open_fixture(&f);
    ladle_error error = blank_error();
    ladle_table *table = ladle_file_table(f.file, "t", &error);
    assert_some(table, error);
    for (int32_t i = 0; i < (int32_t)N_OF(expected); i++) {
        ladle_column_info info = {.struct_size = sizeof info};
        assert_int_equal(ladle_table_column(table, i, &info), LADLE_OK);
        char type[64], cut[4];
        ladle_column_type(&info, type, sizeof type);
        assert_string_equal(type, expected[i]);
        ladle_column_type(&info, cut, sizeof cut);
        assert_memory_equal(cut, expected[i], 3);
        assert_int_equal(cut[3], '\0');
        ladle_storage_info storage = {.struct_size = sizeof storage};
        assert_int_equal(ladle_table_storage(table, i, &storage, NULL), LADLE_OK);
        assert_int_equal(storage.n_pages, 3);
        assert_int_equal(ladle_table_find(table, info.name), i);
    }
    int64_t n;
    const int64_t *borders = ladle_table_clusters(table, &n, NULL);
    assert_int_equal(n, 4);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(borders[i], 10 * i);
    ladle_table_release(table);
    close_fixture(&f);
}

/* Clusters that nobody recorded come from the pages, also where these are empty or make no sense.
 */
static void clusters_rise_whatever_the_pages_say(void **state)
{
    (void)state;
    static const struct {
        int64_t first[3]; /* entries of the three pages */
        int n;
        int64_t borders[5];
        bool readable;
    } cases[] = {
        {{0, 10, 20}, 4, {0, 10, 20, 30}, true}, {{0, 0, 20}, 3, {0, 20, 30}, true},
        {{0, 20, 20}, 3, {0, 20, 30}, true},     {{0, 20, 10}, 2, {0, 30}, false},
        {{0, 10, 40}, 2, {0, 30}, false},        {{0, -1, 20}, 2, {0, 30}, false},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        fixture f;
        begin_file(&f.made);
        made_tree tree = {
            .name = "t", .columns = flat, .n_columns = 1, .n_entries = 30, .page_entries = 10, .no_clusters = true};
        add_tree(&f.made, &tree);
        end_file(&f.made);
        bytes before = {0}, after = {0};
        for (int k = 0; k < 3; k++) {
            put_u64(&before, (uint64_t)k * 10);
            put_u64(&after, (uint64_t)cases[i].first[k]);
        }
        uint8_t *place = memmem(f.made.bytes.data, f.made.bytes.n, before.data, before.n);
        assert_non_null(place);
        memcpy(place, after.data, after.n);
        open_fixture(&f);
        ladle_error error = blank_error();
        ladle_table *table = ladle_file_table(f.file, "t", &error);
        assert_some(table, error);
        int64_t n;
        const int64_t *borders = ladle_table_clusters(table, &n, NULL);
        assert_int_equal(n, cases[i].n);
        for (int64_t k = 0; k < n; k++)
            assert_int_equal(borders[k], cases[i].borders[k]);
        ladle_column_info info = {.struct_size = sizeof info};
        assert_int_equal(ladle_table_column(table, 0, &info), LADLE_OK);
        assert_int_equal(info.reason == NULL, cases[i].readable);
        ladle_table_release(table);
        close_fixture(&f);
        bytes_free(&before);
        bytes_free(&after);
    }
}

/* Whatever byte of a directory is damaged: its keys may be lost, the others are there, and it is
 * said. */
static void a_damaged_directory_costs_only_itself(void **state)
{
    (void)state;
    fixture f;
    begin_file(&f.made);
    add_cycle(&f.made, "inside", 1);
    made_key good = f.made.keys[0];
    int64_t nbytes, seek = add_key_list(&f.made, &good, 1, 1, &nbytes);
    f.made.n_keys = 0;
    made_key bad = *add_directory(&f.made, "bad", seek, nbytes);
    int64_t other_seek = add_key_list(&f.made, &good, 1, 1, &nbytes);
    f.made.n_keys = 0;
    made_key fine = *add_directory(&f.made, "fine", other_seek, nbytes);
    f.made.n_keys = 0;
    f.made.keys[f.made.n_keys++] = bad;
    f.made.keys[f.made.n_keys++] = fine;
    add_cycle(&f.made, "top", 2);
    end_file(&f.made);
    open_fixture(&f);
    int damaged = 0;
    for (int64_t at = seek; at < bad.seek + bad.nbytes; at++)
        for (int flip = 0; flip < 3; flip++) {
            static const uint8_t flips[] = {0x01, 0x80, 0xff};
            f.made.bytes.data[at] ^= flips[flip];
            ladle_error error = blank_error();
            ladle_keys *keys = ladle_file_keys(f.file, &error);
            assert_some(keys, error);
            bool saw_fine = false, saw_top = false, saw_bad = false;
            for (int64_t i = 0; i < ladle_keys_count(keys); i++) {
                const char *path = ladle_keys_get(keys, i)->path;
                saw_fine = saw_fine || strcmp(path, "fine/inside") == 0;
                saw_top = saw_top || strcmp(path, "top") == 0;
                saw_bad = saw_bad || strcmp(path, "bad") == 0;
            }
            assert_true(saw_fine && saw_top && saw_bad);
            const ladle_error *damage = ladle_keys_damage(keys);
            if (damage != NULL) {
                damaged++;
                assert_true(strncmp(damage->where, "made.root: directory \"bad\"", 26) == 0);
                assert_true(strlen(damage->message) > 10);
            }
            assert_table(f.file, "fine/inside", 10);
            assert_table(f.file, "top", 20);
            ladle_keys_release(keys);
            f.made.bytes.data[at] ^= flips[flip];
        }
    assert_true(damaged > 100);
    /* And what was asked for cannot be had because of it: then the damage is the answer. */
    f.made.bytes.data[seek] ^= 0x80;
    assert_no_table(f.file, "bad/inside", LADLE_CORRUPT, NULL);
    close_fixture(&f);
}

static void what_is_no_root_file(void **state)
{
    (void)state;
    static const char *const contents[] = {"", "roo", "ROOT and more", "\177ELF...................."};
    ladle_context *context = begin_context();
    for (size_t i = 0; i < N_OF(contents); i++) {
        ladle_error error = blank_error();
        ladle_source *source =
            ladle_source_from_memory(context, "some file", contents[i], (int64_t)strlen(contents[i]), &error);
        assert_some(source, error);
        assert_null(ladle_file_open_source(context, source, &error));
        assert_error(error, LADLE_NOT_ROOT, "not a ROOT file");
        assert_string_equal(error.where, "some file");
    }
    end_context(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_all_where_they_stand),
        cmocka_unit_test(paths_and_cycles_lead_to_tables),
        cmocka_unit_test(the_default_table),
        cmocka_unit_test(columns_by_name),
        cmocka_unit_test(types_are_written_as_awkward_does),
        cmocka_unit_test(clusters_rise_whatever_the_pages_say),
        cmocka_unit_test(a_damaged_directory_costs_only_itself),
        cmocka_unit_test(what_is_no_root_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
