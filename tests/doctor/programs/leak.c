/* Leaks 1 MB a step in blocks of 10 kB, beside work that is freed. */
#include "program.h"

int main(void)
{
    for (int step = 0; step < 150; step++) {
        void *work = take(300 * KB);
        for (int i = 0; i < 100; i++)
            hold(take(10 * KB));
        give_back(work, 300 * KB);
        pause_ms(10);
    }
    return tell_truth(0);
}
