"""Nested types: what is taken apart into columns comes back whole, in one file and in several."""

import re
import tempfile

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

import ladle
from ladle import _ahead, _buffers, _open
from tests.python.taken_apart import FakeReader, FakeTable, plain
from tests.thorough import examples

NUMBERS = ["bool", "int8", "uint16", "int32", "float32", "int64", "float64"]
#: Dimensions that a type may be deep; with a text in it one more. The format's limit is 8.
MAX_DEPTH = 5


@st.composite
def kinds(draw, depth=MAX_DEPTH, outside="", variants=True, records=True):
    """A type whose columns awkward can have: no option or union right inside an option or union."""
    choices = ["number", "number", "string", "tuple", *["record"] * records]
    if depth > 0:
        choices += ["list", "list", "array"]
        if outside != "option":
            choices += ["option"]
        if variants and outside not in ("option", "variant"):
            choices += ["variant"]
    choice = draw(st.sampled_from(choices))
    if choice == "number":
        return choice, draw(st.sampled_from(NUMBERS))
    if choice == "string":
        return (choice,)
    # Without variants it is a type that uproot writes: an option of records becomes a list there.
    records = records and (variants or choice != "option")
    inner = kinds(depth=depth - 1, outside=choice, variants=variants, records=records)
    if choice in ("list", "option"):
        return choice, draw(inner)
    if choice == "array":
        return choice, draw(st.integers(1, 3)), draw(inner)
    if choice == "record":
        return choice, draw(st.dictionaries(st.sampled_from("xyz"), inner, min_size=1))
    return choice, draw(st.lists(inner, min_size=1, max_size=3))


def values_of(kind):
    match kind:
        case ("number", dtype):
            values = st.booleans() if dtype == "bool" else st.integers(0, 100)
            return values.map(lambda value: np.dtype(dtype).type(value).item())
        case ("string",):
            return st.text(max_size=3)
        case ("list", inner):
            return st.lists(values_of(inner), max_size=3)
        case ("array", size, inner):
            return st.lists(values_of(inner), min_size=size, max_size=size)
        case ("option", inner):
            return st.none() | values_of(inner)
        case ("record", members):
            return st.fixed_dictionaries(
                {name: values_of(inner) for name, inner in members.items()}
            )
        case ("tuple", members):
            return st.tuples(*(values_of(inner) for inner in members))
        case ("variant", alternatives):
            each = [
                st.tuples(st.just(i), values_of(kind)) for i, kind in enumerate(alternatives, 1)
            ]
            return st.none() | st.one_of(each)
    raise TypeError(kind)


@st.composite
def tables(draw, max_parts=3, variants=True):
    """Types by field, and for each file the values of its entries."""
    each = kinds(variants=variants)
    fields = draw(st.dictionaries(st.sampled_from("abc"), each, min_size=1, max_size=3))
    parts = []
    for _ in range(draw(st.integers(1, max_parts))):
        n = draw(st.integers(0, 5))
        size = {"min_size": n, "max_size": n}
        parts.append(
            {name: draw(st.lists(values_of(kind), **size)) for name, kind in fields.items()}
        )
    return fields, parts


class Opened:
    """`ladle.open` over fake tables, one for each part."""

    def __init__(self, fields, parts):
        self.tables = [
            FakeTable({name: (kind, part[name]) for name, kind in fields.items()}, owners=f"{i}:")
            for i, part in enumerate(parts)
        ]
        self._patch = pytest.MonkeyPatch()

    def __enter__(self):
        self._patch.setattr(_open, "resolve_files", lambda files: [(each, None) for each in files])
        self._patch.setattr(_open, "Source", lambda table, _: table)
        for module in (_open, _buffers, _ahead):
            self._patch.setattr(module, "default_reader", lambda _: FakeReader())
        return self

    def __exit__(self, *_):
        self._patch.undo()

    def open(self, **options):
        return ladle.open(self.tables, **options)


def rows_of(fields, parts):
    n_entries = [len(next(iter(part.values()))) for part in parts]
    return [
        {name: plain(kind, part[name][i]) for name, kind in fields.items()}
        for part, n in zip(parts, n_entries, strict=True)
        for i in range(n)
    ]


@examples(50)
@given(tables(), st.booleans(), st.integers(-6, 6), st.integers(-6, 6))
def test_values_come_back(table, is_cached, start, stop):
    fields, parts = table
    rows = rows_of(fields, parts)
    cache = {} if is_cached else None
    with Opened(fields, parts) as opened:
        events = opened.open(cache=cache)
        repr(events), str(events.type), repr(ladle.info(events))
        assert ladle.info(events).reads.total() == 0
        assert events.to_list() == rows
        if len(parts) == 1:
            reads = opened.tables[0].reads
            assert set(reads.values()) <= {1}, "a buffer that columns share is read once"
        first, last, _ = slice(start, stop).indices(len(rows))
        last = max(first, last)  # awkward refuses records from 1 to 0
        assert events[first:last].to_list() == rows[first:last]
        assert events[::-1].to_list() == rows[::-1]
        part = opened.open(entry_start=start, entry_stop=stop, cache=cache)
        assert part.to_list() == rows[start:stop]
        assert ak.to_packed(part).to_list() == rows[start:stop]
        # To awkward, what may only be none could merge with all alternatives.
        assert re.sub(r"at .*: content\(\d\) is mergeable.*", "", ak.validity_error(events)) == ""


@examples(20)
@given(tables())
def test_offloaded_and_packed(table):
    fields, parts = table
    with Opened(fields, parts) as opened:
        events = opened.open()
        away = ladle.offload(events, ladle.BufferCache())
        assert str(away.type) == str(events.type)
        assert away.to_list() == rows_of(fields, parts)


@examples(20)
@given(tables(max_parts=4, variants=False), st.integers(-9, 9), st.integers(-9, 9))
def test_files_of_uproot(table, start, stop):
    """A cluster for each part. Of ranges too, for what is below lists lies anywhere in a page."""
    fields, parts = table
    rows = rows_of(fields, parts)
    with Opened(fields, parts) as opened:
        packed = [ak.to_packed(ladle.open([table])) for table in opened.tables]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/nested.root"
        with uproot.recreate(path) as file:
            ntuple = file.mkrntuple("Events", packed[0])
            for each in packed[1:]:
                ntuple.extend(each)
        events = ladle.open(path)
        assert ladle.info(events).unreadable == {}
        assert events.to_list() == rows
        assert ladle.open(path, entry_start=start, entry_stop=stop).to_list() == rows[start:stop]
        twice = ladle.open([path, path], entry_start=start, cache=ladle.BufferCache())
        assert twice.to_list() == (rows + rows)[start:]


EITHERS = [1, "x", "yy", 4, "", "z", 7, 8, "last"]


def test_variants_of_several_clusters_and_files(tmp_path):
    """Below a variant buffers hold whole clusters: more than a range of entries uses."""
    array = ak.Array({"one": EITHERS, "list": [EITHERS[:i] for i in range(len(EITHERS))]})
    rows = array.to_list()
    path = tmp_path / "variants.root"
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("Events", array[:4])
        ntuple.extend(array[4:5])
        ntuple.extend(array[5:])
    files = [path, path, path]
    for start in range(2 * len(rows) + 1):
        for stop in range(start, start + len(rows) + 3):
            part = ladle.open(files, entry_start=start, entry_stop=stop)
            assert part.to_list() == (rows * 3)[start:stop]
    events = ladle.open(files, cache={})
    assert ak.fill_none(events.one, 0).to_list() == EITHERS * 3
    assert ak.drop_none(events.list).to_list() == array.list.to_list() * 3
    assert ak.num(events.list).to_list() == [*range(9)] * 3


def test_a_ttree_beside_its_rntuple(tmp_path):
    """Columns of one type are one column, however the files share what is around them."""
    lists = ak.Array([[1.5, 2.5], [], [3.5]])
    columns = {"run": np.arange(3), "Jet_pt": lists, "Jet_eta": -lists}
    with uproot.recreate(tmp_path / "tree.root") as file:
        file.mktree("Events", {name: ak.Array(each).type.content for name, each in columns.items()})
        file["Events"].extend(columns)
    with uproot.recreate(tmp_path / "ntuple.root") as file:
        other = ak.Array({"Jet_eta": [[9.0], [8.0, 7.0]], "Jet_pt": [[], [1.0]], "run": [7, 8]})
        file.mkrntuple("Events", other)
    for names in (["tree", "ntuple"], ["ntuple", "tree"], ["tree", "ntuple", "tree"]):
        events = ladle.open([tmp_path / f"{name}.root" for name in names])
        assert set(columns) <= set(ladle.info(events).columns)
        for name, values in columns.items():
            each = {"tree": ak.Array(values).to_list(), "ntuple": other[name].to_list()}
            assert events[name].to_list() == [item for part in names for item in each[part]]


JETS = ("list", ("record", {"pt": ("number", "float32"), "hits": ("list", ("number", "int32"))}))
EITHER = ("variant", [("number", "int32"), ("record", {"x": ("string",), "y": ("number", "bool")})])
FIELDS = {
    "run": ("number", "int64"),
    "jets": JETS,
    "pair": ("tuple", [("number", "int32"), ("string",)]),
    "deep": ("record", {"in": ("record", {"x": ("number", "int8"), "y": ("option", ("string",))})}),
    "either": EITHER,
}
PART = {
    "run": [1, 2],
    "jets": [[{"pt": 1.5, "hits": [1, 2]}, {"pt": 2.5, "hits": []}], []],
    "pair": [(1, "one"), (2, "two")],
    "deep": [{"in": {"x": 1, "y": None}}, {"in": {"x": 2, "y": "why"}}],
    "either": [(2, {"x": "ex", "y": True}), None],
}


def test_types():
    with Opened(FIELDS, [PART]) as opened:
        events = opened.open()
    types = {name: str(events[name].type.content) for name in events.fields}
    assert types == {
        "run": "int64",
        "jets": "var * {pt: float32, hits: var * int32}",
        "pair": "(int32, string)",
        "deep": "{in: {x: int8, y: ?string}}",
        "either": "union[?unknown, ?int32, ?{x: string, y: bool}]",
    }


@pytest.mark.parametrize(
    ("filter_name", "expected"),
    [
        ("jets", ["jets.pt", "jets.hits"]),
        ("jets.pt", ["jets.pt"]),
        ("jets.*", ["jets.pt", "jets.hits"]),
        ("j*", ["jets.pt", "jets.hits"]),
        ("/.*its/", ["jets.hits"]),
        ("deep.in", ["deep.in.x", "deep.in.y"]),
        ("*.x", ["deep.in.x", "either._0", "either._1.x", "either._1.y"]),
        (["run", "*.in"], ["run", "deep.in.x", "deep.in.y"]),
        (lambda name: name == "jets", ["jets.pt", "jets.hits"]),
        ("either._0", ["either._0", "either._1.x", "either._1.y"]),
        ("pair._1", ["pair._1"]),
        ("run.*", []),
    ],
)
def test_filters(filter_name, expected):
    with Opened(FIELDS, [PART]) as opened:
        events = opened.open(filter_name=filter_name)
        info = ladle.info(events)
        assert sorted(info.columns) == sorted(expected)
        assert info.unreadable == {}
        for row, whole in zip(events.to_list(), rows_of(FIELDS, [PART]), strict=True):
            assert set(row) == {name.split(".")[0] for name in expected}
            if "jets" in row and len(expected) > 1:
                assert row["jets"] == whole["jets"]


def test_part_of_a_tuple_keeps_its_name():
    with Opened(FIELDS, [PART]) as opened:
        events = opened.open(filter_name="pair._1")
        assert events.pair.to_list() == [{"_1": "one"}, {"_1": "two"}]


@pytest.mark.parametrize("name", ["jet", "jets.p", "jets.pt.x", "either._7", "jets."])
def test_names_that_do_not_exist(name):
    with Opened(FIELDS, [PART]) as opened, pytest.raises(KeyError, match=name):
        opened.open(filter_name=name)


def test_unreadable_members_are_left_out():
    with Opened(FIELDS, [PART, PART]) as opened:
        opened.tables[0].reasons = {"jets.hits": "broken", "deep.in.x": "odd", "deep.in.y": "odd"}
        opened.tables[1].reasons = {"either._1.y": "unknown"}
        events = opened.open()
        assert events.fields == ["run", "jets", "pair"]
        assert events.jets.fields == ["pt"]
        unreadable = ladle.info(events).unreadable
        assert unreadable["jets.hits"] == "broken"
        assert set(unreadable) == {
            "jets.hits", "deep.in.x", "deep.in.y", "either._0", "either._1.x", "either._1.y",
        }  # fmt: skip
        assert str(opened.tables[1].path) in unreadable["either._1.y"]
        assert "either._1.y" in unreadable["either._0"]
        opened.open(filter_name="jets")
        for name in ("jets.hits", "deep", "deep.in.x", "either", "either._0"):
            with pytest.raises(ladle.UnsupportedError):
                opened.open(filter_name=name)


def test_parts_must_agree():
    """The same name and dimensions, but other records; a variant with more alternatives."""
    other = {**FIELDS, "jets": ("record", {"pt": ("list", ("number", "float32"))})}
    other["either"] = ("variant", [*EITHER[1], ("string",)])
    values = {**PART, "jets": [{"pt": [1.0]}, {"pt": []}]}
    with Opened(FIELDS, [PART]) as opened, Opened(other, [values]) as second:
        opened.tables += second.tables
        events = opened.open()
        assert events.fields == ["run", "pair", "deep"]
        assert "records" in ladle.info(events).unreadable["jets.pt"]
        assert "either._2" in ladle.info(events).unreadable["either._0"]


def test_what_awkward_has_no_type_for():
    number = ("number", "int32")
    fields = {
        "oo": ("option", ("option", number)),
        "ov": ("option", ("variant", [number, number])),
        "vv": ("variant", [number, ("variant", [number, number])]),
        "fine": ("option", ("record", {"x": ("option", number)})),
    }
    values = {"oo": [None], "ov": [None], "vv": [None], "fine": [{"x": None}]}
    with Opened(fields, [values]) as opened:
        events = opened.open()
        assert events.to_list() == [{"fine": {"x": None}}]
        unreadable = ladle.info(events).unreadable
    assert unreadable["oo"] == "awkward has no option of options"
    assert unreadable["ov._0"] == "awkward has no option of unions"
    assert unreadable["vv._1._0"] == "awkward has no union of unions"
    assert "vv._1" in unreadable["vv._0"]


def test_damaged_metadata_puts_no_column_in_the_way_of_others():
    """Columns of one name that do not lie in the same lists."""
    with Opened(FIELDS, [PART]) as opened:
        table = opened.tables[0]
        table.column(table.find("jets.hits")).dims = (3, -1)
        table.column(table.find("deep.in.y")).members = ((0, "in"),)
        table.column(table.find("deep.in.y")).name = "deep.in"
        events = opened.open()
        assert events.jets.to_list() == [[{"pt": 1.5}, {"pt": 2.5}], []]
        assert set(ladle.info(events).unreadable) == {"jets.hits", "deep.in"}
