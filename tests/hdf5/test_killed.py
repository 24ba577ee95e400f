"""What a killed writer leaves is a good HDF5 file: h5py and the library read the same from it."""

import os
import subprocess

import h5py

from .conftest import ROOT, Cache


def test_both_read_the_same_from_what_is_left(tmp_path):
    program = ROOT / "build" / "tests" / "hdf5_kill"
    subprocess.run([program], check=True, env=os.environ | {"LADLE_KEEP": str(tmp_path)})
    left = sorted(tmp_path.iterdir())
    assert len(left) > 80
    entries = never_committed = 0
    for path in left:
        if path.stat().st_size <= 512 or path.read_bytes()[512:516] != b"\x89HDF":
            never_committed += 1  # killed while the very first commit was made
            continue
        with h5py.File(path) as file:
            found = {}

            def visit(name, item, found=found):
                if isinstance(item, h5py.Dataset):
                    found[name] = item[...].tobytes()

            file.visititems(visit)
            found.pop("%ladle")
        with Cache(path) as cache:
            keys = cache.keys()
            assert len(keys) == len(found)
            for key in keys:
                below = key.decode() in ("run", "a") and f"{key.decode()}%" in found
                name = f"{key.decode()}%" if below else key.decode()
                assert cache.get(key).data == found[name]
        entries += len(found)
    assert entries > 100
    assert never_committed < len(left) / 4
