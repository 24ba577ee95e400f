"""Keep columns within a budget: the array holds nothing, the cache what fits.

Usage: ``python examples/buffer_cache.py nano.root "1 MB"``
"""

import sys

import awkward as ak

import ladle


def main(path, budget):
    """Sum every float column twice, through a cache."""
    with ladle.BufferCache(budget) as cache:
        events = ladle.open(path, cache=cache)
        numbers = [
            name
            for name, kind in ladle.info(events).columns.items()
            if kind.endswith("float32") and "string" not in kind
        ]
        for _ in range(2):
            for name in numbers:
                ak.sum(events[name])
            print(cache)
        stats = cache.stats()
        print(f"{stats['hits']} hits, {stats['misses']} misses, {stats['evictions']} evictions")
        cost = sum(entry["cost_ns"] for entry in cache.info()["entries"])
        print(f"what it holds took {cost / 1e6:.1f} ms to read")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
