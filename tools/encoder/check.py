"""Checks the asset, and measures it against the model in f32.

    python check.py [--work WORK] [--eval EVAL]

1. The file: layout, length, model id, vocabulary. The golden cases: what the file's weights make of
   their ids, in f32, must have a cosine of 0.99 to the golden vector. Needs numpy only.
2. With WORK: the same for held-out sentences, and how far cosines in 256 dimensions are from those in 384.
3. With WORK and EVAL (a folder with *.docs.jsonl and *.queries.jsonl; default: shared/eval/data beside the
   project): recall by plain cosine of the bare text. The sets are only measured, never learned from.
Exits with 1 if anything in step 1 is wrong.
"""

import argparse
import json
import pathlib
import sys

import numpy

import embed
import encoderfile
import model

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools" / "slim"))
import slim  # noqa: E402

LEAST_COSINE = 0.99
SETS = ("desk", "notes", "chat")


def check_golden(ours, axes, facts, root):
    """-> the cosines of the golden cases; raises AssertionError if one is too low."""
    golden = json.loads((root / "tests/data/sentence-encoder-golden.json").read_text(encoding="utf-8"))
    assert golden["model_id"] == facts["id"], "the golden file is another encoder's"
    cases = [case for case in golden["cases"] if case["vector"]]
    start, end = facts["marks"]
    found = model.unit(ours.embed_ids([[start, *case["ids"], end] for case in cases]) @ axes)
    cosines = (found * model.unit(numpy.array([case["vector"] for case in cases], numpy.float32))).sum(1)
    for case, cosine in zip(cases, cosines):
        assert cosine >= LEAST_COSINE, (float(cosine), case["text"])
    return cosines


def told(cosines):
    return f"least {cosines.min():.4f}, mean {cosines.mean():.4f}, {len(cosines)} texts"


def follow_model(ours, axes, work):
    """Prints how near the file is to the model on sentences that the axes were not taken from."""
    _, held = embed.sentences(work)
    whole = numpy.load(work / "encoder-heldout.npy")
    cut = model.unit(whole @ axes)
    print("  weights of the file, 384 dimensions, to f32:", told((ours.embed(held) * whole).sum(1)))
    apart = (cut @ cut.T - whole @ whole.T)[numpy.triu_indices(len(whole), 1)]
    print(f"  cosines in 256 dimensions less those in 384: mean {apart.mean():.4f}, deviation {apart.std():.4f}")


def bytes_of(rows):
    """-> the rows as the program keeps them: one byte a component."""
    return model.unit(numpy.rint(rows * (127 / numpy.abs(rows).max(1, keepdims=True))))


def recall(documents, vectors, questions, asked):
    """-> (R@5, R@10) in percent, each `conv` a store of its own, questions without an answer left out."""
    found = {5: [], 10: []}
    for question, vector in zip(questions, asked):
        if question["gold"]:
            own = [i for i, d in enumerate(documents) if d["conv"] == question["conv"]]
            order = numpy.argsort(-(vectors[own] @ vector), kind="stable")
            for k in found:
                first = {documents[own[i]]["id"] for i in order[:k]}
                found[k].append(len(first & set(question["gold"])) / len(set(question["gold"])))
    return tuple(100 * numpy.mean(found[k]) for k in found)


def measure(teacher, ours, axes, folder):
    for name in SETS:
        documents, questions = ([json.loads(line) for line in open(folder / f"{name}.{part}.jsonl", encoding="utf-8")]
                                for part in ("docs", "queries"))
        texts = [f"{d['title']} {d['text']}" if d.get("title") else d["text"] for d in documents]
        both = {"f32": (teacher.embed(texts), teacher.embed([q["question"] for q in questions])),
                "file": (ours.embed(texts), ours.embed([q["question"] for q in questions]))}
        ways = {"f32, 384": both["f32"], "f32, 256": tuple(model.unit(v @ axes) for v in both["f32"]),
                "this file, 256, one byte": tuple(bytes_of(v @ axes) for v in both["file"])}
        for way, (vectors, asked) in ways.items():
            print(f"  {name:6s} {way:26s} {' / '.join(f'{x:.1f}' for x in recall(documents, vectors, questions, asked))}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--eval", type=pathlib.Path, default=ROOT.parent / "shared" / "eval" / "data")
    o = parser.parse_args()
    blob = (o.root / "assets/sentence-encoder.bin").read_bytes()
    weights, axes, facts = encoderfile.unpack(blob, (o.root / "assets/vocab.txt").read_bytes())
    ours = model.Model(weights)
    print("file:", facts)
    print("golden cases:", told(check_golden(ours, axes, facts, o.root)))
    if o.work:
        teacher = model.load(o.work / "teacher")
        ours.tokenizer = slim.Renumbered(teacher.tokenizer, (o.work / "teacher" / "vocab.txt").read_bytes())
        print("held-out sentences:")
        follow_model(ours, axes, o.work)
        if o.eval.is_dir():
            print("recall by cosine alone, R@5 / R@10:")
            measure(teacher, ours, axes, o.eval)


if __name__ == "__main__":
    main()
