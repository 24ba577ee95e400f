"""h5py reads what a cache has left, key by key: every dtype and shape, odd keys, many entries."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from .conftest import Cache, LadleError

INDEX = "%ladle"


def layout_of(array):
    name = array.dtype.str if array.dtype.names is None else repr(array.dtype.descr)
    return f"{name}|{','.join(map(str, array.shape))}".encode()


def example_arrays():
    rng = np.random.default_rng(4)

    def filled(dtype, shape):
        count = int(np.prod(shape))
        return np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype)[:count].reshape(
            shape
        )

    for shape in ((), (0,), (1,), (7,), (3, 4), (2, 0, 5), (2, 3, 1, 2)):
        yield rng.random(shape) < 0.5
        for kind in ("i", "u"):
            for size in (1, 2, 4, 8):
                for order in "<>":
                    yield filled(f"{order}{kind}{size}", shape)
        for name in ("f2", "f4", "f8", "c8", "c16"):
            for order in "<>":
                yield rng.integers(-99, 99, shape).astype(f"{order}{name}")
        yield rng.integers(0, 1 << 40, shape).astype("<M8[s]")
        yield rng.integers(0, 1 << 40, shape).astype("<m8[25us]")
        yield rng.integers(0, 99, shape).astype("S6")
        yield filled("V5", shape)
        yield filled([("a", "<i4"), ("b", "u1", (3,))], shape)


def datasets(file):
    """All datasets but the index, by name; visiting reads each of them."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[...]

    file.visititems(visit)
    found.pop(INDEX)
    return found


def assert_same(found, expected):
    assert np.shape(found) == expected.shape
    assert np.asarray(found).tobytes() == expected.tobytes()


def test_rows_of_every_dtype(path):
    arrays = {
        f"uuid/Events/0-1000/{name}/data": np.arange(1000).astype(name)
        for name in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
    }
    with Cache(path) as cache:
        for key, array in arrays.items():
            cache.put(key.encode(), array)
    with h5py.File(path) as file:
        for key, array in arrays.items():
            dataset = file[key]
            assert dataset.dtype == array.dtype
            assert dataset.shape == array.shape
            assert np.array_equal(dataset[:], array)
            assert np.array_equal(dataset[10:20:3], array[10:20:3])
        assert len(datasets(file)) == len(arrays)
    with Cache(path) as cache:
        assert cache.keys() == [key.encode() for key in arrays]
        for key, array in arrays.items():
            assert cache.get(key.encode()).data == array.tobytes()


def test_layouts(path):
    arrays = dict(enumerate(example_arrays()))
    with Cache(path) as cache:
        for number, array in arrays.items():
            cache.put(f"a/{number}".encode(), array, layout_of(array))
    with h5py.File(path) as file:
        for number, array in arrays.items():
            dataset = file[f"a/{number}"]
            assert_same(dataset[...], array)
            if array.dtype.names is None:  # a structure is opaque to HDF5: its bytes are right
                assert dataset.dtype == array.dtype, array.dtype
    with Cache(path) as cache:
        for number, array in arrays.items():
            buffer = cache.get(f"a/{number}".encode())
            assert buffer.data == array.tobytes()
            assert buffer.layout == layout_of(array)


def test_unicode_strings_are_there(path):
    """HDF5 knows no such strings; the bytes and the numpy type are in the file."""
    array = np.array(["äöü", "x"])
    with Cache(path) as cache:
        cache.put(b"text", array, layout_of(array))
    with h5py.File(path) as file:
        assert file["text"].dtype == array.dtype
        assert list(file["text"][:]) == list(array)


@pytest.mark.parametrize(
    "layout",
    [
        *(b"", b"|", b"nonsense", b"<i4|", b"<i4|3", b"<i4|9999999999999999999999,0", b"<i4|-2"),
        *(
            b"<f8|8,1,,",
            b"<Q4|2",
            b"<f3|2",
            b"|S0|8",
            b"<M8[parsec]|1",
            b"|b2|4",
            b"<U99999999999|1",
        ),
        b"<i4|" + b"1," * 40 + b"2",
    ],
)
def test_layouts_that_say_nothing(path, layout):
    array = np.arange(8, dtype=np.uint8)
    with Cache(path) as cache:
        cache.put(b"x", array, layout)
    with h5py.File(path) as file:
        assert file["x"][...].tobytes() == array.tobytes()
    with Cache(path) as cache:
        assert cache.get(b"x").data == array.tobytes()
        assert cache.get(b"x").layout == layout


NAMES = {
    b"Jet_pt": "Jet_pt",
    b"a/b/c": "a/b/c",
    b"a/b": "a/b%",  # has a key below it, and so have the next three
    b"a": "a%",
    b"": "%_%",
    b"/": "%_/%_%",
    b"//x": "%_/%_/x",
    b"end/": "end/%_",
    b".": "%2E",
    b"../.": "../%2E",
    b"50%": "50%25",
    b"%ladle": "%25ladle",
    b"a%": "a%25",
    b"nul\0": "nul%00",
    "größe/é".encode(): "größe/é",
    b"\xff\xfe": "%FF%FE",
    b"\xed\xa0\x80": "%ED%A0%80",
    b"\xc0\xaf": "%C0%AF",
    b"cut\xe2\x82": "cut%E2%82",
    b" ": " ",
    b"new\nline": "new\nline",
}


def test_names_of_odd_keys(path):
    with Cache(path) as cache:
        for number, key in enumerate(NAMES):
            cache.put(key, np.array([number, len(key)]))
    with h5py.File(path) as file:
        found = datasets(file)
        assert set(found) == set(NAMES.values())
        for number, key in enumerate(NAMES):
            assert list(file[NAMES[key]]) == [number, len(key)]
    with Cache(path) as cache:
        assert cache.keys() == list(NAMES)


def test_long_and_deep_keys(path):
    keys = [b"x" * 999, b"x" * 1000, b"x" * 1001, b"x" * 65535, b"/" * 65535, b"a/" * 31 + b"b",
            b"a/" * 32 + b"b", b"\xff" * 333, b"\xff" * 334, "é".encode() * 500]  # fmt: skip
    with Cache(path) as cache:
        for number, key in enumerate(keys):
            cache.put(key, np.array([number]))
    with h5py.File(path) as file:
        found = datasets(file)
        assert sorted(int(array[0]) for array in found.values()) == list(range(len(keys)))
        assert sum(name.startswith("%~") for name in found) == 5
        assert file["x" * 1000][0] == 1
    with Cache(path) as cache:
        assert cache.keys() == keys
        assert [cache.get(key).data[0] for key in keys] == list(range(len(keys)))


@pytest.mark.parametrize("nbytes", [256, 1024])
def test_ten_thousand_small_buffers(path, nbytes):
    count = 10_000
    keys = [f"{number:05d}/".ljust(100, "k").encode() for number in range(count // 2)]
    keys += [f"one-group/{number:05d}".ljust(100, "k").encode() for number in range(count // 2)]
    with Cache(path) as cache:
        for number, key in enumerate(keys):
            cache.put(key, np.full(nbytes // 4, number, np.int32))
    size = path.stat().st_size
    print(f"\n{count} buffers of {nbytes} bytes: {size / count:.0f} bytes each in the file")
    if nbytes == 1024:
        assert size < 3 * count * nbytes
    with h5py.File(path) as file:
        assert len(file["one-group"]) == count // 2
        found = datasets(file)
        assert len(found) == count
        for number, key in enumerate(keys):
            array = found[key.decode()]
            assert array.shape == (nbytes // 4,)
            assert (array == number).all()
    with Cache(path) as cache:
        assert cache.keys() == keys
        cache.delete(keys[3])
    with h5py.File(path) as file:
        assert keys[3].decode() not in file
        assert file[keys[4].decode()][0] == 4


def test_an_empty_cache_is_a_file(path):
    with Cache(path), h5py.File(path, locking=False) as file:
        assert list(file) == [INDEX]
    with h5py.File(path) as file:
        assert datasets(file) == {}


def test_h5py_may_open_it_for_writing(path):
    with Cache(path) as cache:
        cache.put(b"a/x", np.arange(100))
        cache.put(b"b", np.arange(3, dtype=np.uint8))
    before = path.read_bytes()
    with h5py.File(path, "r+") as file:
        assert file["a/x"][99] == 99
    assert path.read_bytes() == before
    with Cache(path) as cache:
        assert len(cache.keys()) == 2
    with h5py.File(path, "r+") as file:
        file["mine"] = np.arange(1000)
        assert file["a/x"][99] == 99
    with pytest.raises(LadleError, match="another program has changed"):
        Cache(path)


def test_values_changed_by_h5py_are_not_believed(path):
    with Cache(path) as cache:
        cache.put(b"a", np.arange(100))
        cache.put(b"b", np.arange(100))
    with h5py.File(path, "r+") as file:
        file["a"][50] = -1
    with Cache(path) as cache:
        assert cache.get(b"b").data == np.arange(100).tobytes()
        with pytest.raises(LadleError, match="checksum"):
            cache.get(b"a")


def test_it_is_locked_while_in_use(path):
    with Cache(path) as cache:
        cache.put(b"a", np.arange(5))
        cache.flush()
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, locking=True)
        with h5py.File(path, locking=False) as file:
            assert list(file["a"]) == [0, 1, 2, 3, 4]


def open_files():
    """Files without a name that this process has open, as links to them."""
    links = Path("/proc/self/fd").iterdir()
    return {link for link in links if link.is_symlink() and "/#" in str(link.readlink())}


def test_a_scratch_file_can_be_looked_at():
    before = open_files()
    with Cache() as cache:
        cache.put(b"a/b", np.arange(5))
        cache.flush()
        (link,) = open_files() - before
        with link.open("rb") as opened, h5py.File(opened) as file:
            assert list(file["a/b"]) == [0, 1, 2, 3, 4]
