#!/usr/bin/env python3
"""The official MCP conformance suite against memoryd, both eras, with authentication on.

    python3 tests/conformance/run.py [--fixtures target/release/examples/memoryd-fixtures] [--real target/release/memoryd]

The fixture binary runs everything that revisions 2026-07-28 and 2025-11-25 require; what may fail is in
expected-failures.yml. The real binary runs the scenarios of real-server.txt. Results stand under --out
(target/conformance). Standard library only; the suite and node come from --npm (target/npm), where `make test` puts them.
Prints one line a scenario, then 'N passed, N failed'.
"""

import argparse
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEY = "conformance-key-0123456789abcdef-0123456789"
# What the suite required when this was written; another number means another suite.
REQUIRED = {"2026-07-28": 37, "2025-11-25": 30}
# A whole revision takes half a minute; its own limit for one scenario is 30 s.
PATIENCE = 900


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0

    def note(self, what, problems):
        if problems:
            self.failed += 1
            print(f"FAILED {what}", flush=True)
            for problem in problems:
                print(f"         {problem}", flush=True)
        else:
            self.passed += 1
            print(f"ok     {what}", flush=True)


class Suite:
    def __init__(self, npm, out):
        self.npm, self.out = npm, out
        nodes = sorted(npm.glob("node_modules/node-linux-*/bin/node"))
        self.package = npm / "node_modules/@modelcontextprotocol/conformance"
        if not nodes or not self.package.is_dir():
            sys.exit(f"no conformance suite under {npm}: run `make test`, it installs it")
        self.node = str(nodes[0])

    def run(self, url, name, *arguments):
        """Runs the suite; gives its exit code, the end of its report, and the checks of each scenario."""
        folder = self.out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [self.node, str(self.package / "dist/index.js"), "server", "--url", url, "-o", str(folder), *arguments]
        with open(folder / "report.txt", "w") as report:
            code = subprocess.run(command, stdout=report, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  timeout=PATIENCE, env={"PATH": os.environ["PATH"], "NO_COLOR": "1"}).returncode
        checks = {}
        for path in sorted(folder.glob("server-*/checks.json")):
            # The folder is `server-SCENARIO-TIME`, and TIME is an ISO time with dashes for `:` and `.`.
            scenario = path.parent.name.removeprefix("server-").rsplit("-", 6)[0]
            checks[scenario] = json.loads(path.read_text())
        return code, folder / "report.txt", checks

    def required(self, revision):
        """The scenarios under `server:` in the revision's list: plain YAML, `  - name` a line."""
        names, inside = [], False
        for line in (self.package / f"requirements/{revision}.yaml").read_text().splitlines():
            if line and not line.startswith((" ", "#")):
                inside = line.startswith("server:")
            elif inside and line.startswith("  - "):
                names.append(line.removeprefix("  - ").strip())
        if len(names) != REQUIRED[revision]:
            sys.exit(f"the suite requires {len(names)} server scenarios of {revision}, not {REQUIRED[revision]}: another version?")
        return names


@contextlib.contextmanager
def serving(binary, suite):
    """A server with a key, and the proxy that adds it: yields the proxy's URL."""
    home = tempfile.mkdtemp(prefix="memoryd-conformance-")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {"PATH": os.environ["PATH"], "HOME": home, "DATA_DIR": f"{home}/data", "HOST": "127.0.0.1", "PORT": str(port),
           "MCP_API_KEY": KEY, "RATE_LIMIT_REQUESTS": "0"}
    log = open(f"{home}/server.log", "wb")
    server = subprocess.Popen([str(binary)], env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    proxy = None
    try:
        wait_for_health(server, port, f"{home}/server.log")
        proxy = subprocess.Popen([suite.node, str(HERE / "auth-proxy.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 env={"PROXY_TARGET": f"http://127.0.0.1:{port}", "PROXY_KEY": KEY}, text=True)
        yield f"http://127.0.0.1:{int(proxy.stdout.readline())}/mcp"
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode}: {pathlib.Path(log.name).read_text()[-800:]}")
    finally:
        for process in filter(None, (proxy, server)):
            stop(process)
        log.close()
        shutil.rmtree(home)


def wait_for_health(server, port, log):
    end = time.monotonic() + 20
    while server.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as c:
            c.request("GET", "/health")
            c.getresponse().read()
            c.request("POST", "/mcp", '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', {"Content-Type": "application/json"})
            if c.getresponse().status != 401:
                sys.exit("the server answers without a key: authentication must stay on")
            return
        time.sleep(0.03)
    sys.exit(f"the server did not answer /health: {pathlib.Path(log).read_text(errors='replace')[-800:]}")


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def expected_failures():
    """The scenarios, and the pairs of scenario and check, that expected-failures.yml names."""
    entries = [line.strip()[2:] for line in (HERE / "expected-failures.yml").read_text().splitlines()
               if line.strip().startswith("- ")]
    return {e for e in entries if ":" not in e}, {tuple(e.split(":", 1)) for e in entries if ":" in e}


def bad(checks):
    return [c for c in checks if c["status"] in ("FAILURE", "WARNING")]


def told(check):
    return f"{check['status'].lower()} {check['id']}: {(check.get('errorMessage') or '')[:700]}"


def whole_revision(suite, url, revision, tally):
    """Everything a revision requires, on the fixture binary."""
    may_fail, may_warn = expected_failures() if revision == "2025-11-25" else (set(), set())
    arguments = ["--requirements", revision]
    if may_fail:
        arguments += ["--expected-failures", str(HERE / "expected-failures.yml")]
    code, report, results = suite.run(url, f"fixtures-{revision}", *arguments)
    required = suite.required(revision)
    good = 0
    for scenario in required:
        checks = results.get(scenario, [])
        faults = [c for c in bad(checks) if (scenario, c["id"]) not in may_warn]
        if scenario in may_fail:
            tally.note(f"{revision} {scenario} (expected to fail)", [] if faults else ["it passes: take it off the list"])
            continue
        good += not faults and bool(checks)
        tally.note(f"{revision} {scenario}", [told(c) for c in faults] if checks else ["it did not run"])
    expected = len(required) - len(may_fail)
    problems = [] if good == expected else [f"{good} of {len(required)} pass, {expected} were expected"]
    problems += [] if code == 0 else [f"the suite's own judgement: exit {code}, see {os.path.relpath(report)}"]
    tally.note(f"{revision} {good} of {len(required)} required scenarios", problems)


def without_fixtures(suite, url, tally):
    """The scenarios of real-server.txt, on the real binary."""
    for line in (HERE / "real-server.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        revision, scenario, *excused = line.split()
        _code, _report, results = suite.run(url, f"real-{revision}-{scenario}", "--scenario", scenario, "--spec-version", revision)
        checks = results.get(scenario, [])
        faulty = {c["id"] for c in bad(checks)}
        problems = [told(c) for c in bad(checks) if c["id"] not in excused]
        problems += [f"{check} passes: take it off the line" for check in excused if check not in faulty]
        tally.note(f"{revision} {scenario}, no fixtures", problems if checks else ["it did not run"])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--fixtures", type=pathlib.Path, default=ROOT / "target/release/examples/memoryd-fixtures")
    p.add_argument("--real", type=pathlib.Path, default=ROOT / "target/release/memoryd")
    p.add_argument("--npm", type=pathlib.Path, default=ROOT / "target/npm")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "target/conformance")
    p.add_argument("--only", choices=["fixtures", "real"], help="one of the two binaries")
    o = p.parse_args()
    suite, tally = Suite(o.npm.resolve(), o.out.resolve()), Tally()
    if o.only != "real":
        for revision in REQUIRED:
            with serving(o.fixtures.resolve(), suite) as url:
                whole_revision(suite, url, revision, tally)
    if o.only != "fixtures":
        with serving(o.real.resolve(), suite) as url:
            without_fixtures(suite, url, tally)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
