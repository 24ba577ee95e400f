"""Arrays of a step: awkward or numpy arrays around the buffers of columns, for each step anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ladle._forms import OPTION, VAR, VARIANT, by_member

if TYPE_CHECKING:
    from ladle._core import Column

_Array = np.ndarray[Any, Any]

#: Makes awkward's content of all columns below some point, of a step's buffers.
_Builder = Callable[["_Step"], Any]


class _Step:
    """The buffers of one step, and the indexes that are made of them, once for all columns."""

    __slots__ = ("buffers", "indexes", "length")

    def __init__(self, length: int, buffers: list[_Array]) -> None:
        self.length = length
        self.buffers = buffers
        self.indexes: dict[int, Any] = {}

    def index(self, kind: _Alike, at: int) -> Any:
        """Return the buffer as one of awkward's indexes: columns that share it share that."""
        values = self.buffers[at]
        found = self.indexes.get(id(values))
        if found is None:
            found = self.indexes[id(values)] = kind.make(values)
        return found


class _Alike:
    """Makes awkward contents, or indexes, that differ in nothing but what they are made of.

    For a table of a thousand columns awkward's constructors, which look at every argument, took
    most of the time of a loop. Here they make the first two contents. What these keep of their
    parts, and that all else is the same in both, is seen from them; the others get the same
    attributes around their own parts. Where that cannot be seen, each comes from the constructor.

    Parameters
    ----------
    constructor : callable
        Takes the parts, whose types are always the same, and returns a content.

    Attributes
    ----------
    make : callable
        The same.
    """

    __slots__ = ("_constructor", "_first", "make")

    def __init__(self, constructor: Callable[..., Any]) -> None:
        self._constructor = constructor
        self._first: tuple[list[str], dict[str, Any]] | None = None
        self.make: Callable[..., Any] = self._construct

    def _construct(self, *parts: Any) -> Any:
        content = self._constructor(*parts)
        others = dict(vars(content))
        names = [name for part in parts for name, value in others.items() if value is part]
        for name in names:
            others.pop(name, None)
        if self._first is None:
            self._first = names, others
            return content
        known, shared = self._first
        self._first = None
        self.make = self._constructor
        if (
            names == known
            and len(names) == len(parts)
            and others.keys() == shared.keys()
            and all(others[name] is shared[name] for name in others)
        ):
            self.make = _maker(type(content), names, others)
        return content


def _maker(made: Any, names: list[str], others: dict[str, Any]) -> Callable[..., Any]:
    """Return what makes objects of a class that have their parts under these names.

    It is compiled from text, as dataclasses are: setting an attribute by a name that stands in the
    code takes a tenth of what ``setattr`` does.
    """
    lines = [
        f"def make({', '.join(f'part_{name}' for name in names)}):",
        "    it = new(kind)",
        *(f"    it.{name} = part_{name}" for name in names),
        *(f"    it.{name} = same_{name}" for name in others),
        "    return it",
    ]
    scope = {f"same_{name}": value for name, value in others.items()}
    scope |= {"new": made.__new__, "kind": made}
    exec("\n".join(lines), scope)
    make: Callable[..., Any] = scope["make"]
    return make


class AwkwardArrays:
    """Puts steps together as awkward arrays of records, of the types that `ladle.open` gives.

    Parameters
    ----------
    columns : iterable of Column
        In the order of the steps' buffers.
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        import awkward as ak

        self._ak = ak
        self._places: dict[str, int] = {}
        groups: dict[str, list[Column]] = {}
        at = 0
        for column in columns:
            self._places[column.name] = at
            at += column.n_buffers
            groups.setdefault(column.field, []).append(column)
        fields = list(groups)
        contents = ak.contents
        self._index8 = _Alike(ak.index.Index8)
        self._index64 = _Alike(ak.index.Index64)
        # Of all columns: of numbers, and of text.
        self._values = [
            _Alike(
                lambda data, parameters=parameters: contents.NumpyArray(
                    data, parameters=parameters, backend=_numpy()
                )
            )
            for parameters in (None, {"__array__": "char"})
        ]
        self._lists = [
            _Alike(
                lambda offsets, content, parameters=parameters: contents.ListOffsetArray(
                    offsets, content, parameters=parameters
                )
            )
            for parameters in (None, {"__array__": "string"})
        ]
        self._builders = [self._content(group, 0, 0, 0) for group in groups.values()]
        record = contents.RecordArray
        self._events = _Alike(
            lambda contents, length: record(contents, fields, length=length, backend=_numpy())
        )

    def __call__(self, length: int, buffers: list[_Array]) -> Any:
        """Return the array of one step."""
        step = _Step(length, buffers)
        return self._ak.Array(self._events.make([build(step) for build in self._builders], length))

    def _content(self, columns: list[Column], at: int, depth: int, buffer: int) -> _Builder:
        """Return what makes the content of columns that are one so far (see `ladle._forms`)."""
        first = columns[0]
        contents = self._ak.contents
        if at < len(first.members) and first.members[at][0] == depth:
            return self._record(columns, at, depth, buffer)
        place = self._places[first.name] + buffer
        if depth == len(first.dims):
            values = self._values[first.is_string]
            return lambda step: values.make(step.buffers[place])
        size = first.dims[depth]
        if size == VARIANT:
            return self._variant(columns, at, depth, buffer)
        inner = self._content(columns, at, depth + 1, buffer + (size < 0))
        if size >= 0:
            return self._regular(inner, size, self._items(first, depth, buffer))
        index64 = self._index64
        if size == OPTION:
            return lambda step: contents.IndexedOptionArray(step.index(index64, place), inner(step))
        lists = self._lists[first.is_string and depth == len(first.dims) - 1]
        return lambda step: lists.make(step.index(index64, place), inner(step))

    def _regular(
        self, inner: _Builder, size: int, items: Callable[[_Step], int] | None
    ) -> _Builder:
        contents = self._ak.contents
        if size > 0 or items is None:
            return lambda step: contents.RegularArray(
                inner(step), size, zeros_length=step.length if size == 0 else 0
            )
        return lambda step: contents.RegularArray(inner(step), size, zeros_length=items(step))

    def _items(self, column: Column, depth: int, buffer: int) -> Callable[[_Step], int] | None:
        """Return what counts the items at a depth, where lists are around them."""
        if VAR not in column.dims[:depth]:
            return None
        place = self._places[column.name] + buffer - 1
        return lambda step: int(step.buffers[place][-1])

    def _record(self, columns: list[Column], at: int, depth: int, buffer: int) -> _Builder:
        members = by_member(columns, at)
        builders = [self._content(each, at + 1, depth, buffer) for each in members.values()]
        is_tuple = all(name == f"_{i}" for i, name in enumerate(members))
        names = None if is_tuple else list(members)
        record = self._ak.contents.RecordArray
        return lambda step: record([build(step) for build in builders], names)

    def _variant(self, columns: list[Column], at: int, depth: int, buffer: int) -> _Builder:
        contents, index = self._ak.contents, self._ak.index
        place = self._places[columns[0].name] + buffer
        builders = [
            self._content(each, at + 1, depth + 1, buffer + 2)
            for each in by_member(columns, at).values()
        ]

        def build(step: _Step) -> Any:
            none = contents.IndexedOptionArray(index.Index64(np.full(1, -1)), contents.EmptyArray())
            alternatives = [make(step) for make in builders]
            return contents.UnionArray(
                step.index(self._index8, place),
                step.index(self._index64, place + 1),
                [none]
                + [
                    each if each.is_option else contents.UnmaskedArray(each)
                    for each in alternatives
                ],
            )

        return build


class NumpyArrays:
    """Puts steps together as dicts of numpy arrays, lists as arrays of objects, as uproot does.

    Parameters
    ----------
    columns : iterable of Column
        In the order of the steps' buffers.
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        self._columns = list(columns)

    def __call__(self, length: int, buffers: list[_Array]) -> dict[str, _Array]:
        """Return the arrays of one step."""
        arrays = {}
        at = 0
        for column in self._columns:
            mine = buffers[at : at + column.n_buffers]
            at += column.n_buffers
            arrays[column.name] = _nested(column, length, mine)
        return arrays


def numpy_refusal(column: Column) -> str | None:
    """Return why a column cannot be numpy arrays, or None."""
    if OPTION in column.dims or VARIANT in column.dims:
        return "numpy has no arrays of options or variants: take library='ak'"
    return None


def _nested(column: Column, length: int, buffers: list[_Array]) -> _Array:
    """Cut the values of a column into its lists, from the innermost to the outermost ones."""
    values = buffers[-1]
    inner: list[int] = []
    buffer = len(buffers) - 2
    for depth in range(len(column.dims) - 1, -1, -1):
        size = column.dims[depth]
        if size >= 0:
            inner.insert(0, size)
            continue
        items = int(buffers[buffer][-1])
        is_text = column.is_string and depth == len(column.dims) - 1
        values = _lists(
            values if is_text else values.reshape(items, *inner), buffers[buffer], is_text
        )
        inner = []
        buffer -= 1
    return values.reshape(length, *inner)


def _lists(values: _Array, offsets: _Array, is_text: bool) -> _Array:
    ends = offsets.tolist()
    lists = np.empty(len(ends) - 1, dtype=object)
    if is_text:
        whole = values.tobytes()
        for i, (start, stop) in enumerate(itertools.pairwise(ends)):
            lists[i] = whole[start:stop].decode("utf-8", "surrogateescape")
    else:
        for i, (start, stop) in enumerate(itertools.pairwise(ends)):
            lists[i] = values[start:stop]
    return lists


def _numpy() -> Any:
    """Return awkward's backend for numpy, which it would else look for in each buffer."""
    global _backend
    if _backend is None:
        import awkward as ak

        _backend = ak.contents.NumpyArray(np.empty(0)).backend
    return _backend


_backend: Any = None
