/* The HDF5 store's named file: what was committed comes back, whatever happens to file, process and disk meanwhile. */
#include "support/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static ladle_store_info info_of(const shelf *s)
{
    ladle_store_info info = {.struct_size = sizeof info};
    s->store->ops->info(s->store, &info);
    return info;
}

static void commit(shelf *s)
{
    ladle_error error = blank_error();
    assert_ok(shelf_commit(s, &error), error);
}

/* Opens the file anew and checks that it holds just these. */
static void assert_holds(const char *const *keys, int n)
{
    ladle_context *context = begin_context();
    shelf s;
    shelf_open(&s, context, shelf_path);
    assert_int_equal(s.n, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(shelf_find(&s, keys[i], strlen(keys[i])), i);
    shelf_check_all(&s);
    shelf_close(&s);
    end_context(context);
}

/* --- keeping --------------------------------------------------------------------------------- */

static void comes_back_after_reopening(void **state)
{
    (void)state;
    static const int64_t counts[] = {0, 1, 7, 1000, 70000};
    static const char *const layouts[] = {NULL, "|S8|1000", "<M8[s]|10,100", "[('a', '<i4'), ('b', '<f4')]|1000",
                                          "nonsense"};
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    shelf s;
    shelf_open(&s, context, shelf_path);
    assert_int_equal(s.n, 0);
    char key[64];
    for (int round = 0; round < 3; round++) {
        for (int dtype = LADLE_DTYPE_BOOL; dtype <= LADLE_DTYPE_F64; dtype++)
            for (size_t i = 0; i < N_OF(counts); i++) {
                int n = snprintf(key, sizeof key, "events/%d/%d/data", dtype, (int)i);
                assert_ok(shelf_try_put(&s, key, (size_t)n, (ladle_dtype)dtype, counts[i], NULL, round, &error), error);
            }
        for (size_t i = 0; i < N_OF(layouts); i++) {
            int n = snprintf(key, sizeof key, "laid out %d", (int)i);
            assert_ok(shelf_try_put(&s, key, (size_t)n, LADLE_DTYPE_I64, 1000, layouts[i], round, &error), error);
        }
        /* Keys are bytes. */
        static const char odd[] = "\0/\xFF\xFE//.\n%\xC3\xA9";
        for (size_t n = 0; n < sizeof odd; n++)
            assert_ok(shelf_try_put(&s, odd, n, LADLE_DTYPE_U8, 3, NULL, round, &error), error);
        static char longest[LADLE_MAX_KEY_NBYTES];
        memset(longest, 'x', sizeof longest);
        assert_ok(shelf_try_put(&s, longest, sizeof longest, LADLE_DTYPE_F32, 5, NULL, round, &error), error);
        memset(longest, '/', sizeof longest);
        assert_ok(shelf_try_put(&s, longest, sizeof longest, LADLE_DTYPE_F32, 5, NULL, round, &error), error);
        shelf_check_all(&s);
        commit(&s);
        shelf_check_all(&s);
        int n = s.n;
        void *keys[SHELF_MAX];
        for (int i = 0; i < n; i++)
            keys[i] = memcpy(malloc(s.items[i].key_nbytes + 1), s.items[i].key, s.items[i].key_nbytes);
        shelf before = s;
        shelf_close(&s);
        shelf_open(&s, context, shelf_path);
        assert_int_equal(s.n, n);
        for (int i = 0; i < n; i++) { /* in the same order, with all that was said of them */
            assert_int_equal(s.items[i].key_nbytes, before.items[i].key_nbytes);
            assert_memory_equal(s.items[i].key, keys[i], s.items[i].key_nbytes);
            assert_int_equal(s.items[i].dtype, before.items[i].dtype);
            assert_int_equal(s.items[i].count, before.items[i].count);
            assert_int_equal(s.items[i].layout_nbytes, before.items[i].layout_nbytes);
            assert_true(s.items[i].nbytes <= before.items[i].nbytes &&
                        s.items[i].nbytes + 4096 > before.items[i].nbytes);
            assert_int_equal(s.items[i].cost_ns, round);
            free(keys[i]);
        }
        shelf_check_all(&s);
        shelf_check_all(&s); /* verified once, then believed */
    }
    shelf_close(&s);
    end_context(context);
}

/* Only what a commit says is kept, and nothing of it is overwritten before the next one. */
static void holds_the_last_commit(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    shelf s;
    static const char *const first[] = {"a", "b", "c"}, *const second[] = {"b", "d"};
    shelf_open(&s, context, shelf_path);
    assert_true(info_of(&s).named);
    assert_string_equal(info_of(&s).path, shelf_path);
    for (int i = 0; i < 3; i++)
        shelf_put(&s, first[i], LADLE_DTYPE_F64, 3000, i);
    commit(&s);
    shelf_drop(&s, "a");
    shelf_drop(&s, "c");
    for (int i = 0; i < 20; i++) {
        shelf_put(&s, "d", LADLE_DTYPE_F64, 3000, i);
        shelf_put(&s, "b", LADLE_DTYPE_F64, 3000, i);
    }
    shelf_close(&s);
    assert_holds(first, 3);
    shelf_open(&s, context, shelf_path);
    shelf_drop(&s, "a");
    shelf_drop(&s, "c");
    shelf_put(&s, "d", LADLE_DTYPE_I16, 100000, 4);
    commit(&s);
    shelf_close(&s);
    assert_holds(second, 2);
    end_context(context);
}

/* A file in use for long does not grow: what was dropped is free after a commit. */
static void room_is_used_again(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    shelf s;
    shelf_open(&s, context, shelf_path);
    int64_t largest = 0;
    for (int round = 0; round < 60; round++) {
        char key[16];
        for (int i = 0; i < 10; i++) {
            (void)snprintf(key, sizeof key, "%d", (round + i) % 15);
            shelf_put(&s, key, LADLE_DTYPE_F64, 1000 + (i * 37 + round) % 500, round);
        }
        commit(&s);
        int64_t size = info_of(&s).file_nbytes;
        largest = size > largest ? size : largest;
    }
    int64_t live = 0;
    for (int i = 0; i < s.n; i++)
        live += s.items[i].nbytes;
    print_message("at most %lld bytes for %lld\n", (long long)largest, (long long)live);
    assert_true(largest < 3 * live);
    while (s.n > 0) {
        char key[16] = {0};
        memcpy(key, s.items[0].key, s.items[0].key_nbytes);
        shelf_drop(&s, key);
    }
    commit(&s);
    commit(&s);
    assert_true(info_of(&s).file_nbytes < 64 << 10);
    shelf_close(&s);
    assert_holds(NULL, 0);
    end_context(context);
}

/* --- files that are not ours, or not at hand ------------------------------------------------- */

static void write_file(const char *where, const void *data, size_t nbytes)
{
    int fd = open(where, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, nbytes), nbytes);
    assert_int_equal(close(fd), 0);
}

/* Opening fails so, names the file, leaves nothing behind, and leaves the file as it is. */
static void assert_refused(const char *where, int status, const char *text)
{
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    shelf s;
    int fds = count_fds();
    assert_status(shelf_try_open(&s, context, where, &error), status, error);
    assert_error(error, status, text);
    assert_null(s.store);
    assert_int_equal(strncmp(error.where, where, sizeof error.where - 1), 0);
    assert_int_equal(count_fds(), fds);
    end_context(context);
}

static void foreign_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t nbytes;
        const char *text;
    } files[] = {
        {"\x89HDF\r\n\x1a\n and more", 17, "HDF5 file of another program"},
        {"root and so on", 14, "ROOT file"},
        {"x", 1, "file of another kind"},
        {"\x89ladle\r", 7, "file of another kind"},
    };
    for (size_t i = 0; i < N_OF(files); i++) {
        write_file(shelf_path, files[i].data, files[i].nbytes);
        assert_refused(shelf_path, LADLE_CORRUPT, files[i].text);
        struct stat about;
        assert_int_equal(stat(shelf_path, &about), 0);
        assert_int_equal(about.st_size, files[i].nbytes);
    }
    write_file(shelf_path, "\x89ladle\r\n", 8);
    assert_refused(shelf_path, LADLE_TRUNCATED, NULL);
}

static void bad_paths_are_refused(void **state)
{
    (void)state;
    char other[512];
    assert_refused(shelf_folder, LADLE_IO, strerror(EISDIR));
    (void)snprintf(other, sizeof other, "%s/no/cache.h5", shelf_folder);
    assert_refused(other, LADLE_IO, strerror(ENOENT));
    (void)snprintf(other, sizeof other, "%s/%0300d", shelf_folder, 1);
    assert_refused(other, LADLE_IO, strerror(ENAMETOOLONG));
    (void)snprintf(other, sizeof other, "%s/loop", shelf_folder);
    assert_int_equal(symlink(other, other), 0);
    assert_refused(other, LADLE_IO, strerror(ELOOP));
    (void)snprintf(other, sizeof other, "%s/pipe", shelf_folder);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_refused(other, LADLE_IO, "not a regular file");
    assert_refused("", LADLE_IO, strerror(ENOENT));
    assert_refused("/dev/null", LADLE_IO, "not a regular file");
}

/* Runs `test` in a child, because it changes the process for good. */
static void in_child(void (*test)(void))
{
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        test();
        _exit(0); /* a failed assertion longjmps in the child, which then runs on: it exits with a status of its own */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child cmocka's assertions would return to the parent's code. */
#define demand(condition)                                                         \
    do {                                                                          \
        if (!(condition)) {                                                       \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                             \
        }                                                                         \
    } while (0)

static void without_rights(void)
{
    demand(geteuid() != 0 || seteuid(65534) == 0);
    ladle_error error = blank_error();
    ladle_context *context = ladle_context_create(NULL, &error);
    shelf s;
    demand(shelf_try_open(&s, context, shelf_path, &error) == LADLE_IO);
    demand(error.os_errno == EACCES && strstr(error.where, shelf_path) != NULL);
    char other[160];
    (void)snprintf(other, sizeof other, "%s/readable.h5", shelf_folder);
    demand(shelf_try_open(&s, context, other, &error) == LADLE_IO);
    demand(error.os_errno == EACCES && strstr(error.where, other) != NULL);
    ladle_context_release(context);
}

static void without_rights_it_is_refused(void **state)
{
    (void)state;
    char other[160];
    (void)snprintf(other, sizeof other, "%s/readable.h5", shelf_folder);
    write_file(other, "", 0);
    assert_int_equal(chmod(other, 0444), 0);
    assert_int_equal(chmod(shelf_folder, 0555), 0);
    in_child(without_rights);
    assert_int_equal(chmod(shelf_folder, 0755), 0);
}

static void open_elsewhere(void)
{
    ladle_error error = blank_error();
    ladle_context *context = ladle_context_create(NULL, &error);
    shelf s;
    demand(shelf_try_open(&s, context, shelf_path, &error) == LADLE_LOCKED);
    demand(strstr(error.where, shelf_path) != NULL && strstr(error.message, "in use by another process") != NULL);
    ladle_context_release(context);
}

static void one_user_at_a_time(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    shelf s;
    shelf_open(&s, context, shelf_path);
    in_child(open_elsewhere);
    assert_refused(shelf_path, LADLE_LOCKED, "in use by another");
    shelf_put(&s, "a", LADLE_DTYPE_I8, 10, 0);
    commit(&s);
    shelf_close(&s);
    static const char *const keys[] = {"a"};
    assert_holds(keys, 1);
    end_context(context);
}

/* --- a forked child -------------------------------------------------------------------------- */

static shelf forked;

static void use_in_child(void)
{
    ladle_error error = blank_error();
    shelf *s = &forked;
    demand(shelf_try_put(s, "b", 1, LADLE_DTYPE_I8, 10, NULL, 0, &error) == LADLE_INVALID);
    demand(strstr(error.where, shelf_path) != NULL && strstr(error.message, "fork") != NULL);
    demand(shelf_try_check(s, 0, &error) == LADLE_INVALID);
    demand(shelf_commit(s, &error) == LADLE_INVALID);
    demand(s->store->ops->load(s->store, NULL, NULL, &error) == LADLE_INVALID);
    demand(info_of(s).named);
    shelf_close(s); /* neither the file nor its lock are the child's */
    shelf scratch;
    shelf_open(&scratch, s->context, NULL);
    shelf_put(&scratch, "b", LADLE_DTYPE_I8, 10, 0);
    commit(&scratch);
    shelf_check_all(&scratch);
    shelf_close(&scratch);
    open_elsewhere();
}

static void a_child_does_not_touch_the_file(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    shelf_open(&forked, context, shelf_path);
    shelf_put(&forked, "a", LADLE_DTYPE_I8, 10, 0);
    in_child(use_in_child);
    commit(&forked);
    shelf_check_all(&forked);
    shelf_close(&forked);
    static const char *const keys[] = {"a"};
    assert_holds(keys, 1);
    end_context(context);
}

/* --- the file changes under us --------------------------------------------------------------- */

static void deleted_or_replaced_is_noticed(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        ladle_context *context = begin_context();
        ladle_error error = blank_error();
        char other[128];
        (void)snprintf(other, sizeof other, "%s/moved", shelf_folder);
        shelf s;
        shelf_open(&s, context, shelf_path);
        shelf_put(&s, "a", LADLE_DTYPE_F32, 1000, 1);
        if (way == 0)
            assert_int_equal(unlink(shelf_path), 0);
        else
            assert_int_equal(rename(shelf_path, other), 0);
        if (way == 2)
            write_file(shelf_path, "mine", 4);
        assert_status(shelf_commit(&s, &error), LADLE_IO, error);
        assert_error(error, LADLE_IO, way == 2 ? "replaced" : "deleted or moved");
        assert_string_equal(error.where, shelf_path);
        shelf_check_all(&s); /* of use here, still */
        shelf_put(&s, "b", LADLE_DTYPE_F32, 1000, 1);
        shelf_check_all(&s);
        shelf_close(&s);
        if (way == 2)
            assert_refused(shelf_path, LADLE_CORRUPT, "another kind");
        (void)unlink(shelf_path);
        end_context(context);
    }
}

static void a_cut_is_noticed(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    shelf s;
    shelf_open(&s, context, shelf_path);
    shelf_put(&s, "small", LADLE_DTYPE_F32, 10, 1);
    shelf_put(&s, "large", LADLE_DTYPE_F32, 100000, 1);
    commit(&s);
    assert_int_equal(truncate(shelf_path, 100000), 0);
    assert_status(shelf_try_check(&s, 1, &error), LADLE_TRUNCATED, error);
    assert_error(error, LADLE_TRUNCATED, "cut");
    assert_string_equal(error.where, shelf_path);
    assert_status(shelf_try_check(&s, 0, &error), LADLE_OK, error);
    assert_status(shelf_commit(&s, &error), LADLE_TRUNCATED, error);
    assert_string_equal(error.where, shelf_path);
    shelf_drop(&s, "large");
    commit(&s);
    shelf_close(&s);
    static const char *const keys[] = {"small"};
    assert_holds(keys, 1);
    assert_int_equal(truncate(shelf_path, 1000), 0);
    assert_refused(shelf_path, LADLE_TRUNCATED, "cut");
    end_context(context);
}

/* --- a full disk ----------------------------------------------------------------------------- */

/* Puts until the disk is full; what is there stays, and there is room again after a drop. */
static void fill_up(shelf *s, int expected)
{
    ladle_error error = blank_error();
    ladle_status status = LADLE_OK;
    char key[16];
    int n = 0;
    shelf_put(s, "first", LADLE_DTYPE_U8, 65536, 1);
    demand(shelf_commit(s, &error) == LADLE_OK);
    for (; status == LADLE_OK && n < 100; n++) {
        (void)snprintf(key, sizeof key, "%d", n);
        status = shelf_try_put(s, key, strlen(key), LADLE_DTYPE_U8, 65536, NULL, n, &error);
    }
    demand(n > 3 && n < 100);
    demand(status == LADLE_IO && error.os_errno == expected && strstr(error.message, "make room") != NULL);
    demand(strstr(error.where, shelf_path) != NULL || !info_of(s).named);
    shelf_check_all(s);
    for (int i = 0; i < 3; i++) {
        demand(shelf_try_put(s, "more", 4, LADLE_DTYPE_U8, 65536, NULL, 1, &error) == LADLE_IO);
        shelf_drop(s, i == 0 ? "0" : i == 1 ? "1" : "2");
        demand(shelf_try_put(s, "other", 5, LADLE_DTYPE_U8, 60000, NULL, 1, &error) == LADLE_OK);
        shelf_check_all(s);
        shelf_drop(s, "other");
        (void)snprintf(key, sizeof key, "%d", i);
        demand(shelf_try_put(s, key, 1, LADLE_DTYPE_U8, 65536, NULL, 1, &error) == LADLE_OK);
    }
    shelf_drop(s, "0");
    demand(shelf_commit(s, &error) == LADLE_OK);
    shelf_check_all(s);
}

static void with_limit(void)
{
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    demand(setrlimit(RLIMIT_FSIZE, &limit) == 0); /* SIGXFSZ ends the process, as by default */
    ladle_error error = blank_error();
    ladle_context *context = ladle_context_create(NULL, &error);
    for (int named = 0; named < 2; named++) {
        shelf s;
        shelf_open(&s, context, named ? shelf_path : NULL);
        fill_up(&s, EFBIG);
        shelf_close(&s);
    }
    ladle_context_release(context);
}

static void a_limit_on_file_sizes_is_an_error(void **state)
{
    (void)state;
    in_child(with_limit);
    ladle_context *context = begin_context();
    shelf s;
    shelf_open(&s, context, shelf_path);
    assert_true(s.n > 3);
    shelf_check_all(&s);
    shelf_close(&s);
    end_context(context);
}

static void on_a_full_disk(void)
{
    /* A file system of 1 MiB of our own, where the system lets us. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("ladle", shelf_folder, "tmpfs", 0, "size=1m") != 0) {
        (void)fprintf(stderr, "no tmpfs here: %s\n", strerror(errno));
        return;
    }
    ladle_error error = blank_error();
    ladle_context *context = ladle_context_create(NULL, &error);
    demand(setenv("LADLE_SCRATCH", shelf_folder, 1) == 0);
    for (int named = 0; named < 2; named++) {
        shelf s;
        shelf_open(&s, context, named ? shelf_path : NULL);
        fill_up(&s, ENOSPC);
        int n = s.n;
        shelf_close(&s);
        if (named) {
            shelf_open(&s, context, shelf_path);
            demand(s.n == n);
            shelf_check_all(&s);
            shelf_close(&s);
        }
    }
    ladle_context_release(context);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    in_child(on_a_full_disk);
}

/* --- threads --------------------------------------------------------------------------------- */

typedef struct worker {
    shelf s; /* its own items of the common store */
    pthread_t thread;
    int number;
    ladle_error error;
    ladle_status status;
} worker;

static void *work(void *user)
{
    worker *w = user;
    uint64_t seed = (uint64_t)w->number + 1;
    for (int step = 0; step < 400 && w->status == LADLE_OK; step++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%d/%d", w->number, (int)random_below(&seed, 20));
        int at = shelf_find(&w->s, key, strlen(key));
        if (at >= 0 && step % 3 == 0)
            shelf_drop(&w->s, key);
        else
            w->status = shelf_try_put(&w->s, key, strlen(key), LADLE_DTYPE_I32, random_below(&seed, 3000), NULL, step,
                                      &w->error);
        if (w->status == LADLE_OK && w->s.n > 0)
            w->status = shelf_try_check(&w->s, (int)random_below(&seed, w->s.n), &w->error);
        if (w->status == LADLE_OK && step % 20 == w->number)
            w->status = shelf_commit(&w->s, &w->error);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    static worker workers[THREADS];
    for (int named = 0; named < 2; named++) {
        ladle_context *context = begin_context();
        shelf all;
        shelf_open(&all, context, named ? shelf_path : NULL);
        for (int i = 0; i < THREADS; i++) {
            workers[i] = (worker){.s = {.context = context, .store = all.store}, .number = i};
            assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            (void)pthread_join(workers[i].thread, NULL);
            assert_ok(workers[i].status, workers[i].error);
            shelf_check_all(&workers[i].s);
            for (int j = 0; j < workers[i].s.n; j++)
                all.items[all.n++] = workers[i].s.items[j];
        }
        commit(&all);
        int n = all.n;
        shelf_close(&all);
        if (named) {
            shelf_open(&all, context, shelf_path);
            assert_int_equal(all.n, n);
            shelf_check_all(&all);
            shelf_close(&all);
        }
        end_context(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back_after_reopening, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(holds_the_last_commit, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(room_is_used_again, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(foreign_files_are_refused, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(bad_paths_are_refused, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(without_rights_it_is_refused, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(one_user_at_a_time, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(a_child_does_not_touch_the_file, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(deleted_or_replaced_is_noticed, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(a_cut_is_noticed, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(a_limit_on_file_sizes_is_an_error, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_an_error, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(many_threads, shelf_set_up, shelf_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
