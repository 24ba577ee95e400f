"""The four caches: dicts of arrays, within a budget."""

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import MutableMapping

import cloudpickle
import numpy as np
import pytest

import ladle
from ladle._context import default_context
from tests.python.caches import CLASSES, KINDS, make_cache, settle
from tests.python.test_core import run_in_child

ALL = pytest.mark.parametrize("kind", KINDS)


@ALL
def test_is_a_mapping(kind):
    cache = make_cache(kind)
    assert isinstance(cache, MutableMapping)
    cache["b"] = np.arange(3)
    cache["a"] = np.arange(4)
    cache["b"] = np.arange(5)
    assert list(cache) == list(cache.keys()) == ["b", "a"]
    assert [len(value) for value in cache.values()] == [5, 4]
    assert [key for key, _ in cache.items()] == ["b", "a"]
    assert list(reversed(cache)) == ["a", "b"]
    assert 3 not in cache
    assert b"a" not in cache
    for wrong in (3, b"a", None):
        with pytest.raises(TypeError, match="str"):
            cache[wrong] = np.arange(3)
        with pytest.raises(KeyError):
            cache[wrong]
        with pytest.raises(KeyError):
            del cache[wrong]
        assert cache.get(wrong, 5) == 5
    with pytest.raises(KeyError):
        cache.pop("none")
    assert cache.pop("none", 7) == 7
    assert cache == cache
    assert cache != make_cache(kind)
    assert cache in {cache}
    for wrong in ([1, 2, 3], None, 3, np.array([None]), np.ma.masked_array([1], [True])):
        with pytest.raises(TypeError):
            cache["x"] = wrong
    with pytest.raises(TypeError):
        cache.setdefault("x")
    assert len(cache) == 2
    cache |= {"c": np.arange(2)}
    assert cache.setdefault("c", np.arange(9)).shape == (2,)
    assert cache.popitem()[0] == "c"
    with pytest.raises(ladle.InvalidError, match="65536"):
        cache["x" * 65536] = np.arange(3)
    cache.clear()
    assert list(cache) == []
    with pytest.raises(KeyError):
        cache.popitem()


@ALL
def test_values_are_copied_in_and_read_only(kind):
    cache = make_cache(kind)
    array = np.arange(3)
    cache["a"] = array
    array[0] = 99
    np.testing.assert_array_equal(cache["a"], [0, 1, 2])
    with pytest.raises(ValueError, match="read-only"):
        cache["a"][0] = 1


@ALL
def test_whoever_asks_gets_the_same_block(kind):
    cache = make_cache(kind, hot=0) if kind in ("compressed", "hdf5") else make_cache(kind)
    cache["a"] = np.arange(3)
    one = cache["a"]
    assert np.shares_memory(one, cache["a"])


@ALL
def test_values_outlive_entry_and_cache(kind):
    cache = make_cache(kind)
    cache["a"] = np.arange(1000)
    value = cache["a"]
    cache["a"] = np.zeros(10)
    del cache["a"]
    cache.close()
    del cache
    gc.collect()
    np.testing.assert_array_equal(value, np.arange(1000))


@pytest.mark.parametrize("kind", ["compressed", "hdf5", "tiered"])
def test_nothing_is_lost_while_there_is_room(kind):
    cache = make_cache(kind)
    generator = np.random.default_rng(1)
    values = {f"k{index}": generator.random(2000) for index in range(50)}
    cache.update(values)
    assert list(cache) == list(values)
    assert cache.budget is None
    for key, value in values.items():
        np.testing.assert_array_equal(cache[key], value)
    stats = cache.stats()
    assert (stats["evictions"], stats["refused"], stats["hits"]) == (0, 0, 50)
    if kind == "tiered":
        assert [level["store"] for level in cache.info()["levels"]] == ["raw", "compressed", "hdf5"]
        assert all(level["rests"] > 0 for level in cache.info()["levels"])
        assert cache.info()["levels"][0]["moves"] > 0


@pytest.mark.parametrize("kind", ["compressed", "hdf5", "tiered"])
def test_a_budget_of_any_cache(kind):
    cache = make_cache(kind, 100_000)
    assert cache.budget == 100_000
    generator = np.random.default_rng(1)
    for index in range(100):
        cache[f"k{index}"] = generator.integers(0, 2**62, 1000) + index
    for level in cache.info()["levels"]:
        assert level["nbytes"] <= level["budget"]
    stats = cache.stats()
    assert 0 < stats["entries"] < 100
    assert stats["evictions"] > 0
    assert stats["refused"] == 0
    cache["large"] = generator.integers(0, 2**62, 100_000)
    assert "large" not in cache
    assert cache.stats()["refused"] == 1


def test_budget():
    cache = ladle.BufferCache("100 kB")
    assert cache.budget == 100_000
    for index in range(50):
        cache[f"k{index}"] = np.full(1000, index)
        assert cache.stats()["nbytes"] <= 100_000
    stats = cache.stats()
    assert 0 < stats["entries"] < 50
    assert stats["evictions"] > 0
    assert "k49" in cache
    assert stats["budget"] == 100_000
    for key, value in cache.items():
        assert (value == int(key[1:])).all()


def test_value_beyond_the_budget_is_not_kept_and_leaves_nothing_stale():
    cache = ladle.BufferCache(10_000)
    cache["a"] = np.arange(10)
    cache["a"] = np.arange(100_000)
    assert "a" not in cache
    assert cache.stats()["refused"] == 1
    cache["a"] = np.arange(10).reshape(2, 5)
    assert cache["a"].shape == (2, 5)


@pytest.mark.parametrize("budget", [0, -1, "-1 MB", "0 B", "many"])
@pytest.mark.parametrize("kind", ["raw", "compressed", "hdf5"])
def test_wrong_budgets(kind, budget):
    with pytest.raises(ValueError, match="budget"):
        CLASSES[kind](budget=budget)


@pytest.mark.parametrize("budget", [1.5, True, b"1"])
@pytest.mark.parametrize("kind", ["raw", "compressed", "hdf5"])
def test_budgets_of_the_wrong_type(kind, budget):
    with pytest.raises(TypeError, match="budget"):
        CLASSES[kind](budget=budget)


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("compressed", {"codec": "rar"}, ValueError),
        ("compressed", {"codec": 3}, TypeError),
        ("compressed", {"level": 0}, ValueError),
        ("compressed", {"level": 10}, ValueError),
        ("compressed", {"level": 1.5}, TypeError),
        ("compressed", {"shuffle": "twice"}, ValueError),
        ("compressed", {"threads": 0}, ValueError),
        ("compressed", {"threads": "2"}, TypeError),
        ("compressed", {"hot": -1}, ValueError),
        ("compressed", {"hot": 1.5}, TypeError),
        ("hdf5", {"hot": "some"}, ValueError),
        ("hdf5", {"path": 3}, TypeError),
        ("hdf5", {"path": b"x.h5"}, TypeError),
        ("hdf5", {"path": "x\0y"}, ValueError),
        ("hdf5", {"path": "x.h5", "dir": "/tmp"}, ValueError),
        ("tiered", {"raw": 0, "compressed": 0, "disk": 0}, ValueError),
        ("tiered", {"disk": 0, "dir": "/tmp"}, ValueError),
        ("tiered", {"path": "x.h5", "dir": "/tmp"}, ValueError),
        ("tiered", {"raw": True}, TypeError),
        ("tiered", {"codec": "rar"}, ValueError),
    ],
)
def test_wrong_arguments(kind, options, error):
    with pytest.raises(error):
        CLASSES[kind](**options)


@pytest.mark.parametrize("codec", ["zstd", "lz4", "lz4hc", "zlib", "blosclz"])
@pytest.mark.parametrize("shuffle", ["bit", "byte", "none"])
def test_codecs(codec, shuffle):
    cache = ladle.CompressedBufferCache(codec=codec, level=5, shuffle=shuffle, threads=2, hot=None)
    value = np.arange(100_000).reshape(100, 1000)
    cache["a"] = value
    np.testing.assert_array_equal(cache["a"], value)
    (level,) = cache.info()["levels"]
    assert level["store"] == "compressed"
    assert level["codec"].startswith(f"{codec}-5")
    assert level["threads"] == 2
    assert level["nbytes"] < value.nbytes


@pytest.mark.parametrize(
    ("sizes", "stores"),
    [
        ({}, ["raw", "compressed", "hdf5"]),
        ({"compressed": 0}, ["raw", "hdf5"]),
        ({"raw": 0, "disk": 0}, ["compressed"]),
        ({"disk": 0}, ["raw", "compressed"]),
        ({"raw": 0, "compressed": 0}, ["hdf5"]),
        ({"raw": None, "compressed": 0, "disk": "0 B"}, ["raw"]),
    ],
)
def test_tiers(sizes, stores):
    cache = ladle.TieredBufferCache(**sizes)
    cache["a"] = np.arange(1000)
    np.testing.assert_array_equal(cache["a"], np.arange(1000))
    assert [level["store"] for level in cache.info()["levels"]] == stores
    assert (cache.budget is None) == (sizes.get("disk") is None or sizes.get("raw", 1) is None)


def test_info_and_repr_touch_no_data():
    cache = ladle.BufferCache("1 MB")
    assert repr(cache) == "<BufferCache 0 buffers, 0 B of 1 MB>"
    cache["a"] = np.arange(3, dtype="f4")
    cache["a"]
    hits = cache.stats()["hits"]
    assert repr(cache).startswith("<BufferCache 1 buffer, ")
    info = cache.info()
    assert (info["class"], info["budget"]) == ("BufferCache", 1_000_000)
    assert [(e["key"], e["dtype"], e["count"]) for e in info["entries"]] == [("a", "float32", 3)]
    assert info["entries"][0]["hits"] == 1
    assert "a" in cache
    assert cache.stats()["hits"] == hits == 1
    assert cache.stats()["misses"] == 0


@ALL
def test_close_and_context_manager(kind):
    memory = default_context().memory
    before = memory()
    with make_cache(kind) as cache:
        cache["a"] = np.arange(10_000)
        value = cache["a"]
        held = memory()
        assert held["leased"] >= before["leased"] + 80_000
    assert cache.closed
    assert repr(cache) == f"<{CLASSES[kind].__name__} closed>"
    np.testing.assert_array_equal(value, np.arange(10_000))
    del value
    after = memory()
    assert after["resting"] + after["leased"] <= before["resting"] + before["leased"]
    assert after["compressed"] <= before["compressed"]
    with pytest.raises(ladle.InvalidError):
        cache["a"]
    with pytest.raises(ladle.InvalidError):
        cache["a"] = np.arange(3)
    with pytest.raises(ladle.InvalidError, match="closed"):
        cache.get("a")
    with pytest.raises(ladle.InvalidError, match="closed"):
        cache.flush()
    cache.close()
    assert cache.stats()["puts"] == cache.info()["stats"]["puts"] == 1
    assert cache.info()["levels"][-1]["entries"] == 0
    assert cache.info()["entries"] == []


@ALL
def test_memory_goes_with_the_cache(kind):
    memory = default_context().memory
    before = memory()
    cache = make_cache(kind)
    cache["a"] = np.arange(10_000)
    dies = weakref.ref(cache)
    del cache
    assert dies() is None
    after = memory()
    for of in ("resting", "leased", "compressed", "metadata"):
        assert after[of] <= before[of]


@ALL
@pytest.mark.parametrize("budget", [None, 12345])
def test_pickle_is_the_configuration(kind, budget):
    cache = make_cache(kind, budget)
    cache["a"] = np.arange(3)
    for again in (
        pickle.loads(pickle.dumps(cache)),
        cloudpickle.loads(cloudpickle.dumps(cache)),
        copy.copy(cache),
        copy.deepcopy(cache),
    ):
        assert type(again) is CLASSES[kind]
        assert again.budget == cache.budget
        levels = [(level["store"], level["budget"]) for level in again.info()["levels"]]
        assert levels == [(lv["store"], lv["budget"]) for lv in cache.info()["levels"]]
        assert len(again) == 0
        again["b"] = np.arange(3)
    assert list(cache) == ["a"]


@ALL
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_child_starts_empty(kind):
    cache = make_cache(kind, 10_000)
    cache["a"] = np.arange(3)
    value = cache["a"]
    closed = make_cache(kind)
    closed.close()

    def child():
        assert len(cache) == 0
        cache["b"] = np.arange(4)
        assert list(cache) == ["b"]
        assert cache.budget == make_cache(kind, 10_000).budget
        assert ladle.memory.info()["total"] > 0
        with pytest.raises(ladle.InvalidError):
            closed["x"] = np.arange(3)
        result = value.tobytes() + cache["b"].tobytes()
        cache.close()
        with pytest.raises(ladle.InvalidError, match="closed"):
            cache["b"]
        return result

    assert run_in_child(child) == np.arange(3).tobytes() + np.arange(4).tobytes()
    assert list(cache) == ["a"]
    np.testing.assert_array_equal(cache["a"], np.arange(3))


@ALL
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_only_closes(kind):
    cache = make_cache(kind)
    cache["a"] = np.arange(3)

    def child():
        cache.close()
        assert cache.closed
        with pytest.raises(ladle.InvalidError, match="closed"):
            cache["a"]
        return b"fine"

    assert run_in_child(child) == b"fine"
    assert list(cache) == ["a"]


@ALL
@pytest.mark.parametrize("budget", [None, 40_000])
def test_threads(kind, budget):
    """Values are never wrong, whoever puts, evicts, removes and reads."""
    cache = make_cache(kind, budget)
    failures = []

    def work(seed):
        generator = np.random.default_rng(seed)
        try:
            for _ in range(1500):
                number = int(generator.integers(0, 20))
                key = f"key{number}"
                action = generator.integers(0, 10)
                if action < 3:
                    shape = (2, 100) if number % 2 else 200
                    cache[key] = np.full(shape, number, ">i8" if number % 3 else "<i8")
                elif action == 3:
                    cache.pop(key, None)
                elif action == 4:
                    list(cache), len(cache), cache.stats(), cache.info(), repr(cache)
                elif action == 5 and number == 0:
                    cache.clear()
                elif action == 5 and number == 1:
                    cache.flush()
                else:
                    value = cache.get(key)
                    if value is not None:
                        assert (value == number).all()
                        assert value.shape == ((2, 100) if number % 2 else (200,))
        except Exception as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert settle(cache) == 0
