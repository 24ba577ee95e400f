"""Python's collector of reference cycles, paused while many objects are made that stay.

A description of a thousand columns is a hundred thousand objects in no cycle. Their number alone
starts passes of the collector over everything that the process holds, imports included, which take
longer than making them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Iterator

__all__ = ["collector_paused"]

_pausing: set[int] = set()  # threads that have turned the collector off


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Let no collection start; the collector is on again behind it only if it was on before.

    The collector belongs to the process. Where several threads pause it at once, the first that is
    done turns it on again: no stream of overlapping pauses keeps it off. As a decorator, it pauses
    for a call.
    """
    if not gc.isenabled():
        yield
        return
    thread = threading.get_ident()
    _pausing.add(thread)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        _pausing.discard(thread)


def _resume() -> None:
    """Turn the collector on in a child that was forked while another thread had paused it."""
    if _pausing:
        _pausing.clear()
        gc.enable()


os.register_at_fork(after_in_child=_resume)
