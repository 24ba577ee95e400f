"""How much memory ladle may use: what was set, the environment, control groups, the machine."""

import os
import subprocess
import sys

import pytest

import ladle
from ladle import _budget
from tests.python.test_core import run_in_child

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MB = 1_000_000

#: What version 1 says where there is no limit.
NO_LIMIT = str((1 << 63) - 4096)


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Fake the control groups: lines of /proc/self/cgroup, and files below /sys/fs/cgroup."""
    monkeypatch.setattr(_budget, "_GROUPS_OF_PROCESS", tmp_path / "cgroup")
    monkeypatch.setattr(_budget, "_GROUPS", tmp_path / "sys")
    monkeypatch.delenv("LADLE_BUDGET", raising=False)

    def fake(lines, files):
        (tmp_path / "cgroup").write_text("".join(f"{line}\n" for line in lines))
        for name, text in files.items():
            path = tmp_path / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    return fake


@pytest.mark.parametrize(
    ("lines", "files", "available"),
    [
        # Version 2: the group's own limit, or that of one around it.
        (["0::/"], {}, MACHINE),
        (["0::/"], {"memory.max": 100 * MB}, 100 * MB),
        (["0::/job"], {"job/memory.max": 100 * MB}, 100 * MB),
        (["0::/job"], {"job/memory.max": "max"}, MACHINE),
        (["0::/a/b/c"], {"a/b/c/memory.max": 9 * MB, "a/memory.max": 8 * MB}, 8 * MB),
        (["0::/a/b/c"], {"a/b/c/memory.max": "max", "a/b/memory.max": 7 * MB}, 7 * MB),
        (["0::/a/b"], {"a/b/memory.max": 6 * MB, "a/memory.max": "max"}, 6 * MB),
        (["0::/a"], {"b/memory.max": MB, "a/c/memory.max": MB}, MACHINE),
        (["0::/a/é"], {"a/é/memory.max": 3 * MB}, 3 * MB),
        (["0::/a:b"], {"a:b/memory.max": 3 * MB}, 3 * MB),
        # Outside of the group that is visible, as in a container with a namespace of its own.
        (["0::/../job"], {"memory.max": 4 * MB}, 4 * MB),
        (["0::/a"], {"a/memory.max": 2 * MACHINE}, MACHINE),
        (["0::/a"], {"a/memory.max": "0"}, MACHINE),
        (["0::/a"], {"a/memory.max": "-1"}, MACHINE),
        (["0::/a"], {"a/memory.max": ""}, MACHINE),
        # Version 1: a hierarchy for each controller.
        (["4:memory:/a"], {"memory/a/memory.limit_in_bytes": 5 * MB}, 5 * MB),
        (["4:cpu,memory:/a"], {"memory/a/memory.limit_in_bytes": 5 * MB}, 5 * MB),
        (["4:memory:/a/b"], {"memory/a/memory.limit_in_bytes": 5 * MB}, 5 * MB),
        (["4:memory:/a"], {"memory/memory.limit_in_bytes": 5 * MB}, 5 * MB),
        (["4:memory:/a"], {"memory/a/memory.limit_in_bytes": NO_LIMIT}, MACHINE),
        (["4:memoryless:/a"], {"memory/a/memory.limit_in_bytes": 5 * MB}, MACHINE),
        (["4:memory:/a"], {"memory/a/memory.max": 5 * MB, "memory.max": 5 * MB}, MACHINE),
        # Both at once.
        (
            ["4:memory:/a", "3:cpu:/a", "0::/b"],
            {"memory/a/memory.limit_in_bytes": 5 * MB, "b/memory.max": 6 * MB},
            5 * MB,
        ),
        ([], {"memory.max": MB}, MACHINE),
    ],
)
def test_control_groups(groups, lines, files, available):
    groups(lines, files)
    assert _budget.available_nbytes() == available
    assert ladle.memory.budget() == available // 4
    assert ladle.memory.info()["budget"] == 0, "a default caps nothing"


def test_without_control_groups(monkeypatch, tmp_path):
    monkeypatch.delenv("LADLE_BUDGET", raising=False)
    monkeypatch.setattr(_budget, "_GROUPS_OF_PROCESS", tmp_path / "none")
    assert ladle.memory.budget() == MACHINE // 4


def test_of_this_machine(monkeypatch):
    monkeypatch.delenv("LADLE_BUDGET", raising=False)
    assert 0 < ladle.memory.budget() <= MACHINE // 4


@pytest.fixture
def unset():
    """Leave no budget behind."""
    yield
    ladle.memory.budget(None)


@pytest.mark.usefixtures("unset")
def test_set_and_reset(groups):
    groups(["0::/a"], {"a/memory.max": 400 * MB})
    assert ladle.memory.budget() == 100 * MB
    for size, nbytes in ((3 * 10**9, 3 * 10**9), ("2 GB", 2 * 10**9), ("1 GiB", 1 << 30)):
        assert ladle.memory.budget(size) == nbytes
        assert ladle.memory.budget() == nbytes
        assert ladle.memory.info()["budget"] == nbytes
    assert ladle.memory.budget(None) == 100 * MB
    assert ladle.memory.info()["budget"] == 0


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("wrong", [0, -1, "0 MB", "abc", "", "5"])
def test_wrong_values(wrong):
    ladle.memory.budget("3 GB")
    with pytest.raises(ValueError, match="budget"):
        ladle.memory.budget(wrong)
    assert ladle.memory.budget() == ladle.memory.info()["budget"] == 3 * 10**9


@pytest.mark.parametrize("wrong", [1.5, True, [1]])
def test_wrong_types(wrong):
    with pytest.raises(TypeError, match="budget"):
        ladle.memory.budget(wrong)


def in_process(expression, value):
    """Evaluate an expression in a process of its own, with that LADLE_BUDGET."""
    return subprocess.run(
        [sys.executable, "-c", f"import ladle; print([{expression}])"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LADLE_BUDGET": value},
    )


def test_the_environment():
    """It caps from the first use on; what the program sets is stronger, until it is reset."""
    found = in_process(
        "ladle.memory.budget(), ladle.memory.info()['budget'], ladle.memory.budget('1 GB'), "
        "ladle.memory.info()['budget'], ladle.memory.budget(None), ladle.memory.info()['budget']",
        " 512 MB ",
    )
    values = [512 * MB, 512 * MB, 10**9, 10**9, 512 * MB, 512 * MB]
    assert (found.stdout.strip(), found.stderr) == (str(values), "")


@pytest.mark.parametrize("wrong", ["much", "-1 MB", "0 B"])
def test_a_wrong_environment(wrong):
    found = in_process("ladle.memory.budget()", wrong)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith("ValueError: ")
    assert "LADLE_BUDGET" in found.stderr.splitlines()[-1]


def test_the_environment_caps_what_is_read(nano):
    """Also where the program never asks for the budget."""
    found = in_process(
        f"[len(step) for step in ladle.iterate({str(nano)!r}, library='np')]", "1 kB"
    )
    assert found.returncode == 1
    assert "BudgetError" in found.stderr
    found = in_process(f"len(ladle.open({str(nano)!r}))", "1 kB")
    assert found.returncode == 1
    assert "BudgetError" in found.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("unset")
def test_a_child_has_the_same_budget():
    ladle.memory.budget("3 GB")

    def child():
        return f"{ladle.memory.budget()} {ladle.memory.info()['budget']}".encode()

    assert run_in_child(child).split() == [b"3000000000"] * 2
