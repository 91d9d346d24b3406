"""Where the token and the port are found, and to whom a token is sent."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
from servers import Fake, Server

from memoryd_client import (
    AuthenticationError,
    MemoryClient,
    discovery,
    get_mcp_auth_token,
    get_mcp_server_url,
)
from memoryd_client.discovery import Endpoint, Places, parse_url

Monkey = pytest.MonkeyPatch
USUAL_PORT = discovery.DEFAULT_PORT


def leave(folder: pathlib.Path, name: str, text: str) -> pathlib.Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_the_token_is_found_in_the_documented_order(place: pathlib.Path, monkeypatch: Monkey) -> None:
    found = [get_mcp_auth_token()]

    leave(place / "data", ".mcp_token", "of-data\n")
    found.append(get_mcp_auth_token())
    leave(place / "elsewhere", ".mcp_token", "of-data-dir\n")
    monkeypatch.setenv("DATA_DIR", "elsewhere")
    found.append(get_mcp_auth_token())
    leave(place, ".mcp_token", "of-here")
    found.append(get_mcp_auth_token())
    monkeypatch.setenv("MCP_TOKEN_FILE", str(leave(place, "named", "of-named")))
    found.append(get_mcp_auth_token())
    monkeypatch.setenv("MCP_MEMORY_TOKEN", "of-environment")
    found.append(get_mcp_auth_token())
    found.append(MemoryClient(auth_token="given").auth_token)

    assert found == [None, "of-data", "of-data-dir", "of-here", "of-named", "of-environment", "given"]


def test_a_named_file_that_is_not_there_is_passed_over(place: pathlib.Path, monkeypatch: Monkey) -> None:
    leave(place, ".mcp_token", "of-here")
    monkeypatch.setenv("MCP_TOKEN_FILE", str(place / "gone"))

    assert get_mcp_auth_token() == "of-here"


def test_the_port_is_found_in_the_same_places(place: pathlib.Path, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(discovery, "DEFAULT_PORT", USUAL_PORT)
    found = [get_mcp_server_url()]

    leave(place / "data", ".mcp_port", "8501")
    found.append(get_mcp_server_url())
    leave(place / "elsewhere", ".mcp_port", "8502\n")
    monkeypatch.setenv("DATA_DIR", str(place / "elsewhere"))
    found.append(get_mcp_server_url())
    leave(place, ".mcp_port", "8503")
    found.append(get_mcp_server_url())
    monkeypatch.setenv("MCP_TOKEN_FILE", str(leave(place / "run", ".mcp_token", "t")))
    leave(place / "run", ".mcp_port", "8504")
    found.append(get_mcp_server_url())
    found.append(MemoryClient("https://nas.lan/mcp/").server_url)

    ports = [f"http://localhost:{port}" for port in (3000, 8501, 8502, 8503, 8504)]
    assert found == [*ports, "https://nas.lan"]


@pytest.mark.parametrize("text", ["", "http", "0", "70000", "-1", "8501; rm"])
def test_a_port_file_that_makes_no_sense_is_passed_over(place: pathlib.Path, text: str) -> None:
    leave(place, ".mcp_port", text)

    assert get_mcp_server_url() == f"http://localhost:{discovery.DEFAULT_PORT}"


def test_the_server_file_tells_of_https(place: pathlib.Path) -> None:
    leave(place, ".mcp_port", "8501")
    leave(place, ".mcp_server", json.dumps({"scheme": "https", "host": "evil.example", "port": 8501}))

    assert get_mcp_server_url() == "https://localhost:8501"


def test_the_files_of_a_stranger_are_passed_over(place: pathlib.Path, monkeypatch: Monkey) -> None:
    leave(place, ".mcp_port", "8501")
    leave(place, ".mcp_token", "of-a-stranger")
    # Nobody in these tests has this number, and so these files are not his.
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    if os.getuid() == 0:
        for name in (".mcp_port", ".mcp_token"):
            os.chown(place / name, 4_000_001, 4_000_001)

    assert get_mcp_server_url() == f"http://localhost:{discovery.DEFAULT_PORT}"
    assert get_mcp_auth_token() is None


def test_a_token_that_merely_lies_there_is_not_sent_to_another_machine(place: pathlib.Path) -> None:
    leave(place, ".mcp_token", "of-here")

    # An address of TEST-NET-1 (RFC 5737), which no machine has.
    with MemoryClient("http://192.0.2.1:3000") as client, pytest.raises(AuthenticationError) as refused:
        client.get_user_memories("ann")

    assert "auth_token" in str(refused.value)


def test_what_waits_for_a_server_does_not_depend_on_its_files(
    place: pathlib.Path, monkeypatch: Monkey
) -> None:
    before = Places().label(None, has_given_token=False)
    leave(place / "data", ".mcp_port", "8501")
    leave(place, ".mcp_token", "t")

    assert Places().label(None, has_given_token=False) == before
    monkeypatch.setenv("DATA_DIR", "data")
    assert Places().label(None, has_given_token=True) == before
    assert Places().label("http://a", has_given_token=True) != before


def test_urls_are_taken_as_people_paste_them() -> None:
    for text, url in [
        ("http://localhost:3000/", "http://localhost:3000"),
        (" https://nas.lan/mcp/ ", "https://nas.lan"),
        ("https://example.com/memory/mcp", "https://example.com/memory"),
        ("http://[::1]:3000/mcp", "http://[::1]:3000"),
    ]:
        assert parse_url(text) == url
    for odd in ("localhost:3000", "ftp://nas", "https://", "http://k@nas", "http://nas/?k=1", "http://nas:x"):
        with pytest.raises(ValueError, match=r"."):
            parse_url(odd)


def test_whoever_has_the_port_of_a_dead_server_is_sent_nothing(fake: Fake) -> None:
    # The files of memoryd, and on its port somebody who cannot prove to be it.
    leave(fake.data_dir, ".mcp_server", json.dumps({"scheme": "http", "port": fake.port}))

    with MemoryClient() as client:
        answer = client.remember_user_info("ann", "likes", "tea")

    assert answer["queued"]
    assert fake.requests == []


def test_a_server_proves_itself_where_there_is_no_socket(server: Server, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(Endpoint, "socket", None)

    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")

    assert server.stored("ann") == ["tea"]


def test_a_server_that_was_named_is_believed(fake: Fake) -> None:
    leave(fake.data_dir, ".mcp_server", json.dumps({"scheme": "http", "port": fake.port}))

    with MemoryClient(fake.url) as client:
        client.remember_user_info("ann", "likes", "tea")

    assert fake.stored("ann") == ["tea"]
