/* progress.h: one line on stderr that tells how far long work is: only where a person watches it, and where standard
 * output does not share the screen with it. */
#ifndef LADLE_CLI_PROGRESS_H
#define LADLE_CLI_PROGRESS_H

#include <stdbool.h>
#include <time.h>

#include <ladle/base.h>

/* Seconds since `begin`, of the monotonic clock; 0 where there is none. */
double cli_seconds_since(const struct timespec *begin);

typedef struct cli_progress {
    bool shown, wanted;
    struct timespec last;
} cli_progress;

void cli_progress_begin(cli_progress *progress);

/* Overwrites the line, at most ten times a second. */
void cli_progress_show(cli_progress *progress, const char *format, ...) LADLE_PRINTF(2, 3);

/* Before anything else is written to stderr, and at the end. */
void cli_progress_clear(cli_progress *progress);

#endif
