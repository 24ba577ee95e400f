"""Every figure of `ladle digest` is what uproot's arrays give."""

import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import xxhash

from tests.cli.conftest import Run
from tests.cli.made import N_ENTRIES, NESTED, made_columns

FIGURES = ["column", "type", "entries", "values", "sum", "offsets_xxh3", "data_xxh3"]


def buffers_of(layout: Any) -> tuple[list[np.ndarray], np.ndarray]:
    """Offsets (int64 from 0, outermost first) and data of an array of lists around one dtype."""
    offsets = []
    while not isinstance(layout, ak.contents.NumpyArray):
        if isinstance(layout, ak.contents.RegularArray):
            layout = layout.content[: len(layout) * layout.size]
            continue
        layout = layout.to_ListOffsetArray64(start_at_zero=True)
        offsets.append(np.asarray(layout.offsets.data))
        layout = layout.content[: int(offsets[-1][-1])]
    data = np.ascontiguousarray(layout.data).reshape(-1)
    return offsets, data.astype(data.dtype.newbyteorder("="), copy=False)


def exact_sum(data: np.ndarray) -> int | float:
    if data.dtype.kind != "f":
        return sum(map(int, data.tolist()))
    values = data.astype(np.float64)
    infinities = set(values[np.isinf(values)].tolist())
    if np.isnan(values).any() or len(infinities) == 2:
        return math.nan
    return infinities.pop() if infinities else math.fsum(values.tolist())


def expected(column: str, array: ak.Array) -> dict[str, Any]:
    offsets, data = buffers_of(array.layout)
    return {
        "column": column,
        "type": str(array.type.content),
        "entries": len(array),
        "values": len(data),
        "sum": exact_sum(data),
        "offsets_xxh3": [xxhash.xxh3_64_hexdigest(each) for each in offsets],
        "data_xxh3": xxhash.xxh3_64_hexdigest(data),
    }


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert list(found) == FIGURES
    assert type(found["sum"]) is type(wanted["sum"])
    if isinstance(found["sum"], float) and math.isnan(found["sum"]):
        assert math.isnan(wanted["sum"])
        found, wanted = ({**each, "sum": None} for each in (found, wanted))
    assert found == wanted


def digest(run: Run, *words: str | Path) -> list[dict[str, Any]]:
    result = run("digest", "--json", *words)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def plain_branches(tree: uproot.TTree) -> Iterator[tuple[str, Any]]:
    """Branches that hold numbers or strings without an object or an STL container around them."""
    for name, branch in tree.items(recursive=False):
        if branch.classname != "TBranch":
            continue
        interpretation = branch.interpretation
        content = getattr(interpretation, "content", interpretation)
        is_plain = isinstance(content, uproot.AsDtype) and content.from_dtype.names is None
        if is_plain or isinstance(content, uproot.AsStrings):
            yield name, branch


@pytest.mark.parametrize("threads", ["1", "2"])
def test_made_columns(run: Run, made: Path, threads: str) -> None:
    found = {each["column"]: each for each in digest(run, "--threads", threads, f"{made}:Events")}
    for name, values in made_columns().items():
        array = ak.Array(values)
        assert_same(found.pop(name), expected(name, array))
    assert set(found) == {"njagged"}  # the counter, which uproot adds


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (1, 2), (999, 1001), (-7, None), (2499, 9999)])
def test_entry_ranges(run: Run, made: Path, start: int, stop: int | None) -> None:
    words = [f"--start={start}"] + ([] if stop is None else [f"--entry-stop={stop}"])
    for found in digest(run, *words, f"{made}:Events", "jagged", "vector", "wild"):
        array = ak.Array(made_columns()[found["column"]])[start:stop]
        assert_same(found, expected(found["column"], ak.to_packed(array)))


def test_sums_pass_64_bits(run: Run, made: Path) -> None:
    large, small, huge = digest(run, f"{made}:Events", "large", "small", "huge")
    assert large["sum"] == N_ENTRIES * (2**63 - 1)
    assert small["sum"] == -N_ENTRIES * 2**63
    assert huge["sum"] == N_ENTRIES * (2**64 - 1)


def test_order_and_patterns(run: Run, made: Path) -> None:
    """Columns come as the call has them, those of a pattern as the table has them, each once."""
    words = ["wild", "*ag*", "tin?", "wild", "[lh]*ge"]
    names = [each["column"] for each in digest(run, f"{made}:Events", *words)]
    in_table = [each["column"] for each in digest(run, f"{made}:Events")]
    of_pattern = [name for name in in_table if "ag" in name]
    assert set(of_pattern) == {"flag", "jagged", "njagged"}
    assert names == ["wild", *of_pattern, "tiny", "large", "huge"]


def test_table_for_people(run: Run, made: Path) -> None:
    result = run("digest", f"{made}:Events", "number", "jagged")
    header, number, jagged = result.stdout.splitlines()
    assert header.split() == [
        "column",
        "type",
        "entries",
        "values",
        "sum",
        "data_xxh3",
        "offsets_xxh3",
    ]
    wanted = expected("number", ak.Array(made_columns()["number"]))
    assert number.split() == [
        "number", "int32", str(N_ENTRIES), str(N_ENTRIES), str(wanted["sum"]), wanted["data_xxh3"]
    ]  # fmt: skip
    assert "var * float32" in jagged
    assert header.index("sum") + 3 == number.index(str(wanted["sum"])) + len(str(wanted["sum"]))


def check_file(run: Run, path: Path) -> int:
    """Compare all plain branches of all trees of a file; the number of columns compared."""
    compared = 0
    with uproot.open(path) as file:
        for key, classname in file.classnames(recursive=True).items():
            if classname not in ("TTree", "TNtuple", "TNtupleD"):
                continue
            found = {each["column"]: each for each in digest(run, f"{path}:{key}")}
            for name, branch in plain_branches(file[key]):
                wanted = expected(name, branch.array())
                assert name in found, f"{key}/{name} is missing"
                assert_same(found[name], wanted)
                compared += 1
    return compared


NANO = [
    "nano_dimuon", "nano_dy", "nano_dy_SpecialTree", "nano_dy_empty", "nano_tree",
    "nano_tt_v12", "nano_tt_v15", "pfnano", "scouting_nano", "treemaker",
]  # fmt: skip


@pytest.mark.parametrize("name", NANO)
def test_nanoaod_samples(run: Run, samples: Path, name: str) -> None:
    assert check_file(run, samples / f"{name}.root") > 0


REAL = [
    "uproot-HZZ-lz4", "uproot-HZZ-lzma", "uproot-HZZ-uncompressed", "uproot-HZZ-zlib",
    "uproot-HZZ-zstd", "uproot-Zmumu-lz4", "uproot-Zmumu-lzma", "uproot-Zmumu-uncompressed",
    "uproot-Zmumu-zlib", "uproot-Zmumu-zstd", "uproot-foriter", "uproot-foriter2",
    "uproot-sample-5.30.00-lzma", "uproot-sample-6.08.04-lzma",
    "uproot-sample-6.08.04-uncompressed", "uproot-sample-6.08.04-zlib",
    "uproot-sample-6.20.04-lz4", "uproot-sample-6.20.04-lzma",
    "uproot-sample-6.20.04-uncompressed", "uproot-sample-6.20.04-zlib",
    "uproot-small-dy-withoffsets", "uproot-small-flat-tree",
    "nanoAOD_2015_CMS_Open_Data_ttbar",
]  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_files(run: Run, testdata: Path, name: str) -> None:
    assert check_file(run, testdata / f"{name}.root") > 0


def test_offsets_that_are_not_stored(run: Run, testdata: Path) -> None:
    """One file of two leaves the offsets to the counter; uproot reads only the other."""
    without, with_offsets = (
        digest(run, testdata / f"uproot-small-dy-{name}.root")
        for name in ("nooffsets", "withoffsets")
    )
    assert without == with_offsets


def test_leaflist(run: Run, testdata: Path) -> None:
    """Each leaf of a branch with several is a column of its own."""
    path = testdata / "uproot-leaflist.root"
    with uproot.open(path) as file:
        array = file["tree/leaflist"].array()
    found = digest(run, path)
    assert [each["column"] for each in found] == [f"leaflist.{name}" for name in array.fields]
    for each, name in zip(found, array.fields, strict=True):
        assert_same(each, expected(each["column"], ak.to_packed(array[name])))


def test_unreadable_column(run: Run, testdata: Path) -> None:
    """It costs the others nothing, and is an error only for the call that names it."""
    path = testdata / "uproot-HZZ-objects.root"
    every = digest(run, f"{path}:events")
    broken = [each for each in every if "error" in each]
    assert broken
    assert len(broken) < len(every)
    for each in broken:
        assert list(each) == ["column", "type", "entries", "error"]
    pattern = broken[0]["column"][:-1] + "?"
    assert broken[0] in digest(run, f"{path}:events", pattern)

    named = run("digest", "--json", f"{path}:events", broken[0]["column"])
    assert named.returncode == 1
    assert json.loads(named.stdout) == [broken[0]]
    assert named.stderr.startswith("ladle: ")
    assert broken[0]["error"] in named.stderr
    assert named.stderr.count("\n") == 1


def damage(path: Path, out: Path, column: str) -> None:
    """Flip a bit in the middle of the column's second basket."""
    with uproot.open(path) as file:
        branch = file["Events"][column]
        seek, nbytes = int(branch.member("fBasketSeek")[1]), int(branch.member("fBasketBytes")[1])
    data = bytearray(path.read_bytes())
    for i in range(seek + nbytes // 2, seek + nbytes // 2 + 8):
        data[i] ^= 0xFF
    out.write_bytes(data)


def test_damaged_column_is_an_error_even_unnamed(run: Run, made: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.root"
    damage(made, path, "number")
    result = run("digest", "--json", f"{path}:Events")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "number" in result.stderr
    assert "(at byte " in result.stderr
    every = json.loads(result.stdout)
    assert [each["column"] for each in every if "error" in each] == ["number"]
    assert [each for each in every if "error" not in each] == [
        each for each in digest(run, f"{made}:Events") if each["column"] != "number"
    ]


def test_budget_too_small(run: Run, made: Path) -> None:
    result: subprocess.CompletedProcess[str] = run("digest", "--budget", "1 kB", f"{made}:Events")
    assert result.returncode == 1
    assert "budget" in result.stderr


def test_a_twin_has_the_same_digest(run: Run, made: Path, tmp_path: Path) -> None:
    path = tmp_path / "twin.root"
    columns = {name: ak.Array(values) for name, values in made_columns().items()}
    array = ak.zip(columns, depth_limit=1)
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("Events", array[:700])
        ntuple.extend(array[700:])
    for words in ([], ["--start=699", "--stop=701"]):
        one = {each["column"]: each for each in digest(run, *words, f"{made}:Events")}
        for each in digest(run, *words, f"{path}:Events"):
            assert_same(each, one.pop(each["column"]))
        assert set(one) == {"njagged"}


@pytest.mark.parametrize("name", ["nano_dy", "nano_tree", "pfnano"])
def test_samples_and_their_twins(run: Run, samples: Path, name: str) -> None:
    one = {each["column"]: each for each in digest(run, samples / f"{name}.root")}
    two = {each["column"]: each for each in digest(run, samples / f"{name}_rntuple.root")}
    assert set(two) == set(one)
    for column, each in two.items():
        if each["type"] == one[column]["type"]:
            assert_same(each, one[column])
    assert sum(each["type"] == one[column]["type"] for column, each in two.items()) > 900


def test_buffers_of_all_roles(run: Run, nested: Path) -> None:
    found = {each["column"]: each for each in digest(run, f"{nested}:Events")}
    rows = NESTED * 4

    def hashes(*buffers: np.ndarray) -> list[str]:
        return [xxhash.xxh3_64_hexdigest(buffer) for buffer in buffers]

    tries = [each for row in rows for each in row["tries"]]
    index = np.cumsum([each is not None for each in tries]) - 1
    index[[each is None for each in tries]] = -1
    lengths = [len(row["tries"]) for row in rows]
    assert found["tries"]["index_xxh3"] == hashes(index.astype(np.int64))
    assert found["tries"]["offsets_xxh3"] == hashes(np.cumsum([0, *lengths], dtype=np.int64))
    assert found["tries"]["values"] == sum(each is not None for each in tries)
    is_text = np.array([isinstance(row["either"], str) for row in rows])
    places = np.where(is_text, np.cumsum(is_text), np.cumsum(~is_text)) - 1
    for name in ("either._0", "either._1"):
        assert found[name]["tags_xxh3"] == hashes((1 + is_text).astype(np.int8))
        assert found[name]["places_xxh3"] == hashes(places.astype(np.int64))
        assert "index_xxh3" not in found[name]
    assert found["jets.pt"]["offsets_xxh3"] == found["jets.hits"]["offsets_xxh3"][:1]
    assert found["run"]["offsets_xxh3"] == []
    assert list(digest(run, nested, "jets")[1]) == FIGURES
    assert [each["column"] for each in digest(run, nested, "deep.in", "deep", "jets.h*")] == [
        "deep.in.y", "deep.in.z", "deep.x", "jets.hits",
    ]  # fmt: skip
    text = run("digest", nested, "tries", "either").stdout
    assert f"  index {found['tries']['index_xxh3'][0]}" in text
    assert f"  places {found['either._0']['places_xxh3'][0]}" in text
