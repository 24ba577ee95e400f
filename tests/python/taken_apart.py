"""Nested values taken apart into columns and buffers, as `ladle/table.h` describes them."""

from collections import Counter
from types import SimpleNamespace

import numpy as np

from ladle._forms import OPTION, VAR, VARIANT

#: Types are tuples: ("number", dtype), ("string",), ("list", T), ("array", size, T), ("option", T),
#: ("record", {name: T}), ("tuple", [T ...]), ("variant", [T ...]). A variant's values are None or
#: (alternative from 1, value); its columns have the values of whole clusters, more than are used.
N_BEFORE, N_BEHIND = 2, 1


def plain(kind, value):
    """The value as awkward's to_list gives it."""
    match kind:
        case ("list" | "array", *_, inner):
            return [plain(inner, each) for each in value]
        case ("option", inner):
            return None if value is None else plain(inner, value)
        case ("record", members):
            return {name: plain(inner, value[name]) for name, inner in members.items()}
        case ("tuple", members):
            return tuple(plain(inner, each) for inner, each in zip(members, value, strict=True))
        case ("variant", alternatives):
            return None if value is None else plain(alternatives[value[0] - 1], value[1])
    return value


def some_value(kind):
    """A value that nobody asks for."""
    match kind:
        case ("number", dtype):
            return np.dtype(dtype).type(77).item()
        case ("string",):
            return "unused"
        case ("list", inner):
            return [some_value(inner)]
        case ("array", size, inner):
            return [some_value(inner)] * size
        case ("record", members):
            return {name: some_value(inner) for name, inner in members.items()}
        case ("tuple", members):
            return tuple(some_value(inner) for inner in members)
        case ("variant", alternatives):
            return 1, some_value(alternatives[0])
    return None


def take_apart(kind, items, path):
    """Columns of items at a path; a buffer is a role, an owner and values."""

    def outside(columns, dim, *buffers):
        for each in columns:
            each.dims.insert(0, dim)
            each.members = [(depth + 1, name) for depth, name in each.members]
            each.buffers[:0] = buffers
        return columns

    def below(members):
        columns = []
        for name, inner, values in members:
            inside = take_apart(inner, values, f"{path}.{name}")
            for each in inside:
                each.members.insert(0, (0, name))
            columns += inside
        return columns

    match kind:
        case ("number", dtype):
            data = ("data", path, np.array(items, dtype))
            return [
                SimpleNamespace(dims=[], members=[], dtype=dtype, is_string=False, buffers=[data])
            ]
        case ("string",):
            columns = take_apart(
                ("list", ("number", "uint8")), [text.encode() for text in items], path
            )
            columns[0].is_string = True
            return columns
        case ("list", inner):
            offsets = np.cumsum([0, *map(len, items)], dtype=np.int64)
            columns = take_apart(inner, [each for item in items for each in item], f"{path}[]")
            return outside(columns, VAR, ("offsets", path, offsets))
        case ("array", size, inner):
            columns = take_apart(inner, [each for item in items for each in item], f"{path}[]")
            return outside(columns, size)
        case ("option", inner):
            has = np.array([each is not None for each in items], bool)
            index = np.where(has, np.cumsum(has) - 1, -1).astype(np.int64)
            columns = take_apart(inner, [each for each in items if each is not None], f"{path}?")
            return outside(columns, OPTION, ("index", path, index))
        case ("record", members):
            return below(
                [(name, inner, [each[name] for each in items]) for name, inner in members.items()]
            )
        case ("tuple", members):
            return below(
                [(f"_{i}", inner, [each[i] for each in items]) for i, inner in enumerate(members)]
            )
        case ("variant", alternatives):
            values = [[some_value(inner)] * N_BEFORE for inner in alternatives]
            tags, places = [], []
            for each in items:
                tags.append(0 if each is None else each[0])
                places.append(0 if each is None else len(values[each[0] - 1]))
                if each is not None:
                    values[each[0] - 1].append(each[1])
            members = [
                (f"_{i}", inner, [*values[i], *[some_value(inner)] * N_BEHIND])
                for i, inner in enumerate(alternatives)
            ]
            buffers = (
                ("tags", path, np.array(tags, np.int8)),
                ("places", path, np.array(places, np.int64)),
            )
            return outside(below(members), VARIANT, *buffers)
    raise TypeError(kind)


class FakeTable:
    """A table of a field for each name. Ranges of its entries are taken apart when asked for."""

    def __init__(self, fields, owners=""):
        self._fields = fields
        self._owners = owners
        self.path = f"fake{id(self)}.root"
        self.table = self
        self.name, self.format = "Events", "RNTuple"
        self.n_entries = len(next(iter(fields.values()))[1])
        self.reasons = {}
        self._ranges = {}
        self._columns = [self._describe(each) for each in self.columns(0, self.n_entries)]
        self._names = [each.name for each in self._columns]
        self.reads = Counter()

    def columns(self, start, stop):
        if (start, stop) not in self._ranges:
            columns = []
            for field, (kind, values) in self._fields.items():
                for each in take_apart(kind, values[start:stop], field):
                    each.field = field
                    each.name = ".".join([field, *(name for _, name in each.members)])
                    columns.append(each)
            self._ranges[start, stop] = columns
        return self._ranges[start, stop]

    def _describe(self, column):
        return SimpleNamespace(
            name=column.name,
            field=column.field,
            members=tuple(column.members),
            dims=tuple(column.dims),
            dtype=column.dtype,
            type=f"{column.dims} {column.dtype}",
            is_string=column.is_string,
            n_buffers=len(column.buffers),
        )

    def names(self):
        return self._names

    def find(self, name):
        return self._names.index(name) if name in self._names else -1

    def require(self, name):
        raise KeyError(name)

    def column(self, index):
        column = self._columns[index]
        column.reason = self.reasons.get(column.name)
        return column

    def buffers(self, index):
        column = self.columns(0, self.n_entries)[index]
        return [
            (role, values.dtype.name, -1, self._owners + owner)
            for role, owner, values in column.buffers
        ]


class FakeLease:
    def __init__(self, values):
        self._values = values

    def array(self):
        return self._values


class FakeReader:
    """Reads what fake tables have."""

    def read_buffer(self, table, column, buffer, start, stop, cache):
        assert cache is None
        role, owner, values = table.columns(start, stop)[column].buffers[buffer]
        table.reads[role, owner] += 1
        return FakeLease(values)

    def key(self, table, column, buffer, start, stop):
        role, owner, _ = table.columns(start, stop)[column].buffers[buffer]
        return f"{table.path}/{start}-{stop}/{owner}/{role}".encode()
