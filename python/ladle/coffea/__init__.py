"""NanoEvents on native columns: coffea's factory with ladle in the place of uproot.

    from ladle.coffea import NanoEventsFactory            # the one line that changes

    events = NanoEventsFactory.from_root({"nano.root": "Events"}).events()

Arguments, events and behaviours are those of ``coffea.nanoevents``. ``factory.info()`` says which
columns are read natively, which through uproot, and why.
"""

from ladle.coffea._factory import NanoEventsFactory
from ladle.coffea._info import SourceInfo
from ladle.coffea._mapping import LadleSourceMapping

__all__ = ["LadleSourceMapping", "NanoEventsFactory", "SourceInfo"]
