"""What NanoAOD objects refer to is the same through both factories."""

import awkward as ak
import pytest
from coffea.nanoevents import NanoAODSchema, PFNanoAODSchema

import ladle
from tests.coffea.compare import assert_same_array, both

pytestmark = pytest.mark.filterwarnings("ignore:distinctChildrenDeep may not")

REFERENCES = {
    "Electron": ["matched_gen", "matched_jet", "matched_photon"],
    "Muon": ["matched_gen", "matched_jet", "matched_fsrPhoton"],
    "Photon": ["matched_gen", "matched_jet", "matched_electron"],
    "Tau": ["matched_gen", "matched_jet"],
    "Jet": ["matched_gen", "matched_electrons", "matched_muons", "constituents"],
    "FatJet": ["matched_gen", "subjets", "constituents"],
    "FsrPhoton": ["matched_muon"],
    "GenVisTau": ["parent"],
    "LowPtElectron": ["matched_gen", "matched_electron", "matched_photon"],
    "GenPart": ["parent", "children", "distinctParent", "distinctChildren", "distinctChildrenDeep"],
}
FILES = [
    ("nano_dy.root", NanoAODSchema),
    ("nano_dimuon.root", NanoAODSchema),
    ("nano_tt_v12.root", NanoAODSchema),
    ("nano_tt_v15.root", NanoAODSchema),
    ("nano_dy_empty.root", NanoAODSchema),
    ("pfnano.root", PFNanoAODSchema),
    ("nanoAOD_2015_CMS_Open_Data_ttbar.root", NanoAODSchema),
]


def resolve(collection, name):
    """The references of that name, or the type of the error where the file has not got them."""
    try:
        return getattr(collection, name)
    except (AttributeError, RuntimeError, KeyError) as error:
        return type(error)


# Each file with a cache, and one of them without, and with a mapping.
CASES = [(*file, ladle.BufferCache) for file in FILES] + [(*FILES[0], None), (*FILES[0], dict)]


@pytest.mark.parametrize(("file", "schema", "cache"), CASES)
def test_are_equal(sample, file, schema, cache):
    want, got = (
        factory.events()
        for factory in both(
            {sample(file): "Events"}, schemaclass=schema, buffer_cache=cache, entry_stop=100
        )
    )
    seen = 0
    for collection, names in REFERENCES.items():
        if collection not in want.fields:
            continue
        for name in names:
            target, expected = resolve(got[collection], name), resolve(want[collection], name)
            if isinstance(expected, type):
                assert target is expected
                continue
            seen += 1
            for field in ("pt", "pdgId", "charge"):
                if field in expected.fields:
                    assert_same_array(target[field], expected[field])
    assert seen >= 3


def test_round_trips(sample):
    _, factory = both({sample("nano_dy.root"): "Events"}, buffer_cache=ladle.BufferCache)
    events = factory.events()
    particles = events.GenPart
    assert ak.count(particles.children.pdgId) > 0
    assert ak.all(particles.children.parent.pdgId == particles.pdgId)
    assert ak.all(particles.distinctChildren.distinctParent.pdgId == particles.pdgId)
    assert ak.all(events.Jet.matched_muons.matched_jet.pt == events.Jet.pt)
