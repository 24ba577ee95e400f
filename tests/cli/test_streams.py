"""Output that nobody reads, or that nothing can store; memory that does not grow."""

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import uproot


def words_of(tool: Path, verb: str, path: Path) -> list[str]:
    table = str(path) if verb == "ls" else f"{path}:Events"
    return [str(tool), verb, table, *(["number", "jagged"] if verb == "cat" else [])]


@pytest.mark.parametrize("disposition", [signal.SIG_DFL, signal.SIG_IGN])
def test_reader_that_has_enough(tool: Path, made: Path, disposition: signal.Handlers) -> None:
    process = subprocess.Popen(
        words_of(tool, "cat", made),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=4096,
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(10) == b'{"number":'
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


@pytest.mark.parametrize("verb", ["ls", "show", "digest", "cat"])
def test_closed_pipe(tool: Path, made: Path, verb: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        result = subprocess.run(
            words_of(tool, verb, made), stdout=out, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("verb", ["ls", "show", "digest", "cat", "--help", "--version"])
def test_full_disk(tool: Path, made: Path, verb: str) -> None:
    words = [str(tool), verb] if verb.startswith("--") else words_of(tool, verb, made)
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert result.returncode == 1
    assert result.stderr == b"ladle: standard output: No space left on device\n"


def test_closed_output(tool: Path, made: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", '"$0" "$@" >&-', *words_of(tool, "cat", made)],
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == b"ladle: standard output: Bad file descriptor\n"


def test_progress_needs_a_terminal(tool: Path, made: Path) -> None:
    result = subprocess.run(
        words_of(tool, "digest", made), capture_output=True, timeout=60, check=True
    )
    assert result.stderr == b""


def peak_nbytes(process: subprocess.Popen[bytes]) -> int:
    """Of a process that still runs; ``ru_maxrss`` would count its parent before the exec."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def test_memory_of_cat_does_not_grow_with_the_file(tool: Path, tmp_path: Path) -> None:
    """Of 160 MB of values a chunk of at most 32 MiB is there, and room that is used again."""
    path = tmp_path / "long.root"
    part = np.zeros((25_000, 100), dtype=np.int64)
    n_parts = 8
    with uproot.recreate(path, compression=uproot.ZSTD(1)) as file:
        tree = file.mktree("t", {"x": np.dtype(("i8", (100,)))})
        for _ in range(n_parts):
            tree.extend({"x": part})
    n_lines, peak = 0, 0
    with subprocess.Popen(
        [tool, "cat", "--threads", "1", path, "x"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while chunk := process.stdout.read(2**20):
            n_lines += chunk.count(b"\n")
            if n_lines < n_parts * len(part):  # rows are still to come: it waits to write them
                peak = peak_nbytes(process)
        assert process.stderr.read() == b""
    assert (process.returncode, n_lines) == (0, n_parts * len(part))
    assert 0 < peak < n_parts * part.nbytes * 0.75
