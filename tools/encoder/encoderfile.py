"""Reads and writes the encoder's file. The layout is told byte by byte in README.md."""

import hashlib
import struct

import numpy

import model

MAGIC = b"MEMDENC\0"
VERSION = 1
HEADER = struct.Struct("<8s10HII12s16s")
DIMS = 256
# Clipping points that are tried for a row of codes, as shares of its peak.
SHARES = numpy.linspace(0.5, 1.0, 26)


def model_id(blob, vocabulary):
    """-> 16 bytes: SHA-256 of the file with its id field zeroed, then of the vocabulary file, cut."""
    at = HEADER.size - 16
    return hashlib.sha256(blob[:at] + bytes(16) + blob[at + 16 :] + vocabulary).digest()[:16]


def quantize(rows, most, codes_of, values_of):
    """-> (scale f32 [n], codes i8 [n, d]) with the scale of each row that leaves the least squared error."""
    peak = numpy.abs(rows).max(1)
    best = numpy.full(len(rows), numpy.inf)
    scale, codes = numpy.zeros(len(rows), numpy.float32), numpy.zeros(rows.shape, numpy.int8)
    for share in SHARES:
        s = (peak * (share / most)).astype(numpy.float32)
        step = numpy.where(s > 0, s, 1)[:, None]
        c = codes_of(rows / step)
        error = ((values_of(c) * s[:, None] - rows) ** 2).sum(1)
        better = error < best
        best[better], scale[better], codes[better] = error[better], s[better], c[better].astype(numpy.int8)
    return scale, codes


def quantize_int8(rows):
    """f32 [n, d] -> (scale f32 [n], codes i8 [n, d]); value = code * scale."""
    return quantize(rows, 127, lambda x: numpy.clip(numpy.rint(x), -127, 127), lambda c: c)


def quantize_int6(rows):
    """f32 [n, d] -> (scale f32 [n], codes 0..63 [n, d]); value = (2 * code - 63) * scale."""
    return quantize(rows, 63, lambda x: numpy.clip(numpy.rint((x + 63) / 2), 0, 63), lambda c: 2 * c - 63)


def pack_int6(codes):
    """0..63 [n, d] -> u8 [n, d * 3 / 4]: four codes in three bytes, the first in the lowest bits."""
    a, b, c, d = (codes[:, i::4].astype(numpy.uint32) for i in range(4))
    three = a | b << 6 | c << 12 | d << 18
    return numpy.stack([three & 255, three >> 8 & 255, three >> 16], 2).astype(numpy.uint8).reshape(len(codes), -1)


def unpack_int6(packed):
    """u8 [n, d * 3 / 4] -> 0..63 f32 [n, d]"""
    three = packed.reshape(len(packed), -1, 3).astype(numpy.uint32)
    three = three[:, :, 0] | three[:, :, 1] << 8 | three[:, :, 2] << 16
    return numpy.stack([three >> shift & 63 for shift in (0, 6, 12, 18)], 2).reshape(len(packed), -1).astype(numpy.float32)


def matrices(weights, layer):
    """-> {name: (f32 [to, from], f32 [to])}: the four products of a layer, as the file has them.

    Query, key and value are one matrix. The query is divided by the square root of a head's width
    here, so that nobody has to do it later."""
    at = f"encoder.layer.{layer}"
    part = lambda name: (weights[f"{at}.{name}.weight"], weights[f"{at}.{name}.bias"])
    query, key, value = (part(f"attention.self.{name}") for name in ("query", "key", "value"))
    root = numpy.float32((model.WIDTH / model.HEADS) ** 0.5)
    looks = [numpy.concatenate(parts) for parts in zip((query[0] / root, query[1] / root), key, value)]
    return {"looks": looks, "joined": part("attention.output.dense"), "wide": part("intermediate.dense"), "narrow": part("output.dense")}


def norm(weights, name):
    return weights[name + ".weight"].astype("<f4").tobytes() + weights[name + ".bias"].astype("<f4").tobytes()


def matrix(pair):
    scale, codes = quantize_int8(pair[0])
    return codes.tobytes() + scale.astype("<f4").tobytes() + pair[1].astype("<f4").tobytes()


def layers(weights, count):
    """-> the parts of the file that have the layers."""
    parts = []
    for layer in range(count):
        at, four = f"encoder.layer.{layer}", matrices(weights, layer)
        parts += [matrix(four["looks"]), matrix(four["joined"]), norm(weights, f"{at}.attention.output.LayerNorm"),
                  matrix(four["wide"]), matrix(four["narrow"]), norm(weights, f"{at}.output.LayerNorm")]
    return parts


def pack(weights, axes, vocabulary):
    """{name: f32}, f32 [384, 256], bytes of vocab.txt -> the file's bytes."""
    words = weights["embeddings.word_embeddings.weight"]
    places = weights["embeddings.position_embeddings.weight"][: model.POSITIONS] + weights["embeddings.token_type_embeddings.weight"][0]
    scale, codes = quantize_int6(words)
    parts = [scale.astype("<f4").tobytes(), pack_int6(codes).tobytes(), places.astype("<f4").tobytes(), norm(weights, "embeddings.LayerNorm")]
    parts += layers(weights, model.LAYERS)
    parts.append(axes.astype("<f4").tobytes())
    header = HEADER.pack(MAGIC, VERSION, model.LAYERS, model.HEADS, model.WIDTH, model.INNER, DIMS, model.POSITIONS,
                         model.CLS, model.SEP, 0, len(words), len(vocabulary), bytes(12), bytes(16))
    blob = header + b"".join(parts)
    return blob[: HEADER.size - 16] + model_id(blob, vocabulary) + blob[HEADER.size :]


class Reader:
    def __init__(self, blob, at):
        self.blob, self.at = blob, at

    def take(self, kind, *shape):
        found = numpy.frombuffer(self.blob, kind, int(numpy.prod(shape)), self.at).reshape(shape)
        self.at += found.nbytes
        return found

    def matrix(self, to, wide):
        codes = self.take("i1", to, wide).astype(numpy.float32)
        return codes * self.take("<f4", to)[:, None], self.take("<f4", to)

    def body(self, w, layers, heads, width, inner, positions):
        """Adds the positions and the layers to the weights, as model.Model has them."""
        w["embeddings.position_embeddings.weight"] = self.take("<f4", positions, width)
        w["embeddings.token_type_embeddings.weight"] = numpy.zeros((1, width), numpy.float32)
        w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"] = self.take("<f4", 2, width)
        root = numpy.float32((width / heads) ** 0.5)
        for layer in range(layers):
            at = f"encoder.layer.{layer}"
            looks, bias = self.matrix(3 * width, width)
            for i, (name, factor) in enumerate((("query", root), ("key", 1), ("value", 1))):
                rows = slice(i * width, (i + 1) * width)
                w[f"{at}.attention.self.{name}.weight"], w[f"{at}.attention.self.{name}.bias"] = looks[rows] * factor, bias[rows] * factor
            for name, shape in (("attention.output.dense", (width, width)), ("attention.output.LayerNorm", None),
                                ("intermediate.dense", (inner, width)), ("output.dense", (width, inner)), ("output.LayerNorm", None)):
                w[f"{at}.{name}.weight"], w[f"{at}.{name}.bias"] = self.matrix(*shape) if shape else self.take("<f4", 2, width)


def unpack(blob, vocabulary):
    """-> (weights as model.Model has them, axes, facts); raises ValueError if the file is wrong."""
    magic, version, *shape, start, end, zero, count, vocabulary_bytes, zeros, identity = HEADER.unpack_from(blob)
    count_of_layers, heads, width, inner, dims, positions = shape
    if (magic, version, zero, zeros) != (MAGIC, VERSION, 0, bytes(12)):
        raise ValueError("not an encoder of this version")
    if vocabulary_bytes != len(vocabulary) or count != vocabulary.count(b"\n"):
        raise ValueError("the vocabulary is not the encoder's")
    if identity != model_id(blob, vocabulary):
        raise ValueError("wrong model id")
    r, w = Reader(blob, HEADER.size), {}
    scale = r.take("<f4", count)[:, None]
    w["embeddings.word_embeddings.weight"] = (2 * unpack_int6(r.take("u1", count, width * 3 // 4)) - 63) * scale
    r.body(w, count_of_layers, heads, width, inner, positions)
    axes = r.take("<f4", width, dims)
    if r.at != len(blob):
        raise ValueError("wrong length")
    return w, axes, {"version": version, "dims": dims, "rows": count, "id": identity.hex(), "bytes": len(blob), "marks": (start, end)}
