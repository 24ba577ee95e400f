"""How trees lie in files: clusters, misaligned baskets, directories, cycles, width, distance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.make_files.registry import makes
from tests.make_files.writing import Column, Tree, root_file

JAGGED = (
    Column("n", "n/I", "i4", basket=96),
    Column("v", "v[n]/F", "f4", 8, basket=200),
    Column("x", "x/D", "f8", basket=424),
    Column("m", "m[3]/S", "i2", 3, basket=64),
    Column("s", "s/C", "i1", 32, basket=176),
)
"""Baskets of different sizes, so that columns do not break at the same entries."""


def jagged_row(i: int) -> dict[str, Any]:
    """Return entry ``i`` of the columns ``JAGGED``."""
    n = i * i % 8
    return {
        "n": n,
        "v": np.arange(n) + i,
        "x": i / 3,
        "m": [i, -i, i % 7],
        "s": b"abcdefghijklmnopqrstuvwxyz"[: i % 26 + 1],
    }


def fill_rows(tree: Tree, start: int, stop: int) -> None:
    """Fill entries ``start`` to ``stop`` of the columns ``JAGGED``."""
    for i in range(start, stop):
        tree.fill(jagged_row(i))


@makes("strings.root")
def make_strings(path: Path) -> None:
    """Write C strings of every length up to 300, empty ones first, last and between.

    ROOT stores nothing at all for an empty string: the entry has zero bytes. A length of 255 or
    more takes five bytes, the first of them 255.
    """
    with root_file(path):
        tree = Tree("t", [Column("s", "s/C", "i1", 400)])
        for i in range(STRINGS):
            if i == STRINGS // 2:
                tree.tree.FlushBaskets()
            tree.fill({"s": string_of(i)})
        tree.write()


STRINGS = 602


def string_of(i: int) -> bytes:
    """Return entry ``i`` of strings.root: every second one is empty, so are the first and last."""
    return b"" if i % 2 == 0 or i == STRINGS - 1 else bytes([65 + i % 26]) * (i // 2 + 1)


@makes("misaligned.root")
def make_misaligned(path: Path) -> None:
    """Write baskets that end wherever their buffer is full, and no common border at all."""
    with root_file(path):
        tree = Tree("t", JAGGED)
        fill_rows(tree, 0, 1000)
        tree.write()


@makes("cluster-ranges.root")
def make_cluster_ranges(path: Path) -> None:
    """Write three runs of clusters with different sizes (fNClusterRange is 3)."""
    with root_file(path):
        tree = Tree("t", JAGGED)
        for start, stop, size in ((0, 90, 30), (90, 160, 7), (160, 400, 64)):
            tree.tree.SetAutoFlush(size)
            fill_rows(tree, start, stop)
        tree.write()


@makes("part-embedded.root")
def make_part_embedded(path: Path) -> None:
    """Write baskets on disk for most entries, and embedded ones for the last."""
    with root_file(path):
        tree = Tree("t", JAGGED)
        fill_rows(tree, 0, 150)
        tree.tree.FlushBaskets()
        fill_rows(tree, 150, 157)
        tree.write(flush=False)


@makes("first-entry.root")
def make_first_entry(path: Path) -> None:
    """Write a branch that begins at entry 17: fFirstEntry is not 0 and what is before is void."""
    with root_file(path):
        tree = Tree("t", [Column("i", "i/I", "i4")])
        tree.tree.SetAutoFlush(10)
        for i in range(17):
            tree.fill({"i": i})
        tree.add(Column("late", "late/F", "f4")).SetFirstEntry(17)
        for i in range(17, 40):
            tree.fill({"i": i, "late": i * 1.5})
        tree.write()


@makes("empty-tree.root")
def make_empty_tree(path: Path) -> None:
    """Write a tree with columns and no entries."""
    with root_file(path):
        Tree("t", JAGGED).write()


@makes("no-columns.root")
def make_no_columns(path: Path) -> None:
    """Write a tree with no columns at all."""
    with root_file(path):
        Tree("t", []).write()


ODD_NAMES = ("with space", "colon:name", "bracket[2]", "ünïcode", "dot.name", "100%", "quote\"'")


@makes("directories.root")
def make_directories(path: Path) -> None:
    """Write nested directories, three cycles of one name, odd names, and other objects between."""
    import ROOT

    with root_file(path) as file:
        for cycle in (1, 2, 3):
            tree = Tree("t", JAGGED)
            fill_rows(tree, 0, 10 * cycle)
            tree.write()
            tree.tree.Delete()
        file.mkdir("empty")
        for depth, folder in enumerate(("a", "a/b", "a/b/c"), start=4):
            file.mkdir(folder)
            file.cd(folder)
            tree = Tree("t", JAGGED)
            fill_rows(tree, 0, depth)
            tree.write()
        file.mkdir("odd names")
        file.cd("odd names")
        for count, name in enumerate(ODD_NAMES, start=1):
            tree = Tree(name, JAGGED)
            fill_rows(tree, 0, count)
            tree.write()
        file.cd()
        ROOT.TNamed("note", "not a tree").Write()
        ROOT.TH1F("histogram", "not a tree either", 10, 0.0, 1.0).Write()


@makes("ntuple.root")
def make_ntuple(path: Path) -> None:
    """Write a TNtuple and a TNtupleD: trees by another class name."""
    import ROOT

    with root_file(path):
        single = ROOT.TNtuple("single", "floats", "x:y:z")
        double = ROOT.TNtupleD("double", "doubles", "p:q")
        for tree in (single, double):
            ROOT.SetOwnership(tree, False)  # the file's: it deletes them when it closes
        for i in range(100):
            single.Fill(i, i / 3, -i)
            double.Fill(i / 7, i * 1e200)
        single.Write()
        double.Write()


@makes("odd-columns.root")
def make_odd_columns(path: Path) -> None:
    """Write branches with odd names, a duplicate name in one tree, and a counter of every width."""
    with root_file(path):
        columns = [Column(name, "leaf/I", "i4") for name in ODD_NAMES]
        for letter, dtype in (("B", "i1"), ("b", "u1"), ("S", "i2"), ("s", "u2"), ("i", "u4")):
            name = f"c{ord(letter)}"
            columns.append(Column(name, f"{name}/{letter}", dtype))
            columns.append(Column(f"v_{name}", f"v_{name}[{name}]/F", "f4", 4))
        tree = Tree("t", columns)
        for i in range(50):
            row: dict[str, Any] = dict.fromkeys(ODD_NAMES, i)
            for column in columns[len(ODD_NAMES) :]:
                row[column.name] = np.arange(i % 5) + i if column.capacity > 1 else i % 5
            tree.fill(row)
        tree.write()


@makes("wide.root")
def make_wide(path: Path) -> None:
    """Write 10,000 branches with three entries."""
    with root_file(path, "zlib"):
        columns = [Column(f"b{i:05}", f"b{i:05}/F", "f4", basket=128) for i in range(10_000)]
        tree = Tree("t", columns)
        for entry in range(3):
            for i, column in enumerate(columns):
                tree.buffers[column.name][0] = i + entry / 4
            tree.fill({})
        tree.write()


@makes("merged.root")
def make_merged(path: Path) -> None:
    """Merge five trees without unpacking, so that each part of a column has its own codec."""
    import ROOT

    parts = []
    for number, codec in enumerate(("zlib", "lz4", "none", "zstd", "lzma")):
        part = path.with_name(f"{path.stem}-{codec}.root")
        parts.append(part)
        with root_file(part, codec):
            tree = Tree("t", JAGGED)
            fill_rows(tree, 40 * number, 40 * number + 40)
            tree.write()
    chain = ROOT.TChain("t")
    for part in parts:
        chain.Add(str(part))
    with root_file(path):
        # "fast" copies the baskets as they are.
        merged = chain.CloneTree(-1, "fast")
        ROOT.SetOwnership(merged, False)
        merged.Write()
    del chain
    for part in parts:
        part.unlink()


BEYOND = 2_200_000_000
"""Where the second half of `beyond-2gib.root` begins: over 2 GiB."""


@makes("beyond-2gib.root")
def make_beyond_2gib(path: Path) -> None:
    """Write baskets and the tree beyond 2 GiB, where ROOT changes to 64-bit positions.

    ROOT is told that everything up to ``BEYOND`` is taken. Nothing is written there, so on a file
    system with sparse files this takes a few KiB of disk.
    """
    with root_file(path) as file:
        tree = Tree("t", JAGGED)
        fill_rows(tree, 0, 200)
        tree.tree.FlushBaskets()
        free = file.GetListOfFree().Last()
        free.SetFirst(BEYOND)
        free.SetLast(2 * BEYOND)
        file.SetEND(BEYOND)
        fill_rows(tree, 200, 400)
        tree.write()
