"""Reads and writes the embedding table's file. The layout is told byte by byte in README.md."""

import hashlib
import struct

import numpy

MAGIC = b"MEMDVEC\0"
VERSION = 1
HEADER = struct.Struct("<8sHBBIII8s16s")
INT8, INT4 = 8, 4


def model_id(blob, vocabulary):
    """-> 16 bytes: SHA-256 of the file with its id field zeroed, then of the vocabulary file, cut."""
    at = HEADER.size - 16
    return hashlib.sha256(blob[:at] + bytes(16) + blob[at + 16 :] + vocabulary).digest()[:16]


def quantize_int8(rows):
    """f32 [V, D] -> (scale f16 [V], codes i8 [V, D]); value = code * scale."""
    scale = (numpy.abs(rows).max(1) / 127).astype(numpy.float16)
    step = numpy.where(scale > 0, scale, 1).astype(numpy.float32)[:, None]
    return scale, numpy.clip(numpy.rint(rows / step), -127, 127).astype(numpy.int8)


def quantize_int4(rows, tries=40):
    """f32 [V, D] -> (scale f16 [V], codes u8 [V, D] of 0..15); value = (2 * code - 15) * scale.

    The scale of a row is the one of `tries` clipping points that leaves the least squared error."""
    peak = numpy.abs(rows).max(1, keepdims=True)
    best = numpy.full(len(rows), numpy.inf)
    scale = numpy.zeros(len(rows), numpy.float16)
    codes = numpy.zeros(rows.shape, numpy.uint8)
    for share in numpy.linspace(0.35, 1.0, tries):
        s = (peak * share / 15).astype(numpy.float16)
        step = numpy.where(s > 0, s, 1).astype(numpy.float32)
        c = numpy.clip(numpy.rint((rows / step + 15) / 2), 0, 15)
        error = (((2 * c - 15) * s.astype(numpy.float32) - rows) ** 2).sum(1)
        better = error < best
        best[better], scale[better], codes[better] = error[better], s[better, 0], c[better].astype(numpy.uint8)
    return scale, codes


def pack(rows, kind, vocabulary):
    """f32 [V, D], INT8 or INT4, bytes of vocab.txt -> the file's bytes."""
    if kind == INT8:
        scale, codes = quantize_int8(rows)
        body = codes.tobytes()
    else:
        scale, codes = quantize_int4(rows)
        body = (codes[:, 0::2] | codes[:, 1::2] << 4).tobytes()
    header = HEADER.pack(MAGIC, VERSION, kind, 0, rows.shape[1], rows.shape[0], len(vocabulary), bytes(8), bytes(16))
    blob = header + scale.astype("<f2").tobytes() + body
    return blob[: HEADER.size - 16] + model_id(blob, vocabulary) + blob[HEADER.size :]


def unpack(blob, vocabulary):
    """-> (f32 [V, D], header facts); raises ValueError if anything about the file is wrong."""
    magic, version, kind, flags, dims, count, vocabulary_bytes, zeros, identity = HEADER.unpack_from(blob)
    if (magic, version, flags, zeros) != (MAGIC, VERSION, 0, bytes(8)) or kind not in (INT8, INT4):
        raise ValueError("not a table of this version")
    if vocabulary_bytes != len(vocabulary) or count != vocabulary.count(b"\n"):
        raise ValueError("the vocabulary is not the table's")
    if len(blob) != HEADER.size + 2 * count + count * dims * kind // 8:
        raise ValueError("wrong length")
    if identity != model_id(blob, vocabulary):
        raise ValueError("wrong model id")
    scale = numpy.frombuffer(blob, "<f2", count, HEADER.size).astype(numpy.float32)[:, None]
    body = blob[HEADER.size + 2 * count :]
    if kind == INT8:
        codes = numpy.frombuffer(body, numpy.int8).reshape(count, dims).astype(numpy.float32)
    else:
        packed = numpy.frombuffer(body, numpy.uint8).reshape(count, dims // 2)
        codes = 2 * numpy.stack([packed & 15, packed >> 4], 2).reshape(count, dims).astype(numpy.float32) - 15
    return codes * scale, {"version": version, "kind": kind, "dims": dims, "rows": count, "id": identity.hex()}
