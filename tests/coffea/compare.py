"""Both factories side by side, and how their events are compared."""

import functools

import awkward as ak
import coffea.nanoevents
import numpy as np
import uproot

import ladle.coffea


@functools.cache
def open_with_uproot(path):
    """One open file for all tests: interpreting a thousand branches anew each time takes long."""
    return uproot.open(path)


def both(file, **arguments):
    """The same call to coffea's factory and to ladle's.

    A class or function as ``buffer_cache`` or ``access_log`` is called for each of the two.
    """
    factories = []
    for cls in (coffea.nanoevents.NanoEventsFactory, ladle.coffea.NanoEventsFactory):
        own = {
            name: value() if name in ("buffer_cache", "access_log") and callable(value) else value
            for name, value in arguments.items()
        }
        if cls is coffea.nanoevents.NanoEventsFactory and isinstance(file, dict):
            ((path, table),) = file.items()
            own = {"treepath": table, **own}
            factories.append(cls.from_root(open_with_uproot(path), **own))
        else:
            factories.append(cls.from_root(file, **own))
    return factories


def assert_same_array(got, want):
    """Equal form, length, and every buffer bit by bit, dtype included."""
    want_form, want_length, want_buffers = ak.to_buffers(ak.materialize(want))
    got_form, got_length, got_buffers = ak.to_buffers(ak.materialize(got))
    assert got_form == want_form
    assert got_length == want_length
    assert list(got_buffers) == list(want_buffers)
    for key, expected in want_buffers.items():
        buffer = got_buffers[key]
        assert type(buffer) is type(expected) is np.ndarray
        assert (key, buffer.dtype, buffer.shape) == (key, expected.dtype, expected.shape)
        assert (key, buffer.tobytes()) == (key, expected.tobytes())
    return want_buffers


def log_of(factory):
    return [tuple(entry) for entry in factory.access_log]
