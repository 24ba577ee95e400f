"""RNTuples that ROOT writes for these tests, against what was written and what ROOT reads."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ladle
from ladle import _core
from tests.locks import one_at_a_time
from tests.rntuple.ranges import assert_range, read_column
from tests.rntuple.write import ENCODINGS, TYPES

pytest.importorskip("ROOT")

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "rntuple-written"
SOURCES = [HERE / "write.py", HERE / "written.hpp"]
N = 60


@pytest.fixture(scope="session")
def written():
    """The folder of the files, made once and again when what makes them has changed."""
    stamp = FOLDER / "made"
    with one_at_a_time(FOLDER):
        newest = max(source.stat().st_mtime for source in SOURCES)
        if not stamp.is_file() or stamp.stat().st_mtime < newest:
            FOLDER.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, str(SOURCES[0]), str(FOLDER)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-3000:]
            stamp.touch()
    return FOLDER


def row(n):
    """What was written for entry `n`: the rules of `written.hpp`."""
    late = n >= 25
    alternatives = (n, f"v{n}", [n * 0.5] * (n % 5))
    return {
        "flag": n % 3 == 0,
        "nested": [[n * 100 + k * 10 - i * 1000 for i in range((n + k) % 3)] for k in range(n % 4)],
        "option": n * 1.5 if n % 2 else None,
        "options": [f"s{n}" if (n + k) % 2 else None for k in range(n % 3)],
        "pointer": n * 2.0 if n % 5 else None,
        "variant": alternatives[n % 3],
        "variants": [float(n) if n * k % 3 else k for k in range(n % 4)],
        "text": chr(ord("a") + n % 26) * (n % 7),
        "bits": [bool((0x123456789 * n) >> k & 1) for k in range(33)],
        "pair": (n, [float(n)] * (n % 3)),
        "tuple": (n, float(-n), f"t{n}"),
        "vectors": [[n + k] * ((n + k) % 3) for k in range(3)],
        "matrices": [[[float(n), 2.0], [3.0, 4.0 * k]] for k in range(n % 3)],
        "byte": n,
        "letter": ord("A") + n % 26,
        "atomic": -n,
        "third": n / 3,
        "plain64": -(1 << n) if n % 2 else 1 << n,
        "index32": [n - 30] * (n % 3),
        "late": float(n) if late else 0.0,
        "late_list": [n * 0.5] * (n % 3) if late else [],
        "late_text": "z" * (n % 4) if late else "",
        "late_array": [n, n + 1, n + 2] if late else [0, 0, 0],
        "late_variant": (n * 0.5 if n % 2 else n) if late else None,
    }


DTYPES = {
    "flag": "bool",
    "nested": "var * var * int32",
    "option": "?float32",
    "options": "var * ?string",
    "pointer": "?float64",
    "text": "string",
    "bits": "33 * bool",
    "pair._1": "var * float32",
    "tuple._2": "string",
    "vectors": "3 * var * int32",
    "matrices": "var * 2 * 2 * float64",
    "byte": "uint8",
    "third": "float64",
    "plain64": "int64",
    "index32": "var * int16",
    "late_array": "3 * int32",
}


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_what_was_written(written, name):
    path = written / f"{name}.root"
    events = ladle.open(path)
    want = [row(n) for n in range(N)]
    assert set(events.fields) == set(want[0])
    assert ladle.info(events).unreadable == {}
    for field in events.fields:
        assert events[field].to_list() == [entry[field] for entry in want], field
    table = _core.File(_core.Context(), str(path)).table(None)
    for column, wanted in DTYPES.items():
        assert table.column(table.find(column)).type == wanted
    assert len(table.clusters()) > 5


@pytest.mark.parametrize("name", ["types_tiny", "types_zstd"])
def test_every_range_of_every_type(written, name):
    context = _core.Context()
    table = _core.File(context, str(written / f"{name}.root")).table(None)
    reader = _core.Reader(context, 1)
    borders = [0, 1, 10, 11, 12, 21, 24, 25, 26, 33, 44, N]
    for index in range(table.n_columns):
        whole = read_column(reader, table, index, 0, N)
        for start in borders:
            for stop in borders:
                if start <= stop:
                    part = read_column(reader, table, index, start, stop)
                    assert_range(table, index, whole, part, start, stop)
    for start, stop in ((3, 40), (24, 26), (11, 12), (0, 0)):
        found = ladle.open(written / f"{name}.root", entry_start=start, entry_stop=stop)
        for field in found.fields:
            assert found[field].to_list() == [row(n)[field] for n in range(start, stop)]


@pytest.mark.parametrize("name", ENCODINGS)
def test_reals_of_every_width_equal_roots_bit_for_bit(written, name):
    events = ladle.open(written / f"{name}.root")
    lines = (written / f"{name}.txt").read_text().splitlines()
    assert len(lines) == len(events.fields) == 60
    for line in lines:
        field, *values = line.split()
        found = events[field].to_numpy()
        assert found.dtype == ("float64" if field[0] == "d" or "real32" in field else "float32")
        np.testing.assert_array_equal(
            found.astype(float), [float.fromhex(v) for v in values], field
        )
