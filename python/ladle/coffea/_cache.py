"""Which of the caches that a user may give are ladle's own."""

from __future__ import annotations

from typing import Any


def core_cache(cache: Any) -> Any:
    """Return the ``ladle._core.Cache`` behind a cache of ladle's, ``None`` for any other mapping."""
    from ladle import _core

    found = getattr(cache, "core", None)
    return found if isinstance(found, _core.Cache) else None
