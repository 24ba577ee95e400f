#include "base/near.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 64 };

static int fold(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

/* Levenshtein distance of two names without regard to case, in halves: case costs 1, an edit 2. */
static int distance(const char *a, size_t na, const char *b, size_t nb)
{
    int row[MAX_NAME + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = (int)(2 * j);
    for (size_t i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = (int)(2 * i);
        for (size_t j = 1; j <= nb; j++) {
            int up = row[j];
            int same = a[i - 1] == b[j - 1] ? 0 : fold(a[i - 1]) == fold(b[j - 1]) ? 1 : 2;
            int best = diagonal + same;
            if (up + 2 < best)
                best = up + 2;
            if (row[j - 1] + 2 < best)
                best = row[j - 1] + 2;
            row[j] = best;
            diagonal = up;
        }
    }
    return row[nb];
}

void ladle_near_init(ladle_near *near, const char *wanted)
{
    memset(near, 0, sizeof *near);
    near->wanted = wanted;
}

void ladle_near_offer(ladle_near *near, const char *name)
{
    enum { KEEP = sizeof near->best / sizeof near->best[0] };
    size_t na = strlen(near->wanted), nb = strlen(name);
    if (na == 0 || na > MAX_NAME || nb > MAX_NAME)
        return;
    for (int i = 0; i < near->count; i++)
        if (strcmp(near->best[i].name, name) == 0)
            return; /* another cycle of the same name */
    /* A third of the letters may be wrong. */
    int worst = (int)(2 * (1 + na / 3));
    size_t gap = na > nb ? na - nb : nb - na;
    if ((int)(2 * gap) > worst)
        return;
    int d = distance(near->wanted, na, name, nb);
    if (d > worst || (near->count == KEEP && d >= near->best[KEEP - 1].distance))
        return;
    int at = near->count < KEEP ? near->count++ : KEEP - 1;
    while (at > 0 && near->best[at - 1].distance > d) {
        near->best[at] = near->best[at - 1];
        at--;
    }
    near->best[at].name = name;
    near->best[at].distance = d;
}

void ladle_near_write(const ladle_near *near, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < near->count && used < size; i++) {
        int n = snprintf(out + used, size - used, "%s%s",
                         i == 0                 ? "; did you mean "
                         : i + 1 == near->count ? " or "
                                                : ", ",
                         near->best[i].name);
        used += n < 0 ? 0 : (size_t)n;
    }
    if (near->count > 0 && used + 1 < size)
        (void)snprintf(out + used, size - used, "?");
}
