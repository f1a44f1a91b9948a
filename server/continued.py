"""The history of a point over replaced devices: one series, joined by time.

`replaced_by` in the site file says which unit goes on where another ended. Before the first good
reading of the new device the old one's readings count, from it on only the new one's. Values stay
as they were stored: a counter begins anew, and the change is told with its instant.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from watchkeeper.clock import Clock, unix_ms
from watchkeeper.excerpt import Columns, Read
from watchkeeper.history import Buckets, History, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import FIRST_BAD
from watchkeeper.site import Plant

DAY_MS: Final = 86_400_000


class Span(NamedTuple):
    """Where a point's own readings count: start <= t < end, Unix ms."""

    point: PointId
    start: int
    end: int


class Change(NamedTuple):
    """The instant from which another device is read, Unix ms."""

    at: int
    before: PointId
    after: PointId


class Continued:
    """Finds where one device took over from another, and keeps what it has found."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing found."""
        self._clock = clock
        self._first: dict[PointId, int] = {}

    def spans(
        self, history: History, line: Sequence[PointId], start: int, end: int
    ) -> tuple[list[Span], list[Change]]:
        """Return which point counts when, oldest first, and the changes between them.

        Args:
            history: Where readings are found.
            line: A point and those it continues, the newest first.
            start: Unix ms.
            end: Unix ms, not included.
        """
        spans: list[Span] = []
        changes: list[Change] = []
        for number, point in enumerate(line):
            if number == len(line) - 1:
                spans.append(Span(point, start, end))
                break
            first = self.first(history, point, end)
            if first is None:
                continue
            if first < start:
                spans.append(Span(point, start, end))
                break
            spans.append(Span(point, first, end))
            changes.append(Change(first, line[number + 1], point))
            end = first
        return spans[::-1], changes[::-1]

    def first(self, history: History, point: PointId, end: int) -> int | None:
        """Return the instant of a point's first good reading before `end`; None: it has none.

        Looked for again before what was found last: an edge sends its backlog after the newest.
        """
        found = self._first.get(point)
        until = min(end, unix_ms(self._clock.now()) + DAY_MS if found is None else found)
        days = history.buckets(point, 0, until, DAY_MS).start
        if len(days):
            track = history.raw(point, int(days[0]), min(int(days[0]) + DAY_MS, until))
            self._first[point] = int(track.at[track.quality < FIRST_BAD][0])
        found = self._first.get(point)
        return found if found is not None and found < end else None


def reading(history: History, plant: Plant, continued: Continued) -> Read:
    """Return how a point is read: with those it continues for the time before."""

    def read(point: PointId, start: int, end: int, width: int) -> Columns:
        spans, _ = continued.spans(history, plant.lineage(point), start, end)
        return (buckets(history, spans, width) if width else raw(history, spans))._asdict()

    return read


def raw(history: History, spans: Sequence[Span]) -> Track:
    """Return the readings of all spans as one series."""
    tracks = [history.raw(*span) for span in spans]
    return Track(*(np.concatenate(column) for column in zip(*tracks, strict=True)))


def buckets(history: History, spans: Sequence[Span], width: int) -> Buckets:
    """Return summaries over `width` ms; one in which the device changed is made of both."""
    found, *more = [history.buckets(*span, width) for span in spans]
    for span, later in zip(spans[1:], more, strict=True):
        edge = span.start // width * width
        low, high = max(edge, spans[0].start), min(edge + width, span.end)
        share = (span.start - low) / (high - low)  # of the time that is the old device's
        found = _joined(_shared(found, edge, share), _shared(later, edge, 1 - share))
    return found


def _shared(found: Buckets, edge: int, share: float) -> Buckets:
    """Return them with the coverage of the one at `edge` as a share of more time."""
    return found._replace(coverage=np.where(found.start == edge, share, 1.0) * found.coverage)


def _joined(early: Buckets, late: Buckets) -> Buckets:
    parts = [early, late]
    if len(early.start) and len(late.start) and early.start[-1] == late.start[0]:
        both = _summed(_cut(early, slice(-1, None)), _cut(late, slice(1)))
        parts = [_cut(early, slice(-1)), both, _cut(late, slice(1, None))]
    return Buckets(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _cut(found: Buckets, rows: slice) -> Buckets:
    return Buckets._make(column[rows] for column in found)


def _summed(early: Buckets, late: Buckets) -> Buckets:
    """Return two summaries of the same span as one."""
    counts = early.counts + late.counts
    mean = (early.mean * early.counts + late.mean * late.counts) / counts
    low, high = np.minimum(early.low, late.low), np.maximum(early.high, late.high)
    known = np.minimum(early.coverage + late.coverage, 1.0)
    return Buckets(early.start, counts, mean, low, high, early.first, late.last, known)
