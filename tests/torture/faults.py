#!/usr/bin/env python3
"""Lets the disk of the real server fail, call by call, and sees that it goes on reading, says so, and comes back.

    python3 tests/torture/faults.py [--bin target/release/memoryd] [--upto 200] [--quick] [--only NAME] [--encrypted] [--json]

A trial: a server under shim/disk.c on a small store; the n-th call of a kind (write, sync, ...) below its folder fails, counted
from its start, once or from then on; with each n it is another error (--all-errors: all with each). Meanwhile memories are
added, changed, deleted, read, searched, and users erased. While the disk fails, a write is carried out or answered 503
`storage_unavailable` within 10 s, what is read is right, and /health is 503 while writes are refused. Once the disk is well,
writes work within 2 s. Then the server is killed and starts: what was acknowledged is there, what was refused is not (unless it
was killed while the disk failed). A start that fails must say why, and the next one must find everything. Then whole disks:
full, read-only in the midst and at the start (mounted, as root, in a namespace that goes with the program), a limit of files
(SIGXFSZ), one of room. With --encrypted the store has a key, where n is odd from this start on only, which encrypts it; after
the next start nothing on the disk is readable. Linux on x86_64, gcc, the standard library. Prints figures, and each fault once,
with its evidence under target/torture; exits 1 if there was one.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import copy
import ctypes
import errno
import json
import mmap
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import common
from common import KEPT, ROOT

STARTED = set()
# What a call that broke off raises.
BROKEN = (OSError, common.NotSent, common.NoAnswer)
# Kinds of calls as in shim/disk.c, and the errors that they can have. "change" is all that changes something: with EROFS, it is
# a disk that was mounted anew for reading only.
KINDS = {"write": (1, ["ENOSPC", "EDQUOT", "EIO", "EROFS"]), "sync": (2, ["EIO", "ENOSPC", "EDQUOT"]),
         "create": (4, ["EMFILE", "ENOSPC", "EDQUOT", "EIO", "EROFS"]), "rename": (8, ["ENOSPC", "EIO", "EROFS"]),
         "truncate": (16, ["EIO", "EROFS"]), "mkdir": (32, ["ENOSPC", "EDQUOT", "EIO"]), "unlink": (64, ["EIO", "EROFS"]),
         "read": (128, ["EIO"]), "open": (256, ["EMFILE", "EIO"]), "reserve": (512, ["ENOSPC", "EIO"]),
         "change": (1 | 2 | 4 | 8 | 16 | 32 | 64 | 512, ["EROFS", "EIO", "ENOSPC"])}
QUICK = [1, 9, 21, 32]
# Whole disks, and the commands that make each, let it fail, heal it and take it away. The limits fail by themselves.
TMPFS, UMOUNT = "mount -t tmpfs -o size=40m tmpfs disk", "umount disk"
DISKS = {"room": {}, "file-limit": {"fail": "prlimit --pid $SERVER --fsize=262144:",
                                    "heal": "! kill -0 $SERVER || prlimit --pid $SERVER --fsize=unlimited:"},
         "full": {"make": TMPFS, "fail": "! cat /dev/zero > disk/filler", "heal": "rm -f disk/filler", "end": UMOUNT},
         "read-only-start": {"make": TMPFS, "start": "mount -o remount,ro disk", "heal": "mount -o remount,rw disk",
                             "end": UMOUNT},
         "read-only": {"make": "truncate -s 64M image && mkfs.ext4 -q image && mount -o loop,errors=remount-ro image disk",
                       "fail": "d=$(readlink -f /sys/dev/block/$(mountpoint -d disk)) && "
                               "echo torture > /sys/fs/ext4/$(basename $d)/trigger_fs_error",
                       "heal": "umount disk && (e2fsck -fy image; mount -o loop image disk)", "end": UMOUNT}}
RECOVERS_WITHIN = [2]  # seconds; the short form runs beside builds, and judges no times
# Of users and texts; none of it stands in an encrypted store.
READABLE = (b"was said at", b"and so on", b"gone-")
MOST_KEPT = 40  # trials of which evidence stays


# ---- a server, also for power.py ----------------------------------------------------------------
def take_signals():
    """Ctrl-C ends what was started; files go as the program leaves."""
    def end(_signal, _frame):
        STARTED.add(None)
        for process in STARTED - {None}:
            process.kill()
        raise SystemExit(1)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def build_shim():
    KEPT.mkdir(parents=True, exist_ok=True)
    # Two programs may build at once: each puts a whole file in place.
    shim, draft = KEPT / "disk.so", KEPT / f"disk-{os.getpid()}.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", draft, ROOT / "tests/torture/shim/disk.c"], check=True)
    return draft.rename(shim)


class Control(ctypes.Structure):
    """What the shim and we tell each other while the server runs; shim/disk.c explains the fields."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("position", "armed", "kinds", "error", "first", "count", "seen", "failed",
                                                     "limit", "written", "strange")]


def control_at(path, *values):
    path.write_bytes(bytes(4096))
    with open(path, "r+b") as file:
        control = Control.from_buffer(mmap.mmap(file.fileno(), 4096))
    control.armed, control.kinds, control.error, control.first, control.count = values or (0, 0, 0, 0, 0)
    return control


class Server(common.Server):
    """The common one with its data in one folder, and what else it needs in another. It serves on a disk that fails, too."""

    def __init__(self, binary, data, beside, extra=None):
        beside.mkdir(parents=True, exist_ok=True)
        super().__init__(binary, beside, DATA_DIR=str(data), **(extra or {}))
        self.data, self.log_start, self.ended_with = data, 0, None

    def log(self):
        """Since the last start."""
        with open(self.log_file, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def launch(self):
        if None in STARTED:
            raise RuntimeError("nothing is started any more")
        self.log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        super().launch()
        STARTED.add(self.process)

    def start(self, patience=30):
        """Whether it serves, however well. Where it does not, its process has ended, or is ended."""
        self.launch()
        try:
            self.await_port(patience)
        except common.NotStarted:
            # It closes its output a moment before it is gone.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            self.ended_with = self.process.poll()
            self.kill()
            return False
        return True

    def ask(self, method, path, body=None, timeout=10):
        """The status, and the answer: JSON, or a list of lines of it."""
        with contextlib.closing(self.door()) as door:
            door.connection.timeout = timeout
            status, told = door.ask(method, path, body)
        return status, told if isinstance(told, dict) else [json.loads(line) for line in told.splitlines()]

    def told(self, method, path, body=None):
        status, answer = self.ask(method, path, body, 30)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer

    def kill(self):
        if self.process:
            STARTED.discard(self.process)
        super().kill()


def data_in(disk):
    """Two folders down: the first start has to make both, and their names durable."""
    return disk / "home/data"


def read_all(server):
    """Every memory of every user by the first word of its text, and every token."""
    state = {}
    users = [user["user_id"] for user in server.told("GET", "/admin/users")["users"] if user["has_memories"]]
    for user in {"default", *users}:
        for line in server.told("GET", f"/api/v1/export?user_id={user}"):
            if "content" in line:
                state[line["content"].split()[0]] = (line["status"], line["content"])
    for token in server.told("GET", "/admin/tokens")["tokens"]:
        state["token " + token["name"]] = (token["state"], "")
    return state


class Facts:
    """What was asked for each thing (by the first word of its text), what it is afterwards, and between which moments the
    question and its answer lay. In power.py a moment is a place of the trace."""

    def __init__(self):
        self.events, self.erasures = collections.defaultdict(list), []
        # In power.py, the user with many memories, once he is there.
        self.hoard = None

    def sent(self, key, state, moment):
        event = {"sent": moment, "acked": None, "state": state, "is_erasure": key.startswith("g") and state is None}
        self.events[key].append(event)
        return event

    def compare(self, found, cut):
        """How many effects were acknowledged, and what is wrong. What a probe has added is left out."""
        acknowledged, problems = 0, []
        for key in [key for key in self.events.keys() | found.keys() if not key.startswith("probe-")]:
            states, is_told = [None], False
            for event in [event for event in self.events.get(key, []) if event["sent"] < cut]:
                was_acked = event["acked"] is not None and event["acked"] <= cut
                states, is_told = ([], True) if was_acked else (states, is_told)
                states = [*states, event["state"]]
            acknowledged += is_told
            if found.get(key) not in states:
                kind = "lost" if key not in found else "back" if states == [None] and is_told else "wrong"
                problems.append(f"{kind}: {key} is {shortened(found.get(key))}, and may be {[*map(shortened, states)]}")
        return acknowledged, problems


def shortened(state):
    return state and f"{state[0]} {state[1][:40]!r} ({len(state[1])} characters, ends {state[1][-20:]!r})"


# ---- what is done to a server -------------------------------------------------------------------
class Driver:
    """Asks for changes and reads, one after the other, and notes what was wrong."""

    def __init__(self, server, past=None):
        self.server, (self.facts, self.known, self.moment) = server, copy.deepcopy(past) if past else (Facts(), {}, 0)
        self.problems, self.refused, self.is_blind, self.may_be_blind = [], [], False, False

    def call(self, method, path, body=None):
        began = time.monotonic()
        try:
            return self.server.ask(method, path, body)
        except BROKEN as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.server.process.wait(0.5)
                raise RuntimeError(f"the server ended with {code}") from error
            self.problems.append(f"{method} {plain(path)}: {error!r} after {time.monotonic() - began:.0f} s")
            return 0, {}

    def change(self, key, state, method, path, body=None):
        """The answer, if it was one of success."""
        self.moment += 1
        event = self.facts.sent(key, state, self.moment)
        status, answer = self.call(method, path, body)
        if status in (200, 201):
            event["acked"] = self.moment
            return answer
        if (status, answer.get("code")) != (503, "storage_unavailable"):
            self.problems.append(f"{method} {plain(path)}: answered {status} {answer.get('code')}")
        # An erasure is done in parts, and may have begun.
        self.refused += [] if event["is_erasure"] else [(key, event)]
        return None

    def add(self, key, query=""):
        text = f"{key} was said at moment {self.moment} {'and so on ' * (self.moment * 7 % 90)}".strip()
        answer = self.change(key, ("active", text), "POST", f"/api/v1/memories{query}", {"content": text})
        if answer and not query:
            self.known[key] = answer["id"], text
        return answer

    def step(self):
        """One change and one read; every tenth time somebody is erased, which makes all files anew."""
        n = self.moment
        key, (id_, text) = list(self.known.items())[n % len(self.known)] if self.known else ("", ("", ""))
        if n % 10 == 9:
            self.add(f"g{n}", f"?user_id=gone-{n}")
            self.change(f"g{n}", None, "DELETE", f"/admin/users/gone-{n}")
        elif n % 10 in (3, 6):
            text = f"{text[:2000]} again {n}"
            if self.change(key, ("active", text), "PATCH", f"/api/v1/memories/{id_}", {"content": text}):
                self.known[key] = id_, text
        elif n % 10 == 7 and len(self.known) > 20:
            del self.known[key]
            self.change(key, ("deleted", text), "DELETE", f"/api/v1/memories/{id_}")
        else:
            self.add(f"m{n}")
        self.read(n)

    def read(self, n):
        if not self.known:
            return
        key, (id_, text) = list(self.known.items())[n % len(self.known)]
        path = f"/api/v1/search?query={key}&mode=keyword" if n % 2 else f"/api/v1/memories/{id_}"
        status, answer = self.call("GET", path)
        found = [one["content"] for one in answer.get("results", [answer.get("memory", {})]) if one.get("id") == id_]
        self.is_blind = status != 200
        if self.is_blind:
            self.problems += [] if self.may_be_blind else [f"GET {plain(path)}: answered {status} {answer.get('code')}"]
        elif found != [text]:
            self.problems.append(f"wrong: GET {plain(path)} gives {shortened(('', str(found)))}, not {shortened(('', text))}")

    def go_on(self, seconds):
        """While the disk fails for good: whoever refuses a write has to say that he is not well. Where some files can still be
        made (a limit on their size), he may have come back between the two; then he takes the next one."""
        late = time.monotonic() + seconds
        while time.monotonic() < late:
            if self.is_refused() and self.call("GET", "/health")[0] == 200 and self.is_refused():
                self.problems.append("/health is well while writes are refused")
            time.sleep(0.02)

    def is_refused(self):
        """One more step, and whether what it changes was refused."""
        refused = len(self.refused)
        self.step()
        return len(self.refused) > refused

    def come_back(self):
        """The seconds until a write is taken and a read is answered."""
        began, self.may_be_blind, self.is_blind = time.monotonic(), True, True
        while self.is_blind and time.monotonic() < began + 40:
            if self.add(f"m{self.moment}"):
                self.read(self.moment)
            time.sleep(0.01)
        seconds, self.may_be_blind = time.monotonic() - began, False
        if seconds > RECOVERS_WITHIN[0]:
            self.problems.append(f"slow: writes and reads came back after more than {RECOVERS_WITHIN[0]} s")
        if self.call("GET", "/health")[0] != 200:
            self.problems.append("/health is not well though the disk is")
        return seconds

    def compare(self, server, is_refused_gone):
        """What a start finds. What was refused is not there, if the disk was well when the server was killed."""
        for key, event in self.refused if is_refused_gone else []:
            self.facts.events[key].remove(event)
        if not server.start():
            self.problems.append(f"lost: does not start any more: {server.log()[-600:]}")
            return
        try:
            self.problems += self.facts.compare(read_all(server), self.moment + 1)[1]
        except (*BROKEN, RuntimeError) as error:
            self.problems.append(f"lost: cannot be read after a start: {error!r}")
        server.kill()


def plain(text):
    """Without what is different each time."""
    return re.sub(r"query=[^&]*|01[0-9A-Z]{24}|gone-\d+|\b[mg]\d+\b|\btask \d+|Os \{.*?\}", "...", text)


# ---- one call that fails ------------------------------------------------------------------------
class Trial:
    """The n-th call of a kind fails, once or from then on; or a whole disk, if the name is that of one."""

    kept = 0

    def __init__(self, o, name, kind="", error="EIO", n=0, lasts=True):
        self.o, self.name, self.kind, self.error, self.n, self.lasts = o, name, kind, error, n, lasts
        self.folder, self.problems, self.outcome, self.back = o.work / name, [], "not reached", 0
        self.store, self.past = o.stores[n % 2]

    def run(self):
        try:
            self.play()
        finally:
            self.clear_away()
        return self

    def play(self):
        (self.folder / "disk").mkdir(parents=True)
        self.do("make")
        shutil.copytree(self.store / "disk", self.folder / "disk", dirs_exist_ok=True)
        self.do("start")
        driver, is_well = Driver(self.server(), self.past), False
        # Where no file of any folder may grow, there is no place to read from either once sled has failed.
        driver.may_be_blind = self.kind in ("read", "open") or self.name == "file-limit"
        try:
            is_well = self.drive(driver)
        except RuntimeError as died:
            self.outcome, driver.problems = "died", [*driver.problems, str(died)]
        finally:
            driver.server.kill()
        driver.problems += [line.split("Z ")[-1] for line in driver.server.log().splitlines() if "panicked" in line]
        if not is_well:
            self.do("heal")
        if self.outcome != "not reached":
            data = data_in(self.folder / "disk")
            driver.compare(Server(self.o.bin, data, self.folder / "beside", self.o.settings), is_well)
            found = common.readable_in(data, READABLE) if self.o.settings else ()
            driver.problems += [f"readable: {word!r} is in {file.relative_to(data)}" for word, file in found]
        self.problems = driver.problems

    def do(self, step, process=None):
        """What a whole disk needs."""
        if step == "heal":
            self.control.armed = self.control.limit = 0
        elif (self.name, step) == ("room", "fail"):
            self.control.limit = 300_000
        line, env = DISKS.get(self.name, {}).get(step, ":"), {**os.environ, "SERVER": str(process and process.pid)}
        done = subprocess.run(line, shell=True, cwd=self.folder, env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{line}: {done.stderr.strip()}")

    def server(self):
        kinds, error = KINDS.get(self.kind, [0])[0], getattr(errno, self.error)
        self.control = control_at(self.folder / "control", 1, kinds, error, self.n, 1 << 62 if self.lasts else 1)
        extra = {"TORTURE_ROOT": str(self.folder / "disk"), "TORTURE_CONTROL": str(self.folder / "control"),
                 "LD_PRELOAD": str(self.o.shim), **self.o.settings} | ({"TORTURE_READS": "1"} if self.kind == "read" else {})
        return Server(self.o.bin, data_in(self.folder / "disk"), self.folder / "beside", extra)

    def drive(self, driver):
        """Whether the disk was well when the server was killed."""
        if not driver.server.start(15):
            said = driver.server.log().strip().splitlines()[-1].split("Z ")[-1]
            self.outcome = f"start refused: {said}" if self.name in DISKS else "start refused"
            if driver.server.ended_with != 1 or not said.startswith("error: "):
                driver.problems.append(f"the start ended with {driver.server.ended_with}: {said}")
            return False
        self.do("fail", driver.server.process)
        late, is_mounted = time.monotonic() + 15, "end" in DISKS.get(self.name, {})
        while not (self.control.failed or driver.refused or is_mounted):
            if time.monotonic() > late:
                return True
            driver.step()
        self.outcome = "failed"
        if self.lasts:
            # Longer than from one checkpoint to the next, now and then.
            driver.go_on(7 if self.n % 10 == 0 else 1)
            if self.n % 4 == 2 or self.name == "read-only":
                driver.problems += driver.server.stop()
            if self.n % 4 > 1 or self.name == "read-only":
                return False
        self.do("heal", driver.server.process)
        self.back = driver.come_back()
        return True

    def clear_away(self):
        if self.problems and Trial.kept < MOST_KEPT and None not in STARTED:
            Trial.kept += 1
            kept = self.o.out / f"faults-{'encrypted-' if self.o.encrypted else ''}{self.name}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.folder, kept, ignore=shutil.ignore_patterns("run", "filler", "image"))
            (kept / "verdict.txt").write_text("\n".join(self.problems))
            for file in self.o.settings.values():
                shutil.copy(file, kept)
        self.do("end")
        shutil.rmtree(self.folder)


def prepare(o, name, settings):
    """Makes a small store, and gives its folder and what is in it."""
    folder = o.work / name
    driver = Driver(Server(o.bin, data_in(folder / "disk"), folder / "beside", settings))
    is_started = driver.server.start()
    for _ in range(40 if is_started else 0):
        driver.step()
    if not is_started or driver.problems + driver.server.stop():
        raise SystemExit(f"the server is not well without faults: {driver.problems} {driver.server.log()[-1500:]}")
    return folder, (driver.facts, driver.known, driver.moment)


def trials_of(o, kind):
    """As far as it is reached: what does not come n times does not come more often either."""
    done, errors, numbers = [], KINDS[kind][1], QUICK if o.quick else range(1, o.upto + 1)
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        while numbers and sum(trial.outcome == "not reached" for trial in done) < 5:
            some, numbers = numbers[:10], numbers[10:]
            made = [Trial(o, f"{kind}-{n}-{error}-{'on' if lasts else 'once'}", kind, error, n, lasts) for n in some
                    for error in (errors if o.all_errors else [errors[n % len(errors)]]) for lasts in (False, True)]
            done += pool.map(Trial.run, made)
    return done


def trials_of_disks(o):
    # A mount namespace of our own (CLONE_NEWNS): what is mounted goes with the program.
    may_mount = (os.geteuid() == 0 and ctypes.CDLL(None).unshare(0x20000) == 0
                 and subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True).returncode == 0)
    wanted = [name for name in DISKS if name in (o.only or DISKS)]
    names = [name for name in wanted if may_mount or "make" not in DISKS[name]]
    for name in [name for name in wanted if name not in names]:
        say(o, f"{name}: skipped, since mounting is not allowed here")
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        return [[done] for done in pool.map(Trial.run, [Trial(o, name) for name in names])]


# ---- the program --------------------------------------------------------------------------------
def say(o, text):
    print(text, file=sys.stderr if o.json else sys.stdout, flush=True)


def tell(o, name, done):
    """The figures of a kind or a disk."""
    outcomes, faults = collections.Counter(trial.outcome for trial in done), {}
    for trial in done:
        for problem in {plain(problem) for problem in trial.problems}:
            faults.setdefault(problem, []).append(trial.name)
    slowest = round(max(trial.back for trial in done), 2)
    say(o, f"{name}: {dict(outcomes)}, back after {slowest} s at most, {len(faults)} faults")
    for fault, names in faults.items():
        say(o, f"  in {len(names)} trials, such as {names[0]}: {fault}")
    return {"outcomes": outcomes, "slowest_recovery": slowest, "faults": faults}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=common.BINARY)
    p.add_argument("--out", type=pathlib.Path, default=KEPT, help="where evidence is kept")
    p.add_argument("--upto", type=int, default=200, help="the n of the last call that fails (200)")
    p.add_argument("--quick", action="store_true", help="some calls only, in about a minute")
    p.add_argument("--all-errors", action="store_true", help="each call with each error")
    p.add_argument("--only", choices=[*KINDS, *DISKS], action="append", help="this kind or disk; may be given again")
    p.add_argument("--encrypted", action="store_true", help="the store is encrypted, or is being encrypted")
    p.add_argument("--jobs", type=int, default=4 * os.cpu_count(), help="trials at a time; they mostly wait")
    p.add_argument("--json", action="store_true", help="print the figures as JSON, and the rest to standard error")
    o = p.parse_args()
    if o.quick:
        RECOVERS_WITHIN[0] = 30
    o.bin, o.out, o.shim = o.bin.resolve(), o.out.resolve(), build_shim()
    take_signals()
    with tempfile.TemporaryDirectory(prefix="memoryd-faults-") as work:
        o.work = pathlib.Path(work).resolve()
        o.settings = common.encryption(work) if o.encrypted else {}
        # For even and for odd calls.
        o.stores = [prepare(o, "store", o.settings)] * 2
        if o.encrypted:
            o.stores[1] = prepare(o, "plain", {})
        figures = {kind: tell(o, kind, trials_of(o, kind)) for kind in KINDS if not o.only or kind in o.only}
        figures |= {done[0].name: tell(o, done[0].name, done) for done in trials_of_disks(o)}
    failed = sum(len(figure["faults"]) for figure in figures.values())
    times = sum(figure["outcomes"]["failed"] for figure in figures.values())
    print(json.dumps(figures) if o.json else f"{times} failures of a disk under load, {failed} faults of the server")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
