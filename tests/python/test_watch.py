"""A watch tells where memory went, agrees with what the program knows, and leaves nothing behind.

Each loop is a process of its own: what a verdict says depends on all that the process did before.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import ladle
from ladle import _core
from tests.doctor.words import SHARES

#: What ladle holds is in the rest, where no watch knows of it.
WATCHED = (*SHARES[:-1], "ladle", SHARES[-1])

PROGRAM = """
import gc, json, sys, time
import ladle

def leak(seconds):
    kept = []
    while time.monotonic() < end:
        kept.append(bytearray(50_000))
        time.sleep(0.001)
    return kept

def nothing(seconds):
    while time.monotonic() < end:
        bytearray(3_000_000)
        time.sleep(0.001)

def cycles(seconds):
    gc.disable()
    class Node: pass
    while time.monotonic() < end:
        node = Node()
        node.self, node.data = node, bytearray(50_000)
        time.sleep(0.001)

def retention(seconds):
    blocks = []
    for _ in range(3000):
        blocks.append(bytearray(40_000))
        if len(blocks) % 100 == 0:
            time.sleep(0.01)
    pins = [bytearray(60_000)]  # at the top, where glibc would trim by itself
    del blocks
    while time.monotonic() < end:
        time.sleep(0.01)
    return pins

def fragmentation(seconds):
    kept = []  # of each block a small one and a hole, which the next step's do not fit
    for number in range(12):
        blocks = [bytearray(20_000 + 3_000 * number) for _ in range(1000)]
        time.sleep(0.1)
        for block in blocks:
            del block[600:]
        kept += blocks
        time.sleep(0.2)
    return kept

name, seconds, probe = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "1"
if name == "retention":  # blocks of 40 kB are the heap's, as they are where glibc runs by itself
    bytearray(1_000_000)
with ladle.memory.watch(0.02, probe=probe) as watch:
    end = time.monotonic() + seconds
    kept = globals()[name](seconds)
verdict = watch.verdict
print(json.dumps({
    "kept": sum(map(len, kept or [])), "verdict": verdict._asdict(), "repr": repr(watch),
    "kinds": watch.samples["kind"].tolist(), "live": watch.samples["live"].tolist(),
}))
"""


def run(name, seconds=4.0, probe=True):
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, str(seconds), str(int(probe))],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


glibc_only = pytest.mark.skipif(
    _core.allocator_name() != "glibc", reason="the loops are made for glibc"
)


@glibc_only
def test_leak():
    found = run("leak")
    assert found["verdict"]["kind"] == "leak"
    assert found["verdict"]["leak_rate"] > 0
    assert "live memory" in found["verdict"]["sentence"]
    # What the allocator calls in use is what the program keeps, and what Python needs besides.
    grown = found["live"][found["kinds"].index(3)] - found["live"][0]
    assert grown == pytest.approx(found["kept"], rel=0.05)
    lines = found["repr"].splitlines()
    assert lines[0].startswith("leak: ")
    assert [line.split("  ")[0] for line in lines if line.startswith(("rss", "live"))] == [
        "rss",
        "live",
    ]


@glibc_only
def test_fragmentation():
    found = run("fragmentation")
    assert found["verdict"]["kind"] == "fragmentation"
    assert "tame()" in found["verdict"]["cure"]


@glibc_only
def test_no_growth():
    assert run("nothing")["verdict"]["kind"] == "no growth"


@glibc_only
def test_garbage_cycles():
    found = run("cycles")
    assert found["verdict"]["kind"] == "garbage cycles"
    assert found["verdict"]["garbage"] > 10_000_000


@glibc_only
def test_garbage_without_the_probe_is_live():
    found = run("cycles", probe=False)
    assert found["verdict"]["garbage"] is None
    assert found["verdict"]["trimmed"] is None
    assert not set(found["kinds"]) & {3, 4, 6}


@glibc_only
def test_retention():
    found = run("retention")
    assert found["verdict"]["kind"] == "retention"
    assert found["verdict"]["trimmed"] > 50_000_000


def watch_a_bit(**arguments):
    with ladle.memory.watch(0.005, **arguments) as watch:
        keep = [bytearray(100_000) for _ in range(200)]
        time.sleep(0.1)
    del keep
    return watch


def test_shares_add_up():
    watch = watch_a_bit()
    samples, split = watch.samples, watch.split()
    assert tuple(split) == WATCHED
    assert len(samples) > 5
    np.testing.assert_array_equal(sum(split.values()), samples["rss"])
    assert all((nbytes >= 0).all() for nbytes in split.values())
    assert (np.diff(samples["time_s"]) > 0).all()
    assert samples["kind"][0] == 0
    assert split["Python arenas"][0] > 1_000_000
    assert split["ladle"].max() <= ladle.memory.info()["peak"]


def test_figures_are_those_of_the_kernel():
    watch = ladle.memory.watch(1).start()
    info = ladle.memory.info()
    first = watch.samples[0]
    watch.stop()
    for name in ("rss", "anonymous", "file"):
        assert first[name] == pytest.approx(info[name], abs=2_000_000)


def test_ladle_has_a_share_of_its_own():
    with ladle.memory.watch(0.01, probe=False) as watch:
        cache = ladle.BufferCache()
        cache["a"] = np.ones(4_000_000)
        time.sleep(0.05)
    grown = watch.split()["ladle"][-1] - watch.split()["ladle"][0]
    assert 30_000_000 < grown < 34_000_000
    cache.close()


ARENAS = """
import time
import ladle

with ladle.memory.watch(0.01, probe=False) as watch:
    objects = [object() for _ in range(2_000_000)]
    time.sleep(0.05)
    del objects
with ladle.memory.watch(0.01, probe=False) as again:
    pass
arenas = watch.samples["python_arenas"]
print(arenas[0], arenas.max(), arenas[-1], again.samples["python_arenas"][0])
"""


def test_arenas_are_counted_as_they_come_and_go():
    """In a process of its own: where many arenas have room, objects need no new ones."""
    command = [sys.executable, "-c", ARENAS]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    first, most, last, later = map(int, printed.split())
    assert most - first > 20_000_000
    assert last < most - 20_000_000
    assert later == last


def test_a_watch_can_be_asked_while_it_runs_and_used_again():
    watch = ladle.memory.watch(0.005)
    with pytest.raises(RuntimeError, match="never started"):
        _ = watch.samples
    assert "not started" in repr(watch)
    watch.start()
    with pytest.raises(RuntimeError, match="is running"):
        watch.start()
    time.sleep(0.05)
    first = len(watch.samples)
    assert first > 1
    assert watch.verdict.kind == "not enough evidence"
    watch.stop()
    count = len(watch.samples)
    assert watch.stop() is watch
    assert len(watch.samples) == count > first
    watch.start()
    assert len(watch.samples) < count
    watch.stop()


@pytest.mark.parametrize("interval", [0, -1, 0.0001, 1e9, float("nan")])
def test_bad_intervals(interval):
    with pytest.raises(ValueError, match="interval"):
        ladle.memory.watch(interval)


def test_a_long_watch_keeps_its_whole_history():
    watch = ladle.memory.watch(1000, probe=False).start()
    for _ in range(3000):
        watch._core.sample("inside")
    watch.stop()
    samples = watch.samples
    assert 250 < len(samples) <= 520
    assert samples["kind"][0] == 0
    assert samples["kind"][-1] == 5
    assert (np.diff(samples["time_s"]) > 0).all()


def test_a_fast_watch_has_as_many_samples_of_early_as_of_late():
    with ladle.memory.watch(0.001, probe=False) as watch:
        time.sleep(6)
    times = watch.samples["time_s"]
    assert 20 < len(times) <= 520
    assert 0.1 < np.mean(times < 3) < 0.9


def test_it_is_drawn_in_a_notebook():
    html = watch_a_bit()._repr_html_()
    assert html.count("<svg") == 1
    assert "not enough evidence" in html
    for name in ("live", "Python arenas", "file pages"):
        assert name in html
    assert "nan" not in html


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots()
    watch = watch_a_bit()
    assert watch.plot(ax) is ax
    _, labels = ax.get_legend_handles_labels()
    assert "live" in labels
    assert set(labels) <= set(WATCHED)
    top = max(path.vertices[:, 1].max() for area in ax.collections for path in area.get_paths())
    assert top == pytest.approx(watch.samples["rss"].max() / 1e6)
    plt.close(figure)


def tasks():
    return {task.joinpath("comm").read_text() for task in Path("/proc/self/task").iterdir()}


def test_nothing_is_left():
    watch_a_bit()
    before = len(list(Path("/proc/self/fd").iterdir()))
    held = ladle.memory.info()["metadata"]
    for _ in range(300):
        with ladle.memory.watch(0.5, probe=False) as watch:
            pass
        del watch
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert ladle.memory.info()["metadata"] <= held
    assert "ladle-watch\n" not in tasks()


def test_beside_threads_that_allocate():
    stops = threading.Event()

    def work():
        while not stops.is_set():
            _ = [bytearray(5_000) for _ in range(1000)]

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    watches = [ladle.memory.watch(0.002, probe=False).start() for _ in range(3)]
    readers = [watch.samples.size for _ in range(50) for watch in watches]
    time.sleep(0.2)
    for watch in watches:
        watch.stop()
    stops.set()
    for thread in threads:
        thread.join()
    assert min(readers) >= 1
    for watch in watches:
        np.testing.assert_array_equal(sum(watch.split().values()), watch.samples["rss"])
        assert watch.samples["threads"].max() >= 5


FORK = """
import os, sys, time
import ladle
with ladle.memory.watch(0.005) as watch:
    time.sleep(0.05)
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
if not child:
    assert "parent" in repr(watch), repr(watch)
    try:
        watch.stop()
    except ladle.InvalidError as error:
        assert "parent process" in str(error)
    else:
        raise AssertionError("a child may not stop its parent's watch")
    with ladle.memory.watch(0.005) as own:
        time.sleep(0.05)
    assert len(own.samples) > 3
    os._exit(7)
assert os.waitstatus_to_exitcode(status) == 7, status
assert len(watch.samples) > 3
print("fine")
"""


def test_fork():
    answer = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.stdout == "fine\n", answer.stderr
