"""The ledger explains what ladle holds, and it is empty when everything is let go."""

import subprocess
import sys

import numpy as np
import pytest

import ladle
from tests.python.stepped import made_columns, write_tree

KINDS = ("resting", "leased", "compressed", "page_input", "scratch", "metadata", "pool")


def test_info_adds_up():
    cache = ladle.BufferCache()
    cache["a"] = np.arange(100_000)
    value = cache["a"]
    info = ladle.memory.info()
    assert sum(info[kind] for kind in KINDS) == info["total"] <= info["peak"]
    assert info["leased"] >= value.nbytes
    assert info["rss"] > value.nbytes
    assert info["peak_rss"] >= info["rss"] * 0.9
    text = repr(info)
    assert "leased" in text
    assert "in use by arrays" in text
    levels = sum(len(cache["levels"]) for cache in info["caches"])
    assert len(text.splitlines()) == len(info) - 1 + levels


def test_trim():
    cache = ladle.BufferCache()
    for index in range(20):
        cache[f"k{index}"] = np.arange(50_000)
    cache.clear()
    held = ladle.memory.info()["pool"]
    given_back = ladle.memory.trim()
    assert held > 8_000_000
    assert ladle.memory.info()["pool"] < 2_000_000  # free room in slabs that are in use
    assert given_back > 0.9 * held


def test_budget_of_the_process():
    ladle.memory.budget("200 MB")
    try:
        assert ladle.memory.info()["budget"] == 200_000_000
    finally:
        ladle.memory.budget(None)
    assert ladle.memory.info()["budget"] == 0
    with pytest.raises(ValueError, match="budget"):
        ladle.memory.budget(0)


SCRIPT = """
import gc, sys
import awkward as ak
import ladle
from ladle import _context
path, rounds = sys.argv[1], int(sys.argv[2])

def round_trip(cache):
    events = ladle.open(path, filter_name=["Jet_pt", "Jet_eta", "nJet*", "run"], cache=cache)
    ak.sum(events.Jet_pt), ak.sum(events.Jet_eta), ak.max(events.run)

def one_round():
    round_trip(None)
    with ladle.BufferCache("1 MB") as cache:
        round_trip(cache)

def settle():
    gc.collect()
    ladle.memory.trim()
    return ladle.memory.info()

for _ in range(50):
    one_round()
before = settle()
for _ in range(rounds):
    one_round()
after = settle()
_context.drop_readers()
empty = settle()
print(before["rss"], after["rss"], before["total"], after["total"], empty["leased"],
      empty["resting"], empty["total"])
"""


def test_rounds_of_open_read_close_leave_nothing(tmp_path):
    few_columns = write_tree(tmp_path / "few.root", made_columns())  # soon opened
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(few_columns), "1000"],
        capture_output=True,
        text=True,
        check=True,
    )
    rss, rss_after, total, total_after, leased, resting, empty = map(int, answer.stdout.split())
    assert rss_after - rss < 4_000_000
    assert total_after == total
    assert leased == resting == empty == 0
