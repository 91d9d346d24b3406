"""The routes of the server that this client uses, and what their answers mean."""

from __future__ import annotations

import email.utils
import time
from typing import Any, NoReturn

from .errors import (
    AccessDeniedError,
    AuthenticationError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
    ServerUnavailableError,
)
from .memories import Change, Memory
from .transport import Answer, Request, Transport

# Asking who is there is not worth a longer wait.
_HEALTH_SECONDS = 5.0
# `Date` has whole seconds, and the answer was under way: less than this is no difference.
_CLOCK_TOLERANCE_SECONDS = 2.0
# These are about the request's form, and have nothing to do with what it says.
_FORM_CODES = ("host_refused", "invalid_header", "unsupported_type", "unsupported_encoding")


class Routes:
    """The calls of the token-file server. All raise what `errors` has for the answer."""

    def __init__(self, transport: Transport) -> None:
        """Takes the way to the server."""
        self._transport = transport
        # How many seconds the server's clock is ahead of ours, as far as its answers tell.
        self.clock_difference = 0.0

    def reach(self) -> None:
        """Sees whether the server is there. Raises `ServerUnavailableError` where it is not."""
        self._transport.reach()

    def expect_again(self) -> None:
        """Looks again at the next call, even if the server has just kept one waiting in vain."""
        self._transport.expect_again()

    def health(self) -> dict[str, Any]:
        """`GET /health`, which needs no token; also while the server cannot write (503)."""
        self._transport.expect_again()
        request = Request("GET", "/health", {}, seconds=_HEALTH_SECONDS, is_signed=False)
        answer = self._transport.ask(request)
        if isinstance(answer.body, dict) and "status" in answer.body:
            return answer.body
        return self._judge(answer)

    def add(self, change: Change) -> dict[str, Any]:
        """`POST /memories`: `{status, memory_id, timestamp}`."""
        body = {
            "user_id": change.user_id,
            "information_type": change.information_type,
            "information": change.information,
        }
        return self._ask(Request("POST", "/memories", {}, body))

    def get(self, user_id: str, limit: int | None) -> dict[str, Any]:
        """`GET /memories`: `{memories, total}`, the newest first; all of them without a limit."""
        query = {"user_id": user_id}
        if limit is not None:
            query["limit"] = str(limit)
        return self._ask_for_memories(Request("GET", "/memories", query))

    def search(self, user_id: str, query: str) -> dict[str, Any]:
        """`GET /memories/search`: `{memories, total}`, the best first."""
        asked = {"user_id": user_id, "query": query}
        return self._ask_for_memories(Request("GET", "/memories/search", asked))

    def delete(self, deletion: Change) -> dict[str, Any]:
        """`DELETE /memories`: `{status, deleted_count}`."""
        query = {"user_id": deletion.user_id}
        if deletion.information_type is not None:
            query["type"] = deletion.information_type
        return self._ask(Request("DELETE", "/memories", query))

    def delete_late(self, deletion: Change) -> None:
        """Deletes what was there when the deletion was asked for.

        What somebody has stored since then stays. It is seldom there, and then the ids are deleted
        one by one; otherwise one call does it.
        """
        there: list[Memory] = self.get(deletion.user_id, None)["memories"]
        there = [memory for memory in there if deletion.is_of_type(memory)]
        covered = [memory for memory in there if deletion.covers(memory, self.clock_difference)]
        if len(covered) == len(there):
            self.delete(deletion)
            return
        for memory in covered:
            path = f"/memories/{memory['id']}"
            answer = self._transport.ask(Request("DELETE", path, {"user_id": deletion.user_id}))
            # Somebody else has deleted it meanwhile.
            if answer.status != 404 or _code(answer) == "no_route":
                self._judge(answer)

    def _ask_for_memories(self, request: Request) -> dict[str, Any]:
        body = self._ask(request)
        memories = body.get("memories")
        if not isinstance(memories, list) or not all(isinstance(one, dict) for one in memories):
            raise ServerError("the answer has no memories", status=200)
        return body

    def _ask(self, request: Request) -> dict[str, Any]:
        return self._judge(self._transport.ask(request))

    def _judge(self, answer: Answer) -> dict[str, Any]:
        self._learn_clock(answer)
        if 200 <= answer.status < 300 and isinstance(answer.body, dict):
            return answer.body
        self._refuse(answer)
        return None

    def _refuse(self, answer: Answer) -> NoReturn:
        status, code, said = answer.status, _code(answer), _said(answer)
        if status == 401:
            token = self._transport.token
            source = f"the token came from {token.source}" if token else "no token was found"
            raise AuthenticationError(
                f"Authentication failed - invalid or missing token: {said}; {source}",
                status=status,
                code=code,
            )
        if status == 403:
            raise AccessDeniedError(said, status=status, code=code)
        if status in (400, 409, 413, 415, 422):
            raise InvalidRequestError(said, status=status, code=code)
        if status == 429:
            after = _retry_after(answer)
            raise RateLimitError(said, retry_after=after, status=status, code=code)
        if status in (408, 502, 503, 504):
            raise ServerUnavailableError(said, maybe_done=True, status=status, code=code)
        raise ServerError(f"{said} (HTTP {status})", status=status, code=code)

    def _learn_clock(self, answer: Answer) -> None:
        date = email.utils.parsedate_tz(answer.headers.get("Date", ""))
        if date:
            difference = email.utils.mktime_tz(date) - time.time()
            is_one = abs(difference) > _CLOCK_TOLERANCE_SECONDS
            self.clock_difference = difference if is_one else 0.0


def is_final(error: InvalidRequestError) -> bool:
    """Whether the same call will always be refused, because of what it says."""
    return error.status in (400, 413, 422) and error.code not in _FORM_CODES


def _code(answer: Answer) -> str | None:
    code = answer.body.get("code") if isinstance(answer.body, dict) else None
    return code if isinstance(code, str) else None


def _said(answer: Answer) -> str:
    body = answer.body if isinstance(answer.body, dict) else {}
    title, detail = body.get("error"), body.get("detail") or body.get("message")
    if not isinstance(title, str):
        return "what answers is no memory server"
    return f"{title}: {detail}" if isinstance(detail, str) and detail != title else title


def _retry_after(answer: Answer) -> float | None:
    body = answer.body if isinstance(answer.body, dict) else {}
    for value in (body.get("retry_after"), answer.headers.get("Retry-After")):
        try:
            return max(0.0, float(str(value)))
        except ValueError:
            continue
    return None
