"""A processor run by ladle's Runner gives what coffea's gives, with ladle reading the files."""

import awkward as ak
import coffea.processor
import pytest
from coffea.nanoevents import NanoAODSchema
from coffea.processor import FuturesExecutor, IterativeExecutor

import ladle
import ladle.coffea


def process(events):
    factory = events.attrs["@events_factory"]
    return {
        "sum": float(ak.sum(events.Jet.pt)),
        "entries": len(events),
        "factories": {type(factory).__module__},
        "caches": {type(factory.buffer_cache).__name__},
    }


@pytest.mark.parametrize(
    "executor", [IterativeExecutor(status=False), FuturesExecutor(workers=2, status=False)]
)
@pytest.mark.parametrize("cache", [None, ladle.BufferCache])
def test_runner(slim, executor, cache):
    files = {
        "dy": {"files": {slim("nano_dy.root"): "Events"}, "metadata": {}},
        "data": {"files": {slim("nano_dimuon.root"): "Events"}, "metadata": {}},
    }
    outputs = []
    for cls in (coffea.processor.Runner, ladle.coffea.Runner):
        runner = cls(
            executor=executor,
            schema=NanoAODSchema,
            chunksize=25,
            cachestrategy=cache,
            savemetrics=True,
        )
        outputs.append(runner(files, processor_instance=process))
    (want, want_metrics), (got, got_metrics) = outputs
    assert got["sum"] == pytest.approx(want["sum"])
    assert got["entries"] == want["entries"] == 80
    assert got["factories"] == {"ladle.coffea._factory"}
    assert want["factories"] == {"coffea.nanoevents.factory"}
    assert got["caches"] == {"NoneType" if cache is None else "BufferCache"}
    # coffea makes this list of a set, in the order of hashes that differ between processes.
    assert sorted(got_metrics["columns"]) == sorted(want_metrics["columns"])
    assert got_metrics["entries"] == want_metrics["entries"]
