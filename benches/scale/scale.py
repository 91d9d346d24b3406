#!/usr/bin/env python3
"""What much takes: a million memories of one user, a thousand users, and a machine with one core and 256 MB.

    python3 benches/scale/scale.py [--bin target/release/memoryd] [--only million|users|small] [--memories 1000000]

million: a tenth of --memories, then all of them, each in a store of its own: the time of the import, resident memory, bytes on the
         disk, searches (median and 95th percentile), a stop, the time from the start to the first answer, and the first search.
users:   1,000 users with 100 memories each, all of them awake: resident memory, and a search by each.
small:   100,000 memories on one core with 256 MB (a control group of the kernel, which takes root): import, searches, adds, a
         stop and a start, and whether the kernel had to end the server.

The table is the embedder. Prints figures and judges none but this: it ends with 1 if something failed. Standard library only, and
Linux for /proc.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import sys
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / folder) for folder in ("tests/torture", "tools/pages")]

import common  # noqa: E402
from pages import Texts  # noqa: E402

# Lines of one request of the import.
PART = 2_000
QUESTIONS, ADDS = 300, 300
SMALL_BYTES = 256 << 20
RESTED = 200


class Machine:
    """A server, what is asked of it, and what that took."""

    def __init__(self, server, seed):
        self.server, self.texts = server, Texts(seed)
        self.figures = {"start_ms": ms(server.start())}
        self.door = server.door()

    def told(self, method, path, body=None, kind=common.JSON):
        status, answer = self.door.ask(method, path, body, kind=kind)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {str(answer)[:300]}")
        return answer

    def bring(self, count, user="default"):
        for first in range(0, count, PART):
            lines = common.lines_of(self.memory() for _ in range(first, min(first + PART, count)))
            answer = self.told("POST", f"/api/v1/import?user_id={user}&confirm=true", lines, common.LINES)
            if answer["failed"]:
                raise RuntimeError(f"not everything was taken: {answer['errors'][:3]}")

    def memory(self):
        """As assistants store them: some 25 words, tags, a project."""
        chance = self.texts.random
        return {"content": " ".join(self.texts.some(chance.randint(10, 40))), "tags": chance.sample(self.texts.tags, 2),
                "project": chance.choice(self.texts.projects)}

    def search(self, user="default"):
        words = urllib.parse.quote(" ".join(self.texts.some(3)))
        began = time.perf_counter()
        self.told("GET", f"/api/v1/search?query={words}&user_id={user}")
        return time.perf_counter() - began

    def add(self):
        began = time.perf_counter()
        self.told("POST", "/api/v1/memories", {"content": " ".join(self.texts.some(25))})
        return time.perf_counter() - began

    def note(self, name, times):
        self.figures |= {f"{name}_p50_ms": ms(statistics.median(times)), f"{name}_p95_ms": ms(common.percentile(times, 0.95))}

    def note_size(self, name="rss_mb"):
        self.figures |= {name: round(common.memory_of(self.server.process.pid, "VmRSS") / 1e6, 1),
                         "disk_mb": round(common.bytes_of(self.server.data) / 1e6, 1)}

    def again(self):
        """Stops it and starts it once more."""
        self.door.close()
        began = time.perf_counter()
        if wrong := self.server.stop() + self.server.panics():
            raise RuntimeError("; ".join(wrong))
        self.figures["stop_ms"] = ms(time.perf_counter() - began)
        self.figures["start_again_ms"] = ms(self.server.start())
        self.door = self.server.door()
        self.figures["first_search_ms"] = ms(self.search())
        self.note_size("rss_again_mb")


def ms(seconds):
    return round(1000 * seconds, 2)


def filled(server, o, count):
    """Imports, asks, stops and starts. Gives the figures."""
    machine = Machine(server, o.seed)
    began = time.perf_counter()
    machine.bring(count)
    machine.figures["import_s"] = round(time.perf_counter() - began, 1)
    machine.note("search", [machine.search() for _ in range(QUESTIONS)])
    machine.note("add", [machine.add() for _ in range(ADDS)])
    machine.note_size()
    machine.again()
    machine.note("search_again", [machine.search() for _ in range(QUESTIONS)])
    return machine.figures


def million(o):
    for count in (o.memories // 10, o.memories):
        with common.server_of_its_own(o.bin, **o.settings) as server:
            yield f"{count:,} memories", filled(server, o, count)


def users(o):
    with common.server_of_its_own(o.bin, **{"SESSION_TTL": "3600", **o.settings}) as server:
        machine = Machine(server, o.seed)
        machine.note_size("rss_empty_mb")
        names = [f"user-{n}" for n in range(1_000)]
        began = time.perf_counter()
        for name in names:
            machine.bring(100, name)
        machine.figures["import_s"] = round(time.perf_counter() - began, 1)
        machine.note("search", [machine.search(name) for name in names])
        machine.note_size("rss_at_once_mb")
        # Within two rounds of what each session does every minute it has let go of what growing had set aside.
        time.sleep(RESTED)
        machine.note_size()
        yield "1,000 users of 100 memories", machine.figures


def small(o):
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(control_group())
        if group is None:
            yield "one core, 256 MB", {"left out": "no control group can be made here"}
            return
        server = stack.enter_context(common.server_of_its_own(o.bin, **o.settings))
        server.prepare = group.take
        figures = filled(server, o, 100_000)
        figures["most_mb"] = round(int((group.folder / group.peak).read_text()) / 1e6, 1)
        yield "one core, 256 MB, 100,000 memories", figures


class Group:
    def __init__(self, folder, limit, peak):
        self.folder, self.peak = folder, peak
        (folder / limit).write_text(str(SMALL_BYTES))

    def take(self):
        """What is called in the child, before it becomes the server."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@contextlib.contextmanager
def control_group():
    """Of the first version or of the second one of the interface, for as long as the block runs."""
    for root, limit, peak in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
                              ("/sys/fs/cgroup", "memory.max", "memory.peak")):
        folder = pathlib.Path(root, f"memoryd-bench-{os.getpid()}")
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            made = Group(folder, limit, peak) if (folder / limit).exists() else None
        except OSError:
            made = None
        if made is None:
            folder.rmdir()
            continue
        try:
            yield made
        finally:
            folder.rmdir()
        return
    yield None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=common.BINARY)
    p.add_argument("--only", choices=["million", "users", "small"])
    p.add_argument("--memories", type=int, default=1_000_000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server, as a variable")
    o = p.parse_args()
    o.settings = dict(one.split("=", 1) for one in o.set)
    failed = 0
    for part in (million, users, small):
        if o.only not in (None, part.__name__):
            continue
        try:
            for name, figures in part(o):
                print(json.dumps({"what": name, **figures}), flush=True)
        except (RuntimeError, common.NotStarted, common.NotSent, common.NoAnswer) as error:
            failed = 1
            print(f"FAILED {part.__name__}: {error}", flush=True)
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
