"""Keep the allocator behind malloc from holding free memory, and say what is done for it."""

from __future__ import annotations

import os
import threading

from ladle import _core
from ladle._context import default_context
from ladle._units import format_nbytes

# Measured on loops over wide files (bench/tame.py): smaller limits bring little and cost faults.
_INTERVAL_NS = 200_000_000
_LEAST_NBYTES = 32_000_000
_SHARE = 0.25

# These are asked how much they could return, and return it when they are asked to.
_TAMEABLE = {"glibc", "jemalloc", "tcmalloc"}


class Tame:
    """What :func:`ladle.memory.tame` does in this process, as ``repr`` says.

    Attributes
    ----------
    allocator : str
        What serves malloc: ``"glibc"``, ``"mimalloc"``, ``"jemalloc"``, ``"tcmalloc"`` or
        ``"unknown"``.
    """

    def __init__(self) -> None:
        self.allocator = _core.allocator_name()
        self._tamer: _core.Tamer | None
        self._start()

    def _start(self) -> None:
        self._tamer = None
        if self.allocator in _TAMEABLE:
            self._tamer = _core.Tamer(default_context(), _INTERVAL_NS, _LEAST_NBYTES, _SHARE)

    def _stop(self) -> None:
        if self._tamer is not None:
            self._tamer.stop()

    @property
    def active(self) -> bool:
        """Whether something is being done: not where the allocator cannot be asked."""
        return _current is self and self._tamer is not None

    @property
    def figures(self) -> dict[str, int]:
        """What was done so far.

        ``trims`` and the bytes that they ``returned``, ``cpu_ns`` of the thread, and whether it
        ``sets_threshold``, so that large blocks have mappings of their own.
        """
        if self._tamer is None:
            return {"trims": 0, "returned": 0, "cpu_ns": 0, "sets_threshold": False}
        return self._tamer.figures()

    def __repr__(self) -> str:
        if self._tamer is None:
            return f"<tame: nothing is done, {_REASON.get(self.allocator, _REASON['unknown'])}>"
        figures = self.figures
        state = "" if self.active else ", stopped"
        mapped = ", large blocks mapped" if figures["sets_threshold"] else ""
        return (
            f"<tame{state}: {self.allocator} returned {format_nbytes(figures['returned'])} in "
            f"{figures['trims']} trims, {figures['cpu_ns'] / 1e9:.3g} s of CPU{mapped}>"
        )


_REASON = {
    "mimalloc": "mimalloc returns free pages by itself and does not tell how many it has",
    "unknown": "the allocator behind malloc cannot be asked to return free pages",
}

_lock = threading.Lock()
_current: Tame | None = None
_watches_forks = False


def tame() -> Tame:
    """Keep the allocator from holding much free memory, until :func:`untame`.

    A thread in C looks five times a second how much of what the allocator holds it could return.
    When this is more than 32 MB and than a quarter of what is in use, it is asked to: pages that
    hold no block go back to the system, and come again with a page fault when they are needed. The
    thread never takes Python's global lock, and takes at most a twentieth of a processor.

    Under glibc, blocks of 128 KiB and more get mappings of their own besides, which go back when
    the block is freed. (By itself glibc does so only until the first larger block was freed, and
    keeps all up to that size, at most 32 MiB, in the heap from then on.) A limit that was set by
    ``MALLOC_MMAP_THRESHOLD_`` or ``GLIBC_TUNABLES`` stays.

    It works with glibc, jemalloc and tcmalloc. mimalloc does by itself what can be done.
    A child made by ``fork`` is tamed as well. A second call changes nothing.

    Returns
    -------
    Tame
        Its ``active`` tells whether anything is done, ``repr`` what was, or why not.
    """
    global _current, _watches_forks
    with _lock:
        if not _watches_forks:
            os.register_at_fork(
                before=_lock.acquire,
                after_in_parent=_lock.release,
                after_in_child=_begin_again,
            )
            _watches_forks = True
        if _current is None:
            _current = Tame()
        return _current


def untame() -> None:
    """Undo :func:`tame`; without one, do nothing.

    glibc's limit for mappings goes to 32 MiB, where its growth ends: glibc neither tells what it
    was, nor lets that growth be switched on again.
    """
    global _current
    with _lock:
        found, _current = _current, None
        if found is not None:
            found._stop()


def _begin_again() -> None:
    """Start the thread of a forked child, which has its parent's objects but not its threads."""
    try:
        if _current is not None:
            _current._start()
    finally:
        _lock.release()
