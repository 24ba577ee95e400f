#!/usr/bin/env python3
"""Write docs/tour.md: one line per file, taken from the first sentence at the file's head.

Usage: tour.py [--check]. With --check nothing is written: exit status 1, and the files without a
first sentence, or a hint to run it, when the tour does not show the tree as it is.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOUR = ROOT / "docs" / "tour.md"
FOLDERS = {
    "include/ladle": "The public C API",
    "src/base": "base: what everything uses",
    "src/memory": "memory: context, ledger, heap, leases",
    "src/io": "io: where bytes come from",
    "src/codec": "codec: compressed blocks",
    "src/table": "table: the format-free view",
    "src/root": "root: ROOT's container and TTree",
    "src/store": "store: buffers at rest, and the cache",
    "src/deliver": "deliver: from requests to leases",
    "cli": "The command line tool",
    "python/_core": "The extension",
    "python/ladle": "The package",
    "python/ladle/coffea": "NanoEvents",
    "examples": "Examples",
    "bench": "Benchmarks",
    "scripts": "Scripts",
    "cmake": "Build",
    "tests/c": "Tests in C, by promise",
    "tests/c/support": "What they share",
    "tests/fault": "Faults on purpose",
    "tests/fuzz": "Hostile input",
    "tests/hostile": "Hostile input, threads: drivers",
    "tests/python": "Tests of the package",
    "tests/coffea": "Tests of NanoEvents",
    "tests/cli": "Tests of the tool",
    "tests/install": "Tests of the installed library",
    "tests/make_files": "Test files, written by ROOT",
    "tests/scripts": "Tests of the scripts",
}
SUFFIXES = {".c", ".h", ".hpp", ".py", ".pyi", ".cmake"}
HEAD = """# A tour of the files

One line per file: the first sentence at its head. Written by `scripts/tour.py`; the tests check it.
A `.c` file without a sentence of its own stands with its header. The design is in design.md.
"""


def head_comment(path: Path) -> str:
    """Return the comment or docstring at the head of a file, as one line; empty without one."""
    text = path.read_text()
    if path.suffix in {".py", ".pyi"}:
        comment = ast.get_docstring(ast.parse(text)) or ""
    elif path.suffix == ".cmake":
        comment = "\n".join(re.findall(r"\A((?:#.*\n)+)", text)).replace("#", " ")
    elif path.suffix == ".hpp":
        comment = "\n".join(re.findall(r"\A((?://.*\n)+)", text)).replace("//", " ")
    else:
        found = re.match(r"/\*(.*?)\*/", text, re.DOTALL)
        comment = re.sub(r"^ \*", " ", found.group(1), flags=re.MULTILINE) if found else ""
    return " ".join(comment.split())


def first_sentence(path: Path) -> str:
    """Return the first sentence of the head comment, without the file's own name in front."""
    comment = re.sub(r"^[\w/]*" + re.escape(path.name) + r": ", "", head_comment(path))
    found = re.match(r"(.+?\.)(\s|$)", comment)
    return (found.group(1) if found else comment).rstrip(":.")


def tracked_files() -> list[Path]:
    """Return the files that git knows or would add, sorted."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def write_tour() -> tuple[str, list[Path]]:
    """Return the text of the tour, and the files that have no first sentence."""
    files = [path for path in tracked_files() if path.suffix in SUFFIXES]
    lines, silent = [HEAD], []
    for folder, title in FOLDERS.items():
        here = [path for path in files if path.parent == ROOT / folder]
        if not here:
            continue
        lines.append(f"## {title} (`{folder}/`)\n")
        for path in here:
            sentence = first_sentence(path)
            header = path.with_suffix(".h")
            if sentence:
                name = path.name
                twin = path.with_suffix(".c")
                if path.suffix == ".h" and twin in here and not first_sentence(twin):
                    name += f"`, `{twin.name}"
                lines.append(f"- `{name}`: {sentence}")
            elif path.name != "__init__.py" and not (path.suffix == ".c" and header in here):
                silent.append(path)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n", silent


def main(arguments: list[str]) -> int:
    """Write or check the tour. Return the exit status."""
    text, silent = write_tour()
    for path in silent:
        print(f"{path.relative_to(ROOT)}:1: no sentence at its head that says what it is for")
    if arguments == ["--check"]:
        stale = not TOUR.exists() or TOUR.read_text() != text
        if stale:
            print("docs/tour.md: not as the tree is; run scripts/tour.py")
        return 1 if stale or silent else 0
    TOUR.write_text(text)
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
