#!/usr/bin/env python3
"""How long the pages of the dashboard take where much is stored, and how large they are.

Starts the server that is named, on one core and with a data directory of its own, imports --memories varied memories into it,
signs in, and asks for each kind of page --requests times over one connection, each time with other ids, words and filters.
Prints for each kind the median and the 95th percentile of two times: from the question to the last byte of its answer, and of
the processor time that the server had for it, which does not depend on what else this machine does; and the largest page.

Ends with 1 if the 95th percentile of the time of a list, a search or a memory is 100 ms or more (--by cpu takes the processor
time for it), or if any page is larger than 200 KB. Standard library only; Linux, for taskset and /proc.
"""

import argparse
import dataclasses
import http.client
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import urllib.parse

KEY = "pages-key-0123456789abcdef0123456789"
MOST_MS = 100
MOST_BYTES = 200 * 1024
# Lines of one request of the import.
PART = 2_000
WARM_UP = 20
PATIENCE = 900
KINDS = ["note", "fact", "preference", "task", "decision"]


class Texts:
    """Texts with words as frequent as in a language (Zipf), and names of tags and projects."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        parts = ["ka", "lo", "mi", "ren", "to", "sal", "ven", "dor", "bi", "quo", "ster", "an", "el", "fu", "gra", "hin"]
        words = {"".join(self.random.choices(parts, k=self.random.randint(2, 4))) for _ in range(30_000)}
        self.words = sorted(words)
        self.random.shuffle(self.words)
        total, self.weights = 0.0, []
        for rank in range(1, len(self.words) + 1):
            total += 1 / rank
            self.weights.append(total)
        self.tags = [f"tag-{word}" for word in self.words[100:400]]
        self.projects = [f"project-{word}" for word in self.words[400:440]]

    def some(self, count):
        return self.random.choices(self.words, cum_weights=self.weights, k=count)

    def memory(self, number):
        # A sentence mostly, sometimes some pages.
        length = self.random.choice([8, 12, 20, 30, 50, 80]) if number % 50 else 1_500
        words = self.some(length)
        at = time.gmtime(1_700_000_000 + self.random.randrange(90_000_000))
        memory = {
            "content": f"{' '.join(words)}. No {number}", "kind": self.random.choice(KINDS),
            "tags": self.random.sample(self.tags, self.random.randint(0, 5)), "project": self.random.choice(self.projects),
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", at), "priority": self.random.randint(1, 5),
        }
        if number % 3 == 0:
            memory["title"] = " ".join(words[:5])
        return memory


class Server:
    """One server on one core, with a data directory of its own, and one connection to it."""

    def __init__(self, binary, folder, core, embedding):
        env = {"PATH": os.environ["PATH"], "HOME": folder, "DATA_DIR": f"{folder}/data", "PORT": "0", "MCP_API_KEY": KEY,
               "RATE_LIMIT_REQUESTS": "0", "LOG_LEVEL": "error", "EMBEDDING_BUILTIN": embedding}
        self.process = subprocess.Popen(["taskset", "-c", str(core), binary, "serve"], env=env, cwd=folder,
                                        stdout=subprocess.DEVNULL)
        told = pathlib.Path(folder, "data", ".mcp_server")
        end = time.monotonic() + PATIENCE
        while not told.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit("the server did not start")
            time.sleep(0.02)
        port = json.loads(told.read_text())["port"]
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.cookies = ""

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def call(self, method, path, body=None, kind="application/json"):
        answer, told = self.ask(method, path, body, {"X-API-Key": KEY, "Content-Type": kind})
        if answer.status not in (200, 201):
            raise SystemExit(f"{method} {path}: {answer.status} {told[:400]}")
        return json.loads(told)

    def sign_in(self):
        body = urllib.parse.urlencode({"credential": KEY})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        answer, _ = self.ask("POST", "/ui/login", body, headers)
        if answer.status != 303:
            raise SystemExit(f"nobody could sign in: {answer.status}")
        self.cookies = "; ".join(line.split(";")[0] for line in answer.headers.get_all("Set-Cookie"))

    def page(self, path):
        answer, text = self.ask("GET", path, headers={"Cookie": self.cookies, "Accept": "text/html"})
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        return text

    def processor_seconds(self):
        """What all of its threads have had so far."""
        total = 0
        for thread in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                total += int((thread / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                # A thread that has ended meanwhile takes its share along.
                continue
        return total / 1e9

    def stop(self):
        self.process.terminate()
        self.process.wait()


@dataclasses.dataclass
class Figures:
    """Of one kind of page, in milliseconds and bytes."""

    wall: list
    processor: list
    largest: int

    @staticmethod
    def at(times, share):
        return sorted(times)[math.ceil(len(times) * share) - 1]


def fill(server, texts, count):
    begun = time.monotonic()
    for first in range(0, count, PART):
        lines = [json.dumps(texts.memory(number)) for number in range(first, min(first + PART, count))]
        told = server.call("POST", "/api/v1/import?confirm=true", "\n".join(lines).encode(), "application/x-ndjson")
        if told["failed"]:
            raise SystemExit(f"not everything was taken: {told['errors'][:3]}")
    print(f"stored {count:,} memories in {time.monotonic() - begun:.0f} s", flush=True)
    # A better model reads what is new in the background; until it has, searches and the core are not what they will be.
    end = time.monotonic() + PATIENCE * 10
    while (stats := server.call("GET", "/api/v1/stats")).get("vectors", stats["memories"]) < stats["memories"]:
        if time.monotonic() > end:
            raise SystemExit("the vectors were not made in time")
        time.sleep(1)
    print(f"ready after {time.monotonic() - begun:.0f} s", flush=True)


def ids_of(server, texts, count):
    """Memories from all over, as searches find them."""
    found = set()
    while len(found) < count:
        words = urllib.parse.quote(" ".join(texts.some(2)))
        told = server.call("GET", f"/api/v1/search?query={words}&limit=50")
        found.update(result["id"] for result in told["results"])
    return sorted(found)


def deep(server, pages):
    """Where a list goes on after so many pages."""
    path = "/ui/memories"
    for _ in range(pages):
        text = server.page(path).decode()
        _, found, rest = text.partition('rel="next" href="')
        if not found:
            break
        path = rest.split('"')[0].replace("&#38;", "&").replace("&amp;", "&")
    return path


def pages(server, texts):
    """Each kind of page: its name, whether its time is held to the limit, and how the path of a request is made."""
    some = texts.random
    ids = ids_of(server, texts, 200)
    depth = deep(server, 20)
    quoted = urllib.parse.quote

    def question():
        return quoted(" ".join(texts.some(some.randint(1, 5))))

    return [
        ("list", True, lambda: "/ui/memories"),
        ("list, twenty pages on", True, lambda: depth),
        ("list of a tag", True, lambda: f"/ui/memories?tags={some.choice(texts.tags)}"),
        ("list of a project and kind", True,
         lambda: f"/ui/memories?project={some.choice(texts.projects)}&kind={some.choice(KINDS)}&sort=updated_at"),
        ("list by priority", True, lambda: "/ui/memories?sort=priority"),
        ("list, day by day", True, lambda: "/ui/memories?view=timeline"),
        ("search", True, lambda: f"/ui/search?q={question()}"),
        ("search, words only", True, lambda: f"/ui/search?q={question()}&mode=keyword"),
        ("search in a project", True, lambda: f"/ui/search?q={question()}&project={some.choice(texts.projects)}"),
        ("memory", True, lambda: f"/ui/memories/{some.choice(ids)}"),
        ("memory, to edit", True, lambda: f"/ui/memories/{some.choice(ids)}/edit"),
        ("overview", False, lambda: "/ui/"),
        ("tags and projects", False, lambda: "/ui/tags"),
        ("never given out", False, lambda: "/ui/unused"),
    ]


def measure(server, path_of, requests):
    figures = Figures([], [], 0)
    for number in range(WARM_UP + requests):
        path = path_of()
        spent, begun = server.processor_seconds(), time.perf_counter()
        text = server.page(path)
        wall, spent = time.perf_counter() - begun, server.processor_seconds() - spent
        figures.largest = max(figures.largest, len(text))
        if number >= WARM_UP:
            figures.wall.append(wall * 1e3)
            figures.processor.append(spent * 1e3)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("target/release/memoryd"))
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200, help="of each kind of page, after the first 20")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core that the server has")
    parser.add_argument("--embedding", choices=["model", "table"], default="model", help="as EMBEDDING_BUILTIN")
    parser.add_argument("--by", choices=["wall", "cpu"], default="wall", help="the time that is held to the limit")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    texts, bad = Texts(wanted.seed), []
    others = os.sched_getaffinity(0) - {wanted.core}
    if others:
        # Where there is another core, what asks is not in the way of what answers.
        os.sched_setaffinity(0, others)
    with tempfile.TemporaryDirectory(prefix="memoryd-pages-") as folder:
        server = Server(str(wanted.bin.resolve()), folder, wanted.core, wanted.embedding)
        try:
            fill(server, texts, wanted.memories)
            server.sign_in()
            print(f"\n| page, of {wanted.memories:,} memories | p50 ms | p95 ms | p50 ms cpu | p95 ms cpu | largest KB |")
            print("|---|---:|---:|---:|---:|---:|")
            for name, is_held, path_of in pages(server, texts):
                figures = measure(server, path_of, wanted.requests)
                times = [figures.at(times, share) for times in (figures.wall, figures.processor) for share in (0.5, 0.95)]
                told = " | ".join(f"{value:.1f}" for value in times)
                print(f"| {name} | {told} | {figures.largest / 1024:.0f} |", flush=True)
                held = times[1] if wanted.by == "wall" else times[3]
                if is_held and held >= MOST_MS:
                    bad.append(f"{name}: {held:.0f} ms at p95")
                if figures.largest > MOST_BYTES:
                    bad.append(f"{name}: a page of {figures.largest / 1024:.0f} KB")
        finally:
            server.stop()
    for line in bad:
        print(f"too much: {line}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
