/* Takes 60 MB when it starts, then replaces blocks at random: steady [STEPS of 10 ms, 150]. */
#include "program.h"

int main(int argc, char **argv)
{
    enum { COUNT = 3000 };
    static void *blocks[COUNT];
    const size_t nbytes = 20 * KB;
    int steps = argc > 1 ? atoi(argv[1]) : 150;
    for (int i = 0; i < COUNT; i++)
        blocks[i] = take(nbytes);
    for (int step = 0; step < steps; step++) {
        for (int i = 0; i < 60; i++) {
            size_t which = random_below(COUNT);
            give_back(blocks[which], nbytes);
            blocks[which] = take(nbytes);
        }
        pause_ms(10);
    }
    return tell_truth(0);
}
