"""Reads that begin before they are asked for: one thread, and what waits for its first use."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import WeakValueDictionary

from ladle import _core
from ladle._budget import budget_nbytes
from ladle._context import default_reader
from ladle._errors import BudgetError, Error

if TYPE_CHECKING:
    from ladle._mapping import Cache
    from ladle._pattern import AccessPattern

_SHARE = 4  # of the budget, one part may wait for its use
_BATCH_ENTRIES = 1_000_000  # of all buffers of a batch: a touch may have to wait for all of it


class Opened(Protocol):
    """Who has a table open, in whatever process this is."""

    @property
    def table(self) -> _core.Table:
        """The open table."""


class Request(NamedTuple):
    """One buffer of a column over the entries ``[start, stop)``."""

    source: Opened
    column: int
    buffer: int
    start: int
    stop: int

    def arguments(self) -> tuple[_core.Table, int, int, int, int]:
        """Return what a reader takes."""
        return (self.source.table, *self[1:])


class State(enum.Enum):
    """What became of a read ahead."""

    QUEUED = "queued"
    READING = "reading"
    READY = "ready"  # without a cache: it waits here; with one it was read into it
    FOUND = "found"  # the cache had it
    LEFT = "left"  # to whoever touches it: no room, or an error, which is met there
    USED = "used"
    DROPPED = "dropped"


_UNDER_WAY = frozenset({State.QUEUED, State.READING})
_OVER = frozenset({State.LEFT, State.DROPPED})


class Slot:
    """One read ahead, and its buffer while that waits. Guarded by the lock of the worker.

    Parameters
    ----------
    request : Request
        What to read.
    cache : Cache, optional
        Where the buffer comes to rest.
    threads : int, optional
        Threads that decode.
    """

    __slots__ = ("cache", "lease", "request", "state", "threads")

    def __init__(self, request: Request, cache: Cache | None, threads: int | None) -> None:
        self.request = request
        self.cache = cache
        self.threads = threads
        self.state = State.QUEUED
        self.lease: _core.Lease | None = None


class Worker:
    """The one thread of a process that reads ahead: it lives as long as there is work.

    Attributes
    ----------
    changed : threading.Condition
        The one lock of all that reads ahead in this process.
    waiting_nbytes : int
        Of the buffers that wait.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting_nbytes = 0
        self._waiting: set[Slot] = set()
        self._queue: deque[Slot] = deque()
        self._thread: threading.Thread | None = None

    def submit(self, slots: Iterable[Slot]) -> None:
        """Begin to read."""
        with self.changed:
            self._queue.extend(slots)
            if not self._queue or self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="ladle-prefetch")
            try:
                self._thread.start()
            except RuntimeError:  # the system, or an interpreter that ends, gives no thread
                self._stop()

    def take(self, slot: Slot | None) -> tuple[State, _core.Lease | None]:
        """Take what was read ahead, waiting for a read that is under way. With the lock held.

        With a cache there is nothing to take or to wait for: it does both itself.
        """
        if slot is None:
            return State.LEFT, None
        while slot.state is State.READING and slot.cache is None:
            self.changed.wait()
        state, lease = slot.state, slot.lease
        self.release(slot, State.USED)
        return state, lease

    def release(self, slot: Slot, state: State) -> int:
        """Let go of a buffer that waits, or of the wish to read it. With the lock held.

        Returns
        -------
        int
            Bytes that waited.
        """
        lease, slot.lease = slot.lease, None
        if slot.state is not State.LEFT:
            slot.state = state
        self.changed.notify_all()
        if lease is None:
            return 0
        self._waiting.discard(slot)
        self.waiting_nbytes -= lease.nbytes
        return lease.nbytes

    def release_all(self) -> int:
        """Let go of all buffers that wait; return their bytes."""
        with self.changed:
            return sum(self.release(slot, State.DROPPED) for slot in list(self._waiting))

    def wait(self, slots: Iterable[Slot]) -> None:
        """Wait until none of these is to be read any more."""
        with self.changed:
            self.changed.wait_for(lambda: all(slot.state not in _UNDER_WAY for slot in slots))

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._read(batch)
        finally:
            with self.changed:
                if self._thread is threading.current_thread():
                    self._stop()

    def _stop(self) -> None:
        self._thread = None
        for slot in self._queue:
            self.release(slot, State.LEFT)
        self._queue.clear()

    def _next_batch(self) -> list[Slot]:
        """Take requests that one pass over a file may serve; none: the thread is to end."""
        batch: list[Slot] = []
        with self.changed:
            entries = 0
            # An interpreter that ends waits for this thread, which therefore leaves the rest.
            while self._queue and threading.main_thread().is_alive():
                slot = self._queue[0]
                if slot.state is State.QUEUED:
                    first = batch[0] if batch else slot
                    together = (slot.request.source, slot.threads, slot.cache)
                    entries += slot.request.stop - slot.request.start
                    if batch and (
                        together != (first.request.source, first.threads, None)
                        or entries > _BATCH_ENTRIES
                    ):
                        break
                    slot.state = State.READING
                    batch.append(slot)
                self._queue.popleft()
            if not batch:
                self._stop()
        return batch

    def _read(self, batch: list[Slot]) -> None:
        """Read a batch. What fails is left to whoever touches it, and meets the error there."""
        answers: list[_core.Lease | Exception | State] = []
        limit = budget_nbytes() // _SHARE
        cache = batch[0].cache
        try:
            with contextlib.suppress(Error):
                if cache is not None:
                    answers = [_read_into(cache, batch[0])]
                elif self.waiting_nbytes < limit:
                    answers = list(
                        default_reader(batch[0].threads).read_buffers(
                            [slot.request.arguments() for slot in batch], return_errors=True
                        )
                    )
        finally:
            with self.changed:
                answers += [State.LEFT] * (len(batch) - len(answers))
                for slot, answer in zip(batch, answers, strict=True):
                    self._settle(slot, answer, limit)
                del answers, answer  # of what nobody wants nothing is left when they hear of it
                self.changed.notify_all()

    def _settle(self, slot: Slot, answer: _core.Lease | Exception | State, limit: int) -> None:
        if slot.state is not State.READING:  # dropped meanwhile
            return
        if isinstance(answer, State):
            slot.state = answer
        elif isinstance(answer, Exception) or self.waiting_nbytes + answer.nbytes > limit:
            slot.state = State.LEFT
        else:
            slot.state, slot.lease = State.READY, answer
            self._waiting.add(slot)
            self.waiting_nbytes += answer.nbytes


def _read_into(cache: Cache, slot: Slot) -> State:
    """Let a buffer come to rest in a cache, unless it has it."""
    reader = default_reader(slot.threads)
    arguments = slot.request.arguments()
    core = cache.core
    if core.contains(reader.key(*arguments)):
        return State.FOUND
    reader.read_buffer(*arguments, core)
    return State.READY


# setdefault on a dict is atomic: two threads that come first agree on one object.
_workers: dict[int, Worker] = {}


def current_worker() -> Worker:
    """Return the worker of this process; a forked child has its own."""
    forks = _core.forks()
    found = _workers.get(forks)
    return found if found is not None else _workers.setdefault(forks, Worker())


class Ahead:
    """The reads of one array: all go through it, so that some may have begun before.

    Parameters
    ----------
    cache : Cache, optional
        Cache that the reader itself looks into and fills.
    threads : int, optional
        Threads that decode.
    """

    def __init__(self, cache: Cache | None = None, threads: int | None = None) -> None:
        self.cache = cache
        self._threads = threads
        self._pattern: AccessPattern | None = None
        self._forget()

    def _forget(self) -> None:
        self._forks = _core.forks()
        self._slots: dict[Request, Slot] = {}
        self._plan: dict[Request, None] = {}
        self._is_planned = False
        self._touched: set[Request] = set()
        self._lent: WeakValueDictionary[Request, _core.Lease] = WeakValueDictionary()

    def _leave_parent(self) -> None:
        """In a forked child: forget what the parent reads. With the lock held."""
        if self._forks != _core.forks():
            self._forget()

    def read(self, request: Request) -> _core.Lease:
        """Return a lease on a buffer: read ahead, being read, in the cache, or read now.

        Raises
        ------
        ladle.Error
            What reading meets.
        """
        lease = self._take(request)
        if lease is not None:
            return lease
        try:
            return self._read(request)
        except BudgetError:
            if current_worker().release_all() == 0:
                raise
        return self._read(request)

    def _read(self, request: Request) -> _core.Lease:
        core = None if self.cache is None else self.cache.core
        return default_reader(self._threads).read_buffer(*request.arguments(), core)

    def _take(self, request: Request) -> _core.Lease | None:
        if not self._slots and not self._lent and self._pattern is None:
            self._touched.add(request)
            return None
        worker = current_worker()
        with worker.changed:
            self._leave_parent()
            state, lease = worker.take(self._slots.get(request))
            self._slots.pop(request, None)
            self._plan.pop(request, None)
            if lease is not None:
                self._lent[request] = lease
            else:  # another thread may have taken it
                lease = self._lent.get(request)
            if self._pattern is not None and request not in self._touched:
                self._pattern.touched(self, request, state if self._is_planned else None)
            self._touched.add(request)
            self._go_on()
            return lease

    def start(self, requests: Iterable[Request]) -> list[Slot]:
        """Begin to read what nobody has, in that order; return what is now under way or waits."""
        worker = current_worker()
        with worker.changed:
            self._leave_parent()
            begun, new = [], []
            for request in dict.fromkeys(requests):
                if self.cache is None and request in self._touched:
                    continue  # the array has it
                slot = self._slots.get(request)
                if slot is None or slot.state in _OVER:
                    slot = self._slots[request] = Slot(request, self.cache, self._threads)
                    new.append(slot)
                self._plan.pop(request, None)
                begun.append(slot)
            worker.submit(new)
            return begun

    def follow(self, pattern: AccessPattern, requests: Callable[[str, int], list[Request]]) -> None:
        """Let a pattern learn what is touched, or read ahead what it has learned.

        Parameters
        ----------
        pattern : AccessPattern
            Whose counts tell how that went.
        requests : callable
            From the name of a column and the number of a buffer to what reads it.
        """
        worker = current_worker()
        with worker.changed:
            self._leave_parent()
            self._pattern = pattern
            order = pattern.order
            self._is_planned = bool(order)
            self._plan = dict.fromkeys(
                request for name, buffer in order for request in requests(name, buffer)
            )
            self._go_on()

    def _go_on(self) -> None:
        """Begin with what is next, as far as the window reaches. With the lock held."""
        if self._pattern is None or not self._plan:
            return
        for request in [r for r, s in self._slots.items() if s.state in _OVER]:
            del self._slots[request]
        count = self._pattern.window - len(self._slots)
        self.start([request for request, _ in zip(self._plan, range(count), strict=False)])

    def is_begun(self, request: Request) -> bool:
        """Tell whether a buffer is there only because it was read ahead."""
        slot = self._slots.get(request)
        return slot is not None and slot.state in (State.READING, State.READY)

    def was_touched(self, request: Request) -> bool:
        """Tell whether somebody asked for a buffer."""
        return request in self._touched

    def waits(self, request: Request) -> bool:
        """Tell whether a buffer was read ahead and waits, or is about to be."""
        slot = self._slots.get(request)
        return slot is not None and slot.state not in _OVER

    def drop(self, request: Request) -> int:
        """Let go of a buffer that waits, and of the wish to read it; return its bytes."""
        worker = current_worker()
        with worker.changed:
            self._leave_parent()
            self._plan.pop(request, None)
            slot = self._slots.pop(request, None)
            if slot is None:
                return 0
            if self._pattern is not None and slot.state is State.READY:
                self._pattern.wasted += 1
            return worker.release(slot, State.DROPPED)

    def __del__(self) -> None:
        if self._slots and self._forks == _core.forks():
            for request in list(self._slots):
                self.drop(request)
