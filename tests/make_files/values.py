"""Every leaf type in every shape, with the values at the ends of its range."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.make_files.registry import FILES, makes
from tests.make_files.writing import Column, Tree, root_file

TYPES = {
    "B": "i1", "b": "u1", "S": "i2", "s": "u2", "I": "i4", "i": "u4", "L": "i8", "l": "u8",
    "G": "i8", "g": "u8", "F": "f4", "D": "f8", "O": "?",
}  # fmt: skip
"""ROOT's letter of a leaf type -> numpy dtype of its value."""

SHAPES = {"scalar": "", "fixed": "[3]", "matrix": "[2][3]", "jagged": "[n]", "jagged3": "[n][3]"}

MAX_COUNT = 5


def column_name(letter: str, shape: str) -> str:
    """Name a column; letters that differ only in case get names that differ in more."""
    return f"{letter}_{'upper' if letter.isupper() else 'lower'}_{shape}"


def count_of(shape: str, n: int) -> int:
    """Count the elements of one entry with counter value ``n``."""
    return {"scalar": 1, "fixed": 3, "matrix": 6, "jagged": n, "jagged3": 3 * n}[shape]


def some_values(dtype: str, seed: int, count: int) -> np.ndarray[Any, Any]:
    """Return ``count`` values that visit the ends of the type's range and its special values."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return (np.arange(count) + seed) % 3 == 0
    if kind.kind == "f":
        info = np.finfo(kind)
        special = [0.0, -0.0, info.max, info.min, info.tiny, np.inf, -np.inf, np.nan, 1 / 3, -1.5]
    else:
        whole = np.iinfo(kind)
        special = [0, 1, whole.min, whole.max, whole.max - 1, whole.min + 1, 42, whole.max // 3]
    pool = np.array(special, dtype=kind)
    return pool[(np.arange(count) * 3 + seed) % len(pool)]


def make_types(path: Path, *, flush_every: int | None, offsets_on_demand: bool) -> None:
    """Write 13 types x 5 shapes; ``flush_every=None`` leaves all of it embedded."""
    columns = [Column("n", "n/I", "i4")]
    columns += [
        Column(column_name(letter, shape), f"{column_name(letter, shape)}{dims}/{letter}", dtype,
               count_of(shape, MAX_COUNT))
        for letter, dtype in TYPES.items()
        for shape, dims in SHAPES.items()
    ]  # fmt: skip
    with root_file(path):
        tree = Tree("t", columns, offsets_on_demand=offsets_on_demand)
        for i in range(50):
            if flush_every and i and i % flush_every == 0:
                tree.tree.FlushBaskets()
            n = i * 7 % (MAX_COUNT + 1)
            row: dict[str, Any] = {"n": n}
            for letter, dtype in TYPES.items():
                for shape in SHAPES:
                    values = some_values(dtype, i, count_of(shape, n))
                    row[column_name(letter, shape)] = values
            tree.fill(row)
        tree.write(flush=flush_every is not None)


FILES["types.root"] = partial(make_types, flush_every=20, offsets_on_demand=False)
FILES["types-embedded.root"] = partial(make_types, flush_every=None, offsets_on_demand=False)
FILES["types-flag80.root"] = partial(make_types, flush_every=20, offsets_on_demand=True)

RANGES = {
    "plain": "",
    "range12": "[0,10,12]",
    "range32": "[-5,5]",
    "bits10": "[0,0,10]",
    "bits2": "[0,0,2]",
    "bits16": "[0,0,16]",
    "pi": "[-pi,pi,20]",
}
"""How a Double32_t or Float16_t is stored: by default, as an integer in a range, with few bits."""


@makes("truncated-floats.root")
def make_truncated_floats(path: Path) -> None:
    """Write Double32_t (letter d) and Float16_t (letter f), by range and by shape.

    Columns are named ``d32_RANGE_SHAPE`` and ``f16_RANGE_SHAPE``. ROOT is the oracle for them.
    """
    columns = [Column("n", "n/I", "i4")]
    for prefix, letter, dtype in (("d32", "d", "f8"), ("f16", "f", "f4")):
        for range_name, text in RANGES.items():
            for shape in ("scalar", "fixed", "jagged"):
                name = f"{prefix}_{range_name}_{shape}"
                leaves = f"{name}{SHAPES[shape]}/{letter}{text}"
                columns.append(Column(name, leaves, dtype, count_of(shape, MAX_COUNT)))
    with root_file(path):
        tree = Tree("t", columns)
        for i in range(60):
            if i == 40:
                tree.tree.FlushBaskets()
            n = i % (MAX_COUNT + 1)
            row: dict[str, Any] = {"n": n}
            for column in columns[1:]:
                shape = column.name.rsplit("_", 1)[1]
                row[column.name] = np.sin(np.arange(count_of(shape, n)) + i / 7) * 3 + 0.001 * i
            tree.fill(row)
        tree.write()
