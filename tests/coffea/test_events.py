"""Events of both factories are equal, buffer by buffer."""

import random

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import (
    BaseSchema,
    NanoAODSchema,
    PDUNESchema,
    PFNanoAODSchema,
    ScoutingNanoAODSchema,
    TreeMakerSchema,
)

import ladle
from tests.coffea.compare import assert_same_array, both

FILES = [
    ("nano_dy.root", "Events", NanoAODSchema),
    ("nano_dy.root", "Runs", BaseSchema),
    ("nano_dimuon.root", "Events", NanoAODSchema),
    ("nano_tree.root", "Events", NanoAODSchema),
    ("nano_tt_v12.root", "Events", NanoAODSchema),
    ("nano_tt_v15.root", "Events", NanoAODSchema),
    ("nano_dy_empty.root", "Events", NanoAODSchema),
    ("nano_dy_SpecialTree.root", "NotEvents", NanoAODSchema),
    ("missing_luminosityBlock.root", "Events", NanoAODSchema),
    ("pfnano.root", "Events", PFNanoAODSchema),
    ("scouting_nano.root", "Events", ScoutingNanoAODSchema),
    ("nanoAOD_2015_CMS_Open_Data_ttbar.root", "Events", NanoAODSchema),
    ("treemaker.root", "PreSelection", TreeMakerSchema),
    ("pduneana.root", "pduneana/beamana", PDUNESchema),
    ("uproot-HZZ-zlib.root", "events", BaseSchema),
    ("uproot-small-flat-tree.root", "tree", BaseSchema),
]
CACHES = {
    "none": None,
    "dict": dict,
    "ladle": ladle.BufferCache,
    "ladle with a budget": lambda: ladle.BufferCache(20_000),
}


@pytest.mark.parametrize(("file", "table", "schema"), FILES)
def test_are_equal_for_every_column(sample, file, table, schema):
    want, got = both({sample(file): table}, schemaclass=schema)
    assert got._schema.form == want._schema.form
    events = got.events()
    assert type(events) is type(want.events())
    assert events.fields == want.events().fields
    assert assert_same_array(events, want.events())


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("nano_dy_empty.root", NanoAODSchema),
        ("nano_tt_v12.root", NanoAODSchema),
        ("scouting_nano.root", ScoutingNanoAODSchema),
    ],
)
def test_are_equal_in_eager_mode(sample, file, schema):
    want, got = both({sample(file): "Events"}, schemaclass=schema, mode="eager")
    assert not any(
        hasattr(buffer, "materialize") for buffer in ak.to_buffers(got.events())[2].values()
    )
    assert_same_array(got.events(), want.events())


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("schema", [NanoAODSchema, BaseSchema])
def test_are_equal_through_every_cache(sample, cache, schema):
    want, got = both(
        {sample("nano_tt_v12.root"): "Events"}, schemaclass=schema, buffer_cache=CACHES[cache]
    )
    for _ in range(2):  # the second time what is kept is lent
        assert_same_array(got.events(), want.events())


@pytest.mark.parametrize("cache", ["none", "ladle"])
def test_are_equal_in_any_entry_range(slim, cache):
    path = slim("nano_tt_v12.root")
    numbers = random.Random(5)
    ranges = [(0, 1), (199, 200), (200, 200), (None, 7), (150, None), (-3, 10_000)]
    ranges += [tuple(sorted((numbers.randint(0, 200), numbers.randint(0, 200)))) for _ in range(2)]
    for start, stop in ranges:
        want, got = both(
            {path: "Events"}, entry_start=start, entry_stop=stop, buffer_cache=CACHES[cache]
        )
        assert len(got) == len(want)
        expected, events = want.events(), got.events()
        for name in ("Jet", "GenPart", "event"):
            assert_same_array(events[name], expected[name])


def test_one_cache_serves_files_and_ranges_apart(slim):
    cache = ladle.BufferCache()
    kept = {}
    for file in ("nano_dy.root", "nano_dimuon.root"):
        for start, stop in ((0, 20), (20, 40), (0, 40)):
            want, got = both(
                {slim(file): "Events"}, entry_start=start, entry_stop=stop, buffer_cache=cache
            )
            kept[file, start, stop] = got.events().Muon.pt
            assert_same_array(got.events().Muon, want.events().Muon)
    for file in ("nano_dy.root", "nano_dimuon.root"):
        halves = ak.concatenate([kept[file, 0, 20], kept[file, 20, 40]])
        assert ak.all(halves == kept[file, 0, 40])
        assert ak.count(halves) > 0


def test_metadata_and_docs(sample):
    metadata = {"dataset": "ttbar", "year": 2015}
    want, got = both({sample("nano_dy.root"): "Events"}, metadata=metadata)
    assert got.events().metadata == want.events().metadata
    assert got.events().metadata["dataset"] == "ttbar"
    assert got.events().Jet.pt.__doc__ == want.events().Jet.pt.__doc__
    assert "pt" in got.events().Jet.pt.__doc__
    assert got.events().attrs["@events_factory"] is got


def test_behaviours(slim):
    want, got = (factory.events() for factory in both({slim("nano_dy.root"): "Events"}))
    for events in (want, got):
        assert ak.count(events.Jet.pt) > 0
    pairs = [ak.combinations(events.Jet, 2, fields=["a", "b"]) for events in (want, got)]
    assert_same_array(pairs[1].a.delta_r(pairs[1].b), pairs[0].a.delta_r(pairs[0].b))
    assert_same_array((pairs[1].a + pairs[1].b).mass, (pairs[0].a + pairs[0].b).mass)
    assert_same_array(got.Jet.nearest(got.Muon).pt, want.Jet.nearest(want.Muon).pt)
    assert_same_array(got.Jet.metric_table(got.Electron), want.Jet.metric_table(want.Electron))
    assert_same_array(got.Electron.isTight, want.Electron.isTight)
    assert_same_array(
        got.GenPart.hasFlags(["isHardProcess"]), want.GenPart.hasFlags(["isHardProcess"])
    )
    assert_same_array(got.MET.pt * np.cos(got.MET.phi), want.MET.pt * np.cos(want.MET.phi))


def test_buffers_cannot_be_written_to(slim):
    _, got = both({slim("nano_dy.root"): "Events"}, buffer_cache=ladle.BufferCache)
    met = np.asarray(got.events().MET.pt)
    assert not met.flags.writeable
