"""What the Python programs share whose memory is diagnosed: pace, and their truth."""

from __future__ import annotations

import json
import time

STEP_S = 0.01


def pause(seconds: float = STEP_S) -> None:
    """Wait: a program lasts about as long on any machine and costs little of its processor."""
    time.sleep(seconds)


def tell(live: int, *, garbage: int = 0, mapped: int = 0) -> None:
    """Print the bytes of large objects that are live or garbage, and those of mapped files."""
    print(json.dumps({"live": live, "garbage": garbage, "mapped": mapped}), flush=True)
