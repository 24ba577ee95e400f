/* The recording of one metered process image: a file that the meter maps shared and keeps its counters in, so that
 * they outlive the process however it ends, and an observer can read them while it runs.
 *
 * The name is <folder>/<pid>.<n>.meter, n counting the images of that pid (exec makes a new one). All numbers are
 * native; the file is read on the machine that wrote it. Layout:
 *
 *     ladle_meter_header       one page
 *     ladle_sample[]           LADLE_METER_SAMPLES, in order of time; thinned out when they are full
 *     ladle_meter_slot[]       LADLE_METER_SLOTS, on a page's border; one for each thread that lives; sparse
 *
 * Beside it are <pid>.<n>.map and <pid>.<n>.stacks where those are kept: text, each replaced as a whole.
 *
 *     ladle map 1 TIME_NS PAGE_NBYTES           ladle stacks 1 TIME_NS MIDDLE_NS EVERY_NBYTES
 *     region START(hex) PAGES KIND              stack NBYTES BLOCKS GROWTH FRAMES
 *     one character a page                      function (library)
 *     ...                                       ...
 *     end                                       end
 *
 * The meter writes, observers only read, but for `wanted`. Counters are plain 64-bit stores by the one thread that
 * owns a slot; a reader may see one of a pair before the other, which is one block's worth. A slot whose thread is
 * gone keeps its counts and serves the next thread. Slot 0 belongs to none: threads without one add to it atomically.
 */
#ifndef LADLE_DOCTOR_RECORDING_H
#define LADLE_DOCTOR_RECORDING_H

#include <ladle/doctor.h>

#include <stdatomic.h>
#include <stdint.h>

#define LADLE_METER_MAGIC "ladlemtr"
#define LADLE_METER_VERSION 1u
#define LADLE_METER_SAMPLES 512
#define LADLE_METER_SLOTS 1024
#define LADLE_METER_PAGE 4096

/* How the meter is told what to do: LADLE_METER=<folder>[,interval=MS][,probe=0|1][,trim=0|1][,map][,stacks]. */
#define LADLE_METER_VARIABLE "LADLE_METER"

/* What one thread, or all before it in its slot, did with blocks of one size class of usable size. What was requested
 * of the freed ones is not known: the mean of all in the class stands in for it. */
typedef struct ladle_meter_class {
    _Atomic int64_t allocated_blocks, allocated_usable, allocated_requested;
    _Atomic int64_t freed_blocks, freed_usable;
    int64_t unused[3]; /* one cache line */
} ladle_meter_class;

typedef struct ladle_meter_slot {
    ladle_meter_class classes[LADLE_SIZE_CLASSES];
} ladle_meter_slot;

typedef struct ladle_meter_header {
    char magic[8]; /* written last: a file that is not ready has none */
    uint32_t version;
    uint32_t header_nbytes, sample_nbytes, slot_nbytes; /* layout that was written */
    uint64_t samples_offset, slots_offset;
    int64_t pid, parent;
    int64_t start_ns;              /* CLOCK_MONOTONIC */
    int64_t process_start;         /* of /proc/PID/stat: with the pid it names one process */
    int64_t image;                 /* of the same: where its arguments are; exec chooses a new place. 0: not known */
    _Atomic int64_t wanted;        /* an observer adds 1 to have an inside sample */
    _Atomic int64_t sample_count;  /* complete ones */
    _Atomic int64_t sample_epoch;  /* odd while samples are moved */
    _Atomic int64_t live, peak;    /* usable bytes, as folded in by threads */
    _Atomic int64_t python_arenas; /* bytes; -1: no Python here */
    _Atomic int32_t end;           /* a ladle_recording_end */
    _Atomic int32_t slots_used;    /* highest slot ever used + 1 */
    char allocator[32];
    char command[1024];
} ladle_meter_header;

#define LADLE_METER_SAMPLES_OFFSET ((uint64_t)LADLE_METER_PAGE)
#define LADLE_METER_SLOTS_OFFSET                                                                        \
    ((LADLE_METER_SAMPLES_OFFSET + LADLE_METER_SAMPLES * sizeof(ladle_sample) + LADLE_METER_PAGE - 1) / \
     LADLE_METER_PAGE * LADLE_METER_PAGE)
#define LADLE_METER_FILE_NBYTES (LADLE_METER_SLOTS_OFFSET + LADLE_METER_SLOTS * sizeof(ladle_meter_slot))

_Static_assert(sizeof(ladle_meter_header) <= LADLE_METER_PAGE, "the header has one page");
_Static_assert(sizeof(ladle_meter_slot) % LADLE_METER_PAGE == 0, "slots are whole pages");

/* As it was opened. Borrows. */
const char *ladle_recording_path(const ladle_recording *recording);

/* Size class of a usable size. */
static inline int ladle_size_class(uint64_t usable)
{
    uint64_t last = usable > 16 ? usable - 1 : 15;
    uint32_t exponent = 63 ^ (uint32_t)__builtin_clzll(last); /* at least 3 */
    /* The bits from the highest one on are 4 to 7. */
    uint32_t size_class = exponent * 4 + (uint32_t)(last >> (exponent - 2)) - 19;
    return (int)(size_class < LADLE_SIZE_CLASSES - 1 ? size_class : LADLE_SIZE_CLASSES - 1);
}

/* Adds up slots [0, slots_used) into the meter's fields of `sample`; what a thread has not stored yet may make a
 * difference of one block. */
static inline void ladle_meter_total(const ladle_meter_slot *slots, int32_t slots_used, ladle_sample *sample)
{
    sample->live_requested = sample->live_usable = sample->live_blocks = 0;
    sample->allocations = sample->frees = sample->allocated = 0;
    for (int c = 0; c < LADLE_SIZE_CLASSES; c++) {
        int64_t blocks = 0, usable = 0, requested = 0, freed = 0, freed_usable = 0;
        for (int32_t s = 0; s < slots_used; s++) {
            const ladle_meter_class *from = &slots[s].classes[c];
            /* What is freed first: a block that is freed meanwhile is then counted as live, not as less than none. */
            freed += atomic_load_explicit(&from->freed_blocks, memory_order_relaxed);
            freed_usable += atomic_load_explicit(&from->freed_usable, memory_order_relaxed);
        }
        for (int32_t s = 0; s < slots_used; s++) {
            const ladle_meter_class *from = &slots[s].classes[c];
            blocks += atomic_load_explicit(&from->allocated_blocks, memory_order_relaxed);
            usable += atomic_load_explicit(&from->allocated_usable, memory_order_relaxed);
            requested += atomic_load_explicit(&from->allocated_requested, memory_order_relaxed);
        }
        int64_t live = usable > freed_usable ? usable - freed_usable : 0;
        sample->class_nbytes[c] = live;
        sample->class_blocks[c] = blocks > freed ? blocks - freed : 0;
        sample->live_usable += live;
        sample->live_blocks += sample->class_blocks[c];
        if (usable > 0)
            sample->live_requested += (int64_t)((double)live * ((double)requested / (double)usable));
        sample->allocations += blocks;
        sample->frees += freed;
        sample->allocated += usable;
    }
}

#endif
