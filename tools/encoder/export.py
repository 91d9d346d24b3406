"""Quantizes the model, finds the axes, and writes the asset and the golden file.

Reads   WORK/teacher/{model.safetensors,tokenizer.json,vocab.txt}, WORK/encoder-sentences.npy
Writes  ROOT/assets/sentence-encoder.bin, ROOT/tests/data/sentence-encoder-golden.json
where ROOT is the project's folder.
"""

import argparse
import json
import pathlib
import sys

import numpy

import encoderfile
import model
from golden import TEXTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools" / "slim"))
import slim  # noqa: E402
SEED = 20240605
# The golden vectors are written in whole multiples of this.
GOLDEN_STEP = 1e-4


def principal_axes(vectors):
    """unit f32 [n, 384] -> f32 [384, DIMS]: their principal axes (uncentered), then turned at random.

    The turn is orthogonal, so it changes no cosine; it spreads the variance evenly over the
    components, which is what one scale a vector needs."""
    rows = vectors.astype(numpy.float64)
    values, axes = numpy.linalg.eigh(rows.T @ rows)
    kept = axes[:, numpy.argsort(-values)[: encoderfile.DIMS]]
    kept *= numpy.sign(kept[numpy.abs(kept).argmax(0), numpy.arange(encoderfile.DIMS)])
    turn, _ = numpy.linalg.qr(numpy.random.default_rng(SEED).standard_normal((encoderfile.DIMS, encoderfile.DIMS)))
    return (kept @ turn).astype(numpy.float32)


def golden(teacher, axes, identity):
    """-> what a reader of the file must come near to: the vectors of the model in f32."""
    cases = []
    for text, ids, vector in zip(TEXTS, teacher.ids(TEXTS), model.unit(teacher.embed(TEXTS) @ axes)):
        whole = [int(v) for v in numpy.rint(vector / GOLDEN_STEP)] if len(ids) > 2 else []
        cases.append({"text": text, "ids": ids[1:-1], "vector": whole})
    return {
        "about": "ids: BERT uncased word pieces without [CLS] and [SEP], 254 at most. vector: in multiples of 0.0001, "
                 "of the model in f32; none for a text without pieces. Made by tools/encoder/export.py.",
        "model_id": identity,
        "cases": cases,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    o = parser.parse_args()
    teacher = model.load(o.work / "teacher")
    vocabulary = (o.work / "teacher" / "vocab.txt").read_bytes()
    if slim.slim(vocabulary) != slim.slim((o.root / "assets" / "vocab.txt").read_bytes()):
        raise SystemExit("the model's vocabulary is not assets/vocab.txt")
    blob = encoderfile.pack(teacher.w, principal_axes(numpy.load(o.work / "encoder-sentences.npy")), vocabulary)
    _, axes, facts = encoderfile.unpack(blob, vocabulary)
    (o.root / "assets" / "sentence-encoder.bin").write_bytes(blob)
    lines = json.dumps(golden(teacher, axes, facts["id"]), separators=(",", ":")).replace('{"text"', '\n{"text"')
    (o.root / "tests" / "data" / "sentence-encoder-golden.json").write_text(lines + "\n")
    print(facts)


if __name__ == "__main__":
    main()
