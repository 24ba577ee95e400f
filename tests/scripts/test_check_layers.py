"""The layer check finds each kind of violation, at its line, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_layers.py"


def run(root: Path, files: dict[str, str]) -> tuple[int, list[str]]:
    """Write ``files`` below ``root`` and return the script's exit status and output lines."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(root)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


CLEAN = {
    "include/ladle/base.h": "#include <stdint.h>\n",
    "include/ladle/store.h": "#include <ladle/base.h>\n",
    "include/ladle/table.h": "#include <ladle/base.h>\n",
    "include/ladle/ladle.h": "#include <ladle/store.h>\n#include <ladle/table.h>\n",
    "src/base/error.h": "#include <ladle/base.h>\n",
    "src/base/error.c": '#include "error.h"\n#include "base/error.h"\n#include <errno.h>\n',
    "src/codec/zstd.h": '#include "base/error.h"\n',
    "src/codec/zstd.c": '#include "codec/zstd.h"\n#include <zstd.h>\n',
    "src/deliver/plan.c": '#include "codec/zstd.h"\n#include <ladle/ladle.h>\n',
    "cli/main.c": '#include "verbs.h"\n#include <ladle/ladle.h>\n#include <stdio.h>\n',
    "cli/verbs.h": "",
    "python/_core/core.h": "#include <Python.h>\n#include <ladle/ladle.h>\n",
    "python/_core/module.c": '#include "core.h"\n',
}


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    status, lines = run(tmp_path, CLEAN)
    assert status == 0
    assert lines == ["layers: 13 files keep to the table"]


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("src/store/a.c", '\n#include "root/file.h"\n', 2, "store may not include root"),
        ("src/codec/a.c", '#include "../deliver/plan.h"\n', 1, "codec may not include deliver"),
        ("src/base/a.h", '#include "memory/block.h"\n', 1, "base may not include memory"),
        ("src/root/a.c", "#include <ladle/store.h>\n", 1, "root may not include store"),
        ("src/root/a.c", "#include <ladle/ladle.h>\n", 1, "root may not include store"),
        ("src/root/a.c", '#  include  "store/cache.h"\n', 1, "root may not include store"),
        ("src/table/a.c", '/*\n * why */ int x;\n#include "io/s.h"\n', 3, "table may not include"),
        ("src/kitchen/a.c", '#include "base/error.h"\n', 1, "kitchen is not a room"),
        ("src/a.c", "#include <stdio.h>\n", 1, "a.c is not a room"),
        ("include/ladle/table.h", "#include <ladle/store.h>\n", 1, "table may not include store"),
        ("include/ladle/io.h", '#include "base/error.h"\n', 1, "as <ladle/...>"),
        ("include/ladle/io.h", "#include <zstd.h>\n", 1, "may not need a third-party header"),
        ("cli/ls.c", '#include "base/error.h"\n', 1, "only the public API"),
        ("cli/ls.c", '#include "../src/base/error.h"\n', 1, "leaves its own folder"),
        ("cli/ls.c", "#include <xxhash.h>\n", 1, "only the public API"),
        ("cli/ls.c", "#include <Python.h>\n", 1, "only the public API"),
        ("python/_core/a.c", '#include "memory/block.h"\n', 1, "only the public API"),
        ("python/_core/z.c", "#include <Python.h>\n", 1, "already included by python/_core/core.h"),
        ("src/codec/zz.c", "#include <zstd.h>\n", 1, "already included by src/codec/zstd.c"),
        ("src/codec/lz4_block.h", "#include <lz4.h>\n", 1, "belongs in a .c file"),
        ("src/codec/lz4_block.h", '#include "lz4.h"\n', 1, "belongs in a .c file"),
    ],
)
def test_each_violation_is_named(
    tmp_path: Path, name: str, text: str, line: int, message: str
) -> None:
    status, lines = run(tmp_path, {**CLEAN, name: text})
    assert status == 1
    assert any(
        re.match(re.escape(f"{name}:{line}: ") + ".*" + re.escape(message), found)
        for found in lines
    ), lines


def test_an_include_in_a_comment_does_not_count(tmp_path: Path) -> None:
    text = '/*\n#include "deliver/plan.h"\n*/\n// #include "deliver/plan.h"\n'
    status, lines = run(tmp_path, {**CLEAN, "src/base/a.c": text})
    assert status == 0, lines


def test_every_violation_is_reported(tmp_path: Path) -> None:
    text = '#include "root/file.h"\n#include "table/schema.h"\n'
    status, lines = run(tmp_path, {**CLEAN, "src/store/a.c": text})
    assert status == 1
    assert len(lines) == 2
