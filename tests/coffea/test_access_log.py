"""The access log lists what coffea's lists, in the same order."""

import pytest
from coffea.nanoevents import BaseSchema, NanoAODSchema

import ladle
from tests.coffea.compare import both, log_of

CACHES = {"none": None, "dict": dict, "ladle": ladle.BufferCache}


def analysis(events):
    events.Jet.pt * 2
    events.Jet.pt + events.Jet.eta
    events.GenPart.distinctChildren.pdgId.to_list()
    events.GenPart.pdgId.to_list()
    events.Electron.matched_gen.pt.to_list()
    events.Electron.genPartIdx.to_list()
    events.Jet.matched_electrons.pt.to_list()
    events.Muon.mass.to_list()
    events.MET.pt + events.event


@pytest.mark.parametrize("cache", CACHES)
def test_equals_coffeas(slim, cache):
    want, got = both({slim("nano_dy.root"): "Events"}, access_log=list, buffer_cache=CACHES[cache])
    for factory in (want, got):
        analysis(factory.events())
    assert log_of(got) == log_of(want)
    assert {branch for branch, _ in log_of(got)} >= {"nJet", "Jet_pt", "GenPart_pdgId"}


@pytest.mark.parametrize("cache", CACHES)
def test_equals_coffeas_with_the_base_schema(slim, cache):
    want, got = both(
        {slim("nano_dy.root"): "Events"},
        access_log=list,
        buffer_cache=CACHES[cache],
        schemaclass=BaseSchema,
    )
    for events in (want.events(), got.events()):
        for name in ("Jet_pt", "Jet_eta", "nJet", "Jet_pt", "MET_pt"):
            events[name].to_list()
    assert log_of(got) == log_of(want)


@pytest.mark.parametrize("cache", ["dict", "ladle"])
def test_a_warm_cache_leaves_no_trace(slim, cache):
    path = slim("nano_dy.root")
    caches = [CACHES[cache](), CACHES[cache]()]
    logs = []
    for _ in range(2):
        want, got = both({path: "Events"}, access_log=list, buffer_cache=iter(caches).__next__)
        for factory in (want, got):
            analysis(factory.events())
        logs.append(log_of(got))
        assert log_of(got) == log_of(want)
    assert logs[0] != []
    assert logs[1] == []


@pytest.mark.parametrize("cache", CACHES)
def test_looking_touches_what_it_does_in_coffea(slim, cache):
    want, got = both({slim("nano_dy.root"): "Events"}, access_log=list, buffer_cache=CACHES[cache])
    for events in (want.events(), got.events()):
        events.fields  # noqa: B018
        events.Jet.fields  # noqa: B018
        len(events)
        events.type  # noqa: B018
        repr(events.Jet.pt)
        repr(events.Jet)
        events.Jet[events.Jet.pt > 30]
    assert log_of(got) == log_of(want)
    assert {branch for branch, _ in log_of(got)} <= {"nJet", "Jet_pt"}


def test_opening_reads_no_column(sample):
    _, got = both({sample("nano_tt_v15.root"): "Events"}, access_log=list)
    got.events()
    assert got.access_log == []
    assert not got.info().uproot_is_open


def test_preloading_is_not_access(slim):
    want, got = both(
        {slim("nano_dy.root"): "Events"},
        access_log=list,
        preload=["nJet", "Jet_pt"],
        schemaclass=NanoAODSchema,
    )
    assert got.access_log == []
    for factory in (want, got):
        factory.events().Jet.pt.to_list()
    assert log_of(got) == log_of(want) != []
