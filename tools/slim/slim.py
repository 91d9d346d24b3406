"""Drops the pieces that no text is ever cut into ("[unused0]" to "[unused993]") from the assets: 430 KB of rows.

    python tools/slim/slim.py [--root ROOT] [--whole VOCABULARY]

A step of tools/distill/run and tools/encoder/run, which write their file for the vocabulary as BERT has it (--whole, else
assets/vocab.txt). Reads and writes assets/vocab.txt, assets/static-embeddings.bin, assets/sentence-encoder.bin and both golden
files: the rows that stay are the same bytes, their numbers are their lines in the vocabulary, and the model ids are made
anew. A file that is slim already stays as it is. Standard library only.
"""

import argparse
import hashlib
import json
import pathlib
import re
import struct
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNUSED = re.compile(rb"\[unused\d+\]\n")
# The layouts are told byte by byte in the READMEs of the tools: header, where its id is, where its count of rows and of bytes of
# the vocabulary are, and the bytes of a row in each part that has one after the other.
TABLE = {"header": 48, "id": 32, "counts": 16, "rows": (2, 128)}
ENCODER = {"header": 64, "id": 48, "counts": 28, "rows": (4, 288)}
MARKS = 22


def kept(vocabulary):
    """-> the numbers of the pieces that stay, in their order"""
    lines = vocabulary.splitlines(keepends=True)
    return [number for number, line in enumerate(lines) if not UNUSED.fullmatch(line)]


def places(vocabulary):
    """-> {number of a piece that stays: its number among those}"""
    return {number: n for n, number in enumerate(kept(vocabulary))}


def slim(vocabulary):
    """-> the vocabulary without them"""
    return UNUSED.sub(b"", vocabulary)


class Renumbered:
    """A tokenizer of the whole vocabulary with the numbers of the slim one, as the tools ask it."""

    def __init__(self, tokenizer, whole):
        self.tokenizer, self.place = tokenizer, places(whole)

    def encode(self, text, **how):
        ids = [self.place[number] for number in self.tokenizer.encode(text, **how).ids]
        return types.SimpleNamespace(ids=ids)

    def encode_batch(self, texts, **how):
        return [self.encode(text, **how) for text in texts]


def is_of(blob, layout, vocabulary):
    return struct.unpack_from("<2I", blob, layout["counts"]) == (vocabulary.count(b"\n"), len(vocabulary))


def cut(blob, layout, old, new):
    """-> the file with the rows of the pieces that stay, for the vocabulary without the others"""
    numbers, count = kept(old), old.count(b"\n")
    if layout is TABLE and blob[10] != 4:
        raise SystemExit("only a table of 4 bits a component has rows of this length")
    head, at, parts = bytearray(blob[: layout["header"]]), layout["header"], []
    struct.pack_into("<2I", head, layout["counts"], len(numbers), len(new))
    if layout is ENCODER:
        place = places(old)
        struct.pack_into("<2H", head, MARKS, *(place[mark] for mark in struct.unpack_from("<2H", blob, MARKS)))
    for width in layout["rows"]:
        parts += [blob[at + width * number : at + width * (number + 1)] for number in numbers]
        at += width * count
    rest = b"".join(parts) + blob[at:]
    head[layout["id"] : layout["id"] + 16] = bytes(16)
    head[layout["id"] : layout["id"] + 16] = hashlib.sha256(bytes(head) + rest + new).digest()[:16]
    return bytes(head) + rest


def renumber(path, old, identity, dumped):
    """The golden cases name pieces by their numbers."""
    place = places(old)
    golden = json.loads(path.read_text(encoding="utf-8"))
    golden["model_id"] = identity.hex()
    for case in golden["cases"]:
        case["ids"] = [place[number] for number in case["ids"]]
    path.write_text(dumped(golden) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--whole", type=pathlib.Path)
    o = parser.parse_args()
    assets, data = o.root / "assets", o.root / "tests" / "data"
    old = (o.whole or assets / "vocab.txt").read_bytes()
    new = slim(old)
    lines = lambda golden: json.dumps(golden, separators=(",", ":")).replace('{"text"', '\n{"text"')
    for name, layout, golden, dumped in (
            ("static-embeddings.bin", TABLE, "embedding-golden.json", lambda golden: json.dumps(golden, indent=1)),
            ("sentence-encoder.bin", ENCODER, "sentence-encoder-golden.json", lines)):
        blob = (assets / name).read_bytes()
        if is_of(blob, layout, new):
            continue
        if not is_of(blob, layout, old):
            raise SystemExit(f"{name} belongs to another vocabulary")
        blob = cut(blob, layout, old, new)
        (assets / name).write_bytes(blob)
        renumber(data / golden, old, blob[layout["id"] : layout["id"] + 16], dumped)
        print(name, len(blob), "bytes")
    (assets / "vocab.txt").write_bytes(new)


if __name__ == "__main__":
    main()
