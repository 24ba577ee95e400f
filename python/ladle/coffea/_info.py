"""What a factory reads natively, what through uproot, and what opening cost."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceInfo:
    """How the columns of a factory are read. ``str()`` of it is a summary for people.

    Attributes
    ----------
    path : str
        Of the file.
    table : str
        Path of the table in the file, with its cycle.
    format : str
        ``"TTree"`` or ``"RNTuple"``; empty where only uproot has opened it.
    native : list of str
        Columns that ladle reads.
    uproot : dict of str to str
        Columns that uproot reads, and why ladle does not. The name ``"*"`` stands for all.
    skipped : dict of str to str
        Columns that are in the file and not in the events, and why.
    seconds : dict of str to float
        What opening took: ``"open"`` the file and table, ``"form"`` to describe the columns,
        ``"schema"`` to let coffea arrange them, ``"preload"``.
    disk_nbytes : dict of str to int
        Compressed bytes in the file, of the columns that ladle reads (``"native"``) and of the
        others (``"other"``).
    uproot_is_open : bool
        Whether uproot has opened the file, too.
    """

    path: str
    table: str
    format: str = ""
    native: list[str] = field(default_factory=list)
    uproot: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    disk_nbytes: dict[str, int] = field(default_factory=dict)
    uproot_is_open: bool = False

    def __str__(self) -> str:
        lines = [f"{self.path}:{self.table} {self.format}".rstrip()]
        nbytes = self.disk_nbytes
        lines.append(f"  native   {_columns(len(self.native))}{_mb(nbytes.get('native'))}")
        if "*" in self.uproot:
            lines.append(f"  uproot   all columns: {self.uproot['*']}")
        else:
            lines.append(f"  uproot   {_columns(len(self.uproot))}{_mb(nbytes.get('other'))}")
            lines.extend(_reasons(self.uproot))
        if self.skipped:
            lines.append(f"  skipped  {_columns(len(self.skipped))}")
            lines.extend(_reasons(self.skipped))
        if self.seconds:
            parts = (f"{name} {value * 1e3:.1f} ms" for name, value in self.seconds.items())
            lines.append("  opening  " + ", ".join(parts))
        return "\n".join(lines)


def _columns(count: int) -> str:
    return f"{count} column" + ("" if count == 1 else "s")


def _mb(nbytes: int | None) -> str:
    return "" if nbytes is None else f", {nbytes / 1e6:.1f} MB in the file"


def _reasons(columns: dict[str, str]) -> list[str]:
    """Group columns by reason, with a few of their names."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in columns.items():
        by_reason.setdefault(reason, []).append(name)
    lines = []
    for reason, names in by_reason.items():
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        lines.append(f"    {len(names)} ({shown}): {reason}")
    return lines
