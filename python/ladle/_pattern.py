"""Which buffers an analysis touches, in which order: learned from one chunk, for the next ones."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ladle._ahead import State, current_worker

if TYPE_CHECKING:
    from ladle._ahead import Ahead, Request

_MAX_SHARED = 64  # patterns of the process; the oldest is forgotten


class AccessPattern:
    """The order in which an analysis touches buffers, so that later chunks are read ahead.

    Given to the arrays of all chunks, it learns from the first of them that is touched. Every later
    array begins to read what was touched there, in the same order, as soon as it is made.

    Parameters
    ----------
    window : int
        Buffers of an array that are read ahead at most, before they are touched.

    Attributes
    ----------
    window : int
        As given.
    used : int
        Buffers that were read ahead, or being read, when they were touched.
    wasted : int
        Buffers that were read ahead and never touched before their array died.
    missed : int
        Buffers of later chunks that were touched and had not been read ahead.

    Notes
    -----
    May be shared by threads. A pickle takes along what was learned; its counts start anew.

    Examples
    --------
    >>> pattern = ladle.AccessPattern()
    >>> for start in range(0, n_entries, 100_000):
    ...     events = ladle.open(file, entry_start=start, entry_stop=start + 100_000,
    ...                         prefetch=pattern)
    ...     analyse(events)
    """

    def __init__(self, window: int = 16) -> None:
        if isinstance(window, bool) or not isinstance(window, int):
            raise TypeError(f"window must be an int, not {window!r}")
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window!r}")
        self.window = window
        self._order: dict[tuple[str, int], None] = {}
        self._start_counts()

    def _start_counts(self) -> None:
        self.used = self.wasted = self.missed = 0
        self._learns_from: weakref.ref[Ahead] | None = None

    @property
    def order(self) -> list[tuple[str, int]]:
        """What was learned: names of columns, and numbers of their buffers."""
        return list(self._order)

    def touched(self, reads: Ahead, request: Request, state: State | None) -> None:
        """Take note of a first touch. With the lock of the worker held.

        Parameters
        ----------
        reads : Ahead
            Of the array.
        request : Request
            What was touched.
        state : State or None
            What had become of reading it ahead; ``None`` in an array that had nothing to follow.
        """
        if state in (State.READY, State.READING):
            self.used += 1
        elif state not in (None, State.FOUND):
            self.missed += 1
        if self._learns_from is None and not self._order:
            self._learns_from = weakref.ref(reads)
        if self._learns_from is not None and self._learns_from() is reads:
            name = request.source.table.column(request.column).name
            self._order[name, request.buffer] = None

    def __repr__(self) -> str:
        return (
            f"<AccessPattern of {len(self._order)} buffers: "
            f"{self.used} used, {self.wasted} wasted, {self.missed} missed>"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"window": self.window, "order": self.order}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.window = state["window"]
        self._order = dict.fromkeys(state["order"])
        self._start_counts()


_shared: dict[tuple[str, frozenset[str]], AccessPattern] = {}


def choose_pattern(
    prefetch: AccessPattern | bool | None, table: str, columns: Iterable[str]
) -> AccessPattern | None:
    """Return the pattern that an argument `prefetch` means.

    Parameters
    ----------
    prefetch : AccessPattern, bool or None
        ``True``: the process's own for the arrays of that table's name and these columns.
    table : str
        Name of the table.
    columns : iterable of str
        Of the array.
    """
    if prefetch is None or prefetch is False:
        return None
    if isinstance(prefetch, AccessPattern):
        return prefetch
    if prefetch is not True:
        raise TypeError(f"prefetch must be a bool or an AccessPattern, not {prefetch!r}")
    key = (table, frozenset(columns))
    with current_worker().changed:
        if key not in _shared and len(_shared) >= _MAX_SHARED:
            del _shared[next(iter(_shared))]
        return _shared.setdefault(key, AccessPattern())
