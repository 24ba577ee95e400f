"""The base form: what coffea's schemas start from, made from ladle's description of a table.

A base form is a plain dictionary in awkward's form JSON, one content for each column, in which
every form key is a postfix program such as ``Jet_pt,!load,!content`` (quoted). Coffea makes it from
uproot's interpretations; here it is written down from dtype and dimensions, and is equal to
coffea's for the same columns. Columns that ladle does not read are described by uproot.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from coffea.nanoevents.mapping import UprootSourceMapping
from coffea.nanoevents.util import quote

from ladle import _core

if TYPE_CHECKING:
    from ladle.coffea._source import TableSource

Form = dict[str, Any]

VAR = -1
"""The size of a dimension whose length varies, in ``Column.dims``."""

# uproot names types by their C++ names: uproot.interpretation.numerical, typename
_CPP_NAMES = {
    "bool": "bool",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "float32": "float",
    "float64": "double",
}

# Leaf classes whose description needs nothing but dtype and dimensions. The truncated floats are
# named by how they are stored.
_LEAF_CLASSES = frozenset(
    f"TLeaf{kind}" for kind in ("O", "B", "S", "I", "L", "G", "F", "D", "C", "F16", "D32")
)
_STORED_NAMES = {"TLeafF16": "Float16_t", "TLeafD32": "Double32_t"}


def not_native(column: _core.Column, is_tree: bool) -> str | None:
    """Say why a column has to be read through uproot; ``None`` where ladle reads it.

    Parameters
    ----------
    column : ladle._core.Column
        As a table describes it.
    is_tree : bool
        Whether the table is a TTree; else it is an RNTuple.

    Returns
    -------
    str or None
        A reason in words for people.
    """
    if column.reason is not None:
        return column.reason
    if column.members or min(column.dims, default=0) < VAR:
        return "records, options and variants are described by their C++ type, which uproot knows"
    if is_tree and column.type_name not in _LEAF_CLASSES:
        return f"coffea describes {column.type_name} by its C++ type, which uproot knows"
    leaf = column.title.partition("[")[0]
    if is_tree and leaf and column.name.endswith(f".{leaf}"):
        # A branch of several leaves is one record for coffea. A branch of one leaf that merely
        # looks like it is described by uproot just as well.
        return "one of several leaves of a branch, which make a record"
    if VAR in column.dims[1:]:
        return "lists within lists are described by their C++ type, which uproot knows"
    return None


def type_name(column: _core.Column) -> str:
    """Name a native column's type as uproot does: ``float``, ``int32_t[3]``, ``float[]``.

    Of an RNTuple's column it is the C++ type that the file names.

    Parameters
    ----------
    column : ladle._core.Column
        One for which :func:`not_native` is ``None``.
    """
    if not column.type_name.startswith("TLeaf"):
        return column.type_name
    if column.is_string:
        return "char*"
    stored = _STORED_NAMES.get(column.type_name)
    name = _CPP_NAMES[column.dtype] if stored is None else stored
    return name + "".join("[]" if size == VAR else f"[{size}]" for size in column.dims)


def load_program(column: _core.Column, name: str) -> str:
    """Return the program of a native column's data, unquoted, as it stands in the form keys."""
    return f"{name},!load" + ",!content" * len(column.dims)


def _quoted(name: str) -> str:
    """Quote as coffea does, which takes nothing but a look for most names."""
    return name if name.isascii() and name.isidentifier() else quote(name)


def column_form(column: _core.Column, name: str, typename: str) -> Form:
    """Describe one native column in awkward's form JSON, with coffea's form keys.

    Parameters
    ----------
    column : ladle._core.Column
        One for which :func:`not_native` is ``None``.
    name : str
        Under which coffea knows the column.
    typename : str
        From :func:`type_name`.
    """
    key = f"{_quoted(name)}%2C%21load"
    content_key = "%2C%21content"
    parameters: dict[str, str] = {"__doc__": column.title, "typename": typename}
    if column.is_string:
        parameters["__array__"] = "char"
    form: Form = {
        "class": "NumpyArray",
        "primitive": column.dtype,
        "inner_shape": [],
        "parameters": parameters,
        "form_key": key + content_key * len(column.dims),
    }
    for depth in range(len(column.dims) - 1, -1, -1):
        size = column.dims[depth]
        if size == VAR:
            form = {
                "class": "ListOffsetArray",
                "offsets": "i64",
                "content": form,
                "parameters": {"__array__": "string"} if column.is_string else {},
                "form_key": key + content_key * depth,
            }
        else:
            form = {
                "class": "RegularArray",
                "size": size,
                "content": form,
                "parameters": dict(parameters),
                "form_key": None,
            }
    return form


class _Branches:
    """A selection of a tree's branches, in the shape in which coffea asks a tree for them."""

    def __init__(self, title: str, items: Iterable[tuple[str, Any]]) -> None:
        self.title = title
        self._items = items

    def iteritems(self) -> Iterator[tuple[str, Any]]:
        return iter(self._items)


def _usable(name: str, seen: Mapping[str, Any], where: str) -> bool:
    """Apply coffea's rules for names, with its warnings."""
    if name in seen:
        warnings.warn(
            f"Found duplicate branch {name} in {where}, taking first instance", stacklevel=4
        )
        return False
    if "," in name or "!" in name:
        warnings.warn(
            f"Skipping {name} because it contains characters that NanoEvents cannot accept [,!]",
            stacklevel=4,
        )
        return False
    return True


class BaseForm:
    """The base form of a table, and for each column who reads it.

    Parameters
    ----------
    source : TableSource
        Whose table is described. uproot opens the file too if there is a column that ladle does not
        read, or if `options` ask for more than names.
    options : mapping
        coffea's ``iteritems_options``: what to pass to ``tree.iteritems``.

    Attributes
    ----------
    form : dict
        The base form, with ``typenames``.
    native : dict of str to int
        Columns that ladle reads: index in the table.
    foreign : dict of str to str
        Columns that uproot reads, and why.
    skipped : dict of str to str
        Columns that are in the file and not in the form, and why.
    """

    def __init__(self, source: TableSource, options: Mapping[str, Any]) -> None:
        self.native: dict[str, int] = {}
        self.foreign: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._source = source
        self._contents: dict[str, Form] = {}
        typenames: dict[str, str]
        if source.table.format != "TTree" and (options or source.not_native):
            typenames = self._describe_fields(options)
        elif options or source.not_native:
            typenames = self._describe_with_uproot(options)
        else:
            typenames = self._describe()
        self.form: Form = {
            "class": "RecordArray",
            "contents": list(self._contents.values()),
            "fields": list(self._contents),
            "parameters": {"__doc__": source.table.title},
            "form_key": None,
            "typenames": typenames,
        }

    def _describe(self) -> dict[str, str]:
        """Describe a table of which every column is native."""
        typenames: dict[str, str] = {}
        for index, column in enumerate(self._source.columns):
            typename = type_name(column)
            self._add_native(column.name, index, typename)
            typenames[column.name] = typename
        return typenames

    def _add_native(self, name: str, index: int, typename: str) -> None:
        if not _usable(name, self._contents, self._source.table.name):
            self.skipped.setdefault(name, "its name is taken, or coffea cannot use it")
            return
        self._contents[name] = column_form(self._source.columns[index], name, typename)
        self.native[name] = index

    def _describe_with_uproot(self, options: Mapping[str, Any]) -> dict[str, str]:
        """Describe with uproot what is not native, and merge in the order of the tree."""
        tree = self._source.tree
        reasons = self._source.not_native
        selected: dict[str, Any] = {}
        for name, branch in tree.iteritems(**options):
            index = self._native_index(name, branch)
            if index is None:
                if _usable(name, selected, tree.name):
                    selected[name] = branch
            elif name not in selected and _usable(name, selected, tree.name):
                selected[name] = index
            else:
                self.skipped.setdefault(name, "its name is taken, or coffea cannot use it")
        others = [(k, v) for k, v in selected.items() if not isinstance(v, int)]
        form = UprootSourceMapping._extract_base_form(_Branches(tree.title, others))
        described = dict(zip(form["fields"], form["contents"], strict=True))
        for name, found in selected.items():
            if isinstance(found, int):
                self._add_native(name, found, type_name(self._source.columns[found]))
            elif name in described:
                self._contents[name] = described[name]
                self.foreign[name] = reasons.get(name, "a structure that uproot takes apart")
            else:
                self.skipped[name] = "neither ladle nor uproot reads it as an array"
        return self._typenames(tree)

    def _describe_fields(self, options: Mapping[str, Any]) -> dict[str, str]:
        """Describe an RNTuple: field by field, with uproot those that are not one native column."""
        source = self._source
        wanted = {name for name, _ in source.tree.iteritems(**options)} if options else None
        typenames: dict[str, str] = {}
        for index, column in enumerate(source.columns):
            name = column.field
            if name in typenames or (wanted is not None and name not in wanted):
                continue
            if column.name in source.not_native:
                typenames[name] = self._describe_field(name, source.not_native[column.name])
            else:
                typenames[name] = type_name(column)
                self._add_native(name, index, typenames[name])
        return typenames

    def _describe_field(self, name: str, reason: str) -> str:
        field = self._source.tree[name]
        try:
            form = UprootSourceMapping._extract_base_form(_Branches("", [(name, field)]))
        except NotImplementedError:  # uproot's word for what ROOT's streamer wrote
            form = {"fields": []}
        if form["fields"]:
            self._contents[name] = form["contents"][0]
            self.foreign[name] = reason
        else:
            self.skipped[name] = "neither ladle nor uproot reads it as an array"
        return str(field.typename)

    def _native_index(self, name: str, branch: Any) -> int | None:
        """Return the column that is the branch of that name, if ladle reads it."""
        index = self._source.find(name)
        if index is None or name in self._source.not_native or branch.branches:
            return None
        return index

    def _typenames(self, tree: Any) -> dict[str, str]:
        typenames: dict[str, str] = {}
        for name, branch in tree.iteritems():
            index = self._native_index(name, branch)
            if index is None:
                typenames[name] = branch.typename
            else:
                typenames[name] = type_name(self._source.columns[index])
        return typenames
