"""What harnesses do to the arguments of a model: n8n adds its own, OpenAI's strict schemas null what is not meant, others
send blanks. Whatever they do, a call does what the same call does without it.

Two users with the same memories stand side by side. One makes the call as it is meant, the other in the dress of a
harness; then both answers, and all that both have stored, have to be the same.
"""

import copy
import json
import re

import jsonschema
import pytest
from memory_flow import CORE, ok
from plain import Plain

KEYS = {"plain": "key-of-the-plain-user-0123456789abcdef", "dressed": "key-of-the-dressed-user-0123456789abcdef"}
# What n8n puts beside the arguments of every call.
N8N = {"toolCallId": "call_8b1c", "sessionId": "5f0c", "action": "sendMessage", "chatInput": "where is the kettle?"}
HARNESS = N8N | {"task_progress": "- [x] look\n- [ ] answer", "_meta": {"progressToken": 3}}
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
# They differ between two users, or with the moment of the question.
PASSING = ("user_id", "source", "score", "why", "access_count", "last_accessed_at", "ignored")


class User:
    """A user with two memories, every field of the first of which is set."""

    def __init__(self, server, name, era="legacy"):
        self.caller = Plain(server, KEYS[name], era)
        self.known = self.adds({"content": "The kettle is in the left cupboard", "title": "Kettle", "kind": "fact",
                                "tags": ["kitchen"], "project": "house", "category": "things", "priority": 4,
                                "metadata": {"source": "letter"}, "event_at": "2024-05-01", "ttl_days": 300,
                                "pinned": True})
        self.other = self.adds({"content": "Bob plays the cello on Sundays", "tags": ["bob"]})

    def adds(self, arguments):
        return ok(self.caller.call("add_memory", arguments))["id"]

    def meant(self, tool):
        """The smallest call of each tool that means something. A new tool needs a line."""
        return {"add_memory": {"content": "The iron is on the shelf above the kettle"},
                "search_memories": {"query": "where is the kettle?"},
                "get_memory": {"id": self.known},
                "list_memories": {},
                "update_memory": {"id": self.known, "content": "The kettle is in the right cupboard"},
                "delete_memory": {"id": self.known},
                "get_context": {}}[tool]

    def memories(self):
        everything = {"include": ["archived", "superseded", "deleted"], "limit": 100, "sort": "created_at", "order": "asc"}
        return ok(self.caller.call("list_memories", everything))["memories"]

    def compared(self, value):
        """A value of an answer without what may differ between two users who did the same."""
        if isinstance(value, dict):
            return {k: self.compared(v) for k, v in value.items() if k not in PASSING}
        if isinstance(value, list):
            return [self.compared(v) for v in value]
        if isinstance(value, str):
            value = value.replace(self.known, "<known>").replace(self.other, "<other>")
            return TIME.sub("<time>", ULID.sub("<new>", value))
        return value

    def stored(self):
        return [self.compared(m) for m in self.memories()]


@pytest.fixture
def users(home):
    server = home.server(MCP_API_KEYS=",".join(f"{name}:{key}" for name, key in KEYS.items()))
    return lambda era="legacy": (User(server, "plain", era), User(server, "dressed", era))


def strict(schema):
    """A schema as OpenAI's strict mode wants it: closed, all required, and null for what was optional."""
    kind = schema["type"]
    if kind == "array":
        return {"type": kind, "items": strict(schema["items"])}
    if kind != "object":
        return {name: schema[name] for name in ("type", "enum") if name in schema}
    assert schema.get("properties"), f"an object without properties cannot be closed: {schema}"
    properties = {}
    for name, field in schema["properties"].items():
        field = strict(field)
        if name not in schema.get("required", []):
            field["type"] = [field["type"], "null"]
            if "enum" in field:
                field["enum"] = [*field["enum"], None]
        properties[name] = field
    return {"type": kind, "properties": properties, "required": list(properties), "additionalProperties": False}


def nulls(schema, meant):
    """Every argument, null unless it is meant; this is what the strict schema admits."""
    arguments = {name: meant.get(name) for name in schema["properties"]}
    jsonschema.validate(arguments, strict(schema))
    return arguments


def blank_texts(schema, meant):
    return {name: meant.get(name, "") for name in schema["properties"]}


def blank_lists(schema, meant):
    return {name: meant.get(name, [] if field["type"] == "array" else "") for name, field in schema["properties"].items()}


def blank_spaces(schema, meant):
    return {name: meant.get(name, "  ") for name in schema["properties"]}


def n8n(_schema, meant):
    return meant | N8N


def harness(_schema, meant):
    return meant | HARNESS


def everything_at_once(schema, meant):
    return blank_lists(schema, meant) | HARNESS


DRESSES = [nulls, blank_texts, blank_lists, blank_spaces, n8n, harness, everything_at_once]


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("tool", CORE)
def test_a_call_in_the_dress_of_a_harness_does_what_it_means(users, tool, dress):
    plain, dressed = users()
    schema = dressed.caller.tools()[tool]["inputSchema"]

    wanted = ok(plain.caller.call(tool, plain.meant(tool)))
    came = ok(dressed.caller.call(tool, dress(schema, dressed.meant(tool))))

    assert dressed.compared(came) == plain.compared(wanted)
    assert dressed.stored() == plain.stored()


@pytest.mark.parametrize("tool", CORE)
def test_the_other_era_takes_it_as_well(users, tool):
    plain, dressed = users("modern")
    schema = dressed.caller.tools()[tool]["inputSchema"]

    wanted = ok(plain.caller.call(tool, plain.meant(tool)))
    came = ok(dressed.caller.call(tool, everything_at_once(schema, dressed.meant(tool))))

    assert dressed.compared(came) == plain.compared(wanted)
    assert dressed.stored() == plain.stored()


def test_every_listed_tool_is_tried(users):
    assert sorted(users()[0].caller.tools()) == sorted(CORE)


def test_a_turn_of_a_dialogue_may_have_no_role(users):
    user, _ = users()

    added = ok(user.caller.call("add_memory", {"content": None, "messages": [{"role": None, "content": "I moved to Rome"}]}))

    assert "I moved to Rome" in added["memory"]["content"]


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("how", [{}, {"dry_run": False}, {"tag_match": "any", "dry_run": False, "purge": True}])
def test_a_deletion_of_which_only_the_dress_is_there_deletes_nothing(users, dress, how):
    user, _ = users()
    before = user.stored()
    schema = user.caller.tools()["delete_memory"]["inputSchema"]

    answer = user.caller.call("delete_memory", dress(schema, how))

    assert answer.error == "validation_error"
    assert user.stored() == before


@pytest.mark.parametrize("tool", ["add_memory", "search_memories", "get_memory", "list_memories", "get_context"])
def test_a_name_that_nobody_knows_is_passed_over_and_told(users, tool):
    plain, dressed = users()

    wanted = ok(plain.caller.call(tool, plain.meant(tool)))
    came = ok(dressed.caller.call(tool, dressed.meant(tool) | {"color": "red", "shape": None}))

    assert "color" in came["ignored"]
    assert dressed.compared(came) == plain.compared(wanted)
    assert dressed.stored() == plain.stored()


@pytest.mark.parametrize("unknown", [{"color": "red"}, {"query": "cello"}, HARNESS | {"tag": "bob"}])
def test_a_deletion_with_a_name_that_nobody_knows_is_refused(users, unknown):
    user, _ = users()
    before = user.stored()

    for meant in ({"id": user.known}, {"tags": ["kitchen"], "dry_run": False}):
        assert user.caller.call("delete_memory", meant | unknown).error == "validation_error"

    assert user.stored() == before


@pytest.mark.parametrize("name", HARNESS)
def test_a_deletion_takes_what_each_harness_adds(users, name):
    user, _ = users()

    deleted = ok(user.caller.call("delete_memory", {"id": user.known, name: copy.deepcopy(HARNESS[name])}))

    assert (deleted["deleted"], deleted["ids"]) == (1, [user.known])
    assert [m["id"] for m in user.memories() if m["status"] == "active"] == [user.other]


def test_arguments_as_text_are_read_as_what_they_say(users):
    user, _ = users()

    found = ok(user.caller.call("search_memories", {"query": "kettle", "tags": json.dumps(["kitchen"]), "limit": "5.0"}))

    assert [m["id"] for m in found["results"]] == [user.known]
