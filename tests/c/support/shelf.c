#include "support/shelf.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void make_folder(char path[64])
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, 64, "%.40s/ladle-XXXXXX", base == NULL || base[0] == '\0' ? "/tmp" : base);
    assert_non_null(mkdtemp(path));
}

void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            if (unlinkat(dirfd(folder), entry->d_name, 0) != 0)
                (void)unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);
    (void)closedir(folder);
    assert_int_equal(rmdir(path), 0);
}

static void *copy(const void *data, size_t nbytes)
{
    void *to = malloc(nbytes + 1);
    assert_non_null(to);
    if (data != NULL)
        memcpy(to, data, nbytes);
    return to;
}

static void free_copy(const void *data)
{
    union {
        const void *given;
        void *ours;
    } text = {data};
    free(text.ours);
}

static bool take_item(void *user, const ladle_store_item *item)
{
    shelf *s = user;
    assert_true(s->n < SHELF_MAX);
    ladle_store_item *to = &s->items[s->n++];
    *to = *item;
    to->key = copy(item->key, item->key_nbytes);
    to->layout = copy(item->layout, item->layout_nbytes);
    return true;
}

char shelf_folder[64], shelf_path[96];

int shelf_set_up(void **state)
{
    (void)state;
    make_folder(shelf_folder);
    (void)snprintf(shelf_path, sizeof shelf_path, "%s/cache.h5", shelf_folder);
    return 0;
}

int shelf_tear_down(void **state)
{
    (void)state;
    remove_folder(shelf_folder);
    return 0;
}

shelf_bytes shelf_image(void)
{
    struct stat about;
    assert_int_equal(stat(shelf_path, &about), 0);
    shelf_bytes image = {.nbytes = (size_t)about.st_size};
    image.data = malloc(image.nbytes);
    assert_non_null(image.data);
    int fd = open(shelf_path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, image.data, image.nbytes), image.nbytes);
    (void)close(fd);
    return image;
}

void shelf_write(const uint8_t *data, size_t nbytes)
{
    (void)unlink(shelf_path); /* a file that is cut and written again is flushed by some file systems */
    int fd = open(shelf_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, nbytes), nbytes);
    assert_int_equal(close(fd), 0);
}

ladle_status shelf_try_open(shelf *s, ladle_context *context, const char *path, ladle_error *error)
{
    ladle_hdf5_options options = {.struct_size = sizeof options, .path = path};
    *s = (shelf){.context = context};
    s->store = ladle_store_hdf5_create(context, &options, error);
    if (s->store == NULL)
        return (ladle_status)error->status;
    return s->store->ops->load(s->store, take_item, s, error);
}

void shelf_open(shelf *s, ladle_context *context, const char *path)
{
    ladle_error error = blank_error();
    assert_ok(shelf_try_open(s, context, path, &error), error);
}

static void drop_item(shelf *s, int i)
{
    s->store->ops->drop(s->store, s->items[i].form);
    free_copy(s->items[i].key);
    free_copy(s->items[i].layout);
    memmove(&s->items[i], &s->items[i + 1], (size_t)(s->n - i - 1) * sizeof s->items[0]);
    s->n--;
}

void shelf_close(shelf *s)
{
    while (s->n > 0)
        drop_item(s, s->n - 1);
    ladle_store_release(s->store);
    s->store = NULL;
}

static void fill(void *out, size_t nbytes, const void *key, size_t key_nbytes, int64_t version)
{
    uint64_t seed = ladle_xxh3_64(key, key_nbytes) ^ ((uint64_t)version * UINT64_C(0x9E3779B97F4A7C15));
    seed = seed == 0 ? 1 : seed;
    random_fill(&seed, out, nbytes);
}

ladle_status shelf_try_put(shelf *s, const void *key, size_t key_nbytes, ladle_dtype dtype, int64_t count,
                           const char *layout, int64_t version, ladle_error *error)
{
    size_t nbytes = (size_t)count * ladle_dtype_size(dtype);
    size_t layout_nbytes = layout == NULL ? 0 : strlen(layout);
    uint8_t *data = copy(NULL, nbytes + 1);
    fill(data + 1, nbytes, key, key_nbytes, version);
    ladle_values values = {
        .dtype = dtype, .count = count, .data = data + 1, .layout = layout, .layout_nbytes = layout_nbytes};
    void *form;
    int64_t form_nbytes;
    ladle_status status = s->store->ops->rest(s->store, &values, &form, &form_nbytes, error);
    free(data);
    assert_int_equal(form != NULL, status == LADLE_OK);
    if (status != LADLE_OK)
        return status;
    int old = shelf_find(s, key, key_nbytes);
    if (old >= 0)
        drop_item(s, old);
    assert_true(s->n < SHELF_MAX);
    s->items[s->n++] = (ladle_store_item){
        .key = copy(key, key_nbytes),
        .key_nbytes = key_nbytes,
        .dtype = dtype,
        .count = count,
        .layout = copy(layout, layout_nbytes),
        .layout_nbytes = layout_nbytes,
        .cost_ns = version,
        .form = form,
        .nbytes = form_nbytes,
    };
    return LADLE_OK;
}

void shelf_put(shelf *s, const char *key, ladle_dtype dtype, int64_t count, int64_t version)
{
    ladle_error error = blank_error();
    assert_ok(shelf_try_put(s, key, strlen(key), dtype, count, NULL, version, &error), error);
}

void shelf_drop(shelf *s, const char *key)
{
    int i = shelf_find(s, key, strlen(key));
    assert_true(i >= 0);
    drop_item(s, i);
}

ladle_status shelf_commit(shelf *s, ladle_error *error)
{
    return s->store->ops->commit(s->store, s->items, s->n, error);
}

int shelf_find(const shelf *s, const void *key, size_t key_nbytes)
{
    for (int i = 0; i < s->n; i++)
        if (s->items[i].key_nbytes == key_nbytes && memcmp(s->items[i].key, key, key_nbytes) == 0)
            return i;
    return -1;
}

ladle_status shelf_try_check(shelf *s, int i, ladle_error *error)
{
    const ladle_store_item *item = &s->items[i];
    ladle_lease *lease;
    ladle_status status = s->store->ops->wake(s->store, item->form, item->dtype, item->count, &lease, error);
    assert_int_equal(lease != NULL, status == LADLE_OK);
    if (status != LADLE_OK)
        return status;
    size_t nbytes = (size_t)item->count * ladle_dtype_size(item->dtype);
    assert_int_equal(ladle_lease_nbytes(lease), nbytes);
    uint8_t *expected = copy(NULL, nbytes);
    fill(expected, nbytes, item->key, item->key_nbytes, item->cost_ns);
    assert_memory_equal(ladle_lease_data(lease), expected, nbytes);
    free(expected);
    ladle_lease_release(lease);
    return LADLE_OK;
}

void shelf_check_all(shelf *s)
{
    for (int i = 0; i < s->n; i++) {
        ladle_error error = blank_error();
        assert_ok(shelf_try_check(s, i, &error), error);
    }
}
