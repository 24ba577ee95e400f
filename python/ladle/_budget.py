"""How much memory this process may use: what was set, or a share of what there is."""

from __future__ import annotations

import os
from pathlib import Path

from ladle._units import parse_nbytes

_SHARE = 4  # of what the control group or the machine has, one part

_GROUPS_OF_PROCESS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")

_chosen: int | None = None


def budget_nbytes() -> int:
    """Return the budget in force, in bytes."""
    cap = cap_nbytes()
    return available_nbytes() // _SHARE if cap == 0 else cap


def cap_nbytes() -> int:
    """Return what the ledger is capped with: what was set, else LADLE_BUDGET; 0 for no cap."""
    if _chosen is not None:
        return _chosen
    text = os.environ.get("LADLE_BUDGET", "").strip()
    if not text:
        return 0
    nbytes = parse_nbytes(text, "LADLE_BUDGET")
    if nbytes < 1:
        raise ValueError(f"LADLE_BUDGET must be at least 1 byte, not {text!r}")
    return nbytes


def set_budget_nbytes(nbytes: int | None) -> int:
    """Set the budget, and cap the ledger with it; ``None``: no cap, the default budget."""
    global _chosen
    if nbytes is not None and nbytes < 1:
        raise ValueError("budget must be at least 1 byte; None is the default")
    from ladle._context import default_context  # which asks for the cap

    _chosen = nbytes
    default_context().set_budget(cap_nbytes())
    return budget_nbytes()


def available_nbytes() -> int:
    """Return what the control groups of this process, else the machine, let it use."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    found += [limit for limit in _group_limits() if limit > 0]
    return min(found)


def _group_limits() -> list[int]:
    """Return the limits of the control groups around this process, of both versions."""
    try:
        lines = _GROUPS_OF_PROCESS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []  # not Linux
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = _GROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _GROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if root not in (folder, *folder.parents):
                break
            limits += _limit(folder / name)
    return limits


def _limit(path: Path) -> list[int]:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return []
    return [int(text)] if text.isdigit() else []  # "max"
