/* cache.c: Cache, byte-string keys to leased blocks.
 *
 * Keys may be bytes or str here; a str stands for its UTF-8. get_array and pop_array serve
 * ladle.BufferCache: they answer with numpy arrays, and undo what ladle/_layout.py packed. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

static PyObject *cache_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"context", "budget", NULL};
    core_state *state = PyType_GetModuleState(type);
    PyObject *context_object = NULL;
    PyObject *budget = NULL;
    int64_t budget_nbytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Cache", names, &context_object, &budget) ||
        (budget != NULL && core_as_int64(budget, "budget", 0, &budget_nbytes) < 0)) {
        return NULL;
    }
    ladle_context *context = core_handle_as(context_object, state->context_type, "context");
    if (context == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_cache *cache = ladle_cache_create(context, budget_nbytes, &error);
    if (cache == NULL) {
        return core_raise(state, &error, CORE_OF_NAME);
    }
    core_handle *self = (core_handle *)core_handle_new(type, cache);
    if (self == NULL) {
        ladle_cache_release(cache);
        return NULL;
    }
    self->context = Py_NewRef(context_object);
    return (PyObject *)self;
}

static void cache_release(void *pointer)
{
    ladle_cache_release(pointer);
}

static void cache_dealloc(PyObject *self)
{
    core_handle_free(self, cache_release);
}

/* --- look-ups -------------------------------------------------------------------------------- */

/* Lends the buffer at `object`. Returns 1 with *lease owned, 0 when there is none, -1 with an exception. */
static int cache_lend(PyObject *self, PyObject *object, ladle_lease **lease)
{
    ladle_cache *cache = core_handle_get(self);
    core_key key;
    *lease = NULL;
    if (cache == NULL || core_key_get(object, &key) < 0) {
        return -1;
    }
    ladle_error error = {0};
    ladle_status status = ladle_cache_get(cache, key.data, key.nbytes, lease, &error);
    Py_XDECREF(key.owner);
    if (status == LADLE_OK) {
        return 1;
    }
    if (status == LADLE_NOT_FOUND) {
        return 0;
    }
    core_raise(core_state_of(self), &error, CORE_OF_NAME);
    return -1;
}

static PyObject *cache_get(PyObject *self, PyObject *key)
{
    ladle_lease *lease = NULL;
    switch (cache_lend(self, key, &lease)) {
    case 1: return core_lease_new(core_state_of(self), lease);
    case 0: Py_RETURN_NONE;
    default: return NULL;
    }
}

static int state_layout(core_state *state)
{
    if (state->unpack != NULL) {
        return 0;
    }
    PyObject *module = PyImport_ImportModule("ladle._layout");
    if (module == NULL) {
        return -1;
    }
    PyObject *magic = PyObject_GetAttrString(module, "MAGIC");
    PyObject *unpack = PyObject_GetAttrString(module, "unpack");
    Py_DECREF(module);
    if (magic == NULL || unpack == NULL || !PyBytes_Check(magic)) {
        Py_XDECREF(magic);
        Py_XDECREF(unpack);
        return -1;
    }
    state->magic = magic;
    state->unpack = unpack;
    return 0;
}

/* Is this block an array with its layout behind it? Returns 1, 0, or -1 with an exception. */
static int lease_is_packed(core_state *state, const ladle_lease *lease)
{
    if (ladle_lease_dtype(lease) != LADLE_DTYPE_U8) {
        return 0;
    }
    if (state_layout(state) < 0) {
        return -1;
    }
    size_t count = (size_t)ladle_lease_count(lease);
    size_t magic_nbytes = (size_t)PyBytes_Size(state->magic);
    const char *data = ladle_lease_data(lease);
    return count >= magic_nbytes &&
           memcmp(data + count - magic_nbytes, PyBytes_AsString(state->magic), magic_nbytes) == 0;
}

/* The array in `lease`, which it takes. */
static PyObject *cache_array(PyObject *self, ladle_lease *lease)
{
    core_state *state = core_state_of(self);
    int packed = lease_is_packed(state, lease);
    PyObject *object = core_lease_new(state, lease);
    PyObject *array = NULL;
    if (object != NULL && packed == 0) {
        array = core_lease_array(state, object);
    } else if (object != NULL && packed == 1) {
        array = PyObject_CallFunctionObjArgs(state->unpack, object, NULL);
    }
    Py_XDECREF(object);
    return array;
}

/* The look-up of get_array and pop_array, called with (key, default=None). As in a dict of str, a key of
 * another type is not there. Returns as cache_lend; *missing borrows. */
static int cache_lend_or(PyObject *self, PyObject *const *args, Py_ssize_t count, const char *name, PyObject **missing,
                         ladle_lease **lease)
{
    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "%s expected 1 or 2 arguments, got %zd", name, count);
        return -1;
    }
    *missing = count == 2 ? args[1] : Py_None;
    return PyUnicode_Check(args[0]) ? cache_lend(self, args[0], lease) : 0;
}

static PyObject *cache_get_array(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *missing = NULL;
    ladle_lease *lease = NULL;
    int found = cache_lend_or(self, args, count, "get_array", &missing, &lease);
    if (found < 0) {
        return NULL;
    }
    return found ? cache_array(self, lease) : Py_NewRef(missing);
}

static ladle_status cache_remove(PyObject *self, PyObject *object, ladle_error *error)
{
    ladle_cache *cache = core_handle_get(self);
    core_key key;
    if (cache == NULL || core_key_get(object, &key) < 0) {
        return LADLE_INVALID;
    }
    ladle_status status = ladle_cache_delete(cache, key.data, key.nbytes);
    if (status != LADLE_OK && status != LADLE_NOT_FOUND) {
        error->status = (int32_t)status;
        error->offset = -1;
        PyOS_snprintf(error->where, sizeof error->where, "cache");
        PyOS_snprintf(error->message, sizeof error->message, "closed, or not a key");
    }
    Py_XDECREF(key.owner);
    return status;
}

/* Atomic among Python's threads: it keeps the GIL from the look-up to the removal. */
static PyObject *cache_pop_array(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *missing = NULL;
    ladle_lease *lease = NULL;
    int found = cache_lend_or(self, args, count, "pop_array", &missing, &lease);
    if (found < 0) {
        return NULL;
    }
    if (!found) {
        return Py_NewRef(missing);
    }
    ladle_error error = {0};
    ladle_status status = cache_remove(self, args[0], &error);
    if (status != LADLE_OK && status != LADLE_NOT_FOUND) {
        ladle_lease_release(lease);
        return PyErr_Occurred() ? NULL : core_raise(core_state_of(self), &error, CORE_OF_NAME);
    }
    return cache_array(self, lease);
}

static PyObject *cache_contains(PyObject *self, PyObject *object)
{
    ladle_cache *cache = core_handle_get(self);
    core_key key;
    if (cache == NULL || core_key_get(object, &key) < 0) {
        return NULL;
    }
    bool found = ladle_cache_contains(cache, key.data, key.nbytes);
    Py_XDECREF(key.owner);
    return PyBool_FromLong(found);
}

/* --- changes --------------------------------------------------------------------------------- */

/* A lease on a copy of `values`, or on the block of a Lease itself. Returns owned, or NULL. */
static ladle_lease *lease_of(PyObject *self, PyObject *values, const char *dtype_name)
{
    core_state *state = core_state_of(self);
    ladle_dtype dtype = ladle_dtype_from_name(dtype_name);
    if (dtype == LADLE_DTYPE_NONE) {
        PyErr_Format(PyExc_ValueError, "dtype must be a primitive such as 'float32', not '%s'", dtype_name);
        return NULL;
    }
    if (PyObject_TypeCheck(values, state->lease_type)) {
        ladle_lease *lease = core_handle_get(values);
        if (lease != NULL && ladle_lease_dtype(lease) != dtype) {
            PyErr_Format(PyExc_ValueError, "the lease holds %s, not %s", ladle_dtype_name(ladle_lease_dtype(lease)),
                         dtype_name);
            return NULL;
        }
        if (lease != NULL) {
            ladle_lease_retain(lease);
        }
        return lease;
    }
    ladle_context *context = core_handle_get(((core_handle *)self)->context);
    Py_buffer view;
    if (context == NULL || PyObject_GetBuffer(values, &view, PyBUF_C_CONTIGUOUS) < 0) {
        return NULL;
    }
    int64_t itemsize = (int64_t)ladle_dtype_size(dtype);
    ladle_lease *lease = NULL;
    if (view.len % itemsize != 0) {
        PyErr_Format(PyExc_ValueError, "%zd bytes are no whole number of %s", view.len, dtype_name);
    } else {
        ladle_error error = {0};
        if (view.len < CORE_SMALL_NBYTES) {
            lease = ladle_lease_copy(context, dtype, view.len / itemsize, view.buf, &error);
        } else {
            Py_BEGIN_ALLOW_THREADS lease = ladle_lease_copy(context, dtype, view.len / itemsize, view.buf, &error);
            Py_END_ALLOW_THREADS
        }
        if (lease == NULL) {
            core_raise(state, &error, CORE_OF_NAME);
        }
    }
    PyBuffer_Release(&view);
    return lease;
}

static PyObject *cache_put(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", "values", "dtype", "cost_ns", NULL};
    ladle_cache *cache = core_handle_get(self);
    PyObject *key_object = NULL;
    PyObject *values = NULL;
    const char *dtype = NULL;
    PyObject *cost = NULL;
    int64_t cost_ns = 0;
    if (cache == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "OOs|O:put", names, &key_object, &values, &dtype, &cost) ||
        (cost != NULL && core_as_int64(cost, "cost_ns", 0, &cost_ns) < 0)) {
        return NULL;
    }
    core_key key;
    if (core_key_get(key_object, &key) < 0) {
        return NULL;
    }
    ladle_lease *lease = lease_of(self, values, dtype);
    ladle_status status = LADLE_INVALID;
    ladle_error error = {0};
    if (lease != NULL) {
        /* Room may have to be made: blocks of others go back to the system. */
        Py_BEGIN_ALLOW_THREADS status = ladle_cache_put(cache, key.data, key.nbytes, lease, cost_ns, &error);
        ladle_lease_release(lease);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(key.owner);
    if (lease == NULL) {
        return NULL;
    }
    if (status != LADLE_OK) {
        return core_raise(core_state_of(self), &error, CORE_OF_NAME);
    }
    Py_RETURN_NONE;
}

static PyObject *cache_delete(PyObject *self, PyObject *key)
{
    ladle_error error = {0};
    ladle_status status = cache_remove(self, key, &error);
    if (status == LADLE_OK || status == LADLE_NOT_FOUND) {
        return PyBool_FromLong(status == LADLE_OK);
    }
    return PyErr_Occurred() ? NULL : core_raise(core_state_of(self), &error, CORE_OF_NAME);
}

/* One call of fetch: the Python function, and the thread state that it runs with. */
typedef struct fetch_call {
    core_state *state;
    PyObject *make;
    PyThreadState *thread;
    PyObject *type, *value, *traceback; /* what make() raised */
} fetch_call;

/* Called by the library on the thread that called fetch, which gave the GIL away. */
static ladle_status fetch_make(void *user, ladle_lease **lease, ladle_error *error)
{
    fetch_call *call = user;
    ladle_status status = LADLE_OK;
    PyEval_RestoreThread(call->thread);
    PyObject *made = PyObject_CallNoArgs(call->make);
    *lease = made == NULL ? NULL : core_handle_as(made, call->state->lease_type, "the result of make()");
    if (*lease != NULL) {
        ladle_lease_retain(*lease);
    } else {
        PyErr_Fetch(&call->type, &call->value, &call->traceback);
        status = LADLE_CANCELLED;
        if (error != NULL) {
            *error = (ladle_error){.status = LADLE_CANCELLED, .offset = -1};
            PyOS_snprintf(error->where, sizeof error->where, "cache");
            PyOS_snprintf(error->message, sizeof error->message,
                          "the thread that was making this buffer raised an exception");
        }
    }
    Py_XDECREF(made);
    call->thread = PyEval_SaveThread();
    return status;
}

static PyObject *cache_fetch(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", "make", NULL};
    ladle_cache *cache = core_handle_get(self);
    core_state *state = core_state_of(self);
    fetch_call call = {.state = state};
    PyObject *key_object = NULL;
    core_key key;
    if (cache == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO:fetch", names, &key_object, &call.make) ||
        core_key_get(key_object, &key) < 0) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_lease *lease = NULL;
    call.thread = PyEval_SaveThread();
    ladle_status status = ladle_cache_fetch(cache, key.data, key.nbytes, fetch_make, &call, &lease, &error);
    PyEval_RestoreThread(call.thread);
    Py_XDECREF(key.owner);
    if (status == LADLE_OK) {
        return core_lease_new(state, lease);
    }
    if (call.type != NULL) {
        PyErr_Restore(call.type, call.value, call.traceback);
        return NULL;
    }
    return core_raise(state, &error, CORE_OF_NAME);
}

static PyObject *cache_change(PyObject *self, void (*change)(ladle_cache *))
{
    ladle_cache *cache = core_handle_get(self);
    if (cache == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS change(cache);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *cache_clear(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_change(self, ladle_cache_clear);
}

static void close_quietly(ladle_cache *cache)
{
    (void)ladle_cache_close(cache, NULL);
}

static PyObject *cache_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_change(self, close_quietly);
}

static PyObject *cache_set_budget(PyObject *self, PyObject *nbytes)
{
    ladle_cache *cache = core_handle_get(self);
    int64_t value = 0;
    if (cache == NULL || core_as_int64(nbytes, "nbytes", 0, &value) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS ladle_cache_set_budget(cache, 0, value);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* --- listings -------------------------------------------------------------------------------- */

/* Entries copied while the cache is locked. No Python object is made before it is unlocked: that
 * could collect garbage, which could release a lease, which would wait for the lock. */
typedef struct listing {
    ladle_cache_entry *entries; /* `key` is unset until the end: `keys` may move */
    char *keys;                 /* all keys, one after the other */
    size_t count, capacity, nbytes, key_capacity;
    bool failed;
} listing;

static bool listing_add(void *user, const ladle_cache_entry *entry)
{
    listing *all = user;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity * 2 + 64;
        ladle_cache_entry *entries = realloc(all->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            all->failed = true;
            return false;
        }
        all->entries = entries;
        all->capacity = capacity;
    }
    if (all->nbytes + entry->key_nbytes > all->key_capacity) {
        size_t capacity = (all->nbytes + entry->key_nbytes) * 2 + 4096;
        char *keys = realloc(all->keys, capacity);
        if (keys == NULL) {
            all->failed = true;
            return false;
        }
        all->keys = keys;
        all->key_capacity = capacity;
    }
    if (entry->key_nbytes > 0) {
        memcpy(all->keys + all->nbytes, entry->key, entry->key_nbytes);
    }
    all->nbytes += entry->key_nbytes;
    all->entries[all->count++] = *entry;
    return true;
}

static PyObject *entry_key(const ladle_cache_entry *entry)
{
    return PyBytes_FromStringAndSize(entry->key, (Py_ssize_t)entry->key_nbytes);
}

static PyObject *entry_dict(const ladle_cache_entry *entry)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (core_dict_set(dict, "key", entry_key(entry)) < 0 ||
        core_dict_set(dict, "dtype", core_decode(ladle_dtype_name(entry->dtype))) < 0 ||
        core_dict_set(dict, "count", PyLong_FromLongLong(entry->count)) < 0 ||
        core_dict_set(dict, "nbytes", PyLong_FromLongLong(entry->nbytes)) < 0 ||
        core_dict_set(dict, "hits", PyLong_FromLongLong(entry->hits)) < 0 ||
        core_dict_set(dict, "cost_ns", PyLong_FromLongLong(entry->cost_ns)) < 0 ||
        core_dict_set(dict, "pinned", PyBool_FromLong(entry->pinned)) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

static PyObject *cache_list(PyObject *self, PyObject *(*convert)(const ladle_cache_entry *))
{
    ladle_cache *cache = core_handle_get(self);
    if (cache == NULL) {
        return NULL;
    }
    listing all = {0};
    ladle_cache_visit(cache, listing_add, &all);
    PyObject *list = all.failed ? PyErr_NoMemory() : PyList_New((Py_ssize_t)all.count);
    size_t offset = 0;
    for (size_t index = 0; list != NULL && index < all.count; index++) {
        ladle_cache_entry *entry = &all.entries[index];
        entry->key = all.keys + offset;
        offset += entry->key_nbytes;
        PyObject *item = convert(entry);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)index, item) < 0) {
            Py_CLEAR(list);
        }
    }
    free(all.entries);
    free(all.keys);
    return list;
}

static PyObject *cache_keys(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_list(self, entry_key);
}

static PyObject *cache_entries(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_list(self, entry_dict);
}

static PyObject *cache_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_cache *cache = core_handle_get(self);
    if (cache == NULL) {
        return NULL;
    }
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_cache_stats_get(cache, &stats);
    return Py_BuildValue("{sLsLsLsLsLsLsLsLsLsLsL}", "hits", (long long)stats.hits, "misses", (long long)stats.misses,
                         "puts", (long long)stats.puts, "evictions", (long long)stats.evictions, "deletes",
                         (long long)stats.deletes, "entries", (long long)stats.entries, "nbytes",
                         (long long)stats.nbytes, "pinned_nbytes", (long long)stats.pinned_nbytes, "peak_nbytes",
                         (long long)stats.peak_nbytes, "budget", (long long)stats.budget, "fetch_ns",
                         (long long)stats.fetch_ns);
}

static Py_ssize_t cache_length(PyObject *self)
{
    ladle_cache *cache = core_handle_get(self);
    if (cache == NULL) {
        return -1;
    }
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_cache_stats_get(cache, &stats);
    return (Py_ssize_t)stats.entries;
}

static PyMethodDef cache_methods[] = {
    {"get", cache_get, METH_O, "get(key)\n--\n\nLease on the buffer at key, or None."},
    {"get_array", (PyCFunction)(void (*)(void))cache_get_array, METH_FASTCALL,
     "get_array(key, default=None, /)\n--\n\nRead-only array over the buffer at key, or the default."},
    {"pop_array", (PyCFunction)(void (*)(void))cache_pop_array, METH_FASTCALL,
     "pop_array(key, default=None, /)\n--\n\nAs get_array, and remove the entry."},
    {"put", (PyCFunction)(void (*)(void))cache_put, METH_VARARGS | METH_KEYWORDS,
     "put(key, values, dtype, cost_ns=0)\n--\n\nKeep a Lease, or a copy of any contiguous buffer, at key."},
    {"fetch", (PyCFunction)(void (*)(void))cache_fetch, METH_VARARGS | METH_KEYWORDS,
     "fetch(key, make)\n--\n\nLease on the buffer at key, made by make() if missing: once, whoever asks."},
    {"contains", cache_contains, METH_O, "contains(key)\n--\n\nIs there an entry? Counts neither hit nor miss."},
    {"delete", cache_delete, METH_O, "delete(key)\n--\n\nRemove one entry; False if there is none."},
    {"clear", cache_clear, METH_NOARGS, "clear()\n--\n\nRemove all entries."},
    {"close", cache_close, METH_NOARGS, "close()\n--\n\nRemove all entries and refuse further use."},
    {"keys", cache_keys, METH_NOARGS, "keys()\n--\n\nKeys, in the order of their insertion."},
    {"entries", cache_entries, METH_NOARGS, "entries()\n--\n\nWhat is known of each entry, as dicts."},
    {"stats", cache_stats, METH_NOARGS, "stats()\n--\n\nCounts and bytes."},
    {"set_budget", cache_set_budget, METH_O, "set_budget(nbytes)\n--\n\nCap its bytes, at once; 0 means no cap."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cache_slots[] = {
    {Py_tp_doc, (void *)"Cache(context, budget=0)\n--\n\nByte-string keys to leased blocks, with a budget."},
    {Py_tp_new, (void *)cache_new},
    {Py_tp_dealloc, (void *)cache_dealloc},
    {Py_tp_methods, cache_methods},
    {Py_tp_members, core_members},
    {Py_mp_length, (void *)cache_length},
    {0, NULL},
};

static PyType_Spec cache_spec = {
    .name = "ladle._core.Cache",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cache_slots,
};

int core_cache_ready(PyObject *module, core_state *state)
{
    state->cache_type = core_type_add(module, &cache_spec);
    return state->cache_type == NULL ? -1 : 0;
}
