"""The extension: arguments, buffers, lifetimes, threads, forks."""

import gc
import os
import sys
import threading
import weakref

import numpy as np
import pytest

import ladle
from ladle import _core

DTYPES = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


@pytest.fixture
def context():
    return _core.Context()


@pytest.fixture
def cache(context):
    return _core.Cache(context)


def lend(cache, array, key=b"lent"):
    cache.put(key, array, array.dtype.name)
    return cache.get(key)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_lease_exports_its_values(cache, name, count):
    array = np.arange(count).astype(name)
    lease = lend(cache, array)
    assert (lease.dtype, lease.count, lease.nbytes) == (name, count, array.nbytes)
    view = memoryview(lease)
    assert (view.format, view.itemsize, view.shape) == (DTYPES[name], array.itemsize, (count,))
    assert view.readonly
    assert view.c_contiguous
    assert view.tobytes() == array.tobytes()
    for back in (lease.array(), np.asarray(lease), np.frombuffer(lease, name)):
        assert back.dtype == array.dtype
        assert not back.flags.writeable
        np.testing.assert_array_equal(back, array)
        if count:
            assert back.ctypes.data % 64 == 0
    assert repr(lease) == f"<Lease of {count} * {name}>"


def test_lease_is_read_only(cache):
    lease = lend(cache, np.arange(3))
    array = lease.array()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True
    with pytest.raises(TypeError, match="read-only"):
        memoryview(lease)[0] = 1


def test_pin_lasts_as_long_as_the_last_view(context, cache):
    lease = lend(cache, np.arange(1000))
    lease_dies = weakref.ref(lease)
    part = lease.array()[10:20]
    assert context.memory()["leased"] > 0
    del lease
    gc.collect()
    assert lease_dies() is not None
    assert context.memory()["leased"] > 0
    np.testing.assert_array_equal(part, np.arange(10, 20))
    del part
    assert lease_dies() is None
    memory = context.memory()
    assert memory["leased"] == 0
    assert memory["resting"] >= 8000


def test_objects_keep_what_they_need():
    context = _core.Context()
    dies = weakref.ref(context)
    cache = _core.Cache(context)
    del context
    lease = lend(cache, np.arange(5))
    del cache
    gc.collect()
    assert dies() is None
    np.testing.assert_array_equal(lease.array(), np.arange(5))


@pytest.mark.parametrize("bad", [True, 1.5, None, "1", np.float64(1), [1]])
def test_an_int_is_an_int(context, cache, bad):
    for call in (
        context.set_budget,
        context.set_pool,
        cache.set_budget,
        lambda value: _core.Context(budget=value),
        lambda value: _core.Cache(context, value),
        lambda value: _core.Reader(context, value),
        lambda value: cache.put(b"x", b"", "uint8", value),
    ):
        with pytest.raises(TypeError, match="must be an int"):
            call(bad)


def test_ints_are_in_range(context, cache):
    for call in (context.set_budget, cache.set_budget):
        with pytest.raises(ValueError, match="at least 0"):
            call(-1)
        with pytest.raises(OverflowError):
            call(2**63)
        with pytest.raises(ValueError, match="at least 0"):
            call(-(2**70))
        call(np.int32(0))
    with pytest.raises(OverflowError):
        _core.Reader(context, 2**31)


def test_types_are_closed(context):
    for kind in (_core.Table, _core.Lease):
        with pytest.raises(TypeError):
            kind()
    for kind in (_core.Context, _core.File, _core.Reader, _core.Cache, _core.Lease, _core.Table):
        with pytest.raises(TypeError):
            type("Sub", (kind,), {})
        with pytest.raises(TypeError):
            kind.extra = 1
    with pytest.raises(TypeError, match="context must be"):
        _core.Cache(object())
    with pytest.raises(TypeError, match="context must be"):
        _core.Reader(_core.Cache(context))
    with pytest.raises(ValueError, match="null"):
        _core.File(context, "a\0b")


def test_cache_arguments(cache):
    with pytest.raises(ValueError, match="whole number"):
        cache.put(b"x", b"123", "int16")
    with pytest.raises(ValueError, match="dtype"):
        cache.put(b"x", b"123", "complex64")
    with pytest.raises(TypeError, match="key"):
        cache.get(17)
    with pytest.raises(BufferError):
        cache.put(b"x", memoryview(bytes(10))[::2], "uint8")
    with pytest.raises(TypeError):
        cache.put(b"x", 3, "uint8")
    lease = lend(cache, np.arange(3))
    with pytest.raises(ValueError, match="int64, not float64"):
        cache.put(b"x", lease, "float64")
    with pytest.raises(TypeError, match="make"):
        cache.fetch(b"y", lambda: 3)
    with pytest.raises(TypeError):
        cache.get_array()
    assert len(cache) == 1


def test_layouts_of_the_caller(context, cache):
    cache.put(b"x", np.arange(6, dtype="i4"), "int32", 7, b"<i4|2,3")
    lease = cache.get(b"x")
    assert lease.layout == b"<i4|2,3"
    assert lease.array().shape == (6,)
    assert cache.get_array("x", None).shape == (2, 3)
    (entry,) = cache.entries()
    assert (entry["layout"], entry["cost_ns"], entry["count"]) == (b"<i4|2,3", 7, 6)
    with pytest.raises(ValueError, match="own layout"):
        cache.put(b"y", lease, "int32", 0, b"<i4|6")
    other = _core.Cache(context)
    other.put("y", lease, "int32")
    assert other.pop_array("y", None).shape == (2, 3)
    assert not other.contains("y")
    assert lend(cache, np.arange(3)).layout == b""
    with pytest.raises(TypeError):
        cache.put(b"x", b"", "uint8", 0, "text")
    with pytest.raises(ladle.InvalidError, match="65536"):
        cache.put(b"x", b"", "uint8", 0, bytes(65536))


def test_copy_makes_a_lease(context):
    values = np.arange(5, dtype="f4")
    lease = _core.copy(context, values, "float32", b"<f4|5,1")
    assert (lease.dtype, lease.count, lease.layout) == ("float32", 5, b"<f4|5,1")
    values[0] = 9
    np.testing.assert_array_equal(lease.array(), np.arange(5))
    large = np.arange(100_000)
    np.testing.assert_array_equal(_core.copy(context, large, "int64").array(), large)
    with pytest.raises(ValueError, match="whole number"):
        _core.copy(context, b"123", "int16")
    with pytest.raises(ValueError, match="dtype"):
        _core.copy(context, b"123", "int17")
    with pytest.raises(ladle.BudgetError):
        _core.copy(_core.Context(budget=10_000), large, "int64")


def test_levels(context):
    levels = [("raw", 10_000), ({"store": "compressed", "codec": "lz4", "level": 2}, 0)]
    cache = _core.Cache(context, levels=levels, home=1)
    cache.put("a", np.arange(1000), "int64")
    assert cache.path is None
    assert cache.get_array("a", None)[-1] == 999
    raw, compressed = cache.levels()
    assert (raw["store"], raw["entries"], raw["budget"]) == ("raw", 1, 10_000)
    assert (compressed["store"], compressed["rests"], compressed["wakes"]) == ("compressed", 1, 1)
    assert compressed["rest_raw_nbytes"] == compressed["wake_raw_nbytes"] == 8000
    assert 0 < compressed["rest_nbytes"] == compressed["nbytes"] < 8000
    assert compressed["codec"].startswith("lz4-2")
    (entry,) = cache.entries()
    assert entry["level_nbytes"] == [raw["nbytes"], compressed["nbytes"]]
    assert entry["nbytes"] == cache.stats()["nbytes"] == raw["nbytes"] + compressed["nbytes"]
    assert entry["wake_ns"] > 0
    cache.set_budget(1, 0)
    assert cache.entries()[0]["level_nbytes"] == [None, compressed["nbytes"]]
    cache.set_budget(1, 1)
    assert len(cache) == 0
    cache.flush()
    cache.close()


@pytest.mark.parametrize(
    ("levels", "home", "error"),
    [
        ([], 0, ValueError),
        ([("raw", 1)] * 5, 0, ValueError),
        ([("raw", 0)], 1, ValueError),
        ([("raw", 0)], -1, ValueError),
        ([("raw", -1)], 0, ValueError),
        ([("raw", 1.5)], 0, TypeError),
        (["raw"], 0, TypeError),
        ([("raw",)], 0, TypeError),
        ([(3, 0)], 0, TypeError),
        ([({"codec": "zstd"}, 0)], 0, TypeError),
        ([("cloud", 0)], 0, ValueError),
        ([({"store": "raw", "level": 1}, 0)], 0, TypeError),
        ([({"store": "compressed", "colour": "red"}, 0)], 0, TypeError),
        ([({"store": "compressed", "path": "x"}, 0)], 0, TypeError),
        ([("raw", 0), ({"store": "compressed", "codec": 3}, 0)], 0, TypeError),
        ([("compressed", 0), ("raw", 0)], 1, ValueError),
        (3, 0, TypeError),
    ],
)
def test_wrong_levels(context, levels, home, error):
    before = context.memory()["total"]
    with pytest.raises(error):
        _core.Cache(context, levels=levels, home=home)
    with pytest.raises(ValueError, match="budget"):
        _core.Cache(context, 5, levels=[("raw", 0)])
    assert context.memory()["total"] - context.memory()["pool"] <= before


def test_cache_keeps_a_lease_without_a_copy(context):
    first = _core.Cache(context)
    second = _core.Cache(context)
    lease = lend(first, np.arange(3))
    first.clear()
    second.put(b"again", lease, "int64")
    assert second.get(b"again").array().ctypes.data == lease.array().ctypes.data


def test_keys_may_be_any_bytes(cache):
    keys = [b"", b"\0", b"a\0b", bytes(range(256)), b"x" * 65535]
    for index, key in enumerate(keys):
        cache.put(key, np.array([index]), "int64")
    assert cache.keys() == keys
    for index, key in enumerate(keys):
        assert cache.get(key).array()[0] == index
    with pytest.raises(ladle.Error):
        cache.put(b"x" * 65536, b"", "uint8")


def test_fetch_makes_once(cache):
    made = []
    started = threading.Event()

    def make():
        made.append(threading.get_ident())
        started.wait(0.2)
        scratch = _core.Cache(ladle._context.default_context())
        return lend(scratch, np.arange(100))

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.fetch(b"key", make))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    started.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({lease.array().ctypes.data for lease in found}) == 1
    np.testing.assert_array_equal(found[0].array(), np.arange(100))


def test_fetch_raises_what_make_raises(cache):
    def make():
        raise LookupError("not today")

    for _ in range(3):
        with pytest.raises(LookupError, match="not today"):
            cache.fetch(b"key", make)
    assert not cache.contains(b"key")


def test_closed_cache_refuses(cache):
    lease = lend(cache, np.arange(3))
    cache.close()
    cache.close()
    with pytest.raises(ladle.InvalidError):
        cache.get(b"lent")
    with pytest.raises(ladle.InvalidError):
        cache.put(b"x", b"", "uint8")
    np.testing.assert_array_equal(lease.array(), np.arange(3))


def test_table_and_column(context, nano):
    file = _core.File(context, nano)
    assert file.path == str(nano)
    assert file.nbytes == nano.stat().st_size
    assert len(file.uuid) == 36
    keys = file.keys()
    assert any(key["path"] == "Events" and key["is_table"] for key in keys)
    table = file.table("Events")
    assert table.name == "Events"
    assert table.format == "TTree"
    assert table.file_uuid == file.uuid
    names = table.names()
    assert len(names) == table.n_columns
    for index in (0, table.n_columns - 1):
        assert table.column(index).name == names[index]
        assert table.find(names[index]) == index
        assert table.require(names[index]) == index
    assert table.find("no such") == -1
    jet = table.column(table.find("Jet_pt"))
    assert (jet.type, jet.dtype, jet.dims, jet.n_buffers) == ("var * float32", "float32", (-1,), 2)
    assert table.column(jet.counter).name == "nJet"
    assert jet.reason is None
    pages = [
        table.page(table.find("Jet_pt"), page)
        for page in range(table.storage(table.find("Jet_pt"))[0])
    ]
    assert pages[0][0] == 0
    assert sum(page[1] for page in pages) == table.n_entries
    borders = table.clusters()
    assert borders[0] == 0
    assert borders[-1] == table.n_entries
    for wrong in (table.n_columns, 2**31 - 1):
        with pytest.raises(ladle.InvalidError):
            table.column(wrong)
    with pytest.raises(ladle.InvalidError):
        table.page(0, 10**9)
    with pytest.raises(TypeError):
        table.column(1.0)


def test_read_buffers(context, nano):
    table = _core.File(context, nano).table()
    reader = _core.Reader(context, 2)
    assert reader.threads == 2
    index = table.find("Jet_pt")
    n_entries = table.n_entries
    requests = [(table, index, 0, 0, n_entries), (table, index, 1, 0, n_entries)]
    leases = reader.read_buffers(requests)
    for request, lease in zip(requests, leases, strict=True):
        assert bytes(lease) == bytes(reader.read_buffer(*request))
    assert leases[0].count == n_entries + 1
    assert leases[0].array()[-1] == leases[1].count
    assert reader.read_buffers([]) == []
    wrong = (table, index, 7, 0, n_entries)
    with pytest.raises(ladle.Error):
        reader.read_buffers([*requests, wrong])
    answers = reader.read_buffers([wrong, *requests], return_errors=True)
    assert isinstance(answers[0], ladle.Error)
    assert [bytes(lease) for lease in answers[1:]] == [bytes(lease) for lease in leases]
    for bad in ([3], [(table, 1)], 3, [(table, index, 0, 0, 1.5)], [("t", index, 0, 0, 1)]):
        with pytest.raises(TypeError):
            reader.read_buffers(bad)
    with pytest.raises(ladle.Error):
        reader.read_buffer(table, index, 0, 5, 4)
    with pytest.raises(ladle.Error):
        reader.read_buffer(table, index, 0, 0, n_entries + 1)


def test_reader_fills_the_cache_under_its_key(context, cache, nano):
    table = _core.File(context, nano).table()
    reader = _core.Reader(context)
    index = table.find("Jet_pt")
    request = (table, index, 1, 3, 20)
    lease = reader.read_buffer(*request, cache)
    assert cache.keys() == [reader.key(*request)]
    assert cache.get(reader.key(*request)).array().ctypes.data == lease.array().ctypes.data
    assert table.file_uuid.encode() in reader.key(*request)


def test_reference_counts_are_balanced(context, cache, nano):
    """Many calls of everything, those that fail included, leave no object behind."""
    table = _core.File(context, nano).table()
    reader = _core.Reader(context)
    missing = object()

    def round_of_calls():
        cache.put("k", np.arange(10), "int64")
        cache.get_array("k", missing), cache.get_array("none", missing), cache.get(b"k")
        cache.fetch("k", None), cache.entries(), cache.keys(), cache.stats()
        table.column(0), table.names(), table.clusters(), table.find("x")
        reader.read_buffers([(table, 0, 0, 0, 1)])
        for wrong in (
            lambda: cache.put("k", 3, "int64"),
            lambda: cache.put("k", b"1", "int64"),
            lambda: cache.get(3),
            lambda: table.require("no such column"),
            lambda: table.column(-1),
            lambda: reader.read_buffer(table, 0, 99, 0, 1),
            lambda: reader.read_buffers([(table, 0, 0, 0, 1), (table, 0, 99, 0, 1)]),
        ):
            with pytest.raises((TypeError, ValueError, KeyError)):
                wrong()

    for _ in range(20):
        round_of_calls()
    gc.collect()
    before = (sys.getrefcount(missing), len(gc.get_objects()), sys.getallocatedblocks())
    for _ in range(200):
        round_of_calls()
    gc.collect()
    after = (sys.getrefcount(missing), len(gc.get_objects()), sys.getallocatedblocks())
    assert after[0] == before[0]
    assert after[1] - before[1] < 50
    assert after[2] - before[2] < 500


def test_threads_share_everything(context, nano):
    table = _core.File(context, nano).table()
    reader = _core.Reader(context, 2)
    cache = _core.Cache(context, 200_000)
    columns = [i for i in range(table.n_columns) if table.column(i).n_buffers > 0][:60]
    expected = {
        i: bytes(reader.read_buffer(table, i, table.column(i).n_buffers - 1, 0, table.n_entries))
        for i in columns
    }
    wrong = []

    def work(seed):
        generator = np.random.default_rng(seed)
        for index in generator.choice(columns, 300).tolist():
            buffer = table.column(index).n_buffers - 1
            lease = reader.read_buffer(table, index, buffer, 0, table.n_entries, cache)
            if bytes(lease) != expected[index]:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert context.memory()["leased"] == 0


def run_in_child(function):
    """Fork, run the function in the child, and return what it returned (bytes)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writing, function())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return answer


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_objects_of_the_parent_refuse_in_a_child(context, cache, nano):
    table = _core.File(context, nano).table()
    reader = _core.Reader(context)
    lease = lend(cache, np.arange(5))

    def child():
        for call in (context.memory, cache.stats, table.names, lambda: reader.threads):
            with pytest.raises(ladle.InvalidError, match="parent process"):
                call()
        mine = _core.Context()
        assert _core.File(mine, nano).table().n_entries > 0
        return bytes(lease) + _core.forks().to_bytes(1, "little")

    before = _core.forks()
    assert run_in_child(child) == np.arange(5).tobytes() + bytes([before + 1])
    assert _core.forks() == before


def test_hash_and_version():
    xxhash = pytest.importorskip("xxhash")
    for data in (b"", b"abc", bytes(1_000_000)):
        assert _core.xxh3_64(data) == xxhash.xxh3_64_intdigest(data)
    assert _core.xxh3_64(np.arange(3)) == xxhash.xxh3_64_intdigest(np.arange(3).tobytes())
    with pytest.raises((BufferError, ValueError)):
        _core.xxh3_64(np.arange(10)[::2])
    assert ladle.__version__ == _core.version()
