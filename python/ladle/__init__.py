"""ladle reads ROOT files in C and serves their columns as lazy Awkward arrays.

Importing it costs numpy and little else: awkward, coffea and uproot are imported by the functions
that need them.

Examples
--------
>>> import ladle
>>> events = ladle.open("nano.root")                      # nothing is read yet
>>> events.Jet_pt                                         # reads Jet_pt
>>> events = ladle.open("nano.root", cache=ladle.BufferCache("256 MB"))
>>> ladle.memory.info()
"""

from __future__ import annotations

import importlib
from typing import Any

from ladle import _core, memory
from ladle._errors import (
    BudgetError,
    Error,
    FileMissingError,
    FormatError,
    InvalidError,
    NameMissingError,
    ReadError,
    UnsupportedError,
)
from ladle._info import OpenInfo, info
from ladle._iterate import Report, iterate
from ladle._offload import offload
from ladle._open import open  # noqa: A004 - the name that users of h5py, zarr and uproot expect
from ladle._pattern import AccessPattern
from ladle._prefetch import Prefetch, drop, prefetch
from ladle.cache import (
    BufferCache,
    CompressedBufferCache,
    HDF5BufferCache,
    TieredBufferCache,
)

__all__ = [
    "AccessPattern",
    "BudgetError",
    "BufferCache",
    "CompressedBufferCache",
    "Error",
    "FileMissingError",
    "FormatError",
    "HDF5BufferCache",
    "InvalidError",
    "NameMissingError",
    "OpenInfo",
    "Prefetch",
    "ReadError",
    "Report",
    "TieredBufferCache",
    "UnsupportedError",
    "__version__",
    "drop",
    "info",
    "iterate",
    "memory",
    "offload",
    "open",
    "prefetch",
]

__version__ = _core.version()

_LAZY = frozenset({"coffea"})


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"ladle.{name}")
    raise AttributeError(f"module 'ladle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | _LAZY)
