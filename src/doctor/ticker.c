#include "doctor/ticker.h"

#include "base/error.h"

#include <signal.h>
#include <time.h>

/* Holds the deepest call: printing malloc_info, with a table of sizes and a row of pages. */
#define STACK_NBYTES ((size_t)128 << 10)

int64_t ladle_ticker_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t ladle_ticker_cpu(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *run(void *user)
{
    ladle_ticker *ticker = user;
    (void)pthread_mutex_lock(&ticker->lock);
    int64_t due = ladle_ticker_now() + ticker->interval_ns;
    while (!ticker->stops) {
        struct timespec until = {.tv_sec = (time_t)(due / 1000000000), .tv_nsec = (long)(due % 1000000000)};
        (void)pthread_cond_timedwait(&ticker->wake, &ticker->lock, &until);
        if (ticker->stops || ladle_ticker_now() < due)
            continue;
        int64_t before = ladle_ticker_cpu();
        ticker->tick(ticker->user);
        int64_t now = ladle_ticker_now(), cost = ladle_ticker_cpu() - before;
        due += ticker->interval_ns;
        if (due < now + ticker->interval_ns / 2)
            due = now + ticker->interval_ns; /* late: no burst to catch up */
        if (due < now + ticker->cost_factor * cost)
            due = now + ticker->cost_factor * cost;
    }
    (void)pthread_mutex_unlock(&ticker->lock);
    return NULL;
}

static int start_thread(ladle_ticker *ticker)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed != 0)
        return failed;
    /* The program's handlers run on the program's threads. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_attr_setstacksize(&attributes, STACK_NBYTES);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&ticker->thread, &attributes, run, ticker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return failed;
}

void ladle_ticker_init(ladle_ticker *ticker)
{
    *ticker = (ladle_ticker){0};
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&ticker->lock, NULL);
    (void)pthread_cond_init(&ticker->wake, &clock);
    (void)pthread_condattr_destroy(&clock);
}

ladle_status ladle_ticker_start(ladle_ticker *ticker, const char *name, int64_t interval_ns, int64_t cost_factor,
                                void (*tick)(void *user), void *user, ladle_error *error)
{
    ticker->interval_ns = interval_ns;
    ticker->cost_factor = cost_factor;
    ticker->tick = tick;
    ticker->user = user;
    int failed = start_thread(ticker);
    if (failed != 0)
        return ladle_fail_errno(error, failed, LADLE_NO_OFFSET, "cannot start the thread %s", name);
    (void)pthread_setname_np(ticker->thread, name);
    ticker->runs = true;
    return LADLE_OK;
}

void ladle_ticker_stop(ladle_ticker *ticker)
{
    (void)pthread_mutex_lock(&ticker->lock);
    bool joins = ticker->runs;
    ticker->runs = false;
    ticker->stops = true;
    (void)pthread_cond_signal(&ticker->wake);
    (void)pthread_mutex_unlock(&ticker->lock);
    if (joins)
        (void)pthread_join(ticker->thread, NULL);
}

void ladle_ticker_close(ladle_ticker *ticker)
{
    (void)pthread_cond_destroy(&ticker->wake);
    (void)pthread_mutex_destroy(&ticker->lock);
}
