/* Near names: the ones a user meant, best first, and none where nothing is close. */
#include "base/near.h"
#include "support/check.h"

static const char *const names[] = {"Jet_pt",   "Jet_eta", "Jet_phi",     "nJet",       "Muon_pt",
                                    "Muon_eta", "MET_pt",  "FatJet_pt",   "run",        "event",
                                    "Jet_mass", "JET_PT",  "HLT_IsoMu24", "HLT_IsoMu27"};

static void ask(const char *wanted, char *out, size_t size)
{
    ladle_near near;
    ladle_near_init(&near, wanted);
    for (size_t i = 0; i < N_OF(names); i++)
        ladle_near_offer(&near, names[i]);
    ladle_near_write(&near, out, size);
}

static void finds_what_was_meant(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *text;
    } cases[] = {
        {"Jet_p", "; did you mean Jet_pt"}, {"jet_pt", "; did you mean Jet_pt"},
        {"Jetpt", "; did you mean Jet_pt"}, {"njet", "; did you mean nJet?"},
        {"evnet", "; did you mean event?"}, {"Muon_ept", "; did you mean Muon_pt or Muon_eta?"},
        {"rum", "; did you mean run?"},     {"HLT_IsoMu2", "; did you mean HLT_IsoMu24 or HLT_IsoMu27?"},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        char out[224];
        ask(cases[i].wanted, out, sizeof out);
        if (strncmp(out, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: \"%s\", expected \"%s\"", cases[i].wanted, out, cases[i].text);
    }
}

static void offers_nothing_that_is_far(void **state)
{
    (void)state;
    static const char *const far[] = {"", "Electron_convVeto", "x", "zzzzzz", "genWeight"};
    for (size_t i = 0; i < N_OF(far); i++) {
        char out[64] = "old";
        ask(far[i], out, sizeof out);
        assert_string_equal(out, "");
    }
}

static void keeps_at_most_three_best_first(void **state)
{
    (void)state;
    ladle_near near;
    ladle_near_init(&near, "abcdef");
    static const char *const offers[] = {"abcxyf", "abcdxf", "abcdef2", "Abcdef", "abxyef"};
    for (size_t i = 0; i < N_OF(offers); i++)
        ladle_near_offer(&near, offers[i]);
    assert_int_equal(near.count, 3);
    ladle_near_offer(&near, "Abcdef"); /* is there already */
    assert_string_not_equal(near.best[1].name, "Abcdef");
    assert_string_equal(near.best[0].name, "Abcdef");
    for (int i = 1; i < near.count; i++)
        assert_true(near.best[i - 1].distance <= near.best[i].distance);
}

static void long_names_do_no_harm(void **state)
{
    (void)state;
    char huge[5000];
    memset(huge, 'q', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    char out[32];
    ladle_near near;
    ladle_near_init(&near, huge);
    ladle_near_offer(&near, huge);
    ladle_near_offer(&near, "q");
    ladle_near_write(&near, out, sizeof out);
    assert_string_equal(out, "");
    huge[64] = '\0'; /* the longest that is compared */
    ladle_near_init(&near, huge);
    ladle_near_offer(&near, huge);
    assert_int_equal(near.count, 1);
    assert_int_equal(near.best[0].distance, 0);
}

/* Whatever the room: terminated, and nothing behind it touched. */
static void writes_within_its_room(void **state)
{
    (void)state;
    for (size_t size = 1; size < 64; size++) {
        char out[80];
        memset(out, '#', sizeof out);
        ask("Muon_ept", out, size);
        assert_non_null(memchr(out, '\0', size));
        for (size_t i = size; i < sizeof out; i++)
            assert_int_equal(out[i], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_meant),           cmocka_unit_test(offers_nothing_that_is_far),
        cmocka_unit_test(keeps_at_most_three_best_first), cmocka_unit_test(long_names_do_no_harm),
        cmocka_unit_test(writes_within_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
