"""What is known of readings that are missing or came late: from alarms, quarantine and marks.

All of it is about an edge, but for what was put aside, which names its point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np

from server.alarms import store as alarms
from server.births import Births
from server.edges import BROKER_LOST, EDGE_LOST
from server.parts import Parts
from watchkeeper import aside
from watchkeeper.batch import Times
from watchkeeper.clock import unix_ms
from watchkeeper.completeness import Missing, Spans, late_point
from watchkeeper.history import HOLD_MS, History, Quarantined
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.spans import MINUTE_MS

LOOKED: Final = 5_000  # items of the quarantine that are looked at, the newest
_ROWS: Final = 10_000  # of an item


@dataclass(slots=True)
class Known:
    """What is known of one edge."""

    late: Times  # minutes (Unix ms / MINUTE_MS), ascending
    lost: list[tuple[int, int]] = field(default_factory=list)  # Unix ms
    away: list[tuple[int, int]] = field(default_factory=list)  # the broker
    given_up: list[tuple[int, int]] = field(default_factory=list)
    put_aside: dict[PointId, list[int]] = field(default_factory=dict)  # times of readings

    def of(self, points: Sequence[PointId]) -> list[tuple[Missing, Spans]]:
        """Return the causes for a point and those it continues, the surest first."""
        times = np.array(self.aside_of(points), np.int64)
        return [
            (Missing.GIVEN_UP, Spans.of(self.given_up)),
            (Missing.PUT_ASIDE, Spans(times, times + HOLD_MS)),
            (Missing.EDGE_LOST, Spans.of(self.lost)),
            (Missing.BROKER_LOST, Spans.of(self.away)),
        ]

    def aside_of(self, points: Sequence[PointId]) -> list[int]:
        """Return the times of readings that were put aside."""
        return [at for point in points for at in self.put_aside.get(point, ())]

    def stamp(self, points: Sequence[PointId], start: int, end: int) -> int:
        """Return a number that changes when something else is known of a day of these points."""
        late = np.searchsorted(self.late, (start // MINUTE_MS, end // MINUTE_MS))
        spans = [
            (max(begin, start), min(until, end))
            for each in (self.lost, self.away, self.given_up)
            for begin, until in (*each, (0, 0))
            if begin < end and until > start
        ]
        put_aside = [at for at in self.aside_of(points) if start - HOLD_MS <= at < end]
        return hash((self.late[late[0] : late[1]].tobytes(), *spans, *put_aside))


class Found(NamedTuple):
    """What is known of all edges."""

    edges: dict[EdgeId, Known]
    whole: bool  # False: more was put aside than we looked at


def known(parts: Parts, births: Births, history: History, start: int, end: int) -> Found:
    """Return what is known of a span of time (Unix ms). Raises Unreachable."""
    edges = {
        EdgeId(edge.id): Known(
            history.raw(late_point(EdgeId(edge.id)), start, end).at // MINUTE_MS
        )
        for edge in parts.plant.site.edges
    }  # fmt: skip
    _lost(parts, edges, start)
    whole = True
    for looked, item in enumerate(_put_aside_since(history, start), 1):
        whole = looked < LOOKED
        if not whole:
            break
        if (edge := edges.get(EdgeId(aside.edge_of(item)))) is not None:
            _aside(item, edge, births)
    return Found(edges, whole)


def _lost(parts: Parts, edges: dict[EdgeId, Known], start: int) -> None:
    """Add when edges and the broker were lost, as the alarms about it say.

    They begin up to 30 s late and readings return a little after them: the slack is that of a
    reading, which is as long as no hole can be seen anyway.
    """
    now, since = parts.clock.now(), datetime.fromtimestamp((start - HOLD_MS) / 1000, UTC)
    for spell in alarms.spells(parts.read, (EDGE_LOST, BROKER_LOST), since):
        span = unix_ms(spell.begin) - HOLD_MS, unix_ms(spell.end or now) + HOLD_MS
        if spell.rule == BROKER_LOST:
            for edge in edges.values():
                edge.away.append(span)
        elif (one := edges.get(EdgeId(spell.point.partition("/")[0]))) is not None:
            one.lost.append(span)


def _put_aside_since(history: History, start: int) -> Iterator[Quarantined]:
    """Yield the newest first, until they are too old to be about anything after `start`."""
    before = None
    while True:
        items = history.quarantined(aside.PAGE, before=before)
        for item in items:
            if item.at < start - aside.LATE_MS:
                return
            yield item
        if len(items) < aside.PAGE:
            return
        before = items[-1].id


def _aside(item: Quarantined, edge: Known, births: Births) -> None:
    def names(name: str, birth: str) -> dict[int, PointId] | None:
        return births.points(EdgeId(name), birth)

    opened = aside.opened(item, names, _ROWS)
    if opened.gap is not None:
        edge.given_up.append(opened.gap)
    for row in opened.rows:
        if row.point is not None and isinstance(row.at, int):
            edge.put_aside.setdefault(row.point, []).append(row.at)
