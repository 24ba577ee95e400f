/* cache.c: Cache, byte-string keys to buffers at rest in one or several levels.
 *
 * Keys may be bytes or str here; a str stands for its UTF-8. get_array and pop_array serve
 * ladle.BufferCache and its like: they answer with numpy arrays, of which ladle/_layout.py makes those that are not
 * just a row of values. */
#include "core.h"

#include <string.h>

/* --- the object ------------------------------------------------------------------------------ */

/* Keeps the path of the cache's named file, if it has one. Returns 0, or -1 with an exception. */
static int cache_name(core_cache *self, ladle_cache *cache)
{
    ladle_cache_stats all = {.struct_size = sizeof all};
    ladle_cache_stats_get(cache, &all);
    for (int32_t level = 0; level < all.levels && self->waits; level++) {
        ladle_cache_level_stats stats = {.struct_size = sizeof stats};
        ladle_store_info info = {.struct_size = sizeof info};
        if (ladle_cache_level_stats_get(cache, level, &stats, &info, NULL) == LADLE_OK && info.named) {
            self->path = core_decode(info.path);
            return self->path == NULL ? -1 : 0;
        }
    }
    return 0;
}

static PyObject *cache_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"context", "budget", "levels", "home", NULL};
    core_state *state = PyType_GetModuleState(type);
    PyObject *context_object = NULL;
    PyObject *budget = NULL;
    PyObject *levels = NULL;
    PyObject *home = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O$OO:Cache", names, &context_object, &budget, &levels, &home)) {
        return NULL;
    }
    ladle_context *context = core_handle_as(context_object, state->context_type, "context");
    if (context == NULL) {
        return NULL;
    }
    bool waits = false;
    ladle_cache *cache = core_cache_create(state, context, budget, levels, home, &waits);
    if (cache == NULL) {
        return NULL;
    }
    core_cache *self = (core_cache *)core_handle_new(type, cache);
    if (self == NULL) {
        ladle_cache_release(cache);
        return NULL;
    }
    self->head.context = Py_NewRef(context_object);
    self->waits = waits;
    if (cache_name(self, cache) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The last release may write a file. */
static void cache_release(void *pointer)
{
    Py_BEGIN_ALLOW_THREADS ladle_cache_release(pointer);
    Py_END_ALLOW_THREADS
}

static void cache_dealloc(PyObject *self)
{
    Py_CLEAR(((core_cache *)self)->path);
    core_handle_free(self, cache_release);
}

ladle_cache *core_cache_get(PyObject *object)
{
    core_cache *self = (core_cache *)object;
    if (self->path == NULL || self->head.forks == core_forks()) {
        return core_handle_get(object);
    }
    PyObject *where = PyUnicode_AsEncodedString(self->path, "utf-8", "surrogateescape");
    if (where != NULL) {
        core_raise_invalid(core_state_of(object), PyBytes_AsString(where),
                           "this file is the parent process's: open another path in this one");
        Py_DECREF(where);
    }
    return NULL;
}

ladle_cache *core_cache_as(PyObject *object, core_state *state)
{
    return PyObject_TypeCheck(object, state->cache_type) ? core_cache_get(object)
                                                         : core_handle_as(object, state->cache_type, "cache");
}

/* Gives the GIL away where it may take long. Returns what cache_return wants. */
static PyThreadState *cache_leave(const core_cache *self, Py_ssize_t nbytes)
{
    return self->waits || nbytes >= CORE_SMALL_NBYTES ? PyEval_SaveThread() : NULL;
}

static void cache_return(PyThreadState *thread)
{
    if (thread != NULL) {
        PyEval_RestoreThread(thread);
    }
}

/* --- look-ups -------------------------------------------------------------------------------- */

typedef ladle_status (*lend_function)(ladle_cache *, const void *, size_t, ladle_lease **, ladle_error *);

/* Lends the buffer at `object` by ladle_cache_get or ladle_cache_pop. Returns 1 with *lease owned, 0 when there is
 * none, -1 with an exception. */
static int cache_lend(PyObject *self, PyObject *object, lend_function lend, ladle_lease **lease)
{
    ladle_cache *cache = core_cache_get(self);
    core_key key;
    *lease = NULL;
    if (cache == NULL || core_key_get(object, &key) < 0) {
        return -1;
    }
    ladle_error error = {0};
    PyThreadState *thread = cache_leave((core_cache *)self, 0);
    ladle_status status = lend(cache, key.data, key.nbytes, lease, &error);
    cache_return(thread);
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
    switch (cache_lend(self, key, ladle_cache_get, &lease)) {
    case 1: return core_lease_new(core_state_of(self), lease);
    case 0: Py_RETURN_NONE;
    default: return NULL;
    }
}

/* The array that a layout describes: unpack(lease, cache, key). */
static PyObject *cache_unpack(PyObject *self, PyObject *key, PyObject *lease)
{
    core_state *state = core_state_of(self);
    if (state->unpack == NULL) {
        PyObject *module = PyImport_ImportModule("ladle._layout");
        if (module == NULL) {
            return NULL;
        }
        state->unpack = PyObject_GetAttrString(module, "unpack");
        Py_DECREF(module);
        if (state->unpack == NULL) {
            return NULL;
        }
    }
    return PyObject_CallFunctionObjArgs(state->unpack, lease, self, key, NULL);
}

/* get_array and pop_array, called with (key, default=None). As in a dict of str, a key of another type is not there. */
static PyObject *cache_array(PyObject *self, PyObject *const *args, Py_ssize_t count, const char *name,
                             lend_function lend)
{
    if (count < 1 || count > 2) {
        return PyErr_Format(PyExc_TypeError, "%s expected 1 or 2 arguments, got %zd", name, count);
    }
    ladle_lease *lease = NULL;
    int found = PyUnicode_Check(args[0]) ? cache_lend(self, args[0], lend, &lease) : 0;
    if (found <= 0) {
        return found < 0 ? NULL : Py_NewRef(count == 2 ? args[1] : Py_None);
    }
    size_t layout_nbytes = 0;
    (void)ladle_lease_layout(lease, &layout_nbytes);
    core_state *state = core_state_of(self);
    PyObject *object = core_lease_new(state, lease);
    if (object == NULL) {
        return NULL;
    }
    PyObject *array = layout_nbytes == 0 ? core_lease_array(state, object) : cache_unpack(self, args[0], object);
    Py_DECREF(object);
    return array;
}

static PyObject *cache_get_array(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return cache_array(self, args, count, "get_array", ladle_cache_get);
}

static PyObject *cache_pop_array(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return cache_array(self, args, count, "pop_array", ladle_cache_pop);
}

static PyObject *cache_contains(PyObject *self, PyObject *object)
{
    ladle_cache *cache = core_cache_get(self);
    core_key key;
    if (cache == NULL || core_key_get(object, &key) < 0) {
        return NULL;
    }
    bool found = ladle_cache_contains(cache, key.data, key.nbytes);
    Py_XDECREF(key.owner);
    return PyBool_FromLong(found);
}

/* --- changes --------------------------------------------------------------------------------- */

/* What put was called with. */
typedef struct put_call {
    ladle_cache *cache;
    core_key key;
    ladle_dtype dtype;
    int64_t cost_ns;
    const char *layout;
    Py_ssize_t layout_nbytes;
} put_call;

/* Keeps the block of a Lease, without a copy. */
static ladle_status put_lease(PyObject *self, PyObject *object, const put_call *call, ladle_error *error)
{
    ladle_lease *lease = core_handle_get(object);
    if (lease == NULL) {
        return LADLE_INVALID;
    }
    if (ladle_lease_dtype(lease) != call->dtype) {
        PyErr_Format(PyExc_ValueError, "the lease holds %s, not %s", ladle_dtype_name(ladle_lease_dtype(lease)),
                     ladle_dtype_name(call->dtype));
        return LADLE_INVALID;
    }
    if (call->layout_nbytes > 0) {
        PyErr_SetString(PyExc_ValueError, "a lease has its own layout");
        return LADLE_INVALID;
    }
    PyThreadState *thread = cache_leave((core_cache *)self, (Py_ssize_t)ladle_lease_nbytes(lease));
    ladle_status status = ladle_cache_put(call->cache, call->key.data, call->key.nbytes, lease, call->cost_ns, error);
    cache_return(thread);
    return status;
}

/* Keeps a copy of what exports a buffer. */
static ladle_status put_buffer(PyObject *self, PyObject *object, const put_call *call, ladle_error *error)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS) < 0) {
        return LADLE_INVALID;
    }
    Py_ssize_t itemsize = (Py_ssize_t)ladle_dtype_size(call->dtype);
    ladle_status status = LADLE_INVALID;
    if (view.len % itemsize != 0) {
        PyErr_Format(PyExc_ValueError, "%zd bytes are no whole number of %s", view.len, ladle_dtype_name(call->dtype));
    } else {
        ladle_values values = {.dtype = call->dtype,
                               .count = view.len / itemsize,
                               .data = view.buf,
                               .layout = call->layout,
                               .layout_nbytes = (size_t)call->layout_nbytes};
        PyThreadState *thread = cache_leave((core_cache *)self, view.len);
        status = ladle_cache_put_values(call->cache, call->key.data, call->key.nbytes, &values, call->cost_ns, error);
        cache_return(thread);
    }
    PyBuffer_Release(&view);
    return status;
}

static PyObject *cache_put(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 3 || count > 5) {
        return PyErr_Format(PyExc_TypeError, "put expected 3 to 5 arguments, got %zd", count);
    }
    put_call call = {.cache = core_cache_get(self)};
    char *layout = NULL;
    if (call.cache == NULL || (call.dtype = core_dtype_from(args[2])) == LADLE_DTYPE_NONE ||
        (count > 3 && core_as_int64(args[3], "cost_ns", 0, &call.cost_ns) < 0) ||
        (count > 4 && PyBytes_AsStringAndSize(args[4], &layout, &call.layout_nbytes) < 0) ||
        core_key_get(args[0], &call.key) < 0) {
        return NULL;
    }
    call.layout = layout;
    core_state *state = core_state_of(self);
    ladle_error error = {0};
    ladle_status status = PyObject_TypeCheck(args[1], state->lease_type) ? put_lease(self, args[1], &call, &error)
                                                                         : put_buffer(self, args[1], &call, &error);
    Py_XDECREF(call.key.owner);
    if (status == LADLE_OK) {
        Py_RETURN_NONE;
    }
    return PyErr_Occurred() ? NULL : core_raise(state, &error, CORE_OF_NAME);
}

static PyObject *cache_delete(PyObject *self, PyObject *object)
{
    ladle_cache *cache = core_cache_get(self);
    core_key key;
    if (cache == NULL || core_key_get(object, &key) < 0) {
        return NULL;
    }
    ladle_status status = ladle_cache_delete(cache, key.data, key.nbytes);
    Py_XDECREF(key.owner);
    if (status == LADLE_OK || status == LADLE_NOT_FOUND) {
        return PyBool_FromLong(status == LADLE_OK);
    }
    return core_raise_invalid(core_state_of(self), "cache", "it is closed, or this is not a key");
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
    ladle_cache *cache = core_cache_get(self);
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

static PyObject *cache_clear(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_cache *cache = core_cache_get(self);
    if (cache == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS ladle_cache_clear(cache);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *cache_finish(PyObject *self, ladle_status (*finish)(ladle_cache *, ladle_error *))
{
    ladle_cache *cache = core_cache_get(self);
    if (cache == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_status status = LADLE_OK;
    Py_BEGIN_ALLOW_THREADS status = finish(cache, &error);
    Py_END_ALLOW_THREADS if (status != LADLE_OK)
    {
        return core_raise(core_state_of(self), &error, CORE_OF_FILE);
    }
    Py_RETURN_NONE;
}

static PyObject *cache_flush(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_finish(self, ladle_cache_flush);
}

static PyObject *cache_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return cache_finish(self, ladle_cache_close);
}

static PyObject *cache_set_budget(PyObject *self, PyObject *args)
{
    ladle_cache *cache = core_cache_get(self);
    PyObject *nbytes = NULL;
    PyObject *which = NULL;
    int64_t value = 0;
    int32_t level = 0;
    if (cache == NULL || !PyArg_ParseTuple(args, "O|O:set_budget", &nbytes, &which) ||
        core_as_int64(nbytes, "nbytes", 0, &value) < 0 ||
        (which != NULL && core_as_int32(which, "level", 0, &level) < 0)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS ladle_cache_set_budget(cache, level, value);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* --- the type -------------------------------------------------------------------------------- */

static Py_ssize_t cache_length(PyObject *self)
{
    ladle_cache *cache = core_cache_get(self);
    return cache == NULL ? -1 : (Py_ssize_t)ladle_cache_count(cache);
}
    ladle_cache_stats stats = {.struct_size = sizeof stats};
    ladle_cache_stats_get(cache, &stats);
    return (Py_ssize_t)stats.entries;
}

static PyObject *cache_path(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *path = ((core_cache *)self)->path;
    return Py_NewRef(path == NULL ? Py_None : path);
}

static PyMethodDef cache_methods[] = {
    {"get", cache_get, METH_O, "get(key)\n--\n\nLease on the buffer at key, or None."},
    {"get_array", (PyCFunction)(void (*)(void))cache_get_array, METH_FASTCALL,
     "get_array(key, default=None, /)\n--\n\nRead-only array over the buffer at key, or the default."},
    {"pop_array", (PyCFunction)(void (*)(void))cache_pop_array, METH_FASTCALL,
     "pop_array(key, default=None, /)\n--\n\nAs get_array, and remove the entry."},
    {"put", (PyCFunction)(void (*)(void))cache_put, METH_FASTCALL,
     "put(key, values, dtype, cost_ns=0, layout=b'', /)\n--\n\nKeep a Lease, or a copy of any contiguous buffer."},
    {"fetch", (PyCFunction)(void (*)(void))cache_fetch, METH_VARARGS | METH_KEYWORDS,
     "fetch(key, make)\n--\n\nLease on the buffer at key, made by make() if missing: once, whoever asks."},
    {"contains", cache_contains, METH_O, "contains(key)\n--\n\nIs there an entry? Counts neither hit nor miss."},
    {"delete", cache_delete, METH_O, "delete(key)\n--\n\nRemove one entry; False if there is none."},
    {"clear", cache_clear, METH_NOARGS, "clear()\n--\n\nRemove all entries."},
    {"flush", cache_flush, METH_NOARGS, "flush()\n--\n\nMake a named file hold the entries of now."},
    {"close", cache_close, METH_NOARGS, "close()\n--\n\nFlush, remove all entries and refuse further use."},
    {"keys", core_cache_keys, METH_NOARGS, "keys()\n--\n\nKeys, in the order of their insertion."},
    {"entries", core_cache_entries, METH_NOARGS, "entries()\n--\n\nWhat is known of each entry, as dicts."},
    {"stats", core_cache_stats, METH_NOARGS, "stats()\n--\n\nCounts and bytes."},
    {"levels", core_cache_levels, METH_NOARGS, "levels()\n--\n\nCounts, bytes and store of each level, as dicts."},
    {"set_budget", cache_set_budget, METH_VARARGS,
     "set_budget(nbytes, level=0, /)\n--\n\nCap the bytes of a level, at once; 0 means no cap."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef cache_getset[] = {
    {"path", cache_path, NULL, "Path of its named file, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot cache_slots[] = {
    {Py_tp_doc,
     (void *)"Cache(context, budget=0, *, levels=None, home=0)\n--\n\nByte-string keys to buffers at rest in levels."},
    {Py_tp_new, (void *)cache_new},
    {Py_tp_dealloc, (void *)cache_dealloc},
    {Py_tp_methods, cache_methods},
    {Py_tp_getset, cache_getset},
    {Py_tp_members, core_members},
    {Py_mp_length, (void *)cache_length},
    {0, NULL},
};

static PyType_Spec cache_spec = {
    .name = "ladle._core.Cache",
    .basicsize = sizeof(core_cache),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cache_slots,
};

int core_cache_ready(PyObject *module, core_state *state)
{
    state->cache_type = core_type_add(module, &cache_spec);
    return state->cache_type == NULL ? -1 : 0;
}
