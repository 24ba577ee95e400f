/* Python, where the process has one: its arenas, and the probe for garbage cycles at its end.
 *
 * All of it through symbols that are found once: the meter is not built against any Python. The declarations are
 * those of the C API since 3.2, which the stable ABI keeps.
 */
#include "doctor/meter/meter.h"
#include "doctor/meter/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct arena_allocator { /* PyObjectArenaAllocator */
    void *context;
    void *(*alloc)(void *context, size_t nbytes);
    void (*free)(void *context, void *arena, size_t nbytes);
} arena_allocator;

typedef struct method { /* PyMethodDef */
    const char *name;
    void *(*function)(void *self, void *arguments);
    int flags;
    const char *doc;
} method;

static struct {
    int (*is_initialized)(void);
    int (*add_pending_call)(int (*function)(void *), void *argument);
    void *(*import_module)(const char *name);
    void *(*get_attribute)(void *object, const char *name);
    void *(*make_function)(method *definition, void *self, void *module);
    void *(*call)(void *callable, ...);
    void (*release)(void *object);
    void (*clear_error)(void);
    void *(*build_value)(const char *format, ...);
} python;

static void (*dump_traceback)(int fd, void *thread); /* _Py_DumpTraceback */
static void *(*this_thread)(void);                   /* PyGILState_GetThisThreadState */
static _Atomic bool is_leaving;                      /* frames are about to be taken apart */
_Atomic bool meter_python_waits;
static arena_allocator arenas_beneath;
static _Atomic int64_t arenas = -1;

int64_t meter_python_arenas(void)
{
    return atomic_load(&arenas);
}

/* --- arenas -------------------------------------------------------------------------------------- */

static void note_arenas(int64_t change)
{
    int64_t now = atomic_fetch_add(&arenas, change) + change;
    if (atomic_load(&meter_here.state) == METER_ON)
        atomic_store(&meter_here.header->python_arenas, now);
}

static void *arena_alloc(void *context, size_t nbytes)
{
    void *arena = arenas_beneath.alloc(context, nbytes);
    if (arena != NULL)
        note_arenas((int64_t)nbytes);
    return arena;
}

static void arena_free(void *context, void *arena, size_t nbytes)
{
    arenas_beneath.free(context, arena, nbytes);
    note_arenas(-(int64_t)nbytes);
}

static void find_one(void *to, const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(to, &symbol, sizeof symbol);
}

void meter_python_find(void)
{
    void (*get)(arena_allocator *);
    void (*set)(arena_allocator *);
    find_one(&get, "PyObject_GetArenaAllocator");
    find_one(&set, "PyObject_SetArenaAllocator");
    find_one(&python.is_initialized, "Py_IsInitialized");
    if (get == NULL || set == NULL || python.is_initialized == NULL)
        return;
    /* Before main: Python has no arena yet, so all of them are seen. */
    get(&arenas_beneath);
    arena_allocator ours = {arenas_beneath.context, arena_alloc, arena_free};
    set(&ours);
    atomic_store(&arenas, 0);
    note_arenas(0);
    find_one(&dump_traceback, "_Py_DumpTraceback");
    find_one(&this_thread, "PyGILState_GetThisThreadState");
    find_one(&python.add_pending_call, "Py_AddPendingCall");
    find_one(&python.import_module, "PyImport_ImportModule");
    find_one(&python.get_attribute, "PyObject_GetAttrString");
    find_one(&python.make_function, "PyCFunction_NewEx");
    find_one(&python.call, "PyObject_CallFunctionObjArgs");
    find_one(&python.release, "Py_DecRef");
    find_one(&python.clear_error, "PyErr_Clear");
    find_one(&python.build_value, "Py_BuildValue");
    meter_python_waits = meter_here.options.probe && python.add_pending_call != NULL && python.import_module != NULL &&
                         python.get_attribute != NULL && python.make_function != NULL && python.call != NULL &&
                         python.release != NULL && python.clear_error != NULL && python.build_value != NULL;
}

/* --- where it is --------------------------------------------------------------------------------- */

bool meter_python_is_here(void)
{
    return dump_traceback != NULL && this_thread != NULL && !atomic_load(&is_leaving) && python.is_initialized() != 0 &&
           this_thread() != NULL;
}

/* What faulthandler calls when the program crashes: it writes the thread's own frames to a file, takes no memory and
 * no lock. Asking for frame objects instead would allocate them, perhaps in the middle of an allocation. */
ssize_t meter_python_traceback(char *text, size_t size)
{
    void *thread = this_thread();
    int fd = thread == NULL ? -1 : (int)syscall(SYS_memfd_create, "ladle_meter", 1 /* close on exec */);
    if (fd < 0)
        return -1;
    int old;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old); /* it writes by a function that may be cancelled */
    dump_traceback(fd, thread);
    (void)pthread_setcancelstate(old, NULL);
    ssize_t got = syscall(SYS_pread64, fd, text, size - 1, (off_t)0);
    meter_close(fd);
    text[got < 0 ? 0 : got] = '\0';
    return got;
}

/* --- the probe ----------------------------------------------------------------------------------- */

/* The first is what the others were for: without it there is an error to forget. */
static void release_all(void *const *owned, int count)
{
    if (owned[0] == NULL)
        python.clear_error();
    for (int i = 0; i < count; i++)
        if (owned[i] != NULL)
            python.release(owned[i]);
}

/* By the module's function: PyGC_Collect does nothing in a program that switched the collector off. */
static void collect(void)
{
    void *module = python.import_module("gc");
    void *function = module == NULL ? NULL : python.get_attribute(module, "collect");
    void *result = function == NULL ? NULL : python.call(function, NULL);
    release_all((void *const[]){result, function, module}, 3);
}

static void *probe(void *self, void *arguments)
{
    (void)self;
    (void)arguments;
    atomic_store(&is_leaving, true);
    if (meter_here.options.probe && atomic_load(&meter_here.state) == METER_ON) {
        meter_sample(LADLE_SAMPLE_BEFORE_COLLECT);
        collect();
        meter_sample(LADLE_SAMPLE_AFTER_COLLECT);
    }
    return python.build_value(""); /* None */
}

/* With the interpreter's lock, in its main thread. Whatever fails leaves the program without a probe. */
static int register_probe(void *argument)
{
    static method definition = {"ladle_meter_probe", probe, 0x0004 /* METH_NOARGS */, NULL};
    (void)argument;
    void *module = python.import_module("atexit");
    void *at_exit = module == NULL ? NULL : python.get_attribute(module, "register");
    void *function = at_exit == NULL ? NULL : python.make_function(&definition, NULL, NULL);
    void *result = function == NULL ? NULL : python.call(at_exit, function, NULL);
    release_all((void *const[]){result, function, at_exit, module}, 4);
    return 0;
}

void meter_python_tick(void)
{
    static _Atomic int is_asked;
    if (python.is_initialized() == 0 || atomic_exchange(&is_asked, 1) != 0)
        return;
    int saved = errno;
    meter_raise();
    meter_python_waits = python.add_pending_call(register_probe, NULL) != 0; /* it has no room: later */
    meter_lower();
    errno = saved;
    atomic_store(&is_asked, meter_python_waits ? 0 : 1);
}
