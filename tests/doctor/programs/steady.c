/* Takes some MB when it starts, then replaces blocks at random: steady MB STEPS, of 10 ms. */
#include "program.h"

int main(int argc, char **argv)
{
    enum { MOST = 5000 };
    static void *blocks[MOST];
    const size_t nbytes = 20 * KB;
    if (argc != 3)
        return fprintf(stderr, "usage: steady MB STEPS\n"), 2;
    size_t count = (size_t)atoi(argv[1]) * MB / nbytes;
    int steps = atoi(argv[2]);
    if (count < 1 || count > MOST)
        return fprintf(stderr, "MB: expected 1 to %zu\n", MOST * nbytes / MB), 2;
    for (size_t i = 0; i < count; i++)
        blocks[i] = take(nbytes);
    for (int step = 0; step < steps; step++) {
        for (int i = 0; i < 60; i++) {
            size_t which = random_below(count);
            give_back(blocks[which], nbytes);
            blocks[which] = take(nbytes);
        }
        pause_ms(10);
    }
    return tell_truth(0);
}
