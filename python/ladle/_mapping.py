"""What all caches of ladle have in common: a dict of arrays over the extension's cache.

A cache is a mapping from str to numpy arrays, which are copied in and lent out. The classes of
:mod:`ladle.cache` say in which levels the buffers are at rest; this one does all the rest: the
semantics of a dict, what becomes of damaged entries, and of a cache that is forked or forgotten.
"""

from __future__ import annotations

import functools
import os
import threading
import warnings
import weakref
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import numpy as np

from ladle import _core
from ladle._cache_info import CacheInfo, describe_levels
from ladle._context import default_context
from ladle._errors import BudgetError, Error, FormatError, InvalidError, ReadError
from ladle._layout import pack

_Array = np.ndarray[Any, Any]
_Default = TypeVar("_Default")
_MISSING: Any = object()

#: Of an entry that could not be brought back and is therefore no longer one.
_LOST = frozenset({"IO", "TRUNCATED", "CORRUPT", "CHECKSUM"})

#: Store and budget in bytes (0: none) of a level, as the extension takes them.
Level = tuple[str | dict[str, Any], int]


class Cache(MutableMapping[str, _Array]):
    """What all caches of ladle have in common; see :class:`ladle.BufferCache`.

    Parameters
    ----------
    options : dict
        Arguments that make such a cache again.
    levels : list of (store, budget)
        Fastest first.
    home : int
        The level in which a buffer comes to rest.
    budget : int, optional
        Bytes that it may hold, as its class means it.
    """

    __slots__ = (
        "__weakref__",
        "_budget",
        "_closed",
        "_final",
        "_finalizer",
        "_forks",
        "_home",
        "_levels",
        "_lock",
        "_options",
        "_path",
        "_refused",
        "core",
    )

    #: The extension's cache, for readers that put buffers into it without a copy.
    core: _core.Cache

    def __init__(
        self, options: dict[str, Any], levels: list[Level], home: int, budget: int | None
    ) -> None:
        self._options = options
        self._budget = budget
        self._levels = levels
        self._home = home
        self._lock = threading.Lock()
        self._closed = False
        self._final: tuple[dict[str, int], list[dict[str, Any]]] = ({}, [])
        self._path: str | None = None
        self._finalizer: Any = None
        self._start()
        _alive[id(self)] = self

    def _start(self) -> None:
        self._refused = 0
        self._forks = _core.forks()
        core = _core.Cache(default_context(), levels=self._levels, home=self._home)
        self._path = core.path
        if self._path is not None:
            # What a named file holds is written when the cache dies, or the interpreter ends.
            self._finalizer = weakref.finalize(self, _close, core, self._forks)
        self.core = core
        for level in core.levels():
            if level["network"]:
                warnings.warn(
                    f"{level['path']} is on a network file system, which is slow and may fail: "
                    "set dir=, or the environment's LADLE_SCRATCH, to a folder on a local disk",
                    RuntimeWarning,
                    stacklevel=4,
                )

    def __getattr__(self, name: str) -> Any:
        # A forked child has no core until it needs one, see _leave_parent; a closed cache has none.
        if name != "core":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if self._closed:
            raise InvalidError("INVALID", type(self).__name__, "the cache is closed")
        with self._lock:
            if self._forks != _core.forks():
                self._start()
        return self.core

    def _leave_parent(self) -> None:
        """In a forked child: forget the parent's buffers. A named file stays the parent's."""
        self._lock = threading.Lock()
        if self._path is None and not self._closed:
            del self.core

    @property
    def budget(self) -> int | None:
        """Bytes that it may hold, or ``None`` if there is no bound."""
        return self._budget

    @property
    def path(self) -> str | None:
        """Path of its named file, or ``None``."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def is_usable(self) -> bool:
        """Whether this process has it open: it was not closed, nor left to the parent process."""
        return not self._closed and self._forks == _core.forks()

    # --- as a mapping

    def __getitem__(self, key: str) -> _Array:
        array = self.core.get_array(key, _MISSING)
        if array is _MISSING:
            raise KeyError(key)
        return array

    @overload
    def get(self, key: str) -> _Array | None: ...
    @overload
    def get(self, key: str, default: _Array | _Default) -> _Array | _Default: ...
    def get(self, key: str, default: Any = None) -> Any:
        """Return the array at ``key``, or the default.

        An entry that is damaged is as good as missing here: it is removed, with a
        ``RuntimeWarning``.
        """
        try:
            return self.core.get_array(key, default)
        except (FormatError, ReadError) as error:
            self.warn_of_loss(key, error)
            return default

    def warn_of_loss(self, key: str, error: Error) -> None:
        """Warn that an entry is lost, if the error says so; else raise it.

        Parameters
        ----------
        key : str
            Of the entry.
        error : ladle.Error
            What bringing it back met.
        """
        if error.status not in _LOST:
            raise error
        where = "" if self._path is None else f"{self._path}: "
        warnings.warn(
            f"{where}the entry {key!r} is damaged and was removed: {error}",
            RuntimeWarning,
            stacklevel=3,
        )

    def __setitem__(self, key: str, value: _Array) -> None:
        if not isinstance(key, str):
            raise TypeError(f"keys must be str, not {type(key).__name__}")
        values, dtype, layout = pack(value)
        try:
            self.core.put(key, values, dtype, 0, layout)
        except BudgetError as error:
            if error.status != "BUDGET":
                raise
            self.core.delete(key)  # what was there is no longer its value
        else:
            if self._levels[-1][1] == 0 or self.core.contains(key):
                return
        with self._lock:
            self._refused += 1

    def __delitem__(self, key: str) -> None:
        if not isinstance(key, str) or not self.core.delete(key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.core.contains(key)

    def __len__(self) -> int:
        return len(self.core)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of this moment, in the order in which they were first put."""
        return iter(self._keys())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys())

    def _keys(self) -> list[str]:
        return [text_of(key) for key in self.core.keys()]  # noqa: SIM118 - it is no dict

    def items(self) -> ItemsView[str, _Array]:
        """Return a view of the items; what is evicted on the way is left out."""
        return _Items(self)

    def values(self) -> ValuesView[_Array]:
        """Return a view of the values; what is evicted on the way is left out."""
        return _Values(self)

    @overload
    def pop(self, key: str) -> _Array: ...
    @overload
    def pop(self, key: str, default: _Array | _Default) -> _Array | _Default: ...
    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove ``key`` and return its array, or the default if one is given.

        Raises
        ------
        KeyError
            If there is no such key and no default.
        ladle.Error
            If the entry is damaged and there is no default.
        """
        try:
            array = self.core.pop_array(key, default)
        except (FormatError, ReadError) as error:
            if default is _MISSING:
                raise
            self.warn_of_loss(key, error)
            return default
        if array is _MISSING:
            raise KeyError(key)
        return array

    def popitem(self) -> tuple[str, _Array]:
        """Remove the item that was put last, and return it.

        Raises
        ------
        KeyError
            If the cache is empty.
        """
        while keys := self._keys():
            key = keys[-1]
            array = self.pop(key, _MISSING)
            if array is not _MISSING:
                return key, array
        raise KeyError("the cache is empty")

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the array at ``key``; if there is none, put the default there and return that."""
        array = self.get(key, _MISSING)
        if array is not _MISSING:
            return array
        self[key] = default
        return default

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def clear(self) -> None:
        """Remove all entries."""
        self.core.clear()

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    # --- beside the mapping

    def stats(self) -> dict[str, int]:
        """Return counts and bytes.

        Returns
        -------
        dict
            ``hits``, ``misses``, ``puts``, ``evictions``, ``deletes``, ``refused`` (values that did
            not fit), ``damaged`` (entries that could not be brought back), ``waits`` (look-ups that
            waited for another thread to make or bring back the same) and ``entries``, counted;
            ``nbytes`` at rest in all levels, ``pinned_nbytes`` (of these, in use), ``peak_nbytes``
            and ``budget`` (0: none), in bytes; ``fetch_ns``, nanoseconds spent to make what was
            missing.
        """
        stats = self._final[0] or self.core.stats()
        return stats | {"refused": self._refused}

    def info(self) -> CacheInfo:
        """Return what the cache is and what it holds. In a notebook it draws itself.

        Returns
        -------
        CacheInfo
            A dict: ``class``; ``budget`` in bytes, or ``None``; ``path`` of its named file, or
            ``None``; ``stats``, as :meth:`stats`; ``levels``, a list of dicts with ``store``,
            ``entries``, ``nbytes``, ``budget`` (0: none), what went in (``rests``, ...) and came
            back (``wakes``, ...), and ``path``, ``file_nbytes``, ``codec`` where the store has
            them; ``entries``, a list of dicts with ``key``, ``dtype``, ``count`` and ``layout``
            (text; empty for a row of values), ``nbytes`` at rest, ``level_nbytes`` (by level;
            ``None``: not there), ``hits``, ``cost_ns`` (nanoseconds to make it again; 0: not
            known), ``wake_ns`` (spent to bring it back) and ``pinned``.
        """
        return CacheInfo(
            {
                "class": type(self).__name__,
                "budget": self._budget,
                "path": self._path,
                "stats": self.stats(),
                "levels": self._final[1] or self.core.levels(),
                "entries": [
                    entry
                    | {
                        "key": text_of(entry["key"]),
                        "layout": entry["layout"].decode("utf-8", "backslashreplace"),
                    }
                    for entry in ([] if self._final[0] else self.core.entries())
                ],
            }
        )

    def flush(self) -> None:
        """Make a named file hold the entries of now, for whoever opens it later.

        A cache without a named file has nothing to do.

        Raises
        ------
        ladle.Error
            If it cannot be written; the file then holds what it held before.
        """
        self.core.flush()

    def close(self) -> None:
        """Remove all entries and refuse further use. Arrays in use stay valid.

        A named file is written before, and holds the entries of now. In a forked child, where it
        is the parent's, nothing is written.

        Raises
        ------
        ladle.Error
            If the file cannot be written. The cache is closed all the same.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._forks != _core.forks():
                return
            if self._finalizer is not None:
                self._finalizer.detach()
        core = self.core
        try:
            core.close()
        finally:
            self._final = (core.stats(), core.levels())
            del self.core  # with it goes the file, which may then be opened again

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._closed:
            return f"<{name} closed>"
        if self._path is not None and not self.is_usable:
            return f"<{name} of the parent process: {self._path}>"
        entries = len(self.core)
        plural = "" if entries == 1 else "s"
        return f"<{name} {entries} buffer{plural}, {describe_levels(self.core.levels())}>"

    def _repr_html_(self) -> str:
        return self.info()._repr_html_()

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), **self._options), ()


def text_of(key: bytes) -> str:
    """Return a key as the str that it stands for."""
    return key.decode("utf-8", "surrogatepass")


class _Items(ItemsView[str, _Array]):
    """Items of a cache, without those that leave it on the way."""

    _mapping: Cache

    def __iter__(self) -> Iterator[tuple[str, _Array]]:
        for key in self._mapping:
            array = self._mapping.get(key, _MISSING)
            if array is not _MISSING:
                yield key, array


class _Values(ValuesView[_Array]):
    """Values of a cache, without those that leave it on the way."""

    _mapping: Cache

    def __iter__(self) -> Iterator[_Array]:
        for _, array in _Items(self._mapping):
            yield array


_alive: weakref.WeakValueDictionary[int, Cache] = weakref.WeakValueDictionary()


def living_caches() -> list[Cache]:
    """Return the caches of this process that are alive, in the order in which they were made."""
    found = [reference() for reference in _alive.valuerefs()]
    return [cache for cache in found if cache is not None]


def _close(core: _core.Cache, forks: int) -> None:
    if forks == _core.forks():
        core.close()


def _leave_parent() -> None:
    for cache in living_caches():
        cache._leave_parent()


os.register_at_fork(after_in_child=_leave_parent)
