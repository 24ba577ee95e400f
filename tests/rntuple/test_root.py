"""Every RNTuple of the samples, and those written for the tests, against ROOT itself."""

import pytest

import ladle
from ladle import _core
from tests.python.conftest import find_sample
from tests.rntuple.oracle import assert_same_rows, root_answers, rows_of_array, shape_of
from tests.rntuple.test_samples import FILES, HUGE
from tests.rntuple.test_written import written  # noqa: F401 - a fixture
from tests.rntuple.write import TYPES

pytest.importorskip("ROOT")


def tables_of(path):
    keys = _core.File(_core.Context(), str(path)).keys()
    return [k["path"] for k in keys if k["is_table"] and "RNTuple" in k["class_name"]]


def assert_same_as_root(path, table, answer):
    """Names, types and values of all fields that ROOT can read and somebody is to see."""
    events = ladle.open({str(path): table})
    visible = {
        name: field
        for name, field in answer.visible().items()
        if field.values is not None and field.type.shape is not None
    }
    assert set(events.fields) == set(visible)
    assert len(events) == answer.n_entries
    for name, field in visible.items():
        where = f"{path.name}: {table}/{name}"
        if "union" not in repr(field.type.shape):  # awkward's own has one more, for no value
            assert shape_of(events[name].layout) == field.type.shape, where
        assert_same_rows(rows_of_array(events[name]), field.values, where)
    return len(visible)


def test_samples():
    requests = [(path, table, []) for path in FILES for table in tables_of(path)]
    if not requests:
        pytest.skip("no samples")
    for (path, table, _), answer in zip(requests, root_answers(requests), strict=True):
        assert assert_same_as_root(path, table, answer) > 0


def test_written_files(written):  # noqa: F811
    requests = [(written / f"{name}.root", "n", []) for name in TYPES]
    for (path, table, _), answer in zip(requests, root_answers(requests), strict=True):
        assert assert_same_as_root(path, table, answer) == 24


def test_huge():
    """10^8 values: in ranges, within and over its clusters."""
    path = find_sample(HUGE)
    (table,) = tables_of(path)
    ranges = [(0, 500), (49_999_900, 50_000_100), (99_999_999, 100_000_000)]
    (answer,) = root_answers([(path, table, ranges)])
    ((name, field),) = answer.fields.items()
    found = []
    for start, stop in ranges:
        events = ladle.open({str(path): table}, entry_start=start, entry_stop=stop)
        found += rows_of_array(events[name])
    assert_same_rows(found, field.values, path.name)
