"""The four caches as the buffer cache of coffea's own factory, over uproot."""

import pytest

import ladle
from tests.python.caches import KINDS, make_cache, settle
from tests.python.conftest import find_sample
from tests.slim import slim_file

nanoevents = pytest.importorskip("coffea.nanoevents")
ak = pytest.importorskip("awkward")


@pytest.fixture(scope="module")
def slim(tmp_path_factory):
    return slim_file(find_sample("nano_dy.root"), tmp_path_factory.mktemp("slim") / "slim.root")


def results(path, cache):
    events = nanoevents.NanoEventsFactory.from_root(
        {str(path): "Events"},
        schemaclass=nanoevents.NanoAODSchema,
        mode="virtual",
        buffer_cache=cache,
    ).events()
    pairs = ak.combinations(events.Muon, 2, fields=["one", "two"])
    answers = {
        "jets": events.Jet[events.Jet.pt > 30],
        "mass": (pairs.one + pairs.two).mass,
        "children": events.GenPart.children.pdgId,
        "matched": events.Electron.matched_gen.pdgId,
        "met": events.MET.pt,
    }
    return {
        name: ak.to_list(array[["pt", "eta", "jetId"]] if name == "jets" else array)
        for name, array in answers.items()
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [None, 1_000_000, 20_000])
def test_same_answers_as_with_a_dict(slim, kind, budget):
    expected = results(slim, {})
    cache = make_cache(kind, budget)
    assert str(results(slim, cache)) == str(expected)
    first = cache.stats()
    assert str(results(slim, cache)) == str(expected)
    second = cache.stats()
    assert second["hits"] > first["hits"]
    assert settle(cache) == 0
    if budget is None:
        assert second["misses"] == first["misses"]


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_buffer_is_made_again(slim, tmp_path):
    expected = results(slim, {})
    path = tmp_path / "named.h5"
    with ladle.HDF5BufferCache(path) as cache:
        assert str(results(slim, cache)) == str(expected)
        key, value = max(cache.items(), key=lambda item: item[1].nbytes)
        damaged = value.tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(damaged) + 5] ^= 4
    path.write_bytes(content)
    with ladle.HDF5BufferCache(path) as cache:
        assert key in cache
        assert str(results(slim, cache)) == str(expected)
        stats = cache.stats()
        assert (stats["damaged"], stats["puts"]) == (1, 1)
