/* Faults on purpose: each allocation, read and write of each scenario fails, once and from then on.
 *
 * Whatever fails: the call succeeds with the right answer or fails with a status that fits and a
 * message, nothing is left behind (pointers NULL, ledger 0, no descriptor), and the same handles
 * then serve the same call. */
#include "memory/context.h"
#include "memory/lease.h"
#include "support/check.h"
#include "support/rntuple_file.h"

#include <unistd.h>

enum { ENTRIES = 120, PAGE = 50 };

/* A file on disk, and the handles that a scenario starts from. */
typedef struct world {
    ladle_context *context;
    const char *path;
    ladle_file *file;
    ladle_table *table;
    ladle_reader *reader;
    ladle_cache *cache;
} world;

typedef struct scenario {
    const char *name;
    ladle_status (*run)(world *w, ladle_error *error);
    const char *codec; /* "" stores */
    bool embedded, flag80;
    int threads;
    int64_t cache_budget; /* -1: no cache */
} scenario;

/* --- scenarios ---------------------------------------------------------------------------------
 */

static ladle_status open_and_list(world *w, ladle_error *error)
{
    ladle_file *file = ladle_file_open(w->context, w->path, error);
    if (file == NULL)
        return (ladle_status)error->status;
    ladle_keys *keys = ladle_file_keys(file, error);
    ladle_status status = keys == NULL ? (ladle_status)error->status : LADLE_OK;
    if (keys != NULL && ladle_keys_damage(keys) != NULL)
        *error = *ladle_keys_damage(keys), status = (ladle_status)error->status;
    else if (keys != NULL)
        assert_int_equal(ladle_keys_count(keys), 5);
    ladle_keys_release(keys);
    ladle_file_release(file);
    return status;
}

static ladle_status open_table(world *w, ladle_error *error)
{
    ladle_table *table = ladle_file_table(w->file, "t", error);
    if (table == NULL)
        return (ladle_status)error->status;
    assert_int_equal(ladle_table_n_columns(table), ALL_FORMS + 3);
    assert_int_equal(ladle_table_n_entries(table), ENTRIES);
    ladle_table_release(table);
    return LADLE_OK;
}

static ladle_status read_forms(world *w, int first, int last, ladle_error *error)
{
    for (int i = first; i <= last; i++) {
        ladle_status status = read_expected(w->reader, w->cache, w->table, &all_forms[i], 7, ENTRIES - 5, error);
        if (status != LADLE_OK)
            return status;
    }
    return LADLE_OK;
}

static ladle_status read_flat(world *w, ladle_error *error)
{
    return read_forms(w, 0, 2, error);
}

static ladle_status read_jagged(world *w, ladle_error *error)
{
    return read_forms(w, 4, 5, error);
}

static ladle_status read_strings(world *w, ladle_error *error)
{
    return read_forms(w, 6, 6, error);
}

static ladle_status read_leaflist(world *w, ladle_error *error)
{
    return read_forms(w, 7, 7, error);
}

static ladle_status read_all_forms(world *w, ladle_error *error)
{
    return read_forms(w, 0, ALL_FORMS - 1, error);
}

/* Whole pages and twice: offsets are shared, and then everything is there already. */
static ladle_status read_twice(world *w, ladle_error *error)
{
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < ALL_FORMS; i++) {
            ladle_status status = read_expected(w->reader, w->cache, w->table, &all_forms[i], 0, ENTRIES, error);
            if (status != LADLE_OK)
                return status;
        }
    return LADLE_OK;
}

/* Every buffer of the RNTuple's columns is as it was in the first run, where nothing failed. */
static void assert_as_before(int32_t column, int32_t buffer, ladle_lease *lease)
{
    enum { COLUMNS = 16, BUFFERS = 4 };
    static uint64_t seen[COLUMNS][BUFFERS];
    assert_true(column < COLUMNS && buffer < BUFFERS);
    uint64_t hash = ladle_xxh3_64(ladle_lease_data(lease), (size_t)ladle_lease_nbytes(lease));
    if (seen[column][buffer] == 0)
        seen[column][buffer] = hash;
    assert_true(seen[column][buffer] == hash);
}

static ladle_status read_columns(world *w, ladle_table *table, ladle_error *error)
{
    for (int32_t i = 0; i < ladle_table_n_columns(table); i++) {
        ladle_array array;
        ladle_status status = ladle_read_column(w->reader, w->cache, table, i, 1, 7, &array, error);
        for (int32_t k = 0; k < LADLE_MAX_BUFFERS; k++)
            if (status != LADLE_OK)
                assert_null(array.buffers[k]);
            else if (k < array.n_buffers)
                assert_as_before(i, k, array.buffers[k]);
        ladle_array_release(&array);
        if (status != LADLE_OK)
            return status;
    }
    return LADLE_OK;
}

/* Opens it, describes its pages and reads all of it. */
static ladle_status read_ntuple(world *w, ladle_error *error)
{
    ladle_table *table = ladle_file_table(w->file, "n", error);
    if (table == NULL)
        return (ladle_status)error->status;
    int64_t n_borders;
    ladle_storage_info storage = {.struct_size = sizeof storage};
    ladle_status status = ladle_table_storage(table, 0, &storage, error);
    if (status == LADLE_OK && ladle_table_clusters(table, &n_borders, error) == NULL)
        status = (ladle_status)error->status;
    if (status == LADLE_OK) {
        assert_int_equal(storage.n_pages, 3);
        assert_int_equal(n_borders, 3);
        status = read_columns(w, table, error);
    }
    ladle_table_release(table);
    return status;
}

static ladle_status read_member(world *w, ladle_table *table, const char *name, ladle_error *error)
{
    ladle_array array;
    ladle_status status = ladle_read_column(w->reader, w->cache, table, ladle_table_find(table, name), 0,
                                            ladle_table_n_entries(table), &array, error);
    ladle_array_release(&array);
    return status;
}

/* Members whose pages are wrong: what the others need is read from the ends of lists, and who asks for one is told. */
static ladle_status read_damaged(world *w, ladle_error *error)
{
    ladle_table *table = ladle_file_table(w->file, "damaged", error);
    if (table == NULL)
        return (ladle_status)error->status;
    ladle_status status = read_member(w, table, "hits.a", error);
    if (status == LADLE_OK) {
        status = read_member(w, table, "hits.b", error);
        assert_true(status != LADLE_OK);
        bool is_told = status == LADLE_CORRUPT && strstr(error->message, "bytes at -9") != NULL;
        status = is_told ? LADLE_OK : status;
    }
    ladle_table_release(table);
    return status;
}

enum { STEP = 20, PARTS = 2 }; /* not a divisor of PAGE: some steps end behind a cluster */

/* The step's buffers are as they were in the first run, where nothing failed. */
static void assert_step_as_before(const ladle_step *step)
{
    static uint64_t seen[PARTS][ENTRIES / STEP + 1];
    assert_int_equal(step->start % STEP, 0);
    assert_true(step->stop == step->start + STEP || step->stop == ladle_table_n_entries(step->table));
    uint64_t hash = 1;
    for (int32_t i = 0; i < step->n_buffers; i++) {
        assert_non_null(step->buffers[i]);
        hash =
            hash * 31 + ladle_xxh3_64(ladle_lease_data(step->buffers[i]), (size_t)ladle_lease_nbytes(step->buffers[i]));
    }
    uint64_t *before = &seen[step->part][step->start / STEP];
    *before = *before == 0 ? hash : *before;
    assert_true(*before == hash);
}

/* All steps of a scan of the tree and of the RNTuple: each is right or says why not, and none is left out. */
static ladle_status take_steps(ladle_scan *scan, const int64_t *ends, ladle_error *error)
{
    ladle_status first = LADLE_OK;
    int64_t part = 0, at = 0;
    for (;;) {
        ladle_step step;
        ladle_error own = blank_error();
        ladle_status status = ladle_scan_next(scan, &step, &own);
        if (status == LADLE_OK && step.n_buffers == 0)
            break;
        if (part < step.part && at == ends[part]) {
            part++;
            at = 0;
        }
        assert_int_equal(step.part, part);
        assert_int_equal(step.start, at);
        assert_true(step.stop > at);
        at = step.stop;
        if (status == LADLE_OK) {
            assert_step_as_before(&step);
        } else {
            assert_true(own.where[0] != '\0' && strstr(own.message, "(in entries ") != NULL);
            *error = first == LADLE_OK ? own : *error;
            first = first == LADLE_OK ? status : first;
        }
        ladle_step_release(&step);
    }
    assert_int_equal(at, ends[part]);
    assert_true(part == PARTS - 1 || ends[part + 1] == 0);
    return first;
}

static ladle_status scan_tables(world *w, bool in_background, int64_t budget_nbytes, ladle_error *error)
{
    ladle_scan_options options = {.struct_size = sizeof options,
                                  .step_entries = STEP,
                                  .budget_nbytes = budget_nbytes,
                                  .in_background = in_background};
    ladle_table *tables[PARTS] = {w->table, ladle_file_table(w->file, "n", error)};
    if (tables[1] == NULL)
        return (ladle_status)error->status;
    ladle_scan *scan = ladle_scan_create(w->reader, &options, error);
    ladle_status status = scan == NULL ? (ladle_status)error->status : LADLE_OK;
    int64_t ends[PARTS] = {0};
    for (int i = 0; i < PARTS && status == LADLE_OK; i++) {
        int32_t columns[32], n = ladle_table_n_columns(tables[i]);
        for (int32_t k = 0; k < n; k++)
            columns[k] = k;
        status = ladle_scan_add(scan, tables[i], columns, n, 0, ladle_table_n_entries(tables[i]), NULL, error);
        ends[i] = status == LADLE_OK ? ladle_table_n_entries(tables[i]) : 0;
    }
    if (ends[0] > 0) { /* what was added is read, whatever became of the rest */
        ladle_error own = blank_error();
        ladle_status taken = take_steps(scan, ends, &own);
        if (status == LADLE_OK && taken != LADLE_OK)
            *error = own, status = taken;
    }
    ladle_scan_release(scan);
    ladle_table_release(tables[1]);
    return status;
}

static ladle_status scan_at_once(world *w, ladle_error *error)
{
    return scan_tables(w, false, 0, error);
}

static ladle_status scan_step_by_step(world *w, ladle_error *error)
{
    return scan_tables(w, false, 1, error);
}

static ladle_status scan_ahead(world *w, ladle_error *error)
{
    return scan_tables(w, true, 4000, error);
}

static ladle_status read_batch(world *w, ladle_error *error)
{
    enum { N = 12 };
    ladle_request requests[N];
    ladle_lease *leases[N];
    ladle_error errors[N];
    for (int i = 0; i < N; i++) {
        ladle_column_info info = {.struct_size = sizeof info};
        int32_t column = i % ladle_table_n_columns(w->table);
        (void)ladle_table_column(w->table, column, &info);
        requests[i] = (ladle_request){w->table, column, i % info.n_buffers, 3 * i, ENTRIES - i};
        leases[i] = (ladle_lease *)(void *)&errors[i];
        errors[i] = blank_error();
    }
    ladle_status status = ladle_read_buffers(w->reader, requests, N, leases, errors);
    bool failed = false;
    for (int i = 0; i < N; i++) {
        assert_int_equal(leases[i] == NULL, errors[i].status != LADLE_OK);
        if (errors[i].status != LADLE_OK && !failed) {
            failed = true;
            *error = errors[i];
            assert_int_equal(status, errors[i].status);
        }
        ladle_lease_release(leases[i]);
    }
    assert_int_equal(failed, status != LADLE_OK);
    return status;
}

static ladle_status make_lease(void *user, ladle_lease **lease, ladle_error *error)
{
    world *w = user;
    *lease = ladle_lease_copy(w->context, LADLE_DTYPE_U16, 5, "0123456789", error);
    return *lease == NULL ? (ladle_status)error->status : LADLE_OK;
}

static ladle_status use_cache(world *w, ladle_error *error)
{
    ladle_status status = LADLE_OK;
    for (int i = 0; i < 70 && status == LADLE_OK; i++) { /* beyond the first size of its index */
        char key[16];
        (void)snprintf(key, sizeof key, "key %d", i % 35);
        ladle_lease *lease = (ladle_lease *)(void *)key;
        status = ladle_cache_fetch(w->cache, key, strlen(key), make_lease, w, &lease, error);
        assert_int_equal(lease == NULL, status != LADLE_OK);
        if (status != LADLE_OK)
            break;
        assert_memory_equal(ladle_lease_data(lease), "0123456789", 10);
        (void)snprintf(key, sizeof key, "put %d", i);
        status = ladle_cache_put(w->cache, key, strlen(key), lease, 10, error);
        ladle_lease_release(lease);
    }
    return status;
}

/* Puts, gets and commits through every store. The cache is the scenario's own: what fails may cost an entry. */
static ladle_status use_levels(world *w, ladle_error *error)
{
    enum { N = 12, COUNT = 3000 };
    static const char layout[] = ">i2|30,100";
    ladle_cache_level levels[3] = {{ladle_store_raw(), 3 * 2 * COUNT}, {NULL, 2 * COUNT}, {NULL, 0}};
    levels[1].store = ladle_store_compressed_create(w->context, NULL, error);
    if (levels[1].store == NULL)
        return (ladle_status)error->status;
    levels[2].store = ladle_store_hdf5_create(w->context, NULL, error);
    if (levels[2].store == NULL) {
        ladle_store_release(levels[1].store);
        return (ladle_status)error->status;
    }
    ladle_cache *cache = ladle_cache_create_levels(w->context, levels, 3, 0, error);
    if (cache == NULL)
        return (ladle_status)error->status;
    ladle_status status = LADLE_OK;
    for (uint64_t i = 0; i < N && status == LADLE_OK; i++) {
        uint8_t data[2 * COUNT];
        uint64_t seed = i + 1;
        random_fill(&seed, data, sizeof data);
        ladle_values values = {.dtype = LADLE_DTYPE_U16,
                               .count = COUNT,
                               .data = data,
                               .layout = i % 2 == 0 ? NULL : layout,
                               .layout_nbytes = i % 2 == 0 ? 0 : sizeof layout - 1};
        status = ladle_cache_put_values(cache, &i, sizeof i, &values, 10, error);
    }
    for (uint64_t i = 0; i < N && status == LADLE_OK; i++) {
        uint8_t data[2 * COUNT];
        uint64_t seed = i + 1;
        random_fill(&seed, data, sizeof data);
        ladle_lease *lease;
        status = ladle_cache_get(cache, &i, sizeof i, &lease, error);
        if (status == LADLE_NOT_FOUND) { /* no level took it: it was evicted */
            status = LADLE_OK;
            continue;
        }
        assert_int_equal(lease == NULL, status != LADLE_OK);
        if (status == LADLE_OK)
            assert_memory_equal(ladle_lease_data(lease), data, sizeof data);
        ladle_lease_release(lease);
    }
    if (status == LADLE_OK)
        status = ladle_cache_flush(cache, error);
    ladle_cache_release(cache);
    return status;
}

static ladle_status make_handles(world *w, ladle_error *error)
{
    ladle_reader *reader = ladle_reader_create(w->context, 2, error);
    if (reader == NULL)
        return (ladle_status)error->status;
    ladle_cache *cache = ladle_cache_create(w->context, 0, error);
    ladle_status status = cache == NULL ? (ladle_status)error->status : LADLE_OK;
    ladle_cache_release(cache);
    ladle_reader_release(reader);
    return status;
}

static ladle_status miss_a_name(world *w, ladle_error *error)
{
    ladle_table *table = ladle_file_table(w->file, "tt", error);
    assert_null(table);
    return error->status == LADLE_NOT_FOUND ? LADLE_OK : (ladle_status)error->status;
}

#define SCENARIO(run, ...)     \
    {                          \
#run, run, __VA_ARGS__ \
    }

static const scenario scenarios[] = {
    SCENARIO(open_and_list, "ZL", false, false, 1, -1),  SCENARIO(open_table, "ZL", false, false, 1, -1),
    SCENARIO(open_table, "XZ", true, false, 1, -1),      SCENARIO(miss_a_name, "ZS", false, false, 1, -1),
    SCENARIO(read_flat, "ZL", false, false, 1, -1),      SCENARIO(read_jagged, "L4", false, false, 1, -1),
    SCENARIO(read_jagged, "L4", false, true, 1, -1),     SCENARIO(read_strings, "ZS", false, false, 1, -1),
    SCENARIO(read_leaflist, "XZ", false, false, 1, -1),  SCENARIO(read_all_forms, "CS", true, false, 1, -1),
    SCENARIO(read_all_forms, "ZL", false, false, 1, -1), SCENARIO(read_all_forms, "CS", false, false, 1, -1),
    SCENARIO(read_all_forms, "XZ", false, false, 1, -1), SCENARIO(read_all_forms, "L4", false, false, 1, -1),
    SCENARIO(read_all_forms, "ZS", false, false, 1, -1), SCENARIO(read_all_forms, NULL, false, false, 1, -1),
    SCENARIO(read_all_forms, "ZS", false, false, 3, -1), SCENARIO(read_batch, "ZL", true, false, 1, -1),
    SCENARIO(read_batch, "ZS", false, false, 2, -1),     SCENARIO(read_twice, "ZL", false, false, 1, 0),
    SCENARIO(read_twice, "ZL", true, false, 1, 4000),    SCENARIO(use_cache, NULL, false, false, 1, 0),
    SCENARIO(use_cache, NULL, false, false, 1, 600),     SCENARIO(make_handles, NULL, false, false, 1, -1),
    SCENARIO(use_levels, NULL, false, false, 1, -1),     SCENARIO(read_ntuple, NULL, false, false, 1, -1),
    SCENARIO(read_ntuple, "ZS", false, false, 1, -1),    SCENARIO(read_ntuple, "XZ", false, false, 3, -1),
    SCENARIO(read_ntuple, "L4", false, false, 1, 0),     SCENARIO(read_damaged, NULL, false, false, 1, -1),
    SCENARIO(read_damaged, "ZS", false, false, 3, 0),    SCENARIO(scan_at_once, "ZS", true, false, 1, -1),
    SCENARIO(scan_at_once, NULL, false, true, 3, -1),    SCENARIO(scan_step_by_step, "L4", false, false, 1, -1),
    SCENARIO(scan_ahead, "ZL", false, false, 1, -1),     SCENARIO(scan_ahead, "ZS", true, false, 3, -1),
};

/* --- the world ---------------------------------------------------------------------------------
 */

static void add_made_ntuples(made_file *file, const char *codec)
{
    made_ntuple *ntuple = malloc(sizeof *ntuple);
    assert_non_null(ntuple);
    begin_ntuple(ntuple, "n");
    make_all_forms(ntuple);
    ntuple->codec = codec;
    add_ntuple(file, ntuple);
    free_ntuple(ntuple);
    begin_ntuple(ntuple, "damaged");
    make_records(ntuple);
    ntuple->codec = codec;
    page_of(ntuple, 0, COLUMN_HIT_B)->lie_offset = -9;
    page_of(ntuple, 0, COLUMN_HIT_D)->lie_elements = 6;
    add_ntuple(file, ntuple);
    free_ntuple(ntuple);
    free(ntuple);
}

static void write_file(const scenario *s, char *path)
{
    made_tree tree = {.name = "t",
                      .columns = all_forms,
                      .n_columns = ALL_FORMS,
                      .n_entries = ENTRIES,
                      .page_entries = PAGE,
                      .codec = s->codec,
                      .embedded = s->embedded,
                      .flag80 = s->flag80};
    made_file made;
    begin_file(&made);
    made.codec = s->codec;
    /* A directory with one key beside the tree. */
    made_key inner = *add_record(&made, "TH1F", "h", 1, "abc", 3, NULL);
    int64_t nbytes, seek = add_key_list(&made, &inner, 1, 1, &nbytes);
    made.n_keys = 0;
    (void)add_directory(&made, "d", seek, nbytes);
    add_tree(&made, &tree);
    add_made_ntuples(&made, s->codec);
    end_file(&made);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, made.bytes.data, made.bytes.n), (ssize_t)made.bytes.n);
    (void)close(fd);
    free_file(&made);
}

static world begin_world(const scenario *s, const char *path)
{
    ladle_error error = blank_error();
    world w = {.context = begin_context(), .path = path};
    w.file = ladle_file_open(w.context, path, &error);
    assert_some(w.file, error);
    w.table = ladle_file_table(w.file, "t", &error);
    assert_some(w.table, error);
    w.reader = ladle_reader_create(w.context, s->threads, &error);
    assert_some(w.reader, error);
    if (s->cache_budget >= 0) {
        w.cache = ladle_cache_create(w.context, s->cache_budget, &error);
        assert_some(w.cache, error);
    }
    return w;
}

static void end_world(world *w)
{
    ladle_cache_release(w->cache);
    ladle_reader_release(w->reader);
    ladle_table_release(w->table);
    ladle_file_release(w->file);
    end_context(w->context);
}

/* One run with event `k` failing. Returns what the scenario said. */
static ladle_status run_once(const scenario *s, const char *path, ladle_fault_kind kind, int64_t k, bool forever,
                             ladle_error *error)
{
    world w = begin_world(s, path);
    ladle_fault_arm(w.context, kind, k, forever);
    *error = blank_error();
    ladle_status status = s->run(&w, error);
    (void)ladle_fault_disarm(w.context, kind);
    if (status != LADLE_OK) {
        assert_int_equal(error->status, status);
        assert_true(strlen(error->message) > 10);
        bool has_handles = s->run == scan_at_once || s->run == scan_step_by_step || s->run == scan_ahead;
        if (error->where[0] == '\0' && s->run != use_cache && s->run != use_levels && s->run != make_handles &&
            !has_handles)
            fail_msg("%s: event %d: no place for \"%s\"", s->name, (int)k, error->message);
    }
    /* The same handles serve the same call, now that nothing fails. */
    ladle_error again = blank_error();
    assert_ok(s->run(&w, &again), again);
    end_world(&w);
    return status;
}

static int64_t count_events(const scenario *s, const char *path, ladle_fault_kind kind)
{
    world w = begin_world(s, path);
    ladle_fault_arm(w.context, kind, 0, false);
    ladle_error error = blank_error();
    assert_ok(s->run(&w, &error), error);
    int64_t n = ladle_fault_disarm(w.context, kind);
    end_world(&w);
    return n;
}

static int64_t n_faults; /* injected in all */

static void fail_each(ladle_fault_kind kind, int expected, int64_t least)
{
    for (size_t i = 0; i < N_OF(scenarios); i++) {
        const scenario *s = &scenarios[i];
        char path[] = "/tmp/ladle-fault-XXXXXX";
        write_file(s, path);
        int fds = count_fds();
        int64_t n = count_events(s, path, kind), failed = 0;
        for (int64_t k = 1; k <= n; k++)
            for (int forever = 0; forever < 2; forever++) {
                ladle_error error;
                ladle_status status = run_once(s, path, kind, k, forever == 1, &error);
                n_faults++;
                if (status != LADLE_OK && status != (ladle_status)expected)
                    fail_msg("%s %s: event %d: %s: %s", s->name, s->codec == NULL ? "" : s->codec, (int)k,
                             ladle_status_name((int)status), error.message);
                failed += status != LADLE_OK;
                assert_int_equal(count_fds(), fds);
            }
        (void)unlink(path);
        /* What is a favour may fail unseen, most is none; in levels there is a place further down. */
        if (n > 0 && failed * 2 < n && s->run != use_levels)
            fail_msg("%s: only %d of %d failures were noticed", s->name, (int)failed, (int)(2 * n));
        least -= n;
    }
    assert_true(least <= 0);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    fail_each(LADLE_FAULT_ALLOC, LADLE_NOMEM, 500);
}

static void every_read_fails(void **state)
{
    (void)state;
    fail_each(LADLE_FAULT_READ_ERROR, LADLE_IO, 50);
}

static void every_write_fails(void **state)
{
    (void)state;
    fail_each(LADLE_FAULT_WRITE_ERROR, LADLE_IO, 5);
    fail_each(LADLE_FAULT_WRITE_FULL, LADLE_IO, 5);
}

static void every_read_finds_the_end(void **state)
{
    (void)state;
    fail_each(LADLE_FAULT_READ_EOF, LADLE_TRUNCATED, 50);
}

/* Short reads and writes are carried on and interrupted ones repeated: nobody notices. */
static void what_is_short_or_interrupted_does_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_OF(scenarios); i++) {
        const scenario *s = &scenarios[i];
        char path[] = "/tmp/ladle-fault-XXXXXX";
        write_file(s, path);
        static const ladle_fault_kind shorts[] = {LADLE_FAULT_READ_SHORT, LADLE_FAULT_WRITE_SHORT};
        for (int64_t m = 0; m < 2; m++) {
            int64_t n = count_events(s, path, shorts[m]);
            for (int64_t k = 1; k <= n; k++) {
                ladle_error error;
                for (int forever = 0; forever < 2; forever++)
                    assert_ok(run_once(s, path, shorts[m], k, forever == 1, &error), error);
                assert_ok(run_once(s, path, LADLE_FAULT_INTERRUPTED, k, false, &error), error);
                n_faults += 3;
            }
        }
        (void)unlink(path);
    }
    print_message("%lld faults injected\n", (long long)n_faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(every_read_fails),
        cmocka_unit_test(every_read_finds_the_end),
        cmocka_unit_test(every_write_fails),
        cmocka_unit_test(what_is_short_or_interrupted_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
