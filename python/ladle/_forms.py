"""Forms: what awkward is told of columns, those of one field put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import awkward as ak

    from ladle._buffers import Buffer
    from ladle._core import Column

#: Dimensions that are no size, as `ladle/table.h` names them.
VAR, OPTION, VARIANT = -1, -2, -3

#: awkward's name of the buffer that a dimension has; a variant has another, its "index".
_ATTRIBUTES = {VAR: "offsets", OPTION: "index", VARIANT: "tags"}

_NONES = np.full(1, -1)
_NONES.flags.writeable = False

#: Give the buffer of that number and role that all these columns have.
Register = Callable[[list["Column"], int, str], "Buffer"]


def paths(column: Column) -> list[str]:
    """Return the dotted names on the way to a column, its own last: "jets", "jets.pt"."""
    found = [column.field]
    for _, member in column.members:
        found.append(f"{found[-1]}.{member}")
    return found


def variant_path(column: Column) -> str | None:
    """Return the dotted name of the outermost variant around a column, or None."""
    if VARIANT not in column.dims:
        return None
    depth = column.dims.index(VARIANT)
    return paths(column)[sum(outside <= depth for outside, _ in column.members)]


def refusal(column: Column) -> str | None:
    """Return why awkward has no type for what can be read, or None."""
    if len(column.dims) < 2:
        return None
    for depth, (outer, inner) in enumerate(zip(column.dims, column.dims[1:], strict=False), 1):
        names = sum(outside == depth for outside, _ in column.members)
        is_record = names > (outer == VARIANT)  # it stands between the two
        if is_record or outer not in (OPTION, VARIANT):
            continue
        if inner == VARIANT or outer == inner == OPTION:
            return (
                f"awkward has no {'option' if outer == OPTION else 'union'} of "
                f"{'unions' if inner == VARIANT else 'options'}"
            )
    return None


class Forms:
    """Builds the form of an array, and the buffers that it asks for.

    Parameters
    ----------
    register : callable
        Gives the buffer that columns share.

    Attributes
    ----------
    buffers : dict of str to callable
        By ``"{form_key}-{attribute}"``, as :func:`ak.from_buffers` takes them.
    """

    def __init__(self, register: Register) -> None:
        import awkward as ak

        self._forms = ak.forms
        self._register = register
        self.buffers: dict[str, Callable[[], Any]] = {}

    def array(self, columns: Iterable[Column]) -> ak.forms.Form:
        """Return the form of records with a field for each top-level name."""
        fields: dict[str, list[Column]] = {}
        for column in columns:
            fields.setdefault(column.field, []).append(column)
        contents = [self._form(group, 0, 0, 0) for group in fields.values()]
        return self._forms.RecordForm(contents, list(fields))

    def _form(self, columns: list[Column], at: int, depth: int, buffer: int) -> ak.forms.Form:
        """Return the form of columns that are one for `at` members and `depth` dimensions.

        Their first `buffer` buffers are those of the dimensions outside.
        """
        first = columns[0]
        if at < len(first.members) and first.members[at][0] == depth:
            return self._record(columns, at, depth, buffer)
        key = f"{first.name}/{depth}"
        if depth == len(first.dims):
            self._add(key, "data", columns, buffer, "data")
            parameters = {"__array__": "char"} if first.is_string else None
            return self._forms.NumpyForm(first.dtype, parameters=parameters, form_key=key)
        size = first.dims[depth]
        if size == VARIANT:
            return self._variant(columns, at, depth, buffer)
        if size >= 0:
            return self._forms.RegularForm(self._form(columns, at, depth + 1, buffer), size)
        content = self._form(columns, at, depth + 1, buffer + 1)
        self._add(key, _ATTRIBUTES[size], columns, buffer, _ATTRIBUTES[size])
        if size == OPTION:
            return self._forms.IndexedOptionForm("i64", content, form_key=key)
        is_text = first.is_string and depth == len(first.dims) - 1
        parameters = {"__array__": "string"} if is_text else None
        return self._forms.ListOffsetForm("i64", content, parameters=parameters, form_key=key)

    def _record(self, columns: list[Column], at: int, depth: int, buffer: int) -> ak.forms.Form:
        members = by_member(columns, at)
        contents = [self._form(each, at + 1, depth, buffer) for each in members.values()]
        # With one of its members left out a tuple is a record: places would be wrong.
        is_tuple = all(name == f"_{i}" for i, name in enumerate(members))
        return self._forms.RecordForm(contents, None if is_tuple else list(members))

    def _variant(self, columns: list[Column], at: int, depth: int, buffer: int) -> ak.forms.Form:
        """Return a union whose tags are those of the file: 0 is no value, k is alternative k."""
        key = f"{columns[0].name}/{depth}"
        contents = [self._forms.IndexedOptionForm("i64", self._forms.EmptyForm(), form_key="none")]
        self.buffers["none-index"] = lambda: _NONES
        counts = []
        for each in by_member(columns, at).values():
            content = self._form(each, at + 1, depth + 1, buffer + 2)
            contents.append(content if content.is_option else self._forms.UnmaskedForm(content))
            counts.append(self._item_count(each[0], depth + 1))
        tags = self._add(key, "tags", columns, buffer, "tags")
        places = self._add(key, "index", columns, buffer + 1, "places")
        places.set_alternatives(tags, counts)
        return self._forms.UnionForm("i8", "i64", contents, form_key=key)

    def _item_count(self, column: Column, depth: int) -> tuple[Buffer, int]:
        """Return a buffer with one value for each item at a depth, or the second so many."""
        values = 1
        while depth < len(column.dims) and column.dims[depth] >= 0:
            values *= column.dims[depth]
            depth += 1
        attribute = "data" if depth == len(column.dims) else _ATTRIBUTES[column.dims[depth]]
        return self.buffers[f"{column.name}/{depth}-{attribute}"], values  # type: ignore[return-value]

    def _add(
        self, key: str, attribute: str, columns: list[Column], buffer: int, role: str
    ) -> Buffer:
        found = self._register(columns, buffer, role)
        self.buffers[f"{key}-{attribute}"] = found
        return found


def by_member(columns: list[Column], at: int) -> dict[str, list[Column]]:
    groups: dict[str, list[Column]] = {}
    for column in columns:
        groups.setdefault(column.members[at][1], []).append(column)
    return groups
