"""What stands behind an array that :func:`ladle.open` made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

#: Under this key of an array's ``attrs``. The sign makes it transient: awkward does not pickle it.
ATTRIBUTE = "@ladle"


@dataclass(eq=False)
class OpenInfo:
    """What was opened, what of it can be read, and what has been.

    Attributes
    ----------
    files : list of str
        Paths, in the order of their entries.
    tables : list of str
        Name of the table in each.
    formats : list of str
        Format of each table, ``"TTree"`` or ``"RNTuple"``.
    n_entries : int
        Entries of the array as it was opened.
    columns : dict of str to str
        Type of each column of the array, by name, as awkward writes it.
    unreadable : dict of str to str
        Why each column that was asked for and left out cannot be read, by name.
    reads : collections.Counter
        How often a buffer of each column was handed out, by name: by decoding or from a cache. An
        offsets buffer that columns share counts for the first of them.
    """

    files: list[str]
    tables: list[str]
    formats: list[str]
    n_entries: int
    columns: dict[str, str]
    unreadable: dict[str, str]
    reads: Counter[str] = field(default_factory=Counter)

    def __repr__(self) -> str:
        files = self.files[0] if len(self.files) == 1 else f"{len(self.files)} files"
        return (
            f"<OpenInfo {files}:{self.tables[0]}, {self.n_entries} entries, "
            f"{len(self.columns)} columns, {len(self.unreadable)} unreadable, "
            f"{len(self.reads)} read>"
        )


def info(array: Any) -> OpenInfo:
    """Return what stands behind an array that :func:`ladle.open` made.

    Parameters
    ----------
    array : ak.Array
        The array itself, or one that awkward derived from it (attributes are passed on).

    Raises
    ------
    TypeError
        If the array did not come from :func:`ladle.open`, or lost its attributes, as by a pickle.
    """
    found = getattr(array, "attrs", {}).get(ATTRIBUTE)
    if not isinstance(found, OpenInfo):
        raise TypeError("this is no array that ladle.open made")
    return found
