/* args.c: exact checks of arguments, and text between Python and the library. */
#include "core.h"

#include <string.h>

int core_as_int64(PyObject *object, const char *name, int64_t minimum, int64_t *out)
{
    if (PyBool_Check(object) || !PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", name, (PyObject *)Py_TYPE(object));
        return -1;
    }
    PyObject *index = PyNumber_Index(object);
    if (index == NULL) {
        return -1;
    }
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow > 0) {
        PyErr_Format(PyExc_OverflowError, "%s must be below 2**63, not %R", name, object);
        return -1;
    }
    if (overflow < 0 || value < minimum) {
        PyErr_Format(PyExc_ValueError, "%s must be at least %lld, not %R", name, (long long)minimum, object);
        return -1;
    }
    *out = value;
    return 0;
}

int core_as_int32(PyObject *object, const char *name, int32_t minimum, int32_t *out)
{
    int64_t value = 0;
    if (core_as_int64(object, name, minimum, &value) < 0) {
        return -1;
    }
    if (value > INT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%s must be below 2**31, not %R", name, object);
        return -1;
    }
    *out = (int32_t)value;
    return 0;
}

PyObject *core_encode(PyObject *text, const char *name)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", name, (PyObject *)Py_TYPE(text));
        return NULL;
    }
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
    if (bytes == NULL) {
        return NULL;
    }
    if (strlen(PyBytes_AsString(bytes)) != (size_t)PyBytes_Size(bytes)) {
        Py_DECREF(bytes);
        PyErr_Format(PyExc_ValueError, "%s must not contain a null character", name);
        return NULL;
    }
    return bytes;
}

PyObject *core_decode(const char *text)
{
    if (text == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
}

int core_key_get(PyObject *object, core_key *key)
{
    Py_ssize_t nbytes = 0;
    key->owner = NULL;
    if (PyUnicode_Check(object)) {
        key->data = PyUnicode_AsUTF8AndSize(object, &nbytes);
        if (key->data == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                return -1;
            }
            /* A lone surrogate. "surrogatepass" gives every str, also such a one, bytes of its own. */
            PyErr_Clear();
            key->owner = PyUnicode_AsEncodedString(object, "utf-8", "surrogatepass");
            if (key->owner == NULL) {
                return -1;
            }
            key->data = PyBytes_AsString(key->owner);
            nbytes = PyBytes_Size(key->owner);
        }
    } else if (PyBytes_Check(object)) {
        key->data = PyBytes_AsString(object);
        nbytes = PyBytes_Size(object);
    } else {
        PyErr_Format(PyExc_TypeError, "key must be bytes or str, not %R", (PyObject *)Py_TYPE(object));
        return -1;
    }
    key->nbytes = (size_t)nbytes;
    return 0;
}

int core_dict_set(PyObject *dict, const char *name, PyObject *value)
{
    if (value == NULL) {
        return -1;
    }
    int result = PyDict_SetItemString(dict, name, value);
    Py_DECREF(value);
    return result;
}
