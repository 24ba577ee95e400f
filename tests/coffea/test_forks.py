"""Events that were made before a fork go on in the child."""

import multiprocessing

import awkward as ak
import pytest

from ladle.coffea import NanoEventsFactory
from tests.python.caches import CLASSES


def sums(events):
    return [float(ak.sum(events[name].pt)) for name in ("Jet", "Muon", "GenPart")]


def work(events, queue):
    queue.put(sums(events))


@pytest.mark.parametrize(
    "cache", [None, dict, *CLASSES.values()], ids=["none", "dict", *CLASSES.keys()]
)
def test_events_of_the_parent_are_read_in_the_child(slim, cache):
    factory = NanoEventsFactory.from_root(
        {slim("nano_dy.root"): "Events"}, buffer_cache=cache and cache()
    )
    events = factory.events()
    assert ak.count(events.Jet.pt) > 0  # some are there, the rest is read after the fork
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=work, args=(events, queue))
    child.start()
    got = queue.get()
    child.join()
    assert child.exitcode == 0
    assert got == sums(events)
