"""`ladle.prefetch` and `ladle.drop`: columns of a lazy array that will be, and were, used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ladle import _core
from ladle._ahead import Ahead, Request, Slot, State, current_worker
from ladle._context import default_reader
from ladle._errors import InvalidError
from ladle._filter import NameFilter, exact_names, kept_filter, name_test
from ladle._forms import paths

__all__ = ["Prefetch", "drop", "prefetch"]

#: Under this key of an array's ``attrs`` is what it reads from. The sign makes it transient.
ATTRIBUTE = "@ladle_columns"


class Columns(Protocol):
    """What a lazy array reads from."""

    @property
    def ahead(self) -> Ahead:
        """Through which it reads."""

    def columns(self) -> Iterable[_core.Column]:
        """Return the columns that ladle reads."""

    def require(self, name: str) -> None:
        """Raise unless there is a column, or a record with one, of that name."""

    def requests(self, name: str, buffer: int) -> list[Request]:
        """Return what reads one buffer of a column, but for what is at hand."""

    def derived(self, names: set[str]) -> list[str]:
        """Return keys of the cache under which there may be what was worked out of columns."""


class Prefetch:
    """Reads that :func:`ladle.prefetch` began. It holds no buffer; the array does.

    Attributes
    ----------
    n_buffers : int
        Buffers that were asked for and that the array did not have.
    """

    def __init__(self, slots: list[Slot]) -> None:
        self._slots = slots
        self._forks = _core.forks()
        self.n_buffers = len(slots)

    def _count(self, *states: State) -> int:
        return sum(slot.state in states for slot in self._slots)

    @property
    def pending(self) -> int:
        """Buffers that are yet to be read, or being read."""
        return self._count(State.QUEUED, State.READING)

    @property
    def ready(self) -> int:
        """Buffers that wait for their first use, or are in the cache."""
        return self._count(State.READY, State.FOUND)

    @property
    def used(self) -> int:
        """Buffers that were touched since."""
        return self._count(State.USED)

    @property
    def left(self) -> int:
        """Buffers that will be read when they are touched: there was no room, or an error."""
        return self._count(State.LEFT)

    def wait(self) -> None:
        """Wait until nothing is pending. An error is one of the operation that needs the column."""
        if self._forks == _core.forks():  # a child's thread reads its own only
            current_worker().wait(self._slots)

    def __repr__(self) -> str:
        return (
            f"<Prefetch of {self.n_buffers} buffers: {self.pending} pending, {self.ready} ready, "
            f"{self.used} used, {self.left} left>"
        )


def prefetch(array: Any, columns: NameFilter) -> Prefetch:
    """Begin to read columns in the background, for an operation that will touch them.

    The operation finds what has been read, waits for what is being read, and reads the rest itself.

    Parameters
    ----------
    array : ak.Array
        Of :func:`ladle.open` or ``ladle.coffea``, or derived from one.
    columns : str, callable, or list of str
        As the `filter_name` of :func:`ladle.open`: ``["Jet_pt", "Muon_*"]``, the columns of the
        table. ``None``: all.

    Returns
    -------
    Prefetch
        At once. Its ``wait()`` waits, its counts tell how far it is.

    Raises
    ------
    TypeError
        If the array did not come from ladle.
    ladle.Error
        If a name that is given in full is none that ladle reads.

    Notes
    -----
    In an array with a cache of ladle's, buffers come to rest in the cache, whose budget rules.
    Otherwise they wait, until they are touched, dropped, or the array dies: at most a quarter of
    :func:`ladle.memory.budget` in the whole process. What does not fit is read when it is touched.
    Errors are those of the operation that touches the column, as without prefetch.

    Examples
    --------
    >>> ladle.prefetch(events, ["Jet_pt", "Jet_eta"])
    >>> select(events.Muon_pt)  # meanwhile the jets are read
    >>> ak.sum(events.Jet_pt)
    """
    found = _columns_of(array)
    names = _selected(found, columns)
    return Prefetch(
        found.ahead.start(
            request
            for column in names.values()
            for buffer in range(column.n_buffers)
            for request in found.requests(column.name, buffer)
        )
    )


def drop(array: Any, columns: NameFilter) -> int:
    """Give back the memory of columns that are not needed for now; the next touch reads them again.

    Parameters
    ----------
    array : ak.Array
        Of :func:`ladle.open` or ``ladle.coffea`` with a cache of ladle's, or derived from one.
        Without one, only what was read ahead and not touched can be dropped.
    columns : str, callable, or list of str
        As in :func:`ladle.prefetch`.

    Returns
    -------
    int
        Bytes at rest, or waiting, that were given back. What an operation uses stays until it ends.

    Raises
    ------
    TypeError
        If the array did not come from ladle.
    ladle.InvalidError
        If the array itself keeps one of the columns, as it has no cache of ladle's.
    ladle.Error
        If a name that is given in full is none that ladle reads.

    Notes
    -----
    Offsets that columns share stay as long as another of these columns has something at rest. In a
    cache that arrays share, they lose the columns together.

    Examples
    --------
    >>> ladle.drop(events, ["Jet_*"])
    """
    found = _columns_of(array)
    names = _selected(found, columns)
    ahead = found.ahead
    owners: dict[Request, set[str]] = {}  # every buffer of the array, and the columns that have it
    for column in found.columns():
        for buffer in range(column.n_buffers):
            for request in found.requests(column.name, buffer):
                owners.setdefault(request, set()).add(column.name)
    if ahead.cache is None:
        for request, sharing in owners.items():
            if sharing <= set(names) and ahead.was_touched(request):
                raise InvalidError(
                    "INVALID",
                    "ladle.drop",
                    f"the array itself keeps {min(sharing)}, which was touched: give it one of "
                    "ladle's caches when you open it (cache=, in coffea buffer_cache=)",
                )
    at_rest = {} if ahead.cache is None else _at_rest(ahead)

    def key_of(request: Request) -> bytes:
        return default_reader().key(*request.arguments())

    needed: set[str] = set()  # columns that are kept and have a buffer of their own at hand
    for request, sharing in owners.items():
        is_own = len(sharing) == 1 and not sharing <= set(names)
        if is_own and (ahead.waits(request) or (at_rest and key_of(request) in at_rest)):
            needed |= sharing
    dropped = 0
    for request, sharing in owners.items():
        if sharing & set(names) and not (sharing - set(names)) & needed:
            dropped += ahead.drop(request)
            if at_rest:
                dropped += _delete(ahead, key_of(request), at_rest)
    for text in found.derived(set(names)):
        dropped += _delete(ahead, text.encode(), at_rest)
    return dropped


def _at_rest(ahead: Ahead) -> dict[bytes, int]:
    assert ahead.cache is not None
    return {entry["key"]: entry["nbytes"] for entry in ahead.cache.core.entries()}


def _delete(ahead: Ahead, key: bytes, at_rest: dict[bytes, int]) -> int:
    if ahead.cache is None or key not in at_rest or not ahead.cache.core.delete(key):
        return 0
    return at_rest[key]


def _columns_of(array: Any) -> Columns:
    attrs = getattr(array, "attrs", {})
    found: Columns | None = attrs.get(ATTRIBUTE)
    if found is None:
        found = getattr(attrs.get("@events_factory"), "ladle_columns", None)
    if found is None:
        raise TypeError("this is no array that ladle.open or ladle.coffea made")
    return found


def _selected(found: Columns, columns: NameFilter) -> dict[str, _core.Column]:
    """Return the columns that a filter selects, in the order of the names that are given."""
    columns = kept_filter(columns)
    for name in exact_names(columns):
        found.require(name)
    groups = columns if isinstance(columns, list) else [columns]
    every = {column.name: column for column in found.columns()}
    selected: dict[str, _core.Column] = {}
    for group in groups:
        test = name_test(group)
        selected |= {
            name: column
            for name, column in every.items()
            if name not in selected and any(test(path) for path in paths(column))
        }
    return selected
