"""Tables for the tests of `ladle.iterate`, in several clusters, and what their steps must be."""

import itertools

import awkward as ak
import numpy as np
import uproot

import ladle
from ladle._context import default_context

#: Clusters of the made tables end here.
BORDERS = (0, 100, 101, 230, 400)


def made_columns(n_entries=BORDERS[-1], seed=3):
    """One column of each kind that a TTree and an RNTuple both have."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 6, n_entries)
    counts[n_entries // 3] = 40
    lists = random.normal(size=counts.sum()).astype(np.float32)
    return {
        "run": np.arange(n_entries) * seed,
        "x": random.integers(-20, 20, n_entries).astype(np.float32),
        "vector": random.normal(size=(n_entries, 3)).astype(np.float32),
        "Jet_pt": ak.unflatten(lists, counts),
        "Jet_eta": ak.unflatten(-lists, counts),
        "name": ak.Array([f"n{i}é" * (i % 4) for i in range(n_entries)]),
    }


def write_tree(path, columns, borders=BORDERS):
    """Write a TTree, the baskets of whose branches end at the borders."""
    types = {
        name: ak.type(values).content
        if isinstance(values, ak.Array)
        else np.dtype((values.dtype, values.shape[1:]))
        for name, values in columns.items()
    }
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", types)
        for start, stop in itertools.pairwise(borders):
            tree.extend({name: values[start:stop] for name, values in columns.items()})
    return path


def write_ntuple(path, columns, borders=BORDERS):
    """Write an RNTuple whose clusters end at the borders."""
    parts = [
        ak.Array({name: values[start:stop] for name, values in columns.items()})
        for start, stop in itertools.pairwise(borders)
    ]
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("Events", parts[0])
        for part in parts[1:]:
            ntuple.extend(part)
    return path


def damage(path, column, page):
    """Overwrite one page of a column; return where it lies."""
    table = ladle._core.File(default_context(), path).table()
    _, _, offset, nbytes = table.page(table.find(column), page)
    assert offset > 0
    data = bytearray(path.read_bytes())
    data[offset : offset + nbytes] = b"\x55" * nbytes
    path.write_bytes(data)
    return offset, offset + nbytes


def assert_same(found, expected, where=""):
    """Compare two arrays, type and bytes, after what no entry uses is cut off."""
    assert str(found.type) == str(expected.type), where
    form, length, buffers = ak.to_buffers(ak.to_packed(found))
    other_form, other_length, others = ak.to_buffers(ak.to_packed(expected))
    assert (form, length) == (other_form, other_length), where
    for key, values in buffers.items():
        assert values.dtype == others[key].dtype, (where, key)
        assert values.tobytes() == others[key].tobytes(), (where, key)


def assert_together(steps, expected, first=0):
    """Compare all steps, joined, with the array that `ladle.open` made; `first` is its place."""
    at = first
    for array, report in steps:
        assert report.global_entry_start == at
        assert report.global_entry_stop - at == len(array) > 0
        at = report.global_entry_stop
    assert at == first + len(expected)
    if steps:
        assert_same(steps[0][0], expected[: len(steps[0][0])], steps[0][1])
        assert_same(ak.concatenate([array for array, _ in steps]), expected)


def assert_steps(steps, expected, first=0):
    """Compare each pair of array and report with the array that `ladle.open` made."""
    at = first
    for array, report in steps:
        assert report.global_entry_start == at
        assert report.global_entry_stop - at == len(array) > 0
        assert report.tree_entry_stop - report.tree_entry_start == len(array)
        at = report.global_entry_stop
        assert_same(array, expected[report.global_entry_start - first : at - first], report)
    assert at == first + len(expected)


def reports_of(files, **options):
    """List the reports of all steps."""
    return [report for _, report in ladle.iterate(files, report=True, **options)]
