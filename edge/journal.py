"""A journal on disk: what has left a device and is not yet acknowledged by whoever stored it.

One SQLite file a lane, WAL and synchronous=FULL: what is committed survives a power cut. Every
journal has an id of its own, `q` never comes twice in it; so (id, q) names a row for ever.
What is acknowledged is marked and kept for a day, so that it can be sent again; it is the first to
go when there is no room. A full disk: a ballast file beside it is given up, so that deleting (which
needs room) still works; then the oldest telemetry goes and leaves a gap row in its place. Telemetry
stops growing before the disk is full; events have room of their own inside their file and its log.
A damaged file is set aside and a new one begun. Used by one thread at a time.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from edge import journal_file
from edge.disk import Ballast, disk, part_of_disk
from edge.journal_file import DAMAGED, FULL, PAGE, is_one_of
from edge.rows import GAP, WAIT, Row, Span, corrected, gap_row, span_of

ROWS_A_STATEMENT: Final = 500
SHED_ROWS: Final = 100  # rows given up at a time when there is no room
EXPIRED_ROWS: Final = 5_000  # acknowledged rows deleted at a time when their day is over
RESERVE_BYTES: Final = 2 << 20  # of events: in the file, and as much in its log; least of data
KEEP_FREE_BYTES: Final = 16 << 20  # of the disk: here telemetry stops growing
_NO_LIMIT: Final = 0xFFFF_FFFE  # of pages, SQLite's own
_ROW: Final = "select q, h, mode, time, blob from row"

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
        self.gap: Span | None = None  # the newest of them
        self.missing = 0  # readings in them
        self._reserved = may_shed  # telemetry has no reserve
        self._capped = False
        self.damaged = 0  # files set aside
        self.id = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ballast = Ballast(path.with_suffix(".ballast"))
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            if not is_one_of(error, DAMAGED):
                raise
            self._connection = self._anew(error)
        self._ballast.lay()
        self._reserve()

    def commit(self, rows: Sequence[Row] = (), gone: Iterable[Range] = ()) -> list[Row]:
        """Keep rows and mark acknowledged ones, durably and together; return them with their q.

        Raises Full: nothing was kept and nothing forgotten.
        """
        done = list(gone)
        if self._capped and done:  # so that what may go is known before room is made
            self._do(lambda: self._commit((), done))
            done = []
        return self._do(lambda: self._commit(rows, done))

    def after(self, q: int, limit: int) -> list[Row]:
        """Return the oldest unacknowledged rows behind q; not those that wait for the clock."""
        return self._rows(
            f"{_ROW} indexed by pending where acked = 0 and q > ? and mode != ? order by q limit ?",
            (q, WAIT, limit),
        )

    def kept(self, since: int, after: tuple[int, int], limit: int) -> list[Row]:
        """Return acknowledged rows that are still kept, oldest first.

        Args:
            since: Unix ms; older ones are left out.
            after: Time and q of the last one had.
            limit: How many at most.
        """
        return self._rows(
            f"{_ROW} indexed by kept where acked = 1 and (time, q) > (?, ?) order by time, q"
            " limit ?",
            (*max(after, (since, 0)), limit),
        )

    def pressing(self, first: str, limit: int) -> list[Row]:
        """Return the oldest unacknowledged rows, those of the class `first` before all others."""
        return self._rows(
            f"{_ROW} indexed by pending where acked = 0 order by mode != ?, q limit ?",
            (first, limit),
        )

    def newest(self) -> int:
        """Return the highest q that is not acknowledged, 0 for none."""
        return self._number(
            "select coalesce(max(q), 0) from row indexed by pending where acked = 0"
        )

    def count(self) -> int:
        """Return how many rows are not acknowledged."""
        return self._number("select count(*) from row indexed by pending where acked = 0")

    def size(self) -> tuple[int, int]:
        """Return the bytes the rows take, and the oldest unacknowledged one's Unix ms, or 0."""
        oldest = self._number(
            "select coalesce((select time from row indexed by pending where acked = 0"
            " order by q limit 1), 0)"
        )
        return self._do(self._bytes), oldest

    def settle(self, offset_ms: int | None) -> int:
        """Let go the rows that wait for the clock, corrected or marked; return the first q, or 0.

        Args:
            offset_ms: What the clock was behind when they were read; None: nobody knows.
        """
        first = 0
        while found := self._do(lambda: self._settle(offset_ms)):
            first = min(first or found, found)
        return first

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

    def care(self, kept_from: int | None = None) -> None:
        """Do now and then: forget, give free pages back, stay within bounds, lay the ballast again.

        Args:
            kept_from: Unix ms; acknowledged rows of before are forgotten. None: none.
        """
        if kept_from is not None:
            self._do(lambda: self._forget(EXPIRED_ROWS, kept_from))
        while self._may_shed and self._bytes() > self._most_bytes:
            if not self._do(lambda: self._forget(SHED_ROWS)) and not self._do(self._shed):
                break
        if self._may_shed:  # the free pages of events are their reserve
            self._connection.execute("pragma incremental_vacuum(256)").fetchall()
        self._ballast.lay()
        self._reserve()

    def close(self) -> None:
        """Leave the file in order."""
        self._connection.close()

    def _commit(self, rows: Sequence[Row], gone: list[Range]) -> list[Row]:
        if self._may_shed:
            self._stay_within_disk()
        self._connection.execute("begin immediate")
        self._connection.executemany(
            "update row set acked = 1 where q between ? and ? and acked = 0", joined(gone)
        )
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
                if is_one_of(error, DAMAGED):
                    self._connection = self._anew(error)
                elif not is_one_of(error, FULL) or not self._made_room():
                    raise Full(str(error)) from error

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        except sqlite3.DatabaseError:
            log.exception("rollback failed", extra={"file": str(self.path)})

    def _settle(self, offset_ms: int | None) -> int:
        rows = self._connection.execute(
            f"{_ROW} indexed by pending where acked = 0 and mode = ? order by q limit ?",
            (WAIT, ROWS_A_STATEMENT),
        ).fetchall()
        self._connection.execute("begin immediate")
        for row in (corrected(Row(*each), offset_ms) for each in rows):
            self._connection.execute(
                "update row set mode = ?, time = ?, blob = ? where q = ?",
                (row.mode, row.at, row.tail, row.q),
            )
        self._connection.execute("commit")
        return rows[0][0] if rows else 0

    def _made_room(self) -> bool:
        """Give up the least of what can be given up: False when there is nothing."""
        try:
            if self._forget(SHED_ROWS) or (self._capped and self._shed()):
                return True
        except sqlite3.DatabaseError:  # deleting needs room too: the ballast's
            self._undo()
        if self._ballast.give_up():
            return True
        if not self._may_shed:
            return False
        try:
            return self._shed() > 0
        except sqlite3.DatabaseError:
            self._undo()
            return False

    def _forget(self, limit: int, before: int = 1 << 62) -> int:
        """Delete the oldest acknowledged rows."""
        return self._connection.execute(
            "delete from row where q in (select q from row indexed by kept"
            " where acked = 1 and time < ? order by time, q limit ?)",
            (before, limit),
        ).rowcount

    def _shed(self) -> int:
        """Give up the oldest rows, counted; a gap row says which, and takes up older gaps."""
        self._connection.execute("begin immediate")
        found = self._connection.execute(
            f"{_ROW} indexed by pending where acked = 0 order by q limit ?", (SHED_ROWS,)
        ).fetchall()
        rows = [Row(*each) for each in found]
        if not rows or all(row.mode == GAP for row in rows):
            self._connection.execute("rollback")
            return 0
        spans = [span_of(row) for row in rows]
        gap = Span(
            min(each.start for each in spans),
            max(each.end for each in spans),
            sum(each.readings for each in spans),
        )
        self._connection.execute(
            "delete from row where acked = 0 and q between ? and ?", (rows[0].q, rows[-1].q)
        )
        self._inserted([gap_row(gap, rows[-1].birth)])
        self._connection.execute("commit")
        fresh = [(row, span) for row, span in zip(rows, spans, strict=True) if row.mode != GAP]
        if self.shed == 0:
            log.error("no room: the oldest telemetry is given up", extra={"file": str(self.path)})
        self.gap = gap
        self.shed += len(fresh)
        self.missing += sum(span.readings for _, span in fresh)
        return len(fresh)

    def _rows(self, question: str, facts: tuple[int | str, ...]) -> list[Row]:
        found = self._do(lambda: self._connection.execute(question, facts).fetchall())
        return [Row(*each) for each in found]

    def _number(self, question: str) -> int:
        found: int = self._do(lambda: self._connection.execute(question).fetchone())[0]
        return found

    def _bytes(self) -> int:
        """Return the room the rows take, without pages that are free again."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * PAGE

    def _pragma(self, name: str) -> int:
        found: int = self._connection.execute(f"pragma {name}").fetchone()[0]
        return found

    def _stay_within_disk(self) -> None:
        """Stop growing while the disk has little left: the rest is for events and for others."""
        free, total = disk(self.path.parent)
        least = min(KEEP_FREE_BYTES, total // 4)
        if not self._capped and free < least:
            self._capped = True
            floor = part_of_disk(self.path.parent, RESERVE_BYTES) // PAGE  # for what is being read
            self._pragma(f"max_page_count = {max(self._pragma('page_count'), floor)}")
        elif self._capped and free > least + least // 4:
            self._capped = False
            self._pragma(f"max_page_count = {_NO_LIMIT}")

    def _reserve(self) -> None:
        """Make free pages in the file of events and its log: nobody else can take those."""
        if self._reserved:
            return
        size = part_of_disk(self.path.parent, RESERVE_BYTES)
        try:
            self._connection.execute("begin immediate")
            self._connection.execute("insert into about values ('reserve', zeroblob(?))", (size,))
            self._connection.execute("delete from about where key = 'reserve'")
            self._connection.execute("commit")
            self._connection.execute("pragma wal_checkpoint(passive)").fetchall()
        except sqlite3.DatabaseError:
            self._undo()
            log.exception("no room to reserve for events", extra={"file": str(self.path)})
        else:
            self._reserved = True

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

    def _opened(self) -> sqlite3.Connection:
        connection, self.id = journal_file.opened(self.path, self._new_id)
        return connection


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Return the same rows in as few ranges as possible."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found
