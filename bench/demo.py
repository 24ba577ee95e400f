#!/usr/bin/env python3
"""Run one analysis through coffea + uproot and through ladle, and show memory and time of each.

Makes a NanoAOD file, runs `micro_analysis.py` in a fresh process per reader, insists that the
histograms are identical, and writes a table, `demo.json` and `demo.png`. Exit status: 0 fine, 1 the
histograms differ or a run failed, 2 the call is at fault.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
OUTPUT = HERE / "out"
# Who is compared: each a reader of `micro_analysis.py` with a cache; the first one is the peer.
LABELS = {"uproot": "coffea + uproot", "ladle": "ladle", "budget": "ladle, 128 MB"}
SETUPS = {
    "uproot": ("--reader", "uproot", "--cache", "dict"),
    "ladle": ("--reader", "ladle", "--cache", "ladle.BufferCache"),
    "budget": ("--reader", "ladle", "--cache", "ladle.BufferCache:budget='128 MB'"),
}
COLORS = {"uproot": "#8c8c8c", "ladle": "#d95f02", "budget": "#7570b3"}

# What the table shows: label, path into the result of a run, unit, decimals.
ROWS = (
    ("peak RSS", ("memory", "peak"), "MB", 0),
    ("peak RSS above import", ("memory", "peak_above_import"), "MB", 0),
    ("time, open + analysis", ("seconds", "open_and_analysis"), "s", 2),
    ("  open", ("seconds", "open"), "s", 2),
    ("  analysis", ("seconds", "analysis"), "s", 2),
)

# What the plot shows of the physics: histogram, title, axis label.
DISTRIBUTIONS = (
    ("n_jets", "Jet multiplicity", "number of selected jets"),
    ("ht", "HT of the selected jets", "HT [GeV]"),
    ("dimuon_mass", "Opposite-charge muon pairs", "dimuon mass [GeV]"),
)


class DemoError(RuntimeError):
    """A step of the demo failed; the message is for the user."""


def say(text: str) -> None:
    """Print progress, at once, where it does not disturb the table."""
    print(text, file=sys.stderr, flush=True)


def run(script: str, *arguments: str) -> None:
    """Run a script of this folder in a process of its own, its standard output discarded.

    Raises
    ------
    DemoError
        If it does not end well.
    """
    command = [sys.executable, os.fspath(HERE / script), *arguments]
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        raise DemoError(f"{script} {' '.join(arguments)}: exit status {status}")


def make_file(options: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Make the file to analyse, unless it is there, and return it with its stamp."""
    path = DATA / f"nano_{options.events}.root"
    arguments = [os.fspath(path), "--events", str(options.events), "--counters", "shared"]
    arguments += ["--codec", options.codec]
    if options.template:
        arguments += ["--template", os.fspath(options.template)]
    say(f"making {path.name}: {options.events:,} events, all columns of the template")
    run("make_nanoaod.py", *arguments)
    stamp = json.loads(path.with_name(path.name + ".json").read_text())
    say(f"  {stamp['columns']} columns, {stamp['bytes'] / 1e6:.0f} MB, {options.codec}")
    return path, stamp


def run_readers(path: Path, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Analyse `path` with each setup `options.repeat` times, in turn, each in a fresh process.

    Returns
    -------
    dict of str to list of dict
        Per setup, what `micro_analysis.py` reported.
    """
    results: dict[str, list[dict[str, Any]]] = {reader: [] for reader in LABELS}
    for turn in range(options.repeat):
        for reader in LABELS:
            say(f"analysing with {LABELS[reader]} ({turn + 1} of {options.repeat})")
            report = OUTPUT / f"demo_{reader}.json"
            run(
                "micro_analysis.py",
                os.fspath(path),
                *SETUPS[reader],
                *("--json", os.fspath(report)),
                *("--histograms", os.fspath(histogram_file(reader))),
            )
            results[reader].append(json.loads(report.read_text()))
            report.unlink()
    return results


def histogram_file(reader: str) -> Path:
    """Return where the histograms of `reader` are kept."""
    return OUTPUT / f"demo_{reader}.npz"


def compare_all() -> tuple[int, list[str]]:
    """Compare the histograms of every setup with the peer's; see `compare_histograms`."""
    peer, *others = (histogram_file(reader) for reader in LABELS)
    answers = [compare_histograms(peer, other) for other in others]
    return answers[0][0], sorted({name for _, different in answers for name in different})


def compare_histograms(left: Path, right: Path) -> tuple[int, list[str]]:
    """Compare two files of histograms bin by bin.

    Returns
    -------
    int
        How many histograms there are.
    list of str
        Names of those that one side lacks or that differ in counts or edges.
    """
    import numpy as np

    different = []
    with np.load(left) as first, np.load(right) as second:
        names = list(dict.fromkeys([*first.files, *second.files]))
        for name in names:
            in_both = name in first and name in second
            if not in_both or not np.array_equal(first[name], second[name]):
                different.append(name)
    histograms = {name.rsplit(":", 1)[0] for name in names}
    return len(histograms), sorted({name.rsplit(":", 1)[0] for name in different})


def medians(results: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the medians of every time and memory figure over the runs, per reader."""
    return {
        reader: {
            kind: {
                name: round(statistics.median(run[kind][name] for run in runs), 3)
                for name in runs[0][kind]
            }
            for kind in ("seconds", "memory")
        }
        for reader, runs in results.items()
    }


def table(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the figures side by side, with each one as a fraction of the peer's."""
    peer, *others = LABELS
    lines = [
        f"{'':<24}{LABELS[peer]:>17}" + "".join(f"{LABELS[o]:>16}{'ratio':>7}" for o in others)
    ]
    for label, (kind, name), unit, decimals in ROWS:
        values = {reader: figures[reader][kind][name] for reader in LABELS}
        line = f"{label:<24}{f'{values[peer]:,.{decimals}f} {unit}':>17}"
        for other in others:
            line += (
                f"{f'{values[other]:,.{decimals}f} {unit}':>16}{values[other] / values[peer]:>7.2f}"
            )
        lines.append(line)
    return "\n".join(lines)


def plot(
    figures: dict[str, dict[str, dict[str, float]]], headline: str, note: str, path: Path
) -> None:
    """Draw three distributions as both readers give them, and their memory and time."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.ticker import EngFormatter

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(13, 7.6), layout="constrained")
    figure.suptitle(headline, fontsize=13)
    figure.supxlabel(note, fontsize=8.5, color="#555555")
    grid = figure.add_gridspec(2, 6, height_ratios=(1.25, 1))
    for index, (name, title, label) in enumerate(DISTRIBUTIONS):
        axis = figure.add_subplot(grid[0, 2 * index : 2 * index + 2])
        for reader in LABELS:
            with np.load(histogram_file(reader)) as arrays:
                counts, edges = arrays[f"{name}:counts"][1:-1], arrays[f"{name}:edges"]
            # One filled, the other a line on top of it: identical distributions stay both visible.
            filled = reader == "uproot"
            axis.stairs(
                counts,
                edges,
                fill=filled,
                alpha=0.45 if filled else 1.0,
                linewidth=1.4,
                linestyle=":" if reader == "budget" else "-",
                color=COLORS[reader],
                label=LABELS[reader],
            )
        width = edges[1] - edges[0]
        per = "events" if name == "n_jets" else f"entries / {width:g} GeV"
        axis.set(title=title, xlabel=label, ylabel=per, xlim=(edges[0], edges[-1]))
        axis.set_ylim(bottom=0)
        axis.yaxis.set_major_formatter(EngFormatter(sep=""))
        if index == 0:
            axis.legend(frameon=False)
    draw_bars(figure.add_subplot(grid[1, :3]), figures, "memory", "Peak resident memory", "MB")
    draw_bars(figure.add_subplot(grid[1, 3:]), figures, "seconds", "Time to open and analyse", "s")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_bars(
    axis: Any, figures: dict[str, dict[str, dict[str, float]]], kind: str, title: str, unit: str
) -> None:
    """Draw one horizontal bar per reader, split where the split says something."""
    parts = {
        "memory": (("after_import", "Python and imports"), ("peak_above_import", "analysis")),
        "seconds": (("open", "open"), ("analysis", "analysis")),
    }[kind]
    decimals = 0 if kind == "memory" else 2
    readers = list(LABELS)
    totals = dict.fromkeys(readers, 0.0)
    for index, (name, label) in enumerate(parts):
        values = [figures[reader][kind][name] for reader in readers]
        axis.barh(
            [LABELS[reader] for reader in readers],
            values,
            left=[totals[reader] for reader in readers],
            height=0.55,
            color=[COLORS[reader] for reader in readers],
            alpha=(0.45, 1.0)[index],
            edgecolor="white",
        )
        for position, (reader, value) in enumerate(zip(readers, values, strict=True)):
            if value > 0.12 * max(
                figures[reader][kind][name] for reader in readers for name, _ in parts
            ):
                axis.text(
                    totals[reader] + value / 2,
                    position,
                    f"{label}\n{value:,.{decimals}f}",
                    ha="center",
                    va="center",
                    fontsize=9,
                )
            totals[reader] += value
    largest = max(totals.values())
    for position, reader in enumerate(readers):
        text = f" {totals[reader]:,.{decimals}f} {unit}"
        if position > 0:
            text += f"  ({totals[reader] / totals[readers[0]]:.2f} x)"
        axis.text(totals[reader], position, text, va="center", fontweight="bold")
    axis.set(title=title, xlabel=unit, xlim=(0, 1.25 * largest))
    axis.invert_yaxis()


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    from importlib.metadata import PackageNotFoundError, version

    versions: dict[str, str | None] = {}
    for name in ("ladle", "coffea", "uproot", "awkward", "hist", "numpy", "root"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": versions,
    }


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--events", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--repeat", type=int, default=1, help="runs per reader; shows medians")
    parser.add_argument(
        "--template", type=Path, help="NanoAOD sample to draw events from; default: coffea's"
    )
    parser.add_argument("--codec", default="zstd", help="of the file; default: %(default)s")
    options = parser.parse_args(arguments)
    if options.events < 1 or options.repeat < 1:
        parser.error("--events and --repeat must be at least 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the demo."""
    options = parse_arguments(arguments)
    started = time.perf_counter()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    try:
        path, stamp = make_file(options)
        results = run_readers(path, options)
    except DemoError as error:
        say(f"demo: {error}")
        return 1
    count, different = compare_all()
    figures = medians(results)
    report = {
        "file": {key: stamp[key] for key in ("file", "bytes", "columns", "parameters")},
        "machine": describe_machine(),
        "medians": figures,
        "runs": results,
        "histograms": {"compared": count, "different": different},
    }
    (OUTPUT / "demo.json").write_text(json.dumps(report, indent=1) + "\n")
    columns = results["uproot"][0]["columns"]
    headline = (
        f"{options.events:,} events, {stamp['bytes'] / 1e6:,.0f} MB: {columns} of "
        f"{stamp['columns']:,} columns analysed"
    )
    template = Path(stamp["parameters"]["template"]).name
    note = (
        f"events drawn from {stamp['template_events']} of {template}"
        " and smeared: the spikes are its events; memory and time as measured inside each process"
    )
    plot(figures, headline, note, OUTPUT / "demo.png")
    print(f"\n{headline}" + (f", medians of {options.repeat}" if options.repeat > 1 else ""))
    print(table(figures))
    print(f"\nplot: {OUTPUT / 'demo.png'}\nall figures: {OUTPUT / 'demo.json'}")
    say(f"the demo took {time.perf_counter() - started:.0f} s")
    if different:
        print(f"{len(different)} of {count} histograms differ: {', '.join(different[:8])}")
        return 1
    print(f"all {count} histograms are identical")
    return 0


if __name__ == "__main__":
    sys.exit(main())
