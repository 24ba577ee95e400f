"""What holds for all tests: their order, and that programs they start can be interrupted."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from typing import Any

import pytest

# What builds or asks ROOT comes first, so that no worker ends alone with it.
FIRST = ("hostile", "rntuple")


def pytest_configure() -> None:
    """In a shell's background SIGINT is ignored, which programs that are started inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in FIRST)


@pytest.fixture
def gc_passes() -> Iterator[list[int]]:
    """Generations of the collections that start while a test runs."""
    started: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            started.append(info["generation"])

    gc.callbacks.append(note)
    yield started
    gc.callbacks.remove(note)
