"""The extension: ladle's C library as objects. Private; its users are the modules of `ladle`.

Exceptions are those of `ladle._errors`; for arguments TypeError, ValueError, OverflowError.
"""

from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any, Literal, NamedTuple, TypeVar, final, overload

import numpy as np
from typing_extensions import Buffer

_Default = TypeVar("_Default")
_Values = Buffer | np.ndarray[Any, Any]  # mypy does not know that an array is a Buffer
_Request = tuple[Table, int, int, int, int]
_Step = tuple[int, int, int, int, list[np.ndarray[Any, Any]] | Exception]

@final
class Context:
    """A ledger of all bytes held, with its budget."""

    def __new__(cls, *, budget: int = 0) -> Context: ...
    def memory(self) -> dict[str, int]:
        """Return bytes held, by kind, and total, peak, budget, overdraft."""

    def set_budget(self, nbytes: int, /) -> None:
        """Cap the bytes held; 0 means no cap."""

    def set_pool(self, nbytes: int, /) -> None:
        """Set how many free bytes the pool of blocks may keep."""

    def trim(self) -> int:
        """Give free blocks back to the system; return their bytes."""

@final
class File:
    """An open ROOT file."""

    def __new__(cls, context: Context, path: str | PathLike[str]) -> File: ...
    @property
    def uuid(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def version(self) -> int: ...
    def keys(self) -> list[dict[str, Any]]:
        """Return all keys, those of directories included."""

    def table(self, path: str | None = None) -> Table:
        """Open a table; without a path "Events", else the only one."""

class Column(NamedTuple):
    """What is known of one column."""

    name: str
    title: str
    type_name: str
    type: str
    reason: str | None
    dtype: str
    dims: tuple[int, ...]
    is_string: bool
    n_buffers: int
    counter: int
    n_entries: int
    field: str
    members: tuple[tuple[int, str], ...]

@final
class Table:
    """A TTree or an RNTuple of a File."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def file_uuid(self) -> str: ...
    @property
    def n_entries(self) -> int: ...
    @property
    def n_columns(self) -> int: ...
    def find(self, name: str, /) -> int:
        """Return the index of the column of that exact name, or -1."""

    def require(self, name: str, /) -> int:
        """Return the index of that column; a missing one is an error that has near names."""

    def column(self, index: int, /) -> Column:
        """Describe one column."""

    def buffers(self, index: int, /) -> list[tuple[str, str, int, str]]:
        """Return role, dtype, dimension and owner of each buffer of a column.

        Roles are "offsets", "index", "tags", "places" and "data". Columns that have the same owner
        have the same buffer.
        """

    def storage(self, index: int, /) -> tuple[int, int]:
        """Return the number of pages of a column, and their bytes in the file."""

    def names(self) -> list[str]:
        """Return the names of all columns, in order."""

    def page(self, column: int, page: int) -> tuple[int, int, int, int]:
        """Return first entry, entries, offset and bytes of one page as stored."""

    def clusters(self) -> list[int]:
        """Return the borders of the clusters, from 0 to n_entries."""

@final
class Reader:
    """A decode pool; any number of threads may read through one."""

    def __new__(cls, context: Context, threads: int = 0) -> Reader: ...
    @property
    def threads(self) -> int: ...
    def read_buffer(
        self,
        table: Table,
        column: int,
        buffer: int,
        start: int,
        stop: int,
        cache: Cache | None = None,
    ) -> Lease:
        """Read one buffer of entries [start, stop), through a cache if there is one."""

    @overload
    def read_buffers(
        self, requests: Iterable[_Request], *, return_errors: Literal[False] = False
    ) -> list[Lease]: ...
    @overload
    def read_buffers(
        self, requests: Iterable[_Request], *, return_errors: bool
    ) -> list[Lease | Exception]:
        """Read several buffers in one pass over the file; raise errors, or list them."""

    def key(self, table: Table, column: int, buffer: int, start: int, stop: int) -> bytes:
        """Return the key under which read_buffer keeps it in a cache."""

@final
class Lease(Buffer):
    """A pinned, read-only, one-dimensional block; exports the buffer protocol."""

    @property
    def dtype(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def layout(self) -> bytes: ...
    def array(self) -> np.ndarray[Any, Any]:
        """Return a read-only array over the block, which it pins; it knows nothing of layouts."""

    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Cache:
    """Byte-string keys to buffers at rest in levels. A str key stands for its UTF-8.

    A level is a tuple of store and budget (0: none); a store is "raw", or a dict of options with
    its name as "store": {"store": "compressed", "codec", "level", "shuffle", "threads"} or
    {"store": "hdf5", "path", "dir"}.
    """

    def __new__(
        cls,
        context: Context,
        budget: int = 0,
        *,
        levels: Iterable[tuple[str | dict[str, Any], int]] | None = None,
        home: int = 0,
    ) -> Cache: ...
    @property
    def path(self) -> str | None:
        """Path of its named file, or None."""

    def get(self, key: bytes | str, /) -> Lease | None:
        """Return a lease on the buffer at key, or None."""

    def get_array(self, key: str, default: _Default, /) -> np.ndarray[Any, Any] | _Default:
        """Return a read-only array over the buffer at key, laid out, or the default."""

    def pop_array(self, key: str, default: _Default, /) -> np.ndarray[Any, Any] | _Default:
        """Do as get_array, and remove the entry."""

    def put(
        self,
        key: bytes | str,
        values: _Values | Lease,
        dtype: str,
        cost_ns: int = 0,
        layout: bytes = b"",
        /,
    ) -> None:
        """Keep a Lease, or a copy of any contiguous buffer, at key."""

    def fetch(self, key: bytes | str, make: Callable[[], Lease]) -> Lease:
        """Return a lease on the buffer at key, made by make() if missing: once, whoever asks."""

    def contains(self, key: bytes | str, /) -> bool:
        """Tell whether there is an entry; counts neither hit nor miss."""

    def delete(self, key: bytes | str, /) -> bool:
        """Remove one entry; False if there is none."""

    def clear(self) -> None:
        """Remove all entries."""

    def flush(self) -> None:
        """Make a named file hold the entries of now."""

    def close(self) -> None:
        """Flush, remove all entries and refuse further use."""

    def keys(self) -> list[bytes]:
        """Return the keys, in the order of their insertion."""

    def entries(self) -> list[dict[str, Any]]:
        """Describe each entry."""

    def stats(self) -> dict[str, int]:
        """Return counts and bytes."""

    def levels(self) -> list[dict[str, Any]]:
        """Return counts, bytes and store of each level."""

    def set_budget(self, nbytes: int, level: int = 0, /) -> None:
        """Cap the bytes of a level, at once; 0 means no cap."""

    def __len__(self) -> int: ...

@final
class Scan:
    """A pass over columns of tables, step by step. One thread at a time."""

    def __new__(
        cls,
        reader: Reader,
        *,
        step_nbytes: int = 0,
        step_entries: int = 0,
        budget: int = 0,
        background: bool = True,
    ) -> Scan: ...
    def add(self, table: Table, columns: Iterable[int], start: int, stop: int) -> int:
        """Add entries [start, stop) of a table; return the number of the part."""

    def next(self) -> _Step | None:
        """Return part, start, stop, bytes, and arrays or error of the next step; None: the end."""

    def skip(self, part: int, /) -> None:
        """Leave out what is left of a part."""

    def stop(self) -> None:
        """End the work at the next page."""

@final
class Watch:
    """Samples of this process by a thread without the GIL."""

    def __new__(cls, context: Context, interval_ns: int) -> Watch: ...
    def sample(self, kind: str, /) -> None:
        """Take a sample now, also after the stop."""

    def stop(self) -> None:
        """End the thread; twice is allowed."""

    def read(self) -> tuple[bytes, bytes]:
        """Return rows of 14 int64, `ladle._watch.FIGURES`, and of 8 int64, the shares."""

    def judge(self) -> dict[str, Any]:
        """Return the verdict."""

@final
class Tamer:
    """Lets the allocator give back."""

    def __new__(
        cls, context: Context, interval_ns: int, least_nbytes: int, share: float
    ) -> Tamer: ...
    def stop(self) -> None:
        """End the thread; twice is allowed."""

    def figures(self) -> dict[str, int]:
        """Return trims, returned bytes and cpu_ns so far."""

def xxh3_64(values: _Values, /) -> int:
    """Return XXH3-64 (seed 0) of a contiguous buffer's bytes."""

def copy(context: Context, values: _Values, dtype: str, layout: bytes = b"", /) -> Lease:
    """Return a lease on a copy of a contiguous buffer."""

def process_memory() -> dict[str, int]:
    """Return rss, peak_rss, anonymous and file of this process, in bytes; -1 if unknown."""

def allocator_name() -> str:
    """Return the allocator behind malloc: glibc, mimalloc, jemalloc, tcmalloc or unknown."""

def allocator_trim() -> bool:
    """Ask it to return its free pages; False where there is no way to ask."""

def share_names() -> tuple[str, ...]:
    """Return what the shares of a split are called, in order."""

def version() -> str:
    """Return the version of the C library."""

def forks() -> int:
    """Return how many forks lie between this process and the one that loaded the extension."""
