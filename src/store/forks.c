#include "store/forks.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint forks;

static void count_fork(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void begin(void)
{
    (void)pthread_atfork(NULL, NULL, count_fork);
}

unsigned ladle_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, begin);
    return atomic_load_explicit(&forks, memory_order_relaxed);
}
