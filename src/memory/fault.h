/* memory/fault.h: faults on purpose.
 *
 * Every allocation, read and write of the library passes a fault point. Tests arm one: the k-th event
 * from now fails, once or from then on. The cost when nothing is armed is one relaxed load.
 */
#ifndef LADLE_MEMORY_FAULT_H
#define LADLE_MEMORY_FAULT_H

#include <ladle/memory.h>

#include <stdatomic.h>

typedef enum ladle_fault_kind {
    LADLE_FAULT_ALLOC = 0,   /* an allocation gets no memory */
    LADLE_FAULT_READ_ERROR,  /* a read fails with EIO */
    LADLE_FAULT_READ_SHORT,  /* a read gets fewer bytes than asked: must be carried on */
    LADLE_FAULT_READ_EOF,    /* a read finds the end of the file */
    LADLE_FAULT_INTERRUPTED, /* a read is interrupted: must be repeated */
    LADLE_FAULT_WRITE_ERROR, /* a write fails with EIO */
    LADLE_FAULT_WRITE_FULL,  /* a write finds the disk full */
    LADLE_FAULT_WRITE_SHORT, /* a write takes fewer bytes than asked: must be carried on */
    LADLE_FAULT_KIND_COUNT
} ladle_fault_kind;

typedef struct ladle_fault {
    atomic_int armed; /* number of kinds that count */
    struct {
        atomic_llong seen;    /* events since it was armed */
        atomic_llong fail_at; /* 1 is the next event; 0 is never: count only */
        atomic_bool forever;
        atomic_bool counting;
    } kind[LADLE_FAULT_KIND_COUNT];
} ladle_fault;

/* Event number `fail_at` from now on fails; with `forever` each later one too. 0 only counts. */
void ladle_fault_arm(ladle_context *context, ladle_fault_kind kind, int64_t fail_at, bool forever);

/* Stops counting and failing. Returns how many events there were. */
int64_t ladle_fault_disarm(ladle_context *context, ladle_fault_kind kind);

/* Does this event fail? Called at each fault point. */
bool ladle_fault_strikes(ladle_fault *fault, ladle_fault_kind kind);

#endif
