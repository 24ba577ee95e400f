"""``python -m tests.make_files FOLDER [NAME...]``: write the named files, or all."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.make_files import large, layout, objects, rntuple, small, values
from tests.make_files.registry import FILES

MODULES = (small, values, layout, objects, rntuple, large)  # importing them fills FILES


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.make_files", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the names and write nothing")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", metavar="name")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(FILES))
        return 0
    if arguments.folder is None:
        parser.error("FOLDER is missing")
    unknown = sorted(set(arguments.names) - FILES.keys())
    if unknown:
        parser.error(f"no such file: {', '.join(unknown)}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    # Always in one order: a file's bytes depend on the order in which ROOT has met its classes.
    for name in [name for name in FILES if name in arguments.names or not arguments.names]:
        path = arguments.folder / name
        FILES[name](path)
        print(f"{path.stat().st_size:>12} {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
