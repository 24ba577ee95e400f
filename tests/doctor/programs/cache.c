/* A cache of 120 MB that fills in the first half of the run, and then drops its oldest for each new one. */
#include "program.h"

int main(void)
{
    enum { MOST = 6000 };
    static void *cache[MOST];
    const size_t nbytes = 20 * KB;
    int next = 0, count = 0;
    for (int step = 0; step < 160; step++) {
        for (int i = 0; i < MOST / 80; i++) {
            if (count == MOST)
                give_back(cache[next], nbytes);
            else
                count++;
            cache[next] = take(nbytes);
            next = (next + 1) % MOST;
        }
        pause_ms(10);
    }
    return tell_truth(0);
}
