/* Byte swapping: vector code equals scalar code equals the definition, for every length and place.
 */
#include "base/swap.h"
#include "base/far.h"
#include "support/check.h"

enum { MOST = 200, MARGIN = 64, ROOM = MOST * 8 + 3 * MARGIN };

static void vector_equals_scalar_equals_definition(void **state)
{
    (void)state;
    static uint8_t in[ROOM], vector[ROOM], scalar[ROOM];
    uint64_t seed = 17;
    random_fill(&seed, in, sizeof in);
    for (int size = 1; size <= 8; size *= 2)
        for (int64_t count = 0; count <= MOST; count++)
            for (int from = 0; from < 33; from += count % 8 == 0 ? 1 : 5)
                for (int to = 0; to < 33; to += count % 8 == 0 ? 8 : 11) {
                    bool far = to % size == 0 && (from + count) % 2 == 0;
                    size_t nbytes = (size_t)count * (size_t)size;
                    memset(vector, 0xee, sizeof vector);
                    memset(scalar, 0xee, sizeof scalar);
                    ladle_swap(vector + MARGIN + to, in + from, count, size, far);
                    ladle_far_settle();
                    ladle_swap_scalar(scalar + MARGIN + to, in + from, count, size);
                    assert_memory_equal(vector, scalar, sizeof vector);
                    /* Nothing outside was written. */
                    for (int i = 0; i < MARGIN + to; i++)
                        assert_int_equal(vector[i], 0xee);
                    for (size_t i = (size_t)(MARGIN + to) + nbytes; i < sizeof vector; i++)
                        if (vector[i] != 0xee)
                            fail_msg("wrote behind the end: size %d, count %d", size, (int)count);
                    for (int64_t i = 0; i < count; i++) {
                        uint64_t expected = 0, found = 0;
                        for (int k = 0; k < size; k++)
                            expected = expected << 8 | in[from + i * size + k];
                        memcpy(&found, scalar + MARGIN + to + i * size, (size_t)size);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
                        found >>= 8 * (8 - size);
#endif
                        if (expected != found)
                            fail_msg("size %d, value %d of %d", size, (int)i, (int)count);
                    }
                }
}

/* Reads no byte beyond the values: the source ends where its memory does. */
static void reads_within_its_source(void **state)
{
    (void)state;
    for (int size = 1; size <= 8; size *= 2)
        for (int64_t count = 0; count <= MOST; count++) {
            size_t nbytes = (size_t)count * (size_t)size;
            uint8_t *in = malloc(nbytes + 1), *out = malloc(nbytes + 1);
            assert_non_null(in);
            assert_non_null(out);
            memset(in + 1, 0x5a, nbytes);
            ladle_swap(out, in + 1, count, size, count % 2 == 0);
            for (size_t i = 0; i < nbytes; i++)
                assert_int_equal(out[i], 0x5a);
            free(in);
            free(out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_equals_scalar_equals_definition),
        cmocka_unit_test(reads_within_its_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
