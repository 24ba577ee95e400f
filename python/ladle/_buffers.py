"""Buffers of a lazy array: what is called when an operation touches one."""

from __future__ import annotations

import contextlib
import weakref
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import numpy as np

from ladle import _core
from ladle._context import default_context, default_reader
from ladle._errors import FormatError, ReadError, UnsupportedError
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
    """One buffer of one column over a range of entries. Called, it returns the values.

    Parameters
    ----------
    column : str
        Name of the column that it is read from; see also :meth:`serve`.
    index : int
        Which of its buffers, 0 <= index < n_buffers.
    is_offsets : bool
        Whether these are offsets, which add up over several files.
    parts : list of Part
        Where the entries are.
    cache : Cache, optional
        Cache that the reader itself looks into and fills.
    mapping : MutableMapping, optional
        Any other cache.
    threads : int, optional
        Threads that decode.
    reads : collections.Counter
        Counts the calls, by column.
    """

    __slots__ = (
        "_cache",
        "_column",
        "_index",
        "_indices",
        "_is_offsets",
        "_last",
        "_mapping",
        "_others",
        "_parts",
        "_reads",
        "_threads",
    )

    def __init__(
        self,
        column: str,
        index: int,
        is_offsets: bool,
        parts: list[Part],
        cache: Cache | None,
        mapping: MutableMapping[str, Any] | None,
        threads: int | None,
        reads: Counter[str],
    ) -> None:
        self._column = column
        self._others: list[str] = []
        self._index = index
        self._indices = [part.source.table.find(column) for part in parts]
        self._is_offsets = is_offsets
        self._parts = parts
        self._cache = cache
        self._mapping = mapping
        self._threads = threads
        self._reads = reads
        self._last: weakref.ref[Any] | None = None

    def serve(self, column: str) -> None:
        """Let it stand for another column too, which has the same lists.

        It is read from the first column. If that one is damaged, from the next: what is wrong with
        one column costs the others nothing.
        """
        self._others.append(column)

    def __call__(self) -> _Array:
        """Return the values, read-only: from an array that is still alive, from the cache, or read.

        Raises
        ------
        ladle.Error
            What reading meets.
        """
        self._reads[self._column] += 1
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
            return self._read_column(part, self._indices[part_index])
        except (FormatError, ReadError, UnsupportedError):
            for other in self._others:
                with contextlib.suppress(FormatError, ReadError, UnsupportedError):
                    return self._read_column(part, part.source.table.find(other))
            raise

    def _read_column(self, part: Part, column: int) -> _core.Lease:
        cache = None if self._cache is None else self._cache.core
        return default_reader(self._threads).read_buffer(
            part.source.table, column, self._index, part.start, part.stop, cache
        )

    def _through_mapping(self, part_index: int) -> _Array:
        assert self._mapping is not None
        part = self._parts[part_index]
        reader = default_reader(self._threads)
        name = reader.key(
            part.source.table, self._indices[part_index], self._index, part.start, part.stop
        )
        key = name.decode("utf-8", "surrogateescape")
        found: _Array = self._mapping.get(key, _MISSING)
        if found is not _MISSING:
            return found
        values = self._read(part_index).array()
        self._mapping[key] = values
        return values

    def _joined(self) -> _Array:
        """Copy the parts behind each other. Offsets go on where those of the part before end."""
        arrays = [self._one(index) for index in range(len(self._parts))]
        if self._is_offsets:
            total = arrays[0][-1]
            for index in range(1, len(arrays)):
                arrays[index] = arrays[index][1:] + total
                total = arrays[index][-1] if len(arrays[index]) else total
        joined = np.concatenate(arrays)
        joined.flags.writeable = False
        return joined
