"""One cache for each worker process, as coffea's Runner wants it: a callable that is pickled."""

from __future__ import annotations

import atexit
import inspect
import os
import threading
from dataclasses import dataclass
from typing import Any

from ladle import _core
from ladle._mapping import Cache
from ladle._units import parse_nbytes
from ladle.cache import (
    BufferCache,
    CompressedBufferCache,
    HDF5BufferCache,
    TieredBufferCache,
)

_CLASSES: dict[str, type[Cache]] = {
    "raw": BufferCache,
    "compressed": CompressedBufferCache,
    "hdf5": HDF5BufferCache,
    "tiered": TieredBufferCache,
}
_SIZES = frozenset({"budget", "hot", "raw", "compressed", "disk"})

# By count of forks, which only a child sees advance, so that it makes caches of its own.
_caches: dict[tuple[int, CacheStrategy], Cache] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class CacheStrategy:
    """Called, it returns the cache of this process; see :func:`cache_strategy`.

    Attributes
    ----------
    kind : str
        ``"raw"``, ``"compressed"``, ``"hdf5"`` or ``"tiered"``.
    options : tuple of (str, value)
        Arguments of the cache's class, by name, in order.
    """

    kind: str
    options: tuple[tuple[str, Any], ...]

    def __call__(self) -> Cache:
        """Return the cache, which is made by the first call in each process.

        Raises
        ------
        ladle.Error
            If it cannot be made, as when there is no folder for its file.
        """
        key = (_core.forks(), self)
        with _lock:
            cache = _caches.get(key)
            if cache is None or cache.closed:
                cache = _CLASSES[self.kind](**dict(self.options))
                _caches[key] = cache
        return cache


def cache_strategy(kind: str, budget: int | str | None = None, **options: Any) -> CacheStrategy:
    """Make a value for the ``cachestrategy`` of coffea's ``Runner``: one cache for each process.

    All work items of a worker process share the cache, whatever the executor, and so do strategies
    that are configured alike. It is closed when the process ends.

    Parameters
    ----------
    kind : str
        ``"raw"`` (:class:`ladle.BufferCache`), ``"compressed"``
        (:class:`ladle.CompressedBufferCache`), ``"hdf5"`` (:class:`ladle.HDF5BufferCache`) or
        ``"tiered"`` (:class:`ladle.TieredBufferCache`).
    budget : int or str, optional
        Of each process. A tiered cache has ``raw``, ``compressed`` and ``disk`` in its place.
    **options
        Further arguments of the class, but for a named file: one serves one process only.

    Returns
    -------
    CacheStrategy
        A callable without arguments that can be pickled.

    Raises
    ------
    TypeError, ValueError
        If there is no such kind, or an argument is wrong.

    Examples
    --------
    >>> strategy = ladle.coffea.cache_strategy("hdf5", budget="2 GB")
    >>> runner = ladle.coffea.Runner(executor, cachestrategy=strategy)
    """
    if kind not in _CLASSES:
        raise ValueError(f"kind must be one of {', '.join(map(repr, _CLASSES))}, not {kind!r}")
    if budget is not None:
        options["budget"] = budget
    inspect.signature(_CLASSES[kind]).bind(**options)
    if options.get("path") is not None:
        raise ValueError("a named file serves one process only: leave path out")
    for name in _SIZES & set(options):
        if options[name] is not None:
            parse_nbytes(options[name], name)
    if options.get("dir") is not None:
        options["dir"] = os.fspath(options["dir"])
    return CacheStrategy(kind, tuple(sorted(options.items())))


@atexit.register
def _close_all() -> None:
    for (forks, _), cache in list(_caches.items()):
        if forks == _core.forks():
            cache.close()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)
