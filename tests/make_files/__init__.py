"""ROOT files, written by ROOT, with the features of TTree and RNTuple that no real sample has.

``python -m tests.make_files FOLDER [NAME...]`` writes them. A test asks for one by name::

    from tests.make_files import cached_file
    path = cached_file("types.root")

ROOT itself runs in a process of its own: it brings signal handlers, threads and another allocator,
which have no place in a process whose memory is under test. Making all files again gives the same
bytes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.locks import one_at_a_time

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
CACHE = PROJECT / "build" / "test-files"


@cache
def source_hash() -> str:
    """Hash the sources of this package: what the cached files depend on."""
    digest = hashlib.sha256()
    for path in sorted([*HERE.glob("*.py"), *HERE.glob("*.hpp")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cached_file(name: str) -> Path:
    """Return the path of the file ``name``; the first call writes all files, in a minute.

    Raises
    ------
    FileNotFoundError
        If no maker has that name.
    subprocess.CalledProcessError
        If ROOT fails to write; its output is on stderr.
    """
    folder = CACHE / source_hash()
    if not folder.exists():
        with one_at_a_time(CACHE):
            if not folder.exists():
                make_all(folder)
    path = folder / name
    if not path.exists():
        raise FileNotFoundError(f"no maker of {name} in tests/make_files")
    return path


def make_all(folder: Path) -> None:
    """Write all files into ``folder``, and remove the sets that older sources made."""
    CACHE.mkdir(parents=True, exist_ok=True)
    # Written aside and moved, so that a killed run never leaves half a set under the name.
    with tempfile.TemporaryDirectory(dir=CACHE) as aside:
        made = Path(aside) / "made"
        run_maker(made)
        made.rename(folder)
    for other in CACHE.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def run_maker(folder: Path, *names: str) -> None:
    """Write the files ``names`` (none: all) into ``folder``, in a fresh Python process."""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.make_files", str(folder), *names],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def file_names() -> tuple[str, ...]:
    """List the names of all files that can be made."""
    from tests.make_files.__main__ import FILES

    return tuple(FILES)
