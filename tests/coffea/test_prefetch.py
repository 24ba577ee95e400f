"""NanoEvents: prefetch, drop and learned prefetch give the same events, and the same log."""

import pickle

import awkward as ak
import pytest

import ladle
from ladle.coffea import NanoEventsFactory
from tests.coffea.compare import assert_same_array, log_of
from tests.python.caches import CLASSES
from tests.python.test_prefetch import no_thread_is_left, waiting

CACHES = pytest.mark.parametrize("cache", [None, dict, *CLASSES.values()])


def analysis(events):
    return [
        events.Jet.pt * 2,
        events.Electron.matched_gen.pt + 1,
        events.Muon[events.Muon.pt > 3].eta + 1,
        events.MET.pt + 1,
    ]


def open_events(path, cache=None, **arguments):
    return NanoEventsFactory.from_root(
        {path: "Events"}, buffer_cache=cache and cache(), **arguments
    )


@CACHES
def test_values_are_the_same(slim, cache):
    path = slim("nano_dy.root")
    wanted = analysis(open_events(path).events())
    factory = open_events(path, cache, access_log=[])
    events = factory.events()
    handle = ladle.prefetch(events, ["Jet_pt", "Muon_*", "nGenPart", "MET_pt"])
    handle.wait()
    assert handle.ready == handle.n_buffers > 5
    for got, want in zip(analysis(events), wanted, strict=True):
        assert_same_array(got, want)
    assert handle.used >= 4
    plain = open_events(path, cache, access_log=[])
    analysis(plain.events())
    assert log_of(factory) == log_of(plain)


def test_drop_gives_bytes_back_and_the_next_touch_reads_again(slim):
    factory = open_events(slim("nano_dy.root"), ladle.BufferCache)
    events, cache = factory.events(), factory.buffer_cache
    total = ak.sum(events.Jet.pt)
    matched = events.Electron.matched_gen.pt.to_list()
    before = cache.stats()
    assert ladle.drop(events, "Jet_pt") > 0
    assert cache.stats()["entries"] == before["entries"] - 2  # with the offsets
    assert ak.sum(events.Jet.pt) == total
    assert ladle.drop(events, None) > 0
    assert cache.stats()["nbytes"] == cache.stats()["entries"] == 0
    assert events.Electron.matched_gen.pt.to_list() == matched
    without = open_events(slim("nano_dy.root")).events()
    ak.sum(without.Jet.pt)
    with pytest.raises(ladle.InvalidError, match="buffer_cache"):
        ladle.drop(without, "Jet_pt")


@CACHES
def test_a_pattern_learns_and_reads_ahead(slim, cache):
    pattern = ladle.AccessPattern(window=100)
    results = []
    for start in (0, 10, 20):
        factory = open_events(
            slim("nano_dy.root"),
            cache,
            entry_start=start,
            entry_stop=start + 10,
            prefetch=pattern,
        )
        events = factory.events()
        assert no_thread_is_left()
        results.append(analysis(events))
        del factory, events
    whole = analysis(open_events(slim("nano_dy.root")).events())
    for parts, want in zip(zip(*results, strict=True), whole, strict=True):
        assert ak.concatenate(parts).to_list() == want.to_list()[:30]
    count = len(pattern.order)
    assert count > 5
    assert (pattern.used, pattern.missed) == (2 * count, 0)
    del results, parts
    assert waiting() == 0


def test_true_and_pickles(slim):
    factory = open_events(slim("nano_dy.root"), prefetch=True)
    ak.sum(factory.events().Jet.pt)
    again = pickle.loads(pickle.dumps(factory))
    assert ak.sum(again.events().Jet.pt) == ak.sum(factory.events().Jet.pt)
    assert no_thread_is_left()


def test_names(slim):
    events = open_events(slim("nano_dy.root")).events()
    assert ladle.prefetch(events.Jet, "Jet_pt").n_buffers == 2
    with pytest.raises(ladle.NameMissingError):
        ladle.prefetch(events, "Jet_ptt")
