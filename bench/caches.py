"""Set and get of every cache, side by side with its peers and the floor beneath it, in one run.

The floors are what the hardware and the libraries do without any cache: memcpy, c-blosc2 called
directly, pread and pwrite on the same disk. Each figure is the median over rounds in which all
contenders take their turn on the same arrays.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import peers

import ladle

Array = np.ndarray[Any, Any]
Cache = MutableMapping[str, Any]

SMALL = 200  # values of a small buffer
TOTAL = 64_000_000  # bytes of each kind that a round sets and gets


def arrays_of(kind: str, nbytes: int, count: int) -> list[Array]:
    """Make `count` buffers of about `nbytes` as an analysis has them.

    Parameters
    ----------
    kind : str
        ``pt``: float32 of falling spectrum with a mantissa of 11 bits, as NanoAOD stores them;
        ``offsets``: int64, the running sum of small counts.
    """
    random = np.random.default_rng(1)
    made: list[Array] = []
    for _ in range(count):
        if kind == "pt":
            values = (random.exponential(40.0, nbytes // 4) + 15.0).astype(np.float32)
            made.append((values.view(np.uint32) & np.uint32(0xFFFFF000)).view(np.float32))
        else:
            made.append(np.cumsum(random.poisson(5.0, nbytes // 8)).astype(np.int64))
    return made


class Direct:
    """c-blosc2 itself, by ctypes on its own library: one warm destination, no cache around it."""

    def __init__(self, threads: int) -> None:
        spec = importlib.util.find_spec("blosc2")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("the wheel blosc2 is not installed: run ./dev build")
        self.library = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "libblosc2.so"))
        self.library.blosc2_init()
        self.library.blosc1_set_compressor(b"zstd")
        self.library.blosc2_set_nthreads(ctypes.c_int16(threads))

    def compress(self, source: Array, target: Array) -> int:
        """Compress with zstd 1 and bitshuffle; return the bytes that it took."""
        return int(
            self.library.blosc2_compress(
                *(1, 2, source.dtype.itemsize, source.ctypes.data_as(ctypes.c_void_p)),
                *(source.nbytes, target.ctypes.data_as(ctypes.c_void_p), target.nbytes),
            )
        )

    def decompress(self, source: Array, nbytes: int, target: Array) -> None:
        """Bring it back."""
        got = self.library.blosc2_decompress(
            *(source.ctypes.data_as(ctypes.c_void_p), nbytes),
            *(target.ctypes.data_as(ctypes.c_void_p), target.nbytes),
        )
        assert got == target.nbytes


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds of one call, with the garbage collector at rest."""
    gc.disable()
    begin = time.perf_counter()
    call()
    seconds = time.perf_counter() - begin
    gc.enable()
    return seconds


Times = dict[str, float]  # "set" and "get", seconds for all arrays; "nbytes" at rest


def run_cache(make: Callable[[], Cache], arrays: list[Array]) -> Times:
    """Set all arrays in a new cache, and get them twice in another order."""
    cache = make()
    keys = [f"uuid/Events/0-1000/data/column_{i}" for i in range(len(arrays))]

    def put() -> None:
        for key, array in zip(keys, arrays, strict=True):
            cache[key] = array

    def get() -> None:
        for key in order:
            cache[key]

    order = [keys[i] for i in np.random.default_rng(2).permutation(len(keys))]
    times = {"set": timed(put)}
    get()
    times["get"] = timed(get)
    assert np.array_equal(cache[keys[-1]], arrays[-1])
    stats = getattr(cache, "stats", None)
    times["nbytes"] = float(stats()["nbytes"]) if stats else 0.0
    close = getattr(cache, "close", None)
    if close:
        close()
    return times


def floor_memcpy(arrays: list[Array]) -> Times:
    """Copy into one warm block and back."""
    target = np.empty_like(arrays[0])

    def copy() -> None:
        for array in arrays:
            np.copyto(target, array)

    copy()
    return {"set": timed(copy), "get": timed(copy), "nbytes": 0.0}


def floor_blosc(threads: int) -> Callable[[list[Array]], Times]:
    """Compress each array and bring it back, c-blosc2 called directly."""

    def run(arrays: list[Array]) -> Times:
        direct = Direct(threads)
        targets = [np.zeros(arrays[0].nbytes + 64, np.uint8) for _ in arrays]
        back = np.empty_like(arrays[0])
        sizes: list[int] = []

        def put() -> None:
            sizes.extend(direct.compress(a, t) for a, t in zip(arrays, targets, strict=True))

        def get() -> None:
            for target, size in zip(targets, sizes, strict=True):
                direct.decompress(target, size, back)

        times = {"set": timed(put), "nbytes": float(sum(sizes))}
        get()
        times["get"] = timed(get)
        assert np.array_equal(back, arrays[-1])
        return times

    return run


@contextmanager
def nameless_file() -> Iterator[int]:
    """Give a descriptor of a file that is gone when it is closed."""
    with tempfile.TemporaryFile(buffering=0) as file:
        yield file.fileno()


def floor_disk(arrays: list[Array]) -> Times:
    """Pwrite each array to a new file and pread it into one warm block."""
    nbytes = arrays[0].nbytes
    grain = 65_536 if nbytes >= 65_536 else 64  # the kernel is faster in large aligned pieces
    step = (nbytes + grain - 1) // grain * grain
    back = np.empty(nbytes, np.uint8)
    with nameless_file() as descriptor:

        def put() -> None:
            for i, array in enumerate(arrays):
                os.pwrite(descriptor, array.data.cast("B"), i * step)

        def get() -> None:
            for i in range(len(arrays)):
                os.preadv(descriptor, [back.data], i * step)

        times = {"set": timed(put), "nbytes": float(nbytes * len(arrays))}
        get()
        times["get"] = timed(get)
    return times


def run_threads(make: Callable[[], Cache], arrays: list[Array], threads: int) -> Times:
    """Do as `run_cache` with several threads on one cache; each has its share of the keys."""
    cache = make()
    shares = [range(i, len(arrays), threads) for i in range(threads)]

    def put(share: range) -> None:
        for i in share:
            cache[str(i)] = arrays[i]

    def get(share: range) -> None:
        for i in share:
            cache[str(i)]

    with ThreadPoolExecutor(threads) as pool:
        times = {"set": timed(lambda: list(pool.map(put, shares)))}
        list(pool.map(get, shares))
        times["get"] = timed(lambda: list(pool.map(get, shares)))
    times["nbytes"] = 0.0
    cache.close()  # type: ignore[attr-defined]
    return times


def contenders(small: bool) -> dict[str, Callable[[list[Array]], Times]]:
    """Who takes part: floors, peers, and ladle's caches without copies in RAM above the store."""

    def of(make: Callable[[], Cache]) -> Callable[[list[Array]], Times]:
        return lambda arrays: run_cache(make, arrays)

    found: dict[str, Callable[[list[Array]], Times]] = {
        "memcpy": floor_memcpy,
        "dict": of(dict),
        "ladle raw": of(ladle.BufferCache),
    }
    found |= {
        "c-blosc2": floor_blosc(1),
        "ladle compressed": of(lambda: ladle.CompressedBufferCache(hot=0, threads=1)),
        "coffea Blosc": of(peers.blosc),
        "c-blosc2, 2 threads": floor_blosc(2),
        "ladle compressed, 2 threads": of(lambda: ladle.CompressedBufferCache(hot=0, threads=2)),
    }
    found |= {
        "pread, pwrite": floor_disk,
        "ladle hdf5": of(lambda: ladle.HDF5BufferCache(hot=0)),
        "h5py": of(peers.h5py_file),
        "coffea zict.File": of(peers.zict_file),
    }
    if not small:
        found["ladle hdf5, 2 callers"] = lambda arrays: run_threads(
            lambda: ladle.HDF5BufferCache(hot=0), arrays, 2
        )
    return found


# Who is measured against whom.
FLOORS = {
    "ladle raw": "memcpy",
    "ladle compressed": "c-blosc2",
    "coffea Blosc": "c-blosc2",
    "ladle compressed, 2 threads": "c-blosc2, 2 threads",
    "ladle hdf5": "pread, pwrite",
    "ladle hdf5, 2 callers": "pread, pwrite",
    "h5py": "pread, pwrite",
    "coffea zict.File": "pread, pwrite",
}

KINDS = {
    "float32, 1 MB": ("pt", 1_000_000),
    "float32, 4 MB": ("pt", 4_000_000),
    "offsets, 4 MB": ("offsets", 4_000_000),
    f"float32, {4 * SMALL} bytes": ("pt", 4 * SMALL),
}


def measure(kind: str, nbytes: int, rounds: int) -> dict[str, dict[str, float]]:
    """Run all contenders on one kind of buffers; medians over rounds, after one to warm up."""
    count = max(2, TOTAL // nbytes) if nbytes > 10_000 else 2_000
    arrays = arrays_of(kind, nbytes, count)
    total = float(sum(array.nbytes for array in arrays))
    times: dict[str, list[Times]] = {}
    for round_number in range(rounds + 1):
        for name, run in contenders(nbytes <= 10_000).items():
            found = run(arrays)
            if round_number > 0:
                times.setdefault(name, []).append(found)
    figures: dict[str, dict[str, float]] = {}
    for name, found_times in times.items():
        set_s = statistics.median(t["set"] for t in found_times)
        get_s = statistics.median(t["get"] for t in found_times)
        figures[name] = {
            "set_us": 1e6 * set_s / count,
            "get_us": 1e6 * get_s / count,
            "set_GBs": total / set_s / 1e9,
            "get_GBs": total / get_s / 1e9,
            "ratio": total / found_times[0]["nbytes"] if found_times[0]["nbytes"] else 0.0,
        }
    for name, floor in FLOORS.items():
        if name in figures:
            for way in ("set", "get"):
                figures[name][f"{way}_of_floor"] = (
                    figures[floor][f"{way}_us"] / figures[name][f"{way}_us"]
                )
    return figures


def show(title: str, figures: dict[str, dict[str, float]]) -> None:
    """Print one table."""
    print(f"\n{title}")
    print(
        f"{'':28} {'set us':>9} {'get us':>9} {'set GB/s':>9} {'get GB/s':>9} {'ratio':>6}"
        f"   of its floor: set, get"
    )
    for name, row in figures.items():
        ratio = f"{row['ratio']:6.2f}" if row["ratio"] else f"{'':6}"
        floor = ""
        if name in FLOORS:
            shares = (f"{100 * row[way + '_of_floor']:4.0f} %" for way in ("set", "get"))
            floor = f"   {' '.join(shares)} of {FLOORS[name]}"
        print(
            f"{name:28} {row['set_us']:9.2f} {row['get_us']:9.2f} {row['set_GBs']:9.2f} "
            f"{row['get_GBs']:9.2f} {ratio}{floor}"
        )


def run(rounds: int) -> dict[str, Any]:
    """Measure and print all kinds of buffers."""
    figures: dict[str, Any] = {}
    for title, (kind, nbytes) in KINDS.items():
        figures[title] = measure(kind, nbytes, rounds)
        show(title, figures[title])
    return figures


if __name__ == "__main__":
    run(5)
