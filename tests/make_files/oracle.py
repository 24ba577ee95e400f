"""ROOT's own answer for columns that the Python readers get wrong or refuse.

``python -m tests.make_files.oracle FILE TREE COLUMN...`` prints one JSON object: column -> list of
entries, each a flat list of numbers. ``root_values`` runs that in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


def root_values(path: Path, tree: str, *columns: str) -> dict[str, list[list[float]]]:
    """Read columns through ROOT's leaves; one flat list of doubles per entry.

    Not for 64-bit integers above 2**53, which a double does not hold, nor for strings.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.make_files.oracle",
            str(path),
            tree,
            *columns,
        ],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, list[list[float]]] = json.loads(done.stdout)
    return answer


def read_with_root(path: str, name: str, columns: list[str]) -> dict[str, list[list[float]]]:
    """Do the work of ``root_values`` in this process."""
    import ROOT

    file = ROOT.TFile.Open(path)
    if not file or file.IsZombie():
        raise OSError(f"ROOT cannot open {path}")
    tree = file.Get(name)
    leaves = {column: tree.GetBranch(column).GetListOfLeaves()[0] for column in columns}
    answer: dict[str, list[list[float]]] = {column: [] for column in columns}
    for entry in range(tree.GetEntries()):
        tree.GetEntry(entry)
        for column, leaf in leaves.items():
            answer[column].append([leaf.GetValue(i) for i in range(leaf.GetLen())])
    file.Close()
    return answer


if __name__ == "__main__":
    json.dump(read_with_root(sys.argv[1], sys.argv[2], sys.argv[3:]), sys.stdout)
