"""The life of a memory, asked of any client: what the seven core tools owe, see docs/API.md."""

import re

CORE = ["add_memory", "search_memories", "get_memory", "list_memories", "update_memory", "delete_memory", "get_context"]
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
UNKNOWN = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
# Every character here once broke some client, header or log: it has to come back byte for byte.
TEXT = "Anna's allergy: penicillin — noted 2024-03-01\n\tünïcode ✓ <b>raw</b> \\ \" ' {\"a\": 1} 日本語"
LATER = TEXT + " and amoxicillin"


def ok(answer):
    assert not answer.is_error, f"{answer.structured} {answer.text[:400]}"
    assert answer.structured is not None, "no structuredContent"
    assert answer.text, "no text that stands on its own"
    return answer.structured


def is_in(text, value):
    """Is this very text somewhere in a JSON value?"""
    if isinstance(value, (dict, list)):
        return any(is_in(text, part) for part in (value.values() if isinstance(value, dict) else value))
    return value == text


def lists_the_core_tools(caller):
    tools = {t["name"]: t for t in caller.tools()}

    assert [n for n in CORE if n not in tools] == []
    for name in CORE:
        for part in ("title", "description", "inputSchema", "outputSchema", "annotations"):
            assert tools[name].get(part), f"{name} lacks {part}"
        assert tools[name]["inputSchema"]["type"] == "object"


def adds(caller):
    added = ok(caller.call("add_memory", {"content": TEXT, "title": "Allergies", "kind": "fact", "project": "family",
                                          "tags": ["anna", "health"], "priority": 5, "metadata": {"source": "letter"}}))

    memory = added["memory"]
    assert added["status"] == "created"
    assert ULID.fullmatch(added["id"]) and memory["id"] == added["id"]
    assert memory["content"] == TEXT
    assert memory["title"] == "Allergies" and memory["kind"] == "fact" and memory["project"] == "family"
    assert sorted(memory["tags"]) == ["anna", "health"] and memory["priority"] == 5
    assert memory["metadata"] == {"source": "letter"}
    assert memory["version"] == 1 and memory["status"] == "active"
    assert memory["created_at"]
    whole = ok(caller.call("get_memory", {"id": added["id"]}))["memory"]
    assert whole["updated_at"] == whole["created_at"] == memory["created_at"] and whole["user_id"]
    assert isinstance(added["similar"], list)
    return added["id"]


def sees_a_duplicate(caller, known):
    again = ok(caller.call("add_memory", {"content": TEXT, "project": "family"}))

    assert (again["status"], again["id"]) == ("duplicate", known)


def finds(caller, known):
    found = ok(caller.call("search_memories", {"query": "what is Anna allergic to?", "detail": "full"}))

    first = found["results"][0]
    assert first["id"] == known and first["content"] == TEXT
    assert isinstance(first["score"], (int, float)) and first["why"]
    assert found["total"] >= 1 and found["truncated"] is False and found["mode_used"]
    assert [m["id"] for m in ok(caller.call("search_memories", {"query": "allergy", "tags": ["health"]}))["results"]] == [known]
    assert ok(caller.call("search_memories", {"query": "allergy", "tags": ["car"]}))["results"] == []
    listed = ok(caller.call("list_memories", {"project": "family"}))
    assert [m["id"] for m in listed["memories"]] == [known] and listed["total"] == 1
    assert "amoxicillin" not in ok(caller.call("get_context", {"project": "family", "query": "allergy"}))["text"]


def updates(caller, known):
    updated = ok(caller.call("update_memory", {"id": known, "content": LATER, "if_version": 1}))

    assert updated["memory"]["content"] == LATER
    assert updated["memory"]["version"] == 2 and updated["previous_version"] == 1
    assert caller.call("update_memory", {"id": known, "content": "x", "if_version": 1}).error == "conflict"
    got = ok(caller.call("get_memory", {"id": known, "history": True}))
    assert got["memory"]["content"] == LATER and got["memory"]["version"] == 2
    assert is_in(TEXT, got["history"]), "the first text is not in the history"
    context = ok(caller.call("get_context", {"project": "family", "query": "allergy"}))
    assert "amoxicillin" in context["text"]
    assert all(isinstance(context[part], list) for part in ("profile", "pinned", "instructions", "recent"))


def deletes(caller, known):
    deleted = ok(caller.call("delete_memory", {"id": known}))

    assert (deleted["matched"], deleted["deleted"], deleted["dry_run"], deleted["ids"]) == (1, 1, False, [known])
    assert deleted["undo_until"]
    assert known not in [m["id"] for m in ok(caller.call("search_memories", {"query": "Anna allergy"}))["results"]]
    assert ok(caller.call("list_memories", {"project": "family"}))["total"] == 0


def refuses_what_is_wrong(caller):
    assert caller.call("get_memory", {"id": UNKNOWN}).error == "not_found"
    assert caller.call("add_memory", {"content": ""}).error == "validation_error"
    assert caller.call("add_memory", {"content": "a", "priority": 99}).error == "validation_error"


def whole_life(caller):
    lists_the_core_tools(caller)
    known = adds(caller)
    sees_a_duplicate(caller, known)
    finds(caller, known)
    updates(caller, known)
    deletes(caller, known)
    refuses_what_is_wrong(caller)
