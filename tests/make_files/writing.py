"""Small helpers over PyROOT: files with reproducible bytes, trees filled from numpy buffers.

Importing this, or any module of this package, does not import ROOT; making a file does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CODECS = {"none": 0, "zlib": 101, "lzma": 201, "old": 301, "lz4": 401, "zstd": 505}
"""ROOT's compression settings, 100 * algorithm + level. `old` writes blocks with the magic CS."""


@contextmanager
def root_file(path: Path, codec: str = "zstd") -> Iterator[Any]:
    """Open a new ROOT file for writing; the same content gives the same bytes.

    The name inside the file is the bare name, so bytes do not depend on the folder.
    """
    import ROOT

    ROOT.gROOT.SetBatch(True)
    file = ROOT.TFile(f"{path}?reproducible={path.name}", "RECREATE", "", CODECS[codec])
    if file.IsZombie():
        raise OSError(f"ROOT cannot create {path}")
    try:
        yield file
    finally:
        file.Close()


@dataclass(frozen=True)
class Column:
    """A branch to be: its name, ROOT's leaf list, and the buffer that is filled from.

    Parameters
    ----------
    name : str
        Name of the branch.
    leaves : str
        Leaf list as TTree::Branch takes it, such as ``"v[n]/F"``.
    dtype : str
        numpy dtype of one element in memory; a Double32_t is a float64 there.
    capacity : int
        Most elements that one entry has.
    basket : int
        Size of a basket buffer, in bytes.
    """

    name: str
    leaves: str
    dtype: Any
    capacity: int = 1
    basket: int = 32000


class Tree:
    """A TTree with one buffer per column.

    Parameters
    ----------
    name : str
        Name of the tree, written into ROOT's current directory.
    columns : sequence of Column
        The branches; counters before those they count.
    offsets_on_demand : bool
        Set the I/O feature kGenerateOffsetMap: no offset table where it can be computed.
    """

    def __init__(
        self, name: str, columns: Sequence[Column], *, offsets_on_demand: bool = False
    ) -> None:
        import ROOT

        self.tree = ROOT.TTree(name, name)
        ROOT.SetOwnership(self.tree, False)  # the file's: it deletes its trees when it closes
        # Nothing is flushed unless the maker says so: it decides where baskets end.
        self.tree.SetAutoFlush(0)
        self.tree.SetAutoSave(0)
        if offsets_on_demand:
            features = ROOT.TIOFeatures()
            features.Set(ROOT.Experimental.EIOFeatures.kGenerateOffsetMap)
            self.tree.SetIOFeatures(features)
        self.buffers: dict[str, np.ndarray[Any, Any]] = {}
        for column in columns:
            self.add(column)

    def add(self, column: Column) -> Any:
        """Add a branch and return it."""
        buffer = np.zeros(column.capacity, dtype=column.dtype)
        self.buffers[column.name] = buffer
        # ROOT reads the buffer as what the leaf list says, so its numpy type does not matter.
        return self.tree.Branch(column.name, buffer.view(np.uint8), column.leaves, column.basket)

    def fill(self, row: Mapping[str, Any]) -> None:
        """Fill one entry; each value is flattened into its column's buffer."""
        for name, value in row.items():
            buffer = self.buffers[name]
            if isinstance(value, bytes):  # a C string: the terminator is part of the buffer
                value = np.frombuffer(value + b"\0", np.int8)
            flat = np.asarray(value, dtype=buffer.dtype).reshape(-1)
            buffer[: len(flat)] = flat
        if self.tree.Fill() < 0:
            raise OSError(f"ROOT cannot fill {self.tree.GetName()}")

    def write(self, *, flush: bool = True) -> None:
        """Write the tree; without ``flush`` the last baskets stay embedded in its record."""
        if flush:
            self.tree.FlushBaskets()
        # Not tree.Write(): that one flushes, always.
        if self.tree.GetDirectory().WriteTObject(self.tree) <= 0:
            raise OSError(f"ROOT cannot write {self.tree.GetName()}")
