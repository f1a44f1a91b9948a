"""Fakes that several tests share; each behaves as its port says."""

from datetime import UTC, datetime, timedelta


class FixedClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)) -> None:
        self._now, self._tick = start, 0.0

    def now(self) -> datetime:
        return self._now

    def tick(self) -> float:
        return self._tick

    def pass_(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._tick += seconds
