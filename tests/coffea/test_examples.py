"""The examples run."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ("coffea_events.py", "matched muons: 16 of 18"),
        ("coffea_runner.py", "40 events"),
        ("cache_file.py", "40 events, the hardest jet has"),
        ("iterate.py", "40 events, Jet_pt adds up to"),
    ],
)
def test_runs(sample, example, says):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), sample("nano_dy.root")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
