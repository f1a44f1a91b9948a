"""Moving readings from the journal into frames, merging, thinning and dropping, beside the writer.

A segment is what one seal or merge made of one UTC day; its frames do not overlap. Until its row
in `segment` is there nobody sees its frames, so they are written in small transactions and the
writer never waits long. Segment numbers ascend in order of arrival: in two segments with the same
series and time, the higher one is right.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from threading import Event, Lock
from typing import NamedTuple

import numpy as np

from adapters.history.embedded_codec import SPAN_MS, Frame, decode, encode
from adapters.history.embedded_file import Turns, transaction
from adapters.history.embedded_journal import Tail
from adapters.history.embedded_latest import PART, Latest
from adapters.history.embedded_order import ascending, to_merge
from adapters.history.embedded_rollup import STRIDE, Summaries, frames, read, rolled
from adapters.history.embedded_thinning import DROPPED, Loss, dropped
from watchkeeper.batch import Batch
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.history import Retention, Thinning

SEAL_READINGS = 720_000  # an hour of 2,000 points every 10 s
SEAL_ROWS = 2_000  # commits; a reader that starts decodes so many
COLD_AFTER_MS = 3_600_000  # a day is over for us an hour after its end
HIGHEST = 1 << 29  # series: eight numbers each for their summaries, of 32 bits
_SLICE = 64  # frames a transaction and a merge step
_SLICE_BYTES = 262_144  # or so many a transaction

# The oldest day with a segment that is not thinned as far as it is wanted.
_TO_THIN = """
select min(day) from segment left join thinned on thinned.segment = segment.id
where day * :span < :before and coalesce(thinned.before, 0) < min(:before, (day + 1) * :span)
"""
# The oldest day that still has what is not to be kept any longer.
_TO_DROP = """
select min(day) from segment left join thinned on thinned.segment = segment.id
where (day + 1) * :span <= :before
or ((day + 1) * :span <= :sampled and coalesce(thinned.before, 0) < :dropped)
"""
# The summaries of a day, and of the day before it: their last rows reach into it.
_ROLLED = """
select frame.b from rolled join frame on frame.segment = rolled.segment
where rolled.day in (:day, :day - 1) and frame.last >= :low and frame.first < :high
order by rolled.day, frame.first
"""


class Segment(NamedTuple):
    """A row of the segment table."""

    id: int
    day: int  # since 1970, UTC
    readings: int


class Sealing:
    """What turns the journal into segments; seals, merges and thins, one at a time."""

    def __init__(
        self,
        db: sqlite3.Connection,
        writing: Turns,
        clock: Clock,
        note: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Take the writer's connection, and the lock under which it is used.

        `note` is told how many bytes are committed.
        """
        self._db, self._writing, self._clock, self._note = db, writing, clock, note
        self._one = Lock()
        self.stop = Event()
        self.tail, self._latest = Tail(), Latest()
        self._wish: Thinning | None = None
        self._retention: Retention | None = None
        self._load()

    def _load(self) -> None:
        """Read what is not sealed; remove frames of a seal or merge that was cut off."""
        db = self._db
        seen = "select id from segment union select segment from rolled"
        known = {number for (number,) in db.execute(seen)}
        framed = {number for (number,) in db.execute("select distinct segment from frame")}
        self._scrap(framed - known)
        self._next = max(known, default=0)
        for part, blob in db.execute("select part, b from latest"):
            self._latest.load(part, blob)
        self.tail.load(db.execute("select id, b from journal order by id"))

    @property
    def due(self) -> bool:
        """Return whether the journal is long enough to be sealed."""
        return len(self.tail) >= SEAL_READINGS or self.tail.rows >= SEAL_ROWS

    def work(self) -> None:
        """Seal when due, then merge, drop and thin what is due."""
        with self._one:
            if self.due:
                self._seal()
            self._tend()

    def settle(self) -> None:
        """Seal everything now, then merge, drop and thin what is due."""
        with self._one:
            self._seal()
            self._tend()

    def _tend(self) -> None:
        while self._merge() or self._drop() or self._thin():
            pass

    def _seal(self) -> None:
        with self._writing:
            batch, newest = self.tail.batch(), self.tail.newest
        if not len(batch):
            return
        made: list[Segment] = []
        try:
            for day, own in _days(batch):
                part = ascending(own)
                made.append(Segment(self._number(), day, len(part)))
                self._put(made[-1].id, encode(part, day * SPAN_MS))
        except BaseException:
            self._scrap(segment.id for segment in made)
            raise
        self._latest.overlay(batch)
        parts = np.unique(batch.series // PART).tolist()
        latest = [(part, self._latest.part(part)) for part in parts]
        with self._writing, transaction(self._db) as db:
            db.executemany("insert into segment values(?, ?, ?)", made)
            db.executemany("insert or replace into latest values(?, ?)", latest)
            db.execute("delete from journal where id <= ?", (newest,))
            db.execute("update sealed set journal = ?", (newest,))
            self.tail.drop(newest)

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _put(self, segment: int, frames: Iterator[Frame]) -> None:
        for rows in _slices(frames):
            with self._writing, transaction(self._db) as db:
                db.executemany(
                    "insert into frame(segment, first, last, b) values(?, ?, ?, ?)",
                    [(segment, *row) for row in rows],
                )
                self._note(sum(len(row.blob) for row in rows))

    def thin(self, wish: Thinning) -> None:
        """Remember what is to be thinned at the next `work`."""
        with self._writing:
            self._wish = wish._replace(before=wish.before - wish.before % wish.width)

    def _merge(self) -> bool:
        """Merge segments of one day; False when none are due."""
        chosen = None if self.stop.is_set() else self._due_segments()
        return chosen is not None and self._rewrite(chosen, None)

    def forget(self, retention: Retention) -> None:
        """Remember what is to be dropped at the next `work`."""
        with self._writing:
            self._retention = retention

    def _thin(self) -> bool:
        """Thin one day, all segments together: a late one may correct another; False when done."""
        with self._writing:
            wish = None if self.stop.is_set() else self._wish
        if wish is None:
            return False
        chosen = self._first_day(_TO_THIN, before=wish.before)
        if not chosen:
            with self._writing:
                self._wish = None if self._wish is wish else self._wish
            return False
        until = min(wish.before, (chosen[0].day + 1) * SPAN_MS)
        return self._rewrite(chosen, Loss(until, wish, wish.sampled))

    def _drop(self) -> bool:
        """Drop what one day is not to keep, leaving summaries; False when done."""
        with self._writing:
            wish = None if self.stop.is_set() else self._retention
        if wish is None:
            return False
        asked = {"before": wish.before, "sampled": wish.sampled_before, "dropped": DROPPED}
        if self._first_day(_TO_DROP, **asked):
            self._seal()  # what was taken while it was young enough belongs to its day
        chosen = self._first_day(_TO_DROP, **asked)
        if not chosen:
            with self._writing:
                self._retention = None if self._retention is wish else self._retention
            return False
        return self._rewrite(chosen, dropped(wish, (chosen[0].day + 1) * SPAN_MS))

    def _first_day(self, which: str, **asked: int) -> list[Segment]:
        """Return the segments of the first day that the statement names."""
        of_day = "select id, day, readings from segment where day = ? order by id"
        with self._writing:
            day = self._db.execute(which, {"span": SPAN_MS, **asked}).fetchone()
            return [Segment(*row) for row in self._db.execute(of_day, day)]

    def _rewrite(self, chosen: list[Segment], loss: Loss | None) -> bool:
        """Put one segment, of what is left, in place of several; False when told to stop."""
        whole = Segment(self._number(), chosen[0].day, 0)
        summaries = self._number()
        readings = 0
        try:
            for low, high, part in self._merged([segment.id for segment in chosen]):
                left = part if loss is None else part.take(loss.leaves(part))
                self._put(whole.id, encode(left, whole.day * SPAN_MS))
                readings += len(left)
                if loss is not None:
                    self._roll(
                        summaries, whole.day, (low, high), part.take(loss.touches(part)), loss
                    )
                if self.due:
                    self._seal()
                if self.stop.is_set():
                    self._scrap([whole.id, summaries])
                    return False
        except BaseException:
            self._scrap([whole.id, summaries])
            raise
        self._swap(chosen, whole._replace(readings=readings), summaries, loss)
        return True

    def _roll(
        self, segment: int, day: int, series: tuple[int, int], part: Batch, loss: Loss
    ) -> None:
        """Write the summaries of a range of series: of what is stored and of what goes now."""
        low, high = series
        asked = {"day": day, "low": low * STRIDE, "high": high * STRIDE}
        with self._writing:
            blobs = self._db.execute(_ROLLED, asked).fetchall()
        stored = Summaries.joined([read(blob) for (blob,) in blobs])
        start = day * SPAN_MS
        own = (stored.series >= low) & (stored.series < high) & (stored.rows.start >= start)
        made = rolled(part, stored.take(own), start, min(loss.before, start + SPAN_MS))
        self._put(segment, frames(made, start))

    def _swap(
        self, chosen: list[Segment], whole: Segment, summaries: int, loss: Loss | None
    ) -> None:
        """Show the new segment instead of the old ones, at once; then delete their frames."""
        old = [(segment.id,) for segment in chosen]
        gone = list(old)
        with self._writing, transaction(self._db) as db:
            db.executemany("delete from segment where id = ?", old)
            db.executemany("delete from thinned where segment = ?", old)
            if whole.readings:
                db.execute("insert into segment values(?, ?, ?)", whole)
                if loss is not None:
                    db.execute("insert into thinned values(?, ?)", (whole.id, loss.before))
            if loss is not None:
                before = "select segment from rolled where day = ?"
                gone += db.execute(before, (whole.day,)).fetchall()
                db.execute("insert or replace into rolled values(?, ?)", (whole.day, summaries))
        self._scrap(segment for (segment,) in gone)

    def _due_segments(self) -> list[Segment] | None:
        today = (unix_ms(self._clock.now()) - COLD_AFTER_MS) // SPAN_MS
        with self._writing:
            found = self._db.execute("select id, day, readings from segment order by day, id")
            segments = [Segment(*row) for row in found.fetchall()]
        for day, group in groupby(segments, lambda segment: segment.day):
            own = list(group)
            place = to_merge([segment.readings for segment in own], cold=day < today)
            if place is not None:
                return own[place:]
        return None

    def _merged(self, segments: list[int]) -> Iterator[tuple[int, int, Batch]]:
        """Yield the readings of segments of one day: low <= series < high, ranges without a gap."""
        with self._writing:
            marks = ",".join("?" * len(segments))
            found = self._db.execute(
                f"select id, first, last from frame where segment in ({marks})"  # noqa: S608 - marks
                " order by segment, first",
                segments,
            ).fetchall()
        frames = np.array(found, np.int64).reshape(-1, 3)
        lows = np.unique(np.sort(frames[:, 1])[::_SLICE]).tolist()
        lows[:1] = [0]
        for low, high in zip(lows, [*lows[1:], HIGHEST], strict=True):
            inside = (frames[:, 1] < high) & (frames[:, 2] >= low)
            whole = Batch.joined([decode(self._blob(row)) for row in frames[inside, 0].tolist()])
            own = (whole.series >= low) & (whole.series < high)
            yield low, high, ascending(whole if own.all() else whole.take(own))

    def _blob(self, frame: int) -> bytes:
        with self._writing:
            row = self._db.execute("select b from frame where id = ?", (frame,)).fetchone()
            return bytes(row[0])

    def _scrap(self, segments: Iterable[int]) -> None:
        """Delete frames nobody sees any more, a few at a time."""
        for segment in segments:
            deleted = 1
            while deleted:
                with self._writing:
                    deleted = self._db.execute(
                        "delete from frame where id in"
                        " (select id from frame where segment = ? limit ?)",
                        (segment, _SLICE),
                    ).rowcount


def _slices(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    """Yield a few frames at a time: a commit waits while they are written."""
    rows: list[Frame] = []
    size = 0
    for frame in frames:
        rows.append(frame)
        size += len(frame.blob)
        if len(rows) == _SLICE or size > _SLICE_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _days(batch: Batch) -> Iterator[tuple[int, Batch]]:
    """Yield the readings of each UTC day, in order of arrival."""
    day = batch.at // SPAN_MS
    low, high = int(day.min()), int(day.max())
    if low == high:
        yield low, batch
        return
    for each in np.unique(day).tolist():
        yield each, batch.take(day == each)
