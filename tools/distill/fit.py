"""Fits one vector per word piece so that their sum points where the teacher's sentence vector points.

Reads   WORK/tokens.npy, WORK/vectors/*.npy, WORK/sentences.txt, WORK/teacher/tokenizer.json
Writes  WORK/table.npy  f32 [30522, 384]

Start from the teacher's own vectors of single pieces, then a short Adam on the cosine. Stopping early is
meant: the longer the fit, the closer to the teacher and the further from the words (README.md, figures).
"""

import pathlib
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

SEED = 20240602
THREADS = 2
# The teacher's layer whose single-piece vectors are the start: the last lives in the space of the targets.
START_LAYER = 6
# Smooth inverse frequency (Arora 2017): weight = A / (A + p), p by Zipf's law over the rank.
SIF_A = 3e-5
FIRST_WORD = 1996
UNKNOWN = 100
RARE_RANK = 28_000
EPOCHS = 2
BATCH = 4096
RATE = 5e-4


def ranks(vocabulary):
    """-> f64 [V]: rank by frequency. BERT's words stand in that order from id 1996 on; before them are
    single characters in code order, of which only the ASCII ones are frequent."""
    rank = numpy.arange(len(vocabulary), dtype=numpy.float64) - FIRST_WORD + 2
    for i, piece in enumerate(vocabulary[:FIRST_WORD]):
        rank[i] = 1 if piece.isascii() else RARE_RANK
    return rank


def sif(vocabulary):
    """-> f32 [V]: the weight of each piece."""
    p = 1 / ranks(vocabulary)
    return (SIF_A / (SIF_A + p / p.sum())).astype(numpy.float32)


def start(tokens, vocabulary):
    """tokens [7, V, 384] -> f32 [V, 384], unit vectors times their weight; special pieces are zero."""
    w = tokens[START_LAYER].astype(numpy.float32)
    w -= w[FIRST_WORD:].mean(0)
    w /= numpy.linalg.norm(w, axis=1, keepdims=True)
    w *= sif(vocabulary)[:, None]
    for i, piece in enumerate(vocabulary):
        if piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
            w[i] = 0
    return w


def pieces_of(folder):
    """-> the teacher's tokenizer as the table uses it: no padding, no truncation, "[CLS]" is mere text."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode(tokenizer, sentences):
    """-> (ids i64 [T], offsets i64 [n + 1]) of all pieces, without [CLS], [SEP] and [UNK]."""
    encoded = [[i for i in e.ids if i != UNKNOWN] for e in tokenizer.encode_batch(sentences, add_special_tokens=False)]
    lengths = numpy.fromiter(map(len, encoded), numpy.int64, len(encoded))
    ids = numpy.concatenate([numpy.asarray(e, numpy.int64) for e in encoded])
    return ids, numpy.concatenate([[0], numpy.cumsum(lengths)])


def load(work):
    """-> (ids, offsets, y f16 [n, 384], vocabulary) of all sentences embedded so far."""
    vectors = [numpy.load(p) for p in sorted((work / "vectors").glob("[0-9][0-9][0-9][0-9].npy"))]
    y = numpy.concatenate(vectors)
    lines = (work / "sentences.txt").read_text(encoding="utf-8").split("\n")[: len(y)]
    ids, offsets = encode(pieces_of(work / "teacher"), lines)
    vocabulary = (work / "teacher" / "vocab.txt").read_text(encoding="utf-8").split("\n")[:30522]
    return ids, offsets, y, vocabulary


def gather(ids, offsets, rows):
    """-> (ids of those sentences, their offsets) as torch tensors."""
    lengths = offsets[rows + 1] - offsets[rows]
    ends = numpy.cumsum(lengths)
    at = numpy.arange(ends[-1]) + numpy.repeat(offsets[rows] - (ends - lengths), lengths)
    return torch.from_numpy(ids[at]), torch.from_numpy(ends - lengths)


def adam(ids, offsets, y, w):
    """Turns the sums towards y: Adam (Kingma 2015) on 1 - cosine, the rate falling to 0 in a line."""
    rng = numpy.random.default_rng(SEED)
    table = torch.nn.Parameter(torch.from_numpy(w.copy()))
    optimizer = torch.optim.Adam([table], lr=RATE)
    steps = EPOCHS * -(-len(y) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 1 - s / steps)
    for epoch in range(EPOCHS):
        losses = []
        order = rng.permutation(len(y))
        for first in range(0, len(y), BATCH):
            rows = numpy.sort(order[first : first + BATCH])
            pieces, starts = gather(ids, offsets, rows)
            pooled = F.embedding_bag(pieces, table, starts, mode="sum")
            loss = 1 - F.cosine_similarity(pooled, torch.from_numpy(y[rows].astype(numpy.float32))).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: mean cosine {1 - sum(losses) / len(losses):.4f}", flush=True)
    return table.detach().numpy()


def main(work):
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    work = pathlib.Path(work)
    began = time.time()
    ids, offsets, y, vocabulary = load(work)
    print(len(y), "sentences,", len(ids), "pieces", flush=True)
    w = start(numpy.load(work / "tokens.npy"), vocabulary)
    numpy.save(work / "table.npy", adam(ids, offsets, y, w))
    print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:2])
