"""Reading the embedded store, from the writer's process or any other."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from adapters.history.embedded_codec import SPAN_MS, decode_one
from adapters.history.embedded_file import open_to_read, snapshot
from adapters.history.embedded_journal import Tail
from adapters.history.embedded_latest import Latest
from adapters.history.embedded_order import one_track
from adapters.history.embedded_rollup import STRIDE, read_one
from adapters.history.spans import joined, summarised, widened
from watchkeeper.batch import Batch
from watchkeeper.history import HOLD_MS, Buckets, Quarantined, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import is_bad
from watchkeeper.reading import Reading
from watchkeeper.spans import QUARTER_MS

# One frame of each segment that may hold the series: the last that begins at or below it.
_FRAMES = """
select frame.b from segment join frame on frame.segment = segment.id and frame.first =
    (select max(first) from frame where segment = segment.id and first <= :series)
where segment.day between :first and :last and frame.last >= :series
order by segment.day, segment.id
"""

# The frame of each day's summaries that may hold the series.
_ROLLED = """
select frame.b from rolled join frame on frame.segment = rolled.segment and frame.first =
    (select max(first) from frame where segment = rolled.segment and first <= :series)
where rolled.day between :first and :last and frame.last >= :series
order by rolled.day
"""


class Reader:
    """One connection, used by one thread at a time and only to fetch: decoding is outside.

    Keeps the journal decoded and the newest readings in columns, and catches up with what was
    committed since at each call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._one = Lock()
        self._db: sqlite3.Connection | None = None
        self._tail, self._latest = Tail(), Latest()
        self._seen = 0  # the newest journal row that `_latest` holds
        self._series: dict[str, int] = {}
        self._names: list[PointId] = []
        self._rolls = False

    def close(self) -> None:
        """Leave the file."""
        with self._one:
            if self._db is not None:
                self._db.close()
                self._db = None

    def points(self) -> list[PointId]:
        """Return every point that has a series."""
        with self._one:
            db = self._open()
            if db is not None:
                self._catch_up_names(db)
            return list(self._names)

    def latest(self, points: Sequence[PointId]) -> dict[PointId, Reading]:
        """Return the newest reading of each point that has one."""
        with self._one:
            db = self._open()
            if db is None:
                return {}
            with snapshot(db):
                self._catch_up(db)
                found = {point: self._number(db, point) for point in points}
            rows = {
                point: self._latest.of(number)
                for point, number in found.items()
                if number is not None
            }
        return {point: _reading(point, *row) for point, row in rows.items() if row is not None}

    def track(self, point: PointId, start: int, end: int) -> Track:
        """Return the readings in start <= t < end."""
        return _within(self._found(point, start, end, rolled=False).track(), start, end)

    def buckets(self, point: PointId, start: int, end: int, width: int) -> Buckets:
        """Return summaries over spans; of quarter hours and multiples also where readings went."""
        if width <= 0:
            raise ValueError(f"a width of {width} ms")
        rolls = width % QUARTER_MS == 0
        found = self._found(point, start - HOLD_MS, end, rolled=rolls)
        track = _within(found.track(), start - HOLD_MS, end)
        stored = found.summaries(start, end)
        if not len(stored.start):
            return summarised(track, width, start, end)
        rows = joined(track, stored, QUARTER_MS, start, end)
        return widened(rows, QUARTER_MS, width, start, end)

    def _found(self, point: PointId, start: int, end: int, *, rolled: bool) -> "_Found":
        """Return what is stored of the days of start <= t < end, still encoded."""
        nothing = _Found(0, [], [], Batch.joined([]))
        if end <= start:
            return nothing
        with self._one:
            db = self._open()
            if db is None:
                return nothing
            with snapshot(db):
                number = self._number(db, point)
                if number is None:
                    return nothing
                self._catch_up(db)
                first, last = start // SPAN_MS, (end - 1) // SPAN_MS
                days = {"series": number, "first": first, "last": last}
                blobs = [row[0] for row in db.execute(_FRAMES, days)]
                rolls: list[bytes] = []
                if rolled and self._may_roll(db):
                    # The day before says how far into the first its last reading is good.
                    days |= {"series": number * STRIDE, "first": first - 1}
                    rolls = [row[0] for row in db.execute(_ROLLED, days)]
            return _Found(number, blobs, rolls, self._tail.batch())

    def _may_roll(self, db: sqlite3.Connection) -> bool:
        """Return whether the file has the table; one of the layout before gets it by its writer."""
        self._rolls = self._rolls or bool(
            db.execute("select count(*) from sqlite_master where name = 'rolled'").fetchone()[0]
        )
        return self._rolls

    def quarantined(self, limit: int, before: int | None) -> list[Quarantined]:
        """Return the newest of what was put aside."""
        with self._one:
            db = self._open()
            if db is None:
                return []
            found = db.execute(
                "select at, origin, reason, payload, readings, id from quarantine"
                " where ?1 is null or id < ?1 order by id desc limit ?2",
                (before, limit),
            )
            return [Quarantined(*row) for row in found]

    def _open(self) -> sqlite3.Connection | None:
        if self._db is None:
            self._db = open_to_read(self._path)
        return self._db

    def _catch_up(self, db: sqlite3.Connection) -> None:
        """Take in what was committed and forget what was sealed since the last call."""
        sealed = int(db.execute("select journal from sealed").fetchone()[0])
        if self._tail.rows and self._tail.oldest <= sealed:
            self._tail.drop(sealed)
        if sealed > self._seen:  # rows came and were sealed unseen
            for part, blob in db.execute("select part, b from latest"):
                self._latest.load(part, blob)
            self._seen = sealed
        start = len(self._tail)
        self._tail.load(
            db.execute("select id, b from journal where id > ? order by id", (self._seen,))
        )
        self._latest.overlay(self._tail.batch(start))
        self._seen = max(self._seen, self._tail.newest)

    def _number(self, db: sqlite3.Connection, point: PointId) -> int | None:
        if point not in self._series:
            self._catch_up_names(db)
        return self._series.get(point)

    def _catch_up_names(self, db: sqlite3.Connection) -> None:
        known = len(self._names)  # series are numbered from 0 without a hole
        for number, key in db.execute(
            "select number, key from series where number >= ? order by number", (known,)
        ):
            self._series[key] = number
            self._names.append(PointId(key))


class _Found(NamedTuple):
    """What is stored of one series, as it was fetched."""

    number: int
    frames: list[bytes]
    rolled: list[bytes]
    journal: Batch

    def track(self) -> Track:
        """Return the readings."""
        sealed = [decode_one(blob, self.number) for blob in self.frames]
        tracks = [track for track in sealed if track is not None]
        return one_track([*tracks, _of(self.journal, self.number)])

    def summaries(self, start: int, end: int) -> Buckets:
        """Return the stored rows of spans that begin in start <= t < end, and empty ones."""
        rows = [found for blob in self.rolled if (found := read_one(blob, self.number)) is not None]
        whole = Buckets.joined(rows)
        return whole.take((whole.start < end) & ((whole.start >= start) | (whole.counts == 0)))


def _of(journal: Batch, series: int) -> Track:
    own = np.flatnonzero(journal.series == series)
    return Track(journal.at[own], journal.value[own], journal.quality[own])


def _within(track: Track, start: int, end: int) -> Track:
    low, high = np.searchsorted(track.at, (start, end))
    return Track(track.at[low:high], track.value[low:high], track.quality[low:high])


def _reading(point: PointId, at: int, value: float, quality: int) -> Reading:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return Reading(point, moment, None if is_bad(quality) else value, quality)
