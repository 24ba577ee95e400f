"""Any array comes back from a block as it was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ladle import _core, _layout
from ladle._context import default_context


def arrays():
    dtypes = st.one_of(
        hnp.scalar_dtypes(),
        hnp.array_dtypes(hnp.integer_dtypes() | hnp.floating_dtypes(), allow_subarrays=False),
        hnp.byte_string_dtypes(),
        hnp.unicode_string_dtypes(),
    )
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return hnp.arrays(dtypes, shapes)


def round_trip(array):
    cache = _core.Cache(default_context())
    cache.put("key", *_layout.pack(array))
    return cache.get_array("key", None)


@given(arrays())
def test_shape_dtype_and_bytes_survive(array):
    back = round_trip(array)
    assert back.shape == array.shape
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24).reshape(2, 3, 4)[:, ::-2, 1:],
        np.arange(10)[::-3],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(3.5, np.float32),
        np.array([], np.int16),
        np.zeros((0, 3), "f4"),
        np.broadcast_to(np.uint8(7), (3, 5)),
        np.arange(5, dtype=">f8"),
        np.array(["2026-01-01", "NaT"], "datetime64[s]"),
        np.array([1, 2], "timedelta64[ms]"),
        np.array([(1, 2.5)], [("a", "<i4"), ("b", ">f8")]),
        np.zeros(2, np.dtype({"names": ["x"], "formats": ["i2"], "itemsize": 12})),
        np.array([1 + 2j], "c8"),
        np.array([1.5], "f2"),
        np.array(["ä", ""]),
        np.array([b"ab"]),
    ],
)
def test_layouts(array):
    back = round_trip(array)
    assert back.shape == array.shape
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


@given(st.binary(max_size=40), st.booleans())
def test_bytes_that_look_packed_are_only_bytes(head, lengthen):
    tail = b"\x05\0\0\0" if lengthen else b""
    array = np.frombuffer(head + tail + _layout.MAGIC, np.uint8)
    np.testing.assert_array_equal(round_trip(array), array)


def test_plain_values_are_not_copied_to_be_packed():
    array = np.arange(1000, dtype="f4")
    values, dtype = _layout.pack(array)
    assert values is array
    assert dtype == "float32"


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array([(1, None)], [("a", "i4"), ("b", "O")]),
        np.ma.masked_array([1, 2], [True, False]),
        np.array(["a"], np.dtypes.StringDType()),
        [1, 2],
        b"12",
        3.5,
        None,
    ],
)
def test_what_cannot_be_kept(value):
    with pytest.raises(TypeError):
        _layout.pack(value)
