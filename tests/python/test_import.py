"""Importing ladle costs numpy and little else."""

import subprocess
import sys

import pytest

import ladle


def test_import_loads_numpy_and_nothing_heavy():
    code = (
        "import sys, numpy; before = set(sys.modules); import ladle;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(answer.stdout.split())
    assert "ladle" in loaded
    assert not loaded & {"awkward", "coffea", "uproot", "pandas", "dask", "h5py", "matplotlib"}


def test_names():
    for name in ladle.__all__:
        assert getattr(ladle, name) is not None
    assert set(ladle.__all__) <= set(dir(ladle))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ladle.no_such_name
