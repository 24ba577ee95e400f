/* Where scratch files go, that nothing is left of them, and what keys and layouts are called in the file. */
#include "store/hdf5_path.h"
#include "store/hdf5_type.h"
#include "store/scratch_dir.h"
#include "support/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* --- in place of libc's ---------------------------------------------------------------------- */

static int tmpfile_errno;   /* of opening a file without a name; 0: it works */
static long magic;          /* of the file system; 0: what it is */
static char made_path[256]; /* of the last file that was made by name */

int open64(const char *path, int flags, ...)
{
    bool is_tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
    if (is_tmpfile && tmpfile_errno != 0) {
        errno = tmpfile_errno;
        return -1;
    }
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        assert_true((flags & O_NOFOLLOW) != 0);
        (void)snprintf(made_path, sizeof made_path, "%s", path);
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, 0600);
}

int fstatfs64(int fd, struct statfs64 *about)
{
    int result = (int)syscall(SYS_fstatfs, fd, about);
    if (magic != 0)
        about->f_type = magic;
    return result;
}

/* --- the folder ------------------------------------------------------------------------------ */

static char folder[64];
static const char *const variables[] = {"LADLE_SCRATCH", "_CONDOR_SCRATCH_DIR", "SLURM_TMPDIR", "TMPDIR"};

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_OF(variables); i++)
        (void)unsetenv(variables[i]);
    make_folder(folder);
    tmpfile_errno = 0;
    magic = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static ladle_store *create(ladle_context *context, const char *dir, ladle_error *error)
{
    ladle_hdf5_options options = {.struct_size = sizeof options, .dir = dir};
    return ladle_store_hdf5_create(context, &options, error);
}

static ladle_store_info info_of(ladle_store *store)
{
    ladle_store_info info = {.struct_size = sizeof info};
    store->ops->info(store, &info);
    return info;
}

static void the_first_folder_there_is(void **state)
{
    (void)state;
    assert_string_equal(ladle_scratch_dir_choose(NULL).path, "/tmp");
    assert_string_equal(ladle_scratch_dir_choose("/asked").path, "/asked");
    for (size_t i = N_OF(variables); i-- > 0;) {
        assert_int_equal(setenv(variables[i], "", 1), 0); /* empty is none */
        assert_string_equal(ladle_scratch_dir_choose(NULL).path, i + 1 == N_OF(variables) ? "/tmp" : variables[i + 1]);
        assert_int_equal(setenv(variables[i], variables[i], 1), 0);
        assert_string_equal(ladle_scratch_dir_choose(NULL).path, variables[i]);
        assert_string_equal(ladle_scratch_dir_choose(NULL).from + 1, variables[i]);
    }
    assert_string_equal(ladle_scratch_dir_choose("/asked").path, "/asked");
}

/* A folder that does not work is an error that names it and where it came from; never is another one taken. */
static void a_bad_folder_is_an_error(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    char missing[128], file[128];
    (void)snprintf(missing, sizeof missing, "%s/missing", folder);
    (void)snprintf(file, sizeof file, "%s/file", folder);
    assert_int_equal(close(open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600)), 0);
    for (size_t i = 0; i < N_OF(variables); i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "$%s", variables[i]);
        assert_int_equal(setenv(variables[i], missing, 1), 0);
        assert_null(create(context, NULL, &error));
        assert_error(error, LADLE_IO, name);
        assert_int_equal(error.os_errno, ENOENT);
        assert_string_equal(error.where, missing);
        assert_int_equal(unsetenv(variables[i]), 0);
    }
    assert_null(create(context, file, &error));
    assert_error(error, LADLE_IO, strerror(ENOTDIR));
    assert_string_equal(error.where, file);
    assert_null(create(context, "", &error));
    assert_error(error, LADLE_IO, strerror(ENOENT));
    ladle_hdf5_options both = {.struct_size = sizeof both, .path = file, .dir = folder};
    assert_null(ladle_store_hdf5_create(context, &both, &error));
    assert_error(error, LADLE_INVALID, NULL);
    end_context(context);
}

static int count_files(void)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

/* While it is open, too, there is nothing in the folder: so nothing is left by any death. */
static void the_file_has_no_name(void **state)
{
    (void)state;
    static const int errnos[] = {0, EOPNOTSUPP, EISDIR, ENOENT};
    char first[sizeof made_path] = "";
    for (size_t i = 0; i < N_OF(errnos); i++) {
        ladle_context *context = begin_context();
        ladle_error error = blank_error();
        tmpfile_errno = errnos[i];
        assert_int_equal(setenv("LADLE_SCRATCH", folder, 1), 0);
        shelf s;
        shelf_open(&s, context, NULL);
        ladle_store_info info = info_of(s.store);
        assert_string_equal(info.path, folder);
        assert_false(info.named);
        assert_int_equal(count_files(), 0);
        shelf_put(&s, "a/b", LADLE_DTYPE_F32, 12345, 1);
        shelf_check_all(&s);
        assert_ok(shelf_commit(&s, &error), error);
        shelf_check_all(&s);
        assert_int_equal(count_files(), 0);
        info = info_of(s.store);
        assert_true(info.file_nbytes >= 4 * 12345 && info.dead_nbytes < 8192);
        shelf_close(&s);
        if (errnos[i] != 0) { /* a name that nobody can guess */
            assert_int_equal(strncmp(made_path, folder, strlen(folder)), 0);
            assert_true(strlen(made_path) > strlen(folder) + 32);
            assert_string_not_equal(made_path, first);
            (void)snprintf(first, sizeof first, "%s", made_path);
        }
        end_context(context);
    }
    tmpfile_errno = EACCES;
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    assert_null(create(context, folder, &error));
    assert_int_equal(error.os_errno, EACCES);
    end_context(context);
}

/* Dropped room is used at once. */
static void room_is_used_at_once(void **state)
{
    (void)state;
    ladle_context *context = begin_context();
    shelf s;
    shelf_open(&s, context, NULL);
    for (int i = 0; i < 1000; i++) {
        shelf_put(&s, "a", LADLE_DTYPE_U8, 100000, i);
        shelf_put(&s, i % 2 == 0 ? "b" : "c", LADLE_DTYPE_U8, 50000, i);
    }
    assert_true(info_of(s.store).file_nbytes < 500000);
    shelf_check_all(&s);
    shelf_close(&s);
    end_context(context);
}

/* On a network what is read back is checked each time. */
static void a_network_is_told(void **state)
{
    (void)state;
    static const long remote[] = {0x6969, 0xFF534D42, 0x0BD00BD0, 0x47504653, 0x19830326, 0x00C36400, 0x65735546};
    for (size_t i = 0; i < N_OF(remote) + 1; i++) {
        ladle_context *context = begin_context();
        ladle_error error = blank_error();
        magic = i == N_OF(remote) ? 0 : remote[i];
        int fd = dup(0); /* the next one that is opened has this number, too */
        assert_int_equal(close(fd), 0);
        shelf s;
        shelf_open(&s, context, NULL);
        bool network = info_of(s.store).network;
        assert_int_equal(network, magic != 0);
        shelf_put(&s, "a", LADLE_DTYPE_F64, 100000, 1);
        shelf_check_all(&s);
        shelf_check_all(&s);
        if (network) {
            assert_int_equal(pwrite(fd, "damage", 6, 400000), 6);
            assert_status(shelf_try_check(&s, 0, &error), LADLE_CHECKSUM, error);
            assert_error(error, LADLE_CHECKSUM, "expected");
            assert_non_null(strstr(error.where, "scratch file in"));
        }
        shelf_close(&s);
        end_context(context);
    }
}

/* --- names and types ------------------------------------------------------------------------- */

static void assert_path(const char *key, size_t nbytes, bool is_prefix, const char *expected)
{
    char path[LADLE_HDF5_PATH_SIZE];
    ladle_hdf5_path_of((ladle_key){(const uint8_t *)key, nbytes}, is_prefix, path);
    assert_string_equal(path, expected);
}

static void keys_have_paths(void **state)
{
    (void)state;
    assert_path("Jet_pt", 6, false, "Jet_pt");
    assert_path("a/b", 3, false, "a/b");
    assert_path("a", 1, true, "a%");
    assert_path("/a//b", 5, false, "%_/a/%_/b");
    assert_path("", 0, false, "%_");
    assert_path("./..", 4, false, "%2E/..");
    assert_path("50%", 3, false, "50%25");
    assert_path("\0\x80\xC3\xA9\xF4\x90\x80\x80", 8, false, "%00%80\xC3\xA9%F4%90%80%80");
    assert_path("\xE0\x9F\xBF\xEF\xBF\xBD\xF0\x9F\x98\x80\xE2\x82", 12, false,
                "%E0%9F%BF\xEF\xBF\xBD\xF0\x9F\x98\x80%E2%82");
}

/* Different keys have different paths, whatever they are. */
static void paths_tell_keys_apart(void **state)
{
    (void)state;
    enum { N = 4096 };
    static char paths[N][LADLE_HDF5_PATH_SIZE];
    static const char alphabet[8] = {'/', '%', '.', 'a', '_', '2', '\0', '\xFF'};
    int n = 0;
    for (int length = 0; length <= 3; length++)
        for (int code = 0; code < 1 << (3 * length); code++)
            for (int is_prefix = 0; is_prefix < 2; is_prefix++) {
                char key[4];
                for (int i = 0; i < length; i++)
                    key[i] = alphabet[(code >> (3 * i)) & 7];
                ladle_hdf5_path_of((ladle_key){(const uint8_t *)key, (size_t)length}, is_prefix, paths[n]);
                assert_true(strncmp(paths[n], LADLE_HDF5_INDEX_PATH, 2) != 0);
                n++;
            }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(paths[i], paths[j]);
}

/* Keys below one follow it at once, so that one look ahead tells whether there are any. */
static void order_of_keys(void **state)
{
    (void)state;
    static const char *const ordered[] = {"", "/", "/a", "a", "a/", "a/a", "a/b", "a/b/c", "a!", "a!/x", "ab", "b"};
    for (size_t i = 0; i < N_OF(ordered); i++)
        for (size_t j = 0; j < N_OF(ordered); j++) {
            ladle_key a = {(const uint8_t *)ordered[i], strlen(ordered[i])};
            ladle_key b = {(const uint8_t *)ordered[j], strlen(ordered[j])};
            int order = ladle_key_compare(a, b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            bool below = b.nbytes > a.nbytes && memcmp(a.data, b.data, a.nbytes) == 0 && b.data[a.nbytes] == '/';
            assert_int_equal(ladle_key_is_below(a, b), below);
        }
}

static void assert_type(const char *layout, int64_t count, ladle_hdf5_class class, int64_t size, int rank,
                        const char *tag)
{
    ladle_hdf5_type type = ladle_hdf5_type_of(LADLE_DTYPE_U8, count, layout, strlen(layout));
    assert_int_equal(type.class, class);
    assert_int_equal(type.size, size);
    assert_int_equal(type.rank, rank);
    assert_string_equal(type.tag, tag);
    int64_t elements = 1;
    for (int i = 0; i < rank; i++)
        elements *= type.shape[i];
    assert_int_equal(elements * size, count);
}

static void layouts_have_types(void **state)
{
    (void)state;
    assert_type("<i2|3,4", 24, LADLE_HDF5_INTEGER, 2, 2, "");
    assert_type(">u8|", 8, LADLE_HDF5_UNSIGNED, 8, 0, "");
    assert_type("|b1|5", 5, LADLE_HDF5_BOOL, 1, 1, "");
    assert_type("<f2|5", 10, LADLE_HDF5_FLOAT, 2, 1, "");
    assert_type("<c16|2,1", 32, LADLE_HDF5_COMPLEX, 16, 2, "");
    assert_type("|S3|2", 6, LADLE_HDF5_STRING, 3, 1, "");
    assert_type("<M8[25us]|2", 16, LADLE_HDF5_OPAQUE, 8, 1, "NUMPY:<M8[25us]");
    assert_type("<m8|2", 16, LADLE_HDF5_OPAQUE, 8, 1, "NUMPY:<m8");
    assert_type("<U3|2", 24, LADLE_HDF5_OPAQUE, 12, 1, "NUMPY:<U3");
    assert_type("<f16|2", 32, LADLE_HDF5_OPAQUE, 16, 1, "NUMPY:<f16");
    assert_type("|V7|2", 14, LADLE_HDF5_OPAQUE, 7, 1, "");
    assert_type("[('a', '<i4'), ('b', 'u1')]|2", 10, LADLE_HDF5_OPAQUE, 5, 1, "");
    assert_type("<i3|2,4", 24, LADLE_HDF5_OPAQUE, 3, 2, "");
    assert_type("<M8[x]|3", 24, LADLE_HDF5_OPAQUE, 8, 1, "");
    assert_type("whatever|0,3", 0, LADLE_HDF5_OPAQUE, 1, 2, "");
    /* What does not fit is a row of bytes. */
    static const char *const nonsense[] = {"",        "<i2",     "<i2|3,5", "<i2|12,", "<i2|,12",
                                           "<i2|-12", "<i2|1.2", "x|5",     "<i8|4",   "<i2|99999999999,99999999999"};
    for (size_t i = 0; i < N_OF(nonsense); i++)
        assert_type(nonsense[i], 24, LADLE_HDF5_UNSIGNED, 1, 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_folder_there_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_folder_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_has_no_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(room_is_used_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_network_is_told, set_up, tear_down),
        cmocka_unit_test(keys_have_paths),
        cmocka_unit_test(paths_tell_keys_apart),
        cmocka_unit_test(order_of_keys),
        cmocka_unit_test(layouts_have_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
