"""What the clients of crash.py do, and what each knows of its own memories and tokens."""

import collections
import dataclasses
import json
import random
import time
import typing

import common
from common import KEY, LINES, NoAnswer, NotSent

# A change of more memories than this is made in parts, each of them whole.
PART = 64
# Enough that everything happens, few enough that all can be compared each time.
MOST_SINGLES, MOST_GROUPS, MOST_TOKENS, MOST_VERSIONS = 30, 4, 6, 7
WORDS = "anna ben garden penicillin train lamp river copper tuesday violin kettle harbor".split()


class Version(typing.NamedTuple):
    number: int
    content: str
    tags: tuple
    title: str
    status: str


# What a memory is: all its versions, the present one last. A token is the word for its state. None is what is not there.
def made(content, tags, title="", number=1):
    return (Version(number, content, tuple(tags), title, "active"),)


def changed(state, **fields):
    return (*state, state[-1]._replace(number=state[-1].number + 1, **fields))


def is_live(state):
    return state == "active" or isinstance(state, tuple) and state[-1].status == "active"


@dataclasses.dataclass
class Effect:
    """A change of which nobody knows what became: what it touches is as in one of the worlds.

    The first of them is before it, the last one after it. With `has_parts` it may have been made for a part of the memories.
    """

    what: str
    worlds: list
    has_parts: bool = False

    def allows(self, found):
        return found in self.worlds or self.has_parts and self.is_partly_made(found)

    def is_partly_made(self, found):
        """Which memories a part has, nobody promises; but each part has so many, and is whole."""
        before, after = self.worlds[0], self.worlds[-1]
        made = [marker for marker, state in found.items() if state == after[marker]]
        is_whole = all(state in (before[marker], after[marker]) for marker, state in found.items())
        return is_whole and len(made) % PART == 0


class Down(Exception):
    """The server is gone, and with it this round."""


# ---- what a client does -------------------------------------------------------------------------
class Client:
    """Owns memories and tokens, each known by a marker that its text begins with, or its name is; knows what they have to be."""

    def __init__(self, number, user, key, seed):
        self.number, self.user, self.key = number, user, key
        self.random = random.Random(f"{seed} {number}")
        self.count = 0
        self.known, self.ids, self.born, self.secrets = {}, {}, {}, {}
        self.groups, self.steps = {}, {}
        self.gone, self.dead_secrets = set(), collections.deque(maxlen=4)
        self.open, self.busy, self.odd, self.erased = [], set(), [], []
        # Who is to be erased, and perhaps was already when the server went.
        self.leaver, self.erasures = None, 0
        self.acknowledged = collections.Counter()
        self.log = collections.deque(maxlen=400)

    def work(self, port, killing):
        """Goes on until the server is gone."""
        self.door, self.killing, self.port = common.Door(port, self.key), killing, port
        names, weights = zip(*self.deeds(), strict=True)
        try:
            while not killing.is_set():
                getattr(self, self.random.choices(names, weights)[0])()
        except Down:
            pass
        finally:
            self.door.close()

    def deeds(self):
        """What it does, and how often."""
        return DEEDS

    # -- asking
    def call(self, what, ask):
        """Gives the answer, or nothing if it is not known what became of the request."""
        try:
            return ask()
        except NotSent as error:
            self.no_answer(what, error)
            raise Down from error
        except NoAnswer as error:
            self.no_answer(what, error)
            return None, None

    def answer_to(self, what, ask):
        """Gives the answer. Without one the round is over."""
        status, answer = self.call(what, ask)
        if status is None:
            raise Down
        return status, answer

    def no_answer(self, what, error):
        if not self.killing.is_set():
            self.odd.append(f"{what}: no answer, and nobody killed it: {error}")

    def change(self, what, after, ask, parts=(), has_parts=False):
        """Asks for a change that makes `after` of what is known. Gives the answer to it."""
        worlds = [{marker: self.known.get(marker) for marker in after}, *parts, after]
        status, answer = self.call(what, ask)
        self.log.append([what, status, list(after)[:5]])
        if status in (200, 201):
            self.known.update(after)
            self.acknowledged[what] += 1
            return answer
        self.leave_open(what, worlds, has_parts)
        if status is None:
            raise Down
        self.odd.append(f"{what}: {status} {str(answer)[:300]}")
        return None

    def leave_open(self, what, worlds, has_parts=False):
        self.open.append(Effect(what, worlds, has_parts))
        self.busy.update(worlds[0])

    def expect(self, what, is_right, told):
        if not is_right:
            self.odd.append(f"{what}: {str(told)[:300]}")

    def rest_or_tool(self, method, path, body, tool, arguments):
        if self.random.random() < 0.5:
            return lambda: self.door.ask(method, path, body)
        return lambda: self.door.tool(tool, arguments)

    # -- choosing
    def marker(self):
        self.count += 1
        return f"m{self.number}.{self.count}"

    def ulid(self):
        """One of now, as another store would have made it."""
        return common.ulid(time.time_ns() // 1_000_000 << 80 | self.random.getrandbits(80))

    def text(self, marker):
        # Some are longer than what sled keeps in one piece.
        words = self.random.choice((3, 12, 60, 900)) if self.random.random() < 0.2 else 8
        return " ".join([marker, str(self.random.random()), *self.random.choices(WORDS, k=words)])

    def free(self, status=None, is_of=lambda _: True):
        """Memories of which all is known, none of them in a large group."""
        return [marker for marker in self.known if self.is_free(marker, status, is_of)]

    def is_free(self, marker, status, is_of):
        state = self.known.get(marker)
        return marker not in self.busy and isinstance(state, tuple) and marker in self.ids and is_of(marker) \
            and status in (None, state[-1].status) and not self.is_in_large(state)

    def is_in_large(self, state):
        tag = state[-1].tags[0] if state[-1].tags else ""
        return len(self.groups.get(tag, ())) > PART

    def one(self, status=None, is_of=lambda _: True):
        return self.random.choice(self.free(status, is_of) or [None])

    def group(self, is_of):
        """A group of which all is known."""
        groups = [tag for tag, markers in self.groups.items()
                  if not self.busy.intersection(markers) and is_of(tag)]
        return self.random.choice(groups or [None])

    def members(self, tag, status=None):
        alive = [(marker, self.known.get(marker)) for marker in self.groups[tag]]
        return {marker: state for marker, state in alive if state and status in (None, state[-1].status)}

    # -- what is found after a start
    def adopt(self, found, ids):
        """Takes what is there for what has to be there from now on."""
        self.gone.update((self.known.keys() | self.busy) - found.keys())
        self.known, self.ids = dict(found), ids
        self.dead_secrets.extend(self.secrets.pop(name) for name in list(self.secrets) if name not in found)
        self.born = {marker: self.born.get(marker, 1) for marker in found}
        self.groups = {tag: markers for tag, markers in self.groups.items() if any(marker in found for marker in markers)}
        self.steps = {tag: step for tag, step in self.steps.items() if tag in self.groups}
        self.open, self.busy, self.odd, self.erased = [], set(), [], []

    # -- memories
    def add(self):
        singles = self.free(is_of=lambda marker: not any(marker in group for group in self.groups.values()))
        self.purge() if len(singles) > MOST_SINGLES else self.add_one()

    def add_one(self):
        marker = self.marker()
        text, tags = self.text(marker), self.random.sample(WORDS, self.random.randint(0, 3))
        title = self.random.choice(("", f"about {marker}"))
        body = {"content": text, "tags": tags, "title": title}
        ask = self.rest_or_tool("POST", "/api/v1/memories", body, "add_memory", body)
        self.born[marker] = 1
        answer = self.change("add", {marker: made(text, tags, title)}, ask)
        if answer:
            self.ids[marker] = answer["id"]
            self.expect("add", answer["status"] == "created" and answer["memory"]["version"] == 1, answer)

    def update(self):
        if marker := self.one("active"):
            state, text = self.known[marker], self.text(marker)
            arguments = {"content": text, "title": f"now {self.random.random()}", "if_version": state[-1].number}
            self.patch("update", marker, changed(state, content=text, title=arguments["title"]), arguments)

    def append(self):
        if marker := self.one("active"):
            state, more = self.known[marker], f"and {self.random.random()}"
            self.patch("append", marker, changed(state, content=f"{state[-1].content}\n{more}"), {"append": more})

    def retag(self):
        if marker := self.one("active"):
            state = self.known[marker]
            groups = [tag for tag in state[-1].tags if tag.startswith("group-")]
            tags = [*groups, f"tag-{self.random.random()}", *self.random.sample(WORDS, 2)]
            self.patch("tags", marker, changed(state, tags=tuple(tags)), {"tags": tags})

    def patch(self, what, marker, after, arguments):
        ident = self.ids[marker]
        ask = self.rest_or_tool("PATCH", f"/api/v1/memories/{ident}", arguments, "update_memory", {"id": ident, **arguments})
        answer = self.change(what, {marker: after}, ask)
        if answer:
            self.expect(what, answer["memory"]["version"] == after[-1].number, answer)

    def delete(self):
        if marker := self.one("active"):
            ident = self.ids[marker]
            ask = self.rest_or_tool("DELETE", f"/api/v1/memories/{ident}", None, "delete_memory", {"id": ident})
            self.change("delete", {marker: changed(self.known[marker], status="deleted")}, ask)

    def restore(self):
        if marker := self.one("deleted"):
            ident = self.ids[marker]
            arguments = {"id": ident, "status": "active"}
            ask = self.rest_or_tool("POST", f"/api/v1/memories/{ident}/restore", {}, "update_memory", arguments)
            self.change("restore", {marker: changed(self.known[marker], status="active")}, ask)

    def purge(self):
        old = lambda marker: len(self.known[marker]) > MOST_VERSIONS
        if marker := self.one(is_of=old) or self.one():
            ident = self.ids[marker]
            path, arguments = f"/api/v1/memories/{ident}?purge=true", {"id": ident, "purge": True}
            ask = self.rest_or_tool("DELETE", path, None, "delete_memory", arguments)
            self.change("purge", {marker: None}, ask)

    def delete_ids(self):
        markers = self.random.sample(free := self.free("active"), min(3, len(free)))
        if markers:
            erases = self.random.random() < 0.5
            after = {marker: None if erases else changed(self.known[marker], status="deleted") for marker in markers}
            arguments = {"ids": [self.ids[marker] for marker in markers], "purge": erases}
            self.change("delete by ids", after, lambda: self.door.tool("delete_memory", arguments))

    def undo(self):
        """Takes back the last change of a memory, sometimes so that it is erased from the history too."""
        is_kept = lambda marker: (state := self.known[marker])[-1].number == self.born[marker] \
            or len(state) > 1 and state[-2].number == state[-1].number - 1
        if not (marker := self.one(is_of=is_kept)):
            return
        state, erases = self.known[marker], self.random.random() < 0.3
        if state[-1].number == self.born[marker]:
            after = None if erases else changed(state, status="deleted")
        else:
            after = (*(state[:-1] if erases else state), state[-2]._replace(number=state[-1].number + 1))
        body = {"id": self.ids[marker], "dry_run": False, "purge": erases}
        answer = self.change("undo", {marker: after}, lambda: self.door.ask("POST", "/api/v1/undo", body))
        if answer:
            self.expect("undo", len(answer["reverted"]) == 1 and not answer["conflicts"], answer)

    def read(self):
        if marker := self.one("active"):
            path = f"/api/v1/memories/{self.ids[marker]}?history=true"
            status, answer = self.answer_to("read", lambda: self.door.ask("GET", path))
            is_right = status == 200 and state_of(answer["memory"], answer["history"]) == self.known[marker]
            self.expect("read", is_right, answer)
            self.acknowledged["read"] += 1

    def sleep(self):
        """The session gives its memory back, whatever others of the same user do."""
        status, answer = self.answer_to("sleep", lambda: self.door.ask("DELETE", "/mcp"))
        self.expect("sleep", status == 200, answer)

    # -- groups
    def lines(self, size):
        """Lines for an import, some as an export has them, with what they become."""
        tag = f"group-{self.marker()}"
        lines, after, ids = [], {}, {}
        for _ in range(size):
            marker = self.marker()
            text = self.text(marker)
            if self.random.random() < 0.5:
                line = {"content": text, "tags": [tag]}
                after[marker] = made(text, [tag])
            else:
                ident = self.ulid()
                moment = "2026-01-01T00:00:00.000Z"
                first = {"id": ident, "content": f"{marker} first", "kind": "note", "tags": [tag], "status": "active",
                         "version": 1, "created_at": moment, "updated_at": moment}
                line = {**first, "content": text, "version": 2, "history": [first]}
                after[marker] = changed(made(first["content"], [tag]), content=text)
                ids[marker] = ident
            lines.append(json.dumps(line).encode() + b"\n")
        return tag, lines, after, ids

    def bring(self):
        if len(self.groups) >= MOST_GROUPS:
            return self.purge_group()
        size = self.random.randint(70, 140) if self.random.random() < 0.06 else self.random.randint(2, 5)
        tag, lines, after, ids = self.lines(size)
        self.groups[tag] = list(after)
        self.born.update({marker: state[-1].number for marker, state in after.items()})
        ask = lambda: self.door.ask("POST", "/api/v1/import", b"".join(lines), kind=LINES)
        answer = self.change("import", after, ask, first_parts_of(after))
        if answer:
            self.expect("import", answer["imported"] == size and not answer["failed"], answer)
            self.steps[tag] = answer["step"]
            self.ids.update(ids)
            self.learn_ids(tag)

    def learn_ids(self, tag):
        """What was just imported is listed at once."""
        path = f"/api/v1/memories?tags={tag}&limit=100"
        status, answer = self.answer_to("list", lambda: self.door.ask("GET", path))
        self.expect("list", status == 200 and answer["total"] == len(self.groups[tag]), answer)
        if status == 200:
            self.ids.update({marker_of(memory): memory["id"] for memory in answer["memories"]})

    def delete_group(self):
        if tag := self.group(lambda tag: self.members(tag, "active")):
            before = self.members(tag, "active")
            after = {marker: changed(state, status="deleted") for marker, state in before.items()}
            arguments = {"tags": [tag], "dry_run": False, "expect": len(after)}
            self.change("delete by filter", after, lambda: self.door.tool("delete_memory", arguments), has_parts=True)

    def purge_group(self):
        if tag := self.group(self.members):
            before = self.members(tag)
            after = dict.fromkeys(before)
            arguments = {"tags": [tag], "include": ["deleted"], "purge": True, "dry_run": False, "expect": len(after)}
            ask = lambda: self.door.tool("delete_memory", arguments)
            if self.change("purge by filter", after, ask, has_parts=True):
                del self.groups[tag]

    def undo_import(self):
        def is_as_it_came(tag):
            members = self.members(tag)
            return tag in self.steps and len(members) == len(self.groups[tag]) <= PART and all(
                state[-1].number == self.born[marker] for marker, state in members.items())

        if tag := self.group(is_as_it_came):
            erases = self.random.random() < 0.5
            after = {marker: None if erases else changed(state, status="deleted")
                     for marker, state in self.members(tag).items()}
            body = {"step": self.steps[tag], "dry_run": False, "purge": erases}
            self.change("undo of import", after, lambda: self.door.ask("POST", "/api/v1/undo", body))

    # -- tokens
    def token(self, states):
        tokens = [name for name, state in self.known.items() if state in states and name not in self.busy]
        return self.random.choice(tokens or [None])

    def make_token(self):
        if sum(isinstance(state, str) for state in self.known.values()) >= MOST_TOKENS:
            return self.delete_token()
        self.count += 1
        name = f"t{self.number}.{self.count}"
        body = {"name": name, "user_id": self.user}
        ask = lambda: self.door.ask("POST", "/admin/tokens", body, KEY)
        answer = self.change("token made", {name: "active"}, ask)
        if answer:
            self.secrets[name] = answer["token"]

    def revoke_token(self):
        if name := self.token(["active"]):
            ask = lambda: self.door.ask("POST", f"/admin/tokens/{name}/revoke", {}, KEY)
            if self.change("token revoked", {name: "revoked"}, ask):
                self.use(name)

    def enable_token(self):
        if name := self.token(["revoked"]):
            ask = lambda: self.door.ask("POST", f"/admin/tokens/{name}/enable", {}, KEY)
            self.change("token enabled", {name: "active"}, ask)

    def delete_token(self):
        if name := self.token(["active", "revoked"]):
            if self.change("token deleted", {name: None}, lambda: self.door.ask("DELETE", f"/admin/tokens/{name}", None, KEY)):
                self.use(name)
                self.dead_secrets.append(self.secrets.pop(name, "mcp_never"))

    def use_token(self):
        if name := self.token(["active", "revoked"]):
            self.use(name)

    def use(self, name):
        if name in self.secrets:
            status, answer = self.answer_to("use", lambda: self.door.ask("GET", "/api/v1/tags", None, self.secrets[name]))
            wanted = 200 if self.known[name] == "active" else 401
            self.expect(f"use of a token that is {self.known[name]}", status == wanted, answer)
            self.acknowledged["token used"] += 1

    # -- a user
    def erase_user(self):
        """One who has just come; with it, the store is folded and built anew while all others go on."""
        user = self.leaver = self.leaver or f"leaver-{self.marker()}"
        text = self.text(user)
        self.erasures += 1
        for ask in (lambda: self.door.ask("POST", f"/api/v1/memories?user_id={user}", {"content": text}, KEY),
                    lambda: self.door.ask("DELETE", f"/admin/users/{user}", None, KEY)):
            status, answer = self.answer_to("erasing a user", ask)
            self.expect("erasing a user", status in (200, 201), answer)
        self.leaver = None
        self.erased.append((user, f"{user} "))
        self.acknowledged["user erased"] += 1

    # -- connections that break off
    def cut_early(self):
        """What did not arrive whole changes nothing; of an import, whole lines may stay."""
        deed = self.random.choice((self.cut_import, self.cut_update))
        deed()
        self.acknowledged["cut within a request"] += 1

    def cut_update(self):
        if marker := self.one("active"):
            body = common.encoded({"content": f"{marker} never said"})
            self.cut("PATCH", f"/api/v1/memories/{self.ids[marker]}", body, missing=self.random.randint(1, len(body)))

    def cut_import(self):
        tag, lines, after, _ids = self.lines(2)
        first = dict(list(after.items())[:1])
        self.leave_open("cut import", [dict.fromkeys(after), {**dict.fromkeys(after), **first}])
        self.born.update({marker: state[-1].number for marker, state in after.items()})
        self.cut("POST", "/api/v1/import", b"".join(lines), LINES, missing=self.random.randint(1, len(lines[1]) - 1))

    def cut_late(self):
        """It is whole, but nobody waits for the answer, so it may be carried out or not."""
        if marker := self.one("active"):
            state, text = self.known[marker], self.text(marker)
            self.leave_open("cut update", [{marker: state}, {marker: changed(state, content=text)}])
            self.cut("PATCH", f"/api/v1/memories/{self.ids[marker]}", {"content": text})
            self.acknowledged["cut before the answer"] += 1

    def cut(self, method, path, body, kind=common.JSON, missing=0):
        def ask():
            common.cut_off(self.port, method, path, body, self.key, kind, missing, self.random.random() < 0.5)
            return 200, None

        self.call("cut", ask)


DEEDS = [("add", 26), ("update", 12), ("append", 5), ("retag", 9), ("delete", 8), ("restore", 7), ("purge", 4), ("delete_ids", 2),
         ("undo", 6), ("read", 5), ("sleep", 1), ("bring", 5), ("delete_group", 3), ("purge_group", 1), ("undo_import", 1),
         ("make_token", 3), ("revoke_token", 3), ("enable_token", 1), ("delete_token", 1), ("use_token", 2), ("cut_early", 2),
         ("cut_late", 2), ("erase_user", 0.1)]


def first_parts_of(after):
    """The worlds in which only the first lines of a large import are there."""
    return [{marker: state if n < end else None for n, (marker, state) in enumerate(after.items())}
            for end in range(PART, len(after), PART)]


def marker_of(memory):
    return memory["content"].split(None, 1)[0]


def state_of(memory, history):
    versions = history if history and history[-1]["version"] == memory["version"] else [*history, memory]
    return tuple(Version(one["version"], one["content"], tuple(one["tags"]), one.get("title", ""), one["status"])
                 for one in versions)
