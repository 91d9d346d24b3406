#!/usr/bin/env python3
"""Writes tongues.*.jsonl from texts/tongues.txt. Standard library only; the same output each time."""
import datetime, json, pathlib, random

HERE = pathlib.Path(__file__).resolve().parent
rng, docs, queries, lang = random.Random(7), [], [], None


def end():
    """Numbers the notes of the language in a shuffled order and gives the questions their gold."""
    order = list(range(len(notes)))
    rng.shuffle(order)
    keys = {}
    for n, i in enumerate(order):
        kind, key, text = notes[i]
        name = f"{lang}{n + 1:02}"
        if key != "-":
            assert key not in keys, key
            keys[key] = name
        day = datetime.date(2025, 1, 5) + datetime.timedelta(days=rng.randint(0, 400))
        docs.append(dict(conv="tongues", id=name, text=text, kind=kind, speaker=None, date=day.isoformat(), lang=lang))
    for cat, key, question in asked:
        queries.append(dict(conv="tongues", qid=f"tongues-{len(queries):03}", question=question, gold=[keys[key]], cat=cat, split="own",
                            lang="en" if cat.endswith("-en") else lang))


for x in (HERE / "texts" / "tongues.txt").read_text(encoding="utf-8").splitlines() + ["= end"]:
    if x.startswith("="):
        if lang:
            end()
        lang, notes, asked = x[2:], [], []
    elif x[:2] in ("Q ", "N "):
        head, text = x[2:].split(" | ", 1)
        (asked if x[0] == "Q" else notes).append((*head.split(), text))
rng.shuffle(docs)
for name, items in (("docs", docs), ("queries", queries)):
    (HERE / f"tongues.{name}.jsonl").write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in items), encoding="utf-8")
    print(f"tongues.{name}.jsonl", len(items))
