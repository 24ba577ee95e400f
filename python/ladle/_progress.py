"""Progress of long work, on a terminal: with rich where it is installed, else in one line."""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any

from ladle._units import format_nbytes

_INTERVAL_S = 0.2


class Progress:
    """Counts files, entries and bytes, and shows them.

    Parameters
    ----------
    unit : str
        What is counted beside files.
    n_files : int
        How many there are.
    shown : bool, optional
        By default where standard error is a terminal.
    """

    def __init__(self, unit: str, n_files: int, shown: bool | None) -> None:
        self._unit = unit
        self._n_files = n_files
        self._shown = sys.stderr.isatty() if shown is None else shown
        self._entries = 0
        self._nbytes = 0
        self._begin = time.monotonic()
        self._last = self._begin
        self._bar: Any = None
        self._width = 0

    def step(self, file: int, entries: int, nbytes: int) -> None:
        """Count one step of the `file`-th file, from 1."""
        self._entries += entries
        self._nbytes += nbytes
        now = time.monotonic()
        if not self._shown or now - self._last < _INTERVAL_S:
            return
        self._last = now
        seconds = now - self._begin
        text = (
            f"file {file} of {self._n_files}, {self._entries:,} {self._unit}, "
            f"{format_nbytes(self._nbytes)}, {self._entries / seconds:,.0f} {self._unit}/s, "
            f"{format_nbytes(int(self._nbytes / seconds))}/s"
        )
        if importlib.util.find_spec("rich") is not None:
            self._show_rich(file, text)
        else:
            sys.stderr.write("\r" + text.ljust(self._width))
            sys.stderr.flush()
            self._width = len(text)

    def _show_rich(self, file: int, text: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        if self._bar is None:
            self._bar = RichProgress(
                BarColumn(bar_width=20),
                TextColumn("{task.description}"),
                console=Console(file=sys.stderr),
                transient=True,
            )
            self._bar.start()
            self._bar.add_task(text, total=self._n_files)
        self._bar.update(self._bar.task_ids[0], completed=file - 1, description=text)

    def close(self) -> None:
        """Clear the line."""
        if self._bar is not None:
            self._bar.stop()
        elif self._width > 0:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
