"""The process's own context and readers.

A forked child has the parent's objects but none of its threads, so it gets a context and readers of
its own: they are kept by the count of forks, which only the child sees advance.
"""

from __future__ import annotations

from ladle import _core
from ladle._budget import cap_nbytes

# setdefault on a dict is atomic: two threads that come first agree on one object.
_contexts: dict[int, _core.Context] = {}
_readers: dict[tuple[int, int], _core.Reader] = {}


def default_context() -> _core.Context:
    """Return the context that all of ladle's Python objects in this process share."""
    forks = _core.forks()
    found = _contexts.get(forks)
    if found is None:
        found = _contexts.setdefault(forks, _core.Context(budget=cap_nbytes()))
    return found


def default_reader(threads: int | None = None) -> _core.Reader:
    """Return the process's reader with that many threads, made at the first call.

    Parameters
    ----------
    threads : int, optional
        Threads that decode. ``None`` and 0: the environment's ``LADLE_THREADS``, else the
        processors that this process may use, at most 4.
    """
    key = (_core.forks(), threads or 0)
    found = _readers.get(key)
    if found is None:
        found = _readers.setdefault(key, _core.Reader(default_context(), threads or 0))
    return found


def drop_readers() -> None:
    """Let go of the readers; one that still decodes ends when it is done."""
    _readers.clear()
