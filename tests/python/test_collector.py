"""Python's collector of cycles: paused while descriptions are made, never left off."""

import contextlib
import gc
import os
import threading

import pytest

import ladle
from ladle._collector import collector_paused


@contextlib.contextmanager
def paused_by_another_thread():
    inside, leave = threading.Event(), threading.Event()

    def pause():
        with collector_paused():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=pause)
    thread.start()
    inside.wait()
    try:
        yield
    finally:
        leave.set()
        thread.join()


def test_it_is_on_again_after_an_error():
    with pytest.raises(ZeroDivisionError), collector_paused():
        1 / gc.isenabled()  # off in here: a division by zero
    assert gc.isenabled()


def test_it_stays_off_where_the_user_turned_it_off():
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_pauses_that_overlap_leave_it_on():
    with paused_by_another_thread(), collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_child_forked_in_a_pause_of_another_thread_has_it_on():
    with paused_by_another_thread():
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.isenabled() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_opening_starts_no_collection_but_those_of_its_user(nano, gc_passes):
    columns = len(ladle.open(nano).fields)
    gc.collect()
    gc_passes.clear()
    events = ladle.open(nano, filter_name=lambda _: not gc.isenabled())
    assert len(events.fields) == columns
    assert len(gc_passes) <= 1  # the one that is due when the pause ends
    assert gc.isenabled()


def test_arrays_leave_no_cycles(nano):
    """What makes a pause harmless: nothing that is made meanwhile waits for the collector."""
    gc.collect()
    gc.disable()
    try:
        del_me = ladle.open(nano)
        del_me.Jet_pt[del_me.nJet > 2]
        del del_me
        assert gc.collect() == 0
    finally:
        gc.enable()
