/* Sources: files, memory, one's own; what happens when a file is short, cut, missing or no file. */
#include "io/source.h"
#include "memory/context.h"
#include "support/check.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 10000 };

static ladle_context *context;
static uint8_t content[N];
static char path[] = "/tmp/ladle-source-XXXXXX";

static int begin(void **state)
{
    (void)state;
    context = begin_context();
    uint64_t seed = 4;
    random_fill(&seed, content, sizeof content);
    (void)strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, sizeof content), N);
    return close(fd);
}

static int end(void **state)
{
    (void)state;
    (void)unlink(path);
    end_context(context);
    return 0;
}

/* Ranges inside are served exactly, ranges that reach outside are TRUNCATED. */
static void assert_serves(ladle_source *source)
{
    static const int64_t places[] = {0, 1, 17, N / 2, N - 1, N, N + 1, INT64_MAX, -1, INT64_MIN};
    static const int64_t sizes[] = {0, 1, 100, N, N + 1, INT64_MAX, -1, INT64_MIN};
    assert_int_equal(ladle_source_size(source), N);
    for (size_t i = 0; i < N_OF(places); i++)
        for (size_t k = 0; k < N_OF(sizes); k++) {
            bool fits = places[i] >= 0 && sizes[k] >= 0 && places[i] <= N && sizes[k] <= N - places[i];
            uint8_t *out = malloc(fits ? (size_t)sizes[k] + 1 : 1);
            assert_non_null(out);
            ladle_error error = blank_error();
            ladle_status status = ladle_source_read(source, places[i], sizes[k], out, &error);
            if (fits) {
                assert_ok(status, error);
                assert_memory_equal(out, content + places[i], (size_t)sizes[k]);
            } else {
                assert_int_equal(status, LADLE_TRUNCATED);
                assert_error(error, LADLE_TRUNCATED, "10000 bytes");
            }
            free(out);
        }
}

static void a_file_is_served(void **state)
{
    (void)state;
    int fds = count_fds();
    ladle_error error = blank_error();
    ladle_source *source = ladle_source_open(context, path, &error);
    assert_some(source, error);
    assert_string_equal(ladle_source_name(source), path);
    assert_ptr_equal(ladle_source_context(source), context);
    assert_serves(source);
    ladle_source_release(source);
    assert_int_equal(count_fds(), fds);
}

static void memory_is_served(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_source *source = ladle_source_from_memory(context, "a name", content, N, &error);
    assert_some(source, error);
    assert_string_equal(ladle_source_name(source), "a name");
    assert_serves(source);
    ladle_source_release(source);
    ladle_source_release(NULL);
}

/* --- one's own ----------------------------------------------------------------------------------
 */

typedef struct own {
    int released, reads;
    ladle_status fails;
} own;

static ladle_status own_read(void *self, int64_t offset, int64_t nbytes, void *out, ladle_error *error)
{
    own *o = self;
    o->reads++;
    if (o->fails != LADLE_OK) {
        error->status = (int32_t)o->fails;
        (void)snprintf(error->message, sizeof error->message, "the line is dead");
        return o->fails;
    }
    memcpy(out, content + offset, (size_t)nbytes);
    return LADLE_OK;
}

static void own_release(void *self)
{
    ((own *)self)->released++;
}

static void ones_own_is_served_and_released(void **state)
{
    (void)state;
    ladle_source_ops ops = {LADLE_SOURCE_ABI_1, own_read, own_release};
    own o = {0};
    ladle_error error = blank_error();
    ladle_source *source = ladle_source_from_ops(context, "own", N, &ops, &o, &error);
    assert_some(source, error);
    memset(&ops, 0, sizeof ops); /* the table was copied */
    assert_serves(source);
    int reads = o.reads;
    char byte;
    assert_int_equal(ladle_source_read(source, N, 1, &byte, &error), LADLE_TRUNCATED);
    assert_int_equal(o.reads, reads); /* it is not asked for what it does not have */
    o.fails = LADLE_IO;
    assert_int_equal(ladle_source_read(source, 0, 1, &byte, &error), LADLE_IO);
    assert_error(error, LADLE_IO, "the line is dead");
    ladle_source_release(source);
    assert_int_equal(o.released, 1);
}

static void ones_own_is_released_also_on_error(void **state)
{
    (void)state;
    ladle_source_ops ops = {LADLE_SOURCE_ABI_1 + 1, own_read, own_release};
    own o = {0};
    ladle_error error = blank_error();
    assert_null(ladle_source_from_ops(context, "own", N, &ops, &o, &error));
    assert_error(error, LADLE_INVALID, "abi");
    assert_int_equal(o.released, 1);
    ops.abi = LADLE_SOURCE_ABI_1;
    ladle_fault_arm(context, LADLE_FAULT_ALLOC, 1, false);
    assert_null(ladle_source_from_ops(context, "own", N, &ops, &o, &error));
    (void)ladle_fault_disarm(context, LADLE_FAULT_ALLOC);
    assert_error(error, LADLE_NOMEM, NULL);
    assert_int_equal(o.released, 2);
}

/* --- trouble ------------------------------------------------------------------------------------
 */

static void what_cannot_be_opened(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int status, os_errno;
        const char *text;
    } cases[] = {
        {"/no/such/folder/file.root", LADLE_NOT_FOUND, ENOENT, "cannot open the file"},
        {"", LADLE_NOT_FOUND, ENOENT, "cannot open the file"},
        {"/", LADLE_INVALID, 0, "a directory, not a regular file"},
        {"/dev/null", LADLE_INVALID, 0, "not a regular file"},
        {"/dev/null/x", LADLE_NOT_FOUND, ENOTDIR, "cannot open the file"},
    };
    int fds = count_fds();
    for (size_t i = 0; i < N_OF(cases); i++) {
        ladle_error error = blank_error();
        assert_null(ladle_source_open(context, cases[i].path, &error));
        assert_error(error, cases[i].status, cases[i].text);
        assert_int_equal(error.os_errno, cases[i].os_errno);
        assert_string_equal(error.where, cases[i].path);
        assert_int_equal(error.offset, -1);
        assert_null(ladle_source_open(context, cases[i].path, NULL));
    }
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ladle_error error = blank_error();
    assert_null(ladle_source_open(context, longest, &error));
    assert_error(error, LADLE_IO, NULL);
    assert_int_equal(error.os_errno, ENAMETOOLONG);
    assert_int_equal(count_fds(), fds);
}

static void a_file_that_is_cut_is_truncated(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_source *source = ladle_source_open(context, path, &error);
    assert_some(source, error);
    assert_int_equal(truncate(path, N / 2), 0);
    static uint8_t out[N];
    assert_ok(ladle_source_read(source, 0, N / 2, out, &error), error);
    assert_int_equal(ladle_source_read(source, 0, N, out, &error), LADLE_TRUNCATED);
    assert_error(error, LADLE_TRUNCATED, "5000 bytes are missing: the file was cut after it was opened");
    assert_int_equal(error.offset, N / 2);
    assert_int_equal(ladle_source_read(source, N - 1, 1, out, &error), LADLE_TRUNCATED);
    assert_int_equal(ladle_source_size(source), N); /* as it was */
    ladle_source_release(source);
}

static void faults_are_handled(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    ladle_source *source = ladle_source_open(context, path, &error);
    assert_some(source, error);
    static uint8_t out[N];
    /* Short for ever: half, and half of the rest, down to one byte. */
    ladle_fault_arm(context, LADLE_FAULT_READ_SHORT, 1, true);
    assert_ok(ladle_source_read(source, 3, N - 3, out, &error), error);
    assert_memory_equal(out, content + 3, N - 3);
    assert_true(ladle_fault_disarm(context, LADLE_FAULT_READ_SHORT) > 10);
    ladle_fault_arm(context, LADLE_FAULT_INTERRUPTED, 1, false);
    memset(out, 0, sizeof out);
    assert_ok(ladle_source_read(source, 0, N, out, &error), error);
    assert_memory_equal(out, content, N);
    assert_int_equal(ladle_fault_disarm(context, LADLE_FAULT_INTERRUPTED), 2);
    ladle_fault_arm(context, LADLE_FAULT_READ_ERROR, 1, false);
    assert_int_equal(ladle_source_read(source, 100, 50, out, &error), LADLE_IO);
    (void)ladle_fault_disarm(context, LADLE_FAULT_READ_ERROR);
    assert_error(error, LADLE_IO, "cannot read 50 bytes");
    assert_int_equal(error.os_errno, EIO);
    assert_int_equal(error.offset, 100);
    /* An end after half of it. */
    ladle_fault_arm(context, LADLE_FAULT_READ_SHORT, 1, false);
    ladle_fault_arm(context, LADLE_FAULT_READ_EOF, 2, false);
    assert_int_equal(ladle_source_read(source, 0, 100, out, &error), LADLE_TRUNCATED);
    assert_int_equal(error.offset, 50);
    (void)ladle_fault_disarm(context, LADLE_FAULT_READ_SHORT);
    (void)ladle_fault_disarm(context, LADLE_FAULT_READ_EOF);
    assert_ok(ladle_source_read(source, 0, N, out, &error), error);
    ladle_source_release(source);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_file_is_served),
        WITH_FILE(memory_is_served),
        WITH_FILE(ones_own_is_served_and_released),
        WITH_FILE(ones_own_is_released_also_on_error),
        WITH_FILE(what_cannot_be_opened),
        WITH_FILE(a_file_that_is_cut_is_truncated),
        WITH_FILE(faults_are_handled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
