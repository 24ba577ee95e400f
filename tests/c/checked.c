/* Checked arithmetic: exact results, and a refusal wherever 64 bits do not hold the true one. */
#include "base/checked.h"
#include "support/check.h"

/* Around every power of two, and around zero. */
static int64_t edge(int i)
{
    int bit = i / 6;
    int64_t near = (int64_t)(UINT64_C(1) << bit);
    switch (i % 6) {
    case 0: return near;
    case 1: return (int64_t)((uint64_t)near - 1);
    case 2: return (int64_t)((uint64_t)near + 1);
    case 3: return (int64_t)(0 - (uint64_t)near);
    case 4: return (int64_t)(0 - (uint64_t)near - 1);
    default: return (int64_t)(0 - (uint64_t)near + 1);
    }
}

enum { EDGES = 64 * 6 };

/* 128 bits hold every sum and product of two int64_t: __int128 is the judge. */
__extension__ typedef __int128 wide;

static void agrees_with_128_bits(void **state)
{
    (void)state;
    int64_t refused = 0;
    for (int i = 0; i < EDGES; i++)
        for (int j = 0; j < EDGES; j++) {
            wide a = edge(i), b = edge(j);
            wide results[2] = {a + b, a * b};
            for (int k = 0; k < 2; k++) {
                int64_t found;
                bool fits = results[k] >= INT64_MIN && results[k] <= INT64_MAX;
                bool ok = k == 0 ? ladle_add(edge(i), edge(j), &found) : ladle_multiply(edge(i), edge(j), &found);
                assert_int_equal(ok, fits);
                if (ok)
                    assert_true((wide)found == results[k]);
                refused += !ok;
            }
        }
    assert_true(refused > 10000);
}

static void min_and_max(void **state)
{
    (void)state;
    for (int i = 0; i < EDGES; i++)
        for (int j = 0; j < EDGES; j++) {
            int64_t a = edge(i), b = edge(j);
            int64_t low = ladle_min(a, b), high = ladle_max(a, b);
            assert_true(low <= high && ((low == a && high == b) || (low == b && high == a)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_128_bits),
        cmocka_unit_test(min_and_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
