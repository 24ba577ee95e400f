"""Go through a file in steps of 20 MB and add up a column: memory stays where it is.

examples/iterate.py FILE.root [COLUMN]
"""

import sys

import awkward as ak

import ladle

path = sys.argv[1]
name = sys.argv[2] if len(sys.argv) > 2 else "Jet_pt"
total = 0.0
entries = 0
for events in ladle.iterate(path, step_size="20 MB", filter_name=name):
    entries += len(events)
    total += float(ak.sum(ak.flatten(events[name], axis=None)))
print(f"{entries} events, {name} adds up to {total:.6g}")
