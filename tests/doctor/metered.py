"""Run a program under the meter, observe it from outside, and have the C library judge it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.doctor.words import SHARES

ROOT = Path(__file__).resolve().parents[2]
CLASSES = 128
INTERVAL_MS = 20
INTERVAL_S = INTERVAL_MS / 1000

KINDS = ("start", "inside", "outside", "before collect", "after collect", "end", "after trim")

_FIGURES = [
    "time_ns",
    "rss",
    "anonymous",
    "file",
    "shared",
    "minor_faults",
    "major_faults",
    "live_requested",
    "live_usable",
    "live_blocks",
    "peak_live",
    "allocations",
    "frees",
    "allocated",
    "heap",
    "heap_free",
    "heap_returnable",
    "heap_arenas",
    "heap_largest_holes",
    "python_arenas",
]


class Sample(ctypes.Structure):
    """``ladle_sample``."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        *((name, ctypes.c_int64) for name in _FIGURES),
        ("class_nbytes", ctypes.c_int64 * CLASSES),
        ("class_blocks", ctypes.c_int64 * CLASSES),
    )


class Verdict(ctypes.Structure):
    """``ladle_verdict``."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("sentence", ctypes.c_char * 512),
        ("cure", ctypes.c_char * 384),
        ("peak_rss", ctypes.c_int64),
        ("final_rss", ctypes.c_int64),
        ("peak_index", ctypes.c_int64),
        ("garbage", ctypes.c_int64),
        ("trimmed", ctypes.c_int64),
        ("leak_rate", ctypes.c_double),
        ("class_growth", ctypes.c_int64 * CLASSES),
    )


class Split(ctypes.Structure):
    """``ladle_split``."""

    _fields_ = (("nbytes", ctypes.c_int64 * len(SHARES)),)


def build_folder() -> Path:
    """Where CMake built the library, the meter and the programs."""
    return Path(os.environ.get("LADLE_BUILD", ROOT / "build"))


@cache
def library() -> Any:
    """``libladle.so``, with the functions that are used here typed."""
    loaded = ctypes.CDLL(str(build_folder() / "libladle.so"))
    loaded.ladle_recording_open.restype = ctypes.c_void_p
    loaded.ladle_recording_open.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    loaded.ladle_recording_release.argtypes = (ctypes.c_void_p,)
    loaded.ladle_recording_samples.restype = ctypes.POINTER(Sample)
    loaded.ladle_recording_samples.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))
    loaded.ladle_recording_observe.argtypes = (
        ctypes.c_void_p,
        ctypes.POINTER(Sample),
        ctypes.c_void_p,
    )
    loaded.ladle_recording_allocator.restype = ctypes.c_char_p
    loaded.ladle_recording_allocator.argtypes = (ctypes.c_void_p,)
    loaded.ladle_verdict_name.restype = ctypes.c_char_p
    return loaded


@dataclass
class Diagnosis:
    """What is known of one process.

    Attributes
    ----------
    samples : list of Sample
        By the process and by the observer, in order of time.
    output : str
        What the program printed.
    """

    verdict: str
    sentence: str
    cure: str
    garbage: int
    trimmed: int
    leak_rate: float
    peak_rss: int
    final_rss: int
    allocator: str
    samples: list[Sample]
    output: str
    status: int

    def last(self, *kinds: str) -> Sample:
        """Return the last sample of one of these kinds."""
        return next(s for s in reversed(self.samples) if KINDS[s.kind] in kinds)


def split(sample: Sample, garbage: int = 0) -> dict[str, int]:
    """Bytes by share."""
    out = Split()
    library().ladle_doctor_split(ctypes.byref(sample), ctypes.c_int64(garbage), ctypes.byref(out))
    return dict(zip(SHARES, out.nbytes, strict=True))


def judge(samples: list[Sample]) -> tuple[str, Verdict]:
    """Name of the verdict, and the verdict."""
    verdict = Verdict()
    array = (Sample * len(samples))(*samples)
    library().ladle_doctor_judge(array, ctypes.c_int64(len(samples)), ctypes.byref(verdict))
    return library().ladle_verdict_name(verdict.kind).decode(), verdict


def copy_of(sample: Sample) -> Sample:
    """Copy what the library only lends."""
    return Sample.from_buffer_copy(sample)


def _open(folder: Path, pid: int) -> Any:
    """Return the recording of a process once it is there; None before."""
    for path in sorted(folder.glob(f"{pid}.*.meter")):
        recording = library().ladle_recording_open(os.fsencode(path), None)
        if recording:
            return recording
    return None


def run_metered(
    command: list[str | Path],
    folder: Path,
    *,
    behind: Path | None = None,
    kill_after: float | None = None,
    environment: dict[str, str] | None = None,
) -> Diagnosis:
    """Run a command under the meter, to its end.

    Parameters
    ----------
    folder : Path
        For the recording and the output; exists and is empty.
    behind : Path, optional
        Library of an allocator to preload behind the meter.
    kill_after : float, optional
        Seconds until the process is killed.

    Raises
    ------
    RuntimeError
        If the meter left no recording.
    """
    preload = [build_folder() / "lib/ladle/libladle_meter.so", *([behind] if behind else [])]
    variables = {
        **os.environ,
        **(environment or {}),
        "LD_PRELOAD": " ".join(map(str, preload)),
        "LADLE_METER": f"{folder},interval={INTERVAL_MS}",
    }
    outside: list[Sample] = []
    recording = None
    begin = time.monotonic()
    with (folder / "output").open("w+") as output:
        with subprocess.Popen(list(map(str, command)), stdout=output, env=variables) as process:
            try:
                while process.poll() is None:
                    if kill_after is not None and time.monotonic() - begin > kill_after:
                        break
                    recording = recording or _open(folder, process.pid)
                    sample = Sample()
                    if recording and not library().ladle_recording_observe(
                        recording, ctypes.byref(sample), None
                    ):
                        outside.append(sample)
                    time.sleep(INTERVAL_S)
            finally:  # whatever ends the watch, the program does not stay
                process.kill()
        output.seek(0)
        text = output.read()
    recording = recording or _open(folder, process.pid)
    if not recording:
        raise RuntimeError(f"no recording of {command} in {folder}")
    count = ctypes.c_int64()
    inside = library().ladle_recording_samples(recording, ctypes.byref(count))
    samples = outside + [copy_of(inside[i]) for i in range(count.value)]
    samples.sort(key=lambda sample: sample.time_ns)
    allocator = library().ladle_recording_allocator(recording).decode()
    library().ladle_recording_release(recording)
    name, verdict = judge(samples)
    return Diagnosis(
        verdict=name,
        sentence=verdict.sentence.decode(),
        cure=verdict.cure.decode(),
        garbage=verdict.garbage,
        trimmed=verdict.trimmed,
        leak_rate=verdict.leak_rate,
        peak_rss=verdict.peak_rss,
        final_rss=verdict.final_rss,
        allocator=allocator,
        samples=samples,
        output=text,
        status=process.returncode,
    )
