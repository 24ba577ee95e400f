"""However ladle.iterate ends, its memory and its thread go; what is kept of its steps stays."""

import gc
import subprocess
import sys
import time
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

import ladle
from ladle._context import default_context
from tests.python.conftest import find_sample
from tests.python.stepped import damage, made_columns, write_ntuple, write_tree

THREADS = pytest.mark.parametrize("threads", [1, 2])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("life")
    return [
        write_tree(folder / "tree.root", made_columns()),
        write_ntuple(folder / "ntuple.root", made_columns(seed=4)),
    ]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    path = write_tree(tmp_path_factory.mktemp("damaged") / "damaged.root", made_columns())
    damage(path, "x", 2)
    return path


def n_threads():
    return len(list(Path("/proc/self/task").iterdir()))


def held():
    """Return what the ledger has, but for what decoders keep and the free blocks of the pool."""
    gc.collect()
    memory = default_context().memory()
    return {kind: memory[kind] for kind in ("leased", "resting", "metadata")}


def to_the_end(steps):
    assert sum(len(step) for step in steps) == 800


def breaks(steps):
    for _ in steps:
        break


def raises(steps):
    with pytest.raises(ZeroDivisionError):
        sum(len(step) / 0 for step in steps)


def closes(steps):
    next(steps)
    steps.close()


def lets_go(steps):
    next(steps)


def does_nothing(steps):
    assert iter(steps) is steps


def throws(steps):
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt)


ENDS = [to_the_end, breaks, raises, closes, lets_go, does_nothing, throws]


@pytest.mark.parametrize(("threads", "budget"), [(1, 900), (2, 900), (2, "1 MB")])
@pytest.mark.parametrize("end", ENDS)
def test_all_is_given_back(files, end, budget, threads):
    options = {"step_size": "2 kB", "budget": budget, "threads": threads}
    options["filter_name"] = ["run", "x", "Jet_pt", "name"]
    list(ladle.iterate(files, **options))  # the reader and its threads stay
    before, threads_before = held(), n_threads()
    end(ladle.iterate(files, **options))
    assert held() == before
    wait_for_threads(threads_before)


def wait_for_threads(wanted):
    """A thread that was joined may be listed a little longer."""
    for _ in range(1000):
        if n_threads() <= wanted:
            return
        time.sleep(0.01)
    assert n_threads() <= wanted


@THREADS
@pytest.mark.parametrize("on_error", ["raise", "skip-file"])
@pytest.mark.filterwarnings("ignore:the rest of a file:UserWarning")
def test_all_is_given_back_after_errors(files, damaged, on_error, threads):
    paths = [files[0], damaged, files[1]]
    options = {"step_size": 40, "threads": threads, "on_error": on_error, "filter_name": "x"}
    list(ladle.iterate(files, **options))
    before, threads_before = held(), n_threads()
    if on_error == "raise":
        with pytest.raises(ladle.FormatError) as caught:
            list(ladle.iterate(paths, **options))
        wait_for_threads(threads_before)
        del caught  # its traceback has the frames, and these the scan, which is stopped by now
    else:
        assert sum(len(step) for step in ladle.iterate(paths, **options)) == 400 + 80 + 400
    assert held() == before
    wait_for_threads(threads_before)


def test_a_thread_decodes_ahead_only_where_there_are_several(files):
    for threads, more in ((1, 0), (2, 1)):
        list(ladle.iterate(files[0], threads=threads))
        wait_for_threads(n_threads())
        before = n_threads()
        steps = ladle.iterate(files[0], step_size=10, threads=threads)
        next(steps)
        assert n_threads() == before + more
        steps.close()


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Four columns of 800 kB, in two clusters."""
    values = np.arange(100_000, dtype=np.int64)
    columns = {name: values + i for i, name in enumerate("abcd")}
    path = tmp_path_factory.mktemp("wide") / "wide.root"
    return write_ntuple(path, columns, (0, 60_000, 100_000))


@THREADS
@pytest.mark.parametrize("library", ["ak", "np"])
def test_a_column_that_is_kept_does_not_keep_its_steps(wide, library, threads):
    before = held()["leased"]
    kept = []
    step_nbytes = 4 * 8 * 10_000
    budget = 2 * step_nbytes
    steps = ladle.iterate(wide, step_size=10_000, budget=budget, threads=threads, library=library)
    for step in steps:
        kept.append(step["a"])
        del step
        # Besides what is kept: steps that wait, two that were handed out last, one in the making.
        most = before + 80_000 * len(kept) + budget + 3 * step_nbytes + 4096 * len(kept)
        assert default_context().memory()["leased"] <= most
    del steps
    assert before + 800_000 <= held()["leased"] <= before + 800_000 + 3 * step_nbytes
    assert np.concatenate([np.asarray(each) for each in kept]).tolist() == list(range(100_000))
    del kept
    assert held()["leased"] == before


ROUNDS = """
import gc, sys
import ladle
files = sys.argv[1:]

def one_round():
    options = {"filter_name": ["run", "Jet_pt"], "library": "np"}
    for step in ladle.iterate(files, step_size="3 kB", budget="5 kB", threads=2, **options):
        pass
    for step in ladle.iterate(files, step_size=100, threads=1, **options):
        break

def settle():
    gc.collect()
    ladle.memory.trim()
    return ladle.memory.info()

for _ in range(30):
    one_round()
before = settle()
for _ in range(300):
    one_round()
after = settle()
grown = {name: after[name] - before[name] for name in ("rss", "total", "pool")}
print(grown["rss"], grown["total"] - grown["pool"], grown["pool"], after["leased"])
"""


def run_script(text, *arguments):
    """Run a program that must end by itself, and say nothing on standard error."""
    answer = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_rounds_leave_nothing(files):
    rss, held, pool, leased = map(int, run_script(ROUNDS, *files).split())
    assert rss < 4_000_000
    assert (held, leased) == (0, 0)
    # Free room in slabs is that of the most objects at one time, which is for the threads to say.
    assert pool < 1024


INTERRUPTED = """
import gc, os, signal, sys, threading, time
import ladle
from ladle._context import default_context
path, threads = sys.argv[1], int(sys.argv[2])
files = [path] * 500

def interrupt():
    begun.wait()
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)

begun = threading.Event()
thread = threading.Thread(target=interrupt)
thread.start()
n_steps = 0
try:
    for step in ladle.iterate(files, threads=threads, library="np"):
        n_steps += 1
        begun.set()
except KeyboardInterrupt:
    print("interrupted")
thread.join()
step = None
gc.collect()
print(n_steps < 500, default_context().memory()["leased"])
"""


@THREADS
def test_interrupts(threads):
    """Each step takes long to decode, so that it is waited for when the signal comes."""
    answer = run_script(INTERRUPTED, find_sample("nano_tree_rntuple.root"), threads)
    assert answer.split() == ["interrupted", "True", "0"]


FORKED = """
import os, sys
import ladle
path, threads, goes_on = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
options = {"step_size": 10, "threads": threads, "filter_name": "run", "library": "np"}
steps = ladle.iterate(path, **options)
first = next(steps)
child = os.fork()
if child == 0:
    print(first["run"].sum())
    if goes_on:
        try:
            next(steps)
        except ladle.Error as error:
            print(error.status)
    else:
        del steps
    print(sum(len(step["run"]) for step in ladle.iterate(path, **options)))
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(len(first["run"]) + sum(len(step["run"]) for step in steps))
"""


@THREADS
@pytest.mark.parametrize("goes_on", [True, False])
def test_forks(files, goes_on, threads):
    """A child cannot go on; it keeps its steps, may begin anew, and exits without a word."""
    answer = run_script(FORKED, files[0], threads, goes_on)
    expected = [str(sum(range(10)) * 3), *["INVALID"] * goes_on, "400", "0", "400"]
    assert answer.split() == expected


def test_two_at_once(files):
    """Scans do not disturb each other, though they share a reader."""
    options = {"filter_name": "run", "step_size": 30, "threads": 2}
    for one, other in zip(
        ladle.iterate(files[0], **options), ladle.iterate(files[0], **options), strict=True
    ):
        assert ak.all(one.run == other.run)


def test_half_of_the_budget_of_the_process_is_for_steps(files, monkeypatch):
    """A call's own budget is taken as it is."""
    asked = []
    make = ladle._core.Scan

    def scan(reader, **options):
        asked.append(options["budget"])
        return make(reader, **options)

    monkeypatch.setattr(ladle._core, "Scan", scan)
    ladle.memory.budget("3 GB")
    try:
        for options in ({}, {"budget": "20 kB"}, {"budget": 1}, {"budget": 0}):
            assert len(list(ladle.iterate(files, filter_name="run", **options))) == 2
    finally:
        ladle.memory.budget(None)
    assert asked == [1_500_000_000, 20_000, 1, 1]


def test_the_budget_of_the_process(files):
    """It caps what steps take: an error, not a crash, and the next call is fine."""
    options = {"step_size": 100, "filter_name": "run", "threads": 1, "budget": 1}
    steps = ladle.iterate(files, **options)
    next(steps)
    ladle.memory.trim()
    ladle.memory.budget(1)
    try:
        with pytest.raises(ladle.BudgetError, match="in entries 100 to "):
            next(steps)
    finally:
        ladle.memory.budget(None)
    assert len(list(ladle.iterate(files, **options))) == 8
