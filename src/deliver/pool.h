/* deliver/pool.h: the decode pool: a parallel loop over jobs, each thread with its own scratch.
 *
 * The calling thread works too, so a pool of n threads has n - 1 workers, started when a loop first has more than one
 * job. Loops of several callers run at once and share the workers. In a forked child there are no workers: there the
 * caller does all the work.
 */
#ifndef LADLE_DELIVER_POOL_H
#define LADLE_DELIVER_POOL_H

#include "codec/scratch.h"

typedef struct ladle_pool ladle_pool;

/* Returns owned. */
ladle_pool *ladle_pool_create(ladle_context *context, int32_t n_threads, ladle_error *error);
void ladle_pool_release(ladle_pool *pool);
int32_t ladle_pool_threads(const ladle_pool *pool);

/* What the loops that have ended decompressed. */
ladle_decompressed ladle_pool_decompressed(ladle_pool *pool);

/* One job. It reports through `user`; false stops the loop: jobs not begun are left out. */
typedef bool (*ladle_pool_job)(void *user, int64_t index, ladle_scratch *scratch);

/* Runs jobs 0 ... n_jobs - 1 and returns when all that began have ended. Fails only where it cannot begin (no memory
 * for a scratch). */
ladle_status ladle_pool_run(ladle_pool *pool, int64_t n_jobs, ladle_pool_job job, void *user, ladle_error *error);

#endif
