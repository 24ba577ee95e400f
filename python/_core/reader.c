/* reader.c: Reader, the pool that decodes: one buffer, or several in one pass over the file. */
#include "core.h"

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"context", "threads", NULL};
    core_state *state = PyType_GetModuleState(type);
    PyObject *context_object = NULL;
    PyObject *threads = NULL;
    int32_t n_threads = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Reader", names, &context_object, &threads) ||
        (threads != NULL && core_as_int32(threads, "threads", 0, &n_threads) < 0)) {
        return NULL;
    }
    ladle_context *context = core_handle_as(context_object, state->context_type, "context");
    if (context == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_reader *reader = NULL;
    Py_BEGIN_ALLOW_THREADS reader = ladle_reader_create(context, n_threads, &error);
    Py_END_ALLOW_THREADS if (reader == NULL)
    {
        return core_raise(state, &error, CORE_OF_NAME);
    }
    PyObject *self = core_handle_new(type, reader);
    if (self == NULL) {
        ladle_reader_release(reader);
    }
    return self;
}

/* The last release joins the threads of the pool. They never ask for the GIL. */
static void reader_release(void *pointer)
{
    ladle_reader_release(pointer);
}

static void reader_dealloc(PyObject *self)
{
    core_handle_free(self, reader_release);
}

/* Fills `request` from Python's (table, column, buffer, start, stop). The table borrows. */
static int request_get(core_state *state, PyObject *table, PyObject *column, PyObject *buffer, PyObject *start,
                       PyObject *stop, ladle_request *request)
{
    request->table = core_handle_as(table, state->table_type, "table");
    if (request->table == NULL || core_as_int32(column, "column", 0, &request->column) < 0 ||
        core_as_int32(buffer, "buffer", 0, &request->buffer) < 0 ||
        core_as_int64(start, "start", 0, &request->start) < 0 || core_as_int64(stop, "stop", 0, &request->stop) < 0) {
        return -1;
    }
    return 0;
}

static PyObject *reader_read_buffer(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"table", "column", "buffer", "start", "stop", "cache", NULL};
    ladle_reader *reader = core_handle_get(self);
    core_state *state = core_state_of(self);
    PyObject *table = NULL;
    PyObject *column = NULL;
    PyObject *buffer = NULL;
    PyObject *start = NULL;
    PyObject *stop = NULL;
    PyObject *cache_object = Py_None;
    ladle_request request = {0};
    if (reader == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO|O:read_buffer", names, &table, &column, &buffer, &start,
                                     &stop, &cache_object) ||
        request_get(state, table, column, buffer, start, stop, &request) < 0) {
        return NULL;
    }
    ladle_cache *cache = NULL;
    if (cache_object != Py_None) {
        cache = core_cache_as(cache_object, state);
        if (cache == NULL) {
            return NULL;
        }
    }
    ladle_error error = {0};
    ladle_lease *lease = NULL;
    ladle_status status = LADLE_OK;
    Py_BEGIN_ALLOW_THREADS status = ladle_read_buffer(reader, cache, &request, &lease, &error);
    Py_END_ALLOW_THREADS return status == LADLE_OK ? core_lease_new(state, lease)
                                                   : core_raise(state, &error, CORE_OF_NAME);
}

/* What read_buffers works on: `count` slots each. */
typedef struct batch {
    ladle_request *requests;
    ladle_lease **leases;
    ladle_error *errors;
    Py_ssize_t count;
} batch;

static void batch_free(batch *all)
{
    for (Py_ssize_t index = 0; all->leases != NULL && index < all->count; index++) {
        ladle_lease_release(all->leases[index]);
    }
    PyMem_Free(all->requests);
    PyMem_Free(all->leases);
    PyMem_Free(all->errors);
}

/* Fills the slots from a tuple of 5-tuples, which keeps the tables alive. Returns 0 or -1. */
static int batch_fill(core_state *state, PyObject *tuple, batch *all)
{
    all->count = PyTuple_Size(tuple);
    size_t slots = all->count > 0 ? (size_t)all->count : 1;
    all->requests = PyMem_Calloc(slots, sizeof *all->requests);
    all->leases = PyMem_Calloc(slots, sizeof(ladle_lease *));
    all->errors = PyMem_Calloc(slots, sizeof *all->errors);
    if (all->requests == NULL || all->leases == NULL || all->errors == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t index = 0; index < all->count; index++) {
        PyObject *request = PyTuple_GetItem(tuple, index);
        PyObject *part[5];
        if (!PyTuple_Check(request) || PyTuple_Size(request) != 5) {
            PyErr_Format(PyExc_TypeError, "requests[%zd] must be a tuple (table, column, buffer, start, stop)", index);
            return -1;
        }
        for (Py_ssize_t field = 0; field < 5; field++) {
            part[field] = PyTuple_GetItem(request, field);
        }
        if (request_get(state, part[0], part[1], part[2], part[3], part[4], &all->requests[index]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The answers as a list, an error standing where a request failed, or raised. */
static PyObject *batch_answers(core_state *state, batch *all, bool return_errors)
{
    PyObject *list = PyList_New(all->count);
    for (Py_ssize_t index = 0; list != NULL && index < all->count; index++) {
        PyObject *answer = NULL;
        ladle_lease *lease = all->leases[index];
        if (lease != NULL) {
            all->leases[index] = NULL;
            answer = core_lease_new(state, lease);
        } else if (return_errors) {
            answer = core_error_new(state, &all->errors[index], CORE_OF_NAME);
        } else {
            core_raise(state, &all->errors[index], CORE_OF_NAME);
        }
        if (answer == NULL || PyList_SetItem(list, index, answer) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *reader_read_buffers(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"requests", "return_errors", NULL};
    ladle_reader *reader = core_handle_get(self);
    core_state *state = core_state_of(self);
    PyObject *requests = NULL;
    int return_errors = 0;
    if (reader == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:read_buffers", names, &requests, &return_errors)) {
        return NULL;
    }
    PyObject *tuple = PySequence_Tuple(requests);
    if (tuple == NULL) {
        return NULL;
    }
    batch all = {0};
    PyObject *answers = NULL;
    if (batch_fill(state, tuple, &all) == 0) {
        Py_BEGIN_ALLOW_THREADS ladle_read_buffers(reader, all.requests, all.count, all.leases, all.errors);
        Py_END_ALLOW_THREADS answers = batch_answers(state, &all, return_errors);
    }
    batch_free(&all);
    Py_DECREF(tuple);
    return answers;
}

static PyObject *reader_key(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"table", "column", "buffer", "start", "stop", NULL};
    PyObject *part[5] = {NULL};
    ladle_request request = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO:key", names, &part[0], &part[1], &part[2], &part[3],
                                     &part[4]) ||
        request_get(core_state_of(self), part[0], part[1], part[2], part[3], part[4], &request) < 0) {
        return NULL;
    }
    size_t nbytes = ladle_request_key(&request, NULL, 0);
    char *text = PyMem_Malloc(nbytes + 1);
    if (text == NULL) {
        return PyErr_NoMemory();
    }
    ladle_request_key(&request, text, nbytes + 1);
    PyObject *key = PyBytes_FromStringAndSize(text, (Py_ssize_t)nbytes);
    PyMem_Free(text);
    return key;
}

static PyObject *reader_threads(PyObject *self, void *Py_UNUSED(closure))
{
    ladle_reader *reader = core_handle_get(self);
    return reader == NULL ? NULL : PyLong_FromLong(ladle_reader_threads(reader));
}

static PyMethodDef reader_methods[] = {
    {"read_buffer", (PyCFunction)(void (*)(void))reader_read_buffer, METH_VARARGS | METH_KEYWORDS,
     "read_buffer(table, column, buffer, start, stop, cache=None)\n--\n\nOne buffer of entries [start, stop)."},
    {"read_buffers", (PyCFunction)(void (*)(void))reader_read_buffers, METH_VARARGS | METH_KEYWORDS,
     "read_buffers(requests, *, return_errors=False)\n--\n\nSeveral buffers in one pass over the file."},
    {"key", (PyCFunction)(void (*)(void))reader_key, METH_VARARGS | METH_KEYWORDS,
     "key(table, column, buffer, start, stop)\n--\n\nThe key under which read_buffer keeps it in a cache."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef reader_getset[] = {
    {"threads", reader_threads, NULL, "Threads that decode.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, (void *)"Reader(context, threads=0)\n--\n\nA decode pool; any number of threads may read through it."},
    {Py_tp_new, (void *)reader_new},
    {Py_tp_dealloc, (void *)reader_dealloc},
    {Py_tp_methods, reader_methods},
    {Py_tp_members, core_members},
    {Py_tp_getset, reader_getset},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "ladle._core.Reader",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};

int core_reader_ready(PyObject *module, core_state *state)
{
    state->reader_type = core_type_add(module, &reader_spec);
    return state->reader_type == NULL ? -1 : 0;
}
