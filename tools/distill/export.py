"""Cuts the fitted table to its principal axes, quantizes it, and writes the assets.

Reads   WORK/table.npy, WORK/teacher/{vocab.txt,tokenizer.json}
Writes  ROOT/assets/static-embeddings.bin, ROOT/assets/vocab.txt, ROOT/tests/data/embedding-golden.json
where ROOT is the project's folder.
"""

import argparse
import json
import pathlib

import numpy
import torch
import torch.nn.functional as F

import fit
import table

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = 20240603
DIMS = 256
# Sentences whose pooled vectors the axes are taken from.
AXES_SENTENCES = 200_000
CHUNK = 20_000

GOLDEN = [
    "",
    "   \t\n ",
    "Hello, world!",
    "Where did you go last week? - Lisbon!",
    "I adopted a puppy named Biscuit on 8 May 2023.",
    "The user prefers dark mode and tabs over spaces.",
    "Parking space 42, level B2.",
    "It's John's; don't touch -- it isn't yours...",
    "UPPER lower MiXeD",
    "caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c5ngstr\u00f6m",
    "cafe\u0301 (decomposed accent)",
    "\u0130stanbul \u0131\u015f\u0131k",
    "Stra\u00dfe, \u0152uvre, \u00c6ther, \u0141\u00f3d\u017a",
    "\u6771\u4eac\u3067\u53cb\u9054\u306b\u4f1a\u3063\u305f",
    "\u6211\u559c\u6b22\u559d\u5496\u5561\u3002",
    "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0419\u043e\u0433",
    "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u039f\u0394\u039f\u03a3",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "fn parse_http_header(buf: &[u8]) -> Result<Header, ParseError>",
    "snake_case camelCase SCREAMING_CASE kebab-case v1.2.3-rc.4",
    "https://example.com/a/b?q=1&r=%20#frag",
    "C:\\Temp\\notes.txt and /etc/hosts",
    "3.14159 1,000,000 0xDEADBEEF 1e-9 50% $5.00 \u20ac7",
    "2023-05-08T13:56:00Z",
    "I love it \U0001f600\U0001f389 so much \u2764\ufe0f!",
    "\U0001f600",
    "soft\u00adhyphen zero\u200bwidth no\u00a0break \ufefftext",
    "nul\u0000byte re\ufffdplacement tab\there",
    "\uff26\uff55\uff4c\uff4c\uff57\uff49\uff44\uff54\uff48 \u201cquotes\u201d \u2014 dash\u2026",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 100,
    "x" * 101,
    "[CLS] is [MASK] special? [UNK]",
    "electroencephalographically antidisestablishmentarianism unbelievableness",
]


def axes(w, ids, offsets):
    """-> f32 [384, DIMS]: principal axes of the unit sentence vectors (uncentered), then turned at random.

    The turn is orthogonal, so it changes no cosine; it spreads the variance evenly over the
    components, which is what one scale a row needs."""
    count = min(AXES_SENTENCES, len(offsets) - 1)
    scatter = numpy.zeros((w.shape[1], w.shape[1]))
    for first in range(0, count, CHUNK):
        rows = numpy.arange(first, min(first + CHUNK, count))
        pieces, starts = fit.gather(ids, offsets, rows)
        unit = F.normalize(F.embedding_bag(pieces, torch.from_numpy(w), starts, mode="sum")).numpy()
        scatter += unit.T @ unit
    values, vectors = numpy.linalg.eigh(scatter)
    kept = vectors[:, numpy.argsort(-values)[:DIMS]]
    kept *= numpy.sign(kept[numpy.abs(kept).argmax(0), numpy.arange(DIMS)])
    turn, _ = numpy.linalg.qr(numpy.random.default_rng(SEED).standard_normal((DIMS, DIMS)))
    return (kept @ turn).astype(numpy.float32)


def pool(w, ids):
    """-> f32 [D], the sum of the pieces' rows at unit length; zeros if there is none."""
    total = w[ids].sum(0) if len(ids) else numpy.zeros(w.shape[1], numpy.float32)
    length = numpy.linalg.norm(total)
    return total / length if length > 0 else total


def golden(w, tokenizer, identity):
    """-> the facts that a reader in another language must arrive at."""
    cases = []
    for text in GOLDEN:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "head": [round(float(v), 6) for v in pool(w, ids)[:8]]})
    return {
        "about": "ids: BERT uncased word pieces without [CLS] and [SEP], not truncated. "
                 "head: first 8 components of the sum of the rows at unit length. Made by tools/distill/export.py.",
        "model_id": identity,
        "cases": cases,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--bits", type=int, choices=(4, 8), default=4)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    o = parser.parse_args()
    w = numpy.load(o.work / "table.npy")
    ids, offsets, _, _ = fit.load(o.work)
    vocabulary = (o.work / "teacher" / "vocab.txt").read_bytes()
    blob = table.pack(w @ axes(w, ids, offsets), o.bits, vocabulary)
    (o.root / "assets").mkdir(parents=True, exist_ok=True)
    (o.root / "assets" / "static-embeddings.bin").write_bytes(blob)
    (o.root / "assets" / "vocab.txt").write_bytes(vocabulary)
    rows, facts = table.unpack(blob, vocabulary)
    (o.root / "tests" / "data").mkdir(parents=True, exist_ok=True)
    text = json.dumps(golden(rows, fit.pieces_of(o.work / "teacher"), facts["id"]), indent=1) + "\n"
    (o.root / "tests" / "data" / "embedding-golden.json").write_text(text)
    print(facts, len(blob), "bytes")


if __name__ == "__main__":
    main()
