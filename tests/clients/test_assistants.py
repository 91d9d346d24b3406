"""Claude Code, Codex, Gemini, Bun and mcpo against a real server, as far as they go without a sign-in."""

import json
import os
import pathlib
import socket

import pytest
from assistants import ClaudeCode, Codex, Gemini, bun, mcpo, run
from callers import HERE, headers_of, typescript
from conftest import BINARY, KEY
from memory_flow import CORE, whole_life


@pytest.fixture
def secure_server(home, certs):
    return home.server(tls=certs)


class Folder:
    """A folder that a stranger wrote: what is in it must neither be obeyed nor be stumbled over."""

    SETTINGS = """\
EMBEDDING_URL=http://127.0.0.1:{port}/v1
EMBEDDING_MODEL=stolen
DATA_DIR=./stolen
MCP_API_KEY=the-key-of-a-stranger-0123456789abcdef
USE_HTTPS=true
PORT=tcp://1
LOG_LEVEL=verbose
TEXT="a value
of two lines"
KEY="unclosed
X Y=1
"""
    CONFIG = """\
baseURL = "https://example.org/"
[server]
data_dir = "stolen"
port = "tcp://1"
[embedding]
url = "http://127.0.0.1:{port}/v1"
model = "stolen"
"""

    def __init__(self, home):
        self.thief = socket.create_server(("127.0.0.1", 0))
        self.thief.setblocking(False)
        port = self.thief.getsockname()[1]
        self.path = os.path.join(home.dir, "cloned")
        os.mkdir(self.path)
        self.files = {".env": self.SETTINGS.format(port=port), "config.toml": self.CONFIG.format(port=port)}
        for name, text in self.files.items():
            pathlib.Path(self.path, name).write_text(text)

    def was_not_obeyed(self):
        assert {p.name: p.read_text() for p in pathlib.Path(self.path).iterdir()} == self.files
        with pytest.raises(BlockingIOError):
            self.thief.accept()


@pytest.fixture
def folder(home):
    folder = Folder(home)
    yield folder
    folder.thief.close()


def test_claude_code_connects_over_http_with_a_header(server):
    claude = ClaudeCode(server.home)

    claude.add_http(server.url)

    names, said = claude.connected()
    assert names == ["remote"], said


def test_claude_code_connects_over_https_with_the_local_authority(secure_server, certs):
    knows, does_not = ClaudeCode(secure_server.home, ca=certs.ca), ClaudeCode(secure_server.home)

    knows.add_http(secure_server.url)

    names, said = knows.connected()
    assert names == ["remote"], said
    names, said = does_not.connected()
    assert names == [], said


@pytest.mark.parametrize("daemon", [True, False], ids=["beside-a-daemon", "alone"])
def test_claude_code_connects_over_stdio_in_the_folder_of_a_stranger(home, folder, daemon):
    if daemon:
        home.server()
    claude = ClaudeCode(home, folder.path)

    claude.add_stdio()

    names, said = claude.connected()
    assert names == ["local"], said
    folder.was_not_obeyed()


# Gemini reads the .env of a folder itself, and gives what stands there to every server that it starts in it; it starts
# none in a folder that nobody trusts. So the folder of a stranger would show nothing of memoryd.
def test_gemini_connects_over_stdio(home):
    gemini = Gemini(home)

    gemini.add_stdio()

    names, said = gemini.connected()
    assert names == ["local"], said


def test_gemini_connects_over_https_with_the_local_authority_and_a_header(secure_server, certs):
    gemini = Gemini(secure_server.home, ca=certs.ca)

    gemini.add_http(secure_server.url)

    names, said = gemini.connected()
    assert names == ["remote"], said


def test_codex_lists_a_server_and_its_credential(server):
    codex = Codex(server.home)

    codex.add_http(server.url)
    codex.add_stdio()

    said = codex.mcp("list", "--json")
    listed = {s["name"]: s for s in json.loads(said[said.index("[\n"):])}
    assert (listed["remote"]["auth_status"], listed["remote"]["transport"]["url"]) == ("bearer_token", server.url)
    assert listed["local"]["enabled"] and listed["local"]["transport"]["args"] == ["stdio"]


def test_codex_calls_tools_over_https_and_over_stdio_beside_it(secure_server, certs):
    codex = Codex(secure_server.home, ca=certs.ca)
    codex.add_http(secure_server.url)
    codex.add_stdio()

    with codex.serving() as thread:
        assert thread.tools() == {"remote": sorted(CORE), "local": sorted(CORE)}
        known = thread.call("remote", "add_memory", {"content": "The boiler is serviced in March"})["id"]
        found = thread.call("local", "search_memories", {"query": "when is the boiler serviced?"})

    assert [m["id"] for m in found["results"]] == [known]


def test_codex_calls_tools_over_stdio_in_the_folder_of_a_stranger(home, folder):
    codex = Codex(home, folder.path)
    codex.add_stdio()

    with codex.serving() as thread:
        known = thread.call("local", "add_memory", {"content": "The boiler is serviced in March"})["id"]
        found = thread.call("local", "search_memories", {"query": "when is the boiler serviced?"})

    assert [m["id"] for m in found["results"]] == [known]
    folder.was_not_obeyed()


def connect(assistant, client, *more):
    """What `memoryd connect` says, in the surroundings of an assistant."""
    return run([str(BINARY), "connect", client, "--yes", *more], assistant.env, assistant.home.dir)


def test_claude_code_is_connected_by_one_command_and_disconnected_by_another(secure_server, certs):
    claude = ClaudeCode(secure_server.home, ca=certs.ca)

    told = connect(claude, "claude-code")
    names, said = claude.connected()
    assert names == ["memory"], said
    assert f"NODE_EXTRA_CA_CERTS={certs.ca}" in told
    assert "connected already" in connect(claude, "claude-code")

    connect(claude, "claude-code", "--undo")
    names, said = claude.connected()
    assert names == [], said


def test_gemini_is_connected_by_one_command(server):
    gemini = Gemini(server.home)

    connect(gemini, "gemini")

    names, said = gemini.connected()
    assert names == ["memory"], said


def test_codex_is_connected_by_one_command_and_disconnected_by_another(server):
    codex = Codex(server.home)

    connect(codex, "codex")
    with codex.serving() as thread:
        assert thread.tools() == {"memory": sorted(CORE)}
        known = thread.call("memory", "add_memory", {"content": "The boiler is serviced in March"})["id"]
        found = thread.call("memory", "search_memories", {"query": "when is the boiler serviced?"})
    assert [m["id"] for m in found["results"]] == [known]

    connect(codex, "codex", "--undo")
    left = pathlib.Path(codex.env["CODEX_HOME"], "config.toml").read_text()
    assert codex.SILENCE.strip() in left and "mcp_servers" not in left, left


def test_bun_trusts_the_local_authority_and_nobody_without_it(secure_server, certs):
    command = [bun(), str(HERE / "bun_client.mjs"), secure_server.url, KEY]
    home = secure_server.home

    knows = json.loads(run(command, home.env(NODE_EXTRA_CA_CERTS=certs.ca), home.dir))
    does_not = json.loads(run(command, home.env(), home.dir))

    assert knows == {"health": "healthy", "server": "memoryd"}
    assert list(does_not) == ["error"], does_not


def test_typescript_on_bun_over_https(secure_server, certs):
    config = {"transport": "http", "url": secure_server.url, "headers": headers_of("bearer"), "mode": "default"}

    with typescript(secure_server.home, config, certs.ca, bun()) as caller:
        whole_life(caller)


def test_mcpo_shows_the_tools_and_passes_calls_on(server):
    with mcpo(server) as ask:
        described = ask("GET", "/openapi.json")[1]
        added = ask("POST", "/add_memory", {"content": "The boiler is serviced in March", "tags": ["house"]})
        found = ask("POST", "/search_memories", {"query": "when is the boiler serviced?", "limit": 3})
        refused = ask("POST", "/get_memory", {"id": "no id at all"})

    assert sorted(described["paths"]) == sorted(f"/{name}" for name in CORE)
    assert added[0] == 200 and "Stored as memory" in added[1], added
    assert found[0] == 200 and "The boiler is serviced in March" in found[1], found
    assert refused[0] >= 400, refused
