"""The servers of the tests: the real memoryd where its program is at hand, and a small one in its likeness.

Both are started and stopped on one data directory, keep what they hold in between, write `.mcp_token` and
`.mcp_port` as long as they run, and have another token after each start.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import http.server
import json
import os
import pathlib
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("MEMORYD_BIN", ROOT / "target/release/memoryd")).resolve()
KEY = "client-test-key-0123456789abcdef-0123456789"

Json = dict[str, Any]


def poll(question: Callable[[], Any], seconds: float = 20, what: str = "it") -> Any:
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Server:
    """What the tests ask of either server. `certificate` and `key` are files; with them it speaks HTTPS."""

    def __init__(self, folder: pathlib.Path, certificate: str = "", key: str = "") -> None:
        self.data_dir = folder / "data"
        self.port = free_port()
        self.certificate, self.key = certificate, key

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://localhost:{self.port}"

    def token(self) -> str:
        return (self.data_dir / ".mcp_token").read_text()

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        """Ends it as a crash would: its files stay."""
        raise NotImplementedError

    def restart(self) -> None:
        self.stop()
        self.start()

    def ask(self, method: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Asks as another client would, with the key that never changes, and returns the JSON."""
        if self.certificate:
            context = ssl._create_unverified_context()
            conn: http.client.HTTPConnection = http.client.HTTPSConnection(
                "localhost", self.port, timeout=15, context=context
            )
        else:
            conn = http.client.HTTPConnection("localhost", self.port, timeout=15)
        with contextlib.closing(conn):
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            target = path + ("?" + urllib.parse.urlencode(query) if query else "")
            conn.request(method, target, None if body is None else json.dumps(body), headers)
            answer = conn.getresponse()
            found: Json = json.loads(answer.read())
            assert answer.status < 300, (answer.status, found)
            return found

    def stored(self, user_id: str) -> list[str]:
        """The texts that the server has of a user, in the order of their making."""
        memories = self.ask("GET", "/memories", user_id=user_id)["memories"]
        return [str(memory["information"]) for memory in memories][::-1]

    def store(self, user_id: str, type_: str, text: str) -> None:
        self.ask("POST", "/memories", {"user_id": user_id, "information_type": type_, "information": text})


class Memoryd(Server):
    """The real one."""

    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        folder = self.data_dir.parent
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "MCP_API_KEY": KEY,
            "RATE_LIMIT_REQUESTS": "0",
        }
        if self.certificate:
            env |= {"USE_HTTPS": "true", "SSL_CERT_PATH": self.certificate, "SSL_KEY_PATH": self.key}
        with (folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(BINARY)], env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        poll(self._is_up, what="an answer of /health")

    def _is_up(self) -> bool:
        process = self._process
        assert process and process.poll() is None, (self.data_dir.parent / "server.log").read_text()[-600:]
        with contextlib.suppress(OSError):
            return bool(self.ask("GET", "/health"))
        return False

    def stop(self) -> None:
        process, self._process = self._process, None
        if process and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0

    def kill(self) -> None:
        process, self._process = self._process, None
        assert process
        process.kill()
        process.wait()


class Fake(Server):
    """The small one: five routes, kept in memory. It has no local socket and proves nothing, as the old one.

    `faults` are what happens to the next requests instead: a status, `"lose"` to carry the request out and
    send no answer, or `"hang"` to send none for 3 s.
    """

    def __init__(self, folder: pathlib.Path, certificate: str = "", key: str = "") -> None:
        super().__init__(folder, certificate, key)
        self.memories: list[Json] = []
        self.faults: list[object] = []
        self.requests: list[str] = []
        self.lock = threading.RLock()
        self._http: _Listener | None = None

    def start(self) -> None:
        self._http = _Listener(("localhost", self.port), _Handler)
        self._http.fake = self
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self.data_dir.mkdir(exist_ok=True)
        (self.data_dir / ".mcp_port").write_text(str(self.port))
        (self.data_dir / ".mcp_token").write_text(secrets.token_urlsafe(32))

    def stop(self) -> None:
        if self._http:
            for name in (".mcp_port", ".mcp_token"):
                (self.data_dir / name).unlink()
            self.kill()

    def kill(self) -> None:
        assert self._http
        self._http.shutdown()
        self._http.shut_connections()
        self._http.server_close()
        self._http = None

    def tokens(self) -> tuple[str, ...]:
        return KEY, self.token()

    def carry_out(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, Json]:
        with self.lock:
            if (method, path) == ("POST", "/memories"):
                return self._add(body)
            user_id = query.get("user_id", "")
            if not user_id:
                return 400, {"error": "user_id parameter required"}
            own = [memory for memory in self.memories if memory["user_id"] == user_id][::-1]
            if (method, path) == ("GET", "/memories"):
                own = own[: int(query.get("limit", len(own) + 1))]
                return 200, {"memories": own, "total": len(own)}
            if (method, path) == ("GET", "/memories/search"):
                text = query.get("query", "").casefold()
                own = [one for one in own if text in json.dumps(one, ensure_ascii=False).casefold()]
                return 200, {"memories": own, "total": len(own)}
            if method == "DELETE":
                return self._delete(own, path, query)
        return 404, {"error": "Not found", "code": "no_route"}

    def _add(self, body: Json) -> tuple[int, Json]:
        names = ("user_id", "information_type", "information")
        for name in names:
            if name not in body:
                return 400, {"error": f"Missing required field: {name}"}
        wanted = {name: body[name] for name in names}
        same = [one for one in self.memories if all(one[name] == body[name] for name in names)]
        time = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        memory = {"id": f"{secrets.randbits(64):016X}", **wanted, "timestamp": time, "created_at": time}
        memory |= {"key": body["information_type"], "value": body["information"]}
        if same:
            memory = same[0]
        else:
            self.memories.append(memory)
        return 200, {"status": "success", "memory_id": memory["id"], "timestamp": memory["timestamp"]}

    def _delete(self, own: list[Json], path: str, query: dict[str, str]) -> tuple[int, Json]:
        if path != "/memories":
            gone = [one for one in own if path == f"/memories/{one['id']}"]
            if not gone:
                return 404, {"error": "Memory not found", "code": "not_found"}
        else:
            type_ = query.get("type")
            gone = [one for one in own if type_ is None or type_.lower() == one["information_type"].lower()]
        self.memories = [one for one in self.memories if one not in gone]
        return 200, {"status": "success", "deleted_count": len(gone)}


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A test that ends does not wait for what hangs.
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.fake: Fake
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of what clients break off."""

    def shut_connections(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_DELETE = do_GET  # noqa: N815 - names of the standard library

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class has it so
        """Is quiet."""

    def _answer(self) -> None:
        fake = self.server.fake
        url = urllib.parse.urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/health":
            return self._send(200, {"status": "healthy", "authentication_enabled": True})
        fake.requests.append(f"{self.command} {self.path}")
        header = self.headers.get("Authorization", "")
        if not header.startswith("Bearer "):
            return self._send(401, {"error": "Missing or invalid Authorization header"})
        if header[7:] not in fake.tokens():
            return self._send(401, {"error": "Invalid authentication token"})
        fault = fake.faults.pop(0) if fake.faults else None
        if isinstance(fault, int):
            return self._send(fault, {"error": f"fault {fault}"})
        if fault == "hang":
            time.sleep(3)
        query = dict(urllib.parse.parse_qsl(url.query))
        status, body = fake.carry_out(self.command, url.path, query, json.loads(text or b"{}"))
        if fault:
            self.close_connection = True
            return None
        return self._send(status, body)

    def _send(self, status: int, body: Json) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
