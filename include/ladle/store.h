/* ladle/store.h: caches: byte-string keys to buffers, at rest in one or several stores, with pins, budgets, eviction
 * and statistics.
 *
 *     ladle_cache *cache = ladle_cache_create(context, 256 << 20, &error);            // raw, in RAM
 *     ladle_lease *lease;
 *     if (ladle_cache_get(cache, key, key_nbytes, &lease, &error) == LADLE_NOT_FOUND) ...
 *
 *     ladle_cache_level levels[] = {                                                  // several forms
 *         {ladle_store_raw(), 32 << 20},
 *         {ladle_store_hdf5_create(context, NULL, &error), 0},
 *     };
 *     ladle_cache *cache = ladle_cache_create_levels(context, levels, 2, 1, &error);
 *
 * A cache has levels, fastest first. Each has a store, which is a way to keep a buffer at rest, and a budget.
 *
 *   put          comes to rest in the level `home`, or in the first below it that has room
 *   get          lends the block; what lies in a store that cannot lend is brought back into a fresh block, once,
 *                whoever asks at the same time; while anybody uses that block, it is lent on
 *   copies       a block that was brought back is also kept in the raw level above, as far as it has room; no entry
 *                leaves the cache for a copy
 *   level full   of what nobody uses, the entries that are the cheapest to bring back per byte leave first, then the
 *                least recently used: a copy is dropped, anything else moves to the next level below that has room,
 *                and out of the cache if there is none
 *
 * So nothing is lost while a level at or below `home` has room. An entry whose raw block is leased stays.
 */
#ifndef LADLE_STORE_H
#define LADLE_STORE_H

#include <ladle/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LADLE_MAX_KEY_NBYTES 65535
#define LADLE_MAX_LAYOUT_NBYTES 65535
#define LADLE_MAX_LEVELS 4

/* --- stores ---------------------------------------------------------------------------------- */

/* A buffer to be kept. All borrow.
 *
 * The layout says what array the values are, where they are not just a row of `dtype`: TYPE|SHAPE. TYPE is a
 * numpy type string such as ">i2", "<c8", "|S5" or "<M8[s]", or a Python literal that describes a structured type;
 * SHAPE is the array's, decimal, with commas: "3,4", "" for no dimension. The values are then its elements in C order,
 * each of which takes a whole number of values. */
typedef struct ladle_values {
    ladle_dtype dtype;
    int64_t count;
    const void *data; /* any alignment */
    const void *layout;
    size_t layout_nbytes; /* 0: none */
    ladle_lease *lease;   /* the block that `data` lies in, where it lies in one; else NULL */
} ladle_values;

/* One buffer that a persistent store holds, or is to hold. All borrow. */
typedef struct ladle_store_item {
    const void *key;
    size_t key_nbytes;
    ladle_dtype dtype;
    int64_t count;
    const void *layout;
    size_t layout_nbytes;
    int64_t cost_ns;
    void *form;
    int64_t nbytes;
} ladle_store_item;

/* Set struct_size before the call. */
typedef struct ladle_store_info {
    size_t struct_size;
    char path[512];       /* of its file or folder; empty where it has none */
    bool named;           /* the file outlives the store */
    bool network;         /* it lies on a network file system */
    int64_t file_nbytes;  /* of the file now; 0 where there is none */
    int64_t dead_nbytes;  /* of these, free for what comes next */
    int64_t state_nbytes; /* in RAM beside the forms: codec contexts and the like */
    int32_t threads;
    char codec[64]; /* such as "zstd-1 bitshuffle"; empty where it has none */
} ladle_store_info;

typedef struct ladle_store ladle_store;

#define LADLE_STORE_ABI 1

/* The form is the block itself: `rest` always gets a lease, and `wake` costs nothing. */
#define LADLE_STORE_LENDS 1u

/* What *nbytes of `rest` counts is not memory: dropping it gives none back. */
#define LADLE_STORE_ON_DISK 2u

/* What a store does. `form` is whatever it keeps for one buffer: never NULL, owned by the cache until `drop`.
 * Every function may be called from several threads at once, and without any lock of the cache, so it may take as
 * long as it needs; only `pinned`, `drop` and `info` must be quick and must not allocate. */
typedef struct ladle_store_ops {
    uint32_t abi;          /* LADLE_STORE_ABI; later versions append */
    uint32_t capabilities; /* LADLE_STORE_LENDS | LADLE_STORE_ON_DISK */
    const char *name;      /* "raw", "compressed", "hdf5" */

    /* Takes a buffer to rest. *nbytes is what counts against the level's budget. On failure *form is NULL. */
    ladle_status (*rest)(ladle_store *store, const ladle_values *values, void **form, int64_t *nbytes,
                         ladle_error *error);

    /* Brings it back: `count` values of `dtype`, as they were put. The form stays. *lease is owned by the caller.
     * The layout is the cache's to set, unless the store LENDS. Not the same bytes, or not to be read: IO,
     * TRUNCATED, CORRUPT or CHECKSUM, after which the cache drops the form. */
    ladle_status (*wake)(ladle_store *store, void *form, ladle_dtype dtype, int64_t count, ladle_lease **lease,
                         ladle_error *error);

    /* Is it in use, so that dropping it would free nothing? NULL unless the store LENDS. */
    bool (*pinned)(ladle_store *store, void *form);

    /* Forgets the form. No `wake` of it is under way. */
    void (*drop)(ladle_store *store, void *form);

    /* Persistent stores only, else NULL. `load` calls found(user, item) once for each buffer that the store holds
     * already, whose forms the cache then owns; `found` returns false to stop. `commit` makes the store hold exactly
     * these items for whoever opens it later: all of them, or what it held before. One call of it at a time. */
    ladle_status (*load)(ladle_store *store, bool (*found)(void *user, const ladle_store_item *item), void *user,
                         ladle_error *error);
    ladle_status (*commit)(ladle_store *store, const ladle_store_item *items, int64_t count, ladle_error *error);

    void (*info)(ladle_store *store, ladle_store_info *info); /* struct_size is checked; the rest is zeroed */
    void (*release)(ladle_store *store);
} ladle_store_ops;

/* The head of every store: one's own begins with it. */
struct ladle_store {
    const ladle_store_ops *ops;
};

/* At rest a buffer is its own block. Borrows: static, shared by all caches. */
LADLE_API ladle_store *ladle_store_raw(void);

/* Set struct_size before the call; a 0 or NULL in any other field is its default. */
typedef struct ladle_compressed_options {
    size_t struct_size;
    const char *codec;   /* "zstd" (default), "lz4", "lz4hc", "zlib", "blosclz" */
    int32_t level;       /* 1 to 9; default 1 */
    const char *shuffle; /* "bit" (default), "byte", "none" */
    int32_t threads;     /* that work on one buffer; default 1 */
} ladle_compressed_options;

/* At rest a buffer is compressed by c-blosc2 in blocks of values. `options` NULL: all defaults. Returns owned. */
LADLE_API ladle_store *ladle_store_compressed_create(ladle_context *context, const ladle_compressed_options *options,
                                                     ladle_error *error);

/* Set struct_size before the call; a 0 or NULL in any other field is its default. */
typedef struct ladle_hdf5_options {
    size_t struct_size;
    const char *path; /* a named file, new or left by an earlier cache; NULL: a scratch file without a name */
    const char *dir;  /* where the scratch file lies; NULL: $LADLE_SCRATCH, else $_CONDOR_SCRATCH_DIR, else
                         $SLURM_TMPDIR, else $TMPDIR, else /tmp */
} ladle_hdf5_options;

/* At rest a buffer is a dataset of an HDF5 file. `options` NULL: all defaults. Returns owned.
 * LOCKED: another process has the file. CORRUPT: it is not one of ladle's, or damaged. */
LADLE_API ladle_store *ladle_store_hdf5_create(ladle_context *context, const ladle_hdf5_options *options,
                                               ladle_error *error);

/* For a store that no cache took. */
LADLE_API void ladle_store_release(ladle_store *store);

/* --- caches ---------------------------------------------------------------------------------- */

/* Internally locked, counted. */
typedef struct ladle_cache ladle_cache;

/* Set struct_size before the call. Bytes at rest are those that count against the level's budget; raw bytes are those
 * of the buffers as arrays. */
typedef struct ladle_cache_level_stats {
    size_t struct_size;
    const char *store; /* its name. Borrows: as long as the cache */
    int64_t entries;
    int64_t nbytes, peak_nbytes, budget;                  /* at rest, now and at most; budget 0: none */
    int64_t rests, rest_raw_nbytes, rest_nbytes, rest_ns; /* buffers taken to rest, as arrays, at rest, time */
    int64_t wakes, wake_raw_nbytes, wake_ns;              /* buffers lent or brought back from here */
    int64_t drops;                                        /* copies dropped for room */
    int64_t moves;                                        /* moved to a level below for room */
    int64_t evictions;                                    /* left the cache for room */
} ladle_cache_level_stats;

/* Set struct_size before the call. */
typedef struct ladle_cache_stats {
    size_t struct_size;
    int64_t hits, misses; /* of get and fetch; what fetch makes counts as a miss, not as a put */
    int64_t puts, evictions, deletes;
    int64_t entries;
    int64_t nbytes;        /* of all levels, now */
    int64_t pinned_nbytes; /* of these, leased now */
    int64_t peak_nbytes;
    int64_t budget;   /* sum over levels; 0: at least one has none */
    int64_t fetch_ns; /* time spent to make what was missing */
    int64_t damaged;  /* entries that could not be brought back, and were dropped */
    int64_t waits;    /* gets that waited for another thread to bring back or make the same buffer */
    int32_t levels;
} ladle_cache_stats;

/* Set struct_size before the call. `key` and `layout` borrow until the entry changes: use them inside the visit only.
 */
typedef struct ladle_cache_entry {
    size_t struct_size;
    const void *key;
    size_t key_nbytes;
    const void *layout;
    size_t layout_nbytes;
    ladle_dtype dtype;
    int64_t count;                          /* values */
    int64_t nbytes;                         /* at rest, in all levels */
    int64_t level_nbytes[LADLE_MAX_LEVELS]; /* at rest in each level; -1: not there */
    int64_t hits;
    int64_t cost_ns; /* measured time to make it again; 0 if not known */
    int64_t wake_ns; /* time spent so far to bring it back */
    bool pinned;     /* its block is leased */
} ladle_cache_entry;

/* A cache of raw blocks. `budget_nbytes` 0: keeps all. Returns owned. */
LADLE_API ladle_cache *ladle_cache_create(ladle_context *context, int64_t budget_nbytes, ladle_error *error);

typedef struct ladle_cache_level {
    ladle_store *store;
    int64_t budget_nbytes; /* 0: none */
} ladle_cache_level;

/* A cache of 1 to LADLE_MAX_LEVELS levels, fastest first; levels above `home` hold copies only, and must LEND.
 * Takes the stores. At most one is persistent; its buffers are the first entries. Returns owned. */
LADLE_API ladle_cache *ladle_cache_create_levels(ladle_context *context, const ladle_cache_level *levels,
                                                 int32_t n_levels, int32_t home, ladle_error *error);

LADLE_API void ladle_cache_retain(ladle_cache *cache);

/* The last release closes it; an error of that is lost: close first to see it. */
LADLE_API void ladle_cache_release(ladle_cache *cache);

/* Makes a persistent store hold the entries of now for whoever opens it later. Entries that rest above it are moved
 * into it as far as it has room. Nothing to do without such a store. */
LADLE_API ladle_status ladle_cache_flush(ladle_cache *cache, ladle_error *error);

/* Flushes, drops all entries and refuses further use with INVALID. Leases stay valid. It is closed after an error,
 * too. Twice is allowed. */
LADLE_API ladle_status ladle_cache_close(ladle_cache *cache, ladle_error *error);

/* Lends the buffer at `key`. NOT_FOUND (without text: a miss is no fault) leaves *lease NULL. On success
 * *lease is owned by the caller. IO, TRUNCATED, CORRUPT, CHECKSUM: it is lost, and no longer an entry. */
LADLE_API ladle_status ladle_cache_get(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease **lease,
                                       ladle_error *error);

/* As ladle_cache_get, and removes the entry. */
LADLE_API ladle_status ladle_cache_pop(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease **lease,
                                       ladle_error *error);

/* Keeps `lease`'s block at `key`, in place of what was there. Retains. Evicts what it takes; a buffer that
 * does not fit beside what is pinned is not kept, and counted as an eviction. `cost_ns`: what it takes to make
 * it again, 0 if that is not known. After an error what was at `key` is still there. */
LADLE_API ladle_status ladle_cache_put(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_lease *lease,
                                       int64_t cost_ns, ladle_error *error);

/* The same for values anywhere in memory: straight from there into the form at rest. */
LADLE_API ladle_status ladle_cache_put_values(ladle_cache *cache, const void *key, size_t key_nbytes,
                                              const ladle_values *values, int64_t cost_ns, ladle_error *error);

/* Makes one buffer: on success sets *lease (owned by the caller of the function). */
typedef ladle_status (*ladle_make_buffer)(void *user, ladle_lease **lease, ladle_error *error);

/* Lends the buffer at `key`, made by `make(user)` if it is missing or lost. Threads that want the same key
 * at once wait for the first one, which makes it once; its error is theirs. A buffer that cannot be kept (it does not
 * fit, the disk is full) is lent all the same. */
LADLE_API ladle_status ladle_cache_fetch(ladle_cache *cache, const void *key, size_t key_nbytes, ladle_make_buffer make,
                                         void *user, ladle_lease **lease, ladle_error *error);

/* Is there an entry? Counts neither hit nor miss, decodes nothing. */
LADLE_API bool ladle_cache_contains(ladle_cache *cache, const void *key, size_t key_nbytes);

LADLE_API int64_t ladle_cache_count(ladle_cache *cache); /* entries */

/* Removes one entry; NOT_FOUND if there is none. */
LADLE_API ladle_status ladle_cache_delete(ladle_cache *cache, const void *key, size_t key_nbytes);
LADLE_API void ladle_cache_clear(ladle_cache *cache);

/* Caps the bytes of one level, at once; 0: no cap. */
LADLE_API void ladle_cache_set_budget(ladle_cache *cache, int32_t level, int64_t budget_nbytes);

LADLE_API void ladle_cache_stats_get(ladle_cache *cache, ladle_cache_stats *stats);

/* INVALID if there is no such level. */
LADLE_API ladle_status ladle_cache_level_stats_get(ladle_cache *cache, int32_t level, ladle_cache_level_stats *stats,
                                                   ladle_store_info *info, ladle_error *error);

/* Calls `visit` on each entry in insertion order, with the cache locked: do not call the cache from it. Stops when it
 * returns false. */
LADLE_API void ladle_cache_visit(ladle_cache *cache, bool (*visit)(void *user, const ladle_cache_entry *entry),
                                 void *user);

#ifdef __cplusplus
}
#endif
#endif
