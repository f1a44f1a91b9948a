"""Completeness of days, point by point, from the history; days that are over are remembered.

A remembered day is computed anew when more is known of it: late readings leave marks
(gateway/lateness.py), as what was put aside or given up leaves items in the quarantine.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from server.continued import Continued, reading
from server.missing import Known
from server.parts import Parts
from watchkeeper.batch import Times
from watchkeeper.clock import unix_ms
from watchkeeper.completeness import (
    LOOK_BACK_MS,
    Hole,
    Missing,
    Spans,
    Stretches,
    by_cause,
    days,
    explained,
    filled,
    holes,
    stretches,
)
from watchkeeper.history import HOLD_MS, Buckets, History, Track
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.spans import DAY_MS, QUARTER_MS

PIECE_DAYS: Final = 8  # read at once: of a point that changes each second, 700,000 readings
REMEMBERED: Final = 60_000  # days of points
OPEN_S: Final = 60.0  # for so long the figures of a day that is not over are good enough
HOLES: Final = 100  # of a day of a point that are kept; of more, the longest
# How far back is looked for a first reading, step by step: the nearest is cheap.
_BACK_MS: Final = (8 * DAY_MS, 64 * DAY_MS, 400 * DAY_MS)


class PointDay(NamedTuple):
    """One day of one point; the durations are ms, and see `watchkeeper.completeness.Days`."""

    length: int
    good: int
    doubtful: int
    bad: int
    missing: int
    late: int
    behind: int
    received: int
    put_aside: int
    causes: tuple[tuple[int, int], ...]  # code, ms
    holes: tuple[Hole, ...]
    left_out: int  # holes that are not listed


Row: TypeAlias = list[PointDay | None]  # None: not computed yet


class _Remembered(NamedTuple):
    stamp: int
    until: float  # tick
    day: PointDay


class Completeness:
    """Answers from memory, and computes what is not there, within the time it is given."""

    def __init__(self, parts: Parts) -> None:
        self._plant, self._clock = parts.plant, parts.clock
        self._continued = Continued(parts.clock)
        self._kept: OrderedDict[tuple[PointId, int], _Remembered] = OrderedDict()
        self._heard: set[PointId] = set()
        self._lock = Lock()
        self.edge_of = {
            unit.id: EdgeId(edge.id) for edge in parts.plant.site.edges for unit in edge.units
        }

    def ask(
        self,
        history: History,
        points: Sequence[tuple[PointId, Known]],
        edges: Times,
        budget_s: float,
    ) -> dict[PointId, Row]:
        """Return each point's days; those for which the time was too short are None.

        Args:
            history: The store.
            points: With what is known of their edges.
            edges: Where days begin and the last one ends, (m + 1,) Unix ms.
            budget_s: No point is begun after so many seconds, but for one.

        Raises Unreachable.
        """
        until: float | None = None  # set with the first that has to be made
        found: dict[PointId, Row] = {}
        for point, known in points:
            line = self._plant.lineage(point)
            spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
            stamps = [known.stamp(line, *span) for span in spans]
            row = self._recall(point, edges, stamps)
            if None in row and (until is None or self._clock.tick() < until):
                until = until or self._clock.tick() + budget_s
                for first, last in _runs(row):
                    row[first:last] = self._made(history, line, known, edges[first : last + 1])
                self._keep(point, edges, stamps, row)
            found[point] = row
        return found

    def _recall(self, point: PointId, edges: Times, stamps: Sequence[int]) -> Row:
        tick = self._clock.tick()
        with self._lock:
            kept = [self._kept.get((point, start)) for start in edges[:-1].tolist()]
        return [
            each.day if each and each.stamp == stamp and tick < each.until else None
            for each, stamp in zip(kept, stamps, strict=True)
        ]

    def _keep(self, point: PointId, edges: Times, stamps: Sequence[int], row: Row) -> None:
        over = unix_ms(self._clock.now()) - 2 * HOLD_MS
        soon = self._clock.tick() + OPEN_S
        with self._lock:
            for start, end, stamp, day in zip(
                edges[:-1].tolist(), edges[1:].tolist(), stamps, row, strict=True
            ):
                if day is not None:
                    until = float("inf") if end <= over else soon
                    self._kept[point, start] = _Remembered(stamp, until, day)
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)

    def _made(
        self, history: History, line: Sequence[PointId], known: Known, edges: Times
    ) -> list[PointDay]:
        """Return some consecutive days of a point (and those it continues)."""
        read = reading(history, self._plant, self._continued)
        start, end = int(edges[0]), min(int(edges[-1]), unix_ms(self._clock.now()))
        end = max(start, end)
        # A load profile's last value stands until the one at the end, which is the next day's.
        track = Track(**read(line[0], start - LOOK_BACK_MS, end + 1, 0))
        found = stretches(track, start, end, known.late)
        rows = Buckets.none()
        if (found.code < 0).any():
            rows = Buckets(**read(line[0], start, end, QUARTER_MS))
            found = filled(found, rows)
            came = bool(len(track.at)) and track.at[0] < start
            causes = [] if came else self._before(history, line, found)
            found = explained(found, [*causes, *known.of(line)])
        return _days(found, edges, track, rows, known.aside_of(line))

    def _before(
        self, history: History, line: Sequence[PointId], found: Stretches
    ) -> list[tuple[Missing, Spans]]:
        """Return for how long nothing had come yet, where that may be why nothing is there."""
        if found.code[0] >= 0:
            return []
        start = int(found.begin[0])
        for back in _BACK_MS:
            if any(len(history.buckets(p, start - back, start, DAY_MS).start) for p in line):
                return []
        code = Missing.NOT_YET if self._has_come(history, line) else Missing.NEVER
        return [(code, Spans.of([(start, int(found.end[0]))]))]

    def _has_come(self, history: History, line: Sequence[PointId]) -> bool:
        if line[0] not in self._heard and history.latest(line):
            self._heard.add(line[0])
        return line[0] in self._heard


def _runs(row: Row) -> Iterator[tuple[int, int]]:
    """Yield which days are to be made, from and to, at most PIECE_DAYS together."""
    first = 0
    while first < len(row):
        last = first
        while last < len(row) and row[last] is None and last - first < PIECE_DAYS:
            last += 1
        if last > first:
            yield first, last
        first = max(last, first + 1)


def _days(
    found: Stretches, edges: Times, track: Track, rows: Buckets, put_aside: Sequence[int]
) -> list[PointDay]:
    columns = [column.tolist() for column in days(found, edges, track, rows)]
    causes = by_cause(found, edges)
    aside = np.histogram(np.array(put_aside, np.int64), edges)[0].tolist()
    made = []
    for number, listed in enumerate(holes(found, edges)):
        figures: list[Any] = [column[number] for column in columns]
        longest = sorted(listed, key=lambda hole: hole.begin - hole.end)[:HOLES]
        own = tuple((code, int(ms[number])) for code, ms in causes.items() if ms[number])
        more = len(listed) - len(longest)
        told = (aside[number], own, tuple(sorted(longest)), more)
        made.append(PointDay._make((*figures, *told)))
    return made


def grouped(points: Mapping[PointId, str], rows: Mapping[PointId, Row]) -> dict[str, list[Row]]:
    """Return the rows of each unit, in the order of the points."""
    found: dict[str, list[Row]] = {}
    for point, unit in points.items():
        found.setdefault(unit, []).append(rows[point])
    return found
