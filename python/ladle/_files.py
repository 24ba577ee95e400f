"""Which files and tables a caller means: uproot's forms of `files`, for local files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ladle._errors import FileMissingError, UnsupportedError

#: What `files` may be; an alias that documents more than it can check.
Files = str | os.PathLike[str] | Mapping[Any, Any] | Iterable[Any]


def resolve_files(files: Files) -> list[tuple[str, str | None]]:
    """List the files and tables that are meant.

    Parameters
    ----------
    files : str, path, dict, or list of these
        ``"nano.root"``; ``"nano.root:Events"``; a pattern such as ``"nano*.root:Events"`` (names in
        sorted order); ``{"nano.root": "Events"}`` or ``{"nano.root": {"object_path": "Events"}}``;
        a ``pathlib.Path``. A colon is part of the file's name wherever a file of that name exists;
        in keys of a dict and in paths it always is.

    Returns
    -------
    list of (str, str or None)
        Path of each file, and of its table if one was given.

    Raises
    ------
    TypeError
        If it is none of these.
    FileMissingError
        If there is no file at all.
    UnsupportedError
        If it is a URL.
    """
    found = list(_resolve(files, parse_colon=True))
    if not found:
        raise FileMissingError("NOT_FOUND", str(files), "no such file")
    return found


def _resolve(files: Any, parse_colon: bool) -> Iterator[tuple[str, str | None]]:
    if isinstance(files, str):
        yield from _resolve_text(files, parse_colon)
    elif isinstance(files, os.PathLike):
        path = os.fspath(files)
        if not isinstance(path, str):
            raise TypeError(f"a path must be text, not {path!r}")
        yield path, None
    elif isinstance(files, Mapping):
        for key, table in files.items():
            table_path = table.get("object_path") if isinstance(table, Mapping) else table
            if table_path is not None and not isinstance(table_path, str):
                raise TypeError(f"the table of {key!r} must be a str or None, not {table_path!r}")
            for path, _ in _resolve(key, parse_colon=False):
                yield path, table_path
    elif isinstance(files, Iterable) and not isinstance(files, (bytes, bytearray)):
        for each in files:
            yield from _resolve(each, parse_colon)
    else:
        raise TypeError(
            f"files must be a path, a pattern, a dict of path and table, or a list of these, "
            f"not {files!r}"
        )


def _resolve_text(text: str, parse_colon: bool) -> Iterator[tuple[str, str | None]]:
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "file":
        text = rest
    elif separator:
        raise UnsupportedError(
            "UNSUPPORTED", text, f"{scheme}:// is not read yet, only local files"
        )
    # Text stays text: pathlib would normalise it, and messages should show what was given.
    text = os.path.expanduser(text)  # noqa: PTH111
    splits = list(_splits(text)) if parse_colon else [(text, None)]
    for path, table in splits:
        if os.path.isfile(path):  # noqa: PTH113
            yield path, table
            return
    for path, table in splits:
        matches = sorted(glob.glob(path)) if glob.has_magic(path) else []  # noqa: PTH207
        if matches:
            yield from ((match, table) for match in matches)
            return
    # Nothing is there. What stands before the last colon is what the message should name.
    path, table = splits[min(1, len(splits) - 1)]
    if not glob.has_magic(path):
        yield path, table


def _splits(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield all ways to split text at a colon, the longest path first."""
    yield text, None
    end = len(text)
    while (end := text.rfind(":", 0, end)) > 0:
        yield text[:end], text[end + 1 :].strip().strip("/")
