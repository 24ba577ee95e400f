"""Who holds the memory of this process.

Examples
--------
>>> import ladle
>>> ladle.memory.info()
>>> ladle.memory.trim()
"""

from __future__ import annotations

from ladle import _core
from ladle._context import default_context
from ladle._units import format_nbytes, parse_nbytes

__all__ = ["MemoryInfo", "info", "set_budget", "trim"]

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


class MemoryInfo(dict[str, int]):
    """Figures in bytes, by name; -1 where the platform does not say. A dict, printed as a table."""

    def __repr__(self) -> str:
        rows = [(name, self._text(name, nbytes)) for name, nbytes in self.items()]
        width = max(len(name) for name, _ in rows)
        digits = max(len(text) for _, text in rows)
        return "\n".join(
            f"{name:<{width}}  {text:>{digits}}  {_MEANING.get(name, '')}".rstrip()
            for name, text in rows
        )

    @staticmethod
    def _text(name: str, nbytes: int) -> str:
        if nbytes < 0:
            return "unknown"
        return "none" if name == "budget" and nbytes == 0 else format_nbytes(nbytes)


def info() -> MemoryInfo:
    """Return what ladle holds, by kind, beside what the kernel says of the process.

    Returns
    -------
    MemoryInfo
        In bytes. Of ladle: each kind on its ledger, then ``total`` (their sum), ``peak``,
        ``budget`` (0: none), ``overdraft``. Of the process: ``rss``, ``peak_rss``, ``anonymous``,
        ``file``.
    """
    return MemoryInfo(default_context().memory() | _core.process_memory())


def trim() -> int:
    """Give free blocks of the pool back to the system.

    Returns
    -------
    int
        Bytes given back.
    """
    return default_context().trim()


def set_budget(budget: int | str | None) -> None:
    """Cap all that ladle holds in this process.

    Parameters
    ----------
    budget : int or str or None
        Bytes, or a size such as ``"512 MB"``; ``None`` for no cap. What is already held stays: the
        cap governs what is asked for next, which evicts from caches or fails with
        :class:`ladle.BudgetError`.
    """
    nbytes = 0 if budget is None else parse_nbytes(budget, "budget")
    if budget is not None and nbytes == 0:
        raise ValueError("budget must be at least 1 byte; None is no budget")
    default_context().set_budget(nbytes)
