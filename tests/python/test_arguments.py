"""What a caller may write: sizes, files, filters."""

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ladle
from ladle._files import resolve_files
from ladle._filter import exact_names, name_test
from ladle._units import format_nbytes, parse_nbytes

uproot = pytest.importorskip("uproot")


@given(
    st.integers(0, 10**6),
    st.sampled_from(["kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "kib", "mb", "PB", "EiB"]),
    st.sampled_from(["", " ", "  "]),
)
def test_sizes_are_those_of_uproot(number, unit, space):
    text = f"{number}{space}{unit}"
    assert parse_nbytes(text) == uproot._util.memory_size(text)


@pytest.mark.parametrize(
    ("value", "nbytes"),
    [(0, 0), (17, 17), ("64 MB", 64_000_000), ("1 GiB", 2**30), ("1.5 kB", 1500), ("12 B", 12)],
)
def test_sizes(value, nbytes):
    assert parse_nbytes(value) == nbytes


@pytest.mark.parametrize("value", ["", "MB", "64", "64 M", "64 XB", "64 MB x", "-1 MB", -1])
def test_wrong_sizes(value):
    with pytest.raises(ValueError, match="budget"):
        parse_nbytes(value, "budget")


@pytest.mark.parametrize("value", [None, 1.5, True, b"64 MB", [1]])
def test_no_sizes(value):
    with pytest.raises(TypeError, match="budget"):
        parse_nbytes(value, "budget")


@given(st.integers(0, 10**17))
def test_sizes_are_written_within_half_a_percent(nbytes):
    assert abs(parse_nbytes(format_nbytes(nbytes)) - nbytes) <= 0.005 * nbytes


NAMES = ["nJet", "Jet_pt", "Jet_eta", "jet.x", "HLT_Mu50", "event", "a/b", "x[3]"]


@pytest.mark.parametrize(
    "filter_name",
    [
        None,
        "Jet_pt",
        "Jet_*",
        "Jet_??",
        "[nJ]*",
        "*",
        "/Jet_.*/",
        "/jet.*/i",
        "/Jet_p/",
        "/.*_(pt|eta)/",
        ["nJet", "Jet_*"],
        ["/HLT.*/", "event"],
        [],
        ("a/b",),
        len,
        lambda name: name.startswith("J"),
    ],
)
def test_filters_select_what_uproot_selects(filter_name):
    expected = uproot._util.regularize_filter(filter_name)
    test = name_test(filter_name)
    assert [bool(test(name)) for name in NAMES] == [bool(expected(name)) for name in NAMES]


@given(st.text(string.ascii_letters + "*?[]_.!", max_size=8), st.sampled_from(NAMES))
def test_patterns_select_what_uproot_selects(pattern, name):
    assert name_test(pattern)(name) == uproot._util.regularize_filter(pattern)(name)


def test_exact_names():
    assert exact_names(["nJet", "Jet_*", "/x/", "a/b"]) == ["nJet", "a/b"]
    assert exact_names("nJet") == ["nJet"]
    assert exact_names(None) == []
    assert exact_names(str.isupper) == []


def test_wrong_filters():
    with pytest.raises(TypeError, match="filter_name"):
        name_test(17)
    with pytest.raises(TypeError, match="filter_name"):
        name_test(b"Jet_*")
    with pytest.raises(ValueError, match="regular expression"):
        name_test("/(/")


@pytest.fixture
def folder(tmp_path):
    for name in ("a.root", "b.root", "a.root:Events", "c:d.root"):
        (tmp_path / name).touch()
    return tmp_path


def test_forms_of_files(folder):
    a = str(folder / "a.root")
    b = str(folder / "b.root")
    assert resolve_files(b) == [(b, None)]
    assert resolve_files(f"{b}:Events") == [(b, "Events")]
    assert resolve_files(f"{b}:dir/tree;2") == [(b, "dir/tree;2")]
    assert resolve_files(f"{b}: /dir/tree/ ") == [(b, "dir/tree")]
    assert resolve_files({b: "Events"}) == [(b, "Events")]
    assert resolve_files({b: None}) == [(b, None)]
    assert resolve_files({b: {"object_path": "Events", "steps": [[0, 1]]}}) == [(b, "Events")]
    assert resolve_files(Path(b)) == [(b, None)]
    assert resolve_files([a, {b: "Events"}]) == [(a, None), (b, "Events")]
    assert resolve_files(f"file://{b}") == [(b, None)]


def test_longest_file_name_wins(folder):
    colon = f"{folder / 'a.root'}:Events"
    assert resolve_files(colon) == [(colon, None)]
    assert resolve_files(f"{colon}:Runs") == [(colon, "Runs")]
    assert resolve_files(f"{folder}/c:d.root:t") == [(f"{folder}/c:d.root", "t")]
    assert resolve_files(f"{folder}/none.root:t") == [(f"{folder}/none.root", "t")]
    assert resolve_files(Path(f"{folder}/none.root:t")) == [(f"{folder}/none.root:t", None)]
    assert resolve_files({f"{folder}/none.root:t": "u"}) == [(f"{folder}/none.root:t", "u")]


def test_patterns_of_files(folder):
    found = [Path(path).name for path, _ in resolve_files(f"{folder}/?.root")]
    assert found == ["a.root", "b.root"]
    assert resolve_files(f"{folder}/[b].root:Events") == [(f"{folder}/b.root", "Events")]
    assert resolve_files({f"{folder}/[b].root": "Events"}) == [(f"{folder}/b.root", "Events")]
    with pytest.raises(FileNotFoundError, match=re.escape(str(folder))):
        resolve_files(f"{folder}/z*.root")


def test_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert resolve_files("~/b.root:t") == [(f"{folder}/b.root", "t")]


@pytest.mark.parametrize("files", [17, None, b"a.root", {"a.root": 17}, [3.5]])
def test_wrong_files(files):
    with pytest.raises(TypeError):
        resolve_files(files)


@pytest.mark.parametrize("files", [[], {}])
def test_no_files(files):
    with pytest.raises(FileNotFoundError):
        ladle.open(files)
