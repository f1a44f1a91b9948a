"""The embedded history store: one SQLite file a site, one writing process, any number of readers.

docs/store.md has the picture. A commit to the journal is the acknowledgement point; a thread moves
the journal into compressed frames (embedded_sealing.py).
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

import numpy as np
from typing_extensions import override

from adapters.history import embedded_journal
from adapters.history.embedded_checkpoint import Checkpoints
from adapters.history.embedded_file import Turns, answering, open_to_write, transaction
from adapters.history.embedded_reading import Reader
from adapters.history.embedded_sealing import SEAL_READINGS, Sealing
from watchkeeper.batch import Batch, Series
from watchkeeper.clock import Clock
from watchkeeper.errors import Unreachable
from watchkeeper.history import Buckets, History, Quarantined, Retention, Thinning, Track
from watchkeeper.ids import PointId
from watchkeeper.reading import Reading

JOURNAL_LIMIT = 8 * SEAL_READINGS  # beyond it sealing has failed for long: take no more
QUARANTINE_KEPT = 100_000  # rows; the oldest go first
_LOOK_S = 60.0  # between two looks for finished days

log = logging.getLogger(__name__)


class EmbeddedHistory(History):
    """See the port for what each call promises."""

    def __init__(self, path: Path, *, clock: Clock, writable: bool) -> None:
        """Open the store; a reader may come before the first writer and then finds nothing.

        Raises ConfigError: another process writes this store, or it is of a later layout.
        """
        self._path = path
        self._reader = Reader(path)
        self._writer = _Writer(path, clock) if writable else None

    @property
    @override
    def many_writers(self) -> bool:
        return False

    @override
    def series(self, points: Sequence[PointId]) -> Series:
        return self._writing().series(points)

    @override
    def write(self, batch: Batch) -> None:
        self._writing().write(batch)

    @override
    def quarantine(self, items: Sequence[Quarantined]) -> None:
        self._writing().quarantine(items)

    @override
    def release(self, ids: Sequence[int]) -> None:
        self._writing().release(ids)

    def _writing(self) -> "_Writer":
        if self._writer is None:
            raise RuntimeError(f"{self._path} was opened to be read")
        return self._writer

    @override
    def quarantined(self, limit: int = 100, before: int | None = None) -> list[Quarantined]:
        with answering(self._path):
            return self._reader.quarantined(limit, before)

    @override
    def points(self) -> list[PointId]:
        with answering(self._path):
            return self._reader.points()

    @override
    def latest(self, points: Sequence[PointId]) -> dict[PointId, Reading]:
        with answering(self._path):
            return self._reader.latest(points)

    @override
    def raw(self, point: PointId, start: int, end: int) -> Track:
        with answering(self._path):
            return self._reader.track(point, start, end)

    @override
    def buckets(self, point: PointId, start: int, end: int, width: int) -> Buckets:
        with answering(self._path):
            return self._reader.buckets(point, start, end, width)

    def forget(self, retention: Retention) -> None:
        """Let the sealing thread drop what is old, leaving summaries; returns at once."""
        self._writing().forget(retention)

    def thin(self, thinning: Thinning) -> None:
        """Let the sealing thread thin what is sealed (embedded_thinning.py); returns at once."""
        self._writing().thin(thinning)

    def settle(self) -> None:
        """Seal, merge, drop and thin all that can be now, instead of when it is due."""
        self._writing().sealing.settle()

    @override
    def close(self) -> None:
        self._reader.close()
        if self._writer is not None:
            self._writer.close()


class _Writer:
    """The writing half: the journal, the series table, and the sealing thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._db, self._lock = open_to_write(path)
        self._writing = Turns()
        self._checkpoints = Checkpoints(path, self._writing)
        self.sealing = Sealing(self._db, self._writing, clock, self._checkpoints.note)
        sealed = int(self._db.execute("select journal from sealed").fetchone()[0])
        self._newest = max(sealed, self.sealing.tail.newest)
        self._series = dict(self._db.execute("select key, number from series"))
        self._wanted = Event()
        self._thread = Thread(target=self._run, name="history-sealing", daemon=True)
        self._thread.start()

    def series(self, points: Sequence[PointId]) -> Series:
        new = [point for point in dict.fromkeys(points) if point not in self._series]
        if new:
            with answering(self._path), self._writing:
                first = len(self._series)
                made = {key: number for number, key in enumerate(new, first)}
                with transaction(self._db) as db:
                    db.executemany("insert into series(key, number) values(?, ?)", made.items())
                self._series |= made
        return np.array([self._series[point] for point in points], np.uint32)

    def write(self, batch: Batch) -> None:
        if not len(batch):
            return
        if len(self.sealing.tail) > JOURNAL_LIMIT:
            raise Unreachable("history.unreachable", what="sealing fails", where=str(self._path))
        blob = embedded_journal.encode(batch)
        with answering(self._path), self._writing:
            row = self._newest + 1
            self._db.execute("insert into journal values(?, ?)", (row, blob))
            self._newest = row
            self._checkpoints.note(len(blob))
            self.sealing.tail.add(row, batch)
        if self.sealing.due:
            self._wanted.set()

    def quarantine(self, items: Sequence[Quarantined]) -> None:
        rows = [
            (each.at, each.origin, each.reason, each.payload, each.readings, each.digest)
            for each in items
        ]
        if not rows:
            return
        with answering(self._path), self._writing, transaction(self._db) as db:
            db.executemany(
                "insert or ignore into quarantine(at, origin, reason, payload, readings, digest)"
                " values(?, ?, ?, ?, ?, ?)",
                rows,
            )
            db.execute(
                "delete from quarantine where id <= (select max(id) from quarantine) - ?",
                (QUARANTINE_KEPT,),
            )

    def release(self, ids: Sequence[int]) -> None:
        with answering(self._path), self._writing, transaction(self._db) as db:
            db.executemany("delete from quarantine where id = ?", [(each,) for each in ids])

    def thin(self, thinning: Thinning) -> None:
        self.sealing.thin(thinning)
        self._wanted.set()

    def forget(self, retention: Retention) -> None:
        self.sealing.forget(retention)
        self._wanted.set()

    def _run(self) -> None:
        """Seal and tend until stopped; a failure is logged once and tried again later."""
        failing = False
        while not self.sealing.stop.is_set():
            try:
                self.sealing.work()
                failing = False
            except Exception:
                if not failing:
                    log.exception("sealing failed; the journal keeps everything")
                failing = True
                self._wanted.clear()
            if failing or not self.sealing.due:
                self._wanted.wait(_LOOK_S)
                self._wanted.clear()

    def close(self) -> None:
        self.sealing.stop.set()
        self._wanted.set()
        self._thread.join()
        self._checkpoints.close()
        self._db.close()
        self._lock.close()
