#!/usr/bin/env python3
"""The micro-analysis over chunks of a file: all in RAM, lazy, and lazy with learned prefetch.

What prefetch can win is the time between "lazy" and "in RAM", in which nothing is decoded. The
three take turns, and the median of several runs of each is printed, with its ratio to "in RAM".
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import micro_analysis

import ladle
from ladle.coffea import NanoEventsFactory


def run(options: argparse.Namespace, cache: Any, prefetch: ladle.AccessPattern | None) -> float:
    """Analyse all chunks, each opened before the one in front of it is analysed; return seconds."""
    start = time.perf_counter()
    borders = range(options.entry_start, options.entry_stop, options.chunk)

    def open_chunk(first: int) -> Any:
        return NanoEventsFactory.from_root(
            {str(options.file): options.tree},
            entry_start=first,
            entry_stop=min(first + options.chunk, options.entry_stop),
            buffer_cache=cache,
            prefetch=prefetch,
        ).events()

    following = open_chunk(borders[0])
    for first in borders:
        events, following = following, None
        if first != borders[-1]:
            following = open_chunk(first + options.chunk)
        micro_analysis.analyse(events)
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE.root")
    parser.add_argument("--tree", default="Events", help="default: %(default)s")
    parser.add_argument("--chunk", type=int, default=50_000, help="entries; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--window", type=int, default=16, help="buffers; default: %(default)s")
    parser.add_argument("--entry-start", type=int, default=0)
    parser.add_argument("--entry-stop", type=int)
    options = parser.parse_args(arguments)
    n_entries = len(ladle.open({options.file: options.tree}, filter_name=[]))
    options.entry_stop = min(options.entry_stop or n_entries, n_entries)
    warnings.filterwarnings("ignore", message="Missing cross-reference")
    warnings.filterwarnings("ignore", message="Branch .* already exists")

    warm = ladle.BufferCache()
    pattern = ladle.AccessPattern(window=options.window)
    ways = {"in RAM": (warm, None), "lazy": (None, None), "prefetch": (None, pattern)}
    for cache, prefetch in ways.values():
        run(options, cache, prefetch)  # fills the cache and the page cache, and learns
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, (cache, prefetch) in ways.items():
            seconds[name].append(run(options, cache, prefetch))
    floor = statistics.median(seconds["in RAM"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(
            f"{name:<9} {median:8.3f} s  {median / floor:6.3f} of in RAM  {min(values):8.3f} s best"
        )
    print(pattern)
    return 0


if __name__ == "__main__":
    sys.exit(main())
