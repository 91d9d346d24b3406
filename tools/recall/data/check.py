#!/usr/bin/env python3
"""Checks the sets in this folder: python3 check.py [SET ...]. Needs snowballstemmer; all else is the standard library.

Content words: what is left of the words in lower case without the stop words below, stemmed by Snowball; of a hyphened
word the parts and the joined form. In Japanese and Chinese: pairs of neighbouring characters that are not both hiragana,
and runs of Latin letters or digits.
"""
import collections, json, pathlib, re, sys

import snowballstemmer

HERE = pathlib.Path(__file__).resolve().parent
STOP = {
    "en": """a about above after again against all am an and any are aren't as at be because been before being below between
        both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each few for from further
        had hadn't has hasn't have haven't having he her here hers herself him himself his how i if in into is isn't it its itself
        just let me more most my myself no nor not now of off on once only or other our ours ourselves out over own same she should
        shouldn't so some such than that the their theirs them themselves then there these they this those through to too under
        until up us very was wasn't we were weren't what when where which while who whom whose why will with won't would wouldn't
        you your yours yourself yourselves s t d ll m re ve also may might must shall without""",
    "de": """aber alle allem allen aller alles als also am an auch auf aus bei bin bis bist da dabei damit danach dann das dass dem den der
        des die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es euch für gegen habe
        haben hat hatte hatten ich ihm ihn ihr ihre ihrem ihren ihrer im in ist ja jede jedem jeden jeder jedes kann kein keine keinem
        keinen können man mein meine meinem meinen meiner mich mir mit muss müssen nach nicht noch nun nur ob oder ohne sehr sein
        seine seinem seinen seiner seit sich sie sind so soll sollen über um und uns unser unsere unserem unseren unserer unter vom
        von vor war waren warum was weil welche welchem welchen welcher welches wem wen wenn wer werden wie wir wird wo wohin
        worden wurde wurden zu zum zur zwischen""",
    "fr": """à a ai as au aux avec avons avez c ce ces cet cette ceux chez comme comment d dans de des donc du elle elles en est et
        été être eu fait il ils j je l la le les leur leurs lui m ma mais me mes moi mon n ne ni nos notre nous on ont ou où par pas
        plus pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se sera ses si son sont sous sur t ta te tes
        toi ton tous tout toute toutes très tu un une vers vos votre vous y""",
    "es": """a al algo ante antes aquí con como cómo cual cuál cuales cuáles cuando cuándo cuánto cuánta cuántos cuántas de del desde
        donde dónde e el él ella ellas ellos en entre era es esa ese eso esta está están estas este esto fue ha hace hacia han has hasta hay he
        la las le les lo los más me mi mí mis muy ni no nos nosotros nuestra nuestras nuestro nuestros o os otra otro para pero por porque
        qué que quien quién quiénes se ser si sí sin sobre son su sus también te ti tiene tienen tengo tu tú tus un una uno unos y ya yo""",
    "it": """a ad agli ai al alla alle allo anche c che chi ci come con cosa cui d da dagli dai dal dalla dalle dei degli del dell della
        delle dello di dove e è ed era essere fa fra gli ha hai hanno ho i il in io l la le lei lo loro lui ma mi mia mie miei mio ne nei
        nel nell nella nelle nello no noi non nostra nostre nostri nostro o per perché più qual quale quali quando quanta quante quanti quanto
        quel quella quello questa queste questi questo se si sia siamo sono sta su sua sue sugli sui sul sull sulla sulle suo suoi
        tra tu un una uno va vi""",
}
STOP = {lang: set(words.split()) for lang, words in STOP.items()}
STEM = {lang: snowballstemmer.stemmer(name) for lang, name in
        dict(en="english", de="german", fr="french", es="spanish", it="italian").items()}
faults = []


def words(text, lang="en"):
    """The content words of a text, as a set of stems."""
    text = text.lower().replace("’", "'")
    if lang in ("ja", "zh"):
        out = set(re.findall(r"[a-z0-9]{2,}", text))
        for run in re.findall(r"[\u3040-\u30ff\u3400-\u9fff々]+", text):
            for x, y in zip(run, run[1:]):
                if not all("\u3040" <= c <= "\u309f" for c in (x, y)):
                    out.add(x + y)
        return out
    out = set()
    for chain in re.findall(r"[^\W_]+(?:[-'.][^\W_]+)*", text):
        if chain in STOP[lang]:
            continue
        parts = re.split(r"[-']", chain) if lang in ("en", "fr", "it", "de", "es") else [chain]
        if lang == "en" and "'" in chain and len(parts[-1]) <= 2:
            parts = parts[:-1]
        if "-" in chain:
            out.add(STEM[lang].stemWord(chain.replace("-", "")))
        out |= {STEM[lang].stemWord(p) for p in parts if p and p not in STOP[lang]}
    return out


def read(name):
    path = HERE / name
    return [json.loads(x) for x in path.open(encoding="utf-8")] if path.exists() else []


def fault(*what):
    faults.append(what)
    print("  FAULT", *what)


def basics(name, docs, queries):
    ids = collections.Counter((d["conv"], d["id"]) for d in docs)
    for key, n in ids.items():
        if n > 1:
            fault("id twice", key)
    for what, n in collections.Counter(d["text"] for d in docs).items():
        if n > 1:
            fault("text twice", what[:60])
    for qid, n in collections.Counter(q["qid"] for q in queries).items():
        if n > 1:
            fault("qid twice", qid)
    for q in queries:
        if (q["cat"] == "none") != (not q["gold"]):
            fault("gold", q["qid"], q["gold"])
        for g in q["gold"]:
            if (q["conv"], g) not in ids:
                fault("no such gold", q["qid"], g)


def condition(q, kind, docs, lang="en", strict=True):
    """The kind's condition, against all notes of the same conversation; returns what is wrong."""
    asked = words(q["question"], lang)
    share = {d["id"]: asked & words(d["text"], lang) for d in docs if d["conv"] == q["conv"]}
    gold = set.union(*(share[g] for g in q["gold"]))
    best = max(share[g].__len__() for g in q["gold"])
    rival, most = max(((i, len(s)) for i, s in share.items() if i not in q["gold"]), key=lambda x: x[1])
    text = {d["id"]: d["text"] for d in docs if d["conv"] == q["conv"]}
    if kind == "para" and gold:
        return f"shares {sorted(gold)}"
    if kind == "part" and not 1 <= best < most:
        return f"gold shares {sorted(gold)}, best other {most}: {sorted(share[rival])} {text[rival][:70]}"
    if kind == "word" and (best < 2 or strict and most >= best):
        return f"gold shares {sorted(gold)}, best other {most}: {sorted(share[rival])} {text[rival][:70]}"


def by_kind(queries, docs, langs=None):
    counts = collections.Counter()
    for q in queries:
        kind = q["cat"].split("-")[-1]
        lang = q.get("lang", "en")
        if kind == "en":
            counts["en"] += 1
            continue
        wrong = condition(q, kind, docs, lang, strict=lang == "en")
        counts[kind] += 1
        if wrong:
            fault(q["qid"], kind, repr(q["question"]), wrong)
    return dict(counts)


def home():
    docs, queries, none = read("home.docs.jsonl"), read("home.queries.jsonl"), read("home.none.jsonl")
    basics("home", docs, queries + none)
    size = sorted(len(d["text"].split()) for d in docs)
    for d in docs:
        if not 8 <= len(d["text"].split()) <= 35:
            fault(d["id"], len(d["text"].split()), "words:", d["text"])
    roles = collections.Counter(d["role"] for d in docs)
    tables = sum(bool(d.get("table")) for d in docs)
    known = {q["qid"] for q in queries}
    for d in docs:
        for n in d.get("near", []):
            if n not in known:
                fault("near to no question", d["id"], n)
    print(f"home: {len(docs)} notes, {size[0]}-{size[-1]} words, median {size[len(size) // 2]}; {dict(roles)}, near "
          f"{100 * roles['near'] / len(docs):.0f} %, of these from tables {100 * tables / roles['near']:.0f} %; "
          f"kinds {dict(collections.Counter(d['kind'] for d in docs))}")
    print(f"home: {len(queries)} questions {by_kind(queries, docs)}, {len(none)} without an answer")


def talks():
    docs, queries = read("talks.docs.jsonl"), read("talks.queries.jsonl")
    basics("talks", docs, queries)
    for conv in dict.fromkeys(d["conv"] for d in docs):
        turns = [d for d in docs if d["conv"] == conv]
        mine = [d for d in turns if d["speaker"] == "User"]
        long = [len(d["text"].split()) for d in turns if d["speaker"] == "Assistant"]
        for a, b in zip(turns, turns[1:]):
            if not a["date"] < b["date"] or a["speaker"] == b["speaker"]:
                fault("order", b["id"])
        for d in turns:
            if d["speaker"] == "Assistant" and not 150 <= len(d["text"].split()) <= 300:
                fault(d["id"], len(d["text"].split()), "words")
        if not 25 <= len(mine) <= 30:
            fault(conv, len(mine), "turns of the user")
        here = [q for q in queries if q["conv"] == conv]
        above = 0
        of = {d["id"]: d for d in turns}
        for q in here:
            asked = words(q["question"])
            n = max(len(asked & words(of[g]["text"])) for g in q["gold"])
            above += sum(len(asked & words(d["text"])) >= n for d in turns if d["speaker"] == "Assistant" and d["id"] not in q["gold"]) > 0
        echo = []
        for a, b in zip(turns, turns[1:]):
            if a["speaker"] == "User" and words(a["text"]):
                echo.append(len(words(a["text"]) & words(b["text"])) / len(words(a["text"])))
        sizes = sorted(len(d["text"].split()) for d in mine)
        print(f"talks {conv}: {len(mine)} turns of the user of {sizes[0]}-{sizes[-1]} words, answers of {min(long)}-{max(long)}, "
              f"mean {sum(long) / len(long):.0f}; an answer holds {100 * sum(echo) / len(echo):.0f} % of the words of the turn before; "
              f"{len(here)} questions {by_kind(here, docs)}, "
              f"{sum(of[g]['speaker'] == 'Assistant' for q in here for g in q['gold'])} answered by the assistant; "
              f"in {above} some other long answer shares as much as the gold turn")


def tongues():
    docs, queries = read("tongues.docs.jsonl"), read("tongues.queries.jsonl")
    basics("tongues", docs, queries)
    for lang in dict.fromkeys(d["lang"] for d in docs):
        own = [d for d in docs if d["lang"] == lang]
        here = [q for q in queries if q["cat"].startswith(lang)]
        for q in here:
            if any(not g.startswith(lang) for g in q["gold"]):
                fault("language", q["qid"])
        print(f"tongues {lang}: {len(own)} notes, {len(here)} questions {by_kind(here, own)}")


for name in sys.argv[1:] or ["home", "talks", "tongues"]:
    dict(home=home, talks=talks, tongues=tongues)[name]()
print(f"{len(faults)} faults")
sys.exit(bool(faults))
