"""Jets and muons of a NanoAOD file through coffea, within a budget.

usage: python examples/coffea_events.py FILE.root
"""

import sys

import awkward as ak
import hist

import ladle
from ladle.coffea import NanoEventsFactory


def main(path: str) -> None:
    """Fill two histograms and show what it took."""
    cache = ladle.BufferCache("256 MB")
    factory = NanoEventsFactory.from_root({path: "Events"}, buffer_cache=cache)
    print(factory.info())
    events = factory.events()

    jets = events.Jet[(events.Jet.pt > 30) & (abs(events.Jet.eta) < 2.4)]
    ht = hist.new.Reg(20, 0, 1000, name="ht", label="HT [GeV]").Int64()
    ht.fill(ht=ak.sum(jets.pt, axis=1))
    print(ht)

    first, second = ak.unzip(ak.combinations(events.Muon, 2))
    pairs = (first + second)[first.charge + second.charge == 0]
    mass = hist.new.Reg(24, 0, 120, name="mass", label="dimuon mass [GeV]").Int64()
    mass.fill(mass=ak.flatten(pairs.mass))
    print(mass)

    # muons and the generated particles that they were matched to
    matched = events.Muon.matched_gen if "GenPart" in events.fields else None
    if matched is not None:
        print("matched muons:", ak.count(matched.pdgId), "of", ak.count(events.Muon.pt))
    print(cache)
    print(ladle.memory.info())


if __name__ == "__main__":
    main(sys.argv[1])
