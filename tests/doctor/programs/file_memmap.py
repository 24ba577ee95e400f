"""Read more and more of a mapped file of 120 MB: file_memmap.py PATH."""

import sys
from pathlib import Path

import numpy as np
import truth

STEP = 1_000_000
with Path(sys.argv[1]).open("wb") as file:
    file.truncate(120 * STEP)
data = np.memmap(sys.argv[1], mode="r")
total = 0
for step in range(120):
    total += int(data[step * STEP : (step + 1) * STEP : 4096].sum())
    truth.pause(0.015)
truth.tell(live=0, mapped=len(data))
