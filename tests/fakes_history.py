"""A history in memory that keeps the port's contract (tests/contract/test_history.py)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from typing_extensions import override

from watchkeeper.batch import Batch, Series
from watchkeeper.errors import Unreachable
from watchkeeper.history import HOLD_MS, Buckets, History, Quarantined, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import is_bad, is_good
from watchkeeper.reading import Reading


class MemoryHistory(History):
    """Dictionaries; `away` makes it not answer."""

    def __init__(self, *, many_writers: bool = False) -> None:
        self._many_writers = many_writers
        self.away = False
        self.writes = 0
        self._points: list[PointId] = []
        self._rows: dict[int, dict[int, tuple[float, int]]] = {}
        self._aside: list[Quarantined] = []

    def _answer(self) -> None:
        if self.away:
            raise Unreachable("history.unreachable", what="told to be away", where="memory")

    @property
    @override
    def many_writers(self) -> bool:
        return self._many_writers

    @override
    def series(self, points: Sequence[PointId]) -> Series:
        self._answer()
        self._points += [point for point in dict.fromkeys(points) if point not in self._points]
        return np.array([self._points.index(point) for point in points], np.uint32)

    @override
    def write(self, batch: Batch) -> None:
        self._answer()
        self.writes += 1
        for series, at, value, quality in zip(
            batch.series.tolist(), batch.at.tolist(), batch.value.tolist(), batch.quality.tolist(),
            strict=True,
        ):  # fmt: skip
            self._rows.setdefault(series, {})[at] = (value, quality)

    @override
    def quarantine(self, items: Sequence[Quarantined]) -> None:
        self._answer()
        for item in items:
            if item.digest not in {kept.digest for kept in self._aside}:
                number = max((kept.id for kept in self._aside), default=0) + 1
                self._aside.append(replace(item, id=number))

    @override
    def quarantined(self, limit: int = 100, before: int | None = None) -> list[Quarantined]:
        self._answer()
        return [item for item in self._aside[::-1] if before is None or item.id < before][:limit]

    @override
    def release(self, ids: Sequence[int]) -> None:
        self._aside = [item for item in self._aside if item.id not in ids]

    @override
    def points(self) -> list[PointId]:
        return list(self._points)

    @override
    def latest(self, points: Sequence[PointId]) -> dict[PointId, Reading]:
        found = {}
        for point in points:
            rows = self._of(point)
            if rows:
                at = max(rows)
                value, quality = rows[at]
                moment = datetime.fromtimestamp(at / 1000, UTC)
                found[point] = Reading(point, moment, None if is_bad(quality) else value, quality)
        return found

    @override
    def raw(self, point: PointId, start: int, end: int) -> Track:
        rows = [(at, *row) for at, row in sorted(self._of(point).items()) if start <= at < end]
        return Track(
            np.array([at for at, _, _ in rows], np.int64),
            np.array([value for _, value, _ in rows], np.float64),
            np.array([quality for _, _, quality in rows], np.uint8),
        )

    @override
    def buckets(self, point: PointId, start: int, end: int, width: int) -> Buckets:
        if width <= 0:
            raise ValueError(f"a width of {width} ms")
        spans: dict[int, list[float]] = {}
        known: dict[int, int] = {}
        stored = sorted(self._of(point).items())
        followers = [at for at, _ in stored[1:]] + [end] * bool(stored)
        for (at, (value, quality)), follower in zip(stored, followers, strict=True):
            if not is_good(quality):
                continue
            if start <= at < end:
                spans.setdefault(at // width * width, []).append(value)
            until = min(end, at + HOLD_MS, follower)
            for edge in range(at // width * width, until, width):
                inside = min(until, edge + width) - max(at, start, edge)
                known[edge] = known.get(edge, 0) + max(0, inside)
        rows = [
            (
                len(each), math.fsum(each) / len(each), min(each), max(each), each[0], each[-1],
                known.get(at, 0) / (min(at + width, end) - max(at, start)),
            )
            for at, each in spans.items()
        ]  # fmt: skip
        columns = np.array(rows, np.float64).reshape(-1, 7).T
        return Buckets(np.array(list(spans), np.int64), columns[0].astype(np.int64), *columns[1:])

    @override
    def close(self) -> None:
        pass

    def _of(self, point: PointId) -> dict[int, tuple[float, int]]:
        return self._rows.get(self._points.index(point), {}) if point in self._points else {}
