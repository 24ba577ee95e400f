"""ladle.prefetch, ladle.drop and learned prefetch: values, reads, memory, threads, forks."""

import gc
import pickle
import subprocess
import sys
import threading
import time
from collections import Counter

import awkward as ak
import numpy as np
import pytest

import ladle
from ladle import _ahead
from ladle._context import default_context, default_reader
from tests.python.caches import KINDS, make_cache
from tests.python.oracle import assert_same_buffers
from tests.python.stepped import made_columns, write_tree
from tests.python.test_core import run_in_child

COLUMNS = ["nJet", "Jet_pt", "Jet_eta", "Muon_pt", "run"]
CACHES = pytest.mark.parametrize("kind", [None, "dict", *KINDS])


def cache_of(kind):
    if kind is None or kind == "dict":
        return kind and {}
    return make_cache(kind)


def no_thread_is_left():
    """The thread ends when it has no work; it may take a moment to be gone."""
    for _ in range(500):
        if not any(thread.name == "ladle-prefetch" for thread in threading.enumerate()):
            return True
        time.sleep(0.01)
    return False


def leased():
    gc.collect()
    return default_context().memory()["leased"]


def waiting():
    return _ahead.current_worker().waiting_nbytes


@pytest.fixture
def reads(monkeypatch):
    """Counts how often a buffer is read, by the name of its column and its number."""
    counts = Counter()

    class Counting:
        def __init__(self, reader):
            self._reader = reader

        def _count(self, table, column, buffer):
            counts[table.column(column).name, buffer] += 1

        def read_buffer(self, *arguments):
            self._count(*arguments[:3])
            return self._reader.read_buffer(*arguments)

        def read_buffers(self, requests, **options):
            for request in requests:
                self._count(*request[:3])
            return self._reader.read_buffers(requests, **options)

        def __getattr__(self, name):
            return getattr(self._reader, name)

    monkeypatch.setattr(_ahead, "default_reader", lambda n=None: Counting(default_reader(n)))
    return counts


@pytest.fixture(scope="module")
def damaged(nano, tmp_path_factory):
    """A copy of the file in which a page of Jet_eta is zeros."""
    table = ladle._core.File(default_context(), nano).table()
    _, _, offset, nbytes = table.page(table.find("Jet_eta"), 0)
    if offset < 0:
        pytest.skip("the page is embedded in the table's metadata")
    data = bytearray(nano.read_bytes())
    data[offset : offset + nbytes] = bytes(nbytes)
    path = tmp_path_factory.mktemp("damaged") / "damaged.root"
    path.write_bytes(data)
    return path


# --- prefetch


@CACHES
def test_values_are_the_same_and_each_buffer_is_read_once(nano, reads, kind):
    expected = ladle.open(nano, filter_name=COLUMNS)
    wanted = {name: ak.materialize(expected[name]) for name in COLUMNS}
    reads.clear()
    events = ladle.open(nano, filter_name=COLUMNS, cache=cache_of(kind))
    handle = ladle.prefetch(events, COLUMNS)
    for name in COLUMNS:  # some wait, some are under way, some have not begun
        assert_same_buffers(events[name], wanted[name], name)
    handle.wait()
    if kind is None:
        assert set(reads.values()) == {1}
    elif kind == "raw":
        assert events.attrs["@ladle_columns"].ahead.cache.stats()["misses"] == len(reads)
    assert handle.pending == 0
    assert no_thread_is_left()


@CACHES
def test_a_touch_finds_what_was_read(nano, reads, kind):
    cache = cache_of(kind)
    events = ladle.open(nano, filter_name=COLUMNS, cache=cache)
    handle = ladle.prefetch(events, ["Jet_*", "run"])
    handle.wait()
    assert (handle.n_buffers, handle.ready, handle.left, handle.used) == (4, 4, 0, 0)
    assert sum(reads.values()) == 4
    for _ in range(3):
        for name in ("Jet_pt", "Jet_eta", "run"):
            ak.sum(events[name])
    if kind in (None, "dict"):
        assert sum(reads.values()) == 4
    else:
        assert cache.stats()["misses"] == 4
    assert handle.used == 4
    assert waiting() == 0


def test_it_returns_at_once_and_touches_wait_for_the_read_under_way(nano, reads, monkeypatch):
    go_on = threading.Event()
    reader = _ahead.default_reader

    class Held:
        def __init__(self, n):
            self.reader = reader(n)

        def read_buffers(self, *arguments, **options):
            assert go_on.wait(60)
            return self.reader.read_buffers(*arguments, **options)

        def __getattr__(self, name):
            return getattr(self.reader, name)

    monkeypatch.setattr(_ahead, "default_reader", Held)
    events = ladle.open(nano, filter_name=COLUMNS)
    handle = ladle.prefetch(events, "run")
    assert handle.pending == 1
    # A touch that came before the thread would read the buffer itself.
    while handle._slots[0].state is _ahead.State.QUEUED:
        time.sleep(0.001)
    sums = []
    workers = [threading.Thread(target=lambda: sums.append(ak.sum(events.run))) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert handle.pending == 1
    go_on.set()
    for worker in workers:
        worker.join()
    assert len(set(sums)) == 1
    assert len(sums) == 3
    assert reads["run", 0] == 1


def test_names_patterns_and_errors_of_names(nano):
    events = ladle.open(nano, filter_name=COLUMNS)
    for columns in ("Jet_pt", ["Jet_pt"], iter(["Jet_pt"]), "Jet_p*", "/jet_p.*/i"):
        handle = ladle.prefetch(events, columns)
        handle.wait()
        assert handle.n_buffers == 2
    assert ladle.prefetch(events, lambda name: name == "run").n_buffers == 1
    assert ladle.prefetch(events, []).n_buffers == 0
    assert ladle.prefetch(events[["Jet_pt"]][3:5], "nJet").n_buffers == 1
    with pytest.raises(ladle.NameMissingError, match="Jet_pt"):
        ladle.prefetch(events, "Jet_ptt")
    with pytest.raises(ladle.NameMissingError, match="without this column"):
        ladle.prefetch(events, "Muon_eta")
    for call in (ladle.prefetch, ladle.drop):
        with pytest.raises(TypeError, match=r"ladle\.open"):
            call(ak.Array([1]), "x")


def test_what_the_array_has_is_not_read_again(nano, reads):
    events = ladle.open(nano, filter_name=COLUMNS)
    ak.sum(events.Jet_pt)
    handle = ladle.prefetch(events, ["Jet_pt", "Jet_eta"])
    handle.wait()
    assert handle.n_buffers == 1
    again = ladle.prefetch(events, ["Jet_pt", "Jet_eta"])
    again.wait()
    ak.sum(events.Jet_eta)
    assert set(reads.values()) == {1}


def test_several_files(nano, other_nano, reads):
    files = [nano, other_nano]
    wanted = ak.materialize(ladle.open(files, filter_name=["Jet_pt"]).Jet_pt)
    reads.clear()
    events = ladle.open(files, filter_name=["Jet_pt"])
    handle = ladle.prefetch(events, None)
    handle.wait()
    assert handle.n_buffers == 4
    assert_same_buffers(events.Jet_pt, wanted, "Jet_pt")
    assert set(reads.values()) == {2}


@pytest.mark.parametrize("kind", [None, "raw"])
def test_an_error_is_one_of_the_touch_alone(nano, damaged, kind):
    events = ladle.open(damaged, filter_name=COLUMNS, cache=cache_of(kind))
    handle = ladle.prefetch(events, None)
    handle.wait()
    assert handle.left == 1
    for name in ("Jet_pt", "Muon_pt", "run"):
        assert ak.sum(events[name]) == ak.sum(ladle.open(nano)[name])
    with pytest.raises(ladle.FormatError, match="Jet_eta"):
        ak.sum(events.Jet_eta)


def test_what_waits_is_bounded(nano, monkeypatch):
    names = [name for name in ladle.open(nano).fields if name.startswith(("Jet_", "GenPart_"))]
    expected = {name: ak.materialize(ladle.open(nano)[name]) for name in names}
    events = ladle.open(nano, filter_name=names)
    monkeypatch.setattr(_ahead, "budget_nbytes", lambda: 40_000)
    handle = ladle.prefetch(events, names)
    handle.wait()
    assert 0 < waiting() <= 10_000
    assert 0 < handle.ready < handle.n_buffers
    assert handle.left == handle.n_buffers - handle.ready
    for name in names:
        assert_same_buffers(events[name], expected[name], name)
    assert waiting() == 0


def test_what_waits_gives_way_to_a_touch(nano, monkeypatch):
    events = ladle.open(nano, filter_name=COLUMNS)
    ladle.prefetch(events, ["Jet_*"]).wait()
    assert waiting() > 0
    refusals = iter([True])
    read = _ahead.Ahead._read

    def refused(self, request):
        if next(refusals, False):
            raise ladle.BudgetError("BUDGET", "test", "no room")
        return read(self, request)

    monkeypatch.setattr(_ahead.Ahead, "_read", refused)
    assert ak.sum(events.run) > 0
    assert waiting() == 0
    assert ak.sum(events.Jet_pt) > 0


def test_nothing_is_left_behind(nano):
    before = leased()
    for columns in (["Jet_pt"], None):
        events = ladle.open(nano)
        handle = ladle.prefetch(events, columns)
        if columns:
            handle.wait()
            assert waiting() > 0
        del events
        handle.wait()
        assert no_thread_is_left()  # it may have been reading what nobody wants any more
        assert leased() == before
        assert waiting() == 0


SCRIPT = """
import gc, sys, threading
import awkward as ak
import ladle
from ladle import _context

def one_round():
    pattern = ladle.AccessPattern()
    for cache in (None, ladle.BufferCache("1 MB")):
        events = ladle.open(sys.argv[1], filter_name=["Jet_pt", "Jet_eta", "nJet*", "run"],
                            cache=cache, prefetch=pattern)
        handle = ladle.prefetch(events, ["Jet_*", "run"])
        ak.sum(events.Jet_pt), ak.max(events.run)
        handle.wait()

def settle():
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join()
    _context.drop_readers()  # and the scratch of their threads
    gc.collect()
    ladle.memory.trim()
    return ladle.memory.info()

for _ in range(50):
    one_round()
before = settle()
for _ in range(1000):
    one_round()
after = settle()
print(after["rss"] - before["rss"], after["total"] - before["total"], after["leased"])
"""


def run_script(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )


def test_a_thousand_rounds_do_not_grow(tmp_path):
    few_columns = write_tree(tmp_path / "few.root", made_columns())  # soon opened
    rss, total, held = map(int, run_script(SCRIPT, str(few_columns)).stdout.split())
    assert rss < 4_000_000
    assert total == held == 0


def test_the_interpreter_ends_with_reads_pending(nano):
    script = "import sys, ladle; e = ladle.open(sys.argv[1]); h = ladle.prefetch(e, None)"
    answer = run_script(script, str(nano))
    assert answer.stderr == ""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", [None, "raw"])
def test_a_child_starts_its_own(nano, kind):
    expected = float(ak.sum(ladle.open(nano).Jet_pt))
    events = ladle.open(nano, filter_name=COLUMNS, cache=cache_of(kind))
    before = ladle.prefetch(events, "Jet_*")

    def child():
        before.wait()
        handle = ladle.prefetch(events, ["Jet_pt", "run"])
        handle.wait()
        assert handle.ready == 3
        ak.sum(events.run)
        return np.float64([ak.sum(events.Jet_pt)]).tobytes()

    for _ in range(5):
        assert np.frombuffer(run_in_child(child))[0] == pytest.approx(expected)
    assert ak.sum(events.Jet_pt) == pytest.approx(expected)


# --- drop


@pytest.mark.parametrize("kind", KINDS)
def test_drop_gives_bytes_back_and_the_next_touch_reads_again(nano, kind):
    cache = make_cache(kind)
    events = ladle.open(nano, filter_name=COLUMNS, cache=cache)
    total = ak.sum(events.Jet_pt)
    ak.sum(events.Jet_eta), ak.sum(events.run)
    before = cache.stats()
    assert (before["entries"], before["misses"]) == (4, 4)
    data = ladle.drop(events, "Jet_pt")
    assert data > 0
    assert cache.stats()["entries"] == 3  # the offsets stay, for Jet_eta
    assert cache.stats()["nbytes"] == before["nbytes"] - data
    assert ladle.drop(events, "Jet_pt") == 0
    assert ak.sum(events.Jet_pt) == total
    assert cache.stats()["misses"] == 5
    assert ladle.drop(events, ["Jet_*"]) > data
    assert cache.stats()["entries"] == 1
    assert ladle.drop(events, None) > 0
    assert cache.stats()["nbytes"] == cache.stats()["entries"] == 0
    assert ak.sum(events.Jet_pt) == total


def test_offsets_go_with_the_last_of_their_columns(nano):
    cache = ladle.BufferCache()
    events = ladle.open(nano, filter_name=["Jet_pt", "Jet_eta", "Jet_phi"], cache=cache)
    ak.sum(events.Jet_pt), ak.sum(events.Jet_eta)
    ladle.drop(events, "Jet_pt")
    assert cache.stats()["entries"] == 2
    ladle.drop(events, "Jet_eta")
    assert cache.stats()["entries"] == 0


def test_without_a_cache_what_waits_can_be_dropped_and_what_was_touched_cannot(nano):
    before = leased()
    events = ladle.open(nano, filter_name=COLUMNS)
    ladle.prefetch(events, ["Jet_*", "run"]).wait()
    held = waiting()
    assert ladle.drop(events, ["Jet_*", "run"]) == held > 0
    assert waiting() == 0
    assert leased() == before
    ak.sum(events.Jet_pt)
    with pytest.raises(ladle.InvalidError, match="cache"):
        ladle.drop(events, "Jet_pt")
    assert ladle.drop(events, "run") == 0


# --- learned


def rest():
    """Wait until the thread has nothing to do."""
    assert no_thread_is_left()


@CACHES
def test_a_pattern_learns_the_order_and_reads_ahead(nano, kind):
    pattern = ladle.AccessPattern()
    cache = cache_of(kind)

    def chunk(start, touched):
        events = ladle.open(
            nano, entry_start=start, entry_stop=start + 10, cache=cache, prefetch=pattern
        )
        rest()
        return [ak.sum(events[name]) for name in touched]

    touched = ["run", "Jet_pt", "Muon_pt"]
    first = chunk(0, touched)
    assert [name for name, _ in pattern.order if name in touched] == touched
    assert (pattern.used, pattern.wasted, pattern.missed) == (0, 0, 0)
    count = len(pattern.order)
    assert chunk(10, touched) == [ak.sum(ladle.open(nano)[name][10:20]) for name in touched]
    gc.collect()
    assert (pattern.used, pattern.wasted, pattern.missed) == (count, 0, 0)
    chunk(20, ["run", "Jet_eta", "Jet_pt"])
    gc.collect()
    assert pattern.missed == 1  # Jet_eta, whose offsets are those of Jet_pt
    assert pattern.wasted == 2  # Muon_pt and its offsets
    assert pattern.used == 2 * count - 2
    assert len(pattern.order) == count
    assert first == [ak.sum(ladle.open(nano)[name][:10]) for name in touched]
    assert waiting() == 0
    assert "wasted" in repr(pattern)


def test_the_window_moves_on_with_the_touches(nano):
    names = [name for name in ladle.open(nano).fields if name.startswith("Jet_")][:8]
    pattern = ladle.AccessPattern(window=3)
    for _ in range(2):
        events = ladle.open(nano, filter_name=names, prefetch=pattern)
        for name in names:
            rest()
            assert len(events.attrs["@ladle_columns"].ahead._slots) <= 3
            ak.sum(events[name])
    assert (pattern.used, pattern.missed) == (len(names) + 1, 0)


def test_a_warm_cache_is_neither_read_nor_missed(nano):
    pattern = ladle.AccessPattern()
    cache = ladle.BufferCache()
    for _ in range(3):
        events = ladle.open(nano, filter_name=COLUMNS, cache=cache, prefetch=pattern)
        rest()
        ak.sum(events.Jet_pt)
    assert (pattern.used, pattern.wasted, pattern.missed) == (0, 0, 0)
    assert cache.stats()["misses"] == 2


def test_a_pickle_takes_the_order_along(nano):
    pattern = ladle.AccessPattern(window=5)
    for _ in range(2):
        ak.sum(ladle.open(nano, filter_name="run", prefetch=pattern).run)
    again = pickle.loads(pickle.dumps(pattern))
    assert (again.window, again.order) == (5, [("run", 0)])
    assert (again.used, again.wasted, again.missed) == (0, 0, 0)
    events = ladle.open(nano, filter_name="run", prefetch=again)
    rest()
    ak.sum(events.run)
    assert again.used == 1


def test_true_is_a_pattern_of_the_process(nano):
    from ladle import _pattern

    names = ["run", "event"]
    for _ in range(2):
        events = ladle.open(nano, filter_name=names, prefetch=True)
        rest()
        ak.sum(events.run)
    pattern = _pattern.choose_pattern(True, "Events", names)
    assert pattern.used == 1
    assert _pattern.choose_pattern(True, "Events", ["run"]) is not pattern
    for index in range(100):
        _pattern.choose_pattern(True, f"t{index}", names)
    assert len(_pattern._shared) <= 64
    for nothing in (None, False):
        assert _pattern.choose_pattern(nothing, "Events", names) is None


def test_wrong_arguments(nano):
    with pytest.raises(TypeError, match="prefetch"):
        ladle.open(nano, prefetch="yes")
    with pytest.raises(ValueError, match="window"):
        ladle.AccessPattern(window=0)
    for wrong in (1.5, True):
        with pytest.raises(TypeError, match="window"):
            ladle.AccessPattern(window=wrong)


def test_threads_share_a_pattern(nano):
    pattern = ladle.AccessPattern()
    expected = [ak.sum(ladle.open(nano)[name]) for name in ("run", "Jet_pt", "Muon_pt")]
    wrong = []

    def work():
        for _ in range(10):
            events = ladle.open(nano, filter_name=COLUMNS, prefetch=pattern)
            if [ak.sum(events[name]) for name in ("run", "Jet_pt", "Muon_pt")] != expected:
                wrong.append(events)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rest()
    assert wrong == []
    assert len(pattern.order) == 5
    assert pattern.used + pattern.missed <= 40 * 5
    gc.collect()
    assert waiting() == 0
