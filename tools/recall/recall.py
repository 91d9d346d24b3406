#!/usr/bin/env python3
"""How well a memoryd finds what it was told: recall on labelled sets, through its REST API.

A set is two files in a folder: NAME.docs.jsonl (conv, id, text; speaker, date, title, tags, kind where there are
any) and NAME.queries.jsonl (conv, qid, question, gold: the ids that answer it, cat, split). Each set gets a
server of its own with an empty store, each `conv` is a user. Questions without gold are left out.
R@k: the share of a question's gold among the first k, mean over the questions; nDCG@10 counts gold as one and the
rest as nothing. Below each row: hybrid's R@5/R@10 (questions) by category. The rule: hybrid's R@10 is at most one
point below the better of keyword and semantic; `auto`: for how many questions mode auto gave hybrid's list.
Needs Linux (/proc tells when the vectors are made), Python 3.9 and none of its packages.
"""
import argparse, contextlib, datetime, functools, http.client, json, math, os, pathlib, random, re, signal, socket
import subprocess, sys, tempfile, textwrap, time
from urllib.parse import quote

MODES, FIGURES = ("hybrid", "keyword", "semantic"), ("R@5", "R@10", "nDCG@10")
STOPPING = (signal.SIGINT, signal.SIGTERM)
hold = functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOPPING)
release = functools.partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOPPING)
KEY = "a-key-for-measuring-recall-and-nothing-else"
MOST_BELOW, AUTO_ASKED = 1.0, 20  # points of R@10; questions
QUIET_S, QUIET_CPU_S, MOST_WAIT_S = 1.5, 0.05, 300
HEAD = (f"{'':17}" + "".join(f" | {mode:^18}" for mode in MODES) + " | hybrid |   the rule:\n"
        f"{'set':12}    n" + " |   R@5  R@10 nDCG10" * len(MODES) + " | p50 ms | R@10 to best   auto\n")
LOCOMO_KINDS = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}


class Server:
    """A memoryd with an empty store in a folder, on a free port of this machine."""

    def __init__(self, binary, folder, settings):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        env = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "DATA_DIR": folder + "/data", "PORT": str(port),
               "MCP_API_KEY": KEY, "RATE_LIMIT_REQUESTS": "0", "MAX_BODY_BYTES": str(64 << 20), **settings}
        self.connection, self.used = http.client.HTTPConnection("127.0.0.1", port, timeout=600), time.monotonic()
        self.log = pathlib.Path(folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([binary], cwd=folder, env=env, stdout=log, stderr=log, preexec_fn=release)

    def close(self):
        self.connection.close()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()

    def wait_until_up(self):
        until = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError):
                return self.connection.connect()
            time.sleep(0.05)
        raise SystemExit("the server does not listen: " + self.log.read_text(errors="replace")[-600:])

    def call(self, path, body=None, kind="application/json"):
        if time.monotonic() - self.used > 60:  # the server closes an idle connection after 75
            self.connection.close()  # the next request connects again
        self.connection.request("POST" if body else "GET", path, body, {"X-API-Key": KEY, "Content-Type": kind})
        answer = self.connection.getresponse()
        data, self.used = answer.read(), time.monotonic()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {data[:300].decode(errors='replace')}")
        return json.loads(data)

    def stats(self, which):
        """-> what the kernel tells of the process or its threads: the fields from the third, the state, on."""
        for stat in pathlib.Path(f"/proc/{self.process.pid}").glob(which):
            with contextlib.suppress(OSError):
                yield stat.read_text().rpartition(")")[2].split()

    def is_quiet(self):
        """Looks on for a while. A thread that only waits for a processor, as others hold them, has work, too."""
        ticks, at_work = [], 0
        for place in range(16):
            time.sleep(QUIET_S / 15 if place else 0)
            ticks.extend(int(fields[11]) + int(fields[12]) for fields in self.stats("stat"))
            at_work += any(fields[0] in "RD" for fields in self.stats("task/*/stat"))
        return ticks[-1] - ticks[0] <= QUIET_CPU_S * os.sysconf("SC_CLK_TCK") and at_work < 8

    def wait_for_vectors(self, users):
        """Until there is nothing left to make. Each round calls on every user: a session may wait for a call."""
        until = time.monotonic() + MOST_WAIT_S
        while time.monotonic() < until:
            told = [self.call(f"/api/v1/stats?user_id={quote(user)}") for user in users]
            counts = all("vectors" in one for one in told)
            if all(one["vectors"] >= one["active"] for one in told) if counts else self.is_quiet():
                return
            time.sleep(0.2)
        note(f"the server still works {MOST_WAIT_S} s after the import; asked all the same")


def note(text):
    print(f"recall: {text}", file=sys.stderr, flush=True)


def read_set(folder, name):
    for part in ("docs", "queries"):
        with open(folder / f"{name}.{part}.jsonl", encoding="utf-8") as lines:
            yield [json.loads(line) for line in lines if line.strip()]


def read_locomo(path):
    """-> (docs, queries) of a file of LoCoMo conversations: a turn is a document with its session's time."""
    docs, queries = [], []
    for place, sample in enumerate(json.loads(pathlib.Path(path).read_text(encoding="utf-8"))):
        conv, talk, known = sample["sample_id"], sample["conversation"], set()
        for number in sorted(int(key[8:]) for key in talk if re.fullmatch(r"session_\d+", key)):
            date = datetime.datetime.strptime(talk[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y").isoformat()
            for turn in talk[f"session_{number}"]:
                picture = (turn.get("blip_caption") or "").strip()
                text = turn["text"].strip() + (f" [shares {picture}]" if picture else "")
                docs.append(dict(conv=conv, id=turn["dia_id"], speaker=turn["speaker"], date=date, text=text))
                known.add(turn["dia_id"])
        for at, asked in enumerate(sample["qa"]):
            named = re.findall(r"D\s*:?\s*(\d+)\s*:\s*(\d+)", " ".join(map(str, asked.get("evidence", []))))
            gold = [turn for turn in dict.fromkeys(f"D{int(a)}:{int(b)}" for a, b in named) if turn in known]
            if asked["category"] in LOCOMO_KINDS:  # not the adversarial ones
                queries.append(dict(conv=conv, qid=f"{conv}-q{at}", question=asked["question"], gold=gold,
                                    cat=LOCOMO_KINDS[asked["category"]], split="dev" if place < 5 else "test"))
    return docs, queries


def fill(server, name, docs):
    lines = {}
    for doc in docs:
        made = {field: doc[field] for field in ("title", "tags", "kind") if doc.get(field)}
        made["content"] = f"{doc['speaker']}: {doc['text']}" if doc.get("speaker") else doc["text"]
        made["metadata"] = {"turn": doc["id"]}
        if date := doc.get("date"):
            made["event_at"] = date + ("Z" if "T" in date and not date.endswith("Z") else "")
        lines.setdefault(doc["conv"], []).append(json.dumps(made))
    for user, some in lines.items():
        for start in range(0, len(some), 2000):
            body = "\n".join(some[start:start + 2000])
            told = server.call(f"/api/v1/import?user_id={quote(user)}", body, "application/x-ndjson")
            if told["failed"]:
                raise SystemExit(f"{name}: {told['failed']} lines of {user} were refused: {told['errors'][:2]}")
            if told["duplicates"]:
                note(f"{name}: {told['duplicates']} lines of {user} were taken for duplicates")
    server.wait_for_vectors(list(lines))


def ask(server, query, mode):
    """-> the ids that were found, best first. They are in the metadata, which brief answers leave out."""
    asked = {"query": query["question"], "user_id": query["conv"], "mode": mode, "limit": 10, "max_tokens": 1_000_000}
    return [hit["metadata"]["turn"] for hit in server.call("/api/v1/search", json.dumps(asked))["results"]]


def scored(found, gold):
    gold, found = set(gold), list(dict.fromkeys(found))
    worth = [1 / math.log2(place + 2) for place in range(10)]
    gain = sum(one for one, turn in zip(worth, found) if turn in gold) / sum(worth[:len(gold)])
    return {**{f"R@{k}": len(gold & set(found[:k])) / len(gold) for k in (5, 10)}, "nDCG@10": gain}


def measure(server, queries):
    """-> everything that is told of one set, in percent."""
    def mean(rows):
        return {"n": len(rows), **{figure: 100 * sum(row[figure] for row in rows) / len(rows) for figure in FIGURES}}
    result, times, kinds = {"n": len(queries)}, [], {}
    for mode in MODES:
        rows = []
        for query in queries:
            started = time.perf_counter()
            found = ask(server, query, mode)
            rows.append(scored(found, query["gold"]))
            if mode == "hybrid":
                times.append(1e3 * (time.perf_counter() - started))
                kinds.setdefault(str(query["cat"]), []).append(rows[-1])
        result[mode] = mean(rows)
    result["p50_ms"] = sorted(times)[len(times) // 2]
    result["categories"] = {kind: mean(kinds[kind]) for kind in sorted(kinds)}
    some = random.Random(1).sample(queries, min(AUTO_ASKED, len(queries)))
    other = [one["qid"] for one in some if ask(server, one, "auto") != ask(server, one, "hybrid")]
    result["auto"] = {"asked": len(some), "other": other}
    above = result["hybrid"]["R@10"] - max(result["keyword"]["R@10"], result["semantic"]["R@10"])
    return {**result, "rule": {"above": above, "verdict": "ok" if above >= -MOST_BELOW - 1e-9 else "BELOW"}}


def row(name, result):
    figures = "".join(" | " + " ".join(f"{result[mode][figure]:5.1f}" for figure in FIGURES) + " " for mode in MODES)
    auto, rule, kinds = result["auto"], result["rule"], result["categories"]
    text = f"{name:12} {result['n']:4}{figures} | {result['p50_ms']:6.1f} | {rule['above']:+5.1f} {rule['verdict']:7}"
    told = ", ".join(f"{kind}\0{some['R@5']:.0f}/{some['R@10']:.0f}\0({some['n']})" for kind, some in kinds.items())
    told = textwrap.indent(textwrap.fill(told, 102, break_on_hyphens=False), "    ").replace("\0", " ")
    return f"{text}{auto['asked'] - len(auto['other']):3}/{auto['asked']}" + ("\n" + told if len(kinds) > 1 else "")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/memoryd", help="the program to measure (%(default)s)")
    parser.add_argument("--dir", action="append", metavar="FOLDER", help="of sets; repeatable (data beside this file)")
    parser.add_argument("--sets", metavar="A,B", help="only these sets")
    parser.add_argument("--locomo", metavar="FILE", help="LoCoMo conversations as well; the set's name is the file's")
    parser.add_argument("--split", default="all", help="only questions of this split")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for the server; repeatable")
    parser.add_argument("--json", action="store_true", help="one object with a field for each set")
    wanted, sets = parser.parse_args(), {}
    for folder in map(pathlib.Path, wanted.dir or [pathlib.Path(__file__).resolve().parent / "data"]):
        for path in sorted(folder.glob("*.queries.jsonl")):
            name = path.name.split(".")[0]
            sets[f"{folder.name}/{name}" if name in sets else name] = functools.partial(read_set, folder, name)
    if wanted.locomo:
        sets[pathlib.Path(wanted.locomo).stem] = functools.partial(read_locomo, wanted.locomo)
    names = wanted.sets.split(",") if wanted.sets else list(sets)
    if not names or set(names) - set(sets):
        parser.error(f"no such set; there are: {', '.join(sets) or 'none'}")
    if not os.access(wanted.bin, os.X_OK) or not all("=" in one for one in wanted.env):
        parser.error("--bin is no program, or --env not NAME=VALUE")
    return wanted, {name: sets[name] for name in names}


def stop(number, _):
    hold()  # cleaning up is not broken off
    sys.exit(128 + number)


def main():
    wanted, sets = options()
    for number in STOPPING:
        signal.signal(number, stop)
    settings, results = dict(one.split("=", 1) for one in wanted.env), {}
    for name, read in sets.items():
        docs, queries = read()
        queries = [query for query in queries if query["gold"] and wanted.split in ("all", query.get("split"))]
        if not queries:
            note(f"{name}: no question of this split")
            continue
        hold()  # whatever is made next is in hands that clean up before a signal comes
        with tempfile.TemporaryDirectory(prefix="memoryd-recall-") as folder:
            with contextlib.closing(Server(os.path.abspath(wanted.bin), folder, settings)) as server:
                release()
                server.wait_until_up()
                fill(server, name, docs)
                results[name] = result = measure(server, queries)
                hold()
        release()
        if not wanted.json:
            print((HEAD if len(results) == 1 else "") + row(name, result), flush=True)
        if result["auto"]["other"]:
            note(f"{name}: auto is not hybrid for {', '.join(result['auto']['other'])}")
    if wanted.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
