/* module.c: the module `ladle._core`, its state, and what every object does alike. */
#include "core.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* --- forks ----------------------------------------------------------------------------------- */

/* A fact of the process, not of an interpreter: how often it has been forked off. */
static _Atomic uint64_t fork_count;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void fork_in_child(void)
{
    atomic_fetch_add(&fork_count, 1);
}

static void fork_watch(void)
{
    pthread_atfork(NULL, NULL, fork_in_child);
}

uint64_t core_forks(void)
{
    return atomic_load_explicit(&fork_count, memory_order_relaxed);
}

/* --- handles --------------------------------------------------------------------------------- */

PyMemberDef core_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(core_handle, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

core_state *core_state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

PyObject *core_handle_new(PyTypeObject *type, void *pointer)
{
    core_handle *self = (core_handle *)PyType_GenericAlloc(type, 0);
    if (self != NULL) {
        self->pointer = pointer;
        self->forks = core_forks();
    }
    return (PyObject *)self;
}

void core_handle_free(PyObject *object, void (*release)(void *pointer))
{
    core_handle *self = (core_handle *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    if (self->forks == core_forks()) {
        release(self->pointer);
    }
    Py_XDECREF(self->context);
    PyObject_Free(object);
    Py_DECREF(type);
}

void *core_handle_get(PyObject *object)
{
    core_handle *self = (core_handle *)object;
    if (self->forks != core_forks()) {
        return core_raise_invalid(core_state_of(object), "ladle",
                                  "this object belongs to the parent process: make it again in this one");
    }
    return self->pointer;
}

void *core_handle_as(PyObject *object, PyTypeObject *type, const char *name)
{
    if (!PyObject_TypeCheck(object, type)) {
        PyErr_Format(PyExc_TypeError, "%s must be a %R, not %R", name, (PyObject *)type, (PyObject *)Py_TYPE(object));
        return NULL;
    }
    return core_handle_get(object);
}

PyTypeObject *core_type_add(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

/* --- functions ------------------------------------------------------------------------------- */

static PyObject *module_xxh3_64(PyObject *Py_UNUSED(module), PyObject *values)
{
    Py_buffer view;
    if (PyObject_GetBuffer(values, &view, PyBUF_C_CONTIGUOUS) < 0) {
        return NULL;
    }
    uint64_t hash = 0;
    if (view.len < CORE_SMALL_NBYTES) {
        hash = ladle_xxh3_64(view.buf, (size_t)view.len);
    } else {
        Py_BEGIN_ALLOW_THREADS hash = ladle_xxh3_64(view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLongLong(hash);
}

static PyObject *module_copy(PyObject *module, PyObject *args)
{
    core_state *state = PyModule_GetState(module);
    PyObject *context_object = NULL;
    PyObject *values = NULL;
    PyObject *name = NULL;
    const char *layout = NULL;
    Py_ssize_t layout_nbytes = 0;
    if (!PyArg_ParseTuple(args, "OOO|y#:copy", &context_object, &values, &name, &layout, &layout_nbytes)) {
        return NULL;
    }
    ladle_context *context = core_handle_as(context_object, state->context_type, "context");
    ladle_dtype dtype = context == NULL ? LADLE_DTYPE_NONE : core_dtype_from(name);
    Py_buffer view;
    if (dtype == LADLE_DTYPE_NONE || PyObject_GetBuffer(values, &view, PyBUF_C_CONTIGUOUS) < 0) {
        return NULL;
    }
    ladle_lease *lease = core_lease_copy(state, context, &view, dtype, layout, layout_nbytes);
    PyBuffer_Release(&view);
    return lease == NULL ? NULL : core_lease_new(state, lease);
}

static PyObject *module_process_memory(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    ladle_process_info info = {.struct_size = sizeof info};
    ladle_error error = {0};
    ladle_status status = LADLE_OK;
    Py_BEGIN_ALLOW_THREADS status = ladle_process_memory(&info, &error);
    Py_END_ALLOW_THREADS if (status != LADLE_OK)
    {
        return core_raise(PyModule_GetState(module), &error, CORE_OF_FILE);
    }
    return Py_BuildValue("{sLsLsLsL}", "rss", (long long)info.rss, "peak_rss", (long long)info.peak_rss, "anonymous",
                         (long long)info.anonymous, "file", (long long)info.file);
}

static PyObject *module_version(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyUnicode_FromString(ladle_version());
}

static PyObject *module_forks(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(core_forks());
}

static PyMethodDef module_methods[] = {
    {"xxh3_64", module_xxh3_64, METH_O, "xxh3_64(values)\n--\n\nXXH3-64 (seed 0) of a contiguous buffer's bytes."},
    {"copy", module_copy, METH_VARARGS,
     "copy(context, values, dtype, layout=b'', /)\n--\n\nLease on a copy of a contiguous buffer."},
    {"process_memory", module_process_memory, METH_NOARGS,
     "process_memory()\n--\n\nrss, peak_rss, anonymous and file of this process, in bytes; -1 if unknown."},
    {"allocator_name", core_allocator_name, METH_NOARGS,
     "allocator_name()\n--\n\nThe allocator behind malloc: glibc, mimalloc, jemalloc, tcmalloc or unknown."},
    {"allocator_trim", core_allocator_trim, METH_NOARGS,
     "allocator_trim()\n--\n\nAsk it to return its free pages; False where there is no way to ask."},
    {"share_names", core_share_names, METH_NOARGS,
     "share_names()\n--\n\nWhat the shares of a split are called, in order."},
    {"version", module_version, METH_NOARGS, "version()\n--\n\nVersion of the C library."},
    {"forks", module_forks, METH_NOARGS,
     "forks()\n--\n\nHow many forks lie between this process and the one that loaded the extension."},
    {NULL, NULL, 0, NULL},
};

/* --- module ---------------------------------------------------------------------------------- */

static int state_numpy(core_state *state)
{
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy == NULL) {
        return -1;
    }
    state->frombuffer = PyObject_GetAttrString(numpy, "frombuffer");
    int failed = state->frombuffer == NULL;
    for (int dtype = LADLE_DTYPE_NONE + 1; dtype < CORE_N_DTYPES && !failed; dtype++) {
        state->dtypes[dtype] = PyObject_CallMethod(numpy, "dtype", "s", ladle_dtype_name((ladle_dtype)dtype));
        failed = state->dtypes[dtype] == NULL;
    }
    Py_DECREF(numpy);
    return failed ? -1 : 0;
}

static int module_exec(PyObject *module)
{
    core_state *state = PyModule_GetState(module);
    pthread_once(&fork_once, fork_watch);
    if (state_numpy(state) < 0 || core_context_ready(module, state) < 0 || core_file_ready(module, state) < 0 ||
        core_table_ready(module, state) < 0 || core_reader_ready(module, state) < 0 ||
        core_scan_ready(module, state) < 0 || core_lease_ready(module, state) < 0 ||
        core_cache_ready(module, state) < 0 || core_doctor_ready(module, state) < 0) {
        return -1;
    }
    return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    core_state *state = PyModule_GetState(module);
    Py_VISIT(state->context_type);
    Py_VISIT(state->file_type);
    Py_VISIT(state->table_type);
    Py_VISIT(state->column_type);
    Py_VISIT(state->reader_type);
    Py_VISIT(state->scan_type);
    Py_VISIT(state->lease_type);
    Py_VISIT(state->cache_type);
    Py_VISIT(state->watch_type);
    Py_VISIT(state->tamer_type);
    Py_VISIT(state->frombuffer);
    for (int dtype = 0; dtype < CORE_N_DTYPES; dtype++) {
        Py_VISIT(state->dtypes[dtype]);
    }
    Py_VISIT(state->make_error);
    Py_VISIT(state->unpack);
    return 0;
}

static int module_clear(PyObject *module)
{
    core_state *state = PyModule_GetState(module);
    Py_CLEAR(state->context_type);
    Py_CLEAR(state->file_type);
    Py_CLEAR(state->table_type);
    Py_CLEAR(state->column_type);
    Py_CLEAR(state->reader_type);
    Py_CLEAR(state->scan_type);
    Py_CLEAR(state->lease_type);
    Py_CLEAR(state->cache_type);
    Py_CLEAR(state->watch_type);
    Py_CLEAR(state->tamer_type);
    Py_CLEAR(state->frombuffer);
    for (int dtype = 0; dtype < CORE_N_DTYPES; dtype++) {
        Py_CLEAR(state->dtypes[dtype]);
    }
    Py_CLEAR(state->make_error);
    Py_CLEAR(state->unpack);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
    {0, NULL},
};

static PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "ladle._core",
    .m_doc = "ladle's C library for Python. Private: its users are the modules of `ladle`.",
    .m_size = sizeof(core_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}
