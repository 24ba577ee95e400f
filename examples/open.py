"""Open a file, look at what it has, and use two columns: only these are read.

Usage: ``python examples/open.py nano.root``
"""

import sys

import awkward as ak

import ladle


def main(path):
    """Print what a file has, and use two of its columns."""
    events = ladle.open(path)
    about = ladle.info(events)
    print(about)
    for name, reason in about.unreadable.items():
        print(f"left out: {name}: {reason}")

    jagged = [name for name, kind in about.columns.items() if kind == "var * float32"]
    for name in jagged[:2]:
        print(f"{name}: {ak.count(events[name])} values, highest {ak.max(events[name])}")
    print("read:", ", ".join(about.reads))
    print(ladle.memory.info())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
