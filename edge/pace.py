"""Does a bus keep its rates? One pace for each rate of a bus. Pure.

A read is late when its answer comes a whole period after it was due.
"""

from collections.abc import Iterable
from typing import Final

from watchkeeper.profile import Rate

WINDOW_S: Final = 10.0
LEAST: Final = 10  # answers in a window: fewer say little, and slow rates have few
BEHIND: Final = 0.1  # share of late reads from which a rate is behind
KEEPING: Final = 0.01  # and down to which it stays so
CALM: Final = 3  # windows in a row it must keep: its readings are marked, so it must not flap


class Pace:
    """The share of late reads, window by window."""

    def __init__(self, tick: float) -> None:
        """Begin the first window."""
        self._begun, self._reads, self._late = tick, 0, 0
        self._calm = 0  # windows kept in a row
        self.share = 0.0  # late ones in the last whole window, 0 to 1
        self.is_behind = False

    def read(self, tick: float, due: float, period_s: float) -> bool:
        """Count an answer; True: whether the rate is behind has changed."""
        self._reads += 1
        self._late += tick - due > period_s > 0
        if tick - self._begun < WINDOW_S or self._reads < LEAST:
            return False
        self.share = self._late / self._reads
        self._begun, self._reads, self._late = tick, 0, 0
        self._calm = self._calm + 1 if self.share <= KEEPING else 0
        was = self.is_behind
        self.is_behind = self._calm < CALM if was else self.share > BEHIND
        return was != self.is_behind


class Paces:
    """The paces of one bus."""

    def __init__(self, rates: Iterable[Rate], tick: float) -> None:
        """Begin the first windows."""
        self.of: dict[Rate, Pace] = {rate: Pace(tick) for rate in rates}

    @property
    def share(self) -> float:
        """Return the share of late answers of the rate that has most, 0 to 1."""
        return max((pace.share for pace in self.of.values()), default=0.0)

    @property
    def is_behind(self) -> bool:
        """Return whether the bus cannot keep one of its rates."""
        return any(pace.is_behind for pace in self.of.values())
