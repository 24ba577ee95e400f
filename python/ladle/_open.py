"""`ladle.open`: tables as lazy awkward arrays.

An array is made of buffers that are read when an operation asks for them. Without a cache awkward
keeps what it asked for; with one it keeps nothing, so that a buffer is pinned only while an
operation uses it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from ladle import _core
from ladle._ahead import Ahead
from ladle._buffers import Buffer, Columns, Part, Source, choose_cache
from ladle._collector import collector_paused
from ladle._context import default_reader
from ladle._errors import InvalidError, UnsupportedError
from ladle._files import Files, resolve_files
from ladle._filter import NameFilter, exact_names, kept_filter, name_test
from ladle._forms import Forms, paths, refusal, variant_path
from ladle._info import ATTRIBUTE, OpenInfo
from ladle._pattern import AccessPattern, choose_pattern
from ladle._prefetch import ATTRIBUTE as COLUMNS

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
    prefetch: AccessPattern | bool | None = None,
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
        (``"/Jet_.*/i"``), a function of the name, or a list of names and patterns. What selects a
        record selects the columns in it: ``"jets"`` all, ``"jets.pt"`` one. A name that is given in
        full must exist and be readable.
    entry_start, entry_stop : int, optional
        Range of entries, over all files. Negative counts from the end; beyond the end means the
        end.
    threads : int, optional
        Threads that decode; by default the environment's ``LADLE_THREADS``, else the processors
        that this process may use, at most 4.
    library : str
        ``"ak"``, the only one.
    prefetch : ladle.AccessPattern or bool, optional
        Learns in which order the array is touched, or reads ahead in the order that it learned from
        an array before. ``True``: the process's own pattern for this table's name and columns.

    Returns
    -------
    ak.Array
        Of records, one field for each top-level name. One value has its dtype, fixed dimensions are
        regular, variable ones are lists (int64 offsets from 0), text is awkward's string; records,
        tuples, options and variants are awkward's, to any depth. Columns that cannot be read are
        left out: ``ladle.info(array).unreadable`` says why.

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
    check_threads(threads)
    filter_name = kept_filter(filter_name)
    selects = name_test(filter_name)
    sources = [Source(path, table) for path, table in resolve_files(files)]
    parts = _entry_range(sources, entry_start, entry_stop)
    with collector_paused():
        columns, unreadable = common_columns(sources, selects)
        for name in exact_names(filter_name):
            require(name, sources[0], columns, unreadable)
        about = OpenInfo(
            files=[source.path for source in sources],
            tables=[source.table.name for source in sources],
            formats=[source.table.format for source in sources],
            n_entries=sum(part.stop - part.start for part in parts),
            columns={name: column.type for name, column in columns.items()},
            unreadable=unreadable,
        )
        pattern = choose_pattern(prefetch, about.tables[0], columns)
        return _lazy_array(columns, parts, cache, threads, about, pattern)


def check_threads(threads: int | None) -> None:
    if threads is None:
        return
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise TypeError(f"threads must be an int or None, not {threads!r}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads!r}")


def _entry_range(sources: list[Source], start: int | None, stop: int | None) -> list[Part]:
    """Cut a range of all entries into one of each file; files outside of it have none."""
    total = sum(source.n_entries for source in sources)
    first = entry_number(start, "entry_start", 0, total)
    last = max(first, entry_number(stop, "entry_stop", total, total))
    parts = []
    offset = 0
    for source in sources:
        begin = min(max(first - offset, 0), source.n_entries)
        end = min(max(last - offset, 0), source.n_entries)
        parts.append(Part(source, begin, end))
        offset += source.n_entries
    used = [part for part in parts if part.stop > part.start]
    return used or parts[:1]


def entry_number(value: int | None, name: str, default: int, total: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an int or None, not {value!r}")
    try:
        entry = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int or None, not {value!r}") from None
    return min(max(entry + total if entry < 0 else entry, 0), total)


def require(
    name: str, source: Source, columns: dict[str, _core.Column], unreadable: dict[str, str]
) -> None:
    """Raise unless there is a column, or a record with one, of that name."""
    if name in columns or any(name in paths(each) for each in columns.values() if each.members):
        return
    for column, reason in unreadable.items():
        if name in paths(source.table.column(source.table.find(column))):
            where = f"{source.path}: {source.table.name}/{column}"
            raise UnsupportedError("UNSUPPORTED", where, reason)
    source.table.require(name)


def common_columns(
    sources: list[Source], selects: Callable[[str], bool]
) -> tuple[dict[str, _core.Column], dict[str, str]]:
    """Find the columns that can be read from all files, and why the others cannot."""
    columns: dict[str, _core.Column] = {}
    unreadable: dict[str, str] = {}
    layouts: dict[str, Any] = {}
    for column in _selected(sources[0].table, selects):
        reason = column.reason or refusal(column) or _misfit(column, layouts)
        for source in sources[1:]:
            if reason is None:
                reason = difference(column, sources[0], source)
        if reason is None:
            columns[column.name] = column
        else:
            unreadable[column.name] = reason
    _keep_variants_whole(sources, columns, unreadable)
    return columns, unreadable


def _selected(table: _core.Table, selects: Callable[[str], bool]) -> list[_core.Column]:
    """Find what a filter selects: by the name of a column or of a record that it lies in.

    Alternatives of a variant are selected together.
    """
    answers: dict[str, bool] = {}

    def asked(name: str) -> bool:
        if name not in answers:
            answers[name] = bool(selects(name))
        return answers[name]

    columns: dict[str, _core.Column] = {}
    left: dict[str, _core.Column] = {}
    variants: set[str] = set()
    for index, name in enumerate(table.names()):
        if "." not in name:
            if asked(name) and name not in columns:
                columns[name] = table.column(index)
            continue
        column = table.column(index)
        chosen = any(asked(path) for path in paths(column))
        (columns if chosen else left).setdefault(name, column)
        variant = variant_path(column)
        if chosen and variant is not None:
            variants.add(variant)
    if not variants:
        return list(columns.values())
    columns |= {name: each for name, each in left.items() if variant_path(each) in variants}
    return list(columns.values())


def _misfit(column: _core.Column, layouts: dict[str, Any]) -> str | None:
    """Tell whether a column shares its path with what is no record there. Fills `layouts`."""
    for path, (depth, _) in zip(paths(column), column.members, strict=False):
        outside = column.dims[:depth]
        if layouts.setdefault(path, outside) != outside:
            return f"{path} is not one record: its columns lie in different lists"
    if layouts.setdefault(column.name, column) is not column:
        return f"{column.name} is a column and a record"
    return None


def difference(column: _core.Column, first: Source, source: Source) -> str | None:
    """Tell why a column of the first file is not that of another, or None."""
    index = source.table.find(column.name)
    if index < 0:
        return f"there is none in {source.path}"
    found = source.table.column(index)
    if found.reason is not None:
        return f"in {source.path}: {found.reason}"
    if found.type != column.type or found.dims != column.dims:
        return f"{column.type} in {first.path}, {found.type} in {source.path}"
    # A record outside of all lists is no more than a name, which a TTree has as well.
    if [each for each in found.members if each[0]] != [each for each in column.members if each[0]]:
        return f"its records in {first.path} are others than in {source.path}"
    return None


def _keep_variants_whole(
    sources: list[Source], columns: dict[str, _core.Column], unreadable: dict[str, str]
) -> None:
    """Leave out variants of which an alternative cannot be read, or is in some files only."""
    whence = " from all files" if len(sources) > 1 else ""
    variants: dict[str, list[str]] = {}
    for name, column in columns.items():
        path = variant_path(column)
        if path is not None:
            variants.setdefault(path, []).append(name)
    for path, names in variants.items():
        for source in sources:
            below = [name for name in source.table.names() if name.startswith(f"{path}.")]
            missing = set(below) - set(names)
            if missing:
                reason = f"{min(missing)}, of the same variant, cannot be read{whence}"
                unreadable |= dict.fromkeys(names, reason)
                for name in names:
                    columns.pop(name, None)


def _lazy_array(
    columns: dict[str, _core.Column],
    parts: list[Part],
    cache: MutableMapping[str, Any] | None,
    threads: int | None,
    about: OpenInfo,
    pattern: AccessPattern | None,
) -> ak.Array:
    import awkward as ak

    default_reader(threads)  # a wrong LADLE_THREADS is an error here, not at the first touch
    core, mapping = choose_cache(cache)
    ahead = Ahead(core, threads)
    shared: dict[Any, Buffer] = {}

    def register(group: list[_core.Column], index: int, role: str) -> Buffer:
        """Find the buffer that these columns have, and all of the same owner."""
        name = group[0].name
        key: Any = (
            name if role == "data" else (role, *(_owner(part, name, index) for part in parts))
        )
        if key not in shared:
            shared[key] = Buffer(role, parts, ahead, mapping, threads, about.reads)
        for column in group:
            shared[key].serve(column.name, index)
        return shared[key]

    forms = Forms(register)
    form = forms.array(columns.values())
    reads_from = Columns(ahead, parts[0].source, columns, about.unreadable, shared.values())
    if pattern is not None:
        ahead.follow(pattern, reads_from.requests)
    return ak.from_buffers(
        form,
        about.n_entries,
        forms.buffers,
        buffer_key=_buffer_key,
        enable_virtualarray_caching=cache is None,
        attrs={ATTRIBUTE: about, COLUMNS: reads_from},
    )


def _buffer_key(form_key: str, attribute: str, form: Any) -> str:  # noqa: ARG001
    return f"{form_key}-{attribute}"  # awkward's own, without a format to parse each time


def _owner(part: Part, name: str, index: int) -> str:
    table = part.source.table
    return table.buffers(table.find(name))[index][3]
