"""``ladle scan``: all columns of files step by step, what that took, and files that are damaged."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import uproot

import ladle
from tests.cli.conftest import Run
from tests.cli.made import N_ENTRIES

KEYS = [
    *("files", "entries", "steps", "nbytes", "seconds", "threads", "decompress_seconds"),
    *("rss_before", "peak_rss", "bound", "failed_files"),
]


def totals(run: Run, *words: str | Path, status: int = 0, **environment: str) -> dict[str, Any]:
    """Return the object of ``--json``; standard error is empty unless a status is expected."""
    result = run("scan", "--json", *words, **environment)
    assert result.returncode == status, result.stderr
    assert (result.stderr == "") == (status == 0)
    found = json.loads(result.stdout)
    assert list(found) == KEYS
    assert found["seconds"] > 0
    assert found["peak_rss"] >= found["rss_before"] > 0
    return found


def test_text(run: Run, made: Path) -> None:
    result = run("scan", "--threads", "2", f"{made}:Events")
    assert (result.returncode, result.stderr) == (0, "")
    first, second, third, last = result.stdout.splitlines()
    assert re.fullmatch(r"1 files, 2500 entries in 1 steps, the largest of \d\.\d MB", first)
    number = r"\d+(\.\d+)?"
    assert re.fullmatch(
        rf"{number} MB in {number} s: {number} MB/s, {number} entries/s with 2 threads", second
    )
    assert re.fullmatch(
        rf"decompressors: {number} s over all threads; the scan took {number} x that", third
    )
    assert re.fullmatch(
        rf"peak RSS {number} MB of at most {number} MB "
        rf"\({number} before, {number} budget, 2 steps, 33\.6\)",
        last,
    )


@pytest.mark.parametrize("threads", ["1", "2"])
def test_counts_are_those_of_iterate(run: Run, made: Path, threads: str) -> None:
    reports = [
        report for _, report in ladle.iterate(f"{made}:Events", step_size="20 kB", report=True)
    ]
    found = totals(run, "--step", "20 kB", "--threads", threads, f"{made}:Events")
    assert found["files"] == 1
    assert found["entries"] == N_ENTRIES
    assert found["steps"] == len(reports) > 10
    assert found["nbytes"] == sum(report.nbytes for report in reports)
    assert found["threads"] == int(threads)
    assert found["failed_files"] == 0
    assert totals(run, made, LADLE_THREADS="3")["threads"] == 3


@pytest.mark.parametrize("budget", ["1", "50 kB", "1 GB"])
def test_memory_stays_within_the_bound(run: Run, made: Path, budget: str) -> None:
    step = 20_000
    found = totals(run, "--step", f"{step}", "--budget", budget, f"{made}:Events")
    nbytes = {"1": 1, "50 kB": 50_000, "1 GB": 10**9}[budget]
    slack = found["bound"] - found["rss_before"] - nbytes - (32 << 20)
    assert 0 < slack <= 2 * step
    assert found["peak_rss"] <= found["bound"]
    assert found["nbytes"] == totals(run, f"{made}:Events")["nbytes"] - 8 * n_more_offsets(found)


def n_more_offsets(found: dict[str, Any]) -> int:
    """Each step but the first has one offset more for the column of lists."""
    return 1 - found["steps"]


@pytest.mark.parametrize(
    ("columns", "nbytes_each"),
    [
        (["number"], 4),
        (["number", "wild"], 12),
        (["number", "number", "num*"], 4),
        (["*ag"], 1),
        (["vect?r", "ma[t]rix"], 20),
    ],
)
def test_columns(run: Run, made: Path, columns: list[str], nbytes_each: int) -> None:
    words = [word for name in columns for word in ("--columns", name)]
    assert totals(run, *words, made)["nbytes"] == N_ENTRIES * nbytes_each
    equals = [f"--columns={name}" for name in columns]
    assert totals(run, made, *equals)["nbytes"] == N_ENTRIES * nbytes_each


def test_records_are_columns(run: Run, nested: Path) -> None:
    whole = totals(run, nested)["nbytes"]
    jets = totals(run, "--columns", "jets", nested)["nbytes"]
    one = totals(run, "--columns", "jets.pt", nested)["nbytes"]
    assert one < jets < whole
    assert jets == totals(run, "--columns", "jets.*", nested)["nbytes"]


@pytest.mark.parametrize(
    ("words", "entries"),
    [
        (["--start", "7"], N_ENTRIES - 7),
        (["--stop", "7"], 7),
        (["--start=-7"], 7),
        (["--start=-7", "--stop=-3"], 4),
        (["--entry-start=2000", "--entry-stop", "99999"], N_ENTRIES - 2000),
        (["--start", "5", "--stop", "5"], 0),
    ],
)
def test_ranges(run: Run, made: Path, words: list[str], entries: int) -> None:
    found = totals(run, "--columns", "number", *words, made)
    assert (found["entries"], found["nbytes"]) == (entries, 4 * entries)
    twice = totals(run, "--columns", "number", *words, made, made)
    assert (twice["files"], twice["entries"]) == (2, 2 * entries)


def test_several_files(run: Run, made: Path, nested: Path) -> None:
    """They need not have the same columns."""
    each = [totals(run, path) for path in (made, nested)]
    both = totals(run, f"{made}:Events", nested)
    for key in ("files", "entries", "steps", "nbytes"):
        assert both[key] == sum(found[key] for found in each)
    inner = totals(run, f"{made}:inner/deep/points", f"{made}:Events")
    assert inner["entries"] == N_ENTRIES + 5


@pytest.fixture
def damaged(made: Path, tmp_path: Path) -> Path:
    """A page of the column `wild` is damaged, behind its first entries."""
    path = shutil.copy(made, tmp_path / "damaged.root")
    with uproot.open(path) as file:
        offset, nbytes = file["Events/wild"].basket_key(1).data_cursor.index, 50
    data = bytearray(path.read_bytes())
    data[offset : offset + nbytes] = b"\x55" * nbytes
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_damaged_file(run: Run, made: Path, damaged: Path, threads: str) -> None:
    """It is left at that step, with an error that says where; the next one follows."""
    words = ["--step", "20 kB", "--threads", threads]
    whole = totals(run, *words, made)
    result = run("scan", "--json", *words, made, damaged, made)
    assert result.returncode == 1
    assert re.fullmatch(
        rf"ladle: {damaged}: Events/wild[^\n]* page 1[^\n]*entries \d+ to \d+[^\n]*\n",
        result.stderr,
    )
    found = json.loads(result.stdout)
    assert (found["files"], found["failed_files"]) == (3, 1)
    assert 2 * whole["entries"] < found["entries"] < 3 * whole["entries"]
    others = totals(run, "--columns", "number", "--columns", "vector", damaged)
    assert others["entries"] == N_ENTRIES
    first = totals(run, *words, damaged, made, status=1)
    assert first["entries"] == found["entries"] - whole["entries"]


def test_a_file_that_is_none(run: Run, made: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.root"
    cut.write_bytes(made.read_bytes()[:400])
    result = run("scan", "--json", made, f"{cut}:Events", made)
    assert result.returncode == 1
    assert re.fullmatch(rf"ladle: {cut}[^\n]*\n", result.stderr)
    found = json.loads(result.stdout)
    assert (found["entries"], found["failed_files"]) == (2 * N_ENTRIES, 1)


@pytest.mark.parametrize(
    "words",
    [
        ["none.root"],
        ["made.root:Event"],
        ["made.root", "none.root"],
        ["made.root", "made.root:Event"],
        ["--columns", "numbr", "made.root"],
        ["--columns", "x_*", "made.root"],
        ["--columns", "number", "made.root", "made.root:inner/deep/points"],
        ["--start", "9", "--stop", "3", "made.root"],
        ["--start", "9", "--stop=-3", "made.root", "made.root:inner/deep/points"],
        ["made.root", "."],
    ],
)
def test_calls_that_are_wrong(run: Run, made: Path, words: list[str]) -> None:
    """Status 2 and one line, also where a file before was fine."""
    result = run("scan", *words, cwd=made.parent)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"ladle: [^\n]+: [^\n]+\n", result.stderr)


@pytest.mark.parametrize("size", ["0", "", "-1", "many", "1 XB", "inf"])
def test_wrong_sizes(run: Run, made: Path, size: str) -> None:
    for option, example in (("--step", "'20 MB'"), ("--budget", "'512 MB' or '1 GiB'")):
        result = run("scan", option, size, made)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == (
            f"ladle: scan: option {option}: '{size}' is not a size such as {example}\n"
        )


@pytest.mark.parametrize("verb", ["ls", "show", "digest", "cat"])
@pytest.mark.parametrize("option", ["--step", "--columns"])
def test_options_of_scan_alone(run: Run, made: Path, verb: str, option: str) -> None:
    for words in ([option, "1 MB"], [f"{option}=1 MB"]):
        result = run(verb, *words, f"{made}:Events")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == (
            f"ladle: {verb}: unknown option '{option}'; see 'ladle {verb} --help'\n"
        )


def test_unreadable_columns(run: Run, testdata: Path) -> None:
    """They are left out; a table that has no others cannot be scanned."""
    path = testdata / "uproot-vectorVectorDouble.root"
    if not path.is_file():
        pytest.skip(f"no {path}")
    result = run("scan", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"ladle: {path}: no column that can be read is selected\n"
    mixed = totals(run, testdata / "uproot-HZZ-objects.root")
    assert mixed["entries"] == 2421


def test_many_columns_of_a_sample(run: Run, samples: Path) -> None:
    found = totals(run, "--step", "100 kB", "--budget", "1 MB", samples / "nano_tt_v12.root")
    assert found["entries"] == 200
    assert found["steps"] > 1
    assert found["peak_rss"] <= found["bound"]
