"""Embeds the sentences that the axes are taken from.

Reads   WORK/teacher/{model.safetensors,tokenizer.json}, WORK/sentences.txt (of tools/distill/corpus.py)
Writes  WORK/encoder-sentences.npy   f32 [20000, 384], unit vectors of the first sentences (they are shuffled)
        WORK/encoder-heldout.npy     f32 [2000, 384], of the next ones, which the axes never see
"""

import pathlib
import sys

import numpy

import model

AXES_SENTENCES, HELDOUT_SENTENCES = 20_000, 2_000


def sentences(work):
    """-> (those for the axes, those held out)"""
    with open(work / "sentences.txt", encoding="utf-8") as file:
        lines = [next(file).rstrip("\n") for _ in range(AXES_SENTENCES + HELDOUT_SENTENCES)]
    return lines[:AXES_SENTENCES], lines[AXES_SENTENCES:]


def main(work):
    work = pathlib.Path(work)
    teacher = model.load(work / "teacher")
    for name, lines in zip(("encoder-sentences.npy", "encoder-heldout.npy"), sentences(work)):
        numpy.save(work / name, teacher.embed(lines))
        print(name, len(lines), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
