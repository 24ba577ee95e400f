"""Caches with a file: what a later process finds, and what becomes of it when things go wrong."""

import contextlib
import copy
import errno
import gc
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import ladle
from tests.python.test_cache_machine import full_disk
from tests.python.test_core import run_in_child

h5py = pytest.importorskip("h5py")

VALUES = {
    "flat": np.arange(1000, dtype="f4"),
    "uuid/Events;1/0-40/data/Jet_pt,!load": np.arange(6).reshape(2, 3),
    "large": np.random.default_rng(1).random(200_000),
    "empty": np.empty(0, np.int32),
    "scalar": np.array(2.5),
    "big-endian": np.arange(5, dtype=">i2"),
    "dates": np.array(["2026-01-01", "NaT"], "M8[s]"),
    "text": np.array(["ä", "bcd"]),
    "complex": np.array([1 + 2j], "c8"),
    "flags": np.array([True, False]),
    "fields": np.array([(1, 2.5)], [("a", "<i4"), ("b", ">f8")]),
    "ä/\0\ud800": np.arange(3),
    "": np.arange(4),
    ".": np.arange(5),
}
FACTORIES = {
    "hdf5": lambda path, **options: ladle.HDF5BufferCache(path, **options),
    "tiered": lambda path, **options: ladle.TieredBufferCache(path=path, **options),
}
BOTH = pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES.keys())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "named.h5"


def assert_holds(cache, values):
    assert list(cache) == list(values)
    for key, value in values.items():
        found = cache[key]
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        assert found.tobytes() == value.tobytes()


@BOTH
def test_a_later_cache_finds_everything(make, path):
    with make(path) as cache:
        assert cache.path == str(path)
        cache.update(VALUES)
        cache["gone"] = np.arange(3)
        del cache["gone"]
        assert repr(cache).startswith(f"<{type(cache).__name__} {len(VALUES)} buffers, ")
        assert str(path) in repr(cache)
    with make(path) as cache:
        assert_holds(cache, VALUES)
        assert cache.stats()["misses"] == 0
        cache["one more"] = np.arange(3)
        cache.flush()
        with make_reader(path) as reader:
            assert reader.pop("one more").sum() == 3
    with make(path) as cache:
        assert list(cache) == [*VALUES, "one more"]


@contextlib.contextmanager
def make_reader(path):
    """A copy of the file as it is now, opened as another process would after a crash of this."""
    twin = path.with_name("copy.h5")
    twin.write_bytes(path.read_bytes())
    with ladle.HDF5BufferCache(twin) as reader:
        yield reader


def test_h5py_reads_it_key_by_key(path):
    with ladle.HDF5BufferCache(path) as cache:
        cache.update(VALUES)
    with h5py.File(path) as file:
        found = {}
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
        values = [np.asarray(value) for value in found.values()]
        for key in ("flat", "large"):
            np.testing.assert_array_equal(file[key][()], VALUES[key])
        for value in VALUES.values():
            assert any(value.tobytes() == np.asarray(other).tobytes() for other in values)


SCRIPT = """
import sys, numpy, ladle
path, how = sys.argv[1:]
cache = ladle.HDF5BufferCache(path)
cache["a"] = numpy.arange(1000)
if how == "flush":
    cache.flush()
    cache["b"] = numpy.arange(10)
    import os; os.kill(os.getpid(), 9)
elif how == "forget":
    del cache
    import os; os._exit(0)
elif how == "error":
    raise RuntimeError("an analysis")
"""


@pytest.mark.parametrize("how", ["end", "flush", "forget", "error"])
def test_it_is_written_however_the_process_ends(path, how):
    subprocess.run([sys.executable, "-c", SCRIPT, str(path), how], stderr=subprocess.DEVNULL)
    with ladle.HDF5BufferCache(path) as cache:
        assert list(cache) == ["a"]
        np.testing.assert_array_equal(cache["a"], np.arange(1000))


@pytest.mark.parametrize("kind", ["hdf5", "tiered"])
def test_a_killed_process_leaves_no_scratch_file(tmp_path, kind):
    script = (
        "import sys, os, numpy, ladle, ladle.coffea\n"
        "cache = ladle.coffea.cache_strategy(sys.argv[2], dir=sys.argv[1])()\n"
        "cache['a'] = numpy.arange(1_000_000)\n"
        "assert any(level['file_nbytes'] > 0 for level in cache.info()['levels'])\n"
        "assert not os.listdir(sys.argv[1])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    if kind == "tiered":
        script = script.replace("dir=sys.argv[1]", "dir=sys.argv[1], raw=1000, compressed=1000")
    pytest.importorskip("coffea.nanoevents")
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path), kind])
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_where_the_scratch_file_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("LADLE_SCRATCH", str(tmp_path))
    cache = ladle.HDF5BufferCache()
    assert cache.info()["levels"][-1]["path"].startswith(str(tmp_path))
    assert cache.path is None
    other = tmp_path / "other"
    other.mkdir()
    cache = ladle.HDF5BufferCache(dir=other)
    assert cache.info()["levels"][-1]["path"].startswith(str(other))
    assert str(other) in repr(cache)
    monkeypatch.chdir(tmp_path)
    assert ladle.HDF5BufferCache("here.h5").path == str(tmp_path / "here.h5")


def test_a_network_file_system_is_a_warning(monkeypatch):
    class OnNetwork:
        """What the extension says of a scratch file on such a file system."""

        path = None

        def __init__(self, *_, **__):
            pass

        def levels(self):
            return [{"network": True, "path": "/net/scratch"}]

    monkeypatch.setattr("ladle._mapping._core.Cache", OnNetwork)
    with pytest.warns(RuntimeWarning, match=r"/net/scratch.*dir=.*LADLE_SCRATCH") as caught:
        ladle.HDF5BufferCache()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("where", ["path", "dir"])
def test_no_such_folder(tmp_path, where):
    missing = tmp_path / "no" / "such" / "folder"
    with pytest.raises(ladle.Error, match="folder") as caught:
        ladle.HDF5BufferCache(**{where: missing / "x.h5" if where == "path" else missing})
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.ENOENT


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(ladle.Error) as caught:
        ladle.HDF5BufferCache(tmp_path / ("x" * 300))
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.ENAMETOOLONG


def test_a_folder_that_may_not_be_written():
    def refused():
        if os.geteuid() == 0:
            os.seteuid(65534)  # root may write anywhere, nobody may not
        for options in ({"dir": folder}, {"path": f"{folder}/x.h5"}):
            with pytest.raises(PermissionError, match=re.escape(folder)):
                ladle.HDF5BufferCache(**options)
        return b"refused"

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        assert run_in_child(refused) == b"refused"


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", bytes(100_000)])
def test_a_foreign_file_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    if content:
        with pytest.raises(ladle.FormatError, match=r"named\.h5"):
            ladle.HDF5BufferCache(path)
        assert path.read_bytes() == content


def test_a_file_of_h5py_is_refused_and_left_alone(path):
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(5)
    content = path.read_bytes()
    with pytest.raises(ladle.FormatError):
        ladle.HDF5BufferCache(path)
    assert path.read_bytes() == content


def test_two_caches_on_one_file(path):
    with ladle.HDF5BufferCache(path) as cache:
        cache["a"] = np.arange(3)
        for other in (
            lambda: ladle.HDF5BufferCache(path),
            lambda: pickle.loads(pickle.dumps(cache)),
            lambda: copy.copy(cache),
        ):
            with pytest.raises(ladle.ReadError, match="named") as caught:
                other()
            assert caught.value.status == "LOCKED"
        script = f"import ladle; ladle.HDF5BufferCache({str(path)!r})"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 1
        assert "in use by another process" in done.stderr
        data = pickle.dumps(cache)
    with pickle.loads(data) as again:
        assert_holds(again, {"a": np.arange(3)})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@BOTH
def test_a_child_refuses_and_never_writes(make, path):
    cache = make(path)
    cache["a"] = np.arange(3)
    value = cache["a"]

    def child():
        for use in (
            lambda: cache["a"],
            lambda: cache.get("a"),
            lambda: cache.__setitem__("b", np.arange(3)),
            lambda: len(cache),
            lambda: list(cache),
            lambda: "a" in cache,
            cache.stats,
            cache.info,
            cache.flush,
            cache.clear,
        ):
            with pytest.raises(ladle.InvalidError, match="open another path") as caught:
                use()
            assert str(path) in str(caught.value)
        assert "parent process" in repr(cache)
        assert ladle.memory.info()["caches"] == []
        cache.close()
        other = make(path.with_name("child.h5"))
        other["c"] = value
        other.close()
        gc.collect()
        return value.tobytes()

    assert run_in_child(child) == np.arange(3).tobytes()
    assert_holds(cache, {"a": np.arange(3)})
    cache.close()
    with make(path) as cache:
        assert_holds(cache, {"a": np.arange(3)})
    with make(path.with_name("child.h5")) as cache:
        assert_holds(cache, {"c": np.arange(3)})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_lives_on_does_not_hold_the_file(path):
    cache = ladle.HDF5BufferCache(path)
    cache["a"] = np.arange(3)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    cache.close()
    with ladle.HDF5BufferCache(path) as again:
        assert list(again) == ["a"]
    os.close(writing)
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_ends_as_a_program_does_not_commit(path):
    script = (
        "import os, sys, numpy, ladle\n"
        "cache = ladle.HDF5BufferCache(sys.argv[1])\n"
        "cache['a'] = numpy.arange(3)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "size = os.stat(sys.argv[1]).st_size\n"
        "cache['b'] = numpy.arange(100_000)\n"
        "assert cache['a'][2] == 2\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(path)], check=True)
    with ladle.HDF5BufferCache(path) as cache:
        assert list(cache) == ["a", "b"]


def test_disk_full(tmp_path):
    cache = ladle.HDF5BufferCache(dir=tmp_path)
    value = np.random.default_rng(1).random(100_000)
    cache["a"] = value
    with full_disk(), pytest.raises(ladle.ReadError) as caught:
        cache["a"] = value + 1
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.EFBIG
    assert str(tmp_path) in caught.value.filename
    np.testing.assert_array_equal(cache["a"], value)
    cache["b"] = value + 1
    np.testing.assert_array_equal(cache["b"], value + 1)


@BOTH
def test_a_commit_that_fails_keeps_what_was_there(make, path):
    cache = make(path)
    cache["a"] = np.arange(1000)
    cache.flush()
    cache["b"] = np.random.default_rng(1).random(100_000)

    def more():
        cache["c"] = np.random.default_rng(2).random(100_000)
        cache.flush()

    with full_disk(), pytest.raises(ladle.ReadError, match="named"):
        more()
    cache["d"] = np.arange(10)
    assert cache["b"].shape == (100_000,)
    with full_disk(), pytest.raises(ladle.ReadError):
        cache.close()
    assert cache.closed
    with make(path) as again:
        assert "a" in again
        np.testing.assert_array_equal(again["a"], np.arange(1000))


def damage(path, key_value):
    """Flip one bit of a value, wherever the file has it."""
    content = bytearray(path.read_bytes())
    at = content.index(key_value)
    content[at + len(key_value) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_entry_is_an_error_once_and_then_missing(path):
    value = np.random.default_rng(1).random(10_000)
    with ladle.HDF5BufferCache(path) as cache:
        cache.update({"a": value, "b": value + 1, "c": value + 2, "d": value + 3})
    for array in (value, value + 1, value + 2):
        damage(path, array.tobytes())
    with ladle.HDF5BufferCache(path) as cache:
        with pytest.raises(ladle.FormatError, match=r"named\.h5") as caught:
            cache["a"]
        assert caught.value.status in ("CHECKSUM", "CORRUPT")
        with pytest.raises(KeyError):
            cache["a"]
        with pytest.warns(RuntimeWarning, match=r"named\.h5.*'b'"):
            assert cache.get("b", 5) == 5
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cache.get("b", 5) == 5
        with pytest.warns(RuntimeWarning, match="'c'"):
            assert cache.setdefault("c", value) is value
        np.testing.assert_array_equal(cache["c"], value)
        np.testing.assert_array_equal(cache["d"], value + 3)
        assert cache.stats()["damaged"] == 3
        assert list(cache) == ["d", "c"]
    with ladle.HDF5BufferCache(path) as cache:
        assert list(cache) == ["d", "c"]


def test_damage_and_pop_and_items(path):
    value = np.random.default_rng(1).random(10_000)
    with ladle.HDF5BufferCache(path) as cache:
        cache.update({"a": value, "b": value + 1, "c": value + 2})
    for array in (value, value + 1):
        damage(path, array.tobytes())
    with ladle.HDF5BufferCache(path) as cache:
        with pytest.raises(ladle.FormatError):
            cache.pop("a")
        assert "a" not in cache
        with pytest.warns(RuntimeWarning, match="'b'"):
            assert [key for key, _ in cache.items()] == ["c"]
        assert cache.pop("b", None) is None


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_truncated_under_us(path, keep):
    generator = np.random.default_rng(1)
    values = {f"k{index}": generator.random(5000) for index in range(20)}
    cache = ladle.HDF5BufferCache(path, hot=0)
    cache.update(values)
    os.truncate(path, int(path.stat().st_size * keep))
    with pytest.warns(RuntimeWarning, match=r"named\.h5"):
        found = {key: cache.get(key) for key in values}
    there = {key: value for key, value in found.items() if value is not None}
    for key, value in there.items():
        np.testing.assert_array_equal(value, values[key])
    assert list(cache) == list(there)
    assert len(there) < 20
    cache["again"] = values["k0"]
    np.testing.assert_array_equal(cache["again"], values["k0"])
    with contextlib.suppress(ladle.Error):
        cache.close()


def test_deleted_under_us(path):
    cache = ladle.HDF5BufferCache(path)
    cache["a"] = np.arange(3)
    path.unlink()
    cache["b"] = np.arange(4)
    assert_holds(cache, {"a": np.arange(3), "b": np.arange(4)})
    with pytest.raises(ladle.ReadError, match=r"named\.h5"):
        cache.flush()
    with pytest.raises(ladle.ReadError, match="deleted"):
        cache.close()
    assert not path.exists()
    with ladle.HDF5BufferCache(path) as cache:
        assert list(cache) == []


KILLED = """
import os, sys, threading, time, numpy, ladle
path, delay = sys.argv[1], float(sys.argv[2])
cache = ladle.HDF5BufferCache(path)
def kill():
    time.sleep(delay)
    os.kill(os.getpid(), 9)
threading.Thread(target=kill, daemon=True).start()
for round in range(10_000):
    for index in range(8):
        cache[f"k{index}"] = numpy.full(2000 + index, 100 * round + index)
    cache.flush()
    print(round, flush=True)
"""


def test_killed_at_any_point(path):
    """What was flushed last is there, or what was flushed after it; each entry whole."""
    generator = np.random.default_rng(1)
    for _ in range(8):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), f"{0.02 + 0.1 * generator.random():.3f}"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        with ladle.HDF5BufferCache(path) as cache:
            rounds = set()
            for key, value in cache.items():
                index = int(key[1:])
                assert len(value) == 2000 + index
                assert (value == value[0]).all()
                rounds.add((value[0] - index) // 100)
            flushed = int(done.stdout.split()[-1]) if done.stdout else None
            assert len(rounds) <= 1
            if flushed is not None:
                assert rounds in ({flushed}, {flushed + 1})
                assert len(cache) == 8
        path.unlink()


def test_threads_while_it_is_flushed(path):
    cache = ladle.HDF5BufferCache(path, hot=10_000)
    stop = threading.Event()
    failures = []

    def work(seed):
        generator = np.random.default_rng(seed)
        try:
            while not stop.is_set():
                number = int(generator.integers(0, 40))
                if number % 4 == seed:
                    cache[f"k{number}"] = np.full(500 + number, number)
                value = cache.get(f"k{number}")
                assert value is None or (len(value) == 500 + number and (value == number).all())
        except Exception as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        cache.flush()
        time.sleep(0.02)
        with make_reader(path) as reader:
            for key, value in reader.items():
                assert (value == int(key[1:])).all()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    cache.close()
    with ladle.HDF5BufferCache(Path(path)) as again:
        assert len(again) == 40
