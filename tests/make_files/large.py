"""One basket of more than 16 MiB in each codec: its payload needs several compressed blocks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from tests.make_files.registry import FILES
from tests.make_files.writing import CODECS, Column, Tree, root_file

BLOCK_LIMIT = 0xFFFFFF
"""A compressed block holds this many bytes at most: its size field has 24 bits."""

WIDTH = 1 << 16
ENTRIES = 2 * BLOCK_LIMIT // (4 * WIDTH) + 2  # three blocks, the last one short


def make_large_payload(codec: str, path: Path) -> None:
    """Write a flat column (three blocks), a jagged one (two) and its counter, one basket each."""
    basket = 4 * WIDTH * (ENTRIES + 1)
    columns = (
        Column("n", "n/I", "i4"),
        Column("flat", f"flat[{WIDTH}]/I", "i4", WIDTH, basket),
        Column("jagged", "jagged[n]/F", "f4", WIDTH, basket),
    )
    pattern = np.arange(WIDTH, dtype="i4") // 16
    with root_file(path, codec):
        tree = Tree("t", columns)
        for i in range(ENTRIES):
            n = WIDTH // 2 + 3000 - i
            tree.fill({"n": n, "flat": pattern + i, "jagged": pattern[:n] * 0.5})
        tree.write()


for codec_name in CODECS:
    FILES[f"large-payload-{codec_name}.root"] = partial(make_large_payload, codec_name)
