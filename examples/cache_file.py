"""Keep what an analysis has made in a file that a later job, or any HDF5 tool, can read.

Usage: ``python examples/cache_file.py nano.root [buffers.h5]``
"""

import sys
import tempfile
from pathlib import Path

import awkward as ak
import h5py

import ladle


def main(path, file):
    """Put the leading jets of each event away, and read them in three ways."""
    with ladle.HDF5BufferCache(file) as cache:
        events = ladle.open(path)
        cache["leading/pt"] = ak.to_numpy(ak.fill_none(ak.max(events.Jet_pt, axis=1), 0))
        ladle.offload(events.Jet_eta, cache, prefix="eta")

    with ladle.HDF5BufferCache(file) as cache:  # in a later job
        pt = cache["leading/pt"]
        print(f"{len(pt)} events, the hardest jet has {pt.max():.1f} GeV")
        print(*cache, sep="\n")

    with h5py.File(file) as tool:
        assert (tool["leading/pt"][:] == pt).all()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else Path(folder) / "buffers.h5")
