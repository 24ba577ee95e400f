"""Every RNTuple of the samples against ROOT itself."""

import pytest

import ladle
from tests.python.conftest import find_sample
from tests.rntuple.compare import assert_same_as_root, tables_of
from tests.rntuple.oracle import assert_same_rows, root_answers, rows_of_array
from tests.rntuple.test_samples import FILES, HUGE

pytest.importorskip("ROOT")


def test_samples():
    requests = [(path, table, []) for path in FILES for table in tables_of(path)]
    if not requests:
        pytest.skip("no samples")
    for (path, table, _), answer in zip(requests, root_answers(requests), strict=True):
        assert assert_same_as_root(path, table, answer) > 0


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
