/* What is kept beside the recording: the map of the heap, the stacks of what stays allocated. */
#ifndef LADLE_DOCTOR_METER_BESIDE_H
#define LADLE_DOCTOR_METER_BESIDE_H

#include "doctor/meter/meter.h"

#pragma GCC visibility push(hidden)

/* A text file that takes its name when it is whole. */
typedef struct meter_text {
    int fd; /* -1: it failed */
    size_t used;
    char path[1240], draft[1240];
    char buffer[8192];
} meter_text;

bool meter_text_begin(meter_text *text, const char *suffix);
void meter_text_put(meter_text *text, const char *from, size_t nbytes);
void meter_text_print(meter_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void meter_text_end(meter_text *text); /* takes the place of the file before, if nothing failed */

/* One line of /proc/self/maps after the other, to a function of the sampler. */
void meter_each_mapping(void (*visit)(const char *line, void *user), void *user);

/* map.c: of all calls, and after a sample, in the sampler's hands. */
void meter_map_allocation(const void *block, int64_t usable);
void meter_map_free(const void *block);
void meter_map_tick(const ladle_sample *sample);
void meter_map_restart(void); /* in a forked child */

/* stacks.c: the same. */
bool meter_stacks_find(void); /* from the constructor; false: no means to walk a stack */
void meter_stacks_allocation(const void *block, int64_t usable);
void meter_stacks_free(const void *block, int64_t usable);
void meter_stacks_tick(const ladle_sample *sample);
void meter_stacks_restart(void);

/* frames.c: the Python frames of the calling thread, each as a number that is no address; how many. */
#define METER_PYTHON_FRAME ((uintptr_t)1 << 63)
int32_t meter_python_frames(uintptr_t *frames, int32_t most);
/* "function (file:line)" of such a number. */
const char *meter_python_frame(uintptr_t frame);

/* symbols.c */
void meter_symbols_find(void); /* from the constructor */
/* "function (library)" of a return address; at the end of the process only where the loader must be asked. */
void meter_symbol_of(uintptr_t address, bool is_end, char *text, size_t size);

#pragma GCC visibility pop

#endif
