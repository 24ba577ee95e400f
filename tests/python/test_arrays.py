"""Contents that are made without awkward's constructors are those that these make."""

import awkward as ak
import numpy as np

from ladle._arrays import _Alike


def made_by(constructor, *several):
    """Return what one maker makes of several parts in turn, and what the constructor makes."""
    alike = _Alike(constructor)
    return [alike.make(*parts) for parts in several], [constructor(*parts) for parts in several]


def assert_same(got, want):
    assert type(got) is type(want)
    assert vars(got).keys() == vars(want).keys()
    for name, value in vars(want).items():
        assert getattr(got, name) is value or getattr(got, name) == value


def test_contents_are_those_of_the_constructor():
    arrays = [(np.arange(float(n)),) for n in range(5)]
    got, want = made_by(ak.contents.NumpyArray, *arrays)
    for one, other, (data,) in zip(got, want, arrays, strict=True):
        assert one.data is data
        assert one.is_equal_to(other)
        assert vars(one).keys() == vars(other).keys()
    offsets = ak.index.Index64(np.array([0, 1, 3]))
    lists = [(offsets, ak.contents.NumpyArray(np.arange(3) + n)) for n in range(5)]
    got, want = made_by(ak.contents.ListOffsetArray, *lists)
    for one, other in zip(got, want, strict=True):
        assert_same(one, other)
        assert ak.validity_error(ak.Array(one)) == ""


def test_the_constructor_is_called_twice_and_no_more():
    calls = []

    def constructor(data):
        calls.append(data)
        return ak.contents.NumpyArray(data)

    made_by(constructor, *[(np.arange(n),) for n in range(6)])
    assert len(calls) == 2 + 6


def test_what_does_not_keep_its_parts_comes_from_the_constructor():
    def copies(data):
        return ak.contents.NumpyArray(data.copy())

    got, want = made_by(copies, *[(np.arange(n) + n,) for n in range(5)])
    for one, other in zip(got, want, strict=True):
        assert one.is_equal_to(other)

    def with_a_number_of_its_own(data):
        content = ak.contents.NumpyArray(data)
        content.number = len(data)
        return content

    got, _ = made_by(with_a_number_of_its_own, *[(np.arange(n),) for n in range(300, 305)])
    assert [content.number for content in got] == list(range(300, 305))


def test_the_same_part_twice_comes_from_the_constructor():
    class Pair:
        def __init__(self, first, second):
            self.first, self.second = first, second

    data = np.arange(3)
    got, _ = made_by(Pair, (data, data), (data, data), (data, np.arange(4)))
    assert got[2].first is data
    assert len(got[2].second) == 4


def test_parameters_of_one_are_not_those_of_another():
    got, _ = made_by(ak.contents.NumpyArray, *[(np.arange(n),) for n in range(5)])
    got[3].parameters["unit"] = "GeV"
    assert got[4].parameters == {}
