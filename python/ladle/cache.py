"""Caches: mappings from str to numpy arrays, in memory and on disk that ladle counts and bounds.

===================== ==========================================================================
``BufferCache``           in RAM, as they are
``CompressedBufferCache`` in RAM, compressed
``HDF5BufferCache``       in an HDF5 file
``TieredBufferCache``     in RAM as they are; what does not fit compressed; the rest on disk
===================== ==========================================================================

An analysis need not know which one it has.
"""

from __future__ import annotations

import os
from typing import Any

from ladle._cache_info import CacheInfo
from ladle._mapping import Cache, Level
from ladle._units import parse_nbytes

__all__ = [
    "BufferCache",
    "Cache",
    "CacheInfo",
    "CompressedBufferCache",
    "HDF5BufferCache",
    "TieredBufferCache",
]

Size = int | str | None
Path = str | os.PathLike[str] | None


class BufferCache(Cache):
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
    only if they are the same object. All of this holds for the other caches, too.

    Examples
    --------
    >>> cache = ladle.BufferCache("256 MB")
    >>> events = ladle.open("nano.root", cache=cache)
    >>> cache.stats()["hits"]
    """

    __slots__ = ()

    def __init__(self, budget: Size = None) -> None:
        nbytes = _budget(budget)
        super().__init__({"budget": budget}, [("raw", nbytes or 0)], 0, nbytes)


class CompressedBufferCache(Cache):
    """Keep buffers in RAM, compressed, within a budget.

    Used as :class:`BufferCache`, whose rules hold. A buffer is compressed when it is put and
    brought back when it is asked for; while an array uses it, that one block is lent to all who
    ask. Copies of what was brought back last stay at hand as they are, as far as `hot` goes.

    Parameters
    ----------
    budget : int or str, optional
        Bytes that it may hold, compressed and hot; ``None``: keeps all.
    codec : str
        ``"zstd"``, ``"lz4"``, ``"lz4hc"``, ``"zlib"`` or ``"blosclz"``.
    level : int
        1 (fast) to 9 (small).
    shuffle : str
        ``"bit"``, ``"byte"`` or ``"none"``: how values are rearranged before they are compressed.
    threads : int, optional
        Threads that work on one buffer; ``None``: one.
    hot : int, str or None
        Bytes of copies in RAM as they are, at most a quarter of the budget; 0 or ``None``: none.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.
    """

    __slots__ = ()

    def __init__(
        self,
        budget: Size = None,
        codec: str = "zstd",
        level: int = 1,
        shuffle: str = "bit",
        threads: int | None = None,
        hot: Size = "32 MB",
    ) -> None:
        nbytes = _budget(budget)
        options = {
            "budget": budget,
            "codec": codec,
            "level": level,
            "shuffle": shuffle,
            "threads": threads,
            "hot": hot,
        }
        hot_nbytes = _hot(hot)
        if nbytes is not None:
            hot_nbytes = min(hot_nbytes, nbytes // 4)
        store = _compressed(codec, level, shuffle, threads)
        levels: list[Level] = [(store, (nbytes or hot_nbytes) - hot_nbytes)]
        if hot_nbytes > 0:
            levels.insert(0, ("raw", hot_nbytes))
        super().__init__(options, levels, len(levels) - 1, nbytes)


class HDF5BufferCache(Cache):
    """Keep buffers in an HDF5 file, and few of them in RAM.

    Used as :class:`BufferCache`, whose rules hold. While an array uses a buffer, one block in RAM
    is lent to all who ask. Copies of what was brought back last stay at hand as they are, as far as
    `hot` goes.

    Parameters
    ----------
    path : str or path, optional
        A named file, new or left by an earlier cache, whose entries are then the first ones. It is
        written when the cache is flushed, closed, or dies, or the interpreter ends; h5py reads it
        key by key. ``None``: a scratch file without a name, of which nothing is left however the
        process ends.
    dir : str or path, optional
        The folder of the scratch file. By default the environment's ``LADLE_SCRATCH``, else
        ``_CONDOR_SCRATCH_DIR``, ``SLURM_TMPDIR`` or ``TMPDIR``, else ``/tmp``. It should be on a
        local disk; a network file system is a ``RuntimeWarning``.
    budget : int or str, optional
        Bytes that the buffers in the file may take; ``None``: no bound but the disk.
    hot : int, str or None
        Bytes of copies in RAM; 0 or ``None``: none. Few will do: what was read last is in the
        kernel's page cache, which gives it back as memory gets short.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or both `path` and `dir` are given.
    ladle.Error
        If the file cannot be made or opened: it is not one of ladle's or damaged
        (``FormatError``), another process has it (``ReadError``), ...

    Notes
    -----
    What fails on disk when a value is put, such as a full disk, is a :class:`ladle.ReadError`,
    which is an ``OSError``; what was at the key is still there. An entry that was damaged on disk
    since is an error of ``cache[key]``, once; then it is missing. ``cache.get(key, default)``
    warns and returns the default, so that an analysis makes it again.

    A pickle of a cache with a named file opens that file, which only one process can have open. A
    forked child cannot use a cache with a named file, and does not write to it.

    Examples
    --------
    >>> with ladle.HDF5BufferCache("buffers.h5") as cache:
    ...     cache["jets"] = numpy.arange(3)
    >>> h5py.File("buffers.h5")["jets"][:]
    """

    __slots__ = ()

    def __init__(
        self,
        path: Path = None,
        dir: Path = None,  # noqa: A002 - as in tempfile
        budget: Size = None,
        hot: Size = "10 MB",
    ) -> None:
        nbytes = _budget(budget)
        if path is not None and dir is not None:
            raise ValueError("path and dir exclude each other: dir is for the file without a name")
        options = {"path": _path(path), "dir": _path(dir), "budget": budget, "hot": hot}
        store = {"store": "hdf5", "path": options["path"], "dir": options["dir"]}
        levels: list[Level] = [(store, nbytes or 0)]
        if (hot_nbytes := _hot(hot)) > 0:
            levels.insert(0, ("raw", hot_nbytes))
        super().__init__(options, levels, len(levels) - 1, nbytes)


class TieredBufferCache(Cache):
    """Keep buffers in RAM as they are, what does not fit there compressed, and the rest on disk.

    Used as :class:`BufferCache`, whose rules hold. A buffer comes to rest in the first tier. When a
    tier is full, what is the cheapest to bring back, then the least recently used, moves to the
    next, and is copied to the first again when it is asked for. With the disk unbounded, as it is
    by default, nothing is lost.

    Parameters
    ----------
    raw, compressed, disk : int, str or None
        Bytes that each tier may hold. 0: there is no such tier; ``None``: no bound.
    dir : str or path, optional
        The folder of the scratch file; see :class:`HDF5BufferCache`.
    path : str or path, optional
        A named file in place of the scratch file, which then receives all entries when the cache is
        flushed, closed, or dies; see :class:`HDF5BufferCache`.
    codec, level, shuffle, threads
        As in :class:`CompressedBufferCache`.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or there is no tier at all.
    ladle.Error
        If the file cannot be made or opened.
    """

    __slots__ = ()

    def __init__(
        self,
        raw: Size = "256 MB",
        compressed: Size = "512 MB",
        disk: Size = None,
        dir: Path = None,  # noqa: A002 - as in tempfile
        path: Path = None,
        codec: str = "zstd",
        level: int = 1,
        shuffle: str = "bit",
        threads: int | None = None,
    ) -> None:
        if path is not None and dir is not None:
            raise ValueError("path and dir exclude each other: dir is for the file without a name")
        options = {
            "raw": raw,
            "compressed": compressed,
            "disk": disk,
            "dir": _path(dir),
            "path": _path(path),
            "codec": codec,
            "level": level,
            "shuffle": shuffle,
            "threads": threads,
        }
        stores: dict[str, str | dict[str, Any]] = {
            "raw": "raw",
            "compressed": _compressed(codec, level, shuffle, threads),
            "disk": {"store": "hdf5", "path": options["path"], "dir": options["dir"]},
        }
        sizes = {name: _tier(options[name], name) for name in stores}
        levels = [(stores[name], size) for name, size in sizes.items() if size is not None]
        if not levels:
            raise ValueError("raw, compressed and disk are all 0: there is no tier")
        if sizes["disk"] is None and (path is not None or dir is not None):
            raise ValueError("there is no tier on disk: disk is 0")
        budgets = [nbytes for _, nbytes in levels]
        super().__init__(options, levels, 0, sum(budgets) if all(budgets) else None)


def _budget(budget: Size) -> int | None:
    if budget is None:
        return None
    nbytes = parse_nbytes(budget, "budget")
    if nbytes == 0:
        raise ValueError("budget must be at least 1 byte; None is no budget")
    return nbytes


def _hot(hot: Size) -> int:
    return 0 if hot is None else parse_nbytes(hot, "hot")


def _tier(size: Any, name: str) -> int | None:
    """Return the budget of a tier, 0 for none; ``None`` if there is no such tier."""
    return 0 if size is None else parse_nbytes(size, name) or None


def _compressed(codec: str, level: int, shuffle: str, threads: int | None) -> dict[str, Any]:
    return {
        "store": "compressed",
        "codec": codec,
        "level": level,
        "shuffle": shuffle,
        "threads": threads,
    }


def _path(path: Path) -> str | None:
    """Return an absolute path, which means the same in another working directory."""
    if path is None:
        return None
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"a path must be text, not {text!r}")
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111
