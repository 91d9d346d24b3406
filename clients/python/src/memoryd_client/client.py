"""`MCPMemoryClient`: the calls of the token-file server, for `async` programs."""

from __future__ import annotations

import asyncio
import logging
import os
from types import TracebackType
from typing import Any, Callable, TypeVar

from .blocking import MemoryClient
from .errors import AuthenticationError, MCPMemoryError, ServerUnavailableError

log = logging.getLogger("memoryd_client")

Returned = TypeVar("Returned")


class MCPMemoryClient:
    """A client whose calls are awaited; they and their answers are those of `MemoryClient`.

    With `raise_errors=False` a call that fails returns `{"error": text}` instead of raising an
    `MCPMemoryError`, as the client of the token-file server did.
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
        raise_errors: bool = True,
    ) -> None:
        """Takes what `MemoryClient` takes, and raises the same."""
        self._raise_errors = raise_errors
        self._client = MemoryClient(
            server_url,
            auth_token,
            timeout=timeout,
            connect_timeout=connect_timeout,
            ca=ca,
            verify=verify,
            offline=offline,
            queue_file=queue_file,
        )

    async def __aenter__(self) -> MCPMemoryClient:
        """Returns the client itself. Without `async with` it works as well."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        await self.close()

    @property
    def server_url(self) -> str:
        """The URL of the server, given or found, without a final slash."""
        return self._client.server_url

    @property
    def auth_token(self) -> str | None:
        """The token, given or found, or `None`."""
        return self._client.auth_token

    @auth_token.setter
    def auth_token(self, value: str | None) -> None:
        self._client.auth_token = value

    async def check_connection(self) -> bool:
        """Whether a server answers, and there is a token if it wants one."""
        return await asyncio.to_thread(self._client.check_connection)

    async def health_check(self) -> dict[str, Any]:
        """Returns what `GET /health` says, such as `{status, version, authentication_enabled}`."""
        return await self._call(self._client.health_check)

    async def remember_user_info(
        self, user_id: str, information_type: str, information: str
    ) -> dict[str, Any]:
        """Stores a memory of one user: `{status: "success", memory_id, timestamp}`."""
        remember = self._client.remember_user_info
        return await self._call(remember, user_id, information_type, information)

    async def search_user_memory(self, user_id: str, query: str | None = None) -> dict[str, Any]:
        """Finds memories of one user: `{memories: [...], total}`, the best first."""
        return await self._call(self._client.search_user_memory, user_id, query)

    async def get_user_memories(self, user_id: str, limit: int | None = 10) -> dict[str, Any]:
        """Lists memories of one user: `{memories: [...], total}`, the newest first."""
        return await self._call(self._client.get_user_memories, user_id, limit)

    async def delete_user_memories(self, user_id: str, memory_type: str | None = None) -> dict[str, Any]:
        """Deletes memories of one user: `{status: "success", deleted_count}`."""
        return await self._call(self._client.delete_user_memories, user_id, memory_type)

    async def hand_over(self, timeout: float = 30.0) -> bool:
        """Hands over what waits in the local file; returns whether all is done."""
        return await asyncio.to_thread(self._client.hand_over, timeout)

    async def waiting(self) -> list[dict[str, Any]]:
        """Returns what waits to be handed over."""
        return await asyncio.to_thread(self._client.waiting)

    async def refused(self) -> list[dict[str, Any]]:
        """Returns what was kept locally and the server will never take."""
        return await asyncio.to_thread(self._client.refused)

    async def close(self) -> None:
        """Closes the connections. What waits stays in the local file for the next client."""
        await asyncio.to_thread(self._client.close)

    async def _call(self, call: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        try:
            return await asyncio.to_thread(call, *arguments)
        except MCPMemoryError as error:
            if self._raise_errors:
                raise
            log.error("%s", error)
            return {"error": _in_words(error)}


def _in_words(error: MCPMemoryError) -> str:
    """Says an error in the words that programs of the token-file server look for."""
    if isinstance(error, AuthenticationError) and error.status == 401:
        return "Authentication failed - invalid or missing token"
    if isinstance(error, ServerUnavailableError):
        return f"Connection error: {error}"
    return str(error)
