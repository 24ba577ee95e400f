/* What the meter can ask each allocator. */
#ifndef LADLE_DOCTOR_METER_ALLOCATOR_H
#define LADLE_DOCTOR_METER_ALLOCATOR_H

#include "doctor/meter/meter.h"

typedef struct meter_allocator {
    const char *name;
    const char *symbol;                      /* that is in the same library as its malloc */
    bool (*find)(void);                      /* the functions to ask; false: of a version that has none */
    void (*figures)(meter_figures *figures); /* those that it knows; the others are -1 */
    void (*trim)(void);
} meter_allocator;

extern const meter_allocator meter_glibc;

/* The address of `name` as a program would find it, for a function pointer at `to`. */
void meter_find_symbol(void *to, const char *name);

#endif
