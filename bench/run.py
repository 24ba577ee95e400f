#!/usr/bin/env python3
"""The benchmarks of ladle, side by side with the floor and the peers: what `./dev bench` runs.

Each benchmark prints a table of medians and ratios, and adds its figures to
``bench/out/bench.json``. Nothing else should be running: these are figures of whole processes on
the machine as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import demo
import make_nanoaod

HERE = Path(__file__).resolve().parent
FLOOR = HERE.parent / "build" / "bench" / "floor"


def make_data(events: int, codec: str = "zstd", *, rntuple: bool = False) -> Path:
    """Make (or find) the bench file of that many events, or its RNTuple twin; return its path."""
    path = HERE / "data" / f"nano_{events}_{codec}.root"
    demo.say(f"data: {path.name}")
    demo.run(
        *("make_nanoaod.py", str(path), "--events", str(events)),
        *("--codec", codec, "--counters", "shared"),
        *(["--rntuple"] if rntuple else []),
    )
    return path.with_name(f"{path.stem}_rntuple.root") if rntuple else path


def bench_floor(options: argparse.Namespace) -> dict[str, Any]:
    """All columns, one and two threads, against pread + decompress of the same pages."""
    figures: dict[str, Any] = {}
    print(f"{'':12} {'MB':>7} {'floor s':>8} {'1 thread':>9} {'2 threads':>9}   (x floor)")
    files = [(codec, codec, False) for codec in options.codecs]
    for name, codec, rntuple in [*files, ("rntuple zstd", "zstd", True)]:
        path = make_data(options.events, codec, rntuple=rntuple)
        command = [str(FLOOR), str(path), "--rounds", str(options.rounds), "--json"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(output)
        figures[name] = found
        print(
            f"{name:12} {found['disk_nbytes'] / 1e6:7.1f} {found['floor_s']:8.3f} "
            f"{found['one_thread_ratio']:9.2f} {found['two_threads_ratio']:9.2f}"
        )
    return figures


def bench_open(options: argparse.Namespace) -> dict[str, Any]:
    """Open a wide tree: milliseconds and bytes kept, with ladle and with uproot."""
    import uproot

    import ladle._core as core

    path = make_data(options.events)
    context = core.Context()
    milliseconds, kept, columns = [], 0, 0
    for _ in range(options.rounds):
        begin = time.perf_counter()
        table = core.File(context, str(path)).table("Events")
        milliseconds.append(1e3 * (time.perf_counter() - begin))
        memory = context.memory()
        kept = memory["total"] - memory["pool"]
        columns = table.n_columns
        del table
    peer = []
    for _ in range(options.rounds):
        begin = time.perf_counter()
        with uproot.open(path) as file:
            file["Events"].keys()
            peer.append(1e3 * (time.perf_counter() - begin))
    figures = {
        "columns": columns,
        "ladle_ms": statistics.median(milliseconds),
        "ladle_kept_nbytes": kept,
        "uproot_ms": statistics.median(peer),
    }
    print(
        f"{columns} columns: ladle {figures['ladle_ms']:.2f} ms and {kept / 1e6:.2f} MB kept, "
        f"uproot {figures['uproot_ms']:.0f} ms"
    )
    return figures


def bench_micro(options: argparse.Namespace) -> dict[str, Any]:
    """Run the micro-analysis through coffea + uproot with a dict, and through ladle."""
    path = make_data(options.micro_events)
    arguments = argparse.Namespace(repeat=options.rounds, entry_stop=None, cache=None)
    results = demo.run_readers(path, arguments)
    equal, differing = demo.compare_all()
    figures = demo.medians(results)
    print(f"{options.micro_events} events, {equal} histograms identical, {len(differing)} differ")
    print(demo.table(figures))
    if differing:
        raise demo.DemoError("histograms differ: " + ", ".join(differing[:5]))
    return dict(figures)


def bench_caches(options: argparse.Namespace) -> dict[str, Any]:
    """Set and get of every cache, beside its peers and the floor beneath it."""
    import caches

    return caches.run(options.rounds)


# The micro-analysis under every cache: reader and cache of micro_analysis.py; first the peers.
STRATEGIES = {
    "coffea + uproot, dict": ("uproot", "dict"),
    "coffea + uproot, Blosc": ("uproot", "peers.blosc"),
    "coffea + uproot, h5py": ("uproot", "peers.h5py_file"),
    "ladle, BufferCache": ("ladle", "ladle.BufferCache"),
    "ladle, CompressedBufferCache": ("ladle", "ladle.CompressedBufferCache"),
    "ladle, HDF5BufferCache": ("ladle", "ladle.HDF5BufferCache"),
    "ladle, TieredBufferCache": ("ladle", "ladle.TieredBufferCache"),
}


def bench_strategies(options: argparse.Namespace) -> dict[str, Any]:
    """Run the micro-analysis under coffea's caches and under ladle's."""
    path = options.file or make_data(options.micro_events)
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.strategy_rounds):
        for i, (name, (reader, cache)) in enumerate(STRATEGIES.items()):
            result = HERE / "out" / "strategy.json"
            histograms = HERE / "out" / f"strategy_{i}.npz"
            demo.run(
                *("micro_analysis.py", str(path), "--reader", reader, "--cache", cache),
                *("--json", str(result), "--histograms", str(histograms)),
            )
            if i == 0:
                reference = histograms
            equal, differing = demo.compare_histograms(reference, histograms)
            if differing:
                raise demo.DemoError(f"{name}: histograms differ: {', '.join(differing[:5])}")
            runs.setdefault(name, []).append(json.loads(result.read_text()))
            demo.say(f"  {name}: {runs[name][-1]['memory']['peak']:.0f} MB")
    figures: dict[str, Any] = {}
    print(f"{equal} histograms, identical under all strategies")
    print(f"{'':30} {'peak MB':>8} {'above import':>13} {'s':>6}")
    for name, results in runs.items():
        figures[name] = {
            "peak_MB": statistics.median(r["memory"]["peak"] for r in results),
            "above_import_MB": statistics.median(r["memory"]["peak_above_import"] for r in results),
            "seconds": statistics.median(r["seconds"]["open_and_analysis"] for r in results),
        }
        row = figures[name]
        print(
            f"{name:30} {row['peak_MB']:8.0f} {row['above_import_MB']:13.0f} {row['seconds']:6.2f}"
        )
    return figures


BENCHES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "floor": bench_floor,
    "open": bench_open,
    "micro": bench_micro,
    "caches": bench_caches,
    "strategies": bench_strategies,
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line; exit with status 2 when it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--events", type=int, default=200_000, help="of floor and open")
    parser.add_argument("--micro-events", type=int, default=1_000_000, help="of micro")
    parser.add_argument("--file", type=Path, help="of strategies, instead of a bench file")
    parser.add_argument("--strategy-rounds", type=int, default=3, help="runs of each strategy")
    parser.add_argument("--rounds", type=int, default=5, help="counted runs; medians are shown")
    parser.add_argument(
        "--codecs", nargs="+", default=["zstd"], choices=sorted(make_nanoaod.CODECS)
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)} (there are {', '.join(BENCHES)})")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that were named, or all. Return the exit status."""
    options = parse_arguments(arguments)
    output = HERE / "out" / "bench.json"
    output.parent.mkdir(exist_ok=True)
    figures = json.loads(output.read_text()) if output.exists() else {}
    try:
        for name in options.names or list(BENCHES):
            print(f"\n== {name}: {(BENCHES[name].__doc__ or '').splitlines()[0]}", flush=True)
            figures[name] = BENCHES[name](options)
            figures["machine"] = demo.describe_machine()
            output.write_text(json.dumps(figures, indent=1) + "\n")
    except (demo.DemoError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
