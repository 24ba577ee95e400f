"""Memory is what a cache promises: nothing is left behind, a budget bounds the process."""

import subprocess
import sys

import pytest

from tests.python.caches import KINDS
from tests.thorough import FACTOR

ROUNDS = """
import gc, sys
import numpy as np
import ladle
from tests.python.caches import make_cache

kind = sys.argv[1]
generator = np.random.default_rng(1)
values = [generator.integers(0, 100, 3000).reshape(-1, 10) for _ in range(10)]

def one_round(number):
    with make_cache(kind, 60_000 if number % 2 else None) as cache:
        for index, value in enumerate(values):
            cache[f"k{index}"] = value
            cache[f"k{index}"] = value[: index + 1]
        kept = [cache.get(f"k{index}") for index in range(10)]
        cache.pop("k3", None), cache.info(), repr(cache), list(cache.values())
        cache["large"] = np.zeros(100_000)

def settle():
    gc.collect()
    ladle.memory.trim()
    return ladle.memory.info()

for number in range(100):
    one_round(number)
before = settle()
for number in range(1000):
    one_round(number)
after = settle()
print(after["rss"] - before["rss"], after["total"] - before["total"], after["leased"],
      after["resting"], after["compressed"], len(after["caches"]))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_rounds_leave_nothing(kind):
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS, kind], capture_output=True, text=True, check=True
    )
    rss, total, leased, resting, compressed, caches = map(int, done.stdout.split())
    assert rss < 4_000_000
    assert total == leased == resting == compressed == caches == 0


# What is in use counts beside the budget: each thread has one array and makes room for the next.
PROMISE = """
import sys, threading
import numpy as np
import ladle

kind = sys.argv[1]
MB = 1_000_000
budget = 64 * MB
if kind == "tiered":
    cache = ladle.TieredBufferCache(raw=24 * MB, compressed=40 * MB, disk="1 GB")
elif kind == "hdf5":
    cache = ladle.HDF5BufferCache(budget=budget)
elif kind == "compressed":
    cache = ladle.CompressedBufferCache(budget)
else:
    cache = ladle.BufferCache(budget)
n_puts, n_gets, nbytes = int(sys.argv[2]), int(sys.argv[3]), 10 * MB
value = np.random.default_rng(1).integers(0, 1000, nbytes // 8)
cache["warm up"] = value[:100_000]
cache["warm up"]
cache.clear()

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

start = rss()
highest = [0] * 9
for index in range(n_puts):
    value[0] = index
    cache[f"k{index}"] = value
    highest[8] = max(highest[8], rss())
failures = []

def get(thread):
    generator = np.random.default_rng(thread)
    keys = list(cache)
    for _ in range(n_gets):
        key = keys[generator.integers(len(keys))]
        found = cache.get(key)
        highest[thread] = max(highest[thread], rss())
        if found is not None and (found[0] != int(key[1:]) or len(found) != nbytes // 8):
            failures.append(key)
        del found

threads = [threading.Thread(target=get, args=(thread,)) for thread in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
info = ladle.memory.info()
print(max(highest) - start, budget, 8 * nbytes, cache.stats()["hits"], len(failures),
      highest[8] - start)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_bounds_the_process(kind):
    done = subprocess.run(
        [sys.executable, "-c", PROMISE, kind, str(200 * FACTOR), "50"],
        capture_output=True,
        text=True,
        check=True,
    )
    grown, budget, leases, hits, failures, grown_by_puts = map(int, done.stdout.split())
    assert failures == 0
    assert hits >= 100
    assert grown_by_puts <= budget + 16 * 2**20
    assert grown <= budget + leases + 16 * 2**20
