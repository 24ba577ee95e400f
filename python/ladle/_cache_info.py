"""What a cache says of itself: a dict that prints as a table and draws itself in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from ladle._units import format_nbytes

_N_KEYS = 8
_STYLE = """
.ladle-cache{font:13px/1.5 system-ui,sans-serif;color:inherit;max-width:60em}
.ladle-cache table{border-collapse:collapse;margin:.5em 0;width:100%;color:inherit}
.ladle-cache th,.ladle-cache td{text-align:left;padding:.1em 1em .1em 0;border:0;
background:none;color:inherit;white-space:nowrap}
.ladle-cache td.n,.ladle-cache th.n{text-align:right}
.ladle-cache td.key{font-family:ui-monospace,monospace;max-width:30em;overflow:hidden;
text-overflow:ellipsis;width:100%}
.ladle-cache td.type{max-width:16em;overflow:hidden;text-overflow:ellipsis}
.ladle-cache th{font-weight:600;opacity:.7}
.ladle-cache .bar{display:flex;height:1em;min-width:16em;border-radius:2px;overflow:hidden;
background:rgba(127,127,127,.22)}
.ladle-cache .bar span{display:block;height:100%}
.ladle-cache .swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;
margin:0 .3em 0 1em}
.ladle-cache .pinned{background:#d9822b}
.ladle-cache .rest{background:#4a8fd0}
.ladle-cache .copy{background:#7fb8a4}
.ladle-cache .none{background:rgba(127,127,127,.22)}
"""


class CacheInfo(dict[str, Any]):
    """What a cache is and what it holds. A dict, printed as a table, drawn in a notebook."""

    def __repr__(self) -> str:
        rows = [
            (
                level["store"],
                format_nbytes(level["nbytes"]),
                f"of {_limit(level['budget'])}",
                f"{level['entries']} {_plural('buffer', level['entries'])}",
                _details(level),
            )
            for level in self["levels"]
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = [f"{self['class']}: {self._summary()}"]
        lines += [
            f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}} {row[2]:<{widths[2]}}  "
            f"{row[3]:>{widths[3]}}  {row[4]}".rstrip()
            for row in rows
        ]
        return "\n".join(lines)

    def _summary(self) -> str:
        stats = self["stats"]
        asked = stats["hits"] + stats["misses"]
        parts = [f"{stats['entries']} {_plural('buffer', stats['entries'])}"]
        if asked:
            parts.append(f"{100 * stats['hits'] / asked:.1f} % of {asked} look-ups hit")
        parts += [
            f"{stats[name]} {name}" for name in ("evictions", "refused", "damaged") if stats[name]
        ]
        return ", ".join(parts)

    def _repr_html_(self) -> str:
        used = self._segments()
        return "".join(
            (
                f"<style>{_STYLE}</style>",
                '<div class="ladle-cache">',
                f"<div><b>{escape(self['class'])}</b> &nbsp; {escape(self._summary())}</div>",
                "<table><tr><th>tier</th><th></th>",
                '<th class="n">at rest</th><th class="n">budget</th>',
                '<th class="n">buffers</th><th></th></tr>',
                *map(_html_level, self["levels"], used, self._scales()),
                "</table>",
                '<div><span class="swatch pinned" style="margin-left:0"></span>in use',
                '<span class="swatch rest"></span>at rest',
                '<span class="swatch copy"></span>copies, also in a tier below',
                '<span class="swatch none"></span>free</div>',
                self._html_keys("hottest keys, by look-ups", "hits", lambda value: f"{value}"),
                self._html_keys("costliest keys, by time to make them", "cost_ns", _milliseconds),
                self._html_keys(
                    "costliest keys, by time spent to bring them back", "wake_ns", _milliseconds
                ),
                "</div>",
            )
        )

    def _segments(self) -> list[tuple[int, int, int]]:
        """Split the bytes of each level into those in use, at rest, and copied from below."""
        split = [[0, 0, 0] for _ in self["levels"]]
        for entry in self["entries"]:
            where = [at for at, nbytes in enumerate(entry["level_nbytes"]) if nbytes is not None]
            for at in where:
                kind = 0 if entry["pinned"] and at == where[0] else 2 if at != where[-1] else 1
                split[at][kind] += entry["level_nbytes"][at]
        return [(one[0], one[1], one[2]) for one in split]

    def _scales(self) -> list[int]:
        """Return what the length of each bar stands for: the budget, else the largest of all."""
        largest = max(max(level["budget"], level["nbytes"]) for level in self["levels"])
        return [max(level["budget"] or largest, level["nbytes"]) or 1 for level in self["levels"]]

    def _html_keys(self, title: str, name: str, text: Callable[[int], str]) -> str:
        entries = [entry for entry in self["entries"] if entry[name] > 0]
        entries.sort(key=lambda entry: -entry[name])
        if not entries:
            return ""
        rows = "".join(
            f'<tr><td class="n">{escape(text(entry[name]))}</td>'
            f'<td class="n">{format_nbytes(entry["nbytes"])}</td>'
            f'<td class="type">{_printable(_type_of(entry))}</td>'
            f'<td class="key" title="{_printable(entry["key"])}">{_printable(entry["key"])}</td>'
            "</tr>"
            for entry in entries[:_N_KEYS]
        )
        return f'<table><tr><th colspan="4">{escape(title)}</th></tr>{rows}</table>'


def _html_level(level: dict[str, Any], used: Iterable[int], scale: int) -> str:
    bars = "".join(
        f'<span class="{kind}" style="width:{100 * nbytes / scale:.2f}%"></span>'
        for kind, nbytes in zip(("pinned", "rest", "copy"), used, strict=True)
        if nbytes > 0
    )
    return (
        f"<tr><td>{escape(level['store'])}</td>"
        f'<td style="width:100%"><div class="bar">{bars}</div></td>'
        f'<td class="n">{format_nbytes(level["nbytes"])}</td>'
        f'<td class="n">{_limit(level["budget"])}</td>'
        f'<td class="n">{level["entries"]}</td>'
        f"<td>{_printable(_details(level))}</td></tr>"
    )


def describe_levels(levels: list[dict[str, Any]]) -> str:
    """Say in a few words what each level holds.

    Parameters
    ----------
    levels : list of dict
        As a cache's ``info()["levels"]``.
    """
    texts = []
    for level in levels:
        text = format_nbytes(level["nbytes"])
        if level["budget"]:
            text += f" of {format_nbytes(level['budget'])}"
        if level["path"]:
            text += f" in {level['path']}"
        texts.append(text if len(levels) == 1 else f"{level['store']} {text}")
    return ", ".join(texts)


def _details(level: dict[str, Any]) -> str:
    parts = [level["codec"]] if level["codec"] else []
    if level["rest_nbytes"] > 0 and level["codec"]:
        parts.append(f"ratio {level['rest_raw_nbytes'] / level['rest_nbytes']:.2f}")
    if level["path"]:
        parts.append(f"{level['path']} ({format_nbytes(level['file_nbytes'])})")
    return ", ".join(parts)


def _limit(budget: int) -> str:
    return format_nbytes(budget) if budget else "no bound"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.3g} ms"


def _type_of(entry: dict[str, Any]) -> str:
    """Write the type as awkward does; of an array with a layout, with numpy's name for it."""
    kind, _, shape = entry["layout"].rpartition("|")
    if not kind:
        return f"{entry['count']} * {entry['dtype']}"
    return " * ".join([*filter(None, shape.split(",")), kind])


def _printable(text: str) -> str:
    """Escape a text that anybody may have written, for HTML and for whatever encodes it."""
    return escape(text.encode("utf-8", "backslashreplace").decode())
