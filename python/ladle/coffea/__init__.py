"""NanoEvents on native columns: coffea's factory with ladle in the place of uproot.

    from ladle.coffea import NanoEventsFactory            # the one line that changes

    events = NanoEventsFactory.from_root({"nano.root": "Events"}).events()

Arguments, events and behaviours are those of ``coffea.nanoevents``. ``factory.info()`` says which
columns are read natively, which through uproot, and why.
"""

from typing import TYPE_CHECKING, Any

from ladle.coffea._factory import NanoEventsFactory
from ladle.coffea._info import SourceInfo
from ladle.coffea._mapping import LadleSourceMapping
from ladle.coffea._strategy import CacheStrategy, cache_strategy

if TYPE_CHECKING:
    from ladle.coffea._runner import Runner

__all__ = [
    "CacheStrategy",
    "LadleSourceMapping",
    "NanoEventsFactory",
    "Runner",
    "SourceInfo",
    "cache_strategy",
]


def __getattr__(name: str) -> Any:
    # coffea.processor costs memory that an analysis without a Runner does not need.
    if name == "Runner":
        from ladle.coffea._runner import Runner

        return Runner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
