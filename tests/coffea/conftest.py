"""Real files for the tests of ladle.coffea: coffea's samples, and more where there are some."""

import functools
import os
import warnings
from pathlib import Path

import pytest

from tests.slim import slim_file

pytest.importorskip("coffea.nanoevents")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sample():
    """From the name of a file to its path; a test that asks for one that is absent is skipped."""
    folders = [Path(os.environ.get("LADLE_SAMPLES", ROOT / ".cache" / "coffea-samples"))]
    if "LADLE_TESTDATA" in os.environ:
        folders.append(Path(os.environ["LADLE_TESTDATA"]))

    def find(name):
        for folder in folders:
            if (folder / name).is_file():
                return str(folder / name)
        pytest.skip(f"{name} is not in any of {', '.join(map(str, folders))}")

    return find


@pytest.fixture(scope="session")
def slim(sample, tmp_path_factory):
    """As `sample`, but a few collections of that NanoAOD file: for tests that want no more."""
    folder = tmp_path_factory.mktemp("slim")

    @functools.cache
    def cut(name):
        return str(slim_file(sample(name), folder / name))

    return cut


@pytest.fixture(autouse=True)
def _lenient_schemas(monkeypatch):
    """Old samples lack what newer schemas look for; coffea warns of it for both factories."""
    from coffea.nanoevents import NanoAODSchema

    monkeypatch.setattr(NanoAODSchema, "warn_missing_crossrefs", False)
    monkeypatch.setattr(NanoAODSchema, "error_missing_event_ids", False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
