"""Columns that ladle does not read are read through uproot, and the factory says so."""

import pytest
from coffea.nanoevents import BaseSchema, DelphesSchema, PHYSLITESchema, TreeMakerSchema

import ladle
from ladle.coffea import LadleSourceMapping, NanoEventsFactory
from tests.coffea.compare import assert_same_array, both, log_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("cache", [None, dict, ladle.BufferCache], ids=["none", "dict", "ladle"])
@pytest.mark.parametrize(
    ("file", "table", "schema"),
    [
        ("treemaker.root", "PreSelection", TreeMakerSchema),
        ("treemaker.root", "PreSelection", BaseSchema),
        ("delphes.root", "Delphes", DelphesSchema),
        ("uproot-HZZ-objects.root", "events", BaseSchema),
        ("uproot-leaflist.root", "tree", BaseSchema),
    ],
)
def test_events_are_equal(sample, file, table, schema, cache):
    want, got = both({sample(file): table}, schemaclass=schema, buffer_cache=cache, access_log=list)
    assert isinstance(got._mapping, LadleSourceMapping)
    assert got.info().uproot
    expected, events = want.events(), got.events()
    for name in expected.fields:
        assert_same_array(events[name], expected[name])
    assert log_of(got) == log_of(want)


def test_info_groups_columns_by_reason(sample):
    info = NanoEventsFactory.from_root(
        {sample("treemaker.root"): "PreSelection"}, schemaclass=BaseSchema
    ).info()
    assert "HT" in info.native
    assert "Jets" not in info.native
    assert set(info.native).isdisjoint(info.uproot)
    assert info.uproot_is_open
    assert info.disk_nbytes["native"] > 0
    assert set(info.seconds) >= {"open", "form", "schema"}
    text = str(info)
    assert f"{len(info.native)} columns" in text
    for reason in set(info.uproot.values()):
        assert reason in text


def test_info_of_a_native_table(sample):
    info = NanoEventsFactory.from_root({sample("nano_dy.root"): "Events"}).info()
    assert len(info.native) == 1499
    assert info.uproot == {}
    assert info.format == "TTree"
    assert info.table == "/Events;1"
    assert not info.uproot_is_open


def test_physlite(sample):
    want, got = both(
        {sample("PHYSLITE_example.root"): "CollectionTree"}, schemaclass=PHYSLITESchema
    )
    assert_same_array(got.events().Electrons.pt, want.events().Electrons.pt)
    assert got.info().skipped
