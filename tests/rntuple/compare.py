"""What ladle has of an RNTuple beside ROOT's answer."""

import pytest

import ladle
from ladle import _core
from tests.rntuple.oracle import assert_same_rows, fits_awkward, rows_of_array, shape_of


def tables_of(path):
    """Names of all RNTuples of a file."""
    keys = _core.File(_core.Context(), str(path)).keys()
    return [k["path"] for k in keys if k["is_table"] and "RNTuple" in k["class_name"]]


def assert_same_as_root(path, table, answer, start=0, stop=None):
    """Names, types and values of all fields that ROOT can read and somebody is to see.

    What ROOT fails to read, ladle fails to read.
    """
    events = ladle.open({str(path): table}, entry_start=start, entry_stop=stop)
    reasons = ladle.info(events).unreadable
    visible = {
        name: field
        for name, field in answer.visible().items()
        if field.type.shape is not None and (field.values is not None or field.fails)
    }
    beyond = {name for name, field in visible.items() if not fits_awkward(field.type.shape)}
    assert set(events.fields) == set(visible) - beyond
    for name in beyond:
        assert any("awkward has no" in reasons.get(column, "") for column in reasons), name
    assert len(events) == len(range(answer.n_entries)[start:stop])
    for name in events.fields:
        field = visible[name]
        where = f"{path.name}: {table}/{name}"
        if field.fails:
            with pytest.raises(Exception, match="its pages have"):
                rows_of_array(events[name])
            continue
        assert shape_of(events[name].layout) == field.type.shape, where
        assert_same_rows(rows_of_array(events[name]), field.values[start:stop], where)
    return len(events.fields)
