/* The meter's own words: the state of a thread, the allocator beneath, the path that every malloc and free takes.
 *
 * Invariants
 *   1. Nothing here takes memory from malloc, but where a thread's `guard` is up: then it is not counted.
 *   2. No call of the loader (dlsym, dlopen) but from the constructor and the first call: a thread in a library's
 *      constructor holds its lock, and may wait for the thread that would call.
 *   3. No cancellation point: system calls go through syscall(). errno is kept.
 *   4. No file descriptor is kept: programs close those they do not know, and open others under the same number.
 *   5. The fast path writes to the thread's own slot and its own state only. Whatever is not plain (no slot yet, none
 *      left, a nested call, the map, the stacks) has `slot == NULL` and goes the slow way.
 */
#ifndef LADLE_DOCTOR_METER_METER_H
#define LADLE_DOCTOR_METER_METER_H

#include "doctor/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Hidden also where they are declared: the compiler then goes to them without the table of offsets. */
#pragma GCC visibility push(hidden)

#define METER_LIKELY(x) __builtin_expect(!!(x), 1)
#define METER_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* The meter's own names are hidden; these are what programs shall find. */
#define METER_EXPORT __attribute__((visibility("default")))

/* A thread folds what it has into the process's figures when that differs by more than this. */
#define METER_FOLD_NBYTES ((int64_t)65536)
/* What it freed may be more: other threads, looking for the peak, take it as live until it is folded, so all of them
 * together may have such a part of what is live. Alone it misleads nobody, itself included. */
#define METER_CREDIT_PART ((int64_t)64)
#define METER_CREDIT_NBYTES ((int64_t)1 << 20)
/* It looks at the clock, too, after so many allocations of one size class. A power of two. */
#define METER_FOLD_CALLS ((int64_t)1024)

/* --- a thread --------------------------------------------------------------------------------- */

typedef struct meter_thread {
    ladle_meter_slot *slot; /* where the fast path counts; NULL: the slow way */
    int64_t unfolded;       /* usable bytes allocated less freed since the last fold */
    ladle_meter_slot *own;  /* the slot that this thread holds; NULL: none */
    int32_t guard;          /* > 0: nothing is counted */
    bool reached;           /* malloc or free was called under the guard */
    bool is_gone;           /* the slot was given back */
    int64_t until_stack;    /* bytes to allocate until the next stack is taken */
} meter_thread;

extern _Thread_local meter_thread meter_self __attribute__((tls_model("initial-exec")));

/* Raises the guard; meter_lower undoes it. */
static inline void meter_raise(void)
{
    meter_self.slot = NULL;
    meter_self.guard++;
}
void meter_lower(void);

/* --- the allocator beneath -------------------------------------------------------------------- */

/* Never NULL, but for those that are marked. Before the first call they find out what they stand for. */
typedef struct meter_next {
    void *(*malloc)(size_t nbytes);
    void (*free)(void *block);
    void *(*calloc)(size_t count, size_t nbytes);
    void *(*realloc)(void *block, size_t nbytes);
    void *(*memalign)(size_t alignment, size_t nbytes);
    void *(*aligned_alloc)(size_t alignment, size_t nbytes);
    int (*posix_memalign)(void **out, size_t alignment, size_t nbytes);
    size_t (*usable_size)(void *block);
    void *(*valloc)(size_t nbytes);                 /* NULL where there is none */
    void *(*pvalloc)(size_t nbytes);                /* NULL where there is none */
    void (*free_sized)(void *block, size_t nbytes); /* NULL where there is none */
    void (*free_aligned_sized)(void *block, size_t alignment, size_t nbytes);
    size_t (*size_for)(size_t nbytes, int flags); /* nallocx: the usable size of a malloc; NULL where there is none */
    bool has_glibc_headers; /* the word before a block holds its chunk's size and flags, as glibc writes it */
} meter_next;

extern meter_next meter_beneath;
void meter_find(void); /* fills it; nothing when that was done */

/* Blocks that were handed out before the allocator beneath was known. */
#define METER_EARLY_NBYTES 16384
extern char meter_early[METER_EARLY_NBYTES];

static inline bool meter_is_early(const void *block)
{
    return (uintptr_t)block - (uintptr_t)meter_early < METER_EARLY_NBYTES;
}
size_t meter_early_usable(const void *block);

/* Usable bytes of a block that is not NULL and not early, where a look at its header tells; 0: it has to be asked for.
 */
static inline size_t meter_usable_at_once(const void *block)
{
    if (METER_UNLIKELY(!meter_beneath.has_glibc_headers))
        return 0;
    size_t size = ((const size_t *)block)[-1];
    return METER_LIKELY((size & 2) == 0) /* not a mapping of its own */ ? (size & ~(size_t)7) - sizeof(size_t) : 0;
}

/* Size classes of usable sizes below METER_TABLE_NBYTES that are multiples of 8, as all of glibc's are: to find the
 * highest bit takes many processors long. Filled by meter_find. */
#define METER_TABLE_NBYTES 2048
extern uint8_t meter_table[METER_TABLE_NBYTES / 8];

static inline int meter_class_at_once(size_t usable)
{
    return METER_LIKELY(usable < METER_TABLE_NBYTES) ? meter_table[usable / 8] : ladle_size_class(usable);
}

/* --- counting --------------------------------------------------------------------------------- */

/* The rare cases are out of line, and called last: so the fast path needs no register that must be saved for them. */
void *meter_count_allocation_asking(void *block, size_t requested, bool is_plain);
void meter_count_free_asking(void *block);
void *meter_slow_allocation(void *block, size_t requested);
void meter_slow_free(void *block);
void *meter_fold_allocation(void *block);
/* Adds the thread's unfolded bytes to the process's figures, and takes a sample when one is due. */
void meter_fold(void);
/* The same after a free, where the thread has more than it may keep. */
void meter_fold_free(void);

static inline void meter_add(_Atomic int64_t *counter, int64_t value)
{
    int64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + value, memory_order_relaxed);
}

static inline void *meter_store_allocation(ladle_meter_class *to, void *block, int64_t usable, size_t requested)
{
    int64_t blocks = atomic_load_explicit(&to->allocated_blocks, memory_order_relaxed) + 1;
    atomic_store_explicit(&to->allocated_blocks, blocks, memory_order_relaxed);
    meter_add(&to->allocated_usable, usable);
    meter_add(&to->allocated_requested, (int64_t)requested);
    int64_t unfolded = meter_self.unfolded + usable;
    meter_self.unfolded = unfolded;
    if (METER_UNLIKELY(unfolded > METER_FOLD_NBYTES || (blocks & (METER_FOLD_CALLS - 1)) == 0))
        return meter_fold_allocation(block);
    return block;
}

/* True: it is time to fold. */
static inline bool meter_store_free(ladle_meter_class *to, int64_t usable)
{
    meter_add(&to->freed_blocks, 1);
    meter_add(&to->freed_usable, usable);
    int64_t unfolded = meter_self.unfolded - usable;
    meter_self.unfolded = unfolded;
    return unfolded < -METER_FOLD_NBYTES;
}

/* Of a block that is not NULL, which it returns. A plain one was made anew, without alignment. */
static inline void *meter_count_block(void *block, size_t requested, bool is_plain)
{
    ladle_meter_slot *slot = meter_self.slot;
    if (METER_UNLIKELY(slot == NULL))
        return meter_slow_allocation(block, requested);
    size_t usable = meter_usable_at_once(block);
    if (METER_UNLIKELY(usable == 0))
        return meter_count_allocation_asking(block, requested, is_plain);
    return meter_store_allocation(&slot->classes[meter_class_at_once(usable)], block, (int64_t)usable, requested);
}

static inline void *meter_count_allocation(void *block, size_t requested)
{
    return meter_count_block(block, requested, false);
}

/* Of a block that is neither NULL nor early, before it goes back: then another thread may have its address. */
static inline void meter_count_free(void *block)
{
    ladle_meter_slot *slot = meter_self.slot;
    if (METER_UNLIKELY(slot == NULL)) {
        meter_slow_free(block);
        return;
    }
    size_t usable = meter_usable_at_once(block);
    if (METER_UNLIKELY(usable == 0))
        meter_count_free_asking(block);
    else if (METER_UNLIKELY(meter_store_free(&slot->classes[meter_class_at_once(usable)], (int64_t)usable)))
        meter_fold_free();
}

/* --- the process ------------------------------------------------------------------------------ */

typedef enum meter_state {
    METER_EARLY = 0, /* libc is not ready: counts are kept in meter_before */
    METER_STARTING,  /* a thread opens the recording */
    METER_ON,
    METER_FORKED, /* a child that has no recording yet: it begins one when it first allocates */
    METER_OFF     /* not asked for, or not possible */
} meter_state;

typedef struct meter_options {
    char folder[1024]; /* absolute */
    int64_t interval_ns;
    bool probe, trim, map, stacks;
} meter_options;

typedef struct meter_process {
    _Atomic int32_t state;   /* a meter_state */
    _Atomic int32_t sampler; /* 1 while a thread takes a sample */
    pid_t pid;
    ladle_meter_header *header; /* NULL unless METER_ON */
    ladle_sample *samples;
    ladle_meter_slot *slots;
    char path[1200];         /* of the recording, without ".meter" */
    bool is_slow;            /* every call goes the slow way: map or stacks */
    int64_t interval_ns;     /* between inside samples; grows as they are thinned out */
    _Atomic int64_t due;     /* CLOCK_MONOTONIC: the next sample */
    _Atomic int64_t soonest; /* CLOCK_MONOTONIC: not before, whoever wants it */
    _Atomic int64_t served;  /* the `wanted` that was answered last */
    meter_options options;
} meter_process;

extern meter_process meter_here;

/* record.c */
void meter_begin(void);                  /* opens the recording if that is possible now; else leaves or switches off */
ladle_meter_slot *meter_take_slot(void); /* NULL: none left */
void meter_finish(bool may_trim);        /* the END sample; the recording is closed */
void meter_say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* one line on stderr */

/* sample.c */
int64_t meter_now(void);                   /* CLOCK_MONOTONIC, ns */
void meter_tick(void);                     /* takes an inside sample if one is due */
void meter_sample(ladle_sample_kind kind); /* now; waits for another thread's */

/* allocator.c */
typedef struct meter_figures {
    int64_t heap, heap_free, heap_returnable, heap_arenas, heap_largest_holes;
} meter_figures;
void meter_allocator_find(void); /* from the constructor */
const char *meter_allocator_name(void);
void meter_allocator_figures(meter_figures *figures);
void meter_allocator_trim(void);

/* python.c */
void meter_python_find(void);           /* from the constructor */
extern _Atomic bool meter_python_waits; /* for Python to run, to register the probe */
void meter_python_tick(void);           /* registers it once Python runs */

/* Whether the calling thread is one of Python's, which can tell its frames. */
bool meter_python_is_here(void);
/* Then: its frames as text, innermost first; -1: there are none. */
ssize_t meter_python_traceback(char *text, size_t size);

/* system.c: without cancellation points. -1 and errno on failure. */
int meter_open(const char *path, int flags, int mode);
ssize_t meter_read(int fd, void *to, size_t nbytes);
ssize_t meter_write(int fd, const void *from, size_t nbytes);
void meter_close(int fd);
/* The whole of a small file, cut at `size` - 1 and ended by 0; -1 where it cannot be read. */
ssize_t meter_read_file(const char *path, char *text, size_t size);

#pragma GCC visibility pop

#endif
