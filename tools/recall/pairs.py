#!/usr/bin/env python3
"""How near texts lie that say the same, update one another, are merely alike, or have nothing in common.

Reads data/pairs.jsonl: objects with `a`, `b` and `kind`, which is `same` (the same fact in other words), `update`
(a new value of the same fact), `alike` (the same person or topic, another fact) or `other` (unrelated).
Prints, for the encoder and for the table, percentiles of the cosine by kind, and what a threshold would catch.

Cosines are the server's: the file's weights, its 256 axes, one byte a component. Only the activations are f32
here instead of 14 bits, too little to see in a cosine of two digits. Needs numpy and tokenizers, as tools/encoder does.
"""

import argparse
import json
import pathlib
import sys

import numpy
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tools" / tool) for tool in ("encoder", "distill")]
import encoderfile  # noqa: E402
import model  # noqa: E402
import table  # noqa: E402

KINDS = ("same", "update", "alike", "other")
PERCENTILES = (0, 5, 10, 25, 50, 75, 90, 95, 100)


def encoded(texts, vocabulary, words):
    """-> f32 [n, 256], what the encoder makes of texts."""
    weights, axes, _ = encoderfile.unpack((ROOT / "assets/sentence-encoder.bin").read_bytes(), vocabulary)
    return model.Model(weights, words).embed(texts) @ axes


def summed(texts, vocabulary, words):
    """-> f32 [n, 256], what the table does: a mere sum of rows."""
    rows, _ = table.unpack((ROOT / "assets/static-embeddings.bin").read_bytes(), vocabulary)
    return numpy.array([rows[one.ids[1:-1]].sum(0) for one in words.encode_batch(texts)])


def in_bytes(rows):
    """-> unit vectors of what the server keeps of these."""
    peaks = numpy.maximum(numpy.abs(rows).max(1, keepdims=True), 1e-12)
    return model.unit(numpy.rint(rows * (127 / peaks)))


def tell(name, by_kind):
    print(f"\n{name}: cosine by kind, percentiles")
    print("        " + "".join(f"{p:>7}" for p in PERCENTILES))
    for kind, cosines in by_kind.items():
        print(f"{kind:8}" + "".join(f"{cosine:7.2f}" for cosine in numpy.percentile(cosines, PERCENTILES)))
    print("at least" + "".join(f"{kind:>8}" for kind in by_kind) + "   percent that are")
    for least in numpy.arange(0.4, 0.96, 0.05):
        shares = (100 * numpy.mean(cosines >= least) for cosines in by_kind.values())
        print(f"{least:8.2f}" + "".join(f"{share:8.0f}" for share in shares))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data" / "pairs.jsonl")
    parser.add_argument("--each", action="store_true", help="print every pair with both cosines instead")
    wanted = parser.parse_args()
    pairs = [json.loads(line) for line in wanted.pairs.read_text(encoding="utf-8").splitlines() if line]
    path = ROOT / "assets/vocab.txt"
    words = tokenizers.BertWordPieceTokenizer(str(path), lowercase=True)
    words.enable_truncation(model.POSITIONS)
    texts = [pair[side] for side in "ab" for pair in pairs]
    found = {}
    for name, embed in (("encoder", encoded), ("table", summed)):
        rows = in_bytes(embed(texts, path.read_bytes(), words))
        found[name] = (rows[: len(pairs)] * rows[len(pairs) :]).sum(1)
    if wanted.each:
        order = sorted(range(len(pairs)), key=lambda i: (KINDS.index(pairs[i]["kind"]), -found["encoder"][i]))
        for i in order:
            print(*(f"{cosines[i]:.2f}" for cosines in found.values()), *(pairs[i][key] for key in ("kind", "a", "b")), sep="\t")
        return
    counts = {kind: sum(pair["kind"] == kind for pair in pairs) for kind in KINDS}
    print("pairs: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    for name, cosines in found.items():
        of = {kind: cosines[[i for i, pair in enumerate(pairs) if pair["kind"] == kind]] for kind in KINDS}
        tell(name, of)


if __name__ == "__main__":
    main()
