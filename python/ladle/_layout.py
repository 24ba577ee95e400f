"""Any numpy array as a block of a primitive dtype, and back.

A cache keeps one-dimensional, native-endian arrays of a primitive dtype as they are. Any other
array (of more or no dimensions, big-endian, structured, complex, dates, text) is packed: its bytes
as uint8, then its dtype and shape, the length of these, and a mark. The layout is part of the
value, so it cannot be lost, nor outlive an entry that was evicted.

The mark is drawn at random in each process: no file can hold a column that ends with it. An array
of uint8 that does end with it is packed as well.
"""

from __future__ import annotations

import ast
import functools
import os
from typing import Any

import numpy as np

from ladle import _core

MAGIC = os.urandom(16)

_LENGTH_NBYTES = 4
_PRIMITIVES: dict[np.dtype[Any], str] = {
    np.dtype(name): name
    for name in (
        "bool",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
    )
}
_UINT8 = np.dtype("uint8")


def pack(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], str]:
    """Split an array into contiguous values and the name of their dtype.

    Parameters
    ----------
    array : numpy.ndarray
        Of any shape, strides and byte order.

    Returns
    -------
    values : numpy.ndarray
        One-dimensional and contiguous; the array itself where that is possible.
    dtype : str
        Its dtype, such as ``"float32"``.

    Raises
    ------
    TypeError
        If it is no array, is masked, or its values are Python objects.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"values must be numpy arrays, not {type(array).__name__}")
    name = _PRIMITIVES.get(array.dtype)
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError("a masked array cannot be kept: its mask would be lost")
    if name is not None and array.ndim == 1:
        values = np.ascontiguousarray(array)
        if array.dtype != _UINT8 or values[-len(MAGIC) :].tobytes() != MAGIC:
            return values, name
    layout = _describe(array.dtype, array.shape)
    packed = b"".join(
        (array.tobytes(), layout, len(layout).to_bytes(_LENGTH_NBYTES, "little"), MAGIC)
    )
    return np.frombuffer(packed, _UINT8), "uint8"


def unpack(lease: _core.Lease) -> np.ndarray[Any, Any]:
    """Return the array that was packed into a leased block: read-only, without a copy."""
    block = memoryview(lease)
    end = len(block) - len(MAGIC) - _LENGTH_NBYTES
    length = int.from_bytes(block[end : end + _LENGTH_NBYTES], "little")
    dtype, shape = _parse(bytes(block[end - length : end]))
    return np.ndarray(shape, dtype, buffer=block)


def _describe(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Write dtype and shape as text; the dtype as a ``.npy`` file does."""
    if dtype.hasobject:
        raise TypeError(f"an array of {dtype} cannot be kept: it holds Python objects")
    try:
        layout = repr((np.lib.format.dtype_to_descr(dtype), shape)).encode()
        same = _parse(layout)[0] == dtype
    except (ValueError, SyntaxError, TypeError):
        same = False
    if not same:
        raise TypeError(f"an array of {dtype} cannot be kept: its dtype has no description")
    return layout


@functools.lru_cache(maxsize=1024)
def _parse(layout: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    descr, shape = ast.literal_eval(layout.decode())
    return np.lib.format.descr_to_dtype(descr), shape
