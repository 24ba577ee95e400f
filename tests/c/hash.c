/* XXH3-64 and XXH64: known answers, over the bytes (167 i + 13) mod 256, from xxHash 0.8.4.
 *
 * A hash once dropped a stripe where the length was 1 mod 64 and above 240, so that valid files
 * were refused: those lengths are here. */
#include "base/hash.h"
#include "support/check.h"

typedef struct answer {
    size_t nbytes;
    uint64_t hash;
} answer;

static const answer xxh3[] = {
    {0, UINT64_C(0x2d06800538d394c2)},      {1, UINT64_C(0x8a21d78b1538b1c0)},
    {3, UINT64_C(0x5f1fa6d2a3aa5a3b)},      {4, UINT64_C(0xa8a9b82c81542a43)},
    {8, UINT64_C(0x67b8f67a80d308a6)},      {9, UINT64_C(0x7df166798fe37670)},
    {16, UINT64_C(0xc0967fee676a5837)},     {17, UINT64_C(0xbc307578d06e9d93)},
    {128, UINT64_C(0xa45617bfe9bb88d6)},    {129, UINT64_C(0x4ca31f6b2cfd9a3e)},
    {240, UINT64_C(0x2817ed3cdf9547e7)},    {241, UINT64_C(0x02f838dd48200ee8)},
    {255, UINT64_C(0xd084c9edabd7749c)},    {256, UINT64_C(0xc67d143ec3572269)},
    {257, UINT64_C(0xac756e3b633ed5ba)},    {321, UINT64_C(0xa2cef70387dd2e38)},
    {385, UINT64_C(0xe009081457cdcf70)},    {449, UINT64_C(0x8be00756308c7d41)},
    {513, UINT64_C(0x5a322ceed98a4555)},    {1024, UINT64_C(0x4ecde09865c37511)},
    {1025, UINT64_C(0xa08b2694bf52957e)},   {1089, UINT64_C(0xd0512606aeb0d288)},
    {1153, UINT64_C(0xd390db7e9d15ae9c)},   {2049, UINT64_C(0xf24d7378a4afeffc)},
    {4097, UINT64_C(0xbe360498635e140e)},   {10241, UINT64_C(0xee981a7d38bbf4f2)},
    {65537, UINT64_C(0x9c2b28eaa08ce07a)},  {99969, UINT64_C(0xe99611b919930cd9)},
    {100001, UINT64_C(0x28d87a6e230552ed)},
};

static const answer xxh64[] = {
    {0, UINT64_C(0xef46db3751d8e999)},    {1, UINT64_C(0x2078e1ad38ad738b)},  {8, UINT64_C(0x76f916c7bb523126)},
    {31, UINT64_C(0x65c5feb01da7464d)},   {32, UINT64_C(0x7665c921c9bf2ec7)}, {33, UINT64_C(0xb5a9d9ef259ae821)},
    {1000, UINT64_C(0x626443c8029d0542)},
};

static void check_all(const answer *answers, size_t n, uint64_t (*hash)(const void *, size_t))
{
    for (size_t i = 0; i < n; i++)
        for (size_t shift = 0; shift < 9; shift += 4) {
            /* A block of exactly that size, so that one byte too many is an overrun. */
            uint8_t *data = malloc(answers[i].nbytes + shift + (answers[i].nbytes + shift == 0));
            assert_non_null(data);
            for (size_t k = 0; k < answers[i].nbytes; k++)
                data[shift + k] = (uint8_t)(k * 167 + 13);
            uint64_t found = hash(data + shift, answers[i].nbytes);
            if (found != answers[i].hash)
                fail_msg("%zu bytes: %016llx, expected %016llx", answers[i].nbytes, (unsigned long long)found,
                         (unsigned long long)answers[i].hash);
            free(data);
        }
}

static void xxh3_known_answers(void **state)
{
    (void)state;
    check_all(xxh3, N_OF(xxh3), ladle_xxh3_64);
}

static void xxh64_known_answers(void **state)
{
    (void)state;
    check_all(xxh64, N_OF(xxh64), ladle_xxh64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh3_known_answers),
        cmocka_unit_test(xxh64_known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
