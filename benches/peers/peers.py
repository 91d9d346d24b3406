#!/usr/bin/env python3
"""memoryd beside other memory servers, each over stdio as assistants start them: the same texts and questions, in turns.

In every round each server stores --adds texts and is asked --searches questions, one call after the other, and another one
begins. Prints medians of the rounds' medians, and memoryd's time as a multiple of each server's, the median over the rounds.
A server that is not installed or refuses is told and left out; `make bench-peers` installs those that are known here.
Standard library only.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable

# A server that says nothing for so long is left out.
SILENCE = 60
SENTINEL = "zanzibarian"


@dataclasses.dataclass(frozen=True)
class Peer:
    """How a server is started, and what its tools for the two calls are."""

    name: str
    command: list[str]
    add: Callable[[str], tuple[str, dict]]
    search: Callable[[str], tuple[str, dict]]
    env: Callable[[str], dict] = lambda home: {}


def entity(text):
    return {"name": text[:40], "entityType": "note", "observations": [text]}


def peers(wanted):
    return [
        Peer("memoryd", [str(wanted.bin.resolve()), "stdio"],
             lambda text: ("add_memory", {"content": text}),
             lambda query: ("search_memories", {"query": query}),
             lambda home: {"DATA_DIR": home + "/data"}),
        Peer("@modelcontextprotocol/server-memory",
             ["node", str(wanted.npm.resolve() / "node_modules/@modelcontextprotocol/server-memory/dist/index.js")],
             lambda text: ("create_entities", {"entities": [entity(text)]}),
             lambda query: ("search_nodes", {"query": query}),
             lambda home: {"MEMORY_FILE_PATH": home + "/memory.jsonl"}),
        # Vectors of hashes, as no model may be downloaded: with one it is slower.
        Peer("mcp-memory-service", [str(wanted.venv.resolve() / "bin/memory"), "server"],
             lambda text: ("memory_store", {"content": text}),
             lambda query: ("memory_search", {"query": query, "limit": 10}),
             lambda home: {"MCP_MEMORY_STORAGE_BACKEND": "sqlite_vec", "MCP_MEMORY_SQLITE_PATH": home + "/memory.db",
                           "MCP_MEMORY_ALLOW_HASH_EMBEDDINGS": "1", "MCP_MDNS_ENABLED": "false", "HF_HUB_OFFLINE": "1"}),
    ]


class Refused(Exception):
    pass


class Server:
    """A peer that runs on an empty folder, with the session of one client."""

    def __init__(self, peer, home):
        missing = [part for part in peer.command[:2] if os.sep in part and not os.path.exists(part)]
        if missing or not shutil.which(peer.command[0]):
            raise Refused("not installed")
        self.peer, self.number = peer, 0
        self.log = open(home + "/log", "w+")  # noqa: SIM115: it stays open as long as the server runs
        env = {"PATH": os.environ["PATH"], "HOME": home} | peer.env(home)
        started = time.monotonic()
        self.process = subprocess.Popen(peer.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env=env, cwd=home, text=True)
        try:
            self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                    "clientInfo": {"name": "bench", "version": "1"}})
            self.start_ms = (time.monotonic() - started) * 1e3
            self.send({"method": "notifications/initialized"})
            self.call(peer.add(f"The {SENTINEL} parcel is in the hall."))
            if "parcel is in the hall" not in json.dumps(self.call(peer.search(SENTINEL))):
                raise Refused("it did not find what it had just stored")
        except BaseException:
            self.stop()
            raise

    def send(self, message):
        try:
            self.process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Refused(f"it ended: {self.last_words()}") from None

    def ask(self, method, params):
        self.number += 1
        # A blocked read ends when the process does.
        watch = threading.Timer(SILENCE, self.process.kill)
        watch.start()
        try:
            self.send({"id": self.number, "method": method, "params": params})
            for line in self.process.stdout:
                # Some write more than the protocol to standard output.
                with contextlib.suppress(ValueError):
                    answer = json.loads(line)
                    if isinstance(answer, dict) and answer.get("id") == self.number and "method" not in answer:
                        break
            else:
                raise Refused(f"it ended: {self.last_words()}")
        finally:
            watch.cancel()
        if "result" not in answer:
            raise Refused(str(answer.get("error"))[:200])
        return answer["result"]

    def call(self, tool):
        name, arguments = tool
        result = self.ask("tools/call", {"name": name, "arguments": arguments})
        text = " ".join(block.get("text", "") for block in result["content"])
        # One of them tells its own failures as answers.
        if result.get("isError") or text.startswith(("Error", "Failed")):
            raise Refused(" ".join(text.split())[:200])
        return result

    def median_ms(self, tools):
        times = []
        for tool in tools:
            before = time.perf_counter()
            self.call(tool)
            times.append((time.perf_counter() - before) * 1e3)
        return statistics.median(times)

    def resident_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise Refused("it ended")

    def last_words(self):
        self.log.seek(0)
        return " ".join(self.log.read().split())[-200:]

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Writer:
    """Texts of about 25 words, of which few are frequent, and questions of one word, which every server can find."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        syllables = [first + vowel + last for first in "bdfgklmnprst" for vowel in "aeiou" for last in ("", "n", "r", "s")]
        self.words = [a + b for a in syllables for b in syllables[::14]][:4000]
        self.random.shuffle(self.words)
        self.weights = [1 / (rank + 2.7) for rank in range(1, len(self.words) + 1)]
        self.count = 0

    def memory(self):
        self.count += 1
        words = self.random.choices(self.words, self.weights, k=self.random.randrange(18, 33))
        return f"Note {self.count}: " + " ".join(words) + "."

    def query(self):
        return self.random.choices(self.words, self.weights)[0]


def measure(servers, wanted):
    """The rounds of each server that stood all of them: pairs of medians in milliseconds."""
    writer, rounds, refused = Writer(1), {name: [] for name in servers}, {}
    for number in range(wanted.rounds):
        texts = [writer.memory() for _ in range(wanted.adds)]
        queries = [writer.query() for _ in range(wanted.searches)]
        names = [name for name in servers if name not in refused]
        first = number % len(names)
        for name in names[first:] + names[:first]:
            peer, server = servers[name].peer, servers[name]
            try:
                adding = server.median_ms([peer.add(text) for text in texts])
                searching = server.median_ms([peer.search(query) for query in queries])
                rounds[name].append((adding, searching))
            except Refused as why:
                refused[name] = str(why)
    return {name: taken for name, taken in rounds.items() if name not in refused}, refused


def table(rounds, servers, ours):
    head = ["", "start", "add, p50", "memoryd : it", "search, p50", "memoryd : it", "resident"]
    lines = [head, ["---"] * len(head)]
    for name, taken in rounds.items():
        cells = [name, f"{servers[name].start_ms:.0f} ms"]
        for at in (0, 1):
            ratio = statistics.median(base[at] / one[at] for one, base in zip(taken, rounds[ours]))
            cells += [f"{statistics.median(one[at] for one in taken):.2f} ms", f"{ratio:.2f}"]
        lines.append([*cells, f"{servers[name].resident_mb():.0f} MB"])
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    for line in lines:
        print("| " + " | ".join(cell.ljust(width, "-" if line is lines[1] else " ") for cell, width in zip(line, widths)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("target/release/memoryd"))
    parser.add_argument("--npm", type=pathlib.Path, default=pathlib.Path("target/peers-npm"))
    parser.add_argument("--venv", type=pathlib.Path, default=pathlib.Path("target/venv-peers"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--adds", type=int, default=200)
    parser.add_argument("--searches", type=int, default=100)
    wanted = parser.parse_args()
    known = peers(wanted)
    ours = known[0].name
    with tempfile.TemporaryDirectory(prefix="memoryd-peers-") as folder, contextlib.ExitStack() as stack:
        servers, left_out = {}, {}
        for number, peer in enumerate(known):
            home = f"{folder}/{number}"
            os.mkdir(home)
            try:
                servers[peer.name] = Server(peer, home)
                stack.callback(servers[peer.name].stop)
            except Refused as why:
                left_out[peer.name] = str(why)
        if ours in left_out:
            raise SystemExit(f"memoryd cannot be measured: {left_out[ours]}")
        rounds, refused = measure(servers, wanted)
        if ours in refused:
            raise SystemExit(f"memoryd refused: {refused[ours]}")
        print(f"{wanted.rounds} rounds in turns, {wanted.adds} adds and {wanted.searches} searches each; "
              f"{wanted.rounds * wanted.adds} memories in the end\n")
        table(rounds, servers, ours)
        for name, why in (left_out | refused).items():
            print(f"\n{name} is left out: {why}")


if __name__ == "__main__":
    main()
