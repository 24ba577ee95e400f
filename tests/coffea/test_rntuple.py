"""NanoEvents over RNTuples: the same as over their TTree twins, and through ladle."""

import pickle

import awkward as ak
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.nanoevents.mapping import UprootSourceMapping

import ladle
from ladle.coffea import NanoEventsFactory
from ladle.coffea._form import BaseForm
from ladle.coffea._source import TableSource


def events_of(path, **arguments):
    factory = NanoEventsFactory.from_root({path: "Events"}, **arguments)
    return factory, factory.events()


def same(one, other):
    """Equal values; what the two files say of their types differs."""
    return ak.array_equal(one, other, equal_nan=True, dtype_exact=False, check_parameters=False)


def assert_same_events(one, other):
    """All fields of all collections: same values, and the same types but for the lengths' own."""
    assert set(one.fields) == set(other.fields)
    n_compared = 0
    for name in one.fields:
        for member in ak.fields(one[name]) or [None]:
            mine, yours = (
                events[name] if member is None else events[name][member] for events in (one, other)
            )
            assert same(mine, yours), f"{name}.{member}"
            n_compared += 1
    return n_compared


@pytest.mark.parametrize("name", ["nano_dy", "nano_tree"])
def test_events_of_twins_are_equal(sample, name):
    factory, events = events_of(sample(f"{name}_rntuple.root"))
    _, twin = events_of(sample(f"{name}.root"))
    assert assert_same_events(events, twin) > 500
    info = factory.info()
    assert (info.format, info.uproot, info.skipped) == ("RNTuple", {}, {})
    assert not info.uproot_is_open
    assert info.disk_nbytes["native"] > 0


CACHES = {
    "none": lambda: None,
    "dict": dict,
    "raw": ladle.BufferCache,
    "compressed": ladle.CompressedBufferCache,
    "hdf5": ladle.HDF5BufferCache,
    "tiered": ladle.TieredBufferCache,
}


@pytest.mark.parametrize("cache", CACHES.values(), ids=CACHES)
def test_every_cache_and_range(sample, cache):
    arguments = {"entry_start": 3, "entry_stop": 31}
    _, events = events_of(sample("nano_dimuon_rntuple.root"), buffer_cache=cache(), **arguments)
    _, twin = events_of(sample("nano_dimuon.root"), **arguments)
    for _ in range(2):
        assert same(events.Jet.pt, twin.Jet.pt)
        assert same(events.Muon.jetIdxG, twin.Muon.jetIdxG)
        assert same(events.MET.pt, twin.MET.pt)


def test_form_is_coffeas_but_for_the_lengths(sample):
    """uproot gives every cardinality as int64, whatever type the file names."""
    path = sample("nano_tree_rntuple.root")
    want = UprootSourceMapping._extract_base_form(uproot.open(path)["Events"])
    got = BaseForm(TableSource(path, "Events"), {}).form
    assert got["fields"] == want["fields"]
    for found, content in zip(got["contents"], want["contents"], strict=True):
        if "RNTupleCardinality" in content["parameters"].get("typename", ""):
            assert (content["primitive"], found["primitive"]) == ("int64", "uint32")
            content = {**content, "primitive": "uint32"}
        assert found == content


@pytest.mark.filterwarnings("ignore")
def test_records_go_through_uproot(sample):
    """Four-vectors are records, which coffea describes by their C++ type."""
    path = sample("treemaker_rntuple.root")
    factory = NanoEventsFactory.from_root({path: "PreSelection"}, schemaclass=BaseSchema)
    events = factory.events()
    info = factory.info()
    assert "Jets" in info.uproot
    assert len(info.native) > 200
    with uproot.open(path) as file:
        want = file["PreSelection"]["Jets"].array()
    assert ak.to_list(events.Jets.fCoordinates.fPt) == ak.to_list(want["fCoordinates"]["fPt"])
    assert factory.info().uproot_is_open


def test_options_and_base_schema(sample):
    path = sample("nano_dy_rntuple.root")
    factory = NanoEventsFactory.from_root(
        {path: "Events"},
        schemaclass=BaseSchema,
        iteritems_options={"filter_name": ["nJet", "Jet_pt", "run"]},
        preload=["Jet_pt"],
    )
    events = factory.events()
    assert set(events.fields) == {"nJet", "Jet_pt", "run"}
    assert ak.to_list(ak.num(events.Jet_pt)) == ak.to_list(events.nJet)


def test_pickles(sample):
    factory, events = events_of(sample("nano_dy_rntuple.root"))
    again = pickle.loads(pickle.dumps(factory)).events()
    assert same(again.Jet.pt, events.Jet.pt)
