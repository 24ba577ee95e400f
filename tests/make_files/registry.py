"""The table of files: name -> what writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Maker = Callable[[Path], None]
"""Writes one file at exactly the path it is given."""

FILES: dict[str, Maker] = {}


def makes(name: str) -> Callable[[Maker], Maker]:
    """Register a function as the maker of the file ``name``."""

    def register(maker: Maker) -> Maker:
        if name in FILES:
            raise ValueError(f"two makers for {name}")
        FILES[name] = maker
        return maker

    return register
