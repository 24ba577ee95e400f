"""Arguments of from_root: the same meaning as coffea's, and the same complaints."""

import pickle
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import uproot
from coffea.nanoevents import BaseSchema, NanoAODSchema, ScoutingNanoAODSchema

import ladle
from ladle.coffea import LadleSourceMapping, NanoEventsFactory
from tests.coffea.compare import assert_same_array, both


@pytest.mark.parametrize(
    "spell",
    [
        lambda path: ({path: "Events"}, {}),
        lambda path: ({path: "Events;1"}, {}),
        lambda path: ({Path(path): "Events"}, {}),
        lambda path: (f"{path}:Events", {}),
        lambda path: (path, {"treepath": "Events"}),
        lambda path: (Path(path), {"treepath": "/Events"}),
        lambda path: ({path: None}, {"treepath": "Events"}),
        lambda path: ({Path(path).as_uri(): "Events"}, {}),
        lambda path: (uproot.open(path), {"treepath": "Events"}),
        lambda path: (uproot.open({path: None}), {"treepath": "Events;1"}),
    ],
)
def test_file_may_be_spelled_in_every_local_way(sample, spell):
    file, arguments = spell(sample("nano_dy.root"))
    want, got = both(file, **arguments)
    assert isinstance(got._mapping, LadleSourceMapping)
    assert got._partition_key == want._partition_key
    assert_same_array(got.events().Muon.pt, want.events().Muon.pt)
    is_open = isinstance(file, uproot.reading.ReadOnlyDirectory)
    assert got.info().uproot_is_open == is_open
    assert isinstance(got.file_handle, type(file) if is_open else uproot.reading.ReadOnlyFile)
    assert got.info().uproot_is_open


def test_a_table_in_a_directory(sample):
    path = sample("pduneana.root")
    for file, treepath in (
        ({path: "pduneana/beamana"}, None),
        (uproot.open(path), "pduneana/beamana"),
        (uproot.open(path)["pduneana"], "beamana"),
    ):
        arguments = {} if treepath is None else {"treepath": treepath}
        want, got = both(file, schemaclass=BaseSchema, **arguments)
        assert isinstance(got._mapping, LadleSourceMapping)
        assert got._partition_key == want._partition_key
        assert_same_array(got.events().run, want.events().run)


def test_what_is_not_a_path_is_left_to_coffea(sample):
    with Path(sample("nano_dy.root")).open("rb") as file:
        factory = NanoEventsFactory.from_root({file: "Events"})
        assert not isinstance(factory._mapping, LadleSourceMapping)
        assert len(factory.events().Jet.pt) == 40
        assert "not the path" in factory.info().uproot["*"]


def test_wrong_calls(sample, tmp_path):
    path = sample("nano_dy.root")
    with pytest.raises(ValueError, match="treepath"):
        NanoEventsFactory.from_root(path)
    with pytest.raises(ValueError, match="treepath"):
        NanoEventsFactory.from_root(uproot.open(path))
    with pytest.raises(ValueError, match="Invalid mode"):
        NanoEventsFactory.from_root({path: "Events"}, mode="lazy")
    with pytest.raises(ValueError, match="schemaclass"):
        NanoEventsFactory.from_root({path: "Events"}, schemaclass="NanoAODSchema")
    with pytest.raises(FileNotFoundError, match=r"absent\.root") as absent:
        NanoEventsFactory.from_root({str(tmp_path / "absent.root"): "Events"})
    assert isinstance(absent.value, ladle.Error)
    with pytest.raises(KeyError, match="Evnts") as near:
        NanoEventsFactory.from_root({path: "Evnts"})
    assert isinstance(near.value, ladle.Error)
    assert "Events" in str(near.value)
    text = tmp_path / "text.root"
    text.write_text("this is no ROOT file, and longer than the header of one\n" * 9)
    with pytest.raises(ladle.Error, match=r"text\.root"):
        NanoEventsFactory.from_root({str(text): "Events"})


@pytest.mark.parametrize(
    ("mode", "cache"),
    [("virtual", None), ("virtual", dict), ("virtual", ladle.BufferCache), ("eager", None)],
    ids=["none", "dict", "ladle", "eager"],
)
@pytest.mark.parametrize(
    "preload",
    [
        ["nScoutingPFJet", "ScoutingPFJet_pt", "no such column"],
        {"ScoutingPFJet_pt"},
        lambda branch: branch.name in ("nScoutingPFJet", "ScoutingPFJet_pt"),
        lambda branch: branch.typename == "float[]",
    ],
)
def test_preload(sample, preload, cache, mode):
    want, got = both(
        {sample("scouting_nano.root"): "Events"},
        schemaclass=ScoutingNanoAODSchema,
        preload=preload,
        buffer_cache=cache,
        mode=mode,
    )
    for name in ("ScoutingPFJet", "ScoutingMuon"):
        assert_same_array(got.events()[name], want.events()[name])
    assert "preload" in got.info().seconds
    preloaded, expected = got._mapping.preloaded_arrays, want._mapping.preloaded_arrays
    assert set(preloaded) == set(expected)
    assert "ScoutingPFJet_pt" in preloaded


def test_preload_of_columns_that_uproot_reads(sample):
    want, got = both(
        {sample("treemaker.root"): "PreSelection"},
        schemaclass=BaseSchema,
        preload=["NumEvents", "HT", "GenJetsAK8_multiplicity"],
    )
    for name in ("HT", "GenJetsAK8_multiplicity"):
        assert_same_array(got.events()[name], want.events()[name])


def test_iteritems_options_select_columns(sample):
    want, got = both(
        {sample("nano_dy.root"): "Events"},
        iteritems_options={"filter_name": ["run", "event", "luminosityBlock", "nJet", "Jet_*"]},
    )
    assert got.events().fields == want.events().fields
    assert_same_array(got.events().Jet, want.events().Jet)


def test_versions_of_the_schema(sample):
    want, got = both({sample("nano_dy.root"): "Events"}, schemaclass=NanoAODSchema.v6)
    assert got.events().metadata == want.events().metadata
    assert got._schema.form == want._schema.form


def test_dask_mode_is_coffeas(sample):
    pytest.importorskip("dask_awkward")
    factory = NanoEventsFactory.from_root({sample("nano_dy.root"): "Events"}, mode="dask")
    assert factory.events().Jet.pt.compute().layout.length == 40
    assert "dask" in factory.info().uproot["*"]


def test_events_is_made_once(sample):
    factory = NanoEventsFactory.from_root({sample("nano_dy.root"): "Events"})
    events = factory.events()
    assert factory.events() is events
    assert len(factory) == 40


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
@pytest.mark.parametrize("cache", [None, dict, ladle.BufferCache], ids=["none", "dict", "ladle"])
def test_a_factory_pickles_as_its_recipe(sample, dumps, cache):
    factory = NanoEventsFactory.from_root(
        {sample("nano_dy.root"): "Events"},
        entry_start=5,
        entry_stop=25,
        buffer_cache=cache and cache(),
        access_log=[],
        metadata={"dataset": "dy"},
    )
    parcel = dumps(factory)
    other = pickle.loads(parcel)
    assert len(other) == 20
    events = other.events()
    assert events.metadata["dataset"] == "dy"
    assert_same_array(events.Jet, factory.events().Jet)
    assert [entry.branch for entry in other.access_log][:1] == ["nJet"]
    assert other.info() == factory.info()
    assert other.file_handle.file_path == factory.file_handle.file_path
    # opened anew, so a file that has changed in between is noticed
    assert other._mapping._source.table is not factory._mapping._source.table


def test_a_factory_over_another_file_than_it_was_made_from_says_so(sample, tmp_path):
    path = tmp_path / "events.root"
    path.write_bytes(Path(sample("nano_dy.root")).read_bytes())
    parcel = pickle.dumps(NanoEventsFactory.from_root({str(path): "Events"}))
    path.write_bytes(Path(sample("nano_dimuon.root")).read_bytes())
    factory = pickle.loads(parcel)
    with pytest.raises(RuntimeError, match="UUID"):
        factory.events().Jet.pt.to_list()


def test_keys_of_another_partition_are_refused(sample):
    factory = NanoEventsFactory.from_root({sample("nano_dy.root"): "Events"}, mode="eager")
    mapping = factory._mapping
    key = f"{factory._partition_key}/data/Jet_pt%2C%21load%2C%21content"
    assert mapping[key].dtype == np.float32
    with pytest.raises(KeyError):
        mapping[key.replace("0-40", "0-39")]
    with pytest.raises(RuntimeError, match="no transform named nonsense"):
        mapping[key.replace("%21content", "%21nonsense")]
    with pytest.raises(RuntimeError, match="Syntax error"):
        mapping[f"{factory._partition_key}/data/Jet_pt%2C%21load%2CJet_eta"]
