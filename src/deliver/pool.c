#include "deliver/pool.h"

#include "base/error.h"

#include <pthread.h>
#include <unistd.h>

enum { MAX_THREADS = 256, STACK_NBYTES = 256 << 10 };

typedef struct loop {
    struct loop *next; /* in pool->loops */
    ladle_pool_job job;
    void *user;
    int64_t n_jobs;
    int64_t begun;   /* jobs taken */
    int32_t engaged; /* workers that have not let go of it */
    bool stopped;
} loop;

/* A scratch that waits for the next loop. */
typedef struct idle_scratch {
    struct idle_scratch *next;
    ladle_scratch scratch;
} idle_scratch;

struct ladle_pool {
    ladle_context *context;
    int32_t n_threads;
    pid_t pid; /* that started the workers */
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a loop has jobs, or the pool ends */
    pthread_cond_t ended; /* no worker is engaged in some loop any more */
    loop *loops;          /* that have jobs left, oldest first */
    idle_scratch *idle;
    ladle_decompressed decompressed;
    int32_t n_workers;
    bool ending;
    pthread_t workers[MAX_THREADS];
};

ladle_pool *ladle_pool_create(ladle_context *context, int32_t n_threads, ladle_error *error)
{
    ladle_pool *pool = ladle_alloc(context, sizeof *pool, LADLE_MEMORY_METADATA, error);
    if (pool == NULL)
        return NULL;
    pool->context = context;
    ladle_context_retain(context);
    pool->n_threads = n_threads < 1 ? 1 : n_threads > MAX_THREADS ? MAX_THREADS : n_threads;
    pool->pid = getpid();
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->work, NULL);
    (void)pthread_cond_init(&pool->ended, NULL);
    return pool;
}

int32_t ladle_pool_threads(const ladle_pool *pool)
{
    return pool->n_threads;
}

void ladle_pool_release(ladle_pool *pool)
{
    if (pool == NULL)
        return;
    ladle_context *context = pool->context;
    if (pool->pid == getpid()) {
        pthread_mutex_lock(&pool->lock);
        pool->ending = true;
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->lock);
        for (int32_t i = 0; i < pool->n_workers; i++)
            (void)pthread_join(pool->workers[i], NULL);
        (void)pthread_cond_destroy(&pool->work);
        (void)pthread_cond_destroy(&pool->ended);
        (void)pthread_mutex_destroy(&pool->lock);
    }
    while (pool->idle != NULL) {
        idle_scratch *next = pool->idle->next;
        ladle_scratch_destroy(&pool->idle->scratch);
        ladle_free(context, pool->idle, sizeof *pool->idle, LADLE_MEMORY_SCRATCH);
        pool->idle = next;
    }
    ladle_free(context, pool, sizeof *pool, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

ladle_decompressed ladle_pool_decompressed(ladle_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    ladle_decompressed all = pool->decompressed;
    pthread_mutex_unlock(&pool->lock);
    return all;
}

/* --- scratches ------------------------------------------------------------------------------- */

static idle_scratch *take_scratch(ladle_pool *pool, ladle_error *error)
{
    pthread_mutex_lock(&pool->lock);
    idle_scratch *s = pool->idle;
    if (s != NULL)
        pool->idle = s->next;
    pthread_mutex_unlock(&pool->lock);
    if (s != NULL)
        return s;
    s = ladle_alloc(pool->context, sizeof *s, LADLE_MEMORY_SCRATCH, error);
    if (s != NULL && !ladle_scratch_init(&s->scratch, pool->context, error)) {
        ladle_free(pool->context, s, sizeof *s, LADLE_MEMORY_SCRATCH);
        s = NULL;
    }
    return s;
}

static void give_scratch(ladle_pool *pool, idle_scratch *s)
{
    ladle_scratch_relax(&s->scratch);
    ladle_decompressed more = ladle_decompressor_count(s->scratch.decompressor);
    pthread_mutex_lock(&pool->lock);
    pool->decompressed.ns += more.ns;
    pool->decompressed.nbytes += more.nbytes;
    s->next = pool->idle;
    pool->idle = s;
    pthread_mutex_unlock(&pool->lock);
}

/* --- loops ----------------------------------------------------------------------------------- */

static void unlink_loop(ladle_pool *pool, loop *l)
{
    for (loop **at = &pool->loops; *at != NULL; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            return;
        }
}

/* Takes jobs of `l` until none are left. Called and returns with the lock held. */
static void work_on(ladle_pool *pool, loop *l, ladle_scratch *scratch)
{
    while (l->begun < l->n_jobs && !l->stopped) {
        int64_t index = l->begun++;
        if (l->begun == l->n_jobs)
            unlink_loop(pool, l);
        pthread_mutex_unlock(&pool->lock);
        bool go_on = l->job(l->user, index, scratch);
        pthread_mutex_lock(&pool->lock);
        if (!go_on && !l->stopped) {
            l->stopped = true;
            unlink_loop(pool, l);
        }
    }
}

/* The loop's owner waits while a worker is engaged: so the loop cannot vanish under it, and when the owner goes on the
 * worker touches nothing but the pool's own lock any more, which is what makes a fork between two calls safe. */
static void *worker(void *argument)
{
    ladle_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending) {
        loop *l = pool->loops;
        if (l == NULL) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        l->engaged++;
        pthread_mutex_unlock(&pool->lock);
        idle_scratch *s = take_scratch(pool, NULL);
        if (s != NULL) {
            pthread_mutex_lock(&pool->lock);
            work_on(pool, l, &s->scratch);
            pthread_mutex_unlock(&pool->lock);
            give_scratch(pool, s);
        }
        pthread_mutex_lock(&pool->lock);
        if (--l->engaged == 0)
            pthread_cond_broadcast(&pool->ended);
        if (s == NULL) /* no memory for a second scratch: the owner does the rest alone */
            pthread_cond_wait(&pool->work, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Starts the workers that are missing. With fewer than asked the loops still run. */
static void start_workers(ladle_pool *pool)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return;
    (void)pthread_attr_setstacksize(&attributes, STACK_NBYTES);
    while (pool->n_workers < pool->n_threads - 1) {
        if (pthread_create(&pool->workers[pool->n_workers], &attributes, worker, pool) != 0)
            break;
        pool->n_workers++;
    }
    (void)pthread_attr_destroy(&attributes);
}

static void run_alone(int64_t n_jobs, ladle_pool_job job, void *user, ladle_scratch *scratch)
{
    for (int64_t i = 0; i < n_jobs; i++)
        if (!job(user, i, scratch))
            return;
}

/* Without the pool's lock: a worker that woke for nothing may have held it when the process forked. */
static ladle_status run_in_child(ladle_pool *pool, int64_t n_jobs, ladle_pool_job job, void *user, ladle_error *error)
{
    ladle_scratch scratch;
    if (!ladle_scratch_init(&scratch, pool->context, error))
        return (ladle_status)error->status;
    run_alone(n_jobs, job, user, &scratch);
    ladle_scratch_destroy(&scratch);
    return LADLE_OK;
}

ladle_status ladle_pool_run(ladle_pool *pool, int64_t n_jobs, ladle_pool_job job, void *user, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    if (n_jobs <= 0)
        return LADLE_OK;
    if (pool->pid != getpid())
        return run_in_child(pool, n_jobs, job, user, error);
    idle_scratch *s = take_scratch(pool, error);
    if (s == NULL)
        return (ladle_status)error->status;
    if (n_jobs == 1 || pool->n_threads == 1) {
        run_alone(n_jobs, job, user, &s->scratch);
        give_scratch(pool, s);
        return LADLE_OK;
    }
    loop l = {.job = job, .user = user, .n_jobs = n_jobs};
    pthread_mutex_lock(&pool->lock);
    start_workers(pool);
    loop **last = &pool->loops;
    while (*last != NULL)
        last = &(*last)->next;
    *last = &l;
    pthread_cond_broadcast(&pool->work);
    work_on(pool, &l, &s->scratch);
    while (l.engaged > 0)
        pthread_cond_wait(&pool->ended, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    give_scratch(pool, s);
    return LADLE_OK;
}
