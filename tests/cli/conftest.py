"""The tool as a user runs it: a process with arguments, two streams and an exit status."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from tests.cli.made import N_ENTRIES, NESTED, made_columns

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


def find_tool() -> Path:
    """LADLE_CLI, else what ``./dev build`` installs, else what CMake builds."""
    if "LADLE_CLI" in os.environ:
        return Path(os.environ["LADLE_CLI"])
    candidates = [ROOT / ".venv/bin/ladle", ROOT / "build/bin/ladle"]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(f"no ladle among {candidates}: run ./dev build, or set LADLE_CLI")


@pytest.fixture(scope="session")
def tool() -> Path:
    return find_tool()


@pytest.fixture(scope="session")
def run(tool: Path) -> Run:
    """Run the tool; what it prints must be UTF-8 whatever is in the file."""

    def run_tool(
        *words: str | Path, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool, *map(str, words)],
            capture_output=True,
            encoding="utf-8",
            cwd=cwd,
            env={**os.environ, **environment},
            timeout=300,
            check=False,
        )

    return run_tool


@pytest.fixture(scope="session")
def samples() -> Path:
    """NanoAOD files that come with coffea's source."""
    folder = Path(os.environ.get("LADLE_SAMPLES", ROOT / ".cache/coffea-samples"))
    if not any(folder.glob("*.root")):
        pytest.skip(f"no *.root in {folder}: coffea's tests/samples are wanted (LADLE_SAMPLES)")
    return folder


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Further real files, which need not be there."""
    folder = Path(os.environ.get("LADLE_TESTDATA", ROOT.parent / "shared/data"))
    if not any(folder.glob("*.root")):
        pytest.skip(f"no *.root in {folder}: set LADLE_TESTDATA to a folder with real ROOT files")
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file with a table, a table in a directory, and a histogram."""
    path = tmp_path_factory.mktemp("made") / "made.root"
    columns = made_columns()
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {k: ak.type(v).content for k, v in columns.items()})
        for start in range(0, N_ENTRIES, 1000):
            tree.extend({k: v[start : start + 1000] for k, v in columns.items()})
        file.mktree("inner/deep/points", {"x": np.dtype("f8")}).extend({"x": np.arange(5.0)})
        file["counts"] = np.histogram([1.0, 2.0, 2.0])
    return path


@pytest.fixture(scope="session")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RNTuple of all nested types: the same three rows in each of its four clusters."""
    path = tmp_path_factory.mktemp("nested") / "nested.root"
    array = ak.Array(NESTED)
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("Events", array)
        for _ in range(3):
            ntuple.extend(array)
    return path


@pytest.fixture
def colon_file(made: Path, tmp_path: Path) -> Path:
    """A file with colons in its name, and one whose name ends where its first colon stands."""
    path = tmp_path / "run:1:Events"
    shutil.copy(made, path)
    (tmp_path / "run").write_bytes(b"not a ROOT file, only in the way\n" * 20)
    return path
