"""Any range of entries of a column against the whole of it, buffer by buffer, by role."""

import numpy as np

VAR, OPTION = -1, -2


def read_column(reader, table, index, start, stop):
    """All buffers of a column over a range of entries."""
    n_buffers = table.column(index).n_buffers
    return [reader.read_buffer(table, index, k, start, stop).array() for k in range(n_buffers)]


def assert_range(table, index, whole, part, start, stop):
    """Compare the buffers of a range with those that the whole column has there.

    Below a variant buffers hold the items of whole clusters: there the places are compared.
    """
    column = table.column(index)
    where = f"{table.name}/{column.name}[{start}:{stop}]"
    low, high, buffer = start, stop, 0
    for size in column.dims:
        if size >= 0:
            low, high = low * size, high * size
            continue
        one, other = whole[buffer], part[buffer]
        buffer += 1
        if size == VAR:
            offsets = one[low : high + 1]
            np.testing.assert_array_equal(other, offsets - offsets[0], err_msg=where)
            low, high = int(offsets[0]), int(offsets[-1])
        elif size == OPTION:
            there = one[low:high] >= 0
            np.testing.assert_array_equal(other >= 0, there, err_msg=where)
            np.testing.assert_array_equal(other[there], np.arange(there.sum()), err_msg=where)
            low = int((one[:low] >= 0).sum())
            high = low + int(there.sum())
        else:
            assert_same_places(one[low:high], whole[buffer][low:high], other, part[buffer], where)
            return
    assert part[-1].tobytes() == whole[-1][low:high].tobytes(), where


def assert_same_places(tags, places, found_tags, found_places, where):
    """The same alternatives, with places that differ by whole clusters only."""
    np.testing.assert_array_equal(found_tags, tags, err_msg=where)
    for tag in np.unique(tags[tags > 0]):
        shift = (places - found_places)[tags == tag]
        assert (shift == shift[0]).all(), where
