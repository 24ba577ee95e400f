"""Caches: mappings from str to numpy arrays, in memory that ladle counts and bounds."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import numpy as np

from ladle import _core
from ladle._context import default_context
from ladle._errors import BudgetError
from ladle._layout import pack
from ladle._units import format_nbytes, parse_nbytes

__all__ = ["BufferCache"]

_Array = np.ndarray[Any, Any]
_Default = TypeVar("_Default")
_MISSING: Any = object()


class BufferCache(MutableMapping[str, _Array]):
    """Keep buffers in RAM as they are, within a budget.

    A mapping with the semantics of ``dict``, whose values are copied in and lent out: what comes
    out is a read-only array over the cache's own memory, which stays valid as long as the array
    lives, whatever happens to the entry. Arrays of any shape and dtype come back with that shape
    and dtype, in C order; those of Python objects are refused. Keys come in the order in which
    they were first put, as in a dict.

    Parameters
    ----------
    budget : int or str, optional
        Bytes, or a size such as ``"64 MB"`` (1000-based) or ``"64 MiB"`` (1024-based). ``None``:
        keeps all, like a dict. When it is full, entries that nobody uses leave: those first that
        are the cheapest to bring back per byte, then the least recently used. A value that does not
        fit at all is not kept (``stats()["refused"]``). So with a budget a key may be missing at
        any time; its value is never wrong.

    Raises
    ------
    TypeError, ValueError
        If the budget is not a size, or not positive.

    Notes
    -----
    Any number of threads may use one cache. A pickle of it is its configuration only: an empty
    cache with the same budget. A forked child starts with an empty cache as well. Its memory is
    given back when it is closed or dies, except for what arrays still use. Two caches are equal
    only if they are the same object.

    Examples
    --------
    >>> cache = ladle.BufferCache("256 MB")
    >>> events = ladle.open("nano.root", cache=cache)
    >>> cache.stats()["hits"]
    """

    __slots__ = ("__weakref__", "_budget", "_lock", "_refused", "core")

    #: The extension's cache, for readers that put buffers into it without a copy.
    core: _core.Cache

    def __init__(self, budget: int | str | None = None) -> None:
        nbytes = None if budget is None else parse_nbytes(budget, "budget")
        if nbytes == 0:
            raise ValueError("budget must be at least 1 byte; None is no budget")
        self._budget = nbytes
        self._start()
        _alive.add(self)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._refused = 0
        self.core = _core.Cache(default_context(), self._budget or 0)

    @property
    def budget(self) -> int | None:
        """Bytes that it may hold, or ``None``."""
        return self._budget

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
        """Return the array at ``key``, or the default."""
        return self.core.get_array(key, default)

    def __setitem__(self, key: str, value: _Array) -> None:
        if not isinstance(key, str):
            raise TypeError(f"keys must be str, not {type(key).__name__}")
        values, dtype, layout = pack(value)
        if self._budget is not None and values.nbytes > self._budget:
            self._refuse(key)
            return
        try:
            self.core.put(key, values, dtype, 0, layout)
        except BudgetError as error:
            if error.status != "BUDGET":
                raise
            self._refuse(key)

    def _refuse(self, key: str) -> None:
        """Keep nothing at ``key``: what was there is no longer its value."""
        self.core.delete(key)
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
        keys = self.core.keys()
        return iter([key.decode("utf-8", "surrogatepass") for key in keys])

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
        """
        array = self.core.pop_array(key, _MISSING)
        if array is not _MISSING:
            return array
        if default is _MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, _Array]:
        """Remove the item that was put last, and return it.

        Raises
        ------
        KeyError
            If the cache is empty.
        """
        while keys := list(self):
            key = keys[-1]
            array = self.core.pop_array(key, _MISSING)
            if array is not _MISSING:
                return key, array
        raise KeyError("the cache is empty")

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
            not fit) and ``entries``, counted; ``nbytes``, ``pinned_nbytes`` (of these, in use),
            ``peak_nbytes`` and ``budget`` (0: none), in bytes; ``fetch_ns``, nanoseconds spent to
            make what was missing.
        """
        return self.core.stats() | {"refused": self._refused}

    def info(self) -> dict[str, Any]:
        """Return what the cache is and what it holds.

        Returns
        -------
        dict
            ``class``, ``budget``, and ``entries``: a list of dicts with ``key``, ``dtype`` and
            ``count`` of the block, ``nbytes``, ``hits``, ``cost_ns`` (nanoseconds to make it again;
            0: it cannot be made again) and ``pinned``.
        """
        entries = [
            entry | {"key": entry["key"].decode("utf-8", "surrogatepass")}
            for entry in self.core.entries()
        ]
        return {"class": type(self).__name__, "budget": self._budget, "entries": entries}

    def close(self) -> None:
        """Remove all entries and refuse further use. Arrays in use stay valid."""
        self.core.close()

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
        stats = self.core.stats()
        limit = "" if self._budget is None else f" of {format_nbytes(self._budget)}"
        plural = "" if stats["entries"] == 1 else "s"
        return (
            f"<{type(self).__name__} {stats['entries']} buffer{plural}, "
            f"{format_nbytes(stats['nbytes'])}{limit}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._budget,)


class _Items(ItemsView[str, _Array]):
    """Items of a cache, without those that leave it on the way."""

    _mapping: BufferCache

    def __iter__(self) -> Iterator[tuple[str, _Array]]:
        for key in self._mapping:
            array = self._mapping.get(key, _MISSING)
            if array is not _MISSING:
                yield key, array


class _Values(ValuesView[_Array]):
    """Values of a cache, without those that leave it on the way."""

    _mapping: BufferCache

    def __iter__(self) -> Iterator[_Array]:
        for _, array in _Items(self._mapping):
            yield array


_alive: weakref.WeakSet[BufferCache] = weakref.WeakSet()


def _start_in_child() -> None:
    """Give each cache that a forked child was born with an empty one of its own."""
    for cache in list(_alive):
        cache._start()


os.register_at_fork(after_in_child=_start_in_child)
