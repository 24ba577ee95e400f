#!/usr/bin/env python3
"""Measure what holds the memory of uproot's loop down: ladle.memory.tame(), or another allocator.

    bench/tame.py FILE... [--step "20 MB"] [--rounds 3] [--no-preload] [--json OUT]

Each run iterates over all columns with uproot, in a process of its own; the ways take turns in each
round. A watch (0.1 s, the same for all) gives the mean of resident memory over time; the peak is
VmHWM, `end` is what is resident a second after the loop. Medians are printed, of times and faults
too. Allocators that Debian's packages put below /usr/lib are preloaded, those that are missing are
named. Files should be in the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

LOOP = """
import json, resource, sys, time
import numpy as np
import uproot
import ladle
how, path, step = sys.argv[1:4]

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

names = uproot.open(path).keys(cycle=False, filter_classname=["TTree", "ROOT::RNTuple"])
table = "Events" if "Events" in names else names[0]
tamed = ladle.memory.tame() if how == "tame()" else None
before, begin, used = status("VmRSS"), time.perf_counter(), resource.getrusage(0)
entries = 0
with ladle.memory.watch(0.1, probe=False) as watch:
    for array in uproot.iterate({path: table}, step_size=step):
        entries += len(array)
seconds, now = time.perf_counter() - begin, resource.getrusage(0)
del array
time.sleep(1)
samples = watch.samples
mean = np.trapezoid(samples["rss"], samples["time_s"]) / samples["time_s"][-1]
live = int(samples["live"].max())
print(json.dumps({
    "entries": entries, "import": before, "peak": status("VmHWM"), "mean": float(mean),
    "end": status("VmRSS"), "live": live, "seconds": seconds,
    "cpu": now.ru_utime - used.ru_utime + now.ru_stime - used.ru_stime,
    "faults": now.ru_minflt - used.ru_minflt, "verdict": watch.verdict.kind,
    "tame": tamed and tamed.figures,
}))
"""

PRELOADS = {
    "mimalloc": ("libmimalloc.so*", "libmimalloc2.0"),
    "jemalloc": ("libjemalloc.so*", "libjemalloc2"),
    "tcmalloc": ("libtcmalloc_minimal.so*", "libtcmalloc-minimal4"),
}


def find_ways(preload: bool) -> dict[str, dict[str, str]]:
    """Return the environment of each way to run the loop."""
    ways: dict[str, dict[str, str]] = {"plain": {}, "tame()": {}}
    for name, (pattern, package) in PRELOADS.items() if preload else ():
        found = sorted(Path("/usr/lib").glob(f"*/{pattern}"))
        if found:
            ways[name] = {"LD_PRELOAD": str(found[0])}
        else:
            print(f"{name} is not here: apt-get install {package}", file=sys.stderr)
    return ways


def run_loop(how: str, environment: dict[str, str], path: str, step: str) -> dict[str, Any]:
    """Iterate in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOOP, how, path, step],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{how} failed on {path}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(path: str, arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Run all ways in turn, as often as asked."""
    ways = find_ways(arguments.preload)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, environment in ways.items():
            runs[name].append(run_loop(name, environment, path, arguments.step))
    return runs


def print_table(path: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    """Print the medians of one file."""
    first = runs["plain"][0]
    print(f"{Path(path).name}: {first['entries']} entries, import {first['import'] / 1e6:.0f} MB")
    names = ("peak", "mean", "end", "live")
    print(
        f"  {'':<10}" + "".join(f"{name + ', MB':>10}" for name in names) + "  wall, s   CPU, s"
        "  1000 faults  verdict"
    )
    for how, found in runs.items():

        def middle(name: str, found: list[dict[str, Any]] = found) -> float:
            return statistics.median(run[name] for run in found)

        print(
            f"  {how:<10}"
            + "".join(f"{middle(name) / 1e6:>10.0f}" for name in names)
            + f"{middle('seconds'):>9.1f}{middle('cpu'):>9.1f}{middle('faults') / 1000:>13.0f}"
            + "  "
            + ", ".join(sorted({run["verdict"] for run in found}))
        )


def main() -> None:
    """Parse the call and run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--step", default="20 MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-preload", dest="preload", action="store_false")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    results = {}
    for path in arguments.files:
        results[path] = measure(path, arguments)
        print_table(path, results[path])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
