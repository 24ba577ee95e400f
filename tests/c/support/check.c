#include "support/check.h"

#include <dirent.h>

void check_status(int status, int expected, const ladle_error *error, const char *file, int line)
{
    if (status == expected)
        return;
    if (status != LADLE_OK)
        print_error("%s: %s (offset %lld)\n", error->where, error->message, (long long)error->offset);
    print_error("status %s, expected %s\n", ladle_status_name(status), ladle_status_name(expected));
    _fail(file, line);
}

void check_bytes(const void *a, const void *b, size_t nbytes, const char *file, int line)
{
    if (nbytes > 0 && memcmp(a, b, nbytes) != 0)
        _assert_memory_equal(a, b, nbytes, file, line);
}

void check_some(const void *pointer, const ladle_error *error, const char *file, int line)
{
    if (pointer != NULL)
        return;
    print_error("%s: %s: %s\n", ladle_status_name(error->status), error->where, error->message);
    _fail(file, line);
}

void check_error(const ladle_error *error, int expected, const char *text, const char *file, int line)
{
    if (error->status == expected && error->message[0] != '\0' &&
        (text == NULL || strstr(error->message, text) != NULL))
        return;
    print_error("%s: %s: %s (expected %s%s%s)\n", ladle_status_name(error->status), error->where, error->message,
                ladle_status_name(expected), text == NULL ? "" : " with ", text == NULL ? "" : text);
    _fail(file, line);
}

ladle_error blank_error(void)
{
    ladle_error error;
    memset(&error, 0x55, sizeof error);
    error.where[0] = error.message[0] = '\0';
    return error;
}

ladle_context *begin_context(void)
{
    ladle_error error = blank_error();
    ladle_context *context = ladle_context_create(NULL, &error);
    assert_some(context, error);
    return context;
}

int64_t held_total(ladle_context *context)
{
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    return info.total;
}

int64_t held_of(ladle_context *context, ladle_memory_kind kind)
{
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    return info.held[kind];
}

void end_context(ladle_context *context)
{
    (void)ladle_context_trim(context);
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    for (int i = 0; i < LADLE_MEMORY_KIND_COUNT; i++) {
        if (info.held[i] != 0)
            print_error("%lld bytes of %s are still held\n", (long long)info.held[i],
                        ladle_memory_kind_name((ladle_memory_kind)i));
        assert_int_equal(info.held[i], 0);
    }
    assert_int_equal(info.total, 0);
    ladle_context_release(context);
}

uint64_t random_u64(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

int64_t random_below(uint64_t *state, int64_t below)
{
    return (int64_t)(random_u64(state) % (uint64_t)below);
}

void random_fill(uint64_t *state, void *out, size_t nbytes)
{
    uint8_t *to = out;
    while (nbytes > 0) {
        uint64_t word = random_u64(state);
        size_t n = nbytes < sizeof word ? nbytes : sizeof word;
        memcpy(to, &word, n);
        to += n;
        nbytes -= n;
    }
}

ladle_file *open_test_data(ladle_context *context, const char *name)
{
    char path[512];
    const char *folder = getenv("LADLE_TESTDATA");
    (void)snprintf(path, sizeof path, "%.300s/%.200s", folder == NULL ? "" : folder, name);
    ladle_file *file = folder == NULL ? NULL : ladle_file_open(context, path, NULL);
    if (file == NULL)
        print_message("no %s\n", folder == NULL ? "LADLE_TESTDATA" : path);
    return file;
}

int count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    int count = -1; /* the one that looks */
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}
