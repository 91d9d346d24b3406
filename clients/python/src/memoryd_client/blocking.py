"""`MemoryClient`: the calls of the token-file server, for programs without `async`."""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Callable

from .discovery import Places, parse_url
from .errors import (
    InvalidRequestError,
    MCPMemoryError,
    RateLimitError,
    ServerError,
    ServerUnavailableError,
)
from .handover import Handover
from .memories import Change, Known, Memory, changed, matching, memory_of, newest_first, now
from .queue_file import QueueFile, default_path
from .routes import Routes
from .transport import Transport, Trust

log = logging.getLogger("memoryd_client")

# Longer than a server at hand takes for a hundred changes; then the call goes on without.
_HANDOVER_SECONDS = 5.0


class MemoryClient:
    """A client that blocks. One may be used by any number of threads.

    While no server answers, additions and deletions are kept in a local file and handed over when one
    is back, and reading sees them together with what this client has read or stored before. An answer
    that was made so has `queued: True` or `offline: True`.

    All calls raise an `MCPMemoryError`: `AuthenticationError` for a token that the server refuses,
    `AccessDeniedError`, `InvalidRequestError`, `RateLimitError` (reading only), `ServerError`,
    `UntrustedServerError`, `QueueError`. None of them leaves anything in the local file.
    """

    def __init__(
        self,
        server_url: str | None = None,
        auth_token: str | None = None,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        ca: str | os.PathLike[str] | None = None,
        verify: bool = True,
        offline: bool = True,
        queue_file: str | os.PathLike[str] | None = None,
    ) -> None:
        """Finds the server and its token where they are not given; `discovery` says in which order.

        `timeout` and `connect_timeout` are seconds, for an answer and for a connection. `ca` is a PEM
        file with authorities to trust beside those of the system, as is `SSL_CERT_FILE`; `verify=False`
        trusts every certificate. `offline=False` keeps nothing: then `ServerUnavailableError` is raised.
        `queue_file` is the file to keep changes in, instead of one in the folder of the user's state.

        Raises `ValueError` for a URL that is none, `UntrustedServerError` for a useless `ca`.
        """
        places = Places()
        url = parse_url(server_url) if server_url else None
        self._transport = Transport(places, url, auth_token, Trust(ca, verify), (connect_timeout, timeout))
        self._routes = Routes(self._transport)
        self._known = Known()
        path = Path(queue_file).absolute() if queue_file else None
        if path is None and offline:
            path = _usual_path(places.label(url, bool(auth_token)))
        self._queue = QueueFile(path) if path and offline else None
        self._handover: Handover | None = None
        if self._queue:
            self._handover = Handover(self._queue, self._routes, self._known)
            if not self._queue.is_empty():
                self._handover.start()

    def __enter__(self) -> MemoryClient:
        """Returns the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    @property
    def server_url(self) -> str:
        """The URL of the server, given or found, without a final slash."""
        return self._transport.endpoint.url

    @property
    def auth_token(self) -> str | None:
        """The token, given or found, or `None`."""
        token = self._transport.token
        return token.value if token else None

    @auth_token.setter
    def auth_token(self, value: str | None) -> None:
        self._transport.give_token(value)

    def check_connection(self) -> bool:
        """Whether a server answers, and there is a token if it wants one."""
        try:
            health = self._routes.health()
        except MCPMemoryError:
            return False
        if health.get("authentication_enabled") and not self.auth_token:
            log.warning("%s wants a token, and none was found", self.server_url)
            return False
        return True

    def health_check(self) -> dict[str, Any]:
        """Returns what `GET /health` says, such as `{status, version, authentication_enabled}`.

        Raises `ServerUnavailableError` where no server answers.
        """
        return self._routes.health()

    def remember_user_info(self, user_id: str, information_type: str, information: str) -> dict[str, Any]:
        """Stores a memory of one user.

        Returns `{status: "success", memory_id, timestamp}`. It is kept when this returns. What the
        user has already is not stored twice; the id is that of the first one.
        """
        change = Change(
            _text("user_id", user_id),
            _text("information_type", information_type),
            _text("information", information),
            now(),
            f"queued-{uuid.uuid4().hex}",
        )
        answer = self._write(change, self._routes.add)
        if not answer.get("queued"):
            stored = {"id": answer.get("memory_id"), "created_at": answer.get("timestamp")}
            self._known.learn(change.user_id, {**memory_of(change), **stored})
        return answer

    def search_user_memory(self, user_id: str, query: str | None = None) -> dict[str, Any]:
        """Finds memories of one user, the best first; without a query all, the newest first.

        Returns `{memories: [{id, user_id, information_type, information, timestamp, created_at, key,
        value}], total}`. Without a server those with a word of the query are found, and no others.
        """
        user_id = _text("user_id", user_id)
        if not query or not query.strip():
            return self.get_user_memories(user_id, limit=None)
        query = _text("query", query)

        def ask() -> dict[str, Any]:
            number = self._known.begin()
            answer = self._routes.search(user_id, query)
            found = newest_first(answer["memories"])
            self._known.learn_answer(user_id, found, number, is_everything=False)
            return answer

        def arrange(memories: list[Memory], added: list[Memory]) -> list[Memory]:
            return memories + matching(added, query)

        def recall(memories: list[Memory]) -> list[Memory]:
            return matching(newest_first(memories), query)

        return self._read(user_id, ask, arrange, recall)

    def get_user_memories(self, user_id: str, limit: int | None = 10) -> dict[str, Any]:
        """Lists the newest memories of one user; with `limit=None` all.

        Returns the shape of `search_user_memory`.
        """
        user_id = _text("user_id", user_id)
        if limit is not None and limit < 1:
            raise InvalidRequestError("limit is a whole number from 1")

        def ask() -> dict[str, Any]:
            number = self._known.begin()
            answer = self._routes.get(user_id, limit)
            found = answer["memories"]
            is_everything = limit is None or len(found) < limit
            self._known.learn_answer(user_id, found, number, is_everything=is_everything)
            return answer

        def arrange(memories: list[Memory], added: list[Memory]) -> list[Memory]:
            return newest_first(memories + added)[:limit]

        def recall(memories: list[Memory]) -> list[Memory]:
            return newest_first(memories)[:limit]

        return self._read(user_id, ask, arrange, recall)

    def delete_user_memories(self, user_id: str, memory_type: str | None = None) -> dict[str, Any]:
        """Deletes what one user has of one `information_type`, or everything without `memory_type`.

        Returns `{status: "success", deleted_count}`; without a server the count is of what is known
        here. When it is handed over, what others have stored since it was asked for stays.
        """
        user_id = _text("user_id", user_id)
        type_ = None if memory_type is None else _text("memory_type", memory_type)
        deletion = Change(user_id, type_, None, now(), f"queued-{uuid.uuid4().hex}")
        answer = self._write(deletion, self._routes.delete)
        self._known.forget(deletion)
        return answer

    def hand_over(self, timeout: float = 30.0) -> bool:
        """Hands over what waits in the local file, for so many seconds; returns whether all is done.

        It happens by itself as well. Raises what keeps the server from taking it.
        """
        self._routes.expect_again()
        return self._handover.run(None, timeout) if self._handover else True

    def waiting(self) -> list[dict[str, Any]]:
        """Returns what waits to be handed over: `[{user_id, information_type, information, at}]`.

        Without `information` it is a deletion.
        """
        names = ("user_id", "information_type", "information", "at")
        changes = self._queue.waiting() if self._queue else []
        return [dict(zip(names, change)) for change in changes]

    def refused(self) -> list[dict[str, Any]]:
        """Returns what was kept locally and the server will never take, with its `problem`.

        Shape: `[{user_id, information_type, information, at, problem}]`.
        """
        return self._queue.refused() if self._queue else []

    def close(self) -> None:
        """Closes the connections. What waits stays in the local file for the next client."""
        if self._handover:
            self._handover.close(1.0)
        self._transport.close()

    def _write(self, change: Change, send: Callable[[Change], dict[str, Any]]) -> dict[str, Any]:
        if self._queue and not self._nothing_waits(change.user_id):
            # It must not overtake what was asked for before it.
            return self._keep(change, maybe_done=False)
        try:
            return send(change)
        except (ServerUnavailableError, RateLimitError) as error:
            if not self._queue:
                raise
            log.warning("working on with %s: %s", self._queue.path, error)
            return self._keep(change, maybe_done=getattr(error, "maybe_done", False))

    def _keep(self, change: Change, *, maybe_done: bool) -> dict[str, Any]:
        assert self._queue and self._handover, "only a client with a queue comes here"  # noqa: S101
        answer: dict[str, Any] = {"status": "success", "queued": True}
        if change.is_deletion:
            known = sum(change.is_of_type(one) for one in self._known.of(change.user_id))
            waiting = self._queue.put_deletion(change, maybe_done=maybe_done)
            answer["deleted_count"] = known + waiting
        else:
            self._queue.put(change, maybe_done=maybe_done)
            answer.update(memory_id=change.id, timestamp=change.at)
        self._handover.start()
        return answer

    def _read(
        self,
        user_id: str,
        ask: Callable[[], dict[str, Any]],
        arrange: Callable[[list[Memory], list[Memory]], list[Memory]],
        recall: Callable[[list[Memory]], list[Memory]],
    ) -> dict[str, Any]:
        """Answers with what the server says and what it has not been told yet, or without it."""
        is_told = self._nothing_waits(user_id)
        # Before the server is asked: what is handed over meanwhile is then seen twice, and not missed.
        waiting = [] if is_told or not self._queue else self._queue.waiting(user_id)
        try:
            answer = ask()
        except ServerUnavailableError:
            if not self._queue:
                raise
            waiting = self._queue.waiting(user_id)
            found = recall(changed(self._known.of(user_id), waiting))
            return {"memories": found, "total": len(found), "offline": True}
        if waiting:
            memories = answer["memories"]
            now_there = changed(memories, waiting, self._routes.clock_difference)
            theirs = {id(memory) for memory in memories}
            added = [memory for memory in now_there if id(memory) not in theirs]
            answer["memories"] = arrange(now_there[: len(now_there) - len(added)], added)
            answer["total"] = answer.get("total", 0) + len(answer["memories"]) - len(memories)
        return answer

    def _nothing_waits(self, user_id: str) -> bool:
        """Tries to hand over what waits of one user; returns whether nothing does any more.

        What the user's own call would meet as well, such as a refused token, is raised.
        """
        if not self._queue or not self._handover or self._queue.is_empty(user_id):
            return True
        try:
            return self._handover.run(user_id, _HANDOVER_SECONDS)
        except (ServerUnavailableError, RateLimitError, ServerError, InvalidRequestError) as error:
            log.info("what is kept for the server cannot be handed over yet: %s", error)
            return False


def _usual_path(label: str) -> Path | None:
    try:
        return default_path(label)
    except RuntimeError as error:
        log.warning("nothing can be kept while the server is away, give queue_file: %s", error)
        return None


def _text(name: str, value: object) -> str:
    """Returns an argument as text. A number is one as well: ids are numbers in some programs."""
    if isinstance(value, int) and not isinstance(value, bool) and name == "user_id":
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequestError(f"Missing required field: {name}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{name} has half of a character: {error}") from error
    return value
