"""Recordings of the meter, read through the C library's public functions."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
METER = ROOT / "build/lib/ladle/libladle_meter.so"
N_CLASSES = 128
START, INSIDE, OUTSIDE, BEFORE_COLLECT, AFTER_COLLECT, END, AFTER_TRIM = range(7)
RUNS, EXITED, REPLACED = range(3)

_I64 = ctypes.c_int64
_NUMBERS = [
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
    "python_arenas",
]


class Sample(ctypes.Structure):
    """``ladle_sample``."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        *((name, _I64) for name in _NUMBERS),
        ("class_nbytes", _I64 * N_CLASSES),
        ("class_blocks", _I64 * N_CLASSES),
    )


class Error(ctypes.Structure):
    """``ladle_error``."""

    _fields_ = (
        ("status", ctypes.c_int32),
        ("os_errno", ctypes.c_int32),
        ("offset", _I64),
        ("where", ctypes.c_char * 160),
        ("message", ctypes.c_char * 384),
    )


class Recording(NamedTuple):
    """What one process image left."""

    pid: int
    parent: int
    start_ns: int
    end: int
    command: str
    allocator: str
    samples: list[Sample]

    def last(self, kind: int) -> Sample:
        """Give the last sample of a kind."""
        return [sample for sample in self.samples if sample.kind == kind][-1]


def _library() -> Any:
    library = ctypes.CDLL(str(ROOT / "build/libladle.so"))
    library.ladle_recording_open.restype = ctypes.c_void_p
    library.ladle_recording_samples.restype = ctypes.POINTER(Sample)
    for name in ("command", "allocator"):
        getattr(library, f"ladle_recording_{name}").restype = ctypes.c_char_p
    for name in ("pid", "parent", "start_ns"):
        getattr(library, f"ladle_recording_{name}").restype = _I64
    return library


def read(path: Path) -> Recording:
    """Read one recording; an error of the library is an OSError with its message."""
    library, error, count = _library(), Error(), _I64()
    handle = library.ladle_recording_open(str(path).encode(), ctypes.byref(error))
    if handle is None:
        raise OSError(error.where.decode() + ": " + error.message.decode())
    handle = ctypes.c_void_p(handle)
    samples = library.ladle_recording_samples(handle, ctypes.byref(count))
    recording = Recording(
        library.ladle_recording_pid(handle),
        library.ladle_recording_parent(handle),
        library.ladle_recording_start_ns(handle),
        library.ladle_recording_ended(handle),
        library.ladle_recording_command(handle).decode(errors="replace"),
        library.ladle_recording_allocator(handle).decode(),
        [Sample.from_buffer_copy(samples[i]) for i in range(count.value)],
    )
    library.ladle_recording_release(handle)
    return recording


def observe(path: Path) -> Sample | str:
    """Take a sample from outside; the message where that fails."""
    library, error, sample = _library(), Error(), Sample()
    handle = ctypes.c_void_p(library.ladle_recording_open(str(path).encode(), ctypes.byref(error)))
    status = library.ladle_recording_observe(handle, ctypes.byref(sample), ctypes.byref(error))
    library.ladle_recording_release(handle)
    return sample if status == 0 else error.message.decode()


def read_all(folder: Path) -> list[Recording]:
    """Read all recordings of a folder, in order of their beginning."""
    return sorted(map(read, folder.glob("*.meter")), key=lambda recording: recording.start_ns)
