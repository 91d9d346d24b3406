"""The shape of a memory, and what a user's memories are while changes wait to be handed over."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
import threading
import unicodedata
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
        if self.information_type is None:
            return True
        return folded(self.information_type) == folded(str(memory.get("information_type")))

    def covers(self, memory: Memory, clock_difference: float = 0.0) -> bool:
        """Whether this deletion deletes that memory: what came after it stays.

        The clock of the server is so many seconds ahead of ours.
        """
        if not self.is_of_type(memory) or memory.get("id") in self.also:
            return self.is_of_type(memory)
        created, asked = seconds_of(memory.get("created_at")), seconds_of(self.at)
        return created is None or asked is None or created <= asked + clock_difference


def folded(name: str) -> str:
    """Returns the form in which the server compares names such as an `information_type`."""
    return unicodedata.normalize("NFKC", name.strip().lstrip("#")).lower()


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
    """What this process has seen of the server's memories. It is held in memory alone.

    Answers come late: one that was asked for before a deletion must not bring back what that deleted,
    nor one that was asked for before an addition take that away. So who asks takes a number first.
    """

    def __init__(self) -> None:
        """Knows nothing yet."""
        self._users: dict[str, _KnownUser] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def begin(self) -> int:
        """Returns the number for an answer that is about to be asked for."""
        with self._lock:
            return next(self._numbers)

    def of(self, user_id: str) -> list[Memory]:
        """Returns what is known of one user, the newest first."""
        with self._lock:
            known = self._users.get(user_id, _KnownUser())
            return newest_first(memory for memory, _ in known.memories.values())

    def learn(self, user_id: str, memory: Memory) -> None:
        """Adds a memory that the server has acknowledged."""
        with self._lock:
            self._user(user_id).put(memory, next(self._numbers))

    def learn_answer(self, user_id: str, memories: list[Memory], number: int, *, is_everything: bool) -> None:
        """Adds what the server has answered, the newest first; or puts it in the place of the rest."""
        with self._lock:
            known = self._user(user_id)
            if known.last_deletion > number:
                return
            if is_everything:
                known.memories = {key: one for key, one in known.memories.items() if one[1] > number}
            for memory in reversed(memories):
                known.put(memory, number)

    def forget(self, deletion: Change) -> None:
        """Forgets what a deletion is about. What is known at this moment is older than it."""
        with self._lock:
            known = self._user(deletion.user_id)
            known.last_deletion = next(self._numbers)
            for key in [key for key, (one, _) in known.memories.items() if deletion.is_of_type(one)]:
                del known.memories[key]

    def _user(self, user_id: str) -> _KnownUser:
        # Whoever was spoken of last goes last.
        known = self._users.pop(user_id, None) or _KnownUser()
        self._users[user_id] = known
        if len(self._users) > _USERS_KEPT:
            del self._users[next(iter(self._users))]
        return known


@dataclasses.dataclass
class _KnownUser:
    # By id, with the number of who told of it.
    memories: dict[str, tuple[Memory, int]] = dataclasses.field(default_factory=dict)
    last_deletion: int = 0

    def put(self, memory: Memory, number: int) -> None:
        key = str(memory.get("id"))
        number = max(number, self.memories.pop(key, (memory, 0))[1])
        self.memories[key] = (memory, number)
        if len(self.memories) > _MEMORIES_KEPT:
            del self.memories[next(iter(self.memories))]


def _says_the_same(memory: Memory, change: Change) -> bool:
    is_same = memory.get("information") == change.information
    return is_same and folded(str(memory.get("information_type"))) == folded(str(change.information_type))


def _words_in(memory: Memory, words: Iterable[str]) -> int:
    text = f"{memory.get('information_type')} {memory.get('information')}".casefold()
    return sum(word in text for word in words)
