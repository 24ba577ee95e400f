"""What ladle.iterate shows of its progress: on a terminal, or where it is asked for."""

import importlib.util
import io
import itertools
import sys

import pytest

import ladle
from ladle import _progress
from tests.python.stepped import made_columns, write_tree


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("progress")
    return [write_tree(folder / f"{name}.root", made_columns()) for name in "ab"]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Show each step, in colours or not as of a terminal that can do all."""
    monkeypatch.setattr(_progress, "_INTERVAL_S", 0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def without_rich(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "rich" else find(name, *more),
    )


def shown(files, stream, monkeypatch, **options):
    """Return what is written to standard error."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        steps = ladle.iterate(files, step_size=100, filter_name="run", **options)
        assert sum(len(step) for step in steps) == 800
    return stream.getvalue()


def test_nothing_is_shown_but_on_a_terminal(files, monkeypatch, capfd):
    assert shown(files, io.StringIO(), monkeypatch) == ""
    assert shown(files, io.StringIO(), monkeypatch, progress=False) == ""
    assert shown(files, Terminal(), monkeypatch, progress=False) == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("without_rich")
@pytest.mark.parametrize(("stream", "progress"), [(io.StringIO, True), (Terminal, None)])
def test_one_line_without_rich(files, monkeypatch, stream, progress):
    text = shown(files, stream(), monkeypatch, progress=progress)
    assert "\n" not in text
    lines = text.split("\r")
    assert lines[1].startswith("file 1 of 2, 100 entries, 800 B, ")
    assert lines[8].startswith("file 2 of 2, 800 entries, 6.4 kB, ")
    assert "entries/s" in lines[1]
    assert lines[8].rstrip().endswith("B/s")
    # Each line hides the one before, and nothing is left.
    assert len(lines) == 11
    for line, after in itertools.pairwise(lines[:10]):
        assert len(line.rstrip()) <= len(after)
    assert lines[9].strip() == lines[10] == ""


def test_a_bar_with_rich(files, monkeypatch):
    pytest.importorskip("rich")
    text = shown(files, Terminal(), monkeypatch)
    assert "file 1 of 2" in text
    assert "file 2 of 2" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor is back"


def test_the_bar_ends_with_the_loop(files, monkeypatch):
    pytest.importorskip("rich")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in ladle.iterate(files, step_size=100, filter_name="run"):
        pass
    before = stream.getvalue()
    for _ in ladle.iterate(files, step_size=100, filter_name="run"):
        break
    gone = stream.getvalue()[len(before) :]
    assert gone.count("\x1b[?25h") == gone.count("\x1b[?25l")


def test_seldom(files, monkeypatch):
    """Not more often than an eye can follow."""
    monkeypatch.setattr(_progress, "_INTERVAL_S", 3600)
    assert shown(files, Terminal(), monkeypatch) == ""
