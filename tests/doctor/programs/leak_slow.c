/* Leaks 1000 bytes each 10 ms, up to 100 kB a second, beside 0 to 100 MB of blocks of random sizes that come and go. */
#include "program.h"

#define NOISE_MOST (100 * MB)

static struct {
    void *block;
    size_t nbytes;
} noise[100000];
static size_t noise_count, noise_nbytes;

static void take_noise(void)
{
    size_t nbytes = 2 * KB + random_below(90 * KB);
    noise[noise_count].block = take(nbytes);
    noise[noise_count++].nbytes = nbytes;
    noise_nbytes += nbytes;
}

static void drop_noise(void)
{
    size_t which = random_below(noise_count);
    give_back(noise[which].block, noise[which].nbytes);
    noise_nbytes -= noise[which].nbytes;
    noise[which] = noise[--noise_count];
}

int main(void)
{
    for (int step = 0; step < 200; step++) {
        size_t target = random_below(NOISE_MOST);
        while (noise_nbytes < target)
            take_noise();
        while (noise_nbytes > target)
            drop_noise();
        hold(take(1000));
        pause_ms(10);
    }
    return tell_truth(0);
}
