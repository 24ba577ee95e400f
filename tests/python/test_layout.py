"""Any array comes back from a block as it was, and no layout that a file may hold does harm."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ladle
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
    values, dtype, layout = _layout.pack(array)
    cache.put("key", values, dtype, 0, layout)
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
        np.empty(3, np.dtype("S0")),
        np.empty(3, np.dtype([])),
        np.array(
            [(1, [[2, 3]], b"x")],
            [("a", "i4"), (("a title", "quo'te\"|"), "i4", (1, 2)), ("c", "S2")],
        ),
        np.array([1.5, np.nan], np.longdouble),
        np.array([1.5 + 2j], np.clongdouble),
        np.zeros((2, 2), np.longlong),
        np.array(["x"], ">U3"),
        np.array([1 + 2j], ">c16"),
        np.zeros(3, ">M8[25us]"),
        np.zeros((1,) * 32, bool),
        np.zeros(2, np.dtype("u1,f8", align=True)),
    ],
)
def test_layouts(array):
    back = round_trip(array)
    assert back.shape == array.shape
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


STORAGE = {
    ">i2": "uint16",
    "<f2": "uint16",
    ">f4": "uint32",
    "c8": "float32",
    "c16": "float64",
    ">c8": "uint32",
    "M8[s]": "int64",
    "m8[ms]": "int64",
    "S3": "uint8",
    "V5": "uint8",
    "U2": "uint32",
    "i4,f8": "uint8",
    "g": "uint64",
}


@pytest.mark.parametrize("dtype", STORAGE)
def test_what_values_are_kept_as(dtype):
    array = np.zeros((2, 3), dtype)
    values, name, layout = _layout.pack(array)
    assert (name, values.dtype.name, values.nbytes) == (STORAGE[dtype], name, array.nbytes)
    assert np.shares_memory(values, array)
    assert layout.endswith(b"|2,3")


def test_plain_values_are_not_copied_and_have_no_layout():
    array = np.arange(1000, dtype="f4")
    values, dtype, layout = _layout.pack(array)
    assert np.shares_memory(values, array)
    assert (dtype, layout) == ("float32", b"")
    assert _layout.pack(array.reshape(10, 100))[1:] == ("float32", b"<f4|10,100")


def test_a_file_that_is_mapped_is_an_array(tmp_path):
    array = np.memmap(tmp_path / "values", "i4", "w+", shape=(2, 3))
    array[:] = np.arange(6).reshape(2, 3)
    back = round_trip(array)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array([(1, None)], [("a", "i4"), ("b", "O")]),
        np.ma.masked_array([1, 2], [True, False]),
        np.array(["a"], np.dtypes.StringDType()),
        np.arange(2).view(np.matrix),
        np.array([(1, 2)], "i4,i4").view(np.recarray),
        np.asarray(np.array([(1,)], np.dtype((np.record, [("a", "i4")])))),
        np.zeros(3, np.dtype("i4", metadata={"unit": "GeV"})),
        np.zeros(3, np.dtype([("a", np.dtype("i4", metadata={"unit": "GeV"}))])),
        np.zeros(3, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]}),
        np.zeros(3, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [2, 0]}),
        np.float64(3),
        [1, 2],
        b"12",
        3.5,
        None,
    ],
)
def test_what_cannot_be_kept(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError):
            _layout.pack(value)


def assert_refused(layout, values=b"\1\2\3\4\5\6\7\x08"):
    cache = _core.Cache(default_context())
    cache.put("the key", np.frombuffer(values, np.uint8), "uint8", 0, layout)
    with pytest.raises(ladle.FormatError, match="the key") as caught:
        cache.get_array("the key", None)
    assert caught.value.status == "CORRUPT"
    assert not cache.contains("the key")
    assert cache.get_array("the key", None) is None


@pytest.mark.parametrize(
    "layout",
    [
        b"|",
        b"x",
        b"<i4",
        b"<i4|3",
        b"<i4|2,",
        b"<i4|-2",
        b"<i4|-1,-2",
        b"<i4|2 ",
        b"<i4|" + "\u0662".encode(),
        b"<i4|2,1,0",
        b"<i4|4611686018427387904,4",
        b"<i4|9999999999999999999,0",
        b"<f4|0,9999999999999999999",
        b"|O8|1",
        b"O|1",
        b"float32|2",
        b"i4,i4|1",
        b"(2)i4|1",
        b"|S0|8",
        b"<i99|1",
        b"<M8[parsec]|1",
        b"|S99999999999|1",
        b"[('a', '|O8')]|1",
        b"[('a', 'O')]|1",
        b"[('a', [('b', '|O8')])]|1",
        b"[('a', '<i4'), ('a', '<i4')]|1",
        b"[('a', '<i4', (100000, 100000, 100000))]|1",
        b"[('a', '<i4', -1)]|1",
        b"[('a', '<i4', None)]|1",
        b"[('a', 'i4,i4')]|1",
        b"[('a',)]|1",
        b"[1]|1",
        b"['a']|1",
        b"('a', '<i8')|1",
        b"('<i4', (2,))|1",
        b"{'names': ['a'], 'formats': ['<i8']}|1",
        b"__import__('os').abort()|1",
        b"[__import__('os').abort()]|1",
        b"[('a', '<i8')].__class__|1",
        b"[('a', '<i8'),|1",
        b"[('a', '<i8\0')]|1",
        b"['\\|1",
        b"\xff\xfe|1",
        b"[" * 30_000 + b"]" * 30_000 + b"|1",
        b"[" + b"-" * 60_000 + b"1]|1",
        b"[" + b"1+" * 30_000 + b"1]|1",
        b"[1" + b"(1)" * 20_000 + b"]|1",
        b"[]" + b"[1]" * 20_000 + b"|1",
        b"[('a', " * 60 + b"'<i8'" + b")]" * 60 + b"|1",
        b"[" + b"9" * 60_000 + b"]|1",
    ],
)
def test_a_foreign_layout_is_an_error_and_no_harm(layout):
    assert_refused(layout)


@given(st.binary(max_size=60))
def test_any_bytes_as_layout(layout):
    cache = _core.Cache(default_context())
    cache.put("k", bytes(8), "uint8", 0, layout)
    try:
        array = cache.get_array("k", None)
    except ladle.FormatError:
        assert not cache.contains("k")
    else:
        assert array.nbytes == 8 if layout else array.shape == (8,)


@given(st.text("[](),'\"\\i48O<>| \n", max_size=40))
def test_texts_that_look_like_layouts(text):
    cache = _core.Cache(default_context())
    cache.put("k", bytes(8), "uint8", 0, f"[{text}|1".encode())
    try:
        assert cache.get_array("k", None).nbytes == 8
    except ladle.FormatError:
        assert not cache.contains("k")
