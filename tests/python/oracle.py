"""What uproot reads, as the buffers that ladle delivers: data, and int64 offsets from 0."""

import importlib.util

import awkward as ak
import numpy as np
import uproot

from tests.make_files.oracle import root_values
from tests.python.conftest import SAMPLES, TESTDATA


def sample_files():
    """All ROOT files of the sample folders that this machine has."""
    return sorted(
        path for folder in (TESTDATA, SAMPLES) if folder.is_dir() for path in folder.glob("*.root")
    )


def canonical(array):
    """Split an awkward array into its offsets, outermost first, and its data, all from 0."""
    layout = ak.to_packed(array, highlevel=False)
    offsets = []
    while not layout.is_numpy:
        if layout.is_list and not layout.is_regular:
            layout = layout.to_ListOffsetArray64(start_at_zero=True)
            offsets.append(np.asarray(layout.offsets.data, np.int64))
            layout = layout.content[: int(layout.offsets.data[-1])]
        elif layout.is_list:
            layout = layout.content[: len(layout) * layout.size]
        else:
            raise TypeError(f"{type(layout).__name__} is no buffer of a column")
    data = np.ascontiguousarray(layout.data).reshape(-1)
    return offsets, data.astype(data.dtype.newbyteorder("="))


def assert_same_buffers(found, expected, where):
    """Compare every byte of two columns; the second may be split already."""
    found_offsets, found_data = canonical(found)
    offsets, data = expected if isinstance(expected, tuple) else canonical(expected)
    assert len(found_offsets) == len(offsets), where
    for depth, (one, other) in enumerate(zip(found_offsets, offsets, strict=True)):
        np.testing.assert_array_equal(one, other, err_msg=f"{where}: offsets {depth}")
    assert found_data.dtype == data.dtype, where
    assert found_data.tobytes() == data.tobytes(), where


def is_leaf_column(branch):
    """Is it a branch of primitive leaves: flat, fixed, jagged by a counter, or text?"""
    if branch.classname != "TBranch" or len(branch.branches) > 0:
        return False
    interpretation = branch.interpretation
    if isinstance(interpretation, uproot.AsJagged):
        return interpretation.header_bytes == 0
    return isinstance(interpretation, (uproot.AsDtype, uproot.AsStrings))


def leaf_columns(tree):
    """Every column that ladle must be able to read: name -> (branch, leaf or None)."""
    columns = {}
    for name, branch in tree.iteritems(recursive=True):
        if not is_leaf_column(branch):
            continue
        leaves = [leaf.member("fName") for leaf in branch.member("fLeaves")]
        if len(leaves) == 1:
            columns[name] = (branch, None)
        else:
            columns |= {f"{name}.{leaf}": (branch, leaf) for leaf in leaves}
    return columns


def expected_array(branch, leaf):
    """What uproot reads, or what ROOT reads where uproot cannot."""
    try:
        array = branch.array(library="ak")
    except ValueError:
        if importlib.util.find_spec("ROOT") is None:
            return None
        values = root_values(branch.file.file_path, branch.tree.name, branch.name)[branch.name]
        dtype = branch.interpretation.content.to_dtype
        return ak.values_astype(ak.Array(values), dtype.newbyteorder("="))
    return array if leaf is None else array[leaf]
