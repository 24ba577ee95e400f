/* errors.c: from a ladle_error to a ladle.Error. The classes are Python's: see ladle/_errors.py. */
#include "core.h"

#include <stdio.h>
#include <string.h>

PyObject *core_error_new(core_state *state, const ladle_error *error, core_subject subject)
{
    if (state->make_error == NULL) {
        PyObject *module = PyImport_ImportModule("ladle._errors");
        if (module == NULL) {
            return NULL;
        }
        state->make_error = PyObject_GetAttrString(module, "from_core");
        Py_DECREF(module);
        if (state->make_error == NULL) {
            return NULL;
        }
    }
    /* The texts have been cut to fit, perhaps within a character. */
    PyObject *where = PyUnicode_DecodeUTF8(error->where, (Py_ssize_t)strlen(error->where), "replace");
    PyObject *message = PyUnicode_DecodeUTF8(error->message, (Py_ssize_t)strlen(error->message), "replace");
    PyObject *result = NULL;
    if (where != NULL && message != NULL) {
        result = PyObject_CallFunction(state->make_error, "sOOLiO", ladle_status_name(error->status), where, message,
                                       (long long)error->offset, (int)error->os_errno,
                                       subject == CORE_OF_FILE ? Py_True : Py_False);
    }
    Py_XDECREF(where);
    Py_XDECREF(message);
    return result;
}

PyObject *core_raise(core_state *state, const ladle_error *error, core_subject subject)
{
    PyObject *instance = core_error_new(state, error, subject);
    if (instance != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(instance), instance);
        Py_DECREF(instance);
    }
    return NULL;
}

PyObject *core_raise_invalid(core_state *state, const char *where, const char *message)
{
    ladle_error error = {.status = LADLE_INVALID, .offset = -1};
    snprintf(error.where, sizeof error.where, "%s", where);
    snprintf(error.message, sizeof error.message, "%s", message);
    return core_raise(state, &error, CORE_OF_NAME);
}
