"""`ladle.open`: tables as lazy awkward arrays.

An array is made of buffers that are read when an operation asks for them. Without a cache awkward
keeps what it asked for; with one it keeps nothing, so that a buffer is pinned only while an
operation uses it.
"""

from __future__ import annotations

import operator
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from ladle import _core
from ladle._buffers import Buffer, Part, Source, choose_cache
from ladle._context import default_reader
from ladle._errors import InvalidError, UnsupportedError
from ladle._files import Files, resolve_files
from ladle._filter import NameFilter, exact_names, name_test
from ladle._info import ATTRIBUTE, OpenInfo

if TYPE_CHECKING:
    import awkward as ak

__all__ = ["open"]


def open(  # noqa: A001 - the name that users of h5py, zarr and uproot expect
    files: Files,
    *,
    cache: MutableMapping[str, Any] | None = None,
    filter_name: NameFilter = None,
    entry_start: int | None = None,
    entry_stop: int | None = None,
    threads: int | None = None,
    library: str = "ak",
) -> ak.Array:
    """Open a table as a lazy awkward array of records, one field for each column.

    Nothing but the table's description is read before an operation touches a column; a ``repr`` and
    a type touch none.

    Parameters
    ----------
    files : str, path, dict, or list of these
        As in uproot: ``"nano.root"`` (the table ``Events``, else the only one),
        ``"nano.root:Events"``, ``{"nano.root": "Events"}``, a ``pathlib.Path``, a pattern such as
        ``"nano*.root"``, or a list of these. A colon belongs to the file's name wherever a file of
        that name exists. Several files become one array, in the given order (those of a pattern
        sorted); a column must then have the same type in all of them.
    cache : ladle.BufferCache or its like, or other mapping, optional
        Keeps the buffers, so that the array does not. Any ``MutableMapping[str, numpy.ndarray]``
        will do.
    filter_name : None, str, callable, or list of str, optional
        Columns, as in uproot: a name, a pattern (``"Jet_*"``), a regular expression between slashes
        (``"/Jet_.*/i"``), a function of the name, or a list of names and patterns. A name that is
        given in full must exist and be readable.
    entry_start, entry_stop : int, optional
        Range of entries, over all files. Negative counts from the end; beyond the end means the
        end.
    threads : int, optional
        Threads that decode; by default the environment's ``LADLE_THREADS``, else the processors
        that this process may use, at most 4.
    library : str
        ``"ak"``, the only one.

    Returns
    -------
    ak.Array
        Of records. Columns of one value have that dtype, fixed dimensions are regular, variable
        ones are lists (int64 offsets from 0), text is awkward's string. Columns that cannot be read
        are left out: ``ladle.info(array).unreadable`` says why.

    Raises
    ------
    ladle.Error
        ``FileMissingError``, ``NameMissingError`` (a table or column, with the near names),
        ``UnsupportedError`` (a column named in full, or a URL), ``FormatError``, ``ReadError`` ...
        Later, when a column is touched, what its reading meets.

    Examples
    --------
    >>> events = ladle.open("nano.root", filter_name=["nJet", "Jet_*"])
    >>> events.Jet_pt[events.nJet > 3]
    """
    if library != "ak":
        raise InvalidError("INVALID", "ladle.open", f"library must be 'ak', not {library!r}")
    _check_threads(threads)
    if filter_name is not None and not isinstance(filter_name, str) and not callable(filter_name):
        filter_name = list(filter_name)  # it is read twice
    selects = name_test(filter_name)
    sources = [Source(path, table) for path, table in resolve_files(files)]
    parts = _entry_range(sources, entry_start, entry_stop)
    columns, unreadable = _common_columns(sources, selects)
    for name in exact_names(filter_name):
        if name in unreadable:
            where = f"{sources[0].path}: {sources[0].table.name}/{name}"
            raise UnsupportedError("UNSUPPORTED", where, unreadable[name])
        if name not in columns:
            sources[0].table.require(name)
    about = OpenInfo(
        files=[source.path for source in sources],
        tables=[source.table.name for source in sources],
        formats=[source.table.format for source in sources],
        n_entries=sum(part.stop - part.start for part in parts),
        columns={name: column.type for name, column in columns.items()},
        unreadable=unreadable,
    )
    return _lazy_array(columns, parts, cache, threads, about)


def _check_threads(threads: int | None) -> None:
    if threads is None:
        return
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise TypeError(f"threads must be an int or None, not {threads!r}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads!r}")


def _entry_range(sources: list[Source], start: int | None, stop: int | None) -> list[Part]:
    """Cut a range of all entries into one of each file; files outside of it have none."""
    total = sum(source.n_entries for source in sources)
    first = _entry(start, "entry_start", 0, total)
    last = max(first, _entry(stop, "entry_stop", total, total))
    parts = []
    offset = 0
    for source in sources:
        begin = min(max(first - offset, 0), source.n_entries)
        end = min(max(last - offset, 0), source.n_entries)
        parts.append(Part(source, begin, end))
        offset += source.n_entries
    used = [part for part in parts if part.stop > part.start]
    return used or parts[:1]


def _entry(value: int | None, name: str, default: int, total: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an int or None, not {value!r}")
    try:
        entry = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int or None, not {value!r}") from None
    return min(max(entry + total if entry < 0 else entry, 0), total)


def _common_columns(
    sources: list[Source], selects: Any
) -> tuple[dict[str, _core.Column], dict[str, str]]:
    """Find the columns that can be read from all files, and why the others cannot."""
    first = sources[0].table
    columns: dict[str, _core.Column] = {}
    unreadable: dict[str, str] = {}
    for index, name in enumerate(first.names()):
        if not selects(name) or name in columns or name in unreadable:
            continue
        column = first.column(index)
        reason = column.reason
        for source in sources[1:]:
            if reason is not None:
                break
            other = source.table.find(name)
            if other < 0:
                reason = f"there is none in {source.path}"
                continue
            found = source.table.column(other)
            if found.reason is not None:
                reason = f"in {source.path}: {found.reason}"
            elif found.type != column.type:
                reason = f"{column.type} in {sources[0].path}, {found.type} in {source.path}"
        if reason is None:
            columns[name] = column
        else:
            unreadable[name] = reason
    return columns, unreadable


def _lazy_array(
    columns: dict[str, _core.Column],
    parts: list[Part],
    cache: MutableMapping[str, Any] | None,
    threads: int | None,
    about: OpenInfo,
) -> ak.Array:
    import awkward as ak

    default_reader(threads)  # a wrong LADLE_THREADS is an error here, not at the first touch
    core, mapping = choose_cache(cache)
    buffers: dict[str, Buffer] = {}
    owners: dict[int, str] = {}

    def add(owner: str, name: str, buffer: int, column: _core.Column) -> str:
        """Register a buffer of column `name` that is read from column `owner`; return its key."""
        key = f"{owner}/{buffer}"
        if key in buffers:
            buffers[key].serve(name)
        else:
            is_offsets = buffer < column.n_buffers - 1
            buffers[key] = Buffer(
                owner, buffer, is_offsets, parts, core, mapping, threads, about.reads
            )
        return key

    def form_of(name: str, column: _core.Column) -> Any:
        """Build the form from the innermost dimension outwards."""
        buffer = column.n_buffers - 1
        key = add(name, name, buffer, column)
        is_text = column.is_string
        parameters = {"__array__": "char"} if is_text else None
        form: Any = ak.forms.NumpyForm(column.dtype, parameters=parameters, form_key=key)
        for depth in range(len(column.dims) - 1, -1, -1):
            size = column.dims[depth]
            if size >= 0:
                form = ak.forms.RegularForm(form, size)
                continue
            buffer -= 1
            # Columns with the same counter have the same lists: one offsets buffer serves them all.
            shared = depth == 0 and column.counter >= 0
            owner = owners.setdefault(column.counter, name) if shared else name
            parameters = {"__array__": "string"} if is_text else None
            is_text = False
            key = add(owner, name, buffer, column)
            form = ak.forms.ListOffsetForm("i64", form, parameters=parameters, form_key=key)
        return form

    names = list(columns)
    form = ak.forms.RecordForm([form_of(name, columns[name]) for name in names], names)
    return ak.from_buffers(
        form,
        about.n_entries,
        buffers,
        buffer_key=_buffer_key,
        enable_virtualarray_caching=cache is None,
        attrs={ATTRIBUTE: about},
    )


def _buffer_key(form_key: str, attribute: str, form: Any) -> str:  # noqa: ARG001
    return form_key
