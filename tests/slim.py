"""NanoAOD of a few collections, cut out of a real file: coffea takes seconds over 1,500 columns."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import awkward as ak
import uproot

import ladle

COLLECTIONS = ("Electron", "GenJet", "GenPart", "Jet", "Muon")
SINGLE = ("run", "luminosityBlock", "event", "MET_*")
BASKET = 15
"""Entries in one basket: several, so that ranges of entries begin and end within one."""


def slim_file(source: str | Path, path: Path) -> Path:
    """Write the table ``Events`` of ``source`` with those columns, the values as they are."""
    names = [*SINGLE, *(f"{collection}_*" for collection in COLLECTIONS)]
    events = ladle.open(source, filter_name=names)
    columns: dict[str, ak.Array] = {}
    members: dict[str, dict[str, ak.Array]] = defaultdict(dict)
    for name in events.fields:
        collection, _, member = name.partition("_")
        values = ak.materialize(events[name])
        if values.ndim > 1 and collection in COLLECTIONS:
            members[collection][member] = values
        else:
            columns[name] = values
    columns |= {collection: ak.zip(fields) for collection, fields in members.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {name: ak.type(v).content for name, v in columns.items()})
        for start in range(0, len(events), BASKET):
            tree.extend({name: v[start : start + BASKET] for name, v in columns.items()})
    return path
