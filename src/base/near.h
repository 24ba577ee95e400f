/* base/near.h: names close to one that was not found, for messages. */
#ifndef LADLE_BASE_NEAR_H
#define LADLE_BASE_NEAR_H

#include <stddef.h>
#include <stdint.h>

/* Offers names one after the other; keeps the few nearest. Borrows the names until the list is written. */
typedef struct ladle_near {
    const char *wanted;
    struct {
        const char *name;
        int distance;
    } best[3];
    int count;
} ladle_near;

void ladle_near_init(ladle_near *near, const char *wanted);
void ladle_near_offer(ladle_near *near, const char *name);

/* Writes "; did you mean Jet_pt, Jet_eta?" or an empty string. */
void ladle_near_write(const ladle_near *near, char *out, size_t size);

#endif
