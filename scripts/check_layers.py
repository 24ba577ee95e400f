"""Check who includes whom: the rooms of the house, the public headers, the third-party headers.

Usage: check_layers.py [ROOT]. Prints ``file:line: message`` for each violation and exits with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# What each room may include besides itself and the C library (docs/design.md, "The house").
LAYERS: dict[str, set[str]] = {
    "base": set(),
    "memory": {"base"},
    "io": {"base", "memory"},
    "codec": {"base", "memory"},
    "table": {"base", "memory"},
    "root": {"base", "memory", "io", "codec", "table"},
    "store": {"base", "memory", "io", "codec"},
    "deliver": {"base", "memory", "io", "codec", "table", "root", "store"},
    "doctor": {"base", "memory"},
}

# Each of these is the business of one source file.
THIRD_PARTY = re.compile(
    r"(zstd\w*|lz4\w*|lzma(/.*)?|zlib|libdeflate|xxhash|xxh3|hdf5|H5\w+|blosc2(/.*)?|Python)(\.h)?"
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


class Include(NamedTuple):
    """One ``#include``: its place, what it names, and whether in angle brackets."""

    path: Path
    line: int
    target: str
    angled: bool


def read_includes(path: Path) -> list[Include]:
    """List the includes of one C file; those in comments do not count."""
    text = path.read_text(encoding="utf-8")
    # Blank the comments but keep their newlines, so that line numbers stay true.
    text = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return [
        Include(path, text.count("\n", 0, match.start()) + 1, match[2], match[1] == "<")
        for match in INCLUDE.finditer(text)
    ]


class Checker:
    """The includes of one source tree, and the rules over them.

    Parameters
    ----------
    root : Path
        The project's root: the folder that holds ``src``, ``include``, ``cli`` and ``python``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[Path, list[Include]] = {}
        for folder in ("include", "src", "cli", "python"):
            for path in sorted((root / folder).rglob("*.[ch]")):
                self.files[path] = read_includes(path)

    def check(self) -> list[str]:
        """Return one ``file:line: message`` for each violation, in order of files."""
        found = []
        for path, includes in self.files.items():
            folder = path.relative_to(self.root).parts[0]
            rule = {"include": self._public, "src": self._room}.get(folder, self._client)
            found += [self._say(i, message) for i in includes for message in rule(i)]
        return found + [self._say(*violation) for violation in self._third_party()]

    def _say(self, include: Include, message: str) -> str:
        return f"{include.path.relative_to(self.root)}:{include.line}: {message}"

    def _target_room(self, include: Include) -> str | None:
        """Name the room of src/ that a quoted include points into; None when there is none."""
        source = (self.root / "src").resolve()
        # The compiler looks beside the including file first, and below src/ then.
        for base in (include.path.parent, source):
            target = (base / include.target).resolve()
            is_there = target.exists() or include.target.startswith("../")
            if is_there and target.is_relative_to(source):
                return target.relative_to(source).parts[0]
        first = Path(include.target).parts[0]
        return first if first in LAYERS else None

    def _public_rooms(self, name: str, seen: set[str]) -> set[str]:
        """Rooms whose public headers ``<ladle/NAME>`` brings in, itself and at second hand."""
        if name in seen:
            return set()
        seen.add(name)
        stem = Path(name).stem
        rooms = {stem} & LAYERS.keys()
        for include in self.files.get(self.root / "include" / "ladle" / name, []):
            if include.target.startswith("ladle/"):
                rooms |= self._public_rooms(include.target.removeprefix("ladle/"), seen)
        return rooms

    def _seen_from(self, room: str, include: Include) -> Iterator[str]:
        allowed = LAYERS[room] | {room}
        if include.target.startswith("ladle/"):
            reached = self._public_rooms(include.target.removeprefix("ladle/"), set())
        elif include.angled:
            return
        else:
            target = self._target_room(include)
            reached = set() if target is None else {target}
        for other in sorted(reached - allowed):
            yield f"{room} may not include {other} ({include.target})"

    def _room(self, include: Include) -> Iterator[str]:
        parts = include.path.relative_to(self.root / "src").parts
        if len(parts) < 2 or parts[0] not in LAYERS:
            yield f"{parts[0]} is not a room of the house"
            return
        yield from self._seen_from(parts[0], include)

    def _public(self, include: Include) -> Iterator[str]:
        if include.target.startswith("ladle/"):
            if include.path.stem in LAYERS:
                yield from self._seen_from(include.path.stem, include)
        elif not include.angled:
            yield f"a public header includes public headers as <ladle/...> ({include.target})"
        elif THIRD_PARTY.fullmatch(include.target):
            yield f"a public header may not need a third-party header ({include.target})"

    def _client(self, include: Include) -> Iterator[str]:
        """Hold the tool and the extension to the public API."""
        if include.target.startswith("ladle/") or include.angled:
            in_python = include.path.relative_to(self.root).parts[0] == "python"
            is_python = include.target == "Python.h" and in_python
            if THIRD_PARTY.fullmatch(include.target) and not is_python:
                yield f"only the public API, not {include.target}"
            return
        folder = include.path.parent.resolve()
        target = (folder / include.target).resolve()
        if not target.exists():
            yield f"only the public API, not {include.target}"
        elif not target.is_relative_to(folder):
            yield f"leaves its own folder ({include.target})"

    def _third_party(self) -> Iterator[tuple[Include, str]]:
        """Each third-party header in one .c file; Python.h may be in one header instead."""
        first: dict[str, Include] = {}
        for path, includes in self.files.items():
            for include in includes:
                if not include.angled and self._target_room(include) is not None:
                    continue
                if not THIRD_PARTY.fullmatch(include.target):
                    continue
                if path.suffix == ".h" and include.target != "Python.h":
                    yield include, f"{include.target} belongs in a .c file"
                other = first.setdefault(include.target, include)
                if other.path != path:
                    where = other.path.relative_to(self.root)
                    yield include, f"{include.target} is already included by {where}"


def main(arguments: list[str]) -> int:
    """Check the tree at ``arguments[0]``, by default the one this script is in."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    checker = Checker(root)
    violations = checker.check()
    for violation in violations:
        print(violation)
    if not violations:
        print(f"layers: {len(checker.files)} files keep to the table")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
