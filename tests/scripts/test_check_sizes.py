"""The size check measures files and functions, in C and in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_sizes.py"


def run(root: Path, name: str, text: str) -> tuple[int, str]:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(root)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def c_function(lines: int) -> str:
    return "int a;\n\nstatic int\nf(int x,\n  int y) {\n" + "    x++;\n" * (lines - 4) + "}\n"


def python_function(lines: int) -> str:
    return "X = 1\n\n\ndef f(x):\n" + "    x += 1\n" * (lines - 1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("src/base/a.c", c_function(119), None),
        ("src/base/a.c", "typedef struct s {\n" + "    int x;\n" * 200 + "} s;\n", None),
        ("src/base/a.c", "static const int x[] = {\n" + "    1,\n" * 200 + "};\n", None),
        ("src/base/a.c", "\n" * 800, "a.c:1: file of 800 lines"),
        ("src/base/a.c", "\n" * 799, None),
        ("python/ladle/a.py", python_function(119), None),
        ("python/ladle/a.py", python_function(120), "a.py:4: function of 120 lines"),
    ],
)
def test_limits(tmp_path: Path, name: str, text: str, message: str | None) -> None:
    status, output = run(tmp_path, name, text)
    assert status == (0 if message is None else 1), output
    if message is not None:
        assert message in output


def test_a_long_c_function_is_named(tmp_path: Path) -> None:
    text = "int f(void) {\n" + "    g();\n" * 118 + "}\n"
    status, output = run(tmp_path, "cli/a.c", text)
    assert status == 1
    assert "a.c:1: function of 120 lines" in output
