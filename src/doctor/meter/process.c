/* The life of the process: the constructor, fork, and its ends. */
#include "doctor/meter/process.h"
#include "doctor/meter/beside.h"
#include "doctor/meter/meter.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void meter_fork_watch(void)
{
    (void)pthread_atfork(meter_before_fork, meter_after_fork, meter_in_child);
}

static void at_quick_exit_(void)
{
    meter_finish(false);
}

typedef void exit_function(int status);
static exit_function *next_exit;

__attribute__((constructor)) static void start(void)
{
    meter_find();
    meter_begin();
    meter_raise();
    void *function = dlsym(RTLD_NEXT, "_exit");
    memcpy(&next_exit, &function, sizeof function);
    if (atomic_load(&meter_here.state) == METER_ON) {
        meter_allocator_find();
        meter_python_find();
        if (meter_here.options.stacks && !meter_stacks_find())
            meter_say("no stacks: libc has no means to walk one");
        (void)at_quick_exit(at_quick_exit_);
    }
    /* What was not found is not for the program to hear of; the second call frees the first one's text. */
    (void)dlerror();
    (void)dlerror();
    meter_lower();
    meter_sample(LADLE_SAMPLE_START);
}

__attribute__((destructor)) static void stop(void)
{
    meter_finish(true);
}

static void leave(int status) __attribute__((noreturn));
static void leave(int status)
{
    meter_finish(false);
    if (next_exit != NULL)
        next_exit(status);
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

/* Programs that leave in a hurry, as forked workers of Python do. */
METER_EXPORT void _exit(int status)
{
    leave(status);
}

METER_EXPORT void _Exit(int status)
{
    leave(status);
}
