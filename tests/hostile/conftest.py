"""Builds of the C tests with other compilers and flags, each in its own folder of build/."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.locks import one_at_a_time

PROJECT = Path(__file__).resolve().parents[2]

Builder = Callable[..., Path]
"""``build(folder, *cmake_options, targets=[...])`` returns the folder of the programs."""


def build(folder: str, *options: str, targets: list[str]) -> Path:
    """Configure and build; a second call only looks for what has changed."""
    place = PROJECT / "build" / folder
    with one_at_a_time(place):
        if not (place / "build.ninja").exists():
            configure = ["cmake", "-S", PROJECT, "-B", place, "-G", "Ninja", "--log-level=WARNING"]
            subprocess.run([*configure, "-DLADLE_BUILD_PYTHON=OFF", *options], check=True)
        subprocess.run(
            ["cmake", "--build", place, "-j", "2", "--target", *targets],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return place / "tests"


@pytest.fixture(scope="session")
def builder() -> Builder:
    return build
