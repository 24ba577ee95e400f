"""`ladle.offload`: any awkward array with its buffers in a cache."""

from __future__ import annotations

import copy
import uuid
import weakref
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ladle import _core
from ladle._errors import BudgetError, NameMissingError
from ladle._layout import pack
from ladle._mapping import Cache

if TYPE_CHECKING:
    import awkward as ak

__all__ = ["offload"]

_Array = np.ndarray[Any, Any]

#: What a cache is told that it costs to make a byte again, in ns: it cannot be made again at all,
#: so that what can be read from a file again leaves first.
_COST_PER_BYTE = 1000


def offload(
    array: ak.Array | _Array, cache: MutableMapping[str, Any], prefix: str | None = None
) -> ak.Array:
    """Put the buffers of an array into a cache, and return an array that asks the cache for them.

    What comes back has the same values, type, parameters, behavior and attributes, but is virtual:
    an operation borrows the buffers that it touches, and gives them back. So the cache decides what
    is resident. The array that was given keeps what it has: drop it to win memory.

    Parameters
    ----------
    array : ak.Array or numpy.ndarray
        Of any type. What is virtual in it is made one buffer at a time.
    cache : ladle.BufferCache or its like, or other mapping
        Should have no budget, or a last level without one, such as
        :class:`ladle.TieredBufferCache`: these buffers cannot be made again.
    prefix : str, optional
        Buffers are put under ``prefix/node0-offsets`` and so on, and stay. By default they are put
        under keys of their own, and leave the cache with the last array that was derived from the
        one returned.

    Returns
    -------
    ak.Array
        It keeps the cache alive. Pickled, it is an array with all of its values.

    Raises
    ------
    TypeError
        If it is no array, is not in the memory of the CPU, or has no data, as a typetracer.
    ladle.BudgetError
        If the cache does not keep all buffers. None of them is left in it then.
    ladle.Error
        If the cache cannot be written.

        Later, when a buffer is touched that has left the cache, :class:`ladle.NameMissingError`,
        which names the key.

    Examples
    --------
    >>> jets = ladle.offload(jets, ladle.HDF5BufferCache())
    """
    import awkward as ak

    if not isinstance(cache, MutableMapping):
        raise TypeError(f"cache must be a mapping, not {type(cache).__name__}")
    if prefix is not None and not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str or None, not {type(prefix).__name__}")
    if isinstance(array, np.ndarray):
        array = ak.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    elif not isinstance(array, ak.Array):
        raise TypeError(f"only awkward and numpy arrays can be offloaded, not {type(array)}")
    if ak.backend(array) != "cpu":
        raise TypeError(f"an array of the backend {ak.backend(array)!r} has no data to put away")
    put = _Put(cache, prefix or f"offload-{uuid.uuid4().hex}")
    owner = _Owner(cache, put.keys)
    form, length, _ = ak.to_buffers(array, container=put)
    for key in put.keys:
        if key not in cache:
            raise BudgetError(
                "BUDGET", key, "the cache does not keep all buffers: give one without a budget"
            )
    if prefix is not None:
        owner.leave_entries()
    return ak.from_buffers(
        form,
        length,
        {name: _Stored(owner, key) for name, key in put.names.items()},
        enable_virtualarray_caching=False,
        behavior=array.behavior,
        attrs=array.attrs,
    )


class _Put:
    """What awkward takes for a container of buffers: each goes straight into the cache.

    Parameters
    ----------
    cache : mutable mapping
        Where they go.
    prefix : str
        How their keys begin.
    """

    def __init__(self, cache: MutableMapping[str, Any], prefix: str) -> None:
        self._cache = cache
        self._prefix = prefix
        self.names: dict[str, str] = {}
        self.keys: list[str] = []

    def __setitem__(self, name: str, buffer: Any) -> None:
        if not isinstance(buffer, np.ndarray):
            # A virtual buffer. Its copy dies here with what it made, and the array stays virtual.
            buffer = np.asarray(copy.copy(buffer).materialize())
        key = f"{self._prefix}/{name}"
        self.names[name] = key
        self.keys.append(key)
        if isinstance(self._cache, Cache):
            values, dtype, layout = pack(buffer)
            cost_ns = values.nbytes * _COST_PER_BYTE
            self._cache.core.put(key, values, dtype, cost_ns, layout)
        else:
            self._cache[key] = buffer.copy()


class _Owner:
    """What all virtual buffers of an array share: it dies with the last of them.

    Parameters
    ----------
    cache : mutable mapping
        Where the buffers are.
    keys : list of str
        Their keys, which are removed when this dies.
    """

    __slots__ = ("__weakref__", "_finalizer", "cache")

    def __init__(self, cache: MutableMapping[str, Any], keys: list[str]) -> None:
        self.cache = cache
        self._finalizer = weakref.finalize(self, _forget, cache, keys, _core.forks())

    def leave_entries(self) -> None:
        """Let the entries stay when this dies."""
        self._finalizer.detach()


def _forget(cache: MutableMapping[str, Any], keys: list[str], forks: int) -> None:
    if forks != _core.forks():  # a child that was forked off: the entries are the parent's
        return
    for key in keys:
        if key in cache:
            del cache[key]


class _Stored:
    """A buffer in a cache. Called, it returns the values.

    Parameters
    ----------
    owner : _Owner
        Of the array that it belongs to.
    key : str
        Where it is.
    """

    __slots__ = ("_key", "_owner")

    def __init__(self, owner: _Owner, key: str) -> None:
        self._owner = owner
        self._key = key

    def __call__(self) -> _Array:
        try:
            return self._owner.cache[self._key]  # type: ignore[no-any-return]
        except KeyError:
            raise NameMissingError(
                "NOT_FOUND",
                self._key,
                "this buffer of an offloaded array is not in its cache any more: offload to a "
                "cache without a budget, or whose last level has none, and within the process "
                "that uses it (a forked child begins with an empty cache)",
            ) from None
