"""Checks the file, and measures it against the package's weights in f32.

    python check.py FILE [--work WORK] [--eval FOLDER ...]

1. The file: layout, length, model id. The golden cases: what the file's weights make of their pieces, in f32, must have
   a cosine of 0.99 to the golden vector. Needs numpy only.
2. With WORK (of run, with sentencepiece): recall by plain cosine of the sets in FOLDER (*.docs.jsonl, *.queries.jsonl),
   of the package in f32 as it is, and of the file, one byte a component. The sets are only measured.
Exits with 1 if anything in step 1 is wrong.
"""

import argparse
import collections
import json
import pathlib

import numpy

import e5
import model
import multifile
import source
from source import END, START

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAST_COSINE = 0.99


def check_golden(ours, center, facts):
    """-> the cosines of the golden cases; raises AssertionError if one is too low."""
    golden = json.loads((ROOT / "tests/data/multilingual-golden.json").read_text(encoding="utf-8"))
    assert golden["model_id"] == facts["id"], f"the golden file is of {golden['model_id']}, this one is {facts['id']}"
    cases = [case for case in golden["cases"] if case["vector"]]
    found = model.unit(ours.embed_ids([[START, *case["ids"], END] for case in cases]) - center)
    cosines = (found * model.unit(numpy.array([case["vector"] for case in cases], numpy.float32))).sum(1)
    for case, cosine in zip(cases, cosines):
        assert cosine >= LEAST_COSINE, (float(cosine), case["text"])
    return cosines


def bytes_of(rows):
    """-> the rows as the program keeps them: one byte a component."""
    return model.unit(numpy.rint(rows * (127 / numpy.abs(rows).max(1, keepdims=True))))


def recall(documents, vectors, questions, asked):
    """-> {kind: (R@5, R@10)} in percent, each `conv` a store of its own, questions without an answer left out."""
    found = collections.defaultdict(list)
    for question, vector in zip(questions, asked):
        if question["gold"]:
            gold = set(question["gold"])
            own = [i for i, d in enumerate(documents) if d["conv"] == question["conv"]]
            order = numpy.argsort(-(vectors[own] @ vector), kind="stable")
            hits = [len({documents[own[i]]["id"] for i in order[:k]} & gold) / len(gold) for k in (5, 10)]
            for kind in ("all", question["cat"]):
                found[kind].append(hits)
    return {kind: 100 * numpy.mean(hits, 0) for kind, hits in sorted(found.items())}


def measure(teacher, ours, center, folder):
    for path in sorted(folder.glob("*.queries.jsonl")):
        name = path.name.removesuffix(".queries.jsonl")
        documents, questions = ([json.loads(line) for line in open(folder / f"{name}.{part}.jsonl", encoding="utf-8")]
                                for part in ("docs", "queries"))
        sides = ((e5.MEMORY, [d["text"] for d in documents]), (e5.QUESTION, [q["question"] for q in questions]))
        ways = {"f32": [teacher.embed_side(*side) for side in sides],
                "file": [bytes_of(multifile.centered(ours.embed_side(*side), center)) for side in sides]}
        for way, (vectors, asked) in ways.items():
            told = ", ".join(f"{kind} {five:.1f}/{ten:.1f}" for kind, (five, ten) in recall(documents, vectors, questions, asked).items())
            print(f"  {name:9s} {way:5s} {told}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--eval", type=pathlib.Path, nargs="*", default=[])
    o = parser.parse_args()
    weights, center, facts = multifile.unpack(o.file.read_bytes())
    ours = e5.Model(weights)
    print("file:", facts)
    cosines = check_golden(ours, center, facts)
    print(f"golden cases: least {cosines.min():.4f}, mean {cosines.mean():.4f}, {len(cosines)} texts")
    if o.work:
        teacher = e5.of_source(source.load(o.work / "model"))
        ours.tokenizer = teacher.tokenizer
        for folder in o.eval:
            measure(teacher, ours, center, folder)


if __name__ == "__main__":
    main()
