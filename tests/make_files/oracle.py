"""ROOT's own answer for columns that the Python readers get wrong or refuse.

``python -m tests.make_files.oracle`` reads a JSON list of [file, tree, [column, ...]] from stdin
and prints a list of objects, one per request: column -> list of entries, each a flat list of
numbers, or a string. ``root_values`` and ``root_values_of`` run that in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


Values = dict[str, list[list[float] | str]]


def root_values_of(requests: Sequence[tuple[Path, str, Sequence[str]]]) -> list[Values]:
    """Read columns of several trees through ROOT's leaves: (file, tree, columns) each.

    Per entry a flat list of doubles, or a string. Not for 64-bit integers above 2**53, which a
    double does not hold. Of a leaf list, the first leaf.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.make_files.oracle"],
        input=json.dumps([(str(path), tree, list(columns)) for path, tree, columns in requests]),
        cwd=PROJECT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answers: list[Values] = json.loads(done.stdout)
    return answers


def root_values(path: Path, tree: str, *columns: str) -> Values:
    """Read columns of one tree; see ``root_values_of``."""
    return root_values_of([(path, tree, columns)])[0]


def read_with_root(path: str, name: str, columns: list[str]) -> Values:
    """Do the work of one request in this process."""
    import ROOT

    file = ROOT.TFile.Open(path)
    if not file or file.IsZombie():
        raise OSError(f"ROOT cannot open {path}")
    tree = file.Get(name)
    leaves = {column: tree.GetBranch(column).GetListOfLeaves()[0] for column in columns}
    answer: Values = {column: [] for column in columns}
    for entry in range(tree.GetEntries()):
        tree.GetEntry(entry)
        for column, leaf in leaves.items():
            if leaf.ClassName() == "TLeafC":
                answer[column].append(str(leaf.GetValueString()))
            else:
                answer[column].append([leaf.GetValue(i) for i in range(leaf.GetLen())])
    file.Close()
    return answer


if __name__ == "__main__":
    json.dump([read_with_root(*request) for request in json.load(sys.stdin)], sys.stdout)
