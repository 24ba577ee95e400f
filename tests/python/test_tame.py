"""Under tame() a heap full of holes does not stay resident; and nothing is left when it ends."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import ladle
from ladle import _core

glibc_only = pytest.mark.skipif(
    _core.allocator_name() != "glibc", reason="the loop is made for glibc"
)

# What is left of each block, cut short where it is, is a small block and a hole; the next step's
# blocks are too large for the holes.
LOOP = """
import json, sys, time
import ladle

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

def step(size):
    blocks = [bytearray(size) for _ in range(30_000_000 // size)]
    for block in blocks:
        del block[600:]
    return blocks

how = sys.argv[1]
tamed = ladle.memory.tame() if how != "plain" else None
if how == "untamed":
    ladle.memory.untame()
kept = []
for number in range(12):
    kept.append(step(20_000 + 3_000 * number))
    time.sleep(0.5)
print(json.dumps({
    "peak": status("VmHWM"), "final": status("VmRSS"),
    "figures": tamed and tamed.figures, "repr": repr(tamed), "active": tamed and tamed.active,
}))
"""


def run(how):
    answer = subprocess.run(
        [sys.executable, "-c", LOOP, how], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)


@glibc_only
def test_the_peak_of_a_fragmenting_loop_falls():
    plain, tamed = run("plain"), run("tamed")
    assert plain["peak"] > 300_000_000
    assert tamed["peak"] < plain["peak"] / 2
    assert tamed["final"] < plain["final"] / 2
    assert tamed["active"]
    assert tamed["figures"]["trims"] > 0
    assert tamed["figures"]["returned"] > 100_000_000
    assert tamed["figures"]["cpu_ns"] > 0
    assert "glibc returned" in tamed["repr"]


@glibc_only
def test_untame_ends_it():
    untamed = run("untamed")
    assert untamed["peak"] > 300_000_000
    assert untamed["figures"]["trims"] == 0
    assert not untamed["active"]
    assert "stopped" in untamed["repr"]


@pytest.fixture
def tamed():
    yield ladle.memory.tame()
    ladle.memory.untame()


def threads():
    names = [
        task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()
    ]
    return names.count("ladle-tame")


@glibc_only
def test_twice_is_once(tamed):
    assert ladle.memory.tame() is tamed
    assert threads() == 1
    ladle.memory.untame()
    assert threads() == 0
    ladle.memory.untame()
    assert ladle.memory.tame() is not tamed


@glibc_only
def test_rounds_leave_nothing():
    def round_trip(count):
        for _ in range(count):
            ladle.memory.tame()
            ladle.memory.untame()

    round_trip(50)
    ladle.memory.trim()
    before = ladle.memory.info()
    handles = len(list(Path("/proc/self/fd").iterdir()))
    round_trip(1000)
    ladle.memory.trim()
    after = ladle.memory.info()
    assert threads() == 0
    assert len(list(Path("/proc/self/fd").iterdir())) == handles
    assert after["metadata"] == before["metadata"]
    assert after["rss"] - before["rss"] < 1_000_000


@glibc_only
def test_from_many_threads():
    errors = []

    def work():
        try:
            for _ in range(100):
                assert ladle.memory.tame().figures["trims"] >= 0
                ladle.memory.untame()
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    ladle.memory.untame()
    assert threads() == 0


THRESHOLD = """
import ladle

def go_back(count):  # every second block of 1 MB is freed: whether its memory goes back at once
    blocks = [bytearray(1_000_000) for _ in range(count)]
    rss = ladle.memory.info()["rss"]
    pins = blocks[1::2]
    del blocks
    return rss - ladle.memory.info()["rss"] > count * 1_000_000 // 4

# More blocks each time than there is free room in the heap, which is used up first.
bytearray(20_000_000)  # freed: glibc keeps blocks up to that size in its heap from now on
answers = [go_back(20)]
ladle.memory.tame()
answers.append(go_back(100))
ladle.memory.untame()
answers.append(go_back(100))
print(*answers)
"""


@glibc_only
@pytest.mark.parametrize("variable", [None, "MALLOC_MMAP_THRESHOLD_"])
def test_large_blocks_have_mappings_of_their_own(variable):
    environment = dict(os.environ)
    for name in ("MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        environment.pop(name, None)
    if variable:
        environment[variable] = str(8 << 20)  # what the user wants is not changed
    answer = subprocess.run(
        [sys.executable, "-c", THRESHOLD],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    expected = ["False", "False", "False"] if variable else ["False", "True", "False"]
    assert answer.stdout.split() == expected


FORK = """
import os, sys, time
from pathlib import Path
import ladle

def threads():
    return [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]

def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

tamed = ladle.memory.tame()
child = os.fork()
if not child:
    assert threads().count("ladle-tame") == 1, threads()
    assert ladle.memory.tame() is tamed and tamed.active and tamed.figures["trims"] == 0
    ladle.memory.untame()
    assert threads().count("ladle-tame") == 0
    grandchild = os.fork()
    if not grandchild:
        os._exit(5 if threads().count("ladle-tame") == 0 else 1)
    os._exit(7 if wait(grandchild) == 5 else 1)
assert wait(child) == 7
assert threads().count("ladle-tame") == 1
for _ in range(50):  # also while the thread looks, or trims
    keep = [bytearray(20_000) for _ in range(3000)][::100]
    child = os.fork()
    if not child:
        os._exit(0 if threads().count("ladle-tame") == 1 else 1)
    assert wait(child) == 0
print("fine")
"""


@glibc_only
def test_fork():
    answer = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.stdout == "fine\n", answer.stderr


@glibc_only
def test_trim_gives_back_what_malloc_holds():
    blocks = [bytearray(20_000) for _ in range(4000)]
    pins = blocks[::50]
    del blocks
    before = ladle.memory.info()["rss"]
    given_back = ladle.memory.trim()
    assert given_back > 50_000_000
    assert before - ladle.memory.info()["rss"] == pytest.approx(given_back, abs=5_000_000)
    assert ladle.memory.trim() < 5_000_000
    del pins


def test_an_allocator_that_cannot_be_asked_is_said_so(monkeypatch):
    monkeypatch.setattr(_core, "allocator_name", lambda: "unknown")
    found = ladle.memory.tame()
    try:
        assert not found.active
        assert "nothing is done" in repr(found)
        assert found.figures == {
            "trims": 0,
            "returned": 0,
            "cpu_ns": 0,
            "sets_threshold": False,
        }
    finally:
        ladle.memory.untame()


OTHER = """
import ladle, time
from ladle import _core
tamed = ladle.memory.tame()
with ladle.memory.watch(0.01) as watch:
    kept = [bytearray(5_000) for _ in range(8_000)]
    time.sleep(0.3)
    del kept
    time.sleep(0.3)
ladle.memory.trim()
print(tamed.allocator, tamed.active, int(watch.samples["live"].max() - watch.samples["live"][0]))
"""


@pytest.mark.parametrize("name", ["mimalloc", "jemalloc", "tcmalloc"])
def test_under_other_allocators(name):
    found = sorted(Path("/usr/lib").glob(f"*/lib{name}*.so*"))
    if not found:
        pytest.skip(f"no {name} here")
    answer = subprocess.run(
        [sys.executable, "-c", OTHER],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_PRELOAD": str(found[0])},
        check=True,
    )
    assert answer.stderr == ""
    allocator, active, grown = answer.stdout.split()
    assert allocator == name
    assert active == str(name != "mimalloc")
    if name == "mimalloc":
        assert int(grown) == 0  # it does not tell
    else:
        assert 40_000_000 <= int(grown) < 60_000_000


@glibc_only
def test_behind_the_meter(tmp_path):
    meter = Path(__file__).parents[2] / "build" / "lib" / "ladle" / "libladle_meter.so"
    if not meter.exists():
        pytest.skip(f"{meter} is not built")
    answer = subprocess.run(
        [sys.executable, "-c", OTHER],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_PRELOAD": str(meter), "LADLE_METER": str(tmp_path)},
        check=True,
    )
    allocator, active, grown = answer.stdout.split()
    assert (allocator, active) == ("glibc", "True")
    assert 40_000_000 <= int(grown) < 60_000_000
    assert list(tmp_path.glob("*.meter"))


DASK = """
import time
import ladle
from distributed import Client, LocalCluster

def work(number):
    tamed = ladle.memory.tame()
    with ladle.memory.watch(0.01, probe=False) as watch:
        kept = [bytearray(20_000) for _ in range(2000)]
        time.sleep(0.2)
    shares = watch.split()
    split = sum(int(nbytes[-1]) for nbytes in shares.values())
    return tamed.active, split == int(watch.samples["rss"][-1]), watch.verdict.kind

if __name__ == "__main__":
    ladle.memory.tame()
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        answers = client.gather(client.map(work, range(8), pure=False))
    print({active for active, _, _ in answers}, {adds_up for _, adds_up, _ in answers})
"""


@glibc_only
def test_in_the_workers_of_a_cluster(tmp_path):
    pytest.importorskip("distributed")
    script = tmp_path / "cluster.py"
    script.write_text(DASK)
    answer = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        check=True,
    )
    assert answer.stdout == "{True} {True}\n", answer.stderr
