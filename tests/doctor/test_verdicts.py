"""Each cause gets its verdict, and the split agrees with what the program knows of itself.

Under glibc the verdict is exact. Another allocator may cope with what fragments glibc: then what is
true follows from the program's own numbers and its resident memory, and "not enough evidence" is
never wrong. ``LADLE_DOCTOR_RUNS=20`` repeats each program as often.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.metered import Diagnosis, build_folder, run_metered, split

PROGRAMS = Path(__file__).parent / "programs"
RUNS = int(os.environ.get("LADLE_DOCTOR_RUNS", "1"))
MB = 1_000_000

# What the C library and the reader of a program's own numbers may add: buffers of stdio, thread
# caches, the meter's slack for each thread.
SLACK = MB // 2
FILES_OF_A_START = 5 * MB

LIBRARIES = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu"
ALLOCATORS: dict[str, Path | None] = {
    "glibc": None,
    "mimalloc": LIBRARIES / "libmimalloc.so.2",
    "jemalloc": LIBRARIES / "libjemalloc.so.2",
}


@dataclass(frozen=True)
class Case:
    """One program: ``{file}`` among its words is a path that it may write to."""

    words: str
    verdict: str

    @property
    def name(self) -> str:
        return self.words.replace(" {file}", "").replace(" ", "-")

    @property
    def is_python(self) -> bool:
        return self.words.split()[0].endswith(".py")

    def command(self, folder: Path) -> list[str | Path]:
        first, *others = self.words.format(file=folder / "data").split()
        if self.is_python:
            return [sys.executable, PROGRAMS / first, *others]
        return [build_folder() / "tests/doctor" / first, *others]


CASES = [
    Case("leak", "leak"),
    Case("leak_slow", "leak"),
    Case("leak_list.py", "leak"),
    Case("fragmentation between", "fragmentation"),
    Case("fragmentation shrink", "fragmentation"),
    Case("fragmentation_arrays.py", "fragmentation"),
    Case("arenas", "fragmentation"),
    Case("retention top", "retention"),
    Case("retention grown", "retention"),
    Case("cycles.py numpy", "garbage cycles"),
    Case("cycles.py bytearray", "garbage cycles"),
    Case("cycles.py disabled", "garbage cycles"),
    Case("cache", "levels off"),
    Case("cache_dict.py", "levels off"),
    Case("file_mapping shared {file}", "file pages"),
    Case("file_mapping private {file}", "file pages"),
    Case("file_memmap.py {file}", "file pages"),
    Case("steady 60 150", "no growth"),
    Case("imports.py", "no growth"),
    Case("steady 5 3", "not enough evidence"),
]


def expected_verdict(case: Case, seen: Diagnosis) -> str:
    """The verdict under glibc. A program of 50 ms may last a second where the machine is busy."""
    lasted_ns = seen.samples[-1].time_ns - seen.samples[0].time_ns
    if case.verdict == "not enough evidence" and lasted_ns > 1_000_000_000:
        return "no growth"
    return case.verdict


def true_verdicts(case: Case, truth: dict[str, Any], seen: Diagnosis) -> set[str]:
    """What is true of a run under any allocator, by the program's truth and its resident memory."""
    dead_causes = {"fragmentation", "retention"}
    if case.verdict not in dead_causes:
        return {expected_verdict(case, seen), "not enough evidence"}
    # What is resident beyond what was live, at the peak and in the last quarter of the run.
    probed = next((i for i, s in enumerate(seen.samples) if s.kind > 2), len(seen.samples))
    working = seen.samples[:probed]
    begin, end = working[0].time_ns, working[-1].time_ns
    late = [s for s in working if s.time_ns > end - (end - begin) // 4]
    most_live = truth.get("peak_live") or max(s.live_usable for s in working)
    excess = max(s.anonymous for s in working) - most_live
    kept = min(s.anonymous for s in late) - max(s.live_usable for s in late)
    allowed = {"not enough evidence"}
    if excess > 0.15 * most_live:
        allowed.add("fragmentation")
    if kept > 0.15 * most_live:
        allowed.add("retention")
    if excess < 0.55 * most_live and kept < 0.35 * most_live:
        allowed |= {"no growth", "levels off"}
    return allowed


def check_split(case: Case, truth: dict[str, Any], seen: Diagnosis) -> None:
    """The split adds up in every sample, and is the program's truth at the end, within 5 %."""
    for sample in seen.samples:
        assert sum(split(sample).values()) == sample.rss
    end = seen.last("before collect" if case.is_python else "end")
    shares = split(end)
    files = shares["file pages"] - truth["mapped"]
    base = min(s.file for s in seen.samples[-3:]) if case.is_python else FILES_OF_A_START
    assert -0.05 * truth["mapped"] <= files <= base + 0.05 * truth["mapped"]
    if case.is_python:
        return
    live = shares["live"]
    assert live == pytest.approx(truth["live"], rel=0.05, abs=SLACK)
    dead = shares["rounding"] + shares["free, returnable"] + shares["free, pinned"]
    assert dead == pytest.approx(truth["heap"] - truth["live"], rel=0.05, abs=SLACK)


def diagnose(case: Case, folder: Path, behind: Path | None) -> tuple[Diagnosis, dict[str, Any]]:
    folder.mkdir()
    seen = run_metered(case.command(folder), folder, behind=behind)
    assert seen.status == 0
    return seen, json.loads(seen.output)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_under_glibc(case: Case, tmp_path: Path) -> None:
    for i in range(RUNS):
        seen, truth = diagnose(case, tmp_path / str(i), None)
        assert seen.allocator == "glibc"
        assert seen.verdict == expected_verdict(case, seen), f"run {i} of {RUNS}: {seen.sentence}"
        check_split(case, truth, seen)


def test_a_killed_program_is_judged_by_what_was_seen(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    leak = Case("leak", "leak")
    seen = run_metered(leak.command(folder), folder, kill_after=1.5)
    assert seen.status == -signal.SIGKILL
    assert seen.output == ""
    assert seen.verdict == "leak", seen.sentence
    assert (seen.garbage, seen.trimmed) == (-1, -1)


@pytest.mark.parametrize("allocator", ["mimalloc", "jemalloc"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_wrong_verdict_under_others(case: Case, allocator: str, tmp_path: Path) -> None:
    library = ALLOCATORS[allocator]
    if library is None or not library.exists():
        pytest.fail(f"{allocator} is not there: ./dev installs it")
    for i in range(RUNS):
        seen, truth = diagnose(case, tmp_path / str(i), library)
        assert seen.allocator == allocator
        allowed = true_verdicts(case, truth, seen)
        assert seen.verdict in allowed, f"run {i} of {RUNS}: {seen.sentence}; true: {allowed}"
