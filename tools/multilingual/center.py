"""Finds what all vectors have in common, over the same texts in forty languages as questions and as memories.

Reads   WORK/model (the package's file), WORK/multilingual-sentences.json (of corpus.py)
Writes  center.json beside this file: SHARE of the mean of the unit vectors, in multiples of STEP. It lies in the
        repository, so that the file comes out the same everywhere, and without the corpora.
"""

import json
import pathlib
import sys

import numpy

import e5
import source

TEXTS = 2_000
# With the whole mean off, a store in one language has little left to tell its memories apart by; see README.md.
SHARE = 0.8
STEP = 1e-5
FILE = pathlib.Path(__file__).with_name("center.json")


def load():
    """-> f32 [384]"""
    return (numpy.array(json.loads(FILE.read_text())) * STEP).astype(numpy.float32)


def save(means):
    """Writes the center, given the mean of questions and that of memories."""
    FILE.write_text(json.dumps([int(x) for x in numpy.rint(SHARE * numpy.mean(means, 0) / STEP)]) + "\n")


def main(work):
    work = pathlib.Path(work)
    model = e5.of_source(source.load(work / "model"))
    texts = json.loads((work / "multilingual-sentences.json").read_text(encoding="utf-8"))[:TEXTS]
    save([model.embed_side(side, texts).mean(0, dtype=numpy.float64) for side in (e5.QUESTION, e5.MEMORY)])


if __name__ == "__main__":
    main(*sys.argv[1:2])
