"""Stores for decay.py: made through the real server, with the truth of each.

A *state* is all that a server tells of its store: memories with their history, what was given out, what can be undone,
tokens, users, the audit. A *scene* is a store that was stopped (or killed), its state, older copies of it, and stores of
somebody else.
"""

import concurrent.futures
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import random
import re
import resource
import select
import shutil
import signal
import subprocess
import threading
import time

import many
from common import KEY, Door, NoAnswer, NotSent
from frames import read_frames, seats_of

PATIENCE = 30
STARTED, GUARD, ENDING = set(), threading.Lock(), threading.Event()
# A size in a damaged file must not take the memory of the machine.
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))


class Hangs(Exception):
    """The program did not answer or end in time."""


class Unserved(Exception):
    """A server runs, and an answer that it owes does not come."""


# ---- processes ----------------------------------------------------------------------------------
def start(command, env, folder, out, err):
    """Never called by the main thread, so that no signal comes between a start and its entry."""
    with GUARD:
        if ENDING.is_set():
            raise SystemExit(1)
        # SIGXFSZ stays ignored, as Python has it: a write beyond a limit is then an error of the disk.
        process = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   restore_signals=False, start_new_session=True)
        STARTED.add(process)
    return process


def kill(process):
    """With what it started, as a shell does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def forget(process):
    with GUARD:
        STARTED.discard(process)


def end_all():
    with GUARD:
        ENDING.set()
        for process in STARTED:
            kill(process)


@dataclasses.dataclass
class Told:
    """How a run of the program ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def text(self):
        return f"{self.out}{self.err}"


class Home:
    """A folder with a data directory, in which the program is called `memoryd` as in what it prints."""

    def __init__(self, folder, binary, settings):
        self.folder, self.data, self.settings = pathlib.Path(folder), pathlib.Path(folder, "data"), settings
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        (programs / "memoryd").symlink_to(binary)
        self.env = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "DATA_DIR": str(self.data),
                    "RUN_DIR": f"{folder}/run", "PORT": "0", "RATE_LIMIT_REQUESTS": "0", "AUTH_FAIL_LIMIT": "1000000",
                    "EMBEDDING_BUILTIN": "table", "MCP_API_KEY": KEY, **settings}

    def fill(self, data):
        """Begins anew with a copy of a data directory."""
        for folder in (self.data, self.folder / "run"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(data, self.data)

    def run(self, line, without=()):
        """Does what is written or printed, as somebody who pastes it into a shell; perhaps without some settings."""
        command, env = ["sh", "-c", line], {name: value for name, value in self.env.items() if name not in without}
        process = start(command, env, self.folder, subprocess.PIPE, subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            kill(process)
            process.communicate()
            raise Hangs(line) from None
        finally:
            forget(process)
        return Told(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


class Server:
    """A server that was started on a home; `port` is nothing if it refused."""

    def __init__(self, home):
        self.log_file, self.door = home.folder / "server.log", None
        with open(self.log_file, "wb") as log:
            self.process = start([str(home.folder / "bin/memoryd")], home.env, home.folder, subprocess.PIPE, log)
        try:
            self.port = self.greeted()
        except Hangs:
            self.kill()
            raise
        if self.port is None:
            self.ended()
        else:
            self.door = Door(self.port)

    def greeted(self):
        said, end = b"", time.monotonic() + PATIENCE
        while b"started successfully" not in said:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise Hangs("the start")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                return None
            said += part
        return int(re.search(rb"on [^ ]+:(\d+)", said)[1])

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    def ask(self, method, path, body=None):
        try:
            return self.door.ask(method, path, body)
        except (NotSent, NoAnswer) as error:
            raise Unserved(f"{method} {path}: {error}") from None

    def told(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        if status not in (200, 201):
            raise Unserved(f"{method} {path}: {status} {str(answer)[:200]}")
        return answer

    def kill(self):
        kill(self.process)
        return self.ended()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self):
        if self.door:
            self.door.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            kill(self.process)
            self.process.wait()
            raise Hangs("the end after SIGTERM") from None
        finally:
            self.process.stdout.close()
            forget(self.process)
        return Told(self.process.returncode, "", self.log)


# ---- states -------------------------------------------------------------------------------------
def read_state(server):
    """All that a server tells of its store, as a key and a value each."""
    state = {}
    for user in server.told("GET", "/admin/users")["users"]:
        name = user["user_id"]
        state["user", name] = user
        for line in server.told("GET", f"/api/v1/export?user_id={name}").decode().splitlines():
            note_line(state, name, json.loads(line))
        for recall in server.told("GET", f"/api/v1/why?user_id={name}&limit=100")["recalls"]:
            state["recall", name, recall["at"], json.dumps(recall["asked"])] = [
                (given["id"], given["version"]) for given in recall["given"]]
        undone = server.told("POST", f"/api/v1/undo?user_id={name}", {"credential": "default", "since": "2020-01-01"})
        state.update({("step", name, step["step"]): step for step in undone["steps"]})
    state.update({("token", token["prefix"]): token for token in server.told("GET", "/admin/tokens")["tokens"]})
    for event in server.told("GET", "/admin/audit")["events"]:
        about = [str(event.get(field)) for field in ("event", "user", "prefix", "reason")]
        state["audit", event["at"], *about] = event["count"]
    return state


def note_line(state, user, line):
    history = line.pop("history", [])
    if line.keys() == {"id"}:
        state["history", user, line["id"]] += history
    else:
        state["memory", user, line["id"]], state["history", user, line["id"]] = line, history


def without_later(state, moment):
    """Leaves out what the reading itself put into the audit."""
    return {key: value for key, value in state.items() if key[0] != "audit" or key[1] <= moment}


def versions(state):
    """What each memory said in each of its versions that a state knows."""
    known = {}
    for (kind, *rest), value in state.items():
        for version in {"memory": [value], "history": value}.get(kind, []):
            known.setdefault(rest[1], set()).add((version["content"], tuple(version["tags"])))
    return known


@dataclasses.dataclass
class Copy:
    """A data directory that nobody opens any more, and what it holds."""

    data: pathlib.Path
    state: dict


@dataclasses.dataclass
class Scene:
    name: str
    data: pathlib.Path
    state: dict
    # The last moment that the state tells of.
    moment: str
    older: list
    foreign: list
    # The versions that ever were of each memory, those that were erased as well.
    known: dict
    # Of a store that was killed: what it held at its last checkpoint.
    synced: dict | None
    frames: list
    # The number of the session that each memory is in.
    seats: dict
    # Our own copies, older and newer, in which sessions keep something else while they sleep.
    minds: list = dataclasses.field(default_factory=list)


# ---- making -------------------------------------------------------------------------------------
class Life:
    """Uses a store as people do, and keeps copies of it."""

    def __init__(self, home, random_source, topic):
        self.home, self.random, self.topic = home, random_source, topic
        self.ids, self.known, self.count = {}, {}, 0
        self.server = None

    @contextlib.contextmanager
    def opened(self):
        self.server = started(self.home)
        yield self.server
        ended = self.server.stop()
        if ended.code:
            raise RuntimeError(f"the server ended with {ended.code}: {ended.err[-800:]}")

    def text(self):
        text, is_long = self.short_text(), self.count % 11 == 0
        return text + " and more" * (self.random.randint(600, 1500) if is_long else 0)

    def short_text(self):
        self.count += 1
        words = self.random.choices("river garden winter letter bridge copper lantern meadow kettle harbor violin".split(), k=9)
        return " ".join([f"{self.topic}-{self.count}", many.new_word(self.random), *words])

    def note(self, memory):
        self.known.setdefault(memory["id"], set()).add((memory["content"], tuple(memory["tags"])))

    def add(self, user="default"):
        body = {"content": self.text(), "tags": self.random.sample(["red", "green", "blue", "kept"], self.random.randint(0, 3)),
                "kind": self.random.choice(["note", "fact", "task"]), "priority": self.random.randint(1, 5),
                "metadata": {"place": self.count}}
        memory = self.server.told("POST", f"/api/v1/memories?user_id={user}", body)["memory"]
        self.ids.setdefault(user, []).append(memory["id"])
        self.note(memory)

    def change(self, user="default"):
        memory = self.random.choice(self.ids[user])
        body = self.random.choice([{"content": self.text()}, {"tags": ["changed", f"t{self.count}"]}, {"append": self.text()}])
        self.note(self.server.told("PATCH", f"/api/v1/memories/{memory}?user_id={user}", body)["memory"])

    def delete(self, user="default", purge=False):
        memory = self.ids[user].pop(self.random.randrange(len(self.ids[user])))
        body = {"purge": True} if purge else None
        self.server.told("DELETE", f"/api/v1/memories/{memory}?user_id={user}", body)
        return memory

    def write(self, adds, changes, deletions, user="default"):
        for act, times in ((self.add, adds), (self.change, changes), (self.delete, deletions)):
            for _ in range(times):
                act(user)

    def token(self, name, user):
        return self.server.told("POST", "/admin/tokens", {"name": name, "user_id": user})["prefix"]

    def fail_once(self):
        """Has the disk refuse one write: the journal leaves its segment and goes on in another one."""
        process, journal = self.server.process.pid, self.home.data / "journal"
        before, limit = set(journal.glob("*.log")), resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (64, limit[1]))
        status, _ = self.server.ask("POST", "/api/v1/memories?user_id=default", {"content": self.text()})
        resource.prlimit(process, resource.RLIMIT_FSIZE, limit)
        end = time.monotonic() + PATIENCE
        while set(journal.glob("*.log")) == before:
            if status != 503 or ENDING.is_set() or time.monotonic() > end:
                raise RuntimeError(f"a write that failed ({status}) led to no other segment")
            time.sleep(0.05)
            with contextlib.suppress(Unserved):
                self.add()

    def read(self, server):
        return read_state(server)

    def keep(self, name):
        """A copy of the stopped store, and what a server says on a copy of that."""
        kept, reader = (self.home.folder.parent / f"{what}-{self.topic}-{name}" for what in ("kept", "reader"))
        shutil.copytree(self.home.data, kept)
        home = Home(reader, (self.home.folder / "bin/memoryd").resolve(), self.home.settings)
        home.fill(kept)
        # The truth is what is stored, and not what somebody made of it.
        shutil.rmtree(home.data / many.FOLDER, ignore_errors=True)
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        time.sleep(0.002)
        server = started(home)
        state = without_later(self.read(server), moment)
        server.stop()
        shutil.rmtree(reader)
        for memory, said in versions(state).items():
            self.known.setdefault(memory, set()).update(said)
        return Copy(kept, state), moment


def started(home):
    server = Server(home)
    if server.port is None:
        raise RuntimeError(f"the server does not start on a good store: {server.log[-800:]}")
    return server


def live(folder, binary, settings, seed, topic, size):
    """One store from its first day on. Gives its copies by name, with their moments, and every version that was."""
    life = Life(Home(folder, binary, settings), random.Random(f"{seed} {topic}"), topic)
    copies = {}
    with life.opened() as server:
        for user, adds in (("default", size), ("ben", size // 6), ("leaver", size // 5)):
            life.write(adds, adds // 3, adds // 8, user)
        for name, user in (("laptop", "default"), ("phone", "ben"), ("lost", "leaver"), ("old", "default")):
            last = life.token(f"{name} of {topic}", user)
        server.told("POST", f"/admin/tokens/{last}/revoke")
    # Opened twice, sled has a snapshot of its own.
    with life.opened() as server:
        life.delete(purge=True)
        server.told("POST", f"/api/v1/memories/{life.delete()}/restore")
        for word in ("river", "garden", "copper"):
            server.told("GET", f"/api/v1/search?query={word}")
    copies["early"] = life.keep("early")
    with life.opened() as server:
        life.write(size // 5, size // 6, size // 12)
        life.write(3, 2, 1, "ben")
        server.told("POST", f"/admin/tokens/{life.token('tablet', 'ben')}/revoke")
    copies["small"] = life.keep("small")
    copies["killed"] = killed(life, "small", copies)
    with life.opened() as server:
        # Makes a snapshot of the journal and new trees.
        server.told("DELETE", "/admin/users/leaver")
        life.write(size // 5, size // 6, 2)
    with life.opened():
        life.write(1, 1, 0)
    copies["middle"] = life.keep("middle")
    with life.opened():
        life.write(4, 3, 1)
        for _ in range(2):
            life.fail_once()
            life.write(size // 8, size // 8, 1)
        life.write(2, 2, 0, "ben")
    with life.opened():
        life.write(1, 0, 0)
    copies["several"] = life.keep("several")
    copies["killed-several"] = killed(life, "several", copies)
    return copies, life.known


def killed(life, name, copies):
    """What is left if the store is killed in the middle of its work. The life goes on from before."""
    remembered = {user: list(ids) for user, ids in life.ids.items()}
    life.server = started(life.home)
    life.write(8, 6, 2)
    life.write(2, 1, 0, "ben")
    kept = end_by_kill(life, f"killed-{name}")
    life.ids = remembered
    life.home.fill(copies[name][0].data)
    return kept


def end_by_kill(life, name):
    life.server.kill()
    # Of the 4 MiB of zeros that were reserved, some are enough.
    segment = max(life.home.data.glob("journal/0*.log"))
    os.truncate(segment, len(segment.read_bytes().rstrip(b"\0")) + 65536)
    return life.keep(name)


def make(folder, binary, settings, seed):
    """All scenes, each with the settings of its topic. The foreign store is larger than the own one."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lives = [pool.submit(live, folder / topic, binary, settings[topic], seed, topic, size)
                 for topic, size in (("own", 50), ("foreign", 110))]
        (own, known), (foreign, _) = (life.result() for life in lives)
    others = [foreign["small"][0], foreign["several"][0]]
    for name, older in (("small", ["early"]), ("several", ["middle", "small"]), ("killed", ["small", "early"]),
                        ("killed-several", ["several", "middle"])):
        scene = scene_of(name, own[name], [own[old][0] for old in older], others, known, is_killed=name.startswith("killed"))
        if "several" in name and len({frame.header for frame in scene.frames}) < 4:
            raise RuntimeError(f"{name} has no snapshot with three segments behind it")
        yield scene


def scene_of(name, kept, older, foreign, known, is_killed):
    """Of a store that was killed the first of the older copies is what its last stop left."""
    (copy, moment), synced = kept, older[0] if is_killed else None
    frames = read_frames(copy.data / "journal")
    before = {frame.content for frame in read_frames(synced.data / "journal")} if synced else set()
    for frame in frames:
        frame.is_synced = frame.content in before
    return Scene(name, copy.data, copy.state, moment, older, foreign, known, synced and synced.state, frames, seats_of(frames))
