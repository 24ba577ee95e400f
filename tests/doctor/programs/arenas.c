/* Twelve threads that each need 16 MB, one after the other, and keep a small block: each arena keeps what its thread
 * needed. */
#include "program.h"

#include <pthread.h>

enum { THREADS = 12, BLOCKS = 800 };
#define NBYTES (20 * KB)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, finished;

static void *work(void *argument)
{
    int mine = (int)(intptr_t)argument;
    void *first = malloc(100); /* all threads are there: each has its own arena */
    pthread_mutex_lock(&lock);
    while (turn != mine)
        pthread_cond_wait(&changed, &lock);
    count_live(100);
    static void *blocks[THREADS][BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[mine][i] = take(NBYTES);
    void *kept = take(3 * KB);
    pause_ms(80);
    for (int i = 0; i < BLOCKS; i++)
        give_back(blocks[mine][i], NBYTES);
    pause_ms(40);
    turn++;
    pthread_cond_broadcast(&changed);
    while (!finished)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return (void *)((uintptr_t)kept ^ (uintptr_t)first);
}

int main(void)
{
    pthread_t threads[THREADS];
    turn = -1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) != 0)
            return perror("pthread_create"), 1;
    pause_ms(50);
    pthread_mutex_lock(&lock);
    turn = 0;
    pthread_cond_broadcast(&changed);
    while (turn < THREADS)
        pthread_cond_wait(&changed, &lock);
    finished = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return tell_truth(0);
}
