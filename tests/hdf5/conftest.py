"""The C library's caches over HDF5, called as a C program would, for tests that read by h5py."""

import ctypes
from ctypes import POINTER, byref, c_char, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DTYPES = ["", "bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


class Error(ctypes.Structure):
    _fields_ = [
        ("status", c_int32),
        ("os_errno", c_int32),
        ("offset", c_int64),
        ("where", c_char * 160),
        ("message", c_char * 384),
    ]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("path", ctypes.c_char_p), ("dir", ctypes.c_char_p)]


class Level(ctypes.Structure):
    _fields_ = [("store", c_void_p), ("budget", c_int64)]


class Values(ctypes.Structure):
    _fields_ = [
        ("dtype", c_int32),
        ("count", c_int64),
        ("data", c_void_p),
        ("layout", ctypes.c_char_p),
        ("layout_nbytes", c_size_t),
        ("lease", c_void_p),
    ]


class LadleError(Exception):
    """What the library said."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.where.decode()}: {error.message.decode()}")
        self.status = error.status


class Buffer(NamedTuple):
    """A buffer as the cache has it: bytes, its dtype, its layout."""

    data: bytes
    dtype: str
    layout: bytes


def load_library():
    library = ctypes.CDLL(str(ROOT / "build" / "libladle.so"))
    for name in (
        "context_create",
        "store_hdf5_create",
        "cache_create_levels",
        "lease_data",
        "lease_layout",
    ):
        getattr(library, f"ladle_{name}").restype = c_void_p
    library.ladle_lease_nbytes.restype = c_int64
    return library


class Cache:
    """A cache of one level, on disk."""

    def __init__(self, path=None):
        self.lib = load_library()
        self.error = Error()
        self.context = c_void_p(self.lib.ladle_context_create(None, byref(self.error)))
        options = Options(
            ctypes.sizeof(Options), None if path is None else str(path).encode(), None
        )
        store = self.lib.ladle_store_hdf5_create(self.context, byref(options), byref(self.error))
        self.cache = None
        if store is not None:
            level = Level(store, 0)
            self.cache = self.lib.ladle_cache_create_levels(
                self.context, byref(level), 1, 0, byref(self.error)
            )
        if self.cache is None:
            self.lib.ladle_context_release(self.context)
            raise LadleError(self.error)
        self.cache = c_void_p(self.cache)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.check(self.lib.ladle_cache_close(self.cache, byref(self.error)))
        self.lib.ladle_cache_release(self.cache)
        self.lib.ladle_context_release(self.context)

    def check(self, status):
        if status != 0:
            raise LadleError(self.error)

    def put(self, key: bytes, array: np.ndarray, layout: bytes = b"") -> None:
        """Keep an array: a row of a dtype of ladle's, or, with a layout, its bytes."""
        array = np.ascontiguousarray(array) if array.ndim else array
        name = "bool" if array.dtype == bool else array.dtype.str[1:]
        if layout or name not in DTYPES:
            array = np.frombuffer(array.tobytes(), np.uint8)
            name = "u1"
        values = Values(
            DTYPES.index(name), array.size, array.ctypes.data, layout or None, len(layout), None
        )
        self.check(
            self.lib.ladle_cache_put_values(
                self.cache, key, c_size_t(len(key)), byref(values), c_int64(7), byref(self.error)
            )
        )

    def get(self, key: bytes) -> Buffer:
        lease = c_void_p()
        self.check(
            self.lib.ladle_cache_get(
                self.cache, key, c_size_t(len(key)), byref(lease), byref(self.error)
            )
        )
        nbytes, layout_nbytes = self.lib.ladle_lease_nbytes(lease), c_size_t()
        layout = self.lib.ladle_lease_layout(lease, byref(layout_nbytes))
        found = Buffer(
            ctypes.string_at(self.lib.ladle_lease_data(lease), nbytes),
            DTYPES[self.lib.ladle_lease_dtype(lease)],
            b"" if layout is None else ctypes.string_at(layout, layout_nbytes.value),
        )
        self.lib.ladle_lease_release(lease)
        return found

    def delete(self, key: bytes) -> None:
        self.check(self.lib.ladle_cache_delete(self.cache, key, c_size_t(len(key))))

    def flush(self) -> None:
        self.check(self.lib.ladle_cache_flush(self.cache, byref(self.error)))

    def keys(self) -> list[bytes]:
        """All keys, in the order of the cache."""
        found: list[bytes] = []

        class Entry(ctypes.Structure):
            _fields_ = [("struct_size", c_size_t), ("key", c_void_p), ("key_nbytes", c_size_t)]

        @ctypes.CFUNCTYPE(ctypes.c_bool, c_void_p, POINTER(Entry))
        def visit(_, entry):
            found.append(ctypes.string_at(entry[0].key, entry[0].key_nbytes))
            return True

        self.lib.ladle_cache_visit(self.cache, visit, None)
        return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.h5"
