"""Reports as `ladle doctor --json` prints them, made up: what the report page is looked at with.

``python -m tests.doctor.pages FOLDER`` writes them all as FOLDER/NAME.json; with --pages also as
FOLDER/NAME.html.
"""

import argparse
import json
import math
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.doctor.words import SHARES

Report = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
MB = 1_000_000
PLATFORM = {
    "system": "Linux 6.1.0 x86_64",
    "libc": "glibc 2.36",
    "processors": 8,
    "page_nbytes": 4096,
    "memory_nbytes": 33_554_432_000,
}
LIMITS = [16] + [(2**k * (4 + step)) // 4 for k in range(4, 35) for step in (1, 2, 3, 4)]


def split_of(times: list[float], **columns: list[float]) -> dict[str, list[float]]:
    """The split with RSS as the sum of its shares; ``free_pinned`` stands for ``free, pinned``."""
    given = {
        name: columns.get(name.replace(", ", "_").replace(" ", "_"), [0] * len(times))
        for name in SHARES
    }
    shares = {name: [round(value) for value in values] for name, values in given.items()}
    rss = [sum(values) for values in zip(*shares.values(), strict=True)]
    return {"time_s": [round(time, 4) for time in times], "rss": rss, **shares}


def process_of(split: dict[str, list[float]], pid: int = 4242, **other: Any) -> Report:
    """One process with what can be told from its split, and ``other``."""
    has = bool(split["time_s"])
    return {
        "pid": pid,
        "parent": 4000,
        "command": "python analysis.py",
        "allocator": "glibc",
        "metered": True,
        "why_not": None,
        "verdict": "no growth",
        "sentence": "After the first 2 s resident memory stays at 120 MB.",
        "cure": "",
        "start_s": 0.0,
        "end": "exited 0",
        "peak_rss": max(split["rss"]) if has else 0,
        "final_rss": split["rss"][-1] if has else 0,
        "peak_live": max(split["live"]) if has else 0,
        "final_live": split["live"][-1] if has else 0,
        "garbage": None,
        "trimmed": None,
        "leak_rate": 0.0,
        "split": split,
        "size_classes": [],
        "stacks": None,
        "map": None,
        **other,
    }


def report_of(process: Report, *others: Report, **other: Any) -> Report:
    """The report of a command whose own process is the first."""
    return {
        "verdict": process["verdict"],
        "sentence": process["sentence"],
        "cure": process["cure"],
        "status": 0,
        "command": process["command"].split(),
        "seconds": max([each["split"]["time_s"][-1:] or [0] for each in (process, *others)])[0],
        "peak_rss": sum(each["peak_rss"] for each in (process, *others)),
        "final_rss": sum(each["final_rss"] for each in (process, *others)),
        "platform": PLATFORM,
        "decides": 0,
        "processes": [process, *others],
        "trial": [],
        "plain": None,
        "advice": None,
        **other,
    }


def classes_of(sizes: dict[int, tuple[float, float]]) -> list[Report]:
    """Size classes: the least limit that holds each size, its bytes and how they grew."""
    rows = []
    for size, (nbytes, growth) in sizes.items():
        limit = next(limit for limit in LIMITS if limit >= size)
        rows.append(
            {
                "limit": limit,
                "nbytes": int(nbytes),
                "blocks": max(1, int(nbytes / size)),
                "growth": int(growth),
            }
        )
    return rows


# --- a wide NanoAOD in steps: 1162 MB resident, 416 live, 652 free in the allocator --------------


def uproot_split() -> dict[str, list[float]]:
    """A step is read, worked on and let go of every two seconds; holes stay."""
    choice = random.Random(7)
    times = [0.05 * i for i in range(1240)]
    live, pinned, returnable, python, file_pages, rounding = [], [], [], [], [], []
    for time in times:
        start = min(1.0, time / 4)
        phase = (time % 2.1) / 2.1
        in_use = start * (150 + 266 * min(1.0, phase * 1.7) * (0.9 + 0.1 * math.sin(time / 5)))
        in_use *= 0.99 + 0.01 * choice.random()
        heap = start * (560 + 508 * (1 - math.exp(-time / 14)))
        free = max(0.0, heap - in_use)
        live.append(in_use * MB)
        pinned.append(free * 0.47 * MB)
        returnable.append(free * 0.53 * MB)
        rounding.append(11 * MB * start)
        python.append((12 + 25 * start) * MB)
        file_pages.append((20 + 35 * min(1.0, time)) * MB)
    split = split_of(
        times,
        live=live,
        rounding=rounding,
        free_pinned=pinned,
        free_returnable=returnable,
        Python_arenas=python,
        file_pages=file_pages,
        rest=[9 * MB] * len(times),
    )
    return exact_peak(split)


def exact_peak(split: dict[str, list[float]]) -> dict[str, list[float]]:
    """Give one sample near the end the figures of the measurement."""
    at = int(0.83 * len(split["rss"]))
    most = 1130 * MB
    for name in ("free, pinned", "free, returnable"):
        for i, rss in enumerate(split["rss"]):
            if rss > most:
                split[name][i] -= (rss - most + 1) // 2
    split["rss"] = [sum(values) for values in zip(*(split[name] for name in SHARES), strict=True)]
    figures = [416, 0, 12, 340, 312, 33, 40, 9]
    for name, value in zip(SHARES, figures, strict=True):
        split[name][at] = value * MB
    split["rss"][at] = 1162 * MB
    return split


def trial_row(allocator: str, *figures: tuple[float, float, float], **other: Any) -> Report:
    """Seconds, then peak RSS, RSS at the end, live and dead in MB: (median, spread, spread)."""
    names = ["seconds", "peak_rss", "final_rss", "live", "dead"]
    row: Report = {
        "allocator": allocator,
        "available": True,
        "in_force": True,
        "package": None,
        "why_not": None,
        "environment": {},
        "runs": [],
    }
    for name, (low, median, high) in zip(names, figures, strict=True):
        scale = 1 if name == "seconds" else MB
        row[name] = [low * scale, median * scale, high * scale]
    for k in range(3):
        run = {name: row[name][k] for name in names}
        row["runs"].append({"status": 0, "same_result": True, **run})
    return {**row, **other}


def trial() -> list[Report]:
    """Five allocators, one of them not installed."""
    tuned = {
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "131072",
        "MALLOC_TRIM_THRESHOLD_": "131072",
    }
    mimalloc = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2"}
    tcmalloc = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4"}
    return [
        trial_row(
            "glibc",
            (60.8, 61.9, 63.0),
            (1140, 1162, 1181),
            (985, 1003, 1010),
            (414, 416, 418),
            (638, 652, 671),
        ),
        trial_row(
            "glibc-tuned",
            (63.9, 64.4, 66.8),
            (702, 731, 760),
            (410, 431, 445),
            (414, 416, 419),
            (205, 221, 260),
            environment=tuned,
        ),
        trial_row(
            "mimalloc",
            (57.9, 58.8, 59.3),
            (1204, 1240, 1310),
            (1100, 1130, 1190),
            (415, 416, 417),
            (690, 730, 800),
            environment=mimalloc,
        ),
        {
            "allocator": "jemalloc",
            "available": False,
            "in_force": False,
            "package": "libjemalloc2",
            "why_not": "libjemalloc.so.2 was not found",
            "environment": {},
            "runs": [],
            "seconds": None,
            "peak_rss": None,
            "final_rss": None,
            "live": None,
            "dead": None,
        },
        trial_row(
            "tcmalloc",
            (58.0, 59.1, 59.9),
            (905, 922, 951),
            (850, 861, 880),
            (415, 417, 418),
            (402, 418, 431),
            environment=tcmalloc,
        ),
    ]


def fragmentation() -> Report:
    """The uproot loop with a trial of five."""
    split = uproot_split()
    sizes = {
        24: (8.1 * MB, 0.1 * MB),
        48: (11.3 * MB, 0.2 * MB),
        96: (6.9 * MB, 0),
        200: (3.2 * MB, -0.3 * MB),
        500: (2.1 * MB, 0),
        1000: (1.9 * MB, 0),
        4000: (14.2 * MB, 0.5 * MB),
        16000: (31 * MB, -2.5 * MB),
        33000: (44 * MB, 0),
        66000: (61 * MB, 1.2 * MB),
        150000: (83 * MB, 2.0 * MB),
        270000: (54 * MB, -6 * MB),
        530000: (37 * MB, 0),
        2_200_000: (41 * MB, 0),
        9_000_000: (16 * MB, 0),
    }
    process = process_of(
        split,
        command="python iterate.py nano_wide.root",
        verdict="fragmentation",
        sentence="The heap grew to 1068 MB although never more than 416 MB were live: at the peak "
        "652 MB (56 % of 1162 MB) were free inside the allocator, 312 MB of them in holes that no "
        "trim returns.",
        cure="Call ladle.memory.tame() before the loop, or run with glibc-tuned, which needs "
        "731 MB here.",
        peak_live=416 * MB,
        garbage=0,
        trimmed=500 * MB,
        size_classes=classes_of(sizes),
    )
    advice = {
        "allocator": "glibc-tuned",
        "sentence": "Use glibc with these limits: the peak falls from 1162 MB to 731 MB (by 37 %) "
        "for 4 % more time. mimalloc is no cure here: its peak is 7 % higher.",
        "environment": {
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_MMAP_THRESHOLD_": "131072",
            "MALLOC_TRIM_THRESHOLD_": "131072",
        },
        "cost": "With the meter the command takes 61.90 s, without it 61.20 s in one run (+1 %); "
        "peak RSS 1162.0 and 1160.4 MB.",
        "caution": "",
    }
    return report_of(process, trial=trial(), advice=advice)


# --- other causes --------------------------------------------------------------------------------


def leak() -> Report:
    """A steady leak with stacks; killed from outside."""
    choice = random.Random(3)
    times = [0.5 * i for i in range(400)]
    live = [(60 + 1.9 * time + 25 * choice.random()) * MB for time in times]
    split = split_of(
        times,
        live=live,
        rounding=[0.06 * value for value in live],
        free_pinned=[(6 + 0.02 * time) * MB for time in times],
        free_returnable=[(9 + 4 * choice.random()) * MB for _ in times],
        file_pages=[14 * MB] * len(times),
        rest=[3 * MB] * len(times),
    )
    stacks = [
        {
            "nbytes": 312 * MB,
            "blocks": 2_437_500,
            "growth": 190 * MB,
            "frames": [
                "operator new(unsigned long) (libstdc++.so.6)",
                "std::vector<Hit, std::allocator<Hit> >::_M_realloc_insert<Hit const&> (reco)",
                "Track::addHit(Hit const&) (reco)",
                "Reconstruction::fit(Event const&, std::map<std::string, double> const&) (reco)",
                "main (reco)",
                "__libc_start_main (libc.so.6)",
            ],
        },
        {
            "nbytes": 41 * MB,
            "blocks": 12,
            "frames": ["mmap_events (libio.so)", "Reader::open (reco)", "main (reco)"],
        },
        {
            "nbytes": 3 * MB,
            "blocks": 46_875,
            "frames": [
                "strdup (libc.so.6)",
                "_PyObject_Malloc (libpython3.11.so.1.0)",
                "0x55d0c1a2b3f0 (reco)",
            ],
        },
        {"nbytes": 2 * MB, "blocks": 3, "frames": []},
    ]
    sizes = {
        128: (318 * MB, 188 * MB),
        64: (9 * MB, 0.3 * MB),
        4_000_000: (41 * MB, 0),
        1000: (4 * MB, 2.5 * MB),
    }
    process = process_of(
        split,
        command="./reco --events 1000000 input.root",
        verdict="leak",
        sentence="What is live grows by 1.90 MB a second to the end and never levels off; blocks "
        "of up to 128 bytes make 98 % of the growth.",
        cure="Look at the first stack below: 312 MB of Track::addHit are still live.",
        end="killed by SIGKILL",
        leak_rate=1.9e6,
        size_classes=classes_of(sizes),
        stacks=stacks,
    )
    return report_of(process, status=137)


def worker_split(
    choice: random.Random, seconds: float, size: float, start: float = 0
) -> dict[str, list[float]]:
    times = [start + seconds * i / 60 for i in range(61)]
    live = [size * min(1, i / 20) * (0.9 + 0.1 * choice.random()) for i in range(61)]
    return split_of(
        times,
        live=live,
        rounding=[0.04 * value for value in live],
        free_pinned=[0.2 * value for value in live],
        Python_arenas=[20 * MB] * 61,
        file_pages=[30 * MB] * 61,
        rest=[4 * MB] * 61,
    )


def many(count: int = 200) -> Report:
    """A cluster's start script and its workers, one of them not metered."""
    choice = random.Random(11)
    parent = process_of(
        worker_split(choice, 120, 45 * MB),
        pid=1000,
        command="python cluster.py --workers 199",
        verdict="no growth",
        sentence="After the first 20 s resident memory stays at 110 MB.",
    )
    verdicts = ["no growth", "levels off", "retention", "fragmentation", "not enough evidence"]
    starts = [10 * choice.random() for _ in range(count - 1)]
    others = [
        process_of(
            worker_split(
                choice,
                5 + 100 * choice.random(),
                (20 + 500 * choice.random() ** 3) * MB,
                starts[i],
            ),
            pid=1001 + i,
            parent=1000,
            command=f"python -m distributed.cli.dask_worker tcp://127.0.0.1:40573 --name {i}",
            start_s=starts[i],
            verdict=choice.choice(verdicts),
            sentence=f"Worker {i} did what workers do.",
        )
        for i in range(count - 1)
    ]
    others[3] = unmetered_process(pid=1004, parent=1000)
    return report_of(parent, *others)


def unmetered_process(**other: Any) -> Report:
    """A static binary: the kernel's figures only."""
    times = [0.1 * i for i in range(80)]
    return process_of(
        {"time_s": times, "rss": [int((5 + 0.5 * i) * MB) for i in range(80)], "live": [0] * 80},
        **{
            "command": "busybox sleep 8",
            "allocator": "",
            "metered": False,
            "why_not": "it is a static binary, which loads no library",
            "verdict": "not enough evidence",
            "sentence": "Resident memory grew from 5 MB to 45 MB; nothing more is known of it.",
            "peak_live": None,
            "final_live": None,
            **other,
        },
    )


def unmetered() -> Report:
    return report_of(unmetered_process())


def single() -> Report:
    """A run of a tenth of a second: one sample."""
    split = split_of([0.06], live=[2 * MB], rounding=[80_000], file_pages=[3 * MB], rest=[500_000])
    process = process_of(
        split,
        command="true",
        verdict="not enough evidence",
        sentence="The process was over after 0.06 s with one sample: 5.6 MB resident, 2.0 MB live.",
    )
    return report_of(process)


def nothing() -> Report:
    """Not even a sample, and what may be missing is missing."""
    process = process_of(split_of([]), verdict="not enough evidence", sentence="")
    for name in ("peak_live", "size_classes", "stacks", "map", "garbage", "cure"):
        del process[name]
    return {
        "verdict": "not enough evidence",
        "status": 0,
        "command": ["true"],
        "processes": [process],
    }


def long_run(count: int = 20_000) -> Report:
    """Five hours, with two samples that must not be lost: most live, and most resident."""
    choice = random.Random(5)
    times = list(range(count))
    live = [(200 + 60 * math.sin(i / 700) + 30 * choice.random()) * MB for i in times]
    live[count // 3 + 40] = 900 * MB
    file_pages = [25 * MB] * count
    file_pages[count // 2] = 1200 * MB
    split = split_of(
        [float(time) for time in times],
        live=live,
        free_pinned=[1000 * MB - value for value in live],
        file_pages=file_pages,
        rest=[4 * MB] * count,
    )
    return report_of(process_of(split, verdict="levels off", sentence="It levels off at 1029 MB."))


def garbage() -> Report:
    """Cycles, found by the probe."""
    times = [0.2 * i for i in range(150)]
    split = split_of(
        times,
        live=[30 * MB] * 150,
        garbage_cycles=[1.4 * i * MB for i in range(150)],
        rounding=[0.05 * i * MB for i in range(150)],
        Python_arenas=[(12 + 0.4 * i) * MB for i in range(150)],
        file_pages=[18 * MB] * 150,
        rest=[3 * MB] * 150,
    )
    process = process_of(
        split,
        verdict="garbage cycles",
        sentence="Python's collector freed 209 MB at the end: they grew all the time, in cycles.",
        cure="Break the cycle (weakref), or call gc.collect() once in a while.",
        garbage=209 * MB,
        trimmed=0,
    )
    return report_of(process)


# --- the heap map --------------------------------------------------------------------------------


def pages_of(choice: random.Random, count: int, fill: float) -> str:
    """Runs of pages that are full, empty or not resident, between partly used ones."""
    pages: list[str] = []
    while len(pages) < count:
        kind = choice.random()
        length = int(choice.expovariate(1 / 30)) + 1
        if kind < fill:
            pages += "X" * length
        elif kind < fill + 0.3:
            pages += [str(min(9, max(1, int(choice.gauss(4, 2.5))))) for _ in range(length)]
        elif kind < fill + 0.5:
            pages += "0" * length
        else:
            pages += "." * length
    return "".join(pages[:count])


def heap_map(count: int = 20_000, mapped: int = 60) -> Report:
    """The fragmentation report with its pages at the peak."""
    choice = random.Random(1)
    report = fragmentation()
    regions = []
    parts = [("heap", 0x55D0C1A00000, int(count * 0.62), 0.3)]
    parts += [
        ("arena", 0x7F1200000000 + i * (64 << 20), int(count * 0.08), 0.1 + 0.1 * i)
        for i in range(3)
    ]
    used = sum(pages for _, _, pages, _ in parts)
    each = max(1, (count - used) // max(1, mapped))
    parts += [("mapped", 0x7F2000000000 + i * (4 << 20), each, 0.9) for i in range(mapped)]
    for kind, start, pages, fill in parts:
        text = pages_of(choice, pages, fill) if kind != "mapped" else "X" * (pages - 1) + "3"
        regions.append({"start": hex(start), "nbytes": pages * 4096, "kind": kind, "pages": text})
    report["processes"][0]["map"] = {"time_s": 51.45, "page_nbytes": 4096, "regions": regions}
    report["trial"] = []
    return report


# --- hostile -------------------------------------------------------------------------------------

HOSTILE = [
    "</script><script>window.owned=1</script>",
    "<!--<script>",
    "<img src=x onerror=window.owned=1>",
    "a\u2028b\u2029c\u202ereversed\u202c",
    "nul\x00 escape\x1b[31m",
    "'; rm -rf / #",
    "@data@ @include page.css@",
    "long" * 300,
    "&amp;&lt; \\u003c",
]


def hostile() -> Report:
    """Every text of the report is one that would like to be more than text."""
    text = " ".join(HOSTILE)
    report = heap_map(400, 2)
    report["command"] = HOSTILE
    report["sentence"] = report["cure"] = text
    report["platform"] = {"system": text, "libc": text, "processors": None}
    for process in (report["processes"][0], unmetered_process(pid=7, why_not=text)):
        process |= {
            "command": text,
            "sentence": text,
            "cure": text,
            "end": text,
            "verdict": HOSTILE[0],
        }
        process["stacks"] = [{"nbytes": 5, "blocks": 1, "frames": [f"{text} ({text})", text]}]
        if process["pid"] == 7:
            report["processes"].append(process)
    report["processes"][0]["map"]["regions"][0] |= {"start": text, "kind": text}
    report["trial"] = trial()
    for row in report["trial"]:
        row |= {"allocator": row["allocator"] + HOSTILE[2], "why_not": text, "package": text}
        row["environment"] = {HOSTILE[2]: text}
    report["trial"][1]["runs"][0] |= {"same_result": False, "status": 139}
    report["advice"] = {"allocator": text, "sentence": text, "environment": {"LD_PRELOAD": text}}
    return report


REPORTS: dict[str, Callable[[], Report]] = {
    "fragmentation": fragmentation,
    "leak": leak,
    "many": many,
    "unmetered": unmetered,
    "single": single,
    "nothing": nothing,
    "long_run": long_run,
    "garbage": garbage,
    "heap_map": heap_map,
    "hostile": hostile,
}


def page_of(report: Report | bytes) -> bytes:
    """The page with ``report``, or with any bytes in its place."""
    data = report if isinstance(report, bytes) else json.dumps(report, ensure_ascii=False).encode()
    program = Path(os.environ.get("LADLE_BUILD", ROOT / "build")) / "tests/doctor_page"
    return subprocess.run([program], input=data, capture_output=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, make in REPORTS.items():
        report = make()
        (arguments.folder / f"{name}.json").write_text(json.dumps(report))
        if arguments.pages:
            (arguments.folder / f"{name}.html").write_bytes(page_of(report))


if __name__ == "__main__":
    main()
