"""The base form is coffea's own, for native columns without opening the file in uproot."""

import json

import pytest
import uproot
from coffea.nanoevents.mapping import UprootSourceMapping

from ladle.coffea._form import BaseForm
from ladle.coffea._source import TableSource
from tests.coffea.compare import open_with_uproot

NATIVE = [
    ("nano_dy.root", "Events"),
    ("nano_dy.root", "Runs"),
    ("nano_dimuon.root", "Events"),
    ("nano_dimuon.root", "Runs"),
    ("nano_tree.root", "Events"),
    ("nano_tt_v12.root", "Events"),
    ("nano_tt_v15.root", "Events"),
    ("nano_dy_empty.root", "Events"),
    ("nano_dy_SpecialTree.root", "NotEvents"),
    ("missing_luminosityBlock.root", "Events"),
    ("pfnano.root", "Events"),
    ("pfnano.root", "Runs"),
    ("pfnano.root", "LuminosityBlocks"),
    ("scouting_nano.root", "Events"),
    ("nanoAOD_2015_CMS_Open_Data_ttbar.root", "Events"),
    ("uproot-HZZ-zlib.root", "events"),
    ("uproot-Zmumu-lz4.root", "events"),
    ("uproot-small-flat-tree.root", "tree"),
    ("uproot-sample-6.20.04-lz4.root", "sample"),
]
MIXED = [
    ("treemaker.root", "PreSelection"),
    ("delphes.root", "Delphes"),
    ("pduneana.root", "pduneana/beamana"),
    ("PHYSLITE_example.root", "CollectionTree"),
    ("edm4hep.root", "events"),
    ("test_FCC_Winter2023.root", "events"),
    ("p8_ee_WW_ecm240_edm4hep.root", "events"),
    ("uproot-HZZ-objects.root", "events"),
    ("uproot-leaflist.root", "tree"),
    ("uproot-stl_containers.root", "tree"),
]


def coffea_form(path, table, **options):
    tree = open_with_uproot(path)[table]
    form = UprootSourceMapping._extract_base_form(tree, iteritems_options=options)
    return {**form, "typenames": tree.typenames()}


def ladle_form(path, table, **options):
    source = TableSource(path, table)
    return source, BaseForm(source, options)


@pytest.mark.parametrize(("file", "table"), NATIVE)
def test_of_native_tables_equals_coffeas_without_uproot(sample, file, table):
    path = sample(file)
    source, base = ladle_form(path, table)
    # as JSON, so that the order of fields and typenames is compared too
    want = coffea_form(path, table)
    assert json.dumps(base.form["typenames"]) == json.dumps(want["typenames"])
    assert base.form == want
    assert set(base.native) == set(base.form["fields"])
    assert base.foreign == {}
    assert not source.uproot_is_open


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("file", "table"), MIXED)
def test_of_mixed_tables_equals_coffeas(sample, file, table):
    path = sample(file)
    _, base = ladle_form(path, table)
    want = coffea_form(path, table)
    assert list(base.form["typenames"].items()) == list(want["typenames"].items())
    assert base.form == want
    assert set(base.native) | set(base.foreign) == set(want["fields"])
    assert base.foreign
    assert all(base.foreign.values())


@pytest.mark.parametrize(
    "options",
    [
        {"filter_name": ["Jet_*", "nJet"]},
        {"filter_name": "/Muon_.*/"},
        {"filter_typename": "float[]"},
        {"filter_branch": lambda branch: branch.name.startswith("HLT_")},
        {"full_paths": False},
        {"filter_name": "nothing of that name"},
    ],
)
def test_follows_iteritems_options(sample, options):
    path = sample("nano_dy.root")
    _, base = ladle_form(path, "Events", **options)
    assert base.form == coffea_form(path, "Events", **options)


def test_keys_begin_as_coffeas(sample):
    path = sample("nano_dy.root")
    for table in ("Events", "Events;1", "Runs"):
        source, _ = ladle_form(path, table)
        tree = uproot.open(path)[table]
        assert source.object_path == tree.object_path
        assert source.uuid == str(tree.file.uuid)
    path = sample("pduneana.root")
    source = TableSource(path, "pduneana/beamana")
    assert source.object_path == uproot.open(path)["pduneana/beamana"].object_path
