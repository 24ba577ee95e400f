/* doctor.c: Watch, samples of this process by a thread of the library, and Tamer, which lets the allocator give back.
 */
#include "core.h"

#include <string.h>

PyObject *core_allocator_name(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyUnicode_FromString(ladle_allocator_name());
}

PyObject *core_allocator_trim(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    bool asked = false;
    Py_BEGIN_ALLOW_THREADS asked = ladle_allocator_trim();
    Py_END_ALLOW_THREADS return PyBool_FromLong(asked);
}

PyObject *core_share_names(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *names = PyTuple_New(LADLE_SHARE_COUNT);
    for (int share = 0; names != NULL && share < LADLE_SHARE_COUNT; share++) {
        PyObject *name = PyUnicode_FromString(ladle_share_name((ladle_share)share));
        if (name == NULL || PyTuple_SetItem(names, share, name) < 0) {
            Py_CLEAR(names);
        }
    }
    return names;
}

/* --- Watch ----------------------------------------------------------------------------------- */

typedef struct core_watch {
    core_handle head;
    bool counts_arenas;
} core_watch;

static PyObject *watch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"context", "interval_ns", NULL};
    core_state *state = PyType_GetModuleState(type);
    PyObject *context_object = NULL, *interval = NULL;
    int64_t interval_ns = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:Watch", names, &context_object, &interval) ||
        core_as_int64(interval, "interval_ns", 1, &interval_ns) < 0) {
        return NULL;
    }
    ladle_context *context = core_handle_as(context_object, state->context_type, "context");
    if (context == NULL) {
        return NULL;
    }
    core_arenas_retain();
    ladle_error error = {0};
    ladle_watch *watch = NULL;
    Py_BEGIN_ALLOW_THREADS watch = ladle_watch_create(context, interval_ns, core_arenas_held, &error);
    Py_END_ALLOW_THREADS PyObject *self = watch == NULL ? NULL : core_handle_new(type, watch);
    if (self == NULL) {
        core_arenas_release();
        ladle_watch_release(watch);
        return watch == NULL ? core_raise(state, &error, CORE_OF_NAME) : NULL;
    }
    ((core_watch *)self)->counts_arenas = true;
    return self;
}

static void watch_forget_arenas(PyObject *self)
{
    core_watch *watch = (core_watch *)self;
    if (watch->counts_arenas) {
        watch->counts_arenas = false;
        core_arenas_release();
    }
}

static void watch_release(void *pointer)
{
    ladle_watch_release(pointer);
}

static void watch_dealloc(PyObject *self)
{
    watch_forget_arenas(self);
    core_handle_free(self, watch_release);
}

static const char *const kinds[] = {"start",         "inside", "outside",   "before collect",
                                    "after collect", "end",    "after trim"};

static PyObject *watch_sample(PyObject *self, PyObject *kind)
{
    ladle_watch *watch = core_handle_get(self);
    PyObject *name = watch == NULL ? NULL : core_encode(kind, "kind");
    if (name == NULL) {
        return NULL;
    }
    int found = -1;
    for (int i = 0; i <= LADLE_SAMPLE_AFTER_TRIM; i++) {
        found = strcmp(PyBytes_AsString(name), kinds[i]) == 0 ? i : found;
    }
    Py_DECREF(name);
    if (found < 0) {
        return PyErr_Format(PyExc_ValueError, "%R is no kind of a sample", kind);
    }
    Py_BEGIN_ALLOW_THREADS ladle_watch_sample(watch, (ladle_sample_kind)found);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *watch_stop(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_watch *watch = core_handle_get(self);
    if (watch == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS ladle_watch_stop(watch);
    Py_END_ALLOW_THREADS watch_forget_arenas(self);
    Py_RETURN_NONE;
}

/* All samples, to be freed with PyMem_Free. NULL with an exception. `ledger` may be NULL. */
static ladle_sample *watch_read(PyObject *self, int64_t *count, int64_t *ledger)
{
    ladle_watch *watch = core_handle_get(self);
    if (watch == NULL) {
        return NULL;
    }
    ladle_sample *samples = PyMem_Calloc(LADLE_WATCH_SAMPLES, sizeof *samples);
    if (samples == NULL) {
        return (ladle_sample *)(void *)PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS *count = ladle_watch_read(watch, samples, ledger);
    Py_END_ALLOW_THREADS return samples;
}

/* kind, time_ns, threads, rss, anonymous, file, shared, live, heap, heap_free, heap_returnable, heap_arenas,
 * python_arenas, ladle */
#define N_FIGURES 14

static void fill_row(int64_t *row, const ladle_sample *sample, int64_t ledger)
{
    const int64_t figures[N_FIGURES] = {
        sample->kind,
        sample->time_ns,
        sample->threads,
        sample->rss,
        sample->anonymous,
        sample->file,
        sample->shared,
        sample->live_usable,
        sample->heap,
        sample->heap_free,
        sample->heap_returnable,
        sample->heap_arenas,
        sample->python_arenas,
        ledger,
    };
    memcpy(row, figures, sizeof figures);
}

static PyObject *watch_read_rows(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int64_t count = 0;
    int64_t ledger[LADLE_WATCH_SAMPLES];
    ladle_sample *samples = watch_read(self, &count, ledger);
    if (samples == NULL) {
        return NULL;
    }
    PyObject *rows = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(int64_t[N_FIGURES]));
    PyObject *splits = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(ladle_split));
    for (int64_t i = 0; rows != NULL && splits != NULL && i < count; i++) {
        int64_t row[N_FIGURES];
        ladle_split split;
        fill_row(row, &samples[i], ledger[i]);
        ladle_doctor_split(&samples[i], 0, &split);
        memcpy(PyBytes_AsString(rows) + i * (Py_ssize_t)sizeof row, row, sizeof row);
        memcpy(PyBytes_AsString(splits) + i * (Py_ssize_t)sizeof split, &split, sizeof split);
    }
    PyMem_Free(samples);
    PyObject *both = rows == NULL || splits == NULL ? NULL : PyTuple_Pack(2, rows, splits);
    Py_XDECREF(rows);
    Py_XDECREF(splits);
    return both;
}

static PyObject *watch_judge(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int64_t count = 0;
    ladle_sample *samples = watch_read(self, &count, NULL);
    if (samples == NULL) {
        return NULL;
    }
    ladle_verdict verdict;
    Py_BEGIN_ALLOW_THREADS ladle_doctor_judge(samples, count, &verdict);
    Py_END_ALLOW_THREADS PyMem_Free(samples);
    return Py_BuildValue("{sssssssLsLsLsLsd}", "kind", ladle_verdict_name(verdict.kind), "sentence", verdict.sentence,
                         "cure", verdict.cure, "peak_rss", (long long)verdict.peak_rss, "final_rss",
                         (long long)verdict.final_rss, "garbage", (long long)verdict.garbage, "trimmed",
                         (long long)verdict.trimmed, "leak_rate", verdict.leak_rate);
}

static PyMethodDef watch_methods[] = {
    {"sample", watch_sample, METH_O, "sample(kind)\n--\n\nTake a sample now, also after the stop."},
    {"stop", watch_stop, METH_NOARGS, "stop()\n--\n\nEnd the thread; twice is allowed."},
    {"read", watch_read_rows, METH_NOARGS, "read()\n--\n\nRows of 14 and of 8 int64, figures and shares, as bytes."},
    {"judge", watch_judge, METH_NOARGS, "judge()\n--\n\nThe verdict, as a dict."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot watch_slots[] = {
    {Py_tp_doc, (void *)"Watch(context, interval_ns)\n--\n\nSamples of this process by a thread without the GIL."},
    {Py_tp_new, (void *)watch_new},
    {Py_tp_dealloc, (void *)watch_dealloc},
    {Py_tp_methods, watch_methods},
    {Py_tp_members, core_members},
    {0, NULL},
};

static PyType_Spec watch_spec = {
    .name = "ladle._core.Watch",
    .basicsize = sizeof(core_watch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = watch_slots,
};

/* --- Tamer ----------------------------------------------------------------------------------- */

static PyObject *tamer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"context", "interval_ns", "least_nbytes", "share", NULL};
    core_state *state = PyType_GetModuleState(type);
    PyObject *context_object = NULL, *interval = NULL, *least = NULL;
    ladle_tame_options options = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOd:Tamer", names, &context_object, &interval, &least,
                                     &options.share) ||
        core_as_int64(interval, "interval_ns", 1, &options.interval_ns) < 0 ||
        core_as_int64(least, "least_nbytes", 0, &options.least_nbytes) < 0) {
        return NULL;
    }
    ladle_context *context = core_handle_as(context_object, state->context_type, "context");
    if (context == NULL) {
        return NULL;
    }
    ladle_error error = {0};
    ladle_tamer *tamer = ladle_tamer_create(context, &options, &error);
    PyObject *self = tamer == NULL ? core_raise(state, &error, CORE_OF_NAME) : core_handle_new(type, tamer);
    if (self == NULL) {
        ladle_tamer_release(tamer);
    }
    return self;
}

/* Joins the tamer's thread, which ends with the look that it takes and never asks for the GIL. */
static void tamer_release(void *pointer)
{
    ladle_tamer_release(pointer);
}

static void tamer_dealloc(PyObject *self)
{
    core_handle_free(self, tamer_release);
}

static PyObject *tamer_stop(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_tamer *tamer = core_handle_get(self);
    if (tamer == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS ladle_tamer_stop(tamer);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *tamer_figures(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ladle_tamer *tamer = core_handle_get(self);
    if (tamer == NULL) {
        return NULL;
    }
    ladle_tame_figures figures;
    Py_BEGIN_ALLOW_THREADS ladle_tamer_read(tamer, &figures);
    Py_END_ALLOW_THREADS return Py_BuildValue("{sLsLsLsN}", "trims", (long long)figures.trims, "returned",
                                              (long long)figures.returned, "cpu_ns", (long long)figures.cpu_ns,
                                              "sets_threshold", PyBool_FromLong(figures.sets_threshold));
}

static PyMethodDef tamer_methods[] = {
    {"stop", tamer_stop, METH_NOARGS, "stop()\n--\n\nEnd the thread; twice is allowed."},
    {"figures", tamer_figures, METH_NOARGS, "figures()\n--\n\ntrims, returned, cpu_ns and sets_threshold so far."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot tamer_slots[] = {
    {Py_tp_doc, (void *)"Tamer(context, interval_ns, least_nbytes, share)\n--\n\nLets the allocator give back."},
    {Py_tp_new, (void *)tamer_new},
    {Py_tp_dealloc, (void *)tamer_dealloc},
    {Py_tp_methods, tamer_methods},
    {Py_tp_members, core_members},
    {0, NULL},
};

static PyType_Spec tamer_spec = {
    .name = "ladle._core.Tamer",
    .basicsize = sizeof(core_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tamer_slots,
};

int core_doctor_ready(PyObject *module, core_state *state)
{
    state->watch_type = core_type_add(module, &watch_spec);
    state->tamer_type = core_type_add(module, &tamer_spec);
    return state->watch_type == NULL || state->tamer_type == NULL ? -1 : 0;
}
