#!/usr/bin/env python3
"""Large files of other products are read as they come: how much memory an import takes above what the store takes anyway.

    python3 tests/torture/importing.py [--bin target/release/memoryd] [--megabytes 200] [--only chatgpt --only csv] [--seed 1]
        [--encoder] [--json]

For each format that is read element by element a file (for notes a folder) of so many MB is made, with one conversation of some
MB where a format has conversations. It is imported with `memoryd import` into a server, and into a store that nobody has open.
Then, of the peak of resident memory (VmHWM of /proc),

- the verb beside the server takes at most 64 MiB more than for a file of one memory: that is the reader;
- the verb that opens the store itself takes at most 64 MiB more than the server did, whose store grew by the same lines;

and every line is new the first time, none the second time, and none fails. Not here are formats of which all has to be known before
the first memory can be told (server-memory, letta, memoryos): docs/IMPORT.md says how much of those is kept.

Prints what each took, how long, and what the server takes once it is started again on what was imported and has answered a search.
Exit 1 if one of these is not so. Linux; standard library only.
"""

import argparse
import contextlib
import json
import pathlib
import random
import subprocess
import sys
import threading
import time
import zipfile

import common
from common import WORDS

MOST_ABOVE = 64 << 20
# The longest conversation of a file, in characters.
LONGEST = 4 << 20
MEMORY_CHARS, TURN_CHARS, NOTE_CHARS = 300, 700, 3_000
# Messages of a conversation.
TURNS = 40
BEGUN = 1_700_000_000
VERB_PATIENCE = 3_600
# Seconds between two looks at a process.
PAUSE = 0.01
PARTS = "memories,files,conversations"


# ---- files of other products ---------------------------------------------------------------------
class Texts:
    """Texts that are all different, and of about a length."""

    def __init__(self, seed):
        self.random, self.number = random.Random(seed), 0

    def text(self, chars):
        self.number += 1
        words = self.random.choices(WORDS, k=max(1, chars // 7))
        return f"{self.number} {' '.join(words)}"


def moment(number):
    """A second a line, as most products write times."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGUN + number))


def lengths(texts):
    """Of the turns of the conversations: the first has one that is very long."""
    yield [TURN_CHARS] * (TURNS - 1) + [LONGEST]
    while True:
        yield [TURN_CHARS] * texts.random.randint(2, TURNS)


def chatgpt(texts):
    for number, chars in enumerate(lengths(texts)):
        nodes, before = {"root": {"id": "root", "message": None, "parent": None, "children": ["0"]}}, "root"
        for at, length in enumerate(chars):
            message = {"id": f"m{at}", "author": {"role": ("user", "assistant")[at % 2]}, "create_time": BEGUN + number * TURNS + at,
                       "content": {"content_type": "text", "parts": [texts.text(length)]}, "metadata": {"model_slug": "m"},
                       "recipient": "all"}
            after = [str(at + 1)] if at + 1 < len(chars) else []
            nodes[str(at)] = {"id": str(at), "message": message, "parent": before, "children": after}
            before = str(at)
        yield len(chars), {"title": f"Talk {number}", "create_time": BEGUN + number * TURNS, "mapping": nodes, "current_node": before,
                           "conversation_id": f"c{number}"}


def claude(texts):
    for number, chars in enumerate(lengths(texts)):
        said = [{"uuid": f"{number}-{at}", "sender": ("human", "assistant")[at % 2], "created_at": moment(number * TURNS + at),
                 "text": "", "content": [{"type": "text", "text": texts.text(length)}]} for at, length in enumerate(chars)]
        yield len(chars), {"uuid": f"c{number}", "name": f"Talk {number}", "created_at": moment(number), "chat_messages": said}


def mem0(texts):
    while True:
        text = texts.text(MEMORY_CHARS)
        yield 1, {"id": f"m{texts.number}", "memory": text, "user_id": "ada", "categories": ["a", "b"], "metadata": {"n": texts.number},
                  "created_at": moment(texts.number), "updated_at": None}


def doobidoo(texts):
    while True:
        text = texts.text(MEMORY_CHARS)
        yield 1, {"content": text, "content_hash": f"{texts.number:064x}", "tags": ["a", "untagged"], "memory_type": "note",
                  "metadata": {}, "created_at": BEGUN + texts.number}


def openmemory(texts):
    while True:
        text = texts.text(MEMORY_CHARS)
        yield 1, {"id": f"m{texts.number}", "content": text, "state": "active", "app": "cursor", "categories": ["a"], "metadata": {},
                  "created_at": moment(texts.number), "updated_at": moment(texts.number)}


def tables(texts):
    while True:
        text = texts.text(MEMORY_CHARS)
        yield 1, {"id": f"m{texts.number}", "user": "ada", "content": text, "state": "active", "category_ids": ["c1"],
                  "created_at": moment(texts.number)}


def claude_mem(texts):
    while True:
        text = texts.text(MEMORY_CHARS)
        yield 1, {"id": texts.number, "narrative": text, "title": f"Seen {texts.number}", "facts": "[\"one\"]", "concepts": "[]",
                  "type": "discovery", "project": "garden", "created_at_epoch": (BEGUN + texts.number) * 1000}


def gemini(texts):
    while True:
        asked, told = texts.text(80), texts.text(TURN_CHARS)
        yield 2, {"header": "Gemini Apps", "title": f"Prompted {asked}", "time": moment(texts.number * 60),
                  "safeHtmlItem": [{"html": f"<p>{told}</p>"}]}


def own(texts):
    while True:
        yield 1, {"content": texts.text(MEMORY_CHARS), "tags": ["a"]}


def as_list(start, end, between=",\n"):
    """What writes elements into a file that begins and ends so, up to a size. Gives how many lines they come to."""
    def write(make, texts, path, size):
        lines, written, is_first = 0, 0, True
        with open(path, "w") as file:
            file.write(start)
            for count, element in make(texts):
                text = json.dumps(element)
                file.write(text if is_first else between + text)
                is_first = False
                lines, written = lines + count, written + len(text)
                if written >= size:
                    break
            file.write(end)
        return lines
    return write


def as_archive(make, texts, path, size):
    plain = path.with_suffix(".json")
    lines = as_list("[", "]")(make, texts, plain, size)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(plain, "conversations.json")
    plain.unlink()
    return lines


def as_table(encoding):
    def write(_, texts, path, size):
        lines, written = 0, 0
        with open(path, "w", encoding=encoding, newline="") as file:
            file.write("id,text,tags,created\r\n")
            while written < size:
                row = f'{texts.number + 1},"{texts.text(MEMORY_CHARS)}, ""so""","a, b",{moment(texts.number)}\r\n'
                file.write(row)
                lines, written = lines + 1, written + len(row.encode(encoding))
        return lines
    return write


def as_notes(_, texts, path, size):
    lines, written = 0, 0
    while written < size:
        folder = path / f"{lines // 500}"
        folder.mkdir(parents=True, exist_ok=True)
        note = f"---\ntags: [a, b]\ncreated: {moment(lines)}\n---\n\n# Note {lines}\n\n[[Note {lines - 1}]]\n\n{texts.text(NOTE_CHARS)}\n"
        (folder / f"Note {lines}.md").write_text(note)
        lines, written = lines + 1, written + len(note)
    return lines


LINES = as_list("", "\n", "\n")
# Of each format: the name of its file, who writes it, and what its elements are.
FORMATS = {
    "chatgpt": ("conversations.json", as_list("[", "]"), chatgpt),
    "chatgpt-archive": ("export.zip", as_archive, chatgpt),
    "claude": ("conversations.json", as_list("[", "]"), claude),
    "mem0": ("mem0.json", as_list('{"results": [', "]}"), mem0),
    "doobidoo": ("export.json", as_list('{"export_metadata": {"exporter_version": "1"}, "memories": [', "]}"), doobidoo),
    "openmemory": ("memories.jsonl", LINES, openmemory),
    "openmemory-tables": ("memories.json", as_list('{"export_meta": {}, "apps": [], "categories": [{"id": "c1", "name": "a"}], '
                                                   '"memory_categories": [], "memories": [', "]}"), tables),
    "claude-mem": ("claude-mem.json", as_list('{"exportedAt": "2026-01-01", "summaries": [], "observations": [', "]}"), claude_mem),
    "gemini": ("MyActivity.json", as_list("[", "]"), gemini),
    "csv": ("table.csv", as_table("utf-8"), None),
    "csv-of-excel": ("table.csv", as_table("utf-16"), None),
    "markdown": ("vault", as_notes, None),
    "memoryd": ("export.jsonl", LINES, own),
}


# ---- processes and their memory ------------------------------------------------------------------
def peak_of(pid):
    """The most that a process has held so far, in bytes; nothing once it is gone."""
    with contextlib.suppress(OSError):
        return common.memory_of(pid, "VmHWM")
    return 0


class Verb:
    """`memoryd import` until its end: what it told, how long it took, and its peak."""

    def __init__(self, server, path):
        began = time.perf_counter()
        command = [str(server.binary), "import", str(path), "--json"]
        # Lines of our own are taken as they are.
        command += [] if path.name == "export.jsonl" else ["--only", PARTS]
        self.process = subprocess.Popen(command, env=server.env, cwd=server.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.peak, self.is_over = 0, threading.Event()
        watcher = threading.Thread(target=self.watch, daemon=True)
        watcher.start()
        try:
            self.out, self.err = self.process.communicate(timeout=VERB_PATIENCE)
        finally:
            self.is_over.set()
            self.process.kill()
        watcher.join()
        self.seconds = time.perf_counter() - began

    def watch(self):
        # It never shrinks, so the last look tells all but the last moment.
        while not self.is_over.wait(PAUSE):
            self.peak = peak_of(self.process.pid) or self.peak

    def counts(self):
        """How many lines were new, known, and failed."""
        try:
            told = json.loads(self.out)
        except ValueError:
            raise SystemExit(f"importing: {self.err.decode()[-1500:]}") from None
        if "kinds" not in told:
            return told["imported"], told["duplicates"], told["failed"]
        kinds = told["kinds"].values()
        return sum(kind["new"] for kind in kinds), sum(kind["unchanged"] for kind in kinds), told["failed"]


def one_memory(server):
    """A file of one memory that no store has yet."""
    path = server.home / "one" / "export.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"content": f"a single memory of {time.time()}"}) + "\n")
    return path


def beside_a_server(options, settings, path):
    """What the verb took above its own, what the server took, and what each import told."""
    with common.server_of_its_own(options.bin, **settings) as server:
        server.start()
        own = Verb(server, one_memory(server)).peak
        first = Verb(server, path)
        peak = peak_of(server.process.pid)
        again = Verb(server, path)
        faults = server.stop() + server.panics()
        server.start()
        with contextlib.closing(server.door()) as door:
            status, _ = door.ask("GET", "/api/v1/search?query=penicillin")
        if status != 200:
            faults.append(f"a search after the import: {status}")
        started_again = peak_of(server.process.pid)
        faults += server.stop()
        told = {"verb": first.peak - own, "server_peak": peak, "started_again": started_again, "seconds": round(first.seconds, 1)}
        return told, first, again, faults


def alone(options, settings, path):
    """A verb that opens the store itself."""
    with common.server_of_its_own(options.bin, **settings) as server:
        return Verb(server, path)


def measured(options, name):
    """The figures of one format, and what of it must not be so."""
    settings = {} if not options.encoder else {"EMBEDDING_BUILTIN": "model"}
    file, write, make = FORMATS[name]
    with common.server_of_its_own(options.bin) as workshop:
        path = workshop.home / file
        lines = write(make, Texts(f"{options.seed} {name}"), path, options.megabytes * 1_000_000)
        told, first, again, faults = beside_a_server(options, settings, path)
        by_itself = alone(options, settings, path)
    # What is longer than a memory may be comes in parts, each of which is one.
    new = max(lines, first.counts()[0])
    told |= {"alone": by_itself.peak - told["server_peak"], "alone_seconds": round(by_itself.seconds, 1), "lines": new}
    for what, verb, expected in (("first", first, (new, 0, 0)), ("second", again, (0, new, 0)), ("alone", by_itself, (new, 0, 0))):
        if verb.counts() != expected:
            faults.append(f"{what}: new, known, failed are {verb.counts()}, not {expected}")
    faults += [f"{what}: {told[what] >> 20} MiB more" for what in ("verb", "alone") if told[what] > MOST_ABOVE]
    return told, faults


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=common.BINARY)
    p.add_argument("--megabytes", type=int, default=200)
    p.add_argument("--only", action="append", choices=FORMATS, help="one format, may be given several times (all)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--encoder", action="store_true", help="with the built-in encoder, which reads what was imported meanwhile")
    p.add_argument("--json", action="store_true")
    options = p.parse_args()
    results, is_bad = {}, False
    for name in options.only or FORMATS:
        told, faults = measured(options, name)
        results[name] = told | {"faults": faults}
        is_bad = is_bad or bool(faults)
        if not options.json:
            mib = {what: told[what] / 2**20 for what in ("verb", "alone", "server_peak", "started_again")}
            print(f"{name}: {told['lines']} memories in {told['seconds']} s: the reader takes {mib['verb']:.1f} MiB; alone in "
                  f"{told['alone_seconds']} s, {mib['alone']:.1f} MiB more than the server ({mib['server_peak']:.0f} while it was filled, "
                  f"{mib['started_again']:.0f} once it was started again)", flush=True)
            for fault in faults:
                print(f"  FAULT {fault}", flush=True)
    if options.json:
        print(json.dumps(results, indent=1))
    sys.exit(1 if is_bad else 0)


if __name__ == "__main__":
    main()
