"""Small real files, cut at every byte and with every byte flipped, under two sanitizers.

What is asserted of each mutant is in tests/fuzz/hostile.c and, in words, in docs/reliability.md.
All bytes take about two minutes on two cores; LADLE_HOSTILE=quick takes one in eight.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import uproot

from tests.make_files import cached_file, file_names

MOST_BYTES = 8192
PARTS = 2
QUICK = os.environ.get("LADLE_HOSTILE") == "quick"
SUMMARY = re.compile(r"^(\d+) mutants .* (\d+) failures$", re.MULTILINE)

Builder = Callable[..., Path]


@pytest.fixture(scope="module")
def program(builder: Builder) -> Path:
    options = ["-DLADLE_SANITIZE=address;undefined", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    return builder("sanitized", *options, targets=["hostile"]) / "hostile"


def judge(program: Path, files: list[Path]) -> int:
    """Run the program in parts side by side; return how many mutants it judged."""
    every = ["--every", "8"] if QUICK else ["--every", "1"]
    running = [
        subprocess.Popen(
            [program, "--part", f"{part}/{PARTS}", *every, *files],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"},
        )
        for part in range(PARTS)
    ]
    outputs = [process.communicate(timeout=1800)[0] for process in running]
    mutants = 0
    for process, output in zip(running, outputs, strict=True):
        summary = SUMMARY.search(output)
        assert process.returncode == 0, output[-8000:]
        assert summary is not None, output[-8000:]
        assert summary.group(2) == "0", output[-8000:]
        mutants += int(summary.group(1))
    return mutants


def test_files_that_root_wrote(program: Path) -> None:
    files = [cached_file(name) for name in file_names() if name.startswith("small-")]
    assert len(files) >= 40
    assert all(path.stat().st_size <= MOST_BYTES for path in files)
    nbytes = sum(path.stat().st_size for path in files)
    assert judge(program, files) >= (4 * nbytes if not QUICK else nbytes // 3)


def has_tree(path: Path) -> bool:
    with uproot.open(path) as file:
        return any(name in ("TTree", "TNtuple") for name in file.classnames().values())


def test_real_files(program: Path) -> None:
    folder = os.environ.get("LADLE_TESTDATA")
    if not folder:
        pytest.skip("LADLE_TESTDATA names no folder of real files")
    small = [p for p in sorted(Path(folder).glob("*.root")) if p.stat().st_size <= MOST_BYTES]
    files = [path for path in small if has_tree(path)]
    assert files
    assert judge(program, files) > 0


def test_files_made_by_hand(program: Path) -> None:
    """Every column form in one file, for each codec; baskets in the file and in the tree."""
    assert judge(program, []) > (300_000 if not QUICK else 30_000)
