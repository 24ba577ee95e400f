"""Leak 1 MB a step, in a list that nobody empties."""

import truth

NBYTES = 20_000
kept: list[bytearray] = []
for _ in range(150):
    for _ in range(50):
        kept.append(bytearray(b"x") * NBYTES)
    work = bytearray(b"x") * 300_000
    del work
    truth.pause()
truth.tell(live=len(kept) * NBYTES)
