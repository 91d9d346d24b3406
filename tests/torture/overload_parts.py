"""What overload.py attacks with, and the honest client that no attack may touch. Standard library only."""

import contextlib
import copy
import ctypes
import dataclasses
import http.client
import itertools
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import common
from common import JSON, KEY

HONEST_KEY = "torture-honest-key-0123456789abcdef-0123456789"
# Of what is given up, and of a stranger.
WRONG_KEY = "torture-wrong-key-0123456789abcdef-0123456789"
EVERY = 0.02
FRESH_EVERY = 25
MB = 1 << 20
FORK = multiprocessing.get_context("fork")


class Skipped(Exception):
    """This machine does not allow it."""


class Server(common.Server):
    """The same with a second user for the honest client, and, if it is to, with TLS or behind another program."""

    wrap = ()

    def launch(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([*self.wrap, str(self.binary), "serve"], env=self.env, cwd=self.home,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                                            preexec_fn=end_with_us)

    def make_pair(self, folder):
        """A certificate and its key, by the program itself."""
        subprocess.run([str(self.binary), "certs", "--out", str(folder)], env=self.env, cwd=self.home, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return folder / "server.pem", folder / "server-key.pem"

    @property
    def resident_mb(self):
        return common.memory_of(self.process.pid, "VmRSS") / 2**20

    @property
    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def is_healthy(self):
        with contextlib.suppress(OSError, http.client.HTTPException, common.NotSent, common.NoAnswer), \
                contextlib.closing(self.door(None)) as door:
            return door.ask("GET", "/health")[0] == 200
        return False


@contextlib.contextmanager
def server_of_its_own(binary, **env):
    """A server that is not started yet. Whatever was begun beside it goes with the block, before its files do."""
    with common.server_of_its_own(binary) as plain:
        server = Server(binary, plain.home, MCP_API_KEYS=f"honest:{HONEST_KEY}", **env)
        try:
            yield server
        finally:
            while Helper.begun:
                Helper.begun.pop().process.kill()
            server.kill()
    # Somebody may have been killed in the middle of making a file.
    end = time.monotonic() + 3
    while plain.home.exists() and time.monotonic() < end:
        shutil.rmtree(plain.home, ignore_errors=True)


def raise_own_limit():
    """Sockets of ours count as files, too. Gives how many there may be."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


# ---- processes beside this one ------------------------------------------------------------------
def end_with_us():
    """Called in a child: it is killed when who started it is gone, however that came."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Helper:
    """A process of ours that does one thing, and tells at the end what came of it; nothing if it failed."""

    begun = []

    def __init__(self, act, *given):
        self.pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=helped, args=(act, theirs, *given), daemon=True)
        self.process.start()
        self.begun.append(self)
        theirs.close()

    def stop(self, patience=60):
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        return self.wait(patience)

    def wait(self, patience):
        told = None
        with contextlib.suppress(EOFError, OSError):
            told = self.pipe.recv() if self.pipe.poll(patience) else None
        self.process.kill()
        self.process.join()
        return told


def helped(act, pipe, *given):
    # Ctrl-C is for the program that started us, and takes us along.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_us()
    with contextlib.suppress(OSError):
        pipe.send(act(lambda: pipe.poll(0), *given))


# ---- the honest client --------------------------------------------------------------------------
@dataclasses.dataclass
class Honest:
    requests: int
    waits: list
    errors: list

    def told(self):
        p50, p99, worst = (common.percentile(self.waits, share) * 1000 for share in (0.5, 0.99, 1))
        return {"requests": self.requests, "p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "worst_ms": round(worst, 1),
                "errors": len(self.errors)}


def be_honest(is_over, port, is_tls, addresses):
    """A request every 20 ms, now and then on a new connection. What should have been sent while one waits, waits as well."""
    honest = Honest(0, [], [])
    door, due = None, time.monotonic()
    while not is_over():
        time.sleep(max(0.0, due - time.monotonic()))
        number, began = honest.requests, time.monotonic()
        method, path, body = honest_request(number)
        try:
            if door is None or number % FRESH_EVERY == 0:
                if door:
                    door.close()
                door = common.Door(port, HONEST_KEY, is_tls)
            if addresses:
                door.headers = lambda key, body, kind, number=number: {
                    **common.Door.headers(door, key, body, kind), "X-Forwarded-For": addresses[number % len(addresses)]}
            status, told = door.ask(method, path, body)
            if status not in (200, 201):
                honest.errors.append(f"{method} {path}: {status} {str(told)[:120]}")
        except (common.NotSent, common.NoAnswer, ValueError) as error:
            honest.errors.append(f"{method} {path}: {error!r}")
            door = None
        took = time.monotonic() - began
        honest.requests += 1
        honest.waits.append(took)
        while took > EVERY:
            took -= EVERY
            honest.waits.append(took)
        due = max(due + EVERY, time.monotonic())
    honest.errors = honest.errors[:1000]
    return honest


def honest_request(number):
    match number % 6:
        case 0:
            return "POST", "/api/v1/memories", {"content": f"Honest thought number {number} of the garden"}
        case 1:
            return "POST", "/mcp", common.tool_call("search_memories", {"query": "honest garden", "limit": 2})
        case 2:
            return "GET", "/api/v1/memories?limit=3", None
        case 3:
            return "GET", "/health", None
        case 4:
            return "GET", "/api/v1/search?query=thought&limit=2", None
        case _:
            return "GET", "/api/v1/stats", None


class Watch:
    """The most memory that the server had while something went on."""

    def __init__(self, server):
        self.server, self.most_mb, self.is_over = server, server.resident_mb, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.is_over.wait(0.05):
            with contextlib.suppress(OSError, AttributeError):
                self.most_mb = max(self.most_mb, self.server.resident_mb)

    def stop(self):
        self.is_over.set()
        self.thread.join()
        return self.most_mb


# ---- many connections ---------------------------------------------------------------------------
class Swarm:
    """Many connections that do little; it notes which of them the server has shut, and what it said."""

    def __init__(self, port, count, first, small=False, source=None):
        self.open, self.shut, self.answers, self.began = [], 0, [], time.monotonic()
        for number in range(count):
            s = socket.socket()
            if small:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(5)
            with contextlib.suppress(OSError):
                if source:
                    s.bind((source(number), 0))
                s.connect(("127.0.0.1", port))
                s.sendall(first(number) if callable(first) else first)
                s.setblocking(False)
                self.open.append(s)
                continue
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.open:
            s.close()

    def tick(self, piece=b""):
        """Sends a piece on each, and looks which are still open."""
        still = []
        for s in self.open:
            try:
                if piece:
                    s.send(piece)
                told = s.recv(4096)
                self.answers.append(told[:60])
                is_open = bool(told)
            except OSError as error:
                is_open = isinstance(error, BlockingIOError)
            if is_open:
                still.append(s)
            else:
                s.close()
                self.shut += 1
        self.open = still

    def trickle(self, piece, seconds, pause=0.5):
        """Goes on until all are shut, or the time is over. Gives how long it took."""
        while self.open and time.monotonic() - self.began < seconds:
            self.tick(piece)
            time.sleep(pause)
        return time.monotonic() - self.began


def head(method, path, *lines, key=KEY):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *([f"X-API-Key: {key}"] if key else []), *lines]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def posted(path, body, *lines, key=KEY):
    return head("POST", path, f"Content-Type: {JSON}", f"Content-Length: {len(body)}", *lines, key=key) + body


def client_context(*protocols):
    # Authorities are made by the test itself; who the server is is no matter here.
    context = ssl._create_unverified_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def first_of(file):
    """The first certificate of a file, as a server shows it."""
    return ssl.PEM_cert_to_DER_cert(file.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n")


def client_hello():
    """The first bytes of a handshake that is never gone on with."""
    outgoing = ssl.MemoryBIO()
    handshake = client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


class Wire:
    """One connection on which answers are read as they come, without the cost of http.client."""

    def __init__(self, port, patience=15):
        self.port, self.patience, self.s, self.rest = port, patience, None, b""

    def ask(self, request):
        """Gives status, headers and body; no body where the answer is a stream, whose connection is left."""
        if self.s is None:
            self.s, self.rest = socket.create_connection(("127.0.0.1", self.port), self.patience), b""
        self.s.sendall(request)
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            self.more()
        headers, self.rest = self.rest[:end].lower(), self.rest[end + 4:]
        status = int(headers[9:12])
        length = re.search(rb"content-length: (\d+)", headers)
        if not length:
            self.close()
            return status, headers, b""
        while len(self.rest) < int(length[1]):
            self.more()
        body, self.rest = self.rest[:int(length[1])], self.rest[int(length[1]):]
        if b"connection: close" in headers:
            self.close()
        return status, headers, body

    def more(self):
        piece = self.s.recv(1 << 16)
        if not piece:
            raise ConnectionError("it was closed before the answer was whole")
        self.rest += piece

    def close(self):
        if self.s:
            self.s.close()
        self.s = None


# ---- HTTP/2, frame by frame ---------------------------------------------------------------------
HEADERS, RESET, SETTINGS, PING, CONTINUATION = 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(path, key=None, method="GET"):
    """A header block in which nothing is compressed."""
    pairs = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path}
    if key:
        pairs["x-api-key"] = key
    return b"".join(bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in pairs.items())


def greet(port, *settings):
    """A connection on which HTTP/2 has begun. The window of each stream is closed, so that no body ever fits."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(3)
    s.connect(("127.0.0.1", port))
    s = client_context("h2").wrap_socket(s, server_hostname="localhost")
    payload = b"".join(struct.pack(">HI", name, value) for name, value in settings)
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, payload))
    return s


def asks_unread(port, count, block):
    """Streams whose answers never fit into their windows. The connection is given back open."""
    s = greet(port, (4, 0))
    return s, poured(s, (frame(HEADERS, END_STREAM | END_HEADERS, 1 + 2 * n, block) for n in range(count)))


def poured(s, frames):
    """Sends without ever reading, until all is sent or the other side has enough. Gives how many went."""
    sent, some = 0, []
    with contextlib.suppress(OSError):
        for one in frames:
            some.append(one)
            if len(some) == 64:
                s.sendall(b"".join(some))
                sent, some = sent + len(some), []
        s.sendall(b"".join(some))
        sent += len(some)
    return sent


def endless_headers():
    """A header block that never ends."""
    yield frame(HEADERS, END_STREAM, 1, fields("/health"))
    while True:
        yield frame(CONTINUATION, 0, 1, b"\x00\x01a\x7e" + b"x" * 126)


def opened_and_reset(count):
    block = fields("/api/v1/tags", KEY)
    for n in range(count):
        yield frame(HEADERS, END_STREAM | END_HEADERS, 1 + 2 * n, block) + frame(RESET, 0, 1 + 2 * n, struct.pack(">I", 8))


# ---- floods -------------------------------------------------------------------------------------
def forward(is_over, port, first, count, asks_each, at_once=300):
    """Requests of ever new addresses, as a proxy would pass them on: without a key, with a wrong and with a right one."""
    keys, statuses = ("", f"X-API-Key: {WRONG_KEY}\r\n", f"X-API-Key: {KEY}\r\n"), {}
    # Under 11.0.0.0/8, which nobody trusts.
    asks = (f"GET /api/v1/tags HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 11.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}\r\n"
            f"{keys[(n + more) % 3]}\r\n" for n in range(first, first + count) for more in range(asks_each))
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        while (some := list(itertools.islice(asks, at_once))) and not is_over():
            s.sendall("".join(some).encode())
            answer, got = b"", 0
            while got < len(some):
                piece = s.recv(1 << 18)
                if not piece:
                    raise ConnectionError("the flood was cut off")
                answer += piece
                for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer):
                    statuses[int(status)] = statuses.get(int(status), 0) + 1
                    got += 1
                answer = answer[-(len("HTTP/1.1 200") - 1):]
    return statuses


def shake_hands(is_over, port):
    """One TLS handshake after the other, with a request on each. Gives their number, certificates and failures."""
    context, done, seen, failures = client_context(), 0, set(), []
    while not is_over():
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as s:
                seen.add(hash(s.getpeercert(binary_form=True)))
                s.sendall(head("GET", "/health", "Connection: close", key=None))
                if not s.recv(4096).startswith(b"HTTP/1.1 200"):
                    failures.append("no 200 on /health")
            done += 1
        except OSError as error:
            failures.append(repr(error))
    return done, len(seen), failures


def all_at_once(port, count, requests):
    """Opens all connections, then asks on all of them at a time. Gives how often each status came."""
    statuses, sockets = {}, [socket.create_connection(("127.0.0.1", port), 20) for _ in range(count)]
    begin = threading.Barrier(8)

    def some(part):
        begin.wait()
        for n, s in part:
            s.sendall(requests(n))
    numbered = list(enumerate(sockets))
    threads = [threading.Thread(target=some, args=(numbered[n::8],), daemon=True) for n in range(8)]
    for thread in threads:
        thread.start()
    for s in sockets:
        status = int((s.recv(4096) or b"HTTP/1.1 000")[9:12])
        statuses[status] = statuses.get(status, 0) + 1
    for thread in threads:
        thread.join()
    for s in sockets:
        s.close()
    return statuses


def addressed(number):
    """An address of this machine, each number another one."""
    return f"127.{1 + (number >> 16) % 254}.{number >> 8 & 255}.{1 + (number & 255) % 254}"


# ---- no way out ---------------------------------------------------------------------------------
LOOPBACK_UP = "import fcntl, os, socket, struct, sys\n" \
              "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n" \
              "    fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 0x49))\n" \
              "os.execv(sys.argv[1], sys.argv[1:])"


def wall():
    """What a program is started with to be alone in a network namespace."""
    for unshare in (["unshare", "-n"], ["unshare", "-rn"]):
        wrap = [*unshare, sys.executable, "-c", LOOPBACK_UP]
        with contextlib.suppress(OSError):
            if subprocess.run([*wrap, "/bin/true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
                return wrap
    raise Skipped("unshare -n is not allowed here")


class LocalConnection(http.client.HTTPConnection):
    """Over the local socket, which no namespace closes."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


def live_a_little(server, seconds):
    """Asks for some of everything, and then for nothing. Gives how many requests that were."""
    door, end = common.Door(0), time.monotonic() + 60
    door.connection = LocalConnection(str(server.home / "run/memoryd.sock"), timeout=common.PATIENCE)
    while attempted(lambda: door.ask("GET", "/health")[0]) != 200:
        if time.monotonic() > end or server.process.poll() is not None:
            raise common.NotStarted(server.log_end())
        time.sleep(0.05)
    asks = [("POST", "/api/v1/memories", {"content": f"Thought {n} of https://example.com/{n}"}) for n in range(20)]
    asks += [("POST", "/mcp", common.tool_call("get_context", {"query": "thought"})), ("DELETE", "/mcp", None),
             *(("GET", path, None) for path in ("/api/v1/search?query=example.com", "/api/v1/search?query=thought&mode=semantic",
                                                "/api/v1/export", "/metrics"))]
    for method, path, body in asks:
        status, told = door.ask(method, path, body)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {told}")
    time.sleep(seconds)
    door.close()
    return len(asks)


def attempted(act):
    with contextlib.suppress(common.NotSent, common.NoAnswer):
        return act()
    return None


# To nowhere and to the loopback: both must be counted.
CALLER = "import socket, sys\n" \
         "for address in ('192.0.2.1', '127.0.0.1'):\n" \
         "    with socket.socket() as s:\n" \
         "        s.connect_ex((address, 9))\n" \
         "print(flush=True)\n" \
         "sys.stdin.read()"


def calls_of_a_caller(wrap):
    """What is counted of a program that does call: where that is nothing, the counts show nothing of ours either."""
    with subprocess.Popen([*wrap, sys.executable, "-c", CALLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as caller:
        caller.stdout.readline()
        calls = sum(counted_calls(caller.pid).values())
        caller.stdin.close()
    return calls


def counted_calls(pid):
    """What the kernel counted in the namespace of a process: connections that it began, packets that it sent or could not."""
    with open(f"/proc/{pid}/net/snmp") as file:
        rows = [row.split() for row in file]
    four = {(names[0], name): int(value) for names, values in zip(rows[::2], rows[1::2], strict=True)
            for name, value in zip(names[1:], values[1:], strict=True)}
    with open(f"/proc/{pid}/net/snmp6") as file:
        six = {row.split()[0]: int(row.split()[1]) for row in file}
    wanted = [("Tcp:", "ActiveOpens"), ("Udp:", "OutDatagrams"), ("Ip:", "OutNoRoutes")]
    return {"".join(name): four[name] for name in wanted} | {name: six[name] for name in ("Ip6OutNoRoutes", "Udp6OutDatagrams")}


# ---- messages that are not quite right ----------------------------------------------------------
MODERN, META = "2026-07-28", "io.modelcontextprotocol/"
REVISIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] * 5 + [MODERN, "1999-01-01", ""]
WORDS = "garden tea Anna penicillin lamp river copper note fact instruction 2026-03-01 all active desc hybrid".split()
ID = "01JC3V5Y9ZK7Q2M8N4T6W0X1ER"
PLAIN = [
    ("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "mutant", "version": "1"}}),
    ("ping", {}), ("server/discover", {}), ("tools/list", {}), ("tools/list", {"cursor": "x"}), ("resources/list", {}),
    ("resources/templates/list", {}), ("resources/read", {"uri": "memory://recent"}), ("prompts/list", {}),
    ("resources/read", {"uri": f"memory://memory/{ID}"}), ("prompts/get", {"name": "context", "arguments": {"query": "tea"}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "memory://tag/{name}"},
                             "argument": {"name": "name", "value": "t"}}),
    ("logging/setLevel", {"level": "debug"}), ("notifications/initialized", {}), ("notifications/cancelled", {"requestId": 7}),
]
ODD = [None, True, False, 0, -1, 1.5, 2**31, 2**63, -2**63 - 1, 2**64, 10**40, 1e308, -1e-320, -0.0, "", " ",
       "0", "null", "{}", "[", "[[1],2]", "\x00", "\ud83d", "\u202e\u2028", "é" * 300, "x" * 70_000, "../../etc/passwd", "%00%ff",
       "2026-02-30", "9999-99-99", "a,b,,c", "*", ID, [], {}, [[]], [None], ["a"] * 1001, {"": {}}, {"a": {"$ref": "#"}},
       [{"role": "user", "content": "hi"}]]
BYTES = [b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc0\xaf", b"\xed\xa0\x80", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\",
         b"\\u", b"\\ud800", b"1e999", b"-", b"nul", b"\r", b"/*", b'"id":1,', b'"method":"ping",']
REPLACED = [(b'"id"', b'"method"'), (b"2.0", b"1.0"), (b"{", b"{" * 3), (b'":', b'":"'), (b"}", b"")]


class Mutator:
    """Calls of both eras and of every tool, with a few things wrong in each. The same for the same seed."""

    def __init__(self, seed, tools):
        self.random, self.tools, self.number = random.Random(seed), tools, 0

    def next(self):
        """Gives headers and body."""
        r = self.random
        self.number += 1
        method, params = r.choice(PLAIN) if r.random() < 0.35 else ("tools/call", self.call(r.choice(self.tools)))
        is_modern = r.random() < 0.4
        if is_modern:
            params = {**params, "_meta": {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {},
                                          f"{META}clientInfo": {"name": "mutant", "version": "1"}}}
        headers = [f"MCP-Protocol-Version: {r.choice(REVISIONS)}"] if r.random() < 0.7 else []
        if is_modern:
            headers = [f"MCP-Protocol-Version: {MODERN}"]
            name = params.get("name") or params.get("uri")
            headers += [f"Mcp-Method: {method}", *([f"Mcp-Name: {name}"] if name else [])]
        message = json.loads(json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}))
        for _ in range(r.choice((0, 0, 1, 1, 1, 2, 4))):
            self.bend(message)
        if r.random() < 0.05:
            message = [message] * r.choice((1, 2, 20, 21)) if r.random() < 0.8 else [[message]]
        body = json.dumps(message, ensure_ascii=r.random() < 0.5).encode(errors="surrogatepass")
        return headers, self.damage(body) if r.random() < 0.25 else body

    def call(self, tool):
        r, properties = self.random, tool["inputSchema"].get("properties", {})
        required = tool["inputSchema"].get("required", [])
        names = [*required, *r.sample(list(properties), min(len(properties), r.randint(0, 3)))]
        return {"name": tool["name"], "arguments": {name: self.value(name, properties.get(name, {})) for name in names}}

    def value(self, name, schema):
        r = self.random
        if "enum" in schema:
            return r.choice(schema["enum"])
        match schema.get("type"):
            case "integer" | "number":
                return r.randint(1, 20)
            case "boolean":
                return r.random() < 0.5
            case "array":
                items = schema.get("items", {})
                return [self.value(name, items) for _ in range(r.randint(0, 3))]
            case "object":
                return {inner: self.value(inner, kind) for inner, kind in schema.get("properties", {}).items()}
        return ID if name.endswith("id") else r.choice(WORDS)

    def bend(self, message):
        """Changes one place somewhere in it."""
        r, place = self.random, message
        # What is outside of the parameters is soon refused.
        if isinstance(message.get("params"), dict) and r.random() < 0.8:
            place = message["params"]
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                return
            key = r.choice(keys)
            if not (isinstance(place[key], (dict, list)) and place[key] and r.random() < 0.75):
                break
            place = place[key]
        match r.randrange(7):
            case 0:
                del place[key]
            case 1 if isinstance(place, dict):
                place[r.choice([key.upper(), key + " ", "x" * 300, "", "__proto__"])] = place.pop(key)
            case 2:
                place[key] = [place[key]] * r.choice((1, 3))
            case 3:
                place[key] = self.nested(r.choice((3, 33, 90, 200)))
            case 4:
                place[key] = json.dumps(place[key])
            case _:
                place[key] = copy.deepcopy(r.choice(ODD))

    def nested(self, depth):
        value, wraps = self.random.choice(ODD[:16]), self.random.random() < 0.5
        for _ in range(depth):
            value = [value] if wraps else {"a": value}
        return value

    def damage(self, body):
        """Changes some bytes of it."""
        r = self.random
        for _ in range(r.choice((1, 1, 2, 5))):
            at = r.randrange(len(body) + 1)
            match r.randrange(5):
                case 0:
                    body = body[:at] + r.choice(BYTES) + body[at:]
                case 1:
                    body = body[:at] + bytes([r.randrange(256)]) + body[at + 1:]
                case 2:
                    body = body[:at]
                case 3:
                    body = body[:at] + body[r.randrange(len(body) + 1):]
                case _:
                    body = body.replace(*r.choice(REPLACED), 1)
        return body
