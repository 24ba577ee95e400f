"""The mapping from coffea's keys to buffers, with ladle's columns behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import awkward
import numpy as np
from coffea.nanoevents.mapping import TrivialUprootOpener, UprootSourceMapping
from coffea.nanoevents.mapping.base import Accessed, BaseSourceMapping
from coffea.nanoevents.util import tuple_to_key

from ladle import _core
from ladle._ahead import Ahead
from ladle._ahead import Request as Read
from ladle._errors import UnsupportedError
from ladle._forms import paths
from ladle._pattern import AccessPattern
from ladle.cache import Cache
from ladle.coffea._buffers import CachedDelivery, Delivery, MappedDelivery
from ladle.coffea._form import BaseForm, Form
from ladle.coffea._program import (
    Array,
    NativeColumn,
    Request,
    evaluate,
    is_constant,
    loaded_names,
    plain_request,
    without_skipped,
)

if TYPE_CHECKING:
    from ladle.coffea._source import TableSource


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to get what one key asks for."""

    nodes: list[str]
    names: list[str]
    request: Request | None
    is_constant: bool


class LadleSourceMapping(BaseSourceMapping):  # type: ignore[misc]
    """Buffers of one entry range of a table, by coffea's keys.

    Parameters
    ----------
    source : TableSource
        The table.
    native : dict of str to int
        The columns that ladle reads, and their indices. All others are read through uproot.
    start, stop : int
        The entries.
    access_log : list, optional
        Is appended an ``Accessed(branch, buffer_key)`` for each column that a missing buffer needs.
    virtual : bool
        Whether values are callables that read, for virtual arrays, or the buffers themselves.
    buffer_cache : mutable mapping, optional
        Where buffers stay: a cache of ladle's, or any other.
    uproot_settings : dict
        Arguments of coffea's ``UprootSourceMapping`` for the columns that uproot reads.
    pattern : ladle.AccessPattern, optional
        Learns what is touched, or reads it ahead.

    Notes
    -----
    May be used from several threads. Pickles as what it takes to open the file again.
    """

    def __init__(
        self,
        source: TableSource,
        native: dict[str, int],
        start: int,
        stop: int,
        *,
        access_log: list[Any] | None = None,
        virtual: bool = True,
        buffer_cache: Any = None,
        uproot_settings: dict[str, Any] | None = None,
        pattern: AccessPattern | None = None,
    ) -> None:
        super().__init__(
            fileopener=TrivialUprootOpener({source.uuid: source.path}, source.uproot_options),
            start=start,
            stop=stop,
            cache={},
            access_log=access_log,
            virtual=virtual,
            buffer_cache=buffer_cache,
        )
        self._source = source
        self._native = native
        self._uproot_settings = dict(uproot_settings or {})
        self._preloaded: list[str] | None = None
        self._pattern = pattern
        self._follows_late = False
        self._prepare()

    def _prepare(self) -> None:
        self._uproot: Any = None
        self._prefix = tuple_to_key(self.partition_key)
        self._plans: dict[str, _Plan] = {}

    @cached_property
    def _delivery(self) -> Delivery:
        where = (self._source, self._start, self._stop)
        if self._buffer_cache is None:
            return Delivery(*where)
        if isinstance(self._buffer_cache, Cache):
            return CachedDelivery(*where, self._buffer_cache)
        return MappedDelivery(*where, self._prefix, self._buffer_cache)

    def follow_pattern(self) -> None:
        """Let the pattern learn, or begin to read ahead what it has learned."""
        if self._pattern is not None:
            self.ahead.follow(self._pattern, self.requests)

    @property
    def ahead(self) -> Ahead:
        """Through which native columns are read."""
        return self._delivery.ahead

    def columns(self) -> Iterable[_core.Column]:
        """Return the native columns."""
        return [self._source.columns[index] for index in self._native.values()]

    def require(self, name: str) -> None:
        """Raise unless there is a native column, or a record with one, of that name."""
        if name in self._native or any(name in paths(each) for each in self.columns()):
            return
        self._source.table.require(name)
        reason = self._source.not_native.get(name, "it is no column of these events")
        where = f"{self._source.path}: {self._source.table.name}/{name}"
        raise UnsupportedError("UNSUPPORTED", where, reason)

    def requests(self, name: str, buffer: int) -> list[Read]:
        """Return what reads one buffer of a column."""
        index = self._native.get(name)
        return [] if index is None else self._delivery.reads((index, buffer))

    def derived(self, names: set[str]) -> list[str]:
        """Return coffea's keys of what was worked out of these columns, each before others."""
        return [
            key
            for key, plan in list(self._plans.items())
            if plan.request is None and not names.isdisjoint(plan.names[:1])
        ]

    @property
    def partition_key(self) -> tuple[str, str, str]:
        """UUID of the file, path of the table, entry range: where all keys begin."""
        return self._source.uuid, self._source.object_path, f"{self._start}-{self._stop}"

    @property
    def preloaded_arrays(self) -> dict[str, Any] | None:
        """What was preloaded, by name; ``None`` if nothing was asked for."""
        if self._preloaded is None:
            return None
        native = {
            name: awkward.Array(self.get_column_handle(self._source, name, False).layout())
            for name in self._preloaded
        }
        others: dict[str, Any] = self._uproot_settings["preloaded_arrays"]
        return native | others

    def preload(self, names: list[str], arrays: dict[str, Any]) -> None:
        """Read native columns in one pass over the file, and hold them.

        Parameters
        ----------
        names : list of str
            Columns that ladle reads.
        arrays : dict of str to awkward.Array
            Columns that uproot has read.
        """
        self._preloaded = names
        self._uproot_settings["preloaded_arrays"] = arrays
        columns = self._source.columns
        self._delivery.preload(
            [
                (index, buffer)
                for index in (self._native[name] for name in names)
                for buffer in range(columns[index].n_buffers)
            ]
        )

    @property
    def file_handle(self) -> Any:
        """The file in uproot, which is opened if nobody has asked for it yet.

        As in coffea: the directory that the caller gave, or uproot's file.
        """
        source = self._source
        return source.directory.file if source.given_directory is None else source.given_directory

    @property
    def source(self) -> TableSource:
        """The table that is read."""
        return self._source

    def __getitem__(self, key: str) -> Any:
        if self._virtual:
            return partial(self._load, key)
        return self._load(key)

    def _load(self, key: str) -> Array:
        if self._follows_late:
            self._follows_late = False
            self.follow_pattern()
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(key)
        missed = None if self._access_log is None else partial(self._log, plan.names, key)
        if plan.request is not None:
            return self._delivery.direct(plan.request, key, missed)
        make = partial(evaluate, plan.nodes, self._loaded)
        if plan.is_constant:
            return self._delivery.constant(key, make, missed)
        return self._delivery.derived(key, make, missed)

    def _log(self, names: list[str], key: str) -> None:
        self._access_log.extend(Accessed(branch=name, buffer_key=key) for name in names)

    def _plan(self, key: str) -> _Plan:
        uuid, path, start, stop, _, nodes = self.interpret_key(key)
        if (uuid, path, f"{start}-{stop}") != self.partition_key:
            raise KeyError(f"{key} is not of {self._prefix}")
        nodes = without_skipped(nodes)
        return _Plan(nodes, loaded_names(nodes), self._request(nodes), is_constant(nodes))

    def _request(self, nodes: list[str]) -> Request | None:
        """Return the native buffer that a program asks for, if it is one."""
        if nodes[1:] == ["!load", "!counts2offsets"]:
            counted = self._delivery.counted_by(self._native.get(nodes[0], -1))
            return None if counted is None else (counted, 0)
        found = plain_request(nodes, self._column)
        return None if found is None else (self._native[found[0]], found[1])

    def _column(self, name: str) -> _core.Column | None:
        index = self._native.get(name)
        return None if index is None else self._source.columns[index]

    def _loaded(self, name: str, allow_missing: bool) -> Any:
        handle = self.get_column_handle(self._source, name, allow_missing)
        return self.extract_column(handle, self._start, self._stop, allow_missing)

    @classmethod
    def _extract_base_form(
        cls, source: TableSource, iteritems_options: Mapping[str, Any] | None = None
    ) -> Form:
        return BaseForm(source, iteritems_options or {}).form

    def key_root(self) -> str:
        """Return what coffea puts before its keys of open sources."""
        return "LadleSourceMapping:"

    def get_column_handle(self, columnsource: TableSource, name: str, allow_missing: bool) -> Any:
        """Return the native column of that name, or uproot's branch."""
        index = self._native.get(name)
        if index is not None:
            column = columnsource.columns[index]
            return NativeColumn(self._delivery, index, column, self._stop - self._start)
        return self._uproot_mapping().get_column_handle(columnsource.tree, name, allow_missing)

    def extract_column(
        self, columnhandle: Any, start: int, stop: int, allow_missing: bool, **_: Any
    ) -> Any:
        """Return a native column before it is read, or an array of uproot's.

        A column that is allowed to be missing is an option-type array, as in coffea.
        """
        if not isinstance(columnhandle, NativeColumn):
            return self._uproot_mapping().extract_column(
                columnhandle,
                start,
                stop,
                allow_missing,
                use_ak_forth=self._uproot_settings.get("use_ak_forth", True),
            )
        if not allow_missing:
            return columnhandle
        index = awkward.index.Index64(np.arange(stop - start, dtype=np.int64))
        return awkward.Array(awkward.contents.IndexedOptionArray(index, columnhandle.layout()))

    def _uproot_mapping(self) -> Any:
        """Return coffea's own mapping, for the columns that uproot reads."""
        if self._uproot is None:
            self._uproot = UprootSourceMapping(
                self._fileopener, self._start, self._stop, cache={}, **self._uproot_settings
            )
        return self._uproot

    def __len__(self) -> int:
        return int(self._stop - self._start)

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("the keys are those of a form: see Form.expected_from_buffers")

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_delivery", "_plans", "_uproot"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()
        self._follows_late = True  # not before the file is needed
