"""The four caches for tests that hold for all of them."""

import gc

import ladle

KINDS = ("raw", "compressed", "hdf5", "tiered")

CLASSES = {
    "raw": ladle.BufferCache,
    "compressed": ladle.CompressedBufferCache,
    "hdf5": ladle.HDF5BufferCache,
    "tiered": ladle.TieredBufferCache,
}


def make_cache(kind, budget=None, **options):
    """Make a cache that holds about `budget` bytes; ``None``: all that it is given."""
    if kind == "tiered":
        if budget is None:
            sizes = {"raw": 20_000, "compressed": 50_000}
        else:
            sizes = {"raw": budget // 2, "compressed": budget // 4, "disk": budget // 4}
        return ladle.TieredBufferCache(**{**sizes, **options})
    if kind == "hdf5" and budget is not None:
        options = {"hot": budget // 2, **options}
    return CLASSES[kind](budget=budget, **options)


def settle(cache):
    """Bytes that are in use although nobody should hold an array; 0 is right."""
    gc.collect()
    return cache.stats()["pinned_nbytes"]


def same(one, other):
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )
