/* lease.c: Lease, a pinned block as a Python buffer. The pin lasts as long as the object, and the
 * object as long as any memoryview or numpy array over it: Python's reference count is the unpin signal. */
#include "core.h"

/* The struct module's letter for a dtype in native size. */
static const char *lease_format(ladle_dtype dtype)
{
    switch (dtype) {
    case LADLE_DTYPE_BOOL: return "?";
    case LADLE_DTYPE_I8: return "b";
    case LADLE_DTYPE_I16: return "h";
    case LADLE_DTYPE_U16: return "H";
    case LADLE_DTYPE_I32: return "i";
    case LADLE_DTYPE_U32: return "I";
    case LADLE_DTYPE_I64: return "q";
    case LADLE_DTYPE_U64: return "Q";
    case LADLE_DTYPE_F32: return "f";
    case LADLE_DTYPE_F64: return "d";
    default: return "B";
    }
}

PyObject *core_lease_new(core_state *state, ladle_lease *lease)
{
    core_handle *self = (core_handle *)core_handle_new(state->lease_type, lease);
    if (self == NULL) {
        ladle_lease_release(lease);
        return NULL;
    }
    self->shape[0] = (Py_ssize_t)ladle_lease_count(lease);
    self->strides[0] = (Py_ssize_t)ladle_dtype_size(ladle_lease_dtype(lease));
    return (PyObject *)self;
}

ladle_dtype core_dtype_from(PyObject *name)
{
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    ladle_dtype dtype = text == NULL ? LADLE_DTYPE_NONE : ladle_dtype_from_name(text);
    if (dtype == LADLE_DTYPE_NONE && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "dtype must be a primitive such as 'float32', not %R", name);
    }
    return dtype;
}

ladle_lease *core_lease_copy(core_state *state, ladle_context *context, const Py_buffer *view, ladle_dtype dtype,
                             const void *layout, Py_ssize_t layout_nbytes)
{
    Py_ssize_t itemsize = (Py_ssize_t)ladle_dtype_size(dtype);
    if (view->len % itemsize != 0) {
        PyErr_Format(PyExc_ValueError, "%zd bytes are no whole number of %s", view->len, ladle_dtype_name(dtype));
        return NULL;
    }
    ladle_error error = {0};
    PyThreadState *thread = view->len >= CORE_SMALL_NBYTES ? PyEval_SaveThread() : NULL;
    ladle_lease *lease = ladle_lease_copy(context, dtype, view->len / itemsize, view->buf, &error);
    if (lease != NULL && layout_nbytes > 0 &&
        ladle_lease_set_layout(lease, layout, (size_t)layout_nbytes, &error) != LADLE_OK) {
        ladle_lease_release(lease);
        lease = NULL;
    }
    if (thread != NULL) {
        PyEval_RestoreThread(thread);
    }
    if (lease == NULL) {
        core_raise(state, &error, CORE_OF_NAME);
    }
    return lease;
}

PyObject *core_lease_array(core_state *state, PyObject *lease)
{
    PyObject *dtype = state->dtypes[ladle_lease_dtype(((core_handle *)lease)->pointer)];
    return PyObject_CallFunctionObjArgs(state->frombuffer, lease, dtype, NULL);
}

static void lease_release(void *pointer)
{
    ladle_lease_release(pointer);
}

static void lease_dealloc(PyObject *self)
{
    core_handle_free(self, lease_release);
}

/* Reads no lock and no ledger, so a forked child may look at the leases it was born with. */
static int lease_getbuffer(PyObject *object, Py_buffer *view, int flags)
{
    core_handle *self = (core_handle *)object;
    const ladle_lease *lease = self->pointer;
    if (flags & PyBUF_WRITABLE) {
        view->obj = NULL;
        PyErr_SetString(PyExc_BufferError, "a lease is read-only");
        return -1;
    }
    view->buf = (void *)(uintptr_t)ladle_lease_data(lease);
    view->obj = Py_NewRef(object);
    view->len = (Py_ssize_t)ladle_lease_nbytes(lease);
    view->itemsize = self->strides[0];
    view->readonly = 1;
    view->ndim = 1;
    view->format = (flags & PyBUF_FORMAT) ? (char *)(uintptr_t)lease_format(ladle_lease_dtype(lease)) : NULL;
    view->shape = (flags & PyBUF_ND) ? self->shape : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

static PyObject *lease_array(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return core_lease_array(core_state_of(self), self);
}

static PyObject *lease_dtype(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(ladle_dtype_name(ladle_lease_dtype(((core_handle *)self)->pointer)));
}

static PyObject *lease_count(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(ladle_lease_count(((core_handle *)self)->pointer));
}

static PyObject *lease_nbytes(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(ladle_lease_nbytes(((core_handle *)self)->pointer));
}

static PyObject *lease_layout(PyObject *self, void *Py_UNUSED(closure))
{
    size_t nbytes = 0;
    const char *layout = ladle_lease_layout(((core_handle *)self)->pointer, &nbytes);
    return PyBytes_FromStringAndSize(layout, (Py_ssize_t)nbytes);
}

static PyObject *lease_repr(PyObject *self)
{
    const ladle_lease *lease = ((core_handle *)self)->pointer;
    return PyUnicode_FromFormat("<Lease of %lld * %s>", (long long)ladle_lease_count(lease),
                                ladle_dtype_name(ladle_lease_dtype(lease)));
}

static PyMethodDef lease_methods[] = {
    {"array", lease_array, METH_NOARGS, "array()\n--\n\nRead-only numpy array over the block, which it pins."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef lease_getset[] = {
    {"dtype", lease_dtype, NULL, "Name of the numpy dtype.", NULL},
    {"count", lease_count, NULL, "Values.", NULL},
    {"nbytes", lease_nbytes, NULL, "Bytes.", NULL},
    {"layout", lease_layout, NULL, "What array the values are; empty for just a row of them.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, (void *)"A pinned, read-only, one-dimensional block; exports the buffer protocol."},
    {Py_tp_dealloc, (void *)lease_dealloc},
    {Py_tp_repr, (void *)lease_repr},
    {Py_tp_methods, lease_methods},
    {Py_tp_members, core_members},
    {Py_tp_getset, lease_getset},
    {Py_bf_getbuffer, (void *)lease_getbuffer},
    {0, NULL},
};

static PyType_Spec lease_spec = {
    .name = "ladle._core.Lease",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = lease_slots,
};

int core_lease_ready(PyObject *module, core_state *state)
{
    state->lease_type = core_type_add(module, &lease_spec);
    return state->lease_type == NULL ? -1 : 0;
}
