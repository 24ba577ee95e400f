/* Sixteen threads share one file, table, reader and cache, and read random ranges of all columns:
 * every answer is the right one. LADLE_HAMMER sets the rounds of each thread; the thread sanitizer
 * watches this test. */
#include "support/check.h"
#include "support/rootfile.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS = 16, ENTRIES = 1500, PAGE = 200 };

typedef struct shared {
    ladle_context *context;
    ladle_file *file;
    ladle_table *table;
    ladle_reader *reader;
    ladle_cache *cache;
    pthread_barrier_t begin;
    int rounds;
} shared;

typedef struct worker {
    shared *s;
    uint64_t seed;
    int wrong;
    int answers;
    char why[256];
} worker;

/* As assert_column, but tells instead of failing: cmocka's assertions are for the main thread. */
static bool is_right(const ladle_array *array, const made_column *column, int64_t start, int64_t stop)
{
    bytes data = {0};
    expected_data(column, 0, start, stop, &data);
    const ladle_lease *values = array->buffers[array->n_buffers - 1];
    bool right = ladle_lease_nbytes(values) == (int64_t)data.n &&
                 (data.n == 0 || memcmp(ladle_lease_data(values), data.data, data.n) == 0);
    bytes_free(&data);
    if (array->n_buffers == 2) {
        int64_t offsets[ENTRIES + 1];
        expected_offsets(column, start, stop, offsets);
        right = right && memcmp(ladle_lease_data(array->buffers[0]), offsets,
                                (size_t)(stop - start + 1) * sizeof offsets[0]) == 0;
    }
    return right;
}

static void note(worker *w, bool fine, const ladle_error *error, const char *what)
{
    w->answers += fine;
    if (fine)
        return;
    w->wrong++;
    (void)snprintf(w->why, sizeof w->why, "%s: %.180s", what, error->message);
}

static void read_some(worker *w, ladle_table *table, ladle_cache *cache)
{
    /* Few ranges, so that threads meet; a record is asked for by its first leaf. */
    const made_column *column = &all_forms[random_below(&w->seed, ALL_FORMS)];
    int64_t start = random_below(&w->seed, 8) * 150, stop = start + random_below(&w->seed, 3) * 150;
    int32_t index = ladle_table_find(table, column->form == MADE_RECORD ? "rec.d" : column->name);
    ladle_array array;
    ladle_error error = blank_error();
    bool fine = ladle_read_column(w->s->reader, cache, table, index, start, stop, &array, &error) == LADLE_OK &&
                is_right(&array, column, start, stop);
    ladle_array_release(&array);
    note(w, fine, &error, column->name);
}

static void open_again(worker *w)
{
    ladle_error error = blank_error();
    ladle_table *table = ladle_file_table(w->s->file, "t", &error);
    note(w, table != NULL, &error, "table");
    if (table == NULL)
        return;
    read_some(w, table, NULL);
    read_some(w, table, w->s->cache); /* the same keys: the same buffers */
    ladle_table_release(table);
}

static void *hammer(void *argument)
{
    worker *w = argument;
    shared *s = w->s;
    (void)pthread_barrier_wait(&s->begin);
    for (int i = 0; i < s->rounds; i++)
        switch (random_below(&w->seed, 12)) {
        case 0: open_again(w); break;
        case 1: (void)ladle_context_trim(s->context); break;
        case 2: ladle_cache_set_budget(s->cache, 0, random_below(&w->seed, 60000)); break;
        case 3: ladle_cache_clear(s->cache); break;
        case 4:
        case 5: read_some(w, s->table, NULL); break;
        default: read_some(w, s->table, s->cache);
        }
    return NULL;
}

static void begin_shared(shared *s, const char *codec, const char *path, made_file *made)
{
    begin_all_forms(made, codec, ENTRIES, PAGE, strcmp(codec, "XZ") == 0, false);
    end_file(made);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(made->bytes.data, 1, made->bytes.n, out), made->bytes.n);
    assert_int_equal(fclose(out), 0);
    ladle_error error = blank_error();
    const char *rounds = getenv("LADLE_HAMMER");
    s->rounds = rounds == NULL ? 40 : atoi(rounds);
    assert_true(s->rounds > 0);
    s->context = begin_context();
    s->file = ladle_file_open(s->context, path, &error);
    assert_some(s->file, error);
    s->table = ladle_file_table(s->file, "t", &error);
    assert_some(s->table, error);
    s->reader = ladle_reader_create(s->context, 3, &error);
    assert_some(s->reader, error);
    s->cache = ladle_cache_create(s->context, 30000, &error);
    assert_some(s->cache, error);
    assert_int_equal(pthread_barrier_init(&s->begin, NULL, THREADS), 0);
}

static void threads_share_everything(void **state)
{
    (void)state;
    static const char *const codecs[] = {"ZL", "ZS", "L4", "XZ"};
    for (size_t c = 0; c < N_OF(codecs); c++) {
        char path[] = "/tmp/ladle-hammer-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        (void)close(fd);
        made_file made;
        shared s = {0};
        begin_shared(&s, codecs[c], path, &made);
        worker workers[THREADS];
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) {
            workers[i] = (worker){.s = &s, .seed = (uint64_t)i * 77 + c + 1};
            assert_int_equal(pthread_create(&threads[i], NULL, hammer, &workers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            if (workers[i].wrong > 0)
                fail_msg("%s: thread %d: %d wrong answers: %s", codecs[c], i, workers[i].wrong, workers[i].why);
            assert_true(workers[i].answers > 0);
        }
        (void)pthread_barrier_destroy(&s.begin);
        ladle_cache_release(s.cache);
        ladle_reader_release(s.reader);
        ladle_table_release(s.table);
        ladle_file_release(s.file);
        end_context(s.context);
        free_file(&made);
        (void)unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_share_everything)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
