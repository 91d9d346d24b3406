"""The module `tools.mcp_memory_client` of the token-file server, under the name of this package.

A program of that server changes one word: `from memoryd_client.mcp_memory_client import ...`. Errors are
returned as `{"error": text}`, as they were there. New programs take them from `memoryd_client`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable

from . import client
from .discovery import get_mcp_auth_token, get_mcp_server_url

__all__ = ["MCPMemoryClient", "get_mcp_auth_token", "get_mcp_server_url", "mcp_memory_client"]

if TYPE_CHECKING:
    mcp_memory_client: MCPMemoryClient


class MCPMemoryClient(client.MCPMemoryClient):
    """The client that returns its errors.

    While `enabled` is false it does nothing. `MCP_MEMORY_ENABLED=false` turns it off from the outside.
    """

    def __init__(self, server_url: str | None = None, auth_token: str | None = None, **more: Any) -> None:
        """Takes what the other one takes."""
        super().__init__(server_url, auth_token, **{"raise_errors": False, **more})
        self.enabled = os.environ.get("MCP_MEMORY_ENABLED", "true").strip().lower() != "false"

    async def check_connection(self) -> bool:
        """Whether it is enabled, a server answers, and there is a token if it wants one."""
        return self.enabled and await super().check_connection()

    async def _call(self, call: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        if not self.enabled:
            return {"error": "MCP memory server not enabled"}
        return await super()._call(call, *arguments)


def __getattr__(name: str) -> MCPMemoryClient:
    """Makes the client that all share when it is asked for, and not when this is imported."""
    if name != "mcp_memory_client":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    shared = MCPMemoryClient()
    globals()[name] = shared
    return shared
