"""ladle.open: forms, laziness, files, ranges, caches."""

import gc
import pickle
import shutil
import threading

import awkward as ak
import numpy as np
import pytest
import uproot

import ladle
from ladle._context import default_context
from tests.python.caches import KINDS, make_cache, settle
from tests.python.oracle import assert_same_buffers
from tests.python.test_core import run_in_child

ALL = pytest.mark.parametrize("kind", KINDS)


def reads(events):
    return set(ladle.info(events).reads)


def leased():
    gc.collect()
    return default_context().memory()["leased"]


@pytest.fixture(scope="module")
def tree(nano):
    with uproot.open(nano) as file:
        yield file["Events"]


def test_description_reads_nothing(nano, tree):
    cache = ladle.BufferCache()
    events = ladle.open(nano, cache=cache)
    assert "??" in repr(events)
    assert str(events.type).startswith(f"{tree.num_entries} * {{")
    assert str(events.Jet_pt.type) == f"{tree.num_entries} * var * float32"
    repr(events.Jet_pt), str(events.layout.form), len(events), events.fields
    repr(ladle.info(events))
    assert reads(events) == set()
    stats = cache.stats()
    assert (stats["misses"], stats["puts"], stats["entries"]) == (0, 0, 0)


def test_touching_one_column_reads_it_alone(nano, tree):
    events = ladle.open(nano)
    expected = tree["Jet_pt"].array()
    assert ak.sum(events.Jet_pt) == ak.sum(expected)
    offsets_owner = next(name for name in events.fields if name.startswith("Jet_"))
    assert reads(events) <= {"Jet_pt", offsets_owner}
    assert ak.max(events.run) == ak.max(tree["run"].array())
    assert reads(events) <= {"Jet_pt", offsets_owner, "run"}


def test_slices_and_projections_stay_lazy(nano):
    events = ladle.open(nano)
    offsets_owner = next(name for name in events.fields if name.startswith("Jet_"))
    part = events[["Jet_pt", "Jet_phi"]][5:10]
    masked = part[np.array([True, False, True, False, True])]
    assert reads(events) <= {offsets_owner}
    assert part.Jet_pt.to_list() == events.Jet_pt.to_list()[5:10]
    assert len(masked) == 3
    assert reads(events) <= {offsets_owner, "Jet_pt"}


def test_columns_of_one_counter_share_their_offsets(nano):
    events = ladle.open(nano)
    columns = [name for name in events.fields if name.startswith("Jet_")][:6]
    touched = [ak.materialize(events[name]) for name in columns]
    addresses = {array.layout.offsets.data.ctypes.data for array in touched}
    assert len(addresses) == 1
    assert ladle.info(events).reads[columns[0]] <= len(columns) + 1  # its data
    cache = ladle.BufferCache()
    events = ladle.open(nano, cache=cache)
    for name in columns:
        ak.sum(events[name])
    assert cache.stats()["entries"] == cache.stats()["misses"] == len(columns) + 1


def test_forms(zmumu, leaflist):
    events = ladle.open(zmumu)
    with uproot.open(zmumu) as file:
        tree = file[ladle.info(events).tables[0]]
        assert events.fields == tree.keys()
        for name in events.fields:
            expected = tree[name].array()
            assert str(events[name].type) == str(expected.type)
            assert_same_buffers(events[name], expected, name)
        assert isinstance(events[0, "Type"], str)
    events = ladle.open(leaflist)
    with uproot.open(leaflist) as file:
        expected = file["tree/leaflist"].array()
        for leaf in expected.fields:
            name = f"leaflist.{leaf}"
            assert name in events.fields
            assert_same_buffers(events[name], expected[leaf], name)


def test_info(nano, objects):
    events = ladle.open(nano, filter_name=["Jet_pt", "nJet"])
    info = ladle.info(events)
    assert info.files == [str(nano)]
    assert info.tables == ["Events"]
    assert info.formats == ["TTree"]
    assert info.columns["Jet_pt"] == "var * float32"
    assert set(info.columns) == {"nJet", "Jet_pt"}
    assert info.unreadable == {}
    assert info.n_entries == len(events)
    assert ladle.info(events[events.nJet > 1]) is info
    mixed = ladle.info(ladle.open(objects))
    assert mixed.columns
    assert mixed.unreadable
    assert not set(mixed.columns) & set(mixed.unreadable)
    for wrong in (ak.Array([1]), 3, None):
        with pytest.raises(TypeError, match=r"ladle\.open"):
            ladle.info(wrong)


def test_filters(nano, tree):
    for filter_name in (
        "Jet_pt",
        "Jet_*",
        "/jet_.*/i",
        ["nJet", "Muon_*"],
        iter(["nJet", "Jet_eta"]),
        lambda name: name.endswith("_phi"),
    ):
        again = ["nJet", "Jet_eta"] if hasattr(filter_name, "__next__") else filter_name
        expected = tree.keys(filter_name=again)
        assert set(ladle.open(nano, filter_name=filter_name).fields) == set(expected)
    nothing = ladle.open(nano, filter_name="NoSuch*")
    assert nothing.fields == []
    assert len(nothing) == tree.num_entries


@pytest.mark.parametrize(
    ("start", "stop"),
    [(None, None), (3, 20), (-5, None), (None, -5), (0, 0), (7, 3), (-1000000, 1000000), (39, 40)],
)
def test_entry_ranges(nano, tree, start, stop):
    events = ladle.open(nano, entry_start=start, entry_stop=stop)
    for name in ("Jet_pt", "run", "nJet"):
        expected = tree[name].array(entry_start=start, entry_stop=stop)
        assert len(events) == len(expected)
        assert_same_buffers(events[name], expected, name)


@pytest.mark.parametrize("wrong", [1.5, True, "3"])
def test_wrong_arguments(nano, wrong):
    with pytest.raises(TypeError, match="entry_start"):
        ladle.open(nano, entry_start=wrong)
    with pytest.raises(TypeError, match="threads"):
        ladle.open(nano, threads=wrong)
    with pytest.raises(TypeError, match="cache"):
        ladle.open(nano, cache=wrong)


def test_wrong_values(nano):
    with pytest.raises(ValueError, match="threads"):
        ladle.open(nano, threads=0)
    with pytest.raises(ValueError, match="library"):
        ladle.open(nano, library="pd")
    with pytest.raises(TypeError):
        ladle.open(nano, None)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads(nano, tree, threads):
    events = ladle.open(nano, threads=threads)
    assert_same_buffers(events.Jet_pt, tree["Jet_pt"].array(), threads)


def test_threads_of_the_environment(monkeypatch):
    monkeypatch.setenv("LADLE_THREADS", "3")
    assert ladle._core.Reader(default_context()).threads == 3
    monkeypatch.setenv("LADLE_THREADS", "1")
    assert ladle._core.Reader(default_context()).threads == 1


def test_forms_of_files(nano, tmp_path):
    events = ladle.open(nano, filter_name="run")
    for files in (
        str(nano),
        f"{nano}:Events",
        {str(nano): "Events"},
        {nano: "Events"},
        {nano: None},
        [nano],
        f"file://{nano}",
    ):
        assert ak.all(ladle.open(files, filter_name="run").run == events.run)
    copy = tmp_path / "a:b.root"
    shutil.copy(nano, copy)
    assert len(ladle.open(f"{copy}:Events")) == len(events)
    assert len(ladle.open(str(copy))) == len(events)


@pytest.mark.parametrize("cache", [None, ladle.BufferCache(), ladle.BufferCache("1 kB"), {}])
def test_several_files(nano, other_nano, cache):
    both = ladle.open([nano, other_nano], cache=cache)
    assert str(both.type).startswith(f"{len(both)} * ")
    assert "??" in repr(both)
    assert reads(both) == set()
    with uproot.open(nano) as one, uproot.open(other_nano) as two:
        for name in ("Jet_pt", "run", "nMuon", "Muon_eta"):
            expected = ak.concatenate([one["Events"][name].array(), two["Events"][name].array()])
            for _ in range(2):
                assert_same_buffers(both[name], expected, name)
            part = ladle.open([nano, other_nano], entry_start=30, entry_stop=-20, cache=cache)
            assert_same_buffers(part[name], expected[30:-20], name)
        only_one = set(one["Events"].keys()) - set(two["Events"].keys())
    for name in only_one:
        assert str(other_nano) in ladle.info(both).unreadable[name]


def test_pattern_is_sorted(nano, tmp_path):
    for name in ("b.root", "a.root"):
        shutil.copy(nano, tmp_path / name)
    events = ladle.open(f"{tmp_path}/*.root:Events", filter_name="run")
    assert [path[-6:] for path in ladle.info(events).files] == ["a.root", "b.root"]
    assert len(events) == 2 * len(ladle.open(nano))


def test_without_a_cache_buffers_live_as_long_as_the_array(nano):
    before = leased()
    events = ladle.open(nano)
    ak.sum(events.Jet_pt), ak.sum(events.Jet_pt)
    assert leased() > before
    assert ladle.info(events).reads["Jet_pt"] <= 2
    kept = np.asarray(ak.flatten(events.Jet_pt))
    expected = kept.copy()
    del events
    np.testing.assert_array_equal(kept, expected)
    del kept
    assert leased() == before


@ALL
def test_with_a_cache_a_lease_dies_after_each_use(nano, tree, kind):
    cache = make_cache(kind)
    events = ladle.open(nano, cache=cache)
    for _ in range(3):
        assert ak.sum(events.Jet_pt) == ak.sum(tree["Jet_pt"].array())
        assert settle(cache) == 0
    stats = cache.stats()
    assert stats["entries"] == stats["misses"] == 2
    assert stats["hits"] > 0


@ALL
def test_cache_is_shared_between_arrays(nano, kind):
    cache = make_cache(kind)
    ak.sum(ladle.open(nano, cache=cache).Jet_pt)
    misses = cache.stats()["misses"]
    events = ladle.open(nano, cache=cache)
    ak.sum(events.Jet_pt)
    assert cache.stats()["misses"] == misses
    for key, value in cache.items():
        assert "Events" in key
        assert value.ndim == 1


@ALL
def test_cache_under_a_budget_gives_the_same(nano, tree, kind):
    cache = make_cache(kind, 3000)
    events = ladle.open(nano, cache=cache)
    for name in ("Jet_pt", "Jet_eta", "GenPart_pt", "Jet_pt"):
        assert_same_buffers(events[name], tree[name].array(), name)
    gc.collect()
    for level in cache.info()["levels"]:
        assert level["nbytes"] <= level["budget"]
    cache.close()
    with pytest.raises(ladle.InvalidError):
        ak.sum(events.Muon_pt)


def test_any_mapping_is_a_cache(nano, tree):
    cache = {}
    events = ladle.open(nano, cache=cache)
    for _ in range(2):
        assert_same_buffers(events.Jet_pt, tree["Jet_pt"].array(), "Jet_pt")
    assert len(cache) == 2
    assert all(isinstance(value, np.ndarray) for value in cache.values())


def test_array_outlives_its_file(nano, tmp_path):
    path = tmp_path / "copy.root"
    shutil.copy(nano, path)
    events = ladle.open(path)
    path.unlink()
    assert ak.sum(events.Jet_pt) == ak.sum(ladle.open(nano).Jet_pt)


def test_damaged_column_does_not_cost_the_others(nano, tree, tmp_path):
    """The first column of a counter lends its offsets to the others: it is the one to damage."""
    events = ladle.open(nano)
    columns = [name for name in events.fields if name.startswith("Jet_")]
    path = tmp_path / "damaged.root"
    table = ladle._core.File(default_context(), nano).table()
    data = bytearray(nano.read_bytes())
    _, _, offset, nbytes = table.page(table.find(columns[0]), 0)
    if offset < 0:
        pytest.skip("the page is embedded in the table's metadata")
    data[offset : offset + nbytes] = bytes(nbytes)
    path.write_bytes(data)
    damaged = ladle.open(path)
    with pytest.raises(ladle.Error) as caught:
        ak.materialize(damaged[columns[0]])
    assert columns[0] in caught.value.where
    assert str(path) in caught.value.where
    for name in columns[1:4]:
        assert_same_buffers(damaged[name], tree[name].array(), name)


@ALL
def test_threads_touch_one_array(nano, tree, kind):
    expected = {name: ak.sum(tree[name].array()) for name in ("Jet_pt", "Jet_eta", "Muon_pt")}
    for cache in (None, make_cache(kind), make_cache(kind, 2000)):
        events = ladle.open(nano, cache=cache)
        failures = []

        def work(events=events, failures=failures):
            for _ in range(20):
                for name, total in expected.items():
                    if ak.sum(events[name]) != total:
                        failures.append(name)

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert failures == []


def test_pickle_takes_the_values(nano):
    events = ladle.open(nano, filter_name=["nJet", "Jet_pt"])
    again = pickle.loads(pickle.dumps(events))
    assert again.Jet_pt.to_list() == events.Jet_pt.to_list()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_child_reads_the_parents_array(nano, tree, kind):
    events = ladle.open(nano, cache=None if kind is None else make_cache(kind))
    ak.sum(events.Jet_pt)

    def child():
        return np.float64([ak.sum(events.Jet_pt), ak.sum(events.Muon_pt)]).tobytes()

    expected = [ak.sum(tree[name].array()) for name in ("Jet_pt", "Muon_pt")]
    assert np.frombuffer(run_in_child(child)).tolist() == np.float64(expected).tolist()
