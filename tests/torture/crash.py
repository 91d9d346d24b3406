#!/usr/bin/env python3
"""Killed at random moments under a load of everything that changes something: what was acknowledged is there, and nothing else.

    python3 tests/torture/crash.py [--bin target/release/memoryd] [--rounds 1000] [--clients 16] [--seed 1] [--prefill N]
        [--many N] [--encrypted] [--json]

Each round, the clients add, change, delete, restore, erase, undo and import memories, make tokens and take them back, erase
users, and break connections off, until SIGKILL ends the server: mostly within a second, sometimes at about the time of its
first checkpoint, every tenth time once more while it starts. Then it is started, and
all that it has (export with deleted ones and histories, list of tokens, what each token opens) is compared with what it
acknowledged. A client's memories and tokens are its own, so it knows what each has to be: the last acknowledged state, or, where
a change was under way, the state before or after it, of all that the change touches alike.

Where the seed is odd, or with --many, users begin with 6,000 memories, so that their sessions keep what they made of them while
they sleep (`.minds`). They often sleep, and wake with the next search, and change little. After the start, searches have to find
each memory by the word that only its present text has, and none by a word that it had before or that is deleted; what is listed
is what is stored; and the same once more when the session has slept and woken. What is erased stands in nothing that is kept.

A fault is `lost` (acknowledged and missing, or as it was before), `mixed` (neither before nor after), `back` (deleted, erased or
revoked, and there again), `strange` (nobody acknowledged or asked it) or `odd` (an answer that should not have been given).
--prefill stores so many memories of another user first, which are compared now and then. With --image the data directory is
copied before each start, so that a fault is kept as it was before the server mended it. With --encrypted the store gets a key
after the first round, and the start that encrypts it is killed as well; from then on nothing in the data directory may be
readable, and the key of whom is erased at the end has to be gone from it within a minute. Of the first rounds with a fault,
everything is kept below target/torture, and the rest goes on. Standard library only; exit 1 if there was a fault.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import random
import shutil
import statistics
import sys
import threading
import time

import common
import crash_clients
import crash_many
import many
from common import KEY, LINES
from crash_clients import Client, changed, is_live, marker_of, state_of
from crash_many import Hoarder
from frames import key_records, read_frames

# The last: an answer that should not have been given.
KINDS = ("lost", "mixed", "back", "strange", "odd")
# So many rounds with a fault are kept; what they show is the same after that.
MOST_KEPT = 5
STOCK, STOCK_EVERY, STOCK_PART = "stock", 50, 2000
# Of what clients write: users, tokens, tags, titles, texts. None of it stands in an encrypted store.
READABLE = (b"leaver-", b"many-", b"own-1", b"client-", b"group-", b"about m", b"penicillin", b"tuesday")
# Kills of the start that encrypts, each within so many seconds.
ENCRYPTING_KILLS, ENCRYPTING = 4, 0.6
ERASED_WITHIN = 60
# Seconds of load. A long one ends about when the first checkpoint of a server is made.
SHORT, LONG, LONG_SHARE = (0.1, 0.8), (4.8, 5.6), 0.06
# A session that nobody calls sleeps after so many seconds. Now and then everybody waits about as long.
IDLE, PAUSE, PAUSE_SHARE = 1, (0.9, 2.2), 0.05
# After fewer rounds it may be by chance that no session woke with what was kept.
ENOUGH_ROUNDS = 5


@dataclasses.dataclass
class Fault:
    kind: str
    marker: str
    what: str
    allowed: list
    found: object


# ---- what is there, and what has to be ----------------------------------------------------------
class Found:
    """All that the server has of some users: states and ids by marker, and what nobody can have stored."""

    def __init__(self, door, users):
        self.states, self.ids, self.faults = {}, {}, []
        for user in sorted(users):
            for line in exported(door, user):
                self.note(marker_of(line), state_of(line, line["history"]), line["id"])
        for token in told(door, "GET", "/admin/tokens")["tokens"]:
            if not token["name"].startswith("client-"):
                self.note(token["name"], token["state"], None)

    def note(self, marker, state, ident):
        if marker in self.states:
            self.faults.append(Fault("mixed", marker, "it is there twice", [self.states[marker]], state))
        self.states[marker], self.ids[marker] = state, ident

    def of(self, client):
        """What is of one client."""
        own = (f"m{client.number}.", f"t{client.number}.")
        mine = {marker: state for marker, state in self.states.items() if marker.startswith(own)}
        return mine, {marker: self.ids[marker] for marker in mine}


def exported(door, user):
    text = told(door, "GET", f"/api/v1/export?user_id={user}")
    return [json.loads(line) for line in text.splitlines()]


def told(door, method, path, body=None, kind=common.JSON, key=None):
    status, answer = door.ask(method, path, body, key, kind)
    if status not in (200, 201):
        raise RuntimeError(f"{method} {path}: {status} {str(answer)[:300]}")
    return answer


def kind_of(allowed, found):
    """What it means that a memory or a token is in a state that it cannot be in."""
    if found is None:
        return "lost"
    if is_live(found) and not any(map(is_live, allowed)) or not any(allowed):
        return "back"
    is_earlier = any(isinstance(state, str) or state and found == state[:len(found)] for state in allowed)
    return "lost" if is_earlier else "mixed"


def judge(client, found):
    """The faults of one client's memories and tokens."""
    faults = [Fault("odd", "", what, [], None) for what in client.odd]
    for effect in client.open:
        faults += judge_open(effect, {marker: found.get(marker) for marker in effect.worlds[0]})
    for marker, state in client.known.items():
        if marker not in client.busy and found.get(marker) != state:
            faults.append(Fault(kind_of([state], found.get(marker)), marker, "acknowledged", [state], found.get(marker)))
    for marker in found.keys() - client.known.keys() - client.busy:
        kind = "back" if marker in client.gone else "strange"
        faults.append(Fault(kind, marker, "not known, or not any more", [None], found[marker]))
    return faults


def judge_open(effect, found):
    if effect.allows(found):
        return []
    allowed = {marker: [world[marker] for world in effect.worlds] for marker in found}
    wrong = [marker for marker in found if found[marker] not in allowed[marker]]
    if not wrong:
        return [Fault("mixed", ", ".join(found), f"only a part of: {effect.what}", effect.worlds, found)]
    return [Fault(kind_of(allowed[marker], found[marker]), marker, f"under way: {effect.what}", allowed[marker], found[marker])
            for marker in wrong]


def judge_found(hoarder, markers, find):
    """Whether searches find what is stored of a client, by the words that it knows of these memories."""
    return [Fault(kind, marker, "a search", [hoarder.known.get(marker)], word)
            for kind, marker, word in hoarder.misfound(find, markers)]


def judge_secrets(client, found, door):
    """Whether each token opens what the list says of it."""
    faults = []
    dead = [(None, client.dead_secrets.popleft()) for _ in range(len(client.dead_secrets))]
    for name, secret in [*client.secrets.items(), *dead]:
        is_open = door.ask("GET", "/api/v1/tags", None, secret)[0] == 200
        if name is None and not is_open:
            # What opens again is told once.
            client.dead_secrets.append(secret)
        if is_open != (found.get(name) == "active"):
            kind = "back" if is_open else "lost"
            faults.append(Fault(kind, name or "a deleted token", "its use", [found.get(name)], is_open))
    return faults


def judge_erased(clients, door):
    """Nobody who was erased is there."""
    erased = {user for client in clients for user, _text in client.erased}
    users = {user["user_id"] for user in told(door, "GET", "/admin/users")["users"]} if erased else set()
    return [Fault("back", user, "erased", [None], "listed") for user in sorted(erased & users)]


def judge_files(clients, data, is_encrypted):
    """No file holds a text of who was erased, nor an encrypted store anything that somebody wrote."""
    texts = {text.encode(): user for client in clients for user, text in client.erased}
    secret = dict.fromkeys(READABLE if is_encrypted else (), "")
    words = {**secret, **texts}
    return [Fault("back", words[word], "erased" if word in texts else "encrypted", [None], f"{word!r} is in {file}")
            for word, file in common.readable_in(data, words)]


# ---- rounds -------------------------------------------------------------------------------------
def is_made(effect, found):
    return all(found.get(marker) == state for marker, state in effect.worlds[-1].items())


class Torture:
    def __init__(self, server, options):
        self.server, self.options = server, options
        self.random = random.Random(options.seed)
        self.faults, self.starts, self.wakes, self.kept = collections.Counter(), [], [], []
        self.rounds = self.killed_again = self.open = self.carried_out = 0
        # What sessions kept that was killed, or written after a kill, and that others then woke with.
        self.kept_at_kill, self.woken = {}, collections.Counter()
        # Seconds from the answer to an erasure until the key is gone.
        self.key_gone = None
        self.clients, self.hoarders = [], []

    def set_up(self):
        self.server.start()
        with contextlib.closing(self.server.door()) as door:
            for number in range(self.options.clients):
                user = user_of(number)
                key = KEY if user == "default" else token_of(door, number, user)
                self.clients.append(Client(number, user, key, self.options.seed))
            for n in range(self.options.many * crash_many.OF_A_USER):
                number, user = self.options.clients + n, f"many-{n // crash_many.OF_A_USER}"
                hoarder = Hoarder(number, user, token_of(door, number, user), self.options.seed, self.server.data)
                told(door, "POST", f"/api/v1/import?user_id={user}", hoarder.stock(), LINES)
                self.hoarders.append(hoarder)
            self.clients += self.hoarders
            for first in range(0, self.options.prefill, STOCK_PART):
                part = range(first, min(first + STOCK_PART, self.options.prefill))
                told(door, "POST", f"/api/v1/import?user_id={STOCK}", common.lines_of(map(stock_line, part)), LINES)
            self.learn_stock(door)

    def learn_stock(self, door):
        """What was imported has ids now."""
        found = Found(door, {hoarder.user for hoarder in self.hoarders})
        for hoarder in self.hoarders:
            mine, ids = found.of(hoarder)
            if faults := judge(hoarder, mine):
                raise RuntimeError(f"what was imported is not there: {describe(faults[0])}")
            hoarder.adopt(mine, ids)

    def round(self):
        """Gives what was wrong after it."""
        self.rounds += 1
        self.load(LONG if self.random.random() < LONG_SHARE else SHORT)
        if self.options.encrypted and self.rounds == 1:
            self.encrypt()
        self.start()
        faults = self.compare()
        if self.hoarders and self.random.random() < PAUSE_SHARE:
            time.sleep(self.random.uniform(*PAUSE))
        return faults

    def load(self, seconds=SHORT):
        """For so long, between the two; then it is killed."""
        killing = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(len(self.clients)) as pool:
            working = [pool.submit(client.work, self.server.port, killing) for client in self.clients]
            try:
                time.sleep(self.random.uniform(*seconds))
            finally:
                killing.set()
                self.server.kill()
            for one in working:
                one.result()

    def start(self):
        self.kept_at_kill = many.kept_in(self.server.data)
        image = self.server.home / "image"
        if self.options.image:
            shutil.rmtree(image, ignore_errors=True)
            shutil.copytree(self.server.data, image)
        if self.random.random() < 0.1:
            self.killed_again += 1
            self.server.launch()
            time.sleep(self.random.uniform(0, 1.2 * statistics.median(self.starts or [0.05])))
            self.server.kill()
        self.starts.append(self.server.start())

    def encrypt(self):
        """Begins it, again and again. The next start ends it."""
        self.server.env |= common.encryption(self.server.home)
        for _ in range(ENCRYPTING_KILLS):
            self.server.launch()
            time.sleep(self.random.uniform(0, ENCRYPTING))
            self.server.kill()

    def erase_key(self):
        """Whoever is erased takes the record with his key along, of which only the bytes are known here."""
        user, journal = "leaver-last", self.server.data / "journal"
        with contextlib.closing(self.server.door()) as door:
            before = key_records(read_frames(journal))
            told(door, "POST", f"/api/v1/memories?user_id={user}", {"content": f"{user} has a key"})
            made = key_records(read_frames(journal)) - before
            seen = {file for _, file in common.readable_in(self.server.data, made)}
            told(door, "DELETE", f"/admin/users/{user}")
        if len(made) != 1 or not seen:
            return [Fault("odd", user, "records with keys", [1], f"{len(made)} in {len(seen)} files")]
        began, left = time.perf_counter(), seen
        while left and time.perf_counter() < began + ERASED_WITHIN:
            left = [str(file) for _, file in common.readable_in(self.server.data, made)]
        self.key_gone = time.perf_counter() - began
        return [Fault("back", user, f"his key, after {ERASED_WITHIN} s", [None], left)] if left else []

    def compare(self):
        with contextlib.closing(self.server.door()) as door:
            found = Found(door, {client.user for client in self.clients})
            faults = found.faults + judge_erased(self.clients, door)
            faults += judge_files(self.clients, self.server.data, self.options.encrypted)
            for client in self.clients:
                mine, ids = found.of(client)
                faults += judge(client, mine) + judge_secrets(client, mine, door)
                self.open += len(client.open)
                self.carried_out += sum(is_made(effect, mine) for effect in client.open)
                client.adopt(mine, ids)
            faults += self.compare_searches(door) if self.hoarders else []
            if self.options.prefill and (self.rounds % STOCK_EVERY == 0 or self.rounds == self.options.rounds):
                faults += self.judge_stock(door)
        faults += [Fault("odd", "", line, [], None) for line in self.server.panics()]
        return faults

    def compare_searches(self, door):
        """Of sessions that woke when their users were exported, and once more of those that have slept since."""
        self.woken["after a kill"] += len(self.kept_at_kill.keys() & many.kept_in(self.server.data).keys())
        faults = self.judge_searches(door)
        for hoarder in self.hoarders:
            told(door, "DELETE", "/mcp", key=hoarder.key)
        kept = many.kept_in(self.server.data)
        faults += [fault for fault in self.judge_searches(door) if fault not in faults]
        self.woken["after a start"] += len(kept.keys() & many.kept_in(self.server.data).keys())
        return faults

    def judge_searches(self, door):
        """Beside what is stored, which each client has adopted."""
        faults, listed = [], collections.Counter()
        for hoarder in self.hoarders:
            find = many.finder(functools.partial(told, door), hoarder.user)
            faults += judge_found(hoarder, hoarder.some(crash_many.OTHERS), find)
            listed[hoarder.user] += sum(map(is_live, hoarder.known.values()))
        totals = {user: told(door, "GET", f"/api/v1/memories?user_id={user}&limit=1")["total"] for user in listed}
        faults += [Fault("lost" if totals[user] < count else "back", user, "what is listed", [count], totals[user])
                   for user, count in listed.items() if totals[user] != count]
        return faults

    def judge_stock(self, door):
        began = time.perf_counter()
        told(door, "GET", f"/api/v1/memories?user_id={STOCK}&limit=1")
        self.wakes.append(time.perf_counter() - began)
        wanted = collections.Counter(stock_line(n)["content"] for n in range(self.options.prefill))
        found = collections.Counter(line["content"] for line in exported(door, STOCK) if line["version"] == 1)
        return [Fault("lost" if wanted[text] else "strange", STOCK, "the stock", [], text)
                for text in (wanted - found) + (found - wanted)]

    def run(self):
        while self.rounds < self.options.rounds and len(self.kept) < MOST_KEPT:
            faults = self.round()
            self.faults.update(fault.kind for fault in faults)
            if faults:
                self.keep(faults)
            if self.rounds % 25 == 0:
                print(f"round {self.rounds}: {sum(self.acknowledged().values())} acknowledged, {self.faults.total()} faults, "
                      f"started in {statistics.median(self.starts[-25:]):.2f} s, {common.bytes_of(self.server.data) >> 20} MiB",
                      file=sys.stderr, flush=True)
        faults = self.erase_key() if self.options.encrypted else []
        if self.hoarders and self.rounds >= ENOUGH_ROUNDS and not self.woken["after a start"]:
            faults.append(Fault("odd", "", "no session woke with what was kept", [], dict(self.woken)))
        if faults:
            self.faults.update(fault.kind for fault in faults)
            self.keep(faults)

    def keep(self, faults):
        """Everything that shows the faults of a round; the next one goes on with what is there."""
        self.server.kill()
        told = {"seed": self.options.seed, "round": self.rounds, "faults": [dataclasses.asdict(fault) for fault in faults],
                "log": {client.number: list(client.log) for client in self.clients}}
        mode = "encrypted-" if self.options.encrypted else ""
        place = common.keep(self.server, f"crash-{mode}{self.options.seed}-{self.rounds}", told)
        self.kept.append(str(place))
        for fault in faults[:10]:
            print(f"FAULT in round {self.rounds}: {describe(fault)}", flush=True)
        print(f"kept in {place}, seed {self.options.seed}", flush=True)
        self.server.log_file.write_text("")
        self.server.start()

    def acknowledged(self):
        return sum((client.acknowledged for client in self.clients), collections.Counter())

    def figures(self):
        o, clients = self.options, self.clients
        return {"rounds": self.rounds, "clients": len(clients), "seed": o.seed, "prefill": o.prefill, "many": o.many,
                "encrypted": o.encrypted, "woken": dict(self.woken),
                "killed_again": self.killed_again, "acknowledged": dict(self.acknowledged().most_common()),
                "open_at_kill": self.open, "carried_out": self.carried_out,
                "erasures_begun": sum(client.erasures for client in clients), **{kind: self.faults[kind] for kind in KINDS},
                "key_gone_s": self.key_gone, "start_s": spread(self.starts), "first_answer_s": spread(self.wakes),
                "kept": self.kept}


def user_of(number):
    """Some share the default user, some another one, and the rest have one each."""
    return {0: "default", 1: "default", 2: "default", 3: "default", 4: "pair", 5: "pair", 6: "pair"}.get(number, f"own-{number}")


def token_of(door, number, user):
    return told(door, "POST", "/admin/tokens", {"name": f"client-{number}", "user_id": user})["token"]


def stock_line(n):
    words = random.Random(n).choices(crash_clients.WORDS, k=14)
    return {"content": f"{STOCK} {n} {' '.join(words)}", "tags": [words[0]]}


def spread(values):
    return {"median": round(statistics.median(values), 3), "max": round(max(values), 3)} if values else None


def describe(fault):
    return f"{fault.kind} {fault.marker} ({fault.what}): allowed {str(fault.allowed)[-300:]}, found {str(fault.found)[-300:]}"


def report(figures):
    print(f"rounds        {figures['rounds']}, {figures['clients']} clients, seed {figures['seed']}, "
          f"{'encrypted, ' if figures['encrypted'] else ''}{figures['prefill']} memories before; "
          f"killed again while starting: {figures['killed_again']}")
    kinds = ", ".join(f"{kind} {n}" for kind, n in figures["acknowledged"].items())
    print(f"acknowledged  {sum(figures['acknowledged'].values())}: {kinds}")
    print(f"under way     {figures['open_at_kill']} when it was killed or cut, {figures['carried_out']} of them carried out; "
          f"{figures['erasures_begun']} erasures of users begun")
    if figures["many"]:
        print(f"woken         with what was kept, of {figures['many']} users with many memories: "
              + ", ".join(f"{n} {when}" for when, n in figures["woken"].items()))
    for kind in KINDS:
        print(f"{kind:13} {figures[kind]}")
    if figures["key_gone_s"] is not None:
        print(f"erased key    gone {figures['key_gone_s']:.1f} s after the answer")
    for name, figure in (("start", "start_s"), ("first answer", "first_answer_s")):
        if figures[figure]:
            print(f"{name:13} median {figures[figure]['median']} s, max {figures[figure]['max']} s")


# ---- the test of the test -----------------------------------------------------------------------
class Sabotage:
    """Each does behind the back of the comparison what it has to find, and its name begins with the kind of fault."""

    def __init__(self, torture):
        self.torture, self.door = torture, torture.server.door()

    def some(self, status):
        for client in self.torture.clients:
            for marker in client.free(status):
                return client, marker, f"/api/v1/memories/{client.ids[marker]}"
        raise RuntimeError(f"no memory is {status}")

    def act(self, method, path, user, body=None):
        told(self.door, method, f"{path}?user_id={user}" + ("&purge=true" if method == "DELETE" else ""), body)

    def lost_memory(self):
        client, _marker, path = self.some("active")
        self.act("DELETE", path, client.user)

    def lost_update(self):
        client, marker, _path = self.some("active")
        client.known[marker] = changed(client.known[marker], content=f"{marker} acknowledged")

    def lost_token(self):
        self.torture.clients[0].known["t0.999999"] = "active"

    def back_deleted(self):
        client, _marker, path = self.some("deleted")
        self.act("POST", path + "/restore", client.user)

    def back_erased(self):
        client, marker, _path = self.some("active")
        client.gone.add(marker)
        del client.known[marker]

    def back_token(self):
        revoked = [name for client in self.torture.clients for name, state in client.known.items() if state == "revoked"]
        told(self.door, "POST", f"/admin/tokens/{revoked[0]}/enable", {})

    def mixed_deletion(self):
        client = next(client for client in self.torture.clients if len(client.free("active")) > 1)
        before = {marker: client.known[marker] for marker in client.free("active")[:2]}
        after = {marker: changed(state, status="deleted") for marker, state in before.items()}
        client.leave_open("delete by ids", [before, after])
        self.door.tool("delete_memory", {"id": client.ids[next(iter(before))]}, client.key)

    def mixed_text(self):
        client, marker, path = self.some("active")
        self.act("PATCH", path, client.user, {"content": f"{marker} something else"})

    def back_user(self):
        self.act("POST", "/api/v1/memories", "leaver-9", {"content": "leaver-9 is here"})
        self.torture.clients[0].erased.append(("leaver-9", "no such text"))

    def back_text(self):
        self.torture.clients[0].erased.append(("leaver-10", "not to be found"))
        (self.torture.server.data / ".left").write_text("this was not to be found")

    def back_readable(self):
        (self.torture.server.data / ".readable").write_text("a letter of tuesday")

    def lost_word(self):
        """Of what is no word nothing is found."""
        hoarder, marker, path = self.of_many()
        text = f"{marker} --"
        hoarder.known[marker] = changed(hoarder.known[marker], content=text)
        self.act("PATCH", path, hoarder.user, {"content": text})

    def of_many(self):
        hoarder = self.torture.hoarders[0]
        marker = hoarder.one("active")
        hoarder.recent.append(marker)
        return hoarder, marker, f"/api/v1/memories/{hoarder.ids[marker]}"

    def strange_memory(self):
        self.act("POST", "/api/v1/memories", self.torture.clients[0].user, {"content": "m0.999999 nobody asked for this"})

    def back_word(self):
        hoarder, marker, _path = self.of_many()
        hoarder.said[marker].append(marker)


def self_test(torture):
    """Gives whether everything was found."""
    is_good, is_encrypted = True, torture.options.encrypted
    if is_encrypted:
        torture.server.kill()
        torture.encrypt()
        torture.start()
    left_out = ([] if is_encrypted else ["back_readable"]) + ([] if torture.hoarders else ["lost_word", "back_word"])
    for name in [name for name in vars(Sabotage) if name.startswith(KINDS) and name not in left_out]:
        torture.load()
        torture.start()
        getattr(Sabotage(torture), name)()
        is_good &= told_of(name, torture.compare(), {name.partition("_")[0]})
        (torture.server.data / ".readable").unlink(missing_ok=True)
        for hoarder in torture.hoarders:
            hoarder.recent.clear()
    copy = torture.server.home / "older"
    torture.server.kill()
    shutil.copytree(torture.server.data, copy)
    torture.server.start()
    torture.load(LONG)
    shutil.rmtree(torture.server.data)
    copy.rename(torture.server.data)
    torture.start()
    return told_of("an older copy of the data", torture.compare(), {"lost", "back"}) and is_good


def told_of(name, faults, kinds):
    found = collections.Counter(fault.kind for fault in faults)
    is_good = kinds <= set(found) and (len(kinds) > 1 or len(faults) == 1)
    print(f"{'ok    ' if is_good else 'FAILED'} {name}: {dict(found)}", flush=True)
    if not is_good:
        for fault in faults[:5]:
            print(f"       {describe(fault)}")
    return is_good


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=common.BINARY)
    p.add_argument("--rounds", type=int, default=1000)
    p.add_argument("--clients", type=int, default=16)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--prefill", type=int, default=0, metavar="N", help="import so many memories first")
    p.add_argument("--many", type=int, metavar="N", help="users with 6,000 memories (1 where the seed is odd, else 0)")
    p.add_argument("--encrypted", action="store_true", help="the store is encrypted after the first round")
    p.add_argument("--image", action="store_true", help="copy the data before each start, to be kept with a fault")
    p.add_argument("--json", action="store_true")
    p.add_argument("--self-test", action="store_true", help=argparse.SUPPRESS)
    o = p.parse_args()
    o.many = o.seed % 2 if o.many is None else o.many
    with common.server_of_its_own(o.bin, SESSION_TTL=str(IDLE)) as server:
        torture = Torture(server, o)
        torture.set_up()
        if o.self_test:
            return 0 if self_test(torture) else 1
        torture.run()
    figures = torture.figures()
    if o.json:
        print(json.dumps(figures))
    else:
        report(figures)
    return 1 if torture.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
