"""``ladle doctor`` around commands of every kind: what it passes on, says and leaves behind."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.words import SHARES, VERDICTS

PROCESS_KEYS = {
    *("pid", "parent", "command", "allocator", "metered", "why_not", "verdict", "sentence"),
    *("cure", "start_s", "end", "peak_rss", "final_rss", "peak_live", "final_live", "garbage"),
    *("trimmed", "leak_rate", "split", "size_classes", "stacks", "map"),
}

# Takes 24 blocks of 1 MB, one in 10 ms, and keeps them.
GROWING = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
    for (int i = 0; i < 24; ++i) {
        char *block = malloc(1000000);
        if (block == NULL) return 9;
        memset(block, i, 1000000);
        usleep(10000);
    }
    puts("grown");
    return 0;
}
"""

# What it prints tells who serves malloc.
TELLING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    usleep(50000);
    puts(dlsym(RTLD_DEFAULT, "mi_malloc") != NULL ? "mimalloc" : "another");
    return 0;
}
"""

Doctor = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Programs:
    growing: Path
    telling: Path
    static: Path


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    folder = tmp_path_factory.mktemp("programs")
    made = Programs(folder / "growing", folder / "telling", folder / "static")
    for path, text, options in (
        (made.growing, GROWING, []),
        (made.telling, TELLING, []),
        (made.static, GROWING, ["-static"]),
    ):
        source = path.with_suffix(".c")
        source.write_text(text)
        subprocess.run(["gcc", "-O1", *options, "-o", path, source, "-ldl"], check=True)
    return made


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """TMPDIR of the doctor, in which nothing of its own may be left."""
    path = tmp_path / "scratch"
    path.mkdir()
    yield path
    assert list(path.glob("ladle*")) == []


@pytest.fixture
def doctor(tool: Path, scratch: Path) -> Doctor:
    def run_doctor(
        *words: str | Path, expected: int = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C.UTF-8"}
        options.setdefault("env", environment)
        result = subprocess.run(
            [tool, "doctor", *map(str, words)],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
            **options,
        )
        assert result.returncode == expected, result.stderr
        text = result.stderr.partition("\nladle doctor: ")[2]
        assert max(map(len, text.splitlines()), default=0) <= 100
        assert not re.search(r"[ \t]$", text, re.MULTILINE)
        return result

    return run_doctor


def report_of(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The object on standard output, checked against what docs/cli.md says of it."""
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["verdict"] in VERDICTS
    assert report["sentence"]
    for process in report["processes"]:
        assert set(process) == PROCESS_KEYS
        assert process["verdict"] in VERDICTS
        assert (process["why_not"] is None) == process["metered"]
        split = process["split"]
        assert list(split) == ["time_s", "rss", *SHARES]
        assert len({len(values) for values in split.values()}) == 1
        assert split["time_s"] == sorted(split["time_s"])
        for i, rss in enumerate(split["rss"]):
            assert sum(split[share][i] for share in SHARES) == rss
            assert min(split[share][i] for share in SHARES) >= 0
        assert max(split["rss"], default=0) <= (process["peak_rss"] or 0)
    platform = report["platform"]
    assert platform["processors"] >= 1
    assert platform["memory_nbytes"] % platform["page_nbytes"] == 0
    return report


def main_process(report: dict[str, Any]) -> dict[str, Any]:
    process: dict[str, Any] = report["processes"][report["decides"]]
    return process


# --- statuses, streams, calls ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "no command given: ladle doctor -- COMMAND...; see 'ladle doctor --help'"),
        (["--json", "--"], None),
        (["--repeat", "0", "true"], "'0' is not a number from 1 to 100"),
        (["--interval", "x", "true"], "'x' is not a number of milliseconds from 1 to 60000"),
        (["--budget", "1MB", "true"], "unknown option '--budget'"),
        (["--allocators", "malloc", "true"], "unknown allocator 'malloc'; known are glibc,"),
        (["--allocators", "glibc,,mimalloc", "true"], "'' is no name of an allocator"),
        (["--allocators", "glibc=/lib/x.so", "true"], "it takes no library"),
    ],
)
def test_wrong_calls(doctor: Doctor, words: list[str], line: str | None) -> None:
    result = doctor(*words, expected=2)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert (line or "no command given") in result.stderr


def test_no_such_command(doctor: Doctor, tmp_path: Path) -> None:
    line = doctor("no-such-command", expected=127).stderr
    assert line == "ladle: no-such-command: no such command: it is in no folder of PATH\n"
    path = tmp_path / "none"
    assert doctor(path, expected=127).stderr == f"ladle: {path}: no such command\n"
    path.write_text("#!/no/such/interpreter\n")
    assert doctor(path, expected=126).stderr == f"ladle: {path}: cannot be run: Permission denied\n"
    path.chmod(0o755)
    assert (
        "the interpreter or loader that it names does not exist"
        in doctor(path, expected=127).stderr
    )
    assert doctor(tmp_path, expected=126).stderr.startswith(f"ladle: {tmp_path}: cannot be run: ")


def test_streams_and_status_pass_through(doctor: Doctor) -> None:
    result = doctor(
        "sh", "-c", "cat; echo err >&2; exit 3", expected=3, input="from standard input"
    )
    assert result.stdout == "from standard input"
    assert result.stderr.startswith("err\n\nladle doctor: ")
    assert "The command ended with status 3 after" in result.stderr


def test_json_is_not_mixed_with_output(doctor: Doctor) -> None:
    result = doctor("--json", "sh", "-c", "echo out; echo err >&2; exit 4", expected=4)
    report = report_of(result)
    assert result.stderr == "out\nerr\n"
    assert (report["status"], report["command"][0]) == (4, "sh")
    assert (report["trial"], report["advice"]) == ([], None)
    assert main_process(report)["end"] == "exited 4"


def test_options_of_the_command_are_its_own(doctor: Doctor) -> None:
    assert doctor("echo", "--json", "-h").stdout == "--json -h\n"
    assert doctor("--", "echo", "--", "--json").stdout == "-- --json\n"


def test_killed_by_signal(doctor: Doctor) -> None:
    program = "import os, signal; keep = bytes(5_000_000); os.kill(os.getpid(), signal.SIGSEGV)"
    result = doctor("--json", sys.executable, "-c", program, expected=139)
    process = main_process(report_of(result))
    assert process["end"] == "killed by SIGSEGV"
    assert process["peak_live"] > 5_000_000


def test_short_program(doctor: Doctor) -> None:
    result = doctor("sleep", "0.1")
    assert "ladle doctor: " in result.stderr
    assert "not enough evidence" in doctor("true").stderr


def test_unwritable_report(doctor: Doctor, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    result = doctor("--out", tmp_path / "no/page.html", "touch", ran, expected=1)
    assert result.stderr == (
        f"ladle: {tmp_path / 'no/page.html'}: the report cannot be written here: "
        "No such file or directory\n"
    )
    assert not ran.exists()
    result = doctor("--out", "/dev/full", "touch", ran, expected=1)
    assert "ladle doctor: " in result.stderr  # what was measured is told all the same
    assert "/dev/full: the report could not be written: No space left on device" in result.stderr
    assert ran.exists()


def test_page(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    doctor("--out", path, "no-such-command", expected=127)
    assert not path.exists()
    path.write_text("x" * 1_000_000)
    doctor("--out", path, "true")
    text = path.read_text()
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert "not enough evidence" in text
    assert "xxxx" not in text


def test_full_standard_output(tool: Path, scratch: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [tool, "doctor", "--json", "true"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(scratch)},
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == b"ladle: standard output: No space left on device\n"


def test_streams_that_cannot_be_written(tool: Path, scratch: Path) -> None:
    for redirection, text in (
        ("--json true >&-", "ladle: standard output: Bad file descriptor\n"),
        ("true 2>/dev/full", ""),
    ):
        result = subprocess.run(
            ["sh", "-c", f'"$0" doctor {redirection}', tool],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "TMPDIR": str(scratch)},
            timeout=60,
            check=False,
        )
        assert (result.returncode, result.stderr) == (1, text)


def test_no_folder_for_recordings(tool: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [tool, "doctor", "true"],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": str(tmp_path / "none")},
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith(f"ladle: {tmp_path / 'none'}: no folder for recordings")


# --- processes ------------------------------------------------------------------------------------


def test_growth_is_seen(doctor: Doctor, programs: Programs) -> None:
    process = main_process(report_of(doctor("--json", programs.growing)))
    assert process["metered"]
    assert process["allocator"] == "glibc"
    assert 24e6 <= process["final_live"] <= 25e6
    assert process["split"]["live"][-1] >= 24e6
    largest = max(process["size_classes"], key=lambda size_class: size_class["nbytes"])
    assert (largest["limit"], largest["blocks"]) == (2**20, 24)


def test_no_probe(doctor: Doctor) -> None:
    program = "keep = [bytes(100_000) for _ in range(100)]"
    probed = main_process(report_of(doctor("--json", sys.executable, "-c", program)))
    assert probed["garbage"] is not None
    assert probed["trimmed"] is not None
    words = ("--json", "--no-probe", sys.executable, "-c", program)
    process = main_process(report_of(doctor(*words)))
    assert (process["garbage"], process["trimmed"]) == (None, None)


def test_map_and_stacks(doctor: Doctor, programs: Programs) -> None:
    report = report_of(doctor("--json", "--map", "--stacks", programs.growing))
    process = main_process(report)
    pages = "".join(region["pages"] for region in process["map"]["regions"])
    assert set(pages) <= set(".0123456789X")
    assert pages.count("X") * process["map"]["page_nbytes"] >= 20e6  # near the peak
    for region in process["map"]["regions"]:
        assert region["kind"] in {"heap", "arena", "mapped"}
        assert len(region["pages"]) == -(-region["nbytes"] // process["map"]["page_nbytes"])
    first = process["stacks"][0]
    assert first["nbytes"] >= 12e6  # an estimate from a sample
    assert any(frame.startswith("main (growing)") for frame in first["frames"])
    text = doctor("--map", "--stacks", programs.growing).stderr
    assert "main (growing)" in text
    assert re.search(r"pages of \d+ bytes are resident: \d+ full", text)


def test_static_binary(doctor: Doctor, programs: Programs) -> None:
    result = doctor(programs.static)
    assert "it is a static binary" in " ".join(result.stderr.split())
    process = main_process(report_of(doctor("--json", programs.static)))
    assert not process["metered"]
    assert process["allocator"] is None
    assert process["peak_rss"] > 24e6
    assert process["end"] == "exited 0"


def test_cleared_environment(doctor: Doctor, programs: Programs) -> None:
    report = report_of(doctor("--json", "env", "-i", programs.growing))
    first, second = report["processes"]
    assert (first["metered"], first["end"]) == (True, "replaced by exec")
    assert not second["metered"]
    assert second["why_not"] == "its environment was cleared: LADLE_METER is not in it"
    assert second["end"] == "exited 0"
    words = f"LD_PRELOAD= {programs.growing}; true"
    report = report_of(doctor("--json", "sh", "-c", words))
    reasons = [process["why_not"] for process in report["processes"] if not process["metered"]]
    assert reasons == ["its environment was changed: LD_PRELOAD does not name the meter"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a set-uid program")
def test_set_uid_program(tool: Path, programs: Programs) -> None:
    """As another user, from folders that all can enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        program = folder / "set-uid"
        shutil.copy(programs.growing, program)
        program.chmod(0o4755)
        for part in ("bin", "lib/ladle"):
            (folder / part).mkdir(parents=True)
        shutil.copy(tool, folder / "bin/ladle")
        shutil.copy(tool.resolve().parent / "../lib/ladle/libladle_meter.so", folder / "lib/ladle")
        result = subprocess.run(
            [folder / "bin/ladle", "doctor", "--json", program],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "TMPDIR": name},
            user=65534,
            group=65534,
            extra_groups=[],
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        process = main_process(report_of(result))
        assert process["why_not"].startswith("it runs with other rights than ladle: set-uid")
        assert process["peak_rss"] > 20e6
        assert list(folder.glob("ladle*")) == []


def test_exec_goes_on_in_the_next_image(doctor: Doctor, programs: Programs) -> None:
    report = report_of(doctor("--json", "sh", "-c", f"exec {programs.growing}"))
    process = main_process(report)
    assert process["command"] == str(programs.growing)
    assert process["end"] == "exited 0"
    assert process["peak_live"] >= 24e6


def test_launcher(doctor: Doctor, programs: Programs) -> None:
    """A shell that only waits does not decide."""
    report = report_of(doctor("--json", "sh", "-c", f"{programs.growing}; exit 5", expected=5))
    process = main_process(report)
    assert process["command"] == str(programs.growing)
    assert report["verdict"] == process["verdict"]
    shell = next(p for p in report["processes"] if p["command"].startswith("sh -c"))
    assert shell["end"] == "exited 5"
    assert report["peak_rss"] >= process["peak_rss"]


def test_daemon_outlives_the_command(doctor: Doctor, programs: Programs) -> None:
    words = f"setsid {programs.growing} >/dev/null 2>&1 & sleep 0.1"
    begin = time.monotonic()
    report = report_of(doctor("--json", "sh", "-c", words))
    assert report["seconds"] < time.monotonic() - begin
    ends = {process["end"] for process in report["processes"] if "growing" in process["command"]}
    assert "still running" in ends


def test_orphans_are_reaped(doctor: Doctor, programs: Programs) -> None:
    """One whose parent is gone ends while the command runs: its status is known."""
    words = f"(setsid {programs.growing} &) ; sleep 1"
    report = report_of(doctor("--json", "sh", "-c", words))
    orphan = [p for p in report["processes"] if p["command"] == str(programs.growing)]
    assert [process["end"] for process in orphan] == ["exited 0"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_python_workers(doctor: Doctor, tmp_path: Path, method: str) -> None:
    path = tmp_path / "workers.py"
    path.write_text(
        "import multiprocessing, time\n"
        "def work(number):\n"
        "    keep = [b'x' * 300_000 for _ in range(20)]\n"
        "    time.sleep(0.1)\n"
        "    return len(keep)\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context('{method}').Pool(2) as pool:\n"
        "        print(pool.map(work, range(4)))\n"
    )
    result = doctor("--json", sys.executable, path)
    assert "[20, 20, 20, 20]" in result.stderr
    workers = [p for p in report_of(result)["processes"] if (p["peak_live"] or 0) > 6_000_000]
    assert len(workers) >= 2
    assert all(process["metered"] for process in workers)


def test_dask_cluster(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "cluster.py"
    path.write_text(
        "from dask.distributed import Client, LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as c:\n"
        "        with Client(c) as client:\n"
        "            futures = client.map(lambda n: len(b'x' * n), range(10**6, 10**6 + 8))\n"
        "            print(sum(client.gather(futures)))\n"
    )
    result = doctor("--json", sys.executable, path)
    assert str(8 * 10**6 + 28) in result.stderr
    report = report_of(result)
    own = next(p for p in report["processes"] if p["pid"] == main_process(report)["pid"])
    large = [p for p in report["processes"] if (p["peak_live"] or 0) > 10e6]
    assert own["metered"]
    assert len(large) == 3  # the client and two workers
    assert {process["end"] for process in large} <= {"exited 0", "ended"}


def test_many_processes_fit_the_screen(doctor: Doctor) -> None:
    result = doctor(
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do ls >/dev/null; done",
    )
    assert "21 processes, or images of them" in result.stderr
    assert re.search(r"and \d+ more, with less memory", result.stderr)


# --- signals --------------------------------------------------------------------------------------


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the program has made the file."""
    while not path.exists():
        assert process.poll() is None, "it ended too soon"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop(tool: Path, scratch: Path, tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    program = (
        "import pathlib, sys, time\n"
        "keep = bytes(3_000_000)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [tool, "doctor", "--json", "--allocators", "glibc", sys.executable, "-c", program, ready],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(scratch)},
        encoding="utf-8",
    ) as process:
        wait_for(ready, process)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    report = json.loads(output)
    assert main_process(report)["end"] == f"killed by {number.name}"
    assert main_process(report)["peak_live"] > 3_000_000
    assert report["trial"] == []


def test_command_that_handles_the_signal(tool: Path, scratch: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with subprocess.Popen(
        [
            tool,
            "doctor",
            "sh",
            "-c",
            f"trap 'exit 7' TERM; touch {ready}; sleep 60 >/dev/null 2>&1 & wait",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(scratch)},
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        wait_for(ready, process)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        os.killpg(process.pid, signal.SIGKILL)  # the sleep that it left behind
    assert process.returncode == 7
    assert "still running" in errors


def test_keyboard_interrupt(tool: Path, scratch: Path) -> None:
    """The terminal sends it to the command as well: it must come once."""
    program = (
        "import signal, time\n"
        "count = 0\n"
        "def handle(*_):\n"
        "    global count\n"
        "    count += 1\n"
        "signal.signal(signal.SIGINT, handle)\n"
        "print('ready', flush=True)\n"
        "begin = time.monotonic()\n"
        "while count == 0 and time.monotonic() < begin + 60:\n"
        "    time.sleep(0.01)\n"
        "time.sleep(0.3)\n"
        "print('interrupts:', count)\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TMPDIR"] = str(scratch)
        os.execv(tool, [str(tool), "doctor", sys.executable, "-c", program])
    output = b""
    try:
        while part := os.read(terminal, 4096):
            output += part
            if output.endswith(b"ready\r\n"):
                os.write(terminal, b"\x03")
    except OSError:  # how the end of a terminal shows
        pass
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"interrupts: 1\r\n" in output
    assert b"ladle doctor: " in output


# --- the trial ------------------------------------------------------------------------------------


def test_trial(doctor: Doctor, programs: Programs) -> None:
    words = ("--json", "--allocators", "all", "--repeat", "2", programs.growing)
    result = doctor(*words)
    report = report_of(result)
    assert result.stderr == "grown\n"  # of the diagnostic run only
    rows = {row["allocator"]: row for row in report["trial"]}
    assert list(rows) == ["glibc", "glibc-tuned", "mimalloc", "jemalloc", "tcmalloc"]
    for name, row in rows.items():
        if not row["available"]:
            assert row["package"] in row["why_not"]
            continue
        assert row["in_force"], (name, row["why_not"])
        assert len(row["runs"]) == 2
        assert all(run["same_result"] and run["status"] == 0 for run in row["runs"])
        assert all(24e6 <= run["live"] <= run["peak_rss"] for run in row["runs"])
        assert row["peak_rss"][0] <= row["peak_rss"][1] <= row["peak_rss"][2]
    assert set(rows["glibc-tuned"]["environment"]) <= {
        "MALLOC_ARENA_MAX",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
    }
    assert report["advice"]["allocator"] is None  # all of it is live
    assert report["advice"]["sentence"].startswith("None: keep glibc.")
    assert report["plain"]["peak_rss"] >= 24e6


def test_trial_as_text(doctor: Doctor, programs: Programs) -> None:
    result = doctor("--allocators", "glibc,mimalloc=/etc/passwd", "--repeat", "1", programs.growing)
    assert result.stdout == "grown\n"
    text = " ".join(result.stderr.split())
    assert re.search(r" glibc 2\d\.\d 2\d\.\d\.\.2\d\.\d ", text)
    assert "/etc/passwd cannot be loaded: invalid ELF header" in text
    assert "No other allocator could be tried" in text


def test_libraries_that_are_none(doctor: Doctor) -> None:
    for path, reason in (
        ("/etc/passwd", "/etc/passwd cannot be loaded: invalid ELF header"),
        ("/no/such/lib.so", "/no/such/lib.so: No such file or directory"),
    ):
        words = ("--json", "--allocators", f"own={path}", "--repeat", "1", "true")
        row = report_of(doctor(*words))["trial"][1]
        assert (row["allocator"], row["available"], row["why_not"]) == ("own", False, reason)
        assert row["runs"] == []


def test_library_without_an_allocator(doctor: Doctor, tmp_path: Path, programs: Programs) -> None:
    """It loads and serves nothing, so what was measured is not it. Its path may be any."""
    source = tmp_path / "empty.c"
    source.write_text("int nothing_of_use;\n")
    library = tmp_path / "with blank:and colon.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    words = ("--json", "--allocators", f"mimalloc={library}", "--repeat", "1", programs.growing)
    row = report_of(doctor(*words))["trial"][1]
    assert (row["available"], row["in_force"]) == (True, False)
    assert row["why_not"] == "it was loaded, but blocks came from glibc"


def test_allocator_of_the_user(doctor: Doctor, scratch: Path, programs: Programs) -> None:
    """What LD_PRELOAD has already stays in force where nothing else is tried."""
    environment = {**os.environ, "TMPDIR": str(scratch), "LD_PRELOAD": "libjemalloc.so.2"}
    words = ("--json", "--allocators", "glibc", "--repeat", "1", programs.growing)
    result = doctor(*words, env=environment)
    if "cannot be preloaded" in result.stderr:
        pytest.skip("libjemalloc.so.2 is not installed")
    report = report_of(result)
    assert main_process(report)["allocator"] == "jemalloc"
    row = report["trial"][0]
    assert not row["in_force"]
    assert row["why_not"].endswith("which the command or LD_PRELOAD brings: jemalloc")
    assert report["advice"]["sentence"].startswith("No advice: ")


def test_missing_allocator(tool: Path, tmp_path: Path) -> None:
    """Of those that are not installed the package is named, and the others are tried."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here: nothing can be hidden")
    empty = tmp_path / "empty"
    empty.touch()
    hide = "for f in /usr/lib/*/libjemalloc.so* ; do [ -e $f ] && mount --bind $0 $f; done; "
    run = f"{hide} exec {tool} doctor --json --allocators jemalloc --repeat 1 true"
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", run, empty],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    row = report_of(result)["trial"][1]
    assert (row["available"], row["package"]) == (False, "libjemalloc2")
    assert row["why_not"] == "not installed: Debian's package libjemalloc2 has it"


def test_results_that_differ(doctor: Doctor, programs: Programs) -> None:
    words = ("--json", "--allocators", "mimalloc", "--repeat", "2", programs.telling)
    report = report_of(doctor(*words))
    glibc, mimalloc = report["trial"]
    if not mimalloc["available"]:
        pytest.skip(mimalloc["why_not"])
    assert [run["same_result"] for run in glibc["runs"]] == [True, True]
    assert [run["same_result"] for run in mimalloc["runs"]] == [False, False]
    assert mimalloc["why_not"].startswith("what it prints is not the same: 9 bytes, and 8 without")
    assert report["advice"]["allocator"] is None


def test_output_that_differs_by_itself(doctor: Doctor) -> None:
    words = ("--json", "--allocators", "glibc", "--repeat", "2", "sh", "-c", "echo $$; exit 2")
    report = report_of(doctor(*words, expected=2))
    assert all(run["same_result"] for run in report["trial"][0]["runs"])
    assert "differs from run to run" in report["advice"]["caution"]


def test_trial_reads_a_file_again(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_text("one\ntwo\nthree\n")
    words = ("--json", "--allocators", "glibc", "--repeat", "1", "sh", "-c", "cat; sleep 0.05")
    with path.open() as file:
        report = report_of(doctor(*words, stdin=file))
    assert report["trial"][0]["runs"][0]["same_result"]
    assert report["plain"]["status"] == 0
