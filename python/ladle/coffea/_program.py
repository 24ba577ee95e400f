"""The postfix programs that coffea's form keys are, worked out on native buffers.

A key ``uuid/path/start-stop/attribute/program`` asks for one buffer. Most programs name a buffer
that ladle delivers as it is: ``Jet_pt,!load,!content``, or ``nJet,!load,!counts2offsets``, which
are the offsets of every jagged column that nJet counts. The others work on such buffers; what has
no native form here is done by the function of the same name in ``coffea.nanoevents.transforms``.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import awkward
import numpy as np
from coffea.nanoevents import transforms

from ladle import _core
from ladle.coffea._form import VAR

Array = np.ndarray[Any, Any]
Request = tuple[int, int]
"""Index of a column in its table, and the number of one of its buffers."""


def without_skipped(nodes: list[str]) -> list[str]:
    """Drop each ``!skip`` and the node that it skips."""
    kept: list[str] = []
    skip = False
    for node in nodes:
        if skip:
            skip = False
        elif node == "!skip":
            skip = True
        else:
            kept.append(node)
    return kept


def loaded_names(nodes: list[str]) -> list[str]:
    """Return the columns that a program loads, in order and with repetitions."""
    return [
        nodes[position - 1]
        for position, node in enumerate(nodes)
        if position > 0 and node.startswith("!load")
    ]


def plain_request(
    nodes: list[str], column_of: Callable[[str], _core.Column | None]
) -> tuple[str, int] | None:
    """Recognize a program whose result is a native buffer as it is.

    Parameters
    ----------
    nodes : list of str
        Without skipped ones.
    column_of : callable
        From a name to its description; ``None`` where the column is not native.

    Returns
    -------
    tuple of (str, int) or None
        The column and the buffer. ``!counts2offsets`` is not decided here.
    """
    if len(nodes) < 2 or nodes[1] != "!load":
        return None
    column = column_of(nodes[0])
    if column is None:
        return None
    depth = 0
    while depth + 2 < len(nodes) and nodes[depth + 2] == "!content":
        depth += 1
    rest = nodes[depth + 2 :]
    if not rest and depth == len(column.dims):
        return nodes[0], column.n_buffers - 1
    if rest == ["!offsets"] and depth < len(column.dims) and column.dims[depth] == VAR:
        return nodes[0], column.dims[:depth].count(VAR)
    return None


class Operands(Protocol):
    """Who delivers the buffers that a program works on."""

    def operand(self, request: Request) -> Array:
        """Return a native buffer."""

    def counted_by(self, counter: int) -> int | None:
        """Return a column whose outermost lengths are the values of column `counter`."""


def is_constant(nodes: list[str]) -> bool:
    """Tell whether a program's result is one number, repeated: cheaper to make than to keep."""
    return any(node.startswith("!full_like_from_") for node in nodes) and nodes[-1] == "!content"


@dataclass(frozen=True)
class NativeColumn:
    """A loaded column on the stack of a program, before any of its buffers is read.

    Attributes
    ----------
    index : int
        In the table.
    column : ladle._core.Column
        Its description.
    n_entries : int
        Entries of the range.
    depth : int
        How many of its dimensions ``!content`` has taken off.
    """

    operands: Operands
    index: int
    column: _core.Column
    n_entries: int
    depth: int = 0

    @property
    def is_flat(self) -> bool:
        """Whether nothing but primitive values is left."""
        return self.depth == len(self.column.dims)

    @property
    def is_jagged(self) -> bool:
        """Whether it is lists of primitive values, and not strings."""
        column = self.column
        return self.depth == 0 and column.dims == (VAR,) and not column.is_string

    def data(self) -> Array:
        """Read the data buffer."""
        return self.operands.operand((self.index, self.column.n_buffers - 1))

    def offsets(self) -> Array:
        """Read the offsets of the outermost dimension that is left."""
        dims = self.column.dims
        if self.is_flat or dims[self.depth] != VAR:
            raise TypeError(f"{self.column.name} has no offsets at depth {self.depth}")
        return self.operands.operand((self.index, dims[: self.depth].count(VAR)))

    def as_counts(self) -> Array:
        """Add up its values to offsets, or read the offsets of a column that they count."""
        counted = self.operands.counted_by(self.index)
        if counted is None:
            return counts_to_offsets(self.data())
        return self.operands.operand((counted, 0))

    def content(self) -> NativeColumn:
        """Go one dimension down."""
        if self.is_flat:
            raise TypeError(f"{self.column.name} has no content at depth {self.depth}")
        return NativeColumn(self.operands, self.index, self.column, self.n_entries, self.depth + 1)

    def layout(self) -> Any:
        """Build the awkward layout over the buffers, without copying them."""
        column = self.column
        parameters = {"__array__": "char"} if column.is_string else None
        out = awkward.contents.NumpyArray(self.data(), parameters=parameters)
        for depth in range(len(column.dims) - 1, self.depth - 1, -1):
            size = column.dims[depth]
            if size == VAR:
                buffer = column.dims[:depth].count(VAR)
                offsets = awkward.index.Index64(self.operands.operand((self.index, buffer)))
                parameters = {"__array__": "string"} if column.is_string else None
                out = awkward.contents.ListOffsetArray(offsets, out, parameters=parameters)
            else:
                length = self.n_entries if depth == 0 else 0
                out = awkward.contents.RegularArray(out, size, zeros_length=length)
        return out

    def array(self) -> Any:
        """Return what coffea's own mapping has on its stack here."""
        layout = self.layout()
        return awkward.Array(layout) if self.depth == 0 else layout


def evaluate(nodes: list[str], load: Callable[[str, bool], Any]) -> Array:
    """Run a program.

    Parameters
    ----------
    nodes : list of str
        Without skipped ones.
    load : callable
        From a name, and whether it may be missing, to a :class:`NativeColumn` or an awkward array.

    Returns
    -------
    numpy.ndarray
        One buffer.

    Raises
    ------
    RuntimeError
        If the program is not well-formed, as in coffea.
    """
    stack: list[Any] = []
    for node in nodes:
        if not node.startswith("!"):
            stack.append(node)
        elif node in ("!load", "!loadallowmissing"):
            stack.append(load(stack.pop(), node == "!loadallowmissing"))
        elif not _apply_natively(node, stack):
            transform = getattr(transforms, node[1:], None)
            if transform is None:
                raise RuntimeError(f"Syntax error in form_key: no transform named {node[1:]}")
            stack[:] = [x.array() if isinstance(x, NativeColumn) else x for x in stack]
            transform(stack)
    if len(stack) != 1:
        raise RuntimeError(f"Syntax error in form key {nodes}")
    return _bare(stack.pop(), nodes)


def _bare(out: Any, nodes: list[str]) -> Array:
    """Take the bare array out of a result, and let go of memory that is not part of it."""
    if isinstance(out, NativeColumn):
        out = out.array()
    if isinstance(out, awkward.contents.Content):
        out = awkward.to_numpy(out)
    elif isinstance(out, awkward.index.Index):
        out = out.data
    elif not isinstance(out, np.ndarray):
        try:
            out = np.array(out)
        except ValueError as error:
            raise RuntimeError(
                f"Left with non-bare array after evaluating form key {nodes}"
            ) from error
    array: Array = out
    if isinstance(array.base, np.ndarray) and array.base.nbytes > array.nbytes:
        return array.copy()
    return array


def _apply_natively(node: str, stack: list[Any]) -> bool:
    """Apply `node` if its operands are native and it has a form here."""
    top = stack[-1] if stack else None
    if node == "!full_like_from_offsets":
        if len(stack) < 2 or top != "0.0" or not isinstance(stack[-2], np.ndarray):
            return False
        offsets = stack[-2]
        zeros = awkward.contents.NumpyArray(_zeros(int(offsets[-1])))
        stack[-2:] = [awkward.contents.ListOffsetArray(awkward.index.Index64(offsets), zeros)]
        return True
    if node == "!local2global":
        if len(stack) < 2:
            return False
        result = _local_to_global(stack[-2], top)
        if result is None:
            return False
        stack[-2:] = [result]
        return True
    if not isinstance(top, NativeColumn):
        return False
    if node == "!content" and not top.is_flat:
        stack[-1] = top.content()
    elif node == "!offsets":
        stack[-1] = top.offsets()
    elif node == "!data":
        pass
    elif node == "!counts2offsets" and not top.column.dims:
        stack[-1] = top.as_counts()
    else:
        return False
    return True


def _zeros(count: int) -> Array:
    """Return float32 zeros that take no memory: pages that are read and never written share one."""
    if count == 0:
        return np.empty(0, dtype=np.float32)
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    pages = mmap.mmap(-1, 4 * count, flags=private, prot=mmap.PROT_READ)
    return np.frombuffer(pages, dtype=np.float32)


def counts_to_offsets(counts: Array) -> Array:
    """Add up counts to offsets.

    Parameters
    ----------
    counts : numpy.ndarray
        Integers, shape ``(n,)``.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(n + 1,)``, starting at 0.
    """
    offsets = np.empty(len(counts) + 1, dtype=np.int64)
    offsets[0] = 0
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _local_to_global(index: Any, target_offsets: Any) -> Array | None:
    """Turn indices within an entry into indices within the whole range.

    The same figures as ``coffea.nanoevents.transforms.local2global``, without its option types: an
    index that is negative or points beyond its entry's targets becomes -1. ``None`` where the
    operands are not plain integers, which coffea's function then refuses or takes in its own way.
    """
    if not (isinstance(index, NativeColumn) and index.is_jagged):
        return None
    if not (isinstance(target_offsets, np.ndarray) and target_offsets.dtype == np.int64):
        return None
    local = index.data()
    if local.dtype.kind not in "iu" or local.dtype == np.uint64:
        return None
    counts = np.diff(index.offsets())
    if len(counts) != len(target_offsets) - 1:
        return None
    out = np.repeat(target_offsets[:-1], counts)
    out += local
    beyond = out >= np.repeat(target_offsets[1:], counts)
    if local.dtype.kind == "i":
        beyond |= local < 0
    out[beyond] = -1
    return out
