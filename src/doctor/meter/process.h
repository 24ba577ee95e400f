/* The life of the process: start, fork, end. */
#ifndef LADLE_DOCTOR_METER_PROCESS_H
#define LADLE_DOCTOR_METER_PROCESS_H

#include <stdint.h>

void meter_fork_watch(void); /* registers the three below */
void meter_before_fork(void);
void meter_after_fork(void);
void meter_in_child(void);

/* python.c: bytes in Python's arenas so far; -1: no Python. */
int64_t meter_python_arenas(void);

#endif
