"""Buffers of a lazy array: what is called when an operation touches one."""

from __future__ import annotations

import contextlib
import weakref
from collections import Counter
from collections.abc import Iterable, MutableMapping
from functools import cached_property
from typing import Any

import numpy as np

from ladle import _core
from ladle._ahead import Ahead, Request
from ladle._context import default_context, default_reader
from ladle._errors import FormatError, NameMissingError, ReadError, UnsupportedError
from ladle._forms import paths
from ladle._mapping import Cache

_Array = np.ndarray[Any, Any]
_MISSING: Any = object()


class Source:
    """A table of a file. A forked child opens it again, for it cannot use the parent's handles.

    Parameters
    ----------
    path : str
        Of the file.
    table_path : str, optional
        Of the table in it; ``None``: ``Events``, else the only one.

    Raises
    ------
    ladle.Error
        If there is no such file or table, or it cannot be read.
    """

    __slots__ = ("_opened", "_table_path", "n_entries", "path")

    def __init__(self, path: str, table_path: str | None) -> None:
        self.path = path
        self._table_path = table_path
        self._opened = (_core.forks(), self._open())
        self.n_entries = self._opened[1].n_entries

    def _open(self) -> _core.Table:
        return _core.File(default_context(), self.path).table(self._table_path)

    @property
    def table(self) -> _core.Table:
        """The open table.

        Raises
        ------
        FormatError
            If the file was replaced since, and this is a forked child.
        """
        forks, table = self._opened
        if forks == _core.forks():
            return table
        again = self._open()
        if again.n_entries != self.n_entries:
            raise FormatError(
                "CORRUPT", self.path, "another file is in its place since it was opened"
            )
        self._opened = (_core.forks(), again)
        return again


class Part:
    """Entries ``[start, stop)`` of one source."""

    __slots__ = ("source", "start", "stop")

    def __init__(self, source: Source, start: int, stop: int) -> None:
        self.source = source
        self.start = start
        self.stop = stop


def choose_cache(
    cache: MutableMapping[str, Any] | None,
) -> tuple[Cache | None, MutableMapping[str, Any] | None]:
    """Tell a cache of ladle's, which the reader fills itself, from any other mapping."""
    if isinstance(cache, Cache):
        return cache, None
    if cache is not None and not isinstance(cache, MutableMapping):
        raise TypeError(f"cache must be a mapping, not {type(cache).__name__}")
    return None, cache


class Buffer:
    """One buffer of one or more columns over a range of entries. Called, it returns the values.

    Parameters
    ----------
    role : str
        What its values are: "data", "offsets", "index", "tags" or "places", as of
        ``_core.Table.buffers``. It says how those of several files are joined.
    parts : list of Part
        Where the entries are.
    ahead : Ahead
        Through which it reads.
    mapping : MutableMapping, optional
        Any other cache.
    threads : int, optional
        Threads that decode.
    reads : collections.Counter
        Counts the calls, by column.
    """

    __slots__ = (
        "_ahead",
        "_alternatives",
        "_columns",
        "_last",
        "_mapping",
        "_parts",
        "_reads",
        "_role",
        "_tags",
        "_threads",
    )

    def __init__(
        self,
        role: str,
        parts: list[Part],
        ahead: Ahead,
        mapping: MutableMapping[str, Any] | None,
        threads: int | None,
        reads: Counter[str],
    ) -> None:
        self._columns: list[tuple[str, int]] = []
        self._role = role
        self._tags: Buffer | None = None
        self._alternatives: list[tuple[Buffer, int]] = []
        self._parts = parts
        self._ahead = ahead
        self._mapping = mapping
        self._threads = threads
        self._reads = reads
        self._last: weakref.ref[Any] | None = None

    def serve(self, column: str, index: int) -> None:
        """Let it stand for a buffer of a column, 0 <= index < n_buffers.

        It is read from the first column. If that one is damaged, from the next: what is wrong with
        one column costs the others nothing.
        """
        self._columns.append((column, index))

    def set_alternatives(self, tags: Buffer, alternatives: list[tuple[Buffer, int]]) -> None:
        """Tell places, which are joined by how much each alternative has in the parts before.

        Parameters
        ----------
        tags : Buffer
            Those that belong to the places.
        alternatives : list of (Buffer, int)
            For each alternative, a buffer that tells the number of its items, and how many values
            it has for each.
        """
        self._tags = tags
        self._alternatives = alternatives

    def __call__(self) -> _Array:
        """Return the values, read-only: from an array that is still alive, from the cache, or read.

        Raises
        ------
        ladle.Error
            What reading meets.
        """
        self._reads[self._columns[0][0]] += 1
        if len(self._parts) == 1:
            return self._one(0)
        joined = self._last() if self._last is not None else None
        if joined is None:
            joined = self._joined()
            self._last = weakref.ref(joined)
        return joined

    def _one(self, part_index: int) -> _Array:
        if self._mapping is not None:
            return self._through_mapping(part_index)
        if len(self._parts) == 1 and self._last is not None:
            # Several columns share offsets: they share one block as long as any of them holds it.
            lease = self._last()
            if lease is not None:
                return lease.array()  # type: ignore[no-any-return]
        lease = self._read(part_index)
        if len(self._parts) == 1:
            self._last = weakref.ref(lease)
        return lease.array()

    def _read(self, part_index: int) -> _core.Lease:
        part = self._parts[part_index]
        try:
            return self._read_column(part, *self._columns[0])
        except (FormatError, ReadError, UnsupportedError):
            for column, index in self._columns[1:]:
                with contextlib.suppress(FormatError, ReadError, UnsupportedError):
                    return self._read_column(part, column, index)
            raise

    def _read_column(self, part: Part, column: str, index: int) -> _core.Lease:
        return self._ahead.read(_request(part, column, index))

    def _through_mapping(self, part_index: int) -> _Array:
        assert self._mapping is not None
        key = self._key(_request(self._parts[part_index], *self._columns[0]))
        found: _Array = self._mapping.get(key, _MISSING)
        if found is not _MISSING:
            return found
        values = self._read(part_index).array()
        self._mapping[key] = values
        return values

    def _key(self, request: Request) -> str:
        name = default_reader(self._threads).key(*request.arguments())
        return name.decode("utf-8", "surrogateescape")

    @property
    def columns(self) -> list[tuple[str, int]]:
        """The columns that it stands for, and the number that it has in each."""
        return self._columns

    def requests(self) -> list[Request]:
        """Return what reads it, part by part, but for what is in a mapping of the user's."""
        found = [_request(part, *self._columns[0]) for part in self._parts]
        if self._mapping is None:
            return found
        return [request for request in found if self._key(request) not in self._mapping]

    def _joined(self) -> _Array:
        """Copy the parts behind each other, what points into other buffers moved on."""
        arrays = [self._one(index) for index in range(len(self._parts))]
        if self._role == "offsets":
            arrays = _joined_offsets(arrays)
        elif self._role == "index":
            arrays = _joined_index(arrays)
        elif self._role == "places":
            arrays = self._joined_places(arrays)
        joined = np.concatenate(arrays)
        joined.flags.writeable = False
        return joined

    def _joined_places(self, arrays: list[_Array]) -> list[_Array]:
        """Move each place on by what its alternative has in the parts before.

        That may be more than the places of these name: below a variant buffers hold whole clusters.
        """
        assert self._tags is not None
        before = np.zeros(len(self._alternatives) + 1, np.int64)  # by tag; tag 0 has no values
        moved = []
        for index, places in enumerate(arrays):
            moved.append(places + before[self._tags._one(index)])
            if index + 1 < len(arrays):
                before[1:] += [
                    buffer._n_items(index) // values for buffer, values in self._alternatives
                ]
        return moved

    def _n_items(self, part_index: int) -> int:
        return len(self._one(part_index)) - (self._role == "offsets")


class Columns:
    """What an array of :func:`ladle.open` reads from; see :class:`ladle._prefetch.Columns`.

    Parameters
    ----------
    ahead : Ahead
        Through which it reads.
    source : Source
        The first of its files.
    columns : dict of str to Column
        Of the array, by name.
    unreadable : dict of str to str
        Why others were left out.
    buffers : iterable of Buffer
        Of the array.
    """

    def __init__(
        self,
        ahead: Ahead,
        source: Source,
        columns: dict[str, _core.Column],
        unreadable: dict[str, str],
        buffers: Iterable[Buffer],
    ) -> None:
        self.ahead = ahead
        self._source = source
        self._columns = columns
        self._unreadable = unreadable
        self._buffers = list(buffers)

    @cached_property
    def _serving(self) -> dict[tuple[str, int], Buffer]:
        return {column: buffer for buffer in self._buffers for column in buffer.columns}

    def columns(self) -> Iterable[_core.Column]:
        """Return the columns of the array."""
        return self._columns.values()

    def require(self, name: str) -> None:
        """Raise unless there is a column, or a record with one, of that name."""
        if name in self._columns or any(name in paths(each) for each in self.columns()):
            return
        where = f"{self._source.path}: {self._source.table.name}/{name}"
        if name in self._unreadable:
            raise UnsupportedError("UNSUPPORTED", where, self._unreadable[name])
        self._source.table.require(name)
        raise NameMissingError("NOT_FOUND", where, "the array was opened without this column")

    def requests(self, name: str, buffer: int) -> list[Request]:
        """Return what reads one buffer of a column."""
        found = self._serving.get((name, buffer))
        return [] if found is None else found.requests()

    def derived(self, names: set[str]) -> list[str]:  # noqa: ARG002
        """Return nothing: here all buffers are those of the file."""
        return []


def _request(part: Part, column: str, index: int) -> Request:
    source = part.source
    return Request(source, source.table.find(column), index, part.start, part.stop)


def _joined_offsets(arrays: list[_Array]) -> list[_Array]:
    """Let the offsets of a part go on where those of the part before end."""
    moved = arrays[:1]
    before = arrays[0][-1]
    for offsets in arrays[1:]:
        moved.append(offsets[1:] + before)
        before += offsets[-1]
    return moved


def _joined_index(arrays: list[_Array]) -> list[_Array]:
    """Move the places of options on by the values of the parts before: each has its one place."""
    moved = []
    before = 0
    for index in arrays:
        moved.append(np.where(index >= 0, index + before, -1))
        before += int(index.max(initial=-1)) + 1
    return moved
