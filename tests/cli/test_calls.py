"""What a call may say, and what it is told when it is wrong: status and one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import uproot

from tests.cli.conftest import Run

VERBS = ["ls", "show", "digest", "cat", "scan"]


def refusal(run: Run, status: int, *words: str | Path) -> str:
    """The only line on standard error; nothing is on standard output."""
    result = run(*words)
    assert (result.returncode, result.stdout) == (status, "")
    assert re.fullmatch(r"ladle: [^\n]+: [^\n]+\n", result.stderr), result.stderr
    return result.stderr.removesuffix("\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "ladle: no verb given: try ls, show, digest, cat, scan or doctor; see 'ladle --help'"),
        (
            ["lss"],
            "ladle: lss: unknown verb; try ls, show, digest, cat, scan or doctor; "
            "see 'ladle --help'",
        ),
        (
            ["-x"],
            "ladle: -x: unknown option; try ls, show, digest, cat, scan or doctor; "
            "see 'ladle --help'",
        ),
        (["ls"], "ladle: ls: no file given: ladle ls FILE; see 'ladle ls --help'"),
        (["show"], "ladle: show: no file given: ladle show FILE[:TABLE]; see 'ladle show --help'"),
        (["scan"], "ladle: scan: no file given: ladle scan FILE[:TABLE]; see 'ladle scan --help'"),
        (["cat"], "ladle: cat: no file given: ladle cat FILE[:TABLE]; see 'ladle cat --help'"),
        (["ls", "a", "b"], "ladle: ls: one file at a time: 'b' is too much"),
        (["ls", "--foo"], "ladle: ls: unknown option '--foo'; see 'ladle ls --help'"),
        (["ls", "--start=1"], "ladle: ls: unknown option '--start'; see 'ladle ls --help'"),
        (["ls", "--json=1"], "ladle: ls: option --json takes no value"),
        (["digest", "f", "--threads"], "ladle: digest: option --threads needs a value"),
        (
            ["digest", "--threads", "0"],
            "ladle: digest: option --threads: '0' is not a number from 1 to 1024",
        ),
        (
            ["digest", "--start=1x"],
            "ladle: digest: option --start: '1x' is not an entry number",
        ),
        (
            ["digest", "--stop", "9223372036854775808"],
            "ladle: digest: option --stop: '9223372036854775808' is not an entry number",
        ),
        *(
            (
                ["ls", "--budget", size],
                f"ladle: ls: option --budget: '{size}' is not a size such as '512 MB' or '1 GiB'",
            )
            for size in ["", "0", "-1", "inf", "0x10", "1 XB", "12 MBs", "9e30", "1..2"]
        ),
    ],
)
def test_wrong_calls(run: Run, words: list[str], line: str) -> None:
    assert refusal(run, 2, *words) == line


@pytest.mark.parametrize("size", ["100000000", "100 MB", "100MiB", "0.5 gb", "1e8", "1 TiB"])
def test_sizes(run: Run, made: Path, size: str) -> None:
    assert run("ls", "--budget", size, made).returncode == 0


@pytest.mark.parametrize("verb", VERBS)
def test_no_such_file(run: Run, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "none.root"
    line = refusal(run, 2, verb, path)
    assert line.startswith(f"ladle: {path}: ")
    if verb != "ls":
        assert refusal(run, 2, verb, f"{path}:Events") == line


@pytest.mark.parametrize("verb", VERBS)
def test_directory(run: Run, tmp_path: Path, verb: str) -> None:
    assert str(tmp_path) in refusal(run, 2, verb, tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_not_a_root_file(run: Run, tmp_path: Path, verb: str) -> None:
    for content in (b"", b"r", b"PK\x03\x04" + bytes(400)):
        path = tmp_path / "other.zip"
        path.write_bytes(content)
        assert str(path) in refusal(run, 1, verb, path)


@pytest.mark.parametrize("verb", VERBS)
def test_truncated_file(run: Run, made: Path, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "cut.root"
    path.write_bytes(made.read_bytes()[:400])
    words = [path] if verb == "ls" else [f"{path}:Events"]
    line = refusal(run, 1, verb, *words)
    assert line.startswith(f"ladle: {path}")
    assert re.search(r" \(at byte \d+\)$", line)


@pytest.mark.parametrize("verb", ["show", "digest", "cat", "scan"])
def test_no_such_table(run: Run, made: Path, verb: str) -> None:
    line = refusal(run, 2, verb, f"{made}:Event")
    assert "Events" in line.removeprefix(f"ladle: {made}")
    line = refusal(run, 2, verb, f"{made}:inner/points")
    assert "inner/deep/points" in line


@pytest.mark.parametrize("verb", ["show", "digest", "cat"])
def test_no_such_column(run: Run, made: Path, verb: str) -> None:
    line = refusal(run, 2, verb, f"{made}:Events", "flag", "numbr")
    assert "number" in line.replace("numbr", "")
    line = refusal(run, 2, verb, f"{made}:Events", "flag", "x_*")
    assert line == f"ladle: {made}: Events: no column matches 'x_*'"


def test_several_tables(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "two.root"
    with uproot.recreate(path) as file:
        for name in ("left", "right"):
            file.mktree(name, {"x": "f8"}).extend({"x": np.zeros(3)})
    line = refusal(run, 2, "show", path)
    assert "left" in line
    assert "right" in line


def test_reversed_range(run: Run, made: Path) -> None:
    line = refusal(run, 2, "digest", "--start", "9", "--stop", "3", f"{made}:Events")
    assert line == f"ladle: {made}: --stop comes before --start: 3 < 9 of 2500 entries"


def test_control_characters_in_errors(run: Run, tmp_path: Path) -> None:
    assert "a\\x0ab\\x1b[31m" in refusal(run, 2, "ls", tmp_path / "a\nb\x1b[31m")


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help(run: Run, word: str) -> None:
    result = run(word)
    assert (result.returncode, result.stderr) == (0, "")
    for verb in [*VERBS, "doctor"]:
        assert re.search(rf"^  {verb} ", result.stdout, re.MULTILINE)
        of_verb = run(verb, word)
        assert (of_verb.returncode, of_verb.stderr) == (0, "")
        assert of_verb.stdout.startswith(f"Usage: ladle {verb} ")
        assert ("--budget SIZE" in of_verb.stdout) == (verb != "doctor")
        assert max(map(len, of_verb.stdout.splitlines())) <= 100


def test_version(run: Run) -> None:
    assert re.fullmatch(r"ladle \d+\.\d+\.\d+\n", run("--version").stdout)


def test_options_anywhere(run: Run, made: Path) -> None:
    first = run("digest", "--json", "--start=7", f"{made}:Events", "flag")
    last = run("digest", f"{made}:Events", "--start", "7", "flag", "--json")
    assert json.loads(first.stdout)[0]["column"] == "flag"
    assert first.stdout == last.stdout


def test_colons_in_names(run: Run, colon_file: Path) -> None:
    wanted = run("cat", f"{colon_file}:Events", "number").stdout
    assert wanted.count("\n") == 2500
    # A text that exists as a whole is the file, though its last part is the name of a table.
    assert run("cat", colon_file, "number").stdout == wanted
    assert (
        run("cat", f"{colon_file.name}:Events;1", "number", cwd=colon_file.parent).stdout == wanted
    )
    (colon_file.parent / "-dash").symlink_to(colon_file)
    assert run("cat", "--", "-dash", "number", cwd=colon_file.parent).stdout == wanted
