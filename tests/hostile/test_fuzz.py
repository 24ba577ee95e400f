"""libFuzzer for a short while: any bytes as a file, read completely. Needs clang and libFuzzer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.make_files import cached_file, file_names

MOST_NBYTES = 16384
SECONDS = int(os.environ.get("LADLE_FUZZ_SECONDS", "10"))


def has_fuzzer(folder: Path) -> bool:
    """Can clang link a harness here?"""
    source = folder / "empty.c"
    source.write_text("int LLVMFuzzerTestOneInput(const char *d, unsigned long n);\n"
                      "int LLVMFuzzerTestOneInput(const char *d, unsigned long n)\n"
                      "{ return (int)n & (d == 0); }\n")  # fmt: skip
    command = ["clang", "-fsanitize=fuzzer,address", source, "-o", folder / "empty"]
    return (
        shutil.which("clang") is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def test_nothing_is_found_soon(builder: Callable[..., Path], tmp_path: Path) -> None:
    if not has_fuzzer(tmp_path):
        pytest.skip("no clang with libFuzzer")
    programs = builder(
        "fuzz",
        "-DCMAKE_C_COMPILER=clang",
        "-DLADLE_SANITIZE=address;undefined;fuzzer-no-link",
        "-DLADLE_FUZZ=ON",
        "-DLADLE_BUILD_CLI=OFF",
        targets=["fuzz_file", "hostile"],
    )
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in file_names():
        if name.startswith("small-"):
            shutil.copy(cached_file(name), corpus)
    real = Path(os.environ.get("LADLE_TESTDATA", tmp_path)).glob("*_rntuple_*.root")
    small = [path for path in real if path.stat().st_size <= MOST_NBYTES // 2]
    subprocess.run([programs / "hostile", "--store", corpus, *small], check=True)
    limits = [
        "-timeout=5",
        "-rss_limit_mb=1024",
        f"-max_len={MOST_NBYTES}",
        f"-max_total_time={SECONDS}",
    ]
    done = subprocess.run(
        [programs / "fuzz_file", *limits, "-print_final_stats=1", corpus],
        capture_output=True,
        text=True,
        cwd=tmp_path,  # what it finds is written here
        check=False,
    )
    found = [path for path in tmp_path.glob("*-*") if path.is_file()]
    assert done.returncode == 0, f"{found}\n{done.stderr[-6000:]}"
    runs = re.search(r"number_of_executed_units:\s+(\d+)", done.stderr)
    assert runs is not None
    assert int(runs.group(1)) > 1000
