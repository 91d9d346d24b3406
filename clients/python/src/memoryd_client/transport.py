"""One request to the server and its answer, over whichever way leads there.

A server that was given by its URL is spoken to as it is. One that was found by its files is reached by
its local socket, else by its port; whoever listens on that port is asked who it is before anything
else is sent, because the files may be those of a dead process, and the port a stranger's by now.

Connections are kept for the next request. One that turns out to be broken is replaced once, since
servers shut idle ones; sending a request twice is harmless, because the server knows a memory that it
has and a deletion can be repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import logging
import os
import re
import secrets
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from ._version import __version__
from .discovery import TOKEN_FILE, Endpoint, Places, Token, places_of, read_file, read_server_file
from .errors import AuthenticationError, ServerError, ServerUnavailableError, UntrustedServerError

log = logging.getLogger("memoryd_client")

# The server bounds an answer by what it holds; this bounds what a stranger could make us hold.
_ANSWER_LIMIT = 256 << 20
_PIECE = 64 << 10
# A server writes its token file the moment after it begins to listen.
_TOKEN_PATIENCE_SECONDS = 0.5
_IDLE_CONNECTIONS = 4
# One that refuses at once is asked at every call. One that lets callers wait is left alone for a while.
_PATIENCE_SECONDS = 0.5
_ABSENCE_SECONDS = 5.0
_GIVEN = "the argument auth_token"


class Answer(NamedTuple):
    """An answer: `body` is what its JSON says, `None` where it is none."""

    status: int
    body: Any
    headers: http.client.HTTPMessage


class Request(NamedTuple):
    """A request: `path` begins with a slash, `body` is sent as JSON."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any] | None = None
    # Longer than reading takes where the server is at hand.
    seconds: float | None = None
    is_signed: bool = True


class Trust(NamedTuple):
    """Whom to believe over HTTPS: the authorities of the system, and those in the file `ca`."""

    ca: str | os.PathLike[str] | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Makes the context. Raises `UntrustedServerError` for a file without a certificate."""
        context = ssl.create_default_context()
        for path in (self.ca, os.environ.get("SSL_CERT_FILE")):
            if not path:
                continue
            try:
                context.load_verify_locations(cafile=os.fspath(path))
            except OSError as error:
                raise UntrustedServerError(f"cannot read authorities from {path}: {error}") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class _Broken(Exception):  # noqa: N818 - no error yet, the request may be sent again
    """A connection on which no answer came."""


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over the local socket of a server."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        if sys.platform == "win32":
            raise OSError("there are no local sockets")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class Transport:
    """The way to one server. Every method may be called from any thread."""

    def __init__(
        self,
        places: Places,
        server_url: str | None,
        auth_token: str | None,
        trust: Trust,
        seconds: tuple[float, float],
    ) -> None:
        """Takes where to look, what was given, and how long to connect and to wait for an answer."""
        self._places = places
        self._given = Endpoint(server_url, is_given=True) if server_url else None
        self._given_token = auth_token
        self._trust = trust
        # What was given is read now, so that a slip is seen at once.
        self._context = trust.context() if trust.ca else None
        self._connect_seconds, self._answer_seconds = seconds
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._away_until = 0.0
        self._last_endpoint: Endpoint | None = None
        self._last_token: Token | None = None
        self._process = os.getpid()

    def __del__(self) -> None:
        """Closes what is idle, for programs that do not close their client."""
        # Where `__init__` has raised, there is nothing.
        with contextlib.suppress(AttributeError):
            self.close()

    @property
    def endpoint(self) -> Endpoint:
        """Where the server is, by what was given or by the files that are there now.

        A server that stops takes its files with it. Then it is still that one, and no other that
        happens to listen on the default port.
        """
        if self._given:
            return self._given
        found = self._places.endpoint()
        if found.folder or self._last_endpoint is None:
            self._last_endpoint = found
        return self._last_endpoint

    @property
    def token(self) -> Token | None:
        """The token that was given, else the one that is found now, else the last one that was found."""
        if self._given_token:
            return Token(self._given_token, _GIVEN)
        # While a server stops, it still answers and has no files any more.
        self._last_token = self._places.token() or self._last_token
        return self._last_token

    def give_token(self, value: str | None) -> None:
        """Uses another token from now on; `None` to look for it again."""
        self._given_token = value

    def ask(self, request: Request) -> Answer:
        """Sends a request and returns the answer, whatever its status.

        A 401 is answered with another token, once, if there is another by now: each start of a server
        makes a new one. Raises `ServerUnavailableError`, `UntrustedServerError` and, where a token must
        not be sent there, `AuthenticationError`.
        """
        token = self.token if request.is_signed else None
        answer = self._exchange(request, token)
        if answer.status == 401 and request.is_signed:
            fresh = self._fresh_token(token)
            if fresh:
                answer = self._exchange(request, fresh)
        return answer

    def reach(self) -> None:
        """Connects, unless there is a connection. Raises as `ask` does; nothing is done then."""
        self._keep(self._take_idle() or self._connect(was_sent=False))

    def expect_again(self) -> None:
        """Tries at the next request, even if the server has just kept one waiting in vain."""
        self._away_until = 0.0

    def close(self) -> None:
        """Closes what is idle. The next request connects anew."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _exchange(self, request: Request, token: Token | None) -> Answer:
        headers = self._headers(request, token)
        connection = self._take_idle()
        was_sent = False
        if connection:
            try:
                return self._send(connection, request, headers)
            except _Broken:
                was_sent = True
                self.close()
        connection = self._connect(was_sent)
        try:
            return self._send(connection, request, headers)
        except _Broken as broken:
            raise ServerUnavailableError(f"no answer came: {broken}", maybe_done=True) from broken

    def _headers(self, request: Request, token: Token | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": f"memoryd-client/{__version__}"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if token is None:
            return headers
        if not re.fullmatch(r"[\x21-\x7e]+", token.value):
            raise AuthenticationError(f"what {token.source} holds is no token")
        if token.is_loose and self._given and not self._given.is_this_machine:
            raise AuthenticationError(
                f"the token in {token.source} is for the server of this machine and not sent to"
                f" {self._given.url}; give auth_token or set MCP_MEMORY_TOKEN"
            )
        headers["Authorization"] = f"Bearer {token.value}"
        return headers

    def _take_idle(self) -> http.client.HTTPConnection | None:
        with self._lock:
            if self._process != os.getpid():
                # A fork has the connections of its parent, who goes on using them.
                self._idle, self._process = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if _is_open(connection):
                    return connection
                connection.close()
            return None

    def _send(
        self, connection: http.client.HTTPConnection, request: Request, headers: dict[str, str]
    ) -> Answer:
        prefix = urlsplit(self._given.url).path if self._given else ""
        query = f"?{urlencode(request.query)}" if request.query else ""
        body = None if request.body is None else json.dumps(request.body).encode()
        try:
            if connection.sock:
                connection.sock.settimeout(request.seconds or self._answer_seconds)
            connection.request(request.method, f"{prefix}{request.path}{query}", body, headers)
            response = connection.getresponse()
            content = _read(response)
        except socket.timeout as error:
            connection.close()
            self._away_until = time.monotonic() + _ABSENCE_SECONDS
            raise ServerUnavailableError("no answer came in time", maybe_done=True) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Broken(_reason(error)) from error
        if content is None:
            connection.close()
            raise ServerError("the answer is too long", status=response.status)
        self._keep(connection)
        return Answer(response.status, _parse(content), response.headers)

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            # It has no socket any more where the server has asked to close it.
            if connection.sock and len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self, was_sent: bool) -> http.client.HTTPConnection:
        endpoint = self.endpoint
        begun = time.monotonic()
        if begun < self._away_until:
            raise ServerUnavailableError(f"{endpoint.url} did not answer a moment ago", maybe_done=was_sent)
        problems = []
        for way, connection in self._ways(endpoint):
            try:
                connection.connect()
                if way == "port" and not endpoint.is_given:
                    self._ask_who_is_there(connection, endpoint)
                return connection
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise UntrustedServerError(
                    f"the certificate of {endpoint.url} is not trusted: {error.verify_message};"
                    " give its authority as ca, or set SSL_CERT_FILE"
                ) from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                problems.append(_reason(error))
        if time.monotonic() - begun > _PATIENCE_SECONDS:
            self._away_until = time.monotonic() + _ABSENCE_SECONDS
        message = f"no server answers at {endpoint.url}: {'; '.join(problems)}"
        raise ServerUnavailableError(message, maybe_done=was_sent)

    def _ways(self, endpoint: Endpoint) -> Iterator[tuple[str, http.client.HTTPConnection]]:
        seconds = self._connect_seconds
        if endpoint.socket:
            yield "socket", _LocalConnection(endpoint.socket, seconds)
        parts = urlsplit(endpoint.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            yield "port", http.client.HTTPConnection(host, parts.port or 80, timeout=seconds)
            return
        if self._context is None:
            self._context = self._trust.context()
        secure = http.client.HTTPSConnection(host, parts.port or 443, timeout=seconds, context=self._context)
        yield "port", secure

    def _ask_who_is_there(self, connection: http.client.HTTPConnection, endpoint: Endpoint) -> None:
        """Raises `OSError` unless a memory server answers, the one whose files they are.

        memoryd proves that it holds the token, and never shows it. An older server proves nothing.
        """
        challenge = secrets.token_urlsafe(32)
        connection.request("GET", "/health", headers={"X-Memoryd-Challenge": challenge})
        response = connection.getresponse()
        body = _parse(_read(response) or b"")
        if not isinstance(body, dict) or "authentication_enabled" not in body:
            raise ConnectionRefusedError("what answers there is no memory server")
        proofs = self._proofs(endpoint, challenge)
        shown = response.headers.get("X-Memoryd-Instance", "").encode()
        if proofs and not any(hmac.compare_digest(proof, shown) for proof in proofs):
            raise ConnectionRefusedError(
                f"what answers there is not the server whose files are in {endpoint.folder};"
                " give server_url if it is the right one"
            )

    def _proofs(self, endpoint: Endpoint, challenge: str) -> list[bytes]:
        folder = endpoint.folder
        token = read_file(folder / TOKEN_FILE) if folder else ""
        if folder is None or not token or not read_server_file(folder):
            return []
        purposes = ["who is there"]
        purposes += [f"who is there in {place}" for place in places_of(endpoint, self._places)]
        texts = (f"{purpose}\0{challenge}".encode() for purpose in purposes)
        return [hmac.new(token.encode(), text, hashlib.sha256).hexdigest().encode() for text in texts]

    def _fresh_token(self, refused: Token | None) -> Token | None:
        is_from_file = refused is None or refused.source not in ("MCP_MEMORY_TOKEN", _GIVEN)
        end = time.monotonic() + (_TOKEN_PATIENCE_SECONDS if is_from_file else 0)
        while True:
            token = self.token
            if token and (refused is None or token.value != refused.value):
                return token
            if time.monotonic() >= end:
                return None
            time.sleep(0.05)


def _is_open(connection: http.client.HTTPConnection) -> bool:
    """Whether nothing has come since the last answer. What would come is the end."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return not selector.select(0)


def _read(response: http.client.HTTPResponse) -> bytes | None:
    """Returns the content, or nothing if it is too long."""
    parts, left = [], _ANSWER_LIMIT
    # In pieces, since some versions of Python set aside as much as they are asked to read.
    while part := response.read(min(_PIECE, left + 1)):
        left -= len(part)
        if left < 0:
            return None
        parts.append(part)
    return b"".join(parts)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
