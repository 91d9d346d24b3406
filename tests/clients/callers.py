"""Three real MCP clients behind one small interface, so that all of them are put through the same questions.

A caller has `protocol` (what was negotiated, where the client tells) and `call`, `tools`, `resources`, `read`,
`prompts`, `complete`. A JSON-RPC error is raised as RpcError.
"""

import contextlib
import dataclasses
import json
import pathlib
import queue
import subprocess
import threading

import anyio
import httpx2
import mcp_types
from anyio.from_thread import start_blocking_portal
from conftest import BINARY, KEY, NPM, node
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

HERE = pathlib.Path(__file__).resolve().parent
# How long one call may take before the test fails instead of hanging.
PATIENCE = 30


class RpcError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclasses.dataclass
class Result:
    is_error: bool
    structured: dict | None
    text: str

    @property
    def error(self):
        """The code of a failed call, from the structured content or else from the text."""
        assert self.is_error, f"it did not fail: {self.structured}"
        body = self.structured if self.structured and "error" in self.structured else json.loads(self.text)
        assert isinstance(body["error"]["message"], str) and body["error"]["message"]
        return body["error"]["code"]


def result(raw):
    """A tools/call result as it stands on the wire."""
    text = "\n".join(b["text"] for b in raw["content"] if b["type"] == "text")
    return Result(raw.get("isError", False), raw.get("structuredContent"), text)


# ---- Python -------------------------------------------------------------------------------------
def headers_of(how):
    return {"X-API-Key": KEY} if how == "key" else {"Authorization": f"Bearer {KEY}"}


@contextlib.asynccontextmanager
async def python_client(server, mode, credential="key", **options):
    """The Python client over HTTP or HTTPS."""
    verify = server.tls.context() if server.tls else True
    timeout = httpx2.Timeout(PATIENCE)
    async with httpx2.AsyncClient(headers=headers_of(credential), verify=verify, timeout=timeout) as http:
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=PATIENCE, **options) as client:
            yield client


@contextlib.asynccontextmanager
async def python_stdio_client(home, mode, **options):
    """The Python client on `memoryd stdio`."""
    params = StdioServerParameters(command=str(BINARY), args=["stdio"], env=home.env(), cwd=home.dir)
    async with Client(params, mode=mode, read_timeout_seconds=PATIENCE, **options) as client:
        yield client


class Python:
    """Drives the asynchronous client from a synchronous test."""

    def __init__(self, portal, client):
        self.portal, self.client = portal, client
        self.protocol = client.protocol_version

    def ask(self, method, *args, **kwargs):
        async def call():
            with anyio.fail_after(PATIENCE):
                return await getattr(self.client, method)(*args, **kwargs)

        try:
            answer = self.portal.call(call)
        except MCPError as e:
            raise RpcError(e.code, e.message) from e
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)

    def tools(self):
        return self.ask("list_tools")["tools"]

    def call(self, name, args):
        return result(self.ask("call_tool", name, args))

    def resources(self):
        return self.ask("list_resources")["resources"]

    def read(self, uri):
        return self.ask("read_resource", uri)["contents"]

    def prompts(self):
        return self.ask("list_prompts")["prompts"]

    def complete(self, uri, name, value):
        ref = mcp_types.ResourceTemplateReference(uri=uri)
        return self.ask("complete", ref, {"name": name, "value": value})["completion"]["values"]


@contextlib.contextmanager
def python(make_client):
    with start_blocking_portal() as portal:
        manager = portal.wrap_async_context_manager(make_client)
        client = manager.__enter__()
        try:
            yield Python(portal, client)
        finally:
            # The client is closed as if all were well: it would wrap what went wrong in groups of exceptions.
            manager.__exit__(None, None, None)


# ---- TypeScript ---------------------------------------------------------------------------------
class TypeScript:
    """Talks to ts_client.mjs, which holds one client, one line of JSON a question."""

    def __init__(self, process):
        self.process, self.lines = process, queue.Queue()
        threading.Thread(target=self.pump, daemon=True).start()
        hello = self.answer()
        self.protocol, self.era = hello["protocol"], hello["era"]

    def pump(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def answer(self):
        line = self.lines.get(timeout=PATIENCE)
        assert line is not None, f"the client ended with {self.process.wait(PATIENCE)}: {self.process.stderr.read()[-800:]}"
        message = json.loads(line)
        if "error" in message:
            raise RpcError(message["error"]["code"], message["error"]["message"])
        return message["ok"]

    def ask(self, op, **params):
        self.process.stdin.write(json.dumps({"op": op, **params}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def tools(self):
        return self.ask("listTools")["tools"]

    def call(self, name, args):
        return result(self.ask("callTool", params={"name": name, "arguments": args}))

    def resources(self):
        return self.ask("listResources")["resources"]

    def read(self, uri):
        return self.ask("readResource", params={"uri": uri})["contents"]

    def prompts(self):
        return self.ask("listPrompts")["prompts"]

    def complete(self, uri, name, value):
        params = {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": name, "value": value}}
        return self.ask("complete", params=params)["completion"]["values"]


@contextlib.contextmanager
def typescript(home, config, ca=None, runtime=None):
    env = home.env(NPM_ROOT=str(NPM), NODE_EXTRA_CA_CERTS=ca)
    with subprocess.Popen([runtime or node(), str(HERE / "ts_client.mjs"), json.dumps(config)], env=env, text=True, cwd=home.dir,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield TypeScript(process)
            process.stdin.close()
            assert process.wait(PATIENCE) == 0, process.stderr.read()[-800:]
        finally:
            process.kill()


def typescript_http(server, mode, credential="key"):
    config = {"transport": "http", "url": server.url, "headers": headers_of(credential), "mode": mode}
    return typescript(server.home, config, server.tls.ca if server.tls else None)


def typescript_stdio(home, mode):
    config = {"transport": "stdio", "command": str(BINARY), "args": ["stdio"], "env": home.env(), "cwd": home.dir,
              "mode": mode}
    return typescript(home, config)


# ---- the inspector's command line ---------------------------------------------------------------
class Inspector:
    """One process a question, as a person in a shell would do it."""

    TOOL_ERROR = 5

    def __init__(self, server, era):
        self.server, self.era = server, era
        self.protocol = None

    @staticmethod
    def command(server, era, method, *more):
        launcher = NPM / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
        return [node(), str(launcher), "--cli", "--transport", "http", "--server-url", server.url, "--protocol-era", era,
                "--method", method, "--format", "json", *more]

    def run(self, method, *more, exit_codes=(0,)):
        command = self.command(self.server, self.era, method, "--header", f"X-API-Key: {KEY}", "--stored-auth-only", *more)
        env = self.server.home.env(NODE_EXTRA_CA_CERTS=self.server.tls.ca if self.server.tls else None, NO_COLOR="1")
        done = subprocess.run(command, env=env, cwd=self.server.home.dir, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=2 * PATIENCE)
        if done.returncode not in exit_codes:
            raise AssertionError(f"{method}: exit {done.returncode}: {done.stderr[-1200:]}{done.stdout[-400:]}")
        return json.loads(done.stdout)

    def tools(self, *more):
        return self.run("tools/list", *more)["result"]["tools"]

    def call(self, name, args):
        answer = self.run("tools/call", "--tool-name", name, "--tool-args-json", json.dumps(args),
                          exit_codes=(0, self.TOOL_ERROR))
        return result(answer["result"])

    def resources(self):
        return self.run("resources/list")["result"]["resources"]

    def read(self, uri):
        return self.run("resources/read", "--uri", uri)["result"]["contents"]

    def prompts(self):
        return self.run("prompts/list")["result"]["prompts"]
