"""A processor over chunks of files, in two processes, each chunk with a cache of its own.

usage: python examples/coffea_runner.py FILE.root ...
"""

import sys
from functools import partial
from typing import Any

import awkward as ak
import hist
from coffea.nanoevents import NanoAODSchema
from coffea.processor import FuturesExecutor

import ladle
from ladle.coffea import Runner


def process(events: Any) -> dict[str, Any]:
    """Fill the transverse momenta of the jets of one chunk."""
    pt = hist.new.Reg(20, 0, 500, name="pt", label="jet pT [GeV]").Int64()
    pt.fill(pt=ak.flatten(events.Jet.pt))
    return {"events": len(events), "pt": pt}


def main(paths: list[str]) -> None:
    """Run and print."""
    runner = Runner(
        executor=FuturesExecutor(workers=2, status=False),
        schema=NanoAODSchema,
        chunksize=50_000,
        cachestrategy=partial(ladle.BufferCache, "64 MB"),
    )
    files = {"sample": {"files": dict.fromkeys(paths, "Events")}}
    result = runner(files, processor_instance=process)
    print(result["events"], "events")
    print(result["pt"])


if __name__ == "__main__":
    main(sys.argv[1:])
