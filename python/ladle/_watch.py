"""What the memory of this process does while something runs: a watch, and its verdict."""

from __future__ import annotations

import gc
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ladle import _core
from ladle._context import default_context
from ladle._units import format_nbytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# As the rows of _core.Watch.samples().
FIGURES = (
    "kind",
    "time_ns",
    "threads",
    "rss",
    "anonymous",
    "file",
    "shared",
    "live",
    "heap",
    "heap_free",
    "heap_returnable",
    "heap_arenas",
    "python_arenas",
    "ladle",
)
_LADLE = "ladle"
_KIND_BEFORE_COLLECT = 3
_COLOURS = {
    "live": "#2369ad",
    "garbage cycles": "#8d4a92",
    "rounding": "#8dbde3",
    "free, returnable": "#f0c65a",
    "free, pinned": "#d95f22",
    "Python arenas": "#2c9a76",
    "file pages": "#848d96",
    _LADLE: "#7a5c3a",
    "rest": "#c2c8cd",
}
_MEANING = {
    "live": "asked for and not freed",
    "garbage cycles": "unreachable, freed by gc.collect()",
    "rounding": "lost to rounding up",
    "free, returnable": "held by the allocator; trim() gives it back",
    "free, pinned": "held by the allocator, beside live blocks",
    "Python arenas": "small Python objects, used or not",
    "file pages": "program code, mapped files",
    _LADLE: "ladle's own blocks, caches and pool",
    "rest": "stacks, static data, other mappings",
}
_STYLE = """
.ladle-watch{font:13px/1.5 system-ui,sans-serif;color:inherit;max-width:60em}
.ladle-watch table{border-collapse:collapse;margin:.5em 0;color:inherit}
.ladle-watch th,.ladle-watch td{text-align:left;padding:.1em 1em .1em 0;border:0;
background:none;color:inherit}
.ladle-watch td.n,.ladle-watch th.n{text-align:right;white-space:nowrap}
.ladle-watch th{font-weight:600;opacity:.7}
.ladle-watch .swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;
margin-right:.4em}
.ladle-watch svg{width:100%;height:auto;display:block}
.ladle-watch svg text{font:11px system-ui,sans-serif;fill:currentColor;opacity:.75}
"""

Figures = np.ndarray[Any, np.dtype[np.void]]
Bytes = np.ndarray[Any, np.dtype[np.int64]]


class Verdict(NamedTuple):
    """What the growth of resident memory comes from.

    Attributes
    ----------
    kind : str
        ``"leak"``, ``"fragmentation"``, ``"retention"``, ``"garbage cycles"``, ``"levels off"``,
        ``"file pages"``, ``"no growth"`` or ``"not enough evidence"``.
    sentence : str
        The cause and its evidence, with figures.
    cure : str
        What to do about it; empty where nothing is to be done.
    peak_rss, final_rss : int
        Bytes.
    garbage, trimmed : int or None
        Bytes that the collection, and the trim, at the end freed; ``None``: not tried.
    leak_rate : float
        Bytes a second by which what is live grows, where that is the verdict; else 0.
    """

    kind: str
    sentence: str
    cure: str
    peak_rss: int
    final_rss: int
    garbage: int | None
    trimmed: int | None
    leak_rate: float


class Watch:
    """Samples of this process's memory, taken by a thread in C that never waits for Python.

    Made by :func:`ladle.memory.watch`. In a ``with`` statement it runs as long as the block does.
    In a notebook it draws itself; its ``repr`` is a table. A watch that runs can be asked, too.

    Parameters
    ----------
    interval : float
        Seconds between samples.
    probe : bool
        Whether :meth:`stop` collects garbage and lets the allocator give back.
    """

    def __init__(self, interval: float, probe: bool) -> None:
        if not 0.001 <= interval <= 1000:
            raise ValueError(f"interval must be 0.001 to 1000 seconds, not {interval!r}")
        self._interval_ns = round(interval * 1e9)
        self._probe = probe
        self._core: _core.Watch | None = None
        self._forks = -1
        self._runs = False

    def start(self) -> Watch:
        """Begin a new record, and forget the one before.

        Returns
        -------
        Watch
            Itself.
        """
        if self._is_running():
            raise RuntimeError("this watch is running: stop it first")
        self._core = _core.Watch(default_context(), self._interval_ns)
        self._forks = _core.forks()
        self._runs = True
        return self

    def stop(self) -> Watch:
        """End the record. Twice is allowed.

        The probe runs Python's collector once and then lets the allocator return what it can, each
        between two samples: so the verdict knows what was garbage and what was held for nothing.

        Returns
        -------
        Watch
            Itself.
        """
        core = self._get()
        if not self._runs:
            return self
        self._runs = False
        core.stop()
        if self._probe:
            core.sample("before collect")
            gc.collect()
            core.sample("after collect")
        core.sample("end")
        if self._probe and _core.allocator_trim():
            core.sample("after trim")
        return self

    def __enter__(self) -> Watch:
        return self.start()

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A child that was forked in the block has no thread, and leaves the record to its parent.
        if self._is_running():
            self.stop()

    def _is_running(self) -> bool:
        return self._runs and self._forks == _core.forks()

    def _get(self) -> _core.Watch:
        if self._core is None:
            raise RuntimeError("this watch was never started")
        return self._core

    @property
    def samples(self) -> Figures:
        """The samples in order of time, as a structured array.

        Its fields are ``kind`` (0: at the start, 1: while it ran, 3 and 4: before and after the
        collection, 5: at the end, 6: after the trim), ``time_s`` since the start, ``threads``, and
        in bytes, -1 where it is not known: ``rss``, ``anonymous``, ``file``, ``shared`` by the
        kernel; ``live``, ``heap``, ``heap_free``, ``heap_returnable`` and the number
        ``heap_arenas`` by the allocator; ``python_arenas``; ``ladle`` on ladle's ledger.
        """
        return self._read()[0]

    def split(self) -> dict[str, Bytes]:
        """Split the resident memory of each sample into shares.

        Returns
        -------
        dict of str to numpy.ndarray
            Bytes, by share; they add up to ``samples["rss"]``. ``"live"``, ``"rounding"``,
            ``"free, returnable"`` and ``"free, pinned"`` are malloc's; ``"Python arenas"``,
            ``"file pages"``, ``"ladle"`` and ``"rest"`` are not. ``"garbage cycles"`` is in the
            shares of what holds it until the collection at the end; ``verdict.garbage`` is its
            size.
        """
        return self._read()[1]

    def _read(self) -> tuple[Figures, dict[str, Bytes]]:
        """Return samples and their split, both of one moment."""
        figures, shares = self._get().read()
        rows = _rows(figures, len(FIGURES))
        names = ["time_s" if name == "time_ns" else name for name in FIGURES]
        samples = np.empty(
            len(rows), [(name, np.float64 if name == "time_s" else np.int64) for name in names]
        )
        for name, column in zip(names, rows.T, strict=True):
            samples[name] = column / 1e9 if name == "time_s" else column
        share_names = _core.share_names()
        columns = _rows(shares, len(share_names)).T.copy()
        split: dict[str, Bytes] = dict(zip(share_names, columns, strict=True))
        # The ledger counts pages that were never touched, too.
        rest = split.pop("rest")
        split[_LADLE] = np.minimum(samples["ladle"], rest)
        split["rest"] = rest - split[_LADLE]
        return samples, split

    @property
    def verdict(self) -> Verdict:
        """Where the growth of resident memory comes from, by all samples so far."""
        found = self._get().judge()
        for name in ("garbage", "trimmed"):
            found[name] = None if found[name] < 0 else found[name]
        return Verdict(**found)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the shares over time, stacked, with matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default the current axes.

        Returns
        -------
        matplotlib.axes.Axes
            With time in seconds and memory in MB (1,000,000 bytes).
        """
        from matplotlib import pyplot as plt

        ax = plt.gca() if ax is None else ax
        samples, split = self._read()
        shares = {name: nbytes for name, nbytes in split.items() if nbytes.any()}
        ax.stackplot(
            samples["time_s"],
            *(nbytes / 1e6 for nbytes in shares.values()),
            labels=list(shares),
            colors=[_COLOURS[name] for name in shares],
            linewidth=0,
        )
        ax.set_xlabel("time, s")
        ax.set_ylabel("resident memory, MB")
        ax.set_title(self.verdict.kind)
        ax.margins(x=0)
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1, 1))
        return ax

    def _table(self) -> list[tuple[str, int, int, int]]:
        """List each share with its bytes at the start, at the peak of RSS, and at the end."""
        samples, split = self._read()
        before_probe = np.flatnonzero(samples["kind"] <= _KIND_BEFORE_COLLECT)
        last = int(before_probe[-1])
        peak = int(np.argmax(samples["rss"][: last + 1]))
        columns = {"rss": samples["rss"]} | {
            name: nbytes for name, nbytes in split.items() if nbytes.any()
        }
        return [
            (name, int(nbytes[0]), int(nbytes[peak]), int(nbytes[last]))
            for name, nbytes in columns.items()
        ]

    def __repr__(self) -> str:
        if self._core is None:
            return "<ladle.memory.watch, not started>"
        if self._forks != _core.forks():
            return "<ladle.memory.watch of the parent process>"
        verdict = self.verdict
        lines = [f"{verdict.kind}: {verdict.sentence}"]
        if verdict.cure:
            lines.append(f"cure: {verdict.cure}")
        lines.append(f"{'':<16} {'start':>8} {'peak':>8} {'end':>8}")
        lines += [
            f"{name:<16} {format_nbytes(start):>8} {format_nbytes(peak):>8} "
            f"{format_nbytes(end):>8}  {_MEANING.get(name, 'all that is resident')}"
            for name, start, peak, end in self._table()
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if self._core is None or self._forks != _core.forks():
            return escape(repr(self))
        verdict = self.verdict
        rows = "".join(
            f'<tr><td><span class="swatch" style="background:{_COLOURS.get(name, "none")}"></span>'
            f"{escape(name)}</td>"
            f'<td class="n">{format_nbytes(start)}</td><td class="n">{format_nbytes(peak)}</td>'
            f'<td class="n">{format_nbytes(end)}</td>'
            f"<td>{_MEANING.get(name, 'all that is resident')}</td></tr>"
            for name, start, peak, end in self._table()
        )
        return (
            f'<style>{_STYLE}</style><div class="ladle-watch">'
            f"<div><b>{escape(verdict.kind)}</b>: {escape(verdict.sentence)}</div>"
            f"<div>{escape(verdict.cure)}</div>{self._svg()}"
            '<table><tr><th></th><th class="n">start</th><th class="n">peak</th>'
            f'<th class="n">end</th><th></th></tr>{rows}</table></div>'
        )

    def _svg(self) -> str:
        """Draw the shares over time, stacked, as text of an SVG element."""
        width, height, left, bottom = 640.0, 200.0, 60.0, 20.0
        samples, split = self._read()
        stacked = np.cumsum(np.stack(list(split.values())), axis=0)
        times = samples["time_s"]
        highest = float(stacked[-1].max()) or 1.0
        longest = float(times[-1]) or 1.0
        x = left + (width - left) * times / longest
        y = (height - bottom) * (1 - stacked / (highest * 1.05))
        lower = np.full(len(x), height - bottom)
        paths = []
        for name, upper in zip(split, y, strict=True):
            if split[name].any():
                edge = [*zip(x, upper, strict=True), *zip(x[::-1], lower[::-1], strict=True)]
                points = " ".join(f"{one:.1f},{other:.1f}" for one, other in edge)
                paths.append(
                    f'<polygon points="{points}" fill="{_COLOURS[name]}">'
                    f"<title>{escape(name)}</title></polygon>"
                )
            lower = upper
        base = height - bottom
        return (
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
            'aria-label="resident memory by share over time">'
            f"{''.join(paths)}"
            f'<text x="{left - 6}" y="12" text-anchor="end">{format_nbytes(int(highest))}</text>'
            f'<text x="{left - 6}" y="{base}" text-anchor="end">0</text>'
            f'<text x="{left}" y="{height - 4}">0 s</text>'
            f'<text x="{width}" y="{height - 4}" text-anchor="end">{longest:.3g} s</text></svg>'
        )


def _rows(data: bytes, width: int) -> Bytes:
    return np.frombuffer(data, dtype=np.int64).reshape(-1, width)
