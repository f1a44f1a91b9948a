"""The InfluxDB history store: 1.x, 2.x and 3.x; writes also reach VictoriaMetrics.

Same point and time overwrite in InfluxDB, so everything may be replayed. A bad reading has no
field v; one that overwrites a good one leaves the old v behind, so q is always asked first.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from threading import Lock

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from adapters.history.influx_answers import Row
from adapters.history.influx_http import TIMEOUT_MS, Database
from adapters.history.influx_lines import (
    PAYLOAD_LIMIT,
    QUARANTINE,
    READING,
    lines,
    prefix,
    quarantine_line,
    release_line,
)
from adapters.history.spans import summarised
from watchkeeper.batch import Batch, Series
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.history import HOLD_MS, Buckets, History, Quarantined, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import FIRST_BAD, is_bad
from watchkeeper.reading import Reading
from watchkeeper.settings import HistorySettings

_ASKED = 100  # points one statement names
_NS_A_MS = 1_000_000
_ASIDE = "at, origin, reason, readings, payload, payload_hex, released"
_ASIDE_ASKED = 1_000
_ASIDE_KNOWN = 100_000
_ASIDE_WRITTEN = 100  # lines a call; one may have 60 KB
_PAYLOAD_LEAST = 200  # bytes


class InfluxHistory(History):
    """Series numbers are this process's own; what the database knows is the point's name."""

    def __init__(
        self, settings: HistorySettings, site: str, *, clock: Clock, timeout_ms: int = TIMEOUT_MS
    ) -> None:
        """Prepare; a database that is away is noticed at the first call.

        Raises ConfigError: a login or a certificate cannot be used.
        """
        self._database, self._clock = Database(settings, clock, timeout_ms), clock
        self._site, self._of_site = site, f"site = {_text(site)}"
        self._lock = Lock()
        self._numbers: dict[PointId, int] = {}
        self._prefixes: list[str] = []
        self._put_aside = 0
        self._aside: dict[bytes, None] = {}  # in the order they came
        self._recalled = False

    @property
    @override
    def many_writers(self) -> bool:
        return True

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
        for refused in self._database.write(made, "ms"):
            # At once: where the quarantine is refused as well, we learn it by the first line.
            self.quarantine(
                [Quarantined(now, READING, f"store: {each.why}", each.line) for each in refused]
            )

    @override
    def quarantine(self, items: Sequence[Quarantined]) -> None:
        if items and not self._recalled:
            self._recall()
        new = {item.digest: item for item in items if item.digest not in self._aside}
        made = list(new.values())
        for start in range(0, len(made), _ASIDE_WRITTEN):
            self._keep(made[start : start + _ASIDE_WRITTEN], PAYLOAD_LIMIT)
        self._remember(item.digest for item in items)

    def _keep(self, items: Sequence[Quarantined], limit: int) -> None:
        """Put aside with so many bytes of what arrived, fewer where that is refused as well."""
        made = {}
        for item in items:
            # Rows of one millisecond must not overwrite each other.
            self._put_aside = (self._put_aside + 1) % _NS_A_MS
            at_ns = item.at * _NS_A_MS + self._put_aside
            made[quarantine_line(self._site, item, at_ns, limit)] = item
        refused = [each for part in self._database.write(list(made), "ns") for each in part]
        if not refused:
            return
        if limit == _PAYLOAD_LEAST:
            # Then the lines are not to blame, and nothing may be acknowledged.
            raise self._database.unreachable(f"the quarantine is refused: {refused[0].why}")
        self._keep([made[each.line] for each in refused], _PAYLOAD_LEAST)

    def _recall(self) -> None:
        """Learn what was put aside before this process began."""
        found = self._database.ask(
            f"SELECT digest FROM {QUARANTINE}"  # noqa: S608 - nothing a person wrote
            f" WHERE {self._of_site} ORDER BY time DESC LIMIT {_ASIDE_KNOWN}",
            epoch="ns",
        )
        # VictoriaMetrics answers every question, with rows of nothing.
        rows = [row for series in found for row in series.rows if len(row) > 1]
        self._remember(bytes.fromhex(row[1]) for row in reversed(rows))
        self._recalled = True

    def _remember(self, digests: Iterable[bytes]) -> None:
        """Know what was put aside lately: the database cannot tell that something came twice."""
        self._aside |= dict.fromkeys(digests)
        for old in list(islice(self._aside, max(0, len(self._aside) - _ASIDE_KNOWN))):
            del self._aside[old]

    @override
    def quarantined(self, limit: int = 100, before: int | None = None) -> list[Quarantined]:
        kept: list[Quarantined] = []
        older = "" if before is None else f" AND time < {int(before)}"
        while len(kept) < limit:
            found = self._database.ask(
                f"SELECT {_ASIDE} FROM {QUARANTINE}"  # noqa: S608 - nothing a person wrote
                f" WHERE {self._of_site}{older} ORDER BY time DESC LIMIT {_ASIDE_ASKED}",
                epoch="ns",
            )
            rows = [row for series in found for row in series.rows]
            kept += [_quarantined(row) for row in rows if not row[-1]]
            if len(rows) < _ASIDE_ASKED:
                break
            older = f" AND time < {int(rows[-1][0])}"
        return kept[:limit]

    @override
    def release(self, ids: Sequence[int]) -> None:
        made = [release_line(self._site, each) for each in ids]
        for _ in self._database.write(made, "ns"):
            pass  # beyond the retention: it is gone without us

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
        parts: list[npt.NDArray[np.float64]] = [np.empty((0, 3))]
        more = True
        while more:
            began = int(parts[-1][-1, 0]) + 1 if len(parts[-1]) else start
            found = self._database.numbers(
                f"SELECT v, q FROM {READING} WHERE {self._within(point, began, end)}"  # noqa: S608 - likewise
            )
            parts.append(found.rows)
            more = found.partial
        at, value, quality = np.concatenate(parts).T
        marks = quality.astype(np.uint8)
        return Track(at.astype(np.int64), np.where(marks < FIRST_BAD, value, np.nan), marks)

    @override
    def buckets(self, point: PointId, start: int, end: int, width: int) -> Buckets:
        if width <= 0:
            raise ValueError(f"a width of {width} ms")
        # Not by GROUP BY: what coverage needs to know besides takes as long as the readings.
        return summarised(self.raw(point, start - HOLD_MS, end), width, start, end)

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
    at_ns, at, origin, reason, readings, payload, in_hex, _ = row
    content = bytes.fromhex(in_hex) if in_hex else payload.encode()
    return Quarantined(at, origin, reason, content, 1 if readings is None else readings, at_ns)
