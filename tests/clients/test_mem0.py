"""mem0's own client, and the REST of mem0's own server, against memoryd.

The client speaks `/v1/`, `/v2/` and `/v3/` with a slash at the end; the server's image `/memories` and `/search`, which
the token-file server had as well. What both send and want stands in docs/API.md.
"""

import contextlib
import hashlib
import json
import os
import queue
import re
import subprocess
import threading

import pytest
from callers import HERE, PATIENCE
from conftest import KEY, MEM0

KEYS = {"alice": "key-of-alice-0123456789abcdef-0123456789", "bob": "key-of-bob-0123456789abcdef-0123456789"}
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
UNKNOWN = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
CONTENT_BYTES = 64 * 1024
KINDS = ["MemoryClient", "AsyncMemoryClient"]
TEXT = "Anna's allergy: penicillin — ünïcode ✓ <b>raw</b> \\ \" ' {\"a\": 1} 日本語\n\tand a tab"
# What the client sends before each call in its older versions: the names that /v1/ping/ gave it.
OLDER = {"org_id": "memoryd", "project_id": "memoryd"}


class Mem0Error(Exception):
    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind, self.message = kind, message


class Mem0:
    """Talks to mem0_client.py, which holds one client; a method here is a method there."""

    def __init__(self, process, log):
        self.process, self.log, self.lines = process, log, queue.Queue()
        threading.Thread(target=self.pump, daemon=True).start()
        self.answer()

    def pump(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def answer(self):
        line = self.lines.get(timeout=PATIENCE)
        assert line is not None, f"the client ended with {self.process.wait(PATIENCE)}: {open(self.log).read()[-800:]}"
        message = json.loads(line)
        if "error" in message:
            raise Mem0Error(message["error"]["type"], message["error"]["message"])
        return message["ok"]

    def __getattr__(self, op):
        def ask(*args, **kwargs):
            self.process.stdin.write(json.dumps({"op": op, "args": args, "kwargs": kwargs}) + "\n")
            self.process.stdin.flush()
            return self.answer()

        return ask


@contextlib.contextmanager
def mem0(server, key=KEY, kind="MemoryClient"):
    if not MEM0.exists():
        pytest.fail(f"no mem0 at {MEM0}: run `make test`, it installs it")
    host = server.url.removesuffix("/mcp")
    config, log = {"host": host, "api_key": key, "kind": kind}, os.path.join(server.home.dir, "mem0.log")
    with open(log, "ab") as errors, subprocess.Popen(
            [str(MEM0), "-B", str(HERE / "mem0_client.py"), json.dumps(config)], env=server.home.env(), cwd=server.home.dir,
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process:
        try:
            yield Mem0(process, log)
        finally:
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


class Rest:
    """Plain requests: the status, and what the JSON says."""

    def __init__(self, server, key=KEY):
        self.server, self.key = server, key

    def ask(self, method, path, body=None, headers=None):
        status, answered, text = self.server.request(method, path, body, headers or {"X-API-Key": self.key})
        assert "Location" not in answered, f"{method} {path} leads elsewhere: {answered['Location']}"
        return status, json.loads(text)

    def told(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        assert status in (200, 201), f"{method} {path}: {status} {answer}"
        return answer

    def adds(self, text, **more):
        return self.told("POST", "/memories", {"messages": said(text), **more})["results"][0]["id"]


def said(*texts, role="user"):
    return [{"role": role, "content": text} for text in texts]


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def ids(answer):
    return [item["id"] for item in answer["results"]]


def refused(call, *args, **kwargs):
    with pytest.raises(Mem0Error) as error:
        call(*args, **kwargs)
    return error.value


@pytest.fixture
def shared(home):
    """A server with the keys of two users, and the key of its own."""
    return home.server(MCP_API_KEYS=",".join(f"{name}:{key}" for name, key in KEYS.items()))


@pytest.fixture
def alice(shared):
    with mem0(shared, KEYS["alice"]) as client:
        yield client


@pytest.fixture
def bob(shared):
    with mem0(shared, KEYS["bob"]) as client:
        yield client


@pytest.fixture
def rest(server):
    return Rest(server)


# ---- the client ---------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_key_is_refused_when_the_client_is_made(server, kind):
    with pytest.raises(Mem0Error) as error, mem0(server, "wrong-key-wrong-key-wrong-key-wrong", kind):
        pass

    assert error.value.kind == "ValueError" and "unknown, expired or revoked" in error.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_memory_lives_its_whole_life(shared, kind):
    with mem0(shared, KEYS["alice"], kind) as alice:
        added = alice.add(TEXT, user_id="alice", metadata={"topic": "health", "deep": {"n": [1, 2.5, None, "x"]}})

        [result] = added["results"]
        known = result["id"]
        assert ULID.fullmatch(known) and (result["memory"], result["event"]) == (TEXT, "ADD")
        got = alice.get(known)
        assert (got["id"], got["memory"], got["hash"], got["user_id"]) == (known, TEXT, md5(TEXT), "alice")
        assert got["metadata"] == {"topic": "health", "deep": {"n": [1, 2.5, None, "x"]}}
        assert got["created_at"]

        listed = alice.get_all(filters={"user_id": "alice"})
        assert (ids(listed), listed["count"], listed["next"], listed["previous"]) == ([known], 1, None, None)
        assert listed["results"][0]["memory"] == TEXT
        found = alice.search("what is Anna allergic to?", filters={"user_id": "alice"})
        assert ids(found) == [known] and isinstance(found["results"][0]["score"], (int, float))

        updated = alice.update(known, text="Anna may have penicillin again", metadata={"topic": "news"})
        assert updated["memory"] == updated["text"] == "Anna may have penicillin again"
        got = alice.get(known)
        assert got["memory"] == "Anna may have penicillin again" and got["metadata"]["topic"] == "news"
        assert got["updated_at"] >= got["created_at"]

        assert "deleted" in alice.delete(known)["message"]
        assert refused(alice.get, known).kind == "MemoryNotFoundError"
        assert alice.get_all(filters={"user_id": "alice"})["results"] == []
        history = alice.history(known)
        assert [step["event"] for step in history] == ["ADD", "UPDATE", "DELETE"]
        assert [step["memory_id"] for step in history] == [known] * 3
        assert [step["old_memory"] for step in history[:2]] == [None, TEXT]
        assert [step["new_memory"] for step in history[:2]] == [TEXT, "Anna may have penicillin again"]


def test_messages_are_kept_as_they_were_said(alice):
    talk = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "I moved to Porto", "name": "ann"},
            {"role": "assistant", "content": "Enjoy the bridges"}]

    added = alice.add(talk, user_id="alice", infer=False)["results"]

    assert [(r["memory"], r["role"], r["event"]) for r in added] == \
        [("I moved to Porto", "user", "ADD"), ("Enjoy the bridges", "assistant", "ADD")]
    assert added[0]["actor_id"] == "ann"
    assert sorted(ids(alice.get_all(filters={"user_id": "alice"}))) == sorted(r["id"] for r in added)
    assert alice.get(added[1]["id"])["role"] == "assistant"


@pytest.mark.parametrize("more", [{}, {"infer": True}], ids=["unsaid", "infer"])
def test_what_was_told_twice_is_there_once(alice, more):
    first = alice.add("The spare key is under the blue pot", user_id="alice", **more)["results"]
    again = alice.add(said("The spare key is under the blue pot"), user_id="alice", **more)["results"]

    assert [r["event"] for r in first] == ["ADD"] and "ADD" not in [r["event"] for r in again]
    assert ids(alice.get_all(filters={"user_id": "alice"})) == [first[0]["id"]]


def test_agents_apps_and_runs_narrow_and_do_not_choose_a_user(alice):
    ids_of = {"a1": {"agent_id": "Tutor"}, "a2": {"agent_id": "Tutor", "run_id": "monday"}, "a3": {"app_id": "shop"}, "a4": {}}
    known = {}
    for name, more in ids_of.items():
        [added] = alice.add(f"note {name} of the lesson", user_id="alice", metadata={"section": name}, **more)["results"]
        known[name] = added["id"]
    [added] = alice.add("note a5 of the lesson", filters={"user_id": "alice", "run_id": "friday"})["results"]
    known["a5"] = added["id"]

    def listed(**filters):
        chosen = ids(alice.get_all(filters=filters))
        assert sorted(ids(alice.search("lesson", filters=filters, threshold=0))) == sorted(chosen)
        return sorted(name for name in known if known[name] in chosen)

    assert listed(user_id="alice") == ["a1", "a2", "a3", "a4", "a5"]
    assert listed(agent_id="Tutor") == listed(user_id="alice", agent_id="Tutor") == listed(agent_id="*") == ["a1", "a2"]
    assert listed(run_id="friday") == ["a5"]
    assert listed(user_id="alice", run_id="monday") == ["a2"]
    assert listed(AND=[{"user_id": "alice"}, {"app_id": "shop"}]) == ["a3"]
    assert listed(OR=[{"app_id": "shop"}, {"run_id": "monday"}]) == ["a2", "a3"]
    assert listed(AND=[{"user_id": "alice"}, {"metadata": {"section": "a4"}}]) == ["a4"]
    assert listed(user_id="alice", section="a1") == ["a1"]
    assert listed(user_id="alice", agent_id="nobody") == []
    got = alice.get(known["a2"])
    assert (got["user_id"], got["agent_id"], got["run_id"]) == ("alice", "Tutor", "monday")


def test_everything_comes_in_pages(alice):
    known = [alice.add(f"fact number {n}", user_id="alice")["results"][0]["id"] for n in range(5)]
    mine = {"user_id": "alice"}

    pages = [alice.get_all(filters=mine, page=n, page_size=2) for n in (1, 2, 3)]

    assert [len(page["results"]) for page in pages] == [2, 2, 1] and {page["count"] for page in pages} == {5}
    assert [bool(page["next"]) for page in pages] == [True, True, False]
    assert [bool(page["previous"]) for page in pages] == [False, True, True]
    assert sorted(known) == sorted(item for page in pages for item in ids(page))
    assert len(ids(alice.search("fact", filters=mine, top_k=3, threshold=0))) == 3


def test_an_expiration_date_is_kept_and_can_be_taken_away(alice):
    # Its end is a moment before midnight: what is late by a millisecond is late by a day.
    for n in range(20):
        known = alice.add(f"ticket {n} is valid", user_id="alice", expiration_date="2099-01-01")["results"][0]["id"]
        assert alice.get(known)["expiration_date"] == "2099-01-01"

    alice.update(known, expiration_date=None)
    assert not alice.get(known).get("expiration_date")


def test_a_deletion_takes_what_it_names_and_nothing_else(alice, bob):
    stays = alice.add("the boiler is from 2019", user_id="alice")["results"][0]["id"]
    goes = alice.add("try the blue theme", user_id="alice", agent_id="designer")["results"][0]["id"]
    others = bob.add("bread costs three euros", user_id="bob")["results"][0]["id"]

    assert refused(alice.delete_all).kind == "ValidationError"
    assert refused(alice.delete_all, user_id="bob").kind == "AuthenticationError"
    assert sorted(ids(alice.get_all(filters={"user_id": "alice"}))) == sorted([stays, goes])
    with contextlib.suppress(Mem0Error):
        alice.delete_all(user_id="alice", run_id="*")
    assert sorted(ids(alice.get_all(filters={"user_id": "alice"}))) == sorted([stays, goes])
    assert alice.delete_all(user_id="alice", agent_id="designer")["message"]
    assert ids(alice.get_all(filters={"user_id": "alice"})) == [stays]
    assert alice.delete_all(user_id="alice")["message"]
    assert ids(alice.get_all(filters={"user_id": "alice"})) == []
    assert ids(bob.get_all(filters={"user_id": "bob"})) == [others]


def test_filters_of_a_deletion_are_never_passed_over(alice):
    # The client writes them as Python prints a dictionary.
    stays = alice.add("the boiler is from 2019", user_id="alice")["results"][0]["id"]
    goes = alice.add("try the blue theme", user_id="alice", agent_id="designer")["results"][0]["id"]

    with contextlib.suppress(Mem0Error):
        alice.delete_all(filters={"agent_id": "designer"})

    left = ids(alice.get_all(filters={"user_id": "alice"}))
    assert stays in left and left in ([stays], [goes, stays], [stays, goes])


def test_many_are_changed_and_deleted_in_one_call(alice):
    known = [alice.add(f"number {n}", user_id="alice")["results"][0]["id"] for n in range(3)]

    alice.batch_update([{"memory_id": known[0], "text": "number zero"}, {"memory_id": known[1], "metadata": {"odd": True}}])
    alice.batch_delete([{"memory_id": known[2]}])

    assert alice.get(known[0])["memory"] == "number zero" and alice.get(known[1])["metadata"] == {"odd": True}
    assert sorted(ids(alice.get_all(filters={"user_id": "alice"}))) == sorted(known[:2])


def test_users_are_listed_and_deleted(alice, bob):
    alice.add("mine", user_id="alice", agent_id="helper/two")
    bob.add("his", user_id="bob")

    listed = {(e["type"], e["name"]): e for e in alice.users()["results"]}
    assert set(listed) == {("user", "alice"), ("agent", "helper/two")}
    assert listed["user", "alice"]["total_memories"] == 1
    assert refused(alice.delete_users, user_id="bob").kind == "AuthenticationError"
    stays = alice.add("mine, by no agent", user_id="alice")["results"][0]["id"]
    for any_of in ({"agent_id": "*"}, {"run_id": "*"}, {"agent_id": "helper/two"}):
        with contextlib.suppress(Mem0Error):
            alice.delete_users(**any_of)
        assert stays in ids(alice.get_all(filters={"user_id": "alice"})), f"{any_of} took what bears none"
    assert ids(alice.get_all(filters={"user_id": "alice"})) == [stays]
    assert len(ids(bob.get_all(filters={"user_id": "bob"}))) == 1


def test_two_users_see_nothing_of_each_other(alice, bob):
    secret = alice.add("Secret data of the safe", user_id="alice")["results"][0]["id"]
    sentence = f"Access denied: Memory {secret} does not belong to user bob"

    for call in (bob.get, bob.history, bob.delete, lambda known: bob.update(known, text="x")):
        error = refused(call, secret)
        assert (error.kind, error.message) == ("AuthenticationError", sentence)
    own = bob.add("the bike is green", user_id="bob")["results"][0]["id"]
    assert refused(bob.batch_update, [{"memory_id": own, "text": "red"}, {"memory_id": secret, "text": "x"}]).message == sentence
    assert refused(bob.batch_delete, [{"memory_id": own}, {"memory_id": secret}]).message == sentence
    assert bob.get(own)["memory"] == "the bike is green", "half of a refused call was done"
    for filters in ({"user_id": "alice"}, {"AND": [{"user_id": "alice"}]}):
        assert refused(bob.get_all, filters=filters).kind == "AuthenticationError"
        assert refused(bob.search, "safe", filters=filters).kind == "AuthenticationError"
    assert refused(bob.add, "planted", user_id="alice").kind == "AuthenticationError"
    for filters in ({"user_id": "bob"}, {"user_id": "*"}, {"agent_id": "*"}, {"NOT": [{"user_id": "bob"}]},
                    {"OR": [{"user_id": "alice"}, {"user_id": "bob"}]}, {"user_id": {"in": ["alice"]}}):
        with contextlib.suppress(Mem0Error):
            assert secret not in ids(bob.search("safe", filters=filters, threshold=0))
            assert secret not in ids(bob.get_all(filters=filters))
    # What is said in the metadata is not who one is.
    bob.add("planted", user_id="bob", metadata={"user_id": "alice"})
    assert [item["memory"] for item in alice.get_all(filters={"user_id": "alice"})["results"]] == ["Secret data of the safe"]


@pytest.mark.parametrize("user", ["a\nb", "", ["alice"], {"in": ["alice"]}])
def test_a_user_that_cannot_be_read_is_not_taken_for_none(server, user):
    # A blank is nothing said, and so one's own.
    with mem0(server) as admin:
        for more in ({"user_id": user}, {"filters": {"user_id": user}}):
            with contextlib.suppress(Mem0Error):
                admin.add("strange", **more)
                assert user == "", f"stored although {more} names nobody"


def test_filters_may_name_several_users_where_the_key_may(server):
    with mem0(server) as admin:
        known = [admin.add("likes tea", user_id=user)["results"][0]["id"] for user in ("alex", "ben", "cleo")]

        either = {"OR": [{"user_id": "alex"}, {"user_id": "ben"}]}
        with contextlib.suppress(Mem0Error):
            assert sorted(ids(admin.get_all(filters=either))) == sorted(known[:2]), "neither found nor refused"


def test_the_one_key_of_a_server_may_act_for_every_user(server):
    # The client names a user when it adds and asks, and never with an id.
    with mem0(server) as admin:
        known = {user: admin.add(f"{user} likes tea", user_id=user)["results"][0]["id"] for user in ("alex", "u@x.com")}

        for user, memory in known.items():
            assert ids(admin.get_all(filters={"user_id": user})) == [memory]
            assert ids(admin.search("tea", filters={"user_id": user})) == [memory]
            assert (admin.get(memory)["memory"], admin.get(memory)["user_id"]) == (f"{user} likes tea", user)
        assert {"alex", "u@x.com"} <= {e["name"] for e in admin.users()["results"]}
        admin.update(known["alex"], text="alex likes coffee")
        assert [step["event"] for step in admin.history(known["alex"])] == ["ADD", "UPDATE"]
        admin.delete(known["alex"])
        admin.delete_users(user_id="u@x.com")
        assert all(ids(admin.get_all(filters={"user_id": user})) == [] for user in known)


def test_what_is_not_there_is_not_found(alice):
    for call in (alice.get, alice.history, alice.delete, lambda known: alice.update(known, text="x")):
        for unknown in (UNKNOWN, "00000000-0000-4000-8000-000000000000", "a/b", "é ü"):
            assert refused(call, unknown).kind == "MemoryNotFoundError"


def test_neither_the_key_nor_its_digest_is_in_the_log(alice, shared):
    alice.add("quiet", user_id="alice")

    assert KEYS["alice"] not in shared.output() and md5(KEYS["alice"]) not in shared.output()


def test_older_clients_are_answered_in_their_own_shapes(server):
    rest = Rest(server)
    headers = {"Authorization": f"Token {KEY}"}

    def told(method, path, body=None):
        status, answer = rest.ask(method, path, body, headers)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer

    query = "org_id=memoryd&project_id=memoryd"
    ping = told("GET", f"/v1/ping/?{query}")
    assert ping["org_id"] and ping["project_id"]
    added = told("POST", "/v1/memories/", {"messages": said("I like tea"), "user_id": "alex", "version": "v2",
                                                  "output_format": "v1.1", "async_mode": False, **OLDER})
    known = added["results"][0]["id"]
    whose = {"user_id": "alex", **OLDER}
    for listed in (told("GET", f"/v1/memories/?user_id=alex&{query}"), told("POST", "/v2/memories/", whose),
                   told("POST", "/v2/memories/", {"filters": {"AND": [{"user_id": "alex"}]}, **OLDER}),
                   told("POST", "/v1/memories/search/", {"query": "tea", **whose}),
                   told("POST", "/v2/memories/search/", {"query": "tea", "filters": {"user_id": "alex"}, **OLDER})):
        assert [(item["id"], item["memory"]) for item in listed] == [(known, "I like tea")]
    paged = told("POST", "/v2/memories/?page=1&page_size=10", whose)
    assert ids(paged) == [known] and paged["count"] == 1
    assert told("GET", f"/v1/memories/{known}/?{query}")["memory"] == "I like tea"
    assert told("DELETE", f"/v1/memories/{known}/?{query}")["message"]


# ---- the server's image -------------------------------------------------------------------------
@pytest.mark.parametrize("headers", [{"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"token {KEY}"}],
                         ids=["key", "bearer", "token"])
def test_the_rest_of_the_image_takes_a_key_in_every_way(rest, headers):
    status, added = rest.ask("POST", "/memories", {"messages": said("hello"), "user_id": "alex"}, headers)

    assert status in (200, 201) and added["results"][0]["event"] == "ADD" and added["relations"] == []
    assert rest.ask("GET", "/memories?user_id=alex", None, {"Authorization": "Basic x"})[0] == 401


def test_the_rest_of_the_image_keeps_its_shapes(rest):
    added = rest.told("POST", "/memories", {"messages": said(TEXT), "user_id": "alex", "agent_id": "tutor", "run_id": "r1",
                                            "metadata": {"topic": "health"}, "infer": False})
    [result] = added["results"]
    known = result["id"]
    assert ULID.fullmatch(known) and (result["memory"], result["event"]) == (TEXT, "ADD") and result["created_at"]
    assert added["relations"] == []

    got = rest.told("GET", f"/memories/{known}?user_id=alex")
    assert (got["id"], got["memory"], got["hash"], got["metadata"]) == (known, TEXT, md5(TEXT), {"topic": "health"})
    assert (got["user_id"], got["agent_id"], got["run_id"]) == ("alex", "tutor", "r1") and got["created_at"]
    listed = rest.told("GET", "/memories?user_id=alex")
    assert [item["memory"] for item in listed["results"]] == [TEXT] and listed["results"][0]["hash"] == md5(TEXT)
    for asked in ({"user_id": "alex"}, {"filters": {"user_id": "alex"}}, {"filters": {"user_id": "alex", "topic": "health"}}):
        found = rest.told("POST", "/search", {"query": "penicillin", **asked})
        assert ids(found) == [known] and isinstance(found["results"][0]["score"], (int, float))
    assert ids(rest.told("POST", "/search", {"query": "penicillin", "user_id": "alex", "agent_id": "other"})) == []
    assert ids(rest.told("POST", "/search", {"query": "penicillin", "filters": {"user_id": "alex", "topic": "food"}})) == []

    assert rest.told("PUT", f"/memories/{known}?user_id=alex", {"text": "no allergy"})["message"]
    assert rest.told("PUT", f"/memories/{known}?user_id=alex", {"data": "none at all"})["message"]
    assert rest.told("GET", f"/memories/{known}?user_id=alex")["memory"] == "none at all"
    history = rest.told("GET", f"/memories/{known}/history?user_id=alex")
    assert [(step["event"], step["old_memory"], step["new_memory"]) for step in history] == \
        [("ADD", None, TEXT), ("UPDATE", TEXT, "no allergy"), ("UPDATE", "no allergy", "none at all")]
    assert "deleted" in rest.told("DELETE", f"/memories/{known}?user_id=alex")["message"]
    rest.adds("one", user_id="alex")
    kept = rest.adds("two", user_id="ben")
    assert rest.told("DELETE", "/memories?user_id=alex")["message"]
    assert ids(rest.told("GET", "/memories?user_id=alex")) == [] and ids(rest.told("GET", "/memories?user_id=ben")) == [kept]


@pytest.mark.parametrize(("method", "path", "body"), [("GET", "", None), ("PUT", "", {"text": "stolen"}), ("DELETE", "", None),
                                                      ("GET", "/history", None)])
def test_a_foreign_memory_is_refused_in_the_words_of_the_guide(shared, method, path, body):
    known = Rest(shared).adds("Secret data", user_id="user_a")
    asked = [(Rest(shared), "?user_id=user_b", "user_b"), (Rest(shared), "", "default"),
             (Rest(shared, KEYS["bob"]), "?user_id=bob", "bob"), (Rest(shared, KEYS["bob"]), "", "bob")]

    for rest, query, user in asked:
        status, answer = rest.ask(method, f"/memories/{known}{path}{query}", body)
        assert (status, answer["detail"]) == (403, f"Access denied: Memory {known} does not belong to user {user}")
    assert Rest(shared).told("GET", f"/memories/{known}?user_id=user_a")["memory"] == "Secret data"


@pytest.mark.parametrize(("method", "path", "body"), [("GET", "", None), ("PUT", "", {"text": "x"}), ("DELETE", "", None),
                                                      ("GET", "/history", None)])
def test_an_unknown_memory_is_not_found_in_a_sentence(rest, method, path, body):
    status, answer = rest.ask(method, f"/memories/{UNKNOWN}{path}", body)

    assert (status, answer["error"]) == (404, "Memory not found") and isinstance(answer["detail"], str)


@pytest.mark.parametrize("body", [{"messages": []}, {"messages": "x", "information": "y", "user_id": "alex"}, {"messages": [{}]},
                                  {"messages": said("x"), "metadata": 5, "user_id": "alex"},
                                  {"messages": said(""), "user_id": "alex"}, {"user_id": "alex"}, []])
def test_a_body_that_does_not_fit_is_told_in_a_sentence(rest, body):
    status, answer = rest.ask("POST", "/memories", body)

    assert status in (400, 422) and isinstance(answer["detail"], str) and answer["detail"]


def test_the_older_server_on_the_same_paths_is_told_apart(rest):
    old = rest.told("POST", "/memories", {"user_id": "alex", "information_type": "name", "information": "Alex Chen"})
    new = rest.adds("Alex plays the cello", user_id="alex")

    assert old["status"] == "success" and old["memory_id"] and old["timestamp"]
    listed = rest.told("GET", "/memories?user_id=alex")
    assert ids(listed) == [m["id"] for m in listed["memories"]] == [new, old["memory_id"]] and listed["total"] == 2
    assert [item["memory"] for item in listed["results"]] == ["Alex plays the cello", "Alex Chen"]
    first = listed["memories"][1]
    assert (first["information_type"], first["information"], first["value"]) == ("name", "Alex Chen", "Alex Chen")
    found = rest.told("GET", "/memories/search?user_id=alex&query=cello")
    assert found["memories"][0]["id"] == new
    assert rest.ask("POST", "/memories", {"user_id": "alex", "information_type": "name"})[1]["error"] == \
        "Missing required field: information"
    gone = rest.told("DELETE", "/memories?user_id=alex&type=name")
    assert (gone["status"], gone["deleted_count"]) == ("success", 1)
    assert ids(rest.told("GET", "/memories?user_id=alex")) == [new]


# ---- long texts ---------------------------------------------------------------------------------
PARAGRAPHS = "\n\n".join(f"Chapter {n}. " + f"It was day {n} of the journey, and the rain — as ever — fell. " * 40
                         for n in range(120))
LONG = {"paragraphs": PARAGRAPHS + "\n\nThe last word was marzipan.",
        "one line": "日本語テキスト" * 12_000,
        "one byte too many": "x" * (CONTENT_BYTES + 1),
        "a mebibyte": ("lorem ipsum dolor " * 60_000)[:1024 * 1024]}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_message_is_stored_in_pieces_and_byte_for_byte(shared, text):
    with mem0(shared, KEYS["alice"]) as alice:
        added = alice.add(said(text), user_id="alice", metadata={"book": "diary"})["results"]

        pieces(added, text)
        for piece in added:
            got = alice.get(piece["id"])
            assert got["memory"] == piece["memory"] and got["metadata"]["book"] == "diary"
        listed = Rest(shared, KEYS["alice"]).told("GET", "/memories?user_id=alice")
        assert sorted(ids(listed)) == sorted({piece["id"] for piece in added})


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_the_rest_of_the_image_takes_a_long_message_as_well(rest, text):
    asked = {"messages": said("before", text, "after"), "user_id": "alex", "infer": False}
    added = rest.told("POST", "/memories", asked)["results"]

    assert (added[0]["memory"], added[-1]["memory"]) == ("before", "after")
    pieces(added[1:-1], text)


def test_what_stands_at_the_end_of_a_long_message_is_found(alice):
    added = alice.add(LONG["paragraphs"], user_id="alice")["results"]

    assert ids(alice.search("marzipan", filters={"user_id": "alice"}))[0] == added[-1]["id"]


def test_a_body_above_the_limit_stores_nothing(alice):
    error = refused(alice.add, "x" * (2 * 1024 * 1024), user_id="alice")

    assert error.kind == "MemoryQuotaExceededError"
    assert alice.get_all(filters={"user_id": "alice"})["results"] == []


def pieces(added, text):
    """Several, none too long, and together the text: equal ones may be one memory, but each stands in its place."""
    assert len(added) > 1 and all(len(piece["memory"].encode()) <= CONTENT_BYTES for piece in added)
    assert "".join(piece["memory"] for piece in added) == text, "the pieces are not the text"
