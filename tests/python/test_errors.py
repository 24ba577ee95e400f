"""Errors: their classes, what they say, that they pickle."""

import pickle

import pytest

import ladle
from ladle import _errors

STATUSES = {
    "INVALID": ValueError,
    "NOMEM": MemoryError,
    "BUDGET": MemoryError,
    "IO": OSError,
    "TRUNCATED": OSError,
    "CORRUPT": ValueError,
    "CHECKSUM": ValueError,
    "UNSUPPORTED": NotImplementedError,
    "LIMIT": ValueError,
    "NOT_FOUND": KeyError,
    "LOCKED": OSError,
    "CANCELLED": Exception,
    "NOT_ROOT": ValueError,
}


@pytest.mark.parametrize("status", STATUSES)
def test_classes_text_and_pickles(status):
    error = _errors.from_core(status, "nano.root: Events/x", "too long", 17, 5, False)
    assert isinstance(error, ladle.Error)
    assert isinstance(error, STATUSES[status])
    assert str(error) == "nano.root: Events/x: too long (at byte 17)"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert (again.status, again.where, again.message) == (status, "nano.root: Events/x", "too long")
    assert (again.offset, again.os_errno) == (17, 5)
    assert "too long" in repr(error)


def test_without_byte_and_place():
    assert str(ladle.Error("INVALID", "", "no such thing")) == "no such thing"
    assert str(ladle.Error("INVALID", "here", "no such thing")) == "here: no such thing"


def test_os_errors_carry_errno_and_file():
    error = _errors.from_core("IO", "a.root", "Permission denied", -1, 13, True)
    assert isinstance(error, PermissionError)
    assert (error.errno, error.filename, error.strerror) == (13, "a.root", "Permission denied")
    assert error.filename2 is None


def test_missing_file(tmp_path):
    path = tmp_path / "none.root"
    with pytest.raises(FileNotFoundError) as caught:
        ladle.open(path)
    error = caught.value
    assert isinstance(error, ladle.Error)
    assert error.status == "NOT_FOUND"
    assert str(path) in error.where
    assert error.errno == 2
    with pytest.raises(FileNotFoundError, match=r"none\.root"):
        ladle.open(f"{path}:Events")
    with pytest.raises(FileNotFoundError):
        ladle.open(str(tmp_path / "*.root"))


def test_not_a_root_file(tmp_path):
    path = tmp_path / "text.root"
    path.write_text("PK: this is no ROOT file, although it is long enough to hold a header." * 10)
    with pytest.raises(ladle.FormatError) as caught:
        ladle.open(path)
    assert caught.value.status == "NOT_ROOT"
    assert str(path) in str(caught.value)


def test_directory(tmp_path):
    with pytest.raises(ladle.Error, match=str(tmp_path)):
        ladle.open(tmp_path)


def test_cut_file(tmp_path, nano):
    path = tmp_path / "cut.root"
    path.write_bytes(nano.read_bytes()[:5000])
    with pytest.raises(ladle.Error, match=r"cut\.root"):
        ladle.open(path)


def test_no_such_table_names_the_near_ones(nano):
    with pytest.raises(KeyError, match="Events") as caught:
        ladle.open({nano: "Event"})
    assert caught.value.status == "NOT_FOUND"


def test_no_such_column_names_the_near_ones(nano):
    with pytest.raises(KeyError, match="Jet_pt") as caught:
        ladle.open({nano: "Events"}, filter_name=["nJet", "Jet_pz"])
    assert isinstance(caught.value, ladle.Error)
    assert "Jet_pz" in str(caught.value)


def test_unreadable_column_named_in_full(objects):
    events = ladle.open(objects)
    name, reason = next(iter(ladle.info(events).unreadable.items()))
    with pytest.raises(NotImplementedError) as caught:
        ladle.open(objects, filter_name=name)
    assert caught.value.status == "UNSUPPORTED"
    assert caught.value.message == reason
    assert name in caught.value.where
    assert name not in ladle.open(objects, filter_name=f"{name}*").fields


def test_urls_are_unsupported():
    with pytest.raises(ladle.UnsupportedError, match="root://"):
        ladle.open("root://host//nano.root")
