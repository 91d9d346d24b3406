"""The assistants that people use, each with settings of its own, no account, and no word to anybody but memoryd.

What is asked here, none of them needs a sign-in for: they add a server to their settings, connect to it and, as far
as they can without a model, call its tools. What each is told so that it stays silent stands beside it.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess

from conftest import BINARY, KEY, MCPO, NPM, free_port, node, poll
from lines import LineProcess

PATIENCE = 60


def packaged(pattern):
    """The one program of a package that npm chose for this machine."""
    found = sorted(NPM.glob(f"node_modules/{pattern}"))
    assert found, f"no {pattern} under {NPM}: run `make tools`, it installs it"
    return str(found[0])


def run(command, env, folder):
    """What a command says on either of its outputs."""
    done = subprocess.run(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{command[1:]}: exit {done.returncode}: {done.stdout[-800:]}"
    return done.stdout


class Assistant:
    """A command line with `mcp add` and `mcp list`."""

    def __init__(self, home, folder=None, **env):
        self.home, self.folder = home, folder or home.dir
        self.env = home.env(NO_COLOR="1", **env)

    def mcp(self, *arguments):
        return run([*self.program(), "mcp", *arguments], self.env, self.folder)


class ClaudeCode(Assistant):
    def __init__(self, home, folder=None, ca=None):
        super().__init__(home, folder, CLAUDE_CONFIG_DIR=os.path.join(home.dir, "claude"), NODE_EXTRA_CA_CERTS=ca,
                         # No updates, no figures, no reports of errors.
                         CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1")

    def program(self):
        return [packaged("@anthropic-ai/claude-code-linux-*/claude")]

    def add_http(self, url):
        self.mcp("add", "-s", "user", "--transport", "http", "remote", url, "--header", f"Authorization: Bearer {KEY}")

    def add_stdio(self):
        self.mcp("add", "-s", "user", "local", "-e", f"DATA_DIR={self.home.data}", "--", str(BINARY), "stdio")

    def connected(self):
        """The names of the servers that it reached, and what it says of all of them."""
        said = self.mcp("list")
        return re.findall(r"^(\w+): .* - .{1,2}Connected$", said, re.MULTILINE), said


class Gemini(Assistant):
    def __init__(self, home, folder=None, ca=None):
        # In a folder that nobody has trusted yet it starts no server at all.
        super().__init__(home, folder, GEMINI_CLI_TRUST_WORKSPACE="true", NODE_EXTRA_CA_CERTS=ca)

    def program(self):
        return [node(), str(NPM / "node_modules/@google/gemini-cli/bundle/gemini.js")]

    def add_http(self, url):
        self.mcp("add", "-s", "user", "--transport", "http", "--header", f"Authorization: Bearer {KEY}", "remote", url)

    def add_stdio(self):
        self.mcp("add", "-s", "user", "-e", f"DATA_DIR={self.home.data}", "local", str(BINARY), "stdio")

    def connected(self):
        said = self.mcp("list")
        return re.findall(r"^. (\w+): .* - Connected$", said, re.MULTILINE), said


class Codex(Assistant):
    """Its command line only lists settings; its `app-server`, which editors start, connects and calls tools."""

    # Else it looks for plugins, updates and a model outside of this machine. The port is one that nobody serves.
    SILENCE = """\
model_provider = "nobody"
check_for_update_on_startup = false

[analytics]
enabled = false

[features]
plugins = false
remote_plugin = false

[model_providers.nobody]
name = "nobody"
base_url = "http://127.0.0.1:9/v1"
supports_websockets = false
"""

    def __init__(self, home, folder=None, ca=None):
        settings = os.path.join(home.dir, "codex")
        super().__init__(home, folder, CODEX_HOME=settings, MEMORY_KEY=KEY, SSL_CERT_FILE=ca)
        os.mkdir(settings)
        pathlib.Path(settings, "config.toml").write_text(self.SILENCE)

    def program(self):
        return [packaged("@openai/codex-linux-*/vendor/*/bin/codex")]

    def add_http(self, url):
        self.mcp("add", "remote", "--url", url, "--bearer-token-env-var", "MEMORY_KEY")

    def add_stdio(self):
        self.mcp("add", "local", "--env", f"DATA_DIR={self.home.data}", "--", str(BINARY), "stdio")

    @contextlib.contextmanager
    def serving(self):
        server = LineProcess([*self.program(), "app-server"], self.env, self.folder, PATIENCE)
        try:
            thread = CodexThread(server, self.folder)
            yield thread
            assert server.close() == 0, server.last_words()
        finally:
            server.remove()


class CodexThread:
    """One conversation of Codex, without anybody who speaks."""

    def __init__(self, server, folder):
        self.server = server
        self.ask("initialize", {"clientInfo": {"name": "memoryd-tests", "title": "tests", "version": "1"}})
        server.say({"method": "initialized"})
        self.id = self.ask("thread/start", {"cwd": folder})["thread"]["id"]

    def ask(self, method, params):
        answer = self.server.ask(method, params)
        assert "result" in answer, answer
        return answer["result"]

    def tools(self):
        """The names of the tools of each server that it is connected to."""
        return {s["name"]: sorted(s["tools"]) for s in self.ask("mcpServerStatus/list", {})["data"]}

    def call(self, server, tool, arguments):
        answer = self.ask("mcpServer/tool/call",
                          {"threadId": self.id, "server": server, "tool": tool, "arguments": arguments})
        assert not answer.get("isError"), answer
        return answer["structuredContent"]


def bun():
    return packaged("@oven/bun-linux-*/bin/bun")


@contextlib.contextmanager
def mcpo(server):
    """mcpo in front of a server; yields a function that asks it."""
    port, key = free_port(), "key-of-mcpo"
    log = os.path.join(server.home.dir, "mcpo.log")
    command = [str(MCPO), "--host", "127.0.0.1", "--port", str(port), "--api-key", key, "--server-type", "streamable-http",
               "--header", json.dumps({"Authorization": f"Bearer {KEY}"}), "--", server.url]

    def ask(method, path, body=None):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    with open(log, "wb") as out, subprocess.Popen(command, env=server.home.env(), cwd=server.home.dir, stdout=out,
                                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) as process:
        def is_up():
            assert process.poll() is None, pathlib.Path(log).read_text(errors="replace")[-800:]
            with contextlib.suppress(OSError):
                return ask("GET", "/openapi.json")[0] == 200

        try:
            poll(is_up, PATIENCE, 0.05, "an answer of mcpo")
            yield ask
        finally:
            process.terminate()
            process.wait(PATIENCE)
