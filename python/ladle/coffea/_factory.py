"""``NanoEventsFactory.from_root`` on ladle's columns."""

from __future__ import annotations

import functools
import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import awkward as ak
import coffea.nanoevents
import uproot
from coffea.nanoevents.factory import _key_formatter, _OnlySliceableAs, _reads_podio_metadata
from coffea.nanoevents.schemas import NanoAODSchema
from coffea.nanoevents.schemas.edm4hep import podio_collection_types

from ladle._collector import collector_paused
from ladle._errors import Error
from ladle._mapping import Cache
from ladle._pattern import AccessPattern, choose_pattern
from ladle.coffea._form import BaseForm
from ladle.coffea._info import SourceInfo
from ladle.coffea._mapping import LadleSourceMapping
from ladle.coffea._source import TableSource

_unset = uproot._util.unset


@dataclass(frozen=True)
class _Where:
    """A file on disk and a table in it, and what uproot has open of them already."""

    path: str
    table_path: str
    directory: Any = None


class _NotNativeError(Exception):
    """The whole factory has to be coffea's; the message says why."""


class NanoEventsFactory(coffea.nanoevents.NanoEventsFactory):  # type: ignore[misc]
    """Makes NanoEvents from files; ``from_root`` reads TTrees and RNTuples through ladle.

    Everything that is not said here is as in ``coffea.nanoevents.NanoEventsFactory``, of which this
    is a subclass.
    """

    _info: SourceInfo | None = None
    _events: Callable[[], Any]

    @classmethod
    def from_root(
        cls,
        file: Any,
        *,
        mode: str = "virtual",
        treepath: Any = _unset,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        steps_per_file: Any = _unset,
        preload: Callable[[Any], Any] | Iterable[str] | None = None,
        buffer_cache: MutableMapping[str, Any] | None = None,
        schemaclass: Any = NanoAODSchema,
        metadata: dict[str, Any] | None = None,
        uproot_options: Mapping[str, Any] | None = None,
        iteritems_options: Mapping[str, Any] | None = None,
        access_log: list[Any] | None = None,
        use_ak_forth: bool = True,
        known_base_form: dict[str, Any] | None = None,
        decompression_executor: Any = None,
        interpretation_executor: Any = None,
        prefetch: AccessPattern | bool | None = None,
    ) -> Self:
        """Build NanoEvents from a ROOT file.

        The arguments are coffea's. What differs:

        Parameters
        ----------
        file : str, pathlib.Path, dict or uproot.ReadOnlyDirectory
            A local file is opened by ladle; a directory that uproot has open is opened again by its
            path. Anything else, such as a URL or a file object, is left to coffea and uproot.
        mode : {"virtual", "eager", "dask"}
            ``"dask"`` is left to coffea and uproot.
        preload : callable or iterable of str, optional
            Names cost one pass over the file. A callable is given uproot's branches, for which
            uproot has to open the file.
        buffer_cache : mutable mapping, optional
            In a cache of ladle's, buffers stay under ladle's keys, each once. Any other mapping is
            used as coffea does.
        uproot_options, decompression_executor, interpretation_executor, use_ak_forth
            Apply to the columns that uproot reads.
        iteritems_options : dict, optional
            Applied by uproot, which then has to open the file.
        prefetch : ladle.AccessPattern or bool, optional
            As in :func:`ladle.open`: learns which native columns virtual events touch, or reads
            them ahead. Nothing for coffea's own factory.

        Returns
        -------
        NanoEventsFactory
            Its ``events()`` are those of coffea. Its ``info()`` says what is native.

        Raises
        ------
        ladle.Error
            If the file or table cannot be opened; also a ``FileNotFoundError``, ``KeyError``, ...
        ValueError
            If the mode is unknown, or the path of the tree is missing.
        """
        uproot_options = dict(uproot_options or {})
        iteritems_options = dict(iteritems_options or {})
        try:
            where = _where(file, treepath, mode, schemaclass, uproot_options)
            source = _open(where, uproot_options)
        except _NotNativeError as reason:
            factory: Self = super().from_root(
                file,
                mode=mode,
                treepath=treepath,
                entry_start=entry_start,
                entry_stop=entry_stop,
                steps_per_file=steps_per_file,
                preload=preload,
                buffer_cache=buffer_cache,
                schemaclass=schemaclass,
                metadata=metadata,
                uproot_options=uproot_options,
                iteritems_options=iteritems_options,
                access_log=access_log,
                use_ak_forth=use_ak_forth,
                known_base_form=known_base_form,
                decompression_executor=decompression_executor,
                interpretation_executor=interpretation_executor,
            )
            factory._info = SourceInfo(
                str(file), "", uproot={"*": str(reason)}, uproot_is_open=True
            )
            return factory
        seconds = {"open": source.open_seconds}
        clock = time.perf_counter()
        with collector_paused():
            base = _base_form(source, iteritems_options, schemaclass)
            clock, seconds["form"] = _lap(clock)
            mapping = LadleSourceMapping(
                source,
                base.native,
                *_entry_range(entry_start, entry_stop, source.table.n_entries),
                access_log=access_log,
                virtual=mode == "virtual",
                buffer_cache=buffer_cache,
                uproot_settings={
                    "use_ak_forth": use_ak_forth,
                    "decompression_executor": decompression_executor,
                    "interpretation_executor": interpretation_executor,
                },
                pattern=choose_pattern(prefetch, source.table.name, base.native),
            )
            factory = cls._from_mapping(
                mapping, mapping.partition_key, base.form, schemaclass, metadata, mode=mode
            )
        clock, seconds["schema"] = _lap(clock)
        if preload is not None:
            _preload(mapping, source, base, preload)
            clock, seconds["preload"] = _lap(clock)
        if mode == "virtual":
            mapping.follow_pattern()
        factory._info = _describe(source, base, seconds)
        return factory

    def events(self) -> Any:
        """Build events, as coffea does; but with one of ladle's caches the arrays hold nothing.

        coffea lets them keep offsets, indices and masks, as a cache that copies would have to make
        these again and again. ladle's lends them.
        """
        if self._mode != "virtual":
            return super().events()
        with collector_paused():
            if not isinstance(self.buffer_cache, Cache):
                return super().events()
            events = self._events()
            if events is None:
                events = self._holding_nothing()
                self._events = weakref.ref(events)
            return events

    def _holding_nothing(self) -> Any:
        form = self._schema.form
        buffer_key = functools.partial(_key_formatter, self._partition_key)
        return ak.from_buffers(
            form,
            len(self),
            self._mapping,
            buffer_key=buffer_key,
            enable_virtualarray_caching=False,
            behavior=self._schema.behavior(),
            attrs={
                "@events_factory": self,
                "@form": form,
                "@buffer_key": buffer_key,
            },
        )

    def info(self) -> SourceInfo:
        """Say which columns are read natively, which through uproot and why, and what opening cost.

        Returns
        -------
        SourceInfo
            Its ``str()`` is a summary.
        """
        if self._info is None:
            return SourceInfo("", "", uproot={"*": "not built by ladle's from_root"})
        if isinstance(self._mapping, LadleSourceMapping):
            source = self._mapping.source
            return replace(
                self._info,
                disk_nbytes=_disk_nbytes(source, set(self._info.native)),
                uproot_is_open=source.uproot_is_open,
            )
        return self._info

    @property
    def ladle_columns(self) -> LadleSourceMapping | None:
        """What :func:`ladle.prefetch` reads; ``None`` if all is read by coffea."""
        return self._mapping if isinstance(self._mapping, LadleSourceMapping) else None

    @property
    def file_handle(self) -> Any:
        """The file as uproot has it open; asking for it opens it."""
        if isinstance(self._mapping, LadleSourceMapping):
            return self._mapping.file_handle
        return super().file_handle

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "info": self._info}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._info = state.get("info")


def _lap(clock: float) -> tuple[float, float]:
    now = time.perf_counter()
    return now, now - clock


def _where(
    file: Any, treepath: Any, mode: str, schemaclass: Any, uproot_options: dict[str, Any]
) -> _Where:
    """Find out which table of which file on disk is meant.

    Raises
    ------
    _NotNativeError
        If it takes coffea's own factory to read it, or to complain about it.
    """
    if mode not in ("virtual", "eager", "dask"):
        raise _NotNativeError(f"mode {mode!r}")
    if mode == "dask":
        raise _NotNativeError("mode 'dask' is built on uproot.dask")
    if not callable(schemaclass):
        raise _NotNativeError("the schema is not a class")
    if isinstance(file, uproot.reading.ReadOnlyDirectory):
        return _where_open(file, treepath)
    path: Any
    inner: Any
    if isinstance(file, Mapping) and len(file) == 1:
        ((path, inner),) = file.items()
    elif isinstance(file, str | os.PathLike):
        path, inner = file, None
    else:
        raise _NotNativeError(f"a {type(file).__name__} is not the path of a file")
    if not isinstance(path, str | os.PathLike):
        raise _NotNativeError(f"a {type(path).__name__} is not the path of a file")
    if not isinstance(file, Mapping):
        path, inner = uproot._util.file_object_path_split(os.fspath(path))
    path = _local(os.fspath(path))
    if "handler" in uproot_options:
        raise _NotNativeError("uproot_options has a handler")
    if inner is None:
        inner = treepath
    if inner is _unset or not isinstance(inner, str):
        raise _NotNativeError("the path of the tree is missing")
    return _Where(path, inner.strip("/"))


def _where_open(directory: Any, treepath: Any) -> _Where:
    if treepath is _unset:
        raise _NotNativeError("the path of the tree is missing")
    path = directory.file.file_path
    if not isinstance(path, str):
        raise _NotNativeError("uproot reads it from an object, not from a path")
    path = _local(path)
    if not Path(path).is_file():
        raise _NotNativeError(f"{path} is not a file on disk")
    within = "/".join(directory.path)
    inner = f"{within}/{treepath}" if within else str(treepath)
    return _Where(path, inner.strip("/"), directory)


def _local(path: str) -> str:
    """Return a path on disk without a scheme."""
    scheme, separator, rest = path.partition("://")
    if not separator and "::" not in path:
        return path
    if scheme == "file" and "::" not in path:
        return rest
    raise _NotNativeError(f"{path} is not a path on disk")


def _open(where: _Where, uproot_options: dict[str, Any]) -> TableSource:
    """Open a table in ladle.

    Raises
    ------
    _NotNativeError
        If the file is sound, and ladle does not read the table.
    """
    try:
        source = TableSource(
            where.path, where.table_path, uproot_options=uproot_options, directory=where.directory
        )
    except Error as error:
        if error.status == "UNSUPPORTED":
            raise _NotNativeError(str(error)) from error
        raise
    return source


def _base_form(source: TableSource, options: dict[str, Any], schemaclass: Any) -> BaseForm:
    """Describe the table, with what coffea adds for schemas of podio."""
    base = BaseForm(source, options)
    if _reads_podio_metadata(schemaclass):
        base.form["podio_collection_types"] = podio_collection_types(source.tree)
    return base


def _entry_range(start: int | None, stop: int | None, n_entries: int) -> tuple[int, int]:
    """Apply coffea's rules: out of range means the ends."""
    if start is None or start < 0:
        start = 0
    if stop is None or stop > n_entries:
        stop = n_entries
    return start, stop


def _preload(
    mapping: LadleSourceMapping, source: TableSource, base: BaseForm, preload: Any
) -> None:
    """Read in bulk what coffea would: natively by name, the rest through uproot."""
    if callable(preload):
        names = set(source.tree.keys(filter_branch=preload, full_paths=False))
    else:
        names = set(preload)
    start, stop = mapping._start, mapping._stop
    arrays = {}
    if any(name.rpartition("/")[2] in names for name in base.foreign):
        arrays = source.tree.arrays(
            filter_branch=lambda branch: branch.name in names and branch.name not in base.native,
            entry_start=start,
            entry_stop=stop,
            ak_add_doc=True,
            how=dict,
        )
    mapping.preload(
        [name for name in base.native if name in names],
        {name: _OnlySliceableAs(array, slice(start, stop)) for name, array in arrays.items()},
    )


def _describe(source: TableSource, base: BaseForm, seconds: dict[str, float]) -> SourceInfo:
    return SourceInfo(
        path=source.path,
        table=source.object_path,
        format=source.table.format,
        native=list(base.native),
        uproot=dict(base.foreign),
        skipped=dict(base.skipped),
        seconds=seconds,
    )


def _disk_nbytes(source: TableSource, native: set[str]) -> dict[str, int]:
    """Add up what columns take in the file, which of an RNTuple only its page lists say."""
    nbytes = {"native": 0, "other": 0}
    for index, column in enumerate(source.columns):
        nbytes["native" if column.name in native else "other"] += source.table.storage(index)[1]
    return nbytes
