"""The SQLite file of a journal: its tables, how it is opened, what its errors mean."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.disk import part_of_disk

PAGE: Final = 4096  # bytes, SQLite's own default
_LOG_PAGES: Final = 1000  # of the write-ahead log, likewise
_SCHEMA: Final = """
create table if not exists about (key text primary key, value text not null);
create table if not exists row (
    q integer primary key autoincrement, h text not null, mode text not null,
    time integer not null, blob blob not null, acked integer not null default 0);
create table if not exists birth (h text primary key, points blob not null);
create table if not exists bad (
    q integer primary key, why text not null, h text not null, time integer not null,
    blob blob not null);
"""
# Marking a row changes one byte of it: 0 and 1 take no room in SQLite, so the blob stays in place.
_INDICES: Final = """
create index if not exists pending on row (q) where acked = 0;
create index if not exists kept on row (time, q) where acked = 1;
"""
FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_WRITE})
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF  # of an extended result code


def opened(path: Path, new_id: Callable[[], str]) -> tuple[sqlite3.Connection, str]:
    """Return the file, begun where there is none, and its id; raises what SQLite raises."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("pragma auto_vacuum=incremental")
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        log_pages = min(_LOG_PAGES, part_of_disk(path.parent, 1 << 30) // 4 // PAGE)
        connection.execute(f"pragma wal_autocheckpoint={max(log_pages, 32)}")
        connection.executescript(_SCHEMA)
        columns = connection.execute("pragma table_info(row)").fetchall()
        if "acked" not in {each[1] for each in columns}:  # a file of before 0.2
            connection.execute("alter table row add acked integer not null default 0")
        connection.executescript(_INDICES)
        connection.execute("insert or ignore into about values ('id', ?)", (new_id(),))
        found = connection.execute("select value from about where key = 'id'").fetchone()
        connection.execute("select max(q), min(q) from row").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection, str(found[0])


def is_one_of(error: sqlite3.DatabaseError, codes: frozenset[int]) -> bool:
    """Return whether SQLite's code for an error is one of these."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code in codes or code & _PRIMARY in codes)
