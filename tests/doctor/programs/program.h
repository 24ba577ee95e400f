/* What the programs share whose memory is diagnosed: pace, random numbers, touching, and the truth that each tells of
 * itself at its end, as one line of JSON.
 *
 * A program works in steps with pauses in between, so that it lasts about as long on any machine and costs little of
 * its processor.
 */
#ifndef LADLE_TESTS_PROGRAM_H
#define LADLE_TESTS_PROGRAM_H

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_NBYTES 4096
#define KB ((size_t)1000)
#define MB ((size_t)1000000)

static inline void pause_ms(long milliseconds)
{
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

static inline uint64_t random_below(uint64_t below)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

/* Bytes that the program has asked for and not freed, now and at most. One thread counts. */
static int64_t live_now, live_most;

static inline void count_live(int64_t nbytes)
{
    live_now += nbytes;
    if (live_now > live_most)
        live_most = live_now;
}

/* For a block that stays and that nobody asks for again: the compiler may not leave it out. */
static inline void hold(void *block)
{
    __asm__ volatile("" : : "g"(block) : "memory");
}

/* A block whose pages are all resident. */
static inline void *take(size_t nbytes)
{
    char *block = malloc(nbytes);
    if (block == NULL) {
        perror("malloc");
        exit(1);
    }
    for (size_t i = 0; i < nbytes; i += PAGE_NBYTES)
        block[i] = 1;
    block[nbytes - 1] = 1;
    count_live((int64_t)nbytes);
    return block;
}

static inline void give_back(void *block, size_t nbytes)
{
    free(block);
    count_live(-(int64_t)nbytes);
}

/* Also what glibc holds; under another allocator that says nothing. */
static inline int tell_truth(int64_t mapped)
{
    struct mallinfo2 info = mallinfo2();
    printf("{\"live\": %lld, \"peak_live\": %lld, \"heap\": %zu, \"mapped\": %lld}\n", (long long)live_now,
           (long long)live_most, info.arena + info.hblkhd, (long long)mapped);
    return 0;
}

#endif
