"""Both factories side by side, and how their events are compared."""

import awkward as ak
import coffea.nanoevents
import numpy as np

import ladle.coffea


def both(file, **arguments):
    """The same call to coffea's factory and to ladle's. Callable values are called for each."""
    factories = []
    for cls in (coffea.nanoevents.NanoEventsFactory, ladle.coffea.NanoEventsFactory):
        own = {
            name: value() if name in ("buffer_cache", "access_log") and callable(value) else value
            for name, value in arguments.items()
        }
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
