"""Reads and writes the multilingual encoder's file. The layout is told byte by byte in README.md."""

import struct

import numpy

import e5
import encoderfile
import model
import source

KIND = 1
BLOCK_BYTES = 2 + source.BLOCK // 2
# <s>, <pad>, </s>, <unk> and <mask> are never found in a text.
NOT_FOUND = (b"<s>", b"<pad>", b"</s>", b"<unk>", b"<mask>")
PREFIX_SLOTS = 5
# What the library takes off an unknown character, below the least score of all pieces.
UNKNOWN_PENALTY = 10.0
# What the library cuts "query:" and "passage:" into; golden.py would tell if it were otherwise.
PREFIXES = ((b"\xe2\x96\x81que", b"ry", b":"), (b"\xe2\x96\x81passage", b":"))


def prefixes(origin):
    """-> the numbers of the pieces that stand before a question, and before a memory"""
    number = {piece: i for i, piece in enumerate(origin.pieces)}
    return [[number[piece] for piece in prefix] for prefix in PREFIXES]


def vocabulary_bytes(origin, prefixes):
    """-> the part of the file that has the pieces, in the order of their bytes."""
    order = sorted((i for i, piece in enumerate(origin.pieces) if piece not in NOT_FOUND), key=lambda i: origin.pieces[i])
    texts = [origin.pieces[i] for i in order]
    scores = origin.scores[order]
    head = [len(order), source.UNKNOWN]
    lists = [[*one, *[0] * (PREFIX_SLOTS - len(one))] for one in prefixes]
    return b"".join([
        struct.pack("<2If", *head, scores.min() - numpy.float32(UNKNOWN_PENALTY)),
        struct.pack("<2I10I", *map(len, prefixes), *lists[0], *lists[1]), bytes(4),
        numpy.cumsum([len(text) for text in texts]).astype("<u4").tobytes(),
        numpy.array(order, "<u4").tobytes(), scores.astype("<f4").tobytes(), b"".join(texts),
    ])


def pack(origin, prefixes, center):
    """the package's Source, the pieces of both prefixes, f32 [384] -> the file's bytes."""
    w, rows = origin.w, len(origin.pieces)
    pieces = vocabulary_bytes(origin, prefixes)
    places = w["embeddings.position_embeddings.weight"][: e5.LONGEST] + w["embeddings.token_type_embeddings.weight"][0]
    # The vectors of the pieces are as the package has them: nothing is lost.
    vectors = origin.tensors["emb.word"][2][: rows * origin.width // source.BLOCK * BLOCK_BYTES]
    parts = [pieces, vectors, places.astype("<f4").tobytes(), encoderfile.norm(w, "embeddings.LayerNorm")]
    parts += encoderfile.layers(w, origin.layers)
    parts.append(center.astype("<f4").tobytes())
    header = encoderfile.HEADER.pack(encoderfile.MAGIC, encoderfile.VERSION, origin.layers, origin.heads, origin.width, origin.inner,
                                     origin.width, e5.LONGEST, source.START, source.END, KIND, rows, len(pieces), bytes(12), bytes(16))
    blob = header + b"".join(parts)
    return blob[: len(header) - 16] + encoderfile.model_id(blob, b"") + blob[len(header) :]


def unpack(blob):
    """-> (weights as model.Model has them, center f32 [384], facts); raises ValueError if the file is wrong."""
    magic, version, *shape, _, _, kind, rows, size, zeros, identity = encoderfile.HEADER.unpack_from(blob)
    layers, heads, width, inner, dims, places = shape
    if (magic, version, kind, zeros) != (encoderfile.MAGIC, encoderfile.VERSION, KIND, bytes(12)):
        raise ValueError("not a multilingual encoder of this version")
    if identity != encoderfile.model_id(blob, b""):
        raise ValueError("wrong model id")
    r, w = encoderfile.Reader(blob, encoderfile.HEADER.size), {}
    r.at += size
    raw = r.take("u1", rows, width // source.BLOCK, BLOCK_BYTES)
    halves = raw[:, :, 2:]
    codes = numpy.concatenate([halves & 15, halves >> 4], 2).reshape(rows, width)
    w["embeddings.word_embeddings.weight"] = source.numbers_of(numpy.ascontiguousarray(raw[:, :, :2]).view("<f2")[:, :, 0], codes)
    r.body(w, layers, heads, width, inner, places)
    center = r.take("<f4", width)
    if r.at != len(blob) or dims != width:
        raise ValueError("wrong length")
    return w, center, {"version": version, "layers": layers, "dims": dims, "rows": rows, "vocabulary_bytes": size, "id": identity.hex(), "bytes": len(blob)}


def centered(vectors, center):
    """unit f32 [n, 384] -> f32 [n, 384] of unit length, as the program keeps them"""
    return model.unit(vectors - center)
