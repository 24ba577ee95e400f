/* Needs much once, then runs on with little.
 *
 *     retention top     the last block stays: nothing below it is returned
 *     retention grown   a large block that was freed has raised glibc's thresholds: what is free at the top stays
 */
#include "program.h"

static void churn(void)
{
    static void *ring[200];
    for (int i = 0; i < 200; i++)
        ring[i] = take(5 * KB);
    for (int step = 0; step < 120; step++) {
        for (int i = 0; i < 50; i++) {
            size_t which = random_below(200);
            give_back(ring[which], 5 * KB);
            ring[which] = take(5 * KB);
        }
        pause_ms(10);
    }
}

static void need_much(size_t nbytes, int count, bool keep_last)
{
    void **blocks = take((size_t)count * sizeof *blocks);
    for (int i = 0; i < count; i++) {
        blocks[i] = take(nbytes);
        if (i % (count / 30) == 0)
            pause_ms(10);
    }
    void *top = take(nbytes);
    for (int i = 0; i < count; i++)
        give_back(blocks[i], nbytes);
    if (!keep_last)
        give_back(top, nbytes);
    give_back(blocks, (size_t)count * sizeof *blocks);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "top") == 0) {
        need_much(60 * KB, 2500, true);
    } else if (argc == 2 && strcmp(argv[1], "grown") == 0) {
        give_back(take(30 * MB), 30 * MB);
        need_much(500 * KB, 110, false);
    } else {
        return fprintf(stderr, "usage: retention top|grown\n"), 2;
    }
    churn();
    return tell_truth(0);
}
