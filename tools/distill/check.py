"""Checks the assets, and measures the table against the teacher and on labelled conversations.

    python check.py [--work WORK] [--eval EVAL]

1. The file: layout, length, model id, vocabulary. The golden cases: vectors from ids, and the ids
   themselves if `tokenizers` and WORK/teacher are there.
2. With WORK: how well the cosines of held-out sentences follow the teacher's.
3. With EVAL (a folder with score.py, data/locomo-dev.json and static/static-256.f16.npy; default: shared/eval
   beside the project): recall of the gold turns by cosine alone, beside the reference table's. The
   conversations are only measured, never learned from.
Exits with 1 if anything in step 1 is wrong.
"""

import argparse
import collections
import json
import math
import pathlib
import re
import sys

import numpy

import table

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools" / "slim"))
import slim  # noqa: E402

NEAREST = 10
PAIRS = 200_000
SEED = 20240604


def pool(w, ids, weights=None):
    """-> f32 [D]: sum of rows (times weights) at unit length, zeros if there is nothing to sum."""
    if not ids:
        return numpy.zeros(w.shape[1], numpy.float32)
    rows = w[ids] if weights is None else w[ids] * numpy.asarray(weights, numpy.float32)[:, None]
    total = rows.sum(0)
    return total / max(float(numpy.linalg.norm(total)), 1e-9)


def check_golden(w, facts, root, tokenizer):
    """-> number of golden cases; raises AssertionError at the first that differs."""
    golden = json.loads((root / "tests/data/embedding-golden.json").read_text())
    assert golden["model_id"] == facts["id"], "the golden file is another table's"
    for case in golden["cases"]:
        assert numpy.allclose(pool(w, case["ids"])[:8], case["head"], atol=2e-6), case["text"]
        if tokenizer:
            assert tokenizer.encode(case["text"], add_special_tokens=False).ids == case["ids"], case["text"]
    return len(golden["cases"])


def spearman(a, b):
    """-> the rank correlation of two arrays (ties are too rare here to matter)."""
    ra, rb = a.argsort().argsort().astype(float), b.argsort().argsort().astype(float)
    return float(numpy.corrcoef(ra, rb)[0, 1])


def follow_teacher(tables, sentences, teacher, tokenizer):
    """Prints, for each table, the rank correlation of pair cosines and the overlap of nearest neighbors.

    tables: {name: f32 [V, D]}; teacher: [n, 384] unit vectors of the sentences."""
    ids = [e.ids for e in tokenizer.encode_batch(sentences, add_special_tokens=False)]
    t = teacher.astype(numpy.float32)
    rng = numpy.random.default_rng(SEED)
    a, b = rng.integers(0, len(t), (2, PAIRS))
    real = (t[a] * t[b]).sum(1)
    near = (t @ t.T - 2 * numpy.eye(len(t), dtype=numpy.float32)).argpartition(-NEAREST, axis=1)[:, -NEAREST:]
    for name, w in tables.items():
        s = numpy.stack([pool(w, i) for i in ids])
        mine = (s @ s.T - 2 * numpy.eye(len(s), dtype=numpy.float32)).argpartition(-NEAREST, axis=1)[:, -NEAREST:]
        overlap = numpy.mean([len(set(x) & set(y)) / NEAREST for x, y in zip(near, mine)])
        print(f"  {name:12s} pair cosines, rank correlation {100 * spearman(real, (s[a] * s[b]).sum(1)):.1f}; "
              f"shared nearest {NEAREST}: {100 * overlap:.1f} %")


def memory_text(memory):
    """-> "Speaker: text 8 may 2023"."""
    date = re.search(r"on (\d+) (\w+),? (\d+)", memory["session_date"] or "")
    words = " ".join(date.groups()).lower() if date else ""
    return f"{memory['speaker']}: {memory['text']} {words}"


def idf_of(documents):
    """lists of ids -> a function id -> idf (the BM25 form) divided by ln N."""
    n = len(documents)
    df = collections.Counter(t for d in documents for t in set(d))
    return lambda t: math.log(1 + (n - df[t] + 0.5) / (df[t] + 0.5)) / math.log(n)


def rank(w, memories, queries, tokenizer, with_idf):
    """-> {qid: [ids of the 20 nearest memories]}, each conversation on its own.

    with_idf multiplies every piece of question and memory by its idf in the conversation."""
    ranked = {}
    encode = lambda texts: [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    for conversation in dict.fromkeys(m["conv"] for m in memories):
        own = [m for m in memories if m["conv"] == conversation]
        asked = [q for q in queries if q["conv"] == conversation]
        documents = encode([memory_text(m) for m in own])
        idf = idf_of(documents) if with_idf else lambda t: 1.0
        vectors = numpy.stack([pool(w, d, [idf(t) for t in d]) for d in documents])
        for q, i in zip(asked, encode([q["question"] for q in asked])):
            order = numpy.argsort(-(vectors @ pool(w, i, [idf(t) for t in i])), kind="stable")[:20]
            ranked[q["qid"]] = [own[k]["id"] for k in order]
    return ranked


def recall(tables, folder, tokenizer):
    """Prints R@5 / R@10 / nDCG@10 in percent for each table, without and with idf."""
    sys.path.insert(0, str(folder))
    import score
    memories, queries = score.load_locomo(folder / "data" / "locomo-dev.json")
    for name, w in tables.items():
        for with_idf in (False, True):
            got = score.score(rank(w, memories, queries, tokenizer, with_idf), queries)["overall"]
            figures = " / ".join(f"{100 * got[k]:.1f}" for k in ("R@5", "R@10", "nDCG@10"))
            print(f"  {name:12s} {'idf   ' if with_idf else 'no idf'} {figures}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--eval", type=pathlib.Path, default=ROOT.parent / "shared" / "eval")
    o = parser.parse_args()
    vocabulary = (o.root / "assets/vocab.txt").read_bytes()
    w, facts = table.unpack((o.root / "assets/static-embeddings.bin").read_bytes(), vocabulary)
    tokenizer = None
    if o.work:
        import fit
        whole = (o.work / "teacher" / "vocab.txt").read_bytes()
        tokenizer = slim.Renumbered(fit.pieces_of(o.work / "teacher"), whole)
    print("file:", facts)
    print("golden cases that agree:", check_golden(w, facts, o.root, tokenizer))
    tables = {"this table": w}
    reference = o.eval / "static" / "static-256.f16.npy"
    if reference.exists() and o.work:
        tables["reference"] = numpy.load(reference).astype(numpy.float32)[slim.kept(whole)]
    if o.work and (o.work / "heldout.npy").exists():
        lines = (o.work / "heldout.txt").read_text(encoding="utf-8").split("\n")[:-1]
        print("held-out sentences against the teacher:", len(lines))
        follow_teacher(tables, [line.split("\t", 1)[1] for line in lines], numpy.load(o.work / "heldout.npy"), tokenizer)
    if o.work and (o.eval / "score.py").exists():
        print("conversations 1-5, cosine alone: R@5 / R@10 / nDCG@10")
        recall(tables, o.eval, tokenizer)


if __name__ == "__main__":
    main()
