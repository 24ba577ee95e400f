"""RNTuples of a few KiB: every type, every encoding, and every way of cutting them into pages.

The classes, schemas and values are in ``rntuple*.hpp``, which ROOT's interpreter compiles once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.make_files.registry import FILES, makes
from tests.make_files.writing import CODECS, Column, Tree, root_file

TABLE = "t"

Plan = tuple[tuple[int, ...], ...]
"""Numbers of entries of clusters, in groups: ``((3, 4), (5,))`` is two groups of three clusters."""

ONE_CLUSTER: Plan = ((100,),)
CLUSTERS: Plan = ((37, 1), (40,), (22, 25, 3))


@cache
def root() -> Any:
    """Import ROOT, with ``rntuple.hpp`` compiled."""
    import ROOT

    ROOT.gROOT.SetBatch(True)
    ROOT.gErrorIgnoreLevel = ROOT.kError  # classes without dictionaries are meant
    if not ROOT.gInterpreter.Declare(f'#include "{Path(__file__).with_suffix(".hpp")}"'):
        raise RuntimeError("ROOT cannot compile rntuple.hpp")
    return ROOT


@contextmanager
def rntuple_file(path: Path) -> Iterator[Any]:
    """Open a new ROOT file for RNTuples; the same content gives the same bytes."""
    root()
    with root_file(path) as file:
        yield file
    set_dates(path)


def set_dates(path: Path) -> None:
    """Set the dates of all records to 1, as ROOT does for those that are no RNTuple's."""
    raw = bytearray(path.read_bytes())
    (at,) = struct.unpack_from(">i", raw, 8)
    while at < len(raw):
        (nbytes,) = struct.unpack_from(">i", raw, at)
        if nbytes > 0:
            struct.pack_into(">i", raw, at + 10, 1)
        at += abs(nbytes)
    path.write_bytes(raw)


def write_options(
    codec: str = "zstd",
    *,
    page: int | None = None,
    checksums: bool = True,
    merging: bool = True,
    max_key: int | None = None,
) -> Any:
    """Make ROOT's options.

    Parameters
    ----------
    codec : str
        One of ``CODECS``.
    page : int, optional
        Size of all pages, in bytes before compression.
    checksums : bool
        Of pages; without them equal pages are not merged either.
    merging : bool
        Write pages that are equal once.
    max_key : int, optional
        Largest size of a key, in bytes: what is larger is cut into chunks.
    """
    options = root().RNTupleWriteOptions()
    options.SetCompression(CODECS[codec])
    options.SetUseImplicitMT(root().RNTupleWriteOptions.EImplicitMT.kOff)
    if page is not None:
        options.SetInitialUnzippedPageSize(page)
        options.SetMaxUnzippedPageSize(page)
    if not merging:
        options.SetEnableSamePageMerging(False)
    options.SetEnablePageChecksums(checksums)
    if max_key is not None:
        root().made.SetMaxKeySize(options, max_key)
    return options


def plan_of(plan: Plan) -> Any:
    """Make C++ of a plan."""
    return root().std.vector["std::vector<int>"]([list(group) for group in plan])


class Form(NamedTuple):
    """A schema, how it is cut, and the options of ``write_options``."""

    schema: str
    plan: Plan = CLUSTERS
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it


FORMS = {
    "encodings": Form("Encodings", ((70, 64), (66,))),
    "encodings-tiny-pages": Form("Encodings", ((70, 64), (66,)), {"page": 16}),
    "encodings-none": Form("Encodings", ((70, 64), (66,)), {"page": 64, "codec": "none"}),
    "reduced-floats": Form("ReducedFloats", ((61, 7), (64,))),
    "reduced-floats-one-in-a-page": Form("ReducedFloats", ((61, 7),), {"page": 8}),
    "reduced-floats-none": Form("ReducedFloats", ((61, 7),), {"page": 128, "codec": "none"}),
    "sequences": Form("Sequences"),
    "associations": Form("Associations"),
    "nullables": Form("Nullables"),
    "variants": Form("Variants"),
    "classes": Form("Classes"),
    "wrapped": Form("Wrapped"),
    "wrapped-tiny-pages": Form("Wrapped", CLUSTERS, {"page": 16}),
    "untyped": Form("Untyped"),
    "streamed": Form("Streamed"),
    "nothing": Form("Nothing", ((3,), (5, 1))),
    "no-entries": Form("Lists", ()),
    "one-entry": Form("Lists", ((1,),)),
    "one-cluster": Form("Lists", ONE_CLUSTER),
    "clusters-of-one": Form("Lists", ((1,) * 20, (1,) * 3)),
    "groups-of-one": Form("Lists", tuple((n,) for n in range(1, 12))),
    "tiny-pages": Form("Lists", CLUSTERS, {"page": 16}),
    "odd-pages": Form("Lists", CLUSTERS, {"page": 56}),
    "no-checksums": Form("Lists", CLUSTERS, {"checksums": False}),
    "no-checksums-none": Form("Lists", CLUSTERS, {"checksums": False, "codec": "none"}),
    "representations": Form("Representations", ((20, 1, 13), (30, 5), (9, 8, 4))),
    "constants": Form("Constants", ((500, 500), (1000,)), {"page": 64}),
    "constants-unmerged": Form("Constants", ((500, 500), (1000,)), {"page": 64, "merging": False}),
    "chunked": Form("ManyColumns", ((30,), (7,)), {"max_key": 512, "codec": "none"}),
    "chunked-ends": Form("Untyped", ((150, 150),), {"page": 600, "max_key": 500, "codec": "none"}),
    "chunked-zstd": Form("ManyColumns", ((30,), (7,)), {"max_key": 1024}),
    **{
        f"{codec}": Form("Lists", CLUSTERS, {"codec": codec})
        for codec in CODECS
        if codec not in ("zstd", "old")
    },
}


def make_form(form: Form, path: Path) -> None:
    """Write one form as the RNTuple ``t``."""
    options = write_options(**form.options)
    with rntuple_file(path) as file:
        root().made.Write(form.schema, file, TABLE, options, plan_of(form.plan))


for form_name, a_form in FORMS.items():
    FILES[f"rntuple-{form_name}.root"] = partial(make_form, a_form)


@makes("rntuple-extended.root")
def make_extended(path: Path) -> None:
    """Write a table whose schema grows three times."""
    with rntuple_file(path) as file:
        root().made.WriteExtended(file, TABLE, write_options())


@makes("rntuple-extended-tiny-pages.root")
def make_extended_tiny_pages(path: Path) -> None:
    """Write the same with pages of 16 bytes."""
    with rntuple_file(path) as file:
        root().made.WriteExtended(file, TABLE, write_options(page=16))


@makes("rntuple-parallel.root")
def make_parallel(path: Path) -> None:
    """Write clusters of two fill contexts, one after the other."""
    with rntuple_file(path) as file:
        root().made.WriteParallel(file, TABLE, write_options())


@contextmanager
def parts(path: Path, *forms: Form) -> Iterator[list[Path]]:
    """Write files beside ``path``, for the time of the block."""
    files = [path.with_name(f"{path.stem}-part{i}.root") for i in range(len(forms))]
    try:
        for file, form in zip(files, forms, strict=True):
            make_form(form, file)
        yield files
    finally:
        for file in files:
            file.unlink(missing_ok=True)


@makes("rntuple-merged.root")
def make_merged(path: Path) -> None:
    """Merge tables of three codecs, pages as they are."""
    forms = [Form("Lists", ((20, 3),), {"codec": codec}) for codec in ("zlib", "lz4", "none")]
    with parts(path, *forms) as files, rntuple_file(path) as file:
        root().made.Merge(file, TABLE, write_options(), [str(part) for part in files], False)


@makes("rntuple-merged-union.root")
def make_merged_union(path: Path) -> None:
    """Merge tables with different columns: some come late, others have only zeros at the end."""
    forms = [Form("Constants", ((20, 3),)), Form("Wrapped", ((9,), (4,)))]
    with parts(path, *forms) as files, rntuple_file(path) as file:
        root().made.Merge(file, TABLE, write_options(), [str(part) for part in files], True)


@makes("rntuple-imported.root")
def make_imported(path: Path) -> None:
    """Import a TTree in the shape of NanoAOD: counted arrays become projections of collections."""
    columns = [
        Column("run", "run/i", "u4"),
        Column("flag", "flag/O", "?"),
        Column("nJet", "nJet/I", "i4"),
        Column("Jet_pt", "Jet_pt[nJet]/F", "f4", 8),
        Column("Jet_id", "Jet_id[nJet]/B", "i1", 8),
        Column("nMuon", "nMuon/I", "i4"),
        Column("Muon_good", "Muon_good[nMuon]/O", "?", 8),
        Column("fixed", "fixed[3]/D", "f8", 3),
        Column("text", "text/C", "i1", 40),
    ]
    with root_file(path.with_name(f"{path.stem}-part.root")):
        tree = Tree(TABLE, columns)
        for i in range(60):
            jets, muons = np.arange(i % 5), np.arange(i * i % 4)
            tree.fill(
                {
                    "run": i,
                    "flag": i % 3 == 0,
                    "nJet": len(jets),
                    "Jet_pt": jets + i / 2,
                    "Jet_id": jets - i,
                    "nMuon": len(muons),
                    "Muon_good": muons % 2,
                    "fixed": [i, -i, i / 3],
                    "text": b"abcdefghij"[: i % 11],
                }
            )
        tree.write()
        root().made.Import(tree.tree, f"{path}?reproducible={path.name}")
    set_dates(path)
    path.with_name(f"{path.stem}-part.root").unlink()


@makes("rntuple-directories.root")
def make_directories(path: Path) -> None:
    """Write three RNTuples, one of them in a directory, and a TTree, into one file."""
    made = root().made
    with rntuple_file(path) as file:
        made.Write("Lists", file, "one", write_options(), plan_of(((5,),)))
        tree = Tree("tree", [Column("x", "x/F", "f4")])
        for i in range(30):
            tree.fill({"x": i / 4})
        tree.write()
        made.Write("Constants", file, "two", write_options("lz4"), plan_of(((9, 2),)))
        folder = file.mkdir("a").mkdir("b")
        made.Write("Sequences", folder, "three", write_options("none"), plan_of(((4,), (3,))))
