"""The meter beside the program's own truth: threads, fork, exec, signals, allocators."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.doctor import recordings
from tests.doctor.recordings import METER, ROOT, Recording

MODES = ROOT / "build/tests/doctor/meter_modes"
PAGES = ROOT / "build/tests/doctor/meter_map"
LIBRARIES = {
    "glibc": "",
    "mimalloc": "libmimalloc.so.?",
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
}


def library(allocator: str) -> str:
    """Find the allocator of Debian's package; "" for glibc. `./dev test` installs them."""
    if allocator == "glibc":
        return ""
    found = sorted(Path("/usr/lib").glob(f"*/{LIBRARIES[allocator]}"))
    assert found, f"no {LIBRARIES[allocator]}: ./dev test installs it"
    return str(found[-1])


# libc's own: a buffer of a stream, what a thread keeps. jemalloc and libstdc++ take 80 kB at start.
OWN_BLOCKS, OWN_NBYTES = 16, 200_000

Program = subprocess.CompletedProcess[str]
Run = Callable[..., tuple[Program, list[Recording]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command under the meter; give how it ended and its recordings."""
    folder = tmp_path / "recordings"
    folder.mkdir()

    def run_metered(
        *words: str | Path, allocator: str = "glibc", options: str = "", **rest: Any
    ) -> tuple[Program, list[Recording]]:
        preload = f"{METER} {library(allocator)}".strip()
        environment = {
            **os.environ,
            "LD_PRELOAD": preload,
            "LADLE_METER": f"{folder}{options}",
            **rest.pop("environment", {}),
        }
        done = subprocess.run(
            [*map(str, words)],
            capture_output=True,
            encoding="utf-8",
            env=environment,
            timeout=300,
            check=False,
            **rest,
        )
        return done, recordings.read_all(folder)

    return run_metered


def truths(done: Program) -> list[dict[str, int]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_agrees(sample: recordings.Sample, truth: dict[str, int], threads: int = 0) -> None:
    assert 0 <= sample.live_usable - truth["live"] <= OWN_NBYTES + 512 * threads
    assert -4 <= sample.live_blocks - truth["blocks"] <= OWN_BLOCKS + threads
    assert -4 <= sample.allocations - truth["allocations"] <= 1020 + 2 * threads
    assert sample.frees == sample.allocations - sample.live_blocks
    assert sample.live_requested <= sample.live_usable <= sample.peak_live


@pytest.mark.parametrize("allocator", LIBRARIES)
@pytest.mark.parametrize(
    ("mode", "threads"),
    [("family 1000", 0), ("signals", 0), ("threads", 8), ("late 400", 400), ("crowd 2000", 2000)],
)
def test_counts_are_the_programs_own(run: Run, allocator: str, mode: str, threads: int) -> None:
    done, found = run(MODES, *mode.split(), allocator=allocator)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    [recording] = found
    assert recording.allocator == allocator
    assert recording.end == recordings.EXITED
    assert recording.command == f"{MODES} {mode}"
    [truth] = truths(done)
    # realloc counts as a free and an allocation: 1000 of the family's are not in its own truth.
    assert_agrees(recording.last(recordings.END), truth, threads)


def test_glibc_counts_to_the_byte(run: Run) -> None:
    done, [recording] = run(MODES, "signals")
    end = recording.last(recordings.END)
    assert truths(done) == [
        {"live": end.live_usable, "blocks": end.live_blocks, "allocations": end.allocations}
    ]


@pytest.mark.parametrize("allocator", LIBRARIES)
@pytest.mark.parametrize("mode", ["fork", "hurry"])
def test_a_child_starts_with_what_its_parent_has(run: Run, allocator: str, mode: str) -> None:
    done, (parent, child) = run(MODES, mode, allocator=allocator)
    assert done.returncode == 0
    assert child.parent == parent.pid
    assert child.end == parent.end == recordings.EXITED
    of_child, of_parent = truths(done)
    assert_agrees(child.last(recordings.END), of_child)
    assert_agrees(parent.last(recordings.END), of_parent)
    assert child.samples[0].kind == recordings.START


@pytest.mark.parametrize("allocator", LIBRARIES)
def test_fork_beside_busy_threads_does_not_hang(run: Run, allocator: str) -> None:
    done, found = run(MODES, "storm", allocator=allocator)
    assert done.returncode == 0
    assert len(found) == 101
    assert all(recording.end == recordings.EXITED for recording in found)
    # Other threads go on while the total is taken: one block each, of up to 300 kB.
    assert max(r.last(recordings.END).live_usable for r in found) < 1_000_000


def test_exec_begins_a_new_recording(run: Run) -> None:
    done, found = run(MODES, "exec", "3")
    assert done.returncode == 0
    assert len({recording.pid for recording in found}) == 1
    ends = [recording.end for recording in found]
    assert ends == [recordings.REPLACED] * 3 + [recordings.EXITED]
    assert [recording.command.split()[-1] for recording in found] == ["3", "2", "1", "0"]


def test_exec_without_environment_ends_what_is_seen(run: Run) -> None:
    done, [recording] = run(MODES, "cleared")
    assert done.returncode == 0
    assert recording.end == recordings.RUNS


def test_a_child_of_vfork_does_not_end_its_parents_recording(run: Run) -> None:
    done, [recording] = run(MODES, "vfork")
    [truth] = truths(done)
    assert_agrees(recording.last(recordings.END), truth)
    assert sum(sample.kind == recordings.END for sample in recording.samples) == 1


@pytest.mark.parametrize("mode", ["closed", "limited"])
def test_descriptors_are_not_needed(run: Run, mode: str) -> None:
    done, [recording] = run(MODES, mode)
    assert done.returncode == 0
    [truth] = truths(done)
    assert_agrees(recording.last(recordings.END), truth, threads=100)


def test_a_killed_program_leaves_its_counters(run: Run, tmp_path: Path) -> None:
    done, [recording] = run(MODES, "killed", options=",interval=1")
    assert done.returncode == -9
    assert recording.end == recordings.RUNS
    # The last sample is some milliseconds old.
    assert recording.samples[-1].live_usable > 0.3 * truths(done)[0]["live"]
    path = next((tmp_path / "recordings").glob("*.meter"))
    assert recordings.observe(path) == f"process {recording.pid} is gone"


def test_quick_exit_is_an_end(run: Run) -> None:
    done, [recording] = run(MODES, "quick")
    [truth] = truths(done)
    assert_agrees(recording.last(recordings.END), truth)


def test_an_observer_sees_a_running_program(tmp_path: Path) -> None:
    code = "import sys\nkept = bytearray(50_000_000)\nprint('ready', flush=True)\ninput()"
    environment = {**os.environ, "LD_PRELOAD": str(METER), "LADLE_METER": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        path = tmp_path / f"{program.pid}.0.meter"
        sample = recordings.observe(path)
        assert isinstance(sample, recordings.Sample)
        assert sample.kind == recordings.OUTSIDE
        assert 50_000_000 <= sample.live_usable < 70_000_000
        assert sample.rss > sample.anonymous > 50_000_000
        program.communicate("\n")
    assert program.returncode == 0
    assert isinstance(recordings.observe(path), str)


@pytest.mark.parametrize("allocator", LIBRARIES)
def test_operators_count_once(run: Run, allocator: str, tmp_path: Path) -> None:
    program = tmp_path / "operators"
    source = ROOT / "tests/doctor/programs/meter_operators.cpp"
    subprocess.run(["g++", "-std=c++17", "-O1", "-o", program, source, "-pthread"], check=True)
    # Debian's mimalloc is built as C and aborts where it ought to throw.
    words = ["calm"] if allocator == "mimalloc" else []
    done, [recording] = run(program, *words, allocator=allocator)
    assert done.returncode == 0, done.stderr
    [truth] = truths(done)
    assert_agrees(recording.last(recordings.END), truth)


def test_a_limit_on_file_size_leaves_the_meter_off(run: Run) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done, found = run(MODES, "family", "10", preexec_fn=limit)
    assert done.returncode == 0
    assert found == []
    assert done.stderr.startswith("ladle meter: no recording of process ")
    assert done.stderr.endswith(": File too large\n")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_not_there_is_not_the_programs_business(run: Run) -> None:
    done, found = run(MODES, "family", "10", environment={"LADLE_METER": "/no/such/folder"})
    assert done.returncode == 0
    assert found == []
    assert done.stderr == ""


def test_a_static_program_leaves_no_recording(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "static.c"
    source.write_text("#include <stdlib.h>\nint main(void) { return malloc(10) == NULL; }\n")
    program = tmp_path / "static"
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    done, found = run(program)
    assert done.returncode == 0
    assert found == []


def test_history_of_a_long_run_is_thinned_out(run: Run) -> None:
    # 2 % of the time may go into samples: at 1 ms each there are more than fit.
    code = (
        "import time\nend = time.monotonic() + 4\nwhile time.monotonic() < end: bytearray(200_000)"
    )
    _, [recording] = run(sys.executable, "-I", "-S", "-c", code, options=",interval=1")
    times = [sample.time_ns for sample in recording.samples]
    assert times == sorted(times)
    assert 100 < len(times) <= 512
    assert times[0] < 1e9
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert max(gaps) < 1e9


CYCLES = """
import gc
gc.disable()
class Node: pass
for _ in range(20_000):
    node = Node()
    node.itself, node.data = node, bytes(1000)
"""


def test_python_is_asked_for_its_garbage(run: Run) -> None:
    done, [recording] = run(sys.executable, "-c", CYCLES)
    assert done.returncode == 0, done.stderr
    before = recording.last(recordings.BEFORE_COLLECT)
    after = recording.last(recordings.AFTER_COLLECT)
    assert before.live_usable - after.live_usable > 20_000 * 1000
    assert recording.last(recordings.START).python_arenas == 0
    assert before.python_arenas >= after.python_arenas > 1_000_000


def test_the_probe_can_be_refused(run: Run) -> None:
    _, [recording] = run(sys.executable, "-c", CYCLES, options=",probe=0,trim=0")
    kinds = {sample.kind for sample in recording.samples}
    assert kinds <= {recordings.START, recordings.INSIDE, recordings.END}


WORKERS = """
import multiprocessing, os
def work(n):
    return len([bytearray(10_000) for _ in range(n)])
if __name__ == "__main__":
    with multiprocessing.get_context(os.environ["HOW"]).Pool(2) as pool:
        assert pool.map(work, [1000] * 8) == [1000] * 8
        pool.close()
        pool.join()
"""


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_workers_of_python_have_recordings_of_their_own(run: Run, how: str, tmp_path: Path) -> None:
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    done, found = run(sys.executable, script, environment={"HOW": how})
    assert done.returncode == 0, done.stderr
    parent = next(recording for recording in found if recording.parent == os.getpid())
    children = [recording for recording in found if recording.parent == parent.pid]
    assert len(children) >= 2
    assert all(recording.end == recordings.EXITED for recording in found)
    # One that came late may have had nothing to do.
    assert max(child.last(recordings.END).peak_live for child in children) > 10_000_000


def test_fragments_are_told_from_what_a_trim_returns(run: Run) -> None:
    # Of 100 MB in blocks of 100 kB every second one is freed: whole pages, that a trim returns.
    code = (
        "import ctypes\nc = ctypes.CDLL(None)\nc.mallopt(-3, 10**9)\n"
        "c.malloc.restype = ctypes.c_void_p\nc.free.argtypes = [ctypes.c_void_p]\n"
        "kept = [c.malloc(100_000) for _ in range(1000)]\n"
        "[ctypes.memset(p, 1, 100_000) for p in kept]\n[c.free(p) for p in kept[::2]]\n"
    )
    _, [recording] = run(sys.executable, "-c", code)
    end, trimmed = recording.last(recordings.END), recording.last(recordings.AFTER_TRIM)
    assert 45e6 < end.heap_returnable < 52e6
    assert end.heap_free > end.heap_returnable
    assert end.rss - trimmed.rss == pytest.approx(end.heap_returnable, rel=0.05)
    # Given back, these pages are still free in glibc's eyes, but not returnable any more.
    assert trimmed.heap_free > 45e6
    assert trimmed.heap_returnable < 2e6


def test_the_map_knows_the_pages(run: Run, tmp_path: Path) -> None:
    run(PAGES, options=",map,interval=5")
    [path] = (tmp_path / "recordings").glob("*.meter")
    regions = recordings.read_map(path)
    [heap] = [pages for kind, pages in regions if kind == 0]
    # The chunks of 4096 bytes begin somewhere in a page, so that between freed ones none is full.
    full, untouched = heap.count("X"), heap.count(".")
    partly = sum(heap.count(digit) for digit in "123456789")
    blocks_full = 64 * 500_000 // 4096  # of what was kept from the start
    assert blocks_full * 0.98 < full
    assert full + partly + heap.count("0") + untouched == len(heap)
    assert 900 <= partly + heap.count("0") <= 1200 + 300 * 2 + 64 * 2
    assert untouched <= 200


def test_the_stacks_name_who_keeps_and_who_leaks(run: Run, tmp_path: Path) -> None:
    run(PAGES, options=",stacks,interval=5")
    [path] = (tmp_path / "recordings").glob("*.meter")
    by_function = {frames[0]: rest for *rest, frames in recordings.read_stacks(path)}
    kept = by_function["keep_from_the_start (meter_map)"]
    leaked = by_function["leak_a_little (meter_map)"]
    assert kept[0] == pytest.approx(32e6, rel=0.3)
    assert leaked[0] == pytest.approx(30e6, rel=0.5)
    assert abs(kept[2]) < 1e6
    assert 0.25 * leaked[0] < leaked[2] < 0.8 * leaked[0]


LEAKING = """
import numpy, time
kept = []
def leak():
    kept.append(numpy.ones(20_000))
def other():
    return [bytes(1000) for _ in range(100)]
for _ in range(300):
    leak()
    other()
    time.sleep(0.001)
"""


def test_stacks_of_a_python_program_are_pythons(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "leaking.py"
    script.write_text(LEAKING)
    done, _ = run(sys.executable, script, options=",stacks")
    assert done.returncode == 0, done.stderr
    [path] = (tmp_path / "recordings").glob("*.meter")
    nbytes, _, _, frames = recordings.read_stacks(path)[0]
    assert nbytes == pytest.approx(300 * 160_000, rel=0.3)
    assert frames[-2:] == [
        f"leak ({tmp_path.name}/leaking.py:5)",
        f"<module> ({tmp_path.name}/leaking.py:9)",
    ]
    assert "numpy" in frames[0] or "umath" in frames[0]


def test_a_killed_program_leaves_map_and_stacks(run: Run, tmp_path: Path) -> None:
    code = (
        "import os, signal, time\nkept = []\nend = time.monotonic() + 1.5\n"
        "while time.monotonic() < end: kept.append(bytearray(100_000)); time.sleep(0.002)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done, _ = run(sys.executable, "-c", code, options=",map,stacks")
    assert done.returncode == -9
    [path] = (tmp_path / "recordings").glob("*.meter")
    assert any(pages.count("X") > 1000 for _, pages in recordings.read_map(path))
    assert recordings.read_stacks(path)[0][0] > 5e6


@pytest.mark.parametrize("allocator", LIBRARIES)
@pytest.mark.parametrize("mode", ["threads", "fork", "storm"])
def test_counts_are_the_same_with_map_and_stacks(run: Run, allocator: str, mode: str) -> None:
    done, found = run(MODES, mode, allocator=allocator, options=",map,stacks")
    assert done.returncode == 0
    for truth, recording in zip(truths(done)[::-1], found, strict=False):
        assert_agrees(recording.last(recordings.END), truth, threads=8)


def test_cost_of_a_start(run: Run) -> None:
    begin = time.monotonic()
    for _ in range(20):
        run("/bin/true")
    assert (time.monotonic() - begin) / 20 < 0.5
