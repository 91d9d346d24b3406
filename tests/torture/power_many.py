"""A user with so many memories that his session keeps what it made of them while it sleeps (many.py), for power.py."""

import contextlib
import random

import common
import many
from faults import BROKEN, Server, data_in

USER, TOKEN = "many", "taken-many"
BROUGHT, RECORDINGS = many.LEAST_KEPT + 300, 3
# So many are looked for after a cut, of those that changed and of all others.
CHANGED, OTHERS = 20, 5


class Hoard:
    """His memories as they were brought, with their keys, ids and texts, and his own way in. Each recording changes a part."""

    def __init__(self, memories, secret):
        self.memories, self.secret = memories, secret
        # Between which places of the trace a session went to sleep.
        self.sleeps = []

    def part(self, number):
        return self.memories[number % RECORDINGS::RECORDINGS]


def bring(o, disk, beside, facts):
    """Stores them without a shim, so that all lies in the past. Gives what was wrong."""
    chance, server = random.Random(f"{o.seed} many"), Server(o.bin, data_in(disk), beside, o.settings)
    texts = [many.text_of(f"h{n}", chance) for n in range(BROUGHT)]
    if not server.start():
        return [f"does not start to be filled: {server.log()[-800:]}"]
    try:
        server.told("POST", f"/api/v1/import?user_id={USER}", common.lines_of({"content": text} for text in texts))
        secret = server.told("POST", "/admin/tokens", {"name": TOKEN, "user_id": USER})["token"]
        stored = [(many.marker_of(line["content"]), line["id"], line["content"])
                  for line in server.told("GET", f"/api/v1/export?user_id={USER}")]
        facts.sent(f"token {TOKEN}", ("active", ""), -1)["acked"] = -1
        for key, _, text in stored:
            facts.sent(key, ("active", text), -1)["acked"] = -1
        facts.hoard = Hoard(stored, secret)
        return server.stop() if len(stored) == BROUGHT else [f"{len(stored)} of {BROUGHT} were stored"]
    finally:
        server.kill()


def hoard(clients, number):
    """What one more client does: sleeps and wakes, and changes something now and then."""
    own, chance, there = clients.facts.hoard, random.Random(f"{clients.label} many"), clients.facts.hoard.part(number)
    # What is kept is large, and all of it comes into the trace.
    while not clients.is_over.wait(0.05):
        dice = chance.random()
        if dice < 0.4:
            sleep(clients, own)
        elif dice < 0.7:
            with contextlib.suppress(BROKEN):
                clients.server.ask("GET", many.question(many.word_of(chance.choice(there)[2]), USER))
        else:
            alter(clients, dice, there, chance)


def sleep(clients, own):
    began = clients.control.position
    with contextlib.suppress(BROKEN), contextlib.closing(clients.server.door(own.secret)) as door:
        door.ask("DELETE", "/mcp")
        own.sleeps.append((began, clients.control.position))


def alter(clients, dice, there, chance):
    key, id_, _ = there.pop(chance.randrange(len(there)))
    path, text = f"/api/v1/memories/{id_}", many.text_of(key, chance)
    if dice < 0.9:
        if clients.change([key], ("active", text), "PATCH", f"{path}?user_id={USER}", {"content": text}):
            there.append((key, id_, text))
    else:
        clients.change([key], None, "DELETE", f"{path}?purge=true&user_id={USER}")


def misfound(server, facts, found, cut, chance):
    """What searches and a list say otherwise than all that is stored, and what is erased and still kept."""
    keys = [key for key, _, _ in facts.hoard.memories]
    stored = {key: found[key][1] for key in keys if key in found}
    changed = [key for key in keys if len(facts.events[key]) > 1]
    some = chance.sample(changed, min(CHANGED, len(changed))) + chance.sample(keys, OTHERS)
    there = {key: stored[key] for key in some if key in stored}
    said = {key: words_of(facts.events[key]) for key in some}
    problems = [f"search: {' '.join(wrong)}" for wrong in many.misfound(many.finder(server.told, USER), there, said)]
    total = server.told("GET", f"/api/v1/memories?user_id={USER}&limit=1")["total"]
    problems += [f"listed: {total} of {len(stored)}"] * (total != len(stored))
    erased = {word.encode() for key in changed for word in words_of(facts.events[key]) if is_erased(facts.events[key], cut)}
    return problems + [f"erased, and still kept: {word}" for word, _ in common.readable_in(server.data / many.FOLDER, erased)]


def words_of(events):
    """Every word that a memory ever had, or may have had."""
    return {many.word_of(event["state"][1]) for event in events if event["state"]}


def is_erased(events, cut):
    return any(event["state"] is None and event["acked"] is not None and event["acked"] <= cut for event in events)
