/* cache_list.c: what a Cache tells of itself: keys, entries, counts, levels. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* --- entries --------------------------------------------------------------------------------- */

/* Entries copied while the cache is locked. No Python object is made before it is unlocked: that
 * could collect garbage, which could release a lease, which would wait for the lock. */
typedef struct listing {
    ladle_cache_entry *entries; /* `key` and `layout` are unset until the end: `texts` may move */
    char *texts;                /* of all entries, one after the other: key, layout */
    size_t count, capacity, nbytes, text_capacity;
    bool failed;
} listing;

/* Makes room for `count` more of `size` bytes. Returns false when there is no memory. */
static bool listing_grow(void **memory, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity) {
        return true;
    }
    size_t larger = needed * 2 + 64;
    void *moved = realloc(*memory, larger * size);
    if (moved == NULL) {
        return false;
    }
    *memory = moved;
    *capacity = larger;
    return true;
}

static void listing_text(listing *all, const void *text, size_t nbytes)
{
    if (nbytes > 0) {
        memcpy(all->texts + all->nbytes, text, nbytes);
        all->nbytes += nbytes;
    }
}

static bool listing_add(void *user, const ladle_cache_entry *entry)
{
    listing *all = user;
    size_t nbytes = all->nbytes + entry->key_nbytes + entry->layout_nbytes;
    void *entries = all->entries;
    void *texts = all->texts;
    all->failed = !listing_grow(&entries, &all->capacity, all->count + 1, sizeof *all->entries);
    all->entries = entries;
    all->failed = all->failed || !listing_grow(&texts, &all->text_capacity, nbytes, 1);
    all->texts = texts;
    if (all->failed) {
        return false;
    }
    listing_text(all, entry->key, entry->key_nbytes);
    listing_text(all, entry->layout, entry->layout_nbytes);
    all->entries[all->count++] = *entry;
    return true;
}

static PyObject *entry_key(const ladle_cache_entry *entry, int32_t Py_UNUSED(n_levels))
{
    return PyBytes_FromStringAndSize(entry->key, (Py_ssize_t)entry->key_nbytes);
}

/* Bytes in each level; None where it is not. */
static PyObject *entry_levels(const ladle_cache_entry *entry, int32_t n_levels)
{
    PyObject *list = PyList_New(n_levels);
    for (int32_t level = 0; list != NULL && level < n_levels; level++) {
        int64_t nbytes = entry->level_nbytes[level];
        PyObject *item = nbytes < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(nbytes);
        if (item == NULL || PyList_SetItem(list, level, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *entry_dict(const ladle_cache_entry *entry, int32_t n_levels)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (core_dict_set(dict, "key", entry_key(entry, n_levels)) < 0 ||
        core_dict_set(dict, "dtype", core_decode(ladle_dtype_name(entry->dtype))) < 0 ||
        core_dict_set(dict, "count", PyLong_FromLongLong(entry->count)) < 0 ||
        core_dict_set(dict, "layout", PyBytes_FromStringAndSize(entry->layout, (Py_ssize_t)entry->layout_nbytes)) < 0 ||
        core_dict_set(dict, "nbytes", PyLong_FromLongLong(entry->nbytes)) < 0 ||
        core_dict_set(dict, "level_nbytes", entry_levels(entry, n_levels)) < 0 ||
        core_dict_set(dict, "hits", PyLong_FromLongLong(entry->hits)) < 0 ||
        core_dict_set(dict, "cost_ns", PyLong_FromLongLong(entry->cost_ns)) < 0 ||
        core_dict_set(dict, "wake_ns", PyLong_FromLongLong(entry->wake_ns)) < 0 ||
        core_dict_set(dict, "pinned", PyBool_FromLong(entry->pinned)) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

static PyObject *cache_list(PyObject *self, PyObject *(*convert)(const ladle_cache_entry *, int32_t))
{
    ladle_cache *cache = core_cache_get(self);
    if (cache == NULL) {
        return NULL;
    }
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_cache_stats_get(cache, &stats);
    listing all = {0};
    ladle_cache_visit(cache, listing_add, &all);
    PyObject *list = all.failed ? PyErr_NoMemory() : PyList_New((Py_ssize_t)all.count);
    const char *text = all.texts;
    for (size_t index = 0; list != NULL && index < all.count; index++) {
        ladle_cache_entry *entry = &all.entries[index];
        entry->key = text;
        text = entry->key_nbytes > 0 ? text + entry->key_nbytes : text;
        entry->layout = text;
        text = entry->layout_nbytes > 0 ? text + entry->layout_nbytes : text;
        PyObject *item = convert(entry, stats.levels);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)index, item) < 0) {
            Py_CLEAR(list);
        }
    }
    free(all.entries);
    free(all.texts);
    return list;
}

PyObject *core_cache_keys(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_list(self, entry_key);
}

PyObject *core_cache_entries(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_list(self, entry_dict);
}

/* --- counts ---------------------------------------------------------------------------------- */

typedef struct figure {
    const char *name;
    int64_t value;
} figure;

/* Returns 0, or -1 with an exception. */
static int dict_figures(PyObject *dict, const figure *figures, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if (core_dict_set(dict, figures[index].name, PyLong_FromLongLong(figures[index].value)) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *core_cache_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_cache *cache = core_cache_get(self);
    if (cache == NULL) {
        return NULL;
    }
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_cache_stats_get(cache, &stats);
    const figure figures[] = {
        {"hits", stats.hits},
        {"misses", stats.misses},
        {"puts", stats.puts},
        {"evictions", stats.evictions},
        {"deletes", stats.deletes},
        {"entries", stats.entries},
        {"nbytes", stats.nbytes},
        {"pinned_nbytes", stats.pinned_nbytes},
        {"peak_nbytes", stats.peak_nbytes},
        {"budget", stats.budget},
        {"fetch_ns", stats.fetch_ns},
        {"damaged", stats.damaged},
        {"waits", stats.waits},
    };
    PyObject *dict = PyDict_New();
    if (dict != NULL && dict_figures(dict, figures, sizeof figures / sizeof figures[0]) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* --- levels ---------------------------------------------------------------------------------- */

static PyObject *level_dict(const ladle_cache_level_stats *stats, const ladle_store_info *info)
{
    const figure figures[] = {
        {"entries", stats->entries},
        {"nbytes", stats->nbytes},
        {"peak_nbytes", stats->peak_nbytes},
        {"budget", stats->budget},
        {"rests", stats->rests},
        {"rest_raw_nbytes", stats->rest_raw_nbytes},
        {"rest_nbytes", stats->rest_nbytes},
        {"rest_ns", stats->rest_ns},
        {"wakes", stats->wakes},
        {"wake_raw_nbytes", stats->wake_raw_nbytes},
        {"wake_ns", stats->wake_ns},
        {"drops", stats->drops},
        {"moves", stats->moves},
        {"evictions", stats->evictions},
        {"file_nbytes", info->file_nbytes},
        {"dead_nbytes", info->dead_nbytes},
        {"state_nbytes", info->state_nbytes},
        {"threads", info->threads},
    };
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (core_dict_set(dict, "store", core_decode(stats->store)) < 0 ||
        dict_figures(dict, figures, sizeof figures / sizeof figures[0]) < 0 ||
        core_dict_set(dict, "path", core_decode(info->path)) < 0 ||
        core_dict_set(dict, "named", PyBool_FromLong(info->named)) < 0 ||
        core_dict_set(dict, "network", PyBool_FromLong(info->network)) < 0 ||
        core_dict_set(dict, "codec", core_decode(info->codec)) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

PyObject *core_cache_levels(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_cache *cache = core_cache_get(self);
    if (cache == NULL) {
        return NULL;
    }
    ladle_cache_stats all = {.struct_size = sizeof all};
    ladle_cache_stats_get(cache, &all);
    PyObject *list = PyList_New(all.levels);
    for (int32_t level = 0; list != NULL && level < all.levels; level++) {
        ladle_cache_level_stats stats = {.struct_size = sizeof stats};
        ladle_store_info info = {.struct_size = sizeof info};
        ladle_error error = {0};
        PyObject *item = NULL;
        if (ladle_cache_level_stats_get(cache, level, &stats, &info, &error) == LADLE_OK) {
            item = level_dict(&stats, &info);
        } else {
            core_raise(core_state_of(self), &error, CORE_OF_NAME);
        }
        if (item == NULL || PyList_SetItem(list, level, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}
