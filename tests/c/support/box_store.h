/* support/box_store.h: a store of one's own, over the public header alone: blocks with every bit flipped.
 *
 * It does what a test asks of it: count, wait, fail, forget; and remembers what was committed.
 */
#ifndef LADLE_TESTS_BOX_STORE_H
#define LADLE_TESTS_BOX_STORE_H

#include <ladle/store.h>

#include <stdatomic.h>

typedef struct box_store {
    ladle_store head;
    ladle_context *context;
    atomic_int rests, wakes, forms; /* calls, calls, forms that exist */
    atomic_int fail_rests;          /* so many fail next, with IO */
    atomic_int fail_wakes;          /* so many fail next, with CHECKSUM */
    atomic_int hold;                /* while not 0, wakes wait */
    atomic_int held;                /* that wait now */
    int64_t committed;              /* items of the last commit; -1: none yet */
    bool released;
} box_store;

/* Fills a store of the caller's; `persistent`: it can be committed, and named. */
ladle_store *box_store_init(box_store *box, ladle_context *context, bool persistent);

#endif
