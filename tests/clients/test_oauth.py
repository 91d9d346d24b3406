"""The OAuth clients that people have sign in against a real server, with a program in the place of the browser."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import urllib.request

import anyio
import httpx2
import pytest
from assistants import PATIENCE, ClaudeCode, Codex, Gemini, mcpo, run
from callers import HERE, Inspector, python, python_client, typescript_http
from conftest import BINARY, KEY, NPM, free_port, node, poll
from consenting import Person
from lines import LineProcess
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from memory_flow import CORE, whole_life

REDIRECT = "http://127.0.0.1:1/callback"


class Kept:
    """What a client of the Python SDK keeps."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def provider(server, kept, asked):
    async def opened(url):
        asked.append(await anyio.to_thread.run_sync(Person(KEY).allow, url))

    async def brought_back():
        answer = dict(httpx2.URL(asked[-1]).params)
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    metadata = OAuthClientMetadata(client_name="Python", redirect_uris=[REDIRECT])
    return OAuthClientProvider(server.url, metadata, kept, opened, brought_back)


async def tools_of(server, kept, asked):
    async with httpx2.AsyncClient(auth=provider(server, kept, asked), timeout=PATIENCE) as http:
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, mode="auto", read_timeout_seconds=PATIENCE) as client:
            return [tool.name for tool in (await client.list_tools()).tools]


def test_the_python_client_signs_in_refreshes_and_is_taken_back(outside):
    kept, asked = Kept(), []

    assert anyio.run(tools_of, outside, kept, asked) == CORE
    assert [grant["name"] for grant in outside.grants()] == ["oauth:Python"]
    kept.tokens = kept.tokens.model_copy(update={"access_token": "mat_expired", "expires_in": 0})
    before = kept.tokens.refresh_token
    assert anyio.run(tools_of, outside, kept, asked) == CORE
    assert kept.tokens.refresh_token != before or len(asked) == 2

    status, _, told = outside.request("POST", "/admin/oauth/oauth:Python/revoke", {}, {"X-API-Key": KEY})
    assert status == 200, told
    count = len(asked)
    assert anyio.run(tools_of, outside, kept, asked) == CORE
    assert len(asked) == count + 1, "it had to ask its user again"


def test_what_was_let_in_is_listed_and_ended_from_the_command_line(outside):
    kept, asked = Kept(), []
    anyio.run(tools_of, outside, kept, asked)

    def oauth(*words):
        return run([str(BINARY), "oauth", *words], outside.home.env(), outside.home.dir)

    [line] = [line for line in oauth("list").splitlines() if "oauth:Python" in line]
    assert "active" in line and REDIRECT in line and "scopes=" in line, line
    assert kept.tokens.access_token not in line and kept.tokens.refresh_token not in line, "no secret is shown"

    assert "revoked mgr_" in oauth("revoke", "oauth:Python")

    [grant] = outside.grants()
    assert grant["state"] == "revoked" and "revoked" in oauth("list")
    assert anyio.run(tools_of, outside, kept, asked) == CORE
    assert len(asked) == 2, "it had to ask its user again"


def test_the_typescript_client_signs_in_and_refreshes(outside):
    config = {"url": outside.url, "redirect": REDIRECT}
    command = [node(), str(HERE / "ts_oauth.mjs"), json.dumps(config)]
    client = LineProcess(command, outside.home.env(NPM_ROOT=str(NPM)), outside.home.dir, PATIENCE)
    try:
        url = client.ask("signIn", {})["result"]
        assert "code_challenge_method=S256" in url and "resource=" in url
        assert client.ask("finish", {"back": Person(KEY).allow(url)}).get("result") == CORE
        assert client.ask("refresh", {}).get("result") == CORE
        assert client.close() == 0, client.last_words()
    finally:
        client.remove()
    assert len(outside.grants()) == 1


def test_the_conformance_suite_signs_in(outside):
    """Its two scenarios for authorization servers: the metadata, and a grant by code with a browser."""
    port, issuer = free_port(), outside.settings["PUBLIC_URL"]
    metadata = {"client_name": "Conformance", "redirect_uris": [f"http://127.0.0.1:{port}/callback"]}
    status, _, told = outside.request("POST", "/register", metadata)
    assert status == 201, told
    said = pathlib.Path(outside.home.dir, "conformance.txt")
    suite = NPM / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    command = [node(), str(suite), "authorization", "--url", issuer, "--client-id", json.loads(told)["client_id"],
               "--port", str(port), "--resource", f"{issuer}/mcp"]
    with open(said, "wb") as out:
        running = subprocess.Popen(command, env=outside.home.env(), cwd=outside.home.dir, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.STDOUT)
    try:
        asked = poll(lambda: re.search(r"http://\S+/authorize\?\S+\s", said.read_text()), PATIENCE, what="its question")
        back = Person(KEY).allow(asked[0].strip())
        # It asks before it listens for the answer.
        poll(lambda: is_listening(port), PATIENCE, what="its listener")
        with urllib.request.urlopen(back, timeout=PATIENCE) as answer:
            answer.read()
        code = running.wait(PATIENCE)
    finally:
        running.kill()
        running.wait()
    assert code == 0 and "2 passed, 0 failed" in said.read_text(), said.read_text()[-2000:]


@contextlib.contextmanager
def inspector(server, *more):
    """The inspector's command line without a key: yields the process, and the file with what it says."""
    said = pathlib.Path(server.home.dir, "inspector.txt")
    env = server.home.env(NO_COLOR="1", MCP_AUTO_OPEN_ENABLED="true", MCP_INSPECTOR_SECRET_STORE="file")
    command = Inspector.command(server, "modern", "tools/list", *more)
    with open(said, "wb") as out:
        running = subprocess.Popen(command, env=env, cwd=server.home.dir, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT)
    try:
        yield running, said
    finally:
        running.kill()
        running.wait()


def test_the_inspector_signs_in_and_comes_back_without_being_asked(outside):
    callback = f"http://127.0.0.1:{free_port()}/oauth/callback"
    with inspector(outside, "--callback-url", callback) as (running, said):
        asked = poll(lambda: re.search(r"http://\S+/authorize\?\S+", said.read_text()), PATIENCE, what="its question")
        with urllib.request.urlopen(Person(KEY).allow(asked[0]), timeout=PATIENCE) as answer:
            answer.read()
        assert running.wait(PATIENCE) == 0 and all(tool in said.read_text() for tool in CORE), said.read_text()[-2000:]
    [grant] = outside.grants()
    assert grant["state"] == "active" and grant["scopes"] == ["read", "write"]

    with inspector(outside, "--stored-auth-only") as (running, said):
        assert running.wait(PATIENCE) == 0 and CORE[0] in said.read_text(), said.read_text()[-2000:]
    assert len(outside.grants()) == 1, "nobody was asked again"


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def browser(home):
    """A folder with everything that starts a browser on some system, which is the same small program."""
    folder = pathlib.Path(home.dir, "browsers")
    folder.mkdir()
    log = pathlib.Path(home.dir, "browser.log")
    command = shlex.join([sys.executable, str(HERE / "consenting.py")])
    for name in ("xdg-open", "sensible-browser", "x-www-browser", "www-browser", "firefox", "open"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {command} "$1" {shlex.quote(KEY)} >>{shlex.quote(str(log))} 2>&1\n')
        path.chmod(0o755)
    yield {"PATH": f"{folder}:{os.environ['PATH']}", "BROWSER": str(folder / "xdg-open"), "DISPLAY": ":0"}
    assert not log.exists() or not log.read_text(), log.read_text()


def test_claude_code_signs_in(outside):
    with browser(outside.home) as surroundings:
        claude = ClaudeCode(outside.home)
        claude.env |= surroundings
        claude.mcp("add", "-s", "user", "--transport", "http", "memory", outside.url)
        # It takes a sign-in from a terminal only.
        login = shlex.join([*claude.program(), "mcp", "login", "memory"])
        said = run(["script", "-qec", login, "/dev/null"], claude.env, claude.folder)

        names, listed = claude.connected()
        assert names == ["memory"], (said[-800:], listed)
    [grant] = outside.grants()
    assert re.fullmatch(r"oauth:Claude-Code.*", grant["name"]) and grant["state"] == "active"


def test_codex_signs_in(outside):
    with browser(outside.home) as surroundings:
        codex = Codex(outside.home)
        codex.env |= surroundings
        settings = pathlib.Path(codex.env["CODEX_HOME"], "config.toml")
        # There is no keyring here.
        settings.write_text('mcp_oauth_credentials_store = "file"\n' + settings.read_text()
                            + f'\n[mcp_servers.memory]\nurl = "{outside.url}"\n')
        codex.mcp("login", "memory")

        with codex.serving() as thread:
            assert thread.tools()["memory"] == sorted(CORE)
    [grant] = outside.grants()
    assert grant["state"] == "active"


@pytest.mark.parametrize("program", [ClaudeCode, Codex, Gemini])
def test_a_key_goes_on_working_where_there_is_oauth(outside, program):
    client = program(outside.home)
    client.add_http(outside.url)

    if program is Codex:
        with client.serving() as thread:
            assert thread.tools()["remote"] == sorted(CORE)
    else:
        names, said = client.connected()
        assert names == ["remote"], said
    assert outside.grants() == [], "nobody was asked to sign in"


@pytest.mark.parametrize("credential", ["key", "bearer"])
@pytest.mark.parametrize("make", [
    lambda server, credential: python(python_client(server, "auto", credential)),
    lambda server, credential: python(python_client(server, "legacy", credential)),
    lambda server, credential: typescript_http(server, "auto", credential),
    lambda server, credential: typescript_http(server, "default", credential),
], ids=["python", "python-legacy", "typescript", "typescript-legacy"])
def test_a_library_with_a_key_does_all_that_it_did_where_there_is_oauth(outside, make, credential):
    with make(outside, credential) as caller:
        whole_life(caller)
    assert outside.grants() == [], "nobody was asked to sign in"


def test_the_inspector_and_mcpo_with_a_key_do_so_too(outside):
    assert [tool["name"] for tool in Inspector(outside, "modern").tools()][: len(CORE)] == CORE
    with mcpo(outside) as ask:
        status, answer = ask("POST", "/add_memory", {"content": "by mcpo"})
        assert status == 200 and "Stored as memory" in answer, answer
    assert outside.grants() == [], "nobody was asked to sign in"
