#!/usr/bin/env python3
"""A backup that is made while many write: what is restored from it is one moment of the store, memory by memory.

    python3 tests/torture/backup.py [--bin target/release/memoryd] [--memories 100000] [--writes 500] [--clients 16]
        [--backups 3] [--seed 1] [--encrypted] [--json]

So many memories are imported (`memoryd import`). Then clients write, so many times a second in all: each has its writes
numbered, and makes one after the other, which adds a memory, changes one, or erases one. Meanwhile `memoryd backup create` asks
the running server for a backup. It is verified, restored into a new folder, checked, and exported from there. Then

- each memory of the import is there with the same line of the export, byte for byte (SHA-256), and no other;
- of each client the first k of its writes are there, whole, and no later one, where k is at least what it had had answers to
  when the backup began, and at most what it had sent when the backup ended;
- all clients are of one moment: no write is there that was begun after one that is missing had its answer;
- no write failed, and with --encrypted nothing that somebody wrote can be read in the store, the backup or the copy.

Prints how long everything took, how large the backup is, and how long writes waited before and during it, from when each was due.
Exit 1 if one of these is not so; what shows it is kept below target/torture. Linux; standard library only.
"""

import argparse
import collections
import contextlib
import dataclasses
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import threading
import time

import common
from common import KEY, WORDS, NoAnswer, NotSent

# Of texts, tags and users; none of it stands in an encrypted store, nor in its backup.
READABLE = (b"penicillin", b"bicycle", b"writer-")
BASE = "default"
# Some write where the import is, the others are alone.
SHARING = 4
# Seconds of writing before the first backup, and between and after them.
LEAD, PAUSE = 5, 2
VERB_PATIENCE = 1800
# A text is mostly short; one in so many is longer than what sled keeps in one piece.
LONG_EVERY, LONG_WORDS = 50, 900


# ---- what is written ----------------------------------------------------------------------------
@dataclasses.dataclass
class Write:
    """Of one client the n-th. It puts a text under a marker, or takes the marker away."""

    due: float
    sent_at: float
    acked_at: float | None
    marker: str
    text: str | None


class Writer:
    """A client; `sent` and `acked` are how many of its writes were begun and answered."""

    def __init__(self, number, key, user, seed):
        self.number, self.key, self.user = number, key, user
        self.random = random.Random(f"{seed} {number}")
        self.writes, self.ids, self.faults = [], {}, []
        self.sent = self.acked = 0

    def run(self, door, interval, is_over):
        began = time.perf_counter() + self.random.random() * interval
        while not self.faults:
            due = began + len(self.writes) * interval
            if is_over.wait(max(0, due - time.perf_counter())):
                break
            try:
                self.write(door, due)
            except (NotSent, NoAnswer) as error:
                self.faults.append(f"writer {self.number}: no answer to write {self.sent}: {error!r}")
        door.close()

    def write(self, door, due):
        number = self.sent + 1
        marker, text, ask = self.plan(number)
        one = Write(due, time.perf_counter(), None, marker, text)
        self.writes.append(one)
        self.sent = number
        status, answer = door.ask(*ask, key=self.key)
        if status not in (200, 201):
            self.faults.append(f"writer {self.number}: write {number} ({ask[0]}): {status} {str(answer)[:200]}")
            return
        one.acked_at = time.perf_counter()
        self.acked = number
        if ask[0] == "POST":
            self.ids[marker] = answer["id"]

    def plan(self, number):
        """The first adds what every fifth changes; now and then an older one is erased. No two numbers make the same."""
        name = f"w{self.number}."
        if number % 5 == 0:
            marker = f"{name}1"
            return self.put(marker, number, "PATCH", f"/api/v1/memories/{self.ids[marker]}")
        if number % 10 == 7:
            marker = f"{name}{number - 3}"
            return marker, None, ("DELETE", f"/api/v1/memories/{self.ids[marker]}?purge=true")
        return self.put(f"{name}{number}", number, "POST", "/api/v1/memories")

    def put(self, marker, number, method, path):
        text = f"{marker} by writer-{self.number} is write {number} {words(self.random)}"
        return marker, text, (method, path, {"content": text})

    def is_own(self, text):
        return text.startswith(f"w{self.number}.")

    def states(self):
        """What is there after none, one, two, ... of its writes. It is one dictionary, which changes."""
        state = {}
        yield state
        for one in self.writes:
            if one.text is None:
                state.pop(one.marker, None)
            else:
                state[one.marker] = one.text
            yield state


def words(chance):
    return " ".join(chance.choices(WORDS, k=LONG_WORDS if chance.randrange(LONG_EVERY) == 0 else chance.randint(4, 20)))


def base_line(chance, number):
    """As an export has it."""
    moment = "2026-01-01T00:00:00.000Z"
    ident = common.ulid(1_767_225_600_000 + number << 80 | chance.getrandbits(80))
    return {"id": ident, "content": f"base {number} {words(chance)}", "kind": "note", "tags": chance.sample(WORDS, 2),
            "status": "active", "version": 1, "created_at": moment, "updated_at": moment}


# ---- what must hold -----------------------------------------------------------------------------
@dataclasses.dataclass
class Span:
    """From the beginning of a backup to its end: the times, and what each client had had answered, and had sent."""

    began: float
    ended: float
    acked: list
    sent: list


def judge(writers, span, base, lines):
    """Faults of what was restored: `lines` are the export of each user, `base` the hash of each line of the import."""
    faults = [fault for writer in writers for fault in writer.faults]
    faults += judge_base(base, [line for line in lines[BASE] if json.loads(line)["content"].startswith("base ")])
    texts = {user: [json.loads(line)["content"] for line in some] for user, some in lines.items()}
    own = [[text for text in texts[writer.user] if writer.is_own(text)] for writer in writers]
    nobodys = sum(map(len, texts.values())) - len(base) - sum(map(len, own))
    # What is missing of the import is told above.
    faults += [f"strange: {nobodys} memories that nobody wrote"] if nobodys > 0 else []
    found = [{text.split(None, 1)[0]: text for text in some} for some in own]
    faults += [f"mixed: writer {writer.number} has a memory twice" for writer, some, state
               in zip(writers, own, found, strict=True) if len(some) != len(state)]
    counts = []
    for n, (writer, state) in enumerate(zip(writers, found, strict=True)):
        k = next((k for k, wanted in enumerate(writer.states()) if wanted == state), None)
        counts.append(k)
        name = f"writer {writer.number}"
        if k is None:
            faults.append(f"mixed: {name}: {len(state)} memories are what no number of its {writer.sent} writes makes")
        elif not span.acked[n] <= k <= span.sent[n]:
            faults.append(f"{'lost' if k < span.acked[n] else 'strange'}: {name}: {k} writes are there; {span.acked[n]} were "
                          f"answered before, {span.sent[n]} sent until the end")
    return faults + judge_moment(writers, counts), counts


def judge_base(base, lines):
    there = {json.loads(line)["id"]: hash_of(line) for line in lines}
    missing, more = base.keys() - there.keys(), there.keys() - base.keys()
    changed = [ident for ident in base.keys() & there.keys() if base[ident] != there[ident]]
    kinds = [("lost", "missing", missing), ("strange", "too many", more), ("mixed", "changed", changed)]
    faults = [f"{kind}: {len(some)} of the import are {what}, such as {min(some)}" for kind, what, some in kinds if some]
    return faults + (["mixed: a memory of the import is there twice"] if len(lines) != len(there) else [])


def judge_moment(writers, counts):
    """A write that was begun after the answer to a missing one cannot be there."""
    missing = [(writer.writes[k].acked_at, writer, k + 1) for writer, k in zip(writers, counts, strict=True)
               if k is not None and k < len(writer.writes) and writer.writes[k].acked_at is not None]
    there = [(writer.writes[k - 1].sent_at, writer, k) for writer, k in zip(writers, counts, strict=True) if k]
    if not missing or not there:
        return []
    (acked, one, first), (sent, other, last) = min(missing, key=lambda m: m[0]), max(there, key=lambda t: t[0])
    if sent <= acked:
        return []
    return [f"moment: write {first} of writer {one.number} is missing, and write {last} of writer {other.number} is there, which "
            f"was begun {1000 * (sent - acked):.1f} ms after the answer to it"]


def hash_of(line):
    return hashlib.sha256(line).hexdigest()


# ---- a run --------------------------------------------------------------------------------------
class Run:
    def __init__(self, server, options):
        self.server, self.o, self.figures, self.faults = server, options, {}, []
        self.writers, self.spans = [], []

    def verb(self, *arguments, takes=None):
        """What `memoryd` prints, or a fault. With `takes` the seconds are kept under that name."""
        began = time.perf_counter()
        done = subprocess.run([str(self.server.binary), *map(str, arguments)], env=self.server.env, cwd=self.server.home,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=VERB_PATIENCE)
        if takes:
            self.figures.setdefault(takes, []).append(round(time.perf_counter() - began, 2))
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-400:]
            raise RuntimeError(f"memoryd {' '.join(map(str, arguments))}: {done.returncode}, {said}")
        return done.stdout

    def bring(self):
        """Imports before the server runs, and gives the hash of each line as it is exported again."""
        chance, file = random.Random(self.o.seed), self.server.home / "base.jsonl"
        given = [base_line(chance, n) for n in range(self.o.memories)]
        file.write_bytes(common.lines_of(given))
        self.verb("import", file, takes="import_s")
        lines = self.verb("export").splitlines()
        file.unlink()
        fields = ("id", "content", "tags", "version", "created_at")
        wanted, got = ({line["id"]: [line[field] for field in fields] for line in some}
                       for some in (given, map(json.loads, lines)))
        if wanted != got:
            self.faults.append(f"mixed: of {len(wanted)} memories {len(wanted.keys() - got.keys())} were not imported, "
                               f"{sum(wanted[one] != got[one] for one in wanted.keys() & got.keys())} otherwise")
        return {json.loads(line)["id"]: hash_of(line) for line in lines}

    def take_writers(self):
        with contextlib.closing(self.server.door()) as door:
            for number in range(self.o.clients):
                user = BASE if number < min(SHARING, self.o.clients - 1) else f"writer-{number}"
                status, told = door.ask("POST", "/admin/tokens", {"name": f"writer-{number}", "user_id": user}, KEY)
                if status not in (200, 201):
                    raise RuntimeError(f"a token: {status} {told}")
                self.writers.append(Writer(number, told["token"], user, self.o.seed))

    def write_and_back_up(self):
        """Gives the files that were made."""
        is_over, interval, files = threading.Event(), self.o.clients / self.o.writes, []
        threads = [threading.Thread(target=writer.run, args=(self.server.door(), interval, is_over), daemon=True)
                   for writer in self.writers]
        self.began = time.perf_counter()
        for thread in threads:
            thread.start()
        try:
            time.sleep(LEAD)
            for _ in range(self.o.backups):
                acked, began = [writer.acked for writer in self.writers], time.perf_counter()
                told = json.loads(self.verb("backup", "create", "--json"))
                ended, sent = time.perf_counter(), [writer.sent for writer in self.writers]
                self.spans.append(Span(began, ended, acked, sent))
                files.append(pathlib.Path(told["path"]))
                time.sleep(PAUSE)
        finally:
            is_over.set()
            for thread in threads:
                thread.join(2 * common.PATIENCE)
        self.ended = time.perf_counter()
        return files

    def judge_copy(self, file, span, base):
        self.verb("backup", "verify", file, takes="verify_s")
        place = self.server.home / f"restored-{file.stem}"
        self.verb("backup", "restore", file, "--data-dir", place, takes="restore_s")
        self.verb("check", "--data-dir", place)
        users = sorted({writer.user for writer in self.writers} | {BASE})
        # One of whom nothing is in the backup is not there to be asked.
        lines = {user: self.verb("export", "--data-dir", place, "--user-id", user).splitlines() for user in users}
        faults, counts = judge(self.writers, span, base, lines)
        if self.o.encrypted:
            places = {file.parent: "the backup", place: "the copy", self.server.data: "the store"}
            faults += [f"readable: {word!r} is in {what}" for folder, what in places.items()
                       for word, _ in common.readable_in(folder, READABLE)]
        self.figures.setdefault("moment", []).append(sum(filter(None, counts)))
        return faults

    def play(self):
        base = self.bring()
        self.server.start()
        self.take_writers()
        files = self.write_and_back_up()
        self.faults += self.server.panics() + self.server.stop()
        for file, span in zip(files, self.spans, strict=True):
            self.figures.setdefault("backup_mb", []).append(round(file.stat().st_size / 1e6, 2))
            self.faults += self.judge_copy(file, span, base)
        self.measure()

    def measure(self):
        writes = [one for writer in self.writers for one in writer.writes if one.acked_at is not None]
        before = [one for one in writes if one.due < self.spans[0].began]
        during = [one for one in writes if any(span.began <= one.due <= span.ended for span in self.spans)]
        self.figures |= {
            "backup_s": [round(span.ended - span.began, 2) for span in self.spans], "writes": len(writes),
            "writes_a_second": round(len(writes) / (self.ended - self.began)), "during_a_backup": len(during),
            "before_ms": waits(before), "during_ms": waits(during)}


def waits(writes):
    took = [one.acked_at - one.due for one in writes]
    return {name: round(1000 * common.percentile(took, share), 1) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))}


# ---- the test of the test -----------------------------------------------------------------------
def self_test():
    """Whether each fault is found in what is made up."""
    def line(text, ident="x"):
        return json.dumps({"id": ident, "content": text}).encode()

    def made(counts=(4, 4), base=("base 1", "base 2"), span=((3, 3), (6, 6)), change=lambda lines: None):
        """Two writers, who write in turns, ten milliseconds a write."""
        writers = [Writer(n, "", user, 1) for n, user in enumerate((BASE, "writer-1"))]
        lines = {BASE: [line(text, text) for text in base], "writer-1": []}
        for n, writer in enumerate(writers):
            writer.ids = collections.defaultdict(str)
            for number in range(1, 9):
                marker, text, _ = writer.plan(number)
                at = (2 * number + n) / 100
                writer.writes.append(Write(at, at, at + 0.005, marker, text))
            writer.sent = writer.acked = 8
            state = next(dict(state) for k, state in enumerate(writer.states()) if k == counts[n])
            lines[writer.user] += [line(text) for text in state.values()]
        change(lines)
        wanted = {text: hash_of(line(text, text)) for text in ("base 1", "base 2")}
        faults, _ = judge(writers, Span(0, 1, *map(list, span)), wanted, lines)
        return [fault.split(":")[0] for fault in faults]

    cases = {"one moment": (made(), []), "a later one": (made((5, 4)), []), "a change": (made((5, 5)), []),
             "less than was answered": (made((2, 2)), ["lost", "lost"]), "more than was sent": (made((8, 7)), ["strange"] * 2),
             "two moments": (made((3, 5)), ["moment"]), "the other way round": (made((6, 3)), ["moment"]),
             "a hole": (made(change=lambda lines: lines["writer-1"].pop(1)), ["mixed"]),
             "one too many": (made(change=lambda lines: lines["writer-1"].append(line("w7.1"))), ["strange"]),
             "a memory is missing": (made(base=("base 1",)), ["lost"]),
             "another is there": (made(base=("base 1", "base 2", "base 3")), ["strange", "strange"]),
             "one twice": (made(change=lambda lines: lines["writer-1"].append(lines["writer-1"][0])), ["mixed"])}
    for name, (found, wanted) in cases.items():
        print(f"{'ok    ' if found == wanted else 'FAILED'} {name}: {found}")
    return all(found == wanted for found, wanted in cases.values())


def report(figures, faults):
    print(f"memories      {figures['memories']:,}, imported in {figures['import_s'][0]} s; seed {figures['seed']}"
          f"{', encrypted' * figures['encrypted']}")
    print(f"writes        {figures['writes']:,} of {figures['clients']} clients, {figures['writes_a_second']} a second of "
          f"{figures['asked_a_second']} asked for; {figures['during_a_backup']:,} of them during a backup")
    for name, unit in (("backup_s", "s"), ("backup_mb", "MB"), ("verify_s", "s"), ("restore_s", "s"), ("moment", "writes in it")):
        print(f"{name.partition('_')[0]:13} {', '.join(map(str, figures.get(name, [])))} {unit}")
    for name in ("before_ms", "during_ms"):
        told = figures[name]
        print(f"waits {name.partition('_')[0]:7} p50 {told['p50']} ms, p99 {told['p99']} ms, max {told['max']} ms")
    for fault in faults[:20]:
        print(f"FAULT {fault}")
    print(f"faults        {len(faults)}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=common.BINARY)
    p.add_argument("--memories", type=int, default=100_000, help="imported before (100,000)")
    p.add_argument("--writes", type=int, default=500, help="a second, of all clients together (500)")
    p.add_argument("--clients", type=int, default=16)
    p.add_argument("--backups", type=int, default=3, help="one after the other (3)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--encrypted", action="store_true", help="the store is encrypted")
    p.add_argument("--json", action="store_true")
    p.add_argument("--self-test", action="store_true", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.self_test:
        return 0 if self_test() else 1
    # Many wait for the disk, and each should see its answer when it comes.
    sys.setswitchinterval(0.0005)
    with common.server_of_its_own(o.bin, is_encrypted=o.encrypted) as server:
        run = Run(server, o)
        try:
            run.play()
        except (RuntimeError, common.NotStarted, subprocess.TimeoutExpired, OSError) as error:
            run.faults.append(f"failed: {error}")
        server.kill()
        figures = {"memories": o.memories, "clients": o.clients, "seed": o.seed, "encrypted": o.encrypted,
                   "asked_a_second": o.writes, **run.figures}
        if run.faults:
            name = f"backup-{'encrypted-' if o.encrypted else ''}{o.seed}"
            print(f"kept in {common.keep(server, name, run.faults)}", file=sys.stderr)
    if o.json or "before_ms" not in figures:
        print(json.dumps({**figures, "faults": run.faults}))
    else:
        report(figures, run.faults)
    return 1 if run.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
