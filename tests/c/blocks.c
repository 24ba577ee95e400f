/* ROOT's compressed blocks: round trips, and what each codec says of bytes that lie. */
#include "codec/blocks.h"
#include "support/check.h"
#include "support/codecs.h"

static const char *const every_codec[] = {"ZL", "CS", "XZ", "L4", "ZS", CODEC_ZSTD_SUM};

static ladle_context *context;
static ladle_decompressor *decompressor;

static int begin(void **state)
{
    (void)state;
    ladle_error error = blank_error();
    context = begin_context();
    decompressor = ladle_decompressor_create(context, &error);
    assert_some(decompressor, error);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ladle_decompressor_release(decompressor);
    end_context(context);
    return 0;
}

/* Compressible, and not the same anywhere. */
static uint8_t *sample(size_t nbytes)
{
    uint8_t *data = malloc(nbytes + 1);
    assert_non_null(data);
    uint64_t seed = 1;
    for (size_t i = 0; i < nbytes; i++)
        data[i] = i % 7 < 4 ? (uint8_t)(i / 64) : (uint8_t)(random_u64(&seed) % 17);
    return data;
}

/* Decompresses from a copy of exactly that size into a block of exactly that size. */
static ladle_status decompress(const uint8_t *in, size_t in_nbytes, uint8_t *out, size_t out_nbytes, ladle_error *error)
{
    uint8_t *exact = malloc(in_nbytes + (in_nbytes == 0));
    assert_non_null(exact);
    memcpy(exact, in, in_nbytes);
    ladle_status status =
        ladle_blocks_decompress(decompressor, exact, (int64_t)in_nbytes, out, (int64_t)out_nbytes, 5000, error);
    free(exact);
    return status;
}

static void assert_explains(const ladle_error *error, ladle_status status)
{
    assert_int_equal(error->status, status);
    assert_true(strlen(error->message) > 10);
    assert_true(error->offset >= 5000);
}

static void round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 100, 4096, 65537, 1000000};
    for (size_t c = 0; c < N_OF(every_codec); c++)
        for (size_t i = 0; i < N_OF(sizes); i++)
            for (size_t most = sizes[i]; most > 0; most = most == sizes[i] && sizes[i] > 50 ? sizes[i] / 3 : 0) {
                uint8_t *data = sample(sizes[i]), *out = malloc(sizes[i]);
                assert_non_null(out);
                bytes chain = {0};
                put_chain(&chain, every_codec[c], data, sizes[i], most);
                ladle_error error = blank_error();
                assert_ok(ladle_blocks_check(chain.data, (int64_t)chain.n, (int64_t)sizes[i], 0, &error), error);
                assert_ok(decompress(chain.data, chain.n, out, sizes[i], &error), error);
                assert_memory_equal(out, data, sizes[i]);
                bytes_free(&chain);
                free(out);
                free(data);
            }
}

/* More than a block can hold: three blocks of different codecs, as no writer would do. */
static void payloads_beyond_16_mib(void **state)
{
    (void)state;
    const size_t nbytes = (size_t)BLOCK_MOST * 2 + 12345;
    uint8_t *data = sample(nbytes), *out = malloc(nbytes);
    assert_non_null(out);
    static const char *const mixes[][3] = {{"L4", "ZS", "ZL"}, {"ZS", "CS", "L4"}};
    for (size_t m = 0; m < N_OF(mixes); m++) {
        bytes chain = {0};
        for (size_t at = 0, k = 0; at < nbytes; at += BLOCK_MOST, k++)
            put_block(&chain, mixes[m][k], data + at, nbytes - at < BLOCK_MOST ? nbytes - at : BLOCK_MOST);
        ladle_error error = blank_error();
        memset(out, 0, nbytes);
        assert_ok(decompress(chain.data, chain.n, out, nbytes, &error), error);
        assert_memory_equal(out, data, nbytes);
        bytes_free(&chain);
    }
    free(out);
    free(data);
}

static void every_truncation_is_an_error(void **state)
{
    (void)state;
    enum { N = 1500 };
    uint8_t *data = sample(N), out[N];
    for (size_t c = 0; c < N_OF(every_codec); c++) {
        bytes chain = {0};
        put_chain(&chain, every_codec[c], data, N, 700);
        for (size_t n = 0; n < chain.n; n++) {
            ladle_error error = blank_error();
            ladle_status status = decompress(chain.data, n, out, N, &error);
            assert_true(status == LADLE_CORRUPT || status == LADLE_TRUNCATED || status == LADLE_CHECKSUM);
            assert_explains(&error, status);
        }
        /* And cut within the block, with a header that agrees. */
        bytes block = {0};
        put_block(&block, every_codec[c], data, N);
        for (size_t n = BLOCK_HEADER; n < block.n; n++) {
            set_block_header(&block, 0, every_codec[c], n - BLOCK_HEADER, N);
            ladle_error error = blank_error();
            ladle_status status = decompress(block.data, n, out, N, &error);
            assert_true(status == LADLE_CORRUPT || status == LADLE_CHECKSUM);
            assert_explains(&error, status);
        }
        bytes_free(&block);
        bytes_free(&chain);
    }
    free(data);
}

static uint32_t adler32_of(const uint8_t *data, size_t nbytes)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < nbytes; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* How much damage each codec can let through: nothing (L4, and zstd with a checksum, whose own
 * header aside has no spare bits); only what decodes to the same bytes (ZL, XZ); other bytes (ZS,
 * CS). */
static void every_flipped_byte_is_judged(void **state)
{
    (void)state;
    enum { N = 900 };
    uint8_t *data = sample(N), out[N];
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    for (size_t c = 0; c < N_OF(every_codec); c++) {
        const char *codec = every_codec[c];
        bool may_differ = strcmp(codec, "ZS") == 0 || strcmp(codec, "CS") == 0;
        int silent = 0, different = 0, collisions = 0;
        bytes block = {0};
        put_block(&block, codec, data, N);
        for (size_t at = 0; at < block.n; at++)
            for (size_t k = 0; k < N_OF(flips); k++) {
                block.data[at] ^= flips[k];
                ladle_error error = blank_error();
                ladle_status status = decompress(block.data, block.n, out, N, &error);
                block.data[at] ^= flips[k];
                if (status != LADLE_OK) {
                    assert_true(status == LADLE_CORRUPT || status == LADLE_CHECKSUM || status == LADLE_LIMIT);
                    assert_explains(&error, status);
                } else if (at != 2) { /* the method byte says nothing */
                    silent++;
                    bool same = memcmp(out, data, N) == 0;
                    /* Adler-32 has few bits for short data: where two texts have one sum, nobody
                     * can tell. */
                    bool collides = strcmp(codec, "ZL") == 0 && adler32_of(out, N) == adler32_of(data, N);
                    different += !same && !collides;
                    collisions += !same && collides;
                }
            }
        if (different > 0 && !may_differ)
            fail_msg("%s: %d flips gave other bytes without an error", codec, different);
        if (strcmp(codec, "L4") == 0)
            assert_int_equal(silent, 0);
        if (strcmp(codec, "ZL") == 0 || strcmp(codec, "XZ") == 0)
            assert_true(silent <= 6);
        assert_true(collisions <= 2);
        bytes_free(&block);
    }
    free(data);
}

static void sizes_that_lie_are_refused(void **state)
{
    (void)state;
    enum { N = 1000 };
    uint8_t *data = sample(N), out[4 * N];
    for (size_t c = 0; c < N_OF(every_codec); c++) {
        bytes chain = {0};
        put_block(&chain, every_codec[c], data, N);
        const size_t in = chain.n - BLOCK_HEADER;
        static const int deltas[] = {-N, -1, 1, 500, 2000};
        for (size_t i = 0; i < N_OF(deltas); i++)
            for (int side = 0; side < 3; side++) {
                /* Of the block's output, of what the caller expects, of both. */
                size_t says = side == 1 ? N : (size_t)(N + deltas[i]), wants = side == 0 ? N : (size_t)(N + deltas[i]);
                set_block_header(&chain, 0, every_codec[c], in, says);
                ladle_error error = blank_error();
                ladle_status status = decompress(chain.data, chain.n, out, wants, &error);
                if (wants == 0) /* an empty object, and bytes behind it */
                    assert_int_equal(status, LADLE_CORRUPT);
                assert_true(status == LADLE_CORRUPT || status == LADLE_CHECKSUM || status == LADLE_TRUNCATED);
                assert_explains(&error, status);
            }
        for (int delta = -3; delta <= 3; delta++) {
            if (delta == 0)
                continue;
            set_block_header(&chain, 0, every_codec[c], (size_t)((int)in + delta), N);
            ladle_error error = blank_error();
            assert_true(decompress(chain.data, chain.n, out, N, &error) != LADLE_OK);
        }
        bytes_free(&chain);
    }
    free(data);
}

static void bombs_are_refused_before_decoding(void **state)
{
    (void)state;
    static const struct {
        const char *codec;
        size_t in, out;
        bool refused; /* by the headers alone */
    } cases[] = {
        {"ZL", 10, 10 * 1033, true},   {"ZL", 100, 100 * 1032, false}, {"CS", 10, 10 * 1033, true},
        {"L4", 20, 20 * 256, true},    {"L4", 20, 20 * 255, false},    {"ZL", 0, 5, true},
        {"XZ", 40, BLOCK_MOST, false}, {"ZS", 40, BLOCK_MOST, false},  {"ZS", 40, 0, true},
    };
    uint8_t *out = malloc(BLOCK_MOST);
    assert_non_null(out);
    for (size_t i = 0; i < N_OF(cases); i++) {
        bytes chain = {0};
        put_fill(&chain, 0x11, BLOCK_HEADER + cases[i].in);
        set_block_header(&chain, 0, cases[i].codec, cases[i].in, cases[i].out);
        ladle_error error = blank_error();
        size_t wants = cases[i].out == 0 ? 1 : cases[i].out;
        ladle_status status = ladle_blocks_check(chain.data, (int64_t)chain.n, (int64_t)wants, 5000, &error);
        assert_int_equal(status, cases[i].refused ? LADLE_CORRUPT : LADLE_OK);
        assert_true(decompress(chain.data, chain.n, out, wants, &error) != LADLE_OK);
        bytes_free(&chain);
    }
    free(out);
}

static void trailing_bytes_are_an_error(void **state)
{
    (void)state;
    enum { N = 300 };
    uint8_t *data = sample(N), out[N];
    for (size_t c = 0; c < N_OF(every_codec); c++) {
        bytes chain = {0};
        put_block(&chain, every_codec[c], data, N);
        size_t whole = chain.n;
        for (size_t extra = 1; extra < 20; extra++) {
            put_u8(&chain, 0);
            ladle_error error = blank_error();
            assert_int_equal(decompress(chain.data, chain.n, out, N, &error), LADLE_CORRUPT);
            assert_explains(&error, LADLE_CORRUPT);
            assert_non_null(strstr(error.message, "follow"));
            /* Inside the block they are as wrong. */
            set_block_header(&chain, 0, every_codec[c], chain.n - BLOCK_HEADER, N);
            assert_true(decompress(chain.data, chain.n, out, N, &error) != LADLE_OK);
            set_block_header(&chain, 0, every_codec[c], whole - BLOCK_HEADER, N);
        }
        bytes_free(&chain);
    }
    free(data);
}

static void unknown_magic_is_named(void **state)
{
    (void)state;
    uint8_t out[8], data[20] = {'Q', 'Q', 8, 5, 0, 0, 8, 0, 0};
    ladle_error error = blank_error();
    assert_int_equal(decompress(data, sizeof data, out, sizeof out, &error), LADLE_CORRUPT);
    assert_error(error, LADLE_CORRUPT, "51 51");
    assert_int_equal(error.offset, 5000);
    assert_ok(ladle_blocks_check(data, 0, 0, 5000, &error), error); /* nothing, of nothing */
}

/* Damage leaves no trace: the same state decodes what follows. */
static void the_state_survives_damage(void **state)
{
    (void)state;
    enum { N = 5000 };
    uint8_t *data = sample(N), *out = malloc(N);
    assert_non_null(out);
    for (int round = 0; round < 20; round++)
        for (size_t c = 0; c < N_OF(every_codec); c++) {
            bytes chain = {0};
            put_block(&chain, every_codec[c], data, N);
            ladle_error error = blank_error();
            chain.data[BLOCK_HEADER + (size_t)round * 3] ^= 0x40;
            (void)decompress(chain.data, chain.n, out, N, &error);
            chain.data[BLOCK_HEADER + (size_t)round * 3] ^= 0x40;
            assert_ok(decompress(chain.data, chain.n, out, N, &error), error);
            assert_memory_equal(out, data, N);
            bytes_free(&chain);
        }
    free(out);
    free(data);
}

#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STATE(round_trips),
        WITH_STATE(payloads_beyond_16_mib),
        WITH_STATE(every_truncation_is_an_error),
        WITH_STATE(every_flipped_byte_is_judged),
        WITH_STATE(sizes_that_lie_are_refused),
        WITH_STATE(bombs_are_refused_before_decoding),
        WITH_STATE(trailing_bytes_are_an_error),
        WITH_STATE(unknown_magic_is_named),
        WITH_STATE(the_state_survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
