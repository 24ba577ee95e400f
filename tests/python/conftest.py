"""Real files for the tests of the package: coffea's samples, and more where there are some."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTDATA = Path(os.environ.get("LADLE_TESTDATA", ROOT.parent / "shared" / "data"))
SAMPLES = Path(os.environ.get("LADLE_SAMPLES", ROOT / ".cache" / "coffea-samples"))


def find_sample(*names):
    """Path of the first of these files that this machine has."""
    for name in names:
        for folder in (SAMPLES, TESTDATA):
            if (folder / name).is_file():
                return folder / name
    pytest.skip(f"none of {', '.join(names)} in {SAMPLES} or {TESTDATA}")


@pytest.fixture(scope="session")
def nano():
    """A small NanoAOD file with many columns."""
    return find_sample("nano_dy.root", "nanoAOD_2015_CMS_Open_Data_ttbar.root")


@pytest.fixture(scope="session")
def other_nano():
    """Another file with the same columns."""
    return find_sample("nano_dimuon.root")


@pytest.fixture(scope="session")
def zmumu():
    return find_sample("uproot-Zmumu-zlib.root")


@pytest.fixture(scope="session")
def leaflist():
    return find_sample("uproot-leaflist.root")


@pytest.fixture(scope="session")
def objects():
    """A file with columns that cannot be read beside such that can."""
    return find_sample("uproot-HZZ-objects.root")
