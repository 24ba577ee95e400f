"""Check that files stay under 800 lines and functions under 120.

Usage: check_sizes.py [ROOT]. Prints ``file:line: message`` for each violation and exits with 1.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 120
FOLDERS = ("include", "src", "cli", "python", "bench", "scripts", "tests")

# clang-format puts a function's head in column 0 and its closing brace alone in column 0; data
# (`= {`) and types open the same way and are not functions.
C_TYPE_OR_DATA = re.compile(r"^(typedef|struct|enum|union|extern)\b[^()]*\{\s*$|=\s*\{")


def c_functions(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield (first line, number of lines) of each top-level braced block that is a function."""
    head: int | None = None
    start: int | None = None
    for number, line in enumerate(lines, start=1):
        in_column_0 = bool(line) and (line[0].isalpha() or line[0] == "_")
        if start is None:
            if in_column_0:
                head = number
            if line.rstrip().endswith("{") and not C_TYPE_OR_DATA.search(line):
                start = head or number
        elif line.startswith("}"):
            yield start, number - start + 1
            start = head = None


def python_functions(text: str) -> Iterator[tuple[int, int]]:
    """Yield (first line, number of lines) of each function and method."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.lineno, node.end_lineno - node.lineno + 1


def check_file(path: Path) -> Iterator[str]:
    """Yield a message for the file when it is too long, and for each function that is."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) >= MAX_FILE_LINES:
        yield f"{path}:1: file of {len(lines)} lines (limit {MAX_FILE_LINES})"
    functions = python_functions(text) if path.suffix == ".py" else c_functions(lines)
    for start, count in functions:
        if count >= MAX_FUNCTION_LINES:
            yield f"{path}:{start}: function of {count} lines (limit {MAX_FUNCTION_LINES})"


def main(arguments: list[str]) -> int:
    """Check the tree at ``arguments[0]``, by default the one this script is in."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    paths = [
        path
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.suffix in {".c", ".h", ".py"} and "data" not in path.relative_to(root).parts
    ]
    violations = [message for path in paths for message in check_file(path)]
    for violation in violations:
        print(violation)
    if not violations:
        print(f"sizes: {len(paths)} files are short enough")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
