#!/usr/bin/env python3
"""Requests made out of the server's own description, with every kind of credential, by Schemathesis.

    python3 tests/schemathesis/run.py [--bin target/release/memoryd] [--cases 1000] [--seed 1] [--only KIND]

Each kind of credential has a server and a store of its own, so that a key that may delete tokens and users harms no other
run. All phases run: examples, coverage, fuzzing, stateful. An answer must not be a failure of the server, must have a
status and a media type that the description names for the route, and must fit its schema. Which requests are sent is
decided by --seed; --cases is how many are made up at random for each kind, beside those that cover every bound of every
argument and those that follow links. Reports stay under --out (target/schemathesis). Standard library only; Schemathesis
comes from --st (target/venv-schemathesis), where `make schemathesis` puts it.
Prints one line a kind, and for a fault the request that shows it, then 'N passed, N failed'.
"""

import argparse
import concurrent.futures
import contextlib
import copy
import dataclasses
import http.client
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEY = "schemathesis-key-0123456789abcdef-0123456789"
WRONG = "schemathesis-wrong-0123456789abcdef-0123456789"
USER, LEAVER, PROJECT = "cases", "leaver", "garden"
READ, WRITE, INSTRUCTIONS = "read", "write", "instructions"
# What a token is made of, or the credential itself.
KINDS = {
    "none": None,
    "wrong": WRONG,
    "read-only": {"scopes": [READ]},
    "write-only": {"scopes": [WRITE]},
    "full": {"scopes": [READ, WRITE, INSTRUCTIONS]},
    "admin": KEY,
    "project": {"scopes": [READ, WRITE], "project": PROJECT},
}
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
PHASES = ["examples", "coverage", "fuzzing", "stateful"]
# Some to be asked for, and as many more to be deleted. The first is asked for most, and only tasks are found everywhere.
MEMORIES = [{"content": "Mend the fence", "kind": "task", "project": PROJECT}, {"content": "Prune the roses", "kind": "task"},
            {"content": "Tomatoes want six hours of sun", "project": PROJECT, "tags": ["plants"], "priority": 5},
            {"content": "Anna is allergic to penicillin", "kind": "fact", "pinned": True, "metadata": {"source": "letter"}},
            {"content": "日本語 and\n\ttabs", "title": "odd"}]
DOOMED = [{"content": f"Number {n} is for the bin", "kind": "note" if n % 2 else "task", "project": PROJECT} for n in range(40)]
PLAIN_CALLS = ["ping", "tools/list", "resources/list", "resources/templates/list", "resources/read", "prompts/list",
               "prompts/get", "completion/complete", "initialize", "server/discover", "tools/call"]
STREAM = "text/event-stream"
# It takes no argument, and takes away what all other requests ask for.
RESETS = {("POST", "/reset")}
# Made up at random, these are hardly ever right, and one wrong value hides what the rest of the request would do.
VALUES = {name: ["2024-05-01", "2024-05-01T10:00:00Z", "1714557600"] for name in ("since", "until", "as_of", "event_at")}
# A call takes one of each row; with two, it is refused.
ALTERNATIVES = [[{"content"}, {"messages"}, {"user_input", "agent_response"}],
                [{"id"}, {"last"}, {"credential"}, {"session"}, {"step"}]]
NOT_BLANK = {"content", "user_input", "query", "name"}
STARTED = []


def start(command, env, folder, out):
    process = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    STARTED.append(process)
    return process


def end(_signal, _frame):
    """Ends what was started; each run then ends by itself and takes its files away."""
    for process in STARTED:
        process.terminate()
    raise SystemExit(1)


class Server:
    """A server with a store of its own, and in it what requests may ask for."""

    def __init__(self, binary, sets):
        self.home = tempfile.mkdtemp(prefix="memoryd-schemathesis-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        env = {"PATH": os.environ["PATH"], "HOME": self.home, "DATA_DIR": f"{self.home}/data", "HOST": "127.0.0.1",
               "PORT": str(self.port), "MCP_API_KEY": KEY, "RATE_LIMIT_REQUESTS": "0", "AUTH_FAIL_LIMIT": "1000000",
               "EMBEDDING_BUILTIN": "table", "TOOLSETS": sets}
        with open(f"{self.home}/server.log", "wb") as log:
            self.process = start([str(binary)], env, self.home, log)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def log(self):
        return pathlib.Path(self.home, "server.log").read_text(errors="replace")

    def wait_until_up(self):
        end = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                if self.ask("GET", "/health")[0] == 200:
                    return
            time.sleep(0.03)
        raise RuntimeError(f"the server did not answer /health: {self.log()[-800:]}")

    def ask(self, method, path, body=None, key=KEY):
        headers = {"X-API-Key": key} if key else {}
        if body is not None:
            headers["Content-Type"], body = "application/json", json.dumps(body)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            kind = (answer.getheader("Content-Type") or "").split(";")[0]
            return answer.status, kind, b"" if kind == STREAM else answer.read()

    def told(self, method, path, body=None):
        status, _kind, answer = self.ask(method, path, body)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer)

    def stop(self):
        """Gives what was wrong with the server itself."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = f"a kill: SIGTERM did not end it, {self.process.wait()}"
        log = self.log()
        shutil.rmtree(self.home)
        problems = [] if code == 0 else [f"the server ended with {code}: {log[-600:]}"]
        return problems + [f"the log: {line}" for line in log.splitlines() if "panicked" in line]


@dataclasses.dataclass
class Known:
    """What exists: a request for anything else ends at `not found`."""

    ids: list
    doomed: list
    tokens: list

    def values(self, name, is_deletion):
        half = len(self.tokens) // 2
        memories, tokens = (self.doomed, self.tokens[:half]) if is_deletion else (self.ids, self.tokens[half:])
        here = {"id": memories, "ids": memories, "memory_id": memories, "memory": self.ids, "supersedes": self.doomed,
                "token": tokens, "user": [LEAVER], "user_id": [LEAVER] if is_deletion else [USER, "default"]}
        return here.get(name) or VALUES.get(name)


def settle(server, kind):
    """Stores some memories and makes the credential; gives the credential and what is known."""
    wanted = KINDS[kind]
    owner = "default" if wanted == KEY else USER
    ids, doomed = ([server.told("POST", f"/api/v1/memories?user_id={owner}", memory)["id"] for memory in memories]
                   for memories in (MEMORIES, DOOMED))
    server.told("POST", f"/api/v1/memories?user_id={LEAVER}", MEMORIES[0])
    others = [server.told("POST", "/admin/tokens", {"name": f"other {n}", "user_id": USER})["prefix"] for n in range(20)]
    known = Known(ids, doomed, others)
    if not isinstance(wanted, dict):
        return wanted, known
    return server.told("POST", "/admin/tokens", {"name": kind, "user_id": USER, **wanted})["token"], known


# ---- the description ----------------------------------------------------------------------------
def sharpened(description, known, tools):
    """The description without what lets everything pass, and with values that lead somewhere.

    What an answer has to be like is left as it is, but for `default`: with it, no status would be undocumented. What is
    not in the description is sent all the same: half of all requests break it on purpose.
    """
    line = description["paths"]["/api/v1/memories"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    description = copy.deepcopy(description)
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("default", None)
            is_deletion = method == "delete" or "delete" in path
            for parameter in operation.get("parameters", []):
                name, is_of_path = parameter["name"], parameter["in"] == "path"
                parameter["schema"] = with_known(name, parameter["schema"], known, is_deletion)
                if is_of_path and name in ("kind", "name"):
                    parameter["schema"] = {"enum": ["user", "agent", "app", "run"] if name == "kind" else [LEAVER]}
            bodies = operation.get("requestBody", {}).get("content", {})
            if path.rstrip("/") == "/mcp" and bodies:
                bodies["application/json"]["schema"] = messages(tools, known)
            for kind, body in bodies.items():
                if kind == "application/x-ndjson":
                    body["schema"] = {"type": "array", "items": {"anyOf": [arguments(line, known), {}]}, "maxItems": 5}
                elif "properties" in body.get("schema", {}):
                    body["schema"] = arguments(body["schema"], known, is_deletion)
    return description


def arguments(schema, known, is_deletion=False):
    """The arguments of a call; where there are alternatives, one of them."""
    properties = {name: with_known(name, field, known, is_deletion) for name, field in schema["properties"].items()}
    schema = {**schema, "properties": properties}
    for alternatives in ALTERNATIVES:
        names = set().union(*alternatives)
        if names <= set(properties):
            return {"anyOf": [{**schema, "properties": {name: properties[name] for name in properties if name not in names - one},
                               "required": sorted(set(schema.get("required", [])) | one)} for one in alternatives]}
    return schema


def with_known(name, schema, known, is_deletion):
    if name in NOT_BLANK and schema.get("type") == "string":
        return {**schema, "minLength": 1}
    if name == "messages":
        return {"type": "array", "minItems": 1, "items": arguments(schema["items"], known)}
    values = known.values(name, is_deletion)
    if not values:
        return schema
    return {**schema, "items": {"enum": values}} if schema.get("type") == "array" else {"enum": values}


def messages(tools, known):
    """JSON-RPC, so that requests come as far as the tools."""
    def message(method, params):
        fields = {"jsonrpc": {"const": "2.0"}, "id": {"type": ["integer", "string"]}, "method": method, "params": params}
        return {"type": "object", "properties": fields, "required": list(fields)}

    def call(tool):
        given = arguments(tool["inputSchema"], known, "delete" in tool["name"]) if "properties" in tool["inputSchema"] else {}
        fields = {"name": {"const": tool["name"]}, "arguments": given}
        return message({"const": "tools/call"}, {"type": "object", "properties": fields, "required": list(fields)})

    return {"anyOf": [*map(call, tools), message({"enum": PLAIN_CALLS}, {"type": "object"}), {}]}


def asked_once(description):
    """Routes that are left out of what is made up: Schemathesis would wait for the end of a stream."""
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            is_stream = STREAM in operation["responses"].get("200", {}).get("content", {})
            if is_stream or (method.upper(), path) in RESETS:
                yield method.upper(), path


def operations_with_arguments(description):
    return sum(bool(operation.get("parameters") or operation.get("requestBody"))
               for operations in description["paths"].values() for operation in operations.values())


# ---- a run --------------------------------------------------------------------------------------
@dataclasses.dataclass
class Run:
    kind: str
    cases: int
    accepted: int
    problems: list


def run(kind, o, sets):
    out = o.out / kind
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    server = Server(o.bin, sets)
    try:
        server.wait_until_up()
        credential, known = settle(server, kind)
        described = server.told("GET", "/openapi.json")
        tools = server.told("GET", "/api/v1/tools")["tools"]
        schema = sharpened(described, known, tools)
        (out / "openapi.json").write_text(json.dumps(schema))
        cases, accepted, problems = schemathesis(server, credential, schema, out, o)
        for method, path in asked_once(described):
            problems += asks(server, credential, described["paths"][path][method.lower()], method, path)
        if server.process.poll() is not None:
            problems.append("the server did not live to the end")
    finally:
        problems_of_server = server.stop()
    return Run(kind, cases, accepted, problems + problems_of_server)


def schemathesis(server, credential, schema, out, o):
    skipped = [argument for _method, path in asked_once(schema) for argument in ("--exclude-path", path)]
    each = math.ceil(o.cases / operations_with_arguments(schema))
    command = [str(o.st), "run", str(out / "openapi.json"), "--url", server.url, "--checks", ",".join(CHECKS),
               "--phases", ",".join(PHASES), "--max-examples", str(each), "--seed", str(o.seed), *skipped,
               "--continue-on-failure", "--generation-with-security-parameters", "false", "--generation-database", "none",
               "--suppress-health-check", "all", "--request-timeout", "30", "--warnings", "off", "--no-color",
               "--output-sanitize", "false", "--report", "json", "--report-json-path", str(out / "report.json")]
    if credential:
        command += ["--header", f"X-API-Key: {credential}"]
    env = {"PATH": os.environ["PATH"], "HOME": server.home, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE),
           "PYTHONDONTWRITEBYTECODE": "1"}
    with open(out / "report.txt", "w") as report:
        code = start(command, env, server.home, report).wait()
    told = (out / "report.txt").read_text()
    if not (out / "report.json").exists():
        return 0, 0, [f"Schemathesis itself: exit {code}: {told[-1200:]}"]
    report = json.loads((out / "report.json").read_text())
    accepted = sum(phase["accepted"] for phases in report["valid_rates"].values() for phase in phases.values())
    problems = faults(told)
    if code != 0 and not problems:
        problems = [f"Schemathesis itself: exit {code}, see {os.path.relpath(out / 'report.txt')}"]
    return report["test_cases"]["generated"], accepted, problems


def faults(told):
    """The parts of the report that tell of a fault or of an error, each with its operation and its request."""
    parts = re.split(r"^_{3,} (.+?) _{3,}$", told.partition("= SUMMARY =")[0], flags=re.M)
    return [f"{operation}\n{re.sub(r'^=+ .* =+$', '', text, flags=re.M).strip()}"
            for operation, text in zip(parts[1::2], parts[2::2], strict=True)]


def asks(server, credential, operation, method, path):
    """Asks once, and reads no more than the head of a stream."""
    status, kind, _answer = server.ask(method, path, key=credential)
    documented = operation["responses"].get(str(status), {}).get("content", {})
    return [] if kind in documented else [f"{method} {path}: {status} {kind} is not in the description"]


def every_set(binary):
    """All sets of tools that the binary knows, as it names them when it is asked for another one."""
    with tempfile.TemporaryDirectory(prefix="memoryd-schemathesis-") as home:
        env = {"PATH": os.environ["PATH"], "HOME": home, "DATA_DIR": f"{home}/data", "TOOLSETS": "no-such-set"}
        told = subprocess.run([str(binary)], env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30).stdout
    named = re.search(r"one or more of ([a-z0-9, -]+)", told)
    if not named:
        sys.exit(f"the binary does not say which sets of tools it has: {told[-400:]}")
    return named[1].replace(" ", "").strip(",")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=ROOT / "target/release/memoryd")
    p.add_argument("--st", type=pathlib.Path, default=ROOT / "target/venv-schemathesis/bin/st")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "target/schemathesis")
    p.add_argument("--cases", type=int, default=400, help="made up at random for each kind of credential (400)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", choices=KINDS, action="append", help="this kind of credential; may be given again")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), help="kinds at a time")
    o = p.parse_args()
    o.bin, o.st, o.out = o.bin.resolve(), o.st.absolute(), o.out.resolve()
    if not o.st.exists():
        sys.exit(f"no Schemathesis at {o.st}: run `make schemathesis`, it installs it")
    for signals in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signals, end)
    sets = every_set(o.bin)
    failed = cases = 0
    kinds = o.only or list(KINDS)
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for done in pool.map(lambda kind: run(kind, o, sets), kinds):
            cases += done.cases
            failed += bool(done.problems)
            verdict = "FAILED" if done.problems else "ok    "
            print(f"{verdict} {done.kind}: {done.cases} cases, {done.accepted} well-formed and carried out", flush=True)
            for problem in done.problems:
                print("         " + problem.replace("\n", "\n         "), flush=True)
    print(f"{len(kinds) - failed} passed, {failed} failed; {cases} cases, seed {o.seed}")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
