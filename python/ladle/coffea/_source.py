"""One table of one file: open in ladle at once, in uproot only if somebody asks."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

import uproot

from ladle import _core
from ladle._context import default_context
from ladle.coffea._form import not_native


class TableSource:
    """A table, and what is needed to open it again in another process, forked or far away.

    Parameters
    ----------
    path : str
        Of the file, on disk.
    table_path : str
        Of the table in it, with or without a cycle.
    uproot_options : dict
        For ``uproot.open``, should it be needed.
    directory : uproot.ReadOnlyDirectory, optional
        The file, where the caller has it open in uproot already.
    """

    _opened: tuple[int, _core.File, _core.Table] | None

    def __init__(
        self,
        path: str,
        table_path: str,
        *,
        uproot_options: dict[str, Any] | None = None,
        directory: Any = None,
    ) -> None:
        self.path = path
        self.uproot_options = dict(uproot_options or {})
        self.given_directory = directory
        self._open(table_path)
        self.uuid = self.table.file_uuid
        self.object_path = self._object_path(table_path)

    def _open(self, table_path: str) -> None:
        start = time.perf_counter()
        file = _core.File(default_context(), self.path)
        self._opened = (_core.forks(), file, file.table(table_path))
        self.open_seconds = time.perf_counter() - start

    def _reopen(self) -> None:
        """Open the table in another process than the one that made this."""
        self._open(self.object_path.lstrip("/"))
        if self.table.file_uuid != self.uuid:
            self._opened = None
            raise RuntimeError(
                f"UUID of file {self.path} does not match expected value ({self.uuid})"
            )

    @property
    def table(self) -> _core.Table:
        """The table, as ladle has it open in this process."""
        return self._handles()[2]

    @property
    def file(self) -> _core.File:
        """The file, as ladle has it open in this process."""
        return self._handles()[1]

    def _handles(self) -> tuple[int, _core.File, _core.Table]:
        if self._opened is None or self._opened[0] != _core.forks():
            self._reopen()
        assert self._opened is not None
        return self._opened

    def _object_path(self, table_path: str) -> str:
        """Return the path with the cycle, as uproot and therefore coffea's keys write it."""
        wanted = table_path.rpartition(";")[2] if ";" in table_path else None
        cycles = [
            key["cycle"]
            for key in self.file.keys()  # noqa: SIM118 - a method, not a mapping
            if key["path"] == self.table.name and key["is_table"]
        ]
        cycle = max(cycles) if wanted is None else int(wanted)
        return f"/{self.table.name};{cycle}"

    @cached_property
    def columns(self) -> list[_core.Column]:
        """Descriptions of all columns, in the order of the table."""
        return [self.table.column(index) for index in range(self.table.n_columns)]

    @cached_property
    def not_native(self) -> dict[str, str]:
        """Columns that ladle does not read, and why."""
        is_tree = self.table.format == "TTree"
        reasons = ((column.name, not_native(column, is_tree)) for column in self.columns)
        return {name: reason for name, reason in reasons if reason is not None}

    @cached_property
    def directory(self) -> Any:
        """The file in uproot, opened on first use unless the caller has it open."""
        if self.given_directory is not None:
            return self.given_directory
        directory = uproot.open({self.path: None}, **self.uproot_options)
        if str(directory.file.uuid) != self.uuid:
            raise RuntimeError(
                f"UUID of file {self.path} does not match expected value ({self.uuid})"
            )
        return directory

    @cached_property
    def tree(self) -> Any:
        """The table in uproot, opened on first use."""
        return self.directory.file.root_directory[self.object_path]

    @property
    def uproot_is_open(self) -> bool:
        """Whether uproot has the file open too."""
        return self.given_directory is not None or "directory" in self.__dict__

    def find(self, name: str) -> int | None:
        """Return the index of the column of that exact name."""
        index: int = self.table.find(name)
        return None if index < 0 else index

    def __getstate__(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "object_path": self.object_path,
            "uproot_options": self.uproot_options,
            "uuid": self.uuid,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self.object_path = state["object_path"]
        self.uproot_options = state["uproot_options"]
        self.uuid = state["uuid"]
        self.open_seconds = 0.0
        self.given_directory = None
        self._opened = None
