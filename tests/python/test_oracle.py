"""Every column of every sample, byte by byte as uproot reads it."""

import zlib

import awkward as ak
import numpy as np
import pytest
import uproot

import ladle
from tests.python.oracle import (
    assert_same_buffers,
    expected_array,
    leaf_columns,
    sample_files,
)

N_RANGES = 4


def tables():
    """All TTrees of all samples, as pytest parameters."""
    for path in sample_files():
        with uproot.open(path, minimal_ttree_metadata=False) as file:
            keys = file.classnames(recursive=True, cycle=True)
            for key, class_name in keys.items():
                if class_name in ("TTree", "TNtuple", "TNtupleD"):
                    yield pytest.param(path, key, id=f"{path.name}:{key}")


TABLES = list(tables())


def test_there_are_samples():
    if not TABLES:
        pytest.skip("neither LADLE_TESTDATA nor LADLE_SAMPLES has a file")
    assert len(TABLES) >= 10


@pytest.mark.parametrize(("path", "key"), TABLES)
def test_columns_are_those_of_uproot(path, key):
    seed = zlib.crc32(f"{path.name}:{key}".encode())
    generator = np.random.default_rng(seed)
    with uproot.open(path, array_cache=None, object_cache=None) as file:
        tree = file[key]
        expected = leaf_columns(tree)
        one = ladle.open({path: key}, threads=1)
        three = ladle.open({path: key}, threads=3)
        unreadable = ladle.info(one).unreadable
        n_entries = tree.num_entries
        assert len(one) == n_entries
        borders = np.sort(generator.integers(0, n_entries + 1, (N_RANGES, 2)), axis=1)
        ranges = [
            (start, stop, ladle.open({path: key}, entry_start=start, entry_stop=stop))
            for start, stop in borders.tolist()
        ]
        for name, (branch, leaf) in expected.items():
            assert name not in unreadable, f"{name}: {unreadable.get(name)}"
            assert name in one.fields, name
            wanted = expected_array(branch, leaf)
            if wanted is None:
                continue
            where = f"{path.name}:{key}/{name}"
            assert_same_buffers(one[name], wanted, where)
            assert_same_buffers(three[name], wanted, f"{where}, 3 threads")
            for start, stop, part in ranges:
                assert_same_buffers(part[name], wanted[start:stop], f"{where}[{start}:{stop}]")
        # What was left out has a reason; what is beyond the leaves was compared, or is left out.
        assert all(unreadable.values())
        for name in set(one.fields) - set(expected):
            assert len(ak.to_packed(one[name])) == n_entries
