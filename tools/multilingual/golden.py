"""Writes the golden file: what a reader of the encoder's file must come near to.

Reads   WORK/model (the package's file), the encoder's file
Writes  ROOT/tests/data/multilingual-golden.json, where ROOT is the project's folder

Pieces are those of the SentencePiece library, vectors those of the package's weights in f32.
"""

import json
import pathlib
import sys

import numpy

import e5
import multifile
import source
from texts import MEMORIES, QUESTIONS

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The vectors are written in whole multiples of this.
STEP = 1e-4
ABOUT = ("ids: the library's numbers of the pieces, with the prefix, without the marks, 254 at most. vector: in multiples of "
         "0.0001, of the package's weights in f32; none for a text without pieces. Made by tools/multilingual/golden.py.")


def cases(teacher, center):
    for side, texts in ((e5.QUESTION, QUESTIONS), (e5.MEMORY, MEMORIES)):
        vectors = multifile.centered(teacher.embed_side(side, texts), center)
        for text, pieces, vector in zip(texts, teacher.pieces(side, texts), vectors):
            whole = [int(v) for v in numpy.rint(vector / STEP)] if pieces else []
            yield {"text": text, "question": side == e5.QUESTION, "ids": pieces, "vector": whole}


def main(work, file):
    teacher = e5.of_source(source.load(pathlib.Path(work) / "model"))
    _, center, facts = multifile.unpack(pathlib.Path(file).read_bytes())
    golden = {"about": ABOUT, "model_id": facts["id"], "cases": list(cases(teacher, center))}
    lines = json.dumps(golden, separators=(",", ":")).replace('{"text"', '\n{"text"')
    (ROOT / "tests" / "data" / "multilingual-golden.json").write_text(lines + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
