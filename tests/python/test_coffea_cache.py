"""BufferCache as the buffer cache of coffea's own factory, over uproot."""

import pytest

import ladle

nanoevents = pytest.importorskip("coffea.nanoevents")
ak = pytest.importorskip("awkward")


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
@pytest.mark.parametrize("budget", [None, "1 MB", "20 kB"])
def test_same_answers_as_with_a_dict(nano, budget):
    expected = results(nano, {})
    cache = ladle.BufferCache(budget)
    assert str(results(nano, cache)) == str(expected)
    first = cache.stats()
    assert str(results(nano, cache)) == str(expected)
    second = cache.stats()
    assert second["hits"] > first["hits"]
    assert second["pinned_nbytes"] == 0
    if budget is None:
        assert second["misses"] == first["misses"]
