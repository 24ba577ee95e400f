"""coffea's Runner, with ladle's factory where it has uproot's.

``coffea.processor.Runner`` opens files and calls ``NanoEventsFactory.from_root`` itself, by a name
in its own module. Here the same code runs with that one name standing for ladle's factory, and
coffea's module stays as it is.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import coffea.processor
import coffea.processor.executor

from ladle.coffea._factory import NanoEventsFactory


def _with_ladle(function: Any) -> Any:
    """Return the same function, for which ``NanoEventsFactory`` means ladle's."""
    names = {**function.__globals__, "NanoEventsFactory": NanoEventsFactory}
    bound = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    bound.__kwdefaults__ = function.__kwdefaults__
    return bound


_work = _with_ladle(coffea.processor.Runner._work_function)


class Runner(coffea.processor.Runner):  # type: ignore[misc]
    """Runs a processor over chunks of files, each opened by ladle; the arguments are coffea's.

    Notes
    -----
    ``cachestrategy=ladle.BufferCache`` gives each chunk a cache of its own;
    :func:`ladle.coffea.cache_strategy` makes one for each process. The metric
    ``bytesread`` counts what uproot reads: the headers of the files, and columns that ladle does
    not read.
    """

    @staticmethod
    def _work_function(*args: Any, **kwargs: Any) -> Any:
        return _work(*args, **kwargs)
