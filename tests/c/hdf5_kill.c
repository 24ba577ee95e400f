/* The HDF5 store's named file, killed: a process that puts, drops and commits is stopped by SIGKILL before, in and
 * after each of its writes, and at random times. Afterwards the file holds exactly the last commit, or the one under
 * way.
 *
 * $LADLE_KEEP names a folder: the files as they were left are copied there, for others to read. */
#include "support/shelf.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 12, ROUNDS = 5 };

typedef enum kill_mode { BEFORE, AFTER, HALFWAY, MODES } kill_mode;

/* Shared between both processes. Versions by key; 0: not there. */
typedef struct board {
    int64_t last[KEYS], next[KEYS];
    int64_t events; /* writes and the like so far */
    int64_t kill_at;
    kill_mode mode;
} board;

static board *shared;
static char folder[64], path[96];

/* --- in place of libc's ---------------------------------------------------------------------- */

static bool strikes(void)
{
    return shared != NULL && ++shared->events == shared->kill_at;
}

static void die_if(bool now)
{
    if (now)
        (void)raise(SIGKILL);
}

ssize_t pwrite64(int fd, const void *data, size_t nbytes, off64_t offset)
{
    bool now = strikes();
    die_if(now && shared->mode == BEFORE);
    /* What lies within one page is written whole or not at all. */
    if (now && shared->mode == HALFWAY && offset / 4096 != (offset + (off64_t)nbytes - 1) / 4096)
        nbytes /= 2;
    ssize_t put = syscall(SYS_pwrite64, fd, data, nbytes, offset);
    die_if(now);
    return put;
}

int ftruncate64(int fd, off64_t nbytes)
{
    bool now = strikes();
    die_if(now && shared->mode == BEFORE);
    int result = (int)syscall(SYS_ftruncate, fd, nbytes);
    die_if(now);
    return result;
}

/* Waiting for the disk says nothing about SIGKILL. */
int fdatasync(int fd)
{
    (void)fd;
    die_if(strikes());
    return 0;
}

/* --- the writer ------------------------------------------------------------------------------ */

static const char *key_name(int i)
{
    static const char *const names[KEYS] = {"a",   "b", "run/c", "run/d", "run/e/f", "run/e/g",
                                            "run", "h", "i",     "j",     "k",       "l"};
    return names[i];
}

static void write_until_killed(uint64_t seed, bool for_ever)
{
    ladle_error error = blank_error();
    ladle_context *context = ladle_context_create(NULL, &error);
    shelf s;
    shelf_open(&s, context, path);
    for (int64_t round = 1; round <= ROUNDS || for_ever; round++) {
        memcpy(shared->next, shared->last, sizeof shared->next);
        for (int step = 0; step < 6; step++) {
            int i = (int)random_below(&seed, KEYS);
            if (shared->next[i] != 0 && random_below(&seed, 3) == 0) {
                shelf_drop(&s, key_name(i));
                shared->next[i] = 0;
            } else {
                shared->next[i] = round * 100 + step;
                int64_t count = random_below(&seed, 4) == 0 ? random_below(&seed, 200000) : random_below(&seed, 300);
                shelf_put(&s, key_name(i), LADLE_DTYPE_U8, count, shared->next[i]);
            }
        }
        if (shelf_commit(&s, &error) != LADLE_OK)
            (void)fprintf(stderr, "%s: %s\n", error.where, error.message), _exit(2);
        memcpy(shared->last, shared->next, sizeof shared->last);
    }
    shelf_close(&s);
}

/* --- what is left ---------------------------------------------------------------------------- */

static bool holds(const shelf *s, const int64_t *versions)
{
    int n = 0;
    for (int i = 0; i < KEYS; i++) {
        int at = shelf_find(s, key_name(i), strlen(key_name(i)));
        if ((at >= 0 ? s->items[at].cost_ns : 0) != versions[i])
            return false;
        n += versions[i] != 0;
    }
    return n == s->n;
}

static void keep_copy(int number)
{
    const char *to = getenv("LADLE_KEEP");
    static char data[1 << 20];
    char copy[256];
    if (to == NULL)
        return;
    (void)snprintf(copy, sizeof copy, "%s/%d.h5", to, number);
    int from = open(path, O_RDONLY | O_CLOEXEC), into = open(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(from >= 0 && into >= 0);
    for (ssize_t n; (n = read(from, data, sizeof data)) > 0;)
        assert_int_equal(write(into, data, (size_t)n), n);
    (void)close(from);
    (void)close(into);
}

/* Whether a commit under way was kept. */
static bool check_what_is_left(void)
{
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    shelf s;
    shared->kill_at = 0;
    shelf_open(&s, context, path);
    bool is_next = holds(&s, shared->next);
    assert_true(is_next || holds(&s, shared->last));
    shelf_check_all(&s);
    shelf_put(&s, "afterwards", LADLE_DTYPE_F32, 10000, 1);
    assert_ok(shelf_commit(&s, &error), error);
    int n = s.n;
    shelf_close(&s);
    shelf_open(&s, context, path);
    assert_int_equal(s.n, n);
    shelf_check_all(&s);
    shelf_close(&s);
    end_context(context);
    return is_next;
}

static pid_t start(uint64_t seed, int64_t kill_at, kill_mode mode, bool for_ever)
{
    (void)unlink(path);
    *shared = (board){.kill_at = kill_at, .mode = mode};
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        write_until_killed(seed, for_ever);
        _exit(0);
    }
    return child;
}

static bool was_killed(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void at_each_write(void **state)
{
    (void)state;
    assert_false(was_killed(start(1, 0, BEFORE, false)));
    int64_t events = shared->events;
    assert_true(check_what_is_left());
    int kept = 0, killed = 0;
    for (int64_t k = 1; k <= events; k++)
        for (int mode = 0; mode < MODES; mode++) {
            assert_true(was_killed(start(1, k, (kill_mode)mode, false)));
            if (k % 7 == 0)
                keep_copy(killed);
            kept += check_what_is_left();
            killed++;
        }
    print_message("%d kills at %lld points; %d commits were complete\n", killed, (long long)events, kept);
    assert_true(events >= 50 && kept > 0 && kept < killed);
}

static void at_random_times(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 50; i++) {
        pid_t child = start((uint64_t)i + 1, 0, BEFORE, true);
        struct timespec wait = {.tv_nsec = 1000000 + (long)random_below(&seed, 30000000)};
        (void)nanosleep(&wait, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_true(was_killed(child));
        struct stat about;
        if (stat(path, &about) == 0 && about.st_size > 0) {
            keep_copy(100000 + i);
            (void)check_what_is_left();
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    make_folder(folder);
    (void)snprintf(path, sizeof path, "%s/cache.h5", folder);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(munmap(shared, sizeof *shared), 0);
    shared = NULL;
    remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(at_each_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_random_times, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
