/* context.c: Context, the ledger and budget that everything else counts on. */
#include "core.h"

static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"budget", NULL};
    PyObject *budget = NULL;
    int64_t budget_nbytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:Context", names, &budget) ||
        (budget != NULL && core_as_int64(budget, "budget", 0, &budget_nbytes) < 0)) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_context *context = ladle_context_create(NULL, &error);
    if (context == NULL) {
        return core_raise(PyType_GetModuleState(type), &error, CORE_OF_NAME);
    }
    ladle_context_set_budget(context, budget_nbytes);
    PyObject *self = core_handle_new(type, context);
    if (self == NULL) {
        ladle_context_release(context);
    }
    return self;
}

static void context_release(void *pointer)
{
    ladle_context_release(pointer);
}

static void context_dealloc(PyObject *self)
{
    core_handle_free(self, context_release);
}

static PyObject *context_memory(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_context *context = core_handle_get(self);
    if (context == NULL) {
        return NULL;
    }
    ladle_memory_info info = {.struct_size = sizeof info};
    ladle_context_memory(context, &info);
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    int failed = 0;
    for (int kind = 0; kind < LADLE_MEMORY_KIND_COUNT && !failed; kind++) {
        failed =
            core_dict_set(dict, ladle_memory_kind_name((ladle_memory_kind)kind), PyLong_FromLongLong(info.held[kind]));
    }
    if (failed || core_dict_set(dict, "total", PyLong_FromLongLong(info.total)) < 0 ||
        core_dict_set(dict, "peak", PyLong_FromLongLong(info.peak)) < 0 ||
        core_dict_set(dict, "budget", PyLong_FromLongLong(info.budget)) < 0 ||
        core_dict_set(dict, "overdraft", PyLong_FromLongLong(info.overdraft)) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

static PyObject *context_set(PyObject *self, PyObject *nbytes, void (*set)(ladle_context *, int64_t))
{
    ladle_context *context = core_handle_get(self);
    int64_t value = 0;
    if (context == NULL || core_as_int64(nbytes, "nbytes", 0, &value) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS set(context, value);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *context_set_budget(PyObject *self, PyObject *nbytes)
{
    return context_set(self, nbytes, ladle_context_set_budget);
}

static PyObject *context_set_pool(PyObject *self, PyObject *nbytes)
{
    return context_set(self, nbytes, ladle_context_set_pool);
}

static PyObject *context_trim(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_context *context = core_handle_get(self);
    if (context == NULL) {
        return NULL;
    }
    int64_t nbytes = 0;
    Py_BEGIN_ALLOW_THREADS nbytes = ladle_context_trim(context);
    Py_END_ALLOW_THREADS return PyLong_FromLongLong(nbytes);
}

static PyMethodDef context_methods[] = {
    {"memory", context_memory, METH_NOARGS, "memory()\n--\n\nBytes held, by kind, and total, peak, budget, overdraft."},
    {"set_budget", context_set_budget, METH_O, "set_budget(nbytes)\n--\n\nCap the bytes held; 0 means no cap."},
    {"set_pool", context_set_pool, METH_O, "set_pool(nbytes)\n--\n\nHow many free bytes the pool of blocks may keep."},
    {"trim", context_trim, METH_NOARGS, "trim()\n--\n\nGive free blocks back to the system; return their bytes."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot context_slots[] = {
    {Py_tp_doc, (void *)"Context(*, budget=0)\n--\n\nA ledger of all bytes held, with its budget."},
    {Py_tp_new, (void *)context_new},
    {Py_tp_dealloc, (void *)context_dealloc},
    {Py_tp_methods, context_methods},
    {Py_tp_members, core_members},
    {0, NULL},
};

static PyType_Spec context_spec = {
    .name = "ladle._core.Context",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = context_slots,
};

int core_context_ready(PyObject *module, core_state *state)
{
    state->context_type = core_type_add(module, &context_spec);
    return state->context_type == NULL ? -1 : 0;
}
