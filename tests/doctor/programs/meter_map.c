/* A heap whose pages are known: 1000 chunks of a page each, of which every second one is freed and every tenth never
 * touched; and a leak that grows behind one function while another keeps what it has. Prints how many chunks of
 * which kind there are. */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096, COUNT = 1000 };

static char *kept[64];
static void *volatile leaked;

static __attribute__((noinline)) void keep_from_the_start(void)
{
    for (int i = 0; i < 64; i++) {
        kept[i] = malloc(500000);
        memset(kept[i], 1, 500000);
    }
}

static __attribute__((noinline)) void leak_a_little(void)
{
    leaked = malloc(100000);
    memset(leaked, 1, 100000);
}

int main(void)
{
    static char *pages[COUNT];
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    keep_from_the_start();
    /* A chunk is its block and a header of 8 bytes, so these are exactly a page each, one after the other. */
    for (int i = 0; i < COUNT; i++) {
        pages[i] = malloc(PAGE - 8);
        if (i % 10 != 1)
            memset(pages[i], 1, PAGE - 8);
    }
    for (int i = 0; i < COUNT; i += 2)
        free(pages[i]);
    for (int i = 0; i < 300; i++) {
        struct timespec pause = {0, 3000000};
        leak_a_little();
        nanosleep(&pause, NULL);
    }
    printf("{\"freed\": %d, \"kept\": %d, \"leaked\": %d}\n", COUNT / 2, COUNT / 2, 300 * 100000);
    return 0;
}
