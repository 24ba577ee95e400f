"""Every column of every sample, byte by byte as uproot reads it."""

import itertools
import zlib

import awkward as ak
import numpy as np
import pytest
import uproot

import ladle
from tests.make_files import cached_file, file_names
from tests.make_files.layout import string_of
from tests.make_files.oracle import root_values_of
from tests.python.oracle import (
    assert_same_buffers,
    canonical,
    expected_array,
    leaf_columns,
    sample_files,
)

N_RANGES = 4

# From so many columns on they take turns with the parts; of the widest table only some are read.
WIDE, WIDEST = 500, 3000

# The plain source of bytes: the others take more time for each column than its reading does.
UPROOT = {"array_cache": None, "object_cache": None, "handler": uproot.MemmapSource}


def trees_of(path):
    """Keys of all TTrees of a file, cycles included."""
    with uproot.open(path) as file:
        classes = file.classnames(recursive=True, cycle=True)
    return [key for key, name in classes.items() if name in ("TTree", "TNtuple", "TNtupleD")]


def tables():
    """All TTrees of all samples, as pytest parameters."""
    for path in sample_files():
        for key in trees_of(path):
            yield pytest.param(path, key, id=f"{path.name}:{key}")


TABLES = list(tables())


def test_there_are_samples():
    if not TABLES:
        pytest.skip("neither LADLE_TESTDATA nor LADLE_SAMPLES has a file")
    assert len(TABLES) >= 10


def compare(path, key, refused=frozenset()):
    """Compare all columns of a tree, as a whole and in parts, with one thread and three."""
    generator = np.random.default_rng(zlib.crc32(f"{path.name}:{key}".encode()))
    with uproot.open(path, **UPROOT) as file:
        tree = file[key]
        leaves = expected = leaf_columns(tree)
        if len(expected) > WIDEST:
            names = generator.choice(sorted(expected), WIDEST // 3, replace=False)
            expected = {name: expected[name] for name in names}
        one = ladle.open({path: key}, threads=1)
        three = ladle.open({path: key}, threads=3)
        unreadable = ladle.info(one).unreadable
        n_entries = tree.num_entries
        assert len(one) == n_entries
        n_ranges = N_RANGES if len(expected) < WIDE else 1
        borders = np.sort(generator.integers(0, n_entries + 1, (n_ranges, 2)), axis=1)
        parts = [
            (start, stop, ladle.open({path: key}, entry_start=start, entry_stop=stop))
            for start, stop in borders.tolist()
        ]
        parts.append((0, n_entries, three))
        turns = itertools.cycle(parts)
        fields = set(one.fields)
        for name, (branch, leaf) in expected.items():
            if name in refused:
                assert name in unreadable
                continue
            assert name not in unreadable, f"{name}: {unreadable.get(name)}"
            assert name in fields, name
            wanted = expected_array(branch, leaf)
            if wanted is None:
                continue
            where = f"{path.name}:{key}/{name}"
            whole = canonical(wanted)
            assert_same_buffers(one[name], whole, where)
            # All of the rest for each column, but take turns where there are very many.
            for start, stop, part in parts if len(expected) < WIDE else [next(turns)]:
                cut = whole if part is three else wanted[start:stop]
                assert_same_buffers(part[name], cut, f"{where}[{start}:{stop}]")
        # What was left out has a reason; what is beyond the leaves was compared, or is left out.
        assert all(unreadable.values())
        for name in fields - set(leaves):
            assert len(ak.to_packed(one[name])) == n_entries


@pytest.mark.parametrize(("path", "key"), TABLES)
def test_columns_are_those_of_uproot(path, key):
    compare(path, key)


# Made files that uproot cannot read, or reads wrongly (empty strings): ROOT is asked instead.
ONLY_ROOT = ("-old", "strings", "embedded-flag80", "truncated-floats")

# Columns that are rightly refused: they have no values for the first entries of the tree.
REFUSED = {"first-entry.root": {"late"}}


def flat_rows(array):
    """List the values of each entry, in one level; a string as such."""
    rows = ak.to_list(array)
    if array.ndim <= 1:
        return rows if rows and isinstance(rows[0], str) else [[value] for value in rows]
    return [np.ravel(row).tolist() for row in rows]


def first_leaves(events):
    """Branch -> the column of its first leaf, which is the one that ROOT is asked for."""
    return {name.partition(".")[0]: name for name in reversed(events.fields)}


@pytest.fixture(scope="module")
def root_answers():
    """ROOT's values of the first leaf of every branch, by file."""
    names = [
        name
        for name in file_names()
        if any(word in name for word in ONLY_ROOT) and not name.startswith("large")
    ]
    paths = [cached_file(name) for name in names]
    requests = [(path, "t", list(first_leaves(ladle.open(path)))) for path in paths]
    return dict(zip(names, root_values_of(requests), strict=True))


def compare_with_root(path, values):
    """Compare the first leaf of every branch with what ROOT read."""
    events = ladle.open(path)
    for branch, name in first_leaves(events).items():
        rows = flat_rows(events[name])
        assert len(rows) == len(values[branch])
        for entry, (found, expected) in enumerate(zip(rows, values[branch], strict=True)):
            where = f"{path.name}/{name}, entry {entry}"
            if isinstance(expected, str):
                assert found == expected, where
            else:
                np.testing.assert_array_equal(np.float64(found), np.float64(expected), where)


@pytest.mark.parametrize("name", [name for name in file_names() if "rntuple" not in name])
def test_columns_of_made_files(name, root_answers):
    """What no sample has: every leaf class in every shape, codecs, embedded and merged baskets."""
    path = cached_file(name)
    if name in root_answers:
        compare_with_root(path, root_answers[name])
        return
    if name == "large-payload-old.root":
        events, twin = ladle.open(path), ladle.open(cached_file("large-payload-zstd.root"))
        for column in events.fields:
            assert_same_buffers(events[column], twin[column], column)
        return
    for key in trees_of(path):
        if ":" in key:
            # uproot takes the colon for the end of the file's name; the others have the same rows.
            assert len(ladle.open({path: key})) > 0
        else:
            compare(path, key, REFUSED.get(name, set()))


def test_text_of_any_length():
    events = ladle.open(cached_file("strings.root"))
    for name in events.fields:
        column = ak.materialize(events[name])
        if "string" in str(column.type):
            raw = ak.without_parameters(column)
            expected = [string_of(entry) for entry in range(len(column))]
            assert [bytes(row) for row in ak.to_list(raw)] == expected
