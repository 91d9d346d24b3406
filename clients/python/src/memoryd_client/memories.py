"""The shape of a memory, and what a user's memories are while changes wait to be handed over."""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

# {id, user_id, information_type, information, timestamp, created_at, key, value}, all of them texts.
Memory = dict[str, Any]

# What one process remembers of a user, and of how many users, for the time when no server answers.
_MEMORIES_KEPT = 1000
_USERS_KEPT = 200


class Change(NamedTuple):
    """One change that somebody asked for.

    Without `information` it deletes what the user has of this `information_type`, or everything
    where that is `None` as well. `at` is when it was asked for, RFC 3339 in UTC.
    """

    user_id: str
    information_type: str | None
    information: str | None
    at: str
    id: str
    # Where it stands in the queue; 0 as long as it does not.
    number: int = 0
    # Ids of memories that a deletion covers although they were stored after `at`.
    also: tuple[str, ...] = ()

    @property
    def is_deletion(self) -> bool:
        """Whether it deletes."""
        return self.information is None

    def is_of_type(self, memory: Memory) -> bool:
        """Whether this deletion is about memories like that one."""
        return self.information_type in (None, memory.get("information_type"))

    def covers(self, memory: Memory, clock_difference: float = 0.0) -> bool:
        """Whether this deletion deletes that memory: what came after it stays.

        The clock of the server is so many seconds ahead of ours.
        """
        if not self.is_of_type(memory) or memory.get("id") in self.also:
            return self.is_of_type(memory)
        created, asked = seconds_of(memory.get("created_at")), seconds_of(self.at)
        return created is None or asked is None or created <= asked + clock_difference


def now() -> str:
    """Returns the time in RFC 3339, in UTC with milliseconds."""
    time = datetime.datetime.now(datetime.timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(time: object) -> float | None:
    """Returns seconds since 1970 of a time in RFC 3339, or nothing. Without an offset it is UTC."""
    try:
        # Before Python 3.11 `Z` is not understood.
        parsed = datetime.datetime.fromisoformat(str(time).replace("Z", "+00:00"))
    except ValueError:
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=datetime.timezone.utc)
    return parsed.timestamp()


def memory_of(change: Change) -> Memory:
    """Returns an addition in the shape of a memory."""
    return {
        "id": change.id,
        "user_id": change.user_id,
        "information_type": change.information_type,
        "information": change.information,
        "timestamp": change.at,
        "created_at": change.at,
        "key": change.information_type,
        "value": change.information,
    }


def changed(
    memories: Iterable[Memory], changes: Iterable[Change], clock_difference: float = 0.0
) -> list[Memory]:
    """Returns what is left and added, in the order of `memories` with additions behind them."""
    found = list(memories)
    for change in changes:
        if change.is_deletion:
            found = [memory for memory in found if not change.covers(memory, clock_difference)]
        elif not any(_says_the_same(memory, change) for memory in found):
            found.append(memory_of(change))
    return found


def newest_first(memories: Iterable[Memory]) -> list[Memory]:
    """Sorts by `created_at`; of the same time, the later of the list comes first."""
    backwards = list(memories)[::-1]
    return sorted(backwards, key=lambda memory: -(seconds_of(memory.get("created_at")) or 0.0))


def matching(memories: Iterable[Memory], query: str | None) -> list[Memory]:
    """Returns those that have a word of the query, those with the most of them first.

    It is what can be done without the server, which finds by meaning as well. Without a query all.
    """
    words = set(re.findall(r"\w+", (query or "").casefold()))
    if not words:
        return list(memories)
    scored = [(_words_in(memory, words), memory) for memory in memories]
    scored.sort(key=lambda pair: -pair[0])
    return [memory for score, memory in scored if score]


class Known:
    """What this process has seen of the server's memories. It is held in memory alone."""

    def __init__(self) -> None:
        """Knows nothing yet."""
        self._users: dict[str, dict[str, Memory]] = {}
        self._lock = threading.Lock()

    def of(self, user_id: str) -> list[Memory]:
        """Returns what is known of one user, the newest first."""
        with self._lock:
            return newest_first(self._users.get(user_id, {}).values())

    def learn(self, user_id: str, memories: Iterable[Memory]) -> None:
        """Adds what the server has said of a user."""
        with self._lock:
            users = self._users
            known = users.pop(user_id, {})
            # The user who was asked for last goes last.
            users[user_id] = known
            for memory in memories:
                known.pop(str(memory.get("id")), None)
                known[str(memory.get("id"))] = memory
            _cut(known, _MEMORIES_KEPT)
            _cut(users, _USERS_KEPT)

    def replace(self, user_id: str, memories: list[Memory]) -> None:
        """Takes the place of what was known of a user: the server has said everything."""
        with self._lock:
            self._users.pop(user_id, None)
        self.learn(user_id, memories[::-1])

    def forget(self, deletion: Change) -> None:
        """Forgets what a deletion is about. What is known at this moment is older than it."""
        with self._lock:
            known = self._users.get(deletion.user_id, {})
            for id_ in [id_ for id_, memory in known.items() if deletion.is_of_type(memory)]:
                del known[id_]


def _says_the_same(memory: Memory, change: Change) -> bool:
    said = (memory.get("information_type"), memory.get("information"))
    return said == (change.information_type, change.information)


def _words_in(memory: Memory, words: Iterable[str]) -> int:
    text = f"{memory.get('information_type')} {memory.get('information')}".casefold()
    return sum(word in text for word in words)


def _cut(oldest_first: dict[str, Any], size: int) -> None:
    while len(oldest_first) > size:
        del oldest_first[next(iter(oldest_first))]
