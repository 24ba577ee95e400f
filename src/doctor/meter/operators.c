/* C++'s operator new and delete, in C: their mangled names, forwarded to the definition beneath.
 *
 * libstdc++'s call malloc and free, which count. Those of mimalloc, jemalloc and tcmalloc do not, so they are counted
 * here. Which of the two it is shows in the first call: the guard is up, and malloc notes that it was reached.
 *
 * A program that loads libstdc++ later, and not for all to see (Python's extensions do), finds these here, though
 * there is nothing beneath: then malloc and free are what libstdc++ would have called.
 */
#include "doctor/meter/operators.h"
#include "doctor/meter/meter.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if UINTPTR_MAX != UINT64_MAX
#error "the mangled names are those of platforms whose size_t is unsigned long, of 64 bits"
#endif

enum { UNKNOWN = 0, REACHES_MALLOC, STANDS_ALONE };

typedef struct operator_beneath {
    const char *name;
    void *function; /* NULL: none */
    _Atomic int way;
} operator_beneath;

typedef void *new_function(size_t nbytes);
typedef void *new_nothrow_function(size_t nbytes, const void *tag);
typedef void *new_aligned_function(size_t nbytes, size_t alignment);
typedef void *new_aligned_nothrow_function(size_t nbytes, size_t alignment, const void *tag);
typedef void delete_function(void *block);
typedef void delete_sized_function(void *block, size_t nbytes);
typedef void delete_sized_aligned_function(void *block, size_t nbytes, size_t alignment);
typedef void delete_aligned_nothrow_function(void *block, size_t alignment, const void *tag);
typedef void delete_nothrow_function(void *block, const void *tag);

/* All of one shape share the way they are called; the order is that of the functions below. */
enum {
    NEW,
    NEW_ARRAY,
    NEW_NOTHROW,
    NEW_ARRAY_NOTHROW,
    NEW_ALIGNED,
    NEW_ARRAY_ALIGNED,
    NEW_ALIGNED_NOTHROW,
    NEW_ARRAY_ALIGNED_NOTHROW,
    DELETE,
    DELETE_ARRAY,
    DELETE_SIZED,
    DELETE_ARRAY_SIZED,
    DELETE_NOTHROW,
    DELETE_ARRAY_NOTHROW,
    DELETE_ALIGNED,
    DELETE_ARRAY_ALIGNED,
    DELETE_SIZED_ALIGNED,
    DELETE_ARRAY_SIZED_ALIGNED,
    DELETE_ALIGNED_NOTHROW,
    DELETE_ARRAY_ALIGNED_NOTHROW,
    OPERATORS
};

static operator_beneath operators[OPERATORS] = {
    [NEW] = {.name = "_Znwm"},
    [NEW_ARRAY] = {.name = "_Znam"},
    [NEW_NOTHROW] = {.name = "_ZnwmRKSt9nothrow_t"},
    [NEW_ARRAY_NOTHROW] = {.name = "_ZnamRKSt9nothrow_t"},
    [NEW_ALIGNED] = {.name = "_ZnwmSt11align_val_t"},
    [NEW_ARRAY_ALIGNED] = {.name = "_ZnamSt11align_val_t"},
    [NEW_ALIGNED_NOTHROW] = {.name = "_ZnwmSt11align_val_tRKSt9nothrow_t"},
    [NEW_ARRAY_ALIGNED_NOTHROW] = {.name = "_ZnamSt11align_val_tRKSt9nothrow_t"},
    [DELETE] = {.name = "_ZdlPv"},
    [DELETE_ARRAY] = {.name = "_ZdaPv"},
    [DELETE_SIZED] = {.name = "_ZdlPvm"},
    [DELETE_ARRAY_SIZED] = {.name = "_ZdaPvm"},
    [DELETE_NOTHROW] = {.name = "_ZdlPvRKSt9nothrow_t"},
    [DELETE_ARRAY_NOTHROW] = {.name = "_ZdaPvRKSt9nothrow_t"},
    [DELETE_ALIGNED] = {.name = "_ZdlPvSt11align_val_t"},
    [DELETE_ARRAY_ALIGNED] = {.name = "_ZdaPvSt11align_val_t"},
    [DELETE_SIZED_ALIGNED] = {.name = "_ZdlPvmSt11align_val_t"},
    [DELETE_ARRAY_SIZED_ALIGNED] = {.name = "_ZdaPvmSt11align_val_t"},
    [DELETE_ALIGNED_NOTHROW] = {.name = "_ZdlPvSt11align_val_tRKSt9nothrow_t"},
    [DELETE_ARRAY_ALIGNED_NOTHROW] = {.name = "_ZdaPvSt11align_val_tRKSt9nothrow_t"},
};

void meter_operators_find(void)
{
    for (int i = 0; i < OPERATORS; i++)
        operators[i].function = dlsym(RTLD_NEXT, operators[i].name);
}

/* Calls what is beneath; `alignment` and `tag` where its shape has them. */
static void *call_new(int which, size_t nbytes, size_t alignment, const void *tag)
{
    union {
        void *function;
        new_function *plain;
        new_nothrow_function *nothrow;
        new_aligned_function *aligned;
        new_aligned_nothrow_function *aligned_nothrow;
    } call = {.function = operators[which].function};
    switch (which) {
    case NEW:
    case NEW_ARRAY: return call.plain(nbytes);
    case NEW_NOTHROW:
    case NEW_ARRAY_NOTHROW: return call.nothrow(nbytes, tag);
    case NEW_ALIGNED:
    case NEW_ARRAY_ALIGNED: return call.aligned(nbytes, alignment);
    default: return call.aligned_nothrow(nbytes, alignment, tag);
    }
}

static void call_delete(int which, void *block, size_t nbytes, size_t alignment, const void *tag)
{
    union {
        void *function;
        delete_function *plain;
        delete_sized_function *sized; /* or aligned: both are one number */
        delete_nothrow_function *nothrow;
        delete_sized_aligned_function *sized_aligned;
        delete_aligned_nothrow_function *aligned_nothrow;
    } call = {.function = operators[which].function};
    switch (which) {
    case DELETE:
    case DELETE_ARRAY: call.plain(block); break;
    case DELETE_SIZED:
    case DELETE_ARRAY_SIZED: call.sized(block, nbytes); break;
    case DELETE_ALIGNED:
    case DELETE_ARRAY_ALIGNED: call.sized(block, alignment); break;
    case DELETE_NOTHROW:
    case DELETE_ARRAY_NOTHROW: call.nothrow(block, tag); break;
    case DELETE_SIZED_ALIGNED:
    case DELETE_ARRAY_SIZED_ALIGNED: call.sized_aligned(block, nbytes, alignment); break;
    default: call.aligned_nothrow(block, alignment, tag); break;
    }
}

static void lower(const int *guard)
{
    (void)guard;
    meter_lower();
}

/* Under the guard, which also an exception lowers. */
static void *guarded_new(int which, size_t nbytes, size_t alignment, const void *tag)
{
    meter_raise();
    __attribute__((cleanup(lower))) int guard = 0;
    (void)guard;
    return call_new(which, nbytes, alignment, tag);
}

/* Nothing is beneath, and there is no memory: libstdc++ knows the program's handler, and how to throw. */
static void *new_failed(int which, size_t nbytes, size_t alignment, const void *tag)
{
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        void *function = library == NULL ? NULL : dlsym(library, operators[which].name);
        if (function != NULL) {
            operators[which].function = function;
            return call_new(which, nbytes, alignment, tag);
        }
    }
    if (tag == NULL) {
        meter_say("operator new has no memory, and no C++ library to say so");
        abort();
    }
    return NULL;
}

static void *operator_new(int which, size_t nbytes, size_t alignment, const void *tag)
{
    operator_beneath *beneath = &operators[which];
    if (METER_UNLIKELY(beneath->function == NULL)) {
        size_t least = nbytes == 0 ? 1 : nbytes;
        void *block = alignment == 0 ? malloc(least) : aligned_alloc(alignment, (least + alignment - 1) & -alignment);
        return block != NULL ? block : new_failed(which, nbytes, alignment, tag);
    }
    int way = atomic_load_explicit(&beneath->way, memory_order_relaxed);
    if (METER_LIKELY(way == REACHES_MALLOC))
        return call_new(which, nbytes, alignment, tag);
    if (meter_self.guard > 0) { /* another operator is on its way through here, and knows of it */
        return call_new(which, nbytes, alignment, tag);
    }
    meter_self.reached = false;
    void *block = guarded_new(which, nbytes, alignment, tag);
    if (way == UNKNOWN)
        atomic_store_explicit(&beneath->way, meter_self.reached ? REACHES_MALLOC : STANDS_ALONE, memory_order_relaxed);
    return block != NULL ? meter_count_block(block, nbytes, alignment == 0) : NULL;
}

static void operator_delete(int which, void *block, size_t nbytes, size_t alignment, const void *tag)
{
    operator_beneath *beneath = &operators[which];
    if (block == NULL || METER_UNLIKELY(meter_is_early(block)))
        return;
    if (METER_UNLIKELY(beneath->function == NULL)) {
        free(block);
        return;
    }
    int way = atomic_load_explicit(&beneath->way, memory_order_relaxed);
    if (METER_LIKELY(way == REACHES_MALLOC) || meter_self.guard > 0) {
        call_delete(which, block, nbytes, alignment, tag);
        return;
    }
    meter_count_free(block);
    meter_self.reached = false;
    meter_raise();
    call_delete(which, block, nbytes, alignment, tag);
    meter_lower();
    if (way == UNKNOWN)
        atomic_store_explicit(&beneath->way, meter_self.reached ? REACHES_MALLOC : STANDS_ALONE, memory_order_relaxed);
}

/* --- as programs find them ---------------------------------------------------------------------- */

#define NEW_OPERATOR(symbol, parameters, which, alignment, tag) \
    METER_EXPORT void *symbol parameters;                       \
    METER_EXPORT void *symbol parameters                        \
    {                                                           \
        return operator_new(which, nbytes, alignment, tag);     \
    }

#define DELETE_OPERATOR(symbol, parameters, which, nbytes, alignment, tag) \
    METER_EXPORT void symbol parameters;                                   \
    METER_EXPORT void symbol parameters                                    \
    {                                                                      \
        operator_delete(which, block, nbytes, alignment, tag);             \
    }

NEW_OPERATOR(_Znwm, (size_t nbytes), NEW, 0, NULL)
NEW_OPERATOR(_Znam, (size_t nbytes), NEW_ARRAY, 0, NULL)
NEW_OPERATOR(_ZnwmRKSt9nothrow_t, (size_t nbytes, const void *tag), NEW_NOTHROW, 0, tag)
NEW_OPERATOR(_ZnamRKSt9nothrow_t, (size_t nbytes, const void *tag), NEW_ARRAY_NOTHROW, 0, tag)
NEW_OPERATOR(_ZnwmSt11align_val_t, (size_t nbytes, size_t alignment), NEW_ALIGNED, alignment, NULL)
NEW_OPERATOR(_ZnamSt11align_val_t, (size_t nbytes, size_t alignment), NEW_ARRAY_ALIGNED, alignment, NULL)
NEW_OPERATOR(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t nbytes, size_t alignment, const void *tag),
             NEW_ALIGNED_NOTHROW, alignment, tag)
NEW_OPERATOR(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t nbytes, size_t alignment, const void *tag),
             NEW_ARRAY_ALIGNED_NOTHROW, alignment, tag)

DELETE_OPERATOR(_ZdlPv, (void *block), DELETE, 0, 0, NULL)
DELETE_OPERATOR(_ZdaPv, (void *block), DELETE_ARRAY, 0, 0, NULL)
DELETE_OPERATOR(_ZdlPvm, (void *block, size_t nbytes), DELETE_SIZED, nbytes, 0, NULL)
DELETE_OPERATOR(_ZdaPvm, (void *block, size_t nbytes), DELETE_ARRAY_SIZED, nbytes, 0, NULL)
DELETE_OPERATOR(_ZdlPvRKSt9nothrow_t, (void *block, const void *tag), DELETE_NOTHROW, 0, 0, tag)
DELETE_OPERATOR(_ZdaPvRKSt9nothrow_t, (void *block, const void *tag), DELETE_ARRAY_NOTHROW, 0, 0, tag)
DELETE_OPERATOR(_ZdlPvSt11align_val_t, (void *block, size_t alignment), DELETE_ALIGNED, 0, alignment, NULL)
DELETE_OPERATOR(_ZdaPvSt11align_val_t, (void *block, size_t alignment), DELETE_ARRAY_ALIGNED, 0, alignment, NULL)
DELETE_OPERATOR(_ZdlPvmSt11align_val_t, (void *block, size_t nbytes, size_t alignment), DELETE_SIZED_ALIGNED, nbytes,
                alignment, NULL)
DELETE_OPERATOR(_ZdaPvmSt11align_val_t, (void *block, size_t nbytes, size_t alignment), DELETE_ARRAY_SIZED_ALIGNED,
                nbytes, alignment, NULL)
DELETE_OPERATOR(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment, const void *tag),
                DELETE_ALIGNED_NOTHROW, 0, alignment, tag)
DELETE_OPERATOR(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment, const void *tag),
                DELETE_ARRAY_ALIGNED_NOTHROW, 0, alignment, tag)
