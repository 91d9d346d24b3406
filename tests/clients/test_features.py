"""What clients rely on beside the tools: resources, prompts, completions, subscriptions, restarts, refusals."""

import asyncio
import contextlib
import http.client
import json
import subprocess

import mcp_types
import pytest
from callers import (
    PATIENCE,
    Inspector,
    Python,
    RpcError,
    python,
    python_client,
    python_stdio_client,
    typescript_http,
)
from conftest import BINARY, KEY
from memory_flow import ok
from mcp import MCPError
from mcp.client.subscriptions import ResourceUpdated

MODES = ["auto", "legacy", "2026-07-28"]
RESOURCES = [f"memory://{name}" for name in ("profile", "recent", "pinned", "instructions", "stats")]
PROMPTS = ["context", "memory-protocol", "review"]


def clients_of(server):
    yield python(python_client(server, "auto"))
    yield python(python_client(server, "legacy"))
    yield typescript_http(server, "default")
    yield typescript_http(server, "2026-07-28")


def test_every_client_reads_the_resources(server):
    for client in clients_of(server):
        with client as caller:
            known = ok(caller.call("add_memory", {"content": "The spare key is under the blue pot"}))["id"]
            listed = [r["uri"] for r in caller.resources()]

            assert [uri for uri in RESOURCES if uri not in listed] == []
            for uri in RESOURCES:
                assert caller.read(uri)[0]["uri"] == uri
            assert "blue pot" in json.dumps(caller.read(f"memory://memory/{known}"))


def test_every_client_gets_prompts_and_completions(server):
    for client in clients_of(server):
        with client as caller:
            ok(caller.call("add_memory", {"content": "Shelves need brackets", "project": "garage", "tags": ["diy"]}))

            assert [name for name in PROMPTS if name not in [p["name"] for p in caller.prompts()]] == []
            assert "garage" in caller.complete("memory://project/{name}", "name", "gar")
            assert "diy" in caller.complete("memory://tag/{name}", "name", "d")
            assert caller.complete("memory://project/{name}", "name", "no-such-project") == []


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_inspector_reads_resources_and_prompts(server, era):
    inspector = Inspector(server, era)

    assert [uri for uri in RESOURCES if uri not in [r["uri"] for r in inspector.resources()]] == []
    assert inspector.read("memory://stats")[0]["uri"] == "memory://stats"
    assert [name for name in PROMPTS if name not in [p["name"] for p in inspector.prompts()]] == []


def test_a_subscriber_hears_of_a_new_memory(server):
    async def run():
        async with python_client(server, "2026-07-28") as listener, python_client(server, "auto") as writer:
            async with listener.listen(resource_subscriptions=["memory://recent"]) as subscription:
                assert subscription.honored.resource_subscriptions == ["memory://recent"]
                await writer.call_tool("add_memory", {"content": "the boiler was serviced in March"})
                return await anext(subscription)

    event = asyncio.run(asyncio.wait_for(run(), PATIENCE))

    assert isinstance(event, ResourceUpdated) and event.uri == "memory://recent"


def test_what_is_written_right_after_the_acknowledgment_is_told(server):
    # Whoever starts to watch only after the acknowledgment has left misses one in twenty: so, forty times.
    with contextlib.closing(connection(server)) as writer:
        for n in range(40):
            with contextlib.closing(connection(server)) as listener:
                wish = {"notifications": {"resourceSubscriptions": ["memory://recent"]}}
                stream = ask(listener, "subscriptions/listen", wish)
                read_until(stream, b"notifications/subscriptions/acknowledged")
                ask(writer, "tools/call", {"name": "add_memory", "arguments": {"content": f"boiler {n}"}}, "add_memory").read()
                read_until(stream, b"notifications/resources/updated")


def connection(server):
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)


def ask(connection, method, params, name=None):
    """A modern request without a client, for what a client is too slow to show."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {"Content-Type": "application/json", "X-API-Key": KEY, "Mcp-Method": method,
               "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
    connection.request("POST", "/mcp", json.dumps(body), headers | ({"Mcp-Name": name} if name else {}))
    return connection.getresponse()


def read_until(stream, words):
    while words not in (line := stream.readline()):
        assert line, f"the stream ended before {words.decode()}"


def test_a_subscription_ends_in_order_when_the_server_stops(server):
    async def run():
        async with python_client(server, "2026-07-28") as client:
            async with client.listen(resource_subscriptions=["memory://recent"]) as subscription:
                stopping = asyncio.create_task(asyncio.to_thread(server.stop))
                # An abrupt end would raise SubscriptionLost.
                events = [event async for event in subscription]
                await stopping
                return events

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE)) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_client_with_a_wrong_key_is_refused_and_does_not_hang(server, mode, monkeypatch):
    monkeypatch.setattr("callers.KEY", "wrong-key-wrong-key-wrong-key-wrong")

    async def run():
        async with python_client(server, mode) as client:
            await client.list_tools()

    with pytest.raises((MCPError, ExceptionGroup)):
        asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_client_outlives_a_restart_of_the_server(home):
    server = home.server()
    with python(python_client(server, "legacy")) as one, typescript_http(server, "default") as two:
        known = ok(one.call("add_memory", {"content": "the router is at 192.0.2.1"}))["id"]
        assert ok(two.call("get_memory", {"id": known}))

        server.stop()
        server.start()

        for caller in (one, two):
            assert ok(caller.call("get_memory", {"id": known}))["memory"]["content"] == "the router is at 192.0.2.1"


def test_stdio_and_the_daemon_share_one_store(home):
    server = home.server()
    with python(python_stdio_client(home, "auto")) as local, python(python_client(server, "auto")) as remote:
        known = ok(local.call("add_memory", {"content": "the wifi is called heron"}))["id"]

        assert [m["id"] for m in ok(remote.call("search_memories", {"query": "wifi name"}))["results"]] == [known]


def test_stdio_alone_keeps_what_it_was_told(home):
    with python(python_stdio_client(home, "auto")) as first:
        known = ok(first.call("add_memory", {"content": "the wifi is called heron"}))["id"]

    with python(python_stdio_client(home, "legacy")) as second:
        assert ok(second.call("get_memory", {"id": known}))["memory"]["content"] == "the wifi is called heron"


@pytest.mark.parametrize("daemon", [True, False], ids=["beside-a-daemon", "alone"])
def test_nothing_but_protocol_is_on_the_standard_output_of_stdio(home, daemon):
    if daemon:
        home.server()
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    messages = [{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
                {"jsonrpc": "2.0", "method": "notifications/initialized"},
                {"jsonrpc": "2.0", "id": "two", "method": "tools/list"},
                {"jsonrpc": "2.0", "id": 3, "method": "no/such/method"}]

    done = type_into_stdio(home, "".join(json.dumps(m) + "\n" for m in messages))

    answers = {json.dumps(m.get("id")): m for m in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stderr[-400:]
    assert answers["1"]["result"]["protocolVersion"] == "2025-06-18"
    assert answers['"two"']["result"]["tools"]
    assert answers["3"]["error"]["code"] == -32601
    assert all(m["jsonrpc"] == "2.0" for m in answers.values())


@pytest.mark.parametrize("daemon", [True, False], ids=["beside-a-daemon", "alone"])
def test_a_line_that_is_no_json_is_answered_and_does_not_end_stdio(home, daemon):
    if daemon:
        home.server()

    done = type_into_stdio(home, 'not json\n{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')

    # Answers may come in any order.
    answers = sorted(map(json.loads, done.stdout.splitlines()), key=lambda m: m["id"] or 0)
    assert [m["id"] for m in answers] == [None, 1]
    assert answers[0]["error"]["code"] == -32700 and answers[1]["result"] == {}


def type_into_stdio(home, text):
    return subprocess.run([str(BINARY), "stdio"], input=text, capture_output=True, text=True, timeout=PATIENCE,
                          cwd=home.dir, env=home.env())


def test_the_release_has_none_of_the_conformance_fixtures(server):
    with python(python_client(server, "auto")) as caller:
        assert [t["name"] for t in caller.tools() if t["name"].startswith("test_")] == []
        with pytest.raises(RpcError) as refused:
            caller.call("test_simple_text", {})

    assert refused.value.code == -32602


class Human:
    """Answers what a server asks through elicitation."""

    def __init__(self, action):
        self.action, self.asked = action, 0

    async def __call__(self, _context, params):
        self.asked += 1
        if self.action != "accept":
            return mcp_types.ElicitResult(action=self.action)
        fields = params.requested_schema.get("properties", {})
        content = {name: True if schema.get("type") == "boolean" else "yes" for name, schema in fields.items()}
        return mcp_types.ElicitResult(action="accept", content=content)


@pytest.mark.parametrize(("action", "left"), [("accept", 0), ("decline", 3)])
def test_a_bulk_deletion_asks_a_client_that_can_ask(server, action, left):
    human = Human(action)

    with python(python_client(server, "2026-07-28", elicitation_callback=human)) as caller:
        old_memories(caller)
        caller.call("delete_memory", {"tags": ["old"]})

        assert human.asked == 1
        assert ok(caller.call("list_memories", {"tags": ["old"]}))["total"] == left


@pytest.mark.parametrize("mode", MODES)
def test_a_bulk_deletion_is_a_dry_run_unless_it_is_said_otherwise(server, mode):
    with python(python_client(server, mode)) as caller:
        ids = old_memories(caller)

        dry = ok(caller.call("delete_memory", {"tags": ["old"]}))
        assert (dry["matched"], dry["deleted"], dry["dry_run"], sorted(dry["ids"])) == (3, 0, True, sorted(ids))
        wet = ok(caller.call("delete_memory", {"tags": ["old"], "dry_run": False}))
        assert (wet["matched"], wet["deleted"], wet["dry_run"]) == (3, 3, False)
        assert ok(caller.call("list_memories", {"tags": ["old"]}))["total"] == 0


def old_memories(caller: Python):
    contents = ("the car needs oil", "bread costs three euros", "Tuesday is bin day")
    return [ok(caller.call("add_memory", {"content": c, "tags": ["old"]}))["id"] for c in contents]


def test_no_key_is_ever_in_the_log(server):
    with python(python_client(server, "auto", "bearer")) as caller:
        ok(caller.call("add_memory", {"content": "a secret nobody may log"}))

    assert KEY not in server.output() and "nobody may log" not in server.output()
