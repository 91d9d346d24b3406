"""The `chatgpt` set: `search` and `fetch` as OpenAI's guide to MCP servers wants them, for ChatGPT and deep research.

An answer is one text, which is JSON, and the same object as structured content. ChatGPT compares the arguments of the two
tools with its own, so that there may be no others.
"""

import json
import re

import jsonschema
import pytest
from callers import python, python_client
from conftest import KEY
from memory_flow import TEXT, UNKNOWN, ok
from plain import Plain

# A link that a person can open, or nothing at all.
LINK = re.compile(r"(https?://\S+)?")
HINTS = ("readOnlyHint", "destructiveHint", "openWorldHint")


class ChatGpt:
    def __init__(self, server, key=KEY, era="legacy"):
        self.plain = Plain(server, key, era)

    def add(self, content, **more):
        return ok(self.plain.call("add_memory", {"content": content, **more}))["id"]

    def ask(self, tool, arguments):
        return self.plain.ask("tools/call", {"name": tool, "arguments": arguments})

    def body(self, tool, arguments):
        """The object that stands in both places of an answer."""
        raw = self.ask(tool, arguments)
        assert not raw.get("isError"), raw
        assert [sorted(block) for block in raw["content"]] == [["text", "type"]] and raw["content"][0]["type"] == "text"
        body = json.loads(raw["content"][0]["text"])
        assert raw["structuredContent"] == body
        return body

    def search(self, query):
        body = self.body("search", {"query": query})
        assert list(body) == ["results"]
        for found in body["results"]:
            assert sorted(found) == ["id", "title", "url"]
            assert all(isinstance(value, str) for value in found.values())
            assert found["id"] and found["title"].strip() and LINK.fullmatch(found["url"]), found
        return body["results"]

    def fetch(self, known):
        body = self.body("fetch", {"id": known})
        assert set(body) - {"metadata"} == {"id", "title", "text", "url"}
        assert body["title"].strip() and LINK.fullmatch(body["url"])
        # OpenAI's own schema takes nothing but texts.
        assert all(isinstance(value, str) for value in body.get("metadata", {}).values())
        return body

    def refusal(self, tool, arguments):
        raw = self.ask(tool, arguments)
        assert raw.get("isError") is True, raw
        return raw["content"][0]["text"]


@pytest.fixture(params=["legacy", "modern"])
def chatgpt(home, request):
    return ChatGpt(home.server(TOOLSETS="chatgpt"), era=request.param)


def test_two_tools_are_listed_with_no_other_arguments_than_openai_knows(chatgpt):
    tools = chatgpt.plain.tools()

    assert sorted(tools) == ["fetch", "search"]
    for name, argument in (("search", "query"), ("fetch", "id")):
        schema = tools[name]["inputSchema"]
        assert schema["type"] == "object" and list(schema["properties"]) == [argument] and schema["required"] == [argument]
        assert schema["properties"][argument]["type"] == "string"
        assert [tools[name]["annotations"].get(hint) for hint in HINTS] == [True, False, False]
        assert tools[name]["title"] and tools[name]["description"] and tools[name]["outputSchema"]["type"] == "object"


def test_what_search_finds_fetch_reads_whole(chatgpt):
    known = chatgpt.add(TEXT, title="Allergies", tags=["anna"], project="family", metadata={"source": "letter"})
    chatgpt.add("The kettle is in the left cupboard")

    first = chatgpt.search("what is Anna allergic to?")[0]
    read = chatgpt.fetch(first["id"])

    assert (first["id"], first["title"]) == (known, "Allergies")
    assert (read["id"], read["title"], read["text"]) == (known, "Allergies", TEXT)
    assert read["url"] == first["url"]


def test_the_answers_fit_the_schemas_that_are_listed(chatgpt):
    known = chatgpt.add(TEXT)
    schemas = {name: tool["outputSchema"] for name, tool in chatgpt.plain.tools().items()}

    jsonschema.validate(chatgpt.body("search", {"query": "Anna"}), schemas["search"])
    jsonschema.validate(chatgpt.body("fetch", {"id": known}), schemas["fetch"])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_that_checks_schemas_takes_the_answers(home, mode):
    server = home.server(TOOLSETS="chatgpt")
    known = ChatGpt(server).add(TEXT)

    with python(python_client(server, mode)) as caller:
        caller.tools()
        found = ok(caller.call("search", {"query": "Anna's allergy"}))
        read = ok(caller.call("fetch", {"id": known}))

    assert [r["id"] for r in found["results"]] == [known]
    assert read["text"] == TEXT


def test_a_memory_without_a_title_has_one_and_its_text_is_whole(chatgpt):
    for text in [TEXT, "one", "line\nline\n", " \n\n  later", "\u65e5\u672c\u8a9e " * 50, "<b>&amp;</b>",
                 "# " + "word " * 6000, "\ufeffmark \u2028 \0 \u001b", "{\"results\": []}"]:
        read = chatgpt.fetch(chatgpt.add(text))

        assert read["text"] == text
        # A title is one line, and no second copy of a long text.
        assert "\n" not in read["title"] and len(read["title"]) <= 200


def test_the_best_comes_first(chatgpt):
    cups = chatgpt.add("The cups are in the right cupboard")
    kettle = chatgpt.add("The kettle is in the left cupboard")
    chatgpt.add("Bob plays the cello on Sundays")

    found = [r["id"] for r in chatgpt.search("the kettle in the left cupboard")]

    assert found.index(kettle) < found.index(cups)
    assert found[0] == kettle


def test_nothing_is_found_where_nothing_is(chatgpt):
    assert chatgpt.search("kettle") == chatgpt.search("") == []


def test_a_blank_question_finds_nothing(chatgpt):
    chatgpt.add("The kettle is in the left cupboard")

    assert chatgpt.search("") == chatgpt.search(" \n") == []


def test_what_is_deleted_is_neither_found_nor_fetched(chatgpt):
    known = chatgpt.add("The kettle is in the left cupboard")
    ok(chatgpt.plain.call("delete_memory", {"id": known}))

    assert chatgpt.search("kettle") == []
    assert chatgpt.refusal("fetch", {"id": known})


def test_an_id_that_is_not_there_is_refused(chatgpt):
    chatgpt.add("The kettle is in the left cupboard")

    for arguments in ({"id": UNKNOWN}, {"id": "doc-1"}, {"id": ""}, {"id": "../../etc/passwd"}, {"id": None}, {}):
        assert "kettle" not in chatgpt.refusal("fetch", arguments)


def test_a_search_without_a_question_is_refused_or_finds_nothing(chatgpt):
    chatgpt.add("The kettle is in the left cupboard")

    raw = chatgpt.ask("search", {})

    assert raw.get("isError") or raw["structuredContent"] == {"results": []}


def test_a_user_finds_and_fetches_his_own(home):
    keys = {"ann": "key-of-ann-0123456789abcdefghij-klmnop", "ben": "key-of-ben-0123456789abcdefghij-klmnop"}
    server = home.server(TOOLSETS="chatgpt", MCP_API_KEYS=",".join(f"{name}:{key}" for name, key in keys.items()))
    ann, ben = (ChatGpt(server, key) for key in keys.values())
    known = ann.add("Ann's diary is under the bed")

    assert [r["id"] for r in ann.search("diary")] == [known]
    assert ben.search("diary") == []
    told, wanted = (ben.refusal("fetch", {"id": one}).replace(one, "ID") for one in (known, UNKNOWN))
    # Nothing tells an id of another user from one that nobody has.
    assert told == wanted
