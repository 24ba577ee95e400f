"""Trees of a few KiB, one file per basket form and codec: small enough to damage at every byte."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.make_files.registry import FILES
from tests.make_files.writing import CODECS, Column, Tree, root_file

ENTRIES = 48
FLUSH_EVERY = 32  # the second basket is shorter than the first


class Form(NamedTuple):
    """What a basket looks like: the columns, the entries, and how they reach the disk."""

    columns: tuple[Column, ...]
    row: Callable[[int], dict[str, Any]]
    flush: bool = True
    offsets_on_demand: bool = False


def flat_row(i: int) -> dict[str, Any]:
    """Return a scalar per entry."""
    return {"x": i // 4 - 3}


def jagged_row(i: int) -> dict[str, Any]:
    """Return 0 to 3 values and their number."""
    return {"n": i % 4, "v": np.arange(i % 4) + 0.5}


def string_row(i: int) -> dict[str, Any]:
    """Return a short string; entry 5 is empty, entry 7 needs the long form of the length."""
    return {"s": b"y" * 300 if i == 7 else b"word"[: (i + 3) % 4]}


def leaflist_row(i: int) -> dict[str, Any]:
    """Return one record of four leaves and one of an array and a scalar."""
    record = np.array([(i / 2, -i, i // 3, i % 2)], LEAFLIST)
    return {"rec": record.view(np.uint8), "mix": [i, i + 1, 7]}


LEAFLIST = np.dtype([("d", "f8"), ("i", "i4"), ("s", "i2"), ("b", "i1")])

JAGGED = (Column("n", "n/I", "i4"), Column("v", "v[n]/F", "f4", 4))
STRINGS = (Column("s", "s/C", "i1", 400),)
RECORDS = (
    Column("rec", "d/D:i/I:s/S:b/B", "u1", LEAFLIST.itemsize),
    Column("mix", "pair[2]/I:one/I", "i4", 3),
)

FORMS = {
    "flat": Form((Column("x", "x/I", "i4"),), flat_row),
    "offsets": Form(JAGGED, jagged_row),
    "flag80": Form(JAGGED, jagged_row, offsets_on_demand=True),
    "leaflist": Form(RECORDS, leaflist_row),
    "strings": Form(STRINGS, string_row),
    "embedded": Form(JAGGED, jagged_row, flush=False),
    "embedded-flag80": Form(JAGGED, jagged_row, flush=False, offsets_on_demand=True),
    "embedded-strings": Form(STRINGS, string_row, flush=False),
}


def make_small(form: Form, codec: str, path: Path) -> None:
    """Write ``ENTRIES`` entries of one form as the tree ``t``."""
    with root_file(path, codec) as file:
        tree = Tree("t", form.columns, offsets_on_demand=form.offsets_on_demand)
        for i in range(ENTRIES):
            if form.flush and i == FLUSH_EVERY:
                tree.tree.FlushBaskets()
            tree.fill(form.row(i))
        tree.write(flush=form.flush)
        # The streamer descriptions are half of the file and the same in all: keep them short.
        file.SetCompressionSettings(CODECS["zstd"])


for form_name, a_form in FORMS.items():
    for codec_name in CODECS:
        FILES[f"small-{form_name}-{codec_name}.root"] = partial(make_small, a_form, codec_name)
