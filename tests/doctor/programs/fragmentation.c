/* Holes that nothing fits in.
 *
 *     fragmentation between   small blocks that stay, between large ones that are freed; then larger ones
 *     fragmentation shrink    large blocks of which a small part is kept, in place; then larger ones
 */
#include "program.h"

#define SMALL 64

/* The rest of the run: as much comes as goes. */
static void go_on(void)
{
    for (int step = 0; step < 100; step++) {
        void *work = take(300 * KB);
        pause_ms(10);
        give_back(work, 300 * KB);
    }
}

static void between(void)
{
    enum { COUNT = 1500, FEWER = 1200 };
    static void *large[COUNT];
    const size_t first = 60 * KB, second = 70 * KB;
    for (int i = 0; i < COUNT; i++) {
        large[i] = take(first);
        hold(take(SMALL));
        if (i % 60 == 0)
            pause_ms(10);
    }
    for (int i = 0; i < COUNT; i++)
        give_back(large[i], first);
    for (int i = 0; i < FEWER; i++) {
        large[i] = take(second);
        if (i % 60 == 0)
            pause_ms(10);
    }
}

static void shrink(void)
{
    static void *kept[12][400];
    for (size_t round = 0; round < 12; round++) {
        size_t nbytes = 20 * KB + 8 * KB * round;
        size_t count = 24 * MB / nbytes < 400 ? 24 * MB / nbytes : 400;
        for (size_t i = 0; i < count; i++) {
            kept[round][i] = take(nbytes);
            if (i % 80 == 0)
                pause_ms(10);
        }
        for (size_t i = 0; i < count; i++) {
            void *small = realloc(kept[round][i], SMALL);
            if (small != NULL)
                kept[round][i] = small;
            count_live(SMALL - (int64_t)nbytes);
        }
        pause_ms(20);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "between") == 0)
        between();
    else if (argc == 2 && strcmp(argv[1], "shrink") == 0)
        shrink();
    else
        return fprintf(stderr, "usage: fragmentation between|shrink\n"), 2;
    go_on();
    return tell_truth(0);
}
