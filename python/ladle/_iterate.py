"""`ladle.iterate`: tables step by step, each step within the memory that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ladle import _core
from ladle._arrays import AwkwardArrays, NumpyArrays, numpy_refusal
from ladle._budget import budget_nbytes
from ladle._buffers import Source
from ladle._context import default_reader
from ladle._errors import Error, FormatError, InvalidError
from ladle._files import Files, resolve_files
from ladle._filter import NameFilter, exact_names, kept_filter, name_test
from ladle._open import check_threads, common_columns, difference, entry_number, require
from ladle._progress import Progress
from ladle._units import parse_nbytes

__all__ = ["Report", "iterate"]


@dataclass(frozen=True)
class Report:
    """Where a step lies.

    Attributes
    ----------
    file_path, object_path : str
        The file, and the table in it.
    tree_entry_start, tree_entry_stop : int
        Entries of the table.
    global_entry_start, global_entry_stop : int
        Entries of all tables, in their order. Those of a file that is skipped count, where it could
        be opened.
    nbytes : int
        Of the step's buffers, each counted once.
    """

    file_path: str
    object_path: str
    tree_entry_start: int
    tree_entry_stop: int
    global_entry_start: int
    global_entry_stop: int
    nbytes: int


def iterate(
    files: Files,
    *,
    step_size: int | str = "100 MB",
    filter_name: NameFilter = None,
    budget: int | str | None = None,
    entry_start: int | None = None,
    entry_stop: int | None = None,
    threads: int | None = None,
    library: str = "ak",
    report: bool = False,
    on_error: str = "raise",
    progress: bool | None = None,
) -> Iterator[Any]:
    """Read tables step by step, decoding the next steps while the caller works on one.

    Parameters
    ----------
    files : str, path, dict, or list of these
        As in :func:`ladle.open`; TTree and RNTuple may be mixed. A file is opened when the one
        before it begins to be read.
    step_size : int or str
        Entries of each step (the last one of a file may have fewer), or bytes such as ``"20 MB"``:
        then a step has as many entries as fit, counted by what the columns take decoded, at least
        one. A step does not reach over the end of a file; one in bytes that reaches a border of
        clusters ends there, where pages end.
    filter_name : None, str, callable, or list of str, optional
        Columns, as in :func:`ladle.open`.
    budget : int or str, optional
        Bytes of decoded steps that wait; by default half of :func:`ladle.memory.budget`. At least
        one step always waits. The steps are the same whatever the budget.
    entry_start, entry_stop : int, optional
        Range of entries, over all files. Negative counts from the end, for which all files are
        opened first.
    threads : int, optional
        Threads that decode; by default the environment's ``LADLE_THREADS``, else the processors
        that this process may use, at most 4. With 1, nothing is decoded while the caller works.
    library : str
        ``"ak"``: awkward arrays of records, as :func:`ladle.open` has them; ``"np"``: dicts of
        numpy arrays by name, in which lists are arrays of objects.
    report : bool
        Yield pairs of array and :class:`ladle.Report`.
    on_error : str
        What follows an error in a file: ``"raise"`` it, or ``"skip-file"`` leaves out the rest of
        the file, with a warning.
    progress : bool, optional
        Show progress on the terminal; by default where standard error is one.

    Yields
    ------
    ak.Array or dict, or a pair of it and its Report
        Steps in the order of their entries.

    Raises
    ------
    ladle.Error
        Of the calls of :func:`ladle.open`; and in the step whose entries cannot be read, with file,
        column, page and entries. Steps before it were right.

    Examples
    --------
    >>> for events in ladle.iterate("nano*.root", step_size="20 MB", filter_name=["nJet", "Jet_*"]):
    ...     histogram.fill(ak.flatten(events.Jet_pt))
    """
    if library not in ("ak", "np"):
        raise InvalidError(
            "INVALID", "ladle.iterate", f"library must be 'ak' or 'np', not {library!r}"
        )
    if on_error not in ("raise", "skip-file"):
        raise InvalidError(
            "INVALID", "ladle.iterate", f"on_error must be 'raise' or 'skip-file', not {on_error!r}"
        )
    check_threads(threads)
    reader = default_reader(threads)
    bound = budget_nbytes() // 2 if budget is None else parse_nbytes(budget, "budget")
    steps = _step_size(step_size)
    plan = _Plan(files, kept_filter(filter_name), library, entry_start, entry_stop, on_error)
    scan = _core.Scan(reader, **steps, budget=max(bound, 1), background=reader.threads > 1)
    return _run(plan, scan, report, on_error, progress)


def _step_size(step_size: int | str) -> dict[str, int]:
    if isinstance(step_size, str) and not step_size.strip().isdigit():
        nbytes = parse_nbytes(step_size, "step_size")
        if nbytes < 1:
            raise ValueError(f"step_size must be at least 1 byte, not {step_size!r}")
        return {"step_nbytes": nbytes}
    entries = parse_nbytes(int(step_size) if isinstance(step_size, str) else step_size, "step_size")
    if entries < 1:
        raise ValueError(f"step_size must be at least 1 entry, not {step_size!r}")
    return {"step_entries": entries}


@dataclass
class _Opened:
    """A file that is in the scan."""

    source: Source
    make: AwkwardArrays | NumpyArrays
    offset: int  # of its first entry among all


class _Plan:
    """The files in turn: each is opened, compared with the first, and added to the scan.

    Parameters
    ----------
    files, filter_name, library, entry_start, entry_stop, on_error
        As of `iterate`.
    """

    def __init__(
        self,
        files: Files,
        filter_name: NameFilter,
        library: str,
        entry_start: int | None,
        entry_stop: int | None,
        on_error: str,
    ) -> None:
        self._files = resolve_files(files)
        self._next = 0
        self._filter = filter_name
        self._library = library
        self._skips = on_error == "skip-file"
        self._offset = 0
        self._first: Source | None = None
        self._columns: list[_core.Column] = []
        self._start, self._stop = self._range(entry_start, entry_stop)
        self.n_files = len(self._files)
        #: By the numbers of the scan's parts.
        self.opened: dict[int, _Opened] = {}
        self.skipped: list[Error] = []
        # The first one at once: a wrong name is told by the call, not by the first step.
        self._ready = self._open_next()

    def _range(self, start: int | None, stop: int | None) -> tuple[int, int | None]:
        far = 1 << 62
        total = far
        if any(value is not None and value < 0 for value in (start, stop)):
            total = sum(self._count(path, table) for path, table in self._files)
        first = entry_number(start, "entry_start", 0, total)
        if stop is None:
            return first, None
        return first, max(first, entry_number(stop, "entry_stop", total, total))

    def _count(self, path: str, table: str | None) -> int:
        try:
            return Source(path, table).n_entries
        except Error:
            if not self._skips:
                raise
            return 0  # told when its turn comes

    def _open_next(self) -> Source | None:
        """Open the next file; None: there are no more."""
        while self._next < len(self._files):
            if self._stop is not None and self._offset >= self._stop:
                return None
            path, table = self._files[self._next]
            self._next += 1
            source = None
            try:
                source = Source(path, table)
                self._compare(source)
            except Error as error:
                if not self._skips:
                    raise
                self.skipped.append(error)
                if source is not None:
                    self._offset += source.n_entries
            else:
                return source
        return None

    def _compare(self, source: Source) -> None:
        if self._first is None:
            self._choose(source)
            return
        for column in self._columns:
            found = difference(column, self._first, source)
            if found is not None:
                where = f"{source.path}: {source.table.name}/{column.name}"
                raise FormatError("CORRUPT", where, f"it is not as in the files before: {found}")

    def _choose(self, source: Source) -> None:
        """Take the columns of the first file."""
        columns, unreadable = common_columns([source], name_test(self._filter))
        if self._library == "np":
            for name, column in list(columns.items()):
                reason = numpy_refusal(column)
                if reason is not None:
                    unreadable[name] = reason
                    del columns[name]
        for name in exact_names(self._filter):
            require(name, source, columns, unreadable)
        if not columns:
            where = f"{source.path}: {source.table.name}"
            raise InvalidError("INVALID", where, "no column that can be read is selected")
        self._first = source
        self._columns = list(columns.values())

    def add_next(self, scan: _core.Scan) -> bool:
        """Add the next file to the scan, if there is one and the range reaches it."""
        source = self._ready or self._open_next()
        self._ready = None
        if source is None:
            return False
        table = source.table
        start = min(max(self._start - self._offset, 0), source.n_entries)
        stop = source.n_entries
        if self._stop is not None:
            stop = min(max(self._stop - self._offset, start), stop)
        numbers = [table.find(column.name) for column in self._columns]
        columns = [table.column(number) for number in numbers]
        make = AwkwardArrays(columns) if self._library == "ak" else NumpyArrays(columns)
        part = scan.add(table, numbers, start, stop)
        self.opened[part] = _Opened(source, make, self._offset)
        self._offset += source.n_entries
        return True


def _run(
    plan: _Plan, scan: _core.Scan, report: bool, on_error: str, progress: bool | None
) -> Iterator[Any]:
    bar = Progress("entries", plan.n_files, progress)
    try:
        yield from _steps(plan, scan, report, on_error, bar)
    finally:
        scan.stop()
        bar.close()


def _steps(
    plan: _Plan, scan: _core.Scan, report: bool, on_error: str, bar: Progress
) -> Iterator[Any]:
    newest = -1
    failure: Error | None = None
    plan.add_next(scan)
    while True:
        found = scan.next()
        if found is None:
            if failure is not None:
                raise failure
            added = plan.add_next(scan)  # behind a file that had no step
            _warn(plan)
            if not added:
                return
            continue
        part, start, stop, nbytes, arrays = found
        if part > newest:  # its successor is opened while this one is read
            newest = part
            for done in [number for number in plan.opened if number < part]:
                del plan.opened[done]
            try:
                plan.add_next(scan)
            except Error as error:
                failure = error
            _warn(plan)
        opened = plan.opened[part]
        if isinstance(arrays, BaseException):
            if on_error == "raise" or not isinstance(arrays, Error):
                raise arrays
            plan.skipped.append(arrays)
            _warn(plan)
            scan.skip(part)
            continue
        array = opened.make(stop - start, arrays)
        del found, arrays
        bar.step(part + 1, stop - start, nbytes)
        if not report:
            yield array
        else:
            yield (
                array,
                Report(
                    opened.source.path,
                    opened.source.table.name,
                    start,
                    stop,
                    opened.offset + start,
                    opened.offset + stop,
                    nbytes,
                ),
            )
        del array


def _warn(plan: _Plan) -> None:
    import warnings

    for error in plan.skipped:
        warnings.warn(f"the rest of a file is skipped: {error}", stacklevel=4)
    plan.skipped.clear()
