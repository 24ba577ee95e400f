"""Programs on native buffers give what coffea's transforms give."""

from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import transforms
from hypothesis import given
from hypothesis import strategies as st

from ladle.coffea._program import (
    NativeColumn,
    counts_to_offsets,
    evaluate,
    loaded_names,
    without_skipped,
)


def column(dtype, dims, name="x"):
    n_buffers = dims.count(-1) + 1
    return SimpleNamespace(name=name, dtype=dtype, dims=dims, is_string=False, n_buffers=n_buffers)


class Buffers(dict):
    def operand(self, request):
        return self[request]


def jagged(lists, dtype, index=0):
    values = np.array([x for sub in lists for x in sub], dtype=dtype)
    offsets = np.concatenate([[0], np.cumsum([len(sub) for sub in lists])]).astype(np.int64)
    buffers = Buffers({(index, 0): offsets, (index, 1): values})
    return NativeColumn(buffers, index, column(np.dtype(dtype).name, (-1,)), len(lists))


@given(
    st.lists(
        st.tuples(st.lists(st.integers(-3, 9), max_size=6), st.integers(0, 7)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["int8", "int16", "int32", "int64", "uint8", "uint32"]),
)
def test_local_to_global(events, dtype):
    index = [[abs(x) for x in sub] if dtype[0] == "u" else sub for sub, _ in events]
    counts = np.array([count for _, count in events], dtype=np.uint32)
    offsets = counts_to_offsets(counts)
    stack = [jagged(index, dtype).array(), offsets]
    transforms.local2global(stack)
    operands = {"i": jagged(index, dtype), "o": ak.Array(counts)}
    got = evaluate(
        ["i", "!load", "o", "!load", "!counts2offsets", "!local2global"],
        lambda name, _: operands[name],
    )
    assert got.dtype == np.int64
    assert np.array_equal(got, stack[0])


@given(st.lists(st.integers(0, 9)), st.sampled_from(["uint32", "int32", "uint8", "int64"]))
def test_counts_to_offsets(counts, dtype):
    counts = np.array(counts, dtype=dtype)
    stack = [counts]
    transforms.counts2offsets(stack)
    got = counts_to_offsets(counts)
    assert got.dtype == stack[0].dtype
    assert np.array_equal(got, stack[0])


def test_unsigned_64_bit_indices_are_refused_as_in_coffea():
    operands = {"i": jagged([[0, 1], [2]], "uint64"), "o": ak.Array(np.array([2, 3]))}
    with pytest.raises(RuntimeError):
        evaluate(
            ["i", "!load", "o", "!load", "!counts2offsets", "!local2global"],
            lambda name, _: operands[name],
        )


def test_skip_drops_itself_and_the_next():
    nodes = ["nJet", "!load", "!counts2offsets", "!skip", "!offsets"]
    assert without_skipped(nodes) == ["nJet", "!load", "!counts2offsets"]


def test_loaded_names_are_in_order_with_repetitions():
    nodes = ["a", "!load", "b", "!loadallowmissing", "a", "!load", "!nestedindex"]
    assert loaded_names(nodes) == ["a", "b", "a"]


def test_layout_of_every_nesting():
    three = np.arange(12, dtype=np.float32)
    offsets = np.array([0, 1, 4], dtype=np.int64)
    fixed = NativeColumn(Buffers({(0, 0): three}), 0, column("float32", (3,)), 4)
    assert fixed.layout().to_list() == three.reshape(4, 3).tolist()
    both = NativeColumn(Buffers({(0, 0): offsets, (0, 1): three}), 0, column("float32", (-1, 3)), 2)
    assert both.layout().to_list() == [
        three[:3].reshape(1, 3).tolist(),
        three[3:].reshape(3, 3).tolist(),
    ]
    assert both.content().layout().to_list() == three.reshape(4, 3).tolist()
    assert both.content().content().is_flat
    empty = NativeColumn(Buffers({(0, 0): three[:0]}), 0, column("float32", (0,)), 4)
    assert empty.layout().to_list() == [[], [], [], []]


def test_a_result_lets_go_of_a_larger_base():
    base = np.arange(1000)

    offsets = ak.index.Index64([0, 2])
    array = ak.Array(ak.contents.ListOffsetArray(offsets, ak.contents.NumpyArray(base[:2])))
    out = evaluate(["x", "!load", "!content"], lambda *_: array)
    assert out.tolist() == [0, 1]
    assert out.base is None or out.base.nbytes <= out.nbytes
