"""The caches that users of coffea have today, each made by a call: the peers of ladle's caches.

`micro_analysis.py --cache peers.blosc` names one of them.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np


def _folder() -> Path:
    """Return a new folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="bench-peer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def blosc() -> MutableMapping[str, Any]:
    """Make coffea's BufferCache as its manual shows it: Blosc, zstd 1, bitshuffle, in RAM."""
    from coffea.nanoevents import BufferCache
    from numcodecs import Blosc

    made: MutableMapping[str, Any] = BufferCache(
        cache=None, codec=Blosc("zstd", clevel=1, shuffle=Blosc.BITSHUFFLE)
    )
    return made


class _Keys(MutableMapping[str, Any]):
    """Numbers for keys: coffea's are longer than a file name may be."""

    def __init__(self, inner: MutableMapping[str, Any]) -> None:
        self.inner = inner
        self.numbers: dict[str, str] = {}

    def __getitem__(self, key: str) -> Any:
        return self.inner[self.numbers[key]]

    def __setitem__(self, key: str, value: Any) -> None:
        self.inner[self.numbers.setdefault(key, str(len(self.numbers)))] = value

    def __delitem__(self, key: str) -> None:
        del self.inner[self.numbers.pop(key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def zict_file() -> MutableMapping[str, Any]:
    """Make coffea's BufferCache on disk as its manual shows it: Blosc over zict.File.

    The documented recipe fails on coffea's own keys, which are longer than 255 bytes; here they are
    numbered.
    """
    import zict
    from coffea.nanoevents import BufferCache
    from numcodecs import Blosc

    made: MutableMapping[str, Any] = BufferCache(
        cache=_Keys(zict.File(str(_folder() / "zict"))),
        codec=Blosc("zstd", clevel=1, shuffle=Blosc.BITSHUFFLE),
    )
    return made


class H5pyCache(MutableMapping[str, Any]):
    """One dataset for each buffer of an HDF5 file, through h5py; read on demand."""

    def __init__(self) -> None:
        import h5py

        self.file = h5py.File(_folder() / "buffers.h5", "w")

    @staticmethod
    def _name(key: str) -> str:
        return key.replace("%", "%25").replace("/", "%2F")

    def __getitem__(self, key: str) -> Any:
        return self.file[self._name(key)][...]

    def __setitem__(self, key: str, value: Any) -> None:
        name = self._name(key)
        if name in self.file:
            del self.file[name]
        self.file.create_dataset(name, data=np.asarray(value))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._name(key) in self.file

    def __delitem__(self, key: str) -> None:
        del self.file[self._name(key)]

    def __iter__(self) -> Iterator[str]:
        for name in self.file:
            yield name.replace("%2F", "/").replace("%25", "%")

    def __len__(self) -> int:
        return len(self.file)


def h5py_file() -> MutableMapping[str, Any]:
    """Return an `H5pyCache` in a folder of its own."""
    return H5pyCache()
