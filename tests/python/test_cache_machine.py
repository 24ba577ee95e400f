"""Whatever is done to a cache, it answers as a dict does. With a budget, keys may be missing."""

import contextlib
import gc
import os
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import ladle
from tests.python.caches import make_cache, same
from tests.thorough import examples

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


# A file system in memory, where a commit need not wait for a disk.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112


class AgainstDict(RuleBasedStateMachine):
    """What all caches do. `open` makes the cache."""

    budgets = (None, None, 100, 5000)

    def open(self):
        raise NotImplementedError

    @initialize(data=st.data())
    def start(self, data):
        self.budget = data.draw(st.sampled_from(self.budgets))
        self.model = {}
        self.kept = []
        self.cache = self.open()

    def missing_is_allowed(self, key):
        return self.budget is not None or key not in self.model

    @rule(key=KEYS, value=ARRAYS)
    def put(self, key, value):
        self.cache[key] = value
        self.model[key] = value.copy()

    @rule(items=st.dictionaries(KEYS, ARRAYS, max_size=4), in_place=st.booleans())
    def update(self, items, in_place):
        if in_place:
            self.cache |= items
        else:
            self.cache.update(items)
        self.model.update(items)

    @rule(key=KEYS, keep=st.booleans())
    def look_up(self, key, keep):
        if key not in self.cache:
            assert self.missing_is_allowed(key)
            with pytest.raises(KeyError) as caught:
                self.cache[key]
            assert caught.value.args == (key,)
            return
        value = self.cache[key]
        assert same(value, self.model[key])
        assert not value.flags.writeable
        if keep:
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
            assert expected is None or self.budget is not None
        else:
            assert same(value, expected)

    @rule()
    def popitem(self):
        try:
            key, value = self.cache.popitem()
        except KeyError:
            assert len(self.cache) == 0
        else:
            if self.budget is None:
                assert key == next(reversed(self.model))
            assert same(value, self.model.pop(key))

    @rule(key=KEYS, value=ARRAYS)
    def set_default(self, key, value):
        found = self.cache.setdefault(key, value)
        if key in self.model and self.budget is None:
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
    def flush(self):
        self.cache.flush()

    @rule()
    def let_go(self):
        self.kept.clear()

    @invariant()
    def listings_agree(self):
        if not hasattr(self, "cache"):
            return
        keys = list(self.cache)
        assert len(keys) == len(self.cache) == self.cache.stats()["entries"]
        assert list(reversed(self.cache)) == keys[::-1]
        assert set(keys) <= set(self.model)
        if self.budget is None:
            assert keys == list(self.model)
        stats = self.cache.stats()
        levels = self.cache.core.levels()
        assert sum(level["nbytes"] for level in levels) == stats["nbytes"]
        for level in levels:
            pinned = stats["pinned_nbytes"] if level["store"] == "raw" else 0
            assert level["budget"] == 0 or level["nbytes"] - pinned <= level["budget"]
        for key in keys:
            assert key in self.cache
        assert all(same(value, self.model[key]) for key, value in self.cache.items())

    @invariant()
    def kept_arrays_are_as_they_were(self):
        assert all(same(value, expected) for value, expected in getattr(self, "kept", ()))

    def teardown(self):
        if hasattr(self, "cache"):
            self.cache.close()
            del self.cache
            self.kept_arrays_are_as_they_were()


class Raw(AgainstDict):
    def open(self):
        return make_cache("raw", self.budget)


class Compressed(AgainstDict):
    budgets = (None, None, 400, 5000)

    def open(self):
        return make_cache("compressed", self.budget)


class CompressedOnly(AgainstDict):
    """Without copies at hand: what is asked for is brought back each time."""

    budgets = (None, 1000)

    def open(self):
        return make_cache("compressed", self.budget, hot=0, shuffle="none", codec="lz4")


class HDF5(AgainstDict):
    budgets = (None, None, 400, 5000)

    def open(self):
        return make_cache("hdf5", self.budget)


class HDF5Only(AgainstDict):
    budgets = (None, 5000)

    def open(self):
        return make_cache("hdf5", self.budget, hot=0)


class Tiered(AgainstDict):
    """Tiers so small that buffers move all the time."""

    budgets = (None, None, 400, 5000)

    def open(self):
        if self.budget is None:
            return make_cache("tiered", raw=1000, compressed=1000)
        return make_cache("tiered", self.budget)


@contextlib.contextmanager
def full_disk():
    """No file may grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Named(AgainstDict):
    """A file that is closed and opened again, on a disk that is full at times."""

    budgets = (None, None, 5000)

    def open(self):
        if not hasattr(self, "folder"):
            self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        path = Path(self.folder.name) / "named.h5"
        return ladle.HDF5BufferCache(path, budget=self.budget, hot=500)

    @rule()
    def open_again(self):
        self.cache.close()
        self.cache = self.open()

    @rule()
    def forget(self):
        del self.cache
        gc.collect()  # a traceback of an error that was expected may hold it
        self.cache = self.open()

    @rule(key=KEYS, seed=st.integers(0, 100))
    def put_on_a_full_disk(self, key, seed):
        value = np.random.default_rng(seed).integers(0, 2**62, 500)
        try:
            with full_disk():
                self.cache[key] = value
        except ladle.ReadError as error:
            assert error.errno is not None  # noqa: PT017
        else:
            self.model[key] = value

    @rule()
    def flush_to_a_full_disk(self):
        with contextlib.suppress(ladle.ReadError), full_disk():
            self.cache.flush()

    @precondition(lambda self: self.budget is None)
    @rule(key=KEYS)
    def order_survives(self, key):
        self.cache.flush()
        self.open_again()
        assert list(self.cache) == list(self.model)
        assert self.cache.get(key) is not None or key not in self.model

    def teardown(self):
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


def case(machine, n):
    test = machine.TestCase
    test.settings = examples(n, stateful_step_count=40)
    return test


TestRaw = case(Raw, 30)
TestCompressed = case(Compressed, 20)
TestCompressedOnly = case(CompressedOnly, 10)
TestHDF5 = case(HDF5, 20)
TestHDF5Only = case(HDF5Only, 10)
TestTiered = case(Tiered, 30)
TestNamed = case(Named, 20)
