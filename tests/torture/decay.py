#!/usr/bin/env python3
"""Decay: a stopped store is damaged, and the next start mends it, or refuses with the one command that helps.

    python3 tests/torture/decay.py [--bin target/release/memoryd] [--flips 1000] [--others 300] [--minds 60] [--seed 1] [--jobs N]
        [--quick]

Stores are made through the real server (decay_store.py). Each case damages a copy of one at a random place: one flipped bit
or byte; a file cut, emptied, made longer, removed, replaced by an older copy's or another store's, swapped with another; a
folder removed, or replaced by an older copy's or another store's; a file of another store added; two of these in different
parts. Then `memoryd check` has to find it, and the server has to serve exactly what was there (and say that it mended it), or
to refuse and name one command in backticks, which is then run as it was printed and has to help. What is in neither copy any
more has to be named as lost; it never goes in silence, and nothing of another store ever comes in.

Other cases (--minds) damage what sessions of users with 5,000 memories keep while they sleep: flipped, cut, removed, mixed, that
of another user, of an older or newer copy, of another store; some together with damage as above. That is no damage of the store:
`check` and the start say nothing of it, and it is gone or made anew at the next stop. Every memory is found by the word that only
its present text has, and none by a word that it had before or that is deleted; what is listed is what is stored; and questions
find the same, in the same order, at the next start, where what was damaged is removed before.

Which damage is done is decided by --seed; --case N does only that one. Prints a table, what was harmless, and each kind of
fault once; exits 1 if there was one. Evidence of faults stays under target/torture/decay. Standard library only.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import sys
import tempfile
import time

import common
import decay_minds
import decay_store as stores
import many
from common import BINARY, KEPT
from frames import KEY_OF_STORE, key_records, lost_frames

EVIDENCE, EVIDENCE_OF_A_KIND = KEPT / "decay", 3
OTHERS = ["cut", "emptied", "garbage", "zeros", "gone", "folder gone", "older", "foreign", "added", "swapped", "older folder",
          "foreign folder", "pair", "pair", "pair"]
PAIRED = ["flip", "flip", "cut", "emptied", "garbage", "gone", "folder gone", "older", "foreign", "older folder", "foreign folder"]
# Of encrypted stores only, beside the others.
OF_KEYS = ["keys"]
SCENES = ["small", "several", "several", "killed", "killed-several"]
# What a case may come to. `torn`: an end that looks like an unfinished write was cut off, and nothing is lost by it.
# `tail`: after kill -9 only, the end of the last segment is gone, which nothing can tell from a write that never was.
# `keyless`: nothing opens the store any more, and it says that only a backup helps.
GOOD = ["mended", "advised", "harmless", "torn", "tail", "keyless"]
# `unfound` by check; `unsaid` in the log; `unkept` is a damaged original that is gone; `again` is there at the next start;
# `mind`: a search or a list says otherwise than what is stored, or what a session kept is damaged and stays.
BAD = ["LOSS", "FOREIGN", "PANIC", "advice", "unfound", "unsaid", "unkept", "again", "mind", "hang"]
# A flip, or even the want of these, may be of no consequence: sled makes one out of the other, and has much unused room.
MAY_BE_HARMLESS = {"none", "lock", "mind", "sled db", "sled snap", "sled conf", "sled blob"}
# Beside a newer snapshot of its own sled reads no other.
PASSED_OVER = "older sled snap"
JOURNAL = ("segment", "last segment", "snapshot")
PANIC = re.compile(r"panicked at|a panic at|RUST_BACKTRACE|memory allocation of")
MENDED = re.compile(r"^\S+ (?:WARN|ERROR) +memoryd::((?:store|journal).*)$", re.M)
IN_WORDS = re.compile(r"\b(?:(?<!nothing is )lost|gone|missing|incomplete|not known|(?:cannot|could|could not) be read)\b")
TORN = "unfinished write"
# Which names no file, so it cannot be run.
WANTS_BACKUP = "memoryd backup restore"


# ---- damage -------------------------------------------------------------------------------------
@dataclasses.dataclass
class Damage:
    kind: str
    where: str
    told: str
    # Files that were changed or added, with what they hold now.
    changed: dict = dataclasses.field(default_factory=dict)
    both: list = dataclasses.field(default_factory=list)

    @property
    def part(self):
        return "journal" if self.where in JOURNAL else re.split("[ /]", self.where)[0]

    def may_be_harmless(self):
        """Whether nobody need notice, as long as everything is read back."""
        if self.both:
            return all(damage.may_be_harmless() for damage in self.both)
        # An older one is as a kill before the last checkpoint leaves it: the journal has the rest.
        is_as_after_kill = self.kind.startswith("older") and self.where in ("checkpoint", "sled/")
        is_reserve = self.kind == "zeros" and "segment" in self.where
        is_unread = set(self.where.split(" <> ")) <= ({PASSED_OVER} if self.kind == "added" else MAY_BE_HARMLESS)
        return is_as_after_kill or is_reserve or is_unread


def files(data):
    """All files of a data directory by their kinds, but for the note of its stop, which of a copy says nothing, and what sessions
    keep, which is damaged by itself."""
    found = collections.defaultdict(list)
    last = max((path.name for path in data.glob("journal/*.log") if path.name[0].isdigit()), default="")
    for path in sorted(path for path in data.rglob("*")
                       if path.is_file() and path.name != ".stopped" and path.parent.name != many.FOLDER):
        top = path.relative_to(data).parts[0]
        kind = top
        if top == "journal":
            kind = "snapshot" if "snapshot" in path.name else "last segment" if path.name == last else "segment"
        elif top.startswith("sled-"):
            kind = "sled blob" if path.parent.name == "blobs" else f"sled {path.name.split('.')[0]}"
        found[kind].append(path)
    return found


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sled_of(data):
    """The trees that count; where they are gone, what would be their folder."""
    return max(data.glob("sled-*"), key=lambda path: int(path.name.split("-")[1]), default=data / "sled-1")


def flip(content, chance):
    at, used = chance.randrange(len(content)), len(content.rstrip(b"\0"))
    # Most of what is reserved is zeros: mostly somewhere else.
    if used and chance.random() < 0.9:
        at = next((at for at in (chance.randrange(used) for _ in range(200)) if content[at]), at)
    flipped = 1 << chance.randrange(8) if chance.random() < 0.7 else chance.randrange(1, 256)
    return content[:at] + bytes([content[at] ^ flipped]) + content[at + 1:], f"byte {at} ^ {flipped:#04x}"


def cut(content, chance):
    used = len(content.rstrip(b"\0")) if chance.random() < 0.9 else len(content)
    return content[:chance.randrange(used or 1)], f"cut from {len(content)}"


def garbage(content, chance):
    more = chance.randbytes(chance.randint(1, 5000))
    # A segment that was reserved ends where its zeros begin, but for those of its last frame.
    content = content.rstrip(b"\0") + bytes(64) if content.endswith(bytes(65536)) else content
    return content + more, f"{len(more)} bytes of garbage behind {len(content)}"


def zeros(content, chance):
    more = chance.randint(1, 5000)
    return content + bytes(more), f"{more} zeros at the end"


CHANGES = {"flip": flip, "cut": cut, "emptied": lambda content, _: (b"", f"emptied of {len(content)}"), "garbage": garbage,
           "zeros": zeros}


class Damager:
    """Does one damage to a data directory, at places that its chance decides."""

    def __init__(self, scene, data, chance):
        self.scene, self.data, self.chance = scene, data, chance

    def do(self, kind):
        before = contents(self.data)
        whose, *is_folder = kind.split()
        if kind in CHANGES:
            where, path, content = self.pick()
            content, told = CHANGES[kind](content, self.chance)
            path.write_bytes(content)
            done = where, f"{self.name(path)} ({len(content)} bytes): {told}"
        elif whose == "mind":
            done = self.mind(*is_folder)
        elif whose in ("older", "foreign"):
            other = self.chance.choice(getattr(self.scene, whose)).data
            done = (self.folder_from if is_folder else self.replaced_from)(other, whose)
        else:
            done = getattr(self, kind.replace(" ", "_"))()
        where, told, *both = done
        now = contents(self.data)
        if now == before:
            raise FileNotFoundError(f"nothing is changed by {told}")
        return Damage(kind, where, told, {name: content for name, content in now.items() if before.get(name) != content}, both)

    def pick(self, kinds=None):
        """Every kind of file is as likely; the lock, which does not matter, comes now and then."""
        found = {kind: paths for kind, paths in files(self.data).items() if not kinds or kind in kinds}
        kind = self.chance.choice([kind for kind in found if kind != "lock" or self.chance.random() < 0.2] or ["no file"])
        path = self.chance.choice([path for path in found.get(kind, []) if path.stat().st_size] or [self.data / "no file"])
        return kind, path, path.read_bytes()

    def name(self, path):
        return path.relative_to(self.data)

    def gone(self):
        kind, path, _ = self.pick()
        path.unlink()
        return kind, f"{self.name(path)} removed"

    def folder_gone(self):
        folder = self.chance.choice([self.data / "journal", sled_of(self.data)])
        shutil.rmtree(folder)
        return f"{folder.name.split('-')[0]}/", f"{folder.name}/ removed"

    def replaced_from(self, other, whose):
        theirs = files(other)
        kind, path, _ = self.pick(theirs.keys() - {"lock"})
        their = self.chance.choice([their for their in theirs[kind] if their.name == path.name] or theirs[kind])
        path.write_bytes(their.read_bytes())
        return kind, f"{self.name(path)} replaced by the {whose} {their.relative_to(other)} of {other.name}"

    def folder_from(self, other, whose):
        own, theirs = self.chance.choice([(self.data / "journal", other / "journal"), (sled_of(self.data), sled_of(other))])
        shutil.rmtree(own)
        shutil.copytree(theirs, own)
        return f"{own.name.split('-')[0]}/", f"{own.name}/ replaced by the {whose} {theirs.name}/ of {other.name}"

    def added(self):
        other = self.chance.choice(self.scene.foreign).data
        places = {self.data / path.relative_to(other): (kind.removeprefix("last "), path)
                  for kind, paths in files(other).items() for path in paths if kind in JOURNAL}
        places[self.data / sled_of(other).name] = "sled/", sled_of(other)
        newest = max((path.name for path in sled_of(self.data).glob("snap.*")), default="")
        places.update({sled_of(self.data) / path.name: (PASSED_OVER if path.name < newest else "sled snap", path)
                       for path in sled_of(other).glob("snap.*")})
        place = self.chance.choice(sorted(place for place in places if not place.exists()))
        kind, their = places[place]
        (shutil.copytree if their.is_dir() else shutil.copyfile)(their, place)
        return kind, f"the foreign {their.relative_to(other)} added as {self.name(place)}"

    def swapped(self):
        found = {path: kind for kind, paths in files(self.data).items() for path in paths if kind != "lock"}
        one, two = self.chance.sample(sorted(found), 2)
        if self.chance.random() < 0.5:
            two = self.chance.choice([path for path in sorted(found) if path.parent == one.parent and path != one] or [two])
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)
        return " <> ".join(sorted([found[one], found[two]])), f"{self.name(one)} and {self.name(two)} swapped"

    def keys(self):
        """No record of keys is whole in the journal, and sled is gone. Now and then the checkpoint is no help either."""
        records = key_records(self.scene.frames)
        for path in self.data.glob("journal/*.log"):
            content = path.read_bytes()
            for record in sorted(records):
                if (at := content.find(record)) >= 0:
                    at += self.chance.randrange(len(record))
                    content = content[:at] + bytes([content[at] ^ self.chance.randrange(1, 256)]) + content[at + 1:]
            path.write_bytes(content)
        shutil.rmtree(sled_of(self.data))
        is_alone = self.chance.random() < 0.3
        if is_alone:
            (self.data / "checkpoint").unlink()
        return "keys", f"{len(records)} records of keys flipped, sled/ {'and the checkpoint ' * is_alone}removed"

    def mind(self, kind):
        """What a session keeps."""
        if kind == "pair":
            first, second = self.do(f"mind {self.chance.choice(decay_minds.IN_PAIRS)}"), self.do(self.chance.choice(PAIRED))
            return f"mind + {second.where}", f"{first.told}; {second.told}", first, second
        if kind not in CHANGES:
            return "mind", getattr(decay_minds, kind)(self.scene, self.data, self.chance)
        name, path = decay_minds.one_of(self.data, self.chance)
        content, told = CHANGES[kind](path.read_bytes(), self.chance)
        path.write_bytes(content)
        return "mind", f"{name}: {told}"

    def pair(self):
        """Two in different parts. Enough stays our own, or nobody could say whose store it is."""
        first, second = sorted((self.do(self.chance.choice(PAIRED)) for _ in range(2)), key=lambda damage: damage.part)
        are_foreign = [damage.kind.startswith("foreign") for damage in (first, second)]
        is_odd = first.part == second.part or "lock" in (first.part, second.part)
        if is_odd or are_foreign[1] and (are_foreign[0] or first.part == "checkpoint"):
            raise FileNotFoundError("another pair")
        return f"{first.part} + {second.part}", f"{first.told}; {second.told}", first, second


# ---- what must hold -----------------------------------------------------------------------------
class Proof:
    """What the parts that are left after a damage prove. Taken before anything opens the store."""

    def __init__(self, scene, data):
        self.scene, self.state = scene, scene.state
        self.lost = lost_frames(scene.frames, data / "journal")
        base, is_newest = self.state_of_sled(data)
        is_whole = not self.lost or is_newest and scene.synced is None
        about, lost = (set().union(*(frame.settles for frame in some)) for some in (scene.frames, self.lost))
        # Of these memories, and names and keys of users, the journal still has the last word, also that they were erased.
        self.settled = about - lost
        self.is_plain, self.with_keys = KEY_OF_STORE not in about, [base, self.state_of_checkpoint(data)]
        self.has_store_key = self.is_plain or KEY_OF_STORE in self.settled or any(self.with_keys)
        self.demanded = {key for key, value in self.state.items() if is_whole or base.get(key) == value
                         or key[0] in ("memory", "history") and key[2] in self.settled and self.opens(*key[1:3])}

    def opens(self, user, memory):
        """Whether the keys of a user are left, of whom this memory is."""
        return self.is_plain or self.has_store_key and (
            self.scene.seats.get(memory) in self.settled or any(("user", user) in state for state in self.with_keys))

    def state_of_checkpoint(self, data):
        """The state of whose users an unharmed checkpoint of our own holds the keys."""
        file, copies = data / "checkpoint", [stores.Copy(self.scene.data, self.state), *self.scene.older]
        there = file.read_bytes() if file.is_file() else b""
        return next((copy.state for copy in copies if (copy.data / "checkpoint").read_bytes() == there), {})

    def state_of_sled(self, data):
        """The state that unharmed trees of our own prove, and whether they are the newest."""
        present = [contents(folder) for folder in data.glob("sled-*")]
        ours = [stores.Copy(self.scene.data, self.scene.synced or self.state), *self.scene.older]
        whole = [copy for copy in ours if contents(sled_of(copy.data)) in present]
        return (whole[0].state, whole[0] is ours[0]) if whole else ({}, False)

    def shortcomings(self, got):
        """What is wrong with a state that may be less than the truth."""
        # Whose a memory was may be lost while it is not itself; then it may be under any name.
        by_id = {(key[0], key[2]): value for key, value in got.items() if key[0] in ("memory", "history")}
        wrong = [f"{name(key)} is missing or older" for key in self.demanded if got.get(key) != self.state[key]
                 and (key[1] in self.settled or by_id.get((key[0], *key[2:])) != self.state[key])]
        present = {key[2] for key in self.state if key[0] == "memory"}
        for id, said in stores.versions(got).items():
            if said - self.scene.known.get(id, set()):
                wrong.append(f"memory {id} {'never said that' if id in self.scene.known else 'was never there'}")
            if id in self.settled - present:
                wrong.append(f"memory {id} was erased and is back")
        return sorted(wrong)

    def is_tail(self, got, said):
        """Whether the newest frames of a killed store are gone, and no more; and where something shows that, whether it is said."""
        frames, synced = self.scene.frames, self.scene.synced or {}
        if not (synced and self.lost) or self.lost != frames[-len(self.lost):] or self.shortcomings(got):
            return False
        for key in synced.keys() & self.state.keys():
            if key not in got or key[0] == "memory" and got[key]["version"] < synced[key]["version"]:
                return False
        return not any(frame.is_synced for frame in self.lost) or any(map(IN_WORDS.search, said))


def name(key):
    return " ".join(str(part)[:60] for part in key)


def last_lines(told):
    return " / ".join(told.text.strip().splitlines()[-2:])


class Trial:
    """One damaged store on its way through check, start, and what the start advises."""

    def __init__(self, home, scene, damage):
        self.home, self.scene, self.damage = home, scene, damage
        self.outcome, self.faults, self.told = None, [], {}
        self.proof = Proof(scene, home.data)

    def run(self):
        try:
            self.examine()
        except stores.Hangs as what:
            self.fault("hang", f"{what} takes longer than {stores.PATIENCE} s")
        return self

    def examine(self):
        found = self.check()
        state, started = self.serve("start")
        if started.code is not None:
            self.follow_advice(started)
        else:
            self.judge_served(found, state, started)
        if self.outcome in ("mended", "advised"):
            self.look_again()
        if self.outcome:
            self.look_for_originals()

    def fault(self, kind, why):
        self.faults.append((kind, why))

    def check(self):
        before = contents(self.home.data)
        told = self.note("check", self.home.run("memoryd check", without=["ENCRYPTION_KEY_FILE"]))
        if {**contents(self.home.data), "lock": b""} != {**before, "lock": b""}:
            self.fault("unkept", "check itself changed files")
        return told

    def serve(self, what):
        """The state that is served, or nothing; with a code if the server ended by itself."""
        server = stores.Server(self.home)
        if server.port is None:
            return None, self.note(what, stores.Told(server.process.returncode, "", server.log))
        state, problem = None, ""
        try:
            state = stores.without_later(self.read(server), self.scene.moment)
        except stores.Unserved as error:
            problem = f"it runs, but {error}"
        ended = server.stop()
        self.note(what, stores.Told(ended.code, problem, ended.err))
        return state, stores.Told(None, problem, ended.err)

    def read(self, server):
        return stores.read_state(server)

    def note(self, what, told):
        self.told[what] = told
        if PANIC.search(told.text) or told.code < 0:
            line = next((line for line in told.text.splitlines() if PANIC.search(line)), f"ended by signal {-told.code}")
            self.fault("PANIC", f"{what}: {line}")
        return told

    def differences(self, state):
        truth, others, state = self.scene.state, self.scene.foreign, state or {}
        foreign = [key for key in state if key not in truth and key[0] != "user" and any(key in other.state for other in others)]
        if foreign:
            return "FOREIGN", f"{len(foreign)} things of another store are there, such as {name(foreign[0])}"
        missing, extra = truth.keys() - state.keys(), state.keys() - truth.keys()
        changed = {key for key in truth.keys() & state.keys() if truth[key] != state[key]}
        some = [name(key) for key in sorted(missing | extra | changed, key=str)[:1]]
        told = f"{len(missing)} of {len(truth)} are missing, {len(changed)} changed, {len(extra)} too many, such as {some}"
        return ("LOSS", told) if some else (None, "")

    def judge_served(self, found, state, started):
        said = MENDED.findall(started.err)
        kind, difference = self.differences(state)
        if state is None:
            self.fault("LOSS", f"it starts, and does not serve: {started.out}")
        elif kind == "LOSS" and self.proof.is_tail(state, said):
            self.outcome = "tail"
        elif kind:
            self.fault(kind, f"{difference}; check ends with {found.code}; the log: {said or 'nothing'}")
        elif TORN in found.text and TORN in started.err and found.code == 0 and "segment" in self.damage.where:
            self.outcome = "torn"
        elif said:
            self.outcome = "mended"
            if found.code == 0:
                self.fault("unfound", f"check is content; the start: {said[0]}")
        else:
            self.judge_silent(found)

    def judge_silent(self, found):
        """Everything is there, and the start said nothing."""
        self.outcome = "harmless"
        if found.code:
            self.fault("unsaid", f"check complains, the start does not: {last_lines(found)}")
        elif not self.damage.may_be_harmless():
            self.fault("unfound", "neither check nor the start says a word")

    def follow_advice(self, refused):
        commands = list(dict.fromkeys(re.findall(r"`(memoryd [^`]+)`", refused.err)))
        if len(commands) != 1:
            self.fault("advice", f"the refusal names {len(commands) or 'no'} commands: {refused.err.strip()[-400:]}")
            return
        if self.is_keyless(refused):
            return
        helped = self.note(f"advice: {commands[0]}", self.home.run(commands[0]))
        if helped.code and self.is_keyless(helped):
            return
        state, started = self.serve("start after the advice")
        kind, difference = self.differences(state)
        wrong = self.proof.shortcomings(state) if state and kind else []
        if state is None:
            self.fault("advice", f"after {commands[0]} (exit code {helped.code}): {started.text.strip()[-300:]}")
        elif kind == "FOREIGN":
            self.fault(kind, f"after the advice {difference}")
        elif wrong:
            self.fault("advice", f"after {commands[0]} {len(wrong)} things are wrong: {wrong[0]}; {difference}")
        elif kind and not IN_WORDS.search(helped.text):
            self.fault(kind, f"after {commands[0]} {difference}; it says nothing of that")
        else:
            self.outcome = "advised"

    def is_keyless(self, told):
        """Whether this asks for a backup, since nothing opens the store any more."""
        if f"`{WANTS_BACKUP}`" not in told.text:
            return False
        self.outcome = "keyless"
        if self.proof.has_store_key:
            self.fault("advice", f"the key of the store is there, and yet: {last_lines(told)}")
        return True

    def look_again(self):
        """What was mended stays mended."""
        again = self.note("check afterwards", self.home.run("memoryd check"))
        if again.code:
            self.fault("again", f"check afterwards: {last_lines(again)}")
        state, started = self.serve("second start")
        if said := MENDED.findall(started.err):
            self.fault("again", f"second start: {said[0]}")
        if state is None:
            self.fault("again", f"second start: {started.text.strip()[-300:]}")
        elif self.outcome == "mended" and (difference := self.differences(state)[1]):
            self.fault("LOSS", f"at the second start {difference}")

    def look_for_originals(self):
        """Whatever was damaged is still somewhere, but for what sled changes itself and what a torn write left."""
        now, has_torn = contents(self.home.data).values(), TORN in self.told["start"].text
        for path, content in self.damage.changed.items():
            top = path.split("/")[0]
            if top == many.FOLDER:
                continue
            if top.startswith("sled-"):
                is_kept = any(self.home.data.glob(f"{top}*"))
            else:
                # Of a segment with garbage at its end that looks like a torn write, what was there before is enough.
                before = self.scene.data / path
                is_enough = has_torn and top == "journal" and before.is_file()
                kept = [content, before.read_bytes()] if is_enough else [content]
                is_kept = any(other.startswith(one.rstrip(b"\0")) for other in now for one in kept)
            # A checkpoint that was merely older is replaced as at any other time.
            is_older = "checkpoint replaced by the older" in self.damage.told
            may_go = top == "lock" or self.outcome in ("torn", "tail") or top == "checkpoint" and is_older
            if not (is_kept or may_go):
                self.fault("unkept", f"the damaged {path} is neither there nor aside")


class MindTrial(Trial):
    """One whose users have so many memories that their sessions keep something while they sleep."""

    def __init__(self, home, scene, damage, chance):
        super().__init__(home, scene, damage)
        self.chance, self.found = chance, []

    def examine(self):
        super().examine()
        if self.outcome in ("harmless", "torn", "tail"):
            self.remove_damaged()
            self.serve("second start")
        states, found = zip(*self.found, strict=True) if self.found else ((), ())
        if self.outcome not in (None, "keyless") and len(states) < 2 or any(state != states[-1] for state in states):
            self.fault("again", f"not all of {len(states)} starts have the same state")
        elif any(answers != found[-1] for answers in found):
            self.fault("mind", "questions find something else at the next start")

    def read(self, server):
        state = decay_minds.read_state(server)
        for wrong in decay_minds.misread(server, state, self.scene.known, self.chance):
            self.fault("mind", wrong)
        self.found.append((stores.without_later(state, self.scene.moment), decay_minds.answers(server)))
        return state

    def look_again(self):
        self.remove_damaged()
        super().look_again()

    def remove_damaged(self):
        """Sees that nobody has left it as it was. Then the next start has to make it anew."""
        for path, content in self.damage.changed.items():
            file = self.home.data / path
            if path.startswith(many.FOLDER) and file.exists():
                if file.read_bytes() == content:
                    self.fault("mind", f"the damaged {path} is still there")
                file.unlink()


# ---- a run --------------------------------------------------------------------------------------
@dataclasses.dataclass
class Result:
    case: int
    damage: str
    scene: str
    where: str = ""
    told: str = ""
    outcome: str | None = None
    faults: list = dataclasses.field(default_factory=list)
    evidence: str | None = None

    def signature(self):
        """The same for faults of one kind: places, numbers and names aside."""
        kind, why = self.faults[0]
        return kind, self.damage, self.where, re.sub(r"[0-9A-Z]{26}|0x\w+|\d+|/\S+", "N", why)[:100]


class Run:
    """All cases, some at a time, each in a home of its own."""

    def __init__(self, o, folder):
        self.seed, self.seen, self.homes = o.seed, collections.Counter(), queue.Queue()
        self.name = f"{o.seed}-encrypted" if o.encrypted else f"{o.seed}"
        settings = settings_of(o, folder)
        self.scenes = {scene.name: scene for scene in stores.make(folder / "made", o.bin, settings, o.seed)}
        if o.minds:
            made = decay_minds.make(folder / "made", o.bin, settings, o.seed)
            self.scenes |= {scene.name: scene for scene in made}
        for n in range(o.jobs):
            # One has a path as people have them: what is printed for a shell has to be quoted.
            self.homes.put([stores.Home(folder / f"{n}{more}", o.bin, settings["own"]) for more in ("", " my data")])

    def attempt(self, case):
        homes = self.homes.get()
        try:
            home, scene = homes[case.case % 8 == 0], self.scenes[case.scene]
            damage, chance = self.damage(home, scene, case), random.Random(f"{self.seed} {case.case}")
            has_many = bool(scene.minds)
            trial = (MindTrial(home, scene, damage, chance) if has_many else Trial(home, scene, damage)).run()
            result = dataclasses.replace(case, where=trial.damage.where, told=trial.damage.told, outcome=trial.outcome,
                                         faults=trial.faults)
            if case.damage == "none" and (trial.faults or trial.outcome != "harmless"):
                raise RuntimeError(f"{case.scene} is undamaged, and yet: {result}, {trial.told}")
            if trial.faults:
                self.keep_evidence(home, scene, result, trial)
            return result
        finally:
            self.homes.put(homes)

    def damage(self, home, scene, case):
        """Fills the home with a copy that is damaged; tries until there is something to damage."""
        for attempt in range(300):
            home.fill(scene.data)
            if case.damage == "none":
                return Damage("none", "none", "nothing")
            try:
                return Damager(scene, home.data, random.Random(f"{self.seed} {case.case} {attempt}")).do(case.damage)
            except FileNotFoundError:
                continue
        raise RuntimeError(f"case {case.case}: no way to do {case.damage} to {scene.name}")

    def keep_evidence(self, home, scene, result, trial):
        self.seen[result.signature()] += 1
        if self.seen[result.signature()] > EVIDENCE_OF_A_KIND:
            return
        place = EVIDENCE / f"{self.name}-{result.case}"
        self.damage(home, scene, result)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(home.data, place / "data")
        if key := home.settings.get("ENCRYPTION_KEY_FILE"):
            shutil.copy(key, place)
        text = [f"{result.damage} in {scene.name}: {result.told}", *(f"{kind}: {why}" for kind, why in trial.faults)]
        text += [f"\n---- {what}: exit code {told.code}\n{told.text}" for what, told in trial.told.items()]
        (place / "told.txt").write_text("\n".join(text))
        result.evidence = os.path.relpath(place)


def settings_of(o, folder):
    """Those of our own store and of the other one."""
    if not o.encrypted:
        return {"own": {}, "foreign": {}}
    places = {topic: folder / f"key-{topic}" for topic in ("own", "foreign")}
    for place in places.values():
        place.mkdir()
    settings = {topic: common.encryption(place) for topic, place in places.items()}
    return settings if o.seed % 2 == 0 else dict.fromkeys(settings, settings["own"])


def carried_out(o, folder, pool):
    run = pool.submit(Run, o, folder).result()
    planned = [planned_case(o.seed, n, kind) for n, kind in kinds_of(o) if o.case in (None, n)]
    # Nothing may be wrong with what is not damaged.
    used = {case.scene for case in planned}
    undamaged = [Result(0, "none", name) for name, scene in run.scenes.items() if name in used or not scene.minds]
    return list(pool.map(run.attempt, undamaged + planned))[len(undamaged):]


def kinds_of(o):
    """The number and the damage of each case."""
    first, minds = 1, [f"mind {kind}" for kind in decay_minds.KINDS]
    for kinds, count in ((["flip"], o.flips), (OTHERS + OF_KEYS * o.encrypted, o.others), (minds, o.minds)):
        yield from ((first + n, kinds[n % len(kinds)]) for n in range(count))
        # So they stay the same, however many there are of each, up to so many.
        first += max(10_000, count)


def planned_case(seed, n, kind):
    whose, _, what = kind.partition(" ")
    scenes = decay_minds.scenes_for(what) if whose == "mind" else SCENES
    return Result(n, kind, random.Random(f"{seed} {n}").choice(scenes))


# ---- what is printed ----------------------------------------------------------------------------
def table(results):
    """Rows of counts. A case with a fault counts there, once for each kind of fault, and only there."""
    rows = collections.defaultdict(collections.Counter)
    for result in results:
        for row in ((result.damage, result.where), ("total", "")):
            rows[row].update({"cases", *(kind for kind, _why in result.faults)} if result.faults else {"cases", result.outcome})
    return dict(sorted(rows.items(), key=lambda row: (row[0][0] == "total", row[0])))


def tell(results, seconds, seed):
    print(f"{'damage':15}{'to':27}" + "".join(f"{column:>9}" for column in ["cases", *GOOD, *BAD]))
    for (damage, where), counts in table(results).items():
        print(f"{damage:15}{where:27}" + "".join(f"{counts[column] or '-':>9}" for column in ["cases", *GOOD, *BAD]))
    unread = collections.Counter(f"{result.damage} {result.where}" for result in results
                                 if result.outcome == "harmless" and not result.faults)
    print("\nharmless, everything was read back: " + ", ".join(f"{what} {n}" for what, n in sorted(unread.items())))
    faults = collections.defaultdict(list)
    for result in results:
        if result.faults:
            faults[result.signature()].append(result)
    for (kind, damage, where, _), alike in sorted(faults.items(), key=lambda fault: (BAD.index(fault[0][0]), -len(fault[1]))):
        first = alike[0]
        print(f"\n{kind}: {damage} {where}, {len(alike)} times, first in case {first.case} ({first.scene}): {first.told}")
        print("\n".join([*(f"    {fault}: {why}" for fault, why in first.faults), f"    {first.evidence}"]))
    bad = sum(bool(result.faults) for result in results)
    print(f"\n{len(results) - bad} passed, {bad} failed, {len(faults)} kinds of faults; seed {seed}, {seconds:.0f} s")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=BINARY)
    p.add_argument("--flips", type=int, help="flipped bits and bytes (1000)")
    p.add_argument("--others", type=int, help="other damage (300)")
    p.add_argument("--minds", type=int, help="damage to what sessions keep while they sleep (60)")
    p.add_argument("--quick", action="store_true", help="about a minute: 150 flips, 75 others, 10 of what sessions keep")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--encrypted", action="store_true", help="the stores are encrypted")
    p.add_argument("--case", type=int, help="only this one")
    p.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="cases at a time; half of each is waiting")
    p.add_argument("--json", action="store_true", help="print everything as JSON")
    o = p.parse_args()
    o.bin = o.bin.resolve()
    o.flips = o.flips if o.flips is not None else 150 if o.quick else 1000
    o.others = o.others if o.others is not None else 75 if o.quick else 300
    o.minds = o.minds if o.minds is not None else 10 if o.quick else 60
    signals, began = (signal.SIGINT, signal.SIGTERM), time.monotonic()
    for one in signals:
        signal.signal(one, lambda *_: sys.exit(1))
    shutil.rmtree(EVIDENCE, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix="memoryd-decay-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    pool = concurrent.futures.ThreadPoolExecutor(o.jobs)
    try:
        results = carried_out(o, pathlib.Path(folder), pool)
    finally:
        # A second signal must not leave half of it behind.
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        stores.end_all()
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(folder, ignore_errors=True)
    if o.json:
        rows = [{"damage": damage, "to": where, **counts} for (damage, where), counts in table(results).items()]
        print(json.dumps({"seed": o.seed, "table": rows, "results": [dataclasses.asdict(result) for result in results]}))
    else:
        tell(results, time.monotonic() - began, o.seed)
    return 1 if any(result.faults for result in results) or not results else 0


if __name__ == "__main__":
    sys.exit(main())
