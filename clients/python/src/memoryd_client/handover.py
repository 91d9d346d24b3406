"""Brings what waits in the queue to the server, in its order, when the server is back.

A change is sent, and taken out of the queue when the server has acknowledged it. A crash in between
sends it again: the server knows a text that it has, and keeps one.
"""

from __future__ import annotations

import logging
import threading
import time

from .errors import (
    AccessDeniedError,
    InvalidRequestError,
    MCPMemoryError,
    RateLimitError,
    ServerError,
)
from .memories import Change, Known, memory_of
from .queue_file import QueueFile
from .routes import Routes, is_final

log = logging.getLogger("memoryd_client")

# How long it takes at first to notice that the server is back, and how long at most.
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class Handover:
    """Hands a queue over, at once or in the background."""

    def __init__(self, queue: QueueFile, routes: Routes, known: Known) -> None:
        """Starts nothing yet."""
        self._queue, self._routes, self._known = queue, routes, known
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()

    def run(self, user_id: str | None, seconds: float) -> bool:
        """Hands over what waits, of one user or of all, for so many seconds at most.

        Returns whether nothing of it waits any more. Raises what keeps the server from taking it;
        if that is about one user only, those of others are taken all the same.
        """
        end = time.monotonic() + seconds
        held: dict[str, MCPMemoryError] = {}
        with self._queue.handing_over(seconds) as is_ours:
            while is_ours and time.monotonic() < end and not self._is_stopping():
                # What could not be sent at all is not to be taken for sent.
                self._routes.reach()
                change = self._queue.begin_next(user_id, set(held))
                if change is None:
                    break
                try:
                    self._hand_over(change)
                except InvalidRequestError as error:
                    if is_final(error):
                        self._refuse(change, error)
                    else:
                        held[change.user_id] = error
                except (AccessDeniedError, ServerError) as error:
                    held[change.user_id] = error
        for problem in held.values():
            raise problem
        return self._queue.is_empty(user_id)

    def start(self) -> None:
        """Goes on in the background until nothing waits."""
        with self._lock:
            is_running = self._thread is not None and self._thread.is_alive()
            if is_running or self._is_closed.is_set():
                return
            # Whatever waits is on the disk: the end of the program need not wait for it.
            self._thread = threading.Thread(target=self._keep_trying, name="memoryd-handover", daemon=True)
            self._thread.start()

    def close(self, seconds: float) -> None:
        """Stops what goes on in the background, and waits so long for it."""
        self._is_closed.set()
        thread = self._thread
        if thread and thread is not threading.current_thread():
            thread.join(seconds)

    def _is_stopping(self) -> bool:
        """Whether this is the background, and the client is closed. Whoever calls goes on."""
        return self._is_closed.is_set() and threading.current_thread() is self._thread

    def _hand_over(self, change: Change) -> None:
        if change.is_deletion:
            self._routes.delete_late(change)
            self._queue.end(change)
            return
        memory_id = str(self._routes.add(change).get("memory_id", ""))
        # In this order, so that a reader finds it in one of the two at every moment.
        self._known.learn(change.user_id, {**memory_of(change), "id": memory_id})
        self._queue.end(change, memory_id)

    def _refuse(self, change: Change, error: MCPMemoryError) -> None:
        self._queue.refuse(change, str(error))
        log.warning(
            "the server will not take what was kept for it (%s); it stays in %s, see refused()",
            error,
            self._queue.path,
        )

    def _keep_trying(self) -> None:
        pause, told = _FIRST_PAUSE_SECONDS, ""
        while not self._is_closed.wait(pause):
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            self._routes.expect_again()
            try:
                if self.run(None, _LONGEST_PAUSE_SECONDS) and self._ends():
                    return
            except RateLimitError as error:
                pause = max(pause, error.retry_after or 0)
            except MCPMemoryError as error:
                if type(error).__name__ != told:
                    told = type(error).__name__
                    log.info("what is kept for the server cannot be handed over yet: %s", error)

    def _ends(self) -> bool:
        """Whether the thread may end. What is put in after that finds no thread, and starts one."""
        with self._lock:
            if self._queue.is_empty():
                self._thread = None
                return True
            return False
