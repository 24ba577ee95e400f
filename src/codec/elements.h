/* codec/elements.h: RNTuple's column elements: a page's bytes, decompressed -> native values.
 *
 * On disk, `bits` per element (BinaryFormatSpecification.md, "Column Description"); all of it little-endian:
 *   fixed width   Bit (LSB first), Byte, Char, [U]Int8..64, Real16, Real32, Real64, Index32, Index64, Switch (96)
 *   split         all first bytes of the page's elements, then all second bytes, ...
 *     zigzag      SplitInt*: x >= 0 is stored as 2x, x < 0 as -2x - 1
 *     delta       SplitIndex*: the first element as it is, each other as the difference to the one before
 *   packed        Real32Trunc (10 to 31 bits: the leading bits of a binary32), Real32Quant (1 to 32 bits: q stands for
 *                 minimum + q * ((maximum - minimum) / (2^bits - 1)) in double precision, and at most the maximum),
 *                 element i in bits [i * bits, (i + 1) * bits)
 * Each page is encoded by itself. An index is the end of a list, counted from the start of its cluster.
 *
 * Every kernel takes a whole page of `count` elements and makes the values of elements [skip, skip + take). The caller
 * has checked that the page has ladle_elements_nbytes(encoding, count) bytes. `page` has any alignment, `to` that of
 * its dtype; they do not overlap.
 */
#ifndef LADLE_CODEC_ELEMENTS_H
#define LADLE_CODEC_ELEMENTS_H

#include <ladle/base.h>

/* Numbers of the file. */
typedef enum ladle_element {
    LADLE_ELEMENT_BIT = 0x00,
    LADLE_ELEMENT_BYTE,
    LADLE_ELEMENT_CHAR,
    LADLE_ELEMENT_INT8,
    LADLE_ELEMENT_UINT8,
    LADLE_ELEMENT_INT16,
    LADLE_ELEMENT_UINT16,
    LADLE_ELEMENT_INT32,
    LADLE_ELEMENT_UINT32,
    LADLE_ELEMENT_INT64,
    LADLE_ELEMENT_UINT64,
    LADLE_ELEMENT_REAL16,
    LADLE_ELEMENT_REAL32,
    LADLE_ELEMENT_REAL64,
    LADLE_ELEMENT_INDEX32,
    LADLE_ELEMENT_INDEX64,
    LADLE_ELEMENT_SWITCH,
    LADLE_ELEMENT_SPLIT_INT16,
    LADLE_ELEMENT_SPLIT_UINT16,
    LADLE_ELEMENT_SPLIT_INT32,
    LADLE_ELEMENT_SPLIT_UINT32,
    LADLE_ELEMENT_SPLIT_INT64,
    LADLE_ELEMENT_SPLIT_UINT64,
    LADLE_ELEMENT_SPLIT_REAL16,
    LADLE_ELEMENT_SPLIT_REAL32,
    LADLE_ELEMENT_SPLIT_REAL64,
    LADLE_ELEMENT_SPLIT_INDEX32,
    LADLE_ELEMENT_SPLIT_INDEX64,
    LADLE_ELEMENT_REAL32_TRUNC,
    LADLE_ELEMENT_REAL32_QUANT,
    LADLE_ELEMENT_COUNT
} ladle_element;

typedef struct ladle_encoding {
    uint16_t element;        /* ladle_element */
    uint16_t bits;           /* on disk */
    double minimum, maximum; /* LADLE_ELEMENT_REAL32_QUANT; NaN where the file gives none */
} ladle_encoding;

/* The file's own name, such as "SplitReal32"; "unknown" for a number not listed. Borrows: static. */
const char *ladle_element_name(uint16_t element);

/* Is the element known, with a number of bits that it may have (and a range, if it needs one: finite, and not upside
 * down)? */
bool ladle_encoding_is_valid(const ladle_encoding *encoding);

/* Bytes of a page of `count` elements: the bits rounded up. False if it is more than INT64_MAX, or count < 0. */
bool ladle_elements_nbytes(const ladle_encoding *encoding, int64_t count, int64_t *nbytes);

/* dtype of its values where nothing else is said: the narrowest that holds them all (Bit bool, Byte and Char u8, all
 * packed and half reals f32); LADLE_DTYPE_NONE for index and switch elements, which are not values. */
ladle_dtype ladle_element_dtype(uint16_t element);

/* Can ladle_elements_decode make values of that dtype? Beside ladle_element_dtype: f64 for every real; u8, i8 and bool
 * for each other's one-byte elements; signed and unsigned integers of one width for each other. */
bool ladle_element_converts(uint16_t element, ladle_dtype dtype);

/* Are the page's bytes the values, so that decompressing into their place is all? (In that dtype, on this machine.) */
bool ladle_element_is_plain(uint16_t element, ladle_dtype dtype);

/* Elements -> values of `dtype`, which ladle_element_converts. bool values are 0 or 1, whatever is stored. far: they
 * are not read soon, and the caller settles (base/far.h). */
void ladle_elements_decode(const ladle_encoding *encoding, ladle_dtype dtype, void *to, const uint8_t *page,
                           int64_t count, int64_t skip, int64_t take, bool far);

/* Index elements -> ends of lists, plus `base`. Returns whether they rise, from `before` (an end without base; 0 at the
 * start of a cluster, and where it is not known) and none is above `most`. Where they do not, `to` and *last have been
 * written all the same, with values that mean nothing. *last: the last of them without base; `before` if take is 0.
 * Sums of differences wrap in the width of the elements, so that a sum too great for them falls. Those before `skip`
 * are summed up, but not looked at. */
bool ladle_elements_ends(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count, int64_t skip,
                         int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last);

/* The same where skip > 0 and `before` is the end right before, in the same page: nothing needs to be summed up for it.
 */
bool ladle_elements_ends_after(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count,
                               int64_t skip, int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last);

/* Switch elements -> tags and, or, places (NULL: not wanted): tag 0 for none, else tag k with its index + bases[k - 1],
 * where the index is below sizes[k - 1]; 1 <= k <= n_alternatives <= 127. The place of tag 0 is 0. Returns the first
 * element that says otherwise (counted from `skip`), or -1. */
int64_t ladle_elements_switch(int8_t *tags, int64_t *places, const uint8_t *page, int64_t skip, int64_t take,
                              int n_alternatives, const int64_t *bases, const int64_t *sizes);

/* The same without vector instructions or other haste: what the others are tested against. */
void ladle_elements_decode_scalar(const ladle_encoding *encoding, ladle_dtype dtype, void *to, const uint8_t *page,
                                  int64_t count, int64_t skip, int64_t take);
bool ladle_elements_ends_scalar(const ladle_encoding *encoding, int64_t *to, const uint8_t *page, int64_t count,
                                int64_t skip, int64_t take, int64_t base, int64_t before, int64_t most, int64_t *last);

#endif
