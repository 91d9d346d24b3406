"""Writes the multilingual encoder's file.

Reads   WORK/model (the package's file), center.json beside this file
Writes  OUT

Needs numpy only. Nothing but rounding is done, so the file is the same everywhere.
"""

import pathlib
import sys

import center
import multifile
import source


def main(work, out):
    origin = source.load(pathlib.Path(work) / "model")
    blob = multifile.pack(origin, multifile.prefixes(origin), center.load())
    pathlib.Path(out).write_bytes(blob)
    print(multifile.unpack(blob)[2])


if __name__ == "__main__":
    main(*sys.argv[1:3])
