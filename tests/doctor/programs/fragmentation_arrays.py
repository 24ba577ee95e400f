"""Read arrays that grow from step to step, and keep the first values of each, in place.

No array fits into the holes that the earlier ones left.
"""

import numpy as np
import truth

kept = []
for step in range(20):
    arrays = [np.ones(20_000 + 4_000 * step, dtype=np.uint8) for _ in range(200)]
    truth.pause(0.02)
    for array in arrays:
        array.resize(600, refcheck=False)
    kept.extend(arrays)
    del arrays, array
    truth.pause(0.02)
for _ in range(100):
    arrays = [np.ones(20_000, dtype=np.uint8) for _ in range(50)]
    truth.pause()
truth.tell(live=sum(array.nbytes for array in kept))
