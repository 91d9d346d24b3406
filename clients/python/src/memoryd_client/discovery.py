"""Finds the server of this machine and its token, by the files that a running server keeps.

The token is looked for in this order: the value that was given, `MCP_MEMORY_TOKEN`, the file that
`MCP_TOKEN_FILE` names, `./.mcp_token`, `RUN_DIR`, the data directory. The port likewise, by the file
`.mcp_port`. The data directory is `DATA_DIR`, else `./data` if there is one, else `/var/lib/memoryd`.

A file is believed only if it belongs to us or to root: `./` may be a folder like `/tmp`, where a
stranger could leave one.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit

log = logging.getLogger("memoryd_client")

TOKEN_FILE = ".mcp_token"  # noqa: S105 - a name of a file
PORT_FILE = ".mcp_port"
SERVER_FILE = ".mcp_server"
SOCKET_FILE = "memoryd.sock"

# memoryd's own default.
DEFAULT_PORT = 3000
# The data directory of memoryd's packages for Linux.
SYSTEM_DATA_DIR = Path("/var/lib/memoryd")
# The largest of these files is a line of JSON.
_FILE_LIMIT = 64 * 1024


def get_mcp_server_url() -> str:
    """Returns the URL of the server, such as `http://localhost:3000`, without a final slash."""
    return Places().endpoint().url


def get_mcp_auth_token() -> str | None:
    """Returns the token for the server, or `None` if there is none."""
    token = Places().token()
    return token.value if token else None


@dataclasses.dataclass(frozen=True)
class Token:
    """A token and where it came from. A loose one lay in a folder that nobody had named."""

    value: str = dataclasses.field(repr=False)
    source: str
    is_loose: bool = False


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where a server listens. `folder` holds its files, if it was found by them."""

    url: str
    is_given: bool = False
    folder: Path | None = None

    @property
    def socket(self) -> Path | None:
        """The local socket, over which a server serves the same routes; only its owner gets in."""
        path = self.folder / SOCKET_FILE if self.folder else None
        return path if path and _is_ours(path, stat.S_ISSOCK) else None

    @property
    def is_this_machine(self) -> bool:
        """Whether the URL's host is this machine, under whatever name."""
        return _is_this_machine(urlsplit(self.url).hostname or "")


class Places:
    """Where to look, as seen from one working directory. A later `os.chdir` changes nothing."""

    def __init__(self) -> None:
        """Remembers the working directory."""
        self._folder = Path.cwd()

    def token(self) -> Token | None:
        """Returns the token that is there now, or nothing. A server makes a new one at each start."""
        value = os.environ.get("MCP_MEMORY_TOKEN", "").strip()
        if value:
            return Token(value, "MCP_MEMORY_TOKEN")
        for path, is_loose in self._token_files():
            found = read_file(path)
            if found:
                return Token(found, str(path), is_loose)
        return None

    def endpoint(self) -> Endpoint:
        """Returns where the server listens, or listened last, by its files; else the default."""
        for folder, _ in self._folders():
            port = _port(read_file(folder / PORT_FILE))
            if port:
                scheme = read_server_file(folder).get("scheme", "http")
                return Endpoint(f"{scheme}://localhost:{port}", folder=folder)
        return Endpoint(f"http://localhost:{DEFAULT_PORT}")

    def label(self, server_url: str | None, has_given_token: bool) -> str:
        """Names the server that is meant, so that what waits for one is never given to another.

        It depends on settings alone, not on files: those go when the server stops.
        """
        token_file = _setting("MCP_TOKEN_FILE")
        if server_url:
            return f"url {server_url}"
        if _data_dir_setting():
            return f"folder {self._whole(_data_dir_setting())}"
        if token_file:
            return f"folder {self._whole(token_file).parent}"
        if has_given_token or os.environ.get("MCP_MEMORY_TOKEN", "").strip():
            return "this machine"
        return f"folder {self._whole('data')}"

    def data_dir(self) -> Path:
        """Returns the data directory, there or not."""
        named = _data_dir_setting()
        if named:
            return self._whole(named)
        beside = self._whole("data")
        return beside if beside.is_dir() else SYSTEM_DATA_DIR

    def _token_files(self) -> Iterator[tuple[Path, bool]]:
        named = _setting("MCP_TOKEN_FILE")
        if named:
            yield self._whole(named), False
        for folder, is_loose in self._folders():
            yield folder / TOKEN_FILE, is_loose

    def _folders(self) -> Iterator[tuple[Path, bool]]:
        token_file, run_dir = _setting("MCP_TOKEN_FILE"), _setting("RUN_DIR")
        if token_file:
            yield self._whole(token_file).parent, False
        yield self._folder, True
        if run_dir:
            yield self._whole(run_dir), False
        data_dir = self.data_dir()
        yield data_dir, not _data_dir_setting() and data_dir != SYSTEM_DATA_DIR

    def _whole(self, path: str) -> Path:
        return Path(os.path.realpath(self._folder / Path(path).expanduser()))


def parse_url(text: str) -> str:
    """Takes a URL as people paste it, with or without `/mcp` and a final slash.

    Raises `ValueError` for what is no URL of a server.
    """
    base = text.strip().rstrip("/")
    base = re.sub(r"/mcp$", "", base).rstrip("/")
    parts = urlsplit(base)
    is_bare = not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_bare:
        raise ValueError(f"{text!r} is not a URL such as https://nas.lan:3000")
    _ = parts.port  # Raises ValueError itself where it is no number.
    return base


def read_file(path: Path) -> str:
    """Returns the text of a small file of ours without white space around it, or an empty one."""
    if not _is_ours(path, stat.S_ISREG):
        return ""
    try:
        with path.open(encoding="ascii") as file:
            return file.read(_FILE_LIMIT).strip()
    except (OSError, ValueError) as error:
        log.warning("cannot read %s: %s", path, error)
        return ""


def read_server_file(folder: Path) -> dict[str, str]:
    """Returns what `.mcp_server` says in texts; nothing if there is none that makes sense."""
    try:
        found = json.loads(read_file(folder / SERVER_FILE))
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.get("scheme") not in ("http", "https"):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def places_of(endpoint: Endpoint, places: Places) -> list[str]:
    """Names, as memoryd does, the folders that may be the data directory of a server."""
    found = []
    for folder in (places.data_dir(), endpoint.folder):
        if folder is not None and folder.is_dir():
            status = folder.stat()
            found.append(f"{status.st_dev}:{status.st_ino}")
    return found


def _port(text: str) -> int | None:
    is_number = text.isdecimal() and len(text) <= 5
    return int(text) if is_number and 1 <= int(text) <= 65535 else None


def _setting(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _data_dir_setting() -> str:
    return _setting("DATA_DIR") or _setting("MEMORYOS_DATA_PATH") or ""


def _is_ours(path: Path, is_kind: Callable[[int], bool]) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    # Windows has no such owners; root may use everybody's files.
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    return is_kind(status.st_mode) and (user == 0 or status.st_uid in (user, 0))


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(_is_own_address(family, address[0]) for family, _, _, _, address in found)


def _is_own_address(family: int, address: object) -> bool:
    # Only an address of this machine can be bound.
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
