"""The made files have the features they are made for, and other readers agree on their content."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from tests.make_files import cached_file, file_names, run_maker
from tests.make_files.layout import STRINGS, string_of
from tests.make_files.oracle import Values, root_values, root_values_of
from tests.make_files.small import FORMS
from tests.make_files.values import SHAPES, TYPES, column_name, count_of, some_values
from tests.make_files.writing import CODECS

MAGIC = {
    "zlib": b"ZL\x08",
    "lzma": b"XZ\x00",
    "lz4": b"L4\x01",
    "zstd": b"ZS\x01",
    "old": b"CS\x08",
}
MIB = 1 << 20


def tree_of(name: str) -> Any:
    return uproot.open(cached_file(name), array_cache=None)["t"]


def baskets_of(name: str, column: str) -> list[Any]:
    branch = tree_of(name)[column]
    return [branch.basket(i) for i in range(branch.num_baskets)]


@pytest.mark.parametrize("form", ["flat", "offsets", "flag80", "leaflist", "strings"])
@pytest.mark.parametrize("codec", MAGIC)
def test_small_baskets_are_compressed_by_their_codec(form: str, codec: str) -> None:
    name = f"small-{form}-{codec}.root"
    raw = cached_file(name).read_bytes()
    assert len(raw) <= 8192
    tree = uproot.open(cached_file(f"small-{form}-zstd.root"))["t"]
    assert raw.count(MAGIC[codec]) >= len(tree.keys(recursive=False)) + 1


@pytest.fixture(scope="module")
def small_answers() -> dict[str, Values]:
    """ROOT's answer for every small file, by name."""
    names = {
        f"small-{form}-{codec}.root": [column.name for column in FORMS[form].columns]
        for form in FORMS
        for codec in CODECS
    }
    answers = root_values_of([(cached_file(name), "t", names[name]) for name in names])
    return dict(zip(names, answers, strict=True))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("form", FORMS)
def test_small_files_hold_what_was_filled(
    small_answers: dict[str, Values], form: str, codec: str
) -> None:
    answer = small_answers[f"small-{form}-{codec}.root"]
    for name in answer:
        rows = [FORMS[form].row(i)[name] for i in range(48)]
        if name == "s":
            assert answer[name] == [row.decode() for row in rows]
        elif name == "rec":
            assert answer[name] == [[i / 2] for i in range(48)]
        elif name == "mix":
            assert answer[name] == [row[:2] for row in rows]
        else:
            assert answer[name] == [np.atleast_1d(row).tolist() for row in rows]


def test_strings_hold_what_was_filled() -> None:
    answer = root_values(cached_file("strings.root"), "t", "s")
    assert answer["s"] == [string_of(i).decode() for i in range(STRINGS)]
    assert answer["s"][0] == answer["s"][-1] == ""
    assert max(map(len, answer["s"])) == 300


@pytest.mark.parametrize("codec", MAGIC)
@pytest.mark.parametrize("form", FORMS)
def test_embedded_forms_have_no_basket_records(form: str, codec: str) -> None:
    raw = cached_file(f"small-{form}-{codec}.root").read_bytes()
    # The class name of a key is never compressed; within the tree's record it is.
    records = raw.count(b"\x07TBasket")
    assert records == (0 if form.startswith("embedded") else 2 * len(FORMS[form].columns))


def test_flag_80_leaves_out_the_offsets() -> None:
    plain = baskets_of("small-offsets-zstd.root", "v")
    short = baskets_of("small-flag80-zstd.root", "v")
    assert [b.num_entries for b in plain] == [b.num_entries for b in short] == [32, 16]
    for with_offsets, without in zip(plain, short, strict=True):
        # a count, then the offset of each entry and of their end: 4 bytes each
        table = 4 * (with_offsets.num_entries + 2)
        assert with_offsets.member("fObjlen") - with_offsets.border == table
        assert without.member("fObjlen") == without.border


@pytest.mark.parametrize("name", ["types.root", "types-embedded.root", "types-flag80.root"])
def test_types_hold_what_was_filled(name: str) -> None:
    tree = tree_of(name)
    assert len(tree.keys()) == 1 + len(TYPES) * len(SHAPES)
    for letter, dtype in TYPES.items():
        for shape in SHAPES:
            array = tree[column_name(letter, shape)].array()
            filled = [some_values(dtype, i, count_of(shape, i * 7 % 6)) for i in range(50)]
            flat = ak.to_numpy(ak.flatten(array, axis=None))
            np.testing.assert_array_equal(flat, np.concatenate(filled))
            assert flat.dtype == np.dtype(dtype)


def test_truncated_floats_are_near_what_was_filled() -> None:
    columns = [
        f"{kind}_{how}_scalar" for kind in ("d32", "f16") for how in ("plain", "bits16", "pi")
    ]
    answer = root_values(cached_file("truncated-floats.root"), "t", *columns)
    expected = [np.sin(i / 7) * 3 + 0.001 * i for i in range(60)]
    for column in columns:
        assert np.ptp(np.ravel(answer[column])) > 5
        np.testing.assert_allclose(np.ravel(answer[column]), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("codec", [*MAGIC, "none"])
def test_large_payloads_have_several_blocks(codec: str) -> None:
    name = f"large-payload-{codec}.root"
    if codec == "old":
        assert cached_file(name).read_bytes().count(MAGIC["old"]) >= 3 + 2
        return
    tree = tree_of(name)
    assert tree["flat"].num_baskets == tree["jagged"].num_baskets == 1
    assert tree["flat"].uncompressed_bytes > 32 * MIB
    assert tree["jagged"].uncompressed_bytes > 16 * MIB
    jagged = tree["jagged"].array()
    assert ak.num(jagged).tolist() == tree["n"].array().tolist()
    assert jagged[5, -1] == (ak.num(jagged)[5] - 1) // 16 * 0.5
    if codec != "none":
        assert cached_file(name).read_bytes().count(MAGIC[codec]) >= 3 + 2


def test_columns_are_misaligned() -> None:
    tree = tree_of("misaligned.root")
    borders = [set(branch.entry_offsets[1:-1]) for branch in tree.branches]
    assert all(len(b) > 5 for b in borders)
    assert not set.intersection(*borders)


def test_cluster_ranges_are_recorded() -> None:
    tree = tree_of("cluster-ranges.root")
    assert tree.member("fNClusterRange") == 3
    assert tree.member("fClusterRangeEnd").tolist() == [89, 159, 399]
    assert tree.member("fClusterSize").tolist() == [30, 7, 64]


def test_part_embedded_has_both_kinds() -> None:
    for branch in tree_of("part-embedded.root").branches:
        assert branch.num_baskets > 1
        assert len(branch.embedded_baskets) == 1


def test_first_entry_is_late() -> None:
    tree = tree_of("first-entry.root")
    assert tree["late"].member("fFirstEntry") == 17
    answer = root_values(cached_file("first-entry.root"), "t", "late")
    assert answer["late"][17:] == [[i * 1.5] for i in range(17, 40)]


def test_beyond_2gib_crosses_the_border() -> None:
    path = cached_file("beyond-2gib.root")
    assert path.stat().st_size > 1 << 31
    for branch in tree_of("beyond-2gib.root").branches:
        seeks = branch.member("fBasketSeek")[: branch.member("fWriteBasket")]
        assert min(seeks) < 1 << 20
        assert max(seeks) > 1 << 31


def test_merged_mixes_codecs() -> None:
    path = cached_file("merged.root")
    raw = path.read_bytes()
    assert all(raw.count(MAGIC[codec]) >= 2 for codec in ("zlib", "lzma", "lz4", "zstd"))
    assert tree_of("merged.root").num_entries == 200


@pytest.mark.parametrize(
    "name",
    [
        "misaligned.root",
        "cluster-ranges.root",
        "part-embedded.root",
        "merged.root",
        "beyond-2gib.root",
    ],
)
def test_layouts_hold_what_was_filled(name: str) -> None:
    arrays = tree_of(name).arrays()
    index = np.arange(len(arrays))
    counts = index * index % 8
    np.testing.assert_array_equal(arrays["n"], counts)
    np.testing.assert_array_equal(arrays["x"], index / 3)
    np.testing.assert_array_equal(arrays["m"], np.stack([index, -index, index % 7], axis=1))
    assert ak.num(arrays["v"]).tolist() == counts.tolist()
    assert ak.num(arrays["s"]).tolist() == (index % 26 + 1).tolist()
    values = np.concatenate([np.arange(n) + i for i, n in enumerate(counts)])
    np.testing.assert_array_equal(ak.flatten(arrays["v"]), values)


def test_directories_have_cycles_and_odd_names() -> None:
    file = uproot.open(cached_file("directories.root"))
    assert [file[f"t;{cycle}"].num_entries for cycle in (1, 2, 3)] == [10, 20, 30]
    assert [file[f"{folder}/t"].num_entries for folder in ("a", "a/b", "a/b/c")] == [4, 5, 6]
    names = file["odd names"].keys(cycle=False)
    assert {"colon:name", "ünïcode", "with space"} <= set(names)
    assert file["empty"].keys() == []


def test_trees_by_other_names_and_shapes() -> None:
    ntuple = uproot.open(cached_file("ntuple.root"))
    assert ntuple["single/y"].array()[3] == np.float32(1.0)
    assert ntuple["double/q"].array()[99] == 99e200
    assert tree_of("empty-tree.root").num_entries == 0
    assert tree_of("no-columns.root").keys() == []
    wide = tree_of("wide.root")
    assert len(wide.keys()) == 10_000
    assert wide["b09999"].array().tolist() == [9999.0, 9999.25, 9999.5]


def test_plain_columns_between_objects() -> None:
    tree = tree_of("objects.root")
    assert tree["before"].array().tolist() == list(range(30))
    assert tree["after"].array().tolist() == [i / 3 for i in range(30)]
    assert ak.num(tree["values"].array()).tolist() == [i % 5 for i in range(30)]
    assert ak.num(tree["floats"].array()).tolist() == [i % 3 for i in range(30)]


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    # ROOT compiles for half a minute to make all RNTuples.
    some = {"rntuple-constants.root", "rntuple-imported.root", "rntuple-merged.root"}
    run_maker(tmp_path, *(name for name in file_names() if "rntuple" not in name or name in some))
    again = {path.name: path for path in tmp_path.iterdir() if path.stat().st_size < MIB}
    assert len(again) > 60
    for name, path in again.items():
        assert path.read_bytes() == cached_file(name).read_bytes(), name
    # pytest keeps the folder of a test for a while; this one is better gone.
    shutil.rmtree(tmp_path)
