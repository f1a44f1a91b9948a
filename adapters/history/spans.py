"""Summaries over equal spans of time; pure."""

from typing import NamedTuple

import numpy as np

from watchkeeper.batch import Times
from watchkeeper.history import HOLD_MS, Buckets, Track
from watchkeeper.quality import FIRST_UNCERTAIN
from watchkeeper.spans import gathered

_NO_TIMES = np.empty(0, np.int64)


def summarised(track: Track, width: int, start: int, end: int) -> Buckets:
    """Return the summaries over spans of `width` ms of what lies in start <= t < end; good only.

    Args:
        track: Readings in ascending time, from HOLD_MS before `start` on.
        width: Of a span, ms.
        start: Of what is asked for, Unix ms.
        end: Where it ends.
    """
    rows = _rows(track, width, start, end)
    held = _held(track, _NO_TIMES)
    return _within(_covered(rows, held, width, start, end), width, start, end)


def joined(track: Track, stored: Buckets, width: int, start: int, end: int) -> Buckets:
    """Return a row for every span with a good reading or any coverage; coverage of whole spans.

    Args:
        track: Readings in ascending time, from HOLD_MS before `start` on.
        stored: Rows of readings that are gone, all or most of them. One without a reading says
            until when a value was known: by a reading before it.
        width: Of a span, ms, more than HOLD_MS.
        start: What lies before counts for coverage alone.
        end: Where to stop.
    """
    empty = stored.counts == 0
    until = np.rint(stored.start + stored.coverage * width).astype(np.int64)
    held = _held(track, until[empty])
    rows = _rows(track, width, start, end)
    touched = np.union1d(rows.start, _touched(held, width, start, end))
    if len(touched) != len(rows.start):
        rows = _with_empty(rows, touched)
    return _better(stored.take(~empty), _covered(rows, held, width, start, end), width)


def widened(rows: Buckets, width: int, wide: int, start: int, end: int) -> Buckets:
    """Return summaries over spans of `wide` ms, a multiple of `width`, of rows of that."""
    edges = np.arange(start // wide * wide, end + wide, wide)
    return _within(gathered(rows, width, edges), wide, start, end)


def _covered(rows: Buckets, held: "_Held", width: int, start: int, end: int) -> Buckets:
    lows, highs = np.maximum(rows.start, start), np.minimum(rows.start + width, end)
    return rows._replace(coverage=held.between(lows, highs) / width)


def _within(rows: Buckets, width: int, start: int, end: int) -> Buckets:
    """Return them with the coverage of what was asked for of the first and the last span."""
    asked = np.minimum(rows.start + width, end) - np.maximum(rows.start, start)
    return rows._replace(coverage=np.minimum(rows.coverage * width / asked, 1.0))


class _Held(NamedTuple):
    """Stretches during which a value was known; they do not overlap."""

    begin: Times
    end: Times

    def between(self, lows: Times, highs: Times) -> Times:
        """Return how long a value was known from each low to its high, ms."""
        if not len(self.begin):
            return np.zeros(len(lows), np.int64)
        total = np.cumsum(self.end - self.begin)
        moments = np.concatenate((lows, highs))
        place = np.searchsorted(self.begin, moments, "right") - 1
        before = total[place] - np.maximum(self.end[place] - moments, 0)
        before[place < 0] = 0
        known: Times = before[len(lows) :] - before[: len(lows)]
        return known


def _held(track: Track, known_until: Times) -> _Held:
    """Return when a value was known by the track, and by readings that are not in it."""
    at, good = track.at, track.quality < FIRST_UNCERTAIN
    if len(known_until):
        at = np.concatenate((known_until - HOLD_MS, at))
        good = np.concatenate((np.ones(len(known_until), np.bool_), good))
        order = np.argsort(at, kind="stable")
        at, good = at[order], good[order]
    end = at + HOLD_MS
    np.minimum(end[:-1], at[1:], out=end[:-1])
    return _Held(at, end) if good.all() else _Held(at[good], end[good])


def _touched(held: _Held, width: int, start: int, end: int) -> Times:
    """Return the beginnings of the spans in which a value was known for a while."""
    begin, until = np.maximum(held.begin, start), np.minimum(held.end, end)
    real = until > begin
    first, last = begin[real] // width, (until[real] - 1) // width
    # A stretch is shorter than a span, so it touches two at most.
    distinct = [each[np.flatnonzero(np.diff(each, prepend=-1))] for each in (first, last)]
    return np.unique(np.concatenate(distinct)) * width


def _rows(track: Track, width: int, start: int, end: int) -> Buckets:
    """Return what the good readings of the spans say, without coverage."""
    low, high = np.searchsorted(track.at, (start, end))
    at, value = track.at[low:high], track.value[low:high]
    good = track.quality[low:high] < FIRST_UNCERTAIN
    if not good.all():
        at, value = at[good], value[good]
    if not len(at):
        return Buckets.none()
    span = at // width
    begin = np.concatenate(([0], np.flatnonzero(span[1:] != span[:-1]) + 1))
    after = np.append(begin[1:], len(at))
    counts = (after - begin).astype(np.int64)
    return Buckets(
        start=span[begin] * width,
        counts=counts,
        mean=np.add.reduceat(value, begin) / counts,
        low=np.minimum.reduceat(value, begin),
        high=np.maximum.reduceat(value, begin),
        first=value[begin],
        last=value[after - 1],
        coverage=np.zeros(len(begin)),
    )


def _with_empty(rows: Buckets, starts: Times) -> Buckets:
    """Return the rows, and at the other starts one without a reading."""
    place = np.searchsorted(starts, rows.start)
    counts = np.zeros(len(starts), np.int64)
    counts[place] = rows.counts
    columns = [np.full(len(starts), np.nan) for _ in rows[2:]]
    for wide, column in zip(columns, rows[2:], strict=True):
        wide[place] = column
    return Buckets(starts, counts, *columns)


def _better(stored: Buckets, made: Buckets, width: int) -> Buckets:
    """Return one row a span: the one that knows more of it, in doubt the stored one.

    Of a stored row's readings few or none are left, and late ones may have come. So what has the
    higher coverage is nearer to the truth, then what has more readings.
    """
    if not len(stored.start):
        return made
    both = Buckets.joined([stored, made])
    known = np.rint(both.coverage * width).astype(np.int64)
    from_stored = np.arange(len(both.start)) < len(stored.start)
    order = np.lexsort((from_stored, both.counts, known, both.counts > 0, both.start))
    start = both.start[order]
    return both.take(order[np.append(start[1:] != start[:-1], [True])])
