/* scan.c: Scan, a pass over columns of tables, step by step. */
#include "core.h"

#include <string.h>

enum { PATIENCE_MS = 100 }; /* between two looks at Python's signals */

static PyObject *scan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"reader", "step_nbytes", "step_entries", "budget", "background", NULL};
    core_state *state = PyType_GetModuleState(type);
    PyObject *reader_object = NULL;
    PyObject *step_nbytes = NULL;
    PyObject *step_entries = NULL;
    PyObject *budget = NULL;
    int background = 1;
    ladle_scan_options options = {.struct_size = sizeof options};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOp:Scan", names, &reader_object, &step_nbytes, &step_entries,
                                     &budget, &background) ||
        (step_nbytes != NULL && core_as_int64(step_nbytes, "step_nbytes", 0, &options.step_nbytes) < 0) ||
        (step_entries != NULL && core_as_int64(step_entries, "step_entries", 0, &options.step_entries) < 0) ||
        (budget != NULL && core_as_int64(budget, "budget", 0, &options.budget_nbytes) < 0)) {
        return NULL;
    }
    options.in_background = background;
    ladle_reader *reader = core_handle_as(reader_object, state->reader_type, "reader");
    if (reader == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_scan *scan = NULL;
    Py_BEGIN_ALLOW_THREADS scan = ladle_scan_create(reader, &options, &error);
    Py_END_ALLOW_THREADS if (scan == NULL)
    {
        return core_raise(state, &error, CORE_OF_NAME);
    }
    PyObject *self = core_handle_new(type, scan);
    if (self == NULL) {
        ladle_scan_release(scan);
    }
    return self;
}

/* Joins the scan's thread, which ends with the page that it is at and never asks for the GIL. */
static void scan_release(void *pointer)
{
    ladle_scan_release(pointer);
}

static void scan_dealloc(PyObject *self)
{
    core_handle_free(self, scan_release);
}

/* A sequence of ints as an array, owned, or NULL with an exception. */
static int32_t *columns_get(PyObject *object, int32_t *count)
{
    PyObject *tuple = PySequence_Tuple(object);
    if (tuple == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_Size(tuple);
    int32_t *columns = n > INT32_MAX ? NULL : PyMem_Calloc(n > 0 ? (size_t)n : 1, sizeof *columns);
    if (columns == NULL) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; columns != NULL && i < n; i++) {
        if (core_as_int32(PyTuple_GetItem(tuple, i), "column", 0, &columns[i]) < 0) {
            PyMem_Free(columns);
            columns = NULL;
        }
    }
    *count = (int32_t)n;
    Py_DECREF(tuple);
    return columns;
}

static PyObject *scan_add(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"table", "columns", "start", "stop", NULL};
    core_state *state = core_state_of(self);
    ladle_scan *scan = core_handle_get(self);
    PyObject *table_object = NULL;
    PyObject *columns_object = NULL;
    PyObject *start_object = NULL;
    PyObject *stop_object = NULL;
    int64_t start = 0;
    int64_t stop = 0;
    int64_t part = 0;
    if (scan == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:add", names, &table_object, &columns_object,
                                                     &start_object, &stop_object)) {
        return NULL;
    }
    ladle_table *table = core_handle_as(table_object, state->table_type, "table");
    if (table == NULL || core_as_int64(start_object, "start", 0, &start) < 0 ||
        core_as_int64(stop_object, "stop", 0, &stop) < 0) {
        return NULL;
    }
    int32_t count = 0;
    int32_t *columns = columns_get(columns_object, &count);
    if (columns == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_status status = LADLE_OK;
    Py_BEGIN_ALLOW_THREADS status = ladle_scan_add(scan, table, columns, count, start, stop, &part, &error);
    Py_END_ALLOW_THREADS PyMem_Free(columns);
    return status == LADLE_OK ? PyLong_FromLongLong(part) : core_raise(state, &error, CORE_OF_NAME);
}

/* Where the array of a lease is in the list, among those that are made: a table of 2^bits slots, index + 1 in each. */
typedef struct seen {
    int32_t *slots;
    size_t mask;
} seen;

static int32_t *seen_slot(const seen *all, ladle_lease *const *leases, const ladle_lease *lease)
{
    size_t at = ((uintptr_t)lease >> 6) * 0x9E3779B1u & all->mask;
    while (all->slots[at] != 0 && leases[all->slots[at] - 1] != lease) {
        at = (at + 1) & all->mask;
    }
    return &all->slots[at];
}

/* A list of arrays, one for each buffer; a lease that several have in common is one array. */
static PyObject *step_arrays(core_state *state, const ladle_step *step)
{
    seen all = {.mask = 63};
    while (all.mask < 2 * (size_t)step->n_buffers) {
        all.mask = 2 * all.mask + 1;
    }
    all.slots = PyMem_Calloc(all.mask + 1, sizeof *all.slots);
    if (all.slots == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New(step->n_buffers);
    for (int32_t i = 0; list != NULL && i < step->n_buffers; i++) {
        int32_t *slot = seen_slot(&all, step->buffers, step->buffers[i]);
        PyObject *array = NULL;
        if (*slot != 0) {
            array = Py_NewRef(PyList_GetItem(list, *slot - 1));
        } else {
            *slot = i + 1;
            ladle_lease_retain(step->buffers[i]);
            PyObject *lease = core_lease_new(state, step->buffers[i]);
            array = lease == NULL ? NULL : core_lease_array(state, lease);
            Py_XDECREF(lease);
        }
        if (array == NULL || PyList_SetItem(list, i, array) < 0) {
            Py_CLEAR(list);
        }
    }
    PyMem_Free(all.slots);
    return list;
}

static PyObject *scan_next(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    core_state *state = core_state_of(self);
    ladle_scan *scan = core_handle_get(self);
    if (scan == NULL) {
        return NULL;
    }
    for (bool ready = false; !ready;) {
        Py_BEGIN_ALLOW_THREADS ready = ladle_scan_wait(scan, PATIENCE_MS);
        Py_END_ALLOW_THREADS if (PyErr_CheckSignals() < 0)
        {
            return NULL;
        }
    }
    ladle_step step;
    ladle_error error = {0};
    ladle_status status = LADLE_OK;
    Py_BEGIN_ALLOW_THREADS status = ladle_scan_next(scan, &step, &error);
    Py_END_ALLOW_THREADS if (status == LADLE_OK && step.n_buffers == 0)
    {
        Py_RETURN_NONE;
    }
    PyObject *answer = status == LADLE_OK ? step_arrays(state, &step) : core_error_new(state, &error, CORE_OF_NAME);
    PyObject *result = answer == NULL ? NULL
                                      : Py_BuildValue("(LLLLO)", (long long)step.part, (long long)step.start,
                                                      (long long)step.stop, (long long)step.nbytes, answer);
    Py_XDECREF(answer);
    ladle_step_release(&step);
    return result;
}

static PyObject *scan_skip(PyObject *self, PyObject *number)
{
    ladle_scan *scan = core_handle_get(self);
    int64_t part = 0;
    if (scan == NULL || core_as_int64(number, "part", 0, &part) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS ladle_scan_skip(scan, part);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *scan_stop(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (((core_handle *)self)->forks != core_forks()) {
        Py_RETURN_NONE; /* the thread is the parent's: an iterator that ends in the child has nothing to say */
    }
    ladle_scan *scan = core_handle_get(self);
    if (scan == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS ladle_scan_stop(scan);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyMethodDef scan_methods[] = {
    {"add", (PyCFunction)(void (*)(void))scan_add, METH_VARARGS | METH_KEYWORDS,
     "add(table, columns, start, stop)\n--\n\nAdd entries [start, stop) of a table; return the number of the part."},
    {"next", scan_next, METH_NOARGS,
     "next()\n--\n\n(part, start, stop, nbytes, arrays or error) of the next step; None at the end."},
    {"skip", scan_skip, METH_O, "skip(part)\n--\n\nLeave out what is left of a part."},
    {"stop", scan_stop, METH_NOARGS, "stop()\n--\n\nEnd the work at the next page."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot scan_slots[] = {
    {Py_tp_doc, (void *)"Scan(reader, *, step_nbytes=0, step_entries=0, budget=0, background=True)\n--\n\n"
                        "A pass over columns of tables, step by step. One thread at a time."},
    {Py_tp_new, (void *)scan_new},
    {Py_tp_dealloc, (void *)scan_dealloc},
    {Py_tp_methods, scan_methods},
    {Py_tp_members, core_members},
    {0, NULL},
};

static PyType_Spec scan_spec = {
    .name = "ladle._core.Scan",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = scan_slots,
};

int core_scan_ready(PyObject *module, core_state *state)
{
    state->scan_type = core_type_add(module, &scan_spec);
    return state->scan_type == NULL ? -1 : 0;
}
