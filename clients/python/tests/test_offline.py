"""What happens while no server answers, and when one is back."""

from __future__ import annotations

import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest
from servers import Fake, Server, poll

import memoryd_client
from memoryd_client import (
    AuthenticationError,
    MCPMemoryError,
    MemoryClient,
    QueueError,
    ServerUnavailableError,
    discovery,
)
from memoryd_client.memories import Change, now
from memoryd_client.queue_file import QueueFile


def texts(answer: dict[str, object]) -> list[str]:
    memories = answer["memories"]
    assert isinstance(memories, list)
    return [memory["information"] for memory in memories]


def queue_of(place: pathlib.Path) -> pathlib.Path:
    (path,) = (place / "home").rglob("queue-*.db")
    return path


def test_a_client_works_on_when_its_server_stops(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "drink", "tea")
        server.stop()

        kept = client.remember_user_info("ann", "food", "cake with cream")
        listed = client.get_user_memories("ann")
        found = client.search_user_memory("ann", "Cream")
        deleted = client.delete_user_memories("ann", "drink")
        left = client.get_user_memories("ann")
        server.start()
        handed_over = client.get_user_memories("ann")

    assert (kept["status"], kept["queued"]) == ("success", True)
    assert (texts(listed), listed["total"], listed["offline"]) == (["cake with cream", "tea"], 2, True)
    assert texts(found) == ["cake with cream"]
    assert deleted == {"status": "success", "queued": True, "deleted_count": 1}
    assert texts(left) == ["cake with cream"]
    assert texts(handed_over) == server.stored("ann") == ["cake with cream"]
    assert "offline" not in handed_over


def test_a_client_that_never_saw_a_server_hands_over_to_the_first_one(server: Server) -> None:
    server.stop()
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        client.remember_user_info("ann", "likes", "cake")
    server.start()

    with MemoryClient() as later:
        assert later.hand_over()

        assert server.stored("ann") == ["tea", "cake"]
        assert later.waiting() == []


def test_the_files_of_a_killed_server_mislead_nobody(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        server.kill()
        kept = [client.remember_user_info("ann", "likes", "cake")]
        with MemoryClient() as another:
            kept.append(another.remember_user_info("ann", "likes", "milk"))
        server.start()

        assert texts(client.get_user_memories("ann")) == ["milk", "cake", "tea"]

    assert all(answer["queued"] for answer in kept)


def test_it_is_handed_over_without_another_call(server: Server) -> None:
    server.stop()
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        server.start()

        poll(lambda: server.stored("ann") == ["tea"], what="handing over")
        poll(lambda: client.waiting() == [], what="the end of it")


def test_what_waits_is_seen_by_other_processes_and_goes_over_once(server: Server) -> None:
    server.stop()
    with MemoryClient() as one, MemoryClient() as another:
        one.remember_user_info("ann", "likes", "tea")
        another.remember_user_info("ann", "likes", "cake")
        another.remember_user_info("ann", "likes", "tea")
        seen = texts(one.get_user_memories("ann"))
        server.start()
        threads = [threading.Thread(target=client.hand_over) for client in (one, another) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert seen == ["cake", "tea"]
    assert server.stored("ann") == ["tea", "cake"]


def test_nothing_overtakes_what_waits(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "a", "one")
        server.stop()
        client.delete_user_memories("ann", "a")
        client.remember_user_info("ann", "a", "two")
        client.delete_user_memories("ann", "b")
        client.remember_user_info("ann", "b", "three")
        server.start()

        client.remember_user_info("ann", "a", "four")

    assert server.stored("ann") == ["two", "three", "four"]


def test_a_late_deletion_spares_what_others_stored_since(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "old")
        client.remember_user_info("ann", "other", "kept")
        server.stop()
        client.delete_user_memories("ann", "likes")
        # Another process has the queue for the moment, as one that hands over would.
        with QueueFile(queue_of(pathlib.Path.cwd())).handing_over(1):
            server.start()
            server.store("ann", "likes", "new")

        client.hand_over()

    assert server.stored("ann") == ["kept", "new"]


def test_a_deletion_covers_what_was_sent_before_it_and_stored_after_it(fake: Fake) -> None:
    fake.faults = ["lose", "lose"]
    with MemoryClient() as client:
        kept = client.remember_user_info("ann", "likes", "tea")
        fake.memories.clear()
        client.delete_user_memories("ann")

        client.hand_over()

        assert kept["queued"]
        assert client.waiting() == []
    assert fake.stored("ann") == []
    assert any(request.startswith("POST") for request in fake.requests)


def test_types_are_compared_as_the_server_does(server: Server) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "Likes", "milk")
        server.stop()
        client.remember_user_info("ann", "likes", "tea")
        client.remember_user_info("ann", "sells", "cake")
        deleted = client.delete_user_memories("ann", "LIKES")

        assert texts(client.get_user_memories("ann")) == ["cake"]
        assert deleted["deleted_count"] == 2
        server.start()
        client.hand_over()

    assert server.stored("ann") == ["cake"]


def test_what_was_never_sent_and_is_deleted_never_leaves(fake: Fake) -> None:
    fake.stop()
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        deleted = client.delete_user_memories("ann")
        fake.start()
        client.hand_over()

    assert deleted["deleted_count"] == 1
    assert not any(request.startswith("POST") for request in fake.requests)


@pytest.mark.parametrize("fault", ["lose", "hang", 408, 429, 502, 503, 504])
def test_a_write_whose_answer_did_not_come_is_kept_and_stored_once(fake: Fake, fault: object) -> None:
    with MemoryClient(timeout=1) as client:
        client.remember_user_info("ann", "likes", "before")
        # A lost answer is asked for once more at once.
        fake.faults = [fault] * (2 if fault == "lose" else 1)
        kept = client.remember_user_info("ann", "likes", "tea")

        client.hand_over()

    assert kept["queued"]
    assert fake.stored("ann") == ["before", "tea"]


def test_reading_goes_on_while_nothing_can_be_written(fake: Fake) -> None:
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        fake.faults = [503]
        client.remember_user_info("ann", "likes", "cake")
        fake.store("ann", "likes", "milk")
        # The first is for what waits.
        fake.faults = [503]
        listed = client.get_user_memories("ann")
        fake.faults = [503]
        found = client.search_user_memory("ann", "cake")

    assert texts(listed) == ["milk", "cake", "tea"]
    assert (listed["total"], "offline" in listed) == (3, False)
    assert texts(found) == ["cake"]


def test_what_the_server_will_never_take_is_put_aside_and_stops_nothing(fake: Fake) -> None:
    fake.stop()
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "too long")
        client.remember_user_info("ann", "likes", "tea")
        fake.start()
        fake.faults = [422]

        assert client.hand_over()

        (refused,) = client.refused()
        assert (refused["information"], refused["problem"]) == ("too long", "fault 422")
    assert fake.stored("ann") == ["tea"]


def test_what_one_user_may_not_do_stops_no_other(fake: Fake) -> None:
    fake.stop()
    with MemoryClient() as client:
        for user in ("ann", "bob"):
            client.remember_user_info(user, "likes", "tea")
        fake.start()
        fake.faults = [403]

        with pytest.raises(MCPMemoryError):
            client.hand_over()

        assert [change["user_id"] for change in client.waiting()] == ["ann"]
    assert fake.stored("bob") == ["tea"]


def test_a_refused_token_keeps_what_waits(fake: Fake) -> None:
    fake.stop()
    with MemoryClient(fake.url, "wrong-wrong-wrong-wrong") as client:
        client.remember_user_info("ann", "likes", "tea")
        fake.start()
        with pytest.raises(AuthenticationError):
            client.get_user_memories("ann")

        client.auth_token = fake.token()

        assert texts(client.get_user_memories("ann")) == ["tea"]


def test_another_server_on_the_default_port_is_not_taken_for_one_that_stopped(
    fake: Fake, place: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Fake(place / "other")
    other.data_dir.mkdir(parents=True)
    other.start()
    monkeypatch.setattr(discovery, "DEFAULT_PORT", other.port)
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        fake.stop()
        answer = client.remember_user_info("ann", "likes", "cake")
    other.stop()

    assert answer["queued"]
    assert other.requests == []


def test_a_queue_is_for_one_server_only(fake: Fake, place: pathlib.Path) -> None:
    fake.stop()
    with MemoryClient("http://localhost:1", "another-server-token") as elsewhere:
        elsewhere.remember_user_info("ann", "likes", "secret")
    fake.start()

    with MemoryClient() as client:
        assert client.hand_over() and client.waiting() == []

    assert fake.stored("ann") == []


def test_nothing_is_kept_where_that_is_not_wanted(fake: Fake, place: pathlib.Path) -> None:
    fake.stop()
    with MemoryClient(offline=False) as client, pytest.raises(ServerUnavailableError):
        client.remember_user_info("ann", "likes", "tea")

    assert list((place / "home").rglob("*")) == []


def test_the_file_is_the_owners_alone_and_forgets_what_was_handed_over(
    server: Server, place: pathlib.Path
) -> None:
    with MemoryClient() as client:
        server.stop()
        client.remember_user_info("ann", "likes", "a very secret tea")
        path = queue_of(place)
        while_it_waits = path.read_bytes()
        server.start()
        client.hand_over()

    files = list(path.parent.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert b"a very secret tea" in while_it_waits
    assert not any(b"secret tea" in file.read_bytes() for file in files)


def test_without_a_home_nothing_is_kept_and_the_rest_works(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> pathlib.Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(pathlib.Path, "home", no_home)
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        server.stop()

        with pytest.raises(ServerUnavailableError):
            client.remember_user_info("ann", "likes", "cake")


def test_a_home_that_cannot_be_used_matters_only_without_a_server(server: Server) -> None:
    (pathlib.Path.cwd() / "home" / ".local").write_text("in the way of a folder")
    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")
        server.stop()

        with pytest.raises(QueueError):
            client.remember_user_info("ann", "likes", "cake")


def test_a_file_for_all_is_closed(place: pathlib.Path) -> None:
    path = place / "queue.db"
    path.touch(0o666)
    path.chmod(0o666)
    with MemoryClient(queue_file=path) as client:
        client.remember_user_info("ann", "likes", "tea")

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("what", ["a link", "no database", "a newer one"])
def test_a_file_that_cannot_be_used_is_told_and_left_as_it_is(place: pathlib.Path, what: str) -> None:
    path = place / "queue.db"
    if what == "a link":
        path.symlink_to(place / "elsewhere")
    elif what == "no database":
        path.write_bytes(b"no database at all, but long enough to be one" * 100)
    else:
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    was = None if what == "a link" else path.read_bytes()

    with pytest.raises(QueueError) as refused, MemoryClient(queue_file=path) as client:
        client.remember_user_info("ann", "likes", "tea")

    assert "queue.db" in str(refused.value)
    assert (None if what == "a link" else path.read_bytes()) == was


ACKNOWLEDGE = """
import itertools, sys
from memoryd_client import MemoryClient, discovery
discovery.DEFAULT_PORT = int(sys.argv[2])
client = MemoryClient()
for n in itertools.count():
    client.remember_user_info("ann", "number", f"{sys.argv[1]} {n}")
    print(f"{sys.argv[1]} {n}", flush=True)
"""


def test_nothing_acknowledged_is_lost_when_processes_are_killed(server: Server) -> None:
    server.stop()
    source = str(pathlib.Path(memoryd_client.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ACKNOWLEDGE, name, str(discovery.DEFAULT_PORT)],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    acknowledged = []
    for process in processes:
        assert process.stdout
        acknowledged += [process.stdout.readline() for _ in range(10)]
    for process in processes:
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        acknowledged += rest.splitlines(keepends=True)
    server.start()

    with MemoryClient() as client:
        poll(client.hand_over, 60, "handing over")

    stored = server.stored("ann")
    assert {line.strip() for line in acknowledged if line.endswith("\n")} <= set(stored)
    assert len(stored) == len(set(stored))


def test_threads_write_and_read_while_the_server_comes_and_goes(server: Server) -> None:
    with MemoryClient() as client:
        is_over = threading.Event()
        written: list[str] = []

        def write(name: str) -> None:
            n = 0
            while not is_over.is_set():
                text = f"{name} {n}"
                client.remember_user_info("ann", "number", text)
                written.append(text)
                assert text in texts(client.get_user_memories("ann", limit=None))
                n += 1

        def go_on() -> None:
            seen = len(written)
            poll(lambda: len(written) > seen + 8, what="writing")

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for _ in range(3):
            server.stop()
            go_on()
            server.start()
            go_on()
        is_over.set()
        for thread in threads:
            thread.join()
        client.hand_over()

    assert sorted(server.stored("ann")) == sorted(written)


def test_the_time_of_another_clock_is_taken_into_account() -> None:
    deletion = Change("ann", None, None, "2026-01-01T12:00:00.000Z", "d")
    memory = {"id": "m", "created_at": "2026-01-01T12:00:30Z"}

    assert not deletion.covers(memory)
    assert deletion.covers(memory, clock_difference=60)
    assert deletion._replace(also=("m",)).covers(memory)
    assert deletion.covers({"id": "m", "created_at": "no time"})
    assert now().endswith("Z")
