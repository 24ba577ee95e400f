"""Every RNTuple of the samples, against uproot, against its TTree twin, and in random ranges."""

import random

import awkward as ak
import pytest
import uproot

from ladle import _core
from tests.python.conftest import SAMPLES, find_sample
from tests.python.oracle import assert_same_buffers, sample_files
from tests.rntuple.ranges import assert_range, read_column

#: 100,000,000 values in 1.8 kB: read in ranges only.
HUGE = "test_int_multicluster_rntuple_v1-0-0-0.root"
FILES = [path for path in sample_files() if "rntuple" in path.name and path.name != HUGE]

#: The same data as a TTree and as an RNTuple.
TWINS = [
    *("nano_dy", "nano_dimuon", "nano_tree", "pfnano", "treemaker"),
    *("nano_dy_empty", "nano_dy_SpecialTree"),
]

#: uproot takes 10 to 40 s for each of the wide files. One of them will do, since these are compared
#: with their twins, which are compared with uproot.
WITH_UPROOT = [
    path
    for path in FILES
    if path.stem.removesuffix("_rntuple") not in TWINS or "nano" not in path.stem
] + [path for path in FILES if path.stem == "nano_tree_rntuple"]


def tables(path):
    """All RNTuples of a file, each with a reader."""
    context = _core.Context()
    file = _core.File(context, str(path))
    reader = _core.Reader(context, 2)
    return [
        (file.table(key["path"]), reader)
        for key in file.keys()  # noqa: SIM118 - a method, not a mapping
        if key["is_table"] and "RNTuple" in key["class_name"]
    ]


def uproot_column(arrays, column):
    """The values that uproot has at the end of a column's path; tuples count without the `_`."""
    found = arrays[column.field]
    for _, name in column.members:
        found = found[name if name in ak.fields(found) else name.removeprefix("_")]
    return found


def buffers_as_array(column, buffers):
    """Offsets and data of lists and fixed arrays, as an awkward layout."""
    buffers = list(buffers)
    layout = ak.contents.NumpyArray(buffers.pop())
    for size in reversed(column.dims):
        if size >= 0:
            layout = ak.contents.RegularArray(layout, size)
        else:
            layout = ak.contents.ListOffsetArray(ak.index.Index64(buffers.pop()), layout)
    return ak.Array(layout)


@pytest.mark.parametrize("path", WITH_UPROOT, ids=lambda path: path.stem)
def test_equal_to_uproot(path):
    n_compared = 0
    for table, reader in tables(path):
        columns = [table.column(index) for index in range(table.n_columns)]
        with uproot.open(path) as file:
            arrays = file[table.name].arrays()
        assert table.n_entries == len(arrays)
        for column in columns:
            index = table.find(column.name)
            if column.reason is not None or min(column.dims, default=0) < -1:
                continue
            found = buffers_as_array(column, read_column(reader, table, index, 0, table.n_entries))
            expected = ak.without_parameters(uproot_column(arrays, column))
            if column.type_name.startswith("ROOT::RNTupleCardinality"):
                # uproot has its own dtype for these; ROOT has the one that the file names
                expected = ak.values_astype(expected, column.dtype)
            assert_same_buffers(found, expected, f"{path.name}: {column.name}")
            n_compared += 1
    assert n_compared > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_any_range_is_the_slice_of_the_whole(path):
    choice = random.Random(path.name)
    for table, reader in tables(path):
        n = table.n_entries
        indices = range(table.n_columns)
        for index in choice.sample(indices, min(len(indices), 60)):
            if table.column(index).reason is not None:
                continue
            whole = read_column(reader, table, index, 0, n)
            for _ in range(6):
                start, stop = sorted((choice.randint(0, n), choice.randint(0, n)))
                part = read_column(reader, table, index, start, stop)
                assert_range(table, index, whole, part, start, stop)


@pytest.mark.parametrize("name", TWINS)
def test_twins_have_the_same_buffers(name):
    (tree, tree_reader), (ntuple, reader) = (
        (_core.File(context, str(find_sample(file))).table(None), _core.Reader(context, 2))
        for file, context in (
            (f"{name}.root", _core.Context()),
            (f"{name}_rntuple.root", _core.Context()),
        )
    )
    assert tree.n_entries == ntuple.n_entries
    names = [column for column in tree.names() if "/" not in column]
    missing = [column for column in names if ntuple.find(column) < 0]
    # Split vectors of four-vectors: members of a record in the RNTuple.
    assert not missing or name == "treemaker"
    n_compared = 0
    for column in names:
        one, other = tree.find(column), ntuple.find(column)
        if other < 0 or tree.column(one).reason is not None:
            continue  # STL columns of a TTree are not read natively: uproot is their oracle
        assert tree.column(one).type == ntuple.column(other).type
        wanted = read_column(tree_reader, tree, one, 0, tree.n_entries)
        found = read_column(reader, ntuple, other, 0, ntuple.n_entries)
        assert [b.tobytes() for b in found] == [b.tobytes() for b in wanted], column
        n_compared += 1
    assert n_compared > 100


def test_huge():
    """A file of 1.8 kB that declares 10^8 values: ranges take what they have, no more."""
    context = _core.Context()
    context.set_budget(8 << 20)
    table = _core.File(context, str(find_sample(HUGE))).table(None)
    reader = _core.Reader(context, 1)
    assert table.n_entries == 100_000_000
    with uproot.open(find_sample(HUGE)) as file:
        arrays = file[table.name].arrays(entry_start=49_999_000, entry_stop=50_001_000)
    lease = reader.read_buffer(table, 0, 0, 49_999_000, 50_001_000)
    assert lease.array().tobytes() == ak.to_numpy(arrays[table.names()[0]]).tobytes()
    del lease
    for start in range(0, table.n_entries, 20_000_000):
        assert len(reader.read_buffer(table, 0, 0, start, start + 1_000_000).array()) == 1_000_000
    with pytest.raises(Exception, match="budget"):
        reader.read_buffer(table, 0, 0, 0, table.n_entries)
    assert context.memory()["peak"] <= 8 << 20


def test_samples_are_there():
    """Where coffea's samples are, so are its RNTuples."""
    if not SAMPLES.is_dir():
        pytest.skip(f"no {SAMPLES}")
    assert len([path for path in FILES if path.parent == SAMPLES]) >= 5
