"""all-MiniLM-L6-v2 (BERT, 6 layers, 384 wide) in f32, written out in plain numpy.

Texts of one length are run together, so nothing is padded and no mask is needed.
"""

import pathlib

import numpy

LAYERS, HEADS, WIDTH, INNER = 6, 12, 384, 1536
CLS, SEP = 101, 102
POSITIONS = 256
EPSILON = 1e-12
# Tokens per forward pass; keeps the activations in the cache.
BATCH_TOKENS = 2048


class Model:
    """BERT encoder with mean pooling (Devlin 2018; Reimers and Gurevych 2019)."""

    def __init__(self, weights, tokenizer=None):
        self.w, self.tokenizer = weights, tokenizer

    def embedded(self, ids):
        """ids [n, t] -> f32 [n, t, 384]: word, position and first type, before the norm."""
        place = self.w["embeddings.position_embeddings.weight"] + self.w["embeddings.token_type_embeddings.weight"][0]
        return self.w["embeddings.word_embeddings.weight"][ids] + place[: ids.shape[1]]

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / numpy.sqrt((x * x).mean(-1, keepdims=True) + EPSILON)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def attention(self, x, at):
        n, t, _ = x.shape
        q, k, v = (self.linear(x, f"{at}.attention.self.{part}").reshape(n, t, HEADS, -1).transpose(0, 2, 1, 3)
                   for part in ("query", "key", "value"))
        mixed = softmax(q @ k.transpose(0, 1, 3, 2) / numpy.float32(WIDTH / HEADS) ** 0.5) @ v
        return self.linear(mixed.transpose(0, 2, 1, 3).reshape(n, t, WIDTH), f"{at}.attention.output.dense")

    def layer(self, x, at):
        x = self.norm(x + self.attention(x, at), f"{at}.attention.output.LayerNorm")
        inner = gelu(self.linear(x, f"{at}.intermediate.dense"))
        return self.norm(x + self.linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")

    def pooled(self, ids):
        """ids [n, t] -> f32 [n, 384]: the mean over the tokens of the last layer."""
        x = self.norm(self.embedded(ids), "embeddings.LayerNorm")
        for i in range(LAYERS):
            x = self.layer(x, f"encoder.layer.{i}")
        return x.mean(1)

    def ids(self, texts):
        """-> list of token id lists, [CLS] and [SEP] included, 256 at most."""
        return [e.ids for e in self.tokenizer.encode_batch(texts)]

    def embed(self, texts):
        """-> f32 [n, 384] of unit length."""
        return self.embed_ids(self.ids(texts))

    def embed_ids(self, ids):
        out = numpy.zeros((len(ids), WIDTH), numpy.float32)
        for batch in batches(ids):
            out[batch] = self.pooled(numpy.array([ids[i] for i in batch]))
        return unit(out)


def load(folder):
    """-> the Model of a folder with model.safetensors and tokenizer.json."""
    # Only here: what checks the file alone needs neither.
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = pathlib.Path(folder)
    tensors = load_file(folder / "model.safetensors")
    weights = {k.removeprefix("bert."): v.astype(numpy.float32) for k, v in tensors.items() if v.dtype.kind == "f"}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(POSITIONS)
    # "[SEP]" in a text is mere text, as the program reads it.
    tokenizer.encode_special_tokens = True
    return Model(weights, tokenizer)


def unit(rows):
    return rows / numpy.maximum(numpy.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def softmax(x):
    x = numpy.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def gelu(x):
    """Hendrycks and Gimpel 2016, with the error function of Abramowitz and Stegun 7.1.26 (right to 1.5e-7)."""
    z = numpy.abs(x) * numpy.float32(0.70710678)
    t = 1 / (1 + numpy.float32(0.3275911) * z)
    p = numpy.float32(1.061405429)
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p = p * t + numpy.float32(c)
    erf = numpy.copysign(1 - p * t * numpy.exp(-z * z), x)
    return numpy.float32(0.5) * x * (1 + erf)


def batches(ids):
    """Yields lists of indexes of one length, at most BATCH_TOKENS tokens each."""
    batch = []
    for i in sorted(range(len(ids)), key=lambda i: len(ids[i])):
        full = (len(batch) + 1) * len(ids[i]) > BATCH_TOKENS
        if batch and (full or len(ids[i]) != len(ids[batch[0]])):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
