"""Small real files, cut at every byte and with every byte flipped, under two sanitizers.

What is asserted of each mutant is in tests/fuzz/hostile.c and, in words, in docs/reliability.md.
One byte in 64 is damaged, another one for each pattern, file and day: after 64 days it was all.
LADLE_HOSTILE=full takes them all at once, which is half an hour's work.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import uproot

from tests.make_files import cached_file, file_names

MOST_BYTES = 8192
SUMMARY = re.compile(r"^(\d+) mutants .* (\d+) failures$", re.MULTILINE)
FULL = os.environ.get("LADLE_HOSTILE") == "full"
EVERY = 1 if FULL else 64
TODAY = date.today().toordinal()
PARTS = 32 if FULL else 4
"""Each part is a test of its own: workers share them out, none comes near the limit of a test."""

Builder = Callable[..., Path]


@pytest.fixture(scope="module")
def program(builder: Builder) -> Path:
    options = ["-DLADLE_SANITIZE=address;undefined", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    return builder("sanitized", *options, targets=["hostile"]) / "hostile"


def judge(program: Path, part: int, files: list[Path]) -> int:
    """Damage one byte in ``PARTS`` of the files; return how many mutants were judged."""
    chosen = ["--part", f"{part}/{PARTS}", "--every", str(EVERY), "--turn", str(TODAY)]
    done = subprocess.run(
        [program, *chosen, *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"},
        timeout=1800,
        check=False,
    )
    summary = SUMMARY.search(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:]
    assert summary is not None, done.stdout[-8000:]
    assert summary.group(2) == "0", done.stdout[-8000:]
    return int(summary.group(1))


def small_files(folder: Path) -> list[Path]:
    """List the files that have a table and few bytes."""
    small = [path for path in sorted(folder.glob("*.root")) if path.stat().st_size <= MOST_BYTES]
    return [path for path in small if has_table(path)]


def has_table(path: Path) -> bool:
    with uproot.open(path) as file:
        return any(name in TABLES for name in file.classnames().values())


TABLES = ("TTree", "TNtuple", "ROOT::RNTuple")


@pytest.mark.parametrize("part", range(PARTS))
def test_files_that_root_wrote(program: Path, part: int) -> None:
    files = [cached_file(name) for name in file_names() if name.startswith("small-")]
    assert len(files) >= 40
    assert all(path.stat().st_size <= MOST_BYTES for path in files)
    nbytes = sum(path.stat().st_size for path in files)
    assert judge(program, part, files) >= 3 * nbytes // (PARTS * EVERY)


@pytest.mark.parametrize("part", range(PARTS))
def test_real_files(program: Path, part: int) -> None:
    folder = os.environ.get("LADLE_TESTDATA")
    if not folder:
        pytest.skip("LADLE_TESTDATA names no folder of real files")
    files = small_files(Path(folder))
    assert sum("rntuple" in path.name for path in files) >= 12
    assert judge(program, part, files) > 0


@pytest.mark.parametrize("part", range(PARTS))
def test_files_made_by_hand(program: Path, part: int) -> None:
    """Every column form in one file, for each codec; baskets in the file and in the tree."""
    assert judge(program, part, []) > 300_000 // (PARTS * EVERY)
