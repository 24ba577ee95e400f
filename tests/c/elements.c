/* Column elements: the fast ways equal the plain ones over random pages, and both the answers worked out by hand.
 *
 * Pages lie at the end of a block of exactly their size, so that address sanitizers see what is read past them. */
#include "codec/elements.h"

#include "base/far.h"
#include "support/check.h"

#include <math.h>

enum { MARGIN = 64, SMALL = 70, LARGE = 4099 };

static const ladle_dtype every_dtype[] = {LADLE_DTYPE_BOOL, LADLE_DTYPE_I8,  LADLE_DTYPE_U8,  LADLE_DTYPE_I16,
                                          LADLE_DTYPE_U16,  LADLE_DTYPE_I32, LADLE_DTYPE_U32, LADLE_DTYPE_I64,
                                          LADLE_DTYPE_U64,  LADLE_DTYPE_F32, LADLE_DTYPE_F64};

/* --- pages ------------------------------------------------------------------------------------------------------ */

typedef struct page {
    uint8_t *block, *data;
    int64_t count, nbytes;
} page;

/* `count` elements, `shift` bytes from the start of a block. */
static page new_page(const ladle_encoding *encoding, int64_t count, size_t shift)
{
    page p = {.count = count};
    assert_true(ladle_elements_nbytes(encoding, count, &p.nbytes));
    p.block = malloc(shift + (size_t)p.nbytes + (shift + (size_t)p.nbytes == 0));
    assert_non_null(p.block);
    p.data = p.block + shift;
    return p;
}

/* Stores `value` as element i of `size` bytes, little-endian, in planes if it is split. */
static void put_element(page *p, int64_t i, uint64_t value, int size, bool is_split)
{
    for (int k = 0; k < size; k++)
        p->data[is_split ? k * p->count + i : i * size + k] = (uint8_t)(value >> (8 * k));
}

/* --- equality of the two ways ------------------------------------------------------------------------------------- */

/* Values between margins, which both ways must leave alone. */
typedef struct room {
    uint8_t fast[2 * MARGIN + (LARGE + 16) * 8], scalar[2 * MARGIN + (LARGE + 16) * 8];
} room;

/* `far`: as what is not read soon, to any place within a line. */
static void compare_way(room *r, const ladle_encoding *encoding, ladle_dtype dtype, const page *p, int64_t skip,
                        int64_t take, bool far)
{
    size_t size = ladle_dtype_size(dtype), at = MARGIN + (far ? (size_t)(take + skip) % 16 * size : 0);
    size_t nbytes = at + (size_t)take * size + MARGIN;
    memset(r->fast, 0xee, nbytes);
    memset(r->scalar, 0xee, nbytes);
    ladle_elements_decode(encoding, dtype, r->fast + at, p->data, p->count, skip, take, far);
    ladle_far_settle();
    ladle_elements_decode_scalar(encoding, dtype, r->scalar + at, p->data, p->count, skip, take);
    for (size_t i = 0; i < MARGIN; i++)
        if (r->scalar[i] != 0xee || r->scalar[nbytes - 1 - i] != 0xee)
            fail_msg("%s wrote outside", ladle_element_name(encoding->element));
    if (memcmp(r->fast, r->scalar, nbytes) != 0)
        fail_msg("%s of %d bits to %s: count %d, skip %d, take %d, far %d", ladle_element_name(encoding->element),
                 encoding->bits, ladle_dtype_name(dtype), (int)p->count, (int)skip, (int)take, far);
}

static void compare(room *r, const ladle_encoding *encoding, ladle_dtype dtype, const page *p, int64_t skip,
                    int64_t take)
{
    compare_way(r, encoding, dtype, p, skip, take, false);
    compare_way(r, encoding, dtype, p, skip, take, true);
}

static void compare_count(room *r, uint64_t *seed, const ladle_encoding *encoding, ladle_dtype dtype, int64_t count,
                          size_t shift)
{
    page p = new_page(encoding, count, shift);
    random_fill(seed, p.data, (size_t)p.nbytes);
    int64_t skip = random_below(seed, count + 1);
    compare(r, encoding, dtype, &p, 0, count);
    compare(r, encoding, dtype, &p, skip, count - skip);
    compare(r, encoding, dtype, &p, skip, random_below(seed, count - skip + 1));
    compare(r, encoding, dtype, &p, count, 0);
    if (skip < count)
        compare(r, encoding, dtype, &p, skip, 1);
    free(p.block);
}

static void fast_equals_scalar(void **state)
{
    (void)state;
    static const int64_t large[] = {511, 512, 513, 1023, 1040, LARGE};
    room *r = malloc(sizeof *r);
    assert_non_null(r);
    uint64_t seed = 5;
    int n_pairs = 0;
    for (uint16_t element = 0; element < LADLE_ELEMENT_COUNT; element++)
        for (uint16_t bits = 1; bits <= 64; bits++)
            for (size_t d = 0; d < N_OF(every_dtype); d++) {
                ladle_encoding encoding = {.element = element, .bits = bits, .minimum = -1.7, .maximum = 0.1};
                if (!ladle_encoding_is_valid(&encoding) || !ladle_element_converts(element, every_dtype[d]))
                    continue;
                n_pairs++;
                for (int64_t count = 0; count <= SMALL; count++)
                    for (size_t shift = 0; shift < 16; shift++)
                        compare_count(r, &seed, &encoding, every_dtype[d], count, shift);
                for (size_t k = 0; k < N_OF(large); k++)
                    compare_count(r, &seed, &encoding, every_dtype[d], large[k], k % 2 == 0 ? 0 : 3 * k);
            }
    /* Five elements of one byte for three dtypes each; integers of 2, 4 and 8 bytes, four of each, for two;
     * Real16 and 32, split or not, 22 widths of trunc and 32 of quant for two; two of Real64 for one. */
    assert_int_equal(n_pairs, 5 * 3 + 12 * 2 + (4 + 22 + 32) * 2 + 2);
    free(r);
}

/* --- known answers --------------------------------------------------------------------------------------------------
 */

#define DECODE(encoding, dtype, to, count, skip, take, ...)                                           \
    do {                                                                                              \
        static const uint8_t bytes[] = {__VA_ARGS__};                                                 \
        page p = new_page((encoding), (count), 1);                                                    \
        assert_int_equal(p.nbytes, sizeof bytes);                                                     \
        memcpy(p.data, bytes, sizeof bytes);                                                          \
        if (ways == 0)                                                                                \
            ladle_elements_decode((encoding), (dtype), (to), p.data, (count), (skip), (take), false); \
        else                                                                                          \
            ladle_elements_decode_scalar((encoding), (dtype), (to), p.data, (count), (skip), (take)); \
        free(p.block);                                                                                \
    } while (0)

static ladle_encoding encoding_of(ladle_element element, int bits)
{
    return (ladle_encoding){.element = (uint16_t)element, .bits = (uint16_t)bits};
}

static void known_integers(void **state)
{
    (void)state;
    for (int ways = 0; ways < 2; ways++) {
        /* 0, -1, 1, the greatest, the least: 0, 1, 2, fffe, ffff. All low bytes, then all high ones. */
        ladle_encoding encoding = encoding_of(LADLE_ELEMENT_SPLIT_INT16, 16);
        int16_t i16[5];
        DECODE(&encoding, LADLE_DTYPE_I16, i16, 5, 0, 5, 0, 1, 2, 0xfe, 0xff, 0, 0, 0, 0xff, 0xff);
        static const int16_t expected16[5] = {0, -1, 1, INT16_MAX, INT16_MIN};
        assert_memory_equal(i16, expected16, sizeof i16);

        encoding = encoding_of(LADLE_ELEMENT_SPLIT_INT32, 32);
        int32_t i32[3];
        DECODE(&encoding, LADLE_DTYPE_I32, i32, 4, 1, 3, 9, 3, 0xfe, 0xff, 9, 1, 0xff, 0xff, 9, 0, 0xff, 0xff, 9, 0,
               0xff, 0xff);
        static const int32_t expected32[3] = {-130, INT32_MAX, INT32_MIN}; /* 0x103 = 2 * 130 - 1 */
        assert_memory_equal(i32, expected32, sizeof i32);

        encoding = encoding_of(LADLE_ELEMENT_SPLIT_INT64, 64);
        int64_t i64[2];
        DECODE(&encoding, LADLE_DTYPE_I64, i64, 2, 0, 2, 5, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff,
               0, 0xff);
        static const int64_t expected64[2] = {-3, INT64_MIN};
        assert_memory_equal(i64, expected64, sizeof i64);

        /* No zigzag in what is unsigned, and little-endian where it is not split. */
        encoding = encoding_of(LADLE_ELEMENT_SPLIT_UINT32, 32);
        uint32_t u32[2];
        DECODE(&encoding, LADLE_DTYPE_U32, u32, 2, 0, 2, 0x44, 0xf4, 0x33, 0xf3, 0x22, 0xf2, 0x11, 0xf1);
        assert_int_equal(u32[0], 0x11223344);
        assert_int_equal(u32[1], 0xf1f2f3f4);
        encoding = encoding_of(LADLE_ELEMENT_UINT32, 32);
        DECODE(&encoding, LADLE_DTYPE_U32, u32, 2, 1, 1, 0, 0, 0, 0, 0xf4, 0xf3, 0xf2, 0xf1);
        assert_int_equal(u32[0], 0xf1f2f3f4);
    }
}

static void known_bits_and_bytes(void **state)
{
    (void)state;
    for (int ways = 0; ways < 2; ways++) {
        ladle_encoding encoding = encoding_of(LADLE_ELEMENT_BIT, 1);
        uint8_t u8[17];
        DECODE(&encoding, LADLE_DTYPE_BOOL, u8, 17, 0, 17, 0x01, 0x86, 0xff);
        static const uint8_t expected[17] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1};
        assert_memory_equal(u8, expected, sizeof u8);
        DECODE(&encoding, LADLE_DTYPE_I8, u8, 17, 6, 11, 0x01, 0x86, 0xff);
        assert_memory_equal(u8, expected + 6, 11);

        encoding = encoding_of(LADLE_ELEMENT_CHAR, 8);
        DECODE(&encoding, LADLE_DTYPE_BOOL, u8, 4, 0, 4, 0, 1, 2, 0x80);
        static const uint8_t bools[4] = {0, 1, 1, 1};
        assert_memory_equal(u8, bools, sizeof bools);
        DECODE(&encoding, LADLE_DTYPE_U8, u8, 4, 1, 3, 0, 1, 2, 0x80);
        static const uint8_t same[3] = {1, 2, 0x80};
        assert_memory_equal(u8, same, sizeof same);
    }
}

static void known_reals(void **state)
{
    (void)state;
    for (int ways = 0; ways < 2; ways++) {
        /* 1, -2, the least subnormal, the greatest subnormal, the greatest, -0, infinity, NaNs with their bits. */
        ladle_encoding encoding = encoding_of(LADLE_ELEMENT_REAL16, 16);
        uint32_t patterns[9];
        DECODE(&encoding, LADLE_DTYPE_F32, patterns, 9, 0, 9, 0, 0x3c, 0, 0xc0, 1, 0, 0xff, 3, 0xff, 0x7b, 0, 0x80, 0,
               0x7c, 1, 0x7c, 0, 0xfe);
        static const uint32_t halves[9] = {0x3f800000, 0xc0000000, 0x33800000, 0x387fc000, 0x477fe000,
                                           0x80000000, 0x7f800000, 0x7f802000, 0xffc00000};
        assert_memory_equal(patterns, halves, sizeof halves);
        double wide[2];
        encoding = encoding_of(LADLE_ELEMENT_SPLIT_REAL16, 16);
        DECODE(&encoding, LADLE_DTYPE_F64, wide, 2, 0, 2, 1, 0xff, 0x80, 0x7b);
        assert_true(wide[0] == -0x1p-24 && wide[1] == 65504);

        /* 1.5 and -0.1 in a float and a double. */
        encoding = encoding_of(LADLE_ELEMENT_SPLIT_REAL32, 32);
        DECODE(&encoding, LADLE_DTYPE_F64, wide, 2, 0, 2, 0, 0xcd, 0, 0xcc, 0xc0, 0xcc, 0x3f, 0xbd);
        assert_true(wide[0] == 1.5 && wide[1] == (double)-0.1F);
        encoding = encoding_of(LADLE_ELEMENT_SPLIT_REAL64, 64);
        DECODE(&encoding, LADLE_DTYPE_F64, wide, 1, 0, 1, 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0xbf);
        assert_true(wide[0] == -0.1);

        /* The leading 10 bits of 1, -2 and 1.5: 0x0fe, 0x300, 0x0ff, packed from the least significant bit on. */
        encoding = encoding_of(LADLE_ELEMENT_REAL32_TRUNC, 10);
        float narrow[3];
        DECODE(&encoding, LADLE_DTYPE_F32, narrow, 3, 0, 3, 0xfe, 0x00, 0xfc, 0x0f);
        assert_true(narrow[0] == 1 && narrow[1] == -2 && narrow[2] == 1.5);
        DECODE(&encoding, LADLE_DTYPE_F64, wide, 3, 1, 2, 0xfe, 0x00, 0xfc, 0x0f);
        assert_true(wide[0] == -2 && wide[1] == 1.5);
        /* 31 bits: all but the last one of 0x3f800003. */
        encoding = encoding_of(LADLE_ELEMENT_REAL32_TRUNC, 31);
        DECODE(&encoding, LADLE_DTYPE_F32, patterns, 1, 0, 1, 0x01, 0x00, 0xc0, 0x1f);
        assert_int_equal(patterns[0], 0x3f800002);
    }
}

static void known_quantised(void **state)
{
    (void)state;
    /* Bit for bit what ROOT makes of them: minimum + q * step, in double precision, where step is rounded by itself;
     * and not above the maximum, which 7 * step + minimum is here. */
    for (int ways = 0; ways < 2; ways++) {
        ladle_encoding encoding = {LADLE_ELEMENT_REAL32_QUANT, 3, -1.18, 1.35};
        double wide[3];
        float narrow[3];
        DECODE(&encoding, LADLE_DTYPE_F64, wide, 3, 0, 3, 7 | 0 << 3 | (3 & 3) << 6, 3 >> 2);
        assert_true(wide[0] == 1.35 && wide[1] == -1.18);
        assert_true(7 * ((1.35 + 1.18) / 7) - 1.18 > 1.35);
        encoding = (ladle_encoding){LADLE_ELEMENT_REAL32_QUANT, 3, -1.7, 0.1};
        DECODE(&encoding, LADLE_DTYPE_F64, wide, 3, 0, 3, 0xdf, 0);
        assert_true(wide[0] == 0.1 && wide[1] == -0x1.db6db6db6db6cp-1 && wide[2] == -0x1.db6db6db6db6cp-1);
        DECODE(&encoding, LADLE_DTYPE_F32, narrow, 3, 1, 2, 0xdf, 0);
        assert_true(narrow[0] == -0x1.db6db6p-1F && narrow[1] == narrow[0]);

        /* All 32 bits; and a range that is a point. */
        encoding = (ladle_encoding){LADLE_ELEMENT_REAL32_QUANT, 32, 0, 4294967295.0};
        DECODE(&encoding, LADLE_DTYPE_F64, wide, 2, 0, 2, 0x78, 0x56, 0x34, 0xf2, 0xff, 0xff, 0xff, 0xff);
        assert_true(wide[0] == 0xf2345678 && wide[1] == 4294967295.0);
        encoding = (ladle_encoding){LADLE_ELEMENT_REAL32_QUANT, 8, 2.5, 2.5};
        DECODE(&encoding, LADLE_DTYPE_F32, narrow, 2, 0, 2, 0, 255);
        assert_true(narrow[0] == 2.5F && narrow[1] == 2.5F);
    }
}

/* --- ends
 * ------------------------------------------------------------------------------------------------------------- */

/* A page of ends, as the writer of a file encodes them: as they are, or the first one and differences. */
static page page_of_ends(const ladle_encoding *encoding, const uint64_t *ends, int64_t count, size_t shift)
{
    page p = new_page(encoding, count, shift);
    bool is_split = encoding->element >= LADLE_ELEMENT_SPLIT_INDEX32;
    for (int64_t i = 0; i < count; i++)
        put_element(&p, i, is_split && i > 0 ? ends[i] - ends[i - 1] : ends[i], encoding->bits / 8, is_split);
    return p;
}

typedef struct request {
    int64_t skip, take, base, before, most;
} request;

/* What both ways say: do the ends rise? Where they do, their values are the same, and those of `ends`. */
static bool agree(const ladle_encoding *encoding, const uint64_t *ends, const page *p, const request *r)
{
    static int64_t fast[LARGE + 1], scalar[LARGE + 1];
    int64_t fast_last = -7, scalar_last = -7;
    fast[r->take] = scalar[r->take] = 77;
    bool good = ladle_elements_ends_scalar(encoding, scalar, p->data, p->count, r->skip, r->take, r->base, r->before,
                                           r->most, &scalar_last);
    if (ladle_elements_ends(encoding, fast, p->data, p->count, r->skip, r->take, r->base, r->before, r->most,
                            &fast_last) != good)
        fail_msg("%s: %s only one way: count %d, skip %d, take %d, before %lld, most %lld",
                 ladle_element_name(encoding->element), good ? "fall" : "rise", (int)p->count, (int)r->skip,
                 (int)r->take, (long long)r->before, (long long)r->most);
    assert_int_equal(fast[r->take], 77);
    assert_int_equal(scalar[r->take], 77);
    if (!good)
        return false;
    for (int64_t i = 0; i < r->take; i++) {
        assert_int_equal(scalar[i], (int64_t)ends[r->skip + i] + r->base);
        assert_int_equal(fast[i], scalar[i]);
    }
    int64_t expected = r->take == 0 ? r->before : (int64_t)ends[r->skip + r->take - 1];
    assert_int_equal(scalar_last, expected);
    assert_int_equal(fast_last, expected);
    return true;
}

static const ladle_encoding index_encodings[] = {{.element = LADLE_ELEMENT_INDEX32, .bits = 32},
                                                 {.element = LADLE_ELEMENT_INDEX64, .bits = 64},
                                                 {.element = LADLE_ELEMENT_SPLIT_INDEX32, .bits = 32},
                                                 {.element = LADLE_ELEMENT_SPLIT_INDEX64, .bits = 64}};

/* Rising ends, every part of them; then one of them, or one of the limits, is wrong. */
static void check_ends(uint64_t *seed, const ladle_encoding *encoding, int64_t count, size_t shift)
{
    static uint64_t ends[LARGE];
    int64_t greatest = encoding->bits == 32 ? (int64_t)UINT32_MAX : INT64_MAX - 1000;
    int64_t step = random_below(seed, 4) == 0 ? greatest / (count + 1) : 1 + random_below(seed, 20);
    uint64_t end = (uint64_t)random_below(seed, step);
    for (int64_t i = 0; i < count; i++, end += (uint64_t)random_below(seed, step))
        ends[i] = end;
    page p = page_of_ends(encoding, ends, count, shift);
    int64_t skip = random_below(seed, count), take = 1 + random_below(seed, count - skip);
    int64_t last = (int64_t)ends[skip + take - 1], before = skip > 0 ? (int64_t)ends[skip - 1] : 0;
    int64_t base = random_below(seed, 2) * random_below(seed, 1000);
    assert_true(agree(encoding, ends, &p, &(request){0, count, base, 0, (int64_t)ends[count - 1]}));
    assert_true(agree(encoding, ends, &p, &(request){skip, take, base, before, last}));
    assert_true(agree(encoding, ends, &p, &(request){skip, take, base, 0, INT64_MAX}));
    assert_true(agree(encoding, ends, &p, &(request){skip, 0, base, before, 0}));
    assert_true(agree(encoding, ends, &p, &(request){count, 0, base, before, 0}));
    assert_false(agree(encoding, ends, &p, &(request){skip, take, base, before, last - 1}));
    assert_false(agree(encoding, ends, &p, &(request){skip, take, base, (int64_t)ends[skip] + 1, INT64_MAX}));
    assert_false(agree(encoding, ends, &p, &(request){skip, take, base, before, -1}));
    free(p.block);

    /* One falls: below the one before it, or to where the bits of an element end. */
    int64_t at = skip + random_below(seed, take);
    uint64_t was = ends[at], floor = at > skip ? ends[at - 1] : (uint64_t)before;
    ends[at] = random_below(seed, 2) == 0 || floor == 0 ? (uint64_t)-1 >> (64 - encoding->bits) : floor - 1;
    bool falls = ends[at] < floor || ends[at] > INT64_MAX || (at + 1 < skip + take && ends[at + 1] < ends[at]);
    p = page_of_ends(encoding, ends, count, shift);
    assert_int_equal(agree(encoding, ends, &p, &(request){skip, take, base, before, INT64_MAX}), !falls);
    free(p.block);
    ends[at] = was;

    /* Whatever the bytes are, both ways judge them alike. */
    p = new_page(encoding, count, shift);
    random_fill(seed, p.data, (size_t)p.nbytes);
    for (int64_t i = 0; i < p.nbytes && random_below(seed, 2) == 0; i++)
        p.data[random_below(seed, p.nbytes)] = 0;
    int64_t found;
    static int64_t values[LARGE];
    bool good = ladle_elements_ends(encoding, values, p.data, count, skip, take, 0, 0, INT64_MAX, &found);
    for (int64_t i = 0; i < take && good; i++)
        ends[skip + i] = (uint64_t)values[i];
    (void)agree(encoding, ends, &p, &(request){skip, take, 0, 0, INT64_MAX});
    free(p.block);
}

static void ends_agree(void **state)
{
    (void)state;
    static const int64_t large[] = {512, 513, 514, 1025, LARGE};
    uint64_t seed = 11;
    for (size_t k = 0; k < N_OF(index_encodings); k++) {
        for (int64_t count = 1; count <= SMALL; count++)
            for (size_t shift = 0; shift < 16; shift++)
                check_ends(&seed, &index_encodings[k], count, shift);
        for (size_t n = 0; n < N_OF(large); n++)
            for (size_t shift = 0; shift < 16; shift++)
                check_ends(&seed, &index_encodings[k], large[n], shift);
    }
}

static bool ends_both(ladle_element element, int64_t *to, const uint8_t *bytes, int64_t count, const request *r,
                      int64_t *last)
{
    ladle_encoding encoding = encoding_of(element, element == LADLE_ELEMENT_SPLIT_INDEX32 ? 32 : 64);
    page p = new_page(&encoding, count, 3);
    memcpy(p.data, bytes, (size_t)p.nbytes);
    bool good = ladle_elements_ends(&encoding, to, p.data, count, r->skip, r->take, r->base, r->before, r->most, last);
    assert_int_equal(
        ladle_elements_ends_scalar(&encoding, to, p.data, count, r->skip, r->take, r->base, r->before, r->most, last),
        good);
    free(p.block);
    return good;
}

static void known_ends(void **state)
{
    (void)state;
    int64_t to[3], last;
    /* 5, 5 + 0, 5 + 0 + 0x101. */
    static const uint8_t deltas[12] = {5, 0, 1, 0, 0, 1};
    assert_true(ends_both(LADLE_ELEMENT_SPLIT_INDEX32, to, deltas, 3, &(request){0, 3, 100, 5, 262}, &last));
    assert_true(to[0] == 105 && to[1] == 105 && to[2] == 362 && last == 262);
    assert_true(ends_both(LADLE_ELEMENT_SPLIT_INDEX32, to, deltas, 3, &(request){2, 1, 0, 0, 262}, &last));
    assert_true(to[0] == 262 && last == 262);
    assert_false(ends_both(LADLE_ELEMENT_SPLIT_INDEX32, to, deltas, 3, &(request){0, 3, 0, 6, 262}, &last));
    assert_false(ends_both(LADLE_ELEMENT_SPLIT_INDEX32, to, deltas, 3, &(request){0, 3, 0, 0, 261}, &last));

    /* 2, then one less; 2, then 2^32 - 1 more: the same bytes, which fall, however many items there may be. */
    static const uint8_t falls[8] = {2, 0xff, 0, 0xff, 0, 0xff, 0, 0xff};
    assert_false(ends_both(LADLE_ELEMENT_SPLIT_INDEX32, to, falls, 2, &(request){0, 2, 0, 0, INT64_MAX}, &last));
    /* Counted from the middle of what falls, an end is an end. */
    assert_true(ends_both(LADLE_ELEMENT_SPLIT_INDEX32, to, falls, 2, &(request){1, 1, 0, 0, INT64_MAX}, &last));
    assert_int_equal(to[0], 1);

    /* 2^63 - 1, then 1 more: overflows. Then 2^64 - 1 more, one less than 2^63 - 1. */
    static const uint8_t overflows[16] = {0xff, 1, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0x7f, 0};
    assert_false(ends_both(LADLE_ELEMENT_SPLIT_INDEX64, to, overflows, 2, &(request){0, 2, 0, 0, INT64_MAX}, &last));
    assert_true(ends_both(LADLE_ELEMENT_SPLIT_INDEX64, to, overflows, 2, &(request){0, 1, 0, 0, INT64_MAX}, &last));
    assert_int_equal(last, INT64_MAX);
    static const uint8_t wraps[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff};
    assert_false(ends_both(LADLE_ELEMENT_SPLIT_INDEX64, to, wraps, 2, &(request){0, 2, 0, 0, INT64_MAX}, &last));
    assert_false(ends_both(LADLE_ELEMENT_INDEX64, to, wraps, 2, &(request){1, 1, 0, 0, INT64_MAX}, &last));
    assert_true(ends_both(LADLE_ELEMENT_INDEX64, to, wraps, 2, &(request){1, 0, 0, 9, 0}, &last));
    assert_int_equal(last, 9);
}

/* --- alternatives
 * ------------------------------------------------------------------------------------------------------- */

static void switches(void **state)
{
    (void)state;
    static const struct {
        uint64_t index, tag;
    } elements[] = {{7, 1}, {3, 2}, {99, 0}, {0, 2}, {4, 2}, {0, 3}, {0, UINT32_MAX}, {UINT64_MAX, 1}, {7, 257}};
    static const int64_t bases[] = {1000, 2000}, sizes[] = {8, 4};
    ladle_encoding encoding = encoding_of(LADLE_ELEMENT_SWITCH, 96);
    page p = new_page(&encoding, N_OF(elements), 1);
    for (size_t i = 0; i < N_OF(elements); i++)
        for (size_t k = 0; k < 12; k++)
            p.data[12 * i + k] = (uint8_t)(k < 8 ? elements[i].index >> (8 * k) : elements[i].tag >> (8 * (k - 8)));
    int8_t tags[4];
    int64_t places[4];
    assert_int_equal(ladle_elements_switch(tags, places, p.data, 0, 4, 2, bases, sizes), -1);
    static const int8_t expected_tags[] = {1, 2, 0, 2};
    static const int64_t expected_places[] = {1007, 2003, 0, 2000};
    assert_memory_equal(tags, expected_tags, sizeof tags);
    assert_memory_equal(places, expected_places, sizeof places);
    assert_int_equal(ladle_elements_switch(tags, NULL, p.data, 1, 2, 2, bases, sizes), -1);
    assert_true(tags[0] == 2 && tags[1] == 0);
    assert_int_equal(ladle_elements_switch(NULL, places, p.data, 2, 2, 2, bases, sizes), -1);
    assert_true(places[0] == 0 && places[1] == 2000);
    assert_int_equal(ladle_elements_switch(NULL, NULL, p.data, 0, (int64_t)N_OF(elements), 2, bases, sizes), 4);
    for (int64_t i = 4; i < (int64_t)N_OF(elements); i++) /* each of them by itself */
        assert_int_equal(ladle_elements_switch(NULL, NULL, p.data, i, 1, 2, bases, sizes), 0);
    assert_int_equal(ladle_elements_switch(NULL, NULL, p.data, 1, 1, 1, bases, sizes), 0);
    assert_int_equal(ladle_elements_switch(NULL, NULL, p.data, 1, 0, 1, bases, sizes), -1);
    free(p.block);
}

/* --- what there is
 * ------------------------------------------------------------------------------------------------------- */

static void names_and_dtypes(void **state)
{
    (void)state;
    static const char *const names[] = {"Bit",         "Byte",         "Char",         "Int8",        "UInt8",
                                        "Int16",       "UInt16",       "Int32",        "UInt32",      "Int64",
                                        "UInt64",      "Real16",       "Real32",       "Real64",      "Index32",
                                        "Index64",     "Switch",       "SplitInt16",   "SplitUInt16", "SplitInt32",
                                        "SplitUInt32", "SplitInt64",   "SplitUInt64",  "SplitReal16", "SplitReal32",
                                        "SplitReal64", "SplitIndex32", "SplitIndex64", "Real32Trunc", "Real32Quant"};
    assert_int_equal(N_OF(names), LADLE_ELEMENT_COUNT);
    for (uint16_t element = 0; element < LADLE_ELEMENT_COUNT; element++)
        assert_string_equal(ladle_element_name(element), names[element]);
    assert_string_equal(ladle_element_name(LADLE_ELEMENT_COUNT), "unknown");
    assert_string_equal(ladle_element_name(UINT16_MAX), "unknown");

    assert_int_equal(ladle_element_dtype(LADLE_ELEMENT_BIT), LADLE_DTYPE_BOOL);
    assert_int_equal(ladle_element_dtype(LADLE_ELEMENT_CHAR), LADLE_DTYPE_U8);
    assert_int_equal(ladle_element_dtype(LADLE_ELEMENT_SPLIT_INT64), LADLE_DTYPE_I64);
    assert_int_equal(ladle_element_dtype(LADLE_ELEMENT_REAL32_QUANT), LADLE_DTYPE_F32);
    assert_int_equal(ladle_element_dtype(LADLE_ELEMENT_SWITCH), LADLE_DTYPE_NONE);
    assert_int_equal(ladle_element_dtype(LADLE_ELEMENT_SPLIT_INDEX32), LADLE_DTYPE_NONE);
    assert_int_equal(ladle_element_dtype(LADLE_ELEMENT_COUNT), LADLE_DTYPE_NONE);

    assert_true(ladle_element_converts(LADLE_ELEMENT_SPLIT_INT32, LADLE_DTYPE_U32));
    assert_true(ladle_element_converts(LADLE_ELEMENT_BIT, LADLE_DTYPE_I8));
    assert_true(ladle_element_converts(LADLE_ELEMENT_SPLIT_REAL16, LADLE_DTYPE_F64));
    assert_false(ladle_element_converts(LADLE_ELEMENT_REAL64, LADLE_DTYPE_F32));
    assert_false(ladle_element_converts(LADLE_ELEMENT_INT32, LADLE_DTYPE_F32));
    assert_false(ladle_element_converts(LADLE_ELEMENT_REAL32, LADLE_DTYPE_I32));
    assert_false(ladle_element_converts(LADLE_ELEMENT_INT32, LADLE_DTYPE_I64));
    assert_false(ladle_element_converts(LADLE_ELEMENT_INDEX64, LADLE_DTYPE_I64));
    assert_false(ladle_element_converts(LADLE_ELEMENT_BYTE, LADLE_DTYPE_NONE));
    assert_false(ladle_element_converts(LADLE_ELEMENT_COUNT, LADLE_DTYPE_U8));

    assert_true(ladle_element_is_plain(LADLE_ELEMENT_BYTE, LADLE_DTYPE_I8));
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_BYTE, LADLE_DTYPE_BOOL));
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_BIT, LADLE_DTYPE_BOOL));
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_REAL32, LADLE_DTYPE_F64));
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_REAL16, LADLE_DTYPE_F32));
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_REAL32_QUANT, LADLE_DTYPE_F32));
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_SPLIT_UINT32, LADLE_DTYPE_U32));
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_INDEX64, LADLE_DTYPE_I64));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    assert_true(ladle_element_is_plain(LADLE_ELEMENT_REAL32, LADLE_DTYPE_F32));
    assert_true(ladle_element_is_plain(LADLE_ELEMENT_UINT64, LADLE_DTYPE_I64));
#else
    assert_false(ladle_element_is_plain(LADLE_ELEMENT_REAL32, LADLE_DTYPE_F32));
#endif
}

static void widths(void **state)
{
    (void)state;
    static const uint8_t bits[] = {1,  8,  8,  8,  8,  16, 16, 32, 32, 64, 64, 16, 32, 64,
                                   32, 64, 96, 16, 16, 32, 32, 64, 64, 16, 32, 64, 32, 64};
    for (uint16_t element = 0; element < LADLE_ELEMENT_COUNT + 3; element++)
        for (uint16_t width = 0; width < 300; width++) {
            ladle_encoding encoding = {element, width, 0, 1};
            bool expected = element < N_OF(bits)                    ? width == bits[element]
                            : element == LADLE_ELEMENT_REAL32_TRUNC ? width >= 10 && width <= 31
                            : element == LADLE_ELEMENT_REAL32_QUANT ? width >= 1 && width <= 32
                                                                    : false;
            assert_int_equal(ladle_encoding_is_valid(&encoding), expected);
        }
    static const double ranges[][3] = {{0, 1, 1},   {-1, -1, 1},       {1, 0, 0},        {NAN, 1, 0},
                                       {0, NAN, 0}, {-INFINITY, 1, 0}, {0, INFINITY, 0}, {-3e38, 3e38, 1}};
    for (size_t i = 0; i < N_OF(ranges); i++) {
        ladle_encoding encoding = {LADLE_ELEMENT_REAL32_QUANT, 8, ranges[i][0], ranges[i][1]};
        assert_int_equal(ladle_encoding_is_valid(&encoding), ranges[i][2] != 0);
    }
}

static void sizes_of_pages(void **state)
{
    (void)state;
    int64_t nbytes;
    static const int64_t cases[][3] = {{1, 0, 0},   {1, 1, 1},   {1, 8, 1},   {1, 9, 2},  {10, 3, 4},
                                       {31, 9, 35}, {64, 3, 24}, {96, 2, 24}, {32, 7, 28}};
    for (size_t i = 0; i < N_OF(cases); i++) {
        ladle_encoding encoding = encoding_of(LADLE_ELEMENT_BIT, (int)cases[i][0]);
        assert_true(ladle_elements_nbytes(&encoding, cases[i][1], &nbytes));
        assert_int_equal(nbytes, cases[i][2]);
    }
    ladle_encoding bit = encoding_of(LADLE_ELEMENT_BIT, 1), wide = encoding_of(LADLE_ELEMENT_INT64, 64);
    ladle_encoding nine = encoding_of(LADLE_ELEMENT_REAL32_QUANT, 9);
    assert_true(ladle_elements_nbytes(&bit, INT64_MAX, &nbytes));
    assert_int_equal(nbytes, INT64_MAX / 8 + 1);
    assert_true(ladle_elements_nbytes(&wide, INT64_MAX / 8, &nbytes));
    assert_int_equal(nbytes, INT64_MAX - 7);
    assert_false(ladle_elements_nbytes(&wide, INT64_MAX / 8 + 1, &nbytes));
    assert_false(ladle_elements_nbytes(&nine, INT64_MAX, &nbytes));
    assert_false(ladle_elements_nbytes(&bit, -1, &nbytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_equals_scalar),   cmocka_unit_test(known_integers),
        cmocka_unit_test(known_bits_and_bytes), cmocka_unit_test(known_reals),
        cmocka_unit_test(known_quantised),      cmocka_unit_test(ends_agree),
        cmocka_unit_test(known_ends),           cmocka_unit_test(switches),
        cmocka_unit_test(names_and_dtypes),     cmocka_unit_test(widths),
        cmocka_unit_test(sizes_of_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
