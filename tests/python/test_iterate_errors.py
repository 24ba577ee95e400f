"""Errors of ladle.iterate: what they say, which steps come before them, and what follows."""

import shutil
import warnings

import awkward as ak
import numpy as np
import pytest

import ladle
from ladle._context import default_context
from tests.python.stepped import (
    assert_same,
    assert_together,
    damage,
    made_columns,
    reports_of,
    write_ntuple,
    write_tree,
)

WRITERS = {"TTree": write_tree, "RNTuple": write_ntuple}
FORMATS = pytest.mark.parametrize("kind", WRITERS)
THREADS = pytest.mark.parametrize("threads", [1, 2])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A TTree and an RNTuple of the same columns, by format."""
    folder = tmp_path_factory.mktemp("made")
    return {kind: write(folder / f"{kind}.root", made_columns()) for kind, write in WRITERS.items()}


@pytest.mark.parametrize(
    "step_size", [0, -1, "0 MB", "0", "abc", "", "MB", "-1 MB", "0.2 B", "1.5"]
)
def test_wrong_step_sizes(made, step_size):
    with pytest.raises(ValueError, match="step_size"):
        ladle.iterate(made["TTree"], step_size=step_size)


@pytest.mark.parametrize("wrong", [1.5, True, None, [1], b"1 MB"])
def test_step_sizes_of_a_wrong_type(made, wrong):
    with pytest.raises(TypeError, match="step_size"):
        ladle.iterate(made["TTree"], step_size=wrong)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"library": "pd"}, ladle.InvalidError, "library"),
        ({"on_error": "ignore"}, ladle.InvalidError, "on_error"),
        ({"threads": 0}, ValueError, "threads"),
        ({"threads": 1.5}, TypeError, "threads"),
        ({"budget": -1}, ValueError, "budget"),
        ({"budget": "much"}, ValueError, "budget"),
        ({"budget": True}, TypeError, "budget"),
        ({"entry_start": 1.5}, TypeError, "entry_start"),
        ({"entry_stop": True}, TypeError, "entry_stop"),
        ({"filter_name": 3}, TypeError, "."),
        ({"filter_name": "/(/"}, ValueError, "filter_name"),
        ({"filter_name": ["run", "Jet_pz"]}, ladle.NameMissingError, "Jet_pt"),
        ({"filter_name": "nothing*"}, ladle.InvalidError, "no column"),
    ],
)
def test_wrong_calls_are_told_by_the_call(made, options, kind, text):
    with pytest.raises(kind, match=text):
        ladle.iterate(made["TTree"], **options)


def test_wrong_files(made, tmp_path, objects):
    with pytest.raises(FileNotFoundError, match=r"none\.root"):
        ladle.iterate(tmp_path / "none.root")
    with pytest.raises(FileNotFoundError):
        ladle.iterate(str(tmp_path / "*.root"))
    with pytest.raises(ladle.UnsupportedError, match="https://"):
        ladle.iterate("https://host/nano.root")
    with pytest.raises(ladle.NameMissingError, match="Events"):
        ladle.iterate({made["TTree"]: "Event"})
    with pytest.raises(TypeError):
        ladle.iterate(3)
    unreadable = next(iter(ladle.info(ladle.open(objects)).unreadable))
    with pytest.raises(ladle.UnsupportedError, match=unreadable):
        ladle.iterate(objects, filter_name=unreadable)


def taken_until_error(steps):
    """All steps before the error, and the error."""
    taken = []
    with pytest.raises(ladle.Error) as caught:
        taken.extend(steps)
    return taken, caught.value


def data_page(path, column, entry):
    """Find the first page of the column's data behind an entry: its number and first entry."""
    table = ladle._core.File(default_context(), path).table()
    number = table.find(column)
    firsts = [table.page(number, page)[0] for page in range(table.storage(number)[0])]
    begin = len(firsts) - firsts[::-1].index(0) - 1  # pages of an RNTuple's offsets come before
    page = next(i for i, first in enumerate(firsts) if i > begin and first > entry)
    return page, firsts[page]


@THREADS
@pytest.mark.parametrize("budget", [1000, "1 MB"])
@pytest.mark.parametrize("column", ["x", "Jet_pt", "name"])
@FORMATS
def test_a_damaged_page(made, tmp_path, kind, column, budget, threads):
    """The error says where; all steps before were right, up to the page or the offsets' one."""
    path = shutil.copy(made[kind], tmp_path / "damaged.root")
    page, first = data_page(path, column, 100)
    begin, end = damage(path, column, page)
    assert first == 101
    expected = ladle.open(made[kind])
    columns = ["run", column]
    options = {"filter_name": columns, "budget": budget, "threads": threads, "report": True}
    taken, error = taken_until_error(ladle.iterate(path, step_size="700 B", **options))
    assert_together(taken, expected[columns][: sum(len(array) for array, _ in taken)])
    stop = taken[-1][1].tree_entry_stop if taken else 0
    assert stop <= first
    assert f"(in entries {stop} to " in error.message
    # Lengths of a TTree's text lie beside the text: nothing is known of entries ahead of them.
    assert stop > first - 40 or (kind, column) == ("TTree", "name")
    assert str(path) in error.where
    assert f"Events/{column}" in error.where
    assert " page " in error.where
    assert begin <= error.offset < end
    assert error.status in ("CORRUPT", "CHECKSUM")


@THREADS
@FORMATS
def test_other_columns_of_a_damaged_file(made, tmp_path, kind, threads):
    path = shutil.copy(made[kind], tmp_path / "damaged.root")
    damage(path, "x", 0)
    expected = ladle.open(made[kind])
    for columns in (["run", "name"], ["Jet_pt"], ["vector"]):
        steps = ladle.iterate(path, filter_name=columns, step_size=90, threads=threads)
        assert_same(ak.concatenate(list(steps)), expected[columns])


def second_files(made, folder):
    """Files that cannot follow the first one: by name, with words that the error must have."""
    whole = made["TTree"].read_bytes()
    (folder / "cut.root").write_bytes(whole[: len(whole) // 3])
    (folder / "text.root").write_bytes(b"no ROOT file " * 50)
    columns = made_columns()
    write_tree(folder / "type.root", {**columns, "x": np.arange(400)})
    write_ntuple(folder / "lists.root", {**columns, "x": columns["Jet_pt"]})
    del columns["x"]
    write_ntuple(folder / "without.root", columns)
    return {
        "cut.root": ["cut.root"],
        "text.root": ["text.root"],
        "none.root": ["none.root", "No such file"],
        "type.root": ["type.root", "Events/x", "float32", "int64"],
        "lists.root": ["lists.root", "Events/x", "var * float32"],
        "without.root": ["without.root", "Events/x", "there is none"],
    }


@THREADS
@pytest.mark.parametrize(
    "name", ["cut.root", "text.root", "none.root", "type.root", "lists.root", "without.root"]
)
def test_a_later_file_that_is_wrong(made, tmp_path, name, threads):
    """All steps of the first file come before its error, or it is left out with a warning."""
    words = second_files(made, tmp_path)[name]
    files = [made["TTree"], tmp_path / name, made["RNTuple"]]
    options = {"filter_name": ["x", "run"], "step_size": 150, "threads": threads}
    first, last = (ladle.open(path, filter_name=["x", "run"]) for path in files[::2])
    taken, error = taken_until_error(ladle.iterate(files, **options))
    assert_same(ak.concatenate(taken), first)
    for word in words:
        assert word in str(error)
    with pytest.warns(UserWarning, match=name) as caught:
        taken = list(ladle.iterate(files, on_error="skip-file", **options))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert_same(ak.concatenate(taken), ak.concatenate([first, last]))


def test_an_error_behind_a_file_without_entries_in_the_range(made, tmp_path):
    """It comes neither before the steps of the files before, nor is it lost."""
    files = [made["TTree"], made["RNTuple"], tmp_path / "none.root"]
    steps = ladle.iterate(files, filter_name="run", step_size=300, entry_stop=400)
    assert [len(step) for step in steps] == [300, 100]
    steps = ladle.iterate(files, filter_name="run", step_size=300, entry_start=400)
    taken, error = taken_until_error(steps)
    assert [len(step) for step in taken] == [300, 100]
    assert isinstance(error, FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        next(ladle.iterate(files, filter_name="run", entry_start=900))
    empty = write_ntuple(
        tmp_path / "empty.root", {key: each[:0] for key, each in made_columns().items()}, (0, 0)
    )
    files = [made["TTree"], empty, tmp_path / "none.root", made["RNTuple"]]
    taken, error = taken_until_error(ladle.iterate(files, filter_name="run", step_size=300))
    assert [len(step) for step in taken] == [300, 100]
    assert isinstance(error, FileNotFoundError)
    for start, expected in ((None, 800), (400, 400), (500, 300)):
        with pytest.warns(UserWarning, match=r"none\.root") as caught:
            taken = list(
                ladle.iterate(files, filter_name="run", entry_start=start, on_error="skip-file")
            )
        assert [warning.filename for warning in caught] == [__file__]
        assert sum(map(len, taken)) == expected


@THREADS
@FORMATS
def test_the_rest_of_a_damaged_file_is_skipped(made, tmp_path, kind, threads):
    path = shutil.copy(made[kind], tmp_path / "damaged.root")
    damage(path, "x", 2)
    columns = ["run", "x"]
    steps = ladle.iterate(
        [made["TTree"], path, made["RNTuple"]],
        filter_name=columns,
        step_size=50,
        threads=threads,
        on_error="skip-file",
        report=True,
    )
    with pytest.warns(UserWarning, match=r"damaged\.root.*Events/x") as caught:
        taken = list(steps)
    assert [warning.filename for warning in caught] == [__file__]
    by_file = {}
    for array, report in taken:
        by_file.setdefault(report.file_path, []).append(array)
        expected = ladle.open(report.file_path if report.file_path != str(path) else made[kind])
        assert_same(array, expected[columns][report.tree_entry_start : report.tree_entry_stop])
        offset = report.global_entry_start - report.tree_entry_start
        assert offset == 400 * list(by_file).index(report.file_path)
    assert [sum(map(len, arrays)) for arrays in by_file.values()] == [400, 100, 400]


def test_the_first_file_is_skipped_too(made, tmp_path):
    files = [tmp_path / "none.root", made["TTree"]]
    with pytest.warns(UserWarning, match=r"none\.root"):
        taken = list(ladle.iterate(files, filter_name="run", on_error="skip-file"))
    assert sum(map(len, taken)) == 400
    with pytest.warns(UserWarning, match=r"none\.root") as caught:
        assert list(ladle.iterate(files[:1], on_error="skip-file")) == []
    assert [warning.filename for warning in caught] == [__file__]


def test_a_range_from_the_end_with_a_file_that_is_skipped(made, tmp_path):
    """Counted are entries of files that can be opened, in the reports as well."""
    type_of_x = write_tree(tmp_path / "type.root", {**made_columns(), "x": np.arange(400)})
    files = [made["TTree"], tmp_path / "none.root", type_of_x, made["RNTuple"]]
    options = {"filter_name": "x", "on_error": "skip-file"}
    with pytest.warns(UserWarning, match="the rest of a file is skipped"):
        reports = reports_of(files, entry_start=-500, step_size=300, **options)
    found = [(each.global_entry_start, each.global_entry_stop) for each in reports]
    assert found == [(800, 1100), (1100, 1200)]
    with pytest.warns(UserWarning, match="the rest of a file is skipped"):
        reports = reports_of(files, entry_stop=-300, **options)
    found = [(each.tree_entry_start, each.tree_entry_stop) for each in reports]
    assert found == [(0, 400), (0, 100)]
    with pytest.raises(FileNotFoundError):
        ladle.iterate(files, entry_start=-500)


def test_a_file_is_opened_while_the_one_before_is_read(made, tmp_path):
    """Also behind files that have no step: what is opened is not hurt when its name goes."""
    nothing = {name: values[:0] for name, values in made_columns().items()}
    empty = write_ntuple(tmp_path / "empty.root", nothing, (0, 0))
    for before in ([], [made["TTree"]], [empty], [made["TTree"], empty, empty]):
        last = shutil.copy(made["RNTuple"], tmp_path / "last.root")
        start = 400 * (made["TTree"] in before)
        steps = ladle.iterate(
            [*before, made["TTree"], last], filter_name="run", step_size=100, entry_start=start
        )
        next(steps)
        last.unlink()
        assert len(list(steps)) == 7


def test_without_errors_there_is_no_warning(made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for on_error in ("raise", "skip-file"):
            assert (
                len(list(ladle.iterate(list(made.values()), filter_name="run", on_error=on_error)))
                == 2
            )
