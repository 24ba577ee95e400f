/* support/shelf.h: a cache in miniature over one HDF5 store, whose every value can be told from its key and version. */
#ifndef LADLE_TESTS_SHELF_H
#define LADLE_TESTS_SHELF_H

#include "memory/context.h"
#include "support/check.h"

enum { SHELF_MAX = 256 };

typedef struct shelf {
    ladle_context *context;
    ladle_store *store;
    ladle_store_item items[SHELF_MAX]; /* key and layout are the shelf's; cost_ns is the version */
    int n;
} shelf;

/* A new folder below $TMPDIR or /tmp, and its removal with all that is in it. */
void make_folder(char path[64]);
void remove_folder(const char *path);

/* A folder and the path of a file in it, made before a test and removed after it: for cmocka. */
extern char shelf_folder[64], shelf_path[96];
int shelf_set_up(void **state);
int shelf_tear_down(void **state);

/* What the file at shelf_path is, to be freed; and a new file there of other bytes. */
typedef struct shelf_bytes {
    uint8_t *data;
    size_t nbytes;
} shelf_bytes;

shelf_bytes shelf_image(void);
void shelf_write(const uint8_t *data, size_t nbytes);

/* Opens a store, scratch where `path` is NULL, and takes what it holds. On failure store is NULL. */
ladle_status shelf_try_open(shelf *s, ladle_context *context, const char *path, ladle_error *error);
void shelf_open(shelf *s, ladle_context *context, const char *path);

/* Drops all, and the store. What was not committed is lost. */
void shelf_close(shelf *s);

/* Puts values at `key`, in place of what was there. */
ladle_status shelf_try_put(shelf *s, const void *key, size_t key_nbytes, ladle_dtype dtype, int64_t count,
                           const char *layout, int64_t version, ladle_error *error);
void shelf_put(shelf *s, const char *key, ladle_dtype dtype, int64_t count, int64_t version);
void shelf_drop(shelf *s, const char *key);
ladle_status shelf_commit(shelf *s, ladle_error *error);

/* Index of the key, or -1. */
int shelf_find(const shelf *s, const void *key, size_t key_nbytes);

/* Wakes one item. LADLE_OK: the values were right, as is asserted. */
ladle_status shelf_try_check(shelf *s, int i, ladle_error *error);

/* All items are there, and right. */
void shelf_check_all(shelf *s);

#endif
