"""Embeds sentences with all-MiniLM-L6-v2 (BERT, 6 layers, 384 wide), written out in plain torch.

Reads   WORK/teacher/{model.safetensors,tokenizer.json,vocab.txt}, WORK/sentences.txt, WORK/heldout.txt
Writes  WORK/tokens.npy       f16 [7, 30522, 384]  mean hidden state of every word piece alone, by layer
        WORK/heldout.npy      f16 [H, 384]         unit vectors of the held-out sentences
        WORK/vectors/NNNN.npy f16 [<= 8192, 384]   unit vectors of the sentences, shard by shard

A shard that exists is not made again, so the job can be stopped and continued.
"""

import os
import pathlib
import sys
import time

# AMX instructions are announced but refused by some virtual machines.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

THREADS = 2
SHARD = 8192
# Tokens per forward pass, padding included; keeps the activations in the cache.
BATCH_TOKENS = 4096
MAX_TOKENS = 128
LAYERS, HEADS, WIDTH = 6, 12, 384
CLS, SEP = 101, 102


class Teacher:
    """BERT encoder with mean pooling (Devlin 2018; Reimers and Gurevych 2019)."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.w = {k.removeprefix("bert."): v.float() for k, v in load_file(folder / "model.safetensors").items()}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def norm(self, x, name):
        return F.layer_norm(x, (WIDTH,), self.w[name + ".weight"], self.w[name + ".bias"], 1e-12)

    def attention(self, x, mask, at):
        n, t, _ = x.shape
        q, k, v = (self.linear(x, f"{at}.attention.self.{part}").view(n, t, HEADS, -1).transpose(1, 2)
                   for part in ("query", "key", "value"))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        return self.linear(mixed.transpose(1, 2).reshape(n, t, WIDTH), f"{at}.attention.output.dense")

    def layer(self, x, mask, at):
        x = self.norm(x + self.attention(x, mask, at), f"{at}.attention.output.LayerNorm")
        inner = F.gelu(self.linear(x, f"{at}.intermediate.dense"))
        return self.norm(x + self.linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")

    def hidden(self, ids, mask):
        """ids [n, t] int64, mask [n, t] bool -> list of 7 hidden states [n, t, 384]."""
        x = (F.embedding(ids, self.w["embeddings.word_embeddings.weight"])
             + self.w["embeddings.position_embeddings.weight"][: ids.shape[1]]
             + self.w["embeddings.token_type_embeddings.weight"][0])
        states = [self.norm(x, "embeddings.LayerNorm")]
        for i in range(LAYERS):
            states.append(self.layer(states[-1], mask, f"encoder.layer.{i}"))
        return states

    def encode(self, sentences):
        """-> list of token id lists, [CLS] and [SEP] included."""
        return [e.ids for e in self.tokenizer.encode_batch(sentences)]

    def embed(self, sentences):
        """-> f16 [n, 384], mean over all tokens of the last layer, unit length."""
        ids = self.encode(sentences)
        out = numpy.zeros((len(ids), WIDTH), numpy.float16)
        for batch in batches(ids):
            padded, mask = pad([ids[i] for i in batch])
            last = self.hidden(padded, mask)[-1]
            out[batch] = F.normalize(mean(last, mask), dim=1).numpy().astype(numpy.float16)
        return out

    def pieces(self, count):
        """-> f16 [7, count, 384]: each word piece alone between [CLS] and [SEP], mean by layer."""
        out = numpy.zeros((LAYERS + 1, count, WIDTH), numpy.float16)
        for start in range(0, count, 1024):
            rows = [[CLS, i, SEP] for i in range(start, min(start + 1024, count))]
            padded, mask = pad(rows)
            for layer, state in enumerate(self.hidden(padded, mask)):
                out[layer, start : start + len(rows)] = mean(state, mask).numpy().astype(numpy.float16)
        return out


def mean(states, mask):
    """[n, t, w], [n, t] -> [n, w], the mean over the real tokens."""
    m = mask[:, :, None].float()
    return (states * m).sum(1) / m.sum(1)


def pad(rows):
    """-> (ids [n, t] int64, mask [n, t] bool)."""
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = True
    return ids, mask


def batches(ids):
    """Yields lists of indexes of like length, at most BATCH_TOKENS tokens with padding."""
    batch = []
    for i in sorted(range(len(ids)), key=lambda i: len(ids[i])):
        if batch and (len(batch) + 1) * len(ids[i]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def save(path, array):
    """Writes beside and renames, so a file that exists is whole."""
    beside = path.with_suffix(".part.npy")
    numpy.save(beside, array)
    beside.rename(path)


def main(work):
    torch.set_num_threads(THREADS)
    work = pathlib.Path(work)
    teacher = Teacher(work / "teacher")
    (work / "vectors").mkdir(exist_ok=True)
    if not (work / "tokens.npy").exists():
        save(work / "tokens.npy", teacher.pieces(30522))
    if not (work / "heldout.npy").exists():
        held = [line.split("\t", 1)[1] for line in (work / "heldout.txt").read_text(encoding="utf-8").split("\n")[:-1]]
        save(work / "heldout.npy", teacher.embed(held))
    lines = (work / "sentences.txt").read_text(encoding="utf-8").split("\n")[:-1]
    started = time.time()
    for shard, first in enumerate(range(0, len(lines), SHARD)):
        path = work / "vectors" / f"{shard:04d}.npy"
        if not path.exists():
            save(path, teacher.embed(lines[first : first + SHARD]))
            print(f"{shard}: {min(first + SHARD, len(lines))} of {len(lines)}, {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main(*sys.argv[1:2])
