"""ladle.offload: the same array, with nothing of it resident."""

import gc
import importlib.util
import pickle
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ladle
from ladle._context import default_context
from tests.python.caches import KINDS, make_cache
from tests.python.test_core import run_in_child
from tests.thorough import examples

ak = pytest.importorskip("awkward")


def layouts():
    """Arrays of all kinds of nodes."""
    index = ak.index
    contents = ak.contents
    data = contents.NumpyArray(np.arange(10, dtype="f4"), parameters={"unit": "GeV"})
    jagged = ak.Array([[1, 2, 3], [], [4, 5]])
    record = ak.zip({"pt": jagged, "eta": jagged * 0.5}, with_name="Jet")
    yield "flat", ak.Array(data)
    yield "jagged", jagged
    yield "sliced", jagged[1:][:, ::-1]
    yield (
        "lists",
        ak.Array(contents.ListArray(index.Index64([3, 0, 0]), index.Index64([5, 0, 3]), data)),
    )
    yield "lists of 32 bit", ak.Array(contents.ListOffsetArray(index.Index32([0, 4, 10]), data))
    yield "records", record
    yield "tuples", ak.Array([(1, 2.5), (3, 4.5)])
    yield "no fields", ak.Array([{}, {}, {}])
    yield "regular", ak.to_regular(ak.Array([[1, 2], [3, 4], [5, 6]]))
    yield "regular of nothing", ak.Array(contents.RegularArray(data[:0], 0, zeros_length=3))
    yield "many dimensions", ak.Array(contents.NumpyArray(np.arange(24).reshape(2, 3, 4)))
    yield "strides", ak.Array(contents.NumpyArray(np.arange(24).reshape(4, 6)[::2, ::-3]))
    yield "strings", ak.Array(["one", "", "zwölf"])
    yield "bytes", ak.Array([b"one", b""])
    if importlib.util.find_spec("pyarrow") is not None:
        yield "categories", ak.str.to_categorical(ak.Array(["a", "b", "a"]))
    yield "options", ak.Array([1, None, 3])
    yield "options of lists", ak.Array([[1, None], None, []])
    yield "indexed", ak.Array(contents.IndexedArray(index.Index64([4, 2, 2]), data))
    yield (
        "bytes as mask",
        ak.Array(
            contents.ByteMaskedArray(index.Index8([1, 0, 1] * 3 + [0]), data, valid_when=True)
        ),
    )
    yield (
        "bits as mask",
        ak.Array(
            contents.BitMaskedArray(
                index.IndexU8([0b10101010, 0b11]), data, valid_when=False, length=10, lsb_order=True
            )
        ),
    )
    yield "unmasked", ak.Array(contents.UnmaskedArray(data))
    yield "unions", ak.Array([1, "two", [3, 4], None])
    yield "empty", ak.Array([])
    yield "empty lists", ak.Array([[], []])
    yield "nothing of something", jagged[:0]
    yield "booleans", ak.Array([True, False])
    yield "complex", ak.Array([1 + 2j])
    yield "dates", ak.Array(np.array(["2026-01-01", "NaT"], "M8[s]"))
    yield "deep", ak.Array([[[{"x": [1, None], "y": "s"}], []], []])


LAYOUTS = dict(layouts())
ARRAYS = pytest.mark.parametrize("array", LAYOUTS.values(), ids=LAYOUTS.keys())


def assert_same(got, want):
    assert got.type == want.type
    assert got.layout.form.type == want.layout.form.type
    assert got.to_list() == want.to_list()
    assert ak.parameters(got) == ak.parameters(want)
    assert ak.array_equal(got, want, equal_nan=True, check_parameters=True)


@ARRAYS
@pytest.mark.parametrize("kind", [*KINDS, "dict"])
def test_the_same_array(array, kind):
    cache = {} if kind == "dict" else make_cache(kind)
    offloaded = ladle.offload(array, cache)
    assert type(offloaded) is type(array)
    assert_same(offloaded, array)
    assert_same(ak.to_packed(offloaded), ak.to_packed(array))
    assert all_virtual(offloaded)
    del offloaded
    gc.collect()
    assert len(cache) == 0


def all_virtual(array):
    _, _, buffers = ak.to_buffers(array)
    return not any(
        isinstance(buffer, np.ndarray) or buffer.is_materialized for buffer in buffers.values()
    )


def test_nothing_stays_resident():
    cache = ladle.HDF5BufferCache(hot=0)
    memory = default_context().memory
    held = memory()["resting"] + memory()["leased"]
    array = ladle.offload(ak.Array(np.arange(1_000_000)), cache)
    for _ in range(3):
        assert ak.sum(array) == 499_999_500_000
        assert (array[::2] * 2 + array[::2])[-1] == 2_999_994
        assert memory()["resting"] + memory()["leased"] <= held
    assert cache.stats()["hits"] >= 9


def test_behavior_attributes_and_names():
    class Jet(ak.Record):
        pass

    class JetArray(ak.Array):
        @property
        def double(self):
            return self.pt * 2

    behavior = {"Jet": Jet, ("*", "Jet"): JetArray}
    array = ak.Array(
        {"pt": [1.0, 2.0]}, with_name="Jet", behavior=behavior, attrs={"title": "jets"}
    )
    array = ak.with_parameter(array, "__doc__", "the jets")
    offloaded = ladle.offload(array, ladle.BufferCache())
    assert isinstance(offloaded, JetArray)
    assert offloaded.double.to_list() == [2, 4]
    assert offloaded.attrs["title"] == "jets"
    assert isinstance(offloaded[0], Jet)
    assert_same(offloaded, array)
    named = ak.with_named_axis(ak.Array([[1], [2, 3]]), ("event", "jet"))
    assert ak.sum(ladle.offload(named, ladle.BufferCache()), axis="jet").to_list() == [1, 5]


def test_numpy_arrays():
    cache = ladle.BufferCache()
    array = np.arange(6).reshape(2, 3)
    assert ladle.offload(array, cache).to_list() == array.tolist()
    masked = np.ma.masked_array([1, 2, 3], [False, True, False])
    assert ladle.offload(masked, cache).to_list() == [1, None, 3]
    fields = np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])
    assert ladle.offload(fields, cache).to_list() == [{"a": 1, "b": 2.5}]
    assert ladle.offload(np.arange(3, dtype=">i4"), cache).to_list() == [0, 1, 2]
    assert len(cache) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        [1, 2],
        None,
        3,
        np.array([None]),
        ak.Record({"x": 1}),
        ak.to_backend(ak.Array([1, 2]), "typetracer"),
    ],
)
def test_what_is_no_array_with_data(wrong):
    cache = ladle.BufferCache()
    with pytest.raises(TypeError):
        ladle.offload(wrong, cache)
    assert len(cache) == 0


def test_wrong_caches_and_prefixes():
    with pytest.raises(TypeError, match="mapping"):
        ladle.offload(ak.Array([1]), [])
    with pytest.raises(TypeError, match="prefix"):
        ladle.offload(ak.Array([1]), {}, prefix=3)


def test_virtual_buffers_are_made_one_at_a_time():
    """And the array that was given stays as virtual as it was."""
    made = []
    highest = 0

    def make():
        nonlocal highest
        array = np.arange(1000, dtype="f4")
        made.append(weakref.ref(array))
        highest = max(highest, sum(one() is not None for one in made))
        return array

    names = list("abcdefgh")
    form = ak.forms.RecordForm(
        [ak.forms.NumpyForm("float32", form_key=name) for name in names], names
    )
    array = ak.from_buffers(form, 1000, {f"{name}-data": make for name in names})
    offloaded = ladle.offload(array, ladle.HDF5BufferCache(hot=0))
    assert len(made) == 8
    assert highest == 1
    assert all_virtual(array)
    assert offloaded.h.to_list() == list(range(1000))


def test_an_opened_file_is_offloaded(nano):
    events = ladle.open(nano, filter_name=["nJet", "Jet_*"])
    cache = ladle.CompressedBufferCache()
    offloaded = ladle.offload(events, cache)
    assert ladle.info(offloaded).n_entries == len(events)
    assert_same(offloaded, events)


def test_entries_leave_with_the_last_array():
    cache = ladle.BufferCache()
    array = ladle.offload(ak.Array([[1, 2], [3]]), cache)
    other = ladle.offload(ak.Array([1]), cache)
    assert len(cache) == 3
    part = array[1:]
    del array
    gc.collect()
    assert len(cache) == 3
    assert part.to_list() == [[3]]
    values = ak.to_numpy(ak.flatten(part))
    del part
    gc.collect()
    assert len(cache) == 1
    assert values.tolist() == [3]
    assert other.to_list() == [1]


def test_the_array_keeps_the_cache():
    array = ladle.offload(ak.Array([1, 2, 3]), ladle.CompressedBufferCache())
    gc.collect()
    assert array.to_list() == [1, 2, 3]


def test_a_prefix_keeps_the_entries(tmp_path):
    path = tmp_path / "named.h5"
    with ladle.HDF5BufferCache(path) as cache:
        array = ladle.offload(ak.Array([[1, 2], [3]]), cache, prefix="jets")
        assert list(cache) == ["jets/node0-offsets", "jets/node1-data"]
        assert array.to_list() == [[1, 2], [3]]
        del array
        gc.collect()
        assert len(cache) == 2
        other = ladle.offload(ak.Array([1]), cache)
        assert len(cache) == 3
        del other
        gc.collect()
    with ladle.HDF5BufferCache(path) as cache:
        assert cache["jets/node1-data"].tolist() == [1, 2, 3]


def test_a_cache_that_does_not_keep_all():
    cache = ladle.BufferCache(10_000)
    cache["other"] = np.arange(10)
    array = ak.Array({"a": np.arange(1000), "b": np.arange(1000)})
    with pytest.raises(ladle.BudgetError, match="without a budget"):
        ladle.offload(array, cache)
    with pytest.raises(ladle.BudgetError):
        ladle.offload(array, cache, prefix="x")
    gc.collect()
    assert not any(key.startswith("x") or "offload" in key for key in cache)


def test_a_buffer_that_left_is_named():
    cache = ladle.BufferCache(10_000)
    array = ladle.offload(ak.Array(np.arange(1000)), cache)
    (key,) = cache
    held = cache[key]
    cache["other"] = np.arange(900)  # does not fit beside what is in use
    assert key in cache
    del held
    del cache[key]
    with pytest.raises(ladle.NameMissingError) as caught:
        array.to_list()
    assert key in str(caught.value)
    assert "without a budget" in str(caught.value)


def test_what_can_be_read_again_leaves_first(nano):
    cache = ladle.BufferCache("20 kB")
    array = ladle.offload(ak.Array(np.arange(1000)), cache)
    events = ladle.open(nano, cache=cache)
    for name in events.fields[:300]:
        events[name].to_list()
    assert cache.stats()["evictions"] > 10
    assert ak.sum(array) == 499_500


def test_pickle():
    array = ladle.offload(ak.Array([[1, None], []]), ladle.HDF5BufferCache())
    assert_same(pickle.loads(pickle.dumps(array)), array)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_forked_child():
    cache = ladle.CompressedBufferCache()
    array = ladle.offload(ak.Array([1, 2, 3]), cache)

    def child():
        nonlocal array
        with pytest.raises(ladle.NameMissingError, match="forked child"):
            array.to_list()
        del array
        gc.collect()
        return b"done"

    assert run_in_child(child) == b"done"
    assert array.to_list() == [1, 2, 3]


VALUES = st.recursive(
    st.integers(-100, 100) | st.floats(allow_nan=False) | st.none() | st.booleans() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.fixed_dictionaries({"x": inner, "y": inner}),
    max_leaves=20,
)


@examples(50)
@given(st.lists(VALUES, max_size=6), st.sampled_from(KINDS))
def test_any_values(values, kind):
    array = ak.from_iter(values)
    offloaded = ladle.offload(array, make_cache(kind))
    assert offloaded.type == array.type
    assert offloaded.to_list() == array.to_list()
