/* file.c: File, an open ROOT file: its keys and its tables. */
#include "core.h"

static PyObject *file_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"context", "path", NULL};
    core_state *state = PyType_GetModuleState(type);
    PyObject *context_object = NULL;
    PyObject *path = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO&:File", names, &context_object, PyUnicode_FSConverter, &path)) {
        return NULL;
    }
    ladle_context *context = core_handle_as(context_object, state->context_type, "context");
    if (context == NULL) {
        Py_DECREF(path);
        return NULL;
    }
    ladle_error error = {0};
    ladle_file *file = NULL;
    const char *path_text = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS file = ladle_file_open(context, path_text, &error);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (file == NULL) {
        return core_raise(state, &error, CORE_OF_FILE);
    }
    PyObject *self = core_handle_new(type, file);
    if (self == NULL) {
        ladle_file_release(file);
    }
    return self;
}

static void file_release(void *pointer)
{
    ladle_file_release(pointer);
}

static void file_dealloc(PyObject *self)
{
    core_handle_free(self, file_release);
}

static PyObject *key_dict(const ladle_key_info *key)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (core_dict_set(dict, "path", core_decode(key->path)) < 0 ||
        core_dict_set(dict, "class_name", core_decode(key->class_name)) < 0 ||
        core_dict_set(dict, "title", core_decode(key->title)) < 0 ||
        core_dict_set(dict, "cycle", PyLong_FromLong(key->cycle)) < 0 ||
        core_dict_set(dict, "depth", PyLong_FromLong(key->depth)) < 0 ||
        core_dict_set(dict, "offset", PyLong_FromLongLong(key->offset)) < 0 ||
        core_dict_set(dict, "nbytes", PyLong_FromLongLong(key->nbytes)) < 0 ||
        core_dict_set(dict, "object_nbytes", PyLong_FromLongLong(key->object_nbytes)) < 0 ||
        core_dict_set(dict, "is_directory", PyBool_FromLong(key->is_directory)) < 0 ||
        core_dict_set(dict, "is_table", PyBool_FromLong(key->is_table)) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

static PyObject *file_keys(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_file *file = core_handle_get(self);
    if (file == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_keys *keys = NULL;
    Py_BEGIN_ALLOW_THREADS keys = ladle_file_keys(file, &error);
    Py_END_ALLOW_THREADS if (keys == NULL)
    {
        return core_raise(core_state_of(self), &error, CORE_OF_FILE);
    }
    PyObject *list = PyList_New(0);
    int64_t count = ladle_keys_count(keys);
    for (int64_t index = 0; index < count && list != NULL; index++) {
        PyObject *dict = key_dict(ladle_keys_get(keys, index));
        if (dict == NULL || PyList_Append(list, dict) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(dict);
    }
    ladle_keys_release(keys);
    return list;
}

static PyObject *file_table(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", NULL};
    ladle_file *file = core_handle_get(self);
    PyObject *path = Py_None;
    if (file == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O:table", names, &path)) {
        return NULL;
    }
    PyObject *encoded = NULL;
    const char *path_text = NULL;
    if (path != Py_None) {
        encoded = core_encode(path, "path");
        if (encoded == NULL) {
            return NULL;
        }
        path_text = PyBytes_AsString(encoded);
    }
    ladle_error error = {0};
    ladle_table *table = NULL;
    Py_BEGIN_ALLOW_THREADS table = ladle_file_table(file, path_text, &error);
    Py_END_ALLOW_THREADS Py_XDECREF(encoded);
    core_state *state = core_state_of(self);
    return table == NULL ? core_raise(state, &error, CORE_OF_NAME) : core_table_new(state, table);
}

static PyObject *file_uuid(PyObject *self, void *Py_UNUSED(closure))
{
    ladle_file *file = core_handle_get(self);
    return file == NULL ? NULL : core_decode(ladle_file_uuid(file));
}

static PyObject *file_path(PyObject *self, void *Py_UNUSED(closure))
{
    ladle_file *file = core_handle_get(self);
    return file == NULL ? NULL : PyUnicode_DecodeFSDefault(ladle_file_path(file));
}

static PyObject *file_nbytes(PyObject *self, void *Py_UNUSED(closure))
{
    ladle_file *file = core_handle_get(self);
    return file == NULL ? NULL : PyLong_FromLongLong(ladle_file_nbytes(file));
}

static PyObject *file_version(PyObject *self, void *Py_UNUSED(closure))
{
    ladle_file *file = core_handle_get(self);
    return file == NULL ? NULL : PyLong_FromLong(ladle_file_version(file));
}

static PyMethodDef file_methods[] = {
    {"keys", file_keys, METH_NOARGS, "keys()\n--\n\nAll keys, those of directories included, as dicts."},
    {"table", (PyCFunction)(void (*)(void))file_table, METH_VARARGS | METH_KEYWORDS,
     "table(path=None)\n--\n\nOpen a table; without a path \"Events\", else the only one."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef file_getset[] = {
    {"uuid", file_uuid, NULL, "UUID, 36 characters.", NULL},
    {"path", file_path, NULL, "Path as given.", NULL},
    {"nbytes", file_nbytes, NULL, "Size in bytes.", NULL},
    {"version", file_version, NULL, "Version of ROOT that wrote it, 62400 for 6.24/00.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot file_slots[] = {
    {Py_tp_doc, (void *)"File(context, path)\n--\n\nAn open ROOT file."},
    {Py_tp_new, (void *)file_new},
    {Py_tp_dealloc, (void *)file_dealloc},
    {Py_tp_methods, file_methods},
    {Py_tp_members, core_members},
    {Py_tp_getset, file_getset},
    {0, NULL},
};

static PyType_Spec file_spec = {
    .name = "ladle._core.File",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = file_slots,
};

int core_file_ready(PyObject *module, core_state *state)
{
    state->file_type = core_type_add(module, &file_spec);
    return state->file_type == NULL ? -1 : 0;
}
