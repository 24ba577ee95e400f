"""BufferCache: a dict of arrays, within a budget."""

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import MutableMapping

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import ladle
from ladle._context import default_context
from tests.python.test_core import run_in_child

KEYS = st.sampled_from(["a", "b", "c", "uuid/Events/0-40/Jet_pt/1", "", "ä", "\ud800", "x\0y"])
DTYPES = st.sampled_from(["bool", "uint8", "int32", ">i2", "float32", "complex64", "M8[s]"])


def make(seed, dtype, shape):
    return (np.random.default_rng(seed).integers(0, 100, shape)).astype(dtype)


ARRAYS = st.builds(
    make,
    st.integers(0, 2**16),
    DTYPES,
    st.one_of(st.integers(0, 300), st.tuples(st.integers(0, 5), st.integers(0, 5)), st.just(())),
)


def same(one, other):
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


class AgainstDict(RuleBasedStateMachine):
    """Whatever is done, the cache answers as a dict does. With a budget, keys may be missing."""

    @initialize(budget=st.sampled_from([None, None, 100, 5000]))
    def start(self, budget):
        self.cache = ladle.BufferCache(budget)
        self.model = {}
        self.kept = []

    def missing_is_allowed(self, key):
        return self.cache.budget is not None or key not in self.model

    @rule(key=KEYS, value=ARRAYS)
    def put(self, key, value):
        self.cache[key] = value
        self.model[key] = value.copy()

    @rule(items=st.dictionaries(KEYS, ARRAYS, max_size=4))
    def update(self, items):
        self.cache.update(items)
        self.model.update(items)

    @rule(key=KEYS)
    def look_up(self, key):
        if key not in self.cache:
            assert self.missing_is_allowed(key)
            with pytest.raises(KeyError) as caught:
                self.cache[key]
            assert caught.value.args == (key,)
            return
        value = self.cache[key]
        assert same(value, self.model[key])
        self.kept.append((value, self.model[key]))

    @rule(key=KEYS)
    def get(self, key):
        value = self.cache.get(key, "default")
        if isinstance(value, str):
            assert self.missing_is_allowed(key)
        else:
            assert same(value, self.model[key])

    @rule(key=KEYS)
    def remove(self, key):
        try:
            del self.cache[key]
        except KeyError:
            assert self.missing_is_allowed(key)
        else:
            assert key in self.model
        self.model.pop(key, None)

    @rule(key=KEYS)
    def pop(self, key):
        value = self.cache.pop(key, None)
        expected = self.model.pop(key, None)
        if value is None:
            assert expected is None or self.cache.budget is not None
        else:
            assert same(value, expected)

    @rule()
    def popitem(self):
        try:
            key, value = self.cache.popitem()
        except KeyError:
            assert len(self.cache) == 0
        else:
            if self.cache.budget is None:
                assert key == next(reversed(self.model))
            assert same(value, self.model.pop(key))

    @rule(key=KEYS, value=ARRAYS)
    def set_default(self, key, value):
        found = self.cache.setdefault(key, value)
        if key in self.model and self.cache.budget is None:
            assert same(found, self.model[key])
        elif found is value:
            self.model[key] = value.copy()
        else:
            assert same(found, self.model[key])

    @rule()
    def clear(self):
        self.cache.clear()
        self.model.clear()

    @rule()
    def let_go(self):
        self.kept.clear()

    @invariant()
    def listings_agree(self):
        if not hasattr(self, "cache"):
            return
        keys = list(self.cache)
        assert len(keys) == len(self.cache) == self.cache.stats()["entries"]
        assert set(keys) <= set(self.model)
        if self.cache.budget is None:
            assert keys == list(self.model)
        else:
            assert self.cache.stats()["nbytes"] - self.cache.stats()["pinned_nbytes"] <= max(
                self.cache.budget, 0
            )
        for key in keys:
            assert key in self.cache
        assert all(same(value, self.model[key]) for key, value in self.cache.items())
        assert all(same(value, expected) for value, expected in self.kept)

    def teardown(self):
        if hasattr(self, "cache"):
            self.cache.close()
            del self.cache, self.kept


TestAgainstDict = AgainstDict.TestCase
TestAgainstDict.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_is_a_mapping():
    cache = ladle.BufferCache()
    assert isinstance(cache, MutableMapping)
    cache["b"] = np.arange(3)
    cache["a"] = np.arange(4)
    cache["b"] = np.arange(5)
    assert list(cache) == list(cache.keys()) == ["b", "a"]
    assert [len(value) for value in cache.values()] == [5, 4]
    assert [key for key, _ in cache.items()] == ["b", "a"]
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
    assert cache != ladle.BufferCache()
    assert cache in {cache}
    with pytest.raises(TypeError):
        cache["x"] = [1, 2, 3]
    assert len(cache) == 2


def test_values_are_copied_in_and_read_only():
    cache = ladle.BufferCache()
    array = np.arange(3)
    cache["a"] = array
    array[0] = 99
    np.testing.assert_array_equal(cache["a"], [0, 1, 2])
    with pytest.raises(ValueError, match="read-only"):
        cache["a"][0] = 1
    assert cache["a"].ctypes.data == cache["a"].ctypes.data


def test_values_outlive_entry_and_cache():
    cache = ladle.BufferCache()
    cache["a"] = np.arange(1000)
    value = cache["a"]
    cache["a"] = np.zeros(10)
    del cache["a"]
    cache.close()
    del cache
    gc.collect()
    np.testing.assert_array_equal(value, np.arange(1000))


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
def test_wrong_budgets(budget):
    with pytest.raises(ValueError, match="budget"):
        ladle.BufferCache(budget)


@pytest.mark.parametrize("budget", [1.5, True, b"1"])
def test_budgets_of_the_wrong_type(budget):
    with pytest.raises(TypeError, match="budget"):
        ladle.BufferCache(budget)


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


def test_close_and_context_manager():
    before = default_context().memory()["resting"]
    with ladle.BufferCache() as cache:
        cache["a"] = np.arange(10_000)
        assert default_context().memory()["resting"] >= before + 80_000
    assert default_context().memory()["resting"] <= before
    with pytest.raises(ladle.InvalidError):
        cache["a"]
    with pytest.raises(ladle.InvalidError):
        cache["a"] = np.arange(3)
    cache.close()


def test_memory_goes_with_the_cache():
    before = default_context().memory()["resting"]
    cache = ladle.BufferCache()
    cache["a"] = np.arange(10_000)
    dies = weakref.ref(cache)
    del cache
    assert dies() is None
    assert default_context().memory()["resting"] <= before


@pytest.mark.parametrize("budget", [None, 12345])
def test_pickle_is_the_configuration(budget):
    cache = ladle.BufferCache(budget)
    cache["a"] = np.arange(3)
    for again in (pickle.loads(pickle.dumps(cache)), copy.copy(cache), copy.deepcopy(cache)):
        assert isinstance(again, ladle.BufferCache)
        assert again.budget == budget
        assert len(again) == 0
        again["b"] = np.arange(3)
    assert list(cache) == ["a"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_child_starts_empty():
    cache = ladle.BufferCache(10_000)
    cache["a"] = np.arange(3)
    value = cache["a"]

    def child():
        assert len(cache) == 0
        cache["b"] = np.arange(4)
        assert list(cache) == ["b"]
        assert cache.budget == 10_000
        assert ladle.memory.info()["total"] > 0
        return value.tobytes() + cache["b"].tobytes()

    assert run_in_child(child) == np.arange(3).tobytes() + np.arange(4).tobytes()
    assert list(cache) == ["a"]


@pytest.mark.parametrize("budget", [None, 40_000])
def test_threads(budget):
    """Values are never wrong, whoever puts, evicts, removes and reads."""
    cache = ladle.BufferCache(budget)
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
                    list(cache), len(cache), cache.stats(), cache.info()
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
    assert cache.stats()["pinned_nbytes"] == 0
