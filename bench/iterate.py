#!/usr/bin/env python3
"""Measure iteration over all columns in small steps: time and resident memory, ladle beside uproot.

    bench/iterate.py FILE... [--step "20 MB"] [--budgets "64 MB,default"] [--threads 1,2]
                     [--rounds 3] [--no-uproot] [--json OUT] [--figure OUT.svg] [--sweep OUT.svg]

Each run is a process of its own. The floor is `bench/floor`: pread and decompress all pages, on one
core. Medians are printed as ratios to it. Peaks are VmHWM; `import` is what is resident before the
loop. Files should be in the page cache: the floor, which comes first, brings them there.

`--sweep` scans the files with more and fewer events, columns, bytes of budget and threads, and
draws time and peak against each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

LOOP = """
import json, sys, time
from pathlib import Path
who, path, step, budget, threads = sys.argv[1:6]

def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024

if who == "ladle":
    import awkward, ladle
    ladle.iterate  # what the loop imports, before it is measured
    import ladle._iterate
    steps = lambda: ladle.iterate(
        path, step_size=step, budget=None if budget == "default" else budget, threads=int(threads)
    )
else:
    import uproot
    name = uproot.open(path).keys(cycle=False, filter_classname=["TTree", "ROOT::RNTuple"])
    table = "Events" if "Events" in name else name[0]
    steps = lambda: uproot.iterate({path: table}, step_size=step)
before = status("VmRSS")
begin = time.perf_counter()
curve = []
entries = 0
for array in steps():
    entries += len(array)
    curve.append(status("VmRSS"))
seconds = time.perf_counter() - begin
del array
print(json.dumps({
    "seconds": seconds, "entries": entries, "import": before, "peak": status("VmHWM"),
    "after": status("VmRSS"), "curve": curve,
}))
"""


def run_loop(who: str, path: str, step: str, budget: str, threads: int) -> dict[str, Any]:
    """Iterate in a process of its own."""
    command = [sys.executable, "-c", LOOP, who, path, step, budget, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{who} failed on {path}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_scan(
    path: str, step: str, budget: str, threads: int, *more: str, copies: int = 1
) -> dict[str, Any]:
    """Scan with the command line tool: the same without Python."""
    command = [ROOT / "build" / "bin" / "ladle", "scan", "--json", *[path] * copies]
    command += ["--step", step, "--threads", str(threads), *more]
    if budget != "default":
        command += ["--budget", budget]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return {
        "seconds": figures["seconds"],
        "entries": figures["entries"],
        "import": figures["rss_before"],
        "peak": figures["peak_rss"],
    }


def run_floor(path: str, rounds: int) -> dict[str, Any]:
    """Measure the floor, and ladle's reading without steps."""
    command = [ROOT / "build" / "bench" / "floor", path, "--rounds", str(rounds), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def median_run(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run of the median time, with the highest peak of all and all times."""
    middle = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
    return middle | {
        "seconds": statistics.median(run["seconds"] for run in runs),
        "peak": max(run["peak"] for run in runs),
        "all_seconds": [run["seconds"] for run in runs],
    }


def measure(path: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one file, all ways in turn in each round."""
    floor = run_floor(path, max(arguments.rounds, 3))
    ways: dict[str, list[dict[str, Any]]] = {}
    for _ in range(arguments.rounds):
        for budget in arguments.budgets.split(","):
            for threads in (int(each) for each in arguments.threads.split(",")):
                label = f"{budget}, {threads} threads"
                ways.setdefault(f"ladle scan, {label}", []).append(
                    run_scan(path, arguments.step, budget, threads)
                )
                ways.setdefault(f"ladle.iterate, {label}", []).append(
                    run_loop("ladle", path, arguments.step, budget, threads)
                )
    if arguments.uproot:
        ways["uproot.iterate"] = [run_loop("uproot", path, arguments.step, "", 1)]
    return {
        "file": Path(path).name,
        "floor_s": floor["floor_s"],
        "ways": {name: median_run(runs) for name, runs in ways.items()},
    }


def print_table(result: dict[str, Any]) -> None:
    """Print one file's figures."""
    print(f"{result['file']}: floor {result['floor_s']:.2f} s")
    print(f"  {'':<36} {'s':>7} {'x floor':>8} {'import':>8} {'peak':>8}  MB")
    for name, run in result["ways"].items():
        print(
            f"  {name:<36} {run['seconds']:7.2f} {run['seconds'] / result['floor_s']:8.2f} "
            f"{run['import'] / 1e6:8.0f} {run['peak'] / 1e6:8.0f}"
        )


def sweep(path: str, arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Scan a file with more and less of everything, one thing at a time."""
    show = [ROOT / "build" / "bin" / "ladle", "show", "--json", path]
    done = subprocess.run(show, capture_output=True, text=True, check=True)
    names = [column["name"] for column in json.loads(done.stdout)["columns"]]
    step, found = arguments.step, {}

    def runs(values: list[Any], run: Any) -> list[dict[str, Any]]:
        return [
            {"value": value} | median_run([run(value) for _ in range(arguments.rounds)])
            for value in values
        ]

    found["budget, MB"] = runs(
        [16, 32, 64, 128, 256, 512, 1024], lambda n: run_scan(path, step, f"{n} MB", 2)
    )
    found["threads"] = runs([1, 2], lambda n: run_scan(path, step, "64 MB", n))
    found["events, millions"] = runs(
        [1, 2, 5, 10], lambda n: run_scan(path, step, "64 MB", 2, copies=n)
    )
    counts = [n for n in (10, 30, 100, 300) if n < len(names)] + [len(names)]
    found["columns"] = runs(
        counts,
        lambda n: run_scan(
            path,
            step,
            "64 MB",
            2,
            *(word for name in names[:: len(names) // n][:n] for word in ("--columns", name)),
        ),
    )
    return found


def draw_sweeps(results: dict[str, dict[str, list[dict[str, Any]]]], out: str) -> None:
    """Draw time and peak against what was varied; events are those of the copies of a file."""
    plt = pyplot()
    panels = list(next(iter(results.values())))
    figure, axes = plt.subplots(2, len(panels), figsize=(2.6 * len(panels), 4.6), squeeze=False)
    for column, panel in enumerate(panels):
        for name, found in results.items():
            values = [run["value"] for run in found[panel]]
            if panel.startswith("events"):
                values = [run["entries"] / 1e6 for run in found[panel]]
            axes[0][column].plot(
                values, [run["seconds"] for run in found[panel]], "o-", ms=3, lw=1, label=name
            )
            axes[1][column].plot(
                values, [run["peak"] / 1e6 for run in found[panel]], "o-", ms=3, lw=1
            )
        for row in (0, 1):
            axes[row][column].set_ylim(bottom=0)
            if panel.startswith(("budget", "columns")):
                axes[row][column].set_xscale("log")
        if panel == "threads":
            axes[0][column].set_xticks(values)
            axes[1][column].set_xticks(values)
        axes[1][column].set_xlabel(panel)
    axes[0][0].set_ylabel("seconds")
    axes[1][0].set_ylabel("peak RSS, MB")
    axes[0][0].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def pyplot() -> Any:
    """Return matplotlib, set up for drawings that are the same for the same figures."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "ladle"
    from matplotlib import pyplot as plt

    return plt


def draw(results: list[dict[str, Any]], out: str) -> None:
    """Draw resident memory over the steps, one panel for each file."""
    plt = pyplot()
    figure, axes = plt.subplots(
        1, len(results), figsize=(5.2 * len(results), 3.4), squeeze=False, sharey=True
    )
    for axis, result in zip(axes[0], results, strict=True):
        for name, run in result["ways"].items():
            if "curve" not in run:
                continue
            share = [100 * (i + 1) / len(run["curve"]) for i in range(len(run["curve"]))]
            label = f"{name}: {run['seconds']:.1f} s"
            axis.plot(share, [nbytes / 1e6 for nbytes in run["curve"]], label=label, linewidth=1)
        axis.set_title(result["file"], fontsize=9)
        axis.set_xlabel("per cent of the steps")
        axis.legend(fontsize=6)
    axes[0][0].set_ylabel("resident memory, MB")
    axes[0][0].set_ylim(bottom=0)  # of all, once all curves are there
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    """Parse the call and run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--step", default="20 MB")
    parser.add_argument("--budgets", default="64 MB,default")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-uproot", dest="uproot", action="store_false")
    parser.add_argument("--json")
    parser.add_argument("--figure")
    parser.add_argument("--sweep")
    arguments = parser.parse_args()
    if arguments.sweep:
        sweeps = {Path(path).name: sweep(path, arguments) for path in arguments.files}
        draw_sweeps(sweeps, arguments.sweep)
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(sweeps, indent=1))
        return
    results = []
    for path in arguments.files:
        results.append(measure(path, arguments))
        print_table(results[-1])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))
    if arguments.figure:
        draw(results, arguments.figure)


if __name__ == "__main__":
    main()
