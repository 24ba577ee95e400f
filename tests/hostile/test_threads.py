"""What several threads do, watched by the thread sanitizer; and a round under valgrind.

There is no suppression file: a report is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

THREADED = ["hammer", "cache", "levels", "compressed", "hdf5", "lease", "pool", "ledger", "heap"]
WATCHED = ["keys", "lease", "store", "levels"]

Builder = Callable[..., Path]


def run(command: list[str | Path], **environment: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert "[  PASSED  ]" in done.stdout + done.stderr


@pytest.mark.parametrize("name", THREADED)
def test_threads_do_not_race(builder: Builder, name: str) -> None:
    options = ["-DLADLE_SANITIZE=thread", "-DLADLE_BUILD_CLI=OFF"]
    programs = builder("threads", *options, targets=[f"ctest_{name}" for name in THREADED])
    run([programs / name], TSAN_OPTIONS="halt_on_error=1:exitcode=66", LADLE_HAMMER="600")


@pytest.mark.parametrize("name", WATCHED)
def test_valgrind_finds_nothing(builder: Builder, name: str) -> None:
    """Blocks come from malloc here, so that valgrind sees each of them. -O1 is soon compiled."""
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind")
    options = ["-DCMAKE_C_FLAGS=-O1 -DLADLE_HEAP_MALLOC=1", "-DCMAKE_BUILD_TYPE=Debug"]
    programs = builder("valgrind", *options, targets=[f"ctest_{name}" for name in WATCHED])
    watch = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full"]
    # What is not lost for sure: threads of c-blosc2 that live to the end, and what dlopen keeps.
    kinds = ["--show-leak-kinds=all", "--errors-for-leak-kinds=definite,indirect"]
    run([*watch, *kinds, programs / name])
