"""A plain C user: install the library, then build and run every example against what was installed.

An example is a C program of its own below 80 lines; its first argument is a ROOT file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.locks import one_at_a_time

PROJECT = Path(__file__).resolve().parents[2]
BUILD = PROJECT / "build"
EXAMPLES = sorted((PROJECT / "examples").glob("*.c"))
SAMPLE = PROJECT / ".cache" / "coffea-samples" / "nano_dy.root"

CMAKE_USER = """
cmake_minimum_required(VERSION 3.20)
project(user LANGUAGES C)
find_package(ladle 0.1 REQUIRED{components})
foreach(source {sources})
  get_filename_component(name "${{source}}" NAME_WE)
  add_executable(${{name}} "${{source}}")
  target_link_libraries(${{name}} PRIVATE {target})
endforeach()
"""


def run(*command: str | Path, **environment: str) -> str:
    """Run a command, which must succeed, and return what it prints."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the library, then move the tree: what is in it must not know where it was."""
    assert (BUILD / "CMakeCache.txt").exists(), "nothing is built: run ./dev build"
    folder = tmp_path_factory.mktemp("install")
    with one_at_a_time(BUILD / "install"):  # a list of what was installed is written into BUILD
        run("cmake", "--install", BUILD, "--prefix", folder / "first")
    shutil.move(folder / "first", folder / "moved")
    return folder / "moved"


def library_folder(prefix: Path) -> Path:
    """Return the folder of libladle.so: lib, or lib/x86_64-linux-gnu and the like."""
    (found,) = prefix.rglob("libladle.so")
    return found.parent


def pkg_config(prefix: Path, *arguments: str) -> list[str]:
    """Ask pkg-config about the installed library."""
    path = str(library_folder(prefix) / "pkgconfig")
    return run("pkg-config", *arguments, "ladle", PKG_CONFIG_PATH=path).split()


def build_with_pkg_config(prefix: Path, folder: Path, static: bool) -> None:
    """Build all examples into ``folder`` as a Makefile would."""
    flags = pkg_config(prefix, "--cflags", "--libs", *(["--static"] if static else []))
    if static:
        flags = [str(library_folder(prefix) / "libladle.a") if f == "-lladle" else f for f in flags]
    for source in EXAMPLES:
        strict = ("-std=c11", "-Wall", "-Wextra", "-Werror")
        run("cc", *strict, source, "-o", folder / source.stem, *flags)


def build_with_cmake(prefix: Path, folder: Path, static: bool) -> None:
    """Build all examples into ``folder`` as a CMake project would."""
    source = folder / "source"
    source.mkdir()
    text = CMAKE_USER.format(
        components=" COMPONENTS static" if static else "",
        sources=" ".join(f'"{example}"' for example in EXAMPLES),
        target="ladle::static" if static else "ladle::ladle",
    )
    (source / "CMakeLists.txt").write_text(text)
    run("cmake", "-S", source, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder)


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
@pytest.mark.parametrize("build", [build_with_pkg_config, build_with_cmake])
def test_examples_build_and_run(prefix: Path, tmp_path: Path, build: object, static: bool) -> None:
    assert EXAMPLES, "there are no examples"
    assert callable(build)
    build(prefix, tmp_path, static)
    for example in EXAMPLES:
        program = tmp_path / example.stem
        needs = run("ldd", program, LD_LIBRARY_PATH=str(library_folder(prefix)))
        assert ("libladle.so" in needs) != static
        output = run(program, SAMPLE, LD_LIBRARY_PATH=str(library_folder(prefix)))
        assert output.strip(), f"{example.name} prints nothing"


def test_examples_are_short() -> None:
    assert {e.name: n for e in EXAMPLES if (n := len(e.read_text().splitlines())) >= 80} == {}


def test_each_header_stands_alone(prefix: Path, tmp_path: Path) -> None:
    headers = sorted((prefix / "include" / "ladle").glob("*.h"))
    assert {h.name for h in headers} == {
        h.name for h in (PROJECT / "include" / "ladle").glob("*.h")
    }
    for header in headers:
        source = tmp_path / "alone.c"
        source.write_text(f"#include <ladle/{header.name}>\nint main(void) {{ return 0; }}\n")
        include = f"-I{prefix / 'include'}"
        run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", include, "-fsyntax-only", source)


def test_the_shared_library_exports_only_its_own_names(prefix: Path) -> None:
    listing = run("nm", "-D", "--defined-only", library_folder(prefix) / "libladle.so")
    names = [line.split()[-1] for line in listing.splitlines()]
    assert names
    assert [name for name in names if not name.startswith("ladle_")] == []


def test_the_version_is_the_same_everywhere(prefix: Path) -> None:
    (version,) = pkg_config(prefix, "--modversion")
    assert f'version = "{version}"' in (PROJECT / "pyproject.toml").read_text()
    major, minor, _ = version.split(".")
    assert (library_folder(prefix) / f"libladle.so.{major}.{minor}").exists()
