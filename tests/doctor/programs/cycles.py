"""Drop cycles with large arrays: too few objects for Python's collector to come, or it is off.

Usage: cycles.py numpy|bytearray|disabled
"""

import gc
import sys
from typing import Any

import numpy as np
import truth

NBYTES = 1_000_000


class Node:
    """Refers to itself."""

    def __init__(self, payload: Any) -> None:
        self.payload = payload
        self.me = self


kind = sys.argv[1]
gc.collect()
if kind == "disabled":
    gc.disable()
for _ in range(150):
    if kind == "bytearray":
        Node(bytearray(b"x") * NBYTES)
    else:
        Node(np.ones(NBYTES, dtype=np.uint8))
    if kind == "disabled":
        small = [[] for _ in range(100)]
        del small
    truth.pause()
truth.tell(live=0, garbage=150 * NBYTES)
