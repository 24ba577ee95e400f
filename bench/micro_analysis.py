#!/usr/bin/env python3
"""A small NanoAOD analysis of jets and muons, to measure what reading the columns costs.

The analysis sees coffea's NanoEvents and does not know who reads the file: coffea through uproot,
or ladle. It selects muons and jets, forms HT, b-tag counts, dimuon and four-jet masses, and fills
every column of both collections with and without the selection. Memory and time are taken inside
the process, so run one reader per process.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import hist

READERS = ("uproot", "ladle")
DEFAULT_CACHES = {"uproot": "dict", "ladle": "ladle.BufferCache"}
COLLECTIONS = ("Jet", "Muon")

# The b-tag discriminators of the NanoAOD versions, newest first, with a medium working point each.
B_TAGGERS = (
    ("btagUParTAK4B", 0.1272),
    ("btagPNetB", 0.245),
    ("btagDeepFlavB", 0.3086),
    ("btagDeepB", 0.4184),
    ("btagCSVV2", 0.8838),
)

# Axes for columns whose range is known: pattern of the column's name, bins, low edge, high edge.
COLUMN_AXES = (
    (r"pt|.*Pt", 100, 0.0, 500.0),
    (r"eta", 100, -5.0, 5.0),
    (r"phi", 64, -3.2, 3.2),
    (r"btag.*|.*EF|qgl|pnScore_.*|.*MVA", 100, 0.0, 1.0),
    (r".*RelIso.*", 100, 0.0, 2.0),
    (r"dxy.*|dz.*", 100, -0.1, 0.1),
    (r".*Idx\d?", 64, -1.5, 62.5),
)


def memory_of_process() -> dict[str, float]:
    """Return the resident set size now (``rss``) and at its highest (``peak``), in MB (1e6 bytes).

    Raises
    ------
    OSError
        Where there is no ``/proc/self/status``: anywhere but on Linux.
    """
    status = Path("/proc/self/status").read_text()
    found = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB$", status, re.MULTILINE))
    return {"rss": int(found["VmRSS"]) * 1024 / 1e6, "peak": int(found["VmHWM"]) * 1024 / 1e6}


def make_cache(description: str) -> MutableMapping[str, Any] | None:
    """Make the buffer cache that a command line names.

    Parameters
    ----------
    description : str
        ``none``, ``dict``, or a dotted name to call, with keyword arguments after a colon:
        ``ladle.BufferCache:budget='64 MB',threads=2``. Values are Python literals.

    Raises
    ------
    ValueError
        If the description is none of these.
    ImportError, AttributeError
        If there is no such name.
    """
    if description == "none":
        return None
    if description == "dict":
        return {}
    name, _, arguments = description.partition(":")
    module, _, attribute = name.rpartition(".")
    if not module:
        raise ValueError(f"not a cache: {description!r}; expected none, dict or package.Class")
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(not k.arg for k in call.keywords):
            raise ValueError("expected name=literal,...")
        keywords = {str(item.arg): ast.literal_eval(item.value) for item in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"cannot use the cache arguments {arguments!r}: {error}") from error
    cache: MutableMapping[str, Any] = getattr(importlib.import_module(module), attribute)(
        **keywords
    )
    return cache


def load_reader(reader: str) -> Any:
    """Import and return the `NanoEventsFactory` of `reader`.

    Raises
    ------
    ImportError
        If the package of that reader is not installed.
    """
    if reader == "ladle":
        return importlib.import_module("ladle.coffea").NanoEventsFactory
    return importlib.import_module("coffea.nanoevents").NanoEventsFactory


def plain_columns(collection: Any) -> list[str]:
    """Return the columns of a NanoEvents collection that are stored in the file as plain numbers.

    The doubly nested and the global indices (``muonIdxG``), which coffea derives, are left out.
    Nothing is read: a form tells.
    """
    return [
        name
        for name in collection.fields
        if not re.fullmatch(r".*Idx\d?G", name)
        and re.fullmatch(
            r"var \* (bool|u?int\d+|float\d+)(\[.*\])?", str(collection[name].layout.form.type)
        )
    ]


def axis_for(name: str, values: Any) -> hist.axis.Regular:
    """Return the axis for the values of a column.

    A known range where the name has one, else from the smallest to the largest finite value, so
    that any reader of the same values gets the same axis.

    Parameters
    ----------
    name : str
        Of the column, without its collection.
    values : numpy.ndarray of shape (n,)
        All of its values.
    """
    import hist
    import numpy as np

    if values.dtype == np.bool_:
        return hist.axis.Regular(2, -0.5, 1.5, name=name)
    for pattern, bins, low, high in COLUMN_AXES:
        if re.fullmatch(pattern, name):
            return hist.axis.Regular(bins, low, high, name=name)
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    margin = 0.005 * (high - low) or 0.5
    return hist.axis.Regular(100, low - margin, high + margin, name=name)


class Histograms:
    """Named 1-D histograms of counts, filled a column at a time.

    Attributes
    ----------
    filled : dict of str to hist.Hist
        In the order of filling.
    """

    def __init__(self) -> None:
        self.filled: dict[str, hist.Hist[Any]] = {}

    def fill(self, name: str, axis: hist.axis.Regular, values: Any) -> None:
        """Make the histogram `name` and fill it with `values`, an array of shape (n,)."""
        import hist

        histogram: hist.Hist[Any] = hist.Hist(axis, storage=hist.storage.Int64())
        histogram.fill(values)
        self.filled[name] = histogram

    def fill_column(self, collection: str, name: str, column: Any, selected: Any) -> None:
        """Fill a jagged column as it is, and again where the jagged mask `selected` is true."""
        import awkward as ak
        import numpy as np

        values = np.asarray(ak.flatten(column))
        axis = axis_for(name, values)
        chosen = np.asarray(ak.flatten(column[selected]))
        for label, array in (("all", values), ("selected", chosen)):
            as_numbers = array.astype(np.uint8) if array.dtype == np.bool_ else array
            self.fill(f"{collection}_{name}/{label}", axis, as_numbers)

    def save(self, path: Path) -> None:
        """Write counts (with under- and overflow) and edges of every histogram as NumPy arrays."""
        import numpy as np

        arrays: dict[str, Any] = {}
        for name, histogram in self.filled.items():
            arrays[f"{name}:counts"] = histogram.values(flow=True)
            arrays[f"{name}:edges"] = histogram.axes[0].edges
        with path.open("wb") as stream:
            np.savez_compressed(stream, **arrays)


def good_muons(muons: Any) -> Any:
    """Return the jagged mask of muons with a good track, those inside jets included."""
    return (muons.pt > 3.0) & (abs(muons.eta) < 2.4) & (muons.isGlobal | muons.isTracker)


def isolated_muons(muons: Any) -> Any:
    """Return the jagged mask of the muons that a W or Z boson leaves."""
    return (
        (muons.pt > 15.0) & (abs(muons.eta) < 2.4) & muons.tightId & (muons.pfRelIso04_all < 0.25)
    )


def good_jets(jets: Any) -> Any:
    """Return the jagged mask of central jets, with the tight identification where it is stored."""
    mask = (jets.pt > 30.0) & (abs(jets.eta) < 2.4)
    if "jetId" in jets.fields:
        mask = mask & ((jets.jetId & 2) != 0)
    return mask


def b_tagger(jets: Any) -> tuple[str, float]:
    """Return the column of the newest b-tag discriminator that is there and its working point.

    Raises
    ------
    KeyError
        If the jets have none that this analysis knows.
    """
    for name, working_point in B_TAGGERS:
        if name in jets.fields:
            return name, working_point
    raise KeyError(f"Jet has no b-tag discriminator among {[name for name, _ in B_TAGGERS]}")


def four_momenta(collection: Any, mask: Any, extra: tuple[str, ...] = ()) -> Any:
    """Return momenta of the objects that pass, with no more columns than that takes."""
    import awkward as ak

    return ak.zip(
        {name: collection[name][mask] for name in ("pt", "eta", "phi", "mass", *extra)},
        with_name="PtEtaPhiMLorentzVector",
        behavior=collection.behavior,
    )


def analyse(events: Any) -> Histograms:
    """Run the analysis.

    Parameters
    ----------
    events : NanoEvents array
        Of coffea's `NanoAODSchema`, virtual or not; Jet and Muon are read, nothing else.

    Returns
    -------
    Histograms
        The event quantities and two histograms per column of either collection.
    """
    import awkward as ak
    import hist
    import numpy as np

    jets, muons = events.Jet, events.Muon
    histograms = Histograms()

    def fill(name: str, bins: int, low: float, high: float, values: Any) -> None:
        axis = hist.axis.Regular(bins, low, high, name=name)
        histograms.fill(name, axis, np.asarray(values))

    jet_mask, muon_mask = good_jets(jets), good_muons(muons)
    tagger, working_point = b_tagger(jets)
    tagged = jet_mask & (jets[tagger] > working_point)
    n_jets, n_tagged = ak.sum(jet_mask, axis=1), ak.sum(tagged, axis=1)
    fill("n_jets", 16, -0.5, 15.5, n_jets)
    fill("n_b_tagged", 8, -0.5, 7.5, n_tagged)
    fill("n_muons", 6, -0.5, 5.5, ak.sum(muon_mask, axis=1))
    fill("n_isolated_muons", 6, -0.5, 5.5, ak.sum(isolated_muons(muons), axis=1))
    ht = ak.sum(jets.pt[jet_mask], axis=1)
    fill("ht", 80, 0.0, 1600.0, ht)

    first, second = ak.unzip(ak.combinations(four_momenta(muons, muon_mask, ("charge",)), 2))
    opposite = first.charge * second.charge < 0
    fill("dimuon_mass", 60, 0.0, 120.0, ak.flatten((first + second).mass[opposite]))

    four_jets = (n_jets >= 4) & (n_tagged >= 1)
    fill("ht_selected", 80, 0.0, 1600.0, ht[four_jets])
    leading = four_momenta(jets, jet_mask)[four_jets]
    leading = leading[ak.argsort(leading.pt, axis=1, ascending=False)][:, :4]
    fill("four_jet_mass", 80, 0.0, 1600.0, leading.sum(axis=1).mass)
    del leading, first, second, opposite

    for collection, array, mask in (("Jet", jets, jet_mask), ("Muon", muons, muon_mask)):
        selected = mask & four_jets
        for name in plain_columns(array):
            histograms.fill_column(collection, name, array[name], selected)
    return histograms


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], Histograms]:
    """Import, open and analyse, and return what that took and the histograms.

    Returns
    -------
    dict
        Times in seconds under ``seconds``, memory in MB (1e6 bytes) under ``memory``.
    Histograms
        Of the analysis.
    """
    start = time.perf_counter()
    for module in ("awkward", "hist", "numpy", "vector"):
        importlib.import_module(module)
    factory = load_reader(options.reader)
    schema = importlib.import_module("coffea.nanoevents").NanoAODSchema
    imported = time.perf_counter()
    after_import = memory_of_process()
    cache = make_cache(options.cache)
    with warnings.catch_warnings():
        # Skims lack the targets of some cross references, which the schema warns about; not ours.
        warnings.filterwarnings("ignore", message="Missing cross-reference")
        warnings.filterwarnings("ignore", message="Branch .* already exists")
        events = factory.from_root(
            {os.fspath(options.file): options.tree},
            mode="virtual",
            schemaclass=schema,
            entry_start=options.entry_start,
            entry_stop=options.entry_stop,
            buffer_cache=cache,
        ).events()
    opened = time.perf_counter()
    after_open = memory_of_process()
    histograms = analyse(events)
    done = time.perf_counter()
    at_end = memory_of_process()
    result = {
        "reader": options.reader,
        "cache": options.cache,
        "file": os.fspath(options.file),
        "events": len(events),
        "columns": sum(len(plain_columns(events[name])) for name in COLLECTIONS),
        "histograms": len(histograms.filled),
        "cached_buffers": None if cache is None else len(cache),
        "seconds": {
            "import": imported - start,
            "open": opened - imported,
            "analysis": done - opened,
            "open_and_analysis": done - imported,
        },
        "memory": {
            "after_import": after_import["rss"],
            "after_open": after_open["rss"],
            "at_end": at_end["rss"],
            "peak": at_end["peak"],
            "peak_above_import": at_end["peak"] - after_import["rss"],
        },
    }
    return result, histograms


def plot(histograms: Histograms, path: Path) -> None:
    """Draw the event quantities."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in histograms.filled if "/" not in name]
    figure, axes = plt.subplots(2, (len(names) + 1) // 2, figsize=(14, 7), layout="constrained")
    for axis, name in zip(axes.flat, names, strict=False):
        histogram = histograms.filled[name]
        axis.stairs(histogram.values(), histogram.axes[0].edges, fill=True, alpha=0.6)
        axis.set(xlabel=name.replace("_", " "), ylabel="entries")
    for axis in axes.flat[len(names) :]:
        axis.remove()
    figure.savefig(path, dpi=110)


def round_floats(value: Any) -> Any:
    """Round every float in nested dictionaries to 3 decimals."""
    if isinstance(value, dict):
        return {key: round_floats(item) for key, item in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def output_paths(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the files that the command line asks for."""
    yield from (path for path in (options.json, options.histograms, options.plot) if path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE.root")
    parser.add_argument("--reader", choices=READERS, required=True)
    parser.add_argument(
        "--cache",
        help="none, dict, or package.Class[:name=literal,...]; default: dict for uproot, "
        "ladle.BufferCache for ladle",
    )
    parser.add_argument("--tree", default="Events", help="default: %(default)s")
    parser.add_argument("--entry-start", type=int)
    parser.add_argument("--entry-stop", type=int)
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write the result there too")
    parser.add_argument("--histograms", type=Path, metavar="OUT.npz")
    parser.add_argument("--plot", type=Path, metavar="OUT.png")
    options = parser.parse_args(arguments)
    options.cache = options.cache or DEFAULT_CACHES[options.reader]
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parse_arguments(arguments)
    for path in output_paths(options):
        path.parent.mkdir(parents=True, exist_ok=True)
    result, histograms = measure(options)
    text = json.dumps(round_floats(result), indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    if options.histograms:
        histograms.save(options.histograms)
    if options.plot:
        plot(histograms, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
