"""Any numpy array as values of a primitive dtype and a layout, and back.

A cache keeps one-dimensional, native-endian arrays of a primitive dtype as they are. Of any other
array (of more or no dimensions, big-endian, structured, complex, dates, text) it keeps the same
bytes as values of a primitive dtype, and a text ``TYPE|SHAPE`` that says what they are, such as
``>i2|3,4``. The layout belongs to the values, so it cannot be lost, nor outlive them.

A layout may come from a file that somebody else wrote, and is believed only as far as it fits the
bytes that are there.
"""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ladle._errors import FormatError

if TYPE_CHECKING:
    from ladle import _core

_Array = np.ndarray[Any, Any]
_DType = np.dtype[Any]

_PRIMITIVES: dict[_DType, str] = {
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
_UNSIGNED = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}

#: Type strings of numpy: of these the array itself may be, and the fields of a structured one.
_TYPE = re.compile(r"[<>|=]?(?:[biufcSUV]\d+|[mM]8(?:\[\d*[A-Za-zμ]+\])?)")
#: What the literal of a structured type is made of.
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>\d{1,9}\b)"""
    r"""|(?P<open>[\[(])|(?P<close>[\])])|(?P<comma>,)|(?P<end>$))""",
    re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_MAX_DEPTH = 50
_MAX_LAYOUT_NBYTES = 65535


def pack(array: _Array) -> tuple[_Array, str, bytes]:
    """Split an array into contiguous values, the name of their dtype, and the layout.

    Parameters
    ----------
    array : numpy.ndarray
        Of any shape, strides and byte order.

    Returns
    -------
    values : numpy.ndarray
        One-dimensional and contiguous, in C order; a view of the array where that is possible.
    dtype : str
        Their dtype, such as ``"float32"``.
    layout : bytes
        ``TYPE|SHAPE``; empty where the array is nothing but these values.

    Raises
    ------
    TypeError
        If it is no array, or one that would not come back the same: of a subclass such as a masked
        array, or with a dtype of Python objects or without a description.
    """
    if type(array) is not np.ndarray:
        array = _plain(array)
    dtype = array.dtype
    name = _PRIMITIVES.get(dtype)
    if name is not None and array.ndim == 1 and dtype.metadata is None:
        return np.ascontiguousarray(array), name, b""
    layout = _describe(dtype, array.shape)
    storage = name or _storage(dtype)
    values = np.ascontiguousarray(array).reshape(-1)
    if dtype.itemsize == 0:
        values = np.empty(0, np.uint8)
    elif name is None:
        values = values.view(storage)
    return values, storage, layout


def unpack(lease: _core.Lease, cache: _core.Cache, key: str) -> _Array:
    """Return the array that a leased block holds: read-only, without a copy.

    Parameters
    ----------
    lease : Lease
        Of the block, with a layout.
    cache, key
        Where it came from. A layout that does not fit its values is a damaged entry, and removed.

    Raises
    ------
    FormatError
        If the layout is damaged.
    """
    layout = lease.layout
    try:
        dtype, shape = _parse(layout)
        if math.prod(shape) * dtype.itemsize != lease.nbytes:
            raise ValueError(f"it does not fit {lease.nbytes} bytes")
        return np.ndarray(shape, dtype, buffer=lease)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError) as error:
        cache.delete(key)
        where = key if cache.path is None else f"{cache.path}: {key}"
        raise FormatError("CORRUPT", where, f"layout {layout[:60]!r}: {error}") from error


def _plain(array: Any) -> _Array:
    if isinstance(array, np.memmap):
        return array.view(np.ndarray)
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError("a masked array cannot be kept: its mask would be lost")
    if isinstance(array, np.ndarray):
        kind = type(array).__name__
        raise TypeError(f"a {kind} cannot be kept as such, only a plain numpy.ndarray")
    raise TypeError(f"values must be numpy arrays, not {type(array).__name__}")


def _storage(dtype: _DType) -> str:
    """Name the primitive whose size is that of an item, or of its parts."""
    if dtype.isnative and dtype.kind == "c" and dtype.itemsize in (8, 16):
        return "float32" if dtype.itemsize == 8 else "float64"
    if dtype.kind in "mM":
        return "int64" if dtype.isnative else "uint64"
    if dtype.kind in "SV":
        return "uint8"
    if dtype.kind == "U":
        return "uint32"
    size = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
    return _UNSIGNED.get(size, "uint64" if size % 8 == 0 else "uint8")


def _describe(dtype: _DType, shape: tuple[int, ...]) -> bytes:
    """Write dtype and shape as a layout that is read back as the same."""
    if dtype.hasobject:
        raise TypeError(f"an array of {dtype} cannot be kept: it holds Python objects")
    try:
        descr = dtype.str if dtype.fields is None else dtype.descr
        text = descr if isinstance(descr, str) else repr(descr)
        layout = f"{text}|{','.join(map(str, shape))}".encode()
        same = len(layout) <= _MAX_LAYOUT_NBYTES and _is_same(_parse(layout)[0], dtype)
    except (ValueError, TypeError):
        same = False
    if not same:
        raise TypeError(f"an array of {dtype} cannot be kept: its dtype has no full description")
    return layout


def _is_same(one: _DType, other: _DType) -> bool:
    """Compare what ``==`` leaves out as well: metadata, and the classes of scalars."""
    if one != other or other.metadata is not None:
        return False
    if one.kind == "V" and one.type is not other.type:
        return False
    if one.subdtype is not None and other.subdtype is not None:
        return _is_same(one.subdtype[0], other.subdtype[0])
    if one.fields is None or other.fields is None:
        return one.fields is other.fields
    return list(one.fields) == list(other.fields) and all(
        _is_same(mine[0], yours[0]) and mine[1:] == yours[1:]
        for mine, yours in zip(one.fields.values(), other.fields.values(), strict=True)
    )


@functools.lru_cache(maxsize=256)
def _parse(layout: bytes) -> tuple[_DType, tuple[int, ...]]:
    """Read a layout.

    Raises
    ------
    ValueError, TypeError
        If it is not one.
    """
    text, separator, numbers = layout.decode().rpartition("|")
    if not separator or (numbers and not re.fullmatch(r"\d{1,19}(,\d{1,19})*", numbers, re.ASCII)):
        raise ValueError("it is not TYPE|SHAPE")
    shape = tuple(map(int, numbers.split(","))) if numbers else ()
    descr: Any = text if _TYPE.fullmatch(text) else _literal(text)
    dtype = np.lib.format.descr_to_dtype(descr)
    if dtype.hasobject or dtype.subdtype is not None:
        raise ValueError(f"{dtype} is not the type of an array's elements")
    return dtype, shape


def _literal(text: str) -> Any:
    """Read a Python literal of lists, tuples, text and numbers, whoever wrote it.

    It is not left to Python's own parser, which deep nesting can bring down.
    """
    outer: list[tuple[str, list[Any]]] = []
    items: list[Any] = []
    kind = end = ""
    position = 0
    while not end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"its type cannot be read at {text[position : position + 20]!r}")
        position = token.end()
        end = "end" if token["end"] is not None else ""
        if token["text"]:
            items.append(_ESCAPE.sub(_unescape, token["text"][1:-1]))
        elif token["number"]:
            items.append(int(token["number"]))
        elif token["open"]:
            outer.append((kind, items))
            kind, items = token["open"], []
        elif token["close"]:
            if kind + token["close"] not in ("[]", "()"):
                raise ValueError("its type has brackets that do not match")
            closed: Any = items if kind == "[" else tuple(items)
            kind, items = outer.pop()
            items.append(closed)
    if kind or len(items) != 1:
        raise ValueError("its type is not one list of fields")
    _check_fields(items[0], 0)
    return items[0]


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(int(code, 16))
    if match[4] not in _ESCAPES:
        raise ValueError(f"its type has an unknown escape, {match[0]!r}")
    return _ESCAPES[match[4]]


def _check_fields(descr: Any, depth: int) -> None:
    """Refuse what numpy would not write itself, such as aliases and types in commas."""
    if isinstance(descr, str):
        if not _TYPE.fullmatch(descr):
            raise ValueError(f"{descr[:60]!r} is not a type")
        return
    if not isinstance(descr, list) or depth > _MAX_DEPTH:
        raise ValueError("a structured type must be a list of fields, and not too deep")
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise ValueError("a field must be a tuple of name, type and perhaps shape")
        _check_fields(field[1], depth + 1)
