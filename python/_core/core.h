/* core.h: what the files of the extension `ladle._core` share.
 *
 * The extension turns ladle's public C functions into Python objects, and decides nothing.
 *
 * Rules
 *   Objects    Every object is one `core_handle`: a counted C handle, nothing else that could form a
 *              cycle (a cache also keeps its Context, which keeps nothing, and a text). So no type
 *              needs the garbage collector.
 *   The GIL    Calls that read, decode, copy much or may wait for another thread release it. Look-ups
 *              behind a short lock keep it: giving it away costs more than they do. This is safe
 *              because no thread ever waits for the GIL while it holds a lock of the library, and
 *              because a look-up in a cache whose stores all lend waits for nobody.
 *   Forks      A child has the parent's objects but not its threads, and perhaps a lock that a lost
 *              thread held. An object that was made before a fork refuses to work in the child, and
 *              is abandoned there instead of released.
 */
#ifndef LADLE_CORE_H
#define LADLE_CORE_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <structmember.h> /* PyMemberDef, before Python 3.12 */

#include <ladle/ladle.h>

/* Copies and hashes below this size are done before another thread could take the GIL. */
#define CORE_SMALL_NBYTES (64 * 1024)

#define CORE_N_DTYPES (LADLE_DTYPE_F64 + 1)

/* --- module state ---------------------------------------------------------------------------- */

typedef struct core_state {
    PyTypeObject *context_type;
    PyTypeObject *file_type;
    PyTypeObject *table_type;
    PyTypeObject *column_type;
    PyTypeObject *reader_type;
    PyTypeObject *scan_type;
    PyTypeObject *lease_type;
    PyTypeObject *cache_type;
    PyTypeObject *watch_type;
    PyTypeObject *tamer_type;
    PyObject *frombuffer;            /* numpy.frombuffer */
    PyObject *dtypes[CORE_N_DTYPES]; /* numpy.dtype by ladle_dtype; [NONE] is NULL */
    PyObject *make_error;            /* ladle._errors.from_core, NULL until the first error */
    PyObject *unpack;                /* ladle._layout.unpack, NULL until the first layout */
} core_state;

/* State of the module that made `self`; its type is never subclassed. Borrows. */
core_state *core_state_of(PyObject *self);

/* --- handles --------------------------------------------------------------------------------- */

/* Every object of the extension. The pointer is owned. */
typedef struct core_handle {
    PyObject_HEAD PyObject *weakrefs;
    PyObject *context;     /* the Context of a cache; NULL in all other types */
    void *pointer;         /* ladle_context, ladle_file ... by the type of the object */
    uint64_t forks;        /* core_forks() when it was made */
    Py_ssize_t shape[1];   /* of a lease: values */
    Py_ssize_t strides[1]; /* of a lease: bytes of one value */
} core_handle;

/* A Cache. */
typedef struct core_cache {
    core_handle head;
    PyObject *path; /* of its named file, as str; NULL where it has none */
    bool waits;     /* some store does not lend: a look-up may decode, read, or wait for a thread that does */
} core_cache;

/* Makes every type weakly referable. */
extern PyMemberDef core_members[];

/* How many forks lie between this process and the one that loaded the extension. */
uint64_t core_forks(void);

/* New object of `type` around `pointer`, which the caller gives up on success. Returns owned. */
PyObject *core_handle_new(PyTypeObject *type, void *pointer);

/* Frees the object, after `release` had its pointer unless a fork has orphaned it. */
void core_handle_free(PyObject *self, void (*release)(void *pointer));

/* The pointer of `self`, or NULL with an exception if the object comes from before a fork. Borrows. */
void *core_handle_get(PyObject *self);

/* The pointer of `object`, or NULL with an exception if it is not of `type` or from before a fork. */
void *core_handle_as(PyObject *object, PyTypeObject *type, const char *name);

/* --- arguments and text ---------------------------------------------------------------------- */

/* Each returns 0, or -1 with an exception that calls the argument `name`. An int is an int: bool and
 * float are TypeError, below `minimum` is ValueError, beyond the C type is OverflowError. */
int core_as_int64(PyObject *object, const char *name, int64_t minimum, int64_t *out);
int core_as_int32(PyObject *object, const char *name, int32_t minimum, int32_t *out);

/* str without NUL as UTF-8, in which undecodable bytes of a file's names survive. Returns owned bytes. */
PyObject *core_encode(PyObject *text, const char *name);

/* The reverse. NULL text becomes None. Returns owned. */
PyObject *core_decode(const char *text);

/* The bytes of a cache key that is bytes or str; they borrow from the key, or from `owner`. */
typedef struct core_key {
    const char *data;
    size_t nbytes;
    PyObject *owner; /* Py_XDECREF after use */
} core_key;

int core_key_get(PyObject *object, core_key *key);

/* `dict[name] = value`; takes `value`, which may be NULL after a failure. Returns 0 or -1. */
int core_dict_set(PyObject *dict, const char *name, PyObject *value);

/* --- errors ---------------------------------------------------------------------------------- */

/* What a NOT_FOUND is about, for the built-in exception that ladle.Error joins. */
typedef enum core_subject { CORE_OF_FILE, CORE_OF_NAME } core_subject;

/* A ladle.Error made of `error`. Returns owned. */
PyObject *core_error_new(core_state *state, const ladle_error *error, core_subject subject);

/* Raises it. Returns NULL, for `return core_raise(...)`. */
PyObject *core_raise(core_state *state, const ladle_error *error, core_subject subject);

/* Raises INVALID with this text. Returns NULL. */
PyObject *core_raise_invalid(core_state *state, const char *where, const char *message);

/* --- objects of one file that another needs -------------------------------------------------- */

/* The cache of a Cache, or NULL with an exception if it comes from before a fork. Borrows. */
ladle_cache *core_cache_get(PyObject *self);

/* The same of any object, which must be a Cache. */
ladle_cache *core_cache_as(PyObject *object, core_state *state);

/* cache_make.c: the cache that the arguments of Cache() describe. Returns owned, or NULL with an exception. */
ladle_cache *core_cache_create(core_state *state, ladle_context *context, PyObject *budget, PyObject *levels,
                               PyObject *home, bool *waits);

/* cache_list.c: what a Cache tells of itself. Each returns owned. */
PyObject *core_cache_keys(PyObject *self, PyObject *ignored);
PyObject *core_cache_entries(PyObject *self, PyObject *ignored);
PyObject *core_cache_stats(PyObject *self, PyObject *ignored);
PyObject *core_cache_levels(PyObject *self, PyObject *ignored);

PyObject *core_table_new(core_state *state, ladle_table *table); /* Takes `table`. */
PyObject *core_lease_new(core_state *state, ladle_lease *lease); /* Takes `lease`. */

/* A new block with a copy of a contiguous buffer, and a layout. Gives the GIL away for large ones. Returns owned, or
 * NULL with an exception. */
ladle_lease *core_lease_copy(core_state *state, ladle_context *context, const Py_buffer *view, ladle_dtype dtype,
                             const void *layout, Py_ssize_t layout_nbytes);

/* The dtype of a numpy name, or LADLE_DTYPE_NONE with a ValueError. */
ladle_dtype core_dtype_from(PyObject *name);

/* Read-only one-dimensional numpy array over the lease object. Returns owned. */
PyObject *core_lease_array(core_state *state, PyObject *lease);

/* arenas.c: bytes in arenas of Python's object allocator, counted from the first retain to the last release, both with
 * the GIL; -1 if unknown. The count itself needs no GIL. */
void core_arenas_retain(void);
void core_arenas_release(void);
int64_t core_arenas_held(void);

/* doctor.c: functions of the module. */
PyObject *core_allocator_name(PyObject *module, PyObject *ignored);
PyObject *core_allocator_trim(PyObject *module, PyObject *ignored);
PyObject *core_share_names(PyObject *module, PyObject *ignored);

/* Each makes its type or types and keeps them in the state. Returns 0 or -1. */
int core_context_ready(PyObject *module, core_state *state);
int core_file_ready(PyObject *module, core_state *state);
int core_table_ready(PyObject *module, core_state *state);
int core_reader_ready(PyObject *module, core_state *state);
int core_scan_ready(PyObject *module, core_state *state);
int core_lease_ready(PyObject *module, core_state *state);
int core_cache_ready(PyObject *module, core_state *state);
int core_doctor_ready(PyObject *module, core_state *state);

/* Makes the type of `spec` and adds it to the module. Returns owned, or NULL. */
PyTypeObject *core_type_add(PyObject *module, PyType_Spec *spec);

#endif
