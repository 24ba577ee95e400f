"""Columns whose figures are easy to get wrong, and rows of all nested types."""

import awkward as ak
import numpy as np

N_ENTRIES = 2500


def made_columns() -> dict[str, np.ndarray | ak.Array]:
    """By name, ``N_ENTRIES`` of each."""
    random = np.random.default_rng(7)
    # Cancels to a small rest: any sum that rounds on its way is off.
    wild = random.normal(size=N_ENTRIES) * 10.0 ** random.integers(-30, 30, N_ENTRIES)
    wild[1::2] = -wild[::2] * (1 + 2.0**-40)
    special = np.full(N_ENTRIES, np.inf)
    special[3] = np.nan
    special[4] = -np.inf
    counts = random.integers(0, 5, N_ENTRIES)
    return {
        "flag": random.integers(0, 2, N_ENTRIES).astype(bool),
        "tiny": random.integers(-128, 128, N_ENTRIES).astype(np.int8),
        "byte": random.integers(0, 256, N_ENTRIES).astype(np.uint8),
        "number": np.arange(N_ENTRIES, dtype=np.int32) - 1000,
        "large": np.full(N_ENTRIES, 2**63 - 1, dtype=np.int64),
        "small": np.full(N_ENTRIES, -(2**63), dtype=np.int64),
        "huge": np.full(N_ENTRIES, 2**64 - 1, dtype=np.uint64),
        "tenth": np.full(N_ENTRIES, 0.1, dtype=np.float32),
        "wild": wild,
        "special": special,
        "vector": random.normal(size=(N_ENTRIES, 3)).astype(np.float32),
        "matrix": random.integers(0, 100, (N_ENTRIES, 2, 2)).astype(np.int16),
        "jagged": ak.unflatten(random.normal(size=counts.sum()).astype(np.float32), counts),
    }


#: Records in lists, options, tuples, variants; each kind empty, absent and full.
NESTED = [
    {
        "run": 1,
        "jets": [{"pt": 1.5, "hits": [1, 2]}, {"pt": 2.5, "hits": []}],
        "best": 3.5,
        "pair": (1, "one"),
        "either": 7,
        "deep": {"x": -1, "in": {"y": [True], "z": "\u00e9"}},
        "tries": [None, 3, 4],
        "eithers": ["a", 1, "b"],
    },
    {
        "run": 2,
        "jets": [],
        "best": None,
        "pair": (2, ""),
        "either": "text",
        "deep": {"x": -2, "in": {"y": [], "z": ""}},
        "tries": [],
        "eithers": [],
    },
    {
        "run": 3,
        "jets": [{"pt": -0.5, "hits": [9]}],
        "best": -1.0,
        "pair": (3, 'a "quoted" one'),
        "either": "more",
        "deep": {"x": -3, "in": {"y": [False, True], "z": "z"}},
        "tries": [None],
        "eithers": [2, 3],
    },
]
