/* Faults on purpose in the HDF5 store: each allocation, read and write of opening, putting, waking and committing
 * fails, once and from then on.
 *
 * Whatever fails: the call succeeds, or fails with a status that fits and the shelf_path, nothing is left behind, what
 * was committed before is there still, and the same store then serves the same call. */
#include "support/shelf.h"

#include <unistd.h>

/* In place of libc's: waiting for the disk is most of the time, and its failure is a fault point. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

typedef struct world {
    ladle_context *context;
    shelf s;
    bool named;
} world;

typedef struct scenario {
    const char *name;
    ladle_status (*run)(world *w, ladle_error *error);
    bool named, closed; /* closed: no store is open when it begins */
} scenario;

static const int64_t counts[] = {0, 10, 100000, 333};

static ladle_status put_some(world *w, ladle_error *error)
{
    ladle_status status = LADLE_OK;
    char key[16];
    for (size_t i = 0; i < N_OF(counts) && status == LADLE_OK; i++) {
        int n = snprintf(key, sizeof key, "new/%d", (int)i);
        status = shelf_try_put(&w->s, key, (size_t)n, LADLE_DTYPE_F32, counts[i], NULL, 2, error);
    }
    return status;
}

static ladle_status wake_all(world *w, ladle_error *error)
{
    ladle_status status = LADLE_OK;
    for (int i = 0; i < w->s.n && status == LADLE_OK; i++)
        status = shelf_try_check(&w->s, i, error);
    return status;
}

static ladle_status commit_all(world *w, ladle_error *error)
{
    return shelf_commit(&w->s, error);
}

static ladle_status open_old(world *w, ladle_error *error)
{
    ladle_status status = shelf_try_open(&w->s, w->context, shelf_path, error);
    if (status == LADLE_OK) {
        assert_int_equal(w->s.n, 40);
        status = wake_all(w, error);
    }
    shelf_close(&w->s);
    return status;
}

static ladle_status open_fresh(world *w, ladle_error *error)
{
    char fresh[128];
    (void)snprintf(fresh, sizeof fresh, "%s/fresh.h5", shelf_folder);
    (void)unlink(fresh);
    ladle_status status = shelf_try_open(&w->s, w->context, fresh, error);
    shelf_close(&w->s);
    (void)unlink(fresh);
    return status;
}

static ladle_status open_scratch(world *w, ladle_error *error)
{
    ladle_status status = shelf_try_open(&w->s, w->context, NULL, error);
    shelf_close(&w->s);
    return status;
}

static const scenario scenarios[] = {
    {"put, scratch", put_some, false, false},           {"put, named", put_some, true, false},
    {"wake, scratch", wake_all, false, false},          {"wake, named", wake_all, true, false},
    {"commit, scratch", commit_all, false, false},      {"commit, named", commit_all, true, false},
    {"open what was there", open_old, true, true},      {"open a new file", open_fresh, true, true},
    {"open a scratch file", open_scratch, false, true},
};

static void fill(shelf *s)
{
    char key[32];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(key, sizeof key, i % 2 == 0 ? "%d" : "group %d/x", i);
        shelf_put(s, key, LADLE_DTYPE_I16, i == 7 ? 150000 : i * 10, 1);
    }
}

/* A file with 40 committed buffers: the first is made, the others are copies of it. */
static void make_old(ladle_context *context)
{
    static shelf_bytes old;
    if (old.data != NULL) {
        shelf_write(old.data, old.nbytes);
        return;
    }
    ladle_error error = blank_error();
    shelf s;
    shelf_open(&s, context, shelf_path);
    fill(&s);
    assert_ok(shelf_commit(&s, &error), error);
    shelf_close(&s);
    old = shelf_image();
}

static void begin(world *w, const scenario *about)
{
    w->context = begin_context();
    make_old(w->context);
    if (about->closed)
        return;
    shelf_open(&w->s, w->context, about->named ? shelf_path : NULL);
    if (!about->named)
        fill(&w->s);
    if (about->run == commit_all) {
        shelf_drop(&w->s, "group 7/x");
        shelf_put(&w->s, "0", LADLE_DTYPE_F64, 1000, 5);
    }
}

/* What was committed is there, or what was to be. */
static void end(world *w, const scenario *about, bool done)
{
    if (!about->closed) {
        shelf_check_all(&w->s);
        shelf_close(&w->s);
    }
    shelf s;
    shelf_open(&s, w->context, shelf_path);
    bool committed = about->run == commit_all && about->named && done;
    assert_int_equal(s.n, committed ? 39 : 40);
    shelf_check_all(&s);
    shelf_close(&s);
    end_context(w->context);
}

static bool fits(ladle_fault_kind kind, const ladle_error *error)
{
    switch (kind) {
    case LADLE_FAULT_ALLOC: return error->status == LADLE_NOMEM;
    case LADLE_FAULT_READ_EOF: return error->status == LADLE_TRUNCATED && error->where[0] != '\0';
    default: return error->status == LADLE_IO && error->os_errno != 0 && error->where[0] != '\0';
    }
}

static int run_one(const scenario *about, ladle_fault_kind kind, int64_t k, bool forever, bool *reached)
{
    world w = {0};
    begin(&w, about);
    int fds = count_fds();
    ladle_error error = blank_error();
    ladle_fault_arm(w.context, kind, k, forever);
    ladle_status status = about->run(&w, &error);
    *reached = ladle_fault_disarm(w.context, kind) >= k;
    assert_int_equal(count_fds(), fds);
    if (status != LADLE_OK) {
        if (!fits(kind, &error) || strlen(error.message) < 10)
            print_error("%s: %s: %s\n", about->name, error.where, error.message);
        assert_true(fits(kind, &error));
        assert_true(strlen(error.message) >= 10);
    } else if (*reached) {
        assert_true(kind == LADLE_FAULT_ALLOC || kind == LADLE_FAULT_READ_SHORT || kind == LADLE_FAULT_WRITE_SHORT ||
                    kind == LADLE_FAULT_INTERRUPTED || kind == LADLE_FAULT_WRITE_ERROR ||
                    (kind == LADLE_FAULT_WRITE_FULL && !forever)); /* room was made, and it was tried again */
    }
    bool failed = status != LADLE_OK;
    if (failed) { /* and then it works */
        error = blank_error();
        assert_ok(about->run(&w, &error), error);
    }
    end(&w, about, true);
    return failed;
}

/* A commit that failed has changed nothing, or everything. */
static void failed_commits_keep_what_was(void **state)
{
    (void)state;
    static const ladle_fault_kind kinds[] = {LADLE_FAULT_ALLOC, LADLE_FAULT_WRITE_ERROR, LADLE_FAULT_WRITE_FULL};
    int olds = 0, news = 0;
    for (size_t i = 0; i < N_OF(kinds); i++) {
        bool reached = true;
        for (int64_t k = 1; reached; k++) {
            world w = {0};
            ladle_error error = blank_error();
            begin(&w, &scenarios[5]);
            ladle_fault_arm(w.context, kinds[i], k, true);
            ladle_status status = shelf_commit(&w.s, &error);
            reached = ladle_fault_disarm(w.context, kinds[i]) >= k;
            shelf_check_all(&w.s);
            shelf_put(&w.s, "later", LADLE_DTYPE_F64, 20000, 7); /* must not lie over what is committed */
            shelf_check_all(&w.s);
            shelf_close(&w.s);
            shelf s;
            shelf_open(&s, w.context, shelf_path);
            assert_true(s.n == 40 || s.n == 39);
            assert_true(s.n == 39 || status != LADLE_OK);
            olds += s.n == 40;
            news += s.n == 39 && status != LADLE_OK;
            shelf_check_all(&s);
            shelf_close(&s);
            end_context(w.context);
        }
    }
    print_message("failed commits: %d old, %d new\n", olds, news);
    assert_true(olds > 20 && news > 0);
}

static void each_fault_once_and_for_ever(void **state)
{
    (void)state;
    int runs = 0, failures = 0;
    for (size_t i = 0; i < N_OF(scenarios); i++)
        for (int kind = 0; kind < LADLE_FAULT_KIND_COUNT; kind++)
            for (int forever = 0; forever < 2; forever++) {
                bool reached = kind != LADLE_FAULT_INTERRUPTED || !forever; /* else it is repeated for ever */
                for (int64_t k = 1; reached; k++, runs++)
                    failures += run_one(&scenarios[i], (ladle_fault_kind)kind, k, forever, &reached);
            }
    print_message("%d runs, %d failures\n", runs, failures);
    assert_true(failures > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fault_once_and_for_ever, shelf_set_up, shelf_tear_down),
        cmocka_unit_test_setup_teardown(failed_commits_keep_what_was, shelf_set_up, shelf_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
