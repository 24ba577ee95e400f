"""What stays where: each buffer once, nothing read twice while it is kept, budgets kept."""

import collections
import gc
import threading

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import BaseSchema

import ladle
from ladle.coffea import NanoEventsFactory
from tests.coffea.compare import assert_same_array, both
from tests.python.caches import KINDS, make_cache, settle
from tests.python.test_cache_machine import full_disk

ALL = pytest.mark.parametrize("kind", KINDS)


class Recorder(dict):
    """A cache that is nothing but what coffea asks of one, and counts."""

    def __init__(self):
        super().__init__()
        self.sets = collections.Counter()

    def __setitem__(self, key, value):
        self.sets[key] += 1
        super().__setitem__(key, value)


def analysis(events):
    events.GenPart.distinctChildren.pdgId.to_list()
    events.Electron.matched_gen.pt.to_list()
    events.Jet.matched_electrons.pt.to_list()
    return events.Jet.pt * 2 + events.Jet.pt


def test_a_mapping_holds_coffeas_keys_and_arrays(slim):
    want, got = both({slim("nano_dy.root"): "Events"}, buffer_cache=Recorder)
    for factory in (want, got):
        analysis(factory.events())
    expected, cache = want.buffer_cache, got.buffer_cache
    assert set(cache) >= set(expected)
    for key, value in expected.items():
        assert cache[key].dtype == value.dtype
        assert np.array_equal(cache[key], value)
    assert set(cache.sets.values()) == {1}


def test_a_foreign_value_is_believed(slim):
    cache = {}
    factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
    events = factory.events()
    events.MET.pt.to_list()
    (key,) = (key for key in cache if "MET_pt" in key)
    cache[key] = np.arange(40, dtype=np.float32)
    assert events.MET.pt.to_list() == list(range(40))


@ALL
def test_ladles_cache_holds_each_buffer_once(slim, kind):
    cache = make_cache(kind)
    factory = NanoEventsFactory.from_root(
        {slim("nano_dy.root"): "Events"}, buffer_cache=cache, schemaclass=BaseSchema
    )
    events = factory.events()
    for name in events.fields:
        if name.startswith("Jet_"):
            events[name].to_list()
    columns = [name for name in events.fields if name.startswith("Jet_")]
    assert len(columns) > 20
    assert len(cache) == len(columns) + 1  # one for the offsets that they share
    expected = sum(events[name].layout.content.data.nbytes for name in columns)
    assert sum(cache[key].nbytes for key in cache) == expected + 8 * 41


@ALL
def test_nothing_is_read_twice_while_it_is_kept(slim, kind):
    cache = make_cache(kind)
    factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
    first = analysis(factory.events())
    before = cache.stats()
    again = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
    second = analysis(again.events())
    after = cache.stats()
    assert after["misses"] == before["misses"] > 10
    assert after["puts"] == before["puts"]
    assert after["entries"] == before["entries"] > 10
    assert ak.all(first == second)


@ALL
def test_a_budget_is_kept_and_the_answers_are_the_same(sample, kind):
    path = sample("nanoAOD_2015_CMS_Open_Data_ttbar.root")
    cache = make_cache(kind, 30_000)
    want, got = both({path: "Events"}, buffer_cache=cache)
    expected, events = want.events(), got.events()
    for name in ("Jet", "Muon", "GenPart", "Electron"):
        assert_same_array(events[name], expected[name])
        gc.collect()
        pinned = cache.stats()["pinned_nbytes"]
        for level in cache.info()["levels"]:
            assert level["nbytes"] - (level["store"] == "raw") * pinned <= level["budget"]
    assert cache.stats()["evictions"] > 0


@ALL
def test_what_is_larger_than_the_budget_is_lent_all_the_same(sample, kind):
    path = sample("nanoAOD_2015_CMS_Open_Data_ttbar.root")
    want, got = both({path: "Events"}, buffer_cache=make_cache(kind, 64))
    analysis(got.events())
    assert_same_array(got.events().GenPart.children.pdgId, want.events().GenPart.children.pdgId)


def test_what_nobody_holds_is_unpinned(slim):
    cache = ladle.BufferCache()
    factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
    events = factory.events()
    total = ak.sum(events.Jet.pt)
    assert total > 0
    gc.collect()
    # data and offsets alike are lent for as long as they are used: the events hold nothing
    assert cache.stats()["pinned_nbytes"] == 0
    held = np.asarray(ak.materialize(events.Jet.pt).layout.content.data)
    assert cache.stats()["pinned_nbytes"] > 0
    del held
    gc.collect()
    assert cache.stats()["pinned_nbytes"] == 0
    assert factory.events() is events


def test_without_a_cache_arrays_share_what_is_alive(slim):
    factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, schemaclass=BaseSchema)
    events = factory.events()
    offsets = [
        ak.materialize(events[name]).layout.offsets.data
        for name in ("Jet_pt", "Jet_eta", "Jet_phi")
    ]
    assert all(np.shares_memory(offsets[0], other) for other in offsets[1:])


@pytest.mark.parametrize("kind", ["none", "dict", *KINDS])
def test_threads(sample, kind):
    cache = {"none": None, "dict": {}}[kind] if kind in ("none", "dict") else make_cache(kind)
    path = sample("nano_tt_v12.root")
    want, got = both({path: "Events"}, buffer_cache=cache)
    expected = [want.events()[name] for name in ("Jet", "Muon", "Electron", "GenPart")]
    events = got.events()
    failures = []

    def work():
        try:
            for collection, array in zip(
                ("Jet", "Muon", "Electron", "GenPart"), expected, strict=True
            ):
                for field in array.fields[:15]:
                    if not ak.array_equal(events[collection][field], array[field]):
                        failures.append((collection, field))
        except Exception as error:
            failures.append(error)

    for array in expected:
        ak.materialize(array)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@ALL
def test_threads_make_what_is_worked_out_once(slim, kind):
    cache = make_cache(kind)
    factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
    expected = factory.events().GenPart.distinctChildren.pdgId.to_list()
    misses = cache.stats()["misses"]
    cache.clear()
    again = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
    answers = []

    def ask(events):
        answers.append(events.GenPart.distinctChildren.pdgId.to_list())

    threads = [threading.Thread(target=ask, args=(again.events(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 6
    assert cache.stats()["misses"] == 2 * misses
    del threads, again, factory
    assert settle(cache) == 0


def test_a_full_disk_costs_time_only(slim, tmp_path):
    want, _ = both({slim("nano_dy.root"): "Events"})
    expected = want.events().GenPart.distinctChildren.pdgId
    cache = ladle.HDF5BufferCache(dir=tmp_path, hot=0)
    factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
    with full_disk():
        got = factory.events().GenPart.distinctChildren.pdgId
        assert_same_array(got, expected)
    assert len(cache) == 0


def test_a_named_file_serves_the_next_process(slim, tmp_path):
    path = tmp_path / "named.h5"
    with ladle.HDF5BufferCache(path) as cache:
        factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
        first = ak.materialize(analysis(factory.events()))
    with ladle.HDF5BufferCache(path) as cache:
        factory = NanoEventsFactory.from_root({slim("nano_dy.root"): "Events"}, buffer_cache=cache)
        assert ak.all(analysis(factory.events()) == first)
        assert cache.stats()["misses"] == 0


@pytest.mark.parametrize("cache", [None, "ladle"])
def test_events_are_made_without_collections(slim, cache, gc_passes):
    """Passes over all that the imports left would take longer than making events."""
    path = slim("nano_dy.root")
    kept = ladle.BufferCache() if cache else None

    def make():
        return NanoEventsFactory.from_root({path: "Events"}, buffer_cache=kept).events()

    make()
    gc.collect()
    gc_passes.clear()
    events = make()
    assert len(gc_passes) <= 3  # between the pauses, none of them a full one
    assert 2 not in gc_passes
    gc.disable()
    try:
        del events
        assert gc.collect() == 0  # nothing waited for the collector meanwhile
    finally:
        gc.enable()
