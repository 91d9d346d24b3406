#!/usr/bin/env python3
"""Attacks in turns, while one honest client goes on: it must notice nothing, and afterwards everything is as it was before.

    python3 tests/torture/overload.py [--bin target/release/memoryd] [--only NAME]... [--mutations 1000000] [--seed 1]
        [--quick] [--json]

Each attack has a server of its own. The honest client has a key and makes a request every 20 ms, some on new connections: none
may fail, and the p99 of its waits, counted from when a request was due, stays under 500 ms. Meanwhile the server's memory grows
by no more than 256 MB, and after the attack, within the time that the server itself gives such clients, /health is 200, memory
within 30 % or 40 MB of what it was, open files as before, the log without a panic. What else an attack must not achieve stands
beside it below. --quick takes about 90 seconds: fewer clients, who give up before the server ends them, and 10,000 mutations
unless said otherwise; the long form takes about 30 minutes. Linux only; standard library only.
Prints a line for each part with its figures, then 'N passed, N failed, N skipped'. Exit 1 if a promise is broken; what this
machine does not allow is skipped, and says so.
"""

import argparse
import contextlib
import dataclasses
import gzip
import itertools
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib

import common
import overload_parts as parts
from common import JSON, KEY, LINES
from overload_parts import MB, Helper, Swarm, head, posted

MOST_P99_MS, MOST_GROWTH_MB, LIMITER_MB = 500, 256, 64
# After an attack: as it was before, or nearly.
NEAR, NEAR_MB, NEAR_FILES = 1.3, 40, 8
# What the server gives a head, and a reader of an answer; and a little more.
HEAD_S, READER_S = 10 + 5, 60 + 30
# It gives back to the system what it has freed every 10 s.
QUICK_RECOVERY_S = 12
TEXT_BYTES, TEXTS = 60_000, 100
LIMIT = 100
SETS = "core,admin,memoryos,ai-memory,remember,mem0,graph,files,chatgpt"
# The addresses of the honest client where each may ask only LIMIT times a minute.
HONEST_ADDRESSES = [f"198.51.100.{n}" for n in range(1, 101)]


@dataclasses.dataclass
class Stage:
    """What an attack has to do with."""

    server: parts.Server
    o: argparse.Namespace
    problems: list = dataclasses.field(default_factory=list)
    # Longer where the server has to end what the attack began.
    recovery_s: float = 15
    near_mb: float = NEAR_MB

    def either(self, quick, long):
        return quick if self.o.quick else long

    def check(self, holds, problem):
        if not holds:
            self.problems.append(problem)

    def repeat(self, asks, allowed, workers=4):
        """Asks all of it again and again. An answer must be one of these, and must come. Gives how many came."""
        end, came, turn = time.monotonic() + self.either(2, 20), queue.SimpleQueue(), itertools.cycle(asks)

        def work():
            wire = parts.Wire(self.server.port)
            while time.monotonic() < end:
                came.put(attempt(lambda: wire.ask(next(turn))[0]))
            wire.close()
        together([work] * workers)
        got = [came.get() for _ in range(came.qsize())]
        odd = [one for one in got if one not in allowed]
        self.check(got and not odd, f"{len(odd)} of {len(got)} answers are odd, such as {odd[:2]}")
        return len(got)


def attempt(act):
    try:
        return act()
    except OSError as error:
        return error


def together(acts):
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- the attacks: each gives what it did, in words ----------------------------------------------
def slow_heads(stage):
    count = stage.either(300, 1000)
    with Swarm(stage.server.port, count, head("GET", "/api/v1/tags")[:-2] + b"X-Slow: ") as swarm:
        took = swarm.trickle(b"a", HEAD_S)
        stage.check(not swarm.open, f"{len(swarm.open)} of {count} heads still go on after {took:.0f} s")
    return f"{count} heads, a byte every half second, shut within {took:.1f} s"


def slow_bodies(stage):
    count = stage.either(200, 600)
    kinds = [head("POST", "/api/v1/memories", f"Content-Type: {JSON}", "Content-Length: 1000"),
             head("POST", "/mcp", "Content-Length: 1000"),
             head("POST", "/api/v1/search", f"Content-Type: {JSON}", "Transfer-Encoding: chunked")]
    with Swarm(stage.server.port, count, lambda n: kinds[n % 3]) as swarm:
        # A piece of a chunk for those who send chunks, and part of a text for the others.
        took = swarm.trickle(b"1\r\n \r\n", 5)
        late = sum(b" 408 " in answer for answer in swarm.answers)
        stage.check(late == count, f"only {late} of {count} were told 408 after {took:.0f} s")
    return f"{count} bodies, each told 408 after read_timeout (3 s)"


def idle(stage):
    stage.check(stage.o.most_files >= 4096, f"we ourselves may have only {stage.o.most_files} files")
    with Swarm(stage.server.port, 2000, b"") as swarm:
        stage.check(len(swarm.open) == 2000, f"only {len(swarm.open)} of 2000 could connect")
        took = swarm.trickle(b"", stage.either(3, HEAD_S))
        stage.check(stage.o.quick or not swarm.open, f"{len(swarm.open)} are still open after {took:.0f} s")
        return f"2,000 connections without a byte, {swarm.shut:,} shut within {took:.1f} s"


def half_open_tls(stage):
    hello = parts.client_hello()
    kinds, opened, end = [b"", hello[:1], hello[:40], hello], 0, time.monotonic() + stage.either(3, 30)
    while time.monotonic() < end:
        # More than may shake hands at a time.
        with Swarm(stage.server.port, 1200, lambda n: kinds[n % 4]) as swarm:
            opened += len(swarm.open)
            swarm.trickle(b"", 4)
    return f"{opened:,} handshakes that end after 0, 1, 40 bytes or the hello"


def expanding(stage):
    packed, spaces = zlib.compress(b"\0" * (64 * MB)), gzip.compress(b" " * (64 * MB))
    bodies = {"gzip": spaces, "deflate": packed, "br": b"\x8b\xff\x03\x80", "zstd": b"\x28\xb5\x2f\xfd", "x-gzip": spaces,
              "gzip, gzip": gzip.compress(spaces), "identity, gzip": spaces}
    asks = [posted(path, body, f"Content-Encoding: {kind}") for kind, body in bodies.items()
            for path in ("/mcp", "/api/v1/memories", "/api/v1/import")]
    return f"{stage.repeat(asks, {415}):,} bodies of up to 64 MB in a few bytes, each 415"


def deep(stage):
    lists, objects = b"[" * 100_000, b'{"a":' * 100_000
    text = json.dumps("[" * 100_000 + "]" * 100_000).encode()
    whole = [lists + b"]" * 100_000, objects + b"1" + b"}" * 100_000, lists, objects]
    bodies = [*whole, *(b'{"content":"x","metadata":' + one + b"}" for one in whole), b'{"content":"x","tags":' + text + b"}",
              b'{"query":"x","tags":' + lists + b"}", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + whole[1] + b"}"]
    asks = [posted(path, body) for body in bodies for path in ("/mcp", "/api/v1/memories", "/api/v1/search", "/api/v1/import")]
    # An import names each line that it cannot read, and goes on.
    return f"{stage.repeat(asks, {200, 400, 422}):,} bodies 100,000 deep"


def wide(stage):
    keys = b",".join(b'"%x":0' % n for n in range(1_000_000))
    some = keys[:1_900_000].rpartition(b",")[0]
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_memories","arguments":{'
    asks = [posted("/api/v1/import", b"{" + keys + b"}"),
            posted("/api/v1/memories", b'{"content":"x","metadata":{' + some + b"}}"),
            posted("/api/v1/memories", b"{" + b'"a":0,' * 200_000 + b'"a":0}'),
            posted("/api/v1/search", b'{"query":"x",' + some + b"}"), posted("/mcp", call + some + b"}}}")]
    return f"{stage.repeat(asks, {200, 400, 422}, workers=2):,} objects of up to a million keys"


def fill(server):
    """Some megabytes of the attacker's own, so that answers are large."""
    lines = "\n".join(json.dumps({"content": f"{n} {'z' * TEXT_BYTES}"}) for n in range(TEXTS))
    with contextlib.closing(server.door()) as door:
        status, told = door.ask("POST", "/api/v1/import", lines.encode(), kind=LINES)
        if status != 200 or told["imported"] != TEXTS:
            raise RuntimeError(f"the import: {status} {told}")


def unread(stage):
    count = stage.either(60, 200)
    tool = json.dumps(common.tool_call("list_memories", {"limit": 100, "max_tokens": 10 ** 7})).encode()
    kinds = [head("GET", "/api/v1/export"), head("GET", f"/api/v1/memories?limit={TEXTS}"), posted("/mcp", tool),
             head("GET", "/api/v1/events"), head("GET", "/api/v1/tags") * 500]
    stage.recovery_s = READER_S
    with Swarm(stage.server.port, count, lambda n: kinds[n % len(kinds)], small=True):
        time.sleep(stage.either(4, READER_S))
    return f"{count} clients that never read answers of up to {TEXT_BYTES * TEXTS / 1e6:.0f} MB"


def http2(stage):
    port, count = stage.server.port, stage.either(10_000, 150_000)
    stage.recovery_s = READER_S
    figures, kept = {}, []

    def unread_streams():
        for block in (parts.fields(f"/api/v1/memories?limit={TEXTS}", KEY), parts.fields("/api/v1/export", KEY)):
            s, figures["unread"] = parts.asks_unread(port, 250, block)
            kept.append(s)

    def anonymous():
        s, figures["anonymous"] = parts.asks_unread(port, count, parts.fields("/"))
        kept.append(s)

    def poured(name, frames):
        s = parts.greet(port)
        kept.append(s)
        figures[name] = parts.poured(s, frames)
    pings = (parts.frame(parts.PING, 0, 0, bytes(8)) for _ in range(count))
    settings = (parts.frame(parts.SETTINGS, 0, 0) for _ in range(count))
    headers = (one for one, _ in zip(parts.endless_headers(), range(count), strict=False))
    try:
        together([lambda: attempt(unread_streams), lambda: attempt(anonymous),
                  lambda: attempt(lambda: poured("reset", parts.opened_and_reset(count))),
                  lambda: attempt(lambda: poured("pings", pings)), lambda: attempt(lambda: poured("settings", settings)),
                  lambda: attempt(lambda: poured("continued", headers))])
        time.sleep(stage.either(2, READER_S))
    finally:
        for s in kept:
            s.close()
    return "HTTP/2 without reading: " + ", ".join(f"{n:,} {name}" for name, n in figures.items())


def own_addresses(stage):
    """Each connection from another address of this machine."""
    count, swarms = stage.either(5_000, 50_000), 0
    before = stage.server.resident_mb
    ask = head("GET", "/api/v1/tags", key=parts.WRONG_KEY)
    while swarms * 500 < count:
        with Swarm(stage.server.port, 500, ask, source=lambda n, first=swarms * 500: parts.addressed(first + n)) as swarm:
            swarms += bool(swarm.open)
            time.sleep(0.1)
            swarm.tick()
    grown = stage.server.resident_mb - before
    stage.check(grown < LIMITER_MB, f"memory grew by {grown:.0f} MB")
    return f"{count:,} source addresses, {grown:+.0f} MB"


def forwarded(stage):
    """A million clients of a proxy; in the long form each asks without a key, with a wrong and with a right one."""
    count, workers = stage.either(100_000, 1_000_000), 4
    # Addresses are forgotten after a window of a minute, for which the quick form does not wait.
    stage.near_mb, stage.recovery_s = stage.either(LIMITER_MB, NEAR_MB), 100
    before, watch = stage.server.resident_mb, parts.Watch(stage.server)
    began = time.monotonic()
    each = count // workers
    floods = [Helper(parts.forward, stage.server.port, n * each, each, stage.either(1, 3)) for n in range(workers)]
    came = [flood.wait(1200) for flood in floods]
    stage.check(all(came), "a flood was cut off")
    grown = watch.stop() - before
    stage.check(grown < LIMITER_MB, f"memory grew by {grown:.0f} MB")
    statuses = {}
    for one in filter(None, came):
        for status, n in one.items():
            statuses[status] = statuses.get(status, 0) + n
    stage.check(set(statuses) <= {200, 401, 429}, f"statuses {statuses}")
    speed = sum(statuses.values()) / (time.monotonic() - began)
    return f"{count:,} addresses, {speed:,.0f} requests/s, {grown:+.0f} MB at most; {counted(statuses)}"


def limiter(stage):
    ask = [head("GET", "/api/v1/tags"), posted("/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode())]
    statuses = parts.all_at_once(stage.server.port, 1000, lambda n: ask[n % 2])
    stage.check(statuses == {200: LIMIT, 429: 1000 - LIMIT}, f"of 1,000 at limit {LIMIT}: {statuses}")
    return f"1,000 at a time at limit {LIMIT}: {counted(statuses)}"


def counted(statuses):
    return ", ".join(f"{n:,} of {status}" for status, n in sorted(statuses.items()))


def swaps(stage):
    """A hundred changes of the certificate, most of them told by SIGHUP, the others found by the server itself."""
    server, count = stage.server, 100
    pairs = [server.make_pair(server.home / f"pair{n}") for n in range(2)]
    shown, context = [pathlib.Path(server.env[name]) for name in ("SSL_CERT_PATH", "SSL_KEY_PATH")], parts.client_context()
    hands, late = [Helper(parts.shake_hands, server.port) for _ in range(2)], 0

    def look():
        with parts.socket.create_connection(("127.0.0.1", server.port), 10) as plain, context.wrap_socket(plain) as s:
            return s.getpeercert(binary_form=True)
    for number in range(count):
        wanted = parts.first_of(pairs[number % 2][0])
        for source, place in zip(pairs[number % 2], shown, strict=True):
            shutil.copy(source, f"{place}.new")
            os.replace(f"{place}.new", place)
        if number % stage.either(50, 10):
            server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while (is_late := attempt(look) != wanted) and time.monotonic() < end:
            time.sleep(0.02)
        late += is_late
    told = [hand.stop() or (0, 0, ["it ended"]) for hand in hands]
    failures = [failure for _, _, some in told for failure in some]
    stage.check(not failures, f"{len(failures)} handshakes failed: {failures[:2]}")
    stage.check(not late, f"{late} of {count} certificates were not shown within 10 s")
    return f"{count} swaps, {sum(done for done, _, _ in told):,} handshakes, {len(failures)} failed"


# ---- mutations ----------------------------------------------------------------------------------
QUESTION = common.tool_call("search_memories", {"query": "tea"})


def tools_of(server):
    with contextlib.closing(server.door()) as door:
        return door.ask("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[1]["result"]["tools"]


def mutate_http(is_over, port, seed, count, tools):
    """Gives how often each status came, and what went wrong."""
    mutator, wire, statuses, faults = parts.Mutator(seed, tools), parts.Wire(port, 35), {}, []
    for number in range(count):
        headers, body = mutator.next()
        if is_over():
            break
        try:
            status, kind, told = wire.ask(posted("/mcp", body, *headers))
            statuses[status] = statuses.get(status, 0) + 1
            if status >= 500 or b'"code":-32603' in told:
                faults.append(f"{status} {told[:200]!r} to {headers} {body[:300]!r}")
            if number % 1000 == 0:
                status, _, told = wire.ask(posted("/mcp", json.dumps(QUESTION).encode()))
                if status != 200 or b'"results"' not in told:
                    faults.append(f"a dead session: {status} {told[:200]!r}")
        except OSError as error:
            faults.append(f"{error!r} to {headers} {body[:300]!r}")
            wire.close()
    return statuses, faults[:50]


def mutate_stdio(is_over, command, env, home, seed, count, tools):
    """The same over standard input. Some lines have no answer, so a question that has one follows every few."""
    mutator, faults, lines = parts.Mutator(seed, tools), [], queue.SimpleQueue()
    process = subprocess.Popen(command, env=env, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, preexec_fn=parts.end_with_us)
    threading.Thread(target=lambda: [*map(lines.put, process.stdout), lines.put(None)], daemon=True).start()
    sent = answered = 0
    while sent < count and not is_over() and len(faults) < 50:
        bodies = [mutator.next()[1].replace(b"\n", b" ") for _ in range(min(50, count - sent))]
        sent += len(bodies)
        question = json.dumps({**QUESTION, "id": f"question {sent}"}).encode()
        try:
            process.stdin.write(b"\n".join([*bodies, question, b""]))
            process.stdin.flush()
            while (line := lines.get(timeout=60)) is not None:
                answered += 1
                if b'"code":-32603' in line and b"answered 4" not in line:
                    faults.append(f"{line[:200]!r} to one of {bodies[:3]}")
                if f'"question {sent}"'.encode() in line:
                    if b'"results"' not in line:
                        faults.append(f"a dead session: {line[:200]!r}")
                    break
            else:
                faults.append(f"it ended with {process.wait()} after one of {bodies[:3]}")
                break
        except (queue.Empty, OSError) as error:
            faults.append(f"{error!r} after one of {bodies}"[:2000])
            break
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    process.kill()
    return {"lines": sent, "answers": answered}, faults


def mutations(stage, act, *given):
    workers = 2
    each = stage.o.mutations // 2 // workers
    # Some of it is carried out, so there are the memories, the cache of 32 MiB and 8 MiB of what was given out.
    stage.near_mb = 100
    began, tools = time.monotonic(), tools_of(stage.server)
    helpers = [Helper(act, *given, f"{stage.o.seed} {n}", each, tools) for n in range(workers)]
    told = [helper.wait(60 + each / 20) for helper in helpers]
    stage.check(all(told), "a process that sent them has not come back")
    sums, faults = {}, []
    for counts, some in filter(None, told):
        faults += some
        for name, n in counts.items():
            sums[name] = sums.get(name, 0) + n
    stage.check(not faults, f"{len(faults)} or more: {'; '.join(faults[:2])}")
    return f"{each * workers:,} mutations, {each * workers / (time.monotonic() - began):,.0f}/s; {counted(sums)}"


def mutations_http(stage):
    return mutations(stage, mutate_http, stage.server.port)


def mutations_stdio(stage):
    server = stage.server
    command = [str(server.binary), "stdio", "--data-dir", str(server.data)]
    return mutations(stage, mutate_stdio, command, {**server.env, "MCP_API_KEY": KEY}, str(server.home))


# ---- the parts ----------------------------------------------------------------------------------
@dataclasses.dataclass
class Part:
    act: object
    env: dict = dataclasses.field(default_factory=dict)
    is_tls: bool = False
    is_filled: bool = False
    # Where requests are limited, the honest client comes from many addresses.
    is_limited: bool = False


LIMITED = {"RATE_LIMIT_REQUESTS": str(LIMIT), "AUTH_FAIL_LIMIT": "10", "TRUSTED_PROXIES": "127.0.0.1/32"}
PARTS = {
    "slow_heads": Part(slow_heads), "slow_bodies": Part(slow_bodies, {"READ_TIMEOUT": "3"}), "idle": Part(idle),
    "half_open_tls": Part(half_open_tls, is_tls=True), "expanding": Part(expanding), "deep": Part(deep), "wide": Part(wide),
    "unread": Part(unread, is_filled=True), "http2": Part(http2, is_tls=True, is_filled=True),
    "own_addresses": Part(own_addresses, LIMITED, is_limited=True), "forwarded": Part(forwarded, LIMITED, is_limited=True),
    "limiter": Part(limiter, LIMITED, is_limited=True), "swaps": Part(swaps, is_tls=True),
    "mutations_http": Part(mutations_http, {"TOOLSETS": SETS}), "mutations_stdio": Part(mutations_stdio, {"TOOLSETS": SETS}),
}


def run(name, o):
    """Gives the figures of a part, and its problems."""
    part = PARTS[name]
    with parts.server_of_its_own(o.bin, **part.env) as server:
        if part.is_tls:
            server.env["SSL_CERT_PATH"], server.env["SSL_KEY_PATH"] = map(str, server.make_pair(server.home / "certs"))
        server.start()
        if part.is_filled:
            fill(server)
        return watched(name, part, Stage(server, o))


def watched(name, part, stage):
    server = stage.server
    honest = Helper(parts.be_honest, server.port, server.is_tls, HONEST_ADDRESSES if part.is_limited else [])
    time.sleep(2.5 if part.is_limited else 1)
    before_mb, before_files = server.resident_mb, server.files
    watch = parts.Watch(server)
    did = part.act(stage)
    recovered = recover(stage, before_mb, before_files)
    most_mb = watch.stop()
    figures = {"part": name, "did": did, "before_mb": round(before_mb), "most_mb": round(most_mb),
               "after_mb": round(server.resident_mb), "before_files": before_files, "after_files": server.files,
               "recovered_s": recovered}
    told = honest.stop()
    stage.check(told, "the honest client did not come back")
    figures["honest"] = told.told() if told else {}
    if told:
        stage.check(not told.errors, f"{len(told.errors)} honest requests failed: {told.errors[:2]}")
        p99 = figures["honest"]["p99_ms"]
        stage.check(p99 < MOST_P99_MS, f"the honest client's p99 is {p99:.0f} ms")
    stage.check(most_mb - before_mb < MOST_GROWTH_MB, f"memory grew by {most_mb - before_mb:.0f} MB")
    stage.problems += server.stop() + server.panics()
    return figures, stage.problems


def recover(stage, before_mb, before_files):
    """Waits until everything is as before. Gives the seconds, or nothing if it is not."""
    server, began = stage.server, time.monotonic()
    while True:
        wrong = []
        if not server.is_healthy():
            wrong.append("/health is not 200")
        if server.resident_mb > max(before_mb * NEAR, before_mb + stage.near_mb):
            wrong.append(f"memory is {server.resident_mb:.0f} MB after {before_mb:.0f}")
        if server.files > before_files + NEAR_FILES:
            wrong.append(f"{server.files} files are open after {before_files}")
        took = time.monotonic() - began
        if not wrong:
            return round(took, 1)
        if took > stage.either(QUICK_RECOVERY_S, stage.recovery_s):
            stage.problems += [f"{problem}, {took:.0f} s after the attack" for problem in wrong]
            return None
        time.sleep(0.2)


# ---- at rest ------------------------------------------------------------------------------------
def no_calls(o):
    """The server where nothing but a loopback of its own can be reached: the kernel counts what it would call."""
    wrap = parts.wall()
    with parts.server_of_its_own(o.bin) as server:
        # As it is when nobody has set anything; the others are quicker with the small table.
        del server.env["EMBEDDING_BUILTIN"]
        server.wrap = wrap
        server.launch()
        requests = parts.live_a_little(server, 3 if o.quick else 60)
        calls = parts.counted_calls(server.process.pid)
        problems = [f"calls to the network: {calls}"] if any(calls.values()) else []
        problems += [] if parts.calls_of_a_caller(wrap) > 1 else ["nothing counts calls here: this shows nothing"]
        problems += server.stop() + server.panics()
    did = f"{requests} requests over the local socket, alone in a network namespace: {sum(calls.values())} calls"
    return {"part": "no_calls", "did": did}, problems


# ---- what is told -------------------------------------------------------------------------------
def line(figures, problems):
    word = "FAILED " if problems else "skipped" if "skipped" in figures else "ok     "
    told = [f"{word} {figures['part']}: {figures.get('skipped') or figures.get('did', 'it broke off')}"]
    if honest := figures.get("honest"):
        words = "honest {requests:,} requests, p50 {p50_ms} ms, p99 {p99_ms} ms, worst {worst_ms} ms, {errors} failed"
        told.append(words.format(**honest))
    if "most_mb" in figures:
        told.append("memory {before_mb} -> {most_mb} -> {after_mb} MB, files {before_files} -> {after_files}".format(**figures))
        told.append("not recovered" if figures["recovered_s"] is None else f"recovered in {figures['recovered_s']} s")
    return "\n         ".join(["; ".join(told), *problems])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=common.BINARY)
    p.add_argument("--only", choices=[*PARTS, "no_calls"], action="append", help="this part; may be given again")
    p.add_argument("--mutations", type=int, help="half of them over HTTP, half over stdio (1,000,000; 10,000 with --quick)")
    p.add_argument("--seed", type=int, default=1, help="of the mutations (1)")
    p.add_argument("--quick", action="store_true", help="about 90 seconds in all, for CI")
    p.add_argument("--json", action="store_true", help="one JSON document at the end instead of lines")
    o = p.parse_args()
    o.bin, o.most_files = o.bin.resolve(), parts.raise_own_limit()
    if o.mutations is None:
        o.mutations = 10_000 if o.quick else 1_000_000
    came = []
    for name in o.only or [*PARTS, "no_calls"]:
        try:
            figures, problems = no_calls(o) if name == "no_calls" else run(name, o)
        except parts.Skipped as reason:
            figures, problems = {"part": name, "skipped": str(reason)}, []
        except (OSError, RuntimeError, common.NotStarted, common.NotSent, common.NoAnswer) as error:
            figures, problems = {"part": name}, [repr(error)[:1000]]
        came.append({**figures, "problems": problems})
        if not o.json:
            print(line(figures, problems), flush=True)
    failed, skipped = sum(bool(one["problems"]) for one in came), sum("skipped" in one for one in came)
    passed = len(came) - failed - skipped
    if o.json:
        print(json.dumps({"passed": passed, "failed": failed, "skipped": skipped, "parts": came}, indent=1))
    else:
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
