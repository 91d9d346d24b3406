#!/usr/bin/env python3
"""A long, even load: memory, open files and waiting times have to stay as they are.

    python3 tests/torture/soak.py [--bin target/release/memoryd] [--minutes 60] [--rate 200] [--seed 1] [--tls] [--encrypted]
        [--json]

Requests are sent when they are due, however long the ones before them take: searches, adds, changes, lists, contexts, deletions,
handshakes of MCP, streams that are left again. They are asked by some of --users users. Every few seconds one of them goes to
sleep and its token ends, and another one wakes with a new token; now and then a sleeping user is erased and a new one comes with
an import. What is added is erased again, so that from the first tenth on everybody has about --memories memories.

Each second resident memory (VmRSS) and open files are read from /proc; waiting times are counted from the moment at which a
request was due. Prints a line for each tenth of the run, and the verdicts over the last two thirds of it: memory grows by less
than 1 MB in 10 minutes (least squares), open files are flat, p99 is no more than 20 % above that of the middle third (medians of
the minutes), no request failed, and with --encrypted nothing that was written can be read on the disk. Exit 1 if one of them is
not so. A run of less than 10 minutes reports the first three without judging. Standard library only, and Linux for /proc.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import queue
import random
import statistics
import subprocess
import sys
import threading
import time

import common
from common import KEY, LINES, WORDS, NoAnswer, NotSent

# Of users and texts; none of it stands in an encrypted store.
READABLE = (b"user-", b"penicillin", b"tuesday")
# More than wait for an answer at a time, unless the server hangs.
WORKERS = 48
# Short, so that sessions sleep and wake often; half of the users are awake.
IDLE, SHIFT = 20, 5
ERASED_EVERY = 6
# A connection is left after so many requests, on average.
REQUESTS_A_CONNECTION = 100
MOST_MB, MOST_FILES, MOST_DRIFT = 1.0, 2, 0.2
JUDGED_FROM = 10
MB = 1e6


@dataclasses.dataclass
class Seat:
    """A user, for as long as it is not erased."""

    user: str
    key: str = ""
    is_awake: bool = False
    ids: collections.deque = dataclasses.field(default_factory=collections.deque)


@dataclasses.dataclass
class Figures:
    """What was measured; times are seconds since the load began."""

    length: float
    memory: list = dataclasses.field(default_factory=list)
    files: list = dataclasses.field(default_factory=list)
    disk: list = dataclasses.field(default_factory=list)
    # When it was due, how long it took from then on, and how much of that it waited on our side.
    requests: list = dataclasses.field(default_factory=list)
    failed: list = dataclasses.field(default_factory=list)
    deeds: collections.Counter = dataclasses.field(default_factory=collections.Counter)


# ---- the load -----------------------------------------------------------------------------------
class Load:
    def __init__(self, server, options):
        self.server, self.options = server, options
        self.random = random.Random(options.seed)
        self.figures = Figures(options.minutes * 60)
        self.due, self.count, self.done = queue.Queue(), 0, threading.Event()
        self.admin = server.door()
        seats = [self.newcomer() for _ in range(options.users)]
        self.awake, self.asleep = seats[:len(seats) // 2], collections.deque(seats[len(seats) // 2:])
        for seat in self.awake:
            self.let_in(seat)

    def run(self):
        self.began = time.perf_counter()
        targets = [self.serve] * WORKERS + [self.watch, self.shift]
        threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        for n in range(int(self.options.rate * self.figures.length)):
            due = self.began + n / self.options.rate
            time.sleep(max(0, due - time.perf_counter()))
            self.due.put((due, self.random.choices(*DEEDS)[0], self.random.choice(self.awake)))
        self.done.set()
        for _ in range(WORKERS):
            self.due.put(None)
        for thread in threads:
            thread.join(2 * common.PATIENCE)
        return self.figures

    def serve(self):
        door = self.server.door()
        while (one := self.due.get()) is not None:
            due, deed, seat = one
            key, sent = seat.key, time.perf_counter()
            try:
                status = deed(self, door, seat, key)
            except (NotSent, NoAnswer) as error:
                status = f"no answer: {error}"
            end = time.perf_counter()
            self.figures.requests.append((due - self.began, end - due, sent - due))
            self.figures.deeds[deed.__name__] += 1
            # A token that ended meanwhile opens nothing; what somebody else has just erased is not there.
            has_ended = not (seat.is_awake and key == seat.key)
            is_good = status in (200, 201, 202, 404, "not_found") or status in (401, "access_denied") and has_ended
            if not is_good:
                self.figures.failed.append(f"{deed.__name__} at {end - self.began:.1f} s: {status}")
            if random.random() < 1 / REQUESTS_A_CONNECTION:
                door.close()
        door.close()

    def watch(self):
        pid = self.server.process.pid
        while not self.done.wait(1):
            at = time.perf_counter() - self.began
            self.figures.memory.append((at, common.memory_of(pid, "VmRSS") / MB))
            self.figures.files.append((at, len(os.listdir(f"/proc/{pid}/fd"))))
            self.figures.disk.append((at, common.bytes_of(self.server.data) / MB))

    def shift(self):
        """Users come and go."""
        turn = 0
        while not self.done.wait(SHIFT):
            turn += 1
            try:
                if turn % ERASED_EVERY == 0:
                    self.told("DELETE", f"/admin/users/{self.asleep.popleft().user}")
                    self.asleep.append(self.newcomer())
                seat = self.asleep.popleft()
                self.let_in(seat)
                place = self.random.randrange(len(self.awake))
                leaving, self.awake[place] = self.awake[place], seat
                self.let_out(leaving)
                self.asleep.append(leaving)
            except (RuntimeError, NotSent, NoAnswer) as error:
                self.figures.failed.append(f"coming and going: {error}")

    def newcomer(self):
        self.count += 1
        seat = Seat(f"user-{self.count}")
        lines = [json.dumps({"content": text()}).encode() for _ in range(self.options.memories)]
        self.told("POST", f"/api/v1/import?user_id={seat.user}", b"\n".join(lines), LINES)
        listed = self.told("GET", f"/api/v1/export?user_id={seat.user}").splitlines()
        seat.ids.extend(json.loads(line)["id"] for line in listed)
        return seat

    def let_in(self, seat):
        seat.key = self.told("POST", "/admin/tokens", {"user_id": seat.user, "name": seat.user})["token"]
        seat.is_awake = True

    def let_out(self, seat):
        seat.is_awake = False
        self.told("DELETE", f"/admin/tokens/{seat.key[:12]}")

    def told(self, method, path, body=None, kind=common.JSON):
        status, answer = self.admin.ask(method, path, body, KEY, kind)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {str(answer)[:300]}")
        return answer


def text(most=40):
    return f"{random.random()} " + " ".join(random.choices(WORDS, k=random.randint(5, most)))


# ---- what is asked ------------------------------------------------------------------------------
def search(load, door, seat, key):
    question = " ".join(random.choices(WORDS, k=3))
    if random.random() < 0.5:
        return door.tool("search_memories", {"query": question}, key)[0]
    return door.ask("GET", f"/api/v1/search?query={question.replace(' ', '+')}", key=key)[0]


def add(load, door, seat, key):
    """Or erases the oldest one, if there are enough."""
    if len(seat.ids) >= load.options.memories:
        return door.ask("DELETE", f"/api/v1/memories/{seat.ids.popleft()}?purge=true", key=key)[0]
    body = {"content": text(), "tags": random.choices(WORDS, k=2)}
    by_tool = random.random() < 0.5
    status, answer = door.tool("add_memory", body, key) if by_tool else door.ask("POST", "/api/v1/memories", body, key)
    if status in (200, 201):
        seat.ids.append(answer["id"])
    return status


def update(load, door, seat, key):
    return door.ask("PATCH", f"/api/v1/memories/{some(seat)}", {"content": text(), "priority": random.randint(1, 5)}, key)[0]


def delete(load, door, seat, key):
    """And brings it back."""
    ident = some(seat)
    status = door.tool("delete_memory", {"id": ident}, key)[0]
    return door.ask("POST", f"/api/v1/memories/{ident}/restore", {}, key)[0] if status == 200 else status


def get(load, door, seat, key):
    return door.tool("get_memory", {"id": some(seat), "history": True}, key)[0]


def list_all(load, door, seat, key):
    return door.ask("GET", "/api/v1/memories?limit=20", key=key)[0]


def context(load, door, seat, key):
    return door.tool("get_context", {"query": random.choice(WORDS)}, key)[0]


def handshake(load, door, seat, key):
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "soak", "version": "1"}}
    for method in ("initialize", "tools/list"):
        status, _answer = door.ask("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, key)
    return status


def stats(load, door, seat, key):
    return door.ask("GET", random.choice(("/api/v1/stats", "/api/v1/tags", "/admin/sessions", "/health")), key=key)[0]


def listen(load, door, seat, key):
    """A stream that is left as soon as it is there."""
    with contextlib.closing(load.server.door(key)) as stream:
        return stream.begin("GET", "/api/v1/events").status


def some(seat):
    """One that another request may be erasing."""
    with contextlib.suppress(IndexError):
        return random.choice(seat.ids)
    return "01JC3V5Y9ZK7Q2M8N4T6W0X1ER"


DEEDS = ([search, add, update, list_all, context, get, delete, handshake, stats, listen], [35, 24, 12, 8, 8, 4, 2, 3, 3, 1])


# ---- the verdict --------------------------------------------------------------------------------
def between(points, start, end):
    return [point for point in points if start <= point[0] < end]


def verdicts(figures):
    """Each is a sentence, whether it is good, and whether that can be said after so short a time."""
    third, is_judged = figures.length / 3, figures.length >= JUDGED_FROM * 60
    middle, last = (third, 2 * third), (2 * third, figures.length)
    growth = 600 * common.slope(between(figures.memory, third, figures.length))
    files = [statistics.median(n for _, n in between(figures.files, *span)) for span in (middle, last)]
    p99 = [median_p99(figures, *span) for span in (middle, last)]
    drift = p99[1] / p99[0] - 1
    return [
        (f"resident memory grows by {growth:+.2f} MB in 10 minutes (less than {MOST_MB})", growth < MOST_MB, is_judged),
        (f"open files {files[0]:g}, then {files[1]:g} (at most {MOST_FILES} more)",
         files[1] - files[0] <= MOST_FILES, is_judged),
        (f"p99 {1000 * p99[0]:.1f} ms, then {1000 * p99[1]:.1f} ms: {drift:+.0%} (less than {MOST_DRIFT:+.0%})",
         drift < MOST_DRIFT, is_judged),
        (f"{len(figures.failed)} of {len(figures.requests)} requests failed (none)", not figures.failed, True)]


def median_p99(figures, start, end):
    """Of the minutes, or of shorter spans in a short run."""
    span = min(60, figures.length / 30)
    spans = collections.defaultdict(list)
    for due, took, _waited in between(figures.requests, start, end):
        spans[int(due // span)].append(took)
    return statistics.median(common.percentile(times, 0.99) for times in spans.values())


def tenths(figures):
    for n in range(10):
        span = figures.length * n / 10, figures.length * (n + 1) / 10
        requests = between(figures.requests, *span)
        took, waited = [took for _, took, _ in requests], [waited for _, _, waited in requests]
        files = [n for _, n in between(figures.files, *span)]
        yield {"until_s": round(span[1]), "requests": len(requests), "p50_ms": ms(took, 0.5), "p99_ms": ms(took, 0.99),
               "waited_p99_ms": ms(waited, 0.99), "rss_mb": mean(figures.memory, span), "files": max(files, default=0),
               "disk_mb": mean(figures.disk, span)}


def ms(times, share):
    return round(1000 * common.percentile(times, share), 1)


def mean(points, span):
    return round(statistics.fmean([y for _, y in between(points, *span)] or [0]), 1)


def report(figures):
    rows = list(tenths(figures))
    print("  ".join(f"{name:>{width(name)}}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>{width(name)}}" for name, value in row.items()))
    print(", ".join(f"{name} {n}" for name, n in figures.deeds.most_common()))
    for failed in figures.failed[:10]:
        print(f"FAILED REQUEST {failed}")
    for sentence, is_good, is_judged in verdicts(figures):
        print(f"{('ok    ' if is_good else 'FAILED') if is_judged else 'short '} {sentence}")


def width(name):
    return max(len(name), 8)


def self_test():
    """Whether the verdicts see what they are for."""
    def run(mb=0.0, files=0.0, drift=0.0, failed=()):
        made, figures = random.Random(1), Figures(3600, failed=list(failed))
        for at in range(3600):
            share = at / 3600
            figures.memory.append((at, 80 + mb * at / 600 + made.uniform(-3, 3)))
            figures.files.append((at, 90 + int(files * share) + made.randint(-3, 3)))
            slower = 1 + drift * 3 * max(0, share - 0.34)
            figures.requests += [(at + n / 10, made.expovariate(200) * slower, 0) for n in range(10)]
        return [is_good for _sentence, is_good, _is_judged in verdicts(figures)]

    cases = {"steady": (run(), [True, True, True, True]),
             "memory grows": (run(mb=1.3), [False, True, True, True]),
             "files stay open": (run(files=20), [True, False, True, True]),
             "it gets slower": (run(drift=0.6), [True, True, False, True]),
             "a request fails": (run(failed=["one"]), [True, True, True, False])}
    for name, (found, wanted) in cases.items():
        print(f"{'ok    ' if found == wanted else 'FAILED'} {name}: {found}")
    return all(found == wanted for found, wanted in cases.values())


def certificates(server):
    out = server.home / "certs"
    command = [str(server.binary), "certs", "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=server.env, cwd=server.home)
    server.env |= {"SSL_CERT_PATH": str(out / "server.pem"), "SSL_KEY_PATH": str(out / "server-key.pem")}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=common.BINARY)
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--rate", type=float, default=200, help="requests a second (200)")
    p.add_argument("--users", type=int, default=24, help="half of them are awake (24)")
    p.add_argument("--memories", type=int, default=200, help="of each user (200)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--tls", action="store_true")
    p.add_argument("--encrypted", action="store_true", help="the store is encrypted")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server, as a variable")
    p.add_argument("--json", action="store_true")
    p.add_argument("--self-test", action="store_true", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.self_test:
        return 0 if self_test() else 1
    random.seed(o.seed)
    settings = {"SESSION_TTL": str(IDLE), **dict(one.split("=", 1) for one in o.set)}
    with common.server_of_its_own(o.bin, is_encrypted=o.encrypted, **settings) as server:
        if o.tls:
            certificates(server)
        server.start()
        figures = Load(server, o).run()
        figures.failed += server.stop() + server.panics()
        found = common.readable_in(server.data, READABLE) if o.encrypted else ()
        figures.failed += [f"readable: {word!r} is in {file}" for word, file in found]
    told = verdicts(figures)
    if o.json:
        said = [dict(zip(("sentence", "good", "judged"), verdict, strict=True)) for verdict in told]
        print(json.dumps({"tenths": list(tenths(figures)), "deeds": dict(figures.deeds), "failed": figures.failed[:50],
                          "verdicts": said}))
    else:
        report(figures)
    return 1 if any(is_judged and not is_good for _sentence, is_good, is_judged in told) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
