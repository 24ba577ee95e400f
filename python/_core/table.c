/* table.c: Table, the columns and pages of a TTree or an RNTuple; Column, what is known of one. */
#include "core.h"

static PyStructSequence_Field column_fields[] = {
    {"name", "\"Jet_pt\"; \"branch.leaf\" where a branch has several leaves."},
    {"title", "What the writer said of it; may be empty."},
    {"type_name", "The file's own word, such as \"TLeafF\"."},
    {"type", "Type as awkward writes it, such as \"var * float32\"."},
    {"reason", "Why it cannot be read, or None."},
    {"dtype", "Name of its numpy dtype; \"none\" where it cannot be read."},
    {"dims", "Dimensions below the entry, outermost first; -1 is a list, -2 an option, -3 a variant."},
    {"is_string", "The innermost dimension is a string's bytes."},
    {"n_buffers", "Buffers of its dimensions, and the data; 0 where it cannot be read."},
    {"counter", "Index of the column with the lengths of the outermost variable dimension, or -1."},
    {"n_entries", "Entries."},
    {"field", "Where its name begins, such as \"jets\"; the whole name where there are no members."},
    {"members", "The names behind it: (dimensions outside of it, name) each."},
    {NULL, NULL},
};

static PyStructSequence_Desc column_desc = {
    .name = "ladle._core.Column",
    .doc = "What is known of one column.",
    .fields = column_fields,
    .n_in_sequence = sizeof column_fields / sizeof column_fields[0] - 1,
};

PyObject *core_table_new(core_state *state, ladle_table *table)
{
    PyObject *self = core_handle_new(state->table_type, table);
    if (self == NULL) {
        ladle_table_release(table);
    }
    return self;
}

static void table_release(void *pointer)
{
    ladle_table_release(pointer);
}

static void table_dealloc(PyObject *self)
{
    core_handle_free(self, table_release);
}

static PyObject *table_find(PyObject *self, PyObject *name)
{
    ladle_table *table = core_handle_get(self);
    PyObject *encoded = table == NULL ? NULL : core_encode(name, "name");
    if (encoded == NULL) {
        return NULL;
    }
    int32_t index = ladle_table_find(table, PyBytes_AsString(encoded));
    Py_DECREF(encoded);
    return PyLong_FromLong(index);
}

static PyObject *table_require(PyObject *self, PyObject *name)
{
    ladle_table *table = core_handle_get(self);
    PyObject *encoded = table == NULL ? NULL : core_encode(name, "name");
    if (encoded == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    int32_t index = -1;
    ladle_status status = ladle_table_require(table, PyBytes_AsString(encoded), &index, &error);
    Py_DECREF(encoded);
    return status == LADLE_OK ? PyLong_FromLong(index) : core_raise(core_state_of(self), &error, CORE_OF_NAME);
}

/* Describes a column, or returns -1 with an exception that names the index. */
static int column_get(PyObject *self, ladle_table *table, PyObject *index, ladle_column_info *info)
{
    int32_t column = 0;
    if (core_as_int32(index, "index", 0, &column) < 0) {
        return -1;
    }
    info->struct_size = sizeof *info;
    if (ladle_table_column(table, column, info) != LADLE_OK) {
        char message[96];
        PyOS_snprintf(message, sizeof message, "column %d is not below n_columns %d", (int)column,
                      (int)ladle_table_n_columns(table));
        core_raise_invalid(core_state_of(self), ladle_table_name(table), message);
        return -1;
    }
    return 0;
}

static PyObject *column_dims(const ladle_column_info *info)
{
    PyObject *dims = PyTuple_New(info->n_dims);
    for (int32_t dim = 0; dims != NULL && dim < info->n_dims; dim++) {
        PyObject *size = PyLong_FromLongLong(info->dims[dim]);
        if (size == NULL || PyTuple_SetItem(dims, dim, size) < 0) {
            Py_CLEAR(dims);
        }
    }
    return dims;
}

static PyObject *column_members(const ladle_column_info *info)
{
    PyObject *members = PyTuple_New(info->n_members);
    for (int32_t i = 0; members != NULL && i < info->n_members; i++) {
        PyObject *name = core_decode(info->members[i].name);
        PyObject *member = name == NULL ? NULL : Py_BuildValue("(iN)", (int)info->members[i].depth, name);
        if (member == NULL || PyTuple_SetItem(members, i, member) < 0) {
            Py_CLEAR(members);
        }
    }
    return members;
}

static PyObject *table_column(PyObject *self, PyObject *index)
{
    ladle_table *table = core_handle_get(self);
    ladle_column_info info = {0};
    if (table == NULL || column_get(self, table, index, &info) < 0) {
        return NULL;
    }
    char type[256];
    ladle_column_type(&info, type, sizeof type);
    PyObject *fields[] = {
        core_decode(info.name),
        core_decode(info.title),
        core_decode(info.type_name),
        core_decode(type),
        core_decode(info.reason),
        core_decode(info.dtype == LADLE_DTYPE_NONE ? "none" : ladle_dtype_name(info.dtype)),
        column_dims(&info),
        PyBool_FromLong(info.is_string),
        PyLong_FromLong(info.n_buffers),
        PyLong_FromLong(info.counter),
        PyLong_FromLongLong(info.n_entries),
        core_decode(info.field),
        column_members(&info),
    };
    PyObject *column = PyStructSequence_New(core_state_of(self)->column_type);
    for (size_t field = 0; field < sizeof fields / sizeof fields[0]; field++) {
        if (fields[field] == NULL) {
            Py_CLEAR(column);
        } else if (column == NULL) {
            Py_DECREF(fields[field]);
        } else {
            PyStructSequence_SetItem(column, (Py_ssize_t)field, fields[field]);
        }
    }
    return column;
}

static PyObject *table_names(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_table *table = core_handle_get(self);
    if (table == NULL) {
        return NULL;
    }
    int32_t count = ladle_table_n_columns(table);
    PyObject *list = PyList_New(count);
    for (int32_t index = 0; list != NULL && index < count; index++) {
        ladle_column_info info = {.struct_size = sizeof info};
        ladle_table_column(table, index, &info);
        PyObject *name = core_decode(info.name);
        if (name == NULL || PyList_SetItem(list, index, name) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *table_page(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"column", "page", NULL};
    ladle_table *table = core_handle_get(self);
    PyObject *column = NULL;
    PyObject *page = NULL;
    ladle_column_info info = {0};
    int32_t column_index = 0;
    int64_t page_index = 0;
    if (table == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO:page", names, &column, &page) ||
        column_get(self, table, column, &info) < 0 || core_as_int32(column, "column", 0, &column_index) < 0 ||
        core_as_int64(page, "page", 0, &page_index) < 0) {
        return NULL;
    }
    ladle_page_info answer = {.struct_size = sizeof answer};
    ladle_error error = {0};
    ladle_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ladle_table_page(table, column_index, page_index, &answer, &error);
    Py_END_ALLOW_THREADS;
    if (status != LADLE_OK) {
        return core_raise(core_state_of(self), &error, CORE_OF_FILE);
    }
    return Py_BuildValue("(LLLL)", (long long)answer.first_entry, (long long)answer.n_entries, (long long)answer.offset,
                         (long long)answer.nbytes);
}

static PyObject *table_storage(PyObject *self, PyObject *index)
{
    ladle_table *table = core_handle_get(self);
    int32_t column = 0;
    if (table == NULL || core_as_int32(index, "index", 0, &column) < 0) {
        return NULL;
    }
    ladle_storage_info storage = {.struct_size = sizeof storage};
    ladle_error error = {0};
    ladle_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ladle_table_storage(table, column, &storage, &error);
    Py_END_ALLOW_THREADS;
    if (status != LADLE_OK) {
        return core_raise(core_state_of(self), &error, CORE_OF_FILE);
    }
    return Py_BuildValue("(LL)", (long long)storage.n_pages, (long long)storage.disk_nbytes);
}

static PyObject *table_buffers(PyObject *self, PyObject *index)
{
    ladle_table *table = core_handle_get(self);
    ladle_column_info info = {0};
    if (table == NULL || column_get(self, table, index, &info) < 0) {
        return NULL;
    }
    int32_t column = (int32_t)PyLong_AsLong(index);
    PyObject *list = PyList_New(info.n_buffers);
    for (int32_t i = 0; list != NULL && i < info.n_buffers; i++) {
        ladle_buffer_info buffer = {.struct_size = sizeof buffer};
        ladle_table_buffer(table, column, i, &buffer);
        PyObject *owner = core_decode(buffer.owner);
        PyObject *item = owner == NULL ? NULL
                                       : Py_BuildValue("(ssiN)", ladle_role_name(buffer.role),
                                                       ladle_dtype_name(buffer.dtype), (int)buffer.dim, owner);
        if (item == NULL || PyList_SetItem(list, i, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *table_clusters(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_table *table = core_handle_get(self);
    if (table == NULL) {
        return NULL;
    }
    int64_t count = 0;
    ladle_error error = {0};
    const int64_t *borders;
    Py_BEGIN_ALLOW_THREADS;
    borders = ladle_table_clusters(table, &count, &error);
    Py_END_ALLOW_THREADS;
    if (borders == NULL) {
        return core_raise(core_state_of(self), &error, CORE_OF_FILE);
    }
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t index = 0; list != NULL && index < count; index++) {
        PyObject *border = PyLong_FromLongLong(borders[index]);
        if (border == NULL || PyList_SetItem(list, (Py_ssize_t)index, border) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *table_text(PyObject *self, void *closure)
{
    ladle_table *table = core_handle_get(self);
    if (table == NULL) {
        return NULL;
    }
    switch (*(const char *)closure) {
    case 'n': return core_decode(ladle_table_name(table));
    case 't': return core_decode(ladle_table_title(table));
    case 'f': return core_decode(ladle_table_format(table));
    default: return core_decode(ladle_table_file_uuid(table));
    }
}

static PyObject *table_n_entries(PyObject *self, void *Py_UNUSED(closure))
{
    ladle_table *table = core_handle_get(self);
    return table == NULL ? NULL : PyLong_FromLongLong(ladle_table_n_entries(table));
}

static PyObject *table_n_columns(PyObject *self, void *Py_UNUSED(closure))
{
    ladle_table *table = core_handle_get(self);
    return table == NULL ? NULL : PyLong_FromLong(ladle_table_n_columns(table));
}

static PyMethodDef table_methods[] = {
    {"find", table_find, METH_O, "find(name)\n--\n\nIndex of the column of that exact name, or -1."},
    {"require", table_require, METH_O,
     "require(name)\n--\n\nAs find, but a missing name is a ladle.Error with near names."},
    {"column", table_column, METH_O, "column(index)\n--\n\nWhat is known of one column."},
    {"names", table_names, METH_NOARGS, "names()\n--\n\nNames of all columns, in order."},
    {"buffers", table_buffers, METH_O,
     "buffers(index)\n--\n\nRole, dtype, dimension and owner of each buffer of a column."},
    {"storage", table_storage, METH_O, "storage(index)\n--\n\nPages and bytes in the file of a column."},
    {"page", (PyCFunction)(void (*)(void))table_page, METH_VARARGS | METH_KEYWORDS,
     "page(column, page)\n--\n\n(first_entry, n_entries, offset, nbytes) of one page as stored."},
    {"clusters", table_clusters, METH_NOARGS, "clusters()\n--\n\nBorders of the clusters, from 0 to n_entries."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef table_getset[] = {
    {"name", table_text, NULL, "Name, with its directories.", (void *)"n"},
    {"title", table_text, NULL, "Title.", (void *)"t"},
    {"format", table_text, NULL, "\"TTree\" or \"RNTuple\".", (void *)"f"},
    {"file_uuid", table_text, NULL, "UUID of its file, 36 characters.", (void *)"u"},
    {"n_entries", table_n_entries, NULL, "Entries.", NULL},
    {"n_columns", table_n_columns, NULL, "Columns.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot table_slots[] = {
    {Py_tp_doc, (void *)"A TTree or an RNTuple of a File."},
    {Py_tp_dealloc, (void *)table_dealloc},
    {Py_tp_methods, table_methods},
    {Py_tp_members, core_members},
    {Py_tp_getset, table_getset},
    {0, NULL},
};

static PyType_Spec table_spec = {
    .name = "ladle._core.Table",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = table_slots,
};

int core_table_ready(PyObject *module, core_state *state)
{
    state->table_type = core_type_add(module, &table_spec);
    state->column_type = PyStructSequence_NewType(&column_desc);
    if (state->table_type == NULL || state->column_type == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "Column", (PyObject *)state->column_type);
}
