"""The documented calls, against either server."""

from __future__ import annotations

import asyncio
import threading

import pytest
from servers import KEY, Fake, Memoryd, Server

import memoryd_client.mcp_memory_client as older
from memoryd_client import (
    AuthenticationError,
    InvalidRequestError,
    MCPMemoryClient,
    MemoryClient,
    RateLimitError,
    ServerError,
    ServerUnavailableError,
)

MEMORY = {"id", "user_id", "information_type", "information", "timestamp", "created_at", "key", "value"}


def test_the_example_of_the_guide(server: Server) -> None:
    async def example() -> dict[str, object]:
        async with MCPMemoryClient() as client:
            if await client.check_connection():
                return await client.remember_user_info("user123", "preferences", "likes crypto")
        return {}

    result = asyncio.run(example())

    assert result["status"] == "success"
    assert {"memory_id", "timestamp"} <= set(result)
    assert server.stored("user123") == ["likes crypto"]


def test_a_memory_is_stored_listed_found_and_deleted(server: Server) -> None:
    with MemoryClient() as client:
        id_ = client.remember_user_info("ann", "allergy", "penicillin")["memory_id"]
        client.remember_user_info("ann", "drink", "green tea")
        client.remember_user_info("bob", "drink", "coffee")
        newest = client.get_user_memories("ann", limit=1)
        everything = client.get_user_memories("ann")
        found = client.search_user_memory("ann", "penicillin")
        deleted = client.delete_user_memories("ann", "drink")
        left = client.get_user_memories("ann")

    assert [memory["information"] for memory in newest["memories"]] == ["green tea"]
    assert [memory["information"] for memory in everything["memories"]] == ["green tea", "penicillin"]
    assert everything["total"] == 2
    assert set(everything["memories"][0]) >= MEMORY
    first = found["memories"][0]
    assert (first["id"], first["key"], first["value"]) == (id_, "allergy", "penicillin")
    assert (deleted["status"], deleted["deleted_count"]) == ("success", 1)
    assert [memory["id"] for memory in left["memories"]] == [id_]
    assert server.stored("bob") == ["coffee"]


def test_the_same_text_is_stored_once(server: Server) -> None:
    with MemoryClient() as client:
        first = client.remember_user_info("ann", "likes", "tea")
        again = client.remember_user_info("ann", "likes", "tea")

    assert again["memory_id"] == first["memory_id"]
    assert server.stored("ann") == ["tea"]


def test_the_same_text_of_another_type_is_another_memory(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        client.remember_user_info("ann", "sells", "tea")
        client.delete_user_memories("ann", "likes")

        assert [one["key"] for one in client.get_user_memories("ann")["memories"]] == ["sells"]


def test_what_was_deleted_can_be_stored_again(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        client.delete_user_memories("ann")
        client.remember_user_info("ann", "likes", "tea")

    assert server.stored("ann") == ["tea"]


def test_every_text_comes_back_as_it_was(server: Server) -> None:
    text = " zwei\nZeilen, & = ? # %41 \U0001f375 \x00 ende "
    with MemoryClient() as client:
        client.remember_user_info("ann & bob?", "a type", text)

        assert client.get_user_memories("ann & bob?")["memories"][0]["information"] == text


def test_without_a_query_all_are_found(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        client.remember_user_info("ann", "likes", "cake")

        assert [one["value"] for one in client.search_user_memory("ann")["memories"]] == ["cake", "tea"]


def test_without_a_limit_all_are_listed(server: Server) -> None:
    with MemoryClient() as client:
        for n in range(120):
            client.remember_user_info("ann", "number", f"number {n}")

        assert len(client.get_user_memories("ann", limit=None)["memories"]) == 120
        assert len(client.get_user_memories("ann")["memories"]) == 10


@pytest.mark.parametrize("arguments", [("", "t", "x"), ("u", " ", "x"), ("u", "t", ""), ("u", "t", "\ud83c")])
def test_what_cannot_be_stored_is_refused_with_or_without_a_server(
    server: Server, arguments: tuple[str, str, str]
) -> None:
    with MemoryClient() as client:
        with pytest.raises(InvalidRequestError):
            client.remember_user_info(*arguments)
        server.stop()
        with pytest.raises(InvalidRequestError):
            client.remember_user_info(*arguments)

        assert client.waiting() == []


def test_a_blank_type_does_not_delete_everything(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        with pytest.raises(InvalidRequestError):
            client.delete_user_memories("ann", "")

    assert server.stored("ann") == ["tea"]


def test_a_client_lives_through_a_restart_with_its_new_token(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        old = server.token()
        server.restart()
        assert server.token() != old

        answer = client.remember_user_info("ann", "likes", "cake")

    assert "queued" not in answer
    assert server.stored("ann") == ["tea", "cake"] or isinstance(server, Fake)


def test_a_wrong_token_is_an_authentication_error_and_keeps_nothing(server: Server) -> None:
    with MemoryClient(auth_token="wrong-wrong-wrong-wrong") as client:
        with pytest.raises(AuthenticationError) as refused:
            client.remember_user_info("ann", "likes", "tea")

        assert refused.value.status == 401
        assert "auth_token" in str(refused.value) and "wrong-wrong" not in str(refused.value)
        assert client.waiting() == []


def test_a_token_that_is_right_by_now_is_read_again_once(fake: Fake) -> None:
    right = fake.token()
    with MemoryClient() as client:
        (fake.data_dir / ".mcp_token").write_text("stale-stale-stale")
        # The fake knows the tokens of its file, so the right one has to come back for the second request.
        fake.tokens = lambda: (KEY, right)  # type: ignore[method-assign]
        timer = threading.Timer(0.1, (fake.data_dir / ".mcp_token").write_text, [right])
        timer.start()
        client.remember_user_info("ann", "likes", "tea")
        timer.join()

    assert len(fake.requests) == 2


def test_the_configured_key_works_as_well(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_MEMORY_TOKEN", KEY)
    with MemoryClient(server.url) as client:
        client.remember_user_info("ann", "likes", "tea")

    assert server.stored("ann") == ["tea"]


def test_health_needs_no_token(server: Server) -> None:
    with MemoryClient(server.url, "wrong-wrong-wrong-wrong") as client:
        health = client.health_check()

    assert health["status"] == "healthy"
    assert health["authentication_enabled"] is True


def test_without_a_server_there_is_no_connection(server: Server) -> None:
    with MemoryClient() as client:
        assert client.check_connection()
        server.stop()

        assert not client.check_connection()
        with pytest.raises(ServerUnavailableError):
            client.health_check()


def test_too_many_calls_are_told_to_readers(fake: Fake) -> None:
    fake.faults = [429]
    with MemoryClient() as client, pytest.raises(RateLimitError):
        client.get_user_memories("ann")


def test_a_fault_of_the_server_is_told(fake: Fake) -> None:
    fake.faults = [500]
    with MemoryClient() as client:
        with pytest.raises(ServerError):
            client.remember_user_info("ann", "likes", "tea")

        assert client.waiting() == []


def test_the_older_module_returns_its_errors(server: Server) -> None:
    async def calls() -> list[dict[str, object]]:
        client = older.MCPMemoryClient(auth_token="wrong-wrong-wrong-wrong")
        refused = await client.remember_user_info("ann", "likes", "tea")
        client.enabled = False
        return [refused, await client.search_user_memory("ann", "tea")]

    refused, disabled = asyncio.run(calls())

    assert refused == {"error": "Authentication failed - invalid or missing token"}
    assert disabled == {"error": "MCP memory server not enabled"}


def test_the_older_module_has_a_client_for_all(server: Server) -> None:
    shared = older.mcp_memory_client

    assert shared is older.mcp_memory_client
    del older.mcp_memory_client
    assert shared.server_url == older.get_mcp_server_url()
    assert shared.auth_token == older.get_mcp_auth_token() == server.token()


def test_many_calls_at_once(server: Server) -> None:
    async def calls() -> None:
        async with MCPMemoryClient() as client:
            texts = [f"text {n}" for n in range(40)]
            await asyncio.gather(*(client.remember_user_info("ann", "number", text) for text in texts))

    asyncio.run(calls())

    assert sorted(server.stored("ann")) == sorted(f"text {n}" for n in range(40))
