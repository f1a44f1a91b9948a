"""The SQLite file of the embedded store: its tables, how it is opened, and who may write."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO

from watchkeeper.errors import ConfigError, Unreachable

LAYOUT = 3  # pragma user_version
_TABLES = """
create table if not exists series(number integer primary key, key text not null unique);
create table if not exists journal(id integer primary key, b blob not null);
create table if not exists segment(
    id integer primary key, day integer not null, readings integer not null);
create index if not exists segment_day on segment(day);
create table if not exists thinned(
    segment integer primary key, before integer not null);
create table if not exists rolled(day integer primary key, segment integer not null);
create table if not exists frame(
    id integer primary key, segment integer not null, first integer not null,
    last integer not null, b blob not null, unique(segment, first));
create table if not exists latest(part integer primary key, b blob not null);
create table if not exists sealed(
    one integer primary key check (one = 1), journal integer not null);
insert or ignore into sealed values(1, 0);
create table if not exists quarantine(
    id integer primary key, at integer not null, origin text not null, reason text not null,
    payload blob not null, readings integer not null default 1, digest blob);
create unique index if not exists quarantine_digest on quarantine(digest);
"""
# What turns the layout before into each one; a new file has the tables above.
_STEPS = {
    2: (
        "alter table quarantine add column readings integer not null default 1",
        "alter table quarantine add column digest blob",
    ),
    3: (),  # the table `rolled` is new
}


def open_to_write(path: Path) -> tuple[sqlite3.Connection, IO[bytes]]:
    """Return the store's connection and the lock that keeps a second writer out.

    Raises ConfigError: another process writes this store, or the file is of a later layout.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConfigError(
            where=str(path), what="another process writes this store", fix="stop the other gateway"
        ) from error
    try:
        return _prepared(path), lock
    except BaseException:
        lock.close()
        raise


def _prepared(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
    try:
        found = _layout(db, path)
    except ConfigError:
        db.close()
        raise
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")  # a commit is on disk when it returns
    db.execute("pragma secure_delete=off")
    db.execute("pragma journal_size_limit=67108864")
    db.execute("pragma wal_autocheckpoint=0")  # no commit waits for one: embedded_checkpoint.py
    for layout in range(found + 1 if found else LAYOUT + 1, LAYOUT + 1):
        with transaction(db):
            for step in _STEPS[layout]:
                db.execute(step)
            db.execute(f"pragma user_version={layout}")
    db.executescript(_TABLES)
    db.execute(f"pragma user_version={LAYOUT}")
    for folder in (path.parent, path.parent.parent):
        _fixed(folder)
    return db


def _fixed(folder: Path) -> None:
    """Have the entries of a folder on disk: SQLite sees to what is in the file alone."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _layout(db: sqlite3.Connection, path: Path) -> int:
    """Return the layout of the file, 0 while it has no tables; ConfigError: a later one."""
    found = int(db.execute("pragma user_version").fetchone()[0])
    if found > LAYOUT:
        raise ConfigError(
            where=str(path),
            what=f"the store has layout {found}, this program knows {LAYOUT}",
            fix="start the newer program, or give another data folder",
        )
    return found


def open_to_read(path: Path) -> sqlite3.Connection | None:
    """Return a connection that cannot change anything, or None while there is no store yet."""
    if not path.exists():
        return None
    # Not mode=ro: a reader that comes first must be able to create the WAL's shared memory.
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=10,
        check_same_thread=False,
    )
    db.execute("pragma query_only=1")
    try:
        found = _layout(db, path)
    except ConfigError:
        db.close()
        raise
    if found == 0:
        db.close()
        return None
    return db


class Turns:
    """A lock that is had in the order of asking: who does much in small steps lets others in."""

    def __init__(self) -> None:
        self._next, self._lock = Lock(), Lock()

    def __enter__(self) -> None:
        """Wait for the turn; never while having it."""
        with self._next:
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """End the turn."""
        self._lock.release()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit what the block writes, or nothing of it."""
    db.execute("begin immediate")
    try:
        yield db
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Read one state of the store. Keep it short: an open snapshot keeps the WAL from shrinking."""
    db.execute("begin")
    try:
        yield db
    finally:
        db.execute("commit")


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turn a full disk, a lock held too long and the like into Unreachable."""
    try:
        yield
    except sqlite3.Error as error:
        raise Unreachable("history.unreachable", what=str(error), where=str(path)) from error
