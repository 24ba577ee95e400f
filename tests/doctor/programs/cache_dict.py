"""Fill a cache of 100 MB in the first half of the run, then drop the oldest for each new one."""

from collections import OrderedDict

import truth

NBYTES, MOST = 25_000, 4_000
cache: OrderedDict[int, bytearray] = OrderedDict()
for step in range(160):
    for i in range(MOST // 80):
        cache[step * MOST + i] = bytearray(b"x") * NBYTES
        if len(cache) > MOST:
            cache.popitem(last=False)
    truth.pause()
truth.tell(live=len(cache) * NBYTES)
