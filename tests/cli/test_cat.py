"""Rows of `ladle cat` are the values, to the last bit."""

import json
import math
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from tests.cli.conftest import Run
from tests.cli.made import N_ENTRIES, NESTED, made_columns


def rows(run: Run, *words: str | Path) -> list[dict[str, Any]]:
    result = run("cat", *words)
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def as_single(cell: Any) -> Any:
    """Read as float32: that many digits are printed, and no more."""
    return [as_single(item) for item in cell] if isinstance(cell, list) else float(np.float32(cell))


def test_all_columns(run: Run, made: Path) -> None:
    columns = made_columns()
    special = columns.pop("special")
    found = rows(run, f"{made}:Events", *columns)
    assert len(found) == N_ENTRIES
    assert list(found[0]) == list(columns)
    for name, values in columns.items():
        array = ak.Array(values)
        cells = [row[name] for row in found]
        if str(array.type).endswith("float32"):
            cells = [as_single(cell) for cell in cells]
        assert cells == array.to_list(), name
    cells = [row["special"] for row in rows(run, f"{made}:Events", "special")]
    np.testing.assert_array_equal(cells, special)


def test_digits(run: Run, made: Path) -> None:
    result = run("cat", "--stop", "5", f"{made}:Events", "tenth", "special", "flag")
    flags = [str(bool(flag)).lower() for flag in made_columns()["flag"][:5]]
    specials = ["Infinity", "Infinity", "Infinity", "NaN", "-Infinity"]
    assert result.stdout.splitlines() == [
        f'{{"tenth": 0.1, "special": {special}, "flag": {flag}}}'
        for special, flag in zip(specials, flags, strict=True)
    ]


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (998, 1003), (-3, 99999), (5, -2400)])
def test_ranges(run: Run, made: Path, start: int, stop: int) -> None:
    found = rows(run, "--start", str(start), "--stop", str(stop), f"{made}:Events", "number")
    assert [row["number"] for row in found] == made_columns()["number"][start:stop].tolist()


def test_json_changes_nothing(run: Run, made: Path) -> None:
    words = ["cat", "--start=-20", f"{made}:Events", "jagged"]
    assert run(*words, "--json").stdout == run(*words).stdout != ""


def test_small_budget_gives_the_same_rows(run: Run, made: Path) -> None:
    words = ["cat", f"{made}:Events", "jagged", "matrix"]
    assert run(*words, "--budget", "2 MB", "--threads", "1").stdout == run(*words).stdout


def test_strings(run: Run, testdata: Path) -> None:
    path = testdata / "uproot-sample-6.20.04-zlib.root"
    with uproot.open(path) as file:
        wanted = file["sample"]["str"].array().to_list()
    assert [row["str"] for row in rows(run, f"{path}:sample", "str")] == wanted


def test_nanoaod(run: Run, samples: Path) -> None:
    path = samples / "nano_dy.root"
    with uproot.open(path) as file:
        array = file["Events"].arrays(["run", "event", "nJet", "Jet_pt", "Jet_jetId"])
    found = rows(run, f"{path}:Events", "run", "event", "nJet", "Jet_pt", "Jet_jetId")
    assert len(found) == len(array)
    for row, wanted in zip(found, array.to_list(), strict=True):
        row["Jet_pt"] = as_single(row["Jet_pt"])
        assert row == wanted


def test_pattern_passes_over_what_cannot_be_read(run: Run, testdata: Path) -> None:
    path = testdata / "uproot-HZZ-objects.root"
    every = json.loads(run("show", "--json", f"{path}:events").stdout)["columns"]
    broken = [column["name"] for column in every if "error" in column]
    readable = [column["name"] for column in every if "error" not in column]
    assert broken
    found = rows(run, "--stop", "3", f"{path}:events", "*")
    assert list(found[0]) == readable
    result = run("cat", f"{path}:events", broken[0])
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert broken[0] in result.stderr


def test_floats_read_back(run: Run, tmp_path: Path) -> None:
    """Any bits at all, subnormals included."""
    random = np.random.default_rng(3)
    singles = random.integers(0, 2**32, 3000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    doubles = random.integers(0, 2**63, 3000, dtype=np.uint64).view(np.float64)
    doubles[:100] = random.integers(0, 2**52, 100, dtype=np.uint64).view(np.float64)
    with uproot.recreate(tmp_path / "bits.root") as file:
        file.mktree("t", {"single": "f4", "double": "f8"}).extend(
            {"single": singles, "double": doubles}
        )
    found = rows(run, tmp_path / "bits.root", "single", "double")
    np.testing.assert_array_equal(np.array([row["single"] for row in found], "f4"), singles)
    np.testing.assert_array_equal(np.array([row["double"] for row in found]), doubles)
    line = run("cat", tmp_path / "bits.root", "double").stdout.splitlines()
    for text, value in zip(line, doubles.tolist(), strict=True):
        if math.isfinite(value):
            assert len(text) <= len(f'{{"double": {value!r}}}')


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def leaf(value: Any, *names: str) -> Any:
    """What is at a path of members, through the lists on the way."""
    if isinstance(value, list):
        return [leaf(item, *names) for item in value]
    return leaf(value[names[0]], *names[1:]) if names else value


@pytest.mark.parametrize(("start", "stop"), [(0, 12), (1, 2), (2, 10), (5, 6), (-1, 12)])
def test_nested_rows(run: Run, nested: Path, start: int, stop: int) -> None:
    words = ["--start", str(start), "--stop", str(stop), nested]
    wanted = as_json(NESTED * 4)[start:stop]
    assert rows(run, *words) == wanted
    assert rows(run, *words, "*") == wanted
    fields = [*reversed(NESTED[0])]
    found = rows(run, *words, *fields, "run")
    assert found == wanted
    assert list(found[0]) == fields


def test_parts_of_records(run: Run, nested: Path) -> None:
    names = ["jets.pt", "deep.in", "deep.in.y", "jets", "deep.in.y"]
    found = rows(run, nested, *names)
    assert list(found[0]) == ["jets.pt", "deep.in", "deep.in.y", "jets"]
    for row, wanted in zip(found, as_json(NESTED * 4), strict=True):
        for name, value in row.items():
            assert value == leaf(wanted, *name.split("."))


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("jets.*", ["jets.pt", "jets.hits"]),
        ("j*", ["jets"]),
        ("*.?", ["deep.x", "deep.in.y", "deep.in.z"]),
        ("deep.*", ["deep.x", "deep.in"]),
        ("*.in.[yz]", ["deep.in.y", "deep.in.z"]),
    ],
)
def test_patterns_of_records(run: Run, nested: Path, pattern: str, keys: list[str]) -> None:
    for row, wanted in zip(rows(run, nested, pattern), as_json(NESTED * 4), strict=True):
        assert list(row) == keys
        assert row == {key: leaf(wanted, *key.split(".")) for key in keys}


def test_parts_of_tuples_and_variants(run: Run, nested: Path) -> None:
    found = rows(run, nested, "pair._1", "either._0", "either._1", "eithers._0")
    for row, wanted in zip(found, NESTED * 4, strict=True):
        either = wanted["either"]
        assert row == {
            "pair._1": wanted["pair"][1],
            "either._0": either if isinstance(either, int) else None,
            "either._1": either if isinstance(either, str) else None,
            "eithers._0": [x if isinstance(x, str) else None for x in wanted["eithers"]],
        }


@pytest.mark.parametrize("name", ["test_stl_containers", "test_nested_structs", "ntpl001_staff"])
def test_real_ntuples(run: Run, testdata: Path, name: str) -> None:
    path = testdata / f"{name}_rntuple_v1-0-0-0.root"
    with uproot.open(path) as file:
        table = next(key for key, kind in file.classnames().items() if kind == "ROOT::RNTuple")
        assert rows(run, path) == as_json(file[table].arrays().to_list())
