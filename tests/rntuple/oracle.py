"""ROOT's own answer for RNTuples, and how arrays are laid beside it.

``python -m tests.rntuple.oracle`` reads a JSON list of [file, table, [[start, stop], ...]] from
stdin and prints one answer per line; ``root_answers`` runs that in a process of its own, and
returns what it said as `Answer`. A column's values are nested lists of Python's own numbers, where
a record is the list of its members: two such lists are equal where their ``repr`` is, which tells
apart True, 1 and 1.0, 0.0 and -0.0, and holds for NaN.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
HEADERS = (HERE / "printer.hpp", PROJECT / "tests" / "make_files" / "rntuple_classes.hpp")

Range = tuple[int, int]
Request = tuple[Path, str, Sequence[Range]]
Shape = Any
"""A type: ``"float32"``, ``"string"``, ``("list", shape)``, ``("array", size, shape)``,
``("option", shape)``, ``("union", [shape, ...])``, ``("record", [(name, shape), ...])``,
``("tuple", [shape, ...])``, or ``None`` for a record without members."""

DTYPES = {
    "bool": "bool",
    "char": "uint8",
    "std::byte": "uint8",
    "float": "float32",
    "double": "float64",
    "ROOT::RNTupleCardinality<std::uint32_t>": "uint32",
    "ROOT::RNTupleCardinality<std::uint64_t>": "uint64",
    **{f"std::{u}int{n}_t": f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)},
}
PLAIN, COLLECTION, RECORD, VARIANT, STREAMER = range(1, 6)  # ROOT::ENTupleStructure


def union_of(alternatives: list[Shape]) -> Shape:
    """Return the shape of a union: there awkward has options for what may be no value at all."""
    bare = [shape[1] if shape[0] == "option" else shape for shape in alternatives]
    return "union", [shape for shape in bare if shape != "unknown"]


def fits_awkward(shape: Shape) -> bool:
    """Tell whether awkward has arrays of that shape: no option of an option or of a union..."""
    if shape is None or isinstance(shape, str):
        return True
    kind, inner = shape[0], shape[-1]
    if kind == "record":
        return all(fits_awkward(member) for _, member in inner)
    below = inner if kind in ("union", "tuple") else [inner]
    refused = {"option": ("option", "union"), "union": ("union",)}.get(kind, ())
    return all(one is None or (one[0] not in refused and fits_awkward(one)) for one in below)


class FieldType:
    """The type of a field, as ROOT has it: ``shape`` is what an array of it should look like."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.name: str = about["name"]
        self.type_name: str = about["type"]
        self.structure: int = about["structure"]
        self.size: int = about["repetitions"]
        self.members = [FieldType(member) for member in about["fields"]]
        self.shape: Shape = self._shape()

    @property
    def _is_only_wrapped(self) -> bool:
        return (
            self.structure == PLAIN
            and self.size == 0
            and self.type_name not in DTYPES
            and len(self.members) == 1
        )

    def _shape(self) -> Shape:
        if self.type_name in DTYPES:
            return DTYPES[self.type_name]
        if self.type_name == "std::string":
            return "string"
        if self.type_name.startswith("std::bitset<"):
            return "array", int(self.type_name[len("std::bitset<") : -1]), "bool"
        if self.structure == VARIANT:
            return union_of([member.shape for member in self.members])
        if self._is_only_wrapped:
            return self.members[0].shape
        if self.structure == RECORD:
            if self.type_name.startswith(("std::pair<", "std::tuple<")):
                return "tuple", [member.shape for member in self.members]
            named = self._named_members()
            return ("record", named) if named else None
        if not self.members:
            return "unreadable"
        inner = self.members[0].shape
        if inner is None:
            return None
        if self.type_name.startswith(("std::optional<", "std::unique_ptr<")):
            return "option", inner
        return ("array", self.size, inner) if self.size > 0 else ("list", inner)

    @property
    def is_untyped_collection(self) -> bool:
        """Whether it is what the importer makes of counted branches."""
        return self.structure == COLLECTION and not self.type_name

    @property
    def _is_base_class(self) -> bool:
        return self.name.startswith(":")

    def _named_members(self) -> list[tuple[str, Shape]]:
        """List the members, those of base classes where the base class stands.

        A name that several have is told apart by the base class: ``"Base::x"``.
        """
        found = self._inherited_members("")
        names = [name for _, name, _ in found]
        return [
            (f"{base}::{name}" if base and names.count(name) > 1 else name, shape)
            for base, name, shape in found
        ]

    def _inherited_members(self, base: str) -> list[tuple[str, str, Shape]]:
        found: list[tuple[str, str, Shape]] = []
        for member in self.members:
            if member.shape is None:
                continue
            if member._is_base_class:
                found += member._inherited_members(member.type_name)
            else:
                found.append((base, member.name, member.shape))
        return found

    def plain(self, value: Any) -> Any:
        """Splice the members of base classes into a value, and leave out records without any."""
        if value is None or isinstance(self.shape, str):
            return value
        if self._is_only_wrapped:
            return self.members[0].plain(value)
        if self.structure == RECORD:
            spliced: list[Any] = []
            for member, item in zip(self.members, value, strict=True):
                if member.shape is not None:
                    found = member.plain(item)
                    spliced += found if member._is_base_class else [found]
            return spliced
        if self.structure == VARIANT:
            tag, item = value
            return self.members[tag - 1].plain(item)
        if not self.members:
            return value  # bits
        if self.type_name.startswith(("std::optional<", "std::unique_ptr<")):
            return self.members[0].plain(value)
        return [self.members[0].plain(item) for item in value]


@dataclass
class Field:
    """A top-level field: its type and its values, ``None`` where ROOT does not tell them."""

    type: FieldType
    is_projected: bool
    columns: frozenset[int]
    values: list[Any] | None
    fails: bool
    """Whether ROOT has tried to read it."""


@dataclass
class Answer:
    """What ROOT says of a table."""

    n_entries: int
    n_groups: int
    clusters: list[int]
    encodings: set[str]
    fields: dict[str, Field]

    def visible(self) -> dict[str, Field]:
        """Return all but untyped collections whose columns are all seen through projections."""
        seen = [field.columns for field in self.fields.values() if field.is_projected]
        projected = frozenset().union(*seen)
        return {
            name: field
            for name, field in self.fields.items()
            if not (field.type.is_untyped_collection and field.columns <= projected)
        }


def answer_of(line: str) -> Answer:
    """Parse one line of the process."""
    raw = json.loads(line)
    fields = {}
    for about in raw["fields"]:
        type_ = FieldType(about["type"])
        values = about["values"]
        if values is not None:
            values = [type_.plain(value) for value in values]
        columns = frozenset(about["columns"])
        fields[type_.name] = Field(type_, about["projected"], columns, values, about["fails"])
    encodings = set(raw["encodings"])
    return Answer(raw["entries"], raw["groups"], raw["clusters"], encodings, fields)


def root_answers(requests: Iterable[Request]) -> list[Answer]:
    """Ask ROOT for tables: (file, name, ranges of entries or none for all) each."""
    asked = [(str(path), name, list(ranges)) for path, name, ranges in requests]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.rntuple.oracle"],
        input=json.dumps(asked),
        cwd=PROJECT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(asked)
    return [answer_of(line) for line in lines]


def main() -> None:
    """Answer the requests of stdin."""
    import ROOT

    ROOT.gROOT.SetBatch(True)
    ROOT.gErrorIgnoreLevel = ROOT.kError  # classes without dictionaries are meant
    for header in HEADERS:
        if not ROOT.gInterpreter.Declare(f'#include "{header}"'):
            raise RuntimeError(f"ROOT cannot compile {header}")
    for path, name, ranges in json.load(sys.stdin):
        pairs = ROOT.std.vector["std::pair<std::uint64_t,std::uint64_t>"]()
        for start, stop in ranges:
            pairs.push_back(ROOT.std.pair["std::uint64_t", "std::uint64_t"](start, stop))
        print(str(ROOT.printer.Print(path, name, pairs)), flush=True)


# --- arrays --------------------------------------------------------------------------------------


def shape_of(layout: Any) -> Shape:
    """Return the shape of an awkward layout or form."""
    if layout.parameter("__array__") in ("string", "char"):
        return "string"
    if layout.is_unknown:
        return "unknown"
    if layout.is_numpy:
        shape: Shape = str(layout.primitive if hasattr(layout, "primitive") else layout.dtype)
        for size in reversed(layout.inner_shape):
            shape = "array", size, shape
        return shape
    if layout.is_union:
        return union_of([shape_of(content) for content in layout.contents])
    if layout.is_record:
        contents = [shape_of(content) for content in layout.contents]
        if layout.is_tuple:
            return "tuple", contents
        return "record", list(zip(layout.fields, contents, strict=True))
    inner = shape_of(layout.content)
    if layout.is_option:
        return "option", inner
    if layout.is_regular:
        return "array", layout.size, inner
    return ("list", inner) if layout.is_list else inner


def rows_of(layout: Any) -> list[Any]:
    """List the values of an awkward layout, entry by entry."""
    if layout.is_unknown:
        return []
    if layout.is_numpy:
        rows: list[Any] = layout.data.tolist()
        return rows
    if layout.is_union:
        contents = [rows_of(content) for content in layout.contents]
        places = zip(layout.tags.data.tolist(), layout.index.data.tolist(), strict=False)
        return [contents[tag][place] for tag, place in places]
    if layout.is_record:
        columns = [rows_of(content)[: len(layout)] for content in layout.contents]
        return [list(row) for row in zip(*columns, strict=True)] if columns else [[]] * len(layout)
    if layout.is_option:
        layout = layout.to_IndexedOptionArray64()
    if layout.is_indexed:
        items = rows_of(layout.content)
        return [None if place < 0 else items[place] for place in layout.index.data.tolist()]
    if layout.is_regular:
        borders = [i * layout.size for i in range(len(layout) + 1)]
    else:
        layout = layout.to_ListOffsetArray64(start_at_zero=True)
        borders = layout.offsets.data.tolist()
    if layout.parameter("__array__") == "string":
        data = layout.content.data.tobytes()
        return [data[a:b].decode() for a, b in itertools.pairwise(borders)]
    items = rows_of(layout.content)
    return [items[a:b] for a, b in itertools.pairwise(borders)]


def rows_of_array(array: Any) -> list[Any]:
    """List the values of an awkward array, entry by entry."""
    return rows_of(ak.to_packed(ak.materialize(array), highlevel=False))


def assert_same_rows(found: list[Any], expected: list[Any], where: str) -> None:
    """Compare two lists of values exactly, and name the first entry that differs."""
    assert len(found) == len(expected), where
    if repr(found) == repr(expected):
        return
    for entry, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert repr(one) == repr(other), f"{where}, entry {entry}"


if __name__ == "__main__":
    main()
