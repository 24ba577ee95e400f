"""cache_strategy: one cache for each process, whoever asks."""

import itertools
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import cloudpickle
import coffea.processor
import numpy as np
import pytest
from coffea.nanoevents import NanoAODSchema
from coffea.processor import FuturesExecutor, IterativeExecutor

import ladle
import ladle.coffea
from ladle.coffea import cache_strategy
from tests.python.caches import CLASSES, KINDS
from tests.python.test_core import run_in_child

OPTIONS = {
    "raw": {"budget": "10 MB"},
    "compressed": {"budget": "10 MB", "codec": "lz4"},
    "hdf5": {"budget": "10 MB", "hot": "1 MB"},
    "tiered": {"raw": "1 MB", "compressed": "2 MB", "disk": "10 MB"},
}
ALL = pytest.mark.parametrize("kind", KINDS)


@ALL
def test_the_same_for_equal_configurations(kind):
    strategy = cache_strategy(kind, **OPTIONS[kind])
    cache = strategy()
    assert type(cache) is CLASSES[kind]
    for other in (
        strategy,
        cache_strategy(kind, **dict(reversed(OPTIONS[kind].items()))),
        pickle.loads(pickle.dumps(strategy)),
        cloudpickle.loads(cloudpickle.dumps(strategy)),
    ):
        assert other == strategy
        assert other() is cache
    assert kind in repr(strategy)
    cache.close()
    again = strategy()
    assert again is not cache
    assert not again.closed
    assert cache_strategy("raw", budget="11 MB")() is not cache_strategy("raw", budget="12 MB")()


def test_threads_get_one():
    strategy = cache_strategy("compressed", budget="77 MB")
    barrier = threading.Barrier(8)
    found = []

    def ask():
        barrier.wait()
        found.append(strategy())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(cache) for cache in found}) == 1


@ALL
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_makes_its_own(kind):
    strategy = cache_strategy(kind, **OPTIONS[kind])
    cache = strategy()
    cache["a"] = np.arange(3)

    def child():
        own = strategy()
        assert own is not cache
        assert "a" not in own
        own["b"] = np.arange(4)
        assert own["b"].shape == (4,)
        assert strategy() is own
        return b"fine"

    assert run_in_child(child) == b"fine"
    assert "a" in cache
    assert strategy() is cache


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("disk", {}, ValueError),
        (None, {}, ValueError),
        ("raw", {"codec": "zstd"}, TypeError),
        ("tiered", {"budget": "1 GB"}, TypeError),
        ("raw", {"budget": "much"}, ValueError),
        ("hdf5", {"hot": 1.5}, TypeError),
        ("hdf5", {"path": "x.h5"}, ValueError),
    ],
)
def test_wrong_arguments_are_wrong_where_they_are_given(kind, options, error):
    with pytest.raises(error):
        cache_strategy(kind, **options)


def test_a_folder_may_be_a_path(tmp_path):
    strategy = cache_strategy("hdf5", dir=tmp_path)
    assert strategy == cache_strategy("hdf5", dir=str(tmp_path))
    assert pickle.loads(pickle.dumps(strategy))().info()["levels"][-1]["path"] == str(tmp_path)


def test_it_is_closed_at_exit():
    script = (
        "import atexit, numpy, ladle.coffea\n"
        "cache = ladle.coffea.cache_strategy('tiered')()\n"
        "cache['a'] = numpy.arange(3)\n"
        "import ladle.coffea._strategy as strategy\n"
        "atexit.unregister(strategy._close_all)\n"
        "atexit.register(lambda: print(cache.closed))\n"
        "atexit.register(strategy._close_all)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def process(events):
    factory = events.attrs["@events_factory"]
    cache = factory.buffer_cache
    total = float(np.sum(events.Jet.pt))
    return {
        "sum": total,
        "caches": {(os.getpid(), id(cache), type(cache).__name__)},
        "entries": len(cache) > 0,
    }


RUNNERS = {
    "iterative": (coffea.processor.Runner, IterativeExecutor(status=False)),
    "futures": (ladle.coffea.Runner, FuturesExecutor(workers=2, status=False)),
    "iterative, ladle's": (ladle.coffea.Runner, IterativeExecutor(status=False)),
    "futures, coffea's": (coffea.processor.Runner, FuturesExecutor(workers=2, status=False)),
}


@pytest.mark.parametrize(
    ("how", "kind"),
    # All kinds are made by one function: the other two runs need not repeat them.
    [*itertools.product(list(RUNNERS)[:2], KINDS), *((how, "tiered") for how in list(RUNNERS)[2:])],
)
def test_in_a_runner(slim, how, kind):
    runner, executor = RUNNERS[how]
    run = runner(
        executor=executor,
        schema=NanoAODSchema,
        chunksize=10,
        cachestrategy=cache_strategy(kind, **OPTIONS[kind]),
    )
    files = {"dy": {"files": {slim("nano_dy.root"): "Events"}, "metadata": {}}}
    result = run(files, processor_instance=process)
    assert result["sum"] > 0
    assert {name for _, _, name in result["caches"]} == {CLASSES[kind].__name__}
    # four chunks, and no more caches than processes
    assert len(result["caches"]) == len({process for process, _, _ in result["caches"]}) <= 2


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_make_processes(method):
    strategy = cache_strategy("hdf5", budget="3 MB")
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        assert pool.apply(_class_of, (strategy,)) == "HDF5BufferCache"


def _class_of(strategy):
    cache = strategy()
    cache["a"] = np.arange(3)
    return type(cache).__name__
