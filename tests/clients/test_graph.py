"""The `graph` set beside the official knowledge-graph server: both are asked the same, and have to answer the same.

The official one comes from npm and keeps its graph in a file. Compared is all that a client sees of an answer; only the
white space of a text that is JSON is not. MEMORYD_GRAPH_CALLS says how many calls the random conversation has, three
hundred unless it is set, and MEMORYD_GRAPH_SEED which conversation it is.
"""

import contextlib
import json
import os

import jsonschema
import pytest
from callers import PATIENCE
from conftest import BINARY, KEY, NPM, node
from graph_calls import (
    ODD,
    READ,
    REFUSED,
    SCRIPT,
    Conversation,
    create,
    entity,
    look,
    more,
    observe,
    relate,
    relation,
    remove,
    search,
)
from lines import LineProcess
from plain import Plain

CALLS = int(os.environ.get("MEMORYD_GRAPH_CALLS", "300"))
SEED = int(os.environ.get("MEMORYD_GRAPH_SEED", "52"))
OFFICIAL = "node_modules/@modelcontextprotocol/server-memory/dist/index.js"
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "graph", "version": "1"}}
# What a tool says of itself. `execution` is left out: it is about tasks, which no server has to know.
TOLD = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
WAYS = ["legacy", "modern", "stdio"]


class Line:
    """A server behind a pipe."""

    def __init__(self, command, env, cwd):
        self.process = LineProcess(command, env, cwd, PATIENCE)

    def __enter__(self):
        self.ask("initialize", HELLO)
        self.process.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def __exit__(self, *_):
        self.process.remove()

    def ask(self, method, params):
        answer = self.process.ask(method, params)
        assert "result" in answer, f"{method} {params}: {answer}"
        return answer["result"]


def official(home):
    path = NPM / OFFICIAL
    if not path.exists():
        pytest.fail(f"no {path}: run `make tools`, it installs it")
    return Line([node(), str(path)], home.env(MEMORY_FILE_PATH=os.path.join(home.dir, "official.jsonl")), home.dir)


@contextlib.contextmanager
def memoryd(home, way):
    if way == "stdio":
        with Line([str(BINARY), "stdio"], home.env(TOOLSETS="graph"), home.dir) as line:
            yield line
    else:
        yield Plain(home.server(TOOLSETS="graph"), KEY, way)


def heard(raw):
    """What a client sees of an answer."""
    seen = {"failed": raw.get("isError", False), "structured": raw.get("structuredContent"),
            "content": [read(block) for block in raw["content"]]}
    # Every tool of memoryd tells a refusal in this shape as well; the official server has none.
    if seen["failed"] and set(seen["structured"] or {}) == {"error"}:
        assert seen["structured"]["error"]["code"] and seen["structured"]["error"]["message"]
        seen["structured"] = None
    return seen


def read(block):
    with contextlib.suppress(ValueError, KeyError):
        return {**block, "text": json.loads(block["text"])}
    return block


def params(tool, arguments):
    return {"name": tool} if arguments is None else {"name": tool, "arguments": arguments}


class Both:
    """memoryd and the official server, each of which is asked everything."""

    def __init__(self, mine, official):
        self.mine, self.official = mine, official
        self.asked = 0

    def call(self, tool, arguments):
        """The one answer of both."""
        self.asked += 1
        wanted = heard(self.official.ask("tools/call", params(tool, arguments)))
        came = heard(self.mine.ask("tools/call", params(tool, arguments)))
        assert came == wanted, f"call {self.asked}, {tool} {json.dumps(arguments)[:2000]}"
        return wanted

    def graph(self):
        return self.call(*READ)["structured"]

    def tools(self):
        """What each says of its tools, in its order; the dialect of a schema is the server's own affair."""
        for server in (self.mine, self.official):
            tools = [{part: tool.get(part) for part in TOLD} for tool in server.ask("tools/list", {})["tools"]]
            for tool in tools:
                for schema in ("inputSchema", "outputSchema"):
                    tool[schema] = {k: v for k, v in tool[schema].items() if k != "$schema"}
            yield tools


@pytest.fixture(params=WAYS)
def both(home, request):
    with official(home) as reference, memoryd(home, request.param) as mine:
        yield Both(mine, reference)


@pytest.fixture
def over_http(home):
    with official(home) as reference, memoryd(home, "legacy") as mine:
        yield Both(mine, reference)


def test_the_nine_tools_say_the_same_of_themselves(both):
    mine, wanted = both.tools()

    assert [tool["name"] for tool in mine] == [tool["name"] for tool in wanted]
    assert mine == wanted


def test_a_written_conversation_is_answered_alike(both):
    for tool, arguments in SCRIPT:
        both.call(tool, arguments)

    assert both.graph()["entities"]


def test_a_random_conversation_is_answered_alike(over_http):
    for number, (tool, arguments) in enumerate(Conversation(SEED).calls(CALLS)):
        over_http.call(tool, arguments)
        if number % 10 == 9:
            over_http.graph()

    over_http.graph()


def test_what_is_refused_is_refused_in_the_same_words_and_changes_nothing(both):
    both.call(*create(entity("Ada", "person", "kept"), entity("Bob")))
    both.call(*relate(relation("Ada", "is", "kept")))
    before = both.graph()

    answers = [both.call(tool, arguments) for tool, arguments in REFUSED]

    assert [a for a in answers if not a["failed"]] == []
    assert both.graph() == before


@pytest.mark.parametrize("call", [create(entity("Ada", "person", "x")), relate(relation("Ada", "is", "x")), remove("Ada"),
                                  look("Ada"), observe(more("Ada", "y"))], ids=lambda call: call[0])
def test_a_list_that_comes_as_text_is_refused_or_read_as_the_list(over_http, call):
    # The official server refuses it. The contract of memoryd takes it on every face, since models write it.
    over_http.call(*create(entity("Ada", "person", "kept")))
    tool, arguments = call
    dressed = {name: json.dumps(value) for name, value in arguments.items()}

    came = heard(over_http.mine.ask("tools/call", params(tool, dressed)))

    meant = dressed if came["failed"] else arguments
    assert came == heard(over_http.official.ask("tools/call", params(tool, meant)))
    over_http.graph()


def test_what_is_answered_fits_the_schema_that_is_listed(over_http):
    schemas = {tool["name"]: tool["outputSchema"] for tool in next(over_http.tools())}

    for tool, arguments in SCRIPT:
        answer = over_http.call(tool, arguments)
        if not answer["failed"]:
            jsonschema.validate(answer["structured"], schemas[tool])


def test_the_order_outlives_a_restart(over_http):
    names = [f"n{number * 7 % 50}" for number in range(50)] + ODD
    over_http.call(*create(*[entity(name, "thing", *reversed(ODD)) for name in names]))
    over_http.call(*relate(*[relation(name, "follows", before) for name, before in zip(names, names[1:], strict=False)]))
    over_http.call(*remove("n7", "n14"))
    over_http.call(*create(entity("n7")))
    before = over_http.graph()

    server = over_http.mine.server
    server.stop()
    server.start()

    assert over_http.graph() == before


def test_a_user_has_a_graph_of_his_own(home):
    keys = {"ann": "key-of-ann-0123456789abcdefghij-klmnop", "ben": "key-of-ben-0123456789abcdefghij-klmnop"}
    server = home.server(TOOLSETS="graph", MCP_API_KEYS=",".join(f"{name}:{key}" for name, key in keys.items()))
    ann, ben = (Plain(server, key) for key in keys.values())
    secret = create(entity("Ann's diary", "secret", "under the bed"))
    ann.ask("tools/call", params(*secret))
    before = heard(ann.ask("tools/call", params(*READ)))

    seen = [heard(ben.ask("tools/call", params(*call))) for call in (READ, look("Ann's diary"), search("bed"))]
    lost = heard(ben.ask("tools/call", params(*observe(more("Ann's diary", "x")))))
    ben.ask("tools/call", params(*remove("Ann's diary")))
    made = heard(ben.ask("tools/call", params(*secret)))

    assert [s["structured"] for s in seen] == [{"entities": [], "relations": []}] * 3
    assert lost["failed"] and lost["content"] == [{"type": "text", "text": "Entity with name Ann's diary not found"}]
    assert made["structured"] == secret[1]
    assert heard(ann.ask("tools/call", params(*READ))) == before
