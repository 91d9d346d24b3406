#!/usr/bin/env python3
"""Writes home.*.jsonl from texts/home.*.txt. Standard library only; the same output each time."""
import datetime, json, pathlib, random, re

HERE = pathlib.Path(__file__).resolve().parent
KIND = dict(f="fact", n="note", p="preference", d="decision", h="howto", c="correction")
CAT = dict(a="para", p="part", w="word", x="none")
MONTHS = "January February March April May June July August September October November December".split()


def lines(name):
    return [x for x in (HERE / "texts" / name).read_text(encoding="utf-8").splitlines() if x and not x.startswith("#")]


def stored(text, rng):
    """A day of storing: near the date in the text if it has one, else any day of the two years."""
    found = re.search(r"(\d{1,2}) (%s)(?: (20\d\d))?" % "|".join(MONTHS), text)
    if found and int(found[1]) <= 31:
        year = int(found[3] or 2025)
        try:
            day = datetime.date(year, MONTHS.index(found[2]) + 1, int(found[1]))
        except ValueError:
            day = datetime.date(year, MONTHS.index(found[2]) + 1, 28)
        past = re.search(r"\b(was|were|had|got|came|seen|found|sown|drove|sold|saw|counted|passed|took|moved|repaired)\b", text)
        day += datetime.timedelta(days=rng.randint(0, 6) if past else -rng.randint(5, 40))
        return min(max(day, datetime.date(2024, 6, 1)), datetime.date(2026, 2, 20)).isoformat()
    return (datetime.date(2024, 9, 1) + datetime.timedelta(days=rng.randint(0, 530))).isoformat()


def main():
    rng = random.Random(20260214)
    notes, gold = [], {}  # [kind, text, role, near]
    for name in ("home.notes1.txt", "home.notes2.txt"):
        for x in lines(name):
            if x.startswith("@"):
                q = x[1:].strip()
                continue
            note = dict(kind=KIND[x[1]], text=x[3:].strip(), role="gold" if x[0] == "*" else "near", near=[q])
            notes.append(note)
            if x[0] == "*":
                gold.setdefault(q, []).append(note)
    for x in lines("home.tables.txt"):
        if x.startswith("@"):
            near = x[1:].split()
        elif x.startswith(">"):
            kind, patterns, n = x[1], x[3:].split("|"), 0
        else:
            text = patterns[n % len(patterns)].format(*(p.strip() for p in x.split(";")))
            notes.append(dict(kind=KIND[kind], text=text[0].upper() + text[1:], role="near", near=near, table=True))
            n += 1
    for x in lines("home.notes3.txt"):
        notes.append(dict(kind=KIND[x[0]], text=x[2:].strip(), role="plain", near=[]))
    rng.shuffle(notes)
    for i, note in enumerate(notes):
        note["id"] = f"m{i + 1:04}"
    queries, none = [], []
    for x in lines("home.questions.txt"):
        q, question = x.split(" ", 1)
        item = dict(conv="home", qid="home-" + q, question=question, gold=[g["id"] for g in gold.get(q, [])], cat=CAT[q[0]], split="own")
        (none if q[0] == "x" else queries).append(item)
    write("home.queries.jsonl", queries)
    write("home.none.jsonl", none)
    docs = []
    for note in notes:
        doc = dict(conv="home", id=note["id"], text=note["text"], kind=note["kind"], speaker=None, date=stored(note["text"], rng), role=note["role"])
        if note["role"] == "near":
            doc["near"] = ["home-" + q for q in note["near"]]
        if note.get("table"):
            doc["table"] = True
        docs.append(doc)
    write("home.docs.jsonl", docs)


def write(name, items):
    (HERE / name).write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in items), encoding="utf-8")
    print(name, len(items))


if __name__ == "__main__":
    main()
