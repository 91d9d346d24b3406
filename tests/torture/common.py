"""What the programs of this folder share: a server of their own, ways to call it, and figures. Standard library only."""

import contextlib
import http.client
import json
import math
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target/release/memoryd"
# Where is kept what shows a fault.
KEPT = ROOT / "target/torture"
KEY = "torture-key-0123456789abcdef-0123456789"
JSON, LINES = "application/json", "application/x-ndjson"
# What texts are made of.
WORDS = "anna ben garden penicillin train lamp river copper tuesday violin kettle harbor invoice dentist bicycle onion".split()
# Longer than the server itself lets anybody wait for an answer.
PATIENCE = 40


class NotSent(Exception):
    """There was nobody to take the request."""


class NoAnswer(Exception):
    """The request may have been carried out or not."""


class NotStarted(Exception):
    """The server ended, or did not say that it is healthy."""


# ---- the server ---------------------------------------------------------------------------------
class Server:
    """The real program on a data directory of its own below `home`, on a free port of this machine."""

    def __init__(self, binary, home, **settings):
        self.home, self.binary = pathlib.Path(home), pathlib.Path(binary).resolve()
        self.data, self.log_file = self.home / "data", self.home / "server.log"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "DATA_DIR": str(self.data),
                    "RUN_DIR": str(self.home / "run"), "HOST": "127.0.0.1", "PORT": "0", "MCP_API_KEY": KEY,
                    "RATE_LIMIT_REQUESTS": "0", "AUTH_FAIL_LIMIT": "1000000", "EMBEDDING_BUILTIN": "table",
                    "RUST_LOG": "warn", **settings}
        self.process, self.port = None, 0
        # What the child does before it becomes the server.
        self.prepare = None

    @property
    def is_tls(self):
        return "SSL_CERT_PATH" in self.env

    def launch(self):
        """Starts the program, and does not wait for it."""
        with open(self.log_file, "ab") as log:
            # A group of its own: Ctrl-C is for us, and we end it.
            self.process = subprocess.Popen([str(self.binary), "serve"], env=self.env, cwd=self.home, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, start_new_session=True, preexec_fn=self.prepare)

    def start(self, patience=120):
        """Gives the seconds from the start of the program to its first 200 on /health."""
        began = time.perf_counter()
        self.launch()
        self.await_port(patience)
        while time.perf_counter() < began + patience and self.process.poll() is None:
            with contextlib.suppress(NotSent, NoAnswer), contextlib.closing(self.door(None)) as door:
                if door.ask("GET", "/health")[0] == 200:
                    return time.perf_counter() - began
            time.sleep(0.002)
        raise NotStarted(self.log_end())

    def await_port(self, patience):
        """Waits until the program says where it serves; how well, it says on /health."""
        has_told, _, _ = select.select([self.process.stdout], [], [], patience)
        told = re.search(rb":(\d+)\s*$", self.process.stdout.readline() if has_told else b"")
        if not told:
            raise NotStarted(self.log_end())
        self.port = int(told[1])

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def stop(self):
        """Ends it politely. Gives what was wrong with that."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            code = "nothing within 30 s of SIGTERM"
        self.kill()
        return [] if code == 0 else [f"the server ended with {code}: {self.log_end()}"]

    def panics(self):
        return [line for line in self.log().splitlines() if "panicked" in line]

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def log_end(self):
        return self.log()[-1500:]

    def door(self, key=KEY):
        return Door(self.port, key, self.is_tls)


def ulid(number):
    """The id of 128 bits as clients know it: 26 letters of Crockford's base 32."""
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(125, -1, -5))


def encryption(folder):
    """The settings of a server that encrypts its store. The key lies in this folder, which must not be that of the data."""
    file = pathlib.Path(folder, "encryption-key")
    file.write_text(f"{os.urandom(32).hex()}\n")
    file.chmod(0o600)
    return {"ENCRYPTION_KEY_FILE": str(file)}


def readable_in(folder, words):
    """Which of these words (bytes) stand in which file below. Without words nothing is read."""
    # What the server has taken away meanwhile, a folder or a file, holds nothing any more.
    for place, _, names in os.walk(folder) if words else ():
        for file in (pathlib.Path(place, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                held = file.read_bytes() if file.is_file() else b""
                yield from ((word, file) for word in words if word in held)


@contextlib.contextmanager
def server_of_its_own(binary, *, is_encrypted=False, **settings):
    """A server that is not started yet; process and files go with the block, also when it is interrupted."""
    former = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    home = tempfile.mkdtemp(prefix="memoryd-torture-")
    server = Server(binary, home, **settings)
    try:
        if is_encrypted:
            server.env |= encryption(home)
        yield server
    finally:
        # A second signal must not leave half of it behind.
        for one in former:
            signal.signal(one, signal.SIG_IGN)
        server.kill()
        shutil.rmtree(home, ignore_errors=True)
        for one, handler in former.items():
            signal.signal(one, handler)


def keep(server, name, told):
    """Copies what shows a fault, and gives the place. The server has to be down."""
    place = KEPT / name
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    # The local socket cannot be copied, and is nothing.
    shutil.copytree(server.home, place, ignore=shutil.ignore_patterns("run"))
    (place / "faults.json").write_text(json.dumps(told, indent=1))
    return place


# ---- calls --------------------------------------------------------------------------------------
class Door:
    """One connection that is kept, and opened anew after it broke."""

    def __init__(self, port, key=KEY, is_tls=False):
        self.key = key
        kind = http.client.HTTPConnection
        more = {}
        if is_tls:
            # The authority is made by the test itself; who it is is no matter here.
            kind, more = http.client.HTTPSConnection, {"context": ssl._create_unverified_context()}
        self.connection = kind("127.0.0.1", port, timeout=PATIENCE, **more)

    def begin(self, method, path, body=None, key=None, kind=JSON):
        """Gives the answer when it begins."""
        try:
            if self.connection.sock is None:
                self.connection.connect()
        except OSError as error:
            raise NotSent(str(error)) from error
        try:
            self.connection.request(method, path, encoded(body), self.headers(key, body, kind))
            return self.connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(repr(error)) from error

    def ask(self, method, path, body=None, key=None, kind=JSON):
        """Gives the status and what the answer says, parsed if it is JSON."""
        answer = self.begin(method, path, body, key, kind)
        try:
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(repr(error)) from error
        is_json = (answer.getheader("Content-Type") or "").startswith(JSON)
        return answer.status, json.loads(text) if is_json and text else text

    def tool(self, name, arguments, key=None):
        """Gives the status, or the error's code, and the structured answer."""
        status, answer = self.ask("POST", "/mcp", tool_call(name, arguments), key)
        result = answer.get("result") if isinstance(answer, dict) else None
        if status != 200 or not result:
            return status if status != 200 else "protocol error", answer
        told = result.get("structuredContent", {})
        return (told.get("error", {}).get("code", "error") if result.get("isError") else 200), told

    def headers(self, key, body, kind):
        key = key or self.key
        headers = {"X-API-Key": key} if key else {}
        return headers if body is None else {**headers, "Content-Type": kind}

    def close(self):
        self.connection.close()


def tool_call(name, arguments):
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def encoded(body):
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def lines_of(elements):
    """What an import or a client on stdio sends: an element a line."""
    return b"".join(json.dumps(element).encode() + b"\n" for element in elements)


def cut_off(port, method, path, body, key, kind=JSON, missing=0, resets=False):
    """Sends a request but for its last `missing` bytes, and goes without waiting for an answer."""
    body = encoded(body)
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Type: {kind}\r\n" \
           f"Content-Length: {len(body)}\r\n\r\n"
    try:
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    except OSError as error:
        raise NotSent(str(error)) from error
    with connection, contextlib.suppress(OSError):
        connection.sendall(head.encode() + body[:len(body) - missing])
        if resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# ---- figures ------------------------------------------------------------------------------------
def memory_of(pid, figure):
    """VmRSS (what a process holds) or VmHWM (the most it has held) in bytes; an OSError once it has ended."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{figure}:"):
            return int(line.split()[1]) << 10
    raise ProcessLookupError(f"process {pid} has ended")


def bytes_of(folder):
    """Of all files in it; a running server may take some away meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def percentile(values, share):
    """The smallest value that is no less than this share of them."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def slope(points):
    """The least-squares rise of y a unit of x."""
    n = len(points)
    if n < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
