/* cache_make.c: from the arguments of Cache() to a cache: stores by name, with their options. */
#include "core.h"

#include <string.h>

/* The options of one store as the caller gave them; NULL where there are none. */
typedef struct store_options {
    PyObject *dict;      /* borrowed */
    PyObject *owners[4]; /* bytes that texts borrow from */
    int n_owners;
    Py_ssize_t used; /* options that were asked for and there */
} store_options;

static PyObject *option_find(store_options *options, const char *name)
{
    PyObject *value = PyDict_GetItemString(options->dict, name);
    if (value != NULL) {
        options->used++;
    }
    return value == Py_None ? NULL : value;
}

/* Each returns 0, or -1 with an exception; an option that is absent or None leaves *out alone. */
static int option_text(store_options *options, const char *name, const char **out)
{
    PyObject *value = option_find(options, name);
    if (value == NULL) {
        return 0;
    }
    PyObject *bytes = core_encode(value, name);
    if (bytes == NULL) {
        return -1;
    }
    options->owners[options->n_owners++] = bytes;
    *out = PyBytes_AsString(bytes);
    return 0;
}

static int option_int32(store_options *options, const char *name, int32_t *out)
{
    PyObject *value = option_find(options, name);
    return value == NULL ? 0 : core_as_int32(value, name, 1, out);
}

/* An option that no store knows is a mistake of the caller. */
static int options_end(const store_options *options, const char *name)
{
    if (options->used + 1 == PyDict_Size(options->dict)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "there is an option that the store %s does not have: %R", name, options->dict);
    return -1;
}

static ladle_store *store_raise(core_state *state, const ladle_error *error)
{
    core_raise(state, error, CORE_OF_FILE);
    return NULL;
}

static ladle_store *make_compressed(core_state *state, ladle_context *context, store_options *options)
{
    ladle_compressed_options chosen = {.struct_size = sizeof chosen};
    if (option_text(options, "codec", &chosen.codec) < 0 || option_int32(options, "level", &chosen.level) < 0 ||
        option_text(options, "shuffle", &chosen.shuffle) < 0 || option_int32(options, "threads", &chosen.threads) < 0 ||
        options_end(options, "compressed") < 0) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_store *store = NULL;
    Py_BEGIN_ALLOW_THREADS store = ladle_store_compressed_create(context, &chosen, &error);
    Py_END_ALLOW_THREADS return store != NULL ? store : store_raise(state, &error);
}

static ladle_store *make_hdf5(core_state *state, ladle_context *context, store_options *options)
{
    ladle_hdf5_options chosen = {.struct_size = sizeof chosen};
    if (option_text(options, "path", &chosen.path) < 0 || option_text(options, "dir", &chosen.dir) < 0 ||
        options_end(options, "hdf5") < 0) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_store *store = NULL;
    Py_BEGIN_ALLOW_THREADS store = ladle_store_hdf5_create(context, &chosen, &error);
    Py_END_ALLOW_THREADS return store != NULL ? store : store_raise(state, &error);
}

/* The store that "raw" or a dict of options stands for. Returns owned, or NULL with an exception. */
static ladle_store *make_store(core_state *state, ladle_context *context, PyObject *which)
{
    bool has_options = PyDict_Check(which);
    PyObject *name = has_options ? PyDict_GetItemString(which, "store") : which;
    if (name == NULL || !PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "a store must be its name or a dict with its name as 'store', not %R", which);
        return NULL;
    }
    store_options options = {.dict = has_options ? Py_NewRef(which) : PyDict_New()};
    if (options.dict == NULL) {
        return NULL;
    }
    ladle_store *store = NULL;
    if (!has_options) {
        options.used = -1; /* there is no 'store' among them */
    }
    if (PyUnicode_CompareWithASCIIString(name, "raw") == 0) {
        store = options_end(&options, "raw") < 0 ? NULL : ladle_store_raw();
    } else if (PyUnicode_CompareWithASCIIString(name, "compressed") == 0) {
        store = make_compressed(state, context, &options);
    } else if (PyUnicode_CompareWithASCIIString(name, "hdf5") == 0) {
        store = make_hdf5(state, context, &options);
    } else {
        PyErr_Format(PyExc_ValueError, "the store must be 'raw', 'compressed' or 'hdf5', not %R", name);
    }
    for (int index = 0; index < options.n_owners; index++) {
        Py_DECREF(options.owners[index]);
    }
    Py_DECREF(options.dict);
    return store;
}

/* Fills one level from (store, budget). Returns 0, or -1 with an exception. */
static int level_fill(core_state *state, ladle_context *context, PyObject *item, ladle_cache_level *level)
{
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 2) {
        PyErr_Format(PyExc_TypeError, "a level must be a tuple (store, budget), not %R", item);
        return -1;
    }
    if (core_as_int64(PyTuple_GetItem(item, 1), "budget", 0, &level->budget_nbytes) < 0) {
        return -1;
    }
    level->store = make_store(state, context, PyTuple_GetItem(item, 0));
    return level->store == NULL ? -1 : 0;
}

static ladle_cache *create_levels(core_state *state, ladle_context *context, PyObject *sequence, int32_t home,
                                  bool *waits)
{
    PyObject *tuple = PySequence_Tuple(sequence);
    if (tuple == NULL) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(tuple);
    ladle_cache_level levels[LADLE_MAX_LEVELS] = {{0}};
    if (count < 1 || count > LADLE_MAX_LEVELS) {
        PyErr_Format(PyExc_ValueError, "there must be 1 to %d levels, not %zd", LADLE_MAX_LEVELS, count);
        Py_DECREF(tuple);
        return NULL;
    }
    int32_t made = 0;
    while (made < count && level_fill(state, context, PyTuple_GetItem(tuple, made), &levels[made]) == 0) {
        *waits = *waits || !(levels[made].store->ops->capabilities & LADLE_STORE_LENDS);
        made++;
    }
    Py_DECREF(tuple);
    if (made < count) {
        while (made > 0) {
            ladle_store_release(levels[--made].store);
        }
        return NULL;
    }
    ladle_error error = {0};
    ladle_cache *cache = NULL;
    Py_BEGIN_ALLOW_THREADS cache = ladle_cache_create_levels(context, levels, made, home, &error);
    Py_END_ALLOW_THREADS if (cache == NULL)
    {
        core_raise(state, &error, CORE_OF_FILE);
    }
    return cache;
}

ladle_cache *core_cache_create(core_state *state, ladle_context *context, PyObject *budget, PyObject *levels,
                               PyObject *home, bool *waits)
{
    int64_t budget_nbytes = 0;
    int32_t home_level = 0;
    *waits = false;
    if ((budget != NULL && core_as_int64(budget, "budget", 0, &budget_nbytes) < 0) ||
        (home != NULL && core_as_int32(home, "home", 0, &home_level) < 0)) {
        return NULL;
    }
    if (levels != NULL && levels != Py_None) {
        if (budget_nbytes != 0) {
            PyErr_SetString(PyExc_ValueError, "each level has its own budget");
            return NULL;
        }
        return create_levels(state, context, levels, home_level, waits);
    }
    ladle_error error = {0};
    ladle_cache *cache = ladle_cache_create(context, budget_nbytes, &error);
    if (cache == NULL) {
        core_raise(state, &error, CORE_OF_NAME);
    }
    return cache;
}
