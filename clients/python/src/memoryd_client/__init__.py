"""Client of memoryd, a self-hosted memory server for AI assistants.

`MCPMemoryClient` is for `async` programs, `MemoryClient` for all others. Both find the server and its
token by themselves, and work on with a local file while no server answers.
"""

from ._version import __version__
from .blocking import MemoryClient
from .client import MCPMemoryClient
from .discovery import get_mcp_auth_token, get_mcp_server_url
from .errors import (
    AccessDeniedError,
    AuthenticationError,
    InvalidRequestError,
    MCPMemoryError,
    QueueError,
    RateLimitError,
    ServerError,
    ServerUnavailableError,
    UntrustedServerError,
)

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "InvalidRequestError",
    "MCPMemoryClient",
    "MCPMemoryError",
    "MemoryClient",
    "QueueError",
    "RateLimitError",
    "ServerError",
    "ServerUnavailableError",
    "UntrustedServerError",
    "__version__",
    "get_mcp_auth_token",
    "get_mcp_server_url",
]
