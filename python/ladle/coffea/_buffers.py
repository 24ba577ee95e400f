"""Delivery of buffers to a mapping, by where they are kept between two uses.

Without a cache, awkward's arrays keep what they asked for. With ladle's own cache, native buffers
stay in it under the reader's key, once, however many of coffea's keys stand for them. Any other
mapping is used as coffea uses it, under coffea's keys.

In all three, a buffer that anybody still holds is lent again rather than read again.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from coffea.nanoevents.util import quote

from ladle import _core
from ladle._ahead import Ahead
from ladle._ahead import Request as Read
from ladle._context import default_context, default_reader
from ladle._errors import FormatError, ReadError, UnsupportedError
from ladle.coffea._form import VAR, load_program
from ladle.coffea._program import Array, Request

if TYPE_CHECKING:
    from ladle.cache import Cache
    from ladle.coffea._source import TableSource

_MISSING = object()

Missed = Callable[[], None] | None
"""Called when a buffer was not at hand; ``None`` where nobody keeps a log."""


class Delivery:
    """Delivers buffers of one entry range; nothing is kept beyond what is in use.

    Parameters
    ----------
    source : TableSource
        Whose columns are read.
    start, stop : int
        The entries.
    cache : ladle.BufferCache or its like, optional
        Where the reader leaves native buffers.
    """

    def __init__(
        self, source: TableSource, start: int, stop: int, cache: Cache | None = None
    ) -> None:
        self.ahead = Ahead(cache)
        self._source = source
        self._start = start
        self._stop = stop
        self._alive: WeakValueDictionary[Request, Array] = WeakValueDictionary()
        self._preloaded: dict[Request, Array] = {}
        self._offsets_column: dict[int, int] = {}
        self._counted: dict[int, int] = {}
        for index, column in enumerate(source.columns):
            if column.counter >= 0 and VAR in column.dims[:1] and column.reason is None:
                self._offsets_column[index] = self._counted.setdefault(column.counter, index)

    def counted_by(self, counter: int) -> int | None:
        """Return a column whose outermost lengths are the values of `counter`."""
        return self._counted.get(counter)

    def shared(self, request: Request) -> Request:
        """Return the request that stands for all that ask for the same values.

        Columns with the same counter have the same offsets.
        """
        index, buffer = request
        if buffer == 0 and index in self._offsets_column:
            return self._offsets_column[index], 0
        return request

    def reads(self, request: Request) -> list[Read]:
        """Return what reads a native buffer, unless it is at hand."""
        shared = self.shared(request)
        return [] if shared in self._preloaded else [self._read_of(shared)]

    def _read_of(self, request: Request) -> Read:
        return Read(self._source, *request, self._start, self._stop)

    def preload(self, requests: list[Request]) -> None:
        """Read buffers in one pass over the file, and hold them as long as this lives."""
        table, start, stop = self._source.table, self._start, self._stop
        wanted = [r for r in dict.fromkeys(map(self.shared, requests)) if r not in self._preloaded]
        leases = default_reader().read_buffers(
            [(table, index, buffer, start, stop) for index, buffer in wanted]
        )
        for request, lease in zip(wanted, leases, strict=True):
            self._preloaded[request] = lease.array()

    def direct(self, request: Request, key: str, missed: Missed) -> Array:  # noqa: ARG002
        """Deliver the native buffer that coffea knows as `key`."""
        if missed is not None:
            missed()
        return self._native(request)

    def derived(
        self,
        key: str,  # noqa: ARG002
        make: Callable[[], Array],
        missed: Missed,
    ) -> Array:
        """Deliver what coffea knows as `key` and `make` works out."""
        if missed is not None:
            missed()
        return make()

    def constant(self, key: str, make: Callable[[], Array], missed: Missed) -> Array:
        """Deliver what coffea knows as `key` and `make` works out of one number."""
        return self.derived(key, make, missed)

    def operand(self, request: Request) -> Array:
        """Deliver a native buffer to work on."""
        return self._native(request)

    def _native(self, request: Request) -> Array:
        shared = self.shared(request)
        array = self._preloaded.get(shared)
        if array is None:
            array = self._alive.get(shared)
        if array is None:
            try:
                array = self._read(shared).array()
            except (FormatError, ReadError, UnsupportedError):
                # One damaged column costs the others nothing, even where it stands for them.
                if shared == request:
                    raise
                return self._read(request).array()
            self._alive[shared] = array
        return array

    def _read(self, request: Request) -> _core.Lease:
        return self.ahead.read(self._read_of(request))


class CachedDelivery(Delivery):
    """Delivers buffers that stay in a cache of ladle's.

    Parameters
    ----------
    cache : ladle.BufferCache or its like
        Native buffers are under the reader's keys, what was worked out under coffea's.
    """

    def __init__(self, source: TableSource, start: int, stop: int, cache: Cache) -> None:
        super().__init__(source, start, stop, cache)
        self._cache = cache
        # For the access log, which lists what a key brought in. As several keys share a buffer and
        # programs bring in others, whether the buffer is there says too little.
        self._brought_in: set[Request] = set()
        self._logged: set[str] = set()

    def direct(self, request: Request, key: str, missed: Missed) -> Array:
        """Deliver the native buffer that coffea knows as `key`."""
        request = self.shared(request)
        if missed is not None:
            held = self._is_held(request)
            if not held or (request in self._brought_in and key not in self._logged):
                self._brought_in.add(request)
                self._logged.add(key)
                missed()
        return self._native(request)

    def derived(self, key: str, make: Callable[[], Array], missed: Missed) -> Array:
        """Deliver what coffea knows as `key` and `make` works out."""

        def made() -> _core.Lease:
            if missed is not None:
                missed()
            values = make()
            return _core.copy(default_context(), values, values.dtype.name)

        return self._cache.core.fetch(key, made).array()

    def constant(self, key: str, make: Callable[[], Array], missed: Missed) -> Array:
        """Deliver what coffea knows as `key` and `make` works out of one number.

        It takes as much memory as any column, and as long to make as to copy: it is not kept.
        """
        if missed is not None and key not in self._logged:
            self._logged.add(key)
            missed()
        return make()

    def operand(self, request: Request) -> Array:
        """Deliver a native buffer to work on."""
        request = self.shared(request)
        if not self._is_held(request):
            self._brought_in.add(request)
        return self._native(request)

    def _is_held(self, request: Request) -> bool:
        """Tell whether the cache has a buffer, and not because it was just read ahead."""
        read = self._read_of(request)
        key = default_reader().key(*read.arguments())
        return self._cache.core.contains(key) and not self.ahead.is_begun(read)


class MappedDelivery(Delivery):
    """Delivers buffers that stay in a mapping of the user's, under coffea's keys.

    Parameters
    ----------
    prefix : str
        coffea's partition key.
    mapping : mutable mapping of str to numpy.ndarray
        Used through ``get(key, default)`` and ``mapping[key] = array``, as coffea does.
    """

    def __init__(
        self,
        source: TableSource,
        start: int,
        stop: int,
        prefix: str,
        mapping: MutableMapping[str, Array],
    ) -> None:
        super().__init__(source, start, stop)
        self._prefix = prefix
        self._mapping = mapping
        self._unlogged: set[str] = set()

    def direct(self, request: Request, key: str, missed: Missed) -> Array:
        """Deliver the native buffer that coffea knows as `key`."""
        return self.derived(key, lambda: self._native(request), missed)

    def derived(self, key: str, make: Callable[[], Array], missed: Missed) -> Array:
        """Deliver what coffea knows as `key` and `make` works out."""
        found: Any = self._mapping.get(key, _MISSING)
        if found is not _MISSING:
            if missed is not None and key in self._unlogged:
                self._unlogged.discard(key)
                missed()
            return found  # type: ignore[no-any-return]
        if missed is not None:
            missed()
        array = make()
        self._mapping[key] = array
        return array

    def operand(self, request: Request) -> Array:
        """Deliver a native buffer to work on.

        It is looked for under the key by which events would ask for it. Offsets are kept there, as
        the events need them anyway; data that only a program needs is not.
        """
        request = self.shared(request)
        if request in self._preloaded or request in self._alive:
            return self._native(request)
        key, keep = self._event_key(request)
        found: Any = self._mapping.get(key, _MISSING)
        if found is not _MISSING:
            return found  # type: ignore[no-any-return]
        array = self._native(request)
        if keep:
            self._mapping[key] = array
            self._unlogged.add(key)
        return array

    def reads(self, request: Request) -> list[Read]:
        """Return what reads a native buffer, unless it is at hand."""
        if self._event_key(self.shared(request))[0] in self._mapping:
            return []
        return super().reads(request)

    def _event_key(self, request: Request) -> tuple[str, bool]:
        index, buffer = request
        columns = self._source.columns
        column = columns[index]
        if buffer == column.n_buffers - 1:
            return f"{self._prefix}/data/{quote(load_program(column, column.name))}", False
        if index in self._offsets_column:
            counter = columns[column.counter].name
            program = f"{counter},!load,!counts2offsets,!skip,!offsets"
        else:
            program = f"{column.name},!load,!offsets"
        return f"{self._prefix}/offsets/{quote(program)}", True
