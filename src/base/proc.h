/* base/proc.h: numbers in the texts that the kernel shows below /proc. Nothing is allocated, no call is made. */
#ifndef LADLE_BASE_PROC_H
#define LADLE_BASE_PROC_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of /proc/PID/status: the number behind `name`, such as "\nThreads:"; -1 if it is not there. */
static inline int64_t ladle_proc_field(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line == NULL ? -1 : (int64_t)strtoll(line + strlen(name), NULL, 10);
}

/* The same where it is told in kB, in bytes. */
static inline int64_t ladle_proc_nbytes(const char *text, const char *name)
{
    int64_t kib = ladle_proc_field(text, name);
    return kib < 0 ? -1 : kib * 1024;
}

/* Of /proc/PID/stat: field `number`, from 1 but not 2; -1 if it is not there. */
static inline int64_t ladle_proc_stat_field(const char *text, int number)
{
    const char *at = strrchr(text, ')'); /* field 2 is a name in parentheses, with any character inside */
    for (int field = 2; at != NULL && field < number; field++) {
        at = strchr(at, ' ');
        if (at != NULL)
            at++;
    }
    return at == NULL ? -1 : (int64_t)strtoll(at, NULL, 10);
}

#endif
