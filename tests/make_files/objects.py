"""Trees where columns that are not plain numbers stand beside plain ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.make_files.registry import makes
from tests.make_files.writing import root_file


@makes("objects.root")
def make_objects(path: Path) -> None:
    """Write STL and class branches, split and unsplit, between plain columns."""
    import ROOT

    with root_file(path):
        tree = ROOT.TTree("t", "plain and other columns")
        ROOT.SetOwnership(tree, False)
        before = np.zeros(1, np.int32)
        count = np.zeros(1, np.int32)
        values = np.zeros(4, np.float32)
        after = np.zeros(1, np.float64)
        floats = ROOT.std.vector["float"]()
        nested = ROOT.std.vector["std::vector<double>"]()
        text = ROOT.std.string()
        strings = ROOT.std.vector["std::string"]()
        momentum = ROOT.TLorentzVector()
        whole = ROOT.TLorentzVector()
        objects = (floats, nested, text, strings, momentum, whole)
        tree.Branch("before", before, "before/I")
        tree.Branch("floats", floats)
        tree.Branch("nested", nested)
        tree.Branch("count", count, "count/I")
        tree.Branch("text", text)
        tree.Branch("strings", strings)
        tree.Branch("values", values, "values[count]/F")
        tree.Branch("momentum", momentum, 32000, 99)
        tree.Branch("whole", whole, 32000, 0)
        tree.Branch("after", after, "after/D")
        for i in range(30):
            for value in objects[:4]:
                value.clear()
            before[0], count[0], after[0] = i, i % 5, i / 3
            values[: i % 5] = np.arange(i % 5) + i
            for k in range(i % 3):
                floats.push_back(i + k / 2)
                nested.push_back(ROOT.std.vector["double"]([i, k]))
                strings.push_back(f"s{i}{k}")
            text.assign(f"entry {i}")
            momentum.SetPxPyPzE(i, 2 * i, 3 * i, 4 * i)
            whole.SetPxPyPzE(i, 2 * i, 3 * i, 4 * i)
            tree.Fill()
        tree.FlushBaskets()
        tree.Write()
