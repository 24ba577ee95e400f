"""Write the files of `written.hpp`, and what ROOT reads of their reals: run as a program."""

import sys
from pathlib import Path

import ROOT

#: Names of files: bytes of a page, and compression.
TYPES = {
    "types_tiny": (16, 0),
    "types_zstd": (64, 505),
    "types_lzma": (1 << 20, 207),
    "types_zlib": (256, 101),
    "types_lz4": (256, 404),
}
#: A page of 8 bytes has one double.
ENCODINGS = {
    "encodings_zstd": (128, 505),
    "encodings_none": (64, 0),
    "encodings_one": (8, 505),
}


def main(folder):
    ROOT.gInterpreter.Declare(Path(__file__).with_name("written.hpp").read_text())
    for name, (page_nbytes, compression) in TYPES.items():
        ROOT.written.WriteTypes(str(folder / f"{name}.root"), page_nbytes, compression)
    for name, (page_nbytes, compression) in ENCODINGS.items():
        path = str(folder / f"{name}.root")
        ROOT.written.WriteEncodings(path, page_nbytes, compression)
        (folder / f"{name}.txt").write_text(str(ROOT.written.ReadReals(path)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
