"""Who holds the memory of this process, why it grows, and how to keep it down.

Examples
--------
>>> import ladle
>>> ladle.memory.info()
>>> with ladle.memory.watch() as watch:
...     run()
>>> watch
>>> ladle.memory.tame()
>>> ladle.memory.trim()
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ladle import _core
from ladle._budget import budget_nbytes, set_budget_nbytes
from ladle._context import default_context
from ladle._mapping import Cache, living_caches
from ladle._tame import Tame, tame, untame
from ladle._units import format_nbytes, parse_nbytes
from ladle._watch import Verdict, Watch

__all__ = [
    "MemoryInfo",
    "Tame",
    "Verdict",
    "Watch",
    "budget",
    "info",
    "tame",
    "trim",
    "untame",
    "watch",
]

_MEANING = {
    "resting": "cached, unused",
    "leased": "in use by arrays",
    "compressed": "cached, compressed",
    "page_input": "file bytes being decoded",
    "scratch": "decoder state",
    "metadata": "schemas, page tables, keys",
    "pool": "free, kept for the next use",
    "total": "all that ladle holds",
    "peak": "highest total so far",
    "budget": "cap on the total",
    "overdraft": "total above the budget",
    "rss": "resident in this process",
    "peak_rss": "highest resident so far",
    "anonymous": "of it: backed by no file",
    "file": "of it: backed by a file",
}


class MemoryInfo(dict[str, Any]):
    """Figures in bytes, by name; -1 where the platform does not say. A dict, printed as a table.

    ``caches`` is a list of dicts.
    """

    def __repr__(self) -> str:
        rows = [
            (name, self._text(name, nbytes), _MEANING.get(name, ""))
            for name, nbytes in self.items()
            if name != "caches"
        ]
        rows += [row for cache in self["caches"] for row in _cache_rows(cache)]
        width = max(len(name) for name, _, _ in rows)
        digits = max(len(text) for _, text, _ in rows)
        return "\n".join(
            f"{name:<{width}}  {text:>{digits}}  {meaning}".rstrip() for name, text, meaning in rows
        )

    @staticmethod
    def _text(name: str, nbytes: int) -> str:
        if nbytes < 0:
            return "unknown"
        return "none" if name == "budget" and nbytes == 0 else format_nbytes(nbytes)


def _cache_rows(cache: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """One line for each level of a cache, the first of which has its class."""
    name = cache["class"]
    for level in cache["levels"]:
        budget = format_nbytes(level["budget"]) if level["budget"] else "no bound"
        text = f"{level['store']}, {level['entries']} entries, budget {budget}"
        if level["path"]:
            text += f", {level['path']}: {format_nbytes(level['file_nbytes'])}"
        yield name, format_nbytes(level["nbytes"]), text
        name = ""


def info() -> MemoryInfo:
    """Return what ladle holds, by kind and by cache, beside what the kernel says of the process.

    Returns
    -------
    MemoryInfo
        In bytes. Of ladle: each kind on its ledger, then ``total`` (their sum), ``peak``,
        ``budget`` (0: none), ``overdraft``. Of the process: ``rss``, ``peak_rss``, ``anonymous``,
        ``file``. ``caches`` lists the caches that are alive, each with ``class``, ``path`` of its
        named file or ``None``, ``entries``, ``nbytes`` at rest, ``pinned_nbytes`` (of these, in
        use), ``disk_nbytes`` of its file, and ``levels``, each with ``store``, ``entries``,
        ``nbytes``, ``budget`` (0: none), ``path`` and ``file_nbytes``.
    """
    figures: dict[str, Any] = default_context().memory() | _core.process_memory()
    caches = [_describe(cache) for cache in living_caches() if cache.is_usable]
    return MemoryInfo(figures | {"caches": caches})


_LEVEL_FIGURES = ("store", "entries", "nbytes", "budget", "path", "file_nbytes")


def _describe(cache: Cache) -> dict[str, Any]:
    stats = cache.stats()
    levels = [{name: level[name] for name in _LEVEL_FIGURES} for level in cache.core.levels()]
    return {
        "class": type(cache).__name__,
        "path": cache.path,
        **{name: stats[name] for name in ("entries", "nbytes", "pinned_nbytes")},
        "disk_nbytes": sum(level["file_nbytes"] for level in levels),
        "levels": levels,
    }


def trim() -> int:
    """Give free memory back to the system: ladle's pool, then what malloc holds for nothing.

    The allocator behind malloc is asked to return its free pages (``malloc_trim`` of glibc and
    what mimalloc, jemalloc and tcmalloc have for it). Python's garbage is not collected.

    Returns
    -------
    int
        Bytes by which the resident memory of the process fell meanwhile, at least 0. What other
        threads ask for and let go of in that time counts, too.
    """
    before = _core.process_memory()["anonymous"]
    default_context().trim()
    _core.allocator_trim()
    return max(before - _core.process_memory()["anonymous"], 0)


def watch(interval: float = 0.1, probe: bool = True) -> Watch:
    """Watch where the memory of this process goes, and tell why it grows.

    A thread in C takes samples of the kernel's and the allocator's figures; it never takes Python's
    global lock, and needs no preloaded library. The allocator's own word for what is in use takes
    the place of a count of every block: glibc, jemalloc and tcmalloc give it. Under others malloc's
    memory is in the share ``"rest"``.

    Parameters
    ----------
    interval : float
        Seconds between samples. After 512 of them every second one is dropped, and the interval
        doubled: a watch of any length has about as many.
    probe : bool
        Whether the watch, when it stops, runs ``gc.collect()`` and then asks the allocator to
        return free pages, to tell what was garbage and what was held for nothing. Both change the
        process a little; a ``"garbage cycles"`` verdict needs the first.

    Returns
    -------
    Watch
        Not started: use it in a ``with`` statement, or call its ``start()`` and ``stop()``.

    Raises
    ------
    ValueError
        If the interval is not between 0.001 and 1000 seconds.

    Examples
    --------
    >>> with ladle.memory.watch() as watch:
    ...     for events in uproot.iterate("nano.root:Events", step_size="20 MB"):
    ...         analyse(events)
    >>> watch.verdict.kind
    'fragmentation'
    >>> watch.plot()
    """
    return Watch(interval, probe)


_ASKED: Any = object()


def budget(size: int | str | None = _ASKED) -> int:
    """Return, or set, how much memory ladle may hold in this process: the one knob.

    Parameters
    ----------
    size : int or str or None, optional
        Bytes, or a size such as ``"1 GB"``: caps all that ladle holds, and half of it is what the
        steps of :func:`ladle.iterate` that wait may take. What is already held stays: the cap
        governs what is asked for next, which evicts from caches or fails with
        :class:`ladle.BudgetError`. ``None``: no cap, and the default. Left out: nothing is set.

    Returns
    -------
    int
        The budget in force, in bytes. By default the environment's ``LADLE_BUDGET``, which caps as
        well, else a quarter of what the control group or the machine gives this process, which
        caps nothing but steps that wait.
    """
    if size is _ASKED:
        return budget_nbytes()
    return set_budget_nbytes(None if size is None else parse_nbytes(size, "budget"))
