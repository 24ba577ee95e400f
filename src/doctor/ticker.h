/* A thread that calls a function at intervals: without a signal reaching it, without an allocation of its own, and for
 * no more than a share of its time. */
#ifndef LADLE_DOCTOR_TICKER_H
#define LADLE_DOCTOR_TICKER_H

#include <ladle/base.h>

#include <pthread.h>

typedef struct ladle_ticker {
    pthread_mutex_t lock; /* held while `tick` runs, and by whoever touches what it touches */
    pthread_cond_t wake;
    pthread_t thread;
    int64_t interval_ns; /* read after each tick */
    int64_t cost_factor; /* a tick is followed by at least so many times the processor time that it took */
    void (*tick)(void *user);
    void *user;
    bool runs; /* there is a thread to join */
    bool stops;
} ladle_ticker;

/* CLOCK_MONOTONIC, in ns. */
int64_t ladle_ticker_now(void);

/* Processor time of this thread, in ns. */
int64_t ladle_ticker_cpu(void);

void ladle_ticker_init(ladle_ticker *ticker);

/* Once. Fails with IO where the system gives no thread. `name` has at most 15 bytes. */
ladle_status ladle_ticker_start(ladle_ticker *ticker, const char *name, int64_t interval_ns, int64_t cost_factor,
                                void (*tick)(void *user), void *user, ladle_error *error);

/* Returns when no tick is under way any more. Twice is allowed, from several threads, and without a start. */
void ladle_ticker_stop(ladle_ticker *ticker);

/* After the stop. */
void ladle_ticker_close(ladle_ticker *ticker);

#endif
