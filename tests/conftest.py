"""The order of the tests: what builds or asks ROOT first, so that no worker ends alone with it."""

from __future__ import annotations

import pytest

FIRST = ("hostile", "rntuple")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in FIRST)
