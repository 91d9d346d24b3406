"""The local file that holds what was accepted while no server answered, until a server has it.

It is SQLite, of mode 0600 in a folder of mode 0700, one file a server, and may be shared by any number
of processes. A change is acknowledged when it is synced to the disk, is taken out when the server has
acknowledged it, and is overwritten then. Changes of one user keep their order. What a server will never
take is moved to the table `refused`, never thrown away.

Only one at a time hands over, or a slow one could add anew what another had deleted meanwhile. That
lock is a transaction on a file of its own: the system frees it when a process dies, and others can go
on adding to the queue while it is held.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import QueueError
from .memories import Change, folded

_VERSION = 1
# Others hold the file for single statements.
_BUSY_SECONDS = 30.0
# Held while a file of ours is made, see `_create`.
_CREATION = threading.Lock()

_SCHEMA = """
CREATE TABLE waiting (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    information_type TEXT,
    information TEXT,
    at TEXT NOT NULL,
    id TEXT NOT NULL,
    tried INTEGER NOT NULL,
    also TEXT NOT NULL DEFAULT ''
);
CREATE INDEX waiting_by_user ON waiting (user_id, number);
CREATE TABLE refused (
    number INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    information_type TEXT,
    information TEXT,
    at TEXT NOT NULL,
    id TEXT NOT NULL,
    problem TEXT NOT NULL
);
"""
# Every text that is put together below is one of ours; what callers say goes in by parameters.
_COLUMNS = "user_id, information_type, information, at, id, number, also"
# The additions that a deletion of (user, type or NULL, type or NULL) covers.
_COVERED = "user_id = ? AND information IS NOT NULL AND (? IS NULL OR folded(information_type) = folded(?))"


def default_path(label: str) -> Path:
    """Returns the file for one server, in the folder where programs of this user keep their state.

    Raises `RuntimeError` where this user has no home.
    """
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library/Application Support"
    else:
        # Paths that are not whole are to be passed over, says the XDG Base Directory Specification.
        named = Path(os.environ.get("XDG_STATE_HOME", ""))
        folder = named if named.is_absolute() else Path.home() / ".local/state"
    digest = hashlib.sha256(label.encode(errors="surrogateescape")).hexdigest()
    return folder / "memoryd-client" / f"queue-{digest[:16]}.db"


class QueueFile:
    """The changes that wait for one server. Every method may be called from any thread.

    Raises `QueueError` where the file cannot be used. It is made when the first change has to wait.
    """

    def __init__(self, path: Path) -> None:
        """Names the file, and does not touch it."""
        self.path = path

    def put(self, change: Change, *, maybe_done: bool) -> None:
        """Keeps a change. When this returns, it is on the disk."""
        with self._transaction() as db:
            row = (*change[:5], int(maybe_done))
            db.execute(
                "INSERT INTO waiting (user_id, information_type, information, at, id, tried)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

    def put_deletion(self, deletion: Change, *, maybe_done: bool) -> int:
        """Keeps a deletion, and returns how many additions it covers that were waiting.

        What no server has ever been sent goes at once. What one may have got stays before the
        deletion, so that its id is known by then.
        """
        covered = (deletion.user_id, deletion.information_type, deletion.information_type)
        with self._transaction() as db:
            count = db.execute(f"SELECT count(*) FROM waiting WHERE {_COVERED}", covered)
            number = int(count.fetchone()[0])
            db.execute(f"DELETE FROM waiting WHERE {_COVERED} AND tried = 0", covered)
            db.execute(
                "INSERT INTO waiting (user_id, information_type, at, id, tried) VALUES (?, ?, ?, ?, ?)",
                (*covered[:2], deletion.at, deletion.id, int(maybe_done)),
            )
        return number

    def waiting(self, user_id: str | None = None) -> list[Change]:
        """Returns what waits, of one user or of all, in its order."""
        sql = f"SELECT {_COLUMNS} FROM waiting WHERE ? IS NULL OR user_id = ? ORDER BY number"
        with self._reading() as db:
            return [_change(row) for row in db.execute(sql, (user_id, user_id))] if db else []

    def is_empty(self, user_id: str | None = None) -> bool:
        """Whether nothing waits, of one user or at all."""
        sql = "SELECT 1 FROM waiting WHERE ? IS NULL OR user_id = ? LIMIT 1"
        with self._reading() as db:
            return db is None or db.execute(sql, (user_id, user_id)).fetchone() is None

    def refused(self) -> list[dict[str, Any]]:
        """Returns what the server would not take.

        Shape: `[{user_id, information_type, information, at, problem}]`.
        """
        names = ("user_id", "information_type", "information", "at", "problem")
        sql = f"SELECT {', '.join(names)} FROM refused ORDER BY number"
        with self._reading() as db:
            return [dict(zip(names, row)) for row in db.execute(sql)] if db else []

    def begin_next(self, user_id: str | None, without: set[str]) -> Change | None:
        """Returns the first change of one user or of all but some, and notes that it is sent."""
        marks = ", ".join("?" * len(without))
        sql = (
            f"SELECT {_COLUMNS} FROM waiting"
            f" WHERE (? IS NULL OR user_id = ?) AND user_id NOT IN ({marks})"
            " ORDER BY number LIMIT 1"
        )
        with self._transaction() as db:
            row = db.execute(sql, (user_id, user_id, *sorted(without))).fetchone()
            if row is None:
                return None
            change = _change(row)
            db.execute("UPDATE waiting SET tried = 1 WHERE number = ?", (change.number,))
            return change

    def end(self, change: Change, memory_id: str | None = None) -> None:
        """Takes out a change that the server has acknowledged, with the id that an addition got.

        A deletion that was asked for after the addition, but before the server stored it, has to
        cover it; by its time alone the memory would seem newer than the deletion.
        """
        covering = "user_id = ? AND information IS NULL AND number > ?"
        covering += " AND (information_type IS NULL OR folded(information_type) = folded(?))"
        with self._transaction() as db:
            if memory_id:
                db.execute(
                    f"UPDATE waiting SET also = also || ? || ' ' WHERE {covering}",
                    (memory_id, change.user_id, change.number, change.information_type),
                )
            db.execute("DELETE FROM waiting WHERE number = ?", (change.number,))

    def refuse(self, change: Change, problem: str) -> None:
        """Puts aside a change that the server will never take."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO refused"
                " SELECT number, user_id, information_type, information, at, id, ? FROM waiting"
                " WHERE number = ?",
                (problem, change.number),
            )
            db.execute("DELETE FROM waiting WHERE number = ?", (change.number,))

    @contextlib.contextmanager
    def handing_over(self, seconds: float) -> Iterator[bool]:
        """Holds the lock of those who hand over, and tells whether it was got in time."""
        with self._problems():
            path = self.path.with_name(self.path.name + ".lock")
            _create(path)
            db = sqlite3.connect(path, timeout=seconds, isolation_level=None)
        with contextlib.closing(db):
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise QueueError(f"cannot lock {path}: {error}") from error
                yield False
                return
            yield True

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._problems():
            _create(self.path)
            with contextlib.closing(self._open()) as db:
                db.execute("BEGIN IMMEDIATE")
                _make_tables(db)
                yield db
                db.execute("COMMIT")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Opens the file as it is. Nothing where there is none, which is so until something waits."""
        with _CREATION:
            # Where we may not look, there is nothing of ours; `Path.exists` would raise there.
            is_there = os.path.exists(self.path)  # noqa: PTH110
        if not is_there:
            yield None
            return
        with self._problems(), contextlib.closing(self._open()) as db:
            # Made and not filled: its maker was stopped in between.
            yield db if _version(db) else None

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            db.create_function("folded", 1, lambda name: None if name is None else folded(name))
            # Acknowledged is what would outlive a loss of power; deleted is what is overwritten.
            for setting in ("synchronous = EXTRA", "fullfsync = ON", "secure_delete = ON"):
                db.execute(f"PRAGMA {setting}")
        except BaseException:
            db.close()
            raise
        return db

    @contextlib.contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise QueueError(f"cannot use the local queue {self.path}: {error}") from error


def _make_tables(db: sqlite3.Connection) -> None:
    version = _version(db)
    if version > _VERSION:
        raise sqlite3.DatabaseError("a newer version of memoryd-client has written it")
    if version == 0:
        # `executescript` would end the transaction.
        for statement in filter(str.strip, _SCHEMA.split(";")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _create(path: Path) -> None:
    """Makes the file, readable by its owner alone from its first instant, unless it is there.

    SQLite gives its journal the same mode. A file that is there is never opened but by SQLite: to
    close it would free the locks that other threads hold on it, as POSIX has it.
    """
    with _CREATION:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True)
            _sync(path.parent.parent)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            _sync(path.parent)
    status = os.lstat(path)
    is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if not stat.S_ISREG(status.st_mode) or not is_own:
        raise PermissionError(f"{path} is no file of this user")
    if os.name == "posix" and status.st_mode & 0o077:
        path.chmod(0o600)


def _sync(folder: Path) -> None:
    # Elsewhere a folder cannot be opened, and need not be.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _change(row: tuple[Any, ...]) -> Change:
    *values, also = row
    return Change._make((*values, tuple(also.split())))
