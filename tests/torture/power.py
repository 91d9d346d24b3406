#!/usr/bin/env python3
"""Cuts the power of the real server, over and over, and counts what was acknowledged and is gone.

    python3 -B tests/torture/power.py [--bin target/release/memoryd] [--rounds 300] [--seed 1] [--few] [--encrypted] [--json]
        [--self-test]

A recording: the server runs under shim/disk.c, which writes down every change below its folder, while 8 clients add, update,
delete, purge and restore, and one erases users (then the journal is compacted and the trees are built anew) and revokes tokens.
With every answer is noted how far the trace had come. A round: the power is cut at some place of the trace. Of the disk remains
what was synced; of other data, and of names in folders, nothing, everything, or torn parts. A server starts on that: what was
acknowledged before the cut must be there, nothing deleted may be back, nothing that nobody had sent may be there, nor anything
of an erased user on the disk, and it must take writes. Cuts meet the first start of a new store, the load, erasures, the stop,
and the recovery from another cut. After the first recording of a store one of its users has so many memories that his session
keeps what it made of them while it sleeps (`.minds`): one more client has it sleep and wake, cuts meet the sleeping as well, and
what is searched and listed must be what is stored (not with --few). With --encrypted the store has a key, every other one only
after it was used without, so that cuts meet the start that encrypts it; then nothing on the disk may be readable. --self-test
breaks the model and wants to see losses. The disk is harsher than most: without fsync of its folder no name is durable, renames
are atomic, blocks of 512 or 4,096 bytes arrive in any order. Linux on x86_64, gcc, the standard library. Prints figures and each
loss, with its evidence under target/torture; exits 1 if there was one.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import copy
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

import common
import many
import power_many
from common import BINARY, KEPT
from faults import BROKEN, STARTED, Facts, Server, build_shim, control_at, data_in, read_all, say, take_signals

CLIENTS = 8
# Records of the trace, as in shim/disk.c.
OPEN, WRITE, SIZE, RESERVE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, RMDIR, LINK, CLOSE = range(1, 13)
HEAD = struct.Struct("<IIQQQII")
# What becomes of data that was not synced (a number is the size of the blocks that are kept or not), and of names. "early"
# keeps names up to some moment, as a file system with a journal does.
DATA = ["drop", "keep", 512, 4096]
NAMES = ["drop", "keep", "early", "some"]
PHASES = ["start", "answer", "load", "erasure", "stop", "erasure", "load", "answer", "recovery"]
# Where somebody has many memories.
PHASES_OF_MANY = ["sleep", "load", "sleep", "stop", "sleep", "start", "recovery", "answer", "erasure"]
# Where a store is being encrypted.
PHASES_OF_ENCRYPTION = ["start", "start", "load"]
# Of users, tokens and texts; none of it stands in an encrypted store.
READABLE = (b"lorem ipsum", b"gone-", b"taken-", b"probe-")
# The first word of a text that belongs to somebody who is erased.
GONE = re.compile(rb"g\d+r\d+-\d+-\d\b")


# ---- what the clients do ------------------------------------------------------------------------
class Clients:
    """Threads that ask for changes, and note what they asked for and when they had an answer."""

    def __init__(self, server, control, facts, label, number):
        self.server, self.control, self.facts, self.label = server, control, facts, label
        self.is_over = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(CLIENTS + 2)
        self.running = [self.pool.submit(self.work, n) for n in range(CLIENTS)] + [self.pool.submit(self.erase)]
        if facts.hoard:
            self.running.append(self.pool.submit(power_many.hoard, self, number))

    def close(self):
        self.is_over.set()
        self.pool.shutdown()
        for future in self.running:
            future.result()

    def change(self, keys, state, method, path, body=None):
        """The answer, if it was one of success. Else nobody knows, and the caller leaves these keys alone for good."""
        events = [self.facts.sent(key, state, self.control.position) for key in keys]
        try:
            status, answer = self.server.ask(method, path, body)
        except BROKEN:
            status = time.sleep(0.05)
        if status not in (200, 201):
            return None
        for event in events:
            event["acked"] = self.control.position
        return answer

    def add(self, rng, key, user="default"):
        text = f"{key} {rng.random()} {'lorem ipsum dolor ' * int(rng.paretovariate(0.8) % 400)}".strip()
        answer = self.change([key], ("active", text), "POST", f"/api/v1/memories?user_id={user}", {"content": text})
        return answer and (key, answer["id"], text)

    def work(self, number):
        rng, there, deleted, n = random.Random(f"{self.label} {number}"), [], [], 0
        while not self.is_over.is_set():
            n += 1
            dice = rng.random()
            if dice < 0.5 or len(there) < 3:
                there += filter(None, [self.add(rng, f"m{self.label}-{number}-{n}")])
            elif dice < 0.95:
                key, id_, text = there.pop(rng.randrange(len(there)))
                self.alter(dice, key, f"/api/v1/memories/{id_}", text, there, deleted)
            elif deleted:
                key, path, text = deleted.pop()
                if self.change([key], ("active", text), "POST", f"{path}/restore", {}):
                    there.append((key, path.rpartition("/")[2], text))

    def alter(self, dice, key, path, text, there, deleted):
        if dice < 0.75:
            text = f"{text[:3000]} and {dice}"
            if self.change([key], ("active", text), "PATCH", path, {"content": text}):
                there.append((key, path.rpartition("/")[2], text))
        elif dice < 0.85:
            self.change([key], None, "DELETE", f"{path}?purge=true")
        elif self.change([key], ("deleted", text), "DELETE", path):
            deleted.append((key, path, text))

    def erase(self):
        rng, n = random.Random(f"{self.label} erase"), 0
        while not self.is_over.is_set():
            n += 1
            user, token = f"gone-{self.label}-{n}", f"taken-{self.label}-{n}"
            keys = [f"g{self.label}-{n}-{part}" for part in range(3)]
            added = [self.add(rng, key, user) for key in keys]
            made = self.change([f"token {token}"], ("active", ""), "POST", "/admin/tokens", {"name": token})
            if made:
                self.change([f"token {token}"], ("revoked", ""), "POST", f"/admin/tokens/{made['prefix']}/revoke", {})
            self.is_over.wait(rng.uniform(0.1, 2))
            if all(added) and self.change(keys, None, "DELETE", f"/admin/users/{user}"):
                self.facts.erasures.append((self.control.position, keys))


# ---- the disk -----------------------------------------------------------------------------------
class File:
    def __init__(self, content=b""):
        self.durable, self.size, self.pending = bytearray(content), len(content), []

    def do(self, number, kind, at, what):
        self.pending.append((number, kind, at, what))
        self.size = at if kind == SIZE else max(self.size, at + len(what))

    def settle(self, before):
        while self.pending and self.pending[0][0] < before:
            put(self.durable, *self.pending.pop(0)[1:])

    def after_cut(self, rng, mode, share):
        content = bytearray(self.durable)
        for _, kind, at, what in self.pending if mode != "drop" else []:
            grain = mode if mode != "keep" and kind == WRITE else 1 << 40
            start = at
            while start < at + len(what) or start == at:
                stop = min(at + len(what), (start // grain + 1) * grain)
                if mode == "keep" or rng.random() < share:
                    put(content, kind, start, what[start - at:stop - at])
                start = max(stop, start + 1)
        if mode not in ("drop", "keep") and self.size > len(content) and rng.random() < 0.5:
            content.extend(bytes(self.size - len(content)))
        return content


def put(content, kind, at, what):
    stop = at + len(what)
    content.extend(bytes(max(0, stop - len(content))))
    if kind == SIZE:
        del content[at:]
    elif kind == WRITE:
        content[at:stop] = what


class Folder:
    """The names as the program sees them, and those that survive."""

    def __init__(self, names=()):
        self.names, self.durable = dict(names), dict(names)


class Disk:
    """A folder as the program sees it, and as it is after a cut. What lies there at the beginning is durable."""

    def __init__(self, root, deaf=()):
        """`deaf` (File or Folder) is what no sync makes durable: for the self-test."""
        self.root, self.deaf, self.number, self.top = str(root), deaf, 0, self.load(root)
        self.handles, self.begun = {}, {}
        # Changes of names: a number, what each does as a whole (folder, name, thing), and the folders still to be synced.
        self.changes = []

    def load(self, path):
        if path.is_file():
            return File(path.read_bytes())
        return Folder({entry.name: self.load(entry) for entry in path.iterdir()})

    def find(self, path):
        """The folder that something lies in, its name, and the thing, if it is there."""
        folder, name, node = None, "", self.top
        for part in path[len(self.root):].split("/")[1:]:
            folder, name, node = node, part, node.names.get(part)
        return folder, name, node

    def rename(self, *edits):
        for folder, name, node in edits:
            folder.names[name] = node
        self.changes.append((self.number, edits, {folder for folder, _, _ in edits}))

    def apply(self, record):
        kind, flags, handle, offset, length, path, other, data = record
        self.number += 1
        if path:
            folder, name, node = self.find(path)
        if kind == OPEN:
            if node is None:
                node = File()
                self.rename((folder, name, node))
            if flags & os.O_TRUNC and node.size:
                node.do(self.number, SIZE, 0, b"")
            self.handles[handle] = node
        elif kind in (WRITE, SIZE):
            self.handles[handle].do(self.number, kind, offset if kind == WRITE else length, data)
        elif kind == RESERVE and not flags:
            self.handles[handle].do(self.number, kind, offset, bytes(length))
        elif kind == SYNC_BEGIN:
            self.begun[offset] = self.number
        elif kind == SYNC_END:
            self.settle(self.handles[handle], self.begun.pop(offset))
        elif kind in (MKDIR, UNLINK, RMDIR):
            self.rename((folder, name, Folder() if kind == MKDIR else None))
        elif kind in (RENAME, LINK):
            target, new, _ = self.find(other)
            self.rename(*([(folder, name, None)] if kind == RENAME else []), (target, new, node))

    def settle(self, node, before):
        if isinstance(node, self.deaf):
            return
        if isinstance(node, File):
            node.settle(before)
            return
        for change in [change for change in self.changes if change[0] < before]:
            change[2].discard(node)
            if not change[2]:
                self.changes.remove(change)
                for folder, name, found in change[1]:
                    folder.durable[name] = found

    def cut(self, rng, target, data, names):
        """Writes to `target` what is there when the power comes back."""
        share = rng.choice([0.1, 0.5, 0.9])
        until = rng.randrange(len(self.changes) + 1) if names == "early" else 0
        tables = collections.defaultdict(dict)
        for n, (_, edits, _) in enumerate(self.changes):
            if names == "keep" or n < until or (names == "some" and rng.random() < share):
                for folder, name, node in edits:
                    tables[folder][name] = node
        self.write(self.top, target, tables, lambda file: file.after_cut(rng, data, share))

    def write(self, node, path, tables, content):
        if isinstance(node, File):
            path.write_bytes(content(node))
            path.chmod(0o600)
            return
        path.mkdir(mode=0o700)
        for name, found in {**node.durable, **tables[node]}.items():
            if found:
                self.write(found, path / name, tables, content)


def read_trace(path):
    """Every record, with the place at which it ends."""
    trace, at = path.read_bytes(), 0
    while at < len(trace):
        kind, flags, handle, offset, length, first, second = HEAD.unpack_from(trace, at)
        texts = at + HEAD.size + first + second
        path, other = trace[at + HEAD.size:texts - second].decode(), trace[texts - second:texts].decode()
        at = texts + (length if kind == WRITE else 0)
        yield at, (kind, flags, handle, offset, length, path, other, trace[texts:at])


# ---- recordings ---------------------------------------------------------------------------------
class Recording:
    """A run of the server under the shim. `disk` is the model of the folder as it was before."""

    def __init__(self, o, folder, beside, facts, settings, cut=None):
        """`settings` are those of the server. `cut` is where the power had been cut before, if this is the recovery from that."""
        self.o, self.folder, self.facts, self.cut, self.disk = o, folder, facts, cut, Disk(folder)
        # Whether the store is encrypted only now.
        self.settings, self.was_plain = settings, False
        beside.mkdir(parents=True)
        self.trace, self.control = beside / "trace", control_at(beside / "control")
        extra = {"TORTURE_ROOT": str(folder), "TORTURE_CONTROL": str(beside / "control"), "TORTURE_TRACE": str(self.trace),
                 "LD_PRELOAD": str(o.shim), **settings}
        self.server = Server(o.bin, data_in(folder), beside, extra)

    def run(self, label, number, is_killed):
        """From the start to the end, which is a stop or a kill under load. Gives what was wrong."""
        if not self.server.start():
            raise RuntimeError(f"the server does not start under the shim: {self.server.log()[-800:]}")
        self.ready = self.control.position
        with contextlib.closing(Clients(self.server, self.control, self.facts, label, number)):
            time.sleep(self.o.seconds)
            self.term = self.control.position
            problems = self.server.kill() or [] if is_killed else self.server.stop()
        return problems if is_killed else problems + self.unseen()

    def unseen(self):
        """Where the trace does not lead to what lies in the folder: then something has come past the shim."""
        scratch, disk = self.trace.with_name("replayed"), copy.deepcopy(self.disk)
        for _, record in read_trace(self.trace):
            disk.apply(record)
        disk.cut(random.Random(0), scratch, "keep", "keep")
        seen, there = contents(scratch), contents(self.folder)
        shutil.rmtree(scratch)
        different = [name for name in sorted(seen.keys() | there.keys()) if seen.get(name) != there.get(name)]
        return [f"not in the trace: {name}" for name in different + ["a call"] * bool(self.control.strange)]

    def places(self):
        """Where the power can be cut, by what goes on there."""
        ends = [0, *(end for end, _ in read_trace(self.trace))]
        if self.cut is not None:
            return {"recovery": ends}
        events = [event for events in self.facts.events.values() for event in events if (event["acked"] or 0) > 0]
        erasing = [event for event in events if event["is_erasure"]]
        sleeps = self.facts.hoard.sleeps if self.facts.hoard else []
        return {"sleep": [end for end in ends if any(began < end <= ended for began, ended in sleeps)],
                "start": [end for end in ends if end <= self.ready], "stop": [end for end in ends if end > self.term],
                "load": [end for end in ends if self.ready < end <= self.term], "answer": [one["acked"] for one in events],
                "erasure": [end for end in ends if any(event["sent"] < end <= event["acked"] for event in erasing)]}

    def cuts(self, rng, count):
        places = {name: ends for name, ends in self.places().items() if ends}
        phases = PHASES_OF_ENCRYPTION if self.was_plain else PHASES_OF_MANY if self.facts.hoard else PHASES
        names = [name for name in phases if name in places]
        return sorted((rng.choice(places[name]), name) for name in itertools.islice(itertools.cycle(names), count))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# ---- rounds -------------------------------------------------------------------------------------
class Round:
    """A cut, and what the server makes of what is left."""

    def __init__(self, o, recording, label, place, phase, rng):
        self.o, self.recording, self.label, self.place, self.phase, self.rng = o, recording, label, place, phase, rng
        self.cut = place if recording.cut is None else recording.cut
        self.data, self.names = rng.choice(DATA), rng.choice(NAMES)
        self.acknowledged, self.problems, self.had_erased, self.has_woken = 0, [], False, False

    def lay_out(self, disk, folder):
        self.folder, self.disk = folder, folder / "disk"
        folder.mkdir(parents=True)
        disk.cut(self.rng, self.disk, self.data, self.names)
        shutil.copytree(self.disk, folder / "before")

    def play(self):
        """Gives all rounds that came of it: some recoveries are recorded, and the power is cut again."""
        inner, beside = [], self.folder / "beside"
        try:
            self.had_erased, settings = bool(self.erased_bytes()), self.recording.settings
            self.problems += [] if self.recording.was_plain else self.readable()
            if self.recording.cut is None and self.rng.random() < 0.1:
                recording = Recording(self.o, self.disk, beside, self.recording.facts, settings, self.cut)
                recording.was_plain = self.recording.was_plain
                self.examine(recording.server)
                others = walk(self.o, recording, recording.cuts(self.rng, 2), self.label, self.folder, self.rng)
                inner = [one for other in others for one in other.play()]
            else:
                self.examine(Server(self.o.bin, data_in(self.disk), beside, settings))
        except (*BROKEN, RuntimeError, ValueError) as error:
            self.problems.append(f"failed: {error!r}")
        if self.problems and None not in STARTED:
            self.keep_evidence(beside)
        shutil.rmtree(self.folder)
        return [self, *inner]

    def examine(self, server):
        kept = many.kept_in(server.data)
        if not server.start():
            self.problems.append(f"does not start: {server.log()[-1500:]}")
            return
        try:
            facts, found = self.recording.facts, read_all(server)
            self.acknowledged, problems = facts.compare(found, self.cut)
            self.problems += problems
            if facts.hoard:
                self.problems += power_many.misfound(server, facts, found, self.cut, self.rng)
                self.has_woken = not kept.keys().isdisjoint(many.kept_in(server.data))
            self.problems += [f"erased, and still on the disk: {word}" for word in self.erased_bytes()]
            added = server.told("POST", "/api/v1/memories", {"content": f"probe-{self.label} of the round"})
            server.told("GET", f"/api/v1/memories/{added['id']}")
            self.problems += self.readable()
            if self.rng.random() < 0.2:
                self.problems += server.stop()
                env = {name: value for name, value in server.env.items() if name != "ENCRYPTION_KEY_FILE"}
                checked = subprocess.run([str(server.binary), "check"], env=env, capture_output=True, text=True)
                self.problems += [f"check: {checked.stdout}{checked.stderr}"] if checked.returncode else []
        finally:
            server.kill()

    def erased_bytes(self):
        words = {word.encode() for acked, words in self.recording.facts.erasures if acked <= self.cut for word in words}
        files = [path for path in self.disk.rglob("*") if path.is_file()] if words else []
        return sorted(words.intersection(word for path in files for word in GONE.findall(path.read_bytes())))

    def readable(self):
        """What can be read on the disk of an encrypted store."""
        found = common.readable_in(self.disk, READABLE) if self.recording.settings else ()
        return [f"readable: {word!r} is in {file.relative_to(self.disk)}" for word, file in found]

    def keep_evidence(self, beside):
        kept = self.o.out / f"power-{'encrypted-' if self.o.encrypted else ''}{self.o.seed}-{self.label}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.folder / "before", kept / "disk")
        for path in (self.recording.trace, beside / "server.log", *map(pathlib.Path, self.recording.settings.values())):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path, kept / path.name)
        (kept / "verdict.txt").write_text("\n".join([str(self), *self.problems]))

    def __str__(self):
        return (f"round {self.label}: cut at {self.place} ({self.phase}), unsynced data: {self.data}, names: {self.names}; "
                f"{self.acknowledged} acknowledged")


def walk(o, recording, cuts, label, folder, rng):
    """Goes through the trace once, and gives a round at each cut, with its folder laid out."""
    records, reached = read_trace(recording.trace), 0
    for n, (place, phase) in enumerate(cuts):
        while reached < place:
            reached, record = next(records)
            recording.disk.apply(record)
        one = Round(o, recording, f"{label}.{n}", place, phase, random.Random(rng.random()))
        one.lay_out(recording.disk, folder / one.label)
        yield one


def play_all(o, rounds):
    """Plays rounds beside each other, and lays out no more than are played."""
    running, done = collections.deque(), []
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for one in rounds:
            running.append(pool.submit(one.play))
            if len(running) > o.jobs:
                done += running.popleft().result()
        return done + [played for future in running for played in future.result()]


# ---- the program --------------------------------------------------------------------------------
def record_and_play(o, work, number, facts, count, rng, deaf=()):
    """One recording and its rounds. In turns: a new store that is stopped, the same one killed, and stopped again."""
    if number % 3 == 0:
        shutil.rmtree(work / "disk", ignore_errors=True)
        (work / "disk").mkdir()
    was_plain = bool(o.settings) and number % 6 == 0
    if was_plain:
        before = Recording(o, work / "disk", work / "plain", facts, {})
        if problems := before.run(f"{o.seed}p{number}", number, is_killed=False):
            return [], problems
        shutil.rmtree(work / "plain")
        facts = of_before(facts)
    if number % 3 == 1 and not o.few and (problems := power_many.bring(o, work / "disk", work / "bringing", facts)):
        return [], problems
    recording = Recording(o, work / "disk", work / f"recording-{number}", facts, o.settings)
    recording.disk.deaf, recording.was_plain = deaf, was_plain
    problems = recording.run(f"{o.seed}r{number}", number, is_killed=number % 3 == 1)
    played = play_all(o, walk(o, recording, recording.cuts(rng, count), number, work / "rounds", rng))
    shutil.rmtree(work / f"recording-{number}")
    answers = sum((event["acked"] or 0) > 0 for events in facts.events.values() for event in events)
    say(o, f"recording {number}: {answers} answers, {recording.term} bytes, {len(played)} rounds, "
           f"{sum(bool(one.problems) for one in played)} with losses: {dict(kinds_of(played))}")
    return played, problems


def kinds_of(played):
    return collections.Counter(problem.split(":")[0] for one in played for problem in one.problems)


def of_before(facts):
    """The same facts for the next recording: all of it lies in the past."""
    for event in [event for events in facts.events.values() for event in events]:
        event["sent"], event["acked"] = -1, None if event["acked"] is None else -1
    facts.erasures = [(-1, words) for _, words in facts.erasures]
    if facts.hoard:
        facts.hoard.sleeps = []
    return facts


def torture(o, work):
    done, wrong, number, rng, began = [], [], 0, random.Random(o.seed), time.monotonic()
    while len(done) < o.rounds:
        facts = Facts() if number % 3 == 0 else of_before(facts)
        played, problems = record_and_play(o, work, number, facts, min(o.each, o.rounds - len(done)), rng)
        for one in [one for one in played if one.problems]:
            say(o, f"  {one}\n    " + "\n    ".join(one.problems[:5]))
        done, wrong, number = done + played, wrong + problems, number + 1
    count = collections.Counter
    return {"seed": o.seed, "encrypted": o.encrypted, "recordings": number, "rounds": len(done),
            "seconds": round(time.monotonic() - began),
            "rounds_with_losses": sum(bool(one.problems) for one in done), "losses": kinds_of(done), "other_problems": wrong,
            "acknowledged_effects_compared": sum(one.acknowledged for one in done),
            "rounds_with_erased_bytes_until_the_start": sum(one.had_erased for one in done),
            "rounds_that_woke_with_what_was_kept": sum(one.has_woken for one in done),
            "by_phase": count(one.phase for one in done), "by_data": count(str(one.data) for one in done),
            "by_names": count(one.names for one in done)}


def self_test(o, work):
    """A disk that ignores syncs must lose something, and one that does not, nothing. Gives what was not as it should be."""
    wrong, o.out = [], work / "evidence"
    for name, deaf in (("whole model", ()), ("syncs of files are ignored", File), ("syncs of folders are ignored", Folder)):
        say(o, f"self-test, {name}:")
        played, problems = record_and_play(o, work, 0, Facts(), 16, random.Random(o.seed), deaf)
        wrong += problems + [name] * (any(one.problems for one in played) != bool(deaf))
    return {"self_test_failed": wrong}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=BINARY)
    p.add_argument("--out", type=pathlib.Path, default=KEPT, help="where evidence is kept")
    p.add_argument("--rounds", type=int, default=300, help="how many cuts (300)")
    p.add_argument("--each", type=int, default=50, help="how many cuts of one recording (50)")
    p.add_argument("--seconds", type=float, default=6, help="how long each recording is under load (6)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--few", action="store_true", help="nobody has so many memories that sessions keep something while they sleep")
    p.add_argument("--encrypted", action="store_true", help="the store is encrypted")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), help="rounds at a time")
    p.add_argument("--json", action="store_true", help="print the figures as JSON, and the rest to standard error")
    p.add_argument("--self-test", action="store_true")
    o = p.parse_args()
    o.bin, o.out, o.shim = o.bin.resolve(), o.out.resolve(), build_shim()
    take_signals()
    with tempfile.TemporaryDirectory(prefix="memoryd-power-") as work:
        o.settings = common.encryption(work) if o.encrypted else {}
        figures = (self_test if o.self_test else torture)(o, pathlib.Path(work).resolve())
    if o.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name.replace('_', ' ')}: {dict(figure) if isinstance(figure, dict) else figure}")
    return 1 if any(figures.get(name) for name in ("rounds_with_losses", "other_problems", "self_test_failed")) else 0


if __name__ == "__main__":
    sys.exit(main())
