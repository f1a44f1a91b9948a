"""The InfluxDB history store: 1.x, 2.x and 3.x; writes also reach VictoriaMetrics.

Same point and time overwrite in InfluxDB, so everything may be replayed. A bad reading has no
field v; one that overwrites a good one leaves the old v behind, so q is always asked first.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from threading import Lock

import numpy as np
from typing_extensions import override

from adapters.history.influx_http import Database, Row
from adapters.history.influx_lines import QUARANTINE, READING, lines, prefix, quarantine_line
from watchkeeper.batch import Batch, Series
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.history import Buckets, History, Quarantined, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import FIRST_BAD, FIRST_UNCERTAIN, is_bad
from watchkeeper.reading import Reading
from watchkeeper.settings import HistorySettings

LINES = 5_000  # a call
_ASKED = 100  # points one statement names
_NS_A_MS = 1_000_000


class InfluxHistory(History):
    """Series numbers are this process's own; what the database knows is the point's name."""

    def __init__(self, settings: HistorySettings, site: str, *, clock: Clock) -> None:
        """Prepare; a database that is away is noticed at the first call."""
        self._database, self._clock = Database(settings), clock
        self._site, self._of_site = site, f"site = {_text(site)}"
        self._lock = Lock()
        self._numbers: dict[PointId, int] = {}
        self._prefixes: list[str] = []
        self._put_aside = 0

    @override
    def series(self, points: Sequence[PointId]) -> Series:
        with self._lock:
            for point in points:
                if point not in self._numbers:
                    self._numbers[point] = len(self._prefixes)
                    self._prefixes.append(prefix(self._site, point))
            return np.array([self._numbers[point] for point in points], np.uint32)

    @override
    def write(self, batch: Batch) -> None:
        made = lines(batch, self._prefixes)
        now = unix_ms(self._clock.now())
        for start in range(0, len(made), LINES):
            refused = self._database.write(made[start : start + LINES], "ms")
            self.quarantine(
                [Quarantined(now, READING, f"store: {each.why}", each.line) for each in refused]
            )

    @override
    def quarantine(self, items: Sequence[Quarantined]) -> None:
        made = []
        for item in items:
            # Rows of one millisecond must not overwrite each other.
            self._put_aside = (self._put_aside + 1) % _NS_A_MS
            made.append(quarantine_line(self._site, item, item.at * _NS_A_MS + self._put_aside))
        for start in range(0, len(made), LINES):
            self._database.write(made[start : start + LINES], "ns")

    @override
    def quarantined(self, limit: int = 100) -> list[Quarantined]:
        found = self._database.ask(
            f"SELECT at, origin, reason, payload, payload_hex FROM {QUARANTINE}"  # noqa: S608
            f" WHERE {self._of_site} ORDER BY time DESC LIMIT {int(limit)}"
        )
        return [_quarantined(row) for series in found for row in series.rows]

    @override
    def points(self) -> list[PointId]:
        found = self._database.ask(
            f"SHOW TAG VALUES FROM {READING} WITH KEY = point WHERE {self._of_site}"
        )
        return [PointId(row[1]) for series in found for row in series.rows]

    @override
    def latest(self, points: Sequence[PointId]) -> dict[PointId, Reading]:
        return {reading.point: reading for reading in self._newest(list(dict.fromkeys(points)))}

    def _newest(self, points: Sequence[PointId]) -> Iterator[Reading]:
        for start in range(0, len(points), _ASKED):
            named = " OR ".join(f"point = {_text(each)}" for each in points[start : start + _ASKED])
            for found in self._database.ask(
                f"SELECT v, q FROM {READING} WHERE {self._of_site} AND ({named})"  # noqa: S608 - `_text` quotes
                " GROUP BY point ORDER BY time DESC LIMIT 1"
            ):
                at, value, quality = found.rows[0]
                moment = datetime.fromtimestamp(at / 1000, UTC)
                bad = is_bad(quality)
                yield Reading(
                    PointId(found.tags["point"]), moment, None if bad else float(value), quality
                )

    @override
    def raw(self, point: PointId, start: int, end: int) -> Track:
        found = self._database.ask(
            f"SELECT v, q FROM {READING} WHERE {self._within(point, start, end)}"  # noqa: S608
        )
        rows = [row for series in found for row in series.rows]
        quality = np.array([row[2] for row in rows], np.uint8)
        value = np.array([np.nan if row[1] is None else row[1] for row in rows], np.float64)
        value[quality >= FIRST_BAD] = np.nan
        return Track(np.array([row[0] for row in rows], np.int64), value, quality)

    @override
    def buckets(self, point: PointId, start: int, end: int, width: int) -> Buckets:
        found = self._database.ask(
            "SELECT COUNT(v), MEAN(v), MIN(v), MAX(v), FIRST(v), LAST(v)"  # noqa: S608
            f" FROM {READING} WHERE {self._within(point, start, end)} AND q < {FIRST_UNCERTAIN}"
            f" GROUP BY time({int(width)}ms) FILL(none)"
        )
        rows = [row for series in found for row in series.rows if row[1]]
        floats = np.array([row[2:] for row in rows], np.float64).reshape(-1, 5)
        return Buckets(
            np.array([row[0] for row in rows], np.int64),
            np.array([row[1] for row in rows], np.int64),
            *(np.ascontiguousarray(column) for column in floats.T),
        )

    def _within(self, point: PointId, start: int, end: int) -> str:
        span = f"time >= {int(start)}ms AND time < {int(end)}ms"
        return f"{self._of_site} AND point = {_text(point)} AND {span}"

    @override
    def close(self) -> None:
        self._database.close()


def _text(text: str) -> str:
    """Return a string literal of InfluxQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quarantined(row: Row) -> Quarantined:
    _, at, origin, reason, payload, in_hex = row
    return Quarantined(at, origin, reason, bytes.fromhex(in_hex) if in_hex else payload.encode())
