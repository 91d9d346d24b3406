#!/usr/bin/env python3
"""Writes talks.*.jsonl from texts/talks.t*.txt: S a sitting, U#key: a turn of the user, A: the answer, Q kind key | question.
A key with + means the answer after that turn. Standard library only."""
import datetime, json, pathlib

HERE = pathlib.Path(__file__).resolve().parent
docs, queries = [], []
for path in sorted((HERE / "texts").glob("talks.t*.txt")):
    conv, n, keys, asked = path.stem.split(".")[1], 0, {}, []
    for x in path.read_text(encoding="utf-8").splitlines():
        if x.startswith("S "):
            when = datetime.datetime.fromisoformat(x[2:].strip())
        elif x.startswith("Q "):
            head, question = x[2:].split(" | ", 1)
            asked.append((*head.split(), question))
        elif x:
            n += 1
            name = f"{conv}-t{n:02}"
            head, text = x.split(": ", 1)
            key = head[2:] if x[0] == "U" else key + "+"
            keys[key] = name
            docs.append(dict(conv=conv, id=name, text=text.strip(), kind="conversation",
                             speaker="User" if x[0] == "U" else "Assistant", date=when.isoformat(timespec="minutes")))
            when += datetime.timedelta(minutes=1 if x[0] == "U" else 4 + len(text) % 7)
    for cat, key, question in asked:
        queries.append(dict(conv=conv, qid=f"talks-{len(queries):03}", question=question, gold=[keys[key]], cat=cat, split="own"))
for name, items in (("docs", docs), ("queries", queries)):
    (HERE / f"talks.{name}.jsonl").write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in items), encoding="utf-8")
    print(f"talks.{name}.jsonl", len(items))
