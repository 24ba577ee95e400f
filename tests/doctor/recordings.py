"""Recordings of the meter, read through the C library's public functions."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
METER = ROOT / "build/lib/ladle/libladle_meter.so"
N_CLASSES = 128
START, INSIDE, OUTSIDE, BEFORE_COLLECT, AFTER_COLLECT, END, AFTER_TRIM = range(7)
RUNS, EXITED, REPLACED = range(3)

_I64 = ctypes.c_int64
# The fields are those of the header, so that this stays true when one is added.
_HEADER = (ROOT / "include/ladle/doctor.h").read_text(encoding="utf-8")
_STRUCT = _HEADER.partition("typedef struct ladle_sample {")[2].partition("} ladle_sample;")[0]
_NUMBERS = [
    name.strip()
    for names in re.findall(
        r"int64_t ([^;\[]+);", re.sub(r"/\*.*?\*/", "", _STRUCT, flags=re.DOTALL)
    )
    for name in names.split(",")
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


class Region(ctypes.Structure):
    """``ladle_heap_region``."""

    _fields_ = (
        ("start", ctypes.c_uint64),
        ("nbytes", _I64),
        ("kind", ctypes.c_int32),
        ("pages", ctypes.c_char_p),
    )


class Map(ctypes.Structure):
    """``ladle_heap_map``."""

    _fields_ = (
        ("time_ns", _I64),
        ("page_nbytes", _I64),
        ("region_count", _I64),
        ("regions", ctypes.POINTER(Region)),
    )


class Stack(ctypes.Structure):
    """``ladle_stack``."""

    _fields_ = (
        ("nbytes", _I64),
        ("blocks", _I64),
        ("growth", _I64),
        ("frame_count", _I64),
        ("frames", ctypes.POINTER(ctypes.c_char_p)),
    )


class Stacks(ctypes.Structure):
    """``ladle_stacks``."""

    _fields_ = (
        ("time_ns", _I64),
        ("middle_ns", _I64),
        ("every_nbytes", _I64),
        ("count", _I64),
        ("stacks", ctypes.POINTER(Stack)),
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
    library.ladle_recording_map.restype = ctypes.POINTER(Map)
    library.ladle_recording_stacks.restype = ctypes.POINTER(Stacks)
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


def read_map(path: Path) -> list[tuple[int, str]]:
    """Give kind and pages of each region of the heap's map."""
    library, error = _library(), Error()
    handle = ctypes.c_void_p(library.ladle_recording_open(str(path).encode(), ctypes.byref(error)))
    found = library.ladle_recording_map(handle, ctypes.byref(error))
    assert found, error.message
    regions = found.contents.regions[: found.contents.region_count]
    result = [(region.kind, region.pages.decode()) for region in regions]
    library.ladle_heap_map_release(found)
    library.ladle_recording_release(handle)
    return result


def read_stacks(path: Path) -> list[tuple[int, int, int, list[str]]]:
    """Give bytes, blocks, growth and frames of each stack."""
    library, error = _library(), Error()
    handle = ctypes.c_void_p(library.ladle_recording_open(str(path).encode(), ctypes.byref(error)))
    found = library.ladle_recording_stacks(handle, ctypes.byref(error))
    assert found, error.message
    result = [
        (s.nbytes, s.blocks, s.growth, [name.decode() for name in s.frames[: s.frame_count]])
        for s in found.contents.stacks[: found.contents.count]
    ]
    library.ladle_stacks_release(found)
    library.ladle_recording_release(handle)
    return result
