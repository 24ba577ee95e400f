/* C++'s operator new and delete, which allocators other than glibc's define themselves. */
#ifndef LADLE_DOCTOR_METER_OPERATORS_H
#define LADLE_DOCTOR_METER_OPERATORS_H

/* Finds the definitions beneath; at the first call, under the guard. */
void meter_operators_find(void);

#endif
