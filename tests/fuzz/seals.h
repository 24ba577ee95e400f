/* fuzz/seals.h: the checksums of the RNTuples in a file, and how to make them right again where bytes were damaged.
 *
 * A checksum hides the parser behind it from a flipped byte. So a file is first written anew with its envelopes stored
 * (compressed, a byte of theirs would be no longer one byte), and after each damage all checksums are computed again.
 */
#ifndef LADLE_TESTS_SEALS_H
#define LADLE_TESTS_SEALS_H

#include "support/bytes.h"

#include <stdbool.h>

/* XXH3 in that byte order; or the 8 bytes at `begin` once more. */
typedef enum seal_kind { SEAL_LITTLE, SEAL_BIG, SEAL_COPY } seal_kind;

typedef struct seal {
    size_t begin, nbytes; /* the bytes that it seals */
    size_t at;            /* where its 8 bytes lie */
    seal_kind kind;
} seal;

/* By the order in which they must be made. */
typedef struct seals {
    seal *items;
    size_t n;
} seals;

/* Writes a good file of RNTuples anew: *out is it, with all its envelopes stored at the end, and *found are its seals.
 * False if there is no RNTuple in it, or not a good one; nothing is to be freed then. */
bool store_envelopes(const uint8_t *file, size_t nbytes, bytes *out, seals *found);

/* Computes all checksums of a damaged copy again. */
void seal_again(uint8_t *file, const seals *s);

/* The same in any bytes, as far as anchors and stored envelopes can be recognised there. */
void seal_loosely(uint8_t *file, size_t nbytes);

#endif
