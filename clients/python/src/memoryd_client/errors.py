"""Why a call was not carried out. Every exception of this package is an `MCPMemoryError`."""

from __future__ import annotations


class MCPMemoryError(Exception):
    """A call was not carried out.

    `status` is the HTTP status, and `code` the server's word for what happened (`not_found`, ...).
    Both are `None` where no server answered; an older server sends no `code`.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        """Takes the sentence for people, and what the server said."""
        super().__init__(message)
        self.status = status
        self.code = code


class AuthenticationError(MCPMemoryError):
    """The server refuses the token (401), or there is none. The message says where it came from."""


class AccessDeniedError(MCPMemoryError):
    """The token is good, but not for this user or this act (403)."""


class InvalidRequestError(MCPMemoryError):
    """An argument is missing or does not fit (400, 409, 413, 415, 422), or was refused here."""


class RateLimitError(MCPMemoryError):
    """Too many calls (429). `retry_after` is in seconds, `None` where the server does not say."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        """Takes what the server said, and the seconds that it wants us to wait."""
        super().__init__(message, status=status, code=code)
        self.retry_after = retry_after


class ServerUnavailableError(MCPMemoryError):
    """No server answers, or it cannot just now (408, 502, 503, 504).

    `maybe_done` is whether the call may have been carried out all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        maybe_done: bool = False,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        """Takes what went wrong, and whether the server may have got the request."""
        super().__init__(message, status=status, code=code)
        self.maybe_done = maybe_done


class ServerError(MCPMemoryError):
    """The server failed (500), or what answers is no memory server (404, not JSON, ...)."""


class UntrustedServerError(MCPMemoryError):
    """The server's certificate is not trusted. Nothing was sent, and nothing is kept for later."""


class QueueError(MCPMemoryError):
    """The local file cannot be used, so nothing can be kept while the server is away."""
