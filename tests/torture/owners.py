#!/usr/bin/env python3
"""Many who want the same data directory: one has it, the others go through him or are refused, and nothing is lost.

    python3 tests/torture/owners.py [--bin target/release/memoryd] [--rounds 200] [--jobs N] [--writers 4] [--seed 1] [--encrypted]
                                    [--json]

A server runs, and some write to it, each write after the answer to the one before. Each round the lock file is left alone, removed,
emptied, replaced by another, moved away or made unreadable, and one to three others come at once: a second server with the same
run folder, with another one, by a link to the folder; `export`, `import`, `stdio`, `backup create`, with the run folder of the
server and with another; `check`, `check --salvage`, `backup restore` into the folder. Servers, checks and restores have to be
refused with a reason; of the others, who succeeds has to have done what he says. The server must not notice any of it. Every
fifth round it is killed, and three are started on the folder at the same moment, while somebody keeps on removing the lock:
exactly one may serve. Then everything that anybody had an answer to is there once, and nothing that nobody sent. At the end
the store is stopped and checked. Prints figures and each fault; exit 1 if there was one. Standard library only.

A round takes as long as those who come wait for the lock before they are refused: 3 s for a server, a check or a restore, 10 s
for a verb with another run folder, 30 s for stdio with another one; 5 s on average. So the rounds are shared by several
processes (--jobs), each with a server of its own; and while others only wait, those who write do it less often: what is
written is compared whole in every round, and would be more and more of it.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import common
from common import KEY, NoAnswer, NotSent

# Longer than a verb waits for a lock, a server for its start, and both for a busy machine.
PATIENCE = 60
KILLED_EVERY, STARTED_AT_ONCE = 5, 3
# Seconds of writing before others come, and between two writes of one.
ALONE, BREATH = 0.1, 0.02
# Seconds in which others come; whoever is not done by then waits for the lock. Then there is more time between two writes.
RUSH, CALM = 0.5, 0.2


class Writer:
    """Adds texts, one after the other. What it had an answer to has to be there."""

    def __init__(self, number, told):
        self.number, self.told, self.count = number, told, 0

    def run(self, door, is_over, killing, calm):
        while not is_over.wait(CALM if calm.is_set() else BREATH):
            self.count += 1
            text = f"o{self.number}.{self.count} of a writer"
            self.told.sent.add(text)
            try:
                status, answer = door.ask("POST", "/api/v1/memories", {"content": text})
            except (NotSent, NoAnswer) as error:
                if not killing.is_set():
                    self.told.faults.append(f"writer {self.number}: nobody killed the server, and yet: {error}")
                break
            if status in (200, 201):
                self.told.acked.add(text)
            else:
                self.told.faults.append(f"writer {self.number}: {status} {str(answer)[:200]}")
        door.close()


class Told:
    """What was sent, what had an answer, what was wrong."""

    def __init__(self):
        self.sent, self.acked, self.faults, self.outcomes = set(), set(), [], collections.Counter()


# ---- what others do -----------------------------------------------------------------------------
class Others:
    """Each gives whether it succeeded, after a look at what it says; what must not be is a fault."""

    def __init__(self, server, told):
        self.server, self.told, self.count, self.guard = server, told, 0, threading.Lock()
        self.running, self.is_ending, self.backup = set(), False, None

    def env(self, run):
        return self.server.env if run == "own" else {**self.server.env, "RUN_DIR": str(self.server.home / "run of others")}

    def verb(self, line, run="own", given=b""):
        """Ends with a code, and with one word at least if that is not 0."""
        name = f"{' '.join(map(str, line[:2]))} ({run} run folder)"
        with self.guard:
            if self.is_ending:
                return None
            pipe = subprocess.PIPE
            process = subprocess.Popen([str(self.server.binary), *map(str, line)], env=self.env(run), cwd=self.server.home,
                                       stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
            self.running.add(process)
        try:
            out, err = process.communicate(given, PATIENCE)
        except subprocess.TimeoutExpired:
            self.told.faults.append(f"{name} takes longer than {PATIENCE} s")
            process.kill()
            process.communicate()
            return None
        finally:
            self.running.discard(process)
        code, said = process.returncode, err.decode(errors="replace").strip()
        if not self.is_ending and (code < 0 or "panicked" in said or code and not said):
            self.told.faults.append(f"{name} ended with {code}: {said[-300:]!r}")
        self.told.outcomes[f"{line[0]} {'refused' if code else 'done'}"] += 1
        return subprocess.CompletedProcess(line, code, out, err)

    def end(self):
        """Whoever still waits for the folder must not get it when the server goes."""
        with self.guard:
            self.is_ending = True
            for process in list(self.running):
                process.kill()

    def refused(self, line, run="own"):
        done = self.verb(line, run)
        if done and done.returncode == 0:
            self.told.faults.append(f"{' '.join(map(str, line))} was let in: {done.stdout[-200:]!r}")

    def serve(self, run, *more):
        self.refused(["serve", *more], run)

    def second_server(self):
        self.serve("own")

    def server_elsewhere(self):
        self.serve("other")

    def server_by_link(self):
        with self.guard:
            link = self.server.home / "link"
            if not link.is_symlink():
                link.symlink_to(self.server.data)
        self.serve("other", "--data-dir", link)

    def export(self, run="own"):
        before = set(self.told.acked)
        done = self.verb(["export"], run)
        if done and done.returncode == 0:
            missing = before - {json.loads(line)["content"] for line in done.stdout.splitlines()}
            if missing:
                self.told.faults.append(f"an export ({run} run folder) lacks {len(missing)} of {len(before)}: {min(missing)}")
        elif run == "own":
            self.told.faults.append("export is refused beside the server of its own run folder")

    def export_elsewhere(self):
        self.export("other")

    def bring(self, run="own"):
        texts = self.texts(3)
        done = self.verb(["import", "-"], run, common.lines_of({"content": text} for text in texts))
        if done and done.returncode == 0:
            self.told.acked.update(texts)
        elif run == "own":
            self.told.faults.append("import is refused beside the server of its own run folder")

    def bring_elsewhere(self):
        self.bring("other")

    def stdio(self, run="own"):
        texts = self.texts(2)
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "owners", "version": "1"}}
        calls = [{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
                 *({**common.tool_call("add_memory", {"content": text}), "id": n} for n, text in enumerate(texts, 1))]
        done = self.verb(["stdio"], run, common.lines_of(calls))
        for line in done.stdout.splitlines() if done else []:
            answer = json.loads(line)
            if answer.get("id") and not answer.get("result", {"isError": True}).get("isError"):
                self.told.acked.add(texts[answer["id"] - 1])

    def stdio_elsewhere(self):
        self.stdio("other")

    def texts(self, count):
        with self.guard:
            self.count += count
            texts = [f"x.{n} of another" for n in range(self.count - count, self.count)]
        self.told.sent.update(texts)
        return texts

    def check(self):
        self.refused(["check"])

    def salvage(self):
        self.refused(["check", "--salvage"], "other")

    def create_backup(self):
        done = self.verb(["backup", "create", "--json"])
        if done and done.returncode == 0:
            self.backup = json.loads(done.stdout)["path"]
        else:
            self.told.faults.append("no backup is made beside the server")

    def restore_into(self):
        if self.backup:
            self.refused(["backup", "restore", self.backup])


# These wait long before they give up, and come less often.
PATIENT = ["export_elsewhere", "bring_elsewhere", "stdio_elsewhere"]
COMING = PATIENT + 6 * ["second_server", "server_elsewhere", "server_by_link", "export", "bring", "stdio", "check", "salvage",
                        "create_backup", "restore_into"]


# ---- rounds -------------------------------------------------------------------------------------
class Run:
    def __init__(self, server, options):
        self.server, self.o, self.told = server, options, Told()
        self.random = random.Random(f"{options.seed} {options.first}")
        self.others, self.kills = Others(server, self.told), 0
        self.writers = [Writer(number, self.told) for number in range(options.writers)]

    def play(self):
        self.server.start()
        for number in range(self.o.first, self.o.first + self.o.rounds):
            before = len(self.told.faults)
            self.round(is_killed=number % KILLED_EVERY == 0)
            for fault in self.told.faults[before:][:5]:
                print(f"FAULT in round {number}: {fault}", file=sys.stderr if self.o.json else sys.stdout, flush=True)
            if len(self.told.faults) > 50:
                break
        self.told.faults += self.server.stop()
        done = self.others.verb(["check"])
        if done and done.returncode:
            self.told.faults.append(f"check at the end: {(done.stdout + done.stderr).decode()[-300:]}")

    def round(self, is_killed):
        is_over, killing, calm = threading.Event(), threading.Event(), threading.Event()
        with concurrent.futures.ThreadPoolExecutor(self.o.writers + 3) as pool:
            working = [pool.submit(writer.run, self.server.door(), is_over, killing, calm) for writer in self.writers]
            try:
                time.sleep(ALONE)
                self.tamper()
                coming = sorted(set(self.random.choices(COMING, k=self.random.randint(1, 3))))
                others = [pool.submit(getattr(self.others, name)) for name in coming]
                if concurrent.futures.wait(others, RUSH).not_done:
                    calm.set()
                for one in others:
                    one.result()
                calm.clear()
                if is_killed:
                    # Long enough that all of them write as often as before.
                    time.sleep(CALM)
                if not self.is_well():
                    self.told.faults.append(f"the server is not well beside {coming}: {self.server.log_end()[-300:]}")
            except BaseException:
                self.others.end()
                raise
            finally:
                if is_killed:
                    killing.set()
                    self.server.kill()
                is_over.set()
            for one in working:
                one.result()
        if is_killed:
            self.race()
        self.compare()

    def tamper(self):
        """With the lock file, which is there for people; the folder itself is locked too."""
        lock = self.server.data / "lock"
        what = self.random.choice(["", "", "removed", "emptied", "replaced", "moved", "unreadable"])
        if not lock.exists():
            return
        if what in ("removed", "replaced"):
            lock.unlink()
        if what in ("emptied", "replaced"):
            lock.write_text("" if what == "emptied" else "1\n")
        if what == "moved":
            lock.rename(self.server.data / ".lock-that-was-moved")
        if what == "unreadable":
            lock.chmod(0)

    def is_well(self):
        with contextlib.suppress(NotSent, NoAnswer), contextlib.closing(self.server.door(None)) as door:
            return door.ask("GET", "/health")[0] == 200
        return False

    def race(self):
        """Several are started at once; who serves is the server from then on."""
        self.kills += 1
        server, is_over = self.server, threading.Event()
        # They share a log, in which a panic is found whoever it was.
        rivals = [server, *(common.Server(server.binary, server.home) for _ in range(STARTED_AT_ONCE - 1))]
        for n, rival in enumerate(rivals[1:]):
            rival.env = {**server.env, "RUN_DIR": str(server.home / f"run of rival {n}")} if n else server.env

        def remove_lock():
            while not is_over.wait(0.001):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(server.data / "lock")
        remover = threading.Thread(target=remove_lock, daemon=True)
        if self.random.random() < 0.5:
            remover.start()
        try:
            for rival in rivals:
                rival.launch()
            with concurrent.futures.ThreadPoolExecutor(len(rivals)) as pool:
                serving = [rival for rival, serves in zip(rivals, pool.map(serves_at_last, rivals), strict=True) if serves]
            if len(serving) != 1:
                self.told.faults.append(f"{len(serving)} of {len(rivals)} serve the same folder: {server.log_end()[-300:]}")
            # One goes on, in the place of the server.
            if serving and serving[0] is not server:
                server.process, server.port, server.env = serving[0].process, serving[0].port, serving[0].env
                serving[0].process = None
        finally:
            is_over.set()
            for rival in rivals[1:]:
                rival.kill()
        if not serving:
            server.start()
        end = time.monotonic() + PATIENCE
        while not self.is_well() and time.monotonic() < end:
            time.sleep(0.01)

    def compare(self):
        with contextlib.closing(self.server.door()) as door:
            status, text = door.ask("GET", "/api/v1/export")
        if status != 200:
            self.told.faults.append(f"the export: {status} {str(text)[:200]}")
            return
        found = collections.Counter(json.loads(line)["content"] for line in text.splitlines())
        lost, strange = self.told.acked - found.keys(), found.keys() - self.told.sent
        twice = [one for one, n in found.items() if n > 1]
        for kind, some in (("lost", lost), ("strange", strange), ("twice", twice)):
            if some:
                self.told.faults.append(f"{kind}: {len(some)} of {len(self.told.acked)}, such as {min(some)}")
        self.told.acked -= lost
        self.told.faults += self.server.panics()


def serves_at_last(server):
    try:
        server.await_port(PATIENCE)
    except common.NotStarted:
        server.kill()
        return False
    return True


# ---- all of it ----------------------------------------------------------------------------------
def alone(o):
    """Plays the rounds one after the other on one server, and gives the figures."""
    with common.server_of_its_own(o.bin, is_encrypted=o.encrypted) as server:
        run = Run(server, o)
        try:
            run.play()
        except (RuntimeError, common.NotStarted, NotSent, NoAnswer) as error:
            run.told.faults.append(f"failed: {error!r}")
        server.kill()
        told = run.told
        if told.faults:
            name = f"owners-{'encrypted-' if o.encrypted else ''}{o.seed}-{o.first}"
            print(f"kept in {common.keep(server, name, told.faults)}", file=sys.stderr)
    return {"kills": run.kills, "acknowledged": len(told.acked), "outcomes": told.outcomes, "faults": told.faults}


def together(o):
    """Has processes play a share of the rounds each, and gives the figures of all."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    shares = [o.rounds // o.jobs + (n < o.rounds % o.jobs) for n in range(o.jobs)]
    helpers = []
    try:
        for n, rounds in enumerate(shares):
            first = o.first + sum(shares[:n])
            line = [sys.executable, __file__, "--bin", o.bin, "--rounds", rounds, "--first", first, "--jobs", 1, "--writers", o.writers,
                    "--seed", o.seed, "--json", *(["--encrypted"] if o.encrypted else [])]
            helpers.append((first, subprocess.Popen([*map(str, line)], stdout=subprocess.PIPE)))
        parts = [figures_of(first, helper) for first, helper in helpers]
    finally:
        for _, helper in helpers:
            if helper.poll() is None:
                helper.terminate()
        for _, helper in helpers:
            helper.wait()
    return {"kills": sum(part["kills"] for part in parts), "acknowledged": sum(part["acknowledged"] for part in parts),
            "outcomes": sum((collections.Counter(part["outcomes"]) for part in parts), collections.Counter()),
            "faults": [fault for part in parts for fault in part["faults"]]}


def figures_of(first, helper):
    out, _ = helper.communicate()
    try:
        return json.loads(out)
    except ValueError:
        fault = f"the rounds from {first} on ended with {helper.returncode} and without figures: {out[-300:]!r}"
        return {"kills": 0, "acknowledged": 0, "outcomes": {}, "faults": [fault]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=common.BINARY)
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="rounds at a time; they mostly wait")
    p.add_argument("--writers", type=int, default=4)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--first", type=int, default=1, help="the number of the first round")
    p.add_argument("--encrypted", action="store_true", help="the store is encrypted")
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    o.jobs = max(1, min(o.jobs, o.rounds))
    played = together(o) if o.jobs > 1 else alone(o)
    figures = {"rounds": o.rounds, "seed": o.seed, "encrypted": o.encrypted, **played, "outcomes": dict(sorted(played["outcomes"].items()))}
    if o.json:
        print(json.dumps(figures))
    else:
        print(f"{o.rounds} rounds, {figures['kills']} kills with {STARTED_AT_ONCE} starts at once, {figures['acknowledged']} acknowledged")
        print(", ".join(f"{name} {n}" for name, n in figures["outcomes"].items()))
        print(f"{len(figures['faults'])} faults")
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
