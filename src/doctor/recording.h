/* The recording of one metered process image: a file that the meter maps shared and keeps its counters in, so that
 * they outlive the process however it ends, and an observer can read them while it runs.
 *
 * The name is <folder>/<pid>.<n>.meter, n counting the images of that pid (exec makes a new one). All numbers are
 * native; the file is read on the machine that wrote it. Layout:
 *
 *     ladle_meter_header       one page
 *     ladle_sample[]           LADLE_METER_SAMPLES, a ring by `sample_count` once it is thinned out no more
 *     ladle_meter_slot[]       LADLE_METER_SLOTS, one for each thread that lives; sparse
 *
 * The meter writes, observers only read, but for `wanted`. Counters are plain 64-bit stores by the one thread that
 * owns a slot; a reader may see one of a pair before the other, which is one block's worth.
 */
#ifndef LADLE_DOCTOR_RECORDING_H
#define LADLE_DOCTOR_RECORDING_H

#include <ladle/doctor.h>

#include <stdatomic.h>
#include <stdint.h>

#define LADLE_METER_MAGIC "ladlemtr"
#define LADLE_METER_VERSION 1u
#define LADLE_METER_SAMPLES 512
#define LADLE_METER_SLOTS 1024 /* the last one is shared by all threads that found no other: atomic additions */

/* How the meter is told what to do: LADLE_METER=<folder>[,interval=MS][,probe=0|1][,trim=0|1][,map][,stacks]. */
#define LADLE_METER_VARIABLE "LADLE_METER"

typedef struct ladle_meter_counters {
    /* by size class of usable size */
    _Atomic int64_t allocated_blocks[LADLE_SIZE_CLASSES];
    _Atomic int64_t allocated_usable[LADLE_SIZE_CLASSES];
    _Atomic int64_t allocated_requested[LADLE_SIZE_CLASSES];
    _Atomic int64_t freed_blocks[LADLE_SIZE_CLASSES];
    _Atomic int64_t freed_usable[LADLE_SIZE_CLASSES];
} ladle_meter_counters;

typedef struct ladle_meter_header {
    char magic[8];
    uint32_t version;
    uint32_t header_nbytes, sample_nbytes, slot_nbytes; /* layout that was written */
    int64_t pid, parent;
    int64_t start_ns;              /* CLOCK_MONOTONIC */
    _Atomic int64_t wanted;        /* an observer adds 1 to have an inside sample */
    _Atomic int64_t sample_count;  /* complete ones */
    _Atomic int64_t live, peak;    /* usable bytes, as folded in by threads */
    _Atomic int64_t python_arenas; /* bytes; -1: no Python here */
    _Atomic int32_t end;           /* a ladle_recording_end */
    _Atomic int32_t slots_used;    /* highest slot ever used + 1 */
    char allocator[32];
    char command[1024];
} ladle_meter_header;

#endif
