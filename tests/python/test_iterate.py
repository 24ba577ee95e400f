"""ladle.iterate: all steps together are what ladle.open reads, however they are cut and wait."""

import os
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

import ladle
from tests.cli.made import NESTED
from tests.python.conftest import find_sample
from tests.python.oracle import is_leaf_column
from tests.python.stepped import (
    assert_same,
    assert_steps,
    assert_together,
    made_columns,
    reports_of,
    write_ntuple,
    write_tree,
)

#: Of each kind of type, dimension, encoding and cluster one.
SAMPLES = [
    "nano_tree.root",
    "nano_tree_rntuple.root",
    "treemaker_rntuple.root",
    "delphes.root",
    "PHYSLITE_example.root",
    "pduneana.root",
    "uproot-HZZ-zstd.root",
    "uproot-Zmumu-lzma.root",
    "uproot-sample-6.20.04-zlib.root",
    "uproot-foriter.root",
    "uproot-leaflist.root",
    "uproot-small-dy-nooffsets.root",
    "uproot-small-dy-withoffsets.root",
    "uproot-empty.root",
    "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root",
    "ntpl001_staff_rntuple_v1-0-0-0.root",
    "test_extension_columns_rntuple_v1-0-0-0.root",
    "test_float_types_rntuple_v1-0-0-0.root",
    "test_index_multicluster_rntuple_v1-0-0-0.root",
    "test_multiple_representations_rntuple_v1-0-0-0.root",
    "test_nested_structs_rntuple_v1-0-0-0.root",
    "test_stl_containers_rntuple_v1-0-0-0.root",
]


@pytest.mark.parametrize("name", SAMPLES)
def test_steps_of_samples_are_what_open_reads(name):
    path = find_sample(name)
    fields = ladle.open(path).fields
    fields = fields[:: len(fields) // 100 + 1]
    expected = ak.materialize(ladle.open(path, filter_name=fields))
    n_entries = len(expected)
    nbytes = sum(report.nbytes for report in reports_of(path, filter_name=fields))
    for step_size in (max(n_entries // 3, 1), f"{max(nbytes // 4, 1)} B"):
        for threads in (1, 2):
            options = {"step_size": step_size, "threads": threads, "filter_name": fields}
            assert_steps(ladle.iterate(path, report=True, **options), expected)


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    """Records, options, tuples and variants, in clusters of three and six entries."""
    array = ak.Array(NESTED)
    path = tmp_path_factory.mktemp("nested") / "nested.root"
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("Events", array)
        ntuple.extend(ak.concatenate([array, array[::-1]]))
        ntuple.extend(array)
    return path


@pytest.mark.parametrize("budget", [1, "1 MB"])
@pytest.mark.parametrize("step_size", [1, 2, 5, 100, "1 B", "200 B", "1 kB"])
def test_nested_types(nested, step_size, budget):
    expected = ak.materialize(ladle.open(nested))
    assert {"either", "best", "pair", "jets", "tries"} <= set(expected.fields)
    for name in expected.fields:
        steps = ladle.iterate(
            nested, step_size=step_size, budget=budget, filter_name=name, report=True
        )
        at = 0
        for array, report in steps:
            part = expected[[name]][at : report.global_entry_stop]
            assert str(array.type) == str(part.type)
            assert array.to_list() == part.to_list()
            at = report.global_entry_stop
        assert at == len(expected)


def plain_columns(tree):
    """Names of the columns of one leaf that uproot reads as numpy or as text."""
    return [
        name
        for name, branch in tree.iteritems(recursive=True)
        if is_leaf_column(branch) and len(branch.member("fLeaves")) == 1
    ]


def same_elements(found, expected):
    if expected.dtype != object:
        expected = expected.astype(expected.dtype.newbyteorder("="))
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        return found.tobytes() == expected.tobytes()
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    return all(
        one == other if isinstance(other, str) else same_elements(one, np.asarray(other))
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(
    "name",
    [
        "uproot-HZZ-zlib.root",
        "uproot-Zmumu-zlib.root",
        "uproot-sample-6.20.04-lz4.root",
        "uproot-foriter.root",
        "uproot-small-dy-withoffsets.root",
    ],
)
def test_numpy_is_that_of_uproot(name):
    path = find_sample(name)
    with uproot.open(path) as file:
        tree = file[next(key for key, kind in file.classnames().items() if kind == "TTree")]
        names = plain_columns(tree)
        expected = tree.arrays(names, library="np")
        assert len(names) > 0
    for step_size in (7, 1000, "20 kB"):
        steps = list(ladle.iterate(path, filter_name=names, library="np", step_size=step_size))
        assert len(steps) > 1 or step_size != 7
        for name in names:
            found = np.concatenate([step[name] for step in steps])
            assert same_elements(found, expected[name]), name


def test_numpy_has_no_options(nested):
    (step,) = ladle.iterate(nested, library="np")
    assert "run" in step
    assert "either._0" not in step
    assert step["jets.hits"].dtype == object
    assert [len(hits) for hits in step["jets.hits"][0]] == [2, 0]
    with pytest.raises(ladle.UnsupportedError, match="library='ak'") as caught:
        ladle.iterate(nested, library="np", filter_name="best")
    assert "best" in caught.value.where


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A TTree, an RNTuple of the same columns, and one without entries; the last is a TTree."""
    folder = tmp_path_factory.mktemp("stepped")
    nothing = {name: values[:0] for name, values in made_columns().items()}
    return [
        write_tree(folder / "tree.root", made_columns()),
        write_ntuple(folder / "ntuple.root", made_columns(seed=4)),
        write_ntuple(folder / "empty.root", nothing, (0, 0)),
        write_tree(folder / "other.root", made_columns(27, seed=5), (0, 13, 27)),
    ]


@pytest.fixture(scope="module")
def whole(files):
    """All columns that the files have in common."""
    return ak.materialize(ladle.open(files))


COLUMNS = ["Jet_*", "name", "run", "vector", "x"]

SIZES = st.integers(3, 500) | st.sampled_from(["200 B", "1 kB", "4999 B", "5 kB", "30 kB", "1 MB"])
BUDGETS = st.sampled_from([1, 1000, "5 kB", "20 kB", "1 GB", None])


@settings(deadline=None, max_examples=40)
@given(
    step_size=SIZES,
    budget=BUDGETS,
    threads=st.integers(1, 2),
    start=st.none() | st.integers(-1000, 1000),
    stop=st.none() | st.integers(-1000, 1000),
)
def test_any_steps_are_what_open_reads(files, whole, step_size, budget, threads, start, stop):
    options = {"step_size": step_size, "filter_name": COLUMNS, "entry_start": start}
    options |= {"entry_stop": stop}
    first, last, _ = slice(start, stop).indices(len(whole))
    steps = list(ladle.iterate(files, report=True, budget=budget, threads=threads, **options))
    assert_together(steps, whole[first : max(first, last)], first)
    reports = [report for _, report in steps]
    offsets = dict(zip(map(str, files), (0, 400, 800, 800), strict=True))
    for report in reports:
        assert report.object_path == "Events"
        offset = offsets[report.file_path]
        assert report.global_entry_start - report.tree_entry_start == offset
        assert report.global_entry_stop - report.tree_entry_stop == offset
        entries = report.tree_entry_stop - report.tree_entry_start
        if isinstance(step_size, int):
            is_last = report.global_entry_stop == last or report.tree_entry_stop in (400, 27)
            assert entries == step_size or (is_last and entries < step_size)
        else:
            assert report.nbytes <= ladle._units.parse_nbytes(step_size) or entries == 1
    assert reports_of(files, **options) == reports


def test_nbytes_are_those_of_the_buffers(nano):
    """Each counted once, though the two columns of lists have their offsets in common."""
    columns = ["Jet_pt", "Jet_eta"]
    for array, report in ladle.iterate(nano, filter_name=columns, step_size=7, report=True):
        items = len(ak.flatten(array.Jet_pt))
        assert report.nbytes == 8 * (len(array) + 1) + 2 * 4 * items
        offsets = array.Jet_pt.layout.offsets.data
        assert np.shares_memory(offsets, array.Jet_eta.layout.offsets.data)


def test_steps_in_bytes_are_as_large_as_fits(files):
    """Columns of 20 bytes for each entry; the last border that a step reaches is its end."""
    for path in files[:2]:
        reports = reports_of(path, filter_name=["run", "vector"], step_size="1800 B")
        assert [report.tree_entry_stop for report in reports] == [90, 101, 191, 230, 320, 400]
        assert max(report.nbytes for report in reports) == 1800
        reports = reports_of(path, filter_name=["run", "vector"], step_size="1 MB")
        assert [report.tree_entry_stop for report in reports] == [400]


def test_steps_wait_in_a_scratch_file(files, whole, tmp_path, monkeypatch):
    """Where a cluster is far larger than the budget; a file for each thread, all gone after."""
    monkeypatch.setenv("LADLE_SCRATCH", str(tmp_path))

    def scratch_files():
        links = Path("/proc/self/fd").iterdir()
        return [link for link in links if str(tmp_path) in os.path.realpath(link)]

    steps = ladle.iterate(files[0], step_size="200 B", budget=900, threads=1, report=True)
    taken = [next(steps), next(steps)]
    assert len(scratch_files()) == 1
    taken += steps
    assert scratch_files() == list(tmp_path.iterdir()) == []
    assert_steps(((array[whole.fields], report) for array, report in taken), whole[:400])
    steps = ladle.iterate(files[0], step_size="200 B", budget=900, threads=2)
    next(steps)
    assert len(scratch_files()) == 2
    steps.close()
    del steps
    assert scratch_files() == []


def test_a_column_larger_than_the_budget_is_read_in_pieces(tmp_path):
    """Its blocks are never there all at once, though its cluster is decoded once."""
    random = np.random.default_rng(7)
    counts = random.integers(0, 9, 60_000)
    columns = {
        "wide": random.normal(size=(60_000, 16)),
        "one": np.arange(60_000),
        "lists": ak.unflatten(random.normal(size=counts.sum()), counts),
    }
    path = write_ntuple(tmp_path / "wide.root", columns, [0, 60_000])
    whole = ladle.open(path)
    for threads in (1, 2):
        steps = ladle.iterate(path, step_size="200 kB", budget="1 MB", threads=threads, report=True)
        assert_steps(steps, whole)
    script = (
        "import sys, ladle\n"
        "for _ in ladle.iterate(sys.argv[1], step_size='200 kB', budget='1 MB', threads=1): pass\n"
        "print(ladle.memory.info()['peak'])"
    )
    command = [sys.executable, "-c", script, str(path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    page = 60_000 * 16 * 8  # one, stored and decompressed; the whole column would be another
    assert int(printed) < 3 * page


@pytest.mark.parametrize("write", [write_tree, write_ntuple])
def test_a_budget_is_no_goal(write, tmp_path):
    """Steps of a number of entries end anywhere; no more of them wait than a window has."""
    n, cluster = 1_600_000, 50_000
    columns = {"wide": np.arange(16 * n).reshape(n, 16), "one": np.arange(n)}
    path = write(tmp_path / "long.root", columns, list(range(0, n + 1, cluster)))
    script = (
        "import sys, ladle\n"
        "entries = 0\n"
        "for array in ladle.iterate(sys.argv[1], step_size=7_001, budget='1 GB', threads=2):\n"
        "    assert array.one[0] == entries and array.wide[-1, -1] == array.one[-1] * 16 + 15\n"
        "    entries += len(array)\n"
        "print(entries, ladle.memory.info()['peak'])"
    )
    command = [sys.executable, "-c", script, str(path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    entries, peak = map(int, printed.split())
    assert entries == n
    # All would be 218 MB. 64 MiB wait, as much is made, to the end of a cluster; steps in use.
    assert peak < 2 * (64 << 20) + 4 * cluster * 17 * 8


def test_without_a_place_for_a_scratch_file(files, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("LADLE_SCRATCH", str(tmp_path / "none"))
    steps = ladle.iterate(files, step_size="200 B", budget=900, filter_name=COLUMNS, report=True)
    assert_together(list(steps), whole)


def test_filters_and_fields(files, nested):
    assert next(ladle.iterate(files[0], filter_name="Jet_*")).fields == ["Jet_pt", "Jet_eta"]
    step = next(ladle.iterate(nested, filter_name="jets.pt"))
    assert step.jets.fields == ["pt"]
    step = next(ladle.iterate(nested, filter_name=iter(["run", "pair"])))
    assert set(step.fields) == {"run", "pair"}
    assert str(step.pair.type.content) == "(int64, string)"


def test_reports_are_values(files):
    (report,) = reports_of(files[0])
    assert report == ladle.Report(str(files[0]), "Events", 0, 400, 0, 400, report.nbytes)
    assert hash(report) == hash(reports_of(files[0])[0])


def test_steps_stay_when_the_scan_is_gone(files, whole):
    steps = ladle.iterate(files[0], step_size=50, filter_name=["run", "Jet_pt"])
    kept = [step for step, _ in zip(steps, range(5), strict=False)]
    steps.close()
    del steps
    for i, step in enumerate(kept):
        assert_same(step, whole[["run", "Jet_pt"]][50 * i : 50 * i + 50])
        assert not np.asarray(step.run).flags.writeable
