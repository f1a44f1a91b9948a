"""A journal on disk: what has left a device and is not yet acknowledged by whoever stored it.

One SQLite file a lane, WAL and synchronous=FULL: what is committed survives a power cut. Every
journal has an id of its own, `q` never comes twice in it; so (id, q) names a row for ever.
A full disk: a ballast file beside it is given up, so that deleting (which needs room) still works.
A damaged file is set aside and a new one begun. Used by one thread at a time.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from edge.rows import Row

BALLAST_BYTES: Final = 4 << 20
ROWS_A_STATEMENT: Final = 500
SHED_ROWS: Final = 100  # telemetry rows given up at a time when there is no room
_SCHEMA: Final = """
create table if not exists about (key text primary key, value text not null);
create table if not exists row (
    q integer primary key autoincrement, h text not null, mode text not null,
    time integer not null, blob blob not null);
create table if not exists birth (h text primary key, points blob not null);
create table if not exists bad (
    q integer primary key, why text not null, h text not null, time integer not null,
    blob blob not null);
"""
_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_WRITE})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF  # of an extended result code

Range = tuple[int, int]  # both inclusive
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Full(Exception):  # noqa: N818 - "the journal is full"
    """There is no room, and nothing that may be given up."""


class Journal:
    """The rows of one lane."""

    def __init__(
        self, path: Path, new_id: Callable[[], str], *, may_shed: bool, most_bytes: int = 2 << 30
    ) -> None:
        """Open the file, or begin it.

        Args:
            path: Of the file; its folder is made.
            new_id: Gives the id of a new journal, some random hex digits.
            may_shed: Whether the oldest rows may be given up for room: telemetry yes, events no.
            most_bytes: How large the rows of a journal that may shed can get.
        """
        self.path, self._new_id, self._may_shed = path, new_id, may_shed
        self._most_bytes = most_bytes
        self.shed = 0  # rows given up for room
        self.damaged = 0  # files set aside
        self.id = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ballast = path.with_suffix(".ballast")
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            if not _is(error, _DAMAGED):
                raise
            self._connection = self._anew(error)
        self._lay_ballast()

    def commit(self, rows: Sequence[Row] = (), gone: Iterable[Range] = ()) -> list[Row]:
        """Keep rows and forget acknowledged ones, durably and together; return them with their q.

        Raises Full: nothing was kept and nothing forgotten.
        """
        return self._do(lambda: self._commit(rows, list(gone)))

    def after(self, q: int, limit: int) -> list[Row]:
        """Return the oldest rows behind q."""
        found = self._do(
            lambda: self._connection.execute(
                "select q, h, mode, time, blob from row where q > ? order by q limit ?", (q, limit)
            ).fetchall()
        )
        return [Row(*each) for each in found]

    def pressing(self, first: str, limit: int) -> list[Row]:
        """Return the oldest rows, those of the class `first` before all others."""
        found = self._do(
            lambda: self._connection.execute(
                "select q, h, mode, time, blob from row order by mode != ?, q limit ?",
                (first, limit),
            ).fetchall()
        )
        return [Row(*each) for each in found]

    def newest(self) -> int:
        """Return the highest q that is kept, 0 for none."""
        found: int = self._do(
            lambda: self._connection.execute("select coalesce(max(q), 0) from row").fetchone()
        )[0]
        return found

    def count(self) -> int:
        """Return how many rows are kept."""
        found: int = self._do(
            lambda: self._connection.execute("select count(*) from row").fetchone()
        )[0]
        return found

    def set_aside(self, bad: Iterable[tuple[int, str]]) -> int:
        """Put away rows the other side cannot read, with its reason; return how many there are."""
        return self._do(lambda: self._set_aside(list(bad)))

    def keep_birth(self, name: str, points: bytes) -> None:
        """Keep what explains the rows of this hash; forget births no row refers to."""
        self._do(lambda: self._keep_birth(name, points))

    def birth(self, name: str) -> bytes | None:
        """Return what was kept under this hash."""
        found = self._do(
            lambda: self._connection.execute(
                "select points from birth where h = ?", (name,)
            ).fetchone()
        )
        return found[0] if found else None

    def care(self) -> None:
        """Do now and then: give free pages back, stay within bounds, lay the ballast again."""
        while self._may_shed and self._bytes() > self._most_bytes:
            if not self._do(self._shed):
                break
        self._connection.execute("pragma incremental_vacuum(256)").fetchall()
        self._lay_ballast()

    def close(self) -> None:
        """Leave the file in order."""
        self._connection.close()

    def _commit(self, rows: Sequence[Row], gone: list[Range]) -> list[Row]:
        self._connection.execute("begin immediate")
        self._connection.executemany("delete from row where q between ? and ?", joined(gone))
        kept: list[Row] = []
        for start in range(0, len(rows), ROWS_A_STATEMENT):
            kept += self._inserted(rows[start : start + ROWS_A_STATEMENT])
        self._connection.execute("commit")
        return kept

    def _inserted(self, rows: Sequence[Row]) -> list[Row]:
        """Insert in one statement: each one hands the interpreter to the poll loop and back."""
        facts = [each for row in rows for each in (row.birth, row.mode, row.at, row.tail)]
        places = ",".join(["(?,?,?,?)"] * len(rows))
        insert = f"insert into row (h, mode, time, blob) values {places}"  # noqa: S608 - no text in it
        last = self._connection.execute(insert, facts).lastrowid
        first = (last or 0) - len(rows) + 1  # nobody else writes between two rows of a statement
        return [Row(first + n, row.birth, row.mode, row.at, row.tail) for n, row in enumerate(rows)]

    def _set_aside(self, bad: list[tuple[int, str]]) -> int:
        self._connection.execute("begin immediate")
        for q, why in bad:
            self._connection.execute(
                "insert or replace into bad select q, ?, h, time, blob from row where q = ?",
                (why, q),
            )
            self._connection.execute("delete from row where q = ?", (q,))
        self._connection.execute("commit")
        count: int = self._connection.execute("select count(*) from bad").fetchone()[0]
        return count

    def _keep_birth(self, name: str, points: bytes) -> None:
        self._connection.execute("begin immediate")
        self._connection.execute("insert or replace into birth values (?, ?)", (name, points))
        self._connection.execute(
            "delete from birth where h != ? and h not in"
            " (select h from row union select h from bad)",
            (name,),
        )
        self._connection.execute("commit")

    def _do(self, work: Callable[[], Result]) -> Result:
        """Do work on the file; make room and try again when the disk is full."""
        while True:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                self._undo()
                if _is(error, _DAMAGED):
                    self._connection = self._anew(error)
                elif not _is(error, _FULL) or not self._made_room():
                    raise Full(str(error)) from error

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        except sqlite3.DatabaseError:
            log.exception("rollback failed", extra={"file": str(self.path)})

    def _made_room(self) -> bool:
        if self._ballast.exists():
            self._ballast.unlink()
            log.error("disk is full, ballast given up", extra={"file": str(self.path)})
            return True
        if not self._may_shed:
            return False
        try:
            return self._shed() > 0
        except sqlite3.DatabaseError:
            self._undo()
            return False

    def _shed(self) -> int:
        """Give up the oldest rows, counted."""
        gone = self._connection.execute(
            "delete from row where q in (select q from row order by q limit ?)", (SHED_ROWS,)
        ).rowcount
        if gone and self.shed == 0:
            log.error("no room: the oldest telemetry is given up", extra={"file": str(self.path)})
        self.shed += gone
        return gone

    def _bytes(self) -> int:
        """Return the room the rows take, without pages that are free again."""
        one = self._connection.execute
        pages: int = one("pragma page_count").fetchone()[0]
        free: int = one("pragma freelist_count").fetchone()[0]
        size: int = one("pragma page_size").fetchone()[0]
        return (pages - free) * size

    def _lay_ballast(self) -> None:
        if self._ballast.exists():
            return
        try:
            self._ballast.write_bytes(b"\xff" * BALLAST_BYTES)
        except OSError:
            self._ballast.unlink(missing_ok=True)

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=10, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("pragma auto_vacuum=incremental")
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=full")
            connection.executescript(_SCHEMA)
            connection.execute("insert or ignore into about values ('id', ?)", (self._new_id(),))
            found = connection.execute("select value from about where key = 'id'").fetchone()
            connection.execute("select max(q), min(q) from row").fetchone()
        except sqlite3.DatabaseError:
            connection.close()
            raise
        self.id = found[0]
        return connection

    def _anew(self, error: Exception) -> sqlite3.Connection:
        """Set the damaged file aside, for somebody to look at, and begin a new one."""
        if self.id:
            self._connection.close()
        self.damaged += 1
        number = 1
        while (aside := self.path.with_suffix(f".damaged-{number}")).exists():
            number += 1
        self.path.rename(aside)
        for tail in ("-wal", "-shm"):
            self.path.with_name(self.path.name + tail).unlink(missing_ok=True)
        log.error(
            "journal is damaged: set aside, a new one begun",
            extra={"file": str(aside), "why": str(error)},
        )
        return self._opened()


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Return the same rows in as few ranges as possible."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def _is(error: sqlite3.DatabaseError, codes: frozenset[int]) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code in codes or code & _PRIMARY in codes)
