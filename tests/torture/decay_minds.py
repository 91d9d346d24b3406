"""What sessions keep while they sleep (many.py), for decay.py: stores in which two users have so much, and how it is damaged.

It is worth nothing without the records, so whatever becomes of it has to go unnoticed: `check` passes over it, a start says
nothing of it, and what is served, listed and found is what is stored. In what is compared is left out what searches change.
"""

import concurrent.futures
import json
import random
import shutil

import common
import decay_store as stores
import many

USERS = ("default", "ben")
# Beside what is written one by one.
IMPORTED = many.LEAST_KEPT + 100
# What can happen to it; "other" is that of another copy of the store, older or newer. The first ones are those that come in a
# short run. A pair is together with other damage of the store.
KINDS = ["other", "flip", "pair", "swapped", "mixed", "foreign", "head", "border", "cut", "added", "pair", "other", "copied", "gone",
         "flip", "emptied", "garbage", "all_gone", "pair", "zeros"]
# Which can be done where nothing is kept, since the store was killed after a change.
WITHOUT_ANY = ["other", "foreign", "added", "pair"]
IN_PAIRS = ["other", "foreign", "swapped", "copied", "flip"]
# Bytes of a file before its pieces, which end with a checksum (4) or a tag (16), and of a piece. docs/FORMAT.md has the rest.
LABEL, PIECE = 8 + 4 + 16 + 4 + 16, 64 * 1024
QUESTIONS = ["river garden", "copper lantern meadow", "harbor", "winter in the gardn", "who has the letter and the violin"]
# So many memories of a user are looked for, of those that changed and of all others.
CHANGED, OTHERS = 25, 8


# ---- stores -------------------------------------------------------------------------------------
class Life(stores.Life):
    """That of a store whose users have many memories. What it keeps of their state is what searches leave alone."""

    @classmethod
    def begun(cls, folder, binary, settings, seed, topic):
        life = cls(stores.Home(folder / f"many-{topic}", binary, settings), random.Random(f"{seed} {topic} many"), topic)
        with life.opened():
            for user in USERS:
                life.bring(user, IMPORTED)
        life.go_on(3, 6, 4)
        return life

    def go_on(self, *writes):
        with self.opened():
            for user in USERS:
                self.write(*writes, user)
                self.delete(user, purge=True)

    def bring(self, user, count):
        lines = common.lines_of({"content": self.short_text(), "tags": ["brought"]} for _ in range(count))
        self.server.told("POST", f"/api/v1/import?user_id={user}", lines)
        for line in map(json.loads, self.server.told("GET", f"/api/v1/export?user_id={user}").splitlines()):
            self.ids.setdefault(user, []).append(line["id"])
            self.note(line)

    def wake(self):
        for user in USERS:
            self.server.told("GET", many.question("river", user))

    def read(self, server):
        return read_state(server)


def read_state(server):
    state = {key: value for key, value in stores.read_state(server).items() if key[0] != "recall"}
    for key in [key for key in state if key[0] == "memory"]:
        state[key].pop("access", None)
    return state


def live(folder, binary, settings, seed, topic):
    """Our own store from its first day on: copies by name, with their moments, and every version that was."""
    life, copies = Life.begun(folder, binary, settings, seed, topic), {}
    copies["many-first"] = life.keep("many-first")
    life.go_on(2, 5, 3)
    copies["many"] = life.keep("many")
    copies["many-changed"] = stores.killed(life, "many", copies)
    copies["many-read"] = read_and_killed(life, copies["many"])
    life.go_on(1, 3, 1)
    # Nobody asks what else it holds.
    copies["many-later"] = stores.Copy(shutil.copytree(life.home.data, folder / "kept-many-later"), {}), ""
    for name, (copy, _) in copies.items():
        if len(many.kept_in(copy.data)) != (0 if name == "many-changed" else len(USERS)):
            raise RuntimeError(f"of {name} is kept: {[*many.kept_in(copy.data)]}")
    return copies, life.known


def read_and_killed(life, before):
    """Where sessions woke with what was kept, so that it is still right."""
    life.server = stores.started(life.home)
    life.wake()
    kept = stores.end_by_kill(life, "many-read")
    life.home.fill(before[0].data)
    return kept


def make(folder, binary, settings, seed):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        living = pool.submit(live, folder, binary, settings["own"], seed, "own")
        foreign = pool.submit(lambda: Life.begun(folder, binary, settings["foreign"], seed, "foreign").keep("many")).result()
        own, known = living.result()
    for name, older in (("many", ["many-first"]), ("many-changed", ["many", "many-first"]), ("many-read", ["many", "many-first"])):
        copies = [own[old][0] for old in older]
        scene = stores.scene_of(name, own[name], copies, [foreign[0]], known, is_killed=name != "many")
        scene.minds = [copy for other, (copy, _) in own.items() if other != name]
        yield scene


def scenes_for(kind):
    return ["many", "many-read"] + ["many-changed"] * 2 * (kind in WITHOUT_ANY)


# ---- damage -------------------------------------------------------------------------------------
# Each damages what is kept in a data directory, at places that chance decides, and says what it did.
def one_of(data, chance):
    if not (found := many.kept_in(data)):
        raise FileNotFoundError("nothing is kept")
    return chance.choice(sorted(found.items()))


def head(_scene, data, chance):
    """In what says of which state it tells, and which program made it."""
    name, path = one_of(data, chance)
    content = bytearray(path.read_bytes())
    at = chance.randrange(head_bytes(content))
    content[at] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"byte {at} of the head of {name} flipped"


def border(_scene, data, chance):
    """Whole pieces are left, perhaps none."""
    name, path = one_of(data, chance)
    content = path.read_bytes()
    at = chance.choice(borders(content))
    path.write_bytes(content[:at])
    return f"{name} cut behind a piece, from {len(content)} to {at}"


def mixed(scene, data, chance):
    """The head and some pieces, and behind them those of another copy."""
    name, path = one_of(data, chance)
    content, other = path.read_bytes(), one_of(chance.choice(scene.minds).data, chance)[1].read_bytes()
    at = chance.choice(borders(content))
    path.write_bytes(content[:at] + other[at - head_bytes(content) + head_bytes(other):])
    return f"{name} is of another copy from {at} on"


def head_bytes(content):
    for_whom = LABEL + 1 + content[LABEL]
    return for_whom + 1 + content[for_whom] + 4


def borders(content):
    """Where its pieces begin, the first one as well."""
    first = head_bytes(content)
    is_sealed = content[LABEL + 1 + content[LABEL]]
    return range(first, len(content), PIECE + (16 if is_sealed else 4))


def gone(_scene, data, chance):
    name, path = one_of(data, chance)
    path.unlink()
    return f"{name} removed"


def all_gone(_scene, data, _chance):
    shutil.rmtree(data / many.FOLDER)
    return "all removed"


def other(scene, data, chance):
    copy = chance.choice(scene.minds).data
    return put(data, *one_of(copy, chance), copy.name)


def foreign(scene, data, chance):
    copy = chance.choice(scene.foreign).data
    return put(data, *one_of(copy, chance), copy.name)


def swapped(_scene, data, _chance):
    """Those of two users."""
    one, two = sorted(many.kept_in(data).values()) or (data / "no file",) * 2
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    return f"{one.name} and {two.name} swapped"


def copied(_scene, data, chance):
    """That of one user in the place of another's."""
    name, path = one_of(data, chance)
    to = chance.choice([other for other in many.kept_in(data) if other != name])
    return put(data, to, path, "the same store")


def added(scene, data, chance):
    """For nobody, or not finished."""
    path = one_of(chance.choice([*scene.minds, *scene.foreign]).data, chance)[1]
    return put(data, chance.choice(["1.tmp", "4711", "4294967295"]), path, "another copy")


def put(data, name, path, whose):
    place = data / many.FOLDER / name
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, place)
    return f"{name} is the {path.name} of {whose}"


# ---- what must hold -----------------------------------------------------------------------------
def answers(server):
    """What questions find, in its order."""
    ask = lambda user, query: server.told("POST", f"/api/v1/search?user_id={user}", {"query": query})["results"]
    return {(user, query): [found["id"] for found in ask(user, query)] for user in USERS for query in QUESTIONS}


def misread(server, state, known, chance):
    """What searches and lists say otherwise than an export does."""
    erased = known.keys() - {key[2] for key in state if key[0] == "memory"}
    for user in USERS:
        stored = {key[2]: value for key, value in state.items() if key[0] == "memory" and key[1] == user}
        others = {id for id, memory in stored.items() if memory["version"] == 1 and memory["status"] == "active"}
        changed = sorted(erased | stored.keys() - others)
        some = chance.sample(changed, min(CHANGED, len(changed))) + chance.sample(sorted(others), min(OTHERS, len(others)))
        found = many.misfound(many.finder(server.told, user), *words_of(some, stored, known))
        yield from (f"{user}: {' '.join(wrong)}" for wrong in found)
        active = sum(memory["status"] == "active" for memory in stored.values())
        for more, count in (("", active), ("&include=archived,superseded,deleted", len(stored))):
            total = server.told("GET", f"/api/v1/memories?user_id={user}&limit=1{more}")["total"]
            if total != count:
                yield f"{user}: {total} of {count} are listed{more}"


def words_of(ids, stored, known):
    """Texts that have to be found, by marker, and every word that each memory ever had."""
    there, said = {}, {}
    for id in ids:
        texts = [text for text, _tags in known[id]]
        marker = many.marker_of(texts[0])
        if id in stored and stored[id]["status"] == "active":
            there[marker] = stored[id]["content"]
        said[marker] = sorted(set(map(many.word_of, texts)))
    return there, said
